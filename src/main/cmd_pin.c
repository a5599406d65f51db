#include "base/log.h"
#include "main/command.h"
#include "main/connect.h"

static bool set_pin(struct context *c, struct repo *repo, const char *key, struct nb_error *err)
{
    bool pin = opt_bool(c->options, OPT_BACKUP_PIN);

    if (!repo_pin(repo, key, pin, c->cancel, err))
        return nb_wrap(err, "%s '%s'", pin ? "pin" : "unpin", key);
    nb_log(NB_LOG_INFO, pin ? "pinned" : "unpinned", NB_F_STR("key", key), NB_F_END);
    return true;
}

bool cmd_pin(struct context *c, struct nb_error *err)
{
    nb_auto_done(bucket_close) struct bucket bucket = { NULL, NULL };
    struct bucket_hooks hooks = { NULL, NULL, false };
    size_t args_n, listed = opt_list_count(c->options, OPT_BACKUP_KEYS);
    const char *const *args = options_args(c->options, &args_n);

    if (args_n + listed == 0)
        return nb_fail(
            err, NB_E_INVALID, "InvalidConfiguration",
            "no key is given; hint: name manifests or dumps, as 'neo4j-backup list' shows them");
    if (!bucket_open(c->options, &hooks, c->cancel, &bucket, err))
        return false;
    for (size_t i = 0; i < listed; i++) {
        if (!set_pin(c, bucket.repo, opt_list_get(c->options, OPT_BACKUP_KEYS, i), err))
            return false;
    }
    for (size_t i = 0; i < args_n; i++) {
        if (!set_pin(c, bucket.repo, args[i], err))
            return false;
    }
    return true;
}
