#include "tests/unit/controller/plan/world.h"

/* Notifications as a plan sees them: written down with the fact, told, taken out. */

static struct world world;
static struct world *const w = &world;

static int teardown(void **state)
{
    (void)state;
    world_done(w);
    return 0;
}

#define HOURLY(channels)                                                                           \
    WORLD_BACKUP(",\"schedule\":\"0 * * * *\",\"notifications\":[" channels "]")
#define BAD                                                                                        \
    "{\"result\":\"Failed\",\"reason\":\"Neo4jAuthFailed\",\"message\":\"wrong password\","        \
    "\"exitCode\":11,\"retriable\":false}"

static void start(const char *now, const char *backup)
{
    world_init(w, now);
    world_create(w, PLAN_OBJ_BACKUP, backup);
    world_settle(w);
}

/* The run of that hour, ended. */
static const char *run_ends(const char *now, int code, const char *message)
{
    static char name[80];

    world_at(w, now);
    world_settle(w);
    snprintf(name, sizeof(name), "g-%lld", (long long)(w->now_ms / 60000));
    w->now_ms += 30000;
    world_pod_ends(w, name, code, message);
    world_settle(w);
    return name;
}

static const char *pending(void)
{
    return world_get(w, PLAN_OBJ_BACKUP, "g", "status.pendingNotifications");
}

static const char *condition(void)
{
    return world_condition(w, PLAN_OBJ_BACKUP, "g", "NotificationsReady");
}

static void notice_waits_in_the_status_until_it_was_told(void **state)
{
    const char *name;

    (void)state;
    start("2026-01-01T12:30:00Z", HOURLY("{\"channel\":\"ops\"},{\"channel\":\"dev\"}"));
    assert_string_equal(condition(), "True/Configured");
    w->nobody_tells = true;
    name = run_ends("2026-01-01T13:00:00Z", 11, BAD);
    assert_non_null(strstr(pending(), name));
    assert_non_null(strstr(pending(), "\"event\":\"Failed\""));
    assert_non_null(strstr(pending(), "\"channels\":[\"ops\",\"dev\"]"));
    assert_non_null(strstr(pending(), "\"time\":\"2026-01-01T13:00:30Z\""));
    assert_int_equal(w->requeue_at_ms, w->now_ms + 60000);
    w->nobody_tells = false;
    world_settle(w);
    assert_string_equal(pending(), "(none)");
    assert_int_equal(world_count_said(w, "notify-ops-Failed BackupFailed"), 1);
    assert_int_equal(world_count_said(w, "notify-dev-Failed BackupFailed"), 1);
    assert_string_equal(condition(), "True/Configured");
}

/* The controller dies before any write, and between telling and writing that it has told. */
static void notice_is_told_whenever_the_controller_dies(void **state)
{
    (void)state;
    for (int stop = 0; stop < 8; stop++) {
        start("2026-01-01T12:30:00Z", HOURLY("{\"channel\":\"ops\"}"));
        world_at(w, "2026-01-01T13:00:00Z");
        world_settle(w);
        world_pod_ends(w, "g-29454540", 11, BAD);
        w->writes = 0;
        w->stop_after = stop;
        world_settle(w);
        w->stop_after = -1;
        w->told_count = 0; /* the next one's notifier knows nothing */
        world_settle(w);
        if (world_count_said(w, "notify-ops-Failed") < 1 ||
            world_count_said(w, "notify-ops-Failed") > 2)
            fail_msg("stopped after %d writes:\n%s", stop, w->journal);
        assert_string_equal(pending(), "(none)");
        if (stop < 7)
            world_done(w);
    }
}

static void every_event_reaches_those_who_asked(void **state)
{
    static const char partial[] =
        "{\"result\":\"Partial\",\"reason\":\"PartiallySucceeded\",\"message\":\"1 of 2\","
        "\"exitCode\":3,\"retention\":{\"healthy\":false,\"reason\":\"Foreign\",\"message\":\"x\"}"
        "}";

    (void)state;
    start("2026-01-01T12:30:00Z",
          HOURLY("{\"channel\":\"all\",\"events\":[\"Succeeded\",\"Partial\",\"Failed\","
                 "\"Recovered\",\"Overdue\",\"VerificationFailed\",\"RetentionBlocked\"]},"
                 "{\"channel\":\"failed\",\"events\":[\"Failed\"]},"
                 "{\"channel\":\"good\",\"events\":[\"Succeeded\"]}"));
    run_ends("2026-01-01T13:00:00Z", 3, partial);
    assert_int_equal(world_count_said(w, "notify-all-Partial BackupPartiallySucceeded"), 1);
    assert_int_equal(world_count_said(w, "notify-failed-Partial"), 1);
    assert_int_equal(world_count_said(w, "notify-all-RetentionBlocked"), 1);
    assert_int_equal(world_count_said(w, "notify-failed-RetentionBlocked"), 0);
    run_ends("2026-01-01T14:00:00Z", 0, WORLD_GOOD);
    assert_int_equal(world_count_said(w, "notify-all-Succeeded"), 1);
    assert_int_equal(world_count_said(w, "notify-good-Succeeded"), 1);
    assert_int_equal(world_count_said(w, "notify-all-Recovered"), 1);
    assert_int_equal(world_count_said(w, "notify-good-"), 1);
    assert_int_equal(world_count_said(w, "notify-failed-"), 1);
}

static void unknown_channel_is_said_once_and_mended(void **state)
{
    (void)state;
    world_init(w, "2026-01-01T12:30:00Z");
    w->no_channel = "ops";
    world_create(w, PLAN_OBJ_BACKUP, HOURLY("{\"channel\":\"ops\"},{\"channel\":\"dev\"}"));
    world_settle(w);
    assert_string_equal(condition(), "False/UnknownChannel");
    run_ends("2026-01-01T13:00:00Z", 11, BAD);
    assert_int_equal(world_count_said(w, "notify-dev-Failed"), 1);
    assert_int_equal(world_count_said(w, "notify-ops-"), 0);
    assert_int_equal(world_count_said(w, "UnknownChannel spec.notifications: channel 'ops'"), 1);
    w->no_channel = NULL;
    world_settle(w);
    assert_string_equal(condition(), "True/Configured");
    w->nobody_tells = true;
    run_ends("2026-01-01T14:00:00Z", 11, BAD);
    assert_non_null(strstr(pending(), "[\"ops\",\"dev\"]"));
    w->no_channel = "ops"; /* taken away while something waits for it */
    world_settle(w);
    assert_non_null(strstr(pending(), "[\"dev\"]"));
    assert_true(world_said(w, "NotificationFailed channel 'ops' was not told of 'Failed-g-"));
}

static void faulty_configuration_holds_what_is_to_be_told(void **state)
{
    (void)state;
    start("2026-01-01T12:30:00Z", HOURLY("{\"channel\":\"ops\"}"));
    w->no_channel = "*";
    w->nobody_tells = true;
    run_ends("2026-01-01T13:00:00Z", 11, BAD);
    assert_string_equal(condition(), "False/InvalidConfiguration");
    assert_non_null(strstr(pending(), "[\"ops\"]"));
    w->no_channel = NULL;
    w->nobody_tells = false;
    world_settle(w);
    assert_string_equal(pending(), "(none)");
    assert_string_equal(condition(), "True/Configured");
    assert_int_equal(world_count_said(w, "notify-ops-Failed"), 1);
}

static void failed_delivery_is_an_event_and_a_condition_until_one_succeeds(void **state)
{
    (void)state;
    start("2026-01-01T12:30:00Z", HOURLY("{\"channel\":\"ops\"}"));
    w->tell_fault = "HTTP 404 'no_service'";
    run_ends("2026-01-01T13:00:00Z", 11, BAD);
    assert_string_equal(pending(), "(none)");
    assert_string_equal(condition(), "False/NotificationFailed");
    assert_int_equal(world_count_said(w, "NotificationFailed channel 'ops' was not told of 'Failed-"
                                         "g-29454540': HTTP 404 'no_service'"),
                     1);
    run_ends("2026-01-01T14:00:00Z", 11, BAD);
    assert_string_equal(condition(), "False/NotificationFailed");
    w->tell_fault = NULL;
    w->told_count = 0;
    run_ends("2026-01-01T15:00:00Z", 11, BAD);
    assert_string_equal(condition(), "True/Configured");
    /* a backup is none the worse for it */
    assert_string_equal(world_get(w, PLAN_OBJ_BACKUP, "g", "status.consecutiveFailures"), "3");
}

static void old_and_overflowing_notices_are_given_up(void **state)
{
    char now[40];
    int64_t t;

    (void)state;
    start("2026-01-01T00:30:00Z", HOURLY("{\"channel\":\"ops\",\"events\":[\"Failed\"]}"));
    w->nobody_tells = true;
    assert_true(nb_time_parse("2026-01-01T01:00:00Z", &t));
    for (int i = 0; i < 21; i++)
        run_ends(nb_time_format(t + i * 3600, now), 11, BAD);
    assert_int_equal(world_count_said(w, "newer notifications took its place"), 1);
    assert_null(strstr(pending(), "g-29453820"));
    world_patch(w, PLAN_OBJ_BACKUP, "g", "{\"spec\":{\"suspend\":true}}");
    world_at(w, "2026-01-02T21:00:29Z");
    world_settle(w);
    assert_non_null(strstr(pending(), "g-29455020"));
    world_at(w, "2026-01-02T21:00:31Z");
    world_settle(w);
    assert_string_equal(pending(), "(none)");
    assert_int_equal(world_count_said(w, "it is more than a day old"), 20);
    assert_string_equal(condition(), "False/NotificationFailed");
}

/* Nothing happens in the cluster: only the times that plans ask for. */
static void overdue_is_told_when_nothing_runs_at_all(void **state)
{
    int64_t due;

    (void)state;
    start("2026-01-01T12:00:00Z",
          WORLD_BACKUP(",\"schedule\":\"0 2 * * *\",\"startingDeadlineSeconds\":1,"
                       "\"notifications\":[{\"channel\":\"ops\"}]"));
    assert_true(nb_time_parse("2026-01-02T08:00:00Z", &due));
    for (int i = 0; i < 40 && !world_said(w, "notify-"); i++) {
        assert_true(w->requeue_at_ms > 0);
        /* so late that the start is missed each time */
        w->now_ms = w->requeue_at_ms + (w->requeue_at_ms < due * 1000 ? 5000 : 0);
        world_settle(w);
    }
    assert_int_equal(world_count(w, PLAN_OBJ_RUN), 0);
    assert_int_equal(world_count_said(w, "notify-ops-Overdue BackupOverdue"), 1);
    assert_int_equal(w->now_ms / 1000, due);
}

static void condition_goes_with_the_wish(void **state)
{
    (void)state;
    start("2026-01-01T12:30:00Z", HOURLY("{\"channel\":\"ops\"}"));
    assert_string_equal(condition(), "True/Configured");
    world_patch(w, PLAN_OBJ_BACKUP, "g", "{\"spec\":{\"notifications\":null}}");
    world_settle(w);
    assert_string_equal(condition(), "(none)");
    assert_int_equal(world_step(w), 0);
}

#define T(name) cmocka_unit_test_teardown(name, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(notice_waits_in_the_status_until_it_was_told),
        T(notice_is_told_whenever_the_controller_dies),
        T(every_event_reaches_those_who_asked),
        T(unknown_channel_is_said_once_and_mended),
        T(faulty_configuration_holds_what_is_to_be_told),
        T(failed_delivery_is_an_event_and_a_condition_until_one_succeeds),
        T(old_and_overflowing_notices_are_given_up),
        T(overdue_is_told_when_nothing_runs_at_all),
        T(condition_goes_with_the_wish),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
