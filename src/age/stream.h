#ifndef NB_AGE_STREAM_H
#define NB_AGE_STREAM_H

/* The payload's chunks (STREAM, c2sp.org/age): what its writer and its reader share. */

#include "age/crypto.h"

enum {
    AGE_CHUNK_BYTES = 64 << 10,
    AGE_SEALED_BYTES = AGE_CHUNK_BYTES + AGE_TAG_BYTES,
    AGE_NONCE16_BYTES = 16, /* of the payload, before its first chunk */
};

typedef bool(age_output_fn)(void *ctx, const void *p, size_t n, struct nb_error *err);

struct age_stream {
    struct age_aead *aead;
    uint64_t chunk; /* the number of the next one */
};
void age_stream_init(struct age_stream *s, const uint8_t file_key[AGE_FILE_KEY_BYTES],
                     const uint8_t nonce[AGE_NONCE16_BYTES]);
void age_stream_done(struct age_stream *s);
/* n <= AGE_CHUNK_BYTES; out: n + AGE_TAG_BYTES. Goes on to the next chunk. */
void age_stream_seal(struct age_stream *s, bool last, const void *p, size_t n, uint8_t *out);
/* n <= AGE_SEALED_BYTES; out: n - AGE_TAG_BYTES. Goes on to the next chunk when it is true. */
NB_NODISCARD bool age_stream_open(struct age_stream *s, bool last, const void *p, size_t n,
                                  uint8_t *out);

#endif
