#include "base/clock.h"
#include "controller/reconcile/act.h"

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
    const struct plan_backup_input in = {
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
        .deliveries = v->deliveries,
        .delivery_count = v->delivery_count,
        .options = &rec->plan,
        .namespace_terminating = v->namespace_terminating,
        .now_ms = nb_clock_unix_ms(),
    };

    plan_backup(&in, out);
}

static void make_plan_for_strays(const struct rec *rec, const struct rec_view *v,
                                 struct plan_actions *out)
{
    (void)rec;
    plan_strays((const struct api_run *const *)v->runs.items, v->runs.count, nb_clock_unix_ms(),
                out);
}

/* There is no such Neo4jBackup; there may be runs that name it. */
static bool settle_strays(struct rec_act *act, struct nb_error *err)
{
    if (!rec_view_fill_runs(act->rec, act->work->key, act->view))
        return true;
    act->ns = ((const struct api_run *)act->view->runs.items[0])->meta.ns;
    return rec_act_settle(act, make_plan_for_strays, err);
}

bool rec_backup(struct rec *rec, struct ctl_work *work, struct nb_error *err)
{
    nb_auto_done(rec_view_done) struct rec_view view = { 0 };
    struct rec_act act = { .rec = rec, .work = work, .view = &view };

    if (!rec_act_may_begin(rec, work))
        return true;
    if (!rec_view_fill_backup(rec, work->key, &view)) {
        if (rec->notify)
            notify_keep(rec->notify, work->key, "", NULL);
        return settle_strays(&act, err);
    }
    view.namespace_terminating = is_namespace_terminating(work, view.backup);
    act.ns = view.backup->meta.ns;
    return rec_act_settle(&act, make_plan, err);
}
