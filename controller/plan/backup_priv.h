#ifndef NB_PLAN_BACKUP_PRIV_H
#define NB_PLAN_BACKUP_PRIV_H

/*
 * A plan for one Neo4jBackup while it is made: working copies of the statuses, changed step by step
 * and written as patches at the end. Shared by backup.c, backup_runs.c, backup_record.c,
 * backup_start.c, backup_extra.c, backup_conditions.c and backup_notices.c.
 */

#include "controller/plan/follow.h"
#include "controller/plan/plan.h"
#include "controller/plan/result.h"
#include "controller/plan/schedule.h"

enum {
    WAIT_MS = 5000,             /* look again at what is being deleted */
    DENIED_MS = 30000,          /* what the API server does not allow is tried again after this */
    REFUSED_MS = 300000,        /* and what it refuses, where it is still wanted, after this */
    PRUNE_SECONDS = 3600,       /* all tries of the Job that empties the bucket together */
    RELEASE_SECONDS = 2 * 3600, /* the finalizer goes at the latest this long after the deletion */
    NOTICE_SECONDS = 24 * 3600, /* what could not be told for so long is given up */
    NOTICE_WAIT_MS = 60000,     /* ask again whether what waits was told */
    EXTRA_TTL_SECONDS = 3600, /* Jobs that are no runs; one that failed is made again after this */
    TOKEN_MAX = 253,
};

struct bk_run {
    const struct api_run *run;
    struct api_run_status status;
    bool terminal;  /* in the working copy */
    bool ended_now; /* became terminal in this plan: details are in result and log */
    bool found;     /* was terminal before and is not recorded: a plan was cut short; as above */
    bool waits;     /* found, and its details are not all there yet */
    struct plan_result result;
    struct plan_wait wait; /* of one that has not ended */
    const struct api_log *log;
};

struct bk {
    const struct plan_backup_input *in;
    const struct api_backup *b;
    struct plan_actions *out;
    struct plan_actions later; /* behind the patch of the status; same arena */
    int64_t now;               /* seconds */
    struct api_backup_status status;
    struct bk_run *runs;
    size_t run_count;
    size_t active;       /* runs that have not ended, or are being created by this plan */
    const char *created; /* the last run that this plan creates; "" */
    const char *owner;
    const char *waiting;     /* why a requested run does not start; "" */
    struct plan_wait no_run; /* why the API server let a run not be made; reason NULL: it did */
    struct plan_schedule schedule;
    struct plan_schedule_input schedule_input;
    bool has_schedule;
    bool told;             /* a channel was */
    const char *told_fail; /* one could not be: why; "" */
};

/* Ended, and not in the stored history yet, nor ever. */
bool bk_is_news(const struct bk *k, const struct bk_run *r);
const struct plan_fact *bk_fact(const struct bk *k, enum plan_object object, const char *name);
const struct api_log *bk_log(const struct bk *k, const char *job);
const struct api_job *bk_job(const struct bk *k, const char *name, const char *owner_uid);
/* plan_follow_end() of one of this Neo4jBackup's Jobs. */
bool bk_follow_end(struct bk *k, const struct plan_result *res, const struct api_log *log);
const char *bk_first_active(const struct bk *k); /* a run that has not ended; "" */
void bk_event(struct bk *k, bool warning, const char *reason, const char *fmt, ...) NB_PRINTF(4, 5);
/* One that tells of that run. */
void bk_run_event(struct bk *k, const char *run, bool warning, const char *reason, const char *fmt,
                  ...) NB_PRINTF(5, 6);
/* Something to be told to those who asked for one of the bits of `on`, the lowest of which is what
 * happened. run: "" when it is about none. */
void bk_notify(struct bk *k, unsigned on, const char *reason, const char *run, const char *text);
void bk_condition(struct bk *k, const char *type, enum api_status status, const char *reason,
                  const char *message);
/* A name of ours: "<backup>-<letter><hash of text>". */
const char *bk_hash_name(struct bk *k, char letter, const char *text);
/* A token as it is remembered: itself, or a hash of one that is too long. */
const char *bk_token(struct bk *k, const char *token);

void bk_runs(struct bk *k);               /* Jobs of runs: create, follow, finish */
void bk_record(struct bk *k);             /* what ended: history, times, events, notifications */
void bk_start(struct bk *k);              /* which runs are to be made */
void bk_extra(struct bk *k);              /* verify, pin and list Jobs */
bool bk_deletion(struct bk *k);           /* the finalizer; true: the status says how far that is */
void bk_notices(struct bk *k);            /* what is to be told, was told, or cannot be */
bool bk_must_release(const struct bk *k); /* the finalizer, though all else is left alone */
void bk_watch_release(struct bk *k);      /* when that is to be looked at */
bool bk_finalizer(struct bk *k);          /* true: a patch of the finalizers is on its way */
void bk_conditions(struct bk *k);         /* Ready, Overdue, LastBackupSucceeded */
void bk_patch_run(struct bk *k, struct bk_run *r);
void bk_inventory(struct bk *k, const struct api_log *log);

#endif
