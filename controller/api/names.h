#ifndef NB_API_NAMES_H
#define NB_API_NAMES_H

/* Every name of the project's Kubernetes API that is not a field: group, kinds, labels,
 * annotations, events. */

#define API_GROUP         "neo4jbackup.dev"
#define API_VERSION       "v1"
#define API_GROUP_VERSION API_GROUP "/" API_VERSION

#define API_KIND_BACKUP    "Neo4jBackup"
#define API_KIND_RUN       "Neo4jBackupRun"
#define API_KIND_RESTORE   "Neo4jRestore"
#define API_PLURAL_BACKUP  "neo4jbackups"
#define API_PLURAL_RUN     "neo4jbackupruns"
#define API_PLURAL_RESTORE "neo4jrestores"

/* A finalizer of Neo4jBackups whose retention.onDelete is Delete. */
#define API_FINALIZER API_GROUP "/prune"

#define API_ANNOTATION_RUN_REQUESTED     API_GROUP "/run-requested"
#define API_ANNOTATION_REFRESH_REQUESTED API_GROUP "/refresh-requested"
#define API_ANNOTATION_RECONCILE         API_GROUP "/reconcile" /* "disabled" */
#define API_ANNOTATION_PINNED            API_GROUP "/pinned"    /* "true", on runs */
#define API_ANNOTATION_PIN_VALUE         API_GROUP "/pin-value" /* "true", "false", on pin Jobs */
#define API_ANNOTATION_SCHEDULED_TIME    API_GROUP "/scheduled-time" /* on Jobs */
#define API_ANNOTATION_TOKEN             API_GROUP "/token" /* what a run or Job was asked by */

/* Labels of everything that the controller makes. */
#define API_LABEL_NAME       "app.kubernetes.io/name"
#define API_LABEL_MANAGED_BY "app.kubernetes.io/managed-by"
#define API_LABEL_COMPONENT  "app.kubernetes.io/component"
#define API_VALUE_NAME       "neo4j-backup"
#define API_VALUE_MANAGED_BY "neo4j-backup-controller"
#define API_VALUE_COMPONENT  "worker"
#define API_LABEL_BACKUP     API_GROUP "/backup-name"  /* runs, Jobs, pods */
#define API_LABEL_RUN        API_GROUP "/run-name"     /* Jobs, pods */
#define API_LABEL_RESTORE    API_GROUP "/restore-name" /* Jobs, pods */
#define API_LABEL_TRIGGER    API_GROUP "/trigger"      /* runs */
#define API_LABEL_JOB        API_GROUP "/job" /* Jobs, pods: what it does, see enum api_job_kind */

#define API_WORKER_CONTAINER "worker"

/* Longest name of a Neo4jBackup or Neo4jRestore: a Job's 63 less "-m" and eight digits. */
enum { API_NAME_MAX = 52 };

/* Event reasons. */
#define API_EVENT_RUN_CREATED         "BackupRunCreated"
#define API_EVENT_SUCCEEDED           "BackupSucceeded"
#define API_EVENT_PARTIAL             "BackupPartiallySucceeded"
#define API_EVENT_FAILED              "BackupFailed"
#define API_EVENT_RECOVERED           "BackupRecovered"
#define API_EVENT_OVERDUE             "BackupOverdue"
#define API_EVENT_SKIPPED             "ScheduleSkipped"
#define API_EVENT_MISSED              "MissedSchedule"
#define API_EVENT_TOO_MANY_MISSED     "TooManyMissedTimes"
#define API_EVENT_INVALID_SCHEDULE    "InvalidSchedule"
#define API_EVENT_UNKNOWN_ZONE        "UnknownTimeZone"
#define API_EVENT_NAME_COLLISION      "NameCollision"
#define API_EVENT_PRUNED              "BackupPruned"
#define API_EVENT_RETENTION_BLOCKED   "RetentionBlocked"
#define API_EVENT_VERIFIED            "VerificationSucceeded"
#define API_EVENT_VERIFY_FAILED       "VerificationFailed"
#define API_EVENT_RESTORE_STARTED     "RestoreStarted"
#define API_EVENT_RESTORE_SUCCEEDED   "RestoreSucceeded"
#define API_EVENT_RESTORE_FAILED      "RestoreFailed"
#define API_EVENT_FINALIZER_RELEASED  "FinalizerReleased"
#define API_EVENT_PINNED              "BackupPinned"
#define API_EVENT_PIN_FAILED          "PinFailed"
#define API_EVENT_CATALOGUE_REFRESHED "CatalogueRefreshed"
#define API_EVENT_CATALOGUE_FAILED    "CatalogueFailed"
#define API_EVENT_NOTIFY_FAILED       "NotificationFailed"
#define API_EVENT_WAITING             "BackupWaiting"
#define API_EVENT_RESTORE_WAITING     "RestoreWaiting"
#define API_EVENT_INVALID_SPEC        "InvalidSpec"
#define API_EVENT_UNKNOWN_CHANNEL     "UnknownChannel"
#define API_EVENT_RUN_REFUSED         "RunRefused"

/* Reasons of what the API server does not let be made. */
#define API_REASON_JOB_REFUSED "JobRefused" /* as it is, it never will be */
#define API_REASON_JOB_DENIED  "JobDenied"  /* it may be later: a right, a quota, a policy */
#define API_REASON_RUN_DENIED  "RunDenied"
#define API_REASON_NOT_OWNED   "NotOwned" /* of a run that somebody has made by hand */

/* Condition types. */
#define API_COND_READY          "Ready"
#define API_COND_SCHEDULE_VALID "ScheduleValid"
#define API_COND_LAST_SUCCEEDED "LastBackupSucceeded"
#define API_COND_OVERDUE        "Overdue"
#define API_COND_RETENTION      "RetentionHealthy"
#define API_COND_VERIFIED       "Verified"
#define API_COND_NOTIFICATIONS  "NotificationsReady" /* only where spec.notifications is */
#define API_COND_SUCCEEDED      "Succeeded"          /* runs, restores: final once True or False */
#define API_COND_PROGRESSING    "Progressing"        /* runs, restores */
#define API_COND_WAITING        "Waiting"            /* runs, restores that had to wait */
#define API_COND_PINNED         "Pinned"             /* runs: the pin is in the bucket */

#endif
