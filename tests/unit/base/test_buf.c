#include "base/buf.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "tests/unit/cmocka.h"

static void buf_appends_are_terminated_and_counted(void **state)
{
    nb_auto_done(nb_buf_done) struct nb_buf b = NB_BUF_INIT(1000);

    (void)state;
    assert_string_equal(nb_buf_cstr(&b), "");
    nb_buf_puts(&b, "ab");
    nb_buf_putc(&b, 'c');
    nb_buf_append(&b, "de", 2);
    nb_buf_printf(&b, "-%d-%s", 42, "x");
    assert_string_equal(b.data, "abcde-42-x");
    assert_int_equal(b.len, 10);
    assert_true(nb_str_is(nb_buf_str(&b), "abcde-42-x"));
}

static void buf_long_printf_is_whole(void **state)
{
    nb_auto_done(nb_buf_done) struct nb_buf b = NB_BUF_INIT(10000);
    char text[3000];

    (void)state;
    memset(text, 'y', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    nb_buf_printf(&b, "%s|%s", text, text);
    assert_int_equal(b.len, 2 * 2999 + 1);
    assert_int_equal(b.data[2999], '|');
    assert_int_equal(strlen(b.data), b.len);
}

static void buf_maximum_is_exact_and_sticky(void **state)
{
    nb_auto_done(nb_buf_done) struct nb_buf b = NB_BUF_INIT(4);
    struct nb_error err = NB_ERROR_INIT;

    (void)state;
    nb_buf_puts(&b, "abcd");
    assert_true(nb_buf_check(&b, &err));
    nb_buf_putc(&b, 'e');
    nb_buf_puts(&b, "");
    assert_string_equal(b.data, "abcd");
    assert_false(nb_buf_check(&b, &err));
    assert_int_equal(err.code, NB_E_LIMIT);
    assert_null(nb_buf_reserve(&b, 0));
    nb_buf_clear(&b);
    nb_buf_puts(&b, "xy");
    assert_string_equal(nb_buf_cstr(&b), "xy");
    assert_true(nb_buf_check(&b, &err));
}

static void buf_reserve_partly_used_is_terminated_by_cstr(void **state)
{
    nb_auto_done(nb_buf_done) struct nb_buf b = NB_BUF_INIT(100);
    char *to = nb_buf_reserve(&b, 10);

    (void)state;
    memset(to, 'z', 10);
    b.len += 3;
    assert_string_equal(nb_buf_cstr(&b), "zzz");
}

static void buf_consume_moves_the_rest_to_the_front(void **state)
{
    nb_auto_done(nb_buf_done) struct nb_buf b = NB_BUF_INIT(100);

    (void)state;
    nb_buf_consume(&b, 5);
    nb_buf_puts(&b, "hello world");
    nb_buf_consume(&b, 6);
    assert_string_equal(b.data, "world");
    nb_buf_consume(&b, 99);
    assert_int_equal(b.len, 0);
}

static void buf_take_hands_over_and_empties(void **state)
{
    struct nb_buf b = NB_BUF_INIT(100);
    nb_auto(nb_free) char *none = nb_buf_take(&b);
    nb_auto(nb_free) char *text = NULL;

    (void)state;
    assert_string_equal(none, "");
    nb_buf_puts(&b, "mine");
    text = nb_buf_take(&b);
    assert_string_equal(text, "mine");
    assert_null(b.data);
    assert_int_equal(b.max, 100);
}

static void utf8_table_of_good_and_bad(void **state)
{
    static const char *const good[] = { "",
                                        "abc",
                                        "\xC2\x80",
                                        "\xDF\xBF",
                                        "\xE0\xA0\x80",
                                        "\xED\x9F\xBF",
                                        "\xEE\x80\x80",
                                        "\xF0\x90\x80\x80",
                                        "\xF4\x8F\xBF\xBF",
                                        "0123456\xC3\xA4"
                                        "8" };
    static const char *const bad[] = { "\x80",
                                       "\xC0\x80",
                                       "\xC1\xBF",
                                       "\xC3",
                                       "\xC3(",
                                       "\xE0\x9F\xBF",
                                       "\xED\xA0\x80",
                                       "\xE2\x82",
                                       "\xF0\x8F\xBF\xBF",
                                       "\xF4\x90\x80\x80",
                                       "\xF5\x80\x80\x80",
                                       "01234567\xFF" };

    (void)state;
    for (size_t i = 0; i < NB_ARRAY_LEN(good); i++)
        assert_true(nb_utf8_valid(good[i], strlen(good[i])));
    for (size_t i = 0; i < NB_ARRAY_LEN(bad); i++)
        assert_false(nb_utf8_valid(bad[i], strlen(bad[i])));
    assert_true(nb_utf8_valid("a\0b", 3));
}

static void utf8_cut_never_splits_a_character(void **state)
{
    (void)state;
    assert_int_equal(nb_utf8_cut("ab\xE2\x82\xAC", 5), 5);
    assert_int_equal(nb_utf8_cut("ab\xE2\x82\xAC", 4), 2);
    assert_int_equal(nb_utf8_cut("ab\xE2\x82\xAC", 3), 2);
    assert_int_equal(nb_utf8_cut("ab", 2), 2);
    assert_int_equal(nb_utf8_cut("", 0), 0);
}

static void parse_i64_takes_whole_numbers_in_range_only(void **state)
{
    static const char *const bad[] = {
        "", "-", "+1", " 1", "1 ", "1x", "0x1", "9223372036854775808", "-9223372036854775809", "1.0"
    };
    int64_t v = 7;

    (void)state;
    for (size_t i = 0; i < NB_ARRAY_LEN(bad); i++)
        assert_false(nb_parse_i64(bad[i], INT64_MIN, INT64_MAX, &v));
    assert_int_equal(v, 7);
    assert_true(nb_parse_i64("9223372036854775807", 0, INT64_MAX, &v));
    assert_true(v == INT64_MAX);
    assert_true(nb_parse_i64("-9223372036854775808", INT64_MIN, 0, &v));
    assert_true(v == INT64_MIN);
    assert_false(nb_parse_i64("11", 1, 10, &v));
    assert_true(nb_parse_i64("007", 1, 10, &v));
    assert_int_equal(v, 7);
}

static void strings_compare_as_named(void **state)
{
    (void)state;
    assert_true(nb_starts_with("abc", "ab") && !nb_starts_with("a", "ab"));
    assert_true(nb_ends_with("abc", "bc") && !nb_ends_with("c", "bc"));
    assert_true(nb_streq(NULL, NULL) && !nb_streq("a", NULL) && nb_streq("a", "a"));
    assert_true(nb_strcaseeq_ascii("AbC", "aBc") && !nb_strcaseeq_ascii("ab", "abc"));
    assert_true(nb_str_equal(NB_STR(""), (struct nb_str){ NULL, 0 }));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(buf_appends_are_terminated_and_counted),
        cmocka_unit_test(buf_long_printf_is_whole),
        cmocka_unit_test(buf_maximum_is_exact_and_sticky),
        cmocka_unit_test(buf_reserve_partly_used_is_terminated_by_cstr),
        cmocka_unit_test(buf_consume_moves_the_rest_to_the_front),
        cmocka_unit_test(buf_take_hands_over_and_empties),
        cmocka_unit_test(utf8_table_of_good_and_bad),
        cmocka_unit_test(utf8_cut_never_splits_a_character),
        cmocka_unit_test(parse_i64_takes_whole_numbers_in_range_only),
        cmocka_unit_test(strings_compare_as_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
