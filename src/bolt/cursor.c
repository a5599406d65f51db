#include <assert.h>

#include "base/mem.h"
#include "bolt/conn_priv.h"

enum { CURSOR_ARENA_MAX = 64 << 20 };

struct bolt_cursor {
    struct bolt_conn *conn;
    struct nb_arena *arena; /* keys and summary */
    const struct nb_str *keys;
    size_t nkeys;
    int64_t fetch_size;
    bool in_tx;
    bool discarding;
    bool done;    /* the summary is there */
    bool stopped; /* by a failure, or by a reset of the connection */
    struct bolt_summary summary;
};

/* --- starting --------------------------------------------------------------------------------- */

static void free_cursor(struct bolt_cursor *cur)
{
    nb_arena_free(cur->arena);
    free(cur);
}
NB_AUTO_DEFINE(struct bolt_cursor *, free_cursor)

static bool take_keys(struct bolt_cursor *cur, const struct ps_map *meta, struct nb_error *err)
{
    const struct ps_value *fields = ps_map_get(meta, "fields");
    struct ps_value copy;
    struct nb_str *keys;

    if (!fields || fields->type != PS_LIST)
        return nb_fail(err, NB_E_PROTOCOL, "Neo4jProtocolError",
                       "the server did not name the columns of the result");
    keys = nb_arena_alloc(cur->arena, fields->list.n * sizeof(*keys), err);
    if (!keys || !ps_value_copy(fields, cur->arena, &copy, err))
        return false;
    for (size_t i = 0; i < copy.list.n; i++) {
        if (copy.list.items[i].type != PS_STRING)
            return nb_fail(err, NB_E_PROTOCOL, "Neo4jProtocolError",
                           "the server named a column by something else than a string");
        keys[i] = copy.list.items[i].string;
    }
    cur->keys = keys;
    cur->nkeys = copy.list.n;
    return true;
}

/* What RUN's SUCCESS tells and the last one does not repeat (the database: from 5.8). */
static bool take_header(struct bolt_cursor *cur, const struct bolt_event *ev, struct nb_error *err)
{
    struct ps_value db = { .type = PS_STRING };

    db.string = ps_map_get_str(&ev->meta, "db");
    cur->summary.t_first_ms = ps_map_get_int(&ev->meta, "t_first", -1);
    if (!take_keys(cur, &ev->meta, err))
        return bolt_conn_kill(cur->conn);
    if (db.string.n > 0) {
        char *p = nb_arena_alloc(cur->arena, db.string.n + 1, err);

        if (!p)
            return bolt_conn_kill(cur->conn);
        memcpy(p, db.string.p, db.string.n);
        p[db.string.n] = '\0';
        cur->summary.db = p;
    }
    return true;
}

/* RUN failed: the PULL or DISCARD sent with it is ignored, which clears the way for a RESET. */
static bool run_failed(struct bolt_conn *conn, const struct bolt_event *ev, struct nb_error *err)
{
    struct nb_error ignored_err = NB_ERROR_INIT;
    struct bolt_event ignored;

    (void)bolt_conn_failed(conn, ev, err);
    while (!conn->dead && conn->machine.npending > 0)
        if (!bolt_conn_receive(conn, &ignored, &ignored_err)) {
            /* The query's own error is worth more than that of the connection. */
            conn->failure.connection_lost = true;
            return false;
        }
    return false;
}

static bool ask_for_more(struct bolt_cursor *cur, struct nb_error *err)
{
    enum bolt_request request = cur->discarding ? BOLT_DISCARD : BOLT_PULL;

    if (!bolt_conn_note(cur->conn, request, err))
        return false;
    bolt_put_pull(&cur->conn->out, request, cur->discarding ? -1 : cur->fetch_size);
    return bolt_conn_flush(cur->conn, err);
}

static bool send_run(struct bolt_cursor *cur, const char *query, struct nb_str params,
                     const struct bolt_run_opts *opts, struct nb_error *err)
{
    struct bolt_conn *conn = cur->conn;

    if (!bolt_conn_clear_failed(conn, err) || !bolt_conn_note(conn, BOLT_RUN, err))
        return false;
    bolt_put_run(&conn->out, query, params, opts, cur->in_tx);
    return ask_for_more(cur, err);
}

static bool start(struct bolt_cursor *cur, const char *query, struct nb_str params,
                  const struct bolt_run_opts *opts, struct nb_error *err)
{
    struct bolt_conn *conn = cur->conn;
    struct bolt_event ev;

    conn->unsure = !cur->in_tx && opts->mode == BOLT_MODE_WRITE;
    if (!send_run(cur, query, params, opts, err))
        return false;
    conn->cursor = cur;
    do {
        if (!bolt_conn_receive(conn, &ev, err))
            return false;
        if (ev.kind == BOLT_FAILURE)
            return run_failed(conn, &ev, err);
    } while (ev.request == BOLT_RESET);
    if (ev.kind != BOLT_SUCCESS) {
        bolt_conn_kill(conn);
        return nb_fail(err, NB_E_PROTOCOL, "Neo4jProtocolError",
                       "the server ignored a query without having said why");
    }
    /* A short first batch may have come along with the header. */
    return take_header(cur, &ev, err) && bolt_cursor_look_ahead(cur, err);
}

static bool check_can_run(struct bolt_conn *conn, struct nb_error *err)
{
    if (!bolt_conn_begin_call(conn, err))
        return false;
    if (conn->cursor)
        return nb_fail(err, NB_E_INVALID, "Neo4jQueryFailed",
                       "a result is still open on this connection");
    /* Outside its transaction the query would be committed by itself. */
    if (conn->machine.tx_lost)
        return nb_fail(err, NB_E_INVALID, "Neo4jQueryFailed",
                       "the transaction has failed and must be rolled back first");
    return true;
}

/* discarding: no record is wanted at all. */
static bool run(struct bolt_conn *conn, const char *query, struct nb_str params,
                const struct bolt_run_opts *opts, bool discarding, struct bolt_cursor **ret,
                struct nb_error *err)
{
    static const struct bolt_run_opts defaults = { .db = NULL };
    nb_auto(free_cursor) struct bolt_cursor *cur = NULL;

    if (!check_can_run(conn, err))
        return false;
    if (!opts)
        opts = &defaults;
    cur = NB_NEW(struct bolt_cursor);
    cur->conn = conn;
    cur->arena = nb_arena_new(CURSOR_ARENA_MAX);
    cur->fetch_size = opts->fetch_size ? opts->fetch_size : BOLT_FETCH_DEFAULT;
    cur->in_tx = conn->machine.state == BOLT_STATE_TX_READY;
    cur->discarding = discarding;
    cur->summary.t_first_ms = cur->summary.t_last_ms = -1;
    if (!start(cur, query, params, opts, err)) {
        conn->cursor = NULL;
        return false;
    }
    *ret = nb_steal(cur);
    return true;
}

bool bolt_run(struct bolt_conn *conn, const char *query, struct nb_str params,
              const struct bolt_run_opts *opts, struct bolt_cursor **ret, struct nb_error *err)
{
    return run(conn, query, params, opts, false, ret, err);
}

/* --- reading ---------------------------------------------------------------------------------- */

const struct nb_str *bolt_cursor_keys(const struct bolt_cursor *cur, size_t *ret_n)
{
    *ret_n = cur->nkeys;
    return cur->keys;
}

const struct bolt_summary *bolt_cursor_summary(const struct bolt_cursor *cur)
{
    return cur->done ? &cur->summary : NULL;
}

void bolt_cursor_stop(struct bolt_cursor *cur)
{
    cur->stopped = true;
    cur->conn->cursor = NULL;
}

/*
 * A server that has sent a batch has nothing to do until it is asked for the next. Asking before it
 * is known that there is more would be an error of ours when there is not; so: as soon as the
 * batch's end has been received, whatever of it is still to be handed out.
 */
bool bolt_cursor_look_ahead(struct bolt_cursor *cur, struct nb_error *err)
{
    struct bolt_conn *conn = cur->conn;
    struct nb_str last;

    if (!bolt_deframer_peek_last(&conn->in, &last))
        return true;
    nb_arena_reset(conn->meta);
    return !bolt_machine_may_pull_ahead(&conn->machine, last, conn->meta) || ask_for_more(cur, err);
}

static bool finish(struct bolt_cursor *cur, const struct bolt_event *ev, struct nb_error *err)
{
    struct bolt_conn *conn = cur->conn;
    const char *db = cur->summary.db;

    conn->cursor = NULL;
    conn->unsure = false;
    if (!bolt_summary_parse(&ev->meta, cur->arena, &cur->summary, err)) {
        cur->stopped = true;
        return bolt_conn_kill(conn);
    }
    if (cur->summary.db[0] == '\0' && db)
        cur->summary.db = db;
    bolt_conn_set_bookmark(conn, cur->summary.bookmark, strlen(cur->summary.bookmark));
    conn->stats = cur->summary.stats;
    cur->done = true;
    return true;
}

static bool take_record(struct bolt_cursor *cur, struct bolt_event *ev,
                        const struct ps_value **ret_fields, size_t *ret_n, struct nb_error *err)
{
    struct bolt_conn *conn = cur->conn;

    nb_arena_reset(conn->records);
    ev->record.arena = conn->records;
    if (!ps_decode_list(&ev->record, ret_fields, ret_n, err)) {
        nb_wrap(err, "a record of the server");
        return bolt_conn_kill(conn);
    }
    if (*ret_n == cur->nkeys && ps_decoder_left(&ev->record) == 0)
        return true;
    bolt_conn_kill(conn);
    return nb_fail(err, NB_E_PROTOCOL, "Neo4jProtocolError",
                   "a record of the server has %zu fields for %zu columns", *ret_n, cur->nkeys);
}

/* One message. *ret_record: it was one, undecoded in ev. */
static bool step(struct bolt_cursor *cur, struct bolt_event *ev, bool *ret_record,
                 struct nb_error *err)
{
    struct bolt_conn *conn = cur->conn;

    *ret_record = false;
    if (!bolt_conn_receive(conn, ev, err))
        return false;
    switch (ev->kind) {
    case BOLT_RECORD:
        *ret_record = true;
        return true;
    case BOLT_SUCCESS:
        if (!ev->has_more)
            return finish(cur, ev, err);
        return conn->machine.npending > 0 || ask_for_more(cur, err);
    case BOLT_FAILURE:
        conn->unsure = false;
        return bolt_conn_failed(conn, ev, err);
    case BOLT_IGNORED:
        break;
    }
    bolt_conn_kill(conn);
    return nb_fail(err, NB_E_PROTOCOL, "Neo4jProtocolError",
                   "the server ignored a query without having said why");
}

static bool check_open(const struct bolt_cursor *cur, struct nb_error *err)
{
    return !cur->stopped || nb_fail(err, NB_E_INVALID, "Neo4jQueryFailed",
                                    "the result was ended by an earlier error or a reset");
}

bool bolt_cursor_next(struct bolt_cursor *cur, const struct ps_value **ret_fields, size_t *ret_n,
                      bool *ret_done, struct nb_error *err)
{
    struct bolt_event ev;
    bool record = false;

    if (!check_open(cur, err))
        return false;
    while (!record && !cur->done)
        if (!step(cur, &ev, &record, err)) {
            bolt_cursor_stop(cur);
            return false;
        }
    *ret_done = !record;
    if (record && !take_record(cur, &ev, ret_fields, ret_n, err)) {
        bolt_cursor_stop(cur);
        return false;
    }
    if (!record) {
        *ret_fields = NULL;
        *ret_n = 0;
    }
    return true;
}

bool bolt_cursor_discard(struct bolt_cursor *cur, struct nb_error *err)
{
    struct bolt_event ev;
    bool record;

    if (!check_open(cur, err))
        return false;
    cur->discarding = true;
    while (!cur->done)
        if (!step(cur, &ev, &record, err)) {
            bolt_cursor_stop(cur);
            return false;
        }
    return true;
}

void bolt_cursor_close(struct bolt_cursor *cur)
{
    struct nb_error err = NB_ERROR_INIT;

    if (!cur)
        return;
    /* Errors here leave a dead connection, and its next call says so. */
    if (!cur->done && !cur->stopped)
        (void)!(cur->in_tx ? bolt_cursor_discard(cur, &err) : bolt_reset(cur->conn, &err));
    free_cursor(cur);
}

bool bolt_exec(struct bolt_conn *conn, const char *query, struct nb_str params,
               const struct bolt_run_opts *opts, struct nb_error *err)
{
    nb_auto(bolt_cursor_close) struct bolt_cursor *cur = NULL;

    return run(conn, query, params, opts, true, &cur, err) && bolt_cursor_discard(cur, err);
}
