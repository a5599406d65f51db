#ifndef NB_CYPHER_SCRIPT_PRIV_H
#define NB_CYPHER_SCRIPT_PRIV_H

/*
 * What script.c (rows) and script_frame.c (head, schema, tail) share. Private to src/cypher.
 */

#include <assert.h>

#include "base/map.h"
#include "cypher/group.h"
#include "cypher/script.h"

enum cyp_phase {
    CYP_PHASE_HEAD,
    CYP_PHASE_NODES,
    CYP_PHASE_RELS,
    CYP_PHASE_RELS_DONE,
    CYP_PHASE_FIXUPS,
    CYP_PHASE_SCHEMA,
    CYP_PHASE_DONE,
};

/* Fixed texts that the reader knows too. */
#define CYP_HEAD_FIRST "// neo4j-backup dump, format "
#define CYP_TAIL_FIRST "// tail of the dump"
#define CYP_TAIL_LAST  "// end of neo4j-backup dump"
#define CYP_NOTHING    "-',',') AS r WITH r WHERE r<>'-' RETURN r;\n"
/* Servers keep the text of each statement they have seen, several times over, up to a number of
 * statements; of a large dump that would fill the heap. */
#define CYP_FORGET     "-',',') AS r CALL db.clearQueryCaches() YIELD value RETURN value;\n"
#define CYP_ENCODING_CHECK                                                                         \
    "UNWIND ['not read as UTF-8: set LC_ALL=C.UTF-8, or JAVA_TOOL_OPTIONS=-Dfile.encoding=UTF-8']" \
    " AS r WITH r WHERE size('\u00e9')<>1 RETURN date(r)"

struct cyp_script {
    struct cyp_script_opts opts;
    enum cyp_phase phase;
    char *helper;
    size_t helper_n;
    bool failed;
    bool range_is_odd; /* of the server that the data come from */
    struct nb_error error;
    struct cyp_group **groups; /* in the order in which they came up */
    uint64_t *hashes;          /* of the groups' ids */
    size_t ngroups, cap_groups;
    struct cyp_group *last;
    enum cyp_group_kind kind;
    size_t pending_cap;
    size_t unforgotten; /* bytes of rows since CYP_FORGET or the last flush */
    struct nb_buf id, text;
    struct nb_buf indexes, constraints, enterprise; /* statements, each with ";\n" */
    struct nb_str *names, *old_names;
    size_t cap_names, cap_old_names;
    struct cyp_cell_type *chosen;
    size_t nchosen;
    struct cyp_cells cells;
    struct nb_map *labels, *types;
    struct cyp_counts counts;
    struct cyp_digester *digester;
};

bool cyp_script_put(struct cyp_script *s, const void *p, size_t n, struct nb_error *err);
/* s->text, which is empty afterwards. */
bool cyp_script_put_text(struct cyp_script *s, struct nb_error *err);
/* The head's named lines. */
void cyp_head_append(struct nb_buf *out, const struct cyp_head *head, const char *helper);
bool cyp_script_flush_groups(struct cyp_script *s, struct nb_error *err);

#endif
