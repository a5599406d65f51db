#ifndef NB_TESTS_FAKES_FAKE_HTTP_H
#define NB_TESTS_FAKES_FAKE_HTTP_H

/*
 * fake_http: an HTTP/1.1 server in this process, on 127.0.0.1 with a port of the kernel's choice,
 * for tests of what talks HTTP. One thread a connection; keep-alive. A handler answers each
 * request; it runs on the connection's thread, one at a time over the whole server (so a handler
 * needs no lock of its own against other handlers; the test thread uses fake_http_lock()).
 *
 *   static bool answer(void *ctx, const struct fake_http_request *req, struct fake_http_reply *r)
 *   {
 *       fake_http_reply_text(r, 200, "hello");
 *       return true;
 *   }
 *   struct fake_http *f = fake_http_new(answer, ctx);
 *   ... fake_http_url(f) is "http://127.0.0.1:12345" ...
 *   fake_http_free(f);
 *
 * Any fault of the fake itself ends the process with a message: tests need no error paths.
 */

#include <stddef.h>

#include "base/buf.h"

struct fake_http;

struct fake_http_request {
    const char *method;   /* "GET" */
    const char *target;   /* exactly as on the wire: "/a%2Fb?c=d" */
    const char *path;     /* target up to '?' */
    const char *query;    /* after '?', or "" */
    const char *headers;  /* "name: value\n" lines in the order sent, names in lower case */
    const char *raw_head; /* request line and headers as received */
    struct nb_str body;
    unsigned number;     /* of this request on the server, from 1 */
    unsigned connection; /* of the connection, from 1 */
};

/* Value of the first header of that (lower-case) name, copied to out; NULL when absent. */
const char *fake_http_request_header(const struct fake_http_request *req, const char *name,
                                     char *out, size_t n);
/* Value of ?name= as on the wire (not decoded); NULL when absent. "" when without '='. */
const char *fake_http_request_param(const struct fake_http_request *req, const char *name,
                                    char *out, size_t n);

struct fake_http_reply {
    int status; /* 200 at first */
    struct nb_buf
        headers; /* "Name: value\r\n" lines; Content-Length or Transfer-Encoding is added */
    struct nb_buf body;
    bool chunked;           /* body in chunks of chunk_bytes */
    size_t chunk_bytes;     /* 0: 1024 */
    bool no_length;         /* neither: the end of the connection ends the body */
    bool close;             /* close the connection after this reply (Connection: close is said) */
    long cut_after_bytes;   /* >= 0: send so many bytes of the whole reply, then close; -1: all */
    bool reset;             /* cut with a TCP reset rather than an orderly close */
    long length_off;        /* added to the Content-Length that is told; the connection ends then */
    long stall_ms;          /* wait before the reply */
    long stall_after_bytes; /* >= 0: send so many bytes, then wait stall_ms, then the rest (then no
                               wait before the reply) */
    bool hang;              /* after what cut_after_bytes allows: send nothing until the server is
                              freed or the client goes */
    /* A stream (a watch): called again and again after the body was sent (use with chunked): puts
     * more bytes into more and returns true, or returns false: the end. May block on a condition,
     * and is called without the handler lock. */
    bool (*more)(void *ctx, struct nb_buf *more);
    void *more_ctx;
    bool gone_after_more; /* the stream ends without its last chunk: as a broken connection */
};

void fake_http_reply_header(struct fake_http_reply *r, const char *name, const char *value);
void fake_http_reply_text(struct fake_http_reply *r, int status, const char *body);
void fake_http_reply_json(struct fake_http_reply *r, int status, const char *json);

/* False: close the connection without any reply. */
typedef bool(fake_http_handler)(void *ctx, const struct fake_http_request *req,
                                struct fake_http_reply *reply);

struct fake_http *fake_http_new(fake_http_handler *handler, void *ctx);
/* With TLS, by a new self-signed certificate for "localhost" and 127.0.0.1. */
struct fake_http *fake_http_new_tls(fake_http_handler *handler, void *ctx);
/* Stops and joins all threads; stalled and hanging ones are woken. */
void fake_http_free(struct fake_http *f);
const char *fake_http_url(const struct fake_http *f);
unsigned fake_http_port(const struct fake_http *f);
/* The certificate, to be trusted as CA; NULL without TLS. */
const char *fake_http_ca_pem(const struct fake_http *f);
/* Its private key (good as a client's as well); NULL without TLS. */
const char *fake_http_key_pem(const struct fake_http *f);
unsigned fake_http_request_count(struct fake_http *f);
unsigned fake_http_connection_count(struct fake_http *f);
/* Waits until so many requests have arrived; false after timeout_ms. */
bool fake_http_wait_requests(struct fake_http *f, unsigned count, long timeout_ms);
/* Requests are read at this rate, of all connections together; 0: as they come. */
void fake_http_set_rate(struct fake_http *f, unsigned bytes_per_second);
/* The lock every handler call holds. */
void fake_http_lock(struct fake_http *f);
void fake_http_unlock(struct fake_http *f);

/*
 * A script: the expected requests in order, each with its reply; for stories where the order is
 * the point. A request that differs is answered 599 and remembered.
 */
struct fake_http_step {
    const char *method; /* NULL: any */
    const char *target; /* NULL: any; exact, as on the wire */
    const char *body;   /* NULL: any; exact */
    const char *header; /* NULL, or a "name: value" line that must be there */
    int status;
    const char *reply_headers; /* NULL, or "Name: value\r\n" lines */
    const char *reply_body;    /* NULL: empty */
    long cut_after_bytes;      /* 0: not cut; -1: close without a byte; else as in the reply */
    long stall_ms;
};
struct fake_http_script {
    const struct fake_http_step *steps;
    size_t count, next;
    char mismatch[512]; /* "" while all went as written */
};
/* The handler; ctx is a struct fake_http_script. */
fake_http_handler fake_http_script_handler;
/* True when every step was used and nothing differed; else says on stderr what. */
bool fake_http_script_ok(struct fake_http *f, struct fake_http_script *s);

#endif
