#include "controller/web/server.h"

#include <errno.h>
#include <libwebsockets.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/thread.h"

enum {
    BODY_MAX = 32 << 20,
    PIECE = 8192,
    HEAD_MAX = 2048,
    CONNECTIONS_MAX = 32,
    REQUEST_SECONDS = 10,
    KEEPALIVE_SECONDS = 30,
    KEPT_MAX = 4 /* answers of one route in memory, where they are kept */
};

/* An answer, for all connections that get it. Counted; only the server's thread has to do with it. */
struct page {
    unsigned refs;
    unsigned *alive; /* of its route; NULL: not kept */
    int status;
    const char *content_type;
    char *body;
    size_t length;
    int64_t made_mono_ms;
};

/* Of each route. */
struct kept {
    struct page *newest;
    unsigned alive;
};

struct web_server {
    struct web_server_opts opts;
    struct web_address address;
    struct lws_context *context;
    struct lws_vhost *vhost;
    struct nb_thread *thread;
    struct kept *kept; /* as many as routes */
    int stop;          /* atomic */
};

/* libwebsockets' memory for one connection, zeroed by it. */
struct session {
    struct page *page;
    size_t sent;
};

static void page_unref(struct page *p)
{
    if (!p || --p->refs > 0)
        return;
    if (p->alive)
        --*p->alive;
    free(p->body);
    free(p);
}

static void session_done(struct session *s)
{
    page_unref(s->page);
    *s = (struct session){ 0 };
}

static const struct web_route *find_route(const struct web_server *s, const char *path)
{
    for (size_t i = 0; i < s->opts.route_count; i++)
        if (strcmp(s->opts.routes[i].path, path) == 0)
            return &s->opts.routes[i];
    return NULL;
}

/* 0: go on; else what the callback returns: the connection is closed. */
static int send_head(struct lws *wsi, const struct page *page)
{
    static const char no_store[] = "no-store";
    unsigned char buffer[LWS_PRE + HEAD_MAX], *start = buffer + LWS_PRE, *p = start,
                                              *end = buffer + sizeof(buffer) - 1;

    if (lws_add_http_common_headers(wsi, (unsigned)page->status, page->content_type,
                                    (lws_filepos_t)page->length, &p, end) ||
        lws_add_http_header_by_token(wsi, WSI_TOKEN_HTTP_CACHE_CONTROL,
                                     (const unsigned char *)no_store, (int)sizeof(no_store) - 1, &p,
                                     end) ||
        lws_finalize_write_http_header(wsi, start, &p, end))
        return 1;
    return 0;
}

static int complete(struct lws *wsi, struct session *session)
{
    session_done(session);
    return lws_http_transaction_completed(wsi) ? -1 : 0;
}

/* route NULL: none of that path. refused: 0, or the status. */
static struct page *page_new(const struct web_route *route, int refused)
{
    struct web_reply reply = { .status = 200, .content_type = "text/plain; charset=utf-8" };
    struct page *page = NB_NEW(struct page);

    nb_buf_init(&reply.body, BODY_MAX);
    if (refused)
        reply.status = refused;
    else
        route->handler(route->ctx, &reply);
    if (reply.body.overflow) {
        nb_buf_clear(&reply.body);
        reply.status = 500;
    }
    if (reply.body.len == 0 && reply.status >= 400)
        nb_buf_printf(&reply.body, "%d\n", reply.status);
    page->refs = 1;
    page->status = reply.status;
    page->content_type = reply.content_type;
    page->length = reply.body.len;
    page->body = nb_buf_take(&reply.body);
    page->made_mono_ms = nb_clock_mono_ms();
    nb_buf_done(&reply.body);
    return page;
}

/* The newest answer of a route that keeps them, or a newer one. */
static struct page *page_kept(const struct web_route *route, struct kept *kept)
{
    struct page *newest = kept->newest;
    bool stale = !newest || nb_clock_mono_ms() - newest->made_mono_ms >= route->keep_ms;

    /* One that nobody else reads makes room for the new one. */
    if (stale && (!newest || newest->refs == 1 || kept->alive < KEPT_MAX)) {
        page_unref(newest);
        kept->newest = newest = page_new(route, 0);
        newest->alive = &kept->alive;
        kept->alive++;
    }
    newest->refs++;
    return newest;
}

static struct page *page_for(struct web_server *s, const char *path, bool allowed)
{
    const struct web_route *route = find_route(s, path);

    if (!allowed || !route)
        return page_new(NULL, allowed ? 404 : 405);
    return route->keep_ms > 0 ? page_kept(route, &s->kept[route - s->opts.routes])
                              : page_new(route, 0);
}

static int answer(struct web_server *s, struct lws *wsi, struct session *session, const char *path)
{
    bool is_head = lws_hdr_total_length(wsi, WSI_TOKEN_HEAD_URI) > 0;
    bool is_get = lws_hdr_total_length(wsi, WSI_TOKEN_GET_URI) > 0;

    session_done(session);
    session->page = page_for(s, path, is_get || is_head);
    if (send_head(wsi, session->page))
        return -1;
    if (is_head || session->page->length == 0)
        return complete(wsi, session);
    lws_callback_on_writable(wsi);
    return 0;
}

static int send_piece(struct lws *wsi, struct session *session)
{
    unsigned char buffer[LWS_PRE + PIECE];
    const struct page *page = session->page;
    size_t left, n;

    if (!page)
        return 0;
    left = page->length - session->sent;
    n = left < PIECE ? left : PIECE;
    memcpy(buffer + LWS_PRE, page->body + session->sent, n);
    if (lws_write(wsi, buffer + LWS_PRE, n, n == left ? LWS_WRITE_HTTP_FINAL : LWS_WRITE_HTTP) <
        (int)n)
        return -1;
    session->sent += n;
    if (n == left)
        return complete(wsi, session);
    lws_callback_on_writable(wsi);
    return 0;
}

static int on_http(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                   size_t len)
{
    struct lws_context *context = lws_get_context(wsi);
    struct web_server *s = context ? lws_context_user(context) : NULL;

    switch ((int)reason) {
    case LWS_CALLBACK_HTTP:
        return s && user ? answer(s, wsi, user, in) : -1;
    case LWS_CALLBACK_HTTP_WRITEABLE:
        return user ? send_piece(wsi, user) : -1;
    case LWS_CALLBACK_CLOSED_HTTP:
    case LWS_CALLBACK_HTTP_DROP_PROTOCOL:
        if (user)
            session_done(user);
        return 0;
    case LWS_CALLBACK_FILTER_NETWORK_CONNECTION:
    case LWS_CALLBACK_EVENT_WAIT_CANCELLED:
        return 0;
    case LWS_CALLBACK_HTTP_BODY: /* nobody may send us one */
        return -1;
    default:
        return lws_callback_http_dummy(wsi, reason, user, in, len);
    }
}

static void on_log(int level, const char *line)
{
    nb_auto(nb_free) char *text = nb_xstrndup(line, strcspn(line, "\n"));

    nb_log(level & (LLL_ERR | LLL_WARN) ? NB_LOG_WARN : NB_LOG_DEBUG, "web server",
           NB_F_STR("text", text), NB_F_END);
}

static void *server_main(void *arg)
{
    struct web_server *s = arg;

    while (!__atomic_load_n(&s->stop, __ATOMIC_ACQUIRE) && lws_service(s->context, 0) >= 0)
        ;
    return NULL;
}

static bool have_ipv6(void)
{
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool have = fd >= 0;

    if (have)
        close(fd);
    return have;
}

static const struct lws_protocols protocols[] = {
    { .name = "http", .callback = on_http, .per_session_data_size = sizeof(struct session) },
    { .name = NULL }
};

static bool listen_on(struct web_server *s, struct nb_error *err)
{
    struct lws_context_creation_info info = { 0 };

    info.port = CONTEXT_PORT_NO_LISTEN_SERVER;
    info.options = LWS_SERVER_OPTION_EXPLICIT_VHOSTS | LWS_SERVER_OPTION_FAIL_UPON_UNABLE_TO_BIND |
                   LWS_SERVER_OPTION_HTTP_HEADERS_SECURITY_BEST_PRACTICES_ENFORCE;
    if (!s->address.is_ipv6 && (s->address.host[0] || !have_ipv6()))
        info.options |= LWS_SERVER_OPTION_DISABLE_IPV6;
    info.gid = -1;
    info.uid = -1;
    info.fd_limit_per_thread =
        CONNECTIONS_MAX + 8; /* else one slot per file that the limit allows */
    info.max_http_header_data = 4096;
    info.max_http_header_pool = CONNECTIONS_MAX;
    info.pt_serv_buf_size = 4096;
    info.timeout_secs = REQUEST_SECONDS;
    info.user = s;
    info.protocols = protocols;
    info.vhost_name = "controller";
    info.server_string = "neo4j-backup";
    info.keepalive_timeout = KEEPALIVE_SECONDS;
    s->context = lws_create_context(&info);
    if (!s->context)
        return nb_fail(err, NB_E_INTERNAL, "WebServerFailed", "web server cannot be set up");
    info.port = (int)s->address.port;
    info.iface = s->address.host[0] ? s->address.host : NULL;
    s->vhost = lws_create_vhost(s->context, &info);
    return s->vhost ||
           nb_fail(err, NB_E_UNAVAILABLE, "AddressInUse", "cannot listen on '%s'", s->opts.listen);
}

bool web_server_start(const struct web_server_opts *opts, struct web_server **ret,
                      struct nb_error *err)
{
    nb_auto(web_server_stop) struct web_server *s = NB_NEW(struct web_server);

    s->opts = *opts;
    s->kept = nb_xcalloc(opts->route_count + 1, sizeof(struct kept));
    if (!web_address_parse(opts->listen, &s->address, err))
        return false;
    lws_set_log_level(LLL_ERR | LLL_WARN, on_log);
    if (!listen_on(s, err) || !nb_thread_start("web", server_main, s, &s->thread, err))
        return false;
    *ret = nb_steal(s);
    return true;
}

void web_server_stop(struct web_server *s)
{
    if (!s)
        return;
    if (s->thread) {
        __atomic_store_n(&s->stop, 1, __ATOMIC_RELEASE);
        lws_cancel_service(s->context);
        nb_thread_join(s->thread);
    }
    if (s->context)
        lws_context_destroy(s->context);
    for (size_t i = 0; i < s->opts.route_count; i++)
        page_unref(s->kept[i].newest);
    free(s->kept);
    free(s);
}

unsigned web_server_port(const struct web_server *s)
{
    return (unsigned)lws_get_vhost_listen_port(s->vhost);
}
