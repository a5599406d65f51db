#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* src/main is no part of the library. */
#include "main/bar.c"
#include "main/cmd_backup.c"
#include "main/connect.c"
#include "main/databases.c"
#include "main/encryption.c"
#include "main/exit_codes.c"
#include "main/options.c"
#include "main/options_table.c"
#include "main/report.c"
#include "main/secret_dir.c"
#include "main/state_dir.c"
#include "main/waiting.c"
#include "s3/list.h"
#include "tests/fakes/fake_graph.h"
#include "tests/fakes/fake_s3.h"

/* The backup command on a server with several databases, into a bucket: which objects there are
 * afterwards, and what the report says. */

enum { ENV_MAX = 16, NODES = 20 };

struct world {
    struct fake_graph *g;
    struct fake_s3 *s3;
    char *env[ENV_MAX + 1];
    size_t env_n;
    struct context c;
    struct nb_error err;
    bool ok;
    char keys[2048]; /* of dumps, without prefix and time, sorted */
};

static const struct fake_graph_database three[] = {
    { "films", "online", "standard", NULL, false, NULL, false },
    { "movies", "online", "standard", "cinema", false, NULL, false },
    { "neo4j", "online", "standard", NULL, true, NULL, false },
    { "old", "offline", "standard", NULL, false, NULL, true },
    { "system", "online", "system", NULL, false, NULL, false },
};
static const struct fake_graph_database one_broken[] = {
    { "films", "online", "standard", NULL, false, NULL, false },
    { "movies", "quarantined", "standard", NULL, false, NULL, false },
    { "neo4j", "online", "standard", NULL, true, NULL, false },
};
static const struct fake_graph_database one_refuses[] = {
    { "films", "online", "standard", NULL, false,
      "Neo.ClientError.Security.Forbidden: access denied", false },
    { "neo4j", "online", "standard", NULL, true, NULL, false },
};

static void set(struct world *w, const char *name, const char *value)
{
    assert_true(w->env_n < ENV_MAX);
    w->env[w->env_n++] = nb_xasprintf("%s=%s", name, value);
}

static void setup(struct world *w, const struct fake_graph_database *list, size_t n)
{
    *w = (struct world){ .g = fake_graph_new(), .s3 = fake_s3_new(), .err = NB_ERROR_INIT };
    for (int64_t i = 0; i < NODES; i++)
        fake_graph_add_node(w->g, 'A', i, 0);
    fake_graph_set_databases(w->g, list, n);
    fake_graph_set_apoc(w->g, FAKE_GRAPH_APOC_WHOLE); /* not taken unless it is asked for */
    fake_graph_start(w->g, NULL, NULL);
    set(w, "NEO4J_URI", fake_graph_uri(w->g));
    set(w, "NEO4J_AUTH", "none");
    set(w, "R2_ENDPOINT", fake_s3_endpoint(w->s3));
    set(w, "R2_FORCE_PATH_STYLE", "true");
    set(w, "R2_BUCKET_NAME", FAKE_S3_BUCKET);
    set(w, "R2_ACCESS_KEY_ID", FAKE_S3_KEY_ID);
    set(w, "R2_SECRET_ACCESS_KEY", FAKE_S3_SECRET);
    set(w, "BACKUP_VERIFY_LEVEL", "Readback");
}

static bool take_key(void *ctx, const struct s3_list_entry *e, struct nb_error *err)
{
    struct world *w = ctx;
    const char *name = strrchr(e->key, '/') + 1, *end = strchr(name, '_');
    size_t n = strlen(w->keys);

    (void)err;
    if (nb_ends_with(e->key, ".manifest.json"))
        snprintf(w->keys + n, sizeof(w->keys) - n, "%s%.*s", n ? " " : "", (int)(end - name), name);
    return true;
}

static void run_backup(struct world *w)
{
    struct options *o = NULL;
    struct bucket b = { NULL, NULL };
    struct bucket_hooks hooks = { .quick = true };
    struct s3_list_opts list = { .prefix = "neo4j-backup/" };
    bool help, complete;

    assert_true(options_load(CMD_BACKUP, "backup", 0, NULL, w->env, &o, &help, &w->err));
    w->c.options = o;
    report_init(&w->c.report);
    w->ok = cmd_backup(&w->c, &w->err);
    assert_true(bucket_open(o, &hooks, NULL, &b, &w->err));
    assert_true(s3_list(b.client, &list, take_key, w, NULL, &complete, &w->err));
    bucket_close(&b);
    options_free(o);
}

static void teardown(struct world *w)
{
    report_done(&w->c.report);
    fake_graph_free(w->g);
    fake_s3_free(w->s3);
    for (size_t i = 0; i < w->env_n; i++)
        free(w->env[i]);
}

static void every_user_database_gets_an_object_of_its_own(void **state)
{
    struct world w;

    (void)state;
    setup(&w, three, NB_ARRAY_LEN(three));
    set(&w, "NEO4J_DATABASES", "*");
    run_backup(&w);
    if (!w.ok)
        fail_msg("%s", w.err.text);
    assert_string_equal(w.keys, "films movies neo4j");
    assert_int_equal(w.c.report.exit->code, EXIT_OK);
    assert_int_equal(w.c.report.databases, 3);
    assert_int_equal(w.c.report.nodes, 3 * NODES);
    assert_int_equal(w.c.report.failed_databases.n, 0);
    teardown(&w);
}

static void system_and_exclusions_are_heeded(void **state)
{
    struct world w;

    (void)state;
    setup(&w, three, NB_ARRAY_LEN(three));
    set(&w, "NEO4J_DATABASES", "*,cinema,MOVIES");
    set(&w, "NEO4J_EXCLUDE_DATABASES", "f?lms");
    set(&w, "NEO4J_INCLUDE_SYSTEM", "true");
    run_backup(&w);
    if (!w.ok)
        fail_msg("%s", w.err.text);
    assert_string_equal(w.keys, "movies neo4j system");
    assert_int_equal(w.c.report.databases, 3);
    teardown(&w);
}

/* Else the only whole backup would go for one of half a graph. */
static void nothing_is_deleted_for_a_backup_of_half_a_restore(void **state)
{
    static const struct {
        int64_t stamps;
        bool healthy;
        const char *keys;
    } runs[] = { { 0, true, "neo4j" }, { 1, false, "neo4j neo4j" }, { 0, true, "neo4j" } };
    struct world w;

    (void)state;
    setup(&w, three, NB_ARRAY_LEN(three));
    set(&w, "BACKUP_KEEP_LAST", "1");
    for (size_t i = 0; i < NB_ARRAY_LEN(runs); i++) {
        report_done(&w.c.report);
        w.keys[0] = '\0';
        fake_graph_set_stamps(w.g, runs[i].stamps);
        run_backup(&w);
        if (!w.ok)
            fail_msg("%s", w.err.text);
        assert_string_equal(w.keys, runs[i].keys);
        assert_int_equal(w.c.report.retention_healthy, runs[i].healthy);
        if (!runs[i].healthy)
            assert_string_equal(w.c.report.retention_reason, "RestoreUnderWay");
    }
    teardown(&w);
}

static void rest_is_backed_up_where_one_fails(void **state)
{
    static const struct {
        const struct fake_graph_database *list;
        size_t n;
        const char *names, *keys, *failed;
    } cases[] = {
        { one_broken, NB_ARRAY_LEN(one_broken), "*", "films neo4j", "movies" },
        { one_refuses, NB_ARRAY_LEN(one_refuses), "*", "neo4j", "films" },
        { three, NB_ARRAY_LEN(three), "nope,neo4j", "neo4j", "nope" },
        { three, NB_ARRAY_LEN(three), "old,neo4j", "neo4j", "old" },
    };

    (void)state;
    for (size_t i = 0; i < NB_ARRAY_LEN(cases); i++) {
        struct world w;

        setup(&w, cases[i].list, cases[i].n);
        set(&w, "NEO4J_DATABASES", cases[i].names);
        run_backup(&w);
        if (!w.ok)
            fail_msg("%s", w.err.text);
        assert_string_equal(w.keys, cases[i].keys);
        assert_int_equal(w.c.report.exit->code, EXIT_PARTIAL);
        assert_int_equal(w.c.report.failed_databases.n, 1);
        assert_string_equal(w.c.report.failed_databases.items[0], cases[i].failed);
        teardown(&w);
    }
}

static void first_failure_ends_the_run_where_that_is_wanted(void **state)
{
    struct world w;

    (void)state;
    setup(&w, one_broken, NB_ARRAY_LEN(one_broken));
    set(&w, "NEO4J_DATABASES", "*");
    set(&w, "BACKUP_DATABASE_FAILURE_POLICY", "Fail");
    run_backup(&w);
    assert_false(w.ok);
    assert_string_equal(w.err.reason, "DatabaseNotOnline");
    assert_int_equal(exit_of(&w.err)->code, EXIT_DATABASE_NOT_FOUND);
    assert_string_equal(w.keys, "films"); /* what came before it stays */
    teardown(&w);
}

static void nothing_backed_up_is_no_partial_success(void **state)
{
    struct world w;

    (void)state;
    setup(&w, three, NB_ARRAY_LEN(three));
    set(&w, "NEO4J_DATABASES", "nope,old");
    run_backup(&w);
    assert_false(w.ok);
    assert_int_equal(exit_of(&w.err)->code, EXIT_DATABASE_NOT_FOUND);
    assert_string_equal(w.keys, "");
    assert_int_equal(w.c.report.failed_databases.n, 2);
    teardown(&w);
}

/* The file that a backup is encrypted for is not there, and is not needed. */
static void encrypted_backup_needs_no_identity(void **state)
{
    static const char recipient[] =
        "age1xmwwc06ly3ee5rytxm9mflaz2u56jjj36s0mypdrwsvlul66mv4q47ryef";

    (void)state;
    for (int again = 0; again < 2; again++) {
        struct world w;

        setup(&w, three, NB_ARRAY_LEN(three));
        set(&w, "BACKUP_AGE_RECIPIENTS", again ? "age1oops" : recipient);
        run_backup(&w);
        assert_int_equal(w.ok, !again);
        if (again) {
            assert_int_equal(exit_of(&w.err)->code, EXIT_CONFIGURATION);
            assert_non_null(strstr(w.err.text, "BACKUP_AGE_RECIPIENTS"));
            assert_string_equal(w.keys, "");
        } else {
            assert_true(w.c.report.verification_ok);
            assert_string_equal(w.c.report.verification_level, "Readback");
            assert_true(nb_ends_with(w.c.report.key, ".cypher.gz.age"));
        }
        teardown(&w);
    }
}

static void engine_is_what_was_asked_for(void **state)
{
    static const struct {
        const char *engine, *type, *databases, *used; /* used NULL: refused */
    } cases[] = {
        { "Auto", "Full", "neo4j", "cypher" },     { "Cypher", "Full", "neo4j", "cypher" },
        { "Apoc", "Full", "neo4j,films", "apoc" }, { "Apoc", "Full", "system", "cypher" },
        { "Apoc", "Incremental", "neo4j", NULL },  { "Auto", "Incremental", "neo4j", "cypher" },
    };

    (void)state;
    for (size_t i = 0; i < NB_ARRAY_LEN(cases); i++) {
        struct world w;

        setup(&w, three, NB_ARRAY_LEN(three));
        set(&w, "NEO4J_DATABASES", cases[i].databases);
        set(&w, "BACKUP_ENGINE", cases[i].engine);
        set(&w, "BACKUP_TYPE", cases[i].type);
        run_backup(&w);
        if (w.ok != (cases[i].used != NULL))
            fail_msg("case %zu: %s", i, w.err.text);
        if (w.ok) {
            assert_string_equal(w.c.report.engine, cases[i].used);
        } else {
            assert_int_equal(exit_of(&w.err)->code, EXIT_CONFIGURATION);
            assert_non_null(strstr(w.err.text, "BACKUP_ENGINE"));
        }
        teardown(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_user_database_gets_an_object_of_its_own),
        cmocka_unit_test(system_and_exclusions_are_heeded),
        cmocka_unit_test(nothing_is_deleted_for_a_backup_of_half_a_restore),
        cmocka_unit_test(rest_is_backed_up_where_one_fails),
        cmocka_unit_test(first_failure_ends_the_run_where_that_is_wanted),
        cmocka_unit_test(nothing_backed_up_is_no_partial_success),
        cmocka_unit_test(encrypted_backup_needs_no_identity),
        cmocka_unit_test(engine_is_what_was_asked_for),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
