#ifndef NB_RECONCILE_ACT_H
#define NB_RECONCILE_ACT_H

/*
 * Carrying out a plan: each action as one request, one Event, or one word to the log reader. What
 * every reconciler needs; knows of no particular kind. One thread.
 */

#include "controller/reconcile/view.h"

struct rec_act {
    struct rec *rec;
    struct ctl_work *work;
    const char *ns;
    struct rec_view *view; /* look-ups and facts go here */
};

enum rec_outcome {
    REC_DONE, /* every action was carried out */
    REC_AGAIN /* the view knows more than it did: plan again */
};
/* Looks first: what is seen may change everything else. Then Jobs: one that the API server does not
 * let be made is a fact, and a new plan's matter. False: the first failure; actions after it were
 * carried out unless they were not to be. */
NB_NODISCARD bool rec_act_run(struct rec_act *act, const struct plan_actions *actions,
                              enum rec_outcome *ret, struct nb_error *err);

/* Makes plan after plan and carries them out until one needs no second look. */
typedef void(rec_plan_fn)(const struct rec *rec, const struct rec_view *view,
                          struct plan_actions *out);
NB_NODISCARD bool rec_act_settle(struct rec_act *act, rec_plan_fn *plan, struct nb_error *err);
/* False: the stores have not yet seen what we last wrote for this key; it comes back by itself. */
bool rec_act_may_begin(const struct rec *rec, struct ctl_work *work);

#endif
