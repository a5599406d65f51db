#ifndef NB_RUNTIME_LOOP_H
#define NB_RUNTIME_LOOP_H

/*
 * ctl_loop: N workers that take keys from a queue and call a reconciler. What becomes of the key:
 *   true                   the back-off is forgotten; again after requeue_after_ms if that is >= 0
 *   false, CONFLICT        somebody wrote first: again soon, no failure
 *   false, INVALID         a change must help: again after 5 min or more
 *   false, CANCELLED       silent; the key stays queued for whoever leads next
 *   false, DENIED, NOT_FOUND  a person must help: again after 30 s or more
 *   false, else            back-off
 * A failure does not undo requeue_after_ms: the key is back by then too, if not within 5 s or sooner
 * than the server asked for.
 * Metrics are named as controller-runtime's.
 */

#include "controller/runtime/queue.h"
#include "kube/client.h"

struct ctl_work {
    struct kube_client *client; /* this worker's own */
    const struct nb_cancel *cancel;
    const char *key;
    int64_t requeue_after_ms; /* out; -1: no */
};
typedef bool(ctl_reconcile_fn)(void *ctx, struct ctl_work *work, struct nb_error *err);

struct ctl_loop_opts {
    const char *name; /* static: metrics' label "controller" */
    struct ctl_queue *queue;
    struct kube_auth *auth;
    kube_fence_fn *fence; /* for the workers' clients; NULL: none */
    void *fence_ctx;
    unsigned workers;
    ctl_reconcile_fn *reconcile;
    void *ctx;
    struct nb_cancel *cancel; /* borrowed; set it to break off requests under way */
};

struct ctl_loop;
/* Reopens the queue. */
NB_NODISCARD bool ctl_loop_start(const struct ctl_loop_opts *opts, struct ctl_loop **ret,
                                 struct nb_error *err);
/* Closes the queue, lets workers end what they are at for grace_ms, then sets opts->cancel;
 * waits; frees. */
void ctl_loop_stop(struct ctl_loop *l, int64_t grace_ms);

#endif
