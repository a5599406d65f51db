#ifndef NB_AGE_HEADER_H
#define NB_AGE_HEADER_H

/*
 * The header of an age v1 file (c2sp.org/age) as text: stanzas that wrap the file key, and a MAC.
 * Pure. Strict: one form for each header, base64 without padding and with no bit too many, no
 * carriage return; a scrypt stanza stands alone; X25519 and scrypt stanzas must have their exact
 * form even when another one opens the file. Stanzas of other types are kept as text only.
 */

#include "age/crypto.h"
#include "base/buf.h"

/* Headers of ours are below 3 KiB; this many bytes of somebody else's are read at most. */
enum { AGE_HEADER_MAX_BYTES = 64 << 10, AGE_SALT_BYTES = 16 };
/* Beyond it a file that somebody else made could take more than 1 GiB of memory. */
enum { AGE_SCRYPT_LOG_N_MAX = 20 };
#define AGE_MAGIC      "age-encryption.org/"
#define AGE_MAGIC_LINE AGE_MAGIC "v1\n"

enum age_stanza_type { AGE_STANZA_OTHER, AGE_STANZA_X25519, AGE_STANZA_SCRYPT };
struct age_stanza {
    enum age_stanza_type type;
    uint8_t share[AGE_KEY_BYTES]; /* X25519: the ephemeral share; scrypt: the salt */
    unsigned log_n;               /* scrypt */
    uint8_t body[AGE_WRAPPED_BYTES];
};
struct age_header {
    struct age_stanza *stanzas;
    size_t n, cap;
    size_t maced_bytes; /* of the text, up to and with "---" */
    uint8_t mac[AGE_KEY_BYTES];
};
void age_header_done(struct age_header *h);
NB_AUTO_DONE_DEFINE(struct age_header, age_header_done)

/* How long the header is that begins at p; 0: more bytes are needed to say. */
size_t age_header_length(const char *p, size_t n);
/* n: age_header_length(). NB_E_CORRUPT "CorruptAgeHeader", NB_E_INVALID "UnsupportedAge" for a
 * later version of the format. Fills *ret, which must be zeroed, also on failure. */
NB_NODISCARD bool age_header_parse(const char *p, size_t n, struct age_header *ret,
                                   struct nb_error *err);
/* NB_E_CORRUPT "CorruptAgeMac" unless the header was made by one who knew the file key. */
NB_NODISCARD bool age_header_check(const struct age_header *h, const char *text,
                                   const uint8_t file_key[AGE_FILE_KEY_BYTES],
                                   struct nb_error *err);
/* The whole header, from stanzas that are ours (none AGE_STANZA_OTHER). Appends. */
void age_header_format(const struct age_stanza *stanzas, size_t n,
                       const uint8_t file_key[AGE_FILE_KEY_BYTES], struct nb_buf *out);

#endif
