#include "controller/reconcile/logs.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "controller/reconcile/kinds.h"
#include "net/http.h"
#include "tests/fakes/fake_kube.h"
#include "tests/unit/cmocka.h"

#define PODS     "/api/v1/namespaces/a/pods"
#define STAMP(n) "2025-10-08T02:00:0" #n ".000000000Z "
#define PROGRESS(pct)                                                                              \
    "{\"event\":\"progress\",\"stage\":\"ExportingNodes\",\"database\":\"neo4j\","                 \
    "\"percent\":" #pct "}\n"

struct fixture {
    struct fake_kube *kube;
    struct kube_auth *auth;
    struct ctl_store *pods;
    struct ctl_queue *queue;
    struct rec_logs *logs;
};

static int setup_opts(void **state, struct rec_logs_opts opts)
{
    struct fixture *f = NB_NEW(struct fixture);
    struct nb_error err = NB_ERROR_INIT;

    f->kube = fake_kube_new();
    f->auth = fake_kube_auth(f->kube);
    f->pods = ctl_store_new(&REC_POD_KIND);
    f->queue = ctl_queue_new("test", NULL);
    opts.auth = f->auth;
    opts.pods = f->pods;
    opts.queue = f->queue;
    assert_true(rec_logs_start(&opts, &f->logs, &err));
    ctl_store_on_change(f->pods, rec_logs_pod_changed, f->logs);
    *state = f;
    return 0;
}

static int setup(void **state)
{
    return setup_opts(state, (struct rec_logs_opts){ .poll_ms = 20, .give_up_ms = 60 });
}

static int setup_forgetful(void **state)
{
    return setup_opts(state,
                      (struct rec_logs_opts){ .poll_ms = 20, .give_up_ms = 60, .forget_ms = 1 });
}

static int setup_impatient(void **state)
{
    return setup_opts(state, (struct rec_logs_opts){ .poll_ms = 20, .idle_ms = 100 });
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    rec_logs_stop(f->logs);
    ctl_queue_free(f->queue);
    ctl_store_free(f->pods);
    kube_auth_free(f->auth);
    fake_kube_free(f->kube);
    free(f);
    return 0;
}

static void set_pod_named(struct fixture *f, const char *name, int version, const char *state)
{
    nb_auto(nb_free) char *text =
        nb_xasprintf("{\"metadata\":{\"name\":\"%s\",\"namespace\":\"a\",\"uid\":\"u\","
                     "\"resourceVersion\":\"%d\","
                     "\"labels\":{\"neo4jbackup.dev/backup-name\":\"x\",\"job-name\":\"j\"}},"
                     "\"status\":{\"phase\":\"Running\",\"containerStatuses\":[{\"name\":"
                     "\"worker\",\"state\":{%s}}]}}",
                     name, version, state);
    nb_auto(nb_json_free) struct nb_json *json = NULL;
    struct nb_error err = NB_ERROR_INIT;

    assert_true(nb_json_parse(text, strlen(text), 65536, &json, &err));
    ctl_store_apply(f->pods, json);
}

static void set_pod(struct fixture *f, int version, const char *state)
{
    set_pod_named(f, "p", version, state);
}

#define RUNNING "\"running\":{}"
#define ENDED   "\"terminated\":{\"exitCode\":0}"

/* Waits for the wake-up that says that the log has changed, and takes it. */
static struct api_log *woken(struct fixture *f)
{
    char *key = ctl_queue_take(f->queue);

    assert_string_equal(key, "a/x");
    ctl_queue_done(f->queue, key);
    free(key);
    return rec_logs_copy(f->logs, "a", "j");
}

static void progress_and_end_are_heard(void **state)
{
    struct fixture *f = *state;
    nb_auto(api_log_free) struct api_log *first = NULL;
    nb_auto(api_log_free) struct api_log *second = NULL;
    nb_auto(api_log_free) struct api_log *last = NULL;

    assert_null(rec_logs_copy(f->logs, "a", "j"));
    set_pod(f, 1, RUNNING);
    fake_kube_set_log(f->kube, "p", STAMP(1) PROGRESS(10) STAMP(2) PROGRESS(20));
    rec_logs_follow(f->logs, "a", "j", "p", "a/x");
    first = woken(f);
    assert_int_equal(first->progress.percent, 20);
    assert_false(first->complete);
    fake_kube_set_log(f->kube, "p", STAMP(2) PROGRESS(20) STAMP(3) PROGRESS(30));
    rec_logs_follow(f->logs, "a", "j", "p", "a/x"); /* nothing new */
    second = woken(f);
    assert_int_equal(second->progress.percent, 30);
    assert_true(fake_kube_requests(f->kube, "sinceTime=2025-10-08T02%3A00%3A02Z") >= 1);
    set_pod(f, 2, ENDED);
    last = woken(f);
    assert_true(last->complete);
    assert_int_equal(last->progress.percent, 30);
}

static void log_that_has_ended_is_forgotten_though_asked_for(void **state)
{
    struct fixture *f = *state;
    int64_t until = nb_clock_mono_ms() + 10000;
    struct api_log *log;

    set_pod(f, 1, ENDED);
    fake_kube_set_log(f->kube, "p", STAMP(1) PROGRESS(10));
    for (int i = 0; i < 2; i++) { /* who needs it follows again */
        rec_logs_follow(f->logs, "a", "j", "p", "a/x");
        api_log_free(woken(f));
        while ((log = rec_logs_copy(f->logs, "a", "j")) && nb_clock_mono_ms() < until) {
            api_log_free(log);
            sched_yield();
        }
        assert_null(log);
    }
}

static void log_that_cannot_be_read_is_given_up_after_the_end(void **state)
{
    struct fixture *f = *state;
    nb_auto(api_log_free) struct api_log *log = NULL;

    set_pod(f, 1, ENDED);
    rec_logs_follow(f->logs, "a", "j", "p", "a/x");
    log = woken(f);
    assert_true(log->failed);
    assert_false(log->complete);
}

static void pod_that_is_gone_is_given_up_at_once(void **state)
{
    struct fixture *f = *state;
    nb_auto(api_log_free) struct api_log *log = NULL;

    rec_logs_follow(f->logs, "a", "j", "never", "a/x");
    log = woken(f);
    assert_true(log->failed);
}

static void new_pod_of_the_job_begins_anew(void **state)
{
    struct fixture *f = *state;
    nb_auto(api_log_free) struct api_log *first = NULL;
    nb_auto(api_log_free) struct api_log *second = NULL;

    set_pod(f, 1, RUNNING);
    fake_kube_set_log(f->kube, "p", STAMP(1) PROGRESS(90));
    rec_logs_follow(f->logs, "a", "j", "p", "a/x");
    first = woken(f);
    assert_int_equal(first->progress.percent, 90);
    rec_logs_follow(f->logs, "a", "j", "p2", "a/x");
    second = rec_logs_copy(f->logs, "a", "j");
    assert_int_not_equal(second->progress.percent, 90);
}

/* Pods on a node that is gone: each was tried, and failed, before the others are looked at. */
static void follow_dead_pods(struct fixture *f, unsigned count)
{
    fake_kube_hang_logs(f->kube, "dead-");
    for (unsigned i = 0; i < count; i++) {
        nb_auto(nb_free) char *pod = nb_xasprintf("dead-%u", i);

        set_pod_named(f, pod, 1, RUNNING);
        rec_logs_follow(f->logs, "a", pod, pod, "a/dead");
    }
    while (fake_kube_requests(f->kube, "dead-") < count)
        assert_true(fake_kube_wait(f->kube, 10000));
}

static void node_that_is_gone_holds_nobody_else_up(void **state)
{
    enum { DEAD = 40, ROUNDS = 5 };
    struct fixture *f = *state;
    int64_t begun = nb_clock_mono_ms();

    follow_dead_pods(f, DEAD);
    set_pod(f, 1, RUNNING);
    for (int i = 0; i < ROUNDS; i++) {
        nb_auto(nb_free) char *text = nb_xasprintf(
            "2025-10-08T02:00:0%d.000000000Z {\"event\":\"progress\",\"stage\":\"Indexes\","
            "\"percent\":%d}\n",
            i, 10 + i);
        nb_auto(api_log_free) struct api_log *log = NULL;

        fake_kube_set_log(f->kube, "p", text);
        rec_logs_follow(f->logs, "a", "j", "p", "a/x");
        log = woken(f);
        assert_int_equal(log->progress.percent, 10 + i);
    }
    set_pod(f, 2, ENDED);
    api_log_free(woken(f));
    /* One after the other, each given its 100 ms again and again, would need far longer; each waits
     * longer after each failure. */
    assert_true(nb_clock_mono_ms() - begun < 10000);
    assert_true(fake_kube_requests(f->kube, "dead-") < DEAD * 12);
}

static void pod_that_answers_again_is_read(void **state)
{
    struct fixture *f = *state;
    nb_auto(api_log_free) struct api_log *log = NULL;

    fake_kube_hang_logs(f->kube, "p");
    fake_kube_set_log(f->kube, "p", STAMP(1) PROGRESS(10));
    set_pod(f, 1, RUNNING);
    rec_logs_follow(f->logs, "a", "j", "p", "a/x");
    while (fake_kube_requests(f->kube, "/pods/p/log") < 2)
        assert_true(fake_kube_wait(f->kube, 10000));
    fake_kube_hang_logs(f->kube, NULL);
    log = woken(f);
    assert_int_equal(log->progress.percent, 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(progress_and_end_are_heard, setup, teardown),
        cmocka_unit_test_setup_teardown(log_that_has_ended_is_forgotten_though_asked_for,
                                        setup_forgetful, teardown),
        cmocka_unit_test_setup_teardown(log_that_cannot_be_read_is_given_up_after_the_end, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(pod_that_is_gone_is_given_up_at_once, setup, teardown),
        cmocka_unit_test_setup_teardown(new_pod_of_the_job_begins_anew, setup, teardown),
        cmocka_unit_test_setup_teardown(node_that_is_gone_holds_nobody_else_up, setup_impatient,
                                        teardown),
        cmocka_unit_test_setup_teardown(pod_that_answers_again_is_read, setup_impatient, teardown),
    };

    http_global_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
