#ifndef NB_GZ_WRITER_H
#define NB_GZ_WRITER_H

/*
 * gz_writer: a stream of bytes into a row of gzip members, compressed on several threads.
 *
 * Bytes are gathered into blocks; full ones are compressed by opts.threads threads and handed to
 * the output callback in the order in which they were written. gz_writer_write() waits once all
 * blocks are in use, so memory stays at (threads + 2) blocks, plain and compressed, whatever the
 * length.
 *
 * One thread at a time may use a writer. The output callback is called by one thread at a time, in
 * order, but not always the same and not the caller's (with threads 0: the caller's). The first
 * error, its own included, ends the writer: every later call returns that error.
 */

#include <stddef.h>

#include "base/cleanup.h"
#include "base/error.h"

struct gz_writer;

typedef bool(gz_output_fn)(void *ctx, const void *p, size_t n, struct nb_error *err);

enum { GZ_BLOCK_BYTES_DEFAULT = 256 << 10, GZ_THREADS_MAX = 64 };

struct gz_writer_opts {
    int level;          /* 0: GZ_LEVEL_DEFAULT; GZ_LEVEL_ADAPTIVE: gz/adapt.h chooses */
    unsigned threads;   /* 0: compress in the calling thread */
    size_t block_bytes; /* 0: GZ_BLOCK_BYTES_DEFAULT */
};

NB_NODISCARD bool gz_writer_new(const struct gz_writer_opts *opts, gz_output_fn *output, void *ctx,
                                struct gz_writer **ret, struct nb_error *err);
/* Before finish: drops what is not yet written. Waits for an output callback that is under way. */
void gz_writer_free(struct gz_writer *w);
NB_AUTO_DEFINE(struct gz_writer *, gz_writer_free)
/* Takes all of p or fails; the bytes are copied. */
NB_NODISCARD bool gz_writer_write(struct gz_writer *w, const void *p, size_t n,
                                  struct nb_error *err);
/* Everything is compressed and was given to the callback; what was written is at least one
 * member, so that a stream of nothing is a valid file too. Afterwards only free is allowed. */
NB_NODISCARD bool gz_writer_finish(struct gz_writer *w, struct nb_error *err);

#endif
