#include "tests/fakes/fake_bolt.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/json.h"
#include "base/mem.h"
#include "bolt/handshake.h"

enum { SIDE_MAX = 64 << 20, REQUESTS_MAX = 256, CLIENT_TIMEOUT_MS = 20000 };

struct fake_bolt {
    const struct fake_bolt_opts *opts;
    int listener, fd;
    uint16_t port;
    char uri[64];
    pthread_t thread;
    bool joined;
    unsigned char hello[BOLT_HANDSHAKE_REQUEST_BYTES];
    struct nb_buf requests; /* one after the other */
    struct frame {
        size_t at, n;
    } frames[REQUESTS_MAX];
    size_t nframes;
    char trouble[256];
};

static void must(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "fake_bolt: %s failed: %s\n", what, strerrordesc_np(errno));
    abort();
}

/* --- what is sent ----------------------------------------------------------------------------- */

static void pack(struct ps_encoder *e, const struct nb_json *j)
{
    switch (nb_json_type(j)) {
    case NB_JSON_NULL:
        ps_put_null(e);
        break;
    case NB_JSON_BOOL:
        ps_put_bool(e, nb_json_bool(j, false));
        break;
    case NB_JSON_INT:
        ps_put_int(e, nb_json_i64(j, 0));
        break;
    case NB_JSON_FLOAT:
        ps_put_float(e, nb_json_f64(j, 0));
        break;
    case NB_JSON_STRING:
        ps_put_cstr(e, nb_json_str(j, ""));
        break;
    case NB_JSON_ARRAY:
        ps_put_list(e, nb_json_count(j));
        for (const struct nb_json *c = nb_json_first(j); c; c = nb_json_next(c))
            pack(e, c);
        break;
    case NB_JSON_OBJECT:
        ps_put_map(e, nb_json_count(j));
        for (const struct nb_json *c = nb_json_first(j); c; c = nb_json_next(c)) {
            ps_put_cstr(e, nb_json_key(c));
            pack(e, c);
        }
        break;
    }
}

void fake_bolt_pack(struct nb_buf *out, const char *json)
{
    struct ps_encoder e = PS_ENCODER_INIT(out);
    nb_auto(nb_free) char *text = nb_xstrdup(json);
    nb_auto(nb_json_free) struct nb_json *j = NULL;
    struct nb_error err = NB_ERROR_INIT;

    for (char *p = text; *p; p++)
        if (*p == '\'')
            *p = '"';
    must(nb_json_parse(text, strlen(text), SIDE_MAX, &j, &err), json);
    pack(&e, j);
}

static void put_chunked(const struct fake_bolt_opts *opts, struct nb_buf *out, const char *p,
                        size_t n)
{
    size_t max = opts->chunk ? opts->chunk : 65535;

    if (opts->noops)
        nb_buf_append(out, "\0\0", 2);
    while (n > 0) {
        size_t k = n < max ? n : max;
        const char head[2] = { (char)(k >> 8), (char)k };

        nb_buf_append(out, head, 2);
        nb_buf_append(out, p, k);
        p += k;
        n -= k;
    }
    nb_buf_append(out, "\0\0", 2);
}

static void put_message(const struct fake_bolt_opts *opts, struct nb_buf *out,
                        const struct fake_bolt_step *s)
{
    nb_auto_done(nb_buf_done) struct nb_buf message = NB_BUF_INIT(SIDE_MAX);
    struct ps_encoder e = PS_ENCODER_INIT(&message);

    ps_put_struct(&e, (uint8_t)s->tag, s->json ? 1 : 0);
    if (s->json)
        fake_bolt_pack(&message, s->json);
    for (unsigned i = 0; i < s->times; i++)
        put_chunked(opts, out, message.data, message.len);
}

static void put_handshake(const struct fake_bolt_opts *opts, struct nb_buf *out)
{
    const char major = (char)opts->version.major, minor = (char)opts->version.minor;

    if (opts->handshake) {
        nb_buf_append(out, opts->handshake, opts->handshake_n);
    } else if (opts->manifest) {
        const char answer[] = { 0, 0, 1,     (char)0xFF, 3, 0, 0, 0, (char)0xF2,
                                0, 0, minor, major,      0, 0, 1, 1, 0 };

        nb_buf_append(out, answer, sizeof(answer));
    } else {
        const char answer[] = { 0, 0, minor, major };

        nb_buf_append(out, answer, sizeof(answer));
    }
}

static void put_step(const struct fake_bolt_opts *opts, struct nb_buf *out,
                     const struct fake_bolt_step *s)
{
    switch (s->kind) {
    case FAKE_KIND_SEND:
        put_message(opts, out, s);
        break;
    case FAKE_KIND_RAW:
        put_chunked(opts, out, s->raw, s->n);
        break;
    case FAKE_KIND_BYTES:
        nb_buf_append(out, s->raw, s->n);
        break;
    case FAKE_KIND_NOOP:
        nb_buf_append(out, "\0\0", 2);
        break;
    default:
        break;
    }
}

void fake_bolt_bytes(const struct fake_bolt_opts *opts, struct nb_buf *out)
{
    put_handshake(opts, out);
    for (const struct fake_bolt_step *s = opts->steps; s->kind != FAKE_KIND_END; s++)
        put_step(opts, out, s);
}

/* --- the peer --------------------------------------------------------------------------------- */

static bool trouble(struct fake_bolt *f, const char *what, unsigned got, unsigned wanted)
{
    (void)snprintf(f->trouble, sizeof(f->trouble), "%s (got 0x%02X, wanted 0x%02X, request %zu)",
                   what, got, wanted, f->nframes);
    return false;
}

static bool read_all(struct fake_bolt *f, void *p, size_t n)
{
    char *to = p;

    while (n > 0) {
        struct pollfd poller = { .fd = f->fd, .events = POLLIN };
        ssize_t got;

        if (poll(&poller, 1, CLIENT_TIMEOUT_MS) <= 0)
            return false;
        got = read(f->fd, to, n);
        if (got <= 0)
            return false;
        to += got;
        n -= (size_t)got;
    }
    return true;
}

/* The client may be gone already: that is for its own test to judge. */
static void write_all(struct fake_bolt *f, const struct nb_buf *b)
{
    const char *p = b->data;
    size_t n = b->len;

    while (n > 0) {
        ssize_t sent = send(f->fd, p, n, MSG_NOSIGNAL);

        if (sent <= 0)
            return;
        p += sent;
        n -= (size_t)sent;
    }
}

static bool read_request(struct fake_bolt *f)
{
    struct nb_buf *b = &f->requests;
    size_t start = b->len;
    unsigned char head[2];

    must(f->nframes < REQUESTS_MAX, "room for requests");
    for (;;) {
        size_t n;
        char *to;

        if (!read_all(f, head, 2))
            return false;
        n = (size_t)head[0] << 8 | head[1];
        if (n == 0)
            break;
        to = nb_buf_reserve(b, n);
        must(to != NULL, "room for a request");
        if (!read_all(f, to, n))
            return false;
        b->len += n;
    }
    f->frames[f->nframes].at = start;
    f->frames[f->nframes++].n = b->len - start;
    return true;
}

static bool expect(struct fake_bolt *f, unsigned tag)
{
    unsigned got;

    if (!read_request(f))
        return trouble(f, "the client said nothing more", 0, tag);
    got = (unsigned char)f->requests.data[f->frames[f->nframes - 1].at + 1];
    return got == tag || trouble(f, "another request was expected", got, tag);
}

static void stall(struct fake_bolt *f)
{
    char byte;

    while (read_all(f, &byte, 1))
        ;
}

static bool answer_handshake(struct fake_bolt *f)
{
    nb_auto_done(nb_buf_done) struct nb_buf out = NB_BUF_INIT(SIDE_MAX);
    unsigned char choice[5];

    if (!read_all(f, f->hello, sizeof(f->hello)))
        return trouble(f, "no handshake came", 0, 0);
    put_handshake(f->opts, &out);
    write_all(f, &out);
    if (!f->opts->manifest || f->opts->handshake)
        return true;
    if (!read_all(f, choice, sizeof(choice)))
        return trouble(f, "no choice of version came", 0, 0);
    return (choice[3] == f->opts->version.major && choice[2] == f->opts->version.minor) ||
           trouble(f, "another version was expected", choice[2], f->opts->version.minor);
}

static bool take_client(struct fake_bolt *f)
{
    struct pollfd poller = { .fd = f->listener, .events = POLLIN };

    if (poll(&poller, 1, CLIENT_TIMEOUT_MS) <= 0)
        return trouble(f, "no client came", 0, 0);
    f->fd = accept4(f->listener, NULL, NULL, SOCK_CLOEXEC);
    must(f->fd >= 0, "accept");
    return true;
}

static bool next_client(struct fake_bolt *f)
{
    close(f->fd);
    f->fd = -1;
    return take_client(f) && answer_handshake(f);
}

static bool follow_script(struct fake_bolt *f)
{
    nb_auto_done(nb_buf_done) struct nb_buf out = NB_BUF_INIT(SIDE_MAX);

    if (!answer_handshake(f))
        return false;
    for (const struct fake_bolt_step *s = f->opts->steps; s->kind != FAKE_KIND_END; s++) {
        if (s->kind == FAKE_KIND_CLOSE)
            return true;
        if (s->kind == FAKE_KIND_STALL)
            stall(f);
        if (s->kind == FAKE_KIND_AGAIN && !next_client(f))
            return false;
        if (s->kind == FAKE_KIND_EXPECT && !expect(f, s->tag))
            return false;
        nb_buf_clear(&out);
        put_step(f->opts, &out, s);
        write_all(f, &out);
    }
    return true;
}

static void *serve(void *arg)
{
    struct fake_bolt *f = arg;

    if (!take_client(f))
        return NULL;
    (void)follow_script(f);
    if (f->fd >= 0)
        close(f->fd);
    return NULL;
}

struct fake_bolt *fake_bolt_start(const struct fake_bolt_opts *opts)
{
    struct fake_bolt *f = NB_NEW(struct fake_bolt);
    struct sockaddr_in a = { .sin_family = AF_INET };
    socklen_t n = sizeof(a);

    f->opts = opts;
    nb_buf_init(&f->requests, SIDE_MAX);
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    f->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    must(f->listener >= 0 && bind(f->listener, (struct sockaddr *)&a, sizeof(a)) == 0 &&
             listen(f->listener, 1) == 0 &&
             getsockname(f->listener, (struct sockaddr *)&a, &n) == 0,
         "listen");
    f->port = ntohs(a.sin_port);
    (void)snprintf(f->uri, sizeof(f->uri), "bolt://127.0.0.1:%u", f->port);
    must(pthread_create(&f->thread, NULL, serve, f) == 0, "pthread_create");
    return f;
}

uint16_t fake_bolt_port(const struct fake_bolt *f)
{
    return f->port;
}

const char *fake_bolt_uri(const struct fake_bolt *f)
{
    return f->uri;
}

const char *fake_bolt_wait(struct fake_bolt *f)
{
    if (!f->joined)
        must(pthread_join(f->thread, NULL) == 0, "pthread_join");
    f->joined = true;
    return f->trouble[0] ? f->trouble : NULL;
}

size_t fake_bolt_nrequests(const struct fake_bolt *f)
{
    return f->nframes;
}

struct nb_str fake_bolt_request(const struct fake_bolt *f, size_t i)
{
    must(i < f->nframes, "request");
    return (struct nb_str){ f->requests.data + f->frames[i].at, f->frames[i].n };
}

struct nb_str fake_bolt_hello_bytes(const struct fake_bolt *f)
{
    return (struct nb_str){ (const char *)f->hello, sizeof(f->hello) };
}

void fake_bolt_free(struct fake_bolt *f)
{
    if (!f)
        return;
    (void)fake_bolt_wait(f);
    close(f->listener);
    nb_buf_done(&f->requests);
    free(f);
}
