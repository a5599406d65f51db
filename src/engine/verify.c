#include "engine/verify.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "engine/apoc_script.h"
#include "engine/input.h"
#include "engine/rehearse.h"
#include "engine/system.h"

static bool blame_bucket(struct nb_error *err)
{
    if (err->code == NB_E_CORRUPT)
        snprintf(err->reason, sizeof(err->reason), "VerificationFailed");
    return false;
}

/* By one listing: there may be thousands. */
static bool check_chunks(struct repo *repo, const struct repo_manifest *m, struct repo_etags *etags,
                         const struct nb_cancel *cancel, struct nb_error *err)
{
    return repo_chunks_check(repo, m, etags, cancel, err) || blame_bucket(err);
}

/* --- read back -------------------------------------------------------------------------------- */

bool eng_verify_counts(const struct cyp_counts *counts, const struct repo_manifest *m,
                       struct nb_error *err)
{
    if (m->nodes >= 0 && counts->nodes != (uint64_t)m->nodes)
        return nb_fail(err, NB_E_CORRUPT, "VerificationFailed",
                       "the dump has %llu nodes, not %lld as its manifest says",
                       (unsigned long long)counts->nodes, (long long)m->nodes);
    /* Of a dump with fix-ups the manifest knows only how many there were in the database. */
    if (m->relationships >= 0 && m->fixup_passes == 0 && counts->rels != (uint64_t)m->relationships)
        return nb_fail(err, NB_E_CORRUPT, "VerificationFailed",
                       "the dump has %llu relationships, not %lld as its manifest says",
                       (unsigned long long)counts->rels, (long long)m->relationships);
    return true;
}

static bool check_sum(const char *said, struct cyp_sum found, const char *what,
                      struct nb_error *err)
{
    struct cyp_sum sum;

    return !said || (cyp_sum_parse(nb_str_from(said), &sum) && cyp_sum_equal(sum, found)) ||
           nb_fail(err, NB_E_CORRUPT, "VerificationFailed",
                   "the dump's %s have another digest than its manifest says", what);
}

bool eng_verify_digest(const struct cyp_digest *digest, const struct repo_manifest *m,
                       struct nb_error *err)
{
    if (!digest->known || m->fixup_passes > 0)
        return true;
    return check_sum(m->digest_nodes, digest->nodes, "nodes", err) &&
           check_sum(m->digest_relationships, digest->rels, "relationships", err) &&
           (!digest->has_ends || check_sum(m->digest_relationships_ends, digest->rels_ends,
                                           "relationships with their ends", err));
}

static bool feed_script(void *ctx, const void *p, size_t n, struct nb_error *err)
{
    return cyp_reader_feed(ctx, p, n, err);
}

/* Whatever broke the form broke the backup. */
static bool blame_dump(struct nb_error *err)
{
    if (err->code == NB_E_CORRUPT || nb_streq(err->reason, "UnsupportedStatement")) {
        err->code = NB_E_CORRUPT;
        snprintf(err->reason, sizeof(err->reason), "VerificationFailed");
    }
    return false;
}

static bool feed_apoc(void *ctx, const void *p, size_t n, struct nb_error *err)
{
    return eng_apoc_script_feed(ctx, p, n, err);
}

static bool read_apoc(struct eng_input *in, const struct repo_manifest *m,
                      const struct nb_cancel *cancel, struct nb_error *err)
{
    nb_auto(eng_apoc_script_free) struct eng_apoc_script *script = eng_apoc_script_new();

    if (!eng_input_read(in, feed_apoc, script, cancel, err) || !eng_apoc_script_finish(script, err))
        return blame_dump(err);
    return eng_apoc_counts_check(eng_apoc_script_counts(script), m, err);
}

static bool read_ours(struct eng_input *in, const struct repo_manifest *m,
                      const struct nb_cancel *cancel, struct nb_error *err)
{
    static const struct cyp_reader_ops no_ops;
    struct cyp_reader_opts opts = { .digest_content = true };
    nb_auto(cyp_reader_free) struct cyp_reader *script = cyp_reader_new(&opts, &no_ops, NULL);
    struct cyp_counts counts;
    struct cyp_digest digest;

    if (!eng_input_read(in, feed_script, script, cancel, err) || !cyp_reader_finish(script, err))
        return blame_dump(err);
    cyp_reader_counts(script, &counts);
    cyp_reader_digest(script, &digest);
    return eng_verify_counts(&counts, m, err) && eng_verify_digest(&digest, m, err);
}

static bool read_back(struct repo *repo, const struct repo_manifest *m, const struct age_keys *keys,
                      const struct nb_cancel *cancel, struct nb_error *err)
{
    nb_auto(eng_input_close) struct eng_input *in = NULL;

    if (!eng_input_open_manifest(repo, m, &in, err))
        return false;
    if (!eng_input_unlock(in, keys, cancel, err))
        return blame_dump(err);
    return eng_apoc_is_engine_of(m) ? read_apoc(in, m, cancel, err) : read_ours(in, m, cancel, err);
}

static bool check_objects(struct repo *repo, const struct repo_manifest *m,
                          struct repo_etags *etags, const struct nb_cancel *cancel,
                          struct nb_error *err)
{
    if (m->type == REPO_INCREMENTAL)
        return check_chunks(repo, m, etags, cancel, err);
    for (size_t i = 0; i < m->objects_n; i++) {
        if (!repo_object_check(repo, &m->objects[i], etags, cancel, err))
            return blame_bucket(err);
    }
    return true;
}

enum repo_verification eng_verify_level(const struct repo_manifest *m, enum repo_verification level)
{
    return level == REPO_VERIFIED_RESTORE && eng_system_is_name(m->database)
               ? REPO_VERIFIED_READBACK
               : level;
}

static bool verify(struct repo *repo, const struct repo_manifest *m,
                   const struct eng_verify_opts *opts, const struct nb_cancel *cancel,
                   const char **ret_not_compared, struct nb_error *err)
{
    /* The other levels read every object, and compare its SHA-256. */
    struct repo_etags etags = { .unread = opts->level != REPO_VERIFIED_CHECKSUM };

    if (!repo_trust_check(m, err) || !check_objects(repo, m, &etags, cancel, err))
        return false;
    if (etags.others > 0 && opts->other_etags)
        opts->other_etags(opts->ctx, etags.others);
    if (eng_verify_level(m, opts->level) != opts->level)
        *ret_not_compared = "the backup of the database 'system' was read back, not restored: it "
                            "holds commands for cypher-shell, and no graph";
    switch (eng_verify_level(m, opts->level)) {
    case REPO_VERIFIED_CHECKSUM:
        break;
    case REPO_VERIFIED_READBACK:
        return read_back(repo, m, opts->keys, cancel, err);
    case REPO_VERIFIED_RESTORE:
        return eng_rehearse_run(repo, m, opts, cancel, ret_not_compared, err);
    }
    return true;
}

bool eng_verify_run(struct repo *repo, const struct repo_manifest *m,
                    const struct eng_verify_opts *opts, const char **ret_not_compared,
                    struct nb_error *err)
{
    nb_auto(nb_cancel_free) struct nb_cancel *limit = NULL;
    const char *not_compared = NULL;
    bool ok;

    if (opts->timeout_ms > 0)
        limit = nb_cancel_new_until(opts->cancel, nb_clock_mono_ms() + opts->timeout_ms);
    ok = verify(repo, m, opts, limit ? limit : opts->cancel, &not_compared, err);
    if (ret_not_compared)
        *ret_not_compared = not_compared;
    if (ok || err->code != NB_E_CANCELLED || !limit || nb_cancel_is_set(opts->cancel))
        return ok;
    nb_error_clear(err);
    return nb_fail(err, NB_E_TIMEOUT, "VerificationTimeout",
                   "the verification was not through after %lld seconds; hint: give it more time",
                   (long long)(opts->timeout_ms / 1000));
}
