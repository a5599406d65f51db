#ifndef NB_RECONCILE_RUN_METRICS_H
#define NB_RECONCILE_RUN_METRICS_H

/*
 * Counters and histograms of Neo4jBackupRuns. They are moved by what this process itself has
 * written, in the moment in which the API server said that it is there: a list read anew, a
 * second controller and a restart count nothing twice. Any thread.
 */

#include "controller/api/run.h"

/* The run was made just now, by the answer of the API server. */
void rec_run_metrics_created(const struct api_backup *b, const struct nb_json *made,
                             int64_t now_ms);
/* Its status was written: counts if that ended it. before: as it was; NULL: not known, and not
 * counted. */
void rec_run_metrics_written(const struct api_run *before, const struct nb_json *now);

/* What stands for a run's reason in a label: itself, or "Other" when it is no word in CamelCase of at
 * most 40 letters, or when 64 others were seen before. Lives as long as the process. */
const char *rec_run_metrics_reason(const char *reason);

#endif
