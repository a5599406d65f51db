#include "base/clock.h"
#include "base/json.h"
#include "main/command.h"
#include "main/connect.h"

enum { JSON_MAX = 256 << 20 };

static const char *manifest_text(const struct repo_backup *b, const char *text)
{
    return b->manifest && text ? text : "-";
}

static bool is_encrypted(const struct repo_backup *b)
{
    return b->manifest ? b->manifest->recipients.n > 0 : b->name.age;
}

/* Unchecked: no key was given to check it with. */
static const char *signature_state(const struct repo_backup *b, bool asked)
{
    if (!b->manifest)
        return "-";
    if (!b->manifest->signature)
        return "no";
    return !asked ? "unchecked" : b->manifest->distrust ? "BAD" : "good";
}

static void print_row(const struct repo_backup *b, bool asked)
{
    const struct repo_manifest *m = b->manifest;
    char time[NB_TIME_TEXT_MAX], size[16];

    out_printf(
        "%-20s  %-16s  %-16s  %-9s  %8s  %12lld  %13lld  %-10s  %-8s  %-9s  %-9s  %-3s  %s\n",
        nb_time_format(b->name.time_unix_seconds, time), b->name.database, m ? m->owner : "-",
        repo_state_name(b->state), out_size(repo_backup_bytes(b), size),
        (long long)(m ? m->nodes : -1), (long long)(m ? m->relationships : -1),
        manifest_text(b, m ? repo_consistency_name(m->consistency) : NULL),
        manifest_text(b, m ? repo_verification_name(m->verification) : NULL),
        is_encrypted(b) ? "yes" : "no", signature_state(b, asked), b->pinned ? "yes" : "no",
        b->manifest_key ? b->manifest_key
        : b->dump_key   ? b->dump_key
                        : b->claim_key);
    if (b->problem)
        out_printf("    problem: %s\n", b->problem);
    if (m && m->distrust)
        out_printf("    not trusted: %s\n", m->distrust);
}

static void print_table(const struct repo_backups *all, bool asked)
{
    out_printf("%-20s  %-16s  %-16s  %-9s  %8s  %12s  %13s  %-10s  %-8s  %-9s  %-9s  %-3s  %s\n",
               "TIME", "DATABASE", "OWNER", "STATE", "SIZE", "NODES", "RELATIONSHIPS",
               "CONSISTENCY", "VERIFIED", "ENCRYPTED", "SIGNED", "PIN", "KEY");
    for (size_t i = 0; i < all->n; i++)
        print_row(&all->items[i], asked);
    if (!all->complete)
        out_printf("the listing is not complete\n");
}

static void format_backup(struct nb_jw *w, const struct repo_backup *b, bool asked)
{
    const struct repo_manifest *m = b->manifest;
    char time[NB_TIME_TEXT_MAX];

    nb_jw_object(w);
    nb_jw_kv_str(w, "time", nb_time_format(b->name.time_unix_seconds, time));
    nb_jw_kv_str(w, "database", b->name.database);
    nb_jw_kv_str(w, "state", repo_state_name(b->state));
    nb_jw_kv_bool(w, "ours", b->ours);
    nb_jw_kv_bool(w, "pinned", b->pinned);
    nb_jw_kv_bool(w, "encrypted", is_encrypted(b));
    nb_jw_kv_str(w, "signed", signature_state(b, asked));
    nb_jw_kv_str(w, "distrust", m ? m->distrust : NULL);
    nb_jw_kv_str(w, "manifestKey", b->manifest_key);
    nb_jw_kv_str(w, "key", b->dump_key);
    nb_jw_kv_i64(w, "sizeBytes", (int64_t)repo_backup_bytes(b));
    nb_jw_kv_str(w, "problem", b->problem);
    if (m) {
        nb_jw_kv_str(w, "type", m->type == REPO_INCREMENTAL ? "Incremental" : "Full");
        if (m->type == REPO_INCREMENTAL)
            nb_jw_kv_i64(w, "newBytes", (int64_t)m->new_bytes);
        nb_jw_kv_str(w, "owner", m->owner);
        nb_jw_kv_i64(w, "nodes", m->nodes);
        nb_jw_kv_i64(w, "relationships", m->relationships);
        nb_jw_kv_i64(w, "uncompressedBytes", (int64_t)m->plain_bytes);
        nb_jw_kv_str(w, "consistency", repo_consistency_name(m->consistency));
        nb_jw_kv_str(w, "verified", repo_verification_name(m->verification));
        nb_jw_kv_str(w, "serverVersion", m->server_version);
    }
    nb_jw_object_end(w);
}

static bool print_json(const struct repo_backups *all, bool asked, struct nb_error *err)
{
    nb_auto_done(nb_buf_done) struct nb_buf text = NB_BUF_INIT(JSON_MAX);
    struct nb_jw w = NB_JW_INIT(&text);

    nb_jw_object(&w);
    nb_jw_kv_bool(&w, "complete", all->complete);
    nb_jw_key(&w, "backups");
    nb_jw_array(&w);
    for (size_t i = 0; i < all->n; i++)
        format_backup(&w, &all->items[i], asked);
    nb_jw_array_end(&w);
    nb_jw_object_end(&w);
    nb_buf_putc(&text, '\n');
    if (!nb_buf_check(&text, err))
        return false;
    out_buf(&text);
    return true;
}

bool cmd_list(struct context *c, struct nb_error *err)
{
    nb_auto_done(bucket_close) struct bucket bucket = { NULL, NULL };
    nb_auto_done(repo_backups_done) struct repo_backups all = REPO_BACKUPS_INIT;
    struct bucket_hooks hooks = { NULL, NULL, false };
    struct repo_list_opts opts = { .database = opt_text(c->options, OPT_NEO4J_DATABASE),
                                   .with_chunks = true };
    bool asked = opt_given(c->options, OPT_BACKUP_VERIFY_KEY);

    if (!bucket_open(c->options, &hooks, c->cancel, &bucket, err) ||
        !repo_list(bucket.repo, &opts, c->cancel, &all, err))
        return false;
    if (opt_bool(c->options, OPT_JSON)) {
        if (!print_json(&all, asked, err))
            return false;
    } else {
        print_table(&all, asked);
    }
    report_inventory(&c->report, &all);
    return out_finish(err);
}
