#include "controller/reconcile/rec.h"

#include "controller/reconcile/kinds.h"

static void enqueue_restore(struct rec *rec, const struct ctl_object *o)
{
    nb_auto(nb_free) char *key = nb_xasprintf("%s%s", REC_RESTORE_PREFIX, o->key);

    ctl_queue_add(rec->queue, key);
}

/* A restore may wait for a run or a backup of its namespace to appear or to end. */
static void enqueue_restores_of(struct rec *rec, const char *ns)
{
    nb_auto_done(ctl_objects_done) struct ctl_objects found = { 0 };

    ctl_store_by_index(rec->restores, ns, &found);
    for (size_t i = 0; i < found.count; i++)
        enqueue_restore(rec, found.items[i]);
}

/* By the index: a run's, Job's or pod's owner, before and after. */
static void child_changed(void *ctx, const struct ctl_object *before,
                          const struct ctl_object *after)
{
    struct rec *rec = ctx;

    if (before && before->index[0])
        ctl_queue_add(rec->queue, before->index);
    if (after && after->index[0] && (!before || strcmp(before->index, after->index) != 0))
        ctl_queue_add(rec->queue, after->index);
}

static void run_changed(void *ctx, const struct ctl_object *before, const struct ctl_object *after)
{
    child_changed(ctx, before, after);
    enqueue_restores_of(ctx, after ? after->ns : before->ns);
}

static void backup_changed(void *ctx, const struct ctl_object *before,
                           const struct ctl_object *after)
{
    struct rec *rec = ctx;

    ctl_queue_add(rec->queue, after ? after->key : before->key);
    enqueue_restores_of(rec, after ? after->ns : before->ns);
}

static void restore_changed(void *ctx, const struct ctl_object *before,
                            const struct ctl_object *after)
{
    enqueue_restore(ctx, after ? after : before);
}

bool rec_reconcile(void *ctx, struct ctl_work *work, struct nb_error *err)
{
    return nb_starts_with(work->key, REC_RESTORE_PREFIX) ? rec_restore(ctx, work, err)
                                                         : rec_backup(ctx, work, err);
}

bool rec_init(struct rec *rec, struct kube_auth *auth, const struct plan_options *plan,
              const struct rec_logs_opts *logs, struct nb_error *err)
{
    struct rec_logs_opts logs_opts = *logs;

    *rec = (struct rec){ .plan = *plan };
    rec->backups = ctl_store_new(&REC_BACKUP_KIND);
    rec->runs = ctl_store_new(&REC_RUN_KIND);
    rec->restores = ctl_store_new(&REC_RESTORE_KIND);
    rec->jobs = ctl_store_new(&REC_JOB_KIND);
    rec->pods = ctl_store_new(&REC_POD_KIND);
    rec->queue = ctl_queue_new("neo4j-backup", NULL);
    rec->written = ctl_written_new();
    logs_opts.auth = auth;
    logs_opts.pods = rec->pods;
    logs_opts.queue = rec->queue;
    if (!rec_logs_start(&logs_opts, &rec->logs, err) ||
        !ctl_recorder_start(auth, "neo4j-backup-controller", &rec->recorder, err))
        return false;
    ctl_store_on_change(rec->backups, backup_changed, rec);
    ctl_store_on_change(rec->runs, run_changed, rec);
    ctl_store_on_change(rec->restores, restore_changed, rec);
    ctl_store_on_change(rec->jobs, child_changed, rec);
    ctl_store_on_change(rec->pods, child_changed, rec);
    ctl_store_on_change(rec->pods, rec_logs_pod_changed, rec->logs);
    return true;
}

void rec_use_notify(struct rec *rec, struct notify *notify)
{
    rec->notify = notify;
    rec->plan.channel = notify_channel;
    rec->plan.channel_ctx = notify;
}

void rec_told(void *ctx, const char *key)
{
    struct rec *rec = ctx;

    ctl_queue_add(rec->queue, key);
}

void rec_channels_changed(void *ctx)
{
    rec_enqueue_all(ctx);
}

void rec_done(struct rec *rec)
{
    rec_logs_stop(rec->logs);
    ctl_recorder_stop(rec->recorder);
    ctl_written_free(rec->written);
    ctl_queue_free(rec->queue);
    ctl_store_free(rec->backups);
    ctl_store_free(rec->runs);
    ctl_store_free(rec->restores);
    ctl_store_free(rec->jobs);
    ctl_store_free(rec->pods);
    *rec = (struct rec){ 0 };
}

bool rec_is_synced(const struct rec *rec)
{
    return ctl_store_is_synced(rec->backups) && ctl_store_is_synced(rec->runs) &&
           ctl_store_is_synced(rec->restores) && ctl_store_is_synced(rec->jobs) &&
           ctl_store_is_synced(rec->pods);
}

void rec_enqueue_all(struct rec *rec)
{
    nb_auto_done(ctl_objects_done) struct ctl_objects backups = { 0 };
    nb_auto_done(ctl_objects_done) struct ctl_objects restores = { 0 };

    ctl_store_all(rec->backups, &backups);
    for (size_t i = 0; i < backups.count; i++)
        ctl_queue_add(rec->queue, backups.items[i]->key);
    ctl_store_all(rec->restores, &restores);
    for (size_t i = 0; i < restores.count; i++)
        enqueue_restore(rec, restores.items[i]);
}
