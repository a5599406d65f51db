#ifndef NB_NOTIFY_CONFIG_H
#define NB_NOTIFY_CONFIG_H

/*
 * The controller's configuration file: YAML with the channels that Neo4jBackups may name
 * (docs/notifications.md). Pure: reads no file but the text it is given. Nothing here is a secret:
 * URLs, passwords and keys are named by the files that hold them.
 */

#include "controller/api/meta.h"
#include "controller/api/notice.h"
#include "net/smtp.h"

enum notify_kind { NOTIFY_SLACK, NOTIFY_EMAIL, NOTIFY_WEBHOOK };
enum {
    NOTIFY_CONFIG_MAX_BYTES = 64 << 10,
    NOTIFY_CHANNELS_MAX = 64,
    NOTIFY_RECIPIENTS_MAX = 50,
    NOTIFY_RATE_DEFAULT = 30
};

struct notify_channel {
    const char *name;
    enum notify_kind kind;
    int64_t rate_per_minute;
    const char *ca_file;       /* "": the system's store */
    const char *url_file;      /* Slack, webhook */
    const char *hmac_key_file; /* webhook; "": not signed */
    const char *token_file;    /* webhook; "": no Authorization */
    const char *host;          /* e-mail */
    uint16_t port;             /* 0: that of the security */
    enum smtp_security security;
    const char *username; /* "": username_file, or no authentication */
    const char *username_file, *password_file;
    const char *helo; /* "": the host's name */
    const char *from;
    struct api_strings to;
};

struct notify_config {
    struct nb_arena *arena; /* owns all strings */
    const char *cluster;    /* "": not said */
    struct notify_channel channels[NOTIFY_CHANNELS_MAX];
    size_t count;
};

/* name: the file's path, for messages and because relative names of secret files are below its
 * directory unless the text says otherwise. Errors (NB_E_INVALID, "InvalidConfiguration"): file,
 * line, column, field, what is wrong and what to write. */
NB_NODISCARD bool notify_config_parse(const char *text, size_t n, const char *name,
                                      struct notify_config **ret, struct nb_error *err);
void notify_config_free(struct notify_config *c);
NB_AUTO_DEFINE(struct notify_config *, notify_config_free)
/* NULL: none of that name. */
const struct notify_channel *notify_config_find(const struct notify_config *c, const char *name);

#endif
