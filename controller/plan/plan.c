#include "controller/plan/plan.h"

#include <stdio.h>
#include <string.h>

const char *const plan_kind_names[] = { "Create", "Delete",    "Patch", "PatchStatus", "Event",
                                        "Notify", "FollowLog", "Look",  NULL };

void plan_actions_init(struct plan_actions *a)
{
    *a = (struct plan_actions){ .arena = api_arena_new() };
}

void plan_actions_done(struct plan_actions *a)
{
    nb_arena_free(a->arena);
    free(a->items);
    *a = (struct plan_actions){ .arena = NULL };
}

struct plan_action *plan_add(struct plan_actions *a, enum plan_kind kind, enum plan_object object,
                             const char *name, const char *uid)
{
    struct plan_action *p;

    if (a->count == a->cap) {
        a->cap = a->cap ? a->cap * 2 : 16;
        a->items = nb_xreallocarray(a->items, a->cap, sizeof(*a->items));
    }
    p = &a->items[a->count++];
    *p = (struct plan_action){
        .kind = kind,
        .object = object,
        .name = api_dup(a->arena, name),
        .uid = api_dup(a->arena, uid),
        .body = "",
        .owner_name = "",
        .owner_uid = "",
        .reason = "",
        .text = "",
        .run = "",
        .channel = "",
    };
    return p;
}

struct plan_action *plan_create(struct plan_actions *a, enum plan_object object, const char *name,
                                struct nb_buf *body, enum plan_object owner,
                                const struct api_meta *of)
{
    struct plan_action *p = plan_add(a, PLAN_CREATE, object, name, "");

    p->body = plan_take_text(a, body);
    p->owner = owner;
    p->owner_name = api_dup(a->arena, of->name);
    p->owner_uid = api_dup(a->arena, of->uid);
    return p;
}

void plan_wake(struct plan_actions *a, int64_t at_ms)
{
    if (at_ms > 0 && (a->requeue_at_ms == 0 || at_ms < a->requeue_at_ms))
        a->requeue_at_ms = at_ms;
}

void plan_eventv(struct plan_actions *a, enum plan_object object, const struct api_meta *about,
                 const char *run, bool warning, const char *reason, const char *fmt, va_list ap)
{
    struct plan_action *p = plan_add(a, PLAN_EVENT, object, about->name, about->uid);
    char text[1000]; /* an Event's message may have 1024 */

    vsnprintf(text, sizeof(text), fmt, ap);
    p->run = api_dup(a->arena, run);
    p->event_warning = warning;
    p->reason = reason;
    p->text = api_dup(a->arena, text);
}

void plan_event(struct plan_actions *a, enum plan_object object, const struct api_meta *about,
                const char *run, bool warning, const char *reason, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    plan_eventv(a, object, about, run, warning, reason, fmt, ap);
    va_end(ap);
}

const char *plan_take_text(struct plan_actions *a, struct nb_buf *b)
{
    const char *text = api_dup(a->arena, nb_buf_cstr(b));

    nb_buf_clear(b);
    return text;
}

struct plan_action *plan_patch_run(struct plan_actions *a, const struct api_run *run,
                                   struct api_run_status *status)
{
    nb_auto_done(nb_buf_done) struct nb_buf body = NB_BUF_INIT(8 << 20);
    struct plan_action *p;

    status->observed_generation = run->meta.generation;
    if (!api_run_status_patch(run, status, &body))
        return NULL;
    p = plan_add(a, PLAN_PATCH_STATUS, PLAN_OBJ_RUN, run->meta.name, run->meta.uid);
    p->body = plan_take_text(a, &body);
    return p;
}

void plan_fail_run(struct plan_actions *a, const struct api_run *run, struct api_run_status *status,
                   const struct api_failure *failure, int64_t now_unix_seconds)
{
    static const char *const types[] = { API_COND_SUCCEEDED, API_COND_PROGRESSING };
    struct api_failure *f = &status->failure;

    *f = *failure;
    f->present = true;
    f->reason = api_dup(a->arena, failure->reason);
    f->message = api_dup(a->arena, failure->message);
    if (status->result == API_RESULT_NONE)
        status->result = API_RESULT_FAILED;
    for (size_t i = 0; i < NB_ARRAY_LEN(types); i++)
        api_condition_set(&status->conditions, types[i], API_FALSE, f->reason, f->message,
                          run->meta.generation, now_unix_seconds);
}

enum plan_adopt plan_adopt(const struct nb_json *existing, const char *wanted_body)
{
    struct nb_error err = NB_ERROR_INIT;
    nb_auto(nb_json_free) struct nb_json *wanted = NULL;
    nb_auto(nb_arena_free) struct nb_arena *a = api_arena_new();
    struct api_meta have, want;
    const char *const labels[] = { API_LABEL_TRIGGER, API_LABEL_JOB };
    const char *const annotations[] = { API_ANNOTATION_TOKEN, API_ANNOTATION_PIN_VALUE };

    if (!nb_json_parse(wanted_body, strlen(wanted_body), 16 << 20, &wanted, &err))
        return PLAN_ADOPT_FOREIGN;
    api_meta_parse(a, existing, &have);
    api_meta_parse(a, wanted, &want);
    if (have.deleted)
        return PLAN_ADOPT_WAIT;
    /* Of one that had our owner's name before: the garbage collector will come for it. */
    if (*have.owner_uid && !nb_streq(have.owner_uid, want.owner_uid) &&
        nb_streq(have.owner_kind, want.owner_kind) && nb_streq(have.owner_name, want.owner_name))
        return PLAN_ADOPT_WAIT;
    if (!*want.owner_uid || !nb_streq(have.owner_uid, want.owner_uid))
        return PLAN_ADOPT_FOREIGN;
    for (size_t i = 0; i < NB_ARRAY_LEN(labels); i++) {
        const char *w = api_label(wanted, labels[i]);

        /* A catch-up and a scheduled run of one time are the same thing, seen at different
         * moments. */
        if (w && !nb_streq(api_label(existing, labels[i]), w) && i != 0)
            return PLAN_ADOPT_FOREIGN;
        if (i == 0 && w) {
            bool manual = nb_streq(w, "Manual"),
                 has = nb_streq(api_label(existing, labels[i]), "Manual");

            if (manual != has)
                return PLAN_ADOPT_FOREIGN;
        }
    }
    for (size_t i = 0; i < NB_ARRAY_LEN(annotations); i++) {
        const char *w = api_annotation(wanted, annotations[i]);

        if (w && !nb_streq(api_annotation(existing, annotations[i]), w))
            return PLAN_ADOPT_FOREIGN;
    }
    return PLAN_ADOPT;
}

const struct plan_fact *plan_fact_find(const struct plan_fact *facts, size_t n,
                                       enum plan_object object, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (facts[i].object == object && strcmp(facts[i].name, name) == 0)
            return &facts[i];
    return NULL;
}

bool plan_fact_is_refusal(const struct plan_fact *fact)
{
    return fact && (fact->kind == PLAN_FACT_REFUSED || fact->kind == PLAN_FACT_DENIED);
}

const struct api_log *plan_log_find(const struct plan_job_log *logs, size_t n, const char *job)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(logs[i].job, job) == 0)
            return logs[i].log;
    return NULL;
}

const struct api_job *plan_job_find(const struct api_job *const *jobs, size_t n, const char *name,
                                    const char *owner_uid)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(jobs[i]->meta.name, name) == 0 &&
            strcmp(jobs[i]->meta.owner_uid, owner_uid) == 0)
            return jobs[i];
    return NULL;
}
