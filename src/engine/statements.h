#ifndef NB_ENGINE_STATEMENTS_H
#define NB_ENGINE_STATEMENTS_H

/*
 * eng_statements: somebody else's Cypher script, statement by statement, as cypher-shell would run
 * it: each is a transaction of its own, but for those between :begin and :commit (or :rollback).
 * Other commands of cypher-shell are refused by name: they change what follows (:param, :use, ...)
 * or belong to a person at a terminal.
 *
 * A statement on its own that fails with a transient failure was rolled back, and is run again. A
 * connection that is lost ends the script, for nobody knows what became of the statement.
 *
 * One thread at a time.
 */

#include "engine/dest.h"

struct eng_statements;

/* dest NULL: nothing is run, only looked at. */
struct eng_statements *eng_statements_new(struct eng_dest *dest);
void eng_statements_free(struct eng_statements *s);
NB_AUTO_DEFINE(struct eng_statements *, eng_statements_free)
/* What cyp_reader gives to other(). NB_E_INVALID "UnsupportedStatement". */
NB_NODISCARD bool eng_statements_take(struct eng_statements *s, struct nb_str text,
                                      struct nb_error *err);
/* NB_E_CORRUPT "CutDump" within a transaction. */
NB_NODISCARD bool eng_statements_finish(struct eng_statements *s, struct nb_error *err);
uint64_t eng_statements_count(const struct eng_statements *s);

#endif
