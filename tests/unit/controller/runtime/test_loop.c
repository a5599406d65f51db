#include "controller/runtime/loop.h"

#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "base/thread.h"
#include "controller/runtime/recorder.h"
#include "net/http.h"
#include "tests/fakes/fake_kube.h"
#include "tests/unit/cmocka.h"

struct fixture {
    struct fake_kube *kube;
    struct kube_auth *auth;
    struct ctl_queue *queue;
    struct ctl_loop *loop;
    struct nb_cancel *cancel;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned calls, at_once, at_once_max;
    bool blocked;
};

static int setup(void **state)
{
    struct ctl_queue_core_opts opts = { .backoff_base_ms = 1, .backoff_cap_ms = 5 };
    struct fixture *f = NB_NEW(struct fixture);

    f->kube = fake_kube_new();
    f->auth = fake_kube_auth(f->kube);
    f->queue = ctl_queue_new("test", &opts);
    f->cancel = nb_cancel_new();
    nb_mutex_init(&f->lock);
    nb_cond_init(&f->changed);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    ctl_loop_stop(f->loop, 1000);
    ctl_queue_free(f->queue);
    kube_auth_free(f->auth);
    fake_kube_free(f->kube);
    nb_cancel_free(f->cancel);
    pthread_cond_destroy(&f->changed);
    pthread_mutex_destroy(&f->lock);
    free(f);
    return 0;
}

static void start(struct fixture *f, ctl_reconcile_fn *fn, unsigned workers)
{
    struct ctl_loop_opts opts = { .name = "test",
                                  .queue = f->queue,
                                  .auth = f->auth,
                                  .workers = workers,
                                  .reconcile = fn,
                                  .ctx = f,
                                  .cancel = f->cancel };
    struct nb_error err = NB_ERROR_INIT;

    assert_true(ctl_loop_start(&opts, &f->loop, &err));
}

static unsigned called(struct fixture *f)
{
    unsigned n;

    pthread_mutex_lock(&f->lock);
    n = ++f->calls;
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->lock);
    return n;
}

static void wait_calls(struct fixture *f, unsigned n)
{
    int64_t deadline = nb_clock_mono_ms() + 10000;

    pthread_mutex_lock(&f->lock);
    while (f->calls < n)
        if (!nb_cond_wait(&f->changed, &f->lock, deadline))
            fail_msg("only %u of %u calls", f->calls, n);
    pthread_mutex_unlock(&f->lock);
}

static bool fails_thrice(void *ctx, struct ctl_work *work, struct nb_error *err)
{
    static const enum nb_code codes[] = { NB_E_UNAVAILABLE, NB_E_CONFLICT, NB_E_INTERNAL };
    unsigned n = called(ctx);

    (void)work;
    return n > 3 || nb_fail(err, codes[n - 1], "Test", "no");
}

static void failures_are_tried_again(void **state)
{
    struct fixture *f = *state;

    start(f, fails_thrice, 1);
    ctl_queue_add(f->queue, "a/x");
    wait_calls(f, 4);
}

static bool again_at_once(void *ctx, struct ctl_work *work, struct nb_error *err)
{
    (void)err;
    if (called(ctx) < 3)
        work->requeue_after_ms = 0;
    return true;
}

static void requeue_after_brings_the_key_back(void **state)
{
    struct fixture *f = *state;

    start(f, again_at_once, 1);
    ctl_queue_add(f->queue, "a/x");
    wait_calls(f, 3);
}

static bool invalid_first(void *ctx, struct ctl_work *work, struct nb_error *err)
{
    called(ctx);
    return strcmp(work->key, "a/bad") != 0 || nb_fail(err, NB_E_INVALID, "Test", "bad");
}

static void invalid_object_is_not_tried_again_soon(void **state)
{
    struct fixture *f = *state;

    start(f, invalid_first, 1);
    ctl_queue_add(f->queue, "a/bad");
    wait_calls(f, 1);
    for (unsigned i = 0; i < 5; i++) {
        ctl_queue_add(f->queue, "a/good");
        wait_calls(f, 2 + i);
    }
    ctl_queue_add(f->queue, "a/bad"); /* a change brings it back at once */
    wait_calls(f, 7);
    assert_int_equal(f->calls, 7);
}

static bool slow(void *ctx, struct ctl_work *work, struct nb_error *err)
{
    struct fixture *f = ctx;

    (void)work;
    (void)err;
    pthread_mutex_lock(&f->lock);
    f->at_once++;
    if (f->at_once > f->at_once_max)
        f->at_once_max = f->at_once;
    pthread_cond_broadcast(&f->changed);
    while (f->blocked)
        nb_cond_wait(&f->changed, &f->lock, INT64_MAX);
    f->at_once--;
    f->calls++;
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->lock);
    return true;
}

static void wait_at_once(struct fixture *f, unsigned n)
{
    pthread_mutex_lock(&f->lock);
    while (f->at_once < n)
        nb_cond_wait(&f->changed, &f->lock, INT64_MAX);
    pthread_mutex_unlock(&f->lock);
}

static void unblock(struct fixture *f)
{
    pthread_mutex_lock(&f->lock);
    f->blocked = false;
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->lock);
}

static void workers_share_keys_but_never_one_key(void **state)
{
    struct fixture *f = *state;

    f->blocked = true;
    start(f, slow, 3);
    ctl_queue_add(f->queue, "a/x");
    wait_at_once(f, 1);
    ctl_queue_add(f->queue, "a/x");
    ctl_queue_add(f->queue, "a/y");
    ctl_queue_add(f->queue, "a/z");
    wait_at_once(f, 3);
    unblock(f);
    wait_calls(f, 4);
    assert_int_equal(f->at_once_max, 3);
}

static bool hangs(void *ctx, struct ctl_work *work, struct nb_error *err)
{
    called(ctx);
    return nb_cancel_sleep(work->cancel, 60000, err);
}

static void stop_breaks_off_what_takes_too_long_and_keeps_the_key(void **state)
{
    struct fixture *f = *state;
    int64_t before = nb_clock_mono_ms();

    start(f, hangs, 1);
    ctl_queue_add(f->queue, "a/x");
    wait_calls(f, 1);
    ctl_loop_stop(nb_steal(f->loop), 10);
    assert_true(nb_clock_mono_ms() - before < 10000);
    nb_cancel_free(f->cancel);
    f->cancel = nb_cancel_new();
    start(f, again_at_once, 1); /* the next term */
    wait_calls(f, 2);
}

static bool writes(void *ctx, struct ctl_work *work, struct nb_error *err)
{
    called(ctx);
    return kube_create(work->client, &KUBE_JOBS, "a", "j",
                       NB_STR("{\"metadata\":{\"name\":\"j\"}}"), work->cancel, NULL, err);
}

static void each_worker_can_write(void **state)
{
    struct fixture *f = *state;

    start(f, writes, 2);
    ctl_queue_add(f->queue, "a/x");
    while (fake_kube_count(f->kube, "/apis/batch/v1/jobs") < 1)
        assert_true(fake_kube_wait(f->kube, 10000));
}

#define EVENTS "/api/v1/namespaces/a/events"

static void recorder_writes_counts_and_survives_expired_events(void **state)
{
    struct ctl_reference about = { "neo4jbackup.dev/v1", "Neo4jBackup", "a", "x", "u1" };
    const struct fake_kube_fault fault = { .method = "POST", .times = 1, .status = 503 };
    struct fixture *f = *state;
    struct ctl_recorder *r;
    struct nb_error err = NB_ERROR_INIT;
    nb_auto(nb_free) char *name = NULL;
    nb_auto(nb_free) char *event = NULL;

    fake_kube_fail(f->kube, &fault);
    assert_true(ctl_recorder_start(f->auth, "test", &r, &err));
    ctl_recorder_event(r, &about, false, "BackupSucceeded", "well done");
    ctl_recorder_event(r, &about, false, "BackupSucceeded", "well done");
    ctl_recorder_event(r, &about, true, "BackupFailed", "not well");
    while (fake_kube_count(f->kube, EVENTS) < 2)
        assert_true(fake_kube_wait(f->kube, 10000));
    assert_int_equal(fake_kube_requests(f->kube, "PATCH"), 1);
    name = fake_kube_name(f->kube, EVENTS, 0);
    event = fake_kube_get(f->kube, EVENTS, name);
    assert_non_null(strstr(event, "\"count\":2"));
    assert_non_null(strstr(
        event, "\"involvedObject\":{\"apiVersion\":\"neo4jbackup.dev/v1\","
               "\"kind\":\"Neo4jBackup\",\"namespace\":\"a\",\"name\":\"x\",\"uid\":\"u1\"}"));
    fake_kube_remove(f->kube, EVENTS, name);
    ctl_recorder_event(r, &about, false, "BackupSucceeded", "well done");
    while (fake_kube_count(f->kube, EVENTS) < 2)
        assert_true(fake_kube_wait(f->kube, 10000));
    ctl_recorder_stop(r);
}

static void recorder_tells_many_similar_events_as_one(void **state)
{
    struct ctl_reference about = { "neo4jbackup.dev/v1", "Neo4jBackup", "a", "x", "u1" };
    struct fixture *f = *state;
    struct ctl_recorder *r;
    struct nb_error err = NB_ERROR_INIT;
    nb_auto(nb_free) char *name = NULL;
    nb_auto(nb_free) char *event = NULL;

    assert_true(ctl_recorder_start(f->auth, "test", &r, &err));
    for (int i = 0; i < 12; i++) {
        nb_auto(nb_free) char *text = nb_xasprintf("run 'x-%d' failed", i);

        ctl_recorder_event(r, &about, true, "BackupFailed", text);
    }
    while (fake_kube_requests(f->kube, "PATCH") < 1)
        assert_true(fake_kube_wait(f->kube, 10000));
    assert_int_equal(fake_kube_count(f->kube, EVENTS), 11);
    name = fake_kube_name(f->kube, EVENTS, 10);
    event = fake_kube_get(f->kube, EVENTS, name);
    assert_non_null(strstr(event, "\"count\":2"));
    assert_non_null(strstr(event, "\"(combined from similar events): run 'x-11' failed\""));
    ctl_recorder_stop(r);
}

static void recorder_that_is_full_drops_news_before_warnings(void **state)
{
    struct ctl_reference busy = { "neo4jbackup.dev/v1", "Neo4jBackup", "a", "x", "u1" };
    struct ctl_reference late = { "neo4jbackup.dev/v1", "Neo4jBackup", "a", "late", "u2" };
    const struct fake_kube_fault fault = { .method = "POST", .times = 2, .status = 503 };
    nb_auto_done(nb_buf_done) struct nb_buf page = NB_BUF_INIT(1 << 20);
    struct fixture *f = *state;
    struct ctl_recorder *r;
    struct nb_error err = NB_ERROR_INIT;

    fake_kube_fail(f->kube, &fault);
    assert_true(ctl_recorder_start(f->auth, "test", &r, &err));
    for (int i = 0; i < 1010; i++) /* while the first is tried again */
        ctl_recorder_event(r, &busy, false, "RunCreated", "the same");
    ctl_recorder_event(r, &late, true, "Overdue", "a backup is overdue");
    while (fake_kube_count(f->kube, EVENTS) < 2)
        assert_true(fake_kube_wait(f->kube, 20000));
    nb_metrics_format(&page);
    assert_non_null(strstr(nb_buf_cstr(&page),
                           "neo4jbackup_controller_events_dropped_total{cause=\"queue_full\"} "));
    assert_non_null(strstr(nb_buf_cstr(&page),
                           "neo4jbackup_controller_events_dropped_total{cause=\"rate_limited\"} "));
    ctl_recorder_stop(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(failures_are_tried_again, setup, teardown),
        cmocka_unit_test_setup_teardown(requeue_after_brings_the_key_back, setup, teardown),
        cmocka_unit_test_setup_teardown(invalid_object_is_not_tried_again_soon, setup, teardown),
        cmocka_unit_test_setup_teardown(workers_share_keys_but_never_one_key, setup, teardown),
        cmocka_unit_test_setup_teardown(stop_breaks_off_what_takes_too_long_and_keeps_the_key,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(each_worker_can_write, setup, teardown),
        cmocka_unit_test_setup_teardown(recorder_writes_counts_and_survives_expired_events, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(recorder_tells_many_similar_events_as_one, setup, teardown),
        cmocka_unit_test_setup_teardown(recorder_that_is_full_drops_news_before_warnings, setup,
                                        teardown),
    };

    http_global_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
