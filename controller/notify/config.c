#include "controller/notify/config.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/url.h"
#include "base/yaml.h"

enum { PATH_MAX_BYTES = 200, TEXT_MAX = 1000, RATE_MAX = 600, NAME_MAX_BYTES = 63 };

struct reader {
    const char *file;
    const char *directory; /* of secret files with relative names */
    const struct nb_yaml_marks *marks;
    struct notify_config *out;
    struct nb_error *err;
};

/* An object of the file, and the path to it. */
struct node {
    const struct nb_json *v;
    char path[PATH_MAX_BYTES];
};

static bool fault(const struct reader *r, const char *path, const char *fmt, ...) NB_PRINTF(3, 4);

static bool fault(const struct reader *r, const char *path, const char *fmt, ...)
{
    char what[NB_TEXT_MAX];
    unsigned line, column;
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(what, sizeof(what), fmt, ap);
    va_end(ap);
    nb_yaml_mark(r->marks, path, &line, &column);
    return nb_fail(r->err, NB_E_INVALID, "InvalidConfiguration", "'%s', line %u, column %u: %s%s%s",
                   r->file, line, column, path, *path ? ": " : "", what);
}

static void path_of(const struct node *n, const char *key, char out[PATH_MAX_BYTES])
{
    snprintf(out, PATH_MAX_BYTES, "%.90s%s%.90s", n->path, *n->path ? "." : "", key);
}

/* keys: NULL-ended; every member must be one of them. */
static bool check_object(const struct reader *r, const struct node *n, const char *const *keys)
{
    nb_auto_done(nb_buf_done) struct nb_buf list = NB_BUF_INIT(1000);

    for (size_t i = 0; keys[i]; i++)
        nb_buf_printf(&list, "%s%s", i ? ", " : "", keys[i]);
    if (nb_json_type(n->v) != NB_JSON_OBJECT)
        return fault(r, n->path, "this must be a mapping; hint: its fields are %s",
                     nb_buf_cstr(&list));
    for (const struct nb_json *c = nb_json_first(n->v); c; c = nb_json_next(c)) {
        char path[PATH_MAX_BYTES];
        bool known = false;

        for (size_t i = 0; keys[i] && !known; i++)
            known = nb_streq(keys[i], nb_json_key(c));
        path_of(n, nb_json_key(c), path);
        if (!known)
            return fault(r, path, "there is no such field; hint: there are %s", nb_buf_cstr(&list));
    }
    return true;
}

static bool has_controls(const char *s)
{
    for (; *s; s++)
        if ((unsigned char)*s < ' ' || *s == 0x7f)
            return true;
    return false;
}

/* "" when absent, which is a fault where `mend` says what to write. */
static bool read_text(const struct reader *r, const struct node *n, const char *key,
                      const char *mend, const char **ret)
{
    const struct nb_json *v = nb_json_get(n->v, key);
    const char *text = nb_json_str(v, NULL);
    char path[PATH_MAX_BYTES];

    path_of(n, key, path);
    *ret = "";
    if (!v || nb_json_type(v) == NB_JSON_NULL)
        return !mend || fault(r, n->path, "'%s' is missing; hint: %s", key, mend);
    if (!text)
        return fault(r, path, "this must be a text; hint: put it into quotation marks");
    if (!*text || has_controls(text) || strlen(text) > TEXT_MAX)
        return fault(r, path, "this must be one line of 1 to %d bytes", TEXT_MAX);
    *ret = api_dup(r->out->arena, text);
    return true;
}

static bool read_file_name(const struct reader *r, const struct node *n, const char *key,
                           const char *mend, const char **ret)
{
    if (!read_text(r, n, key, mend, ret))
        return false;
    if (**ret && **ret != '/')
        *ret = api_printf(r->out->arena, "%s/%s", r->directory, *ret);
    return true;
}

/* --- kinds of channels ----------------------------------------------------------------------- */

static bool read_slack(const struct reader *r, const struct node *n, struct notify_channel *ret)
{
    static const char *const keys[] = { "urlFile", "caFile", NULL };

    ret->kind = NOTIFY_SLACK;
    return check_object(r, n, keys) &&
           read_file_name(r, n, "urlFile", "name the file with the webhook's URL",
                          &ret->url_file) &&
           read_file_name(r, n, "caFile", NULL, &ret->ca_file);
}

static bool read_webhook(const struct reader *r, const struct node *n, struct notify_channel *ret)
{
    static const char *const keys[] = { "urlFile", "hmacKeyFile", "bearerTokenFile", "caFile",
                                        NULL };

    ret->kind = NOTIFY_WEBHOOK;
    return check_object(r, n, keys) &&
           read_file_name(r, n, "urlFile", "name the file with the receiver's URL",
                          &ret->url_file) &&
           read_file_name(r, n, "hmacKeyFile", NULL, &ret->hmac_key_file) &&
           read_file_name(r, n, "bearerTokenFile", NULL, &ret->token_file) &&
           read_file_name(r, n, "caFile", NULL, &ret->ca_file);
}

static bool read_server(const struct reader *r, const struct node *n, struct notify_channel *ret)
{
    struct nb_error bad = NB_ERROR_INIT;
    char path[PATH_MAX_BYTES];
    const char *server;
    struct nb_url url;

    if (!read_text(r, n, "server", "write host:port, as mail.example.org:587", &server))
        return false;
    path_of(n, "server", path);
    if (strstr(server, "://") ||
        !nb_url_parse(api_printf(r->out->arena, "smtp://%s", server), "server", &url, &bad) ||
        url.has_userinfo || url.path.n || url.query.n)
        return fault(r, path,
                     "this is not host:port; hint: write mail.example.org:587, and credentials "
                     "into usernameFile and passwordFile");
    ret->host = api_dup(r->out->arena, url.host);
    ret->port = url.port;
    return true;
}

static bool read_security(const struct reader *r, const struct node *n, struct notify_channel *ret)
{
    static const char *const names[] = { "StartTLS", "TLS", "None", NULL };
    char path[PATH_MAX_BYTES];
    const char *text;

    if (!read_text(r, n, "security", NULL, &text))
        return false;
    ret->security = SMTP_STARTTLS;
    path_of(n, "security", path);
    for (int i = 0; *text; i++) {
        if (!names[i])
            return fault(r, path,
                         "'%.40s' is not known; hint: StartTLS, TLS (from the first byte) "
                         "or None",
                         text);
        if (nb_streq(names[i], text)) {
            ret->security = (enum smtp_security)i;
            break;
        }
    }
    return true;
}

static bool check_address(const struct reader *r, const char *path, const char *address)
{
    return smtp_address_is_valid(address) ||
           fault(r, path, "'%.80s' is not an e-mail address; hint: local@domain, without a name",
                 address);
}

static bool read_recipients(const struct reader *r, const struct node *n,
                            struct notify_channel *ret)
{
    const struct nb_json *list = nb_json_get(n->v, "to");
    size_t count = nb_json_type(list) == NB_JSON_ARRAY ? nb_json_count(list) : 0;
    char path[PATH_MAX_BYTES], item[PATH_MAX_BYTES + 30];

    path_of(n, "to", path);
    if (count == 0 || count > NOTIFY_RECIPIENTS_MAX)
        return fault(r, list ? path : n->path,
                     "'to' must be a list of 1 to %d addresses; hint: to: [ops@example.org]",
                     NOTIFY_RECIPIENTS_MAX);
    ret->to.items = api_alloc(r->out->arena, count * sizeof(*ret->to.items));
    for (const struct nb_json *c = nb_json_first(list); c; c = nb_json_next(c)) {
        snprintf(item, sizeof(item), "%s[%zu]", path, ret->to.count);
        if (!check_address(r, item, nb_json_str(c, "")))
            return false;
        ret->to.items[ret->to.count++] = api_dup(r->out->arena, nb_json_str(c, ""));
    }
    return true;
}

static bool check_credentials(const struct reader *r, const struct node *n,
                              const struct notify_channel *c)
{
    bool has_name = *c->username || *c->username_file;

    if (*c->username && *c->username_file)
        return fault(r, n->path, "'username' and 'usernameFile' are both there; hint: keep one");
    if (has_name != (*c->password_file != '\0'))
        return fault(r, n->path, "'%s' is missing; hint: give both a name and a password, or none",
                     has_name ? "passwordFile" : "usernameFile");
    if (has_name && c->security == SMTP_PLAIN)
        return fault(r, n->path,
                     "credentials would be sent in the clear; hint: security: StartTLS");
    return true;
}

static bool check_helo(const struct reader *r, const struct node *n, const char *helo)
{
    char path[PATH_MAX_BYTES];

    path_of(n, "helo", path);
    for (const char *p = helo; *p; p++)
        if (!((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9') ||
              *p == '-' || *p == '.') ||
            p - helo > 250)
            return fault(r, path, "this is not a host name");
    return true;
}

static bool read_email(const struct reader *r, const struct node *n, struct notify_channel *ret)
{
    static const char *const keys[] = { "server",   "security",     "caFile",
                                        "username", "usernameFile", "passwordFile",
                                        "helo",     "from",         "to",
                                        NULL };
    char from[PATH_MAX_BYTES];

    ret->kind = NOTIFY_EMAIL;
    path_of(n, "from", from);
    return check_object(r, n, keys) && read_server(r, n, ret) && read_security(r, n, ret) &&
           read_file_name(r, n, "caFile", NULL, &ret->ca_file) &&
           read_text(r, n, "username", NULL, &ret->username) &&
           read_file_name(r, n, "usernameFile", NULL, &ret->username_file) &&
           read_file_name(r, n, "passwordFile", NULL, &ret->password_file) &&
           check_credentials(r, n, ret) && read_text(r, n, "helo", NULL, &ret->helo) &&
           check_helo(r, n, ret->helo) &&
           read_text(r, n, "from", "write the sender's address", &ret->from) &&
           check_address(r, from, ret->from) && read_recipients(r, n, ret);
}

/* --- the whole ------------------------------------------------------------------------------- */

static bool read_name(const struct reader *r, const struct node *n, struct notify_channel *ret)
{
    char path[PATH_MAX_BYTES];

    if (!read_text(r, n, "name", "the name by which spec.notifications speaks of it", &ret->name))
        return false;
    path_of(n, "name", path);
    for (const char *p = ret->name; *p; p++)
        if (!((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9') ||
              strchr("-_.", *p)) ||
            p - ret->name >= NAME_MAX_BYTES)
            return fault(r, path, "a name has at most %d letters, digits, '-', '_' and '.'",
                         NAME_MAX_BYTES);
    if (notify_config_find(r->out, ret->name))
        return fault(r, path, "'%s' is there twice; hint: names must differ", ret->name);
    return true;
}

static bool read_rate(const struct reader *r, const struct node *n, struct notify_channel *ret)
{
    const struct nb_json *v = nb_json_get(n->v, "ratePerMinute");
    char path[PATH_MAX_BYTES];

    path_of(n, "ratePerMinute", path);
    ret->rate_per_minute = v ? nb_json_i64(v, 0) : NOTIFY_RATE_DEFAULT;
    return (ret->rate_per_minute >= 1 && ret->rate_per_minute <= RATE_MAX) ||
           fault(r, path, "this must be a number from 1 to %d", RATE_MAX);
}

static bool read_kind(const struct reader *r, const struct node *n, struct notify_channel *ret)
{
    static const struct {
        const char *key;
        bool (*read)(const struct reader *r, const struct node *n, struct notify_channel *ret);
    } kinds[] = { { "slack", read_slack }, { "email", read_email }, { "webhook", read_webhook } };
    size_t found = 0, which = 0;
    struct node child;

    for (size_t i = 0; i < NB_ARRAY_LEN(kinds); i++) {
        if (nb_json_get(n->v, kinds[i].key)) {
            which = i;
            found++;
        }
    }
    if (found != 1)
        return fault(r, n->path, "%s; hint: exactly one of slack, email, webhook",
                     found ? "it has more than one kind" : "its kind is missing");
    child.v = nb_json_get(n->v, kinds[which].key);
    path_of(n, kinds[which].key, child.path);
    return kinds[which].read(r, &child, ret);
}

static bool read_channel(const struct reader *r, const struct node *n)
{
    static const char *const keys[] = {
        "name", "ratePerMinute", "slack", "email", "webhook", NULL
    };
    struct notify_channel c = {
        .ca_file = "",
        .url_file = "",
        .hmac_key_file = "",
        .token_file = "",
        .host = "",
        .username = "",
        .username_file = "",
        .password_file = "",
        .helo = "",
        .from = "",
    };

    if (!check_object(r, n, keys) || !read_name(r, n, &c) || !read_rate(r, n, &c) ||
        !read_kind(r, n, &c))
        return false;
    r->out->channels[r->out->count++] = c;
    return true;
}

static bool read_channels(const struct reader *r, const struct node *n)
{
    const struct nb_json *list = nb_json_get(n->v, "channels");
    struct node child = { .v = NULL };
    size_t i = 0;
    char path[PATH_MAX_BYTES];

    path_of(n, "channels", path);
    if (!list || nb_json_type(list) == NB_JSON_NULL)
        return true;
    if (nb_json_type(list) != NB_JSON_ARRAY || nb_json_count(list) > NOTIFY_CHANNELS_MAX)
        return fault(r, path, "this must be a list of at most %d channels", NOTIFY_CHANNELS_MAX);
    for (child.v = nb_json_first(list); child.v; child.v = nb_json_next(child.v)) {
        snprintf(child.path, sizeof(child.path), "%.100s[%zu]", path, i++);
        if (!read_channel(r, &child))
            return false;
    }
    return true;
}

static const char *directory_of(struct nb_arena *a, const char *file)
{
    const char *slash = strrchr(file, '/');

    return slash ? api_printf(a, "%.*s", (int)(slash - file), file) : ".";
}

static bool read_notifications(struct reader *r, const struct node *n)
{
    static const char *const keys[] = { "cluster", "secretsDirectory", "channels", NULL };
    const char *directory;

    if (!n->v || nb_json_type(n->v) == NB_JSON_NULL)
        return true;
    if (!check_object(r, n, keys) || !read_text(r, n, "cluster", NULL, &r->out->cluster) ||
        !read_file_name(r, n, "secretsDirectory", NULL, &directory))
        return false;
    if (*directory)
        r->directory = directory;
    return read_channels(r, n);
}

static bool read_root(struct reader *r, const struct nb_json *v)
{
    static const char *const keys[] = { "notifications", NULL };
    struct node root = { .v = v, .path = "" };
    struct node child = { .v = nb_json_get(v, "notifications"), .path = "notifications" };

    if (nb_json_type(v) == NB_JSON_NULL) /* an empty file */
        return true;
    return check_object(r, &root, keys) && read_notifications(r, &child);
}

bool notify_config_parse(const char *text, size_t n, const char *name, struct notify_config **ret,
                         struct nb_error *err)
{
    nb_auto(notify_config_free) struct notify_config *c = NB_NEW(struct notify_config);
    nb_auto(nb_yaml_marks_free) struct nb_yaml_marks *marks = NULL;
    nb_auto(nb_json_free) struct nb_json *v = NULL;
    struct reader r = { .file = name, .out = c, .err = err };

    c->arena = api_arena_new();
    c->cluster = "";
    if (!nb_yaml_parse_marked(text, n, NOTIFY_CONFIG_MAX_BYTES, name, &v, &marks, err)) {
        snprintf(err->reason, sizeof(err->reason), "InvalidConfiguration");
        err->code = NB_E_INVALID;
        return false;
    }
    r.marks = marks;
    r.directory = directory_of(c->arena, name);
    if (!read_root(&r, v))
        return false;
    *ret = nb_steal(c);
    return true;
}

void notify_config_free(struct notify_config *c)
{
    if (!c)
        return;
    nb_arena_free(c->arena);
    free(c);
}

const struct notify_channel *notify_config_find(const struct notify_config *c, const char *name)
{
    for (size_t i = 0; c && i < c->count; i++)
        if (nb_streq(c->channels[i].name, name))
            return &c->channels[i];
    return NULL;
}
