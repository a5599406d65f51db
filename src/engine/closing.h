#ifndef NB_ENGINE_CLOSING_H
#define NB_ENGINE_CLOSING_H

/*
 * eng_closing: makes an export closed that was written to meanwhile.
 *
 * One more reading of the whole graph is compared with what the dump holds, block by block of
 * neighbouring node ids (engine/sums.h). Then, in rounds:
 *
 *  1. The nodes of blocks that differ are deleted from the dump with all their relationships, read
 *     again by id, and written as they are now; after that their relationships are read and
 *     written.
 *  2. These nodes and the ends of these relationships are looked at once more. An end that is not what the dump has
 *     (deleted, changed, its id given to another) is for the next round. But where it was written in
 *     a round before, it only gets its present content, provided that the first relationship that
 *     was then read of it still exists afterwards: so it has lived all the time, and a node that is
 *     written to without end costs no further round. A node that is no end and has changed or gone
 *     is for the next round, once: it may have been read while it was being deleted.
 *  3. Nodes that share a constrained value with others (engine/keys.h) are for the next round too.
 *
 * Rounds get shorter, so less changes in them; what a block holds is known node by node once it was
 * repaired. If something is left to do after max_rounds: NB_E_CONFLICT "NotClosed".
 *
 * Afterwards every relationship's ends are in the dump and are the nodes that it had when it was
 * read, no element is in it twice, and no two share a constrained value. What was there all the
 * time is in the dump; of what came or went meanwhile some may be.
 *
 * Memory: two bytes a node for each of two readings, 16 bytes for each node of a block that was
 * repaired, 24 bytes for each constrained value. One thread at a time.
 */

#include "engine/idset.h"
#include "engine/progress.h"
#include "engine/sums.h"
#include "engine/source.h"

struct eng_closing_opts {
    struct eng_source *source;
    struct cyp_script *script; /* after end_rels; before end_data afterwards */
    struct eng_meter *meter;
    struct eng_idset *nodes; /* in the dump: kept up to date */
    struct eng_sums *sums;   /* of the dump, by block; of no use afterwards */
    unsigned max_rounds;
};

struct eng_closing_result {
    bool unchanged;       /* the dump is what the second reading saw: nothing was appended */
    unsigned rounds;      /* of repair */
    uint64_t schema;      /* the constraints of uniqueness that it holds for: eng_keys_schema() */
    struct eng_mark mark; /* after the second reading */
};

NB_NODISCARD bool eng_closing_run(const struct eng_closing_opts *opts,
                                  struct eng_closing_result *ret, struct nb_error *err);

#endif
