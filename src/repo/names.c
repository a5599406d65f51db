#include "repo/names.h"

#include <stdio.h>

#include "base/clock.h"

enum { STAMP_LENGTH = 19, SUFFIX_MAX = 9999, OBJECT_MAX = 9999 };

static bool is_plain(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '-' || c == '_';
}

void repo_escape(const char *s, struct nb_buf *out)
{
    for (; *s; s++) {
        if (is_plain(*s))
            nb_buf_putc(out, *s);
        else
            nb_buf_printf(out, "~%02X", (unsigned char)*s);
    }
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Only what repo_escape writes: one text, one name. */
bool repo_unescape(const char *s, size_t n, struct nb_buf *out)
{
    for (size_t i = 0; i < n; i++) {
        int high, low;

        if (is_plain(s[i])) {
            nb_buf_putc(out, s[i]);
            continue;
        }
        if (s[i] != '~' || n - i < 3)
            return false;
        high = hex_value(s[i + 1]);
        low = hex_value(s[i + 2]);
        if (high < 0 || low < 0 || high * 16 + low == 0 || is_plain((char)(high * 16 + low)))
            return false;
        nb_buf_putc(out, (char)(high * 16 + low));
        i += 2;
    }
    return !out->overflow;
}

/* ---- prefix ---- */

static bool segment_ok(const char *s, size_t n)
{
    if ((n == 1 && s[0] == '.') || (n == 2 && s[0] == '.' && s[1] == '.'))
        return false;
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)s[i] < 0x20 || s[i] == 0x7f)
            return false;
    return true;
}

bool repo_prefix_clean(const char *prefix, char out[REPO_PREFIX_MAX + 1], struct nb_error *err)
{
    const char *p = prefix ? prefix : "";
    size_t n = 0;

    if (!nb_utf8_valid(p, strlen(p)))
        return nb_fail(err, NB_E_INVALID, "InvalidPrefix", "the prefix is not UTF-8");
    while (*p) {
        size_t len;

        if (*p == '/') {
            p++;
            continue;
        }
        len = strcspn(p, "/");
        if (!segment_ok(p, len))
            return nb_fail(
                err, NB_E_INVALID, "InvalidPrefix",
                "the prefix '%.100s' has a segment that is '.' or '..', or a control character; "
                "hint: write words joined by single slashes, as in team-a/neo4j",
                prefix);
        if (n + len + 1 > REPO_PREFIX_MAX)
            return nb_fail(err, NB_E_INVALID, "InvalidPrefix", "the prefix is longer than %d bytes",
                           REPO_PREFIX_MAX);
        if (n > 0)
            out[n++] = '/';
        memcpy(out + n, p, len);
        n += len;
        p += len;
    }
    out[n] = '\0';
    return true;
}

/* ---- formatting ---- */

static bool put_stem(const char *prefix, const struct repo_name *name, struct nb_buf *b,
                     struct nb_error *err)
{
    char stamp[NB_TIME_TEXT_MAX];

    if (!name->database[0])
        return nb_fail(err, NB_E_INVALID, "InvalidName", "the database has no name");
    if (prefix[0])
        nb_buf_printf(b, "%s/", prefix);
    repo_escape(name->database, b);
    nb_buf_printf(b, "_%s", nb_time_format_name(name->time_unix_seconds, stamp));
    if (strlen(stamp) != STAMP_LENGTH)
        return nb_fail(err, NB_E_INVALID, "InvalidName", "the time '%s' has no four-digit year",
                       stamp);
    if (name->suffix > 1)
        nb_buf_printf(b, "-%u", name->suffix);
    return true;
}

static bool take_key(const struct nb_buf *b, const struct repo_name *name,
                     char out[REPO_KEY_MAX + 1], struct nb_error *err)
{
    if (b->overflow || b->len > REPO_KEY_MAX)
        return nb_fail(err, NB_E_INVALID, "InvalidName",
                       "with its prefix the key of a backup of '%.80s' is longer than %d bytes",
                       name->database, REPO_KEY_MAX);
    memcpy(out, nb_buf_cstr(b), b->len + 1);
    return true;
}

bool repo_name_stem(const char *prefix, const struct repo_name *name, char out[REPO_KEY_MAX + 1],
                    struct nb_error *err)
{
    nb_auto_done(nb_buf_done) struct nb_buf b = NB_BUF_INIT(REPO_KEY_MAX + 1);

    return put_stem(prefix, name, &b, err) && take_key(&b, name, out, err);
}

bool repo_name_format(const char *prefix, const struct repo_name *name, char out[REPO_KEY_MAX + 1],
                      struct nb_error *err)
{
    nb_auto_done(nb_buf_done) struct nb_buf b = NB_BUF_INIT(REPO_KEY_MAX + 1);

    if (!put_stem(prefix, name, &b, err))
        return false;
    switch (name->kind) {
    case REPO_NAME_DUMP:
        nb_buf_printf(&b, ".cypher%s%s", name->gz ? ".gz" : "", name->age ? ".age" : "");
        if (name->object > 1)
            nb_buf_printf(&b, ".%03u", name->object);
        break;
    case REPO_NAME_MANIFEST:
        nb_buf_puts(&b, ".manifest.json");
        break;
    case REPO_NAME_CLAIM:
        nb_buf_puts(&b, ".claim.json");
        break;
    case REPO_NAME_PIN:
        nb_buf_puts(&b, ".pin");
        break;
    case REPO_NAME_HOLD:
        nb_buf_puts(&b, ".hold");
    }
    return take_key(&b, name, out, err);
}

/* ---- parsing ---- */

static bool cut_end(const char *s, size_t *n, const char *end)
{
    size_t e = strlen(end);

    if (*n < e || memcmp(s + *n - e, end, e) != 0)
        return false;
    *n -= e;
    return true;
}

/* Digits right before *n, at least `least`; *n then stands before them. */
static bool cut_number(const char *s, size_t *n, size_t least, unsigned max, unsigned *ret)
{
    size_t i = *n;
    unsigned v = 0;

    while (i > 0 && s[i - 1] >= '0' && s[i - 1] <= '9')
        i--;
    if (*n - i < least || *n - i > 5)
        return false;
    for (size_t k = i; k < *n; k++)
        v = v * 10 + (unsigned)(s[k] - '0');
    if (v > max)
        return false;
    *n = i;
    *ret = v;
    return true;
}

/* ".002" at the end of a dump's name */
static bool cut_object(const char *s, size_t *n, unsigned *ret)
{
    size_t m = *n;
    unsigned v;

    if (!cut_number(s, &m, 3, OBJECT_MAX, &v) || m == 0 || s[m - 1] != '.' || v < 2 ||
        (*n - m > 3 && s[m] == '0'))
        return false;
    *n = m - 1;
    *ret = v;
    return true;
}

static bool parse_ending(const char *s, size_t *n, struct repo_name *ret)
{
    if (cut_end(s, n, ".manifest.json")) {
        ret->kind = REPO_NAME_MANIFEST;
        return true;
    }
    if (cut_end(s, n, ".claim.json")) {
        ret->kind = REPO_NAME_CLAIM;
        return true;
    }
    if (cut_end(s, n, ".pin")) {
        ret->kind = REPO_NAME_PIN;
        return true;
    }
    if (cut_end(s, n, ".hold")) {
        ret->kind = REPO_NAME_HOLD;
        return true;
    }
    ret->kind = REPO_NAME_DUMP;
    if (!cut_object(s, n, &ret->object))
        ret->object = 0;
    ret->age = cut_end(s, n, ".age");
    ret->gz = cut_end(s, n, ".gz");
    return cut_end(s, n, ".cypher");
}

static bool two_digits(const char *s, int min, int max, int *ret)
{
    if (s[0] < '0' || s[0] > '9' || s[1] < '0' || s[1] > '9')
        return false;
    *ret = (s[0] - '0') * 10 + (s[1] - '0');
    return *ret >= min && *ret <= max;
}

/* "2025-10-08_02-00-00" */
static bool parse_stamp(const char *s, int64_t *ret)
{
    int century, year, month, day, hour, minute, second;
    struct nb_tm tm;

    if (s[4] != '-' || s[7] != '-' || s[10] != '_' || s[13] != '-' || s[16] != '-' ||
        !two_digits(s, 0, 99, &century) || !two_digits(s + 2, 0, 99, &year) ||
        !two_digits(s + 5, 1, 12, &month) || !two_digits(s + 8, 1, 31, &day) ||
        !two_digits(s + 11, 0, 23, &hour) || !two_digits(s + 14, 0, 59, &minute) ||
        !two_digits(s + 17, 0, 59, &second) || day > nb_days_in_month(century * 100 + year, month))
        return false;
    tm = (struct nb_tm){ .year = century * 100 + year,
                         .month = month,
                         .day = day,
                         .hour = hour,
                         .minute = minute,
                         .second = second };
    *ret = nb_tm_to_unix(&tm);
    return true;
}

/* "-2" after the stamp: told from the stamp's own "-00" by what stands before it. */
static void cut_suffix(const char *s, size_t *n, unsigned *ret)
{
    size_t m = *n;
    unsigned v;
    int64_t ignored;

    if (!cut_number(s, &m, 1, SUFFIX_MAX, &v) || m == 0 || s[m - 1] != '-' || v < 2 || s[m] == '0')
        return;
    m--;
    if (m < STAMP_LENGTH + 2 || !parse_stamp(s + m - STAMP_LENGTH, &ignored))
        return;
    *n = m;
    *ret = v;
}

bool repo_name_parse(const char *prefix, const char *key, struct repo_name *ret)
{
    nb_auto_done(nb_buf_done) struct nb_buf database = NB_BUF_INIT(REPO_DATABASE_MAX);
    size_t p = strlen(prefix), n;

    memset(ret, 0, sizeof(*ret));
    if (p > 0) {
        if (!nb_starts_with(key, prefix) || key[p] != '/')
            return false;
        key += p + 1;
    }
    n = strlen(key);
    if (strchr(key, '/') || !parse_ending(key, &n, ret))
        return false;
    cut_suffix(key, &n, &ret->suffix);
    if (n < STAMP_LENGTH + 2 || key[n - STAMP_LENGTH - 1] != '_' ||
        !parse_stamp(key + n - STAMP_LENGTH, &ret->time_unix_seconds))
        return false;
    if (!repo_unescape(key, n - STAMP_LENGTH - 1, &database) || database.len == 0)
        return false;
    memcpy(ret->database, database.data, database.len + 1);
    return true;
}

bool repo_key_stem(const char *key, char out[REPO_KEY_MAX + 1])
{
    struct repo_name ignored;
    size_t n = strlen(key);

    if (n > REPO_KEY_MAX || !parse_ending(key, &n, &ignored) || n == 0)
        return false;
    memcpy(out, key, n);
    out[n] = '\0';
    return true;
}

/* ---- chunks ---- */

bool repo_chunk_dir(const char *prefix, const char *owner, const char *database,
                    char out[REPO_KEY_MAX + 1], struct nb_error *err)
{
    nb_auto_done(nb_buf_done) struct nb_buf b = NB_BUF_INIT(REPO_KEY_MAX + 1);

    nb_buf_printf(&b, "%s%schunks/", prefix, prefix[0] ? "/" : "");
    repo_escape(owner, &b);
    nb_buf_putc(&b, '/');
    repo_escape(database, &b);
    nb_buf_putc(&b, '/');
    if (b.overflow || b.len > REPO_KEY_MAX - 80)
        return nb_fail(err, NB_E_INVALID, "InvalidName", "keys of chunks are longer than %d bytes",
                       REPO_KEY_MAX);
    memcpy(out, b.data, b.len + 1);
    return true;
}

bool repo_chunk_key(const char *prefix, const char *owner, const char *database,
                    const char *sha256_hex, char out[REPO_KEY_MAX + 1], struct nb_error *err)
{
    size_t n;

    if (!repo_chunk_dir(prefix, owner, database, out, err))
        return false;
    if (strlen(sha256_hex) != 64 || strspn(sha256_hex, "0123456789abcdef") != 64)
        return nb_fail(err, NB_E_INVALID, "InvalidName", "'%.70s' is no SHA-256", sha256_hex);
    n = strlen(out);
    snprintf(out + n, REPO_KEY_MAX + 1 - n, "%s.cypher.gz", sha256_hex);
    return true;
}
