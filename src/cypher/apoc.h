#ifndef NB_CYPHER_APOC_H
#define NB_CYPHER_APOC_H

/*
 * cyp_apoc: tells the statements that APOC's export writes (apoc.export.cypher.all, format
 * cypher-shell, UNWIND_BATCH) from any other, and counts the rows in them. So a dump that APOC has
 * written can be checked, and restored without running whatever else somebody has put into it.
 *
 * Taken are, one at a time, as cyp_reader hands them out (without the semicolon):
 *
 *   :begin and :commit
 *   CREATE ... INDEX or CONSTRAINT ... FOR (or ON), and what such a statement may hold
 *   CALL db.awaitIndexes(300)
 *   UNWIND [rows] AS row CREATE (n...) SET n += row.properties SET n:labels
 *   UNWIND [rows] AS row MATCH (start...) MATCH (end...) CREATE (start)-[r:T]->(end) SET r += ...
 *   MATCH of the helper label, REMOVE of it and its property; DROP of its constraint
 *
 * Rows are maps of literals and of point(), date() and their like over literals: nothing in them
 * reads the graph, a file or the network. Names and strings may not hold a Unicode escape that
 * makes a quote, which servers expand before they look for quotes.
 *
 * Source: apoc-core 5.26 and 4.4, export.cypher.formatter. Pure. Depth is limited.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

enum cyp_apoc_kind {
    CYP_APOC_FRAME, /* transactions, awaiting of indexes, the helper's coming and going */
    CYP_APOC_INDEX,
    CYP_APOC_CONSTRAINT, /* but for the helper's */
    CYP_APOC_NODES,
    CYP_APOC_RELS,
};
struct cyp_apoc_statement {
    enum cyp_apoc_kind kind;
    uint64_t rows;       /* NODES, RELS */
    uint64_t properties; /* of all rows; the helper's are not counted */
};

/* False: it is none of APOC's. */
NB_NODISCARD bool cyp_apoc_read(struct nb_str statement, struct cyp_apoc_statement *ret);

/* True when APOC quotes the name so that it is read back as itself: no backtick, and no "\u". */
bool cyp_apoc_can_name(struct nb_str name);

#endif
