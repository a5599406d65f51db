#ifndef NB_BASE_FAULT_H
#define NB_BASE_FAULT_H

/*
 * Fault points: places where a step that can fail is made to fail, so that the paths behind it are
 * run by tests. Only in builds with FAULTS=1; elsewhere nb_fault() is `true` and costs nothing.
 *
 *   if (!nb_fault("gz.deflate", err))
 *       return false;
 *
 * Point names are "<module>.<step>". Any thread.
 */

#include "base/error.h"

#ifdef NB_FAULTS
/* False with NB_E_INTERNAL "FaultInjected" on the hit that was asked for. */
NB_NODISCARD bool nb_fault(const char *point, struct nb_error *err);
/* "point:k" or "*:k": the k-th hit (from 1) of that point, or of all points together, fails; every
 * other one passes. NULL or "": none does. Sets the hit count to 0. False: not of that form. */
NB_NODISCARD bool nb_fault_setup(const char *spec);
/* Hits of what was set up so far; lets a test go on until a run has no k-th hit. */
unsigned long nb_fault_hits(void);
#else
#define nb_fault(point, err) ((void)(err), true)
static inline bool nb_fault_setup(const char *spec)
{
    return !spec || !*spec;
}
static inline unsigned long nb_fault_hits(void)
{
    return 0;
}
#endif

#endif
