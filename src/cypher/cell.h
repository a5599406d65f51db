#ifndef NB_CYPHER_CELL_H
#define NB_CYPHER_CELL_H

/*
 * cyp_cell: one property value in a packed row, as text between two CYP_CELL marks, and the Cypher
 * expression that makes the value of the text again. Each kind of value has one text form and one
 * expression (docs/format.md lists them); the empty text stands for "no such property", so each
 * expression is null for it.
 *
 * Private to src/cypher. Thread: functions of their arguments.
 */

#include "base/buf.h"
#include "base/mem.h"
#include "packstream/packstream.h"

/* The order is of no importance; cell.c has a table with a line for each. */
enum cyp_cell_kind {
    CYP_CELL_INT,
    CYP_CELL_FLOAT,
    CYP_CELL_BOOL,
    CYP_CELL_STRING,
    CYP_CELL_STRING_EMPTY,
    CYP_CELL_STRING_MARKED,
    CYP_CELL_DATE,
    CYP_CELL_TIME,
    CYP_CELL_TIME_ODD, /* the offset has seconds */
    CYP_CELL_LOCALTIME,
    CYP_CELL_DATETIME,       /* offset in whole minutes, or (legacy) a zone without offset */
    CYP_CELL_DATETIME_EPOCH, /* with a zone, or an odd offset */
    CYP_CELL_LOCALDATETIME,
    CYP_CELL_DURATION,
    CYP_CELL_POINT_4326,
    CYP_CELL_POINT_4979,
    CYP_CELL_POINT_7203,
    CYP_CELL_POINT_9157,
    CYP_CELL_UUID,
    CYP_CELL_VECTOR_F32, /* these six have the number of dimensions as their parameter */
    CYP_CELL_VECTOR_F64,
    CYP_CELL_VECTOR_I8,
    CYP_CELL_VECTOR_I16,
    CYP_CELL_VECTOR_I32,
    CYP_CELL_VECTOR_I64,
    CYP_CELL_BYTES,
    CYP_CELL_BYTES_EMPTY,
    CYP_CELL_LIST_EMPTY,
    CYP_CELL_LIST_INT,
    CYP_CELL_LIST_FLOAT,
    CYP_CELL_LIST_BOOL,
    CYP_CELL_LIST_STRING,
    CYP_CELL_LIST_STRING_MARKED,
    CYP_CELL_LIST_DATE,
    CYP_CELL_LIST_TIME,
    CYP_CELL_LIST_TIME_ODD,
    CYP_CELL_LIST_LOCALTIME,
    CYP_CELL_LIST_DATETIME,
    CYP_CELL_LIST_DATETIME_EPOCH,
    CYP_CELL_LIST_LOCALDATETIME,
    CYP_CELL_LIST_DURATION,
    CYP_CELL_LIST_POINT_4326,
    CYP_CELL_LIST_POINT_4979,
    CYP_CELL_LIST_POINT_7203,
    CYP_CELL_LIST_POINT_9157,
    CYP_CELL_LIST_UUID,
    CYP_CELL_FLOATS32, /* a list of floats that db.create.set...VectorProperty puts in its place */
    CYP_CELL_KINDS,
};

struct cyp_cell_type {
    uint32_t kind;  /* enum cyp_cell_kind */
    uint32_t param; /* vectors: dimensions; else 0 */
};
static inline bool cyp_cell_type_equal(struct cyp_cell_type a, struct cyp_cell_type b)
{
    return a.kind == b.kind && a.param == b.param;
}

/* 32-bit lists shorter than this are not worth a procedure call; longer ones it refuses. */
enum { CYP_FLOATS32_MIN = 16, CYP_FLOATS32_MAX = 4096 };

/* How a property value is to be written. INVALID "UnstorableValue" for what no property can be
 * (maps, nodes, mixed lists, null in lists, dates out of range), "UnsupportedValue" for what the
 * server withholds: PS_UNSUPPORTED, and the map that stands for it before Bolt 6.0. */
NB_NODISCARD bool cyp_cell_choose(const struct ps_value *v, bool floats32,
                                  struct cyp_cell_type *ret, struct nb_error *err);
/* The value must have been chosen as that type. */
void cyp_cell_write(struct nb_buf *out, struct cyp_cell_type type, const struct ps_value *v);
/* Back; text is changed in place and the value points into it or into the arena.
 * CORRUPT "BadDump". */
NB_NODISCARD bool cyp_cell_read(struct cyp_cell_type type, char *text, size_t n,
                                struct nb_arena *arena, struct ps_value *ret, struct nb_error *err);

/* The expression over c[index]. */
void cyp_cell_expr_append(struct nb_buf *out, struct cyp_cell_type type, unsigned index);
/* The expression at text.p + *pos, which is moved behind it. */
bool cyp_cell_expr_match(struct nb_str text, size_t *pos, struct cyp_cell_type *ret_type,
                         unsigned *ret_index);
/* Of a list (or vector) written with commas between: how its items are written; else
 * CYP_CELL_KINDS. */
uint32_t cyp_cell_item_kind(uint32_t kind);
/* Only Cypher 25 has the function for it. */
bool cyp_cell_needs_cypher25(struct cyp_cell_type type);

#endif
