#include "engine/clash.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "cypher/ident.h"

enum { ABOUT_MAX_BYTES = 1 << 20, SAID_BYTES = 100 };

struct check {
    const struct eng_clash *clash;
    const char *type; /* of the indexes that constraints bring here */
};

static bool has(struct nb_str s, const char *part)
{
    return s.p && memmem(s.p, s.n, part, strlen(part)) != NULL;
}

static bool is_word(struct nb_str s, size_t i, const char *word)
{
    size_t n = strlen(word);

    return s.n - i >= n && memcmp(s.p + i, word, n) == 0;
}

/* "N`Person``name`": the names between FOR and the end of the properties, behind whether it is about
 * nodes or relationships. False: it is about something else, or cannot be told. */
static bool about_get(struct nb_str statement, struct nb_buf *out)
{
    bool begun = false, in_properties = false;

    for (size_t i = 0; i < statement.n; i++) {
        if (statement.p[i] == '`') {
            size_t end = cyp_ident_end(statement, i);

            if (!end)
                return false;
            if (begun)
                nb_buf_append(out, statement.p + i, end - i);
            i = end - 1;
        } else if (!begun && is_word(statement, i, " FOR (")) {
            begun = true;
            nb_buf_putc(out, is_word(statement, i, " FOR ()") ? 'R' : 'N');
        } else if (begun &&
                   (is_word(statement, i, " REQUIRE (") || is_word(statement, i, " ON ("))) {
            in_properties = true;
        } else if (in_properties && statement.p[i] == ')') {
            return !out->overflow;
        }
    }
    return false;
}

void eng_clash_note(struct eng_clash *c, const struct cyp_schema *item)
{
    nb_auto_done(nb_buf_done) struct nb_buf about = NB_BUF_INIT(ABOUT_MAX_BYTES);

    if (item->kind != CYP_CONSTRAINT || (!has(item->type, "UNIQUE") && !has(item->type, "KEY")) ||
        !about_get(item->statement, &about))
        return;
    if (!c->wanted)
        c->wanted = nb_map_new(free);
    nb_map_put(c->wanted, about.data, about.len, nb_xstrndup(item->name.p, item->name.n));
}

void eng_clash_done(struct eng_clash *c)
{
    nb_map_free(nb_steal(c->wanted));
}

static bool check_index(void *ctx, const struct eng_schema_item *item, struct nb_error *err)
{
    nb_auto_done(nb_buf_done) struct nb_buf about = NB_BUF_INIT(ABOUT_MAX_BYTES);
    const struct check *k = ctx;
    const char *name;

    if (item->item.kind != CYP_INDEX || !nb_str_is(item->item.type, k->type) ||
        !about_get(item->item.statement, &about))
        return true;
    name = nb_map_get(k->clash->wanted, about.data, about.len);
    if (!name)
        return true;
    nb_fail(err, NB_E_CONFLICT, "SchemaConflict",
            "the dump's constraint '%.*s' cannot be made: the target has index '%.*s' on the same "
            "label and properties; nothing was written",
            SAID_BYTES, name,
            (int)(item->item.name.n < SAID_BYTES ? item->item.name.n : SAID_BYTES),
            item->item.name.p);
    return nb_hint(err, "drop that index, for the constraint brings one itself; then merge");
}

bool eng_clash_check(const struct eng_clash *c, struct eng_source *target, struct nb_error *err)
{
    unsigned long major = strtoul(eng_source_server(target)->version, NULL, 10);
    struct check k = { .clash = c, .type = major < 5 ? "BTREE" : "RANGE" };

    return !c->wanted || eng_source_schema(target, check_index, &k, err);
}
