#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "engine/verify.h"
#include "gz/block.h"
#include "main/command.h"
#include "main/connect.h"
#include "main/databases.h"
#include "main/encryption.h"
#include "main/state_dir.h"
#include "main/waiting.h"

struct backup {
    struct context *c;
    struct neo4j_settings neo4j;
    struct bucket bucket;
    struct encryption encryption;
    struct repo_trust trust; /* of an output; a bucket has its own */
    struct eng_verify_opts verify;
    struct eng_meter meter;
    _Atomic(char *) database; /* at hand; every name lives until the end: threads report it */
    struct nb_vec names;
    struct nb_error last_error; /* of a database that failed while others did not */
    struct nb_vec done;         /* names of databases that are backed up */
    struct nb_vec made;         /* keys of their manifests */
    struct nb_vec restoring;    /* names of those that a restore was in the middle of */
};

/* --- hooks of the engine: from threads of its own --------------------------------------------- */

static void on_report(void *ctx, const struct eng_progress *p)
{
    report_progress(atomic_load(&((struct backup *)ctx)->database), p);
}

static void on_waiting(void *ctx, const struct nb_error *why)
{
    (void)ctx;
    waiting_say_engine(why);
}

/* It starts beside us, which takes its time. */
static void on_scratch_waiting(void *ctx, const struct nb_error *why)
{
    (void)ctx;
    nb_log_error(NB_LOG_WARN, "waiting for the scratch Neo4j", why);
}

static void on_resolved(void *ctx, const char *database)
{
    struct backup *b = ctx;
    char *copy = nb_xstrdup(database);

    nb_vec_push(&b->names, copy);
    atomic_store(&b->database, copy);
}

static void on_s3_retry(void *ctx, const struct nb_error *why, int64_t wait_ms)
{
    struct backup *b = ctx;

    atomic_store(&b->meter.waiting, (int)ENG_WAITING_FOR_STORAGE);
    waiting_say_retry(why, wait_ms);
}

/* --- options ---------------------------------------------------------------------------------- */

static int gzip_level(const struct options *o)
{
    const char *compression = opt_text(o, OPT_BACKUP_COMPRESSION);
    const char *level = opt_text(o, OPT_BACKUP_COMPRESSION_LEVEL);

    if (nb_streq(compression, "false") || nb_streq(compression, "none"))
        return 0;
    return nb_streq(level, "adaptive") ? GZ_LEVEL_ADAPTIVE : *level - '0';
}

static enum eng_engine engine(const struct options *o)
{
    const char *text = opt_text(o, OPT_BACKUP_ENGINE);

    return nb_streq(text, "Apoc")     ? ENG_ENGINE_APOC
           : nb_streq(text, "Cypher") ? ENG_ENGINE_CYPHER
                                      : ENG_ENGINE_AUTO;
}

static bool is_incremental(const struct options *o)
{
    return nb_streq(opt_text(o, OPT_BACKUP_TYPE), "Incremental");
}

/* Chunks are objects of a bucket, gzip members, and named by what is in them. */
static bool check_incremental(const struct options *o, struct nb_error *err)
{
    if (!is_incremental(o))
        return true;
    if (opt_text(o, OPT_BACKUP_OUTPUT))
        return opt_fail(o, OPT_BACKUP_TYPE, err, "take Full",
                        "is 'Incremental', which takes a bucket, not a file");
    if (opt_given(o, OPT_BACKUP_AGE_RECIPIENTS) || opt_secret(o, OPT_BACKUP_AGE_PASSPHRASE))
        return opt_fail(o, OPT_BACKUP_TYPE, err, "take Full",
                        "is 'Incremental', which cannot be encrypted: the names of chunks would "
                        "tell their content");
    if (gzip_level(o) == 0)
        return opt_fail(o, OPT_BACKUP_TYPE, err, "take Full, or compress",
                        "is 'Incremental', whose chunks are always compressed");
    if (engine(o) == ENG_ENGINE_APOC)
        return opt_fail(o, OPT_BACKUP_ENGINE, err, "take Auto or Cypher, or the type Full",
                        "is 'Apoc', which cannot be combined with the type Incremental: its script "
                        "is not the same bytes again where nothing has changed");
    return true;
}

static enum eng_consistency consistency(const struct options *o)
{
    const char *text = opt_text(o, OPT_BACKUP_CONSISTENCY);

    return nb_streq(text, "Quiescent")    ? ENG_CONSISTENCY_QUIESCENT
           : nb_streq(text, "BestEffort") ? ENG_CONSISTENCY_BEST_EFFORT
                                          : ENG_CONSISTENCY_CLOSED;
}

static struct eng_backup_opts backup_opts(struct backup *b, const char *database, int64_t time)
{
    const struct options *o = b->c->options;

    return (struct eng_backup_opts){
        .neo4j = b->neo4j.bolt,
        .database = database,
        .engine = engine(o),
        .fetch_size = opt_int(o, OPT_BACKUP_FETCH_SIZE, 0),
        .rows_per_statement = (unsigned)opt_int(o, OPT_BACKUP_STATEMENT_BATCH_SIZE, 0),
        .consistency = consistency(o),
        .retry_window_ms = opt_int(o, OPT_BACKUP_RETRY_WINDOW_SECONDS, 0) * 1000,
        .repo = b->bucket.repo,
        .output = opt_text(o, OPT_BACKUP_OUTPUT),
        .owner = opt_text(o, OPT_BACKUP_OWNER),
        .part_bytes = (size_t)opt_int(o, OPT_R2_PART_SIZE_BYTES, 0),
        .gzip_level = gzip_level(o),
        .gzip_threads = (unsigned)opt_int(o, OPT_BACKUP_PARALLELISM, 0),
        .encryption = b->encryption.on ? &b->encryption.writer : NULL,
        .trust = &b->trust,
        .max_bytes_per_second = (uint64_t)opt_int(o, OPT_BACKUP_MAX_BYTES_PER_SECOND, 0),
        .verify = b->verify,
        .incremental = is_incremental(o),
        .max_chain = (unsigned)opt_int(o, OPT_BACKUP_INCREMENTAL_MAX_CHAIN, 0),
        .scheduled_unix_seconds = time,
        .cancel = b->c->cancel,
        .meter = &b->meter,
        .report_interval_ms = report_progress_interval_ms(),
        .report = on_report,
        .waiting = on_waiting,
        .resolved = on_resolved,
        .ctx = b,
    };
}

/* --- one database ----------------------------------------------------------------------------- */

/* What an earlier try has made is looked at as well: it may have been killed before it could. The
 * key of an encrypted dump has gone with that try, which read it back before it wrote the manifest. */
static bool verify_earlier(struct backup *b, struct eng_backup_result *result, struct nb_error *err)
{
    struct eng_verify_opts opts = b->verify;
    int64_t start_ms = nb_clock_mono_ms();
    bool ok;

    if (result->manifest->recipients.n > 0)
        opts.level = REPO_VERIFIED_CHECKSUM;
    ok = eng_verify_run(b->bucket.repo, result->manifest, &opts, &result->not_compared, err);
    result->verify_ms = nb_clock_mono_ms() - start_ms;
    return ok;
}

static void report_verification(struct backup *b, bool ok, const struct eng_backup_result *result,
                                const struct nb_error *error)
{
    struct report *r = &b->c->report;

    if (!b->bucket.repo || (!ok && !nb_streq(error->reason, "VerificationFailed")))
        return;
    r->verification_ok = ok;
    r->verification_level = repo_verification_name(b->verify.level);
    r->verification_seconds += result->verify_ms / 1000;
    if (!ok || result->not_compared)
        snprintf(r->verification_message, sizeof(r->verification_message), "%s",
                 ok ? result->not_compared : error->text);
    if (ok && result->not_compared)
        nb_log(NB_LOG_WARN, result->not_compared, NB_F_END);
}

static bool back_up(struct backup *b, const char *database, int64_t time, struct nb_error *err)
{
    nb_auto_done(eng_backup_result_done) struct eng_backup_result result = { NULL };
    struct eng_backup_opts opts = backup_opts(b, database, time);
    bool ok;

    on_resolved(b, database ? database : "");
    ok =
        eng_backup_run(&opts, &result, err) && (!result.already || verify_earlier(b, &result, err));
    report_verification(b, ok, &result, err);
    if (!ok)
        return false;
    report_artifact(&b->c->report, &result);
    nb_vec_push(&b->done, nb_xstrdup(result.manifest->database));
    nb_vec_push(&b->made, nb_xstrdup_null(result.manifest_key));
    if (result.of_restore)
        nb_vec_push(&b->restoring, nb_xstrdup(result.manifest->database));
    return true;
}

/* --- all of them ------------------------------------------------------------------------------ */

static void note_failure(struct backup *b, const char *database, struct nb_error *error)
{
    exit_explain(exit_of(error), error);
    if (database[0]) /* else not even its name is known */
        report_database_failed(&b->c->report, database, error);
    b->last_error = *error;
}

/* Also of what cannot be read, which is known beforehand. */
static bool back_up_choice(struct backup *b, const struct database_choice *choice, int64_t time,
                           struct nb_error *err)
{
    struct nb_error error = choice->error;

    if (error.code == NB_OK) {
        if (back_up(b, choice->name, time, &error))
            return true;
        note_failure(b, atomic_load(&b->database), &error);
    } else {
        note_failure(b, choice->name, &error);
    }
    *err = error;
    return false;
}

static bool back_up_all(struct backup *b, const struct database_choices *databases,
                        struct nb_error *err)
{
    bool stop_at_failure =
        nb_streq(opt_text(b->c->options, OPT_BACKUP_DATABASE_FAILURE_POLICY), "Fail");
    int64_t time = opt_time(b->c->options, OPT_BACKUP_SCHEDULED_TIME, nb_clock_unix_seconds());

    for (size_t i = 0; i < databases->n; i++) {
        struct nb_error error = NB_ERROR_INIT;

        if (back_up_choice(b, &databases->items[i], time, &error))
            continue;
        if (databases->n == 1 || stop_at_failure || error.code == NB_E_CANCELLED) {
            *err = error;
            return false;
        }
    }
    if (b->done.count == 0) {
        *err = b->last_error;
        return false;
    }
    if (b->done.count < databases->n)
        report_set_exit(&b->c->report, EXIT_PARTIAL, b->last_error.text);
    return true;
}

static void tell_notes(const struct database_choices *databases)
{
    for (size_t i = 0; i < databases->notes.count; i++)
        nb_log(NB_LOG_WARN, databases->notes.items[i], NB_F_END);
}

/* --- afterwards ------------------------------------------------------------------------------- */

static void on_delete(void *ctx, const struct repo_backup *backup, enum retention_reason reason)
{
    (void)ctx;
    report_pruned(backup, reason);
}

static void on_proof(void *ctx, const struct repo_backup *backup)
{
    (void)ctx;
    report_proven(backup);
}

static void note_retention(struct report *r, const char *reason, const char *message)
{
    r->retention_healthy = false;
    snprintf(r->retention_reason, sizeof(r->retention_reason), "%s", reason);
    snprintf(r->retention_message, sizeof(r->retention_message), "%s", message);
    nb_log(NB_LOG_WARN, message, NB_F_STR("reason", reason), NB_F_END);
}

/* The backup is made: what goes wrong here is told, and does not undo that. */
static bool prune(struct backup *b, const char *database, const char *made,
                  struct repo_backups *listing)
{
    nb_auto_done(repo_prune_result_done) struct repo_prune_result result = { NULL };
    struct nb_error error = NB_ERROR_INIT;
    struct report *r = &b->c->report;
    struct repo_prune_opts opts = {
        .database = database,
        .rules = retention_rules_load(b->c->options),
        .made_manifest_key = made,
        .listing = listing,
        .on_delete = on_delete,
        .on_proof = on_proof,
        .ctx = b,
    };

    if (!repo_prune(b->bucket.repo, &opts, b->c->cancel, &result, &error)) {
        note_retention(r, error.reason, error.text);
        return false;
    }
    r->pruned += result.deleted;
    if (result.blocked)
        note_retention(
            r, "RetentionBlocked",
            "nothing was deleted: backups of another UID under the same owner and prefix");
    return true;
}

/* Maybe half a graph: what is whole must not go because of it. */
static bool is_restoring(struct backup *b, const char *database)
{
    for (size_t i = 0; i < b->restoring.count; i++) {
        if (nb_streq(b->restoring.items[i], database))
            return true;
    }
    return false;
}

static void note_restoring(struct backup *b, const char *database)
{
    nb_auto(nb_free) char *text = nb_xasprintf(
        "nothing was deleted: a restore into the database '%s' is under way or was interrupted, "
        "and its backup may be of half a graph; hint: let the restore end, or begin it again",
        database);

    note_retention(&b->c->report, "RestoreUnderWay", text);
}

/* One listing for the retention of every database and for the inventory. The one that found what an
 * incremental backup builds on is no good for it: others may have come and gone during the export,
 * and our own manifest is not in it. */
static void tidy_bucket(struct backup *b)
{
    nb_auto_done(repo_backups_done) struct repo_backups all = REPO_BACKUPS_INIT;
    struct repo_list_opts opts = { .with_chunks = true };
    struct nb_error error = NB_ERROR_INIT;
    bool pruned = true;

    b->c->report.has_retention = true;
    eng_meter_stage(&b->meter, ENG_PRUNING);
    if (!repo_list(b->bucket.repo, &opts, b->c->cancel, &all, &error)) {
        note_retention(&b->c->report, error.reason, error.text);
        return;
    }
    for (size_t i = 0; i < b->done.count; i++) {
        if (is_restoring(b, b->done.items[i])) {
            note_restoring(b, b->done.items[i]);
            continue;
        }
        pruned = prune(b, b->done.items[i], b->made.items[i], &all) && pruned;
    }
    if (!pruned) { /* what was being deleted is half there */
        repo_backups_done(&all);
        if (!repo_list(b->bucket.repo, &opts, b->c->cancel, &all, &error)) {
            nb_log_error(NB_LOG_WARN, "no inventory of the bucket", &error);
            return;
        }
    }
    report_inventory(&b->c->report, &all);
}

static void note_expiry(struct backup *b)
{
    int64_t days = retention_rules_load(b->c->options).days;

    if (days > 0)
        b->c->report.expiry_unix_seconds =
            opt_time(b->c->options, OPT_BACKUP_SCHEDULED_TIME, nb_clock_unix_seconds()) +
            days * 86400;
}

static bool open_target(struct backup *b, struct nb_error *err)
{
    const struct options *o = b->c->options;
    struct bucket_hooks hooks = { .on_retry = on_s3_retry, .ctx = b };

    if (!opt_text(o, OPT_BACKUP_OUTPUT))
        return bucket_open(o, &hooks, b->c->cancel, &b->bucket, err);
    if (opt_given(o, OPT_R2_BUCKET_NAME) && nb_starts_with(opt_origin(o, OPT_R2_BUCKET_NAME), "--"))
        return opt_fail(o, OPT_BACKUP_OUTPUT, err, "give one of them",
                        "and --bucket are both given");
    return trust_load(o, b->c->cancel, &b->trust, err);
}

static bool run(struct backup *b, struct database_choices *databases, struct nb_error *err)
{
    const struct options *o = b->c->options;
    struct eng_source_opts source = {
        .retry_window_ms = opt_int(o, OPT_BACKUP_RETRY_WINDOW_SECONDS, 0) * 1000,
        .cancel = b->c->cancel,
        .on_wait = on_waiting,
        .ctx = b,
    };

    if (!check_incremental(o, err) || !verification_load(o, &b->verify, err) ||
        !encryption_load(o, &b->encryption, err) || !open_target(b, err) ||
        !neo4j_settings_load(o, b->c->cancel, &b->neo4j, err))
        return false;
    b->verify.cancel = b->c->cancel;
    b->verify.waiting = on_scratch_waiting;
    b->verify.other_etags = report_other_etags;
    b->verify.ctx = b;
    source.bolt = b->neo4j.bolt;
    if (!databases_resolve(o, &source, databases, err))
        return false;
    tell_notes(databases);
    if (opt_text(o, OPT_BACKUP_OUTPUT) && databases->n > 1)
        return opt_fail(o, OPT_BACKUP_OUTPUT, err, "back up one database at a time into files",
                        "can take one database, not %zu", databases->n);
    if (!back_up_all(b, databases, err))
        return false;
    if (!b->bucket.repo)
        return true;
    note_expiry(b);
    tidy_bucket(b);
    return true;
}

static void free_names(struct nb_vec *v)
{
    for (size_t i = 0; i < v->count; i++)
        free(v->items[i]);
    nb_vec_done(v);
}

/* One at a time where a schedule runs; how it ends is written down for that one, if it is what the
 * schedule would run. */
static bool take_lock(struct context *c, int *ret_fd, struct nb_error *err)
{
    if (!state_lock_run(c->options, ret_fd, err))
        return false;
    if (*ret_fd >= 0 && !options_have_flags(c->options))
        c->record = state_dir_file(c->options, STATE_LAST_RUN);
    return true;
}

bool cmd_backup(struct context *c, struct nb_error *err)
{
    struct backup b = { .c = c,
                        .neo4j = { .bolt = BOLT_CONN_OPTS_INIT },
                        .last_error = NB_ERROR_INIT };
    nb_auto_done(database_choices_done) struct database_choices databases = { .items = NULL };
    nb_auto_fd int lock = -1;
    bool ok = take_lock(c, &lock, err) && run(&b, &databases, err);

    encryption_done(&b.encryption);
    repo_trust_done(&b.trust);
    free_names(&b.done);
    free_names(&b.made);
    free_names(&b.restoring);
    free_names(&b.names);
    bucket_close(&b.bucket);
    neo4j_settings_done(&b.neo4j);
    return ok;
}
