#ifndef NB_ENGINE_SCHEMA_H
#define NB_ENGINE_SCHEMA_H

/*
 * eng_schema: the constraints and indexes of a dump, made in the target.
 *
 * Servers build indexes in the background, some of them (vectors) for long and on one core. Those of
 * nodes need not wait for the relationships: where the dump is read twice they are known when the
 * last node is in, and are begun then. Constraints wait for the end of the data: changes that come
 * after the relationships may be what makes them hold.
 *
 * Those that take longest (vectors, then full text) are begun first, for the others to be built
 * beside them and not before.
 *
 * One thread at a time.
 */

#include "cypher/reader.h"
#include "engine/dest.h"

struct eng_schema;

/* merge: what is there already is taken for the very thing. */
struct eng_schema *eng_schema_new(bool merge);
void eng_schema_free(struct eng_schema *s);
NB_AUTO_DEFINE(struct eng_schema *, eng_schema_free)

/* It will be added later: so it may be begun before. Copied, as in eng_schema_add(). */
void eng_schema_expect(struct eng_schema *s, const struct cyp_schema *item);
/* All nodes are in. The server has taken what it builds now; it goes on by itself. */
NB_NODISCARD bool eng_schema_begin(struct eng_schema *s, struct eng_dest *dest,
                                   struct nb_error *err);

void eng_schema_add(struct eng_schema *s, const struct cyp_schema *item);
size_t eng_schema_count(const struct eng_schema *s); /* added */
/* All data is in: makes what was added and not begun, indexes first. Does not wait for them. */
NB_NODISCARD bool eng_schema_make(struct eng_schema *s, struct eng_dest *dest,
                                  uint64_t *ret_constraints, uint64_t *ret_indexes,
                                  struct nb_error *err);

#endif
