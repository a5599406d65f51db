#include "packstream/packstream.h"

#include <assert.h>

bool ps_encoder_check(const struct ps_encoder *e, struct nb_error *err)
{
    if (e->bad)
        return nb_fail(err, NB_E_INVALID, "PackStreamUnsendable", "%s", e->bad);
    return nb_buf_check(e->out, err);
}

static void put_byte(struct ps_encoder *e, unsigned char b)
{
    nb_buf_putc(e->out, (char)b);
}

/* marker, then the low width bytes of v, big-endian */
static void put_marked(struct ps_encoder *e, unsigned char marker, uint64_t v, unsigned width)
{
    unsigned char raw[9];

    raw[0] = marker;
    for (unsigned i = 0; i < width; i++)
        raw[1 + i] = (unsigned char)(v >> (8 * (width - 1 - i)));
    nb_buf_append(e->out, raw, 1 + width);
}

void ps_put_null(struct ps_encoder *e)
{
    put_byte(e, 0xC0);
}

void ps_put_bool(struct ps_encoder *e, bool v)
{
    put_byte(e, v ? 0xC3 : 0xC2);
}

void ps_put_int(struct ps_encoder *e, int64_t v)
{
    if (v >= -16 && v <= 127)
        put_byte(e, (unsigned char)v);
    else if (v >= INT8_MIN && v <= INT8_MAX)
        put_marked(e, 0xC8, (uint64_t)v, 1);
    else if (v >= INT16_MIN && v <= INT16_MAX)
        put_marked(e, 0xC9, (uint64_t)v, 2);
    else if (v >= INT32_MIN && v <= INT32_MAX)
        put_marked(e, 0xCA, (uint64_t)v, 4);
    else
        put_marked(e, 0xCB, (uint64_t)v, 8);
}

void ps_put_float(struct ps_encoder *e, double v)
{
    uint64_t bits;

    memcpy(&bits, &v, sizeof(bits));
    put_marked(e, 0xC1, bits, 8);
}

/* marker8 is followed by markers for 16 and 32 bits. */
static void put_size(struct ps_encoder *e, unsigned char marker8, size_t n)
{
    if (n <= UINT8_MAX)
        put_marked(e, marker8, n, 1);
    else if (n <= UINT16_MAX)
        put_marked(e, (unsigned char)(marker8 + 1), n, 2);
    else if (n <= INT32_MAX)
        put_marked(e, (unsigned char)(marker8 + 2), n, 4);
    else
        e->bad = "value of more than 2147483647 bytes or items";
}

static void put_head(struct ps_encoder *e, unsigned char tiny, unsigned char marker8, size_t n)
{
    if (n <= 15)
        put_byte(e, (unsigned char)(tiny | n));
    else
        put_size(e, marker8, n);
}

void ps_put_str(struct ps_encoder *e, struct nb_str s)
{
    put_head(e, 0x80, 0xD0, s.n);
    nb_buf_append(e->out, s.p, s.n);
}

void ps_put_cstr(struct ps_encoder *e, const char *s)
{
    ps_put_str(e, nb_str_from(s));
}

void ps_put_bytes(struct ps_encoder *e, const void *p, size_t n)
{
    put_size(e, 0xCC, n);
    nb_buf_append(e->out, p, n);
}

void ps_put_list(struct ps_encoder *e, size_t n)
{
    put_head(e, 0x90, 0xD4, n);
}

void ps_put_map(struct ps_encoder *e, size_t n)
{
    put_head(e, 0xA0, 0xD8, n);
}

void ps_put_struct(struct ps_encoder *e, uint8_t tag, unsigned nfields)
{
    assert(nfields <= PS_STRUCT_FIELDS_MAX);
    put_byte(e, (unsigned char)(0xB0 | nfields));
    put_byte(e, tag);
}

static size_t put_begin(struct ps_encoder *e, unsigned char marker32)
{
    put_marked(e, marker32, 0, 4);
    return e->out->len;
}

static void put_end(struct ps_encoder *e, size_t mark, size_t n)
{
    if (n > INT32_MAX) {
        e->bad = "value of more than 2147483647 items";
        return;
    }
    /* A full buffer is told of by the check; there is nothing to patch then. */
    if (e->out->overflow || mark < 4 || mark > e->out->len)
        return;
    for (unsigned i = 0; i < 4; i++)
        e->out->data[mark - 4 + i] = (char)(unsigned char)(n >> (8 * (3 - i)));
}

size_t ps_put_list_begin(struct ps_encoder *e)
{
    return put_begin(e, 0xD6);
}

void ps_put_list_end(struct ps_encoder *e, size_t mark, size_t n)
{
    put_end(e, mark, n);
}

size_t ps_put_map_begin(struct ps_encoder *e)
{
    return put_begin(e, 0xDA);
}

void ps_put_map_end(struct ps_encoder *e, size_t mark, size_t n)
{
    put_end(e, mark, n);
}

/* --- values ----------------------------------------------------------------------------------- */

// NOLINTNEXTLINE(misc-no-recursion) nesting ends at PS_DEPTH_MAX
static void put_pairs(struct ps_encoder *e, const struct ps_map *m)
{
    ps_put_map(e, m->n);
    for (size_t i = 0; i < m->n; i++) {
        ps_put_str(e, m->pairs[i].key);
        ps_put_value(e, &m->pairs[i].value);
    }
}

// NOLINTNEXTLINE(misc-no-recursion) nesting ends at PS_DEPTH_MAX
static void put_node(struct ps_encoder *e, const struct ps_node *node)
{
    ps_put_struct(e, 'N', node->element_id.p ? 4 : 3);
    ps_put_int(e, node->id);
    ps_put_list(e, node->nlabels);
    for (size_t i = 0; i < node->nlabels; i++)
        ps_put_str(e, node->labels[i]);
    put_pairs(e, &node->props);
    if (node->element_id.p)
        ps_put_str(e, node->element_id);
}

// NOLINTNEXTLINE(misc-no-recursion) nesting ends at PS_DEPTH_MAX
static void put_rel(struct ps_encoder *e, const struct ps_rel *rel, bool bound)
{
    bool with_ids = rel->element_id.p != NULL;

    if (bound)
        ps_put_struct(e, 'R', with_ids ? 8 : 5);
    else
        ps_put_struct(e, 'r', with_ids ? 4 : 3);
    ps_put_int(e, rel->id);
    if (bound) {
        ps_put_int(e, rel->start_id);
        ps_put_int(e, rel->end_id);
    }
    ps_put_str(e, rel->type);
    put_pairs(e, &rel->props);
    if (with_ids)
        ps_put_str(e, rel->element_id);
    if (with_ids && bound) {
        ps_put_str(e, rel->start_element_id);
        ps_put_str(e, rel->end_element_id);
    }
}

// NOLINTNEXTLINE(misc-no-recursion) nesting ends at PS_DEPTH_MAX
static void put_items(struct ps_encoder *e, const struct ps_value *items, size_t n)
{
    ps_put_list(e, n);
    for (size_t i = 0; i < n; i++)
        ps_put_value(e, &items[i]);
}

// NOLINTNEXTLINE(misc-no-recursion) nesting ends at PS_DEPTH_MAX
static void put_path(struct ps_encoder *e, const struct ps_path *path)
{
    ps_put_struct(e, 'P', 3);
    put_items(e, path->nodes, path->nnodes);
    put_items(e, path->rels, path->nrels);
    ps_put_list(e, path->nindices);
    for (size_t i = 0; i < path->nindices; i++)
        ps_put_int(e, path->indices[i]);
}

/* Offsets can be reckoned with; what a zone's clocks showed cannot be known here. */
static void put_datetime(struct ps_encoder *e, const struct ps_datetime *t)
{
    bool zoned = t->zone.n != 0, local = e->local_datetimes;
    int64_t seconds = t->seconds;

    if (t->local != local && zoned) {
        e->bad = local ? "datetime with a time zone cannot be sent without the server's utc patch"
                       : "datetime in the legacy form cannot be sent to this server";
        return;
    }
    if (t->local != local &&
        __builtin_add_overflow(seconds, local ? t->offset_seconds : -t->offset_seconds, &seconds)) {
        e->bad = "datetime is out of range";
        return;
    }
    ps_put_struct(e, (uint8_t)(local ? (zoned ? 'f' : 'F') : (zoned ? 'i' : 'I')), 3);
    ps_put_int(e, seconds);
    ps_put_int(e, t->nanos);
    if (zoned)
        ps_put_str(e, t->zone);
    else
        ps_put_int(e, t->offset_seconds);
}

static void put_duration(struct ps_encoder *e, const struct ps_duration *d)
{
    ps_put_struct(e, 'E', 4);
    ps_put_int(e, d->months);
    ps_put_int(e, d->days);
    ps_put_int(e, d->seconds);
    ps_put_int(e, d->nanos);
}

static void put_point(struct ps_encoder *e, const struct ps_point *p)
{
    ps_put_struct(e, p->dimensions == 3 ? 'Y' : 'X', p->dimensions == 3 ? 4 : 3);
    ps_put_int(e, p->srid);
    ps_put_float(e, p->x);
    ps_put_float(e, p->y);
    if (p->dimensions == 3)
        ps_put_float(e, p->z);
}

static void put_vector(struct ps_encoder *e, const struct ps_vector *v)
{
    unsigned char elem = (unsigned char)v->elem;

    if (e->no_vectors) {
        e->bad = "vector needs Bolt 6.0";
        return;
    }
    ps_put_struct(e, 'V', 2);
    ps_put_bytes(e, &elem, 1);
    ps_put_bytes(e, v->p, v->n * ps_vector_elem_bytes(v->elem));
}

static void put_uuid(struct ps_encoder *e, const unsigned char uuid[16])
{
    if (e->version < 2) {
        e->bad = "UUID needs Bolt 6.1";
        return;
    }
    put_byte(e, 0xE0);
    nb_buf_append(e->out, uuid, 16);
}

static void put_unsupported(struct ps_encoder *e, const struct ps_unsupported *u)
{
    ps_put_struct(e, '?', 4);
    ps_put_str(e, u->type_name);
    ps_put_int(e, u->min_major);
    ps_put_int(e, u->min_minor);
    ps_put_map(e, u->message.n ? 1 : 0);
    if (u->message.n) {
        ps_put_cstr(e, "message");
        ps_put_str(e, u->message);
    }
}

static void put_temporal(struct ps_encoder *e, const struct ps_value *v)
{
    switch (v->type) {
    case PS_DATE:
        ps_put_struct(e, 'D', 1);
        ps_put_int(e, v->date_days);
        break;
    case PS_TIME:
        ps_put_struct(e, 'T', 2);
        ps_put_int(e, v->time.nanos);
        ps_put_int(e, v->time.offset_seconds);
        break;
    case PS_LOCALTIME:
        ps_put_struct(e, 't', 1);
        ps_put_int(e, v->time.nanos);
        break;
    case PS_LOCALDATETIME:
        ps_put_struct(e, 'd', 2);
        ps_put_int(e, v->localdatetime.seconds);
        ps_put_int(e, v->localdatetime.nanos);
        break;
    case PS_DATETIME:
        put_datetime(e, &v->datetime);
        break;
    default:
        put_duration(e, &v->duration);
        break;
    }
}

// NOLINTNEXTLINE(misc-no-recursion) nesting ends at PS_DEPTH_MAX
void ps_put_value(struct ps_encoder *e, const struct ps_value *v)
{
    switch (v->type) {
    case PS_NULL:
        ps_put_null(e);
        break;
    case PS_BOOL:
        ps_put_bool(e, v->boolean);
        break;
    case PS_INT:
        ps_put_int(e, v->integer);
        break;
    case PS_FLOAT:
        ps_put_float(e, v->real);
        break;
    case PS_BYTES:
        ps_put_bytes(e, v->bytes.p, v->bytes.n);
        break;
    case PS_STRING:
        ps_put_str(e, v->string);
        break;
    case PS_LIST:
        put_items(e, v->list.items, v->list.n);
        break;
    case PS_FLOATS:
        ps_put_list(e, v->floats.n);
        nb_buf_append(e->out, v->floats.p, v->floats.n * 9);
        break;
    case PS_MAP:
        put_pairs(e, &v->map);
        break;
    case PS_NODE:
        put_node(e, v->node);
        break;
    case PS_REL:
    case PS_UNBOUND_REL:
        put_rel(e, v->rel, v->type == PS_REL);
        break;
    case PS_PATH:
        put_path(e, v->path);
        break;
    case PS_DATE:
    case PS_TIME:
    case PS_LOCALTIME:
    case PS_DATETIME:
    case PS_LOCALDATETIME:
    case PS_DURATION:
        put_temporal(e, v);
        break;
    case PS_POINT:
        put_point(e, &v->point);
        break;
    case PS_VECTOR:
        put_vector(e, &v->vector);
        break;
    case PS_UUID:
        put_uuid(e, v->uuid);
        break;
    case PS_UNSUPPORTED:
        put_unsupported(e, v->unsupported);
        break;
    }
}
