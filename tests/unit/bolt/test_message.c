#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "bolt/message.h"
#include "tests/fakes/fake_bolt.h"

struct fixture {
    struct nb_buf out;
    struct nb_arena *arena;
    struct nb_secret *secret;
    struct bolt_identity who;
};

static int setup(void **state)
{
    struct fixture *f = NB_NEW(struct fixture);

    nb_buf_init(&f->out, 1 << 20);
    f->arena = nb_arena_new(1 << 20);
    f->secret = nb_secret_new("hunter22", 8);
    f->who = (struct bolt_identity){ BOLT_AUTH_BASIC, "neo4j", f->secret, "agent/1", NULL };
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    nb_buf_done(&f->out);
    nb_arena_free(f->arena);
    nb_secret_free(f->secret);
    free(f);
    return 0;
}

/* The fields of the one message in out, which is taken out. */
static const struct ps_value *fields(struct fixture *f, unsigned tag, unsigned count)
{
    struct nb_error err = NB_ERROR_INIT;
    struct ps_decoder d;
    struct ps_value *v = nb_arena_alloc(f->arena, 16 * sizeof(*v), &err);
    char *copy = nb_arena_alloc(f->arena, f->out.len, &err);
    size_t n = (size_t)(unsigned char)f->out.data[0] << 8 | (unsigned char)f->out.data[1];
    unsigned got;
    uint8_t got_tag;

    memcpy(copy, f->out.data, f->out.len);
    ps_decoder_init(&d, copy + 2, n, 1, f->arena);
    assert_true(ps_decode_struct_head(&d, &got_tag, &got, &err));
    assert_int_equal(got_tag, tag);
    assert_int_equal(got, count);
    for (unsigned i = 0; i < got; i++)
        assert_true(ps_decode(&d, &v[i], &err));
    assert_int_equal(ps_decoder_left(&d), 0);
    nb_buf_consume(&f->out, n + 4);
    return v;
}

static struct ps_map parse(struct fixture *f, const char *json)
{
    nb_auto_done(nb_buf_done) struct nb_buf b = NB_BUF_INIT(1 << 20);
    struct nb_error err = NB_ERROR_INIT;
    struct ps_decoder d;
    struct ps_map m;
    char *copy;

    fake_bolt_pack(&b, json);
    copy = nb_arena_alloc(f->arena, b.len, &err);
    memcpy(copy, b.data, b.len);
    ps_decoder_init(&d, copy, b.len, 1, f->arena);
    assert_true(ps_decode_map(&d, &m, &err));
    return m;
}

static bool says(const struct ps_map *m, const char *key, const char *value)
{
    return nb_str_is(ps_map_get_str(m, key), value);
}

static void hello_of_each_version_holds_what_that_version_knows(void **state)
{
    struct fixture *f = *state;
    static const struct {
        struct bolt_version v;
        bool auth, patch, quiet, agent;
    } cases[] = {
        { { 4, 4 }, true, true, false, false },   { { 5, 0 }, true, false, false, false },
        { { 5, 1 }, false, false, false, false }, { { 5, 2 }, false, false, true, false },
        { { 5, 3 }, false, false, true, true },   { { 5, 4 }, false, false, true, true },
        { { 5, 6 }, false, false, true, true },   { { 5, 8 }, false, false, true, true },
    };

    for (size_t i = 0; i < NB_ARRAY_LEN(cases); i++) {
        const struct ps_map *m;
        const struct ps_value *agent;

        bolt_put_hello(&f->out, cases[i].v, &f->who);
        m = &fields(f, BOLT_HELLO, 1)->map;
        assert_true(says(m, "user_agent", "agent/1"));
        assert_int_equal(says(m, "scheme", "basic"), cases[i].auth);
        assert_int_equal(says(m, "principal", "neo4j"), cases[i].auth);
        assert_int_equal(says(m, "credentials", "hunter22"), cases[i].auth);
        assert_int_equal(ps_map_get(m, "patch_bolt") != NULL, cases[i].patch);
        assert_int_equal(says(m, "notifications_minimum_severity", "OFF"), cases[i].quiet);
        agent = ps_map_get(m, "bolt_agent");
        assert_int_equal(agent != NULL, cases[i].agent);
        if (agent)
            assert_true(nb_starts_with(ps_map_get_str(&agent->map, "product").p, "neo4j-backup/"));
        assert_null(ps_map_get(m, "routing"));
    }
}

static void logon_of_each_scheme_holds_its_fields(void **state)
{
    struct fixture *f = *state;
    const struct ps_map *m;

    bolt_put_logon(&f->out, &f->who);
    m = &fields(f, BOLT_LOGON, 1)->map;
    assert_int_equal(m->n, 3);
    assert_true(says(m, "credentials", "hunter22"));
    f->who.auth = BOLT_AUTH_BEARER;
    bolt_put_logon(&f->out, &f->who);
    m = &fields(f, BOLT_LOGON, 1)->map;
    assert_int_equal(m->n, 2);
    assert_true(says(m, "scheme", "bearer"));
    assert_true(says(m, "credentials", "hunter22"));
    f->who.auth = BOLT_AUTH_NONE;
    bolt_put_logon(&f->out, &f->who);
    m = &fields(f, BOLT_LOGON, 1)->map;
    assert_int_equal(m->n, 1);
    assert_true(says(m, "scheme", "none"));
    f->who.auth = BOLT_AUTH_BASIC;
    f->who.user = NULL;
    f->who.user_agent = NULL;
    bolt_put_hello(&f->out, (struct bolt_version){ 4, 4 }, &f->who);
    m = &fields(f, BOLT_HELLO, 1)->map;
    assert_true(says(m, "principal", ""));
    assert_true(nb_starts_with(ps_map_get_str(m, "user_agent").p, "neo4j-backup/"));
}

static void run_and_begin_hold_the_options(void **state)
{
    struct fixture *f = *state;
    static const char *const bookmarks[] = { "FB:1", "FB:2" };
    const struct bolt_run_opts all = {
        .db = "movies",
        .mode = BOLT_MODE_READ,
        .tx_timeout_ms = 5000,
        .bookmarks = bookmarks,
        .nbookmarks = 2,
        .imp_user = "alice",
        .tx_metadata = { "\xA1\x81k\x01", 4 },
    };
    const struct bolt_run_opts none = { .db = NULL };
    const struct ps_value *v;

    bolt_put_run(&f->out, "RETURN $x", (struct nb_str){ "\xA1\x81x\x07", 4 }, &all, false);
    v = fields(f, BOLT_RUN, 3);
    assert_true(nb_str_is(v[0].string, "RETURN $x"));
    assert_int_equal(ps_map_get_int(&v[1].map, "x", 0), 7);
    assert_int_equal(v[2].map.n, 6);
    assert_true(says(&v[2].map, "db", "movies"));
    assert_true(says(&v[2].map, "mode", "r"));
    assert_true(says(&v[2].map, "imp_user", "alice"));
    assert_int_equal(ps_map_get_int(&v[2].map, "tx_timeout", 0), 5000);
    assert_int_equal(ps_list_count(ps_map_get(&v[2].map, "bookmarks")), 2);
    assert_int_equal(ps_map_get_int(&ps_map_get(&v[2].map, "tx_metadata")->map, "k", 0), 1);

    bolt_put_run(&f->out, "RETURN 1", (struct nb_str){ NULL, 0 }, &none, false);
    v = fields(f, BOLT_RUN, 3);
    assert_int_equal(v[1].map.n, 0);
    assert_int_equal(v[2].map.n, 0);
    bolt_put_run(&f->out, "RETURN 1", (struct nb_str){ NULL, 0 }, &all, true);
    assert_int_equal(fields(f, BOLT_RUN, 3)[2].map.n, 0);
    bolt_put_begin(&f->out, &all);
    assert_int_equal(fields(f, BOLT_BEGIN, 1)->map.n, 6);
    bolt_put_pull(&f->out, BOLT_PULL, 1000);
    assert_int_equal(ps_map_get_int(&fields(f, BOLT_PULL, 1)->map, "n", 0), 1000);
    bolt_put_pull(&f->out, BOLT_DISCARD, -1);
    assert_int_equal(ps_map_get_int(&fields(f, BOLT_DISCARD, 1)->map, "n", 0), -1);
    bolt_put_plain(&f->out, BOLT_RESET);
    (void)fields(f, BOLT_RESET, 0);
}

static void welcome_tells_agent_hints_and_patch(void **state)
{
    struct fixture *f = *state;
    struct bolt_welcome w;
    struct ps_map m = parse(f, "{'server':'Neo4j/5.26.0','connection_id':'bolt-7','hints':"
                               "{'connection.recv_timeout_seconds':120,'telemetry.enabled':true,"
                               "'ssr.enabled':true}}");

    bolt_welcome_parse(&m, (struct bolt_version){ 5, 8 }, &w);
    assert_string_equal(w.server, "Neo4j/5.26.0");
    assert_string_equal(w.connection_id, "bolt-7");
    assert_int_equal(w.hints.recv_timeout_seconds, 120);
    assert_true(w.hints.telemetry_enabled && w.hints.ssr_enabled && w.hints.utc_datetimes);
    m = parse(f, "{'server':'Neo4j/4.4.0','hints':{'connection.recv_timeout_seconds':-5}}");
    bolt_welcome_parse(&m, (struct bolt_version){ 4, 4 }, &w);
    assert_false(w.hints.utc_datetimes);
    assert_int_equal(w.hints.recv_timeout_seconds, 0);
    m = parse(f, "{'patch_bolt':['x','utc'],'hints':5}");
    bolt_welcome_parse(&m, (struct bolt_version){ 4, 4 }, &w);
    assert_true(w.hints.utc_datetimes);
    m = parse(f, "{'patch_bolt':['x',1],'hints':{'connection.recv_timeout_seconds':'5'}}");
    bolt_welcome_parse(&m, (struct bolt_version){ 4, 4 }, &w);
    assert_false(w.hints.utc_datetimes);
    assert_int_equal(w.hints.recv_timeout_seconds, 0);
}

static void long_text_of_the_server_is_cut_at_a_character(void **state)
{
    struct fixture *f = *state;
    char json[400] = "{'server':'";
    struct bolt_welcome w;
    struct ps_map m;
    size_t n = strlen(json);

    for (; n < 300; n += 2)
        memcpy(json + n, "\xC3\xA9", 2);
    memcpy(json + n, "'}", 3);
    m = parse(f, json);
    bolt_welcome_parse(&m, (struct bolt_version){ 5, 0 }, &w);
    assert_int_equal(strlen(w.server), 126);
    assert_true(nb_utf8_valid(w.server, 126));
}

static void summary_tells_counters_plan_and_notifications(void **state)
{
    struct fixture *f = *state;
    struct nb_error err = NB_ERROR_INIT;
    struct bolt_summary s = { .db = NULL };
    struct ps_map m = parse(
        f, "{'bookmark':'FB:x','db':'neo4j','type':'rw','t_last':5,'stats':{'nodes-created':3,"
           "'labels-added':1,'contains-updates':true,'system-updates':2},'plan':{'operatorType':"
           "'ProduceResults@neo4j','args':{'Details':'x'},'children':[{'operatorType':'Expand',"
           "'children':[{'operatorType':'AllNodesScan@neo4j','args':{'Details':'a'},'children':"
           "[]}]}]},'notifications':[{'code':'Neo.X','severity':'WARNING',"
           "'description':'d'},5]}");

    assert_true(bolt_summary_parse(&m, f->arena, &s, &err));
    assert_string_equal(s.bookmark, "FB:x");
    assert_string_equal(s.db, "neo4j");
    assert_string_equal(s.query_type, "rw");
    assert_int_equal(s.t_last_ms, 5);
    assert_int_equal(s.stats.nodes_created, 3);
    assert_int_equal(s.stats.labels_added, 1);
    assert_int_equal(s.stats.system_updates, 2);
    assert_true(s.has_plan);
    assert_true(nb_str_is(s.plan_operator, "ProduceResults@neo4j"));
    assert_true(nb_str_is(s.plan_leaf, "AllNodesScan@neo4j"));
    assert_true(nb_str_is(s.plan_leaf_details, "a"));
    assert_int_equal(s.nnotifications, 1);
    assert_true(nb_str_is(s.notifications[0].code, "Neo.X"));

    s = (struct bolt_summary){ .db = NULL };
    m = parse(f, "{'profile':{},'statuses':[{'gql_status':'00000','status_description':'ok'},"
                 "{'gql_status':'01N83','status_description':'replaced','neo4j_code':'Neo.Y'},"
                 "{'gql_status':'02000'}]}");
    assert_true(bolt_summary_parse(&m, f->arena, &s, &err));
    assert_string_equal(s.bookmark, "");
    assert_int_equal(s.t_last_ms, -1);
    assert_true(s.has_plan);
    assert_int_equal(s.nnotifications, 1);
    assert_true(nb_str_is(s.notifications[0].gql_status, "01N83"));
    assert_true(nb_str_is(s.notifications[0].description, "replaced"));
}

static void failure_of_both_forms_is_read(void **state)
{
    struct fixture *f = *state;
    struct bolt_failure x;
    struct ps_map m = parse(f, "{'code':'Neo.ClientError.Statement.SyntaxError','message':'m'}");

    bolt_failure_parse(&m, &x);
    assert_string_equal(x.code, "Neo.ClientError.Statement.SyntaxError");
    assert_string_equal(x.message, "m");
    assert_string_equal(x.gql_status, "");
    m = parse(f, "{'neo4j_code':'Neo.X','gql_status':'42001','message':'m','cause':{},"
                 "'diagnostic_record':{}}");
    bolt_failure_parse(&m, &x);
    assert_string_equal(x.code, "Neo.X");
    assert_string_equal(x.gql_status, "42001");
    m = parse(f, "{}");
    bolt_failure_parse(&m, &x);
    assert_string_equal(x.code, "Neo.DatabaseError.General.UnknownError");
}

static void failure_becomes_error_and_retry_class_by_its_code(void **state)
{
    static const struct {
        const char *code;
        enum nb_code nb;
        const char *reason;
        bool retry, new_conn;
    } cases[] = {
        { "Neo.ClientError.Security.Unauthorized", NB_E_DENIED, "Neo4jAuthenticationFailed", 0, 0 },
        { "Neo.ClientError.Security.TokenExpired", NB_E_DENIED, "Neo4jAuthenticationFailed", 0, 0 },
        { "Neo.ClientError.Security.Forbidden", NB_E_DENIED, "Neo4jDenied", 0, 0 },
        { "Neo.ClientError.Security.AuthorizationExpired", NB_E_UNAVAILABLE, "Neo4jTransient", 1,
          1 },
        { "Neo.ClientError.Database.DatabaseNotFound", NB_E_NOT_FOUND, "Neo4jDatabaseNotFound", 0,
          0 },
        { "Neo.ClientError.Statement.SyntaxError", NB_E_INVALID, "Neo4jQueryFailed", 0, 0 },
        { "Neo.ClientError.Cluster.NotALeader", NB_E_UNAVAILABLE, "Neo4jTransient", 1, 0 },
        { "Neo.ClientError.General.ForbiddenOnReadOnlyDatabase", NB_E_UNAVAILABLE, "Neo4jTransient",
          1, 0 },
        { "Neo.ClientError.Transaction.TransactionTimedOut", NB_E_INVALID,
          "Neo4jTransactionTimedOut", 0, 0 },
        { "Neo.TransientError.Transaction.DeadlockDetected", NB_E_UNAVAILABLE, "Neo4jTransient", 1,
          0 },
        { "Neo.TransientError.Transaction.Terminated", NB_E_INVALID, "Neo4jTransactionTerminated",
          0, 0 },
        { "Neo.TransientError.Transaction.LockClientStopped", NB_E_INVALID,
          "Neo4jTransactionTerminated", 0, 0 },
        { "Neo.DatabaseError.General.UnknownError", NB_E_INTERNAL, "Neo4jServerError", 0, 0 },
        { "Something.Else", NB_E_INTERNAL, "Neo4jServerError", 0, 0 },
    };

    (void)state;
    for (size_t i = 0; i < NB_ARRAY_LEN(cases); i++) {
        struct bolt_failure f = { .message = "why" };
        struct nb_error err = NB_ERROR_INIT;

        memcpy(f.code, cases[i].code, strlen(cases[i].code) + 1);
        assert_false(bolt_failure_to_error(&f, &err));
        assert_int_equal(err.code, cases[i].nb);
        assert_string_equal(err.reason, cases[i].reason);
        assert_non_null(strstr(err.text, cases[i].code));
        assert_non_null(strstr(err.text, "why"));
        assert_int_equal(bolt_retryable(&f), cases[i].retry);
        assert_int_equal(bolt_needs_new_conn(&f), cases[i].new_conn);
        if (nb_streq(err.reason, "Neo4jAuthenticationFailed"))
            assert_non_null(strstr(err.text, "NEO4J_PASSWORD"));
    }
}

static void lost_connection_is_retryable_unless_the_outcome_is_unknown(void **state)
{
    struct bolt_failure f = { .connection_lost = true };

    (void)state;
    assert_true(bolt_retryable(&f));
    assert_true(bolt_needs_new_conn(&f));
    f.outcome_unknown = true;
    assert_false(bolt_retryable(&f));
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(hello_of_each_version_holds_what_that_version_knows),
        T(logon_of_each_scheme_holds_its_fields),
        T(run_and_begin_hold_the_options),
        T(welcome_tells_agent_hints_and_patch),
        T(long_text_of_the_server_is_cut_at_a_character),
        T(summary_tells_counters_plan_and_notifications),
        T(failure_of_both_forms_is_read),
        cmocka_unit_test(failure_becomes_error_and_retry_class_by_its_code),
        cmocka_unit_test(lost_connection_is_retryable_unless_the_outcome_is_unknown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
