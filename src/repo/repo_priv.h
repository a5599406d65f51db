#ifndef NB_REPO_REPO_PRIV_H
#define NB_REPO_REPO_PRIV_H

/* Of the files in this folder and their tests only. */

#include "repo/repo.h"

enum { REPO_CLAIM_MAX_BYTES = 1 << 20, REPO_SUFFIX_TRIES = 100 };

struct repo {
    struct s3_client *client;
    char prefix[REPO_PREFIX_MAX + 1];
    char *owner, *owner_uid, *run_id;
    struct repo_trust trust;
};

/* What a claim says. Strings are owned; NULL: not said. */
struct repo_claim_text {
    char *owner, *owner_uid, *run_id, *nonce, *database, *base_manifest;
    int64_t start_unix_seconds, refresh_unix_seconds;
    struct repo_strings uploads; /* "key\nupload id" each */
};
void repo_claim_text_done(struct repo_claim_text *t);
NB_AUTO_DONE_DEFINE(struct repo_claim_text, repo_claim_text_done)
void repo_claim_text_format(const struct repo_claim_text *t, struct nb_buf *out);
/* NB_E_CORRUPT "InvalidClaim". */
NB_NODISCARD bool repo_claim_text_parse(const char *p, size_t n, struct repo_claim_text *ret,
                                        struct nb_error *err);

/* Reads a claim; its ETag and age go to ret_object. */
NB_NODISCARD bool repo_claim_read(struct repo *r, const char *key, const struct nb_cancel *cancel,
                                  struct repo_claim_text *ret, struct s3_object *ret_object,
                                  struct nb_error *err);
/* By the bucket's clock. */
int64_t repo_age_seconds(const struct repo *r, const struct s3_object *o);
bool repo_claim_is_live(struct repo *r, const struct s3_object *claim);
struct repo_aborted {
    unsigned uploads; /* is added to */
    /* The bucket could not list them at this moment: one whose creation was never answered may be
     * there yet, so the claim must stay. */
    bool unlisted;
};
/*
 * A claim of ours that nobody works under any more: makes it ours anew (so that two who find it
 * don't both clean up, and a run that still lives notices), then aborts what it names and every
 * other upload under its stem, and deletes the dump's objects. The claim object itself stays.
 * NB_E_CONFLICT "ClaimLost": somebody was quicker. ret_etag: of the claim now.
 */
NB_NODISCARD bool repo_claim_take_over(struct repo *r, const char *stem,
                                       struct repo_claim_text *text, const char *etag,
                                       const struct nb_cancel *cancel, char ret_etag[S3_ETAG_MAX],
                                       struct repo_aborted *io, struct nb_error *err);
/* All uploads under the stem aborted, those noted and those that the bucket lists. noted: NULL where
 * nothing noted could still be open. */
NB_NODISCARD bool repo_stem_uploads_abort(struct repo *r, const char *stem,
                                          const struct repo_strings *noted,
                                          const struct nb_cancel *cancel, struct repo_aborted *io,
                                          struct nb_error *err);
/* ... and all dump objects of the stem deleted. The stem must be ours by a claim. */
NB_NODISCARD bool repo_stem_clean(struct repo *r, const char *stem,
                                  const struct repo_strings *uploads,
                                  const struct nb_cancel *cancel, struct repo_aborted *io,
                                  struct nb_error *err);
/* size and, where known, ETag of every object that is no chunk. */
NB_NODISCARD bool repo_objects_check(struct repo *r, const struct repo_manifest *m,
                                     const struct nb_cancel *cancel, struct nb_error *err);
/* True when the key is a chunk of this owner and database. */
bool repo_is_chunk_of(const struct repo *r, const char *owner, const char *database,
                      const char *key);
/* Reads and parses one manifest; NB_E_NOT_FOUND "NoBackup". */
NB_NODISCARD bool repo_manifest_read(struct repo *r, const char *manifest_key,
                                     const struct nb_cancel *cancel, struct repo_manifest **ret,
                                     struct nb_error *err);

/* One of our chunks, as listed. */
struct repo_chunk {
    uint8_t id[NB_SHA256_BYTES]; /* of what it holds: its name */
    uint64_t size;
    uint64_t etag; /* repo_etag_hash */
    int64_t last_modified_unix_seconds;
    bool named; /* by a manifest: set by prune */
};
/* So many at most in a listing (640 MB): beyond them it is not complete. */
enum { REPO_CHUNKS_MAX = 10000000 };

/* Chunks of one owner and database: 64 bytes each. One thread. */
struct repo_chunkset {
    struct repo_chunk *items;
    size_t n, cap;
    bool unsorted;
};
/* "<sha256>.cypher.gz" */
bool repo_chunk_id_parse(const char *name, uint8_t ret[NB_SHA256_BYTES]);
void repo_chunkset_add(struct repo_chunkset *s, const struct repo_chunk *chunk);
/* NULL: it is not there. Borrowed until the next add. */
struct repo_chunk *repo_chunkset_find(struct repo_chunkset *s, const uint8_t id[NB_SHA256_BYTES]);
void repo_chunkset_done(struct repo_chunkset *s);
NB_AUTO_DONE_DEFINE(struct repo_chunkset, repo_chunkset_done)

/* Enough to see that two are not the same; 0: there is none. */
uint64_t repo_etag_hash(const char *etag);

/* Takes out what is gone. */
void repo_backups_drop_gone(struct repo_backups *b);

/* Moves the chunks that an incremental manifest names out of its objects into b->chunks: 48 bytes
 * each instead of some 500. */
void repo_backup_compact(const struct repo *r, struct repo_backup *b);

/* The chunks of our owner and one database. */
NB_NODISCARD bool repo_chunks_list(struct repo *r, const char *database,
                                   const struct nb_cancel *cancel, struct repo_chunkset *ret,
                                   bool *ret_complete, struct nb_error *err);

/*
 * Deletes the chunks of our owner and one database that nobody names: no manifest of `backups`
 * (those of that database, as listed before the first of them was deleted; a deleted one has `ours`
 * off), and no run that may be building on them. Mark and sweep:
 *
 *  - Where a claim or a manifest is found that `backups` do not show, or a claim lives, or a
 *    manifest cannot be read, nothing is deleted. This is looked at after the manifests were
 *    deleted: a run whose claim comes later does not find them any more, so it does not build on
 *    their chunks.
 *  - Nor is a chunk younger than REPO_CLAIM_LIVE_SECONDS, which is asked again before each deletion:
 *    a run that comes upon an old one makes it young (repo_chunk_store).
 */
struct repo_sweep {
    struct repo *repo;
    const char *database;
    const struct repo_backup *backups;
    size_t n;
    bool everything; /* the owner goes: young ones too */
    bool dry_run;
    int64_t young_unix_seconds; /* set by the sweep: chunks since then stay */
    unsigned deleted;           /* out */
    uint64_t bytes_deleted;
};
NB_NODISCARD bool repo_sweep_chunks(struct repo_sweep *s, const struct nb_cancel *cancel,
                                    struct nb_error *err);
/* The databases that our owner has chunks of; only: NULL, or the only one that is of interest. */
NB_NODISCARD bool repo_chunk_databases(struct repo *r, const char *only,
                                       const struct nb_cancel *cancel, struct repo_strings *ret,
                                       struct nb_error *err);
void repo_names_done(struct repo_strings *s);
NB_AUTO_DONE_DEFINE(struct repo_strings, repo_names_done)

#endif
