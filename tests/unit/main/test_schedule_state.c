#include "tests/unit/cmocka.h"

/* src/main is no part of the library. */
#include "main/schedule_state.c"

enum { NOW = 1760000000, HOUR = 3600 };

static struct schedule_run run_of(enum run_result result, int64_t slot)
{
    return (struct schedule_run){ .result = result,
                                  .trigger = "Schedule",
                                  .slot = slot,
                                  .start = slot,
                                  .end = slot + 60,
                                  .tries = 1 };
}

static struct schedule_state well(void)
{
    return (struct schedule_state){ .schedule = "0 * * * *",
                                    .zone = "Etc/UTC",
                                    .since = NOW - 100 * HOUR,
                                    .last = NOW - HOUR,
                                    .next = NOW + 60,
                                    .run = run_of(RUN_SUCCEEDED, NOW - HOUR),
                                    .success = run_of(RUN_SUCCEEDED, NOW - HOUR) };
}

static void expect_sentence(const struct schedule_state *s, bool healthy, const char *sentence)
{
    nb_auto_done(nb_buf_done) struct nb_buf out = NB_BUF_INIT(1024);

    assert_int_equal(schedule_state_healthy(s, NOW, &out), healthy);
    assert_string_equal(nb_buf_cstr(&out), sentence);
}

static void state_comes_back_as_it_was_written(void **state)
{
    struct schedule_state s = well(), back;
    struct nb_error err = NB_ERROR_INIT;
    nb_auto_done(nb_buf_done) struct nb_buf text = NB_BUF_INIT(SCHEDULE_STATE_MAX_BYTES);
    nb_auto_done(nb_buf_done) struct nb_buf again = NB_BUF_INIT(SCHEDULE_STATE_MAX_BYTES);

    (void)state;
    s.skipped = NOW - 50 * HOUR;
    s.waiting = 2;
    s.failure = run_of(RUN_FAILED, NOW - 2 * HOUR);
    s.failure.exit_code = -1;
    s.failure.size_bytes = 12;
    snprintf(s.failure.message, sizeof(s.failure.message), "a \"quoted\" message");
    schedule_state_format(&s, &text);
    assert_true(schedule_state_parse(nb_buf_cstr(&text), text.len, &back, &err));
    schedule_state_format(&back, &again);
    assert_string_equal(nb_buf_cstr(&text), nb_buf_cstr(&again));
    assert_int_equal(back.failure.exit_code, -1);
    assert_int_equal(back.failure.result, RUN_FAILED);
    assert_string_equal(back.failure.message, s.failure.message);
}

static void damaged_state_is_refused(void **state)
{
    static const char *const texts[] = { "", "{", "[]", "{\"version\":2}", "{\"version\":1,}" };
    struct schedule_state s;

    (void)state;
    for (size_t i = 0; i < NB_ARRAY_LEN(texts); i++) {
        struct nb_error err = NB_ERROR_INIT;

        assert_false(schedule_state_parse(texts[i], strlen(texts[i]), &s, &err));
    }
}

static void health_is_well_before_and_after_a_backup(void **state)
{
    struct schedule_state s = well();

    (void)state;
    expect_sentence(&s, true,
                    "last backup succeeded at 2025-10-09T07:54:20Z, next at 2025-10-09T08:54:20Z");
}

static void health_says_what_is_wrong(void **state)
{
    struct schedule_state s = well();

    (void)state;
    s.next = NOW - HEALTH_LATE_SECONDS - 1;
    expect_sentence(&s, false, "cron did not run: the slot of 2025-10-09T08:51:49Z is 91 s late");
    s = well();
    s.failure = run_of(RUN_FAILED, NOW - HOUR + 1);
    snprintf(s.failure.reason, sizeof(s.failure.reason), "Neo4jAuthFailed");
    snprintf(s.failure.message, sizeof(s.failure.message), "Neo4j connection failed: refused");
    expect_sentence(&s, false,
                    "last backup failed: Neo4j connection failed: refused (Neo4jAuthFailed, ended "
                    "2025-10-09T07:54:21Z)");
    s.run = run_of(RUN_RUNNING, NOW - 5); /* not over yet: still the last that ended counts */
    s.failure.result = RUN_PARTIAL;
    expect_sentence(&s, false,
                    "last backup was partial: Neo4j connection failed: refused (Neo4jAuthFailed, "
                    "ended 2025-10-09T07:54:21Z)");
    s = well();
    s.skipped = NOW - 1800;
    expect_sentence(&s, false,
                    "cron did not run: the slot of 2025-10-09T08:23:20Z was missed by more than "
                    "its deadline");
    s = well();
    s.run = run_of(RUN_RUNNING, NOW - 3 * HOUR);
    s.waiting = HEALTH_WAITING_MAX + 1;
    expect_sentence(&s, false,
                    "the backup that began at 2025-10-09T05:53:20Z still runs, and 2 later slots "
                    "wait");
}

static void run_that_was_cut_short_is_tried_again_a_few_times(void **state)
{
    struct schedule_state s = well();

    (void)state;
    assert_false(schedule_state_retries(&s, HOUR, NOW)); /* it ended */
    s.run = run_of(RUN_RUNNING, NOW - 600);
    assert_true(schedule_state_retries(&s, HOUR, NOW));
    s.run.result = RUN_INTERRUPTED;
    assert_true(schedule_state_retries(&s, HOUR, NOW));
    assert_false(schedule_state_retries(&s, 599, NOW));
    s.run.tries = SCHEDULE_TRIES_MAX;
    assert_false(schedule_state_retries(&s, HOUR, NOW));
    s.run.tries = 1;
    snprintf(s.run.trigger, sizeof(s.run.trigger), "Immediate");
    assert_false(schedule_state_retries(&s, HOUR, NOW));
}

static void interruption_is_neither_success_nor_failure(void **state)
{
    struct schedule_state s = well();

    (void)state;
    s.run = run_of(RUN_INTERRUPTED, NOW - 60);
    schedule_state_note_end(&s);
    assert_int_equal(s.failure.result, RUN_NONE);
    assert_int_equal(s.success.slot, NOW - HOUR);
    s.run.result = RUN_FAILED;
    schedule_state_note_end(&s);
    assert_int_equal(s.failure.slot, NOW - 60);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(state_comes_back_as_it_was_written),
        cmocka_unit_test(damaged_state_is_refused),
        cmocka_unit_test(health_is_well_before_and_after_a_backup),
        cmocka_unit_test(health_says_what_is_wrong),
        cmocka_unit_test(run_that_was_cut_short_is_tried_again_a_few_times),
        cmocka_unit_test(interruption_is_neither_success_nor_failure),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
