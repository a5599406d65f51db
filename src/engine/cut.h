#ifndef NB_ENGINE_CUT_H
#define NB_ENGINE_CUT_H

/*
 * eng_cut: where the chunks of an incremental backup end. Pure.
 *
 * A chunk must be the same bytes again as long as its nodes (or relationships) are, whatever is
 * added or changed elsewhere. So where it ends must depend only on what is near. Ids are taken in
 * blocks of 64 neighbours. When a block is through and another begins, the hash of that one's number
 * decides, with a chance of (weight of the block that is through) / (weight that a chunk shall have
 * on average). A change therefore moves no end but those at its own block, and sparse ids, with few
 * elements in each block, make chunks of the same size as dense ones.
 *
 * No chunk is lighter than an eighth of the average, as far as ids go, and none is heavier than
 * four times it by more than one element: there the cut is forced, and the ends are the same as
 * before again from the next one that the hash decides.
 *
 * The weight of an element is about the bytes that its row takes.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "packstream/packstream.h"

struct eng_cut {
    uint64_t average; /* weight of a chunk */
    uint64_t chunk, block;
    int64_t block_id;
    bool begun; /* there is a block at hand */
};

void eng_cut_init(struct eng_cut *c, uint64_t average);
/* True: a chunk ends before this element. Adds the element to the chunk at hand. */
bool eng_cut_before(struct eng_cut *c, int64_t id, uint64_t weight);
/* A chunk has ended for another reason. */
void eng_cut_reset(struct eng_cut *c);

uint64_t eng_cut_weight(const struct ps_map *props);

/* How large chunks shall be on average so that a graph of so many elements has at most some ten
 * thousand of them. */
uint64_t eng_cut_average(uint64_t elements);
enum { ENG_CUT_AVERAGE_MAX = 32 << 20 };

#endif
