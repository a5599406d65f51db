#include "bolt/target.h"

#include <stdio.h>

#include "base/mem.h"
#include "base/url.h"

static const struct scheme {
    const char *name;
    bool tls, verify, routing;
} schemes[] = {
    { "bolt", false, false, false },    { "bolt+s", true, true, false },
    { "bolt+ssc", true, false, false }, { "neo4j", false, false, true },
    { "neo4j+s", true, true, true },    { "neo4j+ssc", true, false, true },
};

static const struct scheme *find_scheme(const char *name)
{
    for (size_t i = 0; i < NB_ARRAY_LEN(schemes); i++)
        if (nb_streq(schemes[i].name, name))
            return &schemes[i];
    return NULL;
}

static bool fail(struct nb_error *err, const char *what)
{
    return nb_fail(err, NB_E_INVALID, "InvalidUri", "%s", what);
}

bool bolt_target_parse(const char *uri, struct bolt_target *ret, struct nb_error *err)
{
    struct nb_url url;
    const struct scheme *s;

    if (!uri)
        return fail(err, "NEO4J_URI is not set");
    if (!nb_url_parse(uri, "NEO4J_URI", &url, err))
        return fail(err, err->text);
    s = find_scheme(url.scheme);
    if (!s)
        return nb_fail(err, NB_E_INVALID, "InvalidUri",
                       "NEO4J_URI: scheme '%s' is not one of bolt, bolt+s, bolt+ssc, neo4j, "
                       "neo4j+s, neo4j+ssc",
                       url.scheme);
    if (url.has_userinfo)
        return fail(err, "NEO4J_URI: user and password do not belong in the URI; "
                         "hint: use NEO4J_USER and NEO4J_PASSWORD");
    if (url.host[0] == '\0')
        return fail(err, "NEO4J_URI: the host is missing");
    if (url.path.n > 0 && !nb_str_is(url.path, "/"))
        return fail(err,
                    "NEO4J_URI: a path is not allowed; hint: name a database by NEO4J_DATABASE");
    if (url.query.n > 0 && !s->routing)
        return fail(err, "NEO4J_URI: a query is for neo4j schemes only");
    if (url.query.n >= sizeof(ret->context))
        return fail(err, "NEO4J_URI: the query is too long");
    *ret = (struct bolt_target){ .tls = s->tls, .verify = s->verify, .routing = s->routing };
    ret->port = url.port ? url.port : BOLT_DEFAULT_PORT;
    (void)snprintf(ret->host, sizeof(ret->host), "%s", url.host);
    (void)snprintf(ret->context, sizeof(ret->context), "%.*s", (int)url.query.n,
                   url.query.n ? url.query.p : "");
    return true;
}
