#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "cypher/reader.h"
#include "engine/statements.h"

/* Scripts of others as the reader cuts them, looked at and not run. */

static bool other(void *ctx, struct nb_str text, struct nb_error *err)
{
    return eng_statements_take(ctx, text, err);
}

/* How many statements; -1: refused, err says why. */
static int64_t look(const char *script, struct nb_error *err)
{
    struct cyp_reader_opts opts = { .any_script = true };
    struct cyp_reader_ops ops = { .other = other };
    struct eng_statements *s = eng_statements_new(NULL);
    struct cyp_reader *reader = cyp_reader_new(&opts, &ops, s);
    int64_t n = -1;

    *err = (struct nb_error)NB_ERROR_INIT;
    if (cyp_reader_feed(reader, script, strlen(script), err) && cyp_reader_finish(reader, err) &&
        eng_statements_finish(s, err))
        n = (int64_t)eng_statements_count(s);
    cyp_reader_free(reader);
    eng_statements_free(s);
    return n;
}

static void scripts_are_cut_as_cypher_shell_cuts_them(void **state)
{
    static const struct {
        const char *script;
        int64_t n;
    } cases[] = {
        { "CREATE (:A);CREATE (:B);\n", 2 },
        { "CREATE (:A {x: 'a;b', y: \"c;d\"});", 1 },
        { "CREATE (:`a;b`);", 1 },
        { "CREATE (:A {x: 'it\\'s; so'});", 1 },
        { "// a; comment\nCREATE (:A); // another; one\nCREATE (:B)", 2 },
        { "/* a; comment */ CREATE (:A);", 1 },
        { ":begin\nCREATE (:A);\n:commit\n:begin\nCREATE (:B);\n:commit\n", 6 },
        { ":begin\nCREATE (:A);\n:rollback;\n", 3 },
        { ":BEGIN\nCREATE (:A);\n:Commit\n", 3 },
    };
    struct nb_error err;

    (void)state;
    for (size_t i = 0; i < NB_ARRAY_LEN(cases); i++) {
        int64_t n = look(cases[i].script, &err);

        if (n != cases[i].n)
            fail_msg("case %zu: %lld statements; %s", i, (long long)n, err.text);
    }
}

static void commands_are_refused_by_name(void **state)
{
    static const struct {
        const char *script, *text;
    } cases[] = {
        { ":param x => 1\nCREATE (:A);\n", "':param'" },
        { ":use other\n", "':use'" },
        { ":auto CREATE (:A);\n", "':auto'" },
        { ":source file\n", "':source'" },
        { "CREATE (:A);\n:commit\n", ":commit outside of a transaction" },
        { ":rollback\n", ":rollback outside of a transaction" },
        { ":begin\n:begin\n", ":begin within a transaction" },
        { ":begin\nCREATE (:A);\n", "ends within a transaction" },
    };
    struct nb_error err;

    (void)state;
    for (size_t i = 0; i < NB_ARRAY_LEN(cases); i++) {
        assert_int_equal(look(cases[i].script, &err), -1);
        if (!strstr(err.text, cases[i].text))
            fail_msg("case %zu: %s", i, err.text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scripts_are_cut_as_cypher_shell_cuts_them),
        cmocka_unit_test(commands_are_refused_by_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
