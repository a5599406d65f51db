#ifndef NB_ENGINE_SUMS_H
#define NB_ENGINE_SUMS_H

/*
 * eng_sums: numbers kept for many indices, in pages, zero where none was set.
 *
 * What a graph holds is kept in two sums for every block of ENG_SUMS_BLOCK neighbouring node ids:
 * of the contents of its nodes, and of the contents of the relationships that begin at them. Two
 * readings of a graph can so be compared block by block: equal sums, equal content (but for one in
 * 2^64).
 *
 * Memory: 16 bytes an index, so two bytes a node for blocks of 8 ids where these have few gaps. One
 * thread at a time.
 */

#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "engine/idset.h"

enum { ENG_SUMS_BLOCK = 8 };

struct eng_sum {
    uint64_t nodes, rels;
};
struct eng_sums;

struct eng_sums *eng_sums_new(void);
void eng_sums_free(struct eng_sums *s);
NB_AUTO_DEFINE(struct eng_sums *, eng_sums_free)
static inline int64_t eng_sums_block(int64_t node_id)
{
    return node_id / ENG_SUMS_BLOCK;
}
/* To be changed; not negative; valid until the next call. */
struct eng_sum *eng_sums_at(struct eng_sums *s, int64_t index);
/* {0, 0} where nothing was set. */
struct eng_sum eng_sums_get(const struct eng_sums *s, int64_t index);
/* The indices where two differ, added to ret. */
NB_NODISCARD bool eng_sums_diff(const struct eng_sums *a, const struct eng_sums *b,
                                struct eng_idset *ret, struct nb_error *err);

#endif
