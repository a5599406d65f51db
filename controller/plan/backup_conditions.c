#include "controller/plan/backup_priv.h"

#include <string.h>

#include "base/clock.h"

enum { GRACE_MIN_SECONDS = 600, GRACE_MAX_SECONDS = 6 * 3600 };

static void set_last_succeeded(struct bk *k)
{
    const struct api_history_entry *h = k->status.history_count ? &k->status.history[0] : NULL;

    if (!h) {
        bk_condition(k, API_COND_LAST_SUCCEEDED, API_UNKNOWN, "NoBackupYet",
                     "no run has ended yet");
        return;
    }
    /* The message of a run that has ended in this plan, or what was said before of the same run. */
    for (size_t i = 0; i < k->run_count; i++) {
        const struct bk_run *r = &k->runs[i];
        const char *why = r->status.failure.present ? r->status.failure.message : "";

        if (strcmp(r->run->meta.name, h->run) != 0)
            continue;
        bk_condition(k, API_COND_LAST_SUCCEEDED,
                     h->result == API_RESULT_SUCCEEDED ? API_TRUE : API_FALSE, h->reason,
                     api_printf(k->out->arena, "run '%s'%s%s", h->run, *why ? ": " : "", why));
        return;
    }
}

/* When a success is owed: the first time after the last success, and some patience. 0: never. What
 * is overdue stays so until a success: not each run that is tried ends it for a while. */
static int64_t overdue_at(const struct bk *k, bool was)
{
    int64_t base = k->status.last_successful ? k->status.last_successful : k->b->meta.created;
    int64_t interval = k->schedule.interval, grace, first;

    if (base < k->status.schedule_change)
        base = k->status.schedule_change;
    first = plan_schedule_first_after(&k->schedule_input, base);
    if (!first)
        return 0;
    grace = interval < GRACE_MIN_SECONDS   ? GRACE_MIN_SECONDS
            : interval > GRACE_MAX_SECONDS ? GRACE_MAX_SECONDS
                                           : interval;
    if (k->status.active.count > 0 && !was) /* it is being worked on */
        grace += interval > GRACE_MAX_SECONDS ? interval : GRACE_MAX_SECONDS;
    return first + k->schedule.jitter + grace;
}

static void set_overdue(struct bk *k)
{
    bool was = api_condition_status(&k->status.conditions, API_COND_OVERDUE) == API_TRUE;
    char text[NB_TIME_TEXT_MAX];
    int64_t at;

    if (!k->has_schedule) {
        bk_condition(k, API_COND_OVERDUE, API_FALSE, "NoSchedule", "");
        return;
    }
    if (k->b->spec.suspend) {
        bk_condition(k, API_COND_OVERDUE, API_FALSE, "Suspended", "");
        return;
    }
    at = k->schedule.fault == PLAN_SCHEDULE_OK ? overdue_at(k, was) : 0;
    if (at == 0 || k->now < at) {
        if (at == 0)
            bk_condition(k, API_COND_OVERDUE, API_UNKNOWN, "InvalidSchedule", "");
        else
            bk_condition(k, API_COND_OVERDUE, API_FALSE, "OnTime", "");
        plan_wake(k->out, at * 1000);
        return;
    }
    const char *why = api_printf(
        k->out->arena, "no successful backup since %s; one was due",
        nb_time_format(k->status.last_successful ? k->status.last_successful : k->b->meta.created,
                       text));

    bk_condition(k, API_COND_OVERDUE, API_TRUE, "Overdue", why);
    if (!was) {
        bk_event(k, true, API_EVENT_OVERDUE, "%s", why);
        bk_notify(k, API_NOTIFY_OVERDUE, API_EVENT_OVERDUE, "", why);
    }
}

static const struct bk_run *first_waiting(const struct bk *k)
{
    for (size_t i = 0; i < k->run_count; i++)
        if (!k->runs[i].terminal && k->runs[i].wait.reason)
            return &k->runs[i];
    return NULL;
}

/* What neither the schema can judge nor a run could get over. "": nothing. */
static const char *spec_fault(const struct bk *k)
{
    const struct api_template *t = &k->b->spec.template_;

    if (t->verify_level == API_VERIFY_RESTORE && !*t->verify_neo4j_image &&
        !*k->in->options->verify_neo4j_image)
        return "spec.verification.level is 'Restore', but there is no image of a scratch Neo4j to "
               "restore into; hint: set spec.verification.neo4jImage, or the controller's "
               "--verify-neo4j-image (the chart's verification.neo4jImage)";
    return "";
}

static void set_invalid(struct bk *k, const char *why)
{
    const struct api_condition *was = api_condition_get(&k->b->status.conditions, API_COND_READY);

    if (!was || strcmp(was->reason, API_EVENT_INVALID_SPEC) != 0 || strcmp(was->message, why) != 0)
        bk_event(k, true, API_EVENT_INVALID_SPEC, "%s", why);
    bk_condition(k, API_COND_READY, API_FALSE, API_EVENT_INVALID_SPEC, why);
}

/* What the API server said of the last run that was to be made: until another one is made, or it is
 * known that none can be. */
static struct plan_wait run_fault(const struct bk *k)
{
    const struct api_condition *was = api_condition_get(&k->b->status.conditions, API_COND_READY);
    const struct api_backup_status *s = &k->status;
    bool tries = *k->created && was && strcmp(was->reason, API_REASON_RUN_DENIED) == 0;
    bool stands = was && strcmp(was->reason, API_EVENT_RUN_REFUSED) == 0 &&
                  strcmp(s->last_skipped_reason, API_EVENT_RUN_REFUSED) == 0 &&
                  s->active.count == 0 && s->last_skipped >= s->last_schedule &&
                  s->last_skipped >= s->last_successful && s->last_skipped >= s->last_failure;

    if (k->no_run.reason || (!tries && !stands))
        return k->no_run;
    return (struct plan_wait){ was->reason, was->message };
}

/* One word that sums it up: the printer column "Status". */
static void set_ready(struct bk *k)
{
    const struct api_condition *last =
        api_condition_get(&k->status.conditions, API_COND_LAST_SUCCEEDED);
    const struct api_condition *valid =
        api_condition_get(&k->status.conditions, API_COND_SCHEDULE_VALID);
    bool partial = strcmp(last->reason, "PartiallySucceeded") == 0;
    const struct bk_run *waiting = first_waiting(k);
    const struct plan_wait no_run = run_fault(k);
    const char *fault = spec_fault(k);
    enum api_status good = last->status == API_FALSE && !partial ? API_FALSE : API_TRUE;

    if (valid->status == API_FALSE)
        bk_condition(k, API_COND_READY, API_FALSE, valid->reason, valid->message);
    else if (*fault)
        set_invalid(k, fault);
    else if (waiting)
        bk_condition(k, API_COND_READY, API_FALSE, waiting->wait.reason,
                     api_printf(k->out->arena, "run '%s': %s", waiting->run->meta.name,
                                waiting->wait.message));
    else if (no_run.reason)
        bk_condition(k, API_COND_READY, API_FALSE, no_run.reason, no_run.message);
    else if (k->status.active.count > 0)
        bk_condition(k, API_COND_READY, good, "Running",
                     api_printf(k->out->arena, "run '%s' is active%s%s", k->status.active.items[0],
                                *k->waiting ? "; a requested run waits for it" : "", ""));
    else if (k->b->spec.suspend)
        bk_condition(k, API_COND_READY, good, "Suspended",
                     "nothing starts while spec.suspend is true");
    else if (last->status == API_UNKNOWN)
        bk_condition(k, API_COND_READY, API_TRUE, "Waiting", "no run has ended yet");
    else
        bk_condition(k, API_COND_READY, good, last->reason, last->message);
}

void bk_conditions(struct bk *k)
{
    set_last_succeeded(k);
    set_overdue(k);
    set_ready(k);
    if (!api_condition_get(&k->status.conditions, API_COND_RETENTION))
        bk_condition(k, API_COND_RETENTION, API_UNKNOWN, "NotYetRun",
                     "retention runs after a successful backup");
    if (!api_condition_get(&k->status.conditions, API_COND_VERIFIED))
        bk_condition(k, API_COND_VERIFIED, API_UNKNOWN, "NotYetRun",
                     "no backup has been verified yet");
}
