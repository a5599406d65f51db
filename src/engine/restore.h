#ifndef NB_ENGINE_RESTORE_H
#define NB_ENGINE_RESTORE_H

/*
 * eng_restore: one dump into one database.
 *
 *   target looked at -> dump read and checked -> (what the target holds backed up -> target wiped)
 *   -> dump read again: nodes, relationships, fix-ups (engine/load.h) -> constraints and indexes ->
 *   counts, digest
 *
 * Nothing is written before the whole dump was read and agrees with its manifest, its tail and its
 * digests, and before it is known that the target has what the dump needs and is empty, or may be
 * wiped, or merged into. (Not so with no_precheck, where it is read once.)
 *
 * Constraints and indexes come last, for an index is built faster than it is kept; those of nodes
 * come when the nodes are in (engine/schema.h).
 *
 * From the first write until all of that is done the target holds nodes that tell of it
 * (engine/stamp.h). A restore that finds such nodes does not merge: a part would be there twice.
 *
 * eng_restore_run() may be called by any thread, one at a time for one set of opts; callbacks come
 * from other threads. Memory: eng_load's, and where digests are compared 16 bytes a node.
 */

#include "bolt/bolt.h"
#include "engine/backup.h"
#include "engine/input.h"
#include "engine/pulse.h"
#include "engine/stamp.h"

enum eng_overwrite {
    ENG_OVERWRITE_FAIL,  /* the target must be empty */
    ENG_OVERWRITE_WIPE,  /* everything in it is deleted first */
    ENG_OVERWRITE_MERGE, /* what is in it stays */
};

/* WIPE, where the target is not empty: what becomes of what it holds. */
enum eng_safety {
    ENG_SAFETY_NONE,      /* it is gone */
    ENG_SAFETY_BACKUP,    /* it is backed up first; if that fails nothing is written */
    ENG_SAFETY_UNDECIDED, /* refused: nobody has said */
};

struct eng_restore_opts { /* all borrowed for the call */
    struct bolt_conn_opts neo4j;
    const char *database; /* NULL: the home database */
    int64_t retry_window_ms;
    struct eng_input *input;
    enum eng_overwrite overwrite;
    const char
        *confirm; /* WIPE: names of databases, separated by commas; the target's among them */
    enum eng_safety safety;
    /* BACKUP: where to and how. The server, the database, the hooks and the like are the restore's. */
    struct eng_backup_opts safety_backup;
    bool verify; /* read the target out, and compare digests */
    bool no_precheck;
    bool allow_statements; /* statements that no dump has are run as they stand */
    unsigned connections;  /* 0: 2 */
    unsigned unit_rows;    /* 0: eng_load's */
    size_t unit_bytes;     /* 0: eng_load's */
    /* The target keeps the nodes that tell of the restore (engine/stamp.h) until
     * eng_restore_release(): where it is one of several, none is to be merged twice. */
    bool keep_stamp;

    const struct nb_cancel *cancel;
    struct eng_meter *meter;
    int64_t report_interval_ms;
    void (*report)(void *ctx, const struct eng_progress *p);
    void (*waiting)(void *ctx, const struct nb_error *why); /* for Neo4j */
    void (*resolved)(void *ctx, const char *database);      /* the target's real name */
    /* The safety backup is there, and nothing is written yet. From the caller's thread. */
    void (*saved)(void *ctx, const struct eng_backup_result *backup);
    void *ctx;
};

struct eng_restore_result {   /* also filled, as far as it came, by a failure */
    bool wrote;               /* the target is not what it was */
    bool compared;            /* the digests are equal */
    const char *not_compared; /* why not, where it was asked for; else NULL */
    uint64_t nodes, relationships, constraints, indexes;
    uint64_t statements; /* run as they stand */
    char server_version[64];
    char stamp[ENG_STAMP_MAX]; /* "": nothing was written, or into the system database */
};

/*
 * Reasons beyond those of bolt, s3 and repo. Before the first write: NB_E_CONFLICT "TargetNotEmpty",
 * "SchemaConflict" (merging; eng_clash), "SafetyBackupUndecided", "SafetyBackupExists", whatever a
 * backup may fail of;
 * NB_E_INVALID "ConfirmMismatch", "TargetLacksFeature", "UnsupportedStatement",
 * "SystemDatabase", "NotADump", "NewerFormat"; NB_E_CORRUPT "VerificationFailed" for a dump that is
 * not as it was written.
 * Later: NB_E_CORRUPT "VerificationFailed" where the target is not what the dump says, NB_E_CONFLICT
 * "RestoreDisturbed" where somebody else writes to it.
 */
/* Only whether the target is there and may be written to, by the same reasons; the dump is not
 * looked at. */
NB_NODISCARD bool eng_restore_check(const struct eng_restore_opts *opts, struct nb_error *err);
NB_NODISCARD bool eng_restore_run(const struct eng_restore_opts *opts,
                                  struct eng_restore_result *ret, struct nb_error *err);
/* After a run with keep_stamp. */
NB_NODISCARD bool eng_restore_release(const struct eng_restore_opts *opts, const char *stamp,
                                      struct nb_error *err);

#endif
