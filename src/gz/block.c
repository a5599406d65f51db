#include "gz/block.h"

#include <assert.h>
#include <libdeflate.h>

#include "base/mem.h"

struct gz_deflater {
    struct libdeflate_compressor *compressor;
};

bool gz_deflater_new(int level, struct gz_deflater **ret, struct nb_error *err)
{
    struct gz_deflater *d;

    if (level < GZ_LEVEL_MIN || level > GZ_LEVEL_MAX)
        return nb_fail(err, NB_E_INVALID, "InvalidCompressionLevel",
                       "compression level %d is not between %d and %d", level, GZ_LEVEL_MIN,
                       GZ_LEVEL_MAX);
    d = NB_NEW(struct gz_deflater);
    d->compressor = libdeflate_alloc_compressor(level);
    if (!d->compressor) {
        free(d);
        return nb_fail(err, NB_E_LIMIT, "OutOfMemory", "no memory for a compressor");
    }
    *ret = d;
    return true;
}

void gz_deflater_free(struct gz_deflater *d)
{
    if (!d)
        return;
    libdeflate_free_compressor(d->compressor);
    free(d);
}

size_t gz_block_bound(struct gz_deflater *d, size_t n)
{
    return libdeflate_gzip_compress_bound(d->compressor, n);
}

size_t gz_block_deflate(struct gz_deflater *d, const void *p, size_t n, void *out, size_t cap)
{
    size_t len = libdeflate_gzip_compress(d->compressor, p, n, out, cap);

    assert(len > 0); /* only a caller that gave too little room gets 0 */
    return len;
}

bool gz_block_inflate(const void *p, size_t n, void *out, size_t plain_n, struct nb_error *err)
{
    struct libdeflate_decompressor *d = libdeflate_alloc_decompressor();
    enum libdeflate_result result;

    if (!d)
        return nb_fail(err, NB_E_LIMIT, "OutOfMemory", "no memory for a decompressor");
    result = libdeflate_gzip_decompress(d, p, n, out, plain_n, NULL);
    libdeflate_free_decompressor(d);
    return result == LIBDEFLATE_SUCCESS ||
           nb_fail(err, NB_E_CORRUPT, "CorruptGzip", "gzip member of %zu bytes is corrupt", n);
}
