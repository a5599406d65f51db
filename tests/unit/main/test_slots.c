#include "tests/unit/cmocka.h"

#include "base/clock.h"

/* src/main is no part of the library. */
#include "main/slots.c"

static int64_t unix_of(const char *text)
{
    int64_t t;

    if (!nb_time_parse(text, &t))
        fail_msg("'%s' is no time", text);
    return t;
}

/* Times as text; NULL: 0. */
struct ask {
    const char *schedule, *zone, *since, *last, *now;
    int64_t deadline; /* 0: a day */
};

static struct slots look(const struct ask *a)
{
    nb_auto(cron_expr_free) struct cron_expr *expr = NULL;
    nb_auto(cron_zone_free) struct cron_zone *zone = NULL;
    struct nb_error err = NB_ERROR_INIT;
    struct slots p;

    assert_true(cron_expr_parse(a->schedule, &expr, &err));
    assert_true(cron_zone_load(NULL, a->zone ? a->zone : "UTC", &zone, &err));
    slots_plan(&(struct slots_input){ .expr = expr,
                                      .zone = zone,
                                      .since = a->since ? unix_of(a->since) : 0,
                                      .last = a->last ? unix_of(a->last) : 0,
                                      .deadline_seconds = a->deadline ? a->deadline : 86400,
                                      .now = unix_of(a->now) },
               &p);
    return p;
}

static void assert_time(int64_t t, const char *wanted)
{
    char text[NB_TIME_TEXT_MAX];

    assert_string_equal(t ? nb_time_format(t, text) : "none", wanted);
}

static void expect(const struct ask *a, const char *due, int64_t missed, const char *next)
{
    struct slots p = look(a);

    assert_time(p.due, due);
    assert_int_equal(p.missed, missed);
    assert_time(p.next, next);
    assert_int_equal(p.too_late, 0);
    assert_false(p.clock_went_back);
}

static void slot_is_due_at_its_time_and_once(void **state)
{
    struct ask a = { .schedule = "0 2 * * *", .since = "2025-10-07T12:00:00Z" };

    (void)state;
    a.now = "2025-10-08T01:59:59Z";
    expect(&a, "none", 0, "2025-10-08T02:00:00Z");
    a.now = "2025-10-08T02:00:00Z";
    expect(&a, "2025-10-08T02:00:00Z", 0, "2025-10-09T02:00:00Z");
    a.last = "2025-10-08T02:00:00Z";
    expect(&a, "none", 0, "2025-10-09T02:00:00Z");
    a.now = "2025-10-08T02:00:59Z";
    expect(&a, "none", 0, "2025-10-09T02:00:00Z");
}

static void slots_before_the_schedule_are_not_owed(void **state)
{
    struct ask a = { .schedule = "0 * * * *", .since = "2025-10-08T02:00:00Z" };

    (void)state;
    a.now = "2025-10-08T02:00:30Z";
    expect(&a, "none", 0, "2025-10-08T03:00:00Z");
    a.last = "2025-10-01T00:00:00Z";
    expect(&a, "none", 0, "2025-10-08T03:00:00Z");
}

static void of_missed_slots_the_newest_runs_once(void **state)
{
    struct ask a = { .schedule = "0 * * * *", .since = "2025-10-01T00:00:00Z" };

    (void)state;
    a.last = "2025-10-08T02:00:00Z";
    a.now = "2025-10-08T07:30:00Z";
    expect(&a, "2025-10-08T07:00:00Z", 4, "2025-10-08T08:00:00Z");
    a.last = "2025-10-08T07:00:00Z";
    expect(&a, "none", 0, "2025-10-08T08:00:00Z");
    a.schedule = "* * * * *";
    a.last = "2025-10-01T00:00:00Z";
    expect(&a, "2025-10-08T07:30:00Z", SLOTS_MISSED_MAX, "2025-10-08T07:31:00Z");
}

static void slot_beyond_its_deadline_is_told_and_does_not_run(void **state)
{
    struct ask a = { .schedule = "0 3 * * 1", .since = "2025-10-01T00:00:00Z", .deadline = 3600 };
    struct slots p;

    (void)state;
    a.now = "2025-10-06T04:00:00Z"; /* just within */
    expect(&a, "2025-10-06T03:00:00Z", 0, "2025-10-13T03:00:00Z");
    a.now = "2025-10-06T04:00:01Z";
    p = look(&a);
    assert_int_equal(p.due, 0);
    assert_time(p.too_late, "2025-10-06T03:00:00Z");
    assert_time(p.next, "2025-10-13T03:00:00Z");
    a.last = "2025-10-06T03:00:00Z";
    expect(&a, "none", 0, "2025-10-13T03:00:00Z");
}

static void seven_is_sunday(void **state)
{
    struct ask a = { .schedule = "0 3 * * 7", .since = "2025-10-08T00:00:00Z" };

    (void)state;
    a.now = "2025-10-08T00:00:00Z";
    expect(&a, "none", 0, "2025-10-12T03:00:00Z");
}

/* Europe/Berlin 2025: 30 March 02:00 -> 03:00, 26 October 03:00 -> 02:00. */
static void slot_in_the_gap_of_summer_time_runs_after_it_and_once(void **state)
{
    struct ask a = { .schedule = "30 2 * * *", .zone = "Europe/Berlin" };

    (void)state;
    a.since = "2025-03-29T12:00:00Z";
    a.now = "2025-03-30T00:59:59Z";
    expect(&a, "none", 0, "2025-03-30T01:00:00Z");
    a.now = "2025-03-30T01:00:00Z";
    expect(&a, "2025-03-30T01:00:00Z", 0, "2025-03-31T00:30:00Z");
}

static void slot_that_comes_twice_in_autumn_runs_the_first_time_only(void **state)
{
    struct ask a = { .schedule = "30 2 * * *", .zone = "Europe/Berlin" };

    (void)state;
    a.since = "2025-10-25T12:00:00Z";
    a.now = "2025-10-26T00:30:00Z"; /* 02:30 summer time */
    expect(&a, "2025-10-26T00:30:00Z", 0, "2025-10-27T01:30:00Z");
    a.last = "2025-10-26T00:30:00Z";
    a.now = "2025-10-26T01:30:00Z"; /* 02:30 again */
    expect(&a, "none", 0, "2025-10-27T01:30:00Z");
}

static void every_hour_stays_every_hour_in_autumn(void **state)
{
    struct ask a = { .schedule = "0 * * * *", .zone = "Europe/Berlin" };

    (void)state;
    a.last = "2025-10-26T00:00:00Z";
    a.now = "2025-10-26T01:00:00Z";
    expect(&a, "2025-10-26T01:00:00Z", 0, "2025-10-26T02:00:00Z");
}

static void clock_that_jumps_ahead_runs_the_newest_once(void **state)
{
    struct ask a = { .schedule = "*/10 * * * *", .last = "2025-10-08T02:00:00Z" };

    (void)state;
    a.now = "2025-10-08T05:05:00Z";
    expect(&a, "2025-10-08T05:00:00Z", 17, "2025-10-08T05:10:00Z");
}

static void clock_that_goes_back_repeats_no_slot(void **state)
{
    struct ask a = { .schedule = "*/10 * * * *", .last = "2025-10-08T05:00:00Z" };

    (void)state;
    a.now = "2025-10-08T04:01:00Z";
    expect(&a, "none", 0, "2025-10-08T05:10:00Z");
    a.now = "2025-10-08T02:00:00Z"; /* three hours */
    expect(&a, "none", 0, "2025-10-08T05:10:00Z");
}

static void clock_that_was_years_ahead_does_not_stop_the_schedule(void **state)
{
    struct ask a = { .schedule = "*/10 * * * *", .since = "2025-10-01T00:00:00Z" };
    struct slots p;

    (void)state;
    a.last = "2035-01-01T00:00:00Z";
    a.now = "2025-10-08T04:01:00Z";
    p = look(&a);
    assert_true(p.clock_went_back);
    assert_int_equal(p.due, 0);
    assert_time(p.next, "2025-10-08T04:10:00Z");
}

static void every_counts_from_the_last(void **state)
{
    struct ask a = { .schedule = "@every 90m", .since = "2025-10-08T00:00:00Z" };

    (void)state;
    a.now = "2025-10-08T01:29:59Z";
    expect(&a, "none", 0, "2025-10-08T01:30:00Z");
    a.now = "2025-10-08T03:10:00Z";
    expect(&a, "2025-10-08T03:00:00Z", 1, "2025-10-08T04:30:00Z");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slot_is_due_at_its_time_and_once),
        cmocka_unit_test(slots_before_the_schedule_are_not_owed),
        cmocka_unit_test(of_missed_slots_the_newest_runs_once),
        cmocka_unit_test(slot_beyond_its_deadline_is_told_and_does_not_run),
        cmocka_unit_test(seven_is_sunday),
        cmocka_unit_test(slot_in_the_gap_of_summer_time_runs_after_it_and_once),
        cmocka_unit_test(slot_that_comes_twice_in_autumn_runs_the_first_time_only),
        cmocka_unit_test(every_hour_stays_every_hour_in_autumn),
        cmocka_unit_test(clock_that_jumps_ahead_runs_the_newest_once),
        cmocka_unit_test(clock_that_goes_back_repeats_no_slot),
        cmocka_unit_test(clock_that_was_years_ahead_does_not_stop_the_schedule),
        cmocka_unit_test(every_counts_from_the_last),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
