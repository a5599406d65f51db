#ifndef NB_ENGINE_CLASH_H
#define NB_ENGINE_CLASH_H

/*
 * eng_clash: constraints of a dump that a target cannot get, because it has an index of its own on
 * the very label (or type) and properties: constraints of uniqueness and keys bring an index
 * themselves. Asked before a merge, which leaves the target's indexes as they are.
 *
 * What a statement is about is read from its quoted names, as servers and dumps write them; one
 * that is written otherwise is not found here, and refused by the server.
 */

#include "base/map.h"
#include "engine/source.h"

struct eng_clash {
    struct nb_map *wanted; /* what a constraint is about -> its name; NULL: none yet */
};

/* Zeroed: nothing yet. */
void eng_clash_note(struct eng_clash *c, const struct cyp_schema *item);
void eng_clash_done(struct eng_clash *c);
/* NB_E_CONFLICT "SchemaConflict" for the first one. */
NB_NODISCARD bool eng_clash_check(const struct eng_clash *c, struct eng_source *target,
                                  struct nb_error *err);

#endif
