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

static struct eng_needs needs_of(const char *type, bool enterprise)
{
    struct cyp_schema item = { .kind = CYP_CONSTRAINT,
                               .name = NB_STR("the one"),
                               .type = nb_str_from(type),
                               .statement = NB_STR("CREATE …"),
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
        { "VECTOR", "5.12.0", "community", "needs Neo4j 5.13", false },
        { "VECTOR", "5.13.0", "community", NULL, false },
        { "VECTOR", "2026.1.0", "community", NULL, false },
        { "VECTOR", "4.4.48", "community", "needs Neo4j 5.13", false },
        { "RELATIONSHIP_UNIQUENESS", "5.6.0", "community", "needs Neo4j 5.7", false },
        { "RELATIONSHIP_UNIQUENESS", "5.26.30", "community", NULL, false },
        { "BTREE", "4.4.48", "community", NULL, false },
        { "BTREE", "5.26.30", "community", "needs Neo4j 4.4", false },
        { "RANGE", "4.4.48", "community", NULL, false },
    };

    (void)state;
    for (size_t i = 0; i < NB_ARRAY_LEN(cases); i++) {
        struct eng_server s = server(cases[i].version, cases[i].edition);
        struct eng_needs n = needs_of(cases[i].type, cases[i].enterprise);
        struct nb_error err = NB_ERROR_INIT;
        bool ok = eng_needs_check(&n, &s, V54, &err);

        if (ok != !cases[i].text || (cases[i].text && !strstr(err.text, cases[i].text)))
            fail_msg("case %zu: %s", i, err.text);
        if (!ok)
            assert_string_equal(err.reason, "TargetLacksFeature");
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
        cmocka_unit_test(values_are_checked_against_protocol),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
