#ifndef NB_ENGINE_UNIT_H
#define NB_ENGINE_UNIT_H

/*
 * eng_unit: rows that go into a database in one transaction: a few statements with their
 * parameters. Made by one thread, run by another. Private to eng_load.
 */

#include "cypher/reader.h"

enum eng_unit_kind { ENG_UNIT_NODES, ENG_UNIT_RELS, ENG_UNIT_SET, ENG_UNIT_DELETE };

/* UNWIND $rows over one shape: a label set, a type. */
struct eng_unit_statement {
    struct nb_buf id; /* of the shape: equal bytes, equal shape */
    char *query;
    struct nb_buf params;
    size_t mark;    /* of the list in params */
    size_t *row_at; /* where each row begins there */
    unsigned rows, rows_cap;
};

struct eng_unit {
    enum eng_unit_kind kind;
    struct eng_unit_statement *statements;
    size_t n, cap;
    unsigned rows;
    size_t bytes;
    /* What came of it: */
    int64_t (*ids)[2]; /* nodes: number in the dump, id */
    size_t ids_n;
    uint64_t made, deleted_nodes, deleted_rels;

    struct nb_str *scratch; /* keys of the row at hand */
    size_t scratch_cap;
};

/* What the server at hand is like. */
struct eng_unit_opts {
    struct ps_encoder encoder; /* of its protocol; where it writes to is not looked at */
    bool floats32;             /* it has procedures for 32-bit lists */
    /* It takes a point in time with a zone, sent as a parameter, for the earlier one of the hour
     * that is there twice: seconds and zone are sent, and put together by datetime(). (4.4) */
    bool zones_as_numbers;
};

struct eng_unit *eng_unit_new(enum eng_unit_kind kind);
void eng_unit_free(struct eng_unit *u);
NB_AUTO_DEFINE(struct eng_unit *, eng_unit_free)

/* NB_E_INVALID for values that the protocol cannot carry. */
NB_NODISCARD bool eng_unit_add_node(struct eng_unit *u, const struct eng_unit_opts *opts,
                                    const struct cyp_node_row *row, struct nb_error *err);
/* start, end: ids in the database. */
NB_NODISCARD bool eng_unit_add_rel(struct eng_unit *u, const struct eng_unit_opts *opts,
                                   const struct cyp_rel_row *row, int64_t start, int64_t end,
                                   struct nb_error *err);
NB_NODISCARD bool eng_unit_add_set(struct eng_unit *u, const struct eng_unit_opts *opts,
                                   const struct cyp_node_row *row, int64_t id,
                                   const struct nb_str *old_labels, size_t nold_labels,
                                   struct nb_error *err);
NB_NODISCARD bool eng_unit_add_delete(struct eng_unit *u, const struct eng_unit_opts *opts,
                                      int64_t id, struct nb_error *err);
/* No more rows: the parameters are whole. */
void eng_unit_close(struct eng_unit *u);
/* Of a closed unit: its rows from `first` as a closed unit of its own, one at least, and as many as
 * there are within max_rows and max_bytes. */
NB_NODISCARD bool eng_unit_cut(const struct eng_unit *u, const struct eng_unit_opts *opts,
                               unsigned first, unsigned max_rows, size_t max_bytes,
                               struct eng_unit **ret, struct nb_error *err);

#endif
