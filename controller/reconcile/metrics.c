#include "controller/reconcile/metrics.h"

#include <stdio.h>

#include "base/map.h"
#include "base/mem.h"
#include "base/thread.h"
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
    STORED_COST,
    VERIFICATION_TIME,
    VERIFICATION_SUCCESS,
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
    [STORED_COST] = { "stored_monthly_cost_dollars",
                      "What a month of all backups in the bucket costs, at the price set (R2's)." },
    [VERIFICATION_TIME] = { "last_verification_timestamp_seconds",
                            "When a backup was verified last, well or not." },
    [VERIFICATION_SUCCESS] = { "last_verification_success",
                               "1 when the last verification was good, 0 when it was not." },
};

enum { MICRO = 1000000 };

struct row {
    char *labels;            /* {namespace="a",name="b"}: names need no escapes */
    int64_t values[METRICS]; /* below 0: unknown */
};

struct rec_metrics {
    pthread_mutex_t lock;
    struct nb_map *rows; /* "namespace/name" -> struct row * */
};

static void row_free(void *p)
{
    struct row *row = p;

    if (!row)
        return;
    free(row->labels);
    free(row);
}

struct rec_metrics *rec_metrics_new(void)
{
    struct rec_metrics *m = NB_NEW(struct rec_metrics);

    nb_mutex_init(&m->lock);
    m->rows = nb_map_new(row_free);
    return m;
}

void rec_metrics_free(struct rec_metrics *m)
{
    if (!m)
        return;
    nb_map_free(m->rows);
    pthread_mutex_destroy(&m->lock);
    free(m);
}

/* --- reading --- */

static int64_t positive(int64_t time)
{
    return time > 0 ? time : -1;
}

static int64_t verified(const struct api_conditions *conditions)
{
    const struct api_condition *c = api_condition_get(conditions, API_COND_VERIFIED);

    return !c || c->status == API_UNKNOWN ? -1 : c->status == API_TRUE;
}

static void fill(const struct api_backup *b, int64_t values[METRICS])
{
    const struct api_backup_status *s = &b->status;

    values[LAST_SUCCESS] = positive(s->last_successful);
    values[LAST_FAILURE] = positive(s->last_failure);
    values[NEXT_SCHEDULE] = positive(s->next_schedule);
    values[SIZE_BYTES] = s->last_size_bytes;
    values[DURATION] = s->last_duration_seconds;
    values[FAILURES] = s->consecutive_failures;
    values[ACTIVE] = (int64_t)s->active.count;
    values[OVERDUE] = api_condition_status(&s->conditions, API_COND_OVERDUE) == API_TRUE;
    values[SUSPENDED] = b->spec.suspend;
    values[STORED_BYTES] = s->stored.present ? s->stored.total_bytes : -1;
    values[STORED_COUNT] = s->stored.present ? s->stored.count : -1;
    values[STORED_COST] = s->stored.present ? s->stored.monthly_cost_micro_usd : -1;
    values[VERIFICATION_TIME] = positive(s->last_verification);
    values[VERIFICATION_SUCCESS] = verified(&s->conditions);
}

/* NULL: it cannot be read. */
static struct row *row_new(const struct ctl_object *o)
{
    nb_auto(nb_json_free) struct nb_json *json = NULL;
    nb_auto(api_backup_free) struct api_backup *b = NULL;
    struct nb_error err = NB_ERROR_INIT;
    struct row *row;

    if (!ctl_object_json(o, &json, &err) || !api_backup_parse(json, &b, &err))
        return NULL;
    row = NB_NEW(struct row);
    row->labels = nb_xasprintf("{namespace=\"%s\",name=\"%s\"} ", o->ns, o->name);
    fill(b, row->values);
    return row;
}

void rec_metrics_changed(void *ctx, const struct ctl_object *before, const struct ctl_object *after)
{
    struct row *row = after ? row_new(after) : NULL;
    const char *key = after ? after->key : before->key;
    struct rec_metrics *m = ctx;

    pthread_mutex_lock(&m->lock);
    if (row)
        nb_map_put(m->rows, key, strlen(key), row);
    else
        nb_map_remove(m->rows, key, strlen(key));
    pthread_mutex_unlock(&m->lock);
}

/* --- printing --- */

static int by_labels(const void *a, const void *b)
{
    const struct row *const *x = a, *const *y = b;

    return strcmp((*x)->labels, (*y)->labels);
}

static const struct row **sorted_rows(const struct rec_metrics *m, size_t *ret_count)
{
    size_t n = nb_map_count(m->rows), pos = 0, count = 0;
    const struct row **rows = nb_xcalloc(n + 1, sizeof(struct row *));
    struct nb_str key;
    void *value;

    while (count < n && nb_map_next(m->rows, &pos, &key, &value))
        rows[count++] = value;
    if (count > 1)
        qsort(rows, count, sizeof(struct row *), by_labels);
    *ret_count = count;
    return rows;
}

static void put_value(struct nb_buf *out, int metric, int64_t value)
{
    char text[48];
    int n;

    if (metric == STORED_COST)
        n = snprintf(text, sizeof(text), "%lld.%06lld\n", (long long)(value / MICRO),
                     (long long)(value % MICRO));
    else
        n = snprintf(text, sizeof(text), "%lld\n", (long long)value);
    nb_buf_append(out, text, (size_t)n);
}

void rec_metrics_write(struct rec_metrics *m, struct nb_buf *out)
{
    nb_auto(nb_free) const struct row **rows = NULL;
    size_t count;

    pthread_mutex_lock(&m->lock);
    rows = sorted_rows(m, &count);
    for (int i = 0; i < METRICS; i++) {
        nb_buf_printf(out, "# HELP neo4jbackup_%s %s\n# TYPE neo4jbackup_%s gauge\n",
                      described[i].name, described[i].help, described[i].name);
        for (size_t r = 0; r < count; r++) {
            if (rows[r]->values[i] < 0)
                continue;
            nb_buf_puts(out, "neo4jbackup_");
            nb_buf_puts(out, described[i].name);
            nb_buf_puts(out, rows[r]->labels);
            put_value(out, i, rows[r]->values[i]);
        }
    }
    pthread_mutex_unlock(&m->lock);
}
