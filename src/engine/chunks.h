#ifndef NB_ENGINE_CHUNKS_H
#define NB_ENGINE_CHUNKS_H

/*
 * eng_chunks: the end of an incremental backup's chain of sinks. What is written is gathered up to
 * the next cut; then it is a chunk. Its SHA-256 is looked up in the manifest that the backup builds
 * on: what that one names is not stored again. The others are compressed (one gzip member each) and
 * stored by threads, one PUT a chunk, while the caller goes on.
 *
 * Memory: threads + 2 chunks, of which none is longer than max_bytes: a longer one is cut there.
 * Chunks that were stored stay in the bucket when the sink is freed unfinished: a later run may need
 * them, and retention sweeps them.
 *
 * Written to by one thread at a time. NB_E_LIMIT "TooManyChunks": more than max_chunks.
 */

#include "base/cancel.h"
#include "engine/progress.h"
#include "repo/repo.h"
#include "sink/sink.h"

struct eng_chunks_opts { /* all borrowed until the sink is freed, the strings too */
    struct repo *repo;
    const char *database;
    const struct repo_manifest *base; /* NULL: none */
    int level;                        /* of gzip: 1 to 9 */
    unsigned threads;                 /* 1 or more */
    size_t max_bytes;
    size_t max_chunks; /* 0: ENG_CHUNKS_MAX */
    struct eng_meter *meter;
    const struct nb_cancel *cancel;
};

enum { ENG_CHUNKS_MAX = 100000 }; /* in one manifest: some 45 MB of its text */

NB_NODISCARD bool eng_chunks_new(const struct eng_chunks_opts *opts, struct sink **ret,
                                 struct nb_error *err);
/* What was written since the last cut is a chunk; nothing: no chunk. */
NB_NODISCARD bool eng_chunks_cut(struct sink *chunks, struct nb_error *err);
/* After finish: adds the chunks to the manifest's objects, in order, and sets new_bytes. */
void eng_chunks_describe(const struct sink *chunks, struct repo_manifest *m);

#endif
