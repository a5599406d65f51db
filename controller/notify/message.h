#ifndef NB_NOTIFY_MESSAGE_H
#define NB_NOTIFY_MESSAGE_H

/*
 * What the receivers get. Pure. Names and texts may hold anything: none of them can end a header, make a mention or a
 * link in Slack, or leave a JSON string. Sources: api.slack.com/reference/surfaces/formatting; RFC 5322, 2045, 2047;
 * docs/notifications.md for the webhook.
 */

#include "base/buf.h"

struct notify_message {
    const char *id, *event, *reason, *text;
    const char *run; /* "" when it is about none */
    const char *ns, *name, *uid;
    const char *channel;
    const char *cluster; /* "": not said */
    int64_t time;        /* when it was noticed */
};

/* The same for every try and every controller, and for no other notification: "<uid>/<id>". */
void notify_message_key(const struct notify_message *m, struct nb_buf *out);
/* "Backup failed": for people. */
const char *notify_message_title(const struct notify_message *m);

/* JSON for an incoming webhook. */
void notify_slack_write(const struct notify_message *m, struct nb_buf *out);
/* JSON of the generic webhook. */
void notify_webhook_write(const struct notify_message *m, struct nb_buf *out);
/* "v1=" and the HMAC-SHA256, in hex, of "<timestamp>.<body>". */
enum { NOTIFY_SIGNATURE_MAX = 68 };
void notify_signature(struct nb_str key, int64_t timestamp, struct nb_str body,
                      char out[NOTIFY_SIGNATURE_MAX]);
/* A whole mail with CR LF; lines of the body have at most 76 bytes. Addresses are valid ones. */
void notify_email_write(const struct notify_message *m, const char *from, const char *const *to,
                        size_t to_n, int64_t now, struct nb_buf *out);

#endif
