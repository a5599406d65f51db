#ifndef NB_ENGINE_WIPE_H
#define NB_ENGINE_WIPE_H

/*
 * eng_wipe: everything out of a database: constraints and indexes (but token look-up indexes, which
 * every new database has), then relationships, then nodes, in transactions of bounded size, which becomes smaller where
 * the server has no memory for it. Can be repeated. One thread at a time.
 */

#include "engine/dest.h"
#include "engine/source.h"

NB_NODISCARD bool eng_wipe_run(struct eng_dest *dest, struct eng_source *source,
                               struct nb_error *err);

#endif
