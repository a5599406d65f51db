#include "controller/notify/notify.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "base/thread.h"
#include "controller/notify/book.h"
#include "controller/notify/deliver.h"

static struct nb_metric tries_total = NB_METRIC(
    NB_COUNTER, "neo4jbackup_notifications_total",
    "Notifications by channel and result: told, again (a try failed, more follow), given_up.",
    "channel", "result");
static struct nb_metric waiting =
    NB_METRIC(NB_GAUGE, "neo4jbackup_notifications_waiting",
              "Notifications that this process has yet to deliver.", NULL);
static struct nb_metric config_valid =
    NB_METRIC(NB_GAUGE, "neo4jbackup_controller_config_valid",
              "0 while the configuration file has a fault (what held before still holds).", NULL);

enum { THREADS = 2, RELOAD_MS = 10000, PUT_BACK_MS = 1000 };

/* A configuration in force, and by those who still speak as it says. */
struct held {
    struct notify_config *config;
    unsigned users;
};

struct notify {
    struct notify_opts opts;
    char *path;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct nb_thread *threads[THREADS];
    bool stop, active;
    unsigned busy; /* threads that deliver */
    struct nb_cancel *cancel;
    bool (*fence)(void *ctx, struct nb_error *err);
    void *fence_ctx;
    struct notify_book book;
    struct held *held;            /* NULL: none without a fault so far */
    uint64_t config_hash;         /* of the text that was read last, good or bad */
    struct nb_error config_fault; /* NB_OK: none */
    int64_t reload_at_ms;
};

/* --- the configuration ----------------------------------------------------------------------- */

/* True: *ret_hash is of what is there now; *ret NULL with fault when it cannot be used. */
static bool read_config(const char *path, uint64_t was, uint64_t *ret_hash,
                        struct notify_config **ret, struct nb_error *fault)
{
    nb_auto_done(nb_buf_done) struct nb_buf text = NB_BUF_INIT(NOTIFY_CONFIG_MAX_BYTES);

    if (!nb_file_read(path, &text, fault)) {
        nb_wrap(fault, "configuration");
        snprintf(fault->reason, sizeof(fault->reason), "InvalidConfiguration");
        fault->code = NB_E_INVALID;
        *ret_hash = nb_hash64(fault->text, strlen(fault->text));
        return *ret_hash != was;
    }
    *ret_hash = nb_hash64(nb_buf_cstr(&text), text.len);
    if (*ret_hash == was)
        return false;
    if (!notify_config_parse(nb_buf_cstr(&text), text.len, path, ret, fault))
        *ret = NULL;
    return true;
}

/* Locked. */
static void held_drop(struct held *h)
{
    if (!h || --h->users > 0)
        return;
    notify_config_free(h->config);
    free(h);
}

/* Locked. */
static void use_config(struct notify *n, struct notify_config *config)
{
    held_drop(n->held);
    n->held = NB_NEW(struct held);
    *n->held = (struct held){ .config = config, .users = 1 };
}

/* Locked. */
static const struct notify_channel *find_channel(const struct notify *n, const char *name)
{
    return n->held ? notify_config_find(n->held->config, name) : NULL;
}

/* Locked; the lock is left for reading. */
static void reload(struct notify *n)
{
    struct nb_error fault = NB_ERROR_INIT;
    struct notify_config *config = NULL;
    uint64_t was = n->config_hash, hash = 0;
    bool news;

    n->reload_at_ms = nb_clock_mono_ms() + n->opts.reload_ms;
    pthread_mutex_unlock(&n->lock);
    news = read_config(n->path, was, &hash, &config, &fault);
    if (news && config)
        nb_log(NB_LOG_INFO, "configuration read", NB_F_STR("file", n->path),
               NB_F_INT("channels", config->count), NB_F_END);
    if (news && !config)
        nb_log_error(NB_LOG_ERROR, "configuration is not used", &fault);
    pthread_mutex_lock(&n->lock);
    if (!news)
        return;
    n->config_hash = hash;
    n->config_fault = fault;
    if (config)
        use_config(n, config);
    nb_metric_set(&config_valid, config ? 1 : 0);
    pthread_cond_broadcast(&n->changed);
    pthread_mutex_unlock(&n->lock);
    n->opts.changed(n->opts.ctx);
    pthread_mutex_lock(&n->lock);
}

bool notify_channel(void *ctx, const char *name, struct nb_error *err)
{
    struct notify *n = ctx;
    struct nb_error fault;
    bool found, faulty;

    pthread_mutex_lock(&n->lock);
    found = find_channel(n, name) != NULL;
    faulty = !n->held && n->config_fault.code != NB_OK;
    fault = n->config_fault;
    pthread_mutex_unlock(&n->lock);
    if (found)
        return true;
    if (faulty) {
        *err = fault;
        return false;
    }
    if (!*n->path)
        return nb_fail(err, NB_E_NOT_FOUND, "UnknownChannel",
                       "channel '%s' is not known: the controller has no configuration; hint: the "
                       "chart's value 'notifications'",
                       name);
    return nb_fail(err, NB_E_NOT_FOUND, "UnknownChannel",
                   "channel '%s' is not in the controller's configuration; hint: a name of its "
                   "notifications.channels",
                   name);
}

/* --- telling --------------------------------------------------------------------------------- */

static int64_t rate_of(void *ctx, const char *channel)
{
    const struct notify_channel *c = find_channel(ctx, channel);

    return c ? c->rate_per_minute : 0;
}

/* Locked. */
static void show_waiting(struct notify *n)
{
    nb_metric_set(&waiting, (double)notify_book_waiting(&n->book));
}

/* What is needed of an item that may be gone once it has ended. */
struct told {
    char *channel, *id, *object;
    enum notify_state state;
    bool tried;
};

static void say(const struct told *t, const struct nb_error *err)
{
    const char *result = t->state == NOTIFY_TOLD       ? "told"
                         : t->state == NOTIFY_GIVEN_UP ? "given_up"
                                                       : "again";

    nb_metric_add(&tries_total, 1, t->channel, result);
    if (t->state == NOTIFY_TOLD)
        nb_log(NB_LOG_INFO, "notification delivered", NB_F_STR("channel", t->channel),
               NB_F_STR("id", t->id), NB_F_STR("object", t->object), NB_F_END);
    else
        nb_log(NB_LOG_WARN, "notification not delivered", NB_F_STR("channel", t->channel),
               NB_F_STR("id", t->id), NB_F_STR("object", t->object), NB_F_STR("result", result),
               NB_F_STR("code", nb_code_name(err->code)), NB_F_STR("reason", err->reason),
               NB_F_STR("error", err->text), NB_F_END);
}

/* Not locked: the item is ours until it ends. */
static bool try_it(struct notify *n, const struct notify_config *config,
                   const struct notify_item *item, bool *ret_tried, struct nb_error *err)
{
    struct notify_message m = item->message;

    m.cluster = config->cluster;
    *ret_tried = !n->fence || n->fence(n->fence_ctx, err);
    if (!*ret_tried)
        return false;
    if (notify_deliver(notify_config_find(config, m.channel), &m, n->cancel, err))
        return true;
    *ret_tried = !nb_cancel_is_set(n->cancel);
    return false;
}

/* Locked; the lock is left while the receiver is spoken to. */
static void deliver(struct notify *n, struct notify_item *item)
{
    struct told t = { .channel = nb_xstrdup(item->message.channel),
                      .id = nb_xstrdup(item->message.id),
                      .object = nb_xstrdup(item->object) };
    struct nb_error err = NB_ERROR_INIT;
    struct held *held = n->held;
    uint32_t rnd;
    bool told;

    n->busy++;
    held->users++;
    pthread_mutex_unlock(&n->lock);
    told = try_it(n, held->config, item, &t.tried, &err);
    nb_random_bytes(&rnd, sizeof(rnd));
    pthread_mutex_lock(&n->lock);
    held_drop(held);
    if (t.tried)
        t.state = notify_book_end(&n->book, item, told ? NULL : &err, nb_clock_mono_ms(), rnd);
    else
        notify_book_put_back(&n->book, item, nb_clock_mono_ms() + PUT_BACK_MS);
    show_waiting(n);
    n->busy--;
    pthread_cond_broadcast(&n->changed);
    pthread_mutex_unlock(&n->lock);
    if (t.tried)
        say(&t, &err);
    if (t.tried && t.state != NOTIFY_WAITS)
        n->opts.ended(n->opts.ctx, t.object);
    free(t.channel);
    free(t.id);
    free(t.object);
    pthread_mutex_lock(&n->lock);
}

/* Locked. What there is to do now; else when to look again. */
static struct notify_item *next(struct notify *n, int64_t *ret_wake_ms)
{
    *ret_wake_ms = INT64_MAX;
    return n->active ? notify_book_take(&n->book, nb_clock_mono_ms(), rate_of, n, ret_wake_ms)
                     : NULL;
}

static void *notify_main(void *arg)
{
    struct notify *n = arg;

    pthread_mutex_lock(&n->lock);
    while (!n->stop) {
        struct notify_item *item;
        int64_t wake_ms;

        if (*n->path && nb_clock_mono_ms() >= n->reload_at_ms) {
            reload(n);
            continue;
        }
        item = next(n, &wake_ms);
        if (item)
            deliver(n, item);
        else
            nb_cond_wait(&n->changed, &n->lock,
                         *n->path && n->reload_at_ms < wake_ms ? n->reload_at_ms : wake_ms);
    }
    pthread_mutex_unlock(&n->lock);
    return NULL;
}

/* --- for the rest of the controller ---------------------------------------------------------- */

static void ignore_ended(void *ctx, const char *object)
{
    (void)ctx;
    (void)object;
}

static void ignore_changed(void *ctx)
{
    (void)ctx;
}

bool notify_start(const struct notify_opts *opts, struct notify **ret, struct nb_error *err)
{
    nb_auto(notify_stop) struct notify *n = NB_NEW(struct notify);

    n->opts = *opts;
    n->opts.reload_ms = opts->reload_ms > 0 ? opts->reload_ms : RELOAD_MS;
    n->opts.ended = opts->ended ? opts->ended : ignore_ended;
    n->opts.changed = ignore_changed; /* not before there is somebody to hear it */
    n->path = nb_xstrdup(opts->config ? opts->config : "");
    n->cancel = nb_cancel_new();
    nb_mutex_init(&n->lock);
    nb_cond_init(&n->changed);
    notify_book_init(&n->book);
    pthread_mutex_lock(&n->lock);
    if (*n->path)
        reload(n);
    n->opts.changed = opts->changed ? opts->changed : ignore_changed;
    pthread_mutex_unlock(&n->lock);
    show_waiting(n);
    for (size_t i = 0; i < THREADS; i++)
        if (!nb_thread_start("notify", notify_main, n, &n->threads[i], err))
            return false;
    *ret = nb_steal(n);
    return true;
}

void notify_stop(struct notify *n)
{
    if (!n)
        return;
    pthread_mutex_lock(&n->lock);
    n->stop = true;
    nb_cancel_set(n->cancel);
    pthread_cond_broadcast(&n->changed);
    pthread_mutex_unlock(&n->lock);
    for (size_t i = 0; i < THREADS; i++)
        nb_thread_join(n->threads[i]);
    notify_book_done(&n->book);
    held_drop(n->held);
    nb_cancel_free(n->cancel);
    pthread_cond_destroy(&n->changed);
    pthread_mutex_destroy(&n->lock);
    free(n->path);
    free(n);
}

void notify_begin(struct notify *n, bool (*fence)(void *ctx, struct nb_error *err), void *fence_ctx)
{
    pthread_mutex_lock(&n->lock);
    n->fence = fence;
    n->fence_ctx = fence_ctx;
    n->active = true;
    pthread_cond_broadcast(&n->changed);
    pthread_mutex_unlock(&n->lock);
}

void notify_end(struct notify *n)
{
    pthread_mutex_lock(&n->lock);
    n->active = false;
    notify_book_clear(&n->book);
    nb_cancel_set(n->cancel);
    while (n->busy > 0)
        nb_cond_wait(&n->changed, &n->lock, INT64_MAX);
    nb_cancel_free(n->cancel);
    n->cancel = nb_cancel_new();
    show_waiting(n);
    pthread_mutex_unlock(&n->lock);
}

void notify_tell(struct notify *n, const char *object, const struct notify_message *m)
{
    pthread_mutex_lock(&n->lock);
    if (n->active && find_channel(n, m->channel) &&
        notify_book_add(&n->book, object, m, nb_clock_mono_ms())) {
        show_waiting(n);
        pthread_cond_broadcast(&n->changed);
    }
    pthread_mutex_unlock(&n->lock);
}

void notify_keep(struct notify *n, const char *object, const char *uid,
                 const struct api_notices *kept)
{
    pthread_mutex_lock(&n->lock);
    notify_book_keep(&n->book, object, uid, kept);
    show_waiting(n);
    pthread_mutex_unlock(&n->lock);
}

static void copy_outcome(struct notify_outcomes *to, const struct notify_item *item)
{
    to->items[to->count++] = (struct notify_outcome){
        .id = api_dup(to->arena, item->message.id),
        .channel = api_dup(to->arena, item->message.channel),
        .told = item->state == NOTIFY_TOLD,
        .text = api_dup(to->arena, item->text),
    };
}

void notify_outcomes_get(struct notify *n, const char *object, struct notify_outcomes *ret)
{
    *ret = (struct notify_outcomes){ .arena = api_arena_new() };
    pthread_mutex_lock(&n->lock);
    ret->items = nb_xcalloc(n->book.items.count + 1, sizeof(*ret->items));
    for (size_t i = 0; i < n->book.items.count; i++) {
        const struct notify_item *item = n->book.items.items[i];

        if ((item->state == NOTIFY_TOLD || item->state == NOTIFY_GIVEN_UP) &&
            nb_streq(item->object, object))
            copy_outcome(ret, item);
    }
    pthread_mutex_unlock(&n->lock);
}

void notify_outcomes_done(struct notify_outcomes *o)
{
    nb_arena_free(o->arena);
    free(o->items);
    *o = (struct notify_outcomes){ 0 };
}
