/* Any text is a URL or an error; the parts of a URL put together are the URL. */

#include <stdlib.h>

#include "base/mem.h"
#include "base/url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
    if (!ok)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    nb_auto(nb_free) char *text = nb_xmalloc(size + 1);
    nb_auto_done(nb_buf_done) struct nb_buf again = NB_BUF_INIT(1 << 20);
    struct nb_error err = NB_ERROR_INIT;
    struct nb_url u, w;

    if (size)
        memcpy(text, data, size);
    text[size] = '\0';
    if (!nb_url_parse(text, "X", &u, &err)) {
        check(err.code == NB_E_INVALID);
        return 0;
    }
    check(u.path.n == 0 || u.path.p[0] == '/');
    nb_buf_printf(&again, u.host_is_ipv6 ? "%s://[%s]" : "%s://%s", u.scheme, u.host);
    if (u.port)
        nb_buf_printf(&again, ":%u", u.port);
    nb_buf_append(&again, u.path.p, u.path.n);
    if (u.query.n) {
        nb_buf_putc(&again, '?');
        nb_buf_append(&again, u.query.p, u.query.n);
    }
    if (again.overflow)
        return 0;
    check(nb_url_parse(nb_buf_cstr(&again), "X", &w, &err));
    check(nb_streq(u.host, w.host) && nb_streq(u.scheme, w.scheme) && u.port == w.port &&
          nb_str_equal(u.path, w.path) && nb_str_equal(u.query, w.query));
    return 0;
}
