#include "base/error.h"

#include <errno.h>
#include <string.h>

#include "base/buf.h"
#include "tests/unit/cmocka.h"

static void fail_formatted_text_is_kept_with_code_and_reason(void **state)
{
    struct nb_error err = NB_ERROR_INIT;

    (void)state;
    err.retry_after_ms = 5;
    assert_false(nb_fail(&err, NB_E_INVALID, "InvalidSchedule", "minute '%s' is wrong", "x"));
    assert_int_equal(err.code, NB_E_INVALID);
    assert_string_equal(err.reason, "InvalidSchedule");
    assert_string_equal(err.text, "minute 'x' is wrong");
    assert_int_equal(err.retry_after_ms, -1);
}

static void fail_argument_inside_error_is_read_before_it_is_overwritten(void **state)
{
    struct nb_error err = NB_ERROR_INIT;

    (void)state;
    nb_fail(&err, NB_E_DENIED, "First", "inner");
    nb_fail(&err, NB_E_INTERNAL, err.reason, "outer (%s)", err.text);
    assert_string_equal(err.text, "outer (inner)");
    assert_string_equal(err.reason, "First");
}

static void fail_control_characters_become_blanks(void **state)
{
    struct nb_error err = NB_ERROR_INIT;

    (void)state;
    nb_fail(&err, NB_E_INVALID, "X",
            "a\nb\tc\x7F\xFF"
            "d");
    assert_string_equal(err.text, "a b c ?d");
}

static void fail_long_text_is_cut_at_a_character(void **state)
{
    struct nb_error err = NB_ERROR_INIT;
    char text[2000];
    size_t i;

    (void)state;
    for (size_t shift = 0; shift < 3; shift++) {
        memset(text, 'a', shift);
        for (i = shift; i + 3 < sizeof(text); i += 3)
            memcpy(text + i, "\xE2\x82\xAC", 3);
        text[i] = '\0';
        nb_fail(&err, NB_E_INVALID, "X", "%s", text);
        assert_true(strlen(err.text) < NB_TEXT_MAX && strlen(err.text) > NB_TEXT_MAX - 5);
        assert_true(nb_utf8_valid(err.text, strlen(err.text)));
        assert_null(strchr(err.text, '?'));
    }
}

static void wrap_twice_puts_the_outermost_first(void **state)
{
    struct nb_error err = NB_ERROR_INIT;

    (void)state;
    nb_fail(&err, NB_E_UNAVAILABLE, "ConnectionFailed", "refused");
    assert_false(nb_wrap(&err, "connect '%s'", "db"));
    assert_false(nb_wrap(&err, "backup"));
    assert_string_equal(err.text, "backup: connect 'db': refused");
    assert_string_equal(err.reason, "ConnectionFailed");
    assert_int_equal(err.code, NB_E_UNAVAILABLE);
}

static void wrap_of_a_full_text_stays_in_bounds(void **state)
{
    struct nb_error err = NB_ERROR_INIT;
    char text[NB_TEXT_MAX];

    (void)state;
    memset(text, 'x', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    nb_fail(&err, NB_E_INTERNAL, "X", "%s", text);
    nb_wrap(&err, "%s", text);
    nb_hint(&err, "%s", text);
    assert_int_equal(strlen(err.text), NB_TEXT_MAX - 1);
}

static void hint_second_one_is_dropped(void **state)
{
    struct nb_error err = NB_ERROR_INIT;

    (void)state;
    nb_fail(&err, NB_E_INVALID, "X", "wrong");
    assert_false(nb_hint(&err, "set '%s'", "A"));
    assert_false(nb_hint(&err, "set 'B'"));
    assert_string_equal(err.text, "wrong; hint: set 'A'");
}

static void errno_known_values_map_to_codes(void **state)
{
    static const struct {
        int os_errno;
        enum nb_code code;
    } rows[] = {
        { ENOENT, NB_E_NOT_FOUND },  { EACCES, NB_E_DENIED }, { ECONNREFUSED, NB_E_UNAVAILABLE },
        { ETIMEDOUT, NB_E_TIMEOUT }, { ENOSPC, NB_E_LIMIT },  { EXDEV, NB_E_INTERNAL }
    };
    struct nb_error err = NB_ERROR_INIT;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_false(nb_fail_errno(&err, rows[i].os_errno, "open '%s'", "x"));
        assert_int_equal(err.code, rows[i].code);
        assert_true(strlen(err.reason) > 0);
    }
    nb_fail_errno(&err, ENOENT, "open '%s'", "x");
    assert_string_equal(err.text, "open 'x': No such file or directory");
}

static void transient_codes_are_unavailable_and_timeout_only(void **state)
{
    struct nb_error err = NB_ERROR_INIT;

    (void)state;
    for (int code = NB_OK; code <= NB_E_INTERNAL; code++) {
        err.code = (enum nb_code)code;
        assert_int_equal(nb_error_is_transient(&err),
                         code == NB_E_UNAVAILABLE || code == NB_E_TIMEOUT);
        assert_string_not_equal(nb_code_name(err.code), "Unknown");
    }
    nb_error_clear(&err);
    assert_int_equal(err.code, NB_OK);
    assert_string_equal(err.text, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fail_formatted_text_is_kept_with_code_and_reason),
        cmocka_unit_test(fail_argument_inside_error_is_read_before_it_is_overwritten),
        cmocka_unit_test(fail_control_characters_become_blanks),
        cmocka_unit_test(fail_long_text_is_cut_at_a_character),
        cmocka_unit_test(wrap_twice_puts_the_outermost_first),
        cmocka_unit_test(wrap_of_a_full_text_stays_in_bounds),
        cmocka_unit_test(hint_second_one_is_dropped),
        cmocka_unit_test(errno_known_values_map_to_codes),
        cmocka_unit_test(transient_codes_are_unavailable_and_timeout_only),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
