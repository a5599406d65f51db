#include "tests/unit/controller/plan/world.h"

static struct world world;
static struct world *const w = &world;

static int teardown(void **state)
{
    (void)state;
    world_done(w);
    return 0;
}

static void start(const char *now, const char *backup)
{
    world_init(w, now);
    world_create(w, PLAN_OBJ_BACKUP, backup);
    world_settle(w);
}

static void assert_text(const char *got, const char *expected)
{
    assert_string_equal(got, expected);
}

#define AWAY                                                                                       \
    "{\"event\":\"waiting\",\"waitingFor\":\"Neo4j\",\"error\":\"host 'nosuch' not found\"}"

static const char *message_of(enum plan_object kind, const char *name, const char *type)
{
    struct world_object *o = world_find(w, kind, name);
    static char text[2000];

    nb_auto(nb_json_free) struct nb_json *v = world_parse(o->json);

    for (const struct nb_json *c = nb_json_first(nb_json_at(v, "status.conditions")); c;
         c = nb_json_next(c))
        if (nb_streq(nb_json_str(nb_json_get(c, "type"), ""), type)) {
            snprintf(text, sizeof(text), "%s", nb_json_str(nb_json_get(c, "message"), ""));
            return text;
        }
    return "(none)";
}

/* minutes since the epoch of 2026-01-02T02:00:00Z */
#define SLOT "g-29455320"

static void due_run_is_made_followed_and_recorded(void **state)
{
    (void)state;
    start("2026-01-01T12:00:00Z",
          WORLD_BACKUP(",\"schedule\":\"0 2 * * *\",\"notifications\":[{\"channel\":\"c\"}]"));
    assert_int_equal(world_count(w, PLAN_OBJ_RUN), 0);
    assert_text(world_get(w, PLAN_OBJ_BACKUP, "g", "status.nextScheduleTime"),
                "2026-01-02T02:00:00Z");
    assert_text(world_condition(w, PLAN_OBJ_BACKUP, "g", "Ready"), "True/Waiting");
    assert_text(world_condition(w, PLAN_OBJ_BACKUP, "g", "LastBackupSucceeded"),
                "Unknown/NoBackupYet");
    assert_text(world_condition(w, PLAN_OBJ_BACKUP, "g", "ScheduleValid"), "True/Valid");
    assert_text(world_get(w, PLAN_OBJ_BACKUP, "g", "status.destination"), "r2://bkt/p");
    assert_int_equal(w->requeue_at_ms, 1767319200100);

    world_at(w, "2026-01-02T02:00:00Z");
    world_settle(w);
    assert_int_equal(world_count(w, PLAN_OBJ_RUN), 1);
    assert_text(world_get(w, PLAN_OBJ_RUN, SLOT, "spec.trigger"), "Schedule");
    assert_text(world_get(w, PLAN_OBJ_RUN, SLOT, "spec.scheduledTime"), "2026-01-02T02:00:00Z");
    assert_text(world_get(w, PLAN_OBJ_RUN, SLOT, "spec.template.storage.r2.bucket"), "bkt");
    assert_text(world_get(w, PLAN_OBJ_JOB, SLOT, "metadata.name"), SLOT);
    assert_text(world_get(w, PLAN_OBJ_BACKUP, "g", "status.lastScheduleTime"),
                "2026-01-02T02:00:00Z");
    assert_text(world_get(w, PLAN_OBJ_BACKUP, "g", "status.active"), "[\"" SLOT "\"]");
    assert_text(world_condition(w, PLAN_OBJ_BACKUP, "g", "Ready"), "True/Running");
    assert_int_equal(world_count_said(w, "BackupRunCreated"), 1);

    world_pod_runs(w, SLOT);
    world_settle(w);
    assert_true(world_said(w, "follow " SLOT "-x"));
    assert_text(world_condition(w, PLAN_OBJ_RUN, SLOT, "Progressing"), "True/Running");
    w->now_ms += 65000;
    world_pod_ends(w, SLOT, 0, WORLD_GOOD);
    world_settle(w);
    assert_text(world_condition(w, PLAN_OBJ_RUN, SLOT, "Succeeded"), "True/Succeeded");
    assert_text(world_condition(w, PLAN_OBJ_RUN, SLOT, "Verified"), "True/Checksum");
    assert_text(world_get(w, PLAN_OBJ_RUN, SLOT, "status.size"), "1.2 GiB");
    assert_text(world_get(w, PLAN_OBJ_RUN, SLOT, "status.duration"), "1m 5s");
    assert_text(world_get(w, PLAN_OBJ_RUN, SLOT, "status.manifestKey"), "p/neo4j_x.manifest.json");
    assert_text(world_get(w, PLAN_OBJ_RUN, SLOT, "status.expiryTime"), "2026-01-09T02:00:00Z");
    assert_text(world_get(w, PLAN_OBJ_BACKUP, "g", "status.lastSuccessfulTime"),
                "2026-01-02T02:01:05Z");
    assert_text(world_get(w, PLAN_OBJ_BACKUP, "g", "status.lastSize"), "1.2 GiB");
    assert_text(world_get(w, PLAN_OBJ_BACKUP, "g", "status.lastRunName"), SLOT);
    assert_text(world_condition(w, PLAN_OBJ_BACKUP, "g", "Ready"), "True/Succeeded");
    assert_text(world_condition(w, PLAN_OBJ_BACKUP, "g", "RetentionHealthy"), "True/Healthy");
    assert_text(world_condition(w, PLAN_OBJ_BACKUP, "g", "Verified"), "True/Checksum");
    assert_int_equal(world_count_said(w, "BackupSucceeded"), 1); /* the channel did not ask */
    assert_false(world_said(w, "notify-"));
    assert_int_equal(world_count_said(w, "BackupPruned"), 1);
    assert_int_equal(world_step(w), 0);
}

#define RUN_BY_HAND(name, owners)                                                                  \
    "{\"metadata\":{\"name\":\"" name "\"" owners                                                  \
    "},\"spec\":{\"backupRef\":{\"name\":\"g\"},\"template\":{}}}"

#define OWNED_BY(name)                                                                             \
    ",\"ownerReferences\":[{\"kind\":\"Neo4jBackup\",\"name\":\"" name                             \
    "\",\"uid\":\"another\",\"controller\":true}]"

static void run_that_the_policy_does_not_own_is_told_so(void **state)
{
    (void)state;
    start("2026-01-01T12:00:00Z", WORLD_BACKUP(",\"schedule\":\"0 2 * * *\""));
    world_create(w, PLAN_OBJ_RUN, RUN_BY_HAND("mine", ""));
    world_create(w, PLAN_OBJ_RUN, RUN_BY_HAND("others", OWNED_BY("h")));
    world_settle(w);
    assert_text(world_condition(w, PLAN_OBJ_RUN, "mine", "Succeeded"), "False/NotOwned");
    assert_text(world_condition(w, PLAN_OBJ_RUN, "others", "Progressing"), "False/NotOwned");
    assert_true(strstr(message_of(PLAN_OBJ_RUN, "mine", "Succeeded"),
                       "neo4jbackup.dev/run-requested") != NULL);
    assert_int_equal(world_count(w, PLAN_OBJ_JOB), 0);
    assert_text(world_get(w, PLAN_OBJ_BACKUP, "g", "status.active"), "(none)");
    assert_int_equal(world_step(w), 0);
}

/* Of a policy that had this name before: the garbage collector comes for it. And of one that was
 * deleted with --cascade=orphan, whose Job goes on. */
static void run_that_had_an_owner_is_left_alone(void **state)
{
    (void)state;
    start("2026-01-01T12:00:00Z", WORLD_BACKUP(",\"schedule\":\"0 2 * * *\""));
    world_create(w, PLAN_OBJ_RUN, RUN_BY_HAND("old", OWNED_BY("g")));
    world_create(w, PLAN_OBJ_RUN, RUN_BY_HAND("orphan", ""));
    world_patch(w, PLAN_OBJ_RUN, "orphan", "{\"status\":{\"jobRef\":{\"name\":\"orphan\"}}}");
    world_settle(w);
    assert_text(world_condition(w, PLAN_OBJ_RUN, "old", "Succeeded"), "(none)");
    assert_text(world_condition(w, PLAN_OBJ_RUN, "orphan", "Succeeded"), "(none)");
}

/* The store of Jobs brings the end before that of pods brings how it ended. */
static void job_that_ends_before_its_pod_is_seen_is_looked_at(void **state)
{
    (void)state;
    start("2026-01-01T12:00:00Z", WORLD_BACKUP(",\"schedule\":\"0 2 * * *\""));
    world_at(w, "2026-01-02T02:00:00Z");
    world_settle(w);
    world_pod_ends(w, SLOT, 0, WORLD_GOOD);
    w->pods_are_hidden = true;
    world_settle(w);
    assert_int_equal(world_count_said(w, "look " SLOT), 1);
    assert_text(world_get(w, PLAN_OBJ_RUN, SLOT, "status.size"), "1.2 GiB");
    assert_text(world_get(w, PLAN_OBJ_RUN, SLOT, "status.manifestKey"), "p/neo4j_x.manifest.json");
}

static void job_whose_pod_is_gone_succeeds_without_details(void **state)
{
    (void)state;
    start("2026-01-01T12:00:00Z", WORLD_BACKUP(",\"schedule\":\"0 2 * * *\""));
    world_at(w, "2026-01-02T02:00:00Z");
    world_settle(w);
    world_pod_ends(w, SLOT, 0, WORLD_GOOD);
    world_delete(w, PLAN_OBJ_POD, SLOT "-x");
    world_settle(w);
    assert_int_equal(world_count_said(w, "look " SLOT), 1);
    assert_text(world_condition(w, PLAN_OBJ_RUN, SLOT, "Succeeded"), "True/Succeeded");
    assert_text(world_get(w, PLAN_OBJ_RUN, SLOT, "status.size"), "(none)");
}

/* Stops after the n-th write, for every n, and goes on as a new controller would: never two runs or
 * Jobs. */
static void crash_after_any_write_changes_nothing(void **state)
{
    int last = 0;

    (void)state;
    for (int n = 0; n < 40 && !last; n++) {
        if (n > 0)
            world_done(w);
        world_init(w, "2026-01-01T12:00:00Z");
        world_create(w, PLAN_OBJ_BACKUP, WORLD_BACKUP(",\"schedule\":\"0 2 * * *\""));
        w->stop_after = n;
        world_settle(w);
        world_at(w, "2026-01-02T02:00:00Z");
        world_settle(w);
        if (world_find(w, PLAN_OBJ_JOB, SLOT)) {
            world_pod_ends(w, SLOT, 0, WORLD_GOOD);
            world_settle(w);
        }
        last = w->writes < n;
        w->stop_after = -1; /* the next controller */
        world_settle(w);
        if (!world_find(w, PLAN_OBJ_POD, SLOT "-x")) {
            world_pod_ends(w, SLOT, 0, WORLD_GOOD);
            world_settle(w);
        }
        assert_int_equal(world_count(w, PLAN_OBJ_RUN), 1);
        assert_int_equal(world_count(w, PLAN_OBJ_JOB), 1);
        assert_text(world_condition(w, PLAN_OBJ_RUN, SLOT, "Succeeded"), "True/Succeeded");
        assert_text(world_get(w, PLAN_OBJ_BACKUP, "g", "status.lastScheduleTime"),
                    "2026-01-02T02:00:00Z");
        assert_text(world_get(w, PLAN_OBJ_BACKUP, "g", "status.lastRunName"), SLOT);
        assert_text(world_get(w, PLAN_OBJ_BACKUP, "g", "status.consecutiveFailures"), "0");
    }
    assert_true(last);
}

static void feed(const char *job, const char *line)
{
    assert_true(api_log_feed(world_log(w, job), line, strlen(line), w->now_ms / 1000));
}

/* The end of a run is written, and the controller dies before the backup's status is: what the worker said of retention, and of
 * the bucket, is told by the next one. */
static void crash_between_two_statuses_loses_no_word(void **state)
{
    static const char blocked[] =
        "{\"result\":\"Failed\",\"reason\":\"RetentionBlocked\",\"message\":\"m\",\"exitCode\":31,"
        "\"retention\":{\"healthy\":false,\"reason\":\"Foreign\",\"message\":\"not ours\"}}";

    (void)state;
    start("2026-01-01T12:00:00Z",
          WORLD_BACKUP(",\"schedule\":\"0 2 * * *\",\"notifications\":[{\"channel\":\"c\","
                       "\"events\":[\"RetentionBlocked\"]}]"));
    world_at(w, "2026-01-02T02:00:00Z");
    world_settle(w);
    feed(SLOT, "{\"event\":\"inventory\",\"stored\":{\"count\":3,\"totalBytes\":5}}");
    world_pod_ends(w, SLOT, 31, blocked);
    w->stop_after = w->writes + 1;
    world_settle(w);
    assert_text(world_condition(w, PLAN_OBJ_RUN, SLOT, "Succeeded"), "False/RetentionBlocked");
    assert_text(world_get(w, PLAN_OBJ_BACKUP, "g", "status.history"), "(none)");
    w->stop_after = -1;
    world_log(w, SLOT)->complete = false; /* the next controller has not read it yet */
    world_settle(w);
    assert_text(world_get(w, PLAN_OBJ_BACKUP, "g", "status.history"), "(none)");
    world_log(w, SLOT)->complete = true;
    world_settle(w);
    assert_text(world_condition(w, PLAN_OBJ_BACKUP, "g", "RetentionHealthy"), "False/Foreign");
    assert_text(world_get(w, PLAN_OBJ_BACKUP, "g", "status.stored.count"), "3");
    assert_int_equal(world_count_said(w, "notify-c-RetentionBlocked"), 1);
    assert_text(world_get(w, PLAN_OBJ_BACKUP, "g", "status.consecutiveFailures"), "1");
    assert_int_equal(world_step(w), 0);
}

static void failures_are_counted_and_recovery_is_told(void **state)
{
    static const char *const times[] = { "2026-01-01T13:00:00Z", "2026-01-01T14:00:00Z",
                                         "2026-01-01T15:00:00Z" };
    static const char bad[] =
        "{\"result\":\"Failed\",\"reason\":\"Neo4jAuthFailed\",\"message\":\"wrong password\","
        "\"exitCode\":11,\"retriable\":false}";
    char name[80];

    (void)state;
    start("2026-01-01T12:30:00Z",
          WORLD_BACKUP(",\"schedule\":\"0 * * * *\",\"notifications\":[{\"channel\":\"c\"}]"));
    for (int i = 0; i < 3; i++) {
        world_at(w, times[i]);
        world_settle(w);
        snprintf(name, sizeof(name), "g-%lld", (long long)(w->now_ms / 60000));
        w->now_ms += 30000;
        world_pod_ends(w, name, i < 2 ? 11 : 0, i < 2 ? bad : WORLD_GOOD);
        world_settle(w);
        assert_text(world_get(w, PLAN_OBJ_BACKUP, "g", "status.consecutiveFailures"), i == 0 ? "1"
                                                                                      : i == 1
                                                                                          ? "2"
                                                                                          : "0");
        if (i == 1) {
            assert_text(world_condition(w, PLAN_OBJ_BACKUP, "g", "Ready"), "False/Neo4jAuthFailed");
            assert_text(world_condition(w, PLAN_OBJ_BACKUP, "g", "LastBackupSucceeded"),
                        "False/Neo4jAuthFailed");
            assert_text(world_get(w, PLAN_OBJ_RUN, name, "status.failure.exitCode"), "11");
            assert_text(world_get(w, PLAN_OBJ_RUN, name, "status.failure.message"),
                        "wrong password");
        }
    }
    assert_int_equal(world_count_said(w, "notify-c-Failed BackupFailed"), 2);
    assert_int_equal(world_count_said(w, "notify-c-Recovered BackupRecovered"), 1);
    assert_text(world_condition(w, PLAN_OBJ_BACKUP, "g", "LastBackupSucceeded"), "True/Succeeded");
}

static void forbid_skips_and_runs_later(void **state)
{
    (void)state;
    start("2026-01-01T12:30:00Z", WORLD_BACKUP(",\"schedule\":\"0 * * * *\""));
    world_at(w, "2026-01-01T13:00:00Z");
    world_settle(w);
    world_pod_runs(w, "g-29454540");
    world_settle(w);
    assert_int_equal(world_count(w, PLAN_OBJ_RUN), 1);
    world_at(w, "2026-01-01T14:00:00Z");
    world_settle(w);
    world_settle(w);
    assert_int_equal(world_count(w, PLAN_OBJ_RUN), 1);
    assert_int_equal(world_count_said(w, "ScheduleSkipped"), 1);
    assert_text(world_get(w, PLAN_OBJ_BACKUP, "g", "status.lastSkippedTime"),
                "2026-01-01T14:00:00Z");
    assert_text(world_get(w, PLAN_OBJ_BACKUP, "g", "status.lastSkippedReason"), "RunActive");
    world_at(w, "2026-01-01T14:20:00Z");
    world_pod_ends(w, "g-29454540", 0, WORLD_GOOD);
    world_settle(w);
    assert_text(world_get(w, PLAN_OBJ_RUN, "g-29454600", "spec.scheduledTime"),
                "2026-01-01T14:00:00Z");
}

static void skip_beside_a_run_that_the_same_plan_makes_names_it(void **state)
{
    (void)state;
    start("2026-01-01T12:30:00Z", WORLD_BACKUP(",\"schedule\":\"0 * * * *\""));
    world_patch(w, PLAN_OBJ_BACKUP, "g",
                "{\"metadata\":{\"annotations\":{\"neo4jbackup.dev/run-requested\":\"a\"}}}");
    world_at(w, "2026-01-01T13:00:00Z");
    world_settle(w);
    assert_true(world_said(w, "ScheduleSkipped skipped a scheduled time: run 'g-m"));
}

static void allow_starts_beside_and_replace_ends_first(void **state)
{
    (void)state;
    start("2026-01-01T12:30:00Z",
          WORLD_BACKUP(",\"schedule\":\"0 * * * *\",\"concurrencyPolicy\":\"Allow\""));
    world_at(w, "2026-01-01T13:00:00Z");
    world_settle(w);
    world_pod_runs(w, "g-29454540");
    world_settle(w);
    world_at(w, "2026-01-01T14:00:00Z");
    world_settle(w);
    assert_int_equal(world_count(w, PLAN_OBJ_RUN), 2);
    world_done(w);
    start("2026-01-01T12:30:00Z",
          WORLD_BACKUP(",\"schedule\":\"0 * * * *\",\"concurrencyPolicy\":\"Replace\""));
    world_at(w, "2026-01-01T13:00:00Z");
    world_settle(w);
    world_pod_runs(w, "g-29454540");
    world_settle(w);
    world_at(w, "2026-01-01T14:00:00Z");
    world_step(w);
    assert_true(world_said(w, "delete-run g-29454540"));
    assert_false(world_said(w, "create-run g-29454600"));
    world_settle(w);
    assert_int_equal(world_count(w, PLAN_OBJ_RUN), 1);
    assert_text(world_get(w, PLAN_OBJ_RUN, "g-29454600", "spec.trigger"), "Schedule");
}

static void replace_waits_for_one_that_is_going(void **state)
{
    (void)state;
    start("2026-01-01T12:30:00Z",
          WORLD_BACKUP(",\"schedule\":\"0 * * * *\",\"concurrencyPolicy\":\"Replace\""));
    world_at(w, "2026-01-01T13:00:00Z");
    world_settle(w);
    world_patch(w, PLAN_OBJ_RUN, "g-29454540",
                "{\"metadata\":{\"deletionTimestamp\":\"2026-01-01T13:59:59Z\"}}");
    world_at(w, "2026-01-01T14:00:00Z");
    world_settle(w);
    assert_false(world_said(w, "create-run g-29454600"));
    assert_true(w->requeue_at_ms <= w->now_ms + 5000);
}

static void without_schedule_it_runs_once(void **state)
{
    (void)state;
    start("2026-01-01T12:00:00Z", WORLD_BACKUP(""));
    assert_text(world_get(w, PLAN_OBJ_RUN, "g-i", "spec.trigger"), "Immediate");
    world_pod_ends(w, "g-i", 0, WORLD_GOOD);
    world_settle(w);
    assert_text(world_condition(w, PLAN_OBJ_BACKUP, "g", "Ready"), "True/Succeeded");
    world_delete(w, PLAN_OBJ_RUN, "g-i");
    w->now_ms += 86400000;
    world_settle(w);
    assert_int_equal(world_count(w, PLAN_OBJ_RUN), 0);
    assert_int_equal(world_count_said(w, "create-run"), 1);
}

static void run_requested_gives_one_run_a_token(void **state)
{
    (void)state;
    start("2026-01-01T12:00:00Z", WORLD_BACKUP(",\"schedule\":\"0 2 * * *\",\"suspend\":true"));
    assert_text(world_condition(w, PLAN_OBJ_BACKUP, "g", "Ready"), "True/Suspended");
    assert_text(world_get(w, PLAN_OBJ_BACKUP, "g", "status.nextScheduleTime"), "(none)");
    world_patch(w, PLAN_OBJ_BACKUP, "g",
                "{\"metadata\":{\"annotations\":{\"neo4jbackup.dev/run-requested\":\"t1\"}}}");
    world_settle(w);
    assert_int_equal(world_count_said(w, "create-run"), 1);
    assert_text(world_get(w, PLAN_OBJ_BACKUP, "g", "status.lastHandledRequest"), "t1");
    assert_text(world_get(w, PLAN_OBJ_BACKUP, "g", "status.lastScheduleTime"), "(none)");
    /* A second request waits for the first run to end. */
    world_patch(w, PLAN_OBJ_BACKUP, "g",
                "{\"metadata\":{\"annotations\":{\"neo4jbackup.dev/run-requested\":\"t2\"}}}");
    world_settle(w);
    assert_int_equal(world_count_said(w, "create-run"), 1);
    for (size_t i = 0; i < w->count; i++)
        if (w->objects[i].json && w->objects[i].kind == PLAN_OBJ_JOB)
            world_pod_ends(w, w->objects[i].name, 0, WORLD_GOOD);
    world_settle(w);
    assert_int_equal(world_count_said(w, "create-run"), 2);
    assert_text(world_get(w, PLAN_OBJ_BACKUP, "g", "status.lastHandledRequest"), "t2");
    world_settle(w);
    assert_int_equal(world_count(w, PLAN_OBJ_RUN), 2);
}

/* A request beside the first run, with Replace: that is replaced once, and not made again. */
static void replace_of_the_first_run_comes_to_rest(void **state)
{
    (void)state;
    world_init(w, "2026-01-01T12:00:00Z");
    world_create(w, PLAN_OBJ_BACKUP, WORLD_BACKUP(",\"concurrencyPolicy\":\"Replace\""));
    world_patch(w, PLAN_OBJ_BACKUP, "g",
                "{\"metadata\":{\"annotations\":{\"neo4jbackup.dev/run-requested\":\"t1\"}}}");
    world_settle(w);
    assert_int_equal(world_count(w, PLAN_OBJ_RUN), 1);
    assert_int_equal(world_count_said(w, "create-run"), 2);
    assert_string_equal(world_get(w, PLAN_OBJ_BACKUP, "g", "status.lastHandledRequest"), "t1");
}

static void very_long_token_is_handled_too(void **state)
{
    char patch[3000], token[2000];

    (void)state;
    memset(token, 'x', sizeof(token));
    token[sizeof(token) - 1] = '\0';
    start("2026-01-01T12:00:00Z", WORLD_BACKUP(",\"schedule\":\"0 2 * * *\""));
    snprintf(patch, sizeof(patch),
             "{\"metadata\":{\"annotations\":{\"neo4jbackup.dev/run-requested\":\"%s\"}}}", token);
    world_patch(w, PLAN_OBJ_BACKUP, "g", patch);
    world_settle(w);
    assert_int_equal(world_count(w, PLAN_OBJ_RUN), 1);
    assert_true(strlen(world_get(w, PLAN_OBJ_BACKUP, "g", "status.lastHandledRequest")) <= 253);
}

static void invalid_schedule_is_told_once_and_mended(void **state)
{
    (void)state;
    start("2026-01-01T12:00:00Z", WORLD_BACKUP(",\"schedule\":\"0 0 31 2 *\""));
    world_settle(w);
    assert_int_equal(world_count_said(w, "InvalidSchedule"), 1);
    assert_text(world_condition(w, PLAN_OBJ_BACKUP, "g", "ScheduleValid"), "False/InvalidSchedule");
    assert_text(world_condition(w, PLAN_OBJ_BACKUP, "g", "Ready"), "False/InvalidSchedule");
    world_patch(w, PLAN_OBJ_BACKUP, "g",
                "{\"spec\":{\"schedule\":\"0 12 * * *\"},\"metadata\":{\"generation\":2}}");
    world_settle(w);
    assert_text(world_condition(w, PLAN_OBJ_BACKUP, "g", "ScheduleValid"), "True/Valid");
    assert_text(world_get(w, PLAN_OBJ_BACKUP, "g", "status.scheduleChangeTime"),
                "2026-01-01T12:00:00Z");
    assert_int_equal(world_count(w, PLAN_OBJ_RUN), 0);
    world_patch(w, PLAN_OBJ_BACKUP, "g", "{\"spec\":{\"timeZone\":\"Mars/Olympus\"}}");
    world_settle(w);
    assert_text(world_condition(w, PLAN_OBJ_BACKUP, "g", "ScheduleValid"), "False/UnknownTimeZone");
    assert_true(world_said(w, "UnknownTimeZone"));
}

static void foreign_run_of_the_name_skips_the_slot(void **state)
{
    (void)state;
    start("2026-01-01T12:00:00Z", WORLD_BACKUP(",\"schedule\":\"0 2 * * *\""));
    world_create(w, PLAN_OBJ_RUN,
                 "{\"metadata\":{\"name\":\"" SLOT
                 "\"},\"spec\":{\"backupRef\":{\"name\":\"g\"}}}");
    world_at(w, "2026-01-02T02:00:00Z");
    world_settle(w);
    assert_int_equal(world_count_said(w, "NameCollision Neo4jBackupRun"), 1);
    assert_text(world_get(w, PLAN_OBJ_BACKUP, "g", "status.lastSkippedReason"), "NameCollision");
    assert_int_equal(world_count(w, PLAN_OBJ_JOB), 0);
    world_at(w, "2026-01-03T02:00:00Z");
    world_settle(w);
    assert_int_equal(world_count(w, PLAN_OBJ_JOB), 1);
}

/* Deleted and made again at once: the run of the one before still has the name, until the garbage collector comes. */
static void run_of_a_predecessor_is_waited_for(void **state)
{
    (void)state;
    world_init(w, "2026-01-01T12:00:00Z");
    world_create(w, PLAN_OBJ_BACKUP, WORLD_BACKUP(""));
    world_create(w, PLAN_OBJ_RUN,
                 "{\"metadata\":{\"name\":\"g-i\",\"ownerReferences\":[{\"kind\":\"Neo4jBackup\","
                 "\"name\":\"g\",\"uid\":\"before\",\"controller\":true}]},"
                 "\"spec\":{\"backupRef\":{\"name\":\"g\"}}}");
    world_settle(w);
    assert_false(world_said(w, "NameCollision"));
    assert_true(w->requeue_at_ms <= w->now_ms + 5000);
    world_delete(w, PLAN_OBJ_RUN, "g-i");
    world_settle(w);
    assert_text(world_get(w, PLAN_OBJ_RUN, "g-i", "spec.trigger"), "Immediate");
    assert_int_equal(world_count(w, PLAN_OBJ_JOB), 1);
}

static void foreign_job_of_the_name_fails_the_run(void **state)
{
    (void)state;
    start("2026-01-01T12:00:00Z", WORLD_BACKUP(",\"schedule\":\"0 2 * * *\""));
    world_create(w, PLAN_OBJ_JOB, "{\"metadata\":{\"name\":\"" SLOT "\"}}");
    world_at(w, "2026-01-02T02:00:00Z");
    world_settle(w);
    assert_text(world_condition(w, PLAN_OBJ_RUN, SLOT, "Succeeded"), "False/NameCollision");
}

static void job_that_is_gone_is_looked_for_first(void **state)
{
    (void)state;
    start("2026-01-01T12:00:00Z", WORLD_BACKUP(",\"schedule\":\"0 2 * * *\""));
    world_at(w, "2026-01-02T02:00:00Z");
    world_settle(w);
    world_delete(w, PLAN_OBJ_JOB, SLOT);
    world_settle(w);
    assert_true(world_said(w, "look " SLOT));
    assert_text(world_condition(w, PLAN_OBJ_RUN, SLOT, "Succeeded"), "False/JobGone");
    assert_int_equal(world_count_said(w, "create-job"), 1);
}

static void pod_that_cannot_start_is_shown_and_given_up(void **state)
{
    (void)state;
    start("2026-01-01T12:00:00Z", WORLD_BACKUP(",\"schedule\":\"0 2 * * *\""));
    world_at(w, "2026-01-02T02:00:00Z");
    world_settle(w);
    world_pod_runs(w, SLOT);
    world_patch(w, PLAN_OBJ_POD, SLOT "-x",
                "{\"status\":{\"phase\":\"Pending\",\"containerStatuses\":[{\"name\":\"worker\","
                "\"state\":{\"waiting\":{"
                "\"reason\":\"ImagePullBackOff\",\"message\":\"no such image\"}}}]}}");
    world_settle(w);
    assert_text(world_condition(w, PLAN_OBJ_RUN, SLOT, "Progressing"), "True/ImagePullBackOff");
    assert_text(world_condition(w, PLAN_OBJ_BACKUP, "g", "Ready"), "False/PodNotStarting");
    assert_text(message_of(PLAN_OBJ_BACKUP, "g", "Ready"),
                "run '" SLOT "': ImagePullBackOff: no such image");
    assert_int_equal(world_count_said(w, "BackupWaiting"), 1);
    w->now_ms += 3601000;
    world_settle(w);
    assert_text(world_condition(w, PLAN_OBJ_RUN, SLOT, "Succeeded"), "False/ImagePullBackOff");
    assert_true(world_said(w, "delete-job " SLOT));
}

static void log_is_waited_for_a_minute(void **state)
{
    (void)state;
    start("2026-01-01T12:00:00Z", WORLD_BACKUP(",\"schedule\":\"0 2 * * *\""));
    world_at(w, "2026-01-02T02:00:00Z");
    world_settle(w);
    world_pod_ends(w, SLOT, 0, WORLD_GOOD);
    world_log(w, SLOT)->complete = false;
    world_settle(w);
    assert_text(world_condition(w, PLAN_OBJ_RUN, SLOT, "Succeeded"), "Unknown/Running");
    assert_true(world_said(w, "follow " SLOT "-x"));
    w->now_ms += 61000;
    world_settle(w);
    assert_text(world_condition(w, PLAN_OBJ_RUN, SLOT, "Succeeded"), "True/Succeeded");
}

/* The log of a pod that failed is not that of the one that came after it. */
static void log_of_a_retried_job_is_followed_anew(void **state)
{
    (void)state;
    start("2026-01-01T12:00:00Z", WORLD_BACKUP(",\"schedule\":\"0 2 * * *\""));
    world_at(w, "2026-01-02T02:00:00Z");
    world_settle(w);
    world_pod_ends(w, SLOT, 0, WORLD_GOOD);
    api_log_set_pod(world_log(w, SLOT), "an-earlier-pod");
    world_settle(w);
    assert_true(world_said(w, "follow " SLOT "-x"));
    assert_text(world_condition(w, PLAN_OBJ_RUN, SLOT, "Succeeded"), "Unknown/Running");
    api_log_set_pod(world_log(w, SLOT), SLOT "-x");
    world_settle(w);
    assert_text(world_condition(w, PLAN_OBJ_RUN, SLOT, "Succeeded"), "True/Succeeded");
}

static void what_a_worker_waits_for_is_said_at_once_and_told_once(void **state)
{
    int writes;

    (void)state;
    start("2026-01-01T12:00:00Z", WORLD_BACKUP(",\"schedule\":\"0 2 * * *\""));
    world_at(w, "2026-01-02T02:00:00Z");
    world_settle(w);
    world_pod_runs(w, SLOT);
    world_settle(w);
    assert_text(world_condition(w, PLAN_OBJ_RUN, SLOT, "Waiting"), "(none)");
    feed(SLOT, AWAY);
    world_settle(w);
    assert_text(world_condition(w, PLAN_OBJ_RUN, SLOT, "Progressing"), "True/WaitingForNeo4j");
    assert_text(message_of(PLAN_OBJ_RUN, SLOT, "Progressing"), "host 'nosuch' not found");
    assert_text(world_condition(w, PLAN_OBJ_RUN, SLOT, "Waiting"), "True/WaitingForNeo4j");
    assert_text(world_condition(w, PLAN_OBJ_BACKUP, "g", "Ready"), "False/WaitingForNeo4j");
    assert_text(message_of(PLAN_OBJ_BACKUP, "g", "Ready"),
                "run '" SLOT "': host 'nosuch' not found");
    assert_true(
        world_said(w, "BackupWaiting run '" SLOT "': WaitingForNeo4j: host 'nosuch' not found\n"));

    /* Each try says it again, and the progress says that there is none. */
    feed(SLOT, "{\"event\":\"progress\",\"stage\":\"WaitingForNeo4j\",\"percent\":0}");
    world_settle(w);
    writes = w->writes;
    for (int i = 0; i < 30; i++) {
        w->now_ms += 20000;
        assert_false(api_log_feed(world_log(w, SLOT), AWAY, strlen(AWAY), w->now_ms / 1000));
        feed(SLOT, "{\"event\":\"progress\",\"stage\":\"WaitingForNeo4j\",\"percent\":0}");
        world_settle(w);
    }
    assert_int_equal(w->writes, writes);
    feed(SLOT, "{\"event\":\"waiting\",\"waitingFor\":\"Neo4j\",\"error\":\"refused\"}");
    world_settle(w);
    assert_text(message_of(PLAN_OBJ_BACKUP, "g", "Ready"), "run '" SLOT "': refused");

    feed(SLOT, "{\"event\":\"progress\",\"stage\":\"ExportingNodes\",\"percent\":1}");
    world_settle(w);
    assert_text(world_condition(w, PLAN_OBJ_RUN, SLOT, "Progressing"), "True/Running");
    assert_text(world_condition(w, PLAN_OBJ_RUN, SLOT, "Waiting"), "False/WaitingForNeo4j");
    assert_text(world_condition(w, PLAN_OBJ_BACKUP, "g", "Ready"), "True/Running");
    feed(SLOT, AWAY);
    world_settle(w);
    assert_text(world_condition(w, PLAN_OBJ_BACKUP, "g", "Ready"), "False/WaitingForNeo4j");
    assert_int_equal(world_count_said(w, "BackupWaiting"), 1);
    world_pod_ends(w, SLOT, 0, WORLD_GOOD);
    world_settle(w);
    assert_text(world_condition(w, PLAN_OBJ_RUN, SLOT, "Waiting"), "False/WaitingForNeo4j");
    assert_text(world_condition(w, PLAN_OBJ_BACKUP, "g", "Ready"), "True/Succeeded");
}

static void missing_secret_is_said_while_it_is_waited_for(void **state)
{
    (void)state;
    start("2026-01-01T12:00:00Z", WORLD_BACKUP(",\"schedule\":\"0 2 * * *\""));
    world_at(w, "2026-01-02T02:00:00Z");
    world_settle(w);
    world_pod_runs(w, SLOT);
    feed(SLOT, "{\"event\":\"waiting\",\"waitingFor\":\"Secret\",\"error\":"
               "\"secret 'a' has no key X; it has: PASS\"}");
    world_settle(w);
    assert_text(world_condition(w, PLAN_OBJ_BACKUP, "g", "Ready"), "False/WaitingForSecret");
    assert_text(message_of(PLAN_OBJ_BACKUP, "g", "Ready"),
                "run '" SLOT "': secret 'a' has no key X; it has: PASS");
    feed(SLOT, "{\"event\":\"waitingOver\",\"waitingFor\":\"Secret\"}");
    world_settle(w);
    assert_text(world_condition(w, PLAN_OBJ_BACKUP, "g", "Ready"), "True/Running");
}

static void artifacts_and_inventory_come_from_the_log(void **state)
{
    (void)state;
    start("2026-01-01T12:00:00Z", WORLD_BACKUP(",\"schedule\":\"0 2 * * *\""));
    world_at(w, "2026-01-02T02:00:00Z");
    world_settle(w);
    world_pod_runs(w, SLOT);
    feed(SLOT,
         "{\"event\":\"progress\",\"stage\":\"ExportingNodes\",\"percent\":42,\"database\":\"a\"}");
    world_settle(w);
    assert_text(world_get(w, PLAN_OBJ_RUN, SLOT, "status.progressText"), "ExportingNodes 42%");
    w->now_ms += 2000;
    feed(SLOT,
         "{\"event\":\"progress\",\"stage\":\"ExportingNodes\",\"percent\":50,\"database\":\"a\"}");
    world_settle(w); /* at most one write in ten seconds */
    assert_text(world_get(w, PLAN_OBJ_RUN, SLOT, "status.progress.percent"), "42");
    assert_true(w->requeue_at_ms <= w->now_ms + 8000);
    w->now_ms += 8000;
    world_settle(w);
    assert_text(world_get(w, PLAN_OBJ_RUN, SLOT, "status.progress.percent"), "50");
    feed(SLOT, "{\"event\":\"artifact\",\"database\":\"a\",\"key\":\"p/"
               "a.cypher.gz\",\"manifestKey\":\"p/a.manifest.json\","
               "\"sizeBytes\":100}");
    feed(SLOT, "{\"event\":\"artifact\",\"database\":\"b\",\"key\":\"p/"
               "b.cypher.gz\",\"manifestKey\":\"p/b.manifest.json\","
               "\"sizeBytes\":50,\"engine\":\"Apoc\",\"warnings\":\"lost: an index\"}");
    feed(
        SLOT,
        "{\"event\":\"inventory\",\"stored\":{\"count\":7,\"totalBytes\":2000000000,\"newestTime\":"
        "\"2026-01-02T02:00:00Z\"},\"points\":[{\"database\":\"a\",\"time\":\"2026-01-02T02:00:"
        "00Z\","
        "\"manifestKey\":\"p/a.manifest.json\",\"sizeBytes\":100,\"verified\":\"Checksum\"}]}");
    world_pod_ends(w, SLOT, 0, "{\"result\":\"Succeeded\",\"databases\":2,\"exitCode\":0}");
    world_settle(w);
    assert_text(world_get(w, PLAN_OBJ_RUN, SLOT, "status.sizeBytes"), "150");
    assert_true(strstr(world_get(w, PLAN_OBJ_RUN, SLOT, "status.artifacts"), "p/b.manifest.json") !=
                NULL);
    assert_non_null(strstr(world_get(w, PLAN_OBJ_RUN, SLOT, "status.artifacts"), "lost: an index"));
    assert_text(world_get(w, PLAN_OBJ_BACKUP, "g", "status.stored.count"), "7");
    assert_text(world_get(w, PLAN_OBJ_BACKUP, "g", "status.stored.estimatedMonthlyCostMicroUSD"),
                "30000");
    assert_true(strstr(world_get(w, PLAN_OBJ_BACKUP, "g", "status.restorePoints"),
                       "\"verified\":true") != NULL);
}

static void history_is_trimmed_and_pins_stay(void **state)
{
    char name[80], first[80] = "";

    (void)state;
    start("2026-01-01T12:30:00Z",
          WORLD_BACKUP(",\"schedule\":\"0 * * * *\",\"successfulRunsHistoryLimit\":2"));
    for (int i = 0; i < 15; i++) {
        world_at(w, "2026-01-01T13:00:00Z");
        w->now_ms += i * 3600000;
        world_settle(w);
        snprintf(name, sizeof(name), "g-%lld", (long long)(w->now_ms / 60000));
        if (i == 0)
            snprintf(first, sizeof(first), "%s", name);
        w->now_ms += 10000;
        world_pod_ends(w, name, 0, WORLD_GOOD);
        world_settle(w);
        if (i == 0)
            world_patch(w, PLAN_OBJ_RUN, first,
                        "{\"metadata\":{\"annotations\":{\"neo4jbackup.dev/pinned\":\"true\"}}}");
        world_settle(w);
    }
    assert_int_equal(world_count(w, PLAN_OBJ_RUN), 3);
    assert_text(world_get(w, PLAN_OBJ_RUN, first, "metadata.name"), first);
    assert_int_equal(world_count_said(w, "BackupSucceeded"), 15);
    assert_int_equal(world_count_said(w, "create-job g-n"), 1);
}

static void pin_is_written_by_a_job(void **state)
{
    const char *job = NULL;

    (void)state;
    start("2026-01-01T12:00:00Z", WORLD_BACKUP(""));
    world_pod_ends(w, "g-i", 0, WORLD_GOOD);
    world_settle(w);
    world_patch(w, PLAN_OBJ_RUN, "g-i",
                "{\"metadata\":{\"annotations\":{\"neo4jbackup.dev/pinned\":\"true\"}}}");
    world_settle(w);
    for (size_t i = 0; i < w->count; i++)
        if (w->objects[i].json && w->objects[i].kind == PLAN_OBJ_JOB &&
            strncmp(w->objects[i].name, "g-n", 3) == 0)
            job = w->objects[i].name;
    assert_non_null(job);
    assert_true(strstr(world_get(w, PLAN_OBJ_JOB, job, "spec.template.spec.containers"),
                       "p/neo4j_x.manifest.json") != NULL);
    world_pod_ends(w, job, 0, "{\"result\":\"Succeeded\"}");
    world_settle(w);
    assert_text(world_get(w, PLAN_OBJ_RUN, "g-i", "status.pinned"), "true");
    assert_text(world_condition(w, PLAN_OBJ_RUN, "g-i", "Pinned"), "True/Pinned");
    assert_int_equal(world_count_said(w, "BackupPinned"), 1);
}

static void refresh_lists_the_bucket(void **state)
{
    const char *job = NULL;

    (void)state;
    start("2026-01-01T12:00:00Z", WORLD_BACKUP(",\"schedule\":\"0 2 * * *\""));
    world_patch(w, PLAN_OBJ_BACKUP, "g",
                "{\"metadata\":{\"annotations\":{\"neo4jbackup.dev/refresh-requested\":\"a\"}}}");
    world_settle(w);
    for (size_t i = 0; i < w->count; i++)
        if (w->objects[i].json && w->objects[i].kind == PLAN_OBJ_JOB)
            job = w->objects[i].name;
    assert_non_null(job);
    assert_true(strncmp(job, "g-l", 3) == 0);
    feed(job, "{\"event\":\"inventory\",\"stored\":{\"count\":3,\"totalBytes\":5},\"points\":[]}");
    world_pod_ends(w, job, 0, "{\"result\":\"Succeeded\"}");
    world_settle(w);
    assert_text(world_get(w, PLAN_OBJ_BACKUP, "g", "status.stored.count"), "3");
    assert_text(world_get(w, PLAN_OBJ_BACKUP, "g", "status.lastHandledRefresh"), "a");
    assert_int_equal(world_count_said(w, "CatalogueRefreshed"), 1);
    world_settle(w);
    assert_int_equal(world_count_said(w, "create-job"), 1);
}

static void verification_has_a_schedule_of_its_own(void **state)
{
    int said;

    (void)state;
    start("2026-01-01T12:00:00Z",
          WORLD_BACKUP(
              ",\"schedule\":\"0 2 * * "
              "*\",\"verification\":{\"level\":\"Readback\",\"schedule\":\"0 5 * * *\"},"
              "\"notifications\":[{\"channel\":\"c\",\"events\":[\"VerificationFailed\"]}]"));
    world_at(w, "2026-01-02T02:00:00Z");
    world_settle(w);
    assert_true(strstr(world_get(w, PLAN_OBJ_JOB, SLOT, "spec.template.spec.containers"),
                       "{\"name\":\"BACKUP_VERIFY_LEVEL\",\"value\":\"Checksum\"}") != NULL ||
                strlen(world_get(w, PLAN_OBJ_JOB, SLOT, "spec.template.spec.containers")) >= 1999);
    world_pod_ends(w, SLOT, 0, WORLD_GOOD);
    world_settle(w);
    assert_text(world_condition(w, PLAN_OBJ_BACKUP, "g", "Verified"), "Unknown/NotYetRun");
    assert_text(world_get(w, PLAN_OBJ_BACKUP, "g", "status.nextVerificationTime"),
                "2026-01-02T05:00:00Z");
    world_at(w, "2026-01-02T05:00:00Z");
    world_settle(w);
    assert_text(world_get(w, PLAN_OBJ_JOB, "g-v29455500", "metadata.name"), "g-v29455500");
    assert_text(world_get(w, PLAN_OBJ_BACKUP, "g", "status.lastVerificationScheduleTime"),
                "2026-01-02T05:00:00Z");
    w->now_ms += 60000;
    world_pod_ends(
        w, "g-v29455500", 50,
        "{\"result\":\"Failed\",\"reason\":\"VerificationFailed\",\"message\":\"bits\"}");
    world_patch(w, PLAN_OBJ_JOB, "g-v29455500",
                "{\"status\":{\"completionTime\":\"2026-01-02T05:01:02Z\"}}");
    world_settle(w);
    assert_text(world_condition(w, PLAN_OBJ_BACKUP, "g", "Verified"), "False/VerificationFailed");
    assert_int_equal(world_count_said(w, "notify-c-VerificationFailed VerificationFailed"), 1);
    world_settle(w);
    assert_int_equal(world_count_said(w, "create-job g-v"), 1);
    /* Without its pod the Job has another time, that of its own end, and nothing is told again. */
    said = world_count_said(w, "VerificationFailed");
    w->now_ms += 60000;
    world_delete(w, PLAN_OBJ_POD, "g-v29455500-x");
    world_settle(w);
    assert_int_equal(world_count_said(w, "VerificationFailed"), said);
    assert_text(world_condition(w, PLAN_OBJ_BACKUP, "g", "Ready"), "True/Succeeded");
}

static void overdue_is_told_once_and_passes(void **state)
{
    (void)state;
    start("2026-01-01T12:00:00Z",
          WORLD_BACKUP(",\"schedule\":\"0 2 * * "
                       "*\",\"notifications\":[{\"channel\":\"c\",\"events\":[\"Overdue\"]}]"));
    assert_text(world_condition(w, PLAN_OBJ_BACKUP, "g", "Overdue"), "False/OnTime");
    world_at(w, "2026-01-02T02:00:00Z");
    world_settle(w);
    world_pod_ends(w, SLOT, 11,
                   "{\"result\":\"Failed\",\"reason\":\"Neo4jAuthFailed\",\"message\":\"no\"}");
    world_settle(w);
    assert_text(world_condition(w, PLAN_OBJ_BACKUP, "g", "Overdue"), "False/OnTime");
    world_at(w, "2026-01-02T08:00:00Z");
    world_settle(w);
    assert_text(world_condition(w, PLAN_OBJ_BACKUP, "g", "Overdue"), "True/Overdue");
    assert_int_equal(world_count_said(w, "notify-c-Overdue BackupOverdue"), 1);
    world_at(w, "2026-01-03T02:00:00Z");
    world_settle(w);
    world_pod_ends(w, "g-29456760", 0, WORLD_GOOD);
    world_settle(w);
    assert_text(world_condition(w, PLAN_OBJ_BACKUP, "g", "Overdue"), "False/OnTime");
}

static void restore_level_without_an_image_is_said_before_a_run(void **state)
{
    (void)state;
    start("2026-01-01T12:00:00Z", WORLD_BACKUP(",\"schedule\":\"0 2 * * *\",\"verification\":{"
                                               "\"level\":\"Restore\"}"));
    assert_text(world_condition(w, PLAN_OBJ_BACKUP, "g", "Ready"), "False/InvalidSpec");
    assert_true(strstr(message_of(PLAN_OBJ_BACKUP, "g", "Ready"),
                       "spec.verification.level is 'Restore'") != NULL);
    assert_true(strstr(message_of(PLAN_OBJ_BACKUP, "g", "Ready"),
                       "; hint: set spec.verification.neo4jImage") != NULL);
    w->now_ms += 60000;
    world_settle(w);
    assert_int_equal(world_count_said(w, "InvalidSpec spec.verification.level"), 1);
    w->options.verify_neo4j_image = "neo4j:5";
    world_settle(w);
    assert_text(world_condition(w, PLAN_OBJ_BACKUP, "g", "Ready"), "True/Waiting");
    w->options.verify_neo4j_image = "";
    world_patch(w, PLAN_OBJ_BACKUP, "g",
                "{\"spec\":{\"verification\":{\"neo4jImage\":\"neo4j:5\"}}}");
    world_settle(w);
    assert_text(world_condition(w, PLAN_OBJ_BACKUP, "g", "Ready"), "True/Waiting");
}

static void deletion_with_delete_prunes_first(void **state)
{
    const char *job = NULL;

    (void)state;
    start("2026-01-01T12:00:00Z",
          WORLD_BACKUP(",\"schedule\":\"0 2 * * *\",\"retention\":{\"onDelete\":\"Delete\"}"));
    assert_text(world_get(w, PLAN_OBJ_BACKUP, "g", "metadata.finalizers"),
                "[\"neo4jbackup.dev/prune\"]");
    world_at(w, "2026-01-02T02:00:00Z");
    world_settle(w);
    world_patch(w, PLAN_OBJ_BACKUP, "g",
                "{\"metadata\":{\"deletionTimestamp\":\"2026-01-02T02:00:10Z\"}}");
    world_settle(w);
    assert_true(world_said(w, "delete-run " SLOT));
    for (size_t i = 0; i < w->count; i++)
        if (w->objects[i].json && w->objects[i].kind == PLAN_OBJ_JOB)
            job = w->objects[i].name;
    assert_non_null(job);
    assert_true(strncmp(job, "g-p", 3) == 0);
    assert_text(world_condition(w, PLAN_OBJ_BACKUP, "g", "Ready"), "False/Deleting");
    assert_true(strstr(message_of(PLAN_OBJ_BACKUP, "g", "Ready"), "' removes the backups"));
    world_pod_runs(w, job);
    feed(
        job,
        "{\"event\":\"waiting\",\"waitingFor\":\"Secret\",\"error\":\"secret 'r2' is not there\"}");
    world_settle(w);
    assert_text(world_condition(w, PLAN_OBJ_BACKUP, "g", "Ready"), "False/Deleting");
    assert_true(strstr(message_of(PLAN_OBJ_BACKUP, "g", "Ready"),
                       "bucket: WaitingForSecret: secret 'r2' is not there"));
    assert_int_equal(world_count_said(w, "BackupWaiting Job 'g-p"), 1);
    assert_true(strstr(world_get(w, PLAN_OBJ_JOB, job, "spec.template.spec.containers"),
                       "PRUNE_ALL") != NULL);
    world_pod_ends(w, job, 0, "{\"result\":\"Succeeded\"}");
    world_step(w);
    assert_text(world_get(w, PLAN_OBJ_BACKUP, "g", "metadata.finalizers"), "[]");
    assert_int_equal(world_count_said(w, "FinalizerReleased"), 1);
}

static void deletion_lets_go_in_the_end(void **state)
{
    (void)state;
    start("2026-01-01T12:00:00Z",
          WORLD_BACKUP(",\"schedule\":\"0 2 * * *\",\"retention\":{\"onDelete\":\"Delete\"}"));
    world_patch(w, PLAN_OBJ_BACKUP, "g",
                "{\"metadata\":{\"deletionTimestamp\":\"2026-01-01T12:00:10Z\"}}");
    world_settle(w);
    w->now_ms += 3 * 3600000;
    world_step(w);
    assert_text(world_get(w, PLAN_OBJ_BACKUP, "g", "metadata.finalizers"), "[]");
    world_done(w);
    start("2026-01-01T12:00:00Z",
          WORLD_BACKUP(",\"schedule\":\"0 2 * * *\",\"retention\":{\"onDelete\":\"Delete\"}"));
    world_patch(w, PLAN_OBJ_BACKUP, "g",
                "{\"metadata\":{\"deletionTimestamp\":\"2026-01-01T12:00:10Z\"}}");
    w->namespace_terminating = true;
    world_step(w);
    assert_text(world_get(w, PLAN_OBJ_BACKUP, "g", "metadata.finalizers"), "[]");
    assert_int_equal(world_count(w, PLAN_OBJ_JOB), 0);
}

static void finalizer_follows_the_spec(void **state)
{
    (void)state;
    start("2026-01-01T12:00:00Z", WORLD_BACKUP(",\"schedule\":\"0 2 * * *\""));
    assert_text(world_get(w, PLAN_OBJ_BACKUP, "g", "metadata.finalizers"), "(none)");
    world_patch(w, PLAN_OBJ_BACKUP, "g",
                "{\"metadata\":{\"finalizers\":[\"x/"
                "y\"]},\"spec\":{\"retention\":{\"onDelete\":\"Delete\"}}}");
    world_settle(w);
    assert_text(world_get(w, PLAN_OBJ_BACKUP, "g", "metadata.finalizers"),
                "[\"x/y\",\"neo4jbackup.dev/prune\"]");
    world_patch(w, PLAN_OBJ_BACKUP, "g", "{\"spec\":{\"retention\":{\"onDelete\":\"Retain\"}}}");
    world_settle(w);
    assert_text(world_get(w, PLAN_OBJ_BACKUP, "g", "metadata.finalizers"), "[\"x/y\"]");
}

static void disabled_object_is_left_alone(void **state)
{
    (void)state;
    world_init(w, "2026-01-01T12:00:00Z");
    world_create(w, PLAN_OBJ_BACKUP, WORLD_BACKUP(""));
    world_patch(w, PLAN_OBJ_BACKUP, "g",
                "{\"metadata\":{\"annotations\":{\"neo4jbackup.dev/reconcile\":\"disabled\"}}}");
    assert_int_equal(world_step(w), 0);
}

static void missed_times_give_one_catch_up(void **state)
{
    (void)state;
    start("2026-01-01T12:30:00Z", WORLD_BACKUP(",\"schedule\":\"* * * * *\""));
    world_at(w, "2026-01-03T00:00:30Z");
    world_settle(w);
    assert_int_equal(world_count(w, PLAN_OBJ_RUN), 1);
    assert_true(world_said(w, "(CatchUp)"));
    assert_int_equal(world_count_said(w, "TooManyMissedTimes more than 100"), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(due_run_is_made_followed_and_recorded, teardown),
        cmocka_unit_test_teardown(job_that_ends_before_its_pod_is_seen_is_looked_at, teardown),
        cmocka_unit_test_teardown(job_whose_pod_is_gone_succeeds_without_details, teardown),
        cmocka_unit_test_teardown(crash_after_any_write_changes_nothing, teardown),
        cmocka_unit_test_teardown(crash_between_two_statuses_loses_no_word, teardown),
        cmocka_unit_test_teardown(failures_are_counted_and_recovery_is_told, teardown),
        cmocka_unit_test_teardown(forbid_skips_and_runs_later, teardown),
        cmocka_unit_test_teardown(skip_beside_a_run_that_the_same_plan_makes_names_it, teardown),
        cmocka_unit_test_teardown(allow_starts_beside_and_replace_ends_first, teardown),
        cmocka_unit_test_teardown(replace_waits_for_one_that_is_going, teardown),
        cmocka_unit_test_teardown(without_schedule_it_runs_once, teardown),
        cmocka_unit_test_teardown(run_requested_gives_one_run_a_token, teardown),
        cmocka_unit_test_teardown(replace_of_the_first_run_comes_to_rest, teardown),
        cmocka_unit_test_teardown(very_long_token_is_handled_too, teardown),
        cmocka_unit_test_teardown(invalid_schedule_is_told_once_and_mended, teardown),
        cmocka_unit_test_teardown(foreign_run_of_the_name_skips_the_slot, teardown),
        cmocka_unit_test_teardown(run_of_a_predecessor_is_waited_for, teardown),
        cmocka_unit_test_teardown(foreign_job_of_the_name_fails_the_run, teardown),
        cmocka_unit_test_teardown(job_that_is_gone_is_looked_for_first, teardown),
        cmocka_unit_test_teardown(pod_that_cannot_start_is_shown_and_given_up, teardown),
        cmocka_unit_test_teardown(log_is_waited_for_a_minute, teardown),
        cmocka_unit_test_teardown(log_of_a_retried_job_is_followed_anew, teardown),
        cmocka_unit_test_teardown(what_a_worker_waits_for_is_said_at_once_and_told_once, teardown),
        cmocka_unit_test_teardown(missing_secret_is_said_while_it_is_waited_for, teardown),
        cmocka_unit_test_teardown(artifacts_and_inventory_come_from_the_log, teardown),
        cmocka_unit_test_teardown(history_is_trimmed_and_pins_stay, teardown),
        cmocka_unit_test_teardown(pin_is_written_by_a_job, teardown),
        cmocka_unit_test_teardown(refresh_lists_the_bucket, teardown),
        cmocka_unit_test_teardown(verification_has_a_schedule_of_its_own, teardown),
        cmocka_unit_test_teardown(overdue_is_told_once_and_passes, teardown),
        cmocka_unit_test_teardown(restore_level_without_an_image_is_said_before_a_run, teardown),
        cmocka_unit_test_teardown(deletion_with_delete_prunes_first, teardown),
        cmocka_unit_test_teardown(deletion_lets_go_in_the_end, teardown),
        cmocka_unit_test_teardown(finalizer_follows_the_spec, teardown),
        cmocka_unit_test_teardown(disabled_object_is_left_alone, teardown),
        cmocka_unit_test_teardown(run_that_the_policy_does_not_own_is_told_so, teardown),
        cmocka_unit_test_teardown(run_that_had_an_owner_is_left_alone, teardown),
        cmocka_unit_test_teardown(missed_times_give_one_catch_up, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
