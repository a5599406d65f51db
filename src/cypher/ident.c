#include "cypher/ident.h"

/* Control characters, and the backslash: before a 'u' it starts an escape for servers, and before a
 * backtick for cypher-shell. */
static bool is_special(char c)
{
    return (unsigned char)c < 0x20 || c == 0x7f || c == '\\';
}

/* Inside backticks; what stands before the quotes and after them is the caller's. */
static void name_append(struct nb_buf *out, const char *p, size_t n, bool double_backticks)
{
    size_t from = 0;

    for (size_t i = 0; i < n; i++) {
        if (p[i] == '`' && double_backticks) {
            nb_buf_append(out, p + from, i + 1 - from);
            from = i;
        } else if (is_special(p[i])) {
            nb_buf_append(out, p + from, i - from);
            nb_buf_printf(out, "\\u%04X", (unsigned)(unsigned char)p[i]);
            from = i + 1;
        }
    }
    nb_buf_append(out, p + from, n - from);
}

void cyp_ident_append(struct nb_buf *out, struct nb_str name)
{
    nb_buf_putc(out, '`');
    name_append(out, name.p, name.n, true);
    nb_buf_putc(out, '`');
}

/* \u00XX at p, of a special character; -1 for anything else. */
static int escape_read(const char *p, const char *end)
{
    static const char hex[16] = { '0', '1', '2', '3', '4', '5', '6', '7',
                                  '8', '9', 'A', 'B', 'C', 'D', 'E', 'F' };
    const char *hi, *lo;
    char c;

    if (end - p < 6 || memcmp(p, "\\u00", 4) != 0)
        return -1;
    hi = memchr(hex, p[4], 8);
    lo = memchr(hex, p[5], sizeof(hex));
    if (!hi || !lo)
        return -1;
    c = (char)((hi - hex) * 16 + (lo - hex));
    return is_special(c) ? c : -1;
}

bool cyp_ident_parse(struct nb_str text, struct nb_buf *ret_name, struct nb_error *err)
{
    const char *p = text.p + 1, *end = text.p + text.n - 1;

    if (text.n < 2 || text.p[0] != '`' || *end != '`')
        return nb_fail(err, NB_E_INVALID, "BadName", "a name without backticks");
    while (p < end) {
        if (*p == '`' && (p + 1 == end || *++p != '`'))
            return nb_fail(err, NB_E_INVALID, "BadName", "a backtick within a name");
        if (*p == '\\') {
            int c = escape_read(p, end);

            if (c < 0)
                return nb_fail(err, NB_E_INVALID, "BadName", "a strange escape within a name");
            nb_buf_putc(ret_name, (char)c);
            p += 6;
            continue;
        }
        nb_buf_putc(ret_name, *p++);
    }
    return nb_buf_check(ret_name, err);
}

/* --- schema statements ------------------------------------------------------------------------ */

static bool bad_statement(struct nb_error *err, const char *what)
{
    return nb_fail(err, NB_E_INVALID, "BadSchemaStatement", "%s in a schema statement", what);
}

/* A name in backticks at p[*i]. The server has doubled the backticks already. */
static bool name_copy(struct nb_buf *out, struct nb_str s, size_t *i, struct nb_error *err)
{
    size_t start = *i + 1, end = start;

    while (end < s.n) {
        if (s.p[end] == '`') {
            if (end + 1 >= s.n || s.p[end + 1] != '`')
                break;
            end++;
        }
        end++;
    }
    if (end >= s.n)
        return bad_statement(err, "a name that does not end");
    nb_buf_putc(out, '`');
    name_append(out, s.p + start, end - start, false);
    nb_buf_putc(out, '`');
    *i = end + 1;
    return true;
}

static bool text_copy(struct nb_buf *out, struct nb_str s, size_t *i, struct nb_error *err)
{
    char quote = s.p[*i];
    size_t end = *i + 1;

    while (end < s.n && s.p[end] != quote)
        end += s.p[end] == '\\' ? 2 : 1;
    if (end >= s.n)
        return bad_statement(err, "a text that does not end");
    nb_buf_append(out, s.p + *i, end + 1 - *i);
    *i = end + 1;
    return true;
}

static bool is_comment(struct nb_str s, size_t i)
{
    return s.p[i] == '/' && i + 1 < s.n && (s.p[i + 1] == '/' || s.p[i + 1] == '*');
}

bool cyp_statement_append_safe(struct nb_buf *out, struct nb_str statement, struct nb_error *err)
{
    struct nb_str s = statement;
    size_t i = 0;

    while (s.n && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\n'))
        s.n--;
    while (i < s.n) {
        if (s.p[i] == '`') {
            if (!name_copy(out, s, &i, err))
                return false;
        } else if (s.p[i] == '\'' || s.p[i] == '"') {
            if (!text_copy(out, s, &i, err))
                return false;
        } else if (s.p[i] == ';' || s.p[i] == '\\' || is_comment(s, i)) {
            return bad_statement(err, "a semicolon, a backslash or a comment");
        } else {
            nb_buf_putc(out, (unsigned char)s.p[i] < ' ' ? ' ' : s.p[i]);
            i++;
        }
    }
    return nb_buf_check(out, err);
}

size_t cyp_ident_end(struct nb_str s, size_t i)
{
    if (i >= s.n || s.p[i] != '`')
        return 0;
    for (i++; i < s.n; i++) {
        if (s.p[i] != '`')
            continue;
        if (i + 1 >= s.n || s.p[i + 1] != '`')
            return i + 1;
        i++;
    }
    return 0;
}
