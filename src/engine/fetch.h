#ifndef NB_ENGINE_FETCH_H
#define NB_ENGINE_FETCH_H

/*
 * eng_fetch: a backup's dump out of the bucket, in one piece: the objects of its manifest one after
 * the other, as they are stored or as the plain script. Sizes, SHA-256 of the objects and of the
 * script are compared with the manifest; of an encrypted one only what is stored. ETags are not: it
 * works on a copy of the bucket.
 *
 * Any thread. NB_E_CORRUPT "VerificationFailed" says what is not as it should be: then `out` was
 * not finished, though written to.
 */

#include "base/cancel.h"
#include "repo/repo.h"
#include "sink/sink.h"

struct eng_fetch_opts { /* all borrowed for the call */
    struct repo *repo;
    const struct repo_manifest *manifest;
    bool plain;       /* NB_E_INVALID "InvalidConfiguration" for an encrypted one */
    struct sink *out; /* finished when all is right */
    const struct nb_cancel *cancel;
};

NB_NODISCARD bool eng_fetch_run(const struct eng_fetch_opts *opts, struct nb_error *err);

#endif
