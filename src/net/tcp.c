#include "net/stream.h"

#include <assert.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"

/* --- deadlines -------------------------------------------------------------------------------- */

/* timeout_ms < 0: none. */
static int64_t deadline_from(int64_t timeout_ms)
{
    int64_t now = nb_clock_mono_ms();

    return timeout_ms < 0 || timeout_ms > INT64_MAX - now ? INT64_MAX : now + timeout_ms;
}

static int64_t left_until(int64_t deadline_mono_ms)
{
    int64_t left;

    if (deadline_mono_ms == INT64_MAX)
        return -1;
    left = deadline_mono_ms - nb_clock_mono_ms();
    return left > 0 ? left : 0;
}

/* --- names ------------------------------------------------------------------------------------ */

/*
 * getaddrinfo() can neither be given a deadline nor be stopped, so it runs in a thread of its own
 * that is left behind if it takes too long; the last of the two frees what they share.
 */
struct lookup {
    atomic_int refs;
    char *host;
    char service[8];
    int done_fd;
    int rc;
    struct addrinfo *addresses;
};

static void lookup_unref(struct lookup *l)
{
    if (atomic_fetch_sub(&l->refs, 1) != 1)
        return;
    if (l->addresses)
        freeaddrinfo(l->addresses);
    if (l->done_fd >= 0)
        close(l->done_fd);
    free(l->host);
    free(l);
}
NB_AUTO_DEFINE(struct lookup *, lookup_unref)

static int resolve(struct lookup *l, int flags)
{
    struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM };

    hints.ai_flags = AI_NUMERICSERV | flags;
    return getaddrinfo(l->host, l->service, &hints, &l->addresses);
}

static void *lookup_thread(void *arg)
{
    struct lookup *l = arg;

    l->rc = resolve(l, 0);
    /* An eventfd takes this write at once; there is nobody to tell if it does not. */
    (void)eventfd_write(l->done_fd, 1);
    lookup_unref(l);
    return NULL;
}

static bool lookup_start(struct lookup *l, struct nb_error *err)
{
    pthread_attr_t attr;
    pthread_t thread;
    int rc;

    l->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (l->done_fd < 0)
        return nb_fail_errno(err, errno, "eventfd");
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    atomic_fetch_add(&l->refs, 1);
    rc = pthread_create(&thread, &attr, lookup_thread, l);
    pthread_attr_destroy(&attr);
    if (rc == 0)
        return true;
    atomic_fetch_sub(&l->refs, 1);
    return nb_fail_errno(err, rc, "start a thread to resolve '%s'", l->host);
}

static bool lookup_fail(const struct lookup *l, struct nb_error *err)
{
    return nb_fail(err, NB_E_UNAVAILABLE, "HostNotFound", "host '%s' not found: %s", l->host,
                   gai_strerror(l->rc));
}

static bool lookup_run(const char *host, uint16_t port, int64_t deadline,
                       const struct nb_cancel *cancel, struct lookup **ret, struct nb_error *err)
{
    nb_auto(lookup_unref) struct lookup *l = NB_NEW(struct lookup);
    struct nb_error wait_err = NB_ERROR_INIT;
    eventfd_t count;

    atomic_init(&l->refs, 1);
    l->done_fd = -1;
    l->host = nb_xstrdup(host);
    (void)snprintf(l->service, sizeof(l->service), "%u", port);
    if (resolve(l, AI_NUMERICHOST) == 0) {
        *ret = nb_steal(l);
        return true;
    }
    l->addresses = NULL;
    if (!lookup_start(l, err))
        return false;
    if (!nb_cancel_poll(cancel, l->done_fd, POLLIN, left_until(deadline), &wait_err)) {
        if (wait_err.code == NB_E_TIMEOUT)
            return nb_fail(err, NB_E_UNAVAILABLE, "HostNotFound",
                           "host '%s' could not be resolved in time", host);
        *err = wait_err;
        return false;
    }
    /* The read orders what the thread wrote before what is read here. */
    if (eventfd_read(l->done_fd, &count) != 0)
        return nb_fail_errno(err, errno, "resolve '%s'", host);
    if (l->rc != 0)
        return lookup_fail(l, err);
    *ret = nb_steal(l);
    return true;
}

/* --- the stream ------------------------------------------------------------------------------- */

struct tcp {
    struct net_stream base;
    int fd;
};

static bool tcp_fail(struct nb_error *err, int os_errno, const char *what)
{
    return nb_fail(err, NB_E_UNAVAILABLE, "ConnectionLost", "%s: %s", what,
                   strerrordesc_np(os_errno));
}

static bool tcp_read(struct net_stream *s, void *p, size_t n, int64_t timeout_ms,
                     const struct nb_cancel *cancel, size_t *ret, struct nb_error *err)
{
    const struct tcp *t = (const struct tcp *)s;
    int64_t deadline = deadline_from(timeout_ms);

    /* Data that always flows must not keep a cancelled job running. */
    if (!nb_cancel_check(cancel, err))
        return false;
    for (;;) {
        ssize_t got = recv(t->fd, p, n, 0);

        if (got >= 0) {
            *ret = (size_t)got;
            return true;
        }
        if (errno != EAGAIN && errno != EINTR)
            return tcp_fail(err, errno, "read from the peer");
        if (errno == EAGAIN && !nb_cancel_poll(cancel, t->fd, POLLIN, left_until(deadline), err))
            return false;
    }
}

static bool tcp_write(struct net_stream *s, const void *p, size_t n, int64_t timeout_ms,
                      const struct nb_cancel *cancel, struct nb_error *err)
{
    const struct tcp *t = (const struct tcp *)s;
    int64_t deadline = deadline_from(timeout_ms);
    const char *from = p;

    if (!nb_cancel_check(cancel, err))
        return false;
    while (n > 0) {
        ssize_t sent = send(t->fd, from, n, MSG_NOSIGNAL);

        if (sent >= 0) {
            from += sent;
            n -= (size_t)sent;
            continue;
        }
        if (errno != EAGAIN && errno != EINTR)
            return tcp_fail(err, errno, "write to the peer");
        if (errno == EAGAIN && !nb_cancel_poll(cancel, t->fd, POLLOUT, left_until(deadline), err))
            return false;
    }
    return true;
}

static void tcp_free(struct net_stream *s)
{
    struct tcp *t = (struct tcp *)s;

    close(t->fd);
    free(t);
}

static const struct net_stream_ops tcp_ops = { tcp_read, tcp_write, tcp_free };

/* --- connecting ------------------------------------------------------------------------------- */

static bool connect_fail(struct nb_error *err, int os_errno, const char *host, uint16_t port)
{
    if (os_errno == ECONNREFUSED)
        return nb_fail(err, NB_E_UNAVAILABLE, "ConnectionRefused",
                       "connect to '%s' port %u: connection refused", host, port);
    if (os_errno == ETIMEDOUT)
        return nb_fail(err, NB_E_UNAVAILABLE, "ConnectTimeout",
                       "connect to '%s' port %u: no answer in time", host, port);
    return nb_fail(err, NB_E_UNAVAILABLE, "ConnectFailed", "connect to '%s' port %u: %s", host,
                   port, strerrordesc_np(os_errno));
}

/* A dead peer is noticed within about a minute and a half even where nothing is sent. */
static void set_options(int fd)
{
    static const struct {
        int level, name, value;
    } options[] = {
        { IPPROTO_TCP, TCP_NODELAY, 1 },   { SOL_SOCKET, SO_KEEPALIVE, 1 },
        { IPPROTO_TCP, TCP_KEEPIDLE, 30 }, { IPPROTO_TCP, TCP_KEEPINTVL, 15 },
        { IPPROTO_TCP, TCP_KEEPCNT, 4 },
    };

    /* All of them only help; a kernel that refuses one still carries bytes. */
    for (size_t i = 0; i < NB_ARRAY_LEN(options); i++)
        (void)setsockopt(fd, options[i].level, options[i].name, &options[i].value,
                         sizeof(options[i].value));
}

/* One address. ret_errno is set where another one may do better. */
static bool connect_one(const struct addrinfo *a, int64_t timeout_ms,
                        const struct nb_cancel *cancel, int *ret_fd, int *ret_errno,
                        struct nb_error *err)
{
    nb_auto_fd int fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    socklen_t len = sizeof(*ret_errno);

    *ret_errno = 0;
    if (fd < 0) {
        *ret_errno = errno;
        return nb_fail_errno(err, errno, "socket");
    }
    set_options(fd);
    if (connect(fd, a->ai_addr, a->ai_addrlen) != 0 && errno != EINPROGRESS && errno != EINTR) {
        *ret_errno = errno;
        return nb_fail_errno(err, errno, "connect");
    }
    if (!nb_cancel_poll(cancel, fd, POLLOUT, timeout_ms, err)) {
        *ret_errno = err->code == NB_E_TIMEOUT ? ETIMEDOUT : 0;
        return false;
    }
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, ret_errno, &len) != 0)
        return nb_fail_errno(err, errno, "getsockopt");
    if (*ret_errno != 0)
        return nb_fail_errno(err, *ret_errno, "connect");
    *ret_fd = nb_steal_fd(&fd);
    return true;
}

static int64_t share_of(int64_t left_ms, const struct addrinfo *from)
{
    int64_t n = 0;

    for (; from; from = from->ai_next)
        n++;
    return left_ms < 0 ? -1 : left_ms / n;
}

bool net_tcp_connect(const char *host, uint16_t port, int64_t timeout_ms,
                     const struct nb_cancel *cancel, struct net_stream **ret, struct nb_error *err)
{
    nb_auto(lookup_unref) struct lookup *l = NULL;
    int64_t deadline = deadline_from(timeout_ms);
    int os_errno = EHOSTUNREACH;

    if (!lookup_run(host, port, deadline, cancel, &l, err))
        return false;
    assert(l);
    for (const struct addrinfo *a = l->addresses; a; a = a->ai_next) {
        struct nb_error one_err = NB_ERROR_INIT;
        int fd = -1;

        if (connect_one(a, share_of(left_until(deadline), a), cancel, &fd, &os_errno, &one_err)) {
            struct tcp *t = NB_NEW(struct tcp);

            t->base.ops = &tcp_ops;
            t->fd = fd;
            *ret = &t->base;
            return true;
        }
        if (os_errno == 0) {
            *err = one_err;
            return nb_wrap(err, "connect to '%s' port %u", host, port);
        }
    }
    return connect_fail(err, os_errno, host, port);
}
