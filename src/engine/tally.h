#ifndef NB_ENGINE_TALLY_H
#define NB_ENGINE_TALLY_H

/*
 * eng_tally: what a graph holds, in sums that do not depend on ids or order (cypher/digest.h), so
 * that two graphs can be compared without being in memory: for each label set and type, and for
 * each of ENG_TALLY_BUCKETS buckets into which the elements fall by the hash of their content.
 * Where the sums of a bucket differ there is an element in it that only one graph has, and a second
 * reading that looks at few buckets finds it.
 *
 * Memory: 2 MiB, the constraints and indexes, some 200 bytes for each label set and type (at most
 * ENG_TALLY_SHAPES_MAX of them), and while it is taken 8 bytes a node. One thread at a time.
 */

#include "base/map.h"
#include "cypher/digest.h"
#include "engine/graph.h"

enum { ENG_TALLY_BUCKETS = 1 << 15, ENG_TALLY_SHAPES_MAX = 50000 };

struct eng_shape {
    char *text; /* "(:`A`:`B`)", "[:`KNOWS`]" */
    uint64_t count;
    struct cyp_sum content, with_ends; /* the second: of relationships */
};

struct eng_bucket {
    uint64_t count;
    struct cyp_sum sum;
};

struct eng_tally_part {     /* nodes, or relationships */
    struct nb_map *shapes;  /* by text: struct eng_shape */
    struct nb_map *by_hash; /* the same, by a hash of what it is made of; borrowed */
    bool shapes_full;       /* there were more of them */
    uint64_t count;
    struct eng_bucket *buckets;
};

struct eng_tally {
    struct eng_tally_part nodes, rels;
    struct nb_map *schema; /* statements */
    bool written;          /* the database was written to meanwhile */
};

NB_NODISCARD bool eng_tally_take(const struct eng_graph *g, struct eng_tally **ret,
                                 struct nb_error *err);
void eng_tally_free(struct eng_tally *t);
NB_AUTO_DEFINE(struct eng_tally *, eng_tally_free)

/* The label set in a form of its own, whatever the order of labels. */
void eng_shape_append_labels(struct nb_buf *out, const struct nb_str *labels, size_t n);
static inline size_t eng_tally_bucket(struct cyp_sum s)
{
    return (size_t)(s.hi & (ENG_TALLY_BUCKETS - 1));
}

/* Hashes of elements by which they are told apart; nodes must come before their relationships. */
enum { ENG_TALLY_ENDS_MAX_GIB = 4 };
struct cyp_digester *eng_tally_digester_new(void);

#endif
