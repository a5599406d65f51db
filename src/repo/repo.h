#ifndef NB_REPO_REPO_H
#define NB_REPO_REPO_H

/*
 * The bucket as a repository of backups: names are claimed, dumps committed by a manifest, lists
 * read, old ones pruned.
 *
 * The bucket holds the truth. Rules: nothing is ever overwritten (but our own claim); a backup
 * exists when its manifest does; only what carries our owner in its manifest or claim is ever
 * deleted; nothing is guessed from a listing that was not complete.
 *
 *   repo_open -> repo_claim -> (upload; repo_claim_refresh meanwhile) -> repo_commit -> repo_prune
 *
 * Deleting goes data first, manifest last: a lock on the data then leaves the backup whole, and a
 * kill in between leaves a manifest whose first object is gone, which every listing shows as
 * Deleting and every prune finishes. (The other way round a kill would leave a dump without
 * manifest, which nobody may ever delete.) An incremental backup goes manifest first, in one step;
 * chunks that no kept manifest and no claim's base names any more are swept afterwards.
 *
 * A claim is live while its object was written less than REPO_CLAIM_LIVE_SECONDS ago by the
 * service's own clock.
 *
 * Thread: a repo may be used by many threads at a time; a claim as said below.
 */

#include "repo/manifest.h"
#include "repo/names.h"
#include "repo/retention.h"
#include "repo/trust.h"
#include "s3/client.h"

struct nb_map;
struct repo;
struct repo_backup;
struct repo_claim;

enum { REPO_CLAIM_LIVE_SECONDS = 600, REPO_CLAIM_REFRESH_SECONDS = 120 };

struct repo_opts { /* all copied but the client, which must outlive the repo */
    struct s3_client *client;
    const char *prefix;             /* NULL: none */
    const char *owner;              /* "<namespace>/<name>", "sidecar", ... */
    const char *owner_uid;          /* NULL: none */
    const char *run_id;             /* same for every try of one run; NULL: a random one */
    const struct repo_trust *trust; /* NULL: nothing is signed, no signature is asked for */
};
/* No request is made. */
NB_NODISCARD bool repo_open(const struct repo_opts *opts, struct repo **ret, struct nb_error *err);
void repo_free(struct repo *r);
NB_AUTO_DEFINE(struct repo *, repo_free)
const char *repo_prefix(const struct repo *r); /* clean */
const char *repo_owner(const struct repo *r);
const char *repo_run_id(const struct repo *r);
struct s3_client *repo_client(const struct repo *r);
/* Manifests that are read are judged by it (m->distrust); those that are committed signed. */
const struct repo_trust *repo_get_trust(const struct repo *r);

/* ---- making a backup ---- */

struct repo_claim_opts {
    const char *database;
    int64_t scheduled_unix_seconds; /* gives the name */
    bool gz, age;
    /* incremental: its chunks are safe while the claim lives; NULL: none */
    const char *base_manifest;
};
/*
 * Reserves a name. Where one is taken by somebody else the next suffix is tried; a stale claim of
 * our owner (or of an earlier try of this run) is taken over: its upload is aborted and its
 * half-done dump deleted first. *ret NULL and *ret_done set: an earlier try of this run has already
 * committed this backup (its manifest, the caller's). NB_E_CONFLICT "ClaimHeld": another run of our
 * owner is making this very backup now.
 */
NB_NODISCARD bool repo_claim_new(struct repo *r, const struct repo_claim_opts *opts,
                                 const struct nb_cancel *cancel, struct repo_claim **ret,
                                 struct repo_manifest **ret_done, struct nb_error *err);
/* Only the memory: the claim stays in the bucket, as a note of what to clean up. */
void repo_claim_free(struct repo_claim *c);
NB_AUTO_DEFINE(struct repo_claim *, repo_claim_free)
const char *repo_claim_dump_key(const struct repo_claim *c);
const char *repo_claim_manifest_key(const struct repo_claim *c);
/* Key of the dump's object number n (1: the dump key itself, 2: ".002", ...). */
NB_NODISCARD bool repo_claim_object_key(const struct repo_claim *c, unsigned n,
                                        char out[REPO_KEY_MAX + 1], struct nb_error *err);
/* Notes a multipart upload in the claim before its first part: pass from s3_upload_opts.on_created.
 * Any thread. */
NB_NODISCARD bool repo_claim_add_upload(struct repo_claim *c, const char *key,
                                        const char *upload_id, const struct nb_cancel *cancel,
                                        struct nb_error *err);
/* Shows that the run lives; call every REPO_CLAIM_REFRESH_SECONDS. Any thread. NB_E_CONFLICT
 * "ClaimLost": another run took the claim over; stop. A transient failure may be tried again until
 * the claim would be stale. */
NB_NODISCARD bool repo_claim_refresh(struct repo_claim *c, const struct nb_cancel *cancel,
                                     struct nb_error *err);
/* The run failed: deletes the manifest if commit had written it, aborts the uploads, deletes the
 * dump's objects and the claim. A run that was told to stop gives another, fresh cancel token here.
 */
NB_NODISCARD bool repo_claim_abandon(struct repo_claim *c, const struct nb_cancel *cancel,
                                     struct nb_error *err);

/*
 * Checks every object of the manifest against the bucket (size, ETag), writes the manifest (never
 * over another), reads it back, deletes the claim. Sets owner, owner_uid, run_id, tool_version of m
 * if NULL, and stored_bytes. NB_E_CORRUPT "ChecksumMismatch" / "ObjectMissing": the bucket does not
 * hold what was sent; no manifest is written. A claim that cannot be deleted afterwards is no
 * failure: the next sweep does it.
 */
NB_NODISCARD bool repo_commit(struct repo_claim *c, struct repo_manifest *m,
                              const struct nb_cancel *cancel, struct nb_error *err);

/* ---- chunks of incremental backups ---- */

/* The newest complete incremental backup of our owner and database that is trusted, to build on;
 * *ret NULL: there is none. Look whether its manifest is still there once our claim is: only then are its chunks
 * safe. */
NB_NODISCARD bool repo_find_base(struct repo *r, const char *database,
                                 const struct nb_cancel *cancel, struct repo_manifest **ret,
                                 struct nb_error *err);
/*
 * Stores one chunk: p, one gzip member, holds io->plain_bytes bytes whose hash is
 * io->plain_sha256. Sets the rest of io (key is freed first). Never writes other bytes over a chunk:
 * one that is there is taken as it is, if it holds what its name says (else NB_E_CORRUPT
 * "ChecksumMismatch"). *ret_new: it was not there. Needs a live claim on the database. Any thread.
 */
NB_NODISCARD bool repo_chunk_store(struct repo *r, const char *database, const void *p, size_t n,
                                   struct repo_object *io, bool *ret_new,
                                   const struct nb_cancel *cancel, struct nb_error *err);
/* Objects whose ETag is not the one in their manifest: in a copy of the bucket, or replaced. Their
 * bytes decide (repo_object_prove), but where the caller reads them all anyway. */
struct repo_etags {
    bool unread;     /* in: they are not read here */
    unsigned others; /* out: is added to */
    /* Keys of chunks that were read and found as they should be, with their SHA-256: they are not
     * read once more. NULL: none is remembered. Borrowed. */
    struct nb_map *proven;
};
/* Every chunk that the manifest names is there with its size and ETag, by one listing; what has
 * another ETag is read. io_etags NULL: nobody asks how many. NB_E_CORRUPT "ObjectMissing",
 * "ChecksumMismatch". True for a manifest without chunks. */
NB_NODISCARD bool repo_chunks_check(struct repo *r, const struct repo_manifest *m,
                                    struct repo_etags *io_etags, const struct nb_cancel *cancel,
                                    struct nb_error *err);
/* Both are known, and not the same. Not every service tells ETags in a listing. */
bool repo_etags_differ(const char *a, const char *b);
/* Reads what of an unproven one has another ETag; its state is Complete or Damaged afterwards. Of
 * another one: nothing. io_etags as above. False only where it could not be found out. */
NB_NODISCARD bool repo_backup_prove(struct repo *r, struct repo_backup *b,
                                    struct repo_etags *io_etags, const struct nb_cancel *cancel,
                                    struct nb_error *err);
/* One object that is no chunk is there with its size and ETag; one with another ETag is read.
 * NB_E_CORRUPT as below. */
NB_NODISCARD bool repo_object_check(struct repo *r, const struct repo_object *o,
                                    struct repo_etags *io_etags, const struct nb_cancel *cancel,
                                    struct nb_error *err);
/* Reads one object: its size and SHA-256 are what its manifest says. NB_E_CORRUPT "ObjectMissing",
 * "ChecksumMismatch". */
NB_NODISCARD bool repo_object_prove(struct repo *r, const struct repo_object *o,
                                    const struct nb_cancel *cancel, struct nb_error *err);

/* ---- reading ---- */

enum repo_state {
    REPO_COMPLETE, /* manifest and all its objects; sizes and, where listed, ETags agree */
    /* The same, but for an ETag: a copy of the bucket, or another object of the same size. Reading
     * it tells (repo_backup_prove). */
    REPO_UNPROVEN,
    /* manifest cannot be read, or an object but the first is gone or of another size */
    REPO_DAMAGED,
    REPO_DELETING,  /* manifest without its dump: a deletion that was cut off */
    REPO_RUNNING,   /* a live claim */
    REPO_STALE,     /* a claim whose run has died */
    REPO_UNMANAGED, /* a dump without our metadata: listed, never touched */
};
const char *repo_state_name(enum repo_state s); /* "Complete", ... */
/* Complete as far as a listing can tell: it can be restored, which compares every SHA-256. */
bool repo_backup_is_whole(const struct repo_backup *b);
/* Stored bytes of all that belongs to it, with chunks that other backups share. */
uint64_t repo_backup_bytes(const struct repo_backup *b);

/* A chunk that a listed manifest names. */
struct repo_chunk_ref {
    uint8_t id[NB_SHA256_BYTES]; /* of what it holds */
    uint64_t size;               /* stored bytes */
    uint64_t etag;               /* a hash of it; 0: not known */
};

/* By the bucket's clock, from when the hold was written. */
enum { REPO_HOLD_SECONDS = 3 * 24 * 3600 };
enum repo_hold { REPO_HOLD_NONE, REPO_HOLD_LIVE, REPO_HOLD_OVER };

struct repo_backup {
    enum repo_state state;
    bool ours; /* same owner */
    bool gone; /* deleted by a prune of this listing, while that goes on */
    bool pinned;
    enum repo_hold hold;
    struct repo_name name;
    char *stem;                                /* key without its ending */
    char *manifest_key, *claim_key, *dump_key; /* NULL: no such object */
    uint64_t stored_bytes; /* of the dump's objects; chunks are counted in repo_backups */
    int64_t last_modified_unix_seconds; /* newest of its objects */
    /* NULL: none, or not readable. That of an incremental one lacks its chunks, of which there may
     * be very many in all: they are below; for the whole of it see repo_manifest_get(). */
    struct repo_manifest *manifest;
    struct repo_chunk_ref *chunks; /* in order; of our owner's manifests only */
    size_t chunks_n;
    char *problem; /* of a damaged or unproven one: what is wrong; else NULL */
    /* From the claim: */
    char *claim_owner, *claim_run_id, *claim_base;
    char *claim_etag;
    struct repo_strings claim_uploads; /* "key\nupload id" each */
};
struct repo_backups {
    struct repo_backup *items; /* by database, then time, oldest first */
    size_t n, cap;
    uint64_t chunk_bytes, chunk_count; /* of our owner (and the database asked for) */
    bool complete; /* the listing saw everything: only then may anything be deleted */
};
/* When all of it had been read and stored; of one without a manifest the time in its name. */
int64_t repo_backup_end(const struct repo_backup *b);
/* The one order of backups of a database: by start (of the name, where the manifest cannot be read),
 * then by scheduled time, then by the number in the name. */
bool repo_backup_is_newer(const struct repo_backup *a, const struct repo_backup *b);
/* The newest of one database. */
struct repo_choice {                  /* borrowed from the listing; NULL: none */
    const struct repo_backup *newest; /* of ours, whole, at its end at or before the time */
    /* Newer than that (or there is none), and not to be had: damaged, or its dump is gone. One whose
     * manifest cannot be read may be another owner's. */
    const struct repo_backup *passed_over;
};
/* Of the database of items[from]. before_unix_seconds 0: any time. Returns where the next database
 * begins. The listing is one of every owner: what cannot be read is in no other. */
size_t repo_backups_choose(const struct repo_backups *all, size_t from, int64_t before_unix_seconds,
                           struct repo_choice *ret);
struct repo_list_opts {
    const char *database; /* NULL: all */
    bool ours_only;
    bool with_chunks; /* look at chunks too: of incremental backups sizes are checked */
};
NB_NODISCARD bool repo_list(struct repo *r, const struct repo_list_opts *opts,
                            const struct nb_cancel *cancel, struct repo_backups *ret,
                            struct nb_error *err);
void repo_backups_done(struct repo_backups *b);
NB_AUTO_DONE_DEFINE(struct repo_backups, repo_backups_done)
#define REPO_BACKUPS_INIT                                                                          \
    {                                                                                              \
        .items = NULL, .n = 0, .cap = 0, .chunk_bytes = 0, .chunk_count = 0, .complete = false     \
    }

/* The newest complete backup of our owner and database, started at or before (0: any time).
 * NB_E_NOT_FOUND "NoBackup". */
NB_NODISCARD bool repo_find(struct repo *r, const char *database, int64_t before_unix_seconds,
                            const struct nb_cancel *cancel, struct repo_manifest **ret,
                            char ret_manifest_key[REPO_KEY_MAX + 1], struct nb_error *err);
/* By the key of a manifest, or of a dump (its manifest is looked up). NB_E_NOT_FOUND "NoBackup". */
NB_NODISCARD bool repo_manifest_get(struct repo *r, const char *key, const struct nb_cancel *cancel,
                                    struct repo_manifest **ret,
                                    char ret_manifest_key[REPO_KEY_MAX + 1], struct nb_error *err);

/* Writes or removes the pin beside a backup (by key of its manifest or dump). */
NB_NODISCARD bool repo_pin(struct repo *r, const char *key, bool pinned,
                           const struct nb_cancel *cancel, struct nb_error *err);

/*
 * Keeps retention off a backup that is to be restored, for REPO_HOLD_SECONDS (by key of its manifest
 * or dump). There is no end but that one: two restores may use one backup, and neither knows of the
 * other. A prune takes old ones away.
 */
NB_NODISCARD bool repo_hold(struct repo *r, const char *key, const struct nb_cancel *cancel,
                            struct nb_error *err);

/* ---- pruning ---- */

struct repo_pruned {
    char *manifest_key; /* NULL for chunks, stale claims, uploads */
    uint64_t bytes;
    bool deleted;
    bool locked; /* a bucket lock keeps it */
    enum retention_reason reason;
};
struct repo_prune_result {
    struct repo_pruned *items; /* every backup of the owner and database, kept or deleted */
    size_t n, cap;
    unsigned kept, deleted, locked, finished; /* finished: deletions that had been cut off */
    unsigned claims_swept, uploads_aborted, chunks_deleted;
    uint64_t bytes_deleted;
    bool blocked; /* RetentionBlocked: two UIDs under one owner; nothing was deleted */
};
struct repo_prune_opts {
    const char *database; /* NULL: every database of the owner, each by itself */
    struct retention_rules rules;
    bool dry_run;
    const char
        *made_manifest_key; /* of the backup that this run has just made: it stays; or NULL */
    /* A listing of every database and owner, with chunks, from after the last commit: taken in place
     * of a new one, and what is deleted is taken out of it. What has come since is not in it, so it
     * stays. NULL: none. */
    struct repo_backups *listing;
    /* Called for each backup before it is deleted. NULL: not called. */
    void (*on_delete)(void *ctx, const struct repo_backup *b, enum retention_reason reason);
    /* Called for each that had to be read, since others go in its favour. NULL: not called. */
    void (*on_proof)(void *ctx, const struct repo_backup *b);
    void *ctx;
};
/*
 * Retention, then sweeping: deletions cut off, stale claims of our owner with what they name,
 * chunks nobody names. Nothing at all is deleted after a listing that was not complete
 * (NB_E_UNAVAILABLE "ListingIncomplete"). Call after a verified success only.
 */
NB_NODISCARD bool repo_prune(struct repo *r, const struct repo_prune_opts *opts,
                             const struct nb_cancel *cancel, struct repo_prune_result *ret,
                             struct nb_error *err);
void repo_prune_result_done(struct repo_prune_result *p);
NB_AUTO_DONE_DEFINE(struct repo_prune_result, repo_prune_result_done)

#endif
