#ifndef NB_RUNTIME_QUEUE_CORE_H
#define NB_RUNTIME_QUEUE_CORE_H

/*
 * ctl_queue_core: which key to work on next, and when. Pure: time is an argument, nothing waits.
 *
 * One structure is the queue, the delay queue and the de-duplication (the model is kube-rs'
 * scheduler; the promises are those of client-go's workqueue):
 *   - a key is in the queue at most once, at the earliest time it was asked for;
 *   - a key that is being worked on is given to nobody else; if it is added meanwhile it is
 *     queued again when that work is done;
 *   - a failed key comes back after base * 2^n, at most cap; forget ends the count.
 * Keys due at the same time come in the order in which they were added.
 */

#include "base/buf.h"

struct ctl_queue_core;

struct ctl_queue_core_opts {
    int64_t backoff_base_ms; /* 0: 5 ms */
    int64_t backoff_cap_ms;  /* 0: 30 s: all is well within a minute after the worst outage */
};

struct ctl_queue_core *ctl_queue_core_new(const struct ctl_queue_core_opts *opts);
void ctl_queue_core_free(struct ctl_queue_core *q);
NB_AUTO_DEFINE(struct ctl_queue_core *, ctl_queue_core_free)

/* Due at at_ms (now or later). True when the key was not waiting before. */
bool ctl_queue_core_add(struct ctl_queue_core *q, const char *key, int64_t at_ms);
/* The next due key, marked as being worked on; NULL: none is due. Borrowed until done is called.
 * *ret_due_ms: when it was due. */
const char *ctl_queue_core_take(struct ctl_queue_core *q, int64_t now_ms, int64_t *ret_due_ms);
/* Work on a taken key has ended. */
void ctl_queue_core_done(struct ctl_queue_core *q, const char *key);
/* Counts a failure and adds the key after its back-off, at least min_delay_ms. Call before done. */
void ctl_queue_core_fail(struct ctl_queue_core *q, const char *key, int64_t now_ms,
                         int64_t min_delay_ms);
void ctl_queue_core_forget(struct ctl_queue_core *q, const char *key);
unsigned ctl_queue_core_failures(const struct ctl_queue_core *q, const char *key);
/* When the next key will be due; INT64_MAX: nothing waits. */
int64_t ctl_queue_core_next_due_ms(const struct ctl_queue_core *q);
size_t ctl_queue_core_waiting(const struct ctl_queue_core *q); /* due or not */
size_t ctl_queue_core_due(const struct ctl_queue_core *q, int64_t now_ms);
size_t ctl_queue_core_processing(const struct ctl_queue_core *q);
/* Forgets every waiting key and every failure; what is being worked on stays until done. */
void ctl_queue_core_clear(struct ctl_queue_core *q);

#endif
