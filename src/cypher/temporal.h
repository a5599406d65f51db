#ifndef NB_CYPHER_TEMPORAL_H
#define NB_CYPHER_TEMPORAL_H

/*
 * cyp_temporal: dates, times and durations as the ISO 8601 text that Cypher's date(), time() etc.
 * take, and back. Proleptic Gregorian calendar, years -999,999,999 to 999,999,999.
 *
 * Source: H. Hinnant, "chrono-compatible low-level date algorithms"; Cypher manual, "Temporal
 * values".
 * Thread: functions of their arguments.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "packstream/packstream.h"

enum { CYP_TEMPORAL_MAX = 96 }; /* bytes that a writer may touch, but for the zone's name */

/* 2024-05-06, +12345-01-01, -0001-12-31 */
char *cyp_date_write(char *p, int64_t days);
/* 07:08:09.123456789 */
char *cyp_clock_write(char *p, int64_t nanos);
/* Z, +05:30, -01:12:12 */
char *cyp_offset_write(char *p, int32_t offset_seconds);
char *cyp_localdatetime_write(char *p, int64_t seconds, int32_t nanos);
/* P1M-2DT-3.5S: all three parts, always. */
char *cyp_duration_write(char *p, const struct ps_duration *d);

/* Whole text, in the form of the writers only. */
bool cyp_date_read(const char *p, size_t n, int64_t *ret_days);
bool cyp_clock_read(const char *p, size_t n, int64_t *ret_nanos);
bool cyp_offset_read(const char *p, size_t n, int32_t *ret_seconds);
bool cyp_localdatetime_read(const char *p, size_t n, struct ps_localdatetime *ret);
bool cyp_duration_read(const char *p, size_t n, struct ps_duration *ret);

#endif
