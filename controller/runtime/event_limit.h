#ifndef NB_RUNTIME_EVENT_LIMIT_H
#define NB_RUNTIME_EVENT_LIMIT_H

/*
 * ctl_event_limit: which Events to write anew, which to count up, which to drop. Pure. What was
 * said within ten minutes is counted up; once ten different texts of one object, reason and type
 * came, each within ten minutes of the one before, the next ones are one Event together, which
 * has the last text. Bounded: what has no say any more is forgotten, and of 2,048 objects and texts
 * each the one not heard of longest when another comes. Model: client-go tools/record (events_cache.go).
 */

#include "base/buf.h"

struct ctl_event_limit;
struct ctl_event_limit *ctl_event_limit_new(void);
void ctl_event_limit_free(struct ctl_event_limit *l);
NB_AUTO_DEFINE(struct ctl_event_limit *, ctl_event_limit_free)

struct ctl_event_said {
    const char *uid; /* of the object */
    bool warning;
    const char *reason, *text;
};
enum ctl_event_step { CTL_EVENT_CREATE, CTL_EVENT_COUNT, CTL_EVENT_DROP };
struct ctl_event_record {
    char suffix[17]; /* of the Event's name, after the object's: set by the caller after a create */
    int64_t count;
    int64_t first_unix_seconds, last_unix_seconds;
    bool combined; /* it stands for several texts: say so, and give it the last one */
};
/* *ret: to be filled in or read; valid until the next call. */
enum ctl_event_step ctl_event_limit_ask(struct ctl_event_limit *l,
                                        const struct ctl_event_said *said, int64_t now_unix_seconds,
                                        struct ctl_event_record **ret);
/* How many objects, kinds of texts and texts are remembered. */
size_t ctl_event_limit_held(const struct ctl_event_limit *l);

#endif
