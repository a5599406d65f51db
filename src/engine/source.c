#include "engine/source.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/retry.h"
#include "bolt/router.h"

enum {
    FETCH_SIZE_DEFAULT = 10000,
    RETRY_BASE_MS = 500,
    RETRY_CAP_MS = 15000,
    OVERTAKEN_MAX = 1000, /* in one query, each without a row more; to have an end */
    RESTARTS_MAX = 16,    /* that each got a little further; to have an end */
};
/* Ours instead of the server's default, which may be seconds (4.2 to 5.2 take the smaller one
 * all the same). */
static const int64_t TX_TIMEOUT_MS = INT64_C(7) * 24 * 3600 * 1000;

struct eng_source {
    struct eng_source_opts opts;
    struct bolt_router *router;
    struct bolt_conn *conn;
    char *address;  /* of the last connection */
    unsigned moves; /* to another address */
    struct eng_server server;
    char *bookmark;        /* of the last eng_source_mark(): reads wait until it is applied */
    uint64_t bytes_before; /* received by connections that are gone */
    uint64_t vanished;     /* rows of elements that were deleted while they were read */
    uint64_t resumed;      /* long reads that went on where they broke */
};

/* One query and what becomes of its rows. */
struct query {
    const char *text;
    struct nb_str params;
    size_t fields; /* every row must have as many */
    int64_t fetch; /* rows at a time; 0: as the source's */
    eng_row_fn *row;
    void *ctx;
    bool settles;     /* the callback only sets what its row says: rows may come again */
    bool rows_failed; /* the failure is the callback's own: never tried again */
    uint64_t rows;
};

static void drop_conn(struct eng_source *s)
{
    if (!s->conn)
        return;
    s->bytes_before += bolt_conn_bytes_received(s->conn);
    bolt_conn_close(nb_steal(s->conn));
}

static struct nb_retry new_retry(const struct eng_source *s)
{
    int64_t deadline = s->opts.retry_window_ms > 0 ? nb_clock_mono_ms() + s->opts.retry_window_ms
                                                   : nb_clock_mono_ms();

    return (struct nb_retry)NB_RETRY_INIT(s->opts.retry_base_ms > 0 ? s->opts.retry_base_ms
                                                                    : RETRY_BASE_MS,
                                          RETRY_CAP_MS, 0, deadline);
}

/* What the query was about to answer was deleted meanwhile. The server is well, and the same query
 * answers without what is gone, at once. */
static bool was_overtaken(const struct eng_source *s)
{
    const struct bolt_failure *f = s->conn ? bolt_conn_last_failure(s->conn) : NULL;

    return f && (nb_streq(f->code, "Neo.TransientError.Transaction.Outdated") ||
                 nb_streq(f->code, "Neo.ClientError.Statement.EntityNotFound"));
}

/* True: wait is over, try again. */
static bool wait_again(struct eng_source *s, struct nb_retry *retry, struct nb_error *err)
{
    if (s->opts.retry_window_ms <= 0 || !nb_error_is_transient(err))
        return false;
    if (s->opts.on_wait)
        s->opts.on_wait(s->opts.ctx, err);
    return nb_retry_again(retry, s->opts.cancel, err);
}

static void note_address(struct eng_source *s)
{
    const char *address = bolt_conn_address(s->conn);

    if (s->address && nb_streq(s->address, address))
        return;
    s->moves += s->address != NULL;
    free(s->address);
    s->address = nb_xstrdup(address);
}

static bool ensure_conn(struct eng_source *s, struct nb_retry *retry, struct nb_error *err)
{
    if (s->conn && !bolt_router_blame(s->router, s->conn))
        return true;
    drop_conn(s);
    while (!bolt_router_open(s->router, s->bookmark, s->opts.cancel, &s->conn, err)) {
        if (!wait_again(s, retry, err))
            return false;
    }
    note_address(s);
    return true;
}

/* The home database stays the one that it was at first. */
static const char *database_of(const struct eng_source *s)
{
    const char *home = bolt_router_database(s->router);

    return s->opts.database ? s->opts.database : home[0] ? home : NULL;
}

static bool each_row(struct bolt_cursor *cursor, struct query *q, struct nb_error *err)
{
    const struct ps_value *fields;
    bool done = false;
    size_t n;

    for (;;) {
        if (!bolt_cursor_next(cursor, &fields, &n, &done, err))
            return false;
        if (done)
            return true;
        if (n < q->fields)
            return nb_fail(err, NB_E_PROTOCOL, "Neo4jProtocolError",
                           "a row has %zu fields, not %zu", n, q->fields);
        q->rows++;
        if (q->row && !q->row(q->ctx, fields, n, err)) {
            q->rows_failed = true;
            return false;
        }
    }
}

static bool run_once(struct eng_source *s, struct query *q, struct nb_error *err)
{
    nb_auto(bolt_cursor_close) struct bolt_cursor *cursor = NULL;
    const char *bookmarks[1] = { s->bookmark };
    struct bolt_run_opts opts = {
        .db = database_of(s),
        .mode = BOLT_MODE_READ,
        .tx_timeout_ms = TX_TIMEOUT_MS,
        .bookmarks = bookmarks,
        .nbookmarks = s->bookmark ? 1 : 0,
        .fetch_size = q->fetch > 0             ? q->fetch
                      : s->opts.fetch_size > 0 ? s->opts.fetch_size
                                               : FETCH_SIZE_DEFAULT,
    };
    const struct bolt_summary *summary;

    if (!bolt_run(s->conn, q->text, q->params, &opts, &cursor, err) || !each_row(cursor, q, err))
        return false;
    summary = bolt_cursor_summary(cursor);
    if (!s->server.database[0] && summary && summary->db[0])
        snprintf(s->server.database, sizeof(s->server.database), "%s", summary->db);
    return true;
}

/* A query with few rows: tried again as long as none of them was handed out, or where that does no
 * harm. */
static bool run_small(struct eng_source *s, struct query *q, struct nb_error *err)
{
    struct nb_retry retry = new_retry(s);

    for (unsigned overtaken = 0;;) {
        if (!ensure_conn(s, &retry, err))
            return false;
        if (run_once(s, q, err))
            return true;
        if (q->rows_failed || (q->rows > 0 && q->row && !q->settles))
            return false;
        if (was_overtaken(s) && ++overtaken <= OVERTAKEN_MAX)
            nb_error_clear(err);
        else if (!wait_again(s, &retry, err))
            return false;
    }
}

static void copy_str(struct nb_str s, char *out, size_t size)
{
    snprintf(out, size, "%.*s", (int)(s.n < size ? s.n : size - 1), s.p ? s.p : "");
}

static struct nb_str str_of(const struct ps_value *v)
{
    return v->type == PS_STRING ? v->string : (struct nb_str){ NULL, 0 };
}

/* --- what the server is ----------------------------------------------------------------------- */

static bool components_row(void *ctx, const struct ps_value *fields, size_t n, struct nb_error *err)
{
    struct eng_server *server = ctx;
    struct nb_str name = str_of(&fields[0]);

    (void)n;
    (void)err;
    /* 2026 lists the query languages beside the kernel. */
    if (!nb_str_is(name, "Neo4j Kernel"))
        return true;
    copy_str(str_of(&fields[1]), server->version, sizeof(server->version));
    copy_str(str_of(&fields[2]), server->edition, sizeof(server->edition));
    return true;
}

static bool has_vector_procedures(const char *version)
{
    unsigned major = 0, minor = 0;
    char *end;

    major = (unsigned)strtoul(version, &end, 10);
    if (*end == '.')
        minor = (unsigned)strtoul(end + 1, NULL, 10);
    return major > 5 || (major == 5 && minor >= 13);
}

struct databases {
    eng_database_fn *fn;
    void *ctx;
};

static bool database_details_row(void *ctx, const struct ps_value *fields, size_t n,
                                 struct nb_error *err)
{
    struct eng_server *server = ctx;

    (void)n;
    (void)err;
    copy_str(str_of(&fields[0]), server->store_format, sizeof(server->store_format));
    if (fields[1].type == PS_INT)
        server->database_start_unix_ms = fields[1].integer;
    return true;
}

/* Nice to have: not every version has the columns, and not every user may ask. */
static bool load_database_details(struct eng_source *s, struct nb_error *err)
{
    nb_auto_done(nb_buf_done) struct nb_buf params = NB_BUF_INIT(4096);
    struct nb_error ignored = NB_ERROR_INIT;
    struct ps_encoder e = bolt_conn_encoder(s->conn, &params);
    struct query q = {
        .text = "SHOW DATABASES YIELD name, store, lastStartTime WHERE name = $name "
                "RETURN store, lastStartTime.epochMillis",
        .fields = 2,
        .row = database_details_row,
        .ctx = &s->server,
        .settles = true,
    };

    ps_put_map(&e, 1);
    ps_put_cstr(&e, "name");
    ps_put_cstr(&e, s->server.database);
    q.params = nb_buf_str(&params);
    if (run_once(s, &q, &ignored) || bolt_conn_is_alive(s->conn))
        return ignored.code != NB_E_CANCELLED || nb_cancel_check(s->opts.cancel, err);
    /* Only the connection is worth waiting for. */
    if (run_small(s, &q, &ignored) ||
        (!nb_error_is_transient(&ignored) && ignored.code != NB_E_CANCELLED))
        return true;
    *err = ignored;
    return false;
}

static bool load_server(struct eng_source *s, struct nb_error *err)
{
    struct query q = {
        .text = "CALL dbms.components() YIELD name, versions, edition "
                "RETURN name, versions[0], edition",
        .fields = 3,
        .row = components_row,
        .ctx = &s->server,
        .settles = true,
    };
    struct eng_mark mark;
    const char *agent;

    if (!run_small(s, &q, err))
        return false;
    agent = bolt_conn_server_agent(s->conn);
    if (!s->server.version[0] && nb_starts_with(agent, "Neo4j/"))
        snprintf(s->server.version, sizeof(s->server.version), "%s", agent + strlen("Neo4j/"));
    s->server.vector_procedures = has_vector_procedures(s->server.version);
    if (!eng_source_mark(s, &mark, err))
        return false;
    snprintf(s->server.database_id, sizeof(s->server.database_id), "%s", mark.database_id);
    if (!s->server.database[0])
        snprintf(s->server.database, sizeof(s->server.database), "%s",
                 s->opts.database ? s->opts.database : "neo4j");
    return load_database_details(s, err);
}

bool eng_source_open(const struct eng_source_opts *opts, struct eng_source **ret,
                     struct nb_error *err)
{
    nb_auto(eng_source_close) struct eng_source *s = NB_NEW(struct eng_source);

    s->opts = *opts;
    s->opts.bolt.db = opts->database;
    s->opts.bolt.mode = BOLT_MODE_READ;
    if (!bolt_router_new(&s->opts.bolt, &s->router, err) || !load_server(s, err))
        return false;
    *ret = nb_steal(s);
    return true;
}

void eng_source_close(struct eng_source *s)
{
    if (!s)
        return;
    bolt_conn_close(s->conn);
    bolt_router_free(s->router);
    free(s->address);
    free(s->bookmark);
    free(s);
}

const struct eng_server *eng_source_server(const struct eng_source *s)
{
    return &s->server;
}

uint64_t eng_source_vanished(const struct eng_source *s)
{
    return s->vanished;
}

uint64_t eng_source_resumed(const struct eng_source *s)
{
    return s->resumed;
}

uint64_t eng_source_bytes_received(const struct eng_source *s)
{
    return s->bytes_before + (s->conn ? bolt_conn_bytes_received(s->conn) : 0);
}

unsigned eng_source_moves(const struct eng_source *s)
{
    return s->moves;
}

bool eng_source_mark(struct eng_source *s, struct eng_mark *ret, struct nb_error *err)
{
    /* The system database takes administration commands only. */
    bool system = nb_streq(s->server.database, "system") || nb_streq(s->opts.database, "system");
    struct query q = { .text = system ? "SHOW DATABASES YIELD name RETURN name" : "RETURN 1",
                       .fields = 1 };

    if (!run_small(s, &q, err))
        return nb_wrap(err, "ask for the database's bookmark");
    eng_mark_parse(bolt_conn_last_bookmark(s->conn), ret);
    ret->moves = s->moves;
    free(s->bookmark);
    s->bookmark = ret->text[0] ? nb_xstrdup(ret->text) : NULL;
    return true;
}

static bool count_row(void *ctx, const struct ps_value *fields, size_t n, struct nb_error *err)
{
    (void)n;
    if (fields[0].type != PS_INT || fields[0].integer < 0)
        return nb_fail(err, NB_E_PROTOCOL, "Neo4jProtocolError", "a count is no number");
    *(uint64_t *)ctx = (uint64_t)fields[0].integer;
    return true;
}

bool eng_source_count(struct eng_source *s, const char *text, uint64_t *ret, struct nb_error *err)
{
    struct query q = { .text = text, .fields = 1, .row = count_row, .ctx = ret, .settles = true };

    *ret = 0;
    return run_small(s, &q, err);
}

bool eng_source_counts(struct eng_source *s, uint64_t *ret_nodes, uint64_t *ret_rels,
                       struct nb_error *err)
{
    *ret_rels = 0;
    return (eng_source_count(s, "MATCH (n) RETURN count(n)", ret_nodes, err) &&
            eng_source_count(s, "MATCH ()-[r]->() RETURN count(r)", ret_rels, err)) ||
           nb_wrap(err, "count nodes and relationships");
}

/* --- long reads ------------------------------------------------------------------------------- */

/*
 * A long read that breaks goes on where it was. That wants to know the order in which rows come; that
 * those seen so far ascend proves nothing of the others. Nodes are scanned by id. Relationships are
 * too where the server has a scan for them (5 and later); else (4.4) it scans the nodes, each with its
 * outgoing relationships. The server is asked, by EXPLAIN: the planner decides.
 */
enum scan_order {
    SCAN_BY_ID,
    SCAN_BY_START, /* of the node that a relationship starts at */
    SCAN_UNKNOWN,  /* a broken read begins anew */
};

struct scan {
    struct eng_source *source;
    eng_node_fn *node_fn;
    eng_rel_fn *rel_fn;
    void *ctx;
    enum scan_order order;
    int64_t last;       /* id by which rows are ordered, of the last one; -1: none yet */
    bool ascending;     /* so far; a server that says one thing and does another is not believed */
    uint64_t rows;      /* handed out since the reading began anew */
    int64_t last_asked; /* by id: which one of those asked for the last row belongs to */
    int64_t furthest;   /* last and rows, of the best try */
    uint64_t most_rows;
    unsigned restarts;
};
#define SCAN_INIT .last = -1, .ascending = true, .furthest = -1

static void note_row(struct scan *scan, int64_t id, int64_t start_id)
{
    int64_t key = scan->order == SCAN_BY_START ? start_id : id;

    if (key < scan->last || (key == scan->last && scan->order == SCAN_BY_ID))
        scan->ascending = false;
    scan->last = key;
    scan->rows++;
}

static bool node_row(void *ctx, const struct ps_value *fields, size_t n, struct nb_error *err)
{
    struct scan *scan = ctx;

    (void)n;
    if (fields[0].type != PS_NODE)
        return nb_fail(err, NB_E_PROTOCOL, "Neo4jProtocolError", "a row holds a %s, not a node",
                       ps_type_name(fields[0].type));
    if (!scan->node_fn(scan->ctx, fields[0].node, err))
        return false;
    scan->last_asked = fields[0].node->id;
    note_row(scan, fields[0].node->id, -1);
    return true;
}

/* A relationship that was deleted between being found and being described has no ends, no type or
 * no properties any more; no id is negative. */
static bool is_gone(const struct ps_value *fields)
{
    for (size_t i = 0; i < 3; i++)
        if (fields[i].type == PS_NULL || (fields[i].type == PS_INT && fields[i].integer < 0))
            return true;
    return fields[3].type == PS_NULL || fields[4].type == PS_NULL;
}

static bool rel_row(void *ctx, const struct ps_value *fields, size_t n, struct nb_error *err)
{
    struct scan *scan = ctx;
    struct eng_rel rel;

    (void)n;
    if (is_gone(fields)) {
        scan->source->vanished++;
        return true;
    }
    if (fields[0].type != PS_INT || fields[1].type != PS_INT || fields[2].type != PS_INT ||
        fields[3].type != PS_STRING || fields[4].type != PS_MAP)
        return nb_fail(err, NB_E_PROTOCOL, "Neo4jProtocolError",
                       "a row does not describe a relationship");
    rel = (struct eng_rel){
        .id = fields[0].integer,
        .start_id = fields[1].integer,
        .end_id = fields[2].integer,
        .type = fields[3].string,
        .props = fields[4].map,
    };
    if (!scan->rel_fn(scan->ctx, &rel, err))
        return false;
    note_row(scan, rel.id, rel.start_id);
    return true;
}

static bool rel_of_row(void *ctx, const struct ps_value *fields, size_t n, struct nb_error *err)
{
    struct scan *scan = ctx;

    scan->last_asked = fields[5].type == PS_INT ? fields[5].integer : -1;
    return rel_row(ctx, fields, n, err);
}

/* The server ended our transaction, not our query: its time was up, or somebody stopped it. */
static bool was_cut_off(const struct eng_source *s)
{
    const struct bolt_failure *f = s->conn ? bolt_conn_last_failure(s->conn) : NULL;

    return f && (nb_starts_with(f->code, "Neo.ClientError.Transaction.TransactionTimedOut") ||
                 nb_streq(f->code, "Neo.TransientError.Transaction.Terminated") ||
                 nb_streq(f->code, "Neo.ClientError.Transaction.Terminated"));
}

/* From the start, and from where it broke ($last). */
struct scan_texts {
    const char *all, *rest;
};
#define REL_ROW "RETURN id(r), id(a), id(b), type(r), properties(r)" /* a quarter of RETURN r */
static const struct scan_texts node_texts = { "MATCH (n) RETURN n",
                                              "MATCH (n) WHERE id(n) > $last RETURN n" };
static const struct scan_texts rel_texts[] = {
    [SCAN_BY_ID] = { "MATCH (a)-[r]->(b) " REL_ROW,
                     "MATCH (a)-[r]->(b) WHERE id(r) > $last " REL_ROW },
    /* The node at which it broke once more: it may have more relationships. */
    [SCAN_BY_START] = { "MATCH (a) WITH a MATCH (a)-[r]->(b) " REL_ROW,
                        "MATCH (a) WHERE id(a) >= $last WITH a MATCH (a)-[r]->(b) " REL_ROW },
    [SCAN_UNKNOWN] = { "MATCH (a)-[r]->(b) " REL_ROW, NULL },
};

static bool begins_with(struct eng_source *s, const char *text, const char *leaf,
                        const char *details, bool *ret, struct nb_error *err)
{
    nb_auto_done(nb_buf_done) struct nb_buf params = NB_BUF_INIT(64);
    nb_auto(nb_free) char *explain = nb_xasprintf("EXPLAIN %s", text);
    nb_auto(bolt_cursor_close) struct bolt_cursor *cursor = NULL;
    struct ps_encoder e = bolt_conn_encoder(s->conn, &params);
    struct bolt_run_opts opts = { .db = database_of(s), .mode = BOLT_MODE_READ };
    const struct bolt_summary *summary;
    struct query q = { .fields = 0 };

    ps_put_map(&e, 1);
    ps_put_cstr(&e, "last");
    ps_put_int(&e, 0);
    if (!bolt_run(s->conn, explain, nb_buf_str(&params), &opts, &cursor, err) ||
        !each_row(cursor, &q, err))
        return false;
    summary = bolt_cursor_summary(cursor);
    *ret = summary && summary->has_plan && summary->plan_leaf.n >= strlen(leaf) &&
           memcmp(summary->plan_leaf.p, leaf, strlen(leaf)) == 0 &&
           (!details || nb_str_is(summary->plan_leaf_details, details));
    return true;
}

static bool ask_order(struct eng_source *s, const struct scan *scan, enum scan_order *ret,
                      struct nb_error *err)
{
    bool yes = true;

    *ret = SCAN_BY_ID;
    if (scan->node_fn)
        return true;
    if (!begins_with(s, rel_texts[SCAN_BY_ID].all, "DirectedAllRelationshipsScan", NULL, &yes, err))
        return false;
    if (yes)
        return true;
    *ret = SCAN_BY_START;
    if (!begins_with(s, rel_texts[SCAN_BY_START].rest, "AllNodesScan", "a", &yes, err))
        return false;
    if (!yes)
        *ret = SCAN_UNKNOWN;
    return true;
}

/* What is asked for next: the rest, if that is known to be the rest, else all. */
static bool next_reading(struct eng_source *s, struct scan *scan, struct query *q,
                         struct nb_buf *params, struct nb_error *err)
{
    struct ps_encoder e = bolt_conn_encoder(s->conn, params);
    const struct scan_texts *texts;
    enum scan_order order;
    bool resume;

    if (!ask_order(s, scan, &order, err))
        return false;
    texts = scan->node_fn ? &node_texts : &rel_texts[order];
    resume = texts->rest && scan->last >= 0 && scan->ascending && order == scan->order;
    nb_buf_clear(params);
    if (resume) {
        s->resumed++;
        ps_put_map(&e, 1);
        ps_put_cstr(&e, "last");
        ps_put_int(&e, scan->last);
    } else {
        scan->restarts += scan->rows > 0;
        scan->order = order;
        scan->rows = 0;
        scan->last = -1;
    }
    q->text = resume ? texts->rest : texts->all;
    q->params = nb_buf_str(params);
    return true;
}

/* Further than any try before: rows that come again are no progress. */
static bool got_further(struct scan *scan)
{
    bool further = scan->ascending && scan->order != SCAN_UNKNOWN
                       ? scan->last > scan->furthest
                       : scan->rows > scan->most_rows && scan->restarts < RESTARTS_MAX;

    if (scan->last > scan->furthest)
        scan->furthest = scan->last;
    if (scan->rows > scan->most_rows)
        scan->most_rows = scan->rows;
    return further;
}

static bool give_up(const struct eng_source *s, struct nb_error *err)
{
    return was_cut_off(s) ? nb_hint(err, "raise db.transaction.timeout (before 5: "
                                         "dbms.transaction.timeout) of the server, or set it to 0")
                          : false;
}

static bool run_scan(struct eng_source *s, struct scan *scan, struct query *q, struct nb_error *err)
{
    nb_auto_done(nb_buf_done) struct nb_buf params = NB_BUF_INIT(256);
    struct nb_retry retry = new_retry(s);
    unsigned overtaken = 0;

    for (;;) {
        if (!ensure_conn(s, &retry, err))
            return false;
        if (next_reading(s, scan, q, &params, err) && run_once(s, q, err))
            return true;
        if (q->rows_failed || err->code == NB_E_CANCELLED)
            return false;
        if (got_further(scan)) { /* the window begins anew */
            retry = new_retry(s);
            overtaken = 0;
            if (was_cut_off(s)) {
                nb_error_clear(err);
                continue;
            }
        }
        if (was_overtaken(s) && ++overtaken <= OVERTAKEN_MAX) {
            nb_error_clear(err);
            continue;
        }
        if (!wait_again(s, &retry, err))
            return give_up(s, err);
    }
}

bool eng_source_nodes(struct eng_source *s, eng_node_fn *fn, void *ctx, struct nb_error *err)
{
    struct scan scan = { .source = s, .node_fn = fn, .ctx = ctx, SCAN_INIT };
    struct query q = { .fields = 1, .row = node_row, .ctx = &scan };

    return run_scan(s, &scan, &q, err) || nb_wrap(err, "read nodes");
}

bool eng_source_rels(struct eng_source *s, eng_rel_fn *fn, void *ctx, struct nb_error *err)
{
    struct scan scan = { .source = s, .rel_fn = fn, .ctx = ctx, SCAN_INIT };
    struct query q = { .fields = 5, .row = rel_row, .ctx = &scan };

    return run_scan(s, &scan, &q, err) || nb_wrap(err, "read relationships");
}

static bool run_by_id_once(struct eng_source *s, struct query *q, const int64_t *ids, size_t n,
                           struct nb_error *err)
{
    nb_auto_done(nb_buf_done) struct nb_buf params = NB_BUF_INIT(64 + n * 9);
    struct nb_retry retry = new_retry(s);
    struct ps_encoder e;

    if (!ensure_conn(s, &retry, err))
        return false;
    e = bolt_conn_encoder(s->conn, &params);
    ps_put_map(&e, 1);
    ps_put_cstr(&e, "ids");
    ps_put_list(&e, n);
    for (size_t i = 0; i < n; i++)
        ps_put_int(&e, ids[i]);
    q->params = nb_buf_str(&params);
    return ps_encoder_check(&e, err) && run_small(s, q, err);
}

/* May it go on after that failure? Without a row the window has been waited for. */
static bool goes_on(struct eng_source *s, const struct query *q, unsigned *overtaken,
                    struct nb_retry *retry, struct nb_error *err)
{
    if (q->rows_failed || err->code == NB_E_CANCELLED)
        return false;
    if (was_overtaken(s))
        return ++*overtaken <= OVERTAKEN_MAX;
    return q->rows > 0 && wait_again(s, retry, err);
}

/* Rows come in the order of ids: what broke goes on at the id of the last row, or behind it. */
static bool run_by_id(struct eng_source *s, struct scan *scan, struct query *q, bool behind,
                      const int64_t *ids, size_t n, struct nb_error *err)
{
    struct nb_retry retry = new_retry(s);
    size_t at = 0;

    for (unsigned overtaken = 0; !run_by_id_once(s, q, ids + at, n - at, err);) {
        size_t last = at;

        if (!goes_on(s, q, &overtaken, &retry, err))
            return false;
        nb_error_clear(err);
        while (q->rows > 0 && last < n && ids[last] != scan->last_asked)
            last++;
        last += q->rows > 0 && behind;
        q->rows = 0;
        if (last >= n)
            return true;
        if (last > at) {
            overtaken = 0;
            retry = new_retry(s);
        }
        at = last;
    }
    return true;
}

bool eng_source_nodes_by_id(struct eng_source *s, const int64_t *ids, size_t n, eng_node_fn *fn,
                            void *ctx, struct nb_error *err)
{
    struct scan scan = { .source = s, .node_fn = fn, .ctx = ctx };
    struct query q = {
        .text = "UNWIND $ids AS i MATCH (n) WHERE id(n) = i RETURN n",
        .fields = 1,
        .row = node_row,
        .ctx = &scan,
    };

    return run_by_id(s, &scan, &q, true, ids, n, err) || nb_wrap(err, "read nodes again");
}

bool eng_source_rels_of(struct eng_source *s, const int64_t *ids, size_t n, eng_rel_fn *fn,
                        void *ctx, struct nb_error *err)
{
    struct scan scan = { .source = s, .rel_fn = fn, .ctx = ctx };
    struct query q = {
        .text = "UNWIND $ids AS i MATCH (n)-[r]-() WHERE id(n) = i "
                "RETURN id(r), id(startNode(r)), id(endNode(r)), type(r), properties(r), i",
        .fields = 6,
        .row = rel_of_row,
        .ctx = &scan,
    };

    return run_by_id(s, &scan, &q, false, ids, n, err) || nb_wrap(err, "read relationships again");
}

/* --- names, schema, databases ----------------------------------------------------------------- */

struct names {
    eng_name_fn *fn;
    void *ctx;
};

static bool name_row(void *ctx, const struct ps_value *fields, size_t n, struct nb_error *err)
{
    const struct names *names = ctx;

    (void)n;
    return fields[0].type != PS_STRING || names->fn(names->ctx, fields[0].string, err);
}

bool eng_source_names(struct eng_source *s, const char *prefix, eng_name_fn *fn, void *ctx,
                      struct nb_error *err)
{
    static const char *const texts[] = {
        "CALL db.labels() YIELD label AS name WITH name WHERE name STARTS WITH $prefix RETURN name",
        "CALL db.propertyKeys() YIELD propertyKey AS name WITH name WHERE name STARTS WITH $prefix "
        "RETURN name",
    };
    nb_auto_done(nb_buf_done) struct nb_buf params = NB_BUF_INIT(4096);
    struct names names = { fn, ctx };
    struct ps_encoder e = bolt_conn_encoder(s->conn, &params);

    ps_put_map(&e, 1);
    ps_put_cstr(&e, "prefix");
    ps_put_cstr(&e, prefix);
    for (size_t i = 0; i < NB_ARRAY_LEN(texts); i++) {
        struct query q = {
            .text = texts[i],
            .params = nb_buf_str(&params),
            .fields = 1,
            .row = name_row,
            .ctx = &names,
        };

        if (!run_small(s, &q, err))
            return nb_wrap(err, "list labels and property keys");
    }
    return true;
}

bool eng_source_labels(struct eng_source *s, eng_name_fn *fn, void *ctx, struct nb_error *err)
{
    struct names names = { fn, ctx };
    struct query q = {
        .text = "CALL db.labels() YIELD label RETURN label",
        .fields = 1,
        .row = name_row,
        .ctx = &names,
    };

    return run_small(s, &q, err) || nb_wrap(err, "list labels");
}

struct schema {
    eng_schema_fn *fn;
    void *ctx;
    bool constraints;
    bool in_25; /* what could not be said is asked for in Cypher 25 */
    /* Names, each followed by NUL: of constraints, whose indexes bear the same; and of what has no
     * statement that the default Cypher of the server has words for. */
    struct nb_buf owned, unsaid;
};

/* What Community Edition has no part of; names differ between versions. */
static bool is_enterprise_constraint(struct nb_str type)
{
    return memmem(type.p, type.n, "KEY", 3) || memmem(type.p, type.n, "EXISTENCE", 9) ||
           memmem(type.p, type.n, "PROPERTY_TYPE", 13);
}

static bool is_listed(const struct nb_buf *names, struct nb_str name)
{
    const char *p = nb_buf_cstr(names), *end = p + names->len;

    for (; p < end; p += strlen(p) + 1) {
        if (nb_str_is(name, p))
            return true;
    }
    return false;
}

static bool list(struct nb_buf *names, struct nb_str name, struct nb_error *err)
{
    nb_buf_append(names, name.p, name.n);
    nb_buf_putc(names, '\0');
    return nb_buf_check(names, err);
}

static bool schema_emit(struct schema *schema, struct eng_schema_item *item, struct nb_error *err)
{
    nb_auto_done(nb_buf_done) struct nb_buf text = NB_BUF_INIT(64 << 20);

    if (schema->constraints)
        item->item.enterprise = is_enterprise_constraint(item->item.type);
    if (schema->in_25) {
        nb_buf_puts(&text, CYP_SCHEMA_25);
        nb_buf_append(&text, item->item.statement.p, item->item.statement.n);
        if (!nb_buf_check(&text, err))
            return false;
        item->item.statement = nb_buf_str(&text);
    }
    return schema->fn(schema->ctx, item, err);
}

static bool schema_row(void *ctx, const struct ps_value *fields, size_t n, struct nb_error *err)
{
    struct schema *schema = ctx;
    struct eng_schema_item item = {
        .item = {
            .kind = schema->constraints ? CYP_CONSTRAINT : CYP_INDEX,
            .name = str_of(&fields[0]),
            .type = str_of(&fields[1]),
            .statement = str_of(&fields[2]),
        },
        .failed = !schema->constraints && nb_str_is(str_of(&fields[3]), "FAILED"),
    };

    (void)n;
    if (schema->in_25 && !is_listed(&schema->unsaid, item.item.name))
        return true;
    if (item.item.name.n == 0 || item.item.type.n == 0 ||
        (schema->in_25 && item.item.statement.n == 0))
        return nb_fail(err, NB_E_PROTOCOL, "Neo4jProtocolError",
                       "the server describes a %s without name, type or statement",
                       schema->constraints ? "constraint" : "index");
    /* An index that belongs to a constraint repeats the constraint's statement. */
    if (!schema->constraints && is_listed(&schema->owned, item.item.name))
        return true;
    if (schema->constraints && !schema->in_25 && !list(&schema->owned, item.item.name, err))
        return false;
    if (item.item.statement.n == 0)
        return list(&schema->unsaid, item.item.name, err);
    return schema_emit(schema, &item, err);
}

/* text: the query in Cypher 25, with which it is asked again for what has no other statement. */
static bool schema_read(struct eng_source *s, struct schema *schema, const char *text,
                        size_t fields, struct nb_error *err)
{
    struct query q = {
        .text = text + strlen(CYP_SCHEMA_25), .fields = fields, .row = schema_row, .ctx = schema
    };

    nb_buf_clear(&schema->unsaid);
    schema->in_25 = false;
    if (!run_small(s, &q, err))
        return false;
    schema->in_25 = true;
    q = (struct query){ .text = text, .fields = fields, .row = schema_row, .ctx = schema };
    return schema->unsaid.len == 0 || run_small(s, &q, err);
}

bool eng_source_schema(struct eng_source *s, eng_schema_fn *fn, void *ctx, struct nb_error *err)
{
    struct schema schema = { .fn = fn,
                             .ctx = ctx,
                             .constraints = true,
                             .owned = NB_BUF_INIT(64 << 20),
                             .unsaid = NB_BUF_INIT(64 << 20) };
    bool ok = schema_read(s, &schema,
                          CYP_SCHEMA_25 "SHOW CONSTRAINTS YIELD name, type, createStatement "
                                        "RETURN name, type, createStatement ORDER BY name",
                          3, err);

    schema.constraints = false;
    ok = ok && schema_read(s, &schema,
                           CYP_SCHEMA_25 "SHOW INDEXES YIELD name, type, createStatement, state "
                                         "RETURN name, type, createStatement, state ORDER BY name",
                           4, err);
    nb_buf_done(&schema.owned);
    nb_buf_done(&schema.unsaid);
    return ok || nb_wrap(err, "read constraints and indexes");
}

struct uniques {
    eng_unique_fn *fn;
    void *ctx;
};

static bool unique_row(void *ctx, const struct ps_value *fields, size_t n, struct nb_error *err)
{
    const struct uniques *all = ctx;
    struct nb_str type = str_of(&fields[0]);
    struct eng_unique u = { .rel = nb_str_is(str_of(&fields[1]), "RELATIONSHIP") };

    (void)n;
    if (type.n == 0 || (!memmem(type.p, type.n, "UNIQUE", 6) && !memmem(type.p, type.n, "KEY", 3)))
        return true;
    if (fields[2].type != PS_LIST || fields[2].list.n != 1 || fields[3].type != PS_LIST)
        return nb_fail(err, NB_E_PROTOCOL, "Neo4jProtocolError",
                       "the server describes a constraint without label or properties");
    u.name = str_of(&fields[2].list.items[0]);
    u.properties = fields[3].list.items;
    u.properties_n = fields[3].list.n;
    return all->fn(all->ctx, &u, err);
}

bool eng_source_uniques(struct eng_source *s, eng_unique_fn *fn, void *ctx, struct nb_error *err)
{
    struct uniques all = { fn, ctx };
    struct query q = {
        .text = "SHOW CONSTRAINTS YIELD name, type, entityType, labelsOrTypes, properties "
                "RETURN type, entityType, labelsOrTypes, properties ORDER BY name",
        .fields = 4,
        .row = unique_row,
        .ctx = &all,
    };

    return run_small(s, &q, err) || nb_wrap(err, "read constraints");
}

static bool database_row(void *ctx, const struct ps_value *fields, size_t n, struct nb_error *err)
{
    const struct databases *all = ctx;
    struct nb_str status = str_of(&fields[1]);
    struct eng_database db = { .name = str_of(&fields[0]), .status = status };

    if (db.name.n == 0)
        return true;
    db.online = nb_str_is(status, "online");
    db.wanted_online = nb_str_is(str_of(&fields[2]), "online");
    db.home = fields[3].type == PS_BOOL && fields[3].boolean;
    db.system = nb_str_is(db.name, "system");
    db.composite = n > 5 && nb_str_is(str_of(&fields[5]), "composite");
    if (fields[4].type == PS_LIST) {
        db.aliases = fields[4].list.items;
        db.aliases_n = fields[4].list.n;
    }
    return all->fn(all->ctx, &db, err);
}

bool eng_source_query(struct eng_source *s, const char *text, size_t fields, eng_row_fn *fn,
                      void *ctx, struct nb_error *err)
{
    struct query q = { .text = text, .fields = fields, .row = fn, .ctx = ctx };

    return run_small(s, &q, err);
}

bool eng_source_stream(struct eng_source *s, const char *text, size_t fields, int64_t fetch,
                       eng_row_fn *fn, void *ctx, bool *ret_own, struct nb_error *err)
{
    struct query q = { .text = text, .fields = fields, .fetch = fetch, .row = fn, .ctx = ctx };
    struct nb_retry retry = new_retry(s);
    bool ok = ensure_conn(s, &retry, err) && run_once(s, &q, err);

    *ret_own = q.rows_failed;
    return ok;
}

bool eng_source_databases(struct eng_source *s, eng_database_fn *fn, void *ctx,
                          struct nb_error *err)
{
#define COLUMNS "name, currentStatus, requestedStatus, home, aliases"
    struct databases all = { fn, ctx };
    struct query q = {
        .text = "SHOW DATABASES YIELD " COLUMNS ", type RETURN " COLUMNS ", type ORDER BY name",
        .fields = 6,
        .row = database_row,
        .ctx = &all,
    };

    if (run_small(s, &q, err))
        return true;
    /* Neo4j 4.4 knows no types. */
    if (!q.rows_failed && nb_streq(err->reason, "Neo4jQueryFailed")) {
        nb_error_clear(err);
        q.text = "SHOW DATABASES YIELD " COLUMNS " RETURN " COLUMNS " ORDER BY name";
        q.fields = 5;
        if (run_small(s, &q, err))
            return true;
    }
    return nb_wrap(err, "list databases");
#undef COLUMNS
}

bool eng_source_is_system(const struct eng_source *s)
{
    return nb_streq(s->server.database, "system");
}

static bool procedure_row(void *ctx, const struct ps_value *fields, size_t n, struct nb_error *err)
{
    (void)n;
    (void)err;
    *(bool *)ctx = fields[0].type == PS_BOOL && fields[0].boolean;
    return true;
}

bool eng_source_has_procedure(struct eng_source *s, const char *name, bool *ret,
                              struct nb_error *err)
{
    nb_auto_done(nb_buf_done) struct nb_buf params = NB_BUF_INIT(4096);
    struct ps_encoder e = bolt_conn_encoder(s->conn, &params);
    struct query q = {
        .text = "SHOW PROCEDURES EXECUTABLE YIELD name WHERE name = $name "
                "RETURN count(*) > 0",
        .fields = 1,
        .row = procedure_row,
        .ctx = ret,
    };

    *ret = false;
    ps_put_map(&e, 1);
    ps_put_cstr(&e, "name");
    ps_put_cstr(&e, name);
    q.params = nb_buf_str(&params);
    return run_small(s, &q, err) || nb_wrap(err, "look for the procedure '%s'", name);
}
