#include "controller/runtime/queue.h"

#include <math.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "base/thread.h"

struct ctl_queue {
    struct ctl_queue_core *core;
    const char *name;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool closed;
};

static const double seconds_bounds[] = { 1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3,    1e-2,
                                         1e-1, 1,    10,   100,  1000, INFINITY };
static struct nb_metric depth =
    NB_METRIC(NB_GAUGE, "workqueue_depth", "Keys that wait to be worked on.", "name");
static struct nb_metric adds = NB_METRIC(NB_COUNTER, "workqueue_adds_total", "Keys added.", "name");
static struct nb_metric retries =
    NB_METRIC(NB_COUNTER, "workqueue_retries_total", "Keys added again after a failure.", "name");
static struct nb_metric latency =
    NB_METRIC_HISTOGRAM("workqueue_queue_duration_seconds",
                        "How long a key was due before it was worked on.", seconds_bounds, "name");

struct ctl_queue *ctl_queue_new(const char *name, const struct ctl_queue_core_opts *opts)
{
    struct ctl_queue *q = NB_NEW(struct ctl_queue);

    q->core = ctl_queue_core_new(opts);
    q->name = name;
    nb_mutex_init(&q->lock);
    nb_cond_init(&q->changed);
    nb_metric_set(&depth, 0, name);
    nb_metric_add(&adds, 0, name);
    nb_metric_add(&retries, 0, name);
    return q;
}

void ctl_queue_free(struct ctl_queue *q)
{
    if (!q)
        return;
    ctl_queue_core_free(q->core);
    pthread_cond_destroy(&q->changed);
    pthread_mutex_destroy(&q->lock);
    free(q);
}

void ctl_queue_add_after(struct ctl_queue *q, const char *key, int64_t delay_ms)
{
    int64_t now = nb_clock_mono_ms();
    int64_t at = delay_ms > INT64_MAX - now ? INT64_MAX : now + (delay_ms > 0 ? delay_ms : 0);
    size_t due;
    bool fresh;

    pthread_mutex_lock(&q->lock);
    fresh = ctl_queue_core_add(q->core, key, at);
    due = ctl_queue_core_due(q->core, now);
    pthread_cond_signal(&q->changed);
    pthread_mutex_unlock(&q->lock);
    if (fresh)
        nb_metric_add(&adds, 1, q->name);
    nb_metric_set(&depth, (double)due, q->name);
}

void ctl_queue_add(struct ctl_queue *q, const char *key)
{
    ctl_queue_add_after(q, key, 0);
}

char *ctl_queue_take(struct ctl_queue *q)
{
    char *key = NULL;
    int64_t due_ms = 0, now = 0;
    size_t due = 0;

    pthread_mutex_lock(&q->lock);
    while (!q->closed) {
        const char *k;

        now = nb_clock_mono_ms();
        k = ctl_queue_core_take(q->core, now, &due_ms);
        if (k) {
            key = nb_xstrdup(k);
            break;
        }
        nb_cond_wait(&q->changed, &q->lock, ctl_queue_core_next_due_ms(q->core));
    }
    /* The workers that wait on must wait for the next due time, whoever it was told to. */
    if (key) {
        due = ctl_queue_core_due(q->core, now);
        if (ctl_queue_core_waiting(q->core) > 0)
            pthread_cond_signal(&q->changed);
    }
    pthread_mutex_unlock(&q->lock);
    if (key) {
        nb_metric_set(&depth, (double)due, q->name);
        nb_metric_observe(&latency, (double)(now - due_ms) / 1000.0, q->name);
    }
    return key;
}

void ctl_queue_done(struct ctl_queue *q, const char *key)
{
    pthread_mutex_lock(&q->lock);
    ctl_queue_core_done(q->core, key);
    pthread_cond_signal(&q->changed);
    pthread_mutex_unlock(&q->lock);
}

void ctl_queue_fail(struct ctl_queue *q, const char *key, int64_t min_delay_ms)
{
    pthread_mutex_lock(&q->lock);
    ctl_queue_core_fail(q->core, key, nb_clock_mono_ms(), min_delay_ms);
    pthread_mutex_unlock(&q->lock);
    nb_metric_add(&retries, 1, q->name);
}

void ctl_queue_forget(struct ctl_queue *q, const char *key)
{
    pthread_mutex_lock(&q->lock);
    ctl_queue_core_forget(q->core, key);
    pthread_mutex_unlock(&q->lock);
}

void ctl_queue_close(struct ctl_queue *q)
{
    pthread_mutex_lock(&q->lock);
    q->closed = true;
    pthread_cond_broadcast(&q->changed);
    pthread_mutex_unlock(&q->lock);
}

void ctl_queue_reopen(struct ctl_queue *q)
{
    pthread_mutex_lock(&q->lock);
    q->closed = false;
    pthread_mutex_unlock(&q->lock);
}
