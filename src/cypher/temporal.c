#include "cypher/temporal.h"

#include <string.h>

#include "cypher/number.h"

static const int64_t day_seconds = 86400;
static const int64_t second_nanos = 1000000000;

struct civil {
    int64_t year;
    unsigned month, day;
};

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

/* Eras of 400 years that start on the first of March. */
static struct civil civil_from_days(int64_t days)
{
    int64_t z = days + 719468, era = floor_div(z, 146097);
    unsigned doe = (unsigned)(z - era * 146097);
    unsigned yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    unsigned doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;
    unsigned month = mp < 10 ? mp + 3 : mp - 9;

    return (struct civil){ (int64_t)yoe + era * 400 + (month <= 2), month,
                           doy - (153 * mp + 2) / 5 + 1 };
}

static int64_t days_from_civil(struct civil c)
{
    int64_t year = c.year - (c.month <= 2), era = floor_div(year, 400);
    unsigned yoe = (unsigned)(year - era * 400);
    unsigned doy = (153 * (c.month > 2 ? c.month - 3 : c.month + 9) + 2) / 5 + c.day - 1;
    unsigned doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;

    return era * 146097 + (int64_t)doe - 719468;
}

static char *two_write(char *p, unsigned v)
{
    p[0] = (char)('0' + v / 10 % 10);
    p[1] = (char)('0' + v % 10);
    return p + 2;
}

static char *fixed_write(char *p, uint64_t v, unsigned digits)
{
    for (unsigned i = digits; i > 0; i--) {
        p[i - 1] = (char)('0' + v % 10);
        v /= 10;
    }
    return p + digits;
}

/* .5 for 500,000,000; nothing for 0 */
static char *fraction_write(char *p, uint32_t nanos)
{
    if (!nanos)
        return p;
    *p = '.';
    p = fixed_write(p + 1, nanos, 9);
    while (p[-1] == '0')
        p--;
    return p;
}

char *cyp_date_write(char *p, int64_t days)
{
    struct civil c = civil_from_days(days);

    if (c.year >= 0 && c.year <= 9999) {
        p = fixed_write(p, (uint64_t)c.year, 4);
    } else {
        uint64_t y = c.year < 0 ? 0 - (uint64_t)c.year : (uint64_t)c.year;

        *p++ = c.year < 0 ? '-' : '+';
        p = y <= 9999 ? fixed_write(p, y, 4) : cyp_uint_write(p, y);
    }
    *p++ = '-';
    p = two_write(p, c.month);
    *p++ = '-';
    return two_write(p, c.day);
}

char *cyp_clock_write(char *p, int64_t nanos)
{
    uint32_t seconds = (uint32_t)(nanos / second_nanos);

    p = two_write(p, seconds / 3600);
    *p++ = ':';
    p = two_write(p, seconds / 60 % 60);
    *p++ = ':';
    p = two_write(p, seconds % 60);
    return fraction_write(p, (uint32_t)(nanos % second_nanos));
}

char *cyp_offset_write(char *p, int32_t offset_seconds)
{
    uint32_t s = offset_seconds < 0 ? 0u - (uint32_t)offset_seconds : (uint32_t)offset_seconds;

    if (!s) {
        *p++ = 'Z';
        return p;
    }
    *p++ = offset_seconds < 0 ? '-' : '+';
    p = two_write(p, s / 3600);
    *p++ = ':';
    p = two_write(p, s / 60 % 60);
    if (s % 60) {
        *p++ = ':';
        p = two_write(p, s % 60);
    }
    return p;
}

char *cyp_localdatetime_write(char *p, int64_t seconds, int32_t nanos)
{
    int64_t days = floor_div(seconds, day_seconds);

    p = cyp_date_write(p, days);
    *p++ = 'T';
    return cyp_clock_write(p, (seconds - days * day_seconds) * second_nanos + nanos);
}

char *cyp_duration_write(char *p, const struct ps_duration *d)
{
    *p++ = 'P';
    p = cyp_int_write(p, d->months);
    *p++ = 'M';
    p = cyp_int_write(p, d->days);
    *p++ = 'D';
    *p++ = 'T';
    if (d->seconds < 0 && d->nanos > 0) {
        /* -4 s and 0.5 s are -3.5 s */
        *p++ = '-';
        p = cyp_uint_write(p, 0 - (uint64_t)(d->seconds + 1));
        p = fraction_write(p, (uint32_t)(second_nanos - d->nanos));
    } else {
        p = cyp_int_write(p, d->seconds);
        p = fraction_write(p, (uint32_t)d->nanos);
    }
    *p++ = 'S';
    return p;
}

/* --- reading ---------------------------------------------------------------------------------- */

struct in {
    const char *p, *end;
};

static bool take(struct in *in, char c)
{
    if (in->p == in->end || *in->p != c)
        return false;
    in->p++;
    return true;
}

/* min to max digits. */
static bool take_digits(struct in *in, unsigned min, unsigned max, uint64_t *ret)
{
    unsigned n = 0;
    uint64_t v = 0;

    while (in->p < in->end && n < max && *in->p >= '0' && *in->p <= '9') {
        v = v * 10 + (unsigned)(*in->p++ - '0');
        n++;
    }
    *ret = v;
    return n >= min;
}
static bool take_two(struct in *in, unsigned max, unsigned *ret)
{
    uint64_t v;

    if (!take_digits(in, 2, 2, &v) || v > max)
        return false;
    *ret = (unsigned)v;
    return true;
}

static bool take_fraction(struct in *in, uint32_t *ret)
{
    const char *start = in->p + 1;
    uint64_t v = 0;

    *ret = 0;
    if (!take(in, '.'))
        return true;
    if (!take_digits(in, 1, 9, &v))
        return false;
    for (ptrdiff_t n = in->p - start; n < 9; n++)
        v *= 10;
    *ret = (uint32_t)v;
    return true;
}

static bool take_date(struct in *in, int64_t *ret_days)
{
    bool minus = take(in, '-'), sign = minus || take(in, '+');
    struct civil c = { 0, 0, 0 }, back;
    uint64_t year;

    if (!take_digits(in, 4, sign ? 9 : 4, &year) || !take(in, '-') || !take_two(in, 12, &c.month) ||
        !take(in, '-') || !take_two(in, 31, &c.day) || !c.month || !c.day)
        return false;
    c.year = minus ? -(int64_t)year : (int64_t)year;
    *ret_days = days_from_civil(c);
    back = civil_from_days(*ret_days);
    return back.day == c.day && back.month == c.month;
}

static bool take_clock(struct in *in, int64_t *ret_nanos)
{
    unsigned h, m, s;
    uint32_t nanos;

    if (!take_two(in, 23, &h) || !take(in, ':') || !take_two(in, 59, &m) || !take(in, ':') ||
        !take_two(in, 59, &s) || !take_fraction(in, &nanos))
        return false;
    *ret_nanos = (int64_t)(h * 3600 + m * 60 + s) * second_nanos + nanos;
    return true;
}

static bool take_offset(struct in *in, int32_t *ret)
{
    bool minus;
    unsigned h, m, s = 0;

    *ret = 0;
    if (take(in, 'Z'))
        return true;
    minus = take(in, '-');
    if ((!minus && !take(in, '+')) || !take_two(in, 99, &h) || !take(in, ':') ||
        !take_two(in, 59, &m) || (take(in, ':') && !take_two(in, 59, &s)))
        return false;
    *ret = (int32_t)(h * 3600 + m * 60 + s);
    *ret = minus ? -*ret : *ret;
    return true;
}

bool cyp_date_read(const char *p, size_t n, int64_t *ret_days)
{
    struct in in = { p, p + n };

    return take_date(&in, ret_days) && in.p == in.end;
}

bool cyp_clock_read(const char *p, size_t n, int64_t *ret_nanos)
{
    struct in in = { p, p + n };

    return take_clock(&in, ret_nanos) && in.p == in.end;
}

bool cyp_offset_read(const char *p, size_t n, int32_t *ret_seconds)
{
    struct in in = { p, p + n };

    return take_offset(&in, ret_seconds) && in.p == in.end;
}

bool cyp_localdatetime_read(const char *p, size_t n, struct ps_localdatetime *ret)
{
    struct in in = { p, p + n };
    int64_t days, nanos;

    if (!take_date(&in, &days) || !take(&in, 'T') || !take_clock(&in, &nanos) || in.p != in.end)
        return false;
    ret->seconds = days * day_seconds + nanos / second_nanos;
    ret->nanos = (int32_t)(nanos % second_nanos);
    return true;
}

/* A whole number that ends before `end`. */
static bool take_int(struct in *in, char end, int64_t *ret)
{
    const char *stop = memchr(in->p, end, (size_t)(in->end - in->p));

    if (!stop || !cyp_int_read(in->p, (size_t)(stop - in->p), ret))
        return false;
    in->p = stop + 1;
    return true;
}

bool cyp_duration_read(const char *p, size_t n, struct ps_duration *ret)
{
    struct in in = { p, p + n };
    struct in number;
    bool minus;
    uint32_t nanos;

    if (!take(&in, 'P') || !take_int(&in, 'M', &ret->months) || !take_int(&in, 'D', &ret->days) ||
        !take(&in, 'T') || in.p == in.end || in.end[-1] != 'S')
        return false;
    number = (struct in){ in.p, in.p };
    minus = in.p < in.end && *in.p == '-';
    while (number.end < in.end && *number.end != '.' && *number.end != 'S')
        number.end++;
    if (!cyp_int_read(number.p, (size_t)(number.end - number.p), &ret->seconds))
        return false;
    in.p = number.end;
    if (!take_fraction(&in, &nanos) || !take(&in, 'S') || in.p != in.end)
        return false;
    if (minus && nanos) {
        if (ret->seconds == INT64_MIN)
            return false;
        ret->seconds--;
        nanos = (uint32_t)(second_nanos - nanos);
    }
    ret->nanos = (int32_t)nanos;
    return true;
}
