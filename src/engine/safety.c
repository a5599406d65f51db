#include "engine/safety.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/mem.h"

static bool check_free(const char *path, struct nb_error *err)
{
    struct stat st;

    if (lstat(path, &st) == 0) {
        nb_fail(err, NB_E_CONFLICT, "SafetyBackupExists",
                "'%s' is there already, and a safety backup replaces nothing", path);
        return nb_hint(err, "name another file (if that one is the safety backup of an earlier try "
                            "of this restore, keep it)");
    }
    return errno == ENOENT || nb_fail_errno(err, errno, "look for '%s'", path);
}

bool eng_safety_check_output(const char *path, struct nb_error *err)
{
    char stem[REPO_KEY_MAX + 1];
    nb_auto(nb_free) char *manifest =
        nb_xasprintf("%s.manifest.json", repo_key_stem(path, stem) ? stem : path);

    return check_free(path, err) && check_free(manifest, err);
}

/* Another name for what is not what the earlier try has saved. */
static int64_t later_than(int64_t scheduled_unix_seconds)
{
    int64_t now = nb_clock_unix_seconds();

    return now > scheduled_unix_seconds ? now : scheduled_unix_seconds + 1;
}

bool eng_safety_run(const struct eng_backup_opts *opts, bool half_filled,
                    struct eng_backup_result *ret, struct nb_error *err)
{
    struct eng_backup_opts again = *opts;

    if ((opts->output && !eng_safety_check_output(opts->output, err)) ||
        !eng_backup_run(opts, ret, err))
        return false;
    if (!ret->already || half_filled)
        return true;
    eng_backup_result_done(ret);
    again.scheduled_unix_seconds = later_than(opts->scheduled_unix_seconds);
    return eng_backup_run(&again, ret, err);
}
