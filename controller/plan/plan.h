#ifndef NB_PLAN_PLAN_H
#define NB_PLAN_PLAN_H

/*
 * The heart of the controller: what is to be done about one Neo4jBackup or one Neo4jRestore, as a
 * pure function of what is there and of the time. Level-based: a plan looks only at the present
 * state, never at what happened since the last one; carrying out any part of a plan and planning
 * again is always right, and a plan made of a state in which everything was carried out is empty.
 * Names of what is created follow from what it is for (docs/api.md, rule "names"), so that two
 * controllers, or one that crashed between two writes, cannot make a thing twice.
 *
 * How reconcile/ uses it, for the key of one Neo4jBackup:
 *
 *   again:
 *     fill a plan_input from the stores; plan_backup(&in, &actions);
 *     for each action, in order:
 *       carry it out. When that fails: if action->stop_on_failure, carry out nothing that follows;
 *       409 (a patch's resourceVersion is old) is "plan again soon".
 *       PLAN_CREATE: GET the owner first; gone, or of another uid: that is a 409. When the POST
 *       meets AlreadyExists: GET the object and ask plan_adopt(). ADOPT means
 *       success (the store will bring it); WAIT and FOREIGN: add a plan_fact and go to again.
 *       When the API server refuses it (REFUSED) or does not allow it (DENIED): the same. Jobs are
 *       created before all else is done, all of them, so that a plan that is made again because of
 *       one was not half carried out.
 *       PLAN_LOOK: GET. Found: add it to runs/jobs/pods by hand, else add a fact
 *       PLAN_FACT_GONE; go to again. Of a pod, `name` is its Job's: list that Job's pods, append
 *       what is found to pods, add a fact PLAN_FACT_LOOKED in either case.
 *     put the key back at out.requeue_at_ms (0: no need).
 *
 * The stores must have seen the controller's own last writes before a plan is made of them.
 * PLAN_LOOK asks before anything is declared gone, so an old store costs one GET, not a wrong
 * decision.
 */

#include <stdarg.h>

#include "controller/api/backup.h"
#include "controller/api/job.h"
#include "controller/api/report.h"
#include "controller/api/restore.h"
#include "controller/api/run.h"
#include "cron/cron.h"

enum plan_object { PLAN_OBJ_BACKUP, PLAN_OBJ_RUN, PLAN_OBJ_RESTORE, PLAN_OBJ_JOB, PLAN_OBJ_POD };

enum plan_kind {
    PLAN_CREATE, /* POST body */
    PLAN_DELETE, /* DELETE name with precondition uid; foreground if `foreground`, else background.
                    404 is fine */
    PLAN_PATCH,  /* merge patch of the object (finalizers): body has metadata.resourceVersion */
    PLAN_PATCH_STATUS, /* the same of the status subresource */
    PLAN_EVENT,        /* an Event about the object name/uid: event_warning, reason, text */
    PLAN_NOTIFY, /* see to it that the channel is told of the notice; does nothing where that goes
                    on already, and the outcome comes back as a plan_delivery */
    PLAN_FOLLOW_LOG, /* read the log of pod `name` from its start until its end (nothing if that
                          goes on already), feeding the api_log of its Job; plan again when that
                          changes */
    PLAN_LOOK,       /* GET name: is it really gone? Of a pod: list those of Job `name` */
};
extern const char *const plan_kind_names[];

struct plan_action {
    enum plan_kind kind;
    enum plan_object object;
    const char *name, *uid; /* uid "" when unknown (create, look) */
    const char *body;       /* JSON */
    enum plan_object owner; /* of what is created: it is looked at first, since a store that is */
    const char *owner_name, *owner_uid; /* behind may still show one that is gone */
    bool stop_on_failure;
    bool foreground;
    bool event_warning;
    const char *reason, *text;
    const char *run; /* of an Event about a Neo4jBackup: the run it tells of, or "" */
    const struct api_notice *notice; /* of a notification; in the arena */
    const char *channel;
};

struct plan_actions {
    struct nb_arena *arena; /* owns all strings */
    struct plan_action *items;
    size_t count, cap;
    int64_t requeue_at_ms; /* unix; 0: nothing to wait for */
};
void plan_actions_init(struct plan_actions *a);
void plan_actions_done(struct plan_actions *a);
NB_AUTO_DONE_DEFINE(struct plan_actions, plan_actions_done)

/* What live look-ups told. */
enum plan_fact_kind {
    PLAN_FACT_GONE,    /* a look-up found nothing */
    PLAN_FACT_LOOKED,  /* the pods of Job `name` were listed: there are no others, nor newer ones */
    PLAN_FACT_WAIT,    /* the name is taken by one that is being deleted, or whose owner is gone */
    PLAN_FACT_FOREIGN, /* the name is taken by one that is not ours */
    PLAN_FACT_REFUSED, /* a creation: the API server does not take such an object */
    PLAN_FACT_DENIED,  /* a creation: rights, a quota or an admission policy do not allow it now */
};
struct plan_fact {
    enum plan_fact_kind kind;
    enum plan_object object;
    const char *name;
    const char *text; /* of the last two: the API server's words; else "" */
};

/* What was heard of a Job's pod; at most one a Job, that of its newest pod. */
struct plan_job_log {
    const char *job;
    const struct api_log *log;
};

/* What became of telling a channel of a notice: told, or given up and why. */
struct plan_delivery {
    const char *id, *channel;
    bool told;
    const char *text; /* why not */
};

/* What holds for every plan of one controller. */
struct plan_options {
    const char *worker_image, *image_pull_policy; /* policy "": the cluster's default */
    const char *image_pull_secrets;               /* JSON list or "" */
    int64_t worker_uid; /* and gid and fsGroup; below 0: the platform chooses */
    const char *log_level;
    const char
        *verify_neo4j_image; /* default of verification.neo4jImage; "" : Restore needs the field */
    int64_t size_cost_micro_usd_per_gb_month; /* 15000: R2's price */
    /* A zone by its IANA name, borrowed; NULL with err when there is none. */
    const struct cron_zone *(*zone)(void *ctx, const char *name, struct nb_error *err);
    void *zone_ctx;
    /* Whether there is a channel of that name; false with err. NULL: there are none. */
    bool (*channel)(void *ctx, const char *name, struct nb_error *err);
    void *channel_ctx;
};

struct plan_backup_input {
    const struct api_backup *backup;
    const struct api_run *const *runs; /* in its namespace, of its name (owners are checked) */
    size_t run_count;
    const struct api_job *const
        *jobs; /* in its namespace, label API_LABEL_BACKUP = its name (owners are checked) */
    size_t job_count;
    const struct api_pod *const *pods; /* of those Jobs */
    size_t pod_count;
    const struct plan_job_log *logs;
    size_t log_count;
    const struct plan_fact *facts;
    size_t fact_count;
    const struct plan_delivery *deliveries;
    size_t delivery_count;
    const struct plan_options *options;
    bool namespace_terminating;
    int64_t now_ms;
};
/* out: initialised; what it holds is valid until plan_actions_done(). Cannot fail. */
void plan_backup(const struct plan_backup_input *in, struct plan_actions *out);

struct plan_restore_input {
    const struct api_restore *restore;
    const struct api_run
        *source_run; /* spec.source.runRef or status.resolvedSource; NULL: none (yet) */
    const struct api_backup *source_backup;  /* spec.source.backupRef; NULL: none (yet) */
    const struct api_restore *const *others; /* of its namespace */
    size_t other_count;
    const struct api_job *const *jobs; /* in its namespace, label API_LABEL_RESTORE = its name */
    size_t job_count;
    const struct api_pod *const *pods;
    size_t pod_count;
    const struct plan_job_log *logs;
    size_t log_count;
    const struct plan_fact *facts;
    size_t fact_count;
    const struct plan_options *options;
    int64_t now_ms;
};
void plan_restore(const struct plan_restore_input *in, struct plan_actions *out);

/* Runs that somebody has made by hand: they name a Neo4jBackup, which may not be there, and are not
 * owned by it. They are told so; all others are left alone. */
void plan_strays(const struct api_run *const *runs, size_t count, int64_t now_ms,
                 struct plan_actions *out);

/* A create met AlreadyExists: what of the object that is there? wanted: the action's body. */
enum plan_adopt { PLAN_ADOPT, PLAN_ADOPT_WAIT, PLAN_ADOPT_FOREIGN };
enum plan_adopt plan_adopt(const struct nb_json *existing, const char *wanted_body);

/* The first fact about that object; NULL: none. */
const struct plan_fact *plan_fact_find(const struct plan_fact *facts, size_t n,
                                       enum plan_object object, const char *name);
/* REFUSED or DENIED; false for NULL. */
bool plan_fact_is_refusal(const struct plan_fact *fact);
/* What was heard of that Job's pod; NULL: nothing. */
const struct api_log *plan_log_find(const struct plan_job_log *logs, size_t n, const char *job);
/* The Job of that name owned by that UID; NULL: none known. */
const struct api_job *plan_job_find(const struct api_job *const *jobs, size_t n, const char *name,
                                    const char *owner_uid);

/* --- for the files of this folder ------------------------------------------------------------ */
struct plan_action *plan_add(struct plan_actions *a, enum plan_kind kind, enum plan_object object,
                             const char *name, const char *uid);
/* Takes the body's text, as plan_take_text() does. */
struct plan_action *plan_create(struct plan_actions *a, enum plan_object object, const char *name,
                                struct nb_buf *body, enum plan_object owner,
                                const struct api_meta *of);
void plan_wake(struct plan_actions *a, int64_t at_ms); /* the earliest wins; 0 is ignored */
/* run: the name of the one it tells of, or "". */
void plan_event(struct plan_actions *a, enum plan_object object, const struct api_meta *about,
                const char *run, bool warning, const char *reason, const char *fmt, ...)
    NB_PRINTF(7, 8);
void plan_eventv(struct plan_actions *a, enum plan_object object, const struct api_meta *about,
                 const char *run, bool warning, const char *reason, const char *fmt, va_list ap)
    NB_PRINTF(7, 0);
const char *plan_take_text(struct plan_actions *a,
                           struct nb_buf *b); /* moves b's text into the arena */
/* What `status` has that the run's own has not, with its observedGeneration; NULL: nothing. Changes
 * *status. */
struct plan_action *plan_patch_run(struct plan_actions *a, const struct api_run *run,
                                   struct api_run_status *status);
/* Into *status: Failed (unless it has a result), the failure and both conditions. */
void plan_fail_run(struct plan_actions *a, const struct api_run *run, struct api_run_status *status,
                   const struct api_failure *failure, int64_t now_unix_seconds);

#endif
