#include "engine/graph.h"

#include <string.h>

#include "cypher/reader.h"
#include "engine/idset.h"
#include "engine/verify.h"

enum { STATEMENT_MAX_BYTES = 1 << 20 };

struct reading {
    const struct eng_graph *g;
    const struct eng_graph_ops *ops;
    void *ctx;
    struct eng_idset *nodes, *rels; /* a reading that starts over brings them again */
};

static bool cannot(const struct reading *r, struct nb_error *err, const char *what)
{
    return nb_fail(err, NB_E_INVALID, "CannotCompare", "'%s' %s", r->g->name, what);
}

static bool schema_take(struct reading *r, struct nb_str statement, struct nb_error *err)
{
    return nb_str_starts(statement, "CREATE LOOKUP INDEX ") ||
           r->ops->schema(r->ctx, statement, err);
}

/* --- a database ------------------------------------------------------------------------------- */

static bool source_node(void *ctx, const struct ps_node *node, struct nb_error *err)
{
    struct reading *r = ctx;
    bool is_new;

    return eng_idset_add(r->nodes, node->id, &is_new, err) &&
           (!is_new || r->ops->node(r->ctx, node, err));
}

static bool source_rel(void *ctx, const struct eng_rel *rel, struct nb_error *err)
{
    struct reading *r = ctx;
    bool is_new;

    return eng_idset_add(r->rels, rel->id, &is_new, err) &&
           (!is_new || r->ops->rel(r->ctx, rel, err));
}

static bool source_schema(void *ctx, const struct eng_schema_item *item, struct nb_error *err)
{
    nb_auto_done(nb_buf_done) struct nb_buf text = NB_BUF_INIT(STATEMENT_MAX_BYTES);

    return cyp_schema_append_portable(&text, item->item.statement, false, err) &&
           nb_buf_check(&text, err) && schema_take(ctx, nb_buf_str(&text), err);
}

static bool read_source(struct reading *r, bool *ret_written, struct nb_error *err)
{
    nb_auto(eng_source_close) struct eng_source *source = NULL;
    nb_auto(eng_idset_free) struct eng_idset *nodes = eng_idset_new(0);
    nb_auto(eng_idset_free) struct eng_idset *rels = eng_idset_new(0);
    struct eng_mark before, after;

    r->nodes = nodes;
    r->rels = rels;
    if (!eng_source_open(r->g->database, &source, err))
        return false;
    if (eng_source_is_system(source))
        return cannot(r, err, "is the system database, which is no graph");
    if (!eng_source_mark(source, &before, err) || !eng_source_nodes(source, source_node, r, err) ||
        !eng_source_rels(source, source_rel, r, err) ||
        !eng_source_schema(source, source_schema, r, err) || !eng_source_mark(source, &after, err))
        return false;
    *ret_written = before.text[0] && after.text[0] && !eng_mark_equal(&before, &after);
    return true;
}

/* --- a dump ----------------------------------------------------------------------------------- */

static bool dump_node(void *ctx, const struct cyp_node_row *row, struct nb_error *err)
{
    struct reading *r = ctx;
    struct ps_node node = {
        .id = row->id, .labels = row->labels, .nlabels = row->nlabels, .props = row->props
    };

    return r->ops->node(r->ctx, &node, err);
}

static bool dump_rel(void *ctx, const struct cyp_rel_row *row, struct nb_error *err)
{
    struct reading *r = ctx;
    struct eng_rel rel = { .id = -1,
                           .start_id = row->start_id,
                           .end_id = row->end_id,
                           .type = row->type,
                           .props = row->props };

    return r->ops->rel(r->ctx, &rel, err);
}

static bool refuse_fixups(struct reading *r, struct nb_error *err)
{
    cannot(r, err, "changes elements after it has made them, so it can't be compared as it stands");
    return nb_hint(err, "restore it into an empty Neo4j, and compare with that");
}

static bool dump_set(void *ctx, const struct cyp_node_row *row, const struct nb_str *old_labels,
                     size_t nold_labels, struct nb_error *err)
{
    (void)row;
    (void)old_labels;
    (void)nold_labels;
    return refuse_fixups(ctx, err);
}

static bool dump_delete(void *ctx, int64_t id, struct nb_error *err)
{
    (void)id;
    return refuse_fixups(ctx, err);
}

static bool dump_schema(void *ctx, const struct cyp_schema *item, struct nb_error *err)
{
    nb_auto_done(nb_buf_done) struct nb_buf text = NB_BUF_INIT(STATEMENT_MAX_BYTES);
    static const char range[] = "CREATE RANGE INDEX ";
    struct nb_str s = item->statement;
    size_t n = sizeof(range) - 1;

    /* A dump of a 4.4 says what is RANGE, for there it is not what everybody has. */
    if (!nb_str_starts(s, range))
        return schema_take(ctx, s, err);
    nb_buf_puts(&text, "CREATE INDEX ");
    nb_buf_append(&text, s.p + n, s.n - n);
    return nb_buf_check(&text, err) && schema_take(ctx, nb_buf_str(&text), err);
}

static bool dump_other(void *ctx, struct nb_str statement, struct nb_error *err)
{
    (void)statement;
    return cannot(ctx, err, "holds statements that are none of a graph's dump");
}

static bool feed(void *ctx, const void *p, size_t n, struct nb_error *err)
{
    return cyp_reader_feed(ctx, p, n, err);
}

static bool read_dump(struct reading *r, struct nb_error *err)
{
    const struct repo_manifest *m = eng_input_manifest(r->g->dump);
    struct cyp_reader_opts opts = { .digest_content = true };
    struct cyp_reader_ops ops = { .node = dump_node,
                                  .rel = dump_rel,
                                  .delete_node = dump_delete,
                                  .set_node = dump_set,
                                  .schema = dump_schema,
                                  .other = dump_other };
    nb_auto(cyp_reader_free) struct cyp_reader *reader = cyp_reader_new(&opts, &ops, r);
    struct cyp_digest digest;

    if (!eng_input_read(r->g->dump, feed, reader, r->g->cancel, err) ||
        !cyp_reader_finish(reader, err))
        return false;
    cyp_reader_digest(reader, &digest);
    return !m || eng_verify_digest(&digest, m, err);
}

bool eng_graph_read(const struct eng_graph *g, const struct eng_graph_ops *ops, void *ctx,
                    bool *ret_written, struct nb_error *err)
{
    struct reading r = { .g = g, .ops = ops, .ctx = ctx };

    *ret_written = false;
    if (g->dump ? read_dump(&r, err) : read_source(&r, ret_written, err))
        return true;
    return nb_streq(err->reason, "CannotCompare") ? false : nb_wrap(err, "read '%s'", g->name);
}
