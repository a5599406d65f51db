#include "base/cancel.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fatal.h"
#include "base/mem.h"

struct nb_cancel {
    int fd;
    atomic_bool set;
};

struct nb_cancel *nb_cancel_new(void)
{
    struct nb_cancel *c = NB_NEW(struct nb_cancel);

    c->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (c->fd < 0)
        nb_fatal("eventfd: no file descriptor left");
    atomic_init(&c->set, false);
    return c;
}

void nb_cancel_free(struct nb_cancel *c)
{
    if (!c)
        return;
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

bool nb_cancel_is_set(const struct nb_cancel *c)
{
    return c && atomic_load(&c->set);
}

int nb_cancel_fd(const struct nb_cancel *c)
{
    return c ? c->fd : -1;
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
