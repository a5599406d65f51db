#ifndef NB_BASE_URL_H
#define NB_BASE_URL_H

/* Splits an absolute URL (RFC 3986 subset: scheme://[user[:pw]@]host[:port][/path][?query]). Pure. */

#include "base/buf.h"

struct nb_url {
    char scheme[16]; /* lower case */
    char host[256];  /* lower case; IPv6 without brackets */
    bool host_is_ipv6;
    uint16_t port;       /* 0: none given */
    bool has_userinfo;   /* never kept: credentials in URLs are refused by our users */
    struct nb_str path;  /* borrowed from the text; "" or begins with '/' */
    struct nb_str query; /* without '?' */
};
/* what: the setting's name for messages. Fragments are refused. */
NB_NODISCARD bool nb_url_parse(const char *text, const char *what, struct nb_url *ret,
                               struct nb_error *err);

#endif
