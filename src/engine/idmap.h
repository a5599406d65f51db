#ifndef NB_ENGINE_IDMAP_H
#define NB_ENGINE_IDMAP_H

/*
 * eng_idmap: from a node's number in a dump to its id in the database that it was restored into.
 *
 * Pages of 256 neighbouring numbers: a sorted list while few of them are there, a plain array once
 * many are. So numbers without gaps cost 8 bytes a node (and a little for each page), numbers that
 * are far from one another about 90. One thread at a time.
 */

#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/error.h"

struct eng_idmap;

/* max_bytes: of memory; 0: no limit. */
struct eng_idmap *eng_idmap_new(size_t max_bytes);
void eng_idmap_free(struct eng_idmap *m);
NB_AUTO_DEFINE(struct eng_idmap *, eng_idmap_free)
/* NB_E_CORRUPT "BadDump" when the number is there already, NB_E_INVALID for a negative id, NB_E_LIMIT
 * "IdMapTooLarge". Cheapest in ascending order. */
NB_NODISCARD bool eng_idmap_add(struct eng_idmap *m, int64_t number, int64_t id,
                                struct nb_error *err);
/* -1: not there. */
int64_t eng_idmap_get(struct eng_idmap *m, int64_t number);
/* True when it was there. */
bool eng_idmap_remove(struct eng_idmap *m, int64_t number);
uint64_t eng_idmap_count(const struct eng_idmap *m);
size_t eng_idmap_bytes(const struct eng_idmap *m);

#endif
