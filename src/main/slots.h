#ifndef NB_MAIN_SLOTS_H
#define NB_MAIN_SLOTS_H

/*
 * What a schedule asks for at an instant: the slot to run now, those that nobody served, the next
 * one. Pure; times are unix seconds.
 *
 * A slot is dealt with once: the caller writes down the newest it has dealt with (`last`) before it
 * does so, and only later ones count. Of several that were missed the newest runs, and only if it
 * is no older than the deadline. Summer time as in cron_next() with CRON_RUN_ONCE.
 *
 * When the clock goes back, slots that were dealt with do not come again; but if it goes back by
 * more than SLOTS_BACK_MAX_SECONDS, `last` was a time that never was, and the schedule goes on from
 * now (so does Debian's cron).
 */

#include "cron/cron.h"

enum { SLOTS_BACK_MAX_SECONDS = 3 * 3600, SLOTS_MISSED_MAX = 100 };

struct slots_input {
    const struct cron_expr *expr;
    const struct cron_zone *zone;
    int64_t since;            /* no slot up to this one is owed: when the schedule was set up */
    int64_t last;             /* the newest slot that was dealt with; 0: none yet */
    int64_t deadline_seconds; /* a slot that is older does not run any more */
    int64_t now;
};

struct slots {
    int64_t due;      /* run this one now; 0: none */
    int64_t too_late; /* this one is past its deadline: to be told and dealt with; 0: none */
    int64_t missed;   /* how many came and went before that one; counted up to SLOTS_MISSED_MAX */
    int64_t next;     /* the first one still to come; 0: none within five years */
    bool clock_went_back; /* `last` and `since` lie in the future and do not count */
};

void slots_plan(const struct slots_input *in, struct slots *ret);

#endif
