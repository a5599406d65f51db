#include "controller/runtime/queue_core.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "tests/unit/cmocka.h"

/* One step of a story: what is done, and what must come of it. */
enum op { ADD, TAKE, NONE, DONE, FAIL, FORGET, WAITING, NEXT };
struct step {
    enum op op;
    int64_t now;     /* ADD: due time; else the time of asking */
    const char *key; /* TAKE: the one expected */
    int64_t value;   /* TAKE: due; WAITING: how many; NEXT: when; FAIL: least delay */
};

static void play(const struct step *steps, size_t n)
{
    struct ctl_queue_core_opts opts = { .backoff_base_ms = 10, .backoff_cap_ms = 100 };
    nb_auto(ctl_queue_core_free) struct ctl_queue_core *q = ctl_queue_core_new(&opts);

    for (size_t i = 0; i < n; i++) {
        const struct step *s = &steps[i];
        const char *got;
        int64_t due = -1;

        switch (s->op) {
        case ADD:
            ctl_queue_core_add(q, s->key, s->now);
            break;
        case TAKE:
            got = ctl_queue_core_take(q, s->now, &due);
            if (!got || strcmp(got, s->key) != 0)
                fail_msg("step %zu: took '%s', not '%s'", i, got ? got : "nothing", s->key);
            assert_int_equal(due, s->value);
            break;
        case NONE:
            assert_null(ctl_queue_core_take(q, s->now, &due));
            break;
        case DONE:
            ctl_queue_core_done(q, s->key);
            break;
        case FAIL:
            ctl_queue_core_fail(q, s->key, s->now, s->value);
            break;
        case FORGET:
            ctl_queue_core_forget(q, s->key);
            break;
        case WAITING:
            assert_int_equal(ctl_queue_core_waiting(q), s->value);
            break;
        case NEXT:
            assert_int_equal(ctl_queue_core_next_due_ms(q), s->value);
            break;
        }
    }
}
#define PLAY(...)                                                                                  \
    do {                                                                                           \
        const struct step steps_[] = { __VA_ARGS__ };                                              \
        play(steps_, NB_ARRAY_LEN(steps_));                                                        \
    } while (0)

static void keys_come_once_in_order_of_adding(void **state)
{
    (void)state;
    PLAY({ ADD, 0, "b", 0 }, { ADD, 0, "a", 0 }, { ADD, 0, "b", 0 }, { WAITING, 0, "", 2 },
         { TAKE, 0, "b", 0 }, { TAKE, 0, "a", 0 }, { NONE, 0, "", 0 });
}

static void key_added_while_processed_is_queued_again(void **state)
{
    (void)state;
    PLAY({ ADD, 0, "a", 0 }, { TAKE, 0, "a", 0 }, { ADD, 1, "a", 0 }, { NONE, 5, "", 0 },
         { DONE, 5, "a", 0 }, { TAKE, 5, "a", 1 }, { DONE, 5, "a", 0 }, { NONE, 9, "", 0 });
}

static void delayed_key_is_due_in_time(void **state)
{
    (void)state;
    PLAY({ ADD, 100, "a", 0 }, { NEXT, 0, "", 100 }, { NONE, 99, "", 0 }, { TAKE, 100, "a", 100 },
         { NEXT, 0, "", INT64_MAX });
}

static void earlier_time_wins_whichever_came_first(void **state)
{
    (void)state;
    PLAY({ ADD, 100, "a", 0 }, { ADD, 10, "a", 0 }, { ADD, 50, "a", 0 }, { NEXT, 0, "", 10 },
         { TAKE, 10, "a", 10 }, { ADD, 90, "a", 0 }, { ADD, 40, "a", 0 }, { ADD, 60, "a", 0 },
         { DONE, 20, "a", 0 }, { NEXT, 0, "", 40 });
}

static void failures_back_off_up_to_the_cap(void **state)
{
    (void)state;
    PLAY({ ADD, 0, "a", 0 }, { TAKE, 0, "a", 0 }, { FAIL, 0, "a", 0 }, { DONE, 0, "a", 0 },
         { TAKE, 10, "a", 10 }, { FAIL, 10, "a", 0 }, { DONE, 10, "a", 0 }, { TAKE, 30, "a", 30 },
         { FAIL, 30, "a", 0 }, { DONE, 0, "a", 0 }, { TAKE, 70, "a", 70 }, { FAIL, 70, "a", 0 },
         { DONE, 0, "a", 0 }, { TAKE, 150, "a", 150 }, { FAIL, 150, "a", 0 }, { DONE, 0, "a", 0 },
         { NEXT, 0, "", 250 }, { TAKE, 250, "a", 250 }, { FORGET, 0, "a", 0 },
         { FAIL, 300, "a", 0 }, { DONE, 0, "a", 0 }, { NEXT, 0, "", 310 });
}

/* An outage of hours: the first try after it is not as far away. */
static void many_failures_come_back_within_half_a_minute(void **state)
{
    nb_auto(ctl_queue_core_free) struct ctl_queue_core *q = ctl_queue_core_new(NULL);
    int64_t now = 0, due;

    (void)state;
    ctl_queue_core_add(q, "a", now);
    for (int i = 0; i < 100; i++) {
        assert_non_null(ctl_queue_core_take(q, now, &due));
        ctl_queue_core_fail(q, "a", now, 0);
        ctl_queue_core_done(q, "a");
        assert_in_range(ctl_queue_core_next_due_ms(q) - now, 5, 30000);
        now = ctl_queue_core_next_due_ms(q);
    }
}

static void asked_for_delay_is_a_lower_bound(void **state)
{
    (void)state;
    PLAY({ ADD, 0, "a", 0 }, { TAKE, 0, "a", 0 }, { FAIL, 0, "a", 5000 }, { DONE, 0, "a", 0 },
         { NEXT, 0, "", 5000 });
}

static void event_during_back_off_is_worked_on_at_once(void **state)
{
    (void)state;
    PLAY({ ADD, 0, "a", 0 }, { TAKE, 0, "a", 0 }, { FAIL, 0, "a", 5000 }, { DONE, 0, "a", 0 },
         { ADD, 20, "a", 0 }, { TAKE, 20, "a", 20 });
}

static void clear_keeps_what_is_being_worked_on(void **state)
{
    nb_auto(ctl_queue_core_free) struct ctl_queue_core *q = ctl_queue_core_new(NULL);
    int64_t due;

    (void)state;
    ctl_queue_core_add(q, "a", 0);
    ctl_queue_core_add(q, "b", 0);
    ctl_queue_core_add(q, "c", 9);
    assert_string_equal(ctl_queue_core_take(q, 0, &due), "a");
    ctl_queue_core_add(q, "a", 0);
    assert_int_equal(ctl_queue_core_due(q, 0), 1);
    assert_int_equal(ctl_queue_core_due(q, 9), 2);
    ctl_queue_core_clear(q);
    assert_int_equal(ctl_queue_core_waiting(q), 0);
    assert_int_equal(ctl_queue_core_processing(q), 1);
    ctl_queue_core_done(q, "a");
    assert_null(ctl_queue_core_take(q, 100, &due));
}

/* Random steps against a plain model: an array of due times. */
static void random_steps_agree_with_a_plain_model(void **state)
{
    enum { KEYS = 20, STEPS = 20000 };
    nb_auto(ctl_queue_core_free) struct ctl_queue_core *q = ctl_queue_core_new(NULL);
    int64_t due[KEYS], again[KEYS], now = 0;
    bool busy[KEYS] = { false };
    uint32_t seed = nb_random_below(UINT32_MAX), r = seed | 1;

    (void)state;
    printf("seed %u\n", seed);
    for (int i = 0; i < KEYS; i++)
        due[i] = again[i] = INT64_MAX;
    for (int step = 0; step < STEPS; step++) {
        char key[8];
        int k;

        r = r * 1664525u + 1013904223u;
        k = (int)((r >> 8) % KEYS);
        snprintf(key, sizeof(key), "k%d", k);
        now += (r >> 16) % 3;
        if (r % 3 == 0) {
            int64_t at = now + (r >> 20) % 10;

            ctl_queue_core_add(q, key, at);
            if (busy[k] && at < again[k])
                again[k] = at;
            else if (!busy[k] && at < due[k])
                due[k] = at;
        } else if (r % 3 == 1) {
            int64_t at, best = INT64_MAX;
            const char *got = ctl_queue_core_take(q, now, &at);

            for (int i = 0; i < KEYS; i++)
                best = due[i] < best ? due[i] : best;
            assert_int_equal(got != NULL, best <= now);
            if (got) {
                int64_t number = -1;
                int i;

                assert_true(nb_parse_i64(got + 1, 0, KEYS - 1, &number));
                i = (int)number;

                assert_int_equal(due[i], best);
                assert_int_equal(at, best);
                due[i] = INT64_MAX;
                busy[i] = true;
            }
        } else if (busy[k]) {
            ctl_queue_core_done(q, key);
            busy[k] = false;
            due[k] = again[k];
            again[k] = INT64_MAX;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_come_once_in_order_of_adding),
        cmocka_unit_test(key_added_while_processed_is_queued_again),
        cmocka_unit_test(delayed_key_is_due_in_time),
        cmocka_unit_test(earlier_time_wins_whichever_came_first),
        cmocka_unit_test(failures_back_off_up_to_the_cap),
        cmocka_unit_test(many_failures_come_back_within_half_a_minute),
        cmocka_unit_test(asked_for_delay_is_a_lower_bound),
        cmocka_unit_test(event_during_back_off_is_worked_on_at_once),
        cmocka_unit_test(clear_keeps_what_is_being_worked_on),
        cmocka_unit_test(random_steps_agree_with_a_plain_model),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
