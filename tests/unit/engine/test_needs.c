#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "engine/needs.h"

static const struct bolt_version V54 = { 5, 4 }, V60 = { 6, 0 }, V61 = { 6, 1 };

static struct eng_server server(const char *version, const char *edition)
{
    struct eng_server s = { .vector_procedures = true };

    snprintf(s.version, sizeof(s.version), "%s", version);
    snprintf(s.edition, sizeof(s.edition), "%s", edition);
    return s;
}

#define VECTOR_PLAIN                                                                               \
    "CREATE VECTOR INDEX `v` FOR (n:`A`) ON (n.`e`) OPTIONS {indexConfig: "                        \
    "{`vector.dimensions`: 3,`vector.similarity_function`: 'COSINE'}, indexProvider: "             \
    "'vector-1.0'}"

static struct eng_needs needs_of(const char *type, bool enterprise, const char *statement)
{
    struct cyp_schema item = { .kind = CYP_CONSTRAINT,
                               .name = NB_STR("the one"),
                               .type = nb_str_from(type),
                               .statement = nb_str_from(statement),
                               .enterprise = enterprise };
    struct eng_needs n = { .vectors = false };

    eng_needs_schema(&n, &item);
    return n;
}

static void schema_is_checked_against_version_and_edition(void **state)
{
    static const struct {
        const char *type, *version, *edition, *text; /* text NULL: fine */
        bool enterprise;
    } cases[] = {
        { "NODE_KEY", "5.26.30", "community", "'the one' is of type NODE_KEY and needs Enterprise",
          true },
        { "NODE_KEY", "5.26.30", "enterprise", NULL, true },
        { "NODE_KEY", "", "", NULL, true }, /* not known: the server will say */
        { "VECTOR", "5.14.0", "community", "needs Neo4j 5.15", false },
        { "VECTOR", "5.15.0", "community", NULL, false },
        { "VECTOR", "2026.1.0", "community", NULL, false },
        { "VECTOR", "4.4.48", "community", "needs Neo4j 5.15", false },
        { "RELATIONSHIP_UNIQUENESS", "5.6.0", "community", "needs Neo4j 5.7", false },
        { "RELATIONSHIP_UNIQUENESS", "5.26.30", "community", NULL, false },
        { "BTREE", "4.4.48", "community", NULL, false },
        { "BTREE", "5.26.30", "community", "needs Neo4j 4.4", false },
        { "RANGE", "4.4.48", "community", NULL, false },
    };

    (void)state;
    for (size_t i = 0; i < NB_ARRAY_LEN(cases); i++) {
        struct eng_server s = server(cases[i].version, cases[i].edition);
        struct eng_needs n = needs_of(cases[i].type, cases[i].enterprise, VECTOR_PLAIN);
        struct nb_error err = NB_ERROR_INIT;
        bool ok = eng_needs_check(&n, &s, V54, &err);

        if (ok != !cases[i].text || (cases[i].text && !strstr(err.text, cases[i].text)))
            fail_msg("case %zu: %s", i, err.text);
        if (!ok)
            assert_string_equal(err.reason, "TargetLacksFeature");
    }
}

/* As a server prints them, by a reader of the dump: so what is looked for is what is there. */
static bool take_schema(void *ctx, const struct cyp_schema *item, struct nb_error *err)
{
    (void)err;
    eng_needs_schema(ctx, item);
    return true;
}

static struct eng_needs needs_of_dump(const char *statement)
{
    static const struct cyp_reader_ops ops = { .schema = take_schema };
    struct cyp_reader_opts opts = { .any_script = false };
    struct eng_needs n = { .vectors = false };
    struct cyp_reader *reader = cyp_reader_new(&opts, &ops, &n);
    struct nb_error err = NB_ERROR_INIT;
    static const char head[] = "// neo4j-backup dump, format 1\n// helper: _nb_1a2b3c4d\n";

    if (!cyp_reader_feed(reader, head, strlen(head), &err) ||
        !cyp_reader_feed(reader, statement, strlen(statement), &err) ||
        !cyp_reader_feed(reader, ";\n", 2, &err))
        fail_msg("%s", err.text);
    cyp_reader_free(reader);
    return n;
}

#define VECTOR(of, options)                                                                        \
    "CREATE VECTOR INDEX `the one` FOR " of " OPTIONS {indexConfig: {" options "}}"
#define SIZES "`vector.dimensions`: 3,`vector.similarity_function`: 'COSINE'"

/* One row of the table each: the last version that lacks it, and the first that has it. */
static void each_kind_has_its_first_version(void **state)
{
    static const struct {
        const char *statement, *too_old, *needs, *new_enough;
    } cases[] = {
        { VECTOR("(n:`A`) ON (n.`e`)", SIZES), "5.14.0", "5.15", "5.15.0" },
        { VECTOR("()-[r:`R`]-() ON (r.`e`)", SIZES), "5.17.0", "5.18", "5.18.1" },
        { "CREATE VECTOR INDEX `the one` FOR (n:`A`) ON (n.`e`) OPTIONS {indexConfig: {" SIZES
          "}, indexProvider: 'vector-2.0'}",
          "5.17.0", "5.18", "5.18.0" },
        { VECTOR("(n:`A`) ON (n.`e`)", SIZES ",`vector.quantization.enabled`: true"), "5.22.0",
          "5.23", "5.23.0" },
        { VECTOR("(n:`A`) ON (n.`e`)", SIZES ",`vector.hnsw.m`: 16"), "5.22.0", "5.23", "5.26.30" },
        { VECTOR("(n:`A`) ON (n.`e`)", "`vector.similarity_function`: 'COSINE'"), "5.22.0", "5.23",
          "5.23.0" },
        { VECTOR("(n:`A`|`B`) ON (n.`e`)", SIZES), "2025.12.1", "2026.01", "2026.1.0" },
        { VECTOR("(n:`A`) ON (n.`e`) WITH [n.`x`]", SIZES), "5.26.30", "2026.01", "2026.08.1" },
        { "CREATE CONSTRAINT `the one` FOR (n:`A`) REQUIRE (n.`x`) IS :: STRING", "5.8.0", "5.9",
          "5.9.0" },
        { "CREATE CONSTRAINT `the one` FOR ()-[r:`R`]-() REQUIRE (r.`x`) IS :: STRING", "4.4.48",
          "5.9", "5.9.0" },
        { "CREATE CONSTRAINT `the one` FOR (n:`A`) REQUIRE (n.`x`) IS :: LIST<DATE NOT NULL>",
          "5.9.0", "5.10", "5.10.0" },
        { "CREATE CONSTRAINT `the one` FOR ()-[r:`R`]-() REQUIRE (r.`x`) IS :: LIST<DATE NOT NULL>",
          "5.9.0", "5.10", "5.10.0" },
        { "CREATE CONSTRAINT `the one` FOR (n:`A`) REQUIRE (n.`x`) IS :: INTEGER | FLOAT", "5.10.0",
          "5.11", "5.11.0" },
        { "CREATE CONSTRAINT `the one` FOR ()-[r:`R`]-() REQUIRE (r.`x`) IS :: INTEGER | FLOAT",
          "5.10.0", "5.11", "5.11.0" },
        { "CREATE CONSTRAINT `the one` FOR ()-[r:`R`]-() REQUIRE (r.`x`) IS UNIQUE", "5.6.0", "5.7",
          "5.7.0" },
        { "CREATE CONSTRAINT `the one` FOR ()-[r:`R`]-() REQUIRE (r.`x`) IS RELATIONSHIP KEY",
          "5.6.0", "5.7", "5.7.0" },
        /* Names may be anything. */
        { VECTOR("(n:`A|B WITH [ OPTIONS {``vector.hnsw.m``: 1`) ON (n.`e`)", SIZES), "5.14.0",
          "5.15", "5.15.0" },
        { "CREATE CONSTRAINT `the one` FOR (n:`LIST< | `) REQUIRE (n.`x`) IS :: STRING", "5.8.0",
          "5.9", "5.9.0" },
    };

    (void)state;
    for (size_t i = 0; i < NB_ARRAY_LEN(cases); i++) {
        struct eng_server old = server(cases[i].too_old, "enterprise");
        struct eng_server new = server(cases[i].new_enough, "enterprise");
        struct eng_needs n = needs_of_dump(cases[i].statement);
        struct nb_error err = NB_ERROR_INIT;
        char text[80];

        snprintf(text, sizeof(text), "'the one' needs Neo4j %s or later", cases[i].needs);
        if (!eng_needs_check(&n, &new, V54, &err))
            fail_msg("case %zu: %s", i, err.text);
        if (eng_needs_check(&n, &old, V54, &err) || !strstr(err.text, text))
            fail_msg("case %zu: %s", i, err.text);
    }
}

/* In any edition but Community. */
static void what_needs_enterprise_edition_is_known_by_its_statement(void **state)
{
    static const char *const statements[] = {
        "CREATE CONSTRAINT `the one` FOR (n:`A`) REQUIRE (n.`x`) IS NODE KEY",
        "CREATE CONSTRAINT `the one` FOR (n:`A`) REQUIRE (n.`x`) IS NOT NULL",
        "CREATE CONSTRAINT `the one` FOR ()-[r:`R`]-() REQUIRE (r.`x`) IS NOT NULL",
        "CREATE CONSTRAINT `the one` FOR ()-[r:`R`]-() REQUIRE (r.`x`) IS RELATIONSHIP KEY",
        "CREATE CONSTRAINT `the one` FOR (n:`A`) REQUIRE (n.`x`) IS :: STRING",
        "CREATE CONSTRAINT `the one` FOR ()-[r:`R`]-() REQUIRE (r.`x`) IS :: STRING",
    };

    (void)state;
    for (size_t i = 0; i < NB_ARRAY_LEN(statements); i++) {
        struct eng_server c = server("5.26.30", "community"), e = server("5.26.30", "enterprise");
        struct eng_needs n = needs_of_dump(statements[i]);
        struct nb_error err = NB_ERROR_INIT;

        assert_true(eng_needs_check(&n, &e, V54, &err));
        assert_false(eng_needs_check(&n, &c, V54, &err));
        if (!strstr(err.text, "needs Enterprise Edition"))
            fail_msg("case %zu: %s", i, err.text);
    }
}

static void values_are_checked_against_protocol(void **state)
{
    struct ps_value item = { .type = PS_UUID };
    struct ps_pair pairs[] = {
        { .key = NB_STR("v"), .value = { .type = PS_VECTOR } },
        { .key = NB_STR("u"), .value = { .type = PS_LIST, .list = { &item, 1 } } },
    };
    struct ps_map one = { pairs, 1 }, both = { pairs, 2 };
    struct eng_server s = server("2026.1.0", "enterprise"), c = server("2026.1.0", "community");
    struct nb_error err = NB_ERROR_INIT;
    struct eng_needs n = { .vectors = false };

    (void)state;
    assert_true(eng_needs_check(&n, &s, V54, &err));
    eng_needs_props(&n, &one);
    assert_true(n.vectors && !n.uuids);
    assert_false(eng_needs_check(&n, &s, V54, &err));
    assert_false(eng_needs_check(&n, &c, V60, &err));
    assert_true(eng_needs_check(&n, &s, V60, &err));
    eng_needs_props(&n, &both);
    assert_true(n.uuids);
    assert_false(eng_needs_check(&n, &s, V60, &err));
    assert_true(eng_needs_check(&n, &s, V61, &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(schema_is_checked_against_version_and_edition),
        cmocka_unit_test(each_kind_has_its_first_version),
        cmocka_unit_test(what_needs_enterprise_edition_is_known_by_its_statement),
        cmocka_unit_test(values_are_checked_against_protocol),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
