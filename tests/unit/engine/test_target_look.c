#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "engine/clash.h"
#include "engine/stamp.h"
#include "engine/wipe.h"
#include "tests/fakes/fake_bolt.h"
#include "tests/fakes/fake_graph.h"

/* What is looked for in a target before it is written to, and how it is emptied. The fake graph has
 * the index b_v on (:B {v}), and constraints on (:A {k}) and [:R {u}]. */

struct bench {
    struct fake_graph *g;
    struct eng_source *source;
    struct nb_error err;
};

static void open_bench(struct bench *b)
{
    struct eng_source_opts opts = { .bolt = BOLT_CONN_OPTS_INIT };

    *b = (struct bench){ .g = fake_graph_new(), .err = NB_ERROR_INIT };
    fake_graph_set_stamps(b->g, 3);
    fake_graph_start(b->g, NULL, NULL);
    opts.bolt.uri = fake_graph_uri(b->g);
    if (!eng_source_open(&opts, &b->source, &b->err))
        fail_msg("%s", b->err.text);
}

static void close_bench(struct bench *b)
{
    eng_source_close(b->source);
    fake_graph_free(b->g);
}

static bool clashes(struct bench *b, const char *type, const char *statement)
{
    struct cyp_schema item = { .kind = CYP_CONSTRAINT,
                               .name = NB_STR("mine"),
                               .type = nb_str_from(type),
                               .statement = nb_str_from(statement) };
    struct eng_clash clash = { NULL };
    bool ok;

    eng_clash_note(&clash, &item);
    nb_error_clear(&b->err);
    ok = eng_clash_check(&clash, b->source, &b->err);
    eng_clash_done(&clash);
    return !ok;
}

static void constraint_on_an_index_of_the_target_is_told(void **state)
{
    static const char *const about[] = {
        "CREATE CONSTRAINT `mine` FOR (n:`B`) REQUIRE (n.`v`) IS UNIQUE",
        "CREATE CONSTRAINT `mine` FOR (n:`B`) REQUIRE (n.`v`) IS NODE KEY",
        "CREATE CONSTRAINT `a FOR (` FOR (x:`B`) REQUIRE (x.`v`) IS UNIQUE OPTIONS {a: {`b`: 1}}",
    };
    struct bench b;

    (void)state;
    open_bench(&b);
    for (size_t i = 0; i < NB_ARRAY_LEN(about); i++) {
        assert_true(clashes(&b, i == 1 ? "NODE_KEY" : "UNIQUENESS", about[i]));
        assert_string_equal(b.err.reason, "SchemaConflict");
        assert_non_null(strstr(b.err.text, "'mine'"));
        assert_non_null(strstr(b.err.text, "'b_v'"));
    }
    close_bench(&b);
}

static void constraint_on_something_else_is_none_of_it(void **state)
{
    static const char *const about[] = {
        "CREATE CONSTRAINT `mine` FOR (n:`B`) REQUIRE (n.`v`, n.`w`) IS UNIQUE",
        "CREATE CONSTRAINT `mine` FOR (n:`B`) REQUIRE (n.`v``) IS UNIQUE",
        "CREATE CONSTRAINT `mine` FOR (n:`A`) REQUIRE (n.`k`) IS UNIQUE",
        "CREATE CONSTRAINT `mine` FOR ()-[r:`B`]-() REQUIRE (r.`v`) IS UNIQUE",
        "CREATE CONSTRAINT `mine`",
        "",
    };
    struct bench b;

    (void)state;
    open_bench(&b);
    for (size_t i = 0; i < NB_ARRAY_LEN(about); i++)
        assert_false(clashes(&b, "UNIQUENESS", about[i]));
    /* One of existence has no index. */
    assert_false(clashes(&b, "NODE_PROPERTY_EXISTENCE",
                         "CREATE CONSTRAINT `mine` FOR (n:`B`) REQUIRE (n.`v`) IS NOT NULL"));
    close_bench(&b);
}

static void stamps_of_any_restore_are_counted(void **state)
{
    char one[ENG_STAMP_MAX], other[ENG_STAMP_MAX];
    struct bench b;
    uint64_t n;

    (void)state;
    open_bench(&b);
    assert_true(eng_stamp_count(b.source, NULL, &n, &b.err));
    assert_int_equal(n, 3);
    eng_stamp_make(one);
    eng_stamp_make(other);
    assert_int_equal(strlen(one), ENG_STAMP_MAX - 1);
    assert_string_not_equal(one, other);
    close_bench(&b);
}

/* What a dump has brought is the dump's. */
static void stamp_of_another_restore_is_not_ours(void **state)
{
    struct nb_str labels[] = { NB_STR("A"), NB_STR(ENG_STAMP) };
    struct ps_pair pairs[] = {
        { .key = NB_STR(ENG_STAMP), .value = { .type = PS_INT, .integer = 5 } },
        { .key = NB_STR(ENG_STAMP_OF), .value = { .type = PS_STRING, .string = NB_STR("ours") } },
    };
    struct ps_node node = { .labels = labels, .nlabels = 2, .props = { .pairs = pairs, .n = 2 } };

    (void)state;
    assert_true(eng_stamp_is_on(&node, "ours"));
    assert_false(eng_stamp_is_on(&node, "others"));
    node.nlabels = 1;
    assert_false(eng_stamp_is_on(&node, "ours"));
    node.nlabels = 2;
    node.props.n = 1; /* as earlier versions have made them */
    assert_false(eng_stamp_is_on(&node, "ours"));
}

#define HELLO                                                                                      \
    FAKE_EXPECT(BOLT_HELLO), FAKE_EXPECT(BOLT_LOGON),                                              \
        FAKE_SUCCESS("{'server':'Neo4j/5.26.0','connection_id':'bolt-1','hints':{}}"),             \
        FAKE_SUCCESS("{}")
#define RUN     FAKE_EXPECT(BOLT_RUN), FAKE_EXPECT(BOLT_DISCARD)
#define NOTHING FAKE_SUCCESS("{'fields':[]}"), FAKE_SUCCESS("{}")
#define NO_ROOM                                                                                    \
    FAKE_SUCCESS("{'fields':[]}"),                                                                 \
        FAKE_FAILURE("{'code':'Neo.TransientError.General.TransactionOutOfMemoryError',"           \
                     "'message':'m'}"),                                                            \
        FAKE_EXPECT(BOLT_RESET)

static void wipe_takes_less_where_there_is_no_room(void **state)
{
    static const struct fake_bolt_step steps[] = {
        HELLO,   RUN,     NOTHING, RUN,
        NOTHING, RUN,     NOTHING, /* the schema is gone */
        RUN,     NO_ROOM, RUN,     FAKE_SUCCESS("{}"),
        NOTHING, RUN,     NOTHING, FAKE_EXPECT(BOLT_GOODBYE),
        FAKE_END
    };
    struct fake_bolt_opts fake_opts = { .steps = steps, .version = { 5, 4 } };
    struct fake_bolt *fake = fake_bolt_start(&fake_opts);
    struct eng_dest_opts opts = { .bolt = BOLT_CONN_OPTS_INIT };
    struct eng_dest *dest;
    struct bench b;
    bool halved = false;

    (void)state;
    open_bench(&b);
    opts.bolt.uri = fake_bolt_uri(fake);
    dest = eng_dest_new(&opts);
    if (!eng_wipe_run(dest, b.source, &b.err))
        fail_msg("%s", b.err.text);
    eng_dest_free(dest);
    assert_null(fake_bolt_wait(fake));
    for (size_t i = 0; i < fake_bolt_nrequests(fake); i++) {
        struct nb_str r = fake_bolt_request(fake, i);

        halved = halved || memmem(r.p, r.n, "LIMIT 10000 DELETE r", 20);
    }
    assert_true(halved);
    fake_bolt_free(fake);
    close_bench(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(constraint_on_an_index_of_the_target_is_told),
        cmocka_unit_test(constraint_on_something_else_is_none_of_it),
        cmocka_unit_test(stamps_of_any_restore_are_counted),
        cmocka_unit_test(stamp_of_another_restore_is_not_ours),
        cmocka_unit_test(wipe_takes_less_where_there_is_no_room),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
