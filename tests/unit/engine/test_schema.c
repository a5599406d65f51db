#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/schema.h"
#include "tests/fakes/fake_target.h"

static const char *const databases[] = { "neo4j", NULL };

#define ITEM(k, n, t, s)                                                                           \
    {                                                                                              \
        .kind = (k), .name = { (n), sizeof(n) - 1 }, .type = { (t), sizeof(t) - 1 },               \
        .statement = {                                                                             \
            (s),                                                                                   \
            sizeof(s) - 1                                                                          \
        }                                                                                          \
    }

static const struct cyp_schema schema[] = {
    ITEM(CYP_INDEX, "age", "RANGE", "CREATE INDEX `age` FOR (n:`Person`) ON (n.`age`)"),
    ITEM(CYP_INDEX, "labels", "LOOKUP",
         "CREATE LOOKUP INDEX `labels` IF NOT EXISTS FOR (n) ON EACH labels(n)"),
    ITEM(CYP_INDEX, "odd FOR ()", "VECTOR",
         "CREATE VECTOR INDEX `odd FOR ()` FOR (n:`Person`) ON (n.`v`)"),
    ITEM(CYP_INDEX, "since FOR (n)", "RANGE",
         "CREATE INDEX `since FOR (n)` FOR ()-[r:`KNOWS`]-() ON (r.`since`)"),
    ITEM(CYP_CONSTRAINT, "id", "UNIQUENESS",
         "CREATE CONSTRAINT `id` FOR (n:`Person`) REQUIRE (n.`id`) IS UNIQUE"),
};
enum { ALL = 5, EARLY = 2 };

struct world {
    struct fake_target *t;
    struct eng_dest *dest;
    struct eng_schema *schema;
    struct nb_error err;
};

static struct world begin(bool merge)
{
    struct world w = { .t = fake_target_start(databases), .err = NB_ERROR_INIT };
    struct eng_dest_opts opts = { .bolt = BOLT_CONN_OPTS_INIT };

    opts.bolt.uri = fake_target_uri(w.t);
    w.dest = eng_dest_new(&opts);
    w.schema = eng_schema_new(merge);
    for (size_t i = 0; i < ALL; i++)
        eng_schema_expect(w.schema, &schema[i]);
    assert_true(eng_schema_begin(w.schema, w.dest, &w.err));
    return w;
}

static void end(struct world *w)
{
    eng_schema_free(w->schema);
    eng_dest_free(w->dest);
    fake_target_free(w->t);
}

static void make(struct world *w, uint64_t wanted_constraints, uint64_t wanted_indexes)
{
    uint64_t constraints = 0, indexes = 0;

    assert_true(eng_schema_make(w->schema, w->dest, &constraints, &indexes, &w->err));
    assert_int_equal(constraints, wanted_constraints);
    assert_int_equal(indexes, wanted_indexes);
}

static int64_t made(const struct world *w)
{
    return fake_target_counts(w->t, "neo4j").schema;
}

static void assert_began(const struct world *w, const char *wanted)
{
    struct fake_target_counts counts = fake_target_counts(w->t, "neo4j");

    assert_string_equal(counts.schema_began, wanted);
}

static void indexes_of_nodes_are_begun_and_not_made_again(void **state)
{
    struct world w = begin(false);

    (void)state;
    assert_int_equal(made(&w), EARLY);
    for (size_t i = 0; i < ALL; i++)
        eng_schema_add(w.schema, &schema[i]);
    make(&w, 1, ALL - 1);
    assert_int_equal(made(&w), ALL);
    end(&w);
}

static void merge_begins_nothing(void **state)
{
    struct world w = begin(true);

    (void)state;
    assert_int_equal(made(&w), 0);
    for (size_t i = 0; i < ALL; i++)
        eng_schema_add(w.schema, &schema[i]);
    make(&w, 1, ALL - 1);
    assert_int_equal(made(&w), ALL);
    end(&w);
}

static void what_was_not_expected_is_made_at_the_end(void **state)
{
    static const struct cyp_schema late =
        ITEM(CYP_INDEX, "late", "RANGE", "CREATE INDEX `late` FOR (n:`Person`) ON (n.`late`)");
    struct world w = begin(false);

    (void)state;
    eng_schema_add(w.schema, &late);
    eng_schema_add(w.schema, &schema[0]);
    make(&w, 0, 2);
    assert_int_equal(made(&w), EARLY + 1);
    end(&w);
}

/* One more of each, and the constraint before them all. */
static void longest_comes_first_and_a_constraint_last(void **state)
{
    static const struct cyp_schema more[] = {
        ITEM(CYP_CONSTRAINT, "c", "UNIQUENESS", "CREATE CONSTRAINT `c` FOR (n:`A`) REQUIRE n.`c`"),
        ITEM(CYP_INDEX, "p", "POINT", "CREATE POINT INDEX `p` FOR (n:`A`) ON (n.`p`)"),
        ITEM(CYP_INDEX, "t", "TEXT", "CREATE TEXT INDEX `t` FOR (n:`A`) ON (n.`t`)"),
        ITEM(CYP_INDEX, "f", "FULLTEXT", "CREATE FULLTEXT INDEX `f` FOR (n:`A`) ON EACH [n.`f`]"),
        ITEM(CYP_INDEX, "v", "VECTOR", "CREATE VECTOR INDEX `v` FOR (n:`A`) ON (n.`v`)"),
    };
    struct world w = begin(false);

    (void)state;
    assert_began(&w, "VECTOR INDEX ");
    for (size_t i = 0; i < NB_ARRAY_LEN(more); i++)
        eng_schema_add(w.schema, &more[i]);
    make(&w, 1, NB_ARRAY_LEN(more) - 1);
    assert_began(&w, "VECTOR INDEX VECTOR FULLTEXT POINT TEXT CONSTRAINT ");
    end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(indexes_of_nodes_are_begun_and_not_made_again),
        cmocka_unit_test(merge_begins_nothing),
        cmocka_unit_test(longest_comes_first_and_a_constraint_last),
        cmocka_unit_test(what_was_not_expected_is_made_at_the_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
