#ifndef NB_RUNTIME_CLOCK_WATCH_H
#define NB_RUNTIME_CLOCK_WATCH_H

/*
 * ctl_clock_watch: whether the wall clock has jumped. Who waits for a moment of the wall clock waits
 * on the monotonic clock, for as long as it was away: after a step of the wall clock, or a sleep of
 * the machine (which the monotonic clock does not count), that is too long or too short. Pure; no
 * threads.
 */

#include <stdbool.h>
#include <stdint.h>

enum { CTL_CLOCK_LOOK_MS = 5000 }; /* how often to look */

struct ctl_clock_watch {
    int64_t offset_ms; /* of the wall clock from the monotonic one, at the start or the last jump */
};

void ctl_clock_watch_init(struct ctl_clock_watch *w, int64_t unix_ms, int64_t mono_ms);
/* True: they are more than a second further apart, or closer, than when it was last true;
 * *ret_jump_ms says how far the wall clock has jumped. */
bool ctl_clock_watch_take(struct ctl_clock_watch *w, int64_t unix_ms, int64_t mono_ms,
                          int64_t *ret_jump_ms);

#endif
