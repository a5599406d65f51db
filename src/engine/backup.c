#include "engine/backup.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/mem.h"
#include "engine/apoc.h"
#include "engine/chain.h"
#include "engine/cut.h"
#include "engine/stamp.h"
#include "engine/target.h"

enum { EXPORTS_DEFAULT = 3, MANIFEST_FILE_MODE = 0600, RUN_ID_BYTES = 8 };

struct backup {
    const struct eng_backup_opts *opts;
    struct eng_meter *meter;
    struct eng_pulse *pulse;
    struct eng_source *source;
    struct repo_claim *claim;
    struct age_keys *keys;  /* of the dump at hand */
    struct eng_chain chain; /* of an incremental backup; length 0: it is none */
    struct eng_choice choice;
    char unfit[NB_TEXT_MAX]; /* what came of an export by APOC; "": nothing ill */
    int64_t start_unix_seconds;
    struct eng_backup_result *result;
};

void eng_backup_result_done(struct eng_backup_result *r)
{
    repo_manifest_free(r->manifest);
    free(r->key);
    free(r->manifest_key);
    memset(r, 0, sizeof(*r));
}

static void on_wait(void *ctx, const struct nb_error *why)
{
    struct backup *b = ctx;

    atomic_store(&b->meter->waiting, (int)ENG_WAITING_FOR_NEO4J);
    if (b->opts->waiting)
        b->opts->waiting(b->opts->ctx, why);
}

static bool open_source(struct backup *b, struct nb_error *err)
{
    struct eng_source_opts opts = {
        .bolt = b->opts->neo4j,
        .database = b->opts->database,
        .fetch_size = b->opts->fetch_size,
        .retry_window_ms = b->opts->retry_window_ms,
        .retry_base_ms = b->opts->retry_base_ms,
        .cancel = eng_pulse_run(b->pulse),
        .on_wait = on_wait,
        .ctx = b,
    };

    eng_meter_stage(b->meter, ENG_CONNECTING);
    if (!eng_source_open(&opts, &b->source, err))
        return false;
    atomic_store(&b->meter->waiting, 0);
    if (b->opts->resolved)
        b->opts->resolved(b->opts->ctx, eng_source_server(b->source)->database);
    return true;
}

/* The name is reserved before anything is exported. True with b->claim NULL: an earlier try did
 * it all. */
static bool take_claim(struct backup *b, struct nb_error *err)
{
    struct repo_claim_opts opts = {
        .database = eng_source_server(b->source)->database,
        .scheduled_unix_seconds = b->opts->scheduled_unix_seconds,
        .gz = b->opts->gzip_level != 0,
        .age = b->opts->encryption != NULL,
        .base_manifest = b->chain.base ? b->chain.base->key : NULL,
    };

    if (!repo_claim_new(b->opts->repo, &opts, eng_pulse_run(b->pulse), &b->claim,
                        &b->result->manifest, err))
        return false;
    if (b->claim)
        eng_pulse_set_claim(b->pulse, b->claim);
    return true;
}

static bool describe_done(struct backup *b, struct nb_error *err)
{
    struct repo_manifest *m = b->result->manifest;
    char stem[REPO_KEY_MAX + 1];

    b->result->already = true;
    if (m->type == REPO_INCREMENTAL) {
        b->result->key = nb_xstrdup(m->key);
        b->result->manifest_key = nb_xstrdup(m->key);
        return true;
    }
    if (m->objects_n == 0 || !repo_key_stem(m->objects[0].key, stem))
        return nb_fail(err, NB_E_CORRUPT, "InvalidManifest",
                       "the manifest of an earlier try of this run names no dump");
    b->result->key = nb_xstrdup(m->objects[0].key);
    b->result->manifest_key = nb_xasprintf("%s.manifest.json", stem);
    return true;
}

static bool is_too_fine(const struct backup *b, const struct nb_error *err)
{
    return b->chain.length > 0 && nb_streq(err->reason, "TooManyChunks") &&
           b->chain.chunk_bytes < ENG_CUT_AVERAGE_MAX;
}

/* By exporting anew: the graph would not hold still, a label or key of a chain's helper name has come
 * up since the chain began, or the chain has more chunks than a manifest may name. */
static bool can_try_again(const struct backup *b, const struct nb_error *err)
{
    return nb_streq(err->reason, "NotClosed") || is_too_fine(b, err) ||
           (b->chain.length > 0 && nb_streq(err->reason, "HelperNameTaken"));
}

static bool cut(void *ctx, struct nb_error *err)
{
    return eng_target_cut(ctx, err);
}

/* --- the engine ------------------------------------------------------------------------------- */

/* Asks for what the choice depends on. survey: of the graph as it is now, where APOC is taken. */
static bool choose_engine(struct backup *b, struct eng_survey *survey, struct nb_error *err)
{
    struct eng_choice_facts facts = { .is_system = eng_source_is_system(b->source),
                                      .unfit = b->unfit[0] ? b->unfit : NULL };

    if (b->opts->engine == ENG_ENGINE_APOC && !facts.is_system &&
        !eng_source_has_procedure(b->source, ENG_APOC_PROCEDURE, &facts.has_apoc, err)) {
        if (err->code == NB_E_CANCELLED || nb_error_is_transient(err))
            return false;
        nb_error_clear(err); /* who may not even ask may not call it */
    }
    eng_choose(b->opts->engine, &facts, &b->choice);
    if (b->choice.engine != ENG_ENGINE_APOC)
        return true;
    if (!eng_survey_run(b->source, b->meter, !b->opts->no_digest, survey, err))
        return false;
    if (survey->losses.unfit[0])
        facts.unfit = survey->losses.unfit;
    eng_choose(b->opts->engine, &facts, &b->choice);
    return true;
}

/* Of no use: our own engine follows. Standard output cannot be taken back. */
static bool can_take_cypher(struct backup *b, const struct nb_error *err)
{
    if (!nb_streq(err->reason, "ApocUnfit") || nb_streq(b->opts->output, "-"))
        return false;
    snprintf(b->unfit, sizeof(b->unfit), "%s", err->text);
    return true;
}

static bool run_engine(struct backup *b, const struct eng_export_opts *opts,
                       const struct eng_survey *survey, struct repo_manifest *m,
                       struct nb_error *err)
{
    struct eng_apoc_opts apoc = {
        .source = opts->source,
        .out = opts->out,
        .meter = opts->meter,
        .consistency = opts->consistency,
        .survey = survey,
    };

    if (b->choice.warning[0])
        repo_strings_add(&m->warnings, b->choice.warning);
    return b->choice.engine == ENG_ENGINE_APOC ? eng_apoc_run(&apoc, m, err)
                                               : eng_export_run(opts, m, err);
}

/* Before and after the export: a restore may begin or end meanwhile. */
static bool look_for_restore(struct backup *b, bool *ret, struct nb_error *err)
{
    uint64_t stamps = 0;

    if (!*ret && !eng_stamp_count(b->source, NULL, &stamps, err))
        return false;
    *ret = *ret || stamps > 0;
    return true;
}

static const char restore_warning[] =
    "a restore into this database was interrupted, or is under way: it holds nodes of label "
    "'" ENG_STAMP "'. This backup is of what was there then, and restores them too";

/* An earlier try of the run knew it as well. */
static bool has_restore_warning(const struct repo_manifest *m)
{
    for (size_t i = 0; i < m->warnings.n; i++) {
        if (strcmp(m->warnings.items[i], restore_warning) == 0)
            return true;
    }
    return false;
}

/* One reading of the database into one target. */
static bool export_once(struct backup *b, struct repo_manifest *m, struct nb_error *err)
{
    nb_auto(eng_target_free) struct eng_target *target = NULL;
    nb_auto_done(eng_survey_done) struct eng_survey survey = { .labels = NULL };
    struct eng_export_opts opts = {
        .source = b->source,
        .meter = b->meter,
        .consistency = b->opts->consistency,
        .max_rounds = b->opts->max_rounds,
        .rows_per_statement = b->opts->rows_per_statement,
        .tool = "neo4j-backup " NB_VERSION,
        .created_unix_seconds = b->start_unix_seconds,
        .digest = !b->opts->no_digest,
    };
    struct eng_target_about about = { .server = eng_source_server(b->source),
                                      .created_unix_seconds = b->start_unix_seconds,
                                      .chain = b->chain.length > 0 ? &b->chain : NULL };
    bool ok, restoring = false;

    if (!choose_engine(b, &survey, err))
        return false;
    about.apoc = b->choice.engine == ENG_ENGINE_APOC;
    atomic_store(&b->meter->nodes, 0);
    atomic_store(&b->meter->rels, 0);
    atomic_store(&b->meter->exported_bytes, 0);
    if (!eng_target_open(b->opts, b->claim, &about, b->keys, b->meter, eng_pulse_run(b->pulse),
                         &target, err))
        return false;
    opts.out = eng_target_sink(target);
    if (about.chain) {
        opts.helper_suffix = b->chain.helper;
        opts.chunk_bytes = b->chain.chunk_bytes;
        opts.cut = cut;
        opts.cut_ctx = target;
        eng_chain_describe(&b->chain, m);
    }
    ok = look_for_restore(b, &restoring, err) && run_engine(b, &opts, &survey, m, err) &&
         look_for_restore(b, &restoring, err);
    if (ok && restoring)
        repo_strings_add(&m->warnings, restore_warning);
    if (ok) {
        eng_meter_stage(b->meter, ENG_UPLOADING);
        ok = eng_target_finish(target, m, err);
    }
    /* Before the target is freed: its threads may be waiting for a bucket that is away. A graph
     * that would not hold still is no reason to stop: the next export follows. */
    if (!ok && !can_try_again(b, err) && !can_take_cypher(b, err))
        eng_pulse_fail(b->pulse, err);
    return ok;
}

/* --- incremental ------------------------------------------------------------------------------ */

static bool is_incremental(const struct backup *b)
{
    return b->opts->incremental && b->opts->repo && !eng_source_is_system(b->source);
}

/* Before the claim, which names it. */
static bool find_base(struct backup *b, struct nb_error *err)
{
    return repo_find_base(b->opts->repo, eng_source_server(b->source)->database,
                          eng_pulse_run(b->pulse), &b->chain.base, err);
}

/* Retention may have deleted it before our claim was there; from now on its chunks stay. */
static bool check_base_is_there(struct backup *b, struct nb_error *err)
{
    if (!b->chain.base || s3_head(repo_client(b->opts->repo), b->chain.base->key,
                                  eng_pulse_run(b->pulse), NULL, NULL, err))
        return true;
    if (err->code != NB_E_NOT_FOUND)
        return false;
    nb_error_clear(err);
    eng_chain_done(&b->chain);
    return true;
}

static bool repeat_base(struct backup *b, struct nb_error *err)
{
    struct repo_manifest *m;

    if (!eng_chain_repeat(&b->chain, &m, err))
        return false;
    m->scheduled_unix_seconds = b->opts->scheduled_unix_seconds;
    m->start_unix_seconds = m->completion_unix_seconds = nb_clock_unix_seconds();
    m->verification = REPO_VERIFIED_CHECKSUM;
    b->result->manifest = m;
    return true;
}

/* Settles the chain; result->manifest is set where the base is what the database holds still. */
static bool confirm_base(struct backup *b, struct nb_error *err)
{
    const struct eng_server *server = eng_source_server(b->source);
    struct eng_chain_opts opts = { .max_chain = b->opts->max_chain,
                                   .max_chunks = b->opts->max_chunks };
    struct eng_mark mark;
    uint64_t nodes, rels;

    if (!check_base_is_there(b, err) || !eng_source_mark(b->source, &mark, err) ||
        !eng_source_counts(b->source, &nodes, &rels, err))
        return false;
    opts.chunk_bytes = b->opts->chunk_bytes ? b->opts->chunk_bytes : eng_cut_average(nodes + rels);
    eng_chain_init(&b->chain, &opts, nb_steal(b->chain.base), server);
    return !eng_chain_is_unchanged(&b->chain, server, &mark, nodes, rels) || repeat_base(b, err);
}

/* With chunks of its own: nothing that is stored already is relied on. */
static void begin_new_chain(struct backup *b)
{
    struct eng_chain_opts opts = { .chunk_bytes = b->chain.chunk_bytes };

    eng_chain_restart(&b->chain, &opts);
}

/* --- all of it -------------------------------------------------------------------------------- */

static bool export_all(struct backup *b, struct repo_manifest **ret, struct nb_error *err)
{
    unsigned tries = b->opts->max_exports ? b->opts->max_exports : EXPORTS_DEFAULT;

    for (;;) {
        nb_auto(repo_manifest_free) struct repo_manifest *m = repo_manifest_new();

        m->scheduled_unix_seconds = b->opts->scheduled_unix_seconds;
        m->start_unix_seconds = nb_clock_unix_seconds();
        if (export_once(b, m, err)) {
            m->completion_unix_seconds = nb_clock_unix_seconds();
            m->verification = REPO_VERIFIED_CHECKSUM;
            *ret = nb_steal(m);
            return true;
        }
        if (can_take_cypher(b, err)) {
            nb_error_clear(err);
            continue;
        }
        /* Standard output cannot be taken back. */
        if (!can_try_again(b, err) || --tries == 0 || nb_streq(b->opts->output, "-"))
            return false;
        if (nb_streq(err->reason, "HelperNameTaken"))
            begin_new_chain(b);
        else if (nb_streq(err->reason, "TooManyChunks"))
            eng_chain_coarsen(&b->chain);
        nb_error_clear(err);
    }
}

/* Beyond sizes and checksums, which the upload has compared. */
static bool verify(struct backup *b, struct nb_error *err)
{
    struct eng_verify_opts opts = b->opts->verify;
    int64_t start_ms = nb_clock_mono_ms();

    if (opts.level == REPO_VERIFIED_CHECKSUM)
        return true;
    opts.keys = b->keys;
    opts.cancel = eng_pulse_run(b->pulse);
    if (!eng_verify_run(b->opts->repo, b->result->manifest, &opts, &b->result->not_compared, err))
        return false;
    b->result->manifest->verification = eng_verify_level(b->result->manifest, opts.level);
    b->result->verify_ms = nb_clock_mono_ms() - start_ms;
    return true;
}

static bool commit_bucket(struct backup *b, struct nb_error *err)
{
    eng_meter_stage(b->meter, ENG_VERIFYING);
    if (!verify(b, err) ||
        !repo_commit(b->claim, b->result->manifest, eng_pulse_run(b->pulse), err))
        return false;
    b->result->key = nb_xstrdup(b->chain.length > 0 ? repo_claim_manifest_key(b->claim)
                                                    : repo_claim_dump_key(b->claim));
    b->result->manifest_key = nb_xstrdup(repo_claim_manifest_key(b->claim));
    return true;
}

/* No run of a controller: an id of its own. */
static char *random_id(void)
{
    uint8_t bytes[RUN_ID_BYTES];
    char hex[2 * RUN_ID_BYTES + 1];

    nb_random_bytes(bytes, sizeof(bytes));
    nb_hex(bytes, sizeof(bytes), hex);
    return nb_xstrdup(hex);
}

static bool commit_file(struct backup *b, struct nb_error *err)
{
    nb_auto_done(nb_buf_done) struct nb_buf text = NB_BUF_INIT(REPO_MANIFEST_MAX_BYTES);
    struct repo_manifest *m = b->result->manifest;
    char stem[REPO_KEY_MAX + 1];

    b->result->key = nb_xstrdup(b->opts->output);
    if (nb_streq(b->opts->output, "-"))
        return true;
    m->owner = nb_xstrdup(b->opts->owner);
    m->run_id = random_id();
    m->tool_version = nb_xstrdup(NB_VERSION);
    b->result->manifest_key = nb_xasprintf(
        "%s.manifest.json", repo_key_stem(b->opts->output, stem) ? stem : b->opts->output);
    return (!b->opts->trust || repo_trust_sign(b->opts->trust, m, err)) &&
           repo_manifest_format(m, &text, err) &&
           nb_file_write_atomic(b->result->manifest_key, text.data, text.len, MANIFEST_FILE_MODE,
                                err);
}

/* Everything was exported, but a chunk of the chain went bad: it would fail every later run as well. */
static bool is_fault_of_base(const struct backup *b, const struct nb_error *err)
{
    return b->chain.base && b->result->manifest && err->code == NB_E_CORRUPT;
}

static bool export_and_commit(struct backup *b, struct nb_error *err)
{
    /* Without a manifest yet: with one, nothing has changed since the base. */
    if ((b->result->manifest || export_all(b, &b->result->manifest, err)) && commit_bucket(b, err))
        return true;
    if (!is_fault_of_base(b, err))
        return false;
    if (b->opts->waiting)
        b->opts->waiting(b->opts->ctx, err);
    nb_error_clear(err);
    repo_manifest_free(nb_steal(b->result->manifest));
    begin_new_chain(b);
    return export_all(b, &b->result->manifest, err) && commit_bucket(b, err);
}

static bool run(struct backup *b, struct nb_error *err)
{
    if (!open_source(b, err))
        return false;
    if (!b->opts->repo)
        return export_all(b, &b->result->manifest, err) && commit_file(b, err);
    if (is_incremental(b) && !find_base(b, err))
        return false;
    if (!take_claim(b, err))
        return false;
    if (!b->claim)
        return describe_done(b, err);
    if (is_incremental(b) && !confirm_base(b, err))
        return false;
    return export_and_commit(b, err);
}

/* What is left in the bucket goes; if it cannot, the claim says what is to go another day. */
static void abandon(struct backup *b, const struct nb_error *why)
{
    struct nb_error error = NB_ERROR_INIT;

    if (!b->claim || nb_streq(why->reason, "ClaimLost"))
        return;
    if (!repo_claim_abandon(b->claim, eng_pulse_grace(b->pulse), &error) && b->opts->waiting)
        b->opts->waiting(b->opts->ctx, &error);
}

bool eng_backup_run(const struct eng_backup_opts *opts, struct eng_backup_result *ret,
                    struct nb_error *err)
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
    struct backup b = {
        .opts = opts,
        .meter = pulse_opts.meter,
        .start_unix_seconds = nb_clock_unix_seconds(),
        .result = ret,
    };
    nb_auto(age_keys_free) struct age_keys *keys = age_keys_new();
    bool ok;

    memset(ret, 0, sizeof(*ret));
    if (!nb_cancel_check(opts->cancel, err) || !eng_pulse_start(&pulse_opts, &pulse, err))
        return false;
    b.pulse = pulse;
    b.keys = keys;
    ok = run(&b, err);
    eng_pulse_set_claim(pulse, NULL);
    if (!ok) {
        eng_pulse_fail(pulse, err);
        abandon(&b, err);
        eng_backup_result_done(ret);
    }
    ret->of_restore = ret->manifest && has_restore_warning(ret->manifest);
    repo_claim_free(b.claim);
    eng_chain_done(&b.chain);
    eng_source_close(b.source);
    return ok;
}
