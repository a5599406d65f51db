#ifndef NB_BOLT_HANDSHAKE_H
#define NB_BOLT_HANDSHAKE_H

/*
 * Which version of Bolt is spoken: four slots from the client, then either the server's choice or
 * (manifest v1) a list of ranges to choose from. Pure: bytes in, bytes out.
 *
 * Source: Bolt handshake specification, with version negotiation manifest v1 (Bolt 5.7). The
 * versions that can be spoken are one table in handshake.c.
 */

#include "base/buf.h"
#include "bolt/bolt.h"

enum {
    BOLT_HANDSHAKE_REQUEST_BYTES = 20,
    BOLT_HANDSHAKE_RANGES_MAX = 64,
    BOLT_VARINT_BYTES_MAX = 10,
};

/* Manifest, 5.8 to 5.6, 5.4 to 5.0 (5.5 was never released), 4.4; of these what is not above max
 * (0.0: all). */
void bolt_handshake_request(struct bolt_version max,
                            unsigned char out[BOLT_HANDSHAKE_REQUEST_BYTES]);

struct bolt_handshake {
    enum bolt_handshake_step {
        BOLT_HANDSHAKE_ANSWER,
        BOLT_HANDSHAKE_COUNT,
        BOLT_HANDSHAKE_RANGES,
        BOLT_HANDSHAKE_CAPABILITIES,
        BOLT_HANDSHAKE_DONE,
    } step;
    unsigned char word[4];
    unsigned word_n;
    uint64_t varint;
    unsigned varint_n;
    uint64_t ranges_left;
    struct bolt_version max;
    struct bolt_version version; /* the best so far; final when done. 0.0: none */
};
void bolt_handshake_init(struct bolt_handshake *h, struct bolt_version max);
/* Takes what it needs of n bytes (ret_used) and appends what is to be sent to reply. Over when
 * h->step is BOLT_HANDSHAKE_DONE. Errors: "Neo4jVersionUnsupported", "HttpAnswer",
 * "Neo4jProtocolError". */
NB_NODISCARD bool bolt_handshake_feed(struct bolt_handshake *h, const void *p, size_t n,
                                      size_t *ret_used, struct nb_buf *reply, struct nb_error *err);

static inline bool bolt_version_at_least(struct bolt_version v, unsigned major, unsigned minor)
{
    return v.major > major || (v.major == major && v.minor >= minor);
}

#endif
