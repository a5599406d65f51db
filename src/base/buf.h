#ifndef NB_BASE_BUF_H
#define NB_BASE_BUF_H

/*
 * nb_str: a view of bytes, by value, not owned, not necessarily NUL-terminated.
 * nb_buf: bytes that grow, up to a maximum given at init; also a string builder. data is always
 * NUL-terminated (the NUL is not counted) once something was appended; use nb_buf_cstr() for a
 * string that is never NULL.
 *
 * Reaching the maximum is sticky: the append does nothing, later ones too, and `overflow` is set,
 * so that a row of appends can be checked once with nb_buf_check(). One thread at a time.
 */

#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"

struct nb_str {
    const char *p;
    size_t n;
};

#define NB_STR(lit) ((struct nb_str){ (lit), sizeof(lit) - 1 })
static inline struct nb_str nb_str_from(const char *s)
{
    return (struct nb_str){ s, s ? strlen(s) : 0 };
}
static inline bool nb_str_equal(struct nb_str a, struct nb_str b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}
static inline bool nb_str_is(struct nb_str a, const char *b)
{
    return nb_str_equal(a, nb_str_from(b));
}
static inline bool nb_str_starts(struct nb_str s, const char *prefix)
{
    size_t n = strlen(prefix);

    return s.n >= n && memcmp(s.p, prefix, n) == 0;
}
bool nb_starts_with(const char *s, const char *prefix);
bool nb_ends_with(const char *s, const char *suffix);
bool nb_streq(const char *a, const char *b); /* NULL equals NULL only */
bool nb_strcaseeq_ascii(const char *a, const char *b);
/* Well-formed UTF-8 (no surrogates, no overlong forms); NUL allowed. */
bool nb_utf8_valid(const char *p, size_t n);
/* Whole string as a decimal number in [min, max]; no blanks, no '+'. */
NB_NODISCARD bool nb_parse_i64(const char *s, int64_t min, int64_t max, int64_t *ret);

struct nb_buf {
    char *data;
    size_t len;
    size_t cap;
    size_t max;
    bool overflow;
};

#define NB_BUF_INIT(max_bytes)                                                                     \
    {                                                                                              \
        .data = NULL, .len = 0, .cap = 0, .max = (max_bytes), .overflow = false                    \
    }

void nb_buf_init(struct nb_buf *b, size_t max_bytes);
void nb_buf_done(struct nb_buf *b);
NB_AUTO_DONE_DEFINE(struct nb_buf, nb_buf_done)
void nb_buf_clear(struct nb_buf *b); /* len = 0, overflow = false; memory stays */
void nb_buf_append(struct nb_buf *b, const void *p, size_t n);
void nb_buf_puts(struct nb_buf *b, const char *s);
void nb_buf_putc(struct nb_buf *b, char c);
void nb_buf_printf(struct nb_buf *b, const char *fmt, ...) NB_PRINTF(2, 3);
void nb_buf_vprintf(struct nb_buf *b, const char *fmt, va_list ap)
    __attribute__((format(printf, 2, 0)));
/* Room for n more bytes at data + len, or NULL at the maximum; the caller adds to len itself. */
char *nb_buf_reserve(struct nb_buf *b, size_t n);
/* Removes n bytes from the front. */
void nb_buf_consume(struct nb_buf *b, size_t n);
const char *nb_buf_cstr(const struct nb_buf *b);
struct nb_str nb_buf_str(const struct nb_buf *b);
/* The bytes as a malloc'd string; the buffer is empty afterwards. Never NULL. */
char *nb_buf_take(struct nb_buf *b);
/* False with NB_E_LIMIT when an append did not fit. */
NB_NODISCARD bool nb_buf_check(const struct nb_buf *b, struct nb_error *err);

#endif
