#include "controller/runtime/list_choice.h"

#include "kube/object.h"

enum { BROKEN_MAX = 3, REMEMBER_MS = 3600000 };

enum ctl_list_way ctl_list_choose(const struct ctl_list_choice *c, int64_t now_mono_ms)
{
    return c->pages_next || now_mono_ms < c->pages_until_mono_ms ? CTL_LIST_PAGES : CTL_LIST_STREAM;
}

void ctl_list_note_read(struct ctl_list_choice *c)
{
    c->pages_next = false;
    c->broken = 0;
}

bool ctl_list_note_failed(struct ctl_list_choice *c, const struct nb_error *err, bool begun,
                          bool late, int64_t now_mono_ms)
{
    bool unsupported = late || err->code == NB_E_INVALID;

    if (!unsupported && (nb_error_is_transient(err) || err->code == NB_E_EXPIRED)) {
        if (++c->broken < BROKEN_MAX)
            return false;
        c->pages_next = true;
        if (begun)
            c->pages_until_mono_ms = now_mono_ms + REMEMBER_MS;
        return false;
    }
    c->pages_next = true;
    if (unsupported)
        c->pages_until_mono_ms = now_mono_ms + REMEMBER_MS;
    return true;
}

bool ctl_list_step(const struct kube_event *event, const char *seen, enum ctl_list_step *ret,
                   struct nb_error *err)
{
    switch (event->type) {
    case KUBE_ADDED:
    case KUBE_MODIFIED: /* live already: the first part may be overtaken by changes */
        *ret = CTL_LIST_KEEP;
        return true;
    case KUBE_DELETED:
        *ret = CTL_LIST_DROP;
        return true;
    case KUBE_BOOKMARK:
        break;
    }
    *ret = event->initial_end ? CTL_LIST_END : CTL_LIST_PASS;
    if (event->initial_end && seen && kube_rv_compare(event->resource_version, seen) < 0)
        return nb_fail(err, NB_E_PROTOCOL, "StaleList",
                       "list is of version '%.40s', '%.40s' was seen before",
                       event->resource_version, seen);
    return true;
}
