#ifndef NB_PLAN_SCHEDULE_H
#define NB_PLAN_SCHEDULE_H

/*
 * When a Neo4jBackup is due: rules 5 to 10, 12 and 13 of docs/api.md. All times are the schedule's
 * own, without the jitter; *_wake_* ones have it.
 */

#include "controller/plan/plan.h"

struct plan_schedule_input {
    const char *schedule; /* never "" here */
    const char *time_zone;
    enum api_dst dst;
    int64_t deadline_seconds; /* -1: none */
    int64_t jitter_seconds;
    const char *uid;                                               /* the jitter's seed */
    int64_t created, last_schedule, schedule_change, last_skipped; /* 0: none */
    bool suspend;
    int64_t now_ms;
    const struct plan_options *options;
};

enum plan_schedule_fault {
    PLAN_SCHEDULE_OK,
    PLAN_SCHEDULE_INVALID,
    PLAN_SCHEDULE_ZONE,
    PLAN_SCHEDULE_NEVER
};

struct plan_schedule {
    enum plan_schedule_fault fault;
    struct nb_error err; /* of a fault */
    int64_t due;         /* the time to run now; 0: none */
    bool catch_up;       /* it is late by more than one interval, or others were missed before it */
    int64_t missed;      /* how many were missed beside `due`, counted up to 101 */
    int64_t too_late;    /* a time newly found to be past its deadline; 0: none. Report once. */
    int64_t next;        /* the next time after now (jitter not added); 0: none */
    int64_t interval;    /* from next to the one after it; 0: unknown */
    int64_t jitter;      /* seconds, 0 … jitter_seconds */
};
void plan_schedule(const struct plan_schedule_input *in, struct plan_schedule *ret);
/* The first time of the schedule after `base`; 0: none, or the schedule is at fault. */
int64_t plan_schedule_first_after(const struct plan_schedule_input *in, int64_t base);
int64_t plan_jitter_seconds(const char *uid, int64_t max_seconds);

#endif
