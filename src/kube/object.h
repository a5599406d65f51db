#ifndef NB_KUBE_OBJECT_H
#define NB_KUBE_OBJECT_H

/*
 * What every Kubernetes object has, read from its JSON; names of resources and their URL paths; and
 * resource versions. Pure.
 *
 * A resource version is an opaque decimal text, comparable since Kubernetes 1.35 (KEP-5504) by
 * length, then by bytes. It may exceed 64 bits and is never turned into a number.
 */

#include "base/buf.h"
#include "base/json.h"

/* Static data: { "batch", "v1", "jobs", "Job" }; the core group is "". All are namespaced. */
struct kube_resource {
    const char *group, *version, *plural, *kind;
};

extern const struct kube_resource KUBE_PODS, KUBE_EVENTS, KUBE_JOBS, KUBE_LEASES;

/* "batch/v1", "v1" for the core group. */
void kube_api_version(const struct kube_resource *res, struct nb_buf *out);
/* "/apis/batch/v1/namespaces/NS/jobs/NAME/SUB"; ns NULL or "": all namespaces; name and sub may
 * be NULL. Escaped. */
void kube_path(const struct kube_resource *res, const char *ns, const char *name, const char *sub,
               struct nb_buf *out);

/* Borrowed from the object; strings are "" where absent. */
struct kube_meta {
    const char *ns, *name, *uid, *resource_version;
    int64_t generation;
};
/* False when name or uid is missing. */
bool kube_meta_read(const struct nb_json *object, struct kube_meta *ret);
/* The UID of the owner reference with controller: true; "" when there is none. */
const char *kube_controller_uid(const struct nb_json *object);
const char *kube_label(const struct nb_json *object, const char *label); /* NULL: absent */

/* < 0, 0, > 0 as strcmp. The empty version is lower than any other. */
int kube_rv_compare(const char *a, const char *b);

#endif
