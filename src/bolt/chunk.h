#ifndef NB_BOLT_CHUNK_H
#define NB_BOLT_CHUNK_H

/*
 * Messages in chunks (u16 length, data, ..., 00 00 at the end of a message; 00 00 between messages
 * is a NOOP), in both directions. Pure.
 *
 * The deframer owns the receive buffer: the caller reads into bolt_deframer_space(), says how much
 * came, and takes whole messages out. A message in one chunk is not moved; one in several is
 * joined in place. The buffer grows by doubling as bytes of a large message really arrive, up to
 * the limit for one message, and shrinks again afterwards. One thread.
 */

#include "base/buf.h"

/* --- out -------------------------------------------------------------------------------------- */

/* Append the message to out between the two calls. */
size_t bolt_chunk_begin(struct nb_buf *out);
void bolt_chunk_end(struct nb_buf *out, size_t mark);

/* --- in --------------------------------------------------------------------------------------- */

struct bolt_frame {
    size_t at, n;
};

struct bolt_deframer {
    unsigned char *data;
    size_t cap, base_cap;
    size_t fill;       /* bytes received */
    size_t scan;       /* first byte not looked at */
    size_t start, end; /* the message being joined */
    size_t chunk_left;
    bool in_message;
    struct bolt_frame *ready; /* whole messages, in order */
    size_t nready, next, ready_cap;
    size_t max_message_bytes;
    uint64_t noops;
};
/* base_bytes: the buffer's usual size, at least 4096. */
void bolt_deframer_init(struct bolt_deframer *d, size_t base_bytes, size_t max_message_bytes);
void bolt_deframer_done(struct bolt_deframer *d);
/* Where the next bytes go; messages taken before are gone. All must have been taken. */
void *bolt_deframer_space(struct bolt_deframer *d, size_t *ret_n);
/* NB_E_LIMIT "Neo4jMessageTooLarge". */
NB_NODISCARD bool bolt_deframer_filled(struct bolt_deframer *d, size_t n, struct nb_error *err);
/* False: none left. */
bool bolt_deframer_next(struct bolt_deframer *d, struct nb_str *ret);
/* The last whole message that has been received and not been taken; it stays. */
bool bolt_deframer_peek_last(const struct bolt_deframer *d, struct nb_str *ret);

#endif
