#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "cypher/ident.h"

static void name_check(const char *name, const char *text)
{
    nb_auto_done(nb_buf_done) struct nb_buf out = NB_BUF_INIT(4096);
    nb_auto_done(nb_buf_done) struct nb_buf back = NB_BUF_INIT(4096);
    struct nb_error err = NB_ERROR_INIT;

    cyp_ident_append(&out, nb_str_from(name));
    assert_string_equal(nb_buf_cstr(&out), text);
    assert_true(cyp_ident_parse(nb_buf_str(&out), &back, &err));
    assert_string_equal(nb_buf_cstr(&back), name);
}

static void name_with_anything_in_it_stays_within_its_backticks(void **unused)
{
    (void)unused;
    name_check("Person", "`Person`");
    name_check("", "``");
    name_check("with space", "`with space`");
    name_check("a`b", "`a``b`");
    name_check("`", "````");
    name_check("``", "``````");
    name_check("\\", "`\\u005C`");
    name_check("\\u0060", "`\\u005Cu0060`");
    name_check("a\\", "`a\\u005C`");
    name_check("\n\r\t\x7f", "`\\u000A\\u000D\\u0009\\u007F`");
    name_check("\xe6\x9d\xb1", "`\xe6\x9d\xb1`");
    name_check("';--", "`';--`");
}

static void name_that_is_not_whole_is_refused(void **unused)
{
    static const char *const bad[] = { "",          "`",         "a",         "`a",
                                       "a`",        "`a`b`",     "```",       "`\\`",
                                       "`\\u0060`", "`\\u0041`", "`\\u000a`", "`\\u005`" };
    nb_auto_done(nb_buf_done) struct nb_buf back = NB_BUF_INIT(4096);
    struct nb_error err = NB_ERROR_INIT;

    (void)unused;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (cyp_ident_parse(nb_str_from(bad[i]), &back, &err))
            fail_msg("'%s' was taken for a name", bad[i]);
}

static void statement_check(const char *statement, const char *want)
{
    nb_auto_done(nb_buf_done) struct nb_buf out = NB_BUF_INIT(4096);
    struct nb_error err = NB_ERROR_INIT;
    bool ok = cyp_statement_append_safe(&out, nb_str_from(statement), &err);

    assert_int_equal(ok, want != NULL);
    if (want)
        assert_string_equal(nb_buf_cstr(&out), want);
    else
        assert_string_equal(err.reason, "BadSchemaStatement");
}

static void statement_of_a_server_is_made_safe(void **unused)
{
    (void)unused;
    statement_check("CREATE INDEX `a\\u0060` FOR (n:`b``;c`)\nON (n.`d`) ",
                    "CREATE INDEX `a\\u005Cu0060` FOR (n:`b``;c`) ON (n.`d`)");
    statement_check("CREATE X OPTIONS {a: 'b\\'c;'}", "CREATE X OPTIONS {a: 'b\\'c;'}");
    statement_check("CREATE INDEX a; MATCH (n) DETACH DELETE n", NULL);
    statement_check("CREATE INDEX a // x", NULL);
    statement_check("CREATE INDEX a /* x", NULL);
    statement_check("CREATE INDEX `a", NULL);
    statement_check("CREATE INDEX 'a", NULL);
    statement_check("CREATE INDEX 'a\\'", NULL);
    statement_check("CREATE INDEX \\u003B", NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(name_with_anything_in_it_stays_within_its_backticks),
        cmocka_unit_test(name_that_is_not_whole_is_refused),
        cmocka_unit_test(statement_of_a_server_is_made_safe),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
