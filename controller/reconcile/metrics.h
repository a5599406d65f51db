#ifndef NB_RECONCILE_METRICS_H
#define NB_RECONCILE_METRICS_H

/*
 * The state of each Neo4jBackup as metrics, so that an alert needs no look at objects. Made from
 * the store when asked for: nothing is kept, and what is gone is gone. Any thread.
 */

#include "controller/runtime/store.h"

/* Prometheus text format 0.0.4. */
void rec_metrics_write(struct ctl_store *backups, struct nb_buf *out);

#endif
