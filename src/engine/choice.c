#include "engine/choice.h"

#include <stdio.h>

static void take_cypher(struct eng_choice *c, const char *why)
{
    c->engine = ENG_ENGINE_CYPHER;
    snprintf(c->warning, sizeof(c->warning), "%s", why);
}

void eng_choose(enum eng_engine wanted, const struct eng_choice_facts *facts,
                struct eng_choice *ret)
{
    char text[ENG_CHOICE_WARNING_MAX];

    *ret = (struct eng_choice){ .engine = wanted };
    if (wanted != ENG_ENGINE_APOC) {
        ret->engine = ENG_ENGINE_CYPHER;
    } else if (facts->is_system) {
        take_cypher(ret, "APOC does not export the system database: the engine Cypher was taken");
    } else if (!facts->has_apoc) {
        take_cypher(ret,
                    "APOC not available: the server has no procedure '" ENG_APOC_PROCEDURE
                    "' that the user may call, so the engine Cypher was taken; hint: install APOC "
                    "Core and allow it in dbms.security.procedures.allowlist, or ask for Cypher");
    } else if (facts->unfit) {
        snprintf(text, sizeof(text), "APOC was of no use, so the engine Cypher was taken: %s",
                 facts->unfit);
        take_cypher(ret, text);
    }
}
