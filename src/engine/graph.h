#ifndef NB_ENGINE_GRAPH_H
#define NB_ENGINE_GRAPH_H

/*
 * eng_graph: a graph to be read from its beginning as often as one likes, be it in a database or in
 * a dump: nodes, then relationships, then constraints and indexes, each once.
 *
 * A dump that changes or deletes what it has made (fix-ups) is NB_E_INVALID "CannotCompare": what a
 * node was before would have to be remembered for all of them. The system database, too: it is no
 * graph.
 *
 * One thread at a time. Memory: a few buffers; of a database the ids, compressed.
 */

#include "engine/input.h"
#include "engine/source.h"

struct eng_graph {                          /* all borrowed */
    const char *name;                       /* for messages */
    const struct eng_source_opts *database; /* either this */
    struct eng_input *dump;                 /* or this, unlocked, which can be repeated */
    const struct nb_cancel *cancel;
};

struct eng_graph_ops {
    eng_node_fn *node;
    eng_rel_fn *rel; /* the id is -1 in a dump */
    /* As dumps have it, whichever server it comes from. No token look-up indexes: each server makes
     * them for itself. */
    bool (*schema)(void *ctx, struct nb_str statement, struct nb_error *err);
};

/* *ret_written: the database was written to meanwhile. */
NB_NODISCARD bool eng_graph_read(const struct eng_graph *g, const struct eng_graph_ops *ops,
                                 void *ctx, bool *ret_written, struct nb_error *err);

#endif
