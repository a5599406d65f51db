#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/mem.h"

enum { READ_STEP = 64 << 10 };

/* At the buffer's maximum: one byte more in the file is one too many. */
static bool check_end(int fd, const struct nb_buf *out, struct nb_error *err)
{
    char one;
    ssize_t n;

    do
        n = read(fd, &one, 1);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return nb_fail_errno(err, errno, "read");
    return n == 0 ||
           nb_fail(err, NB_E_LIMIT, "FileTooLarge", "more than the limit of %zu bytes", out->max);
}

static bool read_all(int fd, struct nb_buf *out, struct nb_error *err)
{
    for (;;) {
        size_t room = out->max - out->len;
        size_t step = room < READ_STEP ? room : READ_STEP;
        char *to;
        ssize_t n;

        if (step == 0)
            return check_end(fd, out, err);
        to = nb_buf_reserve(out, step);
        if (!to)
            return nb_buf_check(out, err);
        n = read(fd, to, step);
        if (n < 0 && errno != EINTR)
            return nb_fail_errno(err, errno, "read");
        if (n > 0)
            out->len += (size_t)n;
        out->data[out->len] = '\0';
        if (n == 0)
            return true;
    }
}

bool nb_file_read(const char *path, struct nb_buf *out, struct nb_error *err)
{
    nb_auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return nb_fail_errno(err, errno, "open '%s'", path);
    return read_all(fd, out, err) || nb_wrap(err, "file '%s'", path);
}

bool nb_fd_write_all(int fd, const void *p, size_t n, struct nb_error *err)
{
    const char *s = p;

    while (n) {
        ssize_t done = write(fd, s, n);

        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return nb_fail_errno(err, errno, "write");
        s += done;
        n -= (size_t)done;
    }
    return true;
}

/* So that the new name itself outlives a power cut. */
static bool sync_directory_of(const char *path, struct nb_error *err)
{
    const char *slash = strrchr(path, '/');
    nb_auto(nb_free) char *dir =
        slash ? nb_xstrndup(path, slash == path ? 1 : (size_t)(slash - path)) : nb_xstrdup(".");
    nb_auto_fd int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0)
        return nb_fail_errno(err, errno, "open '%s'", dir);
    /* EINVAL: this file system has no such thing. */
    if (fsync(fd) < 0 && errno != EINVAL && errno != EROFS)
        return nb_fail_errno(err, errno, "sync '%s'", dir);
    return true;
}

static bool write_temp(const char *temp, const void *p, size_t n, unsigned mode,
                       struct nb_error *err)
{
    nb_auto_fd int fd = open(temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);

    if (fd < 0)
        return nb_fail_errno(err, errno, "create '%s'", temp);
    if (!nb_fd_write_all(fd, p, n, err))
        return nb_wrap(err, "'%s'", temp);
    return fsync(fd) == 0 || nb_fail_errno(err, errno, "sync '%s'", temp);
}

bool nb_file_write_atomic(const char *path, const void *p, size_t n, unsigned mode,
                          struct nb_error *err)
{
    uint8_t random[8];
    char suffix[2 * sizeof(random) + 1];
    nb_auto(nb_free) char *temp = NULL;

    nb_random_bytes(random, sizeof(random));
    nb_hex(random, sizeof(random), suffix);
    temp = nb_xasprintf("%s.tmp-%s", path, suffix);
    if (!write_temp(temp, p, n, mode, err)) {
        unlink(temp);
        return false;
    }
    if (rename(temp, path) < 0) {
        nb_fail_errno(err, errno, "rename '%s' to '%s'", temp, path);
        unlink(temp);
        return false;
    }
    return sync_directory_of(path, err);
}
