#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "bolt/conn_priv.h"
#include "tests/fakes/fake_bolt.h"
#include "tests/fakes/tls_proxy.h"

/* The client over a real socket against a scripted server. */

#define HELLO_5                                                                                    \
    FAKE_EXPECT(BOLT_HELLO), FAKE_EXPECT(BOLT_LOGON),                                              \
        FAKE_SUCCESS("{'server':'Neo4j/5.26.0','connection_id':'bolt-1','hints':{}}"),             \
        FAKE_SUCCESS("{}")
#define HELLO_4                                                                                    \
    FAKE_EXPECT(BOLT_HELLO), FAKE_SUCCESS("{'server':'Neo4j/5.26.0','connection_id':'bolt-1'}")
#define RUN_PULL    FAKE_EXPECT(BOLT_RUN), FAKE_EXPECT(BOLT_PULL)
#define RUN_DISCARD FAKE_EXPECT(BOLT_RUN), FAKE_EXPECT(BOLT_DISCARD)
#define BYE         FAKE_EXPECT(BOLT_GOODBYE), FAKE_END

static const struct bolt_version V54 = { 5, 4 };
static const struct nb_str NONE = { NULL, 0 };

static struct bolt_conn_opts options(const char *uri)
{
    struct bolt_conn_opts o = BOLT_CONN_OPTS_INIT;

    o.uri = uri;
    o.connect_timeout_ms = 10000;
    o.read_timeout_ms = 10000;
    return o;
}

static struct bolt_conn *connect_to(const char *uri)
{
    struct bolt_conn_opts o = options(uri);
    struct nb_error err = NB_ERROR_INIT;
    struct bolt_conn *conn = NULL;

    if (!bolt_conn_open(&o, NULL, &conn, &err))
        fail_msg("%s", err.text);
    return conn;
}

static void done(struct fake_bolt *f, struct bolt_conn *conn)
{
    const char *trouble;

    bolt_conn_close(conn);
    trouble = fake_bolt_wait(f);
    if (trouble)
        fail_msg("%s", trouble);
    fake_bolt_free(f);
}

static struct bolt_cursor *run(struct bolt_conn *conn, const char *query,
                               const struct bolt_run_opts *opts)
{
    struct nb_error err = NB_ERROR_INIT;
    struct bolt_cursor *cur = NULL;

    if (!bolt_run(conn, query, NONE, opts, &cur, &err))
        fail_msg("%s", err.text);
    return cur;
}

static int64_t sum_rows(struct bolt_cursor *cur, size_t *ret_rows)
{
    struct nb_error err = NB_ERROR_INIT;
    const struct ps_value *v;
    int64_t sum = 0;
    bool end = false;
    size_t n;

    *ret_rows = 0;
    for (;;) {
        if (!bolt_cursor_next(cur, &v, &n, &end, &err))
            fail_msg("%s", err.text);
        if (end)
            return sum;
        assert_int_equal(n, 1);
        sum += v[0].integer;
        ++*ret_rows;
    }
}

static struct bolt_cursor *read_all(struct bolt_cursor *cur, size_t expected)
{
    size_t rows;

    (void)sum_rows(cur, &rows);
    assert_int_equal(rows, expected);
    return cur;
}

static bool open_fails(const struct bolt_conn_opts *o, struct nb_error *err)
{
    struct bolt_conn *conn = NULL;
    bool failed = !bolt_conn_open(o, NULL, &conn, err);

    bolt_conn_close(conn);
    return failed;
}

static void assert_lost(const struct nb_error *err)
{
    if (!nb_streq(err->reason, "Neo4jConnectionFailed"))
        fail_msg("%s: %s", err->reason, err->text);
    assert_int_equal(err->code, NB_E_UNAVAILABLE);
    assert_true(nb_starts_with(err->text, "Neo4j connection failed: "));
}

/* --- opening ---------------------------------------------------------------------------------- */

static void check_version(struct bolt_version v, bool manifest)
{
    static const struct fake_bolt_step steps_5[] = {
        HELLO_5,
        RUN_PULL,
        FAKE_SUCCESS("{'fields':['x'],'t_first':3,'db':'neo4j'}"),
        FAKE_RECORD("[1]"),
        FAKE_RECORD("[41]"),
        FAKE_SUCCESS("{'bookmark':'FB:b','type':'r','t_last':4}"),
        BYE
    };
    static const struct fake_bolt_step steps_4[] = {
        HELLO_4,
        RUN_PULL,
        FAKE_SUCCESS("{'fields':['x'],'t_first':3,'db':'neo4j'}"),
        FAKE_RECORD("[1]"),
        FAKE_RECORD("[41]"),
        FAKE_SUCCESS("{'bookmark':'FB:b','type':'r','t_last':4}"),
        BYE
    };
    bool logon = v.major > 5 || (v.major == 5 && v.minor >= 1);
    struct fake_bolt_opts fo = { .steps = logon ? steps_5 : steps_4,
                                 .version = v,
                                 .manifest = manifest };
    struct fake_bolt *f = fake_bolt_start(&fo);
    struct bolt_conn *conn = connect_to(fake_bolt_uri(f));
    struct bolt_cursor *cur = run(conn, "RETURN x", NULL);
    const struct bolt_summary *s;
    const struct nb_str *keys;
    size_t rows, nkeys;

    assert_int_equal(bolt_conn_version(conn).major, v.major);
    assert_int_equal(bolt_conn_version(conn).minor, v.minor);
    assert_string_equal(bolt_conn_server_agent(conn), "Neo4j/5.26.0");
    assert_string_equal(bolt_conn_connection_id(conn), "bolt-1");
    assert_int_equal(bolt_conn_hints(conn)->utc_datetimes, v.major >= 5);
    keys = bolt_cursor_keys(cur, &nkeys);
    assert_int_equal(nkeys, 1);
    assert_true(nb_str_is(keys[0], "x"));
    assert_null(bolt_cursor_summary(cur));
    assert_int_equal(sum_rows(cur, &rows), 42);
    assert_int_equal(rows, 2);
    s = bolt_cursor_summary(cur);
    assert_string_equal(s->bookmark, "FB:b");
    assert_string_equal(s->db, "neo4j");
    assert_int_equal(s->t_first_ms, 3);
    assert_int_equal(s->t_last_ms, 4);
    assert_string_equal(bolt_conn_last_bookmark(conn), "FB:b");
    assert_true(bolt_conn_bytes_received(conn) > 50);
    assert_null(bolt_conn_last_failure(conn));
    bolt_cursor_close(cur);
    done(f, conn);
}

static void session_of_each_version_by_slot_works(void **state)
{
    static const struct bolt_version versions[] = { { 4, 4 }, { 5, 0 }, { 5, 1 },
                                                    { 5, 2 }, { 5, 3 }, { 5, 4 },
                                                    { 5, 6 }, { 5, 7 }, { 5, 8 } };

    (void)state;
    for (size_t i = 0; i < NB_ARRAY_LEN(versions); i++)
        check_version(versions[i], false);
}

static void session_of_each_version_by_manifest_works(void **state)
{
    static const struct bolt_version versions[] = { { 4, 4 }, { 5, 4 }, { 5, 7 },
                                                    { 5, 8 }, { 6, 0 }, { 6, 1 } };

    (void)state;
    for (size_t i = 0; i < NB_ARRAY_LEN(versions); i++)
        check_version(versions[i], true);
}

static void request_bytes_hold_no_more_than_was_given(void **state)
{
    static const struct fake_bolt_step steps[] = { HELLO_5, BYE };
    struct fake_bolt_opts fo = { .steps = steps, .version = { 5, 4 } };
    struct fake_bolt *f = fake_bolt_start(&fo);
    struct bolt_conn_opts o = options(fake_bolt_uri(f));
    nb_auto(nb_secret_free) struct nb_secret *token = nb_secret_new("tok-en-1", 8);
    struct nb_error err = NB_ERROR_INIT;
    struct bolt_conn *conn = NULL;
    struct nb_str logon;

    (void)state;
    o.auth = BOLT_AUTH_BEARER;
    o.secret = token;
    assert_true(bolt_conn_open(&o, NULL, &conn, &err));
    /* The password does not stay in the send buffer. */
    assert_null(memmem(conn->out.data, conn->out.cap, "tok-en-1", 8));
    done(f, conn);
    f = fake_bolt_start(&fo);
    conn = connect_to(fake_bolt_uri(f)); /* none */
    bolt_conn_close(conn);
    assert_null(fake_bolt_wait(f));
    logon = fake_bolt_request(f, 1);
    assert_non_null(memmem(logon.p, logon.n, "none", 4));
    assert_memory_equal(fake_bolt_hello_bytes(f).p, "\x60\x60\xB0\x17", 4);
    fake_bolt_free(f);
}

static void wrong_password_is_denied_with_a_hint(void **state)
{
    static const struct fake_bolt_step steps[] = {
        FAKE_EXPECT(BOLT_HELLO),
        FAKE_EXPECT(BOLT_LOGON),
        FAKE_SUCCESS("{'server':'Neo4j/5.26.0','connection_id':'bolt-1'}"),
        FAKE_FAILURE("{'code':'Neo.ClientError.Security.Unauthorized','message':'no'}"),
        FAKE_CLOSE,
        FAKE_END
    };
    struct fake_bolt_opts fo = { .steps = steps, .version = V54 };
    struct fake_bolt *f = fake_bolt_start(&fo);
    struct bolt_conn_opts o = options(fake_bolt_uri(f));
    nb_auto(nb_secret_free) struct nb_secret *secret = nb_secret_new("wrong-one", 9);
    struct nb_error err = NB_ERROR_INIT;

    (void)state;
    o.auth = BOLT_AUTH_BASIC;
    o.user = "neo4j";
    o.secret = secret;
    assert_true(open_fails(&o, &err));
    assert_int_equal(err.code, NB_E_DENIED);
    assert_string_equal(err.reason, "Neo4jAuthenticationFailed");
    assert_non_null(strstr(err.text, "NEO4J_PASSWORD"));
    assert_null(strstr(err.text, "wrong-one"));
    fake_bolt_free(f);
}

static uint16_t closed_port(void)
{
    struct sockaddr_in a = { .sin_family = AF_INET };
    socklen_t n = sizeof(a);
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &n), 0);
    close(fd);
    return ntohs(a.sin_port);
}

static void nobody_at_the_port_is_told_with_a_hint(void **state)
{
    struct nb_error err = NB_ERROR_INIT;
    struct bolt_conn_opts o;
    char uri[64];

    (void)state;
    (void)snprintf(uri, sizeof(uri), "bolt://127.0.0.1:%u", closed_port());
    o = options(uri);
    assert_true(open_fails(&o, &err));
    assert_lost(&err);
    assert_non_null(strstr(err.text, "; hint: is Neo4j started"));
}

static void answer_of_something_else_is_told_with_a_hint(void **state)
{
    static const struct fake_bolt_step none[] = { FAKE_END };
    static const struct {
        const char *bytes;
        size_t n;
        const char *text;
    } cases[] = {
        { "HTTP/1.1 400 Bad Request\r\n", 26, "HTTP port" },
        { "", 0, "Bolt port" },
        { "\x15\3\3\0\2\2\x28", 7, "bolt+s://" },
    };

    (void)state;
    for (size_t i = 0; i < NB_ARRAY_LEN(cases); i++) {
        struct fake_bolt_opts fo = { .steps = none,
                                     .handshake = cases[i].bytes,
                                     .handshake_n = cases[i].n };
        struct fake_bolt *f = fake_bolt_start(&fo);
        struct bolt_conn_opts o = options(fake_bolt_uri(f));
        struct nb_error err = NB_ERROR_INIT;

        assert_true(open_fails(&o, &err));
        assert_lost(&err);
        if (!strstr(err.text, cases[i].text))
            fail_msg("'%s' lacks '%s'", err.text, cases[i].text);
        fake_bolt_free(f);
    }
}

static void server_without_a_common_version_is_told(void **state)
{
    static const struct fake_bolt_step none[] = { FAKE_END };
    struct fake_bolt_opts fo = { .steps = none, .handshake = "\0\0\0\0", .handshake_n = 4 };
    struct fake_bolt *f = fake_bolt_start(&fo);
    struct bolt_conn_opts o = options(fake_bolt_uri(f));
    struct nb_error err = NB_ERROR_INIT;

    (void)state;
    assert_true(open_fails(&o, &err));
    assert_string_equal(err.reason, "Neo4jVersionUnsupported");
    fake_bolt_free(f);
}

static void garbage_behind_the_handshake_is_an_error(void **state)
{
    static const struct fake_bolt_step none[] = { FAKE_END };
    struct fake_bolt_opts fo = { .steps = none, .handshake = "\0\0\4\5more", .handshake_n = 8 };
    struct fake_bolt *f = fake_bolt_start(&fo);
    struct bolt_conn_opts o = options(fake_bolt_uri(f));
    struct nb_error err = NB_ERROR_INIT;

    (void)state;
    assert_true(open_fails(&o, &err));
    /* It is the head of a chunk that never comes. */
    assert_lost(&err);
    fake_bolt_free(f);
}

/* --- results ---------------------------------------------------------------------------------- */

static void batches_are_pulled_one_after_the_other(void **state)
{
    static const struct fake_bolt_step steps[] = { HELLO_5,
                                                   RUN_PULL,
                                                   FAKE_SUCCESS("{'fields':['x']}"),
                                                   FAKE_RECORDS(100, "[1]"),
                                                   FAKE_SUCCESS("{'has_more':true}"),
                                                   FAKE_EXPECT(BOLT_PULL),
                                                   FAKE_RECORDS(100, "[1]"),
                                                   FAKE_SUCCESS("{'has_more':true}"),
                                                   FAKE_EXPECT(BOLT_PULL),
                                                   FAKE_RECORDS(7, "[1]"),
                                                   FAKE_SUCCESS("{}"),
                                                   BYE };
    static const struct bolt_run_opts ro = { .fetch_size = 100 };
    static const size_t chunks[] = { 0, 1, 3 };

    (void)state;
    for (size_t i = 0; i < NB_ARRAY_LEN(chunks); i++) {
        struct fake_bolt_opts fo = {
            .steps = steps, .version = V54, .chunk = chunks[i], .noops = i > 0
        };
        struct fake_bolt *f = fake_bolt_start(&fo);
        struct bolt_conn *conn = connect_to(fake_bolt_uri(f));
        struct bolt_cursor *cur = run(conn, "RETURN x", &ro);
        size_t rows;

        (void)sum_rows(cur, &rows);
        assert_int_equal(rows, 207);
        bolt_cursor_close(cur);
        done(f, conn);
    }
}

static void query_without_a_cursor_asks_for_no_record(void **state)
{
    static const struct fake_bolt_step steps[] = {
        HELLO_5, RUN_DISCARD, FAKE_SUCCESS("{'fields':['x']}"),
        FAKE_SUCCESS("{'bookmark':'FB:d','stats':{'nodes-created':2}}"), BYE
    };
    struct fake_bolt_opts fo = { .steps = steps, .version = V54 };
    struct fake_bolt *f = fake_bolt_start(&fo);
    struct bolt_conn *conn = connect_to(fake_bolt_uri(f));
    struct nb_error err = NB_ERROR_INIT;

    (void)state;
    assert_true(bolt_exec(conn, "CREATE (), ()", NONE, NULL, &err));
    assert_string_equal(bolt_conn_last_bookmark(conn), "FB:d");
    assert_int_equal(bolt_conn_last_stats(conn)->nodes_created, 2);
    done(f, conn);
}

static void unread_result_is_reset_when_closed(void **state)
{
    static const struct fake_bolt_step steps[] = { HELLO_5,
                                                   RUN_PULL,
                                                   FAKE_SUCCESS("{'fields':['x']}"),
                                                   FAKE_RECORDS(3, "[1]"),
                                                   FAKE_EXPECT(BOLT_RESET),
                                                   FAKE_RECORD("[1]"),
                                                   FAKE_IGNORED,
                                                   FAKE_SUCCESS("{}"),
                                                   RUN_PULL,
                                                   FAKE_SUCCESS("{'fields':['x']}"),
                                                   FAKE_RECORD("[5]"),
                                                   FAKE_SUCCESS("{}"),
                                                   BYE };
    struct fake_bolt_opts fo = { .steps = steps, .version = V54 };
    struct fake_bolt *f = fake_bolt_start(&fo);
    struct bolt_conn *conn = connect_to(fake_bolt_uri(f));
    struct bolt_cursor *cur = run(conn, "RETURN x", NULL);
    struct nb_error err = NB_ERROR_INIT;
    struct bolt_cursor *second = NULL;
    size_t rows;

    (void)state;
    assert_false(bolt_run(conn, "RETURN y", NONE, NULL, &second, &err)); /* one at a time */
    assert_int_equal(err.code, NB_E_INVALID);
    bolt_cursor_close(cur);
    cur = run(conn, "RETURN x", NULL);
    assert_int_equal(sum_rows(cur, &rows), 5);
    bolt_cursor_close(cur);
    done(f, conn);
}

static void failed_query_is_followed_by_reset(void **state)
{
    static const struct fake_bolt_step steps[] = {
        HELLO_5,
        RUN_PULL,
        FAKE_FAILURE("{'code':'Neo.ClientError.Statement.SyntaxError','message':'bad'}"),
        FAKE_IGNORED,
        FAKE_EXPECT(BOLT_RESET),
        RUN_PULL,
        FAKE_SUCCESS("{}"),
        FAKE_SUCCESS("{'fields':['x']}"),
        FAKE_RECORD("[1]"),
        FAKE_FAILURE("{'code':'Neo.TransientError.Transaction.DeadlockDetected','message':'late'}"),
        FAKE_EXPECT(BOLT_RESET),
        FAKE_EXPECT(BOLT_BEGIN),
        FAKE_SUCCESS("{}"),
        FAKE_SUCCESS("{}"),
        BYE
    };
    struct fake_bolt_opts fo = { .steps = steps, .version = V54 };
    struct fake_bolt *f = fake_bolt_start(&fo);
    struct bolt_conn *conn = connect_to(fake_bolt_uri(f));
    struct nb_error err = NB_ERROR_INIT;
    struct bolt_cursor *cur = NULL;
    const struct ps_value *v;
    bool end;
    size_t n;

    (void)state;
    assert_false(bolt_run(conn, "bad", NONE, NULL, &cur, &err));
    assert_string_equal(err.reason, "Neo4jQueryFailed");
    assert_string_equal(bolt_conn_last_failure(conn)->message, "bad");
    assert_true(bolt_conn_is_alive(conn));
    cur = run(conn, "RETURN x", NULL);
    assert_null(bolt_conn_last_failure(conn));
    nb_error_clear(&err);
    assert_true(bolt_cursor_next(cur, &v, &n, &end, &err));
    assert_false(bolt_cursor_next(cur, &v, &n, &end, &err));
    assert_int_equal(err.code, NB_E_UNAVAILABLE);
    assert_true(bolt_retryable(bolt_conn_last_failure(conn)));
    assert_false(bolt_cursor_next(cur, &v, &n, &end, &err)); /* and stays ended */
    assert_null(bolt_cursor_summary(cur));
    bolt_cursor_close(cur);
    nb_error_clear(&err);
    assert_true(bolt_begin(conn, NULL, &err));
    done(f, conn);
}

static void record_that_does_not_fit_its_columns_breaks_the_protocol(void **state)
{
    static const struct fake_bolt_step steps[] = {
        HELLO_5,    RUN_PULL, FAKE_SUCCESS("{'fields':['x']}"), FAKE_RECORD("[1,2]"),
        FAKE_STALL, FAKE_END
    };
    struct fake_bolt_opts fo = { .steps = steps, .version = V54 };
    struct fake_bolt *f = fake_bolt_start(&fo);
    struct bolt_conn *conn = connect_to(fake_bolt_uri(f));
    struct bolt_cursor *cur = run(conn, "RETURN x", NULL);
    struct nb_error err = NB_ERROR_INIT;
    const struct ps_value *v;
    bool end;
    size_t n;

    (void)state;
    assert_false(bolt_cursor_next(cur, &v, &n, &end, &err));
    assert_int_equal(err.code, NB_E_PROTOCOL);
    assert_false(bolt_conn_is_alive(conn));
    bolt_cursor_close(cur);
    done(f, conn);
}

static void value_that_cannot_be_read_ends_the_connection(void **state)
{
    static const struct fake_bolt_step steps[] = {
        HELLO_5,    RUN_PULL, FAKE_SUCCESS("{'fields':['x']}"), FAKE_RAW("\xB1\x71\x91\xC4", 4),
        FAKE_STALL, FAKE_END
    };
    struct fake_bolt_opts fo = { .steps = steps, .version = V54 };
    struct fake_bolt *f = fake_bolt_start(&fo);
    struct bolt_conn *conn = connect_to(fake_bolt_uri(f));
    struct bolt_cursor *cur = run(conn, "RETURN x", NULL);
    struct nb_error err = NB_ERROR_INIT;
    const struct ps_value *v;
    bool end;
    size_t n;

    (void)state;
    assert_false(bolt_cursor_next(cur, &v, &n, &end, &err));
    assert_string_equal(err.reason, "PackStreamInvalid");
    assert_false(bolt_conn_is_alive(conn));
    bolt_cursor_close(cur);
    done(f, conn);
}

static void message_above_the_limit_is_refused(void **state)
{
    static const struct fake_bolt_step steps[] = {
        HELLO_5, RUN_PULL, FAKE_SUCCESS("{'fields':['x','a long column name to go above it']}"),
        FAKE_STALL, FAKE_END
    };
    struct fake_bolt_opts fo = { .steps = steps, .version = V54, .chunk = 16 };
    struct fake_bolt *f = fake_bolt_start(&fo);
    struct bolt_conn_opts o = options(fake_bolt_uri(f));
    struct nb_error err = NB_ERROR_INIT;
    struct bolt_cursor *cur = NULL;
    struct bolt_conn *conn = NULL;

    (void)state;
    o.max_message_bytes = 70;
    if (!bolt_conn_open(&o, NULL, &conn, &err))
        fail_msg("%s", err.text);
    conn->in.max_message_bytes = 32;
    assert_false(bolt_run(conn, "RETURN x", NONE, NULL, &cur, &err));
    assert_int_equal(err.code, NB_E_LIMIT);
    assert_false(bolt_conn_is_alive(conn));
    done(f, conn);
}

/* --- transactions ----------------------------------------------------------------------------- */

static void transaction_is_committed_with_a_bookmark(void **state)
{
    static const struct fake_bolt_step steps[] = { HELLO_5,
                                                   FAKE_EXPECT(BOLT_BEGIN),
                                                   FAKE_SUCCESS("{}"),
                                                   RUN_PULL,
                                                   FAKE_SUCCESS("{'fields':['x']}"),
                                                   FAKE_RECORDS(2, "[1]"),
                                                   FAKE_SUCCESS("{}"),
                                                   FAKE_EXPECT(BOLT_COMMIT),
                                                   FAKE_SUCCESS("{'bookmark':'FB:c'}"),
                                                   FAKE_EXPECT(BOLT_BEGIN),
                                                   FAKE_SUCCESS("{}"),
                                                   FAKE_EXPECT(BOLT_ROLLBACK),
                                                   FAKE_SUCCESS("{}"),
                                                   BYE };
    struct fake_bolt_opts fo = { .steps = steps, .version = V54 };
    struct fake_bolt *f = fake_bolt_start(&fo);
    struct bolt_conn *conn = connect_to(fake_bolt_uri(f));
    struct nb_error err = NB_ERROR_INIT;
    struct bolt_cursor *cur;

    (void)state;
    assert_true(bolt_begin(conn, NULL, &err));
    cur = run(conn, "RETURN x", NULL);
    assert_false(bolt_commit(conn, &err)); /* a result is open */
    nb_error_clear(&err);
    bolt_cursor_close(cur); /* inside a transaction: read to its end */
    assert_true(bolt_commit(conn, &err));
    assert_string_equal(bolt_conn_last_bookmark(conn), "FB:c");
    assert_true(bolt_begin(conn, NULL, &err));
    assert_true(bolt_rollback(conn, &err));
    assert_false(bolt_rollback(conn, &err)); /* there is none */
    assert_int_equal(err.code, NB_E_INVALID);
    done(f, conn);
}

static void failed_transaction_refuses_queries_until_rolled_back(void **state)
{
    static const struct fake_bolt_step steps[] = {
        HELLO_5,
        FAKE_EXPECT(BOLT_BEGIN),
        FAKE_SUCCESS("{}"),
        RUN_PULL,
        FAKE_FAILURE("{'code':'Neo.ClientError.Statement.SyntaxError','message':'bad'}"),
        FAKE_IGNORED,
        FAKE_EXPECT(BOLT_RESET),
        FAKE_SUCCESS("{}"),
        RUN_DISCARD,
        FAKE_SUCCESS("{'fields':[]}"),
        FAKE_SUCCESS("{}"),
        BYE
    };
    struct fake_bolt_opts fo = { .steps = steps, .version = V54 };
    struct fake_bolt *f = fake_bolt_start(&fo);
    struct bolt_conn *conn = connect_to(fake_bolt_uri(f));
    struct nb_error err = NB_ERROR_INIT;
    struct bolt_cursor *cur = NULL;

    (void)state;
    assert_true(bolt_begin(conn, NULL, &err));
    assert_false(bolt_run(conn, "bad", NONE, NULL, &cur, &err));
    /* It would be committed by itself, outside the transaction that the caller believes in. */
    assert_false(bolt_run(conn, "CREATE ()", NONE, NULL, &cur, &err));
    assert_non_null(strstr(err.text, "rolled back first"));
    assert_false(bolt_commit(conn, &err));
    nb_error_clear(&err);
    assert_true(bolt_rollback(conn, &err));
    assert_true(bolt_exec(conn, "CREATE ()", NONE, NULL, &err));
    done(f, conn);
}

static void connection_lost_in_commit_leaves_the_outcome_unknown(void **state)
{
    static const struct fake_bolt_step steps[] = {
        HELLO_5, FAKE_EXPECT(BOLT_BEGIN), FAKE_SUCCESS("{}"), FAKE_EXPECT(BOLT_COMMIT), FAKE_CLOSE,
        FAKE_END
    };
    struct fake_bolt_opts fo = { .steps = steps, .version = V54 };
    struct fake_bolt *f = fake_bolt_start(&fo);
    struct bolt_conn *conn = connect_to(fake_bolt_uri(f));
    struct nb_error err = NB_ERROR_INIT;

    (void)state;
    assert_true(bolt_begin(conn, NULL, &err));
    assert_false(bolt_commit(conn, &err));
    assert_lost(&err);
    assert_true(bolt_conn_last_failure(conn)->outcome_unknown);
    assert_false(bolt_retryable(bolt_conn_last_failure(conn)));
    assert_false(bolt_conn_is_alive(conn));
    /* Dead it stays. */
    nb_error_clear(&err);
    assert_false(bolt_begin(conn, NULL, &err));
    assert_lost(&err);
    assert_false(bolt_reset(conn, &err));
    assert_false(bolt_exec(conn, "RETURN 1", NONE, NULL, &err));
    assert_false(bolt_conn_last_failure(conn)->outcome_unknown);
    done(f, conn);
}

static void connection_lost_while_reading_is_retryable_when_only_read(void **state)
{
    static const struct fake_bolt_step steps[] = {
        HELLO_5,    RUN_PULL, FAKE_SUCCESS("{'fields':['x']}"), FAKE_RECORD("[1]"),
        FAKE_CLOSE, FAKE_END
    };

    (void)state;
    for (int read = 0; read < 2; read++) {
        struct fake_bolt_opts fo = { .steps = steps, .version = V54 };
        struct bolt_run_opts ro = { .mode = read ? BOLT_MODE_READ : BOLT_MODE_WRITE };
        struct fake_bolt *f = fake_bolt_start(&fo);
        struct bolt_conn *conn = connect_to(fake_bolt_uri(f));
        struct bolt_cursor *cur = run(conn, "RETURN x", &ro);
        struct nb_error err = NB_ERROR_INIT;

        assert_false(bolt_cursor_discard(cur, &err));
        assert_lost(&err);
        assert_int_equal(bolt_retryable(bolt_conn_last_failure(conn)), read);
        bolt_cursor_close(cur);
        done(f, conn);
    }
}

/* --- silence and stops ------------------------------------------------------------------------ */

static void silent_server_is_given_up_at_every_message(void **state)
{
    static const struct fake_bolt_step at_hello[] = { FAKE_EXPECT(BOLT_HELLO), FAKE_STALL,
                                                      FAKE_END };
    static const struct fake_bolt_step at_run[] = { HELLO_5, RUN_DISCARD, FAKE_STALL, FAKE_END };
    static const struct fake_bolt_step at_row[] = {
        HELLO_5,    RUN_DISCARD, FAKE_SUCCESS("{'fields':['x']}"), FAKE_BYTES("\0\4\xB1\x71", 4),
        FAKE_STALL, FAKE_END
    };
    static const struct fake_bolt_step *const scripts[] = { at_hello, at_run, at_row };

    (void)state;
    for (size_t i = 0; i < NB_ARRAY_LEN(scripts); i++) {
        struct fake_bolt_opts fo = { .steps = scripts[i], .version = V54 };
        struct fake_bolt *f = fake_bolt_start(&fo);
        struct bolt_conn_opts o = options(fake_bolt_uri(f));
        int64_t start = nb_clock_mono_ms();
        struct nb_error err = NB_ERROR_INIT;
        struct bolt_conn *conn = NULL;
        bool ok;

        o.read_timeout_ms = 80;
        o.connect_timeout_ms = i == 0 ? 80 : 10000;
        ok = bolt_conn_open(&o, NULL, &conn, &err) && bolt_exec(conn, "RETURN 1", NONE, NULL, &err);
        assert_false(ok);
        assert_lost(&err);
        assert_non_null(strstr(err.text, "no answer"));
        assert_true(nb_clock_mono_ms() - start < 8000);
        bolt_conn_close(conn);
        fake_bolt_free(f);
    }
}

static void silence_that_breaks_the_servers_promise_is_given_up(void **state)
{
    static const struct fake_bolt_step steps[] = {
        FAKE_EXPECT(BOLT_HELLO),
        FAKE_EXPECT(BOLT_LOGON),
        FAKE_SUCCESS("{'server':'Neo4j/5.26.0','hints':{'connection.recv_timeout_seconds':1}}"),
        FAKE_SUCCESS("{}"),
        RUN_DISCARD,
        FAKE_STALL,
        FAKE_END
    };
    struct fake_bolt_opts fo = { .steps = steps, .version = V54 };
    struct fake_bolt *f = fake_bolt_start(&fo);
    struct bolt_conn *conn = connect_to(fake_bolt_uri(f));
    struct nb_error err = NB_ERROR_INIT;

    (void)state;
    assert_int_equal(conn->read_timeout_ms, 1000);
    assert_false(bolt_exec(conn, "RETURN 1", NONE, NULL, &err));
    assert_lost(&err);
    done(f, conn);
}

static void *set_cancel(void *arg)
{
    nb_cancel_set(arg);
    return NULL;
}

static void job_told_to_stop_stops_waiting(void **state)
{
    static const struct fake_bolt_step steps[] = { HELLO_5, RUN_DISCARD, FAKE_STALL, FAKE_END };
    struct fake_bolt_opts fo = { .steps = steps, .version = V54 };
    struct fake_bolt *f = fake_bolt_start(&fo);
    struct bolt_conn_opts o = options(fake_bolt_uri(f));
    nb_auto(nb_cancel_free) struct nb_cancel *cancel = nb_cancel_new();
    struct nb_error err = NB_ERROR_INIT;
    struct bolt_conn *conn = NULL;
    pthread_t thread;

    (void)state;
    assert_true(bolt_conn_open(&o, cancel, &conn, &err));
    assert_int_equal(pthread_create(&thread, NULL, set_cancel, cancel), 0);
    assert_false(bolt_exec(conn, "RETURN 1", NONE, NULL, &err));
    assert_int_equal(err.code, NB_E_CANCELLED);
    pthread_join(thread, NULL);
    bolt_conn_close(conn);
    fake_bolt_free(f);
}

/* --- TLS -------------------------------------------------------------------------------------- */

static bool open_over_tls(const char *scheme, const char *host, struct fake_tls *tls, bool with_ca,
                          const char *name, struct nb_error *err)
{
    static const struct fake_bolt_step steps[] = { HELLO_5,
                                                   RUN_PULL,
                                                   FAKE_SUCCESS("{'fields':['x']}"),
                                                   FAKE_RECORDS(2000, "[1]"),
                                                   FAKE_SUCCESS("{}"),
                                                   BYE };
    struct fake_bolt_opts fo = { .steps = steps, .version = { 5, 8 }, .manifest = true };
    struct fake_bolt *f = fake_bolt_start(&fo);
    struct tls_proxy *p = tls_proxy_start(tls, fake_bolt_port(f));
    struct bolt_conn *conn = NULL;
    struct bolt_conn_opts o;
    char uri[64];
    bool ok;

    (void)snprintf(uri, sizeof(uri), "%s://%s:%u", scheme, host, tls_proxy_port(p));
    o = options(uri);
    o.ca_pem = with_ca ? fake_tls_pem(tls) : NULL;
    o.ca_pem_n = with_ca ? strlen(o.ca_pem) : 0;
    o.server_name = name;
    ok = bolt_conn_open(&o, NULL, &conn, err);
    if (ok)
        bolt_cursor_close(read_all(run(conn, "RETURN x", NULL), 2000));
    bolt_conn_close(conn);
    tls_proxy_free(p);
    fake_bolt_free(f);
    return ok;
}

static void tls_is_verified_or_not_by_the_scheme(void **state)
{
    struct fake_tls *tls = fake_tls_new();
    struct nb_error err = NB_ERROR_INIT;

    (void)state;
    assert_true(open_over_tls("bolt+ssc", "127.0.0.1", tls, false, NULL, &err));
    assert_true(open_over_tls("bolt+s", "127.0.0.1", tls, true, NULL, &err));
    assert_true(open_over_tls("bolt+s", "127.0.0.1", tls, true, "localhost", &err));
    assert_false(open_over_tls("bolt+s", "127.0.0.1", tls, true, "other.example", &err));
    assert_string_equal(err.reason, "TlsVerificationFailed");
    nb_error_clear(&err);
    assert_false(open_over_tls("bolt+s", "127.0.0.1", tls, false, NULL, &err));
    assert_int_equal(err.code, NB_E_DENIED);
    assert_string_equal(err.reason, "TlsVerificationFailed");
    assert_true(nb_starts_with(err.text, "Neo4j connection failed: "));
    fake_tls_free(tls);
}

static void server_that_leaves_in_order_over_tls_is_noticed(void **state)
{
    static const struct fake_bolt_step steps[] = { HELLO_5, RUN_DISCARD, FAKE_CLOSE, FAKE_END };
    struct fake_bolt_opts fo = { .steps = steps, .version = V54 };
    struct fake_tls *tls = fake_tls_new();
    struct fake_bolt *f = fake_bolt_start(&fo);
    struct tls_proxy *p = tls_proxy_start(tls, fake_bolt_port(f));
    struct nb_error err = NB_ERROR_INIT;
    struct bolt_conn *conn;
    char uri[64];

    (void)state;
    (void)snprintf(uri, sizeof(uri), "bolt+ssc://127.0.0.1:%u", tls_proxy_port(p));
    conn = connect_to(uri);
    assert_false(bolt_exec(conn, "RETURN 1", NONE, NULL, &err));
    assert_lost(&err);
    assert_non_null(strstr(err.text, "the server closed the connection"));
    bolt_conn_close(conn);
    tls_proxy_free(p);
    fake_bolt_free(f);
    fake_tls_free(tls);
}

static void tls_to_a_plain_server_is_told_with_a_hint(void **state)
{
    static const struct fake_bolt_step none[] = { FAKE_END };
    struct fake_bolt_opts fo = { .steps = none, .handshake = "", .handshake_n = 0 };
    struct fake_bolt *f = fake_bolt_start(&fo);
    struct nb_error err = NB_ERROR_INIT;
    struct bolt_conn_opts o;
    char uri[64];

    (void)state;
    (void)snprintf(uri, sizeof(uri), "bolt+s://127.0.0.1:%u", fake_bolt_port(f));
    o = options(uri);
    assert_true(open_fails(&o, &err));
    assert_lost(&err);
    assert_non_null(strstr(err.text, "use bolt://"));
    fake_bolt_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(session_of_each_version_by_slot_works),
        cmocka_unit_test(session_of_each_version_by_manifest_works),
        cmocka_unit_test(request_bytes_hold_no_more_than_was_given),
        cmocka_unit_test(wrong_password_is_denied_with_a_hint),
        cmocka_unit_test(nobody_at_the_port_is_told_with_a_hint),
        cmocka_unit_test(answer_of_something_else_is_told_with_a_hint),
        cmocka_unit_test(server_without_a_common_version_is_told),
        cmocka_unit_test(garbage_behind_the_handshake_is_an_error),
        cmocka_unit_test(batches_are_pulled_one_after_the_other),
        cmocka_unit_test(query_without_a_cursor_asks_for_no_record),
        cmocka_unit_test(unread_result_is_reset_when_closed),
        cmocka_unit_test(failed_query_is_followed_by_reset),
        cmocka_unit_test(record_that_does_not_fit_its_columns_breaks_the_protocol),
        cmocka_unit_test(value_that_cannot_be_read_ends_the_connection),
        cmocka_unit_test(message_above_the_limit_is_refused),
        cmocka_unit_test(transaction_is_committed_with_a_bookmark),
        cmocka_unit_test(failed_transaction_refuses_queries_until_rolled_back),
        cmocka_unit_test(connection_lost_in_commit_leaves_the_outcome_unknown),
        cmocka_unit_test(connection_lost_while_reading_is_retryable_when_only_read),
        cmocka_unit_test(silent_server_is_given_up_at_every_message),
        cmocka_unit_test(silence_that_breaks_the_servers_promise_is_given_up),
        cmocka_unit_test(job_told_to_stop_stops_waiting),
        cmocka_unit_test(tls_is_verified_or_not_by_the_scheme),
        cmocka_unit_test(server_that_leaves_in_order_over_tls_is_noticed),
        cmocka_unit_test(tls_to_a_plain_server_is_told_with_a_hint),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
