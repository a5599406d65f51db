#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "cypher/apoc.h"

/* Statements as apoc-core 5.26 writes them, and some that it does not. */

#define HELPER   "`UNIQUE IMPORT LABEL`{`UNIQUE IMPORT ID`: row._id}"
#define CREATE_N "] AS row\nCREATE (n:" HELPER ") SET n += row.properties"
#define ENDS                                                                                       \
    "] AS row\nMATCH (start:`UNIQUE IMPORT LABEL`{`UNIQUE IMPORT ID`: row.start._id})\n"           \
    "MATCH (end:A{x: row.end.x})\n"
#define CREATE_R    ENDS "CREATE (start)-[r:`t y`]->(end) SET r += row.properties"
#define NODE(value) "UNWIND [{_id:0, properties:{x:" value "}}" CREATE_N " SET n:A"

static void what_apoc_writes_is_known_and_counted(void **state)
{
    static const struct {
        const char *text;
        enum cyp_apoc_kind kind;
        uint64_t rows, properties;
    } cases[] = {
        { ":begin", CYP_APOC_FRAME, 0, 0 },
        { ":commit", CYP_APOC_FRAME, 0, 0 },
        { "CALL db.awaitIndexes(300)", CYP_APOC_FRAME, 0, 0 },
        { "CREATE RANGE INDEX FOR (n:A) ON (n.i, n.j)", CYP_APOC_INDEX, 0, 0 },
        { "CREATE RANGE INDEX FOR ()-[rel:`R`]-() ON (rel.x)", CYP_APOC_INDEX, 0, 0 },
        { "CREATE FULLTEXT INDEX ft FOR (n:A|B) ON EACH [n.`s`,n.`t`]", CYP_APOC_INDEX, 0, 0 },
        { "CREATE CONSTRAINT uni FOR (node:Multi) REQUIRE (node.x) IS UNIQUE", CYP_APOC_CONSTRAINT,
          0, 0 },
        { "CREATE CONSTRAINT UNIQUE_IMPORT_NAME FOR (node:`UNIQUE IMPORT LABEL`) REQUIRE "
          "(node.`UNIQUE IMPORT ID`) IS UNIQUE",
          CYP_APOC_FRAME, 0, 0 },
        { "CREATE CONSTRAINT ON (node:`UNIQUE IMPORT LABEL`) ASSERT (node.`UNIQUE IMPORT ID`) IS "
          "UNIQUE",
          CYP_APOC_FRAME, 0, 0 },
        { "MATCH (n:`UNIQUE IMPORT LABEL`)  WITH n LIMIT 20000 REMOVE n:`UNIQUE IMPORT LABEL` "
          "REMOVE n.`UNIQUE IMPORT ID`",
          CYP_APOC_FRAME, 0, 0 },
        { "DROP CONSTRAINT UNIQUE_IMPORT_NAME", CYP_APOC_FRAME, 0, 0 },
        { "DROP CONSTRAINT ON (node:`UNIQUE IMPORT LABEL`) ASSERT (node.`UNIQUE IMPORT ID`) IS "
          "UNIQUE",
          CYP_APOC_FRAME, 0, 0 },
        { "UNWIND [{_id:4, properties:{}}" CREATE_N, CYP_APOC_NODES, 1, 0 },
        { "UNWIND [{_id:4, properties:{a:1, `b c`:[1, -2]}}, {_id:5, properties:{a:\"x\"}}" CREATE_N
          " SET n:A:`B C`",
          CYP_APOC_NODES, 2, 3 },
        { "UNWIND [{x:1, properties:{y:2}}] AS row\nCREATE (n:Multi{x: row.x}) SET n += "
          "row.properties SET n:Labels",
          CYP_APOC_NODES, 1, 2 },
        { NODE("1.0E300") " ", CYP_APOC_NODES, 1, 1 },
        { NODE("-4.9E-324"), CYP_APOC_NODES, 1, 1 },
        { NODE("[NaN, -Infinity, Infinity, -0.0]"), CYP_APOC_NODES, 1, 1 },
        { NODE("-9223372036854775808"), CYP_APOC_NODES, 1, 1 },
        { NODE("[true, false]"), CYP_APOC_NODES, 1, 1 },
        { NODE("\"a'b\\\"c\\\\d\\n;:begin \\u0041\""), CYP_APOC_NODES, 1, 1 },
        { NODE("datetime('2024-10-27T02:30:00+02:00[Europe/Stockholm]')"), CYP_APOC_NODES, 1, 1 },
        { NODE("point({x: 1.0, y: 2.0, z: 3.0, crs: 'cartesian-3d'})"), CYP_APOC_NODES, 1, 1 },
        { NODE("[duration('P1D'), duration('P1M-2DT-3.5S')]"), CYP_APOC_NODES, 1, 1 },
        { "UNWIND [{start: {_id:0}, end: {x:\"k\"}, properties:{since:date('2020-01-01'), n:1}}, "
          "{start: {_id:1}, end: {x:2}, properties:{}}" CREATE_R,
          CYP_APOC_RELS, 2, 2 },
    };

    (void)state;
    for (size_t i = 0; i < NB_ARRAY_LEN(cases); i++) {
        struct cyp_apoc_statement s;

        if (!cyp_apoc_read(nb_str_from(cases[i].text), &s))
            fail_msg("not known: %s", cases[i].text);
        assert_int_equal(s.kind, cases[i].kind);
        assert_int_equal(s.rows, cases[i].rows);
        assert_int_equal(s.properties, cases[i].properties);
    }
}

static void what_apoc_does_not_write_is_not_known(void **state)
{
    static const char *const cases[] = {
        "",
        ":param x => 1",
        ":begin MATCH (n) DELETE n",
        "MATCH (n) DETACH DELETE n",
        "MATCH (n:`UNIQUE IMPORT LABEL`) WITH n LIMIT 1 DETACH DELETE n",
        "MATCH (n:`UNIQUE IMPORT LABEL`) WITH n LIMIT 1 REMOVE n:`UNIQUE IMPORT LABEL` REMOVE "
        "n.`UNIQUE IMPORT ID` DELETE n",
        "DROP CONSTRAINT users",
        "DROP CONSTRAINT UNIQUE_IMPORT_NAMES",
        "CALL dbms.shutdown()",
        "CALL db.awaitIndexes(300) YIELD x",
        "CREATE (n:A)",
        "CREATE INDEX = (n:A)",
        "CREATE INDEX=(n:A)",
        "CREATE USER u SET PASSWORD 'x'",
        "CREATE FULLTEXT INDEX a b FOR (n:A) ON EACH [n.x]",
        "CREATE RANGE INDEX FOR (n:`a`b`) ON (n.x)",
        "CREATE RANGE INDEX FOR (n:A) ON (n.x",
        "CREATE RANGE INDEX FOR (n:A) ON (n.x))",
        "CREATE RANGE INDEX FOR (n:A) ON (n.x); MATCH (n) DELETE n",
        "LOAD CSV FROM 'http://x' AS l CREATE (:A)",
        /* values that are no literals */
        NODE("apoc.util.sleep(1)"),
        NODE("n.x"),
        NODE("$x"),
        NODE("1 + 1"),
        NODE("date()"),
        NODE("COLLECT { LOAD CSV FROM 'http://x' AS l RETURN l }"),
        NODE("[(a)-->(b) | a.x]"),
        NODE("[x IN [1] | x]"),
        NODE("\"a\\u0022\""),
        NODE("'a\\u0027'"),
        NODE("\"a\\u005C\""),
        NODE("\"a"),
        NODE("1e"),
        NODE("[[[[[[[1]]]]]]]"),
        /* names that end early */
        "UNWIND [{_id:0, properties:{`a\\u0060`:1}}" CREATE_N,
        "UNWIND [{_id:0, properties:{`a`b`:1}}" CREATE_N,
        "UNWIND [{_id:0, properties:{x:1}}" CREATE_N " SET n:`a`b`",
        /* something more, or less */
        "UNWIND [{_id:0, properties:{x:1}}" CREATE_N " SET n:A DELETE n",
        "UNWIND [{_id:0, properties:{x:1}}" CREATE_N " SET n.x = 1",
        "UNWIND [{_id:0, properties:{x:1}}] AS row",
        "UNWIND [{_id:0, properties:{x:1}}] AS row RETURN row",
        "UNWIND [{_id:0, properties:{x:1}}] AS row\nCREATE (n) SET n += row.properties",
        "UNWIND [{start: {_id:0}, end: {x:1}, properties:{}}" ENDS "CREATE (start)-[r:R]->(end)",
        "UNWIND [{start: {_id:0}, end: {x:1}, properties:{}}" ENDS "DELETE start, end",
        "UNWIND [{start: {_id:0}, other: {x:1}, properties:{}}" CREATE_R,
    };
    static const char nul[] = NODE("\"a\0b\"");
    struct cyp_apoc_statement s;

    (void)state;
    for (size_t i = 0; i < NB_ARRAY_LEN(cases); i++) {
        if (cyp_apoc_read(nb_str_from(cases[i]), &s))
            fail_msg("known: %s", cases[i]);
    }
    assert_false(cyp_apoc_read((struct nb_str){ nul, sizeof(nul) - 1 }, &s));
}

static void cut_anywhere_it_is_not_known(void **state)
{
    static const char *const cases[] = {
        NODE("point({x: 1.0, y: 2.0, crs: 'cartesian'})"),
        "UNWIND [{start: {_id:0}, end: {x:\"k\"}, properties:{a:1}}" CREATE_R,
    };
    struct cyp_apoc_statement s;

    (void)state;
    for (size_t i = 0; i < NB_ARRAY_LEN(cases); i++) {
        size_t whole = strlen(cases[i]);

        assert_true(cyp_apoc_read(nb_str_from(cases[i]), &s));
        for (size_t n = 0; n + sizeof(" SET n:A") < whole; n++) {
            /* In memory of its own, so that a sanitizer sees a read behind it. */
            nb_auto(nb_free) char *copy = nb_xmalloc(n + 1);

            memcpy(copy, cases[i], n);
            assert_false(cyp_apoc_read((struct nb_str){ copy, n }, &s));
        }
    }
}

static void names_that_apoc_cannot_write_are_told(void **state)
{
    (void)state;
    assert_true(cyp_apoc_can_name(NB_STR("a b\\c'd\"\n")));
    assert_false(cyp_apoc_can_name(NB_STR("a`b")));
    assert_false(cyp_apoc_can_name(NB_STR("a\\u0062")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_apoc_writes_is_known_and_counted),
        cmocka_unit_test(what_apoc_does_not_write_is_not_known),
        cmocka_unit_test(cut_anywhere_it_is_not_known),
        cmocka_unit_test(names_that_apoc_cannot_write_are_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
