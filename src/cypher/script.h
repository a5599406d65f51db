#ifndef NB_CYPHER_SCRIPT_H
#define NB_CYPHER_SCRIPT_H

/*
 * cyp_script: writes a graph as the dump: a Cypher script that plain cypher-shell restores on Neo4j
 * 4.4, 5.x and 2025/2026 (docs/format.md).
 *
 * Rows are packed: one statement carries thousands of nodes (or relationships) of one label set
 * (one type) in a single string literal, which the server splits and casts. Groups are flushed by
 * rows or bytes; when all groups together reach max_pending_bytes, or there are more than
 * max_groups, the largest is flushed. So memory is bounded whatever the number of shapes, and bytes
 * written depend only on the calls made since the last cyp_script_flush() (and on the helper name).
 *
 * Calls, in this order:
 *   new, head, node..., end_nodes, rel..., end_rels, [fixups, (node|rel|delete_nodes)...,]
 *   [end_fixups,] end_data, schema..., tail, free
 * A relationship's nodes must have been written before it. Calls out of order are programming
 * errors (assert).
 *
 * Values are borrowed for the call. What comes out goes to opts->write in whole statements; the
 * bytes are borrowed for that call, and a failure there ends the script (every later call returns
 * the same error).
 * One thread at a time.
 */

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "cypher/digest.h"
#include "packstream/packstream.h"

enum { CYP_FORMAT_VERSION = 1 };

typedef bool(cyp_write_fn)(void *ctx, const void *bytes, size_t n, struct nb_error *err);

struct cyp_script_opts {
    unsigned rows_per_statement; /* 0: 5,000 */
    size_t max_statement_bytes;  /* 0: 1 MiB; at most 8,000,000 (one row alone may be more) */
    size_t max_pending_bytes;    /* 0: 8 MiB */
    unsigned max_groups;         /* 0: 512 */
    size_t max_row_bytes;        /* 0: 256 MiB: a row above fails with NB_E_LIMIT */
    /* The server that the data come from has db.create.setNodeVectorProperty (5.13 and later):
     * lists of 16 to 4,096 floats that are all exact in 32 bits are restored as 32-bit arrays. */
    bool vector_procedures;
    bool digest_content;          /* digests of the content are wanted (about 1 GB/s of values) */
    size_t digest_ends_max_bytes; /* 0: no digest of the relationships' ends */
    /* Helper names end in this: NULL: eight random hex digits. [a-z0-9]{1,16}. */
    const char *helper_suffix;
    /* Names of the source's labels and property keys that the helper must not be: a random suffix
     * is drawn again, a given one fails with NB_E_INVALID "HelperNameTaken". May be NULL. */
    const struct nb_str *taken_names;
    size_t ntaken_names;
    cyp_write_fn *write;
    void *write_ctx;
};

struct cyp_script;
NB_NODISCARD bool cyp_script_new(const struct cyp_script_opts *opts, struct cyp_script **ret,
                                 struct nb_error *err);
void cyp_script_free(struct cyp_script *s);
NB_AUTO_DEFINE(struct cyp_script *, cyp_script_free)

/* Said in comments at the top; NULL or 0: not said. Borrowed for the call. Control characters in
 * the texts become spaces, backslashes slashes. */
struct cyp_head {
    unsigned format; /* set by the reader; the writer writes CYP_FORMAT_VERSION */
    struct nb_str database;
    struct nb_str server_version;  /* "5.26.30" */
    struct nb_str edition;         /* "community" */
    struct nb_str tool;            /* "neo4j-backup 1.0.0" */
    struct nb_str created;         /* RFC 3339 */
    struct nb_str helper;          /* set by the reader */
    const struct nb_str *warnings; /* one line each: what a restore or a target lacks */
    size_t nwarnings;
};
NB_NODISCARD bool cyp_script_head(struct cyp_script *s, const struct cyp_head *head,
                                  struct nb_error *err);

NB_NODISCARD bool cyp_script_node(struct cyp_script *s, int64_t id, const struct nb_str *labels,
                                  size_t nlabels, const struct ps_map *props, struct nb_error *err);
NB_NODISCARD bool cyp_script_end_nodes(struct cyp_script *s, struct nb_error *err);
NB_NODISCARD bool cyp_script_rel(struct cyp_script *s, int64_t id, int64_t start_id, int64_t end_id,
                                 struct nb_str type, const struct ps_map *props,
                                 struct nb_error *err);
NB_NODISCARD bool cyp_script_end_rels(struct cyp_script *s, struct nb_error *err);

/* All pending rows go out: the end of a chunk. Allowed among nodes or relationships. */
NB_NODISCARD bool cyp_script_flush(struct cyp_script *s, struct nb_error *err);

/*
 * Late elements, after end_rels: from here nodes and relationships may be mixed (a change of kind
 * flushes), and nodes written before may be deleted with all their relationships. A node that
 * changed is given again as it is now by set_node. Deleted nodes stay in the counts of cyp_counts
 * .nodes until the engine says otherwise: see cyp_counts.deleted_nodes.
 */
NB_NODISCARD bool cyp_script_fixups(struct cyp_script *s, struct nb_error *err);
NB_NODISCARD bool cyp_script_delete_node(struct cyp_script *s, int64_t id, struct nb_error *err);
/* The node has exactly these labels and properties now. old_labels: what it may have had. */
NB_NODISCARD bool cyp_script_set_node(struct cyp_script *s, int64_t id,
                                      const struct nb_str *old_labels, size_t nold_labels,
                                      const struct nb_str *labels, size_t nlabels,
                                      const struct ps_map *props, struct nb_error *err);
NB_NODISCARD bool cyp_script_end_fixups(struct cyp_script *s, struct nb_error *err);

/* The helper label, property and constraint are removed. */
NB_NODISCARD bool cyp_script_end_data(struct cyp_script *s, struct nb_error *err);

enum cyp_schema_kind { CYP_CONSTRAINT, CYP_INDEX };
/* Stands before statements that only Cypher 25 has words for. */
#define CYP_SCHEMA_25 "CYPHER 25 "
struct cyp_schema {
    enum cyp_schema_kind kind;
    struct nb_str name;
    struct nb_str type;      /* as SHOW prints it: "RANGE", "UNIQUENESS", ... */
    struct nb_str statement; /* createStatement, without a semicolon; maybe behind CYP_SCHEMA_25 */
    /* Enterprise Edition only: these come last, so that a Community server that refuses one has
     * everything else already. */
    bool enterprise;
};
/*
 * A statement as a server prints it, in the form in which dumps have it and most servers take it:
 * the default kind of index under its default name, without options that are the defaults.
 * range_is_odd: the server is a 4.4, whose default is another kind: what is RANGE says so.
 */
NB_NODISCARD bool cyp_schema_append_portable(struct nb_buf *out, struct nb_str statement,
                                             bool range_is_odd, struct nb_error *err);
/* Any order; the writer puts indexes first, then constraints, then what is enterprise only. */
NB_NODISCARD bool cyp_script_schema(struct cyp_script *s, const struct cyp_schema *item,
                                    struct nb_error *err);

/* Ends the script: schema statements, db.awaitIndexes, the tail comment. */
NB_NODISCARD bool cyp_script_tail(struct cyp_script *s, struct nb_error *err);

struct cyp_counts {
    uint64_t nodes, rels; /* as written, less deleted_nodes for nodes */
    uint64_t properties;
    uint64_t deleted_nodes;
    uint64_t byte_arrays;   /* came back as lists of integers through cypher-shell */
    uint64_t float32_lists; /* embeddings written in 32-bit digits */
    uint64_t constraints, indexes;
    uint64_t statements;
    uint64_t bytes; /* of script */
};
/* At any time; what is pending is counted, but for statements and bytes. */
void cyp_script_counts(const struct cyp_script *s, struct cyp_counts *ret);
/* Zeroes where digests are off. */
void cyp_script_digest(const struct cyp_script *s, struct cyp_digest *ret);
/* By label and by type, in no particular order; *pos starts at 0. At most 10,000 names each are
 * kept: further ones count under the empty name. */
bool cyp_script_label_next(struct cyp_script *s, size_t *pos, struct nb_str *ret_name,
                           uint64_t *ret_count);
bool cyp_script_type_next(struct cyp_script *s, size_t *pos, struct nb_str *ret_name,
                          uint64_t *ret_count);
size_t cyp_script_pending_bytes(const struct cyp_script *s);
/* "_nb_" and the suffix: helper label, property and constraint. Borrowed. */
const char *cyp_script_helper(const struct cyp_script *s);

#endif
