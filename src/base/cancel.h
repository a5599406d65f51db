#ifndef NB_BASE_CANCEL_H
#define NB_BASE_CANCEL_H

/*
 * nb_cancel: one token that tells every blocking call of a job to stop: an eventfd to poll beside
 * the socket, and a flag. Setting it is safe from any thread and from a signal handler. Every call
 * that may wait takes `const struct nb_cancel *` (NULL: cannot be cancelled) and a timeout in ms.
 */

#include "base/cleanup.h"
#include "base/error.h"

struct nb_cancel;

struct nb_cancel *nb_cancel_new(void);
/* One that is set with its parent (borrowed; NULL: none), and by itself when the deadline has passed:
 * for a part of a job that has a limit of its own. */
struct nb_cancel *nb_cancel_new_until(const struct nb_cancel *parent, int64_t deadline_mono_ms);
void nb_cancel_free(struct nb_cancel *c);
NB_AUTO_DEFINE(struct nb_cancel *, nb_cancel_free)
void nb_cancel_set(struct nb_cancel *c);
bool nb_cancel_is_set(const struct nb_cancel *c);
/* Readable once set; -1 for NULL. Borrowed. */
int nb_cancel_fd(const struct nb_cancel *c);
/* NB_E_CANCELLED "Cancelled" when set, else true. */
NB_NODISCARD bool nb_cancel_check(const struct nb_cancel *c, struct nb_error *err);
/* Sleeps; false (NB_E_CANCELLED) if told to stop meanwhile. */
NB_NODISCARD bool nb_cancel_sleep(const struct nb_cancel *c, int64_t ms, struct nb_error *err);
/* Waits until fd is ready for the poll(2) events. False: CANCELLED, TIMEOUT or INTERNAL.
 * timeout_ms < 0: no limit. */
NB_NODISCARD bool nb_cancel_poll(const struct nb_cancel *c, int fd, short events,
                                 int64_t timeout_ms, struct nb_error *err);

#endif
