#ifndef NB_MAIN_SAFETY_H
#define NB_MAIN_SAFETY_H

/*
 * The safety backup of a restore that wipes (engine/safety.h): where it goes, whose it is, to whom
 * it is encrypted, who signs it.
 *
 * In the bucket it belongs to an owner of its own, "<owner>:safety". No Neo4jBackup can have that
 * name, so no schedule's retention counts or deletes it, and no restore of "the newest" takes it.
 */

#include "engine/restore.h"
#include "main/connect.h"
#include "main/encryption.h"

#define SAFETY_OWNER_SUFFIX ":safety"

/* What all databases of one restore share. Points into the options. */
struct safety {
    const struct options *options;
    enum eng_safety policy;
    const char *path;         /* a file; NULL: a bucket */
    struct s3_client *client; /* of a bucket; else NULL */
    struct repo_trust trust;  /* signs, if anything does */
    struct encryption chosen; /* on: to these, whatever the dump is */
    int64_t scheduled_unix_seconds;
};
/* from_bucket: the dump is one of the bucket's. Nothing is asked of the bucket. NB_E_INVALID
 * "InvalidConfiguration", and what a bucket's settings may lack. */
NB_NODISCARD bool safety_load(const struct options *o, bool from_bucket, size_t databases,
                              const struct bucket_hooks *hooks, const struct nb_cancel *cancel,
                              struct safety *ret, struct nb_error *err);
void safety_done(struct safety *s);

/* Of one database. Points into its struct safety. */
struct safety_place {
    struct repo *repo; /* NULL: a file, or none at all */
    char *owner;
    struct encryption encryption;
};
/* owner: of the dump. keys: what opened it where it is encrypted, else NULL: then the safety backup is
 * encrypted too, so that nothing lies in the clear beside what does not. */
NB_NODISCARD bool safety_place_open(const struct safety *s, const char *owner,
                                    const struct age_keys *keys, struct safety_place *ret,
                                    struct nb_error *err);
void safety_place_done(struct safety_place *p);
/* Sets safety and safety_backup. */
void safety_place_set(const struct safety *s, const struct safety_place *p,
                      struct eng_restore_opts *opts);

#endif
