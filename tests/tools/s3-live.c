/*
 * s3-live ENDPOINT BUCKET ACCESS_KEY_ID SECRET [REGION]: what the S3 client and the repository rely
 * on, tried on a real service, under a prefix of its own that is empty again afterwards. Ends with
 * "N passed, N failed".
 */

#include <stdio.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/mem.h"
#include "net/http.h"
#include "repo/repo.h"
#include "s3/list.h"
#include "s3/upload.h"

static struct s3_client *client;
static struct nb_error err = NB_ERROR_INIT;
static char dir[64];
static unsigned passed, failed;

static void report(const char *name, bool ok)
{
    ok ? passed++ : failed++;
    printf("%s %s%s%s\n", ok ? "ok  " : "FAIL", name, ok ? "" : ": ", ok ? "" : err.text);
    nb_error_clear(&err);
}

static const char *key(const char *name)
{
    static char k[8][256];
    static unsigned at;

    at = (at + 1) % 8;
    snprintf(k[at], sizeof(k[0]), "%s/%s", dir, name);
    return k[at];
}

static bool not_as_wanted(const char *what)
{
    return err.text[0] ? false : nb_fail(&err, NB_E_PROTOCOL, "NotAsWanted", "%s", what);
}

static bool refused(bool call, const char *reason)
{
    bool as_wanted = !call && nb_streq(err.reason, reason);

    if (as_wanted)
        nb_error_clear(&err);
    return as_wanted || not_as_wanted("it was not refused");
}

/* ---- objects ---- */

static bool odd_keys(void)
{
    static const char *const names[] = { "plain",
                                         "a b",
                                         "plus+",
                                         "é/備份/🎉",
                                         "q?w#e%41&=;:@$,",
                                         "~tilde!*'()",
                                         "deep/er/key.cypher.gz" };
    const struct s3_pair meta[] = { { "owner", "ns/né" }, { "nodes", "12" } };
    const struct s3_put_opts o = { .content_type = "application/gzip", .meta = meta, .meta_n = 2 };

    for (size_t i = 0; i < NB_ARRAY_LEN(names); i++) {
        nb_auto_done(nb_buf_done) struct nb_buf got = NB_BUF_INIT(1000);
        nb_auto_done(nb_buf_done) struct nb_buf headers = NB_BUF_INIT(64 << 10);
        nb_auto_done(nb_buf_done) struct nb_buf owner = NB_BUF_INIT(1000);
        struct s3_object put, head;

        if (!s3_put(client, key(names[i]), "hello", 5, &o, NULL, &put, &err) ||
            !s3_get_buf(client, key(names[i]), &got, NULL, NULL, &err) ||
            !s3_head(client, key(names[i]), NULL, &head, &headers, &err))
            return false;
        if (!nb_streq(nb_buf_cstr(&got), "hello") || head.size != 5 ||
            !nb_streq(put.etag, head.etag) || !s3_meta_get(&headers, "owner", &owner) ||
            !nb_streq(nb_buf_cstr(&owner), "ns/né"))
            return not_as_wanted(names[i]);
        if (!s3_delete(client, key(names[i]), NULL, &err))
            return false;
    }
    return refused(s3_head(client, key("plain"), NULL, NULL, NULL, &err), "ObjectNotFound");
}

static bool conditions(void)
{
    struct s3_put_opts o = { .if_none_match = true };
    struct s3_object first;

    if (!s3_put(client, key("c"), "1", 1, &o, NULL, &first, &err) ||
        !refused(s3_put(client, key("c"), "2", 1, &o, NULL, NULL, &err), "PreconditionFailed"))
        return false;
    o = (struct s3_put_opts){ .if_match = "\"00000000000000000000000000000000\"" };
    if (!refused(s3_put(client, key("c"), "3", 1, &o, NULL, NULL, &err), "PreconditionFailed"))
        return false;
    o.if_match = first.etag;
    return s3_put(client, key("c"), "4", 1, &o, NULL, NULL, &err) &&
           s3_delete(client, key("c"), NULL, &err);
}

static bool collect(void *ctx, const char *p, size_t n, struct nb_error *e)
{
    nb_buf_append(ctx, p, n);
    return nb_buf_check(ctx, e);
}

static bool ranges(void)
{
    nb_auto_done(nb_buf_done) struct nb_buf got = NB_BUF_INIT(1000);
    struct s3_get_opts o = { .offset = 2, .length = 3 };
    struct s3_object whole;

    if (!s3_put(client, key("r"), "0123456789", 10, NULL, NULL, NULL, &err) ||
        !s3_get(client, key("r"), &o, collect, &got, NULL, &whole, &err))
        return false;
    if (!nb_streq(nb_buf_cstr(&got), "234") || whole.size != 10)
        return not_as_wanted("another range");
    o = (struct s3_get_opts){ .offset = 8, .if_match = whole.etag };
    nb_buf_clear(&got);
    if (!s3_get(client, key("r"), &o, collect, &got, NULL, NULL, &err))
        return false;
    if (!nb_streq(nb_buf_cstr(&got), "89"))
        return not_as_wanted("another range");
    o.if_match = "\"00000000000000000000000000000000\"";
    return refused(s3_get(client, key("r"), &o, collect, &got, NULL, NULL, &err),
                   "PreconditionFailed") &&
           s3_delete(client, key("r"), NULL, &err);
}

/* ---- uploads ---- */

static bool hash_body(void *ctx, const char *p, size_t n, struct nb_error *e)
{
    (void)e;
    nb_sha256_update(ctx, p, n);
    return true;
}

static bool upload_of(uint64_t bytes)
{
    nb_auto(s3_upload_free) struct s3_upload *up = NULL;
    nb_auto(nb_sha256_free) struct nb_sha256 *sha = nb_sha256_new();
    nb_auto(nb_free) char *block = nb_xmalloc(1 << 20);
    const struct s3_upload_opts o = { .content_type = "application/gzip" };
    struct s3_upload_result r;
    struct s3_object head;
    uint8_t hash[NB_SHA256_BYTES];
    char hex[NB_SHA256_HEX];

    nb_random_bytes(block, 1 << 20);
    if (!s3_upload_new(client, key("u"), &o, NULL, &up, &err))
        return false;
    for (uint64_t left = bytes; left > 0;) {
        size_t n = left < 1 << 20 ? (size_t)left : 1 << 20;

        if (!s3_upload_write(up, block, n, &err))
            return false;
        left -= n;
    }
    if (!s3_upload_commit(up, &r, &err) || !s3_head(client, key("u"), NULL, &head, NULL, &err) ||
        !s3_get(client, key("u"), NULL, hash_body, sha, NULL, NULL, &err))
        return false;
    nb_sha256_final(sha, hash);
    nb_hex(hash, sizeof(hash), hex);
    if (!nb_streq(hex, r.sha256) || head.size != bytes || !nb_streq(head.etag, r.etag) ||
        !r.etag_matches)
        return not_as_wanted("stored bytes, size or ETag differ");
    return s3_delete(client, key("u"), NULL, &err);
}

static bool count_upload(void *ctx, const struct s3_list_upload *u, struct nb_error *e)
{
    (void)u;
    (void)e;
    ++*(unsigned *)ctx;
    return true;
}

static bool uploads_left(unsigned want)
{
    unsigned n = 0;
    bool complete;

    if (!s3_list_uploads(client, key("u"), count_upload, &n, NULL, &complete, &err))
        return false;
    return (n == want && complete) || not_as_wanted("another number of uploads is left");
}

static bool abandoned_upload(void)
{
    struct s3_upload *up = NULL;
    nb_auto(nb_free) char *block = nb_xcalloc(1, 9 << 20);
    bool ok = s3_upload_new(client, key("u"), NULL, NULL, &up, &err) &&
              s3_upload_write(up, block, 9 << 20, &err);

    s3_upload_free(up);
    return ok && uploads_left(0);
}

static bool noted_upload(void)
{
    char id[S3_UPLOAD_ID_MAX];

    return s3_multipart_create(client, key("u"), NULL, NULL, id, &err) && uploads_left(1) &&
           s3_multipart_abort(client, key("u"), id, NULL, &err) && uploads_left(0) &&
           s3_multipart_abort(client, key("u"), id, NULL, &err);
}

/* ---- lists ---- */

static bool count_entry(void *ctx, const struct s3_list_entry *e, struct nb_error *e2)
{
    (void)e2;
    (void)e;
    ++*(unsigned *)ctx;
    return true;
}

static bool pages(void)
{
    char prefix[128], name[32];
    struct s3_list_opts o = { .prefix = prefix, .page_size = 3 };
    unsigned n = 0;
    bool complete;

    snprintf(prefix, sizeof(prefix), "%s/l/", dir);
    for (int i = 0; i < 8; i++) {
        snprintf(name, sizeof(name), i < 6 ? "l/%d é+&<" : "l/sub/%d", i);
        if (!s3_put(client, key(name), "x", 1, NULL, NULL, NULL, &err))
            return false;
    }
    if (!s3_list(client, &o, count_entry, &n, NULL, &complete, &err))
        return false;
    if (n != 8 || !complete)
        return not_as_wanted("another number of keys");
    o.delimiter = "/";
    n = 0;
    if (!s3_list(client, &o, count_entry, &n, NULL, &complete, &err))
        return false;
    if (n != 7 || !complete)
        return not_as_wanted("another number of keys and prefixes");
    for (int i = 0; i < 8; i++) {
        snprintf(name, sizeof(name), i < 6 ? "l/%d é+&<" : "l/sub/%d", i);
        if (!s3_delete(client, key(name), NULL, &err))
            return false;
    }
    return true;
}

/* ---- repository ---- */

static bool backup(struct repo *r, int64_t when)
{
    nb_auto(repo_claim_free) struct repo_claim *c = NULL;
    nb_auto(repo_manifest_free) struct repo_manifest *done = NULL;
    nb_auto(repo_manifest_free) struct repo_manifest *m = repo_manifest_new();
    const struct repo_claim_opts o = { .database = "neo4j", .scheduled_unix_seconds = when };
    struct s3_object stored;
    struct repo_object *x;
    uint8_t sha[NB_SHA256_BYTES];

    if (!repo_claim_new(r, &o, NULL, &c, &done, &err))
        return false;
    if (done)
        return true;
    if (!s3_put(client, repo_claim_dump_key(c), "dump", 4, NULL, NULL, &stored, &err) ||
        !repo_claim_refresh(c, NULL, &err))
        return false;
    x = repo_manifest_add_object(m, repo_claim_dump_key(c));
    nb_sha256("dump", 4, sha);
    nb_hex(sha, sizeof(sha), x->sha256);
    memcpy(m->plain_sha256, x->sha256, sizeof(m->plain_sha256));
    x->size = 4;
    memcpy(x->etag, stored.etag, sizeof(x->etag));
    m->database = nb_xstrdup("neo4j");
    m->engine = nb_xstrdup("cypher");
    m->compression = nb_xstrdup("none");
    m->start_unix_seconds = m->completion_unix_seconds = when;
    return repo_commit(c, m, NULL, &err);
}

static bool repository(void)
{
    const struct repo_opts o = { .client = client, .prefix = dir, .owner = "ns/live" };
    const struct repo_prune_opts prune = { .rules = { .days = 3 } };
    const struct repo_prune_opts all = { .rules = { .everything = true } };
    nb_auto(repo_free) struct repo *r = NULL;
    nb_auto_done(repo_prune_result_done) struct repo_prune_result p = { 0 };
    nb_auto_done(repo_prune_result_done) struct repo_prune_result q = { 0 };
    nb_auto_done(repo_backups_done) struct repo_backups list = REPO_BACKUPS_INIT;
    int64_t now = nb_clock_unix_seconds();

    if (!repo_open(&o, &r, &err))
        return false;
    for (int i = 0; i < 5; i++)
        if (!backup(r, now - i * 86400))
            return false;
    if (!backup(r, now)) /* the same run again: done already */
        return false;
    if (!repo_list(r, NULL, NULL, &list, &err))
        return false;
    if (list.n != 5 || !list.complete || list.items[0].state != REPO_COMPLETE)
        return not_as_wanted("other backups are listed");
    if (!repo_prune(r, &prune, NULL, &p, &err) || !repo_prune(r, &all, NULL, &q, &err))
        return false;
    return (p.deleted == 2 && p.kept == 3 && q.deleted == 3) || not_as_wanted("pruned otherwise");
}

/* ---- refusals ---- */

static bool bad_secret(const struct s3_client_opts *good)
{
    nb_auto(nb_secret_free) struct nb_secret *secret = nb_secret_new("wrong-secret", 12);
    nb_auto(s3_creds_free) struct s3_creds *creds = NULL;
    nb_auto(s3_client_free) struct s3_client *c = NULL;
    struct s3_client_opts o = *good;

    if (!s3_creds_new(good->creds->access_key_id, secret, NULL, &creds, &err))
        return false;
    o.creds = creds;
    return s3_client_new(&o, &c, &err) &&
           refused(s3_head_bucket(c, NULL, &err), "SignatureMismatch");
}

static bool bad_bucket(const struct s3_client_opts *good)
{
    nb_auto(s3_client_free) struct s3_client *c = NULL;
    struct s3_client_opts o = *good;

    o.bucket = "no-such-bucket-here";
    return s3_client_new(&o, &c, &err) && refused(s3_head_bucket(c, NULL, &err), "BucketNotFound");
}

int main(int argc, char **argv)
{
    nb_auto(s3_creds_free) struct s3_creds *creds = NULL;
    nb_auto(nb_secret_free) struct nb_secret *secret = NULL;
    struct s3_client_opts o = { .retry_window_ms = 30000 };
    uint8_t id[4];
    char hex[9];

    if (argc < 5) {
        fprintf(stderr, "s3-live ENDPOINT BUCKET ACCESS_KEY_ID SECRET [REGION]\n");
        return 2;
    }
    http_global_init();
    nb_random_bytes(id, sizeof(id));
    nb_hex(id, sizeof(id), hex);
    snprintf(dir, sizeof(dir), "live-%s", hex);
    secret = nb_secret_new(argv[4], strlen(argv[4]));
    o.endpoint = argv[1];
    o.bucket = argv[2];
    o.region = argc > 5 ? argv[5] : NULL;
    if (!s3_creds_new(argv[3], secret, NULL, &creds, &err) ||
        !(o.creds = creds, s3_client_new(&o, &client, &err))) {
        fprintf(stderr, "s3-live: %s\n", err.text);
        return 2;
    }
    report("bucket is there", s3_head_bucket(client, NULL, &err));
    report("odd keys and metadata come back", odd_keys());
    report("conditions are kept", conditions());
    report("ranges", ranges());
    report("upload in one request", upload_of(1000000));
    report("upload in parts", upload_of((20 << 20) + 123));
    report("abandoned upload leaves nothing", abandoned_upload());
    report("upload is listed and aborted", noted_upload());
    report("lists in pages", pages());
    report("backups are claimed, committed, listed, pruned", repository());
    report("wrong secret is told", bad_secret(&o));
    report("missing bucket is told", bad_bucket(&o));
    s3_client_free(client);
    printf("%u passed, %u failed\n", passed, failed);
    return failed > 0;
}
