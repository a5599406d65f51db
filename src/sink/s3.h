#ifndef NB_SINK_S3_H
#define NB_SINK_S3_H

/*
 * The end of a chain: bytes into a bucket, as one object, or as several where the first one's parts
 * run out (then `cat` of all objects in order is the stream). Nothing is visible in the bucket
 * before finish, but that a stream that takes several objects commits each when it is full. Freed
 * unfinished, the object at hand is aborted; those committed before are the caller's to delete.
 *
 * Written to by one thread at a time. Memory: that of one s3_upload.
 */

#include "s3/upload.h"
#include "sink/sink.h"

struct sink_s3_opts {
    struct s3_client *client; /* client and cancel must outlive the sink */
    const struct nb_cancel *cancel;
    struct s3_upload_opts upload; /* copied; on_created and on_progress are called with its ctx */
    /* The key of object n, from 1, into out of S3_KEY_MAX + 1 bytes. */
    bool (*key)(void *ctx, unsigned n, char *out, struct nb_error *err);
    void *key_ctx;
};

enum { SINK_S3_OBJECTS_MAX = 1000 };

struct sink_s3_object {
    char *key;
    struct s3_upload_result stored;
};

NB_NODISCARD bool sink_s3_new(const struct sink_s3_opts *opts, struct sink **ret,
                              struct nb_error *err);
/* What was stored, in order; after finish. Borrowed. */
const struct sink_s3_object *sink_s3_objects(const struct sink *s3, size_t *ret_n);

#endif
