#ifndef NB_CYPHER_READER_H
#define NB_CYPHER_READER_H

/*
 * cyp_reader: reads a dump (docs/format.md) as it comes, and calls back with what is in it. It
 * reads the very statements that cypher-shell would run, not a description beside them, and takes them
 * only in the form that cyp_script writes; anything else is given to other(), whole.
 *
 * Memory: one statement (max_statement_bytes) and one row's values. Values are borrowed for the
 * callback. A callback that returns false ends the reading with its error.
 * One thread at a time.
 */

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "cypher/script.h"
#include "packstream/packstream.h"

/* Properties that the script restores as 32-bit arrays are named in float32_keys (they are lists of
 * floats in props all the same). */
struct cyp_node_row {
    int64_t id; /* in the dump, not in any database */
    const struct nb_str *labels;
    size_t nlabels;
    struct ps_map props;
    const struct nb_str *float32_keys;
    size_t nfloat32_keys;
};
struct cyp_rel_row {
    int64_t start_id, end_id;
    struct nb_str type;
    struct ps_map props;
    const struct nb_str *float32_keys;
    size_t nfloat32_keys;
};
struct cyp_tail {
    uint64_t nodes, rels, properties, constraints, indexes;
    bool has_digest, has_ends;
    struct cyp_sum nodes_digest, rels_digest, rels_ends_digest;
};

/* Any of them may be NULL: not wanted. All get ctx first. */
struct cyp_reader_ops {
    bool (*head)(void *ctx, const struct cyp_head *head, struct nb_error *err);
    bool (*node)(void *ctx, const struct cyp_node_row *row, struct nb_error *err);
    bool (*rel)(void *ctx, const struct cyp_rel_row *row, struct nb_error *err);
    /* Fix-ups. set_node: exactly these labels and properties from now on; old_labels: to remove. */
    bool (*delete_node)(void *ctx, int64_t id, struct nb_error *err);
    bool (*set_node)(void *ctx, const struct cyp_node_row *row, const struct nb_str *old_labels,
                     size_t nold_labels, struct nb_error *err);
    bool (*schema)(void *ctx, const struct cyp_schema *item, struct nb_error *err);
    /* A statement that is none of ours, without its semicolon; or a line of cypher-shell's own
     * commands, which start with a colon (any_script). */
    bool (*other)(void *ctx, struct nb_str statement, struct nb_error *err);
    bool (*tail)(void *ctx, const struct cyp_tail *tail, struct nb_error *err);
};

struct cyp_reader_opts {
    size_t max_statement_bytes; /* 0: 512 MiB */
    size_t max_row_bytes;       /* 0: 512 MiB of values of one row */
    /* False: a dump without our head is an error (NB_E_INVALID "NotADump"); true: anybody's Cypher
     * script is read, statement by statement, to other(). It is cut as the server reads quotes and
     * comments, so every script that cypher-shell runs through is cut alike. cypher-shell itself
     * takes a backslash in backticks for an escape, and is lost where a name ends in one. */
    bool any_script;
    /* Digests of what is read are made, and compared with the tail's, which must be there unless
     * there are fix-ups: NB_E_CORRUPT "DigestMismatch". See cyp_script_opts. */
    bool digest_content;
    size_t digest_ends_max_bytes;
};

struct cyp_reader;
struct cyp_reader *cyp_reader_new(const struct cyp_reader_opts *opts,
                                  const struct cyp_reader_ops *ops, void *ctx);
void cyp_reader_free(struct cyp_reader *r);
NB_AUTO_DEFINE(struct cyp_reader *, cyp_reader_free)

/* NB_E_CORRUPT "BadDump" with the statement's number where the text breaks the format. */
NB_NODISCARD bool cyp_reader_feed(struct cyp_reader *r, const void *p, size_t n,
                                  struct nb_error *err);
/* The end of the input. NB_E_CORRUPT "CutDump": the tail is missing, or its counts are not what was
 * read (not asked where any_script read a foreign script). */
NB_NODISCARD bool cyp_reader_finish(struct cyp_reader *r, struct nb_error *err);

/* Where the words stand in a schema statement outside of all quotes; SIZE_MAX: nowhere. Pure. */
size_t cyp_schema_find(struct nb_str statement, const char *words);

/* What was read so far: nodes (less the deleted), rels, properties, deleted_nodes, byte_arrays,
 * float32_lists, constraints, indexes, statements, bytes. */
void cyp_reader_counts(const struct cyp_reader *r, struct cyp_counts *ret);
/* Zeroes where digests are off. */
void cyp_reader_digest(const struct cyp_reader *r, struct cyp_digest *ret);

#endif
