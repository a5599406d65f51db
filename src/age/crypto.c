#include "age/crypto.h"

#include <string.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "base/fatal.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/secret.h"

enum { INFO_MAX = 64, AEAD_MAX_BYTES = 1 << 30, SCRYPT_R = 8, SCRYPT_P = 1 };

static void must(int ok, const char *what)
{
    if (ok != 1)
        nb_fatal(what);
}

void age_hkdf(const void *ikm, size_t ikm_n, const void *salt, size_t salt_n, const char *info,
              uint8_t out[AGE_KEY_BYTES])
{
    uint8_t prk[NB_SHA256_BYTES], block[INFO_MAX + 1];
    size_t n = strnlen(info, INFO_MAX); /* those of age are shorter */

    /* One block of output is all that age ever takes: T(1) = HMAC(PRK, info | 0x01). */
    nb_hmac_sha256(salt, salt_n, ikm, ikm_n, prk);
    memcpy(block, info, n);
    block[n] = 1;
    nb_hmac_sha256(prk, sizeof(prk), block, n + 1, out);
    nb_wipe(prk, sizeof(prk));
}

/* --- X25519 ----------------------------------------------------------------------------------- */

static EVP_PKEY *secret_key(const uint8_t secret[AGE_KEY_BYTES])
{
    EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, NULL, secret, AGE_KEY_BYTES);

    if (!key)
        nb_fatal("libcrypto: no X25519");
    return key;
}

void age_x25519_public(const uint8_t secret[AGE_KEY_BYTES], uint8_t out[AGE_KEY_BYTES])
{
    EVP_PKEY *key = secret_key(secret);
    size_t n = AGE_KEY_BYTES;

    must(EVP_PKEY_get_raw_public_key(key, out, &n), "libcrypto: no public key of an X25519 key");
    EVP_PKEY_free(key);
}

bool age_x25519(const uint8_t secret[AGE_KEY_BYTES], const uint8_t point[AGE_KEY_BYTES],
                uint8_t out[AGE_KEY_BYTES])
{
    static const uint8_t zeros[AGE_KEY_BYTES];
    EVP_PKEY *key = secret_key(secret);
    EVP_PKEY *peer = EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, NULL, point, AGE_KEY_BYTES);
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);
    size_t n = AGE_KEY_BYTES;
    bool ok;

    if (!peer || !ctx)
        nb_fatal("libcrypto: no X25519");
    must(EVP_PKEY_derive_init(ctx), "libcrypto: no X25519");
    /* libcrypto itself says no to a result of zeros; not all of its versions do. */
    ok = EVP_PKEY_derive_set_peer(ctx, peer) == 1 && EVP_PKEY_derive(ctx, out, &n) == 1 &&
         n == AGE_KEY_BYTES && !age_equal(out, zeros, AGE_KEY_BYTES);
    EVP_PKEY_CTX_free(ctx);
    EVP_PKEY_free(peer);
    EVP_PKEY_free(key);
    return ok;
}

/* --- scrypt ----------------------------------------------------------------------------------- */

bool age_scrypt(const void *passphrase, size_t n, const void *salt, size_t salt_n, unsigned log_n,
                uint8_t out[AGE_KEY_BYTES], struct nb_error *err)
{
    uint64_t memory = (UINT64_C(128) * SCRYPT_R << log_n) + (1 << 20);

    if (EVP_PBE_scrypt(passphrase, n, salt, salt_n, UINT64_C(1) << log_n, SCRYPT_R, SCRYPT_P,
                       memory, out, AGE_KEY_BYTES) == 1)
        return true;
    return nb_fail(err, NB_E_LIMIT, "OutOfMemory", "no memory for scrypt: it takes %llu MiB",
                   (unsigned long long)(memory >> 20));
}

/* --- ChaCha20-Poly1305 ------------------------------------------------------------------------ */

struct age_aead {
    EVP_CIPHER_CTX *seal, *open; /* made when first needed */
    uint8_t key[AGE_KEY_BYTES];
};

struct age_aead *age_aead_new(const uint8_t key[AGE_KEY_BYTES])
{
    struct age_aead *a = NB_NEW(struct age_aead);

    memcpy(a->key, key, AGE_KEY_BYTES);
    return a;
}

void age_aead_free(struct age_aead *a)
{
    if (!a)
        return;
    EVP_CIPHER_CTX_free(a->seal);
    EVP_CIPHER_CTX_free(a->open);
    nb_wipe(a->key, sizeof(a->key));
    free(a);
}

/* Setting the key anew for each chunk would cost more than the nonce alone. */
static EVP_CIPHER_CTX *context(EVP_CIPHER_CTX **ctx, const uint8_t *key, const uint8_t *nonce,
                               int encrypt)
{
    bool is_new = !*ctx;

    if (is_new && !(*ctx = EVP_CIPHER_CTX_new()))
        nb_fatal("out of memory");
    must(EVP_CipherInit_ex(*ctx, is_new ? EVP_chacha20_poly1305() : NULL, NULL, is_new ? key : NULL,
                           nonce, encrypt),
         "libcrypto: no ChaCha20-Poly1305");
    return *ctx;
}

void age_aead_seal(struct age_aead *a, const uint8_t nonce[AGE_NONCE_BYTES], const void *p,
                   size_t n, uint8_t *out)
{
    EVP_CIPHER_CTX *ctx = context(&a->seal, a->key, nonce, 1);
    int done = 0, rest = 0;

    if (n > AEAD_MAX_BYTES)
        nb_fatal("age: too much for one chunk");
    must(n == 0 || EVP_EncryptUpdate(ctx, out, &done, p, (int)n), "libcrypto: cannot encrypt");
    must(EVP_EncryptFinal_ex(ctx, out + done, &rest), "libcrypto: cannot encrypt");
    must(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, AGE_TAG_BYTES, out + n),
         "libcrypto: cannot encrypt");
}

bool age_aead_open(struct age_aead *a, const uint8_t nonce[AGE_NONCE_BYTES], const void *p,
                   size_t n, uint8_t *out)
{
    EVP_CIPHER_CTX *ctx = context(&a->open, a->key, nonce, 0);
    uint8_t tag[AGE_TAG_BYTES];
    int done = 0, rest = 0;

    if (n < AGE_TAG_BYTES || n > AEAD_MAX_BYTES)
        return false;
    n -= AGE_TAG_BYTES;
    memcpy(tag, (const uint8_t *)p + n, sizeof(tag));
    must(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, AGE_TAG_BYTES, tag),
         "libcrypto: cannot decrypt");
    must(n == 0 || EVP_DecryptUpdate(ctx, out, &done, p, (int)n), "libcrypto: cannot decrypt");
    return EVP_DecryptFinal_ex(ctx, out + done, &rest) == 1;
}

static const uint8_t zero_nonce[AGE_NONCE_BYTES];

void age_wrap(const uint8_t key[AGE_KEY_BYTES], const uint8_t file_key[AGE_FILE_KEY_BYTES],
              uint8_t out[AGE_WRAPPED_BYTES])
{
    nb_auto(age_aead_free) struct age_aead *a = age_aead_new(key);

    age_aead_seal(a, zero_nonce, file_key, AGE_FILE_KEY_BYTES, out);
}

bool age_unwrap(const uint8_t key[AGE_KEY_BYTES], const uint8_t body[AGE_WRAPPED_BYTES],
                uint8_t out[AGE_FILE_KEY_BYTES])
{
    nb_auto(age_aead_free) struct age_aead *a = age_aead_new(key);

    return age_aead_open(a, zero_nonce, body, AGE_WRAPPED_BYTES, out);
}

bool age_equal(const void *a, const void *b, size_t n)
{
    return CRYPTO_memcmp(a, b, n) == 0;
}
