#ifndef NB_MAIN_BAR_H
#define NB_MAIN_BAR_H

/* A run's progress as one line of a terminal. Pure. */

#include <stddef.h>

#include "engine/progress.h"

enum { BAR_COLUMNS_DEFAULT = 80, BAR_TEXT_MAX = 256 };

/*
 * "neo4j ExportingNodes [####------]  42 % 1234567/3000000 rows 85.2k/s 12.4 MB ETA 0:42", within
 * `columns` (0: BAR_COLUMNS_DEFAULT): where there is little room the bar goes first, then what
 * stands at the end. database may be NULL. Returns out.
 */
const char *bar_format(const struct eng_progress *p, const char *database, unsigned columns,
                       char out[BAR_TEXT_MAX]);

#endif
