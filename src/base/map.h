#ifndef NB_BASE_MAP_H
#define NB_BASE_MAP_H

/*
 * nb_map: string keys (bytes, copied) to void * values (borrowed, or freed by free_value if given). Open
 * addressing; iteration in no particular order. nb_vec: growing array of pointers. One thread at a time.
 */

#include "base/buf.h"

struct nb_map;
struct nb_map *nb_map_new(void (*free_value)(void *));
void nb_map_free(struct nb_map *m);
NB_AUTO_DEFINE(struct nb_map *, nb_map_free)
void *nb_map_get(const struct nb_map *m, const char *key, size_t n);
/* Replaces (and frees) what was there. */
void nb_map_put(struct nb_map *m, const char *key, size_t n, void *value);
/* True when it was there (value freed). */
bool nb_map_remove(struct nb_map *m, const char *key, size_t n);
size_t nb_map_count(const struct nb_map *m);
void nb_map_clear(struct nb_map *m);
/* *pos starts at 0; false at the end. Removing the entry just returned is allowed. key is NUL-terminated. */
bool nb_map_next(const struct nb_map *m, size_t *pos, struct nb_str *ret_key, void **ret_value);

struct nb_vec {
    void **items;
    size_t count, cap;
};
void nb_vec_push(struct nb_vec *v, void *item);
void nb_vec_done(struct nb_vec *v); /* items themselves are the caller's */

#endif
