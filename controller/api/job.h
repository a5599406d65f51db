#ifndef NB_API_JOB_H
#define NB_API_JOB_H

/* Job and Pod: only the fields that the plan reads. */

#include "controller/api/meta.h"
#include "controller/api/names.h"

enum api_job_kind {
    API_JOB_OTHER,
    API_JOB_BACKUP,
    API_JOB_VERIFY,
    API_JOB_PRUNE,
    API_JOB_PIN,
    API_JOB_LIST,
    API_JOB_RESTORE
};
/* "", "backup", "verify", "prune", "pin", "list", "restore", NULL: values of API_LABEL_JOB and
 * first arguments. */
extern const char *const api_job_kind_names[];

struct api_job {
    struct nb_arena *arena;
    struct api_meta meta;
    enum api_job_kind kind;
    const char *backup, *run, *restore; /* labels */
    const char *token, *pin_value;      /* annotations */
    int64_t scheduled;                  /* annotation */
    int64_t active, succeeded, failed;  /* pods */
    int64_t started, completed;
    struct api_conditions conditions;
};
NB_NODISCARD bool api_job_parse(const struct nb_json *object, struct api_job **ret,
                                struct nb_error *err);
void api_job_free(struct api_job *j);
NB_AUTO_DEFINE(struct api_job *, api_job_free)
/* Complete or Failed is True. */
bool api_job_is_finished(const struct api_job *j);
int64_t api_job_ended(const struct api_job *j); /* when; 0: it has not, or does not say */

struct api_pod {
    struct nb_arena *arena;
    struct api_meta meta;
    const char *job;                      /* name of the Job that owns it */
    const char *phase, *reason, *message; /* status.… */
    struct api_conditions conditions;
    bool has_worker;                              /* the worker container's status is there */
    const char *waiting_reason, *waiting_message; /* or of the init container that it waits for */
    bool running;
    bool terminated;
    int64_t exit_code, signal, started, finished;
    const char *terminated_reason, *terminated_message; /* the termination message */
};
NB_NODISCARD bool api_pod_parse(const struct nb_json *object, struct api_pod **ret,
                                struct nb_error *err);
void api_pod_free(struct api_pod *p);
NB_AUTO_DEFINE(struct api_pod *, api_pod_free)

#endif
