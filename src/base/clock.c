#include "base/clock.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

enum { DAY_SECONDS = 86400 };

static int64_t read_clock_ms(clockid_t id)
{
    struct timespec ts;

    clock_gettime(id, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int64_t nb_clock_unix_ms(void)
{
    return read_clock_ms(CLOCK_REALTIME);
}

int64_t nb_clock_unix_seconds(void)
{
    return nb_clock_unix_ms() / 1000;
}

int64_t nb_clock_mono_ms(void)
{
    return read_clock_ms(CLOCK_MONOTONIC);
}

static uint64_t read_clock_ns(clockid_t id)
{
    struct timespec ts;

    clock_gettime(id, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

uint64_t nb_clock_mono_ns(void)
{
    return read_clock_ns(CLOCK_MONOTONIC);
}

uint64_t nb_clock_cpu_ns(void)
{
    return read_clock_ns(CLOCK_PROCESS_CPUTIME_ID);
}

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b != 0 && (a % b < 0) != (b < 0));
}

/* Days since 1970-01-01; years begin in March so that the leap day is the last one of its year.
 * Method: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms". */
int64_t nb_days_from_civil(int64_t year, int month, int day)
{
    int64_t era, yoe, doy, doe;

    year -= month <= 2;
    era = floor_div(year, 400);
    yoe = year - era * 400;
    doy = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
    return era * 146097 + doe - 719468;
}

static void civil_from_days(int64_t days, struct nb_tm *tm)
{
    int64_t era, doe, yoe, doy, mp;

    days += 719468;
    era = floor_div(days, 146097);
    doe = days - era * 146097;
    yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    mp = (5 * doy + 2) / 153;
    tm->day = (int)(doy - (153 * mp + 2) / 5 + 1);
    tm->month = (int)(mp < 10 ? mp + 3 : mp - 9);
    tm->year = yoe + era * 400 + (tm->month <= 2);
}

int nb_days_in_month(int64_t year, int month)
{
    static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };

    if (month < 1 || month > 12)
        return 0;
    if (month == 2 && year % 4 == 0 && (year % 100 != 0 || year % 400 == 0))
        return 29;
    return days[month - 1];
}

struct nb_tm nb_tm_from_unix(int64_t unix_seconds)
{
    int64_t days = floor_div(unix_seconds, DAY_SECONDS);
    int rest = (int)(unix_seconds - days * DAY_SECONDS);
    struct nb_tm tm = { 0 };

    civil_from_days(days, &tm);
    tm.hour = rest / 3600;
    tm.minute = rest / 60 % 60;
    tm.second = rest % 60;
    tm.weekday = (int)(days + 4 - floor_div(days + 4, 7) * 7);
    return tm;
}

int64_t nb_tm_to_unix(const struct nb_tm *tm)
{
    int64_t months = (int64_t)tm->month - 1;
    int64_t carry = floor_div(months, 12);
    int64_t days = nb_days_from_civil(tm->year + carry, (int)(months - carry * 12) + 1, 1);

    return (days + tm->day - 1) * DAY_SECONDS + (int64_t)tm->hour * 3600 +
           (int64_t)tm->minute * 60 + tm->second;
}

const char *nb_time_format(int64_t unix_seconds, char out[NB_TIME_TEXT_MAX])
{
    struct nb_tm tm = nb_tm_from_unix(unix_seconds);

    snprintf(out, NB_TIME_TEXT_MAX, "%04lld-%02d-%02dT%02d:%02d:%02dZ", (long long)tm.year,
             tm.month, tm.day, tm.hour, tm.minute, tm.second);
    return out;
}

const char *nb_time_format_ms(int64_t unix_ms, char out[NB_TIME_TEXT_MAX])
{
    int64_t seconds = floor_div(unix_ms, 1000);
    size_t n = strlen(nb_time_format(seconds, out));

    /* Over the 'Z'. */
    snprintf(out + n - 1, NB_TIME_TEXT_MAX - n + 1, ".%03dZ", (int)(unix_ms - seconds * 1000));
    return out;
}

const char *nb_time_format_name(int64_t unix_seconds, char out[NB_TIME_TEXT_MAX])
{
    struct nb_tm tm = nb_tm_from_unix(unix_seconds);

    snprintf(out, NB_TIME_TEXT_MAX, "%04lld-%02d-%02d_%02d-%02d-%02d", (long long)tm.year, tm.month,
             tm.day, tm.hour, tm.minute, tm.second);
    return out;
}

const char *nb_time_format_basic(int64_t unix_seconds, char out[NB_TIME_TEXT_MAX])
{
    struct nb_tm tm = nb_tm_from_unix(unix_seconds);

    snprintf(out, NB_TIME_TEXT_MAX, "%04lld%02d%02dT%02d%02d%02dZ", (long long)tm.year, tm.month,
             tm.day, tm.hour, tm.minute, tm.second);
    return out;
}

/* Exactly n digits; moves *s on. */
static bool take_digits(const char **s, int n, int *ret)
{
    int v = 0;

    for (int i = 0; i < n; i++, (*s)++) {
        if (**s < '0' || **s > '9')
            return false;
        v = v * 10 + (**s - '0');
    }
    *ret = v;
    return true;
}

static bool take_char(const char **s, char c)
{
    if (**s != c)
        return false;
    (*s)++;
    return true;
}

static bool is_real_time(const struct nb_tm *tm)
{
    /* Second 60 is a leap second; it becomes the first of the next minute. */
    return tm->day >= 1 && tm->day <= nb_days_in_month(tm->year, tm->month) && tm->hour < 24 &&
           tm->minute < 60 && tm->second <= 60;
}

static bool take_clock(const char **s, struct nb_tm *tm)
{
    return take_digits(s, 2, &tm->hour) && take_char(s, ':') && take_digits(s, 2, &tm->minute) &&
           take_char(s, ':') && take_digits(s, 2, &tm->second);
}

static bool take_offset(const char **s, int *ret_seconds)
{
    int sign = **s == '-' ? -1 : 1, hours, minutes;

    *ret_seconds = 0;
    if (**s == 'Z' || **s == 'z') {
        (*s)++;
        return true;
    }
    if (**s != '+' && **s != '-')
        return false;
    (*s)++;
    if (!take_digits(s, 2, &hours) || !take_char(s, ':') || !take_digits(s, 2, &minutes) ||
        hours > 23 || minutes > 59)
        return false;
    *ret_seconds = sign * (hours * 3600 + minutes * 60);
    return true;
}

bool nb_time_parse(const char *s, int64_t *ret_unix_seconds)
{
    struct nb_tm tm = { 0 };
    int year, offset, digits = 0;

    if (!take_digits(&s, 4, &year) || !take_char(&s, '-') || !take_digits(&s, 2, &tm.month) ||
        !take_char(&s, '-') || !take_digits(&s, 2, &tm.day) ||
        !(take_char(&s, 'T') || take_char(&s, 't')) || !take_clock(&s, &tm))
        return false;
    tm.year = year;
    if (take_char(&s, '.')) {
        for (; *s >= '0' && *s <= '9'; s++)
            digits++;
        if (digits == 0)
            return false;
    }
    if (!take_offset(&s, &offset) || *s || !is_real_time(&tm))
        return false;
    *ret_unix_seconds = nb_tm_to_unix(&tm) - offset;
    return true;
}

/* One of the three-letter names; moves *s on. */
static bool take_name(const char **s, const char *names, int *ret)
{
    for (int i = 0; *names; i++, names += 3) {
        if (strncmp(*s, names, 3) == 0) {
            *s += 3;
            *ret = i;
            return true;
        }
    }
    return false;
}

bool nb_time_parse_http(const char *s, int64_t *ret_unix_seconds)
{
    struct nb_tm tm = { 0 };
    int weekday, month, year;

    if (!take_name(&s, "SunMonTueWedThuFriSat", &weekday) || !take_char(&s, ',') ||
        !take_char(&s, ' ') || !take_digits(&s, 2, &tm.day) || !take_char(&s, ' ') ||
        !take_name(&s, "JanFebMarAprMayJunJulAugSepOctNovDec", &month) || !take_char(&s, ' ') ||
        !take_digits(&s, 4, &year) || !take_char(&s, ' ') || !take_clock(&s, &tm) ||
        strcmp(s, " GMT") != 0)
        return false;
    tm.year = year;
    tm.month = month + 1;
    if (!is_real_time(&tm))
        return false;
    *ret_unix_seconds = nb_tm_to_unix(&tm);
    return true;
}
