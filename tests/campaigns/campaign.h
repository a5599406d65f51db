#ifndef NB_TESTS_CAMPAIGNS_CAMPAIGN_H
#define NB_TESTS_CAMPAIGNS_CAMPAIGN_H

/*
 * A campaign: very many cases, each made from its number alone. driver.c has main(): without
 * arguments it runs the fixed slice that belongs to `make test`, with FROM COUNT those cases. Each
 * failure is told with its number, which is all that is needed to see it again.
 */

#include <stdint.h>

#include "base/error.h"

struct campaign {
    const char *name;
    uint64_t slice; /* cases 0 to slice - 1 take seconds */
    /* Once, before the first case; NULL: nothing to do. */
    bool (*open)(struct nb_error *err);
    void (*close)(void);
    /* err says what was wrong. */
    bool (*run)(uint64_t number, struct nb_error *err);
    /* What is worth knowing of all cases, for the ledger; NULL: nothing. */
    const char *(*remarks)(void);
};

extern const struct campaign campaign;

#endif
