#include "engine/cut.h"

#include "base/hash.h"

enum {
    BLOCK_IDS = 64,
    MIN_DIVISOR = 8,
    MAX_FACTOR = 4,
    AVERAGE_MIN = 2 << 20,
    CHUNKS_WANTED = 20000,
    ELEMENT_BYTES = 200, /* a guess */
    ROW_BYTES = 16,      /* ids and marks */
    NUMBER_BYTES = 8,
    FLOAT_BYTES = 12,
    OTHER_BYTES = 32,
};

void eng_cut_init(struct eng_cut *c, uint64_t average)
{
    *c = (struct eng_cut){ .average = average };
}

void eng_cut_reset(struct eng_cut *c)
{
    eng_cut_init(c, c->average);
}

/* In [0, average): an end where it is below the block's weight. */
static uint64_t draw(int64_t block_id, uint64_t average)
{
    uint64_t hash = nb_hash64(&block_id, sizeof(block_id));

    hash ^= hash >> 33;
    hash *= UINT64_C(0xff51afd7ed558ccd);
    hash ^= hash >> 33;
    return hash % average;
}

bool eng_cut_before(struct eng_cut *c, int64_t id, uint64_t weight)
{
    int64_t block_id = id / BLOCK_IDS;
    bool cut = false;

    if (c->begun && block_id != c->block_id) {
        cut = c->chunk >= c->average / MIN_DIVISOR && draw(block_id, c->average) < c->block;
        c->block = 0;
    }
    cut = cut || c->chunk >= c->average * MAX_FACTOR;
    if (cut)
        c->chunk = 0;
    c->begun = true;
    c->block_id = block_id;
    c->block += weight;
    c->chunk += weight;
    return cut;
}

/* Of a list it is not the items': a property's list holds no lists. */
static uint64_t item_weight(const struct ps_value *v)
{
    switch (v->type) {
    case PS_NULL:
        return 0;
    case PS_BOOL:
    case PS_INT:
        return NUMBER_BYTES;
    case PS_FLOAT:
        return FLOAT_BYTES;
    case PS_STRING:
        return v->string.n + 1;
    case PS_BYTES:
        return v->bytes.n * 4;
    case PS_FLOATS:
        return v->floats.n * FLOAT_BYTES;
    case PS_VECTOR:
        return v->vector.n * FLOAT_BYTES;
    default:
        return OTHER_BYTES;
    }
}

static uint64_t value_weight(const struct ps_value *v)
{
    uint64_t n = 1;

    if (v->type != PS_LIST)
        return item_weight(v);
    for (size_t i = 0; i < v->list.n; i++)
        n += item_weight(&v->list.items[i]);
    return n;
}

uint64_t eng_cut_weight(const struct ps_map *props)
{
    uint64_t n = ROW_BYTES;

    for (size_t i = 0; i < props->n; i++)
        n += value_weight(&props->pairs[i].value);
    return n;
}

uint64_t eng_cut_average(uint64_t elements)
{
    uint64_t average = AVERAGE_MIN;

    while (average < ENG_CUT_AVERAGE_MAX && elements / (average / ELEMENT_BYTES) > CHUNKS_WANTED)
        average *= 2;
    return average;
}
