/*
 * The life of one owner's backups: they come, good and bad, are pinned, have dates in the future or
 * the UID of another, and retention goes over them again and again with rules that may change. Each
 * verdict is held against the rules as docs/api.md words them, written down a second way (slow, no
 * sorting, the C library's weeks), and against what must never happen whatever the rules say.
 */

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "repo/retention.h"
#include "tests/campaigns/campaign.h"
#include "tests/campaigns/random.h"

enum { ITEMS_MAX = 48, STEPS_MAX = 14, HOUR = 3600, DAY = 86400, KEY_MAX = 16 };

static uint64_t decisions, deleted_n, blocked_n, proofs_n;

struct life {
    struct rnd rnd;
    struct retention_item v[ITEMS_MAX];
    bool truth[ITEMS_MAX]; /* of those that are unproven */
    bool asked[ITEMS_MAX];
    size_t n;
    struct retention_rules rules;
    const char *uid;
    int64_t now;
};

static unsigned maybe(struct rnd *r, unsigned max)
{
    return rnd_below(r, 2) ? 0 : (unsigned)rnd_below(r, max + 1);
}

static void rules_make(struct life *l)
{
    struct rnd *r = &l->rnd;

    l->rules =
        (struct retention_rules){ .days = rnd_below(r, 3) ? (int64_t)rnd_below(r, 40) - 1 : -1,
                                  .keep_last = maybe(r, 5),
                                  .keep_hourly = maybe(r, 5),
                                  .keep_daily = maybe(r, 9),
                                  .keep_weekly = maybe(r, 5),
                                  .keep_monthly = maybe(r, 13),
                                  .keep_yearly = maybe(r, 3),
                                  .minimum_successful = (unsigned)rnd_below(r, 5),
                                  .adopt = rnd_below(r, 8) == 0,
                                  .everything = rnd_below(r, 50) == 0 };
}

static void item_come(struct life *l, int64_t time)
{
    static const char *const uids[] = { "a", "", NULL, "b" };
    struct rnd *r = &l->rnd;

    if (l->n == ITEMS_MAX)
        return;
    l->v[l->n++] =
        (struct retention_item){ .time_unix_seconds = time,
                                 .scheduled_unix_seconds = time - (int64_t)rnd_below(r, 3),
                                 .suffix = (unsigned)rnd_below(r, 3),
                                 .good = rnd_below(r, 5) != 0,
                                 .pinned = rnd_below(r, 20) == 0,
                                 .owner_uid = rnd_below(r, 40) ? "a" : uids[rnd_below(r, 4)] };
}

/* --- the rules, a second way ------------------------------------------------------------------ */

static bool counts(const struct life *l, size_t i)
{
    return l->v[i].good && l->v[i].time_unix_seconds <= l->now;
}

/* By start, scheduled time and number in the name; of two that are the same, as no bucket has them,
 * the later in the list. */
static bool newer(const struct life *l, size_t a, size_t b)
{
    const struct retention_item *x = &l->v[a], *y = &l->v[b];
    const int64_t of_x[] = { x->time_unix_seconds, x->scheduled_unix_seconds, x->suffix };
    const int64_t of_y[] = { y->time_unix_seconds, y->scheduled_unix_seconds, y->suffix };

    for (size_t i = 0; i < 3; i++)
        if (of_x[i] != of_y[i])
            return of_x[i] > of_y[i];
    return a > b;
}

enum period { PER_HOUR, PER_DAY, PER_WEEK, PER_MONTH, PER_YEAR };

static void bucket(int64_t t, enum period period, char out[KEY_MAX])
{
    struct nb_tm day = nb_tm_from_unix(t);
    struct tm tm = {
        .tm_year = (int)day.year - 1900,
        .tm_mon = day.month - 1,
        .tm_mday = day.day,
        .tm_hour = day.hour,
        .tm_wday = day.weekday,
        .tm_yday = (int)(nb_days_from_civil(day.year, day.month, day.day) -
                         nb_days_from_civil(day.year, 1, 1)),
    };
    size_t n = 0;

    memset(out, 0, KEY_MAX);
    switch (period) {
    case PER_HOUR:
        n = strftime(out, KEY_MAX, "%Y%m%d%H", &tm);
        break;
    case PER_DAY:
        n = strftime(out, KEY_MAX, "%Y%m%d", &tm);
        break;
    case PER_WEEK:
        n = strftime(out, KEY_MAX, "%G%V", &tm);
        break;
    case PER_MONTH:
        n = strftime(out, KEY_MAX, "%Y%m", &tm);
        break;
    case PER_YEAR:
        n = strftime(out, KEY_MAX, "%Y", &tm);
        break;
    }
    if (n == 0)
        __builtin_trap();
}

static bool in_newest(const struct life *l, size_t i, unsigned limit)
{
    unsigned before = 0;

    for (size_t k = 0; k < l->n; k++)
        before += counts(l, k) && newer(l, k, i);
    return counts(l, i) && before < limit;
}

/* Newest of its bucket, and fewer than limit newer buckets have anything in them. */
static bool in_buckets(const struct life *l, size_t i, enum period period, unsigned limit)
{
    char own[KEY_MAX], other[KEY_MAX], seen[ITEMS_MAX][KEY_MAX];
    unsigned seen_n = 0;

    if (!counts(l, i))
        return false;
    bucket(l->v[i].time_unix_seconds, period, own);
    for (size_t k = 0; k < l->n; k++) {
        bool known = false;

        if (!counts(l, k) || !newer(l, k, i))
            continue;
        bucket(l->v[k].time_unix_seconds, period, other);
        if (strcmp(own, other) == 0)
            return false;
        for (unsigned s = 0; s < seen_n; s++)
            known = known || strcmp(seen[s], other) == 0;
        if (!known)
            memcpy(seen[seen_n++], other, KEY_MAX);
    }
    return seen_n < limit;
}

static bool model_keeps(const struct life *l, size_t i)
{
    const struct retention_rules *r = &l->rules;
    const struct retention_item *it = &l->v[i];
    bool any = r->days >= 0 || r->keep_last || r->keep_hourly || r->keep_daily || r->keep_weekly ||
               r->keep_monthly || r->keep_yearly;

    if (it->pinned)
        return true;
    if (r->everything)
        return false;
    if (it->time_unix_seconds > l->now || !any || r->days == 0 || it->just_made)
        return true;
    if (r->days > 0 && l->now - it->time_unix_seconds < r->days * DAY)
        return true;
    return in_newest(l, i, r->keep_last) || in_buckets(l, i, PER_HOUR, r->keep_hourly) ||
           in_buckets(l, i, PER_DAY, r->keep_daily) || in_buckets(l, i, PER_WEEK, r->keep_weekly) ||
           in_buckets(l, i, PER_MONTH, r->keep_monthly) ||
           in_buckets(l, i, PER_YEAR, r->keep_yearly) ||
           in_newest(l, i, r->minimum_successful ? r->minimum_successful : 1);
}

/* Two UIDs, ours among them, and no word that theirs are ours. */
static bool model_blocks(const struct life *l)
{
    bool a = l->uid && strcmp(l->uid, "a") == 0, b = l->uid && strcmp(l->uid, "b") == 0;

    for (size_t i = 0; i < l->n; i++) {
        a = a || (l->v[i].owner_uid && strcmp(l->v[i].owner_uid, "a") == 0);
        b = b || (l->v[i].owner_uid && strcmp(l->v[i].owner_uid, "b") == 0);
    }
    return a && b && !l->rules.adopt;
}

/* --- what must never happen ------------------------------------------------------------------- */

static bool never_check(const struct life *l, bool blocked, struct nb_error *err)
{
    unsigned least = l->rules.minimum_successful ? l->rules.minimum_successful : 1;
    unsigned good = 0, good_kept = 0;
    int64_t newest = INT64_MIN;
    bool newest_kept = false;

    for (size_t i = 0; i < l->n; i++) {
        const struct retention_item *it = &l->v[i];

        if (!it->keep && it->just_made && !l->rules.everything)
            return nb_fail(err, NB_E_INTERNAL, "JustMade", "a run's own backup went");
        if (!it->keep && it->pinned)
            return nb_fail(err, NB_E_INTERNAL, "Pinned", "a pinned one went");
        if (!it->keep && blocked)
            return nb_fail(err, NB_E_INTERNAL, "Blocked", "one went although it is not sure whose");
        if (!it->keep && it->time_unix_seconds > l->now && !l->rules.everything)
            return nb_fail(err, NB_E_INTERNAL, "Future", "one of the future went");
        if (!counts(l, i))
            continue;
        good++;
        good_kept += it->keep;
        if (it->time_unix_seconds > newest) {
            newest = it->time_unix_seconds;
            newest_kept = false;
        }
        newest_kept = newest_kept || (it->time_unix_seconds == newest && it->keep);
    }
    if (l->rules.everything && !blocked)
        return true;
    if (good > 0 && !newest_kept)
        return nb_fail(err, NB_E_INTERNAL, "Last", "the last good one went");
    if (good_kept < (good < least ? good : least))
        return nb_fail(err, NB_E_INTERNAL, "Minimum", "%u of %u good ones stay, not %u", good_kept,
                       good, least);
    return true;
}

static bool prove(void *ctx, size_t i, bool *ret_good, struct nb_error *err)
{
    struct life *l = ctx;

    proofs_n++;
    if (l->asked[i])
        return nb_fail(err, NB_E_INTERNAL, "Asked", "number %zu is read twice", i);
    l->asked[i] = true;
    *ret_good = l->truth[i];
    return true;
}

static bool decide(struct life *l, struct nb_error *err)
{
    bool blocked, want_blocked = model_blocks(l);
    bool spared = true, doubt = false; /* nothing went, so nobody found out about a bad one */
    size_t kept = 0;

    memset(l->asked, 0, sizeof(l->asked));
    for (size_t i = 0; i < l->n; i++) {
        l->v[i].unproven = rnd_below(&l->rnd, 6) == 0;
        l->truth[i] = l->v[i].good;
        l->v[i].good = l->v[i].good || l->v[i].unproven;
    }
    if (!retention_decide_proven(l->v, l->n, &l->rules, l->uid, l->now, prove, l, &blocked, err))
        return false;
    /* As if all had been known from the beginning. */
    for (size_t i = 0; i < l->n; i++) {
        spared = spared && l->v[i].keep;
        doubt = doubt || (l->v[i].unproven && !l->truth[i]);
        l->v[i].good = l->truth[i];
    }
    spared = spared && doubt;
    decisions++;
    blocked_n += blocked;
    if (blocked != want_blocked)
        return nb_fail(err, NB_E_INTERNAL, "Blocked", "blocked is %d, not %d", blocked,
                       want_blocked);
    for (size_t i = 0; i < l->n; i++)
        if (!spared && l->v[i].keep != (blocked || model_keeps(l, i)))
            return nb_fail(err, NB_E_INTERNAL, "Verdict", "number %zu of %zu: %s, %s", i, l->n,
                           l->v[i].keep ? "kept" : "deleted",
                           retention_reason_name(l->v[i].reason));
    if (!never_check(l, blocked, err))
        return false;
    for (size_t i = 0; i < l->n; i++)
        if (l->v[i].keep)
            l->v[kept++] = l->v[i];
    deleted_n += l->n - kept;
    l->n = kept;
    return true;
}

static bool run(uint64_t number, struct nb_error *err)
{
    static const int64_t steps[] = { HOUR / 2, 4 * HOUR, DAY, 6 * DAY, 20 * DAY, 300 * DAY };
    struct life l = { .rnd = rnd_of_case(number), .uid = "a" };
    unsigned looks = 1 + (unsigned)rnd_below(&l.rnd, STEPS_MAX);

    if (rnd_below(&l.rnd, 20) == 0)
        l.uid = rnd_below(&l.rnd, 2) ? NULL : "b";
    l.now = (int64_t)rnd_below(&l.rnd, 4000000000U);
    rules_make(&l);
    while (looks-- > 0) {
        int64_t pace = steps[rnd_below(&l.rnd, 6)];

        for (unsigned k = (unsigned)rnd_below(&l.rnd, 12); k > 0; k--) {
            l.now += (int64_t)rnd_below(&l.rnd, (uint64_t)pace);
            item_come(&l, l.now + (rnd_below(&l.rnd, 30) ? 0 : 9 * DAY));
            if (rnd_below(&l.rnd, 12) == 0)
                item_come(&l, l.now); /* two at the same second */
        }
        if (rnd_below(&l.rnd, 5) == 0)
            rules_make(&l);
        if (l.n > 0 && rnd_below(&l.rnd, 6) == 0)
            l.v[rnd_below(&l.rnd, l.n)].pinned ^= 1;
        if (l.n > 0 && rnd_below(&l.rnd, 6) == 0)
            l.v[rnd_below(&l.rnd, l.n)].good = false; /* found damaged */
        for (size_t i = 0; i < l.n; i++)
            l.v[i].just_made = false;
        if (l.n > 0 && rnd_below(&l.rnd, 2)) /* the others: a prune by itself */
            l.v[rnd_below(&l.rnd, 4) ? l.n - 1 : rnd_below(&l.rnd, l.n)].just_made = true;
        if (!decide(&l, err))
            return false;
    }
    return true;
}

static const char *remarks(void)
{
    static char text[160];

    snprintf(text, sizeof(text),
             "%llu verdicts on lists, %llu backups deleted, %llu lists blocked, %llu backups read",
             (unsigned long long)decisions, (unsigned long long)deleted_n,
             (unsigned long long)blocked_n, (unsigned long long)proofs_n);
    return text;
}

const struct campaign campaign = {
    .name = "retention", .slice = 10000, .run = run, .remarks = remarks
};
