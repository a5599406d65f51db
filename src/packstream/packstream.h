#ifndef NB_PACKSTREAM_PACKSTREAM_H
#define NB_PACKSTREAM_PACKSTREAM_H

/*
 * PackStream: the values that Bolt carries, and their bytes. Pure: no sockets, no clocks.
 *
 * Decoding copies nothing that need not be copied: strings, bytes, vectors and lists of floats
 * point into the message, arrays of values and the large structures lie in the caller's arena. So
 * a decoded value lives until the message buffer or the arena changes, whichever is first
 * (ps_value_copy() makes it last as long as another arena).
 *
 * Nothing a peer says is believed: every count is checked against the bytes left before anything
 * is allocated, nesting ends at PS_DEPTH_MAX, strings are UTF-8, reserved markers and unknown
 * structures are errors (NB_E_PROTOCOL "PackStream..."), and the arena's maximum bounds memory
 * (NB_E_LIMIT). Integers longer than they need to be are legal; of a doubled map key the last wins.
 *
 * Source: Neo4j's PackStream specification version 1 and the structure semantics of Bolt 4.4, 5.x
 * and 6.0; version 2 adds UUIDs (Bolt 6.1).
 *
 * Thread: values may be read by many; a decoder or encoder belongs to one.
 */

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/mem.h"

enum { PS_DEPTH_MAX = 64, PS_STRUCT_FIELDS_MAX = 15 };

enum ps_type {
    PS_NULL,
    PS_BOOL,
    PS_INT,
    PS_FLOAT,
    PS_BYTES,
    PS_STRING,
    PS_LIST,   /* any list but a non-empty one of floats only: .list */
    PS_FLOATS, /* a list of at least one float and nothing else, left undecoded: .floats */
    PS_MAP,
    PS_NODE,
    PS_REL,
    PS_UNBOUND_REL,
    PS_PATH,
    PS_DATE,
    PS_TIME,
    PS_LOCALTIME,
    PS_DATETIME,
    PS_LOCALDATETIME,
    PS_DURATION,
    PS_POINT,
    PS_VECTOR,      /* Bolt 6.0 */
    PS_UUID,        /* Bolt 6.1 */
    PS_UNSUPPORTED, /* the server's word for "this client cannot be told the value" (Bolt 6.0) */
};

struct ps_value;
struct ps_pair;

struct ps_list {
    const struct ps_value *items;
    size_t n;
};
/* n times the marker C1 and 8 bytes, big-endian: see ps_floats_get(). */
struct ps_floats {
    const unsigned char *p;
    size_t n;
};
struct ps_map {
    const struct ps_pair *pairs; /* in the order sent, keys differ */
    size_t n;
};
struct ps_time { /* nanoseconds since midnight, local */
    int64_t nanos;
    int32_t offset_seconds; /* PS_TIME only */
};
struct ps_localdatetime { /* since 1970-01-01T00:00:00 local */
    int64_t seconds;
    int32_t nanos;
};
/*
 * A point in time with an offset or a zone. When `local` is false (UTC form, Bolt >= 5.0, or 4.4
 * with the utc patch) seconds count from the epoch in UTC; when it is true (legacy form, 4.4
 * without the patch) they count local time, and with a zone the value is ambiguous where clocks go
 * back. zone.n != 0: a zone id, offset_seconds is 0 and means nothing. Else: the offset.
 */
struct ps_datetime {
    int64_t seconds;
    int32_t nanos;
    int32_t offset_seconds;
    struct nb_str zone;
    bool local;
};
struct ps_duration {
    int64_t months, days, seconds;
    int32_t nanos;
};
struct ps_point { /* srid 4326, 4979 (WGS 84), 7203, 9157 (Cartesian) */
    int32_t srid;
    uint8_t dimensions; /* 2 or 3; z is 0 for 2 */
    double x, y, z;
};
/* The element type is the PackStream marker of one element. */
enum ps_vector_type {
    PS_VECTOR_F64 = 0xC1,
    PS_VECTOR_F32 = 0xC6,
    PS_VECTOR_I8 = 0xC8,
    PS_VECTOR_I16 = 0xC9,
    PS_VECTOR_I32 = 0xCA,
    PS_VECTOR_I64 = 0xCB,
};
struct ps_vector {
    const unsigned char *p; /* big-endian elements, one after the other */
    size_t n;               /* elements */
    enum ps_vector_type elem;
};

struct ps_value {
    enum ps_type type;
    union {
        bool boolean;
        int64_t integer;
        double real;
        struct nb_str string; /* PS_STRING: UTF-8, may hold NULs */
        struct nb_str bytes;
        struct ps_list list;
        struct ps_floats floats;
        struct ps_map map;
        const struct ps_node *node;
        const struct ps_rel *rel; /* PS_REL, and PS_UNBOUND_REL (without ends) */
        const struct ps_path *path;
        int64_t date_days;   /* since 1970-01-01 */
        struct ps_time time; /* PS_TIME, PS_LOCALTIME */
        struct ps_datetime datetime;
        struct ps_localdatetime localdatetime;
        struct ps_duration duration;
        struct ps_point point;
        struct ps_vector vector;
        unsigned char uuid[16];
        const struct ps_unsupported *unsupported;
    };
};
struct ps_pair {
    struct nb_str key;
    struct ps_value value;
};

/* Element ids came with Bolt 5.0: {NULL, 0} before. */
struct ps_node {
    int64_t id;
    const struct nb_str *labels;
    size_t nlabels;
    struct ps_map props;
    struct nb_str element_id;
};
struct ps_rel {
    int64_t id, start_id, end_id; /* unbound: start_id and end_id are -1 */
    struct nb_str type;
    struct ps_map props;
    struct nb_str element_id, start_element_id, end_element_id;
};
struct ps_path {
    const struct ps_value *nodes, *rels; /* PS_NODE, PS_UNBOUND_REL */
    size_t nnodes, nrels;
    /* Pairs: a relationship (from 1, negative: walked against its direction), a node (from 0). */
    const int64_t *indices;
    size_t nindices;
};
struct ps_unsupported {
    struct nb_str type_name;      /* "VECTOR", ... */
    int64_t min_major, min_minor; /* the protocol that could carry it */
    struct nb_str message;        /* may be empty */
};

const char *ps_type_name(enum ps_type type); /* "null", "boolean", ... */

/* --- looking at values ------------------------------------------------------------------------ */

static inline uint64_t ps_be64(const unsigned char *p)
{
    uint64_t v;

    memcpy(&v, p, sizeof(v));
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    v = __builtin_bswap64(v);
#endif
    return v;
}
static inline uint64_t ps_floats_bits(const struct ps_floats *f, size_t i)
{
    return ps_be64(f->p + i * 9 + 1);
}
static inline double ps_floats_get(const struct ps_floats *f, size_t i)
{
    uint64_t bits = ps_floats_bits(f, i);
    double d;

    memcpy(&d, &bits, sizeof(d));
    return d;
}
/* For PS_LIST and PS_FLOATS alike. */
static inline bool ps_is_list(const struct ps_value *v)
{
    return v->type == PS_LIST || v->type == PS_FLOATS;
}
size_t ps_list_count(const struct ps_value *v);
struct ps_value ps_list_get(const struct ps_value *v, size_t i);

/* NULL when there is none. Linear. */
const struct ps_value *ps_map_get(const struct ps_map *m, const char *key);
/* Of a map value (NULL and other types are fine): the default when absent or of another type. */
int64_t ps_map_get_int(const struct ps_map *m, const char *key, int64_t dflt);
bool ps_map_get_bool(const struct ps_map *m, const char *key, bool dflt);
struct nb_str ps_map_get_str(const struct ps_map *m, const char *key); /* {NULL, 0}: none */

size_t ps_vector_elem_bytes(enum ps_vector_type elem);
double ps_vector_get_float(const struct ps_vector *v, size_t i); /* F32, F64 */
int64_t ps_vector_get_int(const struct ps_vector *v, size_t i);  /* I8 to I64 */

/* Bit for bit (NaN equals the same NaN, 0.0 differs from -0.0); maps regardless of order. A list of
 * floats equals itself however it is held. Nodes etc. by all fields. */
bool ps_value_equal(const struct ps_value *a, const struct ps_value *b);
/* A deep copy that lives in the arena alone. */
NB_NODISCARD bool ps_value_copy(const struct ps_value *v, struct nb_arena *arena,
                                struct ps_value *ret, struct nb_error *err);

/* --- decoding --------------------------------------------------------------------------------- */

struct ps_decoder {
    const unsigned char *p, *end;
    struct nb_arena *arena;
    unsigned depth;
    unsigned version; /* 1, or 2 from Bolt 6.1 */
};
void ps_decoder_init(struct ps_decoder *d, const void *p, size_t n, unsigned version,
                     struct nb_arena *arena);
static inline size_t ps_decoder_left(const struct ps_decoder *d)
{
    return (size_t)(d->end - d->p);
}
/* The next value. */
NB_NODISCARD bool ps_decode(struct ps_decoder *d, struct ps_value *ret, struct nb_error *err);
/* Only the head of a structure, list or map; the caller decodes what is inside. */
NB_NODISCARD bool ps_decode_struct_head(struct ps_decoder *d, uint8_t *ret_tag,
                                        unsigned *ret_fields, struct nb_error *err);
NB_NODISCARD bool ps_decode_list_head(struct ps_decoder *d, size_t *ret_n, struct nb_error *err);
/* All of the list's items, as one array in the arena. */
NB_NODISCARD bool ps_decode_list(struct ps_decoder *d, const struct ps_value **ret_items,
                                 size_t *ret_n, struct nb_error *err);
NB_NODISCARD bool ps_decode_map(struct ps_decoder *d, struct ps_map *ret, struct nb_error *err);

/* --- encoding --------------------------------------------------------------------------------- */

/*
 * Appends to a buffer in the shortest form; heads of lists, maps and structures are followed by as
 * many items by the caller. Nothing fails on the way: ps_encoder_check() at the end tells of a full
 * buffer (NB_E_LIMIT) and of values that the protocol at hand cannot carry (NB_E_INVALID).
 * bolt_conn_encoder() gives one fit for a connection.
 */
struct ps_encoder {
    struct nb_buf *out;
    unsigned version;     /* 1, or 2: UUIDs allowed */
    bool local_datetimes; /* legacy form wanted (Bolt 4.4 without the utc patch) */
    bool no_vectors;      /* before Bolt 6.0 */
    const char *bad;      /* what could not be carried */
};
#define PS_ENCODER_INIT(buf)                                                                       \
    {                                                                                              \
        .out = (buf), .version = 1, .local_datetimes = false, .no_vectors = false, .bad = NULL     \
    }
NB_NODISCARD bool ps_encoder_check(const struct ps_encoder *e, struct nb_error *err);

void ps_put_null(struct ps_encoder *e);
void ps_put_bool(struct ps_encoder *e, bool v);
void ps_put_int(struct ps_encoder *e, int64_t v);
void ps_put_float(struct ps_encoder *e, double v);
void ps_put_str(struct ps_encoder *e, struct nb_str s); /* must be UTF-8; the caller's word */
void ps_put_cstr(struct ps_encoder *e, const char *s);
void ps_put_bytes(struct ps_encoder *e, const void *p, size_t n);
void ps_put_list(struct ps_encoder *e, size_t n); /* n values follow */
void ps_put_map(struct ps_encoder *e, size_t n);  /* n times ps_put_str, value follow */
void ps_put_struct(struct ps_encoder *e, uint8_t tag, unsigned nfields);
/* Any value. A client may not send nodes, relationships, paths and unsupported values; they are
 * here for tests that play the server (in the form of Bolt 5.0 where element ids are set, else
 * of 4.4). */
void ps_put_value(struct ps_encoder *e, const struct ps_value *v);
/*
 * A list or map whose count is known only at the end: begin returns a mark, end writes the count.
 * The head is then always of the 32-bit form.
 */
size_t ps_put_list_begin(struct ps_encoder *e);
void ps_put_list_end(struct ps_encoder *e, size_t mark, size_t n);
size_t ps_put_map_begin(struct ps_encoder *e);
void ps_put_map_end(struct ps_encoder *e, size_t mark, size_t n);

#endif
