#include <stdlib.h>

#include "cypher/number.h"
#include "cypher/reader_priv.h"
#include "cypher/text.h"

/* --- one row ---------------------------------------------------------------------------------- */

struct row {
    int64_t id, id2;
    struct ps_map props;
};

static bool id_take(char **p, const char *end, bool *ret_more, int64_t *ret)
{
    char *mark = memchr(*p, CYP_CELL, (size_t)(end - *p));
    size_t n = (size_t)((mark ? mark : end) - *p);
    const char *digits = *p;

    *ret_more = mark != NULL;
    *p += n + (mark != NULL);
    return cyp_int_read(digits, n, ret);
}

static bool key_is_new(const struct cyp_reader *r, size_t n, struct nb_str key)
{
    for (size_t i = 0; i < n; i++)
        if (nb_str_equal(r->pairs[i].key, key))
            return false;
    return true;
}

static void kind_count(struct cyp_reader *r, uint32_t kind)
{
    r->counts.properties++;
    if (kind == CYP_CELL_BYTES || kind == CYP_CELL_BYTES_EMPTY)
        r->counts.byte_arrays++;
    else if (kind == CYP_CELL_FLOATS32)
        r->counts.float32_lists++;
}

static bool cell_take(struct cyp_reader *r, const struct cyp_column *c, char *text, size_t n,
                      struct row *row, struct nb_error *err)
{
    struct ps_pair *pair = &r->pairs[row->props.n];

    if (!n)
        return c->type.kind != CYP_CELL_FLOATS32 ||
               cyp_reader_bad(r, err, "a row without its vector");
    if (!cyp_cell_read(c->type, text, n, r->arena, &pair->value, err))
        return false;
    /* Two columns of one key, both there: the script keeps the first, the writer writes one. */
    if (r->plan->shared_keys && !key_is_new(r, row->props.n, c->key))
        return cyp_reader_bad(r, err, "a property that comes twice");
    pair->key = c->key;
    row->props.n++;
    kind_count(r, c->type.kind);
    return true;
}

static bool row_parse(struct cyp_reader *r, char *p, char *end, struct row *row,
                      struct nb_error *err)
{
    const struct cyp_plan *plan = r->plan;
    bool more;

    *row = (struct row){ 0, 0, { r->pairs, 0 } };
    nb_arena_reset(r->arena);
    if (!id_take(&p, end, &more, &row->id) ||
        (plan->kind == CYP_GROUP_RELS && (!more || !id_take(&p, end, &more, &row->id2))))
        return cyp_reader_bad(r, err, "a row without its id");
    for (size_t i = 0; i < plan->ncolumns; i++) {
        char *mark = more ? memchr(p, CYP_CELL, (size_t)(end - p)) : p;
        size_t n = more ? (size_t)((mark ? mark : end) - p) : 0;

        if (!cell_take(r, &plan->columns[i], p, n, row, err))
            return false;
        p += n;
        if (more && mark)
            p++;
        more = more && mark;
    }
    return !more || cyp_reader_bad(r, err, "a row with too many cells");
}

/* --- what becomes of it ----------------------------------------------------------------------- */

static bool node_emit(struct cyp_reader *r, const struct row *row, struct nb_error *err)
{
    const struct cyp_plan *p = r->plan;
    struct cyp_node_row node = { row->id,    p->names,        p->nnames,
                                 row->props, p->float32_keys, p->nfloat32_keys };

    r->counts.nodes++;
    if (r->digester &&
        !cyp_digester_node(r->digester, row->id, p->names, p->nnames, &row->props, err))
        return false;
    return !r->ops.node || r->ops.node(r->ctx, &node, err);
}

static bool set_emit(struct cyp_reader *r, const struct row *row, struct nb_error *err)
{
    const struct cyp_plan *p = r->plan;
    struct cyp_node_row node = { row->id,    p->names,        p->nnames,
                                 row->props, p->float32_keys, p->nfloat32_keys };

    r->counts.properties -= row->props.n;
    if (r->digester)
        cyp_digester_forget(r->digester);
    return !r->ops.set_node || r->ops.set_node(r->ctx, &node, p->old_names, p->nold_names, err);
}

static bool rel_emit(struct cyp_reader *r, const struct row *row, struct nb_error *err)
{
    const struct cyp_plan *p = r->plan;
    struct cyp_rel_row rel = { row->id,    row->id2,        p->names[0],
                               row->props, p->float32_keys, p->nfloat32_keys };

    r->counts.rels++;
    if (r->digester &&
        !cyp_digester_rel(r->digester, row->id, row->id2, p->names[0], &row->props, err))
        return false;
    return !r->ops.rel || r->ops.rel(r->ctx, &rel, err);
}

static bool delete_emit(struct cyp_reader *r, const struct row *row, struct nb_error *err)
{
    if (!r->counts.nodes)
        return cyp_reader_bad(r, err, "more nodes deleted than made");
    r->counts.nodes--;
    r->counts.deleted_nodes++;
    if (r->digester)
        cyp_digester_forget(r->digester);
    return !r->ops.delete_node || r->ops.delete_node(r->ctx, row->id, err);
}

static bool row_emit(struct cyp_reader *r, const struct row *row, struct nb_error *err)
{
    switch (r->plan->kind) {
    case CYP_GROUP_RELS:
        return rel_emit(r, row, err);
    case CYP_GROUP_SET_NODES:
        return set_emit(r, row, err);
    case CYP_GROUP_DELETE_NODES:
        return delete_emit(r, row, err);
    default:
        return node_emit(r, row, err);
    }
}

/* --- one statement ---------------------------------------------------------------------------- */

/* Statements of one group are equal but for their rows, so the plan before is mostly the one. */
static bool plan_get(struct cyp_reader *r, struct nb_str text)
{
    struct cyp_plan *plan;

    if (r->plan && nb_str_equal(nb_buf_str(&r->plan_text), text))
        return true;
    plan = cyp_plan_parse(text, nb_str_from(r->helper));
    if (!plan)
        return false;
    cyp_plan_free(r->plan);
    r->plan = plan;
    nb_buf_clear(&r->plan_text);
    nb_buf_append(&r->plan_text, text.p, text.n);
    if (plan->ncolumns > r->npairs) {
        r->npairs = plan->ncolumns;
        r->pairs = nb_xreallocarray(r->pairs, r->npairs, sizeof(*r->pairs));
    }
    return true;
}

bool cyp_reader_rows(struct cyp_reader *r, char *literal, size_t n, struct nb_str rest,
                     bool *ret_known, struct nb_error *err)
{
    char *end;
    bool more = true;

    *ret_known = plan_get(r, rest);
    if (!*ret_known)
        return true;
    if (!cyp_text_unescape(literal, n, &n))
        return cyp_reader_bad(r, err, "an escape that is none of ours");
    end = literal + n;
    while (more) {
        char *mark = memchr(literal, CYP_ROW, (size_t)(end - literal));
        char *stop = mark ? mark : end;
        struct row row;

        more = mark != NULL;
        if (more && (mark + 1 == end || mark[1] != '\n'))
            return cyp_reader_bad(r, err, "a row that does not end its line");
        if (!row_parse(r, literal, stop, &row, err) || !row_emit(r, &row, err))
            return false;
        literal = stop + 2;
    }
    return true;
}
