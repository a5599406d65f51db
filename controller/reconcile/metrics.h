#ifndef NB_RECONCILE_METRICS_H
#define NB_RECONCILE_METRICS_H

/* The state of each Neo4jBackup as metrics, so that an alert needs no look at objects. Any thread. */

#include "controller/api/backup.h"

void rec_metrics_show(const struct api_backup *b);
/* key: "namespace/name" of one that is gone. */
void rec_metrics_forget(const char *key);

#endif
