#include "controller/plan/follow.h"

#include <string.h>

enum {
    PROGRESS_SECONDS = 10,     /* at most one status write for progress in this time */
    LOG_WAIT_SECONDS = 60,     /* how long a finished Job waits for its log to be read */
    STUCK_LOOK_SECONDS = 125,  /* a pod that waits is looked at again after this */
    STUCK_FAIL_SECONDS = 3600, /* and is given up after this, where a person must mend it */
    DENIED_SECONDS = 30,       /* a Job that may not be made is tried again after this */
};

/* True: nothing more comes of it. */
static bool follow_log(const struct plan_result *res, const struct api_log *log,
                       struct plan_actions *out)
{
    const struct api_pod *pod = res->pod;

    if (!pod || (!pod->running && !pod->terminated) || api_log_is_done(log, pod->meta.name))
        return true;
    plan_add(out, PLAN_FOLLOW_LOG, PLAN_OBJ_POD, pod->meta.name, pod->meta.uid);
    return false;
}

bool plan_follow_end(const struct plan_result *res, const struct api_log *log,
                     const struct plan_fact *facts, size_t fact_count, int64_t now,
                     struct plan_actions *out)
{
    const char *job = res->job->meta.name;
    int64_t wait_until = (res->completed ? res->completed : now) + LOG_WAIT_SECONDS;

    if (res->progress == PLAN_JOB_RUNNING)
        follow_log(res, log, out);
    if (res->progress != PLAN_JOB_DONE)
        return false;
    if (plan_result_lacks_pod(res)) {
        if (plan_fact_find(facts, fact_count, PLAN_OBJ_POD, job))
            return true;
        plan_add(out, PLAN_LOOK, PLAN_OBJ_POD, job, "");
        return false;
    }
    /* Artifacts and inventory are in it. */
    if (now >= wait_until || follow_log(res, log, out))
        return true;
    plan_wake(out, wait_until * 1000);
    return false;
}

bool plan_follow_gives_up(const struct plan_result *res, int64_t now, struct plan_actions *out)
{
    const struct api_meta *job = &res->job->meta;
    int64_t since = res->pod ? res->pod->meta.created : job->created;

    if (res->stuck && since && now - since >= STUCK_FAIL_SECONDS) {
        plan_add(out, PLAN_DELETE, PLAN_OBJ_JOB, job->name, job->uid);
        return true;
    }
    plan_wake(out, (since + (res->stuck ? STUCK_FAIL_SECONDS : STUCK_LOOK_SECONDS)) * 1000);
    return false;
}

/* Nothing but the time has moved. */
static bool is_same(const struct api_progress *a, const struct api_progress *b)
{
    return a->present && strcmp(a->stage, b->stage) == 0 && strcmp(a->database, b->database) == 0 &&
           a->percent == b->percent && a->nodes == b->nodes &&
           a->relationships == b->relationships && a->bytes_exported == b->bytes_exported &&
           a->bytes_uploaded == b->bytes_uploaded;
}

bool plan_follow_progress(const struct api_log *log, struct api_progress *progress, int64_t now,
                          struct plan_actions *out)
{
    int64_t due = progress->updated + PROGRESS_SECONDS;

    if (!log || !log->progress.present || log->progress.updated <= progress->updated)
        return false;
    if (log->waiting.on && is_same(progress, &log->progress))
        return false; /* no write for each try */
    if (progress->present && now < due) {
        plan_wake(out, due * 1000);
        return false;
    }
    *progress = log->progress;
    progress->updated = now;
    return true;
}

struct plan_wait plan_follow_wait(const struct plan_result *res, const struct api_log *log,
                                  struct nb_arena *a)
{
    const struct api_pod *pod = res->pod;

    /* One word for all of it: a kubelet that tries again says now one, now the other. */
    if (res->progress == PLAN_JOB_WAITING && res->stuck)
        return (struct plan_wait){
            .reason = "PodNotStarting",
            .message =
                strcmp(res->reason, "PodNotStarting") == 0
                    ? res->message
                    : api_printf(a, "%s%s%s", res->reason, *res->message ? ": " : "", res->message),
        };
    if (res->progress == PLAN_JOB_RUNNING && pod && pod->running && log && log->waiting.on &&
        (!*log->pod || strcmp(log->pod, pod->meta.name) == 0))
        return (struct plan_wait){ .reason = log->waiting.reason,
                                   .message = api_dup(a, log->waiting.message) };
    return (struct plan_wait){ .reason = NULL };
}

static const char *skip_number(const char *s)
{
    return s + strspn(s, "0123456789abcdefABCDEF-.:");
}

const char *plan_follow_words(const char *before, const char *now)
{
    const char *a = skip_number(before), *b = skip_number(now);

    while (*a && *a == *b) {
        a = skip_number(a + 1);
        b = skip_number(b + 1);
    }
    return *a || *b || !*before ? now : before;
}

bool plan_follow_refusal(const struct plan_fact *fact, const struct api_conditions *c, int64_t now,
                         struct plan_wait *ret, struct plan_actions *out)
{
    const struct api_condition *was = api_condition_get(c, API_COND_WAITING);

    *ret = (struct plan_wait){ .reason = API_REASON_JOB_REFUSED,
                               .message = api_dup(out->arena, fact->text) };
    if (fact->kind == PLAN_FACT_REFUSED)
        return true;
    ret->reason = API_REASON_JOB_DENIED;
    plan_wake(out, (now + DENIED_SECONDS) * 1000);
    if (!was || was->status != API_TRUE || strcmp(was->reason, ret->reason) != 0)
        return false;
    ret->message = plan_follow_words(was->message, ret->message);
    return now - was->transition >= STUCK_FAIL_SECONDS;
}

bool plan_follow_note(struct api_conditions *c, const struct plan_wait *wait, int64_t generation,
                      int64_t now)
{
    const struct api_condition *was = api_condition_get(c, API_COND_WAITING);
    bool news;

    if (!wait->reason) {
        if (was && was->status == API_TRUE)
            api_condition_set(c, API_COND_WAITING, API_FALSE, was->reason, was->message, generation,
                              now);
        return false;
    }
    news = !was || strcmp(was->reason, wait->reason) != 0;
    api_condition_set(c, API_COND_WAITING, API_TRUE, wait->reason, wait->message, generation, now);
    return news;
}
