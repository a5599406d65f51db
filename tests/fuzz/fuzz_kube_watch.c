/* The same events however the bytes are cut. The first byte says where. */

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "kube/watch_parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool note(void *ctx, const struct kube_event *event, struct nb_error *err)
{
    (void)err;
    nb_buf_printf(ctx, "%d %s ", (int)event->type, event->resource_version);
    nb_json_format(event->object, ctx);
    return true;
}

static bool run(const char *p, size_t n, size_t step, struct nb_buf *out, struct nb_error *err)
{
    nb_auto(kube_watch_parser_free) struct kube_watch_parser *parser = kube_watch_parser_new(4096);
    bool ok = true;

    for (size_t at = 0; ok && at < n; at += step)
        ok = kube_watch_parser_feed(parser, p + at, n - at < step ? n - at : step, note, out, err);
    return ok;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    nb_auto_done(nb_buf_done) struct nb_buf whole = NB_BUF_INIT(1 << 22);
    nb_auto_done(nb_buf_done) struct nb_buf cut = NB_BUF_INIT(1 << 22);
    struct nb_error a = NB_ERROR_INIT, b = NB_ERROR_INIT;
    const char *text = (const char *)data + 1;

    if (size < 2)
        return 0;
    if (run(text, size - 1, size, &whole, &a) != run(text, size - 1, data[0] % 32u + 1, &cut, &b) ||
        a.code != b.code || !nb_str_equal(nb_buf_str(&whole), nb_buf_str(&cut)))
        abort();
    return 0;
}
