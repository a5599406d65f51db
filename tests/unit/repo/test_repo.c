#include "repo/repo.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/cancel.h"
#include "base/hash.h"
#include "base/mem.h"
#include "net/http.h"
#include "s3/upload.h"
#include "tests/fakes/s3_fixture.h"

enum { T0 = 1759888800, DAY = 86400 }; /* 2025-10-08 02:00:00 UTC */
#define STEM "p/neo4j_2025-10-08_02-00-00"

struct story {
    struct fake_s3 *f;
    struct s3_client *c;
    struct nb_error err;
};

static int set_up(void **state)
{
    struct story *s = NB_NEW(struct story);

    s->f = fake_s3_new();
    s->c = s3_fixture_client(s->f, NULL);
    s->err = (struct nb_error)NB_ERROR_INIT;
    *state = s;
    return 0;
}

static int tear_down(void **state)
{
    struct story *s = *state;
    bool fine = fake_s3_complaint(s->f)[0] == '\0';

    if (!fine)
        fprintf(stderr, "the fake says: %s\n", fake_s3_complaint(s->f));
    s3_client_free(s->c);
    fake_s3_free(s->f);
    free(s);
    return fine ? 0 : -1;
}

#define OK(s, call)                                                                                \
    do {                                                                                           \
        nb_error_clear(&(s)->err);                                                                 \
        if (!(call))                                                                               \
            fail_msg("%s [%s]", (s)->err.text, (s)->err.reason);                                   \
    } while (0)
#define FAILS(s, call, reason_)                                                                    \
    do {                                                                                           \
        nb_error_clear(&(s)->err);                                                                 \
        assert_false(call);                                                                        \
        if (strcmp((s)->err.reason, reason_) != 0)                                                 \
            fail_msg("%s [%s]", (s)->err.text, (s)->err.reason);                                   \
    } while (0)

static struct repo *repo_of(struct story *s, const char *owner, const char *uid, const char *run)
{
    const struct repo_opts o = {
        .client = s->c, .prefix = "/p/", .owner = owner, .owner_uid = uid, .run_id = run
    };
    struct repo *r = NULL;

    OK(s, repo_open(&o, &r, &s->err));
    return r;
}

static bool claim(struct story *s, struct repo *r, int64_t when, struct repo_claim **ret,
                  struct repo_manifest **done)
{
    const struct repo_claim_opts o = { .database = "neo4j",
                                       .scheduled_unix_seconds = when,
                                       .gz = true };

    nb_error_clear(&s->err);
    return repo_claim_new(r, &o, NULL, ret, done, &s->err);
}

/* A manifest for `data` stored at the claim's key. */
static struct repo_manifest *manifest_for(struct repo_claim *c, int64_t when, const char *data,
                                          const struct s3_object *o)
{
    struct repo_manifest *m = repo_manifest_new();
    struct repo_object *x = repo_manifest_add_object(m, repo_claim_dump_key(c));
    uint8_t sha[NB_SHA256_BYTES];

    nb_sha256(data, strlen(data), sha);
    nb_hex(sha, sizeof(sha), x->sha256);
    memcpy(m->plain_sha256, x->sha256, sizeof(m->plain_sha256));
    x->size = strlen(data);
    snprintf(x->etag, sizeof(x->etag), "%s", o ? o->etag : "");
    m->database = nb_xstrdup("neo4j");
    m->engine = nb_xstrdup("cypher");
    m->compression = nb_xstrdup("gzip");
    m->start_unix_seconds = when;
    m->completion_unix_seconds = when + 5;
    return m;
}

static bool upload(struct story *s, struct repo_claim *c, const char *data, struct s3_object *o)
{
    const struct s3_put_opts put = { .if_none_match = true };

    return s3_put(s->c, repo_claim_dump_key(c), data, strlen(data), &put, NULL, o, &s->err);
}

static bool backup_run(struct story *s, struct repo *r, int64_t when, char stem[REPO_KEY_MAX + 1])
{
    nb_auto(repo_claim_free) struct repo_claim *c = NULL;
    nb_auto(repo_manifest_free) struct repo_manifest *done = NULL;
    nb_auto(repo_manifest_free) struct repo_manifest *m = NULL;
    struct s3_object o;

    if (!claim(s, r, when, &c, &done))
        return false;
    if (done)
        return repo_key_stem(done->objects[0].key, stem);
    if (!repo_key_stem(repo_claim_dump_key(c), stem))
        return false;
    if (upload(s, c, "dump", &o)) {
        m = manifest_for(c, when, "dump", &o);
        if (repo_commit(c, m, NULL, &s->err))
            return true;
    }
    {
        struct nb_error ignored = NB_ERROR_INIT;

        if (!repo_claim_abandon(c, NULL, &ignored))
            nb_error_clear(&ignored);
    }
    return false;
}

static void backup_ok(struct story *s, struct repo *r, int64_t when)
{
    char stem[REPO_KEY_MAX + 1];

    if (!backup_run(s, r, when, stem))
        fail_msg("%s [%s]", s->err.text, s->err.reason);
}

static void expect_bucket(struct story *s, const char *want)
{
    struct nb_buf b = NB_BUF_INIT(1 << 20), keys = NB_BUF_INIT(1 << 20);

    fake_s3_dump(s->f, &b);
    for (const char *p = nb_buf_cstr(&b); *p; p += strcspn(p, "\n") + 1)
        nb_buf_printf(&keys, "%.*s\n", (int)strcspn(p, " \n"), p);
    assert_string_equal(nb_buf_cstr(&keys), want);
    nb_buf_done(&b);
    nb_buf_done(&keys);
}

/* ---- making ---- */

static void backup_leaves_dump_and_manifest_only(void **state)
{
    struct story *s = *state;
    struct repo *r = repo_of(s, "ns/a", "uid", "run1");
    struct repo_manifest *m = NULL;
    char key[REPO_KEY_MAX + 1];

    backup_ok(s, r, T0);
    expect_bucket(s, STEM ".cypher.gz\n" STEM ".manifest.json\n");
    OK(s, repo_manifest_get(r, STEM ".cypher.gz", NULL, &m, key, &s->err));
    assert_string_equal(key, STEM ".manifest.json");
    assert_string_equal(m->owner, "ns/a");
    assert_string_equal(m->owner_uid, "uid");
    assert_string_equal(m->run_id, "run1");
    repo_manifest_free(m);
    FAILS(s, repo_manifest_get(r, "p/x.txt", NULL, &m, key, &s->err), "InvalidName");
    FAILS(s, repo_manifest_get(r, "p/neo4j_2020-01-01_00-00-00.cypher", NULL, &m, key, &s->err),
          "NoBackup");
    repo_free(r);
}

static void run_tried_again_finds_its_own_backup(void **state)
{
    struct story *s = *state;
    struct repo *r = repo_of(s, "ns/a", "uid", "run1");
    struct repo_claim *c = NULL;
    struct repo_manifest *done = NULL;

    backup_ok(s, r, T0);
    assert_true(claim(s, r, T0, &c, &done));
    assert_null(c);
    assert_non_null(done);
    repo_manifest_free(done);
    /* A run killed right before it deleted its claim: the claim goes as well. */
    expect_bucket(s, STEM ".cypher.gz\n" STEM ".manifest.json\n");
    repo_free(r);
}

static void backup_of_the_same_second_gets_a_suffix(void **state)
{
    struct story *s = *state;
    struct repo *a = repo_of(s, "ns/a", "uid", "run1"), *b = repo_of(s, "ns/b", "x", "run2");
    char stem[REPO_KEY_MAX + 1];

    backup_ok(s, a, T0);
    assert_true(backup_run(s, b, T0, stem));
    assert_string_equal(stem, STEM "-2");
    fake_s3_put(s->f, STEM "-3.cypher", "old sidecar", 11);
    {
        struct repo *c = repo_of(s, "ns/a", "uid", "run3");

        assert_true(backup_run(s, c, T0, stem));
        assert_string_equal(stem, STEM "-4");
        repo_free(c);
    }
    repo_free(a);
    repo_free(b);
}

static void live_claim_of_another_run_of_ours_is_held(void **state)
{
    struct story *s = *state;
    struct repo *a = repo_of(s, "ns/a", "uid", "run1"), *b = repo_of(s, "ns/a", "uid", "run2"),
                *other = repo_of(s, "ns/b", "uid", "run3");
    struct repo_claim *c = NULL, *d = NULL;
    struct repo_manifest *done = NULL;
    char stem[REPO_KEY_MAX + 1];

    assert_true(claim(s, a, T0, &c, &done));
    assert_false(claim(s, b, T0, &d, &done));
    assert_string_equal(s->err.reason, "ClaimHeld");
    assert_int_equal(s->err.code, NB_E_CONFLICT);
    assert_non_null(strstr(s->err.text, "'run1'"));
    assert_true(backup_run(s, other, T0, stem)); /* another owner: no concern of ours */
    assert_string_equal(stem, STEM "-2");
    repo_claim_free(c);
    repo_free(a);
    repo_free(b);
    repo_free(other);
}

static bool note_upload(void *ctx, const char *key, const char *id, struct nb_error *err)
{
    return repo_claim_add_upload(ctx, key, id, NULL, err);
}

/* A run that is killed in the middle of a multipart upload: all that is in the bucket is what it
 * left. */
static void half_done(struct story *s, struct repo *r, struct repo_claim **ret)
{
    struct repo_manifest *done = NULL;
    char id[S3_UPLOAD_ID_MAX], key2[REPO_KEY_MAX + 1];
    struct s3_part part;

    assert_true(claim(s, r, T0, ret, &done));
    assert_true(repo_claim_object_key(*ret, 2, key2, &s->err));
    OK(s, s3_put(s->c, repo_claim_dump_key(*ret), "first object", 12, NULL, NULL, NULL, &s->err));
    OK(s, s3_multipart_create(s->c, key2, NULL, NULL, id, &s->err));
    assert_true(note_upload(*ret, key2, id, &s->err));
    OK(s, s3_multipart_put(s->c, key2, id, 1, "x", 1, NULL, &part, &s->err));
    /* One whose creation was never answered: in no claim. */
    OK(s, s3_multipart_create(s->c, key2, NULL, NULL, id, &s->err));
    assert_int_equal(fake_s3_upload_count(s->f), 2);
}

static void stale_claim_of_ours_is_taken_over_and_cleaned_up(void **state)
{
    struct story *s = *state;

    for (int same_run = 0; same_run < 2; same_run++) {
        struct repo *a = repo_of(s, "ns/a", "uid", "run1");
        struct repo *b = repo_of(s, "ns/a", "uid", same_run ? "run1" : "run2");
        struct repo_claim *old = NULL;
        char stem[REPO_KEY_MAX + 1];

        half_done(s, a, &old);
        if (!same_run) /* an earlier try of the very run is dead however young its claim */
            fake_s3_age(s->f, STEM ".claim.json", REPO_CLAIM_LIVE_SECONDS + 1);
        assert_true(backup_run(s, b, T0, stem));
        assert_string_equal(stem, STEM);
        assert_int_equal(fake_s3_upload_count(s->f), 0);
        expect_bucket(s, STEM ".cypher.gz\n" STEM ".manifest.json\n");
        /* The one that was thought dead wakes up: it must notice, and must not write. */
        FAILS(s, repo_claim_refresh(old, NULL, &s->err), "ClaimLost");
        {
            struct repo_manifest *m = manifest_for(old, T0, "dump", NULL);

            FAILS(s, repo_commit(old, m, NULL, &s->err), "ClaimLost");
            FAILS(s, repo_claim_abandon(old, NULL, &s->err), "ClaimLost");
            repo_manifest_free(m);
        }
        expect_bucket(s, STEM ".cypher.gz\n" STEM ".manifest.json\n");
        repo_claim_free(old);
        repo_free(a);
        repo_free(b);
        assert_true(fake_s3_delete(s->f, STEM ".cypher.gz"));
        assert_true(fake_s3_delete(s->f, STEM ".manifest.json"));
    }
}

static void claim_refreshed_stays_live_also_without_conditional_writes(void **state)
{
    struct story *s = *state;
    struct repo *a = repo_of(s, "ns/a", "uid", "run1"), *b = repo_of(s, "ns/a", "uid", "run2");
    struct repo_claim *c = NULL, *d = NULL;
    struct repo_manifest *done = NULL;

    for (int drop = 0; drop < 2; drop++) {
        fake_s3_drop_conditions(s->f, drop);
        assert_true(claim(s, a, T0, &c, &done));
        fake_s3_age(s->f, STEM ".claim.json", 2 * REPO_CLAIM_LIVE_SECONDS);
        OK(s, repo_claim_refresh(c, NULL, &s->err));
        assert_false(claim(s, b, T0, &d, &done));
        assert_string_equal(s->err.reason, "ClaimHeld");
        OK(s, repo_claim_abandon(c, NULL, &s->err));
        assert_int_equal(fake_s3_count(s->f), 0);
        repo_claim_free(c);
        c = NULL;
    }
    repo_free(a);
    repo_free(b);
}

static void failed_run_leaves_nothing(void **state)
{
    struct story *s = *state;
    struct repo *a = repo_of(s, "ns/a", "uid", "run1");
    struct repo_claim *c = NULL;

    half_done(s, a, &c);
    OK(s, repo_claim_abandon(c, NULL, &s->err));
    assert_int_equal(fake_s3_count(s->f), 0);
    assert_int_equal(fake_s3_upload_count(s->f), 0);
    repo_claim_free(c);
    repo_free(a);
}

static void other_etag_hook(void *ctx, const struct fake_s3_op *op, struct fake_s3_fault *fault)
{
    (void)ctx;
    fault->other_etag = strcmp(op->name, "PutObject") == 0;
}

/* The service told another ETag than the claim has: it is still ours. */
static void claim_whose_etag_was_told_wrong_is_still_ours(void **state)
{
    struct story *s = *state;
    struct repo *a = repo_of(s, "ns/a", "uid", "run1");
    struct repo_manifest *done = NULL;
    struct repo_claim *c = NULL;

    fake_s3_set_hook(s->f, other_etag_hook, NULL);
    assert_true(claim(s, a, T0, &c, &done));
    fake_s3_set_hook(s->f, NULL, NULL);
    OK(s, repo_claim_add_upload(c, STEM ".cypher.gz", "id", NULL, &s->err));
    OK(s, repo_claim_refresh(c, NULL, &s->err));
    repo_claim_free(c);
    repo_free(a);
}

static void no_uploads_hook(void *ctx, const struct fake_s3_op *op, struct fake_s3_fault *fault)
{
    (void)ctx;
    fault->status = strcmp(op->name, "ListMultipartUploads") == 0 ? 503 : 0;
}

/* Else nobody would look for them ever again. */
static void claim_stays_while_uploads_cannot_be_listed(void **state)
{
    struct story *s = *state;
    struct repo *a = repo_of(s, "ns/a", "uid", "run1");
    struct repo_claim *c = NULL;

    half_done(s, a, &c);
    fake_s3_set_hook(s->f, no_uploads_hook, NULL);
    FAILS(s, repo_claim_abandon(c, NULL, &s->err), "StorageUnavailable");
    fake_s3_set_hook(s->f, NULL, NULL);
    assert_true(fake_s3_has(s->f, STEM ".claim.json"));
    assert_int_equal(fake_s3_upload_count(s->f), 1); /* the one that is in no claim */
    OK(s, repo_claim_abandon(c, NULL, &s->err));
    assert_int_equal(fake_s3_count(s->f), 0);
    assert_int_equal(fake_s3_upload_count(s->f), 0);
    repo_claim_free(c);
    repo_free(a);
}

/* Its run made its backup, and the bucket went before it could clear up. */
static void leftover_claim_goes_with_uploads_that_are_in_none(void **state)
{
    nb_auto_done(repo_prune_result_done) struct repo_prune_result p = { NULL };
    struct repo_prune_opts opts = { .rules = { .days = 1 } };
    struct story *s = *state;
    struct repo *a = repo_of(s, "ns/a", "uid", "run1");
    char id[S3_UPLOAD_ID_MAX], stem[REPO_KEY_MAX + 1];

    fake_s3_set_hook(s->f, no_uploads_hook, NULL);
    assert_true(backup_run(s, a, T0, stem));
    fake_s3_set_hook(s->f, NULL, NULL);
    OK(s, s3_multipart_create(s->c, STEM ".cypher.gz", NULL, NULL, id, &s->err));
    expect_bucket(s, STEM ".claim.json\n" STEM ".cypher.gz\n" STEM ".manifest.json\n");
    OK(s, repo_prune(a, &opts, NULL, &p, &s->err));
    assert_int_equal(p.claims_swept, 1);
    assert_int_equal(p.uploads_aborted, 1);
    assert_int_equal(fake_s3_upload_count(s->f), 0);
    expect_bucket(s, STEM ".cypher.gz\n" STEM ".manifest.json\n");
    repo_free(a);
}

static void commit_of_what_the_bucket_does_not_hold_is_refused(void **state)
{
    struct story *s = *state;
    struct repo *r = repo_of(s, "ns/a", "uid", "run1");
    struct repo_claim *c = NULL;
    struct repo_manifest *done = NULL, *m;
    struct s3_object o;

    assert_true(claim(s, r, T0, &c, &done));
    m = manifest_for(c, T0, "dump", NULL);
    FAILS(s, repo_commit(c, m, NULL, &s->err), "ObjectMissing");
    assert_true(upload(s, c, "dump", &o));
    m->objects[0].size = 5;
    FAILS(s, repo_commit(c, m, NULL, &s->err), "ChecksumMismatch");
    m->objects[0].size = 4;
    snprintf(m->objects[0].etag, S3_ETAG_MAX, "\"other\"");
    FAILS(s, repo_commit(c, m, NULL, &s->err), "ChecksumMismatch");
    assert_false(fake_s3_has(s->f, STEM ".manifest.json"));
    snprintf(m->objects[0].etag, S3_ETAG_MAX, "%s", o.etag);
    OK(s, repo_commit(c, m, NULL, &s->err));
    expect_bucket(s, STEM ".cypher.gz\n" STEM ".manifest.json\n");
    repo_manifest_free(m);
    repo_claim_free(c);
    repo_free(r);
}

static void manifest_that_is_there_already_is_never_overwritten(void **state)
{
    struct story *s = *state;
    struct repo *r = repo_of(s, "ns/a", "uid", "run1");
    struct repo_claim *c = NULL;
    struct repo_manifest *done = NULL, *m;
    struct s3_object o;
    struct nb_buf b = NB_BUF_INIT(100);

    assert_true(claim(s, r, T0, &c, &done));
    assert_true(upload(s, c, "dump", &o));
    fake_s3_put(s->f, STEM ".manifest.json", "theirs", 6);
    m = manifest_for(c, T0, "dump", &o);
    FAILS(s, repo_commit(c, m, NULL, &s->err), "ClaimLost");
    assert_true(fake_s3_get(s->f, STEM ".manifest.json", &b));
    assert_string_equal(nb_buf_cstr(&b), "theirs");
    expect_bucket(s, STEM ".cypher.gz\n" STEM ".manifest.json\n"); /* whose dump it is, it knows */
    nb_buf_done(&b);
    repo_manifest_free(m);
    repo_claim_free(c);
    repo_free(r);
}

/* The worker was killed while it sent its manifest, which the service took up only later. */
static void late_manifest_of_the_same_run_is_replaced(void **state)
{
    struct story *s = *state;
    struct repo *r = repo_of(s, "ns/a", "uid", "run1");
    struct repo_claim *c = NULL;
    struct repo_manifest *done = NULL, *m;
    struct s3_object o;
    struct nb_buf late = NB_BUF_INIT(1 << 20), now = NB_BUF_INIT(1 << 20);

    backup_ok(s, r, T0);
    assert_true(fake_s3_get(s->f, STEM ".manifest.json", &late));
    assert_true(fake_s3_delete(s->f, STEM ".manifest.json"));
    assert_true(fake_s3_delete(s->f, STEM ".cypher.gz"));
    assert_true(claim(s, r, T0, &c, &done));
    assert_true(upload(s, c, "another dump", &o));
    fake_s3_put(s->f, STEM ".manifest.json", late.data, late.len);
    m = manifest_for(c, T0, "another dump", &o);
    OK(s, repo_commit(c, m, NULL, &s->err));
    expect_bucket(s, STEM ".cypher.gz\n" STEM ".manifest.json\n");
    assert_true(fake_s3_get(s->f, STEM ".manifest.json", &now));
    assert_non_null(strstr(nb_buf_cstr(&now), m->objects[0].sha256));
    nb_buf_done(&late);
    nb_buf_done(&now);
    repo_manifest_free(m);
    repo_claim_free(c);
    repo_free(r);
}

/* A whole backup that comes while a claim is on its way. */
struct racer {
    struct fake_s3 *f;
    struct nb_buf dump, manifest;
    atomic_bool claimed, done;
};

static void race_hook(void *ctx, const struct fake_s3_op *op, struct fake_s3_fault *fault)
{
    struct racer *r = ctx;

    if (!nb_ends_with(op->key, ".claim.json") || atomic_load(&r->done))
        return;
    fault->status = 503;
    fault->code = "SlowDown";
    atomic_store(&r->claimed, true);
}

static void *race(void *ctx)
{
    struct racer *r = ctx;
    struct nb_error ignored = NB_ERROR_INIT;

    while (!atomic_load(&r->claimed) && nb_cancel_sleep(NULL, 1, &ignored))
        ;
    fake_s3_put(r->f, STEM ".cypher.gz", r->dump.data, r->dump.len);
    fake_s3_put(r->f, STEM ".manifest.json", r->manifest.data, r->manifest.len);
    atomic_store(&r->done, true);
    return NULL;
}

/* Until the other thread has come to its turn, however long that takes. */
static void many_tries(struct s3_client_opts *o)
{
    o->max_tries = 0;
    o->retry_window_ms = 60000;
}

static void name_that_was_used_and_left_before_the_claim_came_is_not_taken(void **state)
{
    struct story *s = *state;
    struct s3_client *few_tries = s->c, *patient = s3_fixture_client(s->f, many_tries);
    struct repo *a = repo_of(s, "ns/a", "uid", "run1"), *b;
    struct racer r = { .f = s->f, .dump = NB_BUF_INIT(1 << 20), .manifest = NB_BUF_INIT(1 << 20) };
    char stem[REPO_KEY_MAX + 1];
    pthread_t thread;

    backup_ok(s, a, T0);
    assert_true(fake_s3_get(s->f, STEM ".cypher.gz", &r.dump));
    assert_true(fake_s3_get(s->f, STEM ".manifest.json", &r.manifest));
    assert_true(fake_s3_delete(s->f, STEM ".manifest.json"));
    assert_true(fake_s3_delete(s->f, STEM ".cypher.gz"));
    s->c = patient;
    b = repo_of(s, "ns/b", "x", "run2");
    fake_s3_set_hook(s->f, race_hook, &r);
    assert_int_equal(pthread_create(&thread, NULL, race, &r), 0);
    if (!backup_run(s, b, T0, stem))
        fail_msg("%s [%s]", s->err.text, s->err.reason);
    pthread_join(thread, NULL);
    fake_s3_set_hook(s->f, NULL, NULL);
    assert_string_equal(stem, STEM "-2");
    expect_bucket(s, STEM "-2.cypher.gz\n" STEM "-2.manifest.json\n" STEM ".cypher.gz\n" STEM
                          ".manifest.json\n");
    nb_buf_done(&r.dump);
    nb_buf_done(&r.manifest);
    repo_free(a);
    repo_free(b);
    s->c = few_tries;
    s3_client_free(patient);
}

struct stopper {
    struct nb_cancel *cancel;
    const char *at;
};

static void stop_hook(void *ctx, const struct fake_s3_op *op, struct fake_s3_fault *fault)
{
    const struct stopper *st = ctx;

    if (nb_ends_with(op->key, ".manifest.json") && nb_streq(op->name, st->at)) {
        nb_cancel_set(st->cancel);
        fault->stall_ms = 2000;
    }
}

static void run_told_to_stop_while_it_commits_leaves_no_backup(void **state)
{
    static const char *const at[] = { "PutObject", "GetObject" };
    struct story *s = *state;

    for (size_t i = 0; i < NB_ARRAY_LEN(at); i++) {
        struct repo *r = repo_of(s, "ns/a", "uid", "run1");
        struct stopper st = { nb_cancel_new(), at[i] };
        struct repo_claim *c = NULL;
        struct repo_manifest *done = NULL, *m;
        struct s3_object o;

        assert_true(claim(s, r, T0, &c, &done));
        assert_true(upload(s, c, "dump", &o));
        m = manifest_for(c, T0, "dump", &o);
        fake_s3_set_hook(s->f, stop_hook, &st);
        FAILS(s, repo_commit(c, m, st.cancel, &s->err), "Cancelled");
        fake_s3_set_hook(s->f, NULL, NULL);
        OK(s, repo_claim_abandon(c, NULL, &s->err));
        assert_int_equal(fake_s3_count(s->f), 0);
        nb_cancel_free(st.cancel);
        repo_manifest_free(m);
        repo_claim_free(c);
        repo_free(r);
    }
}

/* ---- a kill after every request ---- */

struct killer {
    unsigned after;   /* requests that still go through */
    bool carried_out; /* the next one is carried out, but its answer never comes */
};

static void kill_hook(void *ctx, const struct fake_s3_op *op, struct fake_s3_fault *fault)
{
    const struct killer *k = ctx;

    if (op->number <= k->after)
        return;
    fault->close = true;
    fault->after = k->carried_out && op->number == k->after + 1;
}

static void no_retry(struct s3_client_opts *o)
{
    o->retry_window_ms = -1;
}

/* A whole try of a run whose machine dies after k requests. True: it ended in success before that.
 */
static bool doomed_try(struct story *s, unsigned k, bool carried_out)
{
    struct killer killer = { k, carried_out };
    struct s3_client *healthy = s->c;
    struct repo *r;
    char stem[REPO_KEY_MAX + 1];
    bool ok;

    s->c = s3_fixture_client(s->f, no_retry);
    r = repo_of(s, "ns/a", "uid", "run1");
    fake_s3_set_hook(s->f, kill_hook, &killer);
    ok = backup_run(s, r, T0, stem);
    fake_s3_set_hook(s->f, NULL, NULL);
    repo_free(r);
    s3_client_free(s->c);
    s->c = healthy;
    return ok;
}

static void run_killed_after_any_request_is_made_good_by_the_next_try(void **state)
{
    struct story *s = *state;

    for (int carried_out = 0; carried_out < 2; carried_out++) {
        bool success = false;
        unsigned k;

        /* Nine requests: beyond those that decide, two that tidy up. */
        for (k = 0; k < 12; k++) {
            struct repo *r = repo_of(s, "ns/a", "uid", "run1");
            struct repo_backups all = REPO_BACKUPS_INIT;
            unsigned complete = 0;

            success = doomed_try(s, k, carried_out);
            backup_ok(s, r, T0);
            OK(s, repo_list(r, NULL, NULL, &all, &s->err));
            for (size_t i = 0; i < all.n; i++)
                complete += all.items[i].state == REPO_COMPLETE;
            if (complete != 1 || all.n != 1 || all.items[0].claim_key)
                fail_msg("killed after %u: %u complete of %zu", k, complete, all.n);
            assert_int_equal(fake_s3_count(s->f), 2);
            repo_backups_done(&all);
            assert_true(fake_s3_delete(s->f, STEM ".cypher.gz"));
            assert_true(fake_s3_delete(s->f, STEM ".manifest.json"));
            repo_free(r);
        }
        assert_true(success);
    }
}

/* ---- listing ---- */

static const struct repo_backup *find(const struct repo_backups *all, const char *stem)
{
    for (size_t i = 0; i < all->n; i++)
        if (nb_streq(all->items[i].stem, stem))
            return &all->items[i];
    fail_msg("'%s' is not listed", stem);
    return NULL;
}

static void list_tells_every_state_apart(void **state)
{
    struct story *s = *state;
    struct repo *a = repo_of(s, "ns/a", "uid", NULL), *b = repo_of(s, "ns/b", "uid", NULL);
    struct repo_claim *live = NULL, *stale = NULL;
    struct repo_manifest *done = NULL;
    struct repo_backups all = REPO_BACKUPS_INIT;
    struct repo_list_opts o = { .ours_only = true };

    for (int i = 0; i < 3; i++)
        backup_ok(s, a, T0 + i * DAY);
    backup_ok(s, b, T0 + 3 * DAY);
    assert_true(claim(s, a, T0 + 4 * DAY, &live, &done));
    assert_true(claim(s, a, T0 + 5 * DAY, &stale, &done));
    fake_s3_age(s->f, "p/neo4j_2025-10-13_02-00-00.claim.json", 3600);
    fake_s3_put(s->f, "p/neo4j_2024-01-01_00-00-00.cypher.gz", "sidecar", 7);
    fake_s3_put(s->f, "p/neo4j_2023-01-01_00-00-00.manifest.json", "{", 1);
    fake_s3_put(s->f, "p/neo4j_2023-01-02_00-00-00.pin", "", 0);
    fake_s3_put(s->f, "p/readme.txt", "x", 1);
    fake_s3_put(s->f, "p/sub/neo4j_2024-01-01_00-00-00.cypher.gz", "x", 1);
    fake_s3_put(s->f, "p/neo4j-2_2024-01-01_00-00-00.cypher.gz", "x", 1);
    assert_true(fake_s3_delete(s->f, "p/neo4j_2025-10-09_02-00-00.cypher.gz"));
    fake_s3_put(s->f, "p/neo4j_2025-10-10_02-00-00.cypher.gz", "dump!", 5);
    OK(s, repo_pin(a, STEM ".manifest.json", true, NULL, &s->err));

    for (unsigned page = 0; page < 3; page++) {
        fake_s3_set_page(s->f, page);
        OK(s, repo_list(a, NULL, NULL, &all, &s->err));
        assert_true(all.complete);
        assert_int_equal(all.n, 9);
        assert_int_equal(find(&all, STEM)->state, REPO_COMPLETE);
        assert_true(find(&all, STEM)->pinned);
        assert_true(find(&all, STEM)->ours);
        assert_int_equal(find(&all, STEM)->stored_bytes, 4);
        assert_int_equal(find(&all, "p/neo4j_2025-10-09_02-00-00")->state, REPO_DELETING);
        assert_int_equal(find(&all, "p/neo4j_2025-10-10_02-00-00")->state, REPO_DAMAGED);
        assert_non_null(find(&all, "p/neo4j_2025-10-10_02-00-00")->problem);
        assert_int_equal(find(&all, "p/neo4j_2025-10-11_02-00-00")->state, REPO_COMPLETE);
        assert_false(find(&all, "p/neo4j_2025-10-11_02-00-00")->ours);
        assert_int_equal(find(&all, "p/neo4j_2025-10-12_02-00-00")->state, REPO_RUNNING);
        assert_int_equal(find(&all, "p/neo4j_2025-10-13_02-00-00")->state, REPO_STALE);
        assert_int_equal(find(&all, "p/neo4j_2024-01-01_00-00-00")->state, REPO_UNMANAGED);
        assert_false(find(&all, "p/neo4j_2024-01-01_00-00-00")->ours);
        assert_int_equal(find(&all, "p/neo4j_2023-01-01_00-00-00")->state, REPO_DAMAGED);
        assert_int_equal(find(&all, "p/neo4j-2_2024-01-01_00-00-00")->state, REPO_UNMANAGED);
        repo_backups_done(&all);
    }
    OK(s, repo_list(a, &o, NULL, &all, &s->err));
    assert_int_equal(all.n, 5);
    repo_backups_done(&all);
    o = (struct repo_list_opts){ .database = "neo4j" };
    OK(s, repo_list(a, &o, NULL, &all, &s->err));
    assert_int_equal(all.n, 8);
    repo_backups_done(&all);
    repo_claim_free(live);
    repo_claim_free(stale);
    repo_free(a);
    repo_free(b);
}

static void find_gives_the_newest_complete_one_before_a_time(void **state)
{
    struct story *s = *state;
    struct repo *a = repo_of(s, "ns/a", "uid", NULL), *b = repo_of(s, "ns/b", "uid", NULL);
    struct repo_manifest *m = NULL;
    char key[REPO_KEY_MAX + 1];

    FAILS(s, repo_find(a, "neo4j", 0, NULL, &m, key, &s->err), "NoBackup");
    for (int i = 0; i < 3; i++)
        backup_ok(s, a, T0 + i * DAY);
    backup_ok(s, b, T0 + 9 * DAY);
    OK(s, repo_find(a, "neo4j", 0, NULL, &m, key, &s->err));
    assert_string_equal(key, "p/neo4j_2025-10-10_02-00-00.manifest.json");
    repo_manifest_free(m);
    OK(s, repo_find(a, "neo4j", T0 + DAY + 5, NULL, &m, key, &s->err));
    assert_string_equal(key, "p/neo4j_2025-10-09_02-00-00.manifest.json");
    repo_manifest_free(m);
    /* It was still being read: what was deleted then may be missing in it. */
    OK(s, repo_find(a, "neo4j", T0 + DAY + 4, NULL, &m, key, &s->err));
    assert_string_equal(key, STEM ".manifest.json");
    repo_manifest_free(m);
    assert_true(fake_s3_delete(s->f, "p/neo4j_2025-10-09_02-00-00.cypher.gz"));
    OK(s, repo_find(a, "neo4j", T0 + DAY + 5, NULL, &m, key, &s->err));
    assert_string_equal(key, STEM ".manifest.json");
    repo_manifest_free(m);
    FAILS(s, repo_find(a, "neo4j", T0 + 4, NULL, &m, key, &s->err), "NoBackup");
    FAILS(s, repo_find(a, "other", 0, NULL, &m, key, &s->err), "NoBackup");
    repo_free(a);
    repo_free(b);
}

static void choice_says_what_is_newer_and_not_to_be_had(void **state)
{
    struct story *s = *state;
    struct repo *a = repo_of(s, "ns/a", "uid", NULL), *b = repo_of(s, "ns/b", "uid", NULL);
    struct repo_backups all = REPO_BACKUPS_INIT;
    struct repo_choice c;

    for (int i = 0; i < 3; i++)
        backup_ok(s, a, T0 + i * DAY);
    backup_ok(s, b, T0 + 9 * DAY);
    OK(s, repo_list(a, NULL, NULL, &all, &s->err));
    assert_int_equal(repo_backups_choose(&all, 0, 0, &c), 4);
    assert_string_equal(c.newest->stem, "p/neo4j_2025-10-10_02-00-00");
    assert_null(c.passed_over);
    repo_backups_done(&all);

    /* The newest has lost its dump; one that nobody asks for is damaged; another owner's is too. */
    assert_true(fake_s3_delete(s->f, "p/neo4j_2025-10-10_02-00-00.cypher.gz"));
    fake_s3_put(s->f, STEM ".cypher.gz", "dump!", 5);
    assert_true(fake_s3_delete(s->f, "p/neo4j_2025-10-17_02-00-00.cypher.gz"));
    OK(s, repo_list(a, NULL, NULL, &all, &s->err));
    repo_backups_choose(&all, 0, 0, &c);
    assert_string_equal(c.newest->stem, "p/neo4j_2025-10-09_02-00-00");
    assert_string_equal(c.passed_over->stem, "p/neo4j_2025-10-10_02-00-00");
    assert_int_equal(c.passed_over->state, REPO_DELETING);
    repo_backups_choose(&all, 0, T0 + DAY + 5, &c);
    assert_null(c.passed_over);
    repo_backups_choose(&all, 0, T0 + 5, &c);
    assert_null(c.newest);
    assert_string_equal(c.passed_over->stem, STEM);
    repo_backups_done(&all);

    fake_s3_put(s->f, "p/neo4j_2025-10-20_02-00-00.manifest.json", "{", 1);
    OK(s, repo_list(a, NULL, NULL, &all, &s->err));
    repo_backups_choose(&all, 0, 0, &c);
    assert_string_equal(c.passed_over->stem, "p/neo4j_2025-10-20_02-00-00");
    repo_backups_done(&all);
    repo_free(a);
    repo_free(b);
}

/* ---- pruning ---- */

static void prune_deletes_ours_that_expired_and_nothing_else(void **state)
{
    struct story *s = *state;
    struct repo *a = repo_of(s, "ns/a", "uid", NULL), *b = repo_of(s, "ns/b", "uid", NULL);
    const struct repo_prune_opts o = { .database = "neo4j", .rules = { .days = 7 } };
    struct repo_prune_opts dry = o;
    struct repo_prune_result p;
    struct repo_claim *stale = NULL;
    struct repo_manifest *done = NULL;

    for (int i = 0; i < 4; i++)
        backup_ok(s, a, T0 + i * DAY);
    backup_ok(s, b, T0 - DAY);
    fake_s3_put(s->f, "p/neo4j_2020-01-01_00-00-00.cypher.gz", "sidecar", 7);
    OK(s, repo_pin(a, STEM ".cypher.gz", true, NULL, &s->err));
    fake_s3_lock_prefix(s->f, "p/neo4j_2025-10-09");
    assert_true(claim(s, a, T0 - 30 * DAY, &stale, &done));
    fake_s3_age(s->f, "p/neo4j_2025-09-08_02-00-00.claim.json", 3600);

    dry.dry_run = true;
    OK(s, repo_prune(a, &dry, NULL, &p, &s->err));
    assert_int_equal(p.deleted, 2);
    repo_prune_result_done(&p);
    assert_int_equal(fake_s3_count(s->f), 13);

    OK(s, repo_prune(a, &o, NULL, &p, &s->err));
    assert_int_equal(p.n, 4);
    assert_int_equal(p.kept, 2);
    assert_int_equal(p.deleted, 1);
    assert_int_equal(p.locked, 1);
    assert_int_equal(p.claims_swept, 1);
    assert_int_equal(p.bytes_deleted, 4);
    assert_false(p.blocked);
    repo_prune_result_done(&p);
    expect_bucket(s, "p/neo4j_2020-01-01_00-00-00.cypher.gz\n"
                     "p/neo4j_2025-10-07_02-00-00.cypher.gz\n"
                     "p/neo4j_2025-10-07_02-00-00.manifest.json\n" STEM ".cypher.gz\n" STEM
                     ".manifest.json\n" STEM ".pin\n"
                     "p/neo4j_2025-10-09_02-00-00.cypher.gz\n"
                     "p/neo4j_2025-10-09_02-00-00.manifest.json\n"
                     "p/neo4j_2025-10-11_02-00-00.cypher.gz\n"
                     "p/neo4j_2025-10-11_02-00-00.manifest.json\n");
    OK(s, repo_pin(a, STEM ".cypher.gz", false, NULL, &s->err));
    fake_s3_lock_prefix(s->f, NULL);
    OK(s, repo_prune(a, &o, NULL, &p, &s->err));
    assert_int_equal(p.deleted, 2);
    assert_int_equal(p.kept, 1);
    repo_prune_result_done(&p);
    repo_claim_free(stale);
    repo_free(a);
    repo_free(b);
}

/* What is being restored is not taken away meanwhile; an old hold is, with or without its backup. */
static void prune_leaves_what_is_held_until_the_hold_is_old(void **state)
{
    struct story *s = *state;
    struct repo *a = repo_of(s, "ns/a", "uid", NULL);
    struct repo_prune_opts o = { .rules = { .days = -1, .keep_last = 1 } };
    struct repo_prune_result p;

    backup_ok(s, a, T0);
    backup_ok(s, a, T0 + DAY);
    OK(s, repo_hold(a, STEM ".manifest.json", NULL, &s->err));
    OK(s, repo_hold(a, STEM ".cypher.gz", NULL, &s->err)); /* a second restore of it */
    OK(s, repo_hold(a, "p/neo4j_2025-10-09_02-00-00.manifest.json", NULL, &s->err));
    OK(s, repo_prune(a, &o, NULL, &p, &s->err));
    assert_int_equal(p.deleted, 0);
    assert_string_equal(retention_reason_name(p.items[0].reason), "Held");
    repo_prune_result_done(&p);
    fake_s3_age(s->f, STEM ".hold", REPO_HOLD_SECONDS - 60);
    OK(s, repo_prune(a, &o, NULL, &p, &s->err));
    assert_int_equal(p.deleted, 0);
    repo_prune_result_done(&p);

    fake_s3_age(s->f, STEM ".hold", REPO_HOLD_SECONDS + 60);
    fake_s3_age(s->f, "p/neo4j_2025-10-09_02-00-00.hold", REPO_HOLD_SECONDS + 60);
    o.dry_run = true;
    OK(s, repo_prune(a, &o, NULL, &p, &s->err));
    assert_true(fake_s3_has(s->f, "p/neo4j_2025-10-09_02-00-00.hold"));
    repo_prune_result_done(&p);
    o.dry_run = false;
    OK(s, repo_prune(a, &o, NULL, &p, &s->err));
    assert_int_equal(p.deleted, 1);
    repo_prune_result_done(&p);
    expect_bucket(s, "p/neo4j_2025-10-09_02-00-00.cypher.gz\n"
                     "p/neo4j_2025-10-09_02-00-00.manifest.json\n");
    repo_free(a);
}

/* As `backup --keep-last 1`, three times within a second: each keeps what it has made itself. */
static void run_never_prunes_what_it_has_just_made(void **state)
{
    struct story *s = *state;
    struct repo_prune_opts o = { .rules = { .days = -1, .keep_last = 1 } };
    static const char *const runs[] = { "run1", "run2", "run3" };
    char stem[REPO_KEY_MAX + 1], dump[REPO_KEY_MAX + 16], manifest[REPO_KEY_MAX + 16];

    for (size_t i = 0; i < NB_ARRAY_LEN(runs); i++) {
        struct repo *r = repo_of(s, "ns/a", "uid", runs[i]);
        struct repo_prune_result p;

        if (!backup_run(s, r, T0, stem))
            fail_msg("%s", s->err.text);
        snprintf(dump, sizeof(dump), "%s.cypher.gz", stem);
        snprintf(manifest, sizeof(manifest), "%s.manifest.json", stem);
        o.made_manifest_key = manifest;
        OK(s, repo_prune(r, &o, NULL, &p, &s->err));
        /* The third takes the first one's name, which is free again, and is older by it. */
        assert_int_equal(p.kept, i == 2 ? 2 : 1);
        assert_int_equal(p.deleted, i == 1);
        repo_prune_result_done(&p);
        assert_true(fake_s3_has(s->f, dump));
        repo_free(r);
    }
}

static void newest_of_a_second_is_the_same_for_retention_and_restore(void **state)
{
    struct story *s = *state;
    const struct repo_prune_opts o = { .rules = { .days = -1, .keep_last = 1 } };
    struct repo *other = repo_of(s, "ns/a", "uid", NULL);
    struct repo_manifest *m = NULL;
    struct repo_prune_result p;
    char key[REPO_KEY_MAX + 1];

    for (unsigned i = 0; i < 12; i++) { /* ..., -9, -10, -11: by number, not by text */
        struct repo *r = repo_of(s, "ns/a", "uid", NULL);

        backup_ok(s, r, T0);
        repo_free(r);
    }
    OK(s, repo_find(other, "neo4j", 0, NULL, &m, key, &s->err));
    assert_string_equal(key, STEM "-12.manifest.json");
    OK(s, repo_prune(other, &o, NULL, &p, &s->err));
    assert_int_equal(p.deleted, 11);
    assert_true(fake_s3_has(s->f, STEM "-12.cypher.gz"));
    repo_prune_result_done(&p);
    repo_manifest_free(m);
    repo_free(other);
}

static void prune_with_another_uid_of_ours_is_blocked_until_adopted(void **state)
{
    struct story *s = *state;
    struct repo *old = repo_of(s, "ns/a", "old", NULL), *new = repo_of(s, "ns/a", "new", NULL);
    struct repo_prune_opts o = { .rules = { .days = 1 } };
    struct repo_prune_result p;

    backup_ok(s, old, T0);
    backup_ok(s, old, T0 + DAY);
    backup_ok(s, new, T0 + 2 * DAY);
    OK(s, repo_prune(new, &o, NULL, &p, &s->err));
    assert_true(p.blocked);
    assert_int_equal(p.deleted, 0);
    repo_prune_result_done(&p);
    o.rules.adopt = true;
    OK(s, repo_prune(new, &o, NULL, &p, &s->err));
    assert_false(p.blocked);
    assert_int_equal(p.deleted, 2);
    repo_prune_result_done(&p);
    repo_free(old);
    repo_free(new);
}

static void prune_cut_off_after_any_request_is_finished_by_the_next(void **state)
{
    struct story *s = *state;
    bool success = false;

    for (unsigned k = 0; !success; k++) {
        struct killer killer = { k, k % 2 };
        struct s3_client *healthy = s->c, *doomed = s3_fixture_client(s->f, no_retry);
        const struct repo_prune_opts o = { .rules = { .days = 1 } };
        struct repo_prune_result p;
        struct repo *r;

        assert_true(k < 60);
        r = repo_of(s, "ns/a", "uid", NULL);
        for (int i = 0; i < 3; i++)
            backup_ok(s, r, T0 + i * DAY);
        repo_free(r);
        s->c = doomed;
        r = repo_of(s, "ns/a", "uid", NULL);
        fake_s3_set_hook(s->f, kill_hook, &killer);
        nb_error_clear(&s->err);
        success = repo_prune(r, &o, NULL, &p, &s->err);
        fake_s3_set_hook(s->f, NULL, NULL);
        repo_prune_result_done(&p);
        repo_free(r);
        s3_client_free(doomed);
        s->c = healthy;
        r = repo_of(s, "ns/a", "uid", NULL);
        OK(s, repo_prune(r, &o, NULL, &p, &s->err));
        repo_prune_result_done(&p);
        expect_bucket(s, "p/neo4j_2025-10-10_02-00-00.cypher.gz\n"
                         "p/neo4j_2025-10-10_02-00-00.manifest.json\n");
        repo_free(r);
        assert_true(fake_s3_delete(s->f, "p/neo4j_2025-10-10_02-00-00.cypher.gz"));
        assert_true(fake_s3_delete(s->f, "p/neo4j_2025-10-10_02-00-00.manifest.json"));
    }
}

static void prune_never_touches_what_a_manifest_says_of_other_keys(void **state)
{
    struct story *s = *state;
    struct repo *r = repo_of(s, "ns/a", "uid", NULL);
    struct repo_claim *c = NULL;
    struct repo_manifest *done = NULL, *m;
    const struct repo_prune_opts o = { .rules = { .days = 1, .everything = true } };
    struct repo_prune_result p;
    struct s3_object stored;
    struct repo_object *x;

    fake_s3_put(s->f, "p/precious.txt", "1234", 4);
    assert_true(claim(s, r, T0, &c, &done));
    assert_true(upload(s, c, "dump", &stored));
    m = manifest_for(c, T0, "dump", &stored);
    x = repo_manifest_add_object(m, "p/precious.txt");
    memcpy(x->sha256, m->plain_sha256, sizeof(x->sha256));
    x->size = 4;
    OK(s, repo_commit(c, m, NULL, &s->err));
    OK(s, repo_prune(r, &o, NULL, &p, &s->err));
    assert_int_equal(p.deleted, 1);
    repo_prune_result_done(&p);
    expect_bucket(s, "p/precious.txt\n");
    repo_manifest_free(m);
    repo_claim_free(c);
    repo_free(r);
}

/* ---- ETags that are others ---- */

static void count_reads(void *ctx, const struct fake_s3_op *op, struct fake_s3_fault *fault)
{
    (void)fault;
    *(unsigned *)ctx += nb_streq(op->name, "GetObject") && nb_ends_with(op->key, ".cypher.gz");
}

static void count_proofs(void *ctx, const struct repo_backup *b)
{
    unsigned *by_state = ctx;

    by_state[b->state]++;
}

static void replaced_dump_does_not_count_for_retention(void **state)
{
    struct story *s = *state;
    struct repo *r = repo_of(s, "ns/a", "uid", NULL);
    unsigned proofs[REPO_UNMANAGED + 1] = { 0 };
    const struct repo_prune_opts o = { .rules = { .days = -1, .keep_last = 1 },
                                       .on_proof = count_proofs,
                                       .ctx = proofs };
    struct repo_backups all = REPO_BACKUPS_INIT;
    struct repo_prune_result p;

    for (int i = 0; i < 3; i++)
        backup_ok(s, r, T0 + i * DAY);
    fake_s3_put(s->f, "p/neo4j_2025-10-10_02-00-00.cypher.gz", "DUMP", 4);
    OK(s, repo_list(r, NULL, NULL, &all, &s->err));
    assert_int_equal(all.items[1].state, REPO_COMPLETE);
    assert_int_equal(all.items[2].state, REPO_UNPROVEN);
    assert_string_equal(repo_state_name(all.items[2].state), "Unproven");
    assert_non_null(strstr(all.items[2].problem, "another ETag"));
    repo_backups_done(&all);
    OK(s, repo_prune(r, &o, NULL, &p, &s->err));
    assert_int_equal(proofs[REPO_DAMAGED], 1);
    assert_int_equal(p.kept, 1);
    assert_int_equal(p.deleted, 2);
    repo_prune_result_done(&p);
    assert_true(fake_s3_has(s->f, "p/neo4j_2025-10-09_02-00-00.cypher.gz"));
    repo_free(r);
}

/* Each that counts is read once, what goes is not read, and the rest stays as it is. */
static void copy_of_the_bucket_is_pruned_by_its_bytes(void **state)
{
    struct story *s = *state;
    struct repo *r = repo_of(s, "ns/a", "uid", NULL);
    unsigned proofs[REPO_UNMANAGED + 1] = { 0 }, reads = 0;
    struct repo_prune_opts o = { .rules = { .days = 10000, .keep_last = 2 },
                                 .on_proof = count_proofs,
                                 .ctx = proofs };
    struct repo_prune_result p;
    char key[REPO_KEY_MAX + 1];

    for (int i = 0; i < 4; i++)
        backup_ok(s, r, T0 + i * DAY);
    fake_s3_set_odd_etags(s->f, true);
    for (int i = 0; i < 4; i++) {
        snprintf(key, sizeof(key), "p/neo4j_2025-10-%02d_02-00-00.cypher.gz", 8 + i);
        fake_s3_put(s->f, key, "dump", 4);
    }
    fake_s3_set_hook(s->f, count_reads, &reads);
    OK(s, repo_prune(r, &o, NULL, &p, &s->err));
    assert_int_equal(p.kept, 4);
    assert_int_equal(reads, 0); /* nothing goes */
    repo_prune_result_done(&p);
    o.rules.days = -1;
    OK(s, repo_prune(r, &o, NULL, &p, &s->err));
    assert_int_equal(p.kept, 2);
    assert_int_equal(p.deleted, 2);
    assert_int_equal(reads, 2);
    assert_int_equal(proofs[REPO_COMPLETE], 2);
    repo_prune_result_done(&p);
    fake_s3_set_hook(s->f, NULL, NULL);
    assert_true(fake_s3_has(s->f, "p/neo4j_2025-10-11_02-00-00.cypher.gz"));
    repo_free(r);
}

static void no_reads(void *ctx, const struct fake_s3_op *op, struct fake_s3_fault *fault)
{
    (void)ctx;
    if (nb_streq(op->name, "GetObject") && nb_ends_with(op->key, ".cypher.gz"))
        *fault = (struct fake_s3_fault){ .status = 403, .code = "AccessDenied" };
}

static void nothing_goes_where_a_proof_cannot_be_had(void **state)
{
    struct story *s = *state;
    struct repo *r = repo_of(s, "ns/a", "uid", NULL);
    const struct repo_prune_opts o = { .rules = { .days = -1, .keep_last = 1 } };
    struct repo_prune_result p;

    for (int i = 0; i < 3; i++)
        backup_ok(s, r, T0 + i * DAY);
    fake_s3_put(s->f, "p/neo4j_2025-10-10_02-00-00.cypher.gz", "DUMP", 4);
    fake_s3_set_hook(s->f, no_reads, NULL);
    FAILS(s, repo_prune(r, &o, NULL, &p, &s->err), "AccessDenied");
    fake_s3_set_hook(s->f, NULL, NULL);
    assert_int_equal(fake_s3_count(s->f), 6);
    repo_prune_result_done(&p);
    repo_free(r);
}

/* ---- chunks ---- */

#define CHUNK(c)                                                                                   \
    "p/chunks/ns~2Fa/neo4j/" c c c c c c c c "00000000000000000000000000000000.cypher.gz"

static void incremental(struct story *s, struct repo *r, int64_t when, const char *const *chunks,
                        size_t n, bool works)
{
    struct repo_claim *c = NULL;
    struct repo_manifest *done = NULL, *m;

    assert_true(claim(s, r, when, &c, &done));
    m = manifest_for(c, when, "dump", NULL);
    free(m->objects[0].key);
    m->objects_n = 0;
    m->type = REPO_INCREMENTAL;
    for (size_t i = 0; i < n; i++) {
        struct repo_object *o = repo_manifest_add_object(m, chunks[i]);

        o->size = 4;
        memcpy(o->sha256, m->plain_sha256, sizeof(o->sha256));
    }
    nb_error_clear(&s->err);
    if (repo_commit(c, m, NULL, &s->err) != works)
        fail_msg("%s", s->err.text);
    if (!works)
        OK(s, repo_claim_abandon(c, NULL, &s->err));
    repo_manifest_free(m);
    repo_claim_free(c);
}

static void chunks_are_swept_when_no_manifest_names_them(void **state)
{
    struct story *s = *state;
    struct repo *r = repo_of(s, "ns/a", "uid", NULL);
    const char *const first[] = { CHUNK("aaaa"), CHUNK("bbbb") };
    const char *const second[] = { CHUNK("aaaa"), CHUNK("cccc") };
    const char *const missing[] = { CHUNK("aaaa"), CHUNK("dddd") };
    const struct repo_prune_opts o = { .rules = { .days = -1, .keep_last = 1 } };
    struct repo_prune_result p;
    struct repo_claim *live = NULL;
    struct repo_manifest *done = NULL;
    struct repo_backups all = REPO_BACKUPS_INIT;
    const struct repo_list_opts with_chunks = { .with_chunks = true };

    fake_s3_put(s->f, CHUNK("aaaa"), "1234", 4);
    fake_s3_put(s->f, CHUNK("bbbb"), "1234", 4);
    fake_s3_put(s->f, CHUNK("cccc"), "1234", 4);
    fake_s3_put(s->f, CHUNK("eeee"), "1234", 4); /* of a run that died; still young */
    fake_s3_put(s->f, "p/chunks/ns~2Fb/neo4j/x.cypher.gz", "1234", 4);
    incremental(s, r, T0, first, 2, true);
    incremental(s, r, T0 + DAY, second, 2, true);
    incremental(s, r, T0 + 2 * DAY, missing, 2, false);
    assert_string_equal(s->err.reason, "");
    OK(s, repo_list(r, &with_chunks, NULL, &all, &s->err));
    assert_int_equal(all.n, 2);
    assert_int_equal(all.chunk_count, 4);
    assert_int_equal(all.chunk_bytes, 16);
    assert_int_equal(all.items[0].state, REPO_COMPLETE);
    repo_backups_done(&all);
    fake_s3_age(s->f, CHUNK("aaaa"), 3600);
    fake_s3_age(s->f, CHUNK("bbbb"), 3600);
    fake_s3_age(s->f, CHUNK("cccc"), 3600);

    assert_true(claim(s, r, T0 + 5 * DAY, &live, &done));
    OK(s, repo_prune(r, &o, NULL, &p, &s->err));
    assert_int_equal(p.deleted, 1);
    assert_int_equal(p.chunks_deleted, 0); /* a run at work may build on them */
    repo_prune_result_done(&p);
    OK(s, repo_claim_abandon(live, NULL, &s->err));
    OK(s, repo_prune(r, &o, NULL, &p, &s->err));
    assert_int_equal(p.chunks_deleted, 1);
    repo_prune_result_done(&p);
    assert_true(fake_s3_has(s->f, CHUNK("aaaa")));
    assert_false(fake_s3_has(s->f, CHUNK("bbbb")));
    assert_true(fake_s3_has(s->f, CHUNK("cccc")));
    assert_true(fake_s3_has(s->f, CHUNK("eeee")));
    assert_true(fake_s3_delete(s->f, CHUNK("cccc")));
    OK(s, repo_list(r, &with_chunks, NULL, &all, &s->err));
    assert_int_equal(all.items[0].state, REPO_DAMAGED);
    repo_backups_done(&all);
    repo_claim_free(live);
    repo_free(r);
}

static void owner_gone_leaves_nothing_of_its_own(void **state)
{
    struct story *s = *state;
    struct repo *r = repo_of(s, "ns/a", "uid", NULL);
    const char *const chunks[] = { CHUNK("aaaa") };
    const struct repo_prune_opts o = { .rules = { .everything = true } };
    struct repo_prune_result p;

    fake_s3_put(s->f, CHUNK("aaaa"), "1234", 4);
    backup_ok(s, r, T0);
    incremental(s, r, T0 + DAY, chunks, 1, true);
    OK(s, repo_prune(r, &o, NULL, &p, &s->err));
    assert_int_equal(p.deleted, 2);
    assert_int_equal(p.chunks_deleted, 1);
    assert_int_equal(fake_s3_count(s->f), 0);
    repo_prune_result_done(&p);
    repo_free(r);
}

static void settings_that_are_wrong_are_refused(void **state)
{
    struct story *s = *state;
    struct repo *r = NULL;
    struct repo_opts o = { .client = s->c, .owner = "" };

    FAILS(s, repo_open(&o, &r, &s->err), "InvalidOwner");
    o.owner = "a\nb";
    FAILS(s, repo_open(&o, &r, &s->err), "InvalidOwner");
    o.owner = "a";
    o.prefix = "../x";
    FAILS(s, repo_open(&o, &r, &s->err), "InvalidPrefix");
    o.prefix = NULL;
    OK(s, repo_open(&o, &r, &s->err));
    assert_true(strlen(repo_run_id(r)) > 10);
    assert_string_equal(repo_owner(r), "a");
    assert_string_equal(repo_prefix(r), "");
    repo_free(r);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(backup_leaves_dump_and_manifest_only),
        T(run_tried_again_finds_its_own_backup),
        T(backup_of_the_same_second_gets_a_suffix),
        T(live_claim_of_another_run_of_ours_is_held),
        T(stale_claim_of_ours_is_taken_over_and_cleaned_up),
        T(claim_refreshed_stays_live_also_without_conditional_writes),
        T(failed_run_leaves_nothing),
        T(claim_whose_etag_was_told_wrong_is_still_ours),
        T(claim_stays_while_uploads_cannot_be_listed),
        T(leftover_claim_goes_with_uploads_that_are_in_none),
        T(commit_of_what_the_bucket_does_not_hold_is_refused),
        T(manifest_that_is_there_already_is_never_overwritten),
        T(late_manifest_of_the_same_run_is_replaced),
        T(name_that_was_used_and_left_before_the_claim_came_is_not_taken),
        T(run_told_to_stop_while_it_commits_leaves_no_backup),
        T(run_killed_after_any_request_is_made_good_by_the_next_try),
        T(list_tells_every_state_apart),
        T(find_gives_the_newest_complete_one_before_a_time),
        T(choice_says_what_is_newer_and_not_to_be_had),
        T(prune_deletes_ours_that_expired_and_nothing_else),
        T(prune_leaves_what_is_held_until_the_hold_is_old),
        T(run_never_prunes_what_it_has_just_made),
        T(newest_of_a_second_is_the_same_for_retention_and_restore),
        T(prune_with_another_uid_of_ours_is_blocked_until_adopted),
        T(prune_cut_off_after_any_request_is_finished_by_the_next),
        T(prune_never_touches_what_a_manifest_says_of_other_keys),
        T(replaced_dump_does_not_count_for_retention),
        T(copy_of_the_bucket_is_pruned_by_its_bytes),
        T(nothing_goes_where_a_proof_cannot_be_had),
        T(chunks_are_swept_when_no_manifest_names_them),
        T(owner_gone_leaves_nothing_of_its_own),
        T(settings_that_are_wrong_are_refused),
    };

    http_global_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
