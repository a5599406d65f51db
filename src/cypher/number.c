#include "cypher/number.h"

#include <locale.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "cypher/pow10_table.h"

__extension__ typedef unsigned __int128 u128;

static const char digit_pairs[200] __attribute__((nonstring)) =
    "0001020304050607080910111213141516171819202122232425262728293031323334353637383940414243444546"
    "4"
    "7484950515253545556575859606162636465666768697071727374757677787980818283848586878889909192939"
    "495"
    "96979899";

/* --- digits ----------------------------------------------------------------------------------- */

static inline void pair_write(char *p, uint32_t v)
{
    memcpy(p, digit_pairs + (size_t)v * 2, 2);
}
static inline void eight_write(char *p, uint32_t v)
{
    uint32_t hi = v / 10000, lo = v % 10000;

    pair_write(p, hi / 100);
    pair_write(p + 2, hi % 100);
    pair_write(p + 4, lo / 100);
    pair_write(p + 6, lo % 100);
}
static inline unsigned digits_count32(uint32_t v)
{
    if (v < 10)
        return 1;
    if (v < 100)
        return 2;
    if (v < 1000)
        return 3;
    if (v < 10000)
        return 4;
    if (v < 100000)
        return 5;
    if (v < 1000000)
        return 6;
    if (v < 10000000)
        return 7;
    return v < 100000000 ? 8 : v < 1000000000 ? 9 : 10;
}
/* v < 10^8, without leading zeros. */
static inline char *small_write(char *p, uint32_t v)
{
    unsigned n = digits_count32(v), i = n;

    while (i >= 2) {
        pair_write(p + i - 2, v % 100);
        v /= 100;
        i -= 2;
    }
    if (i)
        *p = (char)('0' + v);
    return p + n;
}

char *cyp_uint_write(char *p, uint64_t v)
{
    const uint32_t unit = 100000000;

    if (v < unit)
        return small_write(p, (uint32_t)v);
    if (v < (uint64_t)unit * unit) {
        p = small_write(p, (uint32_t)(v / unit));
        eight_write(p, (uint32_t)(v % unit));
        return p + 8;
    }
    p = small_write(p, (uint32_t)(v / unit / unit));
    eight_write(p, (uint32_t)(v / unit % unit));
    eight_write(p + 8, (uint32_t)(v % unit));
    return p + 16;
}

char *cyp_int_write(char *p, int64_t v)
{
    uint64_t u = (uint64_t)v;

    if (v < 0) {
        *p++ = '-';
        u = 0 - u;
    }
    return cyp_uint_write(p, u);
}

/* --- shortest decimals (Schubfach) ------------------------------------------------------------ */

struct decimal {
    uint64_t digits; /* value = digits * 10^exponent; may end in zeros */
    int32_t exponent;
};

static inline int32_t floor_log2_pow10(int32_t e)
{
    return (e * 1741647) >> 19;
}
static inline int32_t floor_log10_pow2(int32_t e)
{
    return (e * 1262611) >> 22;
}
static inline int32_t floor_log10_three_quarters_pow2(int32_t e)
{
    return (e * 1262611 - 524031) >> 22;
}

/* The upper 64 bits of g * cp; the last bit says whether anything was cut off. */
static inline uint64_t round_to_odd64(const struct cyp_pow10 *g, uint64_t cp)
{
    u128 x = (u128)g->lo * cp;
    u128 y = (u128)g->hi * cp + (uint64_t)(x >> 64);

    return (uint64_t)(y >> 64) | ((uint64_t)y > 1);
}
static inline uint32_t round_to_odd32(uint64_t g, uint32_t cp)
{
    u128 x = (u128)g * cp;

    return (uint32_t)(x >> 64) | ((uint32_t)((uint64_t)x >> 32) > 1);
}

static inline struct decimal shortest_pick(uint64_t vbl, uint64_t vb, uint64_t vbr, bool even,
                                           int32_t k)
{
    uint64_t lower = vbl + !even, upper = vbr - !even;
    uint64_t s = vb / 4, mid = 4 * s + 2;
    bool u_inside, w_inside, round_up;

    if (s >= 10) {
        uint64_t sp = s / 10;
        bool up_inside = lower <= 40 * sp, wp_inside = 40 * sp + 40 <= upper;

        if (up_inside != wp_inside)
            return (struct decimal){ sp + wp_inside, k + 1 };
    }
    u_inside = lower <= 4 * s;
    w_inside = 4 * s + 4 <= upper;
    if (u_inside != w_inside)
        return (struct decimal){ s + w_inside, k };
    round_up = vb > mid || (vb == mid && (s & 1) != 0);
    return (struct decimal){ s + round_up, k };
}

static struct decimal double_shortest(uint64_t fraction, int32_t biased)
{
    uint64_t c = biased ? fraction | (UINT64_C(1) << 52) : fraction;
    int32_t q = (biased ? biased : 1) - 1075, k, h;
    bool closer = fraction == 0 && biased > 1;
    const struct cyp_pow10 *g;

    if (biased && q <= 0 && q > -53 && (c & ((UINT64_C(1) << -q) - 1)) == 0)
        return (struct decimal){ c >> -q, 0 };
    k = closer ? floor_log10_three_quarters_pow2(q) : floor_log10_pow2(q);
    h = q + floor_log2_pow10(-k) + 1;
    g = &cyp_pow10_table[-k - CYP_POW10_FIRST];
    return shortest_pick(round_to_odd64(g, (4 * c - 2 + closer) << h),
                         round_to_odd64(g, (4 * c) << h), round_to_odd64(g, (4 * c + 2) << h),
                         (c & 1) == 0, k);
}

static inline struct decimal float_shortest(uint32_t fraction, int32_t biased)
{
    uint32_t c = biased ? fraction | (UINT32_C(1) << 23) : fraction;
    int32_t q = (biased ? biased : 1) - 150, k, h;
    bool closer = fraction == 0 && biased > 1;
    const struct cyp_pow10 *entry;
    uint64_t g;

    if (biased && q <= 0 && q > -24 && (c & ((UINT32_C(1) << -q) - 1)) == 0)
        return (struct decimal){ c >> -q, 0 };
    k = closer ? floor_log10_three_quarters_pow2(q) : floor_log10_pow2(q);
    h = q + floor_log2_pow10(-k) + 1;
    entry = &cyp_pow10_table[-k - CYP_POW10_FIRST];
    g = entry->hi + (entry->lo != 0);
    return shortest_pick(round_to_odd32(g, (4 * c - 2 + closer) << h),
                         round_to_odd32(g, (4 * c) << h), round_to_odd32(g, (4 * c + 2) << h),
                         (c & 1) == 0, k);
}

/* --- the text of a decimal -------------------------------------------------------------------- */

static const uint64_t powers_of_ten[] = {
    1ull,
    10ull,
    100ull,
    1000ull,
    10000ull,
    100000ull,
    1000000ull,
    10000000ull,
    100000000ull,
    1000000000ull,
    10000000000ull,
    100000000000ull,
    1000000000000ull,
    10000000000000ull,
    100000000000000ull,
    1000000000000000ull,
    10000000000000000ull,
    100000000000000000ull,
};

/* For 0 < v < 10^17. */
static inline unsigned digits_count(uint64_t v)
{
    unsigned bits = 64u - (unsigned)__builtin_clzll(v), n = (bits * 1233) >> 12;

    return n + (v >= powers_of_ten[n]);
}

/* The eight digits of v < 10^8, each in a byte, the first in the lowest: three multiplications
 * that divide by 10,000, 100 and 10 in all lanes at once. */
static inline uint64_t eight_digits(uint32_t v)
{
    uint64_t lanes = v / 10000 | (uint64_t)(v % 10000) << 32;
    uint64_t high = (lanes * 10486) >> 20 & 0x0000007f0000007full;

    lanes = high | (lanes - 100 * high) << 16;
    high = (lanes * 103) >> 10 & 0x000f000f000f000full;
    return high | (lanes - 10 * high) << 8;
}
static inline void eight_store(char *p, uint64_t digits)
{
    digits |= 0x3030303030303030ull;
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    digits = __builtin_bswap64(digits);
#endif
    memcpy(p, &digits, sizeof(digits));
}
/* How many of the eight are left without the zeros at the end. */
static inline unsigned eight_significant(uint64_t digits)
{
    return digits ? 8 - (unsigned)__builtin_clzll(digits) / 8 : 0;
}

static char *exponent_write(char *p, int32_t e)
{
    *p++ = 'E';
    if (e < 0) {
        *p++ = '-';
        e = -e;
    }
    return small_write(p, (uint32_t)e);
}

/*
 * A decimal in the pieces in which it is written: a first digit, and one or two times eight more
 * that are zeros at the end. n of them count; the decimal point belongs behind the first `point`.
 * The pieces go from registers to their places, more than once where the point is among them:
 * moving them in memory afterwards would wait for the stores.
 */
struct pieces {
    uint64_t high, low;
    unsigned n;
    int32_t point;
    char first;
};
enum { DOUBLE_DIGITS = 17, DOUBLE_POINT_MAX = 16, FLOAT_DIGITS = 9, FLOAT_POINT_MAX = 9 };

static inline void pieces_store(char *p, const struct pieces *d, bool both)
{
    eight_store(p, d->high);
    if (both)
        eight_store(p + 8, d->low);
}

static inline char *pieces_write(char *p, const struct pieces *d, bool both)
{
    int32_t point = d->point;

    if (point <= 0 && point > -4) { /* 0.0012 */
        static const char zeros[] = { '0', '.', '0', '0', '0' };

        memcpy(p, zeros, sizeof(zeros));
        p += 2 - point;
        *p = d->first;
        pieces_store(p + 1, d, both);
        return p + d->n;
    }
    *p = d->first;
    if (point <= 0 || point > (both ? DOUBLE_POINT_MAX : FLOAT_POINT_MAX)) { /* 1.2E-7 */
        p[1] = '.';
        pieces_store(p + 2, d, both);
        return exponent_write(p + (d->n > 1 ? d->n + 1 : 3), point - 1);
    }
    pieces_store(p + 1, d, both); /* 12.34, 1200.0 */
    if (point <= 8)
        eight_store(p + point + 1, d->high >> 8 * (point - 1));
    else
        eight_store(p + point + 1, both && point < 17 ? d->low >> 8 * (point - 9) : 0);
    if (both && point <= 8)
        eight_store(p + 10, d->low);
    p[point] = '.';
    return p + ((int32_t)d->n > point ? (int32_t)d->n + 1 : point + 2);
}

/* The digits are stretched to 17 (9), so that they always come in the same pieces. */
static inline char *double_decimal_write(char *p, struct decimal d)
{
    unsigned n = digits_count(d.digits);
    uint64_t v = d.digits * powers_of_ten[DOUBLE_DIGITS - n];
    uint64_t rest = v % powers_of_ten[16];
    struct pieces pieces = { .high = eight_digits((uint32_t)(rest / powers_of_ten[8])),
                             .low = eight_digits((uint32_t)(rest % powers_of_ten[8])),
                             .point = d.exponent + (int32_t)n,
                             .first = (char)('0' + v / powers_of_ten[16]) };

    pieces.n =
        1 + (pieces.low ? 8 + eight_significant(pieces.low) : eight_significant(pieces.high));
    return pieces_write(p, &pieces, true);
}

static inline char *float_decimal_write(char *p, struct decimal d)
{
    unsigned n = digits_count(d.digits);
    uint32_t v = (uint32_t)(d.digits * powers_of_ten[FLOAT_DIGITS - n]);
    struct pieces pieces = { .high = eight_digits(v % 100000000),
                             .point = d.exponent + (int32_t)n,
                             .first = (char)('0' + v / 100000000) };

    pieces.n = 1 + eight_significant(pieces.high);
    return pieces_write(p, &pieces, false);
}

static inline char *word_write(char *p, const char *s, size_t n)
{
    memcpy(p, s, n);
    return p + n;
}

static struct decimal double_shortest_of(double v)
{
    uint64_t bits;

    memcpy(&bits, &v, sizeof(bits));
    return double_shortest(bits & ((UINT64_C(1) << 52) - 1), (int32_t)(bits >> 52 & 0x7ff));
}

char *cyp_double_write(char *p, double v)
{
    uint64_t bits, fraction;
    int32_t biased;

    memcpy(&bits, &v, sizeof(bits));
    fraction = bits & ((UINT64_C(1) << 52) - 1);
    biased = (int32_t)(bits >> 52 & 0x7ff);
    if (biased == 0x7ff && fraction)
        return word_write(p, "NaN", 3);
    if (bits >> 63)
        *p++ = '-';
    if (biased == 0x7ff)
        return word_write(p, "Infinity", 8);
    if (!biased && !fraction)
        return word_write(p, "0.0", 3);
    return double_decimal_write(p, double_shortest(fraction, biased));
}

/*
 * 7.038531E-26: the one float of all whose shortest digits, read as a double first (as a server
 * does), lie exactly between two floats after that rounding, and then go to the wrong one.
 */
static const uint32_t twice_rounded = 0x15ae43fd;

char *cyp_float_write(char *p, float v)
{
    uint32_t bits, fraction;
    int32_t biased;

    memcpy(&bits, &v, sizeof(bits));
    fraction = bits & ((UINT32_C(1) << 23) - 1);
    biased = (int32_t)(bits >> 23 & 0xff);
    if (biased == 0xff && fraction)
        return word_write(p, "NaN", 3);
    if (bits >> 31)
        *p++ = '-';
    if (biased == 0xff)
        return word_write(p, "Infinity", 8);
    if (!biased && !fraction)
        return word_write(p, "0.0", 3);
    if ((bits & 0x7fffffff) == twice_rounded)
        return double_decimal_write(p, double_shortest_of((double)(v < 0 ? -v : v)));
    return float_decimal_write(p, float_shortest(fraction, biased));
}

/* --- reading ---------------------------------------------------------------------------------- */

bool cyp_int_read(const char *p, size_t n, int64_t *ret)
{
    const char *end = p + n;
    bool minus = n && *p == '-';
    uint64_t v = 0, limit = minus ? UINT64_C(1) << 63 : INT64_MAX;

    p += minus;
    if (p == end)
        return false;
    for (; p < end; p++) {
        unsigned d = (unsigned)(unsigned char)*p - '0';

        if (d > 9 || v > (limit - d) / 10)
            return false;
        v = v * 10 + d;
    }
    *ret = minus ? (int64_t)(0 - v) : (int64_t)v;
    return true;
}

static locale_t c_locale;
static pthread_once_t c_locale_once = PTHREAD_ONCE_INIT;
static void c_locale_make(void)
{
    c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
}

/* What the fast way cannot do exactly. The text has been checked: digits, point, exponent only. */
static bool double_read_slow(const char *p, size_t n, double *ret)
{
    char text[512];
    char *end;

    if (n >= sizeof(text))
        return false;
    memcpy(text, p, n);
    text[n] = '\0';
    if (pthread_once(&c_locale_once, c_locale_make) != 0)
        return false;
    *ret = c_locale ? strtod_l(text, &end, c_locale) : strtod(text, &end);
    return end == text + n;
}

struct scanned {
    uint64_t digits;
    int32_t exponent;
    bool exact; /* no digit was dropped */
};

static inline const char *digits_scan(const char *p, const char *end, struct scanned *s,
                                      int32_t step)
{
    for (; p < end; p++) {
        unsigned d = (unsigned)(unsigned char)*p - '0';

        if (d > 9)
            break;
        if (s->digits < UINT64_C(100000000000000000)) {
            s->digits = s->digits * 10 + d;
            s->exponent -= step;
        } else {
            s->exact = false;
        }
    }
    return p;
}

/* -?digits[.digits][E[-]digits] */
static inline bool number_scan(const char *p, const char *end, struct scanned *s)
{
    const char *start = p;
    int64_t e;

    p = digits_scan(p, end, s, 0);
    if (p == start)
        return false;
    if (p < end && *p == '.') {
        start = ++p;
        p = digits_scan(p, end, s, 1);
        if (p == start)
            return false;
    }
    if (p == end)
        return true;
    if ((*p != 'E' && *p != 'e') || !cyp_int_read(p + 1, (size_t)(end - p - 1), &e) || e < -9999 ||
        e > 9999)
        return false;
    s->exponent += (int32_t)e;
    return true;
}

bool cyp_double_read(const char *p, size_t n, double *ret)
{
    static const double pow10[] = { 1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                    1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                    1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22 };
    struct scanned s = { 0, 0, true };
    bool minus = n && *p == '-';
    double v;

    if (n == 3 && memcmp(p, "NaN", 3) == 0) {
        *ret = __builtin_nan("");
        return true;
    }
    if (n == 8u + minus && memcmp(p + minus, "Infinity", 8) == 0) {
        *ret = minus ? -__builtin_inf() : __builtin_inf();
        return true;
    }
    if (!number_scan(p + minus, p + n, &s))
        return false;
    /* Clinger: both factors are exact, so one rounding only. */
    if (!s.exact || s.digits > UINT64_C(1) << 53 || s.exponent < -22 || s.exponent > 22)
        return double_read_slow(p, n, ret);
    v = (double)s.digits;
    v = s.exponent < 0 ? v / pow10[-s.exponent] : v * pow10[s.exponent];
    *ret = minus ? -v : v;
    return true;
}

bool cyp_float_read(const char *p, size_t n, float *ret)
{
    double d;

    if (!cyp_double_read(p, n, &d))
        return false;
    *ret = (float)d;
    return true;
}
