#include "tests/fakes/tls_proxy.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"

enum { PROXY_BUFFER = 32768, PROXY_TIMEOUT_MS = 20000 };

struct tls_proxy {
    struct fake_tls *tls;
    uint16_t port, target_port;
    int listener;
    pthread_t thread;
};

static void must(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "tls_proxy: %s failed\n", what);
    abort();
}

static struct sockaddr_in loopback(uint16_t port)
{
    struct sockaddr_in a = { .sin_family = AF_INET };

    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    a.sin_port = htons(port);
    return a;
}

static int connect_target(uint16_t port)
{
    struct sockaddr_in a = loopback(port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    must(fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0, "connect");
    return fd;
}

static bool from_client(SSL *ssl, int target)
{
    char data[PROXY_BUFFER];
    int n = SSL_read(ssl, data, sizeof(data));

    if (n <= 0)
        return false;
    if (target < 0)
        return SSL_write(ssl, data, n) == n;
    return send(target, data, (size_t)n, MSG_NOSIGNAL) == n;
}

static bool from_target(SSL *ssl, int target)
{
    char data[PROXY_BUFFER];
    ssize_t n = read(target, data, sizeof(data));

    return n > 0 && SSL_write(ssl, data, (int)n) == n;
}

static void pump(SSL *ssl, int client, int target)
{
    bool on = true;

    while (on) {
        struct pollfd fds[2] = { { .fd = client, .events = POLLIN },
                                 { .fd = target, .events = POLLIN } };

        if (SSL_pending(ssl) > 0) {
            on = from_client(ssl, target);
            continue;
        }
        if (poll(fds, 2, PROXY_TIMEOUT_MS) <= 0)
            return;
        if (fds[0].revents)
            on = from_client(ssl, target);
        if (on && fds[1].revents)
            on = from_target(ssl, target);
    }
}

static void *serve(void *arg)
{
    struct tls_proxy *p = arg;
    struct pollfd poller = { .fd = p->listener, .events = POLLIN };
    int client, target;
    SSL *ssl;

    if (poll(&poller, 1, PROXY_TIMEOUT_MS) <= 0)
        return NULL;
    client = accept4(p->listener, NULL, NULL, SOCK_CLOEXEC);
    target = p->target_port ? connect_target(p->target_port) : -1;
    ssl = SSL_new(fake_tls_ctx(p->tls));
    must(client >= 0 && ssl && SSL_set_fd(ssl, client) == 1, "accept");
    if (SSL_accept(ssl) == 1) {
        pump(ssl, client, target);
        (void)SSL_shutdown(ssl);
    }
    SSL_free(ssl);
    close(client);
    if (target >= 0)
        close(target);
    return NULL;
}

struct tls_proxy *tls_proxy_start(struct fake_tls *tls, uint16_t target_port)
{
    struct tls_proxy *p = NB_NEW(struct tls_proxy);
    struct sockaddr_in a = loopback(0);
    socklen_t n = sizeof(a);

    signal(SIGPIPE, SIG_IGN); /* libssl writes without MSG_NOSIGNAL */
    p->tls = tls;
    p->target_port = target_port;
    p->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    must(p->listener >= 0 && bind(p->listener, (struct sockaddr *)&a, sizeof(a)) == 0 &&
             listen(p->listener, 1) == 0 &&
             getsockname(p->listener, (struct sockaddr *)&a, &n) == 0,
         "listen");
    p->port = ntohs(a.sin_port);
    must(pthread_create(&p->thread, NULL, serve, p) == 0, "pthread_create");
    return p;
}

uint16_t tls_proxy_port(const struct tls_proxy *p)
{
    return p->port;
}

void tls_proxy_free(struct tls_proxy *p)
{
    if (!p)
        return;
    must(pthread_join(p->thread, NULL) == 0, "pthread_join");
    close(p->listener);
    free(p);
}
