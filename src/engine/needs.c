#include "engine/needs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

static void name_copy(char to[ENG_NEEDS_NAME_MAX], struct nb_str s)
{
    snprintf(to, ENG_NEEDS_NAME_MAX, "%.*s",
             (int)(s.n < ENG_NEEDS_NAME_MAX ? s.n : ENG_NEEDS_NAME_MAX - 1), s.p);
}

/*
 * What of schema not every server has that takes dumps, and since when it is there. From the Cypher
 * manual, "Additions, deprecations, removals, and compatibility", but where another source is given.
 * Of several that a server lacks the one that needs the newest is told: it comes first.
 */
static const struct kind {
    const char *type;      /* as cyp_schema has it */
    const char *words;     /* in the statement, outside of quotes; NULL: any */
    const char *option;    /* in its options: one that is there or, with "-" before it, is not */
    unsigned since, until; /* 515: 5.15; until 0: to this day */
    const char *what, *needs;
} kinds[] = {
    /* Vector search with filters, and over several labels. */
    { "VECTOR", "|", NULL, 202601, 0, "vector index of several labels", "Neo4j 2026.01 or later" },
    { "VECTOR", " WITH [", NULL, 202601, 0, "vector index with further properties",
      "Neo4j 2026.01 or later" },
    { "VECTOR", NULL, "`vector.quantization.", 523, 0, "vector index with quantization",
      "Neo4j 5.23 or later" },
    { "VECTOR", NULL, "`vector.hnsw.", 523, 0, "vector index with settings of its graph",
      "Neo4j 5.23 or later" },
    { "VECTOR", NULL, "-`vector.dimensions`", 523, 0, "vector index without dimensions",
      "Neo4j 5.23 or later" },
    { "VECTOR", " FOR ()-[", NULL, 518, 0, "vector index of relationships", "Neo4j 5.18 or later" },
    /* KernelVersion.VERSION_VECTOR_2_INTRODUCED. */
    { "VECTOR", NULL, "'vector-2.0'", 518, 0, "vector index of the second kind",
      "Neo4j 5.18 or later" },
    /* The indexes are there since 5.11, but a procedure makes them. */
    { "VECTOR", NULL, NULL, 515, 0, "vector index", "Neo4j 5.15 or later" },
    { "NODE_PROPERTY_TYPE", " | ", NULL, 511, 0, "constraint of several types",
      "Neo4j 5.11 or later" },
    { "RELATIONSHIP_PROPERTY_TYPE", " | ", NULL, 511, 0, "constraint of several types",
      "Neo4j 5.11 or later" },
    { "NODE_PROPERTY_TYPE", "LIST<", NULL, 510, 0, "constraint of lists", "Neo4j 5.10 or later" },
    { "RELATIONSHIP_PROPERTY_TYPE", "LIST<", NULL, 510, 0, "constraint of lists",
      "Neo4j 5.10 or later" },
    { "NODE_PROPERTY_TYPE", NULL, NULL, 509, 0, "constraint of types", "Neo4j 5.9 or later" },
    { "RELATIONSHIP_PROPERTY_TYPE", NULL, NULL, 509, 0, "constraint of types",
      "Neo4j 5.9 or later" },
    { "RELATIONSHIP_UNIQUENESS", NULL, NULL, 507, 0, "constraint of relationships",
      "Neo4j 5.7 or later" },
    { "RELATIONSHIP_KEY", NULL, NULL, 507, 0, "key of relationships", "Neo4j 5.7 or later" },
    { "BTREE", NULL, NULL, 0, 500, "index",
      "Neo4j 4.4, for it is a b-tree with options of its own" },
};
_Static_assert(NB_ARRAY_LEN(kinds) <= ENG_NEEDS_SCHEMA, "room for the name of each");

/* A name of a label or property may hold any words. */
static bool has_option(struct nb_str statement, const char *option)
{
    size_t at = cyp_schema_find(statement, " OPTIONS {");
    bool wanted = option[0] != '-';

    option += !wanted;
    return wanted ==
           (at != SIZE_MAX && memmem(statement.p + at, statement.n - at, option, strlen(option)));
}

static bool is_of(const struct cyp_schema *item, const struct kind *k)
{
    return nb_str_is(item->type, k->type) &&
           (!k->words || cyp_schema_find(item->statement, k->words) != SIZE_MAX) &&
           (!k->option || has_option(item->statement, k->option));
}

void eng_needs_schema(struct eng_needs *n, const struct cyp_schema *item)
{
    if (item->enterprise && n->enterprise++ == 0) {
        name_copy(n->enterprise_type, item->type);
        name_copy(n->enterprise_name, item->name);
    }
    for (size_t i = 0; i < NB_ARRAY_LEN(kinds); i++) {
        if (!n->schema[i][0] && is_of(item, &kinds[i]))
            name_copy(n->schema[i], item->name);
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
    for (size_t i = 0; i < NB_ARRAY_LEN(kinds); i++) {
        const struct kind *k = &kinds[i];

        if (n->schema[i][0] && version && (version < k->since || (k->until && version >= k->until)))
            return lacks(err, server, k->what, n->schema[i], k->needs);
    }
    if (n->vectors && bolt.major < 6)
        return lacks(err, server, "a property of type", "VECTOR", "Neo4j 2025.10 or later");
    if (n->vectors && community)
        return lacks(err, server, "a property of type", "VECTOR", "Enterprise Edition");
    if (n->uuids && (bolt.major < 6 || (bolt.major == 6 && bolt.minor < 1)))
        return lacks(err, server, "a property of type", "UUID", "Neo4j 2026 or later");
    return true;
}
