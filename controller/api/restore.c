#include "controller/api/restore.h"

#include <string.h>

/* What a status may hold at most; a worker restores no more databases at once. */
enum { DATABASES_MAX = 500 };

void api_source_point_parse(struct nb_arena *a, const struct nb_json *v,
                            struct api_source_point *ret)
{
    *ret = (struct api_source_point){
        .database = api_str(a, v, "database", ""),
        .manifest_key = api_str(a, v, "manifestKey", ""),
        .key = api_str(a, v, "key", ""),
        .time = api_time(v, "time"),
        .size_bytes = api_i64(v, "sizeBytes", 0, INT64_MAX, -1),
    };
}

void api_database_result_parse(struct nb_arena *a, const struct nb_json *v,
                               struct api_database_result *ret)
{
    *ret = (struct api_database_result){
        .database = api_str(a, v, "database", ""),
        .target = api_str(a, v, "target", ""),
        .result = api_str(a, v, "result", ""),
        .reason = api_str(a, v, "reason", ""),
        .message = api_str(a, v, "message", ""),
        .nodes = api_i64(v, "nodes", 0, INT64_MAX, -1),
        .relationships = api_i64(v, "relationships", 0, INT64_MAX, -1),
        .duration_seconds = api_i64(v, "durationSeconds", 0, INT64_MAX, -1),
    };
}

void api_safety_backup_parse(struct nb_arena *a, const struct nb_json *v,
                             struct api_safety_backup *ret)
{
    *ret = (struct api_safety_backup){
        .database = api_str(a, v, "database", ""),
        .manifest_key = api_str(a, v, "manifestKey", ""),
    };
}

static size_t list_count(const struct nb_json *v)
{
    size_t n = nb_json_type(v) == NB_JSON_ARRAY ? nb_json_count(v) : 0;

    return n > DATABASES_MAX ? DATABASES_MAX : n;
}

static void parse_status(struct nb_arena *a, const struct nb_json *v,
                         struct api_restore_status *ret)
{
    const struct nb_json *resolved = nb_json_get(v, "resolvedSource");
    const struct nb_json *points = nb_json_get(resolved, "points"),
                         *results = nb_json_get(v, "databaseResults"),
                         *safety = nb_json_get(v, "safetyBackups");
    size_t n;

    *ret = (struct api_restore_status){
        .observed_generation = api_i64(v, "observedGeneration", 0, INT64_MAX, 0),
        .started = api_time(v, "startTime"),
        .completed = api_time(v, "completionTime"),
        .duration_seconds = api_i64(v, "durationSeconds", 0, INT64_MAX, -1),
        .duration = api_str(a, v, "duration", ""),
        .job = api_str(a, v, "jobRef.name", ""),
        .job_uid = api_str(a, v, "jobRef.uid", ""),
        .source = api_str(a, v, "source", ""),
        .target = api_str(a, v, "target", ""),
        .resolved_kind = api_str(a, resolved, "kind", ""),
        .resolved_name = api_str(a, resolved, "name", ""),
        .progress_text = api_str(a, v, "progressText", ""),
        .result = (enum api_result)api_enum(v, "result", api_result_names, API_RESULT_NONE),
    };
    api_conditions_parse(a, nb_json_get(v, "conditions"), &ret->conditions);
    api_progress_parse(a, nb_json_get(v, "progress"), &ret->progress);
    api_failure_parse(a, nb_json_get(v, "failure"), &ret->failure);
    n = list_count(points);
    ret->points = api_alloc(a, (n + 1) * sizeof(*ret->points));
    for (const struct nb_json *c = n ? nb_json_first(points) : NULL; c && ret->point_count < n;
         c = nb_json_next(c))
        api_source_point_parse(a, c, &ret->points[ret->point_count++]);
    n = list_count(results);
    ret->databases = api_alloc(a, (n + 1) * sizeof(*ret->databases));
    for (const struct nb_json *c = n ? nb_json_first(results) : NULL; c && ret->database_count < n;
         c = nb_json_next(c))
        api_database_result_parse(a, c, &ret->databases[ret->database_count++]);
    n = list_count(safety);
    ret->safety = api_alloc(a, (n + 1) * sizeof(*ret->safety));
    for (const struct nb_json *c = n ? nb_json_first(safety) : NULL; c && ret->safety_count < n;
         c = nb_json_next(c))
        api_safety_backup_parse(a, c, &ret->safety[ret->safety_count++]);
}

static void parse_spec(struct nb_arena *a, const struct nb_json *v, struct api_restore *r)
{
    static const char *const policies[] = { "Fail", "Wipe", "Merge", NULL };
    static const char *const safeties[] = { "Bucket", "None", NULL };
    const struct nb_json *source = nb_json_get(v, "source"), *mapping = nb_json_get(v, "mapping");
    size_t n = list_count(mapping);

    r->run_ref = api_str(a, source, "runRef.name", "");
    r->backup_ref = api_str(a, source, "backupRef.name", "");
    r->before_time = api_time(source, "beforeTime");
    r->before_text = api_str(a, source, "beforeTime", "");
    r->key = api_str(a, source, "key", "");
    api_storage_parse(a, nb_json_get(source, "storage"), &r->storage);
    api_strings_parse(a, nb_json_get(v, "databases"), &r->databases);
    r->mapping = api_alloc(a, (n + 1) * sizeof(*r->mapping));
    for (const struct nb_json *c = n ? nb_json_first(mapping) : NULL; c && r->mapping_count < n;
         c = nb_json_next(c))
        r->mapping[r->mapping_count++] = (struct api_mapping){ .from = api_str(a, c, "from", ""),
                                                               .to = api_str(a, c, "to", "") };
    api_connection_parse(a, nb_json_at(v, "target.connection"), &r->target);
    r->overwrite_policy = policies[api_enum(v, "overwritePolicy", policies, 0)];
    r->confirm = api_str(a, v, "confirm", "");
    r->safety_policy = safeties[api_enum(nb_json_get(v, "safetyBackup"), "policy", safeties, 0)];
    r->safety_bucket = api_str(a, v, "safetyBackup.bucket", "");
    r->safety_prefix = api_str(a, v, "safetyBackup.prefix", "");
    r->identity_secret = api_str(a, v, "decryption.identitySecretRef.name", "");
    r->identity_key = api_str(a, v, "decryption.identitySecretRef.key", "identity");
    api_strings_parse(a, nb_json_get(v, "trustedKeys"), &r->trusted_keys);
    r->verify = api_bool(v, "verify", true);
    r->allow_statements = api_bool(v, "allowStatements", false);
    api_job_options_parse(a, nb_json_get(v, "job"), &r->job);
}

bool api_restore_parse(const struct nb_json *object, struct api_restore **ret, struct nb_error *err)
{
    struct api_restore *r;

    if (!api_object_check(object, API_KIND_RESTORE, err))
        return false;
    r = NB_NEW(struct api_restore);
    r->arena = api_arena_new();
    api_meta_parse(r->arena, object, &r->meta);
    r->reconcile_disabled = nb_streq(api_annotation(object, API_ANNOTATION_RECONCILE), "disabled");
    parse_spec(r->arena, nb_json_get(object, "spec"), r);
    parse_status(r->arena, nb_json_get(object, "status"), &r->status);
    *ret = r;
    return true;
}

void api_restore_free(struct api_restore *r)
{
    if (!r)
        return;
    nb_arena_free(r->arena);
    free(r);
}

bool api_restore_is_terminal(const struct api_restore *r)
{
    return api_condition_status(&r->status.conditions, API_COND_SUCCEEDED) != API_UNKNOWN;
}

/* --- writing --------------------------------------------------------------------------------- */

static void write_resolved(const struct api_restore_status *s, struct nb_jw *w)
{
    if (!*s->resolved_kind && !*s->resolved_name && s->point_count == 0)
        return;
    nb_jw_key(w, "resolvedSource");
    nb_jw_object(w);
    api_write_text(w, "kind", s->resolved_kind);
    api_write_text(w, "name", s->resolved_name);
    nb_jw_key(w, "points");
    nb_jw_array(w);
    for (size_t i = 0; i < s->point_count; i++) {
        const struct api_source_point *p = &s->points[i];

        nb_jw_object(w);
        api_write_text(w, "database", p->database);
        api_write_text(w, "manifestKey", p->manifest_key);
        api_write_text(w, "key", p->key);
        api_write_time(w, "time", p->time);
        api_write_known(w, "sizeBytes", p->size_bytes);
        nb_jw_object_end(w);
    }
    nb_jw_array_end(w);
    nb_jw_object_end(w);
}

static void write_results(const struct api_restore_status *s, struct nb_jw *w)
{
    nb_jw_key(w, "databaseResults");
    nb_jw_array(w);
    for (size_t i = 0; i < s->database_count; i++) {
        const struct api_database_result *d = &s->databases[i];

        nb_jw_object(w);
        nb_jw_kv_str(w, "database", d->database);
        api_write_text(w, "target", d->target);
        api_write_text(w, "result", d->result);
        api_write_text(w, "reason", d->reason);
        api_write_text(w, "message", d->message);
        api_write_known(w, "nodes", d->nodes);
        api_write_known(w, "relationships", d->relationships);
        api_write_known(w, "durationSeconds", d->duration_seconds);
        nb_jw_object_end(w);
    }
    nb_jw_array_end(w);
}

static void write_safety(const struct api_restore_status *s, struct nb_jw *w)
{
    if (s->safety_count == 0)
        return;
    nb_jw_key(w, "safetyBackups");
    nb_jw_array(w);
    for (size_t i = 0; i < s->safety_count; i++) {
        nb_jw_object(w);
        nb_jw_kv_str(w, "database", s->safety[i].database);
        api_write_text(w, "manifestKey", s->safety[i].manifest_key);
        nb_jw_object_end(w);
    }
    nb_jw_array_end(w);
}

void api_restore_status_write(const struct api_restore_status *s, struct nb_jw *w)
{
    nb_jw_object(w);
    if (s->observed_generation > 0)
        nb_jw_kv_i64(w, "observedGeneration", s->observed_generation);
    api_conditions_write(&s->conditions, "conditions", w);
    api_write_time(w, "startTime", s->started);
    api_write_time(w, "completionTime", s->completed);
    api_write_known(w, "durationSeconds", s->duration_seconds);
    api_write_text(w, "duration", s->duration);
    if (*s->job) {
        nb_jw_key(w, "jobRef");
        nb_jw_object(w);
        nb_jw_kv_str(w, "name", s->job);
        api_write_text(w, "uid", s->job_uid);
        nb_jw_object_end(w);
    }
    api_write_text(w, "source", s->source);
    api_write_text(w, "target", s->target);
    write_resolved(s, w);
    api_progress_write(&s->progress, "progress", w);
    api_write_text(w, "progressText", s->progress_text);
    write_results(s, w);
    write_safety(s, w);
    api_failure_write(&s->failure, "failure", w);
    api_write_text(w, "result", api_result_names[s->result]);
    nb_jw_object_end(w);
}

bool api_restore_status_patch(const struct api_restore *r, const struct api_restore_status *to,
                              struct nb_buf *out)
{
    nb_auto_done(nb_buf_done) struct nb_buf old = NB_BUF_INIT(8 << 20);
    nb_auto_done(nb_buf_done) struct nb_buf new_text = NB_BUF_INIT(8 << 20);
    struct nb_jw wo = NB_JW_INIT(&old), wn = NB_JW_INIT(&new_text);

    api_restore_status_write(&r->status, &wo);
    api_restore_status_write(to, &wn);
    return api_status_patch(r->meta.resource_version, nb_buf_cstr(&old), nb_buf_cstr(&new_text),
                            out);
}
