#include "engine/content.h"

__extension__ typedef unsigned __int128 u128;

static const uint64_t k0 = 0xa0761d6478bd642fu, k1 = 0xe7037ed1a0b428dbu, k2 = 0x8ebc6af09c88c6e3u;

/* Multiply and fold, as in wyhash (Wang Yi, public domain). */
static inline uint64_t mix(uint64_t a, uint64_t b)
{
    u128 p = (u128)(a ^ k0) * (b ^ k1);

    return (uint64_t)p ^ (uint64_t)(p >> 64);
}

static inline uint64_t load64(const unsigned char *p)
{
    uint64_t v;

    memcpy(&v, p, sizeof(v));
    return v;
}

static uint64_t hash_bytes(uint64_t h, const void *bytes, size_t n)
{
    const unsigned char *p = bytes;
    size_t left = n;

    if (left >= 32) {
        uint64_t g = h + k2;

        for (; left >= 32; left -= 32, p += 32) { /* two chains, so that the multipliers overlap */
            h = mix(load64(p) ^ h, load64(p + 8));
            g = mix(load64(p + 16) ^ g, load64(p + 24));
        }
        h = mix(h, g);
    }
    for (; left >= 8; left -= 8, p += 8)
        h = mix(load64(p) ^ h, k2);
    if (left > 0) {
        unsigned char tail[8] = { 0 };

        memcpy(tail, p, left);
        h = mix(load64(tail) ^ h, k0);
    }
    return mix(h, n);
}

static uint64_t hash_value(uint64_t h, const struct ps_value *v);

static uint64_t hash_str(uint64_t h, struct nb_str s)
{
    return hash_bytes(h, s.p, s.n);
}

// NOLINTNEXTLINE(misc-no-recursion) nesting ends at PS_DEPTH_MAX
static uint64_t hash_map(uint64_t h, const struct ps_map *m)
{
    h = mix(h, m->n);
    for (size_t i = 0; i < m->n; i++)
        h = hash_value(hash_str(h, m->pairs[i].key), &m->pairs[i].value);
    return h;
}

static uint64_t double_bits(double d)
{
    uint64_t bits;

    memcpy(&bits, &d, sizeof(bits));
    return bits;
}

// NOLINTNEXTLINE(misc-no-recursion) nesting ends at PS_DEPTH_MAX
static uint64_t hash_list(uint64_t h, const struct ps_list *list)
{
    h = mix(h, list->n);
    for (size_t i = 0; i < list->n; i++)
        h = hash_value(h, &list->items[i]);
    return h;
}

static uint64_t hash_datetime(uint64_t h, const struct ps_datetime *t)
{
    h = mix(h, (uint64_t)t->seconds);
    h = mix(h, (uint64_t)(uint32_t)t->nanos << 32 | (uint32_t)t->offset_seconds);
    return hash_str(mix(h, t->local), t->zone);
}

static uint64_t hash_point(uint64_t h, const struct ps_point *p)
{
    h = mix(mix(h, (uint64_t)p->srid << 8 | p->dimensions), double_bits(p->x));
    return mix(mix(h, double_bits(p->y)), double_bits(p->z));
}

static uint64_t hash_duration(uint64_t h, const struct ps_duration *d)
{
    h = mix(mix(h, (uint64_t)d->months), (uint64_t)d->days);
    return mix(mix(h, (uint64_t)d->seconds), (uint64_t)d->nanos);
}

// NOLINTNEXTLINE(misc-no-recursion) nesting ends at PS_DEPTH_MAX
static uint64_t hash_value(uint64_t h, const struct ps_value *v)
{
    h = mix(h, v->type);
    switch (v->type) {
    case PS_BOOL:
        return mix(h, v->boolean);
    case PS_INT:
        return mix(h, (uint64_t)v->integer);
    case PS_FLOAT:
        return mix(h, double_bits(v->real));
    case PS_STRING:
        return hash_str(h, v->string);
    case PS_BYTES:
        return hash_str(h, v->bytes);
    case PS_LIST:
        return hash_list(h, &v->list);
    case PS_FLOATS:
        return hash_bytes(h, v->floats.p, v->floats.n * 9);
    case PS_MAP:
        return hash_map(h, &v->map);
    case PS_DATE:
        return mix(h, (uint64_t)v->date_days);
    case PS_TIME:
    case PS_LOCALTIME:
        return mix(mix(h, (uint64_t)v->time.nanos), (uint64_t)v->time.offset_seconds);
    case PS_DATETIME:
        return hash_datetime(h, &v->datetime);
    case PS_LOCALDATETIME:
        return mix(mix(h, (uint64_t)v->localdatetime.seconds), (uint64_t)v->localdatetime.nanos);
    case PS_DURATION:
        return hash_duration(h, &v->duration);
    case PS_POINT:
        return hash_point(h, &v->point);
    case PS_VECTOR:
        h = mix(h, (uint64_t)v->vector.elem);
        return hash_bytes(h, v->vector.p, v->vector.n * ps_vector_elem_bytes(v->vector.elem));
    case PS_UUID:
        return hash_bytes(h, v->uuid, sizeof(v->uuid));
    case PS_NULL:
    case PS_NODE:
    case PS_REL:
    case PS_UNBOUND_REL:
    case PS_PATH:
    case PS_UNSUPPORTED:
        break; /* no property is one of these; the script refuses what it cannot write */
    }
    return h;
}

uint64_t eng_content_node(const struct ps_node *node)
{
    uint64_t h = mix((uint64_t)node->id, node->nlabels);

    for (size_t i = 0; i < node->nlabels; i++)
        h = hash_str(h, node->labels[i]);
    return hash_map(h, &node->props);
}

uint64_t eng_content_rel(const struct eng_rel *rel)
{
    uint64_t h = mix((uint64_t)rel->id, (uint64_t)rel->start_id);

    return hash_map(hash_str(mix(h, (uint64_t)rel->end_id), rel->type), &rel->props);
}

uint64_t eng_content_key(uint64_t seed, const struct ps_value *v)
{
    struct ps_value whole;

    /* 1 and 1.0 are one key to a constraint. */
    if (v->type == PS_FLOAT && v->real >= -4611686018427387904.0 &&
        v->real <= 4611686018427387904.0 && v->real == (double)(int64_t)v->real) {
        whole = (struct ps_value){ .type = PS_INT, .integer = (int64_t)v->real };
        return hash_value(seed, &whole);
    }
    return hash_value(seed, v);
}
