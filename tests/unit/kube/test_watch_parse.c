#include "kube/watch_parse.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "tests/unit/cmocka.h"

static const char stream[] =
    "{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"name\":\"a\",\"resourceVersion\":\"1\"}}}\n"
    "\n"
    "{\"type\":\"MODIFIED\",\"object\":{\"metadata\":{\"name\":\"a\",\"resourceVersion\":\"2\"}}}"
    "\r\n"
    "{\"type\":\"BOOKMARK\",\"object\":{\"metadata\":{\"resourceVersion\":\"3\"}}}\n"
    "{\"type\":\"DELETED\",\"object\":{\"metadata\":{\"name\":\"\xc3\xa4\",\"resourceVersion\":"
    "\"4\"}}}\n";
static const char *const told = "0:1 1:2 3:3 2:4 ";

static bool note(void *ctx, const struct kube_event *event, struct nb_error *err)
{
    (void)err;
    nb_buf_printf(ctx, "%d:%s ", (int)event->type, event->resource_version);
    return true;
}

static void events_are_the_same_wherever_the_stream_is_torn(void **state)
{
    (void)state;
    for (size_t cut = 0; cut < sizeof(stream); cut++) {
        nb_auto(kube_watch_parser_free) struct kube_watch_parser *p = kube_watch_parser_new(4096);
        nb_auto_done(nb_buf_done) struct nb_buf out = NB_BUF_INIT(4096);
        struct nb_error err = NB_ERROR_INIT;

        assert_true(kube_watch_parser_feed(p, stream, cut, note, &out, &err));
        assert_true(
            kube_watch_parser_feed(p, stream + cut, sizeof(stream) - 1 - cut, note, &out, &err));
        assert_string_equal(nb_buf_cstr(&out), told);
        assert_int_equal(kube_watch_parser_pending_bytes(p), 0);
    }
}

static void events_fed_byte_by_byte_are_complete(void **state)
{
    nb_auto(kube_watch_parser_free) struct kube_watch_parser *p = kube_watch_parser_new(4096);
    nb_auto_done(nb_buf_done) struct nb_buf out = NB_BUF_INIT(4096);
    struct nb_error err = NB_ERROR_INIT;

    (void)state;
    for (size_t i = 0; i + 1 < sizeof(stream); i++)
        assert_true(kube_watch_parser_feed(p, stream + i, 1, note, &out, &err));
    assert_string_equal(nb_buf_cstr(&out), told);
}

static void unfinished_line_is_pending_and_gives_no_event(void **state)
{
    nb_auto(kube_watch_parser_free) struct kube_watch_parser *p = kube_watch_parser_new(4096);
    nb_auto_done(nb_buf_done) struct nb_buf out = NB_BUF_INIT(4096);
    struct nb_error err = NB_ERROR_INIT;

    (void)state;
    assert_true(kube_watch_parser_feed(p, "{\"type\":\"AD", 11, note, &out, &err));
    assert_int_equal(kube_watch_parser_pending_bytes(p), 11);
    assert_int_equal(out.len, 0);
}

static void feed_fails(const char *text, size_t max, enum nb_code code, const char *reason)
{
    nb_auto(kube_watch_parser_free) struct kube_watch_parser *p = kube_watch_parser_new(max);
    nb_auto_done(nb_buf_done) struct nb_buf out = NB_BUF_INIT(4096);
    struct nb_error err = NB_ERROR_INIT;

    assert_false(kube_watch_parser_feed(p, text, strlen(text), note, &out, &err));
    assert_int_equal(err.code, code);
    if (reason)
        assert_string_equal(err.reason, reason);
    nb_error_clear(&err);
    assert_false(kube_watch_parser_feed(p, "\n", 1, note, &out, &err));
    assert_string_equal(err.reason, "WatchEnded");
}

static void bad_streams_fail_and_stay_failed(void **state)
{
    (void)state;
    feed_fails("{\"type\":\"ERROR\",\"object\":{\"code\":410,\"reason\":\"Expired\"}}\n", 4096,
               NB_E_EXPIRED, "Expired");
    feed_fails("{\"type\":\"ERROR\",\"object\":{\"code\":410,\"reason\":\"Gone\"}}\n", 4096,
               NB_E_EXPIRED, "Gone");
    feed_fails("{\"type\":\"ERROR\",\"object\":{\"code\":500,\"reason\":\"InternalError\"}}\n",
               4096, NB_E_UNAVAILABLE, "InternalError");
    feed_fails("{\"type\":\"ERROR\",\"object\":{}}\n", 4096, NB_E_UNAVAILABLE, NULL);
    feed_fails("{\"type\":\"ERROR\"}\n", 4096, NB_E_UNAVAILABLE, NULL);
    feed_fails("not json\n", 4096, NB_E_PROTOCOL, NULL);
    feed_fails("[]\n", 4096, NB_E_PROTOCOL, "BadWatchEvent");
    feed_fails("{\"type\":\"RENAMED\",\"object\":{\"metadata\":{\"resourceVersion\":\"1\"}}}\n",
               4096, NB_E_PROTOCOL, "BadWatchEvent");
    feed_fails("{\"type\":\"ADDED\",\"object\":{\"metadata\":{}}}\n", 4096, NB_E_PROTOCOL,
               "BadWatchEvent");
    feed_fails("0123456789abcdef0", 16, NB_E_LIMIT, "WatchEventTooLarge");
    feed_fails("0123456789abcdef0\n", 16, NB_E_LIMIT, "WatchEventTooLarge");
}

static bool note_end(void *ctx, const struct kube_event *event, struct nb_error *err)
{
    (void)err;
    nb_buf_printf(ctx, "%s:%d ", event->resource_version, event->initial_end);
    return true;
}

static void end_of_the_initial_events_is_a_bookmark_that_says_so(void **state)
{
#define META(type, version, annotations)                                                           \
    "{\"type\":\"" type "\",\"object\":{\"metadata\":{\"resourceVersion\":\"" version              \
    "\",\"annotations\":" annotations "}}}\n"
    static const char text[] =
        META("ADDED", "1", "{\"k8s.io/initial-events-end\":\"true\"}") META("BOOKMARK", "2", "{}")
            META("BOOKMARK", "3", "{\"k8s.io/initial-events-end\":\"false\"}")
                META("BOOKMARK", "4", "{\"k8s.io/initial-events-end\":true}")
                    META("BOOKMARK", "5", "[]")
                        META("BOOKMARK", "6", "{\"k8s.io/initial-events-end\":\"true\"}");
    nb_auto(kube_watch_parser_free) struct kube_watch_parser *p = kube_watch_parser_new(4096);
    nb_auto_done(nb_buf_done) struct nb_buf out = NB_BUF_INIT(4096);
    struct nb_error err = NB_ERROR_INIT;

    (void)state;
    assert_true(kube_watch_parser_feed(p, text, sizeof(text) - 1, note_end, &out, &err));
    assert_string_equal(nb_buf_cstr(&out), "1:0 2:0 3:0 4:0 5:0 6:1 ");
}

static bool refuse(void *ctx, const struct kube_event *event, struct nb_error *err)
{
    (void)ctx;
    (void)event;
    return nb_fail(err, NB_E_CANCELLED, "Enough", "enough");
}

static void receiver_can_end_the_stream(void **state)
{
    nb_auto(kube_watch_parser_free) struct kube_watch_parser *p = kube_watch_parser_new(4096);
    struct nb_error err = NB_ERROR_INIT;

    (void)state;
    assert_false(kube_watch_parser_feed(p, stream, sizeof(stream) - 1, refuse, NULL, &err));
    assert_string_equal(err.reason, "Enough");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_are_the_same_wherever_the_stream_is_torn),
        cmocka_unit_test(events_fed_byte_by_byte_are_complete),
        cmocka_unit_test(unfinished_line_is_pending_and_gives_no_event),
        cmocka_unit_test(bad_streams_fail_and_stay_failed),
        cmocka_unit_test(end_of_the_initial_events_is_a_bookmark_that_says_so),
        cmocka_unit_test(receiver_can_end_the_stream),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
