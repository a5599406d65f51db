#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "bolt/table.h"
#include "tests/fakes/fake_bolt.h"

enum { NOW = 5000 };

static bool parse(const char *json, struct bolt_table *t, struct nb_error *err)
{
    nb_auto(nb_arena_free) struct nb_arena *arena = nb_arena_new(1 << 20);
    nb_auto_done(nb_buf_done) struct nb_buf bytes = NB_BUF_INIT(1 << 20);
    struct ps_decoder d;
    struct ps_map meta;

    fake_bolt_pack(&bytes, json);
    ps_decoder_init(&d, bytes.data, bytes.len, 1, arena);
    assert_true(ps_decode_map(&d, &meta, err));
    return bolt_table_parse(&meta, NOW, t, err);
}

#define CLUSTER                                                                                    \
    "{'rt':{'ttl':300,'db':'movies','servers':["                                                   \
    "{'role':'WRITE','addresses':['a:7687']},"                                                     \
    "{'role':'READ','addresses':['b:7687','C:7000','b']},"                                         \
    "{'role':'ROUTE','addresses':['a:7687','[::1]:7687']},"                                        \
    "{'role':'CACHE','addresses':['no address at all']}]}}"

static const char *next(struct bolt_table *t, enum bolt_role role)
{
    static char text[BOLT_ADDRESS_TEXT_MAX];
    struct bolt_address a;

    return bolt_table_next(t, role, &a) ? bolt_address_format(&a, text) : "";
}

static struct bolt_address address(const char *text)
{
    struct nb_error err = NB_ERROR_INIT;
    struct bolt_address a;

    assert_true(bolt_address_parse(nb_str_from(text), &a, &err));
    return a;
}

static void table_of_a_cluster_is_taken(void **state)
{
    nb_auto_done(bolt_table_done) struct bolt_table t = BOLT_TABLE_INIT;
    struct nb_error err = NB_ERROR_INIT;

    (void)state;
    assert_true(parse(CLUSTER, &t, &err));
    assert_string_equal(t.db, "movies");
    assert_int_equal(t.roles[BOLT_ROLE_READ].n, 2); /* the doubled one once */
    assert_string_equal(next(&t, BOLT_ROLE_WRITE), "a:7687");
    assert_string_equal(next(&t, BOLT_ROLE_ROUTE), "a:7687");
    assert_string_equal(next(&t, BOLT_ROLE_ROUTE), "[::1]:7687");
}

static void readers_take_turns_and_lost_ones_leave(void **state)
{
    nb_auto_done(bolt_table_done) struct bolt_table t = BOLT_TABLE_INIT;
    struct nb_error err = NB_ERROR_INIT;
    struct bolt_address b = address("b"), c = address("c:7000"), other = address("z");

    (void)state;
    assert_true(parse(CLUSTER, &t, &err));
    assert_string_equal(next(&t, BOLT_ROLE_READ), "b:7687");
    assert_string_equal(next(&t, BOLT_ROLE_READ), "c:7000");
    assert_string_equal(next(&t, BOLT_ROLE_READ), "b:7687");
    bolt_table_remove_all(&t, &other);
    bolt_table_remove_all(&t, &b);
    assert_false(bolt_table_has(&t, BOLT_ROLE_READ, &b));
    assert_string_equal(next(&t, BOLT_ROLE_READ), "c:7000");
    assert_string_equal(next(&t, BOLT_ROLE_READ), "c:7000");
    bolt_table_remove(&t, BOLT_ROLE_READ, &c);
    assert_string_equal(next(&t, BOLT_ROLE_READ), "");
    assert_string_equal(next(&t, BOLT_ROLE_WRITE), "a:7687");
}

static void table_is_fresh_until_it_expires_or_nobody_is_left(void **state)
{
    nb_auto_done(bolt_table_done) struct bolt_table t = BOLT_TABLE_INIT;
    struct nb_error err = NB_ERROR_INIT;
    struct bolt_address a = address("a");

    (void)state;
    assert_false(bolt_table_is_fresh(&t, BOLT_ROLE_READ, NOW)); /* none yet */
    assert_true(parse(CLUSTER, &t, &err));
    assert_true(bolt_table_is_fresh(&t, BOLT_ROLE_READ, NOW));
    assert_true(bolt_table_is_fresh(&t, BOLT_ROLE_READ, NOW + 299999));
    assert_false(bolt_table_is_fresh(&t, BOLT_ROLE_READ, NOW + 300000));
    bolt_table_remove_all(&t, &a);
    assert_false(bolt_table_is_fresh(&t, BOLT_ROLE_WRITE, NOW));
    assert_true(bolt_table_is_fresh(&t, BOLT_ROLE_READ, NOW)); /* a router and readers are left */
}

static void table_without_a_writer_can_be_read_by(void **state)
{
    nb_auto_done(bolt_table_done) struct bolt_table t = BOLT_TABLE_INIT;
    struct nb_error err = NB_ERROR_INIT;

    (void)state;
    assert_true(parse("{'rt':{'ttl':9223372036854775807,'servers':["
                      "{'role':'READ','addresses':['b']},{'role':'ROUTE','addresses':['b']}]}}",
                      &t, &err));
    assert_string_equal(t.db, "");
    assert_true(t.expires_mono_ms < INT64_C(1) << 40); /* for ever is a week */
    assert_false(bolt_table_is_fresh(&t, BOLT_ROLE_WRITE, NOW));
}

static void bad_table_is_refused_and_the_old_one_stays(void **state)
{
#define TABLE(servers) "{'rt':{'ttl':1,'servers':" servers "}}"
#define ROUTER         "{'role':'ROUTE','addresses':['a']}"
#define READER         "{'role':'READ','addresses':['a']}"
    static const struct {
        const char *json;
        enum nb_code code;
    } cases[] = {
        { "{}", NB_E_PROTOCOL },
        { "{'rt':[]}", NB_E_PROTOCOL },
        { "{'rt':{'ttl':1}}", NB_E_PROTOCOL },
        { "{'rt':{'servers':[" ROUTER "," READER "]}}", NB_E_PROTOCOL },
        { "{'rt':{'ttl':-1,'servers':[" ROUTER "," READER "]}}", NB_E_PROTOCOL },
        { TABLE("[1]"), NB_E_PROTOCOL },
        { TABLE("[{'role':'READ'}]"), NB_E_PROTOCOL },
        { TABLE("[{'addresses':[]}]"), NB_E_PROTOCOL },
        { TABLE("[{'role':'READ','addresses':[1]}]"), NB_E_PROTOCOL },
        { TABLE("[{'role':'READ','addresses':['']}]"), NB_E_PROTOCOL },
        { TABLE("[{'role':'READ','addresses':['a:0']}]"), NB_E_PROTOCOL },
        { TABLE("[{'role':'READ','addresses':['a/b']}]"), NB_E_PROTOCOL },
        { TABLE("[{'role':'READ','addresses':['u@a']}]"), NB_E_PROTOCOL },
        { TABLE("[{'role':'READ','addresses':['a?b']}]"), NB_E_PROTOCOL },
        /* These may be better in a moment: */
        { TABLE("[]"), NB_E_UNAVAILABLE },
        { TABLE("[" ROUTER "]"), NB_E_UNAVAILABLE },
        { TABLE("[" READER "]"), NB_E_UNAVAILABLE },
    };
    nb_auto_done(bolt_table_done) struct bolt_table t = BOLT_TABLE_INIT;
    struct nb_error err = NB_ERROR_INIT;

    (void)state;
    assert_true(parse(CLUSTER, &t, &err));
    for (size_t i = 0; i < NB_ARRAY_LEN(cases); i++) {
        nb_error_clear(&err);
        if (parse(cases[i].json, &t, &err))
            fail_msg("%s was taken", cases[i].json);
        assert_int_equal(err.code, cases[i].code);
        assert_string_equal(err.reason, "Neo4jRoutingTableInvalid");
        assert_string_equal(t.db, "movies");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table_of_a_cluster_is_taken),
        cmocka_unit_test(readers_take_turns_and_lost_ones_leave),
        cmocka_unit_test(table_is_fresh_until_it_expires_or_nobody_is_left),
        cmocka_unit_test(table_without_a_writer_can_be_read_by),
        cmocka_unit_test(bad_table_is_refused_and_the_old_one_stays),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
