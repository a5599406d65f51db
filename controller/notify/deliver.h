#ifndef NB_NOTIFY_DELIVER_H
#define NB_NOTIFY_DELIVER_H

/*
 * One try to tell one channel. Reads the channel's secret files each time, so that a changed Secret needs no restart.
 * Any thread; at most NOTIFY_TRY_MS.
 */

#include "base/cancel.h"
#include "controller/notify/config.h"
#include "controller/notify/message.h"

enum { NOTIFY_TRY_MS = 20000 };

/* True: the receiver has taken it. Transient errors (nb_error_is_transient, retry_after_ms) are worth another try; so
 * is NB_E_NOT_FOUND, a secret file that may yet come. Texts hold no URL beyond the host, and no secret. */
NB_NODISCARD bool notify_deliver(const struct notify_channel *c, const struct notify_message *m,
                                 const struct nb_cancel *cancel, struct nb_error *err);

#endif
