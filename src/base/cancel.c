#include "base/cancel.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fatal.h"
#include "base/mem.h"

struct nb_cancel {
    int fd;      /* of nb_cancel_set() */
    int poll_fd; /* readable once set: that one, or a set of it, the parent's and the timer */
    int timer_fd;
    atomic_bool set;
    const struct nb_cancel *parent; /* NULL: none */
    int64_t deadline_mono_ms;       /* INT64_MAX: none */
};

static int own_fd(int fd)
{
    if (fd < 0)
        nb_fatal("cancel: no file descriptor left");
    return fd;
}

struct nb_cancel *nb_cancel_new(void)
{
    struct nb_cancel *c = NB_NEW(struct nb_cancel);

    c->fd = c->poll_fd = own_fd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    c->timer_fd = -1;
    c->deadline_mono_ms = INT64_MAX;
    atomic_init(&c->set, false);
    return c;
}

static void watch(const struct nb_cancel *c, int fd)
{
    struct epoll_event event = { .events = EPOLLIN };

    if (fd >= 0 && epoll_ctl(c->poll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
        nb_fatal("cancel: epoll_ctl");
}

struct nb_cancel *nb_cancel_new_until(const struct nb_cancel *parent, int64_t deadline_mono_ms)
{
    struct nb_cancel *c = nb_cancel_new();
    struct itimerspec at = { .it_value = { .tv_sec = deadline_mono_ms / 1000,
                                           .tv_nsec = deadline_mono_ms % 1000 * 1000000 } };

    c->parent = parent;
    c->deadline_mono_ms = deadline_mono_ms;
    c->poll_fd = own_fd(epoll_create1(EPOLL_CLOEXEC));
    c->timer_fd = own_fd(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
    if (timerfd_settime(c->timer_fd, TFD_TIMER_ABSTIME, &at, NULL) < 0)
        nb_fatal("cancel: timerfd_settime");
    watch(c, c->fd);
    watch(c, c->timer_fd);
    watch(c, nb_cancel_fd(parent));
    return c;
}

void nb_cancel_free(struct nb_cancel *c)
{
    if (!c)
        return;
    if (c->poll_fd != c->fd)
        close(c->poll_fd);
    if (c->timer_fd >= 0)
        close(c->timer_fd);
    close(c->fd);
    free(c);
}

void nb_cancel_set(struct nb_cancel *c)
{
    int saved = errno; /* may run in a signal handler */
    uint64_t one = 1;
    ssize_t n;

    atomic_store(&c->set, true);
    n = write(c->fd, &one, sizeof(one));
    (void)n; /* EAGAIN: the counter is full, so the fd is readable already */
    errno = saved;
}

// NOLINTNEXTLINE(misc-no-recursion) parents are made before their children
bool nb_cancel_is_set(const struct nb_cancel *c)
{
    return c && (atomic_load(&c->set) || nb_cancel_is_set(c->parent) ||
                 (c->deadline_mono_ms != INT64_MAX && nb_clock_mono_ms() >= c->deadline_mono_ms));
}

int nb_cancel_fd(const struct nb_cancel *c)
{
    return c ? c->poll_fd : -1;
}

bool nb_cancel_check(const struct nb_cancel *c, struct nb_error *err)
{
    if (!nb_cancel_is_set(c))
        return true;
    return nb_fail(err, NB_E_CANCELLED, "Cancelled", "told to stop");
}

/* What poll(2) takes: -1 or the rest until the deadline, never beyond INT_MAX. */
static int poll_timeout(int64_t deadline_ms)
{
    int64_t left;

    if (deadline_ms == INT64_MAX)
        return -1;
    left = deadline_ms - nb_clock_mono_ms();
    if (left <= 0)
        return 0;
    return left > INT_MAX ? INT_MAX : (int)left;
}

/* Sets *ret_ready when fd is; false with *ret_ready unset means the deadline passed. */
static bool wait_for(const struct nb_cancel *c, int fd, short events, int64_t timeout_ms,
                     bool *ret_ready, struct nb_error *err)
{
    struct pollfd fds[2] = { { .fd = nb_cancel_fd(c), .events = POLLIN, .revents = 0 },
                             { .fd = fd, .events = events, .revents = 0 } };
    int64_t now = nb_clock_mono_ms();
    int64_t deadline =
        timeout_ms < 0 || timeout_ms > INT64_MAX - 1 - now ? INT64_MAX : now + timeout_ms;

    *ret_ready = false;
    for (;;) {
        int n = poll(fds, 2, poll_timeout(deadline));

        if (n < 0 && errno != EINTR && errno != EAGAIN)
            return nb_fail_errno(err, errno, "poll");
        if (!nb_cancel_check(c, err))
            return false;
        if (n > 0 && fds[1].revents & POLLNVAL)
            return nb_fail(err, NB_E_INTERNAL, "SystemError", "poll: descriptor is not open");
        if (n > 0 && fds[1].revents) {
            *ret_ready = true;
            return true;
        }
        if (deadline != INT64_MAX && nb_clock_mono_ms() >= deadline)
            return true;
    }
}

bool nb_cancel_sleep(const struct nb_cancel *c, int64_t ms, struct nb_error *err)
{
    bool ready;

    return wait_for(c, -1, 0, ms < 0 ? 0 : ms, &ready, err);
}

bool nb_cancel_poll(const struct nb_cancel *c, int fd, short events, int64_t timeout_ms,
                    struct nb_error *err)
{
    bool ready;

    if (!wait_for(c, fd, events, timeout_ms, &ready, err))
        return false;
    return ready || nb_fail(err, NB_E_TIMEOUT, "TimedOut", "nothing happened for %lld ms",
                            (long long)timeout_ms);
}
