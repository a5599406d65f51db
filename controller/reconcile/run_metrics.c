#include "controller/reconcile/run_metrics.h"

#include <math.h>
#include <pthread.h>

#include "base/mem.h"
#include "base/metrics.h"
#include "controller/plan/schedule.h"

enum { REASONS_MAX = 64, REASON_MAX_BYTES = 40 };

static const double duration_bounds[] = { 5,    10,   30,    60,    120,   300,     600,
                                          1800, 3600, 10800, 21600, 43200, INFINITY };
static const double lateness_bounds[] = { 0.5, 1,   2,    5,    10,    30,      60,
                                          300, 900, 3600, 7200, 21600, INFINITY };

static struct nb_metric runs_total =
    NB_METRIC(NB_COUNTER, "neo4jbackup_runs_total",
              "Runs that this process has seen end, by result (Succeeded, Partial, Failed) and "
              "reason.",
              "result", "reason");
static struct nb_metric duration = NB_METRIC_HISTOGRAM(
    "neo4jbackup_run_duration_seconds", "How long runs took, from the start of the Job to its end.",
    duration_bounds, "result");
static struct nb_metric lateness =
    NB_METRIC_HISTOGRAM("neo4jbackup_run_lateness_seconds",
                        "How long after its scheduled time (and jitter) a run was made, by "
                        "trigger (Schedule, CatchUp).",
                        lateness_bounds, "trigger");

const char *rec_run_metrics_reason(const char *reason)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static char seen[REASONS_MAX][REASON_MAX_BYTES + 1];
    static size_t count;
    const char *found = "Other";
    size_t n = strlen(reason), i = 0;

    while (i < n &&
           ((reason[i] >= 'A' && reason[i] <= 'Z') || (reason[i] >= 'a' && reason[i] <= 'z') ||
            (i > 0 && reason[i] >= '0' && reason[i] <= '9')))
        i++;
    if (n == 0 || n > REASON_MAX_BYTES || i < n)
        return found;
    pthread_mutex_lock(&lock);
    for (i = 0; i < count && strcmp(seen[i], reason) != 0; i++)
        ;
    if (i == count && count < REASONS_MAX)
        memcpy(seen[count++], reason, n + 1);
    if (i < count)
        found = seen[i];
    pthread_mutex_unlock(&lock);
    return found;
}

void rec_run_metrics_created(const struct api_backup *b, const struct nb_json *made, int64_t now_ms)
{
    nb_auto(api_run_free) struct api_run *run = NULL;
    struct nb_error err = NB_ERROR_INIT;
    double late;

    if (!b || !api_run_parse(made, &run, &err) || !run->scheduled ||
        (run->trigger != API_TRIGGER_SCHEDULE && run->trigger != API_TRIGGER_CATCH_UP))
        return;
    late = (double)now_ms / 1000 - (double)run->scheduled -
           (double)plan_jitter_seconds(b->meta.uid, b->spec.jitter_seconds);
    nb_metric_observe(&lateness, late > 0 ? late : 0, api_trigger_names[run->trigger]);
}

void rec_run_metrics_written(const struct api_run *before, const struct nb_json *now)
{
    nb_auto(api_run_free) struct api_run *run = NULL;
    struct nb_error err = NB_ERROR_INIT;
    const char *result;

    if (!before || api_run_is_terminal(before) || !api_run_parse(now, &run, &err) ||
        !api_run_is_terminal(run))
        return;
    result = api_result_names[run->status.result];
    nb_metric_add(&runs_total, 1, result,
                  run->status.failure.present ? rec_run_metrics_reason(run->status.failure.reason)
                                              : "Succeeded");
    if (run->status.duration_seconds >= 0)
        nb_metric_observe(&duration, (double)run->status.duration_seconds, result);
}
