#ifndef NB_ENGINE_IDSET_H
#define NB_ENGINE_IDSET_H

/*
 * eng_idset: a set of ids of nodes or relationships, compressed, so that an export remembers what
 * it has written.
 *
 * Blocks of 65,536 neighbouring ids: a sorted list while few of them are in the set, then one bit
 * for each, and nothing at all once every one is. So a graph whose ids have no gaps costs a few
 * bytes a block, one with gaps at most one bit for each id up to the largest, one with very few of
 * them two bytes for each.
 *
 * Source: the container idea of Roaring bitmaps (Chambi, Lemire, Kaser, Godin, 2016). One thread at
 * a time.
 */

#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/error.h"

struct eng_idset;

/* max_bytes: of memory; 0: no limit. */
struct eng_idset *eng_idset_new(size_t max_bytes);
void eng_idset_free(struct eng_idset *s);
NB_AUTO_DEFINE(struct eng_idset *, eng_idset_free)
/* *ret_new: it was not there before. NB_E_INVALID for a negative id, NB_E_LIMIT "IdSetTooLarge".
 * Cheapest in ascending order. */
NB_NODISCARD bool eng_idset_add(struct eng_idset *s, int64_t id, bool *ret_new,
                                struct nb_error *err);
bool eng_idset_has(const struct eng_idset *s, int64_t id);
/* True when it was there. */
bool eng_idset_remove(struct eng_idset *s, int64_t id);
uint64_t eng_idset_count(const struct eng_idset *s);
size_t eng_idset_bytes(const struct eng_idset *s);
/* The smallest member >= from, or -1. */
int64_t eng_idset_next(const struct eng_idset *s, int64_t from);
void eng_idset_clear(struct eng_idset *s);

#endif
