#include "repo/repo.h"

#include <stdio.h>

#include "base/hash.h"
#include "base/mem.h"
#include "repo/repo_priv.h"

/* ---- open ---- */

static char *random_id(void)
{
    uint8_t bytes[12];
    char hex[2 * sizeof(bytes) + 1];

    nb_random_bytes(bytes, sizeof(bytes));
    nb_hex(bytes, sizeof(bytes), hex);
    return nb_xstrdup(hex);
}

static bool text_ok(const char *s, size_t max)
{
    size_t n = strlen(s);

    if (n == 0 || n > max || !nb_utf8_valid(s, n))
        return false;
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)s[i] < 0x20 || s[i] == 0x7f)
            return false;
    return true;
}

bool repo_open(const struct repo_opts *o, struct repo **ret, struct nb_error *err)
{
    nb_auto(repo_free) struct repo *r = NB_NEW(struct repo);

    if (!o->owner || !text_ok(o->owner, REPO_OWNER_MAX))
        return nb_fail(err, NB_E_INVALID, "InvalidOwner",
                       "the owner of backups must be 1 to %d bytes of text", REPO_OWNER_MAX);
    if ((o->run_id && !text_ok(o->run_id, 255)) ||
        (o->owner_uid && o->owner_uid[0] && !text_ok(o->owner_uid, 255)))
        return nb_fail(err, NB_E_INVALID, "InvalidOwner",
                       "the run's id and the owner's UID must be 1 to 255 bytes of text");
    if (!repo_prefix_clean(o->prefix, r->prefix, err))
        return false;
    if (o->trust)
        r->trust = *o->trust;
    r->client = o->client;
    r->owner = nb_xstrdup(o->owner);
    r->owner_uid = nb_xstrdup(o->owner_uid ? o->owner_uid : "");
    r->run_id = o->run_id ? nb_xstrdup(o->run_id) : random_id();
    *ret = nb_steal(r);
    return true;
}

void repo_free(struct repo *r)
{
    if (!r)
        return;
    free(r->owner);
    free(r->owner_uid);
    free(r->run_id);
    repo_trust_done(&r->trust);
    free(r);
}

const char *repo_prefix(const struct repo *r)
{
    return r->prefix;
}

const char *repo_owner(const struct repo *r)
{
    return r->owner;
}

const char *repo_run_id(const struct repo *r)
{
    return r->run_id;
}

struct s3_client *repo_client(const struct repo *r)
{
    return r->client;
}

const struct repo_trust *repo_get_trust(const struct repo *r)
{
    return &r->trust;
}

/* ---- manifests ---- */

bool repo_manifest_read(struct repo *r, const char *manifest_key, const struct nb_cancel *cancel,
                        struct repo_manifest **ret, struct nb_error *err)
{
    nb_auto_done(nb_buf_done) struct nb_buf text = NB_BUF_INIT(REPO_MANIFEST_MAX_BYTES);

    if (!s3_get_buf(r->client, manifest_key, &text, cancel, NULL, err)) {
        if (!nb_streq(err->reason, "ObjectNotFound"))
            return false;
        nb_error_clear(err);
        return nb_fail(err, NB_E_NOT_FOUND, "NoBackup", "there is no backup '%s' in bucket '%s'",
                       manifest_key, s3_client_bucket(r->client));
    }
    if (!repo_manifest_parse(nb_buf_cstr(&text), text.len, ret, err))
        return nb_wrap(err, "'%s'", manifest_key);
    (*ret)->key = nb_xstrdup(manifest_key);
    repo_trust_judge(&r->trust, nb_buf_cstr(&text), text.len, manifest_key, *ret);
    return true;
}

/* "<stem>.manifest.json" and so on; the stem of any of a backup's keys. */
static bool sibling(const char *key, const char *ending, char out[REPO_KEY_MAX + 1],
                    struct nb_error *err)
{
    size_t n;

    if (!repo_key_stem(key, out) || strlen(out) + strlen(ending) > REPO_KEY_MAX)
        return nb_fail(err, NB_E_INVALID, "InvalidName",
                       "'%.200s' is the key of neither a dump nor a manifest", key);
    n = strlen(out);
    snprintf(out + n, REPO_KEY_MAX + 1 - n, "%s", ending);
    return true;
}

bool repo_manifest_get(struct repo *r, const char *key, const struct nb_cancel *cancel,
                       struct repo_manifest **ret, char ret_manifest_key[REPO_KEY_MAX + 1],
                       struct nb_error *err)
{
    return sibling(key, ".manifest.json", ret_manifest_key, err) &&
           repo_manifest_read(r, ret_manifest_key, cancel, ret, err);
}

static bool is_wanted(const struct repo_backup *b, int64_t before_unix_seconds,
                      bool incremental_only)
{
    /* Nothing is built on what nobody has read: chunks that went bad would go along. */
    return (incremental_only ? b->state == REPO_COMPLETE : repo_backup_is_whole(b)) &&
           (!before_unix_seconds || repo_backup_end(b) <= before_unix_seconds) &&
           (!incremental_only || (b->manifest->type == REPO_INCREMENTAL && !b->manifest->distrust));
}

/* The newest that is wanted; *ret NULL: none. */
static bool find_newest(struct repo *r, const char *database, int64_t before_unix_seconds,
                        bool incremental_only, const struct nb_cancel *cancel,
                        struct repo_manifest **ret, struct nb_error *err)
{
    const struct repo_list_opts o = { .database = database,
                                      .ours_only = true,
                                      .with_chunks = true };
    nb_auto_done(repo_backups_done) struct repo_backups all = REPO_BACKUPS_INIT;
    struct repo_backup *best = NULL;

    *ret = NULL;
    if (!repo_list(r, &o, cancel, &all, err))
        return false;
    for (size_t i = 0; i < all.n; i++) {
        struct repo_backup *b = &all.items[i];

        if (is_wanted(b, before_unix_seconds, incremental_only) &&
            (!best || repo_backup_is_newer(b, best)))
            best = b;
    }
    /* With its chunks, which a listing has not. */
    return !best || repo_manifest_read(r, best->manifest_key, cancel, ret, err);
}

bool repo_find(struct repo *r, const char *database, int64_t before_unix_seconds,
               const struct nb_cancel *cancel, struct repo_manifest **ret,
               char ret_manifest_key[REPO_KEY_MAX + 1], struct nb_error *err)
{
    if (!find_newest(r, database, before_unix_seconds, false, cancel, ret, err))
        return false;
    if (!*ret)
        return nb_fail(
            err, NB_E_NOT_FOUND, "NoBackup",
            "there is no %sbackup of database '%s' by owner '%s' under '%s' in bucket '%s'",
            before_unix_seconds ? "old enough " : "", database, r->owner, r->prefix,
            s3_client_bucket(r->client));
    snprintf(ret_manifest_key, REPO_KEY_MAX + 1, "%s", (*ret)->key);
    return true;
}

bool repo_find_base(struct repo *r, const char *database, const struct nb_cancel *cancel,
                    struct repo_manifest **ret, struct nb_error *err)
{
    /* One from the future (a clock was wrong) would be the base of every run until then. */
    int64_t latest = s3_client_now_unix_ms(r->client) / 1000 + REPO_CLAIM_LIVE_SECONDS;

    nb_auto(repo_manifest_free) struct repo_manifest *m = NULL;

    *ret = NULL;
    if (!find_newest(r, database, latest, true, cancel, &m, err)) {
        if (!nb_streq(err->reason, "NoBackup") && err->code != NB_E_CORRUPT &&
            err->code != NB_E_INVALID)
            return false;
        nb_error_clear(err);
    }
    /* It was read once more than it was judged: it may be gone since, or another one. */
    if (m && m->type == REPO_INCREMENTAL && !m->distrust)
        *ret = nb_steal(m);
    return true;
}

bool repo_pin(struct repo *r, const char *key, bool pinned, const struct nb_cancel *cancel,
              struct nb_error *err)
{
    static const char text[] = "Retention leaves this backup alone while this object exists.\n";
    const struct s3_put_opts o = { .content_type = "text/plain" };
    nb_auto(repo_manifest_free) struct repo_manifest *m = NULL;
    char pin[REPO_KEY_MAX + 1], manifest_key[REPO_KEY_MAX + 1];

    if (!sibling(key, ".pin", pin, err) ||
        !repo_manifest_get(r, key, cancel, &m, manifest_key, err))
        return false;
    return pinned ? s3_put(r->client, pin, text, sizeof(text) - 1, &o, cancel, NULL, err)
                  : s3_delete(r->client, pin, cancel, err);
}

bool repo_hold(struct repo *r, const char *key, const struct nb_cancel *cancel,
               struct nb_error *err)
{
    static const char text[] = "This backup is being restored: retention leaves it alone for three "
                               "days from the time of this object.\n";
    const struct s3_put_opts o = { .content_type = "text/plain" };
    char hold[REPO_KEY_MAX + 1];

    return sibling(key, ".hold", hold, err) &&
           s3_put(r->client, hold, text, sizeof(text) - 1, &o, cancel, NULL, err);
}

/* ---- objects ---- */

bool repo_objects_check(struct repo *r, const struct repo_manifest *m,
                        const struct nb_cancel *cancel, struct nb_error *err)
{
    for (size_t i = 0; i < m->objects_n; i++) {
        const struct repo_object *want = &m->objects[i];
        struct s3_object got;

        if (repo_is_chunk_of(r, m->owner, m->database, want->key))
            continue;
        if (!s3_head(r->client, want->key, cancel, &got, NULL, err)) {
            if (!nb_streq(err->reason, "ObjectNotFound"))
                return false;
            nb_error_clear(err);
            return nb_fail(err, NB_E_CORRUPT, "ObjectMissing",
                           "'%s' is not in the bucket though it was stored", want->key);
        }
        if (got.size != want->size)
            return nb_fail(err, NB_E_CORRUPT, "ChecksumMismatch",
                           "'%s' has %llu bytes in the bucket, %llu were stored", want->key,
                           (unsigned long long)got.size, (unsigned long long)want->size);
        if (want->etag[0] && strcmp(got.etag, want->etag) != 0)
            return nb_fail(err, NB_E_CORRUPT, "ChecksumMismatch",
                           "'%s' has ETag %s in the bucket, %s was stored", want->key, got.etag,
                           want->etag);
        if (want->read_back && !repo_object_prove(r, want, cancel, err))
            return false;
    }
    return true;
}
