#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/b64.h"
#include "engine/mark.h"

/* A bookmark of database 00 01 .. 0f at a transaction given as PackStream bytes. */
static void make(const void *txn, size_t n, struct nb_buf *out)
{
    struct nb_buf bytes = NB_BUF_INIT(100);

    nb_buf_append(&bytes, "\x91\xCC\x10", 3);
    for (int i = 0; i < 16; i++)
        nb_buf_putc(&bytes, (char)i);
    nb_buf_append(&bytes, txn, n);
    nb_buf_putc(&bytes, (char)0x90);
    nb_buf_puts(out, "FB:");
    nb_b64_encode(bytes.data, bytes.len, out);
    nb_buf_done(&bytes);
}

static void mark_bookmark_is_decoded(void **state)
{
    static const struct {
        const char *bytes;
        size_t n;
        int64_t value;
    } cases[] = {
        { "\x05", 1, 5 },
        { "\xC9\x01\x00", 3, 256 },
        { "\xCA\x00\x01\x00\x00", 5, 65536 },
        { "\xCB\x00\x00\x00\x01\x00\x00\x00\x00", 9, INT64_C(1) << 32 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct nb_buf text = NB_BUF_INIT(200);
        struct eng_mark mark;

        make(cases[i].bytes, cases[i].n, &text);
        eng_mark_parse(nb_buf_cstr(&text), &mark);
        assert_true(mark.decoded);
        assert_int_equal(mark.transaction, cases[i].value);
        assert_string_equal(mark.database_id, "00010203-0405-0607-0809-0a0b0c0d0e0f");
        assert_true(eng_mark_equal(&mark, &mark));
        nb_buf_done(&text);
    }
}

static void mark_other_forms_are_compared_as_text(void **state)
{
    static const char *const forms[] = { "neo4j:bookmark:v1:tx42", "FB:", "FB:!!", "FB:kMwQ", "x" };
    struct eng_mark a, b;

    (void)state;
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        eng_mark_parse(forms[i], &a);
        eng_mark_parse(forms[i], &b);
        assert_false(a.decoded);
        assert_int_equal(a.transaction, -1);
        assert_true(eng_mark_equal(&a, &b));
    }
}

static void mark_unknown_equals_nothing(void **state)
{
    char longer[ENG_MARK_TEXT_MAX + 10];
    struct eng_mark a, b;

    (void)state;
    eng_mark_parse("", &a);
    assert_false(eng_mark_equal(&a, &a));
    memset(longer, 'x', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = '\0';
    eng_mark_parse(longer, &b);
    assert_false(eng_mark_equal(&b, &b));
    assert_false(eng_mark_equal(&a, &b));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mark_bookmark_is_decoded),
        cmocka_unit_test(mark_other_forms_are_compared_as_text),
        cmocka_unit_test(mark_unknown_equals_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
