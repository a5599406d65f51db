#include "kube/client.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "kube/status.h"
#include "net/http.h"
#include "tests/fakes/fake_kube.h"
#include "tests/unit/cmocka.h"

#define JOBS "/apis/batch/v1/namespaces/a/jobs"

struct fixture {
    struct fake_kube *kube;
    struct kube_auth *auth;
    struct kube_client *client;
};

static int setup(void **state)
{
    struct fixture *f = NB_NEW(struct fixture);
    struct nb_error err = NB_ERROR_INIT;

    f->kube = fake_kube_new();
    f->auth = fake_kube_auth(f->kube);
    assert_true(kube_client_new(f->auth, NULL, &f->client, &err));
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    kube_client_free(f->client);
    kube_auth_free(f->auth);
    fake_kube_free(f->kube);
    free(f);
    return 0;
}

static bool create(struct fixture *f, const char *name, struct nb_error *err)
{
    nb_auto(nb_free) char *body =
        nb_xasprintf("{\"metadata\":{\"name\":\"%s\"},\"spec\":{}}", name);

    return kube_create(f->client, &KUBE_JOBS, "a", name, nb_str_from(body), NULL, NULL, err);
}

static void object_lives_and_dies(void **state)
{
    nb_auto(nb_json_free) struct nb_json *made = NULL;
    nb_auto(nb_json_free) struct nb_json *got = NULL;
    nb_auto(nb_json_free) struct nb_json *patched = NULL;
    struct fixture *f = *state;
    struct nb_error err = NB_ERROR_INIT;
    struct kube_meta meta;

    assert_true(kube_create(f->client, &KUBE_JOBS, "a", "j",
                            NB_STR("{\"metadata\":{\"name\":\"j\"}}"), NULL, &made, &err));
    assert_int_equal(fake_kube_requests(f->kube, "fieldValidation=Strict"),
                     1); /* no field is lost */
    assert_true(kube_meta_read(made, &meta));
    assert_true(kube_get(f->client, &KUBE_JOBS, "a", "j", NULL, &got, &err));
    assert_true(kube_patch(f->client, &KUBE_JOBS, "a", "j", "status", KUBE_PATCH_MERGE,
                           NB_STR("{\"status\":{\"active\":1}}"), NULL, &patched, &err));
    assert_int_equal(nb_json_i64(nb_json_at(patched, "status.active"), 0), 1);

    assert_false(
        kube_delete(f->client, &KUBE_JOBS, "a", "j", "another", KUBE_BACKGROUND, NULL, &err));
    assert_int_equal(err.code, NB_E_CONFLICT);
    nb_error_clear(&err);
    assert_true(
        kube_delete(f->client, &KUBE_JOBS, "a", "j", meta.uid, KUBE_FOREGROUND, NULL, &err));
    assert_false(
        kube_delete(f->client, &KUBE_JOBS, "a", "j", meta.uid, KUBE_BACKGROUND, NULL, &err));
    assert_int_equal(err.code, NB_E_NOT_FOUND);
    assert_string_equal(err.text, "delete jobs 'a/j': NotFound (HTTP 404)");
}

static void conflicts_are_told_apart(void **state)
{
    struct fixture *f = *state;
    struct nb_error err = NB_ERROR_INIT;

    assert_true(create(f, "j", &err));
    assert_false(create(f, "j", &err));
    assert_true(kube_error_is_already_exists(&err));
    assert_string_equal(err.text, "create jobs 'a/j': AlreadyExists (HTTP 409)");
    nb_error_clear(&err);
    assert_false(kube_patch(f->client, &KUBE_JOBS, "a", "j", NULL, KUBE_PATCH_MERGE,
                            NB_STR("{\"metadata\":{\"resourceVersion\":\"1\"}}"), NULL, NULL,
                            &err));
    assert_int_equal(err.code, NB_E_CONFLICT);
    assert_false(kube_error_is_already_exists(&err));
}

static void lists_come_in_pages(void **state)
{
    struct fixture *f = *state;
    struct nb_error err = NB_ERROR_INIT;
    nb_auto(nb_free) char *token = nb_xstrdup("");
    size_t seen = 0, pages = 0;

    for (int i = 0; i < 7; i++) {
        char name[16];

        snprintf(name, sizeof(name), "j%d", i);
        assert_true(create(f, name, &err));
    }
    do {
        nb_auto(nb_json_free) struct nb_json *page = NULL;
        struct kube_list_opts opts = { .limit = 3, .continue_token = token };

        assert_true(kube_list_page(f->client, &KUBE_JOBS, NULL, &opts, NULL, &page, &err));
        seen += nb_json_count(nb_json_get(page, "items"));
        pages++;
        free(token);
        token = nb_xstrdup(kube_list_continue(page));
        assert_true(kube_list_resource_version(page)[0] != '\0');
    } while (token[0]);
    assert_int_equal(seen, 7);
    assert_int_equal(pages, 3);
}

static void old_continue_token_is_expired(void **state)
{
    nb_auto(nb_json_free) struct nb_json *page = NULL;
    struct fixture *f = *state;
    struct nb_error err = NB_ERROR_INIT;
    struct kube_list_opts opts = { .limit = 1 };
    nb_auto(nb_free) char *token = NULL;

    assert_true(create(f, "x", &err));
    assert_true(create(f, "y", &err));
    assert_true(kube_list_page(f->client, &KUBE_JOBS, "a", &opts, NULL, &page, &err));
    token = nb_xstrdup(kube_list_continue(page));
    opts.continue_token = token;
    fake_kube_compact(f->kube);
    nb_json_free(nb_steal(page));
    assert_false(kube_list_page(f->client, &KUBE_JOBS, "a", &opts, NULL, &page, &err));
    assert_int_equal(err.code, NB_E_EXPIRED);
}

static void retry_after_is_handed_on(void **state)
{
    struct fixture *f = *state;
    struct nb_error err = NB_ERROR_INIT;
    const struct fake_kube_fault fault = {
        .method = "POST", .times = 1, .status = 429, .retry_after = "3"
    };

    fake_kube_fail(f->kube, &fault);
    assert_false(create(f, "j", &err));
    assert_int_equal(err.code, NB_E_UNAVAILABLE);
    assert_int_equal(err.retry_after_ms, 3000);
    assert_int_equal(fake_kube_requests(f->kube, "POST"), 1); /* writes are not repeated here */
}

static bool no(void *ctx, struct nb_error *err)
{
    (void)ctx;
    return nb_fail(err, NB_E_CANCELLED, "NotLeading", "not leading");
}

static void fence_stops_writes_but_not_reads(void **state)
{
    struct fixture *f = *state;
    struct nb_error err = NB_ERROR_INIT;
    struct nb_json *got = NULL;

    kube_client_set_fence(f->client, no, NULL);
    assert_false(create(f, "j", &err));
    assert_string_equal(err.reason, "NotLeading");
    assert_int_equal(fake_kube_requests(f->kube, "POST"), 0);
    nb_error_clear(&err);
    assert_false(kube_get(f->client, &KUBE_JOBS, "a", "j", NULL, &got, &err));
    assert_int_equal(err.code, NB_E_NOT_FOUND);
}

static void wrong_token_is_denied_once(void **state)
{
    struct fixture *f = *state;
    struct nb_error err = NB_ERROR_INIT;

    fake_kube_require_token(f->kube, "another");
    assert_false(create(f, "j", &err));
    assert_int_equal(err.code, NB_E_DENIED);
    assert_null(strstr(err.text, "fake-token"));
    assert_int_equal(fake_kube_requests(f->kube, "POST"), 1);
}

static void log_is_read_up_to_the_room(void **state)
{
    struct fixture *f = *state;
    struct nb_error err = NB_ERROR_INIT;
    struct kube_log_opts opts = { .container = "worker",
                                  .timestamps = true,
                                  .since_time = "2025-01-01T00:00:00Z" };
    nb_auto_done(nb_buf_done) struct nb_buf out = NB_BUF_INIT(100);

    fake_kube_set_log(f->kube, "p", "hello\n");
    assert_true(kube_pod_log(f->client, "a", "p", &opts, NULL, &out, &err));
    assert_string_equal(nb_buf_cstr(&out), "hello\n");
    assert_int_equal(fake_kube_requests(f->kube,
                                        "container=worker&sinceTime=2025-01-01T00%3A00%3A00Z&"
                                        "timestamps=true&limitBytes=100"),
                     1);
    assert_false(kube_pod_log(f->client, "a", "q", &opts, NULL, &out, &err));
    assert_int_equal(err.code, NB_E_NOT_FOUND);
}

struct seen {
    struct fixture *f;
    struct nb_buf text;
    int64_t go_on_at_ms; /* after the initial events */
};

static bool on_event(void *ctx, const struct kube_event *event, struct nb_error *err)
{
    struct seen *s = ctx;
    bool enough;

    (void)err;
    nb_buf_printf(&s->text, "%d ", (int)event->type);
    enough = event->type == KUBE_BOOKMARK;
    if (enough)
        fake_kube_end_watches(s->f->kube, false);
    else if (event->type == KUBE_DELETED)
        fake_kube_bookmark(s->f->kube);
    return true;
}

static void watch_tells_changes_and_ends_in_order(void **state)
{
    struct fixture *f = *state;
    struct nb_error err = NB_ERROR_INIT;
    struct seen seen = { .f = f, .text = NB_BUF_INIT(1000) };
    struct kube_watch_opts opts = { .resource_version = "100" };

    fake_kube_put(f->kube, JOBS, "{\"metadata\":{\"name\":\"x\"}}");
    fake_kube_put(f->kube, JOBS, "{\"metadata\":{\"name\":\"x\"},\"spec\":{\"a\":1}}");
    fake_kube_remove(f->kube, JOBS, "x");
    assert_true(kube_watch(f->client, &KUBE_JOBS, "", &opts, NULL, on_event, &seen, &err));
    assert_string_equal(nb_buf_cstr(&seen.text), "0 1 2 3 ");
    assert_int_equal(fake_kube_requests(f->kube, "allowWatchBookmarks=true&resourceVersion=100&"),
                     1);
    nb_buf_done(&seen.text);
}

static bool on_first_part(void *ctx, const struct kube_event *event, struct nb_error *err)
{
    struct seen *s = ctx;

    nb_buf_printf(&s->text, "%d%s ", (int)event->type, event->initial_end ? "!" : "");
    if (event->initial_end) {
        int64_t left = s->go_on_at_ms - nb_clock_mono_ms();

        assert_true(left < 0 || nb_cancel_sleep(NULL, left, err));
        fake_kube_remove(s->f->kube, JOBS, "x");
    }
    if (event->type == KUBE_DELETED)
        fake_kube_end_watches(s->f->kube, false);
    return true;
}

static void watch_with_initial_events_goes_on_after_their_end(void **state)
{
    struct fixture *f = *state;
    struct nb_error err = NB_ERROR_INIT;
    struct seen seen = { .f = f, .text = NB_BUF_INIT(1000) };
    struct kube_watch_opts opts = { .resource_version = "",
                                    .initial_events = true,
                                    .initial_timeout_ms = 1000 };

    /* Their deadline is over then, and lifted. */
    seen.go_on_at_ms = nb_clock_mono_ms() + opts.initial_timeout_ms + 10;

    fake_kube_put(f->kube, JOBS, "{\"metadata\":{\"name\":\"x\"}}");
    fake_kube_put(f->kube, JOBS, "{\"metadata\":{\"name\":\"y\"}}");
    assert_true(kube_watch(f->client, &KUBE_JOBS, "", &opts, NULL, on_first_part, &seen, &err));
    assert_string_equal(nb_buf_cstr(&seen.text), "0 0 3! 2 ");
    assert_int_equal(fake_kube_requests(f->kube, "watch=true&allowWatchBookmarks=true&"
                                                 "sendInitialEvents=true&"
                                                 "resourceVersionMatch=NotOlderThan&timeout"),
                     1);
    nb_buf_done(&seen.text);
}

static void initial_events_without_end_time_out(void **state)
{
    struct fixture *f = *state;
    const struct fake_kube_initial endless = { .text = "" };
    struct nb_error err = NB_ERROR_INIT;
    struct kube_watch_opts opts = { .resource_version = "",
                                    .initial_events = true,
                                    .initial_timeout_ms = 50 };

    fake_kube_script_initial(f->kube, &endless);
    assert_false(kube_watch(f->client, &KUBE_JOBS, "", &opts, NULL, on_event, NULL, &err));
    assert_int_equal(err.code, NB_E_TIMEOUT);
}

static void watch_position_gone_is_expired_either_way(void **state)
{
    struct fixture *f = *state;
    struct seen seen = { .f = f, .text = NB_BUF_INIT(1000) };
    struct kube_watch_opts opts = { .resource_version = "1" };

    fake_kube_compact(f->kube);
    for (int inside = 0; inside < 2; inside++) {
        struct nb_error err = NB_ERROR_INIT;

        fake_kube_expire_inside(f->kube, inside == 1);
        assert_false(kube_watch(f->client, &KUBE_JOBS, "", &opts, NULL, on_event, &seen, &err));
        assert_int_equal(err.code, NB_E_EXPIRED);
    }
    nb_buf_done(&seen.text);
}

static void silent_watch_times_out(void **state)
{
    struct fixture *f = *state;
    struct nb_error err = NB_ERROR_INIT;
    struct kube_watch_opts opts = { .resource_version = "100", .idle_timeout_ms = 50 };

    assert_false(kube_watch(f->client, &KUBE_JOBS, "", &opts, NULL, on_event, NULL, &err));
    assert_int_equal(err.code, NB_E_TIMEOUT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(object_lives_and_dies, setup, teardown),
        cmocka_unit_test_setup_teardown(conflicts_are_told_apart, setup, teardown),
        cmocka_unit_test_setup_teardown(lists_come_in_pages, setup, teardown),
        cmocka_unit_test_setup_teardown(old_continue_token_is_expired, setup, teardown),
        cmocka_unit_test_setup_teardown(retry_after_is_handed_on, setup, teardown),
        cmocka_unit_test_setup_teardown(fence_stops_writes_but_not_reads, setup, teardown),
        cmocka_unit_test_setup_teardown(wrong_token_is_denied_once, setup, teardown),
        cmocka_unit_test_setup_teardown(log_is_read_up_to_the_room, setup, teardown),
        cmocka_unit_test_setup_teardown(watch_tells_changes_and_ends_in_order, setup, teardown),
        cmocka_unit_test_setup_teardown(watch_with_initial_events_goes_on_after_their_end, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(initial_events_without_end_time_out, setup, teardown),
        cmocka_unit_test_setup_teardown(watch_position_gone_is_expired_either_way, setup, teardown),
        cmocka_unit_test_setup_teardown(silent_watch_times_out, setup, teardown),
    };

    http_global_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
