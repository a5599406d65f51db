#include "controller/web/server.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "controller/web/health.h"
#include "net/http.h"
#include "net/stream.h"
#include "tests/unit/cmocka.h"

struct fixture {
    struct web_server *server;
    struct http_client *client;
    struct web_health health;
    struct web_route routes[6];
    bool ready;
    size_t big;
    unsigned made; /* atomic; of what is kept */
};

static bool is_ready(void *ctx)
{
    return ((struct fixture *)ctx)->ready;
}

static void big(void *ctx, struct web_reply *reply)
{
    struct fixture *f = ctx;
    char piece[26 * 256];

    /* In pieces: a page must not take a sanitizer so long that the server gives its slow readers up
     * meanwhile. */
    for (size_t i = 0; i < sizeof(piece); i++)
        piece[i] = (char)('a' + i % 26);
    for (size_t i = 0; i < f->big; i += sizeof(piece))
        nb_buf_append(&reply->body, piece, f->big - i < sizeof(piece) ? f->big - i : sizeof(piece));
}

/* A page that no socket's buffers hold: a reader who does not read holds it. */
static void kept(void *ctx, struct web_reply *reply)
{
    struct fixture *f = ctx;

    nb_buf_printf(&reply->body, "%u\n", __atomic_add_fetch(&f->made, 1, __ATOMIC_SEQ_CST));
    big(ctx, reply);
}

static int setup(void **state)
{
    struct fixture *f = NB_NEW(struct fixture);
    struct web_server_opts opts = { .listen = "127.0.0.1:0",
                                    .routes = f->routes,
                                    .route_count = 6 };
    struct http_client_opts http = { 0 };
    struct nb_error err = NB_ERROR_INIT;

    f->health = (struct web_health){ .ready = is_ready, .ready_ctx = f };
    f->routes[0] = (struct web_route){ .path = "/healthz", .handler = web_healthz };
    f->routes[1] =
        (struct web_route){ .path = "/readyz", .handler = web_readyz, .ctx = &f->health };
    f->routes[2] = (struct web_route){ .path = "/metrics", .handler = web_metrics };
    f->routes[3] = (struct web_route){ .path = "/big", .handler = big, .ctx = f };
    f->routes[4] =
        (struct web_route){ .path = "/kept", .handler = kept, .ctx = f, .keep_ms = 3600000 };
    f->routes[5] = (struct web_route){ .path = "/short", .handler = kept, .ctx = f, .keep_ms = 1 };
    assert_true(web_server_start(&opts, &f->server, &err));
    assert_true(http_client_new(&http, &f->client, &err));
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    http_client_free(f->client);
    web_server_stop(f->server);
    free(f);
    return 0;
}

static int ask(struct fixture *f, const char *method, const char *path, struct http_response *resp)
{
    nb_auto(nb_free) char *url =
        nb_xasprintf("http://127.0.0.1:%u%s", web_server_port(f->server), path);
    struct http_request req = {
        .method = method, .url = url, .timeout_ms = 10000, .max_body = 32 << 20
    };
    struct nb_error err = NB_ERROR_INIT;

    if (!http_client_send(f->client, &req, NULL, resp, &err))
        fail_msg("%s %s: %s", method, path, err.text);
    return resp->status;
}

static void probes_and_metrics_answer(void **state)
{
    static struct nb_metric m = NB_METRIC(NB_COUNTER, "web_test_total", "For this test.", "a");
    nb_auto_done(http_response_done) struct http_response resp = HTTP_RESPONSE_INIT;
    struct fixture *f = *state;
    char type[100];

    assert_int_equal(ask(f, "GET", "/healthz", &resp), 200);
    assert_string_equal(nb_buf_cstr(&resp.body), "ok\n");
    assert_int_equal(ask(f, "GET", "/readyz", &resp), 503);
    f->ready = true;
    assert_int_equal(ask(f, "GET", "/readyz", &resp), 200);
    nb_metric_add(&m, 3, "x");
    assert_int_equal(ask(f, "GET", "/metrics", &resp), 200);
    assert_non_null(strstr(nb_buf_cstr(&resp.body), "web_test_total{a=\"x\"} 3"));
    assert_non_null(http_response_header(&resp, "content-type", type, sizeof(type)));
    assert_non_null(strstr(type, "version=0.0.4"));
    assert_non_null(http_response_header(&resp, "x-content-type-options", type, sizeof(type)));
    assert_int_equal(ask(f, "HEAD", "/healthz", &resp), 200);
    assert_int_equal(resp.body.len, 0);
}

static void anything_else_is_refused(void **state)
{
    nb_auto_done(http_response_done) struct http_response resp = HTTP_RESPONSE_INIT;
    struct fixture *f = *state;

    assert_int_equal(ask(f, "GET", "/", &resp), 404);
    assert_int_equal(ask(f, "GET", "/etc/passwd", &resp), 404);
    assert_int_equal(ask(f, "GET", "/healthz/../healthz2", &resp), 404);
    assert_int_equal(ask(f, "GET", "/healthz", &resp), 200);
}

/* Says text on a connection of its own and returns what comes back. */
static char *raw(struct fixture *f, const char *text)
{
    nb_auto(net_stream_free) struct net_stream *s = NULL;
    struct nb_error err = NB_ERROR_INIT;
    struct nb_buf out = NB_BUF_INIT(1 << 20);
    char piece[1024];
    size_t n = 1;

    assert_true(
        net_tcp_connect("127.0.0.1", (uint16_t)web_server_port(f->server), 5000, NULL, &s, &err));
    assert_true(net_stream_write(s, text, strlen(text), 5000, NULL, &err));
    while (n > 0 && net_stream_read(s, piece, sizeof(piece), 300, NULL, &n, &err))
        nb_buf_append(&out, piece, n);
    return nb_buf_take(&out);
}

static void hostile_requests_do_no_harm(void **state)
{
    static const char *const bad[] = {
        "POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc",
        "DELETE /metrics HTTP/1.1\r\nHost: x\r\n\r\n",
        "\r\n\r\n\r\n",
        "GET /%00%zz%2e%2e%2f HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET http://evil/metrics HTTP/1.1\r\nHost: x\r\n\r\n",
        "\x16\x03\x01\x02\x00\x01",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "GET /healthz\r\n\r\n",
        "GET /healthz HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: x3JJHMbDL1EzLkh9GBhXDw==\r\nSec-WebSocket-Version: 13\r\n\r\n",
        "GET /healthz HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    };
    nb_auto_done(http_response_done) struct http_response resp = HTTP_RESPONSE_INIT;
    struct fixture *f = *state;
    nb_auto_done(nb_buf_done) struct nb_buf large = NB_BUF_INIT(1 << 20);
    nb_auto(nb_free) char *got = NULL;

    for (size_t i = 0; i < NB_ARRAY_LEN(bad); i++) {
        nb_auto(nb_free) char *answer = raw(f, bad[i]);

        /* The last three are GETs of a path that there is: an answer is no harm. */
        if (i + 3 < NB_ARRAY_LEN(bad) && strstr(answer, " 200 "))
            fail_msg("request %zu was answered: %s", i, answer);
        if (i < 2)
            assert_non_null(strstr(answer, "405"));
    }
    nb_buf_puts(&large, "GET /healthz HTTP/1.1\r\nX: ");
    for (int i = 0; i < 100000; i++)
        nb_buf_putc(&large, 'x');
    nb_buf_puts(&large, "\r\n\r\n");
    got = raw(f, nb_buf_cstr(&large));
    assert_null(strstr(got, "HTTP/1.1 200"));
    assert_int_equal(ask(f, "GET", "/healthz", &resp), 200);
}

static void big_answers_arrive_whole(void **state)
{
    nb_auto_done(http_response_done) struct http_response resp = HTTP_RESPONSE_INIT;
    struct fixture *f = *state;
    static const size_t sizes[] = { 0, 1, 8191, 8192, 8193, 3000000 };

    resp.body.max = 16 << 20;
    for (size_t i = 0; i < NB_ARRAY_LEN(sizes); i++) {
        f->big = sizes[i];
        assert_int_equal(ask(f, "GET", "/big", &resp), 200);
        assert_int_equal(resp.body.len, sizes[i]);
        if (sizes[i])
            assert_int_equal(resp.body.data[sizes[i] - 1], 'a' + (sizes[i] - 1) % 26);
    }
}

static void answer_that_is_kept_is_made_once(void **state)
{
    nb_auto_done(http_response_done) struct http_response resp = HTTP_RESPONSE_INIT;
    struct fixture *f = *state;

    f->big = 100000;
    for (int i = 0; i < 5; i++) {
        assert_int_equal(ask(f, "GET", "/kept", &resp), 200);
        assert_int_equal(resp.body.len, 2 + f->big);
        assert_memory_equal(resp.body.data, "1\n", 2);
    }
    assert_int_equal(ask(f, "HEAD", "/kept", &resp), 200);
    assert_int_equal(f->made, 1);
}

static void slow_readers_share_few_answers(void **state)
{
    enum { SLOW = 6 }; /* more than the pages that may be there */
    static const char get[] = "GET /short HTTP/1.1\r\nHost: x\r\n\r\n";
    nb_auto_done(http_response_done) struct http_response resp = HTTP_RESPONSE_INIT;
    struct net_stream *slow[SLOW];
    struct fixture *f = *state;
    struct nb_error err = NB_ERROR_INIT;
    int64_t begin = nb_clock_mono_ms();
    char piece[64];
    size_t n;

    f->big = 20 << 20;
    for (int i = 0; i < SLOW; i++) { /* each has the first bytes and then takes no more */
        assert_true(net_tcp_connect("127.0.0.1", (uint16_t)web_server_port(f->server), 5000, NULL,
                                    &slow[i], &err));
        assert_true(net_stream_write(slow[i], get, sizeof(get) - 1, 5000, NULL, &err));
        assert_true(net_stream_read(slow[i], piece, sizeof(piece), 30000, NULL, &n, &err));
        assert_true(nb_cancel_sleep(NULL, 2, &err)); /* longer than it is kept */
    }
    /* After ten seconds the server gives a slow reader up, and its page. */
    if (nb_clock_mono_ms() - begin < 9000)
        assert_true(f->made <= 4);
    else
        print_message("too slow to tell\n");
    assert_int_equal(ask(f, "GET", "/healthz", &resp), 200);
    for (int i = 0; i < SLOW; i++)
        net_stream_free(slow[i]);
}

static void address_is(const char *text, const char *host, unsigned port, bool ipv6)
{
    struct web_address a;
    struct nb_error err = NB_ERROR_INIT;

    assert_true(web_address_parse(text, &a, &err));
    assert_string_equal(a.host, host);
    assert_int_equal(a.port, port);
    assert_int_equal(a.is_ipv6, ipv6);
}

static void addresses_are_parsed(void **state)
{
    static const char *const bad[] = { "",           "8080",         "x:80",    ":",
                                       ":-1",        ":65536",       "[]:80",   "[x]:80",
                                       "127.0.0.1:", "localhost:80", "1.2.3:80" };

    (void)state;
    address_is(":8080", "", 8080, false);
    address_is("127.0.0.1:0", "127.0.0.1", 0, false);
    address_is("[::1]:9", "::1", 9, true);
    for (size_t i = 0; i < NB_ARRAY_LEN(bad); i++) {
        struct web_address a;
        struct nb_error err = NB_ERROR_INIT;

        assert_false(web_address_parse(bad[i], &a, &err));
        assert_string_equal(err.reason, "InvalidAddress");
    }
}

static void port_in_use_is_an_error(void **state)
{
    struct fixture *f = *state;
    nb_auto(nb_free) char *listen = nb_xasprintf("127.0.0.1:%u", web_server_port(f->server));
    struct web_server_opts opts = { .listen = listen, .routes = f->routes, .route_count = 1 };
    struct web_server *second = NULL;
    struct nb_error err = NB_ERROR_INIT;

    assert_false(web_server_start(&opts, &second, &err));
    assert_string_equal(err.reason, "AddressInUse");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(probes_and_metrics_answer, setup, teardown),
        cmocka_unit_test_setup_teardown(anything_else_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(hostile_requests_do_no_harm, setup, teardown),
        cmocka_unit_test_setup_teardown(big_answers_arrive_whole, setup, teardown),
        cmocka_unit_test_setup_teardown(answer_that_is_kept_is_made_once, setup, teardown),
        cmocka_unit_test_setup_teardown(slow_readers_share_few_answers, setup, teardown),
        cmocka_unit_test(addresses_are_parsed),
        cmocka_unit_test_setup_teardown(port_in_use_is_an_error, setup, teardown),
    };

    http_global_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
