#include "repo/retention.h"

#include <stdlib.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"

enum { DAY_SECONDS = 86400, HOUR_SECONDS = 3600 };

const char *retention_reason_name(enum retention_reason r)
{
    static const char *const names[] = {
        [RETENTION_KEEP_FOREVER] = "Forever",   [RETENTION_KEEP_YOUNG] = "Young",
        [RETENTION_KEEP_LAST] = "Last",         [RETENTION_KEEP_HOURLY] = "Hourly",
        [RETENTION_KEEP_DAILY] = "Daily",       [RETENTION_KEEP_WEEKLY] = "Weekly",
        [RETENTION_KEEP_MONTHLY] = "Monthly",   [RETENTION_KEEP_YEARLY] = "Yearly",
        [RETENTION_KEEP_MINIMUM] = "Minimum",   [RETENTION_KEEP_PINNED] = "Pinned",
        [RETENTION_KEEP_HELD] = "Held",         [RETENTION_KEEP_FUTURE] = "Future",
        [RETENTION_KEEP_BLOCKED] = "Blocked",   [RETENTION_KEEP_JUST_MADE] = "JustMade",
        [RETENTION_DELETE_EXPIRED] = "Expired", [RETENTION_DELETE_ALL] = "OwnerDeleted",
    };

    return names[r];
}

/* ---- buckets: two times are in one if these are equal ---- */

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

static int64_t hour_of(int64_t t)
{
    return floor_div(t, HOUR_SECONDS);
}

static int64_t day_of(int64_t t)
{
    return floor_div(t, DAY_SECONDS);
}

/* 1 January 1970 was a Thursday; ISO weeks begin on Monday. */
static int64_t week_of(int64_t t)
{
    return floor_div(day_of(t) + 3, 7);
}

static int64_t month_of(int64_t t)
{
    struct nb_tm tm = nb_tm_from_unix(t);

    return tm.year * 12 + tm.month;
}

static int64_t year_of(int64_t t)
{
    return nb_tm_from_unix(t).year;
}

/* ---- decisions ---- */

struct ranked {
    struct retention_item *item;
};

static int by_time_newest_first(const void *a, const void *b)
{
    const struct retention_item *x = ((const struct ranked *)a)->item;
    const struct retention_item *y = ((const struct ranked *)b)->item;

    if (x->time_unix_seconds != y->time_unix_seconds)
        return x->time_unix_seconds < y->time_unix_seconds ? 1 : -1;
    if (x->scheduled_unix_seconds != y->scheduled_unix_seconds)
        return x->scheduled_unix_seconds < y->scheduled_unix_seconds ? 1 : -1;
    if (x->suffix != y->suffix)
        return x->suffix < y->suffix ? 1 : -1;
    return x < y ? 1 : x > y ? -1 : 0; /* a fixed order: one list, one verdict */
}

static bool has_any_rule(const struct retention_rules *r)
{
    return r->days >= 0 || r->keep_last || r->keep_hourly || r->keep_daily || r->keep_weekly ||
           r->keep_monthly || r->keep_yearly;
}

static void keep(struct retention_item *it, enum retention_reason why)
{
    if (it->keep)
        return; /* the first reason is the one told */
    it->keep = true;
    it->reason = why;
}

static bool counts(const struct retention_item *it, int64_t now)
{
    return it->good && it->time_unix_seconds <= now;
}

static void keep_buckets(struct ranked *v, size_t n, unsigned limit, int64_t (*bucket_of)(int64_t),
                         enum retention_reason why, int64_t now)
{
    int64_t last = 0;
    unsigned count = 0;

    for (size_t i = 0; i < n && count < limit; i++) {
        int64_t bucket;

        if (!counts(v[i].item, now))
            continue;
        bucket = bucket_of(v[i].item->time_unix_seconds);
        if (count > 0 && bucket == last)
            continue;
        last = bucket;
        count++;
        v[i].item->counted = true;
        keep(v[i].item, why);
    }
}

static void keep_newest(struct ranked *v, size_t n, unsigned limit, enum retention_reason why,
                        int64_t now)
{
    unsigned count = 0;

    for (size_t i = 0; i < n && count < limit; i++)
        if (counts(v[i].item, now)) {
            v[i].item->counted = true;
            keep(v[i].item, why);
            count++;
        }
}

static bool uids_differ(const char *a, const char *b)
{
    return a && *a && b && *b && strcmp(a, b) != 0;
}

static bool is_blocked(const struct retention_item *items, size_t n, const char *owner_uid)
{
    const char *seen = owner_uid && *owner_uid ? owner_uid : NULL;

    for (size_t i = 0; i < n; i++) {
        if (uids_differ(seen, items[i].owner_uid))
            return true;
        if (!seen && items[i].owner_uid && *items[i].owner_uid)
            seen = items[i].owner_uid;
    }
    return false;
}

/* What holds whatever the rules say. */
static void keep_protected(struct retention_item *it, bool everything, int64_t now)
{
    if (it->pinned)
        keep(it, RETENTION_KEEP_PINNED);
    else if (it->held)
        keep(it, RETENTION_KEEP_HELD);
    else if (it->time_unix_seconds > now && !everything)
        keep(it, RETENTION_KEEP_FUTURE);
}

static void keep_young(struct retention_item *it, int64_t days, int64_t now)
{
    int64_t age = now - it->time_unix_seconds;

    if (days == 0)
        keep(it, RETENTION_KEEP_FOREVER);
    else if (days > 0 && (days > INT64_MAX / DAY_SECONDS || age < days * DAY_SECONDS))
        keep(it, RETENTION_KEEP_YOUNG);
}

static void apply_rules(struct ranked *v, size_t n, const struct retention_rules *r, int64_t now)
{
    for (size_t i = 0; i < n; i++) {
        keep_protected(v[i].item, false, now);
        if (!has_any_rule(r))
            keep(v[i].item, RETENTION_KEEP_FOREVER);
        else
            keep_young(v[i].item, r->days, now);
    }
    keep_newest(v, n, r->keep_last, RETENTION_KEEP_LAST, now);
    keep_buckets(v, n, r->keep_hourly, hour_of, RETENTION_KEEP_HOURLY, now);
    keep_buckets(v, n, r->keep_daily, day_of, RETENTION_KEEP_DAILY, now);
    keep_buckets(v, n, r->keep_weekly, week_of, RETENTION_KEEP_WEEKLY, now);
    keep_buckets(v, n, r->keep_monthly, month_of, RETENTION_KEEP_MONTHLY, now);
    keep_buckets(v, n, r->keep_yearly, year_of, RETENTION_KEEP_YEARLY, now);
    keep_newest(v, n, r->minimum_successful ? r->minimum_successful : 1, RETENTION_KEEP_MINIMUM,
                now);
    /* Whatever the clocks say: a run that deletes its own backup has made none. */
    for (size_t i = 0; i < n; i++)
        if (v[i].item->just_made)
            keep(v[i].item, RETENTION_KEEP_JUST_MADE);
}

void retention_decide(struct retention_item *items, size_t n, const struct retention_rules *rules,
                      const char *owner_uid, int64_t now_unix_seconds, bool *ret_blocked)
{
    nb_auto(nb_free) struct ranked *v = nb_xcalloc(n + 1, sizeof(*v));

    *ret_blocked = !rules->adopt && is_blocked(items, n, owner_uid);
    for (size_t i = 0; i < n; i++) {
        v[i].item = &items[i];
        items[i].keep = items[i].counted = false;
        items[i].reason = rules->everything ? RETENTION_DELETE_ALL : RETENTION_DELETE_EXPIRED;
    }
    qsort(v, n, sizeof(*v), by_time_newest_first);
    for (size_t i = 0; i < n && (*ret_blocked || rules->everything); i++) {
        keep_protected(v[i].item, rules->everything, now_unix_seconds);
        if (*ret_blocked)
            keep(v[i].item, RETENTION_KEEP_BLOCKED);
    }
    if (!*ret_blocked && !rules->everything)
        apply_rules(v, n, rules, now_unix_seconds);
}

static bool any_goes(const struct retention_item *items, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!items[i].keep)
            return true;
    return false;
}

/* *ret_asked: one was, so the verdict may be another now. */
static bool prove_counted(struct retention_item *items, size_t n, retention_prove_fn *prove,
                          void *ctx, bool *ret_asked, struct nb_error *err)
{
    *ret_asked = false;
    for (size_t i = 0; i < n; i++) {
        if (!items[i].unproven || !items[i].counted)
            continue;
        if (!prove(ctx, i, &items[i].good, err))
            return false;
        items[i].unproven = false;
        *ret_asked = true;
    }
    return true;
}

bool retention_decide_proven(struct retention_item *items, size_t n,
                             const struct retention_rules *rules, const char *owner_uid,
                             int64_t now_unix_seconds, retention_prove_fn *prove, void *ctx,
                             bool *ret_blocked, struct nb_error *err)
{
    bool asked = true;

    while (asked) {
        retention_decide(items, n, rules, owner_uid, now_unix_seconds, ret_blocked);
        asked = false;
        if (any_goes(items, n) && !prove_counted(items, n, prove, ctx, &asked, err))
            return false;
    }
    return true;
}
