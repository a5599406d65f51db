#ifndef NB_BASE_RETRY_H
#define NB_BASE_RETRY_H

/*
 * How long to wait before the next try. Delay n is base * 2^n up to cap, with full jitter (a random share of it);
 * a peer's Retry-After (err->retry_after_ms) is a lower bound (of at most five minutes). Ends after max_tries or when the deadline would be
 * passed, whichever is first (0 / INT64_MAX: no such end).
 *
 *   struct nb_retry r = NB_RETRY_INIT(500, 20000, 6, INT64_MAX);
 *   do ok = try(err); while (!ok && nb_retry_again(&r, cancel, err));
 */

#include "base/cancel.h"

enum { NB_RETRY_AFTER_MAX_MS = 300000 };
struct nb_retry {
    int64_t base_ms, cap_ms;
    unsigned max_tries;
    int64_t deadline_mono_ms;
    unsigned tries; /* done so far */
};
#define NB_RETRY_INIT(base, cap, tries_, deadline)                                                 \
    {                                                                                              \
        .base_ms = (base), .cap_ms = (cap), .max_tries = (tries_), .deadline_mono_ms = (deadline), \
        .tries = 0                                                                                 \
    }

/* True after having waited, with err cleared: try again. False, err untouched: give up (not transient, out of tries
 * or time, or cancelled: then err becomes NB_E_CANCELLED). */
NB_NODISCARD bool nb_retry_again(struct nb_retry *r, const struct nb_cancel *cancel,
                                 struct nb_error *err);
/* The pure part: rnd in [0, 2^32). */
int64_t nb_retry_delay_ms(const struct nb_retry *r, int64_t retry_after_ms, uint32_t rnd);

#endif
