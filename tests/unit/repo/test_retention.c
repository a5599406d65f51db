#include "repo/retention.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/hash.h"
#include "base/mem.h"

enum { DAY = 86400, HOUR = 3600 };
static const int64_t NOW = 1760000000; /* 2025-10-09 08:53:20 UTC, a Thursday */

/* Good backups, one every step seconds, the newest right now. */
static size_t series(struct retention_item *out, size_t n, int64_t step)
{
    memset(out, 0, n * sizeof(*out));
    for (size_t i = 0; i < n; i++) {
        out[i].time_unix_seconds = NOW - (int64_t)i * step;
        out[i].good = true;
    }
    return n;
}

static size_t kept(const struct retention_item *v, size_t n)
{
    size_t k = 0;

    for (size_t i = 0; i < n; i++)
        k += v[i].keep;
    return k;
}

static void days_keep_what_is_younger(void **state)
{
    struct retention_item v[20];
    size_t n = series(v, 20, DAY);
    const struct retention_rules r = { .days = 7 };
    bool blocked;

    (void)state;
    retention_decide(v, n, &r, NULL, NOW, &blocked);
    assert_false(blocked);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(v[i].keep, i < 7);
        assert_int_equal(v[i].reason, i < 7 ? RETENTION_KEEP_YOUNG : RETENTION_DELETE_EXPIRED);
    }
}

static void days_zero_and_no_rule_at_all_keep_everything(void **state)
{
    struct retention_item v[20];
    size_t n = series(v, 20, 400 * DAY);
    struct retention_rules r = { .days = 0 };
    bool blocked;

    (void)state;
    retention_decide(v, n, &r, NULL, NOW, &blocked);
    assert_int_equal(kept(v, n), n);
    r.days = -1;
    retention_decide(v, n, &r, NULL, NOW, &blocked);
    assert_int_equal(kept(v, n), n);
}

static void minimum_keeps_the_last_good_ones_however_old(void **state)
{
    struct retention_item v[10];
    size_t n = series(v, 10, 100 * DAY);
    struct retention_rules r = { .days = 1, .minimum_successful = 3 };
    bool blocked;

    (void)state;
    for (size_t i = 0; i < n; i++)
        v[i].time_unix_seconds -= 1000 * DAY;
    v[0].good = v[2].good = false;
    retention_decide(v, n, &r, NULL, NOW, &blocked);
    assert_false(v[0].keep);
    assert_true(v[1].keep);
    assert_false(v[2].keep);
    assert_true(v[3].keep);
    assert_true(v[4].keep);
    assert_false(v[5].keep);
    assert_int_equal(v[1].reason, RETENTION_KEEP_MINIMUM);
    r.minimum_successful = 0; /* counts as one */
    retention_decide(v, n, &r, NULL, NOW, &blocked);
    assert_int_equal(kept(v, n), 1);
    assert_true(v[1].keep);
}

static void grandfather_father_son_keeps_the_newest_of_each(void **state)
{
    struct retention_item v[800];
    size_t n = series(v, 800, 12 * HOUR); /* 400 days, two a day */
    const struct retention_rules r = {
        .days = -1, .keep_daily = 7, .keep_weekly = 4, .keep_monthly = 12, .keep_yearly = 2
    };
    size_t by[RETENTION_DELETE_ALL + 1] = { 0 };
    bool blocked;

    (void)state;
    retention_decide(v, n, &r, NULL, NOW, &blocked);
    for (size_t i = 0; i < n; i++)
        by[v[i].reason]++;
    assert_int_equal(by[RETENTION_KEEP_DAILY], 7);
    /* The newest of this week and of the week before are dailies already: 4 weeks, 2 new. */
    assert_int_equal(by[RETENTION_KEEP_WEEKLY], 2);
    assert_true(v[1].keep);  /* yesterday evening's */
    assert_false(v[2].keep); /* yesterday morning's */
    /* October's is a daily; the last day of each of the eleven months before. 2024's last is
     * December's. */
    assert_int_equal(by[RETENTION_KEEP_MONTHLY], 11);
    assert_int_equal(by[RETENTION_KEEP_YEARLY], 0);
    assert_int_equal(kept(v, n), 20);
}

static void hourly_and_last_count_backups_not_time(void **state)
{
    struct retention_item v[10];
    size_t n = series(v, 10, 30 * DAY);
    struct retention_rules r = { .days = -1, .keep_hourly = 3 };
    bool blocked;

    (void)state;
    retention_decide(v, n, &r, NULL, NOW, &blocked);
    assert_int_equal(kept(v, n), 3);
    r = (struct retention_rules){ .days = -1, .keep_last = 5 };
    retention_decide(v, n, &r, NULL, NOW, &blocked);
    assert_int_equal(kept(v, n), 5);
}

static void pinned_and_future_ones_stay_and_future_ones_do_not_count(void **state)
{
    struct retention_item v[4];
    size_t n = series(v, 4, 100 * DAY);
    const struct retention_rules r = { .days = 1, .keep_last = 1, .minimum_successful = 1 };
    bool blocked;

    (void)state;
    v[0].time_unix_seconds = NOW + DAY; /* a clock was wrong */
    v[3].pinned = true;
    retention_decide(v, n, &r, NULL, NOW, &blocked);
    assert_int_equal(v[0].reason, RETENTION_KEEP_FUTURE);
    assert_int_equal(v[1].reason, RETENTION_KEEP_LAST);
    assert_int_equal(v[2].reason, RETENTION_DELETE_EXPIRED);
    assert_int_equal(v[3].reason, RETENTION_KEEP_PINNED);
}

static void two_uids_under_one_owner_block_everything_until_adopted(void **state)
{
    struct retention_item v[6];
    size_t n = series(v, 6, 10 * DAY);
    struct retention_rules r = { .days = 1 };
    bool blocked;

    (void)state;
    for (size_t i = 0; i < n; i++)
        v[i].owner_uid = i < 3 ? "new" : "old";
    retention_decide(v, n, &r, "new", NOW, &blocked);
    assert_true(blocked);
    assert_int_equal(kept(v, n), n);
    assert_int_equal(v[5].reason, RETENTION_KEEP_BLOCKED);
    r.adopt = true;
    retention_decide(v, n, &r, "new", NOW, &blocked);
    assert_false(blocked);
    assert_int_equal(kept(v, n), 1);
    r.adopt = false;
    for (size_t i = 0; i < n; i++)
        v[i].owner_uid = "old";
    retention_decide(v, n, &r, "new", NOW, &blocked);
    assert_true(blocked);
    retention_decide(v, n, &r, "", NOW, &blocked); /* by hand: no UID, no conflict */
    assert_false(blocked);
    v[2].owner_uid = NULL;
    retention_decide(v, n, &r, "old", NOW, &blocked);
    assert_false(blocked);
    r.everything = true;
    retention_decide(v, n, &r, "new", NOW, &blocked);
    assert_true(blocked);
    assert_int_equal(kept(v, n), n);
}

static void owner_deleted_takes_all_but_pins(void **state)
{
    struct retention_item v[6];
    size_t n = series(v, 6, DAY);
    const struct retention_rules r = { .days = 0, .keep_last = 5, .everything = true };
    bool blocked;

    (void)state;
    v[4].pinned = true;
    v[0].time_unix_seconds = NOW + DAY;
    retention_decide(v, n, &r, "u", NOW, &blocked);
    assert_int_equal(kept(v, n), 1);
    assert_true(v[4].keep);
    assert_int_equal(v[0].reason, RETENTION_DELETE_ALL);
}

/* ---- what must hold for any history ---- */

static uint64_t rng_state;

static uint32_t below(uint32_t n)
{
    rng_state = rng_state * 6364136223846793005U + 1442695040888963407U;
    return (uint32_t)(rng_state >> 33) % n;
}

static size_t random_history(struct retention_item *v, struct retention_rules *r)
{
    static const char *const uids[] = { "a", "a", "a", "a", "a", "", "b" };
    static const int64_t spans[] = { HOUR, DAY, 30 * DAY, 400 * DAY, 4000 * DAY };
    size_t n = below(40);
    int64_t span = spans[below(5)];
    bool many_uids = below(8) == 0;

    memset(v, 0, 40 * sizeof(*v));
    for (size_t i = 0; i < n; i++) {
        v[i].time_unix_seconds = NOW - (int64_t)below((uint32_t)span) + (below(20) ? 0 : 5 * DAY);
        if (i > 0 && below(10) == 0)
            v[i].time_unix_seconds = v[i - 1].time_unix_seconds;
        v[i].good = below(4) != 0;
        v[i].pinned = below(15) == 0;
        v[i].owner_uid = many_uids ? uids[below(7)] : "a";
    }
    *r = (struct retention_rules){ .days = below(3) ? (int64_t)below(30) - 1 : -1,
                                   .keep_last = below(3) ? 0 : below(5),
                                   .keep_hourly = below(3) ? 0 : below(5),
                                   .keep_daily = below(3) ? 0 : below(9),
                                   .keep_weekly = below(3) ? 0 : below(5),
                                   .keep_monthly = below(3) ? 0 : below(5),
                                   .keep_yearly = below(3) ? 0 : below(3),
                                   .minimum_successful = below(4),
                                   .adopt = below(4) == 0 };
    return n;
}

static void check_history(const struct retention_item *v, size_t n, const struct retention_rules *r,
                          bool blocked)
{
    unsigned least = r->minimum_successful ? r->minimum_successful : 1;
    unsigned past_good = 0, past_good_kept = 0;
    const struct retention_item *last_good = NULL;

    for (size_t i = 0; i < n; i++) {
        bool past = v[i].time_unix_seconds <= NOW;

        if (blocked || v[i].pinned || !past)
            assert_true(v[i].keep);
        if (r->days > 0 && past && NOW - v[i].time_unix_seconds < r->days * DAY)
            assert_true(v[i].keep);
        if (v[i].good && past) {
            past_good++;
            past_good_kept += v[i].keep;
            if (!last_good || v[i].time_unix_seconds > last_good->time_unix_seconds)
                last_good = &v[i];
        }
    }
    if (last_good && !last_good->keep) {
        bool twin = false; /* another of the very same second may be the one kept */

        for (size_t i = 0; i < n; i++)
            twin = twin || (v[i].good && v[i].keep &&
                            v[i].time_unix_seconds == last_good->time_unix_seconds);
        assert_true(twin);
    }
    assert_true(past_good_kept >= (past_good < least ? past_good : least));
}

static void any_history_keeps_the_last_good_ones(void **state)
{
    uint32_t seed = nb_random_below(UINT32_MAX);

    (void)state;
    printf("seed %u\n", seed);
    rng_state = seed;
    for (int round = 0; round < 100000; round++) {
        struct retention_item v[40], again[40];
        struct retention_rules r;
        size_t n = random_history(v, &r);
        bool blocked, blocked_again;

        retention_decide(v, n, &r, "a", NOW, &blocked);
        check_history(v, n, &r, blocked);
        /* What was kept is kept when asked again without what went: pruning twice is pruning once.
         */
        if (!blocked && round % 4 == 0) {
            size_t m = 0;

            for (size_t i = 0; i < n; i++)
                if (v[i].keep)
                    again[m++] = v[i];
            retention_decide(again, m, &r, "a", NOW, &blocked_again);
            for (size_t i = 0; i < m; i++)
                assert_true(again[i].keep);
        }
    }
}

static void reasons_have_names(void **state)
{
    (void)state;
    for (int i = 0; i <= RETENTION_DELETE_ALL; i++)
        assert_non_null(retention_reason_name((enum retention_reason)i));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(days_keep_what_is_younger),
        cmocka_unit_test(days_zero_and_no_rule_at_all_keep_everything),
        cmocka_unit_test(minimum_keeps_the_last_good_ones_however_old),
        cmocka_unit_test(grandfather_father_son_keeps_the_newest_of_each),
        cmocka_unit_test(hourly_and_last_count_backups_not_time),
        cmocka_unit_test(pinned_and_future_ones_stay_and_future_ones_do_not_count),
        cmocka_unit_test(two_uids_under_one_owner_block_everything_until_adopted),
        cmocka_unit_test(owner_deleted_takes_all_but_pins),
        cmocka_unit_test(any_history_keeps_the_last_good_ones),
        cmocka_unit_test(reasons_have_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
