#ifndef NB_ENGINE_EXPORT_H
#define NB_ENGINE_EXPORT_H

/*
 * eng_export: one reading of a database, written as a dump, with its verdict.
 *
 * The verdict rests on the database's bookmark before the first read and after the last (engine/mark.h): Snapshot when
 * it did not move. Where it did, passes over the graph look up what changed and append fix-ups until every
 * relationship's ends are in the dump, nothing is in it twice and no two elements share a constrained value: Closed.
 * If that is not reached in a bounded number of passes the export fails with NB_E_CONFLICT "NotClosed".
 *
 * Memory: about two bits an element (compressed sets of ids), the script's pending rows, one record.
 * One thread at a time; `out` is written to from the caller's.
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
    unsigned max_passes;         /* over the graph to close it; 0: 5 */
    unsigned rows_per_statement; /* 0: the script's own default */
    const char *tool;            /* "neo4j-backup 1.0.0" */
    int64_t created_unix_seconds;
    bool digest;                 /* of the content */
    size_t digest_ends_max_bytes;
};

/* Fills what the export knows of m: database, server, counts, digests, verdict, warnings, last transaction. */
NB_NODISCARD bool eng_export_run(const struct eng_export_opts *opts, struct repo_manifest *m,
                                 struct nb_error *err);

#endif
