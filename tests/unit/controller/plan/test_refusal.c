/*
 * What the API server does not let be made, or made and never starts: each ends, is told, and holds
 * nothing else up.
 */

#include "controller/plan/follow.h"
#include "tests/unit/controller/plan/world.h"

static struct world world;
static struct world *const w = &world;

#define QUOTA   "create jobs 'ns/x': Forbidden (HTTP 403): exceeded quota: q, used: 5"
#define INVALID "create jobs 'ns/x': Invalid (HTTP 422): spec.template is not valid"
#define DAILY   ",\"schedule\":\"0 2 * * *\",\"notifications\":[{\"channel\":\"c\"}]"
/* minutes since the epoch of 2026-01-02T02:00:00Z, and of a day later */
#define SLOT    "g-29455320"
#define NEXT    "g-29456760"

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

static void refuse(enum plan_object object, enum plan_fact_kind as, const char *text)
{
    w->refused = object;
    w->refused_as = as;
    w->refusal = text;
}

static void at(const char *now)
{
    world_at(w, now);
    world_settle(w);
}

static void assert_text(const char *got, const char *expected)
{
    assert_string_equal(got, expected);
}

static const char *of_backup(const char *condition)
{
    return world_condition(w, PLAN_OBJ_BACKUP, "g", condition);
}

/* The message of that condition has the text. */
static bool says(enum plan_object kind, const char *name, const char *type, const char *text)
{
    struct world_object *o = world_find(w, kind, name);

    if (!o)
        return false;
    nb_auto(nb_json_free) struct nb_json *v = world_parse(o->json);

    for (const struct nb_json *c = nb_json_first(nb_json_at(v, "status.conditions")); c;
         c = nb_json_next(c))
        if (nb_streq(nb_json_str(nb_json_get(c, "type"), ""), type))
            return strstr(nb_json_str(nb_json_get(c, "message"), ""), text) != NULL;
    return false;
}

/* --- runs ------------------------------------------------------------------------------------ */

static void refused_job_fails_its_run_and_the_next_time_is_tried(void **state)
{
    (void)state;
    start("2026-01-01T12:00:00Z", WORLD_BACKUP(DAILY));
    refuse(PLAN_OBJ_JOB, PLAN_FACT_REFUSED, INVALID);
    at("2026-01-02T02:00:00Z");
    assert_text(world_condition(w, PLAN_OBJ_RUN, SLOT, "Succeeded"), "False/JobRefused");
    assert_text(world_get(w, PLAN_OBJ_RUN, SLOT, "status.failure.reason"), "JobRefused");
    assert_true(strstr(world_get(w, PLAN_OBJ_RUN, SLOT, "status.failure.message"), INVALID));
    assert_text(of_backup("Ready"), "False/JobRefused");
    assert_int_equal(world_count_said(w, "BackupFailed run '" SLOT "': JobRefused: " INVALID), 1);
    assert_int_equal(world_count_said(w, "notify-c-Failed BackupFailed"), 1);
    assert_int_equal(world_count_said(w, "create-job"), 1);
    w->refusal = NULL;
    at("2026-01-03T02:00:00Z");
    world_pod_ends(w, NEXT, 0, WORLD_GOOD);
    world_settle(w);
    assert_text(of_backup("Ready"), "True/Succeeded");
}

static void denied_job_is_waited_for_and_goes_on(void **state)
{
    (void)state;
    start("2026-01-01T12:00:00Z", WORLD_BACKUP(DAILY));
    refuse(PLAN_OBJ_JOB, PLAN_FACT_DENIED, QUOTA);
    at("2026-01-02T02:00:00Z");
    assert_text(world_condition(w, PLAN_OBJ_RUN, SLOT, "Waiting"), "True/JobDenied");
    assert_true(says(PLAN_OBJ_RUN, SLOT, "Waiting", QUOTA));
    assert_text(world_condition(w, PLAN_OBJ_RUN, SLOT, "Progressing"), "True/JobDenied");
    assert_text(of_backup("Ready"), "False/JobDenied");
    assert_int_equal(w->requeue_at_ms, (w->now_ms / 1000 + 30) * 1000);
    w->now_ms += 30000;
    w->refusal = "create jobs 'ns/x': Forbidden (HTTP 403): exceeded quota: q, used: 6";
    world_settle(w);
    assert_true(says(PLAN_OBJ_RUN, SLOT, "Waiting", QUOTA)); /* no write for a number */
    assert_int_equal(world_count_said(w, "BackupWaiting run '" SLOT "': JobDenied"), 1);
    w->refusal = NULL;
    w->now_ms += 30000;
    world_settle(w);
    assert_text(world_condition(w, PLAN_OBJ_RUN, SLOT, "Waiting"), "False/JobDenied");
    world_pod_ends(w, SLOT, 0, WORLD_GOOD);
    world_settle(w);
    assert_text(of_backup("Ready"), "True/Succeeded");
}

static void denied_job_is_given_up_after_an_hour(void **state)
{
    (void)state;
    start("2026-01-01T12:00:00Z", WORLD_BACKUP(DAILY));
    refuse(PLAN_OBJ_JOB, PLAN_FACT_DENIED, QUOTA);
    at("2026-01-02T02:00:00Z");
    at("2026-01-02T02:59:59Z");
    assert_text(world_condition(w, PLAN_OBJ_RUN, SLOT, "Succeeded"), "Unknown/Running");
    at("2026-01-02T03:00:00Z");
    assert_text(world_condition(w, PLAN_OBJ_RUN, SLOT, "Succeeded"), "False/JobDenied");
    assert_text(world_condition(w, PLAN_OBJ_RUN, SLOT, "Waiting"), "False/JobDenied");
    assert_int_equal(world_count_said(w, "notify-c-Failed BackupFailed"), 1);
}

static void refused_job_of_one_run_leaves_the_others_alone(void **state)
{
    (void)state;
    start("2026-01-01T12:00:00Z",
          WORLD_BACKUP(",\"schedule\":\"0 2 * * *\",\"concurrencyPolicy\":\"Allow\""));
    at("2026-01-02T02:00:00Z");
    world_pod_runs(w, SLOT);
    refuse(PLAN_OBJ_JOB, PLAN_FACT_DENIED, QUOTA);
    at("2026-01-03T02:00:00Z");
    world_pod_ends(w, SLOT, 0, WORLD_GOOD);
    world_settle(w);
    assert_text(world_condition(w, PLAN_OBJ_RUN, SLOT, "Succeeded"), "True/Succeeded");
    assert_text(world_condition(w, PLAN_OBJ_RUN, NEXT, "Waiting"), "True/JobDenied");
}

static void refused_run_is_told_and_the_next_one_is_made(void **state)
{
    (void)state;
    start("2026-01-01T12:00:00Z", WORLD_BACKUP(DAILY));
    refuse(PLAN_OBJ_RUN, PLAN_FACT_REFUSED, "create 'x': Invalid (HTTP 422): no");
    at("2026-01-02T02:00:00Z");
    assert_text(world_get(w, PLAN_OBJ_BACKUP, "g", "status.lastSkippedReason"), "RunRefused");
    assert_text(of_backup("Ready"), "False/RunRefused");
    assert_true(says(PLAN_OBJ_BACKUP, "g", "Ready", "(HTTP 422): no"));
    assert_int_equal(world_count_said(w, "RunRefused run '" SLOT), 1);
    assert_int_equal(world_count_said(w, "notify-c-Failed RunRefused"), 1);
    at("2026-01-02T03:00:00Z");
    assert_text(of_backup("Ready"), "False/RunRefused");
    assert_int_equal(world_count_said(w, "create-run"), 1);
    w->refusal = NULL;
    at("2026-01-03T02:00:00Z");
    assert_text(of_backup("Ready"), "True/Running");
}

static void denied_run_stays_wanted(void **state)
{
    (void)state;
    start("2026-01-01T12:00:00Z", WORLD_BACKUP(DAILY));
    refuse(PLAN_OBJ_RUN, PLAN_FACT_DENIED, "create 'x': Forbidden (HTTP 403): no");
    at("2026-01-02T02:00:00Z");
    assert_text(of_backup("Ready"), "False/RunDenied");
    assert_int_equal(w->requeue_at_ms, w->now_ms + 30000);
    w->now_ms += 30000;
    world_settle(w);
    assert_text(of_backup("Ready"), "False/RunDenied");
    assert_int_equal(world_count_said(w, "BackupWaiting RunDenied: run '" SLOT), 1);
    w->refusal = NULL;
    world_settle(w);
    assert_text(of_backup("Ready"), "True/Running");
    assert_int_equal(world_count(w, PLAN_OBJ_RUN), 1);
}

/* --- restores -------------------------------------------------------------------------------- */

static void start_restore(enum plan_fact_kind as, const char *text)
{
    world_init(w, "2026-01-01T12:00:00Z");
    refuse(PLAN_OBJ_JOB, as, text);
    world_create(w, PLAN_OBJ_RESTORE,
                 "{\"metadata\":{\"name\":\"r\"},\"spec\":{\"source\":{\"key\":\"p/x\",\"storage\":"
                 "{\"r2\":{\"bucket\":\"b\",\"credentialsSecretRef\":{\"name\":\"r2\"}}}},"
                 "\"target\":{\"connection\":{\"uri\":\"bolt://t:7687\"}}}}");
    world_settle(w);
}

static void refused_restore_fails(void **state)
{
    (void)state;
    start_restore(PLAN_FACT_REFUSED, INVALID);
    assert_text(world_condition(w, PLAN_OBJ_RESTORE, "r", "Succeeded"), "False/JobRefused");
    assert_true(world_said(w, "RestoreFailed JobRefused: " INVALID));
    assert_text(world_get(w, PLAN_OBJ_RESTORE, "r", "status.result"), "Failed");
}

static void denied_restore_waits_and_is_given_up(void **state)
{
    (void)state;
    start_restore(PLAN_FACT_DENIED, QUOTA);
    assert_text(world_condition(w, PLAN_OBJ_RESTORE, "r", "Waiting"), "True/JobDenied");
    at("2026-01-01T12:30:00Z");
    assert_int_equal(world_count_said(w, "RestoreWaiting JobDenied: " QUOTA), 1);
    at("2026-01-01T13:00:00Z");
    assert_text(world_condition(w, PLAN_OBJ_RESTORE, "r", "Succeeded"), "False/JobDenied");
}

/* --- the finalizer --------------------------------------------------------------------------- */

static void start_deletion(void)
{
    start("2026-01-01T12:00:00Z",
          WORLD_BACKUP(",\"schedule\":\"0 2 * * *\",\"retention\":{\"onDelete\":\"Delete\"}"));
    world_patch(w, PLAN_OBJ_BACKUP, "g",
                "{\"metadata\":{\"deletionTimestamp\":\"2026-01-01T12:00:10Z\"}}");
}

static const char *finalizers(void)
{
    return world_get(w, PLAN_OBJ_BACKUP, "g", "metadata.finalizers");
}

static void refused_prune_job_lets_the_object_go(void **state)
{
    (void)state;
    start_deletion();
    refuse(PLAN_OBJ_JOB, PLAN_FACT_REFUSED, INVALID);
    world_settle(w);
    assert_text(finalizers(), "[]");
    assert_true(
        world_said(w, "FinalizerReleased the backups could not be removed: JobRefused: " INVALID));
}

static void denied_prune_job_is_told_and_lets_go_in_the_end(void **state)
{
    (void)state;
    start_deletion();
    refuse(PLAN_OBJ_JOB, PLAN_FACT_DENIED, QUOTA);
    world_settle(w);
    assert_text(of_backup("Ready"), "False/Deleting");
    assert_true(says(PLAN_OBJ_BACKUP, "g", "Ready", "JobDenied: " QUOTA));
    w->now_ms += 60000;
    world_settle(w);
    assert_int_equal(world_count_said(w, "BackupWaiting Job 'g-p"), 1);
    at("2026-01-01T14:00:10Z");
    assert_text(finalizers(), "[]");
}

static void disabled_object_lets_go_of_its_namespace(void **state)
{
    (void)state;
    start_deletion();
    world_patch(w, PLAN_OBJ_BACKUP, "g",
                "{\"metadata\":{\"annotations\":{\"neo4jbackup.dev/reconcile\":\"disabled\"}}}");
    world_settle(w);
    assert_text(finalizers(), "[\"neo4jbackup.dev/prune\"]");
    assert_int_equal(world_count(w, PLAN_OBJ_JOB), 0);
    assert_int_equal(w->requeue_at_ms, w->now_ms + 60000);
    w->namespace_terminating = true;
    world_settle(w);
    assert_text(finalizers(), "[]");
}

static void disabled_object_lets_go_in_the_end(void **state)
{
    (void)state;
    start_deletion();
    world_patch(w, PLAN_OBJ_BACKUP, "g",
                "{\"metadata\":{\"annotations\":{\"neo4jbackup.dev/reconcile\":\"disabled\"}}}");
    at("2026-01-01T14:00:09Z");
    assert_text(finalizers(), "[\"neo4jbackup.dev/prune\"]");
    at("2026-01-01T14:00:10Z");
    assert_text(finalizers(), "[]");
    assert_int_equal(world_count(w, PLAN_OBJ_JOB), 0);
}

/* --- verification ---------------------------------------------------------------------------- */

#define VERIFY "g-v29455500" /* 2026-01-02T05:00:00Z */

/* A backup of 02:00, to be verified at 05:00. */
static void start_verified(void)
{
    start("2026-01-01T12:00:00Z",
          WORLD_BACKUP(
              ",\"schedule\":\"0 2 * * "
              "*\",\"notifications\":[{\"channel\":\"c\",\"events\":[\"VerificationFailed\"]}]"
              ",\"verification\":{\"level\":\"Restore\",\"neo4jImage\":\"neo4j:typo\","
              "\"schedule\":\"0 5 * * *\"}"));
    at("2026-01-02T02:00:00Z");
    world_pod_ends(w, SLOT, 0, WORLD_GOOD);
    world_settle(w);
}

static void verify_job_that_never_starts_is_told_and_given_up(void **state)
{
    (void)state;
    start_verified();
    at("2026-01-02T05:00:00Z");
    world_create(
        w, PLAN_OBJ_POD,
        "{\"metadata\":{\"name\":\"v-x\",\"ownerReferences\":[{\"kind\":\"Job\",\"controller\":"
        "true,\"name\":\"" VERIFY "\"}]},\"status\":{\"phase\":\"Pending\","
        "\"initContainerStatuses\":[{\"name\":\"scratch-neo4j\",\"state\":{\"waiting\":{"
        "\"reason\":\"ErrImagePull\",\"message\":\"no image 'neo4j:typo'\"}}}],"
        "\"containerStatuses\":[{\"name\":\"worker\",\"state\":{\"waiting\":{\"reason\":"
        "\"PodInitializing\"}}}]}}");
    world_settle(w);
    assert_text(of_backup("Verified"), "False/PodNotStarting");
    assert_true(says(PLAN_OBJ_BACKUP, "g", "Verified",
                     "ErrImagePull: container 'scratch-neo4j': no image 'neo4j:typo'"));
    assert_int_equal(world_count_said(w, "BackupWaiting Job '" VERIFY), 1);
    assert_text(world_get(w, PLAN_OBJ_BACKUP, "g", "status.nextVerificationTime"),
                "2026-01-03T05:00:00Z");
    at("2026-01-02T06:00:01Z");
    assert_true(world_said(w, "delete-job " VERIFY));
    assert_text(of_backup("Verified"), "False/ErrImagePull");
    assert_int_equal(world_count_said(w, "notify-c-VerificationFailed VerificationFailed"), 1);
    at("2026-01-03T05:00:00Z");
    assert_int_equal(world_count_said(w, "create-job g-v"), 2);
}

static void refused_verify_job_is_told_and_the_next_one_is_made(void **state)
{
    (void)state;
    start_verified();
    refuse(PLAN_OBJ_JOB, PLAN_FACT_REFUSED, INVALID);
    at("2026-01-02T05:00:00Z");
    assert_text(of_backup("Verified"), "False/JobRefused");
    assert_int_equal(world_count_said(w, "VerificationFailed JobRefused: " INVALID), 1);
    at("2026-01-02T05:05:00Z");
    assert_int_equal(world_count_said(w, "create-job g-v"), 1);
    w->refusal = NULL;
    at("2026-01-03T05:00:00Z");
    assert_int_equal(world_count_said(w, "create-job g-v"), 2);
}

static void denied_verify_job_is_waited_for_an_hour(void **state)
{
    (void)state;
    start_verified();
    refuse(PLAN_OBJ_JOB, PLAN_FACT_DENIED, QUOTA);
    at("2026-01-02T05:00:00Z");
    assert_text(of_backup("Verified"), "False/JobDenied");
    at("2026-01-02T05:30:00Z");
    assert_int_equal(world_count_said(w, "BackupWaiting Job '" VERIFY), 1);
    assert_int_equal(world_count_said(w, "VerificationFailed"), 0);
    at("2026-01-02T06:00:00Z");
    assert_int_equal(world_count_said(w, "VerificationFailed JobDenied: " QUOTA), 1);
    w->refusal = NULL;
    at("2026-01-02T06:01:00Z");
    assert_int_equal(world_count(w, PLAN_OBJ_JOB), 1); /* that of the run */
}

static void edit_of_the_schedule_of_verifications_starts_none(void **state)
{
    (void)state;
    start("2026-01-01T12:00:00Z", WORLD_BACKUP(",\"schedule\":\"0 2 * * *\""));
    at("2026-01-02T02:00:00Z");
    world_pod_ends(w, SLOT, 0, WORLD_GOOD);
    world_settle(w);
    world_at(w, "2026-01-02T14:00:00Z");
    world_patch(
        w, PLAN_OBJ_BACKUP, "g",
        "{\"spec\":{\"verification\":{\"level\":\"Readback\",\"schedule\":\"0 3 * * *\"}}}");
    world_settle(w);
    assert_int_equal(world_count_said(w, "create-job g-v"), 0);
    assert_text(world_get(w, PLAN_OBJ_BACKUP, "g", "status.verificationScheduleChangeTime"),
                "2026-01-02T14:00:00Z");
    world_patch(w, PLAN_OBJ_BACKUP, "g",
                "{\"spec\":{\"verification\":{\"schedule\":\"0 4 * * *\"}}}");
    world_settle(w);
    assert_int_equal(world_count_said(w, "create-job g-v"), 0);
    at("2026-01-03T04:00:00Z");
    assert_int_equal(world_count_said(w, "create-job g-v"), 1);
}

/* --- pins and the catalogue ------------------------------------------------------------------ */

static void refused_pin_is_told_once(void **state)
{
    (void)state;
    start("2026-01-01T12:00:00Z", WORLD_BACKUP(DAILY));
    at("2026-01-02T02:00:00Z");
    world_pod_ends(w, SLOT, 0, WORLD_GOOD);
    world_settle(w);
    refuse(PLAN_OBJ_JOB, PLAN_FACT_DENIED, QUOTA);
    world_patch(w, PLAN_OBJ_RUN, SLOT,
                "{\"metadata\":{\"annotations\":{\"neo4jbackup.dev/pinned\":\"true\"}}}");
    world_settle(w);
    assert_text(world_condition(w, PLAN_OBJ_RUN, SLOT, "Pinned"), "False/JobDenied");
    w->now_ms += 30000;
    world_settle(w);
    assert_int_equal(world_count_said(w, "BackupWaiting Job 'g-n"), 1);
    refuse(PLAN_OBJ_JOB, PLAN_FACT_REFUSED, INVALID);
    w->now_ms += 30000;
    world_settle(w);
    assert_text(world_condition(w, PLAN_OBJ_RUN, SLOT, "Pinned"), "False/PinFailed");
    world_settle(w);
    assert_int_equal(world_count_said(w, "PinFailed run '" SLOT "': JobRefused: " INVALID), 1);
}

static void refresh_that_may_not_be_made_is_answered(void **state)
{
    (void)state;
    start("2026-01-01T12:00:00Z", WORLD_BACKUP(DAILY));
    refuse(PLAN_OBJ_JOB, PLAN_FACT_DENIED, QUOTA);
    world_patch(w, PLAN_OBJ_BACKUP, "g",
                "{\"metadata\":{\"annotations\":{\"neo4jbackup.dev/refresh-requested\":\"t\"}}}");
    world_settle(w);
    assert_text(world_get(w, PLAN_OBJ_BACKUP, "g", "status.lastHandledRefresh"), "t");
    assert_int_equal(world_count_said(w, "CatalogueFailed JobDenied: " QUOTA), 1);
    world_settle(w);
    assert_int_equal(world_count_said(w, "create-job"), 1);
}

static void words_that_differ_in_numbers_only_are_the_same(void **state)
{
    static const char before[] = "used: 5 at 2026-01-01T00:00:00Z by 0d4c-ff",
                      after[] = "used: 61 at "
                                "2026-01-02T00:00:07Z by 1a";

    (void)state;
    assert_ptr_equal(plan_follow_words(before, after), before);
    assert_string_equal(plan_follow_words(before, "used: 5 on"), "used: 5 on");
    assert_string_equal(plan_follow_words("", "x"), "x");
    assert_string_equal(plan_follow_words("x", ""), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(refused_job_fails_its_run_and_the_next_time_is_tried, teardown),
        cmocka_unit_test_teardown(denied_job_is_waited_for_and_goes_on, teardown),
        cmocka_unit_test_teardown(denied_job_is_given_up_after_an_hour, teardown),
        cmocka_unit_test_teardown(refused_job_of_one_run_leaves_the_others_alone, teardown),
        cmocka_unit_test_teardown(refused_run_is_told_and_the_next_one_is_made, teardown),
        cmocka_unit_test_teardown(denied_run_stays_wanted, teardown),
        cmocka_unit_test_teardown(refused_restore_fails, teardown),
        cmocka_unit_test_teardown(denied_restore_waits_and_is_given_up, teardown),
        cmocka_unit_test_teardown(refused_prune_job_lets_the_object_go, teardown),
        cmocka_unit_test_teardown(denied_prune_job_is_told_and_lets_go_in_the_end, teardown),
        cmocka_unit_test_teardown(disabled_object_lets_go_of_its_namespace, teardown),
        cmocka_unit_test_teardown(disabled_object_lets_go_in_the_end, teardown),
        cmocka_unit_test_teardown(verify_job_that_never_starts_is_told_and_given_up, teardown),
        cmocka_unit_test_teardown(refused_verify_job_is_told_and_the_next_one_is_made, teardown),
        cmocka_unit_test_teardown(denied_verify_job_is_waited_for_an_hour, teardown),
        cmocka_unit_test_teardown(edit_of_the_schedule_of_verifications_starts_none, teardown),
        cmocka_unit_test_teardown(refused_pin_is_told_once, teardown),
        cmocka_unit_test_teardown(refresh_that_may_not_be_made_is_answered, teardown),
        cmocka_unit_test(words_that_differ_in_numbers_only_are_the_same),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
