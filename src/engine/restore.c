#include "engine/restore.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/map.h"
#include "base/mem.h"
#include "cypher/admin.h"
#include "cypher/reader.h"
#include "engine/apoc_script.h"
#include "engine/clash.h"
#include "engine/idset.h"
#include "engine/load.h"
#include "engine/needs.h"
#include "engine/safety.h"
#include "engine/schema.h"
#include "engine/stamp.h"
#include "engine/statements.h"
#include "engine/system.h"
#include "engine/verify.h"
#include "engine/wipe.h"

enum { STATEMENT_MAX_BYTES = 64 << 20, SAID_BYTES = 60 };
/* Building an index may take the server long without a word. */
static const int64_t SCHEMA_SILENCE_MS = INT64_C(12) * 3600 * 1000;
static const int64_t INDEX_POLL_MIN_MS = 50, INDEX_POLL_MAX_MS = 1000, INDEX_POLL_PART = 8;
static const size_t ENDS_MAX_BYTES = (size_t)1 << 32;

struct restore {
    const struct eng_restore_opts *opts;
    struct eng_restore_result *result;
    struct eng_meter *meter;
    struct eng_pulse *pulse;
    struct eng_server server;
    char database[sizeof(((struct eng_server *)0)->database)];
    uint64_t base_nodes, base_rels; /* before the first write */
    bool to_save;                   /* WIPE: there is something, and it is to be backed up */
    bool half_filled;               /* ... and some of it by a restore that was interrupted */
    struct eng_needs needs;
    struct eng_clash clash;   /* merging */
    struct eng_idset *ids;    /* of nodes, while the dump is checked */
    struct cyp_counts counts; /* of the dump */
    bool foreign;             /* no dump of ours */
    bool apoc; /* its manifest says that APOC wrote it; no other statements are allowed */
    struct eng_apoc_counts apoc_counts;
    struct eng_dest *dest; /* schema, and statements as they stand */
    struct eng_load *load;
    struct eng_statements *statements;
    struct eng_schema *schema;
    bool nodes_are_in; /* of the second reading */
    struct cyp_digest digest;
    struct eng_load_counts loaded;
};

static bool is_merge(const struct restore *r)
{
    return r->opts->overwrite == ENG_OVERWRITE_MERGE;
}

/* It holds no nodes. */
static bool is_system(const struct restore *r)
{
    return eng_system_is_name(r->database);
}

static void on_wait(void *ctx, const struct nb_error *why)
{
    struct restore *r = ctx;

    atomic_store(&r->meter->waiting, (int)ENG_WAITING_FOR_NEO4J);
    if (r->opts->waiting)
        r->opts->waiting(r->opts->ctx, why);
}

static struct eng_dest_opts dest_opts(struct restore *r)
{
    return (struct eng_dest_opts){
        .bolt = r->opts->neo4j,
        .database = r->database,
        .retry_window_ms = r->opts->retry_window_ms,
        .cancel = eng_pulse_run(r->pulse),
        .on_wait = on_wait,
        .ctx = r,
    };
}

/* --- the target ------------------------------------------------------------------------------- */

static bool open_source(struct restore *r, const char *database, struct eng_source **ret,
                        struct nb_error *err)
{
    struct eng_source_opts opts = {
        .bolt = r->opts->neo4j,
        .database = database,
        .retry_window_ms = r->opts->retry_window_ms,
        .cancel = eng_pulse_run(r->pulse),
        .on_wait = on_wait,
        .ctx = r,
    };

    return eng_source_open(&opts, ret, err);
}

static bool count_schema(void *ctx, const struct eng_schema_item *item, struct nb_error *err)
{
    (void)err;
    if (item->item.kind == CYP_CONSTRAINT || !nb_str_is(item->item.type, "LOOKUP"))
        ++*(unsigned *)ctx;
    return true;
}

static bool fail_interrupted(const struct restore *r, struct nb_error *err)
{
    nb_fail(
        err, NB_E_CONFLICT, "TargetNotEmpty",
        "an earlier restore into database '%s' was interrupted, or is under way: %llu nodes and "
        "%llu relationships are there (some of label '" ENG_STAMP "'); this try wrote nothing",
        r->database, (unsigned long long)r->base_nodes, (unsigned long long)r->base_rels);
    return nb_hint(err, "restore again with the overwrite policy Wipe");
}

/* Besides nodes and relationships, which are counted already. */
struct content {
    unsigned schema;
    uint64_t stamps;
    bool is_empty;
};

static bool look_inside(const struct restore *r, struct eng_source *source, struct content *ret,
                        struct nb_error *err)
{
    *ret = (struct content){ .schema = 0 };
    if (!eng_source_schema(source, count_schema, &ret->schema, err) ||
        !eng_stamp_count(source, NULL, &ret->stamps, err))
        return false;
    ret->is_empty = r->base_nodes == 0 && ret->schema == 0;
    return true;
}

static bool check_empty(struct restore *r, struct eng_source *source, struct nb_error *err)
{
    struct content there;

    if (!look_inside(r, source, &there, err))
        return false;
    if (there.is_empty)
        return true;
    if (there.stamps > 0)
        return fail_interrupted(r, err);
    nb_fail(err, NB_E_CONFLICT, "TargetNotEmpty",
            "database '%s' is not empty: %llu nodes, %llu relationships, %u constraints and "
            "indexes; nothing was written",
            r->database, (unsigned long long)r->base_nodes, (unsigned long long)r->base_rels,
            there.schema);
    return nb_hint(err, "restore into an empty database, or choose the overwrite policy Wipe (an "
                        "earlier try that was cut off may have left this)");
}

static bool name_is_listed(const char *list, const char *name)
{
    size_t n = strlen(name);

    for (const char *p = list; p && *p;) {
        const char *comma = strchr(p, ',');
        size_t len = comma ? (size_t)(comma - p) : strlen(p);

        if (len == n && memcmp(p, name, n) == 0)
            return true;
        p = comma ? comma + 1 : NULL;
    }
    return false;
}

static bool check_confirm(const struct restore *r, struct nb_error *err)
{
    if (name_is_listed(r->opts->confirm, r->database))
        return true;
    return nb_fail(err, NB_E_INVALID, "ConfirmMismatch",
                   "the overwrite policy Wipe deletes all of database '%s', and the confirmation "
                   "is '%.100s'; hint: confirm with the database's name",
                   r->database, r->opts->confirm ? r->opts->confirm : "");
}

/* What an earlier restore has left tells that it did not come to its end. The second time what the
 * dump has is known. */
static bool check_merge(struct restore *r, struct eng_source *source, struct nb_error *err)
{
    uint64_t stamps;

    if (!eng_stamp_count(source, NULL, &stamps, err))
        return false;
    if (stamps == 0)
        return eng_clash_check(&r->clash, source, err);
    nb_fail(err, NB_E_CONFLICT, "TargetNotEmpty",
            "an earlier restore has added a part of a backup, or all of it, to database '%s' and "
            "was interrupted, or is under way: nodes of label '" ENG_STAMP "' tell; merging again "
            "would add things twice; this try wrote nothing",
            r->database);
    return nb_hint(err, "take out what it has added, and these nodes; then merge again");
}

/* Before the dump is read, and once more before the wipe. */
static bool check_safety(struct restore *r, struct eng_source *source, struct nb_error *err)
{
    const char *output = r->opts->safety_backup.repo ? NULL : r->opts->safety_backup.output;
    struct content there;

    r->to_save = false;
    if (r->opts->safety == ENG_SAFETY_NONE)
        return true;
    if (!look_inside(r, source, &there, err))
        return false;
    r->half_filled = there.stamps > 0;
    if (there.is_empty)
        return true;
    r->to_save = true;
    if (r->opts->safety == ENG_SAFETY_BACKUP)
        return !output || eng_safety_check_output(output, err);
    nb_fail(
        err, NB_E_CONFLICT, "SafetyBackupUndecided",
        "database '%s' holds %llu nodes and %llu relationships, the overwrite policy Wipe would "
        "delete them, and RESTORE_SAFETY_BACKUP (--safety-backup) is not set; nothing was "
        "written",
        r->database, (unsigned long long)r->base_nodes, (unsigned long long)r->base_rels);
    return nb_hint(err, "name a new file that they are backed up to first "
                        "(--safety-backup before.cypher.gz), or say that they may go "
                        "(--safety-backup None)");
}

/* Whether the target may be written to. */
static bool check_target(struct restore *r, struct eng_source *source, struct nb_error *err)
{
    if (!eng_source_counts(source, &r->base_nodes, &r->base_rels, err))
        return false;
    switch (r->opts->overwrite) {
    case ENG_OVERWRITE_FAIL:
        return check_empty(r, source, err);
    case ENG_OVERWRITE_WIPE:
        return check_confirm(r, err) && check_safety(r, source, err);
    case ENG_OVERWRITE_MERGE:
        break;
    }
    return check_merge(r, source, err);
}

static bool look_at_target(struct restore *r, struct nb_error *err)
{
    nb_auto(eng_source_close) struct eng_source *source = NULL;

    eng_meter_stage(r->meter, ENG_CONNECTING);
    if (!open_source(r, r->opts->database, &source, err))
        return false;
    r->server = *eng_source_server(source);
    memcpy(r->database, r->server.database, sizeof(r->database));
    memcpy(r->result->server_version, r->server.version, sizeof(r->result->server_version));
    if (r->opts->resolved)
        r->opts->resolved(r->opts->ctx, r->database);
    if (eng_source_is_system(source))
        return nb_fail(err, NB_E_INVALID, "SystemDatabase",
                       "the target is the database 'system', which holds no graph");
    return check_target(r, source, err);
}

/* --- the first reading: is the dump whole, and does the target have what it needs? ------------- */

static bool fail_other(const struct restore *r, struct nb_str text, struct nb_error *err)
{
    (void)r;
    nb_fail(err, NB_E_INVALID, "UnsupportedStatement",
            "the dump has a statement that is none of a dump's: '%.*s'",
            (int)(text.n < SAID_BYTES ? text.n : SAID_BYTES), text.p);
    return nb_hint(err, "--allow-statements runs such statements as they stand");
}

static bool fail_node(struct nb_error *err, int64_t id, const char *what)
{
    return nb_fail(err, NB_E_CORRUPT, "BadDump", "node %lld %s", (long long)id, what);
}

static bool check_node(void *ctx, const struct cyp_node_row *row, struct nb_error *err)
{
    struct restore *r = ctx;
    bool is_new;

    eng_needs_props(&r->needs, &row->props);
    return eng_idset_add(r->ids, row->id, &is_new, err) &&
           (is_new || fail_node(err, row->id, "is in the dump twice"));
}

/* The digests know nothing of numbers. */
static bool check_is_there(const struct restore *r, int64_t id, struct nb_error *err)
{
    return eng_idset_has(r->ids, id) || fail_node(err, id, "is spoken of and not in the dump");
}

static bool check_rel(void *ctx, const struct cyp_rel_row *row, struct nb_error *err)
{
    struct restore *r = ctx;

    eng_needs_props(&r->needs, &row->props);
    return check_is_there(r, row->start_id, err) && check_is_there(r, row->end_id, err);
}

static bool check_set(void *ctx, const struct cyp_node_row *row, const struct nb_str *old_labels,
                      size_t nold_labels, struct nb_error *err)
{
    struct restore *r = ctx;

    (void)old_labels;
    (void)nold_labels;
    eng_needs_props(&r->needs, &row->props);
    return check_is_there(r, row->id, err);
}

static bool check_delete(void *ctx, int64_t id, struct nb_error *err)
{
    struct restore *r = ctx;

    return eng_idset_remove(r->ids, id) || fail_node(err, id, "is spoken of and not in the dump");
}

static bool check_schema(void *ctx, const struct cyp_schema *item, struct nb_error *err)
{
    struct restore *r = ctx;

    (void)err;
    eng_needs_schema(&r->needs, item);
    eng_schema_expect(r->schema, item);
    if (is_merge(r))
        eng_clash_note(&r->clash, item);
    return true;
}

/* Whether a statement may be run as it stands: any, where that is allowed, and in a dump that APOC
 * has written those that APOC writes. */
static bool may_run(struct restore *r, struct nb_str text, struct nb_error *err)
{
    if (r->apoc)
        return eng_apoc_counts_add(&r->apoc_counts, text, err) ||
               nb_hint(err, "--allow-statements runs it as it stands");
    return r->opts->allow_statements || fail_other(r, text, err);
}

static bool check_other(void *ctx, struct nb_str text, struct nb_error *err)
{
    struct restore *r = ctx;

    return may_run(r, text, err) && eng_statements_take(r->statements, text, err);
}

static bool check_bytes(void *ctx, const void *p, size_t n, struct nb_error *err)
{
    return cyp_reader_feed(ctx, p, n, err);
}

static bool take_head(void *ctx, const struct cyp_head *head, struct nb_error *err)
{
    ((struct restore *)ctx)->foreign = false;
    if (nb_str_is(head->database, "system") && nb_str_is(head->helper, CYP_ADMIN_HELPER)) {
        nb_fail(err, NB_E_INVALID, "SystemDatabase",
                "the dump is one of the database 'system': it holds commands, not a graph");
        return nb_hint(err, "gunzip -c FILE | cypher-shell -d system");
    }
    return true;
}

static bool explain_reading(struct restore *r, struct nb_error *err)
{
    if (nb_streq(err->reason, "NotADump"))
        nb_hint(err, "--allow-statements runs any Cypher script statement by statement");
    return nb_wrap(err, "'%s'", eng_input_name(r->opts->input));
}

static bool check_dump(struct restore *r, struct nb_error *err)
{
    struct cyp_reader_opts opts = { .any_script = r->opts->allow_statements || r->apoc,
                                    .digest_content = true };
    struct cyp_reader_ops ops = { .head = take_head,
                                  .node = check_node,
                                  .rel = check_rel,
                                  .delete_node = check_delete,
                                  .set_node = check_set,
                                  .schema = check_schema,
                                  .other = check_other };
    nb_auto(cyp_reader_free) struct cyp_reader *reader = cyp_reader_new(&opts, &ops, r);
    nb_auto(eng_statements_free) struct eng_statements *statements = eng_statements_new(NULL);
    nb_auto(eng_idset_free) struct eng_idset *ids = eng_idset_new(0);

    eng_meter_stage(r->meter, ENG_CHECKING);
    atomic_store(&r->meter->total_checked_bytes, eng_input_size(r->opts->input));
    eng_input_count(r->opts->input, &r->meter->checked_bytes);
    r->statements = statements;
    r->ids = ids;
    r->foreign = true;
    if (!eng_input_read(r->opts->input, check_bytes, reader, eng_pulse_run(r->pulse), err) ||
        !cyp_reader_finish(reader, err) || !eng_statements_finish(statements, err))
        return explain_reading(r, err);
    r->statements = NULL;
    r->ids = NULL;
    if (r->foreign && eng_statements_count(statements) == 0)
        return nb_fail(err, NB_E_INVALID, "NotADump", "'%s' holds no statement",
                       eng_input_name(r->opts->input));
    eng_input_count(r->opts->input, NULL);
    cyp_reader_counts(reader, &r->counts);
    cyp_reader_digest(reader, &r->digest);
    atomic_store(&r->meter->total_nodes, r->apoc ? r->apoc_counts.nodes : r->counts.nodes);
    atomic_store(&r->meter->total_rels, r->apoc ? r->apoc_counts.rels : r->counts.rels);
    return true;
}

static bool check_manifest(const struct restore *r, struct nb_error *err)
{
    const struct repo_manifest *m = eng_input_manifest(r->opts->input);

    if (r->apoc && r->foreign)
        return eng_apoc_counts_check(&r->apoc_counts, m, err);
    return !m || r->foreign ||
           (eng_verify_counts(&r->counts, m, err) && eng_verify_digest(&r->digest, m, err));
}

static bool check_needs(struct restore *r, struct nb_error *err)
{
    struct eng_patience patience = eng_dest_patience(r->dest);
    struct bolt_conn *conn;

    return eng_dest_conn(r->dest, &patience, &conn, err) &&
           eng_needs_check(&r->needs, &r->server, bolt_conn_version(conn), err);
}

/* --- making room ------------------------------------------------------------------------------ */

/* On the restore's meter, whose numbers are the dump's again afterwards. */
static bool save(struct restore *r, struct nb_error *err)
{
    nb_auto_done(eng_backup_result_done) struct eng_backup_result made = { NULL };
    struct eng_backup_opts opts = r->opts->safety_backup;
    uint64_t nodes = atomic_load(&r->meter->total_nodes), rels = atomic_load(&r->meter->total_rels);

    opts.neo4j = r->opts->neo4j;
    opts.database = r->database;
    opts.retry_window_ms = r->opts->retry_window_ms;
    opts.cancel = eng_pulse_run(r->pulse);
    opts.meter = r->meter;
    opts.report = NULL; /* the restore's own pulse does */
    opts.waiting = r->opts->waiting;
    opts.resolved = NULL;
    opts.ctx = r->opts->ctx;
    if (!eng_safety_run(&opts, r->half_filled, &made, err))
        return nb_wrap(err, "the safety backup of what the target holds failed, nothing was "
                            "written to it");
    atomic_store(&r->meter->total_nodes, nodes);
    atomic_store(&r->meter->total_rels, rels);
    atomic_store(&r->meter->nodes, 0);
    atomic_store(&r->meter->rels, 0);
    atomic_store(&r->meter->exported_bytes, 0);
    atomic_store(&r->meter->uploaded_bytes, 0);
    if (r->opts->saved)
        r->opts->saved(r->opts->ctx, &made);
    return true;
}

/* No connection is left idle for as long as that takes. */
static bool save_first(struct restore *r, struct eng_source **io_source, struct nb_error *err)
{
    eng_source_close(nb_steal(*io_source));
    return save(r, err) && open_source(r, r->database, io_source, err);
}

static void hang_up(struct restore *r)
{
    struct eng_dest_opts opts = dest_opts(r);

    eng_dest_free(r->dest);
    r->dest = eng_dest_new(&opts); /* connects when it is used */
}

/* The first reading may have taken hours: the target is looked at once more. */
static bool make_room(struct restore *r, struct nb_error *err)
{
    nb_auto(eng_source_close) struct eng_source *source = NULL;

    hang_up(r);
    if (!open_source(r, r->database, &source, err) || !check_target(r, source, err))
        return false;
    if (r->opts->overwrite != ENG_OVERWRITE_WIPE)
        return true;
    if (r->to_save && !save_first(r, &source, err))
        return false;
    eng_meter_stage(r->meter, ENG_WIPING);
    r->result->wrote = true;
    r->base_nodes = r->base_rels = 0;
    return eng_wipe_run(r->dest, source, err);
}

/* --- the second reading ----------------------------------------------------------------------- */

static bool take_node(void *ctx, const struct cyp_node_row *row, struct nb_error *err)
{
    return eng_load_node(((struct restore *)ctx)->load, row, err);
}

/* The server builds their indexes while it takes the relationships. */
static bool end_nodes(struct restore *r, struct nb_error *err)
{
    nb_auto(eng_dest_free) struct eng_dest *dest = NULL;
    struct eng_dest_opts opts = dest_opts(r);

    if (!eng_load_drain(r->load, err))
        return false;
    dest = eng_dest_new(&opts);
    if (!eng_schema_begin(r->schema, dest, err))
        return false;
    r->nodes_are_in = true;
    eng_meter_stage(r->meter, ENG_RESTORING_RELATIONSHIPS);
    return true;
}

static bool take_rel(void *ctx, const struct cyp_rel_row *row, struct nb_error *err)
{
    struct restore *r = ctx;

    return (r->nodes_are_in || end_nodes(r, err)) && eng_load_rel(r->load, row, err);
}

static bool take_delete(void *ctx, int64_t id, struct nb_error *err)
{
    return eng_load_delete_node(((struct restore *)ctx)->load, id, err);
}

static bool take_set(void *ctx, const struct cyp_node_row *row, const struct nb_str *old_labels,
                     size_t nold_labels, struct nb_error *err)
{
    return eng_load_set_node(((struct restore *)ctx)->load, row, old_labels, nold_labels, err);
}

static bool take_schema(void *ctx, const struct cyp_schema *item, struct nb_error *err)
{
    struct restore *r = ctx;

    (void)err;
    if (r->opts->no_precheck)
        eng_needs_schema(&r->needs, item);
    eng_schema_add(r->schema, item);
    return true;
}

static bool take_other(void *ctx, struct nb_str text, struct nb_error *err)
{
    struct restore *r = ctx;

    if (!may_run(r, text, err) || !eng_load_drain(r->load, err) ||
        !eng_statements_take(r->statements, text, err))
        return false;
    if (r->apoc) {
        atomic_store(&r->meter->nodes, r->apoc_counts.nodes);
        atomic_store(&r->meter->rels, r->apoc_counts.rels);
    }
    return true;
}

static bool take_bytes(void *ctx, const void *p, size_t n, struct nb_error *err)
{
    return cyp_reader_feed(ctx, p, n, err);
}

static bool read_into(struct restore *r, struct cyp_reader *reader, struct nb_error *err)
{
    if (!eng_input_read(r->opts->input, take_bytes, reader, eng_pulse_run(r->pulse), err) ||
        !cyp_reader_finish(reader, err) || !eng_statements_finish(r->statements, err))
        return explain_reading(r, err);
    cyp_reader_counts(reader, &r->counts);
    cyp_reader_digest(reader, &r->digest);
    if (!eng_load_finish(r->load, err))
        return false;
    eng_load_counts(r->load, &r->loaded);
    r->result->statements = eng_statements_count(r->statements);
    r->result->nodes = r->loaded.nodes - r->loaded.deleted_nodes;
    r->result->relationships = r->loaded.rels - r->loaded.deleted_rels;
    return true;
}

static bool load_data(struct restore *r, struct nb_error *err)
{
    struct eng_load_opts load_opts = {
        .dest = dest_opts(r),
        .connections = r->opts->connections,
        .unit_rows = r->opts->unit_rows,
        .unit_bytes = r->opts->unit_bytes,
        .stamp = r->result->stamp,
        /* Statements may be all that there is, and must not be run twice either. */
        .stamp_first = is_merge(r) && !is_system(r),
        .vector_procedures = r->server.vector_procedures,
        .meter = r->meter,
    };
    struct cyp_reader_opts opts = { .any_script = r->opts->allow_statements || r->apoc,
                                    .digest_content = r->opts->verify && !is_merge(r) };
    struct cyp_reader_ops ops = { .head = take_head,
                                  .node = take_node,
                                  .rel = take_rel,
                                  .delete_node = take_delete,
                                  .set_node = take_set,
                                  .schema = take_schema,
                                  .other = take_other };
    nb_auto(cyp_reader_free) struct cyp_reader *reader = NULL;
    nb_auto(eng_statements_free) struct eng_statements *statements = eng_statements_new(r->dest);
    bool ok;

    eng_meter_stage(r->meter, ENG_RESTORING_NODES);
    if (opts.digest_content)
        opts.digest_ends_max_bytes = ENDS_MAX_BYTES;
    reader = cyp_reader_new(&opts, &ops, r);
    if (!is_system(r))
        eng_stamp_make(r->result->stamp);
    r->result->wrote = r->result->wrote || load_opts.stamp_first;
    if (!eng_load_open(&load_opts, &r->load, err))
        return false;
    r->result->wrote = true;
    r->statements = statements;
    r->foreign = true;
    r->apoc_counts = (struct eng_apoc_counts){ 0 };
    ok = read_into(r, reader, err);
    if (!ok) /* or the threads would go on with what they have */
        eng_pulse_fail(r->pulse, err);
    eng_load_free(nb_steal(r->load));
    r->statements = NULL;
    return ok;
}

/* --- schema ----------------------------------------------------------------------------------- */

static bool index_is_bad(void *ctx, const struct eng_schema_item *item, struct nb_error *err)
{
    (void)ctx;
    return !item->failed ||
           nb_fail(err, NB_E_CORRUPT, "VerificationFailed",
                   "index '%.*s' could not be built by the server",
                   (int)(item->item.name.n < 100 ? item->item.name.n : 100), item->item.name.p);
}

/* A part of what was waited already: that much may be waited in vain. */
static int64_t index_poll_ms(int64_t waited_ms)
{
    int64_t ms = waited_ms / INDEX_POLL_PART;

    if (ms < INDEX_POLL_MIN_MS)
        return INDEX_POLL_MIN_MS;
    return ms < INDEX_POLL_MAX_MS ? ms : INDEX_POLL_MAX_MS;
}

static bool await_indexes(struct restore *r, struct eng_dest *dest, struct nb_error *err)
{
    nb_auto(eng_source_close) struct eng_source *source = NULL;
    int64_t waiting = 1, begin_ms = nb_clock_mono_ms();

    while (waiting > 0) {
        if (!eng_dest_get_int(dest,
                              "SHOW INDEXES YIELD state WHERE state = 'POPULATING' "
                              "RETURN count(*)",
                              (struct nb_str){ NULL, 0 }, &waiting, err))
            return false;
        if (waiting > 0 && !nb_cancel_sleep(eng_pulse_run(r->pulse),
                                            index_poll_ms(nb_clock_mono_ms() - begin_ms), err))
            return false;
    }
    return open_source(r, r->database, &source, err) &&
           eng_source_schema(source, index_is_bad, NULL, err);
}

static bool restore_schema(struct restore *r, struct nb_error *err)
{
    nb_auto(eng_dest_free) struct eng_dest *dest = NULL;
    struct eng_dest_opts opts = dest_opts(r);

    eng_meter_stage(r->meter, ENG_RESTORING_SCHEMA);
    if (eng_schema_count(r->schema) == 0)
        return true;
    opts.bolt.read_timeout_ms = SCHEMA_SILENCE_MS;
    dest = eng_dest_new(&opts);
    if (r->opts->no_precheck && !check_needs(r, err))
        return false;
    return eng_schema_make(r->schema, dest, &r->result->constraints, &r->result->indexes, err) &&
           await_indexes(r, dest, err);
}

/* --- is it what it should be? ------------------------------------------------------------------ */

static bool fail_count(struct nb_error *err, const char *what, uint64_t found, uint64_t wanted)
{
    return nb_fail(err, NB_E_CORRUPT, "VerificationFailed",
                   "the target has %llu %s, and should have %llu", (unsigned long long)found, what,
                   (unsigned long long)wanted);
}

/* A relationship whose end is not found is not made, and no error. */
static void take_apoc_counts(struct restore *r)
{
    r->result->nodes = r->apoc_counts.nodes;
    r->result->relationships = r->apoc_counts.rels;
    r->result->indexes = r->apoc_counts.indexes;
    r->result->constraints = r->apoc_counts.constraints;
}

static bool compare_counts(struct restore *r, struct eng_source *source, struct nb_error *err)
{
    uint64_t nodes, rels, stamps;

    if (!r->foreign && r->result->nodes != r->counts.nodes)
        return fail_count(err, "new nodes", r->result->nodes, r->counts.nodes);
    if (!eng_source_counts(source, &nodes, &rels, err) ||
        !eng_stamp_count(source, r->result->stamp, &stamps, err))
        return false;
    nodes -= stamps < nodes ? stamps : nodes;
    if (r->result->statements > 0 && r->apoc && r->foreign)
        take_apoc_counts(r);
    else if (r->result->statements > 0) { /* what they do is their own affair */
        r->result->nodes = nodes - (nodes < r->base_nodes ? nodes : r->base_nodes);
        r->result->relationships = rels - (rels < r->base_rels ? rels : r->base_rels);
        return true;
    }
    if (nodes != r->base_nodes + r->result->nodes)
        return fail_count(err, "nodes", nodes, r->base_nodes + r->result->nodes);
    return rels == r->base_rels + r->result->relationships ||
           fail_count(err, "relationships", rels, r->base_rels + r->result->relationships);
}

struct digesting {
    const char *stamp;
    struct cyp_digester *digester;
    struct eng_idset *nodes, *rels; /* a reading that starts over brings them again */
};

static bool digest_node(void *ctx, const struct ps_node *n, struct nb_error *err)
{
    struct digesting *d = ctx;
    bool is_new;

    if (eng_stamp_is_on(n, d->stamp))
        return true;
    return eng_idset_add(d->nodes, n->id, &is_new, err) &&
           (!is_new ||
            cyp_digester_node(d->digester, n->id, n->labels, n->nlabels, &n->props, err));
}

static bool digest_rel(void *ctx, const struct eng_rel *rel, struct nb_error *err)
{
    struct digesting *d = ctx;
    bool is_new;

    return eng_idset_add(d->rels, rel->id, &is_new, err) &&
           (!is_new ||
            cyp_digester_rel(d->digester, rel->start_id, rel->end_id, rel->type, &rel->props, err));
}

static bool compare_digests(struct restore *r, struct eng_source *source, struct nb_error *err)
{
    nb_auto(cyp_digester_free) struct cyp_digester *digester = cyp_digester_new(ENDS_MAX_BYTES);
    nb_auto(eng_idset_free) struct eng_idset *nodes = eng_idset_new(0);
    nb_auto(eng_idset_free) struct eng_idset *rels = eng_idset_new(0);
    struct digesting d = { r->result->stamp, digester, nodes, rels };
    const struct repo_manifest *m = eng_input_manifest(r->opts->input);
    struct cyp_digest got;

    /* Once more: of this reading also the ends of relationships are known. */
    if (m && !r->foreign && !eng_verify_digest(&r->digest, m, err))
        return false;
    if (!eng_source_nodes(source, digest_node, &d, err) ||
        !eng_source_rels(source, digest_rel, &d, err))
        return false;
    cyp_digester_get(digester, &got);
    if (!cyp_sum_equal(got.nodes, r->digest.nodes) || !cyp_sum_equal(got.rels, r->digest.rels) ||
        (r->digest.has_ends && !cyp_sum_equal(got.rels_ends, r->digest.rels_ends)))
        return nb_fail(err, NB_E_CORRUPT, "VerificationFailed",
                       "the content of the target is not that of the dump: %s differ",
                       !cyp_sum_equal(got.nodes, r->digest.nodes) ? "nodes"
                       : !cyp_sum_equal(got.rels, r->digest.rels) ? "relationships"
                                                                  : "ends of relationships");
    r->result->compared = true;
    return true;
}

/* APOC's script has none itself. */
static bool take_manifest_digest(struct restore *r)
{
    const struct repo_manifest *m = eng_input_manifest(r->opts->input);

    r->digest.known = m->digest_nodes && m->digest_relationships &&
                      cyp_sum_parse(nb_str_from(m->digest_nodes), &r->digest.nodes) &&
                      cyp_sum_parse(nb_str_from(m->digest_relationships), &r->digest.rels);
    r->digest.has_ends = false;
    return r->digest.known;
}

static bool compare(struct restore *r, struct nb_error *err)
{
    nb_auto(eng_source_close) struct eng_source *source = NULL;

    eng_meter_stage(r->meter, ENG_COMPARING);
    if (!open_source(r, r->database, &source, err) || !compare_counts(r, source, err))
        return false;
    if (!r->opts->verify)
        return true;
    if (is_merge(r))
        r->result->not_compared = "counts agree; the content was not compared, since there was "
                                  "something in the target before";
    else if (r->apoc && r->foreign && !take_manifest_digest(r))
        r->result->not_compared = "counts agree; the content was not compared, since the manifest "
                                  "has no digests: APOC's dump changes values";
    else if (r->result->statements > 0 && !(r->apoc && r->foreign))
        r->result->not_compared = "the content was not compared: statements were run as they stand";
    else if (!r->digest.known)
        r->result->not_compared = "counts agree; the content was not compared, since the dump "
                                  "changes elements after it has made them";
    else
        return compare_digests(r, source, err);
    return true;
}

/* --- all of it -------------------------------------------------------------------------------- */

static bool run(struct restore *r, struct nb_error *err)
{
    struct eng_dest_opts opts;

    r->apoc =
        eng_apoc_is_engine_of(eng_input_manifest(r->opts->input)) && !r->opts->allow_statements;
    if (!look_at_target(r, err))
        return false;
    opts = dest_opts(r);
    r->dest = eng_dest_new(&opts);
    if (!r->opts->no_precheck &&
        (!check_dump(r, err) || !check_manifest(r, err) || !check_needs(r, err)))
        return false;
    return make_room(r, err) && load_data(r, err) && restore_schema(r, err) && compare(r, err) &&
           (r->opts->keep_stamp || !r->result->stamp[0] ||
            eng_stamp_remove(r->dest, r->result->stamp, err));
}

static bool restore(const struct eng_restore_opts *opts,
                    bool (*steps)(struct restore *r, struct nb_error *err),
                    struct eng_restore_result *ret, struct nb_error *err)
{
    nb_auto(eng_pulse_stop) struct eng_pulse *pulse = NULL;
    struct eng_meter own_meter = { .stage = ENG_CONNECTING };
    struct eng_pulse_opts pulse_opts = {
        .user = opts->cancel,
        .meter = opts->meter ? opts->meter : &own_meter,
        .interval_ms = opts->report_interval_ms,
        .report = opts->report,
        .ctx = opts->ctx,
    };
    struct restore r = { .opts = opts, .result = ret, .meter = pulse_opts.meter };
    bool ok;

    memset(ret, 0, sizeof(*ret));
    if (!nb_cancel_check(opts->cancel, err) || !eng_pulse_start(&pulse_opts, &pulse, err))
        return false;
    r.pulse = pulse;
    r.schema = eng_schema_new(is_merge(&r));
    ok = steps(&r, err);
    if (!ok)
        eng_pulse_fail(pulse, err);
    eng_load_free(r.load);
    eng_dest_free(r.dest);
    eng_schema_free(r.schema);
    eng_clash_done(&r.clash);
    return ok;
}

bool eng_restore_check(const struct eng_restore_opts *opts, struct nb_error *err)
{
    struct eng_restore_result ignored;

    return restore(opts, look_at_target, &ignored, err);
}

bool eng_restore_run(const struct eng_restore_opts *opts, struct eng_restore_result *ret,
                     struct nb_error *err)
{
    return restore(opts, run, ret, err);
}

bool eng_restore_release(const struct eng_restore_opts *opts, const char *stamp,
                         struct nb_error *err)
{
    struct eng_dest_opts dest_opts = {
        .bolt = opts->neo4j,
        .database = opts->database,
        .retry_window_ms = opts->retry_window_ms,
        .cancel = opts->cancel,
        .on_wait = opts->waiting,
        .ctx = opts->ctx,
    };
    nb_auto(eng_dest_free) struct eng_dest *dest = eng_dest_new(&dest_opts);

    return eng_stamp_remove(dest, stamp, err);
}
