#include "gz/reader.h"

#include <assert.h>
#include <limits.h>
#include <string.h>
#include <zlib.h>

#include "base/mem.h"
#include "base/pace.h"

enum {
    OUT_BYTES = 256 << 10,
    GZIP_WINDOW_BITS = 15 + 16, /* 16: a gzip wrapper, as zlib's inflateInit2() has it */
    RATIO_GRACE_BYTES = 16 << 20,
};

struct gz_reader {
    struct gz_reader_opts opts;
    gz_output_fn *output;
    void *ctx;
    z_stream z;
    uint64_t packed_bytes, plain_bytes;
    bool in_member, any_member;
    Bytef out[OUT_BYTES];
};

bool gz_reader_new(const struct gz_reader_opts *opts, gz_output_fn *output, void *ctx,
                   struct gz_reader **ret, struct nb_error *err)
{
    struct gz_reader *r = NB_NEW(struct gz_reader);

    r->opts = *opts;
    r->output = output;
    r->ctx = ctx;
    if (inflateInit2(&r->z, GZIP_WINDOW_BITS) != Z_OK) {
        free(r);
        return nb_fail(err, NB_E_LIMIT, "OutOfMemory", "no memory for a decompressor");
    }
    *ret = r;
    return true;
}

void gz_reader_free(struct gz_reader *r)
{
    if (!r)
        return;
    inflateEnd(&r->z);
    free(r);
}

static bool check_limits(const struct gz_reader *r, struct nb_error *err)
{
    if (r->opts.max_plain_bytes > 0 && r->plain_bytes > r->opts.max_plain_bytes)
        return nb_fail(err, NB_E_LIMIT, "ExpansionLimit",
                       "gzip data is longer than %llu bytes when unpacked",
                       (unsigned long long)r->opts.max_plain_bytes);
    if (r->opts.max_ratio > 0 && r->plain_bytes > RATIO_GRACE_BYTES &&
        r->plain_bytes / r->opts.max_ratio > r->packed_bytes)
        return nb_fail(err, NB_E_LIMIT, "ExpansionLimit",
                       "gzip data grows more than %u times when unpacked", r->opts.max_ratio);
    return true;
}

/* One call of inflate; what it made goes out. */
static bool step(struct gz_reader *r, struct nb_error *err)
{
    uInt before = r->z.avail_in;
    size_t made;
    int rc;

    if (!r->in_member) {
        inflateReset(&r->z);
        r->in_member = true;
        r->any_member = true;
    }
    r->z.next_out = r->out;
    r->z.avail_out = OUT_BYTES;
    rc = inflate(&r->z, Z_NO_FLUSH);
    made = OUT_BYTES - r->z.avail_out;
    r->packed_bytes += before - r->z.avail_in;
    r->plain_bytes += made;
    if (rc == Z_STREAM_END)
        r->in_member = false;
    else if (rc == Z_MEM_ERROR)
        return nb_fail(err, NB_E_LIMIT, "OutOfMemory", "no memory to decompress");
    else if (rc != Z_OK && rc != Z_BUF_ERROR)
        return nb_fail(err, NB_E_CORRUPT, "CorruptGzip",
                       "gzip data is damaged after %llu packed bytes: %s",
                       (unsigned long long)r->packed_bytes, r->z.msg ? r->z.msg : "bad data");
    if (!check_limits(r, err))
        return false;
    return made == 0 || r->output(r->ctx, (const void *)r->out, made, err);
}

bool gz_reader_feed(struct gz_reader *r, const void *p, size_t n, struct nb_error *err)
{
    const Bytef *at = p;

    nb_pace(NULL);
    while (n > 0) {
        uInt k = n > INT_MAX ? INT_MAX : (uInt)n;

        /* zlib declares next_in without const unless asked, and never writes there. */
        memcpy(&r->z.next_in, &at, sizeof(at));
        r->z.avail_in = k;
        /* A full output buffer may hide more of it even when all input is taken. */
        do {
            if (!step(r, err))
                return false;
        } while (r->z.avail_in > 0 || (r->in_member && r->z.avail_out == 0));
        at += k;
        n -= k;
    }
    return true;
}

bool gz_reader_finish(struct gz_reader *r, struct nb_error *err)
{
    if (r->in_member || !r->any_member)
        return nb_fail(err, NB_E_CORRUPT, "CutGzip",
                       "gzip data ends within a member, after %llu bytes",
                       (unsigned long long)r->packed_bytes);
    return true;
}

uint64_t gz_reader_plain_bytes(const struct gz_reader *r)
{
    return r->plain_bytes;
}
