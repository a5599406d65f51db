#ifndef NB_API_NOTICE_H
#define NB_API_NOTICE_H

/*
 * Notifications of a Neo4jBackup: what spec.notifications asks for, and status.pendingNotifications,
 * the outbox: what happened and which channels have not been told yet. It is written in the same
 * patch as the fact itself, so that neither a restart nor a second leader loses or makes one.
 */

#include "controller/api/meta.h"

enum {
    API_NOTIFY_SUCCEEDED = 1,
    API_NOTIFY_PARTIAL = 2,
    API_NOTIFY_FAILED = 4,
    API_NOTIFY_RECOVERED = 8,
    API_NOTIFY_OVERDUE = 16,
    API_NOTIFY_VERIFICATION_FAILED = 32,
    API_NOTIFY_RETENTION_BLOCKED = 64
};
/* By bit number: "Succeeded", ..., NULL. */
extern const char *const api_notify_names[];
/* The name of what happened: the lowest bit of `on`. */
const char *api_notify_name(unsigned on);

struct api_notification {
    const char *channel;
    unsigned on; /* API_NOTIFY_… */
};
struct api_notifications {
    struct api_notification *items;
    size_t count;
};
/* spec.notifications; strings go into a. */
void api_notifications_parse(struct nb_arena *a, const struct nb_json *v,
                             struct api_notifications *ret);

enum { API_NOTICES_MAX = 20, API_NOTICE_CHANNELS_MAX = 16, API_NOTICE_MESSAGE_MAX = 1024 };
struct api_notice {
    const char *id; /* "Failed-graph-29455320": once in an object's life */
    const char *event, *reason, *message;
    const char *run; /* "" when it is about none */
    int64_t time;
    const char *channels[API_NOTICE_CHANNELS_MAX]; /* those that have not been told */
    size_t channel_count;
};
struct api_notices {
    struct api_notice items[API_NOTICES_MAX]; /* the oldest first */
    size_t count;
};
void api_notices_parse(struct nb_arena *a, const struct nb_json *v, struct api_notices *ret);
/* Nothing when there are none. */
void api_notices_write(const struct api_notices *n, const char *key, struct nb_jw *w);
/* Takes the i-th out. */
void api_notices_remove(struct api_notices *n, size_t i);
/* Takes that channel out of n; true when it was there. */
bool api_notice_told(struct api_notice *n, const char *channel);

#endif
