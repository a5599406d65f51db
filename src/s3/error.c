#include <stdio.h>

#include "s3/client_priv.h"
#include "s3/xml.h"

struct error_texts {
    char *code, *message;
};

static void copy_text(struct nb_str s, char *out, size_t n)
{
    if (s.n >= n)
        s.n = n - 1;
    memcpy(out, s.p, s.n);
    out[s.n] = '\0';
}

static bool on_error_element(void *ctx, const char *path, struct nb_str text, struct nb_error *err)
{
    struct error_texts *t = ctx;

    (void)err;
    if (nb_streq(path, "Error/Code"))
        copy_text(text, t->code, 64);
    else if (nb_streq(path, "Error/Message"))
        copy_text(text, t->message, 256);
    return true;
}

bool s3_error_parse(const char *body, size_t n, char code[64], char message[256])
{
    struct error_texts t = { code, message };
    struct nb_error ignored = NB_ERROR_INIT;

    code[0] = message[0] = '\0';
    return n > 0 && s3_xml_walk(body, n, on_error_element, &t, &ignored) && code[0];
}

static bool is_one_of(const char *s, const char *const *list)
{
    for (; *list; list++)
        if (nb_streq(s, *list))
            return true;
    return false;
}

static bool is_transient(int status, const char *code)
{
    static const char *const codes[] = { "InternalError",
                                         "SlowDown",
                                         "ServiceUnavailable",
                                         "RequestTimeout",
                                         "ClientDisconnect",
                                         "IncompleteBody",
                                         "TooManyRequests",
                                         "Throttling",
                                         "ThrottlingException",
                                         "RequestThrottled",
                                         "RequestThrottledException",
                                         "RequestLimitExceeded",
                                         "BandwidthLimitExceeded",
                                         "OperationAborted",
                                         "ConditionalRequestConflict",
                                         "PriorRequestNotComplete",
                                         "TransactionInProgress",
                                         NULL };

    return status == 408 || status == 425 || status == 429 || status == 500 || status == 502 ||
           status == 503 || status == 504 || (status >= 520 && status <= 530) ||
           is_one_of(code, codes);
}

static bool fail_not_found(const char *code, const struct s3_error_place *at, struct nb_error *err)
{
    if (nb_streq(code, "NoSuchUpload"))
        return nb_fail(err, NB_E_NOT_FOUND, "UploadNotFound",
                       "the multipart upload of '%s' is gone", at->key ? at->key : "");
    if (nb_streq(code, "NoSuchBucket") || at->is_bucket_call || !at->key) {
        nb_fail(err, NB_E_NOT_FOUND, "BucketNotFound",
                "%s bucket not found: there is no '%s' at '%s'", at->is_r2 ? "R2" : "S3",
                at->bucket, at->endpoint);
        nb_hint(err,
                at->is_r2
                    ? "check R2_BUCKET_NAME and that the bucket has been created; a bucket of a "
                      "jurisdiction (eu, fedramp) is seen at that jurisdiction's endpoint only"
                    : "check R2_BUCKET_NAME and that the bucket has been created");
        return false;
    }
    return nb_fail(err, NB_E_NOT_FOUND, "ObjectNotFound", "there is no object '%s' in bucket '%s'",
                   at->key, at->bucket);
}

/* The first characters of a key id tell which one it is and are no secret. */
static bool fail_denied(int status, const char *code, const char *message,
                        const struct s3_error_place *at, struct nb_error *err)
{
    if (nb_streq(code, "ObjectLockedByBucketPolicy") || nb_streq(code, "ObjectLocked"))
        return nb_fail(err, NB_E_DENIED, "ObjectLocked", "'%s' is kept by a lock of the bucket",
                       at->key ? at->key : "");
    if (nb_streq(code, "InvalidAccessKeyId") ||
        strstr(message, "redential access key has length")) {
        nb_fail(err, NB_E_DENIED, "InvalidAccessKey",
                "Access denied: '%s' does not know the access key id '%.6s...'", at->endpoint,
                at->access_key_id);
        nb_hint(err, "check R2_ACCESS_KEY_ID, and that the endpoint is of the same account");
        return false;
    }
    if (nb_streq(code, "SignatureDoesNotMatch")) {
        nb_fail(err, NB_E_DENIED, "SignatureMismatch",
                "Access denied: the secret does not belong to the access key id '%.6s...' at '%s'",
                at->access_key_id, at->endpoint);
        nb_hint(err, "check R2_SECRET_ACCESS_KEY");
        return false;
    }
    if (nb_streq(code, "ExpiredToken") || nb_streq(code, "TokenRefreshRequired") ||
        nb_streq(code, "InvalidToken")) {
        return nb_fail(
            err, NB_E_DENIED, "AccessDenied",
            "Access denied: the session token of access key id '%.6s...' is not valid (%s)",
            at->access_key_id, code);
    }
    nb_fail(
        err, NB_E_DENIED, "AccessDenied",
        "Access denied: access key id '%.6s...' may not do this with %s%s%s bucket '%s' at '%s' "
        "(status %d%s%s)",
        at->access_key_id, at->key ? "'" : "", at->key ? at->key : "", at->key ? "' in" : "",
        at->bucket, at->endpoint, status, code[0] ? ", " : "", code);
    nb_hint(err, at->is_r2
                     ? "the API token needs the permission 'Object Read & Write' on this bucket"
                     : "the key needs to read, write, list and delete objects of this bucket");
    return false;
}

static bool fail_conflict(int status, const char *code, const struct s3_error_place *at,
                          struct nb_error *err)
{
    return nb_fail(err, NB_E_CONFLICT, "PreconditionFailed",
                   "'%s' in bucket '%s' is not in the state that was asked for (status %d%s%s)",
                   at->key ? at->key : "", at->bucket, status, code[0] ? ", " : "", code);
}

static bool fail_other(int status, const char *code, const char *message,
                       const struct s3_error_place *at, struct nb_error *err)
{
    if (status >= 300 && status < 400)
        nb_fail(err, NB_E_INVALID, "InvalidStorage",
                "'%s' answers bucket '%s' with a redirect (status %d%s%s)", at->endpoint,
                at->bucket, status, code[0] ? ", " : "", code);
    else
        return nb_fail(err, NB_E_INVALID, "StorageRejected",
                       "'%s' rejects the request%s%s%s (status %d%s%s)%s%.160s", at->endpoint,
                       at->key ? " for '" : "", at->key ? at->key : "", at->key ? "'" : "", status,
                       code[0] ? ", " : "", code, message[0] ? ": " : "", message);
    return nb_hint(err, "check the endpoint and the region of the bucket");
}

bool s3_error_from_answer(int status, const char *code, const char *message,
                          const struct s3_error_place *at, struct s3_fault *fault,
                          struct nb_error *err)
{
    memset(fault, 0, sizeof(*fault));
    if (nb_streq(code, "RequestTimeTooSkewed") || nb_streq(code, "RequestExpired")) {
        fault->skewed = true;
        nb_fail(err, NB_E_DENIED, "ClockSkewed",
                "'%s' refuses the request since this machine's clock differs too much from its own",
                at->endpoint);
        return nb_hint(err, "set the clock");
    }
    if (nb_streq(code, "BadDigest") || nb_streq(code, "XAmzContentSHA256Mismatch") ||
        nb_streq(code, "InvalidDigest")) {
        fault->retry = fault->few_tries = true;
        return nb_fail(err, NB_E_CORRUPT, "ChecksumMismatch",
                       "'%s' got other bytes for '%s' than were sent (%s)", at->endpoint,
                       at->key ? at->key : "", code);
    }
    if (is_transient(status, code)) {
        fault->retry = true;
        fault->uncertain = status >= 500 || status == 408;
        return nb_fail(err, NB_E_UNAVAILABLE, "StorageUnavailable",
                       "'%s' is not available (status %d%s%s)", at->endpoint, status,
                       code[0] ? ", " : "", code);
    }
    if (status == 404)
        return fail_not_found(code, at, err);
    if (status == 401 || status == 403 || nb_streq(code, "InvalidAccessKeyId") ||
        nb_streq(code, "ExpiredToken") || nb_streq(code, "InvalidToken") ||
        strstr(message, "redential access key has length"))
        return fail_denied(status, code, message, at, err);
    if (status == 409 || status == 412 || status == 304)
        return fail_conflict(status, code, at, err);
    return fail_other(status, code, message, at, err);
}
