#ifndef NB_PLAN_JOB_H
#define NB_PLAN_JOB_H

/*
 * The Job object of a worker, as JSON. Its environment is the contract of
 * docs/worker-environment.md. The pod meets Pod Security "restricted", has a read-only root, no
 * volume but Secrets, no ServiceAccount token. Nothing in it comes from the spec unchecked but
 * scheduling hints, resources, labels and annotations (ours win).
 */

#include "controller/plan/plan.h"

struct plan_job_spec {
    enum api_job_kind kind;
    const char *name, *ns;
    const char *owner_kind, *owner_name, *owner_uid; /* the controller owner */
    const char *backup, *backup_uid, *run, *run_uid,
        *restore;                 /* "" when none; labels and environment */
    const struct api_template *t; /* connection, storage, retention, verification */
    const struct api_job_options *job;
    int64_t scheduled;
    const char *trigger, *owner; /* of the backup: BACKUP_OWNER */
    const char *keys;            /* comma-separated: verify, pin, restore */
    const char *token, *pin_value;
    bool prune_all;
    const struct api_restore *r; /* restore only */
};
/* The owner's UID and name may not be "". */
void plan_job_write(const struct plan_job_spec *spec, const struct plan_options *options,
                    struct nb_buf *out);

#endif
