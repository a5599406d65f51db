#ifndef NB_API_RESTORE_H
#define NB_API_RESTORE_H

/* Neo4jRestore: one restore. The spec is immutable. */

#include "controller/api/run.h"

struct api_mapping {
    const char *from, *to;
};

struct api_source_point { /* what a restore reads: pinned in status.resolvedSource */
    const char *database, *manifest_key, *key;
    int64_t time, size_bytes; /* size -1: unknown */
};

struct api_database_result {
    const char *database, *target, *result, *reason, *message;
    int64_t nodes, relationships, duration_seconds; /* -1: unknown */
};

struct api_safety_backup { /* what a target held before it was wiped */
    const char *database, *manifest_key;
};

struct api_restore_status {
    int64_t observed_generation;
    struct api_conditions conditions;
    int64_t started, completed, duration_seconds /* -1 */;
    const char *duration, *job, *job_uid;
    const char *source, *target;               /* printer columns */
    const char *resolved_kind, *resolved_name; /* Neo4jBackupRun, Neo4jBackup or "" */
    struct api_source_point *points;
    size_t point_count;
    struct api_progress progress;
    const char *progress_text;
    struct api_database_result *databases;
    size_t database_count;
    struct api_safety_backup *safety; /* oldest first */
    size_t safety_count;
    struct api_failure failure;
    enum api_result result;
};

struct api_restore {
    struct nb_arena *arena;
    struct api_meta meta;
    bool reconcile_disabled;
    const char *run_ref, *backup_ref, *key; /* exactly one is not "" */
    int64_t before_time;
    const char *before_text;    /* as it is in the spec; "": none */
    struct api_storage storage; /* with key */
    struct api_strings databases;
    struct api_mapping *mapping;
    size_t mapping_count;
    struct api_connection target;
    const char *overwrite_policy, *confirm;
    const char *safety_policy, *safety_bucket, *safety_prefix; /* "": those of the source */
    const char *identity_secret, *identity_key;
    struct api_strings trusted_keys;
    bool verify, allow_statements;
    struct api_job_options job;
    struct api_restore_status status;
};

NB_NODISCARD bool api_restore_parse(const struct nb_json *object, struct api_restore **ret,
                                    struct nb_error *err);
void api_restore_free(struct api_restore *r);
NB_AUTO_DEFINE(struct api_restore *, api_restore_free)
bool api_restore_is_terminal(const struct api_restore *r);
void api_restore_status_write(const struct api_restore_status *s, struct nb_jw *w);
NB_NODISCARD bool api_restore_status_patch(const struct api_restore *r,
                                           const struct api_restore_status *to, struct nb_buf *out);

/* --- for the files of this folder ------------------------------------------------------------ */
void api_source_point_parse(struct nb_arena *a, const struct nb_json *v,
                            struct api_source_point *ret);
void api_database_result_parse(struct nb_arena *a, const struct nb_json *v,
                               struct api_database_result *ret);
void api_safety_backup_parse(struct nb_arena *a, const struct nb_json *v,
                             struct api_safety_backup *ret);

#endif
