#include "age/stream.h"

#include <string.h>

#include "base/secret.h"

#define PAYLOAD_INFO "payload"

void age_stream_init(struct age_stream *s, const uint8_t file_key[AGE_FILE_KEY_BYTES],
                     const uint8_t nonce[AGE_NONCE16_BYTES])
{
    uint8_t key[AGE_KEY_BYTES];

    age_hkdf(file_key, AGE_FILE_KEY_BYTES, nonce, AGE_NONCE16_BYTES, PAYLOAD_INFO, key);
    s->aead = age_aead_new(key);
    s->chunk = 0;
    nb_wipe(key, sizeof(key));
}

void age_stream_done(struct age_stream *s)
{
    age_aead_free(s->aead);
    s->aead = NULL;
}

/* Eleven bytes of the chunk's number, big-endian, and one that says whether it is the last. Eight
 * of the eleven are more than any file needs. */
static void make_nonce(const struct age_stream *s, bool last, uint8_t out[AGE_NONCE_BYTES])
{
    memset(out, 0, AGE_NONCE_BYTES);
    for (unsigned i = 0; i < 8; i++)
        out[10 - i] = (uint8_t)(s->chunk >> 8 * i);
    out[AGE_NONCE_BYTES - 1] = last;
}

void age_stream_seal(struct age_stream *s, bool last, const void *p, size_t n, uint8_t *out)
{
    uint8_t nonce[AGE_NONCE_BYTES];

    make_nonce(s, last, nonce);
    age_aead_seal(s->aead, nonce, p, n, out);
    s->chunk++;
}

bool age_stream_open(struct age_stream *s, bool last, const void *p, size_t n, uint8_t *out)
{
    uint8_t nonce[AGE_NONCE_BYTES];

    make_nonce(s, last, nonce);
    if (!age_aead_open(s->aead, nonce, p, n, out))
        return false;
    s->chunk++;
    return true;
}
