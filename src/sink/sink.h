#ifndef NB_SINK_SINK_H
#define NB_SINK_SINK_H

/*
 * sink: where bytes go, as a table of functions, so that what makes bytes does not know whether
 * they are counted, hashed, compressed or sent. Sinks form a chain; each owns the next and frees
 * it:
 *
 *   count -> hash -> gz -> age -> hash -> s3
 *
 * Results (bytes counted, the digest, what was stored) are asked of the sink that has them, after
 * finish.
 *
 * Threads: the head of a chain is used by one thread at a time. Each sink says where it calls the
 * next one: the gz sink does so from threads of its own, one at a time and in order, and finish has
 * waited for them, so that results may be read by whoever called finish.
 *
 * After a failure only free is allowed. Freeing a chain that was not finished leaves nothing
 * behind: no file, no upload.
 */

#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/hash.h"

struct age_keys;
struct age_writer_opts;
struct nb_buf;
struct nb_cancel;
struct sink;

struct sink_ops {
    /* Takes all n bytes or fails. */
    bool (*write)(struct sink *s, const void *p, size_t n, struct nb_error *err);
    /* No more bytes; what was written is where it belongs. Ends the next sink too. Once. */
    bool (*finish)(struct sink *s, struct nb_error *err);
    /* Frees the next sink too. */
    void (*free)(struct sink *s);
};
struct sink {
    const struct sink_ops *ops;
};

static inline NB_NODISCARD bool sink_write(struct sink *s, const void *p, size_t n,
                                           struct nb_error *err)
{
    return s->ops->write(s, p, n, err);
}
static inline NB_NODISCARD bool sink_finish(struct sink *s, struct nb_error *err)
{
    return s->ops->finish(s, err);
}
static inline void sink_free(struct sink *s)
{
    if (s)
        s->ops->free(s);
}
NB_AUTO_DEFINE(struct sink *, sink_free)

/* Every take_next below is taken even when the constructor fails. */

/* Counts what passes. The count may be read at any time from any thread. Calls the next in the
 * caller's thread. */
struct sink *sink_count_new(struct sink *take_next);
uint64_t sink_count_bytes(const struct sink *count);

/* At most so many bytes a second, on average over a second; waits in the caller's thread, ended
 * by cancel (borrowed). */
struct sink *sink_throttle_new(uint64_t bytes_per_second, const struct nb_cancel *cancel,
                               struct sink *take_next);

/* SHA-256 of what passes. Calls the next in the caller's thread. */
struct sink *sink_hash_new(struct sink *take_next);
/* Only after finish. */
void sink_hash_hex(const struct sink *hash, char out[NB_SHA256_HEX]);

/* Compresses into gzip members on `threads` threads (0: in the caller's) and calls the next from
 * those. */
NB_NODISCARD bool sink_gz_new(int level, unsigned threads, struct sink *take_next,
                              struct sink **ret, struct nb_error *err);

/* Encrypts into an age file (age/writer.h; opts is borrowed for the call). keys, where not NULL, is
 * given what opens it again. Calls the next in the caller's thread. */
NB_NODISCARD bool sink_age_new(const struct age_writer_opts *opts, struct age_keys *keys,
                               struct sink *take_next, struct sink **ret, struct nb_error *err);

/*
 * A file that appears under its name only at finish (written beside it, synced, renamed; mode
 * 0600), or is not there at all; an existing one is replaced. "-" is standard output, which is
 * neither synced nor closed.
 */
NB_NODISCARD bool sink_file_new(const char *path, struct sink **ret, struct nb_error *err);
/* A descriptor, borrowed. */
struct sink *sink_fd_new(int fd, const char *name);

/* Appends to a buffer, borrowed, up to its maximum. */
struct sink *sink_buf_new(struct nb_buf *out);

#endif
