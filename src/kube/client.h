#ifndef NB_KUBE_CLIENT_H
#define NB_KUBE_CLIENT_H

/*
 * kube_client: requests to the Kubernetes API over HTTP/1.1 with JSON. One thread at a time; make
 * one per thread from a shared kube_auth. Requests that write are never repeated here (the
 * caller's queue does, with back-off), except once after a 401 with a newer token.
 *
 * Errors: kube_status_fail()'s for answers of the server, http_client_send()'s for the transport.
 * Texts name the verb, the kind and the object, never a body. Answers are limited to 16 MiB; a
 * request other than a watch ends after 30 s. Source: Kubernetes API concepts
 * (kubernetes.io/docs/reference/using-api/api-concepts).
 */

#include "base/cancel.h"
#include "kube/auth.h"
#include "kube/object.h"
#include "kube/watch_parse.h"

struct kube_client;

/* auth must outlive the client. user_agent NULL: the default of net/http. */
NB_NODISCARD bool kube_client_new(struct kube_auth *auth, const char *user_agent,
                                  struct kube_client **ret, struct nb_error *err);
void kube_client_free(struct kube_client *c);
NB_AUTO_DEFINE(struct kube_client *, kube_client_free)

/* For every request but watches; 0: 30 s. */
void kube_client_set_timeout(struct kube_client *c, int64_t timeout_ms);
/* Asked before each request that writes; false (err set) stops it. For the leader's fence. */
typedef bool(kube_fence_fn)(void *ctx, struct nb_error *err);
void kube_client_set_fence(struct kube_client *c, kube_fence_fn *fence, void *ctx);

NB_NODISCARD bool kube_get(struct kube_client *c, const struct kube_resource *res, const char *ns,
                           const char *name, const struct nb_cancel *cancel, struct nb_json **ret,
                           struct nb_error *err);

struct kube_list_opts {
    const char *label_selector; /* NULL: all */
    const char *continue_token; /* NULL or "": the first page */
    unsigned limit;             /* 0: no limit */
};
/* One page. NB_E_EXPIRED: the continue token is too old, start over. ns NULL or "": all
 * namespaces. */
NB_NODISCARD bool kube_list_page(struct kube_client *c, const struct kube_resource *res,
                                 const char *ns, const struct kube_list_opts *opts,
                                 const struct nb_cancel *cancel, struct nb_json **ret,
                                 struct nb_error *err);
const char *kube_list_continue(const struct nb_json *page); /* "": the last page */
const char *kube_list_resource_version(const struct nb_json *page);

/* body: the object's JSON. ret may be NULL: the answer is not read. */
NB_NODISCARD bool kube_create(struct kube_client *c, const struct kube_resource *res,
                              const char *ns, const char *name, struct nb_str body,
                              const struct nb_cancel *cancel, struct nb_json **ret,
                              struct nb_error *err);

enum kube_patch_type {
    KUBE_PATCH_MERGE, /* RFC 7386; with metadata.resourceVersion inside: conditional */
    KUBE_PATCH_APPLY  /* server-side apply, forced, as field manager "neo4j-backup" */
};
/* subresource: NULL or "status". ret may be NULL. */
NB_NODISCARD bool kube_patch(struct kube_client *c, const struct kube_resource *res, const char *ns,
                             const char *name, const char *subresource, enum kube_patch_type type,
                             struct nb_str body, const struct nb_cancel *cancel,
                             struct nb_json **ret, struct nb_error *err);

enum kube_propagation { KUBE_BACKGROUND, KUBE_FOREGROUND, KUBE_ORPHAN };
/* uid NULL: whatever has the name. With another object under the name: NB_E_CONFLICT.
 * NB_E_NOT_FOUND when it is gone already. */
NB_NODISCARD bool kube_delete(struct kube_client *c, const struct kube_resource *res,
                              const char *ns, const char *name, const char *uid,
                              enum kube_propagation propagation, const struct nb_cancel *cancel,
                              struct nb_error *err);

struct kube_log_opts {
    const char *container;  /* NULL: the only one */
    unsigned tail_lines;    /* 0: from the beginning */
    const char *since_time; /* RFC 3339, whole seconds count; NULL: no such bound */
    bool timestamps;        /* each line begins with one (fixed width, nanoseconds) and a blank */
    bool previous;
    int64_t idle_timeout_ms; /* nothing heard for so long: NB_E_TIMEOUT; 0: a minute */
};
/* The text of a pod's log so far, appended to out; the server is asked for no more than out's room,
 * so a full buffer means that there may be more. */
NB_NODISCARD bool kube_pod_log(struct kube_client *c, const char *ns, const char *pod,
                               const struct kube_log_opts *opts, const struct nb_cancel *cancel,
                               struct nb_buf *out, struct nb_error *err);

struct kube_watch_opts {
    const char *label_selector; /* NULL: all */
    /* To go on from; never empty, except with initial events: then the most recent state. */
    const char *resource_version;
    /* Streaming list (KEP-3157): the server is to begin with an ADDED event for each object that
     * there is, and to end these with a bookmark (kube_event.initial_end). A server that does not
     * know this refuses (NB_E_INVALID) or never sends the bookmark (NB_E_TIMEOUT). */
    bool initial_events;
    int64_t initial_timeout_ms; /* for that bookmark to come; 0: no limit of its own */
    unsigned timeout_seconds;   /* the server ends the stream then; 0: random, 5 to 10 min */
    /* Nothing heard for so long: NB_E_TIMEOUT; 0: 3 min (bookmarks come each minute). */
    int64_t idle_timeout_ms;
};
/* Runs one watch, with bookmarks, until it ends: true when the server ended it in order, else the
 * error: NB_E_EXPIRED (list again), NB_E_UNAVAILABLE and NB_E_TIMEOUT (go on from the last
 * version seen), or what on_event said. */
NB_NODISCARD bool kube_watch(struct kube_client *c, const struct kube_resource *res, const char *ns,
                             const struct kube_watch_opts *opts, const struct nb_cancel *cancel,
                             kube_event_fn *on_event, void *ctx, struct nb_error *err);

#endif
