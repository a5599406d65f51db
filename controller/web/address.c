#include <arpa/inet.h>
#include <stdio.h>

#include "controller/web/server.h"

static bool fail(const char *text, struct nb_error *err)
{
    return nb_fail(
        err, NB_E_INVALID, "InvalidAddress",
        "'%s' is no address to listen on; hint: ':8080', '127.0.0.1:8080' or '[::1]:8080'", text);
}

bool web_address_parse(const char *text, struct web_address *ret, struct nb_error *err)
{
    const char *colon = strrchr(text, ':'), *host = text;
    size_t n = colon ? (size_t)(colon - text) : 0;
    unsigned char address[sizeof(struct in6_addr)];
    int64_t port;

    *ret = (struct web_address){ 0 };
    if (!colon || !nb_parse_i64(colon + 1, 0, 65535, &port))
        return fail(text, err);
    if (n >= 2 && host[0] == '[' && host[n - 1] == ']') {
        ret->is_ipv6 = true;
        host++;
        n -= 2;
    }
    if (n >= sizeof(ret->host))
        return fail(text, err);
    memcpy(ret->host, host, n);
    ret->host[n] = '\0';
    ret->port = (unsigned)port;
    if (n > 0 && inet_pton(ret->is_ipv6 ? AF_INET6 : AF_INET, ret->host, address) != 1)
        return fail(text, err);
    return (n > 0 || !ret->is_ipv6) || fail(text, err);
}
