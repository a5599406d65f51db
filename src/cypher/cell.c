#include "cypher/cell.h"

#include "cypher/number.h"
#include "cypher/temporal.h"
#include "cypher/text.h"

/* $ is the cell, c[7]; # the parameter. */
#define CELL           "$"
#define IF_THERE(expr) "CASE WHEN " CELL "<>'' THEN " expr " END"
#define EACH(expr)     IF_THERE("[x IN split(" CELL ",',')|" expr "]")

#define PART(operand, n) "split(" operand ",' ')[" n "]"
#define POINT2(operand, srid)                                                                      \
    "point({srid:" srid ",x:toFloat(" PART(operand, "0") "),y:toFloat(" PART(operand, "1") ")})"
#define POINT3(operand, srid)                                                                      \
    "point({srid:" srid ",x:toFloat(" PART(operand, "0") "),y:toFloat(" PART(                      \
        operand, "1") "),z:toFloat(" PART(operand, "2") ")})"
/* Not datetime({epochSeconds:…}): before Neo4j 2026 that counts in milliseconds and runs over, without
 * a word, beyond the year 292,278,994. Nor duration({seconds:…}), a double in 4.4. */
#define EPOCH(operand)                                                                             \
    "duration('PT'+" PART(operand, "0") "+'S')+datetime({epochSeconds:0,nanosecond:"               \
                                        "toInteger(" PART(operand, "1") "),timezone:" PART(        \
                                            operand, "2") "})"
#define ODD_TIME(operand)                                                                          \
    "time({hour:toInteger(" PART(operand, "0") "),minute:toInteger(" PART(                         \
        operand,                                                                                   \
        "1") "),second:toInteger(" PART(operand,                                                   \
                                        "2") "),nanosecond:toInteger(" PART(operand,               \
                                                                            "3") "),"              \
                                                                                 "timezone:" PART( \
                                                                                     operand,      \
                                                                                     "4") "})"
/* Every CYP_ESCAPE in a marked text starts a code, so the order is free but for the last. */
#define UNMARK(operand)                                                                            \
    "replace(replace(replace(replace(" operand ",'\\u001c1','\\u001d'),'\\u001c2','\\u001e'),"     \
    "'\\u001c3','\\u001f'),'\\u001c0','\\u001c')"
#define UNMARK_ITEM(operand) UNMARK("replace(" operand ",'\\u001c4','')")
#define VECTOR(list, type)   IF_THERE("vector(" list "(split(" CELL ",',')),#," type ")")

struct cell_info {
    const char *expr;
    uint8_t item; /* of a list written with commas: the items' kind */
};
#define SCALAR(e)                                                                                  \
    {                                                                                              \
        .expr = (e), .item = CYP_CELL_KINDS                                                        \
    }
#define LIST(e, kind)                                                                              \
    {                                                                                              \
        .expr = (e), .item = (kind)                                                                \
    }

static const struct cell_info infos[CYP_CELL_KINDS] = {
    [CYP_CELL_INT] = SCALAR("toInteger(" CELL ")"),
    [CYP_CELL_FLOAT] = SCALAR("toFloat(" CELL ")"),
    [CYP_CELL_BOOL] = SCALAR("toBoolean(" CELL ")"),
    [CYP_CELL_STRING] = SCALAR(IF_THERE(CELL)),
    [CYP_CELL_STRING_EMPTY] = SCALAR(IF_THERE("''")),
    [CYP_CELL_STRING_MARKED] = SCALAR(IF_THERE(UNMARK(CELL))),
    [CYP_CELL_DATE] = SCALAR(IF_THERE("date(" CELL ")")),
    [CYP_CELL_TIME] = SCALAR(IF_THERE("time(" CELL ")")),
    [CYP_CELL_TIME_ODD] = SCALAR(IF_THERE(ODD_TIME(CELL))),
    [CYP_CELL_LOCALTIME] = SCALAR(IF_THERE("localtime(" CELL ")")),
    [CYP_CELL_DATETIME] = SCALAR(IF_THERE("datetime(" CELL ")")),
    [CYP_CELL_DATETIME_EPOCH] = SCALAR(IF_THERE(EPOCH(CELL))),
    [CYP_CELL_LOCALDATETIME] = SCALAR(IF_THERE("localdatetime(" CELL ")")),
    [CYP_CELL_DURATION] = SCALAR(IF_THERE("duration(" CELL ")")),
    [CYP_CELL_POINT_4326] = SCALAR(POINT2(CELL, "4326")),
    [CYP_CELL_POINT_4979] = SCALAR(POINT3(CELL, "4979")),
    [CYP_CELL_POINT_7203] = SCALAR(POINT2(CELL, "7203")),
    [CYP_CELL_POINT_9157] = SCALAR(POINT3(CELL, "9157")),
    [CYP_CELL_UUID] = SCALAR(IF_THERE("uuid(" CELL ")")),
    [CYP_CELL_VECTOR_F32] = LIST(VECTOR("toFloatList", "FLOAT32"), CYP_CELL_FLOAT),
    [CYP_CELL_VECTOR_F64] = LIST(VECTOR("toFloatList", "FLOAT64"), CYP_CELL_FLOAT),
    [CYP_CELL_VECTOR_I8] = LIST(VECTOR("toIntegerList", "INTEGER8"), CYP_CELL_INT),
    [CYP_CELL_VECTOR_I16] = LIST(VECTOR("toIntegerList", "INTEGER16"), CYP_CELL_INT),
    [CYP_CELL_VECTOR_I32] = LIST(VECTOR("toIntegerList", "INTEGER32"), CYP_CELL_INT),
    [CYP_CELL_VECTOR_I64] = LIST(VECTOR("toIntegerList", "INTEGER64"), CYP_CELL_INT),
    /* Byte arrays: the blank instead of the comma tells them from lists of integers. */
    [CYP_CELL_BYTES] = SCALAR(IF_THERE("toIntegerList(split(" CELL ",' '))")),
    [CYP_CELL_BYTES_EMPTY] = SCALAR(IF_THERE("[]+[]")),
    [CYP_CELL_LIST_EMPTY] = SCALAR(IF_THERE("[]")),
    [CYP_CELL_LIST_INT] = LIST(IF_THERE("toIntegerList(split(" CELL ",','))"), CYP_CELL_INT),
    [CYP_CELL_LIST_FLOAT] = LIST(IF_THERE("toFloatList(split(" CELL ",','))"), CYP_CELL_FLOAT),
    [CYP_CELL_LIST_BOOL] = LIST(IF_THERE("toBooleanList(split(" CELL ",','))"), CYP_CELL_BOOL),
    [CYP_CELL_LIST_STRING] = SCALAR(IF_THERE("split(" CELL ",'\\u001d')")),
    [CYP_CELL_LIST_STRING_MARKED] =
        SCALAR(IF_THERE("[x IN split(" CELL ",'\\u001d')|" UNMARK_ITEM("x") "]")),
    [CYP_CELL_LIST_DATE] = LIST(EACH("date(x)"), CYP_CELL_DATE),
    [CYP_CELL_LIST_TIME] = LIST(EACH("time(x)"), CYP_CELL_TIME),
    [CYP_CELL_LIST_TIME_ODD] = LIST(EACH(ODD_TIME("x")), CYP_CELL_TIME_ODD),
    [CYP_CELL_LIST_LOCALTIME] = LIST(EACH("localtime(x)"), CYP_CELL_LOCALTIME),
    [CYP_CELL_LIST_DATETIME] = LIST(EACH("datetime(x)"), CYP_CELL_DATETIME),
    [CYP_CELL_LIST_DATETIME_EPOCH] = LIST(EACH(EPOCH("x")), CYP_CELL_DATETIME_EPOCH),
    [CYP_CELL_LIST_LOCALDATETIME] = LIST(EACH("localdatetime(x)"), CYP_CELL_LOCALDATETIME),
    [CYP_CELL_LIST_DURATION] = LIST(EACH("duration(x)"), CYP_CELL_DURATION),
    [CYP_CELL_LIST_POINT_4326] = LIST(EACH(POINT2("x", "4326")), CYP_CELL_POINT_4326),
    [CYP_CELL_LIST_POINT_4979] = LIST(EACH(POINT3("x", "4979")), CYP_CELL_POINT_4979),
    [CYP_CELL_LIST_POINT_7203] = LIST(EACH(POINT2("x", "7203")), CYP_CELL_POINT_7203),
    [CYP_CELL_LIST_POINT_9157] = LIST(EACH(POINT3("x", "9157")), CYP_CELL_POINT_9157),
    [CYP_CELL_LIST_UUID] = LIST(EACH("uuid(x)"), CYP_CELL_UUID),
    [CYP_CELL_FLOATS32] = LIST("toFloatList(split(" CELL ",','))", CYP_CELL_FLOAT),
};

uint32_t cyp_cell_item_kind(uint32_t kind)
{
    return infos[kind].item;
}

/* --- expressions ------------------------------------------------------------------------------ */

void cyp_cell_expr_append(struct nb_buf *out, struct cyp_cell_type type, unsigned index)
{
    for (const char *p = infos[type.kind].expr; *p; p++) {
        if (*p == '$')
            nb_buf_printf(out, "c[%u]", index);
        else if (*p == '#')
            nb_buf_printf(out, "%u", (unsigned)type.param);
        else
            nb_buf_putc(out, *p);
    }
}

static bool number_match(struct nb_str text, size_t *pos, unsigned *ret)
{
    size_t start = *pos;
    uint64_t v = 0;

    while (*pos < text.n && *pos - start < 9 && text.p[*pos] >= '0' && text.p[*pos] <= '9')
        v = v * 10 + (unsigned)(text.p[(*pos)++] - '0');
    *ret = (unsigned)v;
    return *pos > start && (*pos - start == 1 || text.p[start] != '0');
}

static bool cell_match(struct nb_str text, size_t *pos, unsigned *ret)
{
    if (text.n - *pos < 2 || memcmp(text.p + *pos, "c[", 2) != 0)
        return false;
    *pos += 2;
    if (!number_match(text, pos, ret) || *pos >= text.n || text.p[*pos] != ']')
        return false;
    (*pos)++;
    return true;
}

static bool expr_match(const char *expr, struct nb_str text, size_t *pos, unsigned *ret_index,
                       unsigned *ret_param)
{
    bool seen = false;
    unsigned index;
    size_t at = *pos;

    *ret_param = 0;
    for (; *expr; expr++) {
        if (*expr == '$') {
            if (!cell_match(text, &at, &index) || (seen && index != *ret_index))
                return false;
            *ret_index = index;
            seen = true;
        } else if (*expr == '#') {
            if (!number_match(text, &at, ret_param))
                return false;
        } else if (at >= text.n || text.p[at++] != *expr) {
            return false;
        }
    }
    *pos = at;
    return true;
}

bool cyp_cell_expr_match(struct nb_str text, size_t *pos, struct cyp_cell_type *ret_type,
                         unsigned *ret_index)
{
    for (uint32_t kind = 0; kind < CYP_CELL_KINDS; kind++) {
        unsigned param;

        if (expr_match(infos[kind].expr, text, pos, ret_index, &param)) {
            *ret_type = (struct cyp_cell_type){ kind, param };
            return true;
        }
    }
    return false;
}

bool cyp_cell_needs_cypher25(struct cyp_cell_type type)
{
    return (type.kind >= CYP_CELL_UUID && type.kind <= CYP_CELL_VECTOR_I64) ||
           type.kind == CYP_CELL_LIST_UUID;
}

/* --- choosing --------------------------------------------------------------------------------- */

static const int64_t days_min = -365243219162, days_max = 365241780471; /* years of 9 digits */

static bool unstorable(struct nb_error *err, const char *what)
{
    return nb_fail(err, NB_E_INVALID, "UnstorableValue", "a property cannot hold %s", what);
}

static bool seconds_fit(int64_t seconds, int32_t nanos)
{
    return seconds >= days_min * 86400 && seconds <= days_max * 86400 + 86399 && nanos >= 0 &&
           nanos < 1000000000;
}

static bool zone_fits(struct nb_str zone)
{
    for (size_t i = 0; i < zone.n; i++) {
        char c = zone.p[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '/' || c == '_' || c == '+' || c == '-' || c == ':' || c == '.' || c == '~'))
            return false;
    }
    return zone.n < 128;
}

static bool offset_fits(int32_t seconds)
{
    return seconds >= -64800 && seconds <= 64800;
}

static bool datetime_choose(const struct ps_datetime *d, uint32_t *ret, struct nb_error *err)
{
    int64_t local = d->seconds;

    if (!seconds_fit(local, d->nanos) || !zone_fits(d->zone) || !offset_fits(d->offset_seconds))
        return unstorable(err, "such a point in time");
    if (!d->zone.n && !d->local)
        local += d->offset_seconds;
    if (!seconds_fit(local, d->nanos))
        return unstorable(err, "such a point in time");
    if (d->zone.n)
        *ret = d->local ? CYP_CELL_DATETIME : CYP_CELL_DATETIME_EPOCH;
    else
        *ret = d->offset_seconds % 60 ? CYP_CELL_DATETIME_EPOCH : CYP_CELL_DATETIME;
    return true;
}

static bool point_choose(const struct ps_point *p, uint32_t *ret, struct nb_error *err)
{
    unsigned dimensions = 2;

    if (p->srid == 4326)
        *ret = CYP_CELL_POINT_4326;
    else if (p->srid == 7203)
        *ret = CYP_CELL_POINT_7203;
    else
        *ret = p->srid == 4979 ? CYP_CELL_POINT_4979 : CYP_CELL_POINT_9157;
    if (p->srid == 4979 || p->srid == 9157)
        dimensions = 3;
    else if (p->srid != 4326 && p->srid != 7203)
        dimensions = 0;
    return p->dimensions == dimensions || unstorable(err, "a point of an unknown system");
}

static bool vector_choose(const struct ps_vector *v, struct cyp_cell_type *ret,
                          struct nb_error *err)
{
    if (v->n < 1 || v->n > 999999)
        return unstorable(err, "a vector of that size");
    ret->param = (uint32_t)v->n;
    switch (v->elem) {
    case PS_VECTOR_F32:
        ret->kind = CYP_CELL_VECTOR_F32;
        return true;
    case PS_VECTOR_F64:
        ret->kind = CYP_CELL_VECTOR_F64;
        return true;
    case PS_VECTOR_I8:
        ret->kind = CYP_CELL_VECTOR_I8;
        return true;
    case PS_VECTOR_I16:
        ret->kind = CYP_CELL_VECTOR_I16;
        return true;
    case PS_VECTOR_I32:
        ret->kind = CYP_CELL_VECTOR_I32;
        return true;
    case PS_VECTOR_I64:
        ret->kind = CYP_CELL_VECTOR_I64;
        return true;
    default:
        return unstorable(err, "a vector of an unknown kind");
    }
}

static bool floats_choose(const struct ps_floats *f, bool floats32)
{
    if (!floats32 || f->n < CYP_FLOATS32_MIN || f->n > CYP_FLOATS32_MAX)
        return false;
    for (size_t i = 0; i < f->n; i++)
        if (!cyp_is_float32(ps_floats_get(f, i)))
            return false;
    return true;
}

static bool fail_withheld(struct nb_str type, struct nb_error *err)
{
    nb_fail(err, NB_E_INVALID, "UnsupportedValue",
            "the server did not hand out a value of the type '%.*s' over this version of Bolt",
            (int)(type.n < 64 ? type.n : 64), type.p ? type.p : "");
    return nb_hint(err, "vectors take Bolt 6.0, UUIDs 6.1: is there a proxy before the server that "
                        "allows less?");
}

/* Before Bolt 6.0 servers put such a map where a value of a later type was. No property is a map,
 * so it cannot be mistaken for data. */
static bool fail_map(const struct ps_map *m, struct nb_error *err)
{
    struct nb_str type = ps_map_get_str(m, "originalType");

    return type.p && ps_map_get(m, "reason") ? fail_withheld(type, err) : unstorable(err, "a map");
}

static bool scalar_choose(const struct ps_value *v, struct cyp_cell_type *ret, struct nb_error *err)
{
    ret->param = 0;
    switch (v->type) {
    case PS_BOOL:
        ret->kind = CYP_CELL_BOOL;
        return true;
    case PS_INT:
        ret->kind = CYP_CELL_INT;
        return true;
    case PS_FLOAT:
        ret->kind = CYP_CELL_FLOAT;
        return true;
    case PS_STRING:
        ret->kind = !v->string.n                                   ? CYP_CELL_STRING_EMPTY
                    : cyp_text_has_marks(v->string.p, v->string.n) ? CYP_CELL_STRING_MARKED
                                                                   : CYP_CELL_STRING;
        return true;
    case PS_DATE:
        ret->kind = CYP_CELL_DATE;
        return (v->date_days >= days_min && v->date_days <= days_max) ||
               unstorable(err, "such a date");
    case PS_TIME:
    case PS_LOCALTIME:
        ret->kind = v->type == PS_LOCALTIME       ? CYP_CELL_LOCALTIME
                    : v->time.offset_seconds % 60 ? CYP_CELL_TIME_ODD
                                                  : CYP_CELL_TIME;
        return (v->time.nanos >= 0 && v->time.nanos < INT64_C(86400000000000) &&
                (v->type == PS_LOCALTIME || offset_fits(v->time.offset_seconds))) ||
               unstorable(err, "such a time");
    case PS_DATETIME:
        return datetime_choose(&v->datetime, &ret->kind, err);
    case PS_LOCALDATETIME:
        ret->kind = CYP_CELL_LOCALDATETIME;
        return seconds_fit(v->localdatetime.seconds, v->localdatetime.nanos) ||
               unstorable(err, "such a point in time");
    case PS_DURATION:
        ret->kind = CYP_CELL_DURATION;
        return (v->duration.nanos >= 0 && v->duration.nanos < 1000000000) ||
               unstorable(err, "such a duration");
    case PS_POINT:
        return point_choose(&v->point, &ret->kind, err);
    case PS_UUID:
        ret->kind = CYP_CELL_UUID;
        return true;
    case PS_UNSUPPORTED:
        return fail_withheld(v->unsupported->type_name, err);
    case PS_MAP:
        return fail_map(&v->map, err);
    default:
        return unstorable(err, ps_type_name(v->type));
    }
}

/* The list kind whose items are of that kind. */
static uint32_t list_kind(uint32_t item)
{
    for (uint32_t kind = CYP_CELL_LIST_INT; kind <= CYP_CELL_LIST_UUID; kind++)
        if (infos[kind].item == item)
            return kind;
    if (item == CYP_CELL_STRING || item == CYP_CELL_STRING_EMPTY)
        return CYP_CELL_LIST_STRING;
    return item == CYP_CELL_STRING_MARKED ? CYP_CELL_LIST_STRING_MARKED : CYP_CELL_KINDS;
}

/* Two items of one type may want different forms; this one suits both. */
static uint32_t common_kind(uint32_t a, uint32_t b)
{
    if (a == b)
        return a;
    if (a == CYP_CELL_STRING_MARKED || b == CYP_CELL_STRING_MARKED)
        return CYP_CELL_STRING_MARKED;
    if (a == CYP_CELL_TIME || b == CYP_CELL_TIME)
        return CYP_CELL_TIME_ODD;
    return a == CYP_CELL_DATETIME || b == CYP_CELL_DATETIME ? CYP_CELL_DATETIME_EPOCH
                                                            : CYP_CELL_STRING;
}

/* False when one is in local time of a zone (legacy form), which tells no instant. */
static bool epochs_known(const struct ps_list *list)
{
    for (size_t i = 0; i < list->n; i++)
        if (list->items[i].datetime.local && list->items[i].datetime.zone.n)
            return false;
    return true;
}

static bool list_choose(const struct ps_list *list, struct cyp_cell_type *ret, struct nb_error *err)
{
    struct cyp_cell_type item = { 0, 0 }, next = { 0, 0 };

    ret->kind = CYP_CELL_LIST_EMPTY;
    for (size_t i = 0; i < list->n; i++) {
        if (list->items[i].type != list->items[0].type)
            return unstorable(err, "a list of different types");
        if (!scalar_choose(&list->items[i], &next, err))
            return false;
        if (i && list->items[i].type == PS_POINT && next.kind != item.kind)
            return unstorable(err, "a list of points of different systems");
        item.kind = i ? common_kind(item.kind, next.kind) : next.kind;
    }
    if (!list->n)
        return true;
    if (item.kind == CYP_CELL_DATETIME_EPOCH && !epochs_known(list))
        return unstorable(err, "a list of points in time that this server's protocol leaves open");
    ret->kind = list_kind(item.kind);
    if (ret->kind == CYP_CELL_KINDS)
        return unstorable(err, "such a list");
    /* One empty string would make an empty cell. */
    if (ret->kind == CYP_CELL_LIST_STRING && list->n == 1 && !list->items[0].string.n)
        ret->kind = CYP_CELL_LIST_STRING_MARKED;
    return true;
}

bool cyp_cell_choose(const struct ps_value *v, bool floats32, struct cyp_cell_type *ret,
                     struct nb_error *err)
{
    ret->param = 0;
    switch (v->type) {
    case PS_FLOATS:
        ret->kind = floats_choose(&v->floats, floats32) ? CYP_CELL_FLOATS32 : CYP_CELL_LIST_FLOAT;
        return true;
    case PS_LIST:
        return list_choose(&v->list, ret, err);
    case PS_BYTES:
        ret->kind = v->bytes.n ? CYP_CELL_BYTES : CYP_CELL_BYTES_EMPTY;
        return true;
    case PS_VECTOR:
        return vector_choose(&v->vector, ret, err);
    default:
        return scalar_choose(v, ret, err);
    }
}
