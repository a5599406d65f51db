#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/mem.h"
#include "engine/export.h"
#include "tests/fakes/fake_graph.h"

/* Exports from a cluster of fakes: member 0 routes, 1 and 2 are read from. What they hold is the
 * same unless a test makes one go ahead. */

enum { MEMBERS = 3, NODES = 200, RELS = 300, DUMP_MAX = 64 << 20, WINDOW_MS = 20000 };

struct cluster {
    struct fake_graph *members[MEMBERS];
    char table[1024], other_table[1024];
    unsigned first_tables; /* after so many answers comes the other table; 0: never */
    unsigned asked;
    /* Of member 1: */
    enum fake_graph_query cut_query;
    uint64_t cut_row;
    enum fake_graph_break how;
    bool cut, writes; /* writes: goes ahead of the others while its nodes are read */
    bool wrote;

    bool ok;
    struct nb_error err;
    struct nb_buf dump;
    struct repo_manifest *m;
    char uri[128];
};

static const char *on_route(void *ctx, struct fake_graph *g, const char *db)
{
    struct cluster *c = ctx;

    (void)g;
    if (db[0] && !nb_streq(db, "movies"))
        return "Neo.ClientError.Database.DatabaseNotFound: none of that name";
    return c->first_tables && c->asked++ >= c->first_tables ? c->other_table : c->table;
}

static enum fake_graph_break on_row(void *ctx, struct fake_graph *g, enum fake_graph_query query,
                                    uint64_t row)
{
    struct cluster *c = ctx;

    if (g != c->members[1])
        return FAKE_GRAPH_GO_ON;
    if (c->writes && !c->wrote && query == FAKE_GRAPH_NODES && row == 20) {
        c->wrote = true;
        fake_graph_add_node(g, 'B', 4711, 1);
    }
    if (c->cut || query != c->cut_query || row != c->cut_row)
        return FAKE_GRAPH_GO_ON;
    c->cut = true;
    return c->how;
}

static void put_table(const struct cluster *c, char out[1024], const char *readers)
{
    const char *router = fake_graph_address(c->members[0]);
    nb_auto_done(nb_buf_done) struct nb_buf b = NB_BUF_INIT(1024);

    for (const char *r = readers; *r; r++)
        nb_buf_printf(&b, "%s'%s'", r > readers ? "," : "",
                      *r == 'x' ? "127.0.0.1:1" : fake_graph_address(c->members[*r - '0']));
    snprintf(out, 1024,
             "{'rt':{'ttl':300,'db':'movies','servers':[{'role':'ROUTE','addresses':['%s']},"
             "{'role':'READ','addresses':[%s]}]}}",
             router, nb_buf_cstr(&b));
}

static struct cluster *setup(const char *readers)
{
    struct cluster *c = NB_NEW(struct cluster);

    c->err = (struct nb_error)NB_ERROR_INIT;
    c->cut = true; /* nothing breaks unless a test says so */
    c->how = FAKE_GRAPH_CUT;
    nb_buf_init(&c->dump, DUMP_MAX);
    for (size_t i = 0; i < MEMBERS; i++) {
        struct fake_graph *g = c->members[i] = fake_graph_new();

        for (int64_t k = 0; k < NODES; k++)
            fake_graph_add_node(g, k % 10 == 9 ? 'B' : 'A', k, 0);
        for (int64_t k = 0; k < RELS; k++)
            fake_graph_add_rel(g, k % NODES, (k * 7 + 1) % NODES, k % 3 ? k : -1);
        fake_graph_set_route(g, on_route, c);
    }
    snprintf(c->uri, sizeof(c->uri), "neo4j://%s", fake_graph_address(c->members[0]));
    put_table(c, c->table, readers);
    return c;
}

static void export_now(struct cluster *c, const char *database)
{
    struct eng_source_opts source_opts = { .bolt = BOLT_CONN_OPTS_INIT,
                                           .database = database,
                                           .fetch_size = 25,
                                           .retry_window_ms = WINDOW_MS };
    struct eng_meter meter = { .stage = ENG_CONNECTING };
    struct sink *sink = sink_buf_new(&c->dump);
    struct eng_source *source = NULL;
    struct eng_export_opts opts = { .out = sink, .meter = &meter, .tool = "test", .digest = true };

    for (size_t i = 0; i < MEMBERS; i++)
        fake_graph_start(c->members[i], on_row, c);
    source_opts.bolt.uri = c->uri;
    c->m = repo_manifest_new();
    c->ok = eng_source_open(&source_opts, &source, &c->err);
    opts.source = source;
    c->ok = c->ok && eng_export_run(&opts, c->m, &c->err);
    eng_source_close(source);
    sink_free(sink);
}

static void teardown(struct cluster *c)
{
    for (size_t i = 0; i < MEMBERS; i++)
        fake_graph_free(c->members[i]);
    nb_buf_done(&c->dump);
    repo_manifest_free(c->m);
    free(c);
}

static void break_at(struct cluster *c, enum fake_graph_query query, uint64_t row)
{
    c->cut_query = query;
    c->cut_row = row;
    c->cut = false;
}

/* The digest of a quiet export. */
static void get_digests(char nodes[64], char rels[64])
{
    struct cluster *c = setup("1");

    export_now(c, NULL);
    assert_true(c->ok);
    assert_int_equal(c->m->consistency, REPO_CONSISTENCY_SNAPSHOT);
    snprintf(nodes, 64, "%s", c->m->digest_nodes);
    snprintf(rels, 64, "%s", c->m->digest_relationships);
    teardown(c);
}

static void home_database_is_resolved_by_the_router_and_read_from_a_reader(void **state)
{
    struct cluster *c = setup("12");

    (void)state;
    export_now(c, NULL);
    assert_true(c->ok);
    assert_string_equal(c->m->database, "movies");
    assert_int_equal(c->m->nodes, NODES);
    assert_int_equal(fake_graph_connections(c->members[1]), 1);
    assert_int_equal(fake_graph_connections(c->members[2]), 0);
    assert_int_equal(fake_graph_routes(c->members[0]), 1);
    teardown(c);
}

static void read_goes_on_at_another_reader_and_the_dump_is_the_same(void **state)
{
    static const struct {
        enum fake_graph_query query;
        uint64_t row;
        enum fake_graph_break how;
    } cases[] = {
        { FAKE_GRAPH_NODES, 0, FAKE_GRAPH_CUT },        { FAKE_GRAPH_NODES, 60, FAKE_GRAPH_CUT },
        { FAKE_GRAPH_NODES, 60, FAKE_GRAPH_TRANSIENT }, { FAKE_GRAPH_RELS, 77, FAKE_GRAPH_CUT },
        { FAKE_GRAPH_SCHEMA, 0, FAKE_GRAPH_CUT },
    };
    char nodes[64], rels[64];

    (void)state;
    get_digests(nodes, rels);
    for (size_t i = 0; i < NB_ARRAY_LEN(cases); i++) {
        struct cluster *c = setup("12");

        break_at(c, cases[i].query, cases[i].row);
        c->how = cases[i].how;
        export_now(c, NULL);
        if (!c->ok)
            fail_msg("case %zu: %s", i, c->err.text);
        assert_int_equal(fake_graph_connections(c->members[2]), 1);
        assert_string_equal(c->m->digest_nodes, nodes);
        assert_string_equal(c->m->digest_relationships, rels);
        /* Both readings agree, the second one at one server: so it is one state. */
        assert_int_equal(c->m->consistency, REPO_CONSISTENCY_SNAPSHOT);
        assert_int_equal(fake_graph_routes(c->members[0]), 1);
        teardown(c);
    }
}

/* The second server has not seen what the first one has handed out. Both say the same of how far
 * they are when they are asked: before and after. */
static void reader_that_is_behind_the_lost_one_makes_no_snapshot(void **state)
{
    struct cluster *c = setup("12");

    (void)state;
    c->writes = true;
    break_at(c, FAKE_GRAPH_RELS, 10);
    export_now(c, NULL);
    assert_true(c->ok);
    assert_true(c->wrote);
    assert_true(c->m->fixup_passes > 0);
    assert_int_equal(c->m->consistency, REPO_CONSISTENCY_CLOSED);
    teardown(c);
}

static void table_is_asked_for_again_when_no_reader_is_left(void **state)
{
    struct cluster *c = setup("1");

    (void)state;
    put_table(c, c->other_table, "2");
    c->first_tables = 1;
    break_at(c, FAKE_GRAPH_NODES, 100);
    export_now(c, NULL);
    assert_true(c->ok);
    assert_int_equal(fake_graph_routes(c->members[0]), 2);
    assert_int_equal(fake_graph_connections(c->members[2]), 1);
    teardown(c);
}

static void cluster_that_comes_back_late_is_waited_for(void **state)
{
    struct cluster *c = setup("x");

    (void)state;
    put_table(c, c->other_table, "1");
    c->first_tables = 2;
    export_now(c, NULL);
    assert_true(c->ok);
    assert_int_equal(fake_graph_routes(c->members[0]), 3);
    teardown(c);
}

static void database_that_is_not_there_is_not_waited_for(void **state)
{
    struct cluster *c = setup("1");

    (void)state;
    export_now(c, "films");
    assert_false(c->ok);
    assert_string_equal(c->err.reason, "Neo4jDatabaseNotFound");
    assert_int_equal(fake_graph_routes(c->members[0]), 1);
    teardown(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(home_database_is_resolved_by_the_router_and_read_from_a_reader),
        cmocka_unit_test(read_goes_on_at_another_reader_and_the_dump_is_the_same),
        cmocka_unit_test(reader_that_is_behind_the_lost_one_makes_no_snapshot),
        cmocka_unit_test(table_is_asked_for_again_when_no_reader_is_left),
        cmocka_unit_test(cluster_that_comes_back_late_is_waited_for),
        cmocka_unit_test(database_that_is_not_there_is_not_waited_for),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
