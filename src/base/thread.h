#ifndef NB_BASE_THREAD_H
#define NB_BASE_THREAD_H

/*
 * Threads, and a bounded queue of pointers between them. Condition variables wait on the monotonic clock.
 */

#include <pthread.h>

#include "base/cleanup.h"
#include "base/error.h"

struct nb_thread;
/* All signals are blocked in the new thread. name: at most 15 characters. */
NB_NODISCARD bool nb_thread_start(const char *name, void *(*fn)(void *), void *arg,
                                  struct nb_thread **ret, struct nb_error *err);
void nb_thread_join(struct nb_thread *t); /* frees t; NULL is fine */

void nb_mutex_init(pthread_mutex_t *m);
void nb_cond_init(pthread_cond_t *c);
/* False when the deadline passed. deadline_mono_ms INT64_MAX: none. */
bool nb_cond_wait(pthread_cond_t *c, pthread_mutex_t *m, int64_t deadline_mono_ms);
unsigned nb_cpu_count(void); /* those this process may use, cgroup quota counted, at least 1 */

/* FIFO of pointers with a fixed capacity; push waits while full, pop while empty. After close, push
 * fails and pop returns what is left, then NULL. Any number of threads on both sides. */
struct nb_queue;
struct nb_queue *nb_queue_new(size_t capacity);
void nb_queue_free(struct nb_queue *q); /* items left inside are the caller's loss */
NB_AUTO_DEFINE(struct nb_queue *, nb_queue_free)
NB_NODISCARD bool nb_queue_push(struct nb_queue *q, void *item); /* false: closed */
void *nb_queue_pop(struct nb_queue *q);                          /* NULL: closed and empty */
void *nb_queue_try_pop(struct nb_queue *q);
void nb_queue_close(struct nb_queue *q);

#endif
