#include <string.h>

#include "controller/plan/follow.h"
#include "controller/plan/job.h"
#include "controller/plan/plan.h"

enum { WAIT_MS = 5000 }; /* look again at what is being deleted */

/* A plan for one Neo4jRestore while it is made. */
struct rs {
    const struct plan_restore_input *in;
    const struct api_restore *r;
    struct plan_actions *out;
    int64_t now;
    const char *job;
    struct api_restore_status status;
    const struct api_log *log;
    struct plan_wait wait; /* reason NULL once it has ended */
};

/* Where a restore reads from. */
struct source {
    struct api_template t; /* only its storage is used */
    const char *backup, *backup_uid, *owner, *keys;
};

static void condition(struct rs *k, const char *type, enum api_status status, const char *reason,
                      const char *message)
{
    api_condition_set(&k->status.conditions, type, status, api_dup(k->out->arena, reason),
                      api_dup(k->out->arena, message), k->r->meta.generation, k->now);
}

static void event(struct rs *k, bool warning, const char *reason, const char *text)
{
    plan_event(k->out, PLAN_OBJ_RESTORE, &k->r->meta, "", warning, reason, "%s", text);
}

static void patch(struct rs *k)
{
    nb_auto_done(nb_buf_done) struct nb_buf body = NB_BUF_INIT(8 << 20);
    struct plan_action *a;

    k->status.observed_generation = k->r->meta.generation;
    if (plan_follow_note(&k->status.conditions, &k->wait, k->r->meta.generation, k->now))
        plan_event(k->out, PLAN_OBJ_RESTORE, &k->r->meta, "", true, API_EVENT_RESTORE_WAITING,
                   "%s: %s", k->wait.reason, k->wait.message);
    if (!api_restore_status_patch(k->r, &k->status, &body))
        return;
    a = plan_add(k->out, PLAN_PATCH_STATUS, PLAN_OBJ_RESTORE, k->r->meta.name, k->r->meta.uid);
    a->body = plan_take_text(k->out, &body);
}

static const struct plan_fact *fact_of(const struct rs *k, enum plan_object object,
                                       const char *name)
{
    return plan_fact_find(k->in->facts, k->in->fact_count, object, name);
}

/* --- the end --------------------------------------------------------------------------------- */

static void end(struct rs *k, enum api_result result, const char *reason, const char *message,
                int64_t exit_code, bool retriable, int64_t completed)
{
    bool good = result == API_RESULT_SUCCEEDED;

    k->status.result = result;
    k->status.completed = completed ? completed : k->now;
    if (k->status.started) {
        k->status.duration_seconds =
            k->status.completed > k->status.started ? k->status.completed - k->status.started : 0;
        k->status.duration = api_duration_text(k->out->arena, k->status.duration_seconds);
    }
    if (!good)
        k->status.failure =
            (struct api_failure){ .present = true,
                                  .reason = reason,
                                  .message = message,
                                  .exit_code = exit_code < 0 || exit_code > 255 ? -1 : exit_code,
                                  .retriable = retriable };
    condition(k, API_COND_SUCCEEDED, good ? API_TRUE : API_FALSE, reason, message);
    condition(k, API_COND_PROGRESSING, API_FALSE, reason, message);
    k->wait = (struct plan_wait){ .reason = NULL };
    event(k, !good, good ? API_EVENT_RESTORE_SUCCEEDED : API_EVENT_RESTORE_FAILED,
          api_printf(k->out->arena, "%s: %s", reason, message));
}

static bool is_noted(const struct rs *k, const char *manifest_key)
{
    for (size_t i = 0; i < k->status.safety_count; i++)
        if (strcmp(k->status.safety[i].manifest_key, manifest_key) == 0)
            return true;
    return false;
}

/* Of every try of the Job: a log has what one of them has said. */
static void take_safety(struct rs *k)
{
    size_t n = k->status.safety_count;
    struct api_safety_backup *all;

    if (k->log->safety_count == 0)
        return;
    all = api_alloc(k->out->arena, (n + k->log->safety_count) * sizeof(*all));
    if (n > 0)
        memcpy(all, k->status.safety, n * sizeof(*all));
    k->status.safety = all;
    for (size_t i = 0; i < k->log->safety_count && k->status.safety_count < API_ARTIFACTS_MAX; i++)
        if (!is_noted(k, k->log->safety[i].manifest_key))
            all[k->status.safety_count++] = k->log->safety[i];
}

static void take_log(struct rs *k)
{
    if (!k->log)
        return;
    take_safety(k);
    if (k->log->source_count > 0) {
        k->status.points = k->log->sources;
        k->status.point_count = k->log->source_count;
    }
    if (k->log->database_count > 0) {
        k->status.databases = k->log->databases;
        k->status.database_count = k->log->database_count;
    }
}

static void finish(struct rs *k, const struct plan_result *res)
{
    const struct api_verification *v = &res->termination->verification;
    bool good = res->result == API_RESULT_SUCCEEDED;

    take_log(k);
    if (k->log && k->log->progress.present)
        k->status.progress = k->log->progress;
    k->status.progress_text = good ? "100%" : api_progress_text(k->out->arena, &k->status.progress);
    if (v->present)
        condition(k, API_COND_VERIFIED, strcmp(v->result, "Succeeded") == 0 ? API_TRUE : API_FALSE,
                  v->result, res->termination->verification_message);
    else
        condition(k, API_COND_VERIFIED, API_UNKNOWN, k->r->verify ? "NotReported" : "NotAsked", "");
    end(k, res->result,
        good                                ? "Succeeded"
        : res->result == API_RESULT_PARTIAL ? "PartiallySucceeded"
                                            : res->reason,
        res->message, res->exit_code, res->retriable, res->completed);
}

/* --- the Job --------------------------------------------------------------------------------- */

static void step_waiting(struct rs *k, const struct plan_result *res)
{
    condition(k, API_COND_PROGRESSING, API_TRUE, res->reason, res->message);
    if (plan_follow_gives_up(res, k->now, k->out))
        end(k, API_RESULT_FAILED, res->reason, res->message, -1, false, k->now);
}

static void step_running(struct rs *k)
{
    if (k->log && k->log->source_count > 0 && k->status.point_count == 0)
        take_log(k); /* what was chosen is pinned as soon as it is known */
    if (k->log)
        take_safety(k); /* before a pod that dies takes its log along */
    if (plan_follow_progress(k->log, &k->status.progress, k->now, k->out)) {
        take_log(k);
        k->status.progress_text = api_progress_text(k->out->arena, &k->log->progress);
    }
    condition(k, API_COND_PROGRESSING, API_TRUE, k->wait.reason ? k->wait.reason : "Running",
              k->wait.reason ? k->wait.message : "");
}

static void step_job(struct rs *k, const struct api_job *job)
{
    nb_auto_done(plan_result_done) struct plan_result res = { .progress = PLAN_JOB_WAITING };

    k->log = plan_log_find(k->in->logs, k->in->log_count, job->meta.name);
    plan_result_read(job, k->in->pods, k->in->pod_count, k->now, k->out->arena, &res);
    if (!*k->status.job)
        event(k, false, API_EVENT_RESTORE_STARTED,
              api_printf(k->out->arena, "Job '%s'", job->meta.name));
    k->status.job = job->meta.name;
    k->status.job_uid = job->meta.uid;
    k->status.started = res.started;
    k->wait = plan_follow_wait(&res, k->log, k->out->arena);
    if (plan_follow_end(&res, k->log, k->in->facts, k->in->fact_count, k->now, k->out))
        finish(k, &res);
    else if (res.progress == PLAN_JOB_WAITING)
        step_waiting(k, &res);
    else if (res.progress == PLAN_JOB_RUNNING)
        step_running(k);
    patch(k); /* the working copy points into res */
}

/* --- the source ------------------------------------------------------------------------------ */

static void pin_run(struct rs *k, const struct api_run *run)
{
    const struct api_artifacts *list = &run->status.artifacts;

    k->status.resolved_kind = API_KIND_RUN;
    k->status.resolved_name = run->meta.name;
    k->status.points = api_alloc(k->out->arena, (list->count + 1) * sizeof(*k->status.points));
    k->status.point_count = 0;
    for (size_t i = 0; i < list->count; i++)
        k->status.points[k->status.point_count++] = (struct api_source_point){
            .database = list->items[i].database,
            .manifest_key = list->items[i].manifest_key,
            .key = list->items[i].key,
            .time = run->scheduled,
            .size_bytes = list->items[i].size_bytes,
        };
}

/* Said in its own status, and told once. */
static void wait_for(struct rs *k, const char *reason, const char *message)
{
    condition(k, API_COND_PROGRESSING, API_TRUE, reason, message);
    k->wait = (struct plan_wait){ reason, message };
}

#define HINT_NOT_FOUND                                                                             \
    "; hint: it begins when there is one; if the name is wrong, delete this Neo4jRestore and "     \
    "make "                                                                                        \
    "another"

/* Whether that one is to end before ours may begin: two at once into one server would both fail,
 * with what each has written in the other's way. Of two that could begin, the older one does. */
static bool goes_first(const struct rs *k, const struct api_restore *other)
{
    const struct api_condition *waits =
        api_condition_get(&other->status.conditions, API_COND_PROGRESSING);

    if (strcmp(other->meta.uid, k->r->meta.uid) == 0 || other->meta.deleted ||
        other->reconcile_disabled || api_restore_is_terminal(other) ||
        strcmp(other->target.uri, k->r->target.uri) != 0)
        return false;
    if (*other->status.job)
        return true;
    if (waits && (strcmp(waits->reason, "SourceNotFound") == 0 ||
                  strcmp(waits->reason, "SourceNotFinished") == 0))
        return false;
    return other->meta.created < k->r->meta.created ||
           (other->meta.created == k->r->meta.created &&
            strcmp(other->meta.name, k->r->meta.name) < 0);
}

static bool target_is_busy(struct rs *k)
{
    for (size_t i = 0; i < k->in->other_count; i++) {
        const struct api_restore *other = k->in->others[i];

        if (!goes_first(k, other))
            continue;
        wait_for(k, "TargetBusy",
                 api_printf(k->out->arena, "Neo4jRestore '%s' into '%s' has not ended yet",
                            other->meta.name, other->target.uri));
        plan_wake(k->out, k->in->now_ms + WAIT_MS);
        return true;
    }
    return false;
}

/* A run whose pod was gone before it was read has a backup that its status does not name. */
static const char *no_backup_text(struct rs *k, const struct api_run *run)
{
    if (run->status.result == API_RESULT_FAILED)
        return api_printf(k->out->arena, "run '%s' failed and left no backup", run->meta.name);
    return api_printf(k->out->arena,
                      "run '%s' succeeded, but its status does not name its backup; hint: restore "
                      "by source.backupRef '%s', or by source.storage and source.key",
                      run->meta.name, run->backup);
}

static bool source_of_run(struct rs *k, struct source *ret)
{
    const struct api_run *run = k->in->source_run;

    if (!run) {
        wait_for(k, "SourceNotFound",
                 api_printf(k->out->arena,
                            "Neo4jBackupRun '%s' does not exist (yet)" HINT_NOT_FOUND,
                            k->r->run_ref));
        return false;
    }
    if (!api_run_is_terminal(run)) {
        wait_for(k, "SourceNotFinished",
                 api_printf(k->out->arena, "run '%s' has not ended yet", run->meta.name));
        return false;
    }
    ret->t = run->template_;
    ret->backup = run->backup;
    ret->backup_uid = run->meta.owner_uid;
    ret->keys = api_run_keys(k->out->arena, run);
    if (!*ret->keys) {
        end(k, API_RESULT_FAILED, "SourceHasNoBackup", no_backup_text(k, run), -1, false, k->now);
        return false;
    }
    pin_run(k, run);
    return true;
}

static bool source_of_backup(struct rs *k, struct source *ret)
{
    const struct api_backup *b = k->in->source_backup;

    if (!b) {
        wait_for(k, "SourceNotFound",
                 api_printf(k->out->arena, "Neo4jBackup '%s' does not exist (yet)" HINT_NOT_FOUND,
                            k->r->backup_ref));
        return false;
    }
    if (!b->status.last_successful && b->status.restore_point_count == 0 &&
        b->status.active.count > 0) {
        wait_for(k, "SourceNotFinished",
                 api_printf(k->out->arena, "Neo4jBackup '%s' has no finished backup yet",
                            k->r->backup_ref));
        return false;
    }
    ret->t = b->spec.template_;
    ret->backup = b->meta.name;
    ret->backup_uid = b->meta.uid;
    ret->owner =
        api_owner_text(k->out->arena, &b->spec.template_.storage, b->meta.ns, b->meta.name);
    k->status.resolved_kind = API_KIND_BACKUP;
    k->status.resolved_name = b->meta.name;
    return true;
}

/* The API server takes times that are none ("…T00:00:00,5Z", "…+99:99"). Without the time the newest
 * backup would be restored, which is what somebody did not ask for. */
static bool before_time_is_readable(struct rs *k)
{
    if (!*k->r->before_text || k->r->before_time != 0)
        return true;
    end(k, API_RESULT_FAILED, API_EVENT_INVALID_SPEC,
        api_printf(k->out->arena,
                   "spec.source.beforeTime '%s' is no time that can be used; hint: write it as in "
                   "2026-01-31T02:00:00Z",
                   k->r->before_text),
        -1, false, k->now);
    return false;
}

static bool find_source(struct rs *k, struct source *ret)
{
    *ret = (struct source){ .backup = "", .backup_uid = "", .owner = "", .keys = "" };
    if (!before_time_is_readable(k))
        return false;
    if (*k->r->run_ref)
        return source_of_run(k, ret);
    if (*k->r->backup_ref)
        return source_of_backup(k, ret);
    /* A bucket and a key need nothing else of the cluster. */
    api_template_parse(k->out->arena, NULL, &ret->t);
    ret->t.storage = k->r->storage;
    ret->keys = k->r->key;
    return true;
}

static void create(struct rs *k)
{
    nb_auto_done(nb_buf_done) struct nb_buf body = NB_BUF_INIT(8 << 20);
    struct source source;
    struct plan_job_spec spec = {
        .kind = API_JOB_RESTORE,
        .name = k->job,
        .ns = k->r->meta.ns,
        .owner_kind = API_KIND_RESTORE,
        .owner_name = k->r->meta.name,
        .owner_uid = k->r->meta.uid,
        .run = "",
        .run_uid = "",
        .restore = k->r->meta.name,
        .job = &k->r->job,
        .trigger = "",
        .token = "",
        .pin_value = "",
        .r = k->r,
    };

    if (!find_source(k, &source) || target_is_busy(k))
        return;
    spec.t = &source.t;
    spec.backup = ""; /* so that it does not count among that Neo4jBackup's Jobs */
    spec.backup_uid = source.backup_uid;
    spec.owner = source.owner;
    spec.keys = source.keys;
    plan_job_write(&spec, k->in->options, &body);
    plan_create(k->out, PLAN_OBJ_JOB, k->job, &body, PLAN_OBJ_RESTORE, &k->r->meta);
    condition(k, API_COND_PROGRESSING, API_TRUE, "Starting", "the Job is being created");
}

/* The API server does not let it be made. */
static void step_refused(struct rs *k, const struct plan_fact *fact)
{
    struct plan_wait why;

    if (plan_follow_refusal(fact, &k->status.conditions, k->now, &why, k->out)) {
        end(k, API_RESULT_FAILED, why.reason, why.message, -1, false, k->now);
        return;
    }
    k->wait = why;
    wait_for(k, why.reason, why.message);
}

static void step_without_job(struct rs *k)
{
    const struct plan_fact *fact = fact_of(k, PLAN_OBJ_JOB, k->job);

    if (fact && fact->kind == PLAN_FACT_FOREIGN) {
        end(k, API_RESULT_FAILED, "NameCollision",
            api_printf(k->out->arena, "a Job '%s' that is not ours is in the way", k->job), -1,
            false, k->now);
    } else if (fact && fact->kind == PLAN_FACT_WAIT) {
        plan_wake(k->out, k->in->now_ms + WAIT_MS);
    } else if (plan_fact_is_refusal(fact)) {
        step_refused(k, fact);
    } else if (!*k->status.job) {
        create(k);
    } else if (fact) {
        /* Half a restore must not start anew by itself: the target may hold a part of it. */
        end(k, API_RESULT_FAILED, "JobGone", "the Job was removed before it ended", -1, false,
            k->now);
    } else {
        plan_add(k->out, PLAN_LOOK, PLAN_OBJ_JOB, k->job, "");
    }
    patch(k);
}

/* The Job was made, and the status that says of what was not written. */
static void note_source(struct rs *k)
{
    if (*k->status.resolved_kind)
        return;
    if (*k->r->run_ref && k->in->source_run) {
        pin_run(k, k->in->source_run);
    } else if (*k->r->backup_ref) {
        k->status.resolved_kind = API_KIND_BACKUP;
        k->status.resolved_name = k->r->backup_ref;
    }
}

static const char *source_text(struct rs *k)
{
    if (*k->r->run_ref)
        return k->r->run_ref;
    return *k->r->backup_ref ? k->r->backup_ref : k->r->key;
}

void plan_restore(const struct plan_restore_input *in, struct plan_actions *out)
{
    struct rs k = { .in = in,
                    .r = in->restore,
                    .out = out,
                    .now = in->now_ms / 1000,
                    .status = in->restore->status };
    const struct api_job *job;

    if (k.r->reconcile_disabled || k.r->meta.deleted || api_restore_is_terminal(k.r))
        return;
    k.job = api_printf(out->arena, "%s-r", k.r->meta.name);
    k.status.source = source_text(&k);
    k.status.target = k.r->target.uri;
    if (!api_condition_get(&k.status.conditions, API_COND_SUCCEEDED)) {
        condition(&k, API_COND_SUCCEEDED, API_UNKNOWN, "Running", "");
        condition(&k, API_COND_VERIFIED, API_UNKNOWN, "Running", "");
    }
    job = plan_job_find(in->jobs, in->job_count, k.job, k.r->meta.uid);
    if (job) {
        note_source(&k);
        step_job(&k, job);
    } else {
        step_without_job(&k);
    }
}
