#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/mem.h"
#include "bolt/chunk.h"

enum { BASE = 4096, MAX = 1 << 20 };

/* Feeds n bytes, at most step at a time, and gathers "length:first-last" of each message. */
static bool feed(struct bolt_deframer *d, const void *p, size_t n, size_t step, struct nb_buf *seen,
                 struct nb_error *err)
{
    const char *from = p;

    while (n > 0) {
        struct nb_str message;
        size_t room;
        void *space = bolt_deframer_space(d, &room);
        size_t k = n < step ? n : step;

        if (k > room)
            k = room;
        assert_true(k > 0);
        memcpy(space, from, k);
        from += k;
        n -= k;
        if (!bolt_deframer_filled(d, k, err))
            return false;
        while (bolt_deframer_next(d, &message))
            nb_buf_printf(seen, "%zu:%02x-%02x ", message.n, (unsigned char)message.p[0],
                          (unsigned char)message.p[message.n - 1]);
    }
    return true;
}

static void message_comes_out_however_the_bytes_are_cut(void **state)
{
    static const char bytes[] = "\0\3abc\0\0" /* one chunk */
                                "\0\0"        /* NOOP */
                                "\0\1d\0\2ef\0\0"
                                "\0\0\0\0"
                                "\0\1g\0\0";

    (void)state;
    for (size_t step = 1; step <= sizeof(bytes); step++) {
        nb_auto_done(nb_buf_done) struct nb_buf seen = NB_BUF_INIT(1000);
        struct nb_error err = NB_ERROR_INIT;
        struct bolt_deframer d;

        bolt_deframer_init(&d, BASE, MAX);
        assert_true(feed(&d, bytes, sizeof(bytes) - 1, step, &seen, &err));
        assert_string_equal(nb_buf_cstr(&seen), "3:61-63 3:64-66 1:67-67 ");
        assert_int_equal(d.noops, 3);
        bolt_deframer_done(&d);
    }
}

static void message_of_many_chunks_grows_the_buffer_only_as_bytes_come(void **state)
{
    nb_auto_done(nb_buf_done) struct nb_buf bytes = NB_BUF_INIT(2 << 20);
    nb_auto_done(nb_buf_done) struct nb_buf seen = NB_BUF_INIT(1000);
    struct nb_error err = NB_ERROR_INIT;
    struct bolt_deframer d;
    size_t mark, room;

    (void)state;
    mark = bolt_chunk_begin(&bytes);
    for (size_t i = 0; i < 300000; i++)
        nb_buf_putc(&bytes, (char)(i % 251));
    bolt_chunk_end(&bytes, mark);
    bolt_deframer_init(&d, BASE, MAX);
    (void)bolt_deframer_space(&d, &room);
    assert_int_equal(room, BASE);
    assert_true(feed(&d, bytes.data, 20000, 1000, &seen, &err));
    assert_true(d.cap < 80000);
    assert_true(feed(&d, bytes.data + 20000, bytes.len - 20000, 10007, &seen, &err));
    assert_string_equal(nb_buf_cstr(&seen), "300000:00-36 ");
    assert_int_equal(299999 % 251, 0x36);
    bolt_deframer_done(&d);
}

static void joined_message_holds_the_bytes_in_order(void **state)
{
    nb_auto_done(nb_buf_done) struct nb_buf bytes = NB_BUF_INIT(2 << 20);
    struct nb_error err = NB_ERROR_INIT;
    struct nb_str message = { NULL, 0 };
    struct bolt_deframer d;
    size_t room;

    (void)state;
    for (size_t i = 0; i < 3000; i++) { /* three bytes a chunk */
        const char chunk[5] = { 0, 3, (char)i, (char)(i >> 8), 7 };

        nb_buf_append(&bytes, chunk, 5);
    }
    nb_buf_append(&bytes, "\0\0", 2);
    bolt_deframer_init(&d, 1 << 16, MAX);
    memcpy(bolt_deframer_space(&d, &room), bytes.data, bytes.len);
    assert_true(bolt_deframer_filled(&d, bytes.len, &err));
    assert_true(bolt_deframer_peek_last(&d, &message));
    assert_int_equal(message.n, 9000);
    assert_true(bolt_deframer_next(&d, &message));
    assert_false(bolt_deframer_next(&d, &message));
    assert_false(bolt_deframer_peek_last(&d, &message));
    for (size_t i = 0; i < 3000; i++) {
        assert_int_equal((unsigned char)message.p[3 * i], i & 0xFF);
        assert_int_equal((unsigned char)message.p[3 * i + 1], i >> 8);
        assert_int_equal(message.p[3 * i + 2], 7);
    }
    bolt_deframer_done(&d);
}

static void message_above_the_limit_is_refused_before_it_is_kept(void **state)
{
    static const char head[] = "\xFF\xFF";
    struct nb_error err = NB_ERROR_INIT;
    struct bolt_deframer d;
    nb_auto_done(nb_buf_done) struct nb_buf seen = NB_BUF_INIT(1000);
    nb_auto(nb_free) char *data = nb_xcalloc(1, 65535);

    (void)state;
    bolt_deframer_init(&d, BASE, 100000);
    assert_true(feed(&d, head, 2, 2, &seen, &err));
    assert_true(feed(&d, data, 65535, 65535, &seen, &err));
    assert_false(feed(&d, head, 2, 2, &seen, &err));
    assert_int_equal(err.code, NB_E_LIMIT);
    assert_string_equal(err.reason, "Neo4jMessageTooLarge");
    bolt_deframer_done(&d);
}

static void buffer_shrinks_after_a_large_message(void **state)
{
    nb_auto_done(nb_buf_done) struct nb_buf bytes = NB_BUF_INIT(16 << 20);
    nb_auto_done(nb_buf_done) struct nb_buf seen = NB_BUF_INIT(1000);
    struct nb_error err = NB_ERROR_INIT;
    struct bolt_deframer d;
    size_t mark, room;

    (void)state;
    mark = bolt_chunk_begin(&bytes);
    memset(nb_buf_reserve(&bytes, 6 << 20), 1, 6 << 20);
    bytes.len += 6 << 20;
    bolt_chunk_end(&bytes, mark);
    bolt_deframer_init(&d, 1 << 18, 8 << 20);
    assert_true(feed(&d, bytes.data, bytes.len, SIZE_MAX, &seen, &err));
    assert_true(d.cap > 6 << 20);
    (void)bolt_deframer_space(&d, &room);
    assert_int_equal(d.cap, 1 << 18);
    bolt_deframer_done(&d);
}

static void outgoing_message_is_cut_at_65535(void **state)
{
    static const size_t sizes[] = { 1, 65534, 65535, 65536, 131070, 131071, 200000 };

    (void)state;
    for (size_t i = 0; i < NB_ARRAY_LEN(sizes); i++) {
        nb_auto_done(nb_buf_done) struct nb_buf out = NB_BUF_INIT(MAX);
        struct nb_error err = NB_ERROR_INIT;
        struct nb_str message = { NULL, 0 };
        struct bolt_deframer d;
        size_t mark, room, chunks = (sizes[i] + 65534) / 65535;

        nb_buf_puts(&out, "x"); /* there may be something before */
        mark = bolt_chunk_begin(&out);
        for (size_t k = 0; k < sizes[i]; k++)
            nb_buf_putc(&out, (char)(k % 253));
        bolt_chunk_end(&out, mark);
        assert_int_equal(out.len, 1 + sizes[i] + 2 * chunks + 2);
        bolt_deframer_init(&d, MAX, MAX);
        memcpy(bolt_deframer_space(&d, &room), out.data + 1, out.len - 1);
        assert_true(bolt_deframer_filled(&d, out.len - 1, &err));
        assert_true(bolt_deframer_next(&d, &message));
        assert_int_equal(message.n, sizes[i]);
        for (size_t k = 0; k < sizes[i]; k++)
            if ((unsigned char)message.p[k] != k % 253)
                fail_msg("byte %zu of %zu differs", k, sizes[i]);
        bolt_deframer_done(&d);
    }
}

static void outgoing_message_that_does_not_fit_is_left(void **state)
{
    nb_auto_done(nb_buf_done) struct nb_buf out = NB_BUF_INIT(6);
    size_t mark = bolt_chunk_begin(&out);

    (void)state;
    nb_buf_puts(&out, "too long");
    bolt_chunk_end(&out, mark);
    assert_true(out.overflow);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(message_comes_out_however_the_bytes_are_cut),
        cmocka_unit_test(message_of_many_chunks_grows_the_buffer_only_as_bytes_come),
        cmocka_unit_test(joined_message_holds_the_bytes_in_order),
        cmocka_unit_test(message_above_the_limit_is_refused_before_it_is_kept),
        cmocka_unit_test(buffer_shrinks_after_a_large_message),
        cmocka_unit_test(outgoing_message_is_cut_at_65535),
        cmocka_unit_test(outgoing_message_that_does_not_fit_is_left),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
