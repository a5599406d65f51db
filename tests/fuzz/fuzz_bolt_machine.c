#include <stddef.h>
#include <stdint.h>

#include "base/mem.h"
#include "bolt/conn_priv.h"
#include "net/mem.h"

/* Any bytes for a server, in reads of any size: handshake, chunks, states, values and cursors. The
 * client goes through a session whatever comes; the first byte chooses the size of reads, the
 * second what the client does. */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static bool read_rows(struct bolt_cursor *cur, unsigned max, struct nb_error *err)
{
    const struct ps_value *v;
    bool done = false;
    size_t n;

    while (!done && max-- > 0)
        if (!bolt_cursor_next(cur, &v, &n, &done, err))
            return false;
    return true;
}

static bool query(struct bolt_conn *conn, unsigned how, struct nb_error *err)
{
    nb_auto(bolt_cursor_close) struct bolt_cursor *cur = NULL;
    const struct bolt_run_opts opts = { .fetch_size = how & 4 ? 2 : 0,
                                        .mode = how & 2 ? BOLT_MODE_READ : BOLT_MODE_WRITE };

    if (!bolt_run(conn, "RETURN 1", (struct nb_str){ NULL, 0 }, &opts, &cur, err))
        return false;
    if (how & 1)
        return bolt_cursor_discard(cur, err);
    return read_rows(cur, how & 8 ? 2 : 100000, err);
}

static void session(struct bolt_conn *conn, unsigned how)
{
    /* Errors are what is expected; after each one the next call must cope. */
    for (unsigned round = 0; round < 4; round++) {
        struct nb_error err = NB_ERROR_INIT;

        if (how & 16 && bolt_begin(conn, NULL, &err)) {
            (void)query(conn, how + round, &err);
            nb_error_clear(&err);
            (void)!(how & 32 ? bolt_commit(conn, &err) : bolt_rollback(conn, &err));
        } else {
            nb_error_clear(&err);
            (void)query(conn, how + round, &err);
        }
        nb_error_clear(&err);
        if (how & 64)
            (void)!bolt_reset(conn, &err);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct bolt_conn_opts opts = BOLT_CONN_OPTS_INIT;
    struct net_mem_opts mem = { .input = NULL };
    struct nb_error err = NB_ERROR_INIT;
    struct bolt_conn *conn = NULL;

    if (n < 2)
        return 0;
    mem.input = data + 2;
    mem.input_n = n - 2;
    mem.step = data[0];
    opts.uri = "bolt://memory";
    opts.max_message_bytes = 1 << 20;
    if (bolt_conn_open_stream(net_mem_new(&mem), &opts, NULL, &conn, &err))
        session(conn, data[1]);
    bolt_conn_close(conn);
    return 0;
}
