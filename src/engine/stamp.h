#ifndef NB_ENGINE_STAMP_H
#define NB_ENGINE_STAMP_H

/*
 * eng_stamp: the nodes that a restore has in its target from its first write to its very end: label
 * `_nb_restore`, a number of the connection's own (engine/load.h) in the property of that name, and
 * in another one a random value that tells this restore from all others. Where there are such
 * nodes, a restore is under way or was interrupted: a part of its dump is there, or all of it.
 *
 * Only those of one restore are counted, left out and deleted: a dump may hold others, when it is
 * of a database into which a restore was interrupted.
 */

#include "engine/dest.h"
#include "engine/source.h"

#define ENG_STAMP    "_nb_restore"    /* label; property: number of the last unit */
#define ENG_STAMP_OF "_nb_restore_of" /* property: whose */

enum { ENG_STAMP_MAX = 33 };

void eng_stamp_make(char ret[ENG_STAMP_MAX]);
/* Nodes of that restore; of: NULL: of any. A system database has none. */
NB_NODISCARD bool eng_stamp_count(struct eng_source *source, const char *of, uint64_t *ret,
                                  struct nb_error *err);
/* Deletes that restore's. */
NB_NODISCARD bool eng_stamp_remove(struct eng_dest *dest, const char *of, struct nb_error *err);
/* Whether the node is that restore's. */
bool eng_stamp_is_on(const struct ps_node *node, const char *of);

#endif
