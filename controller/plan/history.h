#ifndef NB_PLAN_HISTORY_H
#define NB_PLAN_HISTORY_H

/*
 * Which Run objects are too many. Kept: the newest of each sort up to its limit (a partial run
 * counts as failed), pinned ones, those that have not ended, and those not recorded in the backup's
 * status yet. Backups in the bucket are never touched by this.
 */

#include "controller/plan/plan.h"

/* Indices into runs, oldest first; at most ret_max. */
size_t plan_history(const struct api_run *const *runs, size_t count, int64_t successful_limit,
                    int64_t failed_limit, size_t *ret, size_t ret_max);

#endif
