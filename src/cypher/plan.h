#ifndef NB_CYPHER_PLAN_H
#define NB_CYPHER_PLAN_H

/*
 * cyp_plan: what a statement of packed rows does with its cells, read from the statement itself
 * (the text behind the string literal; see cyp_group_closing(), whose reverse this is).
 *
 * Private to src/cypher. One thread at a time.
 */

#include "base/buf.h"
#include "cypher/group.h"

struct cyp_plan {
    enum cyp_group_kind kind;
    struct nb_str *names, *old_names; /* labels, or the one type */
    size_t nnames, nold_names;
    struct cyp_column *columns; /* in the order of the cells, after the ids */
    size_t ncolumns;
    bool shared_keys; /* some key has more than one column */
    struct nb_str *float32_keys;
    size_t nfloat32_keys;
    struct nb_arena *arena; /* of all names */
};

/* NULL (and no error) where the text is not of the form. helper: the dump's. */
struct cyp_plan *cyp_plan_parse(struct nb_str text, struct nb_str helper);
void cyp_plan_free(struct cyp_plan *p);
NB_AUTO_DEFINE(struct cyp_plan *, cyp_plan_free)

#endif
