#include "base/yaml.h"

#include <string.h>

#include "base/mem.h"
#include "tests/unit/cmocka.h"

static void check(const char *yaml, const char *want_json)
{
    nb_auto_done(nb_buf_done) struct nb_buf out = NB_BUF_INIT(100000);
    nb_auto(nb_json_free) struct nb_json *v = NULL;
    struct nb_error err = NB_ERROR_INIT;

    if (!nb_yaml_parse(yaml, strlen(yaml), 1 << 16, "f.yaml", &v, &err))
        fail_msg("%s: %s", yaml, err.text);
    nb_json_format(v, &out);
    assert_string_equal(nb_buf_cstr(&out), want_json);
}

static void scalars_follow_the_core_schema(void **state)
{
    (void)state;
    check("[null, Null, NULL, ~, ]", "[null,null,null,null]");
    check("a:", "{\"a\":null}");
    check("[true, True, TRUE, false, False, FALSE]", "[true,true,true,false,false,false]");
    check("[yes, no, on, off, y, tRue, nUll]",
          "[\"yes\",\"no\",\"on\",\"off\",\"y\",\"tRue\",\"nUll\"]");
    check("[0, -1, +7, 007, 0o17, 0xfF, 9223372036854775807]",
          "[0,-1,7,7,15,255,9223372036854775807]");
    check("[1.5, .5, -5., 1e3, 1E-2, 0x, 0o8, 1_000, 1:30, 1.2.3, +, ., e5]",
          "[1.5,0.5,-5.0,1000.0,0.01,\"0x\",\"0o8\",\"1_000\",\"1:30\",\"1.2.3\",\"+\",\".\","
          "\"e5\"]");
}

static void quoted_scalars_are_strings(void **state)
{
    (void)state;
    check("['1', \"true\", '', \"a\\n\\u00e4\", 'it''s']",
          "[\"1\",\"true\",\"\",\"a\\n\xC3\xA4\",\"it's\"]");
    check("a: |\n  one\n  two\nb: >\n  x\n  y\n", "{\"a\":\"one\\ntwo\\n\",\"b\":\"x y\\n\"}");
}

static void core_tags_are_obeyed(void **state)
{
    (void)state;
    check("[!!str 1, ! 2, !!int '3', !!float 1, !!bool 'true', !!null '']",
          "[\"1\",\"2\",3,1,true,null]");
    check("!!map {a: !!seq [1]}", "{\"a\":[1]}");
}

static void structure_of_a_kubeconfig_is_kept(void **state)
{
    (void)state;
    check("apiVersion: v1\nclusters:\n- name: c\n  cluster: {server: 'https://x:6443'}\nusers: []\n"
          "1: a\nnull: b\n",
          "{\"apiVersion\":\"v1\",\"clusters\":[{\"name\":\"c\",\"cluster\":{\"server\":"
          "\"https://x:6443\"}}],\"users\":[],\"1\":\"a\",\"null\":\"b\"}");
    check("", "null");
    check("# only a comment\n", "null");
    check("---\na: 1\n...\n", "{\"a\":1}");
}

static void refused_texts_say_where(void **state)
{
    static const struct {
        const char *yaml, *text;
    } rows[] = {
        { "a: &x 1", "'f.yaml', line 1, column 4: anchors are not supported" },
        { "a: &x {b: 1}", "'f.yaml', line 1, column 4: anchors are not supported" },
        { "a: *x", "'f.yaml', line 1, column 4: aliases are not supported" },
        { "a: 1\nb: 2\na: 3", "'f.yaml', line 3, column 1: key is there twice" },
        { "a: !foo 1", "'f.yaml', line 1, column 4: tag is not supported" },
        { "!foo {a: 1}", "'f.yaml', line 1, column 1: tag is not supported" },
        { "a: !!int x", "'f.yaml', line 1, column 4: value does not fit its tag" },
        { "a: !!binary x", "'f.yaml', line 1, column 4: tag is not supported" },
        { "a: 1\n---\nb: 2", "'f.yaml', line 2, column 1: more than one document" },
        { "? [a]\n: 1", "'f.yaml', line 1, column 3: a key must be a plain word or a string" },
        { "a: .nan", "'f.yaml', line 1, column 4: infinity and 'not a number' are not supported" },
        { "a: \"x\\0y\"", "'f.yaml', line 1, column 4: a string with a NUL character" },
        { "\"x\\0y\": 1", "'f.yaml', line 1, column 1: a key with a NUL character" },
        { "a: [1", "'f.yaml', line 2, column 1: did not find expected ',' or ']'" },
        { "a: 'x", "'f.yaml', line 1, column 6: found unexpected end of stream" },
        { "a: \xFF", "'f.yaml', byte 3: invalid leading UTF-8 octet" },
    };

    (void)state;
    for (size_t i = 0; i < NB_ARRAY_LEN(rows); i++) {
        struct nb_error err = NB_ERROR_INIT;
        struct nb_json *v = NULL;

        assert_false(nb_yaml_parse(rows[i].yaml, strlen(rows[i].yaml), 1000, "f.yaml", &v, &err));
        assert_string_equal(err.text, rows[i].text);
        assert_int_equal(err.code, NB_E_INVALID);
    }
}

static void depth_and_size_are_limited(void **state)
{
    struct nb_error err = NB_ERROR_INIT;
    struct nb_json *v = NULL;
    char text[200];

    (void)state;
    memset(text, '[', 65);
    memset(text + 65, ']', 65);
    assert_false(nb_yaml_parse(text, 130, 1000, "f.yaml", &v, &err));
    assert_non_null(strstr(err.text, "nested deeper than 64"));
    assert_true(nb_yaml_parse(text + 1, 128, 1000, "f.yaml", &v, &err));
    nb_json_free(v);
    assert_false(nb_yaml_parse("a: 1", 4, 3, "f.yaml", &v, &err));
    assert_int_equal(err.code, NB_E_LIMIT);
}

static void check_mark(const struct nb_yaml_marks *m, const char *path, unsigned line,
                       unsigned column)
{
    unsigned l, c;

    nb_yaml_mark(m, path, &l, &c);
    if (l != line || c != column)
        fail_msg("'%s' is at %u:%u, not at %u:%u", path, l, c, line, column);
}

static void marks_say_where_members_and_items_begin(void **state)
{
    const char *yaml = "# first\n"
                       "a:\n"
                       "  - b: 1\n"
                       "    c: {d: [x, yy]}\n"
                       "  - - 7\n"
                       "    -\n"
                       "e: \"f\"\n";
    nb_auto(nb_json_free) struct nb_json *v = NULL;
    nb_auto(nb_yaml_marks_free) struct nb_yaml_marks *m = NULL;
    struct nb_error err = NB_ERROR_INIT;

    (void)state;
    assert_true(nb_yaml_parse_marked(yaml, strlen(yaml), 1000, "f.yaml", &v, &m, &err));
    check_mark(m, "", 2, 1);
    check_mark(m, "a", 2, 1);
    check_mark(m, "a[0]", 3, 5);
    check_mark(m, "a[0].b", 3, 5);
    check_mark(m, "a[0].c", 4, 5);
    check_mark(m, "a[0].c.d", 4, 9);
    check_mark(m, "a[0].c.d[1]", 4, 16);
    check_mark(m, "a[1]", 5, 5);
    check_mark(m, "a[1][0]", 5, 7);
    check_mark(m, "e", 7, 1);
    check_mark(m, "a[0].c.nothing.below", 4, 5);
    check_mark(m, "a[9]", 2, 1);
    check_mark(m, "nothing", 2, 1);
}

static void paths_that_are_too_long_end_where_they_are(void **state)
{
    nb_auto_done(nb_buf_done) struct nb_buf yaml = NB_BUF_INIT(10000);
    nb_auto(nb_json_free) struct nb_json *v = NULL;
    nb_auto(nb_yaml_marks_free) struct nb_yaml_marks *m = NULL;
    struct nb_error err = NB_ERROR_INIT;

    (void)state;
    nb_buf_puts(&yaml, "a:\n ");
    for (int i = 0; i < 600; i++)
        nb_buf_putc(&yaml, 'k');
    nb_buf_puts(&yaml, ": {x: {y: 1}, z: [1]}\n b: {c: 1}\nd: 2\n");
    assert_true(nb_yaml_parse_marked(yaml.data, yaml.len, 10000, "f.yaml", &v, &m, &err));
    check_mark(m, "a", 1, 1);
    check_mark(m, "a.b", 3, 2);
    check_mark(m, "a.b.c", 3, 6);
    check_mark(m, "d", 4, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scalars_follow_the_core_schema),
        cmocka_unit_test(quoted_scalars_are_strings),
        cmocka_unit_test(core_tags_are_obeyed),
        cmocka_unit_test(structure_of_a_kubeconfig_is_kept),
        cmocka_unit_test(refused_texts_say_where),
        cmocka_unit_test(depth_and_size_are_limited),
        cmocka_unit_test(marks_say_where_members_and_items_begin),
        cmocka_unit_test(paths_that_are_too_long_end_where_they_are),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
