#ifndef NB_MAIN_CONNECT_H
#define NB_MAIN_CONNECT_H

/*
 * From options to what the engine works with: how to reach Neo4j, and the bucket.
 */

#include "bolt/bolt.h"
#include "engine/verify.h"
#include "main/options.h"
#include "repo/repo.h"

/* Points into itself and into the options, which must outlive it. */
struct neo4j_settings {
    struct bolt_conn_opts bolt;
    char *user;
    struct nb_secret *secret;
};
NB_NODISCARD bool neo4j_settings_load(const struct options *o, const struct nb_cancel *cancel,
                                      struct neo4j_settings *ret, struct nb_error *err);
/* Those of the second server of a comparison (COMPARE_NEO4J_…). */
NB_NODISCARD bool neo4j_settings_load_other(const struct options *o, struct neo4j_settings *ret,
                                            struct nb_error *err);
void neo4j_settings_done(struct neo4j_settings *s);
NB_AUTO_DONE_DEFINE(struct neo4j_settings, neo4j_settings_done)

struct bucket {
    struct s3_client *client;
    struct repo *repo;
};
struct bucket_hooks {
    void (*on_retry)(void *ctx, const struct nb_error *why,
                     int64_t wait_ms); /* any thread; NULL: a line of the log */
    void *ctx;
    bool quick; /* a check: fail soon instead of waiting */
};
/* Whether any option names a bucket. */
bool bucket_is_set(const struct options *o);
/* What a bucket needs is set, as far as that can be seen without opening it. */
NB_NODISCARD bool bucket_settings_check(const struct options *o, struct nb_error *err);
/* No request is made. */
NB_NODISCARD bool bucket_open(const struct options *o, const struct bucket_hooks *hooks,
                              const struct nb_cancel *cancel, struct bucket *ret,
                              struct nb_error *err);
/* Only a client, of another bucket of the same service. No request is made. */
NB_NODISCARD bool bucket_client_open(const struct options *o, const char *bucket,
                                     const struct bucket_hooks *hooks,
                                     const struct nb_cancel *cancel, struct s3_client **ret,
                                     struct nb_error *err);
void bucket_close(struct bucket *b);
NB_AUTO_DONE_DEFINE(struct bucket, bucket_close)

/* How stored backups are verified, without keys, cancel and callback. */
NB_NODISCARD bool verification_load(const struct options *o, struct eng_verify_opts *ret,
                                    struct nb_error *err);

/* The rules of retention as the options have them. */
struct retention_rules retention_rules_load(const struct options *o);

#endif
