/*
 * A year of one schedule in one zone, with a controller (or the schedule of the sidecar) that is
 * killed and started again at any time, also between making a run and writing down that it did.
 * Every zone has its turn. The times are found here a second way, minute by minute; those of
 * daylightSavingPolicy CronJob are held against robfig/cron by the campaign cron, so src/cron is asked
 * for them.
 */

#include "base/buf.h"
#include "base/clock.h"
#include "controller/plan/schedule.h"
#include "cron/cron_priv.h"
#include "main/slots.h"
#include "tests/campaigns/campaign.h"
#include "tests/campaigns/random.h"
#include "tests/campaigns/zones.h"

enum { SLOTS_MAX = 60000, MINUTE = 60, HOUR = 3600, DAY = 86400, YEAR = 366 * DAY };

static struct zones all_zones;
static uint64_t runs_made, restarts, overtaken;

struct year {
    struct rnd rnd;
    char expr_text[CRON_TEXT_MAX];
    const char *zone_name;
    const struct cron_zone *zone;
    struct cron_expr *expr;
    enum cron_policy policy;
    bool sidecar;
    int64_t start, now;
    int64_t last;   /* written down */
    int64_t *slots; /* the right times, ascending */
    uint8_t *made;  /* of each: how often a run was made under its name */
    size_t n, next; /* slots[next] is the first after now */
};

/* --- the right times, a second way ------------------------------------------------------------ */

static bool local_matches(const struct cron_expr *e, int64_t local)
{
    struct nb_tm tm = nb_tm_from_unix(local);

    return (e->minute >> tm.minute & 1) && (e->hour >> tm.hour & 1) && (e->month >> tm.month & 1) &&
           cron_day_matches(e, tm.day, tm.weekday);
}

static void slot_add(struct year *y, int64_t t)
{
    if (y->n < SLOTS_MAX && (y->n == 0 || y->slots[y->n - 1] != t))
        y->slots[y->n++] = t;
}

/* Real minutes in order. A local time that came before does not count again; those that the clock
 * jumped over count at the minute after. */
static void slots_find_fixed(struct year *y, int64_t end)
{
    int64_t newest = y->start + cron_zone_offset(y->zone, y->start);

    /* Which local times were there before: a change may lie just behind. */
    for (int64_t t = y->start - 2 * DAY; t <= y->start; t += MINUTE)
        if (t + cron_zone_offset(y->zone, t) > newest)
            newest = t + cron_zone_offset(y->zone, t);
    for (int64_t t = y->start + MINUTE; t <= end; t += MINUTE) {
        int64_t local = t + cron_zone_offset(y->zone, t);

        for (int64_t l = newest + MINUTE; l <= local; l += MINUTE)
            if (local_matches(y->expr, l))
                slot_add(y, t);
        if (local > newest)
            newest = local;
    }
}

static void slots_find(struct year *y, int64_t end)
{
    int64_t t = y->start;

    if (y->policy == CRON_CRONJOB) {
        while (y->n < SLOTS_MAX && cron_next(y->expr, y->zone, CRON_CRONJOB, t, &t) && t <= end)
            slot_add(y, t);
    } else if (y->expr->fixed_time) {
        slots_find_fixed(y, end);
    } else {
        for (t = y->start + MINUTE; t <= end; t += MINUTE)
            if (local_matches(y->expr, t + cron_zone_offset(y->zone, t)))
                slot_add(y, t);
    }
}

/* --- the schedule ----------------------------------------------------------------------------- */

static void expr_make(struct year *y)
{
    struct rnd *r = &y->rnd;
    unsigned m = rnd_below(r, 3) ? rnd_between(r, 0, 59) : 30 * rnd_between(r, 0, 1);
    unsigned h = rnd_below(r, 2) ? rnd_between(r, 0, 3) : rnd_between(r, 0, 23);
    char *out = y->expr_text;
    size_t n = sizeof(y->expr_text);

    switch (rnd_below(r, 9)) {
    case 0:
        snprintf(out, n, "%u * * * *", m);
        break;
    case 1:
        snprintf(out, n, "%u */%u * * *", m, rnd_between(r, 2, 7));
        break;
    case 2:
        snprintf(out, n, "%u %u-%u * * *", m, h / 2, h);
        break;
    case 3:
        snprintf(out, n, "%u,%u %u * * *", m, rnd_between(r, 0, 59), h);
        break;
    case 4:
        snprintf(out, n, "%u %u * * %u,sun", m, h, rnd_between(r, 0, 7));
        break;
    case 5:
        snprintf(out, n, "%u %u %u,%u * *", m, h, rnd_between(r, 1, 28), rnd_between(r, 1, 31));
        break;
    case 6:
        snprintf(out, n, "*/%u %u * * *", rnd_between(r, 7, 30), h);
        break;
    default:
        snprintf(out, n, "%u %u * * *", m, h);
    }
}

static const struct cron_zone *zone_get(void *ctx, const char *name, struct nb_error *err)
{
    const struct year *y = ctx;

    (void)name;
    (void)err;
    return y->zone;
}

/* What the program says at this moment. */
static bool look(struct year *y, int64_t *due, int64_t *missed, int64_t *next, struct nb_error *err)
{
    struct plan_options options = { .zone = zone_get, .zone_ctx = y };
    struct plan_schedule_input in = { .schedule = y->expr_text,
                                      .time_zone = y->zone_name,
                                      .dst = y->policy == CRON_CRONJOB ? API_DST_CRONJOB
                                                                       : API_DST_RUN_ONCE,
                                      .deadline_seconds = -1,
                                      .uid = "",
                                      .created = y->start,
                                      .last_schedule = y->last,
                                      .now_ms = y->now * 1000 + 999,
                                      .options = &options };
    struct plan_schedule plan;
    struct slots_input slots_in = { .expr = y->expr,
                                    .zone = y->zone,
                                    .since = y->start,
                                    .last = y->last,
                                    .deadline_seconds = 10 * (int64_t)YEAR,
                                    .now = y->now };
    struct slots slots;

    if (y->sidecar) {
        slots_plan(&slots_in, &slots);
        *due = slots.due;
        *missed = slots.missed;
        *next = slots.next;
        return !slots.too_late || nb_fail(err, NB_E_INTERNAL, "TooLate", "a slot is too late");
    }
    plan_schedule(&in, &plan);
    *due = plan.due;
    *missed = plan.missed;
    *next = plan.next;
    if (plan.fault != PLAN_SCHEDULE_OK) {
        *err = plan.err;
        return false;
    }
    return true;
}

static bool wrong(const struct year *y, const char *what, int64_t got, int64_t want,
                  struct nb_error *err)
{
    char a[NB_TIME_TEXT_MAX], b[NB_TIME_TEXT_MAX], c[NB_TIME_TEXT_MAX];

    return nb_fail(err, NB_E_INTERNAL, "Wrong",
                   "'%s' in %s, %s, at %s: %s is %s (%lld), not %s (%lld)", y->expr_text,
                   y->zone_name,
                   y->sidecar                  ? "sidecar"
                   : y->policy == CRON_CRONJOB ? "CronJob"
                                               : "RunOnce",
                   nb_time_format(y->now, a), what, nb_time_format(got, b), (long long)got,
                   nb_time_format(want, c), (long long)want);
}

/* One look: right, and carried out unless a kill comes between. */
static bool step(struct year *y, struct nb_error *err)
{
    int64_t due, missed, next, want = 0, want_missed = 0;

    while (y->next < y->n && y->slots[y->next] <= y->now)
        y->next++;
    if (y->next > 0 && y->slots[y->next - 1] > y->last)
        want = y->slots[y->next - 1];
    for (size_t i = y->next; want && i > 1 && y->slots[i - 2] > y->last && want_missed < 100; i--)
        want_missed++;
    if (!look(y, &due, &missed, &next, err))
        return false;
    if (due != want)
        return wrong(y, "the run that is due", due, want, err);
    if (want_missed < 100 && missed != want_missed)
        return wrong(y, "the number missed", missed, want_missed, err);
    if (y->next < y->n && next != y->slots[y->next])
        return wrong(y, "the next run", next, y->slots[y->next], err);
    if (!due)
        return true;
    y->made[y->next - 1] =
        1; /* a second time meets the run that is there: its name is the slot's */
    if (!y->sidecar && rnd_below(&y->rnd, 10) == 0) {
        restarts++; /* before it is written down; the sidecar writes before it runs */
        return true;
    }
    y->last = due;
    return true;
}

/* Until when nobody looks. */
static void sleep_on(struct year *y)
{
    static const int64_t long_ones[] = { 10 * MINUTE, HOUR, 7 * HOUR, DAY, 5 * DAY };
    int64_t until = y->next < y->n ? y->slots[y->next] : y->start + YEAR;

    switch (rnd_below(&y->rnd, 60)) {
    case 0: /* killed for a while */
        restarts++;
        y->now += 1 + (int64_t)rnd_below(&y->rnd, (uint64_t)long_ones[rnd_below(&y->rnd, 5)]);
        return;
    case 1:
    case 2: /* killed, and there again at once, or something changed */
    case 3:
        restarts++;
        y->now += 1 + (int64_t)rnd_below(&y->rnd, 90);
        return;
    case 4: /* just before */
        y->now = until - 1 > y->now ? until - 1 : until;
        return;
    default:
        y->now = until + (int64_t)rnd_below(&y->rnd, 3);
    }
}

static bool year_run(struct year *y, struct nb_error *err)
{
    /* Slots of a while after the end: what comes next is compared to the last moment. */
    slots_find(y, y->start + YEAR + 40 * DAY);
    while (y->now < y->start + YEAR) {
        if (!step(y, err))
            return false;
        sleep_on(y);
    }
    for (size_t i = 0; i < y->n && y->slots[i] <= y->start + YEAR - 6 * DAY; i++) {
        runs_made += y->made[i];
        overtaken += !y->made[i];
    }
    return true;
}

static bool run(uint64_t number, struct nb_error *err)
{
    struct year y = { .rnd = rnd_of_case(number) };
    bool ok;

    y.zone_name = all_zones.v[number % all_zones.n].name;
    y.zone = all_zones.v[number % all_zones.n].zone;
    y.start = y.now = nb_days_from_civil((int64_t)rnd_between(&y.rnd, 1990, 2037),
                                         (int)rnd_between(&y.rnd, 1, 12), 1) *
                          DAY +
                      (int64_t)rnd_below(&y.rnd, 1440) * MINUTE;
    y.policy = rnd_below(&y.rnd, 3) ? CRON_RUN_ONCE : CRON_CRONJOB;
    y.sidecar = y.policy == CRON_RUN_ONCE && rnd_below(&y.rnd, 2);
    expr_make(&y);
    if (!cron_expr_parse(y.expr_text, &y.expr, err))
        return false;
    y.slots = nb_xcalloc(SLOTS_MAX, sizeof(*y.slots));
    y.made = nb_xcalloc(SLOTS_MAX, sizeof(*y.made));
    ok = year_run(&y, err);
    cron_expr_free(y.expr);
    free(y.slots);
    free(y.made);
    return ok;
}

static bool open_zones(struct nb_error *err)
{
    return zones_load(&all_zones, err);
}

static void close_zones(void)
{
    zones_done(&all_zones);
}

static const char *remarks(void)
{
    static char text[160];

    snprintf(text, sizeof(text), "%zu zones, %llu runs, %llu kills, %llu overtaken while away",
             all_zones.n, (unsigned long long)runs_made, (unsigned long long)restarts,
             (unsigned long long)overtaken);
    return text;
}

const struct campaign campaign = { .name = "schedule",
                                   .slice = 60,
                                   .open = open_zones,
                                   .close = close_zones,
                                   .run = run,
                                   .remarks = remarks };
