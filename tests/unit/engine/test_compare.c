#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/mem.h"
#include "cypher/script.h"
#include "engine/backup.h"
#include "engine/compare.h"
#include "tests/fakes/fake_graph.h"

/* Comparisons: of dumps with one thing changed, and of a database in a fake Neo4j with its dump. */

enum { PEOPLE = 300, TOLD_MAX = 1 << 16 };
#define UNIQUE "CREATE CONSTRAINT `u` FOR (n:`Person`) REQUIRE (n.`k`) IS UNIQUE"

/* A graph, and what is changed in it. -1: nothing. */
struct spec {
    bool other_ids; /* and another order of nodes and labels */
    int older;      /* this person is a year older */
    int gone;       /* this one is not there */
    int moved;      /* the relationship that begins here ends elsewhere */
    int since;      /* and this one has another property */
    bool no_schema;
    bool fixup;
    const char *index; /* one more; NULL: none */
};
#define SPEC_INIT                                                                                  \
    {                                                                                              \
        .older = -1, .gone = -1, .moved = -1, .since = -1                                          \
    }

static bool append(void *ctx, const void *p, size_t n, struct nb_error *err)
{
    nb_buf_append(ctx, p, n);
    return nb_buf_check(ctx, err);
}

static int64_t id_of(const struct spec *s, int i)
{
    return s->other_ids ? 7 * (PEOPLE - i) : i;
}

static bool write_person(struct cyp_script *script, const struct spec *s, int i,
                         struct nb_error *err)
{
    char name[16];
    int name_n = snprintf(name, sizeof(name), "p%d", i);
    struct ps_pair pairs[] = {
        { NB_STR("k"), { .type = PS_INT, .integer = i } },
        { NB_STR("name"), { .type = PS_STRING, .string = { name, (size_t)name_n } } },
        { NB_STR("age"), { .type = PS_INT, .integer = 20 + i % 50 + (s->older == i) } },
    };
    struct nb_str labels[2] = { NB_STR("Person"), NB_STR("A") };
    struct ps_map props = { pairs, NB_ARRAY_LEN(pairs) };

    if (s->other_ids) {
        labels[0] = labels[1];
        labels[1] = NB_STR("Person");
    }
    return cyp_script_node(script, id_of(s, i), labels, 2, &props, err);
}

static bool write_rel(struct cyp_script *script, const struct spec *s, int i, struct nb_error *err)
{
    struct ps_pair since = { NB_STR("since"),
                             { .type = PS_INT, .integer = 2000 + (s->since == i) } };
    struct ps_map props = { &since, 1 };
    int to = (i + 1 + (s->moved == i)) % PEOPLE;

    if (i == s->gone || to == s->gone)
        return true;
    return cyp_script_rel(script, i, id_of(s, i), id_of(s, to), NB_STR("KNOWS"), &props, err);
}

static bool write_graph(struct cyp_script *script, const struct spec *s, struct nb_error *err)
{
    struct cyp_head head = { .database = NB_STR("x") };
    struct cyp_schema unique = { CYP_CONSTRAINT, NB_STR("u"), NB_STR("UNIQUENESS"), NB_STR(UNIQUE),
                                 false };
    struct cyp_schema index = { CYP_INDEX, NB_STR("i"), NB_STR("RANGE"), nb_str_from(s->index),
                                false };

    if (!cyp_script_head(script, &head, err))
        return false;
    for (int i = 0; i < PEOPLE; i++) {
        int at = s->other_ids ? PEOPLE - 1 - i : i;

        if (at != s->gone && !write_person(script, s, at, err))
            return false;
    }
    if (!cyp_script_end_nodes(script, err))
        return false;
    for (int i = 0; i < PEOPLE; i++)
        if (!write_rel(script, s, i, err))
            return false;
    if (!cyp_script_end_rels(script, err))
        return false;
    if (s->fixup &&
        (!cyp_script_fixups(script, err) || !cyp_script_delete_node(script, id_of(s, 0), err) ||
         !cyp_script_end_fixups(script, err)))
        return false;
    return cyp_script_end_data(script, err) &&
           (s->no_schema || cyp_script_schema(script, &unique, err)) &&
           (!s->index || cyp_script_schema(script, &index, err)) && cyp_script_tail(script, err);
}

static struct eng_input *dump_of(const struct spec *s)
{
    nb_auto_done(nb_buf_done) struct nb_buf text = NB_BUF_INIT(16 << 20);
    struct cyp_script_opts opts = { .digest_content = true,
                                    .digest_ends_max_bytes = 1 << 26,
                                    .rows_per_statement = 100,
                                    .write = append,
                                    .write_ctx = &text };
    nb_auto(cyp_script_free) struct cyp_script *script = NULL;
    struct nb_error err = NB_ERROR_INIT;
    struct eng_input *in = NULL;
    nb_auto_fd int fd = memfd_create("dump", MFD_CLOEXEC);

    assert_true(fd >= 0);
    if (!cyp_script_new(&opts, &script, &err) || !write_graph(script, s, &err) ||
        !nb_fd_write_all(fd, text.data, text.len, &err) || lseek(fd, 0, SEEK_SET) != 0 ||
        !eng_input_open_fd(fd, "dump", "/tmp", NULL, &in, &err))
        fail_msg("%s", err.text);
    return in;
}

/* --- comparing -------------------------------------------------------------------------------- */

struct bench {
    struct nb_buf told; /* "Nodes: text\n", "Node A: text\n" */
    struct eng_compare_result result;
    struct nb_error err;
};
#define BENCH_INIT                                                                                 \
    {                                                                                              \
        .told = NB_BUF_INIT(TOLD_MAX), .err = NB_ERROR_INIT                                        \
    }

static void on_told(void *ctx, enum eng_difference what, char only_in, const char *text)
{
    char side[3] = { only_in ? ' ' : '\0', only_in, '\0' };

    nb_buf_printf(&((struct bench *)ctx)->told, "%s%s: %s\n", eng_difference_name(what), side,
                  text);
}

static bool compare_graphs(struct bench *b, const struct eng_graph *x, const struct eng_graph *y)
{
    struct eng_compare_opts opts = { .a = x, .b = y, .tell = on_told, .ctx = b };

    nb_buf_clear(&b->told);
    nb_error_clear(&b->err);
    return eng_compare_run(&opts, &b->result, &b->err);
}

static bool compare(struct bench *b, const struct spec *x, const struct spec *y)
{
    nb_auto(eng_input_close) struct eng_input *in_a = dump_of(x);
    nb_auto(eng_input_close) struct eng_input *in_b = dump_of(y);
    struct eng_graph a = { .name = "a", .dump = in_a }, c = { .name = "b", .dump = in_b };

    return compare_graphs(b, &a, &c);
}

static void assert_told(const struct bench *b, const char *text)
{
    if (!strstr(nb_buf_cstr(&b->told), text))
        fail_msg("'%s' is not in:\n%s", text, nb_buf_cstr(&b->told));
}

static void assert_not_told(const struct bench *b, const char *text)
{
    if (strstr(nb_buf_cstr(&b->told), text))
        fail_msg("'%s' is in:\n%s", text, nb_buf_cstr(&b->told));
}

/* --- tests ------------------------------------------------------------------------------------ */

static void same_graph_with_other_ids_and_order_is_equal(void **state)
{
    struct spec a = SPEC_INIT, other = SPEC_INIT;
    struct bench b = BENCH_INIT;

    (void)state;
    other.other_ids = true;
    if (!compare(&b, &a, &other))
        fail_msg("%s", b.err.text);
    assert_true(b.result.equal);
    assert_int_equal(b.result.nodes[0], PEOPLE);
    assert_int_equal(b.result.rels[1], PEOPLE);
    assert_string_equal(nb_buf_cstr(&b.told), "");
    nb_buf_done(&b.told);
}

static void changed_property_is_told_with_both_nodes(void **state)
{
    struct spec a = SPEC_INIT, other = SPEC_INIT;
    struct bench b = BENCH_INIT;

    (void)state;
    other.other_ids = true;
    other.older = 17;
    assert_true(compare(&b, &a, &other));
    assert_false(b.result.equal);
    assert_told(&b, "Nodes: (:`A`:`Person`): 300 in each, but not with the same properties\n");
    assert_told(&b, "Node A: node 17 (:`A`:`Person` {`k`: 17, `name`: 'p17', `age`: 37})\n");
    assert_told(&b, "Node B: node 1981 (:`A`:`Person` {`k`: 17, `name`: 'p17', `age`: 38})\n");
    /* Its relationships are between other nodes now. */
    assert_told(&b, "Relationships: [:`KNOWS`]: 300 in each, but not all between the same nodes\n");
    assert_told(&b, "relationship [:`KNOWS` {`since`: 2000}] from node 17 to node 18\n");
    assert_not_told(&b, "p16'");
    nb_buf_done(&b.told);
}

static void missing_node_is_told_with_counts(void **state)
{
    struct spec a = SPEC_INIT, other = SPEC_INIT;
    struct bench b = BENCH_INIT;

    (void)state;
    other.gone = 5;
    assert_true(compare(&b, &other, &a));
    assert_false(b.result.equal);
    assert_told(&b, "Nodes: (:`A`:`Person`): 299 in A, 300 in B\n");
    assert_told(&b, "Relationships: [:`KNOWS`]: 298 in A, 300 in B\n");
    assert_told(&b, "Node B: node 5 (");
    assert_not_told(&b, "Node A");
    nb_buf_done(&b.told);
}

static void relationship_between_other_nodes_is_told(void **state)
{
    struct spec a = SPEC_INIT, other = SPEC_INIT;
    struct bench b = BENCH_INIT;

    (void)state;
    other.moved = 8;
    assert_true(compare(&b, &a, &other));
    assert_false(b.result.equal);
    assert_not_told(&b, "Node");
    assert_told(&b, "Relationships: [:`KNOWS`]: 300 in each, but not all between the same nodes\n");
    assert_told(&b,
                "Relationship A: relationship [:`KNOWS` {`since`: 2000}] from node 8 to node 9\n"
                "Relationship B: relationship [:`KNOWS` {`since`: 2000}] from node 8 to node 10\n");
    other = (struct spec)SPEC_INIT;
    other.since = 3;
    assert_true(compare(&b, &a, &other));
    assert_told(&b, "Relationships: [:`KNOWS`]: 300 in each, but not with the same properties\n");
    assert_told(&b,
                "Relationship B: relationship [:`KNOWS` {`since`: 2001}] from node 3 to node 4\n");
    nb_buf_done(&b.told);
}

static void schema_is_compared_by_statement(void **state)
{
    struct spec a = SPEC_INIT, other = SPEC_INIT;
    struct bench b = BENCH_INIT;

    (void)state;
    other.no_schema = true;
    other.index = "CREATE RANGE INDEX `i` FOR (n:`A`) ON (n.`age`)";
    assert_true(compare(&b, &a, &other));
    assert_false(b.result.equal);
    assert_string_equal(nb_buf_cstr(&b.told),
                        "Schema A: " UNIQUE "\n"
                        "Schema B: CREATE INDEX `i` FOR (n:`A`) ON (n.`age`)\n");
    /* Servers make token look-up indexes by themselves, under names of their own. */
    a.index = "CREATE LOOKUP INDEX `one` FOR (n) ON EACH labels(n)";
    other = (struct spec)SPEC_INIT;
    assert_true(compare(&b, &a, &other));
    assert_string_equal(nb_buf_cstr(&b.told), "");
    assert_true(b.result.equal);
    nb_buf_done(&b.told);
}

static void many_differences_are_few_lines(void **state)
{
    struct spec a = SPEC_INIT;
    struct bench b = BENCH_INIT;
    size_t lines = 0;

    (void)state;
    /* Every person differs: the others have no such name. */
    {
        nb_auto(eng_input_close) struct eng_input *in = dump_of(&a);
        struct eng_graph x = { .name = "a", .dump = in };
        struct fake_graph *g = fake_graph_new();
        struct eng_source_opts source = { .bolt = BOLT_CONN_OPTS_INIT };
        struct eng_graph y = { .name = "b", .database = &source };

        for (int64_t i = 0; i < PEOPLE; i++)
            fake_graph_add_node(g, 'B', i, i);
        fake_graph_start(g, NULL, NULL);
        source.bolt.uri = fake_graph_uri(g);
        if (!compare_graphs(&b, &x, &y))
            fail_msg("%s", b.err.text);
        fake_graph_free(g);
    }
    assert_false(b.result.equal);
    for (const char *p = nb_buf_cstr(&b.told); *p; p++)
        lines += *p == '\n';
    assert_true(lines <= 8 + 4 * ENG_COMPARE_EXAMPLES_MAX);
    assert_told(&b, "Nodes: (:`B`): 0 in A, 300 in B\n");
    nb_buf_done(&b.told);
}

static void dump_with_fixups_is_refused_with_a_way_out(void **state)
{
    struct spec a = SPEC_INIT, other = SPEC_INIT;
    struct bench b = BENCH_INIT;

    (void)state;
    other.fixup = true;
    assert_false(compare(&b, &a, &other));
    assert_string_equal(b.err.reason, "CannotCompare");
    assert_non_null(strstr(b.err.text, "hint: restore it"));
    nb_buf_done(&b.told);
}

/* --- a database ------------------------------------------------------------------------------- */

static struct fake_graph *small_graph(int64_t changed)
{
    struct fake_graph *g = fake_graph_new();

    for (int64_t i = 0; i < 200; i++)
        fake_graph_add_node(g, i % 3 ? 'A' : 'B', i, i == changed ? -1 : i * 7919);
    for (int64_t i = 0; i < 300; i++)
        fake_graph_add_rel(g, i % 200, (i * 7 + 1) % 200, i);
    return g;
}

static void back_up(struct fake_graph *g, const char *path)
{
    struct eng_backup_opts opts = { .neo4j = BOLT_CONN_OPTS_INIT,
                                    .output = path,
                                    .owner = "me",
                                    .gzip_level = 1,
                                    .gzip_threads = 1 };
    nb_auto_done(eng_backup_result_done) struct eng_backup_result result = { .manifest = NULL };
    struct nb_error err = NB_ERROR_INIT;

    opts.neo4j.uri = fake_graph_uri(g);
    if (!eng_backup_run(&opts, &result, &err))
        fail_msg("%s", err.text);
}

static bool compare_with_file(struct bench *b, struct fake_graph *g, const char *path)
{
    nb_auto(eng_input_close) struct eng_input *in = NULL;
    struct eng_source_opts source = { .bolt = BOLT_CONN_OPTS_INIT };
    struct eng_graph x = { .name = "the database", .database = &source };
    struct eng_graph y = { .name = path };

    source.bolt.uri = fake_graph_uri(g);
    if (!eng_input_open_file(path, &in, &b->err))
        fail_msg("%s", b->err.text);
    y.dump = in;
    return compare_graphs(b, &x, &y);
}

static enum fake_graph_break touch_once(void *ctx, struct fake_graph *g,
                                        enum fake_graph_query query, uint64_t row)
{
    bool *touch = ctx;

    if (*touch && query == FAKE_GRAPH_RELS && row == 10) {
        *touch = false;
        fake_graph_touch(g);
    }
    return FAKE_GRAPH_GO_ON;
}

static enum fake_graph_break cut_once(void *ctx, struct fake_graph *g, enum fake_graph_query query,
                                      uint64_t row)
{
    bool *cut = ctx;

    (void)g;
    if (!*cut || query != FAKE_GRAPH_NODES || row != 100)
        return FAKE_GRAPH_GO_ON;
    *cut = false;
    return FAKE_GRAPH_TIMED_OUT;
}

static void database_is_compared_with_its_dump(void **state)
{
    char dir[] = "/tmp/nb-compare-XXXXXX";
    nb_auto(nb_free) char *path = NULL, *manifest = NULL;
    struct bench b = BENCH_INIT;
    bool touch = false, cut = true;
    struct fake_graph *g;

    (void)state;
    assert_non_null(mkdtemp(dir));
    path = nb_xasprintf("%s/x.cypher.gz", dir);
    manifest = nb_xasprintf("%s/x.manifest.json", dir);
    g = small_graph(-1);
    fake_graph_start(g, touch_once, &touch);
    back_up(g, path);
    if (!compare_with_file(&b, g, path))
        fail_msg("%s", b.err.text);
    assert_string_equal(nb_buf_cstr(&b.told), "");
    assert_true(b.result.equal);
    assert_false(b.result.written[0]);
    touch = true; /* that somebody writes is said, though nothing differs */
    assert_true(compare_with_file(&b, g, path));
    assert_true(b.result.equal && b.result.written[0]);
    fake_graph_free(g);
    g = small_graph(42);
    fake_graph_start(g, cut_once, &cut);
    {
        nb_auto(eng_input_close) struct eng_input *in = NULL;
        struct eng_source_opts source = { .bolt = BOLT_CONN_OPTS_INIT, .retry_window_ms = 10000 };
        struct eng_graph x = { .name = "a", .database = &source }, y = { .name = "b" };

        source.bolt.uri = fake_graph_uri(g);
        assert_true(eng_input_open_file(path, &in, &b.err));
        y.dump = in;
        if (!compare_graphs(&b, &x, &y))
            fail_msg("%s", b.err.text);
    }
    assert_false(cut);
    assert_false(b.result.equal);
    assert_told(&b, "Node A: node 42 (:`B`");
    assert_told(&b, "Node B: node 42 (:`B`");
    assert_not_told(&b, "node 41 (");
    fake_graph_free(g);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(unlink(manifest), 0);
    assert_int_equal(rmdir(dir), 0);
    nb_buf_done(&b.told);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_graph_with_other_ids_and_order_is_equal),
        cmocka_unit_test(changed_property_is_told_with_both_nodes),
        cmocka_unit_test(missing_node_is_told_with_counts),
        cmocka_unit_test(relationship_between_other_nodes_is_told),
        cmocka_unit_test(schema_is_compared_by_statement),
        cmocka_unit_test(many_differences_are_few_lines),
        cmocka_unit_test(dump_with_fixups_is_refused_with_a_way_out),
        cmocka_unit_test(database_is_compared_with_its_dump),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
