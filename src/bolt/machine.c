#include "bolt/machine.h"

#include "bolt/handshake.h"

static const char *request_name(enum bolt_request r)
{
    switch (r) {
    case BOLT_HELLO:
        return "HELLO";
    case BOLT_GOODBYE:
        return "GOODBYE";
    case BOLT_RESET:
        return "RESET";
    case BOLT_RUN:
        return "RUN";
    case BOLT_BEGIN:
        return "BEGIN";
    case BOLT_COMMIT:
        return "COMMIT";
    case BOLT_ROLLBACK:
        return "ROLLBACK";
    case BOLT_DISCARD:
        return "DISCARD";
    case BOLT_PULL:
        return "PULL";
    case BOLT_ROUTE:
        return "ROUTE";
    case BOLT_LOGON:
        return "LOGON";
    }
    return "request";
}

void bolt_machine_init(struct bolt_machine *m, struct bolt_version version)
{
    *m = (struct bolt_machine){ .version = version, .state = BOLT_STATE_NEGOTIATION };
}

/* --- what may be sent ------------------------------------------------------------------------- */

/* The state that a request leads to when it succeeds; DEFUNCT: it is not allowed in this one. For
 * PULL and DISCARD the end of the stream is assumed, has_more is dealt with where it is seen. */
static enum bolt_state state_after(const struct bolt_machine *m, enum bolt_state s,
                                   enum bolt_request r)
{
    switch (r) {
    case BOLT_HELLO:
        if (s != BOLT_STATE_NEGOTIATION)
            return BOLT_STATE_DEFUNCT;
        return bolt_version_at_least(m->version, 5, 1) ? BOLT_STATE_AUTHENTICATION
                                                       : BOLT_STATE_READY;
    case BOLT_LOGON:
        return s == BOLT_STATE_AUTHENTICATION ? BOLT_STATE_READY : BOLT_STATE_DEFUNCT;
    case BOLT_ROUTE:
        return s == BOLT_STATE_READY ? BOLT_STATE_READY : BOLT_STATE_DEFUNCT;
    case BOLT_RUN:
        return s == BOLT_STATE_READY      ? BOLT_STATE_STREAMING
               : s == BOLT_STATE_TX_READY ? BOLT_STATE_TX_STREAMING
                                          : BOLT_STATE_DEFUNCT;
    case BOLT_PULL:
    case BOLT_DISCARD:
        return s == BOLT_STATE_STREAMING      ? BOLT_STATE_READY
               : s == BOLT_STATE_TX_STREAMING ? BOLT_STATE_TX_READY
                                              : BOLT_STATE_DEFUNCT;
    case BOLT_BEGIN:
        return s == BOLT_STATE_READY ? BOLT_STATE_TX_READY : BOLT_STATE_DEFUNCT;
    case BOLT_COMMIT:
    case BOLT_ROLLBACK:
        return s == BOLT_STATE_TX_READY ? BOLT_STATE_READY : BOLT_STATE_DEFUNCT;
    case BOLT_RESET:
        return s > BOLT_STATE_AUTHENTICATION && s != BOLT_STATE_DEFUNCT ? BOLT_STATE_READY
                                                                        : BOLT_STATE_DEFUNCT;
    case BOLT_GOODBYE:
        return BOLT_STATE_DEFUNCT;
    }
    return BOLT_STATE_DEFUNCT;
}

/* The state once all that is pending has succeeded. A PULL pending stays in its stream if another
 * PULL is to follow: bolt_machine_may_pull_ahead() has told so. */
static enum bolt_state expected_state(const struct bolt_machine *m, enum bolt_request next)
{
    enum bolt_state s = m->state;
    bool streams = next == BOLT_PULL || next == BOLT_DISCARD;

    for (unsigned i = 0; i < m->npending; i++) {
        bool pull = m->pending[i] == BOLT_PULL || m->pending[i] == BOLT_DISCARD;

        if (m->pending[i] == BOLT_RESET)
            s = BOLT_STATE_READY;
        else if (!(pull && streams))
            s = state_after(m, s, m->pending[i]);
    }
    /* RESET may go out whatever is under way. */
    return next == BOLT_RESET ? m->state : s;
}

bool bolt_machine_send(struct bolt_machine *m, enum bolt_request request, struct nb_error *err)
{
    enum bolt_state s = expected_state(m, request);

    if (request == BOLT_GOODBYE) {
        m->state = BOLT_STATE_DEFUNCT;
        return true;
    }
    if (state_after(m, s, request) == BOLT_STATE_DEFUNCT)
        return nb_fail(err, NB_E_INVALID, "Neo4jQueryFailed", "%s is not possible now",
                       request_name(request));
    if (m->npending == BOLT_PENDING_MAX)
        return nb_fail(err, NB_E_LIMIT, "Neo4jQueryFailed", "too many requests are under way");
    m->pending[m->npending++] = request;
    m->resets += request == BOLT_RESET;
    return true;
}

/* --- what may come ---------------------------------------------------------------------------- */

static bool fail_protocol(struct bolt_machine *m, struct nb_error *err, const char *what)
{
    m->state = BOLT_STATE_DEFUNCT;
    return nb_fail(err, NB_E_PROTOCOL, "Neo4jProtocolError", "the server broke the protocol: %s",
                   what);
}

static void pop_pending(struct bolt_machine *m)
{
    m->resets -= m->pending[0] == BOLT_RESET;
    m->npending--;
    memmove(m->pending, m->pending + 1, m->npending * sizeof(m->pending[0]));
}

static bool in_tx(enum bolt_state s)
{
    return s == BOLT_STATE_TX_READY || s == BOLT_STATE_TX_STREAMING;
}

static bool on_record(struct bolt_machine *m, struct bolt_event *ev, struct nb_error *err)
{
    bool streaming = m->state == BOLT_STATE_STREAMING || m->state == BOLT_STATE_TX_STREAMING;

    return (streaming && ev->request == BOLT_PULL) ||
           fail_protocol(m, err, "RECORD outside a stream");
}

static bool on_success(struct bolt_machine *m, struct bolt_event *ev, struct nb_error *err)
{
    enum bolt_state next = state_after(m, m->state, ev->request);

    if (next == BOLT_STATE_DEFUNCT)
        return fail_protocol(m, err, "SUCCESS out of turn");
    if (ev->request == BOLT_PULL || ev->request == BOLT_DISCARD) {
        ev->has_more = ps_map_get_bool(&ev->meta, "has_more", false);
        if (ev->has_more)
            next = m->state;
    }
    if (ev->request == BOLT_RESET)
        m->tx_lost = false;
    m->state = next;
    pop_pending(m);
    return true;
}

/* A failed HELLO, LOGON or RESET is followed by the server's end of the connection. */
static bool on_failure(struct bolt_machine *m, struct bolt_event *ev, struct nb_error *err)
{
    if (m->state == BOLT_STATE_FAILED && ev->request != BOLT_RESET)
        return fail_protocol(m, err, "FAILURE after a FAILURE");
    /* After a failed BEGIN, COMMIT or ROLLBACK the caller knows that there is none. */
    m->tx_lost = in_tx(m->state) && ev->request != BOLT_COMMIT && ev->request != BOLT_ROLLBACK;
    m->state = ev->request == BOLT_HELLO || ev->request == BOLT_LOGON || ev->request == BOLT_RESET
                   ? BOLT_STATE_DEFUNCT
                   : BOLT_STATE_FAILED;
    pop_pending(m);
    return true;
}

static bool on_ignored(struct bolt_machine *m, struct bolt_event *ev, struct nb_error *err)
{
    if (ev->request == BOLT_RESET || (m->state != BOLT_STATE_FAILED && m->resets == 0))
        return fail_protocol(m, err, "IGNORED without a reason");
    pop_pending(m);
    return true;
}

static bool take_meta(struct bolt_machine *m, struct ps_decoder *d, unsigned fields,
                      struct bolt_event *ev, struct nb_error *err)
{
    if (fields != 1)
        return fail_protocol(m, err, "a message has a wrong number of fields");
    if (!ps_decode_map(d, &ev->meta, err)) {
        m->state = BOLT_STATE_DEFUNCT;
        return nb_wrap(err, "a message of the server");
    }
    return ps_decoder_left(d) == 0 || fail_protocol(m, err, "bytes behind a message");
}

bool bolt_machine_receive(struct bolt_machine *m, struct nb_str message, struct nb_arena *arena,
                          struct bolt_event *ret, struct nb_error *err)
{
    struct ps_decoder d;
    unsigned fields;
    uint8_t tag;

    ps_decoder_init(&d, message.p, message.n, bolt_packstream_version(m->version), arena);
    if (!ps_decode_struct_head(&d, &tag, &fields, err)) {
        m->state = BOLT_STATE_DEFUNCT;
        return nb_wrap(err, "a message of the server");
    }
    if (m->npending == 0)
        return fail_protocol(m, err, "a message that answers nothing");
    ret->kind = (enum bolt_response)tag;
    ret->request = m->pending[0];
    ret->has_more = false;
    switch (tag) {
    case BOLT_RECORD:
        ret->record = d;
        if (fields != 1)
            return fail_protocol(m, err, "a RECORD has a wrong number of fields");
        return on_record(m, ret, err);
    case BOLT_SUCCESS:
        return take_meta(m, &d, fields, ret, err) && on_success(m, ret, err);
    case BOLT_FAILURE:
        return take_meta(m, &d, fields, ret, err) && on_failure(m, ret, err);
    case BOLT_IGNORED: /* 4.x servers may send it with a map */
        return on_ignored(m, ret, err);
    default:
        return fail_protocol(m, err, "an unknown message");
    }
}

bool bolt_machine_may_pull_ahead(const struct bolt_machine *m, struct nb_str message,
                                 struct nb_arena *arena)
{
    struct nb_error err = NB_ERROR_INIT;
    struct ps_decoder d;
    struct ps_map meta;
    unsigned fields;
    uint8_t tag;

    if (m->npending != 1 || m->pending[0] != BOLT_PULL || message.n < 2 ||
        (unsigned char)message.p[1] != BOLT_SUCCESS)
        return false;
    ps_decoder_init(&d, message.p, message.n, bolt_packstream_version(m->version), arena);
    /* What is wrong with it is said when its turn comes. */
    return ps_decode_struct_head(&d, &tag, &fields, &err) && ps_decode_map(&d, &meta, &err) &&
           ps_map_get_bool(&meta, "has_more", false);
}
