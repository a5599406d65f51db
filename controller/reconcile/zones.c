#include "controller/reconcile/zones.h"

#include "base/map.h"
#include "base/mem.h"
#include "base/thread.h"

struct rec_zones {
    char *dir;
    pthread_mutex_t lock;
    struct nb_map *zones;
};

static void free_zone(void *p)
{
    cron_zone_free(p);
}

struct rec_zones *rec_zones_new(const char *dir)
{
    struct rec_zones *z = NB_NEW(struct rec_zones);

    z->dir = dir && dir[0] ? nb_xstrdup(dir) : NULL;
    z->zones = nb_map_new(free_zone);
    nb_mutex_init(&z->lock);
    return z;
}

void rec_zones_free(struct rec_zones *z)
{
    if (!z)
        return;
    nb_map_free(z->zones);
    pthread_mutex_destroy(&z->lock);
    free(z->dir);
    free(z);
}

const struct cron_zone *rec_zones_get(void *ctx, const char *name, struct nb_error *err)
{
    struct rec_zones *z = ctx;
    size_t n = strlen(name);
    struct cron_zone *zone = NULL, *mine = NULL;

    pthread_mutex_lock(&z->lock);
    zone = nb_map_get(z->zones, name, n);
    pthread_mutex_unlock(&z->lock);
    if (zone)
        return zone;
    if (!cron_zone_load(z->dir, name, &mine, err))
        return NULL;
    pthread_mutex_lock(&z->lock);
    zone = nb_map_get(z->zones, name, n);
    if (!zone) {
        nb_map_put(z->zones, name, n, mine);
        zone = nb_steal(mine);
    }
    pthread_mutex_unlock(&z->lock);
    cron_zone_free(mine); /* somebody was quicker */
    return zone;
}
