#include "base/pace.h"

#include "base/clock.h"
#include "tests/unit/cmocka.h"

#define MS UINT64_C(1000000)

static void share_is_kept_by_sleeping_off_what_was_used(void **state)
{
    uint64_t origin = 0;

    (void)state;
    assert_int_equal(nb_pace_debt_ns(10, 0, 0, &origin), 0);
    assert_int_equal(nb_pace_debt_ns(10, 20 * MS, 50 * MS, &origin), 150 * MS);
    assert_int_equal(nb_pace_debt_ns(10, 20 * MS, 200 * MS, &origin), 0);
    assert_int_equal(nb_pace_debt_ns(200, 400 * MS, 200 * MS, &origin), 0);
    assert_int_equal(nb_pace_debt_ns(200, 500 * MS, 200 * MS, &origin), 50 * MS);
    assert_int_equal(origin, 0);
}

static void a_long_pause_is_no_credit_for_a_burst(void **state)
{
    uint64_t origin = 0, now = 3600 * 1000 * MS, cpu = 100 * MS;
    uint64_t burst =
        NB_PACE_CREDIT_MS * MS / 10; /* what half a second of credit is worth at 10 % */

    (void)state;
    assert_int_equal(nb_pace_debt_ns(10, cpu, now, &origin), 0);
    assert_int_equal(nb_pace_debt_ns(10, cpu + burst, now, &origin), 0);
    assert_int_equal(nb_pace_debt_ns(10, cpu + burst + MS, now, &origin), 10 * MS);
}

static void without_a_limit_nobody_sleeps_and_with_one_cancel_wakes(void **state)
{
    struct nb_cancel *cancel = nb_cancel_new();
    int64_t start = nb_clock_mono_ms();

    (void)state;
    nb_cancel_set(cancel);
    nb_pace(NULL);
    nb_pace_setup(1);
    while (nb_clock_cpu_ns() < 60 * MS) /* six seconds' worth */
        ;
    nb_pace(cancel);
    assert_true(nb_clock_mono_ms() - start < NB_PACE_SLEEP_MAX_MS);
    nb_pace_setup(0);
    nb_pace(NULL);
    nb_cancel_free(cancel);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(share_is_kept_by_sleeping_off_what_was_used),
        cmocka_unit_test(a_long_pause_is_no_credit_for_a_burst),
        cmocka_unit_test(without_a_limit_nobody_sleeps_and_with_one_cancel_wakes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
