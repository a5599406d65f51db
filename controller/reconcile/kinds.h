#ifndef NB_RECONCILE_KINDS_H
#define NB_RECONCILE_KINDS_H

/*
 * What the stores hold: of each kind only the fields that controller/api parses, indexed by the
 * queue key of what they belong to: "namespace/name" of a Neo4jBackup, or
 * "restore:namespace/name" of a Neo4jRestore. Neo4jRestores are indexed by their namespace.
 */

#include "controller/runtime/store.h"
#include "kube/object.h"

extern const struct kube_resource REC_BACKUPS, REC_RUNS, REC_RESTORES;
extern const struct ctl_kind REC_BACKUP_KIND, REC_RUN_KIND, REC_RESTORE_KIND, REC_JOB_KIND,
    REC_POD_KIND;

/* What the queue keys of Neo4jRestores begin with: no namespace can. */
#define REC_RESTORE_PREFIX "restore:"

/* Jobs and pods of ours have this label: the watch asks for no others. */
#define REC_WORKER_SELECTOR "neo4jbackup.dev/job"

#endif
