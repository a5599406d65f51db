#include "base/json.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/utf8.h"

enum { JW_MAX_DEPTH = 64 };

/* Before every value and key: the comma, unless it is the first or follows its key. */
static void separate(struct nb_jw *w)
{
    uint64_t bit;

    if (w->after_key) {
        w->after_key = false;
        return;
    }
    if (w->depth == 0 || w->depth > JW_MAX_DEPTH)
        return;
    bit = UINT64_C(1) << (w->depth - 1);
    if (w->has_items & bit)
        nb_buf_putc(w->out, ',');
    w->has_items |= bit;
}

static void open_level(struct nb_jw *w, char c)
{
    separate(w);
    nb_buf_putc(w->out, c);
    if (w->depth >= JW_MAX_DEPTH)
        w->out->overflow = true; /* found by nb_buf_check(), as any other limit */
    else
        w->has_items &= ~(UINT64_C(1) << w->depth);
    w->depth++;
}

static void close_level(struct nb_jw *w, char c)
{
    nb_buf_putc(w->out, c);
    if (w->depth)
        w->depth--;
}

void nb_jw_object(struct nb_jw *w)
{
    open_level(w, '{');
}

void nb_jw_object_end(struct nb_jw *w)
{
    close_level(w, '}');
}

void nb_jw_array(struct nb_jw *w)
{
    open_level(w, '[');
}

void nb_jw_array_end(struct nb_jw *w)
{
    close_level(w, ']');
}

static void put_escape(struct nb_buf *out, unsigned char c)
{
    static const char shorts[] = "\bb\ff\nn\rr\tt\"\"\\\\";

    for (size_t i = 0; i + 1 < sizeof(shorts); i += 2) {
        if ((unsigned char)shorts[i] == c) {
            nb_buf_putc(out, '\\');
            nb_buf_putc(out, shorts[i + 1]);
            return;
        }
    }
    nb_buf_printf(out, "\\u%04x", c);
}

static void put_string(struct nb_buf *out, const char *s, size_t n)
{
    size_t i = 0, plain = 0; /* plain: start of the run that goes out as it is */

    nb_buf_putc(out, '"');
    while (i < n) {
        unsigned char c = (unsigned char)s[i];
        size_t step = c < 0x80 ? 1 : nb_utf8_step(s + i, n - i);

        if (step && c >= 0x20 && c != '"' && c != '\\') {
            i += step;
            continue;
        }
        nb_buf_append(out, s + plain, i - plain);
        if (step)
            put_escape(out, c);
        else
            nb_buf_puts(out, "\xEF\xBF\xBD");
        plain = ++i;
    }
    if (i > plain)
        nb_buf_append(out, s + plain, i - plain);
    nb_buf_putc(out, '"');
}

void nb_jw_key(struct nb_jw *w, const char *key)
{
    separate(w);
    put_string(w->out, key, strlen(key));
    nb_buf_putc(w->out, ':');
    w->after_key = true;
}

void nb_jw_str(struct nb_jw *w, const char *s)
{
    if (s)
        nb_jw_strn(w, s, strlen(s));
    else
        nb_jw_null(w);
}

void nb_jw_strn(struct nb_jw *w, const char *s, size_t n)
{
    separate(w);
    put_string(w->out, s, n);
}

void nb_jw_raw(struct nb_jw *w, const char *json, size_t n)
{
    separate(w);
    nb_buf_append(w->out, json, n);
}

void nb_jw_i64(struct nb_jw *w, int64_t v)
{
    char text[24];
    int n = snprintf(text, sizeof(text), "%" PRId64, v);

    nb_jw_raw(w, text, (size_t)n);
}

void nb_jw_u64(struct nb_jw *w, uint64_t v)
{
    char text[24];
    int n = snprintf(text, sizeof(text), "%" PRIu64, v);

    nb_jw_raw(w, text, (size_t)n);
}

void nb_jw_bool(struct nb_jw *w, bool v)
{
    nb_jw_raw(w, v ? "true" : "false", v ? 4 : 5);
}

void nb_jw_null(struct nb_jw *w)
{
    nb_jw_raw(w, "null", 4);
}

void nb_jw_kv_str(struct nb_jw *w, const char *key, const char *s)
{
    if (!s)
        return;
    nb_jw_key(w, key);
    nb_jw_str(w, s);
}

void nb_jw_kv_i64(struct nb_jw *w, const char *key, int64_t v)
{
    nb_jw_key(w, key);
    nb_jw_i64(w, v);
}

void nb_jw_kv_bool(struct nb_jw *w, const char *key, bool v)
{
    nb_jw_key(w, key);
    nb_jw_bool(w, v);
}
