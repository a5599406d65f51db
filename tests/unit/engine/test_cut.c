#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "engine/cut.h"

/* Where chunks end, for rows of ids and weights. */

enum { IDS = 200000, AVERAGE = 64 << 10, WEIGHT = 100 };

struct ends {
    int64_t *before; /* ids before which a chunk ended */
    size_t n;
    uint64_t largest;
};

struct row {
    int64_t id;
    uint64_t weight;
};

static struct ends ends_of(const struct row *rows, size_t n)
{
    struct ends e = { .before = nb_xcalloc(n + 1, sizeof(*e.before)) };
    struct eng_cut c;
    uint64_t chunk = 0;

    eng_cut_init(&c, AVERAGE);
    for (size_t i = 0; i < n; i++) {
        if (eng_cut_before(&c, rows[i].id, rows[i].weight)) {
            e.before[e.n++] = rows[i].id;
            chunk = 0;
        }
        chunk += rows[i].weight;
        e.largest = chunk > e.largest ? chunk : e.largest;
    }
    return e;
}

static struct row *rows_make(size_t n, int64_t step)
{
    struct row *rows = nb_xcalloc(n, sizeof(*rows));

    for (size_t i = 0; i < n; i++)
        rows[i] = (struct row){ (int64_t)i * step, WEIGHT };
    return rows;
}

/* How many of a's ends b has too. */
static size_t common(const struct ends *a, const struct ends *b)
{
    size_t n = 0;

    for (size_t i = 0, k = 0; i < a->n; i++) {
        while (k < b->n && b->before[k] < a->before[i])
            k++;
        n += k < b->n && b->before[k] == a->before[i];
    }
    return n;
}

static void chunks_have_about_the_size_wanted_sparse_or_dense(void **state)
{
    static const int64_t steps[] = { 1, 7, 1000, 1000003 };

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        struct row *rows = rows_make(IDS, steps[i]);
        struct ends e = ends_of(rows, IDS);
        size_t wanted = (size_t)IDS * WEIGHT / AVERAGE;

        assert_in_range(e.n, wanted / 2, wanted * 2);
        assert_true(e.largest <= (uint64_t)AVERAGE * 4 + WEIGHT);
        free(e.before);
        free(rows);
    }
}

static void what_is_appended_moves_no_end(void **state)
{
    struct row *rows = rows_make(IDS, 3);
    struct ends less = ends_of(rows, IDS * 9 / 10), all = ends_of(rows, IDS);

    (void)state;
    assert_int_equal(common(&less, &all), less.n);
    assert_true(all.n > less.n);
    free(less.before);
    free(all.before);
    free(rows);
}

static void a_change_moves_only_ends_near_it(void **state)
{
    struct row *rows = rows_make(IDS, 1);
    struct ends before = ends_of(rows, IDS), after;

    (void)state;
    for (size_t i = IDS / 2; i < IDS / 2 + IDS / 100; i++)
        rows[i].weight = 3 * WEIGHT;
    after = ends_of(rows, IDS);
    assert_true(common(&before, &after) + 12 >= before.n);
    free(after.before);

    memmove(rows + 1000, rows + 1500, (IDS - 1500) * sizeof(*rows)); /* deleted */
    after = ends_of(rows, IDS - 500);
    assert_true(common(&before, &after) + 16 >= before.n);
    free(after.before);
    free(before.before);
    free(rows);
}

static void one_row_larger_than_a_chunk_is_no_trouble(void **state)
{
    struct row rows[] = { { 0, 10 }, { 1, (uint64_t)AVERAGE * 100 }, { 2, 10 }, { 3, 10 } };
    struct ends e = ends_of(rows, 4);

    (void)state;
    assert_int_equal(e.n, 1);
    assert_int_equal(e.before[0], 2);
    free(e.before);
}

static void weight_is_about_the_bytes_of_a_row(void **state)
{
    static const struct ps_value items[] = { { .type = PS_INT }, { .type = PS_NULL } };
    const struct ps_pair pairs[] = {
        { NB_STR("s"), { .type = PS_STRING, .string = NB_STR("0123456789") } },
        { NB_STR("l"), { .type = PS_LIST, .list = { items, 2 } } },
        { NB_STR("f"), { .type = PS_FLOATS, .floats = { NULL, 100 } } },
        { NB_STR("d"), { .type = PS_DATE } },
    };
    const struct ps_map none = { NULL, 0 }, some = { pairs, 4 };

    (void)state;
    assert_int_equal(eng_cut_weight(&none), 16);
    assert_int_equal(eng_cut_weight(&some), 16 + 11 + 9 + 1200 + 32);
}

static void large_graphs_have_larger_chunks(void **state)
{
    (void)state;
    assert_int_equal(eng_cut_average(0), 2 << 20);
    assert_int_equal(eng_cut_average(100 * 1000 * 1000), 2 << 20);
    assert_int_equal(eng_cut_average(1000 * 1000 * 1000), 16 << 20);
    assert_int_equal(eng_cut_average(UINT64_MAX), 32 << 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chunks_have_about_the_size_wanted_sparse_or_dense),
        cmocka_unit_test(what_is_appended_moves_no_end),
        cmocka_unit_test(a_change_moves_only_ends_near_it),
        cmocka_unit_test(one_row_larger_than_a_chunk_is_no_trouble),
        cmocka_unit_test(weight_is_about_the_bytes_of_a_row),
        cmocka_unit_test(large_graphs_have_larger_chunks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
