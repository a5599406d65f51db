#include "controller/api/job.h"

#include "base/clock.h"

const char *const api_job_kind_names[] = { "",    "backup", "verify",  "prune",
                                           "pin", "list",   "restore", NULL };

bool api_job_parse(const struct nb_json *object, struct api_job **ret, struct nb_error *err)
{
    struct api_job *j;
    struct nb_arena *a;
    const char *label = api_label(object, API_LABEL_JOB);

    if (!*nb_json_str(nb_json_at(object, "metadata.name"), ""))
        return nb_fail(err, NB_E_INVALID, "InvalidObject", "Job without metadata.name");
    j = NB_NEW(struct api_job);
    j->arena = a = api_arena_new();
    api_meta_parse(a, object, &j->meta);
    for (int i = 1; label && api_job_kind_names[i]; i++)
        if (nb_streq(label, api_job_kind_names[i]))
            j->kind = (enum api_job_kind)i;
    j->backup = api_dup(a, api_label(object, API_LABEL_BACKUP));
    j->run = api_dup(a, api_label(object, API_LABEL_RUN));
    j->restore = api_dup(a, api_label(object, API_LABEL_RESTORE));
    j->token = api_dup(a, api_annotation(object, API_ANNOTATION_TOKEN));
    j->pin_value = api_dup(a, api_annotation(object, API_ANNOTATION_PIN_VALUE));
    if (!api_annotation(object, API_ANNOTATION_SCHEDULED_TIME) ||
        !nb_time_parse(api_annotation(object, API_ANNOTATION_SCHEDULED_TIME), &j->scheduled))
        j->scheduled = 0;
    j->active = api_i64(object, "status.active", 0, INT64_MAX, 0);
    j->succeeded = api_i64(object, "status.succeeded", 0, INT64_MAX, 0);
    j->failed = api_i64(object, "status.failed", 0, INT64_MAX, 0);
    j->started = api_time(object, "status.startTime");
    j->completed = api_time(object, "status.completionTime");
    api_conditions_parse(a, nb_json_at(object, "status.conditions"), &j->conditions);
    *ret = j;
    return true;
}

void api_job_free(struct api_job *j)
{
    if (!j)
        return;
    nb_arena_free(j->arena);
    free(j);
}

bool api_job_is_finished(const struct api_job *j)
{
    return api_condition_status(&j->conditions, "Complete") == API_TRUE ||
           api_condition_status(&j->conditions, "Failed") == API_TRUE;
}

int64_t api_job_ended(const struct api_job *j)
{
    const struct api_condition *failed = api_condition_get(&j->conditions, "Failed");

    return j->completed ? j->completed : failed ? failed->transition : 0;
}

static void parse_worker(struct nb_arena *a, const struct nb_json *status, struct api_pod *p)
{
    const struct nb_json *ended = nb_json_at(status, "state.terminated");

    p->has_worker = true;
    p->waiting_reason = api_str(a, status, "state.waiting.reason", "");
    p->waiting_message = api_str(a, status, "state.waiting.message", "");
    p->running = nb_json_type(nb_json_at(status, "state.running")) == NB_JSON_OBJECT;
    p->terminated = ended != NULL;
    p->exit_code = api_i64(ended, "exitCode", INT32_MIN, INT32_MAX, -1);
    p->signal = api_i64(ended, "signal", 0, 128, 0);
    p->started = ended ? api_time(ended, "startedAt") : api_time(status, "state.running.startedAt");
    p->finished = api_time(ended, "finishedAt");
    p->terminated_reason = api_str(a, ended, "reason", "");
    p->terminated_message = api_str(a, ended, "message", "");
}

/* A worker that waits for an init container says no more than that; this one says why (the scratch
 * Neo4j's image, and what others put into pods). */
static void parse_init(struct nb_arena *a, const struct nb_json *status, struct api_pod *p)
{
    const char *reason = api_str(a, status, "state.waiting.reason", "");
    const char *message = api_str(a, status, "state.waiting.message", "");

    if (!*reason || nb_streq(reason, "PodInitializing"))
        return;
    p->waiting_reason = reason;
    p->waiting_message = api_printf(a, "container '%s'%s%s", api_str(a, status, "name", ""),
                                    *message ? ": " : "", message);
}

bool api_pod_parse(const struct nb_json *object, struct api_pod **ret, struct nb_error *err)
{
    struct api_pod *p;
    struct nb_arena *a;

    if (!*nb_json_str(nb_json_at(object, "metadata.name"), ""))
        return nb_fail(err, NB_E_INVALID, "InvalidObject", "Pod without metadata.name");
    p = NB_NEW(struct api_pod);
    p->arena = a = api_arena_new();
    api_meta_parse(a, object, &p->meta);
    p->job = nb_streq(p->meta.owner_kind, "Job") ? p->meta.owner_name : "";
    p->phase = api_str(a, object, "status.phase", "");
    p->reason = api_str(a, object, "status.reason", "");
    p->message = api_str(a, object, "status.message", "");
    api_conditions_parse(a, nb_json_at(object, "status.conditions"), &p->conditions);
    p->waiting_reason = p->waiting_message = p->terminated_reason = p->terminated_message = "";
    p->exit_code = -1;
    for (const struct nb_json *c = nb_json_first(nb_json_at(object, "status.containerStatuses")); c;
         c = nb_json_next(c))
        if (nb_streq(nb_json_str(nb_json_get(c, "name"), ""), API_WORKER_CONTAINER))
            parse_worker(a, c, p);
    for (const struct nb_json *c =
             nb_json_first(nb_json_at(object, "status.initContainerStatuses"));
         c && !p->running && !p->terminated; c = nb_json_next(c))
        parse_init(a, c, p);
    *ret = p;
    return true;
}

void api_pod_free(struct api_pod *p)
{
    if (!p)
        return;
    nb_arena_free(p->arena);
    free(p);
}
