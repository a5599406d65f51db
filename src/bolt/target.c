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

/* --- addresses -------------------------------------------------------------------------------- */

bool bolt_address_parse(struct nb_str text, struct bolt_address *ret, struct nb_error *err)
{
    char url_text[BOLT_ADDRESS_TEXT_MAX + sizeof("bolt://")];
    struct nb_error why = NB_ERROR_INIT;
    struct nb_url url;
    int n = snprintf(url_text, sizeof(url_text), "bolt://%.*s",
                     (int)(text.n < 4096 ? text.n : 4096), text.n ? text.p : "");

    /* What has a NUL within, or more than an address, is none. */
    if (n < 0 || (size_t)n >= sizeof(url_text) || (size_t)n != text.n + strlen("bolt://") ||
        !nb_url_parse(url_text, "address", &url, &why) || url.has_userinfo || url.path.n > 0 ||
        url.query.n > 0)
        return nb_fail(err, NB_E_PROTOCOL, "Neo4jRoutingTableInvalid",
                       "the routing table has an address that is none");
    *ret = (struct bolt_address){ .port = url.port ? url.port : BOLT_DEFAULT_PORT };
    (void)snprintf(ret->host, sizeof(ret->host), "%s", url.host);
    return true;
}

bool bolt_address_equal(const struct bolt_address *a, const struct bolt_address *b)
{
    return a->port == b->port && nb_streq(a->host, b->host);
}

const char *bolt_address_format(const struct bolt_address *a, char out[BOLT_ADDRESS_TEXT_MAX])
{
    bool v6 = strchr(a->host, ':') != NULL;

    (void)snprintf(out, BOLT_ADDRESS_TEXT_MAX, v6 ? "[%s]:%u" : "%s:%u", a->host, a->port);
    return out;
}

/* --- the routing context ---------------------------------------------------------------------- */

static int hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* Undoes %XX. False: one that is none, or a NUL. */
static bool unescape(struct nb_str s, char out[BOLT_CONTEXT_MAX])
{
    size_t n = 0;

    for (size_t i = 0; i < s.n; i++) {
        int high = 0, low = 0;

        if (s.p[i] != '%') {
            out[n++] = s.p[i];
            continue;
        }
        if (i + 2 >= s.n || (high = hex_digit(s.p[i + 1])) < 0 || (low = hex_digit(s.p[i + 2])) < 0)
            return false;
        out[n++] = (char)(high << 4 | low);
        if (out[n - 1] == '\0')
            return false;
        i += 2;
    }
    out[n] = '\0';
    return true;
}

/* The pair at *pos, still escaped; false at the end. */
static bool next_pair(const char *query, size_t *pos, struct nb_str *ret_key, struct nb_str *ret)
{
    const char *p = query + *pos;
    size_t n = strcspn(p, "&"), key = 0;

    if (*p == '\0')
        return false;
    key = strcspn(p, "=&");
    *ret_key = (struct nb_str){ p, key };
    *ret = key < n ? (struct nb_str){ p + key + 1, n - key - 1 } : (struct nb_str){ p + n, 0 };
    *pos += n + (p[n] == '&');
    return true;
}

static size_t count_key(const char *query, const char *key)
{
    struct nb_str k, v;
    char text[BOLT_CONTEXT_MAX];
    size_t pos = 0, count = 0;

    while (next_pair(query, &pos, &k, &v))
        count += unescape(k, text) && nb_streq(text, key);
    return count;
}

static bool fail(struct nb_error *err, const char *what)
{
    return nb_fail(err, NB_E_INVALID, "InvalidUri", "%s", what);
}

static bool check_context(const char *query, struct nb_error *err)
{
    char key[BOLT_CONTEXT_MAX], value[BOLT_CONTEXT_MAX];
    struct nb_str k, v;
    size_t pos = 0;

    while (next_pair(query, &pos, &k, &v)) {
        if (!unescape(k, key) || !unescape(v, value) || !nb_utf8_valid(key, strlen(key)) ||
            !nb_utf8_valid(value, strlen(value)))
            return fail(err, "NEO4J_URI: the query is not escaped as it should be");
        if (key[0] == '\0' || value[0] == '\0')
            return fail(err, "NEO4J_URI: the query is not of the form name=value&name=value");
        if (nb_streq(key, "address"))
            return fail(err, "NEO4J_URI: the name 'address' is reserved in the query");
        if (count_key(query, key) > 1)
            return fail(err, "NEO4J_URI: the query has a name twice");
    }
    return true;
}

void bolt_put_context(struct ps_encoder *e, const struct bolt_target *t)
{
    char text[BOLT_CONTEXT_MAX];
    struct nb_str k, v;
    size_t pos = 0, n = 1;

    while (next_pair(t->context, &pos, &k, &v))
        n++;
    ps_put_map(e, n);
    ps_put_cstr(e, "address");
    ps_put_cstr(e, t->origin);
    pos = 0;
    while (next_pair(t->context, &pos, &k, &v)) {
        (void)unescape(k, text);
        ps_put_cstr(e, text);
        (void)unescape(v, text);
        ps_put_cstr(e, text);
    }
}

/* --- the URI ---------------------------------------------------------------------------------- */

static const struct scheme *find_scheme(const char *name)
{
    for (size_t i = 0; i < NB_ARRAY_LEN(schemes); i++)
        if (nb_streq(schemes[i].name, name))
            return &schemes[i];
    return NULL;
}

bool bolt_target_parse(const char *uri, struct bolt_target *ret, struct nb_error *err)
{
    struct bolt_target t;
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
    if (url.query.n >= sizeof(t.context))
        return fail(err, "NEO4J_URI: the query is too long");
    t = (struct bolt_target){ .tls = s->tls, .verify = s->verify, .routing = s->routing };
    t.at.port = url.port ? url.port : BOLT_DEFAULT_PORT;
    (void)snprintf(t.at.host, sizeof(t.at.host), "%s", url.host);
    (void)snprintf(t.context, sizeof(t.context), "%.*s", (int)url.query.n,
                   url.query.n ? url.query.p : "");
    (void)bolt_address_format(&t.at, t.origin);
    if (!check_context(t.context, err))
        return false;
    *ret = t;
    return true;
}
