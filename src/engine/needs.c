#include "engine/needs.h"

#include <stdio.h>
#include <stdlib.h>

void eng_needs_props(struct eng_needs *n, const struct ps_map *props)
{
    for (size_t i = 0; i < props->n; i++) {
        const struct ps_value *v = &props->pairs[i].value;

        if (v->type == PS_LIST && v->list.n > 0)
            v = &v->list.items[0];
        n->vectors = n->vectors || v->type == PS_VECTOR;
        n->uuids = n->uuids || v->type == PS_UUID;
    }
}

static void note(unsigned *count, char name[ENG_NEEDS_NAME_MAX], struct nb_str s)
{
    if ((*count)++ == 0)
        snprintf(name, ENG_NEEDS_NAME_MAX, "%.*s",
                 (int)(s.n < ENG_NEEDS_NAME_MAX ? s.n : ENG_NEEDS_NAME_MAX - 1), s.p);
}

void eng_needs_schema(struct eng_needs *n, const struct cyp_schema *item)
{
    unsigned ignored = n->enterprise;

    if (item->enterprise) {
        note(&ignored, n->enterprise_type, item->type);
        note(&n->enterprise, n->enterprise_name, item->name);
    } else if (nb_str_is(item->type, "VECTOR")) {
        note(&n->vector_indexes, n->vector_name, item->name);
    } else if (nb_str_is(item->type, "RELATIONSHIP_UNIQUENESS")) {
        note(&n->rel_unique, n->rel_unique_name, item->name);
    } else if (nb_str_is(item->type, "BTREE")) {
        note(&n->btree, n->btree_name, item->name);
    }
}

static bool lacks(struct nb_error *err, const struct eng_server *server, const char *what,
                  const char *name, const char *needs)
{
    return nb_fail(err, NB_E_INVALID, "TargetLacksFeature",
                   "%s '%s' needs %s, the target is Neo4j %s %s", what, name, needs,
                   server->version, server->edition);
}

static bool fail_enterprise(const struct eng_needs *n, const struct eng_server *server,
                            struct nb_error *err)
{
    char more[48] = "";

    if (n->enterprise > 1)
        snprintf(more, sizeof(more), " (and %u more)", n->enterprise - 1);
    nb_fail(err, NB_E_INVALID, "TargetLacksFeature",
            "constraint '%s'%s is of type %s and needs Enterprise Edition, the target is Neo4j %s "
            "%s",
            n->enterprise_name, more, n->enterprise_type, server->version, server->edition);
    return nb_hint(err, "plain cypher-shell restores everything but these, which come last");
}

/* 4.4 is 404, 5.26 is 526, 2026.1 is 202601. */
static unsigned version_number(const char *version)
{
    char *end;
    unsigned long major = strtoul(version, &end, 10), minor = 0;

    if (*end == '.')
        minor = strtoul(end + 1, NULL, 10);
    return major > 9999 ? 0 : (unsigned)(major * 100 + (minor < 100 ? minor : 99));
}

bool eng_needs_check(const struct eng_needs *n, const struct eng_server *server,
                     struct bolt_version bolt, struct nb_error *err)
{
    unsigned version = version_number(server->version);
    bool community = nb_streq(server->edition, "community");

    if (n->enterprise > 0 && community)
        return fail_enterprise(n, server, err);
    if (n->vector_indexes > 0 && version && version < 513)
        return lacks(err, server, "vector index", n->vector_name, "Neo4j 5.13 or later");
    if (n->rel_unique > 0 && version && version < 507)
        return lacks(err, server, "constraint of relationships", n->rel_unique_name,
                     "Neo4j 5.7 or later");
    if (n->btree > 0 && version >= 500)
        return lacks(err, server, "index", n->btree_name,
                     "Neo4j 4.4, for it is a b-tree with options of its own");
    if (n->vectors && bolt.major < 6)
        return lacks(err, server, "a property of type", "VECTOR", "Neo4j 2025.10 or later");
    if (n->vectors && community)
        return lacks(err, server, "a property of type", "VECTOR", "Enterprise Edition");
    if (n->uuids && (bolt.major < 6 || (bolt.major == 6 && bolt.minor < 1)))
        return lacks(err, server, "a property of type", "UUID", "Neo4j 2026 or later");
    return true;
}
