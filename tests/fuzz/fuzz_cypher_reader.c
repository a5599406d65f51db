/*
 * Any bytes as a dump: no crash and no read beyond. What is read as a dump is written again, and
 * that must read as the same graph; the steps in which bytes come must not matter.
 */

#include <stdlib.h>

#include "cypher/reader.h"
#include "cypher/script.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

enum { MEMORY_MAX = 16 << 20 };

static bool buf_write(void *ctx, const void *p, size_t n, struct nb_error *err)
{
    struct nb_buf *out = ctx;

    nb_buf_append(out, p, n);
    return nb_buf_check(out, err);
}

/* Rows of the input, written again in the order of calls that the writer wants. */
struct again {
    struct cyp_script *script;
    bool rels, failed;
};

static bool again_node(void *ctx, const struct cyp_node_row *row, struct nb_error *err)
{
    struct again *a = ctx;

    if (a->rels || a->failed)
        return true;
    a->failed = !cyp_script_node(a->script, row->id, row->labels, row->nlabels, &row->props, err);
    return true;
}

static bool again_rel(void *ctx, const struct cyp_rel_row *row, struct nb_error *err)
{
    struct again *a = ctx;

    if (!a->rels && !a->failed) {
        a->rels = true;
        a->failed = !cyp_script_end_nodes(a->script, err);
    }
    if (!a->failed)
        a->failed =
            !cyp_script_rel(a->script, 0, row->start_id, row->end_id, row->type, &row->props, err);
    return true;
}

static bool read_all(const char *p, size_t n, size_t step, const struct cyp_reader_ops *ops,
                     void *ctx, struct cyp_digest *ret)
{
    struct cyp_reader_opts opts = { .max_statement_bytes = MEMORY_MAX,
                                    .max_row_bytes = MEMORY_MAX,
                                    .any_script = true,
                                    .digest_content = true };
    struct cyp_reader *r = cyp_reader_new(&opts, ops, ctx);
    struct nb_error err = NB_ERROR_INIT;
    bool ok = true;

    for (size_t at = 0; at < n && ok; at += step)
        ok = cyp_reader_feed(r, p + at, n - at < step ? n - at : step, &err);
    ok = ok && cyp_reader_finish(r, &err);
    cyp_reader_digest(r, ret);
    cyp_reader_free(r);
    return ok;
}

static void written_check(struct again *a, const struct nb_buf *out, const struct cyp_digest *want)
{
    struct cyp_reader_ops none = { 0 };
    struct nb_error err = NB_ERROR_INIT;
    struct cyp_digest d;

    if (a->failed || (!a->rels && !cyp_script_end_nodes(a->script, &err)) ||
        !cyp_script_end_rels(a->script, &err) || !cyp_script_end_data(a->script, &err) ||
        !cyp_script_tail(a->script, &err))
        return;
    if (!read_all(out->data, out->len, 4096, &none, NULL, &d))
        abort();
    if (!cyp_sum_equal(d.rels, want->rels) || (!a->rels && !cyp_sum_equal(d.nodes, want->nodes)))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    nb_auto_done(nb_buf_done) struct nb_buf out = NB_BUF_INIT(MEMORY_MAX);
    struct cyp_script_opts opts = {
        .helper_suffix = "fuzz",
        .vector_procedures = true,
        .digest_content = true,
        .write = buf_write,
        .write_ctx = &out,
    };
    struct cyp_reader_ops ops = { .node = again_node, .rel = again_rel }, none = { 0 };
    struct cyp_head head = { .database = NB_STR("fuzz") };
    struct again a = { 0 };
    struct nb_error err = NB_ERROR_INIT;
    struct cyp_digest d, d2;
    bool ok;

    if (!cyp_script_new(&opts, &a.script, &err) || !cyp_script_head(a.script, &head, &err))
        abort();
    ok = read_all((const char *)data, n, n ? n : 1, &ops, &a, &d);
    if (n < 20000 && (read_all((const char *)data, n, 7, &none, NULL, &d2) != ok ||
                      (ok && !cyp_sum_equal(d.nodes, d2.nodes))))
        abort();
    if (ok && d.known)
        written_check(&a, &out, &d);
    cyp_script_free(a.script);
    return 0;
}
