#include "packstream/packstream.h"

#include <limits.h>

/*
 * A recursive descent over the bytes. The hot path is a record of scalars, strings and lists of
 * floats; structures are told by tag and number of fields in the table at the end.
 */

enum { STRING_MAX = INT32_MAX, LARGE_MAP = 48 };

static bool fail(struct nb_error *err, const char *what)
{
    return nb_fail(err, NB_E_PROTOCOL, "PackStreamInvalid", "%s", what);
}

static bool fail_truncated(struct nb_error *err)
{
    return fail(err, "value is cut off");
}

void ps_decoder_init(struct ps_decoder *d, const void *p, size_t n, unsigned version,
                     struct nb_arena *arena)
{
    d->p = p;
    d->end = d->p + n;
    d->arena = arena;
    d->depth = 0;
    d->version = version;
}

/* --- sizes, strings --------------------------------------------------------------------------- */

/* An unsigned big-endian size of 1, 2 or 4 bytes; every counted byte or item takes at least
 * min_bytes, so that a count is never larger than what can follow. */
static bool take_size(struct ps_decoder *d, unsigned width, size_t min_bytes, size_t *ret,
                      struct nb_error *err)
{
    size_t n = 0;

    if (ps_decoder_left(d) < width)
        return fail_truncated(err);
    for (unsigned i = 0; i < width; i++)
        n = n << 8 | *d->p++;
    if (n > STRING_MAX)
        return fail(err, "size above 2147483647");
    if (n > ps_decoder_left(d) / min_bytes)
        return fail_truncated(err);
    *ret = n;
    return true;
}

static bool all_ascii(const unsigned char *p, size_t n)
{
    uint64_t word, seen = 0;

    for (; n >= sizeof(word); p += sizeof(word), n -= sizeof(word)) {
        memcpy(&word, p, sizeof(word));
        seen |= word;
    }
    for (; n > 0; n--)
        seen |= (uint64_t)*p++;
    return (seen & UINT64_C(0x8080808080808080)) == 0;
}

static bool take_string(struct ps_decoder *d, size_t n, struct nb_str *ret, struct nb_error *err)
{
    const char *p = (const char *)d->p;

    if (n > ps_decoder_left(d))
        return fail_truncated(err);
    if (!all_ascii(d->p, n) && !nb_utf8_valid(p, n))
        return fail(err, "string is not UTF-8");
    d->p += n;
    *ret = (struct nb_str){ p, n };
    return true;
}

static bool decode_string(struct ps_decoder *d, unsigned char marker, struct nb_str *ret,
                          struct nb_error *err)
{
    size_t n = 0;

    if ((marker & 0xF0) == 0x80)
        return take_string(d, marker & 0x0F, ret, err);
    return take_size(d, 1u << (marker - 0xD0), 1, &n, err) && take_string(d, n, ret, err);
}

static bool is_string(unsigned char marker)
{
    return (marker & 0xF0) == 0x80 || (marker >= 0xD0 && marker <= 0xD2);
}

static bool decode_bytes(struct ps_decoder *d, unsigned char marker, struct nb_str *ret,
                         struct nb_error *err)
{
    size_t n = 0;

    if (!take_size(d, 1u << (marker - 0xCC), 1, &n, err))
        return false;
    *ret = (struct nb_str){ (const char *)d->p, n };
    d->p += n;
    return true;
}

/* --- lists ------------------------------------------------------------------------------------ */

static bool enter(struct ps_decoder *d, struct nb_error *err)
{
    if (d->depth >= PS_DEPTH_MAX)
        return fail(err, "value is nested deeper than 64");
    d->depth++;
    return true;
}

static void leave(struct ps_decoder *d)
{
    d->depth--;
}

// NOLINTNEXTLINE(misc-no-recursion) nesting ends at PS_DEPTH_MAX
static bool decode_items(struct ps_decoder *d, size_t n, const struct ps_value **ret,
                         struct nb_error *err)
{
    struct ps_value *items;

    if (!enter(d, err))
        return false;
    items = nb_arena_alloc(d->arena, n * sizeof(*items), err);
    if (!items)
        return false;
    for (size_t i = 0; i < n; i++)
        if (!ps_decode(d, &items[i], err))
            return false;
    leave(d);
    *ret = items;
    return true;
}

/* Embeddings: a thousand floats each, which most readers only pass on. */
static bool take_floats(struct ps_decoder *d, size_t n, struct ps_value *ret)
{
    const unsigned char *p = d->p;

    if (n == 0 || n > ps_decoder_left(d) / 9)
        return false;
    for (size_t i = 0; i < n; i++)
        if (p[i * 9] != 0xC1)
            return false;
    ret->type = PS_FLOATS;
    ret->floats = (struct ps_floats){ p, n };
    d->p += n * 9;
    return true;
}

static bool list_size(struct ps_decoder *d, unsigned char marker, size_t *ret, struct nb_error *err)
{
    if ((marker & 0xF0) != 0x90)
        return take_size(d, 1u << (marker - 0xD4), 1, ret, err);
    *ret = marker & 0x0F;
    return *ret <= ps_decoder_left(d) || fail_truncated(err);
}

// NOLINTNEXTLINE(misc-no-recursion) nesting ends at PS_DEPTH_MAX
static bool decode_list_value(struct ps_decoder *d, unsigned char marker, struct ps_value *ret,
                              struct nb_error *err)
{
    size_t n = 0;

    if (!list_size(d, marker, &n, err))
        return false;
    if (take_floats(d, n, ret))
        return true;
    ret->type = PS_LIST;
    ret->list.n = n;
    return decode_items(d, n, &ret->list.items, err);
}

static bool is_list(unsigned char marker)
{
    return (marker & 0xF0) == 0x90 || (marker >= 0xD4 && marker <= 0xD6);
}

bool ps_decode_list_head(struct ps_decoder *d, size_t *ret_n, struct nb_error *err)
{
    if (d->p == d->end)
        return fail_truncated(err);
    if (!is_list(*d->p))
        return fail(err, "list expected");
    return list_size(d, *d->p++, ret_n, err);
}

bool ps_decode_list(struct ps_decoder *d, const struct ps_value **ret_items, size_t *ret_n,
                    struct nb_error *err)
{
    return ps_decode_list_head(d, ret_n, err) && decode_items(d, *ret_n, ret_items, err);
}

/* --- maps ------------------------------------------------------------------------------------- */

/* A guess that costs nothing: two equal keys always set the same bit. */
static uint64_t key_bit(struct nb_str key)
{
    unsigned h = (unsigned)key.n * 7u;

    if (key.n)
        h += (unsigned char)key.p[0] * 3u + (unsigned char)key.p[key.n - 1] * 5u +
             (unsigned char)key.p[key.n / 2];
    return UINT64_C(1) << (h & 63);
}

static uint32_t key_hash(struct nb_str key)
{
    uint32_t h = 2166136261u;

    for (size_t i = 0; i < key.n; i++)
        h = (h ^ (unsigned char)key.p[i]) * 16777619u;
    return h ^ h >> 15;
}

/* Index of the pair with this key among those there are, or n. */
static size_t find_linear(const struct ps_pair *pairs, size_t n, struct nb_str key)
{
    for (size_t i = 0; i < n; i++)
        if (nb_str_equal(pairs[i].key, key))
            return i;
    return n;
}

/* slots: power of two above 2n, index + 1 or 0. Notes the key at n when it is new. */
static size_t find_hashed(uint32_t *slots, size_t mask, const struct ps_pair *pairs, size_t n,
                          struct nb_str key)
{
    size_t at = key_hash(key) & mask;

    for (; slots[at] != 0; at = (at + 1) & mask)
        if (nb_str_equal(pairs[slots[at] - 1].key, key))
            return slots[at] - 1;
    slots[at] = (uint32_t)n + 1;
    return n;
}

static bool new_slots(struct ps_decoder *d, size_t n, uint32_t **ret, size_t *ret_mask,
                      struct nb_error *err)
{
    size_t size = 128;

    while (size < 2 * n)
        size *= 2;
    *ret = nb_arena_alloc(d->arena, size * sizeof(**ret), err);
    if (!*ret)
        return false;
    memset(*ret, 0, size * sizeof(**ret));
    *ret_mask = size - 1;
    return true;
}

// NOLINTNEXTLINE(misc-no-recursion) nesting ends at PS_DEPTH_MAX
static bool decode_pairs(struct ps_decoder *d, size_t n, struct ps_map *ret, struct nb_error *err)
{
    struct ps_pair *pairs = nb_arena_alloc(d->arena, n * sizeof(*pairs), err);
    uint32_t *slots = NULL;
    size_t mask = 0, count = 0;
    uint64_t seen = 0;

    if (!pairs || (n > LARGE_MAP && !new_slots(d, n, &slots, &mask, err)))
        return false;
    for (size_t i = 0; i < n; i++) {
        struct nb_str key = { NULL, 0 };
        uint64_t bit;
        size_t at = count;

        if (d->p == d->end)
            return fail_truncated(err);
        if (!is_string(*d->p))
            return fail(err, "map key is not a string");
        d->p++;
        if (!decode_string(d, d->p[-1], &key, err))
            return false;
        bit = key_bit(key);
        if (slots)
            at = find_hashed(slots, mask, pairs, count, key);
        else if (seen & bit)
            at = find_linear(pairs, count, key);
        seen |= bit;
        pairs[at].key = key;
        if (!ps_decode(d, &pairs[at].value, err))
            return false;
        count += at == count;
    }
    *ret = (struct ps_map){ pairs, count };
    return true;
}

// NOLINTNEXTLINE(misc-no-recursion) nesting ends at PS_DEPTH_MAX
static bool decode_map(struct ps_decoder *d, unsigned char marker, struct ps_map *ret,
                       struct nb_error *err)
{
    size_t n = 0;

    if (!enter(d, err))
        return false;
    if ((marker & 0xF0) == 0xA0)
        n = marker & 0x0F;
    else if (!take_size(d, 1u << (marker - 0xD8), 2, &n, err))
        return false;
    if (n > ps_decoder_left(d) / 2)
        return fail_truncated(err);
    if (!decode_pairs(d, n, ret, err))
        return false;
    leave(d);
    return true;
}

bool ps_decode_map(struct ps_decoder *d, struct ps_map *ret, struct nb_error *err)
{
    unsigned char marker;

    if (d->p == d->end)
        return fail_truncated(err);
    marker = *d->p;
    if ((marker & 0xF0) != 0xA0 && !(marker >= 0xD8 && marker <= 0xDA))
        return fail(err, "map expected");
    d->p++;
    return decode_map(d, marker, ret, err);
}

/* --- fields of structures --------------------------------------------------------------------- */

static bool want_int(struct ps_decoder *d, int64_t *ret, struct nb_error *err)
{
    struct ps_value v = { .type = PS_NULL };

    if (!ps_decode(d, &v, err))
        return false;
    if (v.type != PS_INT)
        return fail(err, "structure field is not an integer");
    *ret = v.integer;
    return true;
}

static bool want_int_between(struct ps_decoder *d, int32_t min, int32_t max, int32_t *ret,
                             struct nb_error *err)
{
    int64_t v = 0;

    if (!want_int(d, &v, err))
        return false;
    if (v < min || v > max)
        return fail(err, "structure field is out of range");
    *ret = (int32_t)v;
    return true;
}

static bool want_nanos(struct ps_decoder *d, int32_t *ret, struct nb_error *err)
{
    return want_int_between(d, 0, 999999999, ret, err);
}

/* Java's ZoneOffset goes to 18 hours. */
static bool want_offset(struct ps_decoder *d, int32_t *ret, struct nb_error *err)
{
    return want_int_between(d, -64800, 64800, ret, err);
}

static bool want_float(struct ps_decoder *d, double *ret, struct nb_error *err)
{
    struct ps_value v = { .type = PS_NULL };

    if (!ps_decode(d, &v, err))
        return false;
    if (v.type != PS_FLOAT)
        return fail(err, "structure field is not a float");
    *ret = v.real;
    return true;
}

static bool want_str(struct ps_decoder *d, struct nb_str *ret, struct nb_error *err)
{
    if (d->p == d->end)
        return fail_truncated(err);
    if (!is_string(*d->p))
        return fail(err, "structure field is not a string");
    d->p++;
    return decode_string(d, d->p[-1], ret, err);
}

static bool want_strs(struct ps_decoder *d, const struct nb_str **ret, size_t *ret_n,
                      struct nb_error *err)
{
    struct nb_str *strs;
    size_t n = 0;

    if (!ps_decode_list_head(d, &n, err))
        return false;
    strs = nb_arena_alloc(d->arena, n * sizeof(*strs), err);
    if (!strs)
        return false;
    for (size_t i = 0; i < n; i++)
        if (!want_str(d, &strs[i], err))
            return false;
    *ret = strs;
    *ret_n = n;
    return true;
}

/* --- structures ------------------------------------------------------------------------------- */

static bool decode_node(struct ps_decoder *d, unsigned fields, struct ps_value *ret,
                        struct nb_error *err)
{
    struct ps_node *node = nb_arena_alloc(d->arena, sizeof(*node), err);

    if (!node)
        return false;
    node->element_id = (struct nb_str){ NULL, 0 };
    ret->type = PS_NODE;
    ret->node = node;
    return want_int(d, &node->id, err) && want_strs(d, &node->labels, &node->nlabels, err) &&
           ps_decode_map(d, &node->props, err) &&
           (fields == 3 || want_str(d, &node->element_id, err));
}

static struct ps_rel *new_rel(struct ps_decoder *d, struct nb_error *err)
{
    struct ps_rel *rel = nb_arena_alloc(d->arena, sizeof(*rel), err);

    if (rel)
        *rel = (struct ps_rel){ .id = 0, .start_id = -1, .end_id = -1 };
    return rel;
}

static bool decode_rel(struct ps_decoder *d, unsigned fields, struct ps_value *ret,
                       struct nb_error *err)
{
    struct ps_rel *rel = new_rel(d, err);

    if (!rel)
        return false;
    ret->type = PS_REL;
    ret->rel = rel;
    return want_int(d, &rel->id, err) && want_int(d, &rel->start_id, err) &&
           want_int(d, &rel->end_id, err) && want_str(d, &rel->type, err) &&
           ps_decode_map(d, &rel->props, err) &&
           (fields == 5 ||
            (want_str(d, &rel->element_id, err) && want_str(d, &rel->start_element_id, err) &&
             want_str(d, &rel->end_element_id, err)));
}

static bool decode_unbound_rel(struct ps_decoder *d, unsigned fields, struct ps_value *ret,
                               struct nb_error *err)
{
    struct ps_rel *rel = new_rel(d, err);

    if (!rel)
        return false;
    ret->type = PS_UNBOUND_REL;
    ret->rel = rel;
    return want_int(d, &rel->id, err) && want_str(d, &rel->type, err) &&
           ps_decode_map(d, &rel->props, err) &&
           (fields == 3 || want_str(d, &rel->element_id, err));
}

static bool want_all(const struct ps_value *items, size_t n, enum ps_type type,
                     struct nb_error *err)
{
    for (size_t i = 0; i < n; i++)
        if (items[i].type != type)
            return fail(err, "path holds something else than nodes and relationships");
    return true;
}

/* Readers walk a path by its indices: none may point outside. */
static bool want_indices(struct ps_decoder *d, struct ps_path *path, struct nb_error *err)
{
    int64_t *indices;

    if (!ps_decode_list_head(d, &path->nindices, err))
        return false;
    if (path->nindices % 2 != 0)
        return fail(err, "path has an odd number of indices");
    indices = nb_arena_alloc(d->arena, path->nindices * sizeof(*indices), err);
    if (!indices)
        return false;
    for (size_t i = 0; i < path->nindices; i++) {
        int64_t v = 0, low = i % 2 ? 0 : -(int64_t)path->nrels;
        int64_t high = i % 2 ? (int64_t)path->nnodes - 1 : (int64_t)path->nrels;

        if (!want_int(d, &v, err))
            return false;
        if (v < low || v > high || (i % 2 == 0 && v == 0))
            return fail(err, "path index is out of range");
        indices[i] = v;
    }
    path->indices = indices;
    return true;
}

static bool decode_path(struct ps_decoder *d, unsigned fields, struct ps_value *ret,
                        struct nb_error *err)
{
    struct ps_path *path = nb_arena_alloc(d->arena, sizeof(*path), err);

    (void)fields;
    if (!path)
        return false;
    ret->type = PS_PATH;
    ret->path = path;
    return ps_decode_list(d, &path->nodes, &path->nnodes, err) &&
           want_all(path->nodes, path->nnodes, PS_NODE, err) &&
           ps_decode_list(d, &path->rels, &path->nrels, err) &&
           want_all(path->rels, path->nrels, PS_UNBOUND_REL, err) && want_indices(d, path, err);
}

static bool decode_date(struct ps_decoder *d, unsigned fields, struct ps_value *ret,
                        struct nb_error *err)
{
    (void)fields;
    ret->type = PS_DATE;
    return want_int(d, &ret->date_days, err);
}

static bool want_nanos_of_day(struct ps_decoder *d, int64_t *ret, struct nb_error *err)
{
    if (!want_int(d, ret, err))
        return false;
    if (*ret < 0 || *ret >= INT64_C(86400000000000))
        return fail(err, "time is outside the day");
    return true;
}

static bool decode_time(struct ps_decoder *d, unsigned fields, struct ps_value *ret,
                        struct nb_error *err)
{
    (void)fields;
    ret->type = PS_TIME;
    return want_nanos_of_day(d, &ret->time.nanos, err) &&
           want_offset(d, &ret->time.offset_seconds, err);
}

static bool decode_localtime(struct ps_decoder *d, unsigned fields, struct ps_value *ret,
                             struct nb_error *err)
{
    (void)fields;
    ret->type = PS_LOCALTIME;
    ret->time.offset_seconds = 0;
    return want_nanos_of_day(d, &ret->time.nanos, err);
}

static bool decode_datetime(struct ps_decoder *d, bool local, bool zoned, struct ps_value *ret,
                            struct nb_error *err)
{
    ret->type = PS_DATETIME;
    ret->datetime.offset_seconds = 0;
    ret->datetime.zone = (struct nb_str){ NULL, 0 };
    ret->datetime.local = local;
    if (!want_int(d, &ret->datetime.seconds, err) || !want_nanos(d, &ret->datetime.nanos, err))
        return false;
    if (!zoned)
        return want_offset(d, &ret->datetime.offset_seconds, err);
    if (!want_str(d, &ret->datetime.zone, err))
        return false;
    return ret->datetime.zone.n > 0 || fail(err, "time zone has no name");
}

static bool decode_datetime_offset(struct ps_decoder *d, unsigned fields, struct ps_value *ret,
                                   struct nb_error *err)
{
    (void)fields;
    return decode_datetime(d, false, false, ret, err);
}

static bool decode_datetime_zone(struct ps_decoder *d, unsigned fields, struct ps_value *ret,
                                 struct nb_error *err)
{
    (void)fields;
    return decode_datetime(d, false, true, ret, err);
}

static bool decode_legacy_offset(struct ps_decoder *d, unsigned fields, struct ps_value *ret,
                                 struct nb_error *err)
{
    (void)fields;
    return decode_datetime(d, true, false, ret, err);
}

static bool decode_legacy_zone(struct ps_decoder *d, unsigned fields, struct ps_value *ret,
                               struct nb_error *err)
{
    (void)fields;
    return decode_datetime(d, true, true, ret, err);
}

static bool decode_localdatetime(struct ps_decoder *d, unsigned fields, struct ps_value *ret,
                                 struct nb_error *err)
{
    (void)fields;
    ret->type = PS_LOCALDATETIME;
    return want_int(d, &ret->localdatetime.seconds, err) &&
           want_nanos(d, &ret->localdatetime.nanos, err);
}

static bool decode_duration(struct ps_decoder *d, unsigned fields, struct ps_value *ret,
                            struct nb_error *err)
{
    (void)fields;
    ret->type = PS_DURATION;
    return want_int(d, &ret->duration.months, err) && want_int(d, &ret->duration.days, err) &&
           want_int(d, &ret->duration.seconds, err) &&
           want_int_between(d, -999999999, 999999999, &ret->duration.nanos, err);
}

static bool decode_point(struct ps_decoder *d, unsigned fields, struct ps_value *ret,
                         struct nb_error *err)
{
    struct ps_point *point = &ret->point;

    ret->type = PS_POINT;
    point->dimensions = (uint8_t)(fields - 1);
    point->z = 0;
    return want_int_between(d, 0, INT32_MAX, &point->srid, err) && want_float(d, &point->x, err) &&
           want_float(d, &point->y, err) && (fields == 3 || want_float(d, &point->z, err));
}

size_t ps_vector_elem_bytes(enum ps_vector_type elem)
{
    switch (elem) {
    case PS_VECTOR_I8:
        return 1;
    case PS_VECTOR_I16:
        return 2;
    case PS_VECTOR_I32:
    case PS_VECTOR_F32:
        return 4;
    case PS_VECTOR_I64:
    case PS_VECTOR_F64:
        return 8;
    }
    return 0;
}

static bool want_bytes(struct ps_decoder *d, struct nb_str *ret, struct nb_error *err)
{
    struct ps_value v = { .type = PS_NULL };

    if (!ps_decode(d, &v, err))
        return false;
    if (v.type != PS_BYTES)
        return fail(err, "structure field is not bytes");
    *ret = v.bytes;
    return true;
}

static bool decode_vector(struct ps_decoder *d, unsigned fields, struct ps_value *ret,
                          struct nb_error *err)
{
    struct nb_str marker = { NULL, 0 }, data = { NULL, 0 };
    size_t width;

    (void)fields;
    if (!want_bytes(d, &marker, err) || !want_bytes(d, &data, err))
        return false;
    if (marker.n != 1)
        return fail(err, "vector has no element type");
    ret->type = PS_VECTOR;
    ret->vector.elem = (enum ps_vector_type)(unsigned char)marker.p[0];
    width = ps_vector_elem_bytes(ret->vector.elem);
    if (width == 0 || data.n % width != 0)
        return fail(err, "vector has an unknown element type or a broken length");
    ret->vector.p = (const unsigned char *)data.p;
    ret->vector.n = data.n / width;
    return true;
}

static bool decode_unsupported(struct ps_decoder *d, unsigned fields, struct ps_value *ret,
                               struct nb_error *err)
{
    struct ps_unsupported *u = nb_arena_alloc(d->arena, sizeof(*u), err);
    struct ps_map extra;

    (void)fields;
    if (!u)
        return false;
    ret->type = PS_UNSUPPORTED;
    ret->unsupported = u;
    if (!want_str(d, &u->type_name, err) || !want_int(d, &u->min_major, err) ||
        !want_int(d, &u->min_minor, err) || !ps_decode_map(d, &extra, err))
        return false;
    u->message = ps_map_get_str(&extra, "message");
    return true;
}

struct structure {
    unsigned char tag, fields;
    bool (*decode)(struct ps_decoder *d, unsigned fields, struct ps_value *ret,
                   struct nb_error *err);
};

static const struct structure structures[] = {
    { 'N', 4, decode_node },
    { 'N', 3, decode_node },
    { 'R', 8, decode_rel },
    { 'R', 5, decode_rel },
    { 'r', 4, decode_unbound_rel },
    { 'r', 3, decode_unbound_rel },
    { 'P', 3, decode_path },
    { 'D', 1, decode_date },
    { 'T', 2, decode_time },
    { 't', 1, decode_localtime },
    { 'I', 3, decode_datetime_offset },
    { 'i', 3, decode_datetime_zone },
    { 'F', 3, decode_legacy_offset },
    { 'f', 3, decode_legacy_zone },
    { 'd', 2, decode_localdatetime },
    { 'E', 4, decode_duration },
    { 'X', 3, decode_point },
    { 'Y', 4, decode_point },
    { 'V', 2, decode_vector },
    { '?', 4, decode_unsupported },
};

bool ps_decode_struct_head(struct ps_decoder *d, uint8_t *ret_tag, unsigned *ret_fields,
                           struct nb_error *err)
{
    if (ps_decoder_left(d) < 2)
        return fail_truncated(err);
    if ((*d->p & 0xF0) != 0xB0)
        return fail(err, "structure expected");
    *ret_fields = *d->p++ & 0x0F;
    *ret_tag = *d->p++;
    return true;
}

static bool decode_struct(struct ps_decoder *d, unsigned char marker, struct ps_value *ret,
                          struct nb_error *err)
{
    unsigned fields = marker & 0x0F;
    unsigned char tag;

    if (d->p == d->end)
        return fail_truncated(err);
    if (!enter(d, err))
        return false;
    tag = *d->p++;
    for (size_t i = 0; i < NB_ARRAY_LEN(structures); i++) {
        const struct structure *s = &structures[i];

        if (s->tag == tag && s->fields == fields) {
            if (!s->decode(d, fields, ret, err))
                return false;
            leave(d);
            return true;
        }
    }
    return nb_fail(err, NB_E_PROTOCOL, "PackStreamInvalid",
                   "structure 0x%02X with %u fields is not known", tag, fields);
}

/* --- the value -------------------------------------------------------------------------------- */

static bool decode_int(struct ps_decoder *d, unsigned width, struct ps_value *ret,
                       struct nb_error *err)
{
    uint64_t v;

    if (ps_decoder_left(d) < width)
        return fail_truncated(err);
    v = (d->p[0] & 0x80) ? UINT64_MAX : 0;
    for (unsigned i = 0; i < width; i++)
        v = v << 8 | *d->p++;
    ret->type = PS_INT;
    ret->integer = (int64_t)v;
    return true;
}

static bool decode_float(struct ps_decoder *d, struct ps_value *ret, struct nb_error *err)
{
    uint64_t bits;

    if (ps_decoder_left(d) < 8)
        return fail_truncated(err);
    bits = ps_be64(d->p);
    d->p += 8;
    ret->type = PS_FLOAT;
    memcpy(&ret->real, &bits, sizeof(bits));
    return true;
}

static bool decode_uuid(struct ps_decoder *d, struct ps_value *ret, struct nb_error *err)
{
    if (d->version < 2)
        return fail(err, "marker 0xE0 is reserved");
    if (ps_decoder_left(d) < sizeof(ret->uuid))
        return fail_truncated(err);
    ret->type = PS_UUID;
    memcpy(ret->uuid, d->p, sizeof(ret->uuid));
    d->p += sizeof(ret->uuid);
    return true;
}

// NOLINTNEXTLINE(misc-no-recursion) nesting ends at PS_DEPTH_MAX
static bool decode_marked(struct ps_decoder *d, unsigned char marker, struct ps_value *ret,
                          struct nb_error *err)
{
    switch (marker) {
    case 0xC0:
        ret->type = PS_NULL;
        return true;
    case 0xC1:
        return decode_float(d, ret, err);
    case 0xC2:
    case 0xC3:
        ret->type = PS_BOOL;
        ret->boolean = marker == 0xC3;
        return true;
    case 0xC8:
    case 0xC9:
    case 0xCA:
    case 0xCB:
        return decode_int(d, 1u << (marker - 0xC8), ret, err);
    case 0xCC:
    case 0xCD:
    case 0xCE:
        ret->type = PS_BYTES;
        return decode_bytes(d, marker, &ret->bytes, err);
    case 0xD0:
    case 0xD1:
    case 0xD2:
        ret->type = PS_STRING;
        return decode_string(d, marker, &ret->string, err);
    case 0xD4:
    case 0xD5:
    case 0xD6:
        return decode_list_value(d, marker, ret, err);
    case 0xD8:
    case 0xD9:
    case 0xDA:
        ret->type = PS_MAP;
        return decode_map(d, marker, &ret->map, err);
    case 0xE0:
        return decode_uuid(d, ret, err);
    default:
        return nb_fail(err, NB_E_PROTOCOL, "PackStreamInvalid", "marker 0x%02X is reserved",
                       marker);
    }
}

// NOLINTNEXTLINE(misc-no-recursion) nesting ends at PS_DEPTH_MAX
bool ps_decode(struct ps_decoder *d, struct ps_value *ret, struct nb_error *err)
{
    unsigned char marker;

    if (d->p == d->end)
        return fail_truncated(err);
    marker = *d->p++;
    switch (marker >> 4) {
    case 0x8:
        ret->type = PS_STRING;
        return take_string(d, marker & 0x0F, &ret->string, err);
    case 0x9:
        return decode_list_value(d, marker, ret, err);
    case 0xA:
        ret->type = PS_MAP;
        return decode_map(d, marker, &ret->map, err);
    case 0xB:
        return decode_struct(d, marker, ret, err);
    case 0xC:
    case 0xD:
    case 0xE:
        return decode_marked(d, marker, ret, err);
    default: /* 00 to 7F, F0 to FF: the integer itself */
        ret->type = PS_INT;
        ret->integer = marker < 0x80 ? marker : marker - 0x100;
        return true;
    }
}
