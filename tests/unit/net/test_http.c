#include "net/http.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/thread.h"
#include "tests/fakes/fake_http.h"
#include "tests/unit/cmocka.h"

/* What every test has: a server that answers as `plan` says, and a client. */
struct fixture {
    struct fake_http *server;
    struct http_client *client;
    struct http_response res;
    struct nb_error err;
    struct fake_http_reply plan; /* headers and body are borrowed by copying */
    bool drop;
    int left;                 /* of drip(), which may outlive the test function */
    struct nb_buf head, body; /* of the last request */
    char url[200];
};

static bool answer(void *ctx, const struct fake_http_request *req, struct fake_http_reply *r)
{
    struct fixture *f = ctx;
    struct nb_buf headers = r->headers, body = r->body;

    nb_buf_clear(&f->head);
    nb_buf_puts(&f->head, req->raw_head);
    nb_buf_clear(&f->body);
    nb_buf_append(&f->body, req->body.p, req->body.n);
    nb_buf_append(&headers, nb_buf_cstr(&f->plan.headers), f->plan.headers.len);
    nb_buf_append(&body, nb_buf_cstr(&f->plan.body), f->plan.body.len);
    *r = f->plan;
    r->headers = headers;
    r->body = body;
    return !f->drop;
}

static struct fixture *fixture_new(bool tls)
{
    struct fixture *f = NB_NEW(struct fixture);

    f->plan =
        (struct fake_http_reply){ .status = 200, .cut_after_bytes = -1, .stall_after_bytes = -1 };
    nb_buf_init(&f->plan.headers, 1 << 20);
    nb_buf_init(&f->plan.body, 64 << 20);
    nb_buf_init(&f->head, 1 << 20);
    nb_buf_init(&f->body, 64 << 20);
    f->res = (struct http_response)HTTP_RESPONSE_INIT;
    f->err = (struct nb_error)NB_ERROR_INIT;
    f->server = tls ? fake_http_new_tls(answer, f) : fake_http_new(answer, f);
    return f;
}

static void open_client(struct fixture *f, const struct http_client_opts *opts)
{
    http_client_free(f->client);
    f->client = NULL;
    assert_true(http_client_new(opts, &f->client, &f->err));
}

static int setup(void **state)
{
    struct fixture *f = fixture_new(false);

    open_client(f, &(struct http_client_opts){ .idle_timeout_ms = 20000 });
    *state = f;
    return 0;
}

static int setup_tls(void **state)
{
    *state = fixture_new(true);
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    http_client_free(f->client);
    fake_http_free(f->server);
    http_response_done(&f->res);
    nb_buf_done(&f->plan.headers);
    nb_buf_done(&f->plan.body);
    nb_buf_done(&f->head);
    nb_buf_done(&f->body);
    free(f);
    return 0;
}

static struct http_request request(struct fixture *f, const char *method, const char *target)
{
    snprintf(f->url, sizeof(f->url), "%s%s", fake_http_url(f->server), target);
    return (struct http_request){ .method = method, .url = f->url };
}

/* The handler reads the plan on another thread: these two order it with what the test does. */
static void meet_the_handler(struct fixture *f)
{
    fake_http_lock(f->server);
    fake_http_unlock(f->server);
}

static bool send_it(struct fixture *f, const struct http_request *req)
{
    bool ok;

    meet_the_handler(f);
    ok = http_client_send(f->client, req, NULL, &f->res, &f->err);
    meet_the_handler(f);
    return ok;
}

static void must_send(struct fixture *f, const struct http_request *req)
{
    if (!send_it(f, req))
        fail_msg("%s", f->err.text);
}

static void check_head(struct fixture *f, const char *line, bool want)
{
    nb_auto(nb_free) char *whole = nb_xasprintf("%s\r\n", line);

    if ((strstr(nb_buf_cstr(&f->head), whole) != NULL) != want)
        fail_msg("'%s' %s in:\n%s", line, want ? "is not" : "is", nb_buf_cstr(&f->head));
}

/* --- what is sent ---------------------------------------------------------------------------- */

static void get_is_sent_as_written_and_answered(void **state)
{
    struct fixture *f = *state;
    struct http_request req = request(f, "GET", "/a%2fB%20/../c//./d?x=%7e&y&z=a+b%2F'");
    char value[50];

    fake_http_reply_header(&f->plan, "X-One", "  first ");
    fake_http_reply_header(&f->plan, "x-one", "second");
    fake_http_reply_text(&f->plan, 200, "hello");
    must_send(f, &req);
    assert_int_equal(f->res.status, 200);
    assert_string_equal(nb_buf_cstr(&f->res.body), "hello");
    assert_string_equal(http_response_header(&f->res, "x-one", value, sizeof(value)), "first");
    assert_string_equal(http_response_header(&f->res, "content-length", value, 2), "5");
    assert_null(http_response_header(&f->res, "x-on", value, sizeof(value)));
    check_head(f, "GET /a%2fB%20/../c//./d?x=%7e&y&z=a+b%2F' HTTP/1.1", true);
    check_head(f, "User-Agent: neo4j-backup/" NB_VERSION, true);
    assert_null(strstr(nb_buf_cstr(&f->head), "Content-"));
    assert_null(strstr(nb_buf_cstr(&f->head), "Expect"));
    assert_null(strstr(nb_buf_cstr(&f->head), "Accept-Encoding"));
}

static void headers_are_sent_as_given(void **state)
{
    struct fixture *f = *state;
    struct http_request req = request(f, "POST", "/");
    const struct http_header headers[] = { { "Authorization", "Bearer x" },
                                           { "Content-Type", "application/json" },
                                           { "X-Empty", "" } };

    req.headers = headers;
    req.headers_n = NB_ARRAY_LEN(headers);
    req.body = "{}";
    req.body_n = 2;
    must_send(f, &req);
    check_head(f, "Authorization: Bearer x", true);
    check_head(f, "Content-Type: application/json", true);
    check_head(f, "X-Empty:", true);
    check_head(f, "Content-Length: 2", true);
    assert_string_equal(nb_buf_cstr(&f->body), "{}");
}

static void header_with_a_line_break_is_refused(void **state)
{
    static const struct http_header bad[] = {
        { "X", "a\r\nEvil: 1" }, { "X\n", "a" }, { "", "a" }, { "X:", "a" }, { "X Y", "a" }
    };
    struct fixture *f = *state;
    struct http_request req = request(f, "GET", "/");

    for (size_t i = 0; i < NB_ARRAY_LEN(bad); i++) {
        req.headers = &bad[i];
        req.headers_n = 1;
        assert_false(send_it(f, &req));
        assert_int_equal(f->err.code, NB_E_INVALID);
    }
    assert_int_equal(fake_http_request_count(f->server), 0);
}

static void put_and_post_without_body_say_length_0(void **state)
{
    struct fixture *f = *state;
    struct http_request put = request(f, "PUT", "/"), post = put, del = put;

    post.method = "POST";
    del.method = "DELETE";
    must_send(f, &put);
    check_head(f, "PUT / HTTP/1.1", true);
    check_head(f, "Content-Length: 0", true);
    must_send(f, &post);
    check_head(f, "Content-Length: 0", true);
    assert_null(strstr(nb_buf_cstr(&f->head), "Content-Type"));
    must_send(f, &del);
    check_head(f, "DELETE / HTTP/1.1", true);
    assert_null(strstr(nb_buf_cstr(&f->head), "Content-Length"));
}

static void body_of_any_method_and_size_arrives(void **state)
{
    static const char *const methods[] = { "PUT", "POST", "DELETE", "PATCH", "GET" };
    static const size_t sizes[] = { 1, 65535, 65537, 1 << 20, 9 << 20 };
    struct fixture *f = *state;
    nb_auto(nb_free) char *body = nb_xmalloc(9 << 20);
    char line[50];

    for (size_t i = 0; i < (9 << 20); i++)
        body[i] = (char)(i * 7 / 3);
    for (size_t i = 0; i < NB_ARRAY_LEN(sizes); i++) {
        struct http_request req = request(f, methods[i], "/");

        req.body = body;
        req.body_n = sizes[i];
        must_send(f, &req);
        assert_int_equal(f->body.len, sizes[i]);
        assert_memory_equal(f->body.data, body, sizes[i]);
        snprintf(line, sizeof(line), "Content-Length: %zu", sizes[i]);
        check_head(f, line, true);
        check_head(f, "Transfer-Encoding: chunked", false);
    }
    assert_int_equal(fake_http_connection_count(f->server), 1);
}

static void head_has_headers_and_no_body(void **state)
{
    struct fixture *f = *state;
    struct http_request req = request(f, "HEAD", "/k");
    char value[20];

    fake_http_reply_text(&f->plan, 200, "twelve bytes");
    must_send(f, &req);
    assert_int_equal(f->res.body.len, 0);
    assert_string_equal(http_response_header(&f->res, "content-length", value, 20), "12");
    check_head(f, "HEAD /k HTTP/1.1", true);
}

static void proxy_of_the_environment_is_ignored(void **state)
{
    struct fixture *f = *state;
    struct http_request req = request(f, "GET", "/");

    setenv("http_proxy", "http://127.0.0.1:1", 1);
    setenv("ALL_PROXY", "http://127.0.0.1:1", 1);
    must_send(f, &req);
    unsetenv("http_proxy");
    unsetenv("ALL_PROXY");
    check_head(f, "GET / HTTP/1.1", true);
}

/* --- what comes back ------------------------------------------------------------------------- */

static void status_of_any_kind_is_a_response(void **state)
{
    static const int statuses[] = { 204, 301, 304, 400, 404, 409, 412, 429, 500, 503 };
    struct fixture *f = *state;
    struct http_request req = request(f, "GET", "/");

    fake_http_reply_header(&f->plan, "Location", "/elsewhere");
    fake_http_reply_header(&f->plan, "Retry-After", "7");
    for (size_t i = 0; i < NB_ARRAY_LEN(statuses); i++) {
        f->plan.status = statuses[i];
        must_send(f, &req);
        assert_int_equal(f->res.status, statuses[i]);
    }
    assert_int_equal(fake_http_request_count(f->server), NB_ARRAY_LEN(statuses));
    assert_int_equal(fake_http_connection_count(f->server), 1);
}

static void chunked_body_is_joined(void **state)
{
    struct fixture *f = *state;
    struct http_request req = request(f, "GET", "/");

    f->plan.chunked = true;
    f->plan.chunk_bytes = 3;
    fake_http_reply_text(&f->plan, 200, "0123456789");
    must_send(f, &req);
    assert_string_equal(nb_buf_cstr(&f->res.body), "0123456789");
    f->plan.chunked = false;
    f->plan.no_length = true;
    must_send(f, &req);
    assert_string_equal(nb_buf_cstr(&f->res.body), "0123456789");
}

static void body_above_the_limit_is_a_limit(void **state)
{
    struct fixture *f = *state;
    struct http_request req = request(f, "GET", "/");

    fake_http_reply_text(&f->plan, 200, "0123456789");
    req.max_body = 10;
    must_send(f, &req);
    req.max_body = 9;
    assert_false(send_it(f, &req));
    assert_int_equal(f->err.code, NB_E_LIMIT);
    assert_string_equal(f->err.reason, "ResponseTooLarge");
    req.max_body = 0;
    must_send(f, &req);
}

static void headers_above_the_limit_are_a_limit(void **state)
{
    struct fixture *f = *state;
    struct http_request req = request(f, "GET", "/");
    char value[8000];

    memset(value, 'v', sizeof(value) - 1);
    value[sizeof(value) - 1] = '\0';
    for (int i = 0; i < 34; i++)
        fake_http_reply_header(&f->plan, "X", value);
    assert_false(send_it(f, &req));
    assert_int_equal(f->err.code, NB_E_LIMIT);
    assert_string_equal(f->err.reason, "ResponseHeadersTooLarge");
}

struct taker {
    size_t n, stop_at;
};

static bool take(void *ctx, const char *p, size_t n, struct nb_error *err)
{
    struct taker *t = ctx;

    (void)p;
    t->n += n;
    return t->n < t->stop_at || nb_fail(err, NB_E_CORRUPT, "Mine", "enough");
}

static void body_is_streamed_and_the_reader_may_stop_it(void **state)
{
    struct fixture *f = *state;
    struct http_request req = request(f, "GET", "/");
    struct taker t = { .stop_at = SIZE_MAX };

    for (int i = 0; i < 100000; i++)
        nb_buf_puts(&f->plan.body, "0123456789");
    req.on_body = take;
    req.on_body_ctx = &t;
    must_send(f, &req);
    assert_int_equal(t.n, 1000000);
    assert_int_equal(f->res.body.len, 0);
    t = (struct taker){ .stop_at = 1000 };
    assert_false(send_it(f, &req));
    assert_int_equal(f->err.code, NB_E_CORRUPT);
    assert_string_equal(f->err.text, "enough");
}

static void stream_only_2xx_gathers_error_bodies(void **state)
{
    struct fixture *f = *state;
    struct http_request req = request(f, "GET", "/");
    struct taker t = { .stop_at = SIZE_MAX };

    req.on_body = take;
    req.on_body_ctx = &t;
    req.stream_only_2xx = true;
    fake_http_reply_text(&f->plan, 403, "<Error/>");
    must_send(f, &req);
    assert_int_equal(t.n, 0);
    assert_string_equal(nb_buf_cstr(&f->res.body), "<Error/>");
    f->plan.status = 206;
    must_send(f, &req);
    assert_int_equal(t.n, 8);
    assert_int_equal(f->res.body.len, 0);
}

/* --- what goes wrong ------------------------------------------------------------------------- */

static void refused_connection_is_unavailable(void **state)
{
    struct fixture *f = *state;
    struct http_request req = request(f, "GET", "/secret?token=abc");
    struct sockaddr_in at = { .sin_family = AF_INET };
    socklen_t n = sizeof(at);
    /* Bound and not listening: nobody else can get the port meanwhile. */
    nb_auto_fd int fd = socket(AF_INET, SOCK_STREAM, 0);

    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(fd, (const struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &n), 0);
    snprintf(f->url, sizeof(f->url), "http://127.0.0.1:%u/secret?token=abc", ntohs(at.sin_port));
    assert_false(send_it(f, &req));
    assert_int_equal(f->err.code, NB_E_UNAVAILABLE);
    assert_string_equal(f->err.reason, "ConnectionFailed");
    assert_non_null(strstr(f->err.text, "GET 'http://127.0.0.1:"));
    assert_null(strstr(f->err.text, "abc"));
}

static void broken_urls_are_refused(void **state)
{
    static const char *const bad[] = { "ftp://127.0.0.1/", "file:///etc/passwd", "127.0.0.1",
                                       "http://user:pw@127.0.0.1:1/", "http://127.0.0.1:1/a b" };
    struct fixture *f = *state;
    struct http_request req = { .method = "GET" };

    for (size_t i = 0; i < NB_ARRAY_LEN(bad); i++) {
        req.url = bad[i];
        assert_false(send_it(f, &req));
        assert_int_equal(f->err.code, NB_E_INVALID);
        assert_null(strstr(f->err.text, "pw"));
    }
}

static void unknown_host_is_unavailable(void **state)
{
    struct fixture *f = *state;
    struct http_request req = { .method = "GET", .url = "http://no-such-host.invalid/" };

    assert_false(send_it(f, &req));
    assert_int_equal(f->err.code, NB_E_UNAVAILABLE);
}

/* The reply cut at every byte: never a response, always an error that may be tried again. */
static void reply_cut_anywhere_is_unavailable(void **state)
{
    struct fixture *f = *state;
    struct http_request req = request(f, "GET", "/");
    const char *whole = "HTTP/1.1 200 Scripted\r\nContent-Length: 5\r\n\r\nhello";

    fake_http_reply_text(&f->plan, 200, "hello");
    for (long cut = 0; cut < (long)strlen(whole); cut++) {
        f->plan.cut_after_bytes = cut;
        f->plan.reset = cut % 2;
        if (send_it(f, &req))
            fail_msg("cut after %ld bytes was taken for a response", cut);
        if (f->err.code != NB_E_UNAVAILABLE && f->err.code != NB_E_PROTOCOL)
            fail_msg("cut after %ld bytes: %s", cut, f->err.text);
    }
    f->plan.cut_after_bytes = (long)strlen(whole);
    f->plan.reset = false;
    must_send(f, &req);
}

static void chunked_reply_cut_is_unavailable(void **state)
{
    struct fixture *f = *state;
    struct http_request req = request(f, "GET", "/");

    f->plan.chunked = true;
    fake_http_reply_text(&f->plan, 200, "hello");
    f->plan.cut_after_bytes = (long)strlen("HTTP/1.1 200 Scripted\r\nTransfer-Encoding: chunked\r\n"
                                           "\r\n5\r\nhello\r\n");
    assert_false(send_it(f, &req));
    assert_int_equal(f->err.code, NB_E_UNAVAILABLE);
}

static void closed_without_reply_is_unavailable(void **state)
{
    struct fixture *f = *state;
    struct http_request req = request(f, "POST", "/");

    f->drop = true;
    assert_false(send_it(f, &req));
    assert_int_equal(f->err.code, NB_E_UNAVAILABLE);
}

static void silence_is_an_idle_timeout(void **state)
{
    struct fixture *f = *state;
    struct http_request req = request(f, "GET", "/");
    int64_t from = nb_clock_mono_ms();

    fake_http_reply_text(&f->plan, 200, "hello");
    f->plan.hang = true;
    req.idle_timeout_ms = 100;
    assert_false(send_it(f, &req));
    assert_int_equal(f->err.code, NB_E_TIMEOUT);
    assert_string_equal(f->err.reason, "IdleTimeout");
    f->plan.cut_after_bytes = 47; /* in the middle of the body */
    assert_false(send_it(f, &req));
    assert_int_equal(f->err.code, NB_E_TIMEOUT);
    assert_true(nb_clock_mono_ms() - from >= 200 && nb_clock_mono_ms() - from < 15000);
}

static bool drip(void *ctx, struct nb_buf *more)
{
    struct nb_error err = NB_ERROR_INIT;
    int *left = ctx;

    assert_true(nb_cancel_sleep(NULL, 60, &err));
    nb_buf_putc(more, 'x');
    return (*left)-- > 0;
}

static void slow_and_steady_is_no_idle_timeout(void **state)
{
    struct fixture *f = *state;
    struct http_request req = request(f, "GET", "/");

    f->plan.chunked = true;
    f->plan.more = drip;
    f->plan.more_ctx = &f->left;
    f->left = 8;
    req.idle_timeout_ms = 300;
    must_send(f, &req);
    assert_int_equal(f->res.body.len, 8);
}

static void whole_request_has_a_deadline_too(void **state)
{
    struct fixture *f = *state;
    struct http_request req = request(f, "GET", "/");

    f->plan.chunked = true;
    f->plan.more = drip;
    f->plan.more_ctx = &f->left;
    f->left = 1000;
    req.timeout_ms = 200;
    assert_false(send_it(f, &req));
    assert_int_equal(f->err.code, NB_E_TIMEOUT);
    assert_string_equal(f->err.reason, "RequestTimeout");
}

static bool have_no_more_time(void *ctx, const char *p, size_t n, struct nb_error *err)
{
    (void)p;
    (void)n;
    (void)err;
    *(int64_t *)ctx = 0;
    return true;
}

static void second_deadline_is_read_anew_after_every_piece(void **state)
{
    struct fixture *f = *state;
    struct http_request req = request(f, "GET", "/");
    int64_t until = INT64_MAX;

    f->plan.chunked = true;
    f->plan.more = drip;
    f->plan.more_ctx = &f->left;
    f->left = 1000;
    req.until_mono_ms = &until;
    req.on_body = have_no_more_time;
    req.on_body_ctx = &until;
    assert_false(send_it(f, &req));
    assert_int_equal(f->err.code, NB_E_TIMEOUT);
    assert_string_equal(f->err.reason, "RequestTimeout");
}

static void *cancel_after_first_request(void *arg)
{
    void **args = arg;

    assert_true(fake_http_wait_requests(args[0], 1, 10000));
    nb_cancel_set(args[1]);
    return NULL;
}

static void cancel_ends_a_waiting_request(void **state)
{
    struct fixture *f = *state;
    nb_auto(nb_cancel_free) struct nb_cancel *cancel = nb_cancel_new();
    struct http_request req = request(f, "GET", "/");
    void *args[2] = { f->server, cancel };
    int64_t from = nb_clock_mono_ms();
    struct nb_thread *t;

    f->plan.hang = true;
    assert_true(nb_thread_start("cancel", cancel_after_first_request, args, &t, &f->err));
    assert_false(http_client_send(f->client, &req, cancel, &f->res, &f->err));
    nb_thread_join(t);
    assert_int_equal(f->err.code, NB_E_CANCELLED);
    assert_true(nb_clock_mono_ms() - from < 15000);
    assert_false(http_client_send(f->client, &req, cancel, &f->res, &f->err));
    assert_int_equal(fake_http_request_count(f->server), 1);
}

static void client_works_on_after_a_failure(void **state)
{
    struct fixture *f = *state;
    struct http_request req = request(f, "GET", "/");

    f->plan.cut_after_bytes = 10;
    assert_false(send_it(f, &req));
    f->plan.cut_after_bytes = -1;
    fake_http_reply_text(&f->plan, 200, "fine");
    must_send(f, &req);
    assert_string_equal(nb_buf_cstr(&f->res.body), "fine");
}

/* --- TLS ------------------------------------------------------------------------------------- */

static void tls_known_ca_is_accepted(void **state)
{
    struct fixture *f = *state;
    struct http_request req = request(f, "GET", "/");

    open_client(f, &(struct http_client_opts){ .ca_pem = fake_http_ca_pem(f->server) });
    fake_http_reply_text(&f->plan, 200, "safe");
    must_send(f, &req);
    must_send(f, &req);
    assert_string_equal(nb_buf_cstr(&f->res.body), "safe");
    assert_int_equal(fake_http_connection_count(f->server), 1);
}

static void tls_unknown_ca_is_denied_unless_told_otherwise(void **state)
{
    struct fixture *f = *state;
    struct http_request req = request(f, "GET", "/");

    open_client(f, &(struct http_client_opts){ .ca_pem = NULL });
    assert_false(send_it(f, &req));
    assert_int_equal(f->err.code, NB_E_DENIED);
    assert_string_equal(f->err.reason, "TlsVerificationFailed");
    assert_int_equal(fake_http_request_count(f->server), 0);
    open_client(f, &(struct http_client_opts){ .insecure_skip_verify = true });
    must_send(f, &req);
}

static void tls_other_name_is_denied(void **state)
{
    struct fixture *f = *state;
    struct http_request req = request(f, "GET", "/");

    snprintf(f->url, sizeof(f->url), "https://127.0.0.2:%u/", fake_http_port(f->server));
    open_client(f, &(struct http_client_opts){ .ca_pem = fake_http_ca_pem(f->server) });
    assert_false(send_it(f, &req));
    /* 127.0.0.2 is not listened on everywhere; if it is, the name must not pass. */
    assert_true(f->err.code == NB_E_DENIED || f->err.code == NB_E_UNAVAILABLE);
    assert_int_equal(fake_http_request_count(f->server), 0);
}

static void tls_broken_pem_is_invalid(void **state)
{
    struct fixture *f = *state;
    struct http_request req = request(f, "GET", "/");

    open_client(f, &(struct http_client_opts){ .ca_pem = "not a certificate" });
    assert_false(send_it(f, &req));
    assert_int_equal(f->err.code, NB_E_INVALID);
    http_client_free(f->client);
    f->client = NULL;
    assert_false(
        http_client_new(&(struct http_client_opts){ .client_cert_pem = "x" }, &f->client, &f->err));
    assert_int_equal(f->err.code, NB_E_INVALID);
    open_client(f, &(struct http_client_opts){ .insecure_skip_verify = true,
                                               .client_cert_pem = "x",
                                               .client_key_pem = "y" });
    assert_false(send_it(f, &req));
    assert_string_equal(f->err.reason, "InvalidClientCertificate");
}

static void tls_client_certificate_in_memory_is_accepted(void **state)
{
    struct fixture *f = *state;
    struct http_request req = request(f, "GET", "/");

    open_client(f, &(struct http_client_opts){ .ca_pem = fake_http_ca_pem(f->server),
                                               .client_cert_pem = fake_http_ca_pem(f->server),
                                               .client_key_pem = fake_http_key_pem(f->server) });
    must_send(f, &req);
}

static void tls_plain_server_is_no_connection(void **state)
{
    struct fixture *f = *state;
    struct http_request req = request(f, "GET", "/");

    snprintf(f->url, sizeof(f->url), "https://127.0.0.1:%u/", fake_http_port(f->server));
    open_client(f, &(struct http_client_opts){ .connect_timeout_ms = 200 });
    assert_false(send_it(f, &req));
    assert_int_equal(f->err.code, NB_E_TIMEOUT);
    assert_string_equal(f->err.reason, "ConnectTimeout");
}

#define PLAIN_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
#define TLS_TEST(f)   cmocka_unit_test_setup_teardown(f, setup_tls, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        PLAIN_TEST(get_is_sent_as_written_and_answered),
        PLAIN_TEST(headers_are_sent_as_given),
        PLAIN_TEST(header_with_a_line_break_is_refused),
        PLAIN_TEST(put_and_post_without_body_say_length_0),
        PLAIN_TEST(body_of_any_method_and_size_arrives),
        PLAIN_TEST(head_has_headers_and_no_body),
        PLAIN_TEST(proxy_of_the_environment_is_ignored),
        PLAIN_TEST(status_of_any_kind_is_a_response),
        PLAIN_TEST(chunked_body_is_joined),
        PLAIN_TEST(body_above_the_limit_is_a_limit),
        PLAIN_TEST(headers_above_the_limit_are_a_limit),
        PLAIN_TEST(body_is_streamed_and_the_reader_may_stop_it),
        PLAIN_TEST(stream_only_2xx_gathers_error_bodies),
        PLAIN_TEST(refused_connection_is_unavailable),
        PLAIN_TEST(broken_urls_are_refused),
        PLAIN_TEST(unknown_host_is_unavailable),
        PLAIN_TEST(reply_cut_anywhere_is_unavailable),
        PLAIN_TEST(chunked_reply_cut_is_unavailable),
        PLAIN_TEST(closed_without_reply_is_unavailable),
        PLAIN_TEST(silence_is_an_idle_timeout),
        PLAIN_TEST(slow_and_steady_is_no_idle_timeout),
        PLAIN_TEST(whole_request_has_a_deadline_too),
        PLAIN_TEST(second_deadline_is_read_anew_after_every_piece),
        PLAIN_TEST(cancel_ends_a_waiting_request),
        PLAIN_TEST(client_works_on_after_a_failure),
        TLS_TEST(tls_known_ca_is_accepted),
        TLS_TEST(tls_unknown_ca_is_denied_unless_told_otherwise),
        TLS_TEST(tls_other_name_is_denied),
        TLS_TEST(tls_broken_pem_is_invalid),
        TLS_TEST(tls_client_certificate_in_memory_is_accepted),
        PLAIN_TEST(tls_plain_server_is_no_connection),
    };
    int failed;

    http_global_init();
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    http_global_done();
    return failed;
}
