#include "controller/runtime/loop.h"

#include <math.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "base/thread.h"

enum {
    WORKERS_MAX = 32,
    SLOW_RETRY_MS = 30000,     /* what a person must mend outside of the object */
    INVALID_RETRY_MS = 300000, /* what the API server refuses as it is */
    FAILED_WAKE_MIN_MS = 5000, /* a wake that is due already is no way around the back-off */
};

struct worker {
    struct ctl_loop *loop;
    struct kube_client *client;
    struct nb_thread *thread;
};

struct ctl_loop {
    struct ctl_loop_opts opts;
    struct worker workers[WORKERS_MAX];
    unsigned started;
    pthread_mutex_t lock;
    pthread_cond_t ended;
    unsigned running; /* workers that have not returned */
    unsigned active;  /* reconciling at this moment */
};

static const double time_bounds[] = { 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5,
                                      1,     2.5,  5,     10,   25,  60,   INFINITY };
static struct nb_metric total = NB_METRIC(NB_COUNTER, "controller_runtime_reconcile_total",
                                          "Reconciliations by result.", "controller", "result");
static struct nb_metric errors = NB_METRIC(NB_COUNTER, "controller_runtime_reconcile_errors_total",
                                           "Reconciliations that failed.", "controller");
static struct nb_metric terminal =
    NB_METRIC(NB_COUNTER, "controller_runtime_terminal_reconcile_errors_total",
              "Failures that only a change can mend; tried again every 5 minutes.", "controller");
static struct nb_metric seconds =
    NB_METRIC_HISTOGRAM("controller_runtime_reconcile_time_seconds",
                        "How long one reconciliation took.", time_bounds, "controller");
static struct nb_metric active_workers =
    NB_METRIC(NB_GAUGE, "controller_runtime_active_workers", "Workers at work.", "controller");
static struct nb_metric max_workers =
    NB_METRIC(NB_GAUGE, "controller_runtime_max_concurrent_reconciles",
              "Workers of the controller.", "controller");

static void set_active(struct ctl_loop *l, int change)
{
    unsigned active;

    pthread_mutex_lock(&l->lock);
    l->active = change > 0 ? l->active + 1 : l->active - 1;
    active = l->active;
    pthread_mutex_unlock(&l->lock);
    nb_metric_set(&active_workers, active, l->opts.name);
}

static void ended_well(struct ctl_loop *l, const struct ctl_work *work)
{
    ctl_queue_forget(l->opts.queue, work->key);
    if (work->requeue_after_ms >= 0)
        ctl_queue_add_after(l->opts.queue, work->key, work->requeue_after_ms);
    nb_metric_add(&total, 1, l->opts.name,
                  work->requeue_after_ms >= 0 ? "requeue_after" : "success");
}

static int64_t longer(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static void ended_badly(struct ctl_loop *l, const struct ctl_work *work, const struct nb_error *err)
{
    int64_t min_delay = err->retry_after_ms > 0 ? err->retry_after_ms : 0;

    switch (err->code) {
    case NB_E_CANCELLED:
        ctl_queue_add(l->opts.queue, work->key);
        return;
    case NB_E_CONFLICT:
        nb_log_error(NB_LOG_DEBUG, "overtaken, trying again", err);
        nb_metric_add(&total, 1, l->opts.name, "requeue");
        ctl_queue_fail(l->opts.queue, work->key, 0);
        return;
    case NB_E_INVALID:
        nb_log_error(NB_LOG_ERROR, "reconciliation failed, waiting for a change", err);
        nb_metric_add(&terminal, 1, l->opts.name);
        ctl_queue_fail(l->opts.queue, work->key, longer(min_delay, INVALID_RETRY_MS));
        break;
    case NB_E_DENIED:
    case NB_E_NOT_FOUND:
        nb_log_error(NB_LOG_ERROR, "reconciliation failed", err);
        ctl_queue_fail(l->opts.queue, work->key, longer(min_delay, SLOW_RETRY_MS));
        break;
    default:
        nb_log_error(nb_error_is_transient(err) ? NB_LOG_WARN : NB_LOG_ERROR,
                     "reconciliation failed", err);
        ctl_queue_fail(l->opts.queue, work->key, min_delay);
        break;
    }
    if (work->requeue_after_ms >= 0)
        ctl_queue_add_after(l->opts.queue, work->key,
                            longer(work->requeue_after_ms, longer(min_delay, FAILED_WAKE_MIN_MS)));
    nb_metric_add(&total, 1, l->opts.name, "error");
    nb_metric_add(&errors, 1, l->opts.name);
}

static void work_on(struct worker *w, const char *key)
{
    struct ctl_loop *l = w->loop;
    struct ctl_work work = {
        .client = w->client, .cancel = l->opts.cancel, .key = key, .requeue_after_ms = -1
    };
    struct nb_error err = NB_ERROR_INIT;
    int64_t started = nb_clock_mono_ms();
    bool ok;

    set_active(l, 1);
    ok = l->opts.reconcile(l->opts.ctx, &work, &err);
    nb_metric_observe(&seconds, (double)(nb_clock_mono_ms() - started) / 1000.0, l->opts.name);
    if (ok)
        ended_well(l, &work);
    else
        ended_badly(l, &work, &err);
    ctl_queue_done(l->opts.queue, key);
    set_active(l, -1);
}

static void *worker_main(void *arg)
{
    struct worker *w = arg;
    struct ctl_loop *l = w->loop;
    char *key;

    nb_log_scope_push("controller", l->opts.name);
    while ((key = ctl_queue_take(l->opts.queue))) {
        nb_log_scope_push("object", key);
        work_on(w, key);
        nb_log_scope_pop();
        free(key);
    }
    nb_log_scope_pop();
    pthread_mutex_lock(&l->lock);
    l->running--;
    pthread_cond_broadcast(&l->ended);
    pthread_mutex_unlock(&l->lock);
    return NULL;
}

static bool start_worker(struct ctl_loop *l, struct worker *w, struct nb_error *err)
{
    w->loop = l;
    if (!kube_client_new(l->opts.auth, NULL, &w->client, err))
        return false;
    kube_client_set_fence(w->client, l->opts.fence, l->opts.fence_ctx);
    pthread_mutex_lock(&l->lock);
    l->running++;
    pthread_mutex_unlock(&l->lock);
    if (nb_thread_start("reconcile", worker_main, w, &w->thread, err))
        return true;
    pthread_mutex_lock(&l->lock);
    l->running--;
    pthread_mutex_unlock(&l->lock);
    return false;
}

bool ctl_loop_start(const struct ctl_loop_opts *opts, struct ctl_loop **ret, struct nb_error *err)
{
    struct ctl_loop *l = NB_NEW(struct ctl_loop);

    l->opts = *opts;
    nb_mutex_init(&l->lock);
    nb_cond_init(&l->ended);
    if (l->opts.workers < 1)
        l->opts.workers = 1;
    if (l->opts.workers > WORKERS_MAX)
        l->opts.workers = WORKERS_MAX;
    nb_metric_set(&max_workers, l->opts.workers, opts->name);
    nb_metric_add(&errors, 0, opts->name);
    ctl_queue_reopen(opts->queue);
    while (l->started < l->opts.workers) {
        if (!start_worker(l, &l->workers[l->started], err)) {
            kube_client_free(l->workers[l->started].client);
            ctl_loop_stop(l, 0);
            return false;
        }
        l->started++;
    }
    *ret = l;
    return true;
}

void ctl_loop_stop(struct ctl_loop *l, int64_t grace_ms)
{
    int64_t deadline = nb_clock_mono_ms() + grace_ms;

    if (!l)
        return;
    ctl_queue_close(l->opts.queue);
    pthread_mutex_lock(&l->lock);
    while (l->running > 0 && nb_cond_wait(&l->ended, &l->lock, deadline))
        ;
    pthread_mutex_unlock(&l->lock);
    nb_cancel_set(l->opts.cancel);
    for (unsigned i = 0; i < l->started; i++) {
        nb_thread_join(l->workers[i].thread);
        kube_client_free(l->workers[i].client);
    }
    pthread_cond_destroy(&l->ended);
    pthread_mutex_destroy(&l->lock);
    free(l);
}
