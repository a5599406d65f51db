#include "engine/rehearse.h"

#include "engine/restore.h"
#include "engine/wipe.h"

static struct bolt_conn_opts server(const struct eng_verify_opts *opts)
{
    struct bolt_conn_opts bolt = BOLT_CONN_OPTS_INIT;

    bolt.uri = opts->scratch_uri;
    bolt.auth = BOLT_AUTH_NONE;
    return bolt;
}

/* For the next backup, which is refused by a server that is not empty. */
static bool clear_up(const struct eng_verify_opts *opts, struct nb_error *err)
{
    struct eng_source_opts source_opts = {
        .bolt = server(opts), .cancel = opts->cancel, .on_wait = opts->waiting, .ctx = opts->ctx
    };
    struct eng_dest_opts dest_opts = {
        .bolt = server(opts), .cancel = opts->cancel, .on_wait = opts->waiting, .ctx = opts->ctx
    };
    nb_auto(eng_source_close) struct eng_source *source = NULL;
    nb_auto(eng_dest_free) struct eng_dest *dest = NULL;

    if (!eng_source_open(&source_opts, &source, err))
        return nb_wrap(err, "empty the scratch server");
    dest = eng_dest_new(&dest_opts);
    return eng_wipe_run(dest, source, err) || nb_wrap(err, "empty the scratch server");
}

bool eng_rehearse_run(struct repo *repo, const struct repo_manifest *m,
                      const struct eng_verify_opts *opts, const struct nb_cancel *limit,
                      const char **ret_not_compared, struct nb_error *err)
{
    nb_auto(eng_input_close) struct eng_input *in = NULL;
    struct eng_restore_opts restore = {
        .neo4j = server(opts),
        .retry_window_ms = opts->scratch_start_ms,
        .overwrite = ENG_OVERWRITE_FAIL,
        .verify = true,
        .cancel = limit,
        .waiting = opts->waiting,
        .ctx = opts->ctx,
    };
    struct eng_restore_result result = { .wrote = false };
    struct nb_error late = NB_ERROR_INIT;
    bool ok;

    *ret_not_compared = NULL;
    if (!eng_input_open_manifest(repo, m, &in, err) ||
        !eng_input_unlock(in, opts->keys, limit, err))
        return false;
    restore.input = in;
    ok = eng_restore_run(&restore, &result, err) || nb_wrap(err, "restore into the scratch server");
    *ret_not_compared = result.not_compared;
    if (result.wrote && !clear_up(opts, &late) && ok) {
        *err = late;
        return false;
    }
    return ok;
}
