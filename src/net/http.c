#include "net/http.h"

#include <signal.h>
#include <stdio.h>

#include <curl/curl.h>

#include "base/clock.h"
#include "base/fatal.h"
#include "base/mem.h"
#include "base/pace.h"
#include "base/url.h"

enum {
    HTTP_CONNECT_TIMEOUT_MS = 10000,
    HTTP_IDLE_TIMEOUT_MS = 60000,
    HTTP_MAX_BODY = 4 << 20,
    HTTP_MAX_HEADERS = 256 << 10,
    HTTP_BUFFER_BYTES = 64 << 10,
    HTTP_MAX_CONNECTIONS = 4,
};

struct http_client {
    CURLM *multi;
    CURL *easy;
    char *ca_pem, *client_cert_pem, *client_key_pem, *user_agent;
    bool insecure_skip_verify;
    int64_t connect_timeout_ms, idle_timeout_ms;
    size_t buffer_bytes;
};

/* One request under way. */
struct transfer {
    struct http_client *client;
    const struct http_request *req;
    const struct nb_cancel *cancel;
    struct http_response *ret;
    struct nb_error *err;
    char peer[300]; /* "GET 'https://host:port'": for messages; no path, no query */
    char curl_text[CURL_ERROR_SIZE];
    struct curl_slist *headers;
    int64_t idle_ms, deadline_ms, last_active_ms;
    uint64_t received, seen_received;
    int64_t seen_sent;
    bool headers_done, failed; /* failed: err is set already */
};

void http_response_done(struct http_response *r)
{
    nb_buf_done(&r->headers);
    nb_buf_done(&r->body);
}

const char *http_response_header(const struct http_response *r, const char *name, char *out,
                                 size_t n)
{
    const char *at = nb_buf_cstr(&r->headers);
    size_t name_n = strlen(name);

    while (*at) {
        size_t line_n = strcspn(at, "\n");

        if (line_n >= name_n + 2 && strncmp(at, name, name_n) == 0 && at[name_n] == ':') {
            snprintf(out, n, "%.*s", (int)(line_n - name_n - 2), at + name_n + 2);
            return out;
        }
        at += line_n + (at[line_n] == '\n');
    }
    return NULL;
}

void http_global_init(void)
{
    /* Writing to a connection the peer has closed must be an error, not the end of the program. */
    signal(SIGPIPE, SIG_IGN);
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        nb_fatal("libcurl cannot be set up");
}

void http_global_done(void)
{
    curl_global_cleanup();
}

bool http_client_new(const struct http_client_opts *opts, struct http_client **ret,
                     struct nb_error *err)
{
    nb_auto(http_client_free) struct http_client *c = NB_NEW(struct http_client);

    if (!opts->client_cert_pem != !opts->client_key_pem)
        return nb_fail(err, NB_E_INVALID, "InvalidClientCertificate",
                       "client certificate and client key must be given together");
    c->multi = curl_multi_init();
    c->easy = curl_easy_init();
    if (!c->multi || !c->easy)
        return nb_fail(err, NB_E_LIMIT, "OutOfMemory", "libcurl: memory is out");
    curl_multi_setopt(c->multi, CURLMOPT_MAXCONNECTS, (long)HTTP_MAX_CONNECTIONS);
    c->ca_pem = nb_xstrdup_null(opts->ca_pem);
    c->client_cert_pem = nb_xstrdup_null(opts->client_cert_pem);
    c->client_key_pem = nb_xstrdup_null(opts->client_key_pem);
    c->user_agent = nb_xstrdup(opts->user_agent ? opts->user_agent : "neo4j-backup/" NB_VERSION);
    c->insecure_skip_verify = opts->insecure_skip_verify;
    c->connect_timeout_ms =
        opts->connect_timeout_ms > 0 ? opts->connect_timeout_ms : HTTP_CONNECT_TIMEOUT_MS;
    c->idle_timeout_ms = opts->idle_timeout_ms > 0 ? opts->idle_timeout_ms : HTTP_IDLE_TIMEOUT_MS;
    c->buffer_bytes = opts->buffer_bytes ? opts->buffer_bytes : HTTP_BUFFER_BYTES;
    *ret = nb_steal(c);
    return true;
}

void http_client_free(struct http_client *c)
{
    if (!c)
        return;
    if (c->easy)
        curl_easy_cleanup(c->easy);
    if (c->multi)
        curl_multi_cleanup(c->multi);
    if (c->client_key_pem)
        explicit_bzero(c->client_key_pem, strlen(c->client_key_pem));
    free(c->ca_pem);
    free(c->client_cert_pem);
    free(c->client_key_pem);
    free(c->user_agent);
    free(c);
}

/* --- what comes back ------------------------------------------------------------------------- */

static bool add_header(struct transfer *t, const char *line, size_t n)
{
    struct nb_buf *out = &t->ret->headers;
    const char *colon = memchr(line, ':', n);
    size_t name_n = colon ? (size_t)(colon - line) : 0;
    const char *value, *end = line + n;

    if (!colon)
        return true;
    value = colon + 1;
    while (value < end && (*value == ' ' || *value == '\t'))
        value++;
    while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    for (size_t i = 0; i < name_n; i++)
        nb_buf_putc(out, line[i] >= 'A' && line[i] <= 'Z' ? (char)(line[i] | 0x20) : line[i]);
    nb_buf_puts(out, ": ");
    nb_buf_append(out, value, (size_t)(end - value));
    nb_buf_putc(out, '\n');
    return !out->overflow ||
           nb_fail(t->err, NB_E_LIMIT, "ResponseHeadersTooLarge",
                   "%s: response headers are above the limit of %zu bytes", t->peer, out->max);
}

static size_t on_header(char *p, size_t size, size_t count, void *ctx)
{
    struct transfer *t = ctx;
    size_t n = size * count, text_n = n;

    t->received += n;
    while (text_n && (p[text_n - 1] == '\r' || p[text_n - 1] == '\n'))
        text_n--;
    if (text_n >= 5 && memcmp(p, "HTTP/", 5) == 0 && !memchr(p, ':', text_n)) {
        /* A status line: what came before belonged to an interim response. */
        nb_buf_clear(&t->ret->headers);
        t->headers_done = false;
    } else if (text_n == 0) {
        t->headers_done = true;
    } else if (!t->headers_done && !add_header(t, p, text_n)) {
        /* Header lines after the end of the headers are trailers: not wanted. */
        t->failed = true;
        return 0;
    }
    return n;
}

static bool take_body(struct transfer *t, const char *p, size_t n)
{
    long status = 0;

    curl_easy_getinfo(t->client->easy, CURLINFO_RESPONSE_CODE, &status);
    if (t->req->on_body && (!t->req->stream_only_2xx || status / 100 == 2))
        return t->req->on_body(t->req->on_body_ctx, p, n, t->err);
    nb_buf_append(&t->ret->body, p, n);
    return !t->ret->body.overflow ||
           nb_fail(t->err, NB_E_LIMIT, "ResponseTooLarge",
                   "%s: response is above the limit of %zu bytes", t->peer, t->ret->body.max);
}

static size_t on_write(char *p, size_t size, size_t count, void *ctx)
{
    struct transfer *t = ctx;
    size_t n = size * count;

    t->received += n;
    if (take_body(t, p, n))
        return n;
    t->failed = true;
    return n == 0 ? 1 : 0;
}

/* --- what goes out --------------------------------------------------------------------------- */

static struct curl_blob blob_of(char *pem)
{
    return (struct curl_blob){ .data = pem, .len = strlen(pem), .flags = CURL_BLOB_NOCOPY };
}

static void set_tls(CURL *easy, const struct http_client *c)
{
    struct curl_blob blob;

    curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, c->insecure_skip_verify ? 0L : 1L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, c->insecure_skip_verify ? 0L : 2L);
    if (c->ca_pem) {
        blob = blob_of(c->ca_pem);
        /* Only this CA: without the second line the system's directory would count as well. */
        curl_easy_setopt(easy, CURLOPT_CAINFO_BLOB, &blob);
        curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
    }
    if (c->client_cert_pem) {
        blob = blob_of(c->client_cert_pem);
        curl_easy_setopt(easy, CURLOPT_SSLCERT_BLOB, &blob);
        curl_easy_setopt(easy, CURLOPT_SSLCERTTYPE, "PEM");
        blob = blob_of(c->client_key_pem);
        curl_easy_setopt(easy, CURLOPT_SSLKEY_BLOB, &blob);
        curl_easy_setopt(easy, CURLOPT_SSLKEYTYPE, "PEM");
    }
}

static void set_connection(CURL *easy, const struct http_client *c)
{
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(easy, CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
    /* Neither from the environment: who we talk to is said in our own settings. */
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)c->connect_timeout_ms);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, (long)c->buffer_bytes);
    curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, (long)c->buffer_bytes);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, c->user_agent);
}

static void append_header(struct transfer *t, const char *line)
{
    struct curl_slist *longer = curl_slist_append(t->headers, line);

    if (!longer)
        nb_fatal("out of memory");
    t->headers = longer;
}

static bool set_headers(struct transfer *t)
{
    const struct http_request *req = t->req;
    bool has_type = false;

    for (size_t i = 0; i < req->headers_n; i++) {
        const struct http_header *h = &req->headers[i];
        nb_auto(nb_free) char *line = NULL;

        if (!*h->name || strpbrk(h->name, "\r\n:; ") || strpbrk(h->value, "\r\n"))
            return nb_fail(t->err, NB_E_INVALID, "InvalidHeader",
                           "%s: header %zu has a character that is not allowed", t->peer, i);
        has_type = has_type || nb_strcaseeq_ascii(h->name, "content-type");
        /* libcurl's own way to say "with an empty value". */
        line = *h->value ? nb_xasprintf("%s: %s", h->name, h->value) : nb_xasprintf("%s;", h->name);
        append_header(t, line);
    }
    append_header(t, "Expect:");
    if (!has_type)
        append_header(t, "Content-Type:");
    curl_easy_setopt(t->client->easy, CURLOPT_HTTPHEADER, t->headers);
    return true;
}

static void set_method(struct transfer *t)
{
    const struct http_request *req = t->req;
    CURL *easy = t->client->easy;
    bool wants_length = nb_streq(req->method, "PUT") || nb_streq(req->method, "POST");

    if (nb_streq(req->method, "HEAD")) {
        curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
        return;
    }
    if (req->body_n || wants_length) {
        /* Sent from where it is: libcurl does not copy it. */
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, req->body_n ? req->body : "");
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)req->body_n);
    } else {
        curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
    }
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, req->method);
}

static bool set_request(struct transfer *t)
{
    CURL *easy = t->client->easy;

    curl_easy_reset(easy); /* connections live in the multi handle: they stay */
    set_connection(easy, t->client);
    set_tls(easy, t->client);
    set_method(t);
    curl_easy_setopt(easy, CURLOPT_URL, t->req->url);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, t->curl_text);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, t);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_write);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, t);
    return set_headers(t);
}

/* --- the way it ends ------------------------------------------------------------------------- */

struct curl_row {
    CURLcode curl;
    enum nb_code code;
    const char *reason;
};

static const struct curl_row CURL_TABLE[] = {
    { CURLE_PEER_FAILED_VERIFICATION, NB_E_DENIED, "TlsVerificationFailed" },
    { CURLE_SSL_ISSUER_ERROR, NB_E_DENIED, "TlsVerificationFailed" },
    { CURLE_SSL_INVALIDCERTSTATUS, NB_E_DENIED, "TlsVerificationFailed" },
    { CURLE_SSL_CACERT_BADFILE, NB_E_INVALID, "InvalidCaCertificate" },
    { CURLE_SSL_CERTPROBLEM, NB_E_INVALID, "InvalidClientCertificate" },
    { CURLE_OPERATION_TIMEDOUT, NB_E_TIMEOUT, "ConnectTimeout" },
    { CURLE_URL_MALFORMAT, NB_E_INVALID, "InvalidUrl" },
    { CURLE_UNSUPPORTED_PROTOCOL, NB_E_INVALID, "InvalidUrl" },
    { CURLE_LOGIN_DENIED, NB_E_INVALID, "InvalidUrl" },
    { CURLE_WEIRD_SERVER_REPLY, NB_E_PROTOCOL, "InvalidResponse" },
    { CURLE_BAD_CONTENT_ENCODING, NB_E_PROTOCOL, "InvalidResponse" },
    { CURLE_OUT_OF_MEMORY, NB_E_LIMIT, "OutOfMemory" },
};

/* Our messages begin in lower case; "SSL …" stays. */
static void lower_first(char *s)
{
    if (s[0] >= 'A' && s[0] <= 'Z' && s[1] >= 'a' && s[1] <= 'z')
        s[0] = (char)(s[0] | 0x20);
}

static bool fail_curl(struct transfer *t, CURLcode rc)
{
    struct curl_row row = { rc, NB_E_UNAVAILABLE, "ConnectionFailed" };

    if (t->failed)
        return false;
    for (size_t i = 0; i < NB_ARRAY_LEN(CURL_TABLE); i++) {
        if (CURL_TABLE[i].curl == rc)
            row = CURL_TABLE[i];
    }
    if (!t->curl_text[0])
        snprintf(t->curl_text, sizeof(t->curl_text), "%s", curl_easy_strerror(rc));
    lower_first(t->curl_text);
    return nb_fail(t->err, row.code, row.reason, "%s: %s", t->peer, t->curl_text);
}

static bool check_clocks(struct transfer *t, int64_t now)
{
    if (now >= t->deadline_ms)
        return nb_fail(t->err, NB_E_TIMEOUT, "RequestTimeout",
                       "%s: no complete response within %lld ms", t->peer,
                       (long long)t->req->timeout_ms);
    if (t->req->until_mono_ms && now >= *t->req->until_mono_ms)
        return nb_fail(t->err, NB_E_TIMEOUT, "RequestTimeout",
                       "%s: what was waited for has not come in time", t->peer);
    if (now - t->last_active_ms >= t->idle_ms)
        return nb_fail(t->err, NB_E_TIMEOUT, "IdleTimeout",
                       "%s: nothing sent or received for %lld ms", t->peer, (long long)t->idle_ms);
    return true;
}

static void note_activity(struct transfer *t, int64_t now)
{
    curl_off_t sent = 0;

    curl_easy_getinfo(t->client->easy, CURLINFO_SIZE_UPLOAD_T, &sent);
    if (t->received == t->seen_received && sent == t->seen_sent)
        return;
    t->seen_received = t->received;
    t->seen_sent = sent;
    t->last_active_ms = now;
}

static int wait_ms(const struct transfer *t, int64_t now)
{
    int64_t ms = t->last_active_ms + t->idle_ms - now;

    if (t->deadline_ms - now < ms)
        ms = t->deadline_ms - now;
    if (t->req->until_mono_ms && *t->req->until_mono_ms - now < ms)
        ms = *t->req->until_mono_ms - now;
    return ms > 60000 ? 60000 : ms < 0 ? 0 : (int)ms;
}

/* Until the request is done (its result in *ret_rc) or err is set. */
static bool run(struct transfer *t, CURLcode *ret_rc)
{
    struct curl_waitfd stop = { .fd = nb_cancel_fd(t->cancel), .events = CURL_WAIT_POLLIN };
    CURLM *multi = t->client->multi;
    int running = 1, queued;

    for (;;) {
        CURLMcode mc = curl_multi_perform(multi, &running);
        int64_t now = nb_clock_mono_ms();
        CURLMsg *msg;

        if (mc != CURLM_OK)
            return nb_fail(t->err, NB_E_INTERNAL, "SystemError", "%s: %s", t->peer,
                           curl_multi_strerror(mc));
        msg = curl_multi_info_read(multi, &queued);
        if (msg && msg->msg == CURLMSG_DONE) {
            *ret_rc = msg->data.result;
            return true;
        }
        if (!nb_cancel_check(t->cancel, t->err))
            return nb_wrap(t->err, "%s", t->peer);
        note_activity(t, now);
        if (!check_clocks(t, now))
            return false;
        mc = curl_multi_poll(multi, &stop, t->cancel ? 1 : 0, wait_ms(t, now), NULL);
        if (mc != CURLM_OK)
            return nb_fail(t->err, NB_E_INTERNAL, "SystemError", "%s: %s", t->peer,
                           curl_multi_strerror(mc));
    }
}

static bool perform(struct transfer *t)
{
    CURL *easy = t->client->easy;
    CURLcode rc = CURLE_OK;
    long status = 0;
    bool ok;

    if (curl_multi_add_handle(t->client->multi, easy) != CURLM_OK)
        return nb_fail(t->err, NB_E_INTERNAL, "SystemError", "%s: libcurl refused the request",
                       t->peer);
    ok = run(t, &rc);
    if (!ok) /* do not wait for a name server nobody is interested in any more */
        curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    curl_multi_remove_handle(t->client->multi, easy);
    if (!ok)
        return false;
    if (rc != CURLE_OK)
        return fail_curl(t, rc);
    /* libcurl takes headers that end with the connection for whole ones. */
    if (!t->headers_done)
        return nb_fail(t->err, NB_E_UNAVAILABLE, "ConnectionFailed",
                       "%s: connection closed before the end of the response headers", t->peer);
    t->ret->status = (int)status;
    return true;
}

static bool describe_peer(struct transfer *t)
{
    struct nb_url url;

    if (!nb_url_parse(t->req->url, "request URL", &url, t->err))
        return false;
    if (url.has_userinfo)
        return nb_fail(t->err, NB_E_INVALID, "InvalidUrl",
                       "'request URL' is not a valid URL: it must not hold credentials");
    snprintf(t->peer, sizeof(t->peer), url.host_is_ipv6 ? "%s '%s://[%s]" : "%s '%s://%s",
             t->req->method, url.scheme, url.host);
    if (url.port)
        snprintf(t->peer + strlen(t->peer), sizeof(t->peer) - strlen(t->peer), ":%u'", url.port);
    else
        snprintf(t->peer + strlen(t->peer), sizeof(t->peer) - strlen(t->peer), "'");
    return true;
}

bool http_client_send(struct http_client *c, const struct http_request *req,
                      const struct nb_cancel *cancel, struct http_response *ret,
                      struct nb_error *err)
{
    struct transfer t = { .client = c, .req = req, .cancel = cancel, .ret = ret, .err = err };
    int64_t now;
    bool ok;

    nb_pace(cancel);
    now = nb_clock_mono_ms();
    t.idle_ms = req->idle_timeout_ms > 0 ? req->idle_timeout_ms : c->idle_timeout_ms;
    t.deadline_ms = req->timeout_ms > 0 ? now + req->timeout_ms : INT64_MAX;
    t.last_active_ms = now;
    ret->status = 0;
    nb_buf_clear(&ret->headers);
    nb_buf_clear(&ret->body);
    ret->headers.max = HTTP_MAX_HEADERS;
    ret->body.max = req->max_body ? req->max_body : HTTP_MAX_BODY;
    if (!nb_cancel_check(cancel, err) || !describe_peer(&t))
        return false;
    ok = set_request(&t) && perform(&t);
    curl_slist_free_all(t.headers);
    return ok;
}
