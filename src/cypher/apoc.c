#include "cypher/apoc.h"

#include <string.h>

#include "base/mem.h"

#define HELPER_LABEL "UNIQUE IMPORT LABEL"
#define QUOTED_LABEL "`UNIQUE IMPORT LABEL`"
#define QUOTED_KEY   "`UNIQUE IMPORT ID`"
#define HELPER_NAME  "UNIQUE_IMPORT_NAME"

enum { DEPTH_MAX = 4 };

struct in {
    const char *p, *end;
    struct cyp_apoc_statement *out;
};

/* --- tokens ----------------------------------------------------------------------------------- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_name_char(char c)
{
    return c == '_' || is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (unsigned char)c >= 0x80;
}

static void skip(struct in *in)
{
    while (in->p < in->end && is_blank(*in->p))
        in->p++;
}

static bool at_end(struct in *in)
{
    skip(in);
    return in->p == in->end;
}

/* The text, where it does not go on as a longer word. */
static bool take(struct in *in, const char *text)
{
    size_t n = strlen(text);

    skip(in);
    if ((size_t)(in->end - in->p) < n || memcmp(in->p, text, n) != 0)
        return false;
    if (is_name_char(text[n - 1]) && in->p + n < in->end && is_name_char(in->p[n]))
        return false;
    in->p += n;
    return true;
}

/* All of them, one after the other. The list ends with NULL. */
static bool take_all(struct in *in, const char *const *texts)
{
    for (; *texts; texts++) {
        if (!take(in, *texts))
            return false;
    }
    return true;
}

static int hex_value(char c)
{
    if (is_digit(c))
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* "uXXXX" behind a backslash, of a character that neither ends nor escapes anything. */
static bool take_unicode(struct in *in)
{
    unsigned v = 0;

    if (in->end - in->p < 5)
        return false;
    for (int i = 1; i < 5; i++) {
        int digit = hex_value(in->p[i]);

        if (digit < 0)
            return false;
        v = v * 16 + (unsigned)digit;
    }
    in->p += 5;
    return v != '"' && v != '\'' && v != '\\' && v != '`';
}

static bool is_safe_name(const char *p, size_t n)
{
    return n > 0 && !memchr(p, '`', n) && !memmem(p, n, "\\u", 2);
}

bool cyp_apoc_can_name(struct nb_str name)
{
    return is_safe_name(name.p, name.n);
}

static bool take_name(struct in *in, struct nb_str *ret)
{
    const char *start, *close;

    skip(in);
    start = in->p;
    if (start < in->end && *start == '`') {
        close = memchr(start + 1, '`', (size_t)(in->end - start - 1));
        if (!close || !is_safe_name(start + 1, (size_t)(close - start - 1)))
            return false;
        *ret = (struct nb_str){ start + 1, (size_t)(close - start - 1) };
        in->p = close + 1;
        return true;
    }
    while (in->p < in->end && is_name_char(*in->p))
        in->p++;
    *ret = (struct nb_str){ start, (size_t)(in->p - start) };
    return ret->n > 0 && !is_digit(*start);
}

static bool take_string(struct in *in)
{
    char quote;

    skip(in);
    if (in->p == in->end || (*in->p != '"' && *in->p != '\''))
        return false;
    quote = *in->p++;
    while (in->p < in->end) {
        char c = *in->p++;

        if (c == quote)
            return true;
        if (c != '\\')
            continue;
        if (in->p == in->end)
            return false;
        if (*in->p == 'u') {
            if (!take_unicode(in))
                return false;
        } else {
            in->p++;
        }
    }
    return false;
}

static void skip_digits(struct in *in)
{
    while (in->p < in->end && is_digit(*in->p))
        in->p++;
}

static bool take_number(struct in *in)
{
    const char *start;

    skip(in);
    if (in->p < in->end && *in->p == '-')
        in->p++;
    if (take(in, "Infinity") || take(in, "NaN"))
        return true;
    start = in->p;
    skip_digits(in);
    if (in->p == start)
        return false;
    if (in->end - in->p > 1 && *in->p == '.' && is_digit(in->p[1])) {
        in->p++;
        skip_digits(in);
    }
    if (in->end - in->p > 1 && (*in->p == 'E' || *in->p == 'e')) {
        in->p += in->p[1] == '-' ? 2 : 1;
        start = in->p;
        skip_digits(in);
        return in->p > start;
    }
    return in->p == in->end || !is_name_char(*in->p);
}

/* --- values ----------------------------------------------------------------------------------- */

static bool take_value(struct in *in, unsigned depth);

/* What is between commas up to the closing bracket; the opening one is taken. */
static bool take_items(struct in *in, const char *close, unsigned depth,
                       bool (*item)(struct in *in, unsigned depth))
{
    if (take(in, close))
        return true;
    do {
        if (!item(in, depth))
            return false;
    } while (take(in, ","));
    return take(in, close);
}

static bool take_entry(struct in *in, unsigned depth)
{
    struct nb_str key;

    return take_name(in, &key) && take(in, ":") && take_value(in, depth);
}

// NOLINTNEXTLINE(misc-no-recursion) nesting ends at DEPTH_MAX
static bool take_constructor(struct in *in, unsigned depth)
{
    static const char *const names[] = { "point",    "date",          "time",    "localtime",
                                         "datetime", "localdatetime", "duration" };

    for (size_t i = 0; i < NB_ARRAY_LEN(names); i++) {
        if (take(in, names[i]))
            return take(in, "(") && take_value(in, depth) && take(in, ")");
    }
    return false;
}

// NOLINTNEXTLINE(misc-no-recursion) nesting ends at DEPTH_MAX
static bool take_value(struct in *in, unsigned depth)
{
    if (depth == 0)
        return false;
    skip(in);
    if (in->p == in->end)
        return false;
    if (*in->p == '"' || *in->p == '\'')
        return take_string(in);
    if (take(in, "["))
        return take_items(in, "]", depth - 1, take_value);
    if (take(in, "{"))
        return take_items(in, "}", depth - 1, take_entry);
    if (take(in, "true") || take(in, "false") || take(in, "null"))
        return true;
    return take_number(in) || take_constructor(in, depth - 1);
}

/* --- rows ------------------------------------------------------------------------------------- */

/* A property of the element. */
static bool take_property(struct in *in, unsigned depth)
{
    in->out->properties++;
    return take_entry(in, depth);
}

/* A node's own keys, or those that its row is told apart by: "_id" is the helper's. */
static bool take_own(struct in *in, unsigned depth)
{
    struct nb_str key;

    if (!take_name(in, &key) || !take(in, ":"))
        return false;
    if (nb_str_is(key, "properties"))
        return take(in, "{") && take_items(in, "}", depth, take_property);
    in->out->properties += !nb_str_is(key, "_id");
    return take_value(in, depth);
}

static bool take_node_row(struct in *in, unsigned depth)
{
    in->out->rows++;
    return take(in, "{") && take_items(in, "}", depth, take_own);
}

static bool take_rel_entry(struct in *in, unsigned depth)
{
    struct nb_str key;

    if (!take_name(in, &key) || !take(in, ":") || !take(in, "{"))
        return false;
    if (nb_str_is(key, "properties"))
        return take_items(in, "}", depth, take_property);
    return (nb_str_is(key, "start") || nb_str_is(key, "end")) &&
           take_items(in, "}", depth, take_entry);
}

static bool take_rel_row(struct in *in, unsigned depth)
{
    in->out->rows++;
    return take(in, "{") && take_items(in, "}", depth, take_rel_entry);
}

/* --- what is done with them ------------------------------------------------------------------- */

/* `:A:B` with at least one. */
static bool take_labels(struct in *in)
{
    struct nb_str name;

    if (!take(in, ":"))
        return false;
    do {
        if (!take_name(in, &name))
            return false;
    } while (take(in, ":"));
    return true;
}

/* `{key: row.key, ...}`, where of is "row" or "row.start" and the like. */
static bool take_references(struct in *in, const char *const *of)
{
    struct nb_str key, field;

    if (!take(in, "{"))
        return false;
    do {
        if (!take_name(in, &key) || !take(in, ":") || !take_all(in, of) || !take(in, ".") ||
            !take_name(in, &field))
            return false;
    } while (take(in, ","));
    return take(in, "}");
}

static bool take_set_properties(struct in *in, const char *variable)
{
    const char *const texts[] = { "SET", variable, "+=", "row", ".", "properties", NULL };

    return take_all(in, texts);
}

static bool take_create_nodes(struct in *in)
{
    static const char *const open[] = { "CREATE", "(", "n", NULL }, *const row[] = { "row", NULL },
                             *const set[] = { "SET", "n", NULL };

    if (!take_all(in, open) || !take_labels(in) || !take_references(in, row) || !take(in, ")") ||
        !take_set_properties(in, "n"))
        return false;
    return at_end(in) || (take_all(in, set) && take_labels(in) && at_end(in));
}

static bool take_match(struct in *in, const char *which)
{
    const char *const open[] = { "MATCH", "(", which, NULL };
    const char *const of[] = { "row", ".", which, NULL };

    return take_all(in, open) && take_labels(in) && take_references(in, of) && take(in, ")");
}

static bool take_create_rels(struct in *in)
{
    static const char *const open[] = { "CREATE", "(", "start", ")", "-", "[", "r", ":", NULL },
                             *const close[] = { "]", "->", "(", "end", ")", NULL };
    struct nb_str type;

    return take_match(in, "start") && take_match(in, "end") && take_all(in, open) &&
           take_name(in, &type) && take_all(in, close) && take_set_properties(in, "r") &&
           at_end(in);
}

static bool read_rows(struct in in)
{
    static const char *const as[] = { "AS", "row", NULL };
    struct in start = in;

    in.out->kind = CYP_APOC_NODES;
    if (take(&in, "[") && take_items(&in, "]", DEPTH_MAX, take_node_row) && take_all(&in, as) &&
        take_create_nodes(&in))
        return true;
    in = start;
    *in.out = (struct cyp_apoc_statement){ .kind = CYP_APOC_RELS };
    return take(&in, "[") && take_items(&in, "]", DEPTH_MAX, take_rel_row) && take_all(&in, as) &&
           take_create_rels(&in);
}

/* --- schema ----------------------------------------------------------------------------------- */

/* What follows is within the one statement: names, words, strings, numbers and signs. open: brackets
 * that are to be closed. */
static bool take_rest(struct in *in, int open)
{
    struct nb_str name;

    while (!at_end(in)) {
        char c = *in->p;

        if (c == '"' || c == '\'') {
            if (!take_string(in))
                return false;
        } else if (is_digit(c)) {
            if (!take_number(in))
                return false;
        } else if (c == '`' || is_name_char(c)) {
            if (!take_name(in, &name))
                return false;
        } else if (strchr("()[]{}:,.|<>-", c)) {
            open += (strchr("([{", c) != NULL) - (strchr(")]}", c) != NULL);
            in->p++;
        } else {
            return false;
        }
    }
    return open == 0;
}

/* The helper's own constraint, as 5 and later have it, and as 4.4 has it. */
static bool is_helper_constraint(struct in in)
{
    struct nb_str name;

    if (take(&in, HELPER_NAME))
        return true;
    return take(&in, "ON") && take(&in, "(") && take_name(&in, &name) && take(&in, ":") &&
           take_name(&in, &name) && nb_str_is(name, HELPER_LABEL);
}

/* No clause but a schema statement has FOR or ON there. */
static bool read_schema(struct in in)
{
    static const char *const kinds[] = { "RANGE", "TEXT",   "POINT", "FULLTEXT",
                                         "BTREE", "LOOKUP", "VECTOR" };
    struct nb_str name;

    for (size_t i = 0; i < NB_ARRAY_LEN(kinds); i++) {
        if (take(&in, kinds[i]))
            break;
    }
    if (take(&in, "INDEX"))
        in.out->kind = CYP_APOC_INDEX;
    else if (take(&in, "CONSTRAINT"))
        in.out->kind = is_helper_constraint(in) ? CYP_APOC_FRAME : CYP_APOC_CONSTRAINT;
    else
        return false;
    if (!take(&in, "FOR") && !take(&in, "ON") &&
        (!take_name(&in, &name) || (!take(&in, "FOR") && !take(&in, "ON"))))
        return false;
    return take(&in, "(") && take_rest(&in, 1);
}

/* --- the frame -------------------------------------------------------------------------------- */

static bool is_only(struct in in, const char *const *texts)
{
    return take_all(&in, texts) && at_end(&in);
}

static bool read_cleanup(struct in in)
{
    static const char *const
        open[] = { "(", "n", ":", QUOTED_LABEL, ")", "WITH", "n", "LIMIT", NULL },
        *const close[] = { "REMOVE", "n", ":", QUOTED_LABEL, "REMOVE", "n", ".", QUOTED_KEY, NULL };

    return take_all(&in, open) && take_number(&in) && is_only(in, close);
}

static bool read_drop(struct in in)
{
    static const char *const by_name[] = { HELPER_NAME, NULL }, *const by_form[] = {
        "ON",   "(", "node",     ":", QUOTED_LABEL, ")",      "ASSERT", "(",
        "node", ".", QUOTED_KEY, ")", "IS",         "UNIQUE", NULL
    };

    return is_only(in, by_name) || is_only(in, by_form);
}

static bool read_await(struct in in)
{
    static const char *const open[] = { "db", ".", "awaitIndexes", "(", NULL };

    return take_all(&in, open) && take_number(&in) && take(&in, ")") && at_end(&in);
}

bool cyp_apoc_read(struct nb_str statement, struct cyp_apoc_statement *ret)
{
    static const char *const begin[] = { ":begin", NULL }, *const commit[] = { ":commit", NULL };
    struct in in = { statement.p, statement.p + statement.n, ret };

    *ret = (struct cyp_apoc_statement){ .kind = CYP_APOC_FRAME };
    if (at_end(&in) || memchr(statement.p, '\0', statement.n))
        return false;
    if (take(&in, "UNWIND"))
        return read_rows(in);
    if (take(&in, "CREATE"))
        return read_schema(in);
    if (take(&in, "MATCH"))
        return read_cleanup(in);
    if (take(&in, "DROP") && take(&in, "CONSTRAINT"))
        return read_drop(in);
    if (take(&in, "CALL"))
        return read_await(in);
    return is_only(in, begin) || is_only(in, commit);
}
