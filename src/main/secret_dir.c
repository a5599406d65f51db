#include "main/secret_dir.h"

#include <dirent.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "main/waiting.h"

bool secret_dir_get(const struct secret_dir *d, const char *key, struct nb_secret **ret,
                    struct nb_error *err)
{
    nb_auto_done(nb_secret_buf_done) struct nb_buf content;
    nb_auto(nb_free) char *path = NULL;
    struct nb_error error = NB_ERROR_INIT;
    size_t n;

    *ret = NULL;
    nb_secret_buf_init(&content, SECRET_VALUE_MAX_BYTES);
    if (strchr(key, '/') || key[0] == '\0' || nb_starts_with(key, ".."))
        return nb_fail(err, NB_E_INVALID, "InvalidConfiguration", "'%s' is no key of a Secret",
                       key);
    path = nb_xasprintf("%s/%s", d->path, key);
    if (!nb_file_read(path, &content, &error)) {
        if (error.code == NB_E_NOT_FOUND)
            return true;
        *err = error;
        err->code = NB_E_INVALID;
        return nb_wrap(err, "key '%s' of secret '%s'", key, d->name ? d->name : d->path);
    }
    n = content.len;
    if (n > 0 && content.data[n - 1] == '\n')
        n--;
    if (n > 0 && content.data[n - 1] == '\r')
        n--;
    if (n > 0)
        *ret = nb_secret_new(content.data, n);
    return true;
}

/* Names of the keys that are there; the kubelet's own entries begin with "..". */
static size_t list_keys(const struct secret_dir *d, struct nb_buf *out)
{
    DIR *dir = opendir(d->path);
    const struct dirent *entry;
    size_t n = 0;

    while (dir && (entry = readdir(dir))) {
        if (nb_starts_with(entry->d_name, "..") || nb_streq(entry->d_name, "."))
            continue;
        nb_buf_printf(out, "%s%s", n ? ", " : "", entry->d_name);
        n++;
    }
    if (dir)
        closedir(dir);
    return n;
}

bool secret_dir_first(const struct secret_dir *d, const char *const *keys, struct nb_secret **ret,
                      struct nb_error *err)
{
    nb_auto_done(nb_buf_done) struct nb_buf wanted = NB_BUF_INIT(512);
    nb_auto_done(nb_buf_done) struct nb_buf there = NB_BUF_INIT(512);
    const char *name = d->name ? d->name : d->path;

    for (size_t i = 0; keys[i]; i++) {
        if (!secret_dir_get(d, keys[i], ret, err))
            return false;
        if (*ret)
            return true;
        nb_buf_printf(&wanted, "%s%s", i ? " or " : "", keys[i]);
    }
    if (list_keys(d, &there) == 0)
        return nb_fail(
            err, NB_E_INVALID, "SecretNotFound",
            "secret '%s' is not there, or has no keys; hint: create it in the namespace of "
            "the Neo4jBackup, with the key %s",
            name, nb_buf_cstr(&wanted));
    return nb_fail(err, NB_E_INVALID, "SecretKeyNotFound", "secret '%s' has no key %s; it has: %s",
                   name, nb_buf_cstr(&wanted), nb_buf_cstr(&there));
}

bool secret_dir_wait(bool (*load)(void *ctx, struct nb_error *err), void *ctx, int64_t wait_seconds,
                     const struct nb_cancel *cancel, struct nb_error *err)
{
    int64_t deadline = nb_clock_mono_ms() + wait_seconds * 1000;
    bool told = false;

    for (;;) {
        if (load(ctx, err)) {
            if (told)
                waiting_over(WAITING_SECRET);
            return true;
        }
        if (!nb_streq(err->reason, "SecretNotFound") && !nb_streq(err->reason, "SecretKeyNotFound"))
            return false;
        if (nb_clock_mono_ms() >= deadline)
            return false;
        if (!told)
            waiting_say(WAITING_SECRET, err);
        told = true;
        nb_error_clear(err);
        if (!nb_cancel_sleep(cancel, (int64_t)SECRET_POLL_SECONDS * 1000, err))
            return false;
    }
}
