#ifndef NB_TESTS_FAKES_FAKE_GRAPH_H
#define NB_TESTS_FAKES_FAKE_GRAPH_H

/*
 * fake_graph: a Neo4j with a small graph in memory that answers the queries of an export
 * (engine/source.c), over Bolt 5.4 on 127.0.0.1, in a thread of its own. Reads are what Neo4j's
 * are: row by row, each as the graph is at that moment. A hook runs before every row and may write
 * to the graph, or make the answer break.
 *
 * Nodes have ids that are used again after a deletion, like Neo4j's; relationships too. Every node
 * carries a serial number of its own ("s") that is never used again, and every relationship those
 * of its ends ("a", "b"), so that whoever reads a dump of it can see whether a relationship hangs
 * on the node it belongs to.
 *
 * It may be told to be a server of a cluster (ROUTE is answered by a hook), and to have several
 * databases: all with the same graph, which is enough to see who asks for what. Labels: "A" (with a unique "k") and "B"; type "R" (with a unique "u").
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fake_graph;

struct fake_graph_node {
    bool exists;
    char label;
    int64_t k; /* A: unique */
    int64_t v;
    int64_t serial;
};
struct fake_graph_rel {
    bool exists;
    int64_t start, end, u; /* u: unique; -1: has none */
    int64_t start_serial, end_serial;
};

enum fake_graph_query {
    FAKE_GRAPH_NODES, /* the long read of nodes */
    FAKE_GRAPH_RELS,
    FAKE_GRAPH_NODES_BY_ID,
    FAKE_GRAPH_RELS_OF,
    FAKE_GRAPH_MARK, /* one row, like all that follow */
    FAKE_GRAPH_SCHEMA,
    FAKE_GRAPH_APOC, /* its export: four pieces */
    FAKE_GRAPH_OTHER,
};
enum fake_graph_break {
    FAKE_GRAPH_GO_ON,
    FAKE_GRAPH_CUT,       /* close the connection */
    FAKE_GRAPH_TIMED_OUT, /* the server's transaction timeout */
    FAKE_GRAPH_TRANSIENT, /* some other transient failure */
    FAKE_GRAPH_DENIED,
    FAKE_GRAPH_NOT_LEADER,
    FAKE_GRAPH_OVERTAKEN, /* what was to be sent was deleted meanwhile: the query fails */
    /* It is deleted when half of its row is made: a relationship has no ends, a node that is read by
     * its id no properties. */
    FAKE_GRAPH_GONE,
};
/* On the server's thread, which is the only one that touches the graph while it runs. row: of
 * this answer, from 0. */
typedef enum fake_graph_break(fake_graph_hook)(void *ctx, struct fake_graph *g,
                                               enum fake_graph_query query, uint64_t row);

/* What becomes of a request, whatever it is: before it is answered. */
enum fake_graph_fate {
    FAKE_GRAPH_ANSWER,
    FAKE_GRAPH_NO_ANSWER, /* the connection is closed */
    FAKE_GRAPH_HALF_ANSWER,
    FAKE_GRAPH_LAST_ANSWER, /* and closed then */
    FAKE_GRAPH_FAIL,        /* with *code */
};
typedef enum fake_graph_fate(fake_graph_request_hook)(void *ctx, uint8_t tag, const char **code);

/* Begins to listen; serves once started. */
struct fake_graph *fake_graph_new(void);
void fake_graph_start(struct fake_graph *g, fake_graph_hook *hook, void *ctx);
/* Of every request but GOODBYE; on the server's thread. Before the start, or between connections. */
void fake_graph_set_request_hook(struct fake_graph *g, fake_graph_request_hook *hook, void *ctx);
/* Ends the thread; no connection may be open that is still used. */
void fake_graph_free(struct fake_graph *g);
const char *fake_graph_uri(const struct fake_graph *g);
/* Refuse every password but this one; NULL: none is asked. */
void fake_graph_set_password(struct fake_graph *g, const char *password);

/*
 * The answer to ROUTE for db ("": the home database), on the server's thread: the meta of SUCCESS
 * as JSON with ' for ", or "Neo.…: message" for a FAILURE. Lives until the next call. Without the
 * hook the server is a single one: the table names itself.
 */
typedef const char *(fake_graph_route_hook)(void *ctx, struct fake_graph *g, const char *db);
void fake_graph_set_route(struct fake_graph *g, fake_graph_route_hook *hook, void *ctx);
unsigned fake_graph_routes(const struct fake_graph *g);     /* ROUTE so often */
const char *fake_graph_address(const struct fake_graph *g); /* "127.0.0.1:port" */

/* What SHOW DATABASES tells. A row that nobody may read has a failure. */
struct fake_graph_database {
    const char *name, *status, *type; /* "online", "standard" */
    const char *alias;                /* NULL: none */
    bool home;
    const char *failure; /* of every query: "Neo.…: message"; NULL: none */
    bool stopped;        /* by an administrator */
};
/* Borrowed. NULL: there is "neo4j" only, and whatever else is asked for. */
void fake_graph_set_databases(struct fake_graph *g, const struct fake_graph_database *list,
                              size_t n);
/* Says that it is Enterprise Edition, with roles: admin, "aud`itor" and PUBLIC; users neo4j and ann. */
void fake_graph_set_enterprise(struct fake_graph *g, bool enterprise);
/* When the server started the database; 0: it does not tell, as 4.4 does not. */
void fake_graph_set_start(struct fake_graph *g, int64_t unix_ms);
/*
 * A graph of any size that is not in memory: nodes 0 to nodes - 1, each with a label, and a key whose value is
 * text, that only nodes of the same shape have; and relationships between them. It replaces the other graph and never
 * changes. Before the start.
 */
struct fake_graph_mass {
    uint64_t nodes, rels;
    uint64_t shapes;   /* 0: 1 */
    size_t text_bytes; /* of each node */
};
void fake_graph_set_mass(struct fake_graph *g, const struct fake_graph_mass *mass);
/* How relationships are handed out: by id, or node by node, as 4.4 does, which has no scan of
 * relationships; EXPLAIN says so, or not. */
enum fake_graph_order {
    FAKE_GRAPH_BY_ID,
    FAKE_GRAPH_BY_NODE,
    FAKE_GRAPH_BY_NODE_UNTOLD,
};
void fake_graph_set_order(struct fake_graph *g, enum fake_graph_order order);
/* So many nodes that a restore has left; they are in no other answer. */
void fake_graph_set_stamps(struct fake_graph *g, int64_t n);
/* Without constraints and indexes. From the hook, too. */
void fake_graph_set_bare(struct fake_graph *g, bool bare);
/* The index is one of vectors that only Cypher 25 has words for: without it it has no statement. */
void fake_graph_set_index_in_25(struct fake_graph *g, bool in_25);
/* The query at hand, for the hook. */
const char *fake_graph_query_text(const struct fake_graph *g);
/* Refuses the column type, as Neo4j 4.4 does. */
void fake_graph_set_old(struct fake_graph *g, bool old);

/* APOC's export, as APOC 5 writes it: the head, nodes, relationships, the end. */
enum fake_graph_apoc {
    FAKE_GRAPH_APOC_NONE,
    FAKE_GRAPH_APOC_WHOLE,
    FAKE_GRAPH_APOC_WITHOUT_LAST, /* the last relationship is left out */
    FAKE_GRAPH_APOC_STRANGE,      /* with a statement that APOC does not write */
    FAKE_GRAPH_APOC_CUT,          /* without its end */
};
void fake_graph_set_apoc(struct fake_graph *g, enum fake_graph_apoc apoc);

/* Before the start, after the stop, or from the hook. Each is one transaction. */
int64_t fake_graph_add_node(struct fake_graph *g, char label, int64_t k, int64_t v);
int64_t fake_graph_add_rel(struct fake_graph *g, int64_t start, int64_t end, int64_t u);
void fake_graph_delete_node(struct fake_graph *g, int64_t id); /* with its relationships */
void fake_graph_delete_rel(struct fake_graph *g, int64_t id);
void fake_graph_set_node(struct fake_graph *g, int64_t id, int64_t k, int64_t v);
void fake_graph_touch(struct fake_graph *g); /* an empty transaction */
/* *ret_n: ids are below. */
const struct fake_graph_node *fake_graph_nodes(const struct fake_graph *g, size_t *ret_n);
const struct fake_graph_rel *fake_graph_rels(const struct fake_graph *g, size_t *ret_n);
unsigned fake_graph_connections(const struct fake_graph *g);

#endif
