#include "base/fault.h"

#ifdef NB_FAULTS

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char wanted[64]; /* "": none */
static unsigned long wanted_hit, hits;

bool nb_fault_setup(const char *spec)
{
    const char *colon = spec ? strrchr(spec, ':') : NULL;
    int64_t k = 0;

    if (spec && *spec &&
        (!colon || colon == spec || (size_t)(colon - spec) >= sizeof(wanted) ||
         !nb_parse_i64(colon + 1, 1, INT32_MAX, &k)))
        return false;
    pthread_mutex_lock(&lock);
    snprintf(wanted, sizeof(wanted), "%.*s", colon ? (int)(colon - spec) : 0, spec ? spec : "");
    wanted_hit = (unsigned long)k;
    hits = 0;
    pthread_mutex_unlock(&lock);
    return true;
}

unsigned long nb_fault_hits(void)
{
    unsigned long n;

    pthread_mutex_lock(&lock);
    n = hits;
    pthread_mutex_unlock(&lock);
    return n;
}

bool nb_fault(const char *point, struct nb_error *err)
{
    bool fails = false;

    pthread_mutex_lock(&lock);
    if (wanted[0] && (strcmp(wanted, "*") == 0 || strcmp(wanted, point) == 0))
        fails = ++hits == wanted_hit;
    pthread_mutex_unlock(&lock);
    return !fails || nb_fail(err, NB_E_INTERNAL, "FaultInjected", "fault injected at '%s'", point);
}

#endif
