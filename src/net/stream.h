#ifndef NB_NET_STREAM_H
#define NB_NET_STREAM_H

/*
 * net_stream: a byte stream in both directions, as a table of functions, so that what reads a protocol can run over TCP, TLS
 * or memory. Every call has a timeout and obeys the cancel token. One thread at a time, except that close may not run beside others.
 * A stream owns what it is built on.
 */

#include <stddef.h>

#include "base/cancel.h"

struct net_stream;
struct net_stream_ops {
    /* At least 1 byte, at most n; 0 with true: the peer closed in order. */
    bool (*read)(struct net_stream *s, void *p, size_t n, int64_t timeout_ms,
                 const struct nb_cancel *cancel, size_t *ret, struct nb_error *err);
    /* All n bytes. */
    bool (*write)(struct net_stream *s, const void *p, size_t n, int64_t timeout_ms,
                  const struct nb_cancel *cancel, struct nb_error *err);
    void (*free)(struct net_stream *s);
};
struct net_stream {
    const struct net_stream_ops *ops;
};

static inline NB_NODISCARD bool net_stream_read(struct net_stream *s, void *p, size_t n,
                                                int64_t timeout_ms, const struct nb_cancel *cancel,
                                                size_t *ret, struct nb_error *err)
{
    return s->ops->read(s, p, n, timeout_ms, cancel, ret, err);
}
static inline NB_NODISCARD bool net_stream_write(struct net_stream *s, const void *p, size_t n,
                                                 int64_t timeout_ms, const struct nb_cancel *cancel,
                                                 struct nb_error *err)
{
    return s->ops->write(s, p, n, timeout_ms, cancel, err);
}
static inline void net_stream_free(struct net_stream *s)
{
    if (s)
        s->ops->free(s);
}
NB_AUTO_DEFINE(struct net_stream *, net_stream_free)

/* net/tcp.c: resolves (all addresses tried in turn), connects, TCP_NODELAY, keep-alive. Errors: NB_E_UNAVAILABLE
 * "ConnectionRefused", "HostNotFound", "ConnectTimeout", each naming host and port. */
NB_NODISCARD bool net_tcp_connect(const char *host, uint16_t port, int64_t timeout_ms,
                                  const struct nb_cancel *cancel, struct net_stream **ret,
                                  struct nb_error *err);

/* net/tls.c: TLS 1.2 or newer over take_inner (taken even on failure). */
struct net_tls_opts {
    bool verify;             /* certificate chain and host name */
    const char *server_name; /* SNI and the name to verify; IP addresses are verified as such */
    const char *ca_pem;      /* NULL: the system's store */
    size_t ca_pem_n;
};
/* Reason "TlsVerificationFailed" (NB_E_DENIED) names what was wrong with the certificate. */
NB_NODISCARD bool net_tls_connect(struct net_stream *take_inner, const struct net_tls_opts *opts,
                                  int64_t timeout_ms, const struct nb_cancel *cancel,
                                  struct net_stream **ret, struct nb_error *err);

#endif
