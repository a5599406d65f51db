#include "main/state_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"

enum { HOLDER_MAX = 128 };

static const char *dir_of(const struct options *o)
{
    return opt_text(o, OPT_BACKUP_STATE_DIR);
}

char *state_dir_file(const struct options *o, const char *name)
{
    return nb_xasprintf("%s/%s", dir_of(o), name);
}

static bool check_ours(const struct options *o, struct nb_error *err)
{
    const char *dir = dir_of(o);
    struct stat st;

    if (lstat(dir, &st) < 0)
        return nb_fail_errno(err, errno, "state directory '%s'", dir);
    if (!S_ISDIR(st.st_mode) || st.st_uid != geteuid())
        return opt_fail(o, OPT_BACKUP_STATE_DIR, err, "set it to a directory of this user",
                        "is '%.200s' by default, which belongs to somebody else", dir);
    return true;
}

bool state_dir_make(const struct options *o, struct nb_error *err)
{
    const char *dir = dir_of(o);

    if (mkdir(dir, 0700) < 0 && errno != EEXIST)
        return nb_fail_errno(err, errno, "make state directory '%s'", dir) ||
               nb_hint(err, "set BACKUP_STATE_DIR to a directory that can be written, such as "
                            "that of a volume or a tmpfs");
    return opt_given(o, OPT_BACKUP_STATE_DIR) || check_ours(o, err);
}

/* --- locks ------------------------------------------------------------------------------------ */

static struct flock whole_file(short type)
{
    return (struct flock){ .l_type = type, .l_whence = SEEK_SET };
}

/* The holder wrote down who it is. */
static bool fail_held(int fd, const char *what, struct nb_error *err)
{
    char holder[HOLDER_MAX];
    ssize_t n = pread(fd, holder, sizeof(holder) - 1, 0);

    holder[n > 0 ? n : 0] = '\0';
    return nb_fail(err, NB_E_CONFLICT, "AlreadyRunning",
                   "%s runs already%s%s%s; hint: wait until it has ended", what,
                   holder[0] ? " (" : "", holder, holder[0] ? ")" : "");
}

static void write_holder(int fd)
{
    char holder[HOLDER_MAX], time[NB_TIME_TEXT_MAX];
    int n = snprintf(holder, sizeof(holder), "process %d, since %s", (int)getpid(),
                     nb_time_format(nb_clock_unix_seconds(), time));

    /* Only for messages: what cannot be written is not said. */
    if (ftruncate(fd, 0) == 0 && pwrite(fd, holder, (size_t)n, 0) < 0)
        return;
}

bool state_lock_take(const struct options *o, const char *name, const char *what, int *ret_fd,
                     struct nb_error *err)
{
    nb_auto(nb_free) char *path = state_dir_file(o, name);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    struct flock lock = whole_file(F_WRLCK);

    if (fd < 0)
        return nb_fail_errno(err, errno, "open '%s'", path) ||
               nb_hint(err, "set BACKUP_STATE_DIR to a directory that can be written");
    if (fcntl(fd, F_OFD_SETLK, &lock) < 0) {
        if (errno == EAGAIN || errno == EACCES)
            fail_held(fd, what, err);
        else
            nb_fail_errno(err, errno, "lock '%s'", path);
        nb_close_fd(&fd);
        return false;
    }
    write_holder(fd);
    *ret_fd = fd;
    return true;
}

bool state_lock_is_held(const struct options *o, const char *name)
{
    nb_auto(nb_free) char *path = state_dir_file(o, name);
    nb_auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    struct flock lock = whole_file(F_RDLCK);

    return fd >= 0 && fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type == F_WRLCK;
}

bool state_lock_run(const struct options *o, int *ret_fd, struct nb_error *err)
{
    if (!opt_given(o, OPT_BACKUP_STATE_DIR) && !state_lock_is_held(o, STATE_SCHEDULER_LOCK))
        return true;
    return state_dir_make(o, err) &&
           state_lock_take(o, STATE_RUN_LOCK, "another backup", ret_fd, err);
}
