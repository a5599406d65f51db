#ifndef NB_CYPHER_GROUP_H
#define NB_CYPHER_GROUP_H

/*
 * cyp_group: rows of one statement to be: nodes of one label set, or relationships of one type.
 * A column is one property key in one kind of cell; columns are added as values come, and what was
 * written before simply lacks the new ones at its end.
 *
 * Private to src/cypher. One thread at a time.
 */

#include "base/buf.h"
#include "cypher/cell.h"

enum cyp_group_kind {
    CYP_GROUP_NODES,
    CYP_GROUP_RELS,
    CYP_GROUP_SET_NODES,
    CYP_GROUP_DELETE_NODES,
};

/* Which group a row belongs to. Arrays are borrowed; labels are sorted in place. */
struct cyp_shape {
    enum cyp_group_kind kind;
    struct nb_str *names; /* labels, or the one type */
    size_t nnames;
    struct nb_str *old_names; /* CYP_GROUP_SET_NODES: labels to be removed */
    size_t nold_names;
    const struct ps_map *props;
    const struct cyp_cell_type *types; /* of each pair; those of nulls are not looked at */
};

struct cyp_column {
    struct nb_str key;
    struct cyp_cell_type type;
};

struct cyp_group {
    enum cyp_group_kind kind;
    struct nb_buf id; /* kind, names and 32-bit keys: equal bytes, equal group */
    struct nb_str *names, *old_names;
    size_t nnames, nold_names;
    uint64_t **counters; /* one a name, for the owner's use */
    struct cyp_column *columns;
    size_t ncolumns, cap_columns;
    unsigned *hints; /* position in the row's map -> column, as it was for the row before */
    size_t nhints;
    bool cypher25;
    struct nb_buf rows;
    unsigned nrows;
};

/* The bytes that tell groups apart. */
void cyp_shape_id(const struct cyp_shape *shape, struct nb_buf *ret);
struct cyp_group *cyp_group_new(const struct cyp_shape *shape, const struct nb_buf *id,
                                size_t max_bytes);
void cyp_group_free(struct cyp_group *g);

/* Room for one pointer a column, all NULL between the calls; grows. */
struct cyp_cells {
    const struct ps_value **values;
    size_t n;
};
/*
 * Appends a row: the ids (nodes: first only) and the properties. False, with nothing appended, when
 * it needs more columns than max_columns and the group is not empty.
 */
bool cyp_group_append(struct cyp_group *g, const struct cyp_shape *shape, int64_t id, int64_t id2,
                      size_t max_columns, struct cyp_cells *cells);
/* What stands before the rows ("UNWIND split('", or with CYPHER 25) and after them. */
const char *cyp_group_opening(const struct cyp_group *g);
void cyp_group_closing(const struct cyp_group *g, struct nb_str helper, struct nb_buf *out);

#define CYP_OPENING    "UNWIND split('"
#define CYP_OPENING_25 "CYPHER 25 UNWIND split('"
#define CYP_AFTER_ROWS "','\\u001e\\n') AS r WITH split(r,'\\u001f') AS c "

#endif
