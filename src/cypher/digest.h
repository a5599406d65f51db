#ifndef NB_CYPHER_DIGEST_H
#define NB_CYPHER_DIGEST_H

/*
 * cyp_digest: what a graph holds in a few bytes, whatever the order in which it is read, so that
 * two graphs can be compared without reading them side by side (docs/format.md has the definition).
 *
 * Each node and each relationship has a 128-bit hash of its content: labels, type, properties; not
 * its id, nor the order of labels or properties. The digest is the sum of the hashes. `rels` says
 * nothing of the ends; `rels_ends` takes the content of both end nodes in, and costs 8 bytes a node
 * (ids are expected to be dense: pages of 65,536).
 *
 * It finds accidents, not forgers: it is no cryptographic hash.
 * One thread at a time.
 */

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "packstream/packstream.h"

struct cyp_sum {
    uint64_t lo, hi;
};
enum { CYP_SUM_HEX = 33 };
void cyp_sum_add(struct cyp_sum *a, struct cyp_sum b);
bool cyp_sum_equal(struct cyp_sum a, struct cyp_sum b);
void cyp_sum_format(struct cyp_sum s, char out[CYP_SUM_HEX]); /* 32 hex digits, high first */
NB_NODISCARD bool cyp_sum_parse(struct nb_str s, struct cyp_sum *ret);

/* Of one element. */
struct cyp_sum cyp_hash_node(const struct nb_str *labels, size_t nlabels,
                             const struct ps_map *props);
struct cyp_sum cyp_hash_rel(struct nb_str type, const struct ps_map *props);
struct cyp_sum cyp_hash_value(const struct ps_value *v);

struct cyp_digest {
    uint64_t node_count, rel_count;
    struct cyp_sum nodes, rels, rels_ends;
    bool known;    /* false: not asked for, or elements were taken back */
    bool has_ends; /* rels_ends is known too */
};

struct cyp_digester;
/* max_ends_bytes: 0: no rels_ends. */
struct cyp_digester *cyp_digester_new(size_t max_ends_bytes);
void cyp_digester_free(struct cyp_digester *d);
NB_AUTO_DEFINE(struct cyp_digester *, cyp_digester_free)
NB_NODISCARD bool cyp_digester_node(struct cyp_digester *d, int64_t id, const struct nb_str *labels,
                                    size_t nlabels, const struct ps_map *props,
                                    struct nb_error *err);
/* With ends: both nodes must have come before (NB_E_INVALID "MissingNode"). */
NB_NODISCARD bool cyp_digester_rel(struct cyp_digester *d, int64_t start_id, int64_t end_id,
                                   struct nb_str type, const struct ps_map *props,
                                   struct nb_error *err);
/* Of the element that was added last: what went into nodes or rels, and into rels_ends (zero for a
 * node, or without ends). */
struct cyp_last {
    struct cyp_sum content, with_ends;
};
struct cyp_last cyp_digester_last(const struct cyp_digester *d);
/* An element was changed or deleted after it was counted: the digest is not known any more. */
void cyp_digester_forget(struct cyp_digester *d);
void cyp_digester_get(const struct cyp_digester *d, struct cyp_digest *ret);

#endif
