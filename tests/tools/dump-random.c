/*
 * dump-random SEED NODES RELS [4.4] [bytes]: the dump of a random graph, on standard output; its
 * digests and counts go to standard error. For tests that restore it. 4.4: what such a server
 * takes; bytes: with byte arrays, which cypher-shell cannot bring back.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cypher/script.h"
#include "tests/unit/cypher/random_graph.h"

static bool out_write(void *ctx, const void *p, size_t n, struct nb_error *err)
{
    (void)ctx;
    return fwrite(p, 1, n, stdout) == n || nb_fail(err, NB_E_INTERNAL, "Write", "cannot write");
}

static bool nodes_write(struct cyp_script *s, struct rg *g, int64_t n, struct nb_error *err)
{
    for (int64_t i = 0; i < n; i++) {
        struct nb_str labels[4];
        size_t nlabels;
        struct ps_map props;

        nb_arena_reset(g->arena);
        nlabels = rg_labels(g, labels, 2);
        props = rg_props(g, 6);
        if (!cyp_script_node(s, i * 3, labels, nlabels, &props, err))
            return false;
    }
    return cyp_script_end_nodes(s, err);
}

static bool rels_write(struct cyp_script *s, struct rg *g, int64_t nodes, int64_t n,
                       struct nb_error *err)
{
    for (int64_t i = 0; i < n; i++) {
        struct nb_str type;
        struct ps_map props;
        int64_t from = rg_between(g, 0, nodes - 1) * 3;
        int64_t to = rg_below(g, 10) ? rg_between(g, 0, nodes - 1) * 3 : from;

        nb_arena_reset(g->arena);
        type = rg_name(g);
        props = rg_props(g, 6);
        if (!cyp_script_rel(s, i, from, to, type, &props, err))
            return false;
    }
    return cyp_script_end_rels(s, err);
}

#define POINT_OPTIONS                                                                              \
    "`spatial.cartesian-3d.max`: [1000000.0, 1000000.0, 1000000.0],`spatial.cartesian-3d.min`: "   \
    "[-1000000.0, -1000000.0, -1000000.0],`spatial.cartesian.max`: [1000000.0, 1000000.0],"        \
    "`spatial.cartesian.min`: [-1000000.0, -1000000.0],`spatial.wgs-84-3d.max`: [180.0, 90.0, "    \
    "1000000.0],`spatial.wgs-84-3d.min`: [-180.0, -90.0, -1000000.0],`spatial.wgs-84.max`: "       \
    "[180.0, 90.0],`spatial.wgs-84.min`: [-180.0, -90.0]}"

/* As the servers print them. */
static const struct {
    enum cyp_schema_kind kind;
    bool in4, in5;
    const char *name, *statement;
} schema[] = {
    { CYP_INDEX, false, true, "an\\u0060 index",
      "CREATE RANGE INDEX `an\\u0060 index` FOR (n:`Person`) ON (n.`name`, n.`we``ird`)" },
    { CYP_INDEX, true, false, "an\\u0060 index",
      "CREATE BTREE INDEX `an\\u0060 index` FOR (n:`Person`) ON (n.`name`, n.`we``ird`) OPTIONS "
      "{indexConfig: {" POINT_OPTIONS ", indexProvider: 'native-btree-1.0'}" },
    { CYP_INDEX, true, true, "tokens", "CREATE LOOKUP INDEX `tokens` FOR (n) ON EACH labels(n)" },
    { CYP_INDEX, true, true, "full;text",
      "CREATE FULLTEXT INDEX `full;text` FOR (n:`No``ne`|`M`) ON EACH [n.`a`, n.`b`] OPTIONS "
      "{indexConfig: {`fulltext.analyzer`: 'english',`fulltext.eventually_consistent`: true}}" },
    { CYP_INDEX, false, true, "text", "CREATE TEXT INDEX `text` FOR ()-[r:`None`]-() ON (r.`t`)" },
    { CYP_INDEX, false, true, "point",
      "CREATE POINT INDEX `point` FOR (n:`None`) ON (n.`pt`) OPTIONS {indexConfig: "
      "{" POINT_OPTIONS "}" },
    { CYP_INDEX, false, true, "vector",
      "CREATE VECTOR INDEX `vector` FOR (n:`None`) ON (n.`v`) OPTIONS {indexConfig: "
      "{`vector.dimensions`: 4,`vector.similarity_function`: 'COSINE'}}" },
    { CYP_CONSTRAINT, true, true, "unique",
      "CREATE CONSTRAINT `unique` FOR (n:`None`) REQUIRE (n.`p`, n.`q`) IS UNIQUE" },
    { CYP_CONSTRAINT, true, false, "unique4",
      "CREATE CONSTRAINT `unique4` FOR (n:`None`) REQUIRE (n.`o`) IS UNIQUE OPTIONS {indexConfig: "
      "{" POINT_OPTIONS ", indexProvider: 'native-btree-1.0'}" },
    { CYP_CONSTRAINT, false, true, "unique5",
      "CREATE CONSTRAINT `unique5` FOR ()-[r:`None`]-() REQUIRE (r.`p`) IS UNIQUE" },
};

static bool schema_write(struct cyp_script *s, bool four, struct nb_error *err)
{
    for (size_t i = 0; i < NB_ARRAY_LEN(schema); i++) {
        struct cyp_schema item = { .kind = schema[i].kind,
                                   .name = nb_str_from(schema[i].name),
                                   .statement = nb_str_from(schema[i].statement) };

        if ((four ? schema[i].in4 : schema[i].in5) && !cyp_script_schema(s, &item, err))
            return false;
    }
    return true;
}

static bool graph_write(struct cyp_script *s, struct rg *g, int64_t nodes, int64_t rels, bool four,
                        struct nb_error *err)
{
    struct cyp_head head = { .database = NB_STR("random"), .tool = NB_STR("dump-random") };

    return cyp_script_head(s, &head, err) && nodes_write(s, g, nodes, err) &&
           rels_write(s, g, nodes, rels, err) && cyp_script_end_data(s, err) &&
           schema_write(s, four, err) && cyp_script_tail(s, err);
}

int main(int argc, char **argv)
{
    struct nb_error err = NB_ERROR_INIT;
    struct cyp_script_opts opts = { .vector_procedures = true,
                                    .digest_content = true,
                                    .digest_ends_max_bytes = 1 << 30,
                                    .write = out_write };
    struct cyp_script *s = NULL;
    struct rg g = { .community = true, .no_bytes = true };
    struct cyp_digest d;
    struct cyp_counts c;
    char nodes[CYP_SUM_HEX], rels[CYP_SUM_HEX], ends[CYP_SUM_HEX];
    struct nb_arena *names;
    bool ok;

    if (argc < 4) {
        fprintf(stderr, "usage: dump-random SEED NODES RELS [4.4] [bytes]\n");
        return 2;
    }
    for (int i = 4; i < argc; i++) {
        if (strcmp(argv[i], "4.4") == 0)
            opts.vector_procedures = false;
        else if (strcmp(argv[i], "bytes") == 0)
            g.no_bytes = false;
    }
    g.state = strtoull(argv[1], NULL, 10);
    g.arena = nb_arena_new(64 << 20);
    names = nb_arena_new(1 << 20);
    rg_names_fix(&g, names, 6);
    ok = cyp_script_new(&opts, &s, &err) &&
         graph_write(s, &g, strtoll(argv[2], NULL, 10), strtoll(argv[3], NULL, 10),
                     !opts.vector_procedures, &err) &&
         fflush(stdout) == 0;
    if (!ok) {
        fprintf(stderr, "%s\n", err.text);
    } else {
        cyp_script_digest(s, &d);
        cyp_script_counts(s, &c);
        cyp_sum_format(d.nodes, nodes);
        cyp_sum_format(d.rels, rels);
        cyp_sum_format(d.rels_ends, ends);
        fprintf(stderr, "nodes %llu rels %llu properties %llu bytes %llu\n%s %s %s\n",
                (unsigned long long)c.nodes, (unsigned long long)c.rels,
                (unsigned long long)c.properties, (unsigned long long)c.bytes, nodes, rels, ends);
    }
    cyp_script_free(s);
    nb_arena_free(g.arena);
    nb_arena_free(names);
    return ok ? 0 : 1;
}
