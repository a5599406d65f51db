#ifndef NB_CYPHER_READER_PRIV_H
#define NB_CYPHER_READER_PRIV_H

/*
 * What reader.c (statements and comments), reader_rows.c (packed rows) and reader_schema.c share.
 * Private to src/cypher.
 */

#include "cypher/plan.h"
#include "cypher/reader.h"

enum cyp_scan {
    CYP_SCAN_BLANK, /* before a statement */
    CYP_SCAN_NORMAL,
    CYP_SCAN_SINGLE, /* '...' */
    CYP_SCAN_DOUBLE,
    CYP_SCAN_NAME, /* `...` */
    CYP_SCAN_LINE, /* a comment, or a command, up to the end of the line */
    CYP_SCAN_BLOCK,
};

enum cyp_read_phase {
    CYP_READ_START, /* nothing seen */
    CYP_READ_HEAD,  /* head comments */
    CYP_READ_BODY,
    CYP_READ_TAIL, /* tail comments */
    CYP_READ_DONE,
};

struct cyp_reader {
    struct cyp_reader_opts opts;
    struct cyp_reader_ops ops;
    void *ctx;
    bool failed;
    struct nb_error error;

    /* Text that is not yet done with, from the start of a statement or comment. */
    struct nb_buf text;
    size_t start, scan;
    enum cyp_scan state, before_comment;
    bool escaped; /* the byte at scan is behind a backslash, or behind what opens a comment */
    bool fresh;   /* ... is behind a comment, whose last byte begins no other */

    enum cyp_read_phase phase;
    bool foreign;       /* no dump of ours */
    struct nb_buf head; /* values of the head's lines, each with its NUL */
    struct cyp_head head_values;
    struct nb_str warnings[64];
    char *helper;
    struct cyp_tail tail;
    struct cyp_counts counts;
    struct cyp_digester *digester;

    struct nb_buf plan_text; /* of plan */
    struct cyp_plan *plan;
    struct nb_arena *arena; /* of the row's values */
    struct ps_pair *pairs;
    size_t npairs;
};

bool cyp_reader_bad(const struct cyp_reader *r, struct nb_error *err, const char *what);
/* A statement that starts with CYP_OPENING: literal is what stands between its quotes (it is
 * changed in place), rest the text behind. *ret_known: false when the statement is of another form. */
bool cyp_reader_rows(struct cyp_reader *r, char *literal, size_t n, struct nb_str rest,
                     bool *ret_known, struct nb_error *err);
/* CREATE ... INDEX or CONSTRAINT. */
bool cyp_reader_schema(struct cyp_reader *r, struct nb_str statement, bool *ret_known,
                       struct nb_error *err);

#endif
