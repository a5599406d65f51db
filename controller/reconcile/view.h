#ifndef NB_RECONCILE_VIEW_H
#define NB_RECONCILE_VIEW_H

/*
 * rec_view: one Neo4jBackup or Neo4jRestore and all that belongs to it, parsed from the stores at
 * one moment, as a plan wants it. Live look-ups add to it. One thread.
 */

#include "base/map.h"
#include "controller/reconcile/rec.h"

enum { REC_FACTS_MAX = 256 };

struct rec_view {
    struct api_backup *backup;   /* the one that it is about, or NULL */
    struct api_restore *restore; /* the same */
    struct api_run *source_run;  /* of a restore; NULL: none (yet) */
    struct api_backup *source_backup;
    struct nb_vec others;           /* struct api_restore *, of the same namespace */
    struct nb_vec runs, jobs, pods; /* struct api_run *, ... */
    struct nb_vec logs;             /* struct api_log *, the copies that job_logs speaks of */
    struct plan_job_log *job_logs;
    size_t job_log_count;
    struct plan_fact facts[REC_FACTS_MAX];
    size_t fact_count;
    struct nb_vec texts; /* names and words of the facts */
    struct notify_outcomes outcomes;
    struct plan_delivery *deliveries; /* the same, as a plan wants them */
    size_t delivery_count;
    bool namespace_terminating;
};

/* False: there is no such object (any more). */
bool rec_view_fill_backup(struct rec *rec, const char *key, struct rec_view *ret);
/* Only the runs that name a Neo4jBackup, where there is none. False: there are none. */
bool rec_view_fill_runs(struct rec *rec, const char *key, struct rec_view *ret);
/* key: with its prefix */
bool rec_view_fill_restore(struct rec *rec, const char *key, struct rec_view *ret);
void rec_view_done(struct rec_view *v);
NB_AUTO_DONE_DEFINE(struct rec_view, rec_view_done)
/* An object that a look-up brought. False: it is none of the kind. */
bool rec_view_add(struct rec_view *v, enum plan_object object, const struct nb_json *json);
/* False: too many. */
bool rec_view_add_fact(struct rec_view *v, enum plan_fact_kind kind, enum plan_object object,
                       const char *name, const char *text);

#endif
