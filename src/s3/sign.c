#include "s3/sign.h"

#include <stdio.h>

#include "base/b64.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/mem.h"

enum { SIGN_HEADERS_MAX = 64, SIGN_QUERY_MAX = 64, SIGN_TEXT_MAX = 256 << 10 };

/* ---- headers: those given and those that signing adds, by name ---- */

struct header_list {
    struct s3_pair items[SIGN_HEADERS_MAX];
    size_t n;
    char date[NB_TIME_TEXT_MAX];
};

static unsigned char lower(char c)
{
    return (unsigned char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
}

static int compare_names(const char *a, const char *b)
{
    while (*a && lower(*a) == lower(*b)) {
        a++;
        b++;
    }
    return (int)lower(*a) - (int)lower(*b);
}

/* Stable, so that doubled headers keep their order. */
static void header_insert(struct header_list *l, const char *name, const char *value)
{
    size_t i = l->n++;

    while (i > 0 && compare_names(l->items[i - 1].name, name) > 0) {
        l->items[i] = l->items[i - 1];
        i--;
    }
    l->items[i] = (struct s3_pair){ name, value };
}

static bool headers_gather(const struct s3_sign_request *req, const struct s3_creds *creds,
                           struct header_list *l, struct nb_error *err)
{
    if (req->headers_n + 3 > SIGN_HEADERS_MAX)
        return nb_fail(err, NB_E_LIMIT, "TooManyHeaders", "more than %d headers to sign",
                       SIGN_HEADERS_MAX - 3);
    l->n = 0;
    for (size_t i = 0; i < req->headers_n; i++)
        header_insert(l, req->headers[i].name, req->headers[i].value);
    header_insert(l, "x-amz-date", nb_time_format_basic(req->now_unix_seconds, l->date));
    if (req->add_content_sha256)
        header_insert(l, "x-amz-content-sha256", req->payload_sha256);
    if (req->add_token && creds->session_token)
        header_insert(l, "x-amz-security-token", nb_secret_str(creds->session_token).p);
    return true;
}

static void put_lower(const char *s, struct nb_buf *out)
{
    for (; *s; s++)
        nb_buf_putc(out, (char)lower(*s));
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Trimmed, with runs of blanks made one. */
static void put_value(const char *s, struct nb_buf *out)
{
    bool pending = false, any = false;

    for (; *s; s++) {
        if (is_blank(*s)) {
            pending = any;
            continue;
        }
        if (pending)
            nb_buf_putc(out, ' ');
        pending = false;
        any = true;
        nb_buf_putc(out, *s);
    }
}

static void put_headers(const struct header_list *l, struct nb_buf *out)
{
    for (size_t i = 0; i < l->n; i++) {
        put_lower(l->items[i].name, out);
        nb_buf_putc(out, ':');
        put_value(l->items[i].value, out);
        while (i + 1 < l->n && compare_names(l->items[i].name, l->items[i + 1].name) == 0) {
            i++;
            nb_buf_putc(out, ',');
            put_value(l->items[i].value, out);
        }
        nb_buf_putc(out, '\n');
    }
}

static void put_signed_names(const struct header_list *l, struct nb_buf *out)
{
    for (size_t i = 0; i < l->n; i++) {
        if (i > 0 && compare_names(l->items[i - 1].name, l->items[i].name) == 0)
            continue;
        if (i > 0)
            nb_buf_putc(out, ';');
        put_lower(l->items[i].name, out);
    }
}

/* ---- path ---- */

void s3_sign_path_encode(struct nb_str path, struct nb_buf *out)
{
    nb_url_encode(path.p, path.n, true, out);
}

/* Drops empty and "." segments and takes ".." back, as RFC 3986 section 6.2.2.3 and more. */
static void path_normalise(struct nb_str path, struct nb_buf *out)
{
    size_t i = 0;
    bool slash_at_end = path.n > 0 && path.p[path.n - 1] == '/';

    while (i < path.n) {
        size_t start, n;

        while (i < path.n && path.p[i] == '/')
            i++;
        start = i;
        while (i < path.n && path.p[i] != '/')
            i++;
        n = i - start;
        if (n == 0 || (n == 1 && path.p[start] == '.'))
            continue;
        if (n == 2 && path.p[start] == '.' && path.p[start + 1] == '.') {
            while (out->len > 0 && out->data[out->len - 1] != '/')
                out->len--;
            if (out->len > 0)
                out->len--;
            continue;
        }
        nb_buf_putc(out, '/');
        nb_buf_append(out, path.p + start, n);
    }
    if (out->len == 0 || slash_at_end)
        nb_buf_putc(out, '/');
}

/* ---- query ---- */

void s3_sign_query_encode(const struct s3_pair *query, size_t n, struct nb_buf *out)
{
    for (size_t i = 0; i < n; i++) {
        const char *v = query[i].value ? query[i].value : "";

        if (i > 0)
            nb_buf_putc(out, '&');
        nb_url_encode(query[i].name, strlen(query[i].name), false, out);
        nb_buf_putc(out, '=');
        nb_url_encode(v, strlen(v), false, out);
    }
}

struct encoded_pair {
    size_t name, value; /* offsets of NUL-terminated texts */
};

static int compare_pairs(const char *text, const struct encoded_pair *a,
                         const struct encoded_pair *b)
{
    int d = strcmp(text + a->name, text + b->name);

    return d ? d : strcmp(text + a->value, text + b->value);
}

static bool put_query(const struct s3_sign_request *req, struct nb_buf *out, struct nb_error *err)
{
    nb_auto_done(nb_buf_done) struct nb_buf text = NB_BUF_INIT(SIGN_TEXT_MAX);
    struct encoded_pair pairs[SIGN_QUERY_MAX] = { { 0, 0 } };
    const char *all;

    if (req->query_n > SIGN_QUERY_MAX)
        return nb_fail(err, NB_E_LIMIT, "TooManyParameters", "more than %d query parameters",
                       SIGN_QUERY_MAX);
    for (size_t i = 0; i < req->query_n; i++) {
        const char *v = req->query[i].value ? req->query[i].value : "";

        pairs[i].name = text.len;
        nb_url_encode(req->query[i].name, strlen(req->query[i].name), false, &text);
        nb_buf_putc(&text, '\0');
        pairs[i].value = text.len;
        nb_url_encode(v, strlen(v), false, &text);
        nb_buf_putc(&text, '\0');
    }
    if (!nb_buf_check(&text, err))
        return false;
    all = nb_buf_cstr(&text);
    for (size_t i = 1; i < req->query_n; i++) {
        struct encoded_pair x = pairs[i];
        size_t j = i;

        while (j > 0 && compare_pairs(all, &pairs[j - 1], &x) > 0) {
            pairs[j] = pairs[j - 1];
            j--;
        }
        pairs[j] = x;
    }
    for (size_t i = 0; i < req->query_n; i++)
        nb_buf_printf(out, "%s%s=%s", i ? "&" : "", all + pairs[i].name, all + pairs[i].value);
    return true;
}

/* ---- the three steps ---- */

static bool put_canonical(const struct s3_sign_request *req, const struct header_list *l,
                          struct nb_buf *out, struct nb_error *err)
{
    nb_auto_done(nb_buf_done) struct nb_buf path = NB_BUF_INIT(SIGN_TEXT_MAX);

    if (req->rule == S3_SIGN_GENERIC)
        path_normalise(req->path, &path);
    else
        nb_buf_append(&path, req->path.p, req->path.n);
    nb_buf_printf(out, "%s\n", req->method);
    s3_sign_path_encode(nb_buf_str(&path), out);
    nb_buf_putc(out, '\n');
    if (!put_query(req, out, err))
        return false;
    nb_buf_putc(out, '\n');
    put_headers(l, out);
    nb_buf_putc(out, '\n');
    put_signed_names(l, out);
    nb_buf_printf(out, "\n%s", req->payload_sha256);
    return nb_buf_check(&path, err) && nb_buf_check(out, err);
}

bool s3_sign_canonical_request(const struct s3_sign_request *req, const struct s3_creds *creds,
                               struct nb_buf *out, struct nb_error *err)
{
    struct header_list l = { .n = 0 };

    return headers_gather(req, creds, &l, err) && put_canonical(req, &l, out, err);
}

/* "20150830/us-east-1/service/aws4_request" */
static void put_scope(const struct s3_sign_request *req, struct nb_buf *out)
{
    char date[NB_TIME_TEXT_MAX];

    nb_buf_printf(out, "%.8s/%s/%s/aws4_request", nb_time_format_basic(req->now_unix_seconds, date),
                  req->region, req->service);
}

void s3_sign_string_to_sign(const struct s3_sign_request *req, struct nb_str canonical_request,
                            struct nb_buf *out)
{
    char date[NB_TIME_TEXT_MAX], hex[NB_SHA256_HEX];
    uint8_t hash[NB_SHA256_BYTES];

    nb_sha256(canonical_request.p, canonical_request.n, hash);
    nb_hex(hash, sizeof(hash), hex);
    nb_buf_printf(out, "AWS4-HMAC-SHA256\n%s\n", nb_time_format_basic(req->now_unix_seconds, date));
    put_scope(req, out);
    nb_buf_printf(out, "\n%s", hex);
}

static const char SCHEME[4] = { 'A', 'W', 'S', '4' };

static void signing_key(const struct s3_sign_request *req, const struct s3_creds *creds,
                        uint8_t out[NB_SHA256_BYTES])
{
    char date[NB_TIME_TEXT_MAX];
    struct nb_str secret = nb_secret_str(creds->secret_access_key);
    size_t n = secret.n + sizeof(SCHEME);
    char *start = nb_xmalloc(n);

    memcpy(start, SCHEME, sizeof(SCHEME));
    memcpy(start + sizeof(SCHEME), secret.p, secret.n);
    nb_time_format_basic(req->now_unix_seconds, date);
    nb_hmac_sha256(start, n, date, 8, out);
    nb_hmac_sha256(out, NB_SHA256_BYTES, req->region, strlen(req->region), out);
    nb_hmac_sha256(out, NB_SHA256_BYTES, req->service, strlen(req->service), out);
    nb_hmac_sha256(out, NB_SHA256_BYTES, "aws4_request", 12, out);
    nb_wipe(start, n);
    free(start);
}

bool s3_sign(const struct s3_sign_request *req, const struct s3_creds *creds,
             struct nb_buf *ret_authorization, struct nb_error *err)
{
    nb_auto_done(nb_buf_done) struct nb_buf text = NB_BUF_INIT(SIGN_TEXT_MAX);
    nb_auto_done(nb_buf_done) struct nb_buf to_sign = NB_BUF_INIT(4096);
    struct header_list l = { .n = 0 };
    uint8_t key[NB_SHA256_BYTES], mac[NB_SHA256_BYTES];
    char hex[NB_SHA256_HEX];

    if (!headers_gather(req, creds, &l, err) || !put_canonical(req, &l, &text, err))
        return false;
    s3_sign_string_to_sign(req, nb_buf_str(&text), &to_sign);
    if (!nb_buf_check(&to_sign, err))
        return false;
    signing_key(req, creds, key);
    nb_hmac_sha256(key, sizeof(key), to_sign.data, to_sign.len, mac);
    nb_wipe(key, sizeof(key));
    nb_hex(mac, sizeof(mac), hex);
    nb_buf_printf(ret_authorization, "AWS4-HMAC-SHA256 Credential=%s/", creds->access_key_id);
    put_scope(req, ret_authorization);
    nb_buf_puts(ret_authorization, ", SignedHeaders=");
    put_signed_names(&l, ret_authorization);
    nb_buf_printf(ret_authorization, ", Signature=%s", hex);
    return nb_buf_check(ret_authorization, err);
}
