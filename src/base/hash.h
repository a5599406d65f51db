#ifndef NB_BASE_HASH_H
#define NB_BASE_HASH_H

/*
 * Digests and random bytes (the only user of libcrypto outside age/crypto.c and net/tls.c).
 * A hash object belongs to one thread at a time.
 */

#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/error.h"

enum { NB_SHA256_BYTES = 32, NB_SHA256_HEX = 65, NB_MD5_BYTES = 16 };

struct nb_sha256;
struct nb_sha256 *nb_sha256_new(void);
void nb_sha256_free(struct nb_sha256 *h);
NB_AUTO_DEFINE(struct nb_sha256 *, nb_sha256_free)
void nb_sha256_reset(struct nb_sha256 *h);
void nb_sha256_update(struct nb_sha256 *h, const void *p, size_t n);
/* Ends the hash; reset before the next use. */
void nb_sha256_final(struct nb_sha256 *h, uint8_t out[NB_SHA256_BYTES]);
/* Ends it as nb_sha256_final() does: is it the digest of these lower-case hex digits? */
bool nb_sha256_is(struct nb_sha256 *h, const char *hex);

void nb_sha256(const void *p, size_t n, uint8_t out[NB_SHA256_BYTES]);
void nb_hmac_sha256(const void *key, size_t key_n, const void *p, size_t n,
                    uint8_t out[NB_SHA256_BYTES]);
/* Not for security: Content-MD5 only. */
void nb_md5(const void *p, size_t n, uint8_t out[NB_MD5_BYTES]);
void nb_hex(const uint8_t *p, size_t n, char *out); /* 2n + 1 bytes, lower case */
void nb_random_bytes(void *out, size_t n);          /* cryptographic */
uint32_t nb_random_below(uint32_t n);               /* uniform in [0, n), n > 0 */

/* Ed25519 (RFC 8032): the private key is its seed. */
enum { NB_ED25519_KEY_BYTES = 32, NB_ED25519_SIGNATURE_BYTES = 64 };
void nb_ed25519_public(const uint8_t seed[NB_ED25519_KEY_BYTES], uint8_t out[NB_ED25519_KEY_BYTES]);
void nb_ed25519_sign(const uint8_t seed[NB_ED25519_KEY_BYTES], const void *p, size_t n,
                     uint8_t out[NB_ED25519_SIGNATURE_BYTES]);
bool nb_ed25519_verify(const uint8_t key[NB_ED25519_KEY_BYTES], const void *p, size_t n,
                       const uint8_t signature[NB_ED25519_SIGNATURE_BYTES]);

/* FNV-1a, for tables and name hashes. */
uint64_t nb_hash64(const void *p, size_t n);

#endif
