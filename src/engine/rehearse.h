#ifndef NB_ENGINE_REHEARSE_H
#define NB_ENGINE_REHEARSE_H

/*
 * eng_rehearse: whether a backup can be restored, by restoring it: into a scratch Neo4j of nobody's,
 * without authentication, whose home database is empty before and after. What comes out of it again
 * is compared with the manifest: counts, and where the dump has digests, every value. This is
 * eng_verify_run()'s level Restore, which looks at the objects first.
 *
 * Nothing is deleted there but what the rehearsal itself has written: a server that is not empty is
 * refused, so that a wrong address costs nobody a graph.
 *
 * Any thread; memory as eng_restore. NB_E_CORRUPT "VerificationFailed" says what is not as it should
 * be; other errors (eng_restore_run()'s) mean that it was not found out.
 */

#include "engine/verify.h"

/* limit ends the rehearsal in place of opts->cancel, which ends the clearing up of the server.
 * *ret_not_compared: why the content was not compared; NULL: it was. */
NB_NODISCARD bool eng_rehearse_run(struct repo *repo, const struct repo_manifest *m,
                                   const struct eng_verify_opts *opts,
                                   const struct nb_cancel *limit, const char **ret_not_compared,
                                   struct nb_error *err);

#endif
