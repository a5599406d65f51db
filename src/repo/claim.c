#include <assert.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/thread.h"
#include "repo/repo_priv.h"
#include "s3/list.h"

struct repo_claim {
    struct repo *repo;
    struct repo_name name; /* kind DUMP */
    char stem[REPO_KEY_MAX + 1], key[REPO_KEY_MAX + 1];
    char dump_key[REPO_KEY_MAX + 1], manifest_key[REPO_KEY_MAX + 1];
    /* Held over the request on purpose: writes of the one claim object must not overtake each
     * other. */
    pthread_mutex_t write_lock;
    struct repo_claim_text text;
    char etag[S3_ETAG_MAX];
    bool unconditional; /* the service has no If-Match on writes */
    int64_t written_mono_ms;
    bool manifest_tried; /* our manifest may be there */
};

/* R2 takes one write a second to a key: a claim this young is asked for, not written again. */
enum { CLAIM_FRESH_MS = 60 * 1000 };

/* ---- the claim object ---- */

int64_t repo_age_seconds(const struct repo *r, const struct s3_object *o)
{
    return s3_client_now_unix_ms(r->client) / 1000 - o->last_modified_unix_seconds;
}

bool repo_claim_is_live(struct repo *r, const struct s3_object *claim)
{
    return repo_age_seconds(r, claim) < REPO_CLAIM_LIVE_SECONDS;
}

bool repo_claim_read(struct repo *r, const char *key, const struct nb_cancel *cancel,
                     struct repo_claim_text *ret, struct s3_object *ret_object,
                     struct nb_error *err)
{
    nb_auto_done(nb_buf_done) struct nb_buf b = NB_BUF_INIT(REPO_CLAIM_MAX_BYTES);

    return s3_get_buf(r->client, key, &b, cancel, ret_object, err) &&
           (repo_claim_text_parse(nb_buf_cstr(&b), b.len, ret, err) || nb_wrap(err, "'%s'", key));
}

/* etag: "" for a claim that must not exist yet. A service without conditions on writes (501) gets
 * a plain one. */
static bool claim_put(struct repo *r, const char *key, const struct repo_claim_text *t,
                      char etag[S3_ETAG_MAX], bool *unconditional, const struct nb_cancel *cancel,
                      struct nb_error *err)
{
    nb_auto_done(nb_buf_done) struct nb_buf b = NB_BUF_INIT(REPO_CLAIM_MAX_BYTES);
    struct s3_put_opts o = { .content_type = "application/json",
                             .if_none_match = !etag[0],
                             .if_match = etag[0] && !*unconditional ? etag : NULL };
    struct s3_object stored;
    bool ok;

    repo_claim_text_format(t, &b);
    if (!nb_buf_check(&b, err))
        return false;
    ok = s3_put(r->client, key, b.data, b.len, &o, cancel, &stored, err);
    if (!ok && o.if_match && nb_streq(err->reason, "StorageRejected")) {
        nb_error_clear(err);
        *unconditional = true;
        o.if_match = NULL;
        ok = s3_put(r->client, key, b.data, b.len, &o, cancel, &stored, err);
    }
    if (ok)
        snprintf(etag, S3_ETAG_MAX, "%s", stored.etag);
    return ok;
}

static void text_make(struct repo *r, const struct repo_claim_opts *o, struct repo_claim_text *t)
{
    uint8_t bytes[8];
    char hex[2 * sizeof(bytes) + 1];

    nb_random_bytes(bytes, sizeof(bytes));
    nb_hex(bytes, sizeof(bytes), hex);
    t->owner = nb_xstrdup(r->owner);
    t->owner_uid = r->owner_uid[0] ? nb_xstrdup(r->owner_uid) : NULL;
    t->run_id = nb_xstrdup(r->run_id);
    t->nonce = nb_xstrdup(hex);
    t->database = nb_xstrdup(o->database);
    t->base_manifest = nb_xstrdup_null(o->base_manifest);
    t->start_unix_seconds = t->refresh_unix_seconds = s3_client_now_unix_ms(r->client) / 1000;
}

static bool claim_lost(struct nb_error *err, const char *key)
{
    nb_error_clear(err);
    return nb_fail(err, NB_E_CONFLICT, "ClaimLost", "another run has taken over the claim '%s'",
                   key);
}

/* ---- cleaning up under a stem ---- */

struct keys {
    struct repo_strings all;
    const char *stem;
};

static bool on_dump_key(void *ctx, const struct s3_list_entry *e, struct nb_error *err)
{
    struct keys *k = ctx;
    char stem[REPO_KEY_MAX + 1];

    (void)err;
    if (repo_key_stem(e->key, stem) && nb_streq(stem, k->stem) &&
        nb_starts_with(e->key + strlen(stem), ".cypher"))
        repo_strings_add(&k->all, e->key);
    return true;
}

static bool on_upload(void *ctx, const struct s3_list_upload *u, struct nb_error *err)
{
    struct keys *k = ctx;
    char stem[REPO_KEY_MAX + 1];
    nb_auto(nb_free) char *both = NULL;

    (void)err;
    if (!repo_key_stem(u->key, stem) || !nb_streq(stem, k->stem))
        return true;
    both = nb_xasprintf("%s\n%s", u->key, u->upload_id);
    for (size_t i = 0; i < k->all.n; i++)
        if (nb_streq(k->all.items[i], both))
            return true;
    repo_strings_add(&k->all, both);
    return true;
}

static void keys_done(struct keys *k)
{
    for (size_t i = 0; i < k->all.n; i++)
        free(k->all.items[i]);
    free(k->all.items);
}
NB_AUTO_DONE_DEFINE(struct keys, keys_done)

/* "key\nid" */
static bool abort_noted(struct repo *r, const char *both, const char *stem,
                        const struct nb_cancel *cancel, struct nb_error *err)
{
    const char *id = strchr(both, '\n');
    char key[REPO_KEY_MAX + 1], of[REPO_KEY_MAX + 1];

    snprintf(key, sizeof(key), "%.*s", (int)(id - both), both);
    if (!repo_key_stem(key, of) || !nb_streq(of, stem))
        return true; /* a claim speaks for its own stem only */
    return s3_multipart_abort(r->client, key, id + 1, cancel, err);
}

/* Uploads under the stem that are noted nowhere: their creation was never answered, or the worker was
 * killed before it could note them. Some services (MinIO) list them only by their whole key. */
static bool find_uploads(struct repo *r, struct keys *found, size_t noted,
                         const struct nb_cancel *cancel, struct nb_error *err)
{
    static const char *const forms[] = { "", ".cypher", ".cypher.gz", ".cypher.age",
                                         ".cypher.gz.age" };
    char key[REPO_KEY_MAX + 32];
    bool complete;

    for (size_t i = 0; i < NB_ARRAY_LEN(forms); i++) {
        snprintf(key, sizeof(key), "%s%s", found->stem, forms[i]);
        if (!s3_list_uploads(r->client, key, on_upload, found, cancel, &complete, err))
            return false;
    }
    if (noted == 0)
        return true;
    /* The dump goes on in further objects: the one behind the last that is noted. */
    for (size_t i = 1; i < NB_ARRAY_LEN(forms); i++) {
        snprintf(key, sizeof(key), "%s%s.%03zu", found->stem, forms[i], noted + 1);
        if (!s3_list_uploads(r->client, key, on_upload, found, cancel, &complete, err))
            return false;
    }
    return true;
}

bool repo_stem_uploads_abort(struct repo *r, const char *stem, const struct repo_strings *noted,
                             const struct nb_cancel *cancel, struct repo_aborted *io,
                             struct nb_error *err)
{
    nb_auto_done(keys_done) struct keys found = { .stem = stem };
    struct nb_error listing = NB_ERROR_INIT;

    for (size_t i = 0; noted && i < noted->n; i++) {
        if (!abort_noted(r, noted->items[i], stem, cancel, err))
            return false;
        io->uploads++;
    }
    /* Not every access key may list uploads, nor can every service: then there is nothing to wait
     * for. What was found until then is aborted. */
    io->unlisted = !find_uploads(r, &found, noted ? noted->n : 0, cancel, &listing) &&
                   nb_error_is_transient(&listing);
    for (size_t i = 0; i < found.all.n; i++) {
        if (!abort_noted(r, found.all.items[i], stem, cancel, err))
            return false;
        io->uploads++;
    }
    return true;
}

bool repo_stem_clean(struct repo *r, const char *stem, const struct repo_strings *uploads,
                     const struct nb_cancel *cancel, struct repo_aborted *io, struct nb_error *err)
{
    nb_auto_done(keys_done) struct keys dumps = { .stem = stem };
    const struct s3_list_opts o = { .prefix = stem };
    bool complete;

    if (!repo_stem_uploads_abort(r, stem, uploads, cancel, io, err) ||
        !s3_list(r->client, &o, on_dump_key, &dumps, cancel, &complete, err))
        return false;
    for (size_t i = 0; i < dumps.all.n; i++)
        if (!s3_delete(r->client, dumps.all.items[i], cancel, err))
            return false;
    return true;
}

bool repo_claim_take_over(struct repo *r, const char *stem, struct repo_claim_text *text,
                          const char *etag, const struct nb_cancel *cancel,
                          char ret_etag[S3_ETAG_MAX], struct repo_aborted *io, struct nb_error *err)
{
    char key[REPO_KEY_MAX + 16];
    bool unconditional = false;

    snprintf(key, sizeof(key), "%s.claim.json", stem);
    snprintf(ret_etag, S3_ETAG_MAX, "%s", etag);
    text->refresh_unix_seconds = s3_client_now_unix_ms(r->client) / 1000;
    if (!claim_put(r, key, text, ret_etag, &unconditional, cancel, err))
        return err->code == NB_E_CONFLICT || err->code == NB_E_NOT_FOUND ? claim_lost(err, key)
                                                                         : false;
    return repo_stem_clean(r, stem, &text->uploads, cancel, io, err);
}

/* ---- choosing a name ---- */

struct taken {
    bool claim, manifest, dump;
};

struct survey {
    struct repo *r;
    const struct repo_name *name;
    struct taken by_suffix[REPO_SUFFIX_TRIES + 1]; /* 0: none */
};

static bool on_same_second(void *ctx, const struct s3_list_entry *e, struct nb_error *err)
{
    struct survey *s = ctx;
    struct repo_name n;
    struct taken *t;

    (void)err;
    if (!repo_name_parse(s->r->prefix, e->key, &n) || strcmp(n.database, s->name->database) != 0 ||
        n.time_unix_seconds != s->name->time_unix_seconds || n.suffix > REPO_SUFFIX_TRIES)
        return true;
    t = &s->by_suffix[n.suffix];
    t->claim = t->claim || n.kind == REPO_NAME_CLAIM;
    t->manifest = t->manifest || n.kind == REPO_NAME_MANIFEST;
    t->dump =
        t->dump || n.kind == REPO_NAME_DUMP || n.kind == REPO_NAME_PIN || n.kind == REPO_NAME_HOLD;
    return true;
}

static bool survey_make(struct repo_claim *c, struct survey *s, const struct nb_cancel *cancel,
                        struct nb_error *err)
{
    char stem[REPO_KEY_MAX + 1];
    const struct s3_list_opts o = { .prefix = stem };
    struct repo_name bare = c->name;
    bool complete;

    memset(s, 0, sizeof(*s));
    s->r = c->repo;
    s->name = &c->name;
    bare.suffix = 0;
    return repo_name_stem(c->repo->prefix, &bare, stem, err) &&
           s3_list(c->repo->client, &o, on_same_second, s, cancel, &complete, err);
}

static bool set_keys(struct repo_claim *c, unsigned suffix, struct nb_error *err)
{
    struct repo_name n = c->name;

    c->name.suffix = n.suffix = suffix;
    n.kind = REPO_NAME_CLAIM;
    if (!repo_name_stem(c->repo->prefix, &n, c->stem, err) ||
        !repo_name_format(c->repo->prefix, &n, c->key, err))
        return false;
    n.kind = REPO_NAME_MANIFEST;
    if (!repo_name_format(c->repo->prefix, &n, c->manifest_key, err))
        return false;
    return repo_name_format(c->repo->prefix, &c->name, c->dump_key, err);
}

enum verdict { CLAIM_OURS, CLAIM_NEXT_NAME, CLAIM_LOOK_AGAIN, CLAIM_DONE, CLAIM_FAILED };

/* There is a manifest: ours from an earlier try of this run? */
static enum verdict judge_manifest(struct repo_claim *c, const struct nb_cancel *cancel,
                                   struct repo_manifest **ret_done, struct nb_error *err)
{
    nb_auto(repo_manifest_free) struct repo_manifest *m = NULL;

    if (!repo_manifest_read(c->repo, c->manifest_key, cancel, &m, err)) {
        bool other = err->code == NB_E_CORRUPT || err->code == NB_E_INVALID;

        if (nb_streq(err->reason, "NoBackup"))
            return CLAIM_LOOK_AGAIN;
        return other ? CLAIM_NEXT_NAME : CLAIM_FAILED;
    }
    if (strcmp(m->owner, c->repo->owner) != 0 || strcmp(m->run_id, c->repo->run_id) != 0 ||
        m->distrust)
        return CLAIM_NEXT_NAME;
    /* Ours, but not whole: it stays to be looked at, and the backup is made anew under another
     * name. */
    if (!repo_objects_check(c->repo, m, cancel, err) ||
        !repo_chunks_check(c->repo, m, NULL, cancel, err))
        return err->code == NB_E_CORRUPT ? CLAIM_NEXT_NAME : CLAIM_FAILED;
    *ret_done = nb_steal(m);
    return CLAIM_DONE;
}

static enum verdict conflict_or_fail(struct nb_error *err)
{
    return err->code == NB_E_CONFLICT ? CLAIM_LOOK_AGAIN : CLAIM_FAILED;
}

/* There is a claim and no manifest. */
static enum verdict judge_claim(struct repo_claim *c, const struct nb_cancel *cancel,
                                struct nb_error *err)
{
    nb_auto_done(repo_claim_text_done) struct repo_claim_text old = { 0 };
    struct s3_object object;
    struct repo_aborted aborted = { .uploads = 0 }; /* what was not listed our own end lists */
    bool same_run;

    if (!repo_claim_read(c->repo, c->key, cancel, &old, &object, err)) {
        if (err->code == NB_E_NOT_FOUND)
            return CLAIM_LOOK_AGAIN;
        return nb_streq(err->reason, "InvalidClaim") ? CLAIM_NEXT_NAME : CLAIM_FAILED;
    }
    if (strcmp(old.owner, c->repo->owner) != 0)
        return CLAIM_NEXT_NAME;
    same_run = strcmp(old.run_id, c->repo->run_id) == 0;
    if (!same_run && repo_claim_is_live(c->repo, &object)) {
        nb_fail(err, NB_E_CONFLICT, "ClaimHeld",
                "run '%s' is making the backup '%s' at this moment", old.run_id, c->stem);
        return CLAIM_FAILED;
    }
    /* What the old claim noted stays noted until it is cleaned up. */
    c->text.uploads = old.uploads;
    memset(&old.uploads, 0, sizeof(old.uploads));
    if (!repo_claim_take_over(c->repo, c->stem, &c->text, object.etag, cancel, c->etag, &aborted,
                              err))
        return conflict_or_fail(err);
    return CLAIM_OURS;
}

/* A quicker run may have claimed the name, made its backup and dropped its claim again between our
 * look and our claim. Its manifest was written before its claim went, so it shows now. */
static enum verdict judge_once_claimed(struct repo_claim *c, const struct nb_cancel *cancel,
                                       struct nb_error *err)
{
    if (s3_head(c->repo->client, c->manifest_key, cancel, NULL, NULL, err))
        return s3_delete(c->repo->client, c->key, cancel, err) ? CLAIM_LOOK_AGAIN : CLAIM_FAILED;
    return err->code == NB_E_NOT_FOUND ? CLAIM_OURS : CLAIM_FAILED;
}

static enum verdict judge_free_name(struct repo_claim *c, const struct nb_cancel *cancel,
                                    struct nb_error *err)
{
    c->etag[0] = '\0';
    if (!claim_put(c->repo, c->key, &c->text, c->etag, &c->unconditional, cancel, err))
        return conflict_or_fail(err);
    return judge_once_claimed(c, cancel, err);
}

static enum verdict judge(struct repo_claim *c, const struct survey *s,
                          const struct nb_cancel *cancel, struct repo_manifest **ret_done,
                          struct nb_error *err)
{
    for (unsigned suffix = 0; suffix <= REPO_SUFFIX_TRIES; suffix += suffix ? 1 : 2) {
        const struct taken *t = &s->by_suffix[suffix];
        enum verdict v = CLAIM_NEXT_NAME;

        nb_error_clear(err);
        if (!set_keys(c, suffix, err))
            return CLAIM_FAILED;
        if (t->manifest)
            v = judge_manifest(c, cancel, ret_done, err);
        else if (t->claim)
            v = judge_claim(c, cancel, err);
        else if (!t->dump)
            v = judge_free_name(c, cancel, err);
        if (v != CLAIM_NEXT_NAME)
            return v;
    }
    nb_error_clear(err);
    nb_fail(err, NB_E_CONFLICT, "NamesExhausted", "'%s' and %d names after it are taken", c->stem,
            REPO_SUFFIX_TRIES);
    return CLAIM_FAILED;
}

/* An earlier try of this run was killed between its manifest and the end: its claim is of no use
 * any more. */
static void drop_claim_of_done(struct repo_claim *c, const struct nb_cancel *cancel)
{
    nb_auto_done(repo_claim_text_done) struct repo_claim_text old = { 0 };
    struct s3_object object;
    struct nb_error ignored = NB_ERROR_INIT;

    if (repo_claim_read(c->repo, c->key, cancel, &old, &object, &ignored) &&
        nb_streq(old.run_id, c->repo->run_id) &&
        !s3_delete(c->repo->client, c->key, cancel, &ignored))
        nb_error_clear(&ignored);
}

static bool claim_find(struct repo_claim *c, const struct nb_cancel *cancel,
                       struct repo_manifest **ret_done, struct nb_error *err)
{
    for (int look = 0; look < 10; look++) {
        struct survey s;

        if (!survey_make(c, &s, cancel, err))
            return false;
        switch (judge(c, &s, cancel, ret_done, err)) {
        case CLAIM_OURS:
            nb_error_clear(err);
            return true;
        case CLAIM_DONE:
            drop_claim_of_done(c, cancel);
            nb_error_clear(err);
            return true;
        case CLAIM_LOOK_AGAIN:
            nb_error_clear(err);
            break;
        case CLAIM_NEXT_NAME:
        case CLAIM_FAILED:
            return false;
        }
    }
    return nb_fail(err, NB_E_CONFLICT, "ClaimHeld", "others keep taking the name '%s'", c->stem);
}

bool repo_claim_new(struct repo *r, const struct repo_claim_opts *o, const struct nb_cancel *cancel,
                    struct repo_claim **ret, struct repo_manifest **ret_done, struct nb_error *err)
{
    nb_auto(repo_claim_free) struct repo_claim *c = NULL;

    *ret = NULL;
    *ret_done = NULL;
    if (!o->database[0] || strlen(o->database) > REPO_DATABASE_MAX)
        return nb_fail(err, NB_E_INVALID, "InvalidName",
                       "a database's name must be 1 to %d bytes long", REPO_DATABASE_MAX);
    c = NB_NEW(struct repo_claim);
    nb_mutex_init(&c->write_lock);
    c->repo = r;
    c->name = (struct repo_name){ .kind = REPO_NAME_DUMP,
                                  .gz = o->gz,
                                  .age = o->age,
                                  .time_unix_seconds = o->scheduled_unix_seconds };
    snprintf(c->name.database, sizeof(c->name.database), "%s", o->database);
    text_make(r, o, &c->text);
    if (!claim_find(c, cancel, ret_done, err))
        return nb_wrap(err, "claim a name for the backup of '%s'", o->database);
    for (size_t i = 0; i < c->text.uploads.n; i++)
        free(c->text.uploads.items[i]);
    c->text.uploads.n = 0;
    c->written_mono_ms = nb_clock_mono_ms();
    if (!*ret_done)
        *ret = nb_steal(c);
    return true;
}

void repo_claim_free(struct repo_claim *c)
{
    if (!c)
        return;
    repo_claim_text_done(&c->text);
    pthread_mutex_destroy(&c->write_lock);
    free(c);
}

const char *repo_claim_dump_key(const struct repo_claim *c)
{
    return c->dump_key;
}

const char *repo_claim_manifest_key(const struct repo_claim *c)
{
    return c->manifest_key;
}

bool repo_claim_object_key(const struct repo_claim *c, unsigned n, char out[REPO_KEY_MAX + 1],
                           struct nb_error *err)
{
    struct repo_name name = c->name;

    name.object = n;
    return repo_name_format(c->repo->prefix, &name, out, err);
}

/* ---- while it lives ---- */

/* Locked. What is there is ours after all: the ETag that we knew was not its. */
static bool claim_learn_etag(struct repo_claim *c, const struct nb_cancel *cancel)
{
    nb_auto_done(repo_claim_text_done) struct repo_claim_text now = { 0 };
    struct nb_error ignored = NB_ERROR_INIT;
    struct s3_object object;

    if (!repo_claim_read(c->repo, c->key, cancel, &now, &object, &ignored) ||
        !nb_streq(now.nonce, c->text.nonce) || nb_streq(object.etag, c->etag))
        return false;
    snprintf(c->etag, sizeof(c->etag), "%s", object.etag);
    return true;
}

static bool claim_put_again(struct repo_claim *c, const struct nb_cancel *cancel,
                            struct nb_error *err)
{
    if (claim_put(c->repo, c->key, &c->text, c->etag, &c->unconditional, cancel, err))
        return true;
    if (err->code != NB_E_CONFLICT || !claim_learn_etag(c, cancel))
        return false;
    nb_error_clear(err);
    return claim_put(c->repo, c->key, &c->text, c->etag, &c->unconditional, cancel, err);
}

/* Locked. */
static bool claim_write(struct repo_claim *c, const struct nb_cancel *cancel, struct nb_error *err)
{
    c->text.refresh_unix_seconds = s3_client_now_unix_ms(c->repo->client) / 1000;
    if (claim_put_again(c, cancel, err)) {
        c->written_mono_ms = nb_clock_mono_ms();
        return true;
    }
    if (err->code == NB_E_CONFLICT || err->code == NB_E_NOT_FOUND)
        return claim_lost(err, c->key);
    return nb_wrap(err, "refresh the claim");
}

/* Locked. Still ours? A run that was frozen for long must not work beside the one that took over.
 */
static bool claim_hold(struct repo_claim *c, const struct nb_cancel *cancel, struct nb_error *err)
{
    nb_auto_done(repo_claim_text_done) struct repo_claim_text now = { 0 };
    struct s3_object object;

    if (nb_clock_mono_ms() - c->written_mono_ms >= CLAIM_FRESH_MS)
        return claim_write(c, cancel, err);
    if (!repo_claim_read(c->repo, c->key, cancel, &now, &object, err))
        return err->code == NB_E_NOT_FOUND ? claim_lost(err, c->key)
                                           : nb_wrap(err, "read the claim");
    return nb_streq(now.nonce, c->text.nonce) || claim_lost(err, c->key);
}

bool repo_claim_refresh(struct repo_claim *c, const struct nb_cancel *cancel, struct nb_error *err)
{
    bool ok;

    pthread_mutex_lock(&c->write_lock);
    ok = claim_write(c, cancel, err);
    pthread_mutex_unlock(&c->write_lock);
    return ok;
}

bool repo_claim_add_upload(struct repo_claim *c, const char *key, const char *upload_id,
                           const struct nb_cancel *cancel, struct nb_error *err)
{
    nb_auto(nb_free) char *both = nb_xasprintf("%s\n%s", key, upload_id);
    bool ok;

    pthread_mutex_lock(&c->write_lock);
    repo_strings_add(&c->text.uploads, both);
    ok = claim_write(c, cancel, err);
    pthread_mutex_unlock(&c->write_lock);
    return ok;
}

bool repo_claim_abandon(struct repo_claim *c, const struct nb_cancel *cancel, struct nb_error *err)
{
    struct repo_aborted aborted = { .uploads = 0 };
    bool ok;

    pthread_mutex_lock(&c->write_lock);
    /* Only while it is still ours: another run may have taken over and be at work under this very
     * stem. */
    /* The manifest first: what is reported as a failure must never look like a backup. */
    ok = claim_hold(c, cancel, err) &&
         (!c->manifest_tried || s3_delete(c->repo->client, c->manifest_key, cancel, err)) &&
         repo_stem_clean(c->repo, c->stem, &c->text.uploads, cancel, &aborted, err) &&
         (!aborted.unlisted ||
          nb_fail(err, NB_E_UNAVAILABLE, "StorageUnavailable",
                  "uploads cannot be listed at this moment, so the claim stays")) &&
         s3_delete(c->repo->client, c->key, cancel, err);
    pthread_mutex_unlock(&c->write_lock);
    return ok || nb_wrap(err, "clean up '%s'", c->stem);
}

/* ---- commit ---- */

static void set_default(char **at, const char *s)
{
    if (!*at && s && s[0])
        *at = nb_xstrdup(s);
}

static bool manifest_read_back(struct repo_claim *c, const struct nb_buf *text,
                               const struct nb_cancel *cancel, struct nb_error *err)
{
    nb_auto_done(nb_buf_done) struct nb_buf back = NB_BUF_INIT(REPO_MANIFEST_MAX_BYTES);

    if (!s3_get_buf(c->repo->client, c->manifest_key, &back, cancel, NULL, err))
        return false;
    return nb_str_equal(nb_buf_str(text), nb_buf_str(&back)) ||
           nb_fail(err, NB_E_CORRUPT, "ChecksumMismatch",
                   "the manifest read back from the bucket differs from what was written");
}

/* What is reported as a failure must not be found as a backup later; if this fails, abandon tries
 * again. */
static void manifest_take_back(struct repo_claim *c, const struct nb_cancel *cancel)
{
    struct nb_error ignored = NB_ERROR_INIT;

    if (s3_delete(c->repo->client, c->manifest_key, cancel, &ignored))
        c->manifest_tried = false;
}

static bool manifest_lost(struct repo_claim *c, struct nb_error *err)
{
    nb_error_clear(err);
    return nb_fail(err, NB_E_CONFLICT, "ClaimLost", "another run has written '%s'",
                   c->manifest_key);
}

/* One is there already, says err. That of an earlier try of this run, killed while it was sending
 * it, may come late: what it names went when its claim was taken over. Of any other run what lies
 * under the stem is its own now: only our claim goes. When it cannot be told, that stays too. */
static bool manifest_replace(struct repo_claim *c, const struct nb_buf *text,
                             const struct nb_cancel *cancel, struct nb_error *err)
{
    nb_auto_done(nb_buf_done) struct nb_buf there = NB_BUF_INIT(REPO_MANIFEST_MAX_BYTES);
    nb_auto(repo_manifest_free) struct repo_manifest *m = NULL;
    struct nb_error ignored = NB_ERROR_INIT;
    struct s3_object object;
    const struct s3_put_opts o = { .content_type = "application/json", .if_match = object.etag };

    if (!s3_get_buf(c->repo->client, c->manifest_key, &there, cancel, &object, &ignored))
        return ignored.code == NB_E_NOT_FOUND ? false : manifest_lost(c, err);
    if (!repo_manifest_parse(nb_buf_cstr(&there), there.len, &m, &ignored) ||
        !nb_streq(m->owner, c->repo->owner) || !nb_streq(m->run_id, c->repo->run_id)) {
        if (!s3_delete(c->repo->client, c->key, cancel, &ignored))
            nb_error_clear(&ignored);
        return manifest_lost(c, err);
    }
    nb_error_clear(err);
    c->manifest_tried = true;
    return s3_put(c->repo->client, c->manifest_key, text->data, text->len, &o, cancel, NULL, err);
}

static bool manifest_put(struct repo_claim *c, const struct nb_buf *text,
                         const struct nb_cancel *cancel, struct nb_error *err)
{
    const struct s3_put_opts o = { .content_type = "application/json", .if_none_match = true };

    c->manifest_tried = true;
    if (s3_put(c->repo->client, c->manifest_key, text->data, text->len, &o, cancel, NULL, err))
        return true;
    if (err->code == NB_E_CONFLICT) {
        c->manifest_tried = false; /* another's, unless it turns out to be ours */
        if (manifest_replace(c, text, cancel, err))
            return true;
    }
    if (c->manifest_tried)
        manifest_take_back(c, cancel);
    return false;
}

/* Nothing of what comes after the manifest can undo a success. */
static void claim_end(struct repo_claim *c, const struct nb_cancel *cancel)
{
    struct nb_error ignored = NB_ERROR_INIT;
    struct repo_aborted aborted = { .uploads = 0 };

    if (!repo_stem_uploads_abort(c->repo, c->stem, NULL, cancel, &aborted, &ignored) ||
        aborted.unlisted || !s3_delete(c->repo->client, c->key, cancel, &ignored))
        nb_error_clear(&ignored);
}

static bool commit(struct repo_claim *c, struct repo_manifest *m, const struct nb_cancel *cancel,
                   struct nb_error *err)
{
    nb_auto_done(nb_buf_done) struct nb_buf text = NB_BUF_INIT(REPO_MANIFEST_MAX_BYTES);

    set_default(&m->owner, c->repo->owner);
    set_default(&m->owner_uid, c->repo->owner_uid);
    set_default(&m->run_id, c->repo->run_id);
    set_default(&m->tool_version, NB_VERSION);
    free(m->manifest_key);
    m->manifest_key = nb_xstrdup(c->manifest_key);
    if (!repo_trust_sign(&c->repo->trust, m, err) || !repo_manifest_format(m, &text, err) ||
        !repo_objects_check(c->repo, m, cancel, err))
        return false;
    if (!claim_hold(c, cancel, err))
        return false;
    if (!manifest_put(c, &text, cancel, err))
        return false;
    if (!manifest_read_back(c, &text, cancel, err) ||
        !repo_chunks_check(c->repo, m, NULL, cancel, err)) {
        manifest_take_back(c, cancel);
        return false;
    }
    claim_end(c, cancel);
    return true;
}

bool repo_commit(struct repo_claim *c, struct repo_manifest *m, const struct nb_cancel *cancel,
                 struct nb_error *err)
{
    bool ok;

    pthread_mutex_lock(&c->write_lock);
    ok = commit(c, m, cancel, err);
    pthread_mutex_unlock(&c->write_lock);
    return ok || nb_wrap(err, "commit '%s'", c->stem);
}
