#include "controller/plan/backup_priv.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "controller/plan/follow.h"
#include "controller/plan/history.h"

enum { DELETE_MAX = 50 }; /* Run objects removed by one plan */

/* --- helpers of all files -------------------------------------------------------------------- */

const struct plan_fact *bk_fact(const struct bk *k, enum plan_object object, const char *name)
{
    return plan_fact_find(k->in->facts, k->in->fact_count, object, name);
}

const struct api_log *bk_log(const struct bk *k, const char *job)
{
    return plan_log_find(k->in->logs, k->in->log_count, job);
}

const struct api_job *bk_job(const struct bk *k, const char *name, const char *owner_uid)
{
    return plan_job_find(k->in->jobs, k->in->job_count, name, owner_uid);
}

bool bk_follow_end(struct bk *k, const struct plan_result *res, const struct api_log *log)
{
    return plan_follow_end(res, log, k->in->facts, k->in->fact_count, k->now, k->out);
}

void bk_event(struct bk *k, bool warning, const char *reason, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    plan_eventv(k->out, PLAN_OBJ_BACKUP, &k->b->meta, "", warning, reason, fmt, ap);
    va_end(ap);
}

void bk_run_event(struct bk *k, const char *run, bool warning, const char *reason, const char *fmt,
                  ...)
{
    va_list ap;

    va_start(ap, fmt);
    plan_eventv(k->out, PLAN_OBJ_BACKUP, &k->b->meta, run, warning, reason, fmt, ap);
    va_end(ap);
}

const char *bk_first_active(const struct bk *k)
{
    for (size_t i = 0; i < k->run_count; i++)
        if (!k->runs[i].terminal)
            return k->runs[i].run->meta.name;
    return "";
}

void bk_condition(struct bk *k, const char *type, enum api_status status, const char *reason,
                  const char *message)
{
    api_condition_set(&k->status.conditions, type, status, api_dup(k->out->arena, reason),
                      api_dup(k->out->arena, message), k->b->meta.generation, k->now);
}

const char *bk_hash_name(struct bk *k, char letter, const char *text)
{
    return api_printf(k->out->arena, "%s-%c%08x", k->b->meta.name, letter,
                      (unsigned)(nb_hash64(text, strlen(text)) & 0xffffffff));
}

const char *bk_token(struct bk *k, const char *token)
{
    size_t n = strlen(token);

    if (n <= TOKEN_MAX)
        return token;
    return api_printf(k->out->arena, "hash:%016llx", (unsigned long long)nb_hash64(token, n));
}

void bk_inventory(struct bk *k, const struct api_log *log)
{
    int64_t price = k->in->options->size_cost_micro_usd_per_gb_month;

    if (!log || !log->has_inventory)
        return;
    k->status.stored = log->stored;
    k->status.stored.present = true;
    k->status.stored.monthly_cost_micro_usd =
        (int64_t)((double)log->stored.total_bytes / 1e9 * (double)price);
    k->status.restore_points = log->points;
    k->status.restore_point_count = log->point_count;
}

/* --- the plan -------------------------------------------------------------------------------- */

static int by_creation(const void *pa, const void *pb)
{
    const struct bk_run *a = pa, *b = pb;

    if (a->run->meta.created != b->run->meta.created)
        return a->run->meta.created < b->run->meta.created ? -1 : 1;
    return strcmp(a->run->meta.name, b->run->meta.name);
}

static void begin(struct bk *k, const struct plan_backup_input *in, struct plan_actions *out)
{
    *k = (struct bk){
        .in = in,
        .b = in->backup,
        .out = out,
        .now = in->now_ms / 1000,
        .status = in->backup->status,
        .runs = nb_xcalloc(in->run_count + 1, sizeof(*k->runs)),
        .created = "",
        .waiting = "",
        .told_fail = "",
        .later = { .arena = out->arena },
    };
    if (k->status.consecutive_failures < 0)
        k->status.consecutive_failures = 0; /* so that a column shows it from the start */
    for (size_t i = 0; i < in->run_count; i++) {
        if (strcmp(in->runs[i]->meta.owner_uid, k->b->meta.uid) != 0)
            continue; /* of an object of this name that is no more */
        k->runs[k->run_count++] = (struct bk_run){
            .run = in->runs[i],
            .status = in->runs[i]->status,
            .terminal = api_run_is_terminal(in->runs[i]),
        };
    }
    qsort(k->runs, k->run_count, sizeof(*k->runs), by_creation);
    k->owner =
        api_owner_text(out->arena, &k->b->spec.template_.storage, k->b->meta.ns, k->b->meta.name);
}

static void end(struct bk *k)
{
    for (size_t i = 0; i < k->run_count; i++)
        plan_result_done(&k->runs[i].result);
    free(k->runs);
    free(k->later.items);
}

static void set_active(struct bk *k)
{
    struct api_strings *list = &k->status.active;

    *list = (struct api_strings){ .items = api_alloc(k->out->arena,
                                                     (k->run_count + 1) * sizeof(*list->items)) };
    for (size_t i = 0; i < k->run_count; i++)
        if (!k->runs[i].terminal)
            list->items[list->count++] = k->runs[i].run->meta.name;
}

static void patch_backup(struct bk *k)
{
    nb_auto_done(nb_buf_done) struct nb_buf body = NB_BUF_INIT(8 << 20);

    k->status.observed_generation = k->b->meta.generation;
    k->status.destination = api_storage_text(k->out->arena, &k->b->spec.template_.storage);
    if (!api_backup_status_patch(k->b, &k->status, &body))
        return;
    struct plan_action *a =
        plan_add(k->out, PLAN_PATCH_STATUS, PLAN_OBJ_BACKUP, k->b->meta.name, k->b->meta.uid);

    a->body = plan_take_text(k->out, &body);
    a->stop_on_failure = true;
}

static bool is_recorded(const struct bk *k, const char *run)
{
    const struct api_backup_status *s =
        &k->b->status; /* what is stored already, not what is about to be */

    for (size_t i = 0; i < s->history_count; i++)
        if (strcmp(s->history[i].run, run) == 0)
            return true;
    /* With a full history an older run has been in it. */
    return s->history_count == API_HISTORY_MAX;
}

static void trim_history(struct bk *k)
{
    nb_auto(nb_free) const struct api_run **list = nb_xcalloc(k->run_count + 1, sizeof(void *));
    size_t remove[DELETE_MAX], n = 0, count;

    for (size_t i = 0; i < k->run_count; i++)
        if (is_recorded(k, k->runs[i].run->meta.name))
            list[n++] = k->runs[i].run;
    count = plan_history(list, n, k->b->spec.successful_limit, k->b->spec.failed_limit, remove,
                         DELETE_MAX);
    for (size_t i = 0; i < count; i++)
        plan_add(k->out, PLAN_DELETE, PLAN_OBJ_RUN, list[remove[i]]->meta.name,
                 list[remove[i]]->meta.uid);
}

/* Creations come last and do not show in the patch of this plan: what was created is seen, and
 * recorded, by the next one, so that a creation that fails leaves no trace and one that is done
 * twice meets itself by name. */
static void do_later(struct bk *k)
{
    for (size_t i = 0; i < k->later.count; i++) {
        const struct plan_action *from = &k->later.items[i];

        *plan_add(k->out, from->kind, from->object, from->name, from->uid) = *from;
    }
}

void plan_backup(const struct plan_backup_input *in, struct plan_actions *out)
{
    struct bk k;

    begin(&k, in, out);
    if (k.b->reconcile_disabled && !bk_must_release(&k)) {
        bk_watch_release(&k);
    } else if (k.b->meta.deleted) {
        if (bk_deletion(&k))
            patch_backup(&k);
    } else if (!bk_finalizer(&k)) {
        plan_strays(in->runs, in->run_count, in->now_ms, out);
        bk_runs(&k);
        bk_record(&k);
        set_active(&k);
        bk_extra(&k);
        bk_start(&k);
        bk_conditions(&k);
        bk_notices(&k);
        patch_backup(&k);
        trim_history(&k);
        do_later(&k);
    }
    end(&k);
}
