#ifndef NB_ENGINE_VERIFY_H
#define NB_ENGINE_VERIFY_H

/*
 * eng_verify: whether the bucket still holds what a manifest says.
 *
 * Checksum: every object is there with its size and ETag; one with another ETag, as in a copy of the
 * bucket, is read, and its SHA-256 decides. Readback: every object is downloaded, its
 * SHA-256 and that of the script compared, and the script read with our own reader: its form, its
 * counts, its digests and its tail. Restore: it is restored into a scratch server (engine/rehearse.h);
 * but what the system database's backup holds is no graph, and is read back.
 *
 * An encrypted backup is read back with the keys (NULL: there are none). NB_E_INVALID "NoIdentity":
 * none of them opens it.
 *
 * Any thread. NB_E_CORRUPT "VerificationFailed" says what is not as it should be, "UntrustedManifest"
 * that the manifest is not to be believed; other errors mean that it was not found out, NB_E_TIMEOUT
 * "VerificationTimeout" in the time that was given.
 */

#include "age/keys.h"
#include "base/cancel.h"
#include "cypher/reader.h"
#include "repo/repo.h"

struct eng_verify_opts { /* all borrowed for the call */
    enum repo_verification level;
    const struct age_keys *keys; /* that open the dump; or NULL */
    int64_t timeout_ms;          /* for all of it; 0: none */
    const struct nb_cancel *cancel;

    const char *scratch_uri;                                /* RESTORE: of the scratch server */
    int64_t scratch_start_ms;                               /* how long it may take to be there */
    void (*waiting)(void *ctx, const struct nb_error *why); /* for the scratch server; or NULL */
    /* So many objects have another ETag than the manifest says, and were read for that, or are going
     * to be; or NULL. */
    void (*other_etags)(void *ctx, unsigned n);
    void *ctx;
};

/* What is done with m where level is asked for. */
enum repo_verification eng_verify_level(const struct repo_manifest *m,
                                        enum repo_verification level);
/* *ret_not_compared (or NULL): why RESTORE could not compare the content, which is no fault; NULL
 * where it did, and with the other levels. */
NB_NODISCARD bool eng_verify_run(struct repo *repo, const struct repo_manifest *m,
                                 const struct eng_verify_opts *opts, const char **ret_not_compared,
                                 struct nb_error *err);
/* What a reader has counted in the dump against what its manifest says. NB_E_CORRUPT
 * "VerificationFailed". */
NB_NODISCARD bool eng_verify_counts(const struct cyp_counts *counts, const struct repo_manifest *m,
                                    struct nb_error *err);
/* The same of digests, as far as both know them. */
NB_NODISCARD bool eng_verify_digest(const struct cyp_digest *digest, const struct repo_manifest *m,
                                    struct nb_error *err);

#endif
