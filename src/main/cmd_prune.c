#include "base/json.h"
#include "main/command.h"
#include "main/connect.h"

enum { JSON_MAX = 64 << 20 };

static void on_delete(void *ctx, const struct repo_backup *b, enum retention_reason reason)
{
    (void)ctx;
    report_pruned(b, reason);
}

static void on_proof(void *ctx, const struct repo_backup *b)
{
    (void)ctx;
    report_proven(b);
}

static const char *verdict(const struct repo_pruned *p, bool dry_run)
{
    return p->locked ? "locked" : p->deleted ? (dry_run ? "would be deleted" : "deleted") : "kept";
}

static void print_table(const struct repo_prune_result *result, bool dry_run)
{
    char size[16];

    for (size_t i = 0; i < result->n; i++) {
        const struct repo_pruned *p = &result->items[i];

        if (p->manifest_key)
            out_printf("%-16s  %-10s  %8s  %s\n", verdict(p, dry_run),
                       retention_reason_name(p->reason), out_size(p->bytes, size), p->manifest_key);
    }
    out_printf("%u kept, %u %s, %u locked, %s %s\n", result->kept, result->deleted,
               dry_run ? "would be deleted" : "deleted", result->locked,
               out_size(result->bytes_deleted, size), dry_run ? "would be freed" : "freed");
}

static bool print_json(const struct repo_prune_result *result, bool dry_run, struct nb_error *err)
{
    nb_auto_done(nb_buf_done) struct nb_buf text = NB_BUF_INIT(JSON_MAX);
    struct nb_jw w = NB_JW_INIT(&text);

    nb_jw_object(&w);
    nb_jw_kv_bool(&w, "dryRun", dry_run);
    nb_jw_kv_bool(&w, "blocked", result->blocked);
    nb_jw_kv_i64(&w, "kept", result->kept);
    nb_jw_kv_i64(&w, "deleted", result->deleted);
    nb_jw_kv_i64(&w, "locked", result->locked);
    nb_jw_kv_i64(&w, "bytesDeleted", (int64_t)result->bytes_deleted);
    nb_jw_key(&w, "backups");
    nb_jw_array(&w);
    for (size_t i = 0; i < result->n; i++) {
        const struct repo_pruned *p = &result->items[i];

        nb_jw_object(&w);
        nb_jw_kv_str(&w, "manifestKey", p->manifest_key);
        nb_jw_kv_bool(&w, "deleted", p->deleted);
        nb_jw_kv_bool(&w, "locked", p->locked);
        nb_jw_kv_str(&w, "reason", retention_reason_name(p->reason));
        nb_jw_kv_i64(&w, "bytes", (int64_t)p->bytes);
        nb_jw_object_end(&w);
    }
    nb_jw_array_end(&w);
    nb_jw_object_end(&w);
    nb_buf_putc(&text, '\n');
    if (!nb_buf_check(&text, err))
        return false;
    out_buf(&text);
    return true;
}

static bool fail_blocked(struct context *c, struct nb_error *err)
{
    c->report.retention_healthy = false;
    return nb_fail(
        err, NB_E_CONFLICT, "RetentionBlocked",
        "nothing was deleted: owner '%s' has backups of another UID under the same prefix",
        opt_text(c->options, OPT_BACKUP_OWNER));
}

bool cmd_prune(struct context *c, struct nb_error *err)
{
    nb_auto_done(bucket_close) struct bucket bucket = { NULL, NULL };
    nb_auto_done(repo_prune_result_done) struct repo_prune_result result = { NULL };
    struct bucket_hooks hooks = { NULL, NULL, false };
    struct repo_prune_opts opts = {
        .database = opt_text(c->options, OPT_NEO4J_DATABASE),
        .rules = retention_rules_load(c->options),
        .dry_run = opt_bool(c->options, OPT_DRY_RUN),
        .on_delete = on_delete,
        .on_proof = on_proof,
    };

    opts.rules.everything = opt_bool(c->options, OPT_PRUNE_ALL);
    if (opts.dry_run)
        opts.on_delete = NULL;
    if (!bucket_open(c->options, &hooks, c->cancel, &bucket, err) ||
        !repo_prune(bucket.repo, &opts, c->cancel, &result, err))
        return false;
    c->report.has_retention = true;
    c->report.pruned = opts.dry_run ? 0 : result.deleted;
    if (opt_bool(c->options, OPT_JSON)) {
        if (!print_json(&result, opts.dry_run, err))
            return false;
    } else {
        print_table(&result, opts.dry_run);
    }
    if (!out_finish(err))
        return false;
    return result.blocked ? fail_blocked(c, err) : true;
}
