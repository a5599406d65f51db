#ifndef NB_ENGINE_CONTENT_H
#define NB_ENGINE_CONTENT_H

/*
 * A fast 64-bit hash of what a node or a relationship holds, to find out whether it is still what
 * it was when it was written. It depends on how the server sends the element (order of labels and
 * properties), so it is good for one run only; the digests of dumps are another thing
 * (cypher/digest.h). Pure.
 */

#include "engine/source.h"

uint64_t eng_content_node(const struct ps_node *node);
/* Its ends and id included. */
uint64_t eng_content_rel(const struct eng_rel *rel);
/* Of a value as constraints compare it: numbers that are equal hash alike, whole or not. */
uint64_t eng_content_key(uint64_t seed, const struct ps_value *v);

#endif
