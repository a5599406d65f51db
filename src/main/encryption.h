#ifndef NB_MAIN_ENCRYPTION_H
#define NB_MAIN_ENCRYPTION_H

/*
 * The options on keys: to whom a backup is encrypted, what opens one again, who signs manifests and
 * whose signatures are believed.
 */

#include "age/writer.h"
#include "base/cancel.h"
#include "main/options.h"
#include "repo/trust.h"

struct encryption {
    struct age_recipient *recipients;
    struct age_writer_opts writer; /* borrows of the options and of recipients */
    bool on;                       /* else the backup is not encrypted */
};
/* NB_E_INVALID "InvalidConfiguration". */
NB_NODISCARD bool encryption_load(const struct options *o, struct encryption *ret,
                                  struct nb_error *err);
/* The recipients alone: a passphrase may be there to open another backup with. */
NB_NODISCARD bool recipients_load(const struct options *o, struct encryption *ret,
                                  struct nb_error *err);
/* To whoever keys open a backup for: the recipients of the identities, else the passphrase. Nothing
 * of keys stays in it but what the options hold. */
void encryption_from_keys(const struct options *o, const struct age_keys *keys,
                          struct encryption *ret);
void encryption_done(struct encryption *e);
NB_AUTO_DONE_DEFINE(struct encryption, encryption_done)

/* *ret NULL: nothing is given that opens a backup. Of a Secret that is mounted, waits for it. Also
 * "SecretNotFound", "SecretKeyNotFound". */
NB_NODISCARD bool identities_load(const struct options *o, const struct nb_cancel *cancel,
                                  struct age_keys **ret, struct nb_error *err);

/* A file with a private key. With secret_name given it is one of a Secret that is mounted, which is
 * waited for: "SecretNotFound", "SecretKeyNotFound". */
NB_NODISCARD bool key_file_load(const struct options *o, enum option_id file,
                                enum option_id secret_name, const struct nb_cancel *cancel,
                                struct nb_secret **ret, struct nb_error *err);

/* Who signs, and nothing of whose signatures are believed but its own. */
NB_NODISCARD bool signer_load(const struct options *o, const struct nb_cancel *cancel,
                              struct repo_trust *ret, struct nb_error *err);
/* Nothing is signed, nothing asked for, where nothing is given. As identities_load(). What a restore
 * signs (signer_load()) says nothing of what it takes, so the signer is left out there. */
NB_NODISCARD bool trust_load(const struct options *o, const struct nb_cancel *cancel,
                             struct repo_trust *ret, struct nb_error *err);

#endif
