#ifndef NB_ENGINE_LOSSES_H
#define NB_ENGINE_LOSSES_H

/*
 * eng_losses: what of a graph does not come back from APOC's dump of it, noted element by element
 * while the graph is read. Pure.
 *
 * Two things are told apart. A loss leaves a dump that restores, with something missing or changed:
 * it is listed. What makes the dump one that does not restore (a name with a backtick, which APOC
 * does not double) or that restores less than it seems to leaves no backup: the graph is unfit.
 *
 * Source: apoc-core 5.26.19 on Neo4j 5.26.30, each case exported, restored and compared.
 */

#include "base/map.h"
#include "cypher/script.h"
#include "engine/source.h"
#include "repo/manifest.h"

enum { ENG_LOSSES_UNFIT_MAX = 256 };

struct eng_losses {
    uint64_t byte_arrays;             /* properties */
    uint64_t short_floats;            /* properties with floats that are exact in 32 bits */
    uint64_t index_names;             /* of indexes */
    uint64_t index_options;           /* of indexes */
    uint64_t vector_indexes;          /* left out */
    uint64_t constraints;             /* of Enterprise Edition */
    bool changes_values;              /* some properties come back with another value */
    struct nb_map *unique;            /* keys of constraints of uniqueness of nodes; NULL: none */
    char unfit[ENG_LOSSES_UNFIT_MAX]; /* the first reason; "": none */
};

/* Zeroed: nothing yet. Schema and constraints of uniqueness come first. */
void eng_losses_unique(struct eng_losses *l, const struct eng_unique *u);
void eng_losses_node(struct eng_losses *l, const struct ps_node *node);
void eng_losses_rel(struct eng_losses *l, const struct eng_rel *rel);
void eng_losses_schema(struct eng_losses *l, const struct eng_schema_item *item);
void eng_losses_done(struct eng_losses *l);
/* A sentence for each kind of loss. */
void eng_losses_list(const struct eng_losses *l, struct repo_strings *out);

#endif
