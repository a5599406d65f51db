#ifndef NB_BASE_SECRET_H
#define NB_BASE_SECRET_H

/*
 * nb_secret: a password, key or token. Wiped when freed, never formatted: there is no function
 * that prints one, and the log's redaction knows every live secret of 4 bytes or more and blots it
 * out of every line as the last line of defence. Reads are by nb_secret_str() at the point of use.
 */

#include "base/buf.h"

struct nb_secret;

/* Copies. The bytes given are the caller's to wipe. */
struct nb_secret *nb_secret_new(const char *p, size_t n);
void nb_secret_free(struct nb_secret *s);
NB_AUTO_DEFINE(struct nb_secret *, nb_secret_free)
/* Borrowed, NUL-terminated (embedded NULs are not expected). NULL secret: empty. */
struct nb_str nb_secret_str(const struct nb_secret *s);
struct nb_secret *nb_secret_dup(const struct nb_secret *s);
void nb_wipe(void *p, size_t n);
/* A buffer for what a file with a secret is read into. All its room is there at once, since growing
 * would leave copies behind; done wipes all of it. */
void nb_secret_buf_init(struct nb_buf *b, size_t max_bytes);
void nb_secret_buf_done(struct nb_buf *b);
NB_AUTO_DONE_DEFINE(struct nb_buf, nb_secret_buf_done)
/* Replaces every occurrence of a live secret in place by '*' (also JSON-escaped and
 * percent-encoded forms are matched). Used by base/log and for termination messages. */
void nb_secret_redact(char *text, size_t n);

#endif
