#include "engine/tally.h"

#include "base/mem.h"
#include "cypher/ident.h"

enum { SHAPE_TEXT_MAX = 1 << 20 };

struct taking {
    struct eng_tally *t;
    struct cyp_digester *digester;
};

struct cyp_digester *eng_tally_digester_new(void)
{
    return cyp_digester_new((size_t)ENG_TALLY_ENDS_MAX_GIB << 30);
}

/* --- shapes ----------------------------------------------------------------------------------- */

static int by_bytes(const void *a, const void *b)
{
    const struct nb_str *x = a, *y = b;
    size_t n = x->n < y->n ? x->n : y->n;
    int order = n ? memcmp(x->p, y->p, n) : 0;

    return order ? order : (x->n > y->n) - (x->n < y->n);
}

void eng_shape_append_labels(struct nb_buf *out, const struct nb_str *labels, size_t n)
{
    nb_auto(nb_free) struct nb_str *sorted = nb_xcalloc(n + 1, sizeof(*sorted));

    for (size_t i = 0; i < n; i++)
        sorted[i] = labels[i];
    qsort(sorted, n, sizeof(*sorted), by_bytes);
    nb_buf_putc(out, '(');
    for (size_t i = 0; i < n; i++) {
        nb_buf_putc(out, ':');
        cyp_ident_append(out, sorted[i]);
    }
    nb_buf_putc(out, ')');
}

static void shape_free(void *p)
{
    struct eng_shape *s = p;

    free(s->text);
    free(s);
}

static struct eng_shape *shape_put(struct eng_tally_part *part, struct cyp_sum hash,
                                   struct nb_buf *text)
{
    struct eng_shape *s;

    if (nb_map_count(part->shapes) >= ENG_TALLY_SHAPES_MAX || text->overflow) {
        part->shapes_full = true;
        return NULL;
    }
    s = NB_NEW(struct eng_shape);
    s->text = nb_buf_take(text);
    nb_map_put(part->shapes, s->text, strlen(s->text), s);
    nb_map_put(part->by_hash, (const char *)&hash, sizeof(hash), s);
    return s;
}

static struct cyp_sum name_hash(struct nb_str name)
{
    struct ps_value v = { .type = PS_STRING, .string = name };

    return cyp_hash_value(&v);
}

/* NULL: there are too many. */
static struct eng_shape *shape_of_node(struct eng_tally_part *part, const struct ps_node *node)
{
    nb_auto_done(nb_buf_done) struct nb_buf text = NB_BUF_INIT(SHAPE_TEXT_MAX);
    struct cyp_sum hash = { node->nlabels, 0 };
    struct eng_shape *s;

    for (size_t i = 0; i < node->nlabels; i++)
        cyp_sum_add(&hash, name_hash(node->labels[i]));
    s = nb_map_get(part->by_hash, (const char *)&hash, sizeof(hash));
    if (s)
        return s;
    eng_shape_append_labels(&text, node->labels, node->nlabels);
    return shape_put(part, hash, &text);
}

static struct eng_shape *shape_of_rel(struct eng_tally_part *part, struct nb_str type)
{
    nb_auto_done(nb_buf_done) struct nb_buf text = NB_BUF_INIT(SHAPE_TEXT_MAX);
    struct cyp_sum hash = name_hash(type);
    struct eng_shape *s = nb_map_get(part->by_hash, (const char *)&hash, sizeof(hash));

    if (s)
        return s;
    nb_buf_puts(&text, "[:");
    cyp_ident_append(&text, type);
    nb_buf_putc(&text, ']');
    return shape_put(part, hash, &text);
}

/* --- elements --------------------------------------------------------------------------------- */

static void part_add(struct eng_tally_part *part, struct eng_shape *shape, struct cyp_last h,
                     struct cyp_sum told_apart_by)
{
    struct eng_bucket *b = &part->buckets[eng_tally_bucket(told_apart_by)];

    part->count++;
    b->count++;
    cyp_sum_add(&b->sum, told_apart_by);
    if (!shape)
        return;
    shape->count++;
    cyp_sum_add(&shape->content, h.content);
    cyp_sum_add(&shape->with_ends, h.with_ends);
}

static bool take_node(void *ctx, const struct ps_node *n, struct nb_error *err)
{
    const struct taking *k = ctx;
    struct cyp_last h;

    if (!cyp_digester_node(k->digester, n->id, n->labels, n->nlabels, &n->props, err))
        return false;
    h = cyp_digester_last(k->digester);
    part_add(&k->t->nodes, shape_of_node(&k->t->nodes, n), h, h.content);
    return true;
}

static bool take_rel(void *ctx, const struct eng_rel *rel, struct nb_error *err)
{
    const struct taking *k = ctx;
    struct cyp_last h;

    if (!cyp_digester_rel(k->digester, rel->start_id, rel->end_id, rel->type, &rel->props, err))
        return false;
    h = cyp_digester_last(k->digester);
    part_add(&k->t->rels, shape_of_rel(&k->t->rels, rel->type), h, h.with_ends);
    return true;
}

static bool take_schema(void *ctx, struct nb_str statement, struct nb_error *err)
{
    const struct taking *k = ctx;

    (void)err;
    nb_map_put(k->t->schema, statement.p, statement.n, k->t);
    return true;
}

/* --- all of it -------------------------------------------------------------------------------- */

static void part_init(struct eng_tally_part *part)
{
    part->shapes = nb_map_new(shape_free);
    part->by_hash = nb_map_new(NULL);
    part->buckets = nb_xcalloc(ENG_TALLY_BUCKETS, sizeof(*part->buckets));
}

static void part_done(struct eng_tally_part *part)
{
    nb_map_free(part->by_hash);
    nb_map_free(part->shapes);
    free(part->buckets);
}

void eng_tally_free(struct eng_tally *t)
{
    if (!t)
        return;
    part_done(&t->nodes);
    part_done(&t->rels);
    nb_map_free(t->schema);
    free(t);
}

bool eng_tally_take(const struct eng_graph *g, struct eng_tally **ret, struct nb_error *err)
{
    static const struct eng_graph_ops ops = { take_node, take_rel, take_schema };
    nb_auto(eng_tally_free) struct eng_tally *t = NB_NEW(struct eng_tally);
    nb_auto(cyp_digester_free) struct cyp_digester *digester = eng_tally_digester_new();
    struct taking k = { t, digester };

    part_init(&t->nodes);
    part_init(&t->rels);
    t->schema = nb_map_new(NULL);
    if (!eng_graph_read(g, &ops, &k, &t->written, err))
        return false;
    *ret = nb_steal(t);
    return true;
}
