#include "s3/client.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#include "base/b64.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/retry.h"
#include "base/thread.h"
#include "base/url.h"
#include "s3/client_priv.h"
#include "s3/xml.h"

/* The bucket of retry tokens: a retry takes 5, a success gives 1 back. While it is empty every
 * retry waits the longest pause, so that many threads do not hammer a service that is down. */
enum { RETRY_TOKENS_MAX = 500, RETRY_TOKENS_COST = 5, FEW_TRIES = 4, HANDLES_MAX = 64 };

struct s3_client {
    char endpoint[S3_ENDPOINT_MAX]; /* "https://host[:port]" */
    char host[400];                 /* as in the Host header, bucket in front if virtual-hosted */
    char url_base[640];             /* scheme and host */
    char *region, *bucket, *ca_pem;
    bool path_style, is_r2;
    struct s3_creds *creds;
    int64_t retry_window_ms, backoff_base_ms, backoff_cap_ms;
    int64_t connect_timeout_ms, idle_timeout_ms;
    unsigned max_tries;
    void (*on_retry)(void *ctx, const struct nb_error *why, int64_t wait_ms);
    void *on_retry_ctx;

    pthread_mutex_t lock; /* of all below */
    struct http_client *handles[HANDLES_MAX];
    size_t handles_n;
    int tokens;
    /* added to our clock when signing: 0 until the service refused our time */
    int64_t sign_offset_ms;
    int64_t seen_offset_ms; /* service's clock minus ours, by the latest Date header */
};

/* ---- making ---- */

bool s3_r2_endpoint(const char *account_id, const char *jurisdiction, char out[S3_ENDPOINT_MAX],
                    struct nb_error *err)
{
    size_t n = account_id ? strlen(account_id) : 0;
    bool plain = !jurisdiction || !jurisdiction[0] || nb_streq(jurisdiction, "default");

    if (n != 32 || strspn(account_id, "0123456789abcdefABCDEF") != n) {
        nb_fail(err, NB_E_INVALID, "InvalidStorage", "R2 account id '%.64s' is not 32 hex digits",
                account_id ? account_id : "");
        return nb_hint(err, "R2_ACCOUNT_ID is on the overview page of R2 in the dashboard");
    }
    if (!plain && !nb_streq(jurisdiction, "eu") && !nb_streq(jurisdiction, "fedramp"))
        return nb_fail(err, NB_E_INVALID, "InvalidStorage",
                       "R2 jurisdiction '%.32s' is none of 'default', 'eu', 'fedramp'",
                       jurisdiction);
    snprintf(out, S3_ENDPOINT_MAX, "https://%s%s%s.r2.cloudflarestorage.com", account_id,
             plain ? "" : ".", plain ? "" : jurisdiction);
    return true;
}

static bool bucket_check(const char *b, struct nb_error *err)
{
    size_t n = b ? strlen(b) : 0;

    if (n == 0)
        return nb_fail(err, NB_E_INVALID, "InvalidStorage",
                       "no bucket is named; hint: set R2_BUCKET_NAME");
    if (n < 3 || n > 255 ||
        strspn(b, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_") != n ||
        b[0] == '.' || strstr(b, ".."))
        return nb_fail(err, NB_E_INVALID, "InvalidStorage",
                       "'%.80s' is no name of a bucket; hint: the name alone, without 's3://', a "
                       "host or a prefix",
                       b);
    return true;
}

static bool is_ip_or_local(const struct nb_url *u)
{
    return u->host_is_ipv6 || nb_streq(u->host, "localhost") ||
           strspn(u->host, "0123456789.") == strlen(u->host);
}

/* The dashboard shows the endpoint with the bucket as its path: that is fine too. */
static bool endpoint_path_is_fine(const struct nb_url *u, const char *bucket)
{
    struct nb_str p = u->path;

    if (p.n > 0 && p.p[0] == '/') {
        p.p++;
        p.n--;
    }
    if (p.n > 0 && p.p[p.n - 1] == '/')
        p.n--;
    return u->query.n == 0 && (p.n == 0 || nb_str_is(p, bucket));
}

static bool endpoint_set(struct s3_client *c, const char *endpoint, bool force_path_style,
                         struct nb_error *err)
{
    struct nb_url u;
    char port[8] = "", host[264];
    bool https;

    if (!endpoint || !endpoint[0])
        return nb_fail(
            err, NB_E_INVALID, "InvalidStorage",
            "no endpoint of the bucket is given; hint: set R2_ACCOUNT_ID, or R2_ENDPOINT");
    if (!nb_url_parse(endpoint, "R2_ENDPOINT", &u, err))
        return false;
    https = nb_streq(u.scheme, "https");
    if ((!https && !nb_streq(u.scheme, "http")) || u.has_userinfo || !u.host[0] ||
        !endpoint_path_is_fine(&u, c->bucket))
        return nb_fail(err, NB_E_INVALID, "InvalidStorage",
                       "R2_ENDPOINT must be 'https://HOST[:PORT]' and nothing more");
    if (u.port != 0 && u.port != (https ? 443 : 80))
        snprintf(port, sizeof(port), ":%u", (unsigned)u.port);
    snprintf(host, sizeof(host), "%s%s%s", u.host_is_ipv6 ? "[" : "", u.host,
             u.host_is_ipv6 ? "]" : "");
    c->is_r2 = nb_ends_with(u.host, ".r2.cloudflarestorage.com");
    c->path_style = force_path_style || c->is_r2 || is_ip_or_local(&u) || strchr(c->bucket, '.') ||
                    strchr(c->bucket, '_') || strlen(c->bucket) > 63;
    snprintf(c->endpoint, sizeof(c->endpoint), "%s://%s%s", u.scheme, host, port);
    if (c->path_style)
        snprintf(c->host, sizeof(c->host), "%s%s", host, port);
    else
        snprintf(c->host, sizeof(c->host), "%.63s.%s%s", c->bucket, host, port);
    snprintf(c->url_base, sizeof(c->url_base), "%s://%s", u.scheme, c->host);
    return true;
}

static bool opts_check(const struct s3_client_opts *o, struct nb_error *err)
{
    const char *r = o->region ? o->region : "auto";

    assert(o->creds);
    if (!r[0] || strlen(r) > 64 ||
        strspn(r, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") != strlen(r))
        return nb_fail(err, NB_E_INVALID, "InvalidStorage", "'%.40s' is no region", r);
    return bucket_check(o->bucket, err);
}

bool s3_client_new(const struct s3_client_opts *o, struct s3_client **ret, struct nb_error *err)
{
    nb_auto(s3_client_free) struct s3_client *c = NULL;

    if (!opts_check(o, err))
        return false;
    c = NB_NEW(struct s3_client);
    nb_mutex_init(&c->lock);
    c->bucket = nb_xstrdup(o->bucket);
    c->region = nb_xstrdup(o->region ? o->region : "auto");
    c->ca_pem = nb_xstrdup_null(o->ca_pem);
    c->creds = s3_creds_dup(o->creds);
    c->retry_window_ms = o->retry_window_ms ? o->retry_window_ms : 120000;
    c->max_tries = o->max_tries;
    c->backoff_base_ms = o->backoff_base_ms ? o->backoff_base_ms : 250;
    c->backoff_cap_ms = o->backoff_cap_ms ? o->backoff_cap_ms : 20000;
    c->connect_timeout_ms = o->connect_timeout_ms ? o->connect_timeout_ms : 10000;
    c->idle_timeout_ms = o->idle_timeout_ms ? o->idle_timeout_ms : 60000;
    c->on_retry = o->on_retry;
    c->on_retry_ctx = o->on_retry_ctx;
    c->tokens = RETRY_TOKENS_MAX;
    if (!endpoint_set(c, o->endpoint, o->force_path_style, err))
        return false;
    *ret = nb_steal(c);
    return true;
}

void s3_client_free(struct s3_client *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < c->handles_n; i++)
        http_client_free(c->handles[i]);
    pthread_mutex_destroy(&c->lock);
    free(c->region);
    free(c->bucket);
    free(c->ca_pem);
    s3_creds_free(c->creds);
    free(c);
}

const char *s3_client_bucket(const struct s3_client *c)
{
    return c->bucket;
}

const char *s3_client_endpoint(const struct s3_client *c)
{
    return c->endpoint;
}

int64_t s3_client_now_unix_ms(struct s3_client *c)
{
    int64_t offset;

    pthread_mutex_lock(&c->lock);
    offset = c->seen_offset_ms;
    pthread_mutex_unlock(&c->lock);
    return nb_clock_unix_ms() + offset;
}

/* ---- HTTP handles ---- */

static bool handle_take(struct s3_client *c, struct http_client **ret, struct nb_error *err)
{
    struct http_client_opts o = { .ca_pem = c->ca_pem,
                                  .connect_timeout_ms = c->connect_timeout_ms,
                                  .idle_timeout_ms = c->idle_timeout_ms };

    *ret = NULL;
    pthread_mutex_lock(&c->lock);
    if (c->handles_n > 0)
        *ret = c->handles[--c->handles_n];
    pthread_mutex_unlock(&c->lock);
    return *ret || http_client_new(&o, ret, err);
}

static void handle_give(struct s3_client *c, struct http_client *h)
{
    pthread_mutex_lock(&c->lock);
    if (c->handles_n < HANDLES_MAX)
        c->handles[c->handles_n++] = nb_steal(h);
    pthread_mutex_unlock(&c->lock);
    http_client_free(h);
}

/* ---- one try ---- */

void s3_call_header(struct s3_call *call, const char *name, const char *value)
{
    assert(call->headers_n < S3_CALL_HEADERS_MAX);
    call->headers[call->headers_n++] = (struct s3_pair){ name, value };
}

struct body_sums {
    char sha256[NB_SHA256_HEX];
    struct nb_buf md5_b64;
};

static void sums_make(const struct s3_call *call, struct body_sums *s)
{
    uint8_t sha[NB_SHA256_BYTES], md5[NB_MD5_BYTES];

    nb_sha256(call->body ? call->body : "", call->body_n, sha);
    nb_hex(sha, sizeof(sha), s->sha256);
    nb_buf_init(&s->md5_b64, 64);
    if (!call->body)
        return;
    nb_md5(call->body, call->body_n, md5);
    nb_b64_encode(md5, sizeof(md5), &s->md5_b64);
    if (call->body_md5)
        memcpy(call->body_md5, md5, sizeof(md5));
}

static void put_path(const struct s3_client *c, const struct s3_call *call, struct nb_buf *out)
{
    nb_buf_putc(out, '/');
    if (c->path_style) {
        nb_buf_puts(out, c->bucket);
        if (call->key)
            nb_buf_putc(out, '/');
    }
    if (call->key)
        nb_buf_puts(out, call->key);
}

static int64_t sign_now(struct s3_client *c)
{
    int64_t offset;

    pthread_mutex_lock(&c->lock);
    offset = c->sign_offset_ms;
    pthread_mutex_unlock(&c->lock);
    return (nb_clock_unix_ms() + offset) / 1000;
}

/* Signs and sends. The headers: host (curl sends it itself), those of the call, x-amz-date and so
 * on, Authorization. */
static bool call_send(struct s3_client *c, struct s3_call *call, const struct body_sums *sums,
                      const struct nb_cancel *cancel, struct http_client *handle,
                      struct http_response *ret, struct nb_error *err)
{
    nb_auto_done(nb_buf_done) struct nb_buf path = NB_BUF_INIT(8192);
    nb_auto_done(nb_buf_done) struct nb_buf url = NB_BUF_INIT(64 << 10);
    nb_auto_done(nb_buf_done) struct nb_buf auth = NB_BUF_INIT(16 << 10);
    struct s3_pair signed_headers[S3_CALL_HEADERS_MAX + 2];
    struct http_header headers[S3_CALL_HEADERS_MAX + 8];
    char date[NB_TIME_TEXT_MAX];
    size_t sn = 0, hn = 0;
    struct s3_sign_request sr = { .rule = S3_SIGN_S3,
                                  .method = call->method,
                                  .query = call->query,
                                  .query_n = call->query_n,
                                  .payload_sha256 = sums->sha256,
                                  .region = c->region,
                                  .service = "s3",
                                  .now_unix_seconds = sign_now(c),
                                  .add_content_sha256 = true,
                                  .add_token = true };
    struct http_request hr = { .method = call->method,
                               .body = call->body,
                               .body_n = call->body_n,
                               .on_body = call->on_body,
                               .on_body_ctx = call->ctx,
                               .stream_only_2xx = true,
                               .max_body = S3_XML_BODY_MAX,
                               .timeout_ms = call->on_body ? 0 : S3_TRY_TIMEOUT_MS,
                               .idle_timeout_ms = call->idle_timeout_ms };

    put_path(c, call, &path);
    nb_buf_puts(&url, c->url_base);
    s3_sign_path_encode(nb_buf_str(&path), &url);
    if (call->query_n > 0) {
        nb_buf_putc(&url, '?');
        s3_sign_query_encode(call->query, call->query_n, &url);
    }
    if (!nb_buf_check(&path, err) || !nb_buf_check(&url, err))
        return false;
    signed_headers[sn++] = (struct s3_pair){ "host", c->host };
    for (size_t i = 0; i < call->headers_n; i++)
        signed_headers[sn++] = call->headers[i];
    if (sums->md5_b64.len > 0)
        signed_headers[sn++] = (struct s3_pair){ "content-md5", nb_buf_cstr(&sums->md5_b64) };
    sr.path = nb_buf_str(&path);
    sr.headers = signed_headers;
    sr.headers_n = sn;
    if (!s3_sign(&sr, c->creds, &auth, err))
        return false;
    for (size_t i = 1; i < sn; i++)
        headers[hn++] = (struct http_header){ signed_headers[i].name, signed_headers[i].value };
    headers[hn++] =
        (struct http_header){ "x-amz-date", nb_time_format_basic(sr.now_unix_seconds, date) };
    headers[hn++] = (struct http_header){ "x-amz-content-sha256", sums->sha256 };
    if (c->creds->session_token)
        headers[hn++] = (struct http_header){ "x-amz-security-token",
                                              nb_secret_str(c->creds->session_token).p };
    headers[hn++] = (struct http_header){ "authorization", nb_buf_cstr(&auth) };
    hr.url = nb_buf_cstr(&url);
    hr.headers = headers;
    hr.headers_n = hn;
    call->response = ret;
    return http_client_send(handle, &hr, cancel, ret, err);
}

static void note_date(struct s3_client *c, const struct http_response *r)
{
    char text[64];
    int64_t seconds;

    if (!http_response_header(r, "date", text, sizeof(text)) || !nb_time_parse_http(text, &seconds))
        return;
    pthread_mutex_lock(&c->lock);
    c->seen_offset_ms = seconds * 1000 - nb_clock_unix_ms();
    pthread_mutex_unlock(&c->lock);
}

static void note_retry_after(const struct http_response *r, struct nb_error *err)
{
    char text[32];
    int64_t seconds;

    if (http_response_header(r, "retry-after", text, sizeof(text)) &&
        nb_parse_i64(text, 0, 300, &seconds))
        err->retry_after_ms = seconds * 1000;
}

/* Transport errors that may pass become "StorageUnavailable"; what the peer's certificate says does
 * not pass. */
static bool judge_transport(struct s3_client *c, struct s3_call *call, struct s3_fault *fault,
                            struct nb_error *err)
{
    if (call->foreign)
        return false;
    if (!call->stop && err->code == NB_E_PROTOCOL) {
        /* An answer that is none: cut or garbled on the way, perhaps. */
        fault->retry = fault->few_tries = fault->uncertain = true;
        return nb_wrap(err, "bucket '%s' at '%s'", c->bucket, c->endpoint);
    }
    if (call->stop || !nb_error_is_transient(err))
        return nb_wrap(err, "bucket '%s' at '%s'", c->bucket, c->endpoint);
    fault->retry = true;
    fault->uncertain = true;
    nb_wrap(err, "bucket '%s' at '%s' can't be reached", c->bucket, c->endpoint);
    snprintf(err->reason, sizeof(err->reason), "StorageUnavailable");
    return false;
}

static bool no_element(void *ctx, const char *path, struct nb_str text, struct nb_error *err)
{
    (void)ctx;
    (void)path;
    (void)text;
    (void)err;
    return true;
}

static bool judge_body(struct s3_client *c, const struct s3_call *call,
                       const struct http_response *r, struct s3_fault *fault, struct nb_error *err)
{
    if (!call->xml_in_200 || s3_xml_walk(nb_buf_cstr(&r->body), r->body.len, no_element, NULL, err))
        return true;
    fault->retry = fault->few_tries = err->code == NB_E_PROTOCOL;
    return nb_wrap(err, "bucket '%s' at '%s'", c->bucket, c->endpoint);
}

static bool judge_answer(struct s3_client *c, struct s3_call *call, const struct http_response *r,
                         struct s3_fault *fault, struct nb_error *err)
{
    struct s3_error_place at = { .is_r2 = c->is_r2,
                                 .is_bucket_call = !call->key,
                                 .bucket = c->bucket,
                                 .endpoint = c->endpoint,
                                 .key = call->key,
                                 .access_key_id = c->creds->access_key_id };
    char message[256] = "";
    bool good = r->status >= 200 && r->status < 300;

    note_date(c, r);
    call->code[0] = '\0';
    if (good && !call->error_in_200)
        return judge_body(c, call, r, fault, err);
    if (s3_error_parse(nb_buf_cstr(&r->body), r->body.len, call->code, message)) {
        int status = good ? 500 : r->status;

        /* An error in a 200 came too late for the status line: the code alone counts. */
        if (good && (nb_starts_with(call->code, "Invalid") || nb_starts_with(call->code, "Entity")))
            status = 400;
        if (good && nb_streq(call->code, "NoSuchUpload"))
            status = 404;
        if (good && nb_streq(call->code, "PreconditionFailed"))
            status = 412;
        if (good && nb_streq(call->code, "AccessDenied"))
            status = 403;
        s3_error_from_answer(status, call->code, message, &at, fault, err);
    } else if (good) {
        return true;
    } else {
        s3_error_from_answer(r->status, "", "", &at, fault, err);
    }
    note_retry_after(r, err);
    return false;
}

static bool call_once(struct s3_client *c, struct s3_call *call, const struct body_sums *sums,
                      const struct nb_cancel *cancel, struct http_response *ret,
                      struct s3_fault *fault, struct nb_error *err)
{
    struct http_client *handle;
    bool sent;

    memset(fault, 0, sizeof(*fault));
    call->tries++;
    if (call->before_try)
        call->before_try(call->ctx, call);
    if (!handle_take(c, &handle, err))
        return false;
    sent = call_send(c, call, sums, cancel, handle, ret, err);
    handle_give(c, handle);
    call->response = NULL;
    if (!sent)
        return judge_transport(c, call, fault, err);
    return judge_answer(c, call, ret, fault, err);
}

/* ---- tries ---- */

/* True: our clock was wrong, is corrected now, and was not before in this call. */
static bool correct_clock(struct s3_client *c, bool *done)
{
    bool helps;

    if (*done)
        return false;
    *done = true;
    pthread_mutex_lock(&c->lock);
    helps = c->seen_offset_ms != c->sign_offset_ms;
    c->sign_offset_ms = c->seen_offset_ms;
    pthread_mutex_unlock(&c->lock);
    return helps;
}

/* False: the bucket of tokens is empty. */
static bool take_tokens(struct s3_client *c)
{
    bool enough;

    pthread_mutex_lock(&c->lock);
    enough = c->tokens >= RETRY_TOKENS_COST;
    if (enough)
        c->tokens -= RETRY_TOKENS_COST;
    pthread_mutex_unlock(&c->lock);
    return enough;
}

static void give_token(struct s3_client *c)
{
    pthread_mutex_lock(&c->lock);
    if (c->tokens < RETRY_TOKENS_MAX)
        c->tokens++;
    pthread_mutex_unlock(&c->lock);
}

struct tries {
    struct nb_retry retry;
    int64_t start_mono_ms;
    bool clock_corrected;
};

/* True: tried again after a pause. False: give up, err stands. */
static bool wait_for_next(struct s3_client *c, struct s3_call *call, const struct s3_fault *fault,
                          struct tries *t, const struct nb_cancel *cancel, struct nb_error *err)
{
    int64_t now = nb_clock_mono_ms(), wait, window = c->retry_window_ms;
    struct nb_error cancelled = NB_ERROR_INIT;

    if (call->window_cap_ms > 0 && call->window_cap_ms < window)
        window = call->window_cap_ms;

    if (call->progressed) {
        call->progressed = false;
        t->start_mono_ms = now;
        t->retry.tries = 0;
    }
    if (!fault->retry || call->stop || c->retry_window_ms < 0)
        return false;
    if ((fault->few_tries && call->tries >= FEW_TRIES) ||
        (c->max_tries > 0 && t->retry.tries + 1 >= c->max_tries))
        return false;
    wait = take_tokens(c)
               ? nb_retry_delay_ms(&t->retry, err->retry_after_ms, nb_random_below(UINT32_MAX))
               : c->backoff_cap_ms;
    t->retry.tries++;
    if (now - t->start_mono_ms + wait > window)
        return false;
    if (c->on_retry)
        c->on_retry(c->on_retry_ctx, err, wait);
    if (!nb_cancel_sleep(cancel, wait, &cancelled)) {
        *err = cancelled;
        return false;
    }
    return true;
}

static bool call_tries(struct s3_client *c, struct s3_call *call, const struct body_sums *sums,
                       const struct nb_cancel *cancel, struct http_response *ret,
                       struct nb_error *err)
{
    struct tries t = { .retry = NB_RETRY_INIT(c->backoff_base_ms, c->backoff_cap_ms, 0, INT64_MAX),
                       .start_mono_ms = nb_clock_mono_ms(),
                       .clock_corrected = false };
    struct s3_fault fault;

    for (;;) {
        if (!nb_cancel_check(cancel, err))
            return false;
        if (call_once(c, call, sums, cancel, ret, &fault, err)) {
            give_token(c);
            return true;
        }
        if (fault.skewed && correct_clock(c, &t.clock_corrected)) {
            nb_error_clear(err);
            continue;
        }
        call->uncertain = call->uncertain || fault.uncertain;
        if (!wait_for_next(c, call, &fault, &t, cancel, err))
            return false;
        nb_error_clear(err);
    }
}

bool s3_call_run(struct s3_client *c, struct s3_call *call, const struct nb_cancel *cancel,
                 struct http_response *ret, struct nb_error *err)
{
    struct body_sums sums;
    bool ok;

    call->tries = 0;
    call->uncertain = call->stop = call->foreign = call->progressed = false;
    call->code[0] = '\0';
    sums_make(call, &sums);
    ok = call_tries(c, call, &sums, cancel, ret, err);
    nb_buf_done(&sums.md5_b64);
    return ok;
}
