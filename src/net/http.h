#ifndef NB_NET_HTTP_H
#define NB_NET_HTTP_H

/*
 * http_client: HTTP/1.1 requests (the only user of libcurl). Connections are reused. A client belongs to one thread at a time;
 * make one per thread. TLS 1.2 or newer, verified unless told otherwise; redirects are never followed; no proxy
 * unless opts name one; `Expect: 100-continue` is never sent; response headers and buffered bodies are bounded.
 */

#include <stddef.h>

#include "base/buf.h"
#include "base/cancel.h"

struct http_client;

struct http_client_opts {
    const char *ca_pem; /* PEM text; NULL: the system's store */
    bool insecure_skip_verify;
    const char *client_cert_pem, *client_key_pem; /* NULL: none */
    int64_t connect_timeout_ms;                   /* 0: 10 s */
    int64_t idle_timeout_ms; /* no byte in either direction for so long: NB_E_TIMEOUT; 0: 60 s */
    size_t
        buffer_bytes; /* for sending and for receiving, kept from one request to the next; 0: 64 KiB */
    const char *user_agent; /* NULL: "neo4j-backup/<version>" */
};

struct http_header {
    const char *name, *value;
};

/* Streams the response body; false (err set) ends the request with that error. */
typedef bool(http_body_fn)(void *ctx, const char *p, size_t n, struct nb_error *err);

struct http_request {
    const char *method;
    const char *url; /* exactly as sent: already encoded, never normalised */
    const struct http_header *headers;
    size_t headers_n;
    const void *
        body; /* sent with Content-Length body_n; NULL and body_n 0: none (Content-Length: 0 is sent for PUT and POST) */
    size_t body_n;
    http_body_fn *on_body; /* NULL: gathered into response.body, up to max_body */
    void *on_body_ctx;
    bool
        stream_only_2xx; /* on_body gets the body only when the status is 2xx; else it is gathered */
    size_t max_body;     /* 0: 4 MiB */
    int64_t timeout_ms;  /* whole request; 0: none (the idle timeout stays) */
    int64_t idle_timeout_ms; /* 0: the client's */
    /* A second end (NB_E_TIMEOUT), or NULL. Read anew after every piece of the body, so that on_body
     * may lift it (INT64_MAX) once what was waited for is there. */
    const int64_t *until_mono_ms;
};

struct http_response {
    int status;
    struct nb_buf headers; /* "name: value\n" lines, names in lower case */
    struct nb_buf body;
};
#define HTTP_RESPONSE_INIT                                                                         \
    {                                                                                              \
        .status = 0, .headers = NB_BUF_INIT(256 << 10), .body = NB_BUF_INIT(4 << 20)               \
    }
void http_response_done(struct http_response *r);
NB_AUTO_DONE_DEFINE(struct http_response, http_response_done)
/* The first header of that (lower-case) name: copied into out, cut at n; NULL if absent. */
const char *http_response_header(const struct http_response *r, const char *name, char *out,
                                 size_t n);

/* Once per program, before threads start / at the end. */
void http_global_init(void);
void http_global_done(void);

NB_NODISCARD bool http_client_new(const struct http_client_opts *opts, struct http_client **ret,
                                  struct nb_error *err);
void http_client_free(struct http_client *c);
NB_AUTO_DEFINE(struct http_client *, http_client_free)
/* True for any complete response, whatever its status. False: transport errors: NB_E_UNAVAILABLE (refused, reset, cut; "ConnectionFailed"),
 * NB_E_TIMEOUT, NB_E_DENIED "TlsVerificationFailed", NB_E_CANCELLED, or what on_body said. The response is cleared first. */
NB_NODISCARD bool http_client_send(struct http_client *c, const struct http_request *req,
                                   const struct nb_cancel *cancel, struct http_response *ret,
                                   struct nb_error *err);

#endif
