#include "controller/api/backup.h"

#include <string.h>

const char *const api_concurrency_names[] = { "Forbid", "Allow", "Replace", NULL };
const char *const api_verify_level_names[] = { "Checksum", "Readback", "Restore", NULL };
const char *const api_result_names[] = { "", "Succeeded", "Partial", "Failed", NULL };

static const char *const dst_names[] = { "RunOnce", "CronJob", NULL };

const char *const api_template_fields[] = {
    "timeZone",
    "connection",
    "databases",
    "excludeDatabases",
    "includeSystem",
    "databaseFailurePolicy",
    "export",
    "type",
    "incremental",
    "compression",
    "compressionLevel",
    "encryption",
    "signing",
    "storage",
    "retention",
    "verification",
    "job",
    NULL,
};

enum { DAY_SECONDS = 86400, LIMIT_MAX = 1000 };

/* --- spec ------------------------------------------------------------------------------------ */

void api_connection_parse(struct nb_arena *a, const struct nb_json *v, struct api_connection *ret)
{
    *ret = (struct api_connection){
        .uri = api_str(a, v, "uri", ""),
        .auth_secret = api_str(a, v, "authSecretRef.name", ""),
        .username_key = api_str(a, v, "authSecretRef.usernameKey", ""),
        .password_key = api_str(a, v, "authSecretRef.passwordKey", ""),
        .bearer_token_key = api_str(a, v, "authSecretRef.bearerTokenKey", ""),
        .ca_secret = api_str(a, v, "tls.caSecretRef.name", ""),
        .ca_key = api_str(a, v, "tls.caSecretRef.key", "ca.crt"),
        .tls_server_name = api_str(a, v, "tls.serverName", ""),
    };
}

void api_storage_parse(struct nb_arena *a, const struct nb_json *v, struct api_storage *ret)
{
    const struct nb_json *r2 = nb_json_get(v, "r2"), *s3 = nb_json_get(v, "s3");
    const struct nb_json *one = r2 ? r2 : s3;

    *ret = (struct api_storage){
        .present = one != NULL,
        .is_r2 = r2 != NULL,
        .account_id = api_str(a, r2, "accountId", ""),
        .jurisdiction = api_str(a, r2, "jurisdiction", ""),
        .endpoint = r2 ? "" : api_str(a, s3, "endpoint", ""),
        .region = r2 ? "" : api_str(a, s3, "region", "auto"),
        .force_path_style = !r2 && api_bool(s3, "forcePathStyle", false),
        .ca_secret = r2 ? "" : api_str(a, s3, "tls.caSecretRef.name", ""),
        .ca_key = r2 ? "" : api_str(a, s3, "tls.caSecretRef.key", "ca.crt"),
        .part_size_bytes = r2 ? 0 : api_i64(s3, "partSizeBytes", 0, INT64_C(5) << 30, 0),
        .bucket = api_str(a, one, "bucket", ""),
        .prefix = api_str(a, one, "prefix", "neo4j-backup"),
        .secret = api_str(a, one, "credentialsSecretRef.name", ""),
        .access_key_id_key = api_str(a, one, "credentialsSecretRef.accessKeyIdKey", ""),
        .secret_access_key_key = api_str(a, one, "credentialsSecretRef.secretAccessKeyKey", ""),
        .session_token_key = api_str(a, one, "credentialsSecretRef.sessionTokenKey", ""),
        .account_id_key = api_str(a, one, "credentialsSecretRef.accountIdKey", ""),
        .owner = api_str(a, v, "owner", ""),
        .adopt = api_bool(v, "adopt", false),
    };
}

static void parse_retention(const struct nb_json *v, struct api_retention *ret)
{
    const char *on_delete = nb_json_str(nb_json_get(v, "onDelete"), "Retain");

    *ret = (struct api_retention){
        .days = api_i64(v, "days", 0, 36500, -1),
        .last = api_i64(v, "keepLast", 0, 100000, -1),
        .hourly = api_i64(v, "keepHourly", 0, 100000, -1),
        .daily = api_i64(v, "keepDaily", 0, 100000, -1),
        .weekly = api_i64(v, "keepWeekly", 0, 100000, -1),
        .monthly = api_i64(v, "keepMonthly", 0, 100000, -1),
        .yearly = api_i64(v, "keepYearly", 0, 100000, -1),
        .minimum_successful = api_i64(v, "minimumSuccessful", 1, 100000, 1),
        .delete_on_delete = strcmp(on_delete, "Delete") == 0,
    };
    /* Keep rules that stand alone mean what they say; a week is for those who said nothing. */
    if (ret->days < 0 && ret->last < 0 && ret->hourly < 0 && ret->daily < 0 && ret->weekly < 0 &&
        ret->monthly < 0 && ret->yearly < 0)
        ret->days = 7;
}

void api_job_options_parse(struct nb_arena *a, const struct nb_json *v, struct api_job_options *ret)
{
    *ret = (struct api_job_options){
        .backoff_limit = api_i64(v, "backoffLimit", 0, 100, 2),
        .active_deadline_seconds =
            api_i64(v, "activeDeadlineSeconds", 0, INT64_C(366) * DAY_SECONDS, 0),
        .ttl_seconds =
            api_i64(v, "ttlSecondsAfterFinished", 0, INT64_C(366) * DAY_SECONDS, DAY_SECONDS),
        .retry_window_seconds = api_i64(v, "retryWindowSeconds", 0, INT64_C(7) * DAY_SECONDS, 7200),
        .resources = api_json(a, nb_json_get(v, "resources")),
        .node_selector = api_json(a, nb_json_get(v, "nodeSelector")),
        .tolerations = api_json(a, nb_json_get(v, "tolerations")),
        .affinity = api_json(a, nb_json_get(v, "affinity")),
        .image_pull_secrets = api_json(a, nb_json_get(v, "imagePullSecrets")),
        .pod_labels = api_json(a, nb_json_get(v, "podLabels")),
        .pod_annotations = api_json(a, nb_json_get(v, "podAnnotations")),
        .priority_class = api_str(a, v, "priorityClassName", ""),
    };
}

static const char *one_of(const struct nb_json *v, const char *path, const char *const *names)
{
    return names[api_enum(v, path, names, 0)];
}

static const char *parse_level(struct nb_arena *a, const struct nb_json *v)
{
    int64_t level = nb_json_i64(v, 6);

    if (nb_streq(nb_json_str(v, ""), "adaptive"))
        return "adaptive";
    level = level < 1 ? 1 : level > 9 ? 9 : level;
    return api_printf(a, "%lld", (long long)level);
}

void api_template_parse(struct nb_arena *a, const struct nb_json *v, struct api_template *ret)
{
    static const char *const failure_policies[] = { "Continue", "Fail", NULL };
    static const char *const engines[] = { "Auto", "Cypher", "Apoc", NULL };
    static const char *const consistencies[] = { "Closed", "Quiescent", "BestEffort", NULL };
    static const char *const types[] = { "Full", "Incremental", NULL };
    const struct nb_json *verification = nb_json_get(v, "verification");

    *ret = (struct api_template){
        .include_system = api_bool(v, "includeSystem", false),
        .database_failure_policy = one_of(v, "databaseFailurePolicy", failure_policies),
        .engine = one_of(v, "export.engine", engines),
        .consistency = one_of(v, "export.consistency", consistencies),
        .parallelism = api_i64(v, "export.parallelism", 0, 64, 0),
        .fetch_size = api_i64(v, "export.fetchSize", 0, 1000000, 0),
        .statement_batch_size = api_i64(v, "export.statementBatchSize", 0, 1000000, 0),
        .max_bytes_per_second = api_i64(v, "export.maxBytesPerSecond", 0, INT64_MAX, 0),
        .type = one_of(v, "type", types),
        .incremental_max_chain = api_i64(v, "incremental.maxChain", 0, 10000, 0),
        .gzip = strcmp(nb_json_str(nb_json_get(v, "compression"), "gzip"), "none") != 0,
        .compression_level = parse_level(a, nb_json_get(v, "compressionLevel")),
        .verify_level = (enum api_verify_level)api_enum(
            verification, "level", api_verify_level_names, API_VERIFY_CHECKSUM),
        .verify_schedule = api_str(a, verification, "schedule", ""),
        .verify_neo4j_image = api_str(a, verification, "neo4jImage", ""),
        .identity_secret = api_str(a, verification, "identitySecretRef.name", ""),
        .identity_key = api_str(a, verification, "identitySecretRef.key", "identity"),
        .signing_secret = api_str(a, v, "signing.keySecretRef.name", ""),
        .signing_key = api_str(a, v, "signing.keySecretRef.key", "signing.pem"),
        .verify_timeout_seconds =
            api_i64(verification, "timeoutSeconds", 0, INT64_C(30) * DAY_SECONDS, 0),
        .time_zone = api_str(a, v, "timeZone", "Etc/UTC"),
    };
    api_connection_parse(a, nb_json_get(v, "connection"), &ret->connection);
    api_strings_parse(a, nb_json_get(v, "databases"), &ret->databases);
    api_strings_parse(a, nb_json_get(v, "excludeDatabases"), &ret->exclude_databases);
    api_strings_parse(a, nb_json_at(v, "encryption.recipients"), &ret->recipients);
    api_strings_parse(a, nb_json_at(v, "signing.publicKeys"), &ret->public_keys);
    api_storage_parse(a, nb_json_get(v, "storage"), &ret->storage);
    parse_retention(nb_json_get(v, "retention"), &ret->retention);
    api_job_options_parse(a, nb_json_get(v, "job"), &ret->job);
}

static const char *template_text(struct nb_arena *a, const struct nb_json *spec)
{
    nb_auto_done(nb_buf_done) struct nb_buf text = NB_BUF_INIT(4 << 20);
    struct nb_jw w = NB_JW_INIT(&text);

    nb_jw_object(&w);
    for (size_t i = 0; api_template_fields[i]; i++) {
        const struct nb_json *v = nb_json_get(spec, api_template_fields[i]);

        if (!v)
            continue;
        nb_jw_key(&w, api_template_fields[i]);
        nb_jw_value(&w, v);
    }
    nb_jw_object_end(&w);
    return api_dup(a, nb_buf_cstr(&text));
}

static void parse_spec(struct nb_arena *a, const struct nb_json *v, struct api_backup_spec *ret)
{
    *ret = (struct api_backup_spec){
        .schedule = api_str(a, v, "schedule", ""),
        .time_zone = api_str(a, v, "timeZone", "Etc/UTC"),
        .suspend = api_bool(v, "suspend", false),
        .run_immediately = api_bool(v, "runImmediately", false),
        .concurrency = (enum api_concurrency)api_enum(v, "concurrencyPolicy", api_concurrency_names,
                                                      API_FORBID),
        .starting_deadline_seconds =
            api_i64(v, "startingDeadlineSeconds", 0, INT64_C(3660) * DAY_SECONDS, -1),
        .jitter_seconds = api_i64(v, "startJitterSeconds", 0, INT64_C(7) * DAY_SECONDS, 0),
        .dst = (enum api_dst)api_enum(v, "daylightSavingPolicy", dst_names, API_DST_RUN_ONCE),
        .successful_limit = api_i64(v, "successfulRunsHistoryLimit", 0, LIMIT_MAX, 3),
        .failed_limit = api_i64(v, "failedRunsHistoryLimit", 0, LIMIT_MAX, 3),
        .template_json = template_text(a, v),
    };
    api_template_parse(a, v, &ret->template_);
    api_notifications_parse(a, nb_json_get(v, "notifications"), &ret->notifications);
}

/* --- status ---------------------------------------------------------------------------------- */

void api_stored_parse(const struct nb_json *v, struct api_stored *ret)
{
    *ret = (struct api_stored){
        .present = nb_json_type(v) == NB_JSON_OBJECT,
        .count = api_i64(v, "count", 0, INT64_MAX, 0),
        .total_bytes = api_i64(v, "totalBytes", 0, INT64_MAX, 0),
        .oldest = api_time(v, "oldestTime"),
        .newest = api_time(v, "newestTime"),
        .monthly_cost_micro_usd = api_i64(v, "estimatedMonthlyCostMicroUSD", 0, INT64_MAX, 0),
    };
}

void api_stored_write(const struct api_stored *s, const char *key, struct nb_jw *w)
{
    if (!s->present)
        return;
    nb_jw_key(w, key);
    nb_jw_object(w);
    nb_jw_kv_i64(w, "count", s->count);
    nb_jw_kv_i64(w, "totalBytes", s->total_bytes);
    api_write_time(w, "oldestTime", s->oldest);
    api_write_time(w, "newestTime", s->newest);
    nb_jw_kv_i64(w, "estimatedMonthlyCostMicroUSD", s->monthly_cost_micro_usd);
    nb_jw_object_end(w);
}

void api_restore_point_parse(struct nb_arena *a, const struct nb_json *v,
                             struct api_restore_point *ret)
{
    *ret = (struct api_restore_point){
        .database = api_str(a, v, "database", ""),
        .manifest_key = api_str(a, v, "manifestKey", ""),
        .consistency = api_str(a, v, "consistency", ""),
        .time = api_time(v, "time"),
        .size_bytes = api_i64(v, "sizeBytes", 0, INT64_MAX, 0),
        .pinned = api_bool(v, "pinned", false),
        .verified = api_bool(v, "verified", false),
    };
}

static void parse_points(struct nb_arena *a, const struct nb_json *v, struct api_backup_status *ret)
{
    ret->restore_points = api_alloc(a, API_RESTORE_POINTS_MAX * sizeof(*ret->restore_points));
    if (nb_json_type(v) != NB_JSON_ARRAY)
        return;
    for (const struct nb_json *c = nb_json_first(v);
         c && ret->restore_point_count < API_RESTORE_POINTS_MAX; c = nb_json_next(c))
        api_restore_point_parse(a, c, &ret->restore_points[ret->restore_point_count++]);
}

static void parse_history(struct nb_arena *a, const struct nb_json *v,
                          struct api_backup_status *ret)
{
    if (nb_json_type(v) != NB_JSON_ARRAY)
        return;
    for (const struct nb_json *c = nb_json_first(v); c && ret->history_count < API_HISTORY_MAX;
         c = nb_json_next(c))
        ret->history[ret->history_count++] = (struct api_history_entry){
            .run = api_str(a, c, "runName", ""),
            .trigger = api_str(a, c, "trigger", ""),
            .reason = api_str(a, c, "reason", ""),
            .scheduled = api_time(c, "scheduledTime"),
            .started = api_time(c, "startTime"),
            .completed = api_time(c, "completionTime"),
            .result = (enum api_result)api_enum(c, "result", api_result_names, API_RESULT_NONE),
            .size_bytes = api_i64(c, "sizeBytes", 0, INT64_MAX, -1),
            .duration_seconds = api_i64(c, "durationSeconds", 0, INT64_MAX, -1),
        };
}

static void parse_status(struct nb_arena *a, const struct nb_json *v, struct api_backup_status *ret)
{
    *ret = (struct api_backup_status){
        .observed_generation = api_i64(v, "observedGeneration", 0, INT64_MAX, 0),
        .last_schedule = api_time(v, "lastScheduleTime"),
        .last_successful = api_time(v, "lastSuccessfulTime"),
        .last_failure = api_time(v, "lastFailureTime"),
        .last_skipped = api_time(v, "lastSkippedTime"),
        .schedule_change = api_time(v, "scheduleChangeTime"),
        .next_schedule = api_time(v, "nextScheduleTime"),
        .last_skipped_reason = api_str(a, v, "lastSkippedReason", ""),
        .observed_schedule = api_str(a, v, "observedSchedule", ""),
        .last_handled_request = api_str(a, v, "lastHandledRequest", ""),
        .last_handled_refresh = api_str(a, v, "lastHandledRefresh", ""),
        .consecutive_failures = api_i64(v, "consecutiveFailures", 0, INT64_MAX, -1),
        .last_run = api_str(a, v, "lastRunName", ""),
        .last_backup_key = api_str(a, v, "lastBackupKey", ""),
        .last_size = api_str(a, v, "lastSize", ""),
        .last_size_bytes = api_i64(v, "lastSizeBytes", 0, INT64_MAX, -1),
        .last_duration_seconds = api_i64(v, "lastDurationSeconds", 0, INT64_MAX, -1),
        .destination = api_str(a, v, "destination", ""),
        .last_verification = api_time(v, "lastVerificationTime"),
        .last_verification_schedule = api_time(v, "lastVerificationScheduleTime"),
        .verification_schedule_change = api_time(v, "verificationScheduleChangeTime"),
        .observed_verification_schedule = api_str(a, v, "observedVerificationSchedule", ""),
        .next_verification = api_time(v, "nextVerificationTime"),
    };
    api_conditions_parse(a, nb_json_get(v, "conditions"), &ret->conditions);
    api_strings_parse(a, nb_json_get(v, "active"), &ret->active);
    api_stored_parse(nb_json_get(v, "stored"), &ret->stored);
    parse_points(a, nb_json_get(v, "restorePoints"), ret);
    parse_history(a, nb_json_get(v, "history"), ret);
    api_notices_parse(a, nb_json_get(v, "pendingNotifications"), &ret->notices);
}

static void write_history(const struct api_backup_status *s, struct nb_jw *w)
{
    nb_jw_key(w, "history");
    nb_jw_array(w);
    for (size_t i = 0; i < s->history_count; i++) {
        const struct api_history_entry *h = &s->history[i];

        nb_jw_object(w);
        nb_jw_kv_str(w, "runName", h->run);
        api_write_text(w, "trigger", h->trigger);
        api_write_time(w, "scheduledTime", h->scheduled);
        api_write_time(w, "startTime", h->started);
        api_write_time(w, "completionTime", h->completed);
        api_write_text(w, "result", api_result_names[h->result]);
        api_write_text(w, "reason", h->reason);
        api_write_known(w, "sizeBytes", h->size_bytes);
        api_write_known(w, "durationSeconds", h->duration_seconds);
        nb_jw_object_end(w);
    }
    nb_jw_array_end(w);
}

static void write_points(const struct api_backup_status *s, struct nb_jw *w)
{
    nb_jw_key(w, "restorePoints");
    nb_jw_array(w);
    for (size_t i = 0; i < s->restore_point_count; i++) {
        const struct api_restore_point *p = &s->restore_points[i];

        nb_jw_object(w);
        nb_jw_kv_str(w, "database", p->database);
        api_write_time(w, "time", p->time);
        nb_jw_kv_str(w, "manifestKey", p->manifest_key);
        nb_jw_kv_i64(w, "sizeBytes", p->size_bytes);
        api_write_text(w, "consistency", p->consistency);
        nb_jw_kv_bool(w, "pinned", p->pinned);
        nb_jw_kv_bool(w, "verified", p->verified);
        nb_jw_object_end(w);
    }
    nb_jw_array_end(w);
}

void api_backup_status_write(const struct api_backup_status *s, struct nb_jw *w)
{
    nb_jw_object(w);
    if (s->observed_generation > 0)
        nb_jw_kv_i64(w, "observedGeneration", s->observed_generation);
    api_conditions_write(&s->conditions, "conditions", w);
    nb_jw_key(w, "active");
    nb_jw_array(w);
    for (size_t i = 0; i < s->active.count; i++)
        nb_jw_str(w, s->active.items[i]);
    nb_jw_array_end(w);
    api_write_time(w, "lastScheduleTime", s->last_schedule);
    api_write_time(w, "lastSuccessfulTime", s->last_successful);
    api_write_time(w, "lastFailureTime", s->last_failure);
    api_write_time(w, "lastSkippedTime", s->last_skipped);
    api_write_text(w, "lastSkippedReason", s->last_skipped_reason);
    api_write_time(w, "scheduleChangeTime", s->schedule_change);
    api_write_text(w, "observedSchedule", s->observed_schedule);
    api_write_time(w, "nextScheduleTime", s->next_schedule);
    api_write_text(w, "lastHandledRequest", s->last_handled_request);
    api_write_text(w, "lastHandledRefresh", s->last_handled_refresh);
    api_write_known(w, "consecutiveFailures", s->consecutive_failures);
    api_write_text(w, "lastRunName", s->last_run);
    api_write_text(w, "lastBackupKey", s->last_backup_key);
    api_write_known(w, "lastSizeBytes", s->last_size_bytes);
    api_write_text(w, "lastSize", s->last_size);
    api_write_known(w, "lastDurationSeconds", s->last_duration_seconds);
    api_write_text(w, "destination", s->destination);
    api_write_time(w, "lastVerificationTime", s->last_verification);
    api_write_time(w, "lastVerificationScheduleTime", s->last_verification_schedule);
    api_write_time(w, "verificationScheduleChangeTime", s->verification_schedule_change);
    api_write_text(w, "observedVerificationSchedule", s->observed_verification_schedule);
    api_write_time(w, "nextVerificationTime", s->next_verification);
    api_stored_write(&s->stored, "stored", w);
    write_points(s, w);
    write_history(s, w);
    api_notices_write(&s->notices, "pendingNotifications", w);
    nb_jw_object_end(w);
}

bool api_status_patch(const char *resource_version, const char *from, const char *to,
                      struct nb_buf *out)
{
    nb_auto_done(nb_buf_done) struct nb_buf diff = NB_BUF_INIT(8 << 20);
    struct nb_jw w = NB_JW_INIT(out);

    if (!api_merge_diff(from, to, &diff))
        return false;
    nb_jw_object(&w);
    nb_jw_key(&w, "metadata");
    nb_jw_object(&w);
    nb_jw_kv_str(&w, "resourceVersion", resource_version);
    nb_jw_object_end(&w);
    nb_jw_key(&w, "status");
    nb_jw_raw(&w, diff.data, diff.len);
    nb_jw_object_end(&w);
    return true;
}

bool api_backup_status_patch(const struct api_backup *b, const struct api_backup_status *to,
                             struct nb_buf *out)
{
    nb_auto_done(nb_buf_done) struct nb_buf old = NB_BUF_INIT(8 << 20);
    nb_auto_done(nb_buf_done) struct nb_buf new_text = NB_BUF_INIT(8 << 20);
    struct nb_jw wo = NB_JW_INIT(&old), wn = NB_JW_INIT(&new_text);

    api_backup_status_write(&b->status, &wo);
    api_backup_status_write(to, &wn);
    return api_status_patch(b->meta.resource_version, nb_buf_cstr(&old), nb_buf_cstr(&new_text),
                            out);
}

/* --- the object ------------------------------------------------------------------------------ */

bool api_object_check(const struct nb_json *object, const char *what, struct nb_error *err)
{
    if (!*nb_json_str(nb_json_at(object, "metadata.name"), "") ||
        !*nb_json_str(nb_json_at(object, "metadata.uid"), ""))
        return nb_fail(err, NB_E_INVALID, "InvalidObject",
                       "%s without metadata.name or metadata.uid", what);
    return true;
}

bool api_backup_parse(const struct nb_json *object, struct api_backup **ret, struct nb_error *err)
{
    struct api_backup *b;

    if (!api_object_check(object, API_KIND_BACKUP, err))
        return false;
    b = NB_NEW(struct api_backup);
    b->arena = api_arena_new();
    api_meta_parse(b->arena, object, &b->meta);
    b->run_requested = api_dup(b->arena, api_annotation(object, API_ANNOTATION_RUN_REQUESTED));
    b->refresh_requested =
        api_dup(b->arena, api_annotation(object, API_ANNOTATION_REFRESH_REQUESTED));
    b->reconcile_disabled = nb_streq(api_annotation(object, API_ANNOTATION_RECONCILE), "disabled");
    parse_spec(b->arena, nb_json_get(object, "spec"), &b->spec);
    parse_status(b->arena, nb_json_get(object, "status"), &b->status);
    *ret = b;
    return true;
}

void api_backup_free(struct api_backup *b)
{
    if (!b)
        return;
    nb_arena_free(b->arena);
    free(b);
}

const char *api_storage_text(struct nb_arena *a, const struct api_storage *s)
{
    if (!s->present)
        return "";
    return api_printf(a, "%s://%s%s%s", s->is_r2 ? "r2" : "s3", s->bucket, *s->prefix ? "/" : "",
                      s->prefix);
}

const char *api_owner_text(struct nb_arena *a, const struct api_storage *s, const char *ns,
                           const char *name)
{
    return *s->owner ? s->owner : api_printf(a, "%s/%s", ns, name);
}
