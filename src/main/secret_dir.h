#ifndef NB_MAIN_SECRET_DIR_H
#define NB_MAIN_SECRET_DIR_H

/*
 * A Kubernetes Secret mounted as a directory with one file for each key. The kubelet brings one
 * that is created or completed later, so whoever needs it looks again for a while before it gives
 * up.
 */

#include "base/cancel.h"
#include "base/secret.h"

struct secret_dir {
    const char *path;
    const char *name; /* the Secret's, for messages; NULL: not known */
};

enum { SECRET_WAIT_SECONDS = 120, SECRET_POLL_SECONDS = 3, SECRET_VALUE_MAX_BYTES = 1 << 20 };

/* *ret NULL: there is no such key (or it is empty). One trailing new line is no part of the
 * value. */
NB_NODISCARD bool secret_dir_get(const struct secret_dir *d, const char *key,
                                 struct nb_secret **ret, struct nb_error *err);
/* The first of the keys (ended by NULL) that is there. None: "SecretNotFound" when the directory
 * is empty or missing, else "SecretKeyNotFound"; both NB_E_INVALID, both naming the Secret and
 * the keys, the latter also the keys that are there. */
NB_NODISCARD bool secret_dir_first(const struct secret_dir *d, const char *const *keys,
                                   struct nb_secret **ret, struct nb_error *err);
/* Calls load until it succeeds, fails with another reason than those two, or SECRET_WAIT_SECONDS
 * have passed. */
NB_NODISCARD bool secret_dir_wait(bool (*load)(void *ctx, struct nb_error *err), void *ctx,
                                  int64_t wait_seconds, const struct nb_cancel *cancel,
                                  struct nb_error *err);

#endif
