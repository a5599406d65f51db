#include "controller/runtime/event_limit.h"

#include <stdio.h>

#include "tests/unit/cmocka.h"

static enum ctl_event_step ask(struct ctl_event_limit *l, const char *uid, const char *text,
                               int64_t now, struct ctl_event_record **ret)
{
    const struct ctl_event_said said = { uid, false, "R", text };

    return ctl_event_limit_ask(l, &said, now, ret);
}

static void same_event_is_counted_and_too_many_are_dropped(void **state)
{
    nb_auto(ctl_event_limit_free) struct ctl_event_limit *l = ctl_event_limit_new();
    struct ctl_event_record *r;

    (void)state;
    assert_int_equal(ask(l, "u", "t", 100, &r), CTL_EVENT_CREATE);
    r->suffix[0] = 'e';
    assert_int_equal(ask(l, "u", "t", 105, &r), CTL_EVENT_COUNT);
    assert_int_equal(r->count, 2);
    assert_int_equal(r->first_unix_seconds, 100);
    assert_int_equal(ask(l, "u", "other", 105, &r), CTL_EVENT_CREATE);
    assert_int_equal(ask(l, "u", "t", 100000, &r), CTL_EVENT_CREATE);
    for (int i = 0; i < 24; i++)
        assert_int_not_equal(ask(l, "u", "more", 100000, &r), CTL_EVENT_DROP);
    assert_int_equal(ask(l, "u", "more", 100000, &r), CTL_EVENT_DROP);
    assert_int_equal(ask(l, "other", "more", 100000, &r), CTL_EVENT_CREATE);
    assert_int_not_equal(ask(l, "u", "more", 100300, &r), CTL_EVENT_DROP);
    assert_int_equal(ask(l, "u", "more", 100300, &r), CTL_EVENT_DROP);
}

static void many_similar_events_become_one(void **state)
{
    nb_auto(ctl_event_limit_free) struct ctl_event_limit *l = ctl_event_limit_new();
    struct ctl_event_said warning = { "u", true, "R", "run 'x-1' failed" };
    struct ctl_event_record *r;
    char text[40];

    (void)state;
    for (int i = 0; i < 10; i++) {
        snprintf(text, sizeof(text), "run 'x-%d' failed", i);
        assert_int_equal(ask(l, "u", text, 100 + i, &r), CTL_EVENT_CREATE);
        assert_false(r->combined);
        r->suffix[0] = 'e';
    }
    assert_int_equal(ask(l, "u", "run 'x-10' failed", 110, &r), CTL_EVENT_CREATE);
    assert_true(r->combined);
    r->suffix[0] = 'e';
    assert_int_equal(ask(l, "u", "run 'x-11' failed", 111, &r), CTL_EVENT_COUNT);
    assert_true(r->combined);
    assert_int_equal(r->count, 2);
    /* what was told by itself goes on by itself; other types and objects have their own */
    assert_int_equal(ask(l, "u", "run 'x-3' failed", 112, &r), CTL_EVENT_COUNT);
    assert_false(r->combined);
    assert_int_equal(ctl_event_limit_ask(l, &warning, 113, &r), CTL_EVENT_CREATE);
    assert_false(r->combined);
    assert_int_equal(ask(l, "v", "run 'y-1' failed", 113, &r), CTL_EVENT_CREATE);
    assert_false(r->combined);
    /* after a pause all is news again */
    assert_int_equal(ask(l, "u", "run 'x-12' failed", 2000, &r), CTL_EVENT_CREATE);
    assert_false(r->combined);
}

static void only_the_oldest_object_is_forgotten(void **state)
{
    nb_auto(ctl_event_limit_free) struct ctl_event_limit *l = ctl_event_limit_new();
    struct ctl_event_record *r;
    char uid[20];

    (void)state;
    for (int i = 0; i < 25; i++) {
        assert_int_not_equal(ask(l, "first", "t", 100, &r), CTL_EVENT_DROP);
        assert_int_not_equal(ask(l, "second", "t", 100, &r), CTL_EVENT_DROP);
    }
    for (int i = 0; i < 2047; i++) { /* with these two, one more than are known */
        snprintf(uid, sizeof(uid), "u%d", i);
        assert_int_equal(ask(l, uid, "t", 101, &r), CTL_EVENT_CREATE);
        r->suffix[0] = 'e';
    }
    assert_int_equal(ask(l, "second", "t", 102, &r), CTL_EVENT_DROP);
    assert_int_not_equal(ask(l, "first", "t", 102, &r), CTL_EVENT_DROP);
    assert_int_equal(ask(l, "u2000", "t", 103, &r), CTL_EVENT_COUNT);
}

static void what_has_no_say_any_more_is_not_kept(void **state)
{
    nb_auto(ctl_event_limit_free) struct ctl_event_limit *l = ctl_event_limit_new();
    struct ctl_event_record *r;
    char uid[20];

    (void)state;
    for (int i = 0; i < 100; i++) {
        snprintf(uid, sizeof(uid), "u%d", i);
        assert_int_equal(ask(l, uid, "t", 100, &r), CTL_EVENT_CREATE);
        r->suffix[0] = 'e';
    }
    assert_int_equal(ctl_event_limit_held(l), 300);
    assert_int_equal(ask(l, "u99", "t", 699, &r), CTL_EVENT_COUNT);
    assert_int_equal(ask(l, "v", "t", 701, &r), CTL_EVENT_CREATE);
    /* every object's own count of Events is kept until it would be full again */
    assert_int_equal(ctl_event_limit_held(l), 2 + 101 + 2);
    assert_int_equal(ask(l, "v", "t", 701 + 7501, &r), CTL_EVENT_CREATE);
    assert_int_equal(ctl_event_limit_held(l), 3);
}

/* What was heard of before the clock was set back is not in the way of what came after. */
static void clock_that_is_set_back_does_not_make_old_news_count(void **state)
{
    nb_auto(ctl_event_limit_free) struct ctl_event_limit *l = ctl_event_limit_new();
    struct ctl_event_record *r;
    char text[40];

    (void)state;
    assert_int_equal(ask(l, "u", "t", 100000, &r), CTL_EVENT_CREATE);
    for (int i = 0; i < 10; i++) {
        snprintf(text, sizeof(text), "run 'x-%d' failed", i);
        assert_int_equal(ask(l, "v", text, 100, &r), CTL_EVENT_CREATE);
        r->suffix[0] = 'e';
    }
    assert_int_equal(ask(l, "v", "run 'x-10' failed", 701, &r), CTL_EVENT_CREATE);
    assert_false(r->combined);
    assert_int_equal(ask(l, "v", "run 'x-0' failed", 702, &r), CTL_EVENT_CREATE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_event_is_counted_and_too_many_are_dropped),
        cmocka_unit_test(many_similar_events_become_one),
        cmocka_unit_test(only_the_oldest_object_is_forgotten),
        cmocka_unit_test(what_has_no_say_any_more_is_not_kept),
        cmocka_unit_test(clock_that_is_set_back_does_not_make_old_news_count),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
