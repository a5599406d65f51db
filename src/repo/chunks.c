/* Chunks of incremental backups: objects that are named by the hash of what they hold. */

#include <stdio.h>

#include "base/hash.h"
#include "base/map.h"
#include "base/mem.h"
#include "gz/block.h"
#include "repo/repo_priv.h"
#include "s3/list.h"

/* ---- listing ---- */

struct chunk_listing {
    size_t dir_bytes;
    struct repo_chunkset *ret;
};

static bool on_chunk(void *ctx, const struct s3_list_entry *e, struct nb_error *err)
{
    const struct chunk_listing *l = ctx;
    struct repo_chunk c = { .size = e->object.size,
                            .last_modified_unix_seconds = e->object.last_modified_unix_seconds };

    (void)err;
    if (repo_chunk_id_parse(e->key + l->dir_bytes, c.id))
        repo_chunkset_add(l->ret, &c);
    return true;
}

bool repo_chunks_list(struct repo *r, const char *database, const struct nb_cancel *cancel,
                      struct repo_chunkset *ret, bool *ret_complete, struct nb_error *err)
{
    char dir[REPO_KEY_MAX + 1];
    const struct s3_list_opts o = { .prefix = dir, .max_entries = REPO_CHUNKS_MAX };
    struct chunk_listing l = { .ret = ret };

    if (!repo_chunk_dir(r->prefix, r->owner, database, dir, err))
        return false;
    l.dir_bytes = strlen(dir);
    return s3_list(r->client, &o, on_chunk, &l, cancel, ret_complete, err);
}

bool repo_is_chunk_of(const struct repo *r, const char *owner, const char *database,
                      const char *key)
{
    char dir[REPO_KEY_MAX + 1];
    struct nb_error ignored = NB_ERROR_INIT;
    size_t n;

    if (!repo_chunk_dir(r->prefix, owner, database, dir, &ignored) || !nb_starts_with(key, dir))
        return false;
    n = strlen(dir);
    return strspn(key + n, "0123456789abcdef") == 64 && nb_streq(key + n + 64, ".cypher.gz");
}

/* ---- checking ---- */

/* One that a manifest names. */
struct wanted {
    const struct repo_object *o;
    bool seen;
    bool other_etag;
};

static bool chunk_check(const struct repo_object *o, const struct s3_object *found,
                        struct nb_error *err)
{
    if (found->size != o->size)
        return nb_fail(err, NB_E_CORRUPT, "ChecksumMismatch",
                       "chunk '%s' has %llu bytes in the bucket, %llu were stored", o->key,
                       (unsigned long long)found->size, (unsigned long long)o->size);
    return true;
}

static bool on_wanted(void *ctx, const struct s3_list_entry *e, struct nb_error *err)
{
    struct wanted *w = nb_map_get(ctx, e->key, strlen(e->key));

    if (!w)
        return true;
    w->seen = true;
    w->other_etag = repo_etags_differ(w->o->etag, e->object.etag);
    return chunk_check(w->o, &e->object, err);
}

static bool fail_unseen(const struct repo *r, const struct repo_object *o, bool complete,
                        struct nb_error *err)
{
    if (!complete)
        return nb_fail(err, NB_E_UNAVAILABLE, "ListingIncomplete",
                       "the listing of chunks in bucket '%s' is not complete",
                       s3_client_bucket(r->client));
    return nb_fail(err, NB_E_CORRUPT, "ObjectMissing", "chunk '%s' is not in the bucket (any more)",
                   o->key);
}

/* What the manifest names is in the map, and the listing passes by: its length costs nothing. */
static bool look_up(struct repo *r, const char *dir, const struct repo_manifest *m,
                    struct nb_map *map, struct wanted *wanted, const struct nb_cancel *cancel,
                    struct nb_error *err)
{
    const struct s3_list_opts o = { .prefix = dir, .max_entries = SIZE_MAX };
    bool complete;

    for (size_t i = 0; i < m->objects_n; i++) {
        const char *key = m->objects[i].key;

        wanted[i].o = &m->objects[i];
        if (nb_map_get(map, key, strlen(key)))
            wanted[i].seen = true; /* it stands there twice */
        else
            nb_map_put(map, key, strlen(key), &wanted[i]);
    }
    if (!s3_list(r->client, &o, on_wanted, map, cancel, &complete, err))
        return false;
    for (size_t i = 0; i < m->objects_n; i++)
        if (!wanted[i].seen)
            return fail_unseen(r, wanted[i].o, complete, err);
    return true;
}

static bool prove_once(struct repo *r, const struct repo_object *o, struct nb_map *proven,
                       const struct nb_cancel *cancel, struct nb_error *err)
{
    static char yes;
    nb_auto(nb_free) char *id = nb_xasprintf("%s\n%s", o->key, o->sha256);

    if (proven && nb_map_get(proven, id, strlen(id)))
        return true;
    if (!repo_object_prove(r, o, cancel, err))
        return false;
    if (proven)
        nb_map_put(proven, id, strlen(id), &yes);
    return true;
}

/* Their bytes decide. */
static bool prove_others(struct repo *r, const struct wanted *wanted, size_t n,
                         struct repo_etags *etags, const struct nb_cancel *cancel,
                         struct nb_error *err)
{
    for (size_t i = 0; i < n; i++) {
        if (!wanted[i].other_etag)
            continue;
        etags->others++;
        if (!etags->unread && !prove_once(r, wanted[i].o, etags->proven, cancel, err))
            return false;
    }
    return true;
}

bool repo_chunks_check(struct repo *r, const struct repo_manifest *m, struct repo_etags *io_etags,
                       const struct nb_cancel *cancel, struct nb_error *err)
{
    struct repo_etags own = { .unread = false };
    nb_auto(nb_map_free) struct nb_map *map = nb_map_new(NULL);
    nb_auto(nb_free) struct wanted *wanted = NULL;
    char dir[REPO_KEY_MAX + 1];
    const char *owner = m->owner ? m->owner : r->owner;

    if (m->type != REPO_INCREMENTAL)
        return true;
    /* Of the manifest's owner, who need not be ours: anybody's backup may be looked at. Before the
     * commit it has none yet. */
    if (!repo_chunk_dir(r->prefix, owner, m->database, dir, err))
        return false;
    for (size_t i = 0; i < m->objects_n; i++)
        if (!repo_is_chunk_of(r, owner, m->database, m->objects[i].key))
            return nb_fail(err, NB_E_CORRUPT, "ObjectMissing",
                           "'%s' is no chunk of owner '%s' and database '%s'", m->objects[i].key,
                           owner, m->database);
    wanted = nb_xcalloc(m->objects_n + 1, sizeof(*wanted));
    return look_up(r, dir, m, map, wanted, cancel, err) &&
           prove_others(r, wanted, m->objects_n, io_etags ? io_etags : &own, cancel, err);
}

/* ---- storing ---- */

static void sha256_hex(const void *p, size_t n, char out[NB_SHA256_HEX])
{
    uint8_t digest[NB_SHA256_BYTES];

    nb_sha256(p, n, digest);
    nb_hex(digest, sizeof(digest), out);
}

static bool is_what_it_says(const struct nb_buf *stored, const struct repo_object *o)
{
    nb_auto(nb_free) char *plain = nb_xmalloc(o->plain_bytes + 1);
    struct nb_error ignored = NB_ERROR_INIT;
    char hex[NB_SHA256_HEX];

    if (!gz_block_inflate(nb_buf_cstr(stored), stored->len, plain, o->plain_bytes, &ignored))
        return false;
    sha256_hex(plain, o->plain_bytes, hex);
    return strcmp(hex, o->plain_sha256) == 0;
}

/* A sweep that looked before our claim was there may take it for one that nobody needs; it looks
 * at its age once more before it deletes. The bytes are the same. */
static bool touch(struct repo *r, const char *key, const void *p, size_t n,
                  const struct s3_object *there, const struct nb_cancel *cancel,
                  struct nb_error *err)
{
    const struct s3_put_opts opts = { .content_type = "application/gzip" };

    if (s3_client_now_unix_ms(r->client) / 1000 - there->last_modified_unix_seconds <
        REPO_CLAIM_LIVE_SECONDS / 2)
        return true;
    if (s3_put(r->client, key, p, n, &opts, cancel, NULL, err))
        return true;
    if (!nb_streq(err->reason, "ObjectLocked"))
        return false;
    nb_error_clear(err); /* what cannot be written over cannot be deleted either */
    return true;
}

/* Another run has stored it, maybe compressed another way: what is there stays, and is ours too if
 * it is what its name says. */
static bool chunk_adopt(struct repo *r, struct repo_object *io, const struct nb_cancel *cancel,
                        struct nb_error *err)
{
    nb_auto_done(nb_buf_done) struct nb_buf got = NB_BUF_INIT(io->plain_bytes + (64 << 10));
    struct s3_object there = { .size = 0 };

    if (!s3_get_buf(r->client, io->key, &got, cancel, &there, err))
        return false;
    if (!is_what_it_says(&got, io))
        return nb_fail(err, NB_E_CORRUPT, "ChecksumMismatch",
                       "chunk '%s' is in the bucket and does not hold what its name says; hint: "
                       "delete it: no backup that names it can be restored",
                       io->key);
    io->size = got.len;
    memcpy(io->etag, there.etag, sizeof(io->etag));
    sha256_hex(got.data, got.len, io->sha256);
    return touch(r, io->key, got.data, got.len, &there, cancel, err);
}

bool repo_chunk_store(struct repo *r, const char *database, const void *p, size_t n,
                      struct repo_object *io, bool *ret_new, const struct nb_cancel *cancel,
                      struct nb_error *err)
{
    const struct s3_put_opts opts = { .content_type = "application/gzip", .if_none_match = true };
    struct s3_object stored = { .size = 0 };
    char key[REPO_KEY_MAX + 1];

    *ret_new = false;
    if (!repo_chunk_key(r->prefix, r->owner, database, io->plain_sha256, key, err))
        return false;
    free(io->key);
    io->key = nb_xstrdup(key);
    if (!s3_put(r->client, key, p, n, &opts, cancel, &stored, err)) {
        if (err->code != NB_E_CONFLICT)
            return false;
        nb_error_clear(err);
        return chunk_adopt(r, io, cancel, err) || nb_wrap(err, "store a chunk");
    }
    io->size = n;
    memcpy(io->etag, stored.etag, sizeof(io->etag));
    sha256_hex(p, n, io->sha256);
    /* An answer to a PUT has no age: where there is one, the very bytes were there already. */
    *ret_new = stored.last_modified_unix_seconds == 0;
    return *ret_new || touch(r, key, p, n, &stored, cancel, err);
}
