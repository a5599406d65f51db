#include "controller/notify/deliver.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/secret.h"
#include "base/url.h"
#include "net/http.h"

enum {
    SECRET_MAX_BYTES = 16 << 10,
    CA_MAX_BYTES = 1 << 20,
    BODY_MAX_BYTES = 64 << 10,
    WORD_MAX = 60
};

/* --- files ----------------------------------------------------------------------------------- */

/* NULL for file "". Blanks and line ends around the text are not part of it. */
static bool read_secret(const char *what, const char *file, struct nb_secret **ret,
                        struct nb_error *err)
{
    struct nb_buf text = NB_BUF_INIT(SECRET_MAX_BYTES);
    const char *p;
    size_t n;
    bool ok;

    *ret = NULL;
    if (!*file)
        return true;
    (void)nb_buf_reserve(&text, SECRET_MAX_BYTES); /* growing would leave copies behind */
    ok = nb_file_read(file, &text, err);
    p = nb_buf_cstr(&text);
    n = text.len;
    while (n > 0 && isspace((unsigned char)*p)) {
        p++;
        n--;
    }
    while (n > 0 && isspace((unsigned char)p[n - 1]))
        n--;
    if (ok && (n == 0 || memchr(p, '\0', n) || memchr(p, '\n', n)))
        ok =
            nb_fail(err, NB_E_NOT_FOUND, "InvalidSecret", "file '%s' does not hold one line", file);
    if (ok)
        *ret = nb_secret_new(p, n);
    nb_wipe(text.data, text.cap);
    nb_buf_done(&text);
    return ok || nb_wrap(err, "%s", what);
}

/* Leaves *ret NULL for file "". */
static bool read_ca(const char *file, char **ret, struct nb_error *err)
{
    nb_auto_done(nb_buf_done) struct nb_buf text = NB_BUF_INIT(CA_MAX_BYTES);

    *ret = NULL;
    if (!*file)
        return true;
    if (!nb_file_read(file, &text, err))
        return nb_wrap(err, "caFile");
    *ret = nb_buf_take(&text);
    return true;
}

/* --- HTTP ------------------------------------------------------------------------------------ */

/* Slack and others say why in a word or two: "no_service". More than that may be anything. */
static const char *reason_word(const struct http_response *r, char out[WORD_MAX + 5])
{
    const char *p = nb_buf_cstr(&r->body);
    size_t n = strlen(p);

    out[0] = '\0';
    for (size_t i = 0; i < n; i++)
        if (!(p[i] >= 'a' && p[i] <= 'z') && p[i] != '_')
            return out;
    if (n > 0 && n <= WORD_MAX)
        snprintf(out, WORD_MAX + 5, ": '%s'", p);
    return out;
}

static int64_t retry_after_ms(const struct http_response *r)
{
    char text[80];
    int64_t v;

    if (!http_response_header(r, "retry-after", text, sizeof(text)))
        return -1;
    if (nb_parse_i64(text, 0, 86400, &v))
        return v * 1000;
    if (nb_time_parse_http(text, &v)) {
        v -= nb_clock_unix_seconds();
        return v > 0 && v <= 86400 ? v * 1000 : -1;
    }
    return -1;
}

static bool judge(const struct http_response *r, const char *host, struct nb_error *err)
{
    bool transient = r->status == 408 || r->status == 429 || r->status >= 500;
    char word[WORD_MAX + 5];

    if (r->status / 100 == 2)
        return true;
    if (r->status / 100 == 3)
        return nb_fail(err, NB_E_DENIED, "ReceiverRedirects",
                       "'%s' answered HTTP %d; hint: redirects are not followed, use the URL that "
                       "it leads to",
                       host, r->status);
    nb_fail(err, transient ? NB_E_UNAVAILABLE : NB_E_DENIED,
            transient ? "ReceiverUnavailable" : "ReceiverRefused", "'%s' answered HTTP %d%s", host,
            r->status, reason_word(r, word));
    err->retry_after_ms = retry_after_ms(r);
    return false;
}

static bool check_url(struct nb_str text, struct nb_url *url, struct nb_error *err)
{
    if (!nb_url_parse(text.p, "urlFile", url, err))
        return false;
    if (!nb_streq(url->scheme, "https") && !nb_streq(url->scheme, "http"))
        return nb_fail(err, NB_E_INVALID, "InvalidUrl",
                       "'urlFile' holds no https:// or http:// URL");
    return true;
}

static bool post(const struct notify_channel *c, struct nb_str body,
                 const struct http_header *headers, size_t headers_n,
                 const struct nb_cancel *cancel, struct nb_error *err)
{
    nb_auto(nb_secret_free) struct nb_secret *url = NULL;
    nb_auto(nb_secret_free) struct nb_secret *path = NULL;
    nb_auto(nb_free) char *ca = NULL;
    nb_auto(http_client_free) struct http_client *client = NULL;
    nb_auto_done(http_response_done) struct http_response r = HTTP_RESPONSE_INIT;
    struct http_request req = { .method = "POST",
                                .headers = headers,
                                .headers_n = headers_n,
                                .body = body.p,
                                .body_n = body.n,
                                .max_body = BODY_MAX_BYTES,
                                .timeout_ms = NOTIFY_TRY_MS };
    struct nb_url parts;

    if (!read_secret("urlFile", c->url_file, &url, err) || !read_ca(c->ca_file, &ca, err) ||
        !check_url(nb_secret_str(url), &parts, err))
        return false;
    /* A receiver that repeats its path must not put it into a log either. */
    path = nb_secret_new(parts.path.p, strlen(parts.path.p));
    (void)path; /* known to the log's redaction as long as it lives */
    if (!http_client_new(&(struct http_client_opts){ .ca_pem = ca }, &client, err))
        return false;
    req.url = nb_secret_str(url).p;
    return http_client_send(client, &req, cancel, &r, err) && judge(&r, parts.host, err);
}

static bool send_slack(const struct notify_channel *c, const struct notify_message *m,
                       const struct nb_cancel *cancel, struct nb_error *err)
{
    nb_auto_done(nb_buf_done) struct nb_buf body = NB_BUF_INIT(BODY_MAX_BYTES);
    const struct http_header headers[] = { { "Content-Type", "application/json" } };

    notify_slack_write(m, &body);
    return nb_buf_check(&body, err) &&
           post(c, nb_buf_str(&body), headers, NB_ARRAY_LEN(headers), cancel, err);
}

static bool send_webhook(const struct notify_channel *c, const struct notify_message *m,
                         const struct nb_cancel *cancel, struct nb_error *err)
{
    nb_auto_done(nb_buf_done) struct nb_buf body = NB_BUF_INIT(BODY_MAX_BYTES);
    nb_auto_done(nb_buf_done) struct nb_buf id = NB_BUF_INIT(1000);
    nb_auto_done(nb_buf_done) struct nb_buf bearer = NB_BUF_INIT(SECRET_MAX_BYTES + 20);
    nb_auto(nb_secret_free) struct nb_secret *key = NULL;
    nb_auto(nb_secret_free) struct nb_secret *token = NULL;
    char timestamp[24], signature[NOTIFY_SIGNATURE_MAX];
    int64_t now = nb_clock_unix_seconds();
    struct http_header headers[6] = { { "Content-Type", "application/json" } };
    size_t n = 1;
    bool ok;

    notify_webhook_write(m, &body);
    notify_message_key(m, &id);
    if (!nb_buf_check(&body, err) || !read_secret("hmacKeyFile", c->hmac_key_file, &key, err) ||
        !read_secret("bearerTokenFile", c->token_file, &token, err))
        return false;
    snprintf(timestamp, sizeof(timestamp), "%lld", (long long)now);
    headers[n++] = (struct http_header){ "X-Neo4j-Backup-Id", nb_buf_cstr(&id) };
    headers[n++] = (struct http_header){ "X-Neo4j-Backup-Event", m->event };
    headers[n++] = (struct http_header){ "X-Neo4j-Backup-Timestamp", timestamp };
    if (key) {
        notify_signature(nb_secret_str(key), now, nb_buf_str(&body), signature);
        headers[n++] = (struct http_header){ "X-Neo4j-Backup-Signature", signature };
    }
    if (token) {
        (void)nb_buf_reserve(&bearer, SECRET_MAX_BYTES + 10);
        nb_buf_printf(&bearer, "Bearer %s", nb_secret_str(token).p);
        headers[n++] = (struct http_header){ "Authorization", nb_buf_cstr(&bearer) };
    }
    ok = post(c, nb_buf_str(&body), headers, n, cancel, err);
    nb_wipe(bearer.data, bearer.cap);
    return ok;
}

/* --- e-mail ---------------------------------------------------------------------------------- */

static bool send_email(const struct notify_channel *c, const struct notify_message *m,
                       const struct nb_cancel *cancel, struct nb_error *err)
{
    nb_auto_done(nb_buf_done) struct nb_buf mail = NB_BUF_INIT(BODY_MAX_BYTES);
    nb_auto(nb_secret_free) struct nb_secret *user = NULL;
    nb_auto(nb_secret_free) struct nb_secret *password = NULL;
    nb_auto(nb_free) char *ca = NULL;
    struct smtp_request req = { .host = c->host,
                                .port = c->port,
                                .security = c->security,
                                .helo = *c->helo ? c->helo : NULL,
                                .from = c->from,
                                .to = c->to.items,
                                .to_n = c->to.count,
                                .timeout_ms = NOTIFY_TRY_MS };

    if (!read_secret("usernameFile", c->username_file, &user, err) ||
        !read_secret("passwordFile", c->password_file, &password, err) ||
        !read_ca(c->ca_file, &ca, err))
        return false;
    notify_email_write(m, c->from, c->to.items, c->to.count, nb_clock_unix_seconds(), &mail);
    if (!nb_buf_check(&mail, err))
        return false;
    req.ca_pem = ca;
    req.username = user ? nb_secret_str(user).p : *c->username ? c->username : NULL;
    req.password = password ? nb_secret_str(password).p : NULL;
    req.message = mail.data;
    req.message_n = mail.len;
    return smtp_send(&req, cancel, err);
}

bool notify_deliver(const struct notify_channel *c, const struct notify_message *m,
                    const struct nb_cancel *cancel, struct nb_error *err)
{
    switch (c->kind) {
    case NOTIFY_SLACK:
        return send_slack(c, m, cancel, err);
    case NOTIFY_WEBHOOK:
        return send_webhook(c, m, cancel, err);
    case NOTIFY_EMAIL:
        return send_email(c, m, cancel, err);
    }
    return nb_fail(err, NB_E_INTERNAL, "UnknownKind", "channel '%s' is of no known kind", c->name);
}
