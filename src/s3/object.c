#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#include "base/b64.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/mem.h"
#include "s3/client_priv.h"

enum { META_MAX = 16, META_BYTES_MAX = 8192, SAME_BYTES_MAX = 1 << 20 };

bool s3_key_check(const char *key, struct nb_error *err)
{
    size_t n = strlen(key);

    if (n == 0 || n > S3_KEY_MAX || !nb_utf8_valid(key, n))
        return nb_fail(err, NB_E_INVALID, "InvalidName",
                       "a key of an object must be 1 to %d bytes of UTF-8", S3_KEY_MAX);
    return true;
}

/* "bytes 10-19/100": the whole object's size. */
static bool content_range_total(const char *s, uint64_t *ret)
{
    const char *slash = strrchr(s, '/');
    int64_t v;

    if (!slash || !nb_parse_i64(slash + 1, 0, INT64_MAX, &v))
        return false;
    *ret = (uint64_t)v;
    return true;
}

void s3_object_from_headers(const struct http_response *r, struct s3_object *ret)
{
    char text[S3_ETAG_MAX];
    int64_t v;

    memset(ret, 0, sizeof(*ret));
    if (http_response_header(r, "etag", text, sizeof(text)))
        memcpy(ret->etag, text, sizeof(text));
    if (http_response_header(r, "last-modified", text, sizeof(text)) &&
        nb_time_parse_http(text, &v))
        ret->last_modified_unix_seconds = v;
    if (http_response_header(r, "content-range", text, sizeof(text)) &&
        content_range_total(text, &ret->size))
        return;
    if (http_response_header(r, "content-length", text, sizeof(text)) &&
        nb_parse_i64(text, 0, INT64_MAX, &v))
        ret->size = (uint64_t)v;
}

/* ---- metadata ---- */

static bool meta_name_ok(const char *s)
{
    return s[0] && strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == strlen(s);
}

/* Blanks inside stay; at the ends they would be lost on the way. */
static void meta_encode(const char *s, struct nb_buf *out)
{
    size_t n = strlen(s);

    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)s[i];

        if (c < 0x20 || c >= 0x7f || c == '%' || (c == ' ' && (i == 0 || i + 1 == n)))
            nb_buf_printf(out, "%%%02X", c);
        else
            nb_buf_putc(out, s[i]);
    }
}

bool s3_call_put_headers(struct s3_call *call, const struct s3_put_opts *o, struct nb_buf *text,
                         struct nb_error *err)
{
    size_t names[META_MAX], values[META_MAX];

    s3_call_header(call, "content-type",
                   o && o->content_type ? o->content_type : "application/octet-stream");
    if (!o)
        return true;
    if (o->if_none_match)
        s3_call_header(call, "if-none-match", "*");
    else if (o->if_match)
        s3_call_header(call, "if-match", o->if_match);
    assert(o->meta_n <= META_MAX);
    for (size_t i = 0; i < o->meta_n; i++) {
        assert(meta_name_ok(o->meta[i].name));
        names[i] = text->len;
        nb_buf_printf(text, "x-amz-meta-%s", o->meta[i].name);
        nb_buf_putc(text, '\0');
        values[i] = text->len;
        meta_encode(o->meta[i].value, text);
        nb_buf_putc(text, '\0');
    }
    if (text->overflow || text->len > META_BYTES_MAX)
        return nb_fail(err, NB_E_LIMIT, "StorageRejected",
                       "metadata of an object is longer than %d bytes", META_BYTES_MAX);
    for (size_t i = 0; i < o->meta_n; i++)
        s3_call_header(call, text->data + names[i], text->data + values[i]);
    return true;
}

bool s3_meta_get(const struct nb_buf *headers, const char *name, struct nb_buf *out)
{
    char full[80];
    size_t n;
    const char *p = nb_buf_cstr(headers);

    n = (size_t)snprintf(full, sizeof(full), "x-amz-meta-%.60s: ", name);
    while (*p) {
        const char *end = strchrnul(p, '\n');

        if ((size_t)(end - p) >= n && memcmp(p, full, n) == 0)
            return nb_url_decode(p + n, (size_t)(end - p) - n, out);
        p = *end ? end + 1 : end;
    }
    return false;
}

/* ---- bucket ---- */

bool s3_head_bucket(struct s3_client *c, const struct nb_cancel *cancel, struct nb_error *err)
{
    const struct s3_pair query[] = { { "list-type", "2" }, { "max-keys", "1" } };
    struct s3_call head = { .method = "HEAD" };
    struct s3_call list = { .method = "GET", .query = query, .query_n = NB_ARRAY_LEN(query) };
    nb_auto_done(http_response_done) struct http_response r = HTTP_RESPONSE_INIT;
    struct nb_error first = NB_ERROR_INIT;

    if (s3_call_run(c, &head, cancel, &r, &first))
        return true;
    /* An answer to HEAD has no body that says what is wrong: ask again with GET. */
    if (first.code == NB_E_DENIED || first.code == NB_E_INVALID) {
        if (!s3_call_run(c, &list, cancel, &r, err))
            return false;
    }
    *err = first;
    return false;
}

/* ---- put ---- */

static bool collect(void *ctx, const char *p, size_t n, struct nb_error *err)
{
    struct nb_buf *b = ctx;

    nb_buf_append(b, p, n);
    return nb_buf_check(b, err);
}

/* A condition may fail because an earlier try was carried out and its answer was lost (libcurl too
 * sends again when a connection that was kept open turns out dead): is what is stored now what we
 * sent? */
static bool is_stored_already(struct s3_client *c, const char *key, const void *data, size_t n,
                              const uint8_t md5[NB_MD5_BYTES], const struct nb_cancel *cancel,
                              struct s3_object *ret)
{
    nb_auto_done(nb_buf_done) struct nb_buf got = NB_BUF_INIT(SAME_BYTES_MAX + 1);
    struct nb_error ignored = NB_ERROR_INIT;
    struct s3_object o = { .size = 0 };
    char hex[2 * NB_MD5_BYTES + 1];

    if (!s3_head(c, key, cancel, &o, NULL, &ignored) || o.size != n)
        return false;
    nb_hex(md5, NB_MD5_BYTES, hex);
    if (strlen(o.etag) == 34 && memcmp(o.etag + 1, hex, 32) == 0) {
        *ret = o;
        return true;
    }
    if (n > SAME_BYTES_MAX || !s3_get_buf(c, key, &got, cancel, ret, &ignored))
        return false;
    return got.len == n && memcmp(nb_buf_cstr(&got), data, n) == 0;
}

bool s3_object_stored(const struct http_response *r, size_t n, struct s3_object *ret,
                      struct nb_error *err)
{
    s3_object_from_headers(r, ret);
    ret->size = n;
    return ret->etag[0] ||
           nb_fail(err, NB_E_PROTOCOL, "StorageProtocol", "the service gives no ETag");
}

bool s3_put(struct s3_client *c, const char *key, const void *data, size_t n,
            const struct s3_put_opts *opts, const struct nb_cancel *cancel, struct s3_object *ret,
            struct nb_error *err)
{
    uint8_t md5[NB_MD5_BYTES];
    struct s3_call call = {
        .method = "PUT",
        .key = key,
        .body = n ? data : "",
        .body_n = n,
        .body_md5 = md5,
        .error_in_200 = true,
    };
    nb_auto_done(http_response_done) struct http_response r = HTTP_RESPONSE_INIT;
    nb_auto_done(nb_buf_done) struct nb_buf text = NB_BUF_INIT(64 << 10);
    struct s3_object o;

    if (!s3_key_check(key, err) || !s3_call_put_headers(&call, opts, &text, err))
        return false;
    if (!s3_call_run(c, &call, cancel, &r, err) || !s3_object_stored(&r, n, &o, err)) {
        if ((err->code != NB_E_CONFLICT && err->code != NB_E_PROTOCOL) ||
            !is_stored_already(c, key, n ? data : "", n, md5, cancel, &o))
            return nb_wrap(err, "put '%s'", key);
        nb_error_clear(err);
    }
    if (ret)
        *ret = o;
    return true;
}

/* ---- get ---- */

struct get_state {
    struct s3_client *c;
    struct s3_call *call;
    const struct s3_get_opts *opts;
    s3_body_fn *fn;
    void *ctx;
    uint64_t delivered;
    char range[64], etag[S3_ETAG_MAX];
    struct s3_object object;
    bool known;       /* object is filled */
    bool answer_seen; /* of this try */
};

static void get_before_try(void *ctx, struct s3_call *call)
{
    struct get_state *g = ctx;
    uint64_t from = g->opts->offset + g->delivered;

    call->headers_n = 0;
    g->answer_seen = false;
    if (g->opts->length > 0) {
        uint64_t last = g->opts->offset + g->opts->length - 1;

        snprintf(g->range, sizeof(g->range), "bytes=%" PRIu64 "-%" PRIu64, from, last);
        s3_call_header(call, "range", g->range);
    } else if (from > 0) {
        snprintf(g->range, sizeof(g->range), "bytes=%" PRIu64 "-", from);
        s3_call_header(call, "range", g->range);
    }
    if (g->etag[0])
        s3_call_header(call, "if-match", g->etag);
}

/* The answer must begin where we asked it to. */
static bool get_check_start(struct get_state *g, struct nb_error *err)
{
    char text[128], want[64];
    uint64_t from = g->opts->offset + g->delivered;

    if (!http_response_header(g->call->response, "content-range", text, sizeof(text))) {
        if (from == 0)
            return true;
        return nb_fail(err, NB_E_PROTOCOL, "StorageProtocol",
                       "'%s' answers a request for a part of '%s' with all of it",
                       s3_client_endpoint(g->c), g->call->key);
    }
    snprintf(want, sizeof(want), "bytes %" PRIu64 "-", from);
    if (!nb_starts_with(text, want))
        return nb_fail(err, NB_E_PROTOCOL, "StorageProtocol",
                       "'%s' answers with another part of '%s' than was asked for",
                       s3_client_endpoint(g->c), g->call->key);
    return true;
}

static bool get_on_answer(struct get_state *g, struct nb_error *err)
{
    struct s3_object o;

    if (!get_check_start(g, err))
        return false;
    s3_object_from_headers(g->call->response, &o);
    if (g->known && strcmp(o.etag, g->object.etag) != 0)
        return nb_fail(err, NB_E_CONFLICT, "PreconditionFailed",
                       "'%s' was replaced while it was read", g->call->key);
    g->object = o;
    g->known = true;
    snprintf(g->etag, sizeof(g->etag), "%s", o.etag);
    return true;
}

static bool get_on_body(void *ctx, const char *p, size_t n, struct nb_error *err)
{
    struct get_state *g = ctx;

    if (!g->answer_seen) {
        g->answer_seen = true;
        if (!get_on_answer(g, err)) {
            g->call->stop = true;
            return false;
        }
    }
    if (g->opts->length > 0 && g->delivered + n > g->opts->length) {
        g->call->stop = true;
        return nb_fail(err, NB_E_PROTOCOL, "StorageProtocol",
                       "'%s' sends more of '%s' than was asked for", s3_client_endpoint(g->c),
                       g->call->key);
    }
    if (!g->fn(g->ctx, p, n, err)) {
        g->call->stop = g->call->foreign = true;
        return false;
    }
    g->delivered += n;
    g->call->progressed = true;
    return true;
}

bool s3_get(struct s3_client *c, const char *key, const struct s3_get_opts *opts, s3_body_fn *fn,
            void *ctx, const struct nb_cancel *cancel, struct s3_object *ret, struct nb_error *err)
{
    static const struct s3_get_opts whole = { 0 };
    struct s3_call call = {
        .method = "GET", .key = key, .on_body = get_on_body, .before_try = get_before_try
    };
    struct get_state g = {
        .c = c, .call = &call, .opts = opts ? opts : &whole, .fn = fn, .ctx = ctx
    };
    nb_auto_done(http_response_done) struct http_response r = HTTP_RESPONSE_INIT;

    call.ctx = &g;
    if (!s3_key_check(key, err))
        return false;
    if (g.opts->if_match)
        snprintf(g.etag, sizeof(g.etag), "%s", g.opts->if_match);
    if (!s3_call_run(c, &call, cancel, &r, err))
        return call.foreign ? false : nb_wrap(err, "get '%s'", key);
    if (!g.known) { /* an empty object has no body to be called for */
        s3_object_from_headers(&r, &g.object);
        g.known = true;
    }
    if (ret)
        *ret = g.object;
    return true;
}

bool s3_get_buf(struct s3_client *c, const char *key, struct nb_buf *out,
                const struct nb_cancel *cancel, struct s3_object *ret, struct nb_error *err)
{
    return s3_get(c, key, NULL, collect, out, cancel, ret, err);
}

/* ---- head, delete ---- */

bool s3_head(struct s3_client *c, const char *key, const struct nb_cancel *cancel,
             struct s3_object *ret, struct nb_buf *headers, struct nb_error *err)
{
    struct s3_call call = { .method = "HEAD", .key = key };
    nb_auto_done(http_response_done) struct http_response r = HTTP_RESPONSE_INIT;

    if (!s3_key_check(key, err))
        return false;
    if (!s3_call_run(c, &call, cancel, &r, err))
        return nb_wrap(err, "look at '%s'", key);
    if (ret)
        s3_object_from_headers(&r, ret);
    if (headers) {
        nb_buf_append(headers, nb_buf_cstr(&r.headers), r.headers.len);
        return nb_buf_check(headers, err);
    }
    return true;
}

bool s3_delete(struct s3_client *c, const char *key, const struct nb_cancel *cancel,
               struct nb_error *err)
{
    struct s3_call call = { .method = "DELETE", .key = key, .error_in_200 = true };
    nb_auto_done(http_response_done) struct http_response r = HTTP_RESPONSE_INIT;

    if (!s3_key_check(key, err))
        return false;
    if (s3_call_run(c, &call, cancel, &r, err))
        return true;
    if (nb_streq(err->reason, "ObjectNotFound")) {
        nb_error_clear(err);
        return true;
    }
    return nb_wrap(err, "delete '%s'", key);
}
