#ifndef NB_S3_UPLOAD_H
#define NB_S3_UPLOAD_H

/*
 * s3_upload: one object written to a bucket while it is still being produced.
 *
 * Bytes are gathered into parts of equal size (R2 demands it); full parts are sent by up to
 * opts.workers threads while the caller goes on writing. s3_upload_write() waits once all part
 * buffers are full, so memory stays under workers + 1 parts whatever the object's size. An object
 * that fits one part is sent with a single PUT, which never replaces another object
 * (NB_E_CONFLICT); for a longer one the caller must have reserved the key.
 *
 * The object appears only when s3_upload_commit() has returned true. Freeing an upload that was not
 * committed aborts it, so that no parts stay behind to be paid for; if that fails too, the claim
 * that names it says what to abort another day.
 *
 * A multipart upload has at most 10,000 parts: ask s3_upload_room_bytes() before each write and
 * begin another object in time.
 *
 * One thread at a time may use an upload. The client may be shared.
 */

#include "base/hash.h"
#include "s3/client.h"

struct s3_upload;

enum { S3_PART_BYTES_DEFAULT = 8 << 20, S3_PART_BYTES_MIN = 5 << 20, S3_PARTS_MAX = 10000 };

struct s3_upload_opts {
    const char *content_type; /* NULL: application/octet-stream */
    const struct s3_pair *meta;
    size_t meta_n;
    size_t part_bytes;  /* of every part but the last; 0: 8 MiB; at least 5 MiB */
    unsigned workers;   /* 0: 2; at most 16 */
    unsigned max_parts; /* 0: 10,000 */
    /* Called from s3_upload_write() or _commit() once, with the id of the multipart upload just
     * created, before the first part is sent. False aborts the upload. NULL: not called. Not called
     * for an object that fits one PUT. */
    bool (*on_created)(void *ctx, const char *key, const char *upload_id, struct nb_error *err);
    /* Called after every stored part, from a worker thread. NULL: not called. */
    void (*on_progress)(void *ctx, uint64_t stored_bytes);
    void *ctx; /* of both */
};

struct s3_upload_result {
    uint64_t size;
    char etag[S3_ETAG_MAX];
    char sha256[NB_SHA256_HEX]; /* of all bytes, hex */
    unsigned parts;             /* 0: a single PUT */
    /* the ETag is the one that our bytes must have (else the service makes its ETags another way) */
    bool etag_matches;
};

/* The client and the cancel token must outlive the upload; opts is copied, ctx is borrowed. */
NB_NODISCARD bool s3_upload_new(struct s3_client *client, const char *key,
                                const struct s3_upload_opts *opts, const struct nb_cancel *cancel,
                                struct s3_upload **ret, struct nb_error *err);
void s3_upload_free(struct s3_upload *up);
NB_AUTO_DEFINE(struct s3_upload *, s3_upload_free)

/* Takes all of data or fails; data is copied. The error of a failed part shows here or in commit.
 */
NB_NODISCARD bool s3_upload_write(struct s3_upload *up, const void *data, size_t n,
                                  struct nb_error *err);
/* How many bytes may still be written to this object, and how many parts are left in all. */
uint64_t s3_upload_room_bytes(const struct s3_upload *up);
unsigned s3_upload_parts_left(const struct s3_upload *up);
uint64_t s3_upload_written_bytes(const struct s3_upload *up);
/* Ends the upload, for better or worse: afterwards only free is allowed. */
NB_NODISCARD bool s3_upload_commit(struct s3_upload *up, struct s3_upload_result *ret,
                                   struct nb_error *err);

#endif
