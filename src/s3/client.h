#ifndef NB_S3_CLIENT_H
#define NB_S3_CLIENT_H

/*
 * s3_client: one bucket of an S3 service (Cloudflare R2 first, any other as well) and the
 * operations on it.
 *
 * Thread: any number of threads may use one client at the same time: each call borrows an HTTP
 * handle from the client's free list (made on demand, at most as many as calls ran at once) and
 * gives it back, with its connection open.
 *
 * Retries: what may pass by itself (refused or cut connections, 429, 500, 502, 503, 504,
 * RequestTimeout, ClientDisconnect, IncompleteBody, ...) is tried again after random, growing
 * pauses until opts.retry_window_ms is over or opts.max_tries are used up. A token bucket shared by
 * all threads sees to it that in an outage the retries of all threads together slow down to the
 * longest pause. What is left is NB_E_UNAVAILABLE or NB_E_TIMEOUT. A clock that is off by more than
 * the service allows is corrected once, from the Date header of its answers.
 *
 * Errors (code, reason): NB_E_NOT_FOUND "BucketNotFound", "ObjectNotFound", "UploadNotFound";
 * NB_E_DENIED "AccessDenied", "InvalidAccessKey", "SignatureMismatch", "ObjectLocked",
 * "ClockSkewed", "TlsVerificationFailed"; NB_E_CONFLICT "PreconditionFailed"; NB_E_UNAVAILABLE /
 * NB_E_TIMEOUT "StorageUnavailable"; NB_E_INVALID "StorageRejected", "InvalidStorage";
 * NB_E_PROTOCOL "StorageProtocol"; NB_E_CORRUPT "ChecksumMismatch"; NB_E_LIMIT; NB_E_CANCELLED.
 *
 * Never sent: Expect: 100-continue, aws-chunked bodies, tagging, ACL and checksum-algorithm headers
 * (R2 lacks them). Content-Length always, Content-MD5 and the signed SHA-256 with every body.
 *
 * Source: S3 API reference; Cloudflare's R2 pages on S3 compatibility, error codes and limits.
 */

#include <stddef.h>

#include "base/buf.h"
#include "base/cancel.h"
#include "s3/creds.h"
#include "s3/sign.h"

struct s3_client;

struct s3_client_opts { /* everything is copied */
    /* "https://host[:port]"; http:// is for tests and private networks; no path */
    const char *endpoint;
    const char *region; /* NULL: "auto" */
    const char *bucket;
    /* "host/bucket/key"; always so for R2, IP addresses, "localhost" and buckets with a dot */
    bool force_path_style;
    const struct s3_creds *creds;
    const char *ca_pem;      /* NULL: the system's store */
    int64_t retry_window_ms; /* how long one call may go on trying; 0: 2 minutes; < 0: no retry */
    unsigned max_tries;      /* of one call; 0: no limit but the window */
    int64_t backoff_base_ms; /* 0: 250 */
    int64_t backoff_cap_ms;  /* 0: 20,000 */
    int64_t connect_timeout_ms; /* 0: 10 s */
    int64_t idle_timeout_ms;    /* no byte for so long: a timeout; 0: 60 s */
    /* Called before every retry (any thread; may be NULL): for log lines and "waiting for the
     * bucket". */
    void (*on_retry)(void *ctx, const struct nb_error *why, int64_t wait_ms);
    void *on_retry_ctx;
};

enum { S3_ETAG_MAX = 136, S3_UPLOAD_ID_MAX = 2048, S3_KEY_MAX = 1024, S3_ENDPOINT_MAX = 320 };

/* No request is made. NB_E_INVALID "InvalidStorage" names the setting that is wrong. */
NB_NODISCARD bool s3_client_new(const struct s3_client_opts *opts, struct s3_client **ret,
                                struct nb_error *err);
void s3_client_free(struct s3_client *c); /* no call may be running */
NB_AUTO_DEFINE(struct s3_client *, s3_client_free)
const char *s3_client_bucket(const struct s3_client *c);
const char *s3_client_endpoint(const struct s3_client *c);
/* The service's clock: ours, corrected by the Date header of its latest answer (ours until there
 * was one). */
int64_t s3_client_now_unix_ms(struct s3_client *c);

/* "https://<account>[.<jurisdiction>].r2.cloudflarestorage.com". jurisdiction: NULL, "", "default",
 * "eu", "fedramp". */
NB_NODISCARD bool s3_r2_endpoint(const char *account_id, const char *jurisdiction,
                                 char out[S3_ENDPOINT_MAX], struct nb_error *err);

struct s3_object {
    uint64_t size;
    char etag[S3_ETAG_MAX];             /* as the server sent it, with its quotes */
    int64_t last_modified_unix_seconds; /* 0: not given */
};

/* User metadata (x-amz-meta-<name>): names lower case [a-z0-9-]; bytes of values outside printable
 * ASCII, and '%', travel percent-encoded and come back decoded. All together at most 8,192 bytes.
 */
struct s3_put_opts {
    const char *content_type; /* NULL: application/octet-stream */
    const struct s3_pair *meta;
    size_t meta_n;
    bool if_none_match; /* only if no such object exists; else NB_E_CONFLICT "PreconditionFailed" */
    const char *if_match; /* only over the object with this ETag; NULL: no condition */
};

NB_NODISCARD bool s3_head_bucket(struct s3_client *c, const struct nb_cancel *cancel,
                                 struct nb_error *err);
/* One request with all of data. opts and ret may be NULL. A condition that fails while the stored
 * object has the very bytes of data counts as met: an earlier try's answer was lost. (So where it
 * matters who wrote first, write who you are.) */
NB_NODISCARD bool s3_put(struct s3_client *c, const char *key, const void *data, size_t n,
                         const struct s3_put_opts *opts, const struct nb_cancel *cancel,
                         struct s3_object *ret, struct nb_error *err);

struct s3_get_opts {
    uint64_t offset, length; /* length 0: to the end */
    /* ETag; else NB_E_CONFLICT. NULL: the first answer's ETag binds later ones */
    const char *if_match;
};
/* Streams the body; after a cut the rest is asked for with If-Match, so fn sees each byte once and
 * all of one version. ret->size is the whole object's. opts and ret may be NULL. */
typedef bool(s3_body_fn)(void *ctx, const char *p, size_t n, struct nb_error *err);
NB_NODISCARD bool s3_get(struct s3_client *c, const char *key, const struct s3_get_opts *opts,
                         s3_body_fn *fn, void *ctx, const struct nb_cancel *cancel,
                         struct s3_object *ret, struct nb_error *err);
/* A small object into out (up to its maximum). ret may be NULL. */
NB_NODISCARD bool s3_get_buf(struct s3_client *c, const char *key, struct nb_buf *out,
                             const struct nb_cancel *cancel, struct s3_object *ret,
                             struct nb_error *err);

/* NB_E_NOT_FOUND "ObjectNotFound" when there is none. headers: NULL, or filled with the answer's
 * "name: value\n" lines. */
NB_NODISCARD bool s3_head(struct s3_client *c, const char *key, const struct nb_cancel *cancel,
                          struct s3_object *ret, struct nb_buf *headers, struct nb_error *err);
/* A metadata value out of s3_head's headers, decoded; false if absent. */
bool s3_meta_get(const struct nb_buf *headers, const char *name, struct nb_buf *out);
/* True also when there was none. NB_E_DENIED "ObjectLocked" when a bucket lock keeps it. */
NB_NODISCARD bool s3_delete(struct s3_client *c, const char *key, const struct nb_cancel *cancel,
                            struct nb_error *err);

/* Multipart: what s3/upload.h is built on. Conditions are not for Complete: on R2 a failed one
 * destroys the upload. */
struct s3_part {
    char etag[S3_ETAG_MAX];
    uint64_t size;
    uint8_t md5[16];
};
NB_NODISCARD bool s3_multipart_create(struct s3_client *c, const char *key,
                                      const struct s3_put_opts *opts,
                                      const struct nb_cancel *cancel,
                                      char ret_upload_id[S3_UPLOAD_ID_MAX], struct nb_error *err);
/* number from 1 to 10,000. */
NB_NODISCARD bool s3_multipart_put(struct s3_client *c, const char *key, const char *upload_id,
                                   unsigned number, const void *data, size_t n,
                                   const struct nb_cancel *cancel, struct s3_part *ret,
                                   struct nb_error *err);
/* A lost answer is resolved by a HEAD: right size and ETag mean that it was done. */
NB_NODISCARD bool s3_multipart_complete(struct s3_client *c, const char *key, const char *upload_id,
                                        const struct s3_part *parts, size_t parts_n,
                                        const struct nb_cancel *cancel, struct s3_object *ret,
                                        struct nb_error *err);
/* True also when there is no such upload (any more). Tries for 10 s at most. */
NB_NODISCARD bool s3_multipart_abort(struct s3_client *c, const char *key, const char *upload_id,
                                     const struct nb_cancel *cancel, struct nb_error *err);
/* "<md5 of the parts' md5s>-<n>" in quotes: the ETag that S3 and R2 give a multipart object. */
void s3_multipart_etag(const struct s3_part *parts, size_t parts_n, char out[S3_ETAG_MAX]);

#endif
