#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/cancel.h"
#include "base/clock.h"
#include "base/map.h"
#include "base/mem.h"
#include "cypher/reader.h"
#include "engine/export.h"
#include "engine/sums.h"
#include "tests/fakes/fake_graph.h"

/* Exports of a graph in a fake Neo4j, read back, with writers at work meanwhile. */

enum { DUMP_MAX = 256 << 20, NODES = 400, RELS = 900, MIRROR_MAX = 200000 };

/* --- what a restore of the dump would make ---------------------------------------------------- */

struct mirror_rel {
    bool exists;
    int64_t start, end, u, a, b;
};
struct mirror {
    struct fake_graph_node nodes[MIRROR_MAX];
    struct mirror_rel rels[MIRROR_MAX];
    size_t rels_n;
    unsigned constraints, indexes;
    bool tail;
};

static int64_t prop(const struct ps_map *m, const char *key)
{
    return ps_map_get_int(m, key, -1);
}

static void set_node(struct mirror *m, const struct cyp_node_row *row)
{
    assert_true(row->id >= 0 && row->id < MIRROR_MAX);
    assert_int_equal(row->nlabels, 1);
    m->nodes[row->id] = (struct fake_graph_node){
        .exists = true,
        .label = row->labels[0].p[0],
        .k = prop(&row->props, "k"),
        .v = prop(&row->props, "v"),
        .serial = prop(&row->props, "s"),
    };
}

static bool on_node(void *ctx, const struct cyp_node_row *row, struct nb_error *err)
{
    struct mirror *m = ctx;

    (void)err;
    assert_false(m->nodes[row->id].exists);
    set_node(m, row);
    return true;
}

static bool on_set_node(void *ctx, const struct cyp_node_row *row, const struct nb_str *old_labels,
                        size_t nold_labels, struct nb_error *err)
{
    struct mirror *m = ctx;

    (void)err;
    (void)old_labels;
    assert_true(nold_labels > 0);
    assert_true(m->nodes[row->id].exists);
    set_node(m, row);
    return true;
}

static bool on_delete_node(void *ctx, int64_t id, struct nb_error *err)
{
    struct mirror *m = ctx;

    (void)err;
    assert_true(m->nodes[id].exists);
    m->nodes[id].exists = false;
    for (size_t i = 0; i < m->rels_n; i++) {
        if (m->rels[i].start == id || m->rels[i].end == id)
            m->rels[i].exists = false;
    }
    return true;
}

static bool on_rel(void *ctx, const struct cyp_rel_row *row, struct nb_error *err)
{
    struct mirror *m = ctx;

    (void)err;
    assert_true(m->nodes[row->start_id].exists);
    assert_true(m->nodes[row->end_id].exists);
    assert_true(m->rels_n < MIRROR_MAX);
    m->rels[m->rels_n++] = (struct mirror_rel){
        .exists = true,
        .start = row->start_id,
        .end = row->end_id,
        .u = prop(&row->props, "u"),
        .a = prop(&row->props, "a"),
        .b = prop(&row->props, "b"),
    };
    return true;
}

static bool on_schema(void *ctx, const struct cyp_schema *item, struct nb_error *err)
{
    struct mirror *m = ctx;

    (void)err;
    if (item->kind == CYP_CONSTRAINT)
        m->constraints++;
    else
        m->indexes++;
    return true;
}

static bool on_tail(void *ctx, const struct cyp_tail *tail, struct nb_error *err)
{
    (void)tail;
    (void)err;
    ((struct mirror *)ctx)->tail = true;
    return true;
}

static struct mirror *read_dump(const struct nb_buf *dump)
{
    static const struct cyp_reader_ops ops = {
        .node = on_node,
        .rel = on_rel,
        .delete_node = on_delete_node,
        .set_node = on_set_node,
        .schema = on_schema,
        .tail = on_tail,
    };
    struct cyp_reader_opts opts = { .any_script = false };
    struct mirror *m = NB_NEW(struct mirror);
    struct cyp_reader *r = cyp_reader_new(&opts, &ops, m);
    struct nb_error err = NB_ERROR_INIT;

    if (!cyp_reader_feed(r, dump->data, dump->len, &err) || !cyp_reader_finish(r, &err))
        fail_msg("the dump cannot be read: %s", err.text);
    cyp_reader_free(r);
    assert_true(m->tail);
    assert_int_equal(m->constraints, 2);
    assert_int_equal(m->indexes, 1);
    return m;
}

/* No two with one value under a constraint, and every relationship on the very nodes that it
 * had. */
static void assert_closed(const struct mirror *m)
{
    struct nb_map *seen = nb_map_new(NULL);
    static char there;

    for (int64_t i = 0; i < MIRROR_MAX; i++) {
        const struct fake_graph_node *n = &m->nodes[i];

        if (!n->exists || n->label != 'A')
            continue;
        if (nb_map_get(seen, (const char *)&n->k, sizeof(n->k)))
            fail_msg("two nodes have k = %lld", (long long)n->k);
        nb_map_put(seen, (const char *)&n->k, sizeof(n->k), &there);
    }
    nb_map_clear(seen);
    for (size_t i = 0; i < m->rels_n; i++) {
        const struct mirror_rel *r = &m->rels[i];

        if (!r->exists)
            continue;
        assert_true(m->nodes[r->start].exists && m->nodes[r->end].exists);
        assert_int_equal(m->nodes[r->start].serial, r->a);
        assert_int_equal(m->nodes[r->end].serial, r->b);
        if (r->u >= 0 && nb_map_get(seen, (const char *)&r->u, sizeof(r->u)))
            fail_msg("two relationships have u = %lld", (long long)r->u);
        if (r->u >= 0)
            nb_map_put(seen, (const char *)&r->u, sizeof(r->u), &there);
    }
    nb_map_free(seen);
}

static size_t count_rels(const struct mirror *m)
{
    size_t n = 0;

    for (size_t i = 0; i < m->rels_n; i++)
        n += m->rels[i].exists;
    return n;
}

/* --- the export ------------------------------------------------------------------------------- */

struct outcome {
    bool ok;
    struct nb_error err;
    struct nb_buf dump;
    struct repo_manifest *m;
};

static struct outcome export_with(struct fake_graph *g, enum eng_consistency consistency,
                                  unsigned max_rounds, int64_t retry_window_ms)
{
    struct outcome o = { .err = NB_ERROR_INIT, .dump = NB_BUF_INIT(DUMP_MAX) };
    struct eng_source_opts source_opts = { .bolt = BOLT_CONN_OPTS_INIT,
                                           .fetch_size = 50,
                                           .retry_window_ms = retry_window_ms };
    struct eng_meter meter = { .stage = ENG_CONNECTING };
    struct eng_source *source = NULL;
    struct sink *sink = sink_buf_new(&o.dump);
    struct eng_export_opts opts = {
        .out = sink,
        .meter = &meter,
        .consistency = consistency,
        .max_rounds = max_rounds,
        .tool = "test",
        .digest = true,
    };

    source_opts.bolt.uri = fake_graph_uri(g);
    o.m = repo_manifest_new();
    o.ok = eng_source_open(&source_opts, &source, &o.err);
    opts.source = source;
    o.ok = o.ok && eng_export_run(&opts, o.m, &o.err);
    eng_source_close(source);
    sink_free(sink);
    return o;
}

static void outcome_done(struct outcome *o)
{
    nb_buf_done(&o->dump);
    repo_manifest_free(o->m);
}

static void fill(struct fake_graph *g)
{
    for (int64_t i = 0; i < NODES; i++)
        fake_graph_add_node(g, i % 10 == 9 ? 'B' : 'A', i, 0);
    for (int64_t i = 0; i < RELS; i++)
        fake_graph_add_rel(g, i % NODES, (i * 7 + 1) % NODES, i % 3 ? i : -1);
}

static void quiet_graph_is_a_snapshot(void **state)
{
    struct fake_graph *g = fake_graph_new();
    struct outcome o;
    struct mirror *m;

    (void)state;
    fill(g);
    fake_graph_start(g, NULL, NULL);
    o = export_with(g, ENG_CONSISTENCY_CLOSED, 0, 0);
    assert_true(o.ok);
    assert_int_equal(o.m->consistency, REPO_CONSISTENCY_SNAPSHOT);
    assert_int_equal(o.m->fixup_passes, 0);
    assert_int_equal(o.m->nodes, NODES);
    assert_int_equal(o.m->relationships, RELS);
    assert_int_equal(o.m->constraints, 2);
    assert_int_equal(o.m->last_transaction, 1 + NODES + RELS);
    assert_string_equal(o.m->server_version, "5.26.30");
    assert_string_equal(o.m->database, "neo4j");
    assert_non_null(o.m->digest_nodes);
    m = read_dump(&o.dump);
    assert_closed(m);
    assert_int_equal(count_rels(m), RELS);
    free(m);
    outcome_done(&o);
    fake_graph_free(g);
}

/* One write at one moment: a hook that fires once. */
struct once {
    enum fake_graph_query query;
    uint64_t row;
    void (*write)(struct fake_graph *g);
    bool fired;
};

static enum fake_graph_break fire_once(void *ctx, struct fake_graph *g, enum fake_graph_query query,
                                       uint64_t row)
{
    struct once *o = ctx;

    if (!o->fired && query == o->query && row == o->row) {
        o->fired = true;
        o->write(g);
    }
    return FAKE_GRAPH_GO_ON;
}

static void hand_key_over(struct fake_graph *g)
{
    /* Read, deleted, made again with the same key under an id that is still to come. */
    fake_graph_delete_node(g, 0);
    fake_graph_add_node(g, 'B', -1, 0);
    fake_graph_add_node(g, 'A', 0, 5);
}

static void use_id_again(struct fake_graph *g)
{
    /* Another node under an id whose node was read; its relationships are still to come. */
    fake_graph_delete_node(g, 3);
    assert_int_equal(fake_graph_add_node(g, 'A', 100003, 1), 3);
    fake_graph_add_rel(g, 3, 4, -1);
    fake_graph_add_rel(g, 5, 3, 77777);
}

static void swap_keys(struct fake_graph *g)
{
    fake_graph_set_node(g, 2, 301, 0);
    fake_graph_set_node(g, 301, 2, 0);
}

static void rewire(struct fake_graph *g)
{
    fake_graph_delete_rel(g, 4);
    fake_graph_delete_rel(g, 1);
    fake_graph_add_rel(g, 300, 301, 4);
    fake_graph_add_rel(g, 301, 302, 1);
    fake_graph_add_rel(g, 1, 2, 99999);
}

static void delete_one(struct fake_graph *g)
{
    fake_graph_delete_node(g, 7);
}

static void change_one(struct fake_graph *g)
{
    fake_graph_set_node(g, 8, 8, 12345);
}

/* Neo4j 2026 has no createStatement for a vector index of several labels, but in Cypher 25. */
static void index_that_only_cypher_25_has_words_for_is_in_the_dump(void **state)
{
    static const char wanted[] =
        "\nCYPHER 25 CREATE VECTOR INDEX `b_v` FOR (n:`A`|`B`) ON (n.`v`);\n";
    struct fake_graph *g = fake_graph_new();
    struct outcome o;

    (void)state;
    fill(g);
    fake_graph_set_index_in_25(g, true);
    fake_graph_start(g, NULL, NULL);
    o = export_with(g, ENG_CONSISTENCY_CLOSED, 0, 0);
    if (!o.ok)
        fail_msg("%s", o.err.text);
    assert_int_equal(o.m->indexes, 1);
    assert_non_null(memmem(o.dump.data, o.dump.len, wanted, sizeof(wanted) - 1));
    nb_free(read_dump(&o.dump));
    outcome_done(&o);
    fake_graph_free(g);
}

static void write_at_any_moment_is_closed_by_a_second_look(void **state)
{
    static void (*const writes[])(struct fake_graph *) = {
        hand_key_over, use_id_again, swap_keys, rewire, delete_one, change_one
    };
    static const struct {
        enum fake_graph_query query;
        uint64_t row;
    } moments[] = {
        { FAKE_GRAPH_NODES, 0 }, { FAKE_GRAPH_NODES, 200 }, { FAKE_GRAPH_NODES, NODES },
        { FAKE_GRAPH_RELS, 0 },  { FAKE_GRAPH_RELS, 450 },  { FAKE_GRAPH_RELS, RELS },
    };

    (void)state;
    for (size_t w = 0; w < NB_ARRAY_LEN(writes); w++) {
        for (size_t i = 0; i < NB_ARRAY_LEN(moments); i++) {
            struct once once = { moments[i].query, moments[i].row, writes[w], false };
            struct fake_graph *g = fake_graph_new();
            struct outcome o;
            struct mirror *m;

            fill(g);
            fake_graph_start(g, fire_once, &once);
            o = export_with(g, ENG_CONSISTENCY_CLOSED, 0, 0);
            if (!o.ok)
                fail_msg("write %zu at moment %zu: %s", w, i, o.err.text);
            assert_true(once.fired);
            m = read_dump(&o.dump);
            assert_closed(m);
            free(m);
            outcome_done(&o);
            fake_graph_free(g);
        }
    }
}

/* --- a writer that never rests ---------------------------------------------------------------- */

struct writer {
    uint64_t x;
    unsigned period; /* a write every so many rows */
    int64_t next_key;
    uint64_t writes;
};

static uint64_t draw(struct writer *w, uint64_t n)
{
    w->x ^= w->x << 13;
    w->x ^= w->x >> 7;
    w->x ^= w->x << 17;
    return w->x % n;
}

static int64_t any_node(struct writer *w, struct fake_graph *g)
{
    size_t n;
    const struct fake_graph_node *nodes = fake_graph_nodes(g, &n);
    int64_t id;

    do
        id = (int64_t)draw(w, n);
    while (!nodes[id].exists);
    return id;
}

static int64_t any_rel(struct writer *w, struct fake_graph *g)
{
    size_t n;
    const struct fake_graph_rel *rels = fake_graph_rels(g, &n);
    int64_t id;

    do
        id = (int64_t)draw(w, n);
    while (!rels[id].exists);
    return id;
}

static void write_something(struct writer *w, struct fake_graph *g)
{
    size_t n;
    int64_t a = any_node(w, g), b = any_node(w, g), r = any_rel(w, g);
    const struct fake_graph_node *nodes = fake_graph_nodes(g, &n);
    struct fake_graph_node x = nodes[a], y = nodes[b];
    struct fake_graph_rel rel = fake_graph_rels(g, &n)[r];

    w->writes++;
    switch (draw(w, 8)) {
    case 0:
        fake_graph_set_node(g, a, x.k, x.v + 1);
        break;
    case 1: /* two swap their keys */
        if (x.label == 'A' && y.label == 'A') {
            fake_graph_set_node(g, a, y.k, x.v);
            fake_graph_set_node(g, b, x.k, y.v);
        }
        break;
    case 2: /* again under another id, or the same */
        fake_graph_delete_node(g, a);
        if (draw(w, 2))
            fake_graph_add_node(g, 'B', w->next_key++, 0);
        a = fake_graph_add_node(g, x.label, x.k, 0);
        fake_graph_add_rel(g, a, any_node(w, g), -1);
        fake_graph_add_rel(g, any_node(w, g), a, w->next_key++);
        break;
    case 3:
        b = fake_graph_add_node(g, 'A', w->next_key++, 0);
        fake_graph_add_rel(g, a, b, w->next_key++);
        break;
    case 4: /* a relationship again, elsewhere, or the other way round */
        fake_graph_delete_rel(g, r);
        if (draw(w, 2))
            fake_graph_add_rel(g, rel.end, rel.start, rel.u);
        else
            fake_graph_add_rel(g, a, b, rel.u);
        break;
    case 5:
        fake_graph_add_rel(g, a, b, -1);
        break;
    case 6:
        if (w->writes % 4 == 0)
            fake_graph_delete_node(g, a);
        break;
    default: /* one that is written to without end */
        if (nodes[0].exists)
            fake_graph_set_node(g, 0, nodes[0].k, nodes[0].v + 1);
    }
}

static enum fake_graph_break keep_writing(void *ctx, struct fake_graph *g,
                                          enum fake_graph_query query, uint64_t row)
{
    struct writer *w = ctx;

    (void)row;
    if (draw(w, w->period) != 0)
        return FAKE_GRAPH_GO_ON;
    write_something(w, g);
    if (query > FAKE_GRAPH_RELS_OF)
        return FAKE_GRAPH_GO_ON;
    return draw(w, 4) == 0   ? FAKE_GRAPH_OVERTAKEN
           : draw(w, 4) == 0 ? FAKE_GRAPH_GONE
                             : FAKE_GRAPH_GO_ON;
}

static void restless_writer_the_dump_is_closed(void **state)
{
    uint64_t seed = (uint64_t)nb_clock_unix_ms();
    unsigned closed = 0, rounds = 0, not_closed = 0;

    (void)state;
    for (unsigned i = 0; i < 60; i++) {
        struct writer w = { .x = (seed + i) * 0x9e3779b97f4a7c15u | 1,
                            .period = 20 + 20 * (i % 10),
                            .next_key = 1000000 };
        struct fake_graph *g = fake_graph_new();
        struct outcome o;

        fill(g);
        fake_graph_start(g, keep_writing, &w);
        o = export_with(g, ENG_CONSISTENCY_CLOSED, 0, 0);
        fake_graph_free(g);
        if (o.ok) {
            struct mirror *m = read_dump(&o.dump);

            print_message("seed %llu: period %u, %d rounds, verdict %s\n",
                          (unsigned long long)(seed + i), w.period, o.m->fixup_passes,
                          repo_consistency_name(o.m->consistency));
            assert_closed(m);
            free(m);
            closed++;
            rounds += (unsigned)o.m->fixup_passes;
        } else {
            if (!nb_streq(o.err.reason, "NotClosed"))
                fail_msg("%s", o.err.text);
            not_closed++;
        }
        outcome_done(&o);
    }
    print_message("seed %llu: %u closed in %u rounds, %u not\n", (unsigned long long)seed, closed,
                  rounds, not_closed);
    assert_true(closed > not_closed);
}

/* --- other verdicts --------------------------------------------------------------------------- */

static void quiescent_and_best_effort_say_so(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct once once = { FAKE_GRAPH_NODES, 200, change_one, false };
        struct fake_graph *g = fake_graph_new();
        struct outcome o;

        fill(g);
        fake_graph_start(g, fire_once, &once);
        o = export_with(g, i ? ENG_CONSISTENCY_BEST_EFFORT : ENG_CONSISTENCY_QUIESCENT, 0, 0);
        assert_int_equal(o.ok, i);
        if (i)
            assert_int_equal(o.m->consistency, REPO_CONSISTENCY_BEST_EFFORT);
        if (i)
            assert_non_null(strstr(o.m->warnings.items[0], "BestEffort"));
        else
            assert_string_equal(o.err.reason, "NotClosed");
        outcome_done(&o);
        fake_graph_free(g);
    }
}

/* --- breaks ----------------------------------------------------------------------------------- */

struct breaks {
    enum fake_graph_break what;
    unsigned left; /* times */
    uint64_t every;
    uint64_t rows;
};

static enum fake_graph_break break_often(void *ctx, struct fake_graph *g,
                                         enum fake_graph_query query, uint64_t row)
{
    struct breaks *b = ctx;

    (void)g;
    (void)row;
    if (query > FAKE_GRAPH_RELS || b->left == 0 || ++b->rows % b->every)
        return FAKE_GRAPH_GO_ON;
    b->left--;
    return b->what;
}

/* Reads that break so often still give the whole graph. */
static void export_through(struct breaks b, int64_t retry_ms)
{
    struct fake_graph *g = fake_graph_new();
    struct outcome o;
    struct mirror *m;

    fill(g);
    fake_graph_start(g, break_often, &b);
    o = export_with(g, ENG_CONSISTENCY_CLOSED, 0, retry_ms);
    if (!o.ok)
        fail_msg("%s", o.err.text);
    assert_int_equal(b.left, 0);
    assert_int_equal(o.m->consistency, REPO_CONSISTENCY_SNAPSHOT);
    assert_int_equal(o.m->nodes, NODES);
    assert_int_equal(o.m->relationships, RELS);
    m = read_dump(&o.dump);
    assert_closed(m);
    free(m);
    outcome_done(&o);
    fake_graph_free(g);
}

static void broken_reads_go_on_behind_the_last_id(void **state)
{
    (void)state;
    export_through((struct breaks){ FAKE_GRAPH_CUT, 3, 230, 0 }, 20000);
    export_through((struct breaks){ FAKE_GRAPH_TIMED_OUT, 3, 230, 0 }, 20000);
    export_through((struct breaks){ FAKE_GRAPH_TRANSIENT, 3, 230, 0 }, 20000);
}

/* The repair too: one write in the first reading, then a break at every third row of what follows. */
static enum fake_graph_break break_the_repair(void *ctx, struct fake_graph *g,
                                              enum fake_graph_query query, uint64_t row)
{
    struct breaks *b = ctx;

    if (b->rows == 0 && query == FAKE_GRAPH_RELS && row == 5) {
        for (int64_t i = 0; i < 64; i++)
            fake_graph_set_node(g, i, i, 5);
        b->rows = 1;
    }
    if ((query != FAKE_GRAPH_NODES_BY_ID && query != FAKE_GRAPH_RELS_OF) || b->left == 0 ||
        ++b->rows % b->every)
        return FAKE_GRAPH_GO_ON;
    b->left--;
    return b->what;
}

static void broken_repairs_go_on(void **state)
{
    static const enum fake_graph_break kinds[] = { FAKE_GRAPH_CUT, FAKE_GRAPH_TRANSIENT };

    (void)state;
    for (size_t i = 0; i < NB_ARRAY_LEN(kinds); i++) {
        struct breaks b = { kinds[i], 3, 37, 0 };
        struct fake_graph *g = fake_graph_new();
        struct outcome o;
        struct mirror *m;

        fill(g);
        fake_graph_start(g, break_the_repair, &b);
        o = export_with(g, ENG_CONSISTENCY_CLOSED, 0, 20000);
        if (!o.ok)
            fail_msg("%s", o.err.text);
        assert_int_equal(b.left, 0);
        assert_int_equal(o.m->consistency, REPO_CONSISTENCY_CLOSED);
        m = read_dump(&o.dump);
        assert_closed(m);
        assert_int_equal(count_rels(m), RELS);
        assert_int_equal(m->nodes[63].v, 5);
        free(m);
        outcome_done(&o);
        fake_graph_free(g);
    }
}

/* As many relationships as nodes, the first half of which have the second half of the ids: whoever reads
 * node by node sees ids that ascend for long, and then lower ones. */
static void fill_turned(struct fake_graph *g)
{
    for (int64_t i = 0; i < NODES; i++)
        fake_graph_add_node(g, 'B', i, 0);
    for (int64_t i = 0; i < NODES; i++)
        fake_graph_add_rel(g, (i + NODES / 2) % NODES, i, -1);
}

static struct outcome export_by_node(struct fake_graph *g, enum fake_graph_order order,
                                     struct breaks *b, int64_t retry_ms)
{
    fake_graph_set_order(g, order);
    fake_graph_start(g, break_often, b);
    return export_with(g, ENG_CONSISTENCY_CLOSED, 0, retry_ms);
}

static void broken_reads_by_node_lose_nothing(void **state)
{
    static const enum fake_graph_break kinds[] = { FAKE_GRAPH_CUT, FAKE_GRAPH_TIMED_OUT,
                                                   FAKE_GRAPH_TRANSIENT };

    (void)state;
    for (size_t i = 0; i < 2 * NB_ARRAY_LEN(kinds); i++) {
        struct breaks b = { kinds[i / 2], 3, NODES / 3 + 7, 0 };
        struct fake_graph *g = fake_graph_new();
        struct outcome o;
        struct mirror *m;

        if (i % 2)
            fill(g);
        else
            fill_turned(g);
        o = export_by_node(g, FAKE_GRAPH_BY_NODE, &b, 20000);
        if (!o.ok)
            fail_msg("%s", o.err.text);
        assert_int_equal(b.left, 0);
        assert_int_equal(o.m->consistency, REPO_CONSISTENCY_SNAPSHOT);
        assert_int_equal(o.m->relationships, i % 2 ? RELS : NODES);
        m = read_dump(&o.dump);
        assert_closed(m);
        assert_int_equal(count_rels(m), i % 2 ? RELS : NODES);
        free(m);
        outcome_done(&o);
        fake_graph_free(g);
    }
}

/* A server whose rows come in another order than it says: what is lost is seen, and is no backup. */
static void read_that_lost_something_is_no_backup(void **state)
{
    struct breaks b = { FAKE_GRAPH_TIMED_OUT, 1, NODES + NODES / 3, 0 };
    struct fake_graph *g = fake_graph_new();
    struct outcome o;

    (void)state;
    fill_turned(g);
    o = export_by_node(g, FAKE_GRAPH_BY_NODE_UNTOLD, &b, 20000);
    assert_false(o.ok);
    assert_string_equal(o.err.reason, "ReadIncomplete");
    outcome_done(&o);
    fake_graph_free(g);
}

/* More relationships at one node than the server's timeout allows: an end, and what to do. */
static void read_that_never_gets_further_ends(void **state)
{
    struct breaks b = { FAKE_GRAPH_TIMED_OUT, 100000, 50, 0 };
    struct fake_graph *g = fake_graph_new();
    struct outcome o;

    (void)state;
    for (int64_t i = 0; i < 20; i++)
        fake_graph_add_node(g, 'B', i, 0);
    for (int64_t i = 0; i < 200; i++)
        fake_graph_add_rel(g, 3, i % 20, -1);
    o = export_by_node(g, FAKE_GRAPH_BY_NODE, &b, 1000);
    assert_false(o.ok);
    if (!strstr(o.err.text, "hint: raise db.transaction.timeout"))
        fail_msg("%s", o.err.text);
    outcome_done(&o);
    fake_graph_free(g);
}

/* Without a retry window too: the server is not away. */
static void overtaken_reads_go_on_at_once(void **state)
{
    (void)state;
    export_through((struct breaks){ FAKE_GRAPH_OVERTAKEN, 7, 150, 0 }, 0);
}

/* The row of a relationship without ends is none, as long as its deletion shows in the bookmark. */
static void relationship_that_goes_while_it_is_read_is_left_out(void **state)
{
    struct breaks b = { FAKE_GRAPH_GONE, 2, 530, 0 };
    struct fake_graph *g = fake_graph_new();
    struct outcome o;
    struct mirror *m;

    (void)state;
    fill(g);
    fake_graph_start(g, break_often, &b);
    o = export_with(g, ENG_CONSISTENCY_CLOSED, 0, 0);
    if (!o.ok)
        fail_msg("%s", o.err.text);
    assert_int_equal(b.left, 0);
    /* The second look found just what the dump has. */
    assert_int_equal(o.m->consistency, REPO_CONSISTENCY_SNAPSHOT);
    m = read_dump(&o.dump);
    assert_closed(m);
    assert_int_equal(count_rels(m), RELS - 2);
    free(m);
    outcome_done(&o);
    fake_graph_free(g);
}

/* One write, so that there is a repair; then that node goes while it is read for the repair. */
static enum fake_graph_break gone_in_repair(void *ctx, struct fake_graph *g,
                                            enum fake_graph_query query, uint64_t row)
{
    struct once *o = ctx;

    if (!o->fired && query == FAKE_GRAPH_RELS && row == 5)
        fake_graph_set_node(g, NODES, -5, 77);
    if (!o->fired && query == FAKE_GRAPH_NODES_BY_ID && row == o->row) {
        o->fired = true;
        return FAKE_GRAPH_GONE;
    }
    return FAKE_GRAPH_GO_ON;
}

static void node_that_goes_while_it_is_read_is_left_out(void **state)
{
    struct once once = { .row = NODES % ENG_SUMS_BLOCK };
    struct fake_graph *g = fake_graph_new();
    struct outcome o;
    struct mirror *m;

    (void)state;
    fill(g);
    assert_int_equal(fake_graph_add_node(g, 'B', -5, 0), NODES); /* without relationships */
    fake_graph_start(g, gone_in_repair, &once);
    o = export_with(g, ENG_CONSISTENCY_CLOSED, 0, 0);
    if (!o.ok)
        fail_msg("%s", o.err.text);
    assert_true(once.fired);
    assert_int_equal(o.m->consistency, REPO_CONSISTENCY_CLOSED);
    m = read_dump(&o.dump);
    assert_closed(m);
    assert_false(m->nodes[NODES].exists);
    free(m);
    outcome_done(&o);
    fake_graph_free(g);
}

static void denied_or_without_a_window_fails_at_once(void **state)
{
    static const struct {
        enum fake_graph_break what;
        int64_t window_ms;
        const char *reason;
    } cases[] = {
        { FAKE_GRAPH_DENIED, 20000, "Neo4jDenied" },
        { FAKE_GRAPH_CUT, 0, "Neo4jConnectionFailed" },
        { FAKE_GRAPH_TRANSIENT, 0, "Neo4jTransient" },
    };

    (void)state;
    for (size_t i = 0; i < NB_ARRAY_LEN(cases); i++) {
        struct breaks b = { cases[i].what, 1, 230, 0 };
        struct fake_graph *g = fake_graph_new();
        struct outcome o;

        fill(g);
        fake_graph_start(g, break_often, &b);
        o = export_with(g, ENG_CONSISTENCY_CLOSED, 0, cases[i].window_ms);
        assert_false(o.ok);
        assert_string_equal(o.err.reason, cases[i].reason);
        outcome_done(&o);
        fake_graph_free(g);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quiet_graph_is_a_snapshot),
        cmocka_unit_test(index_that_only_cypher_25_has_words_for_is_in_the_dump),
        cmocka_unit_test(write_at_any_moment_is_closed_by_a_second_look),
        cmocka_unit_test(restless_writer_the_dump_is_closed),
        cmocka_unit_test(quiescent_and_best_effort_say_so),
        cmocka_unit_test(broken_reads_go_on_behind_the_last_id),
        cmocka_unit_test(broken_repairs_go_on),
        cmocka_unit_test(broken_reads_by_node_lose_nothing),
        cmocka_unit_test(read_that_lost_something_is_no_backup),
        cmocka_unit_test(read_that_never_gets_further_ends),
        cmocka_unit_test(overtaken_reads_go_on_at_once),
        cmocka_unit_test(relationship_that_goes_while_it_is_read_is_left_out),
        cmocka_unit_test(node_that_goes_while_it_is_read_is_left_out),
        cmocka_unit_test(denied_or_without_a_window_fails_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
