#ifndef NB_ENGINE_KEYS_H
#define NB_ENGINE_KEYS_H

/*
 * eng_keys: the values under constraints of uniqueness that are in a dump, as hashes, to find two
 * elements with the same one: what was read, deleted and made again under another id is in the dump
 * twice, and would break the constraint at the restore. Equal values have equal hashes; two that
 * only seem equal cost another look.
 *
 * Memory: 24 bytes for each constrained value, and only while a graph is closed. One thread at a
 * time.
 */

#include "engine/source.h"
#include "engine/idset.h"

struct eng_keys;

/* Asks the source for its constraints. */
NB_NODISCARD bool eng_keys_new(struct eng_source *source, struct eng_keys **ret,
                               struct nb_error *err);
void eng_keys_free(struct eng_keys *k);
NB_AUTO_DEFINE(struct eng_keys *, eng_keys_free)
/* Of all constraints, to see whether they change: equal numbers, equal constraints. */
uint64_t eng_keys_schema(const struct eng_keys *k);
void eng_keys_add_node(struct eng_keys *k, const struct ps_node *node);
void eng_keys_add_rel(struct eng_keys *k, const struct eng_rel *rel);
/* What belongs to these nodes goes; and, unless nodes_only, what belongs to relationships at
 * them. */
void eng_keys_forget(struct eng_keys *k, const struct eng_idset *nodes, bool nodes_only);
/* Nodes (of relationships: their starts) that share a value with others, added to ret. */
NB_NODISCARD bool eng_keys_doubles(struct eng_keys *k, struct eng_idset *ret, struct nb_error *err);

#endif
