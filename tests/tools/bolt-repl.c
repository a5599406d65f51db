/*
 * bolt-repl: the Bolt client on a string, to be compared with other drivers. One JSON command a
 * line on standard input, one JSON answer a line on standard output.
 *
 *   {"cmd":"connect","uri":"bolt://localhost","user":"neo4j","password":"...","token":null,
 *    "caFile":null,"userAgent":null,"connectTimeoutMs":0,"readTimeoutMs":0,"db":null,"mode":"w",
 *    "maxMajor":0,"maxMinor":0}          db, mode: of neo4j schemes; no version above the maximum
 *   {"cmd":"run","query":"RETURN $x","params":{"x":{"$type":"Int","value":"1"}},"db":null,
 *    "mode":"w","txTimeoutMs":0,"bookmarks":[],"impUser":null,"fetchSize":0}
 *   {"cmd":"pull","n":10}     n rows at most; "done" and "summary" at the end
 *   {"cmd":"discard"} {"cmd":"begin", as run} {"cmd":"commit"} {"cmd":"rollback"} {"cmd":"reset"}
 *   {"cmd":"close"}
 *
 * Values are {"$type":T,"value":V}: Null, Bool, Int (text), Float (17 digits as text, NaN,
 * Infinity, -Infinity), String, Bytes (base64), List, Map, Date, Time, LocalTime, DateTime,
 * LocalDateTime, Duration, Point, Vector, Uuid, Node, Relationship, UnboundRelationship, Path,
 * Unsupported. Answers: {"ok":true,...} or {"ok":false,"error":{"code","reason","text","failure"}}.
 */

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/b64.h"
#include "base/json.h"
#include "base/mem.h"
#include "bolt/bolt.h"

enum { LINE_MAX_BYTES = 256 << 20, DEPTH_MAX = 20 };

struct repl {
    struct bolt_conn *conn;
    struct bolt_cursor *cur;
    struct nb_buf out;
};

/* --- values out ------------------------------------------------------------------------------- */

static void write_value(struct nb_jw *w, const struct ps_value *v, unsigned depth);

static void kv_i64_text(struct nb_jw *w, const char *key, int64_t v)
{
    char text[24];

    (void)snprintf(text, sizeof(text), "%" PRId64, v);
    nb_jw_kv_str(w, key, text);
}

static void kv_str(struct nb_jw *w, const char *key, struct nb_str s)
{
    nb_jw_key(w, key);
    if (s.p)
        nb_jw_strn(w, s.p, s.n);
    else
        nb_jw_null(w);
}

static const char *float_text(double d, char out[40])
{
    if (isnan(d))
        return "NaN";
    if (isinf(d))
        return d > 0 ? "Infinity" : "-Infinity";
    (void)snprintf(out, 40, "%.17g", d);
    return out;
}

static void kv_float(struct nb_jw *w, const char *key, double d)
{
    char text[40];

    nb_jw_kv_str(w, key, float_text(d, text));
}

static void kv_bytes(struct nb_jw *w, const char *key, const void *p, size_t n)
{
    nb_auto_done(nb_buf_done) struct nb_buf b64 = NB_BUF_INIT(LINE_MAX_BYTES);

    nb_b64_encode(p, n, &b64);
    nb_jw_kv_str(w, key, nb_buf_cstr(&b64));
}

static void write_pairs(struct nb_jw *w, const struct ps_map *m, unsigned depth)
{
    nb_jw_object(w);
    for (size_t i = 0; i < m->n; i++) {
        nb_auto(nb_free) char *key = nb_xstrndup(m->pairs[i].key.p, m->pairs[i].key.n);

        nb_jw_key(w, key);
        write_value(w, &m->pairs[i].value, depth + 1);
    }
    nb_jw_object_end(w);
}

static void write_list(struct nb_jw *w, const struct ps_value *v, unsigned depth)
{
    nb_jw_array(w);
    for (size_t i = 0; i < ps_list_count(v); i++) {
        struct ps_value item = ps_list_get(v, i);

        write_value(w, &item, depth + 1);
    }
    nb_jw_array_end(w);
}

static void write_node(struct nb_jw *w, const struct ps_node *n, unsigned depth)
{
    kv_i64_text(w, "id", n->id);
    nb_jw_key(w, "labels");
    nb_jw_array(w);
    for (size_t i = 0; i < n->nlabels; i++)
        nb_jw_strn(w, n->labels[i].p, n->labels[i].n);
    nb_jw_array_end(w);
    nb_jw_key(w, "props");
    write_pairs(w, &n->props, depth);
    kv_str(w, "elementId", n->element_id);
}

static void write_rel(struct nb_jw *w, const struct ps_rel *r, bool bound, unsigned depth)
{
    kv_i64_text(w, "id", r->id);
    if (bound) {
        kv_i64_text(w, "start", r->start_id);
        kv_i64_text(w, "end", r->end_id);
    }
    kv_str(w, "type", r->type);
    nb_jw_key(w, "props");
    write_pairs(w, &r->props, depth);
    kv_str(w, "elementId", r->element_id);
    if (bound) {
        kv_str(w, "startElementId", r->start_element_id);
        kv_str(w, "endElementId", r->end_element_id);
    }
}

static void write_path(struct nb_jw *w, const struct ps_path *p, unsigned depth)
{
    struct ps_value nodes = { .type = PS_LIST, .list = { p->nodes, p->nnodes } };
    struct ps_value rels = { .type = PS_LIST, .list = { p->rels, p->nrels } };

    nb_jw_key(w, "nodes");
    write_list(w, &nodes, depth);
    nb_jw_key(w, "rels");
    write_list(w, &rels, depth);
    nb_jw_key(w, "indices");
    nb_jw_array(w);
    for (size_t i = 0; i < p->nindices; i++)
        nb_jw_i64(w, p->indices[i]);
    nb_jw_array_end(w);
}

static void write_datetime(struct nb_jw *w, const struct ps_datetime *t)
{
    kv_i64_text(w, "seconds", t->seconds);
    nb_jw_kv_i64(w, "nanos", t->nanos);
    if (t->zone.n)
        kv_str(w, "zone", t->zone);
    else
        nb_jw_kv_i64(w, "offset", t->offset_seconds);
    nb_jw_kv_bool(w, "local", t->local);
}

static void write_duration(struct nb_jw *w, const struct ps_duration *d)
{
    kv_i64_text(w, "months", d->months);
    kv_i64_text(w, "days", d->days);
    kv_i64_text(w, "seconds", d->seconds);
    nb_jw_kv_i64(w, "nanos", d->nanos);
}

static void write_point(struct nb_jw *w, const struct ps_point *p)
{
    nb_jw_kv_i64(w, "srid", p->srid);
    kv_float(w, "x", p->x);
    kv_float(w, "y", p->y);
    if (p->dimensions == 3)
        kv_float(w, "z", p->z);
}

static void write_struct(struct nb_jw *w, const struct ps_value *v, unsigned depth)
{
    switch (v->type) {
    case PS_NODE:
        write_node(w, v->node, depth);
        break;
    case PS_REL:
    case PS_UNBOUND_REL:
        write_rel(w, v->rel, v->type == PS_REL, depth);
        break;
    case PS_PATH:
        write_path(w, v->path, depth);
        break;
    case PS_DATE:
        kv_i64_text(w, "days", v->date_days);
        break;
    case PS_TIME:
        nb_jw_kv_i64(w, "offset", v->time.offset_seconds);
        kv_i64_text(w, "nanos", v->time.nanos);
        break;
    case PS_LOCALTIME:
        kv_i64_text(w, "nanos", v->time.nanos);
        break;
    case PS_DATETIME:
        write_datetime(w, &v->datetime);
        break;
    case PS_LOCALDATETIME:
        kv_i64_text(w, "seconds", v->localdatetime.seconds);
        nb_jw_kv_i64(w, "nanos", v->localdatetime.nanos);
        break;
    case PS_DURATION:
        write_duration(w, &v->duration);
        break;
    case PS_POINT:
        write_point(w, &v->point);
        break;
    case PS_VECTOR:
        nb_jw_kv_i64(w, "elem", v->vector.elem);
        kv_bytes(w, "value", v->vector.p, v->vector.n * ps_vector_elem_bytes(v->vector.elem));
        break;
    case PS_UUID:
        kv_bytes(w, "value", v->uuid, sizeof(v->uuid));
        break;
    default:
        kv_str(w, "name", v->unsupported->type_name);
        break;
    }
}

static const char *type_word(enum ps_type type)
{
    static const char *const words[] = {
        [PS_NULL] = "Null",
        [PS_BOOL] = "Bool",
        [PS_INT] = "Int",
        [PS_FLOAT] = "Float",
        [PS_BYTES] = "Bytes",
        [PS_STRING] = "String",
        [PS_LIST] = "List",
        [PS_FLOATS] = "List",
        [PS_MAP] = "Map",
        [PS_NODE] = "Node",
        [PS_REL] = "Relationship",
        [PS_UNBOUND_REL] = "UnboundRelationship",
        [PS_PATH] = "Path",
        [PS_DATE] = "Date",
        [PS_TIME] = "Time",
        [PS_LOCALTIME] = "LocalTime",
        [PS_DATETIME] = "DateTime",
        [PS_LOCALDATETIME] = "LocalDateTime",
        [PS_DURATION] = "Duration",
        [PS_POINT] = "Point",
        [PS_VECTOR] = "Vector",
        [PS_UUID] = "Uuid",
        [PS_UNSUPPORTED] = "Unsupported",
    };

    return words[type];
}

static void write_value(struct nb_jw *w, const struct ps_value *v, unsigned depth)
{
    nb_jw_object(w);
    nb_jw_kv_str(w, "$type", depth > DEPTH_MAX ? "TooDeep" : type_word(v->type));
    if (depth <= DEPTH_MAX) {
        switch (v->type) {
        case PS_NULL:
            break;
        case PS_BOOL:
            nb_jw_kv_bool(w, "value", v->boolean);
            break;
        case PS_INT:
            kv_i64_text(w, "value", v->integer);
            break;
        case PS_FLOAT:
            kv_float(w, "value", v->real);
            break;
        case PS_BYTES:
            kv_bytes(w, "value", v->bytes.p, v->bytes.n);
            break;
        case PS_STRING:
            kv_str(w, "value", v->string);
            break;
        case PS_LIST:
        case PS_FLOATS:
            nb_jw_key(w, "value");
            write_list(w, v, depth);
            break;
        case PS_MAP:
            nb_jw_key(w, "value");
            write_pairs(w, &v->map, depth);
            break;
        default:
            write_struct(w, v, depth);
            break;
        }
    }
    nb_jw_object_end(w);
}

/* --- values in -------------------------------------------------------------------------------- */

static bool read_value(struct ps_encoder *e, const struct nb_json *j, struct nb_error *err);

static int64_t member_i64(const struct nb_json *j, const char *key)
{
    const struct nb_json *v = nb_json_get(j, key);
    int64_t n = 0;

    /* 64-bit integers are texts, but a number will do too. */
    if (nb_json_type(v) == NB_JSON_STRING)
        return nb_parse_i64(nb_json_str(v, "0"), INT64_MIN, INT64_MAX, &n) ? n : 0;
    return nb_json_i64(v, 0);
}

static double member_f64(const struct nb_json *j, const char *key)
{
    return strtod(nb_json_str(nb_json_get(j, key), "0"), NULL);
}

static bool read_pairs(struct ps_encoder *e, const struct nb_json *j, struct nb_error *err)
{
    ps_put_map(e, nb_json_count(j));
    for (const struct nb_json *c = nb_json_first(j); c; c = nb_json_next(c)) {
        ps_put_cstr(e, nb_json_key(c));
        if (!read_value(e, c, err))
            return false;
    }
    return true;
}

static bool read_items(struct ps_encoder *e, const struct nb_json *j, struct nb_error *err)
{
    ps_put_list(e, nb_json_count(j));
    for (const struct nb_json *c = nb_json_first(j); c; c = nb_json_next(c))
        if (!read_value(e, c, err))
            return false;
    return true;
}

static bool read_bytes(const struct nb_json *j, struct nb_buf *out, struct nb_error *err)
{
    const char *text = nb_json_str(nb_json_get(j, "value"), "");

    return nb_b64_decode(text, strlen(text), out, err);
}

static bool put_raw(struct ps_encoder *e, const struct nb_json *j, const char *type,
                    struct nb_error *err)
{
    nb_auto_done(nb_buf_done) struct nb_buf raw = NB_BUF_INIT(LINE_MAX_BYTES);
    struct ps_value v = { .type = PS_VECTOR };

    if (!read_bytes(j, &raw, err))
        return false;
    if (nb_streq(type, "Bytes")) {
        ps_put_bytes(e, nb_buf_cstr(&raw), raw.len);
        return true;
    }
    if (nb_streq(type, "Uuid")) {
        v.type = PS_UUID;
        if (raw.len != sizeof(v.uuid))
            return nb_fail(err, NB_E_INVALID, "Invalid", "uuid needs 16 bytes");
        memcpy(v.uuid, raw.data, sizeof(v.uuid));
    } else {
        v.vector.elem = (enum ps_vector_type)member_i64(j, "elem");
        if (ps_vector_elem_bytes(v.vector.elem) == 0)
            return nb_fail(err, NB_E_INVALID, "Invalid", "vector element type is unknown");
        v.vector.p = (const unsigned char *)nb_buf_cstr(&raw);
        v.vector.n = raw.len / ps_vector_elem_bytes(v.vector.elem);
    }
    ps_put_value(e, &v);
    return true;
}

static bool read_temporal(struct ps_encoder *e, const struct nb_json *j, const char *type,
                          struct nb_error *err)
{
    struct ps_value v = { .type = PS_NULL };

    if (nb_streq(type, "Date")) {
        v.type = PS_DATE;
        v.date_days = member_i64(j, "days");
    } else if (nb_streq(type, "Time") || nb_streq(type, "LocalTime")) {
        v.type = nb_streq(type, "Time") ? PS_TIME : PS_LOCALTIME;
        v.time.nanos = member_i64(j, "nanos");
        v.time.offset_seconds = (int32_t)member_i64(j, "offset");
    } else if (nb_streq(type, "DateTime")) {
        v.type = PS_DATETIME;
        v.datetime.seconds = member_i64(j, "seconds");
        v.datetime.nanos = (int32_t)member_i64(j, "nanos");
        v.datetime.offset_seconds = (int32_t)member_i64(j, "offset");
        v.datetime.zone = nb_str_from(nb_json_str(nb_json_get(j, "zone"), ""));
        v.datetime.local = nb_json_bool(nb_json_get(j, "local"), false);
    } else if (nb_streq(type, "LocalDateTime")) {
        v.type = PS_LOCALDATETIME;
        v.localdatetime.seconds = member_i64(j, "seconds");
        v.localdatetime.nanos = (int32_t)member_i64(j, "nanos");
    } else if (nb_streq(type, "Duration")) {
        v.type = PS_DURATION;
        v.duration.months = member_i64(j, "months");
        v.duration.days = member_i64(j, "days");
        v.duration.seconds = member_i64(j, "seconds");
        v.duration.nanos = (int32_t)member_i64(j, "nanos");
    } else {
        return nb_fail(err, NB_E_INVALID, "Invalid", "type '%s' cannot be sent", type);
    }
    ps_put_value(e, &v);
    return true;
}

static void read_point(struct ps_encoder *e, const struct nb_json *j)
{
    struct ps_value v = { .type = PS_POINT };

    v.point.srid = (int32_t)member_i64(j, "srid");
    v.point.dimensions = nb_json_get(j, "z") ? 3 : 2;
    v.point.x = member_f64(j, "x");
    v.point.y = member_f64(j, "y");
    v.point.z = member_f64(j, "z");
    ps_put_value(e, &v);
}

static bool read_value(struct ps_encoder *e, const struct nb_json *j, struct nb_error *err)
{
    const char *type = nb_json_str(nb_json_get(j, "$type"), "");
    const struct nb_json *value = nb_json_get(j, "value");

    if (nb_streq(type, "Null"))
        ps_put_null(e);
    else if (nb_streq(type, "Bool"))
        ps_put_bool(e, nb_json_bool(value, false));
    else if (nb_streq(type, "Int"))
        ps_put_int(e, member_i64(j, "value"));
    else if (nb_streq(type, "Float"))
        ps_put_float(e, member_f64(j, "value"));
    else if (nb_streq(type, "String"))
        ps_put_cstr(e, nb_json_str(value, ""));
    else if (nb_streq(type, "Point"))
        read_point(e, j);
    else if (nb_streq(type, "List"))
        return read_items(e, value, err);
    else if (nb_streq(type, "Map"))
        return read_pairs(e, value, err);
    else if (nb_streq(type, "Bytes") || nb_streq(type, "Uuid") || nb_streq(type, "Vector"))
        return put_raw(e, j, type, err);
    else
        return read_temporal(e, j, type, err);
    return true;
}

/* --- answers ---------------------------------------------------------------------------------- */

static void write_failure(struct nb_jw *w, const struct bolt_failure *f)
{
    nb_jw_key(w, "failure");
    if (!f) {
        nb_jw_null(w);
        return;
    }
    nb_jw_object(w);
    nb_jw_kv_str(w, "code", f->code);
    nb_jw_kv_str(w, "gqlStatus", f->gql_status);
    nb_jw_kv_str(w, "message", f->message);
    nb_jw_kv_bool(w, "connectionLost", f->connection_lost);
    nb_jw_kv_bool(w, "outcomeUnknown", f->outcome_unknown);
    nb_jw_kv_bool(w, "retryable", bolt_retryable(f));
    nb_jw_object_end(w);
}

static void answer_error(struct repl *r, const struct nb_error *err)
{
    struct nb_jw w = NB_JW_INIT(&r->out);

    nb_buf_clear(&r->out);
    nb_jw_object(&w);
    nb_jw_kv_bool(&w, "ok", false);
    nb_jw_key(&w, "error");
    nb_jw_object(&w);
    nb_jw_kv_str(&w, "code", nb_code_name(err->code));
    nb_jw_kv_str(&w, "reason", err->reason);
    nb_jw_kv_str(&w, "text", err->text);
    write_failure(&w, r->conn ? bolt_conn_last_failure(r->conn) : NULL);
    nb_jw_object_end(&w);
    nb_jw_object_end(&w);
}

static void write_stats(struct nb_jw *w, const struct bolt_stats *s)
{
    nb_jw_key(w, "stats");
    nb_jw_object(w);
    nb_jw_kv_i64(w, "nodesCreated", s->nodes_created);
    nb_jw_kv_i64(w, "nodesDeleted", s->nodes_deleted);
    nb_jw_kv_i64(w, "relationshipsCreated", s->relationships_created);
    nb_jw_kv_i64(w, "relationshipsDeleted", s->relationships_deleted);
    nb_jw_kv_i64(w, "propertiesSet", s->properties_set);
    nb_jw_kv_i64(w, "labelsAdded", s->labels_added);
    nb_jw_kv_i64(w, "labelsRemoved", s->labels_removed);
    nb_jw_kv_i64(w, "indexesAdded", s->indexes_added);
    nb_jw_kv_i64(w, "indexesRemoved", s->indexes_removed);
    nb_jw_kv_i64(w, "constraintsAdded", s->constraints_added);
    nb_jw_kv_i64(w, "constraintsRemoved", s->constraints_removed);
    nb_jw_kv_i64(w, "systemUpdates", s->system_updates);
    nb_jw_object_end(w);
}

static void write_summary(struct nb_jw *w, const struct bolt_summary *s)
{
    nb_jw_key(w, "summary");
    if (!s) {
        nb_jw_null(w);
        return;
    }
    nb_jw_object(w);
    nb_jw_kv_str(w, "bookmark", s->bookmark);
    nb_jw_kv_str(w, "db", s->db);
    nb_jw_kv_str(w, "type", s->query_type);
    nb_jw_kv_i64(w, "tFirst", s->t_first_ms);
    nb_jw_kv_i64(w, "tLast", s->t_last_ms);
    if (s->has_plan)
        kv_str(w, "planOperator", s->plan_operator);
    nb_jw_kv_i64(w, "notifications", (int64_t)s->nnotifications);
    write_stats(w, &s->stats);
    nb_jw_object_end(w);
}

/* --- commands --------------------------------------------------------------------------------- */

static const char *text_of(const struct nb_json *j, const char *key)
{
    return nb_json_str(nb_json_get(j, key), NULL);
}

static char *read_all(const char *path)
{
    FILE *f = fopen(path, "rb");
    char *data = nb_xcalloc(1, 1 << 20);

    if (f) {
        (void)!fread(data, 1, (1 << 20) - 1, f);
        fclose(f);
    }
    return data;
}

static void drop_cursor(struct repl *r)
{
    bolt_cursor_close(r->cur);
    r->cur = NULL;
}

static void drop_conn(struct repl *r)
{
    drop_cursor(r);
    bolt_conn_close(r->conn);
    r->conn = NULL;
}

static bool cmd_connect(struct repl *r, const struct nb_json *j, struct nb_jw *w,
                        struct nb_error *err)
{
    const char *password = text_of(j, "password"), *token = text_of(j, "token");
    const char *ca_file = text_of(j, "caFile"), *credentials = token ? token : password;
    nb_auto(nb_secret_free) struct nb_secret *secret =
        credentials ? nb_secret_new(credentials, strlen(credentials)) : NULL;
    nb_auto(nb_free) char *ca = ca_file ? read_all(ca_file) : NULL;
    struct bolt_conn_opts opts = BOLT_CONN_OPTS_INIT;
    char version[16];

    drop_conn(r);
    opts.uri = text_of(j, "uri");
    opts.auth = token ? BOLT_AUTH_BEARER : password ? BOLT_AUTH_BASIC : BOLT_AUTH_NONE;
    opts.user = text_of(j, "user");
    opts.secret = secret;
    opts.user_agent = text_of(j, "userAgent");
    opts.ca_pem = ca;
    opts.ca_pem_n = ca ? strlen(ca) : 0;
    opts.connect_timeout_ms = member_i64(j, "connectTimeoutMs");
    opts.read_timeout_ms = member_i64(j, "readTimeoutMs");
    opts.db = text_of(j, "db");
    opts.mode = nb_streq(text_of(j, "mode"), "r") ? BOLT_MODE_READ : BOLT_MODE_WRITE;
    opts.max_version.major = (uint8_t)member_i64(j, "maxMajor");
    opts.max_version.minor = (uint8_t)member_i64(j, "maxMinor");
    if (!bolt_conn_open(&opts, NULL, &r->conn, err))
        return false;
    (void)snprintf(version, sizeof(version), "%u.%u", bolt_conn_version(r->conn).major,
                   bolt_conn_version(r->conn).minor);
    nb_jw_kv_str(w, "agent", bolt_conn_server_agent(r->conn));
    nb_jw_kv_str(w, "connectionId", bolt_conn_connection_id(r->conn));
    nb_jw_kv_str(w, "address", bolt_conn_address(r->conn));
    nb_jw_kv_str(w, "version", version);
    nb_jw_kv_bool(w, "utc", bolt_conn_hints(r->conn)->utc_datetimes);
    nb_jw_kv_i64(w, "recvTimeoutSeconds", bolt_conn_hints(r->conn)->recv_timeout_seconds);
    return true;
}

struct run_text {
    struct bolt_run_opts opts;
    const char *bookmarks[64];
};

static void read_run_opts(const struct nb_json *j, struct run_text *t)
{
    size_t n = 0;

    *t = (struct run_text){ .opts = { .db = text_of(j, "db") } };
    for (const struct nb_json *c = nb_json_first(nb_json_get(j, "bookmarks"));
         c && n < NB_ARRAY_LEN(t->bookmarks); c = nb_json_next(c))
        t->bookmarks[n++] = nb_json_str(c, "");
    t->opts.bookmarks = t->bookmarks;
    t->opts.nbookmarks = n;
    t->opts.mode = nb_streq(text_of(j, "mode"), "r") ? BOLT_MODE_READ : BOLT_MODE_WRITE;
    t->opts.tx_timeout_ms = member_i64(j, "txTimeoutMs");
    t->opts.imp_user = text_of(j, "impUser");
    t->opts.fetch_size = member_i64(j, "fetchSize");
}

static bool cmd_run(struct repl *r, const struct nb_json *j, struct nb_jw *w, struct nb_error *err)
{
    nb_auto_done(nb_buf_done) struct nb_buf params = NB_BUF_INIT(LINE_MAX_BYTES);
    struct ps_encoder e = bolt_conn_encoder(r->conn, &params);
    const struct nb_json *given = nb_json_get(j, "params");
    const struct nb_str *keys;
    struct run_text t;
    size_t n;

    drop_cursor(r);
    read_run_opts(j, &t);
    if (nb_json_type(given) == NB_JSON_OBJECT &&
        (!read_pairs(&e, given, err) || !ps_encoder_check(&e, err)))
        return false;
    if (!bolt_run(r->conn, nb_json_str(nb_json_get(j, "query"), ""), nb_buf_str(&params), &t.opts,
                  &r->cur, err))
        return false;
    keys = bolt_cursor_keys(r->cur, &n);
    nb_jw_key(w, "keys");
    nb_jw_array(w);
    for (size_t i = 0; i < n; i++)
        nb_jw_strn(w, keys[i].p, keys[i].n);
    nb_jw_array_end(w);
    return true;
}

static bool write_rows(struct repl *r, int64_t max, struct nb_jw *w, bool *ret_done,
                       struct nb_error *err)
{
    const struct ps_value *fields;
    size_t n;

    *ret_done = false;
    for (int64_t i = 0; i < max || max < 0; i++) {
        if (!bolt_cursor_next(r->cur, &fields, &n, ret_done, err))
            return false;
        if (*ret_done)
            return true;
        nb_jw_array(w);
        for (size_t k = 0; k < n; k++)
            write_value(w, &fields[k], 0);
        nb_jw_array_end(w);
    }
    return true;
}

static bool cmd_pull(struct repl *r, const struct nb_json *j, struct nb_jw *w, struct nb_error *err)
{
    bool done;

    if (!r->cur)
        return nb_fail(err, NB_E_INVALID, "Invalid", "there is no result");
    nb_jw_key(w, "rows");
    nb_jw_array(w);
    if (!write_rows(r, nb_json_i64(nb_json_get(j, "n"), -1), w, &done, err))
        return false;
    nb_jw_array_end(w);
    nb_jw_kv_bool(w, "done", done);
    write_summary(w, bolt_cursor_summary(r->cur));
    return true;
}

static bool cmd_discard(struct repl *r, const struct nb_json *j, struct nb_jw *w,
                        struct nb_error *err)
{
    (void)j;
    if (!r->cur)
        return nb_fail(err, NB_E_INVALID, "Invalid", "there is no result");
    if (!bolt_cursor_discard(r->cur, err))
        return false;
    write_summary(w, bolt_cursor_summary(r->cur));
    return true;
}

static bool cmd_begin(struct repl *r, const struct nb_json *j, struct nb_jw *w,
                      struct nb_error *err)
{
    struct run_text t;

    (void)w;
    drop_cursor(r);
    read_run_opts(j, &t);
    return bolt_begin(r->conn, &t.opts, err);
}

static bool cmd_commit(struct repl *r, const struct nb_json *j, struct nb_jw *w,
                       struct nb_error *err)
{
    (void)j;
    drop_cursor(r);
    if (!bolt_commit(r->conn, err))
        return false;
    nb_jw_kv_str(w, "bookmark", bolt_conn_last_bookmark(r->conn));
    return true;
}

static bool cmd_rollback(struct repl *r, const struct nb_json *j, struct nb_jw *w,
                         struct nb_error *err)
{
    (void)j;
    (void)w;
    drop_cursor(r);
    return bolt_rollback(r->conn, err);
}

static bool cmd_reset(struct repl *r, const struct nb_json *j, struct nb_jw *w,
                      struct nb_error *err)
{
    (void)j;
    (void)w;
    return bolt_reset(r->conn, err);
}

static bool cmd_close(struct repl *r, const struct nb_json *j, struct nb_jw *w,
                      struct nb_error *err)
{
    (void)j;
    (void)w;
    (void)err;
    drop_conn(r);
    return true;
}

static const struct command {
    const char *name;
    bool needs_conn;
    bool (*run)(struct repl *r, const struct nb_json *j, struct nb_jw *w, struct nb_error *err);
} commands[] = {
    { "connect", false, cmd_connect },  { "run", true, cmd_run },
    { "pull", true, cmd_pull },         { "discard", true, cmd_discard },
    { "begin", true, cmd_begin },       { "commit", true, cmd_commit },
    { "rollback", true, cmd_rollback }, { "reset", true, cmd_reset },
    { "close", false, cmd_close },
};

static bool dispatch(struct repl *r, const struct nb_json *j, struct nb_jw *w, struct nb_error *err)
{
    const char *name = nb_json_str(nb_json_get(j, "cmd"), "");

    for (size_t i = 0; i < NB_ARRAY_LEN(commands); i++) {
        if (!nb_streq(commands[i].name, name))
            continue;
        if (commands[i].needs_conn && !r->conn)
            return nb_fail(err, NB_E_INVALID, "Invalid", "there is no connection");
        return commands[i].run(r, j, w, err);
    }
    return nb_fail(err, NB_E_INVALID, "Invalid", "command '%s' is not known", name);
}

static void handle_line(struct repl *r, const char *line, size_t n)
{
    nb_auto(nb_json_free) struct nb_json *j = NULL;
    struct nb_error err = NB_ERROR_INIT;
    struct nb_jw w = NB_JW_INIT(&r->out);

    nb_buf_clear(&r->out);
    nb_jw_object(&w);
    nb_jw_kv_bool(&w, "ok", true);
    if (nb_json_parse(line, n, LINE_MAX_BYTES, &j, &err) && dispatch(r, j, &w, &err))
        nb_jw_object_end(&w);
    else
        answer_error(r, &err);
    puts(nb_buf_cstr(&r->out));
    fflush(stdout);
}

int main(void)
{
    struct repl r = { .conn = NULL, .cur = NULL, .out = NB_BUF_INIT(LINE_MAX_BYTES) };
    char *line = NULL;
    size_t size = 0;
    ssize_t n;

    while ((n = getline(&line, &size, stdin)) > 0)
        if (line[0] != '\n')
            handle_line(&r, line, (size_t)n);
    free(line);
    drop_conn(&r);
    nb_buf_done(&r.out);
    return 0;
}
