#include "engine/fetch.h"

#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "gz/reader.h"

enum { MAX_RATIO = 1100 }; /* DEFLATE itself ends at 1,032 */

struct fetch {
    const struct eng_fetch_opts *opts;
    struct nb_sha256 *stored_hash, *plain_hash;
    struct gz_reader *gz; /* NULL: not compressed, or encrypted */
    bool encrypted;
    uint64_t stored_bytes; /* of the object at hand */
};

static bool take_plain(void *ctx, const void *p, size_t n, struct nb_error *err)
{
    struct fetch *f = ctx;

    nb_sha256_update(f->plain_hash, p, n);
    return !f->opts->plain || sink_write(f->opts->out, p, n, err);
}

static bool take_stored(void *ctx, const char *p, size_t n, struct nb_error *err)
{
    struct fetch *f = ctx;

    nb_sha256_update(f->stored_hash, p, n);
    f->stored_bytes += n;
    if (!f->encrypted && !(f->gz ? gz_reader_feed(f->gz, p, n, err) : take_plain(f, p, n, err)))
        return false;
    return f->opts->plain || sink_write(f->opts->out, p, n, err);
}

static bool fail(struct nb_error *err, const char *key, const char *what)
{
    return nb_fail(err, NB_E_CORRUPT, "VerificationFailed", "'%s' %s", key, what);
}

static bool fetch_object(struct fetch *f, const struct repo_object *o, struct nb_error *err)
{
    f->stored_bytes = 0;
    nb_sha256_reset(f->stored_hash);
    if (!s3_get(repo_client(f->opts->repo), o->key, NULL, take_stored, f, f->opts->cancel, NULL,
                err)) {
        if (!nb_streq(err->reason, "ObjectNotFound"))
            return false;
        nb_error_clear(err);
        return fail(err, o->key, "is gone");
    }
    if (f->stored_bytes != o->size)
        return fail(err, o->key, "has another size than its manifest says");
    return nb_sha256_is(f->stored_hash, o->sha256) ||
           fail(err, o->key, "has another SHA-256 than its manifest says");
}

static bool fetch_all(struct fetch *f, struct nb_error *err)
{
    const struct repo_manifest *m = f->opts->manifest;

    for (size_t i = 0; i < m->objects_n; i++) {
        if (!fetch_object(f, &m->objects[i], err))
            return false;
    }
    if (f->gz && !gz_reader_finish(f->gz, err))
        return false;
    return f->encrypted || nb_sha256_is(f->plain_hash, m->plain_sha256) ||
           fail(err, m->objects[0].key, "holds another script than its manifest says");
}

bool eng_fetch_run(const struct eng_fetch_opts *opts, struct nb_error *err)
{
    nb_auto(nb_sha256_free) struct nb_sha256 *stored = nb_sha256_new();
    nb_auto(nb_sha256_free) struct nb_sha256 *plain = nb_sha256_new();
    nb_auto(gz_reader_free) struct gz_reader *gz = NULL;
    struct gz_reader_opts gz_opts = { .max_ratio = MAX_RATIO };
    struct fetch f = { .opts = opts,
                       .stored_hash = stored,
                       .plain_hash = plain,
                       .encrypted = opts->manifest->recipients.n > 0 };

    if (f.encrypted && opts->plain)
        return nb_fail(err, NB_E_INVALID, "InvalidConfiguration",
                       "the backup is encrypted; hint: fetch it as it is stored, and decrypt it "
                       "with age");
    if (!f.encrypted && nb_streq(opts->manifest->compression, "gzip") &&
        !gz_reader_new(&gz_opts, take_plain, &f, &gz, err))
        return false;
    f.gz = gz;
    if (fetch_all(&f, err))
        return sink_finish(opts->out, err);
    if (nb_streq(err->reason, "CorruptGzip") || nb_streq(err->reason, "CutGzip"))
        snprintf(err->reason, sizeof(err->reason), "VerificationFailed");
    return false;
}
