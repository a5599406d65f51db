#ifndef NB_TESTS_FAKES_FAKE_S3_H
#define NB_TESTS_FAKES_FAKE_S3_H

/*
 * fake_s3: an S3 service with one bucket in memory, in this process, on 127.0.0.1; path style only.
 * Signatures, Content-MD5 and payload hashes are checked, and the rules that Cloudflare R2 adds:
 * parts of equal size, Content-Length, no 100-continue, 501 for headers it lacks, a failed
 * condition at Complete destroys the upload.
 *
 * A hook sees every operation first and may make it fail, before or after it was carried out, or
 * cut its answer.
 */

#include <stddef.h>

#include "base/buf.h"
#include "tests/fakes/fake_http.h"

struct fake_s3;

#define FAKE_S3_BUCKET "backups"
#define FAKE_S3_KEY_ID "0123456789abcdef0123456789abcdef"
#define FAKE_S3_SECRET "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"

struct fake_s3_op {
    /* "PutObject", "GetObject", "HeadObject", "DeleteObject", "HeadBucket", "ListObjectsV2",
     * "ListMultipartUploads", "CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload",
     * "AbortMultipartUpload" */
    const char *name;
    const char *key;      /* decoded, "" for the bucket */
    unsigned number;      /* of this operation on the server, from 1 */
    unsigned of_its_kind; /* from 1 */
    unsigned part;        /* UploadPart */
};

struct fake_s3_fault { /* all zero: none */
    int status;        /* answer with this error ... */
    const char *code;  /* ... and this S3 code (NULL: no body) */
    bool after;        /* ... though it was carried out */
    bool in_200;       /* as an <Error> in a 200 */
    bool close;        /* close the connection without an answer */
    bool reset;
    bool cut; /* cut the answer after cut_after bytes */
    long cut_after;
    long stall_ms;
    const char *retry_after;
    bool blank_200; /* a 200 whose body is blanks */
    /* It is carried out, but of its answer ... */
    bool cut_half;   /* the second half is lost */
    bool torn;       /* the second half of the body is not there, and its length agrees */
    bool other_etag; /* an ETag is another's */
    long length_off; /* the length is wrong by so much */
};
/* Runs on the server's threads, one at a time. */
typedef void(fake_s3_hook)(void *ctx, const struct fake_s3_op *op, struct fake_s3_fault *fault);

struct fake_s3 *fake_s3_new(void);
struct fake_s3 *fake_s3_new_tls(void);
void fake_s3_free(struct fake_s3 *f);
const char *fake_s3_endpoint(const struct fake_s3 *f);
struct fake_http *fake_s3_http(struct fake_s3 *f);
void fake_s3_set_hook(struct fake_s3 *f, fake_s3_hook *hook, void *ctx);

/* Knobs; set before requests come, or between them. */
void fake_s3_set_page(struct fake_s3 *f, unsigned max_keys); /* pages are never longer */
void fake_s3_set_clock(
    struct fake_s3 *f,
    int64_t offset_seconds); /* its clock minus ours; skew above 15 min is refused */
void fake_s3_lock_prefix(struct fake_s3 *f,
                         const char *prefix); /* 403 on overwrite and delete; NULL: none */
void fake_s3_expire_tokens(struct fake_s3 *f,
                           unsigned count); /* the next so many continuation tokens are refused */
void fake_s3_set_odd_etags(struct fake_s3 *f, bool on); /* ETags that are no MD5 */
/* Of a dump one bit is stored as another; the ETag is that of what came. */
void fake_s3_set_damaging(struct fake_s3 *f, bool on);
void fake_s3_drop_conditions(struct fake_s3 *f, bool on); /* If-Match is 501 */

/* Looking and meddling from the test's thread. */
void fake_s3_put(struct fake_s3 *f, const char *key, const void *data, size_t n);
bool fake_s3_get(struct fake_s3 *f, const char *key, struct nb_buf *out);
bool fake_s3_has(struct fake_s3 *f, const char *key);
bool fake_s3_delete(struct fake_s3 *f, const char *key);
void fake_s3_age(struct fake_s3 *f, const char *key, int64_t seconds); /* makes it older */
void fake_s3_age_all(struct fake_s3 *f, int64_t seconds);
/* Keeps a copy of all objects; load: they are as they were then, and there is no upload. */
void fake_s3_save(struct fake_s3 *f);
void fake_s3_load(struct fake_s3 *f);
size_t fake_s3_count(struct fake_s3 *f);
size_t fake_s3_upload_count(struct fake_s3 *f);
unsigned fake_s3_ops(struct fake_s3 *f); /* carried out or failed, in all */
/* "key size\n" of all objects, in order: for messages and comparisons. */
void fake_s3_dump(struct fake_s3 *f, struct nb_buf *out);
/* What was wrong with a request, "" if nothing ever was: a signature, a missing length, a forbidden
 * header. */
const char *fake_s3_complaint(const struct fake_s3 *f);

#endif
