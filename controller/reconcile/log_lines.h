#ifndef NB_RECONCILE_LOG_LINES_H
#define NB_RECONCILE_LOG_LINES_H

/*
 * Reading a pod's log in pieces without missing or doubling a line: pure. The API can only be
 * asked "since that second", so lines carry timestamps (timestamps=true), and what was seen
 * before is passed over. Lines of the same timestamp are told apart by counting them.
 */

#include "base/buf.h"

enum { REC_LOG_TIME_MAX = 48 };

struct rec_log_position {
    char last[REC_LOG_TIME_MAX]; /* timestamp of the last line taken; "": none yet */
    unsigned same;               /* lines taken that have it */
};

/* What to ask for as sinceTime; false: from the beginning. */
bool rec_log_position_since(const struct rec_log_position *p, char out[REC_LOG_TIME_MAX]);
/* Gives each new line, without timestamp and new line, to fn. A last line without a new line is
 * left for the next time unless at_end. Lines without a timestamp are passed over. True:
 * something was new. */
typedef void(rec_log_line_fn)(void *ctx, const char *line, size_t n);
bool rec_log_lines_feed(struct rec_log_position *p, struct nb_str text, bool at_end,
                        rec_log_line_fn *fn, void *ctx);

#endif
