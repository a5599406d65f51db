#include "base/json_scan.h"

#include <string.h>

#include "base/buf.h"
#include "base/mem.h"

struct scan {
    const char *text;
    size_t n, at;
    struct nb_json_numbers *numbers;
    struct nb_error *err;
    unsigned depth;
    uint64_t is_object; /* bit d: what is open at depth d + 1 is an object */
};

static bool fault(struct scan *s, const char *what)
{
    size_t line = 1, column = 1;

    for (size_t i = 0; i < s->at && i < s->n; i++) {
        column++;
        if (s->text[i] == '\n') {
            line++;
            column = 1;
        }
    }
    return nb_fail(s->err, NB_E_INVALID, "InvalidJson", "JSON, line %zu, column %zu: %s", line,
                   column, what);
}

/* The next byte, or -1 at the end. */
static int peek(const struct scan *s)
{
    return s->at < s->n ? (unsigned char)s->text[s->at] : -1;
}

static void skip_blanks(struct scan *s)
{
    while (s->at < s->n && (s->text[s->at] == ' ' || s->text[s->at] == '\t' ||
                            s->text[s->at] == '\n' || s->text[s->at] == '\r'))
        s->at++;
}

static bool is_digit(int c)
{
    return c >= '0' && c <= '9';
}

/* \uXXXX at s->at (after the backslash); false when it is not four hex digits. */
static bool take_hex4(struct scan *s, unsigned *ret)
{
    unsigned v = 0;

    for (int i = 0; i < 4; i++) {
        int c = peek(s);

        if (is_digit(c))
            v = v * 16 + (unsigned)(c - '0');
        else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
            v = v * 16 + (unsigned)((c | 0x20) - 'a') + 10;
        else
            return false;
        s->at++;
    }
    *ret = v;
    return true;
}

static bool scan_unicode_escape(struct scan *s)
{
    unsigned v, low;

    if (!take_hex4(s, &v))
        return fault(s, "\\u needs four hexadecimal digits");
    if (v == 0)
        return fault(s, "\\u0000 is not supported");
    if (v < 0xD800 || v > 0xDFFF)
        return true;
    if (v > 0xDBFF || peek(s) != '\\')
        return fault(s, "half of a surrogate pair");
    s->at++;
    if (peek(s) != 'u')
        return fault(s, "half of a surrogate pair");
    s->at++;
    if (!take_hex4(s, &low) || low < 0xDC00 || low > 0xDFFF)
        return fault(s, "half of a surrogate pair");
    return true;
}

static bool scan_escape(struct scan *s)
{
    int c = peek(s);

    if (c < 0)
        return fault(s, "string has no end");
    s->at++;
    if (c == 'u')
        return scan_unicode_escape(s);
    if (!strchr("\"\\/bfnrt", c) || c == 0)
        return fault(s, "unknown escape");
    return true;
}

static bool scan_string(struct scan *s)
{
    s->at++;
    for (;;) {
        int c = peek(s);

        if (c < 0)
            return fault(s, "string has no end");
        if (c < 0x20)
            return fault(s, "control character in a string");
        s->at++;
        if (c == '"')
            return true;
        if (c == '\\' && !scan_escape(s))
            return false;
    }
}

static void skip_digits(struct scan *s)
{
    while (is_digit(peek(s)))
        s->at++;
}

static void note_number(struct scan *s, size_t from, bool is_int)
{
    struct nb_json_numbers *list = s->numbers;
    struct nb_json_number v = { .is_int = false, .i64 = 0 };
    char digits[NB_JSON_MAX_NUMBER + 1];

    memcpy(digits, s->text + from, s->at - from);
    digits[s->at - from] = '\0';
    /* -0 is a float: an integer has no sign of zero. */
    if (is_int && strcmp(digits, "-0") != 0)
        v.is_int = nb_parse_i64(digits, INT64_MIN, INT64_MAX, &v.i64);
    if (list->count == list->cap) {
        list->cap = list->cap ? list->cap * 2 : 16;
        list->items = nb_xreallocarray(list->items, list->cap, sizeof(*list->items));
    }
    list->items[list->count++] = v;
}

static bool scan_number(struct scan *s)
{
    size_t from = s->at;
    bool is_int = true;

    if (peek(s) == '-')
        s->at++;
    if (!is_digit(peek(s)))
        return fault(s, "number without digits");
    if (s->text[s->at++] == '0' && is_digit(peek(s)))
        return fault(s, "number with a leading zero");
    skip_digits(s);
    if (peek(s) == '.') {
        is_int = false;
        s->at++;
        if (!is_digit(peek(s)))
            return fault(s, "no digit after the decimal point");
        skip_digits(s);
    }
    if (peek(s) == 'e' || peek(s) == 'E') {
        is_int = false;
        s->at++;
        if (peek(s) == '+' || peek(s) == '-')
            s->at++;
        if (!is_digit(peek(s)))
            return fault(s, "no digit in the exponent");
        skip_digits(s);
    }
    if (s->at - from > NB_JSON_MAX_NUMBER)
        return fault(s, "number is too long");
    note_number(s, from, is_int);
    return true;
}

static bool scan_word(struct scan *s, const char *word)
{
    size_t n = strlen(word);

    if (s->n - s->at < n || memcmp(s->text + s->at, word, n) != 0)
        return fault(s, "unknown word");
    s->at += n;
    return true;
}

static bool scan_key(struct scan *s)
{
    if (peek(s) != '"')
        return fault(s, "a key in quotation marks is missing");
    if (!scan_string(s))
        return false;
    skip_blanks(s);
    if (peek(s) != ':')
        return fault(s, "':' is missing");
    s->at++;
    skip_blanks(s);
    return true;
}

static bool inside_object(const struct scan *s)
{
    return (s->is_object >> (s->depth - 1)) & 1;
}

/* After '[' or '{': *ret_has_item is false if it was closed at once. */
static bool scan_open(struct scan *s, bool *ret_has_item)
{
    bool object = peek(s) == '{';

    if (s->depth == NB_JSON_MAX_DEPTH)
        return fault(s, "nested deeper than 64");
    s->is_object &= ~(UINT64_C(1) << s->depth);
    s->is_object |= (uint64_t)object << s->depth;
    s->depth++;
    s->at++;
    skip_blanks(s);
    *ret_has_item = peek(s) != (object ? '}' : ']');
    if (!*ret_has_item) {
        s->at++;
        s->depth--;
        return true;
    }
    return !object || scan_key(s);
}

/* After a value: closes what ends here; *ret_more when another value follows. */
static bool scan_after_value(struct scan *s, bool *ret_more)
{
    *ret_more = false;
    while (s->depth) {
        bool object = inside_object(s);
        int c;

        skip_blanks(s);
        c = peek(s);
        if (c == ',') {
            s->at++;
            skip_blanks(s);
            *ret_more = true;
            return !object || scan_key(s);
        }
        if (c != (object ? '}' : ']'))
            return fault(s, object ? "',' or '}' is missing" : "',' or ']' is missing");
        s->at++;
        s->depth--;
    }
    return true;
}

static bool scan_scalar(struct scan *s)
{
    switch (peek(s)) {
    case '"':
        return scan_string(s);
    case 't':
        return scan_word(s, "true");
    case 'f':
        return scan_word(s, "false");
    case 'n':
        return scan_word(s, "null");
    case -1:
        return fault(s, "a value is missing");
    default:
        if (is_digit(peek(s)) || peek(s) == '-')
            return scan_number(s);
        return fault(s, "a value is missing");
    }
}

bool nb_json_scan(const char *text, size_t n, struct nb_json_numbers *numbers, struct nb_error *err)
{
    struct scan s = { .text = text, .n = n, .at = 0, .numbers = numbers, .err = err };
    bool more = true;

    if (!nb_utf8_valid(text, n))
        return nb_fail(err, NB_E_INVALID, "InvalidJson", "JSON: text is not UTF-8");
    skip_blanks(&s);
    while (more) {
        if (peek(&s) == '{' || peek(&s) == '[') {
            if (!scan_open(&s, &more))
                return false;
            if (more)
                continue;
        } else if (!scan_scalar(&s)) {
            return false;
        }
        if (!scan_after_value(&s, &more))
            return false;
    }
    skip_blanks(&s);
    return s.at == n || fault(&s, "text after the value");
}
