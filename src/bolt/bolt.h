#ifndef NB_BOLT_BOLT_H
#define NB_BOLT_BOLT_H

/*
 * bolt: a connection to a Neo4j server, for users of one. (The files beside this one are its parts:
 * chunk, handshake, machine, target and table are pure; conn and cursor are the shell over a
 * net_stream, router.h is for those who connect again and again to a cluster.)
 *
 *   bolt_conn_open(&opts, cancel, &conn, err)
 *   bolt_run(conn, "MATCH (n) RETURN n", params, NULL, &cur, err)
 *   while (bolt_cursor_next(cur, &fields, &n, &done, err) && !done) ...
 *   bolt_cursor_summary(cur)->bookmark
 *   bolt_cursor_close(cur); bolt_conn_close(conn);
 *
 * Protocol versions 4.4, 5.0 to 5.4, 5.6 to 5.8, 6.0 and 6.1. One cursor at a time is open on a
 * connection; one thread at a time uses both. The cancel token must outlive the connection, a
 * connection its cursors.
 *
 * Errors:
 *   NB_E_UNAVAILABLE "Neo4jConnectionFailed"      no connection, a broken one, or silence
 *   NB_E_DENIED      "Neo4jAuthenticationFailed"  wrong user or password
 *   NB_E_DENIED      "Neo4jDenied"                any other Neo.ClientError.Security.*
 *   NB_E_UNAVAILABLE "Neo4jTransient"             Neo.TransientError.* worth another try
 *   NB_E_NOT_FOUND   "Neo4jDatabaseNotFound"
 *   NB_E_INVALID     "Neo4jTransactionTimedOut"
 *   NB_E_INVALID     "Neo4jTransactionTerminated"
 *   NB_E_INVALID     "Neo4jQueryFailed"           any other Neo.ClientError.*, and our own misuse
 *   NB_E_INTERNAL    "Neo4jServerError"           Neo.DatabaseError.*
 *   NB_E_PROTOCOL    "Neo4jProtocolError"         the server broke the protocol
 *   NB_E_PROTOCOL    "PackStreamInvalid"          ... in a value
 *   NB_E_PROTOCOL    "Neo4jVersionUnsupported"    no version of Bolt in common
 *   NB_E_LIMIT       "Neo4jMessageTooLarge"
 *   NB_E_INVALID     "InvalidUri"
 * and for the neo4j schemes
 *   NB_E_UNAVAILABLE "Neo4jNoRouter"              no router answered with a routing table
 *   NB_E_UNAVAILABLE "Neo4jNoServer"              the table has nobody to read from, or write to
 *   NB_E_PROTOCOL    "Neo4jRoutingTableInvalid"   ... (UNAVAILABLE: nobody in it just now)
 *   NB_E_INVALID     "Neo4jRoutingUnsupported"    the server does not route
 *   NB_E_CANCELLED, and TlsVerificationFailed (NB_E_DENIED) as they are.
 * After a failure told by the server, or a misuse of ours, the connection goes on (the next
 * bolt_run or bolt_begin resets it); after anything else it is dead: bolt_conn_is_alive() is false
 * and every call fails.
 */

#include "base/cancel.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/secret.h"
#include "packstream/packstream.h"

struct bolt_conn;
struct bolt_cursor;

enum bolt_auth { BOLT_AUTH_NONE, BOLT_AUTH_BASIC, BOLT_AUTH_BEARER };
enum bolt_mode { BOLT_MODE_WRITE, BOLT_MODE_READ };
struct bolt_version {
    uint8_t major, minor;
};

/* All borrowed for the call only. */
struct bolt_conn_opts {
    /* bolt://host[:7687], bolt+s:// (TLS, verified), bolt+ssc:// (TLS, not verified): this server.
     * The same three with neo4j: a server of its cluster that has `mode` for `db`, as its routing
     * table says (a server without a cluster names itself); ?name=value&... is the routing context.
     */
    const char *uri;
    const char *db;      /* neo4j schemes; NULL: the user's home database */
    enum bolt_mode mode; /* neo4j schemes */
    enum bolt_auth auth;
    const char *user;               /* BASIC */
    const struct nb_secret *secret; /* BASIC: password, BEARER: token */
    const char *ca_pem;             /* NULL: the system's store */
    size_t ca_pem_n;
    const char *server_name;    /* NULL: the server's host; else of every server of a cluster */
    const char *user_agent;     /* NULL: "neo4j-backup/<version>" */
    int64_t connect_timeout_ms; /* all of TCP, TLS, handshake, HELLO, LOGON; 0: 15 s */
    /* The longest silence of the server while it owes us an answer; 0: 10 minutes. Where the server
     * promises a sign of life more often (hint connection.recv_timeout_seconds), that counts. */
    int64_t read_timeout_ms;
    size_t max_message_bytes;        /* one message from the server; 0: 512 MiB */
    struct bolt_version max_version; /* speak none above it (tests); 0.0: the best there is */
};
#define BOLT_CONN_OPTS_INIT                                                                        \
    {                                                                                              \
        .uri = NULL, .db = NULL, .mode = BOLT_MODE_WRITE, .auth = BOLT_AUTH_NONE, .user = NULL,    \
        .secret = NULL, .ca_pem = NULL, .ca_pem_n = 0, .server_name = NULL, .user_agent = NULL,    \
        .connect_timeout_ms = 0, .read_timeout_ms = 0, .max_message_bytes = 0, .max_version = {    \
            0,                                                                                     \
            0                                                                                      \
        }                                                                                          \
    }

NB_NODISCARD bool bolt_conn_open(const struct bolt_conn_opts *opts, const struct nb_cancel *cancel,
                                 struct bolt_conn **ret, struct nb_error *err);
/* Says GOODBYE if it can at once, closes, frees. */
void bolt_conn_close(struct bolt_conn *conn);
NB_AUTO_DEFINE(struct bolt_conn *, bolt_conn_close)

bool bolt_conn_is_alive(const struct bolt_conn *conn);
const char *bolt_conn_address(const struct bolt_conn *conn);       /* "host:7687" */
const char *bolt_conn_server_agent(const struct bolt_conn *conn);  /* "Neo4j/5.26.30" */
const char *bolt_conn_connection_id(const struct bolt_conn *conn); /* "bolt-17" */
struct bolt_version bolt_conn_version(const struct bolt_conn *conn);
/* What the server told in HELLO; zero where it did not. */
struct bolt_hints {
    int64_t recv_timeout_seconds;
    bool telemetry_enabled; /* never used: nothing is sent */
    bool ssr_enabled;
    bool utc_datetimes; /* Bolt >= 5.0, or the utc patch of 4.4 was acknowledged */
};
const struct bolt_hints *bolt_conn_hints(const struct bolt_conn *conn);
uint64_t bolt_conn_bytes_received(const struct bolt_conn *conn); /* after TLS */
/* An encoder into out for parameters that this connection's protocol can carry. */
struct ps_encoder bolt_conn_encoder(const struct bolt_conn *conn, struct nb_buf *out);

/* --- queries ---------------------------------------------------------------------------------- */

/* Zero-initialised is the default everywhere. All borrowed for the call. */
struct bolt_run_opts {
    const char *db; /* NULL: the user's home database */
    enum bolt_mode mode;
    int64_t tx_timeout_ms;        /* 0: the server's */
    const char *const *bookmarks; /* wait until these are reached */
    size_t nbookmarks;
    const char *imp_user;      /* NULL: nobody else */
    struct nb_str tx_metadata; /* an encoded map, or empty */
    int64_t fetch_size;        /* records a batch; 0: 1000; -1: all in one */
};

/*
 * Runs a query: as a transaction of its own, or in the one begun by bolt_begin() (then only
 * fetch_size counts). params: the bytes of an encoded map, empty for none. opts may be NULL.
 * The error of a query that cannot start is seen here, one that fails on the way in next.
 */
NB_NODISCARD bool bolt_run(struct bolt_conn *conn, const char *query, struct nb_str params,
                           const struct bolt_run_opts *opts, struct bolt_cursor **ret,
                           struct nb_error *err);
/* Runs and throws rows away; then see bolt_conn_last_bookmark() and bolt_conn_last_stats(). */
NB_NODISCARD bool bolt_exec(struct bolt_conn *conn, const char *query, struct nb_str params,
                            const struct bolt_run_opts *opts, struct nb_error *err);

const struct nb_str *bolt_cursor_keys(const struct bolt_cursor *cur, size_t *ret_n);
/*
 * The next record: ret_fields[0..ret_n) are valid until the next call on the cursor or connection.
 * At the end ret_done is true and the summary is there. The next batch is asked for as soon as the
 * present one has been received, before its last records are handed out.
 */
NB_NODISCARD bool bolt_cursor_next(struct bolt_cursor *cur, const struct ps_value **ret_fields,
                                   size_t *ret_n, bool *ret_done, struct nb_error *err);
/* Throws the rest away, up to the summary. */
NB_NODISCARD bool bolt_cursor_discard(struct bolt_cursor *cur, struct nb_error *err);
/* Frees. Where records are left outside a transaction, the query is stopped (RESET); inside, they
 * are discarded. A connection that fails on the way is dead afterwards. */
void bolt_cursor_close(struct bolt_cursor *cur);
NB_AUTO_DEFINE(struct bolt_cursor *, bolt_cursor_close)

struct bolt_stats {
    int64_t nodes_created, nodes_deleted, relationships_created, relationships_deleted;
    int64_t properties_set, labels_added, labels_removed;
    int64_t indexes_added, indexes_removed, constraints_added, constraints_removed;
    int64_t system_updates;
};
struct bolt_notification {
    struct nb_str code;       /* "Neo.ClientNotification..." */
    struct nb_str gql_status; /* from Bolt 5.6 */
    struct nb_str severity, description;
};
struct bolt_summary {
    const char *bookmark;          /* "" when there is none (in a transaction: see bolt_commit) */
    const char *db;                /* "" when not told */
    char query_type[8];            /* "r", "rw", "w", "s" */
    int64_t t_first_ms, t_last_ms; /* server's times; -1: not told */
    struct bolt_stats stats;
    bool has_plan;               /* EXPLAIN or PROFILE: */
    struct nb_str plan_operator; /* the root's operatorType */
    struct nb_str plan_leaf;     /* that of the first leaf: where rows begin, and their order */
    struct nb_str plan_leaf_details;
    const struct bolt_notification *notifications;
    size_t nnotifications;
};
/* NULL before the end. Lives as long as the cursor. */
const struct bolt_summary *bolt_cursor_summary(const struct bolt_cursor *cur);

/* --- transactions ----------------------------------------------------------------------------- */

NB_NODISCARD bool bolt_begin(struct bolt_conn *conn, const struct bolt_run_opts *opts,
                             struct nb_error *err);
/* An error of a broken connection here means that the outcome is unknown
 * (bolt_failure.outcome_unknown). */
NB_NODISCARD bool bolt_commit(struct bolt_conn *conn, struct nb_error *err);
NB_NODISCARD bool bolt_rollback(struct bolt_conn *conn, struct nb_error *err);
/* Stops whatever runs and makes a failed connection ready again. A transaction is rolled back. */
NB_NODISCARD bool bolt_reset(struct bolt_conn *conn, struct nb_error *err);
/* The last bookmark seen on this connection, of a query or a commit; "" for none. */
const char *bolt_conn_last_bookmark(const struct bolt_conn *conn);
/* Counters of the last query that came to its end. */
const struct bolt_stats *bolt_conn_last_stats(const struct bolt_conn *conn);

/* --- failures --------------------------------------------------------------------------------- */

struct bolt_failure {
    char code[128];     /* "Neo.ClientError.Statement.SyntaxError"; "" for a broken connection */
    char gql_status[8]; /* "42001"; "" before Bolt 5.7 */
    char message[1024]; /* cut at a UTF-8 boundary */
    bool connection_lost;
    bool outcome_unknown; /* lost while waiting for COMMIT (or an autocommit query's end) */
};
/* Of the last call that failed, NULL when none has. */
const struct bolt_failure *bolt_conn_last_failure(const struct bolt_conn *conn);

/* Whether the same work may succeed in a new transaction: transient errors (but for a transaction
 * that was terminated), a leader switch, an expired authorisation, a lost connection. Not after an
 * unknown outcome, unless the work can be repeated harmlessly: that is for the caller to know.
 * Pure. */
bool bolt_retryable(const struct bolt_failure *f);
/* ... on this connection, or does it take a new one? */
bool bolt_needs_new_conn(const struct bolt_failure *f);

#endif
