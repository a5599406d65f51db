#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "engine/idmap.h"

enum { NODES = 100000, RANDOM_NUMBERS = 20000, RANDOM_STEPS = 100000 };

static void idmap_numbers_without_gaps_cost_eight_bytes_each(void **state)
{
    struct nb_error err = NB_ERROR_INIT;
    struct eng_idmap *m = eng_idmap_new(0);

    (void)state;
    for (int64_t i = 0; i < NODES; i++)
        assert_true(eng_idmap_add(m, i, i + 7, &err));
    for (int64_t i = 0; i < NODES; i++)
        assert_int_equal(eng_idmap_get(m, i), i + 7);
    assert_int_equal(eng_idmap_get(m, NODES), -1);
    assert_int_equal(eng_idmap_get(m, -1), -1);
    assert_int_equal(eng_idmap_count(m), NODES);
    assert_true(eng_idmap_bytes(m) < NODES * 9);
    eng_idmap_free(m);
}

static void idmap_sparse_numbers_are_bounded(void **state)
{
    struct nb_error err = NB_ERROR_INIT;
    struct eng_idmap *m = eng_idmap_new(0);

    (void)state;
    for (int64_t i = 0; i < NODES; i++)
        assert_true(eng_idmap_add(m, i * 1000003, i, &err));
    for (int64_t i = 0; i < NODES; i++)
        assert_int_equal(eng_idmap_get(m, i * 1000003), i);
    assert_true(eng_idmap_bytes(m) < (size_t)NODES * 150);
    eng_idmap_free(m);
}

static void idmap_a_number_twice_is_refused(void **state)
{
    struct nb_error err = NB_ERROR_INIT;
    struct eng_idmap *m = eng_idmap_new(0);

    (void)state;
    assert_true(eng_idmap_add(m, 5, 1, &err));
    assert_false(eng_idmap_add(m, 5, 2, &err));
    assert_string_equal(err.reason, "BadDump");
    assert_true(eng_idmap_remove(m, 5));
    assert_false(eng_idmap_remove(m, 5));
    assert_true(eng_idmap_add(m, 5, 2, &err));
    assert_int_equal(eng_idmap_get(m, 5), 2);
    eng_idmap_free(m);
}

static void idmap_memory_has_a_limit(void **state)
{
    struct nb_error err = NB_ERROR_INIT;
    struct eng_idmap *m = eng_idmap_new(10000);
    bool ok = true;

    (void)state;
    for (int64_t i = 0; ok && i < NODES; i++)
        ok = eng_idmap_add(m, i * 512, i, &err);
    assert_false(ok);
    assert_string_equal(err.reason, "IdMapTooLarge");
    eng_idmap_free(m);
}

/* Against a plain array, in any order, with removals. */
static void idmap_random_steps_agree_with_an_array(void **state)
{
    static int64_t want[RANDOM_NUMBERS];
    struct nb_error err = NB_ERROR_INIT;
    struct eng_idmap *m = eng_idmap_new(0);
    uint64_t seed = (uint64_t)nb_clock_mono_ms() | 1, x = seed;
    uint64_t count = 0;

    (void)state;
    printf("seed %llu\n", (unsigned long long)seed);
    memset(want, 0xff, sizeof(want));
    for (int i = 0; i < RANDOM_STEPS; i++) {
        int64_t number;

        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        number = (int64_t)(x >> 20) % RANDOM_NUMBERS;
        if (want[number] < 0) {
            assert_true(eng_idmap_add(m, number, i, &err));
            want[number] = i;
            count++;
        } else if (x & 1) {
            assert_true(eng_idmap_remove(m, number));
            want[number] = -1;
            count--;
        }
        assert_int_equal(eng_idmap_get(m, number), want[number]);
    }
    for (int64_t i = 0; i < RANDOM_NUMBERS; i++)
        assert_int_equal(eng_idmap_get(m, i), want[i]);
    assert_int_equal(eng_idmap_count(m), count);
    eng_idmap_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(idmap_numbers_without_gaps_cost_eight_bytes_each),
        cmocka_unit_test(idmap_sparse_numbers_are_bounded),
        cmocka_unit_test(idmap_a_number_twice_is_refused),
        cmocka_unit_test(idmap_memory_has_a_limit),
        cmocka_unit_test(idmap_random_steps_agree_with_an_array),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
