#include "base/clock.h"

#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "tests/unit/cmocka.h"

static void tm_every_day_of_800_years_goes_there_and_back(void **state)
{
    int64_t day;

    (void)state;
    /* 1570 to 2370: leap centuries included; glibc's timegm is the judge. */
    for (day = -146097; day < 146097; day++) {
        struct nb_tm tm = nb_tm_from_unix(day * 86400 + 3661);
        struct tm judge = { .tm_year = (int)(tm.year - 1900),
                            .tm_mon = tm.month - 1,
                            .tm_mday = tm.day,
                            .tm_hour = 1,
                            .tm_min = 1,
                            .tm_sec = 1 };

        assert_int_equal(nb_tm_to_unix(&tm), day * 86400 + 3661);
        assert_int_equal(timegm(&judge), day * 86400 + 3661);
        assert_int_equal(judge.tm_wday, tm.weekday);
        assert_int_equal(nb_days_from_civil(tm.year, tm.month, tm.day), day);
    }
}

static void tm_out_of_range_fields_are_carried(void **state)
{
    const struct nb_tm a = { .year = 2024, .month = 14, .day = 0, .hour = 25, .minute = -1 };
    const struct nb_tm b = { .year = 2025, .month = 2, .day = 1, .hour = 0, .minute = 59 };

    (void)state;
    assert_int_equal(nb_tm_to_unix(&a), nb_tm_to_unix(&b));
}

static void days_in_month_knows_leap_years(void **state)
{
    (void)state;
    assert_int_equal(nb_days_in_month(2024, 2), 29);
    assert_int_equal(nb_days_in_month(1900, 2), 28);
    assert_int_equal(nb_days_in_month(2000, 2), 29);
    assert_int_equal(nb_days_in_month(2025, 12), 31);
    assert_int_equal(nb_days_in_month(2025, 13), 0);
}

static void formats_have_their_shapes(void **state)
{
    char out[NB_TIME_TEXT_MAX];

    (void)state;
    assert_string_equal(nb_time_format(1759888800, out), "2025-10-08T02:00:00Z");
    assert_string_equal(nb_time_format_ms(1759888800007, out), "2025-10-08T02:00:00.007Z");
    assert_string_equal(nb_time_format_ms(-1, out), "1969-12-31T23:59:59.999Z");
    assert_string_equal(nb_time_format_name(1759888800, out), "2025-10-08_02-00-00");
    assert_string_equal(nb_time_format_basic(1759888800, out), "20251008T020000Z");
}

static void parse_accepts_rfc3339(void **state)
{
    static const struct {
        const char *text;
        int64_t want;
    } rows[] = {
        { "2025-10-08T02:00:00Z", 1759888800 },
        { "2025-10-08t02:00:00.123456789z", 1759888800 },
        { "2025-10-08T04:00:00+02:00", 1759888800 },
        { "2025-10-07T20:30:00-05:30", 1759888800 },
        { "1970-01-01T00:00:00Z", 0 },
        { "1969-12-31T23:59:60Z", 0 },
    };
    int64_t v;

    (void)state;
    for (size_t i = 0; i < NB_ARRAY_LEN(rows); i++) {
        assert_true(nb_time_parse(rows[i].text, &v));
        assert_int_equal(v, rows[i].want);
    }
}

static void parse_refuses_everything_else(void **state)
{
    static const char *const bad[] = {
        "",
        "2025",
        "2025-10-08",
        "2025-10-08T02:00:00",
        "2025-13-08T02:00:00Z",
        "2025-02-29T02:00:00Z",
        "2025-10-08T24:00:00Z",
        "2025-10-08T02:60:00Z",
        "2025-10-08T02:00:61Z",
        "2025-10-08T02:00:00.Z",
        "2025-10-08T02:00:00Zx",
        "2025-10-08T02:00:00+2",
        "2025-10-08T02:00:00+24:00",
        "25-10-08T02:00:00Z",
        "2025-10-08 02:00:00Z",
    };
    int64_t v;

    (void)state;
    for (size_t i = 0; i < NB_ARRAY_LEN(bad); i++)
        assert_false(nb_time_parse(bad[i], &v));
}

static void parse_http_takes_the_imf_form(void **state)
{
    int64_t v;

    (void)state;
    assert_true(nb_time_parse_http("Sun, 06 Nov 1994 08:49:37 GMT", &v));
    assert_int_equal(v, 784111777);
    assert_false(nb_time_parse_http("Sun, 06 Nov 1994 08:49:37 UTC", &v));
    assert_false(nb_time_parse_http("Sun, 31 Feb 1994 08:49:37 GMT", &v));
    assert_false(nb_time_parse_http("", &v));
}

static void clocks_run(void **state)
{
    int64_t a = nb_clock_mono_ms();

    (void)state;
    assert_true(nb_clock_mono_ms() >= a);
    assert_true(nb_clock_mono_ns() / 1000000 >= (uint64_t)a);
    assert_true(nb_clock_unix_seconds() > 1700000000);
    assert_true(nb_clock_unix_ms() / 1000 >= nb_clock_unix_seconds() - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tm_every_day_of_800_years_goes_there_and_back),
        cmocka_unit_test(tm_out_of_range_fields_are_carried),
        cmocka_unit_test(days_in_month_knows_leap_years),
        cmocka_unit_test(formats_have_their_shapes),
        cmocka_unit_test(parse_accepts_rfc3339),
        cmocka_unit_test(parse_refuses_everything_else),
        cmocka_unit_test(parse_http_takes_the_imf_form),
        cmocka_unit_test(clocks_run),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
