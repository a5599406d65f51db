#ifndef NB_BOLT_MESSAGE_H
#define NB_BOLT_MESSAGE_H

/*
 * What is in the messages: requests as bytes (chunked, ready to send), answers as structures. The
 * differences between versions are here. Pure.
 */

#include "bolt/machine.h"
#include "bolt/target.h"

struct bolt_identity {
    enum bolt_auth auth;
    const char *user;
    const struct nb_secret *secret;
    const char *user_agent;
    const struct bolt_target *routing; /* NULL: a direct connection, nothing is routed for it */
};
/* HELLO (before 5.1 with the credentials). */
void bolt_put_hello(struct nb_buf *out, struct bolt_version version,
                    const struct bolt_identity *who);
void bolt_put_logon(struct nb_buf *out, const struct bolt_identity *who);
/* in_tx: the extra map is empty then. */
void bolt_put_run(struct nb_buf *out, const char *query, struct nb_str params,
                  const struct bolt_run_opts *opts, bool in_tx);
void bolt_put_begin(struct nb_buf *out, const struct bolt_run_opts *opts);
/* ROUTE: 4.4's form, which all later versions have. db NULL: the home database; bookmark NULL or "":
 * none. */
void bolt_put_route(struct nb_buf *out, const struct bolt_target *target, const char *bookmark,
                    const char *db);
/* PULL or DISCARD of n records, -1: all. */
void bolt_put_pull(struct nb_buf *out, enum bolt_request request, int64_t n);
/* RESET, COMMIT, ROLLBACK, GOODBYE. */
void bolt_put_plain(struct nb_buf *out, enum bolt_request request);

/* What SUCCESS of HELLO tells. Strings are copied and cut. */
struct bolt_welcome {
    char server[128];
    char connection_id[128];
    struct bolt_hints hints;
};
void bolt_welcome_parse(const struct ps_map *meta, struct bolt_version version,
                        struct bolt_welcome *ret);

/* The last SUCCESS of a query; strings are copied to the arena. */
NB_NODISCARD bool bolt_summary_parse(const struct ps_map *meta, struct nb_arena *arena,
                                     struct bolt_summary *ret, struct nb_error *err);

/* FAILURE, in the form of any version. */
void bolt_failure_parse(const struct ps_map *meta, struct bolt_failure *ret);
/* Fills err by the classes told in bolt.h; false. */
bool bolt_failure_to_error(const struct bolt_failure *f, struct nb_error *err);

#endif
