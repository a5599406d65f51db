#include "controller/reconcile/logs.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/thread.h"
#include "controller/api/job.h"
#include "controller/reconcile/log_lines.h"

enum {
    POLL_MS = 10000,
    FIRST_POLL_MS = 2000, /* what is wrong from the start is said at the start */
    FIRST_MS = 30000,
    RETRY_MS = 3000,
    GIVE_UP_MS = 30000,
    FORGET_MS = 120000,
    READ_MAX = 4 << 20
};

struct follow {
    char *ns, *job, *pod, *queue_key;
    struct api_log *log;
    struct rec_log_position position;
    int64_t next_mono_ms;  /* INT64_MAX: it has ended */
    int64_t ended_mono_ms; /* when the container was first seen ended; 0: not yet */
    int64_t begun_mono_ms;
    int64_t done_mono_ms; /* when it was read as far as it can be */
    bool poked;           /* the container ended, perhaps while a read was under way */
};

struct rec_logs {
    struct rec_logs_opts opts;
    struct kube_client *client;
    struct nb_cancel *cancel;
    struct nb_thread *thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool stop;
    struct nb_map *follows; /* "ns/job" -> struct follow * */
};

static void follow_free(void *p)
{
    struct follow *f = p;

    if (!f)
        return;
    api_log_free(f->log);
    free(f->ns);
    free(f->job);
    free(f->pod);
    free(f->queue_key);
    free(f);
}

static struct follow *find(struct rec_logs *l, const char *ns, const char *job)
{
    nb_auto(nb_free) char *key = nb_xasprintf("%s/%s", ns, job);

    return nb_map_get(l->follows, key, strlen(key));
}

void rec_logs_follow(struct rec_logs *l, const char *ns, const char *job, const char *pod,
                     const char *queue_key)
{
    nb_auto(nb_free) char *key = nb_xasprintf("%s/%s", ns, job);
    struct follow *f;

    pthread_mutex_lock(&l->lock);
    f = nb_map_get(l->follows, key, strlen(key));
    if (!f || strcmp(f->pod, pod) != 0) { /* a retry of the Job has a new pod */
        f = NB_NEW(struct follow);
        f->ns = nb_xstrdup(ns);
        f->job = nb_xstrdup(job);
        f->pod = nb_xstrdup(pod);
        f->queue_key = nb_xstrdup(queue_key);
        f->log = api_log_new();
        api_log_set_pod(f->log, pod);
        f->next_mono_ms = f->begun_mono_ms = nb_clock_mono_ms();
        nb_map_put(l->follows, key, strlen(key), f);
        pthread_cond_signal(&l->changed);
    }
    pthread_mutex_unlock(&l->lock);
}

struct api_log *rec_logs_copy(struct rec_logs *l, const char *ns, const char *job)
{
    struct api_log *copy = NULL;
    struct follow *f;

    pthread_mutex_lock(&l->lock);
    f = find(l, ns, job);
    if (f)
        copy = api_log_copy(f->log);
    pthread_mutex_unlock(&l->lock);
    return copy;
}

/* --- one pod --- */

enum pod_state { POD_GONE, POD_ALIVE, POD_ENDED };

static enum pod_state pod_state(struct rec_logs *l, const char *ns, const char *pod)
{
    nb_auto(nb_free) char *key = nb_xasprintf("%s/%s", ns, pod);
    nb_auto(ctl_object_unref) struct ctl_object *o = ctl_store_get(l->opts.pods, key);
    nb_auto(nb_json_free) struct nb_json *json = NULL;
    nb_auto(api_pod_free) struct api_pod *p = NULL;
    struct nb_error err = NB_ERROR_INIT;

    if (!o)
        return POD_GONE;
    if (!ctl_object_json(o, &json, &err) || !api_pod_parse(json, &p, &err))
        return POD_ALIVE;
    return p->terminated || nb_streq(p->phase, "Succeeded") || nb_streq(p->phase, "Failed")
               ? POD_ENDED
               : POD_ALIVE;
}

void rec_logs_pod_changed(void *ctx, const struct ctl_object *before,
                          const struct ctl_object *after)
{
    const struct ctl_object *o = after ? after : before;
    struct rec_logs *l = ctx;
    struct nb_str key;
    void *value;
    size_t pos = 0;
    bool ended = pod_state(l, o->ns, o->name) != POD_ALIVE;

    pthread_mutex_lock(&l->lock);
    while (ended && nb_map_next(l->follows, &pos, &key, &value)) {
        struct follow *f = value;

        if (strcmp(f->pod, o->name) == 0 && strcmp(f->ns, o->ns) == 0 &&
            f->next_mono_ms != INT64_MAX && f->ended_mono_ms == 0) {
            f->poked = true;
            f->next_mono_ms = nb_clock_mono_ms();
            pthread_cond_signal(&l->changed);
        }
    }
    pthread_mutex_unlock(&l->lock);
}

struct feed {
    struct api_log *log;
    int64_t now;
    bool changed;
};

static void feed_line(void *ctx, const char *line, size_t n)
{
    struct feed *feed = ctx;

    feed->changed |= api_log_feed(feed->log, line, n, feed->now);
}

static int64_t pause_of(const struct rec_logs *l, const struct follow *f, int64_t now)
{
    bool young = now - f->begun_mono_ms < FIRST_MS;

    return young && l->opts.poll_ms > FIRST_POLL_MS ? FIRST_POLL_MS : l->opts.poll_ms;
}

/* Takes what was read, with the lock held; the follow may have been replaced meanwhile. */
static bool take_text(struct rec_logs *l, struct follow *f, const struct nb_buf *text,
                      enum pod_state state, const struct nb_error *err)
{
    int64_t now = nb_clock_mono_ms();
    struct feed feed = { .log = f->log, .now = nb_clock_unix_seconds(), .changed = false };
    bool full = text->len + 1 >= READ_MAX, fed;

    if (state != POD_ALIVE && f->ended_mono_ms == 0)
        f->ended_mono_ms = now;
    fed = rec_log_lines_feed(&f->position, nb_str_from(nb_buf_cstr(text)),
                             state != POD_ALIVE && !full && err->code == NB_OK, feed_line, &feed);
    if (err->code == NB_OK && full && fed) {
        f->next_mono_ms = now; /* there is more */
    } else if (err->code == NB_OK && full) {
        f->log->failed = true; /* more than we read at once within one second: hostile or broken */
    } else if (err->code == NB_OK && state == POD_ENDED) {
        f->log->complete = true;
    } else if (state == POD_GONE ||
               (state == POD_ENDED && now - f->ended_mono_ms >= l->opts.give_up_ms)) {
        f->log->failed = true;
    } else {
        f->next_mono_ms = now + (f->poked             ? 0
                                 : state == POD_ENDED ? RETRY_MS
                                                      : pause_of(l, f, now));
        f->poked = false;
    }
    if (f->log->complete || f->log->failed) {
        f->next_mono_ms = INT64_MAX;
        f->done_mono_ms = now;
        feed.changed = true;
    }
    return feed.changed;
}

static void read_one(struct rec_logs *l, const char *ns, const char *job, const char *pod,
                     const struct rec_log_position *from)
{
    nb_auto_done(nb_buf_done) struct nb_buf text = NB_BUF_INIT(READ_MAX);
    nb_auto(nb_free) char *wake = NULL;
    struct kube_log_opts opts = { .container = API_WORKER_CONTAINER, .timestamps = true };
    struct nb_error err = NB_ERROR_INIT;
    char since[REC_LOG_TIME_MAX];
    /* Asked before reading: what was read is all only if it had ended by then. */
    enum pod_state state = pod_state(l, ns, pod);
    struct follow *f;

    if (rec_log_position_since(from, since))
        opts.since_time = since;
    if (!kube_pod_log(l->client, ns, pod, &opts, l->cancel, &text, &err) &&
        nb_cancel_is_set(l->cancel))
        return;
    if (err.code != NB_OK)
        nb_log_error(NB_LOG_DEBUG, "log not read", &err);
    pthread_mutex_lock(&l->lock);
    f = find(l, ns, job);
    if (f && strcmp(f->pod, pod) == 0 && take_text(l, f, &text, state, &err))
        wake = nb_xstrdup(f->queue_key);
    pthread_mutex_unlock(&l->lock);
    if (wake)
        ctl_queue_add(l->opts.queue, wake);
}

/* --- the thread --- */

static void forget_old(struct rec_logs *l, int64_t now)
{
    struct nb_str key;
    void *value;
    size_t pos = 0;

    while (nb_map_next(l->follows, &pos, &key, &value)) {
        const struct follow *f = value;

        if (f->next_mono_ms == INT64_MAX && now - f->done_mono_ms > l->opts.forget_ms)
            nb_map_remove(l->follows, key.p, key.n);
    }
}

static struct follow *earliest(struct rec_logs *l)
{
    struct follow *best = NULL;
    struct nb_str key;
    void *value;
    size_t pos = 0;

    while (nb_map_next(l->follows, &pos, &key, &value)) {
        struct follow *f = value;

        if (!best || f->next_mono_ms < best->next_mono_ms)
            best = f;
    }
    return best;
}

static void *logs_main(void *arg)
{
    struct rec_logs *l = arg;

    pthread_mutex_lock(&l->lock);
    while (!l->stop) {
        int64_t now = nb_clock_mono_ms(), latest = now + l->opts.forget_ms;
        struct follow *f;

        forget_old(l, now);
        f = earliest(l);
        if (f && f->next_mono_ms <= now) {
            char *ns = nb_xstrdup(f->ns), *job = nb_xstrdup(f->job), *pod = nb_xstrdup(f->pod);
            struct rec_log_position from = f->position;

            f->next_mono_ms = now + l->opts.poll_ms;
            f->poked = false;
            pthread_mutex_unlock(&l->lock);
            read_one(l, ns, job, pod, &from);
            free(ns);
            free(job);
            free(pod);
            pthread_mutex_lock(&l->lock);
            continue;
        }
        nb_cond_wait(&l->changed, &l->lock,
                     f && f->next_mono_ms < latest ? f->next_mono_ms : latest);
    }
    pthread_mutex_unlock(&l->lock);
    return NULL;
}

bool rec_logs_start(const struct rec_logs_opts *opts, struct rec_logs **ret, struct nb_error *err)
{
    nb_auto(rec_logs_stop) struct rec_logs *l = NB_NEW(struct rec_logs);

    l->opts = *opts;
    l->opts.poll_ms = opts->poll_ms ? opts->poll_ms : POLL_MS;
    l->opts.give_up_ms = opts->give_up_ms ? opts->give_up_ms : GIVE_UP_MS;
    l->opts.forget_ms = opts->forget_ms ? opts->forget_ms : FORGET_MS;
    l->follows = nb_map_new(follow_free);
    l->cancel = nb_cancel_new();
    nb_mutex_init(&l->lock);
    nb_cond_init(&l->changed);
    if (!kube_client_new(opts->auth, NULL, &l->client, err) ||
        !nb_thread_start("logs", logs_main, l, &l->thread, err))
        return false;
    *ret = nb_steal(l);
    return true;
}

void rec_logs_stop(struct rec_logs *l)
{
    if (!l)
        return;
    pthread_mutex_lock(&l->lock);
    l->stop = true;
    pthread_cond_broadcast(&l->changed);
    pthread_mutex_unlock(&l->lock);
    nb_cancel_set(l->cancel);
    nb_thread_join(l->thread);
    kube_client_free(l->client);
    nb_cancel_free(l->cancel);
    nb_map_free(l->follows);
    pthread_cond_destroy(&l->changed);
    pthread_mutex_destroy(&l->lock);
    free(l);
}
