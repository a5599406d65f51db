#include "base/buf.h"

#include <stdio.h>
#include <stdint.h>

#include "base/mem.h"

enum { BUF_FIRST = 64 };

bool nb_starts_with(const char *s, const char *prefix)
{
    return strncmp(s, prefix, strlen(prefix)) == 0;
}

bool nb_ends_with(const char *s, const char *suffix)
{
    size_t n = strlen(s), m = strlen(suffix);

    return n >= m && memcmp(s + n - m, suffix, m) == 0;
}

bool nb_streq(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static char lower_ascii(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

bool nb_strcaseeq_ascii(const char *a, const char *b)
{
    if (!a || !b)
        return a == b;
    while (*a && lower_ascii(*a) == lower_ascii(*b)) {
        a++;
        b++;
    }
    return lower_ascii(*a) == lower_ascii(*b);
}

bool nb_parse_i64(const char *s, int64_t min, int64_t max, int64_t *ret)
{
    bool negative = *s == '-';
    int64_t v = 0;

    if (negative)
        s++;
    if (!*s)
        return false;
    for (; *s; s++) {
        int digit = *s - '0';

        if (digit < 0 || digit > 9)
            return false;
        if (__builtin_mul_overflow(v, (int64_t)10, &v) ||
            __builtin_add_overflow(v, negative ? -digit : digit, &v))
            return false;
    }
    if (v < min || v > max)
        return false;
    *ret = v;
    return true;
}

void nb_buf_init(struct nb_buf *b, size_t max_bytes)
{
    *b = (struct nb_buf)NB_BUF_INIT(max_bytes);
}

void nb_buf_done(struct nb_buf *b)
{
    free(b->data);
    nb_buf_init(b, b->max);
}

void nb_buf_clear(struct nb_buf *b)
{
    b->len = 0;
    b->overflow = false;
    if (b->data)
        b->data[0] = '\0';
}

char *nb_buf_reserve(struct nb_buf *b, size_t n)
{
    size_t need;

    if (b->overflow || b->len > b->max || n > b->max - b->len || b->max == SIZE_MAX) {
        b->overflow = true;
        return NULL;
    }
    need = b->len + n + 1;
    if (need > b->cap) {
        size_t cap = b->cap > b->max / 2 ? b->max + 1 : b->cap * 2;

        if (cap < BUF_FIRST)
            cap = BUF_FIRST;
        if (cap < need)
            cap = need;
        b->data = nb_xrealloc(b->data, cap);
        b->cap = cap;
    }
    b->data[b->len + n] = '\0';
    return b->data + b->len;
}

void nb_buf_append(struct nb_buf *b, const void *p, size_t n)
{
    char *to = nb_buf_reserve(b, n);

    if (!to)
        return;
    if (n)
        memcpy(to, p, n);
    b->len += n;
}

void nb_buf_puts(struct nb_buf *b, const char *s)
{
    nb_buf_append(b, s, strlen(s));
}

void nb_buf_putc(struct nb_buf *b, char c)
{
    char *to = nb_buf_reserve(b, 1);

    if (!to)
        return;
    *to = c;
    b->len++;
}

void nb_buf_printf(struct nb_buf *b, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    nb_buf_vprintf(b, fmt, ap);
    va_end(ap);
}

void nb_buf_vprintf(struct nb_buf *b, const char *fmt, va_list ap)
{
    char small[256];
    va_list again;
    char *to;
    int n;

    va_copy(again, ap);
    n = vsnprintf(small, sizeof(small), fmt, ap);
    if (n < 0) {
        b->overflow = true;
    } else if ((size_t)n < sizeof(small)) {
        nb_buf_append(b, small, (size_t)n);
    } else {
        to = nb_buf_reserve(b, (size_t)n);
        if (to) {
            vsnprintf(to, (size_t)n + 1, fmt, again);
            b->len += (size_t)n;
        }
    }
    va_end(again);
}

void nb_buf_consume(struct nb_buf *b, size_t n)
{
    if (n > b->len)
        n = b->len;
    if (n == 0)
        return;
    memmove(b->data, b->data + n, b->len - n);
    b->len -= n;
    b->data[b->len] = '\0';
}

const char *nb_buf_cstr(const struct nb_buf *b)
{
    if (!b->data)
        return "";
    /* Who used nb_buf_reserve() may have added less to len than it asked for. */
    b->data[b->len] = '\0';
    return b->data;
}

struct nb_str nb_buf_str(const struct nb_buf *b)
{
    return (struct nb_str){ b->data ? b->data : "", b->len };
}

char *nb_buf_take(struct nb_buf *b)
{
    char *p = b->data;

    if (!p)
        return nb_xstrdup("");
    p[b->len] = '\0';
    nb_buf_init(b, b->max);
    return p;
}

bool nb_buf_check(const struct nb_buf *b, struct nb_error *err)
{
    if (!b->overflow)
        return true;
    return nb_fail(err, NB_E_LIMIT, "SizeLimit", "more than the limit of %zu bytes", b->max);
}
