#include "tests/unit/controller/plan/world.h"

static struct world world;
static struct world *const w = &world;

static int teardown(void **state)
{
    (void)state;
    world_done(w);
    return 0;
}

#define RESTORE(source, more)                                                                      \
    "{\"metadata\":{\"name\":\"r\"},\"spec\":{\"source\":{" source                                 \
    "},\"target\":{\"connection\":{\"uri\":"                                                       \
    "\"bolt://t:7687\",\"authSecretRef\":{\"name\":\"target-auth\"}}}" more "}}"
#define KEY                                                                                        \
    "\"key\":\"p/"                                                                                 \
    "x.manifest.json\",\"storage\":{\"r2\":{\"bucket\":\"bkt\",\"credentialsSecretRef\":{"         \
    "\"name\":\"r2\"}}}"

static void start(const char *restore)
{
    world_init(w, "2026-01-01T12:00:00Z");
    world_create(w, PLAN_OBJ_RESTORE, restore);
    world_settle(w);
}

static bool job_has(const char *text)
{
    struct world_object *o = world_find(w, PLAN_OBJ_JOB, "r-r");

    return o && strstr(o->json, text);
}

static void restore_says_what_it_waits_for(void **state)
{
    static const char away[] =
        "{\"event\":\"waiting\",\"waitingFor\":\"Neo4j\",\"error\":\"host 'nosuch' not found\"}";
    static const char works[] = "{\"event\":\"progress\",\"stage\":\"Checking\"}";

    (void)state;
    start(RESTORE(KEY, ""));
    world_pod_runs(w, "r-r");
    assert_true(api_log_feed(world_log(w, "r-r"), away, strlen(away), 1));
    world_settle(w);
    assert_string_equal(world_condition(w, PLAN_OBJ_RESTORE, "r", "Progressing"),
                        "True/WaitingForNeo4j");
    assert_string_equal(world_condition(w, PLAN_OBJ_RESTORE, "r", "Waiting"),
                        "True/WaitingForNeo4j");
    assert_true(world_said(w, "RestoreWaiting WaitingForNeo4j: host 'nosuch' not found\n"));
    assert_true(api_log_feed(world_log(w, "r-r"), works, strlen(works), 2));
    world_settle(w);
    assert_string_equal(world_condition(w, PLAN_OBJ_RESTORE, "r", "Progressing"), "True/Running");
    assert_true(api_log_feed(world_log(w, "r-r"), away, strlen(away), 3));
    world_settle(w);
    assert_int_equal(world_count_said(w, "RestoreWaiting"), 1);
    world_pod_ends(w, "r-r", 0, WORLD_GOOD);
    world_settle(w);
    assert_string_equal(world_condition(w, PLAN_OBJ_RESTORE, "r", "Waiting"),
                        "False/WaitingForNeo4j");
}

/* Its pod may have merged everything when its node is drained. */
static void merge_has_one_try_whatever_the_spec_says(void **state)
{
    static const char disruption[] = "\"type\":\"DisruptionTarget\"";

    (void)state;
    start(RESTORE(KEY, ",\"overwritePolicy\":\"Merge\",\"job\":{\"backoffLimit\":3}"));
    assert_true(job_has("\"backoffLimit\":0"));
    assert_false(job_has(disruption));
    assert_true(job_has("\"action\":\"FailJob\""));
    world_done(w);
    start(RESTORE(KEY, ",\"overwritePolicy\":\"Fail\",\"job\":{\"backoffLimit\":3}"));
    assert_true(job_has("\"backoffLimit\":3"));
    assert_true(job_has(disruption));
}

static void restore_of_a_key_runs_and_ends(void **state)
{
    static const char source[] =
        "{\"event\":\"source\",\"database\":\"neo4j\",\"manifestKey\":\"p/x.manifest.json\"}";
    static const char result[] =
        "{\"event\":\"databaseResult\",\"database\":\"neo4j\",\"target\":\"copy\",\"result\":"
        "\"Succeeded\",\"nodes\":5}";
    static const char safety[] = "{\"event\":\"safetyBackup\",\"database\":\"copy\","
                                 "\"manifestKey\":\"p/was.manifest.json\"}";

    (void)state;
    start(RESTORE(KEY, ",\"mapping\":[{\"from\":\"neo4j\",\"to\":\"copy\"}],\"overwritePolicy\":"
                       "\"Wipe\",\"confirm\":\"copy\""));
    assert_true(job_has("{\"name\":\"RESTORE_KEYS\",\"value\":\"p/x.manifest.json\"}"));
    assert_true(job_has("{\"name\":\"RESTORE_MAPPING\",\"value\":\"neo4j=copy\"}"));
    assert_true(job_has("{\"name\":\"RESTORE_OVERWRITE_POLICY\",\"value\":\"Wipe\"}"));
    assert_true(job_has("{\"name\":\"RESTORE_CONFIRM\",\"value\":\"copy\"}"));
    assert_true(job_has("{\"name\":\"RESTORE_SAFETY_BACKUP\",\"value\":\"Bucket\"}"));
    assert_false(job_has("RESTORE_SAFETY_PREFIX"));
    assert_true(job_has("{\"name\":\"RESTORE_VERIFY\",\"value\":\"true\"}"));
    assert_true(job_has("\"secretName\":\"target-auth\""));
    assert_true(job_has("\"args\":[\"restore\"]"));
    assert_string_equal(world_condition(w, PLAN_OBJ_RESTORE, "r", "Progressing"), "True/Pending");
    assert_string_equal(world_get(w, PLAN_OBJ_RESTORE, "r", "status.target"), "bolt://t:7687");
    world_pod_runs(w, "r-r");
    assert_true(api_log_feed(world_log(w, "r-r"), source, strlen(source), 1));
    world_settle(w);
    assert_true(world_said(w, "RestoreStarted"));
    assert_true(strstr(world_get(w, PLAN_OBJ_RESTORE, "r", "status.resolvedSource"),
                       "p/x.manifest.json") != NULL);
    assert_true(api_log_feed(world_log(w, "r-r"), safety, strlen(safety), 1));
    world_settle(w); /* before the end: the pod may die */
    assert_true(strstr(world_get(w, PLAN_OBJ_RESTORE, "r", "status.safetyBackups"),
                       "p/was.manifest.json") != NULL);
    assert_true(api_log_feed(world_log(w, "r-r"), safety, strlen(safety), 1));
    assert_true(api_log_feed(world_log(w, "r-r"), result, strlen(result), 1));
    w->now_ms += 5000;
    world_pod_ends(w, "r-r", 0,
                   "{\"result\":\"Succeeded\",\"verification\":{\"level\":\"Restore\",\"result\":"
                   "\"Succeeded\"}}");
    world_settle(w);
    assert_string_equal(world_condition(w, PLAN_OBJ_RESTORE, "r", "Succeeded"), "True/Succeeded");
    assert_string_equal(world_condition(w, PLAN_OBJ_RESTORE, "r", "Verified"), "True/Succeeded");
    assert_true(strstr(world_get(w, PLAN_OBJ_RESTORE, "r", "status.databaseResults"),
                       "\"nodes\":5") != NULL);
    assert_string_equal(world_get(w, PLAN_OBJ_RESTORE, "r", "status.safetyBackups"),
                        "[{\"database\":\"copy\",\"manifestKey\":\"p/was.manifest.json\"}]");
    assert_string_equal(world_get(w, PLAN_OBJ_RESTORE, "r", "status.duration"), "5s");
    assert_true(world_said(w, "RestoreSucceeded"));
    assert_int_equal(world_step(w), 0);
}

/* Only where it is asked for. */
static void foreign_dump_is_restored_where_that_is_allowed(void **state)
{
    (void)state;
    start(RESTORE(KEY, ",\"allowStatements\":true"));
    assert_true(job_has("{\"name\":\"RESTORE_ALLOW_STATEMENTS\",\"value\":\"true\"}"));
}

static void statements_are_not_allowed_unless_asked_for(void **state)
{
    (void)state;
    start(RESTORE(KEY, ""));
    assert_false(job_has("RESTORE_ALLOW_STATEMENTS"));
}

static void safety_backup_goes_where_the_spec_says(void **state)
{
    (void)state;
    start(RESTORE(KEY, ",\"overwritePolicy\":\"Wipe\",\"confirm\":\"neo4j\",\"safetyBackup\":{"
                       "\"policy\":\"Bucket\",\"bucket\":\"other\",\"prefix\":\"wiped\"}"));
    assert_true(job_has("{\"name\":\"RESTORE_SAFETY_BUCKET_NAME\",\"value\":\"other\"}"));
    assert_true(job_has("{\"name\":\"RESTORE_SAFETY_PREFIX\",\"value\":\"wiped\"}"));
}

static void no_safety_backup_is_made_where_the_spec_says_so(void **state)
{
    (void)state;
    start(RESTORE(KEY, ",\"overwritePolicy\":\"Wipe\",\"confirm\":\"neo4j\",\"safetyBackup\":{"
                       "\"policy\":\"None\"}"));
    assert_true(job_has("{\"name\":\"RESTORE_SAFETY_BACKUP\",\"value\":\"None\"}"));
}

static void restore_waits_for_its_source(void **state)
{
    (void)state;
    start(RESTORE("\"runRef\":{\"name\":\"g-i\"}", ""));
    assert_string_equal(world_condition(w, PLAN_OBJ_RESTORE, "r", "Progressing"),
                        "True/SourceNotFound");
    assert_string_equal(world_condition(w, PLAN_OBJ_RESTORE, "r", "Waiting"),
                        "True/SourceNotFound");
    assert_int_equal(world_count_said(w, "RestoreWaiting SourceNotFound: "), 1);
    world_create(
        w, PLAN_OBJ_RUN,
        "{\"metadata\":{\"name\":\"g-i\"},\"spec\":{\"backupRef\":{\"name\":\"g\"},\"template\":{"
        "\"storage\":{\"r2\":{\"bucket\":\"src\"}}}}}");
    world_settle(w);
    assert_string_equal(world_condition(w, PLAN_OBJ_RESTORE, "r", "Progressing"),
                        "True/SourceNotFinished");
    world_patch(w, PLAN_OBJ_RUN, "g-i",
                "{\"status\":{\"result\":\"Succeeded\",\"conditions\":[{\"type\":\"Succeeded\","
                "\"status\":\"True\"}],"
                "\"artifacts\":[{\"database\":\"a\",\"manifestKey\":\"p/"
                "a.manifest.json\"},{\"database\":\"b\",\"key\":"
                "\"p/b.cypher.gz\"}]}}");
    world_settle(w);
    assert_true(
        job_has("{\"name\":\"RESTORE_KEYS\",\"value\":\"p/a.manifest.json,p/b.cypher.gz\"}"));
    assert_true(job_has("{\"name\":\"R2_BUCKET_NAME\",\"value\":\"src\"}"));
    assert_string_equal(world_get(w, PLAN_OBJ_RESTORE, "r", "status.resolvedSource.kind"),
                        "Neo4jBackupRun");
}

static void restore_of_a_failed_run_fails(void **state)
{
    (void)state;
    start(RESTORE("\"runRef\":{\"name\":\"g-i\"}", ""));
    world_create(w, PLAN_OBJ_RUN,
                 "{\"metadata\":{\"name\":\"g-i\"},\"spec\":{},\"status\":{\"result\":\"Failed\","
                 "\"conditions\":[{\"type\":\"Succeeded\",\"status\":\"False\"}]}}");
    world_settle(w);
    assert_string_equal(world_condition(w, PLAN_OBJ_RESTORE, "r", "Succeeded"),
                        "False/SourceHasNoBackup");
    assert_int_equal(world_count(w, PLAN_OBJ_JOB), 0);
}

static void run_whose_backup_is_not_known_is_not_said_to_have_failed(void **state)
{
    (void)state;
    start(RESTORE("\"runRef\":{\"name\":\"g-i\"}", ""));
    world_create(w, PLAN_OBJ_RUN,
                 "{\"metadata\":{\"name\":\"g-i\"},\"spec\":{\"backupRef\":{\"name\":\"g\"}},"
                 "\"status\":{\"result\":\"Succeeded\",\"conditions\":[{\"type\":\"Succeeded\","
                 "\"status\":\"True\"}]}}");
    world_settle(w);
    assert_string_equal(world_condition(w, PLAN_OBJ_RESTORE, "r", "Succeeded"),
                        "False/SourceHasNoBackup");
    assert_non_null(strstr(world_get(w, PLAN_OBJ_RESTORE, "r", "status.failure.message"),
                           "source.backupRef 'g'"));
}

static void restore_failure_is_told(void **state)
{
    (void)state;
    start(RESTORE(KEY, ""));
    world_pod_ends(w, "r-r", 2,
                   "{\"result\":\"Failed\",\"reason\":\"TargetNotEmpty\",\"message\":\"database "
                   "'neo4j' has 5 nodes\"}");
    world_settle(w);
    assert_string_equal(world_condition(w, PLAN_OBJ_RESTORE, "r", "Succeeded"),
                        "False/TargetNotEmpty");
    assert_string_equal(world_get(w, PLAN_OBJ_RESTORE, "r", "status.failure.message"),
                        "database 'neo4j' has 5 nodes");
    assert_true(world_said(w, "RestoreFailed TargetNotEmpty: database 'neo4j' has 5 nodes"));
}

static void restore_never_starts_twice(void **state)
{
    (void)state;
    start(RESTORE(KEY, ""));
    world_delete(w, PLAN_OBJ_JOB, "r-r");
    world_settle(w);
    assert_string_equal(world_condition(w, PLAN_OBJ_RESTORE, "r", "Succeeded"), "False/JobGone");
    assert_int_equal(world_count_said(w, "create-job"), 1);
}

static void restore_that_ends_before_its_pod_is_seen_is_looked_at(void **state)
{
    (void)state;
    start(RESTORE(KEY, ""));
    world_pod_ends(w, "r-r", 51, "{\"result\":\"Failed\",\"reason\":\"RestoreIncomplete\"}");
    w->pods_are_hidden = true;
    world_settle(w);
    assert_int_equal(world_count_said(w, "look r-r"), 1);
    assert_string_equal(world_condition(w, PLAN_OBJ_RESTORE, "r", "Succeeded"),
                        "False/RestoreIncomplete");
}

/* All of these are taken by the API server. Without the time it would restore the newest backup. */
static void before_time_that_is_none_fails_and_restores_nothing(void **state)
{
    static const char *const times[] = { "2026-01-01T00:00:00,5Z", "2026-01-01T00:00:00+99:99",
                                         "1970-01-01T00:00:00Z" };

    (void)state;
    for (size_t i = 0; i < NB_ARRAY_LEN(times); i++) {
        nb_auto(nb_free) char *text = nb_xasprintf(
            RESTORE("\"backupRef\":{\"name\":\"g\"},\"beforeTime\":\"%s\"", ""), times[i]);

        if (i > 0)
            world_done(w);
        world_init(w, "2026-01-01T12:00:00Z");
        world_create(w, PLAN_OBJ_BACKUP, WORLD_BACKUP(",\"schedule\":\"0 2 * * *\""));
        world_patch(
            w, PLAN_OBJ_BACKUP, "g",
            "{\"metadata\":{\"annotations\":{\"neo4jbackup.dev/reconcile\":\"disabled\"}}}");
        world_create(w, PLAN_OBJ_RESTORE, text);
        world_settle(w);
        assert_string_equal(world_condition(w, PLAN_OBJ_RESTORE, "r", "Succeeded"),
                            "False/InvalidSpec");
        assert_true(strstr(world_get(w, PLAN_OBJ_RESTORE, "r", "status.failure.message"),
                           "spec.source.beforeTime") != NULL);
        assert_int_equal(world_count(w, PLAN_OBJ_JOB), 0);
    }
}

static void restore_of_a_backup_names_owner_and_time(void **state)
{
    (void)state;
    world_init(w, "2026-01-01T12:00:00Z");
    world_create(w, PLAN_OBJ_BACKUP, WORLD_BACKUP(",\"schedule\":\"0 2 * * *\""));
    world_patch(w, PLAN_OBJ_BACKUP, "g",
                "{\"metadata\":{\"annotations\":{\"neo4jbackup.dev/reconcile\":\"disabled\"}}}");
    world_create(
        w, PLAN_OBJ_RESTORE,
        RESTORE("\"backupRef\":{\"name\":\"g\"},\"beforeTime\":\"2025-12-31T00:00:00Z\"", ""));
    w->stop_after = w->writes + 1; /* the Job is made, and its controller dies */
    world_settle(w);
    assert_string_equal(world_get(w, PLAN_OBJ_RESTORE, "r", "status.resolvedSource"), "(none)");
    w->stop_after = -1;
    world_settle(w);
    assert_string_equal(world_get(w, PLAN_OBJ_RESTORE, "r", "status.resolvedSource.name"), "g");
    assert_true(job_has("{\"name\":\"RESTORE_OWNER\",\"value\":\"ns/g\"}"));
    assert_true(job_has("{\"name\":\"RESTORE_BEFORE_TIME\",\"value\":\"2025-12-31T00:00:00Z\"}"));
    assert_false(job_has("RESTORE_KEYS"));
}

/* Whether ours begins beside that one: created a minute before it or after it. */
static bool begins_beside(const char *created, const char *uri, const char *status)
{
    nb_auto(nb_free) char *text =
        nb_xasprintf("{\"metadata\":{\"name\":\"other\",\"namespace\":\"ns\",\"uid\":\"o\","
                     "\"creationTimestamp\":\"%s\"},\"spec\":{\"source\":{" KEY "},\"target\":{"
                     "\"connection\":{\"uri\":\"%s\"}}},\"status\":{%s}}",
                     created, uri, status);
    nb_auto(nb_json_free) struct nb_json *json = NULL;
    nb_auto(api_restore_free) struct api_restore *other = NULL;
    struct nb_error err = NB_ERROR_INIT;
    bool begun;

    assert_true(nb_json_parse(text, strlen(text), 1 << 20, &json, &err));
    assert_true(api_restore_parse(json, &other, &err));
    world_init(w, "2026-01-01T12:00:00Z");
    world_create(w, PLAN_OBJ_RESTORE, RESTORE(KEY, ""));
    w->other_restore = other;
    world_settle(w);
    begun = world_find(w, PLAN_OBJ_JOB, "r-r") != NULL;
    if (!begun) {
        assert_string_equal(world_condition(w, PLAN_OBJ_RESTORE, "r", "Progressing"),
                            "True/TargetBusy");
        assert_true(w->requeue_at_ms > w->now_ms);
        w->other_restore = NULL; /* it has ended, or was deleted */
        world_settle(w);
        assert_non_null(world_find(w, PLAN_OBJ_JOB, "r-r"));
    }
    world_done(w);
    return begun;
}

static void restores_into_one_server_go_one_after_the_other(void **state)
{
    static const char before[] = "2026-01-01T11:00:00Z", after[] = "2026-01-01T13:00:00Z";
    static const char same[] = "bolt://t:7687";

    (void)state;
    assert_false(begins_beside(before, same, ""));
    assert_true(begins_beside(after, same, ""));
    assert_false(begins_beside(after, same, "\"jobRef\":{\"name\":\"other-r\"}"));
    assert_true(begins_beside(before, "bolt://u:7687", "\"jobRef\":{\"name\":\"other-r\"}"));
    assert_true(
        begins_beside(before, same,
                      "\"jobRef\":{\"name\":\"other-r\"},\"result\":\"Failed\",\"conditions\":[{"
                      "\"type\":\"Succeeded\",\"status\":\"False\"}]"));
    assert_true(begins_beside(before, same,
                              "\"conditions\":[{\"type\":\"Progressing\",\"status\":\"True\","
                              "\"reason\":\"SourceNotFound\"}]"));
    world_init(w, "2026-01-01T12:00:00Z");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(restore_of_a_key_runs_and_ends, teardown),
        cmocka_unit_test_teardown(restore_says_what_it_waits_for, teardown),
        cmocka_unit_test_teardown(foreign_dump_is_restored_where_that_is_allowed, teardown),
        cmocka_unit_test_teardown(statements_are_not_allowed_unless_asked_for, teardown),
        cmocka_unit_test_teardown(safety_backup_goes_where_the_spec_says, teardown),
        cmocka_unit_test_teardown(no_safety_backup_is_made_where_the_spec_says_so, teardown),
        cmocka_unit_test_teardown(restore_waits_for_its_source, teardown),
        cmocka_unit_test_teardown(restore_of_a_failed_run_fails, teardown),
        cmocka_unit_test_teardown(run_whose_backup_is_not_known_is_not_said_to_have_failed,
                                  teardown),
        cmocka_unit_test_teardown(restore_failure_is_told, teardown),
        cmocka_unit_test_teardown(restore_that_ends_before_its_pod_is_seen_is_looked_at, teardown),
        cmocka_unit_test_teardown(restore_never_starts_twice, teardown),
        cmocka_unit_test_teardown(merge_has_one_try_whatever_the_spec_says, teardown),
        cmocka_unit_test_teardown(before_time_that_is_none_fails_and_restores_nothing, teardown),
        cmocka_unit_test_teardown(restore_of_a_backup_names_owner_and_time, teardown),
        cmocka_unit_test_teardown(restores_into_one_server_go_one_after_the_other, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
