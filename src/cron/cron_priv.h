#ifndef NB_CRON_CRON_PRIV_H
#define NB_CRON_CRON_PRIV_H

/* For the files of this folder and their tests. */

#include "cron/cron.h"

struct cron_expr {
    int64_t every_seconds; /* above 0: @every, and the rest is unused */
    uint64_t minute;       /* bit n: n matches */
    uint32_t hour, dom, month, dow;
    bool both_days;  /* day of month and day of week must both match */
    bool fixed_time; /* neither minute nor hour begins with a star */
};

/* One offset holds from start to before end (unix seconds, as is t below). */
struct cron_segment {
    int64_t start, end; /* INT64_MIN, INT64_MAX: no such end */
    int32_t offset;
};
void cron_zone_segment(const struct cron_zone *z, int64_t t, struct cron_segment *ret);

/* The POSIX TZ string at the end of a TZif file (RFC 8536 3.3, POSIX.1-2017 8.3). */
struct cron_rule_day {
    char kind; /* 'M' month.week.day, 'J' 1-365 without 29 February, 'N' 0-365 */
    int month, week, day;
    int32_t time_seconds;
};
struct cron_rule {
    bool present, has_dst;
    int32_t std_offset, dst_offset; /* seconds east of UTC */
    struct cron_rule_day start, end;
};
NB_NODISCARD bool cron_rule_parse(const char *text, size_t n, struct cron_rule *ret);
void cron_rule_segment(const struct cron_rule *r, int64_t t, struct cron_segment *ret);

bool cron_day_matches(const struct cron_expr *e, int day, int weekday);
/* The next instant whose local time matches. */
bool cron_next_real(const struct cron_expr *e, const struct cron_zone *z, int64_t after,
                    int64_t *ret);
/* Next of robfig's SpecSchedule, step by step. */
bool cron_next_cronjob(const struct cron_expr *e, const struct cron_zone *z, int64_t after,
                       int64_t *ret);

#endif
