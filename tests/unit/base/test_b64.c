#include "base/b64.h"

#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "tests/unit/cmocka.h"

static void b64_rfc4648_vectors_go_both_ways(void **state)
{
    static const struct {
        const char *plain, *coded;
    } rows[] = { { "", "" },
                 { "f", "Zg==" },
                 { "fo", "Zm8=" },
                 { "foo", "Zm9v" },
                 { "foob", "Zm9vYg==" },
                 { "fooba", "Zm9vYmE=" },
                 { "foobar", "Zm9vYmFy" },
                 { "\xFB\xFF", "+/8=" } };

    (void)state;
    for (size_t i = 0; i < NB_ARRAY_LEN(rows); i++) {
        nb_auto_done(nb_buf_done) struct nb_buf b = NB_BUF_INIT(100), p = NB_BUF_INIT(100);
        struct nb_error err = NB_ERROR_INIT;

        nb_b64_encode(rows[i].plain, strlen(rows[i].plain), &b);
        assert_string_equal(nb_buf_cstr(&b), rows[i].coded);
        assert_true(nb_b64_decode(rows[i].coded, strlen(rows[i].coded), &p, &err));
        assert_string_equal(nb_buf_cstr(&p), rows[i].plain);
    }
}

static void b64_every_length_goes_there_and_back(void **state)
{
    uint8_t bytes[100];

    (void)state;
    nb_random_bytes(bytes, sizeof(bytes));
    for (size_t n = 0; n <= sizeof(bytes); n++) {
        nb_auto_done(nb_buf_done) struct nb_buf b = NB_BUF_INIT(200), p = NB_BUF_INIT(200);
        struct nb_error err = NB_ERROR_INIT;

        nb_b64_encode(bytes, n, &b);
        assert_true(nb_b64_decode(b.data ? b.data : "", b.len, &p, &err));
        assert_int_equal(p.len, n);
        assert_true(n == 0 || memcmp(p.data, bytes, n) == 0);
    }
}

static void b64_broken_texts_are_refused(void **state)
{
    static const char *const bad[] = { "Z",    "Zg",   "Zg=",   "Zg===", "Zg==Zg==", "Z===", "====",
                                       "Zh==", "Zm9=", "Zm 9v", "Zm-_",  "Zm9v!",    "=" };

    (void)state;
    for (size_t i = 0; i < NB_ARRAY_LEN(bad); i++) {
        nb_auto_done(nb_buf_done) struct nb_buf p = NB_BUF_INIT(100);
        struct nb_error err = NB_ERROR_INIT;

        if (nb_b64_decode(bad[i], strlen(bad[i]), &p, &err))
            fail_msg("accepted: %s", bad[i]);
        assert_int_equal(err.code, NB_E_INVALID);
    }
}

static void b64_line_breaks_are_skipped_and_limits_hold(void **state)
{
    nb_auto_done(nb_buf_done) struct nb_buf p = NB_BUF_INIT(100), small = NB_BUF_INIT(2);
    struct nb_error err = NB_ERROR_INIT;

    (void)state;
    assert_true(nb_b64_decode("Zm9v\r\nYmFy\n", 11, &p, &err));
    assert_string_equal(nb_buf_cstr(&p), "foobar");
    assert_false(nb_b64_decode("Zm9v", 4, &small, &err));
    assert_int_equal(err.code, NB_E_LIMIT);
}

static void b64url_padding_is_optional(void **state)
{
    static const char *const good[] = { "-_8", "-_8=" }, *const bad[] = { "+/8=", "-_8==", "-_9",
                                                                          "-", "-_\n8" };

    (void)state;
    for (size_t i = 0; i < NB_ARRAY_LEN(good); i++) {
        nb_auto_done(nb_buf_done) struct nb_buf p = NB_BUF_INIT(100);
        struct nb_error err = NB_ERROR_INIT;

        assert_true(nb_b64url_decode(good[i], strlen(good[i]), &p, &err));
        assert_string_equal(nb_buf_cstr(&p), "\xFB\xFF");
    }
    for (size_t i = 0; i < NB_ARRAY_LEN(bad); i++) {
        nb_auto_done(nb_buf_done) struct nb_buf p = NB_BUF_INIT(100);
        struct nb_error err = NB_ERROR_INIT;

        assert_false(nb_b64url_decode(bad[i], strlen(bad[i]), &p, &err));
    }
}

static void url_encode_keeps_the_unreserved_only(void **state)
{
    nb_auto_done(nb_buf_done) struct nb_buf a = NB_BUF_INIT(100), b = NB_BUF_INIT(100);
    nb_auto_done(nb_buf_done) struct nb_buf back = NB_BUF_INIT(100);
    const char *text = "aZ0-._~/+ \xC3\xA4=%";

    (void)state;
    nb_url_encode(text, strlen(text), false, &a);
    assert_string_equal(nb_buf_cstr(&a), "aZ0-._~%2F%2B%20%C3%A4%3D%25");
    nb_url_encode(text, strlen(text), true, &b);
    assert_string_equal(nb_buf_cstr(&b), "aZ0-._~/%2B%20%C3%A4%3D%25");
    assert_true(nb_url_decode(a.data, a.len, &back));
    assert_string_equal(nb_buf_cstr(&back), text);
}

static void url_decode_broken_escapes_are_refused(void **state)
{
    static const char *const bad[] = { "%", "%1", "%1g", "%g1", "a%" };
    nb_auto_done(nb_buf_done) struct nb_buf out = NB_BUF_INIT(100), small = NB_BUF_INIT(1);

    (void)state;
    for (size_t i = 0; i < NB_ARRAY_LEN(bad); i++)
        assert_false(nb_url_decode(bad[i], strlen(bad[i]), &out));
    nb_buf_clear(&out);
    assert_true(nb_url_decode("a+%2f%2F", 8, &out));
    assert_string_equal(nb_buf_cstr(&out), "a+//");
    assert_false(nb_url_decode("ab", 2, &small));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(b64_rfc4648_vectors_go_both_ways),
        cmocka_unit_test(b64_every_length_goes_there_and_back),
        cmocka_unit_test(b64_broken_texts_are_refused),
        cmocka_unit_test(b64_line_breaks_are_skipped_and_limits_hold),
        cmocka_unit_test(b64url_padding_is_optional),
        cmocka_unit_test(url_encode_keeps_the_unreserved_only),
        cmocka_unit_test(url_decode_broken_escapes_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
