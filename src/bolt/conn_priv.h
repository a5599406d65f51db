#ifndef NB_BOLT_CONN_PRIV_H
#define NB_BOLT_CONN_PRIV_H

/* What conn.c and cursor.c share, and what their tests reach into. */

#include "bolt/bolt.h"
#include "bolt/chunk.h"
#include "bolt/machine.h"
#include "bolt/message.h"
#include "bolt/target.h"
#include "net/stream.h"

enum { BOLT_FETCH_DEFAULT = 1000 };

struct bolt_conn {
    struct bolt_target target;
    char address[BOLT_ADDRESS_TEXT_MAX];
    struct net_stream *stream;
    const struct nb_cancel *cancel;
    struct bolt_machine machine;
    struct bolt_deframer in;
    struct nb_buf out;
    struct nb_arena *records; /* the record handed out */
    struct nb_arena *meta;    /* the last SUCCESS or FAILURE */
    struct bolt_welcome welcome;
    int64_t read_timeout_ms;
    int64_t deadline_mono_ms; /* while opening; then INT64_MAX */
    uint64_t bytes_received;
    bool dead;
    bool unsure; /* what is under way may have been done even if no answer comes */
    bool has_failure;
    struct bolt_failure failure;
    char *bookmark;
    struct bolt_stats stats;
    struct bolt_cursor *cursor; /* the one that is not at its end, or NULL */
};

/* A connection to target->at, whatever the scheme. */
NB_NODISCARD bool bolt_conn_open_at(const struct bolt_conn_opts *opts,
                                    const struct bolt_target *target,
                                    const struct nb_cancel *cancel, struct bolt_conn **ret,
                                    struct nb_error *err);
/* What is waited for until then counts as opening. */
int64_t bolt_conn_open_deadline(const struct bolt_conn_opts *opts);
/* bolt_conn_open_at() from where the bytes flow on. */
NB_NODISCARD bool bolt_conn_open_stream(struct net_stream *take_stream,
                                        const struct bolt_conn_opts *opts,
                                        const struct nb_cancel *cancel, struct bolt_conn **ret,
                                        struct nb_error *err);
/* Fails when the connection is dead. Forgets the last failure. */
NB_NODISCARD bool bolt_conn_begin_call(struct bolt_conn *conn, struct nb_error *err);
/* Notes the request with the machine; its bytes are in conn->out, or go there next. */
NB_NODISCARD bool bolt_conn_note(struct bolt_conn *conn, enum bolt_request request,
                                 struct nb_error *err);
NB_NODISCARD bool bolt_conn_flush(struct bolt_conn *conn, struct nb_error *err);
/* The next message, waiting for it. */
NB_NODISCARD bool bolt_conn_receive(struct bolt_conn *conn, struct bolt_event *ret,
                                    struct nb_error *err);
/* Receives the answer to request: SUCCESS, or false with the FAILURE as the error. IGNORED ones of
 * requests before it are passed over. */
NB_NODISCARD bool bolt_conn_expect(struct bolt_conn *conn, enum bolt_request request,
                                   struct bolt_event *ret, struct nb_error *err);
/* Notes the FAILURE; false. */
bool bolt_conn_failed(struct bolt_conn *conn, const struct bolt_event *ev, struct nb_error *err);
/* Puts RESET before what follows when the last failure is still to be cleared. */
NB_NODISCARD bool bolt_conn_clear_failed(struct bolt_conn *conn, struct nb_error *err);
/* Ends the connection for an error that was found here. */
bool bolt_conn_kill(struct bolt_conn *conn);
void bolt_conn_set_bookmark(struct bolt_conn *conn, const char *bookmark, size_t n);
/* cursor.c: asks for more as soon as the present batch has come; called after each read. */
NB_NODISCARD bool bolt_cursor_look_ahead(struct bolt_cursor *cur, struct nb_error *err);
void bolt_cursor_stop(struct bolt_cursor *cur);

#endif
