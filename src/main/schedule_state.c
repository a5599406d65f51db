#include "main/schedule_state.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"

enum { STATE_VERSION = 1 };

static const char *const result_names[] = {
    [RUN_NONE] = "None",       [RUN_RUNNING] = "Running", [RUN_SUCCEEDED] = "Succeeded",
    [RUN_PARTIAL] = "Partial", [RUN_FAILED] = "Failed",   [RUN_INTERRUPTED] = "Interrupted",
};

const char *run_result_name(enum run_result r)
{
    return result_names[r];
}

/* --- as text ---------------------------------------------------------------------------------- */

static void put_time(struct nb_jw *w, const char *key, int64_t t)
{
    char text[NB_TIME_TEXT_MAX];

    if (t > 0)
        nb_jw_kv_str(w, key, nb_time_format(t, text));
}

static void put_run(struct nb_jw *w, const char *key, const struct schedule_run *r)
{
    if (r->result == RUN_NONE)
        return;
    nb_jw_key(w, key);
    nb_jw_object(w);
    nb_jw_kv_str(w, "result", run_result_name(r->result));
    nb_jw_kv_str(w, "trigger", r->trigger);
    put_time(w, "slot", r->slot);
    put_time(w, "startTime", r->start);
    put_time(w, "endTime", r->end);
    nb_jw_kv_i64(w, "tries", r->tries);
    nb_jw_kv_i64(w, "exitCode", r->exit_code);
    nb_jw_kv_str(w, "reason", r->reason);
    nb_jw_kv_str(w, "message", r->message);
    nb_jw_kv_i64(w, "sizeBytes", r->size_bytes);
    nb_jw_object_end(w);
}

void schedule_state_format(const struct schedule_state *s, struct nb_buf *out)
{
    struct nb_jw w = NB_JW_INIT(out);

    nb_jw_object(&w);
    nb_jw_kv_i64(&w, "version", STATE_VERSION);
    nb_jw_kv_str(&w, "schedule", s->schedule);
    nb_jw_kv_str(&w, "timeZone", s->zone);
    put_time(&w, "sinceTime", s->since);
    put_time(&w, "lastSlot", s->last);
    put_time(&w, "nextSlot", s->next);
    put_time(&w, "skippedSlot", s->skipped);
    nb_jw_kv_i64(&w, "waitingSlots", s->waiting);
    put_run(&w, "run", &s->run);
    put_run(&w, "lastSuccess", &s->success);
    put_run(&w, "lastFailure", &s->failure);
    nb_jw_object_end(&w);
    nb_buf_putc(out, '\n');
}

static int64_t get_time(const struct nb_json *v, const char *key)
{
    int64_t t;

    return nb_time_parse(nb_json_str(nb_json_get(v, key), ""), &t) ? t : 0;
}

static void get_text(const struct nb_json *v, const char *key, char *out, size_t size)
{
    snprintf(out, size, "%s", nb_json_str(nb_json_get(v, key), ""));
}

static unsigned get_count(const struct nb_json *v, const char *key)
{
    int64_t n = nb_json_i64(nb_json_get(v, key), 0);

    return n < 0 || n > UINT16_MAX ? 0 : (unsigned)n;
}

static void get_run(const struct nb_json *root, const char *key, struct schedule_run *r)
{
    const struct nb_json *v = nb_json_get(root, key);
    const char *result = nb_json_str(nb_json_get(v, "result"), "");

    for (size_t i = 0; i < NB_ARRAY_LEN(result_names); i++) {
        if (nb_streq(result, result_names[i]))
            r->result = (enum run_result)i;
    }
    get_text(v, "trigger", r->trigger, sizeof(r->trigger));
    r->slot = get_time(v, "slot");
    r->start = get_time(v, "startTime");
    r->end = get_time(v, "endTime");
    r->tries = get_count(v, "tries");
    r->exit_code = (int)get_count(v, "exitCode");
    if (nb_json_i64(nb_json_get(v, "exitCode"), 0) < 0)
        r->exit_code = -1;
    get_text(v, "reason", r->reason, sizeof(r->reason));
    get_text(v, "message", r->message, sizeof(r->message));
    r->size_bytes = nb_json_i64(nb_json_get(v, "sizeBytes"), 0);
}

bool schedule_state_parse(const char *text, size_t n, struct schedule_state *ret,
                          struct nb_error *err)
{
    nb_auto(nb_json_free) struct nb_json *root = NULL;

    *ret = (struct schedule_state){ .since = 0 };
    if (!nb_json_parse(text, n, SCHEDULE_STATE_MAX_BYTES, &root, err))
        return false;
    if (nb_json_i64(nb_json_get(root, "version"), 0) != STATE_VERSION)
        return nb_fail(err, NB_E_INVALID, "InvalidState", "not of version %d", STATE_VERSION);
    get_text(root, "schedule", ret->schedule, sizeof(ret->schedule));
    get_text(root, "timeZone", ret->zone, sizeof(ret->zone));
    ret->since = get_time(root, "sinceTime");
    ret->last = get_time(root, "lastSlot");
    ret->next = get_time(root, "nextSlot");
    ret->skipped = get_time(root, "skippedSlot");
    ret->waiting = get_count(root, "waitingSlots");
    get_run(root, "run", &ret->run);
    get_run(root, "lastSuccess", &ret->success);
    get_run(root, "lastFailure", &ret->failure);
    return true;
}

/* --- runs ------------------------------------------------------------------------------------- */

bool schedule_state_retries(const struct schedule_state *s, int64_t deadline_seconds, int64_t now)
{
    const struct schedule_run *r = &s->run;

    return (r->result == RUN_INTERRUPTED || r->result == RUN_RUNNING) &&
           !nb_streq(r->trigger, "Immediate") && r->tries < SCHEDULE_TRIES_MAX &&
           now - r->slot <= deadline_seconds;
}

void schedule_state_note_end(struct schedule_state *s)
{
    if (s->run.result == RUN_SUCCEEDED)
        s->success = s->run;
    else if (s->run.result == RUN_PARTIAL || s->run.result == RUN_FAILED)
        s->failure = s->run;
    s->waiting = 0;
}

/* --- health ----------------------------------------------------------------------------------- */

static void put_success(const struct schedule_state *s, struct nb_buf *out)
{
    char time[NB_TIME_TEXT_MAX];

    if (s->success.result == RUN_SUCCEEDED)
        nb_buf_printf(out, "last backup succeeded at %s", nb_time_format(s->success.end, time));
    else
        nb_buf_puts(out, "no backup was due yet");
    if (s->run.result == RUN_RUNNING)
        nb_buf_printf(out, ", one is running since %s", nb_time_format(s->run.start, time));
    if (s->next > 0)
        nb_buf_printf(out, ", next at %s", nb_time_format(s->next, time));
}

static void put_failure(const struct schedule_run *r, struct nb_buf *out)
{
    char time[NB_TIME_TEXT_MAX];

    nb_buf_printf(out, "last backup %s: %s (%s, ended %s)",
                  r->result == RUN_PARTIAL ? "was partial" : "failed",
                  r->message[0] ? r->message : "nothing is known of why",
                  r->reason[0] ? r->reason : "unknown", nb_time_format(r->end, time));
}

bool schedule_state_healthy(const struct schedule_state *s, int64_t now, struct nb_buf *out)
{
    char time[NB_TIME_TEXT_MAX];
    int64_t served = s->success.slot > s->failure.slot ? s->success.slot : s->failure.slot;

    if (s->next > 0 && now - s->next > HEALTH_LATE_SECONDS) {
        nb_buf_printf(out, "cron did not run: the slot of %s is %lld s late",
                      nb_time_format(s->next, time), (long long)(now - s->next));
        return false;
    }
    if (s->failure.result != RUN_NONE && s->failure.end > s->success.end) {
        put_failure(&s->failure, out);
        return false;
    }
    if (s->skipped > served) {
        nb_buf_printf(out, "cron did not run: the slot of %s was missed by more than its deadline",
                      nb_time_format(s->skipped, time));
        return false;
    }
    if (s->waiting > HEALTH_WAITING_MAX) {
        if (s->run.result == RUN_RUNNING)
            nb_buf_printf(out, "the backup that began at %s still runs, and %u later slots wait",
                          nb_time_format(s->run.start, time), s->waiting);
        else
            nb_buf_printf(out, "a backup by hand runs, and %u slots wait for its end", s->waiting);
        return false;
    }
    put_success(s, out);
    return true;
}
