#include "controller/plan/result.h"

#include <stdio.h>
#include <string.h>

#include "tests/unit/cmocka.h"

static struct nb_json *parse(const char *text)
{
    struct nb_error err = NB_ERROR_INIT;
    struct nb_json *v = NULL;

    if (!nb_json_parse(text, strlen(text), 1 << 20, &v, &err))
        fail_msg("%s: %s", err.text, text);
    return v;
}

#define META                                                                                       \
    "\"metadata\":{\"name\":\"j\",\"uid\":\"u\",\"creationTimestamp\":\"2026-01-01T00:00:00Z\"}"
#define POD_META                                                                                   \
    "\"metadata\":{\"name\":\"p\",\"uid\":\"pu\",\"creationTimestamp\":\"2026-01-01T00:00:00Z\","  \
    "\"ownerReferences\":[{"                                                                       \
    "\"kind\":\"Job\",\"name\":\"j\",\"uid\":\"u\",\"controller\":true}]}"
#define JOB(status) "{" META ",\"status\":{" status "}}"
#define POD(status) "{" POD_META ",\"status\":{" status "}}"
#define FAILED(reason)                                                                             \
    "\"conditions\":[{\"type\":\"Failed\",\"status\":\"True\",\"reason\":\"" reason                \
    "\",\"message\":\"why\","                                                                      \
    "\"lastTransitionTime\":\"2026-01-01T00:05:00Z\"}]"
#define COMPLETE                                                                                   \
    "\"completionTime\":\"2026-01-01T00:05:00Z\",\"conditions\":[{\"type\":\"Complete\","          \
    "\"status\":\"True\"}]"
#define WORKER(state)                                                                              \
    "\"containerStatuses\":[{\"name\":\"other\",\"state\":{}},{\"name\":\"worker\",\"state\":"     \
    "{" state "}}]"
#define ENDED(code, reason, message)                                                               \
    WORKER("\"terminated\":{\"exitCode\":" code ",\"reason\":\"" reason                            \
           "\",\"message\":\"" message "\",\"finishedAt\":\"2026-01-01T00:04:00Z\"}")

struct row {
    const char *name, *job, *pod;
    enum plan_progress progress;
    enum api_result result;
    const char *reason, *message;
    int64_t code;
    bool retriable, stuck;
};

static const struct row rows[] = {
    { "no pod yet", JOB(""), NULL, PLAN_JOB_WAITING, API_RESULT_NONE, "NoPod", NULL, -1, false,
      true },
    { "not scheduled", JOB(""),
      POD("\"phase\":\"Pending\",\"conditions\":[{\"type\":\"PodScheduled\",\"status\":\"False\","
          "\"reason\":"
          "\"Unschedulable\",\"message\":\"0/3 nodes\"}]"),
      PLAN_JOB_WAITING, API_RESULT_NONE, "Unschedulable", "0/3 nodes", -1, false, true },
    { "image", JOB(""),
      POD(WORKER("\"waiting\":{\"reason\":\"ErrImagePull\",\"message\":\"not found\"}")),
      PLAN_JOB_WAITING, API_RESULT_NONE, "ErrImagePull", "not found", -1, false, true },
    { "config error", JOB(""),
      POD(WORKER(
          "\"waiting\":{\"reason\":\"CreateContainerConfigError\",\"message\":\"secret x\"}")),
      PLAN_JOB_WAITING, API_RESULT_NONE, "CreateContainerConfigError", "secret x", -1, false,
      true },
    { "volumes do not come", JOB(""), POD(WORKER("\"waiting\":{\"reason\":\"ContainerCreating\"}")),
      PLAN_JOB_WAITING, API_RESULT_NONE, "PodNotStarting", NULL, -1, false, true },
    { "running", JOB("\"active\":1"), POD(WORKER("\"running\":{}")), PLAN_JOB_RUNNING,
      API_RESULT_NONE, "Running", NULL, -1, false, false },
    { "ended, the Job does not know yet", JOB("\"active\":1"), POD(ENDED("0", "Completed", "")),
      PLAN_JOB_RUNNING, API_RESULT_NONE, "Running", NULL, -1, false, false },
    { "good", JOB(COMPLETE),
      POD(ENDED("0", "Completed", "{\\\"result\\\":\\\"Succeeded\\\",\\\"message\\\":\\\"ok\\\"}")),
      PLAN_JOB_DONE, API_RESULT_SUCCEEDED, "Succeeded", "ok", 0, false, false },
    { "good without a word", JOB(COMPLETE), POD(ENDED("0", "Completed", "")), PLAN_JOB_DONE,
      API_RESULT_SUCCEEDED, "Succeeded", "the worker ended with exit code 0", 0, false, false },
    { "good, pod gone", JOB(COMPLETE), NULL, PLAN_JOB_DONE, API_RESULT_SUCCEEDED, "Succeeded",
      "the Job completed; its pod is gone, so no details are known", -1, false, false },
    { "exit 0 that reports a failure", JOB(COMPLETE),
      POD(ENDED("0", "Completed", "{\\\"result\\\":\\\"Failed\\\",\\\"exitCode\\\":0}")),
      PLAN_JOB_DONE, API_RESULT_FAILED, "InternalError", NULL, 0, true, false },
    { "exit 11 that reports a success", JOB(FAILED("PodFailurePolicy")),
      POD(ENDED("11", "Error", "{\\\"result\\\":\\\"Succeeded\\\",\\\"exitCode\\\":11}")),
      PLAN_JOB_DONE, API_RESULT_FAILED, "Neo4jAuthFailed",
      "Neo4j refused the user name, password or token", 11, false, false },
    { "exit 11 with a message", JOB(FAILED("PodFailurePolicy")),
      POD(ENDED("11", "Error",
                "{\\\"result\\\":\\\"Failed\\\",\\\"reason\\\":\\\"Neo4jAuthFailed\\\","
                "\\\"message\\\":\\\"user 'x' refused\\\","
                "\\\"exitCode\\\":11}")),
      PLAN_JOB_DONE, API_RESULT_FAILED, "Neo4jAuthFailed", "user 'x' refused", 11, false, false },
    { "partial", JOB(FAILED("PodFailurePolicy")),
      POD(ENDED("3", "Error", "{\\\"result\\\":\\\"Partial\\\",\\\"message\\\":\\\"1 of 2\\\"}")),
      PLAN_JOB_DONE, API_RESULT_PARTIAL, "PartiallySucceeded", "1 of 2", 3, false, false },
    { "exit 22", JOB(FAILED("BackoffLimitExceeded")), POD(ENDED("22", "Error", "rubbish")),
      PLAN_JOB_DONE, API_RESULT_FAILED, "StorageUnavailable", "the bucket could not be reached", 22,
      true, false },
    { "unknown exit code", JOB(FAILED("BackoffLimitExceeded")), POD(ENDED("99", "Error", "")),
      PLAN_JOB_DONE, API_RESULT_FAILED, "UnknownExitCode", "the worker ended with exit code 99", 99,
      false, false },
    { "out of memory", JOB(FAILED("BackoffLimitExceeded")), POD(ENDED("137", "OOMKilled", "")),
      PLAN_JOB_DONE, API_RESULT_FAILED, "OOMKilled", NULL, 137, false, false },
    { "killed", JOB(FAILED("BackoffLimitExceeded")), POD(ENDED("137", "Error", "")), PLAN_JOB_DONE,
      API_RESULT_FAILED, "Killed", "the worker was killed by signal 9", 137, true, false },
    { "evicted", JOB(FAILED("BackoffLimitExceeded")),
      POD("\"phase\":\"Failed\",\"reason\":\"Evicted\",\"message\":\"The node was low on memory\""),
      PLAN_JOB_DONE, API_RESULT_FAILED, "Evicted", "The node was low on memory", -1, true, false },
    { "deadline", JOB(FAILED("DeadlineExceeded")), NULL, PLAN_JOB_DONE, API_RESULT_FAILED,
      "DeadlineExceeded", "the Job ran longer than job.activeDeadlineSeconds", -1, true, false },
    { "failed, pod gone", JOB(FAILED("BackoffLimitExceeded")), NULL, PLAN_JOB_DONE,
      API_RESULT_FAILED, "BackoffLimitExceeded", "why", -1, true, false },
    { "failed, yet the pod did well", JOB(FAILED("BackoffLimitExceeded")),
      POD(ENDED("0", "Completed", "")), PLAN_JOB_DONE, API_RESULT_FAILED, "BackoffLimitExceeded",
      "why", 0, true, false },
};

static void result_rows_are_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < NB_ARRAY_LEN(rows); i++) {
        const struct row *r = &rows[i];
        struct nb_error err = NB_ERROR_INIT;
        nb_auto(nb_arena_free) struct nb_arena *a = api_arena_new();
        nb_auto(nb_json_free) struct nb_json *jj = parse(r->job);
        nb_auto(nb_json_free) struct nb_json *pj = r->pod ? parse(r->pod) : NULL;
        nb_auto(api_job_free) struct api_job *job = NULL;
        nb_auto(api_pod_free) struct api_pod *pod = NULL;
        nb_auto_done(plan_result_done) struct plan_result res = { .progress = PLAN_JOB_WAITING };
        const struct api_pod *list[1];

        assert_true(api_job_parse(jj, &job, &err));
        assert_true(!pj || api_pod_parse(pj, &pod, &err));
        list[0] = pod;
        plan_result_read(job, list, pod ? 1 : 0, job->meta.created + 600, a, &res);
        if (res.progress != r->progress || res.result != r->result ||
            strcmp(res.reason, r->reason) != 0 ||
            (r->message && strcmp(res.message, r->message) != 0) || res.exit_code != r->code ||
            res.retriable != r->retriable || res.stuck != r->stuck)
            fail_msg(
                "%s: progress %d result %d reason %s message '%s' code %lld retriable %d stuck %d",
                r->name, res.progress, res.result, res.reason, res.message,
                (long long)res.exit_code, res.retriable, res.stuck);
    }
}

static void result_takes_the_newest_pod_of_this_job(void **state)
{
    static const char *const pods[] = {
        "{\"metadata\":{\"name\":\"a\",\"creationTimestamp\":\"2026-01-01T00:02:00Z\","
        "\"ownerReferences\":[{\"kind\":"
        "\"Job\",\"name\":\"j\",\"uid\":\"u\",\"controller\":true}]},\"status\":{" ENDED(
            "22", "Error", "") "}}",
        "{\"metadata\":{\"name\":\"b\",\"creationTimestamp\":\"2026-01-01T00:03:00Z\","
        "\"ownerReferences\":[{\"kind\":"
        "\"Job\",\"name\":\"j\",\"uid\":\"u\",\"controller\":true}]},\"status\":{" ENDED(
            "11", "Error", "") "}}",
        "{\"metadata\":{\"name\":\"c\",\"creationTimestamp\":\"2026-01-01T00:04:00Z\","
        "\"ownerReferences\":[{\"kind\":"
        "\"Job\",\"name\":\"j\",\"uid\":\"old\",\"controller\":true}]},\"status\":{" ENDED(
            "2", "Error", "") "}}",
    };
    struct nb_error err = NB_ERROR_INIT;
    nb_auto(nb_arena_free) struct nb_arena *a = api_arena_new();
    nb_auto(nb_json_free) struct nb_json *jj = parse(JOB(FAILED("BackoffLimitExceeded")));
    nb_auto(api_job_free) struct api_job *job = NULL;
    nb_auto_done(plan_result_done) struct plan_result res = { .progress = PLAN_JOB_WAITING };
    struct api_pod *list[3];

    (void)state;
    assert_true(api_job_parse(jj, &job, &err));
    for (int i = 0; i < 3; i++) {
        nb_auto(nb_json_free) struct nb_json *pj = parse(pods[i]);

        assert_true(api_pod_parse(pj, &list[i], &err));
    }
    plan_result_read(job, (const struct api_pod *const *)list, 3, 0, a, &res);
    assert_int_equal(res.exit_code, 11);
    for (int i = 0; i < 3; i++)
        api_pod_free(list[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(result_rows_are_read),
        cmocka_unit_test(result_takes_the_newest_pod_of_this_job),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
