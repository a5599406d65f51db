#include "base/yaml_scalar.h"

#include "base/mem.h"

enum kind { KIND_STR, KIND_NULL, KIND_BOOL, KIND_INT, KIND_FLOAT };

static bool is_one_of(struct nb_str s, const char *const *words, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (nb_str_is(s, words[i]))
            return true;
    }
    return false;
}

static bool is_null(struct nb_str s)
{
    static const char *const words[] = { "", "~", "null", "Null", "NULL" };

    return is_one_of(s, words, NB_ARRAY_LEN(words));
}

static bool is_bool(struct nb_str s)
{
    static const char *const words[] = { "true", "True", "TRUE", "false", "False", "FALSE" };

    return is_one_of(s, words, NB_ARRAY_LEN(words));
}

/* .inf and .nan: numbers in YAML that JSON cannot say. */
static bool is_not_finite(struct nb_str s)
{
    static const char *const words[] = { ".inf", ".Inf", ".INF", ".nan", ".NaN", ".NAN" };

    if (s.n && (*s.p == '+' || *s.p == '-'))
        return s.n == 5 && is_one_of((struct nb_str){ s.p + 1, 4 }, words, 3);
    return is_one_of(s, words, NB_ARRAY_LEN(words));
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static size_t count_digits(struct nb_str s, size_t from)
{
    size_t n = 0;

    while (from + n < s.n && is_digit(s.p[from + n]))
        n++;
    return n;
}

/* The parts of [-+]?int[.frac][e[-+]exp] */
struct decimal {
    bool negative, has_point;
    struct nb_str whole, fraction, exponent; /* exponent with its sign; n 0: none */
};

static bool split_decimal(struct nb_str s, struct decimal *d)
{
    size_t at = 0, digits;

    *d = (struct decimal){ 0 };
    if (s.n && (*s.p == '-' || *s.p == '+')) {
        d->negative = *s.p == '-';
        at++;
    }
    digits = count_digits(s, at);
    d->whole = (struct nb_str){ s.p + at, digits };
    at += digits;
    if (at < s.n && s.p[at] == '.') {
        d->has_point = true;
        digits = count_digits(s, ++at);
        d->fraction = (struct nb_str){ s.p + at, digits };
        at += digits;
    }
    if (d->whole.n == 0 && d->fraction.n == 0)
        return false;
    if (at < s.n && (s.p[at] == 'e' || s.p[at] == 'E')) {
        size_t sign = at + 1 < s.n && (s.p[at + 1] == '-' || s.p[at + 1] == '+');

        digits = count_digits(s, at + 1 + sign);
        if (digits == 0)
            return false;
        d->exponent = (struct nb_str){ s.p + at + 1, sign + digits };
        at += 1 + sign + digits;
    }
    return at == s.n;
}

/* 0o17 and 0x1F, up to 2^63 - 1. */
static bool parse_based(struct nb_str s, int64_t *ret)
{
    unsigned base;
    int64_t v = 0;

    if (s.n < 3 || s.p[0] != '0' || (s.p[1] != 'o' && s.p[1] != 'x'))
        return false;
    base = s.p[1] == 'o' ? 8 : 16;
    for (size_t i = 2; i < s.n; i++) {
        char c = s.p[i];
        unsigned digit = is_digit(c)            ? (unsigned)(c - '0')
                         : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10
                         : c >= 'A' && c <= 'F' ? (unsigned)(c - 'A') + 10
                                                : base;

        if (digit >= base || __builtin_mul_overflow(v, (int64_t)base, &v) ||
            __builtin_add_overflow(v, (int64_t)digit, &v))
            return false;
    }
    *ret = v;
    return true;
}

static enum kind kind_of_plain(struct nb_str s)
{
    struct decimal d;
    int64_t based;

    if (is_null(s))
        return KIND_NULL;
    if (is_bool(s))
        return KIND_BOOL;
    if (parse_based(s, &based))
        return KIND_INT;
    if (split_decimal(s, &d))
        return d.has_point || d.exponent.n ? KIND_FLOAT : KIND_INT;
    return is_not_finite(s) ? KIND_FLOAT : KIND_STR;
}

/* JSON wants no '+', no leading zeros, and digits on both sides of the point. */
static void write_decimal(const struct decimal *d, struct nb_jw *w)
{
    struct nb_str whole = d->whole;

    while (whole.n > 1 && *whole.p == '0') {
        whole.p++;
        whole.n--;
    }
    nb_jw_raw(w, d->negative ? "-" : "", d->negative);
    nb_buf_append(w->out, whole.n ? whole.p : "0", whole.n ? whole.n : 1);
    if (d->has_point) {
        nb_buf_putc(w->out, '.');
        nb_buf_append(w->out, d->fraction.n ? d->fraction.p : "0",
                      d->fraction.n ? d->fraction.n : 1);
    }
    if (d->exponent.n) {
        nb_buf_putc(w->out, 'e');
        nb_buf_append(w->out, d->exponent.p, d->exponent.n);
    }
}

static const char *write_number(struct nb_str s, struct nb_jw *w)
{
    struct decimal d;
    int64_t based;

    if (is_not_finite(s))
        return "infinity and 'not a number' are not supported";
    if (parse_based(s, &based))
        nb_jw_i64(w, based);
    else if (split_decimal(s, &d))
        write_decimal(&d, w);
    else
        return "not a number";
    return NULL;
}

static const char *write_kind(enum kind kind, struct nb_str s, struct nb_jw *w)
{
    switch (kind) {
    case KIND_NULL:
        nb_jw_null(w);
        return NULL;
    case KIND_BOOL:
        nb_jw_bool(w, *s.p == 't' || *s.p == 'T');
        return NULL;
    case KIND_INT:
    case KIND_FLOAT:
        return write_number(s, w);
    case KIND_STR:
        break;
    }
    if (memchr(s.p, '\0', s.n))
        return "a string with a NUL character";
    nb_jw_strn(w, s.p, s.n);
    return NULL;
}

const char *nb_yaml_scalar_write(struct nb_str text, const char *tag, bool plain, struct nb_jw *w)
{
    static const char core[] = "tag:yaml.org,2002:";
    static const char *const names[] = { "str", "null", "bool", "int", "float" };
    enum kind kind = plain ? kind_of_plain(text) : KIND_STR, wanted = KIND_STR;

    if (!tag)
        return write_kind(kind, text, w);
    if (strcmp(tag, "!") == 0)
        return write_kind(KIND_STR, text, w);
    if (!nb_starts_with(tag, core))
        return "tag is not supported";
    while (wanted < NB_ARRAY_LEN(names) && strcmp(tag + sizeof(core) - 1, names[wanted]) != 0)
        wanted++;
    if (wanted == NB_ARRAY_LEN(names))
        return "tag is not supported";
    if (wanted == KIND_STR)
        return write_kind(KIND_STR, text, w);
    kind = kind_of_plain(text);
    if (kind != wanted && !(kind == KIND_INT && wanted == KIND_FLOAT))
        return "value does not fit its tag";
    return write_kind(kind, text, w);
}
