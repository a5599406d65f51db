#include "net/stream.h"

#include <arpa/inet.h>
#include <assert.h>
#include <limits.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"

/*
 * libssl talks to the inner stream through a BIO of ours, so that deadlines, cancellation and error
 * texts are the inner stream's: a failed call leaves its error in io_err, and whatever libssl makes
 * of the -1 it got, that error is the one reported.
 */

enum { TLS_READ_AHEAD = 128 * 1024, TLS_CLOSE_TIMEOUT_MS = 200, TLS_CA_MAX = 1000 };

struct tls {
    struct net_stream base;
    struct net_stream *inner;
    SSL_CTX *ctx;
    SSL *ssl;
    int64_t deadline_mono_ms;       /* of the call under way */
    const struct nb_cancel *cancel; /* of the call under way */
    bool io_failed, io_ended;
    struct nb_error io_err;
};

/* --- the BIO ---------------------------------------------------------------------------------- */

static BIO_METHOD *bio_method;
static pthread_once_t bio_once = PTHREAD_ONCE_INIT;

static int64_t left_ms(const struct tls *t)
{
    int64_t left;

    if (t->deadline_mono_ms == INT64_MAX)
        return -1;
    left = t->deadline_mono_ms - nb_clock_mono_ms();
    return left > 0 ? left : 0;
}

static int bio_read(BIO *bio, char *p, int n)
{
    struct tls *t = BIO_get_data(bio);
    size_t got = 0;

    if (n <= 0 || t->io_failed)
        return -1;
    if (!net_stream_read(t->inner, p, (size_t)n, left_ms(t), t->cancel, &got, &t->io_err)) {
        t->io_failed = true;
        return -1;
    }
    t->io_ended = got == 0;
    return (int)got;
}

static int bio_write(BIO *bio, const char *p, int n)
{
    struct tls *t = BIO_get_data(bio);

    if (n <= 0 || t->io_failed)
        return -1;
    if (!net_stream_write(t->inner, p, (size_t)n, left_ms(t), t->cancel, &t->io_err)) {
        t->io_failed = true;
        return -1;
    }
    return n;
}

static long bio_ctrl(BIO *bio, int cmd, long num, void *ptr)
{
    const struct tls *t = BIO_get_data(bio);

    (void)num;
    (void)ptr;
    switch (cmd) {
    case BIO_CTRL_FLUSH:
        return 1;
    case BIO_CTRL_EOF:
        return t && t->io_ended;
    default:
        return 0;
    }
}

static void make_bio_method(void)
{
    bio_method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "net_stream");
    if (!bio_method)
        return;
    BIO_meth_set_read(bio_method, bio_read);
    BIO_meth_set_write(bio_method, bio_write);
    BIO_meth_set_ctrl(bio_method, bio_ctrl);
}

/* --- errors ----------------------------------------------------------------------------------- */

static bool fail_openssl(struct nb_error *err, enum nb_code code, const char *reason,
                         const char *what)
{
    const char *why = ERR_reason_error_string(ERR_peek_last_error());

    ERR_clear_error();
    return nb_fail(err, code, reason, "%s: %s", what, why ? why : "no reason given");
}

static bool fail_io(struct tls *t, const char *what, struct nb_error *err)
{
    bool ended = t->io_ended;

    if (t->io_failed) {
        *err = t->io_err;
        ERR_clear_error();
        return nb_wrap(err, "%s", what);
    }
    if (ended) {
        ERR_clear_error();
        return nb_fail(err, NB_E_UNAVAILABLE, "ConnectionLost",
                       "%s: the peer closed the connection", what);
    }
    return fail_openssl(err, NB_E_UNAVAILABLE, "TlsFailed", what);
}

static bool fail_handshake(struct tls *t, const struct net_tls_opts *opts, struct nb_error *err)
{
    long verdict = SSL_get_verify_result(t->ssl);

    if (opts->verify && verdict != X509_V_OK && !t->io_failed) {
        ERR_clear_error();
        return nb_fail(err, NB_E_DENIED, "TlsVerificationFailed",
                       "certificate of '%s' is not trusted: %s", opts->server_name,
                       X509_verify_cert_error_string(verdict));
    }
    if (t->io_failed && !nb_streq(t->io_err.reason, "ConnectionLost"))
        return fail_io(t, "TLS handshake", err);
    if (t->io_failed || t->io_ended) {
        /* How servers without TLS take leave, most often. */
        ERR_clear_error();
        return nb_fail(err, NB_E_UNAVAILABLE, "TlsHandshakeFailed",
                       "TLS handshake: the peer closed the connection");
    }
    return fail_openssl(err, NB_E_UNAVAILABLE, "TlsHandshakeFailed", "TLS handshake");
}

/* --- setting up ------------------------------------------------------------------------------- */

static bool add_ca_certificates(SSL_CTX *ctx, const char *pem, size_t n, struct nb_error *err)
{
    X509_STORE *store = SSL_CTX_get_cert_store(ctx);
    BIO *bio = n <= INT_MAX ? BIO_new_mem_buf(pem, (int)n) : NULL;
    int count = 0;
    X509 *cert;

    if (!bio)
        return nb_fail(err, NB_E_LIMIT, "InvalidCertificate", "CA certificates are too large");
    while (count < TLS_CA_MAX && (cert = PEM_read_bio_X509(bio, NULL, NULL, NULL))) {
        count += X509_STORE_add_cert(store, cert) == 1;
        X509_free(cert);
    }
    BIO_free(bio);
    ERR_clear_error(); /* "no start line" is how the end of the list is told */
    return count > 0 || nb_fail(err, NB_E_INVALID, "InvalidCertificate",
                                "CA certificates hold no PEM certificate");
}

static bool setup_context(SSL_CTX *ctx, const struct net_tls_opts *opts, struct nb_error *err)
{
    if (SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) != 1)
        return fail_openssl(err, NB_E_INTERNAL, "TlsFailed", "set the TLS version");
    SSL_CTX_set_read_ahead(ctx, 1);
    SSL_CTX_set_default_read_buffer_len(ctx, TLS_READ_AHEAD);
    SSL_CTX_set_options(ctx, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
    if (!opts->verify) {
        SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, NULL);
        return true;
    }
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    /* What somebody names as a CA is trusted, whether or not it is a root. */
    X509_STORE_set_flags(SSL_CTX_get_cert_store(ctx), X509_V_FLAG_PARTIAL_CHAIN);
    if (opts->ca_pem)
        return add_ca_certificates(ctx, opts->ca_pem, opts->ca_pem_n, err);
    if (SSL_CTX_set_default_verify_paths(ctx) != 1)
        return fail_openssl(err, NB_E_INTERNAL, "TlsFailed", "read the system's CA certificates");
    return true;
}

static bool is_ip_address(const char *name)
{
    unsigned char raw[16];

    return inet_pton(AF_INET, name, raw) == 1 || inet_pton(AF_INET6, name, raw) == 1;
}

static bool setup_name(SSL *ssl, const struct net_tls_opts *opts, struct nb_error *err)
{
    bool ip = is_ip_address(opts->server_name);
    bool ok = true;

    if (!ip) /* RFC 6066: SNI holds names only */
        ok = SSL_set_tlsext_host_name(ssl, opts->server_name) == 1;
    if (ok && opts->verify)
        ok = ip ? X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), opts->server_name) == 1
                : SSL_set1_host(ssl, opts->server_name) == 1;
    return ok || nb_fail(err, NB_E_INVALID, "TlsFailed", "'%s' cannot be a server name",
                         opts->server_name);
}

static bool setup(struct tls *t, const struct net_tls_opts *opts, struct nb_error *err)
{
    BIO *bio;

    pthread_once(&bio_once, make_bio_method);
    t->ctx = SSL_CTX_new(TLS_client_method());
    if (!t->ctx || !bio_method)
        return fail_openssl(err, NB_E_INTERNAL, "TlsFailed", "start TLS");
    if (!setup_context(t->ctx, opts, err))
        return false;
    t->ssl = SSL_new(t->ctx);
    bio = t->ssl ? BIO_new(bio_method) : NULL;
    if (!bio)
        return fail_openssl(err, NB_E_INTERNAL, "TlsFailed", "start TLS");
    BIO_set_data(bio, t);
    BIO_set_init(bio, 1);
    SSL_set_bio(t->ssl, bio, bio);
    return setup_name(t->ssl, opts, err);
}

/* --- the stream ------------------------------------------------------------------------------- */

static void begin_call(struct tls *t, int64_t timeout_ms, const struct nb_cancel *cancel)
{
    int64_t now = nb_clock_mono_ms();

    t->deadline_mono_ms =
        timeout_ms < 0 || timeout_ms > INT64_MAX - now ? INT64_MAX : now + timeout_ms;
    t->cancel = cancel;
    ERR_clear_error();
}

static bool tls_read(struct net_stream *s, void *p, size_t n, int64_t timeout_ms,
                     const struct nb_cancel *cancel, size_t *ret, struct nb_error *err)
{
    struct tls *t = (struct tls *)s;

    begin_call(t, timeout_ms, cancel);
    if (!nb_cancel_check(cancel, err))
        return false;
    if (SSL_read_ex(t->ssl, p, n, ret) == 1)
        return true;
    if (!t->io_failed && (SSL_get_shutdown(t->ssl) & SSL_RECEIVED_SHUTDOWN)) {
        *ret = 0;
        return true;
    }
    return fail_io(t, "read from the peer", err);
}

static bool tls_write(struct net_stream *s, const void *p, size_t n, int64_t timeout_ms,
                      const struct nb_cancel *cancel, struct nb_error *err)
{
    struct tls *t = (struct tls *)s;
    size_t written;

    begin_call(t, timeout_ms, cancel);
    if (!nb_cancel_check(cancel, err))
        return false;
    /* Without partial writes, which are off, this is all or nothing. */
    if (n == 0 || SSL_write_ex(t->ssl, p, n, &written) == 1)
        return true;
    return fail_io(t, "write to the peer", err);
}

static void tls_free(struct net_stream *s)
{
    struct tls *t = (struct tls *)s;

    if (t->ssl && SSL_is_init_finished(t->ssl) && !t->io_failed && !t->io_ended) {
        begin_call(t, TLS_CLOSE_TIMEOUT_MS, NULL);
        (void)SSL_shutdown(t->ssl); /* a courtesy: the answer is not waited for */
        ERR_clear_error();
    }
    SSL_free(t->ssl);
    SSL_CTX_free(t->ctx);
    net_stream_free(t->inner);
    free(t);
}

static const struct net_stream_ops tls_ops = { tls_read, tls_write, tls_free };

bool net_tls_connect(struct net_stream *take_inner, const struct net_tls_opts *opts,
                     int64_t timeout_ms, const struct nb_cancel *cancel, struct net_stream **ret,
                     struct nb_error *err)
{
    struct tls *t = NB_NEW(struct tls);
    nb_auto(net_stream_free) struct net_stream *s = &t->base;

    t->base.ops = &tls_ops;
    t->inner = take_inner;
    begin_call(t, timeout_ms, cancel);
    if (!setup(t, opts, err))
        return false;
    if (SSL_connect(t->ssl) != 1)
        return fail_handshake(t, opts, err);
    *ret = nb_steal(s);
    return true;
}
