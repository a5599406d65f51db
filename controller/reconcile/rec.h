#ifndef NB_RECONCILE_REC_H
#define NB_RECONCILE_REC_H

/*
 * rec: what the reconcilers share: the stores, the queue, the way to write, to tell and to hear.
 * A change in a store puts the key of whom it concerns into the queue. May be used from any
 * thread.
 */

#include "controller/notify/notify.h"
#include "controller/plan/plan.h"
#include "controller/reconcile/logs.h"
#include "controller/runtime/loop.h"
#include "controller/runtime/recorder.h"
#include "controller/runtime/store.h"
#include "controller/runtime/written.h"

struct rec {
    struct ctl_store *backups, *runs, *restores, *jobs, *pods;
    struct ctl_queue
        *queue; /* keys of Neo4jBackups, and of Neo4jRestores after REC_RESTORE_PREFIX */
    struct ctl_written *written;
    struct ctl_recorder *recorder;
    struct rec_logs *logs;
    struct notify *notify; /* borrowed; NULL: nobody is told */
    struct plan_options plan;
};

/* A ctl_reconcile_fn for every key of the queue; ctx: the rec. */
bool rec_reconcile(void *ctx, struct ctl_work *work, struct nb_error *err);
bool rec_backup(struct rec *rec, struct ctl_work *work, struct nb_error *err);
bool rec_restore(struct rec *rec, struct ctl_work *work, struct nb_error *err);

/* Makes the parts that need nobody's help but auth's; the stores are empty and nothing runs but
 * the recorder and the log reader. plan: copied, its strings borrowed. */
NB_NODISCARD bool rec_init(struct rec *rec, struct kube_auth *auth, const struct plan_options *plan,
                           const struct rec_logs_opts *logs, struct nb_error *err);
/* Who tells the channels: before anything reconciles. Its `ended` and `changed` are to be rec_told() and
 * rec_channels_changed(), with the rec as ctx; stop it before rec_done(). */
void rec_use_notify(struct rec *rec, struct notify *notify);
void rec_told(void *ctx, const char *key);
void rec_channels_changed(void *ctx);
/* Stop reflectors and loops first. */
void rec_done(struct rec *rec);
/* Every cache has been filled once. */
bool rec_is_synced(const struct rec *rec);
/* Every key there is into the queue: when a term begins. */
void rec_enqueue_all(struct rec *rec);

#endif
