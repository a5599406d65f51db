#ifndef NB_REPO_RETENTION_H
#define NB_REPO_RETENTION_H

/*
 * Which backups of one owner and database stay and which go. Pure: the list, the rules and the time
 * in, a verdict each out.
 *
 * A backup kept by any rule stays. Only good ones (complete and verified) count for the rules; the
 * newest minimum_successful good ones stay whatever the rules say; pinned ones stay; a date in the
 * future neither counts nor goes; what the run itself has just made does not go. Of two that started
 * in the same second the one scheduled later is the newer, then the one whose name has the higher
 * number, as everywhere (repo_backup_is_newer). Buckets of keep_hourly and so on are UTC hours, days, ISO weeks,
 * months and years; the newest of a bucket is kept, as many buckets (with a backup in them) as the
 * rule says. Without any rule everything stays.
 */

#include <stddef.h>

#include "base/error.h"

struct retention_rules {
    int64_t days; /* keep what is younger; 0: for ever; -1: no such rule */
    unsigned keep_last, keep_hourly, keep_daily, keep_weekly, keep_monthly,
        keep_yearly;             /* 0: no such rule */
    unsigned minimum_successful; /* 0 counts as 1 */
    bool adopt;                  /* backups under another UID of the same owner are ours too */
    bool everything; /* the owner is going: delete all but pins (rules and minimum do not hold) */
};

enum retention_reason {
    RETENTION_KEEP_FOREVER, /* days is 0, or no rule at all */
    RETENTION_KEEP_YOUNG,   /* younger than days */
    RETENTION_KEEP_LAST,
    RETENTION_KEEP_HOURLY,
    RETENTION_KEEP_DAILY,
    RETENTION_KEEP_WEEKLY,
    RETENTION_KEEP_MONTHLY,
    RETENTION_KEEP_YEARLY,
    RETENTION_KEEP_MINIMUM, /* one of the last good ones */
    RETENTION_KEEP_PINNED,
    RETENTION_KEEP_HELD,      /* it is being restored */
    RETENTION_KEEP_FUTURE,    /* its date is in the future */
    RETENTION_KEEP_BLOCKED,   /* nothing is deleted: two UIDs under one owner */
    RETENTION_KEEP_JUST_MADE, /* by this very run */
    RETENTION_DELETE_EXPIRED,
    RETENTION_DELETE_ALL, /* rules.everything */
};
const char *retention_reason_name(enum retention_reason r); /* "Young", "Daily", ... */

struct retention_item {
    int64_t time_unix_seconds;      /* of the data: the manifest's start time */
    int64_t scheduled_unix_seconds; /* of its name */
    unsigned suffix;                /* of its name; 0: none */
    bool good;                      /* complete and verified */
    bool unproven;                  /* good is a guess: retention_decide_proven finds out */
    bool just_made;                 /* by this very run: no rule of its own takes it away */
    bool pinned;
    bool held;             /* it is being restored */
    const char *owner_uid; /* NULL or "": not known, never in conflict */
    /* out */
    bool keep;
    bool counted; /* one of those that a rule counts: others go because this one is there */
    enum retention_reason reason;
};

/* Fills keep and reason of every item, in any order. *ret_blocked: two UIDs were found (among the
 * items, or an item's and ours) and rules.adopt is off: then all are kept. owner_uid: ours, may be
 * NULL. */
void retention_decide(struct retention_item *items, size_t n, const struct retention_rules *rules,
                      const char *owner_uid, int64_t now_unix_seconds, bool *ret_blocked);

/* Finds out whether items[i] is good. False: it could not be found out, and nothing is decided. */
typedef bool(retention_prove_fn)(void *ctx, size_t i, bool *ret_good, struct nb_error *err);
/* The same, but nothing goes in favour of one that is unproven: those that count are proven first,
 * each once, and only if anything would go at all. What goes is what would go if everything were
 * known. */
NB_NODISCARD bool retention_decide_proven(struct retention_item *items, size_t n,
                                          const struct retention_rules *rules,
                                          const char *owner_uid, int64_t now_unix_seconds,
                                          retention_prove_fn *prove, void *ctx, bool *ret_blocked,
                                          struct nb_error *err);

#endif
