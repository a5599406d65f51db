#include "net/smtp.h"

#include <stdio.h>

#include <curl/curl.h>

#include "base/buf.h"
#include "base/fatal.h"
#include "base/mem.h"
#include "base/secret.h"

enum { SMTP_TIMEOUT_MS = 30000, SMTP_CONNECT_MS = 10000, ADDRESS_MAX = 254, REPLY_SHOWN = 160 };

/* One mail under way. */
struct mail {
    const struct smtp_request *req;
    const struct nb_cancel *cancel;
    struct nb_error *err;
    CURL *easy;
    struct curl_slist *to;
    char server[300];        /* "smtp://host:port": for libcurl and for messages */
    char url[600];           /* with our own name */
    char reply[REPLY_SHOWN]; /* the server's last line that says no */
    char curl_text[CURL_ERROR_SIZE];
    size_t sent;
};

bool smtp_address_is_valid(const char *address)
{
    const char *at = strrchr(address, '@');
    size_t n = strlen(address);

    if (!at || at == address || !at[1] || n > ADDRESS_MAX)
        return false;
    for (size_t i = 0; i < n; i++)
        if (address[i] <= ' ' || address[i] > '~' || strchr("<>()[],;:\\\"", address[i]))
            return false;
    return true;
}

/* A lone CR or LF is where one server sees the end of a mail and the next one does not. */
static bool has_lone_line_ends(const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (p[i] == '\r' && (i + 1 == n || p[i + 1] != '\n'))
            return true;
        if (p[i] == '\n' && (i == 0 || p[i - 1] != '\r'))
            return true;
    }
    return n < 2 || p[n - 1] != '\n' || memchr(p, '\0', n);
}

static bool check(const struct smtp_request *req, struct nb_error *err)
{
    if (!smtp_address_is_valid(req->from))
        return nb_fail(err, NB_E_INVALID, "InvalidAddress", "'%s' is not an e-mail address",
                       req->from);
    for (size_t i = 0; i < req->to_n; i++)
        if (!smtp_address_is_valid(req->to[i]))
            return nb_fail(err, NB_E_INVALID, "InvalidAddress", "'%s' is not an e-mail address",
                           req->to[i]);
    if (req->to_n == 0)
        return nb_fail(err, NB_E_INVALID, "InvalidAddress", "a mail needs a recipient");
    if (has_lone_line_ends(req->message, req->message_n))
        return nb_fail(err, NB_E_INVALID, "InvalidMessage",
                       "a mail's lines must end with CR LF, and hold neither otherwise");
    if (req->security == SMTP_PLAIN && req->username)
        return nb_fail(err, NB_E_INVALID, "InvalidCredentials",
                       "credentials are not sent without TLS");
    return true;
}

static size_t on_read(char *to, size_t size, size_t count, void *ctx)
{
    struct mail *m = ctx;
    size_t n = m->req->message_n - m->sent;

    if (n > size * count)
        n = size * count;
    memcpy(to, m->req->message + m->sent, n);
    m->sent += n;
    return n;
}

/* The server's lines: the last one that says no. (After it libcurl says goodbye.) */
static size_t on_header(char *p, size_t size, size_t count, void *ctx)
{
    struct mail *m = ctx;
    size_t n = size * count, text_n = n;

    if (n == 0 || (p[0] != '4' && p[0] != '5'))
        return n;
    while (text_n && (p[text_n - 1] == '\r' || p[text_n - 1] == '\n'))
        text_n--;
    snprintf(m->reply, sizeof(m->reply), "%.*s", (int)(text_n > 1000 ? 1000 : text_n), p);
    return n;
}

static int on_progress(void *ctx, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    const struct mail *m = ctx;

    (void)a;
    (void)b;
    (void)c;
    (void)d;
    return nb_cancel_is_set(m->cancel);
}

static void set_server(struct mail *m)
{
    static const uint16_t ports[] = { [SMTP_STARTTLS] = 587, [SMTP_TLS] = 465, [SMTP_PLAIN] = 25 };
    const struct smtp_request *req = m->req;

    snprintf(m->server, sizeof(m->server), strchr(req->host, ':') ? "%s://[%s]:%u" : "%s://%s:%u",
             req->security == SMTP_TLS ? "smtps" : "smtp", req->host,
             req->port ? req->port : ports[req->security]);
    snprintf(m->url, sizeof(m->url), "%s/%s", m->server, req->helo ? req->helo : "");
}

static void set_security(struct mail *m)
{
    const char *ca = m->req->ca_pem;
    struct curl_blob blob = { .flags = CURL_BLOB_COPY };
    void *copy;

    curl_easy_setopt(m->easy, CURLOPT_USE_SSL,
                     m->req->security == SMTP_STARTTLS ? (long)CURLUSESSL_ALL
                                                       : (long)CURLUSESSL_NONE);
    curl_easy_setopt(m->easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(m->easy, CURLOPT_SSL_VERIFYPEER, 1L);
    curl_easy_setopt(m->easy, CURLOPT_SSL_VERIFYHOST, 2L);
    if (!ca)
        return;
    copy = nb_xstrdup(ca); /* libcurl's type is not const */
    blob.data = copy;
    blob.len = strlen(ca);
    curl_easy_setopt(m->easy, CURLOPT_CAINFO_BLOB, &blob);
    curl_easy_setopt(m->easy, CURLOPT_CAPATH, NULL);
    free(copy);
}

static void set_connection(struct mail *m)
{
    int64_t timeout = m->req->timeout_ms > 0 ? m->req->timeout_ms : SMTP_TIMEOUT_MS;

    curl_easy_setopt(m->easy, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
    curl_easy_setopt(m->easy, CURLOPT_URL, m->url);
    curl_easy_setopt(m->easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(m->easy, CURLOPT_PROXY, "");
    curl_easy_setopt(m->easy, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(m->easy, CURLOPT_QUICK_EXIT, 1L);
    curl_easy_setopt(m->easy, CURLOPT_TIMEOUT_MS, (long)timeout);
    curl_easy_setopt(m->easy, CURLOPT_CONNECTTIMEOUT_MS,
                     (long)(timeout < SMTP_CONNECT_MS ? timeout : SMTP_CONNECT_MS));
    curl_easy_setopt(m->easy, CURLOPT_ERRORBUFFER, m->curl_text);
    curl_easy_setopt(m->easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(m->easy, CURLOPT_HEADERDATA, m);
    curl_easy_setopt(m->easy, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(m->easy, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(m->easy, CURLOPT_XFERINFODATA, m);
}

static void add_recipient(struct mail *m, const char *address)
{
    nb_auto(nb_free) char *path = nb_xasprintf("<%s>", address);
    struct curl_slist *longer = curl_slist_append(m->to, path);

    if (!longer)
        nb_fatal("out of memory");
    m->to = longer;
}

static void set_mail(struct mail *m)
{
    const struct smtp_request *req = m->req;
    nb_auto(nb_free) char *from = nb_xasprintf("<%s>", req->from);

    for (size_t i = 0; i < req->to_n; i++)
        add_recipient(m, req->to[i]);
    curl_easy_setopt(m->easy, CURLOPT_MAIL_FROM, from);
    curl_easy_setopt(m->easy, CURLOPT_MAIL_RCPT, m->to);
    curl_easy_setopt(m->easy, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(m->easy, CURLOPT_READFUNCTION, on_read);
    curl_easy_setopt(m->easy, CURLOPT_READDATA, m);
    if (!req->username)
        return;
    curl_easy_setopt(m->easy, CURLOPT_USERNAME, req->username);
    curl_easy_setopt(m->easy, CURLOPT_PASSWORD, req->password ? req->password : "");
}

struct smtp_row {
    CURLcode curl;
    enum nb_code code;
    const char *reason;
};

static const struct smtp_row SMTP_TABLE[] = {
    { CURLE_PEER_FAILED_VERIFICATION, NB_E_DENIED, "TlsVerificationFailed" },
    { CURLE_SSL_ISSUER_ERROR, NB_E_DENIED, "TlsVerificationFailed" },
    { CURLE_SSL_CACERT_BADFILE, NB_E_INVALID, "InvalidCaCertificate" },
    { CURLE_USE_SSL_FAILED, NB_E_DENIED, "TlsUnavailable" },
    { CURLE_LOGIN_DENIED, NB_E_DENIED, "SmtpLoginDenied" },
    { CURLE_OPERATION_TIMEDOUT, NB_E_TIMEOUT, "SmtpTimeout" },
    { CURLE_ABORTED_BY_CALLBACK, NB_E_CANCELLED, "Cancelled" },
    { CURLE_URL_MALFORMAT, NB_E_INVALID, "InvalidServer" },
};

static struct smtp_row row_of(CURLcode rc, long reply)
{
    struct smtp_row row = { rc, NB_E_UNAVAILABLE, "ConnectionFailed" };
    bool known = false;

    for (size_t i = 0; i < NB_ARRAY_LEN(SMTP_TABLE); i++) {
        if (SMTP_TABLE[i].curl == rc) {
            row = SMTP_TABLE[i];
            known = true;
        }
    }
    if (reply / 100 == 4 && (!known || rc == CURLE_LOGIN_DENIED))
        row.code = NB_E_UNAVAILABLE;
    if (!known && reply / 100 == 4)
        row.reason = "SmtpNotNow";
    if (!known && reply / 100 == 5) {
        row.code = NB_E_DENIED;
        row.reason = "SmtpRefused";
    }
    return row;
}

static bool fail_smtp(struct mail *m, CURLcode rc)
{
    struct smtp_row row;
    bool show;
    long reply = 0;

    curl_easy_getinfo(m->easy, CURLINFO_RESPONSE_CODE, &reply);
    row = row_of(rc, reply);
    if (!m->curl_text[0])
        snprintf(m->curl_text, sizeof(m->curl_text), "%s", curl_easy_strerror(rc));
    /* An answer to AUTH may hold what it answers to. */
    show = rc != CURLE_LOGIN_DENIED && reply >= 400;
    nb_secret_redact(m->reply, strlen(m->reply));
    return nb_fail(m->err, row.code, row.reason, "'%s': %s%s%s%s", m->server, m->curl_text,
                   show ? " (server: '" : "", show ? m->reply : "", show ? "')" : "");
}

bool smtp_send(const struct smtp_request *req, const struct nb_cancel *cancel, struct nb_error *err)
{
    struct mail m = { .req = req, .cancel = cancel, .err = err };
    CURLcode rc;
    bool ok;

    if (!check(req, err) || !nb_cancel_check(cancel, err))
        return false;
    m.easy = curl_easy_init();
    if (!m.easy)
        return nb_fail(err, NB_E_LIMIT, "OutOfMemory", "libcurl: memory is out");
    set_server(&m);
    set_security(&m);
    set_connection(&m);
    set_mail(&m);
    rc = curl_easy_perform(m.easy);
    ok = rc == CURLE_OK || fail_smtp(&m, rc);
    curl_slist_free_all(m.to);
    curl_easy_cleanup(m.easy);
    return ok;
}
