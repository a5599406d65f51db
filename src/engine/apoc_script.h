#ifndef NB_ENGINE_APOC_SCRIPT_H
#define NB_ENGINE_APOC_SCRIPT_H

/*
 * eng_apoc_script: reads a dump that APOC has written, statement by statement, and counts what is
 * in it. While it is exported, when it is read back, and before it is restored.
 *
 * Nothing but what APOC writes is accepted (cypher/apoc.h), in whole transactions. That the file is
 * not cut between two of them is for its SHA-256 to say: such a dump has no tail.
 *
 * One thread at a time. Memory: one statement.
 */

#include "cypher/apoc.h"
#include "repo/manifest.h"

struct eng_apoc_counts {
    uint64_t statements, nodes, rels, properties, indexes, constraints;
};
/* NB_E_INVALID "UnsupportedStatement": it is none of APOC's. */
NB_NODISCARD bool eng_apoc_counts_add(struct eng_apoc_counts *c, struct nb_str statement,
                                      struct nb_error *err);
/* Against what the manifest knows. NB_E_CORRUPT "VerificationFailed". */
NB_NODISCARD bool eng_apoc_counts_check(const struct eng_apoc_counts *c,
                                        const struct repo_manifest *m, struct nb_error *err);
/* The dump was written by APOC, as the manifest says. NULL: no. */
bool eng_apoc_is_engine_of(const struct repo_manifest *m);

struct eng_apoc_script;
struct eng_apoc_script *eng_apoc_script_new(void);
void eng_apoc_script_free(struct eng_apoc_script *s);
NB_AUTO_DEFINE(struct eng_apoc_script *, eng_apoc_script_free)
/* As eng_apoc_counts_add(), and NB_E_CORRUPT "CutDump". */
NB_NODISCARD bool eng_apoc_script_feed(struct eng_apoc_script *s, const void *p, size_t n,
                                       struct nb_error *err);
NB_NODISCARD bool eng_apoc_script_finish(struct eng_apoc_script *s, struct nb_error *err);
const struct eng_apoc_counts *eng_apoc_script_counts(const struct eng_apoc_script *s);

#endif
