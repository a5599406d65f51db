#ifndef NB_BOLT_TABLE_H
#define NB_BOLT_TABLE_H

/*
 * bolt_table: a routing table, as a server answers ROUTE with: who routes, who is read from, who is
 * written to, and for how long that may be believed. Pure; `now` is a parameter. One thread.
 *
 * Source: Bolt protocol specification, message ROUTE (4.4 and later).
 */

#include "bolt/bolt.h"
#include "bolt/target.h"

enum {
    BOLT_TABLE_SERVERS_MAX = 128, /* of one role */
    BOLT_TABLE_TTL_MAX_SECONDS = 7 * 24 * 3600,
};

enum bolt_role { BOLT_ROLE_ROUTE, BOLT_ROLE_READ, BOLT_ROLE_WRITE };
enum { BOLT_ROLES = 3 };

struct bolt_servers {
    struct bolt_address *items;
    size_t n, next; /* next: whose turn it is */
};
struct bolt_table {
    struct bolt_servers roles[BOLT_ROLES];
    char *db; /* the database it is for, resolved; "" when not told */
    int64_t expires_mono_ms;
};
#define BOLT_TABLE_INIT                                                                            \
    {                                                                                              \
        .roles = { { NULL, 0, 0 } }, .db = NULL, .expires_mono_ms = INT64_MIN                      \
    }
void bolt_table_done(struct bolt_table *t);
NB_AUTO_DONE_DEFINE(struct bolt_table, bolt_table_done)

/*
 * meta: of the SUCCESS. NB_E_PROTOCOL "Neo4jRoutingTableInvalid" where there is no table in it, one
 * without ttl, one with an address that is none or with too many servers; NB_E_UNAVAILABLE with the
 * same reason for one without a router or a reader. (Without a writer it is good: a cluster that elects one can be read.) Roles that are
 * not known are passed over, doubled addresses taken once. ret is touched on success only.
 */
NB_NODISCARD bool bolt_table_parse(const struct ps_map *meta, int64_t now_mono_ms,
                                   struct bolt_table *ret, struct nb_error *err);

/* It has not expired, and has a router and somebody in the role. */
bool bolt_table_is_fresh(const struct bolt_table *t, enum bolt_role role, int64_t now_mono_ms);
/* Each in turn. False: there is none. */
bool bolt_table_next(struct bolt_table *t, enum bolt_role role, struct bolt_address *ret);
bool bolt_table_has(const struct bolt_table *t, enum bolt_role role, const struct bolt_address *a);
/* A server that was lost, or that does not have the role (any more). */
void bolt_table_remove(struct bolt_table *t, enum bolt_role role, const struct bolt_address *a);
void bolt_table_remove_all(struct bolt_table *t, const struct bolt_address *a);

#endif
