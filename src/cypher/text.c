#include "cypher/text.h"

#include <stdint.h>

#include "cypher/literal.h"

#define ONES  UINT64_C(0x0101010101010101)
#define HIGHS UINT64_C(0x8080808080808080)

static inline uint64_t load8(const char *p)
{
    uint64_t v;

    memcpy(&v, p, sizeof(v));
    return v;
}
/* Bytes (below 0x80) that are less than n get their high bit set; n <= 128. Exact for the lowest
 * hit, and as a yes or no. */
static inline uint64_t bytes_less(uint64_t v, uint64_t n)
{
    return (v - ONES * n) & ~v & HIGHS;
}
static inline uint64_t bytes_equal(uint64_t v, uint64_t c)
{
    return bytes_less(v ^ (ONES * c), 1);
}

static inline bool is_plain(char c)
{
    return (unsigned char)c >= 0x20 && c != '\'' && c != '\\' && c != 0x7f;
}

/* How many bytes at p need no escape. */
static inline size_t plain_span(const char *p, size_t n)
{
    size_t i = 0;

    while (i + 8 <= n) {
        uint64_t v = load8(p + i);

        if (bytes_less(v, 0x20) | bytes_equal(v, '\'') | bytes_equal(v, '\\') |
            bytes_equal(v, 0x7f))
            break;
        i += 8;
    }
    while (i < n && is_plain(p[i]))
        i++;
    return i;
}

bool cyp_text_has_marks(const char *p, size_t n)
{
    size_t i = 0;

    for (; i + 8 <= n; i += 8) {
        uint64_t v = load8(p + i);

        if (!bytes_less(v, 0x20))
            continue;
        for (size_t j = i; j < i + 8; j++)
            if ((p[j] & 0xfc) == CYP_ESCAPE)
                return true;
    }
    for (; i < n; i++)
        if ((p[i] & 0xfc) == CYP_ESCAPE)
            return true;
    return false;
}

/* --- writing ---------------------------------------------------------------------------------- */

static char *escape_write(char *out, char c)
{
    static const char hex[] = "0123456789ABCDEF";

    *out++ = '\\';
    switch (c) {
    case '\n':
        *out++ = 'n';
        return out;
    case '\r':
        *out++ = 'r';
        return out;
    case '\t':
        *out++ = 't';
        return out;
    case '\'':
    case '\\':
        *out++ = c;
        return out;
    default:
        *out++ = 'u';
        *out++ = '0';
        *out++ = '0';
        *out++ = hex[(unsigned char)c >> 4];
        *out++ = hex[c & 15];
        return out;
    }
}

/* At most 6 * n bytes. */
static char *text_write(char *out, const char *p, size_t n)
{
    const char *end = p + n;

    while (p < end) {
        size_t span = plain_span(p, (size_t)(end - p));

        memcpy(out, p, span);
        out += span;
        p += span;
        if (p < end)
            out = escape_write(out, *p++);
    }
    return out;
}

void cyp_text_append(struct nb_buf *out, const char *p, size_t n)
{
    while (n) {
        size_t step = n < 16384 ? n : 16384;
        char *room = nb_buf_reserve(out, 6 * step);

        if (!room)
            return;
        out->len += (size_t)(text_write(room, p, step) - room);
        p += step;
        n -= step;
    }
}

void cyp_text_append_marked(struct nb_buf *out, const char *p, size_t n)
{
    size_t from = 0;

    if (!n) {
        nb_buf_putc(out, CYP_ESCAPE);
        nb_buf_putc(out, '4');
    }
    for (size_t i = 0; i < n; i++) {
        if ((p[i] & 0xfc) != CYP_ESCAPE)
            continue;
        cyp_text_append(out, p + from, i - from);
        nb_buf_putc(out, CYP_ESCAPE);
        nb_buf_putc(out, (char)('0' + (p[i] & 3)));
        from = i + 1;
    }
    cyp_text_append(out, p + from, n - from);
}

void cyp_string_append(struct nb_buf *out, struct nb_str s)
{
    nb_buf_putc(out, '\'');
    cyp_text_append(out, s.p, s.n);
    nb_buf_putc(out, '\'');
}

/* --- reading ---------------------------------------------------------------------------------- */

size_t cyp_text_plain(const char *p, size_t n)
{
    size_t i = 0;

    for (; i + 8 <= n; i += 8) {
        uint64_t v = load8(p + i);

        if (bytes_equal(v, '\'') | bytes_equal(v, '\\'))
            break;
    }
    while (i < n && p[i] != '\'' && p[i] != '\\')
        i++;
    return i;
}

size_t cyp_text_span(const char *p, size_t n)
{
    size_t i = 0;

    while (i < n) {
        i += cyp_text_plain(p + i, n - i);
        if (i < n && p[i] == '\'')
            return i;
        i += 2;
    }
    return SIZE_MAX;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* One escape at p[0] = '\\'; its length, or 0. */
static size_t escape_read(const char *p, size_t n, char *ret)
{
    int hi, lo;

    if (n < 2)
        return 0;
    switch (p[1]) {
    case 'n':
        *ret = '\n';
        return 2;
    case 'r':
        *ret = '\r';
        return 2;
    case 't':
        *ret = '\t';
        return 2;
    case '\'':
    case '\\':
        *ret = p[1];
        return 2;
    case 'u':
        if (n < 6 || p[2] != '0' || p[3] != '0')
            return 0;
        hi = hex_value(p[4]);
        lo = hex_value(p[5]);
        if (hi < 0 || lo < 0 || is_plain((char)(hi * 16 + lo)) || hi * 16 + lo > 0x7f)
            return 0;
        *ret = (char)(hi * 16 + lo);
        return *ret == '\'' || *ret == '\\' ? 0 : 6;
    default:
        return 0;
    }
}

bool cyp_text_unescape(char *p, size_t n, size_t *ret_n)
{
    char *out = memchr(p, '\\', n), *in = out, *end = p + n;

    if (!out) {
        *ret_n = n;
        return true;
    }
    while (in < end) {
        char *next;
        size_t used = escape_read(in, (size_t)(end - in), out);

        if (!used)
            return false;
        out++;
        in += used;
        next = memchr(in, '\\', (size_t)(end - in));
        if (!next)
            next = end;
        memmove(out, in, (size_t)(next - in));
        out += next - in;
        in = next;
    }
    *ret_n = (size_t)(out - p);
    return true;
}

bool cyp_text_unmark(char *p, size_t n, size_t *ret_n)
{
    size_t out = 0;

    if (n == 2 && p[0] == CYP_ESCAPE && p[1] == '4') {
        *ret_n = 0;
        return true;
    }
    for (size_t i = 0; i < n; i++) {
        if (p[i] != CYP_ESCAPE) {
            p[out++] = p[i];
            continue;
        }
        if (i + 1 >= n || p[i + 1] < '0' || p[i + 1] > '3')
            return false;
        p[out++] = (char)(CYP_ESCAPE + (p[++i] - '0'));
    }
    *ret_n = out;
    return true;
}
