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
#include "tests/fakes/s3_fixture.h"

/* The restore command with backups of two databases: what it looks at before it writes. The fake
 * server takes no writes: whoever gets as far as that fails with its refusal. */

enum { ENV_MAX = 16 };

struct world {
    struct fake_graph *g;
    struct fake_s3 *s3;
    char *env[ENV_MAX + 1];
    size_t env_n;
    struct context c;
    struct nb_error err;
};

static const struct fake_graph_database two[] = {
    { "films", "online", "standard", NULL, false, NULL, false },
    { "neo4j", "online", "standard", NULL, true, NULL, false },
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

static void setup(struct world *w)
{
    *w = (struct world){ .g = fake_graph_new(), .s3 = fake_s3_new(), .err = NB_ERROR_INIT };
    fake_graph_add_node(w->g, 'A', 1, 0);
    fake_graph_set_databases(w->g, two, NB_ARRAY_LEN(two));
    fake_graph_start(w->g, NULL, NULL);
    back_up(w, "films");
    back_up(w, "neo4j");
    set(w, "NEO4J_URI", fake_graph_uri(w->g));
    set(w, "NEO4J_AUTH", "none");
    set(w, "R2_ENDPOINT", fake_s3_endpoint(w->s3));
    set(w, "R2_FORCE_PATH_STYLE", "true");
    set(w, "R2_BUCKET_NAME", FAKE_S3_BUCKET);
    set(w, "R2_ACCESS_KEY_ID", FAKE_S3_KEY_ID);
    set(w, "R2_SECRET_ACCESS_KEY", FAKE_S3_SECRET);
    set(w, "BACKUP_OWNER", "sidecar");
    set(w, "BACKUP_RETRY_WINDOW_SECONDS", "0");
    set(w, "RESTORE_OVERWRITE_POLICY", "Wipe");
}

static void restore_fails(struct world *w, const char *reason)
{
    struct options *o = NULL;
    bool help;

    assert_true(options_load(CMD_RESTORE, "restore", 0, NULL, w->env, &o, &help, &w->err));
    w->c.options = o;
    report_init(&w->c.report);
    assert_false(cmd_restore(&w->c, &w->err));
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
        cmocka_unit_test(wipe_is_confirmed_for_all_before_the_first),
        cmocka_unit_test(wipe_finds_a_missing_target_before_the_first),
        cmocka_unit_test(newer_backup_that_is_passed_over_is_told),
        cmocka_unit_test(fail_into_what_was_interrupted_says_so),
        cmocka_unit_test(merge_into_what_was_interrupted_is_refused_for_all),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
