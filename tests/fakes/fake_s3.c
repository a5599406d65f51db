#include "tests/fakes/fake_s3.h"

#include <stdio.h>

#include "base/b64.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/mem.h"
#include "s3/sign.h"
#include "s3/xml.h"

enum {
    KEY_MAX = 2048,
    OBJECTS_MAX = 20000,
    UPLOADS_MAX = 4096,
    PARTS_MAX = 10000,
    BODY_MAX = 512 << 20 /* of one answer: an object */
};

struct object {
    char *key, *data;
    size_t n;
    char etag[64];
    char *meta; /* "name: value\r\n" lines of the answer */
    int64_t modified;
};

struct part {
    char *data;
    size_t n;
    uint8_t md5[16];
};

struct upload {
    char *key, *meta;
    char id[64];
    int64_t begun;
    struct part parts[64]; /* by number - 1; tests use few */
};

struct fake_s3 {
    struct fake_http *http;
    struct s3_creds *creds;
    struct object *objects; /* sorted by key */
    size_t objects_n;
    struct object *saved;
    size_t saved_n;
    struct upload **uploads;
    size_t uploads_n;
    unsigned next_id;
    fake_s3_hook *hook;
    void *hook_ctx;
    unsigned page, expire_tokens, ops;
    unsigned kinds[16];
    int64_t clock_offset;
    char *locked;
    bool odd_etags, drop_conditions, damaging;
    char complaint[256];
};

struct request {
    const struct fake_http_request *http;
    char key[KEY_MAX];
    char upload_id[128];
    unsigned part;
    enum op {
        OP_PUT,
        OP_GET,
        OP_HEAD,
        OP_DELETE,
        OP_HEAD_BUCKET,
        OP_LIST,
        OP_LIST_UPLOADS,
        OP_CREATE,
        OP_PART,
        OP_COMPLETE,
        OP_ABORT,
        OP_NONE
    } op;
};

static const char *const op_names[] = { "PutObject",
                                        "GetObject",
                                        "HeadObject",
                                        "DeleteObject",
                                        "HeadBucket",
                                        "ListObjectsV2",
                                        "ListMultipartUploads",
                                        "CreateMultipartUpload",
                                        "UploadPart",
                                        "CompleteMultipartUpload",
                                        "AbortMultipartUpload",
                                        "None" };

static int64_t now(const struct fake_s3 *f)
{
    return nb_clock_unix_seconds() + f->clock_offset;
}

/* ---- objects ---- */

static struct object *find(struct fake_s3 *f, const char *key)
{
    size_t low = 0, high = f->objects_n;

    while (low < high) {
        size_t mid = (low + high) / 2;
        int d = strcmp(f->objects[mid].key, key);

        if (d == 0)
            return &f->objects[mid];
        if (d < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return NULL;
}

static void object_clear(struct object *o)
{
    free(o->key);
    free(o->data);
    free(o->meta);
}

static void remove_object(struct fake_s3 *f, struct object *o)
{
    size_t i = (size_t)(o - f->objects);

    object_clear(o);
    memmove(o, o + 1, (f->objects_n - i - 1) * sizeof(*o));
    f->objects_n--;
}

static void md5_etag(struct fake_s3 *f, const uint8_t md5[16], size_t parts, char out[64])
{
    char hex[33];

    nb_hex(md5, 16, hex);
    if (f->odd_etags)
        hex[0] = hex[0] == 'f' ? '0' : 'f';
    if (parts)
        snprintf(out, 64, "\"%s-%zu\"", hex, parts);
    else
        snprintf(out, 64, "\"%s\"", hex);
}

/* take_data and take_meta become the object's. */
static struct object *store(struct fake_s3 *f, const char *key, char *take_data, size_t n,
                            const char *etag, char *take_meta)
{
    struct object *o = find(f, key);
    size_t i = 0;

    if (o)
        remove_object(f, o);
    f->objects = nb_xreallocarray(f->objects, f->objects_n + 1, sizeof(*f->objects));
    while (i < f->objects_n && strcmp(f->objects[i].key, key) < 0)
        i++;
    memmove(&f->objects[i + 1], &f->objects[i], (f->objects_n - i) * sizeof(*f->objects));
    f->objects_n++;
    o = &f->objects[i];
    *o = (struct object){
        .key = nb_xstrdup(key), .data = take_data, .n = n, .meta = take_meta, .modified = now(f)
    };
    snprintf(o->etag, sizeof(o->etag), "%s", etag);
    if (f->damaging && n > 0 && strstr(key, ".cypher"))
        o->data[n / 2] ^= 1;
    return o;
}

static char *dup_bytes(const char *p, size_t n)
{
    char *d = nb_xmalloc(n + 1);

    memcpy(d, p, n);
    d[n] = '\0';
    return d;
}

/* ---- answers ---- */

static void fail(struct fake_http_reply *r, int status, const char *code, const char *message)
{
    r->status = status;
    nb_buf_clear(&r->body);
    if (!code)
        return;
    nb_buf_printf(
        &r->body,
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>%s</Code><Message>%s</Message>"
        "<RequestId>1</RequestId></Error>",
        code, message);
    fake_http_reply_header(r, "Content-Type", "application/xml");
}

static const char *http_date(int64_t t, char out[40])
{
    static const char *const days[] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
    static const char *const months[] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                          "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
    struct nb_tm tm = nb_tm_from_unix(t);

    snprintf(out, 40, "%s, %02d %s %04d %02d:%02d:%02d GMT", days[tm.weekday % 7], tm.day % 100,
             months[(tm.month - 1) % 12], (int)(tm.year % 10000), tm.hour % 100, tm.minute % 100,
             tm.second % 100);
    return out;
}

static void complain(struct fake_s3 *f, const char *what)
{
    if (!f->complaint[0])
        snprintf(f->complaint, sizeof(f->complaint), "%s", what);
}

/* ---- signature: what came over the wire is signed again ---- */

struct wire {
    struct nb_buf text; /* NUL-terminated names and values */
    struct s3_pair headers[64], query[16];
    size_t headers_n, query_n;
    char path[KEY_MAX];
};

static const char *keep(struct nb_buf *b, const char *p, size_t n)
{
    size_t at = b->len;

    nb_buf_append(b, p, n);
    nb_buf_putc(b, '\0');
    return b->data + at;
}

static void wire_headers(struct wire *w, const struct fake_http_request *q, const char *names)
{
    char value[4096];

    while (*names) {
        size_t n = strcspn(names, ";,");
        const char *name = keep(&w->text, names, n);

        if (!nb_streq(name, "x-amz-date") && !nb_streq(name, "x-amz-content-sha256") &&
            !nb_streq(name, "x-amz-security-token") &&
            fake_http_request_header(q, name, value, sizeof(value)))
            w->headers[w->headers_n++] =
                (struct s3_pair){ name, keep(&w->text, value, strlen(value)) };
        names += n;
        if (*names != ';')
            break;
        names++;
    }
}

static void wire_query(struct wire *w, const char *query)
{
    struct nb_buf b = NB_BUF_INIT(8192);

    while (*query && w->query_n < 16) {
        size_t n = strcspn(query, "&"), eq = strcspn(query, "=&");
        const char *name;

        nb_buf_clear(&b);
        if (!nb_url_decode(query, eq < n ? eq : n, &b))
            nb_buf_clear(&b);
        name = keep(&w->text, nb_buf_cstr(&b), b.len);
        nb_buf_clear(&b);
        if (eq < n && !nb_url_decode(query + eq + 1, n - eq - 1, &b))
            nb_buf_clear(&b);
        w->query[w->query_n++] = (struct s3_pair){ name, keep(&w->text, nb_buf_cstr(&b), b.len) };
        query += n + (query[n] == '&');
    }
    nb_buf_done(&b);
}

static bool parse_amz_date(const char *s, int64_t *ret)
{
    struct nb_tm tm = { 0 };
    int v[6];

    if (strlen(s) != 16 || s[8] != 'T')
        return false;
    for (int i = 0; i < 6; i++) {
        static const int at[] = { 0, 4, 6, 9, 11, 13 }, len[] = { 4, 2, 2, 2, 2, 2 };

        v[i] = 0;
        for (int j = 0; j < len[i]; j++)
            v[i] = v[i] * 10 + (s[at[i] + j] - '0');
    }
    tm = (struct nb_tm){
        .year = v[0], .month = v[1], .day = v[2], .hour = v[3], .minute = v[4], .second = v[5]
    };
    *ret = nb_tm_to_unix(&tm);
    return true;
}

/* False: r says why. */
static bool check_auth(struct fake_s3 *f, const struct fake_http_request *q,
                       struct fake_http_reply *r)
{
    struct wire w = { .text = NB_BUF_INIT(1 << 20) };
    struct nb_buf want = NB_BUF_INIT(1 << 16), path = NB_BUF_INIT(KEY_MAX);
    struct nb_error err = NB_ERROR_INIT;
    char auth[4096], date[64] = "", sha[80] = "", real[NB_SHA256_HEX];
    uint8_t hash[NB_SHA256_BYTES];
    const char *signed_names;
    struct s3_sign_request sr = { .rule = S3_SIGN_S3,
                                  .region = "auto",
                                  .service = "s3",
                                  .add_content_sha256 = true,
                                  .add_token = true };
    bool ok = false;

    if (!fake_http_request_header(q, "authorization", auth, sizeof(auth)) ||
        !fake_http_request_header(q, "x-amz-date", date, sizeof(date)) ||
        !fake_http_request_header(q, "x-amz-content-sha256", sha, sizeof(sha)) ||
        !parse_amz_date(date, &sr.now_unix_seconds) ||
        !(signed_names = strstr(auth, "SignedHeaders="))) {
        fail(r, 403, "AccessDenied", "Anonymous");
        return false;
    }
    nb_buf_reserve(&w.text, 1 << 19); /* so that nothing kept moves */
    wire_headers(&w, q, signed_names + strlen("SignedHeaders="));
    wire_query(&w, q->query);
    if (!nb_url_decode(q->path, strlen(q->path), &path))
        nb_buf_clear(&path);
    sr.method = q->method;
    sr.path = nb_buf_str(&path);
    sr.query = w.query;
    sr.query_n = w.query_n;
    sr.headers = w.headers;
    sr.headers_n = w.headers_n;
    sr.payload_sha256 = sha;
    nb_sha256(q->body.p, q->body.n, hash);
    nb_hex(hash, sizeof(hash), real);
    if (!strstr(auth, f->creds->access_key_id))
        fail(r, 403, "InvalidAccessKeyId", "The access key id does not exist");
    else if (!s3_sign(&sr, f->creds, &want, &err) || !nb_streq(nb_buf_cstr(&want), auth))
        fail(r, 403, "SignatureDoesNotMatch", "The signature does not match");
    else if (llabs(sr.now_unix_seconds - now(f)) > 900)
        fail(r, 403, "RequestTimeTooSkewed", "The difference is too large");
    else if (!nb_streq(sha, real))
        fail(r, 400, "XAmzContentSHA256Mismatch", "Hash mismatch");
    else
        ok = true;
    nb_buf_done(&w.text);
    nb_buf_done(&want);
    nb_buf_done(&path);
    return ok;
}

/* R2's rules for headers, and Content-MD5. */
static bool check_headers(struct fake_s3 *f, const struct fake_http_request *q,
                          struct fake_http_reply *r)
{
    static const char *const missing[] = { "x-amz-tagging",     "x-amz-acl",
                                           "x-amz-checksum",    "x-amz-sdk-checksum",
                                           "x-amz-trailer",     "x-amz-server-side-encryption-aws",
                                           "x-amz-object-lock", "x-amz-request-payer" };
    char text[256];
    struct nb_buf b64 = NB_BUF_INIT(64);
    uint8_t md5[16];
    bool has_body = nb_streq(q->method, "PUT") || nb_streq(q->method, "POST"), good = true;

    for (size_t i = 0; i < NB_ARRAY_LEN(missing); i++)
        if (strstr(q->headers, missing[i])) {
            complain(f, missing[i]);
            fail(r, 501, "NotImplemented", missing[i]);
            return false;
        }
    if (fake_http_request_header(q, "expect", text, sizeof(text)))
        complain(f, "Expect was sent");
    if (has_body && !fake_http_request_header(q, "content-length", text, sizeof(text))) {
        complain(f, "no Content-Length");
        fail(r, 411, "MissingContentLength", "Length required");
        return false;
    }
    if (fake_http_request_header(q, "content-md5", text, sizeof(text))) {
        nb_md5(q->body.p, q->body.n, md5);
        nb_b64_encode(md5, 16, &b64);
        good = nb_streq(nb_buf_cstr(&b64), text);
        nb_buf_done(&b64);
        if (!good)
            fail(r, 400, "BadDigest", "MD5 mismatch");
    }
    return good;
}

/* ---- the operations ---- */

static bool is_locked(struct fake_s3 *f, const char *key, struct fake_http_reply *r)
{
    if (!f->locked || !nb_starts_with(key, f->locked))
        return false;
    fail(r, 403, "ObjectLockedByBucketPolicy", "locked");
    return true;
}

/* False: a condition failed. */
static bool check_conditions(struct fake_s3 *f, const struct request *q, struct fake_http_reply *r)
{
    struct object *o = find(f, q->key);
    char text[256];

    if (fake_http_request_header(q->http, "if-none-match", text, sizeof(text)) && o) {
        fail(r, 412, "PreconditionFailed", "exists");
        return false;
    }
    if (fake_http_request_header(q->http, "if-match", text, sizeof(text))) {
        if (f->drop_conditions && nb_streq(q->http->method, "PUT")) {
            fail(r, 501, "NotImplemented", "if-match");
            return false;
        }
        if (!o && !nb_streq(q->http->method, "PUT"))
            return true;
        if (!o || !nb_streq(o->etag, text)) {
            fail(r, 412, "PreconditionFailed", "another version");
            return false;
        }
    }
    return true;
}

static char *take_meta(const struct request *q)
{
    struct nb_buf b = NB_BUF_INIT(64 << 10);
    const char *p = q->http->headers;

    while (*p) {
        size_t n = strcspn(p, "\n");

        if (nb_starts_with(p, "x-amz-meta-") || nb_starts_with(p, "content-type:")) {
            nb_buf_append(&b, p, n);
            nb_buf_puts(&b, "\r\n");
        }
        p += n + (p[n] == '\n');
    }
    return nb_buf_take(&b);
}

static void put_object(struct fake_s3 *f, const struct request *q, struct fake_http_reply *r)
{
    uint8_t md5[16];
    char etag[64];

    if (!check_conditions(f, q, r))
        return;
    if (find(f, q->key) && is_locked(f, q->key, r))
        return;
    nb_md5(q->http->body.p, q->http->body.n, md5);
    md5_etag(f, md5, 0, etag);
    store(f, q->key, dup_bytes(q->http->body.p, q->http->body.n), q->http->body.n, etag,
          take_meta(q));
    fake_http_reply_header(r, "ETag", etag);
}

/* "bytes=a-b", "bytes=a-" */
static bool parse_range(const char *s, size_t size, size_t *from, size_t *to)
{
    char *end;

    if (!nb_starts_with(s, "bytes="))
        return false;
    *from = strtoul(s + 6, &end, 10);
    if (*end != '-' || *from >= size)
        return false;
    *to = end[1] ? strtoul(end + 1, NULL, 10) : size - 1;
    if (*to >= size)
        *to = size - 1;
    return true;
}

static void get_object(struct fake_s3 *f, const struct request *q, struct fake_http_reply *r,
                       bool head)
{
    struct object *o = find(f, q->key);
    char text[256], date[40];
    size_t from = 0, to = 0;

    if (!o) {
        fail(r, 404, head ? NULL : "NoSuchKey", "no such key");
        return;
    }
    if (!check_conditions(f, q, r))
        return;
    fake_http_reply_header(r, "ETag", o->etag);
    fake_http_reply_header(r, "Last-Modified", http_date(o->modified, date));
    nb_buf_puts(&r->headers, o->meta ? o->meta : "");
    if (fake_http_request_header(q->http, "range", text, sizeof(text))) {
        if (!parse_range(text, o->n, &from, &to)) {
            fail(r, 416, "InvalidRange", "range");
            return;
        }
        r->status = 206;
        snprintf(text, sizeof(text), "bytes %zu-%zu/%zu", from, to, o->n);
        fake_http_reply_header(r, "Content-Range", text);
        nb_buf_append(&r->body, o->data + from, to - from + 1);
        return;
    }
    nb_buf_append(&r->body, o->data, o->n);
}

static void delete_object(struct fake_s3 *f, const struct request *q, struct fake_http_reply *r)
{
    struct object *o = find(f, q->key);

    if (o && is_locked(f, q->key, r))
        return;
    if (o)
        remove_object(f, o);
    r->status = 204;
}

static void list_param(const struct request *q, const char *name, char *out, size_t n)
{
    char raw[4096];
    struct nb_buf b = NB_BUF_INIT(4096);

    out[0] = '\0';
    if (fake_http_request_param(q->http, name, raw, sizeof(raw)) &&
        nb_url_decode(raw, strlen(raw), &b))
        snprintf(out, n, "%s", nb_buf_cstr(&b));
    nb_buf_done(&b);
}

static void put_listed_key(struct fake_http_reply *r, const char *key, bool url)
{
    struct nb_buf b = NB_BUF_INIT(3 * KEY_MAX);

    if (url)
        nb_url_encode(key, strlen(key), true, &b);
    else
        s3_xml_escape(key, &b);
    nb_buf_puts(&r->body, nb_buf_cstr(&b));
    nb_buf_done(&b);
}

static void list_objects(struct fake_s3 *f, const struct request *q, struct fake_http_reply *r)
{
    char prefix[KEY_MAX], delimiter[16], token[KEY_MAX], after[KEY_MAX], max[16], url[16],
        t[NB_TIME_TEXT_MAX];
    char last_prefix[KEY_MAX] = "", last[KEY_MAX] = "";
    unsigned long limit, n = 0;
    bool truncated = false;

    list_param(q, "prefix", prefix, sizeof(prefix));
    list_param(q, "delimiter", delimiter, sizeof(delimiter));
    list_param(q, "continuation-token", token, sizeof(token));
    list_param(q, "start-after", after, sizeof(after));
    list_param(q, "max-keys", max, sizeof(max));
    list_param(q, "encoding-type", url, sizeof(url));
    if (token[0] && f->expire_tokens > 0) {
        f->expire_tokens--;
        fail(r, 400, "InvalidArgument", "The continuation token provided is incorrect");
        return;
    }
    if (token[0])
        snprintf(after, sizeof(after), "%s", token + 1); /* "T" and the last key */
    limit = max[0] ? strtoul(max, NULL, 10) : 1000;
    if (f->page && limit > f->page)
        limit = f->page;
    nb_buf_puts(&r->body, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ListBucketResult "
                          "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\n");
    for (size_t i = 0; i < f->objects_n; i++) {
        const struct object *o = &f->objects[i];
        const char *cut = NULL;
        char name[KEY_MAX];

        if (!nb_starts_with(o->key, prefix))
            continue;
        if (delimiter[0])
            cut = strstr(o->key + strlen(prefix), delimiter);
        snprintf(name, sizeof(name), "%.*s", cut ? (int)(cut - o->key + 1) : (int)strlen(o->key),
                 o->key);
        if ((after[0] && strcmp(name, after) <= 0) || (cut && nb_streq(name, last_prefix)))
            continue;
        if (n == limit) {
            truncated = true;
            break;
        }
        n++;
        snprintf(last, sizeof(last), "%s", name);
        if (cut) {
            snprintf(last_prefix, sizeof(last_prefix), "%s", name);
            nb_buf_puts(&r->body, "  <CommonPrefixes><Prefix>");
            put_listed_key(r, name, nb_streq(url, "url"));
            nb_buf_puts(&r->body, "</Prefix></CommonPrefixes>\n");
            continue;
        }
        nb_buf_puts(&r->body, "  <Contents>\n    <Key>");
        put_listed_key(r, o->key, nb_streq(url, "url"));
        nb_buf_puts(&r->body, "</Key><ETag>");
        s3_xml_escape(o->etag, &r->body);
        nb_buf_printf(&r->body,
                      "</ETag>\n    <LastModified>%s</LastModified><Size>%zu</Size>"
                      "<StorageClass>STANDARD</StorageClass>\n  </Contents>\n",
                      nb_time_format_ms(o->modified * 1000, t), o->n);
    }
    nb_buf_printf(&r->body, "<IsTruncated>%s</IsTruncated><KeyCount>%lu</KeyCount>",
                  truncated ? "true" : "false", n);
    if (truncated) {
        nb_buf_puts(&r->body, "<NextContinuationToken>T");
        s3_xml_escape(last, &r->body);
        nb_buf_puts(&r->body, "</NextContinuationToken>");
    }
    if (url[0])
        nb_buf_printf(&r->body, "<EncodingType>%s</EncodingType>", url);
    nb_buf_puts(&r->body, "</ListBucketResult>");
}

static void list_uploads(struct fake_s3 *f, const struct request *q, struct fake_http_reply *r)
{
    char prefix[KEY_MAX], marker[KEY_MAX], t[NB_TIME_TEXT_MAX];
    unsigned limit = f->page ? f->page : 1000, n = 0;
    size_t i = 0;
    bool truncated = false;

    list_param(q, "prefix", prefix, sizeof(prefix));
    list_param(q, "upload-id-marker", marker, sizeof(marker));
    nb_buf_puts(&r->body, "<ListMultipartUploadsResult>");
    /* In order of creation, which is enough for tests. */
    while (marker[0] && i < f->uploads_n && strcmp(f->uploads[i]->id, marker) <= 0)
        i++;
    for (; i < f->uploads_n; i++) {
        const struct upload *u = f->uploads[i];

        if (!nb_starts_with(u->key, prefix))
            continue;
        if (n++ == limit) {
            truncated = true;
            break;
        }
        nb_buf_puts(&r->body, "<Upload><Key>");
        s3_xml_escape(u->key, &r->body);
        nb_buf_printf(&r->body, "</Key><UploadId>%s</UploadId><Initiated>%s</Initiated></Upload>",
                      u->id, nb_time_format(u->begun, t));
    }
    if (truncated) {
        nb_buf_puts(&r->body, "<NextKeyMarker>");
        s3_xml_escape(f->uploads[i - 1]->key, &r->body);
        nb_buf_printf(&r->body, "</NextKeyMarker><NextUploadIdMarker>%s</NextUploadIdMarker>",
                      f->uploads[i - 1]->id);
    }
    nb_buf_printf(&r->body, "<IsTruncated>%s</IsTruncated></ListMultipartUploadsResult>",
                  truncated ? "true" : "false");
}

static void create_upload(struct fake_s3 *f, const struct request *q, struct fake_http_reply *r)
{
    struct upload *u = NB_NEW(struct upload);

    u->key = nb_xstrdup(q->key);
    u->meta = take_meta(q);
    u->begun = now(f);
    snprintf(u->id, sizeof(u->id), "upload-%06u+/=", ++f->next_id);
    f->uploads = nb_xreallocarray(f->uploads, f->uploads_n + 1, sizeof(*f->uploads));
    f->uploads[f->uploads_n++] = u;
    nb_buf_printf(
        &r->body,
        "<InitiateMultipartUploadResult><Bucket>b</Bucket><Key>k</Key><UploadId>%s</UploadId>"
        "</InitiateMultipartUploadResult>",
        u->id);
}

static struct upload *find_upload(struct fake_s3 *f, const struct request *q, size_t *ret_index)
{
    for (size_t i = 0; i < f->uploads_n; i++)
        if (nb_streq(f->uploads[i]->id, q->upload_id) && nb_streq(f->uploads[i]->key, q->key)) {
            *ret_index = i;
            return f->uploads[i];
        }
    return NULL;
}

static void drop_upload(struct fake_s3 *f, size_t i)
{
    struct upload *u = f->uploads[i];

    for (size_t k = 0; k < NB_ARRAY_LEN(u->parts); k++)
        free(u->parts[k].data);
    free(u->key);
    free(u->meta);
    free(u);
    memmove(&f->uploads[i], &f->uploads[i + 1], (f->uploads_n - i - 1) * sizeof(*f->uploads));
    f->uploads_n--;
}

static void put_part(struct fake_s3 *f, const struct request *q, struct fake_http_reply *r)
{
    size_t i;
    struct upload *u = find_upload(f, q, &i);
    struct part *p;
    char etag[64];

    if (!u) {
        fail(r, 404, "NoSuchUpload", "no such upload");
        return;
    }
    if (q->part < 1 || q->part > NB_ARRAY_LEN(u->parts)) {
        fail(r, 400, "InvalidArgument", "part number");
        return;
    }
    p = &u->parts[q->part - 1];
    free(p->data);
    p->data = dup_bytes(q->http->body.p, q->http->body.n);
    p->n = q->http->body.n;
    nb_md5(p->data, p->n, p->md5);
    md5_etag(f, p->md5, 0, etag);
    fake_http_reply_header(r, "ETag", etag);
}

struct complete_walk {
    struct fake_s3 *f;
    struct upload *u;
    unsigned number, count;
    char etag[64];
    bool bad;
};

static bool on_complete_element(void *ctx, const char *path, struct nb_str text,
                                struct nb_error *err)
{
    struct complete_walk *w = ctx;
    char t[64], want[64];

    (void)err;
    snprintf(t, sizeof(t), "%.*s", (int)text.n, text.p);
    if (nb_ends_with(path, "/Part/PartNumber"))
        w->number = (unsigned)strtoul(t, NULL, 10);
    else if (nb_ends_with(path, "/Part/ETag"))
        snprintf(w->etag, sizeof(w->etag), "%s", t);
    else if (nb_ends_with(path, "/Part")) {
        w->count++;
        if (w->number != w->count || w->number > NB_ARRAY_LEN(w->u->parts) ||
            !w->u->parts[w->number - 1].data) {
            w->bad = true;
            return true;
        }
        md5_etag(w->f, w->u->parts[w->number - 1].md5, 0, want);
        w->bad = w->bad || !nb_streq(want, w->etag);
    }
    return true;
}

static void complete_upload(struct fake_s3 *f, const struct request *q, struct fake_http_reply *r)
{
    size_t i, total = 0;
    struct upload *u = find_upload(f, q, &i);
    struct complete_walk w = { .f = f, .u = u };
    struct nb_error err = NB_ERROR_INIT;
    uint8_t md5s[16 * 64], md5[16];
    char etag[64], *all;

    if (!u) {
        fail(r, 404, "NoSuchUpload", "no such upload");
        return;
    }
    if (!check_conditions(f, q, r)) {
        complain(f, "a condition at Complete");
        drop_upload(f, i);
        return;
    }
    if (!s3_xml_walk(q->http->body.p, q->http->body.n, on_complete_element, &w, &err) || w.bad ||
        w.count == 0) {
        fail(r, 400, "InvalidPart", "part");
        return;
    }
    for (unsigned k = 0; k < w.count; k++) {
        if (k + 1 < w.count && (u->parts[k].n != u->parts[0].n || u->parts[k].n < 5 << 20)) {
            complain(f, "parts differ in size");
            fail(r, 400, "InvalidPart", "All non-trailing parts must have the same length.");
            return;
        }
        total += u->parts[k].n;
    }
    all = nb_xmalloc(total + 1);
    total = 0;
    for (unsigned k = 0; k < w.count; k++) {
        memcpy(all + total, u->parts[k].data, u->parts[k].n);
        total += u->parts[k].n;
        memcpy(md5s + 16 * k, u->parts[k].md5, 16);
    }
    nb_md5(md5s, 16 * (size_t)w.count, md5);
    md5_etag(f, md5, w.count, etag);
    store(f, q->key, all, total, etag, nb_steal(u->meta));
    drop_upload(f, i);
    nb_buf_puts(&r->body,
                "<CompleteMultipartUploadResult><Location>x</Location><Key>k</Key><ETag>");
    s3_xml_escape(etag, &r->body);
    nb_buf_puts(&r->body, "</ETag></CompleteMultipartUploadResult>");
}

static void abort_upload(struct fake_s3 *f, const struct request *q, struct fake_http_reply *r)
{
    size_t i;

    if (!find_upload(f, q, &i)) {
        fail(r, 404, "NoSuchUpload", "no such upload");
        return;
    }
    drop_upload(f, i);
    r->status = 204;
}

static void perform(struct fake_s3 *f, const struct request *q, struct fake_http_reply *r)
{
    switch (q->op) {
    case OP_PUT:
        put_object(f, q, r);
        break;
    case OP_GET:
        get_object(f, q, r, false);
        break;
    case OP_HEAD:
        get_object(f, q, r, true);
        break;
    case OP_DELETE:
        delete_object(f, q, r);
        break;
    case OP_LIST:
        list_objects(f, q, r);
        break;
    case OP_LIST_UPLOADS:
        list_uploads(f, q, r);
        break;
    case OP_CREATE:
        create_upload(f, q, r);
        break;
    case OP_PART:
        put_part(f, q, r);
        break;
    case OP_COMPLETE:
        complete_upload(f, q, r);
        break;
    case OP_ABORT:
        abort_upload(f, q, r);
        break;
    case OP_HEAD_BUCKET:
        break;
    case OP_NONE:
        complain(f, "an operation that S3 does not have");
        fail(r, 501, "NotImplemented", "operation");
    }
}

/* ---- requests ---- */

static enum op op_of(const struct request *q)
{
    const struct fake_http_request *h = q->http;
    char t[8];
    bool id = q->upload_id[0] != '\0',
         uploads = fake_http_request_param(h, "uploads", t, sizeof(t));

    if (nb_streq(h->method, "PUT") && q->key[0])
        return id ? OP_PART : OP_PUT;
    if (nb_streq(h->method, "GET"))
        return q->key[0] ? OP_GET : uploads ? OP_LIST_UPLOADS : OP_LIST;
    if (nb_streq(h->method, "HEAD"))
        return q->key[0] ? OP_HEAD : OP_HEAD_BUCKET;
    if (nb_streq(h->method, "DELETE") && q->key[0])
        return id ? OP_ABORT : OP_DELETE;
    if (nb_streq(h->method, "POST") && q->key[0])
        return id ? OP_COMPLETE : uploads ? OP_CREATE : OP_NONE;
    return OP_NONE;
}

/* False: another bucket. */
static bool parse_request(struct request *q)
{
    struct nb_buf path = NB_BUF_INIT(KEY_MAX);
    size_t n = strlen("/" FAKE_S3_BUCKET);
    char t[32];
    bool ok = nb_url_decode(q->http->path, strlen(q->http->path), &path) &&
              nb_starts_with(nb_buf_cstr(&path), "/" FAKE_S3_BUCKET) &&
              (path.data[n] == '/' || path.data[n] == '\0');

    if (ok)
        snprintf(q->key, sizeof(q->key), "%s", path.data[n] ? path.data + n + 1 : "");
    nb_buf_done(&path);
    list_param(q, "uploadId", q->upload_id, sizeof(q->upload_id));
    list_param(q, "partNumber", t, sizeof(t));
    q->part = (unsigned)strtoul(t, NULL, 10);
    q->op = op_of(q);
    return ok;
}

/* One hexadecimal digit of the first ETag, in a header or in the body. */
static void spoil_etag(struct nb_buf *b, const char *before)
{
    char *at = b->len ? memmem(b->data, b->len, before, strlen(before)) : NULL;

    if (at) {
        at += strlen(before);
        *at = *at == 'f' ? '0' : 'f';
    }
}

/* head: the body is not sent. */
static void spoil_answer(const struct fake_s3_fault *x, bool head, struct fake_http_reply *r)
{
    if (x->other_etag) {
        spoil_etag(&r->headers, "ETag: \"");
        spoil_etag(&r->body, "<ETag>&quot;");
    }
    if (x->torn)
        r->body.len /= 2;
    if (x->cut_half)
        r->cut_after_bytes = (long)(r->headers.len + (head ? 0 : r->body.len)) / 2;
    r->length_off = x->length_off;
    if (x->length_off < 0 && (size_t)-x->length_off > r->body.len)
        r->length_off = -(long)r->body.len;
}

static bool apply_fault(const struct fake_s3_fault *x, bool head, struct fake_http_reply *r)
{
    if (x->status && x->in_200) {
        fail(r, 200, x->code, "injected");
    } else if (x->status) {
        fail(r, x->status, x->code, "injected");
        if (x->retry_after)
            fake_http_reply_header(r, "Retry-After", x->retry_after);
    }
    if (x->blank_200) {
        nb_buf_clear(&r->body);
        nb_buf_puts(&r->body, "   \n ");
    }
    if (x->cut) {
        r->cut_after_bytes = x->cut_after;
        r->reset = x->reset;
    }
    spoil_answer(x, head, r);
    r->stall_ms = x->stall_ms;
    return !x->close;
}

static bool answer(void *ctx, const struct fake_http_request *http, struct fake_http_reply *r)
{
    struct fake_s3 *f = ctx;
    struct request q = { .http = http };
    struct fake_s3_fault x = { 0 };
    bool known = parse_request(&q);
    char date[40];
    struct fake_s3_op op = { .name = op_names[q.op],
                             .key = q.key,
                             .number = ++f->ops,
                             .of_its_kind = ++f->kinds[q.op],
                             .part = q.part };

    r->body.max = BODY_MAX;
    fake_http_reply_header(r, "Date", http_date(now(f), date));
    if (f->hook)
        f->hook(f->hook_ctx, &op, &x);
    if ((x.status || x.close) && !x.after && !x.cut)
        return apply_fault(&x, q.op == OP_HEAD, r);
    if (!check_auth(f, http, r) || !check_headers(f, http, r))
        return apply_fault(&x, q.op == OP_HEAD, r);
    if (!known)
        fail(r, 404, q.op == OP_HEAD_BUCKET ? NULL : "NoSuchBucket", "no such bucket");
    else
        perform(f, &q, r);
    return apply_fault(&x, q.op == OP_HEAD, r);
}

/* ---- outside ---- */

static struct fake_s3 *make(bool tls)
{
    struct fake_s3 *f = NB_NEW(struct fake_s3);
    struct nb_secret *secret = nb_secret_new(FAKE_S3_SECRET, strlen(FAKE_S3_SECRET));
    struct nb_error err = NB_ERROR_INIT;

    if (!s3_creds_new(FAKE_S3_KEY_ID, secret, NULL, &f->creds, &err))
        abort();
    nb_secret_free(secret);
    f->http = tls ? fake_http_new_tls(answer, f) : fake_http_new(answer, f);
    return f;
}

struct fake_s3 *fake_s3_new(void)
{
    return make(false);
}

struct fake_s3 *fake_s3_new_tls(void)
{
    return make(true);
}

static void drop_all(struct fake_s3 *f)
{
    while (f->objects_n > 0)
        remove_object(f, &f->objects[f->objects_n - 1]);
    while (f->uploads_n > 0)
        drop_upload(f, f->uploads_n - 1);
}

void fake_s3_free(struct fake_s3 *f)
{
    fake_http_free(f->http);
    drop_all(f);
    for (size_t i = 0; i < f->saved_n; i++)
        object_clear(&f->saved[i]);
    free(f->saved);
    free(f->objects);
    free(f->uploads);
    free(f->locked);
    s3_creds_free(f->creds);
    free(f);
}

const char *fake_s3_endpoint(const struct fake_s3 *f)
{
    return fake_http_url(f->http);
}

struct fake_http *fake_s3_http(struct fake_s3 *f)
{
    return f->http;
}

#define LOCKED(f, statement)                                                                       \
    do {                                                                                           \
        fake_http_lock((f)->http);                                                                 \
        statement;                                                                                 \
        fake_http_unlock((f)->http);                                                               \
    } while (0)

void fake_s3_set_hook(struct fake_s3 *f, fake_s3_hook *hook, void *ctx)
{
    LOCKED(f, f->hook = hook; f->hook_ctx = ctx; memset(f->kinds, 0, sizeof(f->kinds)); f->ops = 0);
}

void fake_s3_set_page(struct fake_s3 *f, unsigned max_keys)
{
    LOCKED(f, f->page = max_keys);
}

void fake_s3_set_clock(struct fake_s3 *f, int64_t offset_seconds)
{
    LOCKED(f, f->clock_offset = offset_seconds);
}

void fake_s3_lock_prefix(struct fake_s3 *f, const char *prefix)
{
    LOCKED(f, free(f->locked); f->locked = nb_xstrdup_null(prefix));
}

void fake_s3_expire_tokens(struct fake_s3 *f, unsigned count)
{
    LOCKED(f, f->expire_tokens = count);
}

void fake_s3_set_damaging(struct fake_s3 *f, bool on)
{
    LOCKED(f, f->damaging = on);
}

void fake_s3_set_odd_etags(struct fake_s3 *f, bool on)
{
    LOCKED(f, f->odd_etags = on);
}

void fake_s3_drop_conditions(struct fake_s3 *f, bool on)
{
    LOCKED(f, f->drop_conditions = on);
}

void fake_s3_put(struct fake_s3 *f, const char *key, const void *data, size_t n)
{
    uint8_t md5[16];
    char etag[64];

    nb_md5(data, n, md5);
    fake_http_lock(f->http);
    md5_etag(f, md5, 0, etag);
    store(f, key, dup_bytes(data, n), n, etag, NULL);
    fake_http_unlock(f->http);
}

bool fake_s3_get(struct fake_s3 *f, const char *key, struct nb_buf *out)
{
    struct object *o;

    fake_http_lock(f->http);
    o = find(f, key);
    if (o)
        nb_buf_append(out, o->data, o->n);
    fake_http_unlock(f->http);
    return o != NULL;
}

bool fake_s3_has(struct fake_s3 *f, const char *key)
{
    bool has;

    LOCKED(f, has = find(f, key) != NULL);
    return has;
}

bool fake_s3_delete(struct fake_s3 *f, const char *key)
{
    struct object *o;

    fake_http_lock(f->http);
    o = find(f, key);
    if (o)
        remove_object(f, o);
    fake_http_unlock(f->http);
    return o != NULL;
}

void fake_s3_age(struct fake_s3 *f, const char *key, int64_t seconds)
{
    struct object *o;

    fake_http_lock(f->http);
    o = find(f, key);
    if (o)
        o->modified -= seconds;
    fake_http_unlock(f->http);
}

void fake_s3_age_all(struct fake_s3 *f, int64_t seconds)
{
    fake_http_lock(f->http);
    for (size_t i = 0; i < f->objects_n; i++)
        f->objects[i].modified -= seconds;
    fake_http_unlock(f->http);
}

static struct object *copy_objects(const struct object *from, size_t n)
{
    struct object *to = nb_xcalloc(n + 1, sizeof(*to));

    for (size_t i = 0; i < n; i++) {
        to[i] = from[i];
        to[i].key = nb_xstrdup(from[i].key);
        to[i].data = dup_bytes(from[i].data, from[i].n);
        to[i].meta = nb_xstrdup_null(from[i].meta);
    }
    return to;
}

void fake_s3_save(struct fake_s3 *f)
{
    fake_http_lock(f->http);
    for (size_t i = 0; i < f->saved_n; i++)
        object_clear(&f->saved[i]);
    free(f->saved);
    f->saved = copy_objects(f->objects, f->objects_n);
    f->saved_n = f->objects_n;
    fake_http_unlock(f->http);
}

void fake_s3_load(struct fake_s3 *f)
{
    fake_http_lock(f->http);
    drop_all(f);
    free(f->objects);
    f->objects = copy_objects(f->saved, f->saved_n);
    f->objects_n = f->saved_n;
    fake_http_unlock(f->http);
}

size_t fake_s3_count(struct fake_s3 *f)
{
    size_t n;

    LOCKED(f, n = f->objects_n);
    return n;
}

size_t fake_s3_upload_count(struct fake_s3 *f)
{
    size_t n;

    LOCKED(f, n = f->uploads_n);
    return n;
}

unsigned fake_s3_ops(struct fake_s3 *f)
{
    unsigned n;

    LOCKED(f, n = f->ops);
    return n;
}

void fake_s3_dump(struct fake_s3 *f, struct nb_buf *out)
{
    fake_http_lock(f->http);
    for (size_t i = 0; i < f->objects_n; i++)
        nb_buf_printf(out, "%s %zu\n", f->objects[i].key, f->objects[i].n);
    fake_http_unlock(f->http);
}

const char *fake_s3_complaint(const struct fake_s3 *f)
{
    return f->complaint;
}
