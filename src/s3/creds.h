#ifndef NB_S3_CREDS_H
#define NB_S3_CREDS_H

/*
 * s3_creds: an access key for an S3 service: its id, its secret and, for temporary ones, a session
 * token. Immutable once made, so any number of threads may read it.
 */

#include "base/secret.h"

struct s3_creds {
    char *access_key_id;
    struct nb_secret *secret_access_key;
    struct nb_secret *session_token; /* NULL: a permanent key */
};

/* Copies all. NB_E_INVALID "InvalidCredentials" when the id or the secret is empty, or holds a
 * blank, a line break or another character that no key has (as after a copy and paste); the text
 * never shows the secret. */
NB_NODISCARD bool s3_creds_new(const char *access_key_id, const struct nb_secret *secret_access_key,
                               const struct nb_secret *session_token, struct s3_creds **ret,
                               struct nb_error *err);
struct s3_creds *s3_creds_dup(const struct s3_creds *c);
void s3_creds_free(struct s3_creds *c);
NB_AUTO_DEFINE(struct s3_creds *, s3_creds_free)

#endif
