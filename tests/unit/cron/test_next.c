#include "tests/unit/cron/vectors.h"

#include "base/buf.h"

static struct cron_expr *expr_of(const char *text)
{
    struct nb_error err = NB_ERROR_INIT;
    struct cron_expr *e = NULL;

    if (!cron_expr_parse(text, &e, &err))
        fail_msg("%s: %s", text, err.text);
    return e;
}

static void check(const char *what, const char *expr, const struct cron_zone *z,
                  enum cron_policy policy, int64_t after, int64_t expected)
{
    nb_auto(cron_expr_free) struct cron_expr *e = expr_of(expr);
    char a[NB_TIME_TEXT_MAX], b[NB_TIME_TEXT_MAX], c[NB_TIME_TEXT_MAX];
    int64_t t = 0;
    bool found = cron_next(e, z, policy, after, &t);

    if (found != (expected != 0) || (found && t != expected))
        fail_msg("%s: '%s' after %s is %s, not %s", what, expr, nb_time_format(after, a),
                 found ? nb_time_format(t, b) : "never",
                 expected ? nb_time_format(expected, c) : "never");
}

/* Governments change their minds: the zone's rules here are others than those of the day when the row was made, by
 * which it was `offset` then. */
static bool is_moved(const struct cron_zone *z, const char *when, const char *offset)
{
    return *offset &&
           cron_zone_offset(z, strtoll(when, NULL, 10)) != (int32_t)strtol(offset, NULL, 10);
}

static void spec_row(struct vector_zones *zones, char **f)
{
    const struct cron_zone *z = vector_zone(zones, f[2]);
    int64_t t = vector_time(f[1]);

    if (strcmp(f[0], "next") == 0) {
        check("next", f[3], z, CRON_CRONJOB, t, strcmp(f[4], "never") == 0 ? 0 : vector_time(f[4]));
    } else {
        nb_auto(cron_expr_free) struct cron_expr *e = expr_of(f[3]);
        int64_t got = 0;

        assert_true(cron_next(e, z, CRON_CRONJOB, t - 1, &got));
        if ((got == t) != (strcmp(f[0], "match") == 0))
            fail_msg("'%s' at %s is not a %s", f[3], f[1], f[0]);
    }
}

static void next_is_that_of_robfig_spec_test(void **state)
{
    (void)state;
    assert_int_equal(vector_each("tests/vectors/cron/robfig-spec.tsv", spec_row), 85);
}

static void robfig_row(struct vector_zones *zones, char **f)
{
    const struct cron_zone *z = vector_zone(zones, f[1]);

    if (!is_moved(z, f[3], f[4]))
        check("robfig", f[2], z, CRON_CRONJOB, strtoll(f[0], NULL, 10),
              strcmp(f[3], "never") == 0 ? 0 : strtoll(f[3], NULL, 10));
}

static void next_is_that_of_robfig_for_random_rows(void **state)
{
    (void)state;
    assert_true(vector_each("tests/vectors/cron/robfig-random.tsv", robfig_row) >= 1000);
}

static void dst_row(struct vector_zones *zones, char **f)
{
    const struct cron_zone *z = vector_zone(zones, f[2]);
    int64_t t = vector_time(f[1]);

    for (char *p = f[4], *next; *p; p = next) {
        int64_t expected;

        next = p + strcspn(p, " ");
        if (*next)
            *next++ = '\0';
        expected = vector_time(p);
        check(f[0], f[3], z, CRON_RUN_ONCE, t, expected);
        t = expected;
    }
}

static void next_run_once_is_that_of_cronsim_on_odd_days(void **state)
{
    (void)state;
    assert_int_equal(vector_each("tests/vectors/cron/cronsim-dst.tsv", dst_row), 33);
}

static void cronsim_row(struct vector_zones *zones, char **f)
{
    const struct cron_zone *z = vector_zone(zones, f[1]);

    if (!is_moved(z, f[3], f[4]))
        check("cronsim", f[2], z, CRON_RUN_ONCE, strtoll(f[0], NULL, 10), strtoll(f[3], NULL, 10));
}

static void next_run_once_is_that_of_cronsim_for_random_rows(void **state)
{
    (void)state;
    assert_true(vector_each("tests/vectors/cron/cronsim-random.tsv", cronsim_row) >= 500);
}

static void campaign_row(struct vector_zones *zones, char **f)
{
    const struct cron_zone *z = vector_zone(zones, f[1]);
    struct nb_error err = NB_ERROR_INIT;
    struct cron_expr *e = NULL;

    if (strcmp(f[3], "refused") == 0) {
        assert_false(cron_expr_parse(f[2], &e, &err));
        return;
    }
    for (int i = 0; i < 2 && !is_moved(z, f[4], f[5]); i++)
        check("campaign", f[2], z, i == 0 ? CRON_CRONJOB : CRON_RUN_ONCE, strtoll(f[0], NULL, 10),
              strcmp(f[3 + i], "never") == 0 ? 0 : strtoll(f[3 + i], NULL, 10));
}

static void next_of_the_first_rows_of_the_campaign_stays(void **state)
{
    (void)state;
    assert_int_equal(vector_each("tests/vectors/cron/campaign.tsv", campaign_row), 1000);
}

static void next_of_impossible_date_is_never(void **state)
{
    static const char *const exprs[] = { "0 0 31 2 *", "0 0 30 feb ?", "0 0 31 4,6,9,11 *" };
    nb_auto(cron_zone_free) struct cron_zone *z = cron_zone_fixed(0);

    (void)state;
    for (size_t i = 0; i < NB_ARRAY_LEN(exprs); i++) {
        check("impossible", exprs[i], z, CRON_CRONJOB, 1341877000, 0);
        check("impossible", exprs[i], z, CRON_RUN_ONCE, 1341877000, 0);
    }
    /* More than five years from one leap day to the next. */
    check("leap", "0 0 29 2 *", z, CRON_RUN_ONCE, vector_time("2096-03-01T00:00:00Z"), 0);
    check("leap", "0 0 29 2 *", z, CRON_CRONJOB, vector_time("2096-03-01T00:00:00Z"), 0);
}

static void next_where_a_day_is_missing_goes_on(void **state)
{
    struct nb_error err = NB_ERROR_INIT;
    nb_auto(cron_zone_free) struct cron_zone *z = NULL;

    (void)state;
    assert_true(cron_zone_load(NULL, "Pacific/Apia", &z, &err));
    /* Samoa had no 30 December 2011; the CronJob controller's own code hangs here. */
    check("apia", "0 8 30-31 * *", z, CRON_CRONJOB, vector_time("2011-12-29T22:00:00-10:00"),
          vector_time("2011-12-31T08:00:00+14:00"));
    check("apia", "0 8 30 * *", z, CRON_RUN_ONCE, vector_time("2011-12-29T22:00:00-10:00"),
          vector_time("2011-12-31T00:00:00+14:00"));
}

static void next_every_counts_from_the_last(void **state)
{
    nb_auto(cron_zone_free) struct cron_zone *z = cron_zone_fixed(0);

    (void)state;
    check("every", "@every 90m", z, CRON_RUN_ONCE, 1000, 6400);
    check("every", "@every 90m", z, CRON_CRONJOB, 1000, 6400);
}

static void last_is_the_most_recent(void **state)
{
    static const struct {
        const char *expr, *after, *until, *last;
        int64_t count;
    } rows[] = {
        { "0 2 * * *", "2026-01-01T00:00:00Z", "2026-01-10T01:59:59Z", "2026-01-09T02:00:00Z", 9 },
        { "0 2 * * *", "2026-01-01T00:00:00Z", "2026-01-10T02:00:00Z", "2026-01-10T02:00:00Z", 10 },
        { "0 2 * * *", "2026-01-01T02:00:00Z", "2026-01-02T01:59:59Z", NULL, 0 },
        { "* * * * *", "2020-01-01T00:00:00Z", "2026-01-10T02:00:30Z", "2026-01-10T02:00:00Z",
          101 },
        { "0 0 29 2 *", "2017-01-01T00:00:00Z", "2026-01-10T00:00:00Z", "2024-02-29T00:00:00Z", 2 },
        { "0 0 1 1 *", "2017-01-01T00:00:00Z", "2026-01-10T00:00:00Z", "2026-01-01T00:00:00Z", 9 },
        { "30 3 * * 1", "2026-01-01T00:00:00Z", "2026-01-10T00:00:00Z", "2026-01-05T03:30:00Z", 1 },
        { "@every 7h", "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z", "2026-01-01T21:00:00Z", 3 },
        { "@every 25h", "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z", NULL, 0 },
        { "@every 1m", "2020-01-01T00:00:00Z", "2026-01-02T00:00:00Z", "2026-01-02T00:00:00Z",
          101 },
        { "0 0 31 2 *", "2020-01-01T00:00:00Z", "2026-01-02T00:00:00Z", NULL, 0 },
        { "0 0 * * *", "2026-01-02T00:00:00Z", "2026-01-01T00:00:00Z", NULL, 0 },
    };
    nb_auto(cron_zone_free) struct cron_zone *z = cron_zone_fixed(0);

    (void)state;
    for (size_t i = 0; i < NB_ARRAY_LEN(rows); i++) {
        nb_auto(cron_expr_free) struct cron_expr *e = expr_of(rows[i].expr);
        int64_t t = 0, count = -1;
        bool found = cron_last(e, z, CRON_RUN_ONCE, vector_time(rows[i].after),
                               vector_time(rows[i].until), 101, &t, &count);

        assert_int_equal(found, rows[i].last != NULL);
        assert_int_equal(count, rows[i].count);
        if (found && t != vector_time(rows[i].last))
            fail_msg("row %zu", i);
    }
}

/* Every slot of a daily job exactly once a day, for years, in zones that change their clocks in all
 * sorts of ways. */
static void run_once_gives_each_day_one_run(void **state)
{
    static const char *const zones[] = { "America/New_York",  "Australia/Lord_Howe",
                                         "Europe/Dublin",     "Asia/Tehran",
                                         "America/Sao_Paulo", "Pacific/Auckland",
                                         "Asia/Kolkata" };
    static const char *const exprs[] = { "0 0 * * *", "30 1 * * *", "15 2 * * *", "59 23 * * *",
                                         "0 3 * * *" };

    (void)state;
    for (size_t i = 0; i < NB_ARRAY_LEN(zones); i++) {
        struct nb_error err = NB_ERROR_INIT;
        nb_auto(cron_zone_free) struct cron_zone *z = NULL;

        assert_true(cron_zone_load(NULL, zones[i], &z, &err));
        for (size_t k = 0; k < NB_ARRAY_LEN(exprs); k++) {
            nb_auto(cron_expr_free) struct cron_expr *e = expr_of(exprs[k]);
            int64_t t = vector_time("2008-01-01T12:00:00Z"),
                    end = vector_time("2035-01-01T12:00:00Z"), next = 0;
            int64_t last_day = -1;

            while (t < end) {
                assert_true(cron_next(e, z, CRON_RUN_ONCE, t, &next));
                assert_true(next > t);
                int64_t local = next + cron_zone_offset(z, next);
                /* A slot moved out of a gap at the end of a day still belongs to the day of which
                 * it is. */
                int64_t day = local / 86400;
                if (last_day >= 0 && day != last_day + 1)
                    fail_msg("%s '%s': day %lld after day %lld", zones[i], exprs[k], (long long)day,
                             (long long)last_day);
                last_day = day;
                t = next;
            }
        }
    }
}

static double micros(const char *expr, const struct cron_zone *z, enum cron_policy policy)
{
    nb_auto(cron_expr_free) struct cron_expr *e = expr_of(expr);
    uint64_t start = nb_clock_mono_ns();
    int64_t t = 0, after = vector_time("2050-01-01T00:00:00Z");

    for (int i = 0; i < 200; i++)
        if (cron_next(e, z, policy, after, &t) && t <= after)
            fail_msg("not later");
    return (double)(nb_clock_mono_ns() - start) / 200e3;
}

static void next_is_fast(void **state)
{
    static const char *const exprs[] = { "59 23 31 12 *", "0 2 * * *", "0 0 31 2 *" };
    struct nb_error err = NB_ERROR_INIT;
    nb_auto(cron_zone_free) struct cron_zone *z = NULL;

    (void)state;
    assert_true(cron_zone_load(NULL, "Europe/Berlin", &z, &err));
    for (size_t i = 0; i < NB_ARRAY_LEN(exprs); i++) {
        double once = micros(exprs[i], z, CRON_RUN_ONCE), model = micros(exprs[i], z, CRON_CRONJOB);

        print_message("%-15s %6.1f us, as CronJob %6.1f us\n", exprs[i], once, model);
        /* Wide enough for sanitizers and busy machines: the aim is 50. */
        assert_true(once < 2000 && model < 5000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(next_is_that_of_robfig_spec_test),
        cmocka_unit_test(next_is_that_of_robfig_for_random_rows),
        cmocka_unit_test(next_run_once_is_that_of_cronsim_on_odd_days),
        cmocka_unit_test(next_run_once_is_that_of_cronsim_for_random_rows),
        cmocka_unit_test(next_of_the_first_rows_of_the_campaign_stays),
        cmocka_unit_test(next_of_impossible_date_is_never),
        cmocka_unit_test(next_where_a_day_is_missing_goes_on),
        cmocka_unit_test(next_every_counts_from_the_last),
        cmocka_unit_test(last_is_the_most_recent),
        cmocka_unit_test(run_once_gives_each_day_one_run),
        cmocka_unit_test(next_is_fast),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
