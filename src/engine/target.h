#ifndef NB_ENGINE_TARGET_H
#define NB_ENGINE_TARGET_H

/*
 * eng_target: the chain of sinks that a dump goes through, and what comes out at its end. One
 * attempt, one target. Used by one thread at a time; sinks have threads of their own.
 */

#include "engine/backup.h"
#include "engine/chain.h"

struct eng_target;

/* What the dump's own metadata says, beside the manifest. */
struct eng_target_about {
    const struct eng_server *server;
    int64_t created_unix_seconds;
    const struct eng_chain *chain; /* into chunks; NULL: not an incremental backup */
    bool apoc;                     /* the dump is not of our format */
};
/* claim: NULL where the dump goes to opts->output. keys: is given what opens the dump, if it is
 * encrypted. run: the token that stops it. All must outlive the target. */
NB_NODISCARD bool eng_target_open(const struct eng_backup_opts *opts, struct repo_claim *claim,
                                  const struct eng_target_about *about, struct age_keys *keys,
                                  struct eng_meter *meter, const struct nb_cancel *run,
                                  struct eng_target **ret, struct nb_error *err);
/* Not finished: no object, no upload and no file is left behind. */
void eng_target_free(struct eng_target *t);
NB_AUTO_DEFINE(struct eng_target *, eng_target_free)
struct sink *eng_target_sink(struct eng_target *t);
/* Of an incremental backup: what was written until now is a chunk. */
NB_NODISCARD bool eng_target_cut(struct eng_target *t, struct nb_error *err);
/* Everything is stored; fills the manifest's objects, sizes and checksums. */
NB_NODISCARD bool eng_target_finish(struct eng_target *t, struct repo_manifest *m,
                                    struct nb_error *err);

#endif
