#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "base/clock.h"
#include "cypher/literal.h"
#include "tests/unit/cypher/random_graph.h"

static bool parse(const char *text, struct nb_arena *arena, struct ps_value *ret)
{
    struct nb_error err = NB_ERROR_INIT;
    size_t used;

    return cyp_literal_parse(nb_str_from(text), arena, ret, &used, &err) && used == strlen(text);
}

static void literal_check(struct ps_value v, const char *want)
{
    nb_auto_done(nb_buf_done) struct nb_buf out = NB_BUF_INIT(1 << 20);
    struct nb_error err = NB_ERROR_INIT;
    bool lossy;

    assert_true(cyp_literal_append(&out, &v, &lossy, &err));
    assert_string_equal(nb_buf_cstr(&out), want);
    assert_false(lossy);
}

static void literal_of_known_value_has_known_text(void **unused)
{
    struct ps_value items[] = { { .type = PS_INT, .integer = 1 }, { .type = PS_NULL } };
    struct ps_pair pair = { { "a`b", 3 }, { .type = PS_BOOL, .boolean = true } };
    struct ps_value v = { .type = PS_STRING, .string = NB_STR("a'b\\u0027\n\x01;") };

    (void)unused;
    literal_check(v, "'a\\'b\\\\u0027\\n\\u0001;'");
    literal_check((struct ps_value){ .type = PS_INT, .integer = INT64_MIN },
                  "-9223372036854775808");
    literal_check((struct ps_value){ .type = PS_FLOAT, .real = -0.0 }, "-0.0");
    literal_check((struct ps_value){ .type = PS_FLOAT, .real = __builtin_nan("") },
                  "toFloat('NaN')");
    literal_check((struct ps_value){ .type = PS_LIST, .list = { items, 2 } }, "[1,null]");
    literal_check((struct ps_value){ .type = PS_MAP, .map = { &pair, 1 } }, "{`a``b`:true}");
    literal_check((struct ps_value){ .type = PS_DATE, .date_days = 19849 }, "date('2024-05-06')");
    literal_check((struct ps_value){ .type = PS_POINT,
                                     .point = { .srid = 4326, .dimensions = 2, .x = 1, .y = -2 } },
                  "point({srid:4326,x:1.0,y:-2.0})");
    literal_check((struct ps_value){ .type = PS_DATETIME,
                                     .datetime = { .seconds = 1729989000,
                                                   .zone = NB_STR("Europe/Stockholm") } },
                  "(duration('PT1729989000S')+datetime({epochSeconds:0,nanosecond:0,timezone:"
                  "'Europe/Stockholm'}))");
    literal_check((struct ps_value){ .type = PS_DATETIME, .datetime = { .seconds = 1729989000 } },
                  "datetime('2024-10-27T00:30:00Z')");
}

static void literal_of_byte_array_is_lossy(void **unused)
{
    nb_auto_done(nb_buf_done) struct nb_buf out = NB_BUF_INIT(1 << 20);
    struct ps_value v = { .type = PS_BYTES, .bytes = { "\x01\xff", 2 } };
    struct nb_error err = NB_ERROR_INIT;
    bool lossy;

    (void)unused;
    assert_true(cyp_literal_append(&out, &v, &lossy, &err));
    assert_string_equal(nb_buf_cstr(&out), "[1,255]");
    assert_true(lossy);
}

static void literal_of_random_value_reads_back(void **unused)
{
    const char *given = getenv("NB_TEST_SEED");
    struct rg g = { .state = given ? strtoull(given, NULL, 10) : (uint64_t)nb_clock_unix_ms(),
                    .no_bytes = true };

    (void)unused;
    print_message("NB_TEST_SEED=%llu\n", (unsigned long long)g.state);
    g.arena = nb_arena_new(16 << 20);
    for (unsigned i = 0; i < 30000; i++) {
        nb_auto_done(nb_buf_done) struct nb_buf out = NB_BUF_INIT(1 << 20);
        struct nb_error err = NB_ERROR_INIT;
        struct ps_value v, back;
        bool lossy;

        nb_arena_reset(g.arena);
        v = rg_value(&g);
        if (!cyp_literal_append(&out, &v, &lossy, &err))
            fail_msg("%s", err.text);
        if (!parse(nb_buf_cstr(&out), g.arena, &back) || !ps_value_equal(&v, &back))
            fail_msg("%s did not read back", nb_buf_cstr(&out));
    }
    nb_arena_free(g.arena);
}

static void literal_that_is_none_is_refused(void **unused)
{
    static const char *const bad[] = { "",
                                       "'",
                                       "'a",
                                       "[1",
                                       "[1,",
                                       "{",
                                       "{a:1}",
                                       "{`a`}",
                                       "{`a`:}",
                                       "nul",
                                       "date('x')",
                                       "date('2024-01-01'",
                                       "'\\u0041'",
                                       "'\\q'",
                                       "[,]",
                                       "1.",
                                       "vector([1],2,FLOAT32)",
                                       "vector([1.0],1,FLOAT16)",
                                       "point({})",
                                       "uuid('x')",
                                       "$p",
                                       "n.x",
                                       "{`a`:1,}" };
    struct nb_arena *arena = nb_arena_new(1 << 20);
    struct ps_value v;

    (void)unused;
    for (size_t i = 0; i < NB_ARRAY_LEN(bad); i++)
        if (parse(bad[i], arena, &v))
            fail_msg("'%s' was taken for a literal", bad[i]);
    nb_arena_free(arena);
}

static void literal_nested_too_deep_is_refused(void **unused)
{
    struct nb_arena *arena = nb_arena_new(1 << 20);
    struct ps_value v;
    char text[2001];

    (void)unused;
    memset(text, '[', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    assert_false(parse(text, arena, &v));
    nb_arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(literal_of_known_value_has_known_text),
        cmocka_unit_test(literal_of_byte_array_is_lossy),
        cmocka_unit_test(literal_of_random_value_reads_back),
        cmocka_unit_test(literal_that_is_none_is_refused),
        cmocka_unit_test(literal_nested_too_deep_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
