#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "cypher/number.h"

/* Text of numbers: what reads back (by strtod, and by ours) to the same bits, and is no longer than
 * the shortest that printf can find. NB_TEST_SEED repeats a run. */

enum { ROUNDS = 400000 };

static uint64_t state;

static uint64_t rnd(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

static int group_setup(void **unused)
{
    const char *given = getenv("NB_TEST_SEED");

    (void)unused;
    state = given ? strtoull(given, NULL, 10) : (uint64_t)nb_clock_unix_ms() * 2654435761u + 1;
    print_message("NB_TEST_SEED=%llu\n", (unsigned long long)state);
    return 0;
}

static const char *text_of(double v)
{
    static char text[CYP_DOUBLE_MAX + 1];

    *cyp_double_write(text, v) = '\0';
    return text;
}

static const char *text_of_float(float v)
{
    static char text[CYP_FLOAT_MAX + 1];

    *cyp_float_write(text, v) = '\0';
    return text;
}

static unsigned digits_of(const char *text)
{
    unsigned n = 0, zeros = 0;

    for (; *text && *text != 'E' && *text != 'e'; text++) {
        if (*text < '0' || *text > '9' || (*text == '0' && n == 0))
            continue;
        n++;
        zeros = *text == '0' ? zeros + 1 : 0;
    }
    return n - zeros;
}

static unsigned shortest_double(double v)
{
    char text[64];

    for (int p = 1; p <= 17; p++) {
        double back;

        snprintf(text, sizeof(text), "%.*e", p - 1, v);
        back = strtod(text, NULL);
        if (memcmp(&back, &v, sizeof(v)) == 0)
            return digits_of(text);
    }
    return 18;
}

static unsigned shortest_float(float v)
{
    char text[64];

    for (int p = 1; p <= 9; p++) {
        float back;

        snprintf(text, sizeof(text), "%.*e", p - 1, (double)v);
        back = strtof(text, NULL);
        if (memcmp(&back, &v, sizeof(v)) == 0)
            return digits_of(text);
    }
    return 10;
}

static void double_check(double v, bool shortest)
{
    const char *text = text_of(v);
    double back = strtod(text, NULL), ours;

    if (memcmp(&back, &v, sizeof(v)) != 0)
        fail_msg("%.17g became '%s'", v, text);
    if (!cyp_double_read(text, strlen(text), &ours) || memcmp(&ours, &v, sizeof(v)) != 0)
        fail_msg("'%s' was read as %.17g", text, ours);
    if (shortest && v != 0 && v - v == 0 && digits_of(text) > shortest_double(v))
        fail_msg("%.17g became '%s', which is not the shortest", v, text);
}

static void float_check(float v, bool shortest)
{
    const char *text = text_of_float(v);
    float back = strtof(text, NULL), ours;

    if (memcmp(&back, &v, sizeof(v)) != 0)
        fail_msg("%.9g became '%s'", (double)v, text);
    /* As a server reads it: to a double first. */
    if (!cyp_float_read(text, strlen(text), &ours) || memcmp(&ours, &v, sizeof(v)) != 0)
        fail_msg("'%s' was read as %.9g", text, (double)ours);
    if (shortest && v != 0 && v - v == 0 && fabsf(v) != 0x1.5c87fap-84f &&
        digits_of(text) > shortest_float(v))
        fail_msg("%.9g became '%s', which is not the shortest", (double)v, text);
}

/* --- known ------------------------------------------------------------------------------------ */

static void double_of_known_value_has_known_text(void **unused)
{
    static const struct {
        double v;
        const char *text;
    } known[] = {
        { 0.0, "0.0" },
        { -0.0, "-0.0" },
        { 1.0, "1.0" },
        { -1.5, "-1.5" },
        { 0.1, "0.1" },
        { 0.001, "0.001" },
        { 0.0001, "0.0001" },
        { 0.00001, "1.0E-5" },
        { 100.0, "100.0" },
        { 123456789.0, "123456789.0" },
        { 9007199254740993.0, "9007199254740992.0" },
        { 1e15, "1000000000000000.0" },
        { 1e16, "1.0E16" },
        { 1.5e300, "1.5E300" },
        { 5e-324, "5.0E-324" },
        { 2.2250738585072014e-308, "2.2250738585072014E-308" },
        { 1.7976931348623157e308, "1.7976931348623157E308" },
        { 0.30000000000000004, "0.30000000000000004" },
        { 2e23, "2.0E23" },
        { 9.5e-3, "0.0095" },
    };

    (void)unused;
    for (size_t i = 0; i < NB_ARRAY_LEN(known); i++)
        assert_string_equal(text_of(known[i].v), known[i].text);
    assert_string_equal(text_of(__builtin_nan("")), "NaN");
    assert_string_equal(text_of(__builtin_inf()), "Infinity");
    assert_string_equal(text_of(-__builtin_inf()), "-Infinity");
}

static void float_of_known_value_has_known_text(void **unused)
{
    (void)unused;
    assert_string_equal(text_of_float(0.1f), "0.1");
    assert_string_equal(text_of_float(-0.0f), "-0.0");
    assert_string_equal(text_of_float(16777216.0f), "16777216.0");
    assert_string_equal(text_of_float(3.4028235e38f), "3.4028235E38");
    assert_string_equal(text_of_float(1e-45f), "1.0E-45");
    assert_string_equal(text_of_float(0.012345678f), "0.012345678");
    assert_string_equal(text_of_float(1e10f), "1.0E10");
    assert_string_equal(text_of_float(1e9f), "1.0E9");
    assert_string_equal(text_of_float(1e8f), "100000000.0");
}

static void integer_of_any_size_reads_back(void **unused)
{
    static const int64_t edges[] = {
        0,         9,         10, 99, 100, 99999999, 100000000, 9999999999999999, 10000000000000000,
        INT64_MAX, INT64_MIN, -1
    };
    char text[CYP_INT_MAX + 1], want[32];
    int64_t back;

    (void)unused;
    for (unsigned i = 0; i < 100000; i++) {
        int64_t v = i < NB_ARRAY_LEN(edges) ? edges[i] : (int64_t)rnd() >> (rnd() & 63);

        *cyp_int_write(text, v) = '\0';
        snprintf(want, sizeof(want), "%lld", (long long)v);
        assert_string_equal(text, want);
        assert_true(cyp_int_read(text, strlen(text), &back));
        assert_true(back == v);
    }
    *cyp_uint_write(text, UINT64_MAX) = '\0';
    assert_string_equal(text, "18446744073709551615");
}

static void number_that_is_none_is_refused(void **unused)
{
    static const char *const bad[] = {
        "", "-", "+1", "1x", " 1", "1 ", "9223372036854775808", "-9223372036854775809", "1-"
    };
    static const char *const bad_floats[] = { "",     "-",    ".5",       "5.",    "1e",
                                              "1E+5", "nan",  "inf",      "0x1p3", "1,5",
                                              "--1",  "-NaN", "1.5E99999" };
    int64_t i;
    double d;

    (void)unused;
    for (size_t k = 0; k < NB_ARRAY_LEN(bad); k++)
        assert_false(cyp_int_read(bad[k], strlen(bad[k]), &i));
    for (size_t k = 0; k < NB_ARRAY_LEN(bad_floats); k++)
        assert_false(cyp_double_read(bad_floats[k], strlen(bad_floats[k]), &d));
}

/* --- random ----------------------------------------------------------------------------------- */

static void double_at_powers_of_two_is_exact_and_shortest(void **unused)
{
    (void)unused;
    for (uint64_t e = 0; e < 2047; e++)
        for (uint64_t f = 0; f < 3; f++) {
            uint64_t bits = (e << 52) + f - (f == 2 && e ? 3 : 0);
            double v;

            memcpy(&v, &bits, sizeof(v));
            double_check(v, true);
        }
}

static void double_at_powers_of_ten_is_exact_and_shortest(void **unused)
{
    char text[32];

    (void)unused;
    for (int e = -323; e <= 308; e++) {
        double v;
        uint64_t bits;

        snprintf(text, sizeof(text), "1e%d", e);
        v = strtod(text, NULL);
        double_check(v, true);
        memcpy(&bits, &v, sizeof(bits));
        bits++;
        memcpy(&v, &bits, sizeof(v));
        double_check(v, true);
    }
}

static void double_of_random_bits_is_exact_and_shortest(void **unused)
{
    (void)unused;
    for (unsigned i = 0; i < ROUNDS; i++) {
        uint64_t bits = rnd();
        double v;

        if (i % 3 == 1) /* of everyday size */
            bits = (bits & (UINT64_C(1) << 63 | ((UINT64_C(1) << 52) - 1))) | (1003 + rnd() % 40)
                                                                                  << 52;
        memcpy(&v, &bits, sizeof(v));
        if (i % 3 == 2) /* with few digits */
            v = (double)(int64_t)(rnd() % 100000000) / 1000.0;
        if (v == v)
            double_check(v, i % 16 == 0);
    }
}

/* Every 2,039th of all floats that are positive and finite, from a random start; all exponents. */
static void float_of_all_sizes_is_exact_and_shortest(void **unused)
{
    (void)unused;
    for (uint32_t bits = (uint32_t)(rnd() % 2039), i = 0; bits < 0x7f800000; bits += 2039, i++) {
        float v;

        memcpy(&v, &bits, sizeof(v));
        float_check(v, i % 8 == 0);
        float_check(-v, false);
    }
    for (uint32_t e = 0; e < 255; e++)
        for (uint32_t f = 0; f < 3; f++) {
            uint32_t bits = (e << 23) + f - (f == 2 && e ? 3 : 0);
            float v;

            memcpy(&v, &bits, sizeof(v));
            float_check(v, true);
        }
}

static void float_whose_shortest_text_would_be_rounded_twice_reads_back(void **unused)
{
    (void)unused;
    float_check(0x1.5c87fap-84f, false);
    float_check(-0x1.5c87fap-84f, false);
    assert_string_equal(text_of_float(-0x1.5c87fap-84f), "-7.038530691851209E-26");
}

static void double_is_float32_only_when_nothing_is_lost(void **unused)
{
    (void)unused;
    assert_true(cyp_is_float32(0.5));
    assert_true(cyp_is_float32(-0.0));
    assert_true(cyp_is_float32((double)1e-45f));
    assert_false(cyp_is_float32(0.1));
    assert_false(cyp_is_float32(1e300));
    assert_false(cyp_is_float32(1e-300));
    assert_false(cyp_is_float32(__builtin_nan("")));
    assert_false(cyp_is_float32(__builtin_inf()));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(double_of_known_value_has_known_text),
        cmocka_unit_test(float_of_known_value_has_known_text),
        cmocka_unit_test(integer_of_any_size_reads_back),
        cmocka_unit_test(number_that_is_none_is_refused),
        cmocka_unit_test(double_at_powers_of_two_is_exact_and_shortest),
        cmocka_unit_test(double_at_powers_of_ten_is_exact_and_shortest),
        cmocka_unit_test(double_of_random_bits_is_exact_and_shortest),
        cmocka_unit_test(float_of_all_sizes_is_exact_and_shortest),
        cmocka_unit_test(float_whose_shortest_text_would_be_rounded_twice_reads_back),
        cmocka_unit_test(double_is_float32_only_when_nothing_is_lost),
    };

    return cmocka_run_group_tests(tests, group_setup, NULL);
}
