#ifndef NB_RUNTIME_REFLECTOR_H
#define NB_RUNTIME_REFLECTOR_H

/*
 * ctl_reflector: keeps one store equal to what the API server has: one watch that begins with the
 * list (KEP-3157), or, where the server does not offer that (list_choice.h), list page by page and
 * watch from the list's version; list again when the position is gone (410). Readers of the store
 * see a list when it is whole. One thread and one connection each.
 *
 * Back-off between failures 0.8 s to 30 s with full jitter, at least what the server asks for,
 * counted anew after two healthy minutes. A watch that keeps failing without a single event is
 * answered by a new list, so that a position that the server does not (yet) know cannot hold us
 * for ever. Model: client-go tools/cache/reflector.go.
 */

#include "controller/runtime/store.h"
#include "kube/client.h"

struct ctl_reflector_opts {
    struct kube_auth *auth; /* must outlive the reflector, as the store */
    const struct kube_resource *resource;
    const char *ns;             /* "": all */
    const char *label_selector; /* NULL: all */
    struct ctl_store *store;
    unsigned page_size;         /* 0: 50; halved when a page is too large for us */
    int64_t backoff_base_ms;    /* 0: 800 */
    int64_t watch_idle_ms;      /* 0: kube_watch's */
    int64_t initial_timeout_ms; /* for a streamed list to be whole; 0: 30 s */
};

struct ctl_reflector;
NB_NODISCARD bool ctl_reflector_start(const struct ctl_reflector_opts *opts,
                                      struct ctl_reflector **ret, struct nb_error *err);
/* Cancels, waits for the thread, frees. */
void ctl_reflector_stop(struct ctl_reflector *r);
NB_AUTO_DEFINE(struct ctl_reflector *, ctl_reflector_stop)

#endif
