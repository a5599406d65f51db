#include "controller/runtime/list_choice.h"

#include "base/mem.h"
#include "tests/unit/cmocka.h"

enum { HOUR_MS = 3600000 };

static bool failed(struct ctl_list_choice *c, enum nb_code code, bool begun, bool late, int64_t now)
{
    struct nb_error err = NB_ERROR_INIT;

    nb_fail(&err, code, "Reason", "text");
    return ctl_list_note_failed(c, &err, begun, late, now);
}

static void streams_come_first_and_again_after_each_list(void **state)
{
    struct ctl_list_choice c = { 0 };

    (void)state;
    assert_int_equal(ctl_list_choose(&c, 0), CTL_LIST_STREAM);
    ctl_list_note_read(&c);
    assert_int_equal(ctl_list_choose(&c, 5), CTL_LIST_STREAM);
}

static void server_without_streams_is_asked_again_after_an_hour(void **state)
{
    (void)state;
    for (int late = 0; late < 2; late++) {
        struct ctl_list_choice c = { 0 };

        assert_true(failed(&c, late ? NB_E_TIMEOUT : NB_E_INVALID, true, late == 1, 1000));
        assert_int_equal(ctl_list_choose(&c, 1000), CTL_LIST_PAGES);
        ctl_list_note_read(&c);
        assert_int_equal(ctl_list_choose(&c, 1000 + HOUR_MS - 1), CTL_LIST_PAGES);
        assert_int_equal(ctl_list_choose(&c, 1000 + HOUR_MS), CTL_LIST_STREAM);
    }
}

static void other_refusals_are_answered_by_one_list_in_pages(void **state)
{
    static const enum nb_code codes[] = { NB_E_DENIED, NB_E_NOT_FOUND, NB_E_PROTOCOL, NB_E_LIMIT,
                                          NB_E_CONFLICT };

    (void)state;
    for (size_t i = 0; i < NB_ARRAY_LEN(codes); i++) {
        struct ctl_list_choice c = { 0 };

        assert_true(failed(&c, codes[i], i % 2 == 0, false, 1000));
        /* Until it has been read: pages that fail do not bring streams back. */
        assert_int_equal(ctl_list_choose(&c, 1000 + 10 * (int64_t)HOUR_MS), CTL_LIST_PAGES);
        ctl_list_note_read(&c);
        assert_int_equal(ctl_list_choose(&c, 1001), CTL_LIST_STREAM);
    }
}

static void broken_streams_are_tried_three_times(void **state)
{
    static const enum nb_code codes[] = { NB_E_UNAVAILABLE, NB_E_EXPIRED, NB_E_TIMEOUT };

    (void)state;
    for (int begun = 0; begun < 2; begun++) {
        struct ctl_list_choice c = { 0 };

        for (size_t i = 0; i < NB_ARRAY_LEN(codes); i++) {
            assert_int_equal(ctl_list_choose(&c, 1000), CTL_LIST_STREAM);
            assert_false(failed(&c, codes[i], begun == 1, false, 1000));
        }
        assert_int_equal(ctl_list_choose(&c, 1000), CTL_LIST_PAGES);
        ctl_list_note_read(&c);
        assert_int_equal(ctl_list_choose(&c, 1001), begun ? CTL_LIST_PAGES : CTL_LIST_STREAM);
        assert_int_equal(ctl_list_choose(&c, 1000 + HOUR_MS), CTL_LIST_STREAM);
        /* Counted anew. */
        assert_false(failed(&c, NB_E_UNAVAILABLE, true, false, 2 * (int64_t)HOUR_MS));
        assert_int_equal(ctl_list_choose(&c, 2 * (int64_t)HOUR_MS), CTL_LIST_STREAM);
    }
}

static void whole_list_between_them_forgives_broken_streams(void **state)
{
    struct ctl_list_choice c = { 0 };

    (void)state;
    for (int i = 0; i < 9; i++) {
        assert_false(failed(&c, NB_E_UNAVAILABLE, true, false, i));
        assert_int_equal(ctl_list_choose(&c, i), CTL_LIST_STREAM);
        ctl_list_note_read(&c);
    }
}

static void each_event_has_its_step(void **state)
{
    static const struct {
        struct kube_event event;
        const char *seen;
        enum ctl_list_step step;
        bool fails;
    } table[] = {
        { { .type = KUBE_ADDED, .resource_version = "3" }, "9", CTL_LIST_KEEP, false },
        { { .type = KUBE_MODIFIED, .resource_version = "12" }, "9", CTL_LIST_KEEP, false },
        { { .type = KUBE_DELETED, .resource_version = "13" }, "9", CTL_LIST_DROP, false },
        { { .type = KUBE_BOOKMARK, .resource_version = "4" }, "9", CTL_LIST_PASS, false },
        { { .type = KUBE_BOOKMARK, .resource_version = "9", .initial_end = true },
          "9",
          CTL_LIST_END,
          false },
        { { .type = KUBE_BOOKMARK, .resource_version = "10", .initial_end = true },
          "9",
          CTL_LIST_END,
          false },
        { { .type = KUBE_BOOKMARK, .resource_version = "1", .initial_end = true },
          NULL,
          CTL_LIST_END,
          false },
        { { .type = KUBE_BOOKMARK, .resource_version = "9", .initial_end = true },
          "10",
          CTL_LIST_END,
          true },
    };

    (void)state;
    for (size_t i = 0; i < NB_ARRAY_LEN(table); i++) {
        enum ctl_list_step step = CTL_LIST_PASS;
        struct nb_error err = NB_ERROR_INIT;

        assert_int_equal(ctl_list_step(&table[i].event, table[i].seen, &step, &err),
                         !table[i].fails);
        assert_int_equal(err.code, table[i].fails ? NB_E_PROTOCOL : NB_OK);
        if (!table[i].fails)
            assert_int_equal(step, table[i].step);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(streams_come_first_and_again_after_each_list),
        cmocka_unit_test(server_without_streams_is_asked_again_after_an_hour),
        cmocka_unit_test(other_refusals_are_answered_by_one_list_in_pages),
        cmocka_unit_test(broken_streams_are_tried_three_times),
        cmocka_unit_test(whole_list_between_them_forgives_broken_streams),
        cmocka_unit_test(each_event_has_its_step),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
