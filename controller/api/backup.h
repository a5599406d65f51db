#ifndef NB_API_BACKUP_H
#define NB_API_BACKUP_H

/*
 * Neo4jBackup: spec and status as C structs. Parsing is lenient (the API server has validated
 * against the schema in crd/): what is absent or of a wrong type gets its default, what is out of
 * range is clamped.
 */

#include "controller/api/meta.h"
#include "controller/api/names.h"
#include "controller/api/notice.h"

enum api_concurrency { API_FORBID, API_ALLOW, API_REPLACE };
enum api_dst { API_DST_RUN_ONCE, API_DST_CRONJOB };
enum api_verify_level { API_VERIFY_CHECKSUM, API_VERIFY_READBACK, API_VERIFY_RESTORE };
/* What of a Neo4jBackup's spec goes into its runs' template. */
extern const char *const api_template_fields[];
extern const char *const api_concurrency_names[]; /* "Forbid", "Allow", "Replace", NULL */
extern const char *const api_verify_level_names[];

struct api_connection {
    const char *uri;
    const char *auth_secret; /* "": no authentication */
    const char *username_key, *password_key, *bearer_token_key;
    const char *ca_secret, *ca_key, *tls_server_name;
};

struct api_storage {
    bool present; /* a storage was given at all */
    bool is_r2;
    const char *account_id, *jurisdiction; /* r2 */
    const char *endpoint, *region;         /* s3 */
    bool force_path_style;
    const char *ca_secret, *ca_key;
    int64_t part_size_bytes; /* 0: the worker's default */
    const char *bucket, *prefix;
    const char *secret, *access_key_id_key, *secret_access_key_key, *session_token_key,
        *account_id_key;
    const char *owner; /* "": <namespace>/<name> */
    bool adopt;
};

struct api_retention {
    int64_t days;                                         /* 0: for ever */
    int64_t last, hourly, daily, weekly, monthly, yearly; /* -1: unset */
    int64_t minimum_successful;
    bool delete_on_delete;
};

/* Copied into Job objects as JSON text ("" when absent), never interpreted. */
struct api_job_options {
    int64_t backoff_limit, active_deadline_seconds /* 0: none */, ttl_seconds, retry_window_seconds;
    const char *resources, *node_selector, *tolerations, *affinity, *image_pull_secrets;
    const char *pod_labels, *pod_annotations;
    const char *priority_class;
};

/* What a run needs: the part of a Neo4jBackup's spec that is frozen into its runs' `template`. */
struct api_template {
    struct api_connection connection;
    struct api_strings databases, exclude_databases;
    bool include_system;
    const char *database_failure_policy, *engine, *consistency;
    int64_t parallelism, fetch_size, statement_batch_size, max_bytes_per_second; /* 0: default */
    const char *type;
    int64_t incremental_max_chain; /* 0: default */
    bool gzip;
    const char *compression_level; /* "6", "adaptive" */
    struct api_strings recipients;
    const char *signing_secret, *signing_key; /* "": nothing is signed */
    struct api_strings public_keys;
    struct api_storage storage;
    struct api_retention retention;
    enum api_verify_level verify_level;
    const char *verify_schedule, *verify_neo4j_image, *identity_secret, *identity_key;
    int64_t verify_timeout_seconds;
    struct api_job_options job;
    const char *time_zone;
};

struct api_backup_spec {
    const char *schedule; /* "": once */
    const char *time_zone;
    bool suspend, run_immediately;
    enum api_concurrency concurrency;
    int64_t starting_deadline_seconds; /* -1: unset */
    int64_t jitter_seconds;
    enum api_dst dst;
    int64_t successful_limit, failed_limit;
    struct api_template template_;
    const char *template_json; /* what goes into a run's spec.template */
    struct api_notifications notifications;
};

struct api_stored {
    bool present;
    int64_t count, total_bytes, oldest, newest, monthly_cost_micro_usd;
};

enum api_result { API_RESULT_NONE, API_RESULT_SUCCEEDED, API_RESULT_PARTIAL, API_RESULT_FAILED };
extern const char *const api_result_names[]; /* "", "Succeeded", "Partial", "Failed", NULL */

struct api_history_entry {
    const char *run, *trigger, *reason;
    int64_t scheduled, started, completed;
    enum api_result result;
    int64_t size_bytes, duration_seconds;
};
struct api_restore_point {
    const char *database, *manifest_key, *consistency;
    int64_t time, size_bytes;
    bool pinned, verified;
};
enum { API_HISTORY_MAX = 10, API_RESTORE_POINTS_MAX = 50 };

struct api_backup_status {
    int64_t observed_generation;
    struct api_conditions conditions;
    struct api_strings active; /* names of runs that have not ended */
    int64_t last_schedule, last_successful, last_failure, last_skipped, schedule_change,
        next_schedule;
    const char *last_skipped_reason;
    const char *observed_schedule; /* schedule, zone and policy that schedule_change speaks of */
    const char *last_handled_request, *last_handled_refresh;
    int64_t consecutive_failures; /* -1: never written */
    const char *last_run;         /* the newest, ended or not */
    const char *last_backup_key;
    const char *last_size; /* the printer column's "1.2 GiB" */
    int64_t last_size_bytes /* -1: unknown */, last_duration_seconds /* -1: unknown */;
    const char *destination; /* the printer column's "r2://bucket/prefix" */
    int64_t last_verification, last_verification_schedule, next_verification,
        verification_schedule_change;
    const char *observed_verification_schedule; /* that verification_schedule_change speaks of */
    struct api_stored stored;
    struct api_restore_point *restore_points; /* newest first */
    size_t restore_point_count;
    struct api_history_entry history[API_HISTORY_MAX]; /* newest first */
    size_t history_count;
    struct api_notices notices; /* pendingNotifications */
};

struct api_backup {
    struct nb_arena *arena;
    struct api_meta meta;
    const char *run_requested, *refresh_requested; /* tokens; "" when absent */
    bool reconcile_disabled;
    struct api_backup_spec spec;
    struct api_backup_status status;
};

/* False (NB_E_INVALID) only when `object` is no object with metadata.name and metadata.uid. */
NB_NODISCARD bool api_backup_parse(const struct nb_json *object, struct api_backup **ret,
                                   struct nb_error *err);
void api_backup_free(struct api_backup *b);
NB_AUTO_DEFINE(struct api_backup *, api_backup_free)

/* spec.template of a run, or what a Neo4jRestore takes of a backup; strings go into a. */
void api_template_parse(struct nb_arena *a, const struct nb_json *v, struct api_template *ret);
void api_connection_parse(struct nb_arena *a, const struct nb_json *v, struct api_connection *ret);
void api_storage_parse(struct nb_arena *a, const struct nb_json *v, struct api_storage *ret);
void api_job_options_parse(struct nb_arena *a, const struct nb_json *v,
                           struct api_job_options *ret);

/* The whole status as a JSON object. */
void api_backup_status_write(const struct api_backup_status *s, struct nb_jw *w);
/* {"metadata":{"resourceVersion":…},"status":{…}}: what changed between the two; false when
 * nothing did. */
NB_NODISCARD bool api_backup_status_patch(const struct api_backup *b,
                                          const struct api_backup_status *to, struct nb_buf *out);
/* storage as "r2://bucket/prefix" or "s3://bucket/prefix". */
const char *api_storage_text(struct nb_arena *a, const struct api_storage *s);
/* Neo4jBackup's storage.owner or its default. */
const char *api_owner_text(struct nb_arena *a, const struct api_storage *s, const char *ns,
                           const char *name);

/* --- for the files of this folder ------------------------------------------------------------ */
void api_stored_parse(const struct nb_json *v, struct api_stored *ret);
void api_stored_write(const struct api_stored *s, const char *key, struct nb_jw *w);
void api_restore_point_parse(struct nb_arena *a, const struct nb_json *v,
                             struct api_restore_point *ret);
bool api_status_patch(const char *resource_version, const char *from, const char *to,
                      struct nb_buf *out);
bool api_object_check(const struct nb_json *object, const char *what, struct nb_error *err);

#endif
