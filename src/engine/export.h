#ifndef NB_ENGINE_EXPORT_H
#define NB_ENGINE_EXPORT_H

/*
 * eng_export: one reading of a database, written as a dump, with its verdict.
 *
 * The verdict rests on the database's bookmark before the first read and after the last
 * (engine/mark.h): Snapshot when it did not move. Where it did, a second reading finds what
 * changed, and fix-ups are appended until the dump is closed (engine/closing.h): Closed. If that is
 * not reached in a bounded number of rounds the export fails with NB_E_CONFLICT "NotClosed".
 *
 * Memory: sets of ids (about two bits an element), two bytes a node to find changes by, the
 * script's pending rows, one record. One thread at a time; `out` is written to from the caller's.
 */

#include "engine/progress.h"
#include "engine/source.h"
#include "repo/manifest.h"
#include "sink/sink.h"

enum eng_consistency {
    ENG_CONSISTENCY_CLOSED,      /* Snapshot or Closed, else NotClosed */
    ENG_CONSISTENCY_QUIESCENT,   /* Snapshot, else NotClosed */
    ENG_CONSISTENCY_BEST_EFFORT, /* no pass after the first; then the verdict is BestEffort */
};

struct eng_export_opts {
    struct eng_source *source;
    struct sink *out; /* not finished */
    struct eng_meter *meter;
    enum eng_consistency consistency;
    unsigned max_rounds;         /* of repair to close the graph (engine/closing.h); 0: 30 */
    unsigned rows_per_statement; /* 0: the script's own default */
    const char *tool;            /* "neo4j-backup 1.0.0" */
    int64_t created_unix_seconds;
    bool digest; /* of the content */
    size_t digest_ends_max_bytes;

    /* Of an incremental backup (engine/chain.h); NULL and 0 for any other. */
    const char *helper_suffix;
    uint64_t chunk_bytes; /* on average */
    /* What was written to `out` until now is a chunk. */
    bool (*cut)(void *ctx, struct nb_error *err);
    void *cut_ctx;
};

/* Fills what the export knows of m: database, server, counts, digests, verdict, warnings, last
 * transaction. */
NB_NODISCARD bool eng_export_run(const struct eng_export_opts *opts, struct repo_manifest *m,
                                 struct nb_error *err);
/* Database and server alone, for whoever exports in another way. */
void eng_export_describe_server(const struct eng_source *source, struct repo_manifest *m);

#endif
