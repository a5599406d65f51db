/*
 * A random small graph, with every type of value and its extremes, odd names, no labels and many,
 * loops and many relationships between two nodes, schema of every kind, late changes: sent as a server
 * sends it (PackStream), decoded, written as a dump, read back in steps of any size. The graph read must be
 * the graph sent, exactly.
 */

#include <stdio.h>
#include <string.h>

#include "cypher/reader.h"
#include "tests/campaigns/campaign.h"
#include "tests/unit/cypher/random_graph.h"

enum { NODES_MAX = 40, RELS_MAX = 70, LABELS_MAX = 6, SCHEMA_MAX = 6, MEMORY_MAX = 64 << 20 };

static uint64_t nodes_n, rels_n, bytes_n;

struct node {
    bool exists, seen;
    struct nb_str labels[LABELS_MAX];
    size_t nlabels;
    struct ps_map props;
};
struct rel {
    bool gone, seen;
    int64_t start, end;
    struct nb_str type;
    struct ps_map props;
};
struct graph {
    struct rg rg;
    struct node nodes[NODES_MAX];
    struct rel rels[RELS_MAX];
    struct cyp_schema schema[SCHEMA_MAX];
    size_t n, m, schema_n, schema_seen;
    int64_t id_step, id_first; /* ids are not the index */
    struct nb_buf wire, out;
};

static int64_t id_of(const struct graph *g, size_t i)
{
    return g->id_first + (int64_t)i * g->id_step;
}

/* --- making ----------------------------------------------------------------------------------- */

static size_t labels_make(struct graph *g, struct nb_str *labels)
{
    return rg_labels(&g->rg, labels, rg_below(&g->rg, 4) ? 2 : LABELS_MAX);
}

static struct nb_str text_append(struct graph *g, const char *before, struct nb_str name,
                                 const char *after)
{
    size_t a = strlen(before), b = strlen(after), n = 0;
    char *p = rg_alloc(&g->rg, a + 2 * name.n + b + 3);

    memcpy(p, before, a);
    n = a;
    p[n++] = '`';
    for (size_t i = 0; i < name.n; i++) {
        if (name.p[i] == '`')
            p[n++] = '`';
        p[n++] = name.p[i];
    }
    p[n++] = '`';
    memcpy(p + n, after, b);
    return (struct nb_str){ p, n + b };
}

/* As a server prints it: names quoted with backticks doubled, nothing else escaped. */
static void schema_make(struct graph *g)
{
    static const struct {
        enum cyp_schema_kind kind;
        const char *before, *after;
    } forms[] = {
        { CYP_INDEX, "CREATE RANGE INDEX ", " FOR (n:`Person`) ON (n.`name`, n.`we``ird`)" },
        { CYP_INDEX, "CREATE TEXT INDEX ", " FOR ()-[r:`KNOWS`]-() ON (r.`t`)" },
        { CYP_INDEX, "CREATE FULLTEXT INDEX ",
          " FOR (n:`A;B`|`M`) ON EACH [n.`a`, n.`b`] OPTIONS {indexConfig: "
          "{`fulltext.analyzer`: 'it\\'s',`fulltext.eventually_consistent`: true}}" },
        { CYP_INDEX, "CREATE VECTOR INDEX ",
          " FOR (n:`None`) ON (n.`v`) OPTIONS {indexConfig: {`vector.dimensions`: 4}}" },
        { CYP_CONSTRAINT, "CREATE CONSTRAINT ", " FOR (n:`None`) REQUIRE (n.`p`) IS UNIQUE" },
        { CYP_CONSTRAINT, "CREATE CONSTRAINT ", " FOR ()-[r:`R`]-() REQUIRE (r.`p`) IS UNIQUE" },
    };

    g->schema_n = rg_below(&g->rg, SCHEMA_MAX + 1);
    for (size_t i = 0; i < g->schema_n; i++) {
        size_t form = rg_below(&g->rg, NB_ARRAY_LEN(forms));
        struct nb_str name = rg_name(&g->rg);

        g->schema[i] = (struct cyp_schema){ .kind = forms[form].kind,
                                            .name = name,
                                            .statement = text_append(g, forms[form].before, name,
                                                                     forms[form].after) };
    }
}

static void graph_make(struct graph *g)
{
    struct rg *r = &g->rg;

    g->n = rg_below(r, NODES_MAX + 1);
    g->m = g->n ? rg_below(r, RELS_MAX + 1) : 0;
    g->id_step = rg_between(r, 1, 1000);
    g->id_first = rg_between(r, 0, INT64_C(1) << rg_below(r, 50));
    for (size_t i = 0; i < g->n; i++) {
        g->nodes[i].exists = true;
        g->nodes[i].nlabels = labels_make(g, g->nodes[i].labels);
        g->nodes[i].props = rg_props(r, 7);
    }
    for (size_t i = 0; i < g->m; i++) {
        int64_t start = rg_between(r, 0, (int64_t)g->n - 1);

        g->rels[i] =
            (struct rel){ .start = start,
                          .end = rg_below(r, 5) ? rg_between(r, 0, (int64_t)g->n - 1) : start,
                          .type = rg_name(r),
                          .props = rg_props(r, 4) };
        if (i > 0 && rg_below(r, 6) == 0) { /* one more of the same */
            g->rels[i].start = g->rels[i - 1].start;
            g->rels[i].end = g->rels[i - 1].end;
        }
    }
    schema_make(g);
}

/* --- writing ---------------------------------------------------------------------------------- */

static bool buf_write(void *ctx, const void *p, size_t n, struct nb_error *err)
{
    struct nb_buf *out = ctx;

    nb_buf_append(out, p, n);
    return nb_buf_check(out, err);
}

/* Over the wire and back, as the exporter gets it. */
static bool wire(struct graph *g, const struct ps_map *in, struct nb_arena *arena,
                 struct ps_map *ret, struct nb_error *err)
{
    struct ps_encoder e = PS_ENCODER_INIT(&g->wire);
    struct ps_value v = { .type = PS_MAP, .map = *in };
    struct ps_decoder d;

    e.version = 2;
    nb_buf_clear(&g->wire);
    ps_put_value(&e, &v);
    if (!ps_encoder_check(&e, err))
        return false;
    ps_decoder_init(&d, g->wire.data, g->wire.len, 2, arena);
    return ps_decode_map(&d, ret, err);
}

static bool node_write(struct graph *g, struct cyp_script *s, size_t i, struct nb_arena *arena,
                       struct nb_error *err)
{
    struct node *n = &g->nodes[i];
    struct ps_map props;

    nb_arena_reset(arena);
    return wire(g, &n->props, arena, &props, err) &&
           cyp_script_node(s, id_of(g, i), n->labels, n->nlabels, &props, err);
}

static bool rel_write(struct graph *g, struct cyp_script *s, size_t i, struct nb_arena *arena,
                      struct nb_error *err)
{
    struct rel *r = &g->rels[i];
    struct ps_map props;

    nb_arena_reset(arena);
    return wire(g, &r->props, arena, &props, err) &&
           cyp_script_rel(s, (int64_t)i, id_of(g, (size_t)r->start), id_of(g, (size_t)r->end),
                          r->type, &props, err);
}

/* Nodes that went, and others that are not as they were when they were read. */
static bool fixups_write(struct graph *g, struct cyp_script *s, struct nb_arena *arena,
                         struct nb_error *err)
{
    if (!cyp_script_fixups(s, err))
        return false;
    for (size_t i = 0; i < g->n; i++) {
        struct node *n = &g->nodes[i], old = *n;
        struct ps_map props;

        switch (rg_below(&g->rg, 6)) {
        case 0:
            n->exists = false;
            for (size_t k = 0; k < g->m; k++)
                if (g->rels[k].start == (int64_t)i || g->rels[k].end == (int64_t)i)
                    g->rels[k].gone = true;
            if (!cyp_script_delete_node(s, id_of(g, i), err))
                return false;
            break;
        case 1:
            n->nlabels = labels_make(g, n->labels);
            n->props = rg_props(&g->rg, 7);
            nb_arena_reset(arena);
            if (!wire(g, &n->props, arena, &props, err) ||
                !cyp_script_set_node(s, id_of(g, i), old.labels, old.nlabels, n->labels, n->nlabels,
                                     &props, err))
                return false;
            break;
        default:
            break;
        }
    }
    return cyp_script_end_fixups(s, err);
}

static bool graph_write(struct graph *g, struct cyp_script *s, struct nb_arena *arena,
                        struct nb_error *err)
{
    struct cyp_head head = { .database = NB_STR("neo4j"), .server_version = NB_STR("5.26.30") };

    if (!cyp_script_head(s, &head, err))
        return false;
    for (size_t i = 0; i < g->n; i++)
        if (!node_write(g, s, i, arena, err) ||
            (rg_below(&g->rg, 40) == 0 && !cyp_script_flush(s, err)))
            return false;
    if (!cyp_script_end_nodes(s, err))
        return false;
    for (size_t i = 0; i < g->m; i++)
        if (!rel_write(g, s, i, arena, err))
            return false;
    if (!cyp_script_end_rels(s, err) ||
        (rg_below(&g->rg, 3) == 0 && !fixups_write(g, s, arena, err)) ||
        !cyp_script_end_data(s, err))
        return false;
    for (size_t i = 0; i < g->schema_n; i++)
        if (!cyp_script_schema(s, &g->schema[i], err))
            return false;
    return cyp_script_tail(s, err);
}

/* --- reading: what a restore would make -------------------------------------------------------- */

struct mirror_rel {
    size_t start, end;
    struct nb_str type;
    struct ps_map props;
    bool gone;
};
struct mirror {
    struct graph *g;
    struct nb_arena *arena;
    struct node nodes[NODES_MAX];
    struct mirror_rel rels[RELS_MAX];
    size_t m;
};

static bool wrong(struct nb_error *err, const char *what)
{
    return nb_fail(err, NB_E_INTERNAL, "Wrong", "%s", what);
}

static bool index_of(const struct mirror *m, int64_t id, size_t *ret, struct nb_error *err)
{
    int64_t i = (id - m->g->id_first) / m->g->id_step;

    if (i < 0 || i >= (int64_t)m->g->n || id_of(m->g, (size_t)i) != id)
        return wrong(err, "a node with an id that was never sent");
    *ret = (size_t)i;
    return true;
}

static bool str_keep(struct mirror *m, struct nb_str in, struct nb_str *ret, struct nb_error *err)
{
    char *p = nb_arena_alloc(m->arena, in.n + 1, err);

    if (!p)
        return false;
    if (in.n)
        memcpy(p, in.p, in.n);
    *ret = (struct nb_str){ p, in.n };
    return true;
}

static bool props_keep(struct mirror *m, const struct ps_map *in, struct ps_map *ret,
                       struct nb_error *err)
{
    struct ps_value v = { .type = PS_MAP, .map = *in }, copy;

    if (!ps_value_copy(&v, m->arena, &copy, err))
        return false;
    *ret = copy.map;
    return true;
}

static bool node_keep(struct mirror *m, const struct cyp_node_row *row, bool again,
                      struct nb_error *err)
{
    size_t i;
    struct node *n;

    if (!index_of(m, row->id, &i, err))
        return false;
    n = &m->nodes[i];
    if (n->exists != again)
        return wrong(err, again ? "a change of a node that is not there" : "a node twice");
    if (row->nlabels > LABELS_MAX)
        return wrong(err, "more labels than any node has");
    *n = (struct node){ .exists = true, .nlabels = row->nlabels };
    for (size_t k = 0; k < row->nlabels; k++)
        if (!str_keep(m, row->labels[k], &n->labels[k], err))
            return false;
    return props_keep(m, &row->props, &n->props, err);
}

static bool on_node(void *ctx, const struct cyp_node_row *row, struct nb_error *err)
{
    return node_keep(ctx, row, false, err);
}

static bool on_set_node(void *ctx, const struct cyp_node_row *row, const struct nb_str *old_labels,
                        size_t nold_labels, struct nb_error *err)
{
    (void)old_labels;
    (void)nold_labels;
    return node_keep(ctx, row, true, err);
}

static bool on_delete_node(void *ctx, int64_t id, struct nb_error *err)
{
    struct mirror *m = ctx;
    size_t i;

    if (!index_of(m, id, &i, err))
        return false;
    m->nodes[i].exists = false;
    for (size_t k = 0; k < m->m; k++)
        if (m->rels[k].start == i || m->rels[k].end == i)
            m->rels[k].gone = true;
    return true;
}

static bool on_rel(void *ctx, const struct cyp_rel_row *row, struct nb_error *err)
{
    struct mirror *m = ctx;
    struct mirror_rel *r;

    if (m->m == m->g->m)
        return wrong(err, "more relationships than were sent");
    r = &m->rels[m->m++];
    r->gone = false;
    return index_of(m, row->start_id, &r->start, err) && index_of(m, row->end_id, &r->end, err) &&
           str_keep(m, row->type, &r->type, err) && props_keep(m, &row->props, &r->props, err);
}

static bool on_schema(void *ctx, const struct cyp_schema *item, struct nb_error *err)
{
    struct mirror *m = ctx;

    for (size_t i = 0; i < m->g->schema_n; i++)
        if (item->kind == m->g->schema[i].kind && nb_str_equal(item->name, m->g->schema[i].name)) {
            m->g->schema_seen++;
            return true;
        }
    return wrong(err, "an index or constraint of a name that was never sent");
}

static bool on_other(void *ctx, struct nb_str statement, struct nb_error *err)
{
    (void)ctx;
    return nb_fail(err, NB_E_INTERNAL, "Other", "not understood: %.*s",
                   statement.n < 200 ? (int)statement.n : 200, statement.p);
}

/* --- comparing --------------------------------------------------------------------------------- */

static bool props_equal(const struct ps_map *a, const struct ps_map *b)
{
    struct ps_value x = { .type = PS_MAP, .map = *a }, y = { .type = PS_MAP, .map = *b };

    return ps_value_equal(&x, &y);
}

static bool labels_equal(const struct node *a, const struct node *b)
{
    size_t same = 0;

    for (size_t i = 0; i < a->nlabels; i++)
        for (size_t k = 0; k < b->nlabels; k++)
            same += nb_str_equal(a->labels[i], b->labels[k]);
    return a->nlabels == b->nlabels && same == a->nlabels;
}

static bool rel_find(struct graph *g, const struct mirror_rel *r)
{
    for (size_t i = 0; i < g->m; i++) {
        struct rel *want = &g->rels[i];

        if (want->gone || want->seen || want->start != (int64_t)r->start ||
            want->end != (int64_t)r->end || !nb_str_equal(want->type, r->type) ||
            !props_equal(&want->props, &r->props))
            continue;
        want->seen = true;
        return true;
    }
    return false;
}

static bool compare(struct mirror *m, struct nb_error *err)
{
    struct graph *g = m->g;

    for (size_t i = 0; i < g->n; i++) {
        if (m->nodes[i].exists != g->nodes[i].exists)
            return wrong(err, "a node too much or too few");
        if (!g->nodes[i].exists)
            continue;
        nodes_n++;
        if (!labels_equal(&m->nodes[i], &g->nodes[i]))
            return wrong(err, "other labels");
        if (!props_equal(&m->nodes[i].props, &g->nodes[i].props))
            return wrong(err, "other properties of a node");
    }
    for (size_t i = 0; i < m->m; i++)
        if (!m->rels[i].gone && !rel_find(g, &m->rels[i]))
            return wrong(err, "a relationship that was never sent");
    for (size_t i = 0; i < g->m; i++) {
        rels_n++;
        if (!g->rels[i].gone && !g->rels[i].seen)
            return wrong(err, "a relationship is missing");
    }
    return g->schema_seen == g->schema_n || wrong(err, "an index or constraint is missing");
}

static bool read_back(struct mirror *m, struct nb_error *err)
{
    static const struct cyp_reader_ops ops = { .node = on_node,
                                               .rel = on_rel,
                                               .delete_node = on_delete_node,
                                               .set_node = on_set_node,
                                               .schema = on_schema,
                                               .other = on_other };
    struct cyp_reader_opts opts = { .digest_content = true, .digest_ends_max_bytes = MEMORY_MAX };
    nb_auto(cyp_reader_free) struct cyp_reader *r = cyp_reader_new(&opts, &ops, m);
    struct nb_buf *out = &m->g->out;

    for (size_t at = 0, step; at < out->len; at += step) {
        step = 1 + rg_below(&m->g->rg, rg_below(&m->g->rg, 2) ? 20 : 5000);
        if (step > out->len - at)
            step = out->len - at;
        if (!cyp_reader_feed(r, out->data + at, step, err))
            return false;
    }
    return cyp_reader_finish(r, err) && compare(m, err);
}

static bool write_and_read(struct graph *g, struct nb_arena *arena, struct nb_error *err)
{
    struct rg *r = &g->rg;
    struct mirror m = { .g = g, .arena = arena };
    struct cyp_script_opts opts = { .rows_per_statement = (unsigned)rg_below(r, 12),
                                    .max_statement_bytes = rg_below(r, 2) ? 0 : 3000,
                                    .max_groups = rg_below(r, 2) ? 0 : 3,
                                    .vector_procedures = rg_below(r, 2),
                                    .digest_content = true,
                                    .digest_ends_max_bytes = MEMORY_MAX,
                                    .helper_suffix = "campaign",
                                    .write = buf_write,
                                    .write_ctx = &g->out };
    nb_auto(cyp_script_free) struct cyp_script *s = NULL;

    if (!cyp_script_new(&opts, &s, err) || !graph_write(g, s, arena, err))
        return false;
    bytes_n += g->out.len;
    nb_arena_reset(arena);
    return read_back(&m, err);
}

static bool run(uint64_t number, struct nb_error *err)
{
    struct graph *g = NB_NEW(struct graph);
    struct nb_arena *own = nb_arena_new(MEMORY_MAX), *names = nb_arena_new(MEMORY_MAX);
    struct nb_arena *arena = nb_arena_new(MEMORY_MAX);
    bool ok;

    g->rg = (struct rg){ .state = number * UINT64_C(0xd1342543de82ef95) + 1, .arena = own };
    nb_buf_init(&g->wire, MEMORY_MAX);
    nb_buf_init(&g->out, MEMORY_MAX);
    if (rg_below(&g->rg, 2))
        rg_names_fix(&g->rg, names, 1 + rg_below(&g->rg, 12));
    graph_make(g);
    ok = write_and_read(g, arena, err);
    nb_buf_done(&g->wire);
    nb_buf_done(&g->out);
    free(g);
    nb_arena_free(own);
    nb_arena_free(names);
    nb_arena_free(arena);
    return ok;
}

static const char *remarks(void)
{
    static char text[120];

    snprintf(text, sizeof(text), "%llu nodes, %llu relationships, %llu bytes of dumps",
             (unsigned long long)nodes_n, (unsigned long long)rels_n, (unsigned long long)bytes_n);
    return text;
}

const struct campaign campaign = { .name = "graph", .slice = 300, .run = run, .remarks = remarks };
