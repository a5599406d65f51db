#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "cypher/temporal.h"
#include "tests/unit/cypher/random_graph.h"

static char text[CYP_TEMPORAL_MAX + 1];

static void date_of_any_year_reads_back(void **unused)
{
    static const struct {
        int64_t days;
        const char *text;
    } known[] = {
        { 0, "1970-01-01" },
        { -1, "1969-12-31" },
        { 11016, "2000-02-29" },
        { -719528, "0000-01-01" },
        { -719529, "-0001-12-31" },
        { 2932896, "9999-12-31" },
        { 2932897, "+10000-01-01" },
        { INT64_C(365241780471), "+999999999-12-31" },
        { INT64_C(-365243219162), "-999999999-01-01" },
    };
    struct rg g = { .state = 4711 };

    (void)unused;
    for (size_t i = 0; i < NB_ARRAY_LEN(known); i++) {
        *cyp_date_write(text, known[i].days) = '\0';
        assert_string_equal(text, known[i].text);
    }
    for (unsigned i = 0; i < 200000; i++) {
        int64_t days =
            i < 100000 ? (int64_t)i * 37 - 1000000 : rg_between(&g, known[8].days, known[7].days);
        int64_t back;
        char *end = cyp_date_write(text, days);

        assert_true(cyp_date_read(text, (size_t)(end - text), &back));
        assert_true(back == days);
    }
}

static void duration_with_mixed_signs_reads_back(void **unused)
{
    static const struct {
        struct ps_duration d;
        const char *text;
    } known[] = {
        { { 0, 0, 0, 0 }, "P0M0DT0S" },
        { { 1, -2, -4, 500000000 }, "P1M-2DT-3.5S" },
        { { 0, 0, -1, 999999999 }, "P0M0DT-0.000000001S" },
        { { 0, 0, 0, 1 }, "P0M0DT0.000000001S" },
        { { INT64_MAX, INT64_MIN, INT64_MIN, 0 },
          "P9223372036854775807M-9223372036854775808DT-9223372036854775808S" },
    };

    (void)unused;
    for (size_t i = 0; i < NB_ARRAY_LEN(known); i++) {
        struct ps_duration back;
        char *end = cyp_duration_write(text, &known[i].d);

        *end = '\0';
        assert_string_equal(text, known[i].text);
        assert_true(cyp_duration_read(text, (size_t)(end - text), &back));
        assert_memory_equal(&back.months, &known[i].d.months, 3 * sizeof(int64_t));
        assert_int_equal(back.nanos, known[i].d.nanos);
    }
}

static void offset_and_clock_have_known_text(void **unused)
{
    (void)unused;
    *cyp_offset_write(text, 0) = '\0';
    assert_string_equal(text, "Z");
    *cyp_offset_write(text, -4332) = '\0';
    assert_string_equal(text, "-01:12:12");
    *cyp_offset_write(text, 19800) = '\0';
    assert_string_equal(text, "+05:30");
    *cyp_clock_write(text, INT64_C(86399999999999)) = '\0';
    assert_string_equal(text, "23:59:59.999999999");
    *cyp_localdatetime_write(text, -1, 5) = '\0';
    assert_string_equal(text, "1969-12-31T23:59:59.000000005");
}

static void text_that_is_no_time_is_refused(void **unused)
{
    static const char *const dates[] = { "",           "2024-02-30",        "2023-02-29",
                                         "2024-13-01", "2024-00-01",        "24-01-01",
                                         "2024-1-1",   "2024-01-01x",       "+2024",
                                         "2024-01-00", "+1234567890-01-01", "2024/01/01" };
    static const char *const durations[] = { "",
                                             "P",
                                             "P1M",
                                             "P1M2D",
                                             "P1M2DT3",
                                             "P1M2DT3.S",
                                             "PT3S",
                                             "P1M2DT3.1234567890S",
                                             "P1M2DT-9223372036854775808.5S",
                                             "P1M2DT3SS" };
    struct ps_duration d;
    int64_t v;
    int32_t o;

    (void)unused;
    for (size_t i = 0; i < NB_ARRAY_LEN(dates); i++)
        assert_false(cyp_date_read(dates[i], strlen(dates[i]), &v));
    for (size_t i = 0; i < NB_ARRAY_LEN(durations); i++)
        assert_false(cyp_duration_read(durations[i], strlen(durations[i]), &d));
    assert_false(cyp_clock_read("24:00:00", 8, &v));
    assert_false(cyp_clock_read("12:00", 5, &v));
    assert_false(cyp_offset_read("05:30", 5, &o));
    assert_false(cyp_offset_read("+5", 2, &o));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(date_of_any_year_reads_back),
        cmocka_unit_test(duration_with_mixed_signs_reads_back),
        cmocka_unit_test(offset_and_clock_have_known_text),
        cmocka_unit_test(text_that_is_no_time_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
