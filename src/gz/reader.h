#ifndef NB_GZ_READER_H
#define NB_GZ_READER_H

/*
 * gz_reader: a row of gzip members (RFC 1952) back into bytes, fed in any cuts.
 *
 * Every member's CRC and length are checked. Bytes after the last member that are no member are an
 * error, as is an end within one. Expansion is limited twice, since a few bytes can claim to be
 * many: by the length in all and by the ratio (DEFLATE's own maximum is 1,032).
 *
 * One thread at a time; the output callback is called by the thread that feeds. Memory: about 300
 * KiB.
 */

#include <stddef.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "gz/writer.h"

struct gz_reader;

struct gz_reader_opts {
    uint64_t max_plain_bytes; /* 0: no limit */
    unsigned max_ratio;       /* plain / packed once 16 MiB are out; 0: no limit */
};

NB_NODISCARD bool gz_reader_new(const struct gz_reader_opts *opts, gz_output_fn *output, void *ctx,
                                struct gz_reader **ret, struct nb_error *err);
void gz_reader_free(struct gz_reader *r);
NB_AUTO_DEFINE(struct gz_reader *, gz_reader_free)
/* NB_E_CORRUPT "CorruptGzip", NB_E_LIMIT "ExpansionLimit", or what the callback said. */
NB_NODISCARD bool gz_reader_feed(struct gz_reader *r, const void *p, size_t n,
                                 struct nb_error *err);
/* NB_E_CORRUPT "CutGzip" when the stream is empty or ends within a member. */
NB_NODISCARD bool gz_reader_finish(struct gz_reader *r, struct nb_error *err);
uint64_t gz_reader_plain_bytes(const struct gz_reader *r);

#endif
