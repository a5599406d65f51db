#include "base/mem.h"

#include <string.h>

#include "tests/unit/cmocka.h"

static void try_alloc_above_limit_fails_with_limit(void **state)
{
    struct nb_error err = NB_ERROR_INIT;
    nb_auto(nb_free) void *p = nb_try_alloc(10, 10, &err);

    (void)state;
    assert_non_null(p);
    assert_null(nb_try_alloc(11, 10, &err));
    assert_int_equal(err.code, NB_E_LIMIT);
}

static void strdup_family_copies_what_it_says(void **state)
{
    nb_auto(nb_free) char *a = nb_xstrdup("abc");
    nb_auto(nb_free) char *b = nb_xstrndup("abc", 2);
    nb_auto(nb_free) char *c = nb_xasprintf("%s-%d", "n", 7);

    (void)state;
    assert_string_equal(a, "abc");
    assert_string_equal(b, "ab");
    assert_string_equal(c, "n-7");
    assert_null(nb_xstrdup_null(NULL));
}

static void xmalloc_of_nothing_gives_a_pointer(void **state)
{
    nb_auto(nb_free) void *a = nb_xmalloc(0);
    nb_auto(nb_free) void *b = nb_xcalloc(0, 8);

    (void)state;
    assert_non_null(a);
    assert_non_null(b);
}

static void arena_allocations_are_aligned_and_apart(void **state)
{
    nb_auto(nb_arena_free) struct nb_arena *a = nb_arena_new(1 << 20);
    struct nb_error err = NB_ERROR_INIT;
    unsigned char *before = NULL;

    (void)state;
    for (size_t i = 0; i < 500; i++) {
        unsigned char *p = nb_arena_alloc(a, i, &err);

        assert_non_null(p);
        assert_int_equal((uintptr_t)p % 16, 0);
        memset(p, (int)(i & 0xFF), i);
        if (before && i > 1)
            assert_int_equal(before[i - 2], (i - 1) & 0xFF);
        before = p;
    }
}

static void arena_beyond_max_fails_and_works_after_reset(void **state)
{
    nb_auto(nb_arena_free) struct nb_arena *a = nb_arena_new(1000);
    struct nb_error err = NB_ERROR_INIT;

    (void)state;
    assert_non_null(nb_arena_alloc(a, 992, &err));
    assert_null(nb_arena_alloc(a, 16, &err));
    assert_int_equal(err.code, NB_E_LIMIT);
    nb_error_clear(&err);
    assert_null(nb_arena_alloc(a, SIZE_MAX, &err));
    nb_arena_reset(a);
    assert_int_equal(nb_arena_used_bytes(a), 0);
    assert_non_null(nb_arena_alloc(a, 1000, &err));
}

static void arena_same_records_reuse_the_same_memory(void **state)
{
    nb_auto(nb_arena_free) struct nb_arena *a = nb_arena_new(1 << 20);
    struct nb_error err = NB_ERROR_INIT;
    void *first[40];

    (void)state;
    for (int round = 0; round < 3; round++) {
        nb_arena_reset(a);
        for (size_t i = 0; i < 40; i++) {
            void *p = nb_arena_alloc(a, 700 + i * 13, &err);

            if (round == 0)
                first[i] = p;
            assert_ptr_equal(p, first[i]);
        }
    }
}

static void arena_growing_records_do_not_pile_up_blocks(void **state)
{
    nb_auto(nb_arena_free) struct nb_arena *a = nb_arena_new(64 << 10);
    struct nb_error err = NB_ERROR_INIT;

    (void)state;
    /* Each needs a block larger than all before: kept ones would be gigabytes without a bound. */
    for (size_t n = 5000; n < (64 << 10); n += 16) {
        nb_arena_reset(a);
        assert_non_null(nb_arena_alloc(a, 16, &err));
        assert_true(nb_arena_alloc(a, n, &err) != NULL || n > (64 << 10) - 16);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(try_alloc_above_limit_fails_with_limit),
        cmocka_unit_test(strdup_family_copies_what_it_says),
        cmocka_unit_test(xmalloc_of_nothing_gives_a_pointer),
        cmocka_unit_test(arena_allocations_are_aligned_and_apart),
        cmocka_unit_test(arena_beyond_max_fails_and_works_after_reset),
        cmocka_unit_test(arena_same_records_reuse_the_same_memory),
        cmocka_unit_test(arena_growing_records_do_not_pile_up_blocks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
