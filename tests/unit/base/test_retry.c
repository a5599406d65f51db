#include "base/retry.h"

#include "base/clock.h"
#include "base/mem.h"
#include "tests/unit/cmocka.h"

static void delay_doubles_up_to_the_cap(void **state)
{
    static const int64_t want[] = { 500, 1000, 2000, 4000, 5000, 5000 };
    struct nb_retry r = NB_RETRY_INIT(500, 5000, 0, INT64_MAX);

    (void)state;
    for (r.tries = 0; r.tries < NB_ARRAY_LEN(want); r.tries++) {
        int64_t most = nb_retry_delay_ms(&r, -1, UINT32_MAX);

        assert_true(most >= want[r.tries] - 1 && most <= want[r.tries]);
        assert_int_equal(nb_retry_delay_ms(&r, -1, 0), 0);
        assert_int_equal(nb_retry_delay_ms(&r, -1, 1u << 31), want[r.tries] / 2);
    }
    r.tries = UINT32_MAX;
    assert_true(nb_retry_delay_ms(&r, -1, UINT32_MAX) <= 5000);
}

static void delay_of_huge_caps_does_not_overflow(void **state)
{
    struct nb_retry r = NB_RETRY_INIT(INT64_MAX, INT64_MAX, 0, INT64_MAX);

    (void)state;
    r.tries = 100;
    assert_true(nb_retry_delay_ms(&r, -1, UINT32_MAX) > INT64_MAX / 2);
}

static void delay_is_at_least_what_the_peer_wants(void **state)
{
    struct nb_retry r = NB_RETRY_INIT(500, 5000, 0, INT64_MAX);

    (void)state;
    assert_int_equal(nb_retry_delay_ms(&r, 7000, UINT32_MAX), 7000);
    assert_int_equal(nb_retry_delay_ms(&r, 100, 1u << 31), 250);
    assert_int_equal(nb_retry_delay_ms(&r, INT64_MAX, 0), NB_RETRY_AFTER_MAX_MS);
}

static void again_ends_after_max_tries(void **state)
{
    struct nb_retry r = NB_RETRY_INIT(1, 1, 3, INT64_MAX);
    struct nb_error err = NB_ERROR_INIT;
    int tries = 0;

    (void)state;
    do {
        tries++;
        nb_fail(&err, NB_E_UNAVAILABLE, "X", "no");
    } while (nb_retry_again(&r, NULL, &err));
    assert_int_equal(tries, 3);
    assert_string_equal(err.text, "no");
}

static void again_is_refused_for_faults_that_stay(void **state)
{
    struct nb_retry r = NB_RETRY_INIT(1, 1, 0, INT64_MAX);
    struct nb_error err = NB_ERROR_INIT;

    (void)state;
    nb_fail(&err, NB_E_DENIED, "X", "no");
    assert_false(nb_retry_again(&r, NULL, &err));
    assert_string_equal(err.text, "no");
}

static void again_clears_the_error_when_it_says_yes(void **state)
{
    struct nb_retry r = NB_RETRY_INIT(1, 1, 0, INT64_MAX);
    struct nb_error err = NB_ERROR_INIT;

    (void)state;
    nb_fail(&err, NB_E_TIMEOUT, "X", "no");
    assert_true(nb_retry_again(&r, NULL, &err));
    assert_int_equal(err.code, NB_OK);
}

static void again_does_not_wait_past_the_deadline(void **state)
{
    struct nb_retry r = NB_RETRY_INIT(1, 1, 0, 0);
    struct nb_error err = NB_ERROR_INIT;
    int64_t from = nb_clock_mono_ms();

    (void)state;
    r.deadline_mono_ms = from + 1000;
    nb_fail(&err, NB_E_UNAVAILABLE, "X", "no");
    err.retry_after_ms = 60000;
    assert_false(nb_retry_again(&r, NULL, &err));
    assert_string_equal(err.text, "no");
    assert_true(nb_clock_mono_ms() < from + 1000);
}

static void again_cancelled_says_cancelled(void **state)
{
    nb_auto(nb_cancel_free) struct nb_cancel *c = nb_cancel_new();
    struct nb_retry r = NB_RETRY_INIT(60000, 60000, 0, INT64_MAX);
    struct nb_error err = NB_ERROR_INIT;

    (void)state;
    nb_cancel_set(c);
    nb_fail(&err, NB_E_UNAVAILABLE, "X", "no");
    assert_false(nb_retry_again(&r, c, &err));
    assert_int_equal(err.code, NB_E_CANCELLED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(delay_doubles_up_to_the_cap),
        cmocka_unit_test(delay_of_huge_caps_does_not_overflow),
        cmocka_unit_test(delay_is_at_least_what_the_peer_wants),
        cmocka_unit_test(again_ends_after_max_tries),
        cmocka_unit_test(again_is_refused_for_faults_that_stay),
        cmocka_unit_test(again_clears_the_error_when_it_says_yes),
        cmocka_unit_test(again_does_not_wait_past_the_deadline),
        cmocka_unit_test(again_cancelled_says_cancelled),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
