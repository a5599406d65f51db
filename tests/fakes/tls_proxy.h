#ifndef NB_TESTS_FAKES_TLS_PROXY_H
#define NB_TESTS_FAKES_TLS_PROXY_H

/*
 * tls_proxy: ends TLS (the certificate of fake_tls) in front of a plain server on 127.0.0.1, for
 * one connection, in a thread of its own. With target port 0 it echoes instead.
 */

#include <stdint.h>

#include "tests/fakes/fake_tls.h"

struct tls_proxy;
struct tls_proxy *tls_proxy_start(struct fake_tls *tls, uint16_t target_port);
uint16_t tls_proxy_port(const struct tls_proxy *p);
void tls_proxy_free(struct tls_proxy *p); /* waits for the connection's end */

#endif
