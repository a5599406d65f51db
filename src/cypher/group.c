#include "cypher/group.h"

#include <stdlib.h>

#include "cypher/ident.h"
#include "cypher/literal.h"
#include "cypher/number.h"
#include "cypher/text.h"

/* --- which group ------------------------------------------------------------------------------ */

static int name_compare(struct nb_str a, struct nb_str b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int c = n ? memcmp(a.p, b.p, n) : 0;

    return c ? c : (a.n > b.n) - (a.n < b.n);
}

/* Few names, and mostly in order. */
static void names_sort(struct nb_str *names, size_t n)
{
    for (size_t i = 1; i < n; i++)
        for (size_t j = i; j > 0 && name_compare(names[j - 1], names[j]) > 0; j--) {
            struct nb_str swap = names[j];

            names[j] = names[j - 1];
            names[j - 1] = swap;
        }
}

static void id_add(struct nb_buf *id, char tag, struct nb_str name)
{
    uint32_t n = (uint32_t)name.n;
    char *to = nb_buf_reserve(id, name.n + 5);

    if (!to)
        return;
    to[0] = tag;
    memcpy(to + 1, &n, 4);
    if (name.n)
        memcpy(to + 5, name.p, name.n);
    id->len += name.n + 5;
}

void cyp_shape_id(const struct cyp_shape *shape, struct nb_buf *ret)
{
    nb_buf_clear(ret);
    nb_buf_putc(ret, (char)('0' + shape->kind));
    names_sort(shape->names, shape->nnames);
    for (size_t i = 0; i < shape->nnames; i++)
        id_add(ret, 'n', shape->names[i]);
    names_sort(shape->old_names, shape->nold_names);
    for (size_t i = 0; i < shape->nold_names; i++)
        id_add(ret, 'o', shape->old_names[i]);
    for (size_t i = 0; i < shape->props->n; i++)
        if (shape->props->pairs[i].value.type != PS_NULL &&
            shape->types[i].kind == CYP_CELL_FLOATS32)
            id_add(ret, 'f', shape->props->pairs[i].key);
}

/* --- a group ---------------------------------------------------------------------------------- */

/* nb_xstrndup would stop at a NUL, which a name may hold. */
static struct nb_str str_dup(struct nb_str s)
{
    char *p = nb_xmalloc(s.n + 1);

    if (s.n)
        memcpy(p, s.p, s.n);
    p[s.n] = '\0';
    return (struct nb_str){ p, s.n };
}

/* An nb_str is a view; those of a group own what they see. */
static void str_free(struct nb_str s)
{
    void *p;

    memcpy(&p, &s.p, sizeof(p));
    free(p);
}

static struct nb_str *names_dup(const struct nb_str *names, size_t n)
{
    struct nb_str *copy = nb_xcalloc(n + 1, sizeof(*copy));

    for (size_t i = 0; i < n; i++)
        copy[i] = str_dup(names[i]);
    return copy;
}

static void names_free(struct nb_str *names, size_t n)
{
    for (size_t i = 0; i < n; i++)
        str_free(names[i]);
    free(names);
}

struct cyp_group *cyp_group_new(const struct cyp_shape *shape, const struct nb_buf *id,
                                size_t max_bytes)
{
    struct cyp_group *g = NB_NEW(struct cyp_group);

    g->kind = shape->kind;
    nb_buf_init(&g->id, id->max);
    nb_buf_append(&g->id, id->data, id->len);
    g->names = names_dup(shape->names, shape->nnames);
    g->nnames = shape->nnames;
    g->old_names = names_dup(shape->old_names, shape->nold_names);
    g->nold_names = shape->nold_names;
    g->counters = nb_xcalloc(g->nnames + 1, sizeof(*g->counters));
    nb_buf_init(&g->rows, max_bytes);
    return g;
}

void cyp_group_free(struct cyp_group *g)
{
    if (!g)
        return;
    names_free(g->names, g->nnames);
    names_free(g->old_names, g->nold_names);
    for (size_t i = 0; i < g->ncolumns; i++)
        str_free(g->columns[i].key);
    free(g->columns);
    free(g->counters);
    free(g->hints);
    nb_buf_done(&g->rows);
    nb_buf_done(&g->id);
    free(g);
}

/* --- rows ------------------------------------------------------------------------------------- */

static bool column_is(const struct cyp_column *c, struct nb_str key, struct cyp_cell_type type)
{
    return cyp_cell_type_equal(c->type, type) && nb_str_equal(c->key, key);
}

static unsigned column_get(struct cyp_group *g, struct nb_str key, struct cyp_cell_type type)
{
    for (size_t i = 0; i < g->ncolumns; i++)
        if (column_is(&g->columns[i], key, type))
            return (unsigned)i;
    if (g->ncolumns == g->cap_columns) {
        g->cap_columns = g->cap_columns ? g->cap_columns * 2 : 16;
        g->columns = nb_xreallocarray(g->columns, g->cap_columns, sizeof(*g->columns));
    }
    g->columns[g->ncolumns] = (struct cyp_column){ str_dup(key), type };
    g->cypher25 |= cyp_cell_needs_cypher25(type);
    return (unsigned)g->ncolumns++;
}

static void hints_grow(struct cyp_group *g, size_t n)
{
    if (n <= g->nhints)
        return;
    g->hints = nb_xreallocarray(g->hints, n, sizeof(*g->hints));
    memset(g->hints + g->nhints, 0, (n - g->nhints) * sizeof(*g->hints));
    g->nhints = n;
}

static void cells_grow(struct cyp_cells *cells, size_t n)
{
    if (n <= cells->n)
        return;
    cells->values = nb_xreallocarray(cells->values, n, sizeof(const struct ps_value *));
    while (cells->n < n)
        cells->values[cells->n++] = NULL;
}

/* Each value to its column; returns how many columns the row has to have. */
static size_t cells_place(struct cyp_group *g, const struct cyp_shape *shape,
                          struct cyp_cells *cells)
{
    size_t used = 0;

    for (size_t i = 0; i < shape->props->n; i++) {
        const struct ps_pair *pair = &shape->props->pairs[i];
        unsigned c;

        if (pair->value.type == PS_NULL)
            continue;
        c = g->hints[i];
        if (c >= g->ncolumns || !column_is(&g->columns[c], pair->key, shape->types[i])) {
            c = column_get(g, pair->key, shape->types[i]);
            g->hints[i] = c;
        }
        cells_grow(cells, g->ncolumns);
        cells->values[c] = &pair->value;
        if (c + 1 > used)
            used = c + 1;
    }
    return used;
}

static void ids_write(struct cyp_group *g, int64_t id, int64_t id2)
{
    char *start = nb_buf_reserve(&g->rows, 2 * CYP_INT_MAX + 4), *p = start;

    if (!p)
        return;
    if (g->nrows) {
        *p++ = CYP_ROW;
        *p++ = '\n';
    }
    p = cyp_int_write(p, id);
    if (g->kind == CYP_GROUP_RELS) {
        *p++ = CYP_CELL;
        p = cyp_int_write(p, id2);
    }
    g->rows.len += (size_t)(p - start);
}

bool cyp_group_append(struct cyp_group *g, const struct cyp_shape *shape, int64_t id, int64_t id2,
                      size_t max_columns, struct cyp_cells *cells)
{
    size_t used;

    if (g->nrows && g->ncolumns + shape->props->n > max_columns)
        return false;
    hints_grow(g, shape->props->n);
    used = cells_place(g, shape, cells);
    ids_write(g, id, id2);
    for (size_t i = 0; i < used; i++) {
        char *mark = nb_buf_reserve(&g->rows, 1);

        if (mark) {
            *mark = CYP_CELL;
            g->rows.len++;
        }
        if (cells->values[i])
            cyp_cell_write(&g->rows, g->columns[i].type, cells->values[i]);
        cells->values[i] = NULL;
    }
    g->nrows++;
    return true;
}

/* --- the statement ---------------------------------------------------------------------------- */

const char *cyp_group_opening(const struct cyp_group *g)
{
    return g->cypher25 ? CYP_OPENING_25 : CYP_OPENING;
}

/* `key`:expression, for each key once: the first column that has something wins. */
static void property_append(const struct cyp_group *g, size_t column, unsigned first,
                            struct nb_buf *out)
{
    size_t same = 0;

    for (size_t i = 0; i < g->ncolumns; i++)
        if (g->columns[i].type.kind != CYP_CELL_FLOATS32 &&
            nb_str_equal(g->columns[i].key, g->columns[column].key)) {
            if (i < column)
                return;
            same++;
        }
    nb_buf_putc(out, ',');
    cyp_ident_append(out, g->columns[column].key);
    nb_buf_puts(out, same > 1 ? ":coalesce(" : ":");
    for (size_t i = column; same; i++) {
        if (g->columns[i].type.kind == CYP_CELL_FLOATS32 ||
            !nb_str_equal(g->columns[i].key, g->columns[column].key))
            continue;
        if (i > column)
            nb_buf_putc(out, ',');
        cyp_cell_expr_append(out, g->columns[i].type, (unsigned)i + first);
        same--;
        if (!same && i > column)
            nb_buf_putc(out, ')');
    }
}

static void properties_append(const struct cyp_group *g, unsigned first, struct nb_buf *out)
{
    for (size_t i = 0; i < g->ncolumns; i++)
        if (g->columns[i].type.kind != CYP_CELL_FLOATS32)
            property_append(g, i, first, out);
}

static void calls_append(const struct cyp_group *g, unsigned first, struct nb_buf *out)
{
    bool rels = g->kind == CYP_GROUP_RELS;

    for (size_t i = 0; i < g->ncolumns; i++) {
        if (g->columns[i].type.kind != CYP_CELL_FLOATS32)
            continue;
        nb_buf_puts(out, rels ? " WITH x,c CALL db.create.setRelationshipVectorProperty(x,"
                              : " WITH n,c CALL db.create.setNodeVectorProperty(n,");
        cyp_string_append(out, g->columns[i].key);
        nb_buf_putc(out, ',');
        cyp_cell_expr_append(out, g->columns[i].type, (unsigned)i + first);
        nb_buf_putc(out, ')');
    }
}

static void labels_append(const struct nb_str *names, size_t n, struct nb_buf *out)
{
    for (size_t i = 0; i < n; i++) {
        nb_buf_putc(out, ':');
        cyp_ident_append(out, names[i]);
    }
}

/* (n:`helper` {`helper`:toInteger(c[0])}) */
static void end_append(const char *match, unsigned index, struct nb_str helper, struct nb_buf *out)
{
    nb_buf_puts(out, match);
    cyp_ident_append(out, helper);
    nb_buf_puts(out, " {");
    cyp_ident_append(out, helper);
    nb_buf_printf(out, ":toInteger(c[%u])})", index);
}

static void rels_append(const struct cyp_group *g, struct nb_str helper, struct nb_buf *out)
{
    size_t brace;

    /* Optional: a node that is missing makes CREATE fail, instead of dropping the row. */
    end_append("OPTIONAL MATCH (a:", 0, helper, out);
    end_append(" OPTIONAL MATCH (b:", 1, helper, out);
    nb_buf_puts(out, " CREATE (a)-[x");
    labels_append(g->names, g->nnames, out);
    nb_buf_puts(out, " {");
    brace = out->len;
    properties_append(g, 2, out);
    if (out->len > brace && !out->overflow) { /* without the first comma */
        memmove(out->data + brace, out->data + brace + 1, out->len - brace - 1);
        out->len--;
    }
    nb_buf_puts(out, "}]->(b)");
    calls_append(g, 2, out);
}

static void set_append(const struct cyp_group *g, struct nb_str helper, struct nb_buf *out)
{
    end_append("MATCH (n:", 0, helper, out);
    nb_buf_puts(out, " SET n={");
    cyp_ident_append(out, helper);
    nb_buf_puts(out, ":toInteger(c[0])");
    properties_append(g, 1, out);
    nb_buf_putc(out, '}');
    if (g->nold_names) {
        nb_buf_puts(out, " REMOVE n");
        labels_append(g->old_names, g->nold_names, out);
    }
    if (g->nnames) {
        nb_buf_puts(out, " SET n");
        labels_append(g->names, g->nnames, out);
    }
    calls_append(g, 1, out);
}

void cyp_group_closing(const struct cyp_group *g, struct nb_str helper, struct nb_buf *out)
{
    nb_buf_puts(out, CYP_AFTER_ROWS);
    switch (g->kind) {
    case CYP_GROUP_RELS:
        rels_append(g, helper, out);
        return;
    case CYP_GROUP_SET_NODES:
        set_append(g, helper, out);
        return;
    case CYP_GROUP_DELETE_NODES:
        end_append("MATCH (n:", 0, helper, out);
        nb_buf_puts(out, " DETACH DELETE n");
        return;
    case CYP_GROUP_NODES:
        break;
    }
    nb_buf_puts(out, "CREATE (n:");
    cyp_ident_append(out, helper);
    labels_append(g->names, g->nnames, out);
    nb_buf_puts(out, " {");
    cyp_ident_append(out, helper);
    nb_buf_puts(out, ":toInteger(c[0])");
    properties_append(g, 1, out);
    nb_buf_puts(out, "})");
    calls_append(g, 1, out);
}
