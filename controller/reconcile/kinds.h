#ifndef NB_RECONCILE_KINDS_H
#define NB_RECONCILE_KINDS_H

/*
 * What the stores hold: of each kind only the fields that controller/api parses, indexed by the key of the Neo4jBackup that
 * they belong to ("namespace/name").
 */

#include "controller/runtime/store.h"
#include "kube/object.h"

extern const struct kube_resource REC_BACKUPS, REC_RUNS, REC_RESTORES;
extern const struct ctl_kind REC_BACKUP_KIND, REC_RUN_KIND, REC_JOB_KIND, REC_POD_KIND;

/* Jobs and pods of ours have this label: the watch asks for no others. */
#define REC_WORKER_SELECTOR "neo4jbackup.dev/job"

#endif
