#ifndef NB_MAIN_STATE_DIR_H
#define NB_MAIN_STATE_DIR_H

/*
 * The state directory of a schedule, and its locks:
 *
 *   scheduler.lock   held by `schedule` as long as it lives: there is one a directory
 *   run.lock         held by a `backup` while it runs: the schedule's or one by hand, never both
 *   state.json       what the schedule remembers (main/schedule_state.h); only it writes there
 *   last-run.json    how the last `backup` that held run.lock ended: the termination message
 *
 * Locks are open file description locks (fcntl(2), F_OFD_SETLK): the kernel lets go of them however
 * their holder ends, and they can be asked about without being taken.
 */

#include "main/options.h"

#define STATE_SCHEDULER_LOCK "scheduler.lock"
#define STATE_RUN_LOCK       "run.lock"
#define STATE_FILE           "state.json"
#define STATE_LAST_RUN       "last-run.json"

/* Makes it unless it is there. The default, in a directory that is everybody's, must be our own. */
NB_NODISCARD bool state_dir_make(const struct options *o, struct nb_error *err);
/* The path of a file in it; to be freed. */
char *state_dir_file(const struct options *o, const char *name);

/* Until *ret_fd is closed. NB_E_CONFLICT "AlreadyRunning", with who holds it; `what` for the text:
 * "another backup". */
NB_NODISCARD bool state_lock_take(const struct options *o, const char *name, const char *what,
                                  int *ret_fd, struct nb_error *err);
bool state_lock_is_held(const struct options *o, const char *name);

/* For `backup`: run.lock, if BACKUP_STATE_DIR is set or a schedule runs with the default; else
 * *ret_fd stays -1. */
NB_NODISCARD bool state_lock_run(const struct options *o, int *ret_fd, struct nb_error *err);

#endif
