#include "engine/dest.h"

#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"

enum {
    BUSY_BASE_MS = 20,
    BUSY_CAP_MS = 2000,
    BUSY_TRIES = 40,
    AWAY_BASE_MS = 500,
    AWAY_CAP_MS = 15000,
};
/* Ours instead of the server's default, which may be seconds. */
static const int64_t TX_TIMEOUT_MS = INT64_C(7) * 24 * 3600 * 1000;

struct eng_dest {
    struct eng_dest_opts opts;
    struct bolt_conn *conn;
};

struct eng_dest *eng_dest_new(const struct eng_dest_opts *opts)
{
    struct eng_dest *d = NB_NEW(struct eng_dest);

    d->opts = *opts;
    d->opts.bolt.db = opts->database; /* a cluster has its own leader for each database */
    d->opts.bolt.mode = BOLT_MODE_WRITE;
    return d;
}

void eng_dest_free(struct eng_dest *d)
{
    if (!d)
        return;
    bolt_conn_close(d->conn);
    free(d);
}

struct eng_patience eng_dest_patience(const struct eng_dest *d)
{
    int64_t end = nb_clock_mono_ms() + (d->opts.retry_window_ms > 0 ? d->opts.retry_window_ms : 0);

    return (struct eng_patience){
        .busy = NB_RETRY_INIT(BUSY_BASE_MS, BUSY_CAP_MS, BUSY_TRIES, INT64_MAX),
        .away = NB_RETRY_INIT(AWAY_BASE_MS, AWAY_CAP_MS, 0, end),
    };
}

static bool wait_away(struct eng_dest *d, struct eng_patience *patience, struct nb_error *err)
{
    if (d->opts.retry_window_ms <= 0 || !nb_error_is_transient(err))
        return false;
    if (d->opts.on_wait)
        d->opts.on_wait(d->opts.ctx, err);
    return nb_retry_again(&patience->away, d->opts.cancel, err);
}

bool eng_dest_conn(struct eng_dest *d, struct eng_patience *patience, struct bolt_conn **ret,
                   struct nb_error *err)
{
    if (d->conn && !bolt_conn_is_alive(d->conn))
        bolt_conn_close(nb_steal(d->conn));
    while (!d->conn && !bolt_conn_open(&d->opts.bolt, d->opts.cancel, &d->conn, err)) {
        if (!wait_away(d, patience, err))
            return false;
    }
    *ret = d->conn;
    return true;
}

/* A server that is being stopped ends transactions before it closes connections. */
static bool was_ended(const struct bolt_failure *f)
{
    return nb_starts_with(f->code, "Neo.TransientError.Transaction.");
}

bool eng_dest_again(struct eng_dest *d, struct eng_patience *patience, struct nb_error *err)
{
    const struct bolt_failure *f = d->conn ? bolt_conn_last_failure(d->conn) : NULL;

    if (!f || err->code == NB_E_CANCELLED)
        return false;
    if (f->connection_lost)
        return wait_away(d, patience, err);
    if (!bolt_retryable(f) && !was_ended(f))
        return false;
    err->code = NB_E_UNAVAILABLE;
    if (!nb_retry_again(&patience->busy, d->opts.cancel, err))
        return false;
    if (bolt_needs_new_conn(f))
        bolt_conn_close(nb_steal(d->conn));
    return true;
}

struct bolt_run_opts eng_dest_run_opts(const struct eng_dest *d)
{
    return (struct bolt_run_opts){
        .db = d->opts.database,
        .mode = BOLT_MODE_WRITE,
        .tx_timeout_ms = TX_TIMEOUT_MS,
        .fetch_size = -1,
    };
}

/* MemoryPoolOutOfMemoryError, TransactionOutOfMemoryError, OutOfMemoryError. */
bool eng_dest_is_too_large(const struct eng_dest *d)
{
    const struct bolt_failure *f = d->conn ? bolt_conn_last_failure(d->conn) : NULL;

    return f && !f->connection_lost && nb_starts_with(f->code, "Neo.TransientError.General.") &&
           strstr(f->code, "OutOfMemory");
}

/* ret_fits: NULL: whatever is too large is tried again. */
static bool exec(struct eng_dest *d, const char *text, struct nb_str params, struct bolt_stats *ret,
                 bool *ret_fits, struct nb_error *err)
{
    struct eng_patience patience = eng_dest_patience(d);
    struct bolt_run_opts opts = eng_dest_run_opts(d);
    struct bolt_conn *conn;

    for (;;) {
        if (!eng_dest_conn(d, &patience, &conn, err))
            return false;
        if (bolt_exec(conn, text, params, &opts, err)) {
            if (ret)
                *ret = *bolt_conn_last_stats(conn);
            return true;
        }
        if (ret_fits && eng_dest_is_too_large(d)) {
            nb_error_clear(err);
            *ret_fits = false;
            return true;
        }
        if (!eng_dest_again(d, &patience, err))
            return false;
    }
}

bool eng_dest_exec(struct eng_dest *d, const char *text, struct nb_str params,
                   struct bolt_stats *ret, struct nb_error *err)
{
    return exec(d, text, params, ret, NULL, err);
}

bool eng_dest_try(struct eng_dest *d, const char *text, struct nb_str params,
                  struct bolt_stats *ret, bool *ret_fits, struct nb_error *err)
{
    *ret_fits = true;
    return exec(d, text, params, ret, ret_fits, err);
}

static bool get_once(struct bolt_conn *conn, const char *text, struct nb_str params,
                     const struct bolt_run_opts *opts, int64_t *ret, struct nb_error *err)
{
    nb_auto(bolt_cursor_close) struct bolt_cursor *cursor = NULL;
    const struct ps_value *fields;
    bool done = false;
    size_t n;

    *ret = -1;
    if (!bolt_run(conn, text, params, opts, &cursor, err))
        return false;
    for (;;) {
        if (!bolt_cursor_next(cursor, &fields, &n, &done, err))
            return false;
        if (done)
            return true;
        if (n < 1 || fields[0].type != PS_INT)
            return nb_fail(err, NB_E_PROTOCOL, "Neo4jProtocolError", "an answer is no number");
        *ret = fields[0].integer;
    }
}

bool eng_dest_get_int(struct eng_dest *d, const char *text, struct nb_str params, int64_t *ret,
                      struct nb_error *err)
{
    struct eng_patience patience = eng_dest_patience(d);
    struct bolt_run_opts opts = eng_dest_run_opts(d);
    struct bolt_conn *conn;

    for (;;) {
        if (!eng_dest_conn(d, &patience, &conn, err))
            return false;
        if (get_once(conn, text, params, &opts, ret, err))
            return true;
        if (!eng_dest_again(d, &patience, err))
            return false;
    }
}
