#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "cypher/reader.h"
#include "cypher/script.h"
#include "tests/unit/cypher/random_graph.h"

/* Dumps, written and read back. NB_TEST_SEED repeats a run. */

static const struct ps_map no_props = { NULL, 0 };

static bool buf_write(void *ctx, const void *p, size_t n, struct nb_error *err)
{
    struct nb_buf *out = ctx;

    nb_buf_append(out, p, n);
    return nb_buf_check(out, err);
}

static struct cyp_script_opts opts_for(struct nb_buf *out)
{
    return (struct cyp_script_opts){ .vector_procedures = true,
                                     .digest_content = true,
                                     .digest_ends_max_bytes = 1 << 30,
                                     .helper_suffix = "test",
                                     .write = buf_write,
                                     .write_ctx = out };
}

static uint64_t seed_get(void)
{
    const char *given = getenv("NB_TEST_SEED");
    uint64_t seed = given ? strtoull(given, NULL, 10) : (uint64_t)nb_clock_unix_ms();

    print_message("NB_TEST_SEED=%llu\n", (unsigned long long)seed);
    return seed;
}

static void ok(bool done, const struct nb_error *err)
{
    if (!done)
        fail_msg("%s: %s", err->reason, err->text);
}

static struct cyp_script *script_start(const struct cyp_script_opts *opts)
{
    struct nb_error err = NB_ERROR_INIT;
    struct cyp_script *s = NULL;
    struct cyp_head head = { .database = NB_STR("neo4j"), .server_version = NB_STR("5.26.30") };

    ok(cyp_script_new(opts, &s, &err), &err);
    ok(cyp_script_head(s, &head, &err), &err);
    return s;
}

static void script_end(struct cyp_script *s)
{
    struct nb_error err = NB_ERROR_INIT;

    ok(cyp_script_end_rels(s, &err), &err);
    ok(cyp_script_end_data(s, &err), &err);
    ok(cyp_script_tail(s, &err), &err);
}

static bool read_all(const struct nb_buf *text, size_t n, size_t step,
                     const struct cyp_reader_ops *ops, void *ctx, struct nb_error *err)
{
    struct cyp_reader_opts opts = { .digest_content = true, .digest_ends_max_bytes = 1 << 30 };
    nb_auto(cyp_reader_free) struct cyp_reader *r = cyp_reader_new(&opts, ops, ctx);

    for (size_t at = 0; at < n; at += step)
        if (!cyp_reader_feed(r, text->data + at, n - at < step ? n - at : step, err))
            return false;
    return cyp_reader_finish(r, err);
}

static bool other_refuse(void *ctx, struct nb_str s, struct nb_error *err)
{
    (void)ctx;
    return nb_fail(err, NB_E_INTERNAL, "Other", "not understood: %.*s", s.n < 300 ? (int)s.n : 300,
                   s.p);
}

/* --- one node --------------------------------------------------------------------------------- */

struct expected {
    const struct ps_map *props;
    const struct nb_str *labels;
    size_t nlabels;
    unsigned seen;
};

static bool labels_equal(const struct nb_str *a, size_t na, const struct nb_str *b, size_t nb)
{
    size_t same = 0;

    for (size_t i = 0; i < na; i++)
        for (size_t k = 0; k < nb; k++)
            same += nb_str_equal(a[i], b[k]);
    return na == nb && same == na;
}

static bool node_expect(void *ctx, const struct cyp_node_row *row, struct nb_error *err)
{
    struct expected *e = ctx;
    struct ps_value a = { .type = PS_MAP, .map = *e->props }, b = { .type = PS_MAP };

    (void)err;
    b.map = row->props;
    assert_true(row->id == INT64_C(123456789012));
    assert_true(ps_value_equal(&a, &b));
    assert_true(labels_equal(row->labels, row->nlabels, e->labels, e->nlabels));
    e->seen++;
    return true;
}

static bool rel_expect(void *ctx, const struct cyp_rel_row *row, struct nb_error *err)
{
    struct expected *e = ctx;
    struct ps_value a = { .type = PS_MAP, .map = *e->props }, b = { .type = PS_MAP };

    (void)err;
    b.map = row->props;
    assert_true(row->start_id == INT64_C(123456789012) && row->end_id == row->start_id);
    assert_true(ps_value_equal(&a, &b));
    assert_true(nb_str_equal(row->type, e->labels[e->nlabels]));
    e->seen++;
    return true;
}

static void one_round(struct rg *g, struct nb_buf *out)
{
    struct cyp_script_opts opts = opts_for(out);
    struct cyp_reader_ops ops = { .node = node_expect, .rel = rel_expect, .other = other_refuse };
    struct nb_error err = NB_ERROR_INIT;
    struct nb_str labels[5];
    struct ps_map props = rg_props(g, 8);
    struct expected e = { &props, labels, rg_labels(g, labels, 4), 0 };
    nb_auto(cyp_script_free) struct cyp_script *s = NULL;

    labels[e.nlabels] = rg_name(g); /* the relationship's type */
    nb_buf_clear(out);
    s = script_start(&opts);
    ok(cyp_script_node(s, INT64_C(123456789012), labels, e.nlabels, &props, &err), &err);
    ok(cyp_script_end_nodes(s, &err), &err);
    ok(cyp_script_rel(s, 7, INT64_C(123456789012), INT64_C(123456789012), labels[e.nlabels], &props,
                      &err),
       &err);
    script_end(s);
    if (!read_all(out, out->len, 1 + rg_below(g, 3000), &ops, &e, &err))
        fail_msg("%s\n%s", err.text, nb_buf_cstr(out));
    assert_int_equal(e.seen, 2);
}

static void node_with_anything_in_it_reads_back_equal(void **unused)
{
    nb_auto_done(nb_buf_done) struct nb_buf out = NB_BUF_INIT(64 << 20);
    struct rg g = { .state = seed_get() };

    (void)unused;
    g.arena = nb_arena_new(16 << 20);
    for (unsigned i = 0; i < 3000; i++) {
        nb_arena_reset(g.arena);
        one_round(&g, &out);
    }
    nb_arena_free(g.arena);
}

/* --- graphs ----------------------------------------------------------------------------------- */

static void graph_write(struct rg *g, struct cyp_script *s, int64_t nodes, int64_t rels,
                        size_t *ret_most)
{
    struct nb_error err = NB_ERROR_INIT;
    struct nb_str labels[4];

    *ret_most = 0;
    for (int64_t i = 0; i < nodes; i++) {
        struct ps_map props;
        size_t nlabels;

        nb_arena_reset(g->arena);
        nlabels = rg_labels(g, labels, 3);
        props = rg_props(g, 8);
        ok(cyp_script_node(s, i, labels, nlabels, &props, &err), &err);
        if (cyp_script_pending_bytes(s) > *ret_most)
            *ret_most = cyp_script_pending_bytes(s);
    }
    ok(cyp_script_end_nodes(s, &err), &err);
    for (int64_t i = 0; i < rels; i++) {
        struct ps_map props;
        struct nb_str type;

        nb_arena_reset(g->arena);
        type = rg_name(g);
        props = rg_props(g, 4);
        ok(cyp_script_rel(s, i, rg_between(g, 0, nodes - 1), rg_between(g, 0, nodes - 1), type,
                          &props, &err),
           &err);
        if (cyp_script_pending_bytes(s) > *ret_most)
            *ret_most = cyp_script_pending_bytes(s);
    }
}

static void random_graph_reads_back_with_its_digest(void **unused)
{
    nb_auto_done(nb_buf_done) struct nb_buf out = NB_BUF_INIT(256 << 20);
    struct cyp_script_opts opts = opts_for(&out);
    struct cyp_reader_ops ops = { .other = other_refuse };
    struct rg g = { .state = seed_get() };
    struct nb_error err = NB_ERROR_INIT;
    nb_auto(cyp_script_free) struct cyp_script *s = NULL;
    struct cyp_counts counts;
    size_t most, at = 0;
    struct nb_str name;
    uint64_t n, types = 0;

    (void)unused;
    g.arena = nb_arena_new(16 << 20);
    opts.rows_per_statement = 50;
    s = script_start(&opts);
    graph_write(&g, s, 4000, 6000, &most);
    script_end(s);
    cyp_script_counts(s, &counts);
    assert_int_equal(counts.bytes, out.len);
    assert_int_equal(counts.rels, 6000);
    while (cyp_script_type_next(s, &at, &name, &n))
        types += n;
    assert_int_equal(types, 6000);
    ok(read_all(&out, out.len, 65536, &ops, NULL, &err), &err);
    nb_arena_free(g.arena);
}

static void pending_memory_stays_bounded_whatever_the_shapes(void **unused)
{
    nb_auto_done(nb_buf_done) struct nb_buf out = NB_BUF_INIT(256 << 20);
    struct cyp_script_opts opts = opts_for(&out);
    struct cyp_reader_ops ops = { .other = other_refuse };
    struct rg g = { .state = seed_get() };
    struct nb_error err = NB_ERROR_INIT;
    nb_auto(cyp_script_free) struct cyp_script *s = NULL;
    size_t most;

    (void)unused;
    g.arena = nb_arena_new(16 << 20);
    opts.max_pending_bytes = 100000;
    opts.max_groups = 40;
    s = script_start(&opts);
    graph_write(&g, s, 3000, 3000, &most);
    /* Beside it: the group at hand. */
    assert_in_range(most, 1, 100000 + 50000);
    script_end(s);
    ok(read_all(&out, out.len, 65536, &ops, NULL, &err), &err);
    nb_arena_free(g.arena);
}

static void chunk_bytes_depend_on_its_rows_alone(void **unused)
{
    nb_auto_done(nb_buf_done) struct nb_buf out = NB_BUF_INIT(64 << 20);
    nb_auto_done(nb_buf_done) struct nb_buf first = NB_BUF_INIT(64 << 20);
    struct cyp_script_opts opts = opts_for(&out);
    struct nb_error err = NB_ERROR_INIT;
    nb_auto(cyp_script_free) struct cyp_script *s = script_start(&opts);
    struct nb_arena *arena = nb_arena_new(16 << 20);

    (void)unused;
    for (unsigned round = 0; round < 3; round++) {
        struct rg g = { .state = round == 1 ? 99 : 5, .arena = arena };
        size_t start = out.len;

        for (int64_t i = 0; i < 500; i++) {
            struct nb_str labels[3];
            size_t n = rg_labels(&g, labels, 3);
            struct ps_map props = rg_props(&g, 5);

            ok(cyp_script_node(s, i, labels, n, &props, &err), &err);
        }
        ok(cyp_script_flush(s, &err), &err);
        nb_arena_reset(arena);
        if (round == 0)
            nb_buf_append(&first, out.data + start, out.len - start);
        if (round == 2)
            assert_true(first.len == out.len - start &&
                        memcmp(first.data, out.data + start, first.len) == 0);
    }
    nb_arena_free(arena);
}

/* --- what servers keep -------------------------------------------------------------------------- */

static size_t count_of(const struct nb_buf *text, const char *what)
{
    size_t n = 0;

    for (const char *p = nb_buf_cstr(text); (p = strstr(p, what)); p++)
        n++;
    return n;
}

static void large_dump_empties_query_caches_on_its_way(void **unused)
{
    nb_auto_done(nb_buf_done) struct nb_buf out = NB_BUF_INIT(128 << 20);
    struct cyp_script_opts opts = opts_for(&out);
    struct cyp_reader_ops ops = { .other = other_refuse };
    static char big[1 << 20];
    struct ps_pair pair = { NB_STR("k"), { .type = PS_STRING, .string = { big, sizeof(big) } } };
    struct ps_map props = { &pair, 1 };
    struct nb_error err = NB_ERROR_INIT;
    nb_auto(cyp_script_free) struct cyp_script *s = script_start(&opts);

    (void)unused;
    memset(big, 'x', sizeof(big));
    for (int64_t i = 0; i < 17; i++)
        ok(cyp_script_node(s, i, NULL, 0, &props, &err), &err);
    assert_int_equal(count_of(&out, "CALL db.clearQueryCaches()"), 1);
    /* A chunk's bytes are its own: a small one asks for nothing, a large one does so at its end. */
    ok(cyp_script_flush(s, &err), &err);
    assert_int_equal(count_of(&out, "CALL db.clearQueryCaches()"), 1);
    for (int64_t i = 20; i < 25; i++)
        ok(cyp_script_node(s, i, NULL, 0, &props, &err), &err);
    ok(cyp_script_flush(s, &err), &err);
    assert_int_equal(count_of(&out, "CALL db.clearQueryCaches()"), 2);
    ok(cyp_script_end_nodes(s, &err), &err);
    script_end(s);
    ok(read_all(&out, out.len, 1 << 20, &ops, NULL, &err), &err);
}

/* The large row in the middle stands between two; what is small does not. */
static void large_row_finds_caches_empty_and_leaves_them_so(void **unused)
{
    nb_auto_done(nb_buf_done) struct nb_buf out = NB_BUF_INIT(32 << 20);
    struct cyp_script_opts opts = opts_for(&out);
    struct cyp_reader_ops ops = { .other = other_refuse };
    static char big[5 << 20];
    struct ps_pair pair = { NB_STR("k"), { .type = PS_STRING, .string = { big, 1000 } } };
    struct ps_map props = { &pair, 1 };
    struct nb_error err = NB_ERROR_INIT;
    nb_auto(cyp_script_free) struct cyp_script *s = script_start(&opts);
    const char *text, *row;

    (void)unused;
    memset(big, 'x', sizeof(big));
    for (int64_t i = 0; i < 3; i++) {
        pair.value.string.n = i == 1 ? sizeof(big) : 1000;
        ok(cyp_script_node(s, i, NULL, 0, &props, &err), &err);
    }
    ok(cyp_script_end_nodes(s, &err), &err);
    script_end(s);
    assert_int_equal(count_of(&out, "CALL db.clearQueryCaches()"), 2);
    text = nb_buf_cstr(&out);
    row = strstr(text, "UNWIND split('1\x1f"
                       "xxx");
    assert_non_null(row);
    assert_true(strstr(text, "db.clearQueryCaches") < row);
    assert_non_null(strstr(row, "db.clearQueryCaches"));
    ok(read_all(&out, out.len, 1 << 20, &ops, NULL, &err), &err);
}

/* What cyp_script makes of a schema statement of that server. */
static void check_schema(const char *server, const char *statement, const char *wanted)
{
    nb_auto_done(nb_buf_done) struct nb_buf out = NB_BUF_INIT(1 << 20);
    struct nb_error err = NB_ERROR_INIT;
    struct cyp_script_opts opts = opts_for(&out);
    nb_auto(cyp_script_free) struct cyp_script *s = NULL;
    struct cyp_head head = { .server_version = nb_str_from(server) };
    struct cyp_schema item = { CYP_INDEX, NB_STR("i"), NB_STR("RANGE"), nb_str_from(statement),
                               false };

    ok(cyp_script_new(&opts, &s, &err), &err);
    ok(cyp_script_head(s, &head, &err), &err);
    ok(cyp_script_end_nodes(s, &err) && cyp_script_end_rels(s, &err) &&
           cyp_script_end_data(s, &err) && cyp_script_schema(s, &item, &err) &&
           cyp_script_tail(s, &err),
       &err);
    if (!strstr(nb_buf_cstr(&out), wanted))
        fail_msg("%s: no %s in %s", server, wanted, nb_buf_cstr(&out));
}

/* The default kind of a 4.4 is BTREE, which is RANGE afterwards; but it has both. */
static void range_index_of_a_4_4_stays_one(void **unused)
{
    static const char range[] = "CREATE RANGE INDEX `i` FOR (n:`A`) ON (n.`k`) OPTIONS "
                                "{indexConfig: {}, indexProvider: 'range-1.0'}";
    static const char unique[] = "CREATE CONSTRAINT `i` FOR (n:`A`) REQUIRE (n.`k`) IS UNIQUE "
                                 "OPTIONS {indexConfig: {}, indexProvider: 'range-1.0'}";

    (void)unused;
    check_schema("4.4.48", range, "\nCREATE RANGE INDEX `i` FOR (n:`A`) ON (n.`k`);\n");
    check_schema("5.26.30", range, "\nCREATE INDEX `i` FOR (n:`A`) ON (n.`k`);\n");
    check_schema("4.4.48", unique, " IS UNIQUE OPTIONS {indexConfig: {}, indexProvider: ");
    check_schema("5.26.30", unique, " IS UNIQUE;\n");
}

/* --- cut and broken --------------------------------------------------------------------------- */

static void dump_small(struct nb_buf *out)
{
    struct cyp_script_opts opts = opts_for(out);
    struct nb_error err = NB_ERROR_INIT;
    nb_auto(cyp_script_free) struct cyp_script *s = script_start(&opts);
    struct nb_str label = NB_STR("A"),
                  schema = NB_STR("CREATE RANGE INDEX `i` FOR (n:`A`) ON (n.`k`)");
    struct ps_pair pair = { NB_STR("k"), { .type = PS_STRING, .string = NB_STR("it's; ok\n") } };
    struct ps_map props = { &pair, 1 };
    struct cyp_schema item = { CYP_INDEX, NB_STR("i"), NB_STR("RANGE"), schema, false };

    for (int64_t i = 0; i < 3; i++)
        ok(cyp_script_node(s, i, &label, i > 0, &props, &err), &err);
    ok(cyp_script_end_nodes(s, &err), &err);
    ok(cyp_script_rel(s, 0, 1, 2, NB_STR("R"), &props, &err), &err);
    ok(cyp_script_end_rels(s, &err), &err);
    ok(cyp_script_end_data(s, &err), &err);
    ok(cyp_script_schema(s, &item, &err), &err);
    ok(cyp_script_tail(s, &err), &err);
}

static void dump_cut_anywhere_is_seen_to_be_cut(void **unused)
{
    nb_auto_done(nb_buf_done) struct nb_buf out = NB_BUF_INIT(1 << 20);
    struct cyp_reader_ops ops = { 0 };

    (void)unused;
    dump_small(&out);
    /* The last byte is the new line behind the last comment. */
    for (size_t n = 0; n + 1 < out.len; n++) {
        struct nb_error err = NB_ERROR_INIT;

        if (read_all(&out, n, 4096, &ops, NULL, &err))
            fail_msg("cut at %zu of %zu, and not seen", n, out.len);
    }
}

static void dump_with_a_byte_changed_is_never_read_as_another(void **unused)
{
    nb_auto_done(nb_buf_done) struct nb_buf out = NB_BUF_INIT(1 << 20);
    struct cyp_reader_ops ops = { .other = other_refuse };
    unsigned silent = 0;

    (void)unused;
    dump_small(&out);
    for (size_t i = 0; i < out.len; i++) {
        struct nb_error err = NB_ERROR_INIT;
        nb_auto_done(nb_buf_done) struct nb_buf copy = NB_BUF_INIT(1 << 20);

        nb_buf_append(&copy, out.data, out.len);
        copy.data[i] ^= 2;
        if (!read_all(&copy, copy.len, 4096, &ops, NULL, &err))
            continue;
        /* Only comments and the frame may differ unseen: no row, no name, no expression. */
        silent++;
        assert_true(memchr("'`", out.data[i], 2) == NULL);
    }
    assert_in_range(silent, 1, out.len);
}

static void dump_has_the_form_of_the_documentation(void **unused)
{
    nb_auto_done(nb_buf_done) struct nb_buf out = NB_BUF_INIT(1 << 20);
    const char *text;

    (void)unused;
    dump_small(&out);
    text = nb_buf_cstr(&out);
    assert_true(nb_starts_with(text, "// neo4j-backup dump, format 1\n// database: neo4j\n"));
    assert_true(nb_ends_with(text, "// end of neo4j-backup dump\n"));
    assert_non_null(
        strstr(text, "UNWIND split('1\x1fit\\'s; ok\\n\x1e\n2\x1fit\\'s; ok\\n','\\u001e\\n') AS r "
                     "WITH split(r,'\\u001f') AS c CREATE (n:`_nb_test`:`A` "
                     "{`_nb_test`:toInteger(c[0]),`k`:CASE WHEN c[1]<>'' THEN c[1] END});\n"));
    assert_non_null(
        strstr(text, "OPTIONAL MATCH (a:`_nb_test` {`_nb_test`:toInteger(c[0])}) OPTIONAL MATCH "
                     "(b:`_nb_test` {`_nb_test`:toInteger(c[1])}) CREATE (a)-[x:`R` "
                     "{`k`:CASE WHEN c[2]<>'' THEN c[2] END}]->(b);\n"));
    assert_non_null(strstr(text, "CREATE INDEX `i` FOR (n:`A`) ON (n.`k`);\n"));
    assert_non_null(strstr(text, "// nodes: 3\n// relationships: 1\n// properties: 4\n"));
}

/* --- what is not a property ------------------------------------------------------------------- */

static void value_that_no_property_can_be_is_an_error(void **unused)
{
    nb_auto_done(nb_buf_done) struct nb_buf out = NB_BUF_INIT(1 << 20);
    struct cyp_script_opts opts = opts_for(&out);
    struct ps_value mixed[] = { { .type = PS_INT, .integer = 1 },
                                { .type = PS_STRING, .string = NB_STR("x") } };
    struct ps_value nested[] = { { .type = PS_LIST } };
    struct ps_pair bad[] = {
        { NB_STR("k"), { .type = PS_MAP } },
        { NB_STR("k"), { .type = PS_LIST, .list = { mixed, 2 } } },
        { NB_STR("k"), { .type = PS_LIST, .list = { nested, 1 } } },
        { NB_STR("k"), { .type = PS_DATE, .date_days = INT64_MAX } },
        { NB_STR("k"), { .type = PS_POINT, .point = { .srid = 1, .dimensions = 2 } } },
        { NB_STR("k"), { .type = PS_DATETIME, .datetime = { .zone = NB_STR("x','y") } } },
        { NB_STR("_nb_test"), { .type = PS_BOOL } },
    };

    (void)unused;
    for (size_t i = 0; i < NB_ARRAY_LEN(bad); i++) {
        struct nb_error err = NB_ERROR_INIT;
        struct ps_map props = { &bad[i], 1 };
        nb_auto(cyp_script_free) struct cyp_script *s = script_start(&opts);

        assert_false(cyp_script_node(s, 1, NULL, 0, &props, &err));
        assert_int_equal(err.code, NB_E_INVALID);
    }
}

static void helper_name_of_the_database_is_not_taken(void **unused)
{
    nb_auto_done(nb_buf_done) struct nb_buf out = NB_BUF_INIT(1 << 20);
    struct cyp_script_opts opts = opts_for(&out);
    struct nb_str taken = NB_STR("_nb_test"), label = NB_STR("_nb_test");
    struct nb_error err = NB_ERROR_INIT;
    nb_auto(cyp_script_free) struct cyp_script *s = NULL;

    (void)unused;
    opts.taken_names = &taken;
    opts.ntaken_names = 1;
    assert_false(cyp_script_new(&opts, &s, &err));
    assert_string_equal(err.reason, "HelperNameTaken");
    opts.ntaken_names = 0;
    s = script_start(&opts);
    assert_false(cyp_script_node(s, 1, &label, 1, &no_props, &err));
    assert_string_equal(err.reason, "HelperNameTaken");
}

static void row_without_a_bound_is_refused(void **unused)
{
    nb_auto_done(nb_buf_done) struct nb_buf out = NB_BUF_INIT(1 << 20);
    struct cyp_script_opts opts = opts_for(&out);
    static char big[100000];
    struct ps_pair pair = { NB_STR("k"), { .type = PS_STRING, .string = { big, sizeof(big) } } };
    struct ps_map props = { &pair, 1 };
    struct nb_error err = NB_ERROR_INIT, again = NB_ERROR_INIT;
    nb_auto(cyp_script_free) struct cyp_script *s = NULL;

    (void)unused;
    memset(big, 'x', sizeof(big));
    opts.max_row_bytes = 50000;
    s = script_start(&opts);
    assert_false(cyp_script_node(s, 1, NULL, 0, &props, &err));
    assert_int_equal(err.code, NB_E_LIMIT);
    /* A script that failed stays failed. */
    assert_false(cyp_script_node(s, 2, NULL, 0, &no_props, &again));
    assert_string_equal(err.text, again.text);
}

/* --- fix-ups ---------------------------------------------------------------------------------- */

struct changes {
    unsigned sets, deletes, nodes, rels, schemas;
};

static bool set_count(void *ctx, const struct cyp_node_row *row, const struct nb_str *old_labels,
                      size_t nold, struct nb_error *err)
{
    struct changes *c = ctx;

    (void)err;
    assert_true(row->id == 1 && row->nlabels == 1 && nold == 1 && row->props.n == 1);
    assert_true(nb_str_is(row->labels[0], "New") && nb_str_is(old_labels[0], "Old"));
    c->sets++;
    return true;
}
static bool delete_count(void *ctx, int64_t id, struct nb_error *err)
{
    struct changes *c = ctx;

    (void)err;
    assert_true(id == 2 || id == 3);
    c->deletes++;
    return true;
}
static bool node_count(void *ctx, const struct cyp_node_row *row, struct nb_error *err)
{
    struct changes *c = ctx;

    (void)row;
    (void)err;
    c->nodes++;
    return true;
}
static bool rel_count(void *ctx, const struct cyp_rel_row *row, struct nb_error *err)
{
    struct changes *c = ctx;

    (void)row;
    (void)err;
    c->rels++;
    return true;
}
static bool schema_expect(void *ctx, const struct cyp_schema *item, struct nb_error *err)
{
    static const struct {
        const char *name, *type;
        bool enterprise;
    } want[] = { { "i\\u0060", "FULLTEXT", false },
                 { "tok", "LOOKUP", false },
                 { "u", "RELATIONSHIP_UNIQUENESS", false },
                 { "k", "NODE_KEY", true } };
    struct changes *c = ctx;

    (void)err;
    assert_true(nb_str_is(item->name, want[c->schemas].name));
    assert_true(nb_str_is(item->type, want[c->schemas].type));
    assert_int_equal(item->enterprise, want[c->schemas].enterprise);
    c->schemas++;
    return true;
}

static void schema_write(struct cyp_script *s)
{
    const struct cyp_schema items[] = {
        { CYP_CONSTRAINT, NB_STR("k"), NB_STR("NODE_KEY"),
          NB_STR("CREATE CONSTRAINT `k` FOR (n:`A`) REQUIRE (n.`k`) IS NODE KEY"), true },
        { CYP_CONSTRAINT, NB_STR("u"), NB_STR("RELATIONSHIP_UNIQUENESS"),
          NB_STR("CREATE CONSTRAINT `u` FOR ()-[r:`A IS NOT NULL`]-() REQUIRE (r.`k`) IS UNIQUE"),
          false },
        { CYP_INDEX, NB_STR("i\\u0060"), NB_STR("FULLTEXT"),
          NB_STR("CREATE FULLTEXT INDEX `i\\u0060` FOR (n:`A`|`B`) ON EACH [n.`x`] OPTIONS "
                 "{indexConfig: "
                 "{`fulltext.analyzer`: 'english'}}"),
          false },
        { CYP_INDEX, NB_STR("tok"), NB_STR("LOOKUP"),
          NB_STR("CREATE LOOKUP INDEX `tok` FOR (n) ON EACH labels(n)"), false },
    };
    struct nb_error err = NB_ERROR_INIT;

    for (size_t i = 0; i < NB_ARRAY_LEN(items); i++)
        ok(cyp_script_schema(s, &items[i], &err), &err);
}

static void fixups_and_schema_read_back(void **unused)
{
    nb_auto_done(nb_buf_done) struct nb_buf out = NB_BUF_INIT(1 << 20);
    struct cyp_script_opts opts = opts_for(&out);
    struct cyp_reader_ops ops = { .set_node = set_count,
                                  .delete_node = delete_count,
                                  .node = node_count,
                                  .rel = rel_count,
                                  .schema = schema_expect,
                                  .other = other_refuse };
    struct nb_error err = NB_ERROR_INIT;
    nb_auto(cyp_script_free) struct cyp_script *s = script_start(&opts);
    struct nb_str old = NB_STR("Old"), new = NB_STR("New");
    struct ps_pair pair = { NB_STR("k"), { .type = PS_INT, .integer = 5 } };
    struct ps_map props = { &pair, 1 };
    struct cyp_counts counts;
    struct changes c = { 0 };

    (void)unused;
    for (int64_t i = 0; i < 4; i++)
        ok(cyp_script_node(s, i, &old, 1, &no_props, &err), &err);
    ok(cyp_script_end_nodes(s, &err), &err);
    ok(cyp_script_end_rels(s, &err), &err);
    ok(cyp_script_fixups(s, &err), &err);
    ok(cyp_script_set_node(s, 1, &old, 1, &new, 1, &props, &err), &err);
    ok(cyp_script_delete_node(s, 2, &err), &err);
    ok(cyp_script_delete_node(s, 3, &err), &err);
    ok(cyp_script_node(s, 9, NULL, 0, &props, &err), &err);
    ok(cyp_script_rel(s, 1, 9, 1, NB_STR("T"), &no_props, &err), &err);
    ok(cyp_script_end_fixups(s, &err), &err);
    ok(cyp_script_end_data(s, &err), &err);
    schema_write(s);
    ok(cyp_script_tail(s, &err), &err);
    cyp_script_counts(s, &counts);
    assert_int_equal(counts.nodes, 3);
    assert_int_equal(counts.deleted_nodes, 2);
    if (!read_all(&out, out.len, 100, &ops, &c, &err))
        fail_msg("%s\n%s", err.text, nb_buf_cstr(&out));
    assert_true(c.sets == 1 && c.deletes == 2 && c.nodes == 5 && c.rels == 1 && c.schemas == 4);
    assert_non_null(strstr(nb_buf_cstr(&out), "CREATE LOOKUP INDEX `tok` IF NOT EXISTS FOR"));
}

/* Whoever takes the digest out may have changed a value as well. */
static void digest_that_was_taken_out_is_missed(void **unused)
{
    nb_auto_done(nb_buf_done) struct nb_buf out = NB_BUF_INIT(1 << 20);
    nb_auto_done(nb_buf_done) struct nb_buf cut = NB_BUF_INIT(1 << 20);
    struct cyp_script_opts opts = opts_for(&out);
    struct cyp_reader_ops ops = { .other = other_refuse };
    struct nb_error err = NB_ERROR_INIT;
    struct cyp_script *s;

    (void)unused;
    for (int nodes = 0; nodes < 2; nodes++) {
        struct nb_str label = NB_STR("A");
        const char *line, *next;

        nb_buf_clear(&out);
        nb_buf_clear(&cut);
        s = script_start(&opts);
        for (int i = 0; i < nodes; i++)
            ok(cyp_script_node(s, i, &label, 1, &no_props, &err), &err);
        ok(cyp_script_end_nodes(s, &err), &err);
        script_end(s);
        cyp_script_free(s);
        ok(read_all(&out, out.len, 100, &ops, NULL, &err), &err);
        line = strstr(nb_buf_cstr(&out), "// digest of nodes: ");
        assert_non_null(line);
        next = strchr(line, '\n') + 1;
        nb_buf_append(&cut, out.data, (size_t)(line - out.data));
        nb_buf_puts(&cut, next);
        /* Nothing has no content that could be another. */
        assert_int_equal(read_all(&cut, cut.len, 100, &ops, NULL, &err), nodes == 0);
        if (nodes > 0)
            assert_string_equal(err.reason, "DigestMismatch");
    }
}

/* --- other people's scripts ------------------------------------------------------------------- */

struct others {
    struct nb_buf all;
};
static bool other_keep(void *ctx, struct nb_str s, struct nb_error *err)
{
    struct others *o = ctx;

    (void)err;
    nb_buf_append(&o->all, s.p, s.n);
    nb_buf_putc(&o->all, '|');
    return true;
}

/* In steps of every size. want: the statements, "|" behind each. */
static void assert_split(const char *script, const char *want)
{
    size_t size = strlen(script);

    for (size_t step = 1; step <= size; step++) {
        struct others o = { NB_BUF_INIT(4096) };
        struct cyp_reader_opts opts = { .any_script = true };
        struct cyp_reader_ops ops = { .other = other_keep };
        struct nb_error err = NB_ERROR_INIT;
        struct cyp_reader *r = cyp_reader_new(&opts, &ops, &o);

        for (size_t at = 0; at < size; at += step) {
            size_t n = size - at;

            ok(cyp_reader_feed(r, script + at, n < step ? n : step, &err), &err);
        }
        ok(cyp_reader_finish(r, &err), &err);
        assert_string_equal(nb_buf_cstr(&o.all), want);
        cyp_reader_free(r);
        nb_buf_done(&o.all);
    }
}

/* As the server reads quotes and comments. Where cypher-shell runs such a script through, it cuts it
 * alike: tests/e2e/splitter.sh asks it. */
static void foreign_script_is_read_statement_by_statement(void **unused)
{
    static const struct {
        const char *script, *want;
    } cases[] = {
        { ":begin\nCREATE (n {a: ';', b: \"//\", `c;`: '\\';'});\n// note;\n"
          "MATCH (n) /* ; */ RETURN n;;\n:commit\n\nRETURN 1\n",
          ":begin|CREATE (n {a: ';', b: \"//\", `c;`: '\\';'})|"
          "MATCH (n) /* ; */ RETURN n|:commit|RETURN 1|" },
        /* A backslash escapes in strings, and in names nothing. */
        { "RETURN 1 AS `x\\`; RETURN \"a\\\";\", '\\';'; RETURN \"\\\\\";RETURN 2;",
          "RETURN 1 AS `x\\`|RETURN \"a\\\";\", '\\';'|RETURN \"\\\\\"|RETURN 2|" },
        { "RETURN `e``;f` /* a /* b `*/; RETURN 2; /* end",
          "RETURN `e``;f` /* a /* b `*/|RETURN 2|" },
        /* The slash of a comment's end does not begin the next. */
        { "RETURN 4 /* c *// 2 AS x;\nRETURN 3;", "RETURN 4 /* c *// 2 AS x|RETURN 3|" },
        { "RETURN 4 /* c */* 2 AS x;\nRETURN 3;", "RETURN 4 /* c */* 2 AS x|RETURN 3|" },
        { "RETURN 4 /*/ ; */ AS x;/*/ ; /**//* ; **/ RETURN 3",
          "RETURN 4 /*/ ; */ AS x|RETURN 3|" },
        { "/*/ RETURN 1; */ RETURN 2; /* d */", "RETURN 2|" },
        { "RETURN /*** ; ***/ 2 //\\\n;RETURN 3;", "RETURN /*** ; ***/ 2 //\\\n|RETURN 3|" },
        /* No line end behind the last line, which is a comment. */
        { "RETURN 1 // it's; \"\n AS x; // tail `\nRETURN 2 // end", "RETURN 1 // it's; \"\n AS x|"
                                                                     "RETURN 2 // end|" },
        { "RETURN 1; // c :x\n  :commit\nRETURN\n:x;", "RETURN 1|:commit|RETURN\n:x|" },
        { "/* c */ :begin\nRETURN 1; :commit\nRETURN 2;", ":begin|RETURN 1|:commit|RETURN 2|" },
        { "RETURN 1\r\n;\r\n// c\r\nRETURN \"http://x;y\" AS `a//b;`;\r\n",
          "RETURN 1\r\n|RETURN \"http://x;y\" AS `a//b;`|" },
    };

    (void)unused;
    for (size_t i = 0; i < NB_ARRAY_LEN(cases); i++)
        assert_split(cases[i].script, cases[i].want);
}

static void foreign_script_that_ends_within_a_comment_is_cut(void **unused)
{
    static const char script[] = "RETURN 1 /* ;";
    struct others o = { NB_BUF_INIT(4096) };
    struct cyp_reader_opts opts = { .any_script = true };
    struct cyp_reader_ops ops = { .other = other_keep };
    struct nb_error err = NB_ERROR_INIT;
    struct cyp_reader *r = cyp_reader_new(&opts, &ops, &o);

    (void)unused;
    ok(cyp_reader_feed(r, script, sizeof(script) - 1, &err), &err);
    assert_false(cyp_reader_finish(r, &err));
    assert_string_equal(err.reason, "CutDump");
    cyp_reader_free(r);
    nb_buf_done(&o.all);
}

static void file_that_is_no_dump_is_refused(void **unused)
{
    nb_auto_done(nb_buf_done) struct nb_buf text = NB_BUF_INIT(4096);
    struct cyp_reader_ops ops = { 0 };
    struct nb_error err = NB_ERROR_INIT;

    (void)unused;
    assert_false(read_all(&text, 0, 1, &ops, NULL, &err));
    assert_string_equal(err.reason, "NotADump");
    nb_buf_puts(&text, "CREATE (n);\n");
    assert_false(read_all(&text, text.len, 100, &ops, NULL, &err));
    assert_string_equal(err.reason, "NotADump");
    nb_buf_clear(&text);
    nb_buf_puts(&text, "// neo4j-backup dump, format 99\n");
    assert_false(read_all(&text, text.len, 100, &ops, NULL, &err));
    assert_string_equal(err.reason, "NewerFormat");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(node_with_anything_in_it_reads_back_equal),
        cmocka_unit_test(random_graph_reads_back_with_its_digest),
        cmocka_unit_test(digest_that_was_taken_out_is_missed),
        cmocka_unit_test(pending_memory_stays_bounded_whatever_the_shapes),
        cmocka_unit_test(chunk_bytes_depend_on_its_rows_alone),
        cmocka_unit_test(large_dump_empties_query_caches_on_its_way),
        cmocka_unit_test(large_row_finds_caches_empty_and_leaves_them_so),
        cmocka_unit_test(range_index_of_a_4_4_stays_one),
        cmocka_unit_test(dump_cut_anywhere_is_seen_to_be_cut),
        cmocka_unit_test(dump_with_a_byte_changed_is_never_read_as_another),
        cmocka_unit_test(dump_has_the_form_of_the_documentation),
        cmocka_unit_test(value_that_no_property_can_be_is_an_error),
        cmocka_unit_test(helper_name_of_the_database_is_not_taken),
        cmocka_unit_test(row_without_a_bound_is_refused),
        cmocka_unit_test(fixups_and_schema_read_back),
        cmocka_unit_test(foreign_script_is_read_statement_by_statement),
        cmocka_unit_test(foreign_script_that_ends_within_a_comment_is_cut),
        cmocka_unit_test(file_that_is_no_dump_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
