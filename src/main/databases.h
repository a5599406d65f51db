#ifndef NB_MAIN_DATABASES_H
#define NB_MAIN_DATABASES_H

/*
 * Which databases a backup is of: names and globs against what the server has.
 *
 * Names are the server's: lower case, whatever the user wrote. A glob means every user database
 * that it matches; system only with NEO4J_INCLUDE_SYSTEM, aliases never (their databases match by
 * their own names). A name may be an alias: its database is taken, once. Exclusions win over both.
 *
 * What was meant but cannot be read is in the list with the reason, so that a backup of the others
 * can go on: a name that is not there, a database that should be online and is not, or that is
 * named and was stopped, a composite one that is named. What a glob matches but was stopped, and
 * composite databases, are left out with a word.
 */

#include "base/map.h"
#include "engine/source.h"
#include "main/options.h"

/* '*' is any text, '?' one byte. Pure. */
bool database_glob_match(const char *glob, const char *name);

/* A database as the server knows it; rows of several servers of a cluster are one. */
struct database {
    char *name, *status;
    char **aliases;
    size_t aliases_n;
    bool online, wanted_online, system, home, composite;
};
struct database_catalog {
    struct database *items;
    size_t n, cap;
};
void database_catalog_add(struct database_catalog *c, const struct eng_database *row);
void database_catalog_done(struct database_catalog *c);
NB_AUTO_DONE_DEFINE(struct database_catalog, database_catalog_done)

struct database_choice {
    char *name;            /* NULL: the home database, whose name the server has not told */
    struct nb_error error; /* code NB_OK: to be backed up */
};
struct database_choices {
    struct database_choice *items;
    size_t n, cap;
    struct nb_vec notes; /* texts: what was left out, and which alias is which */
};
void database_choices_done(struct database_choices *c);
NB_AUTO_DONE_DEFINE(struct database_choices, database_choices_done)

struct database_rules {
    const char *const *names; /* names and globs; none: the home database */
    size_t names_n;
    const char *const *excluded;
    size_t excluded_n;
    bool include_system;
};
/* Pure. NB_E_NOT_FOUND "DatabaseNotFound" where nothing is chosen. */
NB_NODISCARD bool databases_choose(const struct database_rules *rules,
                                   const struct database_catalog *catalog,
                                   struct database_choices *ret, struct nb_error *err);

/* By the options. The server is asked only where more than one plain name, or none, is given.
 * Whoever may not see SHOW DATABASES can still list plain names. */
NB_NODISCARD bool databases_resolve(const struct options *o, const struct eng_source_opts *source,
                                    struct database_choices *ret, struct nb_error *err);

#endif
