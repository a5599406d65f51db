#ifndef NB_TESTS_RANDOM_GRAPH_H
#define NB_TESTS_RANDOM_GRAPH_H

/*
 * Random graphs with everything in them that a Neo4j database can hold, from a seed.
 */

#include <stdint.h>
#include <string.h>

#include "base/mem.h"
#include "packstream/packstream.h"

struct rg {
    uint64_t state;
    struct nb_arena *arena;
    bool community; /* only what Neo4j Community stores: no vectors, no UUIDs */
    bool no_bytes;  /* cypher-shell cannot bring byte arrays back */
    /* Names come from a few when there are some, so that rows share their shapes; and each key has
     * a favourite kind of value. */
    struct nb_str names[16];
    size_t nnames;
};

static inline uint64_t rg_next(struct rg *g)
{
    uint64_t z = (g->state += UINT64_C(0x9e3779b97f4a7c15));

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}
static inline size_t rg_below(struct rg *g, size_t n)
{
    return (size_t)(rg_next(g) % n);
}
static inline int64_t rg_between(struct rg *g, int64_t min, int64_t max)
{
    return min + (int64_t)(rg_next(g) % ((uint64_t)max - (uint64_t)min + 1));
}
static inline void *rg_alloc(struct rg *g, size_t n)
{
    struct nb_error err = NB_ERROR_INIT;
    void *p = nb_arena_alloc(g->arena, n, &err);

    if (!p)
        __builtin_trap();
    return p;
}

static inline size_t rg_utf8(struct rg *g, char *p)
{
    static const uint32_t odd[] = { 0x80,   0x85,   0xa0,    0xe9,    0x7ff,
                                    0x800,  0x2028, 0x2029,  0x6771,  0xfeff,
                                    0xfffd, 0xffff, 0x10000, 0x1f600, 0x10ffff };
    uint32_t c = rg_below(g, 2) ? odd[rg_below(g, NB_ARRAY_LEN(odd))]
                                : (uint32_t)rg_between(g, 0x80, 0xd7ff);

    if (c < 0x800) {
        p[0] = (char)(0xc0 | c >> 6);
        p[1] = (char)(0x80 | (c & 63));
        return 2;
    }
    if (c < 0x10000) {
        p[0] = (char)(0xe0 | c >> 12);
        p[1] = (char)(0x80 | (c >> 6 & 63));
        p[2] = (char)(0x80 | (c & 63));
        return 3;
    }
    p[0] = (char)(0xf0 | c >> 18);
    p[1] = (char)(0x80 | (c >> 12 & 63));
    p[2] = (char)(0x80 | (c >> 6 & 63));
    p[3] = (char)(0x80 | (c & 63));
    return 4;
}

/* Pieces that are trouble in one place or another. */
static const char *const rg_pieces[] = {
    "'",
    "\"",
    "`",
    "``",
    "\\",
    "\\\\",
    "\\u0027",
    "\\u0060",
    "\\u005C",
    "u0027",
    "\n",
    "\r",
    "\r\n",
    "\t",
    ";",
    "\n:begin\n",
    "\n:commit\n",
    "//",
    "/*",
    "*/",
    "--",
    "$",
    "{",
    "}",
    "@",
    ",",
    " ",
    "','') AS r",
    "}) DETACH DELETE n;",
    "\x1c",
    "\x1d",
    "\x1e",
    "\x1f",
    "\x1c"
    "1",
    "\x1e\n",
    "\x7f",
    "\x01",
    "\x1b[2J",
    "NaN",
    "null",
    "0",
    "c[1]",
    "\\",
    "\\n",
    "'; MATCH (n) DETACH DELETE n; //",
    "\xc2\xa0",
    "NULL",
    "\\'",
    "a",
    "word ",
    "true",
};

/* With NULs only where `nul`. */
static inline struct nb_str rg_text(struct rg *g, size_t max_pieces, bool nul)
{
    size_t n = rg_below(g, max_pieces + 1);
    char *p = rg_alloc(g, n * 40 + 1), *at = p;

    for (size_t i = 0; i < n; i++) {
        size_t which = rg_below(g, 10);

        if (which < 4) {
            for (size_t k = rg_below(g, 20); k; k--)
                *at++ = (char)('a' + rg_below(g, 26));
        } else if (which < 6) {
            at += rg_utf8(g, at);
        } else if (which == 6) {
            *at = (char)rg_between(g, nul ? 0 : 1, 127);
            at++;
        } else {
            const char *piece = rg_pieces[rg_below(g, NB_ARRAY_LEN(rg_pieces))];

            memcpy(at, piece, strlen(piece));
            at += strlen(piece);
        }
    }
    return (struct nb_str){ p, (size_t)(at - p) };
}

/* Never empty, no NULs. */
static inline struct nb_str rg_name(struct rg *g)
{
    static const char *const plain[] = { "Person",     "name",  "MATCH",   "id",
                                         "with space", "c",     "n",       "r",
                                         "x",          "KNOWS", "We``ird", "na\xc3\xafve",
                                         "null" };
    struct nb_str s = { NULL, 0 };

    if (g->nnames)
        return g->names[rg_below(g, g->nnames)];
    if (rg_below(g, 3))
        return nb_str_from(plain[rg_below(g, NB_ARRAY_LEN(plain))]);
    while (!s.n)
        s = rg_text(g, 4, false);
    return s;
}

static inline double rg_double(struct rg *g, bool finite)
{
    static const double odd[] = { 0.0,
                                  -0.0,
                                  1.0,
                                  -1.0,
                                  0.1,
                                  1e15,
                                  1e16,
                                  1e17,
                                  1e22,
                                  1e23,
                                  1e-4,
                                  1e-3,
                                  5e-324,
                                  2.2250738585072014e-308,
                                  2.2250738585072011e-308,
                                  1.7976931348623157e308,
                                  123456789.0,
                                  0.30000000000000004,
                                  9007199254740993.0,
                                  1.5 };
    uint64_t bits;
    double d;

    switch (rg_below(g, finite ? 4 : 5)) {
    case 0:
        return odd[rg_below(g, NB_ARRAY_LEN(odd))];
    case 1:
        return (double)rg_between(g, -1000000, 1000000) / 1000.0;
    case 2:
        return (double)(float)((double)rg_between(g, -1000000, 1000000) / 7e6);
    case 3:
        do {
            bits = rg_next(g);
            memcpy(&d, &bits, sizeof(d));
        } while (d - d != 0.0);
        return d;
    default:
        return (const double[]){ __builtin_nan(""), __builtin_inf(),
                                 -__builtin_inf() }[rg_below(g, 3)];
    }
}

static inline int64_t rg_int(struct rg *g)
{
    static const int64_t odd[] = { 0,         1,
                                   -1,        INT64_MAX,
                                   INT64_MIN, INT64_MIN + 1,
                                   1 << 30,   INT64_C(9007199254740993),
                                   99999999,  100000000 };

    return rg_below(g, 2) ? odd[rg_below(g, NB_ARRAY_LEN(odd))]
                          : (int64_t)rg_next(g) >> rg_below(g, 64);
}

static inline int32_t rg_nanos(struct rg *g)
{
    return (int32_t)(rg_below(g, 2) ? 0 : rg_below(g, 2) ? 500000000 : rg_below(g, 1000000000));
}

static inline struct ps_datetime rg_datetime(struct rg *g)
{
    static const char *const zones[] = { "Europe/Stockholm",    "America/New_York",
                                         "Asia/Kolkata",        "UTC",
                                         "Australia/Lord_Howe", "Etc/GMT+12" };
    struct ps_datetime d = { 0 };

    d.nanos = rg_nanos(g);
    d.seconds = rg_below(g, 2) ? rg_between(g, -100000000000, 100000000000)
                               : 1729987200 + rg_between(g, 0, 14400); /* a doubled hour */
    if (rg_below(g, 2)) {
        d.zone = nb_str_from(zones[rg_below(g, NB_ARRAY_LEN(zones))]);
        return d;
    }
    d.offset_seconds = rg_below(g, 2) ? 0 : (int32_t)rg_between(g, -1080, 1080) * 60;
    if (!rg_below(g, 8))
        d.seconds = rg_between(g, INT64_C(-31557014135500800), INT64_C(31556889832780799) - 70000);
    return d;
}

static inline struct ps_value rg_scalar(struct rg *g, unsigned type)
{
    struct ps_value v = { .type = PS_NULL };

    switch (type) {
    case 0:
        return (struct ps_value){ .type = PS_BOOL, .boolean = rg_below(g, 2) };
    case 1:
        return (struct ps_value){ .type = PS_INT, .integer = rg_int(g) };
    case 2:
        return (struct ps_value){ .type = PS_FLOAT, .real = rg_double(g, false) };
    case 3:
        return (struct ps_value){ .type = PS_STRING, .string = rg_text(g, 6, true) };
    case 4:
        v.type = PS_DATE;
        v.date_days = rg_below(g, 3) ? rg_between(g, -200000, 200000)
                                     : rg_between(g, INT64_C(-365243219162), INT64_C(365241780471));
        return v;
    case 5:
        v.type = PS_TIME;
        v.time.nanos = rg_between(g, 0, 86399) * 1000000000 + rg_nanos(g);
        v.time.offset_seconds = rg_below(g, 4) ? (int32_t)rg_between(g, -1080, 1080) * 60
                                               : (int32_t)rg_between(g, -64800, 64800);
        return v;
    case 6:
        v.type = PS_LOCALTIME;
        v.time.nanos = rg_between(g, 0, 86399) * 1000000000 + rg_nanos(g);
        return v;
    case 7:
        v.type = PS_DATETIME;
        v.datetime = rg_datetime(g);
        return v;
    case 8:
        v.type = PS_LOCALDATETIME;
        v.localdatetime.nanos = rg_nanos(g);
        v.localdatetime.seconds =
            rg_below(g, 3) ? rg_between(g, -10000000000, 10000000000)
                           : rg_between(g, INT64_C(-31557014135596800), INT64_C(31556889832780799));
        return v;
    case 9:
        v.type = PS_DURATION;
        v.duration.months = rg_between(g, -100000000, 100000000) >> rg_below(g, 27);
        v.duration.days = rg_between(g, -10000000000, 10000000000) >> rg_below(g, 34);
        v.duration.seconds =
            rg_between(g, -INT64_C(1000000000000000), INT64_C(1000000000000000)) >> rg_below(g, 50);
        v.duration.nanos = rg_nanos(g);
        return v;
    case 10:
    case 11:
    case 12:
    case 13:
        v.type = PS_POINT;
        v.point.srid = (const int32_t[]){ 4326, 4979, 7203, 9157 }[type - 10];
        v.point.dimensions = type == 10 || type == 12 ? 2 : 3;
        v.point.x = type < 12 ? (double)rg_between(g, -180000, 180000) / 1000 : rg_double(g, true);
        v.point.y = type < 12 ? (double)rg_between(g, -90000, 90000) / 1000 : rg_double(g, true);
        v.point.z = v.point.dimensions == 3 ? rg_double(g, true) : 0;
        return v;
    default:
        v.type = PS_UUID;
        for (unsigned i = 0; i < 16; i++)
            v.uuid[i] = (unsigned char)rg_next(g);
        return v;
    }
}

static inline void rg_be(unsigned char *p, uint64_t v, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        p[i] = (unsigned char)(v >> (8 * (n - 1 - i)));
}

/* kind 0: any; 1: all exact in 32 bits; 2: an embedding */
static inline struct ps_value rg_floats(struct rg *g, size_t n, unsigned kind)
{
    unsigned char *p = rg_alloc(g, n * 9);
    struct ps_value v = { .type = PS_FLOATS, .floats = { p, n } };

    for (size_t i = 0; i < n; i++) {
        double d = rg_double(g, kind > 0);
        uint64_t bits;
        uint32_t b32;
        float f;

        if (kind == 2) {
            d = (double)(float)((double)rg_between(g, -100000000, 100000000) / 1.3e9);
        } else if (kind == 1) {
            do {
                b32 = (uint32_t)rg_next(g);
                memcpy(&f, &b32, sizeof(f));
            } while (f - f != 0.0f);
            d = (double)f;
        }
        memcpy(&bits, &d, sizeof(bits));
        p[i * 9] = 0xC1;
        rg_be(p + i * 9 + 1, bits, 8);
    }
    return v;
}

static inline struct ps_value rg_list(struct rg *g)
{
    size_t n = rg_below(g, 6);
    unsigned type = (unsigned)rg_below(g, g->community ? 14 : 15);
    struct ps_value *items;

    if (type == 2)
        return rg_below(g, 3) ? rg_floats(g, n + 1, 0)
                              : rg_floats(g, 10 + rg_below(g, 40), (unsigned)rg_below(g, 3));
    items = rg_alloc(g, n * sizeof(*items) + 1);
    for (size_t i = 0; i < n; i++)
        items[i] = rg_scalar(g, type);
    return (struct ps_value){ .type = PS_LIST, .list = { items, n } };
}

static inline struct ps_value rg_vector(struct rg *g)
{
    static const enum ps_vector_type elems[] = { PS_VECTOR_F64, PS_VECTOR_F32, PS_VECTOR_I8,
                                                 PS_VECTOR_I16, PS_VECTOR_I32, PS_VECTOR_I64 };
    size_t n = 1 + rg_below(g, 20);
    enum ps_vector_type elem = elems[rg_below(g, NB_ARRAY_LEN(elems))];
    size_t size = ps_vector_elem_bytes(elem);
    unsigned char *p = rg_alloc(g, n * size);

    for (size_t i = 0; i < n; i++) {
        double d = (double)rg_between(g, -1000, 1000) / 8;
        float f = (float)d;
        uint64_t bits = rg_next(g);
        uint32_t b32;

        if (elem == PS_VECTOR_F64)
            memcpy(&bits, &d, sizeof(bits));
        if (elem == PS_VECTOR_F32) {
            memcpy(&b32, &f, sizeof(b32));
            bits = b32;
        }
        rg_be(p + i * size, bits, (unsigned)size);
    }
    return (struct ps_value){ .type = PS_VECTOR, .vector = { p, n, elem } };
}

/* Draws the names from which all others come from now on. They live in an arena of their own. */
static inline void rg_names_fix(struct rg *g, struct nb_arena *arena, size_t n)
{
    struct nb_arena *own = g->arena;
    struct nb_str names[NB_ARRAY_LEN(g->names)];

    g->arena = arena;
    for (size_t i = 0; i < n; i++)
        names[i] = rg_name(g);
    g->arena = own;
    memcpy(g->names, names, sizeof(names));
    g->nnames = n;
}

/* Anything that a property can be. */
static inline struct ps_value rg_value(struct rg *g)
{
    size_t which = rg_below(g, 20);
    struct ps_value v;
    char *p;

    if (which < 5)
        return rg_list(g);
    if (which == 5 && !g->no_bytes) {
        v = (struct ps_value){ .type = PS_BYTES };
        v.bytes.n = rg_below(g, 20);
        p = rg_alloc(g, v.bytes.n + 1);
        for (size_t i = 0; i < v.bytes.n; i++)
            p[i] = (char)rg_next(g);
        v.bytes.p = p;
        return v;
    }
    if (which == 6 && !g->community)
        return rg_vector(g);
    return rg_scalar(g, (unsigned)rg_below(g, g->community ? 14 : 15));
}

static inline struct ps_map rg_props(struct rg *g, size_t max)
{
    size_t n = rg_below(g, max + 1), used = 0;
    struct ps_pair *pairs = rg_alloc(g, n * sizeof(*pairs) + 1);

    for (size_t i = 0; i < n; i++) {
        struct nb_str key = rg_name(g);
        bool doubled = false;

        for (size_t k = 0; k < used; k++)
            doubled |= nb_str_equal(pairs[k].key, key);
        if (doubled)
            continue;
        pairs[used].key = key;
        pairs[used++].value = g->nnames && rg_below(g, 8)
                                  ? rg_scalar(g, (unsigned)(key.n + (unsigned char)key.p[0]) % 14)
                                  : rg_value(g);
    }
    return (struct ps_map){ pairs, used };
}

static inline size_t rg_labels(struct rg *g, struct nb_str *labels, size_t max)
{
    size_t n = rg_below(g, max + 1), used = 0;

    for (size_t i = 0; i < n; i++) {
        struct nb_str name = rg_name(g);
        bool doubled = false;

        for (size_t k = 0; k < used; k++)
            doubled |= nb_str_equal(labels[k], name);
        if (!doubled)
            labels[used++] = name;
    }
    return used;
}

#endif
