#include "controller/runtime/lease.h"

#include <stdio.h>

#include "base/clock.h"

void ctl_lease_init(struct ctl_lease *l, const char *identity, int64_t duration_ms)
{
    *l = (struct ctl_lease){ .duration_ms = duration_ms };
    snprintf(l->identity, sizeof(l->identity), "%s", identity);
}

enum ctl_lease_step ctl_lease_observe(struct ctl_lease *l, const struct nb_json *lease,
                                      int64_t now_mono_ms)
{
    const struct nb_json *spec = nb_json_get(lease, "spec");
    int64_t seconds = nb_json_i64(nb_json_get(spec, "leaseDurationSeconds"), 0);
    char seen[sizeof(l->seen)];

    if (!lease) {
        l->version[0] = l->holder[0] = '\0';
        l->transitions = 0;
        return CTL_LEASE_CREATE;
    }
    snprintf(l->holder, sizeof(l->holder), "%s",
             nb_json_str(nb_json_get(spec, "holderIdentity"), ""));
    snprintf(l->version, sizeof(l->version), "%s",
             nb_json_str(nb_json_at(lease, "metadata.resourceVersion"), ""));
    l->transitions = nb_json_i64(nb_json_get(spec, "leaseTransitions"), 0);
    snprintf(seen, sizeof(seen), "%s|%s|%lld", l->holder,
             nb_json_str(nb_json_get(spec, "renewTime"), ""), (long long)l->transitions);
    if (strcmp(seen, l->seen) != 0) {
        memcpy(l->seen, seen, sizeof(seen));
        l->seen_at_mono_ms = now_mono_ms;
    }
    if (l->holder[0] == '\0')
        return CTL_LEASE_ACQUIRE;
    if (strcmp(l->holder, l->identity) == 0)
        return CTL_LEASE_RENEW;
    /* The holder's own promise counts, but not one beyond reason. */
    if (seconds < 1 || seconds > 3600)
        seconds = l->duration_ms / 1000;
    return now_mono_ms - l->seen_at_mono_ms >= seconds * 1000 ? CTL_LEASE_ACQUIRE : CTL_LEASE_WAIT;
}

/* A MicroTime: six digits of fraction. */
static void write_time(struct nb_jw *w, const char *key, int64_t unix_ms)
{
    char base[NB_TIME_TEXT_MAX], text[NB_TIME_TEXT_MAX + 16];

    nb_time_format(unix_ms / 1000, base);
    snprintf(text, sizeof(text), "%.*s.%03d000Z", (int)strcspn(base, "Z"), base,
             (int)(unix_ms % 1000));
    nb_jw_kv_str(w, key, text);
}

static void write_spec(const struct ctl_lease *l, bool fresh, int64_t transitions,
                       int64_t now_unix_ms, struct nb_jw *w)
{
    nb_jw_key(w, "spec");
    nb_jw_object(w);
    nb_jw_kv_str(w, "holderIdentity", l->identity);
    nb_jw_kv_i64(w, "leaseDurationSeconds", l->duration_ms / 1000);
    nb_jw_kv_i64(w, "leaseTransitions", transitions);
    if (fresh)
        write_time(w, "acquireTime", now_unix_ms);
    write_time(w, "renewTime", now_unix_ms);
    nb_jw_object_end(w);
}

void ctl_lease_write_create(const struct ctl_lease *l, const char *ns, const char *name,
                            int64_t now_unix_ms, struct nb_buf *out)
{
    struct nb_jw w = NB_JW_INIT(out);

    nb_jw_object(&w);
    nb_jw_kv_str(&w, "apiVersion", "coordination.k8s.io/v1");
    nb_jw_kv_str(&w, "kind", "Lease");
    nb_jw_key(&w, "metadata");
    nb_jw_object(&w);
    nb_jw_kv_str(&w, "name", name);
    nb_jw_kv_str(&w, "namespace", ns);
    nb_jw_object_end(&w);
    write_spec(l, true, 0, now_unix_ms, &w);
    nb_jw_object_end(&w);
}

/* The version inside the patch makes the write conditional: of two who see a free lease one gets
 * it. */
static void begin_patch(const struct ctl_lease *l, struct nb_jw *w)
{
    nb_jw_object(w);
    nb_jw_key(w, "metadata");
    nb_jw_object(w);
    nb_jw_kv_str(w, "resourceVersion", l->version);
    nb_jw_object_end(w);
}

void ctl_lease_write_patch(const struct ctl_lease *l, enum ctl_lease_step step, int64_t now_unix_ms,
                           struct nb_buf *out)
{
    bool fresh = step == CTL_LEASE_ACQUIRE;
    struct nb_jw w = NB_JW_INIT(out);

    begin_patch(l, &w);
    write_spec(l, fresh, l->transitions + (fresh ? 1 : 0), now_unix_ms, &w);
    nb_jw_object_end(&w);
}

void ctl_lease_write_release(const struct ctl_lease *l, int64_t now_unix_ms, struct nb_buf *out)
{
    struct nb_jw w = NB_JW_INIT(out);

    begin_patch(l, &w);
    nb_jw_key(&w, "spec");
    nb_jw_object(&w);
    nb_jw_kv_str(&w, "holderIdentity", "");
    nb_jw_kv_i64(&w, "leaseDurationSeconds", 1);
    write_time(&w, "renewTime", now_unix_ms);
    nb_jw_object_end(&w);
    nb_jw_object_end(&w);
}
