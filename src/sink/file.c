#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"
#include "sink/sink.h"

/* A descriptor; with a path also the file's two names. */
struct sink_file {
    struct sink base;
    int fd;
    bool owned, done;
    char *name; /* for messages */
    char *path; /* NULL: nothing to rename */
    char *temp_path;
};

static bool explain(const struct sink_file *f, const char *what, struct nb_error *err)
{
    if (nb_streq(err->reason, "NoSpace"))
        nb_hint(err, "make room where '%s' is, or choose another place", f->name);
    return nb_wrap(err, "%s '%s'", what, f->name);
}

static bool file_write(struct sink *s, const void *p, size_t n, struct nb_error *err)
{
    struct sink_file *f = (struct sink_file *)s;

    return nb_fd_write_all(f->fd, p, n, err) || explain(f, "write", err);
}

static bool file_finish(struct sink *s, struct nb_error *err)
{
    struct sink_file *f = (struct sink_file *)s;

    if (!f->path)
        return true;
    if (fsync(f->fd) != 0)
        return nb_fail_errno(err, errno, "sync '%s'", f->name);
    if (rename(f->temp_path, f->path) != 0)
        return nb_fail_errno(err, errno, "rename '%s' to '%s'", f->temp_path, f->path);
    f->done = true;
    return true;
}

static void file_free(struct sink *s)
{
    struct sink_file *f = (struct sink_file *)s;

    if (f->owned && f->fd >= 0)
        close(f->fd);
    if (f->path && !f->done && f->fd >= 0)
        unlink(f->temp_path);
    free(f->name);
    free(f->path);
    free(f->temp_path);
    free(f);
}

static const struct sink_ops file_ops = { file_write, file_finish, file_free };

struct sink *sink_fd_new(int fd, const char *name)
{
    struct sink_file *f = NB_NEW(struct sink_file);

    f->base.ops = &file_ops;
    f->fd = fd;
    f->name = nb_xstrdup(name);
    return &f->base;
}

/* What is wrong with the path is the user's to mend; all else is the machine's. */
static void fail_create(const char *path, int os_errno, struct nb_error *err)
{
    static const int of_path[] = { ENOENT, ENOTDIR, EACCES, EPERM, EROFS, ENAMETOOLONG };

    nb_fail_errno(err, os_errno, "create '%s'", path);
    for (size_t i = 0; i < NB_ARRAY_LEN(of_path); i++) {
        const struct nb_error os = *err;

        if (of_path[i] != os_errno)
            continue;
        nb_fail(err, NB_E_INVALID, "InvalidOutput",
                "%s; hint: its directory must be there and writable", os.text);
        return;
    }
}

bool sink_file_new(const char *path, struct sink **ret, struct nb_error *err)
{
    struct sink_file *f;
    struct stat st;

    if (nb_streq(path, "-")) {
        *ret = sink_fd_new(STDOUT_FILENO, "standard output");
        return true;
    }
    /* Renaming over a directory fails only at the end; over a device it would replace it. */
    if (stat(path, &st) == 0 && !S_ISREG(st.st_mode))
        return nb_fail(err, NB_E_INVALID, "InvalidOutput", "'%s' is not a regular file", path);
    f = NB_NEW(struct sink_file);
    f->base.ops = &file_ops;
    f->owned = true;
    f->name = nb_xstrdup(path);
    f->path = nb_xstrdup(path);
    f->temp_path = nb_xasprintf("%s.part-%ld", path, (long)getpid());
    f->fd = open(f->temp_path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (f->fd < 0) {
        fail_create(path, errno, err);
        file_free(&f->base);
        return false;
    }
    *ret = &f->base;
    return true;
}
