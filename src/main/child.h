#ifndef NB_MAIN_CHILD_H
#define NB_MAIN_CHILD_H

/*
 * This program, run once more as a process of its own: what it leaks or how it crashes is nothing
 * to the one that started it, and its memory goes back when it ends. It is told to stop (SIGTERM)
 * when its parent ends, and has a process group of its own, so that Ctrl-C reaches the parent only.
 * Single-threaded parents only.
 */

#include <sys/types.h>

#include "base/error.h"

enum { CHILD_NOT_STARTED = 127 }; /* its exit code where the program could not be run */

/* argv[0] is only its name. Standard streams are shared. */
NB_NODISCARD bool child_start(char *const *argv, char *const *envp, pid_t *ret,
                              struct nb_error *err);

/* Readable when any child has ended; SIGCHLD is blocked from then on (not in children). */
NB_NODISCARD bool child_watch_open(int *ret_fd, struct nb_error *err);
/* Takes what is to be read, and reaps every child that has ended, strangers too (process 1 gets
 * all orphans of a container). True: `pid` was among them, *ret_status as of waitpid(2). */
bool child_watch_take(int fd, pid_t pid, int *ret_status);

#endif
