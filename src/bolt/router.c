#include "bolt/router.h"

#include "base/clock.h"
#include "base/mem.h"
#include "bolt/conn_priv.h"
#include "bolt/table.h"

struct bolt_router {
    struct bolt_conn_opts opts;
    struct bolt_target target;
    struct bolt_table table;
    char *home; /* the home database, once known: it shall not change under a reader's feet */
    struct bolt_conn
        *spare; /* to the router asked last, while a call lasts: it may be the server */
};

bool bolt_router_new(const struct bolt_conn_opts *opts, struct bolt_router **ret,
                     struct nb_error *err)
{
    nb_auto(bolt_router_free) struct bolt_router *r = NB_NEW(struct bolt_router);

    r->opts = *opts;
    r->table = (struct bolt_table)BOLT_TABLE_INIT;
    if (!bolt_target_parse(opts->uri, &r->target, err))
        return false;
    *ret = nb_steal(r);
    return true;
}

void bolt_router_free(struct bolt_router *r)
{
    if (!r)
        return;
    bolt_conn_close(r->spare);
    bolt_table_done(&r->table);
    free(r->home);
    free(r);
}

const char *bolt_router_database(const struct bolt_router *r)
{
    return r->table.db ? r->table.db : "";
}

static void drop_spare(struct bolt_router *r)
{
    if (r->spare)
        bolt_conn_close(nb_steal(r->spare));
}

static bool connect_to(struct bolt_router *r, const struct bolt_address *at,
                       const struct nb_cancel *cancel, struct bolt_conn **ret, struct nb_error *err)
{
    struct bolt_target target = r->target;

    if (r->spare && bolt_address_equal(&r->spare->target.at, at)) {
        *ret = nb_steal(r->spare);
        return true;
    }
    target.at = *at;
    return bolt_conn_open_at(&r->opts, &target, cancel, ret, err);
}

/* --- asking for a table ----------------------------------------------------------------------- */

/* What a server says that cannot route at all, rather than not just now. */
static bool explain_refusal(const struct bolt_conn *conn, struct nb_error *err)
{
    const char *code = conn->failure.code;

    if (!nb_starts_with(code, "Neo.ClientError.Procedure.") &&
        !nb_starts_with(code, "Neo.ClientError.Request."))
        return false;
    nb_fail(err, NB_E_INVALID, "Neo4jRoutingUnsupported", "'%s' does not route: %s: %s",
            conn->address, code, conn->failure.message);
    return nb_hint(err, "for a single server use bolt:// instead of neo4j://");
}

static bool ask(struct bolt_router *r, struct bolt_conn *conn, const char *bookmark,
                struct nb_error *err)
{
    struct bolt_event ev;
    bool ok;

    if (!bolt_conn_begin_call(conn, err) || !bolt_conn_note(conn, BOLT_ROUTE, err))
        return false;
    conn->deadline_mono_ms = bolt_conn_open_deadline(&r->opts);
    bolt_put_route(&conn->out, &r->target, bookmark, r->opts.db ? r->opts.db : r->home);
    ok = bolt_conn_flush(conn, err) && bolt_conn_expect(conn, BOLT_ROUTE, &ev, err);
    conn->deadline_mono_ms = INT64_MAX;
    if (!ok)
        return explain_refusal(conn, err);
    if (!bolt_table_parse(&ev.meta, nb_clock_mono_ms(), &r->table, err))
        return false;
    if (!r->opts.db && !r->home && r->table.db[0])
        r->home = nb_xstrdup(r->table.db);
    return true;
}

static bool ask_at(struct bolt_router *r, const struct bolt_address *at, const char *bookmark,
                   const struct nb_cancel *cancel, struct nb_error *err)
{
    nb_auto(bolt_conn_close) struct bolt_conn *conn = NULL;

    if (!connect_to(r, at, cancel, &conn, err) || !ask(r, conn, bookmark, err))
        return false;
    drop_spare(r);
    r->spare = nb_steal(conn);
    return true;
}

/* Another server would say the same. */
static bool is_final(const struct nb_error *err)
{
    return err->code == NB_E_CANCELLED || err->code == NB_E_DENIED || err->code == NB_E_NOT_FOUND ||
           err->code == NB_E_INVALID;
}

/* Routers in turn, the one of the URI last. Returns how many. */
static size_t list_routers(struct bolt_router *r, struct bolt_address *out)
{
    size_t n = 0, known = r->table.roles[BOLT_ROLE_ROUTE].n;
    struct bolt_address skipped;

    while (n < known && bolt_table_next(&r->table, BOLT_ROLE_ROUTE, &out[n]))
        n++;
    /* The next refresh begins with another one. */
    (void)bolt_table_next(&r->table, BOLT_ROLE_ROUTE, &skipped);
    if (!bolt_table_has(&r->table, BOLT_ROLE_ROUTE, &r->target.at))
        out[n++] = r->target.at;
    return n;
}

static bool fail_no_router(size_t tried, bool transient, struct nb_error *err)
{
    char text[NB_TEXT_MAX];

    if (!transient)
        return false;
    memcpy(text, err->text, sizeof(text));
    if (tried == 1)
        return nb_fail(err, NB_E_UNAVAILABLE, "Neo4jNoRouter",
                       "no router of the cluster can be reached: %s", text);
    return nb_fail(err, NB_E_UNAVAILABLE, "Neo4jNoRouter",
                   "none of %zu routers of the cluster can be reached, the last one: %s", tried,
                   text);
}

static bool refresh(struct bolt_router *r, const char *bookmark, const struct nb_cancel *cancel,
                    struct nb_error *err)
{
    nb_auto(nb_free) struct bolt_address *routers =
        nb_xcalloc(BOLT_TABLE_SERVERS_MAX + 1, sizeof(*routers));
    size_t n = list_routers(r, routers);
    bool transient = false;

    for (size_t i = 0; i < n; i++) {
        char text[BOLT_ADDRESS_TEXT_MAX];

        nb_error_clear(err);
        if (ask_at(r, &routers[i], bookmark, cancel, err))
            return true;
        nb_wrap(err, "router '%s'", bolt_address_format(&routers[i], text));
        if (is_final(err))
            return false;
        transient = transient || nb_error_is_transient(err);
    }
    return fail_no_router(n, transient, err);
}

/* --- choosing a server ------------------------------------------------------------------------ */

static enum bolt_role role_of(enum bolt_mode mode)
{
    return mode == BOLT_MODE_READ ? BOLT_ROLE_READ : BOLT_ROLE_WRITE;
}

/* Each server of the role once; those that are lost leave the table. False with err clear: nobody
 * was left to be tried. */
static bool try_servers(struct bolt_router *r, const struct nb_cancel *cancel,
                        struct bolt_conn **ret, struct nb_error *err)
{
    struct bolt_address at;

    while (bolt_table_next(&r->table, role_of(r->opts.mode), &at)) {
        char text[BOLT_ADDRESS_TEXT_MAX];

        nb_error_clear(err);
        if (connect_to(r, &at, cancel, ret, err))
            return true;
        nb_wrap(err, "server '%s' of the cluster", bolt_address_format(&at, text));
        if (is_final(err))
            return false;
        bolt_table_remove_all(&r->table, &at);
    }
    return false;
}

static bool fail_no_server(const struct bolt_router *r, struct nb_error *err)
{
    bool read = r->opts.mode == BOLT_MODE_READ;
    const char *db = bolt_router_database(r);
    char text[NB_TEXT_MAX];

    memcpy(text, err->text, sizeof(text));
    return nb_fail(err, NB_E_UNAVAILABLE, "Neo4jNoServer",
                   "the cluster has no server %s database '%s' just now%s%s",
                   read ? "to read from for" : "to write to for", db[0] ? db : "(home)",
                   text[0] ? ": " : "", text);
}

static bool open_routed(struct bolt_router *r, const char *bookmark, const struct nb_cancel *cancel,
                        struct bolt_conn **ret, struct nb_error *err)
{
    enum bolt_role role = role_of(r->opts.mode);
    bool fresh = bolt_table_is_fresh(&r->table, role, nb_clock_mono_ms());

    if (fresh) {
        if (try_servers(r, cancel, ret, err))
            return true;
        if (is_final(err))
            return false;
    }
    if (!refresh(r, bookmark, cancel, err))
        return false;
    nb_error_clear(err);
    if (try_servers(r, cancel, ret, err))
        return true;
    return is_final(err) ? false : fail_no_server(r, err);
}

bool bolt_router_open(struct bolt_router *r, const char *bookmark, const struct nb_cancel *cancel,
                      struct bolt_conn **ret, struct nb_error *err)
{
    struct nb_error why = NB_ERROR_INIT;
    bool ok;

    if (!r->target.routing)
        return bolt_conn_open_at(&r->opts, &r->target, cancel, ret, err);
    ok = open_routed(r, bookmark, cancel, ret, &why);
    drop_spare(r);
    if (!ok)
        *err = why;
    return ok;
}

bool bolt_conn_open(const struct bolt_conn_opts *opts, const struct nb_cancel *cancel,
                    struct bolt_conn **ret, struct nb_error *err)
{
    nb_auto(bolt_router_free) struct bolt_router *r = NULL;

    return bolt_router_new(opts, &r, err) && bolt_router_open(r, NULL, cancel, ret, err);
}

/* --- what failures tell ----------------------------------------------------------------------- */

static bool is_any(const char *code, const char *const *codes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (nb_streq(code, codes[i]))
            return true;
    return false;
}

bool bolt_router_blame(struct bolt_router *r, const struct bolt_conn *conn)
{
    /* It is not the leader any more. */
    static const char *const no_writer[] = {
        "Neo.ClientError.Cluster.NotALeader",
        "Neo.ClientError.General.ForbiddenOnReadOnlyDatabase",
    };
    /* It does not serve the database, or lags behind: another one may do better. */
    static const char *const no_reader[] = {
        "Neo.TransientError.General.DatabaseUnavailable",
        "Neo.TransientError.Transaction.BookmarkTimeout",
    };
    const struct bolt_failure *f = bolt_conn_last_failure(conn);
    const struct bolt_address *at = &conn->target.at;

    if (!bolt_conn_is_alive(conn)) {
        bolt_table_remove_all(&r->table, at);
        return true;
    }
    if (!f)
        return false;
    if (!r->target.routing)
        return bolt_needs_new_conn(f);
    if (is_any(f->code, no_writer, NB_ARRAY_LEN(no_writer))) {
        bolt_table_remove(&r->table, BOLT_ROLE_WRITE, at);
        return true;
    }
    if (is_any(f->code, no_reader, NB_ARRAY_LEN(no_reader))) {
        bolt_table_remove_all(&r->table, at);
        return true;
    }
    return bolt_needs_new_conn(f);
}
