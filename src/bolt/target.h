#ifndef NB_BOLT_TARGET_H
#define NB_BOLT_TARGET_H

/* Where a Bolt URI leads: bolt, bolt+s, bolt+ssc, neo4j, neo4j+s, neo4j+ssc. Pure. */

#include "base/error.h"

enum { BOLT_DEFAULT_PORT = 7687, BOLT_CONTEXT_MAX = 512 };

struct bolt_target {
    char host[256];
    uint16_t port;
    bool tls, verify;
    bool routing;                   /* a neo4j scheme */
    char context[BOLT_CONTEXT_MAX]; /* the query as given, for routing */
};
/* NB_E_INVALID "InvalidUri": the text names NEO4J_URI; credentials in a URI are refused. */
NB_NODISCARD bool bolt_target_parse(const char *uri, struct bolt_target *ret, struct nb_error *err);

#endif
