#include "base/b64.h"

static const char B64_ALPHABET[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void nb_b64_encode(const void *p, size_t n, struct nb_buf *out)
{
    const uint8_t *s = p;
    char *to = nb_buf_reserve(out, (n + 2) / 3 * 4);

    if (!to)
        return;
    for (size_t i = 0; i < n; i += 3) {
        uint32_t v = (uint32_t)s[i] << 16;

        if (i + 1 < n)
            v |= (uint32_t)s[i + 1] << 8;
        if (i + 2 < n)
            v |= s[i + 2];
        *to++ = B64_ALPHABET[v >> 18];
        *to++ = B64_ALPHABET[(v >> 12) & 63];
        *to++ = i + 1 < n ? B64_ALPHABET[(v >> 6) & 63] : '=';
        *to++ = i + 2 < n ? B64_ALPHABET[v & 63] : '=';
    }
    out->len += (n + 2) / 3 * 4;
}

/* 0 to 63, or -1. */
static int sextet(char c, bool url)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == (url ? '-' : '+'))
        return 62;
    return c == (url ? '_' : '/') ? 63 : -1;
}

static bool bad_base64(struct nb_error *err, const char *what)
{
    return nb_fail(err, NB_E_INVALID, "InvalidBase64", "base64: %s", what);
}

static bool decode(const char *s, size_t n, bool url, struct nb_buf *out, struct nb_error *err)
{
    uint32_t bits = 0;
    unsigned have = 0, padding = 0, symbols = 0;

    for (size_t i = 0; i < n; i++) {
        int v;

        if (!url && (s[i] == '\n' || s[i] == '\r'))
            continue;
        symbols = (symbols + 1) % 4;
        if (s[i] == '=') {
            padding++;
            continue;
        }
        v = sextet(s[i], url);
        if (v < 0)
            return bad_base64(err, "character outside the alphabet");
        if (padding)
            return bad_base64(err, "text after the padding");
        bits = (bits << 6 | (uint32_t)v) & 0xFFFFFF;
        have += 6;
        if (have >= 8) {
            have -= 8;
            nb_buf_putc(out, (char)(uint8_t)(bits >> have));
        }
    }
    /* What is left over must be padding bits of 0, so that every text has one encoding. */
    if (padding > 2 || have == 6 || (bits & ((1u << have) - 1)) ||
        ((!url || padding) && symbols != 0))
        return bad_base64(err, "cut short or wrongly padded");
    return nb_buf_check(out, err);
}

bool nb_b64_decode(const char *s, size_t n, struct nb_buf *out, struct nb_error *err)
{
    return decode(s, n, false, out, err);
}

bool nb_b64url_decode(const char *s, size_t n, struct nb_buf *out, struct nb_error *err)
{
    return decode(s, n, true, out, err);
}

static bool is_unreserved(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

void nb_url_encode(const char *p, size_t n, bool keep_slash, struct nb_buf *out)
{
    static const char digits[] = "0123456789ABCDEF";

    for (size_t i = 0; i < n; i++) {
        uint8_t c = (uint8_t)p[i];
        char escape[3] = { '%', digits[c >> 4], digits[c & 15] };

        if (is_unreserved(p[i]) || (keep_slash && p[i] == '/'))
            nb_buf_putc(out, p[i]);
        else
            nb_buf_append(out, escape, sizeof(escape));
    }
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool nb_url_decode(const char *p, size_t n, struct nb_buf *out)
{
    for (size_t i = 0; i < n; i++) {
        int high, low;

        if (p[i] != '%') {
            nb_buf_putc(out, p[i]);
            continue;
        }
        if (n - i < 3)
            return false;
        high = hex_value(p[i + 1]);
        low = hex_value(p[i + 2]);
        if (high < 0 || low < 0)
            return false;
        nb_buf_putc(out, (char)(uint8_t)(high * 16 + low));
        i += 2;
    }
    return !out->overflow;
}
