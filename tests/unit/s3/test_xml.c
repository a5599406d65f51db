#include "s3/xml.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/mem.h"

static bool note(void *ctx, const char *path, struct nb_str text, struct nb_error *err)
{
    nb_buf_printf(ctx, "%s=%.*s\n", path, (int)text.n, text.p);
    return nb_buf_check(ctx, err);
}

static bool walk(const char *xml, size_t n, struct nb_buf *out, struct nb_error *err)
{
    nb_buf_clear(out);
    nb_error_clear(err);
    return s3_xml_walk(xml, n, note, out, err);
}

static void expect(const char *xml, const char *want)
{
    struct nb_buf out = NB_BUF_INIT(1 << 20);
    struct nb_error err = NB_ERROR_INIT;

    if (!walk(xml, strlen(xml), &out, &err))
        fail_msg("%s: %s", xml, err.text);
    assert_string_equal(nb_buf_cstr(&out), want);
    nb_buf_done(&out);
}

static void xml_of_services_is_read(void **state)
{
    (void)state;
    expect(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>NoSuchKey</Code>"
        "<Message>a &lt;b&gt; &amp; &quot;c&quot; &apos;d&apos; &#65;&#x1F389;</Message></Error>\n",
        "Error/Code=NoSuchKey\nError/Message=a <b> & \"c\" 'd' A🎉\nError=\n");
    expect("  <a xmlns=\"http://x/>\" b='>'><s3:b/><c d=\"/\"></c><!-- <x> --></a> ",
           "a/b=\na/c=\na=\n");
    expect("<a>1<b>2</b>3<![CDATA[<&]]>]]</a>", "a/b=2\na=13<&]]\n");
    expect("<a> x </a>", "a= x \n");
    expect("<a/>", "a=\n");
    expect("<a><a><a>deep</a></a></a>", "a/a/a=deep\na/a=\na=\n");
}

static void xml_that_is_none_is_refused(void **state)
{
    static const char *const texts[] = {
        "",
        "  ",
        "x",
        "<",
        "<a",
        "<a>",
        "<a></b>",
        "<a></a",
        "<a/><b/>",
        "<a/>x",
        "x<a/>",
        "</a>",
        "<>",
        "<a>&nbsp;</a>",
        "<a>&</a>",
        "<a>&#0;</a>",
        "<a>&#xD800;</a>",
        "<a>&#x110000;</a>",
        "<a>&#;</a>",
        "<a>&#x;</a>",
        "<a>&#12a;</a>",
        "<a>\xff</a>",
        "<!DOCTYPE a><a/>",
        "<!DOCTYPE a [<!ENTITY b \"c\">]><a>&b;</a>",
        "<a><![CDATA[x</a>",
        "<!-- <a/>",
        "<?x <a/>",
        "<a b=\"></a>",
        "<a <b></b></a>",
        "<![CDATA[x]]>",
        "<a>&ampersandthatgoeson;</a>",
        "<a><![CDATA[]></a>",
        "{\"json\": true}",
    };
    struct nb_buf out = NB_BUF_INIT(1 << 20);
    struct nb_error err = NB_ERROR_INIT;

    (void)state;
    for (size_t i = 0; i < NB_ARRAY_LEN(texts); i++) {
        if (walk(texts[i], strlen(texts[i]), &out, &err))
            fail_msg("'%s' was taken", texts[i]);
        assert_string_equal(err.reason, "StorageProtocol");
    }
    nb_buf_done(&out);
}

static void xml_cut_anywhere_is_refused(void **state)
{
    static const char xml[] =
        "<?xml version=\"1.0\"?><r a='1'><k>a&amp;b</k><![CDATA[x]]><!--c--><e/></r>";
    struct nb_buf out = NB_BUF_INIT(1 << 20);
    struct nb_error err = NB_ERROR_INIT;

    (void)state;
    for (size_t n = 0; n + 1 < sizeof(xml); n++)
        assert_false(walk(xml, n, &out, &err));
    assert_true(walk(xml, sizeof(xml) - 1, &out, &err));
    nb_buf_done(&out);
}

static void xml_beyond_its_limits_is_refused(void **state)
{
    struct nb_buf b = NB_BUF_INIT(1 << 20), out = NB_BUF_INIT(1 << 20);
    struct nb_error err = NB_ERROR_INIT;

    (void)state;
    for (int i = 0; i < 17; i++)
        nb_buf_puts(&b, "<a>");
    for (int i = 0; i < 17; i++)
        nb_buf_puts(&b, "</a>");
    assert_false(walk(b.data, b.len, &out, &err));
    assert_int_equal(err.code, NB_E_LIMIT);
    nb_buf_clear(&b);
    nb_buf_puts(&b, "<a>");
    for (int i = 0; i < 70000; i++)
        nb_buf_putc(&b, 'x');
    nb_buf_puts(&b, "</a>");
    assert_false(walk(b.data, b.len, &out, &err));
    assert_int_equal(err.code, NB_E_LIMIT);
    nb_buf_clear(&b);
    nb_buf_putc(&b, '<');
    for (int i = 0; i < 300; i++)
        nb_buf_putc(&b, 'n');
    nb_buf_puts(&b, "/>");
    assert_false(walk(b.data, b.len, &out, &err));
    /* Blanks between many elements do not add up. */
    nb_buf_clear(&b);
    nb_buf_puts(&b, "<a>");
    for (int i = 0; i < 10000; i++)
        nb_buf_puts(&b, "\n          <b>x</b>");
    nb_buf_puts(&b, "\n</a>");
    assert_true(walk(b.data, b.len, &out, &err));
    nb_buf_done(&b);
    nb_buf_done(&out);
}

static void xml_escape_comes_back(void **state)
{
    struct nb_buf b = NB_BUF_INIT(1000);

    (void)state;
    nb_buf_puts(&b, "<a>");
    s3_xml_escape("\"5d4&<>'\"-3", &b);
    nb_buf_puts(&b, "</a>");
    expect(b.data, "a=\"5d4&<>'\"-3\n");
    nb_buf_done(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(xml_of_services_is_read),
        cmocka_unit_test(xml_that_is_none_is_refused),
        cmocka_unit_test(xml_cut_anywhere_is_refused),
        cmocka_unit_test(xml_beyond_its_limits_is_refused),
        cmocka_unit_test(xml_escape_comes_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
