#include "cypher/script.h"

#include <stdlib.h>

#include "base/hash.h"
#include "base/map.h"
#include "base/mem.h"
#include "cypher/group.h"
#include "cypher/ident.h"
#include "cypher/literal.h"
#include "cypher/script_priv.h"

enum {
    ROWS_DEFAULT = 5000,
    STATEMENT_DEFAULT = 1 << 20,
    STATEMENT_LIMIT = 8000000,
    PENDING_DEFAULT = 8 << 20,
    GROUPS_DEFAULT = 512,
    ROW_DEFAULT = 256 << 20,
    COLUMNS_MAX = 1000,
    NAMES_MAX = 10000,
    TEXT_MAX = 64 << 20,
    FORGET_BYTES = 16 << 20,
    FORGET_CHUNK_BYTES = 4 << 20,
    FORGET_ROW_BYTES = 2 << 20, /* of a row that is alone in its statement */
};

/* --- life ------------------------------------------------------------------------------------- */

static bool name_is_taken(const struct cyp_script_opts *o, struct nb_str name)
{
    for (size_t i = 0; i < o->ntaken_names; i++)
        if (nb_str_equal(o->taken_names[i], name))
            return true;
    return false;
}

static bool suffix_is_good(const char *s)
{
    size_t n = strlen(s);

    for (size_t i = 0; i < n; i++)
        if (!((s[i] >= 'a' && s[i] <= 'z') || (s[i] >= '0' && s[i] <= '9')))
            return false;
    return n >= 1 && n <= 16;
}

static bool helper_choose(struct cyp_script *s, struct nb_error *err)
{
    const struct cyp_script_opts *o = &s->opts;

    if (o->helper_suffix) {
        if (!suffix_is_good(o->helper_suffix))
            return nb_fail(err, NB_E_INVALID, "BadHelperSuffix",
                           "helper suffix '%.32s' is not one to 16 of a-z and 0-9",
                           o->helper_suffix);
        s->helper = nb_xasprintf("_nb_%s", o->helper_suffix);
        return !name_is_taken(o, nb_str_from(s->helper)) ||
               nb_fail(err, NB_E_INVALID, "HelperNameTaken",
                       "the database has a label or property '%s' of its own", s->helper);
    }
    for (unsigned i = 0; i < 100; i++) {
        uint8_t random[4];
        char hex[2 * sizeof(random) + 1];

        nb_random_bytes(random, sizeof(random));
        nb_hex(random, sizeof(random), hex);
        free(s->helper);
        s->helper = nb_xasprintf("_nb_%s", hex);
        if (!name_is_taken(o, nb_str_from(s->helper)))
            return true;
    }
    return nb_fail(err, NB_E_INTERNAL, "HelperNameTaken", "no free helper name found");
}

static void opts_default(struct cyp_script_opts *o)
{
    if (!o->rows_per_statement)
        o->rows_per_statement = ROWS_DEFAULT;
    if (!o->max_statement_bytes)
        o->max_statement_bytes = STATEMENT_DEFAULT;
    if (o->max_statement_bytes > STATEMENT_LIMIT)
        o->max_statement_bytes = STATEMENT_LIMIT;
    if (!o->max_pending_bytes)
        o->max_pending_bytes = PENDING_DEFAULT;
    if (!o->max_groups)
        o->max_groups = GROUPS_DEFAULT;
    if (!o->max_row_bytes)
        o->max_row_bytes = ROW_DEFAULT;
}

bool cyp_script_new(const struct cyp_script_opts *opts, struct cyp_script **ret,
                    struct nb_error *err)
{
    nb_auto(cyp_script_free) struct cyp_script *s = NB_NEW(struct cyp_script);

    s->opts = *opts;
    opts_default(&s->opts);
    if (!helper_choose(s, err))
        return false;
    s->helper_n = strlen(s->helper);
    s->opts.helper_suffix = NULL; /* was borrowed */
    s->opts.taken_names = NULL;
    s->opts.ntaken_names = 0;
    s->labels = nb_map_new(free);
    s->types = nb_map_new(free);
    if (opts->digest_content)
        s->digester = cyp_digester_new(opts->digest_ends_max_bytes);
    nb_buf_init(&s->id, TEXT_MAX);
    nb_buf_init(&s->text, TEXT_MAX);
    nb_buf_init(&s->indexes, TEXT_MAX);
    nb_buf_init(&s->constraints, TEXT_MAX);
    nb_buf_init(&s->enterprise, TEXT_MAX);
    *ret = nb_steal(s);
    return true;
}

void cyp_script_free(struct cyp_script *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->ngroups; i++)
        cyp_group_free(s->groups[i]);
    free(s->groups);
    free(s->hashes);
    nb_map_free(s->labels);
    nb_map_free(s->types);
    cyp_digester_free(s->digester);
    nb_buf_done(&s->id);
    nb_buf_done(&s->text);
    nb_buf_done(&s->indexes);
    nb_buf_done(&s->constraints);
    nb_buf_done(&s->enterprise);
    free(s->names);
    free(s->old_names);
    free(s->chosen);
    free(s->cells.values);
    free(s->helper);
    free(s);
}

/* --- out -------------------------------------------------------------------------------------- */

/* Keeps the first failure, which ends the script. */
static bool broken(struct cyp_script *s, const struct nb_error *err)
{
    s->failed = true;
    s->error = *err;
    return false;
}

bool cyp_script_put(struct cyp_script *s, const void *p, size_t n, struct nb_error *err)
{
    if (s->failed) {
        *err = s->error;
        return false;
    }
    if (!n)
        return true;
    s->counts.bytes += n;
    return s->opts.write(s->opts.write_ctx, p, n, err) || broken(s, err);
}

bool cyp_script_put_text(struct cyp_script *s, struct nb_error *err)
{
    bool ok = nb_buf_check(&s->text, err) || broken(s, err);

    ok = ok && cyp_script_put(s, s->text.data, s->text.len, err);
    nb_buf_clear(&s->text);
    return ok;
}

/* A statement that does nothing, where another opening is needed. */
static bool opening_close(struct cyp_script *s, struct nb_error *err)
{
    nb_buf_puts(&s->text, CYP_NOTHING);
    s->counts.statements++;
    return cyp_script_put_text(s, err);
}

static bool caches_forget(struct cyp_script *s, size_t limit, struct nb_error *err)
{
    bool enough = s->unforgotten >= limit;

    if (enough) {
        nb_buf_puts(&s->text, CYP_FORGET CYP_OPENING);
        s->counts.statements++;
        s->unforgotten = 0;
    }
    return !enough || cyp_script_put_text(s, err);
}

/*
 * Each block that goes out ends with the opening of the next statement. So a file that is cut
 * between blocks ends within a string literal, which cypher-shell does not take for a whole script.
 */
static bool rows_put(struct cyp_script *s, const struct cyp_group *g, size_t n,
                     struct nb_error *err)
{
    /* While it is parsed a statement takes thirty times its size: not beside what is remembered of
     * others, and not remembered itself. */
    bool large = n > FORGET_ROW_BYTES && n > s->opts.max_statement_bytes;

    if (large && !caches_forget(s, 1, err))
        return false;
    if (g->cypher25) {
        if (!opening_close(s, err) ||
            !cyp_script_put(s, CYP_OPENING_25, sizeof(CYP_OPENING_25) - 1, err))
            return false;
    }
    if (!cyp_script_put(s, g->rows.data, n, err))
        return false;
    cyp_group_closing(g, nb_str_from(s->helper), &s->text);
    nb_buf_puts(&s->text, ";\n" CYP_OPENING);
    s->counts.statements++;
    s->unforgotten += n;
    return cyp_script_put_text(s, err) && caches_forget(s, large ? 1 : FORGET_BYTES, err);
}

static bool group_flush(struct cyp_script *s, struct cyp_group *g, struct nb_error *err)
{
    if (!g->nrows)
        return true;
    if (!rows_put(s, g, g->rows.len, err))
        return false;
    g->nrows = 0;
    nb_buf_clear(&g->rows);
    return true;
}

static void group_shrink(struct cyp_script *s, struct cyp_group *g)
{
    s->pending_cap -= g->rows.cap;
    nb_buf_done(&g->rows);
}

bool cyp_script_flush_groups(struct cyp_script *s, struct nb_error *err)
{
    for (size_t i = 0; i < s->ngroups; i++)
        if (!group_flush(s, s->groups[i], err))
            return false;
    for (size_t i = 0; i < s->ngroups; i++)
        cyp_group_free(s->groups[i]);
    s->ngroups = 0;
    s->last = NULL;
    s->pending_cap = 0;
    return true;
}

static size_t group_largest(const struct cyp_script *s, const struct cyp_group *but)
{
    size_t best = s->ngroups;

    for (size_t i = 0; i < s->ngroups; i++)
        if (s->groups[i] != but &&
            (best == s->ngroups || s->groups[i]->rows.cap > s->groups[best]->rows.cap))
            best = i;
    return best;
}

/* Memory is what counts: capacities, not lengths. */
static bool pending_bound(struct cyp_script *s, const struct cyp_group *but, struct nb_error *err)
{
    while (s->pending_cap > s->opts.max_pending_bytes) {
        size_t i = group_largest(s, but);

        if (i == s->ngroups || !s->groups[i]->rows.cap)
            return true;
        if (!group_flush(s, s->groups[i], err))
            return false;
        group_shrink(s, s->groups[i]);
    }
    return true;
}

/* --- groups ----------------------------------------------------------------------------------- */

static bool id_equal(const struct nb_buf *a, const struct nb_buf *b)
{
    return a->len == b->len && memcmp(a->data, b->data, a->len) == 0;
}

static uint64_t *counter_get(struct nb_map *map, struct nb_str name)
{
    uint64_t *n = nb_map_get(map, name.p ? name.p : "", name.n);

    if (!n && nb_map_count(map) >= NAMES_MAX) {
        name = NB_STR("");
        n = nb_map_get(map, name.p, name.n);
    }
    if (n)
        return n;
    n = NB_NEW(uint64_t);
    nb_map_put(map, name.p ? name.p : "", name.n, n);
    return n;
}

static bool helper_is_free(const struct cyp_script *s, struct nb_str name, struct nb_error *err)
{
    return !nb_str_is(name, s->helper) ||
           nb_fail(err, NB_E_INVALID, "HelperNameTaken",
                   "the database has a label or property '%s' of its own", s->helper);
}

static bool group_add(struct cyp_script *s, const struct cyp_shape *shape, uint64_t hash,
                      struct nb_error *err)
{
    struct cyp_group *g;

    if (s->ngroups >= s->opts.max_groups) {
        size_t i = group_largest(s, NULL);

        g = s->groups[i];
        if (!group_flush(s, g, err))
            return false;
        group_shrink(s, g);
        cyp_group_free(g);
        memmove(s->groups + i, s->groups + i + 1,
                (s->ngroups - i - 1) * sizeof(struct cyp_group *));
        memmove(s->hashes + i, s->hashes + i + 1, (s->ngroups - i - 1) * sizeof(*s->hashes));
        s->ngroups--;
    }
    for (size_t i = 0; i < shape->nnames; i++)
        if (!helper_is_free(s, shape->names[i], err))
            return false;
    g = cyp_group_new(shape, &s->id, STATEMENT_LIMIT + s->opts.max_row_bytes);
    for (size_t i = 0; i < g->nnames; i++)
        g->counters[i] = counter_get(g->kind == CYP_GROUP_RELS ? s->types : s->labels, g->names[i]);
    if (s->ngroups == s->cap_groups) {
        s->cap_groups = s->cap_groups ? s->cap_groups * 2 : 16;
        s->groups = nb_xreallocarray(s->groups, s->cap_groups, sizeof(struct cyp_group *));
        s->hashes = nb_xreallocarray(s->hashes, s->cap_groups, sizeof(*s->hashes));
    }
    s->hashes[s->ngroups] = hash;
    s->groups[s->ngroups++] = g;
    s->last = g;
    return true;
}

static bool group_get(struct cyp_script *s, struct cyp_shape *shape, struct nb_error *err)
{
    uint64_t hash;

    cyp_shape_id(shape, &s->id);
    if (!nb_buf_check(&s->id, err))
        return false;
    if (s->last && id_equal(&s->last->id, &s->id))
        return true;
    hash = nb_hash64(s->id.data, s->id.len);
    for (size_t i = 0; i < s->ngroups; i++)
        if (s->hashes[i] == hash && id_equal(&s->groups[i]->id, &s->id)) {
            s->last = s->groups[i];
            return true;
        }
    return group_add(s, shape, hash, err);
}

/* --- rows ------------------------------------------------------------------------------------- */

static bool types_choose(struct cyp_script *s, const struct ps_map *props, struct nb_error *err)
{
    if (props->n > s->nchosen) {
        s->chosen = nb_xreallocarray(s->chosen, props->n, sizeof(*s->chosen));
        s->nchosen = props->n;
    }
    for (size_t i = 0; i < props->n; i++) {
        const struct ps_pair *p = &props->pairs[i];

        if (p->value.type == PS_NULL)
            continue;
        if (!cyp_cell_choose(&p->value, s->opts.vector_procedures, &s->chosen[i], err))
            return nb_wrap(err, "property '%.*s'", p->key.n < 64 ? (int)p->key.n : 64, p->key.p);
        if (p->key.n == s->helper_n && !helper_is_free(s, p->key, err))
            return false;
    }
    return true;
}

static void props_count(struct cyp_script *s, const struct ps_map *props)
{
    for (size_t i = 0; i < props->n; i++) {
        if (props->pairs[i].value.type == PS_NULL)
            continue;
        s->counts.properties++;
        if (s->chosen[i].kind == CYP_CELL_BYTES || s->chosen[i].kind == CYP_CELL_BYTES_EMPTY)
            s->counts.byte_arrays++;
        else if (s->chosen[i].kind == CYP_CELL_FLOATS32)
            s->counts.float32_lists++;
    }
}

static struct nb_str *names_copy(struct nb_str **room, size_t *cap, const struct nb_str *names,
                                 size_t n)
{
    if (n > *cap) {
        *room = nb_xreallocarray(*room, n, sizeof(**room));
        *cap = n;
    }
    if (n)
        memcpy(*room, names, n * sizeof(*names));
    return *room;
}

/* The row that was just appended at `before` made the statement too long: the others go first. */
static bool overlong_split(struct cyp_script *s, struct cyp_group *g, size_t before,
                           struct nb_error *err)
{
    size_t start = before + 2; /* CYP_ROW and the new line */

    if (!rows_put(s, g, before, err))
        return false;
    memmove(g->rows.data, g->rows.data + start, g->rows.len - start);
    g->rows.len -= start;
    g->nrows = 1;
    return true;
}

static bool row_add(struct cyp_script *s, struct cyp_shape *shape, int64_t id, int64_t id2,
                    struct nb_error *err)
{
    struct cyp_group *g;
    size_t before, cap;

    if (!types_choose(s, shape->props, err))
        return false;
    shape->types = s->chosen;
    if (!group_get(s, shape, err))
        return false;
    g = s->last;
    before = g->rows.len;
    cap = g->rows.cap;
    if (!cyp_group_append(g, shape, id, id2, COLUMNS_MAX, &s->cells)) {
        /* Too many columns: the group starts anew. */
        if (!cyp_script_flush_groups(s, err) || !group_get(s, shape, err))
            return false;
        g = s->last;
        before = cap = 0;
        (void)cyp_group_append(g, shape, id, id2, COLUMNS_MAX, &s->cells);
    }
    s->pending_cap += g->rows.cap - cap;
    if (g->rows.overflow || g->rows.len - before > s->opts.max_row_bytes)
        return nb_fail(err, NB_E_LIMIT, "RowTooLarge",
                       "one node or relationship is larger than %zu bytes", s->opts.max_row_bytes);
    if (g->rows.len > s->opts.max_statement_bytes && g->nrows > 1 &&
        !overlong_split(s, g, before, err))
        return false;
    if ((g->nrows >= s->opts.rows_per_statement || g->rows.len >= s->opts.max_statement_bytes) &&
        !group_flush(s, g, err))
        return false;
    if (g->rows.cap > 2 * s->opts.max_statement_bytes && !g->nrows)
        group_shrink(s, g);
    return s->pending_cap <= s->opts.max_pending_bytes || pending_bound(s, g, err);
}

static bool is_sound(const struct cyp_script *s, struct nb_error *err)
{
    if (s->failed)
        *err = s->error;
    return !s->failed;
}

/* Kinds are never mixed in what is pending: nodes must be there before what speaks of them. */
static bool kind_switch(struct cyp_script *s, enum cyp_group_kind kind, struct nb_error *err)
{
    bool same = s->kind == kind;

    s->kind = kind;
    return same || cyp_script_flush_groups(s, err);
}

static bool node_row(struct cyp_script *s, struct cyp_shape *shape, int64_t id,
                     const struct nb_str *labels, size_t nlabels, const struct ps_map *props,
                     struct nb_error *err)
{
    if (!is_sound(s, err))
        return false;
    shape->names = names_copy(&s->names, &s->cap_names, labels, nlabels);
    shape->nnames = nlabels;
    shape->props = props;
    return (kind_switch(s, shape->kind, err) && row_add(s, shape, id, 0, err)) ||
           nb_wrap(err, "node %lld", (long long)id) || broken(s, err);
}

bool cyp_script_node(struct cyp_script *s, int64_t id, const struct nb_str *labels, size_t nlabels,
                     const struct ps_map *props, struct nb_error *err)
{
    struct cyp_shape shape = { .kind = CYP_GROUP_NODES };

    assert(s->phase == CYP_PHASE_NODES || s->phase == CYP_PHASE_FIXUPS);
    if (!node_row(s, &shape, id, labels, nlabels, props, err))
        return false;
    props_count(s, props);
    s->counts.nodes++;
    for (size_t i = 0; i < s->last->nnames; i++)
        ++*s->last->counters[i];
    return !s->digester || cyp_digester_node(s->digester, id, labels, nlabels, props, err) ||
           broken(s, err);
}

bool cyp_script_rel(struct cyp_script *s, int64_t id, int64_t start_id, int64_t end_id,
                    struct nb_str type, const struct ps_map *props, struct nb_error *err)
{
    struct cyp_shape shape = { .kind = CYP_GROUP_RELS,
                               .names = names_copy(&s->names, &s->cap_names, &type, 1),
                               .nnames = 1,
                               .props = props };

    assert(s->phase == CYP_PHASE_RELS || s->phase == CYP_PHASE_FIXUPS);
    if (!is_sound(s, err))
        return false;
    if (!kind_switch(s, CYP_GROUP_RELS, err) || !row_add(s, &shape, start_id, end_id, err))
        return nb_wrap(err, "relationship %lld", (long long)id) || broken(s, err);
    props_count(s, props);
    s->counts.rels++;
    ++*s->last->counters[0];
    return !s->digester || cyp_digester_rel(s->digester, start_id, end_id, type, props, err) ||
           broken(s, err);
}

bool cyp_script_set_node(struct cyp_script *s, int64_t id, const struct nb_str *old_labels,
                         size_t nold_labels, const struct nb_str *labels, size_t nlabels,
                         const struct ps_map *props, struct nb_error *err)
{
    struct cyp_shape shape = { .kind = CYP_GROUP_SET_NODES,
                               .old_names = names_copy(&s->old_names, &s->cap_old_names, old_labels,
                                                       nold_labels),
                               .nold_names = nold_labels };

    assert(s->phase == CYP_PHASE_FIXUPS);
    if (s->digester)
        cyp_digester_forget(s->digester);
    return node_row(s, &shape, id, labels, nlabels, props, err);
}

bool cyp_script_delete_node(struct cyp_script *s, int64_t id, struct nb_error *err)
{
    static const struct ps_map none = { NULL, 0 };
    struct cyp_shape shape = { .kind = CYP_GROUP_DELETE_NODES };

    assert(s->phase == CYP_PHASE_FIXUPS);
    if (s->digester)
        cyp_digester_forget(s->digester);
    if (!node_row(s, &shape, id, NULL, 0, &none, err))
        return false;
    s->counts.nodes--;
    s->counts.deleted_nodes++;
    return true;
}

/* --- phases ----------------------------------------------------------------------------------- */

bool cyp_script_flush(struct cyp_script *s, struct nb_error *err)
{
    assert(s->phase >= CYP_PHASE_NODES && s->phase <= CYP_PHASE_FIXUPS);
    if (!cyp_script_flush_groups(s, err) || !caches_forget(s, FORGET_CHUNK_BYTES, err))
        return false;
    /* What follows must not depend on what came before. */
    s->unforgotten = 0;
    return true;
}

static bool phase_end(struct cyp_script *s, enum cyp_phase from, enum cyp_phase to,
                      struct nb_error *err)
{
    assert(s->phase == from);
    s->phase = to;
    return cyp_script_flush_groups(s, err);
}

bool cyp_script_end_nodes(struct cyp_script *s, struct nb_error *err)
{
    return phase_end(s, CYP_PHASE_NODES, CYP_PHASE_RELS, err);
}

bool cyp_script_end_rels(struct cyp_script *s, struct nb_error *err)
{
    return phase_end(s, CYP_PHASE_RELS, CYP_PHASE_RELS_DONE, err);
}

bool cyp_script_fixups(struct cyp_script *s, struct nb_error *err)
{
    return phase_end(s, CYP_PHASE_RELS_DONE, CYP_PHASE_FIXUPS, err);
}

bool cyp_script_end_fixups(struct cyp_script *s, struct nb_error *err)
{
    return phase_end(s, CYP_PHASE_FIXUPS, CYP_PHASE_RELS_DONE, err);
}

bool cyp_script_end_data(struct cyp_script *s, struct nb_error *err)
{
    return phase_end(s, CYP_PHASE_RELS_DONE, CYP_PHASE_SCHEMA, err);
}

/* --- what it says of itself ------------------------------------------------------------------- */

void cyp_script_counts(const struct cyp_script *s, struct cyp_counts *ret)
{
    *ret = s->counts;
}

void cyp_script_digest(const struct cyp_script *s, struct cyp_digest *ret)
{
    *ret = (struct cyp_digest){ 0 };
    if (s->digester)
        cyp_digester_get(s->digester, ret);
}

static bool counter_next(const struct nb_map *map, size_t *pos, struct nb_str *ret_name,
                         uint64_t *ret_count)
{
    void *value;

    if (!nb_map_next(map, pos, ret_name, &value))
        return false;
    memcpy(ret_count, value, sizeof(*ret_count));
    return true;
}

bool cyp_script_label_next(struct cyp_script *s, size_t *pos, struct nb_str *ret_name,
                           uint64_t *ret_count)
{
    return counter_next(s->labels, pos, ret_name, ret_count);
}

bool cyp_script_type_next(struct cyp_script *s, size_t *pos, struct nb_str *ret_name,
                          uint64_t *ret_count)
{
    return counter_next(s->types, pos, ret_name, ret_count);
}

size_t cyp_script_pending_bytes(const struct cyp_script *s)
{
    return s->pending_cap;
}

const char *cyp_script_helper(const struct cyp_script *s)
{
    return s->helper;
}
