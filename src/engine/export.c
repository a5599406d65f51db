#include "engine/export.h"

#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "engine/idset.h"

enum { HELPER_NAMES_MAX = 1000 };
#define HELPER_PREFIX "_nb_"

struct export {
    const struct eng_export_opts *opts;
    struct cyp_script *script;
    struct repo_manifest *m;
    struct eng_idset *nodes, *rels; /* what is in the dump */
    uint64_t dangling;              /* relationships left out: an end is not in the dump */
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

/* --- head ------------------------------------------------------------------------------------------ */

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
    return cyp_script_new(&opts, &x->script, err) && cyp_script_head(x->script, &head, err);
}

/* --- elements -------------------------------------------------------------------------------------- */

static bool write_node(void *ctx, const struct ps_node *node, struct nb_error *err)
{
    struct export *x = ctx;
    bool is_new;

    if (!eng_idset_add(x->nodes, node->id, &is_new, err))
        return false;
    if (!is_new)
        return true;
    eng_meter_add(&x->opts->meter->nodes, 1);
    return cyp_script_node(x->script, node->id, node->labels, node->nlabels, &node->props, err) ||
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
    eng_meter_add(&x->opts->meter->rels, 1);
    return cyp_script_rel(x->script, rel->id, rel->start_id, rel->end_id, rel->type, &rel->props,
                          err) ||
           nb_wrap(err, "write relationship %lld", (long long)rel->id);
}

static bool write_elements(struct export *x, struct nb_error *err)
{
    struct eng_meter *meter = x->opts->meter;

    eng_meter_stage(meter, ENG_EXPORTING_NODES);
    if (!eng_source_nodes(x->opts->source, write_node, x, err) ||
        !cyp_script_end_nodes(x->script, err))
        return false;
    eng_meter_stage(meter, ENG_EXPORTING_RELATIONSHIPS);
    return eng_source_rels(x->opts->source, write_rel, x, err) &&
           cyp_script_end_rels(x->script, err);
}

/* --- schema ---------------------------------------------------------------------------------------- */

static bool write_schema_item(void *ctx, const struct eng_schema_item *item, struct nb_error *err)
{
    struct export *x = ctx;

    if (item->failed) {
        nb_auto(nb_free) char *text =
            nb_xasprintf("index '%.*s' is in state FAILED on the server",
                         (int)item->item.name.n, item->item.name.p);

        repo_strings_add(&x->m->warnings, text);
    }
    return cyp_script_schema(x->script, &item->item, err);
}

static bool write_schema(struct export *x, struct nb_error *err)
{
    eng_meter_stage(x->opts->meter, ENG_EXPORTING_SCHEMA);
    return cyp_script_end_data(x->script, err) &&
           eng_source_schema(x->opts->source, write_schema_item, x, err) &&
           cyp_script_tail(x->script, err);
}

/* --- the verdict ----------------------------------------------------------------------------------- */

static bool judge(struct export *x, const struct eng_mark *before, const struct eng_mark *after,
                  struct nb_error *err)
{
    x->m->last_transaction = after->transaction;
    if (eng_mark_equal(before, after)) {
        if (x->dangling > 0)
            return nb_fail(err, NB_E_CONFLICT, "NotClosed",
                           "%llu relationships have an end that cannot be read, though nothing was "
                           "written meanwhile; hint: check the store with neo4j-admin database check",
                           (unsigned long long)x->dangling);
        x->m->consistency = REPO_CONSISTENCY_SNAPSHOT;
        return true;
    }
    if (x->opts->consistency == ENG_CONSISTENCY_BEST_EFFORT) {
        x->m->consistency = REPO_CONSISTENCY_BEST_EFFORT;
        return true;
    }
    return nb_fail(err, NB_E_CONFLICT, "NotClosed",
                   "database '%s' was written to during the export (%llu relationships left out)",
                   x->m->database, (unsigned long long)x->dangling);
}

/* --- what the manifest says ------------------------------------------------------------------------ */

static char *dup_unless_empty(const char *s)
{
    return s[0] ? nb_xstrdup(s) : NULL;
}

static void describe_server(struct export *x)
{
    const struct eng_server *server = eng_source_server(x->opts->source);
    struct repo_manifest *m = x->m;

    m->database = nb_xstrdup(server->database);
    m->database_id = dup_unless_empty(server->database_id);
    m->server_version = dup_unless_empty(server->version);
    m->server_edition = dup_unless_empty(server->edition);
    m->store_format = dup_unless_empty(server->store_format);
    m->server_start_unix_ms = server->database_start_unix_ms;
    m->engine = nb_xstrdup("cypher");
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

    if (!x->opts->digest)
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
    x->m->relationships = (int64_t)counts.rels;
    x->m->properties = (int64_t)counts.properties;
    x->m->indexes = (int64_t)counts.indexes;
    x->m->constraints = (int64_t)counts.constraints;
    while (cyp_script_label_next(x->script, &pos, &name, &count))
        add_count(&x->m->labels, name, count);
    pos = 0;
    while (cyp_script_type_next(x->script, &pos, &name, &count))
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
    struct eng_mark before, after;
    uint64_t nodes, rels;

    describe_server(x);
    if (!eng_source_mark(source, &before, err) || !eng_source_counts(source, &nodes, &rels, err))
        return false;
    atomic_store(&x->opts->meter->total_nodes, nodes);
    atomic_store(&x->opts->meter->total_rels, rels);
    if (!open_script(x, err) || !write_elements(x, err) || !write_schema(x, err) ||
        !eng_source_mark(source, &after, err) || !judge(x, &before, &after, err))
        return false;
    describe_content(x);
    return true;
}

bool eng_export_run(const struct eng_export_opts *opts, struct repo_manifest *m,
                    struct nb_error *err)
{
    nb_auto(cyp_script_free) struct cyp_script *script = NULL;
    nb_auto(eng_idset_free) struct eng_idset *nodes = eng_idset_new(0);
    nb_auto(eng_idset_free) struct eng_idset *rels = eng_idset_new(0);
    nb_auto(nb_arena_free) struct nb_arena *arena = nb_arena_new(1 << 20);
    nb_auto(nb_free) struct nb_str *names = nb_xcalloc(HELPER_NAMES_MAX, sizeof(*names));
    struct export x = {
        .opts = opts, .m = m, .nodes = nodes, .rels = rels, .names_arena = arena, .names = names,
    };
    bool ok = run(&x, err);

    script = x.script;
    return ok;
}
