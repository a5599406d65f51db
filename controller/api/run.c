#include "controller/api/run.h"

#include <string.h>

const char *const api_trigger_names[] = { "Schedule", "Manual", "Immediate", "CatchUp", NULL };

/* --- parts shared with restores -------------------------------------------------------------- */

void api_progress_parse(struct nb_arena *a, const struct nb_json *v, struct api_progress *ret)
{
    *ret = (struct api_progress){
        .present = nb_json_type(v) == NB_JSON_OBJECT,
        .stage = api_str(a, v, "stage", ""),
        .database = api_str(a, v, "database", ""),
        .percent = api_i64(v, "percent", 0, 100, -1),
        .nodes = api_i64(v, "nodes", 0, INT64_MAX, -1),
        .relationships = api_i64(v, "relationships", 0, INT64_MAX, -1),
        .bytes_exported = api_i64(v, "bytesExported", 0, INT64_MAX, -1),
        .bytes_uploaded = api_i64(v, "bytesUploaded", 0, INT64_MAX, -1),
        .updated = api_time(v, "lastUpdateTime"),
    };
}

void api_progress_write(const struct api_progress *p, const char *key, struct nb_jw *w)
{
    if (!p->present)
        return;
    nb_jw_key(w, key);
    nb_jw_object(w);
    api_write_text(w, "stage", p->stage);
    api_write_text(w, "database", p->database);
    api_write_known(w, "percent", p->percent);
    api_write_known(w, "nodes", p->nodes);
    api_write_known(w, "relationships", p->relationships);
    api_write_known(w, "bytesExported", p->bytes_exported);
    api_write_known(w, "bytesUploaded", p->bytes_uploaded);
    api_write_time(w, "lastUpdateTime", p->updated);
    nb_jw_object_end(w);
}

const char *api_progress_text(struct nb_arena *a, const struct api_progress *p)
{
    if (!p->present || !*p->stage)
        return "";
    return p->percent >= 0 ? api_printf(a, "%s %lld%%", p->stage, (long long)p->percent) : p->stage;
}

void api_failure_parse(struct nb_arena *a, const struct nb_json *v, struct api_failure *ret)
{
    *ret = (struct api_failure){
        .present = nb_json_type(v) == NB_JSON_OBJECT,
        .reason = api_str(a, v, "reason", ""),
        .message = api_str(a, v, "message", ""),
        .exit_code = api_i64(v, "exitCode", 0, 255, -1),
        .retriable = api_bool(v, "retriable", false),
    };
}

void api_failure_write(const struct api_failure *f, const char *key, struct nb_jw *w)
{
    if (!f->present)
        return;
    nb_jw_key(w, key);
    nb_jw_object(w);
    nb_jw_kv_str(w, "reason", f->reason);
    nb_jw_kv_str(w, "message", f->message);
    api_write_known(w, "exitCode", f->exit_code);
    nb_jw_kv_bool(w, "retriable", f->retriable);
    nb_jw_object_end(w);
}

/* --- artifacts ------------------------------------------------------------------------------- */

void api_artifact_parse(struct nb_arena *a, const struct nb_json *v, struct api_artifact *ret)
{
    *ret = (struct api_artifact){
        .database = api_str(a, v, "database", ""),
        .key = api_str(a, v, "key", ""),
        .manifest_key = api_str(a, v, "manifestKey", ""),
        .sha256 = api_str(a, v, "sha256", ""),
        .consistency = api_str(a, v, "consistency", ""),
        .warnings = api_str(a, v, "warnings", ""),
        .size_bytes = api_i64(v, "sizeBytes", 0, INT64_MAX, -1),
        .new_bytes = api_i64(v, "newBytes", 0, INT64_MAX, -1),
        .uncompressed_bytes = api_i64(v, "uncompressedBytes", 0, INT64_MAX, -1),
        .nodes = api_i64(v, "nodes", 0, INT64_MAX, -1),
        .relationships = api_i64(v, "relationships", 0, INT64_MAX, -1),
        .indexes = api_i64(v, "indexes", 0, INT64_MAX, -1),
        .constraints = api_i64(v, "constraints", 0, INT64_MAX, -1),
    };
}

static void parse_artifacts(struct nb_arena *a, const struct nb_json *v, struct api_artifacts *ret)
{
    size_t n = nb_json_type(v) == NB_JSON_ARRAY ? nb_json_count(v) : 0;

    n = n > API_ARTIFACTS_MAX ? API_ARTIFACTS_MAX : n;
    *ret = (struct api_artifacts){ .items = api_alloc(a, (n + 1) * sizeof(*ret->items)) };
    if (n == 0)
        return;
    for (const struct nb_json *c = nb_json_first(v); c && ret->count < n; c = nb_json_next(c))
        api_artifact_parse(a, c, &ret->items[ret->count++]);
}

void api_artifacts_write(const struct api_artifacts *list, const char *key, struct nb_jw *w)
{
    nb_jw_key(w, key);
    nb_jw_array(w);
    for (size_t i = 0; i < list->count; i++) {
        const struct api_artifact *t = &list->items[i];

        nb_jw_object(w);
        nb_jw_kv_str(w, "database", t->database);
        api_write_text(w, "key", t->key);
        api_write_text(w, "manifestKey", t->manifest_key);
        api_write_known(w, "sizeBytes", t->size_bytes);
        api_write_known(w, "newBytes", t->new_bytes);
        api_write_known(w, "uncompressedBytes", t->uncompressed_bytes);
        api_write_text(w, "sha256", t->sha256);
        api_write_known(w, "nodes", t->nodes);
        api_write_known(w, "relationships", t->relationships);
        api_write_known(w, "indexes", t->indexes);
        api_write_known(w, "constraints", t->constraints);
        api_write_text(w, "consistency", t->consistency);
        api_write_text(w, "warnings", t->warnings);
        nb_jw_object_end(w);
    }
    nb_jw_array_end(w);
}

/* --- the run --------------------------------------------------------------------------------- */

void api_verification_parse(struct nb_arena *a, const struct nb_json *v,
                            struct api_verification *ret)
{
    *ret = (struct api_verification){
        .present = nb_json_type(v) == NB_JSON_OBJECT,
        .level = api_str(a, v, "level", ""),
        .result = api_str(a, v, "result", ""),
        .duration_seconds = api_i64(v, "durationSeconds", 0, INT64_MAX, -1),
    };
}

static void parse_status(struct nb_arena *a, const struct nb_json *v, struct api_run_status *ret)
{
    *ret = (struct api_run_status){
        .observed_generation = api_i64(v, "observedGeneration", 0, INT64_MAX, 0),
        .started = api_time(v, "startTime"),
        .completed = api_time(v, "completionTime"),
        .duration_seconds = api_i64(v, "durationSeconds", 0, INT64_MAX, -1),
        .duration = api_str(a, v, "duration", ""),
        .job = api_str(a, v, "jobRef.name", ""),
        .job_uid = api_str(a, v, "jobRef.uid", ""),
        .engine = api_str(a, v, "engine", ""),
        .server_version = api_str(a, v, "serverVersion", ""),
        .progress_text = api_str(a, v, "progressText", ""),
        .size_bytes = api_i64(v, "sizeBytes", 0, INT64_MAX, -1),
        .size = api_str(a, v, "size", ""),
        .manifest_key = api_str(a, v, "manifestKey", ""),
        .expiry = api_time(v, "expiryTime"),
        .result = (enum api_result)api_enum(v, "result", api_result_names, API_RESULT_NONE),
        .pinned = api_bool(v, "pinned", false),
    };
    api_conditions_parse(a, nb_json_get(v, "conditions"), &ret->conditions);
    api_progress_parse(a, nb_json_get(v, "progress"), &ret->progress);
    parse_artifacts(a, nb_json_get(v, "artifacts"), &ret->artifacts);
    api_failure_parse(a, nb_json_get(v, "failure"), &ret->failure);
    api_verification_parse(a, nb_json_get(v, "verification"), &ret->verification);
}

bool api_run_parse(const struct nb_json *object, struct api_run **ret, struct nb_error *err)
{
    struct api_run *r;

    if (!api_object_check(object, API_KIND_RUN, err))
        return false;
    r = NB_NEW(struct api_run);
    r->arena = api_arena_new();
    api_meta_parse(r->arena, object, &r->meta);
    r->pin_wanted = nb_streq(api_annotation(object, API_ANNOTATION_PINNED), "true");
    r->token = api_dup(r->arena, api_annotation(object, API_ANNOTATION_TOKEN));
    r->backup = api_str(r->arena, object, "spec.backupRef.name", "");
    r->scheduled = api_time(object, "spec.scheduledTime");
    r->trigger =
        (enum api_trigger)api_enum(object, "spec.trigger", api_trigger_names, API_TRIGGER_SCHEDULE);
    api_template_parse(r->arena, nb_json_at(object, "spec.template"), &r->template_);
    parse_status(r->arena, nb_json_get(object, "status"), &r->status);
    *ret = r;
    return true;
}

void api_run_free(struct api_run *r)
{
    if (!r)
        return;
    nb_arena_free(r->arena);
    free(r);
}

bool api_run_is_terminal(const struct api_run *r)
{
    return api_condition_status(&r->status.conditions, API_COND_SUCCEEDED) != API_UNKNOWN;
}

const char *api_run_keys(struct nb_arena *a, const struct api_run *r)
{
    nb_auto_done(nb_buf_done) struct nb_buf text = NB_BUF_INIT(1 << 20);

    for (size_t i = 0; i < r->status.artifacts.count; i++) {
        const struct api_artifact *t = &r->status.artifacts.items[i];
        const char *key = *t->manifest_key ? t->manifest_key : t->key;

        if (*key)
            nb_buf_printf(&text, "%s%s", text.len ? "," : "", key);
    }
    if (text.len == 0)
        nb_buf_puts(&text, r->status.manifest_key);
    return api_dup(a, nb_buf_cstr(&text));
}

static void write_status_facts(const struct api_run_status *s, struct nb_jw *w)
{
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
    api_write_text(w, "engine", s->engine);
    api_write_text(w, "serverVersion", s->server_version);
    api_write_known(w, "sizeBytes", s->size_bytes);
    api_write_text(w, "size", s->size);
    api_write_text(w, "manifestKey", s->manifest_key);
    api_write_time(w, "expiryTime", s->expiry);
    api_write_text(w, "result", api_result_names[s->result]);
    if (s->pinned)
        nb_jw_kv_bool(w, "pinned", true);
}

void api_run_status_write(const struct api_run_status *s, struct nb_jw *w)
{
    nb_jw_object(w);
    if (s->observed_generation > 0)
        nb_jw_kv_i64(w, "observedGeneration", s->observed_generation);
    api_conditions_write(&s->conditions, "conditions", w);
    write_status_facts(s, w);
    api_progress_write(&s->progress, "progress", w);
    api_write_text(w, "progressText", s->progress_text);
    api_artifacts_write(&s->artifacts, "artifacts", w);
    api_failure_write(&s->failure, "failure", w);
    if (s->verification.present) {
        nb_jw_key(w, "verification");
        nb_jw_object(w);
        nb_jw_kv_str(w, "level", s->verification.level);
        nb_jw_kv_str(w, "result", s->verification.result);
        api_write_known(w, "durationSeconds", s->verification.duration_seconds);
        nb_jw_object_end(w);
    }
    nb_jw_object_end(w);
}

bool api_run_status_patch(const struct api_run *r, const struct api_run_status *to,
                          struct nb_buf *out)
{
    nb_auto_done(nb_buf_done) struct nb_buf old = NB_BUF_INIT(8 << 20);
    nb_auto_done(nb_buf_done) struct nb_buf new_text = NB_BUF_INIT(8 << 20);
    struct nb_jw wo = NB_JW_INIT(&old), wn = NB_JW_INIT(&new_text);

    api_run_status_write(&r->status, &wo);
    api_run_status_write(to, &wn);
    return api_status_patch(r->meta.resource_version, nb_buf_cstr(&old), nb_buf_cstr(&new_text),
                            out);
}

void api_owner_write(const char *kind, const char *name, const char *uid, struct nb_jw *w)
{
    nb_jw_key(w, "ownerReferences");
    nb_jw_array(w);
    nb_jw_object(w);
    nb_jw_kv_str(w, "apiVersion", API_GROUP_VERSION);
    nb_jw_kv_str(w, "kind", kind);
    nb_jw_kv_str(w, "name", name);
    nb_jw_kv_str(w, "uid", uid);
    nb_jw_kv_bool(w, "controller", true);
    nb_jw_kv_bool(w, "blockOwnerDeletion", true);
    nb_jw_object_end(w);
    nb_jw_array_end(w);
}

void api_run_write(const struct api_backup *b, const char *name, int64_t scheduled,
                   enum api_trigger trigger, const char *token, struct nb_buf *out)
{
    struct nb_jw w = NB_JW_INIT(out);

    nb_jw_object(&w);
    nb_jw_kv_str(&w, "apiVersion", API_GROUP_VERSION);
    nb_jw_kv_str(&w, "kind", API_KIND_RUN);
    nb_jw_key(&w, "metadata");
    nb_jw_object(&w);
    nb_jw_kv_str(&w, "name", name);
    nb_jw_kv_str(&w, "namespace", b->meta.ns);
    nb_jw_key(&w, "labels");
    nb_jw_object(&w);
    nb_jw_kv_str(&w, API_LABEL_NAME, API_VALUE_NAME);
    nb_jw_kv_str(&w, API_LABEL_MANAGED_BY, API_VALUE_MANAGED_BY);
    nb_jw_kv_str(&w, API_LABEL_BACKUP, b->meta.name);
    nb_jw_kv_str(&w, API_LABEL_TRIGGER, api_trigger_names[trigger]);
    nb_jw_object_end(&w);
    if (*token) {
        nb_jw_key(&w, "annotations");
        nb_jw_object(&w);
        nb_jw_kv_str(&w, API_ANNOTATION_TOKEN, token);
        nb_jw_object_end(&w);
    }
    api_owner_write(API_KIND_BACKUP, b->meta.name, b->meta.uid, &w);
    nb_jw_object_end(&w);
    nb_jw_key(&w, "spec");
    nb_jw_object(&w);
    nb_jw_key(&w, "backupRef");
    nb_jw_object(&w);
    nb_jw_kv_str(&w, "name", b->meta.name);
    nb_jw_object_end(&w);
    api_write_time(&w, "scheduledTime", scheduled);
    nb_jw_kv_str(&w, "trigger", api_trigger_names[trigger]);
    nb_jw_key(&w, "template");
    nb_jw_raw(&w, b->spec.template_json, strlen(b->spec.template_json));
    nb_jw_object_end(&w);
    nb_jw_object_end(&w);
}
