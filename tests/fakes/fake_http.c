#include "tests/fakes/fake_http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/thread.h"
#include "tests/fakes/fake_tls.h"

enum { HEAD_MAX = 1 << 20, BODY_MAX = 512 << 20, READ_STEP = 64 << 10, CHUNK_BYTES = 1024 };

struct connection {
    struct fake_http *server;
    struct connection *next;
    pthread_t thread;
    unsigned number;
    int fd; /* -1 once closed; changed under server->lock */
    SSL *ssl;
    struct nb_buf in;
};

struct fake_http {
    fake_http_handler *handler;
    void *ctx;
    int listen_fd;
    char url[64];
    unsigned port;
    struct fake_tls *tls; /* NULL: plain */
    struct nb_cancel *stop;
    pthread_t acceptor;
    pthread_mutex_t handler_lock;
    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t changed;
    struct connection *connections;
    unsigned connection_count, request_count;
    unsigned rate;       /* bytes a second; 0: any */
    int64_t rate_due_us; /* when what was read until now has had its time */
};

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "fake_http: %s: %s\n", what, strerror(errno));
    abort();
}

/* --- bytes ----------------------------------------------------------------------------------- */

/* 0: the connection is over, in whatever way. */
static size_t receive(struct connection *c, void *p, size_t n)
{
    ssize_t got;

    if (c->ssl) {
        int rc = SSL_read(c->ssl, p, (int)n);

        ERR_clear_error();
        return rc > 0 ? (size_t)rc : 0;
    }
    do
        got = recv(c->fd, p, n, 0);
    while (got < 0 && errno == EINTR);
    return got > 0 ? (size_t)got : 0;
}

static bool send_bytes(struct connection *c, const char *p, size_t n)
{
    while (n) {
        ssize_t done;

        if (c->ssl) {
            done = SSL_write(c->ssl, p, n > INT32_MAX ? INT32_MAX : (int)n);
            ERR_clear_error();
        } else {
            done = send(c->fd, p, n, MSG_NOSIGNAL);
        }
        if (done < 0 && !c->ssl && errno == EINTR)
            continue;
        if (done <= 0)
            return false;
        p += done;
        n -= (size_t)done;
    }
    return true;
}

/* --- the request ----------------------------------------------------------------------------- */

/* A slow line: what is not read yet fills the sockets' buffers, and then the peer waits. */
static bool keep_rate(struct connection *c, size_t n)
{
    struct fake_http *f = c->server;
    struct nb_error err = NB_ERROR_INIT;
    int64_t now = nb_clock_mono_ms() * 1000, wait_ms = 0;

    pthread_mutex_lock(&f->lock);
    if (f->rate) {
        if (f->rate_due_us < now)
            f->rate_due_us = now;
        f->rate_due_us += (int64_t)n * 1000000 / f->rate;
        wait_ms = (f->rate_due_us - now) / 1000;
    }
    pthread_mutex_unlock(&f->lock);
    return wait_ms == 0 || nb_cancel_sleep(f->stop, wait_ms, &err);
}

static bool fill(struct connection *c)
{
    char *to = nb_buf_reserve(&c->in, READ_STEP);
    size_t n;

    if (!to)
        die("request is too large");
    n = receive(c, to, READ_STEP);
    c->in.len += n;
    return n > 0 && keep_rate(c, n);
}

const char *fake_http_request_header(const struct fake_http_request *req, const char *name,
                                     char *out, size_t n)
{
    size_t name_n = strlen(name);

    for (const char *at = req->headers; *at;) {
        size_t line_n = strcspn(at, "\n");

        if (line_n >= name_n + 2 && strncmp(at, name, name_n) == 0 && at[name_n] == ':') {
            snprintf(out, n, "%.*s", (int)(line_n - name_n - 2), at + name_n + 2);
            return out;
        }
        at += line_n + (at[line_n] == '\n');
    }
    return NULL;
}

const char *fake_http_request_param(const struct fake_http_request *req, const char *name,
                                    char *out, size_t n)
{
    size_t name_n = strlen(name);

    for (const char *at = req->query; *at;) {
        size_t part_n = strcspn(at, "&");

        if (part_n >= name_n && strncmp(at, name, name_n) == 0 &&
            (part_n == name_n || at[name_n] == '=')) {
            size_t skip = name_n + (part_n > name_n);

            snprintf(out, n, "%.*s", (int)(part_n - skip), at + skip);
            return out;
        }
        at += part_n + (at[part_n] == '&');
    }
    return NULL;
}

/* Names in lower case, one blank after the colon, '\n' at the end. */
static void normalise_headers(const char *raw, struct nb_buf *out)
{
    while (*raw) {
        size_t n = strcspn(raw, "\r\n");
        const char *colon = memchr(raw, ':', n), *value = colon ? colon + 1 : raw;

        if (colon) {
            for (const char *p = raw; p < colon; p++)
                nb_buf_putc(out, *p >= 'A' && *p <= 'Z' ? (char)(*p | 0x20) : *p);
            value += strspn(value, " \t");
            nb_buf_printf(out, ": %.*s\n", (int)(n - (size_t)(value - raw)), value);
        }
        raw += n;
        raw += strspn(raw, "\r\n");
    }
}

/* Waits for the body after head_n bytes of head and says how long it is. */
static bool read_body(struct connection *c, const struct fake_http_request *req, size_t head_n,
                      size_t *ret)
{
    char text[32];
    int64_t length = 0;

    if (fake_http_request_header(req, "transfer-encoding", text, sizeof(text)))
        die("request with Transfer-Encoding is not supported");
    if (fake_http_request_header(req, "content-length", text, sizeof(text)) &&
        !nb_parse_i64(text, 0, BODY_MAX, &length))
        die("request with a broken Content-Length");
    while (c->in.len < head_n + (size_t)length) {
        if (!fill(c))
            return false;
    }
    *ret = (size_t)length;
    return true;
}

struct parsed {
    struct fake_http_request req;
    char *head, *method, *target, *path;
    struct nb_buf headers;
    size_t head_n;
};

static void parsed_done(struct parsed *p)
{
    free(p->head);
    free(p->method);
    free(p->target);
    free(p->path);
    nb_buf_done(&p->headers);
}

static bool read_request(struct connection *c, struct parsed *p)
{
    const char *end, *space, *line_end, *rest;
    size_t body_n;

    while (!(end = c->in.len ? memmem(c->in.data, c->in.len, "\r\n\r\n", 4) : NULL)) {
        if (!fill(c))
            return false;
    }
    p->head_n = (size_t)(end - c->in.data) + 4;
    p->head = nb_xstrndup(c->in.data, p->head_n);
    space = strchr(p->head, ' ');
    line_end = strstr(p->head, "\r\n");
    rest = space ? strchr(space + 1, ' ') : NULL;
    if (!space || !rest || rest > line_end)
        die("not an HTTP request line");
    p->method = nb_xstrndup(p->head, (size_t)(space - p->head));
    p->target = nb_xstrndup(space + 1, (size_t)(rest - space - 1));
    p->path = nb_xstrndup(p->target, strcspn(p->target, "?"));
    nb_buf_init(&p->headers, HEAD_MAX * 2);
    normalise_headers(line_end + 2, &p->headers);
    p->req.method = p->method;
    p->req.target = p->target;
    p->req.path = p->path;
    p->req.query = strchr(p->target, '?') ? strchr(p->target, '?') + 1 : "";
    p->req.headers = nb_buf_cstr(&p->headers);
    p->req.raw_head = p->head;
    p->req.connection = c->number;
    if (!read_body(c, &p->req, p->head_n, &body_n))
        return false;
    p->req.body = (struct nb_str){ c->in.data + p->head_n, body_n };
    return true;
}

/* --- the reply ------------------------------------------------------------------------------- */

void fake_http_reply_header(struct fake_http_reply *r, const char *name, const char *value)
{
    nb_buf_printf(&r->headers, "%s: %s\r\n", name, value);
}

void fake_http_reply_text(struct fake_http_reply *r, int status, const char *body)
{
    r->status = status;
    nb_buf_puts(&r->body, body);
}

void fake_http_reply_json(struct fake_http_reply *r, int status, const char *json)
{
    fake_http_reply_header(r, "Content-Type", "application/json");
    fake_http_reply_text(r, status, json);
}

static void put_chunk(struct nb_buf *out, const char *p, size_t n)
{
    nb_buf_printf(out, "%zx\r\n", n);
    nb_buf_append(out, p, n);
    nb_buf_puts(out, "\r\n");
}

static void put_chunks(struct nb_buf *out, const struct fake_http_reply *r)
{
    size_t step = r->chunk_bytes ? r->chunk_bytes : CHUNK_BYTES;

    for (size_t at = 0; at < r->body.len; at += step)
        put_chunk(out, r->body.data + at, r->body.len - at < step ? r->body.len - at : step);
    if (!r->more)
        nb_buf_puts(out, "0\r\n\r\n");
}

static void put_reply(struct nb_buf *out, const struct fake_http_reply *r, bool head_only)
{
    bool bodiless = r->status == 204 || r->status == 304 || r->status / 100 == 1;

    nb_buf_printf(out, "HTTP/1.1 %d Scripted\r\n%s", r->status, nb_buf_cstr(&r->headers));
    if (r->close)
        nb_buf_puts(out, "Connection: close\r\n");
    if (r->chunked)
        nb_buf_puts(out, "Transfer-Encoding: chunked\r\n");
    else if (!r->no_length && !bodiless)
        nb_buf_printf(out, "Content-Length: %ld\r\n", (long)r->body.len + r->length_off);
    nb_buf_puts(out, "\r\n");
    if (head_only || bodiless)
        return;
    if (r->chunked)
        put_chunks(out, r);
    else
        nb_buf_append(out, r->body.data, r->body.len);
}

static bool pause_ms(struct connection *c, long ms)
{
    struct nb_error err = NB_ERROR_INIT;

    return nb_cancel_sleep(c->server->stop, ms, &err);
}

static void hang(struct connection *c)
{
    struct nb_error err = NB_ERROR_INIT;
    bool gone = nb_cancel_poll(c->server->stop, c->fd, POLLRDHUP, -1, &err);

    (void)gone; /* either way it is over */
}

static void make_reset(struct connection *c)
{
    struct linger now = { .l_onoff = 1, .l_linger = 0 };

    setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
}

static bool send_more(struct connection *c, struct fake_http_reply *r)
{
    nb_auto_done(nb_buf_done) struct nb_buf more = NB_BUF_INIT(BODY_MAX);
    nb_auto_done(nb_buf_done) struct nb_buf wire = NB_BUF_INIT(BODY_MAX);

    while (r->more(r->more_ctx, &more)) {
        if (more.len == 0)
            continue;
        nb_buf_clear(&wire);
        if (r->chunked)
            put_chunk(&wire, more.data, more.len);
        else
            nb_buf_append(&wire, more.data, more.len);
        nb_buf_clear(&more);
        if (!send_bytes(c, wire.data, wire.len))
            return false;
    }
    if (r->gone_after_more)
        return false;
    return !r->chunked || send_bytes(c, "0\r\n\r\n", 5);
}

/* True: the connection goes on. */
static bool send_reply(struct connection *c, struct fake_http_reply *r, bool head_only)
{
    nb_auto_done(nb_buf_done) struct nb_buf wire = NB_BUF_INIT(BODY_MAX + HEAD_MAX);
    size_t n, first;

    put_reply(&wire, r, head_only);
    n = wire.len;
    if (r->hang && r->cut_after_bytes < 0)
        n = 0;
    if (r->cut_after_bytes >= 0 && (size_t)r->cut_after_bytes < n)
        n = (size_t)r->cut_after_bytes;
    first = r->stall_after_bytes < 0 ? 0 : (size_t)r->stall_after_bytes;
    first = first < n ? first : n;
    if (first && !send_bytes(c, wire.data, first))
        return false;
    if (r->stall_ms && !pause_ms(c, r->stall_ms))
        return false;
    if (!send_bytes(c, wire.data + first, n - first))
        return false;
    if (r->hang)
        hang(c);
    if (r->reset)
        make_reset(c);
    if (r->hang || r->reset || n < wire.len)
        return false;
    if (r->more && !send_more(c, r))
        return false;
    return !r->close && !r->no_length && !r->length_off;
}

/* --- connections ----------------------------------------------------------------------------- */

static bool answer(struct connection *c, struct parsed *p)
{
    struct fake_http *f = c->server;
    struct fake_http_reply r = { .status = 200, .cut_after_bytes = -1, .stall_after_bytes = -1 };
    bool go_on;

    nb_buf_init(&r.headers, HEAD_MAX);
    nb_buf_init(&r.body, BODY_MAX);
    pthread_mutex_lock(&f->handler_lock);
    pthread_mutex_lock(&f->lock);
    p->req.number = ++f->request_count;
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->lock);
    go_on = f->handler(f->ctx, &p->req, &r);
    pthread_mutex_unlock(&f->handler_lock);
    go_on = go_on && send_reply(c, &r, strcmp(p->method, "HEAD") == 0);
    nb_buf_consume(&c->in, p->head_n + p->req.body.n);
    nb_buf_done(&r.headers);
    nb_buf_done(&r.body);
    return go_on;
}

static bool start_tls(struct connection *c)
{
    if (!c->server->tls)
        return true;
    c->ssl = SSL_new(fake_tls_ctx(c->server->tls));
    if (!c->ssl || SSL_set_fd(c->ssl, c->fd) != 1)
        die("SSL_new");
    /* The client may well refuse us: that is what some tests are about. */
    if (SSL_accept(c->ssl) == 1)
        return true;
    ERR_clear_error();
    return false;
}

static void *serve(void *arg)
{
    struct connection *c = arg;
    bool go_on = start_tls(c);

    while (go_on && !nb_cancel_is_set(c->server->stop)) {
        struct parsed p = { 0 };

        go_on = read_request(c, &p) && answer(c, &p);
        parsed_done(&p);
    }
    SSL_free(c->ssl);
    nb_buf_done(&c->in);
    pthread_mutex_lock(&c->server->lock);
    close(c->fd);
    c->fd = -1;
    pthread_mutex_unlock(&c->server->lock);
    return NULL;
}

static void add_connection(struct fake_http *f, int fd)
{
    struct connection *c = NB_NEW(struct connection);
    int on = 1;

    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    c->server = f;
    c->fd = fd;
    nb_buf_init(&c->in, (size_t)BODY_MAX + HEAD_MAX);
    pthread_mutex_lock(&f->lock);
    c->number = ++f->connection_count;
    c->next = f->connections;
    f->connections = c;
    if (pthread_create(&c->thread, NULL, serve, c) != 0)
        die("pthread_create");
    pthread_mutex_unlock(&f->lock);
}

static void *accept_all(void *arg)
{
    struct fake_http *f = arg;
    struct nb_error err = NB_ERROR_INIT;

    while (nb_cancel_poll(f->stop, f->listen_fd, POLLIN, -1, &err)) {
        int fd = accept4(f->listen_fd, NULL, NULL, SOCK_CLOEXEC);

        if (fd >= 0)
            add_connection(f, fd);
    }
    return NULL;
}

static void listen_anywhere(struct fake_http *f)
{
    struct sockaddr_in at = { .sin_family = AF_INET };
    socklen_t n = sizeof(at);

    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    f->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (f->listen_fd < 0 || bind(f->listen_fd, (const struct sockaddr *)&at, sizeof(at)) != 0 ||
        listen(f->listen_fd, 128) != 0 ||
        getsockname(f->listen_fd, (struct sockaddr *)&at, &n) != 0)
        die("listen on 127.0.0.1");
    f->port = ntohs(at.sin_port);
    snprintf(f->url, sizeof(f->url), "%s://127.0.0.1:%u", f->tls ? "https" : "http", f->port);
}

static struct fake_http *start(fake_http_handler *handler, void *ctx, bool tls)
{
    struct fake_http *f = NB_NEW(struct fake_http);

    signal(SIGPIPE, SIG_IGN);
    f->handler = handler;
    f->ctx = ctx;
    f->tls = tls ? fake_tls_new() : NULL;
    f->stop = nb_cancel_new();
    nb_mutex_init(&f->lock);
    nb_mutex_init(&f->handler_lock);
    nb_cond_init(&f->changed);
    listen_anywhere(f);
    if (pthread_create(&f->acceptor, NULL, accept_all, f) != 0)
        die("pthread_create");
    return f;
}

struct fake_http *fake_http_new(fake_http_handler *handler, void *ctx)
{
    return start(handler, ctx, false);
}

struct fake_http *fake_http_new_tls(fake_http_handler *handler, void *ctx)
{
    return start(handler, ctx, true);
}

void fake_http_free(struct fake_http *f)
{
    struct connection *c;

    if (!f)
        return;
    nb_cancel_set(f->stop);
    pthread_join(f->acceptor, NULL);
    pthread_mutex_lock(&f->lock);
    for (c = f->connections; c; c = c->next) {
        if (c->fd >= 0)
            shutdown(c->fd, SHUT_RDWR);
    }
    pthread_mutex_unlock(&f->lock);
    while ((c = f->connections)) {
        pthread_join(c->thread, NULL);
        f->connections = c->next;
        free(c);
    }
    close(f->listen_fd);
    fake_tls_free(f->tls);
    nb_cancel_free(f->stop);
    pthread_cond_destroy(&f->changed);
    pthread_mutex_destroy(&f->lock);
    pthread_mutex_destroy(&f->handler_lock);
    free(f);
}

const char *fake_http_url(const struct fake_http *f)
{
    return f->url;
}

unsigned fake_http_port(const struct fake_http *f)
{
    return f->port;
}

const char *fake_http_ca_pem(const struct fake_http *f)
{
    return f->tls ? fake_tls_pem(f->tls) : NULL;
}

const char *fake_http_key_pem(const struct fake_http *f)
{
    return f->tls ? fake_tls_key_pem(f->tls) : NULL;
}

unsigned fake_http_request_count(struct fake_http *f)
{
    unsigned n;

    pthread_mutex_lock(&f->lock);
    n = f->request_count;
    pthread_mutex_unlock(&f->lock);
    return n;
}

unsigned fake_http_connection_count(struct fake_http *f)
{
    unsigned n;

    pthread_mutex_lock(&f->lock);
    n = f->connection_count;
    pthread_mutex_unlock(&f->lock);
    return n;
}

bool fake_http_wait_requests(struct fake_http *f, unsigned count, long timeout_ms)
{
    int64_t deadline = nb_clock_mono_ms() + timeout_ms;
    bool ok = true;

    pthread_mutex_lock(&f->lock);
    while (ok && f->request_count < count)
        ok = nb_cond_wait(&f->changed, &f->lock, deadline);
    ok = f->request_count >= count;
    pthread_mutex_unlock(&f->lock);
    return ok;
}

void fake_http_set_rate(struct fake_http *f, unsigned bytes_per_second)
{
    pthread_mutex_lock(&f->lock);
    f->rate = bytes_per_second;
    pthread_mutex_unlock(&f->lock);
}

void fake_http_lock(struct fake_http *f)
{
    pthread_mutex_lock(&f->handler_lock);
}

void fake_http_unlock(struct fake_http *f)
{
    pthread_mutex_unlock(&f->handler_lock);
}

/* --- scripts --------------------------------------------------------------------------------- */

static const char *step_mismatch(const struct fake_http_step *step,
                                 const struct fake_http_request *req)
{
    if (step->method && strcmp(step->method, req->method) != 0)
        return step->method;
    if (step->target && strcmp(step->target, req->target) != 0)
        return step->target;
    if (step->body && !nb_str_is(req->body, step->body))
        return step->body;
    if (step->header) {
        nb_auto(nb_free) char *line = nb_xasprintf("\n%s\n", step->header);
        nb_auto(nb_free) char *all = nb_xasprintf("\n%s", req->headers);

        if (!strstr(all, line))
            return step->header;
    }
    return NULL;
}

bool fake_http_script_handler(void *ctx, const struct fake_http_request *req,
                              struct fake_http_reply *reply)
{
    struct fake_http_script *s = ctx;
    const struct fake_http_step *step = s->next < s->count ? &s->steps[s->next] : NULL;
    const char *wanted = step ? step_mismatch(step, req) : "no more requests";

    if (wanted) {
        if (!s->mismatch[0])
            snprintf(s->mismatch, sizeof(s->mismatch), "request %zu: wanted '%s', got '%s %s'",
                     s->next + 1, wanted, req->method, req->target);
        fake_http_reply_text(reply, 599, "not in the script");
        return true;
    }
    s->next++;
    if (step->reply_headers)
        nb_buf_puts(&reply->headers, step->reply_headers);
    fake_http_reply_text(reply, step->status, step->reply_body ? step->reply_body : "");
    reply->stall_ms = step->stall_ms;
    if (step->cut_after_bytes > 0)
        reply->cut_after_bytes = step->cut_after_bytes;
    return step->cut_after_bytes >= 0;
}

bool fake_http_script_ok(struct fake_http *f, struct fake_http_script *s)
{
    bool ok;

    fake_http_lock(f);
    if (!s->mismatch[0] && s->next < s->count)
        snprintf(s->mismatch, sizeof(s->mismatch), "only %zu of %zu requests came", s->next,
                 s->count);
    ok = !s->mismatch[0];
    if (!ok)
        fprintf(stderr, "fake_http: %s\n", s->mismatch);
    fake_http_unlock(f);
    return ok;
}
