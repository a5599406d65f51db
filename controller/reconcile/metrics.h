#ifndef NB_RECONCILE_METRICS_H
#define NB_RECONCILE_METRICS_H

/*
 * The state of each Neo4jBackup as metrics, so that an alert needs no look at objects. The few
 * numbers of each are read when it changes, so that a scrape only prints them; what is gone is
 * gone. Some 300 bytes a Neo4jBackup. Any thread.
 */

#include "controller/runtime/store.h"

struct rec_metrics;
struct rec_metrics *rec_metrics_new(void);
void rec_metrics_free(struct rec_metrics *m);
NB_AUTO_DEFINE(struct rec_metrics *, rec_metrics_free)

/* A Neo4jBackup has changed. Fits ctl_store_on_change; ctx: the rec_metrics. */
void rec_metrics_changed(void *ctx, const struct ctl_object *before,
                         const struct ctl_object *after);
/* Prometheus text format 0.0.4. */
void rec_metrics_write(struct rec_metrics *m, struct nb_buf *out);

#endif
