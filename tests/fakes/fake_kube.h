#ifndef NB_TESTS_FAKES_FAKE_KUBE_H
#define NB_TESTS_FAKES_FAKE_KUBE_H

/*
 * fake_kube: a small Kubernetes API server in this process (over fake_http): any resource by its
 * path; list with pages and label presence selectors, get, create, merge patch (also /status),
 * delete with UID precondition, watch with bookmarks and with initial events (WatchList; a fault
 * for "sendInitialEvents" makes it a server without them); one resource version for all. Generation
 * moves with the spec, /status changes only the status, and the object itself all but the status.
 * No schemas, no owners' garbage collection, no finalizers' waiting.
 *
 * And the faults that real ones show. Any thread may call any of this.
 */

#include <stdint.h>

#include "base/buf.h"
#include "kube/auth.h"

struct fake_kube;
struct fake_kube *fake_kube_new(void);
void fake_kube_free(struct fake_kube *k);
const char *fake_kube_url(const struct fake_kube *k);
/* A kubeconfig for it; what clients need to talk to it, to be freed. */
void fake_kube_write_config(const struct fake_kube *k, struct nb_buf *out);
struct kube_auth *fake_kube_auth(const struct fake_kube *k);

/* --- the world --- */
/* path: of the collection, "/apis/batch/v1/namespaces/a/jobs"; json: the object. Returns its
 * resource version. */
uint64_t fake_kube_put(struct fake_kube *k, const char *path, const char *json);
void fake_kube_remove(struct fake_kube *k, const char *path, const char *name);
/* The object as JSON text, to be freed; NULL: there is none. */
char *fake_kube_get(struct fake_kube *k, const char *path, const char *name);
/* Objects of a collection; an all-namespaces path counts all. */
size_t fake_kube_count(struct fake_kube *k, const char *path);
/* The name of the i-th object (in order of creation), to be freed; NULL. */
char *fake_kube_name(struct fake_kube *k, const char *path, size_t i);
/* The log that GET .../pods/NAME/log answers; NULL: 404. Copied. */
void fake_kube_set_log(struct fake_kube *k, const char *pod, const char *text);
/* Logs of pods whose names begin so are never answered, as of a node that is gone; NULL: of all they
 * are. Static text. */
void fake_kube_hang_logs(struct fake_kube *k, const char *prefix);

/* --- what was asked --- */
/* Requests whose "METHOD target" contains the text. */
unsigned fake_kube_requests(struct fake_kube *k, const char *part);
/* Waits for the next change of the world or request; a loop around it waits for any condition.
 * False: timeout. */
bool fake_kube_wait(struct fake_kube *k, int64_t timeout_ms);

/* --- faults --- */
struct fake_kube_fault {
    const char *method;      /* NULL: any. Static. */
    const char *part;        /* of the target; NULL: any. Static. */
    unsigned skip;           /* so many matching requests pass first */
    unsigned times;          /* then so many are hit */
    int status;              /* answered; 0: the connection is closed without an answer */
    const char *reason;      /* of the Status; NULL: none, an empty body. Static. */
    const char *message;     /* of the Status; NULL: "fake says no". Static. */
    const char *retry_after; /* header; NULL: none. Static. */
    bool apply;              /* the request is carried out all the same: only its answer is lost */
};
void fake_kube_fail(struct fake_kube *k, const struct fake_kube_fault *fault);
/* Every version up to now is forgotten: watches from them (and continue tokens) get 410. */
void fake_kube_compact(struct fake_kube *k);
/* 410 for a watch comes as an ERROR event inside a 200 answer rather than as the HTTP status. */
void fake_kube_expire_inside(struct fake_kube *k, bool on);
/* Ends all watches: in order, or (cut) in the middle of a chunk with a broken line before. */
void fake_kube_end_watches(struct fake_kube *k, bool cut);
/* A bookmark for all watches. */
void fake_kube_bookmark(struct fake_kube *k);
/* Watches deliver nothing while held. */
void fake_kube_hold(struct fake_kube *k, bool on);
/* Nor do those of this plural until another is named; NULL: none. Static text. */
void fake_kube_hold_only(struct fake_kube *k, const char *plural);
/* What the next watches with initial events get in place of these, each the first that is left. */
enum fake_kube_then { FAKE_KUBE_LIVE, FAKE_KUBE_END, FAKE_KUBE_CUT, FAKE_KUBE_SILENT };
struct fake_kube_initial {
    const char *text; /* lines of events. Static. */
    enum fake_kube_then then;
};
void fake_kube_script_initial(struct fake_kube *k, const struct fake_kube_initial *initial);
/* Tokens: when not NULL, requests must bring exactly this one, else 401. Copied. */
void fake_kube_require_token(struct fake_kube *k, const char *token);

#endif
