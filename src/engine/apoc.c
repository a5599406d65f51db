#include "engine/apoc.h"

#include <stdio.h>

#include "base/mem.h"
#include "engine/apoc_script.h"
#include "engine/choice.h"

enum {
    BATCH_BYTES = 512 << 10, /* of script; APOC queues 100 of them in the server's heap */
    BATCH_ROWS_MIN = 20,
    BATCH_ROWS_MAX = 1000,
    UNWIND_ROWS = 100, /* in one statement */
    FETCH = 4,
    QUERY_MAX = 512,
};

struct run {
    const struct eng_apoc_opts *opts;
    struct repo_manifest *m;
    struct eng_apoc_script *script;
};

static bool unfit(struct nb_error *err, const char *text)
{
    return nb_fail(err, NB_E_CONFLICT, "ApocUnfit", "%s", text);
}

/* Whatever it was: of APOC's script, not of ours. */
static bool blame_apoc(struct nb_error *err)
{
    err->code = NB_E_CONFLICT;
    snprintf(err->reason, sizeof(err->reason), "ApocUnfit");
    return false;
}

/* --- the call --------------------------------------------------------------------------------- */

/* Rows of a batch that is some 512 KiB of script. */
static unsigned batch_rows(const struct eng_survey *s)
{
    uint64_t rows = s->nodes + s->rels;
    uint64_t n = s->weight > 0 ? BATCH_BYTES * rows / s->weight : BATCH_ROWS_MAX;

    return n < BATCH_ROWS_MIN ? BATCH_ROWS_MIN : n > BATCH_ROWS_MAX ? BATCH_ROWS_MAX : (unsigned)n;
}

/* A slow bucket keeps APOC waiting; it gives up after 100 s unless told otherwise. */
static void format_query(const struct eng_survey *s, char out[QUERY_MAX])
{
    unsigned rows = batch_rows(s);

    snprintf(out, QUERY_MAX,
             "CALL " ENG_APOC_PROCEDURE "(null, {stream: true, format: 'cypher-shell', "
             "cypherFormat: 'create', useOptimizations: {type: 'UNWIND_BATCH', "
             "unwindBatchSize: %u}, batchSize: %u, timeoutSeconds: 604800}) "
             "YIELD cypherStatements RETURN cypherStatements",
             rows < UNWIND_ROWS ? rows : UNWIND_ROWS, rows);
}

static void show_progress(const struct run *r)
{
    const struct eng_apoc_counts *c = eng_apoc_script_counts(r->script);

    atomic_store(&r->opts->meter->nodes, c->nodes);
    atomic_store(&r->opts->meter->rels, c->rels);
    if (c->rels > 0 &&
        atomic_load_explicit(&r->opts->meter->stage, memory_order_relaxed) == ENG_EXPORTING_NODES)
        eng_meter_stage(r->opts->meter, ENG_EXPORTING_RELATIONSHIPS);
}

static bool take_piece(void *ctx, const struct ps_value *fields, size_t n, struct nb_error *err)
{
    struct run *r = ctx;
    struct nb_str text = fields[0].string;

    (void)n;
    if (fields[0].type != PS_STRING)
        return true;
    if (!eng_apoc_script_feed(r->script, text.p, text.n, err))
        return blame_apoc(err);
    show_progress(r);
    if (!sink_write(r->opts->out, text.p, text.n, err))
        return false;
    eng_meter_add(&r->opts->meter->exported_bytes, text.n);
    return true;
}

static bool export(struct run *r, struct nb_error *err)
{
    char query[QUERY_MAX];
    bool own;

    format_query(r->opts->survey, query);
    eng_meter_stage(r->opts->meter, ENG_EXPORTING_NODES);
    if (!eng_source_stream(r->opts->source, query, 1, FETCH, take_piece, r, &own, err))
        return !own && err->code != NB_E_CANCELLED ? blame_apoc(err) : false;
    return eng_apoc_script_finish(r->script, err) || blame_apoc(err);
}

/* --- the verdict ------------------------------------------------------------------------------ */

static bool judge(struct run *r, struct nb_error *err)
{
    const struct eng_survey *s = r->opts->survey;
    struct eng_mark after;

    if (!eng_source_mark(r->opts->source, &after, err))
        return false;
    r->m->last_transaction = after.transaction;
    if (eng_mark_equal(&s->mark, &after)) {
        r->m->consistency = REPO_CONSISTENCY_SNAPSHOT;
        return true;
    }
    r->m->consistency = REPO_CONSISTENCY_BEST_EFFORT;
    switch (r->opts->consistency) {
    case ENG_CONSISTENCY_BEST_EFFORT:
        return true;
    case ENG_CONSISTENCY_QUIESCENT:
        return nb_fail(err, NB_E_CONFLICT, "NotClosed",
                       "database '%s' was written to during the export", r->m->database);
    case ENG_CONSISTENCY_CLOSED:
        break;
    }
    return unfit(err, "the database was written to while APOC exported it, and its dump cannot be "
                      "mended");
}

static bool fail_count(const char *what, uint64_t found, uint64_t wanted, struct nb_error *err)
{
    return nb_fail(err, NB_E_CONFLICT, "ApocUnfit",
                   "its script has %llu %s where the database has %llu", (unsigned long long)found,
                   what, (unsigned long long)wanted);
}

/* Of a graph that held still the script must have everything. */
static bool compare(const struct run *r, struct nb_error *err)
{
    const struct eng_apoc_counts *c = eng_apoc_script_counts(r->script);
    const struct eng_survey *s = r->opts->survey;

    if (r->m->consistency != REPO_CONSISTENCY_SNAPSHOT)
        return true;
    if (c->nodes != s->nodes)
        return fail_count("nodes", c->nodes, s->nodes, err);
    if (c->rels != s->rels)
        return fail_count("relationships", c->rels, s->rels, err);
    return c->properties == s->properties ||
           fail_count("properties", c->properties, s->properties, err);
}

/* --- what the manifest says ------------------------------------------------------------------- */

static void add_counts(const struct nb_map *map, struct repo_counts *ret)
{
    struct nb_str name;
    void *count;
    size_t pos = 0;

    while (nb_map_next(map, &pos, &name, &count))
        repo_counts_add(ret, name.p, *(const uint64_t *)count);
}

static char *format_sum(struct cyp_sum sum)
{
    char hex[CYP_SUM_HEX];

    cyp_sum_format(sum, hex);
    return nb_xstrdup(hex);
}

static void describe_losses(struct run *r)
{
    const struct eng_apoc_counts *c = eng_apoc_script_counts(r->script);
    const struct eng_survey *s = r->opts->survey;

    eng_losses_list(&s->losses, &r->m->losses);
    if (c->constraints < s->constraints) {
        nb_auto(nb_free) char *text =
            nb_xasprintf("%llu constraints: they are not in the dump",
                         (unsigned long long)(s->constraints - c->constraints));

        repo_strings_add(&r->m->losses, text);
    }
}

static void describe(struct run *r)
{
    const struct eng_apoc_counts *c = eng_apoc_script_counts(r->script);
    const struct eng_survey *s = r->opts->survey;
    struct repo_manifest *m = r->m;

    m->nodes = (int64_t)c->nodes;
    m->relationships = (int64_t)c->rels;
    m->properties = (int64_t)c->properties;
    m->indexes = (int64_t)c->indexes;
    m->constraints = (int64_t)c->constraints;
    describe_losses(r);
    if (m->consistency != REPO_CONSISTENCY_SNAPSHOT)
        return;
    add_counts(s->labels, &m->labels);
    add_counts(s->types, &m->types);
    /* What comes back is what was read, unless values change. */
    if (!s->digest.known || s->losses.changes_values)
        return;
    m->digest_nodes = format_sum(s->digest.nodes);
    m->digest_relationships = format_sum(s->digest.rels);
}

bool eng_apoc_run(const struct eng_apoc_opts *opts, struct repo_manifest *m, struct nb_error *err)
{
    nb_auto(eng_apoc_script_free) struct eng_apoc_script *script = eng_apoc_script_new();
    struct run r = { .opts = opts, .m = m, .script = script };

    eng_export_describe_server(opts->source, m);
    m->engine = nb_xstrdup("apoc");
    if (!export(&r, err) || !judge(&r, err) || !compare(&r, err))
        return false;
    describe(&r);
    return true;
}
