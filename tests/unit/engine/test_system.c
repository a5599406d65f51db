#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/mem.h"
#include "cypher/reader.h"
#include "engine/export.h"
#include "tests/fakes/fake_graph.h"

/* The system database of a fake: what becomes of users and roles. */

enum { DUMP_MAX = 1 << 20, STATEMENTS_MAX = 32 };

struct run {
    struct fake_graph *g;
    struct nb_buf dump;
    struct repo_manifest *m;
    struct nb_error err;
    bool ok;
    unsigned writes; /* still to come, one before each list of users */
    char *statements[STATEMENTS_MAX];
    size_t n;
};

static const struct fake_graph_database databases[] = {
    { "movies", "online", "standard", "films", true, NULL, false },
    { "parts", "online", "composite", NULL, false, NULL, false },
    { "system", "online", "system", NULL, false, NULL, false },
};

static enum fake_graph_break on_row(void *ctx, struct fake_graph *g, enum fake_graph_query query,
                                    uint64_t row)
{
    struct run *r = ctx;

    /* After the mark, which is a query of this kind without rows. */
    if (query == FAKE_GRAPH_OTHER && row == 1 && r->writes > 0) {
        r->writes--;
        fake_graph_touch(g);
    }
    return FAKE_GRAPH_GO_ON;
}

static void export_system(struct run *r, bool enterprise, unsigned writes)
{
    struct eng_source_opts source_opts = { .bolt = BOLT_CONN_OPTS_INIT, .database = "system" };
    struct eng_meter meter = { .stage = ENG_CONNECTING };
    struct eng_source *source = NULL;
    struct sink *sink;
    struct eng_export_opts opts = { .meter = &meter, .tool = "test", .digest = true };

    *r = (struct run){ .g = fake_graph_new(), .dump = NB_BUF_INIT(DUMP_MAX), .err = NB_ERROR_INIT };
    r->writes = writes;
    r->m = repo_manifest_new();
    opts.out = sink = sink_buf_new(&r->dump);
    fake_graph_set_databases(r->g, databases, NB_ARRAY_LEN(databases));
    fake_graph_set_enterprise(r->g, enterprise);
    fake_graph_start(r->g, on_row, r);
    source_opts.bolt.uri = fake_graph_uri(r->g);
    r->ok = eng_source_open(&source_opts, &source, &r->err);
    opts.source = source;
    r->ok = r->ok && eng_export_run(&opts, r->m, &r->err);
    eng_source_close(source);
    sink_free(sink);
}

static void done(struct run *r)
{
    for (size_t i = 0; i < r->n; i++)
        free(r->statements[i]);
    fake_graph_free(r->g);
    nb_buf_done(&r->dump);
    repo_manifest_free(r->m);
}

static bool on_statement(void *ctx, struct nb_str s, struct nb_error *err)
{
    struct run *r = ctx;
    const char *hash;

    (void)err;
    assert_true(r->n < STATEMENTS_MAX);
    r->statements[r->n] = nb_xstrndup(s.p, s.n);
    /* The random part, which is not to be compared. */
    hash = strstr(r->statements[r->n], "'1,");
    if (hash)
        memset(r->statements[r->n] + (hash - r->statements[r->n]) + 3, 'x', 129);
    r->n++;
    return true;
}

static bool no_node(void *ctx, const struct cyp_node_row *row, struct nb_error *err)
{
    (void)ctx;
    (void)row;
    (void)err;
    fail_msg("a node in the system database");
    return false;
}

/* By the reader that verifies backups too. */
static void read_statements(struct run *r)
{
    static const struct cyp_reader_ops ops = { .node = no_node, .other = on_statement };
    struct cyp_reader_opts opts = { .any_script = false };
    struct cyp_reader *reader = cyp_reader_new(&opts, &ops, r);
    struct nb_error err = NB_ERROR_INIT;

    if (!cyp_reader_feed(reader, r->dump.data, r->dump.len, &err) ||
        !cyp_reader_finish(reader, &err))
        fail_msg("%s", err.text);
    cyp_reader_free(reader);
}

#define HASH                                                                                       \
    "'1,xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"                          \
    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx'"

static void assert_statements(struct run *r, const char *const *expected, size_t n)
{
    read_statements(r);
    for (size_t i = 0; i < r->n && i < n; i++)
        assert_string_equal(r->statements[i], expected[i]);
    assert_int_equal(r->n, n);
}

static void community_has_users_without_passwords(void **state)
{
    static const char *const expected[] = {
        "CREATE USER `ann` IF NOT EXISTS SET ENCRYPTED PASSWORD " HASH " CHANGE REQUIRED",
        "CREATE USER `neo4j` IF NOT EXISTS SET ENCRYPTED PASSWORD " HASH " CHANGE REQUIRED",
    };
    struct run r;

    (void)state;
    export_system(&r, false, 0);
    assert_true(r.ok);
    assert_string_equal(r.m->database, "system");
    assert_int_equal(r.m->nodes, 0);
    assert_int_equal(r.m->warnings.n, 2);
    assert_int_equal(r.m->consistency, REPO_CONSISTENCY_SNAPSHOT);
    assert_non_null(strstr(r.m->warnings.items[0], "passwords are not in this backup"));
    assert_non_null(
        memmem(r.dump.data, r.dump.len, "// warning: passwords", strlen("// warning: passwords")));
    assert_statements(&r, expected, NB_ARRAY_LEN(expected));
    done(&r);
}

static void enterprise_has_databases_roles_and_privileges_too(void **state)
{
    static const char *const expected[] = {
        "CREATE DATABASE `movies` IF NOT EXISTS",
        "CREATE ALIAS `films` IF NOT EXISTS FOR DATABASE `movies`",
        "CREATE ROLE `admin` IF NOT EXISTS",
        "CREATE ROLE `aud``itor` IF NOT EXISTS",
        "GRANT MATCH {*} ON GRAPH * NODE * TO `aud``itor`",
        "CREATE USER `ann` IF NOT EXISTS SET ENCRYPTED PASSWORD " HASH " CHANGE REQUIRED"
        " SET STATUS SUSPENDED SET HOME DATABASE `movies`",
        "CREATE USER `neo4j` IF NOT EXISTS SET ENCRYPTED PASSWORD " HASH " CHANGE REQUIRED",
        "GRANT ROLE `aud``itor` TO `ann`",
        "GRANT ROLE `admin` TO `neo4j`",
    };
    struct run r;

    (void)state;
    export_system(&r, true, 0);
    assert_true(r.ok);
    assert_int_equal(r.m->warnings.n, 3);
    assert_statements(&r, expected, NB_ARRAY_LEN(expected));
    done(&r);
}

static void changes_meanwhile_make_it_read_again_but_not_for_ever(void **state)
{
    struct run r;

    (void)state;
    export_system(&r, false, 2);
    assert_true(r.ok);
    read_statements(&r);
    assert_int_equal(r.n, 2);
    done(&r);
    export_system(&r, false, 1000);
    assert_false(r.ok);
    assert_string_equal(r.err.reason, "NotClosed");
    assert_int_equal(r.dump.len, 0);
    done(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(community_has_users_without_passwords),
        cmocka_unit_test(enterprise_has_databases_roles_and_privileges_too),
        cmocka_unit_test(changes_meanwhile_make_it_read_again_but_not_for_ever),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
