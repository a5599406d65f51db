#ifndef NB_MAIN_DATABASES_H
#define NB_MAIN_DATABASES_H

/* Which databases a backup is of: names and globs against what the server has. */

#include "base/map.h"
#include "engine/source.h"
#include "main/options.h"

/* '*' is any text, '?' one byte. Pure. */
bool database_glob_match(const char *glob, const char *name);

/* Names to ret, each to be freed; a NULL item is the home database. The server is asked only
 * where a glob or an exclusion demands it. No match at all: NB_E_NOT_FOUND "DatabaseNotFound". */
NB_NODISCARD bool databases_resolve(const struct options *o, const struct eng_source_opts *source,
                                    struct nb_vec *ret, struct nb_error *err);

#endif
