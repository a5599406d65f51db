#include "engine/load.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/thread.h"
#include "engine/idmap.h"
#include "engine/portion.h"
#include "engine/stamp.h"
#include "engine/unit.h"

enum {
    CONNECTIONS_DEFAULT = 2,
    UNIT_ROWS_DEFAULT = 5000,
    UNIT_BYTES_DEFAULT = 2 << 20,
    ALONE_AFTER = 3,   /* tries among others */
    ONE_ROW_TRIES = 6, /* where not even that fits into the server's memory */
    MARK_PARAMS_MAX = 256,
};

struct worker {
    struct eng_load *load;
    struct eng_dest *dest;
    struct nb_thread *thread;
    int64_t mark; /* id of its own node; -1: none yet */
    int64_t seq;  /* of the last unit that is in */
};

struct eng_load {
    struct eng_load_opts opts;
    struct eng_unit_opts unit_opts;
    struct worker *workers;
    unsigned nworkers;
    struct nb_queue *queue; /* struct eng_unit */
    pthread_rwlock_t turn;  /* a unit that cannot get through among others runs alone */

    /* Of the caller's thread: */
    struct eng_unit *unit; /* at hand; NULL: none */
    enum eng_unit_kind kind;
    bool in_order; /* something was changed or deleted: one unit after the other */
    bool ended;

    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t done;
    uint64_t pushed, finished;
    bool failed;
    struct nb_error error;
    struct eng_load_counts counts;
    struct eng_portion portion; /* of one transaction */
    struct eng_idmap *ids;      /* by the caller's thread while no nodes are under way */
};

/* --- the connection's own node ---------------------------------------------------------------- */

static void mark_params(struct bolt_conn *conn, const struct worker *w, int64_t seq,
                        struct nb_buf *out)
{
    struct ps_encoder e = bolt_conn_encoder(conn, out);

    ps_put_map(&e, 2);
    ps_put_cstr(&e, "m");
    ps_put_int(&e, w->mark);
    ps_put_cstr(&e, "s");
    ps_put_int(&e, seq);
}

/* Two of them, if the first answer was lost, do no harm. */
static bool mark_make(struct worker *w, struct nb_error *err)
{
    nb_auto_done(nb_buf_done) struct nb_buf params = NB_BUF_INIT(MARK_PARAMS_MAX);
    struct ps_encoder e = w->load->unit_opts.encoder;

    if (w->mark >= 0)
        return true;
    e.out = &params;
    ps_put_map(&e, 1);
    ps_put_cstr(&e, "of");
    ps_put_cstr(&e, w->load->opts.stamp);
    if (!eng_dest_get_int(w->dest,
                          "CREATE (m:`" ENG_STAMP "` {`" ENG_STAMP "`:0,`" ENG_STAMP_OF
                          "`:$of}) RETURN id(m)",
                          nb_buf_str(&params), &w->mark, err))
        return false;
    return w->mark >= 0 ||
           nb_fail(err, NB_E_PROTOCOL, "Neo4jProtocolError", "a node was made and its id not told");
}

static bool fail_mark(struct nb_error *err)
{
    return nb_fail(err, NB_E_CONFLICT, "RestoreDisturbed",
                   "a node of label '" ENG_STAMP "' has gone: somebody else writes to the "
                   "database");
}

static bool mark_set(struct worker *w, struct bolt_conn *conn, struct nb_error *err)
{
    nb_auto_done(nb_buf_done) struct nb_buf params = NB_BUF_INIT(MARK_PARAMS_MAX);

    mark_params(conn, w, w->seq + 1, &params);
    if (!bolt_exec(conn, "MATCH (m) WHERE id(m)=$m SET m.`" ENG_STAMP "`=$s", nb_buf_str(&params),
                   NULL, err))
        return false;
    return bolt_conn_last_stats(conn)->properties_set == 1 || fail_mark(err);
}

/* Gets the node's lock, and gives it back: a commit that was under way has come to its end. */
static bool mark_lock(struct worker *w, struct bolt_conn *conn, struct nb_error *err)
{
    nb_auto_done(nb_buf_done) struct nb_buf params = NB_BUF_INIT(MARK_PARAMS_MAX);
    struct bolt_run_opts opts = eng_dest_run_opts(w->dest);

    mark_params(conn, w, -1, &params);
    return bolt_begin(conn, &opts, err) &&
           bolt_exec(conn, "MATCH (m) WHERE id(m)=$m SET m.`" ENG_STAMP "`=$s", nb_buf_str(&params),
                     NULL, err) &&
           bolt_rollback(conn, err);
}

/* Whether the unit whose COMMIT failed is in. */
static bool mark_ask(struct worker *w, struct eng_patience *patience, bool *ret_in,
                     struct nb_error *err)
{
    nb_auto_done(nb_buf_done) struct nb_buf params = NB_BUF_INIT(MARK_PARAMS_MAX);
    struct bolt_conn *conn;
    int64_t seq;

    for (;;) {
        if (!eng_dest_conn(w->dest, patience, &conn, err))
            return false;
        if (mark_lock(w, conn, err))
            break;
        if (!eng_dest_again(w->dest, patience, err))
            return false;
    }
    mark_params(conn, w, -1, &params);
    if (!eng_dest_get_int(w->dest, "MATCH (m) WHERE id(m)=$m RETURN m.`" ENG_STAMP "`",
                          nb_buf_str(&params), &seq, err))
        return false;
    *ret_in = seq == w->seq + 1;
    return seq == w->seq || seq == w->seq + 1 || fail_mark(err);
}

/* --- one unit, one transaction ---------------------------------------------------------------- */

static bool id_row(struct eng_unit *u, const struct ps_value *fields, size_t n,
                   struct nb_error *err)
{
    if (n < 2 || fields[0].type != PS_INT || fields[1].type != PS_INT || u->ids_n == u->rows)
        return nb_fail(err, NB_E_PROTOCOL, "Neo4jProtocolError",
                       "the server does not tell a node's id");
    u->ids[u->ids_n][0] = fields[0].integer;
    u->ids[u->ids_n][1] = fields[1].integer;
    u->ids_n++;
    return true;
}

static bool rows_check(const struct eng_unit *u, const struct eng_unit_statement *s,
                       const struct bolt_stats *stats, size_t answered, int64_t matched,
                       struct nb_error *err)
{
    int64_t done = u->kind == ENG_UNIT_NODES  ? stats->nodes_created
                   : u->kind == ENG_UNIT_RELS ? stats->relationships_created
                   : u->kind == ENG_UNIT_SET  ? matched
                                              : stats->nodes_deleted;

    if (done == (int64_t)s->rows && (u->kind != ENG_UNIT_NODES || answered == s->rows))
        return true;
    return nb_fail(err, NB_E_CONFLICT, "RestoreDisturbed",
                   "%u rows were sent and %lld came of it: somebody else writes to the database",
                   s->rows, (long long)done);
}

static bool statement_run(struct bolt_conn *conn, struct eng_unit *u,
                          const struct eng_unit_statement *s, const struct bolt_run_opts *opts,
                          struct nb_error *err)
{
    nb_auto(bolt_cursor_close) struct bolt_cursor *cursor = NULL;
    const struct bolt_stats *stats;
    const struct ps_value *fields;
    size_t n, answered = u->ids_n;
    int64_t matched = 0;
    bool done = false;

    if (!bolt_run(conn, s->query, nb_buf_str(&s->params), opts, &cursor, err))
        return false;
    for (;;) {
        if (!bolt_cursor_next(cursor, &fields, &n, &done, err))
            return false;
        if (done)
            break;
        if (u->kind == ENG_UNIT_NODES && !id_row(u, fields, n, err))
            return false;
        if (u->kind == ENG_UNIT_SET && n > 0 && fields[0].type == PS_INT)
            matched = fields[0].integer;
    }
    stats = &bolt_cursor_summary(cursor)->stats;
    u->made += (uint64_t)(stats->nodes_created + stats->relationships_created);
    u->deleted_nodes += (uint64_t)stats->nodes_deleted;
    u->deleted_rels += (uint64_t)stats->relationships_deleted;
    return rows_check(u, s, stats, u->ids_n - answered, matched, err);
}

static void unit_reset(struct eng_unit *u)
{
    u->ids_n = 0;
    u->made = u->deleted_nodes = u->deleted_rels = 0;
}

/* All but the commit. */
static bool unit_try(struct worker *w, struct bolt_conn *conn, struct eng_unit *u,
                     struct nb_error *err)
{
    struct bolt_run_opts opts = eng_dest_run_opts(w->dest);

    unit_reset(u);
    if (!bolt_begin(conn, &opts, err))
        return false;
    for (size_t i = 0; i < u->n; i++) {
        if (!statement_run(conn, u, &u->statements[i], &opts, err))
            return false;
    }
    return mark_set(w, conn, err);
}

enum outcome {
    OUT, /* not in: to be tried again */
    IN,
    TOO_LARGE, /* not in, and there is no use trying it again as it is */
};

/* A failure before COMMIT. False: no use trying again. */
static bool unit_failed(struct worker *w, struct eng_patience *patience, const struct eng_unit *u,
                        unsigned tries, enum outcome *ret, struct nb_error *err)
{
    if (!eng_dest_is_too_large(w->dest))
        return eng_dest_again(w->dest, patience, err);
    if (u->rows == 1) /* others may have the memory that it needs */
        return tries < ONE_ROW_TRIES && eng_dest_again(w->dest, patience, err);
    nb_error_clear(err);
    *ret = TOO_LARGE;
    return true;
}

static bool unit_once(struct worker *w, struct eng_patience *patience, struct eng_unit *u,
                      unsigned tries, enum outcome *ret, struct nb_error *err)
{
    struct bolt_conn *conn;
    bool in, too_large;

    *ret = OUT;
    if (!eng_dest_conn(w->dest, patience, &conn, err))
        return false;
    if (!unit_try(w, conn, u, err))
        return unit_failed(w, patience, u, tries, ret, err);
    *ret = IN;
    if (bolt_commit(conn, err))
        return true;
    /* Whatever is told of it: the number knows. */
    too_large = eng_dest_is_too_large(w->dest);
    if (!eng_dest_again(w->dest, patience, err) || !mark_ask(w, patience, &in, err))
        return false;
    *ret = in ? IN : too_large && u->rows > 1 ? TOO_LARGE : OUT;
    return true;
}

static void turn_take(struct eng_load *l, unsigned tries)
{
    if (tries >= ALONE_AFTER)
        pthread_rwlock_wrlock(&l->turn);
    else
        pthread_rwlock_rdlock(&l->turn);
}

static bool fail_row(const struct eng_unit *u, struct nb_error *err)
{
    err->code = NB_E_LIMIT; /* waiting does not help */
    nb_wrap(err, "a row of %zu bytes alone does not fit into the memory that the server has for it",
            u->bytes);
    return nb_hint(err, "give the server more: db.memory.transaction.max, "
                        "dbms.memory.transaction.total.max, or its heap");
}

/* Until it is in, or too large. */
static bool part_run(struct worker *w, struct eng_unit *u, enum outcome *ret, unsigned *again,
                     struct nb_error *err)
{
    struct eng_patience patience = eng_dest_patience(w->dest);
    bool ok = true;

    *ret = OUT;
    for (unsigned tries = 0; ok && *ret == OUT; tries++) {
        if (tries > 0)
            ++*again;
        turn_take(w->load, tries);
        ok = mark_make(w, err) && unit_once(w, &patience, u, tries, ret, err);
        pthread_rwlock_unlock(&w->load->turn);
    }
    if (*ret == IN)
        w->seq++;
    if (!ok && u->rows == 1 && eng_dest_is_too_large(w->dest) && err->code != NB_E_CANCELLED)
        return fail_row(u, err);
    return ok;
}

/* What is next of the unit; *ret is NULL where that is all of it. A quarter more than what was found
 * to fit: units are made to that size, and the last row goes over it. */
static bool part_cut(struct worker *w, const struct eng_unit *u, unsigned first,
                     struct eng_unit **ret, struct nb_error *err)
{
    struct eng_load *l = w->load;
    struct eng_portion portion;
    size_t bytes;

    pthread_mutex_lock(&l->lock);
    portion = l->portion;
    pthread_mutex_unlock(&l->lock);
    bytes = eng_portion_bytes(&portion) + eng_portion_bytes(&portion) / 4;
    *ret = NULL;
    if (first == 0 &&
        (portion.halvings == 0 || (u->rows <= eng_portion_rows(&portion) && u->bytes <= bytes)))
        return true;
    return eng_unit_cut(u, &l->unit_opts, first, eng_portion_rows(&portion), bytes, ret, err);
}

static void part_told(struct worker *w, const struct eng_unit *part, enum outcome outcome)
{
    struct eng_load *l = w->load;

    pthread_mutex_lock(&l->lock);
    if (outcome == TOO_LARGE)
        eng_portion_too_large(&l->portion, part->rows, part->bytes);
    else
        eng_portion_went_well(&l->portion);
    pthread_mutex_unlock(&l->lock);
}

/* What came of a part is what came of the whole. */
static void part_add(struct eng_unit *u, const struct eng_unit *part)
{
    if (part->ids_n > 0)
        memcpy(u->ids + u->ids_n, part->ids, part->ids_n * sizeof(*u->ids));
    u->ids_n += part->ids_n;
    u->made += part->made;
    u->deleted_nodes += part->deleted_nodes;
    u->deleted_rels += part->deleted_rels;
}

static void ids_make(struct eng_unit *u)
{
    if (u->kind == ENG_UNIT_NODES && !u->ids)
        u->ids = nb_xreallocarray(NULL, u->rows, sizeof(*u->ids));
}

/* In one transaction, or in several where one has been found too large for the server. */
static bool unit_run(struct worker *w, struct eng_unit *u, unsigned *ret_again,
                     struct nb_error *err)
{
    enum outcome outcome;

    *ret_again = 0;
    ids_make(u);
    for (unsigned at = 0; at < u->rows;) {
        nb_auto(eng_unit_free) struct eng_unit *part = NULL;
        struct eng_unit *now;

        if (!part_cut(w, u, at, &part, err))
            return false;
        now = part ? part : u;
        ids_make(now);
        if (!part_run(w, now, &outcome, ret_again, err))
            return false;
        part_told(w, now, outcome);
        if (outcome == TOO_LARGE) {
            if (!part)
                unit_reset(u);
            ++*ret_again;
            continue;
        }
        at += now->rows;
        if (part)
            part_add(u, part);
    }
    return true;
}

/* --- threads ---------------------------------------------------------------------------------- */

/* Under the lock. */
static bool unit_publish(struct eng_load *l, const struct eng_unit *u, struct nb_error *err)
{
    for (size_t i = 0; i < u->ids_n; i++) {
        if (!eng_idmap_add(l->ids, u->ids[i][0], u->ids[i][1], err))
            return false;
    }
    if (u->kind == ENG_UNIT_NODES) {
        l->counts.nodes += u->made;
        eng_meter_add(&l->opts.meter->nodes, u->made);
    } else {
        l->counts.rels += u->made;
        eng_meter_add(&l->opts.meter->rels, u->made);
    }
    l->counts.deleted_nodes += u->deleted_nodes;
    l->counts.deleted_rels += u->deleted_rels;
    l->counts.units++;
    atomic_store(&l->opts.meter->waiting, 0);
    return true;
}

static void unit_end(struct eng_load *l, const struct eng_unit *u, bool ok, unsigned again,
                     struct nb_error *err)
{
    pthread_mutex_lock(&l->lock);
    ok = ok && unit_publish(l, u, err);
    if (!ok && !l->failed) {
        l->failed = true;
        l->error = *err;
    }
    l->counts.again += again;
    l->finished++;
    pthread_cond_broadcast(&l->done);
    pthread_mutex_unlock(&l->lock);
}

static bool has_failed(struct eng_load *l)
{
    bool failed;

    pthread_mutex_lock(&l->lock);
    failed = l->failed;
    pthread_mutex_unlock(&l->lock);
    return failed;
}

static void *work(void *arg)
{
    struct worker *w = arg;
    struct eng_unit *u;

    while ((u = nb_queue_pop(w->load->queue)) != NULL) {
        struct nb_error error = NB_ERROR_INIT;
        unsigned again = 0;
        /* After a failure units are only taken out of the way. */
        bool ok = has_failed(w->load) || unit_run(w, u, &again, &error);

        unit_end(w->load, u, ok && !has_failed(w->load), again, &error);
        eng_unit_free(u);
    }
    return NULL;
}

/* --- units in --------------------------------------------------------------------------------- */

static bool check(struct eng_load *l, struct nb_error *err)
{
    bool ok;

    pthread_mutex_lock(&l->lock);
    ok = !l->failed;
    if (!ok)
        *err = l->error;
    pthread_mutex_unlock(&l->lock);
    return ok;
}

static bool wait_all(struct eng_load *l, struct nb_error *err)
{
    pthread_mutex_lock(&l->lock);
    while (l->finished < l->pushed)
        (void)nb_cond_wait(&l->done, &l->lock, INT64_MAX);
    pthread_mutex_unlock(&l->lock);
    return check(l, err);
}

static bool flush(struct eng_load *l, struct nb_error *err)
{
    struct eng_unit *u = nb_steal(l->unit);

    if (!u)
        return check(l, err);
    eng_unit_close(u);
    pthread_mutex_lock(&l->lock);
    l->pushed++;
    pthread_mutex_unlock(&l->lock);
    if (!nb_queue_push(l->queue, u)) {
        eng_unit_free(u);
        return nb_fail(err, NB_E_INTERNAL, "InternalError", "the restore has ended already");
    }
    return l->in_order ? wait_all(l, err) : check(l, err);
}

bool eng_load_drain(struct eng_load *l, struct nb_error *err)
{
    return flush(l, err) && wait_all(l, err);
}

static bool unit_is_full(struct eng_load *l)
{
    bool full;

    pthread_mutex_lock(&l->lock);
    full = l->unit->rows >= eng_portion_rows(&l->portion) ||
           l->unit->bytes >= eng_portion_bytes(&l->portion);
    pthread_mutex_unlock(&l->lock);
    return full;
}

/* A unit of that kind with room for a row. */
static bool unit_get(struct eng_load *l, enum eng_unit_kind kind, struct nb_error *err)
{
    if (l->kind != kind) {
        if (!eng_load_drain(l, err))
            return false;
        /* Nodes after relationships are fix-ups as well. */
        if (kind == ENG_UNIT_SET || kind == ENG_UNIT_DELETE || kind < l->kind)
            l->in_order = true;
        l->kind = kind;
    }
    if (l->unit && unit_is_full(l) && !flush(l, err))
        return false;
    if (!l->unit)
        l->unit = eng_unit_new(kind);
    return true;
}

static bool find(struct eng_load *l, int64_t number, int64_t *ret, struct nb_error *err)
{
    *ret = eng_idmap_get(l->ids, number);
    return *ret >= 0 || nb_fail(err, NB_E_CORRUPT, "BadDump",
                                "node %lld is spoken of and not in the dump", (long long)number);
}

bool eng_load_node(struct eng_load *l, const struct cyp_node_row *row, struct nb_error *err)
{
    return unit_get(l, ENG_UNIT_NODES, err) && eng_unit_add_node(l->unit, &l->unit_opts, row, err);
}

bool eng_load_rel(struct eng_load *l, const struct cyp_rel_row *row, struct nb_error *err)
{
    int64_t start, end;

    return unit_get(l, ENG_UNIT_RELS, err) && find(l, row->start_id, &start, err) &&
           find(l, row->end_id, &end, err) &&
           eng_unit_add_rel(l->unit, &l->unit_opts, row, start, end, err);
}

bool eng_load_set_node(struct eng_load *l, const struct cyp_node_row *row,
                       const struct nb_str *old_labels, size_t nold_labels, struct nb_error *err)
{
    int64_t id;

    return unit_get(l, ENG_UNIT_SET, err) && find(l, row->id, &id, err) &&
           eng_unit_add_set(l->unit, &l->unit_opts, row, id, old_labels, nold_labels, err);
}

bool eng_load_delete_node(struct eng_load *l, int64_t number, struct nb_error *err)
{
    int64_t id;

    if (!unit_get(l, ENG_UNIT_DELETE, err) || !find(l, number, &id, err) ||
        !eng_unit_add_delete(l->unit, &l->unit_opts, id, err))
        return false;
    (void)eng_idmap_remove(l->ids, number);
    return true;
}

/* --- life ------------------------------------------------------------------------------------- */

static void turn_init(struct eng_load *l)
{
    pthread_rwlockattr_t attr;

    pthread_rwlockattr_init(&attr);
    /* Who wants to be alone must not wait for ever. */
    pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    pthread_rwlock_init(&l->turn, &attr);
    pthread_rwlockattr_destroy(&attr);
}

static bool connect_first(struct eng_load *l, struct nb_error *err)
{
    struct eng_patience patience = eng_dest_patience(l->workers[0].dest);
    struct bolt_conn *conn;

    if (!eng_dest_conn(l->workers[0].dest, &patience, &conn, err))
        return false;
    l->unit_opts = (struct eng_unit_opts){
        .encoder = bolt_conn_encoder(conn, NULL),
        .floats32 = l->opts.vector_procedures,
        .zones_as_numbers = bolt_conn_version(conn).major < 5,
    };
    return true;
}

static bool start(struct eng_load *l, struct nb_error *err)
{
    for (unsigned i = 0; i < l->nworkers; i++) {
        char name[16];

        snprintf(name, sizeof(name), "load-%u", i);
        if (!nb_thread_start(name, work, &l->workers[i], &l->workers[i].thread, err))
            return false;
    }
    return true;
}

bool eng_load_open(const struct eng_load_opts *opts, struct eng_load **ret, struct nb_error *err)
{
    nb_auto(eng_load_free) struct eng_load *l = NB_NEW(struct eng_load);

    l->opts = *opts;
    l->portion.max_rows = opts->unit_rows ? opts->unit_rows : UNIT_ROWS_DEFAULT;
    l->portion.max_bytes = opts->unit_bytes ? opts->unit_bytes : UNIT_BYTES_DEFAULT;
    l->nworkers = opts->connections ? opts->connections : CONNECTIONS_DEFAULT;
    if (l->nworkers > ENG_LOAD_CONNECTIONS_MAX)
        l->nworkers = ENG_LOAD_CONNECTIONS_MAX;
    l->workers = nb_xcalloc(l->nworkers, sizeof(*l->workers));
    for (unsigned i = 0; i < l->nworkers; i++)
        l->workers[i] = (struct worker){ .load = l, .dest = eng_dest_new(&opts->dest), .mark = -1 };
    l->queue = nb_queue_new(1);
    l->ids = eng_idmap_new(0);
    nb_mutex_init(&l->lock);
    nb_cond_init(&l->done);
    turn_init(l);
    if (!connect_first(l, err) || (opts->stamp_first && !mark_make(&l->workers[0], err)) ||
        !start(l, err))
        return false;
    *ret = nb_steal(l);
    return true;
}

static void threads_end(struct eng_load *l)
{
    nb_queue_close(l->queue);
    for (unsigned i = 0; i < l->nworkers; i++)
        nb_thread_join(nb_steal(l->workers[i].thread));
    l->ended = true;
}

void eng_load_free(struct eng_load *l)
{
    struct nb_error dropped = NB_ERROR_INIT;

    if (!l)
        return;
    if (!l->ended) {
        (void)nb_fail(&dropped, NB_E_CANCELLED, "Cancelled", "the restore was ended");
        pthread_mutex_lock(&l->lock);
        if (!l->failed)
            l->error = dropped;
        l->failed = true;
        pthread_mutex_unlock(&l->lock);
        threads_end(l);
    }
    eng_unit_free(l->unit);
    for (unsigned i = 0; i < l->nworkers; i++)
        eng_dest_free(l->workers[i].dest);
    free(l->workers);
    nb_queue_free(l->queue);
    eng_idmap_free(l->ids);
    pthread_rwlock_destroy(&l->turn);
    pthread_cond_destroy(&l->done);
    pthread_mutex_destroy(&l->lock);
    free(l);
}

bool eng_load_finish(struct eng_load *l, struct nb_error *err)
{
    if (!eng_load_drain(l, err))
        return false;
    threads_end(l);
    return true;
}

void eng_load_counts(const struct eng_load *l, struct eng_load_counts *ret)
{
    *ret = l->counts;
}
