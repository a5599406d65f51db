#ifndef NB_ENGINE_SURVEY_H
#define NB_ENGINE_SURVEY_H

/*
 * eng_survey: one reading of a database that writes nothing: what is in it, counted, its digest,
 * and what APOC would lose of it (engine/losses.h). As fast as the server hands the graph out.
 *
 * Memory: two sets of ids, the names of labels and types. One thread at a time.
 */

#include "base/map.h"
#include "cypher/digest.h"
#include "engine/losses.h"
#include "engine/progress.h"

struct eng_survey {
    struct eng_mark mark; /* before the first read */
    uint64_t nodes, rels, properties, indexes, constraints;
    uint64_t weight;               /* of all elements: about the bytes that their rows take */
    struct nb_map *labels, *types; /* uint64_t each; further ones than 10,000 under "" */
    struct cyp_digest digest;      /* as of format.md, without ends */
    struct eng_losses losses;
};

/* digest: wanted. On failure there is nothing to free. */
NB_NODISCARD bool eng_survey_run(struct eng_source *source, struct eng_meter *meter, bool digest,
                                 struct eng_survey *ret, struct nb_error *err);
void eng_survey_done(struct eng_survey *s);
NB_AUTO_DONE_DEFINE(struct eng_survey, eng_survey_done)

#endif
