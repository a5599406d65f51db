#include "base/hash.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/fatal.h"
#include "base/mem.h"

struct nb_sha256 {
    EVP_MD_CTX *ctx;
};

static void must(int ok)
{
    if (ok != 1)
        nb_fatal("libcrypto: digest failed");
}

struct nb_sha256 *nb_sha256_new(void)
{
    struct nb_sha256 *h = NB_NEW(struct nb_sha256);

    h->ctx = EVP_MD_CTX_new();
    if (!h->ctx)
        nb_fatal("out of memory");
    nb_sha256_reset(h);
    return h;
}

void nb_sha256_free(struct nb_sha256 *h)
{
    if (!h)
        return;
    EVP_MD_CTX_free(h->ctx);
    free(h);
}

void nb_sha256_reset(struct nb_sha256 *h)
{
    must(EVP_DigestInit_ex(h->ctx, EVP_sha256(), NULL));
}

void nb_sha256_update(struct nb_sha256 *h, const void *p, size_t n)
{
    must(EVP_DigestUpdate(h->ctx, p, n));
}

void nb_sha256_final(struct nb_sha256 *h, uint8_t out[NB_SHA256_BYTES])
{
    must(EVP_DigestFinal_ex(h->ctx, out, NULL));
}

bool nb_sha256_is(struct nb_sha256 *h, const char *hex)
{
    uint8_t digest[NB_SHA256_BYTES];
    char text[NB_SHA256_HEX];

    nb_sha256_final(h, digest);
    nb_hex(digest, sizeof(digest), text);
    return strcmp(text, hex) == 0;
}

void nb_sha256(const void *p, size_t n, uint8_t out[NB_SHA256_BYTES])
{
    must(EVP_Digest(p, n, out, NULL, EVP_sha256(), NULL));
}

void nb_hmac_sha256(const void *key, size_t key_n, const void *p, size_t n,
                    uint8_t out[NB_SHA256_BYTES])
{
    if (key_n > INT32_MAX)
        nb_fatal("hmac: key is too long");
    /* A NULL key would mean "the key of before". */
    must(HMAC(EVP_sha256(), key ? key : "", (int)key_n, p, n, out, NULL) != NULL);
}

void nb_md5(const void *p, size_t n, uint8_t out[NB_MD5_BYTES])
{
    must(EVP_Digest(p, n, out, NULL, EVP_md5(), NULL));
}

void nb_hex(const uint8_t *p, size_t n, char *out)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < n; i++) {
        out[2 * i] = digits[p[i] >> 4];
        out[2 * i + 1] = digits[p[i] & 15];
    }
    out[2 * n] = '\0';
}

void nb_random_bytes(void *out, size_t n)
{
    uint8_t *p = out;

    while (n) {
        ssize_t got = getrandom(p, n, 0);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            nb_fatal("getrandom: no random bytes");
        p += got;
        n -= (size_t)got;
    }
}

uint32_t nb_random_below(uint32_t n)
{
    /* Lemire, "Fast Random Integer Generation in an Interval" (2019): multiply, and draw again in
     * the few cases that would favour some results. */
    uint32_t threshold = (uint32_t)(-n) % n, r;
    uint64_t product;

    do {
        nb_random_bytes(&r, sizeof(r));
        product = (uint64_t)r * n;
    } while ((uint32_t)product < threshold);
    return (uint32_t)(product >> 32);
}

static EVP_PKEY *ed25519_private(const uint8_t *seed)
{
    EVP_PKEY *key =
        EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, NB_ED25519_KEY_BYTES);

    if (!key)
        nb_fatal("libcrypto: no Ed25519");
    return key;
}

void nb_ed25519_public(const uint8_t seed[NB_ED25519_KEY_BYTES], uint8_t out[NB_ED25519_KEY_BYTES])
{
    EVP_PKEY *key = ed25519_private(seed);
    size_t n = NB_ED25519_KEY_BYTES;

    must(EVP_PKEY_get_raw_public_key(key, out, &n));
    EVP_PKEY_free(key);
}

void nb_ed25519_sign(const uint8_t seed[NB_ED25519_KEY_BYTES], const void *p, size_t n,
                     uint8_t out[NB_ED25519_SIGNATURE_BYTES])
{
    EVP_PKEY *key = ed25519_private(seed);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    size_t out_n = NB_ED25519_SIGNATURE_BYTES;

    if (!ctx)
        nb_fatal("out of memory");
    must(EVP_DigestSignInit(ctx, NULL, NULL, NULL, key));
    must(EVP_DigestSign(ctx, out, &out_n, p, n));
    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(key);
}

bool nb_ed25519_verify(const uint8_t key[NB_ED25519_KEY_BYTES], const void *p, size_t n,
                       const uint8_t signature[NB_ED25519_SIGNATURE_BYTES])
{
    EVP_PKEY *public_key =
        EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, key, NB_ED25519_KEY_BYTES);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool ok;

    if (!public_key || !ctx)
        nb_fatal("libcrypto: no Ed25519");
    /* Bytes that are no point of the curve are no key: no signature is theirs. */
    ok = EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, public_key) == 1 &&
         EVP_DigestVerify(ctx, signature, NB_ED25519_SIGNATURE_BYTES, p, n) == 1;
    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(public_key);
    return ok;
}

uint64_t nb_hash64(const void *p, size_t n)
{
    const uint8_t *s = p;
    uint64_t h = UINT64_C(0xcbf29ce484222325);

    for (size_t i = 0; i < n; i++)
        h = (h ^ s[i]) * UINT64_C(0x100000001b3);
    return h;
}
