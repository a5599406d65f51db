#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* src/main is no part of the library. */
#include "engine/backup.h"
#include "main/bar.c"
#include "main/cmd_restore.c"
#include "main/connect.c"
#include "main/encryption.c"
#include "main/exit_codes.c"
#include "main/options.c"
#include "main/options_table.c"
#include "main/report.c"
#include "main/secret_dir.c"
#include "main/waiting.c"
#include "tests/fakes/fake_graph.h"
#include "tests/fakes/fake_target.h"
#include "tests/fakes/s3_fixture.h"

/* The restore command with backups of two databases: what it looks at before it writes, where the
 * fake server that was backed up takes no writes, so that whoever gets as far as that fails with its
 * refusal; and what goes where, in another fake that does. */

enum { ENV_MAX = 16 };

struct world {
    struct fake_graph *g;
    struct fake_s3 *s3;
    char *env[ENV_MAX + 1];
    size_t env_n;
    struct context c;
    struct nb_error err;
};

static const struct fake_graph_database databases[] = {
    { "films", "online", "standard", NULL, false, NULL, false },
    { "neo4j", "online", "standard", NULL, true, NULL, false },
    { "system", "online", "system", NULL, false, NULL, false },
};

static void set(struct world *w, const char *name, const char *value)
{
    assert_true(w->env_n < ENV_MAX);
    w->env[w->env_n++] = nb_xasprintf("%s=%s", name, value);
}

static void back_up(struct world *w, const char *database)
{
    struct repo_opts repo_opts = { .prefix = "neo4j-backup", .owner = "sidecar" };
    nb_auto_done(eng_backup_result_done) struct eng_backup_result result = { NULL };
    struct eng_backup_opts opts = { .neo4j = BOLT_CONN_OPTS_INIT,
                                    .database = database,
                                    .gzip_level = 1,
                                    .gzip_threads = 1,
                                    .scheduled_unix_seconds = 1760000000 };
    struct repo *repo;

    opts.neo4j.uri = fake_graph_uri(w->g);
    repo_opts.client = s3_fixture_client(w->s3, NULL);
    assert_true(repo_open(&repo_opts, &repo, &w->err));
    opts.repo = repo;
    if (!eng_backup_run(&opts, &result, &w->err))
        fail_msg("%s", w->err.text);
    repo_free(repo);
    s3_client_free(repo_opts.client);
}

static void setup_neo4j(struct world *w, const char *uri, const char *policy)
{
    set(w, "NEO4J_URI", uri);
    set(w, "RESTORE_OVERWRITE_POLICY", policy);
}

static void setup_backups(struct world *w)
{
    *w = (struct world){ .g = fake_graph_new(), .s3 = fake_s3_new(), .err = NB_ERROR_INIT };
    fake_graph_add_node(w->g, 'A', 1, 0);
    fake_graph_set_databases(w->g, databases, NB_ARRAY_LEN(databases));
    fake_graph_start(w->g, NULL, NULL);
    back_up(w, "films");
    back_up(w, "neo4j");
    set(w, "NEO4J_AUTH", "none");
    set(w, "R2_ENDPOINT", fake_s3_endpoint(w->s3));
    set(w, "R2_FORCE_PATH_STYLE", "true");
    set(w, "R2_BUCKET_NAME", FAKE_S3_BUCKET);
    set(w, "R2_ACCESS_KEY_ID", FAKE_S3_KEY_ID);
    set(w, "R2_SECRET_ACCESS_KEY", FAKE_S3_SECRET);
    set(w, "BACKUP_OWNER", "sidecar");
    set(w, "BACKUP_RETRY_WINDOW_SECONDS", "0");
}

static void setup(struct world *w)
{
    setup_backups(w);
    setup_neo4j(w, fake_graph_uri(w->g), "Wipe");
}

static struct options *run_restore(struct world *w, bool *ret_ok)
{
    struct options *o = NULL;
    bool help;

    assert_true(options_load(CMD_RESTORE, "restore", 0, NULL, w->env, &o, &help, &w->err));
    w->c.options = o;
    report_init(&w->c.report);
    *ret_ok = cmd_restore(&w->c, &w->err);
    return o;
}

static void restore_fails(struct world *w, const char *reason)
{
    bool done;
    struct options *o = run_restore(w, &done);

    assert_false(done);
    if (!nb_streq(w->err.reason, reason))
        fail_msg("%s, not %s: %s", w->err.reason, reason, w->err.text);
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

#define SYSTEM_STEM "neo4j-backup/system_2025-10-09_08-53-20"

/* Of all, the graphs are restored; how users and roles come back is said, and named it is refused. */
static void system_is_left_out_and_refused_where_it_is_named(void **state)
{
    static const struct {
        const char *name, *value;
        bool refused;
    } cases[] = {
        { NULL, NULL, false },
        { "RESTORE_DATABASES", "films,neo4j", false },
        { "RESTORE_DATABASES", "System", true },
        { "RESTORE_MAPPING", "system=users", true },
        { "RESTORE_KEYS", SYSTEM_STEM ".manifest.json", true },
    };

    (void)state;
    for (size_t i = 0; i < NB_ARRAY_LEN(cases); i++) {
        struct world w;

        setup(&w);
        back_up(&w, "system");
        set(&w, "RESTORE_CONFIRM", "films");
        if (cases[i].name)
            set(&w, cases[i].name, cases[i].value);
        restore_fails(&w, cases[i].refused ? "SystemDatabase" : "ConfirmMismatch");
        assert_int_equal(exit_of(&w.err)->code, EXIT_CONFIGURATION);
        if (cases[i].refused || !cases[i].name)
            assert_non_null(strstr(cases[i].refused ? w.err.text : w.c.report.message,
                                   "neo4j-backup fetch " SYSTEM_STEM
                                   ".manifest.json --plain | cypher-shell -d system"));
        else
            assert_string_equal(w.c.report.message, "");
        teardown(&w);
    }
}

static void wipe_is_confirmed_for_all_before_the_first(void **state)
{
    struct world w;

    (void)state;
    setup(&w);
    set(&w, "RESTORE_CONFIRM", "films");
    restore_fails(&w, "ConfirmMismatch");
    assert_non_null(strstr(w.err.text, "nothing was written"));
    assert_non_null(strstr(w.err.text, "'neo4j'"));
    teardown(&w);
}

static void wipe_finds_a_missing_target_before_the_first(void **state)
{
    struct world w;

    (void)state;
    setup(&w);
    set(&w, "RESTORE_CONFIRM", "films,nope");
    set(&w, "RESTORE_MAPPING", "neo4j=nope");
    restore_fails(&w, "Neo4jDatabaseNotFound");
    assert_non_null(strstr(w.err.text, "nothing was written"));
    teardown(&w);
}

/* Each backup goes where it is told, and only there; what is not mapped goes by its own name. */
static void mapped_databases_go_into_others(void **state)
{
    static const char *const targets[] = { "neo4j", "films", "alpha", "beta", NULL };
    static const struct {
        const char *mapping, *into[2];
    } cases[] = {
        { "films=alpha,neo4j=beta", { "alpha", "beta" } },
        { "Neo4j=films,films=neo4j", { "films", "neo4j" } },
        { "films=beta", { "beta", "neo4j" } },
    };

    (void)state;
    for (size_t i = 0; i < NB_ARRAY_LEN(cases); i++) {
        struct fake_target *target = fake_target_start(targets);
        struct options *o;
        struct world w;
        bool done;

        setup_backups(&w);
        setup_neo4j(&w, fake_target_uri(target), "Fail");
        set(&w, "RESTORE_MAPPING", cases[i].mapping);
        o = run_restore(&w, &done);
        if (!done)
            fail_msg("%s", w.err.text);
        assert_int_equal(w.c.report.exit->code, EXIT_OK);
        assert_int_equal(w.c.report.databases, 2);
        assert_int_equal(w.c.report.nodes, 2);
        for (size_t k = 0; targets[k]; k++) {
            struct fake_target_counts counts = fake_target_counts(target, targets[k]);
            bool wanted =
                nb_streq(targets[k], cases[i].into[0]) || nb_streq(targets[k], cases[i].into[1]);

            assert_int_equal(counts.nodes, wanted);
            assert_int_equal(counts.schema, wanted ? 3 : 0);
        }
        options_free(o);
        teardown(&w);
        fake_target_free(target);
    }
}

/* The dump of the newest is gone: the one before is taken, and not without a word. */
static void newer_backup_that_is_passed_over_is_told(void **state)
{
    struct world w;

    (void)state;
    setup(&w);
    back_up(&w, "films");
    assert_true(fake_s3_delete(w.s3, "neo4j-backup/films_2025-10-09_08-53-20-2.cypher.gz"));
    set(&w, "RESTORE_CONFIRM", "films");
    restore_fails(&w, "ConfirmMismatch"); /* as far as that it has found what to restore */
    if (!strstr(w.c.report.message,
                "'neo4j-backup/films_2025-10-09_08-53-20-2.manifest.json' is newer, and was passed "
                "over, for it is Deleting") ||
        !strstr(w.c.report.message, "taken: neo4j-backup/films_2025-10-09_08-53-20.manifest.json"))
        fail_msg("'%s'", w.c.report.message);
    /* Retention is kept off what was chosen, and off nothing else. */
    assert_true(fake_s3_has(w.s3, "neo4j-backup/films_2025-10-09_08-53-20.hold"));
    assert_false(fake_s3_has(w.s3, "neo4j-backup/films_2025-10-09_08-53-20-2.hold"));
    teardown(&w);
}

/* The targets of a restore that came as far as the first write. */
static void restore_interrupted_fails(const char *policy, const char *with_hint)
{
    struct world w;

    setup(&w);
    w.env_n--; /* the policy is the last */
    free(w.env[w.env_n]);
    w.env[w.env_n] = NULL;
    set(&w, "RESTORE_OVERWRITE_POLICY", policy);
    fake_graph_set_stamps(w.g, 2);
    restore_fails(&w, "TargetNotEmpty");
    if (!strstr(w.err.text, "interrupted") || !strstr(w.err.text, with_hint))
        fail_msg("%s: '%s'", policy, w.err.text);
    teardown(&w);
}

static void fail_into_what_was_interrupted_says_so(void **state)
{
    (void)state;
    restore_interrupted_fails("Fail", "restore again with the overwrite policy Wipe");
}

static void merge_into_what_was_interrupted_is_refused_for_all(void **state)
{
    (void)state;
    restore_interrupted_fails("Merge", "nothing was written");
    restore_interrupted_fails("Merge", "'films'");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(system_is_left_out_and_refused_where_it_is_named),
        cmocka_unit_test(wipe_is_confirmed_for_all_before_the_first),
        cmocka_unit_test(wipe_finds_a_missing_target_before_the_first),
        cmocka_unit_test(mapped_databases_go_into_others),
        cmocka_unit_test(newer_backup_that_is_passed_over_is_told),
        cmocka_unit_test(fail_into_what_was_interrupted_says_so),
        cmocka_unit_test(merge_into_what_was_interrupted_is_refused_for_all),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
