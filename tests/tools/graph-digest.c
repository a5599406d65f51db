/*
 * graph-digest URI USER PASSWORD [DATABASE]: reads a whole database over Bolt and prints its counts and
 * digests in the form that dump-random prints them: equal lines, equal graphs.
 */

#include <stdio.h>

#include "bolt/bolt.h"
#include "cypher/digest.h"

static bool node_add(struct cyp_digester *d, const struct ps_value *f, struct nb_error *err)
{
    const struct ps_node *n = f[0].node;

    return cyp_digester_node(d, n->id, n->labels, n->nlabels, &n->props, err);
}

static bool rel_add(struct cyp_digester *d, const struct ps_value *f, struct nb_error *err)
{
    return cyp_digester_rel(d, f[0].integer, f[1].integer, f[2].string, &f[3].map, err);
}

static bool query_run(struct bolt_conn *conn, const char *query, const char *db,
                      bool (*add)(struct cyp_digester *, const struct ps_value *,
                                  struct nb_error *),
                      struct cyp_digester *d, struct nb_error *err)
{
    nb_auto(bolt_cursor_close) struct bolt_cursor *cur = NULL;
    struct bolt_run_opts opts = { .db = db, .mode = BOLT_MODE_READ };
    const struct ps_value *fields;
    size_t n;
    bool done = false;

    if (!bolt_run(conn, query, (struct nb_str){ NULL, 0 }, &opts, &cur, err))
        return false;
    while (bolt_cursor_next(cur, &fields, &n, &done, err) && !done)
        if (!add(d, fields, err))
            return false;
    return done;
}

static bool graph_read(const struct bolt_conn_opts *opts, const char *db, struct cyp_digest *ret,
                       struct nb_error *err)
{
    nb_auto(bolt_conn_close) struct bolt_conn *conn = NULL;
    nb_auto(cyp_digester_free) struct cyp_digester *d = cyp_digester_new(1 << 30);

    if (!bolt_conn_open(opts, NULL, &conn, err) ||
        !query_run(conn, "MATCH (n) RETURN n", db, node_add, d, err) ||
        !query_run(conn, "MATCH (a)-[r]->(b) RETURN id(a), id(b), type(r), properties(r)", db,
                   rel_add, d, err))
        return false;
    cyp_digester_get(d, ret);
    return true;
}

int main(int argc, char **argv)
{
    struct nb_error err = NB_ERROR_INIT;
    struct bolt_conn_opts opts = BOLT_CONN_OPTS_INIT;
    struct nb_secret *secret;
    struct cyp_digest d;
    char nodes[CYP_SUM_HEX], rels[CYP_SUM_HEX], ends[CYP_SUM_HEX];
    bool ok;

    if (argc < 4) {
        fprintf(stderr, "usage: graph-digest URI USER PASSWORD [DATABASE]\n");
        return 2;
    }
    secret = nb_secret_new(argv[3], strlen(argv[3]));
    opts.uri = argv[1];
    opts.auth = BOLT_AUTH_BASIC;
    opts.user = argv[2];
    opts.secret = secret;
    ok = graph_read(&opts, argc > 4 ? argv[4] : NULL, &d, &err);
    nb_secret_free(secret);
    if (!ok) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    cyp_sum_format(d.nodes, nodes);
    cyp_sum_format(d.rels, rels);
    cyp_sum_format(d.rels_ends, ends);
    printf("nodes %llu rels %llu\n%s %s %s\n", (unsigned long long)d.node_count,
           (unsigned long long)d.rel_count, nodes, rels, ends);
    return 0;
}
