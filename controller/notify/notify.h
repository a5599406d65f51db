#ifndef NB_NOTIFY_NOTIFY_H
#define NB_NOTIFY_NOTIFY_H

/*
 * notify: tells the channels of the configuration file. Two threads of its own, so that nobody waits for a receiver; each
 * asks the fence before it sends. The file is read again when it has changed; one with a fault leaves the one before in
 * force. Any thread.
 *
 * What is guaranteed: at least once while the controller runs within a day of the event, and as a rule once. What is to
 * be told stands in the object's status; here is only what this process is doing about it. Twice it is told when we end,
 * or another takes the lead, between telling and writing down that it was told; the receivers get the same id then.
 */

#include "base/cancel.h"
#include "controller/notify/config.h"
#include "controller/notify/message.h"

struct notify;
struct notify_opts {
    const char *config; /* file; "": no channels */
    int64_t reload_ms;  /* look at the file so often; 0: 10 s */
    /* Something has ended for that object. From our threads. */
    void (*ended)(void *ctx, const char *object);
    /* There are other channels now. From our threads. */
    void (*changed)(void *ctx);
    void *ctx;
};
/* Reads the file once. A fault in it is logged and kept for notify_channel(): backups go on without. */
NB_NODISCARD bool notify_start(const struct notify_opts *opts, struct notify **ret,
                               struct nb_error *err);
void notify_stop(struct notify *n);
NB_AUTO_DEFINE(struct notify *, notify_stop)

/* Until notify_begin() nothing is taken or sent. notify_end() waits until nothing is under way, and forgets all.
 * fence: NULL, or asked before each try; false ends it. */
void notify_begin(struct notify *n, bool (*fence)(void *ctx, struct nb_error *err),
                  void *fence_ctx);
void notify_end(struct notify *n);

/* Whether there is such a channel. NB_E_NOT_FOUND "UnknownChannel", or NB_E_INVALID "InvalidConfiguration" as long as
 * there has been no configuration without a fault. Fits plan_options.channel; ctx: the notify. */
bool notify_channel(void *ctx, const char *name, struct nb_error *err);

/* Sees to it that the channel is told; nothing where that goes on already. object: whom to name to ended(). */
void notify_tell(struct notify *n, const char *object, const struct notify_message *m);
/* Forgets what the object's status does not speak of (any more). kept NULL: the object is gone. */
void notify_keep(struct notify *n, const char *object, const char *uid,
                 const struct api_notices *kept);

struct notify_outcome {
    const char *id, *channel;
    bool told;
    const char *text; /* why not */
};
struct notify_outcomes {
    struct nb_arena *arena;
    struct notify_outcome *items;
    size_t count;
};
/* What has ended for the object, copied. */
void notify_outcomes_get(struct notify *n, const char *object, struct notify_outcomes *ret);
void notify_outcomes_done(struct notify_outcomes *o);
NB_AUTO_DONE_DEFINE(struct notify_outcomes, notify_outcomes_done)

#endif
