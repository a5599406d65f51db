#ifndef NB_ENGINE_APOC_H
#define NB_ENGINE_APOC_H

/*
 * eng_apoc: one export of a database by APOC (apoc.export.cypher.all with stream: true, format
 * cypher-shell), stored as APOC writes it.
 *
 * The survey says what is in the graph. The script is counted as it passes: where it does not have
 * all of that, or anything that is none of APOC's statements, it is of no use. APOC reads in one
 * transaction, which in Neo4j is no snapshot, and what changed meanwhile cannot be mended in its
 * script. So the verdict is Snapshot where the database's bookmark is after the export what it was
 * before the survey; else the dump is of no use for Closed, NotClosed for Quiescent, and
 * taken for BestEffort, without counts but those of the script.
 *
 * Memory here: a batch of APOC's, which is about 512 KiB of script, or a row that is larger; one
 * statement of it. On the server: APOC's queue of 100 such batches. One thread at a time.
 */

#include "engine/export.h"
#include "engine/survey.h"

struct eng_apoc_opts {
    struct eng_source *source;
    struct sink *out; /* not finished */
    struct eng_meter *meter;
    enum eng_consistency consistency;
    const struct eng_survey *survey;
};

/* What the manifest says of a dump by APOC. NB_E_CONFLICT "ApocUnfit": the export is of no use, and
 * our own may do better; "NotClosed". Errors of the sink are what they are. */
NB_NODISCARD bool eng_apoc_run(const struct eng_apoc_opts *opts, struct repo_manifest *m,
                               struct nb_error *err);

#endif
