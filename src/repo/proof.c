/* Whether the bucket still holds what was stored, by reading it: an ETag tells only whether it is
 * the very object that was written. The same bytes, copied by another tool or stored in other parts
 * or under another key of the service, have another. */

#include <stdio.h>
#include <string.h>

#include "base/hash.h"
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

bool repo_etags_differ(const char *a, const char *b)
{
    return a[0] && b[0] && strcmp(a, b) != 0;
}
