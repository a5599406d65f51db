#ifndef NB_CYPHER_ADMIN_H
#define NB_CYPHER_ADMIN_H

/*
 * cyp_admin: the dump of the system database: administration commands in the frame of a dump
 * (docs/format.md), for `cypher-shell -d system`. Every command may be run twice.
 *
 * Passwords cannot be read from a server. A user comes back with the hash of a random password that
 * nobody knows, to be changed: so the account is there, with its roles, and opens for nobody until
 * an administrator sets a password. Pure but for random bytes; appends to a buffer, which the
 * caller checks.
 */

#include "base/buf.h"
#include "cypher/script.h"

/* No helper is needed, but every head names one. */
#define CYP_ADMIN_HELPER "none"

/* With a line for each of head->warnings. */
void cyp_admin_head(struct nb_buf *out, const struct cyp_head *head);

void cyp_admin_database(struct nb_buf *out, struct nb_str name);
void cyp_admin_alias(struct nb_buf *out, struct nb_str alias, struct nb_str database);
void cyp_admin_role(struct nb_buf *out, struct nb_str name);
/* As SHOW PRIVILEGES AS COMMANDS prints it. NB_E_INVALID "BadSchemaStatement" for what is not one
 * GRANT or DENY. */
NB_NODISCARD bool cyp_admin_privilege(struct nb_buf *out, struct nb_str command,
                                      struct nb_error *err);
struct cyp_user {
    struct nb_str name;
    bool suspended;
    struct nb_str home; /* n 0: none of their own */
};
void cyp_admin_user(struct nb_buf *out, const struct cyp_user *user);
void cyp_admin_grant_role(struct nb_buf *out, struct nb_str role, struct nb_str user);

void cyp_admin_tail(struct nb_buf *out);

#endif
