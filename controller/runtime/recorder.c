#include "controller/runtime/recorder.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "base/retry.h"
#include "base/thread.h"
#include "controller/runtime/event_limit.h"
#include "kube/status.h"

enum { WAITING_MAX = 1000, TEXT_MAX_BYTES = 1024, STOP_MS = 2000, TRIES = 3, CALL_MS = 10000 };

static struct nb_metric dropped_total =
    NB_METRIC(NB_COUNTER, "neo4jbackup_controller_events_dropped_total",
              "Events that were not written: too many waited (queue_full), too many of one object "
              "(rate_limited), or the API server refused (failed).",
              "cause");

struct event {
    struct event *next;
    char *api_version, *kind, *ns, *name, *uid, *reason, *text;
    bool warning;
    int64_t at_unix_seconds;
};

struct ctl_recorder {
    struct kube_client *client;
    const char *component;
    struct ctl_event_limit *limit;
    struct nb_thread *thread;
    struct nb_cancel *cancel;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct event *first, **last;
    size_t waiting;
    bool stop, ended;
    bool full; /* and that was said */
};

static void event_free(struct event *e)
{
    if (!e)
        return;
    free(e->api_version);
    free(e->kind);
    free(e->ns);
    free(e->name);
    free(e->uid);
    free(e->reason);
    free(e->text);
    free(e);
}
NB_AUTO_DEFINE(struct event *, event_free)

static char *cut(const char *s, size_t max)
{
    size_t n = strlen(s);

    if (n > max)
        for (n = max; n > 0 && ((unsigned char)s[n] & 0xC0) == 0x80;)
            n--;
    return nb_xstrndup(s, n);
}

/* Lock held. Takes out the one that waits longest and is no warning; NULL: all are. */
static struct event *give_way(struct ctl_recorder *r)
{
    for (struct event **at = &r->first; *at; at = &(*at)->next) {
        struct event *e = *at;

        if (e->warning)
            continue;
        *at = e->next;
        if (!e->next)
            r->last = at;
        r->waiting--;
        return e;
    }
    return NULL;
}

/* Lock held. What is dropped for it, perhaps itself: the caller's. */
static struct event *push(struct ctl_recorder *r, struct event *e, bool *ret_news)
{
    struct event *dropped = NULL;

    *ret_news = false;
    if (r->waiting >= WAITING_MAX) {
        *ret_news = !r->full;
        r->full = true;
        dropped = e->warning ? give_way(r) : e;
        dropped = dropped ? dropped : e;
    }
    if (dropped == e)
        return e;
    r->waiting++;
    *r->last = e;
    r->last = &e->next;
    pthread_cond_signal(&r->changed);
    return dropped;
}

static struct event *event_new(const struct ctl_reference *about, bool warning, const char *reason,
                               const char *text)
{
    struct event *e = NB_NEW(struct event);

    e->api_version = nb_xstrdup(about->api_version);
    e->kind = nb_xstrdup(about->kind);
    e->ns = nb_xstrdup(about->ns);
    e->name = nb_xstrdup(about->name);
    e->uid = nb_xstrdup(about->uid);
    e->reason = nb_xstrdup(reason);
    e->text = cut(text, TEXT_MAX_BYTES);
    e->warning = warning;
    e->at_unix_seconds = nb_clock_unix_seconds();
    return e;
}

void ctl_recorder_event(struct ctl_recorder *r, const struct ctl_reference *about, bool warning,
                        const char *reason, const char *text)
{
    struct event *e = event_new(about, warning, reason, text);
    nb_auto(event_free) struct event *dropped = NULL;
    bool news = false, stopping;

    pthread_mutex_lock(&r->lock);
    stopping = r->stop;
    dropped = stopping ? e : push(r, e, &news);
    pthread_mutex_unlock(&r->lock);
    if (dropped && !stopping)
        nb_metric_add(&dropped_total, 1, "queue_full");
    if (news)
        nb_log(NB_LOG_WARN, "events are dropped: too many wait to be written",
               NB_F_INT("waiting", WAITING_MAX), NB_F_END);
}

static void write_message(struct nb_jw *w, const struct event *e,
                          const struct ctl_event_record *record)
{
    nb_auto(nb_free) char *whole =
        nb_xasprintf("%s%s", record->combined ? "(combined from similar events): " : "", e->text);
    nb_auto(nb_free) char *text = cut(whole, TEXT_MAX_BYTES);

    nb_jw_kv_str(w, "message", text);
}

/* The Event's name; the same for as long as the record has its suffix. */
static char *name_of(const struct event *e, const struct ctl_event_record *record)
{
    return nb_xasprintf("%.200s.%s", e->name, record->suffix);
}

static void write_create(const struct ctl_recorder *r, const struct event *e, const char *name,
                         const struct ctl_event_record *record, struct nb_buf *out)
{
    struct nb_jw w = NB_JW_INIT(out);
    char at[NB_TIME_TEXT_MAX];

    nb_time_format(e->at_unix_seconds, at);
    nb_jw_object(&w);
    nb_jw_kv_str(&w, "apiVersion", "v1");
    nb_jw_kv_str(&w, "kind", "Event");
    nb_jw_key(&w, "metadata");
    nb_jw_object(&w);
    nb_jw_kv_str(&w, "name", name);
    nb_jw_kv_str(&w, "namespace", e->ns);
    nb_jw_object_end(&w);
    nb_jw_key(&w, "involvedObject");
    nb_jw_object(&w);
    nb_jw_kv_str(&w, "apiVersion", e->api_version);
    nb_jw_kv_str(&w, "kind", e->kind);
    nb_jw_kv_str(&w, "namespace", e->ns);
    nb_jw_kv_str(&w, "name", e->name);
    nb_jw_kv_str(&w, "uid", e->uid);
    nb_jw_object_end(&w);
    nb_jw_kv_str(&w, "type", e->warning ? "Warning" : "Normal");
    nb_jw_kv_str(&w, "reason", e->reason);
    write_message(&w, e, record);
    nb_jw_kv_str(&w, "firstTimestamp", at);
    nb_jw_kv_str(&w, "lastTimestamp", at);
    nb_jw_kv_i64(&w, "count", 1);
    nb_jw_key(&w, "source");
    nb_jw_object(&w);
    nb_jw_kv_str(&w, "component", r->component);
    nb_jw_object_end(&w);
    nb_jw_object_end(&w);
}

static void write_count(const struct event *e, const struct ctl_event_record *record,
                        struct nb_buf *out)
{
    struct nb_jw w = NB_JW_INIT(out);
    char at[NB_TIME_TEXT_MAX];

    nb_jw_object(&w);
    nb_jw_kv_i64(&w, "count", record->count);
    nb_jw_kv_str(&w, "lastTimestamp", nb_time_format(record->last_unix_seconds, at));
    if (record->combined)
        write_message(&w, e, record);
    nb_jw_object_end(&w);
}

static void name_event(struct ctl_event_record *record)
{
    uint8_t random[sizeof(record->suffix) / 2];

    nb_random_bytes(random, sizeof(random));
    nb_hex(random, sizeof(random), record->suffix);
}

static bool create(struct ctl_recorder *r, const struct event *e, struct ctl_event_record *record,
                   struct nb_error *err)
{
    nb_auto_done(nb_buf_done) struct nb_buf body = NB_BUF_INIT(16 << 10);
    nb_auto(nb_free) char *name = name_of(e, record);

    write_create(r, e, name, record, &body);
    if (kube_create(r->client, &KUBE_EVENTS, e->ns, name, nb_buf_str(&body), r->cancel, NULL, err))
        return true;
    if (!kube_error_is_already_exists(err)) /* written before, the answer was lost */
        return false;
    nb_error_clear(err);
    return true;
}

/* False with NB_E_NOT_FOUND: the Event has expired; it is told anew. */
static bool count_up(struct ctl_recorder *r, const struct event *e,
                     const struct ctl_event_record *record, struct nb_error *err)
{
    nb_auto_done(nb_buf_done) struct nb_buf body = NB_BUF_INIT(16 << 10);
    nb_auto(nb_free) char *name = name_of(e, record);

    write_count(e, record, &body);
    return kube_patch(r->client, &KUBE_EVENTS, e->ns, name, NULL, KUBE_PATCH_MERGE,
                      nb_buf_str(&body), r->cancel, NULL, err);
}

static bool put(struct ctl_recorder *r, const struct event *e, struct nb_error *err)
{
    struct nb_retry retry = NB_RETRY_INIT(500, 5000, TRIES, INT64_MAX);
    const struct ctl_event_said said = { e->uid, e->warning, e->reason, e->text };
    struct ctl_event_record *record;
    enum ctl_event_step step = ctl_event_limit_ask(r->limit, &said, e->at_unix_seconds, &record);
    bool ok;

    if (step == CTL_EVENT_DROP) {
        nb_metric_add(&dropped_total, 1, "rate_limited");
        return true;
    }
    do {
        if (step == CTL_EVENT_COUNT) {
            ok = count_up(r, e, record, err);
            if (ok || err->code != NB_E_NOT_FOUND)
                continue;
            nb_error_clear(err);
            record->count = 1;
            step = CTL_EVENT_CREATE;
            record->suffix[0] = '\0';
        }
        if (record->suffix[0] == '\0')
            name_event(record);
        ok = create(r, e, record, err);
    } while (!ok && nb_retry_again(&retry, r->cancel, err));
    if (!ok)
        record->suffix[0] = '\0';
    return ok;
}

static struct event *next(struct ctl_recorder *r)
{
    struct event *e;

    pthread_mutex_lock(&r->lock);
    while (!r->first && !r->stop)
        nb_cond_wait(&r->changed, &r->lock, INT64_MAX);
    e = r->first;
    if (e) {
        r->first = e->next;
        if (!r->first)
            r->last = &r->first;
        r->waiting--;
        if (r->waiting < WAITING_MAX / 2)
            r->full = false; /* the next time is said again */
    }
    pthread_mutex_unlock(&r->lock);
    return e;
}

static void *recorder_main(void *arg)
{
    struct ctl_recorder *r = arg;
    struct event *e;

    while ((e = next(r))) {
        struct nb_error err = NB_ERROR_INIT;

        if (!nb_cancel_is_set(r->cancel) && !put(r, e, &err)) {
            nb_metric_add(&dropped_total, 1, "failed");
            nb_log_error(NB_LOG_DEBUG, "event not written", &err);
        }
        event_free(e);
    }
    pthread_mutex_lock(&r->lock);
    r->ended = true;
    pthread_cond_broadcast(&r->changed);
    pthread_mutex_unlock(&r->lock);
    return NULL;
}

bool ctl_recorder_start(struct kube_auth *auth, const char *component, struct ctl_recorder **ret,
                        struct nb_error *err)
{
    nb_auto(ctl_recorder_stop) struct ctl_recorder *r = NB_NEW(struct ctl_recorder);

    r->component = component;
    r->limit = ctl_event_limit_new();
    r->last = &r->first;
    r->cancel = nb_cancel_new();
    nb_mutex_init(&r->lock);
    nb_cond_init(&r->changed);
    if (!kube_client_new(auth, NULL, &r->client, err))
        return false;
    kube_client_set_timeout(r->client, CALL_MS);
    if (!nb_thread_start("recorder", recorder_main, r, &r->thread, err))
        return false;
    *ret = nb_steal(r);
    return true;
}

void ctl_recorder_stop(struct ctl_recorder *r)
{
    int64_t deadline = nb_clock_mono_ms() + STOP_MS;

    if (!r)
        return;
    pthread_mutex_lock(&r->lock);
    r->stop = true;
    pthread_cond_broadcast(&r->changed);
    while (r->thread && !r->ended && nb_cond_wait(&r->changed, &r->lock, deadline))
        ;
    pthread_mutex_unlock(&r->lock);
    nb_cancel_set(r->cancel);
    nb_thread_join(r->thread);
    while (r->first) {
        struct event *e = r->first;

        r->first = e->next;
        event_free(e);
    }
    kube_client_free(r->client);
    ctl_event_limit_free(r->limit);
    nb_cancel_free(r->cancel);
    pthread_cond_destroy(&r->changed);
    pthread_mutex_destroy(&r->lock);
    free(r);
}
