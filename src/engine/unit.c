#include "engine/unit.h"

#include "base/mem.h"
#include "cypher/ident.h"
#include "cypher/literal.h"

enum { QUERY_MAX_BYTES = 64 << 20, PARAMS_MAX_BYTES = 1 << 30, STATEMENTS_MIN = 4, ROWS_MIN = 16 };

/* What a row is of. */
struct shape {
    const struct nb_str *names, *old_names, *float32_keys;
    size_t nnames, nold_names, nfloat32_keys;
    /* Points in time with a zone, and lists with one, that go as numbers. */
    const struct nb_str *zoned, *zoned_lists;
    size_t nzoned, nzoned_lists;
};

struct eng_unit *eng_unit_new(enum eng_unit_kind kind)
{
    struct eng_unit *u = NB_NEW(struct eng_unit);

    u->kind = kind;
    return u;
}

void eng_unit_free(struct eng_unit *u)
{
    if (!u)
        return;
    for (size_t i = 0; i < u->n; i++) {
        nb_buf_done(&u->statements[i].id);
        nb_buf_done(&u->statements[i].params);
        free(u->statements[i].query);
        free(u->statements[i].row_at);
    }
    free(u->statements);
    free(u->scratch);
    free(u->ids);
    free(u);
}

/* --- statements ------------------------------------------------------------------------------- */

static void labels_append(struct nb_buf *out, const struct nb_str *names, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        nb_buf_putc(out, ':');
        cyp_ident_append(out, names[i]);
    }
}

/* One call for each 32-bit list: they follow the properties in the row. */
static void calls_append(struct nb_buf *out, const char *with, const struct shape *shape,
                         unsigned first)
{
    for (size_t i = 0; i < shape->nfloat32_keys; i++) {
        nb_buf_puts(out, with);
        cyp_string_append(out, shape->float32_keys[i]);
        nb_buf_printf(out, ",r[%u])", first + (unsigned)i);
    }
}

/* As the dump has it, and for the same reason (cypher/cell.c). */
#define ZONED(x)                                                                                   \
    "duration('PT'+toString(" x "[0])+'S')+"                                                       \
    "datetime({epochSeconds:0,nanosecond:" x "[1],timezone:" x "[2]})"

/* ,n.`key`=datetime(...): these come after the 32-bit lists. */
static void zoned_append(struct nb_buf *out, const char *element, const struct shape *shape,
                         unsigned first)
{
    first += (unsigned)shape->nfloat32_keys;
    for (size_t i = 0; i < shape->nzoned + shape->nzoned_lists; i++) {
        bool list = i >= shape->nzoned;
        unsigned at = first + (unsigned)i;

        nb_buf_printf(out, ",%s.", element);
        cyp_ident_append(out, list ? shape->zoned_lists[i - shape->nzoned] : shape->zoned[i]);
        if (list)
            nb_buf_printf(
                out, "=[x IN r[%u]|CASE WHEN size(x)=1 THEN x[0] ELSE " ZONED("x") " END]", at);
        else
            nb_buf_printf(out, "=" ZONED("r[%u]"), at, at, at);
    }
}

#define NODE_CALL " WITH n,r CALL db.create.setNodeVectorProperty(n,"
#define REL_CALL  " WITH x,r CALL db.create.setRelationshipVectorProperty(x,"

static void nodes_query(struct nb_buf *out, const struct shape *shape)
{
    nb_buf_puts(out, "UNWIND $rows AS r CREATE (n");
    labels_append(out, shape->names, shape->nnames);
    nb_buf_puts(out, ") SET n=r[1]");
    zoned_append(out, "n", shape, 2);
    calls_append(out, NODE_CALL, shape, 2);
    nb_buf_puts(out, " RETURN r[0],id(n)");
}

static void rels_query(struct nb_buf *out, const struct shape *shape)
{
    nb_buf_puts(out, "UNWIND $rows AS r MATCH (a) WHERE id(a)=r[0] MATCH (b) WHERE id(b)=r[1] "
                     "CREATE (a)-[x");
    labels_append(out, shape->names, shape->nnames);
    nb_buf_puts(out, "]->(b) SET x=r[2]");
    zoned_append(out, "x", shape, 3);
    calls_append(out, REL_CALL, shape, 3);
}

static void set_query(struct nb_buf *out, const struct shape *shape)
{
    nb_buf_puts(out, "UNWIND $rows AS r MATCH (n) WHERE id(n)=r[0] SET n=r[1]");
    zoned_append(out, "n", shape, 2);
    if (shape->nold_names) {
        nb_buf_puts(out, " REMOVE n");
        labels_append(out, shape->old_names, shape->nold_names);
    }
    if (shape->nnames) {
        nb_buf_puts(out, " SET n");
        labels_append(out, shape->names, shape->nnames);
    }
    calls_append(out, NODE_CALL, shape, 2);
    nb_buf_puts(out, " RETURN count(n)");
}

static bool query_make(enum eng_unit_kind kind, const struct shape *shape, char **ret,
                       struct nb_error *err)
{
    nb_auto_done(nb_buf_done) struct nb_buf out = NB_BUF_INIT(QUERY_MAX_BYTES);

    switch (kind) {
    case ENG_UNIT_NODES:
        nodes_query(&out, shape);
        break;
    case ENG_UNIT_RELS:
        rels_query(&out, shape);
        break;
    case ENG_UNIT_SET:
        set_query(&out, shape);
        break;
    case ENG_UNIT_DELETE:
        nb_buf_puts(&out, "UNWIND $rows AS i MATCH (n) WHERE id(n)=i DETACH DELETE n");
        break;
    }
    if (!nb_buf_check(&out, err))
        return false;
    *ret = nb_buf_take(&out);
    return true;
}

/* --- shapes ----------------------------------------------------------------------------------- */

static void names_id(struct nb_buf *out, const struct nb_str *names, size_t n)
{
    nb_buf_append(out, &n, sizeof(n));
    for (size_t i = 0; i < n; i++) {
        nb_buf_append(out, &names[i].n, sizeof(names[i].n));
        nb_buf_append(out, names[i].p, names[i].n);
    }
}

static bool is_names(struct nb_str *id, const struct nb_str *names, size_t n)
{
    if (id->n < sizeof(n) || memcmp(id->p, &n, sizeof(n)) != 0)
        return false;
    id->p += sizeof(n);
    id->n -= sizeof(n);
    for (size_t i = 0; i < n; i++) {
        size_t step = sizeof(names[i].n) + names[i].n;

        if (id->n < step || memcmp(id->p, &names[i].n, sizeof(names[i].n)) != 0 ||
            memcmp(id->p + sizeof(names[i].n), names[i].p, names[i].n) != 0)
            return false;
        id->p += step;
        id->n -= step;
    }
    return true;
}

static bool is_shape(const struct eng_unit_statement *s, const struct shape *shape)
{
    struct nb_str id = nb_buf_str(&s->id);

    return is_names(&id, shape->names, shape->nnames) &&
           is_names(&id, shape->old_names, shape->nold_names) &&
           is_names(&id, shape->float32_keys, shape->nfloat32_keys) &&
           is_names(&id, shape->zoned, shape->nzoned) &&
           is_names(&id, shape->zoned_lists, shape->nzoned_lists) && id.n == 0;
}

static struct ps_encoder encoder_to(const struct ps_encoder *encoder, struct nb_buf *out)
{
    struct ps_encoder e = *encoder;

    e.out = out;
    e.bad = NULL;
    return e;
}

/* The list of rows begins. */
static void params_begin(struct eng_unit_statement *s, const struct ps_encoder *encoder)
{
    struct ps_encoder e;

    nb_buf_init(&s->params, PARAMS_MAX_BYTES);
    e = encoder_to(encoder, &s->params);
    ps_put_map(&e, 1);
    ps_put_cstr(&e, "rows");
    s->mark = ps_put_list_begin(&e);
}

/* One more, empty; it counts when u->n says so. */
static struct eng_unit_statement *statement_space(struct eng_unit *u)
{
    if (u->n == u->cap) {
        u->cap = u->cap ? u->cap * 2 : STATEMENTS_MIN;
        u->statements = nb_xreallocarray(u->statements, u->cap, sizeof(*u->statements));
    }
    u->statements[u->n] = (struct eng_unit_statement){ .rows = 0 };
    return &u->statements[u->n];
}

/* The last statement, if it is of that shape, or a new one: the order of rows stays. */
static bool statement_get(struct eng_unit *u, const struct ps_encoder *encoder,
                          const struct shape *shape, struct eng_unit_statement **ret,
                          struct nb_error *err)
{
    struct eng_unit_statement *s;

    if (u->n && is_shape(&u->statements[u->n - 1], shape)) {
        *ret = &u->statements[u->n - 1];
        return true;
    }
    s = statement_space(u);
    if (!query_make(u->kind, shape, &s->query, err))
        return false;
    nb_buf_init(&s->id, QUERY_MAX_BYTES);
    names_id(&s->id, shape->names, shape->nnames);
    names_id(&s->id, shape->old_names, shape->nold_names);
    names_id(&s->id, shape->float32_keys, shape->nfloat32_keys);
    names_id(&s->id, shape->zoned, shape->nzoned);
    names_id(&s->id, shape->zoned_lists, shape->nzoned_lists);
    params_begin(s, encoder);
    u->n++;
    *ret = s;
    return true;
}

/* --- rows ------------------------------------------------------------------------------------- */

static bool is_among(const struct nb_str *keys, size_t n, struct nb_str key)
{
    for (size_t i = 0; i < n; i++)
        if (nb_str_equal(keys[i], key))
            return true;
    return false;
}

static const struct ps_value *value_of(const struct ps_map *props, struct nb_str key)
{
    for (size_t i = 0; i < props->n; i++)
        if (nb_str_equal(props->pairs[i].key, key))
            return &props->pairs[i].value;
    return NULL;
}

static bool is_zoned(const struct ps_value *v)
{
    return v->type == PS_DATETIME && v->datetime.zone.n > 0 && !v->datetime.local;
}

static bool has_zoned(const struct ps_value *v)
{
    for (size_t i = 0; v->type == PS_LIST && i < v->list.n; i++)
        if (is_zoned(&v->list.items[i]))
            return true;
    return false;
}

/* Fills zoned and zoned_lists, from both ends of the scratch. */
static void zoned_find(struct eng_unit *u, const struct ps_map *props, struct shape *shape)
{
    if (u->scratch_cap < props->n) {
        u->scratch_cap = props->n;
        u->scratch = nb_xreallocarray(u->scratch, u->scratch_cap, sizeof(*u->scratch));
    }
    for (size_t i = 0; i < props->n; i++) {
        const struct ps_pair *pair = &props->pairs[i];

        if (is_zoned(&pair->value))
            u->scratch[shape->nzoned++] = pair->key;
        else if (has_zoned(&pair->value))
            u->scratch[u->scratch_cap - ++shape->nzoned_lists] = pair->key;
    }
    shape->zoned = u->scratch;
    shape->zoned_lists = u->scratch + (u->scratch_cap - shape->nzoned_lists);
}

static void zoned_put(struct ps_encoder *e, const struct ps_value *v)
{
    if (!is_zoned(v)) {
        ps_put_list(e, 1);
        ps_put_value(e, v);
        return;
    }
    ps_put_list(e, 3);
    ps_put_int(e, v->datetime.seconds);
    ps_put_int(e, v->datetime.nanos);
    ps_put_str(e, v->datetime.zone);
}

static void zoned_list_put(struct ps_encoder *e, const struct ps_value *v)
{
    ps_put_list(e, v->list.n);
    for (size_t i = 0; i < v->list.n; i++)
        zoned_put(e, &v->list.items[i]);
}

static size_t extras(const struct shape *shape)
{
    return shape->nfloat32_keys + shape->nzoned + shape->nzoned_lists;
}

static bool is_extra(const struct shape *shape, struct nb_str key)
{
    return is_among(shape->float32_keys, shape->nfloat32_keys, key) ||
           is_among(shape->zoned, shape->nzoned, key) ||
           is_among(shape->zoned_lists, shape->nzoned_lists, key);
}

/* The map of what SET takes, then what goes another way. */
static void props_put(struct ps_encoder *e, const struct shape *shape, const struct ps_map *props)
{
    size_t others = extras(shape);

    ps_put_map(e, props->n - others);
    for (size_t i = 0; i < props->n; i++) {
        if (others && is_extra(shape, props->pairs[i].key))
            continue;
        ps_put_str(e, props->pairs[i].key);
        ps_put_value(e, &props->pairs[i].value);
    }
    for (size_t i = 0; i < shape->nfloat32_keys; i++)
        ps_put_value(e, value_of(props, shape->float32_keys[i]));
    for (size_t i = 0; i < shape->nzoned; i++)
        zoned_put(e, value_of(props, shape->zoned[i]));
    for (size_t i = 0; i < shape->nzoned_lists; i++)
        zoned_list_put(e, value_of(props, shape->zoned_lists[i]));
}

static void row_count(struct eng_unit *u, struct eng_unit_statement *s, size_t before)
{
    if (s->rows == s->rows_cap) {
        s->rows_cap = s->rows_cap ? s->rows_cap * 2 : ROWS_MIN;
        s->row_at = nb_xreallocarray(s->row_at, s->rows_cap, sizeof(*s->row_at));
    }
    s->row_at[s->rows++] = before;
    u->rows++;
    u->bytes += s->params.len - before;
}

static bool row_end(struct eng_unit *u, struct eng_unit_statement *s, struct ps_encoder *e,
                    size_t before, struct nb_error *err)
{
    if (!ps_encoder_check(e, err))
        return false;
    row_count(u, s, before);
    return true;
}

/* Every row of a statement with such lists has each of them: the reader sees to that. */
static bool floats_check(const struct shape *shape, const struct ps_map *props,
                         struct nb_error *err)
{
    for (size_t i = 0; i < shape->nfloat32_keys; i++)
        if (!value_of(props, shape->float32_keys[i]))
            return nb_fail(err, NB_E_CORRUPT, "BadDump", "a row without its vector");
    return true;
}

/* A row: so many ids, then the properties. */
static bool row_add(struct eng_unit *u, const struct eng_unit_opts *opts, struct shape *shape,
                    const int64_t *ids, size_t nids, const struct ps_map *props,
                    struct nb_error *err)
{
    struct eng_unit_statement *s;
    struct ps_encoder e;
    size_t before;

    if (opts->zones_as_numbers)
        zoned_find(u, props, shape);
    if (!floats_check(shape, props, err) || !statement_get(u, &opts->encoder, shape, &s, err))
        return false;
    before = s->params.len;
    e = encoder_to(&opts->encoder, &s->params);
    ps_put_list(&e, nids + 1 + extras(shape));
    for (size_t i = 0; i < nids; i++)
        ps_put_int(&e, ids[i]);
    props_put(&e, shape, props);
    return row_end(u, s, &e, before, err);
}

bool eng_unit_add_node(struct eng_unit *u, const struct eng_unit_opts *opts,
                       const struct cyp_node_row *row, struct nb_error *err)
{
    struct shape shape = { .names = row->labels,
                           .nnames = row->nlabels,
                           .float32_keys = row->float32_keys,
                           .nfloat32_keys = opts->floats32 ? row->nfloat32_keys : 0 };

    return row_add(u, opts, &shape, &row->id, 1, &row->props, err) ||
           nb_wrap(err, "node %lld", (long long)row->id);
}

bool eng_unit_add_rel(struct eng_unit *u, const struct eng_unit_opts *opts,
                      const struct cyp_rel_row *row, int64_t start, int64_t end,
                      struct nb_error *err)
{
    const int64_t ends[] = { start, end };
    struct shape shape = { .names = &row->type,
                           .nnames = 1,
                           .float32_keys = row->float32_keys,
                           .nfloat32_keys = opts->floats32 ? row->nfloat32_keys : 0 };

    return row_add(u, opts, &shape, ends, NB_ARRAY_LEN(ends), &row->props, err) ||
           nb_wrap(err, "a relationship of node %lld", (long long)row->start_id);
}

bool eng_unit_add_set(struct eng_unit *u, const struct eng_unit_opts *opts,
                      const struct cyp_node_row *row, int64_t id, const struct nb_str *old_labels,
                      size_t nold_labels, struct nb_error *err)
{
    struct shape shape = { .names = row->labels,
                           .nnames = row->nlabels,
                           .old_names = old_labels,
                           .nold_names = nold_labels,
                           .float32_keys = row->float32_keys,
                           .nfloat32_keys = opts->floats32 ? row->nfloat32_keys : 0 };

    return row_add(u, opts, &shape, &id, 1, &row->props, err) ||
           nb_wrap(err, "node %lld", (long long)row->id);
}

bool eng_unit_add_delete(struct eng_unit *u, const struct eng_unit_opts *opts, int64_t id,
                         struct nb_error *err)
{
    static const struct shape none = { .nnames = 0 };
    struct eng_unit_statement *s;
    struct ps_encoder e;
    size_t before;

    if (!statement_get(u, &opts->encoder, &none, &s, err))
        return false;
    before = s->params.len;
    e = encoder_to(&opts->encoder, &s->params);
    ps_put_int(&e, id);
    return row_end(u, s, &e, before, err);
}

void eng_unit_close(struct eng_unit *u)
{
    for (size_t i = 0; i < u->n; i++) {
        struct eng_unit_statement *s = &u->statements[i];
        struct ps_encoder e = PS_ENCODER_INIT(&s->params);

        ps_put_list_end(&e, s->mark, s->rows);
    }
}

/* --- a part ----------------------------------------------------------------------------------- */

static struct nb_str row_get(const struct eng_unit_statement *s, unsigned i)
{
    size_t end = i + 1 < s->rows ? s->row_at[i + 1] : s->params.len;

    return (struct nb_str){ s->params.data + s->row_at[i], end - s->row_at[i] };
}

/* The part has no ids of shapes: nothing is added to it any more. */
static bool row_copy(struct eng_unit *part, bool new_statement, const struct ps_encoder *encoder,
                     const struct eng_unit_statement *from, unsigned i, struct nb_error *err)
{
    struct nb_str row = row_get(from, i);
    struct eng_unit_statement *s;
    size_t before;

    if (new_statement) {
        s = statement_space(part);
        s->query = nb_xstrdup(from->query);
        params_begin(s, encoder);
        part->n++;
    }
    s = &part->statements[part->n - 1];
    before = s->params.len;
    nb_buf_append(&s->params, row.p, row.n);
    row_count(part, s, before);
    return nb_buf_check(&s->params, err);
}

bool eng_unit_cut(const struct eng_unit *u, const struct eng_unit_opts *opts, unsigned first,
                  unsigned max_rows, size_t max_bytes, struct eng_unit **ret, struct nb_error *err)
{
    nb_auto(eng_unit_free) struct eng_unit *part = eng_unit_new(u->kind);
    size_t k = 0, last = SIZE_MAX;
    unsigned before = 0; /* rows of the statements before k */

    for (unsigned at = first; at < u->rows; at++) {
        const struct eng_unit_statement *s;

        while (at - before >= u->statements[k].rows)
            before += u->statements[k++].rows;
        s = &u->statements[k];
        if (part->rows > 0 &&
            (part->rows >= max_rows || part->bytes + row_get(s, at - before).n > max_bytes))
            break;
        if (!row_copy(part, k != last, &opts->encoder, s, at - before, err))
            return false;
        last = k;
    }
    eng_unit_close(part);
    *ret = nb_steal(part);
    return true;
}
