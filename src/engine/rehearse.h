#ifndef NB_ENGINE_REHEARSE_H
#define NB_ENGINE_REHEARSE_H

/*
 * eng_rehearse: whether a backup can be restored, by restoring it: into a scratch Neo4j of nobody's,
 * without authentication, whose home database is empty before and after. What comes out of it again
 * is compared with the manifest: counts, and where the dump has digests, every value.
 *
 * Nothing is deleted there but what the rehearsal itself has written: a server that is not empty is
 * refused, so that a wrong address costs nobody a graph.
 *
 * Any thread; memory as eng_restore. NB_E_CORRUPT "VerificationFailed" says what is not as it should
 * be; other errors (eng_restore_run()'s) mean that it was not found out.
 */

#include "engine/restore.h"
#include "repo/repo.h"

struct eng_rehearse_opts {       /* all borrowed for the call */
    const char *uri;             /* of the scratch server */
    int64_t start_ms;            /* how long it may take to be there */
    const struct age_keys *keys; /* that open the dump; or NULL */
    const struct nb_cancel *cancel;
    void (*waiting)(void *ctx, const struct nb_error *why); /* for the scratch server; or NULL */
    void *ctx;
};

/* The sizes and ETags in the bucket are looked at first. ret: as of the restore. */
NB_NODISCARD bool eng_rehearse_run(struct repo *repo, const struct repo_manifest *m,
                                   const struct eng_rehearse_opts *opts,
                                   struct eng_restore_result *ret, struct nb_error *err);

#endif
