#ifndef NB_CYPHER_TEXT_H
#define NB_CYPHER_TEXT_H

/*
 * cyp_text: bytes of a string literal between single quotes. Backslashes and quotes are escaped,
 * control characters become \n, \r, \t or \u00XX, so that a literal stays on one line. A \u of ours
 * stands for a control character only: it can never make a quote or a backslash, whenever the
 * server expands it.
 * Thread: functions of their arguments.
 */

#include "base/buf.h"

/* The four characters that packed rows are made of; see docs/format.md. */
enum {
    CYP_ESCAPE = 0x1c, /* starts a two-character code in an escaped text */
    CYP_ITEM = 0x1d,   /* between the items of a list of strings */
    CYP_ROW = 0x1e,    /* and a new line: between rows */
    CYP_CELL = 0x1f,   /* between cells */
};

/* True when one of the four is in the text. */
bool cyp_text_has_marks(const char *p, size_t n);

void cyp_text_append(struct nb_buf *out, const char *p, size_t n);
/* The text with the four marks as codes: CYP_ESCAPE and '0' to '3', and '4' for the empty text. */
void cyp_text_append_marked(struct nb_buf *out, const char *p, size_t n);

/* Length of the literal's inside at p (which starts after the quote), up to its quote; SIZE_MAX
 * when it does not end within n. */
size_t cyp_text_span(const char *p, size_t n);
/* How many bytes at p are neither quote nor backslash. */
size_t cyp_text_plain(const char *p, size_t n);
/* In place; false where an escape is none of ours. Marks that stand raw are left as they are. */
bool cyp_text_unescape(char *p, size_t n, size_t *ret_n);
/* Undoes the codes, in place. */
bool cyp_text_unmark(char *p, size_t n, size_t *ret_n);

#endif
