#include "controller/plan/schedule.h"

#include "tests/unit/controller/plan/world.h"

static struct world world;

static int setup(void **state)
{
    (void)state;
    world_init(&world, "2026-01-01T00:00:00Z");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    world_done(&world);
    return 0;
}

static int64_t at(const char *text)
{
    int64_t t = 0;

    if (text)
        assert_true(nb_time_parse(text, &t));
    return t;
}

struct row {
    const char *name, *schedule, *created, *last, *change, *now;
    int64_t deadline; /* 0: none, so that rows can leave it out */
    const char *due, *next, *too_late;
    int64_t missed;
    bool catch_up, suspend;
    int64_t jitter;
};

/* Rules 7, 8, 9, 12 of docs/api.md. */
static const struct row rows[] = {
    { .name = "before the first time",
      .schedule = "0 2 * * *",
      .created = "2026-01-01T00:00:00Z",
      .now = "2026-01-01T01:59:59Z",
      .next = "2026-01-01T02:00:00Z" },
    { .name = "on time",
      .schedule = "0 2 * * *",
      .created = "2026-01-01T00:00:00Z",
      .now = "2026-01-01T02:00:00Z",
      .due = "2026-01-01T02:00:00Z",
      .next = "2026-01-02T02:00:00Z" },
    { .name = "had already",
      .schedule = "0 2 * * *",
      .created = "2026-01-01T00:00:00Z",
      .last = "2026-01-01T02:00:00Z",
      .now = "2026-01-01T02:00:05Z",
      .next = "2026-01-02T02:00:00Z" },
    { .name = "late but one",
      .schedule = "0 2 * * *",
      .created = "2026-01-01T00:00:00Z",
      .now = "2026-01-01T23:00:00Z",
      .due = "2026-01-01T02:00:00Z",
      .next = "2026-01-02T02:00:00Z" },
    { .name = "only the most recent of many",
      .schedule = "0 2 * * *",
      .created = "2026-01-01T00:00:00Z",
      .last = "2026-01-01T02:00:00Z",
      .now = "2026-01-06T10:00:00Z",
      .due = "2026-01-06T02:00:00Z",
      .missed = 4,
      .catch_up = true,
      .next = "2026-01-07T02:00:00Z" },
    { .name = "more than a hundred",
      .schedule = "* * * * *",
      .created = "2026-01-01T00:00:00Z",
      .now = "2026-01-06T10:00:30Z",
      .due = "2026-01-06T10:00:00Z",
      .missed = 101,
      .catch_up = true,
      .next = "2026-01-06T10:01:00Z" },
    { .name = "an edit starts nothing",
      .schedule = "0 2 * * *",
      .created = "2026-01-01T00:00:00Z",
      .change = "2026-01-01T12:00:00Z",
      .now = "2026-01-01T12:00:01Z",
      .next = "2026-01-02T02:00:00Z" },
    { .name = "after an edit the next is due",
      .schedule = "0 2 * * *",
      .created = "2026-01-01T00:00:00Z",
      .change = "2026-01-01T12:00:00Z",
      .now = "2026-01-02T02:00:01Z",
      .due = "2026-01-02T02:00:00Z",
      .next = "2026-01-03T02:00:00Z" },
    { .name = "within the deadline",
      .schedule = "0 2 * * *",
      .created = "2026-01-01T00:00:00Z",
      .deadline = 600,
      .now = "2026-01-01T02:10:00Z",
      .due = "2026-01-01T02:00:00Z",
      .next = "2026-01-02T02:00:00Z" },
    { .name = "past the deadline",
      .schedule = "0 2 * * *",
      .created = "2026-01-01T00:00:00Z",
      .deadline = 600,
      .now = "2026-01-01T02:10:01Z",
      .too_late = "2026-01-01T02:00:00Z",
      .next = "2026-01-02T02:00:00Z" },
    { .name = "the deadline bounds what is missed",
      .schedule = "0 * * * *",
      .created = "2026-01-01T00:30:00Z",
      .deadline = 7200,
      .now = "2026-01-01T12:10:00Z",
      .due = "2026-01-01T12:00:00Z",
      .missed = 1,
      .catch_up = true,
      .next = "2026-01-01T13:00:00Z" },
    { .name = "suspended",
      .schedule = "0 2 * * *",
      .created = "2026-01-01T00:00:00Z",
      .suspend = true,
      .now = "2026-01-01T03:00:00Z",
      .next = "2026-01-02T02:00:00Z" },
    { .name = "every counts from the last",
      .schedule = "@every 90m",
      .created = "2026-01-01T00:00:00Z",
      .last = "2026-01-01T01:30:00Z",
      .now = "2026-01-01T02:59:59Z",
      .next = "2026-01-01T03:00:00Z" },
    { .name = "every is due",
      .schedule = "@every 90m",
      .created = "2026-01-01T00:00:00Z",
      .last = "2026-01-01T01:30:00Z",
      .now = "2026-01-01T03:00:00Z",
      .due = "2026-01-01T03:00:00Z",
      .next = "2026-01-01T04:30:00Z" },
};

static void schedule_rows_are_as_the_rules_say(void **state)
{
    (void)state;
    for (size_t i = 0; i < NB_ARRAY_LEN(rows); i++) {
        const struct row *r = &rows[i];
        struct plan_schedule_input in = {
            .schedule = r->schedule,
            .time_zone = "Etc/UTC",
            .deadline_seconds = r->deadline ? r->deadline : -1,
            .uid = "u",
            .created = at(r->created),
            .last_schedule = at(r->last),
            .schedule_change = at(r->change),
            .suspend = r->suspend,
            .now_ms = at(r->now) * 1000,
            .options = &world.options,
        };
        struct plan_schedule s;

        plan_schedule(&in, &s);
        assert_int_equal(s.fault, PLAN_SCHEDULE_OK);
        if (s.due != at(r->due) || s.next != at(r->next) || s.too_late != at(r->too_late) ||
            s.missed != r->missed || s.catch_up != r->catch_up)
            fail_msg("%s: due %lld next %lld late %lld missed %lld catch up %d", r->name,
                     (long long)s.due, (long long)s.next, (long long)s.too_late,
                     (long long)s.missed, s.catch_up);
    }
}

static void schedule_too_late_is_told_once(void **state)
{
    struct plan_schedule_input in = {
        .schedule = "0 2 * * *",
        .time_zone = "Etc/UTC",
        .deadline_seconds = 60,
        .uid = "u",
        .created = at("2026-01-01T00:00:00Z"),
        .last_skipped = at("2026-01-01T02:00:00Z"),
        .now_ms = at("2026-01-01T05:00:00Z") * 1000,
        .options = &world.options,
    };
    struct plan_schedule s;

    (void)state;
    plan_schedule(&in, &s);
    assert_int_equal(s.too_late, 0);
    assert_int_equal(s.due, 0);
}

static void schedule_jitter_shifts_everything_alike(void **state)
{
    struct plan_schedule_input in = {
        .schedule = "0 2 * * *",
        .time_zone = "Etc/UTC",
        .deadline_seconds = -1,
        .jitter_seconds = 600,
        .uid = "abc",
        .created = at("2026-01-01T00:00:00Z"),
        .options = &world.options,
    };
    int64_t jitter = plan_jitter_seconds("abc", 600);
    struct plan_schedule s;

    (void)state;
    assert_true(jitter >= 0 && jitter <= 600);
    assert_int_equal(jitter, plan_jitter_seconds("abc", 600));
    assert_int_equal(plan_jitter_seconds("abc", 0), 0);
    in.now_ms = (at("2026-01-01T02:00:00Z") + jitter) * 1000 - 1;
    plan_schedule(&in, &s);
    assert_int_equal(s.due, 0);
    assert_int_equal(s.next, at("2026-01-01T02:00:00Z"));
    in.now_ms += 1;
    plan_schedule(&in, &s);
    assert_int_equal(s.due, at("2026-01-01T02:00:00Z"));
    assert_int_equal(s.next, at("2026-01-02T02:00:00Z"));
}

static void schedule_faults_are_told(void **state)
{
    struct plan_schedule_input in = { .schedule = "61 * * * *",
                                      .time_zone = "Etc/UTC",
                                      .deadline_seconds = -1,
                                      .uid = "u",
                                      .options = &world.options };
    struct plan_schedule s;

    (void)state;
    plan_schedule(&in, &s);
    assert_int_equal(s.fault, PLAN_SCHEDULE_INVALID);
    in.schedule = "0 0 31 2 *";
    plan_schedule(&in, &s);
    assert_int_equal(s.fault, PLAN_SCHEDULE_NEVER);
    assert_string_equal(
        s.err.text,
        "schedule '0 0 31 2 *' never comes within five years; hint: use a date that exists");
    in.schedule = "0 0 * * *";
    in.time_zone = "Mars/Olympus";
    plan_schedule(&in, &s);
    assert_int_equal(s.fault, PLAN_SCHEDULE_ZONE);
    assert_string_equal(s.err.reason, "UnknownTimeZone");
}

static void schedule_on_the_odd_day_follows_the_policy(void **state)
{
    struct plan_schedule_input in = {
        .schedule = "30 2 * * *",
        .time_zone = "Europe/Berlin",
        .deadline_seconds = -1,
        .uid = "u",
        .created = at("2026-03-28T12:00:00Z"),
        .now_ms = at("2026-03-29T12:00:00Z") * 1000,
        .options = &world.options,
    };
    struct plan_schedule s;

    (void)state;
    plan_schedule(&in, &s); /* 02:30 does not exist on 29 March: 03:00 it is */
    assert_int_equal(s.due, at("2026-03-29T01:00:00Z"));
    in.dst = API_DST_CRONJOB;
    plan_schedule(&in, &s);
    assert_int_equal(s.due, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(schedule_rows_are_as_the_rules_say),
        cmocka_unit_test(schedule_too_late_is_told_once),
        cmocka_unit_test(schedule_jitter_shifts_everything_alike),
        cmocka_unit_test(schedule_faults_are_told),
        cmocka_unit_test(schedule_on_the_odd_day_follows_the_policy),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
