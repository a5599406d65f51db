#include "controller/reconcile/metrics.h"

#include <stdio.h>

#include "base/mem.h"
#include "base/metrics.h"
#include "controller/reconcile/kinds.h"
#include "controller/reconcile/run_metrics.h"
#include "tests/unit/cmocka.h"

struct fixture {
    struct ctl_store *store;
    struct rec_metrics *metrics;
};

static int setup(void **state)
{
    struct fixture *f = NB_NEW(struct fixture);

    f->store = ctl_store_new(&REC_BACKUP_KIND);
    f->metrics = rec_metrics_new();
    ctl_store_on_change(f->store, rec_metrics_changed, f->metrics);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    ctl_store_free(f->store);
    rec_metrics_free(f->metrics);
    free(f);
    return 0;
}

static struct nb_json *parse(const char *text)
{
    struct nb_error err = NB_ERROR_INIT;
    struct nb_json *json;

    if (!nb_json_parse(text, strlen(text), 1 << 20, &json, &err))
        fail_msg("%s in %s", err.text, text);
    return json;
}

static struct nb_json *backup(const char *name, int version, const char *status)
{
    nb_auto(nb_free) char *text =
        nb_xasprintf("{\"metadata\":{\"name\":\"%s\",\"namespace\":\"a\",\"uid\":\"u\","
                     "\"resourceVersion\":\"%d\"},\"spec\":{\"jitterSeconds\":0},\"status\":{%s}}",
                     name, version, status);

    return parse(text);
}

static void put(struct fixture *f, const char *name, int version, const char *status)
{
    nb_auto(nb_json_free) struct nb_json *json = backup(name, version, status);

    ctl_store_apply(f->store, json);
}

/* Whether the page has that line. */
static bool shows(struct fixture *f, const char *line)
{
    nb_auto_done(nb_buf_done) struct nb_buf out = NB_BUF_INIT(1 << 20);
    nb_auto(nb_free) char *whole = nb_xasprintf("\n%s\n", line);

    rec_metrics_write(f->metrics, &out);
    nb_metrics_format(&out);
    return strstr(nb_buf_cstr(&out), whole) != NULL;
}

#define OF_X "{namespace=\"a\",name=\"x\"} "
#define STORED(micro)                                                                              \
    "\"stored\":{\"count\":3,\"totalBytes\":4096,\"estimatedMonthlyCostMicroUSD\":" micro "}"
#define VERIFIED(status)                                                                           \
    "\"lastVerificationTime\":\"2025-10-08T02:00:00Z\",\"conditions\":[{\"type\":\"Verified\","    \
    "\"status\":\"" status "\",\"reason\":\"Checksum\"}]"

static void numbers_of_a_backup_are_shown_and_follow_it(void **state)
{
    struct fixture *f = *state;
    nb_auto(nb_json_free) struct nb_json *gone = backup("x", 4, "");

    put(f, "x", 1, "\"consecutiveFailures\":2," STORED("1500000"));
    put(f, "y", 2, "");
    assert_true(shows(f, "neo4jbackup_consecutive_failures" OF_X "2"));
    assert_true(shows(f, "neo4jbackup_stored_backups" OF_X "3"));
    assert_true(shows(f, "neo4jbackup_suspended{namespace=\"a\",name=\"y\"} 0"));
    put(f, "x", 3, "\"consecutiveFailures\":0");
    assert_true(shows(f, "neo4jbackup_consecutive_failures" OF_X "0"));
    assert_false(shows(f, "neo4jbackup_stored_backups" OF_X "3"));
    ctl_store_remove(f->store, gone);
    assert_false(shows(f, "neo4jbackup_consecutive_failures" OF_X "0"));
    assert_true(shows(f, "neo4jbackup_suspended{namespace=\"a\",name=\"y\"} 0"));
}

static void cost_and_verification_are_shown(void **state)
{
    struct fixture *f = *state;

    put(f, "x", 1, STORED("12340000") "," VERIFIED("False"));
    assert_true(shows(f, "neo4jbackup_stored_monthly_cost_dollars" OF_X "12.340000"));
    assert_true(shows(f, "neo4jbackup_last_verification_success" OF_X "0"));
    assert_true(shows(f, "neo4jbackup_last_verification_timestamp_seconds" OF_X "1759888800"));
    put(f, "x", 2, VERIFIED("True"));
    assert_true(shows(f, "neo4jbackup_last_verification_success" OF_X "1"));
    put(f, "x", 3, VERIFIED("Unknown"));
    assert_false(shows(f, "neo4jbackup_last_verification_success" OF_X "1"));
    assert_false(shows(f, "neo4jbackup_last_verification_success" OF_X "0"));
}

/* --- runs --- */

#define RUN_META                                                                                   \
    "{\"metadata\":{\"name\":\"x-1\",\"namespace\":\"a\",\"uid\":\"r\",\"resourceVersion\":\"1\"}" \
    ","
#define RUN_SPEC                                                                                   \
    "\"spec\":{\"backupRef\":{\"name\":\"x\"},\"scheduledTime\":\"2025-10-08T02:00:00Z\","         \
    "\"trigger\":\"Schedule\"}"
#define SUCCEEDED(status, reason)                                                                  \
    "\"conditions\":[{\"type\":\"Succeeded\",\"status\":\"" status "\",\"reason\":\"" reason "\"}" \
    "]"

static void end_of_a_run_is_counted_once(void **state)
{
    struct fixture *f = *state;
    nb_auto(nb_json_free) struct nb_json *begun =
        parse(RUN_META RUN_SPEC ",\"status\":{" SUCCEEDED("Unknown", "Running") "}}");
    nb_auto(nb_json_free) struct nb_json *ended = parse(RUN_META RUN_SPEC ",\"status\":{" SUCCEEDED(
        "False",
        "Neo4jAuthFailed") ","
                           "\"result\":\"Failed\",\"durationSeconds\":45,"
                           "\"failure\":{\"reason\":\"Neo4jAuthFailed\",\"message\":\"m\"}}}");
    nb_auto(api_run_free) struct api_run *before = NULL;
    nb_auto(api_run_free) struct api_run *after = NULL;
    struct nb_error err = NB_ERROR_INIT;
    const char *line = "neo4jbackup_runs_total{result=\"Failed\",reason=\"Neo4jAuthFailed\"} 1";

    assert_true(api_run_parse(begun, &before, &err));
    assert_true(api_run_parse(ended, &after, &err));
    rec_run_metrics_written(before, begun); /* goes on */
    assert_false(shows(f, line));
    rec_run_metrics_written(before, ended);
    rec_run_metrics_written(after, ended); /* had ended */
    rec_run_metrics_written(NULL, ended);
    assert_true(shows(f, line));
    assert_true(shows(f, "neo4jbackup_run_duration_seconds_bucket{result=\"Failed\",le=\"30\"} 0"));
    assert_true(shows(f, "neo4jbackup_run_duration_seconds_bucket{result=\"Failed\",le=\"60\"} 1"));
}

static void lateness_of_a_scheduled_run_is_observed(void **state)
{
    struct fixture *f = *state;
    nb_auto(nb_json_free) struct nb_json *policy = backup("x", 1, "");
    nb_auto(nb_json_free) struct nb_json *made = parse(RUN_META RUN_SPEC "}");
    nb_auto(api_backup_free) struct api_backup *b = NULL;
    struct nb_error err = NB_ERROR_INIT;

    assert_true(api_backup_parse(policy, &b, &err));
    rec_run_metrics_created(b, made, 1759888800000 + 1500);
    assert_true(shows(f, "neo4jbackup_run_lateness_seconds_sum{trigger=\"Schedule\"} 1.5"));
    rec_run_metrics_created(NULL, made, 1759888800000);
    assert_true(shows(f, "neo4jbackup_run_lateness_seconds_count{trigger=\"Schedule\"} 1"));
}

static void reasons_are_few_whatever_is_said(void **state)
{
    char reason[20];

    (void)state;
    assert_string_equal(rec_run_metrics_reason("StorageDenied"), "StorageDenied");
    assert_string_equal(rec_run_metrics_reason(""), "Other");
    assert_string_equal(rec_run_metrics_reason("with \"quotes\"\n"), "Other");
    assert_string_equal(rec_run_metrics_reason("1st"), "Other");
    for (int i = 0; i < 1000; i++) {
        snprintf(reason, sizeof(reason), "Made%d", i);
        rec_run_metrics_reason(reason);
    }
    assert_string_equal(rec_run_metrics_reason("Made999"), "Other");
    assert_string_equal(rec_run_metrics_reason("StorageDenied"), "StorageDenied");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(numbers_of_a_backup_are_shown_and_follow_it, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(cost_and_verification_are_shown, setup, teardown),
        cmocka_unit_test_setup_teardown(end_of_a_run_is_counted_once, setup, teardown),
        cmocka_unit_test_setup_teardown(lateness_of_a_scheduled_run_is_observed, setup, teardown),
        cmocka_unit_test(reasons_are_few_whatever_is_said),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
