#include "packstream/packstream.h"

#include <assert.h>

const char *ps_type_name(enum ps_type type)
{
    static const char *const names[] = {
        [PS_NULL] = "null",
        [PS_BOOL] = "boolean",
        [PS_INT] = "integer",
        [PS_FLOAT] = "float",
        [PS_BYTES] = "bytes",
        [PS_STRING] = "string",
        [PS_LIST] = "list",
        [PS_FLOATS] = "list",
        [PS_MAP] = "map",
        [PS_NODE] = "node",
        [PS_REL] = "relationship",
        [PS_UNBOUND_REL] = "unbound relationship",
        [PS_PATH] = "path",
        [PS_DATE] = "date",
        [PS_TIME] = "time",
        [PS_LOCALTIME] = "local time",
        [PS_DATETIME] = "datetime",
        [PS_LOCALDATETIME] = "local datetime",
        [PS_DURATION] = "duration",
        [PS_POINT] = "point",
        [PS_VECTOR] = "vector",
        [PS_UUID] = "uuid",
        [PS_UNSUPPORTED] = "unsupported",
    };

    return (size_t)type < NB_ARRAY_LEN(names) ? names[type] : "unknown";
}

/* --- reading ---------------------------------------------------------------------------------- */

size_t ps_list_count(const struct ps_value *v)
{
    return v->type == PS_FLOATS ? v->floats.n : v->type == PS_LIST ? v->list.n : 0;
}

struct ps_value ps_list_get(const struct ps_value *v, size_t i)
{
    struct ps_value item = { .type = PS_FLOAT };

    assert(i < ps_list_count(v));
    if (v->type == PS_LIST)
        return v->list.items[i];
    item.real = ps_floats_get(&v->floats, i);
    return item;
}

const struct ps_value *ps_map_get(const struct ps_map *m, const char *key)
{
    struct nb_str want = nb_str_from(key);

    for (size_t i = 0; i < m->n; i++)
        if (nb_str_equal(m->pairs[i].key, want))
            return &m->pairs[i].value;
    return NULL;
}

int64_t ps_map_get_int(const struct ps_map *m, const char *key, int64_t dflt)
{
    const struct ps_value *v = ps_map_get(m, key);

    return v && v->type == PS_INT ? v->integer : dflt;
}

bool ps_map_get_bool(const struct ps_map *m, const char *key, bool dflt)
{
    const struct ps_value *v = ps_map_get(m, key);

    return v && v->type == PS_BOOL ? v->boolean : dflt;
}

struct nb_str ps_map_get_str(const struct ps_map *m, const char *key)
{
    const struct ps_value *v = ps_map_get(m, key);

    return v && v->type == PS_STRING ? v->string : (struct nb_str){ NULL, 0 };
}

static uint64_t vector_bits(const struct ps_vector *v, size_t i)
{
    size_t width = ps_vector_elem_bytes(v->elem);
    const unsigned char *p = v->p + i * width;
    uint64_t bits = 0;

    assert(i < v->n);
    for (size_t k = 0; k < width; k++)
        bits = bits << 8 | p[k];
    return bits;
}

double ps_vector_get_float(const struct ps_vector *v, size_t i)
{
    uint64_t bits = vector_bits(v, i);
    uint32_t bits32 = (uint32_t)bits;
    double d;
    float f;

    if (v->elem == PS_VECTOR_F32) {
        memcpy(&f, &bits32, sizeof(f));
        return (double)f;
    }
    memcpy(&d, &bits, sizeof(d));
    return d;
}

int64_t ps_vector_get_int(const struct ps_vector *v, size_t i)
{
    uint64_t bits = vector_bits(v, i);

    switch (v->elem) {
    case PS_VECTOR_I8:
        return (int8_t)bits;
    case PS_VECTOR_I16:
        return (int16_t)bits;
    case PS_VECTOR_I32:
        return (int32_t)bits;
    default:
        return (int64_t)bits;
    }
}

/* --- equality --------------------------------------------------------------------------------- */

static bool same_bits(double a, double b)
{
    uint64_t ua, ub;

    memcpy(&ua, &a, sizeof(ua));
    memcpy(&ub, &b, sizeof(ub));
    return ua == ub;
}

// NOLINTNEXTLINE(misc-no-recursion) nesting ends at PS_DEPTH_MAX
static bool lists_equal(const struct ps_value *a, const struct ps_value *b)
{
    size_t n = ps_list_count(a);

    if (n != ps_list_count(b))
        return false;
    if (a->type == PS_FLOATS && b->type == PS_FLOATS)
        return memcmp(a->floats.p, b->floats.p, n * 9) == 0;
    for (size_t i = 0; i < n; i++) {
        struct ps_value x = ps_list_get(a, i), y = ps_list_get(b, i);

        if (!ps_value_equal(&x, &y))
            return false;
    }
    return true;
}

// NOLINTNEXTLINE(misc-no-recursion) nesting ends at PS_DEPTH_MAX
static bool maps_equal(const struct ps_map *a, const struct ps_map *b)
{
    if (a->n != b->n)
        return false;
    for (size_t i = 0; i < a->n; i++) {
        const struct ps_pair *mine = &a->pairs[i];
        const struct ps_value *other = NULL;

        /* Usually the order is the same: look there first. */
        for (size_t k = 0; k < b->n && !other; k++) {
            const struct ps_pair *theirs = &b->pairs[(i + k) % b->n];

            if (nb_str_equal(theirs->key, mine->key))
                other = &theirs->value;
        }
        if (!other || !ps_value_equal(&mine->value, other))
            return false;
    }
    return true;
}

// NOLINTNEXTLINE(misc-no-recursion) nesting ends at PS_DEPTH_MAX
static bool nodes_equal(const struct ps_node *a, const struct ps_node *b)
{
    if (a->id != b->id || a->nlabels != b->nlabels || !nb_str_equal(a->element_id, b->element_id))
        return false;
    for (size_t i = 0; i < a->nlabels; i++)
        if (!nb_str_equal(a->labels[i], b->labels[i]))
            return false;
    return maps_equal(&a->props, &b->props);
}

// NOLINTNEXTLINE(misc-no-recursion) nesting ends at PS_DEPTH_MAX
static bool rels_equal(const struct ps_rel *a, const struct ps_rel *b)
{
    return a->id == b->id && a->start_id == b->start_id && a->end_id == b->end_id &&
           nb_str_equal(a->type, b->type) && nb_str_equal(a->element_id, b->element_id) &&
           nb_str_equal(a->start_element_id, b->start_element_id) &&
           nb_str_equal(a->end_element_id, b->end_element_id) && maps_equal(&a->props, &b->props);
}

// NOLINTNEXTLINE(misc-no-recursion) nesting ends at PS_DEPTH_MAX
static bool paths_equal(const struct ps_path *a, const struct ps_path *b)
{
    if (a->nnodes != b->nnodes || a->nrels != b->nrels || a->nindices != b->nindices)
        return false;
    for (size_t i = 0; i < a->nnodes; i++)
        if (!ps_value_equal(&a->nodes[i], &b->nodes[i]))
            return false;
    for (size_t i = 0; i < a->nrels; i++)
        if (!ps_value_equal(&a->rels[i], &b->rels[i]))
            return false;
    for (size_t i = 0; i < a->nindices; i++)
        if (a->indices[i] != b->indices[i])
            return false;
    return true;
}

static bool temporals_equal(const struct ps_value *a, const struct ps_value *b)
{
    switch (a->type) {
    case PS_DATE:
        return a->date_days == b->date_days;
    case PS_TIME:
    case PS_LOCALTIME:
        return a->time.nanos == b->time.nanos && a->time.offset_seconds == b->time.offset_seconds;
    case PS_DATETIME:
        return a->datetime.seconds == b->datetime.seconds &&
               a->datetime.nanos == b->datetime.nanos && a->datetime.local == b->datetime.local &&
               a->datetime.offset_seconds == b->datetime.offset_seconds &&
               nb_str_equal(a->datetime.zone, b->datetime.zone);
    case PS_LOCALDATETIME:
        return a->localdatetime.seconds == b->localdatetime.seconds &&
               a->localdatetime.nanos == b->localdatetime.nanos;
    default:
        return a->duration.months == b->duration.months && a->duration.days == b->duration.days &&
               a->duration.seconds == b->duration.seconds && a->duration.nanos == b->duration.nanos;
    }
}

static bool points_equal(const struct ps_point *a, const struct ps_point *b)
{
    return a->srid == b->srid && a->dimensions == b->dimensions && same_bits(a->x, b->x) &&
           same_bits(a->y, b->y) && same_bits(a->z, b->z);
}

static bool vectors_equal(const struct ps_vector *a, const struct ps_vector *b)
{
    return a->elem == b->elem && a->n == b->n &&
           (a->n == 0 || memcmp(a->p, b->p, a->n * ps_vector_elem_bytes(a->elem)) == 0);
}

static bool unsupported_equal(const struct ps_unsupported *a, const struct ps_unsupported *b)
{
    return nb_str_equal(a->type_name, b->type_name) && a->min_major == b->min_major &&
           a->min_minor == b->min_minor && nb_str_equal(a->message, b->message);
}

// NOLINTNEXTLINE(misc-no-recursion) nesting ends at PS_DEPTH_MAX
bool ps_value_equal(const struct ps_value *a, const struct ps_value *b)
{
    if (ps_is_list(a) && ps_is_list(b))
        return lists_equal(a, b);
    if (a->type != b->type)
        return false;
    switch (a->type) {
    case PS_NULL:
        return true;
    case PS_BOOL:
        return a->boolean == b->boolean;
    case PS_INT:
        return a->integer == b->integer;
    case PS_FLOAT:
        return same_bits(a->real, b->real);
    case PS_STRING:
        return nb_str_equal(a->string, b->string);
    case PS_BYTES:
        return nb_str_equal(a->bytes, b->bytes);
    case PS_MAP:
        return maps_equal(&a->map, &b->map);
    case PS_NODE:
        return nodes_equal(a->node, b->node);
    case PS_REL:
    case PS_UNBOUND_REL:
        return rels_equal(a->rel, b->rel);
    case PS_PATH:
        return paths_equal(a->path, b->path);
    case PS_POINT:
        return points_equal(&a->point, &b->point);
    case PS_VECTOR:
        return vectors_equal(&a->vector, &b->vector);
    case PS_UUID:
        return memcmp(a->uuid, b->uuid, sizeof(a->uuid)) == 0;
    case PS_UNSUPPORTED:
        return unsupported_equal(a->unsupported, b->unsupported);
    default:
        return temporals_equal(a, b);
    }
}

/* --- copying ---------------------------------------------------------------------------------- */

static bool copy_bytes(const void *p, size_t n, struct nb_arena *arena, const void **ret,
                       struct nb_error *err)
{
    void *to = nb_arena_alloc(arena, n, err);

    if (!to)
        return false;
    if (n)
        memcpy(to, p, n);
    *ret = to;
    return true;
}

static bool copy_str(struct nb_str *s, struct nb_arena *arena, struct nb_error *err)
{
    const void *p;

    if (!s->p)
        return true;
    if (!copy_bytes(s->p, s->n, arena, &p, err))
        return false;
    s->p = p;
    return true;
}

// NOLINTNEXTLINE(misc-no-recursion) nesting ends at PS_DEPTH_MAX
static bool copy_items(const struct ps_value **items, size_t n, struct nb_arena *arena,
                       struct nb_error *err)
{
    struct ps_value *to = nb_arena_alloc(arena, n * sizeof(*to), err);

    if (!to)
        return false;
    for (size_t i = 0; i < n; i++)
        if (!ps_value_copy(&(*items)[i], arena, &to[i], err))
            return false;
    *items = to;
    return true;
}

// NOLINTNEXTLINE(misc-no-recursion) nesting ends at PS_DEPTH_MAX
static bool copy_map(struct ps_map *m, struct nb_arena *arena, struct nb_error *err)
{
    struct ps_pair *to = nb_arena_alloc(arena, m->n * sizeof(*to), err);

    if (!to)
        return false;
    for (size_t i = 0; i < m->n; i++) {
        to[i].key = m->pairs[i].key;
        if (!copy_str(&to[i].key, arena, err) ||
            !ps_value_copy(&m->pairs[i].value, arena, &to[i].value, err))
            return false;
    }
    m->pairs = to;
    return true;
}

// NOLINTNEXTLINE(misc-no-recursion) nesting ends at PS_DEPTH_MAX
static bool copy_node(const struct ps_node **node, struct nb_arena *arena, struct nb_error *err)
{
    struct ps_node *to = nb_arena_alloc(arena, sizeof(*to), err);
    struct nb_str *labels =
        to ? nb_arena_alloc(arena, (*node)->nlabels * sizeof(*labels), err) : NULL;

    if (!labels)
        return false;
    *to = **node;
    for (size_t i = 0; i < to->nlabels; i++) {
        labels[i] = to->labels[i];
        if (!copy_str(&labels[i], arena, err))
            return false;
    }
    to->labels = labels;
    *node = to;
    return copy_map(&to->props, arena, err) && copy_str(&to->element_id, arena, err);
}

// NOLINTNEXTLINE(misc-no-recursion) nesting ends at PS_DEPTH_MAX
static bool copy_rel(const struct ps_rel **rel, struct nb_arena *arena, struct nb_error *err)
{
    struct ps_rel *to = nb_arena_alloc(arena, sizeof(*to), err);

    if (!to)
        return false;
    *to = **rel;
    *rel = to;
    return copy_str(&to->type, arena, err) && copy_map(&to->props, arena, err) &&
           copy_str(&to->element_id, arena, err) && copy_str(&to->start_element_id, arena, err) &&
           copy_str(&to->end_element_id, arena, err);
}

// NOLINTNEXTLINE(misc-no-recursion) nesting ends at PS_DEPTH_MAX
static bool copy_path(const struct ps_path **path, struct nb_arena *arena, struct nb_error *err)
{
    struct ps_path *to = nb_arena_alloc(arena, sizeof(*to), err);
    const void *indices;

    if (!to)
        return false;
    *to = **path;
    *path = to;
    if (!copy_bytes(to->indices, to->nindices * sizeof(*to->indices), arena, &indices, err))
        return false;
    to->indices = indices;
    return copy_items(&to->nodes, to->nnodes, arena, err) &&
           copy_items(&to->rels, to->nrels, arena, err);
}

static bool copy_unsupported(const struct ps_unsupported **u, struct nb_arena *arena,
                             struct nb_error *err)
{
    struct ps_unsupported *to = nb_arena_alloc(arena, sizeof(*to), err);

    if (!to)
        return false;
    *to = **u;
    *u = to;
    return copy_str(&to->type_name, arena, err) && copy_str(&to->message, arena, err);
}

static bool copy_raw(const unsigned char **p, size_t n, struct nb_arena *arena,
                     struct nb_error *err)
{
    const void *to;

    if (!copy_bytes(*p, n, arena, &to, err))
        return false;
    *p = to;
    return true;
}

// NOLINTNEXTLINE(misc-no-recursion) nesting ends at PS_DEPTH_MAX
bool ps_value_copy(const struct ps_value *v, struct nb_arena *arena, struct ps_value *ret,
                   struct nb_error *err)
{
    *ret = *v;
    switch (v->type) {
    case PS_BYTES:
        return copy_str(&ret->bytes, arena, err);
    case PS_STRING:
        return copy_str(&ret->string, arena, err);
    case PS_LIST:
        return copy_items(&ret->list.items, ret->list.n, arena, err);
    case PS_FLOATS:
        return copy_raw(&ret->floats.p, ret->floats.n * 9, arena, err);
    case PS_MAP:
        return copy_map(&ret->map, arena, err);
    case PS_NODE:
        return copy_node(&ret->node, arena, err);
    case PS_REL:
    case PS_UNBOUND_REL:
        return copy_rel(&ret->rel, arena, err);
    case PS_PATH:
        return copy_path(&ret->path, arena, err);
    case PS_DATETIME:
        return copy_str(&ret->datetime.zone, arena, err);
    case PS_VECTOR:
        return copy_raw(&ret->vector.p, ret->vector.n * ps_vector_elem_bytes(ret->vector.elem),
                        arena, err);
    case PS_UNSUPPORTED:
        return copy_unsupported(&ret->unsupported, arena, err);
    default:
        return true;
    }
}
