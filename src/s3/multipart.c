#include <assert.h>
#include <stdio.h>

#include "base/hash.h"
#include "base/mem.h"
#include "s3/client_priv.h"
#include "s3/upload.h"
#include "s3/xml.h"

/* Before its answer to Complete the service may put the parts together. An abort is often made
 * while a program is told to stop, so it does not try for long: what is left over is named by a
 * claim. */
enum {
    COMPLETE_IDLE_TIMEOUT_MS = 5 * 60 * 1000,
    ABORT_TIMEOUT_MS = 10 * 1000,
    COMPLETE_CLOCK_SLACK_SECONDS = 5
};

struct text_of {
    const char *path;
    struct nb_buf *out;
};

static bool take_text(void *ctx, const char *path, struct nb_str text, struct nb_error *err)
{
    struct text_of *t = ctx;

    if (!nb_streq(path, t->path))
        return true;
    nb_buf_clear(t->out);
    nb_buf_append(t->out, text.p, text.n);
    return nb_buf_check(t->out, err);
}

static bool xml_text(const struct http_response *r, const char *path, struct nb_buf *out,
                     struct nb_error *err)
{
    struct text_of t = { path, out };

    return s3_xml_walk(nb_buf_cstr(&r->body), r->body.len, take_text, &t, err);
}

bool s3_multipart_create(struct s3_client *c, const char *key, const struct s3_put_opts *opts,
                         const struct nb_cancel *cancel, char ret_upload_id[S3_UPLOAD_ID_MAX],
                         struct nb_error *err)
{
    const struct s3_pair query[] = { { "uploads", NULL } };
    struct s3_call call = {
        .method = "POST", .key = key, .query = query, .query_n = 1, .error_in_200 = true
    };
    nb_auto_done(http_response_done) struct http_response r = HTTP_RESPONSE_INIT;
    nb_auto_done(nb_buf_done) struct nb_buf text = NB_BUF_INIT(64 << 10);
    nb_auto_done(nb_buf_done) struct nb_buf id = NB_BUF_INIT(S3_UPLOAD_ID_MAX - 1);

    if (!s3_key_check(key, err) || !s3_call_put_headers(&call, opts, &text, err))
        return false;
    if (!s3_call_run(c, &call, cancel, &r, err) ||
        !xml_text(&r, "InitiateMultipartUploadResult/UploadId", &id, err))
        return nb_wrap(err, "begin the upload of '%s'", key);
    if (id.len == 0 || strlen(nb_buf_cstr(&id)) != id.len)
        return nb_fail(err, NB_E_PROTOCOL, "StorageProtocol",
                       "begin the upload of '%s': the service gives no upload id", key);
    memcpy(ret_upload_id, id.data, id.len + 1);
    return true;
}

bool s3_multipart_put(struct s3_client *c, const char *key, const char *upload_id, unsigned number,
                      const void *data, size_t n, const struct nb_cancel *cancel,
                      struct s3_part *ret, struct nb_error *err)
{
    char number_text[16];
    const struct s3_pair query[] = { { "partNumber", number_text }, { "uploadId", upload_id } };
    struct s3_call call = { .method = "PUT",
                            .key = key,
                            .query = query,
                            .query_n = 2,
                            .body = data,
                            .body_n = n,
                            .body_md5 = ret->md5,
                            .error_in_200 = true };
    nb_auto_done(http_response_done) struct http_response r = HTTP_RESPONSE_INIT;
    struct s3_object o;

    assert(number >= 1 && number <= S3_PARTS_MAX && n > 0);
    snprintf(number_text, sizeof(number_text), "%u", number);
    if (!s3_call_run(c, &call, cancel, &r, err) || !s3_object_stored(&r, n, &o, err))
        return nb_wrap(err, "put part %u of '%s'", number, key);
    ret->size = o.size;
    memcpy(ret->etag, o.etag, sizeof(ret->etag));
    return true;
}

void s3_multipart_etag(const struct s3_part *parts, size_t parts_n, char out[S3_ETAG_MAX])
{
    uint8_t *all = nb_xmalloc(parts_n * NB_MD5_BYTES + 1), md5[NB_MD5_BYTES];
    char hex[2 * NB_MD5_BYTES + 1];

    for (size_t i = 0; i < parts_n; i++)
        memcpy(all + i * NB_MD5_BYTES, parts[i].md5, NB_MD5_BYTES);
    nb_md5(all, parts_n * NB_MD5_BYTES, md5);
    nb_hex(md5, sizeof(md5), hex);
    snprintf(out, S3_ETAG_MAX, "\"%s-%zu\"", hex, parts_n);
    free(all);
}

static void complete_body(const struct s3_part *parts, size_t n, struct nb_buf *out)
{
    nb_buf_puts(out, "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">");
    for (size_t i = 0; i < n; i++) {
        nb_buf_printf(out, "<Part><PartNumber>%zu</PartNumber><ETag>", i + 1);
        s3_xml_escape(parts[i].etag, out);
        nb_buf_puts(out, "</ETag></Part>");
    }
    nb_buf_puts(out, "</CompleteMultipartUpload>");
}

/* The answer was lost, or a later try finds no such upload: what does the bucket hold? The right
 * size and the right ETag, or, where ETags are made another way, an object of the right size that
 * came just now to a key that is ours alone. */
static bool is_completed(struct s3_client *c, const char *key, const struct s3_part *parts,
                         size_t n, int64_t begun_unix_ms, const struct nb_cancel *cancel,
                         struct s3_object *ret)
{
    struct nb_error ignored = NB_ERROR_INIT;
    char etag[S3_ETAG_MAX];
    uint64_t size = 0;

    for (size_t i = 0; i < n; i++)
        size += parts[i].size;
    if (!s3_head(c, key, cancel, ret, NULL, &ignored) || ret->size != size)
        return false;
    s3_multipart_etag(parts, n, etag);
    return strcmp(etag, ret->etag) == 0 ||
           ret->last_modified_unix_seconds >= begun_unix_ms / 1000 - COMPLETE_CLOCK_SLACK_SECONDS;
}

/* The ETag in the body, which is there in every real success. */
static bool complete_result(const struct http_response *r, const char *key, struct s3_object *ret,
                            struct nb_error *err)
{
    nb_auto_done(nb_buf_done) struct nb_buf etag = NB_BUF_INIT(S3_ETAG_MAX - 1);

    if (!xml_text(r, "CompleteMultipartUploadResult/ETag", &etag, err))
        return false;
    if (etag.len == 0)
        return nb_fail(err, NB_E_PROTOCOL, "StorageProtocol",
                       "the service's answer to the end of the upload of '%s' says nothing", key);
    snprintf(ret->etag, sizeof(ret->etag), "%s%s%s", etag.data[0] == '"' ? "" : "\"", etag.data,
             etag.data[0] == '"' ? "" : "\"");
    return true;
}

bool s3_multipart_complete(struct s3_client *c, const char *key, const char *upload_id,
                           const struct s3_part *parts, size_t parts_n,
                           const struct nb_cancel *cancel, struct s3_object *ret,
                           struct nb_error *err)
{
    const struct s3_pair query[] = { { "uploadId", upload_id } };
    struct s3_call call = { .method = "POST",
                            .key = key,
                            .query = query,
                            .query_n = 1,
                            .error_in_200 = true,
                            .idle_timeout_ms = COMPLETE_IDLE_TIMEOUT_MS };
    nb_auto_done(http_response_done) struct http_response r = HTTP_RESPONSE_INIT;
    nb_auto_done(nb_buf_done) struct nb_buf body = NB_BUF_INIT(8 << 20);
    int64_t begun_unix_ms = s3_client_now_unix_ms(c);
    bool answered, gone;

    assert(parts_n >= 1 && parts_n <= S3_PARTS_MAX);
    complete_body(parts, parts_n, &body);
    if (!nb_buf_check(&body, err))
        return false;
    call.body = body.data;
    call.body_n = body.len;
    s3_call_header(&call, "content-type", "application/xml");
    memset(ret, 0, sizeof(*ret));
    for (size_t i = 0; i < parts_n; i++)
        ret->size += parts[i].size;
    answered = s3_call_run(c, &call, cancel, &r, err);
    if (answered && complete_result(&r, key, ret, err))
        return true;
    gone = !answered && nb_streq(err->reason, "UploadNotFound");
    if ((answered || gone || call.uncertain) &&
        is_completed(c, key, parts, parts_n, begun_unix_ms, cancel, ret)) {
        nb_error_clear(err);
        return true;
    }
    return nb_wrap(err, "end the upload of '%s'", key);
}

bool s3_multipart_abort(struct s3_client *c, const char *key, const char *upload_id,
                        const struct nb_cancel *cancel, struct nb_error *err)
{
    const struct s3_pair query[] = { { "uploadId", upload_id } };
    struct s3_call call = { .method = "DELETE",
                            .key = key,
                            .query = query,
                            .query_n = 1,
                            .idle_timeout_ms = ABORT_TIMEOUT_MS,
                            .window_cap_ms = ABORT_TIMEOUT_MS };
    nb_auto_done(http_response_done) struct http_response r = HTTP_RESPONSE_INIT;

    if (s3_call_run(c, &call, cancel, &r, err))
        return true;
    if (err->code == NB_E_NOT_FOUND && !nb_streq(err->reason, "BucketNotFound")) {
        nb_error_clear(err);
        return true;
    }
    return nb_wrap(err, "abort the upload of '%s'", key);
}
