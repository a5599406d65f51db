#include "engine/compare.h"

#include "base/mem.h"
#include "base/utf8.h"
#include "cypher/ident.h"
#include "cypher/literal.h"
#include "engine/tally.h"

enum {
    LINES_MAX = 100,
    NAME_BYTES = 300,  /* of a label set, a statement */
    VALUE_BYTES = 100, /* of one property */
    TEXT_BYTES = 500,
};

struct compare {
    const struct eng_compare_opts *opts;
    struct eng_compare_result *result;
    struct eng_tally *tally[2];
};

const char *eng_difference_name(enum eng_difference d)
{
    static const char *const names[] = { "Schema", "Nodes", "Relationships", "Node",
                                         "Relationship" };

    return names[d];
}

/* At most n bytes of it, and no half character. */
static void append_cut(struct nb_buf *out, struct nb_str s, size_t n)
{
    size_t take = s.n <= n ? s.n : nb_utf8_cut(s.p, n);

    nb_buf_append(out, s.p, take);
    if (take < s.n)
        nb_buf_puts(out, "…");
}

static void tell(const struct compare *c, enum eng_difference what, char only_in,
                 const struct nb_buf *text)
{
    c->opts->tell(c->opts->ctx, what, only_in, nb_buf_cstr(text));
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The keys of both, each once, sorted. To be freed; they are the maps'. */
static const char **keys_of_both(const struct nb_map *a, const struct nb_map *b, size_t *ret_n)
{
    const char **keys = nb_xcalloc(nb_map_count(a) + nb_map_count(b) + 1, sizeof(*keys));
    const struct nb_map *maps[2] = { a, b };
    size_t n = 0;

    for (int side = 0; side < 2; side++) {
        struct nb_str key;
        void *value;
        size_t pos = 0;

        while (nb_map_next(maps[side], &pos, &key, &value))
            if (side == 0 || !nb_map_get(a, key.p, key.n))
                keys[n++] = key.p;
    }
    qsort(keys, n, sizeof(*keys), by_text);
    *ret_n = n;
    return keys;
}

/* True: there is room for one line more of its kind. */
static bool count_line(const struct compare *c, unsigned *lines)
{
    unsigned max = c->opts->lines_max ? c->opts->lines_max : LINES_MAX;

    c->result->differences++;
    return ++*lines <= max;
}

/* --- schema ----------------------------------------------------------------------------------- */

static void compare_schema(const struct compare *c)
{
    const struct nb_map *a = c->tally[0]->schema, *b = c->tally[1]->schema;
    size_t n;
    const char **keys = keys_of_both(a, b, &n);
    unsigned lines = 0;

    for (size_t i = 0; i < n; i++) {
        nb_auto_done(nb_buf_done) struct nb_buf text = NB_BUF_INIT(TEXT_BYTES);
        bool in_a = nb_map_get(a, keys[i], strlen(keys[i])) != NULL;
        bool in_b = nb_map_get(b, keys[i], strlen(keys[i])) != NULL;

        if (in_a == in_b || !count_line(c, &lines))
            continue;
        append_cut(&text, nb_str_from(keys[i]), NAME_BYTES);
        tell(c, ENG_DIFFERENT_SCHEMA, in_a ? 'A' : 'B', &text);
    }
    free(keys);
}

/* --- label sets and types --------------------------------------------------------------------- */

static bool shapes_equal(const struct eng_shape *a, const struct eng_shape *b)
{
    return a && b && a->count == b->count && cyp_sum_equal(a->content, b->content) &&
           cyp_sum_equal(a->with_ends, b->with_ends);
}

static void say_shape(struct nb_buf *text, const char *name, const struct eng_shape *a,
                      const struct eng_shape *b)
{
    uint64_t in_a = a ? a->count : 0, in_b = b ? b->count : 0;

    append_cut(text, nb_str_from(name), NAME_BYTES);
    if (!a || !b || in_a != in_b)
        nb_buf_printf(text, ": %llu in A, %llu in B", (unsigned long long)in_a,
                      (unsigned long long)in_b);
    else if (!cyp_sum_equal(a->content, b->content))
        nb_buf_printf(text, ": %llu in each, but not with the same properties",
                      (unsigned long long)in_a);
    else
        nb_buf_printf(text, ": %llu in each, but not all between the same nodes",
                      (unsigned long long)in_a);
}

static void compare_shapes(const struct compare *c, enum eng_difference what,
                           const struct eng_tally_part *a, const struct eng_tally_part *b)
{
    size_t n;
    const char **keys = keys_of_both(a->shapes, b->shapes, &n);
    unsigned lines = 0;

    for (size_t i = 0; i < n; i++) {
        nb_auto_done(nb_buf_done) struct nb_buf text = NB_BUF_INIT(TEXT_BYTES);
        const struct eng_shape *x = nb_map_get(a->shapes, keys[i], strlen(keys[i]));
        const struct eng_shape *y = nb_map_get(b->shapes, keys[i], strlen(keys[i]));

        if (shapes_equal(x, y) || !count_line(c, &lines))
            continue;
        say_shape(&text, keys[i], x, y);
        tell(c, what, 0, &text);
    }
    free(keys);
}

/* --- examples --------------------------------------------------------------------------------- */

/* Elements of the same content, in the buckets that are looked at. */
struct entry {
    uint64_t n[2];
    char *text; /* of one of them */
};

struct looking {
    const struct compare *c;
    const bool *wanted[2]; /* buckets: of nodes, of relationships */
    struct nb_map *found[2];
    struct cyp_digester *digester;
    int side;
    bool too_many;
};

static bool buckets_equal(const struct eng_bucket *a, const struct eng_bucket *b)
{
    return a->count == b->count && cyp_sum_equal(a->sum, b->sum);
}

/* The first of those that differ, as many as hold not too many elements, but at least one. */
static bool choose_buckets(const struct eng_tally_part *a, const struct eng_tally_part *b,
                           bool *ret_wanted)
{
    uint64_t elements = 0;
    bool any = false;

    for (size_t i = 0; i < ENG_TALLY_BUCKETS; i++) {
        uint64_t n = a->buckets[i].count + b->buckets[i].count;

        if (buckets_equal(&a->buckets[i], &b->buckets[i]))
            continue;
        if (any && elements + n > ENG_COMPARE_LOOKED_AT_MAX)
            continue;
        ret_wanted[i] = any = true;
        elements += n;
    }
    return any;
}

static void append_value(struct nb_buf *text, const struct ps_value *v)
{
    nb_auto_done(nb_buf_done) struct nb_buf literal = NB_BUF_INIT(16 << 10);
    struct nb_error ignored = NB_ERROR_INIT;
    bool lossy;

    if (v->type == PS_BYTES || v->type == PS_VECTOR || v->type == PS_FLOATS)
        nb_buf_printf(text, v->type == PS_BYTES ? "<%zu bytes>" : "<%zu numbers>",
                      v->type == PS_BYTES    ? v->bytes.n
                      : v->type == PS_VECTOR ? v->vector.n
                                             : v->floats.n);
    else if (!cyp_literal_append(&literal, v, &lossy, &ignored))
        nb_buf_puts(text, "<a value that Cypher can't write>");
    else
        append_cut(text, nb_buf_str(&literal), VALUE_BYTES);
}

/* Whole properties, as many as there is room for. */
static void append_props(struct nb_buf *text, const struct ps_map *props)
{
    for (size_t i = 0; i < props->n; i++) {
        nb_auto_done(nb_buf_done) struct nb_buf one = NB_BUF_INIT(TEXT_BYTES);

        nb_buf_puts(&one, i == 0 ? " {" : ", ");
        cyp_ident_append(&one, props->pairs[i].key);
        nb_buf_puts(&one, ": ");
        append_value(&one, &props->pairs[i].value);
        if (one.overflow || text->len + one.len > TEXT_BYTES - 100) {
            nb_buf_puts(text, i == 0 ? " {…" : ", …");
            break;
        }
        nb_buf_append(text, one.data, one.len);
    }
    if (props->n > 0)
        nb_buf_putc(text, '}');
}

static void say_node(struct nb_buf *text, const struct ps_node *n)
{
    nb_auto_done(nb_buf_done) struct nb_buf labels = NB_BUF_INIT(1 << 20);

    eng_shape_append_labels(&labels, n->labels, n->nlabels);
    nb_buf_printf(text, "node %lld ", (long long)n->id);
    if (labels.len > 0) /* the properties go within the parentheses */
        append_cut(text, (struct nb_str){ labels.data, labels.len - 1 }, VALUE_BYTES);
    append_props(text, &n->props);
    nb_buf_putc(text, ')');
}

static void say_rel(struct nb_buf *text, const struct eng_rel *rel)
{
    nb_auto_done(nb_buf_done) struct nb_buf type = NB_BUF_INIT(1 << 20);

    cyp_ident_append(&type, rel->type);
    nb_buf_puts(text, "relationship ");
    if (rel->id >= 0)
        nb_buf_printf(text, "%lld ", (long long)rel->id);
    nb_buf_puts(text, "[:");
    append_cut(text, nb_buf_str(&type), VALUE_BYTES);
    append_props(text, &rel->props);
    nb_buf_printf(text, "] from node %lld to node %lld", (long long)rel->start_id,
                  (long long)rel->end_id);
}

static void entry_free(void *p)
{
    struct entry *e = p;

    free(e->text);
    free(e);
}

/* NULL: it is known, or there are too many. */
static struct entry *entry_add(struct looking *k, struct nb_map *map, struct cyp_sum hash)
{
    struct entry *e = nb_map_get(map, (const char *)&hash, sizeof(hash));

    if (e) {
        e->n[k->side]++;
        return NULL;
    }
    if (nb_map_count(map) >= 4 * (size_t)ENG_COMPARE_LOOKED_AT_MAX) {
        k->too_many = true;
        return NULL;
    }
    e = NB_NEW(struct entry);
    e->n[k->side] = 1;
    nb_map_put(map, (const char *)&hash, sizeof(hash), e);
    return e;
}

static bool look_at_node(void *ctx, const struct ps_node *n, struct nb_error *err)
{
    nb_auto_done(nb_buf_done) struct nb_buf text = NB_BUF_INIT(TEXT_BYTES);
    struct looking *k = ctx;
    struct cyp_sum hash;
    struct entry *e;

    if (!cyp_digester_node(k->digester, n->id, n->labels, n->nlabels, &n->props, err))
        return false;
    hash = cyp_digester_last(k->digester).content;
    e = k->wanted[0][eng_tally_bucket(hash)] ? entry_add(k, k->found[0], hash) : NULL;
    if (!e)
        return true;
    say_node(&text, n);
    e->text = nb_buf_take(&text);
    return true;
}

static bool look_at_rel(void *ctx, const struct eng_rel *rel, struct nb_error *err)
{
    nb_auto_done(nb_buf_done) struct nb_buf text = NB_BUF_INIT(TEXT_BYTES);
    struct looking *k = ctx;
    struct cyp_sum hash;
    struct entry *e;

    if (!cyp_digester_rel(k->digester, rel->start_id, rel->end_id, rel->type, &rel->props, err))
        return false;
    hash = cyp_digester_last(k->digester).with_ends;
    e = k->wanted[1][eng_tally_bucket(hash)] ? entry_add(k, k->found[1], hash) : NULL;
    if (!e)
        return true;
    say_rel(&text, rel);
    e->text = nb_buf_take(&text);
    return true;
}

static bool no_schema(void *ctx, struct nb_str statement, struct nb_error *err)
{
    (void)ctx;
    (void)statement;
    (void)err;
    return true;
}

static int by_entry_text(const void *a, const void *b)
{
    const struct entry *x = *(void *const *)a, *y = *(void *const *)b;

    return strcmp(x->text, y->text);
}

/* What has a side more of than the other. */
static void tell_examples(const struct looking *k, enum eng_difference what, struct nb_map *found,
                          int side)
{
    struct nb_vec list = { NULL, 0, 0 };
    size_t pos = 0;
    struct nb_str key;
    void *value;

    while (nb_map_next(found, &pos, &key, &value)) {
        struct entry *e = value;

        if (e->n[side] > e->n[!side])
            nb_vec_push(&list, e);
    }
    if (list.count > 1)
        qsort(list.items, list.count, sizeof(*list.items), by_entry_text);
    for (size_t i = 0; i < list.count && i < ENG_COMPARE_EXAMPLES_MAX; i++) {
        nb_auto_done(nb_buf_done) struct nb_buf text = NB_BUF_INIT(TEXT_BYTES + 100);
        const struct entry *e = list.items[i];

        nb_buf_puts(&text, e->text);
        if (e->n[!side] > 0)
            nb_buf_printf(&text, ": %llu like it in A, %llu in B", (unsigned long long)e->n[0],
                          (unsigned long long)e->n[1]);
        else if (e->n[side] > 1)
            nb_buf_printf(&text, " and %llu like it", (unsigned long long)e->n[side] - 1);
        tell(k->c, what, side == 0 ? 'A' : 'B', &text);
    }
    nb_vec_done(&list);
}

static bool read_side(const struct compare *c, const struct eng_graph *g,
                      const struct eng_graph_ops *ops, void *ctx, int side, struct nb_error *err)
{
    bool written;

    if (c->opts->reading)
        c->opts->reading(c->opts->ctx, g->name);
    if (!eng_graph_read(g, ops, ctx, &written, err))
        return false;
    c->result->written[side] = c->result->written[side] || written;
    return true;
}

static bool look(const struct compare *c, struct looking *k, struct nb_error *err)
{
    static const struct eng_graph_ops ops = { look_at_node, look_at_rel, no_schema };
    const struct eng_graph *graphs[2] = { c->opts->a, c->opts->b };

    for (k->side = 0; k->side < 2; k->side++) {
        nb_auto(cyp_digester_free) struct cyp_digester *digester = eng_tally_digester_new();

        k->digester = digester;
        if (!read_side(c, graphs[k->side], &ops, k, k->side, err))
            return false;
    }
    if (k->too_many)
        return true;
    for (int side = 0; side < 2; side++)
        tell_examples(k, ENG_EXAMPLE_NODE, k->found[0], side);
    for (int side = 0; side < 2; side++)
        tell_examples(k, ENG_EXAMPLE_REL, k->found[1], side);
    return true;
}

static bool find_examples(const struct compare *c, struct nb_error *err)
{
    nb_auto(nb_free) bool *nodes = nb_xcalloc(ENG_TALLY_BUCKETS, sizeof(bool));
    nb_auto(nb_free) bool *rels = nb_xcalloc(ENG_TALLY_BUCKETS, sizeof(bool));
    nb_auto(nb_map_free) struct nb_map *found_nodes = nb_map_new(entry_free);
    nb_auto(nb_map_free) struct nb_map *found_rels = nb_map_new(entry_free);
    bool nodes_differ = choose_buckets(&c->tally[0]->nodes, &c->tally[1]->nodes, nodes);
    bool rels_differ = choose_buckets(&c->tally[0]->rels, &c->tally[1]->rels, rels);
    struct looking k = { .c = c, .wanted = { nodes, rels }, .found = { found_nodes, found_rels } };

    if (!nodes_differ && !rels_differ)
        return true;
    c->result->equal = false; /* also where there are too many label sets to be told apart */
    return look(c, &k, err);
}

/* --- all of it -------------------------------------------------------------------------------- */

static bool take_tally(struct compare *c, int side, const struct eng_graph *g, struct nb_error *err)
{
    if (c->opts->reading)
        c->opts->reading(c->opts->ctx, g->name);
    if (!eng_tally_take(g, &c->tally[side], err))
        return false;
    c->result->written[side] = c->tally[side]->written;
    c->result->nodes[side] = c->tally[side]->nodes.count;
    c->result->rels[side] = c->tally[side]->rels.count;
    return true;
}

static bool run(struct compare *c, struct nb_error *err)
{
    const struct eng_tally *a, *b;

    if (!take_tally(c, 0, c->opts->a, err) || !take_tally(c, 1, c->opts->b, err))
        return false;
    a = c->tally[0];
    b = c->tally[1];
    compare_schema(c);
    if (!a->nodes.shapes_full && !b->nodes.shapes_full)
        compare_shapes(c, ENG_DIFFERENT_NODES, &a->nodes, &b->nodes);
    if (!a->rels.shapes_full && !b->rels.shapes_full)
        compare_shapes(c, ENG_DIFFERENT_RELS, &a->rels, &b->rels);
    c->result->equal = c->result->differences == 0;
    return find_examples(c, err);
}

bool eng_compare_run(const struct eng_compare_opts *opts, struct eng_compare_result *ret,
                     struct nb_error *err)
{
    struct compare c = { .opts = opts, .result = ret };
    bool ok;

    memset(ret, 0, sizeof(*ret));
    ok = run(&c, err);
    eng_tally_free(c.tally[0]);
    eng_tally_free(c.tally[1]);
    return ok;
}
