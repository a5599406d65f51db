#ifndef NB_MAIN_SCHEDULE_STATE_H
#define NB_MAIN_SCHEDULE_STATE_H

/*
 * What a schedule remembers, and what `health` makes of it. Formatting, parsing and the verdict are
 * pure; times are unix seconds, 0: never.
 */

#include "base/buf.h"
#include "cron/cron.h"

enum {
    SCHEDULE_STATE_MAX_BYTES = 64 << 10,
    SCHEDULE_TRIES_MAX = 3, /* of one slot whose run was cut short */
    HEALTH_LATE_SECONDS = 90,
    HEALTH_WAITING_MAX = 1, /* slots that may wait for a backup to end */
    TRIGGER_MAX = 16,
};

enum run_result { RUN_NONE, RUN_RUNNING, RUN_SUCCEEDED, RUN_PARTIAL, RUN_FAILED, RUN_INTERRUPTED };

struct schedule_run {
    enum run_result result;
    char trigger[TRIGGER_MAX]; /* Schedule, CatchUp, Immediate, Manual */
    int64_t slot, start, end;
    unsigned tries; /* of this slot, this one among them */
    int exit_code;  /* -1: killed by a signal */
    char reason[NB_REASON_MAX];
    char message[NB_TEXT_MAX];
    int64_t size_bytes;
};

struct schedule_state {
    char schedule[CRON_TEXT_MAX + 1], zone[CRON_ZONE_NAME_MAX + 1];
    int64_t since;               /* this schedule is in force */
    int64_t last;                /* the newest slot that was dealt with */
    int64_t next;                /* the next one to come */
    int64_t skipped;             /* the newest slot that was past its deadline */
    unsigned waiting;            /* slots that came while a backup is going on */
    struct schedule_run run;     /* the newest, perhaps going on */
    struct schedule_run success; /* the last that succeeded; RUN_NONE: none yet */
    struct schedule_run failure; /* the last that did not */
};

const char *run_result_name(enum run_result r);
void schedule_state_format(const struct schedule_state *s, struct nb_buf *out);
/* Unknown members are ignored, absent ones are unknown. */
NB_NODISCARD bool schedule_state_parse(const char *text, size_t n, struct schedule_state *ret,
                                       struct nb_error *err);
/* `run` was cut short, by a stop or because the schedule itself went: whether its slot is still to be
 * served. */
bool schedule_state_retries(const struct schedule_state *s, int64_t deadline_seconds, int64_t now);
/* The newest run has ended: success or failure is it. */
void schedule_state_note_end(struct schedule_state *s);
/* One sentence, well or not. */
bool schedule_state_healthy(const struct schedule_state *s, int64_t now, struct nb_buf *out);

#endif
