#ifndef NB_S3_CLIENT_PRIV_H
#define NB_S3_CLIENT_PRIV_H

/* Of the files in this folder and their tests only: one call to the service, tried as often as the
 * rules say. */

#include "net/http.h"
#include "s3/client.h"

enum { S3_CALL_HEADERS_MAX = 24, S3_XML_BODY_MAX = 8 << 20 };

/* What one answer, or its absence, means. */
struct s3_fault {
    bool retry;     /* may pass by itself */
    bool few_tries; /* ... but not for long: damaged on the way */
    bool skewed;    /* our clock is wrong */
    bool uncertain; /* the service may have done what was asked, we don't know */
};

struct s3_call {
    const char *method;
    const char *key; /* NULL: the bucket itself */
    const struct s3_pair *query;
    size_t query_n;
    struct s3_pair headers[S3_CALL_HEADERS_MAX]; /* all are signed */
    size_t headers_n;
    const void *body;
    size_t body_n;
    uint8_t *body_md5; /* in: NULL, or 16 bytes filled with the body's MD5 */
    bool error_in_200; /* a 200 may carry an <Error>: of what changes the bucket */
    bool xml_in_200;   /* a 2xx has XML: one that is torn is asked for again */
    int64_t idle_timeout_ms;
    int64_t window_cap_ms; /* 0, or less time for tries than the client's: for clearing up */
    /* A streamed body. before_try sets the headers anew, so that a further try asks for the rest.
     */
    http_body_fn *on_body;
    void *ctx;
    void (*before_try)(void *ctx, struct s3_call *call);
    /* out */
    const struct http_response *response; /* of the try that runs: on_body may read its headers */
    unsigned tries;
    bool uncertain;  /* an earlier, failed try may have been carried out */
    bool stop;       /* set by on_body: its own error, not to be tried again */
    bool foreign;    /* set by on_body, with stop: not the bucket's error but of whoever reads */
    bool progressed; /* set by on_body: bytes came, the window starts anew */
    char code[64];   /* the service's error code of the last answer, "" if none */
};

/* True: a 2xx answer is in ret. False: err says it all; ret holds the last answer, if one came. */
NB_NODISCARD bool s3_call_run(struct s3_client *c, struct s3_call *call,
                              const struct nb_cancel *cancel, struct http_response *ret,
                              struct nb_error *err);
void s3_call_header(struct s3_call *call, const char *name, const char *value);
/* The object's ETag, size (Content-Length, or the total of Content-Range) and time out of an
 * answer's headers. */
void s3_object_from_headers(const struct http_response *r, struct s3_object *ret);
/* The same of the answer to a PUT of n bytes (an object or a part): it has an ETag, or was none. */
NB_NODISCARD bool s3_object_stored(const struct http_response *r, size_t n, struct s3_object *ret,
                                   struct nb_error *err);
/* Metadata headers "x-amz-meta-<name>" and the like of a put or create. text owns the values. */
NB_NODISCARD bool s3_call_put_headers(struct s3_call *call, const struct s3_put_opts *opts,
                                      struct nb_buf *text, struct nb_error *err);
NB_NODISCARD bool s3_key_check(const char *key, struct nb_error *err);

/* error.c, pure: an answer that is not 2xx (or an <Error> in one that is) into err and fault.
 * Always returns false. */
struct s3_error_place {
    bool is_r2, is_bucket_call;
    const char *bucket, *endpoint, *key, *access_key_id;
};
bool s3_error_from_answer(int status, const char *code, const char *message,
                          const struct s3_error_place *place, struct s3_fault *ret_fault,
                          struct nb_error *err);
/* <Error><Code>, <Message> of a body; false when it is no such thing. */
bool s3_error_parse(const char *body, size_t n, char code[64], char message[256]);

/* time limits of a whole try */
enum { S3_TRY_TIMEOUT_MS = 15 * 60 * 1000 };

#endif
