#ifndef NB_ENGINE_CHOICE_H
#define NB_ENGINE_CHOICE_H

/*
 * Which engine reads a graph: our own (Cypher), or APOC's export. Pure.
 *
 * Auto is Cypher: on every graph of the benchmark (docs/performance.md) APOC takes more than twice
 * as long in the best of its forms, and it loses things. APOC is used where it is asked for by name and can do it; where it
 * cannot, Cypher is taken and a warning says why. It is never an error.
 */

#include <stdbool.h>
#include <stddef.h>

enum eng_engine { ENG_ENGINE_AUTO, ENG_ENGINE_CYPHER, ENG_ENGINE_APOC };

#define ENG_APOC_PROCEDURE "apoc.export.cypher.all"

struct eng_choice_facts {
    bool is_system; /* the system database, which is no graph */
    bool has_apoc;  /* its procedure is there, and the user may call it */
    /* Why APOC's dump of this very graph would be of no use, or was of none; NULL: nothing known. */
    const char *unfit;
};
enum { ENG_CHOICE_WARNING_MAX = 640 };
struct eng_choice {
    enum eng_engine engine;               /* CYPHER or APOC */
    char warning[ENG_CHOICE_WARNING_MAX]; /* "": what was asked for is what is taken */
};

/* Facts are looked at only where APOC is wanted. */
void eng_choose(enum eng_engine wanted, const struct eng_choice_facts *facts,
                struct eng_choice *ret);

#endif
