#include "tests/unit/cmocka.h"

/* src/main is no part of the library. */
#include "main/bar.c"

static const struct eng_progress half = {
    .stage = ENG_EXPORTING_NODES,
    .percent = 46,
    .nodes = 1000,
    .rels = 500,
    .total_nodes = 1000,
    .total_rels = 2000,
    .exported_bytes = 5000000,
    .uploaded_bytes = 1234567,
    .rows_per_second = 85200,
    .eta_seconds = 42,
};

static void bar_shows_what_is_known(void **state)
{
    char out[BAR_TEXT_MAX];

    (void)state;
    assert_string_equal(bar_format(&half, "neo4j", 200, out),
                        "neo4j ExportingNodes [##################----------------------]  46 % "
                        "1500/3000 rows 85.2k/s 1.2 MB ETA 0:42");
}

static void bar_gives_way_where_there_is_little_room(void **state)
{
    char out[BAR_TEXT_MAX];

    (void)state;
    assert_string_equal(
        bar_format(&half, "neo4j", 80, out),
        "neo4j ExportingNodes [#####------]  46 % 1500/3000 rows 85.2k/s 1.2 MB ETA "
        "0:42");
    for (unsigned columns = 1; columns < 300; columns++)
        assert_true(strlen(bar_format(&half, "neo4j", columns, out)) < columns);
}

static void bar_of_a_start_is_short(void **state)
{
    const struct eng_progress start = { .stage = ENG_CONNECTING, .eta_seconds = -1 };
    char out[BAR_TEXT_MAX];

    (void)state;
    assert_string_equal(bar_format(&start, "", 30, out), "Connecting [----------]   0 %");
}

static void numbers_have_units(void **state)
{
    const struct eng_progress big = {
        .stage = ENG_UPLOADING,
        .percent = 95,
        .nodes = 123456789,
        .exported_bytes = UINT64_C(98765432100),
        .eta_seconds = 3 * 3600 + 61,
    };
    char out[BAR_TEXT_MAX];

    (void)state;
    assert_string_equal(bar_format(&big, NULL, 60, out),
                        "Uploading  95 % 123.5M rows 98.77 GB ETA 3:01:01");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bar_shows_what_is_known),
        cmocka_unit_test(bar_gives_way_where_there_is_little_room),
        cmocka_unit_test(bar_of_a_start_is_short),
        cmocka_unit_test(numbers_have_units),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
