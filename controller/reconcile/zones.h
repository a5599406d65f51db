#ifndef NB_RECONCILE_ZONES_H
#define NB_RECONCILE_ZONES_H

/*
 * rec_zones: time zones by name, each read once and kept: there are few. What is not found is
 * looked for again at the next call. Any thread.
 */

#include "cron/cron.h"

struct rec_zones;
struct rec_zones *rec_zones_new(const char *dir); /* NULL or "": /usr/share/zoneinfo */
void rec_zones_free(struct rec_zones *z);
NB_AUTO_DEFINE(struct rec_zones *, rec_zones_free)
/* Borrowed for the life of z; NULL with err. ctx: the rec_zones. Fits plan_options.zone. */
const struct cron_zone *rec_zones_get(void *ctx, const char *name, struct nb_error *err);

#endif
