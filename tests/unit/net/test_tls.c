#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "net/mem.h"
#include "net/stream.h"
#include "tests/fakes/tls_proxy.h"

struct fixture {
    struct fake_tls *tls;
    struct net_tls_opts opts;
    struct nb_error err;
};

static int setup(void **state)
{
    struct fixture *f = NB_NEW(struct fixture);

    f->tls = fake_tls_new();
    f->err = (struct nb_error)NB_ERROR_INIT;
    f->opts = (struct net_tls_opts){ .verify = true, .server_name = "localhost" };
    f->opts.ca_pem = fake_tls_pem(f->tls);
    f->opts.ca_pem_n = strlen(f->opts.ca_pem);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    fake_tls_free(f->tls);
    free(f);
    return 0;
}

static struct net_stream *connect_tcp(uint16_t port)
{
    struct nb_error err = NB_ERROR_INIT;
    struct net_stream *s = NULL;

    if (!net_tcp_connect("127.0.0.1", port, 10000, NULL, &s, &err))
        fail_msg("%s", err.text);
    return s;
}

/* Connects to an echo; true when TLS came about and 100,000 bytes came back. */
static bool echo(struct fixture *f)
{
    struct tls_proxy *p = tls_proxy_start(f->tls, 0);
    struct net_stream *s = NULL;
    nb_auto(nb_free) char *sent = nb_xmalloc(100000);
    nb_auto(nb_free) char *got = nb_xcalloc(1, 100000);
    bool ok;

    for (size_t i = 0; i < 100000; i++)
        sent[i] = (char)(i % 251);
    nb_error_clear(&f->err);
    ok = net_tls_connect(connect_tcp(tls_proxy_port(p)), &f->opts, 10000, NULL, &s, &f->err);
    for (size_t at = 0; ok && at < 100000;) {
        size_t n = 0, k = 10000;

        if (at % k == 0)
            assert_true(net_stream_write(s, sent + at, k, 10000, NULL, &f->err));
        while (ok && at % k + n < k) {
            size_t part = 0;

            assert_true(net_stream_read(s, got + at + n, k - n, 10000, NULL, &part, &f->err));
            assert_true(part > 0);
            n += part;
        }
        at += n;
    }
    if (ok)
        assert_memory_equal(sent, got, 100000);
    net_stream_free(s);
    tls_proxy_free(p);
    return ok;
}

static void verified_connection_carries_bytes(void **state)
{
    struct fixture *f = *state;

    if (!echo(f))
        fail_msg("%s", f->err.text);
    f->opts.server_name = "127.0.0.1"; /* an address is verified as such */
    if (!echo(f))
        fail_msg("%s", f->err.text);
}

static void unverified_connection_asks_for_nothing(void **state)
{
    struct fixture *f = *state;

    f->opts = (struct net_tls_opts){ .verify = false, .server_name = "elsewhere.example" };
    assert_true(echo(f));
}

static void certificate_that_does_not_fit_is_told(void **state)
{
    struct fixture *f = *state;
    struct fake_tls *other = fake_tls_new();
    static const struct {
        const char *name;
        int ca; /* 0: none, 1: another one, 2: the right one */
        const char *text;
    } cases[] = {
        { "localhost", 0, "certificate" },
        { "localhost", 1, "certificate" },
        { "elsewhere.example", 2, "mismatch" },
        { "127.0.0.2", 2, "mismatch" },
    };

    for (size_t i = 0; i < NB_ARRAY_LEN(cases); i++) {
        f->opts.server_name = cases[i].name;
        f->opts.ca_pem = cases[i].ca == 0   ? NULL
                         : cases[i].ca == 1 ? fake_tls_pem(other)
                                            : fake_tls_pem(f->tls);
        f->opts.ca_pem_n = f->opts.ca_pem ? strlen(f->opts.ca_pem) : 0;
        assert_false(echo(f));
        assert_int_equal(f->err.code, NB_E_DENIED);
        assert_string_equal(f->err.reason, "TlsVerificationFailed");
        if (!strstr(f->err.text, cases[i].text) || !strstr(f->err.text, cases[i].name))
            fail_msg("%s", f->err.text);
    }
    fake_tls_free(other);
}

static void ca_that_is_no_certificate_is_refused(void **state)
{
    struct fixture *f = *state;
    struct net_mem_opts mo = { .input = NULL };
    struct net_stream *s = NULL;

    f->opts.ca_pem = "not a certificate";
    f->opts.ca_pem_n = strlen(f->opts.ca_pem);
    assert_false(net_tls_connect(net_mem_new(&mo), &f->opts, 1000, NULL, &s, &f->err));
    assert_int_equal(f->err.code, NB_E_INVALID);
    assert_string_equal(f->err.reason, "InvalidCertificate");
}

static void peer_without_tls_is_told(void **state)
{
    struct fixture *f = *state;
    struct net_mem_opts text = { .input = "HTTP/1.1 400 Bad Request\r\n", .input_n = 26 };
    struct net_mem_opts end = { .input = NULL };
    struct net_mem_opts gone = { .write_limit = 1 };
    const struct net_mem_opts *const cases[] = { &text, &end, &gone };

    for (size_t i = 0; i < NB_ARRAY_LEN(cases); i++) {
        struct net_stream *s = NULL;

        assert_false(net_tls_connect(net_mem_new(cases[i]), &f->opts, 1000, NULL, &s, &f->err));
        assert_int_equal(f->err.code, NB_E_UNAVAILABLE);
        assert_string_equal(f->err.reason, "TlsHandshakeFailed");
    }
}

static void silent_peer_runs_into_the_timeout(void **state)
{
    struct fixture *f = *state;
    struct net_mem_opts silent = { .stall = true };
    struct tls_proxy *p;
    struct net_stream *s = NULL;
    char data[16];
    size_t n;

    assert_false(net_tls_connect(net_mem_new(&silent), &f->opts, 1000, NULL, &s, &f->err));
    assert_int_equal(f->err.code, NB_E_TIMEOUT);
    p = tls_proxy_start(f->tls, 0);
    assert_true(
        net_tls_connect(connect_tcp(tls_proxy_port(p)), &f->opts, 10000, NULL, &s, &f->err));
    assert_false(net_stream_read(s, data, sizeof(data), 30, NULL, &n, &f->err));
    assert_int_equal(f->err.code, NB_E_TIMEOUT);
    net_stream_free(s);
    tls_proxy_free(p);
}

static void cancelled_job_stops(void **state)
{
    struct fixture *f = *state;
    nb_auto(nb_cancel_free) struct nb_cancel *cancel = nb_cancel_new();
    struct tls_proxy *p = tls_proxy_start(f->tls, 0);
    struct net_stream *s = NULL;
    char data[16];
    size_t n;

    assert_true(
        net_tls_connect(connect_tcp(tls_proxy_port(p)), &f->opts, 10000, cancel, &s, &f->err));
    nb_cancel_set(cancel);
    assert_false(net_stream_read(s, data, sizeof(data), 5000, cancel, &n, &f->err));
    assert_int_equal(f->err.code, NB_E_CANCELLED);
    assert_false(net_stream_write(s, "x", 1, 5000, cancel, &f->err));
    assert_int_equal(f->err.code, NB_E_CANCELLED);
    net_stream_free(s);
    tls_proxy_free(p);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(verified_connection_carries_bytes),
        T(unverified_connection_asks_for_nothing),
        T(certificate_that_does_not_fit_is_told),
        T(ca_that_is_no_certificate_is_refused),
        T(peer_without_tls_is_told),
        T(silent_peer_runs_into_the_timeout),
        T(cancelled_job_stops),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
