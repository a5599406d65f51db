#include "base/clock.h"
#include "base/log.h"
#include "controller/reconcile/act.h"
#include "controller/reconcile/kinds.h"
#include "controller/reconcile/metrics.h"
#include "controller/reconcile/rec.h"

enum {
    ROUNDS_MAX = 10,      /* plans in a row for one key; each look-up and each collision makes one */
    UNSEEN_RETRY_MS = 1000 /* the store's change wakes us; this is for changes that never come */
};

static const struct kube_resource namespaces = { "", "v1", "namespaces", "Namespace" };

/* Only asked where it matters: may we still create the Job that empties the bucket? */
static bool is_namespace_terminating(struct ctl_work *work, const struct api_backup *b)
{
    nb_auto(nb_json_free) struct nb_json *ns = NULL;
    struct nb_error err = NB_ERROR_INIT;

    if (b->meta.deleted == 0 || !b->meta.has_finalizer)
        return false;
    if (!kube_get(work->client, &namespaces, NULL, b->meta.ns, work->cancel, &ns, &err))
        return err.code == NB_E_NOT_FOUND;
    return nb_json_get(nb_json_get(ns, "metadata"), "deletionTimestamp") != NULL;
}

static void make_plan(const struct rec *rec, const struct rec_view *v, struct plan_actions *out)
{
    struct plan_backup_input in = {
        .backup = v->backup,
        .runs = (const struct api_run *const *)v->runs.items,
        .run_count = v->runs.count,
        .jobs = (const struct api_job *const *)v->jobs.items,
        .job_count = v->jobs.count,
        .pods = (const struct api_pod *const *)v->pods.items,
        .pod_count = v->pods.count,
        .logs = v->job_logs,
        .log_count = v->job_log_count,
        .facts = v->facts,
        .fact_count = v->fact_count,
        .options = &rec->plan,
        .namespace_terminating = v->namespace_terminating,
        .now_ms = nb_clock_unix_ms(),
    };

    plan_backup(&in, out);
}

static void set_requeue(struct ctl_work *work, int64_t at_unix_ms)
{
    int64_t delay = at_unix_ms - nb_clock_unix_ms();

    if (at_unix_ms <= 0)
        return;
    work->requeue_after_ms = delay > 0 ? delay : 0;
}

/* One plan carried out. */
static bool round_once(struct rec *rec, struct ctl_work *work, struct rec_view *v,
                       enum rec_outcome *ret, struct nb_error *err)
{
    nb_auto_done(plan_actions_done) struct plan_actions actions = { 0 };
    struct rec_act act = { .rec = rec, .work = work, .ns = v->backup->meta.ns, .view = v };

    plan_actions_init(&actions);
    make_plan(rec, v, &actions);
    if (!rec_act_run(&act, &actions, ret, err))
        return false;
    set_requeue(work, actions.requeue_at_ms);
    return true;
}

bool rec_backup(void *ctx, struct ctl_work *work, struct nb_error *err)
{
    nb_auto_done(rec_view_done) struct rec_view view = { 0 };
    enum rec_outcome outcome = REC_AGAIN;
    struct rec *rec = ctx;

    if (!ctl_written_is_seen(rec->written, work->key, nb_clock_mono_ms())) {
        work->requeue_after_ms = UNSEEN_RETRY_MS;
        return true;
    }
    if (!rec_view_fill(rec, work->key, &view)) {
        rec_metrics_forget(work->key);
        return true;
    }
    rec_metrics_show(view.backup);
    view.namespace_terminating = is_namespace_terminating(work, view.backup);
    for (int i = 0; i < ROUNDS_MAX && outcome == REC_AGAIN; i++)
        if (!round_once(rec, work, &view, &outcome, err))
            return false;
    return outcome == REC_DONE ||
           nb_fail(err, NB_E_INTERNAL, "PlanUnsettled", "no stable plan after %d rounds", ROUNDS_MAX);
}

void rec_backup_changed(void *ctx, const struct ctl_object *before,
                        const struct ctl_object *after)
{
    struct rec *rec = ctx;

    ctl_queue_add(rec->backup_queue, after ? after->key : before->key);
}

void rec_child_changed(void *ctx, const struct ctl_object *before, const struct ctl_object *after)
{
    struct rec *rec = ctx;

    if (before && before->index[0])
        ctl_queue_add(rec->backup_queue, before->index);
    if (after && after->index[0] && (!before || strcmp(before->index, after->index) != 0))
        ctl_queue_add(rec->backup_queue, after->index);
}

void rec_backups_enqueue(struct rec *rec)
{
    nb_auto_done(ctl_objects_done) struct ctl_objects all = { 0 };

    ctl_store_all(rec->backups, &all);
    for (size_t i = 0; i < all.count; i++)
        ctl_queue_add(rec->backup_queue, all.items[i]->key);
}
