#include "bolt/table.h"

#include "base/mem.h"

static const char *const role_names[BOLT_ROLES] = {
    [BOLT_ROLE_ROUTE] = "ROUTE", [BOLT_ROLE_READ] = "READ", [BOLT_ROLE_WRITE] = "WRITE"
};

void bolt_table_done(struct bolt_table *t)
{
    for (size_t i = 0; i < BOLT_ROLES; i++)
        free(t->roles[i].items);
    free(t->db);
    *t = (struct bolt_table)BOLT_TABLE_INIT;
}

/* --- parsing ---------------------------------------------------------------------------------- */

static bool fail(struct nb_error *err, const char *what)
{
    return nb_fail(err, NB_E_PROTOCOL, "Neo4jRoutingTableInvalid", "the routing table %s", what);
}

/* The cluster is about to elect somebody, or starts. */
static bool fail_for_now(struct nb_error *err, const char *what)
{
    return nb_fail(err, NB_E_UNAVAILABLE, "Neo4jRoutingTableInvalid", "the routing table %s", what);
}

bool bolt_table_has(const struct bolt_table *t, enum bolt_role role, const struct bolt_address *a)
{
    const struct bolt_servers *s = &t->roles[role];

    for (size_t i = 0; i < s->n; i++)
        if (bolt_address_equal(&s->items[i], a))
            return true;
    return false;
}

static bool add_address(struct bolt_table *t, enum bolt_role role, const struct ps_value *v,
                        struct nb_error *err)
{
    struct bolt_servers *s = &t->roles[role];
    struct bolt_address a;

    if (v->type != PS_STRING)
        return fail(err, "has an address that is no text");
    if (!bolt_address_parse(v->string, &a, err))
        return false;
    if (bolt_table_has(t, role, &a))
        return true;
    if (s->n == BOLT_TABLE_SERVERS_MAX)
        return nb_fail(err, NB_E_PROTOCOL, "Neo4jRoutingTableInvalid",
                       "the routing table has more than %d servers of one role",
                       BOLT_TABLE_SERVERS_MAX);
    if (!s->items)
        s->items = nb_xcalloc(BOLT_TABLE_SERVERS_MAX, sizeof(*s->items));
    s->items[s->n++] = a;
    return true;
}

static bool add_servers(struct bolt_table *t, const struct ps_value *v, struct nb_error *err)
{
    const struct ps_value *addresses;
    struct nb_str name;
    size_t role = 0;

    if (v->type != PS_MAP)
        return fail(err, "has a server that is no map");
    name = ps_map_get_str(&v->map, "role");
    addresses = ps_map_get(&v->map, "addresses");
    if (!name.p || !addresses || addresses->type != PS_LIST)
        return fail(err, "has a server without role or addresses");
    while (role < BOLT_ROLES && !nb_str_is(name, role_names[role]))
        role++;
    for (size_t i = 0; role < BOLT_ROLES && i < addresses->list.n; i++)
        if (!add_address(t, (enum bolt_role)role, &addresses->list.items[i], err))
            return false;
    return true;
}

static bool take_ttl(struct bolt_table *t, const struct ps_map *rt, int64_t now_mono_ms,
                     struct nb_error *err)
{
    int64_t seconds = ps_map_get_int(rt, "ttl", -1);

    if (seconds < 0)
        return fail(err, "has no ttl");
    if (seconds > BOLT_TABLE_TTL_MAX_SECONDS)
        seconds = BOLT_TABLE_TTL_MAX_SECONDS;
    t->expires_mono_ms = now_mono_ms + seconds * 1000;
    return true;
}

bool bolt_table_parse(const struct ps_map *meta, int64_t now_mono_ms, struct bolt_table *ret,
                      struct nb_error *err)
{
    nb_auto_done(bolt_table_done) struct bolt_table t = BOLT_TABLE_INIT;
    const struct ps_value *rt = ps_map_get(meta, "rt"), *servers;
    struct nb_str db;

    if (!rt || rt->type != PS_MAP)
        return fail(err, "is missing in the server's answer");
    servers = ps_map_get(&rt->map, "servers");
    if (!servers || servers->type != PS_LIST)
        return fail(err, "has no list of servers");
    if (!take_ttl(&t, &rt->map, now_mono_ms, err))
        return false;
    for (size_t i = 0; i < servers->list.n; i++)
        if (!add_servers(&t, &servers->list.items[i], err))
            return false;
    if (t.roles[BOLT_ROLE_ROUTE].n == 0)
        return fail_for_now(err, "has no router");
    if (t.roles[BOLT_ROLE_READ].n == 0)
        return fail_for_now(err, "has no server to read from");
    db = ps_map_get_str(&rt->map, "db");
    if (db.n > 0 && memchr(db.p, '\0', db.n))
        return fail(err, "has a database name that is none");
    t.db = nb_xstrndup(db.n > 0 ? db.p : "", db.n);
    bolt_table_done(ret);
    *ret = t;
    t = (struct bolt_table)BOLT_TABLE_INIT;
    return true;
}

/* --- using it --------------------------------------------------------------------------------- */

bool bolt_table_is_fresh(const struct bolt_table *t, enum bolt_role role, int64_t now_mono_ms)
{
    return now_mono_ms < t->expires_mono_ms && t->roles[BOLT_ROLE_ROUTE].n > 0 &&
           t->roles[role].n > 0;
}

bool bolt_table_next(struct bolt_table *t, enum bolt_role role, struct bolt_address *ret)
{
    struct bolt_servers *s = &t->roles[role];

    if (s->n == 0)
        return false;
    *ret = s->items[s->next % s->n];
    s->next = (s->next + 1) % s->n;
    return true;
}

void bolt_table_remove(struct bolt_table *t, enum bolt_role role, const struct bolt_address *a)
{
    struct bolt_servers *s = &t->roles[role];

    for (size_t i = 0; i < s->n; i++) {
        if (!bolt_address_equal(&s->items[i], a))
            continue;
        s->n--;
        memmove(&s->items[i], &s->items[i + 1], (s->n - i) * sizeof(s->items[0]));
        /* The turn stays with whom it was. */
        if (s->next > i)
            s->next--;
        return;
    }
}

void bolt_table_remove_all(struct bolt_table *t, const struct bolt_address *a)
{
    for (size_t i = 0; i < BOLT_ROLES; i++)
        bolt_table_remove(t, (enum bolt_role)i, a);
}
