#ifndef NB_BOLT_MACHINE_H
#define NB_BOLT_MACHINE_H

/*
 * The states of a Bolt session after the handshake. Pure: requests that are sent and messages that
 * come in, events out; what the protocol does not allow is an error, and the session is then
 * defunct.
 *
 * Requests may be sent ahead of their answers; answers come in order, one SUCCESS, FAILURE or
 * IGNORED each, with RECORDs before that of a PULL. After a FAILURE everything is IGNORED up to a
 * RESET.
 *
 * Source: Bolt protocol specification, server states and messages of 4.4 and 5.x.
 */

#include "bolt/bolt.h"

enum bolt_request {
    BOLT_HELLO = 0x01,
    BOLT_GOODBYE = 0x02,
    BOLT_RESET = 0x0F,
    BOLT_RUN = 0x10,
    BOLT_BEGIN = 0x11,
    BOLT_COMMIT = 0x12,
    BOLT_ROLLBACK = 0x13,
    BOLT_DISCARD = 0x2F,
    BOLT_PULL = 0x3F,
    BOLT_ROUTE = 0x66,
    BOLT_LOGON = 0x6A,
};
enum bolt_response {
    BOLT_SUCCESS = 0x70,
    BOLT_RECORD = 0x71,
    BOLT_IGNORED = 0x7E,
    BOLT_FAILURE = 0x7F,
};
enum bolt_state {
    BOLT_STATE_NEGOTIATION,
    BOLT_STATE_AUTHENTICATION, /* from 5.1 */
    BOLT_STATE_READY,
    BOLT_STATE_STREAMING,
    BOLT_STATE_TX_READY,
    BOLT_STATE_TX_STREAMING,
    BOLT_STATE_FAILED,
    BOLT_STATE_DEFUNCT,
};

enum { BOLT_PENDING_MAX = 16 };

struct bolt_machine {
    struct bolt_version version;
    enum bolt_state state; /* as far as answers have come */
    enum bolt_request pending[BOLT_PENDING_MAX];
    unsigned npending;
    unsigned resets; /* of those pending */
    bool tx_lost;    /* a failure ended an explicit transaction that was not yet rolled back */
};
void bolt_machine_init(struct bolt_machine *m, struct bolt_version version);
/* Notes that the request goes out now. NB_E_INVALID "Neo4jQueryFailed" when its turn cannot come.
 */
NB_NODISCARD bool bolt_machine_send(struct bolt_machine *m, enum bolt_request request,
                                    struct nb_error *err);

struct bolt_event {
    enum bolt_response kind;
    enum bolt_request request; /* which one is answered */
    bool has_more;             /* SUCCESS of PULL or DISCARD */
    struct ps_map meta;        /* SUCCESS, FAILURE: in the arena and the message */
    struct ps_decoder record;  /* RECORD: stands before the list of fields */
};
/* One whole message. */
NB_NODISCARD bool bolt_machine_receive(struct bolt_machine *m, struct nb_str message,
                                       struct nb_arena *arena, struct bolt_event *ret,
                                       struct nb_error *err);
/* Whether message, which has not been received yet, is the SUCCESS with has_more of the one PULL
 * that is pending: then another PULL may go out although records before it are still to be handed
 * out. */
bool bolt_machine_may_pull_ahead(const struct bolt_machine *m, struct nb_str message,
                                 struct nb_arena *arena);

static inline unsigned bolt_packstream_version(struct bolt_version v)
{
    return v.major > 6 || (v.major == 6 && v.minor >= 1) ? 2 : 1;
}

#endif
