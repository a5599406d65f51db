#include "cron/cron_priv.h"

#include <string.h>

#include "base/clock.h"
#include "base/mem.h"

/* No schedule of ours asks for times outside these years (0001 to 9999). */
#define TIME_MIN INT64_C(-62135596800)
#define TIME_MAX INT64_C(253402300799)

bool cron_day_matches(const struct cron_expr *e, int day, int weekday)
{
    bool dom = e->dom >> day & 1;
    bool dow = e->dow >> weekday & 1;

    return e->both_days ? dom && dow : dom || dow;
}

/* The lowest set bit not below `from`, or -1. */
static int next_bit(uint64_t bits, int from)
{
    bits = from > 63 ? 0 : bits >> from << from;
    return bits ? __builtin_ctzll(bits) : -1;
}

/* --- local time, without zones --------------------------------------------------------------- */

/* The first day at or after `day` (of that month) that matches; 0: none in this month. */
static int next_day(const struct cron_expr *e, int64_t year, int month, int day)
{
    int last = nb_days_in_month(year, month);
    int weekday = (int)(((nb_days_from_civil(year, month, day) + 4) % 7 + 7) % 7);

    for (; day <= last; day++, weekday = (weekday + 1) % 7)
        if (cron_day_matches(e, day, weekday))
            return day;
    return 0;
}

/* The first local time (seconds as if UTC) at or after `from` that matches, on a whole minute. */
static bool next_local(const struct cron_expr *e, int64_t from, int64_t *ret)
{
    struct nb_tm t = nb_tm_from_unix(from + (from % 60 == 0 ? 0 : 60));
    int64_t year_limit = t.year + 5;
    int hour, minute, month, day;

    while (t.year <= year_limit) {
        month = next_bit(e->month, t.month);
        if (month < 0) {
            t = (struct nb_tm){ .year = t.year + 1, .month = 1, .day = 1 };
            continue;
        }
        if (month != t.month)
            t = (struct nb_tm){ .year = t.year, .month = month, .day = 1 };
        day = next_day(e, t.year, t.month, t.day);
        if (day == 0) {
            t = (struct nb_tm){ .year = t.year + (t.month == 12),
                                .month = t.month % 12 + 1,
                                .day = 1 };
            continue;
        }
        if (day != t.day)
            t = (struct nb_tm){ .year = t.year, .month = t.month, .day = day };
        hour = next_bit(e->hour, t.hour);
        minute = hour == t.hour ? next_bit(e->minute, t.minute) : next_bit(e->minute, 0);
        if (hour == t.hour && minute < 0) {
            hour = next_bit(e->hour, t.hour + 1);
            minute = next_bit(e->minute, 0);
        }
        if (hour < 0) { /* not today any more */
            t.hour = t.minute = t.second = 0;
            t = nb_tm_from_unix(nb_tm_to_unix(&t) + 86400);
            continue;
        }
        t.hour = hour;
        t.minute = minute;
        t.second = 0;
        *ret = nb_tm_to_unix(&t);
        return true;
    }
    return false;
}

/* --- RunOnce --------------------------------------------------------------------------------- */

/* The instant at which a local time runs: its first occurrence, or the first instant after the gap
 * it is in. */
static int64_t instant_of(const struct cron_zone *z, int64_t local)
{
    struct cron_segment s;

    /* Offsets are within a day and a few hours: begin well before and walk over the changes
     * between. */
    cron_zone_segment(z, local - INT64_C(2) * 86400, &s);
    for (;;) {
        int64_t t = local - s.offset;

        if (t < s.start)
            return s.start; /* the last change jumped over it */
        if (s.end == INT64_MAX || t < s.end)
            return t;
        cron_zone_segment(z, s.end, &s);
    }
}

static bool next_fixed(const struct cron_expr *e, const struct cron_zone *z, int64_t after,
                       int64_t *ret)
{
    int64_t local = after + cron_zone_offset(z, after);

    /* instant_of() never goes back as local goes on, so no local time up to that of `after` runs
     * later than it. */
    for (;;) {
        if (!next_local(e, local + 1, &local))
            return false;
        *ret = instant_of(z, local);
        if (*ret > after)
            return true;
    }
}

bool cron_next_real(const struct cron_expr *e, const struct cron_zone *z, int64_t after,
                    int64_t *ret)
{
    int64_t from = after + 1, limit = after + INT64_C(6) * 366 * 86400;
    struct cron_segment s;

    while (from < limit) {
        int64_t local;

        cron_zone_segment(z, from, &s);
        if (next_local(e, from + s.offset, &local) &&
            (s.end == INT64_MAX || local - s.offset < s.end)) {
            *ret = local - s.offset;
            return true;
        }
        if (s.end == INT64_MAX)
            return false;
        from = s.end;
    }
    return false;
}

/* --- both ------------------------------------------------------------------------------------ */

bool cron_next(const struct cron_expr *e, const struct cron_zone *z, enum cron_policy policy,
               int64_t after, int64_t *ret)
{
    int64_t t = 0;
    bool found;

    if (after < TIME_MIN || after > TIME_MAX)
        return false;
    if (e->every_seconds > 0) {
        *ret = after + e->every_seconds;
        return true;
    }
    if (policy == CRON_CRONJOB)
        found = cron_next_cronjob(e, z, after, &t);
    else if (e->fixed_time)
        found = next_fixed(e, z, after, &t);
    else
        found = cron_next_real(e, z, after, &t);
    if (found)
        *ret = t;
    return found;
}

/* A start not before `after` from which a few steps lead to the last match up to `until`. */
static int64_t window_start(const struct cron_expr *e, const struct cron_zone *z,
                            enum cron_policy policy, int64_t after, int64_t until)
{
    enum { HOUR = 3600, DAY = 24 * HOUR };
    static const int windows[] = { HOUR, 6 * HOUR, DAY, 8 * DAY, 40 * DAY, 400 * DAY };
    int64_t t;

    for (size_t i = 0; i < NB_ARRAY_LEN(windows); i++) {
        if (until - windows[i] <= after)
            return after;
        if (cron_next(e, z, policy, until - windows[i], &t) && t <= until)
            return until - windows[i];
    }
    return after;
}

bool cron_last(const struct cron_expr *e, const struct cron_zone *z, enum cron_policy policy,
               int64_t after, int64_t until, int64_t count_max, int64_t *ret, int64_t *ret_count)
{
    int64_t t, count = 0, last;
    bool found = false;

    if (ret_count)
        *ret_count = 0;
    if (until <= after || after < TIME_MIN || until > TIME_MAX)
        return false;
    if (e->every_seconds > 0) {
        count = (until - after) / e->every_seconds;
        if (count == 0)
            return false;
        *ret = after + count * e->every_seconds;
        if (ret_count)
            *ret_count = count < count_max ? count : count_max;
        return true;
    }
    t = window_start(e, z, policy, after, until);
    while (cron_next(e, z, policy, t, &t) && t <= until) {
        last = t;
        *ret = last;
        found = true;
    }
    if (found && ret_count) {
        for (t = after; count < count_max && cron_next(e, z, policy, t, &t) && t <= until;)
            count++;
        *ret_count = count;
    }
    return found;
}
