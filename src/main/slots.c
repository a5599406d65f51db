#include "main/slots.h"

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

void slots_plan(const struct slots_input *in, struct slots *ret)
{
    int64_t base = later(in->since, in->last);
    int64_t slot, count;

    *ret = (struct slots){ .clock_went_back = base - in->now > SLOTS_BACK_MAX_SECONDS };
    if (ret->clock_went_back)
        base = in->now;
    if (cron_last(in->expr, in->zone, CRON_RUN_ONCE, base, in->now, SLOTS_MISSED_MAX + 1, &slot,
                  &count)) {
        if (in->now - slot <= in->deadline_seconds)
            ret->due = slot;
        else
            ret->too_late = slot;
        ret->missed = count - 1;
        base = slot;
    }
    if (!cron_next(in->expr, in->zone, CRON_RUN_ONCE, base, &ret->next))
        ret->next = 0;
}
