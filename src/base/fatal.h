#ifndef NB_BASE_FATAL_H
#define NB_BASE_FATAL_H

/*
 * nb_fatal: the end for faults nobody can handle (memory is out, the random source is gone): one
 * line on stderr, then abort(). Never for anything a peer or a person can cause.
 */

_Noreturn void nb_fatal(const char *what);

#endif
