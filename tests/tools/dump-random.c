/*
 * dump-random SEED NODES RELS [4.4]: the dump of a random graph, on standard output; its digests and
 * counts go to standard error. For tests that restore it with cypher-shell.
 */

#include <stdio.h>
#include <stdlib.h>

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

static bool graph_write(struct cyp_script *s, struct rg *g, int64_t nodes, int64_t rels,
                        struct nb_error *err)
{
    struct cyp_head head = { .database = NB_STR("random"), .tool = NB_STR("dump-random") };
    struct cyp_schema index = { .kind = CYP_INDEX,
                                .name = NB_STR("an\\u0060 index"),
                                .statement = NB_STR("CREATE RANGE INDEX `an\\u0060 index` FOR "
                                                    "(n:`Person`) ON (n.`name`, n.`we``ird`)") };

    return cyp_script_head(s, &head, err) && nodes_write(s, g, nodes, err) &&
           rels_write(s, g, nodes, rels, err) && cyp_script_end_data(s, err) &&
           cyp_script_schema(s, &index, err) && cyp_script_tail(s, err);
}

int main(int argc, char **argv)
{
    struct nb_error err = NB_ERROR_INIT;
    struct cyp_script_opts opts = { .vector_procedures = argc < 5,
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
        fprintf(stderr, "usage: dump-random SEED NODES RELS [4.4]\n");
        return 2;
    }
    g.state = strtoull(argv[1], NULL, 10);
    g.arena = nb_arena_new(64 << 20);
    names = nb_arena_new(1 << 20);
    rg_names_fix(&g, names, 6);
    ok = cyp_script_new(&opts, &s, &err) &&
         graph_write(s, &g, strtoll(argv[2], NULL, 10), strtoll(argv[3], NULL, 10), &err) &&
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
