#ifndef NB_PLAN_RESULT_H
#define NB_PLAN_RESULT_H

/*
 * What became of a Job: from its conditions, its newest pod and that pod's termination message
 * (hostile: any bytes). A message is believed only as far as the exit code agrees with it: exit
 * code 0 alone makes a success.
 */

#include "controller/plan/plan.h"

enum plan_progress { PLAN_JOB_WAITING, PLAN_JOB_RUNNING, PLAN_JOB_DONE };

struct plan_result {
    enum plan_progress progress;
    enum api_result result; /* when done */
    const char *reason,
        *message;      /* also while waiting: why ("ImagePullBackOff", "Unschedulable", …) */
    int64_t exit_code; /* -1: none */
    bool retriable;
    bool stuck;                          /* waiting for something that a person must mend */
    int64_t started, completed;          /* 0: unknown */
    const struct api_job *job;           /* that was read */
    const struct api_pod *pod;           /* the newest; NULL: none */
    struct api_termination *termination; /* never NULL once done; api_termination_free() */
};
/* pods: any; those of other Jobs are passed over. Strings live in a (some point into the
 * inputs). */
void plan_result_read(const struct api_job *job, const struct api_pod *const *pods,
                      size_t pod_count, int64_t now, struct nb_arena *a, struct plan_result *ret);
/* The Job has ended and how its worker ended is not known: the store of pods may be behind that of
 * Jobs, so a live look is needed before anything is concluded from it. */
bool plan_result_lacks_pod(const struct plan_result *r);
void plan_result_done(struct plan_result *r);
NB_AUTO_DONE_DEFINE(struct plan_result, plan_result_done)

#endif
