#ifndef NB_RUNTIME_RECORDER_H
#define NB_RUNTIME_RECORDER_H

/*
 * ctl_recorder: Events (core/v1), written by a thread of its own, so that nobody waits for them.
 * The same thing said again raises the count of the Event that is there, as do many like it
 * (event_limit.h); one object may have 25 Events at once and then one every five minutes; at most
 * 1,000 wait, and more are dropped, warnings last (an Event is news, not a record). That is
 * counted, and said once in the log. Any thread. Model: client-go tools/record (events_cache.go).
 */

#include "kube/client.h"

struct ctl_recorder;
/* component: reported as the source; static. auth must outlive it. */
NB_NODISCARD bool ctl_recorder_start(struct kube_auth *auth, const char *component,
                                     struct ctl_recorder **ret, struct nb_error *err);
/* Writes what waits, for at most 2 s; then frees. */
void ctl_recorder_stop(struct ctl_recorder *r);
NB_AUTO_DEFINE(struct ctl_recorder *, ctl_recorder_stop)

struct ctl_reference {
    const char *api_version, *kind, *ns, *name, *uid;
};
/* All copied. reason: CamelCase; text is cut at 1,024 bytes. */
void ctl_recorder_event(struct ctl_recorder *r, const struct ctl_reference *about, bool warning,
                        const char *reason, const char *text);

#endif
