#include "controller/plan/backup_priv.h"

#include <string.h>

/* The recorded history and what ended since, newest first. */

static bool in_history(const struct api_backup_status *s, const char *run)
{
    for (size_t i = 0; i < s->history_count; i++)
        if (strcmp(s->history[i].run, run) == 0)
            return true;
    return false;
}

bool bk_is_news(const struct bk *k, const struct bk_run *r)
{
    const struct api_backup_status *s = &k->b->status;

    if (!r->terminal || r->waits || in_history(s, r->run->meta.name))
        return false;
    /* A full history has dropped older ones: those were counted once. */
    return s->history_count < API_HISTORY_MAX ||
           r->status.completed > s->history[s->history_count - 1].completed;
}

static void insert(struct api_backup_status *s, const struct bk_run *r)
{
    struct api_history_entry e = {
        .run = r->run->meta.name,
        .trigger = api_trigger_names[r->run->trigger],
        .reason = r->status.failure.present ? r->status.failure.reason : "Succeeded",
        .scheduled = r->run->scheduled,
        .started = r->status.started,
        .completed = r->status.completed,
        .result = r->status.result,
        .size_bytes = r->status.size_bytes,
        .duration_seconds = r->status.duration_seconds,
    };
    size_t at = 0;

    while (at < s->history_count && s->history[at].completed > e.completed)
        at++;
    if (at >= API_HISTORY_MAX)
        return;
    if (s->history_count < API_HISTORY_MAX)
        s->history_count++;
    memmove(&s->history[at + 1], &s->history[at], (s->history_count - at - 1) * sizeof(e));
    s->history[at] = e;
}

static void note_success(struct bk *k, const struct bk_run *r)
{
    struct api_backup_status *s = &k->status;
    const char *name = r->run->meta.name;
    const char *text;

    text =
        api_printf(k->out->arena, "run '%s' succeeded%s%s%s%s", name, *r->status.size ? ": " : "",
                   r->status.size, *r->status.duration ? " in " : "", r->status.duration);
    bk_run_event(k, name, false, API_EVENT_SUCCEEDED, "%s", text);
    if (s->consecutive_failures > 0) {
        bk_run_event(k, name, false, API_EVENT_RECOVERED, "run '%s' succeeded after %lld failed",
                     name, (long long)s->consecutive_failures);
        bk_notify(k, API_NOTIFY_RECOVERED, API_EVENT_RECOVERED, name, text);
    }
    bk_notify(k, API_NOTIFY_SUCCEEDED, API_EVENT_SUCCEEDED, name, text);
    if (r->status.completed >= s->last_successful) {
        s->last_successful = r->status.completed;
        s->last_backup_key = r->status.manifest_key;
        s->last_size_bytes = r->status.size_bytes;
        s->last_size = r->status.size;
        s->last_duration_seconds = r->status.duration_seconds;
    }
}

static void note_failure(struct bk *k, const struct bk_run *r)
{
    struct api_backup_status *s = &k->status;
    const char *name = r->run->meta.name;
    bool partial = r->status.result == API_RESULT_PARTIAL;
    const char *reason = partial ? API_EVENT_PARTIAL : API_EVENT_FAILED;
    const char *text = api_printf(k->out->arena, "run '%s': %s: %s", name, r->status.failure.reason,
                                  r->status.failure.message);

    bk_run_event(k, name, true, reason, "%s", text);
    /* A partial backup is a failure to whoever did not ask to be told apart. */
    bk_notify(k, partial ? API_NOTIFY_PARTIAL | API_NOTIFY_FAILED : API_NOTIFY_FAILED, reason, name,
              text);
    if (r->status.completed > s->last_failure)
        s->last_failure = r->status.completed;
}

/* How many of the newest ended without success; what the history does not reach back to is
 * added. */
static int64_t count_failures(const struct bk *k, int64_t newly)
{
    const struct api_backup_status *s = &k->status;
    int64_t n = 0;

    for (size_t i = 0; i < s->history_count; i++) {
        if (s->history[i].result == API_RESULT_SUCCEEDED)
            return n;
        n++;
    }
    return s->history_count == API_HISTORY_MAX && k->b->status.consecutive_failures + newly > n
               ? k->b->status.consecutive_failures + newly
               : n;
}

static void note_retention(struct bk *k, const struct bk_run *r)
{
    const struct api_termination *t = r->result.termination;
    bool was_false = api_condition_status(&k->status.conditions, API_COND_RETENTION) == API_FALSE;

    if (!t || !t->present)
        return;
    if (t->pruned > 0)
        bk_run_event(k, r->run->meta.name, false, API_EVENT_PRUNED,
                     "retention removed %lld backup%s", (long long)t->pruned,
                     t->pruned == 1 ? "" : "s");
    if (!t->has_retention)
        return;
    if (!t->retention_healthy && !was_false) {
        bk_run_event(k, r->run->meta.name, true, API_EVENT_RETENTION_BLOCKED, "%s: %s",
                     t->retention_reason, t->retention_message);
        bk_notify(k, API_NOTIFY_RETENTION_BLOCKED, API_EVENT_RETENTION_BLOCKED, r->run->meta.name,
                  t->retention_message);
    }
    bk_condition(k, API_COND_RETENTION, t->retention_healthy ? API_TRUE : API_FALSE,
                 t->retention_reason, t->retention_message);
}

static void note_verification(struct bk *k, const struct bk_run *r)
{
    const struct api_condition *c = api_condition_get(&r->status.conditions, API_COND_VERIFIED);
    bool failed = strcmp(r->status.failure.present ? r->status.failure.reason : "",
                         "VerificationFailed") == 0;

    if (*r->run->template_.verify_schedule && !failed)
        return; /* the verify Job's business */
    if (failed || (c && c->status == API_FALSE)) {
        const char *why = failed ? r->status.failure.message : c->message;

        bk_condition(k, API_COND_VERIFIED, API_FALSE, "VerificationFailed", why);
        bk_run_event(k, r->run->meta.name, true, API_EVENT_VERIFY_FAILED, "run '%s': %s",
                     r->run->meta.name, why);
        bk_notify(k, API_NOTIFY_VERIFICATION_FAILED, API_EVENT_VERIFY_FAILED, r->run->meta.name,
                  why);
    } else if (c && c->status == API_TRUE) {
        bk_condition(k, API_COND_VERIFIED, API_TRUE, c->reason, c->message);
        k->status.last_verification = r->status.completed;
    }
}

void bk_record(struct bk *k)
{
    int64_t newly_failed = 0;

    for (size_t i = 0; i < k->run_count; i++) {
        const struct bk_run *r = &k->runs[i];

        if (!bk_is_news(k, r))
            continue;
        if (r->status.result == API_RESULT_SUCCEEDED) {
            note_success(k, r);
        } else {
            note_failure(k, r);
            newly_failed++;
        }
        note_verification(k, r);
        insert(&k->status, r);
        k->status.consecutive_failures = count_failures(k, newly_failed);
    }
    for (size_t i = 0; i < k->run_count; i++) {
        if (!k->runs[i].ended_now && (!k->runs[i].found || k->runs[i].waits))
            continue;
        note_retention(k, &k->runs[i]);
        bk_inventory(k, k->runs[i].log);
    }
    /* Also that there ever was a run, which starts no second "once". */
    if (k->run_count > 0)
        k->status.last_run = k->runs[k->run_count - 1].run->meta.name;
}
