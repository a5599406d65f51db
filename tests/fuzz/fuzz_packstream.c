#include <stddef.h>
#include <stdint.h>

#include "packstream/packstream.h"

/* Any bytes: decoded or refused. What was decoded comes back the same after encoding, and so do its
 * bytes after that (the first byte chooses the version). */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

enum { ARENA_MAX = 64 << 20, OUT_MAX = 64 << 20 };

static void must(bool ok)
{
    if (!ok)
        abort();
}

/* Values in the local form of 4.4 cannot go out over a connection that has the other. */
static bool sendable(struct ps_encoder *e, const struct ps_value *v)
{
    struct nb_error err = NB_ERROR_INIT;

    ps_put_value(e, v);
    if (!e->bad)
        must(ps_encoder_check(e, &err));
    return !e->bad;
}

static void check(const struct ps_value *v, struct nb_arena *arena)
{
    nb_auto_done(nb_buf_done) struct nb_buf once = NB_BUF_INIT(OUT_MAX);
    nb_auto_done(nb_buf_done) struct nb_buf twice = NB_BUF_INIT(OUT_MAX);
    struct ps_encoder e1 = PS_ENCODER_INIT(&once), e2 = PS_ENCODER_INIT(&twice);
    struct nb_error err = NB_ERROR_INIT;
    struct ps_value back, copy;
    struct ps_decoder d;

    e1.version = e2.version = 2;
    must(ps_value_equal(v, v));
    if (!ps_value_copy(v, arena, &copy, &err))
        return;
    must(ps_value_equal(v, &copy));
    if (!sendable(&e1, v))
        return;
    ps_decoder_init(&d, once.data, once.len, 2, arena);
    if (!ps_decode(&d, &back, &err)) {
        must(err.code == NB_E_LIMIT);
        return;
    }
    must(ps_decoder_left(&d) == 0 && sendable(&e2, &back));
    must(once.len == twice.len && memcmp(once.data, twice.data, once.len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    nb_auto(nb_arena_free) struct nb_arena *arena = nb_arena_new(ARENA_MAX);
    struct nb_error err = NB_ERROR_INIT;
    struct ps_decoder d;
    struct ps_value v;

    if (n == 0)
        return 0;
    ps_decoder_init(&d, data + 1, n - 1, 1 + (data[0] & 1), arena);
    while (ps_decoder_left(&d) > 0 && ps_decode(&d, &v, &err))
        check(&v, arena);
    return 0;
}
