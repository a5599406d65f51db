/*
 * The whole controller in this process against a fake API server: stories, and each story again
 * with every single write made to fail in every way, or with the controller killed before it.
 */

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/thread.h"
#include "controller/api/names.h"
#include "controller/reconcile/kinds.h"
#include "controller/reconcile/rec.h"
#include "controller/reconcile/zones.h"
#include "controller/runtime/reflector.h"
#include "net/http.h"
#include "tests/fakes/fake_kube.h"
#include "tests/unit/cmocka.h"

#define GROUP    "/apis/neo4jbackup.dev/v1"
#define BACKUPS  GROUP "/namespaces/a/neo4jbackups"
#define RUNS     GROUP "/namespaces/a/neo4jbackupruns"
#define JOBS     "/apis/batch/v1/namespaces/a/jobs"
#define PODS     "/api/v1/namespaces/a/pods"
#define STORY_MS 20000

/* --- a controller, as main() builds it --- */

struct controller {
    struct kube_auth *auth;
    struct rec rec;
    struct rec_zones *zones;
    struct ctl_reflector *reflectors[5];
    struct ctl_loop *loop;
    struct nb_cancel *term;
    unsigned writes_left; /* atomic; the fence falls when they are used up */
};

static bool fence(void *ctx, struct nb_error *err)
{
    struct controller *c = ctx;
    unsigned left = __atomic_load_n(&c->writes_left, __ATOMIC_SEQ_CST);

    if (left == 0)
        return nb_fail(err, NB_E_CANCELLED, "Dead", "dead");
    __atomic_store_n(&c->writes_left, left - 1, __ATOMIC_SEQ_CST);
    return true;
}

static void start_reflector(struct controller *c, int i, const struct kube_resource *res,
                            struct ctl_store *store, const char *selector)
{
    struct ctl_reflector_opts opts = { .auth = c->auth,
                                       .resource = res,
                                       .store = store,
                                       .label_selector = selector,
                                       .backoff_base_ms = 1 };
    struct nb_error err = NB_ERROR_INIT;

    assert_true(ctl_reflector_start(&opts, &c->reflectors[i], &err));
}

static void make_parts(struct controller *c)
{
    const struct rec_logs_opts logs = { .poll_ms = 20, .give_up_ms = 50 };
    struct plan_options plan = { .worker_image = "worker:1",
                                 .image_pull_policy = "",
                                 .image_pull_secrets = "",
                                 .worker_uid = 65532,
                                 .log_level = "info",
                                 .verify_neo4j_image = "",
                                 .zone = rec_zones_get };
    struct nb_error err = NB_ERROR_INIT;

    c->zones = rec_zones_new(NULL);
    plan.zone_ctx = c->zones;
    assert_true(rec_init(&c->rec, c->auth, &plan, &logs, &err));
}

static struct controller *controller_start(struct fake_kube *kube, unsigned writes)
{
    struct controller *c = NB_NEW(struct controller);
    struct ctl_loop_opts loop = {
        .name = "test", .workers = 2, .reconcile = rec_reconcile, .fence = fence
    };
    struct nb_error err = NB_ERROR_INIT;

    c->auth = fake_kube_auth(kube);
    c->writes_left = writes;
    c->term = nb_cancel_new();
    make_parts(c);
    start_reflector(c, 0, &REC_BACKUPS, c->rec.backups, NULL);
    start_reflector(c, 1, &REC_RUNS, c->rec.runs, NULL);
    start_reflector(c, 2, &KUBE_JOBS, c->rec.jobs, REC_WORKER_SELECTOR);
    start_reflector(c, 3, &KUBE_PODS, c->rec.pods, REC_WORKER_SELECTOR);
    start_reflector(c, 4, &REC_RESTORES, c->rec.restores, NULL);
    while (!rec_is_synced(&c->rec))
        assert_true(nb_cancel_sleep(NULL, 1, &err));
    loop.queue = c->rec.queue;
    loop.auth = c->auth;
    loop.fence_ctx = c;
    loop.ctx = &c->rec;
    loop.cancel = c->term;
    rec_enqueue_all(&c->rec);
    assert_true(ctl_loop_start(&loop, &c->loop, &err));
    return c;
}

static void controller_stop(struct controller *c)
{
    ctl_loop_stop(c->loop, 0);
    for (int i = 0; i < 5; i++)
        ctl_reflector_stop(c->reflectors[i]);
    rec_done(&c->rec);
    rec_zones_free(c->zones);
    kube_auth_free(c->auth);
    nb_cancel_free(c->term);
    free(c);
}

/* --- the rest of the cluster: what the Job controller and the kubelet do --- */

static const char backup[] =
    "{\"apiVersion\":\"neo4jbackup.dev/"
    "v1\",\"kind\":\"Neo4jBackup\",\"metadata\":{\"name\":\"x\",\"namespace\":"
    "\"a\"},\"spec\":{\"connection\":{\"uri\":\"bolt://"
    "neo4j:7687\"},\"storage\":{\"r2\":{\"bucket\":\"b\","
    "\"credentialsSecretRef\":{\"name\":\"r2\"}}}}}";

/* A string as it is, anything else as JSON; "" when absent. */
static char *text_at(struct fake_kube *k, const char *path, const char *name, const char *field)
{
    nb_auto(nb_free) char *text = fake_kube_get(k, path, name);
    nb_auto(nb_json_free) struct nb_json *json = NULL;
    struct nb_buf out = NB_BUF_INIT(1 << 20);
    struct nb_error err = NB_ERROR_INIT;
    const struct nb_json *v;

    if (!text || !nb_json_parse(text, strlen(text), 1 << 20, &json, &err))
        return nb_xstrdup("");
    v = nb_json_at(json, field);
    if (v && nb_json_type(v) == NB_JSON_STRING)
        nb_buf_puts(&out, nb_json_str(v, ""));
    else if (v)
        nb_json_format(v, &out);
    return nb_buf_take(&out);
}

/* Ends the i-th Job with that exit code, if it has not ended. */
static void run_job(struct fake_kube *k, size_t i, int exit_code, const char *message)
{
    nb_auto(nb_free) char *name = fake_kube_name(k, JOBS, i);
    nb_auto(nb_free) char *old = name ? fake_kube_get(k, JOBS, name) : NULL;
    nb_auto(nb_free) char *uid = name ? text_at(k, JOBS, name, "metadata.uid") : NULL;
    nb_auto(nb_free) char *pod = NULL;
    nb_auto(nb_free) char *job = NULL;
    nb_auto(nb_free) char *labels =
        name ? text_at(k, JOBS, name, "spec.template.metadata.labels") : NULL;
    nb_auto(nb_free) char *started = name ? text_at(k, JOBS, name, "status.startTime") : NULL;

    if (!old || started[0])
        return;
    labels[strlen(labels) - 1] = '\0'; /* the Job controller adds one of its own */
    pod = nb_xasprintf(
        "{\"metadata\":{\"name\":\"%s-p\",\"ownerReferences\":[{\"apiVersion\":\"batch/"
        "v1\",\"kind\":\"Job\","
        "\"name\":\"%s\",\"uid\":\"%s\",\"controller\":true}],\"labels\":%s,"
        "\"batch.kubernetes.io/job-name\":\"%s\"}},\"status\":{\"phase\":"
        "\"%s\","
        "\"containerStatuses\":[{\"name\":\"worker\",\"state\":{\"terminated\":{\"exitCode\":%d,"
        "\"startedAt\":\"2025-10-08T02:00:00Z\",\"finishedAt\":\"2025-10-08T02:00:05Z\","
        "\"message\":\"%s\"}}}]}}",
        name, name, uid, labels, name, exit_code ? "Failed" : "Succeeded", exit_code, message);
    job = nb_xasprintf(
        "{\"metadata\":{\"name\":\"%s\"},\"status\":{\"startTime\":\"2025-10-08T02:00:00Z\",%s"
        "\"conditions\":[{\"type\":\"%s\",\"status\":\"True\",\"lastTransitionTime\":"
        "\"2025-10-08T02:00:05Z\"}]}}",
        name,
        exit_code ? "\"failed\":1,"
                  : "\"succeeded\":1,\"completionTime\":\"2025-10-08T02:00:05Z\",",
        exit_code ? "Failed" : "Complete");
    {
        nb_auto(nb_free) char *pod_name = nb_xasprintf("%s-p", name);

        fake_kube_set_log(k, pod_name,
                          "2025-10-08T02:00:04.000000000Z {\"event\":\"progress\","
                          "\"stage\":\"Done\",\"percent\":100}\n");
    }
    fake_kube_put(k, PODS, pod);
    fake_kube_put(k, JOBS, job);
}

struct story {
    int exit_code;
    const char *message, *field; /* of the backup's status: not "" when the story has ended */
};
static const struct story good = { 0, "{\\\"result\\\":\\\"Succeeded\\\",\\\"sizeBytes\\\":77}",
                                   "status.lastSuccessfulTime" };
static const struct story bad = {
    11, "{\\\"result\\\":\\\"Failed\\\",\\\"reason\\\":\\\"Neo4jAuthFailed\\\"}",
    "status.lastFailureTime"
};

/* Lets the cluster go on until the story has ended; false: `dead` became true first (or it took
 * too long). */
static bool go_on(struct fake_kube *k, const struct story *s, const struct controller *c)
{
    int64_t deadline = nb_clock_mono_ms() + STORY_MS;

    while (nb_clock_mono_ms() < deadline) {
        nb_auto(nb_free) char *end = text_at(k, BACKUPS, "x", s->field);

        if (end[0])
            return true;
        if (__atomic_load_n(&c->writes_left, __ATOMIC_SEQ_CST) == 0)
            return false;
        for (size_t i = 0; i < fake_kube_count(k, JOBS); i++)
            run_job(k, i, s->exit_code, s->message);
        fake_kube_wait(k, 5);
    }
    return false;
}

static void check_end(struct fake_kube *k, const struct story *s, const char *what)
{
    nb_auto(nb_free) char *run = fake_kube_name(k, RUNS, 0);
    nb_auto(nb_free) char *result = run ? text_at(k, RUNS, run, "status.result") : NULL;

    if (fake_kube_count(k, RUNS) != 1 || fake_kube_count(k, JOBS) != 1)
        fail_msg("%s: %zu runs, %zu Jobs", what, fake_kube_count(k, RUNS),
                 fake_kube_count(k, JOBS));
    if (!nb_streq(result, s->exit_code ? "Failed" : "Succeeded"))
        fail_msg("%s: run has result '%s'", what, result);
    if (s->exit_code == 0) {
        nb_auto(nb_free) char *size = text_at(k, RUNS, run, "status.sizeBytes");

        if (!nb_streq(size, "77"))
            fail_msg("%s: run has size '%s'", what, size);
    }
}

/* Nothing more is written once the story is over. */
static void check_settled(struct fake_kube *k, const char *what)
{
    unsigned before =
        fake_kube_requests(k, "PATCH /apis/neo4jbackup") + fake_kube_requests(k, "POST /apis");

    for (int i = 0; i < 10; i++)
        fake_kube_wait(k, 20);
    before = fake_kube_requests(k, "PATCH /apis/neo4jbackup") +
             fake_kube_requests(k, "POST /apis") - before;
    if (before > 3) /* what was under way may still land */
        fail_msg("%s: %u writes after the end", what, before);
}

static void story_runs(const struct story *s, const char *what)
{
    struct fake_kube *k = fake_kube_new();
    struct controller *c;

    fake_kube_put(k, BACKUPS, backup);
    c = controller_start(k, 1000000);
    if (!go_on(k, s, c))
        fail_msg("%s: no end", what);
    check_end(k, s, what);
    check_settled(k, what);
    controller_stop(c);
    fake_kube_free(k);
}

static void one_backup_once_succeeds(void **state)
{
    (void)state;
    story_runs(&good, "good");
}

static void wrong_password_is_told(void **state)
{
    (void)state;
    story_runs(&bad, "bad");
}

/* Writes of one undisturbed story, so that each can be disturbed. */
static unsigned writes_of(const struct story *s)
{
    struct fake_kube *k = fake_kube_new();
    struct controller *c;
    unsigned n;

    fake_kube_put(k, BACKUPS, backup);
    c = controller_start(k, 1000000);
    assert_true(go_on(k, s, c));
    n = fake_kube_requests(k, "POST /apis") + fake_kube_requests(k, "PATCH /apis");
    controller_stop(c);
    fake_kube_free(k);
    return n;
}

static void kill_before_any_write_loses_and_doubles_nothing(void **state)
{
    unsigned writes = writes_of(&good);

    (void)state;
    assert_in_range(writes, 4, 40);
    for (unsigned kill = 1; kill <= writes; kill++) {
        struct fake_kube *k = fake_kube_new();
        struct controller *c;
        char what[64];
        bool ended;

        snprintf(what, sizeof(what), "killed after %u of %u writes", kill, writes);
        fake_kube_put(k, BACKUPS, backup);
        c = controller_start(k, kill);
        ended = go_on(k, &good, c);
        controller_stop(c);
        if (!ended) {
            c = controller_start(k, 1000000);
            if (!go_on(k, &good, c))
                fail_msg("%s: no end", what);
            controller_stop(c);
        }
        check_end(k, &good, what);
        fake_kube_free(k);
    }
}

static void any_write_may_fail_in_any_way(void **state)
{
    static const struct fake_kube_fault ways[] = {
        { .status = 0, .apply = true },          { .status = 0 },
        { .status = 504, .apply = true },        { .status = 500, .reason = "InternalError" },
        { .status = 409, .reason = "Conflict" },
    };
    unsigned writes = writes_of(&good);

    (void)state;
    for (size_t way = 0; way < NB_ARRAY_LEN(ways); way++) {
        for (unsigned i = 0; i < writes; i++) {
            struct fake_kube_fault post = ways[way], patch = ways[way];
            struct fake_kube *k = fake_kube_new();
            struct controller *c;
            char what[64];

            post.method = "POST";
            post.part = "/apis/";
            patch.method = "PATCH";
            patch.part = "/apis/";
            post.skip = patch.skip = i;
            post.times = patch.times = 1;
            snprintf(what, sizeof(what), "way %zu, write %u", way, i);
            fake_kube_fail(k, i % 2 ? &post : &patch);
            fake_kube_fail(k, i % 2 ? &patch : &post);
            fake_kube_put(k, BACKUPS, backup);
            c = controller_start(k, 1000000);
            if (!go_on(k, &good, c))
                fail_msg("%s: no end", what);
            check_end(k, &good, what);
            controller_stop(c);
            fake_kube_free(k);
        }
    }
}

/* Watches that break all the time, positions that are gone, events that come late. */
static void unreliable_watches_change_nothing(void **state)
{
    (void)state;
    for (int round = 0; round < 6; round++) {
        struct fake_kube *k = fake_kube_new();
        struct controller *c;
        int64_t deadline = nb_clock_mono_ms() + STORY_MS;
        bool ended = false;

        fake_kube_put(k, BACKUPS, backup);
        fake_kube_expire_inside(k, round % 2 == 0);
        c = controller_start(k, 1000000);
        for (int i = 0; !ended && nb_clock_mono_ms() < deadline; i++) {
            nb_auto(nb_free) char *end = text_at(k, BACKUPS, "x", good.field);

            ended = end[0] != '\0';
            for (size_t j = 0; j < fake_kube_count(k, JOBS); j++)
                run_job(k, j, 0, good.message);
            if (i % 3 == round % 3)
                fake_kube_end_watches(k, i % 2 == 0);
            if (i % 7 == round)
                fake_kube_compact(k);
            fake_kube_hold(k, i % 5 == 0);
            fake_kube_wait(k, 10);
        }
        fake_kube_hold(k, false);
        assert_true(ended);
        check_end(k, &good, "unreliable");
        controller_stop(c);
        fake_kube_free(k);
    }
}

static const char restore[] =
    "{\"apiVersion\":\"neo4jbackup.dev/"
    "v1\",\"kind\":\"Neo4jRestore\",\"metadata\":{\"name\":\"r\",\"namespace\":"
    "\"a\"},\"spec\":{\"source\":{\"runRef\":{\"name\":\"x-i\"}},\"target\":{\"connection\":{"
    "\"uri\":"
    "\"bolt://neo4j:7687\"}}}}";

/* --- what the API server does not let be made --- */

static struct fake_kube_fault no_jobs(int status, const char *reason, unsigned times)
{
    return (struct fake_kube_fault){
        .method = "POST", .part = "/jobs", .times = times, .status = status, .reason = reason
    };
}

static void refused_job_ends_its_run_and_is_told(void **state)
{
    static const struct story refused = { 1, "", "status.lastFailureTime" };
    const struct fake_kube_fault fault = no_jobs(422, "Invalid", 1000);
    struct fake_kube *k = fake_kube_new();
    struct controller *c;

    (void)state;
    fake_kube_put(k, BACKUPS, backup);
    fake_kube_fail(k, &fault);
    c = controller_start(k, 1000000);
    assert_true(go_on(k, &refused, c));
    {
        nb_auto(nb_free) char *reason = text_at(k, RUNS, "x-i", "status.failure.reason");
        nb_auto(nb_free) char *why = text_at(k, RUNS, "x-i", "status.failure.message");

        assert_string_equal(reason, "JobRefused");
        assert_non_null(strstr(why, "Invalid (HTTP 422): fake says no"));
    }
    check_settled(k, "refused");
    assert_int_equal(fake_kube_requests(k, "POST " JOBS), 1);
    controller_stop(c);
    fake_kube_free(k);
}

/* It says so, is tried again with the change that this is, and goes on. */
static void job_that_may_not_be_made_yet_is_made_later(void **state)
{
    struct fake_kube_fault faults[] = { no_jobs(403, "Forbidden", 1), no_jobs(422, "Invalid", 1) };

    (void)state;
    faults[1].message = "jobs.batch j is forbidden: ValidatingAdmissionPolicy 'p' with binding "
                        "'b' denied request: another image";
    for (size_t i = 0; i < NB_ARRAY_LEN(faults); i++) {
        struct fake_kube *k = fake_kube_new();
        nb_auto(nb_free) char *conditions = NULL;
        struct controller *c;

        fake_kube_put(k, BACKUPS, backup);
        fake_kube_fail(k, &faults[i]);
        c = controller_start(k, 1000000);
        assert_true(go_on(k, &good, c));
        check_end(k, &good, "denied once");
        conditions = text_at(k, RUNS, "x-i", "status.conditions");
        assert_non_null(strstr(conditions, "\"JobDenied\""));
        controller_stop(c);
        fake_kube_free(k);
    }
}

static void refused_run_is_told_and_given_up(void **state)
{
    static const struct story skipped = { 1, "", "status.lastSkippedReason" };
    const struct fake_kube_fault fault = { .method = "POST",
                                           .part = "/neo4jbackupruns",
                                           .times = 1000,
                                           .status = 400,
                                           .reason = "BadRequest" };
    struct fake_kube *k = fake_kube_new();
    nb_auto(nb_free) char *reason = NULL;
    struct controller *c;

    (void)state;
    fake_kube_put(k, BACKUPS, backup);
    fake_kube_fail(k, &fault);
    c = controller_start(k, 1000000);
    assert_true(go_on(k, &skipped, c));
    reason = text_at(k, BACKUPS, "x", "status.lastSkippedReason");
    assert_string_equal(reason, "RunRefused");
    check_settled(k, "run refused");
    assert_int_equal(fake_kube_count(k, RUNS), 0);
    controller_stop(c);
    fake_kube_free(k);
}

static void refused_prune_job_does_not_keep_the_object(void **state)
{
    const struct fake_kube_fault fault = no_jobs(422, "Invalid", 1000);
    struct fake_kube *k = fake_kube_new();
    nb_auto(nb_free) char *finalizers = NULL;
    struct controller *c;

    (void)state;
    fake_kube_put(k, "/api/v1/namespaces", "{\"metadata\":{\"name\":\"a\"}}");
    {
        char now[NB_TIME_TEXT_MAX];
        nb_auto(nb_free) char *going = nb_xasprintf(
            "{\"metadata\":{\"name\":\"x\",\"namespace\":\"a\",\"finalizers\":[\"" API_FINALIZER
            "\"],\"deletionTimestamp\":\"%s\"},\"spec\":{\"retention\":{\"onDelete\":\"Delete\"},"
            "\"storage\":{\"r2\":{\"bucket\":\"b\"}}}}",
            nb_time_format(nb_clock_unix_seconds(), now));

        fake_kube_put(k, BACKUPS, going);
    }
    fake_kube_fail(k, &fault);
    c = controller_start(k, 1000000);
    for (int64_t end = nb_clock_mono_ms() + STORY_MS; nb_clock_mono_ms() < end;) {
        free(finalizers);
        finalizers = text_at(k, BACKUPS, "x", "metadata.finalizers");
        if (nb_streq(finalizers, "[]"))
            break;
        fake_kube_wait(k, 10);
    }
    assert_string_equal(finalizers, "[]");
    controller_stop(c);
    fake_kube_free(k);
}

/* Whatever fails, the moment that the plan waits for is not forgotten. */
static void failure_does_not_undo_the_wake(void **state)
{
    static const char scheduled[] =
        "{\"metadata\":{\"name\":\"x\",\"namespace\":\"a\"},\"spec\":{\"schedule\":\"0 0 29 2 "
        "*\",\"storage\":{\"r2\":{\"bucket\":\"b\"}}}}";
    const struct fake_kube_fault fault = {
        .method = "PATCH", .times = 1000, .status = 422, .reason = "Invalid"
    };
    struct fake_kube *k = fake_kube_new();
    struct ctl_work work = { .key = "a/x", .requeue_after_ms = -1 };
    struct nb_error err = NB_ERROR_INIT;
    struct controller *c;

    (void)state;
    c = controller_start(k, 1000000);
    ctl_loop_stop(c->loop, 0);
    c->loop = NULL;
    fake_kube_fail(k, &fault);
    fake_kube_put(k, BACKUPS, scheduled);
    while (ctl_store_count(c->rec.backups) == 0)
        fake_kube_wait(k, 1);
    assert_true(kube_client_new(c->auth, NULL, &work.client, &err));
    assert_false(rec_reconcile(&c->rec, &work, &err));
    assert_int_equal(err.code, NB_E_INVALID);
    assert_true(work.requeue_after_ms > 0);
    kube_client_free(work.client);
    controller_stop(c);
    fake_kube_free(k);
}

/* The end of the Job is seen, that of its pod is not: what the worker said is not lost. */
static void watch_of_pods_that_is_behind_loses_nothing(void **state)
{
    struct fake_kube *k = fake_kube_new();
    struct controller *c;

    (void)state;
    fake_kube_put(k, BACKUPS, backup);
    fake_kube_hold_only(k, "pods");
    c = controller_start(k, 1000000);
    assert_true(go_on(k, &good, c));
    check_end(k, &good, "pods unseen");
    fake_kube_hold_only(k, NULL);
    controller_stop(c);
    fake_kube_free(k);
}

/* A name was taken, and is free when we look by whom: we go on at once. */
/* The store still shows it. Nothing is made until the server says that it is there. */
static void nothing_is_made_for_a_policy_that_only_the_store_knows(void **state)
{
    const struct fake_kube_fault gone = {
        .method = "GET", .part = "neo4jbackups/x", .times = 3, .status = 404, .reason = "NotFound"
    };
    struct fake_kube *k = fake_kube_new();
    struct controller *c;

    (void)state;
    fake_kube_put(k, BACKUPS, backup);
    fake_kube_fail(k, &gone);
    c = controller_start(k, 1000000);
    while (fake_kube_requests(k, "GET " BACKUPS "/x") < 3) {
        assert_int_equal(fake_kube_requests(k, "POST " RUNS), 0);
        fake_kube_wait(k, 5);
    }
    assert_true(go_on(k, &good, c));
    check_end(k, &good, "seen again");
    controller_stop(c);
    fake_kube_free(k);
}

static void holder_of_a_name_that_goes_meanwhile_holds_nothing_up(void **state)
{
    static const char *const parts[] = { "neo4jbackupruns", "jobs" };

    (void)state;
    for (size_t i = 0; i < NB_ARRAY_LEN(parts); i++) {
        const struct fake_kube_fault taken = {
            .method = "POST", .part = parts[i], .times = 1, .status = 409, .reason = "AlreadyExists"
        };
        struct fake_kube *k = fake_kube_new();
        struct controller *c;

        fake_kube_put(k, BACKUPS, backup);
        fake_kube_fail(k, &taken);
        c = controller_start(k, 1000000);
        assert_true(go_on(k, &good, c));
        check_end(k, &good, parts[i]);
        controller_stop(c);
        fake_kube_free(k);
    }
}

/* Asked for before the backup exists: it waits for the run, then reads it. */
static void restore_waits_for_its_run_and_succeeds(void **state)
{
    struct fake_kube *k = fake_kube_new();
    struct controller *c;
    int64_t deadline = nb_clock_mono_ms() + STORY_MS;
    bool ended = false;

    (void)state;
    fake_kube_put(k, GROUP "/namespaces/a/neo4jrestores", restore);
    c = controller_start(k, 1000000);
    for (int i = 0; i < 5; i++)
        fake_kube_wait(k, 20);
    assert_int_equal(fake_kube_count(k, JOBS), 0);
    fake_kube_put(k, BACKUPS, backup);
    while (!ended && nb_clock_mono_ms() < deadline) {
        nb_auto(nb_free) char *end =
            text_at(k, GROUP "/namespaces/a/neo4jrestores", "r", "status.completionTime");

        ended = end[0] != '\0';
        for (size_t i = 0; i < fake_kube_count(k, JOBS); i++)
            run_job(k, i, 0,
                    "{\\\"result\\\":\\\"Succeeded\\\",\\\"sizeBytes\\\":77,"
                    "\\\"manifestKey\\\":\\\"m/1.json\\\"}");
        fake_kube_wait(k, 5);
    }
    assert_true(ended);
    assert_int_equal(fake_kube_count(k, JOBS), 2);
    controller_stop(c);
    fake_kube_free(k);
}

/* Made by hand, for a policy that is not there: it says so, and is no backup. */
static void run_without_a_policy_is_told_so(void **state)
{
    static const char run[] =
        "{\"apiVersion\":\"neo4jbackup.dev/v1\",\"kind\":\"Neo4jBackupRun\",\"metadata\":{"
        "\"name\":\"by-hand\",\"namespace\":\"a\"},\"spec\":{\"backupRef\":{\"name\":\"nobody\"},"
        "\"template\":{}}}";
    struct fake_kube *k = fake_kube_new();
    struct controller *c;
    int64_t deadline = nb_clock_mono_ms() + STORY_MS;
    bool told = false;

    (void)state;
    c = controller_start(k, 1000000);
    fake_kube_put(k, RUNS, run);
    while (!told && nb_clock_mono_ms() < deadline) {
        nb_auto(nb_free) char *reason = text_at(k, RUNS, "by-hand", "status.failure.reason");

        told = nb_streq(reason, "NotOwned");
        fake_kube_wait(k, 5);
    }
    assert_true(told);
    assert_int_equal(fake_kube_count(k, JOBS), 0);
    controller_stop(c);
    fake_kube_free(k);
}

/* Two at once, as when a Lease was lost and nobody noticed. */
static void two_controllers_make_one_run(void **state)
{
    (void)state;
    for (int round = 0; round < 5; round++) {
        struct fake_kube *k = fake_kube_new();
        struct controller *a, *b;

        fake_kube_put(k, BACKUPS, backup);
        a = controller_start(k, 1000000);
        b = controller_start(k, 1000000);
        assert_true(go_on(k, &good, a));
        check_end(k, &good, "two");
        controller_stop(a);
        controller_stop(b);
        fake_kube_free(k);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_backup_once_succeeds),
        cmocka_unit_test(wrong_password_is_told),
        cmocka_unit_test(kill_before_any_write_loses_and_doubles_nothing),
        cmocka_unit_test(any_write_may_fail_in_any_way),
        cmocka_unit_test(unreliable_watches_change_nothing),
        cmocka_unit_test(watch_of_pods_that_is_behind_loses_nothing),
        cmocka_unit_test(two_controllers_make_one_run),
        cmocka_unit_test(refused_job_ends_its_run_and_is_told),
        cmocka_unit_test(job_that_may_not_be_made_yet_is_made_later),
        cmocka_unit_test(refused_run_is_told_and_given_up),
        cmocka_unit_test(refused_prune_job_does_not_keep_the_object),
        cmocka_unit_test(failure_does_not_undo_the_wake),
        cmocka_unit_test(nothing_is_made_for_a_policy_that_only_the_store_knows),
        cmocka_unit_test(holder_of_a_name_that_goes_meanwhile_holds_nothing_up),
        cmocka_unit_test(restore_waits_for_its_run_and_succeeds),
        cmocka_unit_test(run_without_a_policy_is_told_so),
    };

    http_global_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
