#include "controller/plan/result.h"

#include <string.h>

/* A pod may wait this long for its node and its volumes before a person is asked to look. */
enum { STUCK_SECONDS = 120 };

struct exit_text {
    const char *reason, *text;
    int code;
    bool retriable;
};

/* docs/worker-environment.md, "Exit codes": for workers that left no message. */
static const struct exit_text exit_texts[] = {
    { "InternalError", "the worker met an internal error", 1, true },
    { "InvalidConfiguration", "the worker refused its configuration", 2, false },
    { "PartiallySucceeded", "some databases were not backed up", 3, false },
    { "Neo4jUnavailable", "Neo4j could not be reached", 10, true },
    { "Neo4jAuthFailed", "Neo4j refused the user name, password or token", 11, false },
    { "DatabaseNotFound", "a database was not found", 12, false },
    { "BucketNotFound", "the bucket was not found", 20, false },
    { "AccessDenied", "the bucket's keys were refused", 21, false },
    { "StorageUnavailable", "the bucket could not be reached", 22, true },
    { "NameConflict", "another run holds the claim", 30, true },
    { "RetentionBlocked", "retention deleted nothing", 31, false },
    { "NotClosed", "no consistent export was had", 40, true },
    { "VerificationFailed", "what was stored is not what should be", 50, false },
    { "RestoreIncomplete", "the restore failed half way; the target holds a part", 51, false },
    { "Interrupted", "the worker was told to stop", 75, true },
};

static const struct exit_text *exit_text_of(int64_t code)
{
    for (size_t i = 0; i < NB_ARRAY_LEN(exit_texts); i++)
        if (exit_texts[i].code == code)
            return &exit_texts[i];
    return NULL;
}

static const struct api_pod *newest_pod(const struct api_job *job,
                                        const struct api_pod *const *pods, size_t count)
{
    const struct api_pod *best = NULL;

    for (size_t i = 0; i < count; i++) {
        if (strcmp(pods[i]->job, job->meta.name) != 0)
            continue;
        if (*pods[i]->meta.owner_uid && *job->meta.uid &&
            strcmp(pods[i]->meta.owner_uid, job->meta.uid) != 0)
            continue; /* of an earlier Job of this name */
        /* Of one name the last is taken: a live look appends to what the store had. */
        if (!best || pods[i]->meta.created > best->meta.created ||
            (pods[i]->meta.created == best->meta.created &&
             strcmp(pods[i]->meta.name, best->meta.name) >= 0))
            best = pods[i];
    }
    return best;
}

/* --- waiting and running --------------------------------------------------------------------- */

static bool is_image_reason(const char *r)
{
    return strcmp(r, "ErrImagePull") == 0 || strcmp(r, "ImagePullBackOff") == 0 ||
           strcmp(r, "InvalidImageName") == 0 || strcmp(r, "ErrImageNeverPull") == 0 ||
           strcmp(r, "ImageInspectError") == 0;
}

static bool is_config_reason(const char *r)
{
    return strcmp(r, "CreateContainerConfigError") == 0 || strcmp(r, "CreateContainerError") == 0 ||
           strcmp(r, "RunContainerError") == 0;
}

static void read_waiting(const struct api_job *job, const struct api_pod *pod, int64_t now,
                         struct nb_arena *a, struct plan_result *ret)
{
    const struct api_condition *scheduled;
    int64_t since;

    if (!pod) {
        since = job->meta.created;
        ret->reason = "Pending";
        ret->message = "the Job has no pod yet";
        if (since && now - since > STUCK_SECONDS) {
            ret->reason = "NoPod";
            ret->message = "the Job has no pod; is a quota or a Pod Security level in its way? see "
                           "kubectl describe job";
            ret->stuck = true;
        }
        return;
    }
    scheduled = api_condition_get(&pod->conditions, "PodScheduled");
    if (scheduled && scheduled->status == API_FALSE) {
        ret->reason = *scheduled->reason ? scheduled->reason : "Unschedulable";
        ret->message = *scheduled->message ? scheduled->message : "no node takes the pod";
        ret->stuck = true;
        return;
    }
    ret->reason = *pod->waiting_reason ? pod->waiting_reason : "Pending";
    ret->message = pod->waiting_message;
    ret->stuck = is_image_reason(ret->reason) || is_config_reason(ret->reason);
    if (!ret->stuck && pod->meta.created && now - pod->meta.created > STUCK_SECONDS) {
        ret->stuck = true;
        /* No clock in it: what changes with each look is written, and looked at, for ever. */
        ret->message = api_printf(
            a, "the pod has been waiting for more than %d s (%s); see kubectl describe pod %s",
            STUCK_SECONDS, ret->reason, pod->meta.name);
        ret->reason = "PodNotStarting";
    }
}

/* --- done ------------------------------------------------------------------------------------ */

static void fail_with(struct plan_result *ret, const char *reason, bool retriable,
                      const char *message)
{
    ret->result = API_RESULT_FAILED;
    ret->reason = reason;
    ret->retriable = retriable;
    ret->message = message;
}

/* The container ended by itself: the exit code decides, the message explains. */
static void read_exit(const struct api_pod *pod, struct nb_arena *a, struct plan_result *ret)
{
    const struct api_termination *t = ret->termination;
    const struct exit_text *known = exit_text_of(pod->exit_code);
    bool agrees = t->present && (t->exit_code < 0 || t->exit_code == pod->exit_code);

    ret->exit_code = pod->exit_code;
    if (pod->exit_code == 0) {
        ret->result = API_RESULT_SUCCEEDED;
        ret->reason = "Succeeded";
        ret->message = agrees ? t->message : "the worker ended with exit code 0";
        /* Exit code 0 that comes with a report of failure is a broken worker, and no success. */
        if (agrees && t->result == API_RESULT_FAILED)
            fail_with(ret, "InternalError", true,
                      "the worker ended with exit code 0 but reported a failure");
        return;
    }
    ret->result = pod->exit_code == 3 ? API_RESULT_PARTIAL : API_RESULT_FAILED;
    ret->retriable = agrees ? t->retriable : known && known->retriable;
    ret->reason = known ? known->reason : "UnknownExitCode";
    ret->message =
        known ? known->text
              : api_printf(a, "the worker ended with exit code %lld", (long long)pod->exit_code);
    if (agrees && t->result != API_RESULT_SUCCEEDED) {
        if (strcmp(t->reason, "Unknown") != 0)
            ret->reason = t->reason;
        if (*t->message)
            ret->message = t->message;
    }
}

static void read_ended_pod(const struct api_pod *pod, struct nb_arena *a, struct plan_result *ret)
{
    const struct api_condition *disrupted = api_condition_get(&pod->conditions, "DisruptionTarget");

    if (pod->terminated && pod->exit_code == 0 && !*pod->reason) {
        read_exit(pod, a, ret);
        return;
    }
    if (strcmp(pod->reason, "Evicted") == 0 || (disrupted && disrupted->status == API_TRUE)) {
        fail_with(ret, "Evicted", true,
                  *pod->message ? pod->message : "the pod was evicted from its node");
        ret->exit_code = pod->exit_code;
    } else if (pod->terminated && strcmp(pod->terminated_reason, "OOMKilled") == 0) {
        fail_with(ret, "OOMKilled", false,
                  "the worker was killed for its use of memory; raise job.resources.limits.memory");
        ret->exit_code = pod->exit_code;
    } else if (pod->terminated && (pod->signal > 0 || pod->exit_code > 128) &&
               !ret->termination->present) {
        fail_with(ret, "Killed", true,
                  api_printf(a, "the worker was killed by signal %lld",
                             (long long)(pod->signal > 0 ? pod->signal : pod->exit_code - 128)));
        ret->exit_code = pod->exit_code;
    } else if (pod->terminated) {
        read_exit(pod, a, ret);
    } else if (is_image_reason(pod->waiting_reason)) {
        fail_with(ret, "ImagePullFailed", false,
                  *pod->waiting_message ? pod->waiting_message : pod->waiting_reason);
    } else if (is_config_reason(pod->waiting_reason)) {
        fail_with(ret, "InvalidConfiguration", false,
                  *pod->waiting_message ? pod->waiting_message : pod->waiting_reason);
    } else {
        fail_with(ret, *pod->reason ? pod->reason : "PodFailed", true,
                  *pod->message ? pod->message : "the pod ended without its worker");
    }
}

static void read_done(const struct api_job *job, const struct api_pod *pod, struct nb_arena *a,
                      struct plan_result *ret)
{
    const struct api_condition *failed = api_condition_get(&job->conditions, "Failed");
    bool complete = api_condition_status(&job->conditions, "Complete") == API_TRUE;
    const char *why = failed ? failed->reason : "";

    ret->termination =
        pod && pod->terminated
            ? api_termination_parse(pod->terminated_message, strlen(pod->terminated_message))
            : api_termination_parse("", 0);
    ret->completed = api_job_ended(job);
    if (pod && pod->finished && (!ret->completed || pod->finished < ret->completed))
        ret->completed = pod->finished;
    if (complete) {
        if (pod && pod->terminated && pod->exit_code == 0) {
            read_exit(pod, a, ret);
        } else { /* the Job says so; its pod is gone */
            ret->result = API_RESULT_SUCCEEDED;
            ret->reason = "Succeeded";
            ret->message = "the Job completed; its pod is gone, so no details are known";
        }
        return;
    }
    if (strcmp(why, "DeadlineExceeded") == 0) {
        fail_with(ret, "DeadlineExceeded", true,
                  "the Job ran longer than job.activeDeadlineSeconds");
        return;
    }
    if (!pod) {
        fail_with(ret, *why ? why : "JobFailed", true,
                  failed && *failed->message ? failed->message
                                             : "the Job failed and its pod is gone");
        return;
    }
    read_ended_pod(pod, a, ret);
    if (ret->result ==
        API_RESULT_SUCCEEDED) /* a pod that did well in a Job that failed: believe the Job */
        fail_with(ret, *why ? why : "JobFailed", true,
                  failed && *failed->message ? failed->message : "the Job failed");
}

void plan_result_read(const struct api_job *job, const struct api_pod *const *pods,
                      size_t pod_count, int64_t now, struct nb_arena *a, struct plan_result *ret)
{
    *ret = (struct plan_result){ .job = job, .reason = "", .message = "", .exit_code = -1 };
    ret->pod = newest_pod(job, pods, pod_count);
    ret->started = job->started ? job->started : job->meta.created;
    if (api_job_is_finished(job)) {
        ret->progress = PLAN_JOB_DONE;
        read_done(job, ret->pod, a, ret);
        return;
    }
    if (ret->pod && (ret->pod->running || ret->pod->terminated)) {
        ret->progress = PLAN_JOB_RUNNING;
        ret->reason = "Running";
        return;
    }
    ret->progress = PLAN_JOB_WAITING;
    read_waiting(job, ret->pod, now, a, ret);
}

bool plan_result_lacks_pod(const struct plan_result *r)
{
    return r->progress == PLAN_JOB_DONE && (!r->pod || !r->pod->terminated);
}

void plan_result_done(struct plan_result *r)
{
    api_termination_free(r->termination);
    r->termination = NULL;
}
