#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "engine/apoc_script.h"
#include "engine/backup.h"
#include "engine/verify.h"
#include "tests/fakes/fake_graph.h"
#include "tests/fakes/s3_fixture.h"

/* Backups by APOC's export: a fake Neo4j with APOC on one side, a fake bucket on the other. */

enum { NODES = 300, RELS = 500, SCHEDULED = 1759888800 };

struct bench {
    struct fake_graph *graph;
    struct fake_s3 *s3;
    struct s3_client *client;
    struct repo *repo;
    struct eng_backup_result result;
    struct nb_error err;
    enum eng_consistency consistency;
    unsigned writes; /* so many exports are written to meanwhile */
};

static enum fake_graph_break write_meanwhile(void *ctx, struct fake_graph *g,
                                             enum fake_graph_query query, uint64_t row)
{
    struct bench *b = ctx;

    if (query == FAKE_GRAPH_APOC && row == 1 && b->writes > 0) {
        b->writes--;
        fake_graph_touch(g);
    }
    return FAKE_GRAPH_GO_ON;
}

static enum fake_graph_break break_off(void *ctx, struct fake_graph *g, enum fake_graph_query query,
                                       uint64_t row)
{
    struct bench *b = ctx;

    (void)g;
    if (query != FAKE_GRAPH_APOC || row != 2 || b->writes == 0)
        return FAKE_GRAPH_GO_ON;
    b->writes--;
    return FAKE_GRAPH_CUT;
}

static void short_retries(struct s3_client_opts *o)
{
    o->retry_window_ms = 200;
}

static void open_bench(struct bench *b, enum fake_graph_apoc apoc, fake_graph_hook *hook)
{
    struct repo_opts opts = { .prefix = "p", .owner = "me", .run_id = "run-1" };

    *b = (struct bench){ .err = NB_ERROR_INIT };
    b->graph = fake_graph_new();
    fake_graph_set_apoc(b->graph, apoc);
    for (int64_t i = 0; i < NODES; i++)
        fake_graph_add_node(b->graph, i % 3 ? 'A' : 'B', i, i * 7919);
    for (int64_t i = 0; i < RELS; i++)
        fake_graph_add_rel(b->graph, i % NODES, (i * 7 + 1) % NODES, i % 2 ? i : -1);
    fake_graph_start(b->graph, hook, b);
    b->s3 = fake_s3_new();
    b->client = s3_fixture_client(b->s3, short_retries);
    opts.client = b->client;
    assert_true(repo_open(&opts, &b->repo, &b->err));
}

static void close_bench(struct bench *b)
{
    assert_string_equal(fake_s3_complaint(b->s3), "");
    eng_backup_result_done(&b->result);
    fake_graph_free(b->graph);
    repo_free(b->repo);
    s3_client_free(b->client);
    fake_s3_free(b->s3);
}

static bool run(struct bench *b)
{
    struct eng_backup_opts opts = {
        .neo4j = BOLT_CONN_OPTS_INIT,
        .engine = ENG_ENGINE_APOC,
        .consistency = b->consistency,
        .repo = b->repo,
        .gzip_level = 1,
        .scheduled_unix_seconds = SCHEDULED,
        .verify = { .level = REPO_VERIFIED_READBACK },
    };

    opts.neo4j.uri = fake_graph_uri(b->graph);
    return eng_backup_run(&opts, &b->result, &b->err);
}

static bool has(const struct repo_strings *s, const char *part)
{
    for (size_t i = 0; i < s->n; i++) {
        if (strstr(s->items[i], part))
            return true;
    }
    return false;
}

static void assert_cypher(const struct bench *b, const char *warning)
{
    const struct repo_manifest *m = b->result.manifest;

    assert_string_equal(m->engine, "cypher");
    assert_int_equal(m->nodes, NODES);
    assert_int_equal(m->relationships, RELS);
    if (!has(&m->warnings, warning))
        fail_msg("'%s' is in none of %zu warnings", warning, m->warnings.n);
    assert_int_equal(m->losses.n, 0);
    assert_int_equal(fake_s3_count(b->s3), 2); /* nothing of the first try */
}

static void apoc_writes_the_dump_and_the_manifest_says_so(void **state)
{
    const struct repo_manifest *m;
    struct bench b;

    (void)state;
    open_bench(&b, FAKE_GRAPH_APOC_WHOLE, NULL);
    if (!run(&b))
        fail_msg("%s", b.err.text);
    m = b.result.manifest;
    assert_string_equal(m->engine, "apoc");
    assert_int_equal(m->consistency, REPO_CONSISTENCY_SNAPSHOT);
    assert_int_equal(m->verification, REPO_VERIFIED_READBACK);
    assert_int_equal(m->nodes, NODES);
    assert_int_equal(m->relationships, RELS);
    assert_int_equal(m->properties, NODES * 3 + RELS * 2 + RELS / 2);
    assert_int_equal(m->indexes, 1);
    assert_int_equal(m->constraints, 2);
    assert_int_equal(m->labels.n, 2);
    assert_int_equal(m->types.n, 1);
    assert_non_null(m->digest_nodes);
    assert_int_equal(m->warnings.n, 0);
    assert_int_equal(m->losses.n, 1);
    assert_true(has(&m->losses, "1 indexes: they come back under other names"));
    close_bench(&b);
}

static void readback_finds_counts_that_the_manifest_has_wrong(void **state)
{
    static const struct eng_verify_opts opts = { .level = REPO_VERIFIED_READBACK };
    struct repo_manifest *m;
    struct bench b;

    (void)state;
    open_bench(&b, FAKE_GRAPH_APOC_WHOLE, NULL);
    assert_true(run(&b));
    m = b.result.manifest;
    int64_t *const counts[] = { &m->nodes, &m->relationships, &m->properties, &m->indexes,
                                &m->constraints };
    for (size_t i = 0; i < NB_ARRAY_LEN(counts); i++) {
        ++*counts[i];
        assert_false(eng_verify_run(b.repo, m, &opts, NULL, &b.err));
        assert_string_equal(b.err.reason, "VerificationFailed");
        nb_error_clear(&b.err);
        --*counts[i];
    }
    assert_true(eng_verify_run(b.repo, m, &opts, NULL, &b.err));
    close_bench(&b);
}

static void apoc_of_no_use_is_a_warning_and_cypher(void **state)
{
    static const struct {
        enum fake_graph_apoc apoc;
        const char *warning;
    } cases[] = {
        { FAKE_GRAPH_APOC_NONE, "APOC not available" },
        { FAKE_GRAPH_APOC_WITHOUT_LAST, "its script has 499 relationships where the database has "
                                        "500" },
        { FAKE_GRAPH_APOC_STRANGE, "none that APOC writes: 'MATCH (n) SET" },
        { FAKE_GRAPH_APOC_CUT, "ends within a transaction" },
    };

    (void)state;
    for (size_t i = 0; i < NB_ARRAY_LEN(cases); i++) {
        struct bench b;

        open_bench(&b, cases[i].apoc, NULL);
        if (!run(&b))
            fail_msg("%s", b.err.text);
        assert_cypher(&b, cases[i].warning);
        close_bench(&b);
    }
}

static void export_that_breaks_off_is_a_warning_and_cypher(void **state)
{
    struct bench b;

    (void)state;
    open_bench(&b, FAKE_GRAPH_APOC_WHOLE, break_off);
    b.writes = 1;
    if (!run(&b))
        fail_msg("%s", b.err.text);
    assert_cypher(&b, "APOC was of no use");
    close_bench(&b);
}

static void written_to_meanwhile_it_is_as_the_consistency_says(void **state)
{
    struct bench b;

    (void)state;
    open_bench(&b, FAKE_GRAPH_APOC_WHOLE, write_meanwhile);
    b.writes = 1;
    assert_true(run(&b));
    assert_cypher(&b, "was written to while APOC exported it");
    close_bench(&b);

    open_bench(&b, FAKE_GRAPH_APOC_WHOLE, write_meanwhile);
    b.writes = 2;
    b.consistency = ENG_CONSISTENCY_QUIESCENT; /* again, until it is not */
    assert_true(run(&b));
    assert_string_equal(b.result.manifest->engine, "apoc");
    assert_int_equal(b.result.manifest->consistency, REPO_CONSISTENCY_SNAPSHOT);
    close_bench(&b);

    open_bench(&b, FAKE_GRAPH_APOC_WHOLE, write_meanwhile);
    b.writes = 1;
    b.consistency = ENG_CONSISTENCY_BEST_EFFORT;
    assert_true(run(&b));
    assert_string_equal(b.result.manifest->engine, "apoc");
    assert_int_equal(b.result.manifest->consistency, REPO_CONSISTENCY_BEST_EFFORT);
    assert_int_equal(b.result.manifest->nodes, NODES); /* as the script has them */
    assert_null(b.result.manifest->digest_nodes);
    close_bench(&b);
}

static const char *reads(const char *script)
{
    static struct nb_error err;
    nb_auto(eng_apoc_script_free) struct eng_apoc_script *s = eng_apoc_script_new();

    err = (struct nb_error)NB_ERROR_INIT;
    return eng_apoc_script_feed(s, script, strlen(script), &err) && eng_apoc_script_finish(s, &err)
               ? ""
               : err.reason;
}

static void script_is_of_whole_transactions_and_known_statements(void **state)
{
    (void)state;
    assert_string_equal(reads(":begin\nCREATE RANGE INDEX FOR (n:A) ON (n.x);\n:commit"), "");
    assert_string_equal(reads(""), "");
    assert_string_equal(reads(":begin\nCREATE RANGE INDEX FOR (n:A) ON (n.x);\n"), "CutDump");
    assert_string_equal(reads(":begin\nCREATE RANGE INDEX FOR (n:A"), "UnsupportedStatement");
    assert_string_equal(reads(":begin\nMATCH (n) DETACH DELETE n;\n:commit"),
                        "UnsupportedStatement");
    assert_string_equal(reads(":commit"), "UnsupportedStatement");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(apoc_writes_the_dump_and_the_manifest_says_so),
        cmocka_unit_test(readback_finds_counts_that_the_manifest_has_wrong),
        cmocka_unit_test(apoc_of_no_use_is_a_warning_and_cypher),
        cmocka_unit_test(export_that_breaks_off_is_a_warning_and_cypher),
        cmocka_unit_test(written_to_meanwhile_it_is_as_the_consistency_says),
        cmocka_unit_test(script_is_of_whole_transactions_and_known_statements),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
