#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

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
#include "main/safety.c"
#include "main/secret_dir.c"
#include "main/waiting.c"
#include "tests/fakes/fake_graph.h"
#include "tests/fakes/fake_target.h"
#include "tests/fakes/s3_fixture.h"

/* The restore command with backups of two databases: what it looks at before it writes, where the
 * fake server that was backed up takes no writes, so that whoever gets as far as that fails with its
 * refusal; and what goes where, in another fake that does. */

enum { ENV_MAX = 24 };

#define IDENTITY        "AGE-SECRET-KEY-1EGTZVFFV20835NWYV6270LXYVK2VKNX2MMDKWYKLMGR48UAWX40Q2P2LM0"
#define RECIPIENT       "age1xmwwc06ly3ee5rytxm9mflaz2u56jjj36s0mypdrwsvlul66mv4q47ryef"
/* By BACKUP_SCHEDULED_TIME. */
#define SAFETY_MANIFEST "neo4j-backup/films_2025-11-01_00-00-00.manifest.json"
#define SAFETY_OWNER    "sidecar:safety"

/* What the server was asked. It serves one connection at a time, and a wipe wants two: it denies
 * what comes behind the point that a test looks at. */
struct spy {
    struct fake_s3 *s3;
    const char *deny_once_stored; /* a key; NULL: never */
    unsigned deny_schema_at;      /* the reading of constraints with this number, from 1 */
    bool empty;                   /* the graph, before the first answer */
    unsigned schemas, exports, deletes;
};

struct world {
    struct spy spy;
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

static enum fake_graph_break on_row(void *ctx, struct fake_graph *g, enum fake_graph_query query,
                                    uint64_t row)
{
    struct spy *spy = ctx;
    const char *text = fake_graph_query_text(g);
    bool is_schema = nb_starts_with(text, "SHOW CONSTRAINTS YIELD name, type, createStatement");

    if (spy->empty) {
        fake_graph_delete_node(g, 0);
        fake_graph_set_bare(g, true);
    }
    spy->empty = false;
    spy->schemas += is_schema && row == 0;
    spy->exports += query == FAKE_GRAPH_NODES && row == 0;
    spy->deletes += strstr(text, "DELETE") || strstr(text, "DROP");
    if ((spy->deny_once_stored && fake_s3_has(spy->s3, spy->deny_once_stored)) ||
        (is_schema && spy->schemas == spy->deny_schema_at))
        return FAKE_GRAPH_DENIED;
    return FAKE_GRAPH_GO_ON;
}

static void back_up_to(struct world *w, const char *database, const struct age_writer_opts *to)
{
    struct repo_opts repo_opts = { .prefix = "neo4j-backup", .owner = "sidecar" };
    nb_auto_done(eng_backup_result_done) struct eng_backup_result result = { NULL };
    struct eng_backup_opts opts = { .neo4j = BOLT_CONN_OPTS_INIT,
                                    .database = database,
                                    .gzip_level = 1,
                                    .gzip_threads = 1,
                                    .encryption = to,
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

static void back_up(struct world *w, const char *database)
{
    back_up_to(w, database, NULL);
}

static void setup_neo4j(struct world *w, const char *uri, const char *policy)
{
    set(w, "NEO4J_URI", uri);
    set(w, "RESTORE_OVERWRITE_POLICY", policy);
}

static void setup_backups(struct world *w, int64_t marks)
{
    *w = (struct world){ .g = fake_graph_new(), .s3 = fake_s3_new(), .err = NB_ERROR_INIT };
    w->spy.s3 = w->s3;
    fake_graph_add_node(w->g, 'A', 1, 0);
    fake_graph_set_databases(w->g, databases, NB_ARRAY_LEN(databases));
    fake_graph_set_stamps(w->g, marks);
    fake_graph_start(w->g, on_row, &w->spy);
    back_up(w, "films");
    back_up(w, "neo4j");
    w->spy.schemas = w->spy.exports = 0;
    set(w, "NEO4J_AUTH", "none");
    set(w, "R2_ENDPOINT", fake_s3_endpoint(w->s3));
    set(w, "R2_FORCE_PATH_STYLE", "true");
    set(w, "R2_BUCKET_NAME", FAKE_S3_BUCKET);
    set(w, "R2_ACCESS_KEY_ID", FAKE_S3_KEY_ID);
    set(w, "R2_SECRET_ACCESS_KEY", FAKE_S3_SECRET);
    set(w, "BACKUP_OWNER", "sidecar");
    set(w, "BACKUP_RETRY_WINDOW_SECONDS", "0");
}

static void setup_marked(struct world *w, int64_t marks)
{
    setup_backups(w, marks);
    setup_neo4j(w, fake_graph_uri(w->g), "Wipe");
}

static void setup(struct world *w)
{
    setup_marked(w, 0);
}

static struct options *run_restore(struct world *w, bool *ret_ok)
{
    struct options *o = NULL;
    bool help;

    assert_true(options_load(CMD_RESTORE, "restore", 0, NULL, w->env, &o, &help, &w->err));
    w->c.options = o;
    nb_error_clear(&w->err);
    report_done(&w->c.report);
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

static void mapping_that_is_none_is_shown(void **state)
{
    struct world w;

    (void)state;
    setup(&w);
    set(&w, "RESTORE_CONFIRM", "films,neo4j");
    set(&w, "RESTORE_MAPPING", "neo4j");
    restore_fails(&w, "InvalidConfiguration");
    assert_non_null(strstr(w.err.text, "RESTORE_MAPPING has no equals sign in 'neo4j'"));
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

        setup_backups(&w, 0);
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

/* --- safety backups --------------------------------------------------------------------------- */

static void set_films(struct world *w)
{
    set(w, "RESTORE_CONFIRM", "films");
    set(w, "RESTORE_DATABASES", "films");
    set(w, "BACKUP_SCHEDULED_TIME", "2025-11-01T00:00:00Z");
}

static struct repo *open_repo(struct world *w, const char *owner, struct s3_client **ret_client)
{
    struct repo_opts opts = { .prefix = "neo4j-backup", .owner = owner };
    struct repo *repo;

    opts.client = *ret_client = s3_fixture_client(w->s3, NULL);
    assert_true(repo_open(&opts, &repo, &w->err));
    return repo;
}

static size_t backups_of(struct world *w, const char *owner)
{
    nb_auto_done(repo_backups_done) struct repo_backups all = REPO_BACKUPS_INIT;
    struct repo_list_opts opts = { .ours_only = true };
    struct s3_client *client;
    struct repo *repo = open_repo(w, owner, &client);
    size_t n = 0;

    nb_error_clear(&w->err);
    assert_true(repo_list(repo, &opts, NULL, &all, &w->err));
    for (size_t i = 0; i < all.n; i++)
        n += all.items[i].ours && all.items[i].state == REPO_COMPLETE;
    repo_free(repo);
    s3_client_free(client);
    return n;
}

static struct repo_manifest *safety_manifest(struct world *w)
{
    nb_auto_done(nb_buf_done) struct nb_buf text = NB_BUF_INIT(REPO_MANIFEST_MAX_BYTES);
    struct repo_manifest *m;

    nb_error_clear(&w->err);
    assert_true(fake_s3_get(w->s3, SAFETY_MANIFEST, &text));
    assert_true(repo_manifest_parse(nb_buf_cstr(&text), text.len, &m, &w->err));
    return m;
}

static void what_is_wiped_is_backed_up_first(void **state)
{
    struct world w;
    nb_auto(repo_manifest_free) struct repo_manifest *m = NULL;

    (void)state;
    setup(&w);
    set_films(&w);
    w.spy.deny_once_stored = SAFETY_MANIFEST;
    restore_fails(&w, "Neo4jDenied");
    assert_string_equal(w.c.report.safety_backup, SAFETY_MANIFEST);
    assert_int_equal(w.spy.deletes, 0);
    m = safety_manifest(&w);
    assert_string_equal(m->owner, SAFETY_OWNER);
    assert_string_equal(m->database, "films");
    assert_int_equal(m->nodes, 1);
    assert_int_equal(m->recipients.n, 0);
    assert_false(fake_s3_has(w.s3, "neo4j-backup/films_2025-11-01_00-00-00.claim.json"));
    teardown(&w);
}

/* It is newer than the owner's newest, and none of his. */
static void safety_backup_is_no_backup_of_its_owner(void **state)
{
    struct repo_prune_opts opts = { .rules = { .days = -1, .keep_last = 1 } };
    nb_auto_done(repo_prune_result_done) struct repo_prune_result pruned = { NULL };
    nb_auto(repo_manifest_free) struct repo_manifest *m = NULL;
    char key[REPO_KEY_MAX + 1];
    struct s3_client *client;
    struct repo *repo;
    struct world w;

    (void)state;
    setup(&w);
    set_films(&w);
    w.spy.deny_once_stored = SAFETY_MANIFEST;
    restore_fails(&w, "Neo4jDenied");
    nb_error_clear(&w.err);
    repo = open_repo(&w, "sidecar", &client);
    assert_true(repo_find(repo, "films", 0, NULL, &m, key, &w.err));
    assert_string_equal(key, "neo4j-backup/films_2025-10-09_08-53-20.manifest.json");
    opts.rules.minimum_successful = 1;
    assert_true(repo_prune(repo, &opts, NULL, &pruned, &w.err));
    assert_int_equal(pruned.deleted, 0);
    assert_int_equal(pruned.kept, 2);
    repo_free(repo);
    s3_client_free(client);
    assert_int_equal(backups_of(&w, "sidecar"), 2);
    assert_int_equal(backups_of(&w, SAFETY_OWNER), 1);
    teardown(&w);
}

static void deny_puts(void *ctx, const struct fake_s3_op *op, struct fake_s3_fault *fault)
{
    (void)ctx;
    if (nb_streq(op->name, "PutObject")) {
        fault->status = 403;
        fault->code = "AccessDenied";
    }
}

static void nothing_is_written_where_the_safety_backup_fails(void **state)
{
    struct world w;

    (void)state;
    setup(&w);
    set_films(&w);
    fake_s3_set_hook(w.s3, deny_puts, NULL);
    restore_fails(&w, "AccessDenied");
    if (!nb_starts_with(w.err.text, "the safety backup of what the target holds failed, nothing "
                                    "was written"))
        fail_msg("'%s'", w.err.text);
    assert_null(w.c.report.safety_backup);
    assert_int_equal(w.spy.deletes, 0);
    teardown(&w);
}

static void none_makes_none(void **state)
{
    struct world w;

    (void)state;
    setup(&w);
    set_films(&w);
    set(&w, "RESTORE_SAFETY_BACKUP", "none");
    w.spy.deny_schema_at = 1; /* the wipe's */
    restore_fails(&w, "RestoreIncomplete");
    assert_int_equal(w.spy.exports, 0);
    assert_int_equal(backups_of(&w, SAFETY_OWNER), 0);
    teardown(&w);
}

static void empty_target_needs_none(void **state)
{
    struct world w;

    (void)state;
    setup(&w);
    set_films(&w);
    w.spy.empty = true;
    w.spy.deny_schema_at = 3; /* the wipe's */
    restore_fails(&w, "RestoreIncomplete");
    assert_int_equal(w.spy.exports, 0);
    assert_int_equal(backups_of(&w, SAFETY_OWNER), 0);
    teardown(&w);
}

static void encrypted_dump_is_followed_by_an_encrypted_safety_backup(void **state)
{
    nb_auto(repo_manifest_free) struct repo_manifest *m = NULL;
    struct age_recipient recipient;
    struct age_writer_opts to = { .recipients = &recipient, .recipients_n = 1 };
    char path[] = "/tmp/nb-identity-XXXXXX";
    int fd = mkstemp(path);
    struct world w;

    (void)state;
    setup(&w);
    assert_true(write(fd, IDENTITY "\n", strlen(IDENTITY) + 1) > 0);
    close(fd);
    assert_true(age_recipient_parse(RECIPIENT, &recipient, &w.err));
    back_up_to(&w, "films", &to);
    set_films(&w);
    set(&w, "RESTORE_KEYS", "neo4j-backup/films_2025-10-09_08-53-20-2.manifest.json");
    set(&w, "BACKUP_AGE_IDENTITY_FILE", path);
    w.spy.deny_once_stored = SAFETY_MANIFEST;
    restore_fails(&w, "Neo4jDenied");
    m = safety_manifest(&w);
    assert_int_equal(m->recipients.n, 1);
    assert_string_equal(m->recipients.items[0], RECIPIENT);
    assert_true(fake_s3_has(w.s3, "neo4j-backup/films_2025-11-01_00-00-00.cypher.gz.age"));
    unlink(path);
    teardown(&w);
}

/* A dump in a file: a bucket is not taken by itself. */
static void file_wants_a_word_on_what_is_wiped(void **state)
{
    nb_auto_done(nb_buf_done) struct nb_buf dump = NB_BUF_INIT(1 << 20);
    char dir[] = "/tmp/nb-restore-XXXXXX", input[64], output[64], manifest[64];
    struct world w;

    (void)state;
    setup(&w);
    assert_non_null(mkdtemp(dir));
    snprintf(input, sizeof(input), "%s/dump.cypher.gz", dir);
    snprintf(output, sizeof(output), "%s/before.cypher.gz", dir);
    snprintf(manifest, sizeof(manifest), "%s/before.manifest.json", dir);
    assert_true(fake_s3_get(w.s3, "neo4j-backup/films_2025-10-09_08-53-20.cypher.gz", &dump));
    assert_true(nb_file_write_atomic(input, dump.data, dump.len, 0600, &w.err));
    set(&w, "RESTORE_INPUT", input);
    set(&w, "RESTORE_CONFIRM", "neo4j");
    restore_fails(&w, "SafetyBackupUndecided");
    assert_non_null(strstr(w.err.text, "--safety-backup None"));
    assert_int_equal(w.spy.exports, 0);
    set(&w, "RESTORE_SAFETY_BACKUP", output);
    w.spy.deny_schema_at = w.spy.schemas + 4; /* the wipe's; the third is the backup's */
    restore_fails(&w, "RestoreIncomplete");
    assert_string_equal(w.c.report.safety_backup, manifest);
    assert_int_equal(access(output, F_OK), 0);
    assert_int_equal(access(manifest, F_OK), 0);
    restore_fails(&w, "SafetyBackupExists");
    unlink(input);
    unlink(output);
    unlink(manifest);
    rmdir(dir);
    assert_int_equal(w.spy.deletes, 0);
    teardown(&w);
}

static void safety_backup_must_be_known_by_name(void **state)
{
    struct world w;

    (void)state;
    setup(&w);
    set_films(&w);
    set(&w, "RESTORE_SAFETY_BACKUP", "Nothing");
    restore_fails(&w, "InvalidConfiguration");
    free(w.env[--w.env_n]);
    w.env[w.env_n] = NULL;
    set(&w, "RESTORE_SAFETY_BACKUP", "None");
    set(&w, "RESTORE_SAFETY_PREFIX", "elsewhere");
    restore_fails(&w, "InvalidConfiguration");
    assert_non_null(strstr(w.err.text, "RESTORE_SAFETY_PREFIX"));
    teardown(&w);
}

/* The same restore again, as its Job does it. marks: it had begun to fill the target. */
static size_t backups_of_two_tries(int64_t marks)
{
    struct world w;
    size_t n;

    setup_marked(&w, marks);
    set_films(&w);
    set(&w, "RESTORE_ID", "4711");
    w.spy.deny_once_stored = SAFETY_MANIFEST;
    restore_fails(&w, "Neo4jDenied");
    w.spy.deny_once_stored = NULL;
    w.spy.deny_schema_at = w.spy.schemas + (marks > 0 ? 3 : 4); /* the wipe's */
    restore_fails(&w, "RestoreIncomplete");
    assert_int_equal(nb_streq(w.c.report.safety_backup, SAFETY_MANIFEST), marks > 0);
    assert_int_equal(w.spy.deletes, 0);
    n = backups_of(&w, SAFETY_OWNER);
    teardown(&w);
    return n;
}

static void half_filled_target_is_not_backed_up_again(void **state)
{
    (void)state;
    assert_int_equal(backups_of_two_tries(1), 1);
}

/* Somebody may have written to it between the tries. */
static void target_that_no_try_has_touched_is_backed_up_again(void **state)
{
    (void)state;
    assert_int_equal(backups_of_two_tries(0), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(system_is_left_out_and_refused_where_it_is_named),
        cmocka_unit_test(wipe_is_confirmed_for_all_before_the_first),
        cmocka_unit_test(wipe_finds_a_missing_target_before_the_first),
        cmocka_unit_test(mapping_that_is_none_is_shown),
        cmocka_unit_test(mapped_databases_go_into_others),
        cmocka_unit_test(newer_backup_that_is_passed_over_is_told),
        cmocka_unit_test(fail_into_what_was_interrupted_says_so),
        cmocka_unit_test(merge_into_what_was_interrupted_is_refused_for_all),
        cmocka_unit_test(what_is_wiped_is_backed_up_first),
        cmocka_unit_test(safety_backup_is_no_backup_of_its_owner),
        cmocka_unit_test(nothing_is_written_where_the_safety_backup_fails),
        cmocka_unit_test(none_makes_none),
        cmocka_unit_test(empty_target_needs_none),
        cmocka_unit_test(encrypted_dump_is_followed_by_an_encrypted_safety_backup),
        cmocka_unit_test(file_wants_a_word_on_what_is_wiped),
        cmocka_unit_test(safety_backup_must_be_known_by_name),
        cmocka_unit_test(half_filled_target_is_not_backed_up_again),
        cmocka_unit_test(target_that_no_try_has_touched_is_backed_up_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
