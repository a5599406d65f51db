#include "cron/cron_priv.h"

#include "base/clock.h"

/*
 * The next time as Kubernetes' CronJob controller computes it, so that daylightSavingPolicy:
 * CronJob is the same to the second, oddities included. It follows SpecSchedule.Next of
 * github.com/robfig/cron/v3 (MIT) step by step; that rests on Go's time.Date and time.AddDate,
 * whose choice in gaps and overlaps is rebuilt in go_date().
 */

/* An instant with its local fields, and the piece of the zone that it lies in (times asked for are
 * close together). */
struct go_time {
    const struct cron_zone *zone;
    struct cron_segment segment;
    int64_t unix_seconds;
    struct nb_tm tm;
    bool stuck; /* a day was added and the time did not move */
};

/* The segment of an instant: mostly the one that is known already. */
static struct cron_segment segment_of(const struct go_time *t, int64_t unix_seconds)
{
    struct cron_segment s = t->segment;

    if (unix_seconds < s.start || unix_seconds >= s.end)
        cron_zone_segment(t->zone, unix_seconds, &s);
    return s;
}

static void go_set(struct go_time *t, int64_t unix_seconds)
{
    t->segment = segment_of(t, unix_seconds);
    t->unix_seconds = unix_seconds;
    t->tm = nb_tm_from_unix(unix_seconds + t->segment.offset);
}

/* time.Date: fields may be out of range. */
static void go_date(struct go_time *t, int64_t year, int month, int day, int hour, int minute,
                    int second)
{
    struct nb_tm tm = {
        .year = year, .month = month, .day = day, .hour = hour, .minute = minute, .second = second
    };
    int64_t unix_seconds = nb_tm_to_unix(&tm);
    struct cron_segment s;

    s = segment_of(t, unix_seconds);
    if (s.offset != 0) {
        int64_t utc = unix_seconds - s.offset;

        if (utc < s.start || utc >= s.end)
            s = segment_of(t, utc);
        unix_seconds -= s.offset;
    }
    go_set(t, unix_seconds);
}

/* Each of these brings one field forward until it matches; false: it wrapped around, begin again.
 * `added`: something was brought forward already, so the smaller fields are at their start. */

static bool find_month(const struct cron_expr *e, struct go_time *t, bool *added)
{
    while (!(e->month >> t->tm.month & 1)) {
        if (!*added) {
            *added = true;
            go_date(t, t->tm.year, t->tm.month, 1, 0, 0, 0);
        }
        go_date(t, t->tm.year, t->tm.month + 1, t->tm.day, t->tm.hour, t->tm.minute, t->tm.second);
        if (t->tm.month == 1)
            return false;
    }
    return true;
}

static bool find_day(const struct cron_expr *e, struct go_time *t, bool *added)
{
    while (!cron_day_matches(e, t->tm.day, t->tm.weekday)) {
        int64_t before;

        if (!*added) {
            *added = true;
            go_date(t, t->tm.year, t->tm.month, t->tm.day, 0, 0, 0);
        }
        before = t->unix_seconds;
        go_date(t, t->tm.year, t->tm.month, t->tm.day + 1, t->tm.hour, t->tm.minute, t->tm.second);
        /* Where midnight does not exist the hour is 23 or 1 now. */
        if (t->tm.hour > 12)
            go_set(t, t->unix_seconds + INT64_C(3600) * (24 - t->tm.hour));
        else if (t->tm.hour != 0)
            go_set(t, t->unix_seconds - INT64_C(3600) * t->tm.hour);
        /* Where a whole day does not exist (Pacific/Apia, 30 December 2011) the model never
         * ends. */
        t->stuck = t->unix_seconds <= before;
        if (t->tm.day == 1 || t->stuck)
            return false;
    }
    return true;
}

static bool find_hour(const struct cron_expr *e, struct go_time *t, bool *added)
{
    while (!(e->hour >> t->tm.hour & 1)) {
        if (!*added) {
            *added = true;
            go_date(t, t->tm.year, t->tm.month, t->tm.day, t->tm.hour, 0, 0);
        }
        go_set(t, t->unix_seconds + 3600);
        if (t->tm.hour == 0)
            return false;
    }
    return true;
}

static int64_t floor_minute(int64_t t)
{
    int64_t r = t % 60;

    return t - (r < 0 ? r + 60 : r);
}

static bool find_minute(const struct cron_expr *e, struct go_time *t, bool *added)
{
    while (!(e->minute >> t->tm.minute & 1)) {
        if (!*added) {
            *added = true;
            go_set(t, floor_minute(t->unix_seconds));
        }
        go_set(t, t->unix_seconds + 60);
        if (t->tm.minute == 0)
            return false;
    }
    return true;
}

static bool find_second(struct go_time *t, bool *added)
{
    /* Second 0 is the only one that matches. */
    while (t->tm.second != 0) {
        *added = true;
        go_set(t, t->unix_seconds + 60 - t->tm.second);
        if (t->tm.second == 0)
            return false;
    }
    return true;
}

bool cron_next_cronjob(const struct cron_expr *e, const struct cron_zone *z, int64_t after,
                       int64_t *ret)
{
    struct go_time t = { .zone = z };
    int64_t year_limit;
    bool added = false;

    cron_zone_segment(z, after + 1, &t.segment);
    go_set(&t, after + 1);
    year_limit = t.tm.year + 5;
    while (t.tm.year <= year_limit) {
        if (find_month(e, &t, &added) && find_day(e, &t, &added) && find_hour(e, &t, &added) &&
            find_minute(e, &t, &added) && find_second(&t, &added)) {
            *ret = t.unix_seconds;
            return true;
        }
        if (t.stuck)
            return cron_next_real(e, z, after, ret);
    }
    return false;
}
