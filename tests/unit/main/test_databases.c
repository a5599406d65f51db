#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* src/main is no part of the library. */
#include "main/databases.c"
#include "main/options.c"
#include "main/options_table.c"
#include "tests/fakes/fake_graph.h"

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

/* --- choosing --------------------------------------------------------------------------------- */

static void add(struct database_catalog *c, const char *name, const char *status, bool wanted,
                const char *type, const char *alias)
{
    struct ps_value aliases[] = { { .type = PS_STRING,
                                    .string = nb_str_from(alias ? alias : "") } };
    struct eng_database row = {
        .name = nb_str_from(name),
        .status = nb_str_from(status),
        .online = nb_streq(status, "online"),
        .wanted_online = wanted,
        .aliases = aliases,
        .aliases_n = alias != NULL,
        .system = nb_streq(name, "system"),
        .home = nb_streq(name, "neo4j"),
        .composite = nb_streq(type, "composite"),
    };

    database_catalog_add(c, &row);
}

static void fill(struct database_catalog *c)
{
    add(c, "all", "online", true, "composite", NULL);
    add(c, "broken", "quarantined", true, "standard", NULL);
    add(c, "coming", "starting", true, "standard", NULL);
    add(c, "movies", "offline", true, "standard", "films"); /* of a cluster: at one server it */
    add(c, "movies", "online", true, "standard", "films");  /* is not there yet */
    add(c, "neo4j", "online", true, "standard", NULL);
    add(c, "old", "offline", false, "standard", NULL);
    add(c, "system", "online", true, "system", NULL);
}

static void put_list(struct nb_buf *out, const struct database_choices *c)
{
    for (size_t i = 0; i < c->n; i++)
        nb_buf_printf(out, "%s%s%s%s", i ? " " : "", c->items[i].name ? c->items[i].name : "(home)",
                      c->items[i].error.code ? "!" : "", c->items[i].error.reason);
    for (size_t i = 0; i < c->notes.count; i++)
        nb_buf_printf(out, "; %s", (const char *)c->notes.items[i]);
}

/* words: separated by blanks. */
static size_t split(char *words, const char **out, size_t max)
{
    size_t n = 0;
    char *rest = words;

    for (char *w = strsep(&rest, " "); w; w = strsep(&rest, " "))
        if (*w && n < max)
            out[n++] = w;
    return n;
}

static void names_and_globs_choose_what_is_meant(void **state)
{
#define STOPPED   "; database 'old' was stopped and is left out"
#define COMPOSITE "; composite database 'all' holds no data of its own and is left out"
    static const struct {
        const char *names, *excluded;
        bool system;
        const char *expected;
    } cases[] = {
        { "", "", false, "neo4j" },
        { "", "", true, "neo4j system" },
        { "*", "", false, "broken!DatabaseNotOnline coming movies neo4j" COMPOSITE STOPPED },
        { "*", "br* coming", true, "movies neo4j system" COMPOSITE STOPPED },
        { "*", "* ", true, "" },
        { "*", "system", true, "broken!DatabaseNotOnline coming movies neo4j" COMPOSITE STOPPED },
        { "m* neo4j m*", "", false, "movies neo4j" },
        { "NEO4J Movies neo4j", "", false, "neo4j movies" },
        { "films movies", "", false, "movies; 'films' is an alias of database 'movies'" },
        { "movies films", "", false,
          "movies; 'films' is an alias of database 'movies', which is backed up once" },
        { "f*", "", false, "" }, /* globs do not match aliases */
        { "* ", "films br* coming", false, "neo4j" COMPOSITE STOPPED }, /* exclusions do */
        { "nope neo4j", "", false, "nope!DatabaseNotFound neo4j" },
        { "nope neo4j", "nope", false, "neo4j" },
        { "old", "", false, "old!DatabaseNotOnline" },
        { "all", "", false, "all!DatabaseIsComposite" },
        { "system", "", false, "system" },
        { "system", "", true, "system" },
        { "coming", "", false, "coming" },
        { "zz*", "", false, "" },
    };
    nb_auto_done(database_catalog_done) struct database_catalog catalog = { NULL, 0, 0 };

    (void)state;
    fill(&catalog);
    for (size_t i = 0; i < NB_ARRAY_LEN(cases); i++) {
        nb_auto_done(database_choices_done) struct database_choices got = { .items = NULL };
        nb_auto_done(nb_buf_done) struct nb_buf text = NB_BUF_INIT(4096);
        nb_auto(nb_free) char *names = nb_xstrdup(cases[i].names);
        nb_auto(nb_free) char *excluded = nb_xstrdup(cases[i].excluded);
        const char *names_list[8], *excluded_list[8];
        struct database_rules rules = { .names = names_list,
                                        .excluded = excluded_list,
                                        .include_system = cases[i].system };
        struct nb_error err = NB_ERROR_INIT;
        bool ok;

        rules.names_n = split(names, names_list, 8);
        rules.excluded_n = split(excluded, excluded_list, 8);
        ok = databases_choose(&rules, &catalog, &got, &err);
        if (ok)
            put_list(&text, &got);
        else
            assert_string_equal(err.reason, "DatabaseNotFound");
        assert_string_equal(nb_buf_cstr(&text), cases[i].expected);
    }
}

static void stopped_database_says_how_to_start_it(void **state)
{
    nb_auto_done(database_catalog_done) struct database_catalog catalog = { NULL, 0, 0 };
    nb_auto_done(database_choices_done) struct database_choices got = { .items = NULL };
    const char *names[] = { "old" };
    struct database_rules rules = { .names = names, .names_n = 1 };
    struct nb_error err = NB_ERROR_INIT;

    (void)state;
    fill(&catalog);
    assert_true(databases_choose(&rules, &catalog, &got, &err));
    assert_string_equal(got.items[0].error.text,
                        "database 'old' is offline; hint: START DATABASE `old`, or leave it out");
}

/* --- asking the server ------------------------------------------------------------------------ */

static const struct fake_graph_database server[] = {
    { "movies", "online", "standard", "films", false, NULL, false },
    { "neo4j", "online", "standard", NULL, true, NULL, false },
    { "system", "online", "system", NULL, false, NULL, false },
};
static const struct fake_graph_database deaf[] = {
    { "neo4j", "online", "standard", NULL, true, "Neo.ClientError.Security.Forbidden: not allowed",
      false },
};

static const char *resolved(const struct fake_graph_database *list, size_t n, bool old,
                            const char *variable, unsigned *ret_connections)
{
    static char text[256];
    nb_auto_done(database_choices_done) struct database_choices got = { .items = NULL };
    nb_auto_done(nb_buf_done) struct nb_buf out = NB_BUF_INIT(4096);
    nb_auto(nb_free) char *copy = nb_xstrdup(variable);
    char *const envp[] = { copy, NULL };
    struct fake_graph *g = fake_graph_new();
    struct eng_source_opts source = { .bolt = BOLT_CONN_OPTS_INIT };
    struct nb_error err = NB_ERROR_INIT;
    struct options *o = NULL;
    bool help;

    fake_graph_set_databases(g, list, n);
    fake_graph_set_old(g, old);
    fake_graph_start(g, NULL, NULL);
    source.bolt.uri = fake_graph_uri(g);
    assert_true(options_load(CMD_BACKUP, "backup", 0, NULL, envp, &o, &help, &err));
    if (databases_resolve(o, &source, &got, &err))
        put_list(&out, &got);
    else
        nb_buf_puts(&out, err.reason);
    snprintf(text, sizeof(text), "%s", nb_buf_cstr(&out));
    options_free(o);
    *ret_connections = fake_graph_connections(g);
    fake_graph_free(g);
    return text;
}

static void server_is_asked_where_it_must_be(void **state)
{
    unsigned n;

    (void)state;
    assert_string_equal(resolved(server, 3, false, "X=", &n), "(home)");
    assert_int_equal(n, 0);
    assert_string_equal(resolved(server, 3, false, "NEO4J_DATABASE=Movies", &n), "movies");
    assert_int_equal(n, 0);
    assert_string_equal(resolved(server, 3, false, "NEO4J_DATABASES=*", &n), "movies neo4j");
    assert_int_equal(n, 1);
    assert_string_equal(resolved(server, 3, true, "NEO4J_DATABASES=*", &n), "movies neo4j");
    assert_string_equal(resolved(server, 3, false, "NEO4J_INCLUDE_SYSTEM=true", &n),
                        "neo4j system");
    assert_string_equal(resolved(server, 3, false, "NEO4J_EXCLUDE_DATABASES=x*", &n), "neo4j");
}

static void names_alone_do_without_the_right_to_list_databases(void **state)
{
    unsigned n;

    (void)state;
    assert_string_equal(resolved(deaf, 1, false, "NEO4J_DATABASES=b,a,B", &n), "b a");
    assert_string_equal(resolved(deaf, 1, false, "NEO4J_DATABASES=b,a*", &n), "Neo4jDenied");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(glob_matches_as_it_should),
        cmocka_unit_test(names_and_globs_choose_what_is_meant),
        cmocka_unit_test(stopped_database_says_how_to_start_it),
        cmocka_unit_test(server_is_asked_where_it_must_be),
        cmocka_unit_test(names_alone_do_without_the_right_to_list_databases),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
