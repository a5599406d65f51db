#ifndef NB_CYPHER_IDENT_H
#define NB_CYPHER_IDENT_H

/*
 * cyp_ident: names (labels, types, property keys, schema) in Cypher text, always in backticks.
 *
 * A name cannot end its quotes: a backtick is doubled, and a backslash is written as \u005C,
 * because servers expand \uXXXX before they look for backticks, and cypher-shell takes a backslash
 * for an escape there. Control characters are written as \u00XX too.
 *
 * Source: openCypher's grammar for EscapedSymbolicName; Cypher manual, "Parsing" (unicode escapes).
 * Thread: functions of their arguments.
 */

#include "base/buf.h"

void cyp_ident_append(struct nb_buf *out, struct nb_str name);
/* text: `name` with its backticks. The name is appended to out. */
NB_NODISCARD bool cyp_ident_parse(struct nb_str text, struct nb_buf *ret_name,
                                  struct nb_error *err);
/* Behind the name in backticks that starts at s.p[i]; 0 where there is none, or it does not end. */
size_t cyp_ident_end(struct nb_str s, size_t i);

/*
 * A statement as SHOW INDEXES or SHOW CONSTRAINTS prints it, with the names in it made safe (the
 * server doubles backticks but leaves backslashes as they are) and everything on one line. Fails
 * with NB_E_INVALID "BadSchemaStatement" where the text is not exactly one statement: a quote that does
 * not end, a comment, a semicolon outside quotes.
 */
NB_NODISCARD bool cyp_statement_append_safe(struct nb_buf *out, struct nb_str statement,
                                            struct nb_error *err);

#endif
