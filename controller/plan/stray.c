#include "controller/plan/plan.h"

#include <string.h>

/* One that lost its owner after its Job was made (kubectl delete --cascade=orphan) is left alone; so
 * is one whose owner is being recreated: the garbage collector comes for it. */
static bool is_stray(const struct api_run *run)
{
    const struct api_meta *m = &run->meta;
    bool owned = nb_streq(m->owner_kind, API_KIND_BACKUP) && nb_streq(m->owner_name, run->backup);

    return !owned && !m->deleted && !*run->status.job && !api_run_is_terminal(run);
}

static void tell(const struct api_run *run, int64_t now, struct plan_actions *out)
{
    struct api_run_status status = run->status;
    const struct api_failure failure = {
        .reason = API_REASON_NOT_OWNED,
        .message = api_printf(out->arena,
                              "Neo4jBackup '%s' does not own this run, so nothing becomes of it; "
                              "hint: runs are made by the controller: annotate the Neo4jBackup "
                              "with " API_ANNOTATION_RUN_REQUESTED,
                              run->backup),
        .exit_code = -1,
    };

    plan_fail_run(out, run, &status, &failure, now);
    plan_patch_run(out, run, &status);
}

void plan_strays(const struct api_run *const *runs, size_t count, int64_t now_ms,
                 struct plan_actions *out)
{
    for (size_t i = 0; i < count; i++)
        if (is_stray(runs[i]))
            tell(runs[i], now_ms / 1000, out);
}
