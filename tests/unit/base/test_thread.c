#include "base/thread.h"

#include <signal.h>
#include <stdatomic.h>

#include "base/clock.h"
#include "tests/unit/cmocka.h"

enum { ITEMS = 5000 };

static void *look_at_signals(void *arg)
{
    sigset_t *set = arg;

    pthread_sigmask(SIG_SETMASK, NULL, set);
    return NULL;
}

static void thread_has_all_signals_blocked(void **state)
{
    struct nb_error err = NB_ERROR_INIT;
    struct nb_thread *t = NULL;
    sigset_t inside, here;

    (void)state;
    assert_true(nb_thread_start("a-name-that-is-too-long", look_at_signals, &inside, &t, &err));
    nb_thread_join(t);
    nb_thread_join(NULL);
    assert_true(sigismember(&inside, SIGTERM) && sigismember(&inside, SIGINT));
    pthread_sigmask(SIG_SETMASK, NULL, &here);
    assert_false(sigismember(&here, SIGTERM));
}

static void cond_wait_ends_at_the_deadline(void **state)
{
    int64_t deadline = nb_clock_mono_ms() + 20;
    pthread_mutex_t m;
    pthread_cond_t c;

    (void)state;
    nb_mutex_init(&m);
    nb_cond_init(&c);
    pthread_mutex_lock(&m);
    while (nb_cond_wait(&c, &m, deadline))
        ;
    assert_true(nb_clock_mono_ms() >= deadline);
    assert_false(nb_cond_wait(&c, &m, -5));
    pthread_mutex_unlock(&m);
    pthread_cond_destroy(&c);
    pthread_mutex_destroy(&m);
}

static void queue_is_first_in_first_out(void **state)
{
    nb_auto(nb_queue_free) struct nb_queue *q = nb_queue_new(3);
    int a, b, c;

    (void)state;
    assert_null(nb_queue_try_pop(q));
    for (int round = 0; round < 4; round++) {
        assert_true(nb_queue_push(q, &a));
        assert_true(nb_queue_push(q, &b));
        assert_true(nb_queue_push(q, &c));
        assert_ptr_equal(nb_queue_pop(q), &a);
        assert_ptr_equal(nb_queue_try_pop(q), &b);
        assert_ptr_equal(nb_queue_pop(q), &c);
    }
}

static void queue_closed_gives_what_is_left_then_null(void **state)
{
    nb_auto(nb_queue_free) struct nb_queue *q = nb_queue_new(3);
    int a;

    (void)state;
    assert_true(nb_queue_push(q, &a));
    nb_queue_close(q);
    nb_queue_close(q);
    assert_false(nb_queue_push(q, &a));
    assert_ptr_equal(nb_queue_pop(q), &a);
    assert_null(nb_queue_pop(q));
    assert_null(nb_queue_try_pop(q));
}

static atomic_int popped[ITEMS];

static void *produce(void *arg)
{
    static int items[ITEMS];
    static atomic_int next;

    for (int i; (i = atomic_fetch_add(&next, 1)) < ITEMS;) {
        items[i] = i;
        assert_true(nb_queue_push(arg, &items[i]));
    }
    return NULL;
}

static void *consume(void *arg)
{
    int *item;

    while ((item = nb_queue_pop(arg)))
        atomic_fetch_add(&popped[*item], 1);
    return NULL;
}

static void queue_between_threads_hands_over_each_once(void **state)
{
    nb_auto(nb_queue_free) struct nb_queue *q = nb_queue_new(7);
    struct nb_error err = NB_ERROR_INIT;
    struct nb_thread *p[3], *c[3];

    (void)state;
    for (int i = 0; i < 3; i++) {
        assert_true(nb_thread_start("produce", produce, q, &p[i], &err));
        assert_true(nb_thread_start("consume", consume, q, &c[i], &err));
    }
    for (int i = 0; i < 3; i++)
        nb_thread_join(p[i]);
    nb_queue_close(q);
    for (int i = 0; i < 3; i++)
        nb_thread_join(c[i]);
    for (int i = 0; i < ITEMS; i++)
        assert_int_equal(atomic_load(&popped[i]), 1);
}

static void *push_until_closed(void *arg)
{
    static int item;

    while (nb_queue_push(arg, &item))
        ;
    return NULL;
}

static void queue_close_wakes_a_full_pusher(void **state)
{
    nb_auto(nb_queue_free) struct nb_queue *q = nb_queue_new(1);
    struct nb_error err = NB_ERROR_INIT;
    struct nb_thread *t;

    (void)state;
    assert_true(nb_thread_start("push", push_until_closed, q, &t, &err));
    assert_non_null(nb_queue_pop(q));
    nb_queue_close(q);
    nb_thread_join(t);
}

static void cpu_count_is_at_least_one(void **state)
{
    (void)state;
    assert_true(nb_cpu_count() >= 1 && nb_cpu_count() < 10000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(thread_has_all_signals_blocked),
        cmocka_unit_test(cond_wait_ends_at_the_deadline),
        cmocka_unit_test(queue_is_first_in_first_out),
        cmocka_unit_test(queue_closed_gives_what_is_left_then_null),
        cmocka_unit_test(queue_between_threads_hands_over_each_once),
        cmocka_unit_test(queue_close_wakes_a_full_pusher),
        cmocka_unit_test(cpu_count_is_at_least_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
