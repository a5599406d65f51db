#ifndef NB_API_REPORT_H
#define NB_API_REPORT_H

/*
 * What a worker says, as docs/worker-environment.md has it: the termination message and the log's
 * event lines. Both come from a pod that may be broken or hostile: any bytes in, bounded structs
 * out, never an error.
 */

#include "controller/api/restore.h"

enum { API_TERMINATION_MAX = 4096, API_LOG_LINE_MAX = 65536 };

struct api_termination {
    struct nb_arena *arena;
    bool present; /* it was one of ours: a JSON object with a known result */
    enum api_result result;
    const char *reason, *message, *manifest_key, *key, *database, *sha256, *consistency, *engine,
        *server_version;
    int64_t exit_code; /* -1: not said */
    bool retriable;
    int64_t size_bytes, uncompressed_bytes, nodes, relationships, indexes, constraints, databases,
        duration_seconds, pruned; /* -1: not said */
    int64_t expiry;
    struct api_strings failed_databases;
    struct api_stored stored;
    bool has_retention, retention_healthy;
    const char *retention_reason, *retention_message;
    struct api_verification verification;
    const char *verification_message;
};
/* Never NULL. Reasons that are not CamelCase words become "Unknown"; texts are cut and cleaned of
 * control characters. */
struct api_termination *api_termination_parse(const char *text, size_t n);
void api_termination_free(struct api_termination *t);
NB_AUTO_DEFINE(struct api_termination *, api_termination_free)

/* What a worker waits for. */
enum { API_WAITING_MESSAGE_MAX = 1024 };
struct api_waiting {
    bool on;            /* it has said so, and not since that it is over */
    const char *reason; /* "WaitingForNeo4j", …; "": there was nothing. Static */
    char message[API_WAITING_MESSAGE_MAX];
};

/*
 * api_log: what a pod's log said so far; lines are fed one by one. One thread at a time; take a
 * copy under the caller's lock with api_log_copy() to hand it to a plan.
 */
struct api_log {
    struct nb_arena *arena;
    const char *pod; /* whose log it is: a retried Job has several; "" when not said */
    bool complete;   /* the log was read to its end after the container ended */
    bool failed;     /* it cannot be read any more: do without */
    struct api_progress progress;
    struct api_waiting waiting;
    struct api_artifacts artifacts;
    const char *engine, *server_version;
    struct api_strings failed_databases;
    bool has_inventory;
    struct api_stored stored;
    struct api_restore_point *points;
    size_t point_count;
    struct api_source_point *sources; /* restore */
    size_t source_count;
    struct api_database_result *databases;
    size_t database_count;
    struct api_safety_backup *safety;
    size_t safety_count;
    struct api_strings pruned; /* keys; at most 100 kept */
    size_t capacity_[6];
};
struct api_log *api_log_new(void);
void api_log_set_pod(struct api_log *l, const char *pod);
/* It has been read as far as it can be, and it is that pod's. */
bool api_log_is_done(const struct api_log *l, const char *pod);
void api_log_free(struct api_log *l);
NB_AUTO_DEFINE(struct api_log *, api_log_free)
/* One line without its new line; now: for progress.lastUpdateTime. True when it was an event and
 * changed l. */
bool api_log_feed(struct api_log *l, const char *line, size_t n, int64_t now);
struct api_log *api_log_copy(const struct api_log *l);

#endif
