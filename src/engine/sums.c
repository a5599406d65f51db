#include "engine/sums.h"

#include <string.h>

#include "base/mem.h"

/* Pages, in a table with open addressing by page number: ids may be sparse. */
enum { PAGE_BLOCKS = 256, TABLE_MIN = 64 };

struct page {
    int64_t number;
    struct eng_sum sums[PAGE_BLOCKS];
};

struct eng_sums {
    struct page **table;
    size_t cap, n;     /* cap: a power of two */
    struct page *last; /* ids mostly ascend */
};

struct eng_sums *eng_sums_new(void)
{
    return NB_NEW(struct eng_sums);
}

void eng_sums_free(struct eng_sums *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->cap; i++)
        free(s->table[i]);
    free(s->table);
    free(s);
}

/* Where the page is, or would be. */
static size_t slot_of(struct page *const *table, size_t cap, int64_t number)
{
    size_t i = (size_t)((uint64_t)number * 0x9e3779b97f4a7c15u >> 20) & (cap - 1);

    while (table[i] && table[i]->number != number)
        i = (i + 1) & (cap - 1);
    return i;
}

static void grow(struct eng_sums *s)
{
    size_t cap = s->cap ? s->cap * 2 : TABLE_MIN;
    struct page **table = nb_xcalloc(cap, sizeof(struct page *));

    for (size_t i = 0; i < s->cap; i++) {
        if (s->table[i])
            table[slot_of(table, cap, s->table[i]->number)] = s->table[i];
    }
    free(s->table);
    s->table = table;
    s->cap = cap;
}

struct eng_sum eng_sums_get(const struct eng_sums *s, int64_t index)
{
    int64_t number = index / PAGE_BLOCKS;
    const struct page *page = s->last;

    if (!page || page->number != number)
        page = s->cap ? s->table[slot_of(s->table, s->cap, number)] : NULL;
    return page ? page->sums[index % PAGE_BLOCKS] : (struct eng_sum){ 0, 0 };
}

struct eng_sum *eng_sums_at(struct eng_sums *s, int64_t index)
{
    int64_t number = index / PAGE_BLOCKS;

    if (!s->last || s->last->number != number) {
        size_t slot;

        if (s->n * 2 >= s->cap)
            grow(s);
        slot = slot_of(s->table, s->cap, number);
        if (!s->table[slot]) {
            s->table[slot] = NB_NEW(struct page);
            s->table[slot]->number = number;
            s->n++;
        }
        s->last = s->table[slot];
    }
    return &s->last->sums[index % PAGE_BLOCKS];
}

/* What a's pages have otherwise than b; what only b has is found the other way round. */
static bool diff_pages(const struct eng_sums *a, const struct eng_sums *b, struct eng_idset *ret,
                       struct nb_error *err)
{
    for (size_t i = 0; i < a->cap; i++) {
        const struct page *page = a->table[i];

        for (int64_t k = 0; page && k < PAGE_BLOCKS; k++) {
            int64_t index = page->number * PAGE_BLOCKS + k;
            struct eng_sum other = eng_sums_get(b, index);
            bool is_new;

            if ((page->sums[k].nodes != other.nodes || page->sums[k].rels != other.rels) &&
                !eng_idset_add(ret, index, &is_new, err))
                return false;
        }
    }
    return true;
}

bool eng_sums_diff(const struct eng_sums *a, const struct eng_sums *b, struct eng_idset *ret,
                   struct nb_error *err)
{
    return diff_pages(a, b, ret, err) && diff_pages(b, a, ret, err);
}
