#include "tests/fakes/fake_graph.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/b64.h"
#include "base/cancel.h"
#include "base/mem.h"
#include "bolt/chunk.h"
#include "bolt/machine.h"
#include "packstream/packstream.h"
#include "tests/fakes/bolt_side.h"
#include "tests/fakes/fake_bolt.h"

enum {
    ELEMENTS_MAX = 100000,
    BY_NODE_RELS_MAX = 8192,
    BUF_MAX = 64 << 20,
    HANDSHAKE_BYTES = 20,
    FLUSH_BYTES = 16 << 10
};

struct fake_graph {
    struct fake_graph_node *nodes;
    struct fake_graph_rel *rels;
    size_t nodes_n, rels_n;
    int64_t serial;
    int64_t transaction;

    fake_graph_hook *hook;
    void *ctx;
    fake_graph_request_hook *request_hook;
    void *request_ctx;
    const char *password;
    fake_graph_route_hook *route;
    void *route_ctx;
    int64_t start_unix_ms, stamps;
    struct fake_graph_mass mass;
    char *text; /* of the mass's nodes */
    atomic_uint routes;
    const struct fake_graph_database *databases;
    size_t databases_n;
    bool old, enterprise, bare, index_in_25;
    enum fake_graph_order order;
    enum fake_graph_apoc apoc;

    int listener;
    char uri[64];
    char self[512]; /* a table of itself */
    pthread_t thread;
    bool started;
    struct nb_cancel *quit;
    atomic_uint connections;

    /* The connection at hand: */
    int fd;
    struct bolt_deframer in;
    struct nb_buf out;
    struct nb_arena *arena;
    bool failed; /* all is ignored until RESET */
    bool gone;   /* the next row's relationship is being deleted */
    /* The answer at hand: */
    char *query;
    char db[64]; /* the database asked for, by its name */
    enum fake_graph_query kind;
    int64_t last; /* $last */
    int64_t *ids; /* $ids */
    size_t ids_n;
    size_t id_at; /* which of them */
    int64_t pos;  /* next element */
    uint64_t row;
};

static void must(bool ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "fake_graph: %s\n", what);
        abort();
    }
}

/* --- the graph -------------------------------------------------------------------------------- */

void fake_graph_touch(struct fake_graph *g)
{
    g->transaction++;
}

int64_t fake_graph_add_node(struct fake_graph *g, char label, int64_t k, int64_t v)
{
    size_t id = 0;

    while (id < g->nodes_n && g->nodes[id].exists)
        id++; /* the smallest that is free */
    must(id < ELEMENTS_MAX, "too many nodes");
    if (id == g->nodes_n)
        g->nodes_n++;
    g->nodes[id] = (struct fake_graph_node){ true, label, k, v, ++g->serial };
    g->transaction++;
    return (int64_t)id;
}

int64_t fake_graph_add_rel(struct fake_graph *g, int64_t start, int64_t end, int64_t u)
{
    size_t id = 0;

    must(g->nodes[start].exists && g->nodes[end].exists, "a relationship without ends");
    while (id < g->rels_n && g->rels[id].exists)
        id++;
    must(id < ELEMENTS_MAX, "too many relationships");
    if (id == g->rels_n)
        g->rels_n++;
    g->rels[id] = (struct fake_graph_rel){
        true, start, end, u, g->nodes[start].serial, g->nodes[end].serial
    };
    g->transaction++;
    return (int64_t)id;
}

void fake_graph_delete_rel(struct fake_graph *g, int64_t id)
{
    g->rels[id].exists = false;
    g->transaction++;
}

void fake_graph_delete_node(struct fake_graph *g, int64_t id)
{
    g->nodes[id].exists = false;
    for (size_t i = 0; i < g->rels_n; i++) {
        if (g->rels[i].start == id || g->rels[i].end == id)
            g->rels[i].exists = false;
    }
    g->transaction++;
}

void fake_graph_set_node(struct fake_graph *g, int64_t id, int64_t k, int64_t v)
{
    g->nodes[id].k = k;
    g->nodes[id].v = v;
    g->transaction++;
}

const struct fake_graph_node *fake_graph_nodes(const struct fake_graph *g, size_t *ret_n)
{
    *ret_n = g->nodes_n;
    return g->nodes;
}

const struct fake_graph_rel *fake_graph_rels(const struct fake_graph *g, size_t *ret_n)
{
    *ret_n = g->rels_n;
    return g->rels;
}

/* --- bytes ------------------------------------------------------------------------------------ */

static bool flush(struct fake_graph *g)
{
    size_t at = 0;

    while (at < g->out.len) {
        ssize_t n = send(g->fd, g->out.data + at, g->out.len - at, MSG_NOSIGNAL);

        if (n <= 0)
            return false;
        at += (size_t)n;
    }
    nb_buf_clear(&g->out);
    return true;
}

static bool wait_readable(struct fake_graph *g, int fd)
{
    struct pollfd fds[2] = { { .fd = fd, .events = POLLIN },
                             { .fd = nb_cancel_fd(g->quit), .events = POLLIN } };

    while (poll(fds, 2, -1) < 0)
        ;
    return !nb_cancel_is_set(g->quit);
}

static bool read_message(struct fake_graph *g, struct nb_str *ret)
{
    struct nb_error err = NB_ERROR_INIT;

    while (!bolt_deframer_next(&g->in, ret)) {
        size_t room;
        void *p = bolt_deframer_space(&g->in, &room);
        ssize_t n;

        if (!flush(g) || !wait_readable(g, g->fd))
            return false;
        n = recv(g->fd, p, room, 0);
        if (n <= 0)
            return false;
        must(bolt_deframer_filled(&g->in, (size_t)n, &err), err.text);
    }
    return true;
}

static bool shake_hands(struct fake_graph *g)
{
    static const unsigned char answer[] = { 0, 0, 4, 5 };
    unsigned char hello[HANDSHAKE_BYTES];

    return wait_readable(g, g->fd) &&
           recv(g->fd, hello, sizeof(hello), MSG_WAITALL) == sizeof(hello) &&
           send(g->fd, answer, sizeof(answer), MSG_NOSIGNAL) == sizeof(answer);
}

/* A message whose fields are put between the two calls. */
static struct ps_encoder begin(struct fake_graph *g, uint8_t tag, unsigned fields, size_t *mark)
{
    struct ps_encoder e = PS_ENCODER_INIT(&g->out);

    *mark = bolt_chunk_begin(&g->out);
    ps_put_struct(&e, tag, fields);
    return e;
}

static void put_pair(struct ps_encoder *e, const char *key, const char *value)
{
    ps_put_cstr(e, key);
    ps_put_cstr(e, value);
}

static void send_success(struct fake_graph *g)
{
    size_t mark;
    struct ps_encoder e = begin(g, BOLT_SUCCESS, 1, &mark);

    ps_put_map(&e, 1);
    put_pair(&e, "server", "Neo4j/5.26.30");
    bolt_chunk_end(&g->out, mark);
}

/* "code: message" */
static void send_failure_text(struct fake_graph *g, const char *text);

static void send_failure(struct fake_graph *g, const char *code, const char *message)
{
    size_t mark;
    struct ps_encoder e = begin(g, BOLT_FAILURE, 1, &mark);

    ps_put_map(&e, 2);
    put_pair(&e, "code", code);
    put_pair(&e, "message", message);
    bolt_chunk_end(&g->out, mark);
    g->failed = true;
}

static void send_failure_text(struct fake_graph *g, const char *text)
{
    const char *colon = strstr(text, ": ");
    nb_auto(nb_free) char *code = nb_xstrndup(text, colon ? (size_t)(colon - text) : strlen(text));

    send_failure(g, code, colon ? colon + 2 : "");
}

/* --- the cluster ------------------------------------------------------------------------------ */

static void answer_route(struct fake_graph *g, const struct ps_value *extra)
{
    struct nb_str db = ps_map_get_str(&extra->map, "db");
    nb_auto(nb_free) char *name = nb_xstrndup(db.p ? db.p : "", db.n);
    const char *text = g->route ? g->route(g->route_ctx, g, name) : g->self;
    size_t mark;

    atomic_fetch_add(&g->routes, 1);
    if (nb_starts_with(text, "Neo.")) {
        send_failure_text(g, text);
        return;
    }
    (void)begin(g, BOLT_SUCCESS, 1, &mark);
    fake_bolt_pack(&g->out, text);
    bolt_chunk_end(&g->out, mark);
}

/* The database that a query is for; false: the answer is a failure. */
static bool choose_database(struct fake_graph *g, const struct ps_value *extra)
{
    struct nb_str asked = ps_map_get_str(&extra->map, "db");

    snprintf(g->db, sizeof(g->db), "%.*s", asked.n ? (int)asked.n : 5, asked.n ? asked.p : "neo4j");
    if (!g->databases)
        return true;
    for (size_t i = 0; i < g->databases_n; i++) {
        const struct fake_graph_database *d = &g->databases[i];

        if (!(asked.n ? nb_str_is(asked, d->name) || (d->alias && nb_str_is(asked, d->alias))
                      : d->home))
            continue;
        snprintf(g->db, sizeof(g->db), "%s", d->name);
        if (d->failure)
            send_failure_text(g, d->failure);
        return !d->failure;
    }
    send_failure(g, "Neo.ClientError.Database.DatabaseNotFound", "no such database");
    return false;
}

static bool put_database(const struct fake_graph *g, struct ps_encoder *e, uint64_t row)
{
    static const struct fake_graph_database only = {
        .name = "neo4j", .status = "online", .type = "standard", .home = true
    };
    const struct fake_graph_database *d = &only;

    if (row >= (g->databases ? g->databases_n : 1))
        return false;
    if (g->databases)
        d = &g->databases[row];
    ps_put_list(e, g->old ? 5 : 6);
    ps_put_cstr(e, d->name);
    ps_put_cstr(e, d->status);
    ps_put_cstr(e, d->stopped ? "offline" : "online");
    ps_put_bool(e, d->home);
    ps_put_list(e, d->alias != NULL);
    if (d->alias)
        ps_put_cstr(e, d->alias);
    if (!g->old)
        ps_put_cstr(e, d->type);
    return true;
}

/* --- the mass --------------------------------------------------------------------------------- */

/* Words of hexadecimal digits: what a packer makes of it is neither nothing nor everything. */
static void make_text(char *p, size_t n, uint64_t seed)
{
    for (size_t i = 0; i < n; i++) {
        if (i % 16 == 0) /* splitmix64 */
            seed =
                (seed ^ (seed >> 27)) * UINT64_C(0x94d049bb133111eb) + UINT64_C(0x9e3779b97f4a7c15);
        p[i] = i % 16 == 15 ? ' ' : "0123456789abcdef"[seed >> (i % 8 * 8) & 15];
    }
}

static void put_mass_node(const struct fake_graph *g, struct ps_encoder *e, int64_t id)
{
    uint64_t shape = (uint64_t)id % g->mass.shapes;
    char label[32], key[32];

    snprintf(label, sizeof(label), "S%llu", (unsigned long long)shape);
    snprintf(key, sizeof(key), "text%llu", (unsigned long long)shape);
    make_text(g->text, g->mass.text_bytes, (uint64_t)id + 1);
    ps_put_list(e, 1);
    ps_put_struct(e, 0x4E, 4);
    ps_put_int(e, id);
    ps_put_list(e, 1);
    ps_put_cstr(e, label);
    ps_put_map(e, 2);
    ps_put_cstr(e, "i");
    ps_put_int(e, id);
    ps_put_cstr(e, key);
    ps_put_str(e, (struct nb_str){ g->text, g->mass.text_bytes });
    ps_put_cstr(e, "4:x:0");
}

static void put_mass_rel(const struct fake_graph *g, struct ps_encoder *e, int64_t id)
{
    uint64_t n = g->mass.nodes;

    ps_put_list(e, 5);
    ps_put_int(e, id);
    ps_put_int(e, (int64_t)((uint64_t)id % n));
    ps_put_int(e, (int64_t)(((uint64_t)id * 7919 + 13) % n));
    ps_put_cstr(e, "R");
    ps_put_map(e, 1);
    ps_put_cstr(e, "i");
    ps_put_int(e, id);
}

/* The next one of n that there are, behind the last one that the client has. */
static int64_t next_of_mass(struct fake_graph *g, uint64_t n)
{
    if (g->pos <= g->last)
        g->pos = g->last + 1;
    return (uint64_t)g->pos < n ? g->pos++ : -1;
}

void fake_graph_set_mass(struct fake_graph *g, const struct fake_graph_mass *mass)
{
    g->mass = *mass;
    if (!g->mass.shapes)
        g->mass.shapes = 1;
    g->text = nb_xmalloc(mass->text_bytes + 1);
}

static bool is_query(const struct fake_graph *g, const char *prefix)
{
    return nb_starts_with(g->query, prefix);
}

/* --- rows ------------------------------------------------------------------------------------- */

static void put_node(const struct fake_graph *g, struct ps_encoder *e, int64_t id)
{
    const struct fake_graph_node *n = &g->nodes[id];
    char label[2] = { n->label, 0 };

    ps_put_list(e, 1);
    ps_put_struct(e, 0x4E, 4);
    ps_put_int(e, id);
    ps_put_list(e, 1);
    ps_put_cstr(e, label);
    ps_put_map(e, 3);
    ps_put_cstr(e, "k");
    ps_put_int(e, n->k);
    ps_put_cstr(e, "v");
    ps_put_int(e, n->v);
    ps_put_cstr(e, "s");
    ps_put_int(e, n->serial);
    ps_put_cstr(e, "4:x:0");
}

/* Neo4j takes its properties first. */
static void put_gone_node(struct fake_graph *g, struct ps_encoder *e, int64_t id)
{
    char label[2] = { g->nodes[id].label, 0 };

    ps_put_list(e, 1);
    ps_put_struct(e, 0x4E, 4);
    ps_put_int(e, id);
    ps_put_list(e, 1);
    ps_put_cstr(e, label);
    ps_put_map(e, 0);
    ps_put_cstr(e, "4:x:0");
    fake_graph_delete_node(g, id);
}

static void put_rel(const struct fake_graph *g, struct ps_encoder *e, int64_t id)
{
    const struct fake_graph_rel *r = &g->rels[id];

    ps_put_list(e, g->kind == FAKE_GRAPH_RELS_OF ? 6 : 5);
    ps_put_int(e, id);
    ps_put_int(e, r->start);
    ps_put_int(e, r->end);
    ps_put_cstr(e, "R");
    ps_put_map(e, r->u < 0 ? 2 : 3);
    ps_put_cstr(e, "a");
    ps_put_int(e, r->start_serial);
    ps_put_cstr(e, "b");
    ps_put_int(e, r->end_serial);
    if (r->u >= 0) {
        ps_put_cstr(e, "u");
        ps_put_int(e, r->u);
    }
}

/* As 4.4 reads: node after node, each one's outgoing relationships from the newest on. pos: the node's
 * place times BY_NODE_RELS_MAX and how many ids were tried. */
static int64_t next_rel_by_node(struct fake_graph *g)
{
    bool by_start = is_query(g, "MATCH (a) WHERE");

    for (; g->pos < (int64_t)g->nodes_n * BY_NODE_RELS_MAX; g->pos++) {
        int64_t start = g->pos / BY_NODE_RELS_MAX;
        int64_t id = BY_NODE_RELS_MAX - 1 - g->pos % BY_NODE_RELS_MAX;

        if (id >= (int64_t)g->rels_n || !g->rels[id].exists || g->rels[id].start != start ||
            (by_start ? start < g->last : id <= g->last))
            continue;
        g->pos++;
        return id;
    }
    return -1;
}

/* The next element of the answer at hand, or -1. */
static int64_t next_element(struct fake_graph *g)
{
    if (g->mass.nodes && (g->kind == FAKE_GRAPH_NODES || g->kind == FAKE_GRAPH_RELS))
        return next_of_mass(g, g->kind == FAKE_GRAPH_NODES ? g->mass.nodes : g->mass.rels);
    switch (g->kind) {
    case FAKE_GRAPH_NODES:
        for (; g->pos < (int64_t)g->nodes_n; g->pos++) {
            if (g->pos > g->last && g->nodes[g->pos].exists)
                return g->pos++;
        }
        return -1;
    case FAKE_GRAPH_RELS:
        if (g->order != FAKE_GRAPH_BY_ID)
            return next_rel_by_node(g);
        for (; g->pos < (int64_t)g->rels_n; g->pos++) {
            if (g->pos > g->last && g->rels[g->pos].exists)
                return g->pos++;
        }
        return -1;
    case FAKE_GRAPH_NODES_BY_ID:
        while (g->id_at < g->ids_n) {
            int64_t id = g->ids[g->id_at++];

            if (id < (int64_t)g->nodes_n && g->nodes[id].exists)
                return id;
        }
        return -1;
    case FAKE_GRAPH_RELS_OF:
        for (; g->id_at < g->ids_n; g->id_at++, g->pos = 0) {
            int64_t id = g->ids[g->id_at];

            for (; g->pos < (int64_t)g->rels_n; g->pos++) {
                const struct fake_graph_rel *r = &g->rels[g->pos];

                if (r->exists && (r->start == id || r->end == id))
                    return g->pos++;
            }
        }
        return -1;
    case FAKE_GRAPH_MARK:
    case FAKE_GRAPH_SCHEMA:
    case FAKE_GRAPH_APOC:
    case FAKE_GRAPH_OTHER:
        break;
    }
    return -1;
}

/* --- APOC ------------------------------------------------------------------------------------- */

static void apoc_nodes(const struct fake_graph *g, struct nb_buf *out)
{
    nb_buf_puts(out, ":begin\n");
    for (size_t i = 0; i < g->nodes_n; i++) {
        const struct fake_graph_node *n = &g->nodes[i];

        if (n->exists)
            nb_buf_printf(out,
                          "UNWIND [{_id:%zu, properties:{k:%lld, v:%lld, s:%lld}}] AS row\n"
                          "CREATE (n:`UNIQUE IMPORT LABEL`{`UNIQUE IMPORT ID`: row._id}) SET n += "
                          "row.properties SET n:%c;\n",
                          i, (long long)n->k, (long long)n->v, (long long)n->serial, n->label);
    }
    nb_buf_puts(out, ":commit\n");
}

static void apoc_rels(const struct fake_graph *g, struct nb_buf *out)
{
    size_t last = g->apoc == FAKE_GRAPH_APOC_WITHOUT_LAST ? g->rels_n - 1 : g->rels_n;

    nb_buf_puts(out, ":begin\n");
    for (size_t i = 0; i < last; i++) {
        const struct fake_graph_rel *r = &g->rels[i];

        if (!r->exists)
            continue;
        nb_buf_printf(out,
                      "UNWIND [{start: {_id:%lld}, end: {_id:%lld}, properties:{a:%lld, b:%lld",
                      (long long)r->start, (long long)r->end, (long long)r->start_serial,
                      (long long)r->end_serial);
        if (r->u >= 0)
            nb_buf_printf(out, ", u:%lld", (long long)r->u);
        nb_buf_puts(out, "}}] AS row\n"
                         "MATCH (start:`UNIQUE IMPORT LABEL`{`UNIQUE IMPORT ID`: row.start._id})\n"
                         "MATCH (end:`UNIQUE IMPORT LABEL`{`UNIQUE IMPORT ID`: row.end._id})\n"
                         "CREATE (start)-[r:R]->(end) SET r += row.properties;\n");
    }
    nb_buf_puts(out, ":commit\n");
}

static bool put_apoc(const struct fake_graph *g, struct ps_encoder *e)
{
    struct nb_buf text = NB_BUF_INIT(BUF_MAX);

    if (g->row == 0)
        nb_buf_puts(&text, ":begin\nCREATE RANGE INDEX FOR (n:B) ON (n.v);\n"
                           "CREATE CONSTRAINT a_k FOR (node:A) REQUIRE (node.k) IS UNIQUE;\n"
                           "CREATE CONSTRAINT r_u FOR ()-[rel:R]-() REQUIRE (rel.u) IS UNIQUE;\n"
                           "CREATE CONSTRAINT UNIQUE_IMPORT_NAME FOR (node:`UNIQUE IMPORT LABEL`) "
                           "REQUIRE (node.`UNIQUE IMPORT ID`) IS UNIQUE;\n"
                           ":commit\nCALL db.awaitIndexes(300);\n");
    else if (g->row == 1)
        apoc_nodes(g, &text);
    else if (g->row == 2)
        apoc_rels(g, &text);
    else if (g->apoc == FAKE_GRAPH_APOC_CUT)
        nb_buf_puts(&text, ":begin\n");
    else
        nb_buf_puts(&text,
                    ":begin\nMATCH (n:`UNIQUE IMPORT LABEL`)  WITH n LIMIT 1000 REMOVE n:`UNIQUE "
                    "IMPORT LABEL` REMOVE n.`UNIQUE IMPORT ID`;\n:commit\n"
                    ":begin\nDROP CONSTRAINT UNIQUE_IMPORT_NAME;\n:commit");
    if (g->apoc == FAKE_GRAPH_APOC_STRANGE && g->row == 2)
        nb_buf_puts(&text, "MATCH (n) SET n.x = 1;\n");
    ps_put_list(e, 1);
    ps_put_str(e, nb_buf_str(&text));
    nb_buf_done(&text);
    return g->row < 4;
}

static void put_texts(struct ps_encoder *e, size_t n, const char *const *texts)
{
    ps_put_list(e, n);
    for (size_t i = 0; i < n; i++) {
        if (texts[i])
            ps_put_cstr(e, texts[i]);
        else
            ps_put_null(e);
    }
}

static void put_unique(struct ps_encoder *e, bool rel)
{
    ps_put_list(e, 4);
    ps_put_cstr(e, rel ? "RELATIONSHIP_UNIQUENESS" : "UNIQUENESS");
    ps_put_cstr(e, rel ? "RELATIONSHIP" : "NODE");
    ps_put_list(e, 1);
    ps_put_cstr(e, rel ? "R" : "A");
    ps_put_list(e, 1);
    ps_put_cstr(e, rel ? "u" : "k");
}

static bool put_user(const struct fake_graph *g, struct ps_encoder *e, uint64_t row)
{
    ps_put_list(e, 4);
    ps_put_cstr(e, row ? "neo4j" : "ann");
    if (!g->enterprise) {
        for (int i = 0; i < 3; i++)
            ps_put_null(e);
        return row < 2;
    }
    ps_put_list(e, 2);
    ps_put_cstr(e, row ? "admin" : "aud`itor");
    ps_put_cstr(e, "PUBLIC");
    ps_put_bool(e, row == 0);
    if (row)
        ps_put_null(e);
    else
        ps_put_cstr(e, "movies");
    return row < 2;
}

static bool put_security(const struct fake_graph *g, struct ps_encoder *e, uint64_t row)
{
    static const char *const roles[] = { "PUBLIC", "admin", "aud`itor" };

    if (is_query(g, "SHOW USERS"))
        return put_user(g, e, row);
    ps_put_list(e, 1);
    if (is_query(g, "SHOW ROLES"))
        ps_put_cstr(e, roles[row % 3]);
    else
        ps_put_cstr(e, "GRANT MATCH {*} ON GRAPH * NODE * TO `aud``itor`");
    return row < (is_query(g, "SHOW ROLES") ? 3u : 1u);
}

/* Rows of the small queries; false: there are no more. */
static bool put_small_row(struct fake_graph *g, struct ps_encoder *e)
{
    const char *component[] = { "Neo4j Kernel", "5.26.30",
                                g->enterprise ? "enterprise" : "community" };
    static const char *const constraints[2][3] = {
        { "a_k", "UNIQUENESS", "CREATE CONSTRAINT `a_k` FOR (n:`A`) REQUIRE (n.`k`) IS UNIQUE" },
        { "r_u", "RELATIONSHIP_UNIQUENESS",
          "CREATE CONSTRAINT `r_u` FOR ()-[r:`R`]-() REQUIRE (r.`u`) IS UNIQUE" },
    };
    static const char *const index[] = { "b_v", "RANGE",
                                         "CREATE RANGE INDEX `b_v` FOR (n:`B`) ON (n.`v`)",
                                         "ONLINE" };
    static const char *const wordless[] = { "b_v", "VECTOR", NULL, "ONLINE" };
    static const char *const in_25[] = { "b_v", "VECTOR",
                                         "CREATE VECTOR INDEX `b_v` FOR (n:`A`|`B`) ON (n.`v`)",
                                         "ONLINE" };
    uint64_t row = g->row;

    if (g->kind == FAKE_GRAPH_APOC)
        return put_apoc(g, e);
    if (is_query(g, "SHOW PROCEDURES")) {
        ps_put_list(e, 1);
        ps_put_bool(e, g->apoc != FAKE_GRAPH_APOC_NONE);
        return row < 1;
    }
    if (is_query(g, "RETURN 1")) {
        ps_put_list(e, 1);
        ps_put_int(e, 1);
        return row < 1;
    }
    if (is_query(g, "MATCH (m:`_nb_restore`) RETURN count(m)")) {
        ps_put_list(e, 1);
        ps_put_int(e, g->stamps);
        return row < 1;
    }
    if (is_query(g, "CALL dbms.components()")) {
        put_texts(e, 3, component);
        return row < 1;
    }
    if (is_query(g, "MATCH (n) RETURN count(n)") ||
        is_query(g, "MATCH ()-[r]->() RETURN count(r)")) {
        int64_t n = (int64_t)(is_query(g, "MATCH (n)") ? g->mass.nodes : g->mass.rels);

        for (size_t i = 0; is_query(g, "MATCH (n)") && i < g->nodes_n; i++)
            n += g->nodes[i].exists;
        for (size_t i = 0; is_query(g, "MATCH ()") && i < g->rels_n; i++)
            n += g->rels[i].exists;
        ps_put_list(e, 1);
        ps_put_int(e, n);
        return row < 1;
    }
    if (is_query(g, "SHOW CONSTRAINTS YIELD name, type, createStatement")) {
        put_texts(e, 3, constraints[row & 1]);
        return !g->bare && row < 2;
    }
    if (is_query(g, "SHOW CONSTRAINTS YIELD name, type, entityType")) {
        put_unique(e, row > 0);
        return row < 2;
    }
    if (is_query(g, "SHOW INDEXES") || is_query(g, "CYPHER 25 SHOW INDEXES")) {
        put_texts(e, 4, is_query(g, "CYPHER") ? in_25 : g->index_in_25 ? wordless : index);
        return !g->bare && row < 1;
    }
    if (is_query(g, "SHOW DATABASES YIELD name, store")) {
        ps_put_list(e, 2);
        ps_put_cstr(e, "record-aligned-1.1");
        ps_put_int(e, g->start_unix_ms);
        return g->start_unix_ms != 0 && row < 1;
    }
    if (is_query(g, "SHOW DATABASES YIELD name, currentStatus"))
        return put_database(g, e, row);
    if (is_query(g, "SHOW ROLES") || is_query(g, "SHOW PRIVILEGES") || is_query(g, "SHOW USERS"))
        return put_security(g, e, row);
    if (is_query(g, "CALL db.labels() YIELD label RETURN")) {
        ps_put_list(e, 1);
        ps_put_cstr(e, row ? "B" : "A");
        return row < 2;
    }
    return false;
}

static enum fake_graph_query kind_of(const struct fake_graph *g)
{
    static const struct {
        const char *prefix;
        enum fake_graph_query kind;
    } kinds[] = {
        { "MATCH (n) RETURN n", FAKE_GRAPH_NODES },
        { "MATCH (n) WHERE id(n) >", FAKE_GRAPH_NODES },
        { "MATCH (a)-[r]->(b) ", FAKE_GRAPH_RELS },
        { "MATCH (a) WITH a MATCH (a)-[r]->(b) ", FAKE_GRAPH_RELS },
        { "MATCH (a) WHERE id(a) >= $last WITH a MATCH (a)-[r]->(b) ", FAKE_GRAPH_RELS },
        { "UNWIND $ids AS i MATCH (n) WHERE", FAKE_GRAPH_NODES_BY_ID },
        { "UNWIND $ids AS i MATCH (n)-[r]-()", FAKE_GRAPH_RELS_OF },
        { "RETURN 1", FAKE_GRAPH_MARK },
        { "SHOW CONSTRAINTS", FAKE_GRAPH_SCHEMA },
        { "SHOW INDEXES", FAKE_GRAPH_SCHEMA },
        { "CYPHER 25 SHOW INDEXES", FAKE_GRAPH_SCHEMA },
        { "CALL apoc.export.cypher.all(", FAKE_GRAPH_APOC },
    };

    for (size_t i = 0; i < NB_ARRAY_LEN(kinds); i++) {
        if (is_query(g, kinds[i].prefix))
            return kinds[i].kind;
    }
    return FAKE_GRAPH_OTHER;
}

static size_t columns_of(const struct fake_graph *g)
{
    static const struct {
        const char *prefix;
        size_t columns;
    } queries[] = {
        { "MATCH (a)-[r]->(b) ", 5 },
        { "MATCH (a) WITH a MATCH (a)-[r]->(b) ", 5 },
        { "MATCH (a) WHERE id(a) >= $last WITH a MATCH (a)-[r]->(b) ", 5 },
        { "UNWIND $ids AS i MATCH (n)-[r]-()", 6 },
        { "CALL dbms.components()", 3 },
        { "SHOW CONSTRAINTS YIELD name, type, createStatement", 3 },
        { "SHOW CONSTRAINTS YIELD name, type, entityType", 4 },
        { "SHOW INDEXES", 4 },
        { "CYPHER 25 SHOW INDEXES", 4 },
        { "SHOW USERS", 4 },
        { "SHOW DATABASES YIELD name, store", 2 },
        { "SHOW DATABASES YIELD name, currentStatus, requestedStatus, home, aliases, type", 6 },
        { "SHOW DATABASES YIELD name, currentStatus", 5 },
    };

    for (size_t i = 0; i < NB_ARRAY_LEN(queries); i++) {
        if (is_query(g, queries[i].prefix))
            return queries[i].columns;
    }
    return 1;
}

static bool is_long(enum fake_graph_query kind)
{
    return kind <= FAKE_GRAPH_RELS_OF;
}

static void put_gone_rel(struct fake_graph *g, struct ps_encoder *e, int64_t id)
{
    fake_graph_delete_rel(g, id);
    ps_put_list(e, g->kind == FAKE_GRAPH_RELS_OF ? 6 : 5);
    ps_put_int(e, id);
    ps_put_int(e, -1);
    ps_put_int(e, -1);
    ps_put_null(e);
    ps_put_null(e);
}

static bool send_row(struct fake_graph *g)
{
    size_t start = g->out.len, mark;
    struct ps_encoder e = begin(g, BOLT_RECORD, 1, &mark);
    bool more;

    if (is_long(g->kind)) {
        int64_t id = next_element(g);

        more = id >= 0;
        if (more && g->mass.nodes)
            (g->kind == FAKE_GRAPH_NODES ? put_mass_node : put_mass_rel)(g, &e, id);
        else if (more && g->kind == FAKE_GRAPH_NODES_BY_ID && g->gone)
            put_gone_node(g, &e, id);
        else if (more && (g->kind == FAKE_GRAPH_NODES || g->kind == FAKE_GRAPH_NODES_BY_ID))
            put_node(g, &e, id);
        else if (more && g->gone)
            put_gone_rel(g, &e, id);
        else if (more)
            put_rel(g, &e, id);
        if (more && g->kind == FAKE_GRAPH_RELS_OF)
            ps_put_int(&e, g->ids[g->id_at]);
        g->gone = false;
    } else {
        more = put_small_row(g, &e);
    }
    if (!more) {
        g->out.len = start;
        return false;
    }
    bolt_chunk_end(&g->out, mark);
    g->row++;
    return true;
}

static void put_plan(const struct fake_graph *g, struct ps_encoder *e)
{
    ps_put_cstr(e, "plan");
    ps_put_map(e, 2);
    put_pair(e, "operatorType",
             g->order == FAKE_GRAPH_BY_NODE ? "AllNodesScan@neo4j"
                                            : "DirectedAllRelationshipsScan@neo4j");
    ps_put_cstr(e, "args");
    ps_put_map(e, 1);
    put_pair(e, "Details", g->order == FAKE_GRAPH_BY_NODE ? "a" : "(a)-[r]->(b)");
}

static void send_end(struct fake_graph *g, bool has_more)
{
    unsigned char bytes[3 + 16 + 9 + 1] = { 0x91, 0xCC, 16 };
    struct nb_buf bookmark = NB_BUF_INIT(200);
    size_t mark;
    struct ps_encoder e = begin(g, BOLT_SUCCESS, 1, &mark);

    if (has_more) {
        ps_put_map(&e, 1);
        ps_put_cstr(&e, "has_more");
        ps_put_bool(&e, true);
    } else {
        bytes[3 + 16] = 0xCB;
        for (int i = 0; i < 8; i++)
            bytes[3 + 16 + 1 + i] = (unsigned char)((uint64_t)g->transaction >> (56 - 8 * i));
        bytes[sizeof(bytes) - 1] = 0x90;
        nb_buf_puts(&bookmark, "FB:");
        nb_b64_encode(bytes, sizeof(bytes), &bookmark);
        ps_put_map(&e, is_query(g, "EXPLAIN") ? 4 : 3);
        put_pair(&e, "bookmark", nb_buf_cstr(&bookmark));
        put_pair(&e, "db", g->db);
        put_pair(&e, "type", "r");
        if (is_query(g, "EXPLAIN"))
            put_plan(g, &e);
    }
    bolt_chunk_end(&g->out, mark);
    nb_buf_done(&bookmark);
}

/* False: the connection is to be closed. */
static bool pull(struct fake_graph *g, int64_t n)
{
    for (int64_t i = 0; n < 0 || i < n; i++) {
        switch (g->hook ? g->hook(g->ctx, g, g->kind, g->row) : FAKE_GRAPH_GO_ON) {
        case FAKE_GRAPH_GO_ON:
            break;
        case FAKE_GRAPH_GONE:
            g->gone = g->kind == FAKE_GRAPH_RELS || g->kind == FAKE_GRAPH_RELS_OF ||
                      g->kind == FAKE_GRAPH_NODES_BY_ID;
            break;
        case FAKE_GRAPH_OVERTAKEN:
            send_failure(g, "Neo.TransientError.Transaction.Outdated",
                         "elements were deleted by an overlapping transaction");
            return true;
        case FAKE_GRAPH_CUT:
            return flush(g) && false;
        case FAKE_GRAPH_TIMED_OUT:
            send_failure(g, "Neo.ClientError.Transaction.TransactionTimedOutClientConfiguration",
                         "the transaction has been terminated");
            return true;
        case FAKE_GRAPH_TRANSIENT:
            send_failure(g, "Neo.TransientError.General.DatabaseUnavailable", "not now");
            return true;
        case FAKE_GRAPH_NOT_LEADER:
            send_failure(g, "Neo.ClientError.Cluster.NotALeader", "ask somebody else");
            return true;
        case FAKE_GRAPH_DENIED:
            send_failure(g, "Neo.ClientError.Security.Forbidden", "not you");
            return true;
        }
        if (!send_row(g)) {
            send_end(g, false);
            return true;
        }
        if (g->out.len > FLUSH_BYTES && !flush(g))
            return false;
    }
    send_end(g, true);
    return true;
}

static void run(struct fake_graph *g, const struct ps_value *query, const struct ps_value *params)
{
    const struct ps_value *ids = ps_map_get(&params->map, "ids");
    size_t mark;
    struct ps_encoder e;

    free(g->query);
    g->query = nb_xstrndup(query->string.p, query->string.n);
    if (g->old &&
        is_query(
            g, "SHOW DATABASES YIELD name, currentStatus, requestedStatus, home, aliases, type")) {
        send_failure(g, "Neo.ClientError.Statement.SyntaxError", "variable `type` not defined");
        return;
    }
    g->kind = kind_of(g);
    g->last = ps_map_get_int(&params->map, "last", -1);
    g->ids_n = ids ? ps_list_count(ids) : 0;
    free(g->ids);
    g->ids = nb_xcalloc(g->ids_n + 1, sizeof(*g->ids));
    for (size_t i = 0; i < g->ids_n; i++)
        g->ids[i] = ps_list_get(ids, i).integer;
    g->id_at = 0;
    g->pos = 0;
    g->row = 0;
    e = begin(g, BOLT_SUCCESS, 1, &mark);
    ps_put_map(&e, 1);
    ps_put_cstr(&e, "fields");
    ps_put_list(&e, columns_of(g));
    for (size_t i = 0; i < columns_of(g); i++)
        ps_put_cstr(&e, "x");
    bolt_chunk_end(&g->out, mark);
}

/* --- the connection --------------------------------------------------------------------------- */

static bool is_password(const struct fake_graph *g, const struct ps_value *auth)
{
    return !g->password || nb_str_is(ps_map_get_str(&auth->map, "credentials"), g->password);
}

static bool answer_well(struct fake_graph *g, struct nb_str message)
{
    struct ps_value fields[BOLT_SIDE_FIELDS];
    uint8_t tag = bolt_side_decode(message, g->arena, fields);

    if (tag == BOLT_GOODBYE)
        return false;
    if (tag == BOLT_RESET) {
        g->failed = false;
        send_success(g);
        return true;
    }
    if (g->failed) {
        size_t mark = bolt_chunk_begin(&g->out);
        struct ps_encoder e = PS_ENCODER_INIT(&g->out);

        ps_put_struct(&e, 0x7E, 0);
        bolt_chunk_end(&g->out, mark);
        return true;
    }
    if (tag == BOLT_LOGON && !is_password(g, &fields[0])) {
        send_failure(g, "Neo.ClientError.Security.Unauthorized", "wrong password");
        return true;
    }
    if (tag == BOLT_ROUTE) {
        answer_route(g, &fields[2]);
        return true;
    }
    if (tag == BOLT_RUN) {
        if (choose_database(g, &fields[2]))
            run(g, &fields[0], &fields[1]);
        return true;
    }
    if (tag == BOLT_PULL)
        return pull(g, ps_map_get_int(&fields[0].map, "n", -1));
    send_success(g); /* HELLO, LOGON, DISCARD */
    return true;
}

/* A message is a structure: its size, its tag. */
static bool answer(struct fake_graph *g, struct nb_str message)
{
    uint8_t tag = (uint8_t)message.p[1];
    const char *code = NULL;
    size_t before = g->out.len;

    if (!g->request_hook || tag == BOLT_GOODBYE)
        return answer_well(g, message);
    switch (g->request_hook(g->request_ctx, tag, &code)) {
    case FAKE_GRAPH_ANSWER:
        return answer_well(g, message);
    case FAKE_GRAPH_NO_ANSWER:
        return flush(g) && false;
    case FAKE_GRAPH_HALF_ANSWER:
        if (answer_well(g, message) && g->out.len > before)
            g->out.len = before + (g->out.len - before) / 2;
        return flush(g) && false;
    case FAKE_GRAPH_LAST_ANSWER:
        return answer_well(g, message) && flush(g) && false;
    case FAKE_GRAPH_FAIL:
        send_failure(g, code, "injected");
        return true;
    }
    return false;
}

static void serve_connection(struct fake_graph *g)
{
    struct nb_str message;

    bolt_deframer_init(&g->in, 64 << 10, BUF_MAX);
    g->failed = false;
    atomic_fetch_add(&g->connections, 1);
    if (shake_hands(g)) {
        while (read_message(g, &message)) {
            if (!answer(g, message))
                break;
        }
    }
    nb_buf_clear(&g->out);
    bolt_deframer_done(&g->in);
    close(g->fd);
}

static void *serve(void *arg)
{
    struct fake_graph *g = arg;

    while (wait_readable(g, g->listener)) {
        g->fd = accept(g->listener, NULL, NULL);
        if (g->fd >= 0)
            serve_connection(g);
    }
    return NULL;
}

struct fake_graph *fake_graph_new(void)
{
    struct fake_graph *g = NB_NEW(struct fake_graph);

    g->nodes = nb_xcalloc(ELEMENTS_MAX, sizeof(*g->nodes));
    g->rels = nb_xcalloc(ELEMENTS_MAX, sizeof(*g->rels));
    g->transaction = 1;
    g->quit = nb_cancel_new();
    g->arena = nb_arena_new(BUF_MAX);
    nb_buf_init(&g->out, BUF_MAX);
    g->listener = bolt_side_listen(g->uri);
    snprintf(g->self, sizeof(g->self),
             "{'rt':{'ttl':300,'db':'neo4j','servers':[{'role':'ROUTE','addresses':['%s']},"
             "{'role':'READ','addresses':['%s']},{'role':'WRITE','addresses':['%s']}]}}",
             fake_graph_address(g), fake_graph_address(g), fake_graph_address(g));
    return g;
}

void fake_graph_start(struct fake_graph *g, fake_graph_hook *hook, void *ctx)
{
    g->hook = hook;
    g->ctx = ctx;
    g->started = true;
    must(pthread_create(&g->thread, NULL, serve, g) == 0, "cannot start a thread");
}

void fake_graph_set_request_hook(struct fake_graph *g, fake_graph_request_hook *hook, void *ctx)
{
    g->request_hook = hook;
    g->request_ctx = ctx;
}

void fake_graph_free(struct fake_graph *g)
{
    nb_cancel_set(g->quit);
    if (g->started)
        pthread_join(g->thread, NULL);
    close(g->listener);
    nb_cancel_free(g->quit);
    nb_arena_free(g->arena);
    nb_buf_done(&g->out);
    free(g->query);
    free(g->ids);
    free(g->text);
    free(g->nodes);
    free(g->rels);
    free(g);
}

const char *fake_graph_uri(const struct fake_graph *g)
{
    return g->uri;
}

const char *fake_graph_address(const struct fake_graph *g)
{
    return g->uri + strlen("bolt://");
}

void fake_graph_set_start(struct fake_graph *g, int64_t unix_ms)
{
    g->start_unix_ms = unix_ms;
}

void fake_graph_set_route(struct fake_graph *g, fake_graph_route_hook *hook, void *ctx)
{
    g->route = hook;
    g->route_ctx = ctx;
}

unsigned fake_graph_routes(const struct fake_graph *g)
{
    return atomic_load(&g->routes);
}

void fake_graph_set_databases(struct fake_graph *g, const struct fake_graph_database *list,
                              size_t n)
{
    g->databases = list;
    g->databases_n = n;
}

void fake_graph_set_enterprise(struct fake_graph *g, bool enterprise)
{
    g->enterprise = enterprise;
}

void fake_graph_set_apoc(struct fake_graph *g, enum fake_graph_apoc apoc)
{
    g->apoc = apoc;
}

void fake_graph_set_order(struct fake_graph *g, enum fake_graph_order order)
{
    g->order = order;
}

void fake_graph_set_stamps(struct fake_graph *g, int64_t n)
{
    g->stamps = n;
}

void fake_graph_set_bare(struct fake_graph *g, bool bare)
{
    g->bare = bare;
}

void fake_graph_set_index_in_25(struct fake_graph *g, bool in_25)
{
    g->index_in_25 = in_25;
}

const char *fake_graph_query_text(const struct fake_graph *g)
{
    return g->query;
}

void fake_graph_set_old(struct fake_graph *g, bool old)
{
    g->old = old;
}

void fake_graph_set_password(struct fake_graph *g, const char *password)
{
    g->password = password;
}

unsigned fake_graph_connections(const struct fake_graph *g)
{
    return atomic_load(&g->connections);
}
