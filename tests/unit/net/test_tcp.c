#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "net/stream.h"

struct pair {
    int listener, peer;
    uint16_t port;
    struct net_stream *s;
    struct nb_error err;
};

static uint16_t listen_on_loopback(int *ret_fd, int backlog)
{
    struct sockaddr_in a = { .sin_family = AF_INET };
    socklen_t n = sizeof(a);

    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    *ret_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(*ret_fd, (struct sockaddr *)&a, sizeof(a)), 0);
    assert_int_equal(listen(*ret_fd, backlog), 0);
    assert_int_equal(getsockname(*ret_fd, (struct sockaddr *)&a, &n), 0);
    return ntohs(a.sin_port);
}

static int setup(void **state)
{
    struct pair *p = NB_NEW(struct pair);

    p->err = (struct nb_error)NB_ERROR_INIT;
    p->port = listen_on_loopback(&p->listener, 8);
    if (!net_tcp_connect("localhost", p->port, 10000, NULL, &p->s, &p->err))
        fail_msg("%s", p->err.text);
    p->peer = accept(p->listener, NULL, NULL);
    assert_true(p->peer >= 0);
    *state = p;
    return 0;
}

static int teardown(void **state)
{
    struct pair *p = *state;

    net_stream_free(p->s);
    if (p->peer >= 0)
        close(p->peer);
    close(p->listener);
    free(p);
    return 0;
}

static void bytes_go_both_ways_and_the_end_is_seen(void **state)
{
    struct pair *p = *state;
    char data[16];
    size_t n = 0;

    assert_true(net_stream_write(p->s, "hello", 5, 1000, NULL, &p->err));
    assert_int_equal(read(p->peer, data, sizeof(data)), 5);
    assert_memory_equal(data, "hello", 5);
    assert_int_equal(write(p->peer, "hi", 2), 2);
    assert_true(net_stream_read(p->s, data, sizeof(data), 1000, NULL, &n, &p->err));
    assert_int_equal(n, 2);
    close(p->peer);
    p->peer = -1;
    assert_true(net_stream_read(p->s, data, sizeof(data), 1000, NULL, &n, &p->err));
    assert_int_equal(n, 0);
}

static void silent_peer_runs_into_the_timeout(void **state)
{
    struct pair *p = *state;
    char data[16];
    size_t n;

    assert_false(net_stream_read(p->s, data, sizeof(data), 30, NULL, &n, &p->err));
    assert_int_equal(p->err.code, NB_E_TIMEOUT);
}

static void peer_that_does_not_read_runs_into_the_timeout(void **state)
{
    struct pair *p = *state;
    size_t n = 64 << 20;
    char *data = nb_xcalloc(1, n);

    assert_false(net_stream_write(p->s, data, n, 30, NULL, &p->err));
    assert_int_equal(p->err.code, NB_E_TIMEOUT);
    free(data);
}

static void *drain(void *arg)
{
    const int *fd = arg;
    char data[65536];
    size_t *total = nb_xcalloc(1, sizeof(*total));
    ssize_t n;

    while (*total < 16 << 20 && (n = read(*fd, data, sizeof(data))) > 0)
        *total += (size_t)n;
    return total;
}

static void large_write_is_taken_whole(void **state)
{
    struct pair *p = *state;
    size_t n = 16 << 20;
    nb_auto(nb_free) char *data = nb_xcalloc(1, n);
    void *total = NULL;
    pthread_t t;

    assert_int_equal(pthread_create(&t, NULL, drain, &p->peer), 0);
    assert_true(net_stream_write(p->s, data, n, 20000, NULL, &p->err));
    pthread_join(t, &total);
    assert_int_equal(*(size_t *)total, n);
    free(total);
}

static void reset_by_the_peer_is_an_error(void **state)
{
    struct pair *p = *state;
    struct linger hard = { .l_onoff = 1, .l_linger = 0 };
    char data[16];
    size_t n;

    assert_int_equal(setsockopt(p->peer, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard)), 0);
    close(p->peer);
    p->peer = -1;
    assert_false(net_stream_read(p->s, data, sizeof(data), 5000, NULL, &n, &p->err));
    assert_int_equal(p->err.code, NB_E_UNAVAILABLE);
    assert_string_equal(p->err.reason, "ConnectionLost");
    nb_error_clear(&p->err);
    assert_false(net_stream_write(p->s, "x", 1, 5000, NULL, &p->err));
    assert_string_equal(p->err.reason, "ConnectionLost");
}

static void cancelled_job_neither_reads_nor_writes(void **state)
{
    struct pair *p = *state;
    nb_auto(nb_cancel_free) struct nb_cancel *cancel = nb_cancel_new();
    struct net_stream *other = NULL;
    char data[16];
    size_t n;

    nb_cancel_set(cancel);
    assert_int_equal(write(p->peer, "hi", 2), 2); /* there is something to read */
    assert_false(net_stream_read(p->s, data, sizeof(data), 5000, cancel, &n, &p->err));
    assert_int_equal(p->err.code, NB_E_CANCELLED);
    assert_false(net_stream_write(p->s, "x", 1, 5000, cancel, &p->err));
    assert_int_equal(p->err.code, NB_E_CANCELLED);
    nb_error_clear(&p->err);
    assert_false(net_tcp_connect("localhost", p->port, 5000, cancel, &other, &p->err));
    assert_int_equal(p->err.code, NB_E_CANCELLED);
}

static void closed_port_is_refused(void **state)
{
    struct nb_error err = NB_ERROR_INIT;
    struct net_stream *s = NULL;
    uint16_t port;
    int fd;

    (void)state;
    port = listen_on_loopback(&fd, 1);
    close(fd);
    assert_false(net_tcp_connect("127.0.0.1", port, 5000, NULL, &s, &err));
    assert_int_equal(err.code, NB_E_UNAVAILABLE);
    assert_string_equal(err.reason, "ConnectionRefused");
    assert_non_null(strstr(err.text, "'127.0.0.1' port"));
}

static void unknown_host_is_told(void **state)
{
    struct nb_error err = NB_ERROR_INIT;
    struct net_stream *s = NULL;
    int64_t start = nb_clock_mono_ms();

    (void)state;
    assert_false(net_tcp_connect("no-such-host.invalid", 7687, 3000, NULL, &s, &err));
    assert_int_equal(err.code, NB_E_UNAVAILABLE);
    assert_string_equal(err.reason, "HostNotFound");
    assert_non_null(strstr(err.text, "'no-such-host.invalid'"));
    assert_true(nb_clock_mono_ms() - start < 8000);
}

/* A listener whose queue is full answers nothing more: the way to a connect that hangs, on
 * loopback. */
static void connect_that_hangs_runs_into_the_timeout(void **state)
{
    struct nb_error err = NB_ERROR_INIT;
    struct net_stream *s[16] = { NULL };
    uint16_t port;
    size_t i;
    int fd;

    (void)state;
    port = listen_on_loopback(&fd, 0);
    for (i = 0; i < NB_ARRAY_LEN(s); i++)
        if (!net_tcp_connect("127.0.0.1", port, 200, NULL, &s[i], &err))
            break;
    assert_true(i < NB_ARRAY_LEN(s));
    assert_int_equal(err.code, NB_E_UNAVAILABLE);
    assert_string_equal(err.reason, "ConnectTimeout");
    for (size_t k = 0; k < i; k++)
        net_stream_free(s[k]);
    close(fd);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(bytes_go_both_ways_and_the_end_is_seen),
        T(silent_peer_runs_into_the_timeout),
        T(peer_that_does_not_read_runs_into_the_timeout),
        T(large_write_is_taken_whole),
        T(reset_by_the_peer_is_an_error),
        T(cancelled_job_neither_reads_nor_writes),
        cmocka_unit_test(closed_port_is_refused),
        cmocka_unit_test(unknown_host_is_told),
        cmocka_unit_test(connect_that_hangs_runs_into_the_timeout),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
