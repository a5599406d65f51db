#ifndef NB_KUBE_WATCH_PARSE_H
#define NB_KUBE_WATCH_PARSE_H

/*
 * kube_watch_parser: the bytes of a watch stream (one JSON object a line) in, events out. Pure:
 * however the bytes are cut, the same events come out. Each byte is looked at once for the end of
 * its line, so the cost is linear; a line beyond max_line_bytes is NB_E_LIMIT, one that is no
 * event NB_E_PROTOCOL. An ERROR event ends the stream with kube_status_fail()'s error: EXPIRED
 * for the 410 that a watch carries inside a 200 answer. After a failure the parser refuses
 * everything. One thread at a time.
 */

#include "base/json.h"

enum kube_event_type {
    KUBE_ADDED,
    KUBE_MODIFIED,
    KUBE_DELETED,
    KUBE_BOOKMARK /* only metadata.resourceVersion (and annotations) is set in the object */
};

/* Borrowed for the call. */
struct kube_event {
    enum kube_event_type type;
    const struct nb_json *object;
    const char *resource_version; /* never empty */
    bool initial_end;             /* the bookmark that ends the initial events */
};
typedef bool(kube_event_fn)(void *ctx, const struct kube_event *event, struct nb_error *err);

struct kube_watch_parser;
struct kube_watch_parser *kube_watch_parser_new(size_t max_line_bytes);
void kube_watch_parser_free(struct kube_watch_parser *p);
NB_AUTO_DEFINE(struct kube_watch_parser *, kube_watch_parser_free)
NB_NODISCARD bool kube_watch_parser_feed(struct kube_watch_parser *p, const char *bytes, size_t n,
                                         kube_event_fn *on_event, void *ctx, struct nb_error *err);
/* The stream ended. What a cut stream left without a line end is dropped: the next watch brings
 * it again. */
size_t kube_watch_parser_pending_bytes(const struct kube_watch_parser *p);

#endif
