#include "base/fault.h"

#include "tests/unit/cmocka.h"

static void passes_when_nothing_is_set_up(void **state)
{
    struct nb_error err = NB_ERROR_INIT;

    (void)state;
    assert_true(nb_fault_setup(NULL));
    assert_true(nb_fault_setup(""));
    for (int i = 0; i < 10; i++)
        assert_true(nb_fault("a.b", &err));
    assert_int_equal(err.code, NB_OK);
}

#ifdef NB_FAULTS
static void named_point_fails_at_its_hit_only(void **state)
{
    struct nb_error err = NB_ERROR_INIT;

    (void)state;
    assert_true(nb_fault_setup("a.b:2"));
    assert_true(nb_fault("a.b", &err));
    assert_true(nb_fault("other", &err));
    assert_false(nb_fault("a.b", &err));
    assert_int_equal(err.code, NB_E_INTERNAL);
    assert_string_equal(err.reason, "FaultInjected");
    assert_string_equal(err.text, "fault injected at 'a.b'");
    assert_true(nb_fault("a.b", &err));
    assert_int_equal(nb_fault_hits(), 3);
}

static void star_counts_all_points_together(void **state)
{
    struct nb_error err = NB_ERROR_INIT;

    (void)state;
    assert_true(nb_fault_setup("*:3"));
    assert_true(nb_fault("a", &err));
    assert_true(nb_fault("b", &err));
    assert_false(nb_fault("c", &err));
    assert_true(nb_fault("c", &err));
}

static void broken_specs_are_refused(void **state)
{
    (void)state;
    assert_false(nb_fault_setup("a"));
    assert_false(nb_fault_setup(":1"));
    assert_false(nb_fault_setup("a:0"));
    assert_false(nb_fault_setup("a:x"));
}
#else
static void compiled_out_refuses_a_setup(void **state)
{
    (void)state;
    assert_false(nb_fault_setup("a:1"));
    assert_int_equal(nb_fault_hits(), 0);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(passes_when_nothing_is_set_up),
#ifdef NB_FAULTS
        cmocka_unit_test(named_point_fails_at_its_hit_only),
        cmocka_unit_test(star_counts_all_points_together),
        cmocka_unit_test(broken_specs_are_refused),
#else
        cmocka_unit_test(compiled_out_refuses_a_setup),
#endif
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
