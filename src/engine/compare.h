#ifndef NB_ENGINE_COMPARE_H
#define NB_ENGINE_COMPARE_H

/*
 * eng_compare: whether two graphs, of databases or of dumps, are the same, and if not, where.
 *
 * Each is read once; equal sums mean the same content but for ids (engine/tally.h). What a digest
 * does not tell apart, this does not either: nodes with the same labels and properties are one to
 * it, so two graphs that differ only in which of several equal nodes a relationship hangs on are
 * the same. Where they differ, each is read once more for examples.
 *
 * What is told holds values of the databases. One thread at a time. Memory: eng_tally's, twice; at
 * most ENG_COMPARE_LOOKED_AT_MAX elements, of which a few hundred bytes are kept.
 */

#include "engine/graph.h"

enum { ENG_COMPARE_LOOKED_AT_MAX = 20000, ENG_COMPARE_EXAMPLES_MAX = 10 };

enum eng_difference {
    ENG_DIFFERENT_SCHEMA,
    ENG_DIFFERENT_NODES, /* of a label set */
    ENG_DIFFERENT_RELS,  /* of a type */
    ENG_EXAMPLE_NODE,
    ENG_EXAMPLE_REL,
};
const char *eng_difference_name(enum eng_difference d); /* "Schema", "Nodes", ... */

struct eng_compare_opts { /* all borrowed for the call */
    const struct eng_graph *a, *b;
    unsigned lines_max; /* of each of the first three; 0: 100 */
    /* only_in: 'A', 'B', or 0: in both. text: one line of UTF-8, at most some 500 bytes. */
    void (*tell)(void *ctx, enum eng_difference what, char only_in, const char *text);
    void (*reading)(void *ctx, const char *name); /* before each reading; may be NULL */
    void *ctx;
};
struct eng_compare_result {
    bool equal;
    bool written[2]; /* a, b: somebody wrote to it meanwhile */
    uint64_t nodes[2], rels[2];
    uint64_t differences; /* of schema, label sets and types, told or not */
};

NB_NODISCARD bool eng_compare_run(const struct eng_compare_opts *opts,
                                  struct eng_compare_result *ret, struct nb_error *err);

#endif
