#ifndef NB_REPO_TRUST_H
#define NB_REPO_TRUST_H

/*
 * repo_trust: who signs manifests, and whose signatures are believed (docs/bucket.md, Signatures).
 * Ed25519 over the manifest's text without its member `signature`, which is the last one.
 *
 * Keys are PEM, as `openssl genpkey -algorithm ed25519` and `openssl pkey -pubout` write them, not
 * encrypted; a public key also as the one line of base64 in it. Source: RFC 8410, RFC 7468. Pure.
 *
 * Read-only once filled: any thread.
 */

#include "base/secret.h"
#include "repo/manifest.h"

enum { REPO_TRUST_KEYS_MAX = 16 };

struct repo_trust {
    bool signs;
    uint8_t seed[NB_ED25519_KEY_BYTES]; /* of the private key, where it signs */
    uint8_t keys[REPO_TRUST_KEYS_MAX][NB_ED25519_KEY_BYTES]; /* believed; its own among them */
    size_t keys_n;                                           /* 0: no signature is asked for */
};
void repo_trust_done(struct repo_trust *t); /* wipes */
NB_AUTO_DONE_DEFINE(struct repo_trust, repo_trust_done)

/* A private key to sign with. NB_E_INVALID "InvalidKey", without a word of the key. */
NB_NODISCARD bool repo_trust_set_signer(struct repo_trust *t, struct nb_str pem,
                                        struct nb_error *err);
/* Public keys, each in PEM or in one line, with white space or commas between. "InvalidKey". */
NB_NODISCARD bool repo_trust_add_keys(struct repo_trust *t, struct nb_str text,
                                      struct nb_error *err);

/* Sets m->signature where t signs; everything else of m must be as it is to be written. */
NB_NODISCARD bool repo_trust_sign(const struct repo_trust *t, struct repo_manifest *m,
                                  struct nb_error *err);
/* Judges a manifest that was parsed from text: sets m->distrust.
 * manifest_key: where it was found; NULL: in a file, which may have any name. */
void repo_trust_judge(const struct repo_trust *t, const char *text, size_t n,
                      const char *manifest_key, struct repo_manifest *m);
/* NB_E_CORRUPT "UntrustedManifest" where m->distrust says why. */
NB_NODISCARD bool repo_trust_check(const struct repo_manifest *m, struct nb_error *err);

#endif
