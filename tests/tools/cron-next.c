/*
 * cron-next FROM COUNT: rows FROM to FROM + COUNT - 1 of an endless table of random schedules, each
 * made from its number alone: expression, zone, time, and what src/cron answers. For the campaign that
 * holds the answers against those of other programs (tests/campaigns/cron.sh).
 *
 * A row is: number, time, zone, expression, next time as CronJob, next time as RunOnce (tabs between;
 * "never" and "refused" where there is none). Every zone that tzdata.zi names takes part. About one
 * expression in eight has a random character in it, so that what is refused is compared too.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "cron/cron.h"
#include "tests/campaigns/random.h"
#include "tests/campaigns/zones.h"

enum { LINE_MAX_BYTES = 4096, DAY_SECONDS = 86400 };

#define FIRST_TIME INT64_C(157766400)  /* 1975-01-01: offsets are whole minutes by then */
#define LAST_TIME  INT64_C(4102444800) /* 2100-01-01 */

static struct zones all;
static int64_t
    from_of[ZONES_MAX]; /* no earlier: robfig/cron never ends a search over a missing day */
static struct rnd rnd;

static uint64_t below(uint64_t n)
{
    return rnd_below(&rnd, n);
}

static unsigned between(unsigned min, unsigned max)
{
    return rnd_between(&rnd, min, max);
}

/* --- zones ----------------------------------------------------------------------------------- */

static int64_t after_missing_days(const struct cron_zone *z)
{
    int64_t t = 0, from = FIRST_TIME, at;

    while (t < LAST_TIME && cron_zone_next_transition(z, t, &at)) {
        if (cron_zone_offset(z, at) - cron_zone_offset(z, at - 1) > DAY_SECONDS / 2 && at > from)
            from = at + 2 * DAY_SECONDS;
        t = at;
    }
    return from;
}

/* --- expressions ------------------------------------------------------------------------------ */

struct field {
    unsigned min, max;
    const char *names;
};

static const struct field fields[] = {
    { 0, 59, NULL },
    { 0, 23, NULL },
    { 1, 31, NULL },
    { 1, 12, "JanFebMARaprmayJUNjulAUGsepoctnovdec" },
    { 0, 7, "sunMonTUEwedthufrisat" },
};

static void number_put(struct nb_buf *out, const struct field *f, unsigned v)
{
    if (f->names && v < f->min + strlen(f->names) / 3 && below(5) == 0)
        nb_buf_append(out, f->names + (size_t)(v - f->min) * 3, 3);
    else
        nb_buf_printf(out, below(10) ? "%u" : "%02u", v);
}

static void item_put(struct nb_buf *out, const struct field *f)
{
    /* 7 is a day of the week to us and cronsim only: not too often. */
    unsigned max = f->max == 7 && below(6) ? 6 : f->max;
    unsigned a = between(f->min, max), b = between(f->min, max);

    switch (below(8)) {
    case 0:
        nb_buf_putc(out, below(6) ? '*' : '?');
        nb_buf_printf(out, "/%u", between(1, f->max + 2));
        return;
    case 1:
    case 2:
        number_put(out, f, a < b ? a : b);
        nb_buf_putc(out, '-');
        number_put(out, f, a < b ? b : a);
        if (below(3) == 0)
            nb_buf_printf(out, "/%u", between(1, 7));
        return;
    case 3:
        number_put(out, f, a);
        nb_buf_printf(out, "/%u", between(1, 9));
        return;
    default:
        number_put(out, f, a);
    }
}

static void field_put(struct nb_buf *out, size_t i)
{
    /* Days and months are stars more often: otherwise most schedules come once in years. */
    if (below(10) < (i < 2 ? 2 : 6)) {
        nb_buf_putc(out, below(8) ? '*' : '?');
        return;
    }
    for (unsigned n = below(3) ? 1 : between(2, 4); n > 0; n--) {
        item_put(out, &fields[i]);
        if (n > 1)
            nb_buf_putc(out, ',');
    }
}

static void expr_put(struct nb_buf *out)
{
    static const char *const whole[] = { "@yearly",   "@annually",  "@monthly",       "@weekly",
                                         "@daily",    "@midnight",  "@hourly",        "@every 90m",
                                         "@every 1h", "@every 30s", "@every 1.5h10m", "@reboot" };
    static const char odd[] = "0123456789**//--,,?? @LW#+aujnsSU";
    size_t at;

    if (below(40) == 0) {
        nb_buf_puts(out, whole[below(NB_ARRAY_LEN(whole))]);
        return;
    }
    for (size_t i = 0; i < NB_ARRAY_LEN(fields); i++) {
        if (i > 0)
            nb_buf_putc(out, ' ');
        field_put(out, i);
    }
    if (below(8) == 0) {
        at = below(out->len);
        out->data[at] = odd[below(sizeof(odd) - 1)];
    }
}

/* --- rows ------------------------------------------------------------------------------------- */

static int64_t time_pick(size_t zone)
{
    int64_t from = from_of[zone], t = from + (int64_t)below((uint64_t)(LAST_TIME - from)), change;

    if (below(2) == 0 && cron_zone_next_transition(all.v[zone].zone, t, &change))
        t = change - 3 * DAY_SECONDS / 2 + (int64_t)below(2 * DAY_SECONDS);
    if (below(3) == 0)
        t -= t % 60;
    return t < from ? from : t;
}

static void answer_print(const struct cron_expr *e, size_t zone, enum cron_policy policy,
                         int64_t after)
{
    int64_t next;

    if (!e)
        printf("\trefused");
    else if (cron_next(e, all.v[zone].zone, policy, after, &next))
        printf("\t%lld", (long long)next);
    else
        printf("\tnever");
}

static void row_print(uint64_t number)
{
    nb_auto_done(nb_buf_done) struct nb_buf text = NB_BUF_INIT(LINE_MAX_BYTES);
    nb_auto(cron_expr_free) struct cron_expr *e = NULL;
    struct nb_error err = NB_ERROR_INIT;
    size_t zone;
    int64_t after;

    rnd = rnd_of_case(number);
    zone = below(all.n);
    after = time_pick(zone);
    expr_put(&text);
    if (!cron_expr_parse(nb_buf_cstr(&text), &e, &err))
        e = NULL;
    printf("%llu\t%lld\t%s\t%s", (unsigned long long)number, (long long)after, all.v[zone].name,
           nb_buf_cstr(&text));
    answer_print(e, zone, CRON_CRONJOB, after);
    answer_print(e, zone, CRON_RUN_ONCE, after);
    putchar('\n');
}

int main(int argc, char **argv)
{
    struct nb_error err = NB_ERROR_INIT;
    uint64_t from, count;

    if (argc != 3) {
        fprintf(stderr, "usage: cron-next FROM COUNT\n");
        return 2;
    }
    if (!zones_load(&all, &err)) {
        fprintf(stderr, "cannot read the zones: %s\n", err.text);
        return 1;
    }
    for (size_t i = 0; i < all.n; i++)
        from_of[i] = after_missing_days(all.v[i].zone);
    from = strtoull(argv[1], NULL, 10);
    count = strtoull(argv[2], NULL, 10);
    for (uint64_t i = 0; i < count; i++)
        row_print(from + i);
    zones_done(&all);
    return fflush(stdout) == 0 ? 0 : 1;
}
