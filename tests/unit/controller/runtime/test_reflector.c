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
    unsigned refused;   /* streams: 0, or 1 of a server that does not offer them */
    int64_t initial_ms; /* of the options */
    struct nb_buf told; /* names, as they come and go; the reflector's thread */
};

/* A server without streaming lists. */
static const struct fake_kube_fault no_streams = {
    .part = "sendInitialEvents", .times = UINT32_MAX, .status = 422, .reason = "Invalid"
};

static void note(void *ctx, const struct ctl_object *before, const struct ctl_object *after)
{
    nb_buf_printf(ctx, "%s%s ", after ? "+" : "-", after ? after->name : before->name);
}

static int setup(void **state)
{
    struct fixture *f = NB_NEW(struct fixture);

    f->kube = fake_kube_new();
    f->auth = fake_kube_auth(f->kube);
    f->store = ctl_store_new(&kind);
    nb_buf_init(&f->told, 65536);
    ctl_store_on_change(f->store, note, &f->told);
    *state = f;
    return 0;
}

static int setup_pages(void **state)
{
    struct fixture *f;

    setup(state);
    f = *state;
    f->refused = 1;
    fake_kube_fail(f->kube, &no_streams);
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    ctl_reflector_stop(f->reflector);
    ctl_store_free(f->store);
    kube_auth_free(f->auth);
    fake_kube_free(f->kube);
    nb_buf_done(&f->told);
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
                                       .watch_idle_ms = idle_ms,
                                       .initial_timeout_ms = f->initial_ms };
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

/* j0, j1, … */
static void put_many(struct fixture *f, int n)
{
    for (int i = 0; i < n; i++) {
        nb_auto(nb_free) char *name = nb_xasprintf("j%d", i);

        put(f, name, i);
    }
}

static void wait_requests(struct fixture *f, const char *part, unsigned n)
{
    while (fake_kube_requests(f->kube, part) < n)
        assert_true(fake_kube_wait(f->kube, 10000));
}

static unsigned streams(struct fixture *f)
{
    return fake_kube_requests(f->kube, "sendInitialEvents=true");
}

/* Lists so far, by pages or as a stream. */
static unsigned lists(struct fixture *f)
{
    return fake_kube_requests(f->kube, "limit=") + streams(f);
}

static void wait_watches(struct fixture *f, unsigned n)
{
    wait_requests(f, "watch=true", n + f->refused);
}

/* The position is gone when the watches end, so that a list follows. */
static void make_it_list(struct fixture *f)
{
    fake_kube_compact(f->kube);
    fake_kube_end_watches(f->kube, false);
}

static void lists_in_pages_then_watches(void **state)
{
    struct fixture *f = *state;

    put_many(f, 7);
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
    assert_int_equal(fake_kube_requests(f->kube, "resourceVersion="), 1);
    assert_int_equal(streams(f), 1);
    assert_int_equal(fake_kube_requests(f->kube, "limit="), 4);
}

static void streams_its_list_and_goes_on_with_the_same_watch(void **state)
{
    struct fixture *f = *state;

    put_many(f, 7);
    start(f, 2, 0);
    wait_until_shows(f, "j6", 6);
    assert_int_equal(ctl_store_count(f->store), 7);
    assert_true(ctl_store_is_synced(f->store));
    put(f, "new", 1);
    wait_until_shows(f, "new", 1);
    fake_kube_remove(f->kube, JOBS, "j1");
    wait_until_shows(f, "j1", -1);
    assert_int_equal(fake_kube_requests(f->kube, "GET"), 1);
}

static void ended_and_torn_watches_go_on_where_they_were(void **state)
{
    struct fixture *f = *state;
    unsigned before;

    put(f, "x", 1);
    start(f, 0, 0);
    wait_until_shows(f, "x", 1);
    wait_watches(f, 1);
    before = lists(f);
    for (int i = 2; i < 8; i++) {
        put(f, "x", i);
        wait_until_shows(f, "x", i);
        fake_kube_end_watches(f->kube, i % 2 == 0);
        wait_watches(f, (unsigned)i);
    }
    put(f, "x", 99);
    wait_until_shows(f, "x", 99);
    assert_int_equal(lists(f), before);
}

static void gone_position_is_answered_by_a_new_list(void **state)
{
    struct fixture *f = *state;

    put(f, "x", 1);
    put(f, "y", 1);
    start(f, 0, 0);
    wait_until_shows(f, "y", 1);
    wait_watches(f, 1);
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
    if (f->refused)
        assert_int_equal(streams(f), 1); /* remembered */
    else
        assert_int_equal(fake_kube_requests(f->kube, "limit="), 0);
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

    put_many(f, 6);
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
        { .part = "&resourceVersion=", .times = 2, .status = 503 },
        { .part = "&resourceVersion=", .skip = 2, .times = 1, .status = 0 },
        { .part = "&resourceVersion=",
          .skip = 3,
          .times = 2,
          .status = 403,
          .reason = "Forbidden" },
    };

    put(f, "x", 1);
    for (size_t i = 0; i < NB_ARRAY_LEN(faults); i++)
        fake_kube_fail(f->kube, &faults[i]);
    start(f, 0, 0);
    wait_until_shows(f, "x", 1);
    put(f, "x", 2);
    wait_until_shows(f, "x", 2);
    wait_watches(f, 6);
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
    wait_watches(f, 1);
    version =
        fake_kube_put(f->kube, "/api/v1/namespaces/a/pods", "{\"metadata\":{\"name\":\"p\"}}");
    snprintf(text, sizeof(text), "%llu", (unsigned long long)version);
    assert_false(ctl_store_has_reached(f->store, text));
    fake_kube_bookmark(f->kube);
    while (!ctl_store_has_reached(f->store, text))
        assert_true(nb_cancel_sleep(NULL, 2, &err));
}

/* --- the first part of a stream --- */

#define JOB(type, name, version, v)                                                                \
    "{\"type\":\"" type "\",\"object\":{\"metadata\":{\"namespace\":\"a\",\"name\":\"" name        \
    "\",\"uid\":\"u-" name "\",\"resourceVersion\":\"" version "\"},\"spec\":{\"v\":" v "}}}\n"
#define BOOKMARK(version)                                                                          \
    "{\"type\":\"BOOKMARK\",\"object\":{\"metadata\":{\"resourceVersion\":\"" version "\"}}}\n"
#define END(version)                                                                               \
    "{\"type\":\"BOOKMARK\",\"object\":{\"metadata\":{\"resourceVersion\":\"" version              \
    "\",\"annotations\":{\"k8s.io/initial-events-end\":\"true\"}}}}\n"
#define EVIL JOB("ADDED", "evil", "7", "7")

static void script(struct fixture *f, const char *text, enum fake_kube_then then)
{
    const struct fake_kube_initial initial = { .text = text, .then = then };

    fake_kube_script_initial(f->kube, &initial);
}

/* Of what a stream brought that did not become whole nobody was told. */
static void evil_was_never_seen(struct fixture *f)
{
    ctl_reflector_stop(f->reflector);
    f->reflector = NULL;
    assert_null(strstr(nb_buf_cstr(&f->told), "evil"));
}

static void half_a_list_is_not_seen(void **state)
{
    struct fixture *f = *state;

    put(f, "x", 1);
    put(f, "y", 1);
    script(f, EVIL, FAKE_KUBE_SILENT);
    start(f, 0, 0);
    wait_requests(f, "sendInitialEvents", 1);
    assert_false(ctl_store_is_synced(f->store));
    assert_int_equal(ctl_store_count(f->store), 0);
    fake_kube_end_watches(f->kube, false);
    wait_until_shows(f, "y", 1);
    assert_true(ctl_store_is_synced(f->store));
    script(f, EVIL, FAKE_KUBE_SILENT);
    fake_kube_hold(f->kube, true);
    fake_kube_remove(f->kube, JOBS, "x");
    make_it_list(f);
    wait_requests(f, "sendInitialEvents", 3);
    assert_true(ctl_store_is_synced(f->store));
    assert_true(shows(f, "x", 1)); /* as it was known before */
    fake_kube_end_watches(f->kube, true);
    wait_until_shows(f, "x", -1);
    assert_true(shows(f, "y", 1));
    assert_int_equal(fake_kube_requests(f->kube, "limit="), 0);
    evil_was_never_seen(f);
}

/* What happens while a list is streamed comes between its objects. */
static void changes_before_the_end_are_part_of_the_list(void **state)
{
    struct fixture *f = *state;

    script(f,
           JOB("ADDED", "a", "40", "1") JOB("ADDED", "b", "50", "1") JOB("ADDED", "c", "30", "1")
               JOB("MODIFIED", "a", "90", "2") JOB("DELETED", "b", "91", "1") BOOKMARK("92")
                   JOB("DELETED", "never", "93",
                       "1") "{\"type\":\"ADDED\",\"object\":"
                            "{\"metadata\":{\"resourceVersion\":\"1\"}}}\n" END("95"),
           FAKE_KUBE_LIVE);
    start(f, 0, 0);
    wait_until_shows(f, "a", 2);
    assert_true(shows(f, "b", -1));
    assert_true(shows(f, "c", 1));
    assert_int_equal(ctl_store_count(f->store), 2);
    assert_true(ctl_store_has_reached(f->store, "95"));
    fake_kube_end_watches(f->kube, false);
    wait_requests(f, "&resourceVersion=95&", 1);
    put(f, "new", 1);
    wait_until_shows(f, "new", 1);
    assert_int_equal(lists(f), 1);
}

static void bad_stream_is_outlived(struct fixture *f, const char *text, enum fake_kube_then then,
                                   int v)
{
    unsigned before = streams(f);

    script(f, text, then);
    put(f, "x", v);
    wait_until_shows(f, "x", v);
    fake_kube_hold(f->kube, true);
    put(f, "x", v + 1);
    make_it_list(f);
    wait_until_shows(f, "x", v + 1);
    fake_kube_hold(f->kube, false);
    assert_true(streams(f) > before);
    assert_int_equal(ctl_store_count(f->store), 1);
}

static void torn_and_hostile_streams_change_nothing(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *text;
        enum fake_kube_then then;
    } table[] = {
        { EVIL, FAKE_KUBE_CUT },
        { EVIL "{\"type\":\"ADDED\",\"obj", FAKE_KUBE_CUT },
        { EVIL "{\"type\":\"ADDED\",\"obj", FAKE_KUBE_END },
        { EVIL "{\"type\":\"ADDED\",\"obj\n" END("900"), FAKE_KUBE_LIVE },
        { EVIL "\n[]\n", FAKE_KUBE_LIVE },
        { EVIL "{\"type\":\"RENAMED\",\"object\":{}}\n", FAKE_KUBE_LIVE },
        { EVIL END(""), FAKE_KUBE_LIVE },
        { EVIL "{\"type\":\"ERROR\",\"object\":{\"code\":410,\"reason\":\"Expired\"}}\n",
          FAKE_KUBE_END },
        { EVIL "{\"type\":\"ERROR\",\"object\":{\"code\":500}}\n", FAKE_KUBE_END },
        { EVIL "{\"type\":\"ERROR\"}\n" END("900"), FAKE_KUBE_END },
        { "", FAKE_KUBE_END },
        { EVIL END("99"), FAKE_KUBE_LIVE }, /* the version goes back: pages are asked */
    };

    put(f, "x", 1);
    start(f, 0, 0);
    wait_until_shows(f, "x", 1);
    for (size_t i = 0; i < NB_ARRAY_LEN(table); i++)
        bad_stream_is_outlived(f, table[i].text, table[i].then, 10 * (int)i + 10);
    evil_was_never_seen(f);
}

static void streams_that_break_again_and_again_are_given_up(void **state)
{
    struct fixture *f = *state;

    put(f, "x", 1);
    for (int i = 0; i < 3; i++)
        script(f, EVIL, FAKE_KUBE_CUT);
    start(f, 0, 0);
    wait_until_shows(f, "x", 1);
    assert_int_equal(streams(f), 3);
    wait_requests(f, "&resourceVersion=", 1);
    fake_kube_hold(f->kube, true);
    put(f, "x", 2);
    make_it_list(f);
    wait_until_shows(f, "x", 2);
    assert_int_equal(streams(f), 3);
    evil_was_never_seen(f);
}

/* It takes the parameter for nothing: what there is, and then changes, without an end between. */
static void server_that_knows_no_streams_has_so_long(void **state)
{
    struct fixture *f = *state;

    put(f, "x", 1);
    f->initial_ms = 50;
    script(f, EVIL BOOKMARK("100"), FAKE_KUBE_LIVE);
    start(f, 0, 0);
    wait_until_shows(f, "x", 1);
    wait_requests(f, "&resourceVersion=", 1);
    fake_kube_hold(f->kube, true);
    put(f, "x", 2);
    make_it_list(f);
    wait_until_shows(f, "x", 2);
    assert_int_equal(streams(f), 1);
    evil_was_never_seen(f);
}

static void stream_that_falls_silent_is_broken(void **state)
{
    struct fixture *f = *state;

    put(f, "x", 1);
    for (int i = 0; i < 3; i++)
        script(f, EVIL, FAKE_KUBE_SILENT);
    start(f, 0, 20);
    wait_until_shows(f, "x", 1);
    assert_true(streams(f) >= 3);
    assert_true(fake_kube_requests(f->kube, "limit=") >= 1);
    evil_was_never_seen(f);
}

static void refusals_of_one_stream_are_for_one_list(void **state)
{
    static const int status[] = { 403, 404, 409 };

    for (size_t i = 0; i < NB_ARRAY_LEN(status); i++) {
        struct fixture *f = *state;
        struct fake_kube_fault once = {
            .part = "sendInitialEvents", .times = 1, .status = status[i], .reason = "Whatever"
        };

        fake_kube_fail(f->kube, &once);
        put(f, "x", 1);
        start(f, 0, 0);
        wait_until_shows(f, "x", 1);
        wait_requests(f, "&resourceVersion=", 1);
        assert_int_equal(fake_kube_requests(f->kube, "limit="), 1);
        make_it_list(f);
        wait_requests(f, "sendInitialEvents", 2);
        put(f, "x", 2);
        wait_until_shows(f, "x", 2);
        assert_int_equal(fake_kube_requests(f->kube, "limit="), 1);
        teardown(state);
        setup(state);
    }
}

static void streams_of_a_server_that_is_away_are_tried_again(void **state)
{
    struct fixture *f = *state;
    const struct fake_kube_fault faults[] = {
        { .part = "sendInitialEvents", .times = 1, .status = 429, .reason = "TooManyRequests" },
        { .part = "sendInitialEvents", .skip = 1, .times = 1, .status = 0 },
    };

    put(f, "x", 1);
    for (size_t i = 0; i < NB_ARRAY_LEN(faults); i++)
        fake_kube_fail(f->kube, &faults[i]);
    start(f, 0, 0);
    wait_until_shows(f, "x", 1);
    assert_int_equal(streams(f), 3);
    assert_int_equal(fake_kube_requests(f->kube, "limit="), 0);
}

static void cancel_ends_a_half_streamed_list(void **state)
{
    struct fixture *f = *state;

    script(f, EVIL, FAKE_KUBE_SILENT);
    start(f, 0, 0);
    wait_requests(f, "sendInitialEvents", 1);
    evil_was_never_seen(f);
    assert_false(ctl_store_is_synced(f->store));
    assert_int_equal(lists(f), 1);
}

#define STREAM_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
#define PAGES_TEST(f)                                                                              \
    {                                                                                              \
#f " (pages)", f, setup_pages, teardown, NULL                                              \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        PAGES_TEST(lists_in_pages_then_watches),
        STREAM_TEST(streams_its_list_and_goes_on_with_the_same_watch),
        STREAM_TEST(ended_and_torn_watches_go_on_where_they_were),
        PAGES_TEST(ended_and_torn_watches_go_on_where_they_were),
        STREAM_TEST(gone_position_is_answered_by_a_new_list),
        PAGES_TEST(gone_position_is_answered_by_a_new_list),
        PAGES_TEST(continue_token_gone_starts_the_list_over),
        PAGES_TEST(faults_of_every_sort_are_outlived),
        STREAM_TEST(silent_server_is_asked_again),
        PAGES_TEST(silent_server_is_asked_again),
        STREAM_TEST(bookmark_moves_the_version),
        PAGES_TEST(bookmark_moves_the_version),
        STREAM_TEST(half_a_list_is_not_seen),
        STREAM_TEST(changes_before_the_end_are_part_of_the_list),
        STREAM_TEST(torn_and_hostile_streams_change_nothing),
        STREAM_TEST(streams_that_break_again_and_again_are_given_up),
        STREAM_TEST(server_that_knows_no_streams_has_so_long),
        STREAM_TEST(stream_that_falls_silent_is_broken),
        STREAM_TEST(refusals_of_one_stream_are_for_one_list),
        STREAM_TEST(streams_of_a_server_that_is_away_are_tried_again),
        STREAM_TEST(cancel_ends_a_half_streamed_list),
    };

    http_global_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
