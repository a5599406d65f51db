#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "engine/losses.h"

/* What was seen on real servers: exported, restored, compared. */

static struct ps_value text(const char *s)
{
    return (struct ps_value){ .type = PS_STRING, .string = nb_str_from(s) };
}

/* A node of one label and one property. */
static void note(struct eng_losses *l, const char *label, const char *key, struct ps_value v)
{
    struct ps_pair pair = { .key = nb_str_from(key), .value = v };
    struct nb_str name = nb_str_from(label);
    struct ps_node node = { .labels = &name, .nlabels = 1, .props = { .pairs = &pair, .n = 1 } };

    eng_losses_node(l, &node);
}

static void graphs_that_do_not_come_back_are_unfit(void **state)
{
    struct ps_value nan = { .type = PS_FLOAT, .real = __builtin_nan("") };
    struct ps_value one = { .type = PS_INT, .integer = 1 };
    struct ps_value seconds = { .type = PS_TIME, .time = { 0, 3615 } };
    struct ps_value minutes = { .type = PS_TIME, .time = { 0, 3600 } };
    struct ps_value old = { .type = PS_DATETIME,
                            .datetime = { .seconds = -1000, .zone = NB_STR("Europe/Stockholm") } };
    struct ps_value late = { .type = PS_DATETIME,
                             .datetime = { .seconds = 1800000000, .zone = NB_STR("Europe/Oslo") } };
    struct ps_value olds = { .type = PS_LIST, .list = { &old, 1 } };
    struct ps_value zero = { .type = PS_STRING, .string = { "a\0b", 3 } };
    struct ps_value vector = { .type = PS_VECTOR };
    const struct {
        const char *label, *key;
        struct ps_value value;
        const char *unfit; /* "": fine */
    } cases[] = {
        { "A", "k", one, "" },
        { "a b", "c\"d", text("`\\u0060"), "" },
        { "a`b", "k", one, "label 'a`b'" },
        { "a\\u0062", "k", one, "label 'a\\u0062'" },
        { "A", "a`b", one, "property key 'a`b'" },
        { "UNIQUE IMPORT LABEL", "k", one, "UNIQUE IMPORT LABEL" },
        { "A", "UNIQUE IMPORT ID", one, "UNIQUE IMPORT ID" },
        { "A", "k", nan, "" },
        { "A", "unique", one, "" },
        { "A", "unique", nan, "is NaN" },
        { "A", "k", seconds, "seconds" },
        { "A", "k", minutes, "" },
        { "A", "k", old, "1972" },
        { "A", "k", olds, "1972" },
        { "A", "k", late, "" },
        { "A", "k", zero, "NUL" },
        { "A", "k", vector, "type" },
    };
    struct ps_value unique = text("unique");
    struct eng_unique u = { .name = NB_STR("A"), .properties = &unique, .properties_n = 1 };

    (void)state;
    for (size_t i = 0; i < NB_ARRAY_LEN(cases); i++) {
        struct eng_losses l = { .byte_arrays = 0 };

        eng_losses_unique(&l, &u);
        note(&l, cases[i].label, cases[i].key, cases[i].value);
        if (cases[i].unfit[0] ? !strstr(l.unfit, cases[i].unfit) : l.unfit[0] != '\0')
            fail_msg("case %zu: '%s'", i, l.unfit);
        eng_losses_done(&l);
    }
}

static void constraint_over_several_properties_is_unfit(void **state)
{
    struct ps_value keys[] = { text("x"), text("y") };
    struct eng_unique u = { .name = NB_STR("A"), .properties = keys, .properties_n = 2 };
    struct eng_losses l = { .byte_arrays = 0 };

    (void)state;
    u.rel = true;
    eng_losses_unique(&l, &u);
    assert_string_equal(l.unfit, "");
    u.rel = false;
    eng_losses_unique(&l, &u);
    assert_non_null(strstr(l.unfit, "several properties"));
    eng_losses_done(&l);
}

static void values_that_come_back_changed_are_counted(void **state)
{
    /* 0.1f and 0.5: only the first has other digits as a double. */
    static const unsigned char short_one[] = "\xC1\x3F\xB9\x99\x99\xA0\x00\x00\x00";
    static const unsigned char same_digits[] = "\xC1\x3F\xE0\x00\x00\x00\x00\x00\x00";
    struct ps_value changed = { .type = PS_FLOATS, .floats = { short_one, 1 } };
    struct ps_value same = { .type = PS_FLOATS, .floats = { same_digits, 1 } };
    struct ps_value tenth = { .type = PS_FLOAT, .real = 0.1 };
    struct ps_value bytes = { .type = PS_BYTES, .bytes = NB_STR("abc") };
    struct repo_strings list = { NULL, 0, 0 };
    struct eng_losses l = { .byte_arrays = 0 };

    (void)state;
    note(&l, "A", "k", same);
    note(&l, "A", "k", tenth);
    assert_false(l.changes_values);
    note(&l, "A", "k", changed);
    assert_true(l.changes_values);
    note(&l, "A", "k", bytes);
    assert_string_equal(l.unfit, "");
    eng_losses_list(&l, &list);
    assert_int_equal(list.n, 2);
    assert_true(nb_starts_with(list.items[0], "1 properties with floats of 32 bits"));
    assert_true(nb_starts_with(list.items[1], "1 byte arrays"));
    for (size_t i = 0; i < list.n; i++)
        free(list.items[i]);
    free(list.items);
}

#define ANALYZER(a)                                                                                \
    "CREATE FULLTEXT INDEX `f` FOR (n:`A`) ON EACH [n.`x`] OPTIONS {indexConfig: "                 \
    "{`fulltext.analyzer`: '" a "',`fulltext.eventually_consistent`: false}}"

static void schema_that_comes_back_changed_is_counted(void **state)
{
    static const struct {
        enum cyp_schema_kind kind;
        const char *name, *type, *statement;
        unsigned names, options, vectors;
        bool unfit;
    } cases[] = {
        { CYP_INDEX, "i", "RANGE", "CREATE RANGE INDEX `i` FOR (n:`A`) ON (n.`x`)", 1, 0, 0,
          false },
        { CYP_INDEX, "l", "LOOKUP", "CREATE LOOKUP INDEX `l` FOR (n) ON EACH labels(n)", 0, 0, 0,
          false },
        { CYP_INDEX, "f", "FULLTEXT", ANALYZER("standard-no-stop-words"), 0, 0, 0, false },
        { CYP_INDEX, "f", "FULLTEXT", ANALYZER("swedish"), 0, 1, 0, false },
        { CYP_INDEX, "a b", "FULLTEXT", ANALYZER("standard-no-stop-words"), 0, 0, 0, true },
        { CYP_INDEX, "p", "POINT",
          "CREATE POINT INDEX `p` FOR (n:`A`) ON (n.`x`) OPTIONS {indexConfig: "
          "{`spatial.cartesian.min`: [-100.0, -100.0]}}",
          1, 1, 0, false },
        { CYP_INDEX, "v", "VECTOR", "CREATE VECTOR INDEX `v` FOR (n:`A`) ON (n.`x`)", 0, 0, 1,
          false },
        { CYP_INDEX, "i", "RANGE", "CREATE RANGE INDEX `i` FOR (n:`A``B`) ON (n.`x`)", 1, 0, 0,
          true },
        { CYP_CONSTRAINT, "c", "UNIQUENESS", "CREATE CONSTRAINT `c` FOR (n:`A`) …", 0, 0, 0,
          false },
    };

    (void)state;
    for (size_t i = 0; i < NB_ARRAY_LEN(cases); i++) {
        struct eng_schema_item item = { .item = { .kind = cases[i].kind,
                                                  .name = nb_str_from(cases[i].name),
                                                  .type = nb_str_from(cases[i].type),
                                                  .statement = nb_str_from(cases[i].statement) } };
        struct eng_losses l = { .byte_arrays = 0 };

        eng_losses_schema(&l, &item);
        assert_int_equal(l.index_names, cases[i].names);
        assert_int_equal(l.index_options, cases[i].options);
        assert_int_equal(l.vector_indexes, cases[i].vectors);
        assert_int_equal(l.unfit[0] != '\0', cases[i].unfit);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(graphs_that_do_not_come_back_are_unfit),
        cmocka_unit_test(constraint_over_several_properties_is_unfit),
        cmocka_unit_test(values_that_come_back_changed_are_counted),
        cmocka_unit_test(schema_that_comes_back_changed_is_counted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
