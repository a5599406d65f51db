/* Any bytes are a document or an error; what was read and written is read again as the same. */

#include <stdlib.h>

#include "base/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
    if (!ok)
        abort();
}

/* Every accessor on every value: none may trust another's type. */
// NOLINTNEXTLINE(misc-no-recursion)
static size_t visit(const struct nb_json *v)
{
    size_t n = 0, seen = 1;

    (void)nb_json_i64(v, 0);
    (void)nb_json_f64(v, 0);
    (void)nb_json_bool(v, false);
    (void)nb_json_get(v, "a");
    (void)nb_json_at(v, "a.b");
    check(nb_utf8_valid(nb_json_str(v, ""), strlen(nb_json_str(v, ""))));
    for (const struct nb_json *c = nb_json_first(v); c; c = nb_json_next(c), n++)
        seen += visit(c);
    check(n == nb_json_count(v));
    return seen;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    nb_auto_done(nb_buf_done) struct nb_buf one = NB_BUF_INIT(64 << 20),
                                            two = NB_BUF_INIT(64 << 20);
    nb_auto(nb_json_free) struct nb_json *v = NULL, *w = NULL;
    struct nb_error err = NB_ERROR_INIT;

    if (!nb_json_parse((const char *)data, size, 1 << 20, &v, &err)) {
        check(!v && err.code != NB_OK && err.text[0]);
        return 0;
    }
    visit(v);
    nb_json_format(v, &one);
    check(nb_json_parse(nb_buf_cstr(&one), one.len, one.max, &w, &err));
    check(visit(w) > 0);
    nb_json_format(w, &two);
    check(nb_str_equal(nb_buf_str(&one), nb_buf_str(&two)));
    return 0;
}
