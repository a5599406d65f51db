#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "base/mem.h"
#include "bolt/conn_priv.h"
#include "net/mem.h"
#include "tests/fakes/fake_bolt.h"

/*
 * The client over memory, where it is known which bytes have come when: what is asked for ahead,
 * and a session that is cut after every byte of what the server sends.
 */

enum { MAX = 4 << 20, HANDSHAKE = 20 };

#define HELLO FAKE_SUCCESS("{'server':'Neo4j/5.26.0','connection_id':'bolt-1'}"), FAKE_SUCCESS("{}")

static const struct bolt_version V54 = { 5, 4 };
static const struct nb_str NONE = { NULL, 0 };

struct session {
    struct nb_buf in, out;
    struct bolt_conn *conn;
    struct nb_error err;
};

static bool start(struct session *s, const struct fake_bolt_opts *fo, size_t cut, size_t step,
                  bool stall)
{
    struct bolt_conn_opts o = BOLT_CONN_OPTS_INIT;
    struct net_mem_opts mo = { .step = step, .stall = stall, .output = &s->out };

    *s = (struct session){ .in = NB_BUF_INIT(MAX), .out = NB_BUF_INIT(MAX), .err = NB_ERROR_INIT };
    fake_bolt_bytes(fo, &s->in);
    mo.input = s->in.data;
    mo.input_n = cut < s->in.len ? cut : s->in.len;
    o.uri = "bolt://memory";
    return bolt_conn_open_stream(net_mem_new(&mo), &o, NULL, &s->conn, &s->err);
}

static void stop(struct session *s)
{
    bolt_conn_close(s->conn);
    nb_buf_done(&s->in);
    nb_buf_done(&s->out);
}

/* The tags of the requests sent so far, but for the handshake: "01 6a 10 3f". */
static const char *requests(const struct session *s, char text[256])
{
    size_t at = HANDSHAKE, n = 0;

    text[0] = '\0';
    while (at < s->out.len) {
        size_t len =
            (size_t)(unsigned char)s->out.data[at] << 8 | (unsigned char)s->out.data[at + 1];

        n += (size_t)snprintf(text + n, 256 - n, "%s%02x", n ? " " : "",
                              (unsigned char)s->out.data[at + 3]);
        at += len + 4;
    }
    return text;
}

static bool next(struct bolt_cursor *cur, bool *ret_done, struct nb_error *err)
{
    const struct ps_value *v;
    size_t n;

    return bolt_cursor_next(cur, &v, &n, ret_done, err);
}

/* --- asking ahead ----------------------------------------------------------------------------- */

static void next_batch_is_asked_for_before_the_present_one_is_used_up(void **state)
{
    static const struct fake_bolt_step steps[] = { HELLO, FAKE_SUCCESS("{'fields':['x']}"),
                                                   FAKE_RECORDS(3, "[1]"),
                                                   FAKE_SUCCESS("{'has_more':true}"), FAKE_END };
    struct fake_bolt_opts fo = { .steps = steps, .version = V54 };
    struct bolt_cursor *cur = NULL;
    struct session s;
    char text[256];
    bool end;

    (void)state;
    assert_true(start(&s, &fo, SIZE_MAX, 0, false));
    assert_string_equal(requests(&s, text), "01 6a");
    assert_true(bolt_run(s.conn, "RETURN x", NONE, NULL, &cur, &s.err));
    /* All has come in one read: the end of the batch is known before its first record is out. */
    assert_string_equal(requests(&s, text), "01 6a 10 3f 3f");
    for (int i = 0; i < 3; i++)
        assert_true(next(cur, &end, &s.err));
    assert_string_equal(requests(&s, text), "01 6a 10 3f 3f");
    assert_false(next(cur, &end, &s.err)); /* the server says nothing more */
    assert_string_equal(s.err.reason, "Neo4jConnectionFailed");
    bolt_cursor_close(cur);
    stop(&s);
}

static void last_batch_is_followed_by_nothing(void **state)
{
    static const struct fake_bolt_step steps[] = { HELLO, FAKE_SUCCESS("{'fields':['x']}"),
                                                   FAKE_RECORDS(3, "[1]"), FAKE_SUCCESS("{}"),
                                                   FAKE_END };
    struct fake_bolt_opts fo = { .steps = steps, .version = V54 };
    struct bolt_cursor *cur = NULL;
    struct session s;
    char text[256];
    bool end = false;

    (void)state;
    for (size_t step = 0; step < 3; step++) {
        assert_true(start(&s, &fo, SIZE_MAX, step, false));
        assert_true(bolt_run(s.conn, "RETURN x", NONE, NULL, &cur, &s.err));
        do
            assert_true(next(cur, &end, &s.err));
        while (!end);
        assert_true(next(cur, &end, &s.err) && end); /* the end stays the end */
        assert_string_equal(requests(&s, text), "01 6a 10 3f");
        bolt_cursor_close(cur);
        bolt_conn_close(s.conn);
        s.conn = NULL;
        assert_string_equal(requests(&s, text), "01 6a 10 3f 02");
        stop(&s);
    }
}

static void discarding_asks_for_no_further_record(void **state)
{
    static const struct fake_bolt_step steps[] = { HELLO,
                                                   FAKE_SUCCESS("{'fields':['x']}"),
                                                   FAKE_RECORDS(3, "[1]"),
                                                   FAKE_SUCCESS("{'has_more':true}"),
                                                   FAKE_SUCCESS("{'bookmark':'FB:e'}"),
                                                   FAKE_END };
    struct fake_bolt_opts fo = { .steps = steps, .version = V54 };
    struct bolt_cursor *cur = NULL;
    struct session s;
    char text[256];

    (void)state;
    assert_true(start(&s, &fo, SIZE_MAX, 1, false)); /* byte by byte: nothing is known ahead */
    assert_true(bolt_run(s.conn, "RETURN x", NONE, NULL, &cur, &s.err));
    assert_true(bolt_cursor_discard(cur, &s.err));
    assert_string_equal(requests(&s, text), "01 6a 10 3f 2f");
    assert_string_equal(bolt_cursor_summary(cur)->bookmark, "FB:e");
    assert_true(bolt_cursor_discard(cur, &s.err)); /* again does nothing */
    bolt_cursor_close(cur);
    stop(&s);
}

static void batch_asked_for_ahead_is_read_before_discarding(void **state)
{
    static const struct fake_bolt_step steps[] = { HELLO,
                                                   FAKE_SUCCESS("{}"),
                                                   FAKE_SUCCESS("{'fields':['x']}"),
                                                   FAKE_RECORDS(3, "[1]"),
                                                   FAKE_SUCCESS("{'has_more':true}"),
                                                   FAKE_END };
    static const struct fake_bolt_step more[] = { FAKE_RECORDS(2, "[1]"),
                                                  FAKE_SUCCESS("{'has_more':true}"),
                                                  FAKE_SUCCESS("{}"), FAKE_END };
    struct fake_bolt_opts fo = { .steps = steps, .version = V54 };
    struct fake_bolt_opts rest = {
        .steps = more, .version = V54, .handshake = "", .handshake_n = 0
    };
    nb_auto_done(nb_buf_done) struct nb_buf bytes = NB_BUF_INIT(MAX);
    struct net_mem_opts mo = { .input = NULL };
    struct bolt_cursor *cur = NULL;
    struct session s;
    char text[256];

    (void)state;
    assert_true(start(&s, &fo, SIZE_MAX, 0, false));
    assert_true(bolt_begin(s.conn, NULL, &s.err));
    assert_true(bolt_run(s.conn, "RETURN x", NONE, NULL, &cur, &s.err));
    fake_bolt_bytes(&rest, &bytes);
    mo.input = bytes.data;
    mo.input_n = bytes.len;
    mo.output = &s.out;
    mo.step = 1;
    net_stream_free(s.conn->stream);
    s.conn->stream = net_mem_new(&mo);
    bolt_cursor_close(cur); /* in a transaction: to the end */
    assert_string_equal(requests(&s, text), "01 6a 11 10 3f 3f 2f");
    assert_true(bolt_conn_is_alive(s.conn));
    stop(&s);
}

/* --- cut at every byte ------------------------------------------------------------------------ */

static const struct fake_bolt_step whole_session[] = {
    HELLO,
    FAKE_SUCCESS("{'fields':['x','y']}"),
    FAKE_RECORD("[1,'text']"),
    FAKE_NOOP,
    FAKE_RECORD("[2,[1.5,2.5]]"),
    FAKE_SUCCESS("{'has_more':true}"),
    FAKE_RECORD("[3,{'a':null}]"),
    FAKE_SUCCESS("{'bookmark':'FB:1','type':'r','stats':{'nodes-created':1}}"),
    /* a failing one, the reset, a transaction */
    FAKE_FAILURE("{'code':'Neo.ClientError.Statement.SyntaxError','message':'bad'}"),
    FAKE_IGNORED,
    FAKE_SUCCESS("{}"),
    FAKE_SUCCESS("{}"),
    FAKE_SUCCESS("{'fields':[]}"),
    FAKE_SUCCESS("{}"),
    FAKE_SUCCESS("{'bookmark':'FB:2'}"),
    FAKE_END,
};

/* Returns true when all went as it should; else err tells why, and *ret_steps how far it went. */
static bool whole(struct session *s, int *ret_steps)
{
    nb_auto(bolt_cursor_close) struct bolt_cursor *cur = NULL;
    struct bolt_cursor *bad = NULL;
    bool end = false;

    *ret_steps = 1;
    if (!bolt_run(s->conn, "RETURN x", NONE, NULL, &cur, &s->err))
        return false;
    while (!end)
        if (!next(cur, &end, &s->err))
            return false;
    *ret_steps = 2;
    if (bolt_run(s->conn, "bad", NONE, NULL, &bad, &s->err))
        fail_msg("a query that fails has not");
    if (!nb_streq(s->err.reason, "Neo4jQueryFailed"))
        return false;
    /* Its IGNORED may still be cut off, which the next call tells. */
    *ret_steps = 3;
    nb_error_clear(&s->err);
    if (!bolt_begin(s->conn, NULL, &s->err))
        return false;
    *ret_steps = 4;
    if (!bolt_exec(s->conn, "CREATE ()", NONE, NULL, &s->err))
        return false;
    *ret_steps = 5;
    if (!bolt_commit(s->conn, &s->err))
        return false;
    *ret_steps = 6;
    return true;
}

static void session_cut_after_any_byte_fails_cleanly(void **state)
{
    static const size_t chunks[] = { 0, 2 };

    (void)state;
    for (size_t variant = 0; variant < 8; variant++) {
        struct fake_bolt_opts fo = { .steps = whole_session,
                                     .version = V54,
                                     .manifest = variant & 1,
                                     .chunk = chunks[variant >> 1 & 1] };
        bool stall = variant & 4;
        nb_auto_done(nb_buf_done) struct nb_buf all = NB_BUF_INIT(MAX);
        int steps, last = 0;

        fake_bolt_bytes(&fo, &all);
        for (size_t cut = 0; cut <= all.len; cut++) {
            struct session s;
            bool ok;

            steps = 0;
            ok = start(&s, &fo, cut, cut % 7, stall) && whole(&s, &steps);
            assert_int_equal(ok, cut == all.len);
            assert_true(steps >= last);
            last = steps;
            if (!ok) {
                if (!nb_streq(s.err.reason, "Neo4jConnectionFailed"))
                    fail_msg("cut at %zu: %s: %s", cut, s.err.reason, s.err.text);
                assert_true(!s.conn || !bolt_conn_is_alive(s.conn));
                assert_true(!s.conn || bolt_conn_last_failure(s.conn)->connection_lost);
            } else {
                assert_string_equal(bolt_conn_last_bookmark(s.conn), "FB:2");
            }
            stop(&s);
        }
        assert_int_equal(last, 6);
    }
}

static void columns_that_are_not_named_break_the_protocol(void **state)
{
    static const char *const headers[] = { "{}", "{'fields':1}", "{'fields':[1]}" };

    (void)state;
    for (size_t i = 0; i < NB_ARRAY_LEN(headers); i++) {
        const struct fake_bolt_step steps[] = { HELLO, FAKE_SUCCESS(headers[i]), FAKE_END };
        struct fake_bolt_opts fo = { .steps = steps, .version = V54 };
        struct bolt_cursor *cur = NULL;
        struct session s;

        assert_true(start(&s, &fo, SIZE_MAX, 0, false));
        assert_false(bolt_run(s.conn, "RETURN x", NONE, NULL, &cur, &s.err));
        assert_int_equal(s.err.code, NB_E_PROTOCOL);
        assert_false(bolt_conn_is_alive(s.conn));
        stop(&s);
    }
}

static void open_result_bars_other_work_and_ends_with_the_connection(void **state)
{
    static const struct fake_bolt_step steps[] = { HELLO, FAKE_SUCCESS("{'fields':['x']}"),
                                                   FAKE_RECORDS(3, "[1]"), FAKE_END };
    struct fake_bolt_opts fo = { .steps = steps, .version = V54 };
    struct bolt_cursor *cur = NULL;
    struct session s;
    bool end;

    (void)state;
    assert_true(start(&s, &fo, SIZE_MAX, 0, false));
    assert_true(bolt_run(s.conn, "RETURN x", NONE, NULL, &cur, &s.err));
    assert_false(bolt_begin(s.conn, NULL, &s.err));
    assert_int_equal(s.err.code, NB_E_INVALID);
    assert_false(bolt_commit(s.conn, &s.err));
    bolt_conn_close(s.conn);
    s.conn = NULL;
    assert_false(next(cur, &end, &s.err));
    assert_int_equal(s.err.code, NB_E_INVALID);
    assert_false(bolt_cursor_discard(cur, &s.err));
    bolt_cursor_close(cur);
    bolt_cursor_close(NULL);
    bolt_conn_close(NULL);
    stop(&s);
}

static void reset_ends_an_open_result(void **state)
{
    static const struct fake_bolt_step steps[] = {
        HELLO,
        FAKE_SUCCESS("{'fields':['x']}"),
        FAKE_RECORDS(3, "[1]"),
        FAKE_FAILURE("{'code':'Neo.ClientError.Transaction.Terminated','message':'stopped'}"),
        FAKE_SUCCESS("{}"),
        FAKE_END
    };
    struct fake_bolt_opts fo = { .steps = steps, .version = V54 };
    struct bolt_cursor *cur = NULL;
    struct session s;
    bool end;

    (void)state;
    assert_true(start(&s, &fo, SIZE_MAX, 1, false));
    assert_true(bolt_run(s.conn, "RETURN x", NONE, NULL, &cur, &s.err));
    assert_true(bolt_reset(s.conn, &s.err));
    assert_false(next(cur, &end, &s.err));
    assert_true(bolt_conn_is_alive(s.conn));
    bolt_cursor_close(cur);
    stop(&s);
}

static void write_that_fails_ends_the_connection(void **state)
{
    static const struct fake_bolt_step steps[] = { HELLO, FAKE_END };
    struct fake_bolt_opts fo = { .steps = steps, .version = V54 };
    struct bolt_cursor *cur = NULL;
    struct net_mem_opts mo = { .write_limit = 10 };
    struct session s;

    (void)state;
    assert_true(start(&s, &fo, SIZE_MAX, 0, false));
    net_stream_free(s.conn->stream);
    s.conn->stream = net_mem_new(&mo);
    assert_false(bolt_run(s.conn, "RETURN x", NONE, NULL, &cur, &s.err));
    assert_string_equal(s.err.reason, "Neo4jConnectionFailed");
    assert_true(bolt_conn_last_failure(s.conn)->outcome_unknown);
    stop(&s);
}

static void query_above_the_limit_ends_the_connection(void **state)
{
    static const struct fake_bolt_step steps[] = { HELLO, FAKE_END };
    struct fake_bolt_opts fo = { .steps = steps, .version = V54 };
    struct bolt_cursor *cur = NULL;
    struct session s;

    (void)state;
    assert_true(start(&s, &fo, SIZE_MAX, 0, false));
    nb_buf_done(&s.conn->out);
    nb_buf_init(&s.conn->out, 16);
    assert_false(bolt_run(s.conn, "RETURN 'longer than sixteen bytes'", NONE, NULL, &cur, &s.err));
    assert_int_equal(s.err.code, NB_E_LIMIT);
    assert_false(bolt_conn_is_alive(s.conn));
    stop(&s);
}

static void encoder_fits_the_connection(void **state)
{
    static const struct fake_bolt_step old[] = { FAKE_SUCCESS("{'server':'Neo4j/4.4.0'}"),
                                                 FAKE_END };
    static const struct fake_bolt_step patched[] = {
        FAKE_SUCCESS("{'server':'Neo4j/4.4.0','patch_bolt':['utc']}"), FAKE_END
    };
    struct fake_bolt_opts fo = { .steps = old, .version = { 4, 4 } };
    struct session s;

    (void)state;
    assert_true(start(&s, &fo, SIZE_MAX, 0, false));
    assert_true(bolt_conn_encoder(s.conn, &s.out).local_datetimes);
    assert_true(bolt_conn_encoder(s.conn, &s.out).no_vectors);
    stop(&s);
    fo.steps = patched;
    assert_true(start(&s, &fo, SIZE_MAX, 0, false));
    assert_false(bolt_conn_encoder(s.conn, &s.out).local_datetimes);
    stop(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(next_batch_is_asked_for_before_the_present_one_is_used_up),
        cmocka_unit_test(last_batch_is_followed_by_nothing),
        cmocka_unit_test(discarding_asks_for_no_further_record),
        cmocka_unit_test(batch_asked_for_ahead_is_read_before_discarding),
        cmocka_unit_test(session_cut_after_any_byte_fails_cleanly),
        cmocka_unit_test(columns_that_are_not_named_break_the_protocol),
        cmocka_unit_test(open_result_bars_other_work_and_ends_with_the_connection),
        cmocka_unit_test(reset_ends_an_open_result),
        cmocka_unit_test(write_that_fails_ends_the_connection),
        cmocka_unit_test(query_above_the_limit_ends_the_connection),
        cmocka_unit_test(encoder_fits_the_connection),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
