#include "bolt/conn_priv.h"

#include <assert.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/pace.h"
#include "bolt/handshake.h"

enum {
    CONNECT_TIMEOUT_MS = 15000,
    READ_TIMEOUT_MS = 600000,
    GOODBYE_TIMEOUT_MS = 200,
    RECEIVE_BUFFER = 256 * 1024,
    META_MAX = 64 << 20,
};
#define MESSAGE_MAX ((size_t)512 << 20)
#define OUT_MAX     ((size_t)1 << 30)
#define FAILED_CONN "Neo4j connection failed"
#define REASON_CONN "Neo4jConnectionFailed"

/* --- faults ----------------------------------------------------------------------------------- */

bool bolt_conn_kill(struct bolt_conn *conn)
{
    conn->dead = true;
    conn->machine.state = BOLT_STATE_DEFUNCT;
    return false;
}

static void add_hint(const struct bolt_target *t, const char *reason, struct nb_error *err)
{
    if (nb_streq(reason, "ConnectionRefused"))
        nb_hint(err, "is Neo4j started, and is '%s' port %u its Bolt address?", t->at.host,
                t->at.port);
    else if (nb_streq(reason, "HostNotFound"))
        nb_hint(err, "check the host name in NEO4J_URI");
    else if (nb_streq(reason, "ConnectTimeout"))
        nb_hint(err, "check the address, firewalls and network policies");
    else if (nb_streq(reason, "HttpAnswer"))
        nb_hint(err, "port %u is an HTTP port; Bolt's is 7687 by default", t->at.port);
    else if (nb_streq(reason, "TlsAnswer"))
        nb_hint(err, "the server wants TLS: use %s+s://", t->routing ? "neo4j" : "bolt");
    else if (nb_streq(reason, "TlsHandshakeFailed"))
        nb_hint(err, "if the server has no TLS on port %u, use %s://", t->at.port,
                t->routing ? "neo4j" : "bolt");
}

/* An error of the way to the server becomes ours: one code and reason whatever broke. */
static bool lost(const struct bolt_target *t, struct nb_error *err)
{
    char reason[NB_REASON_MAX];
    enum nb_code code = err->code;

    memcpy(reason, err->reason, sizeof(reason));
    if (code == NB_E_CANCELLED)
        return false;
    if (code == NB_E_DENIED || nb_streq(reason, "InvalidCertificate") ||
        nb_streq(reason, "Neo4jVersionUnsupported"))
        return nb_wrap(err, FAILED_CONN);
    nb_fail(err, NB_E_UNAVAILABLE, REASON_CONN, "%s: %s", FAILED_CONN, err->text);
    add_hint(t, reason, err);
    return false;
}

static bool conn_lost(struct bolt_conn *conn, struct nb_error *err)
{
    (void)lost(&conn->target, err);
    conn->has_failure = true;
    conn->failure = (struct bolt_failure){ .connection_lost = true };
    conn->failure.outcome_unknown = conn->unsure;
    return bolt_conn_kill(conn);
}

bool bolt_conn_begin_call(struct bolt_conn *conn, struct nb_error *err)
{
    if (conn->dead) {
        conn->has_failure = true;
        conn->failure = (struct bolt_failure){ .connection_lost = true };
        return nb_fail(err, NB_E_UNAVAILABLE, REASON_CONN, "%s: the connection is closed",
                       FAILED_CONN);
    }
    conn->has_failure = false;
    conn->unsure = false;
    return true;
}

bool bolt_conn_failed(struct bolt_conn *conn, const struct bolt_event *ev, struct nb_error *err)
{
    bolt_failure_parse(&ev->meta, &conn->failure);
    conn->has_failure = true;
    if (conn->machine.state == BOLT_STATE_DEFUNCT)
        bolt_conn_kill(conn);
    return bolt_failure_to_error(&conn->failure, err);
}

/* --- sending ---------------------------------------------------------------------------------- */

/* What is left of the time for opening, or the silence allowed later. */
static int64_t wait_ms(const struct bolt_conn *conn)
{
    int64_t left;

    if (conn->deadline_mono_ms == INT64_MAX)
        return conn->read_timeout_ms;
    left = conn->deadline_mono_ms - nb_clock_mono_ms();
    return left > 0 ? left : 0;
}

bool bolt_conn_note(struct bolt_conn *conn, enum bolt_request request, struct nb_error *err)
{
    return bolt_machine_send(&conn->machine, request, err);
}

bool bolt_conn_flush(struct bolt_conn *conn, struct nb_error *err)
{
    bool ok;

    if (!nb_buf_check(&conn->out, err)) {
        /* The machine has noted what can no longer be sent. */
        nb_buf_clear(&conn->out);
        return bolt_conn_kill(conn);
    }
    ok = net_stream_write(conn->stream, conn->out.data, conn->out.len, wait_ms(conn), conn->cancel,
                          err);
    nb_buf_clear(&conn->out);
    return ok || conn_lost(conn, err);
}

/* --- receiving -------------------------------------------------------------------------------- */

static bool read_some(struct bolt_conn *conn, void *p, size_t n, size_t *ret, struct nb_error *err)
{
    int64_t timeout_ms = wait_ms(conn);

    nb_pace(conn->cancel);
    if (!net_stream_read(conn->stream, p, n, timeout_ms, conn->cancel, ret, err)) {
        if (err->code == NB_E_TIMEOUT)
            nb_fail(err, NB_E_TIMEOUT, "ReadTimeout", "no answer from '%s' port %u for %lld ms",
                    conn->target.at.host, conn->target.at.port, (long long)timeout_ms);
        return conn_lost(conn, err);
    }
    if (*ret == 0) {
        nb_fail(err, NB_E_UNAVAILABLE, "ConnectionLost", "the server closed the connection");
        return conn_lost(conn, err);
    }
    conn->bytes_received += *ret;
    return true;
}

static bool fill(struct bolt_conn *conn, struct nb_error *err)
{
    size_t room, got = 0;
    void *space = bolt_deframer_space(&conn->in, &room);

    if (!read_some(conn, space, room, &got, err))
        return false;
    if (!bolt_deframer_filled(&conn->in, got, err))
        return bolt_conn_kill(conn);
    return !conn->cursor || bolt_cursor_look_ahead(conn->cursor, err);
}

bool bolt_conn_receive(struct bolt_conn *conn, struct bolt_event *ret, struct nb_error *err)
{
    struct nb_str message;

    while (!bolt_deframer_next(&conn->in, &message))
        if (!fill(conn, err))
            return false;
    nb_arena_reset(conn->meta);
    return bolt_machine_receive(&conn->machine, message, conn->meta, ret, err) ||
           bolt_conn_kill(conn);
}

bool bolt_conn_expect(struct bolt_conn *conn, enum bolt_request request, struct bolt_event *ret,
                      struct nb_error *err)
{
    for (;;) {
        if (!bolt_conn_receive(conn, ret, err))
            return false;
        /* What a RESET interrupts may fail; that is not the answer waited for. */
        if (ret->kind == BOLT_FAILURE && (ret->request == request || request != BOLT_RESET))
            return bolt_conn_failed(conn, ret, err);
        if (ret->request != request)
            continue;
        if (ret->kind == BOLT_SUCCESS)
            return true;
        if (ret->kind == BOLT_IGNORED) {
            bolt_conn_kill(conn);
            return nb_fail(err, NB_E_PROTOCOL, "Neo4jProtocolError",
                           "the server ignored a request without having said why");
        }
    }
}

bool bolt_conn_clear_failed(struct bolt_conn *conn, struct nb_error *err)
{
    if (conn->machine.state != BOLT_STATE_FAILED)
        return true;
    bolt_put_plain(&conn->out, BOLT_RESET);
    return bolt_conn_note(conn, BOLT_RESET, err);
}

/* --- opening ---------------------------------------------------------------------------------- */

/* What came in one read with the end of the handshake belongs to the messages. */
static bool take_early(struct bolt_conn *conn, const void *p, size_t n, struct nb_error *err)
{
    size_t room;
    void *space = bolt_deframer_space(&conn->in, &room);

    assert(n <= room);
    memcpy(space, p, n);
    return bolt_deframer_filled(&conn->in, n, err) || bolt_conn_kill(conn);
}

static bool shake_hands(struct bolt_conn *conn, const struct bolt_conn_opts *opts,
                        struct nb_error *err)
{
    struct bolt_handshake h;
    unsigned char bytes[BOLT_HANDSHAKE_REQUEST_BYTES];
    size_t got = 0, used = 0;

    bolt_handshake_init(&h, opts->max_version);
    bolt_handshake_request(opts->max_version, bytes);
    nb_buf_append(&conn->out, bytes, sizeof(bytes));
    if (!bolt_conn_flush(conn, err))
        return false;
    while (h.step != BOLT_HANDSHAKE_DONE) {
        if (!read_some(conn, bytes, sizeof(bytes), &got, err)) {
            if (!conn->target.tls)
                nb_hint(err, "is '%s' port %u Neo4j's Bolt port? if it wants TLS, use bolt+s://",
                        conn->target.at.host, conn->target.at.port);
            return false;
        }
        if (!bolt_handshake_feed(&h, bytes, got, &used, &conn->out, err))
            return conn_lost(conn, err);
    }
    bolt_machine_init(&conn->machine, h.version);
    return used == got || take_early(conn, bytes + used, got - used, err);
}

static bool send_identity(struct bolt_conn *conn, const struct bolt_conn_opts *opts,
                          struct nb_error *err)
{
    const struct bolt_identity who = {
        .auth = opts->auth,
        .user = opts->user,
        .secret = opts->secret,
        .user_agent = opts->user_agent,
        .routing = conn->target.routing ? &conn->target : NULL,
    };
    bool logon = bolt_version_at_least(conn->machine.version, 5, 1);
    bool ok;

    /* Room for all of it first, so that growing leaves no copy of the password behind. */
    (void)nb_buf_reserve(&conn->out, 4096 + nb_secret_str(opts->secret).n);
    bolt_put_hello(&conn->out, conn->machine.version, &who);
    if (logon)
        bolt_put_logon(&conn->out, &who);
    ok = bolt_conn_note(conn, BOLT_HELLO, err) &&
         (!logon || bolt_conn_note(conn, BOLT_LOGON, err)) && bolt_conn_flush(conn, err);
    if (conn->out.data)
        nb_wipe(conn->out.data, conn->out.cap);
    return ok;
}

/* The shorter of what the user allows and what the server promises. */
static void apply_hints(struct bolt_conn *conn)
{
    int64_t promised = conn->welcome.hints.recv_timeout_seconds;

    if (promised > 0 && promised < conn->read_timeout_ms / 1000)
        conn->read_timeout_ms = promised * 1000;
}

static bool log_on(struct bolt_conn *conn, const struct bolt_conn_opts *opts, struct nb_error *err)
{
    bool logon = bolt_version_at_least(conn->machine.version, 5, 1);
    struct bolt_event ev;

    if (!send_identity(conn, opts, err) || !bolt_conn_expect(conn, BOLT_HELLO, &ev, err))
        return false;
    bolt_welcome_parse(&ev.meta, conn->machine.version, &conn->welcome);
    if (logon && !bolt_conn_expect(conn, BOLT_LOGON, &ev, err))
        return false;
    apply_hints(conn);
    conn->deadline_mono_ms = INT64_MAX;
    return true;
}

static struct bolt_conn *new_conn(const struct bolt_conn_opts *opts,
                                  const struct bolt_target *target, const struct nb_cancel *cancel)
{
    struct bolt_conn *conn = NB_NEW(struct bolt_conn);
    size_t limit = opts->max_message_bytes ? opts->max_message_bytes : MESSAGE_MAX;

    conn->target = *target;
    (void)bolt_address_format(&target->at, conn->address);
    conn->cancel = cancel;
    bolt_deframer_init(&conn->in, RECEIVE_BUFFER, limit);
    nb_buf_init(&conn->out, OUT_MAX);
    /* A value takes up to 40 times its bytes (a list of nulls); honest records far less. */
    conn->records = nb_arena_new(limit < SIZE_MAX / 4 ? limit * 4 : SIZE_MAX);
    conn->meta = nb_arena_new(META_MAX);
    conn->read_timeout_ms = opts->read_timeout_ms ? opts->read_timeout_ms : READ_TIMEOUT_MS;
    conn->bookmark = nb_xstrdup("");
    return conn;
}

int64_t bolt_conn_open_deadline(const struct bolt_conn_opts *opts)
{
    return nb_clock_mono_ms() +
           (opts->connect_timeout_ms ? opts->connect_timeout_ms : CONNECT_TIMEOUT_MS);
}

static void free_conn(struct bolt_conn *conn)
{
    net_stream_free(conn->stream);
    bolt_deframer_done(&conn->in);
    nb_buf_done(&conn->out);
    nb_arena_free(conn->records);
    nb_arena_free(conn->meta);
    free(conn->bookmark);
    free(conn);
}
NB_AUTO_DEFINE(struct bolt_conn *, free_conn)

static bool open_stream(struct net_stream *take_stream, const struct bolt_conn_opts *opts,
                        const struct bolt_target *target, int64_t deadline_mono_ms,
                        const struct nb_cancel *cancel, struct bolt_conn **ret,
                        struct nb_error *err)
{
    nb_auto(free_conn) struct bolt_conn *conn = new_conn(opts, target, cancel);

    conn->stream = take_stream;
    conn->deadline_mono_ms = deadline_mono_ms;
    if (!shake_hands(conn, opts, err) || !log_on(conn, opts, err))
        return false;
    *ret = nb_steal(conn);
    return true;
}

bool bolt_conn_open_stream(struct net_stream *take_stream, const struct bolt_conn_opts *opts,
                           const struct nb_cancel *cancel, struct bolt_conn **ret,
                           struct nb_error *err)
{
    nb_auto(net_stream_free) struct net_stream *s = take_stream;
    struct bolt_target target;

    return bolt_target_parse(opts->uri, &target, err) &&
           open_stream(nb_steal(s), opts, &target, bolt_conn_open_deadline(opts), cancel, ret, err);
}

bool bolt_conn_open_at(const struct bolt_conn_opts *opts, const struct bolt_target *target,
                       const struct nb_cancel *cancel, struct bolt_conn **ret, struct nb_error *err)
{
    nb_auto(net_stream_free) struct net_stream *s = NULL;
    int64_t deadline = bolt_conn_open_deadline(opts);
    const struct bolt_target *t = target;

    if (!net_tcp_connect(t->at.host, t->at.port, deadline - nb_clock_mono_ms(), cancel, &s, err))
        return lost(t, err);
    if (t->tls) {
        const struct net_tls_opts tls = {
            .verify = t->verify,
            .server_name = opts->server_name ? opts->server_name : t->at.host,
            .ca_pem = opts->ca_pem,
            .ca_pem_n = opts->ca_pem_n,
        };
        int64_t left = deadline - nb_clock_mono_ms();

        if (!net_tls_connect(nb_steal(s), &tls, left > 0 ? left : 0, cancel, &s, err))
            return lost(t, err);
    }
    return open_stream(nb_steal(s), opts, t, deadline, cancel, ret, err);
}

/* --- the rest of a connection's life ---------------------------------------------------------- */

void bolt_conn_close(struct bolt_conn *conn)
{
    struct nb_error err = NB_ERROR_INIT;

    if (!conn)
        return;
    if (conn->cursor)
        bolt_cursor_stop(conn->cursor);
    if (!conn->dead && conn->out.len == 0) {
        bolt_put_plain(&conn->out, BOLT_GOODBYE);
        /* A courtesy: without it the server notices the end of the stream. */
        (void)!net_stream_write(conn->stream, conn->out.data, conn->out.len, GOODBYE_TIMEOUT_MS,
                                conn->cancel, &err);
    }
    free_conn(conn);
}

bool bolt_conn_is_alive(const struct bolt_conn *conn)
{
    return !conn->dead;
}

const char *bolt_conn_address(const struct bolt_conn *conn)
{
    return conn->address;
}

const char *bolt_conn_server_agent(const struct bolt_conn *conn)
{
    return conn->welcome.server;
}

const char *bolt_conn_connection_id(const struct bolt_conn *conn)
{
    return conn->welcome.connection_id;
}

struct bolt_version bolt_conn_version(const struct bolt_conn *conn)
{
    return conn->machine.version;
}

const struct bolt_hints *bolt_conn_hints(const struct bolt_conn *conn)
{
    return &conn->welcome.hints;
}

uint64_t bolt_conn_bytes_received(const struct bolt_conn *conn)
{
    return conn->bytes_received;
}

struct ps_encoder bolt_conn_encoder(const struct bolt_conn *conn, struct nb_buf *out)
{
    struct ps_encoder e = PS_ENCODER_INIT(out);

    e.version = bolt_packstream_version(conn->machine.version);
    e.local_datetimes = !conn->welcome.hints.utc_datetimes;
    e.no_vectors = !bolt_version_at_least(conn->machine.version, 6, 0);
    return e;
}

const struct bolt_failure *bolt_conn_last_failure(const struct bolt_conn *conn)
{
    return conn->has_failure ? &conn->failure : NULL;
}

const char *bolt_conn_last_bookmark(const struct bolt_conn *conn)
{
    return conn->bookmark;
}

const struct bolt_stats *bolt_conn_last_stats(const struct bolt_conn *conn)
{
    return &conn->stats;
}

void bolt_conn_set_bookmark(struct bolt_conn *conn, const char *bookmark, size_t n)
{
    if (n == 0)
        return;
    free(conn->bookmark);
    conn->bookmark = nb_xstrndup(bookmark, n);
}

/* --- transactions ----------------------------------------------------------------------------- */

static bool fail_misuse(struct nb_error *err, const char *what)
{
    return nb_fail(err, NB_E_INVALID, "Neo4jQueryFailed", "%s", what);
}

bool bolt_begin(struct bolt_conn *conn, const struct bolt_run_opts *opts, struct nb_error *err)
{
    static const struct bolt_run_opts defaults = { .db = NULL };
    struct bolt_event ev;

    if (!bolt_conn_begin_call(conn, err))
        return false;
    if (conn->cursor)
        return fail_misuse(err, "a result is still open on this connection");
    if (!bolt_conn_clear_failed(conn, err) || !bolt_conn_note(conn, BOLT_BEGIN, err))
        return false;
    bolt_put_begin(&conn->out, opts ? opts : &defaults);
    return bolt_conn_flush(conn, err) && bolt_conn_expect(conn, BOLT_BEGIN, &ev, err);
}

bool bolt_commit(struct bolt_conn *conn, struct nb_error *err)
{
    struct nb_str bookmark;
    struct bolt_event ev;

    if (!bolt_conn_begin_call(conn, err))
        return false;
    if (conn->machine.tx_lost)
        return fail_misuse(err, "the transaction has failed and cannot be committed");
    if (conn->cursor)
        return fail_misuse(err, "a result is still open in the transaction");
    if (!bolt_conn_note(conn, BOLT_COMMIT, err))
        return false;
    bolt_put_plain(&conn->out, BOLT_COMMIT);
    conn->unsure = true;
    if (!bolt_conn_flush(conn, err) || !bolt_conn_expect(conn, BOLT_COMMIT, &ev, err))
        return false;
    conn->unsure = false;
    bookmark = ps_map_get_str(&ev.meta, "bookmark");
    bolt_conn_set_bookmark(conn, bookmark.p, bookmark.n);
    return true;
}

bool bolt_rollback(struct bolt_conn *conn, struct nb_error *err)
{
    struct bolt_event ev;

    if (conn->machine.state == BOLT_STATE_FAILED || conn->cursor)
        return bolt_reset(conn, err);
    if (!bolt_conn_begin_call(conn, err) || !bolt_conn_note(conn, BOLT_ROLLBACK, err))
        return false;
    bolt_put_plain(&conn->out, BOLT_ROLLBACK);
    return bolt_conn_flush(conn, err) && bolt_conn_expect(conn, BOLT_ROLLBACK, &ev, err);
}

bool bolt_reset(struct bolt_conn *conn, struct nb_error *err)
{
    struct bolt_event ev;

    if (!bolt_conn_begin_call(conn, err))
        return false;
    if (conn->cursor)
        bolt_cursor_stop(conn->cursor);
    if (!bolt_conn_note(conn, BOLT_RESET, err))
        return false;
    bolt_put_plain(&conn->out, BOLT_RESET);
    return bolt_conn_flush(conn, err) && bolt_conn_expect(conn, BOLT_RESET, &ev, err);
}
