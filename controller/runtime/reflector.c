#include "controller/runtime/reflector.h"

#include <malloc.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "base/retry.h"
#include "base/thread.h"
#include "controller/runtime/list_choice.h"

enum {
    PAGE_SIZE = 50,
    BACKOFF_MS = 800,
    BACKOFF_CAP_MS = 30000,
    HEALTHY_MS = 120000,
    SHORT_WATCH_MS = 1000,
    BARREN_WATCHES_MAX = 3,
    INITIAL_MS = 30000 /* what one page has, too */
};

struct ctl_reflector {
    struct ctl_reflector_opts opts;
    char *ns, *selector;
    struct kube_client *client;
    struct nb_cancel *cancel;
    struct nb_thread *thread;
    unsigned page_size;
    char *version; /* to watch from; NULL: list first */
    char *seen;    /* the last version known; NULL: none yet */
    struct ctl_list_choice choice;
    bool initial; /* the present watch has not brought the whole list yet, */
    bool begun;   /* but something of it */
    unsigned failures;
    unsigned barren; /* failed watches in a row that brought nothing */
    uint64_t events; /* of the present watch */
};

static struct nb_metric lists =
    NB_METRIC(NB_COUNTER, "reflector_lists_total",
              "Full lists read from the API server, page by page or as a stream (pages, stream).",
              "resource", "mode");
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
    if (!version)
        return;
    free(r->seen);
    r->seen = nb_xstrdup(version);
}

/* The list that was gathered becomes what readers see. */
static void take_list(struct ctl_reflector *r, const char *mode)
{
    ctl_store_replace_end(r->opts.store, r->version);
    nb_metric_add(&lists, 1, plural(r), mode);
    ctl_list_note_read(&r->choice);
    show_count(r);
    malloc_trim(0); /* what its documents took is free again */
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
    take_list(r, "pages");
    return true;
}

/* --- watch --- */

static bool on_initial_event(struct ctl_reflector *r, const struct kube_event *event,
                             struct nb_error *err)
{
    enum ctl_list_step step;

    r->begun = true;
    if (!ctl_list_step(event, r->seen, &step, err))
        return false;
    switch (step) {
    case CTL_LIST_KEEP:
        ctl_store_replace_add(r->opts.store, event->object);
        break;
    case CTL_LIST_DROP:
        ctl_store_replace_remove(r->opts.store, event->object);
        break;
    case CTL_LIST_PASS:
        break;
    case CTL_LIST_END:
        r->initial = false;
        set_version(r, event->resource_version);
        take_list(r, "stream");
        break;
    }
    return true;
}

static bool on_event(void *ctx, const struct kube_event *event, struct nb_error *err)
{
    struct ctl_reflector *r = ctx;

    if (r->initial)
        return on_initial_event(r, event, err);
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

/* Of a watch that has ended. True: go on at once. */
static bool judge_watch(struct ctl_reflector *r, bool ok, int64_t started, struct nb_error *err)
{
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

static bool run_watch(struct ctl_reflector *r, const struct kube_watch_opts *opts,
                      struct nb_error *err)
{
    nb_metric_add(&watches, 1, plural(r));
    r->events = 0;
    return kube_watch(r->client, r->opts.resource, r->ns, opts, r->cancel, on_event, r, err);
}

/* True: go on at once. */
static bool watch_once(struct ctl_reflector *r, struct nb_error *err)
{
    nb_auto(nb_free) char *from = nb_xstrdup(r->version);
    struct kube_watch_opts opts = { .label_selector = r->selector,
                                    .resource_version = from,
                                    .idle_timeout_ms = r->opts.watch_idle_ms };
    int64_t started = nb_clock_mono_ms();

    return judge_watch(r, run_watch(r, &opts, err), started, err);
}

/* Before the list was whole. True: go on at once, by pages. */
static bool judge_stream(struct ctl_reflector *r, int64_t took_ms, int64_t limit_ms,
                         struct nb_error *err)
{
    bool late = err->code == NB_E_TIMEOUT && took_ms >= limit_ms;

    if (nb_cancel_is_set(r->cancel) ||
        !ctl_list_note_failed(&r->choice, err, r->begun, late, nb_clock_mono_ms()))
        return false;
    nb_log_error(NB_LOG_INFO, "no streamed list, taking pages", err);
    return true;
}

/* A watch that begins with the list. It asks for the most recent state, without a version: a list is
 * read only when there is no position yet, or none that can be relied on (it is gone, or nothing
 * came from there), and that is where client-go asks so, too. True: go on at once. */
static bool stream_once(struct ctl_reflector *r, struct nb_error *err)
{
    struct kube_watch_opts opts = { .label_selector = r->selector,
                                    .resource_version = "",
                                    .initial_events = true,
                                    .initial_timeout_ms = r->opts.initial_timeout_ms,
                                    .idle_timeout_ms = r->opts.watch_idle_ms };
    int64_t started = nb_clock_mono_ms();
    bool ok;

    if (opts.initial_timeout_ms == 0)
        opts.initial_timeout_ms = INITIAL_MS;
    r->initial = true;
    r->begun = false;
    ctl_store_replace_begin(r->opts.store);
    ok = run_watch(r, &opts, err);
    if (!r->initial)
        return judge_watch(r, ok, started, err);
    r->initial = false;
    ctl_store_replace_abort(r->opts.store);
    if (ok)
        nb_fail(err, NB_E_UNAVAILABLE, "ShortStream",
                "stream of %s ended before the list was whole", plural(r));
    return judge_stream(r, nb_clock_mono_ms() - started, opts.initial_timeout_ms, err);
}

static bool list(struct ctl_reflector *r, struct nb_error *err)
{
    return ctl_list_choose(&r->choice, nb_clock_mono_ms()) == CTL_LIST_STREAM ? stream_once(r, err)
                                                                              : list_all(r, err);
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
        bool ok = r->version ? watch_once(r, &err) : list(r, &err);

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
    free(r->seen);
    free(r->ns);
    free(r->selector);
    free(r);
}
