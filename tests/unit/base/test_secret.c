#include "base/secret.h"

#include <string.h>

#include "tests/unit/cmocka.h"

static void check(const char *text, const char *want)
{
    char copy[200];
    size_t n = strlen(text);

    memcpy(copy, text, n + 1);
    nb_secret_redact(copy, n);
    assert_string_equal(copy, want);
}

static void redact_live_secret_is_blotted_everywhere(void **state)
{
    nb_auto(nb_secret_free) struct nb_secret *s = nb_secret_new("hunter22", 8);

    (void)state;
    check("pw=hunter22, again hunter22hunter22", "pw=********, again ****************");
    check("hunter2", "hunter2");
    check("", "");
    assert_true(nb_str_is(nb_secret_str(s), "hunter22"));
}

static void redact_escaped_forms_are_blotted(void **state)
{
    nb_auto(nb_secret_free) struct nb_secret *s = nb_secret_new("a\"b/c\nd+", 8);

    (void)state;
    check("{\"pw\":\"a\\\"b/c\\nd+\"}", "{\"pw\":\"**********\"}");
    check("x?pw=a%22b%2Fc%0Ad%2B&y", "x?pw=****************&y");
    check("x?pw=a%22b/c%0Ad%2B&y", "x?pw=**************&y");
    (void)s;
}

static void redact_overlapping_secrets_leave_nothing(void **state)
{
    nb_auto(nb_secret_free) struct nb_secret *a = nb_secret_new("abcdef", 6);
    nb_auto(nb_secret_free) struct nb_secret *b = nb_secret_new("defghi", 6);
    nb_auto(nb_secret_free) struct nb_secret *c = nb_secret_new("abcd", 4);

    (void)state;
    (void)a;
    (void)b;
    (void)c;
    check("-abcdefghi-", "-*********-");
}

static void redact_short_secret_is_not_looked_for(void **state)
{
    nb_auto(nb_secret_free) struct nb_secret *s = nb_secret_new("abc", 3);
    nb_auto(nb_secret_free) struct nb_secret *none = nb_secret_new("", 0);

    (void)state;
    check("abcabc", "abcabc");
    assert_true(nb_str_is(nb_secret_str(s), "abc"));
    assert_true(nb_str_is(nb_secret_str(none), ""));
    assert_true(nb_str_is(nb_secret_str(NULL), ""));
}

static void dup_lives_on_after_the_first_is_freed(void **state)
{
    struct nb_secret *s = nb_secret_new("topsecret", 9);
    struct nb_secret *d = nb_secret_dup(s);

    (void)state;
    nb_secret_free(s);
    check("topsecret", "*********");
    nb_secret_free(d);
    check("topsecret", "topsecret");
    assert_null(nb_secret_dup(NULL));
}

static void wipe_leaves_zeros(void **state)
{
    char text[] = "secret";
    static const char zeros[sizeof(text)];

    (void)state;
    nb_wipe(text, sizeof(text));
    assert_memory_equal(text, zeros, sizeof(text));
    nb_wipe(NULL, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(redact_live_secret_is_blotted_everywhere),
        cmocka_unit_test(redact_escaped_forms_are_blotted),
        cmocka_unit_test(redact_overlapping_secrets_leave_nothing),
        cmocka_unit_test(redact_short_secret_is_not_looked_for),
        cmocka_unit_test(dup_lives_on_after_the_first_is_freed),
        cmocka_unit_test(wipe_leaves_zeros),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
