#include "base/cancel.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/thread.h"
#include "tests/unit/cmocka.h"

static void cancel_unset_passes_and_null_never_stops(void **state)
{
    nb_auto(nb_cancel_free) struct nb_cancel *c = nb_cancel_new();
    struct nb_error err = NB_ERROR_INIT;

    (void)state;
    assert_true(nb_cancel_check(c, &err));
    assert_true(nb_cancel_check(NULL, &err));
    assert_false(nb_cancel_is_set(NULL));
    assert_int_equal(nb_cancel_fd(NULL), -1);
    assert_true(nb_cancel_sleep(NULL, 0, &err));
    assert_true(nb_cancel_sleep(c, 1, &err));
}

static void cancel_set_stops_every_wait_at_once(void **state)
{
    nb_auto(nb_cancel_free) struct nb_cancel *c = nb_cancel_new();
    struct nb_error err = NB_ERROR_INIT;
    struct pollfd p = { .fd = nb_cancel_fd(c), .events = POLLIN };

    (void)state;
    errno = 17;
    nb_cancel_set(c);
    nb_cancel_set(c);
    assert_int_equal(errno, 17);
    assert_int_equal(poll(&p, 1, 0), 1);
    assert_false(nb_cancel_check(c, &err));
    assert_int_equal(err.code, NB_E_CANCELLED);
    assert_string_equal(err.reason, "Cancelled");
    assert_false(nb_cancel_sleep(c, 100000, &err));
    assert_false(nb_cancel_poll(c, -1, POLLIN, -1, &err));
    assert_int_equal(err.code, NB_E_CANCELLED);
}

static void cancel_with_a_deadline_is_set_by_it(void **state)
{
    int64_t start = nb_clock_mono_ms();
    nb_auto(nb_cancel_free) struct nb_cancel *c = nb_cancel_new_until(NULL, start + 20);
    nb_auto(nb_cancel_free) struct nb_cancel *past = nb_cancel_new_until(NULL, start);
    struct nb_error err = NB_ERROR_INIT;

    (void)state;
    assert_true(nb_cancel_is_set(past));
    assert_false(nb_cancel_sleep(c, 100000, &err));
    assert_int_equal(err.code, NB_E_CANCELLED);
    assert_true(nb_clock_mono_ms() >= start + 20);
    assert_true(nb_cancel_is_set(c));
}

static void cancel_with_a_deadline_is_set_with_its_parent(void **state)
{
    nb_auto(nb_cancel_free) struct nb_cancel *parent = nb_cancel_new();
    nb_auto(nb_cancel_free) struct nb_cancel *c =
        nb_cancel_new_until(parent, nb_clock_mono_ms() + 1000000);
    nb_auto(nb_cancel_free) struct nb_cancel *own =
        nb_cancel_new_until(parent, nb_clock_mono_ms() + 1000000);
    struct nb_error err = NB_ERROR_INIT;
    struct pollfd p = { .fd = nb_cancel_fd(c), .events = POLLIN };

    (void)state;
    assert_true(nb_cancel_check(c, &err));
    assert_int_equal(poll(&p, 1, 0), 0);
    nb_cancel_set(own); /* tells no one else */
    assert_true(nb_cancel_is_set(own));
    assert_true(nb_cancel_check(parent, &err));
    nb_cancel_set(parent);
    assert_int_equal(poll(&p, 1, 0), 1);
    assert_false(nb_cancel_sleep(c, 100000, &err));
}

static void *set_it(void *arg)
{
    nb_cancel_set(arg);
    return NULL;
}

static void cancel_set_by_another_thread_wakes_a_sleeper(void **state)
{
    nb_auto(nb_cancel_free) struct nb_cancel *c = nb_cancel_new();
    struct nb_error err = NB_ERROR_INIT;
    struct nb_thread *t;

    (void)state;
    assert_true(nb_thread_start("setter", set_it, c, &t, &err));
    assert_false(nb_cancel_sleep(c, 100000, &err));
    nb_thread_join(t);
}

static void poll_ready_timeout_and_closed(void **state)
{
    struct nb_error err = NB_ERROR_INIT;
    int fds[2];

    (void)state;
    assert_int_equal(pipe(fds), 0);
    assert_false(nb_cancel_poll(NULL, fds[0], POLLIN, 0, &err));
    assert_int_equal(err.code, NB_E_TIMEOUT);
    assert_false(nb_cancel_poll(NULL, fds[0], POLLIN, 5, &err));
    assert_int_equal(err.code, NB_E_TIMEOUT);
    assert_int_equal(write(fds[1], "x", 1), 1);
    assert_true(nb_cancel_poll(NULL, fds[0], POLLIN, -1, &err));
    close(fds[1]);
    assert_true(nb_cancel_poll(NULL, fds[0], POLLIN, -1, &err)); /* hang-up: read will tell */
    close(fds[0]);
    assert_false(nb_cancel_poll(NULL, fds[0], POLLIN, -1, &err));
    assert_int_equal(err.code, NB_E_INTERNAL);
}

static void sleep_lasts_as_long_as_asked(void **state)
{
    struct nb_error err = NB_ERROR_INIT;
    int64_t from = nb_clock_mono_ms();

    (void)state;
    assert_true(nb_cancel_sleep(NULL, 30, &err));
    assert_true(nb_clock_mono_ms() - from >= 30);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cancel_unset_passes_and_null_never_stops),
        cmocka_unit_test(cancel_set_stops_every_wait_at_once),
        cmocka_unit_test(cancel_with_a_deadline_is_set_by_it),
        cmocka_unit_test(cancel_with_a_deadline_is_set_with_its_parent),
        cmocka_unit_test(cancel_set_by_another_thread_wakes_a_sleeper),
        cmocka_unit_test(poll_ready_timeout_and_closed),
        cmocka_unit_test(sleep_lasts_as_long_as_asked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
