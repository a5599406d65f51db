#ifndef NB_S3_SIGN_H
#define NB_S3_SIGN_H

/*
 * AWS Signature Version 4, in the Authorization header. Pure: the time is an argument.
 *
 * Source: "Signing AWS API requests" and "Authenticating Requests: Using the Authorization Header"
 * of the S3 API reference. S3's own rule (S3_SIGN_S3) takes the path as it is, encoded once; every
 * other service's (S3_SIGN_GENERIC) resolves "." and ".." and doubled slashes first; it is here for
 * the official test suite.
 *
 * All input is plain text (path, names and values not percent-encoded). What goes into the URL must
 * be encoded by the two functions below, so that it is what was signed.
 */

#include "base/buf.h"
#include "s3/creds.h"

enum s3_sign_rule { S3_SIGN_S3, S3_SIGN_GENERIC };

struct s3_pair {
    const char *name, *value;
};

struct s3_sign_request {
    enum s3_sign_rule rule;
    const char *method;          /* upper case */
    struct nb_str path;          /* begins with '/', not encoded */
    const struct s3_pair *query; /* any order; a value may be NULL ("?uploads") */
    size_t query_n;
    /* host, and all others to be signed; any case and order; doubled ones are joined */
    const struct s3_pair *headers;
    size_t headers_n;
    const char *payload_sha256;   /* 64 hex digits, or "UNSIGNED-PAYLOAD" */
    const char *region, *service; /* "auto", "s3" */
    int64_t now_unix_seconds;
    /* Headers that signing adds to those above (and that must then be sent): x-amz-date always. */
    bool add_content_sha256; /* x-amz-content-sha256: S3 demands it */
    bool add_token;          /* x-amz-security-token, if the credentials have one */
};

/* The value of the Authorization header. NB_E_LIMIT when out overflows. */
NB_NODISCARD bool s3_sign(const struct s3_sign_request *req, const struct s3_creds *creds,
                          struct nb_buf *ret_authorization, struct nb_error *err);

/* The steps, for vectors. */
NB_NODISCARD bool s3_sign_canonical_request(const struct s3_sign_request *req,
                                            const struct s3_creds *creds, struct nb_buf *out,
                                            struct nb_error *err);
void s3_sign_string_to_sign(const struct s3_sign_request *req, struct nb_str canonical_request,
                            struct nb_buf *out);

/* For the URL: the path ('/' stays), and the query "a=b&c=" in the order given ("" when there is
 * none). */
void s3_sign_path_encode(struct nb_str path, struct nb_buf *out);
void s3_sign_query_encode(const struct s3_pair *query, size_t n, struct nb_buf *out);

#endif
