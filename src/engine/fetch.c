#include "engine/fetch.h"

#include <stdio.h>

#include "engine/input.h"

static bool put(void *ctx, const void *p, size_t n, struct nb_error *err)
{
    return sink_write(ctx, p, n, err);
}

bool eng_fetch_run(const struct eng_fetch_opts *opts, struct nb_error *err)
{
    nb_auto(eng_input_close) struct eng_input *in = NULL;

    if (opts->manifest->recipients.n > 0 && opts->plain)
        return nb_fail(err, NB_E_INVALID, "InvalidConfiguration",
                       "the backup is encrypted; hint: fetch it as it is stored, and decrypt it "
                       "with age");
    if (!eng_input_open_manifest(opts->repo, opts->manifest, &in, err))
        return false;
    if (opts->plain ? eng_input_read(in, put, opts->out, opts->cancel, err)
                    : eng_input_read_stored(in, put, opts->out, opts->cancel, err))
        return sink_finish(opts->out, err);
    /* Whatever broke the form broke the backup. */
    if (err->code == NB_E_CORRUPT)
        snprintf(err->reason, sizeof(err->reason), "VerificationFailed");
    return false;
}
