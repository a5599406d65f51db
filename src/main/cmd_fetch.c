#include "base/log.h"
#include "base/mem.h"
#include "engine/fetch.h"
#include "main/command.h"
#include "main/connect.h"

static bool fetch(struct context *c, struct repo *repo, const char *key, struct nb_error *err)
{
    const char *path = opt_text(c->options, OPT_FETCH_OUTPUT);
    nb_auto(repo_manifest_free) struct repo_manifest *m = NULL;
    nb_auto(sink_free) struct sink *out = NULL;
    char manifest_key[REPO_KEY_MAX + 1];
    struct eng_fetch_opts opts = {
        .repo = repo,
        .plain = opt_bool(c->options, OPT_FETCH_PLAIN),
        .cancel = c->cancel,
    };

    if (!repo_manifest_get(repo, key, c->cancel, &m, manifest_key, err) ||
        !repo_trust_check(m, err) || !sink_file_new(path, &out, err))
        return false;
    opts.manifest = m;
    opts.out = out;
    if (!eng_fetch_run(&opts, err))
        return nb_wrap(err, "fetch '%s'", manifest_key);
    nb_log(NB_LOG_INFO, "fetched", NB_F_STR("manifestKey", manifest_key), NB_F_STR("output", path),
           NB_F_INT("objects", m->objects_n), NB_F_INT("sizeBytes", m->stored_bytes),
           NB_F_INT("uncompressedBytes", m->plain_bytes), NB_F_END);
    return true;
}

bool cmd_fetch(struct context *c, struct nb_error *err)
{
    nb_auto_done(bucket_close) struct bucket bucket = { NULL, NULL };
    struct bucket_hooks hooks = { NULL, NULL, false };
    size_t n;
    const char *const *args = options_args(c->options, &n);

    if (n != 1)
        return nb_fail(err, NB_E_INVALID, "InvalidConfiguration",
                       "'fetch' takes the key of one backup, not %zu; hint: 'neo4j-backup list' "
                       "shows them",
                       n);
    return bucket_open(c->options, &hooks, c->cancel, &bucket, err) &&
           fetch(c, bucket.repo, args[0], err);
}
