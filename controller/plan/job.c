#include "controller/plan/job.h"

#include <string.h>

#include "base/clock.h"
#include "base/mem.h"

#define MOUNT_ROOT "/run/secrets/neo4j-backup/"

enum {
    SECRET_MODE = 0440,
    GRACE_SECONDS = 60, /* to abort an upload and to write the termination message */
    SCRATCH_UID = 7474, /* the user of Neo4j's own images */
};

/* A secret that is mounted; name "" means it is not. */
struct mount {
    const char *volume, *secret;
    const char *key, *file; /* one key as one file; NULL: all keys */
};
enum { MOUNTS_MAX = 6 };

struct writer {
    struct nb_jw *w;
    const struct plan_job_spec *spec;
    const struct plan_options *options;
    struct mount mounts[MOUNTS_MAX];
    size_t mount_count;
};

/* --- small parts ----------------------------------------------------------------------------- */

/* An environment entry; nothing when v is "". The kubelet would expand $(NAME), so every dollar is
 * doubled. */
static void env(struct writer *j, const char *name, const char *v)
{
    nb_auto_done(nb_buf_done) struct nb_buf text = NB_BUF_INIT(1 << 20);

    if (!*v)
        return;
    for (; *v; v++) {
        if (*v == '$')
            nb_buf_putc(&text, '$');
        nb_buf_putc(&text, *v);
    }
    nb_jw_object(j->w);
    nb_jw_kv_str(j->w, "name", name);
    nb_jw_kv_str(j->w, "value", nb_buf_cstr(&text));
    nb_jw_object_end(j->w);
}

static void env_i64(struct writer *j, const char *name, int64_t v)
{
    nb_auto_done(nb_buf_done) struct nb_buf text = NB_BUF_INIT(32);

    nb_buf_printf(&text, "%lld", (long long)v);
    env(j, name, nb_buf_cstr(&text));
}

static void env_positive(struct writer *j, const char *name, int64_t v)
{
    if (v > 0)
        env_i64(j, name, v);
}

static void env_bool(struct writer *j, const char *name, bool v)
{
    env(j, name, v ? "true" : "false");
}

static void env_time(struct writer *j, const char *name, int64_t t)
{
    char text[NB_TIME_TEXT_MAX];

    if (t != 0)
        env(j, name, nb_time_format(t, text));
}

static void env_list(struct writer *j, const char *name, const struct api_strings *list)
{
    nb_auto_done(nb_buf_done) struct nb_buf text = NB_BUF_INIT(1 << 20);

    for (size_t i = 0; i < list->count; i++)
        nb_buf_printf(&text, "%s%s", i ? "," : "", list->items[i]);
    env(j, name, nb_buf_cstr(&text));
}

static void add_mount(struct writer *j, const char *volume, const char *secret, const char *key,
                      const char *file)
{
    if (*secret && j->mount_count < MOUNTS_MAX)
        j->mounts[j->mount_count++] = (struct mount){ volume, secret, key, file };
}

/* The value of a JSON text, when it is one of that type; for hints copied from the spec. */
static void raw(struct writer *j, const char *key, const char *json)
{
    if (!*json)
        return;
    nb_jw_key(j->w, key);
    nb_jw_raw(j->w, json, strlen(json));
}

/* --- what is needed by which kind ------------------------------------------------------------ */

static bool needs_neo4j(enum api_job_kind kind)
{
    return kind == API_JOB_BACKUP || kind == API_JOB_RESTORE;
}

static enum api_verify_level level_of(const struct plan_job_spec *s)
{
    /* With a schedule of its own, verification is the verify Job's business. */
    if (s->kind == API_JOB_BACKUP && *s->t->verify_schedule)
        return API_VERIFY_CHECKSUM;
    return s->t->verify_level;
}

static const char *scratch_image(const struct writer *j)
{
    const struct plan_job_spec *s = j->spec;

    if ((s->kind != API_JOB_BACKUP && s->kind != API_JOB_VERIFY) ||
        level_of(s) != API_VERIFY_RESTORE)
        return "";
    return *s->t->verify_neo4j_image ? s->t->verify_neo4j_image : j->options->verify_neo4j_image;
}

static void collect_mounts(struct writer *j)
{
    const struct plan_job_spec *s = j->spec;
    const struct api_connection *c = s->r ? &s->r->target : &s->t->connection;

    if (needs_neo4j(s->kind)) {
        add_mount(j, "neo4j", c->auth_secret, NULL, NULL);
        add_mount(j, "neo4j-ca", c->ca_secret, c->ca_key, "ca.crt");
    }
    add_mount(j, "storage", s->t->storage.secret, NULL, NULL);
    add_mount(j, "storage-ca", s->t->storage.ca_secret, s->t->storage.ca_key, "ca.crt");
    if (s->r)
        add_mount(j, "age", s->r->identity_secret, s->r->identity_key, s->r->identity_key);
    else if (s->kind == API_JOB_BACKUP)
        add_mount(j, "signing", s->t->signing_secret, s->t->signing_key, s->t->signing_key);
    else if (s->kind == API_JOB_VERIFY)
        add_mount(j, "age", s->t->identity_secret, s->t->identity_key, s->t->identity_key);
}

/* --- the environment (docs/worker-environment.md) -------------------------------------------- */

static void env_neo4j(struct writer *j)
{
    const struct plan_job_spec *s = j->spec;
    const struct api_connection *c = s->r ? &s->r->target : &s->t->connection;

    env(j, "NEO4J_URI", c->uri);
    if (*c->auth_secret) {
        env(j, "NEO4J_AUTH_DIR", MOUNT_ROOT "neo4j");
        env(j, "NEO4J_AUTH_SECRET", c->auth_secret);
        env(j, "NEO4J_USERNAME_KEY", c->username_key);
        env(j, "NEO4J_PASSWORD_KEY", c->password_key);
        env(j, "NEO4J_BEARER_TOKEN_KEY", c->bearer_token_key);
    } else {
        env(j, "NEO4J_AUTH", "none");
    }
    env(j, "NEO4J_CA_FILE", *c->ca_secret ? MOUNT_ROOT "neo4j-ca/ca.crt" : "");
    env(j, "NEO4J_TLS_SERVER_NAME", c->tls_server_name);
}

static void env_storage(struct writer *j)
{
    const struct api_storage *s = &j->spec->t->storage;

    env(j, "R2_CREDENTIALS_DIR", *s->secret ? MOUNT_ROOT "storage" : "");
    env(j, "R2_CREDENTIALS_SECRET", s->secret);
    env(j, "R2_ACCESS_KEY_ID_KEY", s->access_key_id_key);
    env(j, "R2_SECRET_ACCESS_KEY_KEY", s->secret_access_key_key);
    env(j, "R2_SESSION_TOKEN_KEY", s->session_token_key);
    env(j, "R2_ACCOUNT_ID_KEY", s->account_id_key);
    env(j, "R2_ACCOUNT_ID", s->account_id);
    env(j, "R2_JURISDICTION", s->jurisdiction);
    env(j, "R2_ENDPOINT", s->endpoint);
    env(j, "R2_REGION", s->region);
    if (!s->is_r2)
        env_bool(j, "R2_FORCE_PATH_STYLE", s->force_path_style);
    env(j, "R2_CA_FILE", *s->ca_secret ? MOUNT_ROOT "storage-ca/ca.crt" : "");
    env_positive(j, "R2_PART_SIZE_BYTES", s->part_size_bytes);
    env(j, "R2_BUCKET_NAME", s->bucket);
    env(j, "BACKUP_PREFIX", s->prefix);
}

static void env_keep(struct writer *j, const char *name, int64_t v)
{
    if (v >= 0)
        env_i64(j, name, v);
}

static void env_owner_and_retention(struct writer *j)
{
    const struct plan_job_spec *s = j->spec;
    const struct api_retention *r = &s->t->retention;

    env(j, "BACKUP_OWNER", s->owner);
    env(j, "BACKUP_OWNER_UID", s->backup_uid);
    env_bool(j, "BACKUP_ADOPT", s->t->storage.adopt);
    if (r->days >= 0)
        env_i64(j, "BACKUP_RETENTION_DAYS", r->days);
    env_keep(j, "BACKUP_KEEP_LAST", r->last);
    env_keep(j, "BACKUP_KEEP_HOURLY", r->hourly);
    env_keep(j, "BACKUP_KEEP_DAILY", r->daily);
    env_keep(j, "BACKUP_KEEP_WEEKLY", r->weekly);
    env_keep(j, "BACKUP_KEEP_MONTHLY", r->monthly);
    env_keep(j, "BACKUP_KEEP_YEARLY", r->yearly);
    env_i64(j, "BACKUP_MINIMUM_SUCCESSFUL", r->minimum_successful);
}

/* The file is called as the key is, so that the worker can name it when it is not there. */
static void env_identity(struct writer *j, const char *secret, const char *key)
{
    nb_auto(nb_free) char *path = nb_xasprintf(MOUNT_ROOT "age/%s", key);

    if (!*secret)
        return;
    env(j, "BACKUP_AGE_IDENTITY_FILE", path);
    env(j, "BACKUP_AGE_IDENTITY_SECRET", secret);
}

static void env_signing(struct writer *j, const char *secret, const char *key)
{
    nb_auto(nb_free) char *path = nb_xasprintf(MOUNT_ROOT "signing/%s", key);

    if (!*secret)
        return;
    env(j, "BACKUP_SIGNING_KEY_FILE", path);
    env(j, "BACKUP_SIGNING_KEY_SECRET", secret);
}

static void env_verification(struct writer *j)
{
    const struct plan_job_spec *s = j->spec;

    env(j, "BACKUP_VERIFY_LEVEL", api_verify_level_names[level_of(s)]);
    env_positive(j, "BACKUP_VERIFY_TIMEOUT_SECONDS", s->t->verify_timeout_seconds);
    env(j, "BACKUP_VERIFY_NEO4J_URI", *scratch_image(j) ? "bolt://127.0.0.1:7687" : "");
    env_list(j, "BACKUP_VERIFY_KEY", &s->t->public_keys);
    if (s->kind == API_JOB_VERIFY)
        env_identity(j, s->t->identity_secret, s->t->identity_key);
}

static void env_backup(struct writer *j)
{
    const struct plan_job_spec *s = j->spec;
    const struct api_template *t = s->t;

    env_list(j, "NEO4J_DATABASES", &t->databases);
    env_list(j, "NEO4J_EXCLUDE_DATABASES", &t->exclude_databases);
    env_bool(j, "NEO4J_INCLUDE_SYSTEM", t->include_system);
    env(j, "BACKUP_RUN_ID", s->run_uid);
    env(j, "BACKUP_RUN_NAME", s->run);
    env_time(j, "BACKUP_SCHEDULED_TIME", s->scheduled);
    env(j, "BACKUP_TRIGGER", s->trigger);
    env(j, "BACKUP_DATABASE_FAILURE_POLICY", t->database_failure_policy);
    env(j, "BACKUP_ENGINE", t->engine);
    env(j, "BACKUP_CONSISTENCY", t->consistency);
    env_positive(j, "BACKUP_PARALLELISM", t->parallelism);
    env_positive(j, "BACKUP_FETCH_SIZE", t->fetch_size);
    env_positive(j, "BACKUP_STATEMENT_BATCH_SIZE", t->statement_batch_size);
    env_positive(j, "BACKUP_MAX_BYTES_PER_SECOND", t->max_bytes_per_second);
    env(j, "BACKUP_TYPE", t->type);
    env_positive(j, "BACKUP_INCREMENTAL_MAX_CHAIN", t->incremental_max_chain);
    env_bool(j, "BACKUP_COMPRESSION", t->gzip);
    if (t->gzip)
        env(j, "BACKUP_COMPRESSION_LEVEL", t->compression_level);
    env_list(j, "BACKUP_AGE_RECIPIENTS", &t->recipients);
    env_signing(j, t->signing_secret, t->signing_key);
}

/* The time names the safety backup: each try of the restore says the same one, and so finds what the
 * one before has made. */
static void env_safety(struct writer *j)
{
    const struct api_restore *r = j->spec->r;

    if (!nb_streq(r->overwrite_policy, "Wipe"))
        return;
    env(j, "RESTORE_SAFETY_BACKUP", r->safety_policy);
    env(j, "RESTORE_SAFETY_BUCKET_NAME", r->safety_bucket);
    env(j, "RESTORE_SAFETY_PREFIX", r->safety_prefix);
    env_time(j, "BACKUP_SCHEDULED_TIME", r->meta.created);
}

static void env_restore(struct writer *j)
{
    const struct api_restore *r = j->spec->r;
    nb_auto_done(nb_buf_done) struct nb_buf mapping = NB_BUF_INIT(1 << 20);

    for (size_t i = 0; i < r->mapping_count; i++)
        nb_buf_printf(&mapping, "%s%s=%s", i ? "," : "", r->mapping[i].from, r->mapping[i].to);
    env(j, "RESTORE_ID", r->meta.uid);
    env(j, "RESTORE_KEYS", j->spec->keys);
    if (!*j->spec->keys) {
        env(j, "RESTORE_OWNER", j->spec->owner);
        env_time(j, "RESTORE_BEFORE_TIME", r->before_time);
    }
    env_list(j, "RESTORE_DATABASES", &r->databases);
    env(j, "RESTORE_MAPPING", nb_buf_cstr(&mapping));
    env(j, "RESTORE_OVERWRITE_POLICY", r->overwrite_policy);
    env(j, "RESTORE_CONFIRM", r->confirm);
    env_safety(j);
    env_bool(j, "RESTORE_VERIFY", r->verify);
    if (r->allow_statements)
        env_bool(j, "RESTORE_ALLOW_STATEMENTS", true);
    env_identity(j, r->identity_secret, r->identity_key);
    env_list(j, "BACKUP_VERIFY_KEY", &r->trusted_keys);
}

static void write_env(struct writer *j)
{
    const struct plan_job_spec *s = j->spec;

    nb_jw_key(j->w, "env");
    nb_jw_array(j->w);
    env(j, "LOG_LEVEL", j->options->log_level);
    env(j, "LOG_FORMAT", "json");
    env(j, "TERMINATION_MESSAGE_FILE", "/dev/termination-log");
    if (needs_neo4j(s->kind))
        env_neo4j(j);
    env_storage(j);
    if (s->kind == API_JOB_RESTORE) {
        env_restore(j);
    } else {
        env_owner_and_retention(j);
        if (s->kind == API_JOB_BACKUP)
            env_backup(j);
        if (s->kind == API_JOB_BACKUP || s->kind == API_JOB_VERIFY)
            env_verification(j);
        env(j, "BACKUP_KEYS", s->keys);
        env(j, "BACKUP_PIN", s->kind == API_JOB_PIN ? s->pin_value : "");
        if (s->prune_all)
            env_bool(j, "PRUNE_ALL", true);
    }
    env_i64(j, "BACKUP_RETRY_WINDOW_SECONDS", s->job->retry_window_seconds);
    nb_jw_array_end(j->w);
}

/* --- the pod --------------------------------------------------------------------------------- */

static void write_container_security(struct writer *j, bool read_only)
{
    nb_jw_kv_bool(j->w, "allowPrivilegeEscalation", false);
    nb_jw_kv_bool(j->w, "readOnlyRootFilesystem", read_only);
    nb_jw_key(j->w, "capabilities");
    nb_jw_object(j->w);
    nb_jw_key(j->w, "drop");
    nb_jw_array(j->w);
    nb_jw_str(j->w, "ALL");
    nb_jw_array_end(j->w);
    nb_jw_object_end(j->w);
}

static void write_mounts(struct writer *j)
{
    nb_auto_done(nb_buf_done) struct nb_buf path = NB_BUF_INIT(256);

    nb_jw_key(j->w, "volumeMounts");
    nb_jw_array(j->w);
    for (size_t i = 0; i < j->mount_count; i++) {
        nb_buf_clear(&path);
        nb_buf_printf(&path, MOUNT_ROOT "%s", j->mounts[i].volume);
        nb_jw_object(j->w);
        nb_jw_kv_str(j->w, "name", j->mounts[i].volume);
        nb_jw_kv_str(j->w, "mountPath", nb_buf_cstr(&path));
        nb_jw_kv_bool(j->w, "readOnly", true);
        nb_jw_object_end(j->w);
    }
    nb_jw_array_end(j->w);
}

static void write_resources(struct writer *j)
{
    static const char dflt[] = "{\"requests\":{\"cpu\":\"100m\",\"memory\":\"128Mi\"}}";

    raw(j, "resources", *j->spec->job->resources ? j->spec->job->resources : dflt);
}

static void write_image(struct writer *j, const char *image)
{
    nb_jw_kv_str(j->w, "image", image);
    if (*j->options->image_pull_policy)
        nb_jw_kv_str(j->w, "imagePullPolicy", j->options->image_pull_policy);
}

static void write_worker(struct writer *j)
{
    nb_jw_key(j->w, "containers");
    nb_jw_array(j->w);
    nb_jw_object(j->w);
    nb_jw_kv_str(j->w, "name", API_WORKER_CONTAINER);
    write_image(j, j->options->worker_image);
    nb_jw_key(j->w, "args");
    nb_jw_array(j->w);
    nb_jw_str(j->w, api_job_kind_names[j->spec->kind]);
    nb_jw_array_end(j->w);
    write_env(j);
    write_resources(j);
    nb_jw_key(j->w, "securityContext");
    nb_jw_object(j->w);
    write_container_security(j, true);
    nb_jw_object_end(j->w);
    nb_jw_kv_str(j->w, "terminationMessagePath", "/dev/termination-log");
    nb_jw_kv_str(j->w, "terminationMessagePolicy", "File");
    write_mounts(j);
    nb_jw_object_end(j->w);
    nb_jw_array_end(j->w);
}

/* A Neo4j to restore into, as a sidecar that ends with the worker. It holds what the backup holds
 * and asks for no password, so it listens on the pod's loopback only. */
static void write_scratch(struct writer *j)
{
    static const char *const paths[] = { "data", "logs" };

    if (!*scratch_image(j))
        return;
    nb_jw_key(j->w, "initContainers");
    nb_jw_array(j->w);
    nb_jw_object(j->w);
    nb_jw_kv_str(j->w, "name", "scratch-neo4j");
    write_image(j, scratch_image(j));
    nb_jw_kv_str(j->w, "restartPolicy", "Always");
    nb_jw_key(j->w, "env");
    nb_jw_array(j->w);
    env(j, "NEO4J_AUTH", "none");
    env(j, "NEO4J_server_default__listen__address", "127.0.0.1");
    env(j, "NEO4J_server_http_enabled", "false");
    nb_jw_array_end(j->w);
    nb_jw_key(j->w, "securityContext");
    nb_jw_object(j->w);
    if (j->options->worker_uid >= 0) {
        nb_jw_kv_i64(j->w, "runAsUser", SCRATCH_UID);
        nb_jw_kv_i64(j->w, "runAsGroup", SCRATCH_UID);
    }
    write_container_security(j, false);
    nb_jw_object_end(j->w);
    nb_jw_key(j->w, "volumeMounts");
    nb_jw_array(j->w);
    for (size_t i = 0; i < NB_ARRAY_LEN(paths); i++) {
        nb_jw_object(j->w);
        nb_jw_kv_str(j->w, "name", "scratch");
        nb_jw_kv_str(j->w, "mountPath", i == 0 ? "/data" : "/logs");
        nb_jw_kv_str(j->w, "subPath", paths[i]);
        nb_jw_object_end(j->w);
    }
    nb_jw_array_end(j->w);
    nb_jw_object_end(j->w);
    nb_jw_array_end(j->w);
}

static void write_volumes(struct writer *j)
{
    nb_jw_key(j->w, "volumes");
    nb_jw_array(j->w);
    for (size_t i = 0; i < j->mount_count; i++) {
        const struct mount *m = &j->mounts[i];

        nb_jw_object(j->w);
        nb_jw_kv_str(j->w, "name", m->volume);
        nb_jw_key(j->w, "secret");
        nb_jw_object(j->w);
        nb_jw_kv_str(j->w, "secretName", m->secret);
        nb_jw_kv_i64(j->w, "defaultMode", SECRET_MODE);
        /* A missing Secret would leave the pod waiting without a word; the worker says what is
         * missing. */
        nb_jw_kv_bool(j->w, "optional", true);
        if (m->key) {
            nb_jw_key(j->w, "items");
            nb_jw_array(j->w);
            nb_jw_object(j->w);
            nb_jw_kv_str(j->w, "key", m->key);
            nb_jw_kv_str(j->w, "path", m->file);
            nb_jw_object_end(j->w);
            nb_jw_array_end(j->w);
        }
        nb_jw_object_end(j->w);
        nb_jw_object_end(j->w);
    }
    if (*scratch_image(j)) {
        nb_jw_object(j->w);
        nb_jw_kv_str(j->w, "name", "scratch");
        nb_jw_key(j->w, "emptyDir");
        nb_jw_object(j->w);
        nb_jw_object_end(j->w);
        nb_jw_object_end(j->w);
    }
    nb_jw_array_end(j->w);
}

static void write_pod_security(struct writer *j)
{
    int64_t id = j->options->worker_uid;

    nb_jw_key(j->w, "securityContext");
    nb_jw_object(j->w);
    nb_jw_kv_bool(j->w, "runAsNonRoot", true);
    if (id >= 0) {
        nb_jw_kv_i64(j->w, "runAsUser", id);
        nb_jw_kv_i64(j->w, "runAsGroup", id);
        nb_jw_kv_i64(j->w, "fsGroup", id);
    }
    nb_jw_key(j->w, "seccompProfile");
    nb_jw_object(j->w);
    nb_jw_kv_str(j->w, "type", "RuntimeDefault");
    nb_jw_object_end(j->w);
    nb_jw_object_end(j->w);
}

/* The spec's pull secrets and the controller's own, as one list. */
static void write_pull_secrets(struct writer *j)
{
    const char *lists[] = { j->options->image_pull_secrets, j->spec->job->image_pull_secrets };
    struct nb_error err = NB_ERROR_INIT;

    nb_jw_key(j->w, "imagePullSecrets");
    nb_jw_array(j->w);
    for (size_t i = 0; i < NB_ARRAY_LEN(lists); i++) {
        nb_auto(nb_json_free) struct nb_json *v = NULL;

        if (!*lists[i] || !nb_json_parse(lists[i], strlen(lists[i]), 1 << 20, &v, &err) ||
            nb_json_type(v) != NB_JSON_ARRAY)
            continue;
        for (const struct nb_json *c = nb_json_first(v); c; c = nb_json_next(c))
            nb_jw_value(j->w, c);
    }
    nb_jw_array_end(j->w);
}

static void write_pod_spec(struct writer *j)
{
    const struct api_job_options *o = j->spec->job;

    nb_jw_key(j->w, "spec");
    nb_jw_object(j->w);
    nb_jw_kv_str(j->w, "restartPolicy", "Never");
    nb_jw_kv_bool(j->w, "automountServiceAccountToken", false);
    nb_jw_kv_bool(j->w, "enableServiceLinks", false);
    nb_jw_kv_i64(j->w, "terminationGracePeriodSeconds", GRACE_SECONDS);
    write_pod_security(j);
    write_pull_secrets(j);
    raw(j, "nodeSelector", o->node_selector);
    raw(j, "tolerations", o->tolerations);
    raw(j, "affinity", o->affinity);
    if (*o->priority_class)
        nb_jw_kv_str(j->w, "priorityClassName", o->priority_class);
    write_scratch(j);
    write_worker(j);
    write_volumes(j);
    nb_jw_object_end(j->w);
}

/* --- labels and annotations ------------------------------------------------------------------ */

static bool is_ours(const char *key)
{
    static const char *const keys[] = { API_LABEL_NAME, API_LABEL_MANAGED_BY, API_LABEL_COMPONENT,
                                        "job-name", "controller-uid" };

    for (size_t i = 0; i < NB_ARRAY_LEN(keys); i++)
        if (nb_streq(key, keys[i]))
            return true;
    return nb_starts_with(key, API_GROUP "/") || nb_starts_with(key, "batch.kubernetes.io/");
}

static void write_foreign_strings(struct writer *j, const char *json)
{
    struct nb_error err = NB_ERROR_INIT;
    nb_auto(nb_json_free) struct nb_json *v = NULL;

    if (!*json || !nb_json_parse(json, strlen(json), 1 << 20, &v, &err) ||
        nb_json_type(v) != NB_JSON_OBJECT)
        return;
    for (const struct nb_json *c = nb_json_first(v); c; c = nb_json_next(c))
        if (!is_ours(nb_json_key(c)) && nb_json_type(c) == NB_JSON_STRING)
            nb_jw_kv_str(j->w, nb_json_key(c), nb_json_str(c, ""));
}

static void write_labels(struct writer *j, const char *foreign)
{
    const struct plan_job_spec *s = j->spec;

    nb_jw_key(j->w, "labels");
    nb_jw_object(j->w);
    nb_jw_kv_str(j->w, API_LABEL_NAME, API_VALUE_NAME);
    nb_jw_kv_str(j->w, API_LABEL_MANAGED_BY, API_VALUE_MANAGED_BY);
    nb_jw_kv_str(j->w, API_LABEL_COMPONENT, API_VALUE_COMPONENT);
    nb_jw_kv_str(j->w, API_LABEL_JOB, api_job_kind_names[s->kind]);
    api_write_text(j->w, API_LABEL_BACKUP, s->backup);
    api_write_text(j->w, API_LABEL_RUN, s->run);
    api_write_text(j->w, API_LABEL_RESTORE, s->restore);
    write_foreign_strings(j, foreign);
    nb_jw_object_end(j->w);
}

static void write_meta(struct writer *j)
{
    const struct plan_job_spec *s = j->spec;
    char text[NB_TIME_TEXT_MAX];

    nb_jw_key(j->w, "metadata");
    nb_jw_object(j->w);
    nb_jw_kv_str(j->w, "name", s->name);
    nb_jw_kv_str(j->w, "namespace", s->ns);
    write_labels(j, "");
    nb_jw_key(j->w, "annotations");
    nb_jw_object(j->w);
    if (s->scheduled)
        nb_jw_kv_str(j->w, API_ANNOTATION_SCHEDULED_TIME, nb_time_format(s->scheduled, text));
    api_write_text(j->w, API_ANNOTATION_TOKEN, s->token);
    api_write_text(j->w, API_ANNOTATION_PIN_VALUE, s->pin_value);
    nb_jw_object_end(j->w);
    api_owner_write(s->owner_kind, s->owner_name, s->owner_uid, j->w);
    nb_jw_object_end(j->w);
}

/* --- the Job --------------------------------------------------------------------------------- */

/* What a second pod would do to the target: merge once more what the first has merged. */
static bool must_not_run_twice(const struct plan_job_spec *s)
{
    return s->kind == API_JOB_RESTORE && s->r && nb_streq(s->r->overwrite_policy, "Merge");
}

/* A drained node does not count as a try. */
static void write_disruption_rule(struct writer *j)
{
    nb_jw_object(j->w);
    nb_jw_kv_str(j->w, "action", "Ignore");
    nb_jw_key(j->w, "onPodConditions");
    nb_jw_array(j->w);
    nb_jw_object(j->w);
    nb_jw_kv_str(j->w, "type", "DisruptionTarget");
    nb_jw_kv_str(j->w, "status", "True");
    nb_jw_object_end(j->w);
    nb_jw_array_end(j->w);
    nb_jw_object_end(j->w);
}

static void write_exit_rule(struct writer *j)
{
    /* What another try cannot mend; 10 and 22 too where the worker has waited already. */
    static const int codes[] = { 2, 3, 10, 11, 12, 20, 21, 22, 31, 40, 50, 51 };
    bool waited = j->spec->job->retry_window_seconds > 0;

    nb_jw_object(j->w);
    nb_jw_kv_str(j->w, "action", "FailJob");
    nb_jw_key(j->w, "onExitCodes");
    nb_jw_object(j->w);
    nb_jw_kv_str(j->w, "containerName", API_WORKER_CONTAINER);
    nb_jw_kv_str(j->w, "operator", "In");
    nb_jw_key(j->w, "values");
    nb_jw_array(j->w);
    for (size_t i = 0; i < NB_ARRAY_LEN(codes); i++)
        if (waited || (codes[i] != 10 && codes[i] != 22))
            nb_jw_i64(j->w, codes[i]);
    nb_jw_array_end(j->w);
    nb_jw_object_end(j->w);
    nb_jw_object_end(j->w);
}

static void write_failure_policy(struct writer *j)
{
    nb_jw_key(j->w, "podFailurePolicy");
    nb_jw_object(j->w);
    nb_jw_key(j->w, "rules");
    nb_jw_array(j->w);
    if (!must_not_run_twice(j->spec))
        write_disruption_rule(j);
    write_exit_rule(j);
    nb_jw_array_end(j->w);
    nb_jw_object_end(j->w);
}

static void write_spec(struct writer *j)
{
    const struct api_job_options *o = j->spec->job;

    nb_jw_key(j->w, "spec");
    nb_jw_object(j->w);
    nb_jw_kv_i64(j->w, "backoffLimit", must_not_run_twice(j->spec) ? 0 : o->backoff_limit);
    nb_jw_kv_i64(j->w, "completions", 1);
    nb_jw_kv_i64(j->w, "parallelism", 1);
    nb_jw_kv_str(j->w, "podReplacementPolicy", "Failed");
    if (o->active_deadline_seconds > 0)
        nb_jw_kv_i64(j->w, "activeDeadlineSeconds", o->active_deadline_seconds);
    nb_jw_kv_i64(j->w, "ttlSecondsAfterFinished", o->ttl_seconds);
    write_failure_policy(j);
    nb_jw_key(j->w, "template");
    nb_jw_object(j->w);
    nb_jw_key(j->w, "metadata");
    nb_jw_object(j->w);
    write_labels(j, o->pod_labels);
    nb_jw_key(j->w, "annotations");
    nb_jw_object(j->w);
    write_foreign_strings(j, o->pod_annotations);
    nb_jw_object_end(j->w);
    nb_jw_object_end(j->w);
    write_pod_spec(j);
    nb_jw_object_end(j->w);
    nb_jw_object_end(j->w);
}

void plan_job_write(const struct plan_job_spec *spec, const struct plan_options *options,
                    struct nb_buf *out)
{
    struct nb_jw w = NB_JW_INIT(out);
    struct writer j = { .w = &w, .spec = spec, .options = options };

    collect_mounts(&j);
    nb_jw_object(&w);
    nb_jw_kv_str(&w, "apiVersion", "batch/v1");
    nb_jw_kv_str(&w, "kind", "Job");
    write_meta(&j);
    write_spec(&j);
    nb_jw_object_end(&w);
}
