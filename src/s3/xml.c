#include "s3/xml.h"

enum { XML_DEPTH_MAX = 16, XML_PATH_MAX = 256, XML_TEXT_MAX = 64 << 10 };

struct walker {
    const char *p, *end;
    char path[XML_PATH_MAX];
    size_t path_n;
    unsigned depth;
    size_t starts[XML_DEPTH_MAX];    /* where each open element's name begins in path */
    size_t text_from[XML_DEPTH_MAX]; /* where its own text begins in text */
    struct nb_buf text;
    bool root_seen;
    s3_xml_fn *fn;
    void *ctx;
};

static bool bad(struct nb_error *err, const char *what)
{
    return nb_fail(err, NB_E_PROTOCOL, "StorageProtocol", "the service's answer is not XML: %s",
                   what);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool starts(const struct walker *w, const char *s)
{
    size_t n = strlen(s);

    return (size_t)(w->end - w->p) >= n && memcmp(w->p, s, n) == 0;
}

/* Moves behind the next `until`. */
static bool skip_past(struct walker *w, const char *until, struct nb_error *err)
{
    const char *q = memmem(w->p, (size_t)(w->end - w->p), until, strlen(until));

    if (!q)
        return bad(err, "it is cut off");
    w->p = q + strlen(until);
    return true;
}

static bool is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '.' || c == ':' || (unsigned char)c >= 0x80;
}

static struct nb_str take_name(struct walker *w)
{
    const char *s = w->p, *colon;
    size_t n;

    while (w->p < w->end && is_name_char(*w->p))
        w->p++;
    n = (size_t)(w->p - s);
    colon = memrchr(s, ':', n);
    if (colon) {
        n -= (size_t)(colon + 1 - s);
        s = colon + 1;
    }
    return (struct nb_str){ s, n };
}

/* Blanks between elements are for the eye; in a long list they would add up. */
static void drop_blank_text(struct walker *w)
{
    size_t from = w->text_from[w->depth - 1];

    for (size_t i = from; i < w->text.len; i++)
        if (!is_blank(w->text.data[i]))
            return;
    w->text.len = from;
}

static bool open_element(struct walker *w, struct nb_str name, struct nb_error *err)
{
    if (name.n == 0)
        return bad(err, "an element has no name");
    if (w->depth == 0 && w->root_seen)
        return bad(err, "there is more than one root element");
    if (w->depth == XML_DEPTH_MAX || w->path_n + name.n + 2 > XML_PATH_MAX)
        return nb_fail(err, NB_E_LIMIT, "StorageProtocol",
                       "the service's answer is nested too deeply");
    if (w->depth > 0) {
        drop_blank_text(w);
        w->path[w->path_n++] = '/';
    }
    w->starts[w->depth] = w->path_n;
    w->text_from[w->depth] = w->text.len;
    memcpy(w->path + w->path_n, name.p, name.n);
    w->path_n += name.n;
    w->path[w->path_n] = '\0';
    w->depth++;
    w->root_seen = true;
    return true;
}

static bool close_element(struct walker *w, struct nb_error *err)
{
    size_t from = w->text_from[w->depth - 1];
    const char *all = nb_buf_cstr(&w->text);

    if (!nb_utf8_valid(all + from, w->text.len - from))
        return bad(err, "it is not UTF-8");
    if (!w->fn(w->ctx, w->path, (struct nb_str){ all + from, w->text.len - from }, err))
        return false;
    w->depth--;
    w->text.len = from;
    w->path_n = w->starts[w->depth];
    if (w->depth > 0)
        w->path_n--;
    w->path[w->path_n] = '\0';
    return true;
}

/* Attributes are passed over; quotes are minded, since '>' may be inside. */
static bool skip_attributes(struct walker *w, bool *ret_empty, struct nb_error *err)
{
    char quote = 0;

    *ret_empty = false;
    for (; w->p < w->end; w->p++) {
        char c = *w->p;

        if (quote) {
            if (c == quote)
                quote = 0;
        } else if (c == '"' || c == '\'') {
            quote = c;
        } else if (c == '<') {
            return bad(err, "a tag is not closed");
        } else if (c == '>') {
            *ret_empty = w->p[-1] == '/';
            w->p++;
            return true;
        }
    }
    return bad(err, "it is cut off");
}

static bool take_tag(struct walker *w, struct nb_error *err)
{
    bool empty;

    w->p++; /* '<' */
    if (w->p < w->end && *w->p == '/') {
        struct nb_str name;

        w->p++;
        name = take_name(w);
        while (w->p < w->end && is_blank(*w->p))
            w->p++;
        if (w->p == w->end || *w->p != '>')
            return bad(err, "a tag is not closed");
        w->p++;
        if (w->depth == 0 || !nb_str_is(name, w->path + w->starts[w->depth - 1]))
            return bad(err, "tags do not match");
        return close_element(w, err);
    }
    if (!open_element(w, take_name(w), err) || !skip_attributes(w, &empty, err))
        return false;
    return !empty || close_element(w, err);
}

static void put_utf8(uint32_t c, struct nb_buf *out)
{
    if (c < 0x80) {
        nb_buf_putc(out, (char)c);
    } else if (c < 0x800) {
        nb_buf_putc(out, (char)(0xc0 | (c >> 6)));
        nb_buf_putc(out, (char)(0x80 | (c & 0x3f)));
    } else if (c < 0x10000) {
        nb_buf_putc(out, (char)(0xe0 | (c >> 12)));
        nb_buf_putc(out, (char)(0x80 | ((c >> 6) & 0x3f)));
        nb_buf_putc(out, (char)(0x80 | (c & 0x3f)));
    } else {
        nb_buf_putc(out, (char)(0xf0 | (c >> 18)));
        nb_buf_putc(out, (char)(0x80 | ((c >> 12) & 0x3f)));
        nb_buf_putc(out, (char)(0x80 | ((c >> 6) & 0x3f)));
        nb_buf_putc(out, (char)(0x80 | (c & 0x3f)));
    }
}

static int digit_value(char c, uint32_t base)
{
    int v = -1;

    if (c >= '0' && c <= '9')
        v = c - '0';
    else if (c >= 'a' && c <= 'f')
        v = c - 'a' + 10;
    else if (c >= 'A' && c <= 'F')
        v = c - 'A' + 10;
    return v < (int)base ? v : -1;
}

/* "#10" or "#x41" */
static bool char_reference(struct nb_str s, struct nb_buf *out)
{
    uint32_t c = 0, base = s.n > 1 && s.p[1] == 'x' ? 16 : 10;
    size_t i = base == 16 ? 2 : 1;

    if (i == s.n)
        return false;
    for (; i < s.n; i++) {
        int v = digit_value(s.p[i], base);

        if (v < 0)
            return false;
        c = c * base + (uint32_t)v;
        if (c > 0x10ffff)
            return false;
    }
    if (c == 0 || (c >= 0xd800 && c <= 0xdfff))
        return false;
    put_utf8(c, out);
    return true;
}

static bool take_reference(struct walker *w, struct nb_error *err)
{
    static const struct {
        const char *name;
        char c;
    } named[] = { { "amp", '&' }, { "lt", '<' }, { "gt", '>' }, { "quot", '"' }, { "apos", '\'' } };
    size_t left = (size_t)(w->end - w->p);
    const char *semicolon = memchr(w->p, ';', left < 12 ? left : 12);
    struct nb_str s;

    if (!semicolon)
        return bad(err, "an entity is not closed");
    s = (struct nb_str){ w->p + 1, (size_t)(semicolon - w->p - 1) };
    w->p = semicolon + 1;
    if (s.n > 0 && s.p[0] == '#')
        return char_reference(s, &w->text) || bad(err, "a character reference is wrong");
    for (size_t i = 0; i < sizeof(named) / sizeof(named[0]); i++)
        if (nb_str_is(s, named[i].name)) {
            nb_buf_putc(&w->text, named[i].c);
            return true;
        }
    return bad(err, "an entity is not known");
}

static bool take_text(struct walker *w, struct nb_error *err)
{
    while (w->p < w->end && *w->p != '<') {
        if (w->depth == 0) {
            if (!is_blank(*w->p))
                return bad(err, "there is text outside of the root element");
            w->p++;
        } else if (*w->p == '&') {
            if (!take_reference(w, err))
                return false;
        } else {
            nb_buf_putc(&w->text, *w->p++);
        }
    }
    return nb_buf_check(&w->text, err);
}

static bool take_cdata(struct walker *w, struct nb_error *err)
{
    const char *s = w->p + 9;

    if (w->depth == 0)
        return bad(err, "there is text outside of the root element");
    if (!skip_past(w, "]]>", err))
        return false;
    if (w->p - 3 < s)
        return bad(err, "a CDATA section is not closed");
    nb_buf_append(&w->text, s, (size_t)(w->p - 3 - s));
    return nb_buf_check(&w->text, err);
}

static bool take_one(struct walker *w, struct nb_error *err)
{
    if (*w->p != '<')
        return take_text(w, err);
    if (starts(w, "<?"))
        return skip_past(w, "?>", err);
    if (starts(w, "<!--"))
        return skip_past(w, "-->", err);
    if (starts(w, "<![CDATA["))
        return take_cdata(w, err);
    if (starts(w, "<!"))
        return bad(err, "it has a document type");
    return take_tag(w, err);
}

bool s3_xml_walk(const char *p, size_t n, s3_xml_fn *fn, void *ctx, struct nb_error *err)
{
    struct walker w = {
        .p = p, .end = p + n, .text = NB_BUF_INIT(XML_TEXT_MAX), .fn = fn, .ctx = ctx
    };
    bool ok = true;

    while (ok && w.p < w.end)
        ok = take_one(&w, err);
    nb_buf_done(&w.text);
    if (!ok)
        return false;
    if (!w.root_seen)
        return bad(err, "it is empty");
    if (w.depth > 0)
        return bad(err, "it is cut off");
    return true;
}

void s3_xml_escape(const char *s, struct nb_buf *out)
{
    for (; *s; s++) {
        switch (*s) {
        case '&':
            nb_buf_puts(out, "&amp;");
            break;
        case '<':
            nb_buf_puts(out, "&lt;");
            break;
        case '>':
            nb_buf_puts(out, "&gt;");
            break;
        case '"':
            nb_buf_puts(out, "&quot;");
            break;
        case '\'':
            nb_buf_puts(out, "&apos;");
            break;
        default:
            nb_buf_putc(out, *s);
        }
    }
}
