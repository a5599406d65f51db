#include "controller/runtime/clock_watch.h"

#include "tests/unit/cmocka.h"

static void clocks_that_go_on_together_are_no_jump(void **state)
{
    struct ctl_clock_watch w;
    int64_t jump = 0;

    (void)state;
    ctl_clock_watch_init(&w, 1700000000000, 5000);
    assert_false(ctl_clock_watch_take(&w, 1700000005000, 10000, &jump));
    assert_false(ctl_clock_watch_take(&w, 1700086400999, 86405000 + 999 - 1000, &jump));
    assert_int_equal(jump, 0);
}

static void jump_forward_is_told_once(void **state)
{
    struct ctl_clock_watch w;
    int64_t jump = 0;

    (void)state;
    ctl_clock_watch_init(&w, 1700000000000, 5000);
    assert_true(ctl_clock_watch_take(&w, 1700003605000, 10000, &jump));
    assert_int_equal(jump, 3600000);
    assert_false(ctl_clock_watch_take(&w, 1700003610000, 15000, &jump));
}

static void jump_back_is_told_too(void **state)
{
    struct ctl_clock_watch w;
    int64_t jump = 0;

    (void)state;
    ctl_clock_watch_init(&w, 1700000000000, 5000);
    assert_true(ctl_clock_watch_take(&w, 1700000000000 - 1001, 5000, &jump));
    assert_int_equal(jump, -1001);
}

static void small_steps_add_up(void **state)
{
    struct ctl_clock_watch w;
    int64_t jump = 0;

    (void)state;
    ctl_clock_watch_init(&w, 1700000000000, 0);
    assert_false(ctl_clock_watch_take(&w, 1700000005600, 5000, &jump));
    assert_true(ctl_clock_watch_take(&w, 1700000011200, 10000, &jump));
    assert_int_equal(jump, 1200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clocks_that_go_on_together_are_no_jump),
        cmocka_unit_test(jump_forward_is_told_once),
        cmocka_unit_test(jump_back_is_told_too),
        cmocka_unit_test(small_steps_add_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
