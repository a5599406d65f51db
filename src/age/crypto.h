#ifndef NB_AGE_CRYPTO_H
#define NB_AGE_CRYPTO_H

/*
 * The primitives of age v1 (c2sp.org/age), over libcrypto, whose only user this is beside
 * base/hash.c and net/tls.c: X25519 (RFC 7748), ChaCha20-Poly1305 (RFC 8439), HKDF with SHA-256
 * (RFC 5869), scrypt (RFC 7914). Keys that are made on the way are wiped.
 *
 * Any thread; a struct age_aead belongs to one at a time.
 */

#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/error.h"

enum {
    AGE_KEY_BYTES = 32,
    AGE_TAG_BYTES = 16,
    AGE_NONCE_BYTES = 12,
    AGE_FILE_KEY_BYTES = 16,
    AGE_WRAPPED_BYTES = AGE_FILE_KEY_BYTES + AGE_TAG_BYTES, /* the body of a stanza */
};

void age_hkdf(const void *ikm, size_t ikm_n, const void *salt, size_t salt_n, const char *info,
              uint8_t out[AGE_KEY_BYTES]);

void age_x25519_public(const uint8_t secret[AGE_KEY_BYTES], uint8_t out[AGE_KEY_BYTES]);
/* False when the result is all zeros: the point is of low order. */
NB_NODISCARD bool age_x25519(const uint8_t secret[AGE_KEY_BYTES],
                             const uint8_t point[AGE_KEY_BYTES], uint8_t out[AGE_KEY_BYTES]);

/* N = 2^log_n, r = 8, p = 1; takes 2^log_n KiB of memory meanwhile. NB_E_LIMIT "OutOfMemory". */
NB_NODISCARD bool age_scrypt(const void *passphrase, size_t n, const void *salt, size_t salt_n,
                             unsigned log_n, uint8_t out[AGE_KEY_BYTES], struct nb_error *err);

struct age_aead;
struct age_aead *age_aead_new(const uint8_t key[AGE_KEY_BYTES]);
void age_aead_free(struct age_aead *a);
NB_AUTO_DEFINE(struct age_aead *, age_aead_free)
/* n <= 1 GiB; out: n + AGE_TAG_BYTES. */
void age_aead_seal(struct age_aead *a, const uint8_t nonce[AGE_NONCE_BYTES], const void *p,
                   size_t n, uint8_t *out);
/* n: with the tag, at least AGE_TAG_BYTES; out: n - AGE_TAG_BYTES, of no use when it is false. */
NB_NODISCARD bool age_aead_open(struct age_aead *a, const uint8_t nonce[AGE_NONCE_BYTES],
                                const void *p, size_t n, uint8_t *out);

/* One 16-byte file key under a key that is used once, with a nonce of zeros. */
void age_wrap(const uint8_t key[AGE_KEY_BYTES], const uint8_t file_key[AGE_FILE_KEY_BYTES],
              uint8_t out[AGE_WRAPPED_BYTES]);
NB_NODISCARD bool age_unwrap(const uint8_t key[AGE_KEY_BYTES],
                             const uint8_t body[AGE_WRAPPED_BYTES],
                             uint8_t out[AGE_FILE_KEY_BYTES]);

/* In a time that does not depend on the bytes. */
bool age_equal(const void *a, const void *b, size_t n);

#endif
