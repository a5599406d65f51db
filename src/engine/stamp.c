#include "engine/stamp.h"

#include "base/hash.h"

enum { STAMP_BYTES = 16, QUERY_MAX_BYTES = 512 };
_Static_assert(2 * STAMP_BYTES + 1 == ENG_STAMP_MAX, "hexadecimal digits");

void eng_stamp_make(char ret[ENG_STAMP_MAX])
{
    uint8_t bytes[STAMP_BYTES];

    nb_random_bytes(bytes, sizeof(bytes));
    nb_hex(bytes, sizeof(bytes), ret);
}

static void match(struct nb_buf *out, const char *of)
{
    nb_buf_puts(out, "MATCH (m:`" ENG_STAMP "`)");
    if (of)
        nb_buf_printf(out, " WHERE m.`" ENG_STAMP_OF "`='%s'", of);
}

bool eng_stamp_count(struct eng_source *source, const char *of, uint64_t *ret, struct nb_error *err)
{
    nb_auto_done(nb_buf_done) struct nb_buf text = NB_BUF_INIT(QUERY_MAX_BYTES);

    *ret = 0;
    if (eng_source_is_system(source))
        return true;
    match(&text, of);
    nb_buf_puts(&text, " RETURN count(m)");
    return eng_source_count(source, nb_buf_cstr(&text), ret, err) ||
           nb_wrap(err, "look for nodes of label '" ENG_STAMP "'");
}

bool eng_stamp_remove(struct eng_dest *dest, const char *of, struct nb_error *err)
{
    nb_auto_done(nb_buf_done) struct nb_buf text = NB_BUF_INIT(QUERY_MAX_BYTES);

    match(&text, of);
    nb_buf_puts(&text, " DELETE m");
    return eng_dest_exec(dest, nb_buf_cstr(&text), (struct nb_str){ NULL, 0 }, NULL, err) ||
           nb_wrap(err, "delete the nodes of label '" ENG_STAMP "'");
}

bool eng_stamp_is_on(const struct ps_node *node, const char *of)
{
    struct nb_str value;

    for (size_t i = 0; i < node->nlabels; i++) {
        if (!nb_str_is(node->labels[i], ENG_STAMP))
            continue;
        value = ps_map_get_str(&node->props, ENG_STAMP_OF);
        return value.p && nb_str_is(value, of);
    }
    return false;
}
