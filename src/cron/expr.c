#include "cron/cron_priv.h"

#include <string.h>

#include "base/buf.h"
#include "base/mem.h"

/* A field of the expression: what it is called and what it takes. */
struct field {
    const char *name;
    unsigned min, max;
    const char *names; /* three letters each, for min, min + 1, ...; NULL: numbers only */
};

enum { MINUTE, HOUR, DOM, MONTH, DOW, FIELDS };

static const struct field fields[FIELDS] = {
    [MINUTE] = { "minute", 0, 59, NULL },
    [HOUR] = { "hour", 0, 23, NULL },
    [DOM] = { "day of month", 1, 31, NULL },
    [MONTH] = { "month", 1, 12, "janfebmaraprmayjunjulaugsepoctnovdec" },
    /* 7 is Sunday too: folded onto 0 at the end. */
    [DOW] = { "day of week", 0, 7, "sunmontuewedthufrisat" },
};

/* One list item while it is read. */
struct item {
    const struct field *field;
    const char *text; /* for messages */
    int text_n;
    struct nb_error *err;
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\v' || c == '\f';
}

static bool item_fail(const struct item *it, const char *fault, const char *mend)
{
    nb_fail(it->err, NB_E_INVALID, "InvalidSchedule", "%s '%.*s' %s", it->field->name, it->text_n,
            it->text, fault);
    return nb_hint(it->err, "%s", mend);
}

static bool item_fail_range(const struct item *it, const char *fault)
{
    nb_fail(it->err, NB_E_INVALID, "InvalidSchedule", "%s '%.*s' %s", it->field->name, it->text_n,
            it->text, fault);
    return nb_hint(it->err, "use %u to %u%s", it->field->min, it->field->max,
                   it->field->names ? " or a three-letter English name" : "");
}

static bool parse_name(const struct field *f, const char *s, size_t n, unsigned *ret)
{
    if (!f->names || n != 3)
        return false;
    for (unsigned i = 0; f->names[(size_t)i * 3]; i++) {
        const char *name = f->names + (size_t)i * 3;

        if ((s[0] | 0x20) == name[0] && (s[1] | 0x20) == name[1] && (s[2] | 0x20) == name[2]) {
            *ret = f->min + i;
            return true;
        }
    }
    return false;
}

/* A number or a name; no sign, no blank. Numbers that cannot be in range anywhere stop growing at
 * 9999. */
static bool parse_number(const struct item *it, const char *s, size_t n, bool names, unsigned *ret)
{
    unsigned v = 0;

    if (n == 0)
        return item_fail(it, "lacks a number", "write for instance 5, 1-5, */5 or 1,3,5");
    if (names && parse_name(it->field, s, n, ret))
        return true;
    for (size_t i = 0; i < n; i++) {
        if (s[i] < '0' || s[i] > '9')
            return item_fail_range(it, "is not a number");
        if (v < 1000)
            v = v * 10 + (unsigned)(s[i] - '0');
    }
    *ret = v;
    return true;
}

static bool parse_step(const struct item *it, const char *s, size_t n, unsigned *ret)
{
    if (memchr(s, '/', n))
        return item_fail(it, "has more than one '/'", "write one step, as in */15");
    if (!parse_number(it, s, n, false, ret))
        return false;
    if (*ret == 0)
        return item_fail(it, "has a step of 0", "use a step of 1 or more");
    return true;
}

/* "*", "N" or "N-M"; *star for the first. */
static bool parse_range(const struct item *it, const char *s, size_t n, unsigned *lo, unsigned *hi,
                        bool *star)
{
    const char *dash = memchr(s, '-', n);
    size_t lo_n = dash ? (size_t)(dash - s) : n;

    *star = n == 1 && (*s == '*' || *s == '?');
    if (*star) {
        *lo = it->field->min;
        /* A star in day of week is Sunday to Saturday: 0-6, so that a step starts anew each
         * week. */
        *hi = it->field == &fields[DOW] ? 6 : it->field->max;
        return true;
    }
    if (!parse_number(it, s, lo_n, true, lo))
        return false;
    *hi = *lo;
    if (dash) {
        size_t hi_n = n - lo_n - 1;

        if (memchr(dash + 1, '-', hi_n))
            return item_fail(it, "has more than one '-'", "write a range as in 1-5");
        if (!parse_number(it, dash + 1, hi_n, true, hi))
            return false;
    }
    if (*lo < it->field->min)
        return item_fail_range(it, "is below the minimum");
    if (*lo > it->field->max || *hi > it->field->max)
        return item_fail_range(it, "is above the maximum");
    if (*lo > *hi)
        return item_fail(it, "ends before it begins",
                         "write the lower bound first, or two ranges with a comma");
    return true;
}

static bool parse_item(const struct item *it, uint64_t *bits, bool *ret_star)
{
    const char *slash = memchr(it->text, '/', (size_t)it->text_n);
    size_t range_n = slash ? (size_t)(slash - it->text) : (size_t)it->text_n;
    unsigned lo = 0, hi = 0, step = 1;
    bool star = false;

    if (it->text_n == 0) {
        nb_fail(it->err, NB_E_INVALID, "InvalidSchedule", "%s has an empty item in its list",
                it->field->name);
        return nb_hint(it->err, "remove the extra comma");
    }
    if (!parse_range(it, it->text, range_n, &lo, &hi, &star))
        return false;
    if (slash) {
        if (!parse_step(it, slash + 1, (size_t)it->text_n - range_n - 1, &step))
            return false;
        /* "N/s" runs from N to the maximum; of day of week that is Saturday, unless N is the other
         * Sunday. */
        if (!star && !memchr(it->text, '-', range_n))
            hi = it->field == &fields[DOW] && lo < 7 ? 6 : it->field->max;
    }
    for (unsigned v = lo; v <= hi; v += step)
        *bits |= (uint64_t)1 << v;
    *ret_star = star && step == 1;
    return true;
}

static bool parse_field(const struct field *f, const char *s, size_t n, uint64_t *ret_bits,
                        bool *ret_star, struct nb_error *err)
{
    uint64_t bits = 0;
    bool any_star = false;
    size_t start = 0;

    for (size_t i = 0; i <= n; i++) {
        if (i < n && s[i] != ',')
            continue;
        struct item it = { .field = f, .text = s + start, .text_n = (int)(i - start), .err = err };
        bool star = false;

        if (!parse_item(&it, &bits, &star))
            return false;
        any_star = any_star || star;
        start = i + 1;
    }
    *ret_bits = bits;
    *ret_star = any_star;
    return true;
}

/* Splits on blanks; how many there are, of which at most FIELDS are stored. */
static size_t split(const char *s, struct nb_str out[FIELDS])
{
    size_t count = 0;

    for (;;) {
        while (is_blank(*s))
            s++;
        if (!*s)
            return count;
        const char *start = s;
        while (*s && !is_blank(*s))
            s++;
        if (count < FIELDS)
            out[count] = (struct nb_str){ start, (size_t)(s - start) };
        count++;
    }
}

static bool parse_fields(const char *text, struct cron_expr *e, struct nb_error *err)
{
    struct nb_str parts[FIELDS];
    uint64_t bits[FIELDS];
    bool star[FIELDS];
    size_t count = split(text, parts);

    if (count != FIELDS) {
        nb_fail(err, NB_E_INVALID, "InvalidSchedule", "schedule '%s' has %zu field%s, not five",
                text, count, count == 1 ? "" : "s");
        return nb_hint(err,
                       "write minute, hour, day of month, month and day of week, as in 0 2 * * *");
    }
    for (size_t i = 0; i < FIELDS; i++)
        if (!parse_field(&fields[i], parts[i].p, parts[i].n, &bits[i], &star[i], err))
            return false;
    e->minute = bits[MINUTE];
    e->hour = (uint32_t)bits[HOUR];
    e->dom = (uint32_t)bits[DOM];
    e->month = (uint32_t)bits[MONTH];
    e->dow = (uint32_t)((bits[DOW] | bits[DOW] >> 7) & 0x7f);
    e->both_days = star[DOM] || star[DOW];
    e->fixed_time = !strchr("*?", *parts[MINUTE].p) && !strchr("*?", *parts[HOUR].p);
    return true;
}

/* --- @every ---------------------------------------------------------------------------------- */

struct unit {
    const char *name;
    int64_t ns;
};
static const struct unit units[] = {
    { "ns", 1 },       { "us", 1000 },      { "\xc2\xb5s", 1000 }, { "\xce\xbcs", 1000 },
    { "ms", 1000000 }, { "s", 1000000000 }, { "m", 60000000000 },  { "h", 3600000000000 },
};

static const struct unit *parse_unit(const char **s)
{
    const struct unit *best = NULL;

    /* The longest that fits: "ms" is not "m". */
    for (size_t i = 0; i < NB_ARRAY_LEN(units); i++)
        if (nb_starts_with(*s, units[i].name) &&
            (!best || strlen(units[i].name) > strlen(best->name)))
            best = &units[i];
    if (best)
        *s += strlen(best->name);
    return best;
}

/* Go's time.ParseDuration without sign: "1h30m", "1.5h", "90s". */
static bool parse_duration(const char *s, int64_t *ret_ns)
{
    int64_t total = 0;

    if (!*s)
        return false;
    while (*s) {
        int64_t whole = 0, fraction = 0, scale = 1, part;
        bool digits = false;

        for (; *s >= '0' && *s <= '9'; s++, digits = true)
            if (__builtin_mul_overflow(whole, 10, &whole) ||
                __builtin_add_overflow(whole, *s - '0', &whole))
                return false;
        if (*s == '.')
            for (s++; *s >= '0' && *s <= '9'; s++, digits = true)
                if (scale < 1000000000) { /* digits below a nanosecond of an hour do not count */
                    fraction = fraction * 10 + (*s - '0');
                    scale *= 10;
                }
        const struct unit *u = digits ? parse_unit(&s) : NULL;

        if (!u || __builtin_mul_overflow(whole, u->ns, &part) ||
            __builtin_add_overflow(
                part, (int64_t)((double)fraction * ((double)u->ns / (double)scale)), &part) ||
            __builtin_add_overflow(total, part, &total))
            return false;
    }
    *ret_ns = total;
    return true;
}

static bool parse_every(const char *text, struct cron_expr *e, struct nb_error *err)
{
    int64_t ns;

    if (!parse_duration(text, &ns)) {
        nb_fail(err, NB_E_INVALID, "InvalidSchedule", "'%s' after '@every' is not a duration",
                text);
        return nb_hint(err, "write for instance @every 90m or @every 1h30m");
    }
    e->every_seconds = ns / 1000000000;
    if (e->every_seconds < 60) {
        nb_fail(err, NB_E_INVALID, "InvalidSchedule", "'@every %s' is less than a minute", text);
        return nb_hint(err, "use at least 1m");
    }
    return true;
}

/* --- the whole ------------------------------------------------------------------------------- */

static const struct {
    const char *name, *fields;
} macros[] = {
    { "@yearly", "0 0 1 1 *" }, { "@annually", "0 0 1 1 *" }, { "@monthly", "0 0 1 * *" },
    { "@weekly", "0 0 * * 0" }, { "@daily", "0 0 * * *" },    { "@midnight", "0 0 * * *" },
    { "@hourly", "0 * * * *" },
};

static bool parse_macro(const char *text, struct cron_expr *e, struct nb_error *err)
{
    for (size_t i = 0; i < NB_ARRAY_LEN(macros); i++)
        if (nb_streq(text, macros[i].name))
            return parse_fields(macros[i].fields, e, err);
    if (nb_starts_with(text, "@every "))
        return parse_every(text + strlen("@every "), e, err);
    nb_fail(err, NB_E_INVALID, "InvalidSchedule", "schedule '%s' is no macro that there is", text);
    return nb_hint(
        err, "use @yearly, @monthly, @weekly, @daily, @hourly, @every <duration> or five fields");
}

bool cron_expr_parse(const char *text, struct cron_expr **ret, struct nb_error *err)
{
    nb_auto(cron_expr_free) struct cron_expr *e = NB_NEW(struct cron_expr);
    nb_auto(nb_free) char *trimmed = NULL;
    size_t n;

    if (strlen(text) > CRON_TEXT_MAX)
        return nb_fail(err, NB_E_INVALID, "InvalidSchedule",
                       "schedule is longer than %d characters", CRON_TEXT_MAX);
    while (is_blank(*text))
        text++;
    n = strlen(text);
    while (n > 0 && is_blank(text[n - 1]))
        n--;
    trimmed = nb_xstrndup(text, n);
    if (n == 0) {
        nb_fail(err, NB_E_INVALID, "InvalidSchedule", "schedule is empty");
        return nb_hint(err, "write five fields, as in 0 2 * * *");
    }
    if (nb_starts_with(trimmed, "TZ=") || nb_starts_with(trimmed, "CRON_TZ=")) {
        nb_fail(err, NB_E_INVALID, "InvalidSchedule", "schedule '%s' names a time zone", trimmed);
        return nb_hint(err, "put the zone into the field timeZone");
    }
    if (!(*trimmed == '@' ? parse_macro(trimmed, e, err) : parse_fields(trimmed, e, err)))
        return false;
    *ret = nb_steal(e);
    return true;
}

void cron_expr_free(struct cron_expr *e)
{
    free(e);
}

int64_t cron_expr_every_seconds(const struct cron_expr *e)
{
    return e->every_seconds;
}
