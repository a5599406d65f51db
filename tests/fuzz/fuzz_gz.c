/* Two ways: the reader takes any bytes in any cuts without harm, and what the writer makes reads
 * back the same whatever the number of threads, the size of blocks and the cuts. The first byte
 * chooses. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "base/buf.h"
#include "gz/reader.h"
#include "gz/writer.h"

enum { MAX = 8 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool to_buf(void *ctx, const void *p, size_t n, struct nb_error *err)
{
    nb_buf_append(ctx, p, n);
    return nb_buf_check(ctx, err);
}

static bool unpack(const void *p, size_t n, size_t step, struct nb_buf *out)
{
    struct gz_reader_opts opts = { .max_plain_bytes = MAX / 2, .max_ratio = 1100 };
    nb_auto(gz_reader_free) struct gz_reader *r = NULL;
    struct nb_error err = NB_ERROR_INIT;

    if (!gz_reader_new(&opts, to_buf, out, &r, &err))
        return false;
    for (size_t i = 0; i < n; i += step) {
        if (!gz_reader_feed(r, (const char *)p + i, n - i < step ? n - i : step, &err))
            return false;
    }
    return gz_reader_finish(r, &err);
}

static void round_trip(const uint8_t *data, size_t size, unsigned threads, size_t block,
                       size_t step)
{
    struct gz_writer_opts opts = { .level = 1, .threads = threads, .block_bytes = block };
    nb_auto_done(nb_buf_done) struct nb_buf packed = NB_BUF_INIT(MAX);
    nb_auto_done(nb_buf_done) struct nb_buf plain = NB_BUF_INIT(MAX);
    nb_auto(gz_writer_free) struct gz_writer *w = NULL;
    struct nb_error err = NB_ERROR_INIT;
    bool ok = gz_writer_new(&opts, to_buf, &packed, &w, &err);

    assert(ok);
    for (size_t i = 0; i < size; i += step) {
        ok = gz_writer_write(w, data + i, size - i < step ? size - i : step, &err);
        assert(ok);
    }
    ok = gz_writer_finish(w, &err) && unpack(packed.data, packed.len, step, &plain);
    assert(ok);
    assert(plain.len == size && (size == 0 || memcmp(plain.data, data, size) == 0));
    (void)ok;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    nb_auto_done(nb_buf_done) struct nb_buf out = NB_BUF_INIT(MAX);
    size_t step;

    if (size < 2)
        return 0;
    step = (size_t)data[1] + 1;
    if (data[0] & 1)
        round_trip(data + 2, size - 2, data[0] >> 1 & 3, (size_t)64 << (data[0] >> 3 & 7), step);
    else if (!unpack(data + 2, size - 2, step, &out))
        return 0;
    return 0;
}
