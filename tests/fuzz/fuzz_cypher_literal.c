/*
 * Any text that reads as a literal is written again to a literal that reads as the same value; and
 * any bytes, as a string or a name, stay within their quotes.
 */

#include <stdlib.h>

#include "cypher/ident.h"
#include "cypher/literal.h"
#include "packstream/packstream.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

enum { MEMORY_MAX = 8 << 20 };

static void value_check(const struct ps_value *v, struct nb_arena *arena)
{
    nb_auto_done(nb_buf_done) struct nb_buf out = NB_BUF_INIT(MEMORY_MAX);
    struct nb_error err = NB_ERROR_INIT;
    struct ps_value back;
    size_t used;
    bool lossy;

    if (!cyp_literal_append(&out, v, &lossy, &err))
        return; /* a vector of no dimensions and the like: never from a server */
    if (!cyp_literal_parse(nb_buf_str(&out), arena, &back, &used, &err)) {
        if (err.code != NB_E_LIMIT)
            abort();
        return;
    }
    if (used != out.len || (!lossy && !ps_value_equal(v, &back)))
        abort();
}

static void name_check(struct nb_str s)
{
    nb_auto_done(nb_buf_done) struct nb_buf out = NB_BUF_INIT(MEMORY_MAX);
    nb_auto_done(nb_buf_done) struct nb_buf back = NB_BUF_INIT(MEMORY_MAX);
    struct nb_error err = NB_ERROR_INIT;

    cyp_ident_append(&out, s);
    if (!cyp_ident_parse(nb_buf_str(&out), &back, &err) || !nb_str_equal(nb_buf_str(&back), s))
        abort();
    /* No odd backtick, and no backslash but ours: nothing for a server or a shell to trip over. */
    for (size_t i = 1; i + 1 < out.len; i++) {
        if (out.data[i] == '`' && out.data[++i] != '`')
            abort();
        if (out.data[i] == '\\' && memcmp(out.data + i, "\\u00", 4) != 0)
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct nb_arena *arena = nb_arena_new(MEMORY_MAX);
    struct nb_str text = { n ? (const char *)data : "", n };
    struct ps_value v = { .type = PS_STRING, .string = text };
    struct nb_error err = NB_ERROR_INIT;
    size_t used;

    value_check(&v, arena);
    v = (struct ps_value){ .type = PS_BYTES, .bytes = text };
    value_check(&v, arena);
    name_check(text);
    nb_arena_reset(arena);
    if (cyp_literal_parse(text, arena, &v, &used, &err))
        value_check(&v, arena);
    nb_arena_free(arena);
    return 0;
}
