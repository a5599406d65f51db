#include <stddef.h>
#include <stdint.h>

#include "base/mem.h"
#include "bolt/chunk.h"

/* Any bytes, cut in any way: the same messages come out as from one piece, and what comes out,
 * chunked again, comes out the same. The first two bytes choose the cuts. */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

enum { MESSAGE_MAX = 1 << 16, OUT_MAX = 64 << 20 };

static void must(bool ok)
{
    if (!ok)
        abort();
}

/* Messages one after the other, each behind its length. False: refused. */
static bool deframe(const uint8_t *p, size_t n, size_t step, struct nb_buf *out)
{
    struct bolt_deframer d;
    struct nb_error err = NB_ERROR_INIT;
    struct nb_str message;
    bool ok = true;

    bolt_deframer_init(&d, 4096, MESSAGE_MAX);
    while (ok && n > 0) {
        size_t room, k = n < step ? n : step;
        void *space = bolt_deframer_space(&d, &room);

        if (k > room)
            k = room;
        must(k > 0);
        memcpy(space, p, k);
        p += k;
        n -= k;
        ok = bolt_deframer_filled(&d, k, &err);
        while (bolt_deframer_next(&d, &message)) {
            must(message.n > 0 && message.n <= MESSAGE_MAX);
            nb_buf_append(out, &message.n, sizeof(message.n));
            nb_buf_append(out, message.p, message.n);
        }
    }
    must(ok || err.code == NB_E_LIMIT);
    bolt_deframer_done(&d);
    return ok;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    nb_auto_done(nb_buf_done) struct nb_buf whole = NB_BUF_INIT(OUT_MAX);
    nb_auto_done(nb_buf_done) struct nb_buf cut = NB_BUF_INIT(OUT_MAX);
    nb_auto_done(nb_buf_done) struct nb_buf chunked = NB_BUF_INIT(OUT_MAX);
    nb_auto_done(nb_buf_done) struct nb_buf again = NB_BUF_INIT(OUT_MAX);
    size_t step, at = 0;

    if (n < 2)
        return 0;
    step = 1 + data[0] + (size_t)data[1] * 16;
    must(deframe(data + 2, n - 2, SIZE_MAX, &whole) == deframe(data + 2, n - 2, step, &cut));
    must(whole.len == cut.len);
    must(whole.len == 0 || memcmp(whole.data, cut.data, whole.len) == 0);
    while (at < whole.len) {
        size_t len, mark = bolt_chunk_begin(&chunked);

        memcpy(&len, whole.data + at, sizeof(len));
        nb_buf_append(&chunked, whole.data + at + sizeof(len), len);
        bolt_chunk_end(&chunked, mark);
        at += sizeof(len) + len;
    }
    if (chunked.len == 0)
        return 0;
    must(deframe((const uint8_t *)chunked.data, chunked.len, step, &again));
    must(again.len == whole.len && memcmp(again.data, whole.data, whole.len) == 0);
    return 0;
}
