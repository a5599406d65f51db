#include "base/map.h"

#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "tests/unit/cmocka.h"

static void put_get_remove_work(void **state)
{
    nb_auto(nb_map_free) struct nb_map *m = nb_map_new(free);

    (void)state;
    assert_null(nb_map_get(m, "a", 1));
    assert_false(nb_map_remove(m, "a", 1));
    nb_map_put(m, "a", 1, nb_xstrdup("one"));
    nb_map_put(m, "a", 1, nb_xstrdup("two"));
    nb_map_put(m, "", 0, nb_xstrdup("empty"));
    nb_map_put(m, "a\0b", 3, nb_xstrdup("nul"));
    assert_int_equal(nb_map_count(m), 3);
    assert_string_equal(nb_map_get(m, "a", 1), "two");
    assert_string_equal(nb_map_get(m, "", 0), "empty");
    assert_string_equal(nb_map_get(m, "a\0b", 3), "nul");
    assert_true(nb_map_remove(m, "a", 1));
    assert_null(nb_map_get(m, "a", 1));
    assert_int_equal(nb_map_count(m), 2);
    nb_map_clear(m);
    assert_int_equal(nb_map_count(m), 0);
    nb_map_put(m, "a", 1, nb_xstrdup("again"));
}

/* Random steps, compared with a plain array of flags. */
static void random_steps_agree_with_an_array(void **state)
{
    nb_auto(nb_map_free) struct nb_map *m = nb_map_new(NULL);
    static char values[300];
    bool there[300] = { false };
    uint32_t seed, r;
    size_t count = 0;

    (void)state;
    nb_random_bytes(&seed, sizeof(seed));
    print_message("seed %u\n", seed);
    r = seed;
    for (int i = 0; i < 50000; i++) {
        char key[16];
        size_t k, n;

        r = r * 1664525u + 1013904223u;
        k = (r >> 16) % NB_ARRAY_LEN(there);
        n = (size_t)snprintf(key, sizeof(key), "key-%zu", k);
        if (r & 0x100) {
            nb_map_put(m, key, n, &values[k]);
            count += !there[k];
            there[k] = true;
        } else {
            assert_int_equal(nb_map_remove(m, key, n), there[k]);
            count -= there[k];
            there[k] = false;
        }
        assert_int_equal(nb_map_count(m), count);
        assert_ptr_equal(nb_map_get(m, key, n), there[k] ? &values[k] : NULL);
    }
}

static void iteration_with_removal_sees_each_once(void **state)
{
    nb_auto(nb_map_free) struct nb_map *m = nb_map_new(NULL);
    static int values[100];
    size_t pos = 0, seen = 0;
    struct nb_str key;
    void *value;

    (void)state;
    for (int i = 0; i < 100; i++) {
        char name[16];

        snprintf(name, sizeof(name), "%d", i);
        nb_map_put(m, name, strlen(name), &values[i]);
    }
    while (nb_map_next(m, &pos, &key, &value)) {
        int *v = value;

        assert_int_equal(strlen(key.p), key.n);
        assert_int_equal(*v, 0);
        *v = 1;
        seen++;
        if (seen % 2)
            assert_true(nb_map_remove(m, key.p, key.n));
    }
    assert_int_equal(seen, 100);
    assert_int_equal(nb_map_count(m), 50);
}

static void vec_keeps_order(void **state)
{
    struct nb_vec v = { 0 };
    static char values[1000];

    (void)state;
    for (size_t i = 0; i < 1000; i++)
        nb_vec_push(&v, &values[i]);
    assert_int_equal(v.count, 1000);
    for (size_t i = 0; i < 1000; i++)
        assert_ptr_equal(v.items[i], &values[i]);
    nb_vec_done(&v);
    assert_int_equal(v.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(put_get_remove_work),
        cmocka_unit_test(random_steps_agree_with_an_array),
        cmocka_unit_test(iteration_with_removal_sees_each_once),
        cmocka_unit_test(vec_keeps_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
