#include "cypher/plan.h"

#include <stdlib.h>

#include "cypher/ident.h"
#include "cypher/text.h"

enum { PLAN_MAX = 64 << 20, COLUMNS_LIMIT = 100000 };

struct in {
    struct nb_str text;
    size_t pos;
    struct nb_arena *arena;
    struct nb_str helper;
};

void cyp_plan_free(struct cyp_plan *p)
{
    if (!p)
        return;
    nb_arena_free(p->arena);
    free(p->names);
    free(p->old_names);
    free(p->columns);
    free(p->float32_keys);
    free(p);
}

/* --- tokens ----------------------------------------------------------------------------------- */

static bool take(struct in *in, const char *s)
{
    size_t n = strlen(s);

    if (in->text.n - in->pos < n || memcmp(in->text.p + in->pos, s, n) != 0)
        return false;
    in->pos += n;
    return true;
}

static bool at_end(const struct in *in)
{
    return in->pos == in->text.n;
}

/* The text's copy, in the arena. */
static bool keep(struct in *in, const char *p, size_t n, struct nb_str *ret)
{
    struct nb_error ignored = NB_ERROR_INIT;
    char *copy = nb_arena_alloc(in->arena, n, &ignored);

    if (!copy)
        return false;
    if (n)
        memcpy(copy, p, n);
    *ret = (struct nb_str){ copy, n };
    return true;
}

static bool take_name(struct in *in, struct nb_str *ret)
{
    nb_auto_done(nb_buf_done) struct nb_buf name = NB_BUF_INIT(PLAN_MAX);
    struct nb_error ignored = NB_ERROR_INIT;
    struct nb_str s = { in->text.p + in->pos, in->text.n - in->pos };
    size_t n = 1;

    if (!s.n || s.p[0] != '`')
        return false;
    for (; n < s.n; n++) {
        if (s.p[n] != '`')
            continue;
        if (n + 1 >= s.n || s.p[n + 1] != '`')
            break;
        n++;
    }
    if (n >= s.n || !cyp_ident_parse((struct nb_str){ s.p, n + 1 }, &name, &ignored))
        return false;
    in->pos += n + 1;
    return keep(in, name.data, name.len, ret);
}

static bool take_helper(struct in *in)
{
    struct nb_str name;

    return take_name(in, &name) && nb_str_equal(name, in->helper);
}

static bool take_text(struct in *in, struct nb_str *ret)
{
    size_t n;
    char *copy;

    if (!take(in, "'"))
        return false;
    n = cyp_text_span(in->text.p + in->pos, in->text.n - in->pos);
    if (n == SIZE_MAX || !keep(in, in->text.p + in->pos, n, ret))
        return false;
    in->pos += n + 1;
    memcpy(&copy, &ret->p, sizeof(copy)); /* ours, so it may be written to */
    return cyp_text_unescape(copy, ret->n, &ret->n);
}

/* :`A`:`B` */
static bool take_names(struct in *in, struct nb_str **names, size_t *n)
{
    while (take(in, ":")) {
        *names = nb_xreallocarray(*names, *n + 1, sizeof(**names));
        if (!take_name(in, &(*names)[*n]))
            return false;
        ++*n;
    }
    return true;
}

/* `helper` {`helper`:toInteger(c[index])}), after the match that leads to it */
static bool take_end(struct in *in, const char *match, const char *index)
{
    return take(in, match) && take_helper(in) && take(in, " {") && take_helper(in) &&
           take(in, ":toInteger(c[") && take(in, index) && take(in, "])})");
}

/* --- properties ------------------------------------------------------------------------------- */

static bool column_put(struct cyp_plan *p, unsigned first, unsigned index, struct nb_str key,
                       struct cyp_cell_type type)
{
    size_t at = index - first, n = at + 1;

    if (index < first || at >= COLUMNS_LIMIT)
        return false;
    if (n > p->ncolumns) {
        p->columns = nb_xreallocarray(p->columns, n, sizeof(*p->columns));
        for (size_t i = p->ncolumns; i < n; i++)
            p->columns[i] = (struct cyp_column){ { NULL, 0 }, { CYP_CELL_KINDS, 0 } };
        p->ncolumns = n;
    }
    if (p->columns[at].type.kind != CYP_CELL_KINDS)
        return false;
    p->columns[at] = (struct cyp_column){ key, type };
    return true;
}

static bool take_column(struct in *in, struct cyp_plan *p, unsigned first, struct nb_str key,
                        bool float32)
{
    struct cyp_cell_type type;
    unsigned index;

    return cyp_cell_expr_match(in->text, &in->pos, &type, &index) &&
           (type.kind == CYP_CELL_FLOATS32) == float32 && column_put(p, first, index, key, type);
}

/* `key`:expression or `key`:coalesce(expression,...) */
static bool take_property(struct in *in, struct cyp_plan *p, unsigned first)
{
    struct nb_str key;

    if (!take_name(in, &key) || !take(in, ":") || nb_str_equal(key, in->helper))
        return false;
    if (!take(in, "coalesce("))
        return take_column(in, p, first, key, false);
    p->shared_keys = true;
    do {
        if (!take_column(in, p, first, key, false))
            return false;
    } while (take(in, ","));
    return take(in, ")");
}

static bool take_call(struct in *in, struct cyp_plan *p, unsigned first)
{
    bool rels = p->kind == CYP_GROUP_RELS;
    struct nb_str key;

    if (!take(in, rels ? " WITH x,c CALL db.create.setRelationshipVectorProperty(x,"
                       : " WITH n,c CALL db.create.setNodeVectorProperty(n,") ||
        !take_text(in, &key) || !take(in, ",") || !take_column(in, p, first, key, true) ||
        !take(in, ")"))
        return false;
    p->float32_keys =
        nb_xreallocarray(p->float32_keys, p->nfloat32_keys + 1, sizeof(*p->float32_keys));
    p->float32_keys[p->nfloat32_keys++] = key;
    return true;
}

/* --- statements ------------------------------------------------------------------------------- */

static bool take_properties(struct in *in, struct cyp_plan *p, unsigned first, bool leading_comma)
{
    if (!leading_comma && !take(in, "}")) {
        if (!take_property(in, p, first))
            return false;
    } else if (!leading_comma) {
        return true;
    }
    while (take(in, ","))
        if (!take_property(in, p, first))
            return false;
    return take(in, "}");
}

static bool take_calls(struct in *in, struct cyp_plan *p, unsigned first)
{
    while (!at_end(in))
        if (!take_call(in, p, first))
            return false;
    return true;
}

static bool nodes_parse(struct in *in, struct cyp_plan *p)
{
    p->kind = CYP_GROUP_NODES;
    return take_helper(in) && take_names(in, &p->names, &p->nnames) && take(in, " {") &&
           take_helper(in) && take(in, ":toInteger(c[0])") && take_properties(in, p, 1, true) &&
           take(in, ")") && take_calls(in, p, 1);
}

static bool rels_parse(struct in *in, struct cyp_plan *p)
{
    p->kind = CYP_GROUP_RELS;
    return take_end(in, "", "0") && take_end(in, " OPTIONAL MATCH (b:", "1") &&
           take(in, " CREATE (a)-[x") && take_names(in, &p->names, &p->nnames) && p->nnames == 1 &&
           take(in, " {") && take_properties(in, p, 2, false) && take(in, "]->(b)") &&
           take_calls(in, p, 2);
}

static bool changes_parse(struct in *in, struct cyp_plan *p)
{
    if (!take_end(in, "", "0"))
        return false;
    p->kind = CYP_GROUP_DELETE_NODES;
    if (take(in, " DETACH DELETE n"))
        return at_end(in);
    p->kind = CYP_GROUP_SET_NODES;
    if (!take(in, " SET n={") || !take_helper(in) || !take(in, ":toInteger(c[0])") ||
        !take_properties(in, p, 1, true) ||
        (take(in, " REMOVE n") &&
         (!take_names(in, &p->old_names, &p->nold_names) || !p->nold_names)) ||
        (take(in, " SET n") && (!take_names(in, &p->names, &p->nnames) || !p->nnames)))
        return false;
    return take_calls(in, p, 1);
}

/* A map that names a key twice keeps one of them: no statement of ours does that. */
static bool keys_differ(const struct cyp_plan *p)
{
    for (size_t i = 0; i < p->ncolumns; i++)
        for (size_t j = 0; j < i; j++)
            if (nb_str_equal(p->columns[i].key, p->columns[j].key))
                return false;
    return true;
}

static bool plan_parse(struct in *in, struct cyp_plan *p)
{
    if (!take(in, CYP_AFTER_ROWS))
        return false;
    if (take(in, "CREATE (n:")) {
        if (!nodes_parse(in, p))
            return false;
    } else if (take(in, "OPTIONAL MATCH (a:")) {
        if (!rels_parse(in, p))
            return false;
    } else if (!take(in, "MATCH (n:") || !changes_parse(in, p)) {
        return false;
    }
    for (size_t i = 0; i < p->ncolumns; i++)
        if (p->columns[i].type.kind == CYP_CELL_KINDS)
            return false; /* a cell that no property is made of */
    return p->shared_keys || keys_differ(p);
}

struct cyp_plan *cyp_plan_parse(struct nb_str text, struct nb_str helper)
{
    nb_auto(cyp_plan_free) struct cyp_plan *p = NB_NEW(struct cyp_plan);
    struct in in = { text, 0, NULL, helper };

    p->arena = nb_arena_new(PLAN_MAX);
    in.arena = p->arena;
    return plan_parse(&in, p) ? nb_steal(p) : NULL;
}
