#include "controller/plan/schedule.h"

#include <string.h>

#include "base/hash.h"

/* Missed times are counted no further than this: above 100 the user is warned, and the most recent
 * one still runs. */
enum { MISSED_MAX = 101 };

int64_t plan_jitter_seconds(const char *uid, int64_t max_seconds)
{
    if (max_seconds <= 0)
        return 0;
    return (int64_t)(nb_hash64(uid, strlen(uid)) % ((uint64_t)max_seconds + 1));
}

/* What the rules look at once expression and zone are read. */
struct looking {
    const struct plan_schedule_input *in;
    const struct cron_expr *expr;
    const struct cron_zone *zone;
    enum cron_policy policy;
    int64_t now; /* less the jitter: the schedule's own time */
};

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* Rules 7 to 9: the most recent time that was missed, if it may still run. */
static void find_due(const struct looking *l, struct plan_schedule *ret)
{
    const struct plan_schedule_input *in = l->in;
    int64_t from = in->last_schedule ? in->last_schedule : in->created;
    int64_t t, count = 0, oldest;

    from = later(from, in->schedule_change);
    if (!cron_last(l->expr, l->zone, l->policy, from, l->now, MISSED_MAX + 1, &t, &count))
        return;
    if (in->deadline_seconds >= 0 && l->now - t > in->deadline_seconds) {
        if (t > in->last_skipped)
            ret->too_late = t;
        return;
    }
    ret->due = t;
    /* Times beyond the deadline are not owed any more, so they do not count as missed. */
    oldest = in->deadline_seconds >= 0 ? l->now - in->deadline_seconds - 1 : from;
    if (oldest > from && cron_expr_every_seconds(l->expr) == 0 &&
        !cron_last(l->expr, l->zone, l->policy, oldest, l->now, MISSED_MAX + 1, &t, &count))
        count = 1;
    ret->missed = count - 1;
    ret->catch_up = ret->missed > 0;
}

/* Rule 13's other half: what comes next, and how far apart times are. */
static bool find_next(const struct looking *l, struct plan_schedule *ret)
{
    int64_t after = later(l->now, l->in->schedule_change), following;

    if (!cron_next(l->expr, l->zone, l->policy, after, &ret->next))
        return false;
    if (cron_next(l->expr, l->zone, l->policy, ret->next, &following))
        ret->interval = following - ret->next;
    return true;
}

/* @every counts from the last run, not from now. */
static void find_next_every(const struct looking *l, struct plan_schedule *ret)
{
    const struct plan_schedule_input *in = l->in;
    int64_t from = later(in->last_schedule ? in->last_schedule : in->created, in->schedule_change);
    int64_t last, following;

    if (!cron_last(l->expr, l->zone, l->policy, from, l->now, 1, &last, NULL))
        last = from;
    if (cron_next(l->expr, l->zone, l->policy, last, &ret->next) &&
        cron_next(l->expr, l->zone, l->policy, ret->next, &following))
        ret->interval = following - ret->next;
}

void plan_schedule(const struct plan_schedule_input *in, struct plan_schedule *ret)
{
    nb_auto(cron_expr_free) struct cron_expr *expr = NULL;
    struct looking l = { .in = in };
    int64_t next_skip;

    *ret = (struct plan_schedule){ .fault = PLAN_SCHEDULE_INVALID, .err = NB_ERROR_INIT };
    if (!cron_expr_parse(in->schedule, &expr, &ret->err))
        return;
    ret->fault = PLAN_SCHEDULE_ZONE;
    l.zone = in->options->zone(in->options->zone_ctx, in->time_zone, &ret->err);
    if (!l.zone)
        return;
    l.expr = expr;
    l.policy = in->dst == API_DST_CRONJOB ? CRON_CRONJOB : CRON_RUN_ONCE;
    ret->jitter = plan_jitter_seconds(in->uid, in->jitter_seconds);
    l.now = in->now_ms / 1000 - ret->jitter;
    if (!find_next(&l, ret)) {
        ret->fault = PLAN_SCHEDULE_NEVER;
        nb_fail(&ret->err, NB_E_INVALID, "InvalidSchedule",
                "schedule '%s' never comes within five years", in->schedule);
        nb_hint(&ret->err, "use a date that exists");
        return;
    }
    if (cron_expr_every_seconds(expr) > 0)
        find_next_every(&l, ret);
    ret->fault = PLAN_SCHEDULE_OK;
    if (in->suspend)
        return;
    find_due(&l, ret);
    /* One that is late because nobody looked in time: by more than the time between two. */
    if (ret->due && cron_next(l.expr, l.zone, l.policy, ret->due, &next_skip) && l.now >= next_skip)
        ret->catch_up = true;
}

int64_t plan_schedule_first_after(const struct plan_schedule_input *in, int64_t base)
{
    nb_auto(cron_expr_free) struct cron_expr *expr = NULL;
    struct nb_error err = NB_ERROR_INIT;
    const struct cron_zone *zone;
    int64_t t;

    if (!cron_expr_parse(in->schedule, &expr, &err))
        return 0;
    zone = in->options->zone(in->options->zone_ctx, in->time_zone, &err);
    if (!zone)
        return 0;
    return cron_next(expr, zone, in->dst == API_DST_CRONJOB ? CRON_CRONJOB : CRON_RUN_ONCE, base,
                     &t)
               ? t
               : 0;
}
