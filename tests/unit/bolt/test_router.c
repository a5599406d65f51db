#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdatomic.h>
#include <stdio.h>

#include "base/mem.h"
#include "bolt/router.h"
#include "tests/fakes/fake_bolt.h"
#include "tests/fakes/fake_graph.h"

/* A router before a cluster of fakes, whose tables the tests write. Members are named 0, 1, 2. */

enum { MEMBERS = 3, TABLE_MAX = 2048 };

struct cluster {
    struct fake_graph *members[MEMBERS];
    char table[MEMBERS][TABLE_MAX]; /* what each of them says */
    _Atomic enum fake_graph_break how;
    struct bolt_conn_opts opts;
    char uri[128];
    struct bolt_router *router;
    struct nb_error err;
};

static const struct nb_str NONE = { NULL, 0 };

static const char *on_route(void *ctx, struct fake_graph *g, const char *db)
{
    const struct cluster *c = ctx;

    (void)db;
    for (size_t i = 0; i < MEMBERS; i++)
        if (c->members[i] == g)
            return c->table[i];
    return "Neo.DatabaseError.General.UnknownError: who am I";
}

static enum fake_graph_break on_row(void *ctx, struct fake_graph *g, enum fake_graph_query query,
                                    uint64_t row)
{
    struct cluster *c = ctx;

    (void)g;
    (void)query;
    (void)row;
    return atomic_exchange(&c->how, FAKE_GRAPH_GO_ON);
}

static void put_servers(const struct cluster *c, struct nb_buf *b, const char *role,
                        const char *members)
{
    nb_buf_printf(b, ",{'role':'%s','addresses':[", role);
    for (const char *m = members; *m; m++)
        nb_buf_printf(b, "%s'%s'", m > members ? "," : "",
                      *m == 'x' ? "127.0.0.1:1" : fake_graph_address(c->members[*m - '0']));
    nb_buf_puts(b, "]}");
}

/* Strings of digits: who has which role; x is nobody at all. */
static void tell(struct cluster *c, size_t member, int ttl, const char *routers,
                 const char *readers, const char *writers)
{
    nb_auto_done(nb_buf_done) struct nb_buf b = NB_BUF_INIT(TABLE_MAX);

    nb_buf_printf(&b, "{'rt':{'ttl':%d,'db':'home','servers':[{'role':'?','addresses':[]}", ttl);
    put_servers(c, &b, "ROUTE", routers);
    put_servers(c, &b, "READ", readers);
    put_servers(c, &b, "WRITE", writers);
    nb_buf_puts(&b, "]}}");
    snprintf(c->table[member], TABLE_MAX, "%s", nb_buf_cstr(&b));
}

static void setup(struct cluster *c, enum bolt_mode mode)
{
    *c = (struct cluster){ .opts = BOLT_CONN_OPTS_INIT, .err = NB_ERROR_INIT };
    for (size_t i = 0; i < MEMBERS; i++) {
        c->members[i] = fake_graph_new();
        fake_graph_set_route(c->members[i], on_route, c);
    }
    snprintf(c->uri, sizeof(c->uri), "neo4j://%s", fake_graph_address(c->members[0]));
    c->opts.uri = c->uri;
    c->opts.mode = mode;
    assert_true(bolt_router_new(&c->opts, &c->router, &c->err));
}

static void start(struct cluster *c)
{
    for (size_t i = 0; i < MEMBERS; i++)
        fake_graph_start(c->members[i], on_row, c);
}

static void teardown(struct cluster *c)
{
    bolt_router_free(c->router);
    for (size_t i = 0; i < MEMBERS; i++)
        fake_graph_free(c->members[i]);
}

/* Which member is connected to; -1: none, with c->err set. */
static int connect_once(struct cluster *c)
{
    struct bolt_conn *conn = NULL;
    int ret = -1;

    nb_error_clear(&c->err);
    if (!bolt_router_open(c->router, NULL, NULL, &conn, &c->err))
        return -1;
    for (int i = 0; i < MEMBERS; i++)
        if (nb_streq(bolt_conn_address(conn), fake_graph_address(c->members[i])))
            ret = i;
    bolt_conn_close(conn);
    return ret;
}

static void readers_are_taken_in_turn_by_one_table(void **state)
{
    struct cluster c;

    (void)state;
    setup(&c, BOLT_MODE_READ);
    tell(&c, 0, 300, "012", "12", "0");
    start(&c);
    assert_int_equal(connect_once(&c), 1);
    assert_int_equal(connect_once(&c), 2);
    assert_int_equal(connect_once(&c), 1);
    assert_int_equal(fake_graph_routes(c.members[0]), 1);
    assert_string_equal(bolt_router_database(c.router), "home");
    teardown(&c);
}

static void writer_is_taken_for_writing(void **state)
{
    struct bolt_conn *conn = NULL;
    struct cluster c;

    (void)state;
    setup(&c, BOLT_MODE_WRITE);
    tell(&c, 0, 300, "0", "01", "2");
    start(&c);
    assert_int_equal(connect_once(&c), 2);
    /* A plain open does the same, with a table of its own. */
    assert_true(bolt_conn_open(&c.opts, NULL, &conn, &c.err));
    assert_string_equal(bolt_conn_address(conn), fake_graph_address(c.members[2]));
    bolt_conn_close(conn);
    teardown(&c);
}

static void single_server_is_asked_and_used_over_one_connection(void **state)
{
    struct cluster c;

    (void)state;
    setup(&c, BOLT_MODE_READ);
    tell(&c, 0, 300, "0", "0", "0");
    start(&c);
    assert_int_equal(connect_once(&c), 0);
    assert_int_equal(fake_graph_connections(c.members[0]), 1);
    assert_int_equal(connect_once(&c), 0);
    assert_int_equal(fake_graph_routes(c.members[0]), 1);
    teardown(&c);
}

static void expired_table_is_asked_for_again_at_another_router(void **state)
{
    struct cluster c;

    (void)state;
    setup(&c, BOLT_MODE_READ);
    tell(&c, 0, 0, "12", "1", "");
    tell(&c, 1, 0, "12", "2", "");
    tell(&c, 2, 0, "12", "0", "");
    start(&c);
    assert_int_equal(connect_once(&c), 1);
    assert_int_equal(connect_once(&c), 2);
    assert_int_equal(fake_graph_routes(c.members[0]), 1);
    assert_int_equal(fake_graph_routes(c.members[1]), 1);
    teardown(&c);
}

static void lost_servers_are_passed_over_and_lost_routers_too(void **state)
{
    struct cluster c;

    (void)state;
    setup(&c, BOLT_MODE_READ);
    tell(&c, 0, 300, "xx1", "xx", "");
    tell(&c, 1, 300, "1", "x2", "");
    start(&c);
    /* Its table leads nowhere; the second one, of the same router, does not either. */
    assert_int_equal(connect_once(&c), -1);
    assert_string_equal(c.err.reason, "Neo4jNoServer");
    assert_true(nb_error_is_transient(&c.err));
    /* Now its routers are asked: one of them is there. */
    assert_int_equal(connect_once(&c), 2);
    assert_int_equal(fake_graph_routes(c.members[1]), 1);
    teardown(&c);
}

static void router_of_the_uri_is_the_last_resort(void **state)
{
    struct cluster c;

    (void)state;
    setup(&c, BOLT_MODE_READ);
    tell(&c, 0, 0, "x", "1", "");
    start(&c);
    assert_int_equal(connect_once(&c), 1);
    tell(&c, 0, 0, "x", "2", "");
    assert_int_equal(connect_once(&c), 2);
    teardown(&c);
}

static void no_router_is_said_by_name(void **state)
{
    struct cluster c;
    struct bolt_conn *conn = NULL;

    (void)state;
    setup(&c, BOLT_MODE_READ);
    start(&c);
    c.opts.uri = "neo4j://127.0.0.1:1";
    assert_false(bolt_conn_open(&c.opts, NULL, &conn, &c.err));
    assert_string_equal(c.err.reason, "Neo4jNoRouter");
    assert_int_equal(c.err.code, NB_E_UNAVAILABLE);
    assert_non_null(strstr(c.err.text, "127.0.0.1:1"));
    assert_non_null(strstr(c.err.text, "hint: is Neo4j started"));
    teardown(&c);
}

static void what_every_router_would_say_ends_the_search(void **state)
{
    static const struct {
        const char *answer, *reason;
        enum nb_code code;
    } cases[] = {
        { "Neo.ClientError.Database.DatabaseNotFound: no 'x'", "Neo4jDatabaseNotFound",
          NB_E_NOT_FOUND },
        { "Neo.ClientError.Security.Forbidden: not you", "Neo4jDenied", NB_E_DENIED },
        { "Neo.ClientError.Procedure.ProcedureNotFound: no routing here", "Neo4jRoutingUnsupported",
          NB_E_INVALID },
    };

    (void)state;
    for (size_t i = 0; i < NB_ARRAY_LEN(cases); i++) {
        struct cluster c;

        setup(&c, BOLT_MODE_READ);
        tell(&c, 0, 0, "21", "1", "");
        snprintf(c.table[2], TABLE_MAX, "%s", cases[i].answer);
        tell(&c, 1, 0, "1", "1", "");
        start(&c);
        assert_int_equal(connect_once(&c), 1);
        assert_int_equal(connect_once(&c), -1);
        assert_string_equal(c.err.reason, cases[i].reason);
        assert_int_equal(c.err.code, cases[i].code);
        assert_int_equal(fake_graph_routes(c.members[1]), 0);
        teardown(&c);
    }
}

static void what_another_router_may_know_better_is_asked_there(void **state)
{
    static const char *const answers[] = {
        "Neo.TransientError.General.DatabaseUnavailable: not now",
        "Neo.DatabaseError.General.UnknownError: oops",
        "{'rt':{'ttl':1,'servers':[]}}",
        "{'no':'table'}",
    };

    (void)state;
    for (size_t i = 0; i < NB_ARRAY_LEN(answers); i++) {
        struct cluster c;

        setup(&c, BOLT_MODE_READ);
        tell(&c, 0, 0, "21", "1", "");
        snprintf(c.table[2], TABLE_MAX, "%s", answers[i]);
        tell(&c, 1, 0, "1", "0", "");
        start(&c);
        assert_int_equal(connect_once(&c), 1);
        assert_int_equal(connect_once(&c), 0);
        teardown(&c);
    }
}

static void bad_tables_alone_are_told_with_their_fault(void **state)
{
    struct cluster c;

    (void)state;
    setup(&c, BOLT_MODE_READ);
    snprintf(c.table[0], TABLE_MAX, "{'no':'table'}");
    start(&c);
    assert_int_equal(connect_once(&c), -1);
    assert_string_equal(c.err.reason, "Neo4jRoutingTableInvalid");
    assert_false(nb_error_is_transient(&c.err));
    snprintf(c.table[0], TABLE_MAX, "{'rt':{'ttl':1,'servers':[]}}");
    assert_int_equal(connect_once(&c), -1);
    assert_string_equal(c.err.reason, "Neo4jNoRouter");
    assert_true(nb_error_is_transient(&c.err));
    teardown(&c);
}

static void cluster_without_a_leader_says_so(void **state)
{
    struct cluster c;

    (void)state;
    setup(&c, BOLT_MODE_WRITE);
    tell(&c, 0, 300, "01", "01", "");
    start(&c);
    assert_int_equal(connect_once(&c), -1);
    assert_string_equal(c.err.reason, "Neo4jNoServer");
    assert_non_null(strstr(c.err.text, "no server to write to for database 'home'"));
    teardown(&c);
}

/* Runs a query that goes wrong; whether the router says that the connection is of no more use. */
static bool blames(struct cluster *c, enum fake_graph_break how)
{
    struct bolt_conn *conn = NULL;
    struct bolt_cursor *cur = NULL;
    const struct ps_value *fields;
    bool ret, done;
    size_t n;

    assert_true(bolt_router_open(c->router, NULL, NULL, &conn, &c->err));
    assert_false(bolt_router_blame(c->router, conn));
    atomic_store(&c->how, how);
    assert_true(bolt_run(conn, "RETURN 1", NONE, NULL, &cur, &c->err));
    assert_false(bolt_cursor_next(cur, &fields, &n, &done, &c->err));
    bolt_cursor_close(cur);
    ret = bolt_router_blame(c->router, conn);
    bolt_conn_close(conn);
    return ret;
}

static void former_leader_is_not_written_to_again(void **state)
{
    struct cluster c;

    (void)state;
    setup(&c, BOLT_MODE_WRITE);
    tell(&c, 0, 300, "0", "1", "12");
    start(&c);
    assert_true(blames(&c, FAKE_GRAPH_NOT_LEADER));
    assert_int_equal(connect_once(&c), 2);
    assert_int_equal(connect_once(&c), 2);
    assert_int_equal(fake_graph_routes(c.members[0]), 1);
    teardown(&c);
}

static void reader_that_broke_or_has_not_the_database_is_left(void **state)
{
    static const enum fake_graph_break how[] = { FAKE_GRAPH_CUT, FAKE_GRAPH_TRANSIENT };

    (void)state;
    for (size_t i = 0; i < NB_ARRAY_LEN(how); i++) {
        struct cluster c;

        setup(&c, BOLT_MODE_READ);
        tell(&c, 0, 300, "0", "12", "");
        start(&c);
        assert_true(blames(&c, how[i]));
        assert_int_equal(connect_once(&c), 2);
        assert_int_equal(connect_once(&c), 2);
        teardown(&c);
    }
}

static void failure_of_the_query_alone_blames_nobody(void **state)
{
    struct cluster c;

    (void)state;
    setup(&c, BOLT_MODE_READ);
    tell(&c, 0, 300, "0", "1", "");
    start(&c);
    assert_false(blames(&c, FAKE_GRAPH_TIMED_OUT));
    assert_false(blames(&c, FAKE_GRAPH_DENIED));
    teardown(&c);
}

/* --- what goes over the wire ------------------------------------------------------------------ */

static void check_request(struct fake_bolt *f, size_t i, unsigned tag, const char *const *fields,
                          size_t n)
{
    nb_auto_done(nb_buf_done) struct nb_buf expected = NB_BUF_INIT(4096);
    struct ps_encoder e = PS_ENCODER_INIT(&expected);
    struct nb_str got = fake_bolt_request(f, i);

    ps_put_struct(&e, (uint8_t)tag, (unsigned)n);
    for (size_t k = 0; k < n; k++)
        fake_bolt_pack(&expected, fields[k]);
    assert_int_equal(got.n, expected.len);
    assert_memory_equal(got.p, expected.data, got.n);
}

static void route_is_asked_as_the_specification_has_it(void **state)
{
    static const struct fake_bolt_step steps[] = {
        FAKE_EXPECT(BOLT_HELLO),
        FAKE_EXPECT(BOLT_LOGON),
        FAKE_SUCCESS("{'server':'Neo4j/5'}"),
        FAKE_SUCCESS("{}"),
        FAKE_EXPECT(BOLT_ROUTE),
        FAKE_FAILURE("{'code':'Neo.ClientError."
                     "Security.Forbidden'}"),
        FAKE_EXPECT(BOLT_GOODBYE),
        FAKE_END,
    };
    static const struct bolt_version versions[] = { { 5, 4 }, { 5, 8 }, { 6, 0 }, { 6, 1 } };

    (void)state;
    for (size_t i = 0; i < NB_ARRAY_LEN(versions); i++) {
        struct fake_bolt_opts fo = { .steps = steps,
                                     .version = versions[i],
                                     .manifest = versions[i].major == 6 };
        struct fake_bolt *f = fake_bolt_start(&fo);
        struct bolt_conn_opts o = BOLT_CONN_OPTS_INIT;
        nb_auto(nb_free) char *uri =
            nb_xasprintf("neo4j://127.0.0.1:%u?policy=eu", fake_bolt_port(f));
        nb_auto(nb_free) char *context =
            nb_xasprintf("{'address':'127.0.0.1:%u','policy':'eu'}", fake_bolt_port(f));
        const char *fields[] = { context, "['FB:x']", "{'db':'movies'}" };
        struct nb_error err = NB_ERROR_INIT;
        struct bolt_router *r = NULL;
        struct bolt_conn *conn = NULL;

        o.uri = uri;
        o.db = "movies";
        assert_true(bolt_router_new(&o, &r, &err));
        assert_false(bolt_router_open(r, "FB:x", NULL, &conn, &err));
        assert_string_equal(err.reason, "Neo4jDenied");
        assert_null(fake_bolt_wait(f));
        check_request(f, 2, BOLT_ROUTE, fields, 3);
        assert_non_null(memmem(fake_bolt_request(f, 0).p, fake_bolt_request(f, 0).n, "routing", 7));
        bolt_router_free(r);
        fake_bolt_free(f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(readers_are_taken_in_turn_by_one_table),
        cmocka_unit_test(writer_is_taken_for_writing),
        cmocka_unit_test(single_server_is_asked_and_used_over_one_connection),
        cmocka_unit_test(expired_table_is_asked_for_again_at_another_router),
        cmocka_unit_test(lost_servers_are_passed_over_and_lost_routers_too),
        cmocka_unit_test(router_of_the_uri_is_the_last_resort),
        cmocka_unit_test(no_router_is_said_by_name),
        cmocka_unit_test(what_every_router_would_say_ends_the_search),
        cmocka_unit_test(what_another_router_may_know_better_is_asked_there),
        cmocka_unit_test(bad_tables_alone_are_told_with_their_fault),
        cmocka_unit_test(cluster_without_a_leader_says_so),
        cmocka_unit_test(former_leader_is_not_written_to_again),
        cmocka_unit_test(reader_that_broke_or_has_not_the_database_is_left),
        cmocka_unit_test(failure_of_the_query_alone_blames_nobody),
        cmocka_unit_test(route_is_asked_as_the_specification_has_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
