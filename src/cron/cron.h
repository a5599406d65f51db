#ifndef NB_CRON_CRON_H
#define NB_CRON_CRON_H

/*
 * Schedules: cron expressions, time zones, and the next time. Pure but for cron_zone_load(), which
 * reads one file.
 *
 * Grammar: that of Kubernetes' CronJob (github.com/robfig/cron/v3, ParseStandard): five fields
 * (minute, hour, day of month, month, day of week) or @yearly @annually @monthly @weekly @daily
 * @midnight @hourly @every <duration>. Names in any case, "?" as "*", lists, ranges, steps, "N/s"
 * from N to the maximum. Beyond it: day of week 7 is Sunday too. Less than it: TZ= and CRON_TZ= are
 * refused, @every is at least one minute.
 *
 * If day of month or day of week is a star (also "?" and "*" with step 1), both must match;
 * otherwise either.
 *
 * Objects are immutable after they were made, so any thread may read them.
 */

#include <stddef.h>

#include "base/cleanup.h"
#include "base/error.h"

struct cron_expr;
struct cron_zone;

/* What to do on the two odd days of the year. */
enum cron_policy {
    /* As Debian's cron (4.6, "Daylight Saving Time"): a job of fixed time (neither minute nor hour
     * begins with a star) whose local time is skipped runs at the first instant after the gap, and
     * one whose local time comes twice runs the first time only. Jobs with a star in minute or hour
     * follow real time, so that "every hour" stays every hour. */
    CRON_RUN_ONCE,
    /* As Kubernetes' CronJob: a local time that does not exist is skipped, one that comes twice
       matches twice. */
    CRON_CRONJOB,
};

enum { CRON_TEXT_MAX = 256, CRON_ZONE_NAME_MAX = 64, CRON_TZIF_MAX_BYTES = 1 << 20 };

/* Reason InvalidSchedule; the text names the field, the fault and the mend. */
NB_NODISCARD bool cron_expr_parse(const char *text, struct cron_expr **ret, struct nb_error *err);
void cron_expr_free(struct cron_expr *e);
NB_AUTO_DEFINE(struct cron_expr *, cron_expr_free)
/* The interval of "@every", which counts from the last time and not by the clock; 0 for the
 * others. */
int64_t cron_expr_every_seconds(const struct cron_expr *e);

/*
 * A zone from a TZif file (RFC 8536, versions 1 to 4, with the POSIX TZ string at its end for times
 * after the table). Name: IANA ("Europe/Berlin"); anything that could leave the directory, and
 * "Local", is refused (UnknownTimeZone). "UTC" and "Etc/UTC" need no file. dir NULL:
 * /usr/share/zoneinfo.
 */
NB_NODISCARD bool cron_zone_load(const char *dir, const char *name, struct cron_zone **ret,
                                 struct nb_error *err);
/* Pure. Bytes of a TZif file; whatever they are. */
NB_NODISCARD bool cron_zone_parse(const void *bytes, size_t n, struct cron_zone **ret,
                                  struct nb_error *err);
/* A zone of one offset. */
struct cron_zone *cron_zone_fixed(int32_t offset_seconds);
void cron_zone_free(struct cron_zone *z);
NB_AUTO_DEFINE(struct cron_zone *, cron_zone_free)
/* Seconds east of UTC at that instant. */
int32_t cron_zone_offset(const struct cron_zone *z, int64_t unix_seconds);
/* The first instant after `unix_seconds` at which the offset may change; false: never again. */
bool cron_zone_next_transition(const struct cron_zone *z, int64_t unix_seconds, int64_t *ret);

/* The first match strictly after `after`; false: none within five years. */
NB_NODISCARD bool cron_next(const struct cron_expr *e, const struct cron_zone *z,
                            enum cron_policy policy, int64_t after_unix, int64_t *ret_unix);
/* The last match in (after, until]; false: none. *ret_count (may be NULL): how many there are,
 * counted up to count_max. */
NB_NODISCARD bool cron_last(const struct cron_expr *e, const struct cron_zone *z,
                            enum cron_policy policy, int64_t after_unix, int64_t until_unix,
                            int64_t count_max, int64_t *ret_unix, int64_t *ret_count);

#endif
