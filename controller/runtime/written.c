#include "controller/runtime/written.h"

#include <stdio.h>

#include "base/map.h"
#include "base/mem.h"
#include "base/thread.h"
#include "kube/object.h"

enum { STORES_MAX = 6, VERSION_MAX = 80 };

struct pending {
    struct {
        struct ctl_store *store;
        char version[VERSION_MAX];
    } items[STORES_MAX];
    size_t count;
    int64_t written_at_mono_ms;
};

struct ctl_written {
    pthread_mutex_t lock;
    struct nb_map *keys; /* key -> struct pending * */
};

struct ctl_written *ctl_written_new(void)
{
    struct ctl_written *w = NB_NEW(struct ctl_written);

    nb_mutex_init(&w->lock);
    w->keys = nb_map_new(free);
    return w;
}

void ctl_written_free(struct ctl_written *w)
{
    if (!w)
        return;
    nb_map_free(w->keys);
    pthread_mutex_destroy(&w->lock);
    free(w);
}

static void note(struct pending *p, struct ctl_store *store, const char *version)
{
    size_t i = 0;

    while (i < p->count && p->items[i].store != store)
        i++;
    if (i == STORES_MAX)
        return;
    if (i == p->count) {
        p->count++;
        p->items[i].store = store;
        p->items[i].version[0] = '\0';
    }
    if (kube_rv_compare(version, p->items[i].version) > 0)
        snprintf(p->items[i].version, VERSION_MAX, "%s", version);
}

void ctl_written_note(struct ctl_written *w, const char *key, struct ctl_store *store,
                      const char *resource_version, int64_t now_mono_ms)
{
    size_t n = strlen(key);
    struct pending *p;

    if (resource_version[0] == '\0' || strlen(resource_version) >= VERSION_MAX)
        return;
    pthread_mutex_lock(&w->lock);
    p = nb_map_get(w->keys, key, n);
    if (!p) {
        p = NB_NEW(struct pending);
        nb_map_put(w->keys, key, n, p);
    }
    note(p, store, resource_version);
    p->written_at_mono_ms = now_mono_ms;
    pthread_mutex_unlock(&w->lock);
}

bool ctl_written_is_seen(struct ctl_written *w, const char *key, int64_t now_mono_ms)
{
    size_t n = strlen(key);
    const struct pending *p;
    bool seen = true;

    pthread_mutex_lock(&w->lock);
    p = nb_map_get(w->keys, key, n);
    if (p && now_mono_ms - p->written_at_mono_ms < CTL_WRITTEN_FORGET_MS)
        for (size_t i = 0; i < p->count && seen; i++)
            seen = ctl_store_has_reached(p->items[i].store, p->items[i].version);
    if (p && seen)
        nb_map_remove(w->keys, key, n);
    pthread_mutex_unlock(&w->lock);
    return seen;
}
