#ifndef NB_ENGINE_SYSTEM_H
#define NB_ENGINE_SYSTEM_H

/*
 * eng_system: the system database as far as plain Cypher can carry it: users, and on Enterprise
 * Edition roles, privileges, who has which role, databases by name and their local aliases. It has
 * no graph that could be read, so nodes and relationships of its manifest are 0.
 *
 * What it cannot carry is said in the script's head and in the manifest's warnings: passwords,
 * other ways to log in, options of databases, remote aliases and composite databases, servers.
 *
 * Read again until nothing was written meanwhile, a few times at most, then NB_E_CONFLICT
 * "NotClosed". Needs a user who may see users, roles and privileges (NB_E_DENIED). Memory: the
 * whole script.
 */

#include "engine/export.h"

/* Whether that is its name, which no other database can have. In a backup of it are commands, not a
 * graph: cypher-shell runs them, and a restore leaves it out. */
bool eng_system_is_name(const char *database);

/* opts as for eng_export_run(); the source is of the system database. */
NB_NODISCARD bool eng_system_run(const struct eng_export_opts *opts, struct repo_manifest *m,
                                 struct nb_error *err);

#endif
