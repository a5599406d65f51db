#ifndef NB_AGE_WRITER_H
#define NB_AGE_WRITER_H

/*
 * age_writer: bytes into an age v1 file (c2sp.org/age), in chunks of 64 KiB, each sealed for
 * itself. One thread at a time. Memory: two chunks, and for a passphrase 256 MiB while it is made.
 */

#include "age/keys.h"
#include "age/stream.h"

enum { AGE_SCRYPT_LOG_N = 18 }; /* as age has it */

struct age_writer;

struct age_writer_opts {
    const struct age_recipient *recipients;
    size_t recipients_n;
    struct nb_str passphrase; /* instead of recipients: the format has no place for both */
    unsigned scrypt_log_n;    /* 0: AGE_SCRYPT_LOG_N */
};

/* A new file key each time. NB_E_INVALID "InvalidRecipient". */
NB_NODISCARD bool age_writer_new(const struct age_writer_opts *opts, age_output_fn *output,
                                 void *ctx, struct age_writer **ret, struct nb_error *err);
void age_writer_free(struct age_writer *w);
NB_AUTO_DEFINE(struct age_writer *, age_writer_free)
/* So that whoever writes can read what was written, without an identity. */
void age_writer_give_key(const struct age_writer *w, struct age_keys *keys);
NB_NODISCARD bool age_writer_write(struct age_writer *w, const void *p, size_t n,
                                   struct nb_error *err);
/* The last chunk; once. */
NB_NODISCARD bool age_writer_finish(struct age_writer *w, struct nb_error *err);

#endif
