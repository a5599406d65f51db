#include "controller/reconcile/metrics.h"

#include "base/metrics.h"

#define GAUGE(name_, help_) NB_METRIC(NB_GAUGE, name_, help_, "namespace", "name")

static struct nb_metric last_success =
    GAUGE("neo4jbackup_last_success_timestamp_seconds", "When the last good backup was made.");
static struct nb_metric last_failure =
    GAUGE("neo4jbackup_last_failure_timestamp_seconds", "When a backup failed last.");
static struct nb_metric next_schedule =
    GAUGE("neo4jbackup_next_schedule_timestamp_seconds", "When the next backup is due.");
static struct nb_metric size_bytes =
    GAUGE("neo4jbackup_last_size_bytes", "Size of the last good backup in the bucket.");
static struct nb_metric duration =
    GAUGE("neo4jbackup_last_duration_seconds", "How long the last good backup took.");
static struct nb_metric failures =
    GAUGE("neo4jbackup_consecutive_failures", "Failed runs since the last good one.");
static struct nb_metric active = GAUGE("neo4jbackup_active_runs", "Runs that have not ended.");
static struct nb_metric overdue =
    GAUGE("neo4jbackup_overdue", "1 while the last good backup is older than it should be.");
static struct nb_metric stored_bytes =
    GAUGE("neo4jbackup_stored_bytes", "Size of all backups in the bucket.");
static struct nb_metric stored_count =
    GAUGE("neo4jbackup_stored_backups", "Number of backups in the bucket.");

static struct nb_metric *const all[] = { &last_success, &last_failure, &next_schedule, &size_bytes,
                                         &duration,     &failures,     &active,        &overdue,
                                         &stored_bytes, &stored_count };

static void show(struct nb_metric *m, const struct api_backup *b, int64_t value, bool known)
{
    if (known)
        nb_metric_set(m, (double)value, b->meta.ns, b->meta.name);
    else
        nb_metric_forget(m, b->meta.ns, b->meta.name, NULL);
}

void rec_metrics_show(const struct api_backup *b)
{
    const struct api_backup_status *s = &b->status;
    bool is_overdue = api_condition_status(&s->conditions, API_COND_OVERDUE) == API_TRUE;

    show(&last_success, b, s->last_successful, s->last_successful > 0);
    show(&last_failure, b, s->last_failure, s->last_failure > 0);
    show(&next_schedule, b, s->next_schedule, s->next_schedule > 0);
    show(&size_bytes, b, s->last_size_bytes, s->last_size_bytes >= 0);
    show(&duration, b, s->last_duration_seconds, s->last_duration_seconds >= 0);
    show(&failures, b, s->consecutive_failures, true);
    show(&active, b, (int64_t)s->active.count, true);
    show(&overdue, b, is_overdue ? 1 : 0, true);
    show(&stored_bytes, b, s->stored.total_bytes, s->stored.present);
    show(&stored_count, b, s->stored.count, s->stored.present);
}

void rec_metrics_forget(const char *key)
{
    const char *slash = strchr(key, '/');
    nb_auto(nb_free) char *ns = slash ? nb_xstrndup(key, (size_t)(slash - key)) : NULL;

    for (size_t i = 0; slash && i < NB_ARRAY_LEN(all); i++)
        nb_metric_forget(all[i], ns, slash + 1, NULL);
}
