#include "base/mem.h"

#include <stdint.h>

/*
 * A list of blocks, filled in order. After a reset the blocks are used again from the first on.
 * `used` counts what was handed out; blocks together may take up to about twice max, since the
 * rest of a block may be too small for what comes next.
 */

enum { ARENA_ALIGN = 16, ARENA_FIRST_BLOCK = 4096, ARENA_LARGEST_STEP = 1 << 20 };

struct arena_block {
    struct arena_block *next;
    size_t size, used;
    _Alignas(ARENA_ALIGN) unsigned char data[];
};

struct nb_arena {
    struct arena_block *first, *last, *current;
    size_t max, used, reserved;
};

struct nb_arena *nb_arena_new(size_t max_bytes)
{
    struct nb_arena *a = NB_NEW(struct nb_arena);

    a->max = max_bytes;
    return a;
}

static void free_blocks(struct nb_arena *a, struct arena_block *b)
{
    while (b) {
        struct arena_block *next = b->next;

        a->reserved -= b->size;
        free(b);
        b = next;
    }
}

void nb_arena_free(struct nb_arena *a)
{
    if (!a)
        return;
    free_blocks(a, a->first);
    free(a);
}

void nb_arena_reset(struct nb_arena *a)
{
    for (struct arena_block *b = a->first; b; b = b->next)
        b->used = 0;
    a->current = a->first;
    a->used = 0;
}

size_t nb_arena_used_bytes(const struct nb_arena *a)
{
    return a->used;
}

/* Blocks kept from an earlier round must not add up: those behind the current one are given back
 * when the next one would go beyond max. */
static void drop_spare_blocks(struct nb_arena *a)
{
    if (!a->current)
        return;
    free_blocks(a, a->current->next);
    a->current->next = NULL;
    a->last = a->current;
}

static struct arena_block *add_block(struct nb_arena *a, size_t size, struct nb_error *err)
{
    size_t step = a->reserved < ARENA_FIRST_BLOCK ? ARENA_FIRST_BLOCK : a->reserved;
    struct arena_block *b;

    if (step > ARENA_LARGEST_STEP)
        step = ARENA_LARGEST_STEP;
    if (step > a->max)
        step = a->max;
    if (step < size)
        step = size;
    if (a->reserved + step > a->max)
        drop_spare_blocks(a);
    b = malloc(sizeof(*b) + step);
    if (!b) {
        nb_fail(err, NB_E_LIMIT, "OutOfMemory", "memory is out: %zu bytes wanted", step);
        return NULL;
    }
    b->next = NULL;
    b->size = step;
    b->used = 0;
    if (a->last)
        a->last->next = b;
    else
        a->first = b;
    a->last = b;
    a->reserved += step;
    return b;
}

void *nb_arena_alloc(struct nb_arena *a, size_t size, struct nb_error *err)
{
    struct arena_block *b;
    size_t rounded;
    void *p;

    if (size > a->max || a->max - size < a->used) {
        nb_fail(err, NB_E_LIMIT, "ArenaLimit",
                "a record needs more than the limit of %zu bytes of memory", a->max);
        return NULL;
    }
    rounded = (size + (size_t)(ARENA_ALIGN - 1)) & ~(size_t)(ARENA_ALIGN - 1);
    for (b = a->current; b && b->size - b->used < rounded; b = b->next)
        ;
    if (!b)
        b = add_block(a, rounded, err);
    if (!b)
        return NULL;
    a->current = b;
    p = b->data + b->used;
    b->used += rounded;
    a->used += rounded;
    return p;
}
