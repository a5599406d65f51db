#include "engine/closing.h"

#include "base/map.h"
#include "base/mem.h"
#include "engine/content.h"
#include "engine/keys.h"

enum { IDS_MAX = 4000, LABELS_MAX_BYTES = 4 << 20 }; /* ids: asked for at a time */

struct closing {
    const struct eng_closing_opts *opts;
    struct eng_keys *keys;
    struct eng_sums *now;   /* by block: the second reading, then a look at ends */
    struct eng_idset *seen; /* elements of the reading at hand */

    struct eng_idset *opened; /* blocks whose nodes are known one by one: */
    struct eng_sums *known;   /* by node id: .nodes: its content in the dump; 0: it is not there */

    /* Node ids of a round: */
    struct eng_idset *dirty;   /* to be written again */
    struct eng_idset *next;    /* ... in the next round */
    struct eng_idset *ends;    /* ends of relationships written in this round */
    struct eng_idset *changed; /* of ends: not what was written any more, but maybe the same */
    struct eng_idset *alive;   /* of changed: has lived since it was written */
    struct eng_idset *written; /* relationships of this round */
    struct eng_idset *fresh;   /* nodes written in this round */
    struct eng_idset *again;   /* nodes that were taken for a next round though no end: once */

    /* By node id: .rels: the id, + 1, of the first relationship that was read after the node was
     * last written; .nodes: its content. As long as there is such a one, the node is the same. */
    struct eng_sums *first;

    struct nb_arena *arena;
    struct nb_vec labels; /* struct nb_str: all that a node may have had */
    int64_t ids[IDS_MAX];
};

static bool add(struct eng_idset *set, int64_t id, struct nb_error *err)
{
    bool is_new;

    return eng_idset_add(set, id, &is_new, err);
}

/* --- the second reading ----------------------------------------------------------------------- */

static bool check_node(void *ctx, const struct ps_node *node, struct nb_error *err)
{
    struct closing *c = ctx;
    bool is_new;

    if (!eng_idset_add(c->seen, node->id, &is_new, err))
        return false;
    if (!is_new)
        return true;
    eng_sums_at(c->now, eng_sums_block(node->id))->nodes += eng_content_node(node);
    eng_keys_add_node(c->keys, node);
    return true;
}

static bool check_rel(void *ctx, const struct eng_rel *rel, struct nb_error *err)
{
    struct closing *c = ctx;
    bool is_new;

    if (!eng_idset_add(c->seen, rel->id, &is_new, err))
        return false;
    if (!is_new)
        return true;
    eng_sums_at(c->now, eng_sums_block(rel->start_id))->rels += eng_content_rel(rel);
    eng_keys_add_rel(c->keys, rel);
    return true;
}

/* A block is opened by writing all of it again: only then is it known what the dump has of each
 * node. */
static bool open_block(struct closing *c, int64_t block, struct eng_idset *set,
                       struct nb_error *err)
{
    if (!add(c->opened, block, err))
        return false;
    for (int64_t i = 0; i < ENG_SUMS_BLOCK; i++) {
        if (!add(set, block * ENG_SUMS_BLOCK + i, err))
            return false;
    }
    return true;
}

static bool take_node(struct closing *c, int64_t id, struct eng_idset *set, struct nb_error *err)
{
    int64_t block = eng_sums_block(id);

    return eng_idset_has(c->opened, block) ? add(set, id, err) : open_block(c, block, set, err);
}

static bool read_again(struct closing *c, struct nb_error *err)
{
    nb_auto(eng_idset_free) struct eng_idset *blocks = eng_idset_new(0);

    if (!eng_source_nodes(c->opts->source, check_node, c, err))
        return false;
    eng_idset_clear(c->seen);
    if (!eng_source_rels(c->opts->source, check_rel, c, err))
        return false;
    eng_idset_clear(c->seen);
    if (!eng_sums_diff(c->opts->sums, c->now, blocks, err))
        return false;
    for (int64_t b = eng_idset_next(blocks, 0); b >= 0; b = eng_idset_next(blocks, b + 1)) {
        if (!open_block(c, b, c->dirty, err))
            return false;
    }
    return true;
}

/* --- a round: 1. write again ------------------------------------------------------------------ */

/* The next ids of a set, from *from on, into c->ids; 0: there are none. */
static size_t take_ids(struct closing *c, const struct eng_idset *set, int64_t *from)
{
    size_t n = 0;

    while (n < IDS_MAX) {
        int64_t id = *from < 0 ? -1 : eng_idset_next(set, *from);

        if (id < 0)
            break;
        c->ids[n++] = id;
        *from = id + 1;
    }
    return n;
}

static bool delete_nodes(struct closing *c, struct nb_error *err)
{
    for (int64_t id = eng_idset_next(c->dirty, 0); id >= 0; id = eng_idset_next(c->dirty, id + 1)) {
        eng_sums_at(c->known, id)->nodes = 0;
        *eng_sums_at(c->first, id) = (struct eng_sum){ 0, 0 };
        if (eng_idset_remove(c->opts->nodes, id) &&
            !cyp_script_delete_node(c->opts->script, id, err))
            return false;
    }
    eng_keys_forget(c->keys, c->dirty, false);
    return true;
}

static bool rewrite_node(void *ctx, const struct ps_node *node, struct nb_error *err)
{
    struct closing *c = ctx;
    bool is_new;

    if (!eng_idset_add(c->opts->nodes, node->id, &is_new, err))
        return false;
    if (!is_new)
        return true;
    eng_sums_at(c->known, node->id)->nodes = eng_content_node(node);
    eng_keys_add_node(c->keys, node);
    return add(c->fresh, node->id, err) && cyp_script_node(c->opts->script, node->id, node->labels,
                                                           node->nlabels, &node->props, err);
}

static void note_first(struct closing *c, int64_t node_id, const struct eng_rel *rel)
{
    struct eng_sum *first = eng_sums_at(c->first, node_id);

    if (first->rels == 0)
        *first = (struct eng_sum){ .nodes = eng_content_rel(rel), .rels = (uint64_t)rel->id + 1 };
}

static bool rewrite_rel(void *ctx, const struct eng_rel *rel, struct nb_error *err)
{
    struct closing *c = ctx;
    bool has_start = eng_idset_has(c->opts->nodes, rel->start_id);
    bool has_end = eng_idset_has(c->opts->nodes, rel->end_id);
    bool is_new;

    /* An end that came after it was looked for: it comes in the next round, with this
     * relationship. */
    if (!has_start || !has_end)
        return take_node(c, has_start ? rel->end_id : rel->start_id, c->next, err);
    if (!eng_idset_add(c->written, rel->id, &is_new, err))
        return false;
    if (!is_new)
        return true;
    note_first(c, rel->start_id, rel);
    note_first(c, rel->end_id, rel);
    eng_keys_add_rel(c->keys, rel);
    return add(c->ends, rel->start_id, err) && add(c->ends, rel->end_id, err) &&
           cyp_script_rel(c->opts->script, rel->id, rel->start_id, rel->end_id, rel->type,
                          &rel->props, err);
}

static bool write_again(struct closing *c, struct nb_error *err)
{
    int64_t from = 0;
    size_t n;

    if (!delete_nodes(c, err))
        return false;
    while ((n = take_ids(c, c->dirty, &from)) > 0) {
        if (!eng_source_nodes_by_id(c->opts->source, c->ids, n, rewrite_node, c, err))
            return false;
    }
    from = 0;
    while ((n = take_ids(c, c->dirty, &from)) > 0) {
        if (!eng_source_rels_of(c->opts->source, c->ids, n, rewrite_rel, c, err))
            return false;
    }
    return true;
}

/* --- 2. look at the ends ---------------------------------------------------------------------- */

/*
 * A node without relationships that is not what was written. It may have been read in the moment of
 * its deletion, when Neo4j has taken its properties and not yet itself: such a node never was. It
 * is read again once: one that changes without end has a content of some moment each time.
 */
static bool take_once(struct closing *c, int64_t id, struct nb_error *err)
{
    bool is_new;

    return eng_idset_add(c->again, id, &is_new, err) && (!is_new || add(c->next, id, err));
}

static bool look_node(void *ctx, const struct ps_node *node, struct nb_error *err)
{
    struct closing *c = ctx;
    uint64_t content = eng_content_node(node);

    if (!eng_idset_has(c->opened, eng_sums_block(node->id))) {
        eng_sums_at(c->now, eng_sums_block(node->id))->nodes += content;
        return true;
    }
    if (!add(c->seen, node->id, err))
        return false;
    /* Two that were read without properties in the moments of their deletion are equal, though not
     * the same: an end must be seen to live. */
    if (eng_sums_get(c->known, node->id).nodes == content &&
        !(node->props.n == 0 && eng_idset_has(c->ends, node->id) &&
          eng_sums_get(c->first, node->id).rels))
        return true;
    if (!eng_idset_has(c->ends, node->id))
        return !eng_idset_has(c->fresh, node->id) || take_once(c, node->id, err);
    return add(eng_sums_get(c->first, node->id).rels ? c->changed : c->next, node->id, err);
}

/* Of a block that is not open all nodes are looked at: only their sum is known. */
static bool complete_blocks(struct closing *c, struct eng_idset *look, struct nb_error *err)
{
    for (int64_t id = eng_idset_next(c->fresh, 0); id >= 0; id = eng_idset_next(c->fresh, id + 1)) {
        if (!add(look, id, err))
            return false;
    }
    for (int64_t id = eng_idset_next(c->ends, 0); id >= 0; id = eng_idset_next(c->ends, id + 1)) {
        int64_t block = eng_sums_block(id);

        if (eng_idset_has(c->opened, block)) {
            if (!add(look, id, err))
                return false;
            continue;
        }
        for (int64_t i = 0; i < ENG_SUMS_BLOCK; i++) {
            if (!add(look, block * ENG_SUMS_BLOCK + i, err))
                return false;
        }
    }
    return true;
}

static bool judge_ends(struct closing *c, struct nb_error *err)
{
    for (int64_t id = eng_idset_next(c->ends, 0); id >= 0; id = eng_idset_next(c->ends, id + 1)) {
        int64_t block = eng_sums_block(id);
        bool same;

        if (eng_idset_has(c->opened, block))
            same = eng_idset_has(c->seen, id); /* else it is gone */
        else
            same = eng_sums_get(c->now, block).nodes == eng_sums_get(c->opts->sums, block).nodes;
        if (!same && !take_node(c, id, c->next, err))
            return false;
    }
    for (int64_t id = eng_idset_next(c->fresh, 0); id >= 0; id = eng_idset_next(c->fresh, id + 1)) {
        if (!eng_idset_has(c->seen, id) && !add(c->next, id, err))
            return false;
    }
    return true;
}

static bool look_at_ends(struct closing *c, struct nb_error *err)
{
    nb_auto(eng_idset_free) struct eng_idset *look = eng_idset_new(0);
    int64_t from = 0;
    size_t n;

    eng_sums_free(c->now);
    c->now = eng_sums_new();
    if (!complete_blocks(c, look, err))
        return false;
    while ((n = take_ids(c, look, &from)) > 0) {
        if (!eng_source_nodes_by_id(c->opts->source, c->ids, n, look_node, c, err))
            return false;
    }
    if (!judge_ends(c, err))
        return false;
    eng_idset_clear(c->seen);
    return true;
}

/* --- nodes that are written to without end ---------------------------------------------------- */

static bool take_label(void *ctx, struct nb_str name, struct nb_error *err)
{
    struct closing *c = ctx;
    struct nb_str *label = nb_arena_alloc(c->arena, sizeof(*label), err);
    char *text = label ? nb_arena_alloc(c->arena, name.n, err) : NULL;

    if (!text)
        return false;
    memcpy(text, name.p, name.n);
    *label = (struct nb_str){ text, name.n };
    nb_vec_push(&c->labels, label);
    return true;
}

static bool renew_node(void *ctx, const struct ps_node *node, struct nb_error *err)
{
    struct closing *c = ctx;
    nb_auto(nb_free) struct nb_str *labels = NULL;
    uint64_t content = eng_content_node(node);

    if (!add(c->seen, node->id, err))
        return false;
    eng_keys_add_node(c->keys, node);
    if (eng_sums_get(c->known, node->id).nodes == content)
        return true;
    eng_sums_at(c->known, node->id)->nodes = content;
    labels = nb_xcalloc(c->labels.count + 1, sizeof(*labels));
    for (size_t i = 0; i < c->labels.count; i++)
        labels[i] = *(const struct nb_str *)c->labels.items[i];
    return cyp_script_set_node(c->opts->script, node->id, labels, c->labels.count, node->labels,
                               node->nlabels, &node->props, err);
}

static bool is_first(const struct closing *c, int64_t node_id, const struct eng_rel *rel)
{
    struct eng_sum first = eng_sums_get(c->first, node_id);

    return first.rels == (uint64_t)rel->id + 1 && first.nodes == eng_content_rel(rel);
}

/* A relationship lives no longer than its ends. */
static bool note_alive(void *ctx, const struct eng_rel *rel, struct nb_error *err)
{
    struct closing *c = ctx;

    return (!is_first(c, rel->start_id, rel) || add(c->alive, rel->start_id, err)) &&
           (!is_first(c, rel->end_id, rel) || add(c->alive, rel->end_id, err));
}

static bool read_labels(struct closing *c, struct nb_error *err)
{
    c->labels.count = 0;
    nb_arena_reset(c->arena);
    return eng_source_labels(c->opts->source, take_label, c, err);
}

/* First the present content, then whether the node has lived from its relationships on until
 * now. */
static bool renew_changed(struct closing *c, struct nb_error *err)
{
    int64_t from = 0;
    size_t n;

    if (eng_idset_count(c->changed) == 0)
        return true;
    if (!read_labels(c, err))
        return false;
    eng_keys_forget(c->keys, c->changed, true);
    while ((n = take_ids(c, c->changed, &from)) > 0) {
        if (!eng_source_nodes_by_id(c->opts->source, c->ids, n, renew_node, c, err))
            return false;
    }
    from = 0;
    while ((n = take_ids(c, c->changed, &from)) > 0) {
        if (!eng_source_rels_of(c->opts->source, c->ids, n, note_alive, c, err))
            return false;
    }
    for (int64_t id = eng_idset_next(c->changed, 0); id >= 0;
         id = eng_idset_next(c->changed, id + 1)) {
        if (!(eng_idset_has(c->seen, id) && eng_idset_has(c->alive, id)) && !add(c->next, id, err))
            return false;
    }
    eng_idset_clear(c->seen);
    return true;
}

/* --- rounds ----------------------------------------------------------------------------------- */

static bool take_doubles(struct closing *c, struct eng_idset *set, struct nb_error *err)
{
    nb_auto(eng_idset_free) struct eng_idset *doubles = eng_idset_new(0);

    if (!eng_keys_doubles(c->keys, doubles, err))
        return false;
    for (int64_t id = eng_idset_next(doubles, 0); id >= 0; id = eng_idset_next(doubles, id + 1)) {
        if (!take_node(c, id, set, err))
            return false;
    }
    return true;
}

static bool repair_round(struct closing *c, struct nb_error *err)
{
    struct eng_idset *done = c->dirty;

    eng_idset_clear(c->ends);
    eng_idset_clear(c->changed);
    eng_idset_clear(c->alive);
    eng_idset_clear(c->written);
    eng_idset_clear(c->fresh);
    if (!write_again(c, err) || !look_at_ends(c, err) || !renew_changed(c, err) ||
        !take_doubles(c, c->next, err))
        return false;
    c->dirty = c->next;
    c->next = done;
    eng_idset_clear(c->next);
    return true;
}

static bool repair(struct closing *c, struct eng_closing_result *ret, struct nb_error *err)
{
    if (!cyp_script_fixups(c->opts->script, err))
        return false;
    while (eng_idset_count(c->dirty) > 0) {
        if (ret->rounds == c->opts->max_rounds)
            return nb_fail(err, NB_E_CONFLICT, "NotClosed",
                           "after %u rounds %llu nodes have changed again while they were read",
                           ret->rounds, (unsigned long long)eng_idset_count(c->dirty));
        ret->rounds++;
        if (!repair_round(c, err))
            return false;
    }
    return cyp_script_end_fixups(c->opts->script, err);
}

static bool run(struct closing *c, struct eng_closing_result *ret, struct nb_error *err)
{
    if (!eng_keys_new(c->opts->source, &c->keys, err) || !read_again(c, err) ||
        !eng_source_mark(c->opts->source, &ret->mark, err))
        return false;
    ret->schema = eng_keys_schema(c->keys);
    ret->unchanged = eng_idset_count(c->dirty) == 0;
    if (!take_doubles(c, c->dirty, err))
        return false;
    return eng_idset_count(c->dirty) == 0 || repair(c, ret, err);
}

static void done(struct closing *c)
{
    eng_keys_free(c->keys);
    eng_sums_free(c->now);
    eng_sums_free(c->known);
    eng_idset_free(c->seen);
    eng_idset_free(c->opened);
    eng_idset_free(c->dirty);
    eng_idset_free(c->next);
    eng_idset_free(c->ends);
    eng_idset_free(c->changed);
    eng_idset_free(c->alive);
    eng_idset_free(c->written);
    eng_idset_free(c->fresh);
    eng_idset_free(c->again);
    eng_sums_free(c->first);
    nb_arena_free(c->arena);
    nb_vec_done(&c->labels);
    free(c);
}

bool eng_closing_run(const struct eng_closing_opts *opts, struct eng_closing_result *ret,
                     struct nb_error *err)
{
    struct closing *c = NB_NEW(struct closing);
    bool ok;

    c->opts = opts;
    c->now = eng_sums_new();
    c->known = eng_sums_new();
    c->first = eng_sums_new();
    c->seen = eng_idset_new(0);
    c->opened = eng_idset_new(0);
    c->dirty = eng_idset_new(0);
    c->next = eng_idset_new(0);
    c->ends = eng_idset_new(0);
    c->changed = eng_idset_new(0);
    c->alive = eng_idset_new(0);
    c->written = eng_idset_new(0);
    c->fresh = eng_idset_new(0);
    c->again = eng_idset_new(0);
    c->arena = nb_arena_new(LABELS_MAX_BYTES);
    *ret = (struct eng_closing_result){ .unchanged = false };
    eng_meter_stage(opts->meter, ENG_CLOSING_GRAPH);
    ok = run(c, ret, err) || nb_wrap(err, "close the graph");
    done(c);
    return ok;
}
