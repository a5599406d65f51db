#ifndef NB_RUNTIME_LIST_CHOICE_H
#define NB_RUNTIME_LIST_CHOICE_H

/*
 * ctl_list_choice: how a reflector reads its next list, as a stream (one watch that begins with all
 * objects, KEP-3157) or page by page, and what each event of a stream's first part is for. Pure.
 *
 * Streams come first: they cost the API server and us less. A stream that fails
 *   - because the server refuses it as invalid (kube-apiserver with the feature gate WatchList off,
 *     as before 1.32, and in 1.33), or sends no end of the first part in time (it does not know the
 *     parameter): pages, at once, and for an hour;
 *   - because the server is away, or the stream broke: the same again after a rest; the third time
 *     in a row pages, for an hour if streams did begin (something between here and there does not
 *     carry them), else for this one list;
 *   - in any other way: pages, at once, for this one list. They either work, or say what is wrong.
 * An hour, not for ever: an API server is upgraded, or its gate switched on, under a controller that
 * lives on, and what asking again costs is one refused request (or one deadline) an hour, and only
 * when a list is needed at all. Model: client-go tools/cache/reflector.go, which asks again with
 * every list, but knows no deadline.
 */

#include "kube/watch_parse.h"

enum ctl_list_way { CTL_LIST_STREAM, CTL_LIST_PAGES };

/* Zeroed: nothing known yet. */
struct ctl_list_choice {
    bool pages_next;             /* until a list has been read */
    int64_t pages_until_mono_ms; /* and until then in any case */
    unsigned broken;             /* streams in a row */
};

enum ctl_list_way ctl_list_choose(const struct ctl_list_choice *c, int64_t now_mono_ms);
/* A list has been read in full, either way. */
void ctl_list_note_read(struct ctl_list_choice *c);
/* begun: some event of the stream had come; late: its first part took longer than it may.
 * True: pages, at once; false: rest first. */
bool ctl_list_note_failed(struct ctl_list_choice *c, const struct nb_error *err, bool begun,
                          bool late, int64_t now_mono_ms);

enum ctl_list_step {
    CTL_LIST_KEEP, /* the object is one of the list */
    CTL_LIST_DROP, /* it is not, or no more */
    CTL_LIST_PASS, /* a bookmark that means nothing here */
    CTL_LIST_END   /* the list is whole, as of the event's version */
};
/* seen: the newest version known, or NULL. Fails when the list would be older than that: what is
 * streamed comes from a cache, and only pages, which come from etcd, are believed that the world
 * went back (as after a restored etcd). */
NB_NODISCARD bool ctl_list_step(const struct kube_event *event, const char *seen,
                                enum ctl_list_step *ret, struct nb_error *err);

#endif
