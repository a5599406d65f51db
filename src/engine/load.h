#ifndef NB_ENGINE_LOAD_H
#define NB_ENGINE_LOAD_H

/*
 * eng_load: rows of a dump into a database, as parameters of `UNWIND $rows`, over several
 * connections at once.
 *
 * Rows of one label set (one type) share a statement; statements are packed into units of some
 * thousand rows, each of which is one transaction. Nodes are made first, and their new ids kept in
 * memory (8 bytes each); relationships find their nodes by id. Units of one kind run side by side,
 * in any order; a change of kind waits for all before. Once something was changed or deleted
 * (fix-ups), units run one after the other.
 *
 * No unit is done twice. Each connection has a node of its own (engine/stamp.h; who calls deletes
 * them when all is done) that bears the number of its last unit, written in the same transaction. A
 * failure before COMMIT is sent has rolled the unit back: it is run again, for transient failures a
 * bounded number of times, for lost connections within the retry window. When COMMIT itself fails,
 * whatever is said of it, the number tells whether the unit is in: it is read after a write to the
 * node (which is rolled back) has got the node's lock, which an unfinished commit still holds.
 *
 * A unit that does not fit into the server's memory for transactions is cut, each part with a number
 * of its own, and units after it are made smaller, until it has gone well for some time.
 *
 * Deadlocks: the server ends one of the transactions, which is tried again; after a few times alone.
 *
 * Called by one thread. Memory: about two units a connection, and the ids.
 */

#include "base/cancel.h"
#include "cypher/reader.h"
#include "engine/dest.h"
#include "engine/progress.h"

struct eng_load;

enum { ENG_LOAD_CONNECTIONS_MAX = 32 };

struct eng_load_opts {
    struct eng_dest_opts dest; /* on_wait: from any thread */
    unsigned connections;      /* 0: 2 */
    unsigned unit_rows;        /* 0: 5,000 */
    size_t unit_bytes;         /* 0: 2 MiB; one row alone may be more */
    const char *stamp;         /* of this restore: see engine/stamp.h. Must outlive the load */
    bool stamp_first;          /* even where no unit comes after it */
    bool vector_procedures;    /* the server has db.create.setNodeVectorProperty */
    struct eng_meter *meter;
};

/* Connects once. */
NB_NODISCARD bool eng_load_open(const struct eng_load_opts *opts, struct eng_load **ret,
                                struct nb_error *err);
/* Ends the threads; units that were not begun are dropped. */
void eng_load_free(struct eng_load *l);
NB_AUTO_DEFINE(struct eng_load *, eng_load_free)

/* An error of any unit is told by the next call. A relationship, change or deletion whose node is
 * not there: NB_E_CORRUPT "BadDump". */
NB_NODISCARD bool eng_load_node(struct eng_load *l, const struct cyp_node_row *row,
                                struct nb_error *err);
NB_NODISCARD bool eng_load_rel(struct eng_load *l, const struct cyp_rel_row *row,
                               struct nb_error *err);
NB_NODISCARD bool eng_load_set_node(struct eng_load *l, const struct cyp_node_row *row,
                                    const struct nb_str *old_labels, size_t nold_labels,
                                    struct nb_error *err);
NB_NODISCARD bool eng_load_delete_node(struct eng_load *l, int64_t id, struct nb_error *err);
/* Everything so far is in the database. */
NB_NODISCARD bool eng_load_drain(struct eng_load *l, struct nb_error *err);
/* Drains, and ends the threads. The connections' nodes stay. */
NB_NODISCARD bool eng_load_finish(struct eng_load *l, struct nb_error *err);

struct eng_load_counts {
    uint64_t nodes, rels;                 /* made */
    uint64_t deleted_nodes, deleted_rels; /* by fix-ups */
    uint64_t units, again;                /* units, and how often one was run again */
};
/* After a drain. */
void eng_load_counts(const struct eng_load *l, struct eng_load_counts *ret);

#endif
