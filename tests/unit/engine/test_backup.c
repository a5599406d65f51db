#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "age/keys.h"
#include "base/cancel.h"
#include "base/file.h"
#include "base/mem.h"
#include "engine/backup.h"
#include "engine/verify.h"
#include "tests/fakes/fake_graph.h"
#include "tests/fakes/s3_fixture.h"

/* Whole backups: a fake Neo4j on one side, a fake bucket on the other. */

enum { NODES = 2000, RELS = 3000, SCHEDULED = 1759888800 };
#define STEM "p/neo4j_2025-10-08_02-00-00"

struct bench {
    struct fake_graph *graph;
    struct fake_s3 *s3;
    struct s3_client *client;
    struct repo *repo;
    struct nb_cancel *cancel;
    struct eng_backup_result result;
    struct nb_error err;
    enum repo_verification verify;
    const struct age_writer_opts *encryption;
    int64_t later_seconds;
};

static void short_retries(struct s3_client_opts *o)
{
    o->retry_window_ms = 200;
}

static void fill(struct fake_graph *g)
{
    for (int64_t i = 0; i < NODES; i++)
        fake_graph_add_node(g, 'A', i, i * 7919);
    for (int64_t i = 0; i < RELS; i++)
        fake_graph_add_rel(g, i % NODES, (i * 7 + 1) % NODES, i);
}

static void open_bench(struct bench *b, fake_graph_hook *hook, void *ctx)
{
    struct repo_opts opts = { .prefix = "p", .owner = "me", .run_id = "run-1" };

    *b = (struct bench){ .err = NB_ERROR_INIT };
    b->graph = fake_graph_new();
    fill(b->graph);
    fake_graph_start(b->graph, hook, ctx);
    b->s3 = fake_s3_new();
    b->client = s3_fixture_client(b->s3, short_retries);
    b->cancel = nb_cancel_new();
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
    nb_cancel_free(b->cancel);
}

static bool verify_at(struct repo *repo, const struct repo_manifest *m,
                      enum repo_verification level, struct nb_error *err)
{
    struct eng_verify_opts opts = { .level = level };

    return eng_verify_run(repo, m, &opts, NULL, err);
}

static bool run(struct bench *b, const char *output, enum eng_consistency consistency)
{
    struct eng_backup_opts opts = {
        .neo4j = BOLT_CONN_OPTS_INIT,
        .fetch_size = 500,
        .consistency = consistency,
        .repo = output ? NULL : b->repo,
        .output = output,
        .owner = "me",
        .gzip_level = 1,
        .gzip_threads = 2,
        .encryption = b->encryption,
        .scheduled_unix_seconds = SCHEDULED + b->later_seconds,
        .verify = { .level = b->verify },
        .cancel = b->cancel,
    };

    opts.neo4j.uri = fake_graph_uri(b->graph);
    eng_backup_result_done(&b->result);
    nb_error_clear(&b->err);
    return eng_backup_run(&opts, &b->result, &b->err);
}

/* Nothing of a backup that failed is left: no object, no claim, no upload. */
static void assert_bucket_empty(struct bench *b)
{
    struct nb_buf text = NB_BUF_INIT(1 << 16);

    fake_s3_dump(b->s3, &text);
    assert_string_equal(nb_buf_cstr(&text), "");
    assert_int_equal(fake_s3_upload_count(b->s3), 0);
    nb_buf_done(&text);
}

static void backup_of_what_a_restore_has_left_says_so(void **state)
{
    struct bench b;
    bool told = false;

    (void)state;
    open_bench(&b, NULL, NULL);
    fake_graph_set_stamps(b.graph, 1);
    if (!run(&b, NULL, ENG_CONSISTENCY_CLOSED))
        fail_msg("%s", b.err.text);
    for (size_t i = 0; i < b.result.manifest->warnings.n; i++)
        told = told || strstr(b.result.manifest->warnings.items[i], "interrupted, or is under way");
    assert_true(told);
    close_bench(&b);
}

static void backup_ends_with_dump_and_manifest(void **state)
{
    struct bench b;

    (void)state;
    open_bench(&b, NULL, NULL);
    if (!run(&b, NULL, ENG_CONSISTENCY_CLOSED))
        fail_msg("%s", b.err.text);
    assert_false(b.result.already);
    assert_string_equal(b.result.key, STEM ".cypher.gz");
    assert_string_equal(b.result.manifest_key, STEM ".manifest.json");
    assert_int_equal(fake_s3_count(b.s3), 2);
    assert_int_equal(b.result.manifest->nodes, NODES);
    assert_int_equal(b.result.manifest->relationships, RELS);
    assert_int_equal(b.result.manifest->consistency, REPO_CONSISTENCY_SNAPSHOT);
    assert_true(verify_at(b.repo, b.result.manifest, REPO_VERIFIED_READBACK, &b.err));

    /* A pod that is tried again finds its run's backup. */
    assert_true(run(&b, NULL, ENG_CONSISTENCY_CLOSED));
    assert_true(b.result.already);
    assert_string_equal(b.result.manifest_key, STEM ".manifest.json");
    assert_string_equal(b.result.key, STEM ".cypher.gz");
    assert_int_equal(fake_s3_count(b.s3), 2);
    close_bench(&b);
}

static void readback_finds_one_changed_byte(void **state)
{
    struct nb_buf dump = NB_BUF_INIT(64 << 20);
    struct bench b;

    (void)state;
    open_bench(&b, NULL, NULL);
    assert_true(run(&b, NULL, ENG_CONSISTENCY_CLOSED));
    assert_true(fake_s3_get(b.s3, STEM ".cypher.gz", &dump));
    dump.data[dump.len / 2] = (char)(dump.data[dump.len / 2] ^ 1);
    fake_s3_put(b.s3, STEM ".cypher.gz", dump.data, dump.len);
    for (int i = 0; i < 2; i++) {
        nb_error_clear(&b.err);
        assert_false(verify_at(b.repo, b.result.manifest,
                               i ? REPO_VERIFIED_READBACK : REPO_VERIFIED_CHECKSUM, &b.err));
        assert_string_equal(b.err.reason, "VerificationFailed");
    }
    assert_true(fake_s3_delete(b.s3, STEM ".cypher.gz"));
    nb_error_clear(&b.err);
    assert_false(verify_at(b.repo, b.result.manifest, REPO_VERIFIED_CHECKSUM, &b.err));
    assert_string_equal(b.err.reason, "VerificationFailed");
    nb_buf_done(&dump);
    close_bench(&b);
}

static void count_others(void *ctx, unsigned n)
{
    *(unsigned *)ctx += n;
}

/* The same bytes, as another tool stores them: ETags are the service's affair. */
static void copy_of_the_bucket_is_verified_by_its_bytes(void **state)
{
    struct nb_buf dump = NB_BUF_INIT(64 << 20);
    unsigned others = 0;
    struct eng_verify_opts opts = { .other_etags = count_others, .ctx = &others };
    struct bench b;

    (void)state;
    open_bench(&b, NULL, NULL);
    assert_true(run(&b, NULL, ENG_CONSISTENCY_CLOSED));
    assert_true(fake_s3_get(b.s3, STEM ".cypher.gz", &dump));
    fake_s3_set_odd_etags(b.s3, true);
    fake_s3_put(b.s3, STEM ".cypher.gz", dump.data, dump.len);
    for (unsigned i = 0; i < 2; i++) {
        opts.level = i ? REPO_VERIFIED_READBACK : REPO_VERIFIED_CHECKSUM;
        if (!eng_verify_run(b.repo, b.result.manifest, &opts, NULL, &b.err))
            fail_msg("level %u: %s", i, b.err.text);
        assert_int_equal(others, i + 1);
    }
    nb_buf_done(&dump);
    close_bench(&b);
}

/* Where the ETag is no MD5 it says nothing of the bytes: they are read, before there is a manifest. */
static void dump_that_is_stored_wrong_is_no_backup(void **state)
{
    (void)state;
    for (unsigned damaged = 0; damaged < 2; damaged++) {
        struct bench b;

        open_bench(&b, NULL, NULL);
        fake_s3_set_odd_etags(b.s3, true);
        fake_s3_set_damaging(b.s3, damaged);
        assert_int_equal(run(&b, NULL, ENG_CONSISTENCY_CLOSED), !damaged);
        if (damaged) {
            assert_string_equal(b.err.reason, "ChecksumMismatch");
            assert_bucket_empty(&b);
        }
        close_bench(&b);
    }
}

static void readback_finds_counts_that_the_manifest_has_wrong(void **state)
{
    struct bench b;

    (void)state;
    open_bench(&b, NULL, NULL);
    assert_true(run(&b, NULL, ENG_CONSISTENCY_CLOSED));
    for (int i = 0; i < 2; i++) {
        struct repo_manifest *m = b.result.manifest;
        int64_t *count = i ? &m->relationships : &m->nodes;

        ++*count;
        assert_false(verify_at(b.repo, m, REPO_VERIFIED_READBACK, &b.err));
        assert_string_equal(b.err.reason, "VerificationFailed");
        assert_non_null(strstr(b.err.text, i ? "relationships" : "nodes"));
        nb_error_clear(&b.err);
        --*count;
    }
    assert_true(verify_at(b.repo, b.result.manifest, REPO_VERIFIED_READBACK, &b.err));
    close_bench(&b);
}

static void readback_finds_digests_that_the_manifest_has_wrong(void **state)
{
    static const char zeroes[] = "00000000000000000000000000000000";
    struct bench b;

    (void)state;
    open_bench(&b, NULL, NULL);
    assert_true(run(&b, NULL, ENG_CONSISTENCY_CLOSED));
    for (int i = 0; i < 2; i++) {
        struct repo_manifest *m = b.result.manifest;
        char **digest = i ? &m->digest_relationships : &m->digest_nodes;
        char *whole = *digest;

        *digest = nb_xstrdup(zeroes);
        assert_false(verify_at(b.repo, m, REPO_VERIFIED_READBACK, &b.err));
        assert_string_equal(b.err.reason, "VerificationFailed");
        assert_non_null(strstr(b.err.text, "another digest"));
        nb_error_clear(&b.err);
        free(*digest);
        *digest = whole;
    }
    assert_true(verify_at(b.repo, b.result.manifest, REPO_VERIFIED_READBACK, &b.err));
    close_bench(&b);
}

#define OLD_IDENTITY "AGE-SECRET-KEY-1EGTZVFFV20835NWYV6270LXYVK2VKNX2MMDKWYKLMGR48UAWX40Q2P2LM0"
#define NEW_IDENTITY "AGE-SECRET-KEY-143WN7DCXU4G8R5AXQSSYD9AEPYDNT3HXSLWSPK36CDU6E8M59SSSAGZ3KG"

static struct age_keys *keys_of(const char *identities)
{
    struct age_keys *k = age_keys_new();
    struct nb_error err = NB_ERROR_INIT;

    assert_true(age_keys_add_identities(k, nb_str_from(identities), &err));
    return k;
}

/* READBACK with these keys, and with none where NULL. "": it is as it should be. */
static const char *reads_back(struct bench *b, const struct repo_manifest *m,
                              const struct age_keys *keys)
{
    nb_error_clear(&b->err);
    struct eng_verify_opts opts = { .level = REPO_VERIFIED_READBACK, .keys = keys };

    return eng_verify_run(b->repo, m, &opts, NULL, &b->err) ? "" : b->err.reason;
}

static void encrypted_backup_is_read_by_its_recipients_only(void **state)
{
    nb_auto(age_keys_free) struct age_keys *right = keys_of(OLD_IDENTITY);
    nb_auto(age_keys_free) struct age_keys *wrong = keys_of(NEW_IDENTITY);
    struct age_recipient to = age_keys_recipient(right, 0);
    struct age_writer_opts encryption = { .recipients = &to, .recipients_n = 1 };
    struct nb_buf dump = NB_BUF_INIT(64 << 20), text = NB_BUF_INIT(1 << 20);
    char recipient[AGE_RECIPIENT_TEXT_MAX];
    const struct repo_manifest *m;
    struct bench b;

    (void)state;
    age_recipient_format(&to, recipient);
    open_bench(&b, NULL, NULL);
    b.encryption = &encryption;
    b.verify = REPO_VERIFIED_READBACK; /* by the key that it keeps */
    if (!run(&b, NULL, ENG_CONSISTENCY_CLOSED))
        fail_msg("%s", b.err.text);
    m = b.result.manifest;
    assert_string_equal(b.result.key, STEM ".cypher.gz.age");
    assert_int_equal(m->verification, REPO_VERIFIED_READBACK);
    assert_int_equal(m->recipients.n, 1);
    assert_string_equal(m->recipients.items[0], recipient);
    assert_string_equal(m->compression, "gzip");
    assert_true(fake_s3_get(b.s3, STEM ".manifest.json", &text));
    assert_non_null(strstr(nb_buf_cstr(&text), recipient));
    assert_true(fake_s3_get(b.s3, STEM ".cypher.gz.age", &dump));
    assert_true(nb_starts_with(nb_buf_cstr(&dump), AGE_MAGIC_LINE));
    assert_int_equal(m->objects[0].size, dump.len);

    assert_string_equal(reads_back(&b, m, right), "");
    assert_string_equal(reads_back(&b, m, wrong), "NoIdentity");
    assert_non_null(strstr(b.err.text, recipient));
    assert_string_equal(reads_back(&b, m, NULL), "NoIdentity");
    nb_error_clear(&b.err);
    assert_true(verify_at(b.repo, m, REPO_VERIFIED_CHECKSUM, &b.err));
    /* One bit of the payload. */
    dump.data[dump.len / 2] = (char)(dump.data[dump.len / 2] ^ 1);
    fake_s3_put(b.s3, STEM ".cypher.gz.age", dump.data, dump.len);
    assert_string_equal(reads_back(&b, m, right), "VerificationFailed");
    nb_buf_done(&dump);
    nb_buf_done(&text);
    close_bench(&b);
}

/* New dumps to a new key; the old one is kept beside it until the old dumps have gone. */
static void rotation_leaves_old_dumps_to_the_old_key(void **state)
{
    nb_auto(age_keys_free) struct age_keys *old = keys_of(OLD_IDENTITY);
    nb_auto(age_keys_free) struct age_keys *new = keys_of(NEW_IDENTITY);
    nb_auto(age_keys_free) struct age_keys *both = keys_of(OLD_IDENTITY "\n" NEW_IDENTITY "\n");
    const struct age_keys *const own[] = { old, new };
    struct repo_manifest *m[2];
    struct bench b;

    (void)state;
    open_bench(&b, NULL, NULL);
    for (int i = 0; i < 2; i++) {
        struct age_recipient to = age_keys_recipient(own[i], 0);
        struct age_writer_opts encryption = { .recipients = &to, .recipients_n = 1 };

        b.encryption = &encryption;
        b.later_seconds = i;
        assert_true(run(&b, NULL, ENG_CONSISTENCY_CLOSED));
        m[i] = nb_steal(b.result.manifest);
    }
    for (int i = 0; i < 2; i++) {
        assert_string_equal(reads_back(&b, m[i], own[i]), "");
        assert_string_equal(reads_back(&b, m[i], own[1 - i]), "NoIdentity");
        assert_string_equal(reads_back(&b, m[i], both), "");
    }
    repo_manifest_free(m[0]);
    repo_manifest_free(m[1]);
    close_bench(&b);
}

static void refuse_reading(void *ctx, const struct fake_s3_op *op, struct fake_s3_fault *fault)
{
    (void)ctx;
    if (strcmp(op->name, "GetObject") == 0 && strstr(op->key, ".cypher")) {
        fault->status = 403;
        fault->code = "AccessDenied";
    }
}

/* Else it would count as a good one, and older ones be deleted for it. */
static void what_cannot_be_read_back_gets_no_manifest(void **state)
{
    struct bench b;

    (void)state;
    open_bench(&b, NULL, NULL);
    b.verify = REPO_VERIFIED_READBACK;
    fake_s3_set_hook(b.s3, refuse_reading, NULL);
    assert_false(run(&b, NULL, ENG_CONSISTENCY_CLOSED));
    assert_string_equal(b.err.reason, "AccessDenied");
    assert_bucket_empty(&b);
    fake_s3_set_hook(b.s3, NULL, NULL);
    if (!run(&b, NULL, ENG_CONSISTENCY_CLOSED))
        fail_msg("%s", b.err.text);
    assert_int_equal(b.result.manifest->verification, REPO_VERIFIED_READBACK);
    close_bench(&b);
}

static void no_answer(void *ctx, const struct fake_s3_op *op, struct fake_s3_fault *fault)
{
    (void)ctx;
    (void)op;
    fault->status = 503;
}

static void patient(struct s3_client_opts *o)
{
    o->retry_window_ms = INT64_C(3600) * 1000;
    o->max_tries = 1000000;
}

/* What its backup holds are commands: there is nothing that a scratch server could be asked for. */
static void system_is_read_back_where_a_restore_is_asked_for(void **state)
{
    static const struct fake_graph_database databases[] = {
        { "neo4j", "online", "standard", NULL, true, NULL, false },
        { "system", "online", "system", NULL, false, NULL, false },
    };
    struct eng_backup_opts opts = {
        .neo4j = BOLT_CONN_OPTS_INIT,
        .database = "system",
        .gzip_level = 1,
        .scheduled_unix_seconds = SCHEDULED,
        .verify = { .level = REPO_VERIFIED_RESTORE, .scratch_uri = "bolt://127.0.0.1:1" },
    };
    struct bench b;

    (void)state;
    open_bench(&b, NULL, NULL);
    fake_graph_set_databases(b.graph, databases, NB_ARRAY_LEN(databases));
    opts.neo4j.uri = fake_graph_uri(b.graph);
    opts.repo = b.repo;
    if (!eng_backup_run(&opts, &b.result, &b.err))
        fail_msg("%s", b.err.text);
    assert_int_equal(b.result.manifest->verification, REPO_VERIFIED_READBACK);
    assert_non_null(strstr(b.result.not_compared, "read back, not restored"));
    close_bench(&b);
}

static void verification_ends_when_its_time_is_up(void **state)
{
    struct eng_verify_opts opts = { .level = REPO_VERIFIED_READBACK, .timeout_ms = 1 };
    struct repo_opts repo_opts = { .prefix = "p", .owner = "me", .run_id = "run-2" };
    struct repo *repo;
    struct bench b;

    (void)state;
    open_bench(&b, NULL, NULL);
    repo_opts.client = s3_fixture_client(b.s3, patient);
    assert_true(repo_open(&repo_opts, &repo, &b.err));
    assert_true(run(&b, NULL, ENG_CONSISTENCY_CLOSED));
    fake_s3_set_hook(b.s3, no_answer, NULL);
    assert_false(eng_verify_run(repo, b.result.manifest, &opts, NULL, &b.err));
    assert_string_equal(b.err.reason, "VerificationTimeout");
    /* Told to stop it was not out of time. */
    nb_error_clear(&b.err);
    opts.cancel = b.cancel;
    nb_cancel_set(b.cancel);
    assert_false(eng_verify_run(repo, b.result.manifest, &opts, NULL, &b.err));
    assert_int_equal(b.err.code, NB_E_CANCELLED);
    fake_s3_set_hook(b.s3, NULL, NULL);
    opts = (struct eng_verify_opts){ .level = REPO_VERIFIED_READBACK,
                                     .timeout_ms = INT64_C(3600) * 1000 };
    assert_true(eng_verify_run(repo, b.result.manifest, &opts, NULL, &b.err));
    repo_free(repo);
    s3_client_free(repo_opts.client);
    close_bench(&b);
}

struct at_row {
    enum fake_graph_query query;
    uint64_t row;
    enum fake_graph_break what;
    struct nb_cancel *cancel; /* set then */
    bool touch;               /* written to then */
    bool fired;
};

static enum fake_graph_break at_row(void *ctx, struct fake_graph *g, enum fake_graph_query query,
                                    uint64_t row)
{
    struct at_row *a = ctx;

    if (a->fired || query != a->query || row != a->row)
        return FAKE_GRAPH_GO_ON;
    a->fired = true;
    if (a->cancel)
        nb_cancel_set(a->cancel);
    if (a->touch)
        fake_graph_touch(g);
    return a->what;
}

static void neo4j_fails_half_way_nothing_is_left(void **state)
{
    static const enum fake_graph_query queries[] = { FAKE_GRAPH_NODES, FAKE_GRAPH_RELS,
                                                     FAKE_GRAPH_SCHEMA };

    (void)state;
    for (size_t i = 0; i < NB_ARRAY_LEN(queries); i++) {
        struct at_row a = { queries[i], i < 2 ? 1000 : 0, FAKE_GRAPH_DENIED, NULL, false, false };
        struct bench b;

        open_bench(&b, at_row, &a);
        assert_false(run(&b, NULL, ENG_CONSISTENCY_CLOSED));
        assert_string_equal(b.err.reason, "Neo4jDenied");
        assert_null(b.result.manifest);
        assert_bucket_empty(&b);
        close_bench(&b);
    }
}

static void cancelled_half_way_nothing_is_left(void **state)
{
    struct at_row a = { FAKE_GRAPH_RELS, 1000, FAKE_GRAPH_GO_ON, NULL, false, false };
    struct bench b;

    (void)state;
    open_bench(&b, at_row, &a);
    a.cancel = b.cancel;
    assert_false(run(&b, NULL, ENG_CONSISTENCY_CLOSED));
    assert_int_equal(b.err.code, NB_E_CANCELLED);
    assert_bucket_empty(&b);
    close_bench(&b);
}

/* Every operation on the bucket in turn fails for good. */
static void fail_nth(void *ctx, const struct fake_s3_op *op, struct fake_s3_fault *fault)
{
    const unsigned *n = ctx;

    if (op->number == *n) {
        fault->status = 403;
        fault->code = "AccessDenied";
    }
}

static void bucket_refuses_any_one_request_no_lie_is_told(void **state)
{
    unsigned failures = 0;

    (void)state;
    for (unsigned n = 1; n <= 12; n++) {
        struct bench b;
        bool ok;

        open_bench(&b, NULL, NULL);
        fake_s3_set_hook(b.s3, fail_nth, &n);
        ok = run(&b, NULL, ENG_CONSISTENCY_CLOSED);
        fake_s3_set_hook(b.s3, NULL, NULL);
        if (ok) {
            assert_true(fake_s3_has(b.s3, STEM ".manifest.json"));
            assert_true(verify_at(b.repo, b.result.manifest, REPO_VERIFIED_READBACK, &b.err));
        } else {
            failures++;
            assert_string_equal(b.err.reason, "AccessDenied");
            assert_false(fake_s3_has(b.s3, STEM ".manifest.json"));
            assert_int_equal(fake_s3_upload_count(b.s3), 0);
        }
        close_bench(&b);
    }
    assert_true(failures >= 4); /* claim, dump, its check, manifest */
}

static void written_to_once_quiescent_exports_again(void **state)
{
    struct at_row a = { FAKE_GRAPH_RELS, 1000, FAKE_GRAPH_GO_ON, NULL, true, false };
    struct bench b;

    (void)state;
    open_bench(&b, at_row, &a);
    assert_true(run(&b, NULL, ENG_CONSISTENCY_QUIESCENT));
    assert_int_equal(b.result.manifest->consistency, REPO_CONSISTENCY_SNAPSHOT);
    assert_int_equal(fake_s3_count(b.s3), 2);
    assert_true(verify_at(b.repo, b.result.manifest, REPO_VERIFIED_READBACK, &b.err));
    close_bench(&b);
}

static void file_has_its_manifest_beside_it(void **state)
{
    char dir[] = "/tmp/nb-backup-XXXXXX";
    struct nb_buf text = NB_BUF_INIT(1 << 20), dump = NB_BUF_INIT(64 << 20);
    nb_auto(nb_free) char *path = NULL, *manifest = NULL;
    struct repo_manifest *m = NULL;
    uint8_t digest[NB_SHA256_BYTES];
    char hex[NB_SHA256_HEX];
    struct bench b;

    (void)state;
    assert_non_null(mkdtemp(dir));
    path = nb_xasprintf("%s/x.cypher.gz", dir);
    manifest = nb_xasprintf("%s/x.manifest.json", dir);
    open_bench(&b, NULL, NULL);
    if (!run(&b, path, ENG_CONSISTENCY_CLOSED))
        fail_msg("%s", b.err.text);
    assert_true(nb_file_read(manifest, &text, &b.err));
    assert_true(repo_manifest_parse(text.data, text.len, &m, &b.err));
    assert_true(nb_file_read(path, &dump, &b.err));
    assert_int_equal(m->objects_n, 1);
    assert_string_equal(m->objects[0].key, "x.cypher.gz");
    assert_int_equal(m->objects[0].size, dump.len);
    nb_sha256(dump.data, dump.len, digest);
    nb_hex(digest, sizeof(digest), hex);
    assert_string_equal(m->objects[0].sha256, hex);
    assert_int_equal(fake_s3_ops(b.s3), 0);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(unlink(manifest), 0);
    assert_int_equal(rmdir(dir), 0);
    repo_manifest_free(m);
    nb_buf_done(&text);
    nb_buf_done(&dump);
    close_bench(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(backup_ends_with_dump_and_manifest),
        cmocka_unit_test(backup_of_what_a_restore_has_left_says_so),
        cmocka_unit_test(readback_finds_one_changed_byte),
        cmocka_unit_test(copy_of_the_bucket_is_verified_by_its_bytes),
        cmocka_unit_test(encrypted_backup_is_read_by_its_recipients_only),
        cmocka_unit_test(rotation_leaves_old_dumps_to_the_old_key),
        cmocka_unit_test(dump_that_is_stored_wrong_is_no_backup),
        cmocka_unit_test(readback_finds_counts_that_the_manifest_has_wrong),
        cmocka_unit_test(readback_finds_digests_that_the_manifest_has_wrong),
        cmocka_unit_test(what_cannot_be_read_back_gets_no_manifest),
        cmocka_unit_test(system_is_read_back_where_a_restore_is_asked_for),
        cmocka_unit_test(verification_ends_when_its_time_is_up),
        cmocka_unit_test(neo4j_fails_half_way_nothing_is_left),
        cmocka_unit_test(cancelled_half_way_nothing_is_left),
        cmocka_unit_test(bucket_refuses_any_one_request_no_lie_is_told),
        cmocka_unit_test(written_to_once_quiescent_exports_again),
        cmocka_unit_test(file_has_its_manifest_beside_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
