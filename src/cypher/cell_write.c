#include "cypher/cell.h"
#include "cypher/number.h"
#include "cypher/temporal.h"
#include "cypher/text.h"

/* What a scalar may touch: a zone's name of 127 bytes and two numbers; three floats. */
enum { SCALAR_MAX = 256, LIST_STEP = 512 };

static char *bytes_put(char *p, const char *s, size_t n)
{
    memcpy(p, s, n);
    return p + n;
}

static char *point_write(char *p, const struct ps_point *point)
{
    p = cyp_double_write(p, point->x);
    *p++ = ' ';
    p = cyp_double_write(p, point->y);
    if (point->dimensions < 3)
        return p;
    *p++ = ' ';
    return cyp_double_write(p, point->z);
}

static char *datetime_write(char *p, const struct ps_datetime *d)
{
    int64_t local = d->local || d->zone.n ? d->seconds : d->seconds + d->offset_seconds;

    p = cyp_localdatetime_write(p, local, d->nanos);
    if (!d->zone.n)
        return cyp_offset_write(p, d->offset_seconds);
    *p++ = '[';
    p = bytes_put(p, d->zone.p, d->zone.n);
    *p++ = ']';
    return p;
}

static char *epoch_write(char *p, const struct ps_datetime *d)
{
    p = cyp_int_write(p, d->local ? d->seconds - d->offset_seconds : d->seconds);
    *p++ = ' ';
    p = cyp_int_write(p, d->nanos);
    *p++ = ' ';
    return d->zone.n ? bytes_put(p, d->zone.p, d->zone.n) : cyp_offset_write(p, d->offset_seconds);
}

static char *odd_time_write(char *p, const struct ps_time *t)
{
    int64_t seconds = t->nanos / 1000000000;

    p = cyp_int_write(p, seconds / 3600);
    *p++ = ' ';
    p = cyp_int_write(p, seconds / 60 % 60);
    *p++ = ' ';
    p = cyp_int_write(p, seconds % 60);
    *p++ = ' ';
    p = cyp_int_write(p, t->nanos % 1000000000);
    *p++ = ' ';
    return cyp_offset_write(p, t->offset_seconds);
}

static char *uuid_write(char *p, const unsigned char *u)
{
    static const char hex[] = "0123456789abcdef";

    for (unsigned i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *p++ = '-';
        *p++ = hex[u[i] >> 4];
        *p++ = hex[u[i] & 15];
    }
    return p;
}

/* Anything but strings and lists; at most SCALAR_MAX bytes. */
static char *scalar_write(char *p, uint32_t kind, const struct ps_value *v)
{
    switch ((enum cyp_cell_kind)kind) {
    case CYP_CELL_INT:
        return cyp_int_write(p, v->integer);
    case CYP_CELL_FLOAT:
        return cyp_double_write(p, v->real);
    case CYP_CELL_BOOL:
        return v->boolean ? bytes_put(p, "true", 4) : bytes_put(p, "false", 5);
    case CYP_CELL_DATE:
        return cyp_date_write(p, v->date_days);
    case CYP_CELL_TIME:
        return cyp_offset_write(cyp_clock_write(p, v->time.nanos), v->time.offset_seconds);
    case CYP_CELL_TIME_ODD:
        return odd_time_write(p, &v->time);
    case CYP_CELL_LOCALTIME:
        return cyp_clock_write(p, v->time.nanos);
    case CYP_CELL_DATETIME:
        return datetime_write(p, &v->datetime);
    case CYP_CELL_DATETIME_EPOCH:
        return epoch_write(p, &v->datetime);
    case CYP_CELL_LOCALDATETIME:
        return cyp_localdatetime_write(p, v->localdatetime.seconds, v->localdatetime.nanos);
    case CYP_CELL_DURATION:
        return cyp_duration_write(p, &v->duration);
    case CYP_CELL_UUID:
        return uuid_write(p, v->uuid);
    case CYP_CELL_POINT_4326:
    case CYP_CELL_POINT_4979:
    case CYP_CELL_POINT_7203:
    case CYP_CELL_POINT_9157:
        return point_write(p, &v->point);
    default:
        /* "there": empty strings, lists and byte arrays */
        *p = '1';
        return p + 1;
    }
}

/* n items, a step at a time so that little room is reserved in vain; item writes one. */
#define EACH_WRITE(out, n, item_max, separator, item)                                              \
    for (size_t from_ = 0; from_ < (n);) {                                                         \
        size_t to_ = (n)-from_ < LIST_STEP ? (n) : from_ + LIST_STEP;                              \
        char *p = nb_buf_reserve((out), (to_ - from_) * ((item_max) + 1));                         \
                                                                                                   \
        if (!p)                                                                                    \
            return;                                                                                \
        for (size_t i = from_; i < to_; i++) {                                                     \
            if (i)                                                                                 \
                *p++ = (separator);                                                                \
            p = (item);                                                                            \
        }                                                                                          \
        (out)->len = (size_t)(p - (out)->data);                                                    \
        from_ = to_;                                                                               \
    }

static void strings_write(struct nb_buf *out, const struct ps_list *list, bool marked)
{
    for (size_t i = 0; i < list->n; i++) {
        struct nb_str s = list->items[i].string;

        if (i)
            nb_buf_putc(out, CYP_ITEM);
        if (marked)
            cyp_text_append_marked(out, s.p, s.n);
        else
            cyp_text_append(out, s.p, s.n);
    }
}

static void vector_write(struct nb_buf *out, const struct ps_vector *v)
{
    if (v->elem == PS_VECTOR_F32) {
        EACH_WRITE(out, v->n, CYP_FLOAT_MAX, ',',
                   cyp_float_write(p, (float)ps_vector_get_float(v, i)))
    } else if (v->elem == PS_VECTOR_F64) {
        EACH_WRITE(out, v->n, CYP_DOUBLE_MAX, ',', cyp_double_write(p, ps_vector_get_float(v, i)))
    } else {
        EACH_WRITE(out, v->n, CYP_INT_MAX, ',', cyp_int_write(p, ps_vector_get_int(v, i)))
    }
}

void cyp_cell_write(struct nb_buf *out, struct cyp_cell_type type, const struct ps_value *v)
{
    const unsigned char *bytes;
    char *room;

    switch ((enum cyp_cell_kind)type.kind) {
    case CYP_CELL_STRING:
        cyp_text_append(out, v->string.p, v->string.n);
        return;
    case CYP_CELL_STRING_MARKED:
        cyp_text_append_marked(out, v->string.p, v->string.n);
        return;
    case CYP_CELL_LIST_STRING:
    case CYP_CELL_LIST_STRING_MARKED:
        strings_write(out, &v->list, type.kind == CYP_CELL_LIST_STRING_MARKED);
        return;
    case CYP_CELL_FLOATS32:
        EACH_WRITE(out, v->floats.n, CYP_FLOAT_MAX, ',',
                   cyp_float_write(p, (float)ps_floats_get(&v->floats, i)))
        return;
    case CYP_CELL_LIST_FLOAT:
        if (v->type == PS_FLOATS) {
            EACH_WRITE(out, v->floats.n, CYP_DOUBLE_MAX, ',',
                       cyp_double_write(p, ps_floats_get(&v->floats, i)))
            return;
        }
        break;
    case CYP_CELL_BYTES:
        bytes = (const unsigned char *)v->bytes.p;
        EACH_WRITE(out, v->bytes.n, CYP_INT_MAX, ' ', cyp_uint_write(p, bytes[i]))
        return;
    case CYP_CELL_VECTOR_F32:
    case CYP_CELL_VECTOR_F64:
    case CYP_CELL_VECTOR_I8:
    case CYP_CELL_VECTOR_I16:
    case CYP_CELL_VECTOR_I32:
    case CYP_CELL_VECTOR_I64:
        vector_write(out, &v->vector);
        return;
    default:
        break;
    }
    if (cyp_cell_item_kind(type.kind) != CYP_CELL_KINDS) {
        uint32_t item = cyp_cell_item_kind(type.kind);

        EACH_WRITE(out, v->list.n, SCALAR_MAX, ',', scalar_write(p, item, &v->list.items[i]))
        return;
    }
    room = nb_buf_reserve(out, SCALAR_MAX);
    if (room)
        out->len += (size_t)(scalar_write(room, type.kind, v) - room);
}
