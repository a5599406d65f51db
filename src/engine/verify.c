#include "engine/verify.h"

#include <stdio.h>
#include <string.h>

#include "cypher/reader.h"
#include "gz/reader.h"

enum { MAX_RATIO = 1100 }; /* DEFLATE itself ends at 1,032 */

static bool fail(struct nb_error *err, const char *key, const char *what)
{
    return nb_fail(err, NB_E_CORRUPT, "VerificationFailed", "'%s' %s", key, what);
}

static bool check_object(struct repo *repo, const struct repo_object *o,
                         const struct nb_cancel *cancel, struct nb_error *err)
{
    struct s3_object head;

    if (!s3_head(repo_client(repo), o->key, cancel, &head, NULL, err)) {
        if (err->code == NB_E_NOT_FOUND && nb_streq(err->reason, "ObjectNotFound")) {
            nb_error_clear(err);
            return fail(err, o->key, "is gone");
        }
        return false;
    }
    if (head.size != o->size)
        return nb_fail(err, NB_E_CORRUPT, "VerificationFailed",
                       "'%s' has %llu bytes, not %llu as its manifest says", o->key,
                       (unsigned long long)head.size, (unsigned long long)o->size);
    if (o->etag[0] && strcmp(head.etag, o->etag) != 0)
        return fail(err, o->key, "has another ETag than its manifest says");
    return true;
}

/* --- read back -------------------------------------------------------------------------------- */

struct readback {
    struct nb_sha256 *object_hash, *plain_hash;
    struct gz_reader *gz; /* NULL: not compressed */
    struct cyp_reader *script;
    uint64_t plain_bytes;
};

static bool take_plain(void *ctx, const void *p, size_t n, struct nb_error *err)
{
    struct readback *r = ctx;

    nb_sha256_update(r->plain_hash, p, n);
    r->plain_bytes += n;
    return cyp_reader_feed(r->script, p, n, err);
}

static bool take_stored(void *ctx, const char *p, size_t n, struct nb_error *err)
{
    struct readback *r = ctx;

    nb_sha256_update(r->object_hash, p, n);
    return r->gz ? gz_reader_feed(r->gz, p, n, err) : take_plain(r, p, n, err);
}

static bool hash_is(struct nb_sha256 *h, const char *hex)
{
    uint8_t digest[NB_SHA256_BYTES];
    char text[NB_SHA256_HEX];

    nb_sha256_final(h, digest);
    nb_hex(digest, sizeof(digest), text);
    return strcmp(text, hex) == 0;
}

static bool read_object(struct repo *repo, struct readback *r, const struct repo_object *o,
                        const struct nb_cancel *cancel, struct nb_error *err)
{
    struct s3_get_opts opts = { .if_match = o->etag[0] ? o->etag : NULL };

    nb_sha256_reset(r->object_hash);
    if (!s3_get(repo_client(repo), o->key, &opts, take_stored, r, cancel, NULL, err))
        return nb_wrap(err, "read '%s' back", o->key);
    if (o->sha256[0] && !hash_is(r->object_hash, o->sha256))
        return fail(err, o->key, "has another SHA-256 than its manifest says");
    return true;
}

static bool compare_counts(const struct readback *r, const struct repo_manifest *m,
                           struct nb_error *err)
{
    struct cyp_counts counts;

    cyp_reader_counts(r->script, &counts);
    if (m->nodes >= 0 && counts.nodes != (uint64_t)m->nodes)
        return nb_fail(err, NB_E_CORRUPT, "VerificationFailed",
                       "the dump has %llu nodes, not %lld as its manifest says",
                       (unsigned long long)counts.nodes, (long long)m->nodes);
    /* Of a dump with fix-ups the manifest knows only how many there were in the database. */
    if (m->relationships >= 0 && m->fixup_passes == 0 && counts.rels != (uint64_t)m->relationships)
        return nb_fail(err, NB_E_CORRUPT, "VerificationFailed",
                       "the dump has %llu relationships, not %lld as its manifest says",
                       (unsigned long long)counts.rels, (long long)m->relationships);
    return true;
}

static bool read_back(struct repo *repo, struct readback *r, const struct repo_manifest *m,
                      const struct nb_cancel *cancel, struct nb_error *err)
{
    for (size_t i = 0; i < m->objects_n; i++) {
        if (!read_object(repo, r, &m->objects[i], cancel, err))
            return false;
    }
    if ((r->gz && !gz_reader_finish(r->gz, err)) || !cyp_reader_finish(r->script, err))
        return false;
    if (m->plain_sha256[0] && !hash_is(r->plain_hash, m->plain_sha256))
        return nb_fail(err, NB_E_CORRUPT, "VerificationFailed",
                       "the script has another SHA-256 than its manifest says");
    return compare_counts(r, m, err);
}

static bool open_and_read_back(struct repo *repo, const struct repo_manifest *m,
                               const struct nb_cancel *cancel, struct nb_error *err)
{
    static const struct cyp_reader_ops no_ops;
    struct cyp_reader_opts script_opts = { .any_script = false };
    struct gz_reader_opts gz_opts = { .max_ratio = MAX_RATIO };
    nb_auto(nb_sha256_free) struct nb_sha256 *object_hash = nb_sha256_new();
    nb_auto(nb_sha256_free) struct nb_sha256 *plain_hash = nb_sha256_new();
    nb_auto(cyp_reader_free) struct cyp_reader *script =
        cyp_reader_new(&script_opts, &no_ops, NULL);
    nb_auto(gz_reader_free) struct gz_reader *gz = NULL;
    struct readback r = { .object_hash = object_hash, .plain_hash = plain_hash, .script = script };

    if (nb_streq(m->compression, "gzip") && !gz_reader_new(&gz_opts, take_plain, &r, &gz, err))
        return false;
    r.gz = gz;
    if (read_back(repo, &r, m, cancel, err))
        return true;
    /* Whatever broke the form broke the backup. */
    if (err->code == NB_E_CORRUPT)
        snprintf(err->reason, sizeof(err->reason), "VerificationFailed");
    return false;
}

bool eng_verify_run(struct repo *repo, const struct repo_manifest *m, enum repo_verification level,
                    const struct nb_cancel *cancel, struct nb_error *err)
{
    for (size_t i = 0; i < m->objects_n; i++) {
        if (!check_object(repo, &m->objects[i], cancel, err))
            return false;
    }
    if (level == REPO_VERIFIED_CHECKSUM)
        return true;
    if (m->recipients.n > 0)
        return nb_fail(err, NB_E_INVALID, "InvalidConfiguration",
                       "the backup is encrypted and cannot be read back without an identity");
    return open_and_read_back(repo, m, cancel, err);
}
