#ifndef NB_AGE_KEYS_H
#define NB_AGE_KEYS_H

/*
 * Who can open a file. age_recipient: a public key, to encrypt to. age_keys: all that one has to
 * decrypt with: X25519 identities, passphrases, and the file keys of files that one has just
 * written oneself, which need neither. Secrets are wiped when freed and stand in no text.
 *
 * A set is filled by one thread, and may then be read by any.
 */

#include "age/header.h"

enum { AGE_RECIPIENT_TEXT_MAX = 64, AGE_RECIPIENTS_MAX = 64, AGE_KEYS_MAX = 256 };

struct age_recipient {
    uint8_t point[AGE_KEY_BYTES];
};
/* "age1…". NB_E_INVALID "InvalidRecipient"; a private key given by mistake is not repeated. */
NB_NODISCARD bool age_recipient_parse(const char *text, struct age_recipient *ret,
                                      struct nb_error *err);
void age_recipient_format(const struct age_recipient *r, char out[AGE_RECIPIENT_TEXT_MAX]);

struct age_keys;
struct age_keys *age_keys_new(void);
void age_keys_free(struct age_keys *k);
NB_AUTO_DEFINE(struct age_keys *, age_keys_free)
/* An identity file as age-keygen writes it: one AGE-SECRET-KEY-1… a line, blank lines, lines that
 * begin with '#'. NB_E_INVALID "InvalidIdentity" names the line and never its content. */
NB_NODISCARD bool age_keys_add_identities(struct age_keys *k, struct nb_str text,
                                          struct nb_error *err);
void age_keys_add_passphrase(struct age_keys *k, struct nb_str passphrase);
void age_keys_add_file_key(struct age_keys *k, const uint8_t file_key[AGE_FILE_KEY_BYTES]);
size_t age_keys_count(const struct age_keys *k);      /* NULL: 0 */
size_t age_keys_identities(const struct age_keys *k); /* those of X25519 */
/* The public key of the i-th of those. */
struct age_recipient age_keys_recipient(const struct age_keys *k, size_t i);

/*
 * The file key of a header whose text is `text`, checked by the header's MAC. NB_E_INVALID
 * "NoIdentity": none of the keys opens it (NULL: there are none). NB_E_CORRUPT "CorruptAgeHeader",
 * "CorruptAgeMac". NB_E_LIMIT "OutOfMemory" (scrypt).
 */
NB_NODISCARD bool age_keys_open(const struct age_keys *k, const struct age_header *h,
                                const char *text, uint8_t file_key[AGE_FILE_KEY_BYTES],
                                struct nb_error *err);

/* A stanza that wraps the file key, with a new ephemeral key, or salt. "InvalidRecipient" for a
 * point that no key pair has. */
NB_NODISCARD bool age_stanza_x25519(const struct age_recipient *r,
                                    const uint8_t file_key[AGE_FILE_KEY_BYTES],
                                    struct age_stanza *ret, struct nb_error *err);
NB_NODISCARD bool age_stanza_scrypt(struct nb_str passphrase, unsigned log_n,
                                    const uint8_t file_key[AGE_FILE_KEY_BYTES],
                                    struct age_stanza *ret, struct nb_error *err);

#endif
