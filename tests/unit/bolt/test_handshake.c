#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/mem.h"
#include "bolt/handshake.h"

static const struct bolt_version ANY = { 0, 0 };

/* Feeds all in steps of every size; the results must agree. */
static bool shake(const void *p, size_t n, struct bolt_version *ret, struct nb_buf *reply,
                  struct nb_error *err)
{
    bool ok = true;

    for (size_t step = 1; step <= n; step++) {
        struct bolt_handshake h;
        size_t at = 0, used;

        bolt_handshake_init(&h, ANY);
        nb_buf_clear(reply);
        nb_error_clear(err);
        ok = true;
        while (ok && at < n && h.step != BOLT_HANDSHAKE_DONE) {
            ok = bolt_handshake_feed(&h, (const char *)p + at, n - at < step ? n - at : step, &used,
                                     reply, err);
            at += used;
        }
        *ret = h.version;
        if (ok && h.step != BOLT_HANDSHAKE_DONE)
            return nb_fail(err, NB_E_INTERNAL, "Unfinished", "more is wanted");
    }
    return ok;
}

static void request_offers_the_manifest_and_three_ranges(void **state)
{
    static const unsigned char expected[20] = { 0x60, 0x60, 0xB0, 0x17, 0, 0, 1, 0xFF, 0, 2,
                                                8,    5,    0,    4,    4, 5, 0, 0,    4, 4 };
    unsigned char out[BOLT_HANDSHAKE_REQUEST_BYTES];

    (void)state;
    bolt_handshake_request(ANY, out);
    assert_memory_equal(out, expected, sizeof(out));
}

static void chosen_slot_of_each_version_is_taken(void **state)
{
    static const struct bolt_version versions[] = { { 4, 4 }, { 5, 0 }, { 5, 1 },
                                                    { 5, 2 }, { 5, 3 }, { 5, 4 },
                                                    { 5, 6 }, { 5, 7 }, { 5, 8 } };
    nb_auto_done(nb_buf_done) struct nb_buf reply = NB_BUF_INIT(100);
    struct nb_error err = NB_ERROR_INIT;
    struct bolt_version v;

    (void)state;
    for (size_t i = 0; i < NB_ARRAY_LEN(versions); i++) {
        const char answer[4] = { 0, 0, (char)versions[i].minor, (char)versions[i].major };

        assert_true(shake(answer, 4, &v, &reply, &err));
        assert_int_equal(v.major, versions[i].major);
        assert_int_equal(v.minor, versions[i].minor);
        assert_int_equal(reply.len, 0);
    }
}

static void answer_that_was_not_offered_is_refused(void **state)
{
    static const struct {
        const char *bytes, *reason;
    } cases[] = {
        { "\0\0\0\0", "Neo4jVersionUnsupported" },
        { "\0\0\5\5", "Neo4jProtocolError" },
        { "\0\0\3\4", "Neo4jProtocolError" },
        { "\0\0\11\5", "Neo4jProtocolError" },
        { "\0\0\0\6", "Neo4jProtocolError" }, /* only by the manifest */
        { "\0\2\10\5", "Neo4jProtocolError" },
        { "\1\0\10\5", "Neo4jProtocolError" },
        { "\0\0\2\xFF", "Neo4jProtocolError" },
        { "HTTP", "HttpAnswer" },
        { "\x15\3\1\0", "TlsAnswer" },
    };
    nb_auto_done(nb_buf_done) struct nb_buf reply = NB_BUF_INIT(100);

    (void)state;
    for (size_t i = 0; i < NB_ARRAY_LEN(cases); i++) {
        struct nb_error err = NB_ERROR_INIT;
        struct bolt_version v;

        assert_false(shake(cases[i].bytes, 4, &v, &reply, &err));
        assert_string_equal(err.reason, cases[i].reason);
    }
}

#define MANIFEST "\0\0\1\xFF"

static void best_known_version_of_the_manifest_is_chosen(void **state)
{
    static const struct {
        const char *ranges;
        unsigned char n;
        struct bolt_version version;
    } cases[] = {
        { "\0\0\4\4", 1, { 4, 4 } },
        { "\0\10\10\5", 1, { 5, 8 } },
        { "\0\0\0\xF2\0\10\10\5\0\2\4\4", 3, { 5, 8 } }, /* an unknown major first */
        { "\0\2\4\4\0\7\7\5", 2, { 5, 7 } },             /* in any order */
        { "\0\2\6\5", 1, { 5, 6 } },
        { "\0\0\5\5\0\0\4\4", 2, { 4, 4 } }, /* 5.5 is never chosen */
        { "\0\1\5\5", 1, { 5, 4 } },
        { "\0\xFF\xFF\5", 1, { 5, 8 } },
        { "\0\xFF\3\5", 1, { 5, 3 } }, /* a range below 0 */
        { "\0\1\1\6\0\3\3\5", 2, { 6, 1 } },
        { "\0\0\0\6\0\10\10\5", 2, { 6, 0 } },
        { "\0\0\2\6\0\10\10\5", 2, { 5, 8 } },
    };
    nb_auto_done(nb_buf_done) struct nb_buf reply = NB_BUF_INIT(100);

    (void)state;
    for (size_t i = 0; i < NB_ARRAY_LEN(cases); i++) {
        nb_auto_done(nb_buf_done) struct nb_buf answer = NB_BUF_INIT(200);
        struct nb_error err = NB_ERROR_INIT;
        struct bolt_version v;

        nb_buf_append(&answer, MANIFEST, 4);
        nb_buf_putc(&answer, (char)cases[i].n);
        nb_buf_append(&answer, cases[i].ranges, cases[i].n * 4u);
        nb_buf_append(&answer, "\xFF\x82\x71", 3); /* capabilities, three bytes */
        if (!shake(answer.data, answer.len, &v, &reply, &err))
            fail_msg("case %zu: %s", i, err.text);
        assert_int_equal(v.major, cases[i].version.major);
        assert_int_equal(v.minor, cases[i].version.minor);
        assert_int_equal(reply.len, 5);
        assert_memory_equal(reply.data, "\0\0", 2);
        assert_int_equal(reply.data[2], v.minor);
        assert_int_equal(reply.data[3], v.major);
        assert_int_equal(reply.data[4], 0);
    }
}

static void broken_manifest_is_refused(void **state)
{
    static const struct {
        const char *bytes;
        size_t n;
        const char *reason;
    } cases[] = {
        { MANIFEST "\0\0", 6, "Neo4jVersionUnsupported" },
        { MANIFEST "\1\0\0\0\xF2\0", 10, "Neo4jVersionUnsupported" },
        { MANIFEST "\1\0\0\5\5\0", 10, "Neo4jVersionUnsupported" },
        { MANIFEST "\x41", 5, "Neo4jProtocolError" }, /* 65 ranges */
        { MANIFEST "\xFF\xFF\x03", 7, "Neo4jProtocolError" },
        { MANIFEST "\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", 15, "Neo4jProtocolError" },
        { MANIFEST "\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x02", 14, "Neo4jProtocolError" },
        { MANIFEST "\2\0\10\10\5", 9, "Unfinished" },
        { MANIFEST "\1\0\10\10\5\x80", 10, "Unfinished" },
        { "\0\0", 2, "Unfinished" },
    };
    nb_auto_done(nb_buf_done) struct nb_buf reply = NB_BUF_INIT(100);

    (void)state;
    for (size_t i = 0; i < NB_ARRAY_LEN(cases); i++) {
        struct nb_error err = NB_ERROR_INIT;
        struct bolt_version v;

        assert_false(shake(cases[i].bytes, cases[i].n, &v, &reply, &err));
        if (!nb_streq(err.reason, cases[i].reason))
            fail_msg("case %zu: %s", i, err.reason);
    }
}

static void nothing_above_a_maximum_is_offered_or_taken(void **state)
{
    static const struct {
        struct bolt_version max;
        unsigned char slots[16];
    } cases[] = {
        { { 6, 0 }, { 0, 0, 1, 0xFF, 0, 2, 8, 5, 0, 4, 4, 5, 0, 0, 4, 4 } },
        { { 5, 7 }, { 0, 0, 1, 0xFF, 0, 1, 7, 5, 0, 4, 4, 5, 0, 0, 4, 4 } },
        { { 5, 3 }, { 0, 0, 0, 0, 0, 0, 0, 0, 0, 3, 3, 5, 0, 0, 4, 4 } },
        { { 4, 4 }, { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 4 } },
    };
    static const char manifest[] = MANIFEST "\1\0\1\1\6";
    nb_auto_done(nb_buf_done) struct nb_buf reply = NB_BUF_INIT(100);
    unsigned char out[BOLT_HANDSHAKE_REQUEST_BYTES];
    struct bolt_version v60 = { 6, 0 }, v54 = { 5, 4 };
    struct nb_error err = NB_ERROR_INIT;
    struct bolt_handshake h;
    size_t used;

    (void)state;
    for (size_t i = 0; i < NB_ARRAY_LEN(cases); i++) {
        bolt_handshake_request(cases[i].max, out);
        assert_memory_equal(out + 4, cases[i].slots, sizeof(cases[i].slots));
    }
    bolt_handshake_init(&h, v60);
    assert_true(bolt_handshake_feed(&h, manifest, sizeof(manifest), &used, &reply, &err));
    assert_int_equal(h.version.major, 6);
    assert_int_equal(h.version.minor, 0);
    bolt_handshake_init(&h, v54);
    assert_false(bolt_handshake_feed(&h, "\0\0\10\5", 4, &used, &reply, &err));
}

static void bytes_behind_the_handshake_are_left(void **state)
{
    nb_auto_done(nb_buf_done) struct nb_buf reply = NB_BUF_INIT(100);
    struct nb_error err = NB_ERROR_INIT;
    struct bolt_handshake h;
    size_t used;

    (void)state;
    bolt_handshake_init(&h, ANY);
    assert_true(bolt_handshake_feed(&h, "\0\0\10\5rest", 8, &used, &reply, &err));
    assert_int_equal(used, 4);
    assert_int_equal(h.step, BOLT_HANDSHAKE_DONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(request_offers_the_manifest_and_three_ranges),
        cmocka_unit_test(chosen_slot_of_each_version_is_taken),
        cmocka_unit_test(answer_that_was_not_offered_is_refused),
        cmocka_unit_test(best_known_version_of_the_manifest_is_chosen),
        cmocka_unit_test(broken_manifest_is_refused),
        cmocka_unit_test(nothing_above_a_maximum_is_offered_or_taken),
        cmocka_unit_test(bytes_behind_the_handshake_are_left),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
