#ifndef NB_RUNTIME_QUEUE_H
#define NB_RUNTIME_QUEUE_H

/*
 * ctl_queue: a ctl_queue_core behind a lock, with the monotonic clock, waiting, and the metrics
 * that client-go's workqueue has (workqueue_*). Any thread.
 */

#include "controller/runtime/queue_core.h"

struct ctl_queue;
/* name: the metrics' label; borrowed, static. */
struct ctl_queue *ctl_queue_new(const char *name, const struct ctl_queue_core_opts *opts);
void ctl_queue_free(struct ctl_queue *q);
NB_AUTO_DEFINE(struct ctl_queue *, ctl_queue_free)

void ctl_queue_add(struct ctl_queue *q, const char *key);
void ctl_queue_add_after(struct ctl_queue *q, const char *key, int64_t delay_ms);
/* Waits for a due key; a copy, the caller's to free after done. NULL: the queue was closed. */
char *ctl_queue_take(struct ctl_queue *q);
void ctl_queue_done(struct ctl_queue *q, const char *key);
void ctl_queue_fail(struct ctl_queue *q, const char *key, int64_t min_delay_ms);
void ctl_queue_forget(struct ctl_queue *q, const char *key);
/* take returns NULL from now on; adds are still remembered, for after reopen. */
void ctl_queue_close(struct ctl_queue *q);
void ctl_queue_reopen(struct ctl_queue *q);

#endif
