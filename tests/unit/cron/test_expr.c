#include "cron/cron_priv.h"

#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "tests/unit/cron/vectors.h"

static uint64_t bits_of(const char *list)
{
    uint64_t bits = 0;

    while (*list) {
        bits |= UINT64_C(1) << strtoul(list, NULL, 10);
        list += strcspn(list, " ");
        list += strspn(list, " ");
    }
    return bits;
}

/* Rows of TestRange and TestField of parser_test.go of github.com/robfig/cron/v3 (MIT), put into a
 * field of ours, and more of the kind. */
static void expr_fields_have_these_bits(void **state)
{
    static const struct {
        const char *text, *minute, *hour, *dom, *month, *dow;
        bool both;
    } rows[] = {
        { "5 5 5 5 5", "5", "5", "5", "5", "5", false },
        { "0 0 1 1 0", "0", "0", "1", "1", "0", false },
        { "5-5 5-6 5-7 1 1", "5", "5 6", "5 6 7", "1", "1", false },
        { "5-6/2 5-7/2 5-7/1 1 1", "5", "5 7", "5 6 7", "1", "1", false },
        { "5,6,7 1,5-7/2,3 1 1 1", "5 6 7", "1 5 7 3", "1", "1", "1", false },
        { "0/20 20/2 30/1 11/1 5/1", "0 20 40", "20 22", "30 31", "11 12", "5 6", false },
        { "0 0 */10 */4 */2", "0", "0", "1 11 21 31", "1 5 9", "0 2 4 6", false },
        { "0 0 1 1 7", "0", "0", "1", "1", "0", false },
        { "0 0 1 1 5-7", "0", "0", "1", "1", "5 6 0", false },
        { "0 0 1 1 0-7", "0", "0", "1", "1", "0 1 2 3 4 5 6", false },
        { "0 0 1 1 7/2", "0", "0", "1", "1", "0", false },
        { "0 0 1 1 1/2", "0", "0", "1", "1", "1 3 5", false },
        { "0 0 1 JAN-mar,Dec SUN,mon-Wed", "0", "0", "1", "1 2 3 12", "0 1 2 3", false },
        { "0 0 * 1 1", "0", "0", NULL, "1", "1", true },
        { "0 0 ? 1 1", "0", "0", NULL, "1", "1", true },
        { "0 0 */1 1 1", "0", "0", NULL, "1", "1", true },
        { "0 0 1,* 1 1", "0", "0", NULL, "1", "1", true },
        { "0 0 1 1 ?", "0", "0", "1", "1", NULL, true },
        { "  0\t0  1 1 1 ", "0", "0", "1", "1", "1", false },
        { "@yearly", "0", "0", "1", "1", NULL, true },
        { "@annually", "0", "0", "1", "1", NULL, true },
        { "@monthly", "0", "0", "1", NULL, NULL, true },
        { "@weekly", "0", "0", NULL, NULL, "0", true },
        { "@daily", "0", "0", NULL, NULL, NULL, true },
        { "@midnight", "0", "0", NULL, NULL, NULL, true },
        { "@hourly", "0", NULL, NULL, NULL, NULL, true },
    };

    (void)state;
    for (size_t i = 0; i < NB_ARRAY_LEN(rows); i++) {
        struct nb_error err = NB_ERROR_INIT;
        nb_auto(cron_expr_free) struct cron_expr *e = NULL;

        if (!cron_expr_parse(rows[i].text, &e, &err))
            fail_msg("%s: %s", rows[i].text, err.text);
        assert_int_equal(e->every_seconds, 0);
        assert_int_equal(e->minute, bits_of(rows[i].minute));
        assert_int_equal(e->hour, rows[i].hour ? bits_of(rows[i].hour) : 0xffffff);
        assert_int_equal(e->dom, rows[i].dom ? bits_of(rows[i].dom) : 0xfffffffe);
        assert_int_equal(e->month, rows[i].month ? bits_of(rows[i].month) : 0x1ffe);
        assert_int_equal(e->dow, rows[i].dow ? bits_of(rows[i].dow) : 0x7f);
        if (e->both_days != rows[i].both)
            fail_msg("%s: both_days", rows[i].text);
    }
}

static void expr_every_is_a_duration_of_a_minute_or_more(void **state)
{
    static const struct {
        const char *text;
        int64_t seconds;
    } rows[] = {
        { "@every 5m", 300 },    { "@every 1h30m", 5400 },  { "@every 60s", 60 },
        { "@every 1.5h", 5400 }, { "@every 90m", 5400 },    { "@every 60500ms", 60 },
        { "@every .5h", 1800 },  { "@every 1h1m1s", 3661 }, { "@every 60000000\xc2\xb5s", 60 },
    };

    (void)state;
    for (size_t i = 0; i < NB_ARRAY_LEN(rows); i++) {
        struct nb_error err = NB_ERROR_INIT;
        nb_auto(cron_expr_free) struct cron_expr *e = NULL;

        if (!cron_expr_parse(rows[i].text, &e, &err))
            fail_msg("%s: %s", rows[i].text, err.text);
        assert_int_equal(e->every_seconds, rows[i].seconds);
    }
}

static void expr_errors_name_field_fault_and_mend(void **state)
{
    static const struct {
        const char *text, *error;
    } rows[] = {
        { "60 0 * * *", "minute '60' is above the maximum; hint: use 0 to 59" },
        { "0 60 * * *", "hour '60' is above the maximum; hint: use 0 to 23" },
        { "0 0 0 * *", "day of month '0' is below the minimum; hint: use 1 to 31" },
        { "0 0 * 13 *",
          "month '13' is above the maximum; hint: use 1 to 12 or a three-letter English name" },
        { "0 0 * * 8",
          "day of week '8' is above the maximum; hint: use 0 to 7 or a three-letter English name" },
        { "0 0 * * XYZ",
          "day of week 'XYZ' is not a number; hint: use 0 to 7 or a three-letter English name" },
        { "5 j * * *", "hour 'j' is not a number; hint: use 0 to 23" },
        { "-5 * * * *",
          "minute '-5' lacks a number; hint: write for instance 5, 1-5, */5 or 1,3,5" },
        { "5--5 * * * *", "minute '5--5' has more than one '-'; hint: write a range as in 1-5" },
        { "0 0 * jan-x *",
          "month 'jan-x' is not a number; hint: use 1 to 12 or a three-letter English name" },
        { "*/-12 * * * *", "minute '*/-12' is not a number; hint: use 0 to 59" },
        { "*//2 * * * *", "minute '*//2' has more than one '/'; hint: write one step, as in */15" },
        { "*/0 * * * *", "minute '*/0' has a step of 0; hint: use a step of 1 or more" },
        { "15/0 * * * *", "minute '15/0' has a step of 0; hint: use a step of 1 or more" },
        { "* 5-3 * * *", "hour '5-3' ends before it begins; hint: write the lower bound first, or "
                         "two ranges with a comma" },
        { "0 0 * * sat-sun",
          "day of week 'sat-sun' ends before it begins; hint: write the lower bound first, or "
          "two ranges with a comma" },
        { "1,,2 * * * *", "minute has an empty item in its list; hint: remove the extra comma" },
        { ", * * * *", "minute has an empty item in its list; hint: remove the extra comma" },
        { "*-5 * * * *", "minute '*-5' is not a number; hint: use 0 to 59" },
        { "99999999999999999999 * * * *",
          "minute '99999999999999999999' is above the maximum; hint: use 0 to 59" },
        { "* * * *", "schedule '* * * *' has 4 fields, not five; hint: write minute, hour, day of "
                     "month, month and "
                     "day of week, as in 0 2 * * *" },
        { "0 0 2 * * *",
          "schedule '0 0 2 * * *' has 6 fields, not five; hint: write minute, hour, day of month, "
          "month and day of week, as in 0 2 * * *" },
        { "xyz", "schedule 'xyz' has 1 field, not five; hint: write minute, hour, day of month, "
                 "month and day of "
                 "week, as in 0 2 * * *" },
        { "", "schedule is empty; hint: write five fields, as in 0 2 * * *" },
        { "  ", "schedule is empty; hint: write five fields, as in 0 2 * * *" },
        { "TZ=UTC 0 0 * * *", "schedule 'TZ=UTC 0 0 * * *' names a time zone; hint: put the zone "
                              "into the field timeZone" },
        { "CRON_TZ=Asia/Tokyo @daily", "schedule 'CRON_TZ=Asia/Tokyo @daily' names a time zone; "
                                       "hint: put the zone into the field timeZone" },
        { "@reboot", "schedule '@reboot' is no macro that there is; hint: use @yearly, @monthly, "
                     "@weekly, @daily, "
                     "@hourly, @every <duration> or five fields" },
        { "@every Xm", "'Xm' after '@every' is not a duration; hint: write for instance @every 90m "
                       "or @every 1h30m" },
        { "@every ", "schedule '@every' is no macro that there is; hint: use @yearly, @monthly, "
                     "@weekly, @daily, "
                     "@hourly, @every <duration> or five fields" },
        { "@every 59s", "'@every 59s' is less than a minute; hint: use at least 1m" },
        { "@every -5m",
          "'-5m' after '@every' is not a duration; hint: write for instance @every 90m or @every "
          "1h30m" },
        { "@every 99999999999h",
          "'99999999999h' after '@every' is not a duration; hint: write for instance @every "
          "90m or @every 1h30m" },
    };

    (void)state;
    for (size_t i = 0; i < NB_ARRAY_LEN(rows); i++) {
        struct nb_error err = NB_ERROR_INIT;
        struct cron_expr *e = NULL;

        if (cron_expr_parse(rows[i].text, &e, &err))
            fail_msg("'%s' was taken", rows[i].text);
        assert_null(e);
        assert_string_equal(err.text, rows[i].error);
        assert_string_equal(err.reason, "InvalidSchedule");
    }
}

static void expr_too_long_is_refused(void **state)
{
    struct nb_error err = NB_ERROR_INIT;
    struct cron_expr *e = NULL;
    char text[CRON_TEXT_MAX + 2];

    (void)state;
    memset(text, '1', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    assert_false(cron_expr_parse(text, &e, &err));
    assert_string_equal(err.text, "schedule is longer than 256 characters");
}

static void grammar_row(struct vector_zones *zones, char **f)
{
    struct nb_error err = NB_ERROR_INIT;
    nb_auto(cron_expr_free) struct cron_expr *e = NULL;
    bool taken = cron_expr_parse(f[3], &e, &err);

    (void)zones;
    if (taken != (strcmp(f[2], "taken") == 0))
        fail_msg("'%s' is %s", f[3], taken ? "taken" : err.text);
    /* Where ours is not theirs, the rule is named. */
    if ((strcmp(f[1], f[2]) == 0) != (*f[4] == '\0'))
        fail_msg("'%s' needs a rule", f[3]);
}

static void expr_is_taken_and_refused_as_in_the_tests_of_others(void **state)
{
    (void)state;
    assert_int_equal(vector_each("tests/vectors/cron/grammar.tsv", grammar_row), 248);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(expr_fields_have_these_bits),
        cmocka_unit_test(expr_every_is_a_duration_of_a_minute_or_more),
        cmocka_unit_test(expr_errors_name_field_fault_and_mend),
        cmocka_unit_test(expr_too_long_is_refused),
        cmocka_unit_test(expr_is_taken_and_refused_as_in_the_tests_of_others),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
