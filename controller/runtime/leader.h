#ifndef NB_RUNTIME_LEADER_H
#define NB_RUNTIME_LEADER_H

/*
 * ctl_leader: holds a Lease, on a thread of its own. Whoever leads acts only while
 * ctl_leader_check() says so: it looks at the clock itself, so a process that was frozen past its
 * deadline writes nothing when it wakes, whether or not the thread has noticed yet. A Lease is no
 * fence against a write that is already under way, so every write must be safe with two leaders
 * anyway.
 */

#include "base/cancel.h"
#include "controller/runtime/lease.h"
#include "kube/client.h"

struct ctl_leader_opts {
    struct kube_auth *auth; /* must outlive it */
    const char *ns, *name;  /* of the Lease */
    const char *identity;
    /* 0: 15 s, 10 s, 2 s; lease > renew deadline > 1.2 * retry */
    int64_t lease_ms, renew_deadline_ms, retry_ms;
};

struct ctl_leader;
NB_NODISCARD bool ctl_leader_start(const struct ctl_leader_opts *opts, struct ctl_leader **ret,
                                   struct nb_error *err);
/* Gives the Lease back if it is held, waits for the thread, frees. */
void ctl_leader_stop(struct ctl_leader *l);
NB_AUTO_DEFINE(struct ctl_leader *, ctl_leader_stop)

/* Stands for election and waits until we lead. *ret_term is set when we lead no more; borrowed,
 * valid until the next call or stop. We stand again only with the next call. Only one thread
 * calls this. False: cancelled. */
NB_NODISCARD bool ctl_leader_wait(struct ctl_leader *l, const struct nb_cancel *cancel,
                                  struct nb_cancel **ret_term, struct nb_error *err);
/* NB_E_CANCELLED "NotLeading" unless we lead at this moment. Any thread; ctx: the leader (a
 * kube_fence_fn). */
NB_NODISCARD bool ctl_leader_check(void *ctx, struct nb_error *err);

#endif
