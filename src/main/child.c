#include "main/child.h"

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

/* After fork(): nothing but what a signal handler may call. */
static void become(char *const *argv, char *const *envp, pid_t parent)
{
    sigset_t none;

    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0);
    if (getppid() == parent) /* else it ended before it could be watched */
        execve("/proc/self/exe", argv, envp);
    _exit(CHILD_NOT_STARTED);
}

bool child_start(char *const *argv, char *const *envp, pid_t *ret, struct nb_error *err)
{
    pid_t parent = getpid(), pid = fork();

    if (pid < 0)
        return nb_fail_errno(err, errno, "fork");
    if (pid == 0)
        become(argv, envp, parent);
    *ret = pid;
    return true;
}

bool child_watch_open(int *ret_fd, struct nb_error *err)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_BLOCK, &set, NULL);
    *ret_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return *ret_fd >= 0 || nb_fail_errno(err, errno, "signalfd");
}

bool child_watch_take(int fd, pid_t pid, int *ret_status)
{
    struct signalfd_siginfo info;
    bool found = false;
    pid_t ended;
    int status;

    while (read(fd, &info, sizeof(info)) > 0)
        ;
    while ((ended = waitpid(-1, &status, WNOHANG)) > 0) {
        if (ended != pid)
            continue;
        found = true;
        *ret_status = status;
    }
    return found;
}
