#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/hash.h"
#include "base/mem.h"
#include "gz/adapt.h"
#include "gz/block.h"
#include "gz/reader.h"
#include "gz/writer.h"

enum { MAX = 64 << 20 };

static bool to_buf(void *ctx, const void *p, size_t n, struct nb_error *err)
{
    nb_buf_append(ctx, p, n);
    return nb_buf_check(ctx, err);
}

/* Text that compresses, and noise that does not. */
static void fill(struct nb_buf *b, size_t n)
{
    uint8_t noise[64];

    while (b->len < n) {
        nb_random_bytes(noise, sizeof(noise));
        nb_buf_printf(b, "row %zu of the dump, and then some;", b->len);
        nb_buf_append(b, noise, sizeof(noise));
    }
}

static void pack(const struct nb_buf *in, unsigned threads, size_t block, size_t step,
                 struct nb_buf *out)
{
    struct gz_writer_opts opts = { .level = 1, .threads = threads, .block_bytes = block };
    struct nb_error err = NB_ERROR_INIT;
    struct gz_writer *w;

    assert_true(gz_writer_new(&opts, to_buf, out, &w, &err));
    for (size_t i = 0; i < in->len; i += step)
        assert_true(
            gz_writer_write(w, in->data + i, in->len - i < step ? in->len - i : step, &err));
    assert_true(gz_writer_finish(w, &err));
    gz_writer_free(w);
}

static bool unpack(const char *p, size_t n, size_t step, const struct gz_reader_opts *opts,
                   struct nb_buf *out, struct nb_error *err)
{
    struct gz_reader *r;
    bool ok = true;

    assert_true(gz_reader_new(opts, to_buf, out, &r, err));
    for (size_t i = 0; ok && i < n; i += step)
        ok = gz_reader_feed(r, p + i, n - i < step ? n - i : step, err);
    ok = ok && gz_reader_finish(r, err);
    gz_reader_free(r);
    return ok;
}

static void round_trip_any_threads_blocks_and_cuts_is_identity(void **state)
{
    static const struct {
        size_t n, block, step;
        unsigned threads;
    } cases[] = {
        { 0, 0, 1, 0 },
        { 0, 0, 1, 3 },
        { 1, 0, 1, 2 },
        { 100000, 1000, 7, 0 },
        { 100000, 1000, 333, 2 },
        { 3 << 20, 1 << 20, 1 << 20, 2 },
        { 3 << 20, 65536, 4 << 20, 8 },
        { 65536, 65536, 65536, 1 },
    };
    struct gz_reader_opts opts = { 0, 0 };

    (void)state;
    for (size_t i = 0; i < NB_ARRAY_LEN(cases); i++) {
        struct nb_buf in = NB_BUF_INIT(MAX), packed = NB_BUF_INIT(MAX), out = NB_BUF_INIT(MAX);
        struct nb_error err = NB_ERROR_INIT;

        fill(&in, cases[i].n);
        pack(&in, cases[i].threads, cases[i].block, cases[i].step, &packed);
        assert_true(packed.len > 0);
        assert_true(unpack(packed.data, packed.len, cases[i].step, &opts, &out, &err));
        assert_int_equal(out.len, in.len);
        assert_memory_equal(nb_buf_cstr(&out), nb_buf_cstr(&in), in.len);
        nb_buf_done(&in);
        nb_buf_done(&packed);
        nb_buf_done(&out);
    }
}

static void writer_same_input_any_thread_count_gives_same_bytes(void **state)
{
    struct nb_buf in = NB_BUF_INIT(MAX), a = NB_BUF_INIT(MAX), b = NB_BUF_INIT(MAX);

    (void)state;
    fill(&in, 1 << 20);
    pack(&in, 0, 50000, 4096, &a);
    pack(&in, 4, 50000, 9999, &b);
    assert_int_equal(a.len, b.len);
    assert_memory_equal(a.data, b.data, a.len);
    nb_buf_done(&in);
    nb_buf_done(&a);
    nb_buf_done(&b);
}

struct failing {
    unsigned calls, fail_at;
};

static bool fail_later(void *ctx, const void *p, size_t n, struct nb_error *err)
{
    struct failing *f = ctx;

    (void)p;
    (void)n;
    return ++f->calls < f->fail_at || nb_fail(err, NB_E_UNAVAILABLE, "Gone", "no more");
}

static void writer_output_fails_error_comes_back_and_sticks(void **state)
{
    (void)state;
    for (unsigned threads = 0; threads <= 2; threads += 2) {
        struct gz_writer_opts opts = { .level = 1, .threads = threads, .block_bytes = 1000 };
        struct failing f = { 0, 3 };
        struct nb_error err = NB_ERROR_INIT;
        struct gz_writer *w;
        char row[500] = { 1 };
        bool ok = true;

        assert_true(gz_writer_new(&opts, fail_later, &f, &w, &err));
        for (int i = 0; ok && i < 1000; i++)
            ok = gz_writer_write(w, row, sizeof(row), &err);
        assert_false(ok);
        assert_string_equal(err.reason, "Gone");
        nb_error_clear(&err);
        assert_false(gz_writer_finish(w, &err));
        assert_string_equal(err.reason, "Gone");
        assert_int_equal(f.calls, 3);
        gz_writer_free(w);
    }
}

static void writer_freed_half_way_does_not_hang(void **state)
{
    struct gz_writer_opts opts = { .level = 6, .threads = 3, .block_bytes = 1 << 16 };
    struct nb_buf in = NB_BUF_INIT(MAX), out = NB_BUF_INIT(MAX);
    struct nb_error err = NB_ERROR_INIT;
    struct gz_writer *w;

    (void)state;
    fill(&in, 1 << 20);
    assert_true(gz_writer_new(&opts, to_buf, &out, &w, &err));
    assert_true(gz_writer_write(w, in.data, in.len, &err));
    gz_writer_free(w);
    nb_buf_done(&in);
    nb_buf_done(&out);
}

static void writer_level_out_of_range_is_refused(void **state)
{
    struct gz_writer_opts opts = { .level = 13 };
    struct nb_error err = NB_ERROR_INIT;
    struct gz_writer *w;

    (void)state;
    assert_false(gz_writer_new(&opts, to_buf, NULL, &w, &err));
    assert_string_equal(err.reason, "InvalidCompressionLevel");
}

static int adapted(unsigned windows, bool waited, uint64_t output_share)
{
    struct gz_adapt a;

    gz_adapt_init(&a);
    for (unsigned i = 0; i < windows * GZ_ADAPT_WINDOW_BLOCKS; i++)
        gz_adapt_block(&a, waited, 100, output_share);
    return a.level;
}

static void adapt_follows_who_waits(void **state)
{
    (void)state;
    assert_int_equal(adapted(1, true, 10), GZ_LEVEL_DEFAULT - 1); /* the CPU is slow */
    assert_int_equal(adapted(99, true, 10), GZ_LEVEL_MIN);
    assert_int_equal(adapted(1, true, 90), GZ_LEVEL_DEFAULT + 1); /* the network is slow */
    assert_int_equal(adapted(99, true, 90), GZ_LEVEL_MAX);
    assert_int_equal(adapted(99, false, 10), GZ_LEVEL_DEFAULT); /* the source is slow */
}

static void adapt_source_gets_slow_goes_back_to_the_default(void **state)
{
    struct gz_adapt a = { .level = GZ_LEVEL_MIN };

    (void)state;
    for (int i = 0; i < 99 * GZ_ADAPT_WINDOW_BLOCKS; i++)
        gz_adapt_block(&a, false, 100, 0);
    assert_int_equal(a.level, GZ_LEVEL_DEFAULT);
    a.level = GZ_LEVEL_MAX;
    for (int i = 0; i < 99 * GZ_ADAPT_WINDOW_BLOCKS; i++)
        gz_adapt_block(&a, false, 100, 100);
    assert_int_equal(a.level, GZ_LEVEL_DEFAULT);
}

/* What comes out is a gzip of what went in, whatever levels its members have. */
static void writer_adaptive_output_is_read_back(void **state)
{
    struct gz_writer_opts opts = { .level = GZ_LEVEL_ADAPTIVE, .threads = 3, .block_bytes = 4096 };
    struct gz_reader_opts ropts = { 0 };
    nb_auto_done(nb_buf_done) struct nb_buf in = NB_BUF_INIT(MAX), out = NB_BUF_INIT(MAX),
                                            back = NB_BUF_INIT(MAX);
    struct nb_error err = NB_ERROR_INIT;
    struct gz_writer *w;

    (void)state;
    fill(&in, 3 << 20);
    assert_true(gz_writer_new(&opts, to_buf, &out, &w, &err));
    assert_true(gz_writer_write(w, in.data, in.len, &err));
    assert_true(gz_writer_finish(w, &err));
    gz_writer_free(w);
    assert_true(unpack(out.data, out.len, 65536, &ropts, &back, &err));
    assert_int_equal(back.len, in.len);
    assert_memory_equal(back.data, in.data, in.len);
}

static void reader_cut_anywhere_is_told(void **state)
{
    struct nb_buf in = NB_BUF_INIT(MAX), packed = NB_BUF_INIT(MAX);
    struct gz_reader_opts opts = { 0, 0 };

    (void)state;
    fill(&in, 2000);
    pack(&in, 0, 1000, 1000, &packed);
    for (size_t n = 0; n < packed.len; n++) {
        struct nb_buf out = NB_BUF_INIT(MAX);
        struct nb_error err = NB_ERROR_INIT;
        bool ok = unpack(packed.data, n, 100, &opts, &out, &err);

        /* Between two members a cut cannot be seen here: the dump's tail is for that. */
        if (ok)
            assert_true(out.len < in.len && out.len % 1000 == 0 && out.len > 0);
        else
            assert_string_equal(err.reason, "CutGzip");
        nb_buf_done(&out);
    }
    nb_buf_done(&in);
    nb_buf_done(&packed);
}

static void reader_one_bit_wrong_is_told(void **state)
{
    struct nb_buf in = NB_BUF_INIT(MAX), packed = NB_BUF_INIT(MAX);
    struct gz_reader_opts opts = { 0, 0 };

    (void)state;
    fill(&in, 300);
    pack(&in, 0, 1000, 1000, &packed);
    for (size_t i = 0; i < packed.len; i++) {
        for (int bit = 0; bit < 8; bit++) {
            struct nb_buf out = NB_BUF_INIT(MAX);
            struct nb_error err = NB_ERROR_INIT;

            packed.data[i] = (char)(packed.data[i] ^ (1 << bit));
            /* Some bits mean nothing (time, system, padding): then the data is right all the
             * same. */
            if (unpack(packed.data, packed.len, 64, &opts, &out, &err)) {
                assert_int_equal(out.len, in.len);
                assert_memory_equal(out.data, in.data, in.len);
            }
            packed.data[i] = (char)(packed.data[i] ^ (1 << bit));
            nb_buf_done(&out);
        }
    }
    nb_buf_done(&in);
    nb_buf_done(&packed);
}

static void reader_garbage_after_last_member_is_refused(void **state)
{
    struct nb_buf in = NB_BUF_INIT(MAX), packed = NB_BUF_INIT(MAX), out = NB_BUF_INIT(MAX);
    struct gz_reader_opts opts = { 0, 0 };
    struct nb_error err = NB_ERROR_INIT;

    (void)state;
    fill(&in, 300);
    pack(&in, 0, 1000, 1000, &packed);
    nb_buf_puts(&packed, "more");
    assert_false(unpack(packed.data, packed.len, 64, &opts, &out, &err));
    assert_int_equal(err.code, NB_E_CORRUPT);
    nb_buf_done(&in);
    nb_buf_done(&packed);
    nb_buf_done(&out);
}

static void reader_limits_stop_a_bomb(void **state)
{
    struct nb_buf in = NB_BUF_INIT(MAX), packed = NB_BUF_INIT(MAX);
    struct gz_reader_opts by_size = { .max_plain_bytes = 1 << 20 }, by_ratio = { .max_ratio = 100 };
    struct nb_error err = NB_ERROR_INIT;

    (void)state;
    assert_non_null(nb_buf_reserve(&in, 40 << 20));
    memset(in.data, 0, 40 << 20);
    in.len = 40 << 20;
    pack(&in, 0, 40 << 20, 40 << 20, &packed);
    for (int i = 0; i < 2; i++) {
        struct nb_buf out = NB_BUF_INIT(MAX);

        nb_error_clear(&err);
        assert_false(unpack(packed.data, packed.len, 4096, i ? &by_ratio : &by_size, &out, &err));
        assert_string_equal(err.reason, "ExpansionLimit");
        assert_true(out.len <= (i ? 20 << 20 : 2 << 20));
        nb_buf_done(&out);
    }
    nb_buf_done(&in);
    nb_buf_done(&packed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip_any_threads_blocks_and_cuts_is_identity),
        cmocka_unit_test(writer_same_input_any_thread_count_gives_same_bytes),
        cmocka_unit_test(writer_output_fails_error_comes_back_and_sticks),
        cmocka_unit_test(writer_freed_half_way_does_not_hang),
        cmocka_unit_test(writer_level_out_of_range_is_refused),
        cmocka_unit_test(adapt_follows_who_waits),
        cmocka_unit_test(adapt_source_gets_slow_goes_back_to_the_default),
        cmocka_unit_test(writer_adaptive_output_is_read_back),
        cmocka_unit_test(reader_cut_anywhere_is_told),
        cmocka_unit_test(reader_one_bit_wrong_is_told),
        cmocka_unit_test(reader_garbage_after_last_member_is_refused),
        cmocka_unit_test(reader_limits_stop_a_bomb),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
