#ifndef NB_BOLT_TARGET_H
#define NB_BOLT_TARGET_H

/*
 * Where a Bolt URI leads: bolt, bolt+s, bolt+ssc, neo4j, neo4j+s, neo4j+ssc; and the addresses that
 * servers give. Pure.
 */

#include "base/error.h"
#include "packstream/packstream.h"

enum {
    BOLT_DEFAULT_PORT = 7687,
    BOLT_CONTEXT_MAX = 512,
    BOLT_HOST_MAX = 256,
    BOLT_ADDRESS_TEXT_MAX = BOLT_HOST_MAX + 9,
};

/* A server of a cluster, or the only one. */
struct bolt_address {
    char host[BOLT_HOST_MAX]; /* lower case; IPv6 without brackets */
    uint16_t port;
};
/* "host", "host:port", "[::1]:port". NB_E_PROTOCOL "Neo4jRoutingTableInvalid". */
NB_NODISCARD bool bolt_address_parse(struct nb_str text, struct bolt_address *ret,
                                     struct nb_error *err);
bool bolt_address_equal(const struct bolt_address *a, const struct bolt_address *b);
/* "host:port", with brackets around IPv6; returns out. */
const char *bolt_address_format(const struct bolt_address *a, char out[BOLT_ADDRESS_TEXT_MAX]);

struct bolt_target {
    struct bolt_address at;
    bool tls, verify;
    bool routing;                   /* a neo4j scheme */
    char context[BOLT_CONTEXT_MAX]; /* the query as given, checked */
    /* What the URI itself names, whichever server of the cluster `at` is: servers are told. */
    char origin[BOLT_ADDRESS_TEXT_MAX];
};
/* NB_E_INVALID "InvalidUri": the text names NEO4J_URI; credentials in a URI are refused. */
NB_NODISCARD bool bolt_target_parse(const char *uri, struct bolt_target *ret, struct nb_error *err);

/* The routing context as servers want it: the query's pairs, and the address of the URI. */
void bolt_put_context(struct ps_encoder *e, const struct bolt_target *t);

#endif
