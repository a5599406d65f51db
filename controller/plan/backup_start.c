#include "controller/plan/backup_priv.h"

#include <string.h>

/* A run that is wanted. */
struct wish {
    const char *name;
    int64_t scheduled;
    enum api_trigger trigger;
    const char *token;
};

static bool run_exists(const struct bk *k, const char *name)
{
    for (size_t i = 0; i < k->run_count; i++)
        if (strcmp(k->runs[i].run->meta.name, name) == 0)
            return true;
    return false;
}

/* This time is given up, the next one is tried again. */
static void give_up(struct bk *k, const struct wish *w, const char *reason)
{
    k->status.last_skipped = w->scheduled;
    k->status.last_skipped_reason = reason;
    if (w->trigger == API_TRIGGER_MANUAL)
        k->status.last_handled_request = w->token;
    else if (w->trigger == API_TRIGGER_IMMEDIATE)
        k->status.last_run = w->name;
    else
        k->status.last_schedule = w->scheduled;
}

/* The API server takes no such run: it would not at any later moment. */
static void note_refused(struct bk *k, const struct wish *w, const struct plan_fact *fact)
{
    const char *text = api_printf(k->out->arena, "run '%s': %s", w->name, fact->text);

    give_up(k, w, API_EVENT_RUN_REFUSED);
    k->no_run = (struct plan_wait){ API_EVENT_RUN_REFUSED, text };
    bk_run_event(k, w->name, true, API_EVENT_RUN_REFUSED, "%s", text);
    bk_notify(k, API_NOTIFY_FAILED, API_EVENT_RUN_REFUSED, w->name, text);
}

/* It stays wanted until it may be made, a later time takes its place, or it is too late. */
static void note_denied(struct bk *k, const struct wish *w, const struct plan_fact *fact)
{
    const struct api_condition *was = api_condition_get(&k->b->status.conditions, API_COND_READY);
    const char *text = api_printf(k->out->arena, "run '%s': %s", w->name, fact->text);

    plan_wake(k->out, k->in->now_ms + DENIED_MS);
    k->no_run = (struct plan_wait){ API_REASON_RUN_DENIED, text };
    if (was && strcmp(was->reason, API_REASON_RUN_DENIED) == 0)
        k->no_run.message = plan_follow_words(was->message, text);
    else
        bk_run_event(k, w->name, true, API_EVENT_WAITING, "%s: %s", API_REASON_RUN_DENIED, text);
}

/* What the last try has met. False: nothing, so it may be tried. */
static bool is_held_up(struct bk *k, const struct wish *w)
{
    const struct plan_fact *fact = bk_fact(k, PLAN_OBJ_RUN, w->name);

    if (!fact)
        return false;
    switch (fact->kind) {
    case PLAN_FACT_FOREIGN:
        give_up(k, w, "NameCollision");
        bk_event(k, true, API_EVENT_NAME_COLLISION,
                 "Neo4jBackupRun '%s' exists and is not of this Neo4jBackup", w->name);
        return true;
    case PLAN_FACT_REFUSED:
        note_refused(k, w, fact);
        return true;
    case PLAN_FACT_DENIED:
        note_denied(k, w, fact);
        return true;
    case PLAN_FACT_WAIT:
        plan_wake(k->out, k->in->now_ms + WAIT_MS);
        return true;
    case PLAN_FACT_GONE:
    case PLAN_FACT_LOOKED:
        break;
    }
    return false;
}

static void create(struct bk *k, const struct wish *w)
{
    nb_auto_done(nb_buf_done) struct nb_buf body = NB_BUF_INIT(8 << 20);
    struct plan_action *a;

    if (is_held_up(k, w))
        return;
    api_run_write(k->b, w->name, w->scheduled, w->trigger, w->token, &body);
    a = plan_create(&k->later, PLAN_OBJ_RUN, w->name, &body, PLAN_OBJ_BACKUP, &k->b->meta);
    a->stop_on_failure = true;
    plan_event(&k->later, PLAN_OBJ_BACKUP, &k->b->meta, w->name, false, API_EVENT_RUN_CREATED,
               "created run '%s' (%s)", w->name, api_trigger_names[w->trigger]);
    k->active++;
    k->created = w->name;
}

static void replace(struct bk *k)
{
    for (size_t i = 0; i < k->run_count; i++) {
        const struct bk_run *r = &k->runs[i];
        struct plan_action *a;

        if (r->terminal || r->run->meta.deleted)
            continue;
        /* In the foreground: the run is there until its pod is gone, and so the next one waits for
         * that. */
        a = plan_add(&k->later, PLAN_DELETE, PLAN_OBJ_RUN, r->run->meta.name, r->run->meta.uid);
        a->foreground = true;
        a->stop_on_failure = true;
    }
    plan_wake(k->out, k->in->now_ms + WAIT_MS);
}

static void skip(struct bk *k, const struct wish *w)
{
    const char *active = bk_first_active(k);
    const char *other = *active ? active : k->created;
    const char *text = api_printf(k->out->arena, "run '%s' is still active", other);

    if (w->trigger == API_TRIGGER_MANUAL || w->trigger == API_TRIGGER_IMMEDIATE) {
        k->waiting = text; /* it stays wanted until the other one ends */
        return;
    }
    if (k->status.last_skipped >= w->scheduled)
        return; /* said already */
    bk_run_event(k, other, true, API_EVENT_SKIPPED, "skipped a scheduled time: %s", text);
    k->status.last_skipped = w->scheduled;
    k->status.last_skipped_reason = "RunActive";
}

/* concurrencyPolicy */
static void start(struct bk *k, const struct wish *w)
{
    if (run_exists(k, w->name))
        return;
    if (k->active == 0 || k->b->spec.concurrency == API_ALLOW)
        create(k, w);
    else if (k->b->spec.concurrency == API_REPLACE && *bk_first_active(k))
        replace(k);
    else
        skip(k, w);
}

/* --- what is wanted -------------------------------------------------------------------------- */

/* An edit of any of these starts no backup. */
static void watch_edits(struct bk *k)
{
    const struct api_backup_spec *s = &k->b->spec;
    const char *now = api_printf(k->out->arena, "%s|%s|%s", s->schedule, s->time_zone,
                                 s->dst == API_DST_CRONJOB ? "CronJob" : "RunOnce");

    if (*k->status.observed_schedule && strcmp(k->status.observed_schedule, now) != 0)
        k->status.schedule_change = k->now;
    k->status.observed_schedule = now;
}

/* What was created speaks for itself, whatever the status says. */
static void learn_from_runs(struct bk *k)
{
    const char *token = bk_token(k, k->b->run_requested);

    for (size_t i = 0; i < k->run_count; i++) {
        const struct api_run *r = k->runs[i].run;

        if ((r->trigger == API_TRIGGER_SCHEDULE || r->trigger == API_TRIGGER_CATCH_UP) &&
            r->scheduled > k->status.last_schedule)
            k->status.last_schedule = r->scheduled;
        if (r->trigger == API_TRIGGER_MANUAL && *token && strcmp(r->token, token) == 0)
            k->status.last_handled_request = token;
    }
}

static void want_immediate(struct bk *k)
{
    const struct api_backup_spec *s = &k->b->spec;
    struct wish w = { .trigger = API_TRIGGER_IMMEDIATE,
                      .scheduled = k->b->meta.created,
                      .token = "" };

    if (s->suspend || (*s->schedule && !s->run_immediately))
        return;
    if (k->run_count > 0 || *k->status.last_run || k->status.last_schedule)
        return; /* the first run was had */
    w.name = api_printf(k->out->arena, "%s-i", k->b->meta.name);
    start(k, &w);
}

static void want_manual(struct bk *k)
{
    const char *token = bk_token(k, k->b->run_requested);
    struct wish w = { .trigger = API_TRIGGER_MANUAL, .scheduled = k->now, .token = token };

    if (!*token || strcmp(token, k->status.last_handled_request) == 0)
        return;
    w.name = bk_hash_name(k, 'm', token);
    start(k, &w);
}

static void report_fault(struct bk *k)
{
    const struct plan_schedule *s = &k->schedule;
    const char *reason =
        s->fault == PLAN_SCHEDULE_ZONE ? API_EVENT_UNKNOWN_ZONE : API_EVENT_INVALID_SCHEDULE;
    const struct api_condition *c =
        api_condition_get(&k->b->status.conditions, API_COND_SCHEDULE_VALID);

    if (!c || c->status != API_FALSE || strcmp(c->reason, reason) != 0 ||
        strcmp(c->message, s->err.text) != 0)
        bk_event(k, true, reason, "%s", s->err.text);
    bk_condition(k, API_COND_SCHEDULE_VALID, API_FALSE, reason, s->err.text);
    k->status.next_schedule = 0;
}

static void want_scheduled(struct bk *k)
{
    const struct plan_schedule *s = &k->schedule;
    struct wish w = { .scheduled = s->due, .token = "" };
    size_t before = k->active;

    if (s->too_late) {
        bk_event(k, true, API_EVENT_MISSED,
                 "a scheduled time was missed by more than startingDeadlineSeconds");
        k->status.last_skipped = s->too_late;
        k->status.last_skipped_reason = "MissedDeadline";
    }
    if (!s->due)
        return;
    w.trigger = s->catch_up ? API_TRIGGER_CATCH_UP : API_TRIGGER_SCHEDULE;
    w.name = api_printf(k->out->arena, "%s-%lld", k->b->meta.name, (long long)(s->due / 60));
    start(k, &w);
    if (k->active > before && s->missed > 100)
        bk_event(k, true, API_EVENT_TOO_MANY_MISSED,
                 "more than 100 scheduled times were missed; the most recent runs");
    /* Held back by another run: it may become too late. */
    if (k->active == before && k->b->spec.starting_deadline_seconds >= 0)
        plan_wake(k->out, (s->due + s->jitter + k->b->spec.starting_deadline_seconds + 1) * 1000);
}

static void look_at_schedule(struct bk *k)
{
    const struct api_backup_spec *s = &k->b->spec;

    k->has_schedule = *s->schedule != '\0';
    if (!k->has_schedule) {
        bk_condition(k, API_COND_SCHEDULE_VALID, API_TRUE, "NoSchedule", "one backup, once");
        k->status.next_schedule = 0;
        return;
    }
    k->schedule_input = (struct plan_schedule_input){
        .schedule = s->schedule,
        .time_zone = s->time_zone,
        .dst = s->dst,
        .deadline_seconds = s->starting_deadline_seconds,
        .jitter_seconds = s->jitter_seconds,
        .uid = k->b->meta.uid,
        .created = k->b->meta.created,
        .last_schedule = k->status.last_schedule,
        .schedule_change = k->status.schedule_change,
        .last_skipped = k->status.last_skipped,
        .suspend = s->suspend,
        .now_ms = k->in->now_ms,
        .options = k->in->options,
    };
    plan_schedule(&k->schedule_input, &k->schedule);
    if (k->schedule.fault != PLAN_SCHEDULE_OK) {
        report_fault(k);
        return;
    }
    bk_condition(k, API_COND_SCHEDULE_VALID, API_TRUE, "Valid", "");
    k->status.next_schedule = s->suspend ? 0 : k->schedule.next + k->schedule.jitter;
    if (!s->suspend)
        plan_wake(k->out, k->status.next_schedule * 1000 + 100);
}

void bk_start(struct bk *k)
{
    watch_edits(k);
    learn_from_runs(k);
    look_at_schedule(k);
    want_immediate(k);
    want_manual(k);
    if (k->has_schedule && k->schedule.fault == PLAN_SCHEDULE_OK)
        want_scheduled(k);
}
