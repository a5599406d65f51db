#ifndef NB_WEB_SERVER_H
#define NB_WEB_SERVER_H

/*
 * web_server: a small HTTP/1.1 server for what the controller shows of itself: fixed paths, GET
 * and HEAD only, no files, no TLS, no query arguments (the only user of libwebsockets). At most
 * 32 connections, 4 KiB of request headers, 10 s for a request to come in. Handlers run on the
 * server's one thread and must not wait.
 */

#include "base/buf.h"

struct web_reply {
    int status;               /* 200 at first */
    const char *content_type; /* static; "text/plain; charset=utf-8" at first */
    struct nb_buf body;       /* up to 32 MiB */
};
typedef void(web_handler)(void *ctx, struct web_reply *reply);
struct web_route {
    const char *path; /* exact */
    web_handler *handler;
    void *ctx;
    /* So long an answer is given again, to whoever asks; 0: each gets its own. Of one that takes
     * long to make or is large, at most 4 are in memory, however slowly they are read: while all
     * are, the newest is given again whatever its age. */
    int64_t keep_ms;
};

struct web_server_opts {
    const char *listen;             /* ":8080", "127.0.0.1:8080", "[::1]:0" */
    const struct web_route *routes; /* must outlive the server */
    size_t route_count;
};

struct web_server;
NB_NODISCARD bool web_server_start(const struct web_server_opts *opts, struct web_server **ret,
                                   struct nb_error *err);
void web_server_stop(struct web_server *s);
NB_AUTO_DEFINE(struct web_server *, web_server_stop)
unsigned web_server_port(const struct web_server *s);

/* Pure: host "" means every address. */
struct web_address {
    char host[64];
    bool is_ipv6;
    unsigned port;
};
NB_NODISCARD bool web_address_parse(const char *text, struct web_address *ret,
                                    struct nb_error *err);

#endif
