#include "controller/reconcile/metrics.h"

#include "base/mem.h"
#include "controller/api/backup.h"

enum metric {
    LAST_SUCCESS,
    LAST_FAILURE,
    NEXT_SCHEDULE,
    SIZE_BYTES,
    DURATION,
    FAILURES,
    ACTIVE,
    OVERDUE,
    SUSPENDED,
    STORED_BYTES,
    STORED_COUNT,
    METRICS
};

static const struct {
    const char *name, *help;
} described[METRICS] = {
    [LAST_SUCCESS] = { "last_success_timestamp_seconds", "When the last good backup was made." },
    [LAST_FAILURE] = { "last_failure_timestamp_seconds", "When a backup failed last." },
    [NEXT_SCHEDULE] = { "next_schedule_timestamp_seconds", "When the next backup is due." },
    [SIZE_BYTES] = { "last_size_bytes", "Size of the last good backup in the bucket." },
    [DURATION] = { "last_duration_seconds", "How long the last good backup took." },
    [FAILURES] = { "consecutive_failures", "Failed runs since the last good one." },
    [ACTIVE] = { "active_runs", "Runs that have not ended." },
    [OVERDUE] = { "overdue", "1 while the last good backup is older than it should be." },
    [SUSPENDED] = { "suspended", "1 while spec.suspend is true." },
    [STORED_BYTES] = { "stored_bytes", "Size of all backups in the bucket." },
    [STORED_COUNT] = { "stored_backups", "Number of backups in the bucket." },
};

struct row {
    int64_t values[METRICS]; /* below 0: unknown */
    bool known;
};

static int64_t positive(int64_t time)
{
    return time > 0 ? time : -1;
}

static void fill(const struct ctl_object *o, struct row *row)
{
    nb_auto(nb_json_free) struct nb_json *json = NULL;
    nb_auto(api_backup_free) struct api_backup *b = NULL;
    struct nb_error err = NB_ERROR_INIT;
    const struct api_backup_status *s;

    if (!ctl_object_json(o, &json, &err) || !api_backup_parse(json, &b, &err))
        return;
    s = &b->status;
    row->known = true;
    row->values[LAST_SUCCESS] = positive(s->last_successful);
    row->values[LAST_FAILURE] = positive(s->last_failure);
    row->values[NEXT_SCHEDULE] = positive(s->next_schedule);
    row->values[SIZE_BYTES] = s->last_size_bytes;
    row->values[DURATION] = s->last_duration_seconds;
    row->values[FAILURES] = s->consecutive_failures;
    row->values[ACTIVE] = (int64_t)s->active.count;
    row->values[OVERDUE] = api_condition_status(&s->conditions, API_COND_OVERDUE) == API_TRUE;
    row->values[SUSPENDED] = b->spec.suspend;
    row->values[STORED_BYTES] = s->stored.present ? s->stored.total_bytes : -1;
    row->values[STORED_COUNT] = s->stored.present ? s->stored.count : -1;
}

void rec_metrics_write(struct ctl_store *backups, struct nb_buf *out)
{
    nb_auto_done(ctl_objects_done) struct ctl_objects all = { 0 };
    nb_auto(nb_free) struct row *rows = NULL;

    ctl_store_all(backups, &all);
    rows = nb_xcalloc(all.count + 1, sizeof(*rows));
    for (size_t i = 0; i < all.count; i++)
        fill(all.items[i], &rows[i]);
    for (int m = 0; m < METRICS; m++) {
        nb_buf_printf(out, "# HELP neo4jbackup_%s %s\n# TYPE neo4jbackup_%s gauge\n",
                      described[m].name, described[m].help, described[m].name);
        for (size_t i = 0; i < all.count; i++)
            if (rows[i].known && rows[i].values[m] >= 0) /* names need no escapes */
                nb_buf_printf(out, "neo4jbackup_%s{namespace=\"%s\",name=\"%s\"} %lld\n",
                              described[m].name, all.items[i]->ns, all.items[i]->name,
                              (long long)rows[i].values[m]);
    }
}
