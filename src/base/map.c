#include "base/map.h"

#include "base/hash.h"
#include "base/mem.h"

/* key NULL: never used, or (dead) removed, so that a probe goes on. */
struct map_entry {
    uint64_t hash;
    char *key;
    size_t n;
    void *value;
    bool dead;
};

struct nb_map {
    void (*free_value)(void *);
    struct map_entry *entries;
    size_t cap;  /* power of two, or 0 */
    size_t live; /* keys */
    size_t used; /* keys and dead entries */
};

struct nb_map *nb_map_new(void (*free_value)(void *))
{
    struct nb_map *m = NB_NEW(struct nb_map);

    m->free_value = free_value;
    return m;
}

static void drop_value(const struct nb_map *m, void *value)
{
    if (m->free_value && value)
        m->free_value(value);
}

void nb_map_clear(struct nb_map *m)
{
    for (size_t i = 0; i < m->cap; i++) {
        if (m->entries[i].key) {
            free(m->entries[i].key);
            drop_value(m, m->entries[i].value);
        }
    }
    free(m->entries);
    m->entries = NULL;
    m->cap = m->live = m->used = 0;
}

void nb_map_free(struct nb_map *m)
{
    if (!m)
        return;
    nb_map_clear(m);
    free(m);
}

static struct map_entry *find(const struct nb_map *m, uint64_t hash, const char *key, size_t n)
{
    size_t i;

    if (m->cap == 0)
        return NULL;
    /* At least a quarter of the entries was never used, so the probe ends. */
    for (i = hash & (m->cap - 1);; i = (i + 1) & (m->cap - 1)) {
        struct map_entry *e = &m->entries[i];

        if (!e->key && !e->dead)
            return NULL;
        if (e->key && e->hash == hash && e->n == n && (n == 0 || memcmp(e->key, key, n) == 0))
            return e;
    }
}

static void place(struct nb_map *m, struct map_entry add)
{
    size_t i = add.hash & (m->cap - 1);

    while (m->entries[i].key)
        i = (i + 1) & (m->cap - 1);
    if (!m->entries[i].dead)
        m->used++;
    m->entries[i] = add;
    m->live++;
}

static void grow(struct nb_map *m)
{
    struct map_entry *old = m->entries;
    size_t old_cap = m->cap;

    if (old_cap && m->used + 1 <= old_cap / 4 * 3)
        return;
    m->cap = 16;
    while (m->live + 1 > m->cap / 2)
        m->cap *= 2;
    m->entries = nb_xcalloc(m->cap, sizeof(*m->entries));
    m->live = m->used = 0;
    for (size_t i = 0; i < old_cap; i++) {
        if (old[i].key)
            place(m, old[i]);
    }
    free(old);
}

void *nb_map_get(const struct nb_map *m, const char *key, size_t n)
{
    struct map_entry *e = find(m, nb_hash64(key, n), key, n);

    return e ? e->value : NULL;
}

void nb_map_put(struct nb_map *m, const char *key, size_t n, void *value)
{
    uint64_t hash = nb_hash64(key, n);
    struct map_entry *e = find(m, hash, key, n);
    char *copy;

    if (e) {
        if (e->value != value)
            drop_value(m, e->value);
        e->value = value;
        return;
    }
    grow(m);
    copy = nb_xmalloc(n + 1);
    if (n)
        memcpy(copy, key, n);
    copy[n] = '\0';
    place(m, (struct map_entry){ .hash = hash, .key = copy, .n = n, .value = value });
}

bool nb_map_remove(struct nb_map *m, const char *key, size_t n)
{
    struct map_entry *e = find(m, nb_hash64(key, n), key, n);
    void *value;

    if (!e)
        return false;
    value = e->value;
    free(e->key); /* key may be this very memory: not read any more */
    *e = (struct map_entry){ .dead = true };
    m->live--;
    drop_value(m, value);
    return true;
}

size_t nb_map_count(const struct nb_map *m)
{
    return m->live;
}

bool nb_map_next(const struct nb_map *m, size_t *pos, struct nb_str *ret_key, void **ret_value)
{
    for (; *pos < m->cap; (*pos)++) {
        const struct map_entry *e = &m->entries[*pos];

        if (!e->key)
            continue;
        if (ret_key)
            *ret_key = (struct nb_str){ e->key, e->n };
        if (ret_value)
            *ret_value = e->value;
        (*pos)++;
        return true;
    }
    return false;
}

void nb_vec_push(struct nb_vec *v, void *item)
{
    if (v->count == v->cap) {
        v->cap = v->cap ? v->cap * 2 : 8;
        v->items = nb_xreallocarray(v->items, v->cap, sizeof(*v->items));
    }
    v->items[v->count++] = item;
}

void nb_vec_done(struct nb_vec *v)
{
    free(v->items);
    *v = (struct nb_vec){ 0 };
}
