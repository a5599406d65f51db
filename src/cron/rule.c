#include "cron/cron_priv.h"

#include <string.h>

#include "base/clock.h"

/* The text being read. */
struct reader {
    const char *p, *end;
};

static bool take(struct reader *r, char c)
{
    if (r->p == r->end || *r->p != c)
        return false;
    r->p++;
    return true;
}

static bool take_number(struct reader *r, int max, int *ret)
{
    int v = 0;
    const char *start = r->p;

    for (; r->p < r->end && *r->p >= '0' && *r->p <= '9'; r->p++) {
        v = v * 10 + (*r->p - '0');
        if (v > max)
            return false;
    }
    *ret = v;
    return r->p > start;
}

/* An abbreviation: three letters or more, or anything short in <>. */
static bool skip_name(struct reader *r)
{
    const char *start = r->p;

    if (take(r, '<')) {
        while (r->p < r->end && *r->p != '>')
            r->p++;
        return take(r, '>') && r->p - start >= 3;
    }
    while (r->p < r->end && ((*r->p | 0x20) >= 'a' && (*r->p | 0x20) <= 'z'))
        r->p++;
    return r->p - start >= 3;
}

/* [+-]hh[:mm[:ss]] */
static bool take_hms(struct reader *r, int hours_max, int32_t *ret_seconds)
{
    int sign = 1, h, m = 0, s = 0;

    if (take(r, '-'))
        sign = -1;
    else
        (void)take(r, '+');
    if (!take_number(r, hours_max, &h))
        return false;
    if (take(r, ':')) {
        if (!take_number(r, 59, &m))
            return false;
        if (take(r, ':') && !take_number(r, 59, &s))
            return false;
    }
    *ret_seconds = sign * (h * 3600 + m * 60 + s);
    return true;
}

static bool take_day(struct reader *r, struct cron_rule_day *ret)
{
    if (take(r, 'M')) {
        ret->kind = 'M';
        if (!take_number(r, 12, &ret->month) || ret->month < 1 || !take(r, '.') ||
            !take_number(r, 5, &ret->week) || ret->week < 1 || !take(r, '.') ||
            !take_number(r, 6, &ret->day))
            return false;
    } else if (take(r, 'J')) {
        ret->kind = 'J';
        if (!take_number(r, 365, &ret->day) || ret->day < 1)
            return false;
    } else {
        ret->kind = 'N';
        if (!take_number(r, 365, &ret->day))
            return false;
    }
    ret->time_seconds = 7200;
    /* Version 3 of the format allows -167 to 167 hours here. */
    return !take(r, '/') || take_hms(r, 167, &ret->time_seconds);
}

bool cron_rule_parse(const char *text, size_t n, struct cron_rule *ret)
{
    struct reader r = { text, text + n };
    struct cron_rule rule = { .present = true };

    if (!skip_name(&r) || !take_hms(&r, 24, &rule.std_offset))
        return false;
    rule.std_offset = -rule.std_offset; /* POSIX counts west of Greenwich */
    if (r.p < r.end) {
        rule.has_dst = true;
        rule.dst_offset = rule.std_offset + 3600;
        if (!skip_name(&r))
            return false;
        if (r.p < r.end && *r.p != ',') {
            if (!take_hms(&r, 24, &rule.dst_offset))
                return false;
            rule.dst_offset = -rule.dst_offset;
        }
        if (!take(&r, ',') || !take_day(&r, &rule.start) || !take(&r, ',') ||
            !take_day(&r, &rule.end))
            return false;
    }
    if (r.p != r.end)
        return false;
    *ret = rule;
    return true;
}

/* Local seconds (as if UTC) at which the rule's day and time fall in a year. */
static int64_t rule_local(const struct cron_rule_day *d, int64_t year)
{
    int64_t jan1 = nb_days_from_civil(year, 1, 1);
    int64_t day;

    if (d->kind == 'N') {
        day = jan1 + d->day;
    } else if (d->kind == 'J') {
        bool leap = nb_days_in_month(year, 2) == 29;

        day = jan1 + d->day - 1 + (leap && d->day >= 60 ? 1 : 0);
    } else {
        int64_t first = nb_days_from_civil(year, d->month, 1);
        int weekday = (int)(((first + 4) % 7 + 7) % 7); /* day 0 was a Thursday */
        int64_t offset = (d->day - weekday + 7) % 7 + 7 * (int64_t)(d->week - 1);

        while (offset >= nb_days_in_month(year, d->month))
            offset -= 7; /* week 5 is the last one */
        day = first + offset;
    }
    return day * 86400 + d->time_seconds;
}

void cron_rule_segment(const struct cron_rule *r, int64_t t, struct cron_segment *ret)
{
    int64_t year;

    *ret = (struct cron_segment){ .start = INT64_MIN, .end = INT64_MAX, .offset = r->std_offset };
    if (!r->has_dst)
        return;
    year = nb_tm_from_unix(t + r->std_offset).year;
    /* The changes of three years hold every one that can be next to t. */
    for (int64_t y = year - 1; y <= year + 1; y++) {
        const struct {
            int64_t at;
            int32_t offset;
        } changes[2] = {
            /* The end first: where both fall on one instant (daylight saving all year), the start
               wins. */
            { rule_local(&r->end, y) - r->dst_offset, r->std_offset },
            { rule_local(&r->start, y) - r->std_offset, r->dst_offset },
        };

        for (int i = 0; i < 2; i++) {
            if (changes[i].at <= t && changes[i].at >= ret->start) {
                ret->start = changes[i].at;
                ret->offset = changes[i].offset;
            } else if (changes[i].at > t && changes[i].at < ret->end) {
                ret->end = changes[i].at;
            }
        }
    }
}
