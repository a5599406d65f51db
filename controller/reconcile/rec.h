#ifndef NB_RECONCILE_REC_H
#define NB_RECONCILE_REC_H

/*
 * rec: what the reconcilers share: the stores, the queue, the way to write, to tell and to hear. Made once by main;
 * everything in it is borrowed and may be used from any thread.
 */

#include "controller/plan/plan.h"
#include "controller/reconcile/logs.h"
#include "controller/runtime/loop.h"
#include "controller/runtime/recorder.h"
#include "controller/runtime/store.h"
#include "controller/runtime/written.h"

struct rec {
    struct ctl_store *backups, *runs, *jobs, *pods;
    struct ctl_queue *backup_queue;
    struct ctl_written *written;
    struct ctl_recorder *recorder;
    struct rec_logs *logs;
    struct plan_options plan;
};

/* A ctl_reconcile_fn for keys of Neo4jBackups; ctx: the rec. */
bool rec_backup(void *ctx, struct ctl_work *work, struct nb_error *err);

/* Puts the backup that a changed run, Job or pod belongs to into the queue. ctx: the rec. Fits ctl_store_on_change. */
void rec_child_changed(void *ctx, const struct ctl_object *before, const struct ctl_object *after);
/* The same for a changed Neo4jBackup. */
void rec_backup_changed(void *ctx, const struct ctl_object *before,
                        const struct ctl_object *after);
/* All of them: after a term has begun. */
void rec_backups_enqueue(struct rec *rec);

#endif
