#ifndef NB_ENGINE_CHAIN_H
#define NB_ENGINE_CHAIN_H

/*
 * eng_chain: what an incremental backup builds on. Pure but for the random helper name of a new
 * chain.
 *
 * A chain is a row of incremental backups that share chunks. Its first stores everything; each
 * further one what its base, the newest complete one before, does not name. All of a chain use one
 * helper name and one size of chunks, else no chunk would be the same twice. After max_chain
 * further backups, or where the database is another one, a new chain begins, with another helper
 * name and so with chunks of its own: no chunk is relied on for ever. So it does where a chain has
 * nearly as many chunks as a manifest may name: then with larger ones.
 */

#include "engine/mark.h"
#include "engine/source.h"
#include "repo/manifest.h"

enum { ENG_CHAIN_MAX_DEFAULT = 30, ENG_CHAIN_UNREAD_MAX = 6, ENG_CHAIN_HELPER_MAX = 17 };

struct eng_chain {
    struct repo_manifest *base; /* owned; NULL: the chain's first */
    char helper[ENG_CHAIN_HELPER_MAX];
    uint64_t chunk_bytes; /* on average */
    int length;           /* of the chain, with this one */
};

struct eng_chain_opts {
    unsigned max_chain;   /* 0: ENG_CHAIN_MAX_DEFAULT */
    uint64_t chunk_bytes; /* of a new chain, if its elements are of common size */
    size_t max_chunks;    /* in one backup; 0: ENG_CHUNKS_MAX */
};

/* take_base: NULL, or the newest complete incremental backup; freed where it cannot be built on. */
void eng_chain_init(struct eng_chain *c, const struct eng_chain_opts *opts,
                    struct repo_manifest *take_base, const struct eng_server *server);
void eng_chain_done(struct eng_chain *c);
/* Another helper name, and so a new chain with chunks of opts->chunk_bytes. */
void eng_chain_restart(struct eng_chain *c, const struct eng_chain_opts *opts);
/* The same after an export that took too many chunks: with larger ones, up to ENG_CUT_AVERAGE_MAX. */
void eng_chain_coarsen(struct eng_chain *c);

/*
 * The base is what the database holds now: it was read as a snapshot, and the database's id, its
 * last transaction, its start and its counts are the same. False as well after
 * ENG_CHAIN_UNREAD_MAX backups in a row for which that was true: a database that was loaded offline
 * could be back at the very same transaction.
 */
bool eng_chain_is_unchanged(const struct eng_chain *c, const struct eng_server *server,
                            const struct eng_mark *mark, uint64_t nodes, uint64_t rels);
/* The base's content as a manifest of its own, without owner, run and times. */
NB_NODISCARD bool eng_chain_repeat(const struct eng_chain *c, struct repo_manifest **ret,
                                   struct nb_error *err);
/* Sets what a manifest says of its chain. */
void eng_chain_describe(const struct eng_chain *c, struct repo_manifest *m);

#endif
