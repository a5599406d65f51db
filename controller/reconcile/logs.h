#ifndef NB_RECONCILE_LOGS_H
#define NB_RECONCILE_LOGS_H

/*
 * rec_logs: what the worker pods say. Four threads read the logs of the pods that they were told to
 * follow, from the start, each at most every 10 s and once more when its container has ended, and
 * feed an api_log per Job. When one has changed, the key of its backup is queued.
 *
 * A node that does not answer takes nobody else's turn: a read from which nothing comes for 5 s is
 * ended; its pod waits longer after each failure (a minute at most) and goes behind all others that
 * are due, and no more than two threads are at such pods. Before progress goes what has ended,
 * since a run waits for it.
 *
 * A log that cannot be read for 30 s after its container ended, or whose pod is gone, is given up
 * ("failed"). Forty seconds after it was read as far as it can be a log is forgotten, or those of all
 * Jobs that are still there would be in memory; who needs it then follows its pod again. At most
 * 4 MiB are read at once. Any thread.
 */

#include "controller/api/report.h"
#include "controller/runtime/queue.h"
#include "controller/runtime/store.h"
#include "kube/client.h"

struct rec_logs;
struct rec_logs_opts {
    struct kube_auth *auth;
    struct ctl_store *pods;
    struct ctl_queue *queue;
    int64_t poll_ms;    /* 0: 10 s */
    int64_t give_up_ms; /* 0: 30 s */
    int64_t forget_ms;  /* 0: 40 s */
    int64_t idle_ms;    /* 0: 5 s */
};
NB_NODISCARD bool rec_logs_start(const struct rec_logs_opts *opts, struct rec_logs **ret,
                                 struct nb_error *err);
void rec_logs_stop(struct rec_logs *l);
NB_AUTO_DEFINE(struct rec_logs *, rec_logs_stop)

/* Follows that pod for that Job (nothing, if it does already). queue_key: whom to wake. */
void rec_logs_follow(struct rec_logs *l, const char *ns, const char *job, const char *pod,
                     const char *queue_key);
/* A copy of what the Job's pod has said; NULL: not followed. */
struct api_log *rec_logs_copy(struct rec_logs *l, const char *ns, const char *job);
/* The pod has changed: look soon if its container has ended. Fits ctl_store_on_change; ctx: the
 * rec_logs. */
void rec_logs_pod_changed(void *ctx, const struct ctl_object *before,
                          const struct ctl_object *after);

#endif
