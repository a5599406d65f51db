#include "controller/plan/backup_priv.h"

#include <string.h>

#include "controller/plan/job.h"

/* --- the run's status ------------------------------------------------------------------------ */

static void condition(struct bk *k, struct bk_run *r, const char *type, enum api_status status,
                      const char *reason, const char *message)
{
    api_condition_set(&r->status.conditions, type, status, api_dup(k->out->arena, reason),
                      api_dup(k->out->arena, message), r->run->meta.generation, k->now);
}

void bk_patch_run(struct bk *k, struct bk_run *r)
{
    struct plan_action *a = plan_patch_run(k->out, r->run, &r->status);

    /* The backup's status must not speak of what the run's does not say yet. */
    if (a)
        a->stop_on_failure = true;
}

/* --- the end of a run ------------------------------------------------------------------------ */

static void set_failure(struct bk *k, struct bk_run *r, const char *reason, const char *message,
                        int64_t exit_code, bool retriable)
{
    const struct api_failure failure = {
        .reason = reason,
        .message = message,
        .exit_code = exit_code < 0 || exit_code > 255 ? -1 : exit_code,
        .retriable = retriable,
    };

    r->terminal = true;
    r->ended_now = true;
    plan_fail_run(k->out, r->run, &r->status, &failure, k->now);
}

static void set_times(struct bk *k, struct bk_run *r, int64_t completed)
{
    if (!r->status.started)
        r->status.started = r->run->meta.created;
    r->status.completed = completed ? completed : k->now;
    if (r->status.completed < r->status.started)
        r->status.completed = r->status.started;
    r->status.duration_seconds = r->status.completed - r->status.started;
    r->status.duration = api_duration_text(k->out->arena, r->status.duration_seconds);
}

static void set_artifacts(struct bk *k, struct bk_run *r)
{
    const struct api_termination *t = r->result.termination;
    int64_t sum = 0;

    if (r->log && r->log->artifacts.count > 0) {
        r->status.artifacts = r->log->artifacts;
    } else if (t->present && (*t->key || *t->manifest_key) && t->databases <= 1) {
        struct api_artifact *one = api_alloc(k->out->arena, sizeof(*one));

        *one = (struct api_artifact){
            .database = t->database,
            .key = t->key,
            .manifest_key = t->manifest_key,
            .sha256 = t->sha256,
            .consistency = t->consistency,
            .warnings = "",
            .size_bytes = t->size_bytes,
            .new_bytes = -1,
            .uncompressed_bytes = t->uncompressed_bytes,
            .nodes = t->nodes,
            .relationships = t->relationships,
            .indexes = t->indexes,
            .constraints = t->constraints,
        };
        r->status.artifacts = (struct api_artifacts){ .items = one, .count = 1 };
    }
    for (size_t i = 0; i < r->status.artifacts.count; i++)
        if (r->status.artifacts.items[i].size_bytes > 0)
            sum += r->status.artifacts.items[i].size_bytes;
    if (t->size_bytes >= 0)
        sum = t->size_bytes;
    if (sum > 0 || r->status.artifacts.count > 0) {
        r->status.size_bytes = sum;
        r->status.size = api_size_text(k->out->arena, sum);
    }
    r->status.manifest_key = *t->manifest_key ? t->manifest_key
                             : r->status.artifacts.count > 0
                                 ? r->status.artifacts.items[0].manifest_key
                                 : "";
    r->status.engine = *t->engine ? t->engine : r->log ? r->log->engine : "";
    r->status.server_version = *t->server_version ? t->server_version
                               : r->log           ? r->log->server_version
                                                  : "";
}

static void set_verification(struct bk *k, struct bk_run *r)
{
    const struct api_verification *v = &r->result.termination->verification;
    bool good = strcmp(v->result, "Succeeded") == 0;

    if (!v->present) {
        condition(k, r, API_COND_VERIFIED, API_UNKNOWN, "NotReported",
                  "the worker said nothing of a verification");
        return;
    }
    r->status.verification = *v;
    condition(k, r, API_COND_VERIFIED, good ? API_TRUE : API_FALSE,
              good ? v->level : "VerificationFailed", r->result.termination->verification_message);
}

static void set_expiry(struct bk_run *r)
{
    int64_t days = r->run->template_.retention.days;

    if (r->result.termination->expiry)
        r->status.expiry = r->result.termination->expiry;
    else if (days > 0)
        r->status.expiry =
            (r->run->scheduled ? r->run->scheduled : r->status.started) + days * 86400;
}

static void finish(struct bk *k, struct bk_run *r)
{
    const struct plan_result *res = &r->result;

    r->terminal = true;
    r->ended_now = true;
    r->status.result = res->result;
    set_times(k, r, res->completed);
    set_artifacts(k, r);
    set_verification(k, r);
    if (r->log && r->log->progress.present) {
        r->status.progress = r->log->progress;
        r->status.progress_text = api_progress_text(k->out->arena, &r->log->progress);
    }
    if (res->result == API_RESULT_SUCCEEDED) {
        if (r->status.progress.present)
            r->status.progress.percent = 100;
        r->status.progress_text = "100%";
        set_expiry(r);
        condition(k, r, API_COND_SUCCEEDED, API_TRUE, "Succeeded", res->message);
        condition(k, r, API_COND_PROGRESSING, API_FALSE, "Succeeded", res->message);
        return;
    }
    set_failure(k, r, res->result == API_RESULT_PARTIAL ? "PartiallySucceeded" : res->reason,
                res->message, res->exit_code, res->retriable);
}

/* --- its Job --------------------------------------------------------------------------------- */

static void create_job(struct bk *k, struct bk_run *r)
{
    nb_auto_done(nb_buf_done) struct nb_buf body = NB_BUF_INIT(8 << 20);
    const struct api_run *run = r->run;
    struct plan_job_spec spec = {
        .kind = API_JOB_BACKUP,
        .name = run->meta.name,
        .ns = run->meta.ns,
        .owner_kind = API_KIND_RUN,
        .owner_name = run->meta.name,
        .owner_uid = run->meta.uid,
        .backup = k->b->meta.name,
        .backup_uid = k->b->meta.uid,
        .run = run->meta.name,
        .run_uid = run->meta.uid,
        .restore = "",
        .t = &run->template_,
        .job = &run->template_.job,
        .scheduled = run->scheduled ? run->scheduled : run->meta.created,
        .trigger = api_trigger_names[run->trigger],
        .owner =
            api_owner_text(k->out->arena, &run->template_.storage, run->meta.ns, k->b->meta.name),
        .keys = "",
        .token = "",
        .pin_value = "",
    };

    plan_job_write(&spec, k->in->options, &body);
    plan_create(k->out, PLAN_OBJ_JOB, run->meta.name, &body, PLAN_OBJ_RUN, &run->meta);
    condition(k, r, API_COND_PROGRESSING, API_TRUE, "Starting", "the Job is being created");
}

/* The API server does not let it be made. */
static void step_refused(struct bk *k, struct bk_run *r, const struct plan_fact *fact)
{
    if (plan_follow_refusal(fact, &r->status.conditions, k->now, &r->wait, k->out)) {
        set_times(k, r, k->now);
        set_failure(k, r, r->wait.reason, r->wait.message, -1, false);
        return;
    }
    condition(k, r, API_COND_PROGRESSING, API_TRUE, r->wait.reason, r->wait.message);
}

/* No Job is known. */
static void step_without_job(struct bk *k, struct bk_run *r)
{
    const struct plan_fact *fact = bk_fact(k, PLAN_OBJ_JOB, r->run->meta.name);

    if (fact && fact->kind == PLAN_FACT_FOREIGN) {
        set_times(k, r, k->now);
        set_failure(k, r, "NameCollision",
                    api_printf(k->out->arena, "a Job '%s' that is not ours is in the way",
                               r->run->meta.name),
                    -1, false);
        bk_run_event(k, r->run->meta.name, true, API_EVENT_NAME_COLLISION,
                     "Job '%s' exists and is not of run '%s'", r->run->meta.name,
                     r->run->meta.name);
    } else if (fact && fact->kind == PLAN_FACT_WAIT) {
        plan_wake(k->out, k->in->now_ms + WAIT_MS);
    } else if (plan_fact_is_refusal(fact)) {
        step_refused(k, r, fact);
    } else if (!*r->status.job) {
        create_job(k, r);
    } else if (fact) {
        set_times(k, r, k->now);
        set_failure(k, r, "JobGone", "the Job was removed before it ended", -1, true);
    } else {
        plan_add(k->out, PLAN_LOOK, PLAN_OBJ_JOB, r->run->meta.name, "");
    }
}

static void step_waiting(struct bk *k, struct bk_run *r)
{
    const struct plan_result *res = &r->result;

    condition(k, r, API_COND_PROGRESSING, API_TRUE, res->reason, res->message);
    if (plan_follow_gives_up(res, k->now, k->out)) {
        set_times(k, r, k->now);
        set_failure(k, r, res->reason, res->message, -1, false);
    }
}

static void step_running(struct bk *k, struct bk_run *r)
{
    if (plan_follow_progress(r->log, &r->status.progress, k->now, k->out))
        r->status.progress_text = api_progress_text(k->out->arena, &r->log->progress);
    condition(k, r, API_COND_PROGRESSING, API_TRUE, r->wait.reason ? r->wait.reason : "Running",
              r->wait.reason ? r->wait.message : "");
}

static void step_with_job(struct bk *k, struct bk_run *r, const struct api_job *job)
{
    r->log = bk_log(k, job->meta.name);
    plan_result_read(job, k->in->pods, k->in->pod_count, k->now, k->out->arena, &r->result);
    r->status.job = job->meta.name;
    r->status.job_uid = job->meta.uid;
    r->status.started = r->result.started;
    r->wait = plan_follow_wait(&r->result, r->log, k->out->arena);
    if (bk_follow_end(k, &r->result, r->log))
        finish(k, r);
    else if (r->result.progress == PLAN_JOB_WAITING)
        step_waiting(k, r);
    else if (r->result.progress == PLAN_JOB_RUNNING)
        step_running(k, r);
}

/* Said in its own status, and told once. */
static void note_wait(struct bk *k, struct bk_run *r)
{
    if (r->terminal)
        r->wait = (struct plan_wait){ .reason = NULL };
    if (plan_follow_note(&r->status.conditions, &r->wait, r->run->meta.generation, k->now))
        bk_run_event(k, r->run->meta.name, true, API_EVENT_WAITING, "run '%s': %s: %s",
                     r->run->meta.name, r->wait.reason, r->wait.message);
}

/* Its end was written and the backup's status was not: what that is to tell is read again. */
static void find_again(struct bk *k, struct bk_run *r, const struct api_job *job)
{
    if (!job || !api_job_is_finished(job))
        return;
    r->log = bk_log(k, job->meta.name);
    plan_result_read(job, k->in->pods, k->in->pod_count, k->now, k->out->arena, &r->result);
    r->found = true;
    r->waits = !bk_follow_end(k, &r->result, r->log);
}

static void step(struct bk *k, struct bk_run *r)
{
    const struct api_job *job = bk_job(k, r->run->meta.name, r->run->meta.uid);

    if (r->run->meta.deleted)
        return;
    if (bk_is_news(k, r))
        find_again(k, r, job);
    if (r->terminal)
        return;
    if (api_condition_get(&r->status.conditions, API_COND_SUCCEEDED) == NULL) {
        condition(k, r, API_COND_SUCCEEDED, API_UNKNOWN, "Running", "");
        condition(k, r, API_COND_VERIFIED, API_UNKNOWN, "Running", "");
    }
    if (job)
        step_with_job(k, r, job);
    else
        step_without_job(k, r);
    note_wait(k, r);
    bk_patch_run(k, r);
}

void bk_runs(struct bk *k)
{
    for (size_t i = 0; i < k->run_count; i++) {
        step(k, &k->runs[i]);
        if (!k->runs[i].terminal)
            k->active++;
    }
}
