#include "kube/object.h"

#include "base/b64.h"

const struct kube_resource KUBE_PODS = { "", "v1", "pods", "Pod" };
const struct kube_resource KUBE_EVENTS = { "", "v1", "events", "Event" };
const struct kube_resource KUBE_JOBS = { "batch", "v1", "jobs", "Job" };
const struct kube_resource KUBE_LEASES = { "coordination.k8s.io", "v1", "leases", "Lease" };

void kube_api_version(const struct kube_resource *res, struct nb_buf *out)
{
    if (res->group[0] != '\0') {
        nb_buf_puts(out, res->group);
        nb_buf_putc(out, '/');
    }
    nb_buf_puts(out, res->version);
}

static void add_segment(struct nb_buf *out, const char *s)
{
    nb_buf_putc(out, '/');
    nb_url_encode(s, strlen(s), false, out);
}

void kube_path(const struct kube_resource *res, const char *ns, const char *name, const char *sub,
               struct nb_buf *out)
{
    nb_buf_puts(out, res->group[0] != '\0' ? "/apis/" : "/api/");
    kube_api_version(res, out);
    if (ns && ns[0] != '\0') {
        nb_buf_puts(out, "/namespaces");
        add_segment(out, ns);
    }
    add_segment(out, res->plural);
    if (name)
        add_segment(out, name);
    if (sub)
        add_segment(out, sub);
}

bool kube_meta_read(const struct nb_json *object, struct kube_meta *ret)
{
    const struct nb_json *m = nb_json_get(object, "metadata");

    ret->ns = nb_json_str(nb_json_get(m, "namespace"), "");
    ret->name = nb_json_str(nb_json_get(m, "name"), "");
    ret->uid = nb_json_str(nb_json_get(m, "uid"), "");
    ret->resource_version = nb_json_str(nb_json_get(m, "resourceVersion"), "");
    ret->generation = nb_json_i64(nb_json_get(m, "generation"), 0);
    return ret->name[0] != '\0' && ret->uid[0] != '\0';
}

const char *kube_controller_uid(const struct nb_json *object)
{
    const struct nb_json *o = nb_json_first(nb_json_at(object, "metadata.ownerReferences"));

    for (; o; o = nb_json_next(o))
        if (nb_json_bool(nb_json_get(o, "controller"), false))
            return nb_json_str(nb_json_get(o, "uid"), "");
    return "";
}

const char *kube_label(const struct nb_json *object, const char *label)
{
    return nb_json_str(nb_json_get(nb_json_at(object, "metadata.labels"), label), NULL);
}

int kube_rv_compare(const char *a, const char *b)
{
    size_t na = strlen(a), nb = strlen(b);

    if (na != nb)
        return na < nb ? -1 : 1;
    return strcmp(a, b);
}
