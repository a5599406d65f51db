#ifndef NB_RUNTIME_LEASE_H
#define NB_RUNTIME_LEASE_H

/*
 * ctl_lease: the rules of leader election over a Lease object, pure. Expiry is judged by the
 * local monotonic clock alone: a holder is gone when its record has not changed for its duration
 * since we saw it change, so clocks may differ at will between nodes (but not run at very
 * different speeds). Source: client-go tools/leaderelection, coordination.k8s.io/v1 Lease.
 */

#include "base/buf.h"
#include "base/json.h"

enum ctl_lease_step {
    CTL_LEASE_WAIT,    /* somebody else holds it */
    CTL_LEASE_CREATE,  /* there is none */
    CTL_LEASE_ACQUIRE, /* nobody holds it any more */
    CTL_LEASE_RENEW    /* we hold it */
};

struct ctl_lease {
    char identity[256];
    int64_t duration_ms;
    char seen[512];          /* holder, renewTime, transitions of the record last seen */
    int64_t seen_at_mono_ms; /* when it was first seen like this */
    char version[80];        /* its resourceVersion, the condition of a write */
    int64_t transitions;
    char holder[256];
};

void ctl_lease_init(struct ctl_lease *l, const char *identity, int64_t duration_ms);
/* lease NULL: there is none. */
enum ctl_lease_step ctl_lease_observe(struct ctl_lease *l, const struct nb_json *lease,
                                      int64_t now_mono_ms);
/* The body of the create, or the merge patch of the acquire, renew or release. */
void ctl_lease_write_create(const struct ctl_lease *l, const char *ns, const char *name,
                            int64_t now_unix_ms, struct nb_buf *out);
void ctl_lease_write_patch(const struct ctl_lease *l, enum ctl_lease_step step, int64_t now_unix_ms,
                           struct nb_buf *out);
void ctl_lease_write_release(const struct ctl_lease *l, int64_t now_unix_ms, struct nb_buf *out);

#endif
