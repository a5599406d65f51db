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
    FORGET_MS = 40000, /* above the queue's longest back-off: whoever was woken has it by then */
    IDLE_MS = 5000,
    BACK_OFF_MS = 60000, /* at most, after failures in a row */
    READERS = 4,
    FAILING_READERS = 2, /* the others are for pods that answer */
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
    bool busy;            /* a reader is at it */
    unsigned failures;    /* reads in a row that came to nothing */
    uint64_t serial;      /* tells it from another of the same Job */
};

/* What a reader takes along: the follow itself may be replaced while it reads. */
struct turn {
    char *ns, *job, *pod;
    uint64_t serial;
    bool failing;
    struct rec_log_position from;
};

struct reader {
    struct rec_logs *logs;
    struct kube_client *client;
    struct nb_thread *thread;
};

struct rec_logs {
    struct rec_logs_opts opts;
    struct reader readers[READERS];
    struct nb_cancel *cancel;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool stop;
    struct nb_map *follows; /* "ns/job" -> struct follow * */
    uint64_t serials;
    unsigned failing; /* readers at pods that failed before */
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
        f->serial = ++l->serials;
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
            f->failures = 0; /* its kubelet has just been heard */
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

/* Until the next read of one that goes on. */
static int64_t pause_of(const struct rec_logs *l, const struct follow *f, enum pod_state state,
                        int64_t now)
{
    bool young = now - f->begun_mono_ms < FIRST_MS;
    int64_t ms = l->opts.poll_ms;

    if (f->poked)
        return 0;
    if (state == POD_ENDED)
        ms = RETRY_MS;
    else if (young && ms > FIRST_POLL_MS)
        ms = FIRST_POLL_MS;
    for (unsigned i = 1; i < f->failures && ms < BACK_OFF_MS; i++)
        ms *= 2;
    return ms < BACK_OFF_MS ? ms : BACK_OFF_MS;
}

/* Takes what was read, with the lock held. */
static bool take_text(struct rec_logs *l, struct follow *f, const struct nb_buf *text,
                      enum pod_state state, const struct nb_error *err)
{
    int64_t now = nb_clock_mono_ms();
    struct feed feed = { .log = f->log, .now = nb_clock_unix_seconds(), .changed = false };
    bool full = text->len + 1 >= READ_MAX, fed;

    f->failures = err->code == NB_OK || f->poked ? 0 : f->failures + 1;
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
        f->next_mono_ms = now + pause_of(l, f, state, now);
        f->poked = false;
    }
    if (f->log->complete || f->log->failed) {
        f->next_mono_ms = INT64_MAX;
        f->done_mono_ms = now;
        feed.changed = true;
    }
    return feed.changed;
}

static void read_one(struct reader *reader, const struct turn *turn)
{
    struct rec_logs *l = reader->logs;
    nb_auto_done(nb_buf_done) struct nb_buf text = NB_BUF_INIT(READ_MAX);
    nb_auto(nb_free) char *wake = NULL;
    struct kube_log_opts opts = { .container = API_WORKER_CONTAINER,
                                  .timestamps = true,
                                  .idle_timeout_ms = l->opts.idle_ms };
    struct nb_error err = NB_ERROR_INIT;
    char since[REC_LOG_TIME_MAX];
    /* Asked before reading: what was read is all only if it had ended by then. */
    enum pod_state state = pod_state(l, turn->ns, turn->pod);
    struct follow *f;

    if (rec_log_position_since(&turn->from, since))
        opts.since_time = since;
    if (!kube_pod_log(reader->client, turn->ns, turn->pod, &opts, l->cancel, &text, &err) &&
        nb_cancel_is_set(l->cancel))
        return;
    if (err.code != NB_OK)
        nb_log_error(NB_LOG_DEBUG, "log not read", &err);
    pthread_mutex_lock(&l->lock);
    f = find(l, turn->ns, turn->job);
    if (f && f->serial == turn->serial) {
        f->busy = false;
        if (take_text(l, f, &text, state, &err))
            wake = nb_xstrdup(f->queue_key);
    }
    pthread_mutex_unlock(&l->lock);
    if (wake)
        ctl_queue_add(l->opts.queue, wake);
}

/* --- the threads --- */

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

/* Of those that are due the lowest goes first. */
static unsigned rank_of(const struct follow *f)
{
    bool ended = f->poked || f->ended_mono_ms != 0;

    return (f->failures > 0 ? 2u : 0u) + (ended ? 0u : 1u);
}

/* What is to be read now, or NULL and when to look again. Lock held. */
static struct follow *choose(struct rec_logs *l, int64_t now, int64_t *ret_until)
{
    struct follow *best = NULL;
    struct nb_str key;
    void *value;
    size_t pos = 0;

    *ret_until = now + l->opts.forget_ms;
    while (nb_map_next(l->follows, &pos, &key, &value)) {
        struct follow *f = value;

        /* Who holds the last place for those that fail looks again when it is done. */
        if (f->busy || (f->failures > 0 && l->failing >= FAILING_READERS))
            continue;
        if (f->next_mono_ms < *ret_until)
            *ret_until = f->next_mono_ms;
        if (f->next_mono_ms <= now &&
            (!best || rank_of(f) < rank_of(best) ||
             (rank_of(f) == rank_of(best) && f->next_mono_ms < best->next_mono_ms)))
            best = f;
    }
    return best;
}

static void turn_begin(struct rec_logs *l, struct follow *f, struct turn *ret)
{
    *ret = (struct turn){ .ns = nb_xstrdup(f->ns),
                          .job = nb_xstrdup(f->job),
                          .pod = nb_xstrdup(f->pod),
                          .serial = f->serial,
                          .failing = f->failures > 0,
                          .from = f->position };
    f->busy = true;
    f->poked = false;
    if (ret->failing)
        l->failing++;
    /* Somebody who waits must mind what this reader would have come to next. */
    pthread_cond_signal(&l->changed);
}

static void turn_end(struct rec_logs *l, struct turn *turn)
{
    if (turn->failing)
        l->failing--;
    free(turn->ns);
    free(turn->job);
    free(turn->pod);
}

static void *reader_main(void *arg)
{
    struct reader *reader = arg;
    struct rec_logs *l = reader->logs;

    pthread_mutex_lock(&l->lock);
    while (!l->stop) {
        int64_t now = nb_clock_mono_ms(), until;
        struct follow *f;
        struct turn turn;

        forget_old(l, now);
        f = choose(l, now, &until);
        if (!f) {
            nb_cond_wait(&l->changed, &l->lock, until);
            continue;
        }
        turn_begin(l, f, &turn);
        pthread_mutex_unlock(&l->lock);
        read_one(reader, &turn);
        pthread_mutex_lock(&l->lock);
        turn_end(l, &turn);
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
    l->opts.idle_ms = opts->idle_ms ? opts->idle_ms : IDLE_MS;
    l->follows = nb_map_new(follow_free);
    l->cancel = nb_cancel_new();
    nb_mutex_init(&l->lock);
    nb_cond_init(&l->changed);
    for (int i = 0; i < READERS; i++) {
        struct reader *r = &l->readers[i];

        r->logs = l;
        if (!kube_client_new(opts->auth, NULL, &r->client, err) ||
            !nb_thread_start("logs", reader_main, r, &r->thread, err))
            return false;
    }
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
    for (int i = 0; i < READERS; i++) {
        nb_thread_join(l->readers[i].thread);
        kube_client_free(l->readers[i].client);
    }
    nb_cancel_free(l->cancel);
    nb_map_free(l->follows);
    pthread_cond_destroy(&l->changed);
    pthread_mutex_destroy(&l->lock);
    free(l);
}
