#include "engine/idset.h"

#include <string.h>

#include "base/mem.h"

enum {
    BLOCK_IDS = 1 << 16,
    BITMAP_WORDS = BLOCK_IDS / 64,
    ARRAY_MAX = 4096, /* above, a bitmap is smaller */
};

struct block {
    int64_t key; /* id >> 16 */
    enum { BLOCK_ARRAY, BLOCK_BITMAP, BLOCK_FULL } kind;
    uint32_t count;
    uint32_t cap; /* BLOCK_ARRAY */
    union {
        uint16_t *array; /* ascending */
        uint64_t *bitmap;
    };
};

struct eng_idset {
    struct block *blocks; /* ascending by key */
    size_t n, cap;
    uint64_t count;
    size_t bytes, max_bytes;
};

struct eng_idset *eng_idset_new(size_t max_bytes)
{
    struct eng_idset *s = NB_NEW(struct eng_idset);

    s->max_bytes = max_bytes;
    return s;
}

void eng_idset_clear(struct eng_idset *s)
{
    for (size_t i = 0; i < s->n; i++) {
        if (s->blocks[i].kind != BLOCK_FULL)
            free(s->blocks[i].array);
    }
    free(s->blocks);
    s->blocks = NULL;
    s->n = s->cap = 0;
    s->count = 0;
    s->bytes = 0;
}

void eng_idset_free(struct eng_idset *s)
{
    if (!s)
        return;
    eng_idset_clear(s);
    free(s);
}

/* Index of the first block with a key of at least `key`. */
static size_t find_block(const struct eng_idset *s, int64_t key)
{
    size_t lo = 0, hi = s->n;

    if (s->n > 0 && s->blocks[s->n - 1].key <= key)
        return s->blocks[s->n - 1].key == key ? s->n - 1 : s->n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;

        if (s->blocks[mid].key < key)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static const struct block *get_block(const struct eng_idset *s, int64_t key)
{
    size_t i = find_block(s, key);

    return i < s->n && s->blocks[i].key == key ? &s->blocks[i] : NULL;
}

static struct block *make_block(struct eng_idset *s, int64_t key)
{
    size_t i = find_block(s, key);

    if (i < s->n && s->blocks[i].key == key)
        return &s->blocks[i];
    if (s->n == s->cap) {
        size_t cap = s->cap ? s->cap * 2 : 16;

        s->blocks = nb_xreallocarray(s->blocks, cap, sizeof(*s->blocks));
        s->bytes += (cap - s->cap) * sizeof(*s->blocks);
        s->cap = cap;
    }
    memmove(&s->blocks[i + 1], &s->blocks[i], (s->n - i) * sizeof(*s->blocks));
    s->n++;
    s->blocks[i] = (struct block){ .key = key, .kind = BLOCK_ARRAY, .array = NULL };
    return &s->blocks[i];
}

/* Index of the first value of at least `low`. */
static uint32_t array_find(const struct block *b, uint16_t low)
{
    uint32_t lo = 0, hi = b->count;

    if (hi > 0 && b->array[hi - 1] < low)
        return hi;
    while (lo < hi) {
        uint32_t mid = (lo + hi) / 2;

        if (b->array[mid] < low)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static bool block_has(const struct block *b, uint16_t low)
{
    uint32_t i;

    switch (b->kind) {
    case BLOCK_FULL:
        return true;
    case BLOCK_BITMAP:
        return b->bitmap[low / 64] >> (low % 64) & 1;
    case BLOCK_ARRAY:
        break;
    }
    i = array_find(b, low);
    return i < b->count && b->array[i] == low;
}

static void set_bit(uint64_t *bitmap, uint16_t low)
{
    bitmap[low / 64] |= (uint64_t)1 << (low % 64);
}

static void array_to_bitmap(struct eng_idset *s, struct block *b)
{
    uint64_t *bitmap = nb_xcalloc(BITMAP_WORDS, sizeof(*bitmap));

    for (uint32_t i = 0; i < b->count; i++)
        set_bit(bitmap, b->array[i]);
    s->bytes += BITMAP_WORDS * sizeof(*bitmap) - b->cap * sizeof(*b->array);
    free(b->array);
    b->kind = BLOCK_BITMAP;
    b->bitmap = bitmap;
    b->cap = 0;
}

static void array_insert(struct eng_idset *s, struct block *b, uint16_t low)
{
    uint32_t i = array_find(b, low);

    if (b->count == b->cap) {
        uint32_t cap = b->cap ? b->cap * 2 : 8;

        b->array = nb_xreallocarray(b->array, cap, sizeof(*b->array));
        s->bytes += (cap - b->cap) * sizeof(*b->array);
        b->cap = cap;
    }
    memmove(&b->array[i + 1], &b->array[i], (b->count - i) * sizeof(*b->array));
    b->array[i] = low;
}

bool eng_idset_add(struct eng_idset *s, int64_t id, bool *ret_new, struct nb_error *err)
{
    uint16_t low = (uint16_t)(id & (BLOCK_IDS - 1));
    struct block *b;

    if (id < 0)
        return nb_fail(err, NB_E_PROTOCOL, "Neo4jProtocolError", "negative id %lld", (long long)id);
    b = make_block(s, id >> 16);
    *ret_new = !block_has(b, low);
    if (!*ret_new)
        return true;
    if (b->kind == BLOCK_ARRAY && b->count == ARRAY_MAX)
        array_to_bitmap(s, b);
    if (b->kind == BLOCK_ARRAY)
        array_insert(s, b, low);
    else
        set_bit(b->bitmap, low);
    b->count++;
    s->count++;
    if (b->count == BLOCK_IDS) {
        free(nb_steal(b->bitmap));
        b->kind = BLOCK_FULL;
        s->bytes -= BITMAP_WORDS * sizeof(uint64_t);
    }
    if (s->max_bytes > 0 && s->bytes > s->max_bytes)
        return nb_fail(err, NB_E_LIMIT, "IdSetTooLarge",
                       "the ids of %llu elements take more than %zu bytes",
                       (unsigned long long)s->count, s->max_bytes);
    return true;
}

bool eng_idset_has(const struct eng_idset *s, int64_t id)
{
    const struct block *b = id < 0 ? NULL : get_block(s, id >> 16);

    return b && block_has(b, (uint16_t)(id & (BLOCK_IDS - 1)));
}

static void full_to_bitmap(struct eng_idset *s, struct block *b)
{
    b->bitmap = nb_xmalloc(BITMAP_WORDS * sizeof(uint64_t));
    memset(b->bitmap, 0xff, BITMAP_WORDS * sizeof(uint64_t));
    b->kind = BLOCK_BITMAP;
    s->bytes += BITMAP_WORDS * sizeof(uint64_t);
}

bool eng_idset_remove(struct eng_idset *s, int64_t id)
{
    uint16_t low = (uint16_t)(id & (BLOCK_IDS - 1));
    struct block *b;

    if (!eng_idset_has(s, id))
        return false;
    b = &s->blocks[find_block(s, id >> 16)];
    if (b->kind == BLOCK_FULL)
        full_to_bitmap(s, b);
    if (b->kind == BLOCK_BITMAP) {
        b->bitmap[low / 64] &= ~((uint64_t)1 << (low % 64));
    } else {
        uint32_t i = array_find(b, low);

        memmove(&b->array[i], &b->array[i + 1], (b->count - i - 1) * sizeof(*b->array));
    }
    b->count--;
    s->count--;
    return true;
}

uint64_t eng_idset_count(const struct eng_idset *s)
{
    return s->count;
}

size_t eng_idset_bytes(const struct eng_idset *s)
{
    return s->bytes;
}

/* The smallest value of at least `low`, or BLOCK_IDS. */
static uint32_t block_next(const struct block *b, uint16_t low)
{
    uint64_t word;
    uint32_t i;

    if (b->kind == BLOCK_FULL)
        return low;
    if (b->kind == BLOCK_ARRAY) {
        i = array_find(b, low);
        return i < b->count ? b->array[i] : BLOCK_IDS;
    }
    i = low / 64;
    word = b->bitmap[i] & (~(uint64_t)0 << (low % 64));
    while (word == 0) {
        if (++i == BITMAP_WORDS)
            return BLOCK_IDS;
        word = b->bitmap[i];
    }
    return i * 64 + (uint32_t)__builtin_ctzll(word);
}

int64_t eng_idset_next(const struct eng_idset *s, int64_t from)
{
    int64_t at = from < 0 ? 0 : from;

    for (size_t i = find_block(s, at >> 16); i < s->n; i++) {
        const struct block *b = &s->blocks[i];
        uint16_t low = b->key == at >> 16 ? (uint16_t)(at & (BLOCK_IDS - 1)) : 0;
        uint32_t found = block_next(b, low);

        if (found < BLOCK_IDS)
            return b->key * BLOCK_IDS + found;
    }
    return -1;
}
