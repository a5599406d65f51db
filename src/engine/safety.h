#ifndef NB_ENGINE_SAFETY_H
#define NB_ENGINE_SAFETY_H

/*
 * eng_safety: a backup of what a restore is about to delete. An ordinary backup (engine/backup.h):
 * checked in the bucket, or written into a file, with a manifest.
 *
 * One restore may be tried more than once. Each try makes a backup, since somebody may have written
 * to the target between two of them, and what is stored twice costs only room. Not where an earlier
 * try of the same restore (by the repo's run id and the scheduled time) has made one and had begun
 * to fill the target: what is there now is a part of the dump, and what was there is safe.
 */

#include "engine/backup.h"

/* NB_E_CONFLICT "SafetyBackupExists": there is such a file, or a manifest beside it. */
NB_NODISCARD bool eng_safety_check_output(const char *path, struct nb_error *err);
/* half_filled: the target has the marks of a restore (engine/stamp.h). ret->already: the safety backup
 * of an earlier try is the one. */
NB_NODISCARD bool eng_safety_run(const struct eng_backup_opts *opts, bool half_filled,
                                 struct eng_backup_result *ret, struct nb_error *err);

#endif
