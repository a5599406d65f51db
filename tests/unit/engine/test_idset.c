#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/hash.h"
#include "base/mem.h"
#include "engine/idset.h"

static bool add(struct eng_idset *s, int64_t id)
{
    struct nb_error err = NB_ERROR_INIT;
    bool is_new;

    assert_true(eng_idset_add(s, id, &is_new, &err));
    return is_new;
}

static void idset_without_gaps_takes_a_few_bytes(void **state)
{
    struct eng_idset *s = eng_idset_new(0);

    (void)state;
    for (int64_t i = 0; i < 1 << 20; i++)
        assert_true(add(s, i));
    assert_int_equal(eng_idset_count(s), 1 << 20);
    assert_true(eng_idset_bytes(s) < 2000);
    assert_true(eng_idset_has(s, 0));
    assert_true(eng_idset_has(s, (1 << 20) - 1));
    assert_false(eng_idset_has(s, 1 << 20));
    assert_false(eng_idset_has(s, -1));
    eng_idset_free(s);
}

static void idset_added_twice_is_told(void **state)
{
    struct eng_idset *s = eng_idset_new(0);

    (void)state;
    assert_true(add(s, INT64_MAX));
    assert_true(add(s, 7));
    assert_false(add(s, 7));
    assert_false(add(s, INT64_MAX));
    assert_int_equal(eng_idset_count(s), 2);
    assert_int_equal(eng_idset_next(s, 8), INT64_MAX);
    eng_idset_free(s);
}

/* Against an array of flags, over blocks of each kind, with removals. */
static void idset_random_work_agrees_with_flags(void **state)
{
    enum { RANGE = 1 << 18, STEPS = 400000 };
    uint8_t *flags = nb_xcalloc(RANGE, 1);
    struct eng_idset *s = eng_idset_new(0);
    uint64_t count = 0, x = 88172645463325252u;
    int64_t at;

    (void)state;
    for (int i = 0; i < STEPS; i++) {
        uint32_t id;

        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        /* Most of it in the first block, so that it fills and is emptied again. */
        id = (uint32_t)(x % (x >> 40 & 3 ? 1 << 16 : RANGE));
        if (x >> 60 & 3) {
            assert_int_equal(add(s, id), !flags[id]);
            count += !flags[id];
            flags[id] = 1;
        } else {
            assert_int_equal(eng_idset_remove(s, id), flags[id]);
            count -= flags[id];
            flags[id] = 0;
        }
    }
    assert_int_equal(eng_idset_count(s), count);
    at = -1;
    for (int64_t id = 0; id < RANGE; id++) {
        assert_int_equal(eng_idset_has(s, id), flags[id]);
        if (!flags[id])
            continue;
        at = eng_idset_next(s, at + 1);
        assert_int_equal(at, id);
    }
    assert_int_equal(eng_idset_next(s, at + 1), -1);
    eng_idset_free(s);
    free(flags);
}

static void idset_full_block_survives_a_removal(void **state)
{
    struct eng_idset *s = eng_idset_new(0);

    (void)state;
    for (int64_t i = 0; i < 1 << 16; i++)
        add(s, i);
    assert_true(eng_idset_remove(s, 1234));
    assert_false(eng_idset_has(s, 1234));
    assert_int_equal(eng_idset_next(s, 1234), 1235);
    assert_true(add(s, 1234));
    assert_int_equal(eng_idset_count(s), 1 << 16);
    eng_idset_clear(s);
    assert_int_equal(eng_idset_count(s), 0);
    assert_int_equal(eng_idset_bytes(s), 0);
    eng_idset_free(s);
}

static void idset_negative_and_too_many_are_refused(void **state)
{
    struct eng_idset *s = eng_idset_new(4096);
    struct nb_error err = NB_ERROR_INIT;
    bool is_new, ok = true;

    (void)state;
    assert_false(eng_idset_add(s, -5, &is_new, &err));
    assert_int_equal(err.code, NB_E_PROTOCOL);
    nb_error_clear(&err);
    for (int64_t i = 0; ok && i < 1000; i++)
        ok = eng_idset_add(s, i << 20, &is_new, &err);
    assert_false(ok);
    assert_string_equal(err.reason, "IdSetTooLarge");
    eng_idset_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(idset_without_gaps_takes_a_few_bytes),
        cmocka_unit_test(idset_added_twice_is_told),
        cmocka_unit_test(idset_random_work_agrees_with_flags),
        cmocka_unit_test(idset_full_block_survives_a_removal),
        cmocka_unit_test(idset_negative_and_too_many_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
