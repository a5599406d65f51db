#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "engine/portion.h"
#include "engine/unit.h"

/* Units cut into parts, and how large the next one may be. */

enum { ROWS = 5, FIRST_OF_B = 2 };

/* Two nodes of label A, three of B, and each is a byte larger than the one before. */
static void add_row(struct eng_unit *u, const struct eng_unit_opts *opts, unsigned i)
{
    static const char text[] = "0123456789";
    struct nb_str label = nb_str_from(i < FIRST_OF_B ? "A" : "B");
    struct ps_pair pair = { .key = NB_STR("k"),
                            .value = { .type = PS_STRING, .string = { text, i } } };
    struct cyp_node_row row = {
        .id = i, .labels = &label, .nlabels = 1, .props = { .pairs = &pair, .n = 1 }
    };
    struct nb_error err = NB_ERROR_INIT;

    assert_true(eng_unit_add_node(u, opts, &row, &err));
}

static struct eng_unit *unit_of(const struct eng_unit_opts *opts, unsigned first, unsigned n)
{
    struct eng_unit *u = eng_unit_new(ENG_UNIT_NODES);

    for (unsigned i = first; i < first + n; i++)
        add_row(u, opts, i);
    eng_unit_close(u);
    return u;
}

static void assert_same(const struct eng_unit *a, const struct eng_unit *b)
{
    assert_int_equal(a->rows, b->rows);
    assert_int_equal(a->bytes, b->bytes);
    assert_int_equal(a->n, b->n);
    for (size_t i = 0; i < a->n; i++) {
        assert_string_equal(a->statements[i].query, b->statements[i].query);
        assert_int_equal(a->statements[i].rows, b->statements[i].rows);
        assert_int_equal(a->statements[i].params.len, b->statements[i].params.len);
        assert_memory_equal(a->statements[i].params.data, b->statements[i].params.data,
                            a->statements[i].params.len);
    }
}

/* A part is what a unit of those rows is; so also a part of a part. */
static void part_is_the_unit_of_its_rows(void **state)
{
    struct eng_unit_opts opts = { .encoder = PS_ENCODER_INIT(NULL) };
    nb_auto(eng_unit_free) struct eng_unit *whole = unit_of(&opts, 0, ROWS);
    struct nb_error err = NB_ERROR_INIT;

    (void)state;
    for (unsigned first = 0; first < ROWS; first++) {
        for (unsigned n = 1; first + n <= ROWS; n++) {
            nb_auto(eng_unit_free) struct eng_unit *want = unit_of(&opts, first, n);
            nb_auto(eng_unit_free) struct eng_unit *part = NULL, *again = NULL;

            assert_true(eng_unit_cut(whole, &opts, first, n, SIZE_MAX, &part, &err));
            assert_same(part, want);
            assert_true(eng_unit_cut(part, &opts, 0, n, SIZE_MAX, &again, &err));
            assert_same(again, want);
        }
    }
}

static void part_ends_before_the_row_that_is_too_much(void **state)
{
    struct eng_unit_opts opts = { .encoder = PS_ENCODER_INIT(NULL) };
    nb_auto(eng_unit_free) struct eng_unit *whole = unit_of(&opts, 0, ROWS);
    nb_auto(eng_unit_free) struct eng_unit *two = unit_of(&opts, 1, 2);
    nb_auto(eng_unit_free) struct eng_unit *part = NULL, *one = NULL;
    struct nb_error err = NB_ERROR_INIT;

    (void)state;
    assert_true(eng_unit_cut(whole, &opts, 1, ROWS, two->bytes, &part, &err));
    assert_same(part, two);
    /* One is always taken. */
    assert_true(eng_unit_cut(whole, &opts, 1, ROWS, 1, &one, &err));
    assert_int_equal(one->rows, 1);
}

static void portion_is_halved_by_what_was_too_large(void **state)
{
    struct eng_portion p = { .max_rows = 5000, .max_bytes = 2 << 20 };

    (void)state;
    assert_int_equal(eng_portion_rows(&p), 5000);
    eng_portion_too_large(&p, 5000, 100000); /* many small rows */
    assert_int_equal(eng_portion_rows(&p), 2500);
    assert_int_equal(eng_portion_bytes(&p), 1 << 20);
    eng_portion_too_large(&p, 100, 1 << 20); /* some large ones: it is the bytes */
    assert_int_equal(eng_portion_rows(&p), 1250);
    assert_int_equal(eng_portion_bytes(&p), 1 << 19);
    for (unsigned rows = 64; rows > 1; rows /= 2) {
        eng_portion_too_large(&p, rows, SIZE_MAX);
        eng_portion_too_large(&p, rows, 0);
        assert_true(eng_portion_rows(&p) <= rows / 2);
    }
    assert_int_equal(eng_portion_rows(&p), 1);
    assert_true(eng_portion_bytes(&p) >= 1);
}

static void portion_grows_again_to_what_it_was(void **state)
{
    struct eng_portion p = { .max_rows = 5000, .max_bytes = 2 << 20 };
    unsigned n = 0;

    (void)state;
    eng_portion_too_large(&p, 5000, 2 << 20);
    eng_portion_too_large(&p, 2500, 1 << 20);
    for (; eng_portion_rows(&p) < 2500; n++)
        eng_portion_went_well(&p);
    assert_true(n > 16); /* slowly */
    for (unsigned i = 0; i < 1000; i++)
        eng_portion_went_well(&p);
    assert_int_equal(eng_portion_rows(&p), 5000);
    assert_int_equal(eng_portion_bytes(&p), 2 << 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(part_is_the_unit_of_its_rows),
        cmocka_unit_test(part_ends_before_the_row_that_is_too_much),
        cmocka_unit_test(portion_is_halved_by_what_was_too_large),
        cmocka_unit_test(portion_grows_again_to_what_it_was),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
