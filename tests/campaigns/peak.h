#ifndef NB_TESTS_CAMPAIGNS_PEAK_H
#define NB_TESTS_CAMPAIGNS_PEAK_H

/*
 * The peak memory of the worker (the very program), by the kernel's own accounting (ru_maxrss). A
 * process begins with what its parent has, and what the fakes keep would be counted: so the worker is
 * forked while there is little, and told later what to run. All in a process of its own, with which all that
 * the fakes keep is gone.
 */

#include <stddef.h>
#include <sys/types.h>

#include "base/error.h"

struct peak {
    long kib;
    unsigned timeouts;                                /* of the server, where it has them */
    char fault[sizeof(((struct nb_error *)0)->text)]; /* "": none */
};

struct peak_worker {
    pid_t pid;
    int order; /* a pipe; whoever reads it waits for what to run */
};

/* In a process of its own, which ends after an hour at the latest. False: err has the fault. */
bool peak_apart(void (*inside)(const void *what, struct peak *ret), const void *what,
                struct peak *ret, struct nb_error *err);
/* Before anything else is made. */
bool peak_worker_fork(struct peak_worker *w, struct peak *ret);
/* `neo4j-backup COMMAND` with what the fakes ask for, that environment (NULL in it: none) and no
 * other; waits for its end. */
bool peak_worker_run(struct peak_worker *w, const char *command, const char *const *env,
                     size_t env_n, struct peak *ret);
/* For remarks: "NAME, N MB: x MiB", behind what is there. */
void peak_note(char *text, size_t size, const char *name, unsigned megabytes, const struct peak *p);

#endif
