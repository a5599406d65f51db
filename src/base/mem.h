#ifndef NB_BASE_MEM_H
#define NB_BASE_MEM_H

/*
 * Allocation. Small ones whose size is ours end the process when memory is out (the kernel kills
 * before malloc fails under a cgroup limit, and both programs can be started again); a size that
 * came from a peer goes through nb_try_alloc() with a limit.
 */

#include <stddef.h>

#include "base/cleanup.h"
#include "base/error.h"

void *nb_xmalloc(size_t size) __attribute__((malloc, returns_nonnull, alloc_size(1)));
void *nb_xcalloc(size_t count, size_t size)
    __attribute__((malloc, returns_nonnull, alloc_size(1, 2)));
void *nb_xrealloc(void *p, size_t size) __attribute__((returns_nonnull));
/* Checks count * size for overflow. */
void *nb_xreallocarray(void *p, size_t count, size_t size) __attribute__((returns_nonnull));
char *nb_xstrdup(const char *s) __attribute__((malloc, returns_nonnull));
/* NULL stays NULL. */
char *nb_xstrdup_null(const char *s);
char *nb_xstrndup(const char *s, size_t n) __attribute__((malloc, returns_nonnull));
char *nb_xasprintf(const char *fmt, ...) NB_PRINTF(1, 2) __attribute__((returns_nonnull));

/* NULL and NB_E_LIMIT when size is above limit, NB_E_LIMIT too when memory is out. */
NB_NODISCARD void *nb_try_alloc(size_t size, size_t limit, struct nb_error *err);

#define NB_NEW(type)    ((type *)nb_xcalloc(1, sizeof(type)))
#define NB_ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/*
 * nb_arena: many small allocations freed at once, for values that live as long as one record.
 * nb_arena_reset() keeps the blocks, so a loop over records settles without calling malloc.
 * Total size is limited: beyond max, alloc fails with NB_E_LIMIT. One thread at a time.
 */
struct nb_arena;
struct nb_arena *nb_arena_new(size_t max_bytes);
void nb_arena_free(struct nb_arena *a);
NB_AUTO_DEFINE(struct nb_arena *, nb_arena_free)
/* 16-byte aligned, not zeroed; NULL with err set when max is reached. size 0 gives a valid ptr. */
NB_NODISCARD void *nb_arena_alloc(struct nb_arena *a, size_t size, struct nb_error *err);
void nb_arena_reset(struct nb_arena *a);
size_t nb_arena_used_bytes(const struct nb_arena *a);

#endif
