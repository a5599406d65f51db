#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "engine/verify.h"
#include "main/command.h"
#include "main/connect.h"
#include "main/encryption.h"

struct verify {
    struct context *c;
    struct repo *repo;
    struct eng_verify_opts opts;
    unsigned done;
};

static void on_waiting(void *ctx, const struct nb_error *why)
{
    (void)ctx;
    nb_log_error(NB_LOG_WARN, "waiting for the scratch Neo4j", why);
}

/* What could not be compared is no fault, and is said. */
static void note_not_compared(struct report *r, const char *why)
{
    if (!why)
        return;
    nb_log(NB_LOG_WARN, why, NB_F_END);
    snprintf(r->verification_message, sizeof(r->verification_message), "%s", why);
}

static bool verify_manifest(struct verify *v, const struct repo_manifest *m, const char *key,
                            struct nb_error *err)
{
    const char *not_compared;

    if (!eng_verify_run(v->repo, m, &v->opts, &not_compared, err))
        return nb_wrap(err, "verify '%s'", key);
    note_not_compared(&v->c->report, not_compared);
    report_warnings(m);
    v->done++;
    nb_log(NB_LOG_INFO, "backup verified", NB_F_STR("manifestKey", key),
           NB_F_STR("level", repo_verification_name(eng_verify_level(m, v->opts.level))), NB_F_END);
    return true;
}

static bool verify_key(struct verify *v, const char *key, struct nb_error *err)
{
    nb_auto(repo_manifest_free) struct repo_manifest *m = NULL;
    char manifest_key[REPO_KEY_MAX + 1];

    return repo_manifest_get(v->repo, key, v->c->cancel, &m, manifest_key, err) &&
           verify_manifest(v, m, manifest_key, err);
}

/* Only the first is kept. What cannot be read may be another owner's. */
static void note_damaged(const struct repo_backup *b, struct nb_error *damaged)
{
    if (damaged->code == NB_OK && b->ours && b->state == REPO_DAMAGED)
        nb_fail(damaged, NB_E_CORRUPT, "VerificationFailed",
                "the newest backup of the database '%s' is damaged: '%s': %s", b->name.database,
                b->manifest_key, b->problem ? b->problem : "its dump is gone");
}

/* The newest of each database; what is newer and cannot be had is told. One that is damaged fails it
 * all, in the end: the others are looked at first. */
static bool verify_newest(struct verify *v, struct nb_error *err)
{
    struct nb_error damaged = NB_ERROR_INIT;
    nb_auto_done(repo_backups_done) struct repo_backups all = REPO_BACKUPS_INIT;
    struct repo_list_opts opts = { .with_chunks = true };
    struct repo_choice choice;

    if (!repo_list(v->repo, &opts, v->c->cancel, &all, err))
        return false;
    for (size_t i = 0; i < all.n;) {
        i = repo_backups_choose(&all, i, 0, &choice);
        if (choice.passed_over) {
            report_passed_over(&v->c->report, &choice);
            note_damaged(choice.passed_over, &damaged);
        }
        if (choice.newest && !verify_key(v, choice.newest->manifest_key, err))
            return false;
    }
    if (damaged.code != NB_OK) {
        *err = damaged;
        return false;
    }
    if (v->done == 0)
        return nb_fail(err, NB_E_NOT_FOUND, "NoBackup", "owner '%s' has no complete backup",
                       repo_owner(v->repo));
    return true;
}

static bool verify_all(struct verify *v, struct nb_error *err)
{
    const struct options *o = v->c->options;
    size_t args_n, listed = opt_list_count(o, OPT_BACKUP_KEYS);
    const char *const *args = options_args(o, &args_n);

    if (args_n + listed == 0)
        return verify_newest(v, err);
    for (size_t i = 0; i < listed; i++) {
        if (!verify_key(v, opt_list_get(o, OPT_BACKUP_KEYS, i), err))
            return false;
    }
    for (size_t i = 0; i < args_n; i++) {
        if (!verify_key(v, args[i], err))
            return false;
    }
    return true;
}

bool cmd_verify(struct context *c, struct nb_error *err)
{
    nb_auto_done(bucket_close) struct bucket bucket = { NULL, NULL };
    nb_auto(age_keys_free) struct age_keys *keys = NULL;
    struct bucket_hooks hooks = { NULL, NULL, false };
    struct verify v = { .c = c };
    int64_t start = nb_clock_mono_ms();

    if (!verification_load(c->options, &v.opts, err) ||
        !identities_load(c->options, c->cancel, &keys, err))
        return false;
    v.opts.keys = keys;
    v.opts.cancel = c->cancel;
    v.opts.waiting = on_waiting;
    v.opts.other_etags = report_other_etags;
    if (!bucket_open(c->options, &hooks, c->cancel, &bucket, err))
        return false;
    v.repo = bucket.repo;
    c->report.verification_level = repo_verification_name(v.opts.level);
    c->report.verification_ok = verify_all(&v, err);
    c->report.verification_seconds = (nb_clock_mono_ms() - start) / 1000;
    if (!c->report.verification_ok || !c->report.verification_message[0])
        snprintf(c->report.verification_message, sizeof(c->report.verification_message), "%s",
                 c->report.verification_ok ? c->report.message : err->text);
    return c->report.verification_ok;
}
