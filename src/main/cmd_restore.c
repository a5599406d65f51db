#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "engine/restore.h"
#include "engine/system.h"
#include "main/command.h"
#include "main/connect.h"
#include "main/encryption.h"
#include "main/safety.h"
#include "main/waiting.h"

/* One dump, and where it goes. */
struct source {
    char *database;           /* in the backup; "": not known */
    char *target;             /* NULL: the home database */
    char *key, *manifest_key; /* NULL: a file; a dump without a manifest */
    struct repo_manifest *manifest;
    struct eng_input *input;
    char stamp
        [ENG_STAMP_MAX]; /* what the target holds as long as others are not done; "": nothing */
    struct safety_place safety; /* where what the target holds goes before it is wiped */
};

struct restore {
    struct context *c;
    struct neo4j_settings neo4j;
    struct bucket bucket;
    struct safety safety;
    struct eng_meter meter;
    _Atomic(char *) database; /* the target at hand; every name lives until the end */
    struct nb_vec names;
    struct nb_vec sources; /* struct source */
    struct nb_error last_error;
    unsigned done;
};

/* --- hooks of the engine: from threads of its own --------------------------------------------- */

static void on_report(void *ctx, const struct eng_progress *p)
{
    report_progress(atomic_load(&((struct restore *)ctx)->database), p);
}

static void on_waiting(void *ctx, const struct nb_error *why)
{
    (void)ctx;
    waiting_say_engine(why);
}

static void on_resolved(void *ctx, const char *database)
{
    struct restore *r = ctx;
    char *copy = nb_xstrdup(database);

    nb_vec_push(&r->names, copy);
    atomic_store(&r->database, copy);
}

static void on_saved(void *ctx, const struct eng_backup_result *backup)
{
    struct restore *r = ctx;

    report_safety(&r->c->report, backup);
}

static void on_s3_retry(void *ctx, const struct nb_error *why, int64_t wait_ms)
{
    struct restore *r = ctx;

    atomic_store(&r->meter.waiting, (int)ENG_WAITING_FOR_STORAGE);
    waiting_say_retry(why, wait_ms);
}

/* --- what is restored ------------------------------------------------------------------------- */

static void free_source(struct source *s)
{
    eng_input_close(s->input);
    safety_place_done(&s->safety);
    repo_manifest_free(s->manifest);
    free(s->database);
    free(s->target);
    free(s->key);
    free(s->manifest_key);
    free(s);
}

static void remove_source(struct restore *r, size_t i)
{
    free_source(r->sources.items[i]);
    memmove(r->sources.items + i, r->sources.items + i + 1,
            (r->sources.count - i - 1) * sizeof(*r->sources.items));
    r->sources.count--;
}

/* From a file: nothing is known of its database but what a manifest beside it says. */
static bool add_input(struct restore *r, const char *path, struct nb_error *err)
{
    const struct options *o = r->c->options;
    nb_auto_done(repo_trust_done) struct repo_trust trust = { .signs = false };
    bool once = opt_bool(o, OPT_RESTORE_NO_PRECHECK);
    struct source *s = NB_NEW(struct source);
    const struct repo_manifest *m;

    nb_vec_push(&r->sources, s);
    if (nb_streq(path, "-")) {
        if (!eng_input_open_fd(STDIN_FILENO, "standard input",
                               once ? NULL : opt_text(o, OPT_RESTORE_SPOOL_DIR), r->c->cancel,
                               &s->input, err))
            return false;
    } else if (!eng_input_open_file(path, &s->input, err)) {
        return false;
    }
    if (!once && !eng_input_can_repeat(s->input))
        return opt_fail(o, OPT_RESTORE_INPUT, err,
                        "give it as standard input (--input -), or add --no-precheck",
                        "can be read only once");
    if (!trust_load(o, r->c->cancel, &trust, err) || !eng_input_check_trust(s->input, &trust, err))
        return false;
    m = eng_input_manifest(s->input);
    s->database = nb_xstrdup(m ? m->database : "");
    s->key = nb_xstrdup(path);
    return true;
}

static bool add_manifest(struct restore *r, struct repo_manifest *take_manifest,
                         const char *manifest_key, struct nb_error *err)
{
    struct source *s = NB_NEW(struct source);

    nb_vec_push(&r->sources, s);
    s->manifest = take_manifest;
    report_warnings(take_manifest);
    s->manifest_key = nb_xstrdup(manifest_key);
    s->database = nb_xstrdup(take_manifest->database);
    if (!eng_input_open_manifest(r->bucket.repo, take_manifest, &s->input, err))
        return false;
    /* Of an incremental backup no object is the dump. */
    s->key = nb_xstrdup(take_manifest->type == REPO_INCREMENTAL ? manifest_key
                                                                : take_manifest->objects[0].key);
    return true;
}

/* A dump that nobody wrote a manifest for. */
static bool add_object(struct restore *r, const char *key, struct nb_error *err)
{
    struct source *s = NB_NEW(struct source);
    struct repo_name name;

    nb_vec_push(&r->sources, s);
    if (!eng_input_open_object(r->bucket.repo, key, r->c->cancel, &s->input, err))
        return false;
    nb_log(NB_LOG_WARN, "the dump has no manifest: nothing is known of its size and checksum",
           NB_F_STR("key", key), NB_F_END);
    s->database =
        nb_xstrdup(repo_name_parse(repo_prefix(r->bucket.repo), key, &name) ? name.database : "");
    s->key = nb_xstrdup(key);
    return true;
}

static bool add_key(struct restore *r, const char *key, struct nb_error *err)
{
    nb_auto(repo_manifest_free) struct repo_manifest *m = NULL;
    char manifest_key[REPO_KEY_MAX + 1];

    if (repo_manifest_get(r->bucket.repo, key, r->c->cancel, &m, manifest_key, err))
        return add_manifest(r, nb_steal(m), manifest_key, err);
    if (nb_ends_with(key, ".manifest.json") ||
        !(nb_streq(err->reason, "NoBackup") || nb_streq(err->reason, "InvalidName")))
        return false;
    nb_error_clear(err);
    return add_object(r, key, err);
}

/* The newest of each database; what is newer and cannot be had is told. */
static bool add_newest(struct restore *r, struct nb_error *err)
{
    nb_auto_done(repo_backups_done) struct repo_backups all = REPO_BACKUPS_INIT;
    struct repo_list_opts opts = { .with_chunks = true };
    int64_t before = opt_time(r->c->options, OPT_RESTORE_BEFORE_TIME, 0);
    struct repo_choice choice;

    if (!repo_list(r->bucket.repo, &opts, r->c->cancel, &all, err))
        return false;
    for (size_t i = 0; i < all.n;) {
        i = repo_backups_choose(&all, i, before, &choice);
        if (choice.passed_over)
            report_passed_over(&r->c->report, &choice);
        if (choice.newest && !add_key(r, choice.newest->manifest_key, err))
            return false;
    }
    if (r->sources.count == 0)
        return nb_fail(err, NB_E_NOT_FOUND, "NoBackup",
                       "owner '%s' has no complete %sbackup under '%s' in bucket '%s'",
                       repo_owner(r->bucket.repo), before ? "old enough " : "",
                       repo_prefix(r->bucket.repo), s3_client_bucket(repo_client(r->bucket.repo)));
    return true;
}

static bool add_from_bucket(struct restore *r, struct nb_error *err)
{
    const struct options *o = r->c->options;
    struct bucket_hooks hooks = { .on_retry = on_s3_retry, .ctx = r };
    size_t args_n, listed = opt_list_count(o, OPT_RESTORE_KEYS);
    const char *const *args = options_args(o, &args_n);

    if (!bucket_open(o, &hooks, r->c->cancel, &r->bucket, err))
        return false;
    for (size_t i = 0; i < listed; i++) {
        if (!add_key(r, opt_list_get(o, OPT_RESTORE_KEYS, i), err))
            return false;
    }
    for (size_t i = 0; i < args_n; i++) {
        if (!add_key(r, args[i], err))
            return false;
    }
    return args_n + listed > 0 || add_newest(r, err);
}

/* Names of databases do not tell case. */
static bool is_mapped(const char *pair, const struct source *s)
{
    const char *equals = strchr(pair, '=');
    nb_auto(nb_free) char *from = nb_xstrndup(pair, equals ? (size_t)(equals - pair) : 0);

    return nb_strcaseeq_ascii(from, s->database);
}

static bool is_named(const struct options *o, const struct source *s)
{
    for (size_t i = 0; i < opt_list_count(o, OPT_RESTORE_DATABASES); i++) {
        if (nb_strcaseeq_ascii(s->database, opt_list_get(o, OPT_RESTORE_DATABASES, i)))
            return true;
    }
    for (size_t i = 0; i < opt_list_count(o, OPT_RESTORE_MAPPING); i++) {
        if (is_mapped(opt_list_get(o, OPT_RESTORE_MAPPING, i), s))
            return true;
    }
    return false;
}

/* How its backup is brought back. To be freed. */
static char *system_way(const struct source *s)
{
    if (!s->manifest)
        return nb_xasprintf("gunzip -c %s | cypher-shell -d system", s->key);
    if (s->manifest->recipients.n > 0)
        return nb_xasprintf("neo4j-backup fetch %s | age -d -i identity.txt | gunzip -c | "
                            "cypher-shell -d system",
                            s->manifest_key);
    return nb_xasprintf("neo4j-backup fetch %s --plain | cypher-shell -d system", s->manifest_key);
}

/* Users and roles are another server's affair: a restore of all brings graphs back, and says how to
 * bring those. */
static bool leave_out_system(struct restore *r, struct nb_error *err)
{
    const struct options *o = r->c->options;
    bool all = opt_list_count(o, OPT_RESTORE_DATABASES) == 0;

    for (size_t k = r->sources.count; k-- > 0;) {
        const struct source *s = r->sources.items[k];
        nb_auto(nb_free) char *way = NULL;

        if (!eng_system_is_name(s->database))
            continue;
        way = system_way(s);
        if ((all && r->sources.count == 1) || is_named(o, s)) {
            nb_fail(err, NB_E_INVALID, "SystemDatabase",
                    "the backup of the database 'system' holds commands, not a graph, and cannot "
                    "be restored");
            return nb_hint(err, "%s", way);
        }
        if (all)
            report_system_left_out(&r->c->report, s->manifest_key ? s->manifest_key : s->key, way);
        remove_source(r, k);
    }
    return true;
}

/* RESTORE_DATABASES: others are left out, one that is not there is an error. */
static bool choose_databases(struct restore *r, struct nb_error *err)
{
    const struct options *o = r->c->options;
    size_t n = opt_list_count(o, OPT_RESTORE_DATABASES);

    for (size_t i = 0; i < n; i++) {
        const char *name = opt_list_get(o, OPT_RESTORE_DATABASES, i);
        bool found = false;

        for (size_t k = 0; k < r->sources.count; k++)
            found =
                found || nb_strcaseeq_ascii(((struct source *)r->sources.items[k])->database, name);
        if (!found)
            return nb_fail(err, NB_E_NOT_FOUND, "NoBackup",
                           "database '%s' is not in what is to be restored", name);
    }
    for (size_t k = r->sources.count; n > 0 && k-- > 0;) {
        bool wanted = false;

        for (size_t i = 0; i < n; i++)
            wanted = wanted || nb_strcaseeq_ascii(((struct source *)r->sources.items[k])->database,
                                                  opt_list_get(o, OPT_RESTORE_DATABASES, i));
        if (!wanted)
            remove_source(r, k);
    }
    return true;
}

/* --- where it goes ---------------------------------------------------------------------------- */

static bool map_target(const struct restore *r, struct source *s, struct nb_error *err)
{
    const struct options *o = r->c->options;
    const char *one = opt_text(o, OPT_NEO4J_DATABASE);

    for (size_t i = 0; i < opt_list_count(o, OPT_RESTORE_MAPPING); i++) {
        const char *pair = opt_list_get(o, OPT_RESTORE_MAPPING, i), *equals = strchr(pair, '=');

        if (!equals || equals == pair || !equals[1])
            return opt_fail(o, OPT_RESTORE_MAPPING, err, "write from=to", "has the item '%.60s'",
                            pair);
        if (is_mapped(pair, s)) {
            free(s->target);
            s->target = nb_xstrdup(equals + 1);
        }
    }
    if (s->target)
        return true;
    if (one)
        s->target = nb_xstrdup(one);
    else if (!opt_given(o, OPT_RESTORE_INPUT) && s->database[0])
        s->target = nb_xstrdup(s->database);
    return true;
}

/* A name that is mapped but not there is a slip of the pen, and its dump would go where nobody wants
 * it. */
static bool check_mapping(const struct restore *r, struct nb_error *err)
{
    const struct options *o = r->c->options;

    for (size_t i = 0; i < opt_list_count(o, OPT_RESTORE_MAPPING); i++) {
        const char *pair = opt_list_get(o, OPT_RESTORE_MAPPING, i);
        bool found = false;

        if (!strchr(pair, '='))
            return opt_fail(o, OPT_RESTORE_MAPPING, err, "write from=to, as in neo4j=copy",
                            "has no equals sign in '%.60s'", pair);
        for (size_t k = 0; k < r->sources.count; k++)
            found = found || is_mapped(pair, r->sources.items[k]);
        if (!found)
            return opt_fail(
                o, OPT_RESTORE_MAPPING, err, "name a database of the backup before the equals sign",
                "maps '%.60s', but no such database is in what is to be restored", pair);
    }
    return true;
}

static bool map_targets(struct restore *r, struct nb_error *err)
{
    if (!check_mapping(r, err))
        return false;
    for (size_t i = 0; i < r->sources.count; i++) {
        struct source *s = r->sources.items[i];

        if (!map_target(r, s, err))
            return false;
        for (size_t k = 0; k < i; k++) {
            const struct source *before = r->sources.items[k];

            if (nb_streq(before->target, s->target))
                return nb_fail(err, NB_E_INVALID, "InvalidConfiguration",
                               "'%s' and '%s' would both be restored into database '%s'; hint: "
                               "give one key a database, or RESTORE_MAPPING",
                               before->key, s->key, s->target ? s->target : "(home)");
        }
    }
    return true;
}

/* Whose the dump is; where nobody has written that down, the one whom the options name. */
static const char *dump_owner(const struct restore *r, const struct source *s)
{
    const struct repo_manifest *m = eng_input_manifest(s->input);

    if (m && m->owner && m->owner[0])
        return m->owner;
    return r->bucket.repo ? repo_owner(r->bucket.repo) : opt_text(r->c->options, OPT_BACKUP_OWNER);
}

/* Before anything is written, into whatever database: half of what was asked for would help nobody. */
static bool unlock_sources(struct restore *r, struct nb_error *err)
{
    struct bucket_hooks hooks = { .on_retry = on_s3_retry, .ctx = r };
    nb_auto(age_keys_free) struct age_keys *keys = NULL;

    if (!identities_load(r->c->options, r->c->cancel, &keys, err) ||
        !safety_load(r->c->options, r->bucket.repo != NULL, r->sources.count, &hooks, r->c->cancel,
                     &r->safety, err))
        return false;
    for (size_t i = 0; i < r->sources.count; i++) {
        struct source *s = r->sources.items[i];

        if (!eng_input_unlock(s->input, keys, r->c->cancel, err) ||
            !safety_place_open(&r->safety, dump_owner(r, s),
                               eng_input_is_encrypted(s->input) ? keys : NULL, &s->safety, err))
            return false;
    }
    return true;
}

/* A retention that runs meanwhile must not take what is restored, least of all after a wipe. Keys
 * that may only read are no reason not to restore. */
static void hold_sources(struct restore *r)
{
    for (size_t i = 0; i < r->sources.count; i++) {
        const struct source *s = r->sources.items[i];
        struct nb_error why = NB_ERROR_INIT;

        if (s->manifest_key && !repo_hold(r->bucket.repo, s->manifest_key, r->c->cancel, &why))
            nb_log(NB_LOG_WARN, "retention may delete the backup while it is being restored",
                   NB_F_STR("key", s->manifest_key), NB_F_STR("why", why.text), NB_F_END);
    }
}

static void tell_sources(const struct restore *r)
{
    for (size_t i = 0; i < r->sources.count; i++) {
        const struct source *s = r->sources.items[i];
        const struct repo_manifest *m = s->manifest;

        report_source(s->database, s->manifest_key ? s->manifest_key : "", s->key,
                      !m                          ? 0
                      : m->scheduled_unix_seconds ? m->scheduled_unix_seconds
                                                  : m->start_unix_seconds,
                      eng_input_size(s->input));
    }
}

/* --- one database ----------------------------------------------------------------------------- */

static enum eng_overwrite overwrite_policy(const struct options *o)
{
    const char *text = opt_text(o, OPT_RESTORE_OVERWRITE_POLICY);

    return nb_streq(text, "Wipe")    ? ENG_OVERWRITE_WIPE
           : nb_streq(text, "Merge") ? ENG_OVERWRITE_MERGE
                                     : ENG_OVERWRITE_FAIL;
}

/* A second try would merge once more what is done: its target is told apart until all are done. */
static bool keeps_stamps(const struct restore *r)
{
    return overwrite_policy(r->c->options) == ENG_OVERWRITE_MERGE && r->sources.count > 1;
}

static struct eng_restore_opts restore_opts(struct restore *r, const struct source *s)
{
    const struct options *o = r->c->options;
    struct eng_restore_opts opts = {
        .neo4j = r->neo4j.bolt,
        .database = s->target,
        .retry_window_ms = opt_int(o, OPT_BACKUP_RETRY_WINDOW_SECONDS, 0) * 1000,
        .input = s->input,
        .overwrite = overwrite_policy(o),
        .confirm = opt_text(o, OPT_RESTORE_CONFIRM),
        .verify = opt_bool(o, OPT_RESTORE_VERIFY),
        .no_precheck = opt_bool(o, OPT_RESTORE_NO_PRECHECK),
        .allow_statements = opt_bool(o, OPT_RESTORE_ALLOW_STATEMENTS),
        .connections = (unsigned)opt_int(o, OPT_RESTORE_PARALLELISM, 0),
        .unit_rows = (unsigned)opt_int(o, OPT_RESTORE_BATCH_ROWS, 0),
        .unit_bytes = (size_t)opt_int(o, OPT_RESTORE_BATCH_BYTES, 0),
        .keep_stamp = keeps_stamps(r),
        .cancel = r->c->cancel,
        .meter = &r->meter,
        .report = on_report,
        .waiting = on_waiting,
        .resolved = on_resolved,
        .saved = on_saved,
        .ctx = r,
    };

    safety_place_set(&r->safety, &s->safety, &opts);
    return opts;
}

/* Half a restore is not to be tried again by itself, but where the next try wipes it. */
static void explain_part(enum eng_overwrite policy, struct nb_error *err)
{
    bool again = policy == ENG_OVERWRITE_WIPE && nb_error_is_transient(err);

    nb_hint(err, policy == ENG_OVERWRITE_MERGE
                     ? "the target holds a part of the backup: take out what was added, and the "
                       "nodes of label '" ENG_STAMP "'"
                     : "the target holds a part of the backup: restore again with the overwrite "
                       "policy Wipe");
    if (err->code == NB_E_CANCELLED || err->code == NB_E_CORRUPT || again)
        return;
    err->code = NB_E_INTERNAL;
    snprintf(err->reason, sizeof(err->reason), "RestoreIncomplete");
}

static void tell_verified(struct restore *r, const struct eng_restore_result *result, bool ok,
                          int64_t seconds, const struct nb_error *err)
{
    struct report *report = &r->c->report;
    const char *text = ok ? result->not_compared : err->text;

    if (!opt_bool(r->c->options, OPT_RESTORE_VERIFY) || (!ok && err->code != NB_E_CORRUPT))
        return;
    report->verification_ok = ok && (report->verification_ok || !report->verification_level);
    report->verification_level = repo_verification_name(REPO_VERIFIED_RESTORE);
    report->verification_seconds += seconds;
    if (text)
        snprintf(report->verification_message, sizeof(report->verification_message), "%s", text);
    if (ok && result->not_compared)
        nb_log(NB_LOG_WARN, result->not_compared, NB_F_END);
}

static bool restore_one(struct restore *r, struct source *s, struct nb_error *err)
{
    struct eng_restore_opts opts = restore_opts(r, s);
    struct eng_restore_result result;
    int64_t start = nb_clock_mono_ms(), seconds;
    bool ok;

    memset(&r->meter, 0, sizeof(r->meter));
    on_resolved(r, s->target ? s->target : "");
    ok = eng_restore_run(&opts, &result, err);
    if (ok && opts.keep_stamp)
        memcpy(s->stamp, result.stamp, sizeof(s->stamp));
    seconds = (nb_clock_mono_ms() - start) / 1000;
    if (!ok) {
        if (result.wrote)
            explain_part(opts.overwrite, err);
        exit_explain(exit_of(err), err);
    }
    tell_verified(r, &result, ok, seconds, err);
    report_restored(&r->c->report,
                    &(struct report_restore){
                        .database = s->database[0] ? s->database : atomic_load(&r->database),
                        .target = atomic_load(&r->database),
                        .key = s->key,
                        .manifest_key = s->manifest_key,
                        .nodes = result.nodes,
                        .relationships = result.relationships,
                        .indexes = result.indexes,
                        .constraints = result.constraints,
                        .server_version = result.server_version,
                        .seconds = seconds,
                        .error = ok ? NULL : err,
                    });
    return ok;
}

/* Before the first is wiped or merged into: what is missing, not confirmed, or merged already, would
 * else be found when others are gone, or have it twice. */
static bool check_targets(struct restore *r, struct nb_error *err)
{
    if (overwrite_policy(r->c->options) == ENG_OVERWRITE_FAIL || r->sources.count < 2)
        return true;
    for (size_t i = 0; i < r->sources.count; i++) {
        const struct source *s = r->sources.items[i];
        struct eng_restore_opts opts = restore_opts(r, s);

        on_resolved(r, s->target ? s->target : "");
        if (!eng_restore_check(&opts, err))
            return nb_wrap(err, "nothing was written");
    }
    return true;
}

/* All are done. */
static bool release_all(struct restore *r, struct nb_error *err)
{
    for (size_t i = 0; i < r->sources.count; i++) {
        const struct source *s = r->sources.items[i];
        struct eng_restore_opts opts = restore_opts(r, s);

        if (s->stamp[0] && !eng_restore_release(&opts, s->stamp, err))
            return false;
    }
    return true;
}

static bool restore_all(struct restore *r, struct nb_error *err)
{
    for (size_t i = 0; i < r->sources.count; i++) {
        struct nb_error error = NB_ERROR_INIT;

        if (restore_one(r, r->sources.items[i], &error)) {
            r->done++;
            continue;
        }
        r->last_error = error;
        if (error.code == NB_E_CANCELLED)
            break;
    }
    if (r->done == r->sources.count)
        return release_all(r, err);
    if (r->done > 0 && keeps_stamps(r))
        nb_wrap(&r->last_error, "what is merged keeps its nodes of label '" ENG_STAMP "', so that "
                                "nothing is merged twice");
    if (r->done == 0 || r->last_error.code == NB_E_CANCELLED) {
        *err = r->last_error;
        return false;
    }
    report_set_exit(&r->c->report, EXIT_PARTIAL, r->last_error.text);
    return true;
}

static bool check_options(const struct options *o, struct nb_error *err)
{
    size_t args_n;

    (void)options_args(o, &args_n);
    if (opt_given(o, OPT_RESTORE_INPUT) && (opt_given(o, OPT_RESTORE_KEYS) || args_n > 0))
        return opt_fail(o, OPT_RESTORE_INPUT, err, "give one of them",
                        "and keys of a bucket are both given");
    if (overwrite_policy(o) == ENG_OVERWRITE_WIPE && !opt_text(o, OPT_RESTORE_CONFIRM))
        return opt_fail(o, OPT_RESTORE_OVERWRITE_POLICY, err,
                        "give the database's name with --confirm (RESTORE_CONFIRM)",
                        "is 'Wipe', which deletes everything in the target, and is not confirmed");
    return true;
}

static bool run(struct restore *r, struct nb_error *err)
{
    const struct options *o = r->c->options;

    if (!check_options(o, err))
        return false;
    if (!(opt_text(o, OPT_RESTORE_INPUT) ? add_input(r, opt_text(o, OPT_RESTORE_INPUT), err)
                                         : add_from_bucket(r, err)))
        return false;
    if (!leave_out_system(r, err) || !choose_databases(r, err) || !map_targets(r, err) ||
        !unlock_sources(r, err) || !neo4j_settings_load(o, r->c->cancel, &r->neo4j, err))
        return false;
    tell_sources(r);
    hold_sources(r);
    return check_targets(r, err) && restore_all(r, err);
}

bool cmd_restore(struct context *c, struct nb_error *err)
{
    struct restore r = { .c = c,
                         .neo4j = { .bolt = BOLT_CONN_OPTS_INIT },
                         .last_error = NB_ERROR_INIT };
    bool ok = run(&r, err);

    for (size_t i = 0; i < r.sources.count; i++)
        free_source(r.sources.items[i]);
    nb_vec_done(&r.sources);
    for (size_t i = 0; i < r.names.count; i++)
        free(r.names.items[i]);
    nb_vec_done(&r.names);
    safety_done(&r.safety);
    bucket_close(&r.bucket);
    neo4j_settings_done(&r.neo4j);
    return ok;
}
