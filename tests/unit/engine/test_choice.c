#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "engine/choice.h"

static void engine_follows_from_wish_and_facts(void **state)
{
    static const struct {
        enum eng_engine wanted;
        struct eng_choice_facts facts;
        enum eng_engine engine;
        const char *warning; /* "": none; else a part of it */
    } cases[] = {
        /* Auto is what the benchmark showed, whatever is there. */
        { ENG_ENGINE_AUTO, { false, false, NULL }, ENG_ENGINE_CYPHER, "" },
        { ENG_ENGINE_AUTO, { false, true, NULL }, ENG_ENGINE_CYPHER, "" },
        { ENG_ENGINE_CYPHER, { false, true, NULL }, ENG_ENGINE_CYPHER, "" },
        { ENG_ENGINE_APOC, { false, true, NULL }, ENG_ENGINE_APOC, "" },
        { ENG_ENGINE_APOC, { false, false, NULL }, ENG_ENGINE_CYPHER, "APOC not available" },
        { ENG_ENGINE_APOC, { true, false, NULL }, ENG_ENGINE_CYPHER, "system database" },
        { ENG_ENGINE_APOC, { true, true, NULL }, ENG_ENGINE_CYPHER, "system database" },
        { ENG_ENGINE_APOC, { false, true, "odd names" }, ENG_ENGINE_CYPHER, ": odd names" },
    };

    (void)state;
    for (size_t i = 0; i < NB_ARRAY_LEN(cases); i++) {
        struct eng_choice c;

        eng_choose(cases[i].wanted, &cases[i].facts, &c);
        assert_int_equal(c.engine, cases[i].engine);
        if (cases[i].warning[0])
            assert_non_null(strstr(c.warning, cases[i].warning));
        else
            assert_string_equal(c.warning, "");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(engine_follows_from_wish_and_facts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
