#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* src/main is no part of the library. */
#include "main/bar.c"
#include "main/cmd_verify.c"
#include "main/connect.c"
#include "main/encryption.c"
#include "main/exit_codes.c"
#include "main/options.c"
#include "main/options_table.c"
#include "main/report.c"
#include "main/secret_dir.c"
#include "main/state_dir.c"
#include "main/waiting.c"
#include "tests/fakes/fake_s3.h"

/* The command without keys: the newest backup of each database, and what it says when that is
 * damaged. */

enum { ENV_MAX = 16, T0 = 1759888800, DAY = 86400 };
#define DUMP "// a dump"

struct world {
    struct fake_s3 *s3;
    char *env[ENV_MAX + 1];
    size_t env_n;
    struct context c;
    struct nb_error err;
    bool ok;
};

static void set(struct world *w, const char *name, const char *value)
{
    assert_true(w->env_n < ENV_MAX);
    w->env[w->env_n++] = nb_xasprintf("%s=%s", name, value);
}

static void setup(struct world *w)
{
    *w = (struct world){ .s3 = fake_s3_new(), .err = NB_ERROR_INIT };
    set(w, "R2_ENDPOINT", fake_s3_endpoint(w->s3));
    set(w, "R2_FORCE_PATH_STYLE", "true");
    set(w, "R2_BUCKET_NAME", FAKE_S3_BUCKET);
    set(w, "R2_ACCESS_KEY_ID", FAKE_S3_KEY_ID);
    set(w, "R2_SECRET_ACCESS_KEY", FAKE_S3_SECRET);
    set(w, "BACKUP_OWNER", "ns/a");
    set(w, "BACKUP_VERIFY_LEVEL", "Checksum");
}

static void teardown(struct world *w)
{
    report_done(&w->c.report);
    fake_s3_free(w->s3);
    for (size_t i = 0; i < w->env_n; i++)
        free(w->env[i]);
}

static struct repo_manifest *manifest_of(struct repo_claim *c, const char *database, int64_t when,
                                         const struct s3_object *stored)
{
    struct repo_manifest *m = repo_manifest_new();
    struct repo_object *o = repo_manifest_add_object(m, repo_claim_dump_key(c));
    uint8_t sha[NB_SHA256_BYTES];

    nb_sha256(DUMP, strlen(DUMP), sha);
    nb_hex(sha, sizeof(sha), o->sha256);
    memcpy(m->plain_sha256, o->sha256, sizeof(m->plain_sha256));
    o->size = strlen(DUMP);
    snprintf(o->etag, sizeof(o->etag), "%s", stored->etag);
    m->database = nb_xstrdup(database);
    m->engine = nb_xstrdup("cypher");
    m->compression = nb_xstrdup("none");
    m->start_unix_seconds = when;
    m->completion_unix_seconds = when + 5;
    return m;
}

static void store(struct repo *repo, struct s3_client *client, const char *database, int64_t when)
{
    const struct repo_claim_opts o = { .database = database, .scheduled_unix_seconds = when };
    nb_auto(repo_claim_free) struct repo_claim *c = NULL;
    nb_auto(repo_manifest_free) struct repo_manifest *done = NULL, *m = NULL;
    struct nb_error err = NB_ERROR_INIT;
    struct s3_object stored;

    assert_true(repo_claim_new(repo, &o, NULL, &c, &done, &err));
    assert_true(
        s3_put(client, repo_claim_dump_key(c), DUMP, strlen(DUMP), NULL, NULL, &stored, &err));
    m = manifest_of(c, database, when, &stored);
    if (!repo_commit(c, m, NULL, &err))
        fail_msg("%s", err.text);
}

/* Two of "neo4j", and one of "other". */
static void fill(struct world *w, const struct options *o)
{
    nb_auto_done(bucket_close) struct bucket b = { NULL, NULL };
    struct bucket_hooks hooks = { .quick = true };

    assert_true(bucket_open(o, &hooks, NULL, &b, &w->err));
    store(b.repo, b.client, "neo4j", T0);
    store(b.repo, b.client, "neo4j", T0 + DAY);
    store(b.repo, b.client, "other", T0);
}

/* key: what lies there afterwards is of another size; NULL: all is well. */
static void verify_with(struct world *w, const char *key)
{
    struct options *o = NULL;
    bool help;

    setup(w);
    assert_true(options_load(CMD_VERIFY, "verify", 0, NULL, w->env, &o, &help, &w->err));
    fill(w, o);
    if (key)
        fake_s3_put(w->s3, key, "short", 5);
    w->c.options = o;
    report_init(&w->c.report);
    w->ok = cmd_verify(&w->c, &w->err);
    options_free(o);
}

static void newest_of_each_database_is_verified(void **state)
{
    struct world w;

    (void)state;
    verify_with(&w, NULL);
    if (!w.ok)
        fail_msg("%s", w.err.text);
    assert_true(w.c.report.verification_ok);
    teardown(&w);
}

static void damaged_newest_backup_fails(void **state)
{
    static const char *const keys[] = { "neo4j-backup/neo4j_2025-10-09_02-00-00.cypher",
                                        "neo4j-backup/other_2025-10-08_02-00-00.cypher" };

    (void)state;
    for (size_t i = 0; i < NB_ARRAY_LEN(keys); i++) {
        struct world w;

        verify_with(&w, keys[i]);
        assert_false(w.ok);
        assert_false(w.c.report.verification_ok);
        assert_int_equal(exit_of(&w.err)->code, EXIT_VERIFICATION);
        assert_non_null(strstr(w.err.text, i == 0 ? "'neo4j' is damaged" : "'other' is damaged"));
        teardown(&w);
    }
}

static void damaged_older_backup_does_not(void **state)
{
    struct world w;

    (void)state;
    verify_with(&w, "neo4j-backup/neo4j_2025-10-08_02-00-00.cypher");
    assert_true(w.ok);
    teardown(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(newest_of_each_database_is_verified),
        cmocka_unit_test(damaged_newest_backup_fails),
        cmocka_unit_test(damaged_older_backup_does_not),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
