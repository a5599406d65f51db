#include "base/json.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "tests/unit/cmocka.h"

static struct nb_json *parse(const char *text)
{
    struct nb_error err = NB_ERROR_INIT;
    struct nb_json *v = NULL;

    if (!nb_json_parse(text, strlen(text), 1 << 20, &v, &err))
        fail_msg("%s: %s", text, err.text);
    return v;
}

static void read_all_types_come_back(void **state)
{
    nb_auto(nb_json_free) struct nb_json *v =
        parse(" {\"s\":\"h\\u00e4\\ud83d\\ude00\\n\",\"i\":-5,\"f\":1.5,\"t\":true,\"n\":null,"
              "\"a\":[1,[],{}],\"o\":{\"x\":{\"y\":7}}} \n");
    const struct nb_json *c;

    (void)state;
    assert_int_equal(nb_json_type(v), NB_JSON_OBJECT);
    assert_int_equal(nb_json_count(v), 7);
    assert_string_equal(nb_json_str(nb_json_get(v, "s"), ""), "h\xC3\xA4\xF0\x9F\x98\x80\n");
    assert_int_equal(nb_json_i64(nb_json_get(v, "i"), 0), -5);
    assert_true(nb_json_f64(nb_json_get(v, "i"), 0) == -5.0);
    assert_int_equal(nb_json_type(nb_json_get(v, "f")), NB_JSON_FLOAT);
    assert_true(nb_json_f64(nb_json_get(v, "f"), 0) == 1.5);
    assert_true(nb_json_bool(nb_json_get(v, "t"), false));
    assert_int_equal(nb_json_type(nb_json_get(v, "n")), NB_JSON_NULL);
    assert_int_equal(nb_json_i64(nb_json_at(v, "o.x.y"), 0), 7);
    assert_null(nb_json_at(v, "o.x.z"));
    assert_null(nb_json_at(v, "s.x"));
    c = nb_json_first(nb_json_get(v, "a"));
    assert_int_equal(nb_json_i64(c, 0), 1);
    assert_null(nb_json_key(c));
    assert_int_equal(nb_json_type(nb_json_next(c)), NB_JSON_ARRAY);
    assert_string_equal(nb_json_key(nb_json_first(v)), "s");
}

static void read_wrong_type_or_null_gives_the_default(void **state)
{
    nb_auto(nb_json_free) struct nb_json *v = parse("[\"1\"]");

    (void)state;
    assert_int_equal(nb_json_i64(nb_json_first(v), 9), 9);
    assert_string_equal(nb_json_str(v, "d"), "d");
    assert_true(nb_json_f64(NULL, 2) == 2);
    assert_true(nb_json_bool(NULL, true));
    assert_null(nb_json_get(NULL, "x"));
    assert_null(nb_json_get(v, "x"));
    assert_null(nb_json_first(NULL));
    assert_null(nb_json_next(NULL));
    assert_int_equal(nb_json_count(NULL), 0);
    assert_string_equal(nb_json_str(NULL, "d"), "d");
}

static void read_names_are_exact_and_the_first_of_two_counts(void **state)
{
    nb_auto(nb_json_free) struct nb_json *v = parse("{\"Ab\":1,\"ab\":2,\"ab\":3,\"abc\":4}");

    (void)state;
    assert_int_equal(nb_json_i64(nb_json_get(v, "ab"), 0), 2);
    assert_int_equal(nb_json_i64(nb_json_get(v, "Ab"), 0), 1);
    assert_null(nb_json_get(v, "AB"));
    assert_null(nb_json_get(v, "a"));
}

static void integers_are_exact_up_to_their_ends(void **state)
{
    nb_auto(nb_json_free) struct nb_json *v =
        parse("{\"a\":[[9007199254740993,{\"b\":9223372036854775807}],-9223372036854775808],"
              "\"c\":9223372036854775808,\"d\":1e2,\"e\":-0}");
    const struct nb_json *inner = nb_json_first(nb_json_first(v));

    (void)state;
    assert_true(nb_json_i64(nb_json_first(inner), 0) == 9007199254740993);
    assert_true(nb_json_i64(nb_json_get(nb_json_next(nb_json_first(inner)), "b"), 0) == INT64_MAX);
    assert_true(nb_json_i64(nb_json_next(inner), 0) == INT64_MIN);
    assert_int_equal(nb_json_type(nb_json_get(v, "c")), NB_JSON_FLOAT);
    assert_int_equal(nb_json_type(nb_json_get(v, "d")), NB_JSON_FLOAT);
    assert_int_equal(nb_json_type(nb_json_get(v, "e")), NB_JSON_FLOAT);
}

static void refused_texts_are_refused(void **state)
{
    static const char *const bad[] = {
        "",
        " ",
        "{",
        "}",
        "[",
        "[1",
        "[1,",
        "[1,]",
        "[,1]",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{a:1}",
        "{\"a\":1 \"b\":2}",
        "[1 2]",
        "[1}",
        "{\"a\":1]",
        "01",
        "-01",
        "00",
        "+1",
        "1.",
        ".5",
        "-",
        "1e",
        "1e+",
        "0x1",
        "NaN",
        "nul",
        "truex",
        "tru",
        "\"a",
        "\"\\",
        "\"\\x\"",
        "\"\\u12\"",
        "\"\\u12g4\"",
        "\"a\\u0000b\"",
        "\"\\ud800\"",
        "\"\\ud800x\"",
        "\"\\ud800\\n\"",
        "\"\\ud800\\u0041\"",
        "\"\\udc00\"",
        "\"a\nb\"",
        "\"\x01\"",
        "1 2",
        "{} x",
        "\"\xFF\"",
        "\xEF\xBB\xBF{}",
        "\"\xC0\x80\"",
        "'a'",
        "[1,/**/2]",
        "null null",
        "1234567890123456789012345678901234567890123456789012345678901234",
    };

    (void)state;
    for (size_t i = 0; i < NB_ARRAY_LEN(bad); i++) {
        struct nb_error err = NB_ERROR_INIT;
        struct nb_json *v = NULL;

        if (nb_json_parse(bad[i], strlen(bad[i]), 1000, &v, &err))
            fail_msg("accepted: %s", bad[i]);
        assert_int_equal(err.code, NB_E_INVALID);
        assert_string_equal(err.reason, "InvalidJson");
        assert_null(v);
    }
}

static void refused_nul_byte_and_bytes_after_the_value(void **state)
{
    struct nb_error err = NB_ERROR_INIT;
    struct nb_json *v = NULL;

    (void)state;
    assert_false(nb_json_parse("1\0", 2, 10, &v, &err));
    assert_false(nb_json_parse("\"a\0b\"", 5, 10, &v, &err));
    /* What lies behind n is not looked at. */
    assert_true(nb_json_parse("12garbage", 2, 10, &v, &err));
    assert_int_equal(nb_json_i64(v, 0), 12);
    nb_json_free(v);
}

static void fault_names_line_and_column(void **state)
{
    struct nb_error err = NB_ERROR_INIT;
    struct nb_json *v = NULL;
    const char *text = "{\n  \"a\": 1,\n  \"b\": x\n}";

    (void)state;
    assert_false(nb_json_parse(text, strlen(text), 100, &v, &err));
    assert_string_equal(err.text, "JSON, line 3, column 8: a value is missing");
}

static void depth_64_is_allowed_and_65_is_not(void **state)
{
    struct nb_error err = NB_ERROR_INIT;
    struct nb_json *v = NULL;
    char text[200];

    (void)state;
    for (size_t depth = 64; depth <= 65; depth++) {
        memset(text, '[', depth);
        memset(text + depth, ']', depth);
        assert_int_equal(nb_json_parse(text, 2 * depth, 1000, &v, &err), depth == 64);
    }
    assert_non_null(strstr(err.text, "deeper than 64"));
    nb_json_free(v);
}

static void size_limit_is_exact(void **state)
{
    struct nb_error err = NB_ERROR_INIT;
    struct nb_json *v = NULL;

    (void)state;
    assert_false(nb_json_parse("[1]", 3, 2, &v, &err));
    assert_int_equal(err.code, NB_E_LIMIT);
    assert_true(nb_json_parse("[1]", 3, 3, &v, &err));
    nb_json_free(v);
}

static void format_then_parse_gives_the_same_text(void **state)
{
    static const char *const texts[] = {
        "{\"a\":[1,-2,9223372036854775807],\"b\":{\"c\":\"x\\\"\\\\\\n\\u0001\"},\"d\":[]}",
        "[0.1,1e-7,123456.789,true,false,null,\"\"]",
        "1.7976931348623157e+308",
        "{}",
    };

    (void)state;
    for (size_t i = 0; i < NB_ARRAY_LEN(texts); i++) {
        nb_auto(nb_json_free) struct nb_json *v = parse(texts[i]);
        nb_auto_done(nb_buf_done) struct nb_buf out = NB_BUF_INIT(1000), again = NB_BUF_INIT(1000);
        nb_auto(nb_json_free) struct nb_json *w = NULL;

        nb_json_format(v, &out);
        w = parse(nb_buf_cstr(&out));
        nb_json_format(w, &again);
        assert_string_equal(nb_buf_cstr(&out), nb_buf_cstr(&again));
        if (i != 1)
            assert_string_equal(nb_buf_cstr(&out), texts[i]);
    }
}

static void format_float_stays_a_float(void **state)
{
    nb_auto(nb_json_free) struct nb_json *v = parse("[1.0,1e999,-1e999,18446744073709551616]");
    nb_auto_done(nb_buf_done) struct nb_buf out = NB_BUF_INIT(1000);

    (void)state;
    nb_json_format(v, &out);
    assert_string_equal(nb_buf_cstr(&out), "[1.0,1e999,-1e999,1.8446744073709552e+19]");
}

static void write_commas_and_escapes(void **state)
{
    nb_auto_done(nb_buf_done) struct nb_buf out = NB_BUF_INIT(1000);
    struct nb_jw w = NB_JW_INIT(&out);

    (void)state;
    nb_jw_object(&w);
    nb_jw_kv_str(&w, "s", "q\" b\\ n\n t\t c\x01 e\xE2\x82\xAC bad\xFF\xE2\x82");
    nb_jw_kv_str(&w, "absent", NULL);
    nb_jw_kv_i64(&w, "i", INT64_MIN);
    nb_jw_kv_bool(&w, "b", false);
    nb_jw_key(&w, "a");
    nb_jw_array(&w);
    nb_jw_u64(&w, UINT64_MAX);
    nb_jw_array(&w);
    nb_jw_array_end(&w);
    nb_jw_object(&w);
    nb_jw_object_end(&w);
    nb_jw_null(&w);
    nb_jw_str(&w, NULL);
    nb_jw_raw(&w, "{\"x\":1}", 7);
    nb_jw_strn(&w, "a\0b", 3);
    nb_jw_array_end(&w);
    nb_jw_key(&w, "o");
    nb_jw_object(&w);
    nb_jw_object_end(&w);
    nb_jw_object_end(&w);
    assert_string_equal(
        nb_buf_cstr(&out),
        "{\"s\":\"q\\\" b\\\\ n\\n t\\t c\\u0001 e\xE2\x82\xAC "
        "bad\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\",\"i\":-9223372036854775808,\"b\":false,"
        "\"a\":[18446744073709551615,[],{},null,null,{\"x\":1},\"a\\u0000b\"],\"o\":{}}");
}

static void write_beyond_depth_64_is_an_overflow(void **state)
{
    nb_auto_done(nb_buf_done) struct nb_buf out = NB_BUF_INIT(1000);
    struct nb_jw w = NB_JW_INIT(&out);

    (void)state;
    for (int i = 0; i < 64; i++)
        nb_jw_array(&w);
    assert_false(out.overflow);
    nb_jw_array(&w);
    assert_true(out.overflow);
    for (int i = 0; i < 70; i++)
        nb_jw_array_end(&w);
}

/* Of this thread's own time: others may want the machine. */
static double cpu_seconds(void)
{
    struct timespec t;

    assert_int_equal(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t), 0);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double seconds_to_parse(const char *item, size_t count)
{
    nb_auto_done(nb_buf_done) struct nb_buf b = NB_BUF_INIT(64 << 20);
    nb_auto(nb_json_free) struct nb_json *v = NULL;
    struct nb_error err = NB_ERROR_INIT;
    double from;

    nb_buf_putc(&b, '[');
    for (size_t i = 0; i < count; i++)
        nb_buf_printf(&b, "%s%s", i ? "," : "", item);
    nb_buf_putc(&b, ']');
    from = cpu_seconds();
    assert_true(nb_json_parse(b.data, b.len, b.max, &v, &err));
    assert_int_equal(nb_json_count(v), count);
    return cpu_seconds() - from;
}

static void parse_time_grows_with_the_length_only(void **state)
{
    static const char *const items[] = { "12345", "\"text\"", "{\"a\":{\"b\":[1,2]}}" };

    (void)state;
    for (size_t i = 0; i < NB_ARRAY_LEN(items); i++) {
        double small = seconds_to_parse(items[i], 10000),
               large = seconds_to_parse(items[i], 160000);

        /* 16 times the work; a quadratic parser would take 256 times as long. */
        assert_true(large < small * 100 + 0.5);
    }
}

static struct nb_json *list_of(int64_t first, size_t count)
{
    nb_auto_done(nb_buf_done) struct nb_buf b = NB_BUF_INIT(1 << 20);
    struct nb_json *v = NULL;
    struct nb_error err = NB_ERROR_INIT;

    nb_buf_putc(&b, '[');
    for (size_t i = 0; i < count; i++)
        nb_buf_printf(&b, "%s{\"n\":%lld,\"text\":\"%0*d\"}", i ? "," : "",
                      (long long)(first + (int64_t)i), (int)(i % 90) + 1, 7);
    nb_buf_putc(&b, ']');
    assert_true(nb_json_parse(b.data, b.len, b.max, &v, &err));
    return v;
}

static void check_list(const struct nb_json *v, int64_t first, size_t count)
{
    assert_int_equal(nb_json_count(v), count);
    for (v = nb_json_first(v); v; v = nb_json_next(v), first++, count--)
        assert_int_equal(nb_json_i64(nb_json_get(v, "n"), -1), first);
    assert_int_equal(count, 0);
}

/* Each has memory of its own, whatever is read or refused, and freed, between. */
static void documents_do_not_touch_each_other(void **state)
{
    nb_auto(nb_json_free) struct nb_json *first = list_of(1, 3000);
    nb_auto(nb_json_free) struct nb_json *second = list_of(100000, 1);
    nb_auto(nb_json_free) struct nb_json *none = NULL;
    struct nb_error err = NB_ERROR_INIT;

    (void)state;
    assert_false(nb_json_parse("[1,{\"a\":[2,", 11, 100, &none, &err));
    nb_json_free(list_of(5, 500));
    check_list(first, 1, 3000);
    check_list(second, 100000, 1);
    nb_json_free(nb_steal(first));
    check_list(second, 100000, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(read_all_types_come_back),
        cmocka_unit_test(read_wrong_type_or_null_gives_the_default),
        cmocka_unit_test(read_names_are_exact_and_the_first_of_two_counts),
        cmocka_unit_test(integers_are_exact_up_to_their_ends),
        cmocka_unit_test(refused_texts_are_refused),
        cmocka_unit_test(refused_nul_byte_and_bytes_after_the_value),
        cmocka_unit_test(fault_names_line_and_column),
        cmocka_unit_test(depth_64_is_allowed_and_65_is_not),
        cmocka_unit_test(size_limit_is_exact),
        cmocka_unit_test(format_then_parse_gives_the_same_text),
        cmocka_unit_test(format_float_stays_a_float),
        cmocka_unit_test(write_commas_and_escapes),
        cmocka_unit_test(write_beyond_depth_64_is_an_overflow),
        cmocka_unit_test(documents_do_not_touch_each_other),
        cmocka_unit_test(parse_time_grows_with_the_length_only),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
