#ifndef NB_TESTS_FAKES_FAKE_TLS_H
#define NB_TESTS_FAKES_FAKE_TLS_H

/*
 * fake_tls: a server's TLS context with a new self-signed certificate for "localhost" and
 * 127.0.0.1, for the fakes. A fault ends the process.
 */

#include <openssl/ssl.h>

struct fake_tls;
struct fake_tls *fake_tls_new(void);
void fake_tls_free(struct fake_tls *t);
SSL_CTX *fake_tls_ctx(struct fake_tls *t);          /* borrowed */
const char *fake_tls_pem(const struct fake_tls *t); /* the certificate, which is its own CA */
const char *fake_tls_key_pem(const struct fake_tls *t);

#endif
