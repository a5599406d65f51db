#ifndef NB_BOLT_ROUTER_H
#define NB_BOLT_ROUTER_H

/*
 * bolt_router: connections to one database, one after the other, wherever it is served just now.
 *
 * With a bolt scheme that is always the server of the URI. With a neo4j scheme it is a server that
 * has the role (opts.mode) in a routing table: of the server of the URI at first, later of any
 * router that the table named, with the server of the URI last. A table is asked for again when it
 * has expired or nobody is left in it. Servers that cannot be reached are taken out of the table
 * and the next one is tried; what would be the same at every server (wrong password, no such
 * database, an untrusted certificate) is an error at once. A call ends: every server is tried once
 * with each of two tables at most, each for opts.connect_timeout_ms.
 *
 *   bolt_router_new(&opts, &r, err)
 *   while (bolt_router_open(r, bookmark, cancel, &conn, err)) {
 *       if (work(conn)) break;
 *       if (bolt_router_blame(r, conn)) bolt_conn_close(conn), conn = NULL;
 *   }
 *
 * One thread at a time. What opts points to must outlive it. Errors: those of bolt.h.
 */

#include "bolt/bolt.h"

struct bolt_router;

NB_NODISCARD bool bolt_router_new(const struct bolt_conn_opts *opts, struct bolt_router **ret,
                                  struct nb_error *err);
void bolt_router_free(struct bolt_router *r);
NB_AUTO_DEFINE(struct bolt_router *, bolt_router_free)

/* bookmark: the routers shall know at least that; NULL or "": nothing. */
NB_NODISCARD bool bolt_router_open(struct bolt_router *r, const char *bookmark,
                                   const struct nb_cancel *cancel, struct bolt_conn **ret,
                                   struct nb_error *err);
/* After a call on conn that failed: draws what follows for the table. True: conn is of no more
 * use, close it and open another. */
bool bolt_router_blame(struct bolt_router *r, const struct bolt_conn *conn);
/* The database that the routing table is for: the home database by name, where none was asked for.
 * "": not known (no table yet, or a bolt scheme). Valid until the next call. */
const char *bolt_router_database(const struct bolt_router *r);

#endif
