#ifndef NB_TESTS_FAKES_FAKE_BOLT_H
#define NB_TESTS_FAKES_FAKE_BOLT_H

/*
 * fake_bolt: a Bolt server that follows a script, over a real socket on 127.0.0.1 or as plain bytes
 * for a net_mem stream. One connection, and after FAKE_AGAIN another; a thread of its own. Faults of the fake itself end the
 * process.
 *
 *   static const struct fake_bolt_step steps[] = {
 *       FAKE_EXPECT(BOLT_HELLO), FAKE_EXPECT(BOLT_LOGON),
 *       FAKE_SUCCESS("{'server':'Neo4j/5.26.0'}"), FAKE_SUCCESS("{}"),
 *       FAKE_EXPECT(BOLT_RUN), FAKE_EXPECT(BOLT_PULL),
 *       FAKE_SUCCESS("{'fields':['x']}"), FAKE_RECORD("[1]"), FAKE_SUCCESS("{}"),
 *       FAKE_EXPECT(BOLT_GOODBYE), FAKE_END
 *   };
 *
 * Messages are written as JSON with ' for ": integers become integers, numbers with a point floats.
 * FAKE_RAW sends a message's bytes as they are (chunked), FAKE_BYTES bytes as they are.
 */

#include "base/buf.h"
#include "bolt/machine.h"

struct fake_bolt_step {
    enum fake_bolt_kind {
        FAKE_KIND_END,
        FAKE_KIND_EXPECT, /* a request with this tag */
        FAKE_KIND_SEND,   /* tag and JSON */
        FAKE_KIND_RAW,
        FAKE_KIND_BYTES,
        FAKE_KIND_NOOP,
        FAKE_KIND_CLOSE,
        FAKE_KIND_STALL, /* until the client closes */
        FAKE_KIND_AGAIN, /* close; the script goes on with the next connection */
    } kind;
    unsigned tag;
    const char *json;
    const void *raw;
    size_t n;
    unsigned times; /* SEND: so often */
};
#define FAKE_STEP(kind_, tag_, json_, raw_, n_, times_)                                            \
    {                                                                                              \
        .kind = (kind_), .tag = (tag_), .json = (json_), .raw = (raw_), .n = (n_),                 \
        .times = (times_)                                                                          \
    }
#define FAKE_EXPECT(tag_)       FAKE_STEP(FAKE_KIND_EXPECT, tag_, NULL, NULL, 0, 0)
#define FAKE_SUCCESS(json_)     FAKE_STEP(FAKE_KIND_SEND, BOLT_SUCCESS, json_, NULL, 0, 1)
#define FAKE_FAILURE(json_)     FAKE_STEP(FAKE_KIND_SEND, BOLT_FAILURE, json_, NULL, 0, 1)
#define FAKE_RECORD(json_)      FAKE_STEP(FAKE_KIND_SEND, BOLT_RECORD, json_, NULL, 0, 1)
#define FAKE_RECORDS(n_, json_) FAKE_STEP(FAKE_KIND_SEND, BOLT_RECORD, json_, NULL, 0, n_)
#define FAKE_IGNORED            FAKE_STEP(FAKE_KIND_SEND, BOLT_IGNORED, NULL, NULL, 0, 1)
#define FAKE_RAW(p_, n_)        FAKE_STEP(FAKE_KIND_RAW, 0, NULL, p_, n_, 0)
#define FAKE_BYTES(p_, n_)      FAKE_STEP(FAKE_KIND_BYTES, 0, NULL, p_, n_, 0)
#define FAKE_NOOP               FAKE_STEP(FAKE_KIND_NOOP, 0, NULL, NULL, 0, 0)
#define FAKE_CLOSE              FAKE_STEP(FAKE_KIND_CLOSE, 0, NULL, NULL, 0, 0)
#define FAKE_STALL              FAKE_STEP(FAKE_KIND_STALL, 0, NULL, NULL, 0, 0)
#define FAKE_AGAIN              FAKE_STEP(FAKE_KIND_AGAIN, 0, NULL, NULL, 0, 0)
#define FAKE_END                FAKE_STEP(FAKE_KIND_END, 0, NULL, NULL, 0, 0)

struct fake_bolt_opts {
    const struct fake_bolt_step *steps;
    struct bolt_version version; /* what the handshake ends with */
    bool manifest;               /* by way of the manifest, else by a slot */
    const void *handshake;       /* instead: these bytes for an answer */
    size_t handshake_n;
    size_t chunk; /* largest chunk; 0: 65535 */
    bool noops;   /* a NOOP before every message */
};

struct fake_bolt;
/* opts and steps must outlive it. */
struct fake_bolt *fake_bolt_start(const struct fake_bolt_opts *opts);
uint16_t fake_bolt_port(const struct fake_bolt *f);
const char *fake_bolt_uri(const struct fake_bolt *f); /* "bolt://127.0.0.1:port" */
/* Waits for the thread. NULL, or what differed from the script. */
const char *fake_bolt_wait(struct fake_bolt *f);
/* After the wait: the client's messages without chunks, and its first 20 bytes. */
size_t fake_bolt_nrequests(const struct fake_bolt *f);
struct nb_str fake_bolt_request(const struct fake_bolt *f, size_t i);
struct nb_str fake_bolt_hello_bytes(const struct fake_bolt *f);
void fake_bolt_free(struct fake_bolt *f); /* waits too */

/* All that the server would send, in one piece. */
void fake_bolt_bytes(const struct fake_bolt_opts *opts, struct nb_buf *out);
/* JSON as a PackStream value. */
void fake_bolt_pack(struct nb_buf *out, const char *json);

#endif
