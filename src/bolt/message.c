#include "bolt/message.h"

#include "bolt/chunk.h"
#include "bolt/handshake.h"

#ifndef NB_VERSION
#define NB_VERSION "0"
#endif
#define PRODUCT "neo4j-backup/" NB_VERSION

static size_t begin(struct ps_encoder *e, enum bolt_request request, unsigned fields)
{
    size_t mark = bolt_chunk_begin(e->out);

    ps_put_struct(e, (uint8_t)request, fields);
    return mark;
}

static void put_pair_str(struct ps_encoder *e, const char *key, const char *value)
{
    ps_put_cstr(e, key);
    ps_put_cstr(e, value);
}

/* --- who we are ------------------------------------------------------------------------------- */

static size_t auth_pairs(const struct bolt_identity *who)
{
    switch (who->auth) {
    case BOLT_AUTH_BASIC:
        return 3;
    case BOLT_AUTH_BEARER:
        return 2;
    case BOLT_AUTH_NONE:
        break;
    }
    return 1;
}

static void put_auth_pairs(struct ps_encoder *e, const struct bolt_identity *who)
{
    static const char *const schemes[] = {
        [BOLT_AUTH_NONE] = "none", [BOLT_AUTH_BASIC] = "basic", [BOLT_AUTH_BEARER] = "bearer"
    };

    put_pair_str(e, "scheme", schemes[who->auth]);
    if (who->auth == BOLT_AUTH_BASIC)
        put_pair_str(e, "principal", who->user ? who->user : "");
    if (who->auth != BOLT_AUTH_NONE) {
        ps_put_cstr(e, "credentials");
        ps_put_str(e, nb_secret_str(who->secret));
    }
}

void bolt_put_hello(struct nb_buf *out, struct bolt_version version,
                    const struct bolt_identity *who)
{
    struct ps_encoder e = PS_ENCODER_INIT(out);
    bool quiet = bolt_version_at_least(version, 5, 2);
    bool agent = bolt_version_at_least(version, 5, 3);
    bool patch = !bolt_version_at_least(version, 5, 0);
    bool auth = !bolt_version_at_least(version, 5, 1);
    size_t mark = begin(&e, BOLT_HELLO, 1);

    ps_put_map(&e,
               1u + quiet + agent + patch + (who->routing != NULL) + (auth ? auth_pairs(who) : 0));
    put_pair_str(&e, "user_agent", who->user_agent ? who->user_agent : PRODUCT);
    if (quiet)
        put_pair_str(&e, "notifications_minimum_severity", "OFF");
    if (agent) {
        ps_put_cstr(&e, "bolt_agent");
        ps_put_map(&e, 2);
        put_pair_str(&e, "product", PRODUCT);
        put_pair_str(&e, "language", "C");
    }
    if (patch) {
        ps_put_cstr(&e, "patch_bolt");
        ps_put_list(&e, 1);
        ps_put_cstr(&e, "utc");
    }
    if (who->routing) {
        ps_put_cstr(&e, "routing");
        bolt_put_context(&e, who->routing);
    }
    if (auth)
        put_auth_pairs(&e, who);
    bolt_chunk_end(out, mark);
}

void bolt_put_logon(struct nb_buf *out, const struct bolt_identity *who)
{
    struct ps_encoder e = PS_ENCODER_INIT(out);
    size_t mark = begin(&e, BOLT_LOGON, 1);

    ps_put_map(&e, auth_pairs(who));
    put_auth_pairs(&e, who);
    bolt_chunk_end(out, mark);
}

/* --- queries ---------------------------------------------------------------------------------- */

static void put_tx_extra(struct ps_encoder *e, const struct bolt_run_opts *o)
{
    bool read = o->mode == BOLT_MODE_READ;

    ps_put_map(e, (size_t)(o->nbookmarks > 0) + (o->tx_timeout_ms > 0) + (o->tx_metadata.n > 0) +
                      read + (o->db != NULL) + (o->imp_user != NULL));
    if (o->nbookmarks > 0) {
        ps_put_cstr(e, "bookmarks");
        ps_put_list(e, o->nbookmarks);
        for (size_t i = 0; i < o->nbookmarks; i++)
            ps_put_cstr(e, o->bookmarks[i]);
    }
    if (o->tx_timeout_ms > 0) {
        ps_put_cstr(e, "tx_timeout");
        ps_put_int(e, o->tx_timeout_ms);
    }
    if (o->tx_metadata.n > 0) {
        ps_put_cstr(e, "tx_metadata");
        nb_buf_append(e->out, o->tx_metadata.p, o->tx_metadata.n);
    }
    if (read)
        put_pair_str(e, "mode", "r");
    if (o->db)
        put_pair_str(e, "db", o->db);
    if (o->imp_user)
        put_pair_str(e, "imp_user", o->imp_user);
}

void bolt_put_run(struct nb_buf *out, const char *query, struct nb_str params,
                  const struct bolt_run_opts *opts, bool in_tx)
{
    struct ps_encoder e = PS_ENCODER_INIT(out);
    size_t mark = begin(&e, BOLT_RUN, 3);

    ps_put_cstr(&e, query);
    if (params.n > 0)
        nb_buf_append(out, params.p, params.n);
    else
        ps_put_map(&e, 0);
    if (in_tx)
        ps_put_map(&e, 0);
    else
        put_tx_extra(&e, opts);
    bolt_chunk_end(out, mark);
}

void bolt_put_begin(struct nb_buf *out, const struct bolt_run_opts *opts)
{
    struct ps_encoder e = PS_ENCODER_INIT(out);
    size_t mark = begin(&e, BOLT_BEGIN, 1);

    put_tx_extra(&e, opts);
    bolt_chunk_end(out, mark);
}

void bolt_put_route(struct nb_buf *out, const struct bolt_target *target, const char *bookmark,
                    const char *db)
{
    struct ps_encoder e = PS_ENCODER_INIT(out);
    size_t mark = begin(&e, BOLT_ROUTE, 3);
    bool wait = bookmark && bookmark[0];

    bolt_put_context(&e, target);
    ps_put_list(&e, wait);
    if (wait)
        ps_put_cstr(&e, bookmark);
    ps_put_map(&e, db != NULL);
    if (db)
        put_pair_str(&e, "db", db);
    bolt_chunk_end(out, mark);
}

void bolt_put_pull(struct nb_buf *out, enum bolt_request request, int64_t n)
{
    struct ps_encoder e = PS_ENCODER_INIT(out);
    size_t mark = begin(&e, request, 1);

    ps_put_map(&e, 1);
    ps_put_cstr(&e, "n");
    ps_put_int(&e, n);
    bolt_chunk_end(out, mark);
}

void bolt_put_plain(struct nb_buf *out, enum bolt_request request)
{
    struct ps_encoder e = PS_ENCODER_INIT(out);

    bolt_chunk_end(out, begin(&e, request, 0));
}

/* --- answers ---------------------------------------------------------------------------------- */

/* Cut at a UTF-8 boundary; NULs, which no such text should hold, end it. */
static void copy_text(char *to, size_t size, struct nb_str from)
{
    size_t n = from.n < size - 1 ? from.n : size - 1;

    if (n < from.n)
        while (n > 0 && ((unsigned char)from.p[n] & 0xC0) == 0x80)
            n--;
    if (n > 0)
        memcpy(to, from.p, n);
    to[n] = '\0';
}

static bool has_utc_patch(const struct ps_map *meta)
{
    const struct ps_value *patches = ps_map_get(meta, "patch_bolt");

    if (!patches || patches->type != PS_LIST)
        return false;
    for (size_t i = 0; i < patches->list.n; i++) {
        const struct ps_value *v = &patches->list.items[i];

        if (v->type == PS_STRING && nb_str_is(v->string, "utc"))
            return true;
    }
    return false;
}

void bolt_welcome_parse(const struct ps_map *meta, struct bolt_version version,
                        struct bolt_welcome *ret)
{
    const struct ps_value *hints = ps_map_get(meta, "hints");

    *ret = (struct bolt_welcome){ .server = "" };
    copy_text(ret->server, sizeof(ret->server), ps_map_get_str(meta, "server"));
    copy_text(ret->connection_id, sizeof(ret->connection_id),
              ps_map_get_str(meta, "connection_id"));
    ret->hints.utc_datetimes = bolt_version_at_least(version, 5, 0) || has_utc_patch(meta);
    if (!hints || hints->type != PS_MAP)
        return;
    ret->hints.recv_timeout_seconds =
        ps_map_get_int(&hints->map, "connection.recv_timeout_seconds", 0);
    if (ret->hints.recv_timeout_seconds < 0)
        ret->hints.recv_timeout_seconds = 0;
    ret->hints.telemetry_enabled = ps_map_get_bool(&hints->map, "telemetry.enabled", false);
    ret->hints.ssr_enabled = ps_map_get_bool(&hints->map, "ssr.enabled", false);
}

static const char *take_text(struct nb_str s, struct nb_arena *arena, struct nb_error *err)
{
    char *p = nb_arena_alloc(arena, s.n + 1, err);

    if (!p)
        return NULL;
    copy_text(p, s.n + 1, s);
    return p;
}

static bool take_str(struct nb_str s, struct nb_arena *arena, struct nb_str *ret,
                     struct nb_error *err)
{
    ret->p = take_text(s, arena, err);
    ret->n = s.n;
    return ret->p != NULL;
}

static void parse_stats(const struct ps_map *m, struct bolt_stats *ret)
{
    const struct {
        const char *key;
        int64_t *value;
    } counters[] = {
        { "nodes-created", &ret->nodes_created },
        { "nodes-deleted", &ret->nodes_deleted },
        { "relationships-created", &ret->relationships_created },
        { "relationships-deleted", &ret->relationships_deleted },
        { "properties-set", &ret->properties_set },
        { "labels-added", &ret->labels_added },
        { "labels-removed", &ret->labels_removed },
        { "indexes-added", &ret->indexes_added },
        { "indexes-removed", &ret->indexes_removed },
        { "constraints-added", &ret->constraints_added },
        { "constraints-removed", &ret->constraints_removed },
        { "system-updates", &ret->system_updates },
    };

    for (size_t i = 0; i < NB_ARRAY_LEN(counters); i++)
        *counters[i].value = ps_map_get_int(m, counters[i].key, 0);
}

static bool parse_notification(const struct ps_map *m, struct nb_arena *arena,
                               struct bolt_notification *ret, struct nb_error *err)
{
    struct nb_str description = ps_map_get_str(m, "description");
    struct nb_str code = ps_map_get_str(m, "code");

    if (!code.p)
        code = ps_map_get_str(m, "neo4j_code");
    if (!description.p)
        description = ps_map_get_str(m, "status_description");
    return take_str(code, arena, &ret->code, err) &&
           take_str(ps_map_get_str(m, "gql_status"), arena, &ret->gql_status, err) &&
           take_str(ps_map_get_str(m, "severity"), arena, &ret->severity, err) &&
           take_str(description, arena, &ret->description, err);
}

/* From 5.6 on the plain outcomes (00: success, 02: no data) are statuses too. */
static bool is_notification(const struct ps_value *v)
{
    struct nb_str status;

    if (v->type != PS_MAP)
        return false;
    status = ps_map_get_str(&v->map, "gql_status");
    return ps_map_get(&v->map, "code") || ps_map_get(&v->map, "neo4j_code") ||
           (status.n >= 2 && memcmp(status.p, "00", 2) != 0 && memcmp(status.p, "02", 2) != 0);
}

static bool parse_notifications(const struct ps_map *meta, struct nb_arena *arena,
                                struct bolt_summary *ret, struct nb_error *err)
{
    const struct ps_value *list = ps_map_get(meta, "notifications");
    struct bolt_notification *out;

    if (!list)
        list = ps_map_get(meta, "statuses");
    if (!list || list->type != PS_LIST)
        return true;
    out = nb_arena_alloc(arena, list->list.n * sizeof(*out), err);
    if (!out)
        return false;
    for (size_t i = 0; i < list->list.n; i++) {
        const struct ps_value *v = &list->list.items[i];

        if (is_notification(v) &&
            !parse_notification(&v->map, arena, &out[ret->nnotifications++], err))
            return false;
    }
    ret->notifications = out;
    return true;
}

/* Trees are as deep as the decoder lets them be. */
static bool parse_plan(const struct ps_map *root, struct nb_arena *arena, struct bolt_summary *ret,
                       struct nb_error *err)
{
    const struct ps_map *leaf = root;
    const struct ps_value *args;

    for (;;) {
        const struct ps_value *children = ps_map_get(leaf, "children");

        if (!children || children->type != PS_LIST || children->list.n == 0 ||
            children->list.items[0].type != PS_MAP)
            break;
        leaf = &children->list.items[0].map;
    }
    args = ps_map_get(leaf, "args");
    return take_str(ps_map_get_str(root, "operatorType"), arena, &ret->plan_operator, err) &&
           take_str(ps_map_get_str(leaf, "operatorType"), arena, &ret->plan_leaf, err) &&
           (!args || args->type != PS_MAP ||
            take_str(ps_map_get_str(&args->map, "Details"), arena, &ret->plan_leaf_details, err));
}

bool bolt_summary_parse(const struct ps_map *meta, struct nb_arena *arena, struct bolt_summary *ret,
                        struct nb_error *err)
{
    const struct ps_value *stats = ps_map_get(meta, "stats");
    const struct ps_value *plan = ps_map_get(meta, "profile");

    ret->bookmark = take_text(ps_map_get_str(meta, "bookmark"), arena, err);
    ret->db = ret->bookmark ? take_text(ps_map_get_str(meta, "db"), arena, err) : NULL;
    if (!ret->db)
        return false;
    copy_text(ret->query_type, sizeof(ret->query_type), ps_map_get_str(meta, "type"));
    ret->t_last_ms = ps_map_get_int(meta, "t_last", -1);
    if (stats && stats->type == PS_MAP)
        parse_stats(&stats->map, &ret->stats);
    if (!plan)
        plan = ps_map_get(meta, "plan");
    ret->has_plan = plan && plan->type == PS_MAP;
    if (ret->has_plan && !parse_plan(&plan->map, arena, ret, err))
        return false;
    return parse_notifications(meta, arena, ret, err);
}

/* --- failures --------------------------------------------------------------------------------- */

void bolt_failure_parse(const struct ps_map *meta, struct bolt_failure *ret)
{
    struct nb_str code = ps_map_get_str(meta, "neo4j_code"); /* from 5.7 */

    *ret = (struct bolt_failure){ .code = "" };
    if (!code.p)
        code = ps_map_get_str(meta, "code");
    copy_text(ret->code, sizeof(ret->code), code);
    copy_text(ret->gql_status, sizeof(ret->gql_status), ps_map_get_str(meta, "gql_status"));
    copy_text(ret->message, sizeof(ret->message), ps_map_get_str(meta, "message"));
    if (ret->code[0] == '\0')
        copy_text(ret->code, sizeof(ret->code), NB_STR("Neo.DatabaseError.General.UnknownError"));
}

#define CLIENT   "Neo.ClientError."
#define SECURITY CLIENT "Security."

enum failure_class {
    CLASS_QUERY,
    CLASS_AUTHENTICATION,
    CLASS_DENIED,
    CLASS_TRANSIENT,
    CLASS_REAUTH,
    CLASS_TERMINATED,
    CLASS_TIMED_OUT,
    CLASS_NO_DATABASE,
    CLASS_SERVER,
};

/* The first that fits: a whole code, or a prefix that ends in a dot. */
static const struct {
    const char *code;
    enum failure_class class;
} classes[] = {
    { SECURITY "Unauthorized", CLASS_AUTHENTICATION },
    { SECURITY "AuthenticationRateLimit", CLASS_AUTHENTICATION },
    { SECURITY "CredentialsExpired", CLASS_AUTHENTICATION },
    { SECURITY "TokenExpired", CLASS_AUTHENTICATION },
    { SECURITY "AuthorizationExpired", CLASS_REAUTH },
    { SECURITY, CLASS_DENIED },
    { CLIENT "Database.DatabaseNotFound", CLASS_NO_DATABASE },
    { CLIENT "Database.HomeDatabaseNotFound", CLASS_NO_DATABASE },
    { CLIENT "Cluster.NotALeader", CLASS_TRANSIENT },
    { CLIENT "General.ForbiddenOnReadOnlyDatabase", CLASS_TRANSIENT },
    { CLIENT "Transaction.TransactionTimedOut", CLASS_TIMED_OUT },
    { CLIENT "Transaction.TransactionTimedOutClientConfiguration", CLASS_TIMED_OUT },
    { CLIENT "Transaction.Terminated", CLASS_TERMINATED },
    { CLIENT "Transaction.LockClientStopped", CLASS_TERMINATED },
    { CLIENT, CLASS_QUERY },
    { "Neo.TransientError.Transaction.Terminated", CLASS_TERMINATED },
    { "Neo.TransientError.Transaction.LockClientStopped", CLASS_TERMINATED },
    { "Neo.TransientError.", CLASS_TRANSIENT },
    { "Neo.DatabaseError.", CLASS_SERVER },
};

static enum failure_class classify(const char *code)
{
    for (size_t i = 0; i < NB_ARRAY_LEN(classes); i++)
        if (nb_ends_with(classes[i].code, ".") ? nb_starts_with(code, classes[i].code)
                                               : nb_streq(code, classes[i].code))
            return classes[i].class;
    return CLASS_SERVER;
}

bool bolt_failure_to_error(const struct bolt_failure *f, struct nb_error *err)
{
    static const struct {
        enum nb_code code;
        const char *reason;
    } errors[] = {
        [CLASS_QUERY] = { NB_E_INVALID, "Neo4jQueryFailed" },
        [CLASS_AUTHENTICATION] = { NB_E_DENIED, "Neo4jAuthenticationFailed" },
        [CLASS_DENIED] = { NB_E_DENIED, "Neo4jDenied" },
        [CLASS_TRANSIENT] = { NB_E_UNAVAILABLE, "Neo4jTransient" },
        [CLASS_REAUTH] = { NB_E_UNAVAILABLE, "Neo4jTransient" },
        [CLASS_TERMINATED] = { NB_E_INVALID, "Neo4jTransactionTerminated" },
        [CLASS_TIMED_OUT] = { NB_E_INVALID, "Neo4jTransactionTimedOut" },
        [CLASS_NO_DATABASE] = { NB_E_NOT_FOUND, "Neo4jDatabaseNotFound" },
        [CLASS_SERVER] = { NB_E_INTERNAL, "Neo4jServerError" },
    };
    enum failure_class class = classify(f->code);

    if (class != CLASS_AUTHENTICATION)
        return nb_fail(err, errors[class].code, errors[class].reason, "Neo4j answered %s: %s",
                       f->code, f->message);
    (void)nb_fail(err, errors[class].code, errors[class].reason,
                  "Neo4j authentication failed: %s: %s", f->code, f->message);
    return nb_hint(err, "check NEO4J_USER and NEO4J_PASSWORD");
}

bool bolt_retryable(const struct bolt_failure *f)
{
    enum failure_class class;

    if (f->connection_lost)
        return !f->outcome_unknown;
    class = classify(f->code);
    return class == CLASS_TRANSIENT || class == CLASS_REAUTH;
}

bool bolt_needs_new_conn(const struct bolt_failure *f)
{
    return f->connection_lost || classify(f->code) == CLASS_REAUTH;
}
