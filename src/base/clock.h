#ifndef NB_BASE_CLOCK_H
#define NB_BASE_CLOCK_H

/*
 * The only place that reads clocks, and times as text. Pure code takes `now` as an argument.
 * Wall times are int64_t unix seconds or milliseconds (UTC); mono_ms never goes back.
 */

#include <stddef.h>

#include "base/error.h"

int64_t nb_clock_unix_ms(void);
int64_t nb_clock_unix_seconds(void);
int64_t nb_clock_mono_ms(void);
uint64_t nb_clock_mono_ns(void);
uint64_t nb_clock_cpu_ns(void); /* what all threads of this process have used */

struct nb_tm { /* proleptic Gregorian, UTC; month and day from 1; weekday 0 = Sunday */
    int64_t year;
    int month, day, hour, minute, second, weekday;
};
struct nb_tm nb_tm_from_unix(int64_t unix_seconds);
int64_t nb_tm_to_unix(const struct nb_tm *tm); /* fields may be out of range, as in timegm */
int64_t nb_days_from_civil(int64_t year, int month, int day);
int nb_days_in_month(int64_t year, int month);

enum { NB_TIME_TEXT_MAX = 40 };
/* RFC 3339 "2025-10-08T02:00:00Z"; returns out. */
const char *nb_time_format(int64_t unix_seconds, char out[NB_TIME_TEXT_MAX]);
const char *nb_time_format_ms(int64_t unix_ms, char out[NB_TIME_TEXT_MAX]);
/* "2025-10-08_02-00-00" as in object names. */
const char *nb_time_format_name(int64_t unix_seconds, char out[NB_TIME_TEXT_MAX]);
/* "20251008T020000Z" as in SigV4. */
const char *nb_time_format_basic(int64_t unix_seconds, char out[NB_TIME_TEXT_MAX]);
/* RFC 3339 with Z or offset and optional fraction (cut to seconds). */
NB_NODISCARD bool nb_time_parse(const char *s, int64_t *ret_unix_seconds);
/* "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110). */
NB_NODISCARD bool nb_time_parse_http(const char *s, int64_t *ret_unix_seconds);

#endif
