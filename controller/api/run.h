#ifndef NB_API_RUN_H
#define NB_API_RUN_H

/* Neo4jBackupRun: one execution of a Neo4jBackup. The spec is written once, by api_run_write(). */

#include "controller/api/backup.h"

enum api_trigger {
    API_TRIGGER_SCHEDULE,
    API_TRIGGER_MANUAL,
    API_TRIGGER_IMMEDIATE,
    API_TRIGGER_CATCH_UP
};
extern const char
    *const api_trigger_names[]; /* "Schedule", "Manual", "Immediate", "CatchUp", NULL */

struct api_artifact {
    const char *database, *key, *manifest_key, *sha256, *consistency;
    const char *warnings; /* what its manifest says of itself */
    int64_t size_bytes, new_bytes, uncompressed_bytes, nodes, relationships, indexes,
        constraints; /* -1: unknown */
};
struct api_artifacts {
    struct api_artifact *items;
    size_t count;
};
enum { API_ARTIFACTS_MAX = 500 };

struct api_progress {
    bool present;
    const char *stage, *database;
    int64_t percent, nodes, relationships, bytes_exported, bytes_uploaded; /* -1: unknown */
    int64_t updated;                                                       /* lastUpdateTime */
};

struct api_failure {
    bool present;
    const char *reason, *message;
    int64_t exit_code; /* -1: none */
    bool retriable;
};

struct api_verification {
    bool present;
    const char *level, *result;
    int64_t duration_seconds; /* -1: unknown */
};

struct api_run_status {
    int64_t observed_generation;
    struct api_conditions conditions;
    int64_t started, completed;
    int64_t duration_seconds; /* -1: unknown */
    const char *duration;     /* printer column */
    const char *job, *job_uid;
    const char *engine, *server_version;
    struct api_progress progress;
    const char *progress_text; /* printer column: "ExportingNodes 42%" */
    struct api_artifacts artifacts;
    int64_t size_bytes; /* sum; -1: unknown */
    const char *size;   /* printer column */
    const char *manifest_key;
    int64_t expiry;
    struct api_failure failure;
    struct api_verification verification;
    enum api_result result;
    bool pinned; /* the pin is in the bucket */
};

struct api_run {
    struct nb_arena *arena;
    struct api_meta meta;
    bool pin_wanted; /* annotation */
    const char *token;
    const char *backup; /* spec.backupRef.name */
    int64_t scheduled;
    enum api_trigger trigger;
    struct api_template template_;
    struct api_run_status status;
};

NB_NODISCARD bool api_run_parse(const struct nb_json *object, struct api_run **ret,
                                struct nb_error *err);
void api_run_free(struct api_run *r);
NB_AUTO_DEFINE(struct api_run *, api_run_free)
/* Condition Succeeded is True or False. */
bool api_run_is_terminal(const struct api_run *r);
/* Of all that it has in the bucket: manifests, or dumps without one; joined by commas. "": nothing. */
const char *api_run_keys(struct nb_arena *a, const struct api_run *r);

/* A new Neo4jBackupRun of b, as JSON. token: of a manual run, else "". */
void api_run_write(const struct api_backup *b, const char *name, int64_t scheduled,
                   enum api_trigger trigger, const char *token, struct nb_buf *out);
void api_run_status_write(const struct api_run_status *s, struct nb_jw *w);
NB_NODISCARD bool api_run_status_patch(const struct api_run *r, const struct api_run_status *to,
                                       struct nb_buf *out);
/* "ExportingNodes 42%". */
const char *api_progress_text(struct nb_arena *a, const struct api_progress *p);

/* --- for the files of this folder and of controller/plan ------------------------------------- */
void api_progress_parse(struct nb_arena *a, const struct nb_json *v, struct api_progress *ret);
void api_failure_parse(struct nb_arena *a, const struct nb_json *v, struct api_failure *ret);
void api_failure_write(const struct api_failure *f, const char *key, struct nb_jw *w);
void api_artifact_parse(struct nb_arena *a, const struct nb_json *v, struct api_artifact *ret);
void api_verification_parse(struct nb_arena *a, const struct nb_json *v,
                            struct api_verification *ret);
/* "ownerReferences": the controller owner. */
void api_owner_write(const char *kind, const char *name, const char *uid, struct nb_jw *w);
void api_artifacts_write(const struct api_artifacts *list, const char *key, struct nb_jw *w);
void api_progress_write(const struct api_progress *p, const char *key, struct nb_jw *w);

#endif
