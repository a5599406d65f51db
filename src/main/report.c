#include "main/report.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/secret.h"
#include "main/bar.h"

enum {
    JSON_MAX = 256 << 10,
    INVENTORY_MAX_BYTES = 60 << 10, /* of the points: a line has at most 65,536 */
    FAILED_MAX_BYTES = 1024,
    MESSAGE_STEP = 32,
    WARNINGS_MAX = 4096,                       /* of one artifact */
    PROGRESS_FIELDS = 8,                       /* that are always there */
    PROGRESS_FIELDS_MAX = PROGRESS_FIELDS + 5, /* and those that may be known */
    BAR_INTERVAL_MS = 250,
};

void report_init(struct report *r)
{
    memset(r, 0, sizeof(*r));
    r->exit = exit_def_get(EXIT_OK);
    snprintf(r->reason, sizeof(r->reason), "%s", r->exit->reason);
    r->start_mono_ms = nb_clock_mono_ms();
    r->retention_healthy = true;
}

void report_done(struct report *r)
{
    free(r->manifest_key);
    free(r->key);
    free(r->database);
    free(r->engine);
    free(r->server_version);
    free(r->safety_backup);
    for (size_t i = 0; i < r->failed_databases.n; i++)
        free(r->failed_databases.items[i]);
    free(r->failed_databases.items);
    memset(r, 0, sizeof(*r));
}

/* --- events ----------------------------------------------------------------------------------- */

void report_progress(const char *database, const struct eng_progress *p)
{
    struct nb_field fields[PROGRESS_FIELDS_MAX] = {
        NB_F_STR("event", "progress"),
        NB_F_STR("stage", eng_stage_name(p->stage)),
        NB_F_STR("database", database),
        NB_F_INT("percent", p->percent),
        NB_F_INT("nodes", p->nodes),
        NB_F_INT("relationships", p->rels),
        NB_F_INT("bytesExported", p->exported_bytes),
        NB_F_INT("bytesUploaded", p->uploaded_bytes),
    };
    size_t n = PROGRESS_FIELDS;
    char bar[BAR_TEXT_MAX];

    if (nb_log_has_status()) {
        nb_log_status(bar_format(p, database, nb_log_columns(), bar));
        return;
    }
    if (p->total_nodes + p->total_rels > 0) {
        fields[n++] = NB_F_INT("totalNodes", p->total_nodes);
        fields[n++] = NB_F_INT("totalRelationships", p->total_rels);
    }
    if (p->rows_per_second > 0)
        fields[n++] = NB_F_INT("rowsPerSecond", p->rows_per_second);
    if (p->eta_seconds >= 0)
        fields[n++] = NB_F_INT("etaSeconds", p->eta_seconds);
    fields[n] = NB_F_END;
    nb_log_fields(NB_LOG_INFO, "progress", fields);
}

int64_t report_progress_interval_ms(void)
{
    return nb_log_has_status() ? BAR_INTERVAL_MS : 0;
}

static void take_first(struct report *r, const struct eng_backup_result *backup)
{
    const struct repo_manifest *m = backup->manifest;

    r->has_artifact = true;
    r->key = nb_xstrdup_null(backup->key);
    r->manifest_key = nb_xstrdup_null(backup->manifest_key);
    r->database = nb_xstrdup_null(m->database);
    r->engine = nb_xstrdup_null(m->engine);
    r->server_version = nb_xstrdup_null(m->server_version);
    if (m->objects_n > 0 && m->type == REPO_FULL)
        memcpy(r->sha256, m->objects[0].sha256, sizeof(r->sha256));
    r->consistency = m->consistency;
}

/* BestEffort is weaker than Closed, Closed weaker than Snapshot. */
static int strength(enum repo_consistency c)
{
    return c == REPO_CONSISTENCY_SNAPSHOT ? 2 : c == REPO_CONSISTENCY_CLOSED ? 1 : 0;
}

static int64_t sum_known(int64_t a, int64_t b)
{
    return b > 0 ? a + b : a;
}

static const char *engine_name(const char *engine)
{
    return nb_streq(engine, "apoc") ? "Apoc" : "Cypher";
}

static uint64_t stored_bytes(const struct repo_manifest *m)
{
    uint64_t n = 0;

    for (size_t i = 0; i < m->objects_n; i++)
        n += m->objects[i].size;
    return n;
}

/* What a manifest says of itself, for the status: losses first. */
static void say_warnings(const struct repo_manifest *m, struct nb_buf *out)
{
    const struct repo_strings *lists[] = { &m->losses, &m->warnings };

    for (size_t k = 0; k < NB_ARRAY_LEN(lists); k++) {
        for (size_t i = 0; i < lists[k]->n; i++)
            nb_buf_printf(out, "%s%s%s", out->len ? "; " : "", k == 0 ? "lost: " : "",
                          lists[k]->items[i]);
    }
}

void report_warnings(const struct repo_manifest *m)
{
    for (size_t i = 0; i < m->warnings.n; i++)
        nb_log(NB_LOG_WARN, m->warnings.items[i], NB_F_STR("database", m->database), NB_F_END);
}

void report_artifact(struct report *r, const struct eng_backup_result *backup)
{
    nb_auto_done(nb_buf_done) struct nb_buf warnings = NB_BUF_INIT(WARNINGS_MAX);
    const struct repo_manifest *m = backup->manifest;
    uint64_t size = stored_bytes(m);
    bool full = m->type == REPO_FULL;
    uint64_t added = full ? size : m->new_bytes;

    if (!r->has_artifact)
        take_first(r, backup);
    else if (strength(m->consistency) < strength(r->consistency))
        r->consistency = m->consistency;
    say_warnings(m, &warnings);
    r->databases++;
    r->size_bytes += size;
    r->plain_bytes += m->plain_bytes;
    r->nodes = sum_known(r->nodes, m->nodes);
    r->relationships = sum_known(r->relationships, m->relationships);
    r->indexes = sum_known(r->indexes, m->indexes);
    r->constraints = sum_known(r->constraints, m->constraints);
    nb_log(NB_LOG_INFO, backup->already ? "backup was made by an earlier try" : "backup made",
           NB_F_STR("event", "artifact"), NB_F_STR("database", m->database),
           NB_F_STR("key", backup->key), NB_F_STR("manifestKey", backup->manifest_key),
           NB_F_INT("sizeBytes", size), NB_F_INT("uncompressedBytes", m->plain_bytes),
           NB_F_STR("sha256", m->objects_n > 0 && full ? m->objects[0].sha256 : ""),
           NB_F_STR("type", full ? "Full" : "Incremental"), NB_F_INT("newBytes", added),
           NB_F_INT("nodes", m->nodes), NB_F_INT("relationships", m->relationships),
           NB_F_INT("indexes", m->indexes), NB_F_INT("constraints", m->constraints),
           NB_F_STR("consistency", repo_consistency_name(m->consistency)),
           NB_F_STR("engine", engine_name(m->engine)), NB_F_STR("serverVersion", m->server_version),
           NB_F_STR("warnings", nb_buf_cstr(&warnings)), NB_F_END);
    report_warnings(m);
    for (size_t i = 0; i < m->losses.n; i++)
        nb_log(NB_LOG_WARN, "the dump does not hold all of the graph",
               NB_F_STR("database", m->database), NB_F_STR("lost", m->losses.items[i]), NB_F_END);
}

void report_database_failed(struct report *r, const char *database, const struct nb_error *err)
{
    const struct exit_def *def = exit_of(err);

    r->databases++;
    repo_strings_add(&r->failed_databases, database);
    nb_log(NB_LOG_ERROR, "backup of a database failed", NB_F_STR("event", "databaseFailed"),
           NB_F_STR("database", database), NB_F_STR("reason", exit_reason(def, err)),
           NB_F_STR("message", err->text), NB_F_END);
}

void report_pruned(const struct repo_backup *b, enum retention_reason reason)
{
    nb_log(NB_LOG_INFO, "backup deleted", NB_F_STR("event", "pruned"),
           NB_F_STR("key", b->dump_key ? b->dump_key : b->manifest_key),
           NB_F_STR("database", b->name.database),
           NB_F_STR("reason", retention_reason_name(reason)), NB_F_END);
}

void report_other_etags(void *ctx, unsigned n)
{
    (void)ctx;
    nb_log(NB_LOG_INFO,
           "objects have other ETags than the manifest says, as in a copy of the bucket: they are "
           "read, and their SHA-256 decides",
           NB_F_INT("objects", n), NB_F_END);
}

void report_passed_over(struct report *r, const struct repo_choice *choice)
{
    const struct repo_backup *b = choice->passed_over;
    const char *taken = choice->newest ? choice->newest->manifest_key : "";

    snprintf(r->message, sizeof(r->message),
             "'%s' is newer, and was passed over, for it is %s%s%s; taken: %s", b->manifest_key,
             repo_state_name(b->state), b->problem ? ": " : ": its dump is gone",
             b->problem ? b->problem : "", taken[0] ? taken : "none");
    nb_log(NB_LOG_WARN, r->message, NB_F_STR("event", "passedOver"),
           NB_F_STR("database", b->name.database), NB_F_STR("manifestKey", b->manifest_key),
           NB_F_STR("state", repo_state_name(b->state)), NB_F_STR("taken", taken), NB_F_END);
}

void report_system_left_out(struct report *r, const char *key, const char *way)
{
    size_t n = strlen(r->message);

    snprintf(
        r->message + n, sizeof(r->message) - n,
        "%sthe backup of the database 'system' is left out: it holds commands, not a graph; to "
        "bring users and roles back: %s",
        n ? "; " : "", way);
    nb_log(NB_LOG_WARN, r->message + (n ? n + 2 : 0), NB_F_STR("event", "systemLeftOut"),
           NB_F_STR("key", key), NB_F_END);
}

void report_proven(const struct repo_backup *b)
{
    if (b->state == REPO_COMPLETE)
        nb_log(NB_LOG_INFO,
               "a backup whose ETags are not its manifest's was read: it holds what was stored",
               NB_F_STR("manifestKey", b->manifest_key), NB_F_END);
    else
        nb_log(NB_LOG_WARN, "a backup is damaged: it does not count as one for retention",
               NB_F_STR("manifestKey", b->manifest_key), NB_F_STR("problem", b->problem), NB_F_END);
}

static bool is_point(const struct repo_backup *b)
{
    return b->ours && repo_backup_is_whole(b);
}

static int64_t point_time(const struct repo_backup *b)
{
    return b->name.time_unix_seconds;
}

static int newer_first(const void *a, const void *b)
{
    int64_t x = point_time(*(const struct repo_backup *const *)a);
    int64_t y = point_time(*(const struct repo_backup *const *)b);

    if (x != y)
        return x < y ? 1 : -1;
    return repo_backup_is_newer(*(const struct repo_backup *const *)b,
                                *(const struct repo_backup *const *)a)
               ? 1
               : -1;
}

static void format_point(struct nb_jw *w, const struct repo_backup *b)
{
    char time[NB_TIME_TEXT_MAX];

    nb_jw_object(w);
    nb_jw_kv_str(w, "time", nb_time_format(point_time(b), time));
    nb_jw_kv_str(w, "database", b->name.database);
    nb_jw_kv_str(w, "manifestKey", b->manifest_key);
    nb_jw_kv_str(w, "key", b->dump_key ? b->dump_key : b->manifest_key);
    nb_jw_kv_i64(w, "sizeBytes", (int64_t)repo_backup_bytes(b));
    nb_jw_kv_str(w, "consistency", repo_consistency_name(b->manifest->consistency));
    nb_jw_kv_bool(w, "pinned", b->pinned);
    nb_jw_kv_str(w, "verified", repo_verification_name(b->manifest->verification));
    nb_jw_object_end(w);
}

static void format_stored(struct nb_jw *w, const struct report *r)
{
    char time[NB_TIME_TEXT_MAX];

    nb_jw_object(w);
    nb_jw_kv_i64(w, "count", (int64_t)r->stored_count);
    nb_jw_kv_i64(w, "totalBytes", (int64_t)r->stored_bytes);
    if (r->stored_count > 0) {
        nb_jw_kv_str(w, "oldestTime", nb_time_format(r->stored_oldest, time));
        nb_jw_kv_str(w, "newestTime", nb_time_format(r->stored_newest, time));
    }
    nb_jw_object_end(w);
}

void report_inventory(struct report *r, const struct repo_backups *backups)
{
    nb_auto_done(nb_buf_done) struct nb_buf points = NB_BUF_INIT(JSON_MAX);
    nb_auto_done(nb_buf_done) struct nb_buf stored = NB_BUF_INIT(JSON_MAX);
    struct nb_jw points_w = NB_JW_INIT(&points), stored_w = NB_JW_INIT(&stored);
    struct nb_vec ours = { NULL, 0, 0 }; /* struct repo_backup, newest first */

    r->has_stored = true;
    r->stored_bytes = backups->chunk_bytes;
    for (size_t i = 0; i < backups->n; i++) {
        if (!is_point(&backups->items[i]))
            continue;
        nb_vec_push(&ours, &backups->items[i]);
        r->stored_bytes += backups->items[i].stored_bytes;
    }
    if (ours.count > 0)
        qsort(ours.items, ours.count, sizeof(void *), newer_first);
    r->stored_count = ours.count;
    r->stored_newest = ours.count > 0 ? point_time(ours.items[0]) : 0;
    r->stored_oldest = ours.count > 0 ? point_time(ours.items[ours.count - 1]) : 0;
    nb_jw_array(&points_w);
    for (size_t i = 0; i < ours.count && i < REPORT_POINTS_MAX && points.len < INVENTORY_MAX_BYTES;
         i++)
        format_point(&points_w, ours.items[i]);
    nb_jw_array_end(&points_w);
    format_stored(&stored_w, r);
    nb_log(NB_LOG_INFO, "inventory", NB_F_STR("event", "inventory"),
           NB_F_JSON("stored", nb_buf_cstr(&stored)), NB_F_JSON("points", nb_buf_cstr(&points)),
           NB_F_END);
    nb_vec_done(&ours);
}

/* --- restores --------------------------------------------------------------------------------- */

void report_source(const char *database, const char *manifest_key, const char *key,
                   int64_t time_unix_seconds, uint64_t size_bytes)
{
    char time[NB_TIME_TEXT_MAX] = "";

    if (time_unix_seconds)
        nb_time_format(time_unix_seconds, time);
    nb_log(NB_LOG_INFO, "source", NB_F_STR("event", "source"), NB_F_STR("database", database),
           NB_F_STR("manifestKey", manifest_key), NB_F_STR("key", key), NB_F_STR("time", time),
           NB_F_INT("sizeBytes", size_bytes), NB_F_END);
}

void report_safety(struct report *r, const struct eng_backup_result *backup)
{
    const struct repo_manifest *m = backup->manifest;

    if (!r->safety_backup)
        r->safety_backup = nb_xstrdup(backup->manifest_key);
    nb_log(NB_LOG_INFO,
           backup->already ? "an earlier try has backed up what the target held"
                           : "what the target holds is backed up",
           NB_F_STR("event", "safetyBackup"), NB_F_STR("database", m->database),
           NB_F_STR("manifestKey", backup->manifest_key), NB_F_STR("key", backup->key),
           NB_F_STR("owner", m->owner), NB_F_INT("sizeBytes", stored_bytes(m)),
           NB_F_INT("nodes", m->nodes), NB_F_INT("relationships", m->relationships), NB_F_END);
}

static void sum_restored(struct report *r, const struct report_restore *d)
{
    if (!r->has_restore) {
        r->key = nb_xstrdup_null(d->key);
        r->manifest_key = nb_xstrdup_null(d->manifest_key);
        r->database = nb_xstrdup_null(d->target);
        r->server_version = nb_xstrdup_null(d->server_version);
    }
    r->has_restore = true;
    r->nodes += (int64_t)d->nodes;
    r->relationships += (int64_t)d->relationships;
    r->indexes += (int64_t)d->indexes;
    r->constraints += (int64_t)d->constraints;
}

void report_restored(struct report *r, const struct report_restore *d)
{
    const char *reason = d->error ? exit_reason(exit_of(d->error), d->error) : "Succeeded";

    r->databases++;
    if (d->error)
        repo_strings_add(&r->failed_databases, d->target);
    else
        sum_restored(r, d);
    nb_log(d->error ? NB_LOG_ERROR : NB_LOG_INFO,
           d->error ? "restore of a database failed" : "database restored",
           NB_F_STR("event", "databaseResult"), NB_F_STR("database", d->database),
           NB_F_STR("target", d->target), NB_F_STR("result", d->error ? "Failed" : "Succeeded"),
           NB_F_STR("reason", reason), NB_F_STR("message", d->error ? d->error->text : ""),
           NB_F_INT("nodes", d->nodes), NB_F_INT("relationships", d->relationships),
           NB_F_INT("durationSeconds", d->seconds), NB_F_END);
}

/* --- the end ---------------------------------------------------------------------------------- */

void report_set_exit(struct report *r, enum exit_code code, const char *message)
{
    r->exit = exit_def_get(code);
    snprintf(r->reason, sizeof(r->reason), "%s", r->exit->reason);
    snprintf(r->message, sizeof(r->message), "%s", message);
}

void report_failure(struct report *r, struct nb_error *err)
{
    r->exit = exit_of(err);
    exit_explain(r->exit, err);
    snprintf(r->reason, sizeof(r->reason), "%s", exit_reason(r->exit, err));
    snprintf(r->message, sizeof(r->message), "%s", err->text);
    nb_log(NB_LOG_ERROR, err->text, NB_F_STR("reason", r->reason),
           NB_F_INT("exitCode", r->exit->code), NB_F_END);
}

static void format_failed(struct nb_jw *w, const struct report *r)
{
    size_t start = w->out->len;

    nb_jw_key(w, "failedDatabases");
    nb_jw_array(w);
    for (size_t i = 0; i < r->failed_databases.n && w->out->len - start < FAILED_MAX_BYTES; i++)
        nb_jw_str(w, r->failed_databases.items[i]);
    nb_jw_array_end(w);
}

static void format_artifact(struct nb_jw *w, const struct report *r)
{
    char time[NB_TIME_TEXT_MAX];

    if (!r->has_artifact)
        return;
    nb_jw_kv_str(w, "manifestKey", r->manifest_key);
    nb_jw_kv_str(w, "key", r->key);
    nb_jw_kv_str(w, "database", r->database);
    nb_jw_kv_i64(w, "sizeBytes", (int64_t)r->size_bytes);
    nb_jw_kv_i64(w, "uncompressedBytes", (int64_t)r->plain_bytes);
    nb_jw_kv_str(w, "sha256", r->sha256);
    nb_jw_kv_i64(w, "nodes", r->nodes);
    nb_jw_kv_i64(w, "relationships", r->relationships);
    nb_jw_kv_i64(w, "indexes", r->indexes);
    nb_jw_kv_i64(w, "constraints", r->constraints);
    nb_jw_kv_str(w, "consistency", repo_consistency_name(r->consistency));
    nb_jw_kv_str(w, "engine", engine_name(r->engine));
    nb_jw_kv_str(w, "serverVersion", r->server_version);
    if (r->expiry_unix_seconds > 0)
        nb_jw_kv_str(w, "expiryTime", nb_time_format(r->expiry_unix_seconds, time));
}

static void format_restore(struct nb_jw *w, const struct report *r)
{
    if (!r->has_restore)
        return;
    nb_jw_kv_str(w, "manifestKey", r->manifest_key);
    nb_jw_kv_str(w, "key", r->key);
    nb_jw_kv_str(w, "database", r->database);
    nb_jw_kv_i64(w, "nodes", r->nodes);
    nb_jw_kv_i64(w, "relationships", r->relationships);
    nb_jw_kv_i64(w, "indexes", r->indexes);
    nb_jw_kv_i64(w, "constraints", r->constraints);
    nb_jw_kv_str(w, "serverVersion", r->server_version);
}

static void format_retention(struct nb_jw *w, const struct report *r)
{
    if (!r->has_retention)
        return;
    nb_jw_kv_i64(w, "pruned", r->pruned);
    nb_jw_key(w, "retention");
    nb_jw_object(w);
    nb_jw_kv_bool(w, "healthy", r->retention_healthy);
    if (r->retention_reason[0])
        nb_jw_kv_str(w, "reason", r->retention_reason);
    if (r->retention_message[0])
        nb_jw_kv_str(w, "message", r->retention_message);
    nb_jw_object_end(w);
}

static void format_verification(struct nb_jw *w, const struct report *r)
{
    if (!r->verification_level)
        return;
    nb_jw_key(w, "verification");
    nb_jw_object(w);
    nb_jw_kv_str(w, "level", r->verification_level);
    nb_jw_kv_str(w, "result", r->verification_ok ? "Succeeded" : "Failed");
    nb_jw_kv_i64(w, "durationSeconds", r->verification_seconds);
    if (r->verification_message[0])
        nb_jw_kv_str(w, "message", r->verification_message);
    nb_jw_object_end(w);
}

static const char *result_name(const struct report *r)
{
    return r->exit->code == EXIT_OK        ? "Succeeded"
           : r->exit->code == EXIT_PARTIAL ? "Partial"
                                           : "Failed";
}

static void format_with_message(const struct report *r, size_t message_n, struct nb_buf *out)
{
    struct nb_jw w = NB_JW_INIT(out);

    nb_buf_clear(out);
    nb_jw_object(&w);
    nb_jw_kv_str(&w, "result", result_name(r));
    nb_jw_kv_str(&w, "reason", r->reason);
    nb_jw_key(&w, "message");
    nb_jw_strn(&w, r->message, message_n);
    nb_jw_kv_i64(&w, "exitCode", r->exit->code);
    nb_jw_kv_bool(&w, "retriable", r->exit->retriable);
    format_artifact(&w, r);
    format_restore(&w, r);
    if (r->safety_backup)
        nb_jw_kv_str(&w, "safetyBackup", r->safety_backup);
    nb_jw_kv_i64(&w, "databases", r->databases);
    format_failed(&w, r);
    nb_jw_kv_i64(&w, "durationSeconds", (nb_clock_mono_ms() - r->start_mono_ms) / 1000);
    if (r->has_stored) {
        nb_jw_key(&w, "stored");
        format_stored(&w, r);
    }
    format_retention(&w, r);
    format_verification(&w, r);
    nb_jw_object_end(&w);
}

void report_format(const struct report *r, struct nb_buf *out)
{
    size_t n = strlen(r->message);

    format_with_message(r, n, out);
    while (out->len > REPORT_TERMINATION_MAX_BYTES && n > 0) {
        n = n > MESSAGE_STEP ? n - MESSAGE_STEP : 0;
        while (n > 0 && ((unsigned char)r->message[n] & 0xC0) == 0x80)
            n--; /* not within a character */
        format_with_message(r, n, out);
    }
}

void report_write(const struct report *r, const char *path)
{
    nb_auto_done(nb_buf_done) struct nb_buf text = NB_BUF_INIT(JSON_MAX);
    nb_auto_fd int fd = -1;
    struct nb_error error = NB_ERROR_INIT;

    if (!path)
        return;
    report_format(r, &text);
    nb_secret_redact(text.data, text.len);
    /* In place: the kubelet binds this very file. */
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0)
        nb_fail_errno(&error, errno, "open '%s'", path);
    if (fd < 0 || !nb_fd_write_all(fd, text.data, text.len, &error))
        nb_log_error(NB_LOG_WARN, "the termination message was not written", &error);
}

void report_record(const struct report *r, const char *path)
{
    nb_auto_done(nb_buf_done) struct nb_buf text = NB_BUF_INIT(JSON_MAX);
    struct nb_error error = NB_ERROR_INIT;

    report_format(r, &text);
    nb_secret_redact(text.data, text.len);
    if (!nb_file_write_atomic(path, text.data, text.len, 0600, &error))
        nb_log_error(NB_LOG_WARN, "how the run ended was not written down", &error);
}
