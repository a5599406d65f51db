#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* src/main is no part of the library. */
#include "main/databases.c"
#include "main/options.c"
#include "main/options_table.c"

static void glob_matches_as_it_should(void **state)
{
    static const struct {
        const char *glob, *name;
        bool match;
    } cases[] = {
        { "*", "", true },
        { "*", "neo4j", true },
        { "neo4j", "neo4j", true },
        { "neo4j", "neo4j2", false },
        { "neo?j", "neo4j", true },
        { "?", "", false },
        { "a*b*c", "aXXbYYc", true },
        { "a*b*c", "aXXcYYb", false },
        { "*-prod", "a-prod-prod", true },
        { "**", "x", true },
        { "a*", "b", false },
        { "", "", true },
        { "", "x", false },
        { "*a*a*a*a*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false },
    };

    (void)state;
    for (size_t i = 0; i < NB_ARRAY_LEN(cases); i++)
        assert_int_equal(database_glob_match(cases[i].glob, cases[i].name), cases[i].match);
}

static bool is_wanted(const char *list, const char *exclude, bool include_system, const char *name)
{
    nb_auto(nb_free) char *a = nb_xasprintf("NEO4J_DATABASES=%s", list);
    nb_auto(nb_free) char *b = nb_xasprintf("NEO4J_EXCLUDE_DATABASES=%s", exclude);
    char c[] = "NEO4J_INCLUDE_SYSTEM=true", none[] = "X=";
    char *const envp[] = { a, b, include_system ? c : none, NULL };
    struct eng_database db = { .name = nb_str_from(name), .system = nb_streq(name, "system") };
    struct nb_error err = NB_ERROR_INIT;
    struct options *o = NULL;
    bool help, ret;

    assert_true(options_load(CMD_BACKUP, "backup", 0, NULL, envp, &o, &help, &err));
    ret = wanted(o, &db, name);
    options_free(o);
    return ret;
}

static void system_is_taken_only_where_it_is_meant(void **state)
{
    (void)state;
    assert_true(is_wanted("*", "", false, "neo4j"));
    assert_false(is_wanted("*", "", false, "system"));
    assert_true(is_wanted("*", "", true, "system"));
    assert_true(is_wanted("system", "", false, "system"));
    assert_false(is_wanted("*", "neo*", false, "neo4j"));
    assert_false(is_wanted("a,b", "", false, "neo4j"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(glob_matches_as_it_should),
        cmocka_unit_test(system_is_taken_only_where_it_is_meant),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
