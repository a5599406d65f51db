#include "base/url.h"

#include <arpa/inet.h>

#include "base/mem.h"

/* No message shows a piece of the URL: it may hold a password in a place we did not expect. */
static bool bad_url(const char *what, const char *fault, struct nb_error *err)
{
    return nb_fail(err, NB_E_INVALID, "InvalidUrl", "'%s' is not a valid URL: %s", what, fault);
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool is_alnum(char c)
{
    return (c >= '0' && c <= '9') || (lower(c) >= 'a' && lower(c) <= 'z');
}

static bool parse_scheme(const char **at, const char *what, struct nb_url *url,
                         struct nb_error *err)
{
    const char *end = strstr(*at, "://");
    size_t n = end ? (size_t)(end - *at) : 0;

    if (n == 0)
        return bad_url(what, "it must begin with a scheme and '://'", err);
    if (n >= sizeof(url->scheme))
        return bad_url(what, "the scheme is too long", err);
    for (size_t i = 0; i < n; i++) {
        char c = lower((*at)[i]);

        if (!(c >= 'a' && c <= 'z') && !(i > 0 && (is_alnum(c) || strchr("+-.", c))))
            return bad_url(what, "the scheme has a character that is not allowed", err);
        url->scheme[i] = c;
    }
    url->scheme[n] = '\0';
    *at = end + 3;
    return true;
}

static bool parse_host(struct nb_str host, const char *what, struct nb_url *url,
                       struct nb_error *err)
{
    struct in6_addr ignored;

    if (host.n == 0)
        return bad_url(what, "the host is missing", err);
    if (host.n >= sizeof(url->host))
        return bad_url(what, "the host is too long", err);
    for (size_t i = 0; i < host.n; i++) {
        char c = lower(host.p[i]);

        if (!is_alnum(c) && c != '-' && c != '.' && c != '_' && !(url->host_is_ipv6 && c == ':'))
            return bad_url(what, "the host has a character that is not allowed", err);
        url->host[i] = c;
    }
    url->host[host.n] = '\0';
    if (url->host_is_ipv6 && inet_pton(AF_INET6, url->host, &ignored) != 1)
        return bad_url(what, "the host is not an IPv6 address", err);
    return true;
}

static bool parse_port(struct nb_str port, const char *what, struct nb_url *url,
                       struct nb_error *err)
{
    char digits[6];
    int64_t v;

    if (port.n >= 1 && port.n < sizeof(digits)) {
        memcpy(digits, port.p, port.n);
        digits[port.n] = '\0';
        if (nb_parse_i64(digits, 1, UINT16_MAX, &v)) {
            url->port = (uint16_t)v;
            return true;
        }
    }
    return bad_url(what, "the port is not a number from 1 to 65535", err);
}

static bool parse_authority(struct nb_str a, const char *what, struct nb_url *url,
                            struct nb_error *err)
{
    const char *at = memrchr(a.p, '@', a.n), *end;
    struct nb_str host;

    if (at) {
        url->has_userinfo = true;
        a.n -= (size_t)(at + 1 - a.p);
        a.p = at + 1;
    }
    if (a.n && a.p[0] == '[') {
        end = memchr(a.p, ']', a.n);
        if (!end)
            return bad_url(what, "']' is missing", err);
        url->host_is_ipv6 = true;
        host = (struct nb_str){ a.p + 1, (size_t)(end - a.p) - 1 };
        end++;
    } else {
        end = memchr(a.p, ':', a.n);
        end = end ? end : a.p + a.n;
        host = (struct nb_str){ a.p, (size_t)(end - a.p) };
    }
    if (!parse_host(host, what, url, err))
        return false;
    if (end == a.p + a.n)
        return true;
    if (*end != ':')
        return bad_url(what, "text after the host", err);
    end++;
    return parse_port((struct nb_str){ end, (size_t)(a.p + a.n - end) }, what, url, err);
}

bool nb_url_parse(const char *text, const char *what, struct nb_url *ret, struct nb_error *err)
{
    struct nb_url url = { 0 };
    const char *at = text;
    size_t n;

    for (const char *p = text; *p; p++) {
        if (*p <= ' ' || *p >= 0x7F)
            return bad_url(what, "blanks, control and non-ASCII characters must be escaped", err);
        if (*p == '#')
            return bad_url(what, "a fragment ('#') is not supported", err);
    }
    if (!parse_scheme(&at, what, &url, err))
        return false;
    n = strcspn(at, "/?");
    if (!parse_authority((struct nb_str){ at, n }, what, &url, err))
        return false;
    at += n;
    n = strcspn(at, "?");
    url.path = (struct nb_str){ at, n };
    at += n;
    url.query = nb_str_from(*at ? at + 1 : at);
    *ret = url;
    return true;
}
