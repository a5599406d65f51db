#ifndef NB_ENGINE_INPUT_H
#define NB_ENGINE_INPUT_H

/*
 * eng_input: where a dump is read from: objects of a bucket, a file, or standard input. It is read
 * from its beginning as often as one likes, compressed or encrypted or neither (seen by its first
 * bytes), and is the same each time: objects are bound to the ETags they had in
 * the first reading (not to the manifest's, which a copy of the bucket does not have), and where a
 * manifest says sizes and SHA-256 they are compared in every reading. What can only be read once (standard input) is spooled into a
 * file without a name, unless one reading is enough.
 *
 * One thread at a time. Memory: a few buffers.
 */

#include <stdatomic.h>

#include "base/cancel.h"
#include "repo/repo.h"

struct eng_input;

/* A file, with its manifest beside it if there is one. */
NB_NODISCARD bool eng_input_open_file(const char *path, struct eng_input **ret,
                                      struct nb_error *err);
/* fd is borrowed. spool_dir NULL: it can be read once only; else it is copied there now. */
NB_NODISCARD bool eng_input_open_fd(int fd, const char *name, const char *spool_dir,
                                    const struct nb_cancel *cancel, struct eng_input **ret,
                                    struct nb_error *err);
/* The objects of a manifest, which is borrowed, as is the repo. NB_E_CORRUPT "UntrustedManifest". */
NB_NODISCARD bool eng_input_open_manifest(struct repo *repo, const struct repo_manifest *m,
                                          struct eng_input **ret, struct nb_error *err);
/* One object without a manifest. NB_E_NOT_FOUND "NoBackup"; NB_E_CORRUPT "UntrustedManifest" where
 * the repo asks for signatures. */
NB_NODISCARD bool eng_input_open_object(struct repo *repo, const char *key,
                                        const struct nb_cancel *cancel, struct eng_input **ret,
                                        struct nb_error *err);
/* Of a file, or what is read once: where signatures are asked for, its manifest has a good one.
 * NB_E_CORRUPT "UntrustedManifest". */
NB_NODISCARD bool eng_input_check_trust(const struct eng_input *in, const struct repo_trust *trust,
                                        struct nb_error *err);
void eng_input_close(struct eng_input *in);
NB_AUTO_DEFINE(struct eng_input *, eng_input_close)

/*
 * Opens an encrypted one, so that it can be read: to be called before anything is written for its
 * sake. keys is borrowed for the call. Reads 64 KiB at most; of what can be read once, they are kept.
 * True for one that is not encrypted. NB_E_INVALID "NoIdentity": none of the keys opens it (NULL:
 * there are none); NB_E_CORRUPT and others as age/keys.h has them.
 */
struct age_keys;
NB_NODISCARD bool eng_input_unlock(struct eng_input *in, const struct age_keys *keys,
                                   const struct nb_cancel *cancel, struct nb_error *err);

/* Known once it is unlocked; its bytes say it, not its manifest. */
bool eng_input_is_encrypted(const struct eng_input *in);

/* NULL: there is none, so nothing is known of sizes and checksums. Borrowed. */
const struct repo_manifest *eng_input_manifest(const struct eng_input *in);
const char *eng_input_name(const struct eng_input *in); /* for messages */
/* Stored bytes; 0: not known. */
uint64_t eng_input_size(const struct eng_input *in);
bool eng_input_can_repeat(const struct eng_input *in);
/* Stored bytes are added to it as they are read. NULL: no more. */
void eng_input_count(struct eng_input *in, _Atomic uint64_t *counter);

typedef bool(eng_input_fn)(void *ctx, const void *p, size_t n, struct nb_error *err);
/*
 * All of the script's bytes, in order. NB_E_CORRUPT "VerificationFailed": they are not what the
 * manifest says; "CorruptGzip", "CutGzip", "CorruptAge", "CutAge". NB_E_INVALID "NoIdentity" for an
 * encrypted one that was not unlocked. NB_E_CONFLICT "PreconditionFailed": another object is there
 * than in the reading before.
 */
NB_NODISCARD bool eng_input_read(struct eng_input *in, eng_input_fn *fn, void *ctx,
                                 const struct nb_cancel *cancel, struct nb_error *err);
/* The same of its bytes as they are stored. The script is checked beside, but not that of an
 * encrypted one which was not unlocked. */
NB_NODISCARD bool eng_input_read_stored(struct eng_input *in, eng_input_fn *fn, void *ctx,
                                        const struct nb_cancel *cancel, struct nb_error *err);

#endif
