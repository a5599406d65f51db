#include "cypher/cell.h"
#include "cypher/number.h"
#include "cypher/temporal.h"
#include "cypher/text.h"

static bool bad(struct nb_error *err, const char *what)
{
    return nb_fail(err, NB_E_CORRUPT, "BadDump", "%s that is none", what);
}

/* The bytes before the next separator; *p moves behind it. *more: there was one. */
static struct nb_str part_take(char **p, const char *end, char separator, bool *more)
{
    char *stop = memchr(*p, separator, (size_t)(end - *p));
    struct nb_str part;

    *more = stop != NULL;
    part.p = *p;
    part.n = (size_t)((stop ? stop : end) - *p);
    *p += part.n + (stop != NULL);
    return part;
}

/* `want` parts with blanks between. */
static bool parts_take(char *text, size_t n, struct nb_str *parts, unsigned want)
{
    char *p = text;
    bool more = true;

    for (unsigned i = 0; i < want; i++) {
        if (!more)
            return false;
        parts[i] = part_take(&p, text + n, ' ', &more);
    }
    return !more;
}

static bool point_read(uint32_t srid, char *text, size_t n, struct ps_value *ret)
{
    struct nb_str part[3] = { { NULL, 0 } };

    ret->type = PS_POINT;
    ret->point = (struct ps_point){ .srid = (int32_t)srid,
                                    .dimensions = srid == 4979 || srid == 9157 ? 3 : 2 };
    return parts_take(text, n, part, ret->point.dimensions) &&
           cyp_double_read(part[0].p, part[0].n, &ret->point.x) &&
           cyp_double_read(part[1].p, part[1].n, &ret->point.y) &&
           (ret->point.dimensions < 3 || cyp_double_read(part[2].p, part[2].n, &ret->point.z));
}

static bool datetime_read(char *text, size_t n, struct ps_value *ret)
{
    struct ps_datetime *d = &ret->datetime;
    struct ps_localdatetime local;
    size_t i = 0;

    ret->type = PS_DATETIME;
    *d = (struct ps_datetime){ 0 };
    while (i < n && text[i] != 'T')
        i++;
    while (i < n && text[i] != 'Z' && text[i] != '+' && text[i] != '-' && text[i] != '[')
        i++;
    if (i == n || !cyp_localdatetime_read(text, i, &local))
        return false;
    d->seconds = local.seconds;
    d->nanos = local.nanos;
    if (text[i] == '[') {
        d->local = true;
        d->zone = (struct nb_str){ text + i + 1, n - i - 2 };
        return n - i > 2 && text[n - 1] == ']';
    }
    if (!cyp_offset_read(text + i, n - i, &d->offset_seconds))
        return false;
    d->seconds -= d->offset_seconds;
    return true;
}

static bool epoch_read(char *text, size_t n, struct ps_value *ret)
{
    struct nb_str part[3];
    int64_t nanos;

    ret->type = PS_DATETIME;
    ret->datetime = (struct ps_datetime){ 0 };
    if (!parts_take(text, n, part, 3) ||
        !cyp_int_read(part[0].p, part[0].n, &ret->datetime.seconds) ||
        !cyp_int_read(part[1].p, part[1].n, &nanos) || nanos < 0 || nanos > 999999999 || !part[2].n)
        return false;
    ret->datetime.nanos = (int32_t)nanos;
    if (cyp_offset_read(part[2].p, part[2].n, &ret->datetime.offset_seconds))
        return true;
    ret->datetime.zone = part[2];
    return true;
}

static bool odd_time_read(char *text, size_t n, struct ps_value *ret)
{
    static const int64_t limit[] = { 23, 59, 59, 999999999 };
    struct nb_str part[5];
    int64_t v[4];

    ret->type = PS_TIME;
    ret->time = (struct ps_time){ 0 };
    if (!parts_take(text, n, part, 5))
        return false;
    for (unsigned i = 0; i < 4; i++)
        if (!cyp_int_read(part[i].p, part[i].n, &v[i]) || v[i] < 0 || v[i] > limit[i])
            return false;
    ret->time.nanos = (v[0] * 3600 + v[1] * 60 + v[2]) * 1000000000 + v[3];
    return cyp_offset_read(part[4].p, part[4].n, &ret->time.offset_seconds);
}

static bool time_read(char *text, size_t n, struct ps_value *ret)
{
    size_t i = 0;

    ret->type = PS_TIME;
    ret->time = (struct ps_time){ 0 };
    while (i < n && text[i] != 'Z' && text[i] != '+' && text[i] != '-')
        i++;
    return cyp_clock_read(text, i, &ret->time.nanos) &&
           cyp_offset_read(text + i, n - i, &ret->time.offset_seconds);
}

static bool bool_read(const char *text, size_t n, struct ps_value *ret)
{
    ret->type = PS_BOOL;
    ret->boolean = n == 4;
    return (n == 4 && memcmp(text, "true", 4) == 0) || (n == 5 && memcmp(text, "false", 5) == 0);
}

static bool uuid_read(const char *text, size_t n, struct ps_value *ret)
{
    unsigned k = 0;

    ret->type = PS_UUID;
    if (n != 36)
        return false;
    for (size_t i = 0; i < n; i++) {
        unsigned v = (unsigned char)text[i];

        if (i == 8 || i == 13 || i == 18 || i == 23) {
            if (v != '-')
                return false;
            continue;
        }
        v = v >= '0' && v <= '9' ? v - '0' : v >= 'a' && v <= 'f' ? v - 'a' + 10 : 16;
        if (v > 15)
            return false;
        ret->uuid[k / 2] = (unsigned char)(k % 2 ? ret->uuid[k / 2] | v : v << 4);
        k++;
    }
    return true;
}

static bool string_read(char *text, size_t n, bool marked, struct ps_value *ret)
{
    ret->type = PS_STRING;
    ret->string = (struct nb_str){ text, n };
    return !marked || cyp_text_unmark(text, n, &ret->string.n);
}

static bool scalar_read(uint32_t kind, char *text, size_t n, struct ps_value *ret)
{
    switch ((enum cyp_cell_kind)kind) {
    case CYP_CELL_INT:
        ret->type = PS_INT;
        return cyp_int_read(text, n, &ret->integer);
    case CYP_CELL_FLOAT:
        ret->type = PS_FLOAT;
        return cyp_double_read(text, n, &ret->real);
    case CYP_CELL_BOOL:
        return bool_read(text, n, ret);
    case CYP_CELL_STRING:
    case CYP_CELL_STRING_MARKED:
        return string_read(text, n, kind == CYP_CELL_STRING_MARKED, ret);
    case CYP_CELL_DATE:
        ret->type = PS_DATE;
        return cyp_date_read(text, n, &ret->date_days);
    case CYP_CELL_TIME:
        return time_read(text, n, ret);
    case CYP_CELL_TIME_ODD:
        return odd_time_read(text, n, ret);
    case CYP_CELL_LOCALTIME:
        ret->type = PS_LOCALTIME;
        ret->time = (struct ps_time){ 0 };
        return cyp_clock_read(text, n, &ret->time.nanos);
    case CYP_CELL_DATETIME:
        return datetime_read(text, n, ret);
    case CYP_CELL_DATETIME_EPOCH:
        return epoch_read(text, n, ret);
    case CYP_CELL_LOCALDATETIME:
        ret->type = PS_LOCALDATETIME;
        return cyp_localdatetime_read(text, n, &ret->localdatetime);
    case CYP_CELL_DURATION:
        ret->type = PS_DURATION;
        return cyp_duration_read(text, n, &ret->duration);
    case CYP_CELL_POINT_4326:
        return point_read(4326, text, n, ret);
    case CYP_CELL_POINT_4979:
        return point_read(4979, text, n, ret);
    case CYP_CELL_POINT_7203:
        return point_read(7203, text, n, ret);
    case CYP_CELL_POINT_9157:
        return point_read(9157, text, n, ret);
    case CYP_CELL_UUID:
        return uuid_read(text, n, ret);
    default:
        return false;
    }
}

/* --- lists ------------------------------------------------------------------------------------ */

static size_t count_items(const char *text, size_t n, char separator)
{
    const char *end = text + n;
    size_t count = 1;

    while ((text = memchr(text, separator, (size_t)(end - text)))) {
        count++;
        text++;
    }
    return count;
}

static bool list_read(uint32_t item, char separator, char *text, size_t n, struct nb_arena *arena,
                      struct ps_value *ret, struct nb_error *err)
{
    size_t count = count_items(text, n, separator);
    struct ps_value *items = nb_arena_alloc(arena, count * sizeof(*items), err);
    char *p = text;
    bool more;

    if (!items)
        return false;
    for (size_t i = 0; i < count; i++) {
        struct nb_str part = part_take(&p, text + n, separator, &more);

        if (!scalar_read(item, text + (part.p - text), part.n, &items[i]))
            return bad(err, "a list item");
    }
    ret->type = PS_LIST;
    ret->list = (struct ps_list){ items, count };
    return true;
}

static void be_put(unsigned char *p, uint64_t bits, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++)
        p[i] = (unsigned char)(bits >> (8 * (bytes - 1 - i)));
}

static void float_put(unsigned char *p, double v, bool narrow)
{
    uint64_t bits;
    uint32_t bits32;
    float f = (float)v;

    if (narrow) {
        memcpy(&bits32, &f, sizeof(bits32));
        be_put(p, bits32, 4);
        return;
    }
    memcpy(&bits, &v, sizeof(bits));
    be_put(p, bits, 8);
}

static bool floats_read(bool narrow, char *text, size_t n, struct nb_arena *arena,
                        struct ps_value *ret, struct nb_error *err)
{
    size_t count = count_items(text, n, ',');
    unsigned char *bytes = nb_arena_alloc(arena, count * 9, err);
    char *p = text;
    bool more;

    if (!bytes)
        return false;
    for (size_t i = 0; i < count; i++) {
        struct nb_str part = part_take(&p, text + n, ',', &more);
        double v;

        if (!cyp_double_read(part.p, part.n, &v))
            return bad(err, "a float");
        bytes[i * 9] = 0xC1;
        float_put(bytes + i * 9 + 1, narrow ? (double)(float)v : v, false);
    }
    ret->type = PS_FLOATS;
    ret->floats = (struct ps_floats){ bytes, count };
    return true;
}

static bool vector_elem_read(enum ps_vector_type elem, struct nb_str part, unsigned char *to)
{
    unsigned size = (unsigned)ps_vector_elem_bytes(elem);
    int64_t v, limit = size < 8 ? INT64_C(1) << (8 * size - 1) : 0;
    double d;

    if (elem == PS_VECTOR_F32 || elem == PS_VECTOR_F64) {
        if (!cyp_double_read(part.p, part.n, &d))
            return false;
        float_put(to, d, elem == PS_VECTOR_F32);
        return true;
    }
    if (!cyp_int_read(part.p, part.n, &v) || (limit && (v < -limit || v >= limit)))
        return false;
    be_put(to, (uint64_t)v, size);
    return true;
}

static bool vector_read(enum ps_vector_type elem, size_t count, char *text, size_t n,
                        struct nb_arena *arena, struct ps_value *ret, struct nb_error *err)
{
    size_t size = ps_vector_elem_bytes(elem);
    unsigned char *bytes;
    char *p = text;
    bool more = true;

    if (count_items(text, n, ',') != count)
        return bad(err, "a vector");
    bytes = nb_arena_alloc(arena, count * size, err);
    if (!bytes)
        return false;
    for (size_t i = 0; i < count; i++)
        if (!vector_elem_read(elem, part_take(&p, text + n, ',', &more), bytes + i * size))
            return bad(err, "a vector");
    ret->type = PS_VECTOR;
    ret->vector = (struct ps_vector){ bytes, count, elem };
    return true;
}

/* "1 2 255": each number is no longer than its byte and a blank, so it fits where it stands. */
static bool bytes_read(char *text, size_t n, struct ps_value *ret, struct nb_error *err)
{
    char *p = text;
    size_t count = 0;
    bool more = true;

    while (more) {
        struct nb_str part = part_take(&p, text + n, ' ', &more);
        int64_t v;

        if (!cyp_int_read(part.p, part.n, &v) || v < 0 || v > 255)
            return bad(err, "a byte");
        text[count++] = (char)v;
    }
    ret->type = PS_BYTES;
    ret->bytes = (struct nb_str){ text, count };
    return true;
}

static bool there_read(uint32_t kind, const char *text, size_t n, struct ps_value *ret,
                       struct nb_error *err)
{
    if (n != 1 || *text != '1')
        return bad(err, "a mark of an empty value");
    *ret = (struct ps_value){ .type = PS_LIST };
    if (kind == CYP_CELL_STRING_EMPTY)
        *ret = (struct ps_value){ .type = PS_STRING, .string = { "", 0 } };
    else if (kind == CYP_CELL_BYTES_EMPTY)
        *ret = (struct ps_value){ .type = PS_BYTES, .bytes = { "", 0 } };
    return true;
}

bool cyp_cell_read(struct cyp_cell_type type, char *text, size_t n, struct nb_arena *arena,
                   struct ps_value *ret, struct nb_error *err)
{
    uint32_t item = cyp_cell_item_kind(type.kind);

    switch ((enum cyp_cell_kind)type.kind) {
    case CYP_CELL_STRING_EMPTY:
    case CYP_CELL_LIST_EMPTY:
    case CYP_CELL_BYTES_EMPTY:
        return there_read(type.kind, text, n, ret, err);
    case CYP_CELL_BYTES:
        return bytes_read(text, n, ret, err);
    case CYP_CELL_FLOATS32:
    case CYP_CELL_LIST_FLOAT:
        return floats_read(type.kind == CYP_CELL_FLOATS32, text, n, arena, ret, err);
    case CYP_CELL_LIST_STRING:
        return list_read(CYP_CELL_STRING, CYP_ITEM, text, n, arena, ret, err);
    case CYP_CELL_LIST_STRING_MARKED:
        return list_read(CYP_CELL_STRING_MARKED, CYP_ITEM, text, n, arena, ret, err);
    case CYP_CELL_VECTOR_F32:
        return vector_read(PS_VECTOR_F32, type.param, text, n, arena, ret, err);
    case CYP_CELL_VECTOR_F64:
        return vector_read(PS_VECTOR_F64, type.param, text, n, arena, ret, err);
    case CYP_CELL_VECTOR_I8:
        return vector_read(PS_VECTOR_I8, type.param, text, n, arena, ret, err);
    case CYP_CELL_VECTOR_I16:
        return vector_read(PS_VECTOR_I16, type.param, text, n, arena, ret, err);
    case CYP_CELL_VECTOR_I32:
        return vector_read(PS_VECTOR_I32, type.param, text, n, arena, ret, err);
    case CYP_CELL_VECTOR_I64:
        return vector_read(PS_VECTOR_I64, type.param, text, n, arena, ret, err);
    default:
        break;
    }
    if (item != CYP_CELL_KINDS)
        return list_read(item, ',', text, n, arena, ret, err);
    return scalar_read(type.kind, text, n, ret) || bad(err, "a value");
}
