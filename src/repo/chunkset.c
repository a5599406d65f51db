/* Sets of chunks as listings have them (repo_priv.h). */

#include "base/mem.h"
#include "repo/repo_priv.h"

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool repo_chunk_id_parse(const char *name, uint8_t ret[NB_SHA256_BYTES])
{
    for (size_t i = 0; i < NB_SHA256_BYTES; i++) {
        int high = hex_value(name[2 * i]), low = high < 0 ? -1 : hex_value(name[2 * i + 1]);

        if (low < 0)
            return false;
        ret[i] = (uint8_t)(high << 4 | low);
    }
    return nb_streq(name + (size_t)2 * NB_SHA256_BYTES, ".cypher.gz");
}

static int compare(const void *a, const void *b)
{
    return memcmp(((const struct repo_chunk *)a)->id, ((const struct repo_chunk *)b)->id,
                  NB_SHA256_BYTES);
}

void repo_chunkset_add(struct repo_chunkset *s, const struct repo_chunk *chunk)
{
    if (s->n == s->cap) {
        s->cap = s->cap ? 2 * s->cap : 64;
        s->items = nb_xreallocarray(s->items, s->cap, sizeof(*s->items));
    }
    /* As a rule they come in order. */
    s->unsorted = s->unsorted || (s->n > 0 && compare(&s->items[s->n - 1], chunk) > 0);
    s->items[s->n++] = *chunk;
}

struct repo_chunk *repo_chunkset_find(struct repo_chunkset *s, const uint8_t id[NB_SHA256_BYTES])
{
    struct repo_chunk key = { .size = 0 };

    if (s->n == 0)
        return NULL;
    if (s->unsorted)
        qsort(s->items, s->n, sizeof(*s->items), compare);
    s->unsorted = false;
    memcpy(key.id, id, NB_SHA256_BYTES);
    return bsearch(&key, s->items, s->n, sizeof(*s->items), compare);
}

void repo_chunkset_done(struct repo_chunkset *s)
{
    free(s->items);
    *s = (struct repo_chunkset){ .items = NULL };
}

void repo_backup_compact(const struct repo *r, struct repo_backup *b)
{
    struct repo_manifest *m = b->manifest;
    struct nb_error ignored = NB_ERROR_INIT;
    char dir[REPO_KEY_MAX + 1];
    size_t dir_n, left = 0;

    if (m->type != REPO_INCREMENTAL ||
        !repo_chunk_dir(r->prefix, m->owner, m->database, dir, &ignored))
        return;
    dir_n = strlen(dir);
    b->chunks = nb_xcalloc(m->objects_n + 1, sizeof(*b->chunks));
    for (size_t i = 0; i < m->objects_n; i++) {
        struct repo_object *o = &m->objects[i];
        struct repo_chunk_ref *c = &b->chunks[b->chunks_n];

        if (!nb_starts_with(o->key, dir) || !repo_chunk_id_parse(o->key + dir_n, c->id)) {
            m->objects[left++] = *o;
            continue;
        }
        c->size = o->size;
        c->etag = repo_etag_hash(o->etag);
        b->chunks_n++;
        free(o->key);
    }
    m->objects_n = m->objects_cap = left;
    if (left == 0) {
        free(m->objects);
        m->objects = NULL;
    } else {
        m->objects = nb_xreallocarray(m->objects, left, sizeof(*m->objects));
    }
    if (!nb_streq(m->owner, r->owner))
        b->chunks_n = 0; /* nobody asks */
    b->chunks = nb_xreallocarray(b->chunks, b->chunks_n + 1, sizeof(*b->chunks));
}
