/* Any bytes: elements or an error. What was read, written again, reads the same. */

#include <stdlib.h>

#include "base/mem.h"
#include "s3/client_priv.h"
#include "s3/xml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool note(void *ctx, const char *path, struct nb_str text, struct nb_error *err)
{
    struct nb_buf *out = ctx;
    nb_auto(nb_free) char *s = nb_xstrndup(text.p, text.n);
    const char *leaf = strrchr(path, '/');

    (void)err;
    if (!nb_utf8_valid(text.p, text.n) || strlen(path) > 256)
        abort();
    nb_buf_printf(out, "<%s>", leaf ? leaf + 1 : path);
    s3_xml_escape(s, out);
    nb_buf_printf(out, "</%s>", leaf ? leaf + 1 : path);
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    nb_auto_done(nb_buf_done) struct nb_buf once = NB_BUF_INIT(16 << 20);
    nb_auto_done(nb_buf_done) struct nb_buf twice = NB_BUF_INIT(16 << 20);
    struct nb_error err = NB_ERROR_INIT;
    char code[64], message[256];

    if (s3_error_parse((const char *)data, size, code, message) &&
        (strlen(code) >= 64 || strlen(message) >= 256))
        abort();
    nb_buf_puts(&once, "<r>");
    if (!s3_xml_walk((const char *)data, size, note, &once, &err)) {
        if (err.code != NB_E_PROTOCOL && err.code != NB_E_LIMIT)
            abort();
        return 0;
    }
    nb_buf_puts(&once, "</r>");
    if (once.overflow)
        return 0;
    if (!s3_xml_walk(once.data, once.len, note, &twice, &err) && err.code != NB_E_LIMIT)
        abort();
    return 0;
}
