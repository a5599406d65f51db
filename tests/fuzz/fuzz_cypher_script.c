/*
 * No name and no value can end its literal: whatever the bytes are, as a label, a key, a type, a string, an item
 * of a list, the database's name, or the name of an index, its label and key, written once or changed by a fix-up, the script has as many statements as a harmless one, and outside of its
 * literals only words of ours. Not asked of our own reader but of lexers of another mind: the
 * statement splitter of cypher-shell, and servers that undo \uXXXX before anything else (4.4 and 5,
 * twice: with and without a look at the backslash before), or only inside of literals (2026). The
 * reader then finds the same graph.
 */

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "cypher/reader.h"
#include "cypher/script.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

enum { MEMORY_MAX = 8 << 20, HOSTILE_MAX = 4000 };

static const char *const words[] = {
    "UNWIND", "AS",           "r",        "WITH",   "WHERE",     "size", "RETURN", "date",
    "CREATE", "CONSTRAINT",   "FOR",      "n",      "REQUIRE",   "IS",   "UNIQUE", "CALL",
    "db",     "awaitIndexes", "split",    "c",      "toInteger", "CASE", "WHEN",   "THEN",
    "END",    "replace",      "OPTIONAL", "MATCH",  "a",         "b",    "x",      "toString",
    "count",  "DROP",         "LIMIT",    "REMOVE", "INDEX",     "ON",   "CYPHER", "ELSE",
    "IN",     "SET",          "DETACH",   "DELETE",
};

/* --- the script ------------------------------------------------------------------------------- */

static bool buf_write(void *ctx, const void *p, size_t n, struct nb_error *err)
{
    struct nb_buf *out = ctx;

    nb_buf_append(out, p, n);
    return nb_buf_check(out, err);
}

/* As a server prints it: backticks doubled, and nothing else. */
static void name_print(struct nb_buf *out, struct nb_str name)
{
    nb_buf_putc(out, '`');
    for (size_t i = 0; i < name.n; i++) {
        if (name.p[i] == '`')
            nb_buf_putc(out, '`');
        nb_buf_putc(out, name.p[i]);
    }
    nb_buf_putc(out, '`');
}

static bool schema_write(struct cyp_script *s, struct nb_str name, struct nb_error *err)
{
    static const char *const pieces[] = { "CREATE RANGE INDEX ", " FOR (n:", ") ON (n.", ")" };
    nb_auto_done(nb_buf_done) struct nb_buf statement = NB_BUF_INIT(MEMORY_MAX);
    struct cyp_schema item = { .kind = CYP_INDEX, .name = name, .type = NB_STR("RANGE") };

    for (size_t i = 0; i < NB_ARRAY_LEN(pieces); i++) {
        nb_buf_puts(&statement, pieces[i]);
        if (i + 1 < NB_ARRAY_LEN(pieces))
            name_print(&statement, name);
    }
    item.statement = nb_buf_str(&statement);
    return cyp_script_schema(s, &item, err);
}

/* The node is made, changed, and deleted. */
static bool fixups_write(struct cyp_script *s, struct nb_str name, const struct ps_map *props,
                         struct nb_error *err)
{
    struct nb_str other = NB_STR("other");

    return cyp_script_fixups(s, err) &&
           cyp_script_set_node(s, 1, &name, 1, &other, 1, props, err) &&
           cyp_script_set_node(s, 2, &other, 1, &name, 1, props, err) &&
           cyp_script_delete_node(s, 3, err) && cyp_script_end_fixups(s, err);
}

/* False: the script cannot hold this (a name that takes the helper's place). */
static bool script_write(struct nb_str name, struct nb_str value, struct nb_str database,
                         struct nb_buf *out)
{
    struct cyp_script_opts opts = { .digest_content = true,
                                    .digest_ends_max_bytes = MEMORY_MAX,
                                    .helper_suffix = "fuzz",
                                    .write = buf_write,
                                    .write_ctx = out };
    struct cyp_head head = { .database = database, .warnings = &value, .nwarnings = 1 };
    struct ps_pair pair = { name, { .type = PS_STRING, .string = value } };
    struct ps_map props = { &pair, 1 };
    struct ps_value items[] = { { .type = PS_STRING, .string = value },
                                { .type = PS_STRING, .string = NB_STR("") },
                                { .type = PS_STRING, .string = value } };
    struct ps_pair list_pair = { NB_STR("list"), { .type = PS_LIST, .list = { items, 3 } } };
    struct ps_map list = { &list_pair, 1 };
    nb_auto(cyp_script_free) struct cyp_script *s = NULL;
    struct nb_error err = NB_ERROR_INIT;

    return cyp_script_new(&opts, &s, &err) && cyp_script_head(s, &head, &err) &&
           cyp_script_node(s, 1, &name, 1, &props, &err) &&
           cyp_script_node(s, 2, NULL, 0, &list, &err) &&
           cyp_script_node(s, 3, NULL, 0, &props, &err) && cyp_script_end_nodes(s, &err) &&
           cyp_script_rel(s, 2, 1, 1, name, &props, &err) && cyp_script_end_rels(s, &err) &&
           fixups_write(s, name, &props, &err) && cyp_script_end_data(s, &err) &&
           schema_write(s, name, &err) && cyp_script_tail(s, &err);
}

static void read_back(const struct nb_buf *script)
{
    struct cyp_reader_opts opts = { .digest_content = true, .digest_ends_max_bytes = MEMORY_MAX };
    struct cyp_reader_ops ops = { 0 };
    nb_auto(cyp_reader_free) struct cyp_reader *r = cyp_reader_new(&opts, &ops, NULL);
    struct nb_error err = NB_ERROR_INIT;

    if (!cyp_reader_feed(r, script->data, script->len, &err) || !cyp_reader_finish(r, &err))
        abort();
}

/* --- lexers ----------------------------------------------------------------------------------- */

static int hex_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* \uXXXX undone before the lexer sees it; characters above ASCII become 'X', which ends nothing. */
static void unicode_undo(struct nb_str in, bool parity, struct nb_buf *out)
{
    size_t backslashes = 0;

    for (size_t i = 0; i < in.n; i++) {
        int v = 0;

        if (in.p[i] == '\\' && i + 5 < in.n && in.p[i + 1] == 'u' &&
            (!parity || backslashes % 2 == 0)) {
            for (size_t k = 2; k < 6 && v >= 0; k++)
                v = hex_of(in.p[i + k]) < 0 ? -1 : v * 16 + hex_of(in.p[i + k]);
            if (v < 0 && parity)
                abort(); /* such a server would refuse the whole script */
            if (v < 0) {
                nb_buf_putc(out, in.p[i]);
                continue;
            }
            nb_buf_putc(out, v < 128 ? (char)v : 'X');
            i += 5;
            backslashes = v == '\\' ? backslashes + 1 : 0;
            continue;
        }
        backslashes = in.p[i] == '\\' ? backslashes + 1 : 0;
        nb_buf_putc(out, in.p[i]);
    }
}

static bool word_is_ours(const char *p, size_t n)
{
    for (size_t i = 0; i < NB_ARRAY_LEN(words); i++)
        if (strlen(words[i]) == n && memcmp(words[i], p, n) == 0)
            return true;
    return *p >= '0' && *p <= '9';
}

/* The index behind the literal that begins at i. */
static size_t literal_skip(struct nb_str s, size_t i)
{
    char quote = s.p[i++];

    for (;; i++) {
        if (i >= s.n)
            abort(); /* it does not end */
        if (quote != '`' && s.p[i] == '\\') {
            i++;
        } else if (s.p[i] == quote) {
            if (quote == '`' && i + 1 < s.n && s.p[i + 1] == '`')
                i++;
            else
                return i + 1;
        }
    }
}

static bool is_word(char c)
{
    return c == '_' || (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
}

/* How many statements there are; every word outside of literals is ours. */
static unsigned lex(struct nb_str s)
{
    unsigned statements = 0;
    size_t i = 0;

    while (i < s.n) {
        char c = s.p[i];
        size_t start = i;

        if (c == '/' && i + 1 < s.n && s.p[i + 1] == '/') {
            while (i < s.n && s.p[i] != '\n' && s.p[i] != '\r')
                i++;
        } else if (c == '/' || c == '\\' || (unsigned char)c >= 0x80) {
            abort();
        } else if (c == '\'' || c == '"' || c == '`') {
            i = literal_skip(s, i);
        } else if (is_word(c)) {
            while (i < s.n && is_word(s.p[i]))
                i++;
            if (!word_is_ours(s.p + start, i - start))
                abort();
        } else {
            statements += c == ';';
            i++;
        }
    }
    return statements;
}

static void lexers_check(const struct nb_buf *script, unsigned statements)
{
    if (lex(nb_buf_str(script)) != statements)
        abort();
    for (int parity = 0; parity < 2; parity++) {
        nb_auto_done(nb_buf_done) struct nb_buf undone = NB_BUF_INIT(MEMORY_MAX);

        unicode_undo(nb_buf_str(script), parity, &undone);
        if (lex(nb_buf_str(&undone)) != statements)
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    nb_auto_done(nb_buf_done) struct nb_buf harmless = NB_BUF_INIT(MEMORY_MAX);
    nb_auto_done(nb_buf_done) struct nb_buf script = NB_BUF_INIT(MEMORY_MAX);
    struct nb_str text = { n ? (const char *)data : "", n < HOSTILE_MAX ? n : HOSTILE_MAX };
    bool is_name = n > 0 && !memchr(data, 0, n);

    /* A server tells only well-formed text. */
    if (!nb_utf8_valid(text.p, text.n))
        return 0;
    if (!script_write(NB_STR("k"), NB_STR("v"), NB_STR("neo4j"), &harmless))
        abort();
    if (!script_write(is_name ? text : NB_STR("k"), text, text, &script))
        return 0;
    lexers_check(&script, lex(nb_buf_str(&harmless)));
    read_back(&script);
    return 0;
}
