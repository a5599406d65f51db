#include "cypher/digest.h"

#include "base/mem.h"

__extension__ typedef unsigned __int128 u128;

/* Odd, with about as many ones as zeros in each byte; nothing else is special about them. */
static const uint64_t k0 = 0x9e3779b97f4a7c15, k1 = 0xd6e8feb86659fd93, k2 = 0xa0761d6478bd642f,
                      k3 = 0xe7037ed1a0b428db;

/* Part of the format: never renumbered. */
enum tag {
    TAG_BOOL = 1,
    TAG_INT,
    TAG_FLOAT,
    TAG_STRING,
    TAG_BYTES,
    TAG_LIST,
    TAG_FLOATS,
    TAG_DATE,
    TAG_TIME,
    TAG_LOCALTIME,
    TAG_DATETIME,
    TAG_LOCALDATETIME,
    TAG_DURATION,
    TAG_POINT,
    TAG_VECTOR,
    TAG_UUID,
    TAG_NONE,
    TAG_LABEL = 64,
    TAG_KEY,
    TAG_TYPE,
    TAG_NODE,
    TAG_REL,
    TAG_ENDS,
    TAG_ITEM,
};

/* Multiply and fold: both halves of the product. */
static inline uint64_t mum(uint64_t a, uint64_t b)
{
    u128 p = (u128)a * b;

    return (uint64_t)p ^ (uint64_t)(p >> 64);
}

static inline uint64_t le64(const void *p)
{
    uint64_t v;

    memcpy(&v, p, sizeof(v));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    v = __builtin_bswap64(v);
#endif
    return v;
}

static inline struct cyp_sum words_mix(struct cyp_sum s, uint64_t a, uint64_t b)
{
    return (struct cyp_sum){ mum(a ^ k0, b ^ s.lo), mum(b ^ k1, a ^ s.hi) };
}

static struct cyp_sum bytes_hash(unsigned tag, const void *bytes, size_t n)
{
    const unsigned char *p = bytes;
    struct cyp_sum s = { tag * k2 ^ k0, tag * k3 ^ k1 };
    size_t left = n;

    for (; left >= 16; left -= 16, p += 16)
        s = words_mix(s, le64(p), le64(p + 8));
    if (left) {
        unsigned char tail[16] = { 0 };

        memcpy(tail, p, left);
        s = words_mix(s, le64(tail), le64(tail + 8));
    }
    return words_mix(s, n, tag);
}

static struct cyp_sum numbers_hash(unsigned tag, const uint64_t *v, size_t n)
{
    struct cyp_sum s = { tag * k2 ^ k0, tag * k3 ^ k1 };

    for (size_t i = 0; i < n; i++)
        s = words_mix(s, v[i], i);
    return words_mix(s, n, tag);
}

static inline struct cyp_sum sums_mix(unsigned tag, struct cyp_sum a, struct cyp_sum b)
{
    struct cyp_sum s = { tag * k2 ^ k0, tag * k3 ^ k1 };

    return words_mix(words_mix(s, a.lo, a.hi), b.lo, b.hi);
}

/* --- sums ------------------------------------------------------------------------------------- */

void cyp_sum_add(struct cyp_sum *a, struct cyp_sum b)
{
    a->lo += b.lo;
    a->hi += b.hi;
}

bool cyp_sum_equal(struct cyp_sum a, struct cyp_sum b)
{
    return a.lo == b.lo && a.hi == b.hi;
}

void cyp_sum_format(struct cyp_sum s, char out[CYP_SUM_HEX])
{
    static const char hex[] = "0123456789abcdef";

    for (unsigned i = 0; i < 16; i++) {
        out[i] = hex[s.hi >> (60 - 4 * i) & 15];
        out[16 + i] = hex[s.lo >> (60 - 4 * i) & 15];
    }
    out[32] = '\0';
}

bool cyp_sum_parse(struct nb_str s, struct cyp_sum *ret)
{
    uint64_t v[2] = { 0, 0 };

    if (s.n != CYP_SUM_HEX - 1)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        unsigned c = (unsigned char)s.p[i];

        c = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : 16;
        if (c > 15)
            return false;
        v[i / 16] = v[i / 16] << 4 | c;
    }
    *ret = (struct cyp_sum){ v[1], v[0] };
    return true;
}

/* --- values ----------------------------------------------------------------------------------- */

static uint64_t double_bits(double d)
{
    uint64_t bits;

    if (d != d)
        return UINT64_C(0x7ff8000000000000); /* as text has only one NaN */
    memcpy(&bits, &d, sizeof(bits));
    return bits;
}

static struct cyp_sum item_add(struct cyp_sum s, struct cyp_sum item)
{
    return sums_mix(TAG_ITEM, s, item);
}

/* Like a list, two floats at a time: embeddings are most of the bytes. */
static struct cyp_sum floats_hash(const struct ps_floats *f)
{
    struct cyp_sum s = { TAG_FLOATS * k2 ^ k0, TAG_FLOATS * k3 ^ k1 };
    size_t i = 0;

    for (; i + 2 <= f->n; i += 2)
        s = words_mix(s, double_bits(ps_floats_get(f, i)), double_bits(ps_floats_get(f, i + 1)));
    if (i < f->n)
        s = words_mix(s, double_bits(ps_floats_get(f, i)), 0);
    return words_mix(s, f->n, TAG_FLOATS);
}

/* Nesting ends at PS_DEPTH_MAX. */
// NOLINTNEXTLINE(misc-no-recursion)
static struct cyp_sum list_hash(const struct ps_list *list)
{
    struct cyp_sum s = { list->n, TAG_LIST };

    for (size_t i = 0; i < list->n; i++)
        s = item_add(s, cyp_hash_value(&list->items[i]));
    return s;
}

static struct cyp_sum datetime_hash(const struct ps_datetime *d)
{
    bool utc = !d->local || !d->zone.n;
    uint64_t v[4] = { (uint64_t)(d->local && utc ? d->seconds - d->offset_seconds : d->seconds),
                      (uint64_t)d->nanos, (uint64_t)(d->zone.n ? 0 : d->offset_seconds), utc };
    struct cyp_sum s = numbers_hash(TAG_DATETIME, v, 4);

    return d->zone.n ? item_add(s, bytes_hash(TAG_STRING, d->zone.p, d->zone.n)) : s;
}

static struct cyp_sum point_hash(const struct ps_point *p)
{
    uint64_t v[4] = { (uint64_t)p->srid, double_bits(p->x), double_bits(p->y),
                      p->dimensions == 3 ? double_bits(p->z) : 0 };

    return numbers_hash(TAG_POINT, v, 4);
}

/* Nesting ends at PS_DEPTH_MAX. */
// NOLINTNEXTLINE(misc-no-recursion)
struct cyp_sum cyp_hash_value(const struct ps_value *v)
{
    uint64_t w[4] = { 0, 0, 0, 0 };

    switch (v->type) {
    case PS_BOOL:
        w[0] = v->boolean;
        return numbers_hash(TAG_BOOL, w, 1);
    case PS_INT:
        w[0] = (uint64_t)v->integer;
        return numbers_hash(TAG_INT, w, 1);
    case PS_FLOAT:
        w[0] = double_bits(v->real);
        return numbers_hash(TAG_FLOAT, w, 1);
    case PS_STRING:
        return bytes_hash(TAG_STRING, v->string.p, v->string.n);
    case PS_BYTES:
        return bytes_hash(TAG_BYTES, v->bytes.p, v->bytes.n);
    case PS_LIST:
        return list_hash(&v->list);
    case PS_FLOATS:
        return floats_hash(&v->floats);
    case PS_DATE:
        w[0] = (uint64_t)v->date_days;
        return numbers_hash(TAG_DATE, w, 1);
    case PS_TIME:
        w[0] = (uint64_t)v->time.nanos;
        w[1] = (uint64_t)v->time.offset_seconds;
        return numbers_hash(TAG_TIME, w, 2);
    case PS_LOCALTIME:
        w[0] = (uint64_t)v->time.nanos;
        return numbers_hash(TAG_LOCALTIME, w, 1);
    case PS_DATETIME:
        return datetime_hash(&v->datetime);
    case PS_LOCALDATETIME:
        w[0] = (uint64_t)v->localdatetime.seconds;
        w[1] = (uint64_t)v->localdatetime.nanos;
        return numbers_hash(TAG_LOCALDATETIME, w, 2);
    case PS_DURATION:
        w[0] = (uint64_t)v->duration.months;
        w[1] = (uint64_t)v->duration.days;
        w[2] = (uint64_t)v->duration.seconds;
        w[3] = (uint64_t)v->duration.nanos;
        return numbers_hash(TAG_DURATION, w, 4);
    case PS_POINT:
        return point_hash(&v->point);
    case PS_VECTOR:
        return item_add(
            numbers_hash(TAG_VECTOR, (uint64_t[]){ v->vector.elem }, 1),
            bytes_hash(TAG_BYTES, v->vector.p, v->vector.n * ps_vector_elem_bytes(v->vector.elem)));
    case PS_UUID:
        return bytes_hash(TAG_UUID, v->uuid, sizeof(v->uuid));
    default:
        return numbers_hash(TAG_NONE, w, 0); /* no property is one of those */
    }
}

static struct cyp_sum props_hash(const struct ps_map *props)
{
    struct cyp_sum sum = { 0, 0 };

    for (size_t i = 0; i < props->n; i++) {
        const struct ps_pair *p = &props->pairs[i];

        if (p->value.type != PS_NULL)
            cyp_sum_add(&sum, sums_mix(TAG_KEY, bytes_hash(TAG_KEY, p->key.p, p->key.n),
                                       cyp_hash_value(&p->value)));
    }
    return sum;
}

struct cyp_sum cyp_hash_node(const struct nb_str *labels, size_t nlabels,
                             const struct ps_map *props)
{
    struct cyp_sum sum = { 0, 0 };

    for (size_t i = 0; i < nlabels; i++)
        cyp_sum_add(&sum, bytes_hash(TAG_LABEL, labels[i].p, labels[i].n));
    return sums_mix(TAG_NODE, sum, props_hash(props));
}

struct cyp_sum cyp_hash_rel(struct nb_str type, const struct ps_map *props)
{
    return sums_mix(TAG_REL, bytes_hash(TAG_TYPE, type.p, type.n), props_hash(props));
}

/* --- a whole graph ---------------------------------------------------------------------------- */

enum { PAGE_BITS = 16, PAGE_NODES = 1 << PAGE_BITS };

struct page {
    int64_t number;   /* id >> PAGE_BITS */
    uint64_t *hashes; /* 0: no such node */
};

struct cyp_digester {
    struct cyp_digest sums;
    struct page *pages; /* open addressing; capacity is a power of two, at most half full */
    size_t npages, cap_pages;
    size_t max_ends_bytes;
    struct cyp_last last;
};

struct cyp_digester *cyp_digester_new(size_t max_ends_bytes)
{
    struct cyp_digester *d = NB_NEW(struct cyp_digester);

    d->max_ends_bytes = max_ends_bytes;
    d->sums.has_ends = max_ends_bytes != 0;
    d->sums.known = true;
    return d;
}

void cyp_digester_free(struct cyp_digester *d)
{
    if (!d)
        return;
    for (size_t i = 0; i < d->cap_pages; i++)
        free(d->pages[i].hashes);
    free(d->pages);
    free(d);
}

static struct page *page_slot(const struct cyp_digester *d, int64_t number)
{
    size_t mask = d->cap_pages - 1, i = mum((uint64_t)number ^ k2, k3) & mask;

    while (d->pages[i].hashes && d->pages[i].number != number)
        i = (i + 1) & mask;
    return &d->pages[i];
}

static void pages_grow(struct cyp_digester *d)
{
    struct page *old = d->pages;
    size_t old_cap = d->cap_pages;

    d->cap_pages = old_cap ? old_cap * 2 : 64;
    d->pages = nb_xcalloc(d->cap_pages, sizeof(*d->pages));
    for (size_t i = 0; i < old_cap; i++)
        if (old[i].hashes)
            *page_slot(d, old[i].number) = old[i];
    free(old);
}

static bool end_put(struct cyp_digester *d, int64_t id, uint64_t hash, struct nb_error *err)
{
    const size_t page_bytes = PAGE_NODES * sizeof(uint64_t);
    struct page *page;

    if (2 * (d->npages + 1) > d->cap_pages)
        pages_grow(d);
    page = page_slot(d, id >> PAGE_BITS);
    if (!page->hashes) {
        if ((d->npages + 1) * page_bytes > d->max_ends_bytes)
            return nb_fail(err, NB_E_LIMIT, "DigestMemory",
                           "the digest of relationship ends needs more than %zu bytes",
                           d->max_ends_bytes);
        page->hashes = nb_xcalloc(PAGE_NODES, sizeof(uint64_t));
        page->number = id >> PAGE_BITS;
        d->npages++;
    }
    page->hashes[id & (PAGE_NODES - 1)] = hash ? hash : 1;
    return true;
}

static bool end_get(const struct cyp_digester *d, int64_t id, uint64_t *ret, struct nb_error *err)
{
    const struct page *page = d->cap_pages ? page_slot(d, id >> PAGE_BITS) : NULL;

    *ret = page && page->hashes ? page->hashes[id & (PAGE_NODES - 1)] : 0;
    return *ret || nb_fail(err, NB_E_INVALID, "MissingNode",
                           "a relationship names the node %lld, which did not come before it",
                           (long long)id);
}

bool cyp_digester_node(struct cyp_digester *d, int64_t id, const struct nb_str *labels,
                       size_t nlabels, const struct ps_map *props, struct nb_error *err)
{
    struct cyp_sum h = cyp_hash_node(labels, nlabels, props);

    if (d->max_ends_bytes && !end_put(d, id, h.lo, err))
        return false;
    d->sums.node_count++;
    cyp_sum_add(&d->sums.nodes, h);
    d->last = (struct cyp_last){ .content = h };
    return true;
}

bool cyp_digester_rel(struct cyp_digester *d, int64_t start_id, int64_t end_id, struct nb_str type,
                      const struct ps_map *props, struct nb_error *err)
{
    struct cyp_sum h = cyp_hash_rel(type, props), ends;

    d->last = (struct cyp_last){ .content = h };
    if (d->max_ends_bytes) {
        if (!end_get(d, start_id, &ends.lo, err) || !end_get(d, end_id, &ends.hi, err))
            return false;
        d->last.with_ends = sums_mix(TAG_ENDS, h, ends);
        cyp_sum_add(&d->sums.rels_ends, d->last.with_ends);
    }
    d->sums.rel_count++;
    cyp_sum_add(&d->sums.rels, h);
    return true;
}

struct cyp_last cyp_digester_last(const struct cyp_digester *d)
{
    return d->last;
}

void cyp_digester_forget(struct cyp_digester *d)
{
    d->sums.known = false;
    d->sums.has_ends = false;
}

void cyp_digester_get(const struct cyp_digester *d, struct cyp_digest *ret)
{
    *ret = d->sums;
}
