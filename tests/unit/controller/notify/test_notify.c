#include "controller/notify/notify.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/thread.h"
#include "net/http.h"
#include "tests/fakes/fake_http.h"
#include "tests/unit/cmocka.h"

/* The threads: who is told, who is heard of, and what a change of the file does. */

enum { PATIENCE_MS = 30000 };

struct fixture {
    struct fake_http *server;
    char directory[40];
    char *file;
    struct notify *n;
    pthread_mutex_t lock;
    pthread_cond_t heard;
    unsigned ended, changed, fenced;
    bool may_send;
    int status; /* under the server's lock */
    bool slow_hangs;
};

static bool answer(void *ctx, const struct fake_http_request *req, struct fake_http_reply *r)
{
    struct fixture *f = ctx;

    if (f->slow_hangs && nb_streq(req->path, "/slow")) {
        r->cut_after_bytes = 0;
        r->hang = true;
        return true;
    }
    fake_http_reply_text(r, f->status, "");
    return true;
}

static void count(struct fixture *f, unsigned *what)
{
    pthread_mutex_lock(&f->lock);
    ++*what;
    pthread_cond_broadcast(&f->heard);
    pthread_mutex_unlock(&f->lock);
}

static void on_ended(void *ctx, const char *object)
{
    struct fixture *f = ctx;

    assert_string_equal(object, "shop/graph");
    count(f, &f->ended);
}

static void on_changed(void *ctx)
{
    struct fixture *f = ctx;

    count(f, &f->changed);
}

static bool fence(void *ctx, struct nb_error *err)
{
    struct fixture *f = ctx;
    bool may;

    count(f, &f->fenced);
    pthread_mutex_lock(&f->lock);
    may = f->may_send;
    pthread_mutex_unlock(&f->lock);
    return may || nb_fail(err, NB_E_CANCELLED, "NotLeading", "we do not lead");
}

static void wait_for(struct fixture *f, const unsigned *what, unsigned least)
{
    int64_t deadline = nb_clock_mono_ms() + PATIENCE_MS;

    pthread_mutex_lock(&f->lock);
    while (*what < least)
        if (!nb_cond_wait(&f->heard, &f->lock, deadline))
            fail_msg("%u of %u", *what, least);
    pthread_mutex_unlock(&f->lock);
}

static void put(const struct fixture *f, const char *name, const char *text)
{
    nb_auto(nb_free) char *path = nb_xasprintf("%s/%s", f->directory, name);
    struct nb_error err = NB_ERROR_INIT;

    if (!nb_file_write_atomic(path, text, strlen(text), 0600, &err))
        fail_msg("%s", err.text);
}

static void put_url(const struct fixture *f, const char *name, const char *path)
{
    nb_auto(nb_free) char *url = nb_xasprintf("%s%s", fake_http_url(f->server), path);

    put(f, name, url);
}

static const char good[] = "notifications:\n"
                           "  channels:\n"
                           "  - {name: ops, ratePerMinute: 600, webhook: {urlFile: url}}\n"
                           "  - {name: slow, webhook: {urlFile: slow-url}}\n";

static int setup(void **state)
{
    struct fixture *f = NB_NEW(struct fixture);

    snprintf(f->directory, sizeof(f->directory), "/tmp/nb-notify-XXXXXX");
    assert_non_null(mkdtemp(f->directory));
    f->file = nb_xasprintf("%s/config.yaml", f->directory);
    f->status = 200;
    f->may_send = true;
    nb_mutex_init(&f->lock);
    nb_cond_init(&f->heard);
    f->server = fake_http_new(answer, f);
    put(f, "config.yaml", good);
    put_url(f, "url", "/ops");
    put_url(f, "slow-url", "/slow");
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    static const char *const names[] = { "config.yaml", "url", "slow-url" };
    struct fixture *f = *state;

    notify_stop(f->n);
    fake_http_free(f->server);
    for (size_t i = 0; i < NB_ARRAY_LEN(names); i++) {
        nb_auto(nb_free) char *path = nb_xasprintf("%s/%s", f->directory, names[i]);

        unlink(path);
    }
    rmdir(f->directory);
    pthread_cond_destroy(&f->heard);
    pthread_mutex_destroy(&f->lock);
    free(f->file);
    free(f);
    return 0;
}

static void start(struct fixture *f, const char *file)
{
    const struct notify_opts opts = {
        .config = file, .reload_ms = 20, .ended = on_ended, .changed = on_changed, .ctx = f
    };
    struct nb_error err = NB_ERROR_INIT;

    assert_true(notify_start(&opts, &f->n, &err));
}

static void tell(struct fixture *f, const char *id, const char *channel)
{
    const struct notify_message m = { .id = id,
                                      .event = "Failed",
                                      .reason = "BackupFailed",
                                      .text = "t",
                                      .run = "r",
                                      .ns = "shop",
                                      .name = "graph",
                                      .uid = "u",
                                      .channel = channel,
                                      .cluster = "" };

    notify_tell(f->n, "shop/graph", &m);
}

static size_t outcomes(struct fixture *f, bool told)
{
    nb_auto_done(notify_outcomes_done) struct notify_outcomes o = { 0 };
    size_t n = 0;

    notify_outcomes_get(f->n, "shop/graph", &o);
    for (size_t i = 0; i < o.count; i++)
        n += o.items[i].told == told;
    return n;
}

static void told_once_and_remembered_until_the_status_knows(void **state)
{
    struct api_notices none = { .count = 0 };
    struct fixture *f = *state;

    start(f, f->file);
    tell(f, "1", "ops"); /* nobody leads yet */
    notify_begin(f->n, NULL, NULL);
    tell(f, "2", "ops");
    tell(f, "2", "ops");
    tell(f, "3", "no such channel");
    wait_for(f, &f->ended, 1);
    tell(f, "2", "ops");
    tell(f, "4", "ops");
    wait_for(f, &f->ended, 2);
    assert_int_equal(fake_http_request_count(f->server), 2);
    assert_int_equal(outcomes(f, true), 2);
    assert_int_equal(outcomes(f, false), 0);
    notify_keep(f->n, "shop/graph", "u", &none);
    assert_int_equal(outcomes(f, true), 0);
}

static void refused_is_given_up_with_its_reason(void **state)
{
    struct fixture *f = *state;
    nb_auto_done(notify_outcomes_done) struct notify_outcomes o = { 0 };

    f->status = 410;
    start(f, f->file);
    notify_begin(f->n, NULL, NULL);
    tell(f, "1", "ops");
    wait_for(f, &f->ended, 1);
    notify_outcomes_get(f->n, "shop/graph", &o);
    assert_int_equal(o.count, 1);
    assert_false(o.items[0].told);
    assert_string_equal(o.items[0].id, "1");
    assert_string_equal(o.items[0].channel, "ops");
    assert_string_equal(o.items[0].text, "'127.0.0.1' answered HTTP 410");
}

static void silent_receiver_holds_up_nobody_and_ends_with_the_term(void **state)
{
    struct fixture *f = *state;

    f->slow_hangs = true;
    start(f, f->file);
    notify_begin(f->n, NULL, NULL);
    tell(f, "1", "slow");
    assert_true(fake_http_wait_requests(f->server, 1, PATIENCE_MS));
    tell(f, "2", "slow");
    tell(f, "3", "ops");
    wait_for(f, &f->ended, 1);
    notify_end(f->n);
    assert_int_equal(outcomes(f, true) + outcomes(f, false), 0);
    assert_int_equal(fake_http_request_count(f->server), 2);
    assert_int_equal(f->ended, 1);
    notify_begin(f->n, NULL, NULL);
    tell(f, "3", "ops");
    wait_for(f, &f->ended, 2);
}

static void nothing_is_sent_behind_the_fence(void **state)
{
    struct fixture *f = *state;

    f->may_send = false;
    start(f, f->file);
    notify_begin(f->n, fence, f);
    tell(f, "1", "ops");
    wait_for(f, &f->fenced, 1);
    pthread_mutex_lock(&f->lock);
    f->may_send = true;
    assert_int_equal(f->ended, 0);
    pthread_mutex_unlock(&f->lock);
    wait_for(f, &f->ended, 1);
    assert_int_equal(fake_http_request_count(f->server), 1);
    assert_int_equal(outcomes(f, true), 1);
}

static void file_is_read_again_and_a_fault_changes_nothing(void **state)
{
    struct fixture *f = *state;
    struct nb_error err = NB_ERROR_INIT;

    start(f, f->file);
    assert_true(notify_channel(f->n, "ops", &err));
    assert_false(notify_channel(f->n, "new", &err));
    assert_int_equal(err.code, NB_E_NOT_FOUND);
    assert_string_equal(err.reason, "UnknownChannel");
    put(f, "config.yaml", "notifications: {channels: [{name: new, slack: {urlFile: url}}]}");
    wait_for(f, &f->changed, 1);
    assert_true(notify_channel(f->n, "new", &err));
    nb_error_clear(&err);
    assert_false(notify_channel(f->n, "ops", &err));
    put(f, "config.yaml", "notifications: {chanels: []}");
    wait_for(f, &f->changed, 2);
    assert_true(notify_channel(f->n, "new", &err));
    put(f, "config.yaml", good);
    wait_for(f, &f->changed, 3);
    assert_true(notify_channel(f->n, "ops", &err));
}

static void faulty_file_at_the_start_is_said_until_it_is_mended(void **state)
{
    struct fixture *f = *state;
    nb_auto(nb_free) char *want = nb_xasprintf(
        "'%s', line 1, column 17: notifications.chanels: there is no such field; hint: there are "
        "cluster, secretsDirectory, channels",
        f->file);
    struct nb_error err = NB_ERROR_INIT;

    put(f, "config.yaml", "notifications: {chanels: []}");
    start(f, f->file);
    assert_false(notify_channel(f->n, "ops", &err));
    assert_string_equal(err.text, want);
    assert_string_equal(err.reason, "InvalidConfiguration");
    assert_int_equal(err.code, NB_E_INVALID);
    assert_int_equal(f->changed, 0);
    put(f, "config.yaml", good);
    wait_for(f, &f->changed, 1);
    assert_true(notify_channel(f->n, "ops", &err));
}

static void without_a_file_there_are_no_channels(void **state)
{
    struct fixture *f = *state;
    struct nb_error err = NB_ERROR_INIT;

    start(f, "");
    assert_false(notify_channel(f->n, "ops", &err));
    assert_string_equal(err.text, "channel 'ops' is not known: the controller has no "
                                  "configuration; hint: the chart's value 'notifications'");
    notify_stop(f->n);
    start(f, "/nonexistent/config.yaml");
    nb_error_clear(&err);
    assert_false(notify_channel(f->n, "ops", &err));
    assert_string_equal(err.reason, "InvalidConfiguration");
    assert_int_equal(err.code, NB_E_INVALID);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(told_once_and_remembered_until_the_status_knows),
        T(refused_is_given_up_with_its_reason),
        T(silent_receiver_holds_up_nobody_and_ends_with_the_term),
        T(nothing_is_sent_behind_the_fence),
        T(file_is_read_again_and_a_fault_changes_nothing),
        T(faulty_file_at_the_start_is_said_until_it_is_mended),
        T(without_a_file_there_are_no_channels),
    };

    http_global_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
