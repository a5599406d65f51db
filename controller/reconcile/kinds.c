#include "controller/reconcile/kinds.h"

#include "controller/api/names.h"

const struct kube_resource REC_BACKUPS = { API_GROUP, API_VERSION, API_PLURAL_BACKUP,
                                           API_KIND_BACKUP };
const struct kube_resource REC_RUNS = { API_GROUP, API_VERSION, API_PLURAL_RUN, API_KIND_RUN };
const struct kube_resource REC_RESTORES = { API_GROUP, API_VERSION, API_PLURAL_RESTORE,
                                            API_KIND_RESTORE };

#define META                                                                                       \
    "metadata.name", "metadata.namespace", "metadata.uid", "metadata.resourceVersion",             \
        "metadata.generation", "metadata.creationTimestamp", "metadata.deletionTimestamp",         \
        "metadata.ownerReferences", "metadata.finalizers", OUR_ANNOTATIONS, OUR_LABELS
#define OUR_ANNOTATIONS "metadata.annotations.neo4jbackup.dev/*"
#define OUR_LABELS      "metadata.labels.neo4jbackup.dev/*"

static const char *const backup_fields[] = { META, "spec", "status", NULL };
static const char *const restore_fields[] = { META, "spec", "status", NULL };
static const char *const run_fields[] = { META, "spec", "status", NULL };
static const char *const job_fields[] = { META,
                                          "status.active",
                                          "status.succeeded",
                                          "status.failed",
                                          "status.startTime",
                                          "status.completionTime",
                                          "status.conditions",
                                          NULL };
static const char *const pod_fields[] = { META,
                                          "metadata.labels.job-name",
                                          "metadata.labels.batch.kubernetes.io/job-name",
                                          "status.phase",
                                          "status.reason",
                                          "status.message",
                                          "status.startTime",
                                          "status.conditions.type",
                                          "status.conditions.status",
                                          "status.conditions.reason",
                                          "status.conditions.message",
                                          "status.conditions.lastTransitionTime",
                                          "status.containerStatuses.name",
                                          "status.containerStatuses.state",
                                          "status.initContainerStatuses.name",
                                          "status.initContainerStatuses.state",
                                          NULL };

static const char *own_key(const struct nb_json *object, const char *prefix, const char *name,
                           struct nb_buf *out)
{
    struct kube_meta meta;

    if (!name || name[0] == '\0' || !kube_meta_read(object, &meta))
        return NULL;
    nb_buf_printf(out, "%s%s/%s", prefix, meta.ns, name);
    return out->overflow ? NULL : nb_buf_cstr(out);
}

/* A Job that restores may have been made from a backup's storage: it is the restore's all the
 * same. */
static const char *by_label(const struct nb_json *object, struct nb_buf *out)
{
    const char *key =
        own_key(object, REC_RESTORE_PREFIX, kube_label(object, API_LABEL_RESTORE), out);

    return key ? key : own_key(object, "", kube_label(object, API_LABEL_BACKUP), out);
}

static const char *by_namespace(const struct nb_json *object, struct nb_buf *out)
{
    (void)out;
    return nb_json_str(nb_json_at(object, "metadata.namespace"), NULL);
}

/* The reference counts, not the label: the label can be changed by anyone who may edit runs. */
static const char *by_backup_ref(const struct nb_json *object, struct nb_buf *out)
{
    return own_key(object, "", nb_json_str(nb_json_at(object, "spec.backupRef.name"), NULL), out);
}

const struct ctl_kind REC_BACKUP_KIND = { API_PLURAL_BACKUP, backup_fields, NULL };
const struct ctl_kind REC_RUN_KIND = { API_PLURAL_RUN, run_fields, by_backup_ref };
const struct ctl_kind REC_RESTORE_KIND = { API_PLURAL_RESTORE, restore_fields, by_namespace };
const struct ctl_kind REC_JOB_KIND = { "jobs", job_fields, by_label };
const struct ctl_kind REC_POD_KIND = { "pods", pod_fields, by_label };
