#ifndef NB_S3_LIST_H
#define NB_S3_LIST_H

/*
 * Listings of a bucket, page by page, in order of keys. A continuation token that the service no
 * longer takes is replaced by a fresh start after the last key seen. Any thread.
 */

#include "s3/client.h"

struct s3_list_entry { /* borrowed for the call */
    const char *key;
    struct s3_object object;
    bool is_prefix; /* a common prefix (only with a delimiter): key ends with it, object is empty */
};
/* False (err set) ends the listing with that error. */
typedef bool(s3_list_fn)(void *ctx, const struct s3_list_entry *e, struct nb_error *err);

struct s3_list_opts {
    const char *prefix;      /* NULL: everything */
    const char *delimiter;   /* NULL: none */
    const char *start_after; /* NULL: from the first */
    unsigned page_size;      /* 0: 1,000 */
    size_t max_entries; /* 0: 1,000,000. Reaching it is no error, but the listing is not complete */
};
/* *ret_complete: every key was seen: the last page said so, and keys came in ascending order.
 * Decisions to delete need it. */
NB_NODISCARD bool s3_list(struct s3_client *c, const struct s3_list_opts *opts, s3_list_fn *fn,
                          void *ctx, const struct nb_cancel *cancel, bool *ret_complete,
                          struct nb_error *err);

struct s3_list_upload { /* borrowed for the call */
    const char *key, *upload_id;
    int64_t initiated_unix_seconds;
};
typedef bool(s3_list_upload_fn)(void *ctx, const struct s3_list_upload *u, struct nb_error *err);
/* Multipart uploads that were begun and neither completed nor aborted. */
NB_NODISCARD bool s3_list_uploads(struct s3_client *c, const char *prefix, s3_list_upload_fn *fn,
                                  void *ctx, const struct nb_cancel *cancel, bool *ret_complete,
                                  struct nb_error *err);

#endif
