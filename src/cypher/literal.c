#include "cypher/literal.h"

#include "cypher/cell.h"
#include "cypher/ident.h"
#include "cypher/number.h"
#include "cypher/text.h"

/* Values whose cell text is the argument of a function. */
static const struct {
    uint32_t kind;
    const char *call;
} functions[] = {
    { CYP_CELL_DATE, "date('" },
    { CYP_CELL_TIME, "time('" },
    { CYP_CELL_LOCALTIME, "localtime('" },
    { CYP_CELL_DATETIME, "datetime('" },
    { CYP_CELL_LOCALDATETIME, "localdatetime('" },
    { CYP_CELL_DURATION, "duration('" },
    { CYP_CELL_UUID, "uuid('" },
    { CYP_CELL_FLOAT, "toFloat('" }, /* NaN and infinities: 4.4 has no literal for them */
};

/* Values whose cell text has parts with blanks between: what stands before each, and at the end. */
static const struct {
    uint32_t kind;
    unsigned n;
    const char *around[6];
} compounds[] = {
    { CYP_CELL_TIME_ODD,
      5,
      { "time({hour:", ",minute:", ",second:", ",nanosecond:", ",timezone:'", "'})" } },
    { CYP_CELL_DATETIME_EPOCH,
      3,
      { "(duration('PT", "S')+datetime({epochSeconds:0,nanosecond:", ",timezone:'", "'}))" } },
    { CYP_CELL_POINT_4326, 2, { "point({srid:4326,x:", ",y:", "})" } },
    { CYP_CELL_POINT_7203, 2, { "point({srid:7203,x:", ",y:", "})" } },
    { CYP_CELL_POINT_4979, 3, { "point({srid:4979,x:", ",y:", ",z:", "})" } },
    { CYP_CELL_POINT_9157, 3, { "point({srid:9157,x:", ",y:", ",z:", "})" } },
};

static const struct {
    uint32_t kind;
    const char *name;
} vectors[] = {
    { CYP_CELL_VECTOR_F32, "FLOAT32" },   { CYP_CELL_VECTOR_F64, "FLOAT64" },
    { CYP_CELL_VECTOR_I8, "INTEGER8" },   { CYP_CELL_VECTOR_I16, "INTEGER16" },
    { CYP_CELL_VECTOR_I32, "INTEGER32" }, { CYP_CELL_VECTOR_I64, "INTEGER64" },
};

/* --- writing ---------------------------------------------------------------------------------- */

static bool value_append(struct nb_buf *out, const struct ps_value *v, unsigned depth, bool *lossy,
                         struct nb_error *err);

static void double_append(struct nb_buf *out, double v)
{
    char *p = nb_buf_reserve(out, CYP_DOUBLE_MAX);

    if (p)
        out->len += (size_t)(cyp_double_write(p, v) - p);
}

// NOLINTNEXTLINE(misc-no-recursion) nesting ends at PS_DEPTH_MAX
static bool list_append(struct nb_buf *out, const struct ps_value *v, unsigned depth, bool *lossy,
                        struct nb_error *err)
{
    size_t n = ps_list_count(v);

    nb_buf_putc(out, '[');
    for (size_t i = 0; i < n; i++) {
        struct ps_value item = ps_list_get(v, i);

        if (i)
            nb_buf_putc(out, ',');
        if (!value_append(out, &item, depth + 1, lossy, err))
            return false;
    }
    nb_buf_putc(out, ']');
    return true;
}

// NOLINTNEXTLINE(misc-no-recursion) nesting ends at PS_DEPTH_MAX
static bool map_append(struct nb_buf *out, const struct ps_map *m, unsigned depth, bool *lossy,
                       struct nb_error *err)
{
    nb_buf_putc(out, '{');
    for (size_t i = 0; i < m->n; i++) {
        if (i)
            nb_buf_putc(out, ',');
        cyp_ident_append(out, m->pairs[i].key);
        nb_buf_putc(out, ':');
        if (!value_append(out, &m->pairs[i].value, depth + 1, lossy, err))
            return false;
    }
    nb_buf_putc(out, '}');
    return true;
}

static void bytes_append(struct nb_buf *out, struct nb_str bytes)
{
    nb_buf_putc(out, '[');
    for (size_t i = 0; i < bytes.n; i++)
        nb_buf_printf(out, "%s%u", i ? "," : "", (unsigned)(unsigned char)bytes.p[i]);
    nb_buf_putc(out, ']');
}

/* The cell's text, with its blanks replaced. */
static void compound_append(struct nb_buf *out, const char *const *around, struct nb_str cell)
{
    nb_buf_puts(out, *around++);
    for (size_t i = 0; i < cell.n; i++) {
        if (cell.p[i] == ' ')
            nb_buf_puts(out, *around++);
        else
            nb_buf_putc(out, cell.p[i]);
    }
    nb_buf_puts(out, *around);
}

/* Temporal values, points, vectors, UUIDs. */
static bool cell_append(struct nb_buf *out, const struct ps_value *v, struct nb_error *err)
{
    nb_auto_done(nb_buf_done) struct nb_buf cell = NB_BUF_INIT(out->max);
    struct cyp_cell_type type;

    if (!cyp_cell_choose(v, false, &type, err))
        return nb_fail(err, NB_E_INVALID, "NoLiteral", "a value that Cypher has no literal for");
    cyp_cell_write(&cell, type, v);
    for (size_t i = 0; i < NB_ARRAY_LEN(functions); i++)
        if (functions[i].kind == type.kind) {
            nb_buf_puts(out, functions[i].call);
            nb_buf_append(out, cell.data, cell.len);
            nb_buf_puts(out, "')");
            return true;
        }
    for (size_t i = 0; i < NB_ARRAY_LEN(compounds); i++)
        if (compounds[i].kind == type.kind) {
            compound_append(out, compounds[i].around, nb_buf_str(&cell));
            return true;
        }
    for (size_t i = 0; i < NB_ARRAY_LEN(vectors); i++)
        if (vectors[i].kind == type.kind)
            nb_buf_printf(out, "vector([%s],%u,%s)", nb_buf_cstr(&cell), (unsigned)type.param,
                          vectors[i].name);
    return true;
}

// NOLINTNEXTLINE(misc-no-recursion) nesting ends at PS_DEPTH_MAX
static bool value_append(struct nb_buf *out, const struct ps_value *v, unsigned depth, bool *lossy,
                         struct nb_error *err)
{
    if (depth > PS_DEPTH_MAX)
        return nb_fail(err, NB_E_LIMIT, "TooDeep", "a value nested more than %d deep",
                       PS_DEPTH_MAX);
    switch (v->type) {
    case PS_NULL:
        nb_buf_puts(out, "null");
        return true;
    case PS_BOOL:
        nb_buf_puts(out, v->boolean ? "true" : "false");
        return true;
    case PS_INT:
        nb_buf_printf(out, "%lld", (long long)v->integer);
        return true;
    case PS_FLOAT:
        if (v->real - v->real != 0.0)
            return cell_append(out, v, err);
        double_append(out, v->real);
        return true;
    case PS_STRING:
        cyp_string_append(out, v->string);
        return true;
    case PS_BYTES:
        *lossy = true;
        bytes_append(out, v->bytes);
        return true;
    case PS_LIST:
    case PS_FLOATS:
        return list_append(out, v, depth, lossy, err);
    case PS_MAP:
        return map_append(out, &v->map, depth, lossy, err);
    default:
        return cell_append(out, v, err);
    }
}

bool cyp_literal_append(struct nb_buf *out, const struct ps_value *v, bool *ret_lossy,
                        struct nb_error *err)
{
    *ret_lossy = false;
    return value_append(out, v, 0, ret_lossy, err) && nb_buf_check(out, err);
}

/* --- reading ---------------------------------------------------------------------------------- */

struct in {
    const char *p, *end;
    struct nb_arena *arena;
    struct nb_error *err;
    unsigned depth;
};

static bool value_take(struct in *in, struct ps_value *ret);

static bool bad(struct in *in)
{
    return nb_fail(in->err, NB_E_INVALID, "BadLiteral", "text that is no literal");
}

static void blanks_skip(struct in *in)
{
    while (in->p < in->end && (*in->p == ' ' || *in->p == '\n' || *in->p == '\t' || *in->p == '\r'))
        in->p++;
}

static bool take(struct in *in, const char *s)
{
    size_t n = strlen(s);

    if ((size_t)(in->end - in->p) < n || memcmp(in->p, s, n) != 0)
        return false;
    in->p += n;
    return true;
}
static bool take_token(struct in *in, const char *s)
{
    blanks_skip(in);
    return take(in, s);
}

static bool keep(struct in *in, const char *p, size_t n, char **ret)
{
    *ret = nb_arena_alloc(in->arena, n + 1, in->err);
    if (!*ret)
        return false;
    if (n)
        memcpy(*ret, p, n);
    (*ret)[n] = '\0';
    return true;
}

/* Behind the opening quote. */
static bool string_take(struct in *in, struct ps_value *ret)
{
    size_t n = cyp_text_span(in->p, (size_t)(in->end - in->p));
    char *text;

    if (n == SIZE_MAX)
        return bad(in);
    if (!keep(in, in->p, n, &text))
        return false;
    if (!cyp_text_unescape(text, n, &ret->string.n))
        return bad(in);
    ret->type = PS_STRING;
    ret->string.p = text;
    in->p += n + 1;
    return true;
}

static bool number_take(struct in *in, struct ps_value *ret)
{
    const char *start = in->p;
    bool real = false;

    while (in->p < in->end &&
           ((*in->p >= '0' && *in->p <= '9') || *in->p == '-' || *in->p == '.' || *in->p == 'E')) {
        real |= *in->p == '.' || *in->p == 'E';
        in->p++;
    }
    ret->type = real ? PS_FLOAT : PS_INT;
    if (real ? cyp_double_read(start, (size_t)(in->p - start), &ret->real)
             : cyp_int_read(start, (size_t)(in->p - start), &ret->integer))
        return true;
    return bad(in);
}

/* Floats only become the form in which they come over the wire. */
static bool floats_pack(struct in *in, struct ps_value *list)
{
    struct ps_floats floats = { NULL, list->list.n };
    unsigned char *p;

    for (size_t i = 0; i < list->list.n; i++)
        if (list->list.items[i].type != PS_FLOAT)
            return true;
    if (!list->list.n)
        return true;
    p = nb_arena_alloc(in->arena, list->list.n * 9, in->err);
    if (!p)
        return false;
    for (size_t i = 0; i < list->list.n; i++) {
        uint64_t bits;

        memcpy(&bits, &list->list.items[i].real, sizeof(bits));
        p[i * 9] = 0xC1;
        for (unsigned k = 0; k < 8; k++)
            p[i * 9 + 1 + k] = (unsigned char)(bits >> (56 - 8 * k));
    }
    floats.p = p;
    list->type = PS_FLOATS;
    list->floats = floats;
    return true;
}

struct grown {
    char *p;
    size_t n, cap, size;
};
/* Room for one more in the arena; what was there before stays until the arena goes. */
static void *grown_next(struct in *in, struct grown *g)
{
    if (g->n == g->cap) {
        size_t cap = g->cap ? g->cap * 2 : 8;
        char *p = nb_arena_alloc(in->arena, cap * g->size, in->err);

        if (!p)
            return NULL;
        if (g->n)
            memcpy(p, g->p, g->n * g->size);
        g->p = p;
        g->cap = cap;
    }
    return g->p + g->n++ * g->size;
}

// NOLINTNEXTLINE(misc-no-recursion) nesting ends at PS_DEPTH_MAX
static bool list_take(struct in *in, struct ps_value *ret)
{
    struct grown items = { NULL, 0, 0, sizeof(struct ps_value) };

    if (!take_token(in, "]")) {
        do {
            struct ps_value *item = grown_next(in, &items);

            if (!item || !value_take(in, item))
                return false;
        } while (take_token(in, ","));
        if (!take_token(in, "]"))
            return bad(in);
    }
    ret->type = PS_LIST;
    ret->list = (struct ps_list){ (const struct ps_value *)(void *)items.p, items.n };
    return floats_pack(in, ret);
}

static bool key_take(struct in *in, struct nb_str *ret)
{
    nb_auto_done(nb_buf_done) struct nb_buf name = NB_BUF_INIT(64 << 20);
    const char *start, *p;
    char *kept;

    blanks_skip(in);
    start = in->p;
    for (p = start + 1; p < in->end; p++)
        if (*p == '`') {
            if (p + 1 >= in->end || p[1] != '`')
                break;
            p++;
        }
    if (start >= in->end || p >= in->end)
        return bad(in);
    if (!cyp_ident_parse((struct nb_str){ start, (size_t)(p + 1 - start) }, &name, in->err) ||
        !keep(in, name.data, name.len, &kept))
        return false;
    *ret = (struct nb_str){ kept, name.len };
    in->p = p + 1;
    return true;
}

// NOLINTNEXTLINE(misc-no-recursion) nesting ends at PS_DEPTH_MAX
static bool map_take(struct in *in, struct ps_value *ret)
{
    struct grown pairs = { NULL, 0, 0, sizeof(struct ps_pair) };

    if (!take_token(in, "}")) {
        do {
            struct ps_pair *pair = grown_next(in, &pairs);

            if (!pair || !key_take(in, &pair->key))
                return false;
            if (!take_token(in, ":"))
                return bad(in);
            if (!value_take(in, &pair->value))
                return false;
        } while (take_token(in, ","));
        if (!take_token(in, "}"))
            return bad(in);
    }
    ret->type = PS_MAP;
    ret->map = (struct ps_map){ (const struct ps_pair *)(void *)pairs.p, pairs.n };
    return true;
}

/* The text up to what follows it, as a cell of that kind. */
static bool cell_take(struct in *in, struct cyp_cell_type type, const char *text, size_t n,
                      struct ps_value *ret)
{
    char *kept;

    return keep(in, text, n, &kept) && cyp_cell_read(type, kept, n, in->arena, ret, in->err);
}

static bool function_take(struct in *in, uint32_t kind, struct ps_value *ret)
{
    const char *end = memchr(in->p, '\'', (size_t)(in->end - in->p));
    struct cyp_cell_type type = { kind, 0 };

    if (!end)
        return bad(in);
    if (!cell_take(in, type, in->p, (size_t)(end - in->p), ret))
        return false;
    in->p = end;
    return take(in, "')") || bad(in);
}

static bool compound_take(struct in *in, size_t which, struct ps_value *ret)
{
    nb_auto_done(nb_buf_done) struct nb_buf cell = NB_BUF_INIT(4096);
    struct cyp_cell_type type = { compounds[which].kind, 0 };

    for (unsigned i = 1; i <= compounds[which].n; i++) {
        const char *next = compounds[which].around[i];
        const char *end = memmem(in->p, (size_t)(in->end - in->p), next, strlen(next));

        if (!end || end - in->p > 256)
            return bad(in);
        if (i > 1)
            nb_buf_putc(&cell, ' ');
        nb_buf_append(&cell, in->p, (size_t)(end - in->p));
        in->p = end + strlen(next);
    }
    return cell_take(in, type, nb_buf_cstr(&cell), cell.len, ret);
}

static bool vector_take(struct in *in, struct ps_value *ret)
{
    const char *end = memchr(in->p, ']', (size_t)(in->end - in->p)), *start = in->p, *comma;
    struct cyp_cell_type type = { CYP_CELL_KINDS, 0 };
    int64_t n;

    if (!end)
        return bad(in);
    in->p = end;
    comma = take(in, "],") ? memchr(in->p, ',', (size_t)(in->end - in->p)) : NULL;
    if (!comma || !cyp_int_read(in->p, (size_t)(comma - in->p), &n) || n < 1 || n > 999999)
        return bad(in);
    type.param = (uint32_t)n;
    in->p = comma + 1;
    for (size_t i = 0; i < NB_ARRAY_LEN(vectors) && type.kind == CYP_CELL_KINDS; i++)
        if (take(in, vectors[i].name))
            type.kind = vectors[i].kind;
    if (type.kind == CYP_CELL_KINDS || !take(in, ")"))
        return bad(in);
    return cell_take(in, type, start, (size_t)(end - start), ret);
}

static bool word_take(struct in *in, struct ps_value *ret)
{
    for (size_t i = 0; i < NB_ARRAY_LEN(functions); i++)
        if (take(in, functions[i].call))
            return function_take(in, functions[i].kind, ret);
    for (size_t i = 0; i < NB_ARRAY_LEN(compounds); i++)
        if (take(in, compounds[i].around[0]))
            return compound_take(in, i, ret);
    if (take(in, "vector(["))
        return vector_take(in, ret);
    ret->type = PS_BOOL;
    ret->boolean = take(in, "true");
    if (ret->boolean || take(in, "false"))
        return true;
    ret->type = PS_NULL;
    return take(in, "null") || bad(in);
}

// NOLINTNEXTLINE(misc-no-recursion) nesting ends at PS_DEPTH_MAX
static bool value_take(struct in *in, struct ps_value *ret)
{
    bool ok;

    if (in->depth >= PS_DEPTH_MAX)
        return nb_fail(in->err, NB_E_LIMIT, "TooDeep", "a value nested more than %d deep",
                       PS_DEPTH_MAX);
    in->depth++;
    blanks_skip(in);
    *ret = (struct ps_value){ .type = PS_NULL };
    if (take(in, "'"))
        ok = string_take(in, ret);
    else if (take(in, "["))
        ok = list_take(in, ret);
    else if (take(in, "{"))
        ok = map_take(in, ret);
    else if (in->p < in->end && (*in->p == '-' || (*in->p >= '0' && *in->p <= '9')))
        ok = number_take(in, ret);
    else
        ok = word_take(in, ret);
    in->depth--;
    return ok;
}

bool cyp_literal_parse(struct nb_str text, struct nb_arena *arena, struct ps_value *ret,
                       size_t *ret_used, struct nb_error *err)
{
    struct in in = { text.p, text.p + text.n, arena, err, 0 };

    if (!value_take(&in, ret))
        return false;
    *ret_used = (size_t)(in.p - text.p);
    return true;
}
