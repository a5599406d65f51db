#include "engine/idmap.h"

#include <assert.h>
#include <string.h>

#include "base/mem.h"

enum {
    PAGE_IDS = 256,
    LIST_MIN = 8,
    LIST_MAX = 128, /* a list of more becomes an array */
    TABLE_MIN = 64,
};

/* cap below PAGE_IDS: a list sorted by `lows`, n long; else an array by number, -1 where there is
 * none. */
struct page {
    int64_t number;
    unsigned n, cap;
    int64_t *ids;
    uint8_t *lows; /* behind ids, of the same block; NULL: an array */
};

struct eng_idmap {
    struct page **table; /* open addressing by page number: numbers may be sparse */
    size_t cap, npages;  /* cap: a power of two */
    struct page *last;   /* numbers mostly ascend */
    uint64_t count;
    size_t bytes, max_bytes;
};

struct eng_idmap *eng_idmap_new(size_t max_bytes)
{
    struct eng_idmap *m = NB_NEW(struct eng_idmap);

    m->max_bytes = max_bytes ? max_bytes : SIZE_MAX;
    return m;
}

void eng_idmap_free(struct eng_idmap *m)
{
    if (!m)
        return;
    for (size_t i = 0; i < m->cap; i++) {
        if (m->table[i])
            free(m->table[i]->ids);
        free(m->table[i]);
    }
    free(m->table);
    free(m);
}

static size_t block_bytes(unsigned cap)
{
    return cap * (cap < PAGE_IDS ? sizeof(int64_t) + 1 : sizeof(int64_t));
}

/* --- pages ------------------------------------------------------------------------------------ */

static size_t slot_of(struct page *const *table, size_t cap, int64_t number)
{
    size_t i = (size_t)((uint64_t)number * 0x9e3779b97f4a7c15u >> 20) & (cap - 1);

    while (table[i] && table[i]->number != number)
        i = (i + 1) & (cap - 1);
    return i;
}

static void table_grow(struct eng_idmap *m)
{
    size_t cap = m->cap ? m->cap * 2 : TABLE_MIN;
    struct page **table = nb_xcalloc(cap, sizeof(struct page *));

    for (size_t i = 0; i < m->cap; i++) {
        if (m->table[i])
            table[slot_of(table, cap, m->table[i]->number)] = m->table[i];
    }
    m->bytes += (cap - m->cap) * sizeof(struct page *);
    free(m->table);
    m->table = table;
    m->cap = cap;
}

static struct page *page_get(struct eng_idmap *m, int64_t number)
{
    if (m->last && m->last->number == number)
        return m->last;
    if (!m->cap)
        return NULL;
    return m->table[slot_of(m->table, m->cap, number)];
}

static struct page *page_make(struct eng_idmap *m, int64_t number)
{
    struct page *page = NB_NEW(struct page);

    if (m->npages * 2 >= m->cap)
        table_grow(m);
    page->number = number;
    m->table[slot_of(m->table, m->cap, number)] = page;
    m->npages++;
    m->bytes += sizeof(*page);
    return page;
}

static void page_to_array(struct page *page)
{
    int64_t *ids = nb_xmalloc(block_bytes(PAGE_IDS));

    for (size_t i = 0; i < PAGE_IDS; i++)
        ids[i] = -1;
    for (unsigned i = 0; i < page->n; i++)
        ids[page->lows[i]] = page->ids[i];
    free(page->ids);
    page->ids = ids;
    page->lows = NULL;
    page->cap = PAGE_IDS;
}

static void page_grow(struct eng_idmap *m, struct page *page)
{
    unsigned cap = page->cap ? page->cap * 2 : LIST_MIN;
    int64_t *ids;

    m->bytes -= block_bytes(page->cap);
    if (cap > LIST_MAX) {
        page_to_array(page);
    } else {
        ids = nb_xmalloc(block_bytes(cap));
        if (page->n) {
            assert(page->ids && page->lows);
            memcpy(ids, page->ids, page->n * sizeof(*ids));
            memcpy(ids + cap, page->lows, page->n);
        }
        free(page->ids);
        page->ids = ids;
        page->lows = (uint8_t *)(ids + cap);
        page->cap = cap;
    }
    m->bytes += block_bytes(page->cap);
}

/* Where it is in the list, or would be. From the end: numbers mostly ascend. */
static unsigned list_find(const struct page *page, uint8_t low)
{
    unsigned i = page->n;

    while (i > 0 && page->lows[i - 1] >= low)
        i--;
    return i;
}

/* NULL: not there. */
static int64_t *page_find(const struct page *page, uint8_t low)
{
    unsigned i;

    if (!page->lows)
        return page->cap && page->ids[low] >= 0 ? &page->ids[low] : NULL;
    i = list_find(page, low);
    return i < page->n && page->lows[i] == low ? &page->ids[i] : NULL;
}

static void page_put(struct page *page, uint8_t low, int64_t id)
{
    unsigned i;

    assert(page->ids); /* page_grow() comes first */
    if (page->lows) {
        i = list_find(page, low);
        memmove(page->ids + i + 1, page->ids + i, (page->n - i) * sizeof(*page->ids));
        memmove(page->lows + i + 1, page->lows + i, page->n - i);
        page->ids[i] = id;
        page->lows[i] = low;
    } else {
        page->ids[low] = id;
    }
    page->n++;
}

/* --- the map ---------------------------------------------------------------------------------- */

bool eng_idmap_add(struct eng_idmap *m, int64_t number, int64_t id, struct nb_error *err)
{
    struct page *page;

    if (number < 0 || id < 0)
        return nb_fail(err, NB_E_INVALID, "InvalidId", "a node's id is negative");
    page = page_get(m, number / PAGE_IDS);
    if (!page)
        page = page_make(m, number / PAGE_IDS);
    m->last = page;
    if (page_find(page, (uint8_t)(number % PAGE_IDS)))
        return nb_fail(err, NB_E_CORRUPT, "BadDump", "node %lld is in the dump twice",
                       (long long)number);
    if (page->n == page->cap)
        page_grow(m, page);
    if (m->bytes > m->max_bytes)
        return nb_fail(err, NB_E_LIMIT, "IdMapTooLarge",
                       "the ids of %llu nodes need more than %zu bytes",
                       (unsigned long long)m->count, m->max_bytes);
    page_put(page, (uint8_t)(number % PAGE_IDS), id);
    m->count++;
    return true;
}

int64_t eng_idmap_get(struct eng_idmap *m, int64_t number)
{
    struct page *page = number < 0 ? NULL : page_get(m, number / PAGE_IDS);
    const int64_t *id = page ? page_find(page, (uint8_t)(number % PAGE_IDS)) : NULL;

    if (page)
        m->last = page;
    return id ? *id : -1;
}

bool eng_idmap_remove(struct eng_idmap *m, int64_t number)
{
    struct page *page = number < 0 ? NULL : page_get(m, number / PAGE_IDS);
    int64_t *id = page ? page_find(page, (uint8_t)(number % PAGE_IDS)) : NULL;

    if (!id)
        return false;
    if (page->lows) {
        unsigned i = (unsigned)(id - page->ids);

        memmove(page->ids + i, page->ids + i + 1, (page->n - i - 1) * sizeof(*page->ids));
        memmove(page->lows + i, page->lows + i + 1, page->n - i - 1);
    } else {
        *id = -1;
    }
    page->n--;
    m->count--;
    return true;
}

uint64_t eng_idmap_count(const struct eng_idmap *m)
{
    return m->count;
}

size_t eng_idmap_bytes(const struct eng_idmap *m)
{
    return m->bytes;
}
