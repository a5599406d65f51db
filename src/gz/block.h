#ifndef NB_GZ_BLOCK_H
#define NB_GZ_BLOCK_H

/*
 * gz_deflater: one block of bytes into one gzip member (RFC 1952), in one call.
 *
 * A file is a row of such members: any gunzip reads it, members can be made on as many cores as
 * there are, `cat` joins files, and each can be read back alone. With blocks of 256 KiB that costs
 * 0.05 % of size against one stream. The only place that knows libdeflate, which at level 6 is
 * smaller and several times faster than zlib.
 *
 * A deflater belongs to one thread at a time (about 0.3 MiB at level 6).
 */

#include <stddef.h>

#include "base/cleanup.h"
#include "base/error.h"

/* ADAPTIVE is for gz_writer only. */
enum { GZ_LEVEL_ADAPTIVE = -1, GZ_LEVEL_MIN = 1, GZ_LEVEL_DEFAULT = 6, GZ_LEVEL_MAX = 9 };

struct gz_deflater;

/* Level out of range: NB_E_INVALID. */
NB_NODISCARD bool gz_deflater_new(int level, struct gz_deflater **ret, struct nb_error *err);
void gz_deflater_free(struct gz_deflater *d);
NB_AUTO_DEFINE(struct gz_deflater *, gz_deflater_free)
/* Room that a member of n plain bytes needs at most. */
size_t gz_block_bound(struct gz_deflater *d, size_t n);
/* cap must be gz_block_bound(n) or more. */
size_t gz_block_deflate(struct gz_deflater *d, const void *p, size_t n, void *out, size_t cap);
/* One member back into the plain_n bytes that it is known to hold. NB_E_CORRUPT "CorruptGzip". */
NB_NODISCARD bool gz_block_inflate(const void *p, size_t n, void *out, size_t plain_n,
                                   struct nb_error *err);

#endif
