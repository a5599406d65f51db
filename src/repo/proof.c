/* Whether the bucket still holds what was stored, by reading it: an ETag tells only whether it is
 * the very object that was written. The same bytes, copied by another tool or stored in other parts
 * or under another key of the service, have another. */

#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "repo/repo_priv.h"

struct proof {
    struct nb_sha256 *hash;
    const struct repo_object *o;
    uint64_t bytes;
};

static bool take(void *ctx, const char *p, size_t n, struct nb_error *err)
{
    struct proof *proof = ctx;

    proof->bytes += n;
    if (proof->bytes > proof->o->size)
        return nb_fail(err, NB_E_CORRUPT, "ChecksumMismatch",
                       "'%s' has more than the %llu bytes that its manifest says", proof->o->key,
                       (unsigned long long)proof->o->size);
    nb_sha256_update(proof->hash, p, n);
    return true;
}

bool repo_object_prove(struct repo *r, const struct repo_object *o, const struct nb_cancel *cancel,
                       struct nb_error *err)
{
    nb_auto(nb_sha256_free) struct nb_sha256 *hash = nb_sha256_new();
    struct proof proof = { hash, o, 0 };

    if (!s3_get(r->client, o->key, NULL, take, &proof, cancel, NULL, err)) {
        if (!nb_streq(err->reason, "ObjectNotFound"))
            return nb_wrap(err, "read '%s'", o->key);
        nb_error_clear(err);
        return nb_fail(err, NB_E_CORRUPT, "ObjectMissing", "'%s' is gone", o->key);
    }
    if (proof.bytes != o->size)
        return nb_fail(err, NB_E_CORRUPT, "ChecksumMismatch",
                       "'%s' has %llu bytes, not %llu as its manifest says", o->key,
                       (unsigned long long)proof.bytes, (unsigned long long)o->size);
    return nb_sha256_is(hash, o->sha256) ||
           nb_fail(err, NB_E_CORRUPT, "ChecksumMismatch",
                   "'%s' has another SHA-256 than its manifest says", o->key);
}

bool repo_object_check(struct repo *r, const struct repo_object *o, struct repo_etags *etags,
                       const struct nb_cancel *cancel, struct nb_error *err)
{
    struct s3_object head;

    if (!s3_head(r->client, o->key, cancel, &head, NULL, err)) {
        if (!nb_streq(err->reason, "ObjectNotFound"))
            return false;
        nb_error_clear(err);
        return nb_fail(err, NB_E_CORRUPT, "ObjectMissing", "'%s' is gone", o->key);
    }
    if (head.size != o->size)
        return nb_fail(err, NB_E_CORRUPT, "ChecksumMismatch",
                       "'%s' has %llu bytes, not %llu as its manifest says", o->key,
                       (unsigned long long)head.size, (unsigned long long)o->size);
    if (!repo_etags_differ(head.etag, o->etag))
        return true;
    /* As in a copy of the bucket: the bytes decide. */
    etags->others++;
    return etags->unread || repo_object_prove(r, o, cancel, err);
}

bool repo_etags_differ(const char *a, const char *b)
{
    return a[0] && b[0] && strcmp(a, b) != 0;
}

uint64_t repo_etag_hash(const char *etag)
{
    uint64_t h = etag[0] ? nb_hash64(etag, strlen(etag)) : 0;

    return etag[0] && h == 0 ? 1 : h;
}

/* ---- a whole backup ---- */

static bool prove_objects(struct repo *r, const struct repo_manifest *m, struct repo_etags *etags,
                          const struct nb_cancel *cancel, struct nb_error *err)
{
    for (size_t i = 0; i < m->objects_n; i++)
        if (!repo_object_check(r, &m->objects[i], etags, cancel, err))
            return false;
    return true;
}

bool repo_backup_prove(struct repo *r, struct repo_backup *b, struct repo_etags *io_etags,
                       const struct nb_cancel *cancel, struct nb_error *err)
{
    nb_auto(repo_manifest_free) struct repo_manifest *m = NULL;
    bool ok;

    if (b->state != REPO_UNPROVEN)
        return true;
    /* With its chunks, which a listing has not. */
    ok = repo_manifest_read(r, b->manifest_key, cancel, &m, err) &&
         (m->type == REPO_INCREMENTAL ? repo_chunks_check(r, m, io_etags, cancel, err)
                                      : prove_objects(r, m, io_etags, cancel, err));
    if (!ok && err->code != NB_E_CORRUPT && err->code != NB_E_INVALID &&
        !nb_streq(err->reason, "NoBackup"))
        return nb_wrap(err, "read '%s'", b->stem);
    free(b->problem);
    b->problem = ok ? NULL : nb_xstrdup(err->text);
    b->state = ok ? REPO_COMPLETE : REPO_DAMAGED;
    if (!ok)
        nb_error_clear(err);
    return true;
}
