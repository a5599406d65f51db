#ifndef NB_RUNTIME_EVENT_LIMIT_H
#define NB_RUNTIME_EVENT_LIMIT_H

/*
 * ctl_event_limit: which Events to write anew, which to count up, which to drop. Pure. Bounded:
 * what was said longest ago is forgotten first, all at once, when too much is known.
 */

#include "base/buf.h"

struct ctl_event_limit;
struct ctl_event_limit *ctl_event_limit_new(void);
void ctl_event_limit_free(struct ctl_event_limit *l);
NB_AUTO_DEFINE(struct ctl_event_limit *, ctl_event_limit_free)

enum ctl_event_step { CTL_EVENT_CREATE, CTL_EVENT_COUNT, CTL_EVENT_DROP };
struct ctl_event_record {
    char name[254]; /* of the Event object: set by the caller after a create */
    int64_t count;
    int64_t first_unix_seconds, last_unix_seconds;
};
/* *ret: to be filled in or read; valid until the next call. */
enum ctl_event_step ctl_event_limit_ask(struct ctl_event_limit *l, const char *uid,
                                        const char *reason, const char *text,
                                        int64_t now_unix_seconds, struct ctl_event_record **ret);

#endif
