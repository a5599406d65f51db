#include "controller/runtime/reflector.h"

#include <malloc.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "base/retry.h"
#include "base/thread.h"

enum {
    PAGE_SIZE = 50,
    BACKOFF_MS = 800,
    BACKOFF_CAP_MS = 30000,
    HEALTHY_MS = 120000,
    SHORT_WATCH_MS = 1000,
    BARREN_WATCHES_MAX = 3
};

struct ctl_reflector {
    struct ctl_reflector_opts opts;
    char *ns, *selector;
    struct kube_client *client;
    struct nb_cancel *cancel;
    struct nb_thread *thread;
    unsigned page_size;
    char *version; /* to watch from; NULL: list first */
    unsigned failures;
    unsigned barren; /* failed watches in a row that brought nothing */
    uint64_t events; /* of the present watch */
};

static struct nb_metric lists = NB_METRIC(NB_COUNTER, "reflector_lists_total",
                                          "Full lists read from the API server.", "resource");
static struct nb_metric watches =
    NB_METRIC(NB_COUNTER, "reflector_watches_total", "Watches started.", "resource");
static struct nb_metric objects =
    NB_METRIC(NB_GAUGE, "reflector_objects", "Objects held in the cache.", "resource");

static const char *plural(const struct ctl_reflector *r)
{
    return r->opts.resource->plural;
}

static void show_count(struct ctl_reflector *r)
{
    nb_metric_set(&objects, (double)ctl_store_count(r->opts.store), plural(r));
}

static void set_version(struct ctl_reflector *r, const char *version)
{
    free(r->version);
    r->version = nb_xstrdup_null(version);
}

/* --- list --- */

/* One page into the store; its continue token in *token, taken over page by page. */
static bool list_page(struct ctl_reflector *r, char **token, struct nb_error *err)
{
    nb_auto(nb_json_free) struct nb_json *page = NULL;
    struct kube_list_opts opts = { .label_selector = r->selector,
                                   .continue_token = *token,
                                   .limit = r->page_size };
    const struct nb_json *item;

    if (!kube_list_page(r->client, r->opts.resource, r->ns, &opts, r->cancel, &page, err)) {
        if (err->code == NB_E_LIMIT && r->page_size > 1)
            r->page_size /= 2;
        return false;
    }
    for (item = nb_json_first(nb_json_get(page, "items")); item; item = nb_json_next(item))
        ctl_store_replace_add(r->opts.store, item);
    free(*token);
    *token = nb_xstrdup(kube_list_continue(page));
    if ((*token)[0] == '\0')
        set_version(r, kube_list_resource_version(page));
    return true;
}

static bool list_all(struct ctl_reflector *r, struct nb_error *err)
{
    nb_auto(nb_free) char *token = NULL;

    nb_metric_add(&lists, 1, plural(r));
    set_version(r, NULL);
    ctl_store_replace_begin(r->opts.store);
    do {
        if (!list_page(r, &token, err)) {
            ctl_store_replace_abort(r->opts.store);
            return false;
        }
    } while (token[0] != '\0');
    if (!r->version || r->version[0] == '\0') {
        ctl_store_replace_abort(r->opts.store);
        set_version(r, NULL);
        return nb_fail(err, NB_E_PROTOCOL, "BadList", "list of %s has no resource version",
                       plural(r));
    }
    ctl_store_replace_end(r->opts.store, r->version);
    show_count(r);
    malloc_trim(0); /* the pages' trees are many small blocks */
    return true;
}

/* --- watch --- */

static bool on_event(void *ctx, const struct kube_event *event, struct nb_error *err)
{
    struct ctl_reflector *r = ctx;

    (void)err;
    r->events++;
    switch (event->type) {
    case KUBE_ADDED:
    case KUBE_MODIFIED:
        ctl_store_apply(r->opts.store, event->object);
        break;
    case KUBE_DELETED:
        ctl_store_remove(r->opts.store, event->object);
        break;
    case KUBE_BOOKMARK:
        ctl_store_set_version(r->opts.store, event->resource_version);
        break;
    }
    set_version(r, event->resource_version);
    show_count(r);
    return true;
}

/* True: go on at once. */
static bool watch_once(struct ctl_reflector *r, struct nb_error *err)
{
    nb_auto(nb_free) char *from = nb_xstrdup(r->version);
    struct kube_watch_opts opts = { .label_selector = r->selector,
                                    .resource_version = from,
                                    .idle_timeout_ms = r->opts.watch_idle_ms };
    int64_t started = nb_clock_mono_ms();
    bool ok;

    nb_metric_add(&watches, 1, plural(r));
    r->events = 0;
    ok = kube_watch(r->client, r->opts.resource, r->ns, &opts, r->cancel, on_event, r, err);
    if (nb_clock_mono_ms() - started > HEALTHY_MS || r->events > 0)
        r->failures = 0;
    if (ok && r->events == 0 && nb_clock_mono_ms() - started < SHORT_WATCH_MS)
        ok = nb_fail(err, NB_E_UNAVAILABLE, "ShortWatch", "watch of %s ended at once", plural(r));
    if (ok || r->events > 0)
        r->barren = 0;
    else
        r->barren++;
    if (!ok && (!nb_error_is_transient(err) || r->barren >= BARREN_WATCHES_MAX)) {
        r->barren = 0;
        set_version(r, NULL);
    }
    return ok;
}

static void rest(struct ctl_reflector *r, const struct nb_error *cause)
{
    struct nb_retry retry =
        NB_RETRY_INIT(r->opts.backoff_base_ms ? r->opts.backoff_base_ms : BACKOFF_MS,
                      BACKOFF_CAP_MS, 0, INT64_MAX);
    struct nb_error ignored = NB_ERROR_INIT;
    int64_t ms;

    retry.tries = r->failures < 16 ? r->failures : 16;
    r->failures++;
    ms = nb_retry_delay_ms(&retry, cause->retry_after_ms, nb_random_below(UINT32_MAX));
    if (!nb_cancel_sleep(r->cancel, ms, &ignored))
        return;
}

static void *reflector_main(void *arg)
{
    struct ctl_reflector *r = arg;

    nb_log_scope_push("resource", plural(r));
    while (!nb_cancel_is_set(r->cancel)) {
        struct nb_error err = NB_ERROR_INIT;
        bool ok = r->version ? watch_once(r, &err) : list_all(r, &err);

        if (ok || nb_cancel_is_set(r->cancel))
            continue;
        /* That a position is gone, or that a stream was cut, is everyday life. */
        nb_log_error(err.code == NB_E_EXPIRED || nb_error_is_transient(&err) ? NB_LOG_DEBUG
                                                                             : NB_LOG_WARN,
                     "watching interrupted", &err);
        rest(r, &err);
    }
    nb_log_scope_pop();
    return NULL;
}

bool ctl_reflector_start(const struct ctl_reflector_opts *opts, struct ctl_reflector **ret,
                         struct nb_error *err)
{
    nb_auto(ctl_reflector_stop) struct ctl_reflector *r = NB_NEW(struct ctl_reflector);

    r->opts = *opts;
    r->ns = nb_xstrdup(opts->ns ? opts->ns : "");
    r->selector = nb_xstrdup_null(opts->label_selector);
    r->page_size = opts->page_size ? opts->page_size : PAGE_SIZE;
    r->cancel = nb_cancel_new();
    if (!kube_client_new(opts->auth, NULL, &r->client, err) ||
        !nb_thread_start("reflector", reflector_main, r, &r->thread, err))
        return false;
    *ret = nb_steal(r);
    return true;
}

void ctl_reflector_stop(struct ctl_reflector *r)
{
    if (!r)
        return;
    nb_cancel_set(r->cancel);
    nb_thread_join(r->thread);
    kube_client_free(r->client);
    nb_cancel_free(r->cancel);
    free(r->version);
    free(r->ns);
    free(r->selector);
    free(r);
}
