#ifndef NB_ENGINE_BACKUP_H
#define NB_ENGINE_BACKUP_H

/*
 * eng_backup: one backup of one database, from the claim to the manifest:
 *
 *   claim -> bolt -> script -> count, hash -> gzip (threads) -> age -> upload (threads) -> checks
 *         -> manifest
 *
 * The script is ours (engine/export.h), or, where that is asked for, APOC's (engine/apoc.h)
 *
 * or, without a bucket, into a file with its manifest beside it. Nothing is on disk but that file;
 * memory does not depend on the size of the graph but for the sets of ids (engine/export.h). The
 * first error wins and cancels the rest; then the upload is aborted and the claim deleted. Whatever
 * comes back within retry_window_ms is waited for: the bucket by the S3 client itself, Neo4j by
 * going on behind the last id read.
 *
 * eng_backup_run() may be called by any thread, one at a time for one set of opts; callbacks come
 * from other threads.
 */

#include "age/writer.h"
#include "engine/choice.h"
#include "engine/export.h"
#include "engine/pulse.h"
#include "engine/verify.h"

struct eng_backup_opts { /* all borrowed for the call */
    struct bolt_conn_opts neo4j;
    const char *database;   /* NULL: the home database */
    enum eng_engine engine; /* the manifest says which one it was, and why */
    int64_t fetch_size;
    unsigned rows_per_statement;
    enum eng_consistency consistency;
    unsigned max_rounds, max_exports;       /* 0: 30, 3 */
    int64_t retry_window_ms, retry_base_ms; /* engine/source.h */

    struct repo *repo;       /* NULL: to output instead */
    const char *output;      /* a path, or "-": standard output, without a manifest */
    const char *owner;       /* said in the manifest of an output; a repo has its own */
    size_t part_bytes;       /* 0: 8 MiB */
    unsigned upload_threads; /* 0: 2 */

    int gzip_level;        /* 0: not compressed; GZ_LEVEL_ADAPTIVE */
    unsigned gzip_threads; /* 0: by the number of CPUs, at most 4 */
    /* NULL: not encrypted. The key of the dump stays in memory, so that it can be read back. */
    const struct age_writer_opts *encryption;
    const struct repo_trust
        *trust; /* signs the manifest of an output; a repo has its own; or NULL */
    uint64_t max_bytes_per_second; /* of script; 0: no limit */
    bool no_digest;
    /* READBACK: everything that was stored is downloaded and read again before the manifest is
     * written, so that what cannot be read back never was a backup. RESTORE: it is restored into
     * the scratch server at that time. */
    struct eng_verify_opts verify; /* its keys and cancel are not used */

    /* Chunks that the newest incremental backup names are not stored again (engine/chain.h). Only
     * with a repo; the system database is backed up in full all the same. */
    bool incremental;
    unsigned max_chain;   /* 0: ENG_CHAIN_MAX_DEFAULT */
    uint64_t chunk_bytes; /* of a new chain; 0: by the size of the graph */
    size_t max_chunks;    /* 0: ENG_CHUNKS_MAX; with more of them a chain of larger ones begins */

    int64_t scheduled_unix_seconds;
    const struct nb_cancel *cancel;
    struct eng_meter
        *meter; /* NULL: one of its own; give one where the S3 client's on_retry marks waiting */
    int64_t report_interval_ms;
    void (*report)(void *ctx, const struct eng_progress *p);
    void (*waiting)(void *ctx, const struct nb_error *why); /* for Neo4j; why says for how long */
    /* The database's real name, once it is known, before the claim. */
    void (*resolved)(void *ctx, const char *database);
    void *ctx;
};

struct eng_backup_result {
    struct repo_manifest *manifest; /* NULL: nothing was made */
    /* Of the dump (incremental: there is none, so the manifest's twice); "-" has no manifest: NULL */
    char *key, *manifest_key;
    bool already; /* an earlier try of the same run had made it */
    /* Of a database into which a restore was under way or had been interrupted: maybe half a graph,
     * so no reason to delete a whole one. */
    bool of_restore;
    int64_t verify_ms;
    const char *not_compared; /* RESTORE: why the content was not compared; NULL: it was */
};
void eng_backup_result_done(struct eng_backup_result *r);
NB_AUTO_DONE_DEFINE(struct eng_backup_result, eng_backup_result_done)

/* Reasons beyond those of bolt, s3 and repo: "NotClosed". */
NB_NODISCARD bool eng_backup_run(const struct eng_backup_opts *opts, struct eng_backup_result *ret,
                                 struct nb_error *err);

#endif
