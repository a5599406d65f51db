#include "base/clock.h"
#include "controller/reconcile/act.h"

static void make_plan(const struct rec *rec, const struct rec_view *v, struct plan_actions *out)
{
    const struct plan_restore_input in = {
        .restore = v->restore,
        .source_run = v->source_run,
        .source_backup = v->source_backup,
        .others = (const struct api_restore *const *)v->others.items,
        .other_count = v->others.count,
        .jobs = (const struct api_job *const *)v->jobs.items,
        .job_count = v->jobs.count,
        .pods = (const struct api_pod *const *)v->pods.items,
        .pod_count = v->pods.count,
        .logs = v->job_logs,
        .log_count = v->job_log_count,
        .facts = v->facts,
        .fact_count = v->fact_count,
        .options = &rec->plan,
        .now_ms = nb_clock_unix_ms(),
    };

    plan_restore(&in, out);
}

bool rec_restore(struct rec *rec, struct ctl_work *work, struct nb_error *err)
{
    nb_auto_done(rec_view_done) struct rec_view view = { 0 };
    struct rec_act act = { .rec = rec, .work = work, .view = &view };

    if (!rec_act_may_begin(rec, work) || !rec_view_fill_restore(rec, work->key, &view))
        return true;
    act.ns = view.restore->meta.ns;
    return rec_act_settle(&act, make_plan, err);
}
