#include "engine/export.h"

#include <string.h>

#include "base/clock.h"
#include "base/map.h"
#include "base/mem.h"
#include "engine/closing.h"
#include "engine/content.h"
#include "engine/cut.h"
#include "engine/idset.h"
#include "engine/keys.h"
#include "engine/sums.h"
#include "engine/system.h"

enum { HELPER_NAMES_MAX = 1000, SCHEMA_MAX_BYTES = 64 << 20, ROUNDS_DEFAULT = 30 };
#define HELPER_PREFIX "_nb_"

struct export
{
    const struct eng_export_opts *opts;
    struct cyp_script *script;
    struct repo_manifest *m;
    struct eng_idset *nodes, *rels;     /* what is in the dump */
    uint64_t nodes_before, rels_before; /* by the server's count */
    struct eng_sums *sums;              /* ... by block of node ids */
    struct eng_cut cut;
    uint64_t dangling; /* relationships left out: an end is not in the dump */
    struct nb_arena *schema_arena;
    struct nb_vec schema; /* struct cyp_schema */
    struct nb_arena *names_arena;
    struct nb_str *names; /* labels and keys that a helper must not be called */
    size_t names_n;
};

static bool script_write(void *ctx, const void *bytes, size_t n, struct nb_error *err)
{
    const struct export *x = ctx;

    if (!sink_write(x->opts->out, bytes, n, err))
        return false;
    eng_meter_add(&x->opts->meter->exported_bytes, n);
    return true;
}

/* --- chunks ----------------------------------------------------------------------------------- */

static bool chunk_end(struct export *x, struct nb_error *err)
{
    if (!x->opts->cut)
        return true;
    eng_cut_reset(&x->cut);
    return cyp_script_flush(x->script, err) && x->opts->cut(x->opts->cut_ctx, err);
}

static bool cut_before(struct export *x, int64_t id, const struct ps_map *props,
                       struct nb_error *err)
{
    if (!x->opts->cut || !eng_cut_before(&x->cut, id, eng_cut_weight(props)))
        return true;
    return cyp_script_flush(x->script, err) && x->opts->cut(x->opts->cut_ctx, err);
}

/* --- head ------------------------------------------------------------------------------------- */

static bool add_name(void *ctx, struct nb_str name, struct nb_error *err)
{
    struct export *x = ctx;
    char *copy;

    if (x->names_n == HELPER_NAMES_MAX)
        return nb_fail(err, NB_E_LIMIT, "TooManyNames",
                       "more than %d labels and property keys begin with '" HELPER_PREFIX "'",
                       HELPER_NAMES_MAX);
    copy = nb_arena_alloc(x->names_arena, name.n, err);
    if (!copy)
        return false;
    memcpy(copy, name.p, name.n);
    x->names[x->names_n++] = (struct nb_str){ copy, name.n };
    return true;
}

static bool open_script(struct export *x, struct nb_error *err)
{
    const struct eng_server *server = eng_source_server(x->opts->source);
    char created[NB_TIME_TEXT_MAX];
    struct cyp_script_opts opts = {
        .rows_per_statement = x->opts->rows_per_statement,
        .vector_procedures = server->vector_procedures,
        .digest_content = x->opts->digest,
        .digest_ends_max_bytes = x->opts->digest_ends_max_bytes,
        .helper_suffix = x->opts->helper_suffix,
        .write = script_write,
        .write_ctx = x,
    };
    struct cyp_head head = {
        .database = nb_str_from(server->database),
        .server_version = nb_str_from(server->version),
        .edition = nb_str_from(server->edition),
        .tool = nb_str_from(x->opts->tool),
        .created = nb_str_from(nb_time_format(x->opts->created_unix_seconds, created)),
    };

    if (!eng_source_names(x->opts->source, HELPER_PREFIX, add_name, x, err))
        return false;
    opts.taken_names = x->names;
    opts.ntaken_names = x->names_n;
    return cyp_script_new(&opts, &x->script, err) && cyp_script_head(x->script, &head, err) &&
           chunk_end(x, err);
}

/* --- elements --------------------------------------------------------------------------------- */

static bool write_node(void *ctx, const struct ps_node *node, struct nb_error *err)
{
    struct export *x = ctx;
    bool is_new;

    if (!eng_idset_add(x->nodes, node->id, &is_new, err))
        return false;
    if (!is_new)
        return true;
    eng_sums_at(x->sums, eng_sums_block(node->id))->nodes += eng_content_node(node);
    eng_meter_add(&x->opts->meter->nodes, 1);
    return (cut_before(x, node->id, &node->props, err) &&
            cyp_script_node(x->script, node->id, node->labels, node->nlabels, &node->props, err)) ||
           nb_wrap(err, "write node %lld", (long long)node->id);
}

static bool write_rel(void *ctx, const struct eng_rel *rel, struct nb_error *err)
{
    struct export *x = ctx;
    bool is_new;

    if (!eng_idset_has(x->nodes, rel->start_id) || !eng_idset_has(x->nodes, rel->end_id)) {
        x->dangling++;
        return true;
    }
    if (!eng_idset_add(x->rels, rel->id, &is_new, err))
        return false;
    if (!is_new)
        return true;
    eng_sums_at(x->sums, eng_sums_block(rel->start_id))->rels += eng_content_rel(rel);
    eng_meter_add(&x->opts->meter->rels, 1);
    return (cut_before(x, rel->id, &rel->props, err) &&
            cyp_script_rel(x->script, rel->id, rel->start_id, rel->end_id, rel->type, &rel->props,
                           err)) ||
           nb_wrap(err, "write relationship %lld", (long long)rel->id);
}

static bool write_elements(struct export *x, struct nb_error *err)
{
    struct eng_meter *meter = x->opts->meter;

    eng_meter_stage(meter, ENG_EXPORTING_NODES);
    if (!eng_source_nodes(x->opts->source, write_node, x, err) || !chunk_end(x, err) ||
        !cyp_script_end_nodes(x->script, err))
        return false;
    eng_meter_stage(meter, ENG_EXPORTING_RELATIONSHIPS);
    return eng_source_rels(x->opts->source, write_rel, x, err) && chunk_end(x, err) &&
           cyp_script_end_rels(x->script, err);
}

/* --- schema ----------------------------------------------------------------------------------- */

static bool copy_str(struct export *x, struct nb_str *s, struct nb_error *err)
{
    char *p = nb_arena_alloc(x->schema_arena, s->n, err);

    if (!p)
        return false;
    memcpy(p, s->p, s->n);
    s->p = p;
    return true;
}

static bool take_schema_item(void *ctx, const struct eng_schema_item *item, struct nb_error *err)
{
    struct export *x = ctx;
    struct cyp_schema *copy = nb_arena_alloc(x->schema_arena, sizeof(*copy), err);

    if (!copy)
        return false;
    *copy = item->item;
    if (!copy_str(x, &copy->name, err) || !copy_str(x, &copy->type, err) ||
        !copy_str(x, &copy->statement, err))
        return false;
    nb_vec_push(&x->schema, copy);
    if (item->failed) {
        nb_auto(nb_free) char *text = nb_xasprintf("index '%.*s' is in state FAILED on the server",
                                                   (int)copy->name.n, copy->name.p);

        repo_strings_add(&x->m->warnings, text);
    }
    return true;
}

/* Into memory: what is read must be read before the bookmark is. */
static bool read_schema(struct export *x, struct nb_error *err)
{
    eng_meter_stage(x->opts->meter, ENG_EXPORTING_SCHEMA);
    x->schema.count = 0;
    nb_arena_reset(x->schema_arena);
    return eng_source_schema(x->opts->source, take_schema_item, x, err);
}

static bool write_schema(struct export *x, struct nb_error *err)
{
    /* Fix-ups are a chunk of their own. */
    if (!cyp_script_end_data(x->script, err) ||
        (x->opts->cut && !x->opts->cut(x->opts->cut_ctx, err)))
        return false;
    for (size_t i = 0; i < x->schema.count; i++) {
        if (!cyp_script_schema(x->script, x->schema.items[i], err))
            return false;
    }
    return cyp_script_tail(x->script, err);
}

/* --- the verdict ------------------------------------------------------------------------------ */

static bool fail_dangling(const struct export *x, struct nb_error *err)
{
    uint64_t n = x->dangling + eng_source_vanished(x->opts->source);

    return nb_fail(err, NB_E_CONFLICT, "NotClosed",
                   "%llu relationships have an end that cannot be read, though nothing was written "
                   "meanwhile; hint: check the store with neo4j-admin database check",
                   (unsigned long long)n);
}

/* Constraints that came meanwhile are for values that nobody looked at. */
static bool check_constraints(struct export *x, uint64_t schema, struct nb_error *err)
{
    nb_auto(eng_keys_free) struct eng_keys *keys = NULL;

    if (!eng_keys_new(x->opts->source, &keys, err))
        return false;
    if (eng_keys_schema(keys) != schema)
        return nb_fail(err, NB_E_CONFLICT, "NotClosed",
                       "constraints of database '%s' were changed during the export",
                       x->m->database);
    return true;
}

/* What was appended makes counts and digests of what was written first worthless. */
static bool count_again(struct export *x, struct nb_error *err)
{
    uint64_t nodes, rels;

    if (!eng_source_counts(x->opts->source, &nodes, &rels, err))
        return false;
    x->m->relationships = (int64_t)rels;
    repo_strings_add(
        &x->m->warnings,
        "the database was written to during the export: relationships are counted as of "
        "its end");
    return true;
}

static bool close_graph(struct export *x, const struct eng_mark *after, struct nb_error *err)
{
    struct eng_closing_opts opts = {
        .source = x->opts->source,
        .script = x->script,
        .meter = x->opts->meter,
        .nodes = x->nodes,
        .sums = x->sums,
        .max_rounds = x->opts->max_rounds ? x->opts->max_rounds : ROUNDS_DEFAULT,
    };
    struct eng_closing_result result;

    if (!eng_closing_run(&opts, &result, err))
        return false;
    if (eng_source_moves(x->opts->source) != after->moves)
        return nb_fail(err, NB_E_CONFLICT, "NotClosed",
                       "another server of the cluster took over while what had changed in database "
                       "'%s' was read again",
                       x->m->database);
    x->m->fixup_passes = (int)result.rounds;
    x->m->last_transaction = result.mark.transaction;
    x->m->consistency = result.unchanged && eng_mark_equal(after, &result.mark)
                            ? REPO_CONSISTENCY_SNAPSHOT
                            : REPO_CONSISTENCY_CLOSED;
    return read_schema(x, err) && check_constraints(x, result.schema, err);
}

static void warn_best_effort(struct export *x)
{
    unsigned long long left_out = x->dangling + eng_source_vanished(x->opts->source);
    nb_auto(nb_free) char *text =
        nb_xasprintf("the database was written to during the export, and nothing was read again "
                     "(BestEffort): %llu relationships of which an end is not in the dump were "
                     "left out, and constraints may refuse it",
                     left_out);

    repo_strings_add(&x->m->warnings, text);
}

/*
 * Nothing was written between the two marks, so what was read is as many as the server counts. If it
 * is not, a reading that broke has not gone on where it should have: never a backup. A reading in one
 * piece is the truth, and the server's counts are wrong, as they are in a damaged store.
 */
static bool check_counts(struct export *x, struct nb_error *err)
{
    struct cyp_counts got;

    cyp_script_counts(x->script, &got);
    if (got.nodes == x->nodes_before && got.rels == x->rels_before)
        return true;
    if (eng_source_resumed(x->opts->source) > 0)
        return nb_fail(err, NB_E_UNAVAILABLE, "ReadIncomplete",
                       "of %llu nodes and %llu relationships %llu and %llu were read, in more than "
                       "one piece",
                       (unsigned long long)x->nodes_before, (unsigned long long)x->rels_before,
                       (unsigned long long)got.nodes, (unsigned long long)got.rels);
    repo_strings_add(&x->m->warnings,
                     "the server's counts are not those of what it has; check the store with "
                     "neo4j-admin database check");
    return true;
}

static bool judge(struct export *x, const struct eng_mark *before, struct nb_error *err)
{
    struct eng_mark after;

    if (!eng_source_mark(x->opts->source, &after, err))
        return false;
    x->m->last_transaction = after.transaction;
    if (eng_mark_equal(before, &after)) {
        x->m->consistency = REPO_CONSISTENCY_SNAPSHOT;
        if (x->dangling + eng_source_vanished(x->opts->source) > 0)
            return fail_dangling(x, err);
        return check_counts(x, err);
    }
    switch (x->opts->consistency) {
    case ENG_CONSISTENCY_BEST_EFFORT:
        x->m->consistency = REPO_CONSISTENCY_BEST_EFFORT;
        warn_best_effort(x);
        return true;
    case ENG_CONSISTENCY_QUIESCENT:
        return nb_fail(err, NB_E_CONFLICT, "NotClosed",
                       before->moves == after.moves
                           ? "database '%s' was written to during the export"
                           : "another server of the cluster took over during the export of "
                             "database '%s'",
                       x->m->database);
    case ENG_CONSISTENCY_CLOSED:
        break;
    }
    return close_graph(x, &after, err);
}

/* --- what the manifest says ------------------------------------------------------------------- */

static char *dup_unless_empty(const char *s)
{
    return s[0] ? nb_xstrdup(s) : NULL;
}

void eng_export_describe_server(const struct eng_source *source, struct repo_manifest *m)
{
    const struct eng_server *server = eng_source_server(source);

    m->database = nb_xstrdup(server->database);
    m->database_id = dup_unless_empty(server->database_id);
    m->server_version = dup_unless_empty(server->version);
    m->server_edition = dup_unless_empty(server->edition);
    m->store_format = dup_unless_empty(server->store_format);
    m->server_start_unix_ms = server->database_start_unix_ms;
}

static char *format_sum(struct cyp_sum sum)
{
    char hex[CYP_SUM_HEX];

    cyp_sum_format(sum, hex);
    return nb_xstrdup(hex);
}

static void describe_digest(struct export *x)
{
    struct cyp_digest digest;

    if (!x->opts->digest || x->m->fixup_passes > 0)
        return;
    cyp_script_digest(x->script, &digest);
    x->m->digest_nodes = format_sum(digest.nodes);
    x->m->digest_relationships = format_sum(digest.rels);
    if (digest.has_ends)
        x->m->digest_relationships_ends = format_sum(digest.rels_ends);
}

static void add_count(struct repo_counts *counts, struct nb_str name, uint64_t count)
{
    nb_auto(nb_free) char *text = nb_xstrndup(name.p ? name.p : "", name.n);

    repo_counts_add(counts, text, count);
}

static void describe_content(struct export *x)
{
    struct cyp_counts counts;
    struct nb_str name;
    uint64_t count;
    size_t pos = 0;

    cyp_script_counts(x->script, &counts);
    x->m->nodes = (int64_t)counts.nodes;
    if (x->m->fixup_passes == 0)
        x->m->relationships = (int64_t)counts.rels;
    x->m->properties = x->m->fixup_passes == 0 ? (int64_t)counts.properties : -1;
    x->m->indexes = (int64_t)counts.indexes;
    x->m->constraints = (int64_t)counts.constraints;
    /* Counted as written: fix-ups write some again. */
    while (x->m->fixup_passes == 0 && cyp_script_label_next(x->script, &pos, &name, &count))
        add_count(&x->m->labels, name, count);
    pos = 0;
    while (x->m->fixup_passes == 0 && cyp_script_type_next(x->script, &pos, &name, &count))
        add_count(&x->m->types, name, count);
    if (counts.byte_arrays > 0) {
        nb_auto(nb_free) char *text =
            nb_xasprintf("%llu byte arrays come back as lists of integers through cypher-shell; "
                         "neo4j-backup restore brings them back exactly",
                         (unsigned long long)counts.byte_arrays);

        repo_strings_add(&x->m->warnings, text);
    }
    describe_digest(x);
}

static bool run(struct export *x, struct nb_error *err)
{
    struct eng_source *source = x->opts->source;
    struct eng_mark before;

    eng_export_describe_server(source, x->m);
    x->m->engine = nb_xstrdup("cypher");
    if (eng_source_is_system(source))
        return eng_system_run(x->opts, x->m, err);
    if (!eng_source_mark(source, &before, err) ||
        !eng_source_counts(source, &x->nodes_before, &x->rels_before, err))
        return false;
    atomic_store(&x->opts->meter->total_nodes, x->nodes_before);
    atomic_store(&x->opts->meter->total_rels, x->rels_before);
    if (!open_script(x, err) || !write_elements(x, err) || !read_schema(x, err) ||
        !judge(x, &before, err) || !write_schema(x, err))
        return false;
    if (x->m->fixup_passes > 0 && !count_again(x, err))
        return false;
    describe_content(x);
    return true;
}

bool eng_export_run(const struct eng_export_opts *opts, struct repo_manifest *m,
                    struct nb_error *err)
{
    struct export x = {
        .opts = opts,
        .m = m,
        .nodes = eng_idset_new(0),
        .rels = eng_idset_new(0),
        .sums = eng_sums_new(),
        .names_arena = nb_arena_new(1 << 20),
        .names = nb_xcalloc(HELPER_NAMES_MAX, sizeof(struct nb_str)),
        .schema_arena = nb_arena_new(SCHEMA_MAX_BYTES),
    };
    bool ok;

    eng_cut_init(&x.cut, opts->chunk_bytes ? opts->chunk_bytes : 1);
    ok = run(&x, err);

    cyp_script_free(x.script);
    eng_idset_free(x.nodes);
    eng_idset_free(x.rels);
    eng_sums_free(x.sums);
    nb_arena_free(x.names_arena);
    nb_arena_free(x.schema_arena);
    nb_vec_done(&x.schema);
    free(x.names);
    return ok;
}
