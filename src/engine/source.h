#ifndef NB_ENGINE_SOURCE_H
#define NB_ENGINE_SOURCE_H

/*
 * eng_source: a database to read out, over one Bolt connection: what it is, its schema, its nodes
 * and relationships.
 *
 * Everything runs in read mode; of a cluster (neo4j schemes) a server is taken that is there to be
 * read from. Where the connection breaks, or the server ends a long read (its transaction timeout),
 * the source connects again, in a cluster maybe to another server, and goes on behind the last id
 * it has handed out (ids are the same on all servers of a cluster), until nothing has moved for the
 * retry window. Wrong passwords, missing databases and the like are
 * never tried again. If ids did not come in ascending order, the read starts over and the callback
 * sees elements that it has seen: it must know them by id.
 *
 * One thread at a time. The cancel token and all that opts point to must outlive the source.
 */

#include "base/cancel.h"
#include "bolt/bolt.h"
#include "cypher/script.h"
#include "engine/mark.h"

struct eng_source;

struct eng_source_opts {
    struct bolt_conn_opts bolt; /* db and mode are set by the source */
    const char *database;       /* NULL: the user's home database */
    int64_t fetch_size;         /* records; 0: 10000 */
    int64_t retry_window_ms;    /* 0: one try */
    int64_t retry_base_ms;      /* the first pause is at most so long; 0: 500 */
    const struct nb_cancel *cancel;
    /* Before a wait for Neo4j to come back. May be NULL. */
    void (*on_wait)(void *ctx, const struct nb_error *why);
    void *ctx;
};

struct eng_server {     /* "" where it is not known */
    char version[64];   /* "5.26.30" */
    char edition[32];   /* "community" */
    char database[128]; /* resolved name */
    char database_id[64];
    char store_format[64];          /* "record-aligned-1.1" */
    int64_t database_start_unix_ms; /* 0: not known */
    bool vector_procedures;         /* db.create.setNodeVectorProperty: 5.13 and later */
};

NB_NODISCARD bool eng_source_open(const struct eng_source_opts *opts, struct eng_source **ret,
                                  struct nb_error *err);
void eng_source_close(struct eng_source *s);
NB_AUTO_DEFINE(struct eng_source *, eng_source_close)
const struct eng_server *eng_source_server(const struct eng_source *s);
/* Relationships left out of what the calls below handed out, because they were deleted in the moment
 * when they were read. */
uint64_t eng_source_vanished(const struct eng_source *s);
/* Long reads that broke and went on where they were. */
uint64_t eng_source_resumed(const struct eng_source *s);
uint64_t eng_source_bytes_received(const struct eng_source *s);

/* How often it has gone on at another server of the cluster, which may be behind the one before. */
unsigned eng_source_moves(const struct eng_source *s);

/* How far the database is now. Reads that begin later see at least that. */
NB_NODISCARD bool eng_source_mark(struct eng_source *s, struct eng_mark *ret, struct nb_error *err);
/* What a query of one row and one number gives. */
NB_NODISCARD bool eng_source_count(struct eng_source *s, const char *text, uint64_t *ret,
                                   struct nb_error *err);
/* From the count store: cheap. */
NB_NODISCARD bool eng_source_counts(struct eng_source *s, uint64_t *ret_nodes, uint64_t *ret_rels,
                                    struct nb_error *err);

/* False (err set) ends the read with that error. Borrowed for the call. */
typedef bool(eng_node_fn)(void *ctx, const struct ps_node *node, struct nb_error *err);
struct eng_rel {
    int64_t id, start_id, end_id;
    struct nb_str type;
    struct ps_map props;
};
typedef bool(eng_rel_fn)(void *ctx, const struct eng_rel *rel, struct nb_error *err);
NB_NODISCARD bool eng_source_nodes(struct eng_source *s, eng_node_fn *fn, void *ctx,
                                   struct nb_error *err);
NB_NODISCARD bool eng_source_rels(struct eng_source *s, eng_rel_fn *fn, void *ctx,
                                  struct nb_error *err);

/* The nodes with these ids that there are, and the relationships at them (one with both ends
 * among them comes twice, and any may come again where others were deleted meanwhile, or where the
 * connection broke; a node comes once). */
NB_NODISCARD bool eng_source_nodes_by_id(struct eng_source *s, const int64_t *ids, size_t n,
                                         eng_node_fn *fn, void *ctx, struct nb_error *err);
NB_NODISCARD bool eng_source_rels_of(struct eng_source *s, const int64_t *ids, size_t n,
                                     eng_rel_fn *fn, void *ctx, struct nb_error *err);

/* What constraints of uniqueness (keys included) are about. Borrowed for the call. */
struct eng_unique {
    bool rel;                          /* of relationships */
    struct nb_str name;                /* label or type */
    const struct ps_value *properties; /* strings */
    size_t properties_n;
};
typedef bool(eng_unique_fn)(void *ctx, const struct eng_unique *u, struct nb_error *err);
NB_NODISCARD bool eng_source_uniques(struct eng_source *s, eng_unique_fn *fn, void *ctx,
                                     struct nb_error *err);

/* Labels and property keys that begin with prefix: what a helper name must not be. */
typedef bool(eng_name_fn)(void *ctx, struct nb_str name, struct nb_error *err);
NB_NODISCARD bool eng_source_names(struct eng_source *s, const char *prefix, eng_name_fn *fn,
                                   void *ctx, struct nb_error *err);

/* All labels that the database knows. */
NB_NODISCARD bool eng_source_labels(struct eng_source *s, eng_name_fn *fn, void *ctx,
                                    struct nb_error *err);

/* Constraints and indexes; not the indexes that belong to a constraint. Borrowed for the call. */
struct eng_schema_item {
    struct cyp_schema item;
    bool failed; /* an index that the server could not build */
};
typedef bool(eng_schema_fn)(void *ctx, const struct eng_schema_item *item, struct nb_error *err);
NB_NODISCARD bool eng_source_schema(struct eng_source *s, eng_schema_fn *fn, void *ctx,
                                    struct nb_error *err);

/* The databases of a server, as SHOW DATABASES names them: in a cluster once for each server that
 * has it. Borrowed for the call. */
struct eng_database {
    struct nb_str name, status;     /* "online", "offline", ... */
    bool online, wanted_online;     /* the second: it was not stopped */
    const struct ps_value *aliases; /* local ones */
    size_t aliases_n;
    bool system, home;
    bool composite; /* holds nothing itself (always false before Neo4j 5) */
};
typedef bool(eng_database_fn)(void *ctx, const struct eng_database *db, struct nb_error *err);
NB_NODISCARD bool eng_source_databases(struct eng_source *s, eng_database_fn *fn, void *ctx,
                                       struct nb_error *err);
/* Any query with few rows, which must have that many fields. */
typedef bool(eng_row_fn)(void *ctx, const struct ps_value *fields, size_t n, struct nb_error *err);
NB_NODISCARD bool eng_source_query(struct eng_source *s, const char *text, size_t fields,
                                   eng_row_fn *fn, void *ctx, struct nb_error *err);
/* A query with many rows, which are large: fetch of them are asked for at a time. Never tried again.
 * *ret_own: the failure is fn's own. */
NB_NODISCARD bool eng_source_stream(struct eng_source *s, const char *text, size_t fields,
                                    int64_t fetch, eng_row_fn *fn, void *ctx, bool *ret_own,
                                    struct nb_error *err);
/* It reads the system database, which is no graph: see engine/system.h. */
bool eng_source_is_system(const struct eng_source *s);
/* Whether the server has a procedure of that name which the user may call. */
NB_NODISCARD bool eng_source_has_procedure(struct eng_source *s, const char *name, bool *ret,
                                           struct nb_error *err);

#endif
