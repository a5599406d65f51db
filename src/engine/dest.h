#ifndef NB_ENGINE_DEST_H
#define NB_ENGINE_DEST_H

/*
 * eng_dest: a database to write into, over one Bolt connection that is made again when it breaks.
 *
 * What may be tried again is for the caller to say. Failures that the server tells of (deadlocks,
 * other transient ones) have rolled the transaction back: they are tried again a bounded number of
 * times. A connection that is lost is waited for within the retry window. eng_dest_exec() is for
 * statements that do no harm when they run twice; whoever runs others takes the connection itself,
 * and asks eng_dest_again() after a failure.
 *
 * One thread at a time. The cancel token and all that opts point to must outlive it.
 */

#include "base/retry.h"
#include "bolt/bolt.h"

struct eng_dest;

struct eng_dest_opts {
    struct bolt_conn_opts bolt;
    const char *database;    /* NULL: the user's home database */
    int64_t retry_window_ms; /* for connections; 0: one try */
    const struct nb_cancel *cancel;
    /* Before a wait for Neo4j to come back. May be NULL. */
    void (*on_wait)(void *ctx, const struct nb_error *why);
    void *ctx;
};

struct eng_dest *eng_dest_new(const struct eng_dest_opts *opts);
void eng_dest_free(struct eng_dest *d);
NB_AUTO_DEFINE(struct eng_dest *, eng_dest_free)

/* For one piece of work: how often and how long it is tried again. */
struct eng_patience {
    struct nb_retry busy; /* the server said no */
    struct nb_retry away; /* the connection is lost */
};
struct eng_patience eng_dest_patience(const struct eng_dest *d);

/* A connection that lives, as far as is known. Borrowed until the next call. */
NB_NODISCARD bool eng_dest_conn(struct eng_dest *d, struct eng_patience *patience,
                                struct bolt_conn **ret, struct nb_error *err);
/* After a failure on the connection: true when it may be tried again, having waited. */
NB_NODISCARD bool eng_dest_again(struct eng_dest *d, struct eng_patience *patience,
                                 struct nb_error *err);
/* The last failure on the connection: the transaction did not fit into the memory that the server has
 * for it (one, or all together), and is rolled back. A smaller one may fit. */
bool eng_dest_is_too_large(const struct eng_dest *d);
/* How to run a query of a transaction of its own, or to begin one. */
struct bolt_run_opts eng_dest_run_opts(const struct eng_dest *d);

/* One statement that does no harm when it runs twice; ret may be NULL. */
NB_NODISCARD bool eng_dest_exec(struct eng_dest *d, const char *text, struct nb_str params,
                                struct bolt_stats *ret, struct nb_error *err);
/* ... which can be made smaller: true as well when it was too large (not tried again, *ret_fits is
 * false). */
NB_NODISCARD bool eng_dest_try(struct eng_dest *d, const char *text, struct nb_str params,
                               struct bolt_stats *ret, bool *ret_fits, struct nb_error *err);
/* ... that answers with one integer at most. -1: with no row. */
NB_NODISCARD bool eng_dest_get_int(struct eng_dest *d, const char *text, struct nb_str params,
                                   int64_t *ret, struct nb_error *err);

#endif
