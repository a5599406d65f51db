#include "controller/runtime/reflector.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "net/http.h"
#include "tests/fakes/fake_kube.h"
#include "tests/unit/cmocka.h"

#define JOBS "/apis/batch/v1/namespaces/a/jobs"

static const char *const fields[] = { "metadata.name", "spec", NULL };
static const struct ctl_kind kind = { "jobs", fields, NULL };

struct fixture {
    struct fake_kube *kube;
    struct kube_auth *auth;
    struct ctl_store *store;
    struct ctl_reflector *reflector;
};

static int setup(void **state)
{
    struct fixture *f = NB_NEW(struct fixture);

    f->kube = fake_kube_new();
    f->auth = fake_kube_auth(f->kube);
    f->store = ctl_store_new(&kind);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    ctl_reflector_stop(f->reflector);
    ctl_store_free(f->store);
    kube_auth_free(f->auth);
    fake_kube_free(f->kube);
    free(f);
    return 0;
}

static void start(struct fixture *f, unsigned page, int64_t idle_ms)
{
    struct ctl_reflector_opts opts = { .auth = f->auth,
                                       .resource = &KUBE_JOBS,
                                       .store = f->store,
                                       .page_size = page,
                                       .backoff_base_ms = 1,
                                       .watch_idle_ms = idle_ms };
    struct nb_error err = NB_ERROR_INIT;

    assert_true(ctl_reflector_start(&opts, &f->reflector, &err));
}

/* The store has that version of the object ("" : it has not the object). */
static bool shows(struct fixture *f, const char *name, int64_t v)
{
    nb_auto(nb_free) char *key = nb_xasprintf("a/%s", name);
    nb_auto(ctl_object_unref) struct ctl_object *o = ctl_store_get(f->store, key);
    nb_auto(nb_json_free) struct nb_json *json = NULL;
    struct nb_error err = NB_ERROR_INIT;

    if (!o)
        return v < 0;
    assert_true(ctl_object_json(o, &json, &err));
    return nb_json_i64(nb_json_at(json, "spec.v"), -1) == v;
}

static void wait_until_shows(struct fixture *f, const char *name, int64_t v)
{
    int64_t deadline = nb_clock_mono_ms() + 10000;
    struct nb_error err = NB_ERROR_INIT;

    while (!shows(f, name, v)) {
        if (nb_clock_mono_ms() > deadline)
            fail_msg("'%s' never showed %lld", name, (long long)v);
        assert_true(nb_cancel_sleep(NULL, 2, &err));
    }
}

static void put(struct fixture *f, const char *name, int v)
{
    nb_auto(nb_free) char *json =
        nb_xasprintf("{\"metadata\":{\"name\":\"%s\"},\"spec\":{\"v\":%d}}", name, v);

    fake_kube_put(f->kube, JOBS, json);
}

static void wait_requests(struct fixture *f, const char *part, unsigned n)
{
    while (fake_kube_requests(f->kube, part) < n)
        assert_true(fake_kube_wait(f->kube, 10000));
}

static void lists_in_pages_then_watches(void **state)
{
    struct fixture *f = *state;

    for (int i = 0; i < 7; i++) {
        char name[8];

        snprintf(name, sizeof(name), "j%d", i);
        put(f, name, i);
    }
    start(f, 2, 0);
    wait_until_shows(f, "j6", 6);
    assert_int_equal(ctl_store_count(f->store), 7);
    assert_true(ctl_store_is_synced(f->store));
    put(f, "new", 1);
    wait_until_shows(f, "new", 1);
    put(f, "j0", 50);
    wait_until_shows(f, "j0", 50);
    fake_kube_remove(f->kube, JOBS, "j1");
    wait_until_shows(f, "j1", -1);
    assert_int_equal(fake_kube_requests(f->kube, "watch=true"), 1);
}

static void ended_and_torn_watches_go_on_where_they_were(void **state)
{
    struct fixture *f = *state;
    unsigned lists;

    put(f, "x", 1);
    start(f, 0, 0);
    wait_until_shows(f, "x", 1);
    wait_requests(f, "watch=true", 1);
    lists = fake_kube_requests(f->kube, "limit=");
    for (int i = 2; i < 8; i++) {
        put(f, "x", i);
        wait_until_shows(f, "x", i);
        fake_kube_end_watches(f->kube, i % 2 == 0);
        wait_requests(f, "watch=true", (unsigned)i);
    }
    put(f, "x", 99);
    wait_until_shows(f, "x", 99);
    assert_int_equal(fake_kube_requests(f->kube, "limit="), lists);
}

static void gone_position_is_answered_by_a_new_list(void **state)
{
    struct fixture *f = *state;

    put(f, "x", 1);
    put(f, "y", 1);
    start(f, 0, 0);
    wait_until_shows(f, "y", 1);
    wait_requests(f, "watch=true", 1);
    for (int inside = 0; inside < 2; inside++) {
        fake_kube_expire_inside(f->kube, inside == 1);
        fake_kube_hold(f->kube, true);
        put(f, "x", 10 + inside);
        if (inside)
            fake_kube_remove(f->kube, JOBS, "y");
        fake_kube_compact(f->kube);
        fake_kube_end_watches(f->kube, false);
        fake_kube_hold(f->kube, false);
        wait_until_shows(f, "x", 10 + inside);
    }
    wait_until_shows(f, "y", -1);
}

static void continue_token_gone_starts_the_list_over(void **state)
{
    struct fixture *f = *state;
    const struct fake_kube_fault gone = { .method = "GET",
                                          .part = "continue=",
                                          .skip = 1,
                                          .times = 1,
                                          .status = 410,
                                          .reason = "Expired" };

    for (int i = 0; i < 6; i++) {
        char name[8];

        snprintf(name, sizeof(name), "j%d", i);
        put(f, name, i);
    }
    fake_kube_fail(f->kube, &gone);
    start(f, 2, 0);
    wait_until_shows(f, "j5", 5);
    assert_int_equal(ctl_store_count(f->store), 6);
    assert_int_equal(
        fake_kube_requests(f->kube, "limit=2 ") + fake_kube_requests(f->kube, "continue="), 4);
}

static void faults_of_every_sort_are_outlived(void **state)
{
    struct fixture *f = *state;
    const struct fake_kube_fault faults[] = {
        { .part = "limit=", .times = 1, .status = 429, .reason = "TooManyRequests" },
        { .part = "limit=", .skip = 1, .times = 1, .status = 500, .reason = "InternalError" },
        { .part = "limit=", .skip = 2, .times = 1, .status = 0 },
        { .part = "limit=", .skip = 3, .times = 1, .status = 403, .reason = "Forbidden" },
        { .part = "watch=", .times = 2, .status = 503 },
        { .part = "watch=", .skip = 2, .times = 1, .status = 0 },
        { .part = "watch=", .skip = 3, .times = 2, .status = 403, .reason = "Forbidden" },
    };

    put(f, "x", 1);
    for (size_t i = 0; i < NB_ARRAY_LEN(faults); i++)
        fake_kube_fail(f->kube, &faults[i]);
    start(f, 0, 0);
    wait_until_shows(f, "x", 1);
    put(f, "x", 2);
    wait_until_shows(f, "x", 2);
    wait_requests(f, "watch=true", 6);
    put(f, "x", 3);
    wait_until_shows(f, "x", 3);
}

/* Nothing comes, not even a bookmark: ask again, and after some such watches list. */
static void silent_server_is_asked_again(void **state)
{
    struct fixture *f = *state;

    put(f, "x", 1);
    start(f, 0, 20);
    wait_until_shows(f, "x", 1);
    fake_kube_hold(f->kube, true);
    put(f, "x", 2);
    wait_until_shows(f, "x", 2); /* by the list */
    assert_true(fake_kube_requests(f->kube, "watch=true") >= 3);
}

static void bookmark_moves_the_version(void **state)
{
    struct fixture *f = *state;
    uint64_t version;
    char text[32];
    struct nb_error err = NB_ERROR_INIT;

    put(f, "x", 1);
    start(f, 0, 0);
    wait_until_shows(f, "x", 1);
    wait_requests(f, "watch=true", 1);
    version =
        fake_kube_put(f->kube, "/api/v1/namespaces/a/pods", "{\"metadata\":{\"name\":\"p\"}}");
    snprintf(text, sizeof(text), "%llu", (unsigned long long)version);
    assert_false(ctl_store_has_reached(f->store, text));
    fake_kube_bookmark(f->kube);
    while (!ctl_store_has_reached(f->store, text))
        assert_true(nb_cancel_sleep(NULL, 2, &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(lists_in_pages_then_watches, setup, teardown),
        cmocka_unit_test_setup_teardown(ended_and_torn_watches_go_on_where_they_were, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(gone_position_is_answered_by_a_new_list, setup, teardown),
        cmocka_unit_test_setup_teardown(continue_token_gone_starts_the_list_over, setup, teardown),
        cmocka_unit_test_setup_teardown(faults_of_every_sort_are_outlived, setup, teardown),
        cmocka_unit_test_setup_teardown(silent_server_is_asked_again, setup, teardown),
        cmocka_unit_test_setup_teardown(bookmark_moves_the_version, setup, teardown),
    };

    http_global_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
