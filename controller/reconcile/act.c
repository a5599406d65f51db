#include "controller/reconcile/act.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "controller/reconcile/kinds.h"
#include "controller/reconcile/run_metrics.h"
#include "kube/status.h"

static struct nb_metric actions_total =
    NB_METRIC(NB_COUNTER, "neo4jbackup_controller_actions_total",
              "Actions of the controller by kind and result.", "action", "result");

enum {
    ROUNDS_MAX = 10, /* plans in a row for one key; each look-up and each collision makes one */
    UNSEEN_RETRY_MS = 1000 /* the store's change wakes us; this is for changes that never come */
};

static const struct kube_resource *resource_of(enum plan_object object)
{
    switch (object) {
    case PLAN_OBJ_BACKUP:
        return &REC_BACKUPS;
    case PLAN_OBJ_RUN:
        return &REC_RUNS;
    case PLAN_OBJ_RESTORE:
        return &REC_RESTORES;
    case PLAN_OBJ_JOB:
        return &KUBE_JOBS;
    case PLAN_OBJ_POD:
        return &KUBE_PODS;
    }
    return &KUBE_PODS;
}

static struct ctl_store *store_of(const struct rec *rec, enum plan_object object)
{
    switch (object) {
    case PLAN_OBJ_BACKUP:
        return rec->backups;
    case PLAN_OBJ_RUN:
        return rec->runs;
    case PLAN_OBJ_JOB:
        return rec->jobs;
    case PLAN_OBJ_POD:
        return rec->pods;
    case PLAN_OBJ_RESTORE:
        return rec->restores;
    }
    return NULL;
}

static void note_written(struct rec_act *act, enum plan_object object, const struct nb_json *answer)
{
    struct ctl_store *store = store_of(act->rec, object);

    if (store)
        ctl_written_note(act->rec->written, act->work->key, store,
                         nb_json_str(nb_json_at(answer, "metadata.resourceVersion"), ""),
                         nb_clock_mono_ms());
}

/* --- one action each --- */

static bool note_look(struct rec_act *act, enum plan_fact_kind kind, const struct plan_action *a,
                      struct nb_error *err)
{
    return rec_view_add_fact(act->view, kind, a->object, a->name, "") ||
           nb_fail(err, NB_E_LIMIT, "TooManyFacts", "too many look-ups in one plan");
}

/* A Job makes one pod for each of its few tries: one page holds them all. */
static bool look_pods(struct rec_act *act, const struct plan_action *a, struct nb_error *err)
{
    nb_auto(nb_free) char *selector = nb_xasprintf("batch.kubernetes.io/job-name=%s", a->name);
    const struct kube_list_opts opts = { .label_selector = selector };
    nb_auto(nb_json_free) struct nb_json *page = NULL;

    if (!kube_list_page(act->work->client, &KUBE_PODS, act->ns, &opts, act->work->cancel, &page,
                        err))
        return false;
    for (const struct nb_json *pod = nb_json_first(nb_json_at(page, "items")); pod;
         pod = nb_json_next(pod))
        rec_view_add(act->view, PLAN_OBJ_POD, pod);
    return note_look(act, PLAN_FACT_LOOKED, a, err);
}

static bool look(struct rec_act *act, const struct plan_action *a, struct nb_error *err)
{
    nb_auto(nb_json_free) struct nb_json *found = NULL;
    bool ok;

    if (a->object == PLAN_OBJ_POD)
        return look_pods(act, a, err);
    ok = kube_get(act->work->client, resource_of(a->object), act->ns, a->name, act->work->cancel,
                  &found, err);

    if (!ok && err->code != NB_E_NOT_FOUND)
        return false;
    if (!ok)
        nb_error_clear(err);
    if (ok && rec_view_add(act->view, a->object, found))
        return true;
    return note_look(act, PLAN_FACT_GONE, a, err);
}

/* The name is taken: by our own earlier self (fine), by one on its way out, or by a stranger. */
static bool adopt(struct rec_act *act, const struct plan_action *a, enum rec_outcome *ret,
                  struct nb_error *err)
{
    nb_auto(nb_json_free) struct nb_json *found = NULL;
    enum plan_fact_kind fact = PLAN_FACT_WAIT;

    nb_error_clear(err);
    if (!kube_get(act->work->client, resource_of(a->object), act->ns, a->name, act->work->cancel,
                  &found, err)) {
        /* It went between the two requests: that is being overtaken, and the name is free. */
        if (err->code == NB_E_NOT_FOUND)
            err->code = NB_E_CONFLICT;
        return false;
    }
    switch (plan_adopt(found, a->body)) {
    case PLAN_ADOPT:
        note_written(act, a->object, found);
        return true;
    case PLAN_ADOPT_WAIT:
        break;
    case PLAN_ADOPT_FOREIGN:
        fact = PLAN_FACT_FOREIGN;
        break;
    }
    *ret = REC_AGAIN;
    return rec_view_add_fact(act->view, fact, a->object, a->name, "") ||
           nb_fail(err, NB_E_LIMIT, "TooManyFacts", "too many name collisions in one plan");
}

/* The stores may be behind: of what is gone, another one of the same name too, nothing is to be made
 * again while its remains are being collected. */
static bool owner_lives(struct rec_act *act, const struct plan_action *a, struct nb_error *err)
{
    nb_auto(nb_json_free) struct nb_json *owner = NULL;

    if (!kube_get(act->work->client, resource_of(a->owner), act->ns, a->owner_name,
                  act->work->cancel, &owner, err)) {
        if (err->code == NB_E_NOT_FOUND)
            err->code = NB_E_CONFLICT;
        return false;
    }
    return nb_streq(nb_json_str(nb_json_at(owner, "metadata.uid"), ""), a->owner_uid) ||
           nb_fail(err, NB_E_CONFLICT, "OwnerGone", "%s '%s' is another one by now",
                   resource_of(a->owner)->kind, a->owner_name);
}

static bool create(struct rec_act *act, const struct plan_action *a, enum rec_outcome *ret,
                   struct nb_error *err)
{
    nb_auto(nb_json_free) struct nb_json *made = NULL;

    if (!owner_lives(act, a, err))
        return false;
    if (!kube_create(act->work->client, resource_of(a->object), act->ns, a->name,
                     nb_str_from(a->body), act->work->cancel, &made, err))
        return kube_error_is_already_exists(err) && adopt(act, a, ret, err);
    note_written(act, a->object, made);
    if (a->object == PLAN_OBJ_RUN)
        rec_run_metrics_created(act->view->backup, made, nb_clock_unix_ms());
    if (a->object == PLAN_OBJ_JOB) /* should this plan be made again */
        rec_view_add(act->view, PLAN_OBJ_JOB, made);
    nb_log(NB_LOG_INFO, "created", NB_F_STR("kind", resource_of(a->object)->kind),
           NB_F_STR("name", a->name), NB_F_END);
    return true;
}

static bool delete (struct rec_act *act, const struct plan_action *a, struct nb_error *err)
{
    if (!kube_delete(act->work->client, resource_of(a->object), act->ns, a->name,
                     a->uid[0] ? a->uid : NULL, a->foreground ? KUBE_FOREGROUND : KUBE_BACKGROUND,
                     act->work->cancel, err)) {
        if (err->code != NB_E_NOT_FOUND)
            return false;
        nb_error_clear(err);
        return true;
    }
    nb_log(NB_LOG_INFO, "deleted", NB_F_STR("kind", resource_of(a->object)->kind),
           NB_F_STR("name", a->name), NB_F_END);
    return true;
}

/* As it was when the plan was made; NULL: it is not known. */
static const struct api_run *view_run(const struct rec_act *act, const char *name)
{
    for (size_t i = 0; i < act->view->runs.count; i++) {
        const struct api_run *run = act->view->runs.items[i];

        if (nb_streq(run->meta.name, name))
            return run;
    }
    return NULL;
}

static bool patch(struct rec_act *act, const struct plan_action *a, struct nb_error *err)
{
    nb_auto(nb_json_free) struct nb_json *now = NULL;

    if (kube_patch(act->work->client, resource_of(a->object), act->ns, a->name,
                   a->kind == PLAN_PATCH_STATUS ? "status" : NULL, KUBE_PATCH_MERGE,
                   nb_str_from(a->body), act->work->cancel, &now, err)) {
        note_written(act, a->object, now);
        if (a->object == PLAN_OBJ_RUN)
            rec_run_metrics_written(view_run(act, a->name), now);
        return true;
    }
    /* Deleted since the store saw it: that is being overtaken, not a fault. */
    if (err->code == NB_E_NOT_FOUND)
        err->code = NB_E_CONFLICT;
    return false;
}

static void event(struct rec_act *act, const struct plan_action *a)
{
    const struct kube_resource *res = resource_of(a->object);
    nb_auto_done(nb_buf_done) struct nb_buf version = NB_BUF_INIT(256);
    struct ctl_reference about = {
        .kind = res->kind, .ns = act->ns, .name = a->name, .uid = a->uid
    };

    kube_api_version(res, &version);
    about.api_version = nb_buf_cstr(&version);
    ctl_recorder_event(act->rec->recorder, &about, a->event_warning, a->reason, a->text);
    nb_log(a->event_warning ? NB_LOG_WARN : NB_LOG_INFO, a->text, NB_F_STR("reason", a->reason),
           NB_F_STR("kind", res->kind), NB_F_STR("name", a->name),
           a->run[0] ? NB_F_STR("run", a->run) : NB_F_END, NB_F_END);
}

static void follow(struct rec_act *act, const struct plan_action *a)
{
    for (size_t i = 0; i < act->view->pods.count; i++) {
        const struct api_pod *pod = act->view->pods.items[i];

        if (nb_streq(pod->meta.name, a->name)) {
            rec_logs_follow(act->rec->logs, act->ns, pod->job, pod->meta.name, act->work->key);
            return;
        }
    }
}

static void tell(struct rec_act *act, const struct plan_action *a)
{
    const struct api_notice *n = a->notice;
    const struct notify_message m = { .id = n->id,
                                      .event = n->event,
                                      .reason = n->reason,
                                      .text = n->message,
                                      .run = n->run,
                                      .ns = act->ns,
                                      .name = a->name,
                                      .uid = a->uid,
                                      .channel = a->channel,
                                      .cluster = "",
                                      .time = n->time };

    if (act->rec->notify)
        notify_tell(act->rec->notify, act->work->key, &m);
}

static bool carry_out(struct rec_act *act, const struct plan_action *a, enum rec_outcome *ret,
                      struct nb_error *err)
{
    switch (a->kind) {
    case PLAN_CREATE:
        return create(act, a, ret, err);
    case PLAN_DELETE:
        return delete (act, a, err);
    case PLAN_PATCH:
    case PLAN_PATCH_STATUS:
        return patch(act, a, err);
    case PLAN_EVENT:
        event(act, a);
        return true;
    case PLAN_NOTIFY:
        tell(act, a);
        return true;
    case PLAN_FOLLOW_LOG:
        follow(act, a);
        return true;
    case PLAN_LOOK:
        return look(act, a, err);
    }
    return true;
}

static bool run_looks(struct rec_act *act, const struct plan_actions *actions,
                      enum rec_outcome *ret, struct nb_error *err)
{
    for (size_t i = 0; i < actions->count; i++) {
        if (actions->items[i].kind != PLAN_LOOK)
            continue;
        if (!look(act, &actions->items[i], err))
            return false;
        *ret = REC_AGAIN;
    }
    return true;
}

/* An admission policy or a webhook says so too with 422 or 400, and of one that is being upgraded with
 * us the old one may speak for some seconds more. */
static bool is_denied(const struct nb_error *err)
{
    return (err->code == NB_E_DENIED && !nb_streq(err->reason, "Unauthorized")) ||
           (err->code == NB_E_INVALID &&
            (strstr(err->text, "denied request") || strstr(err->text, "denied the request")));
}

/* The server's answer is about this very object: not about who asks (401), nor about the server. */
static bool note_refusal(struct rec_act *act, const struct plan_action *a, struct nb_error *err)
{
    bool denied = is_denied(err);

    if (a->kind != PLAN_CREATE || (err->code != NB_E_INVALID && !denied) ||
        !rec_view_add_fact(act->view, denied ? PLAN_FACT_DENIED : PLAN_FACT_REFUSED, a->object,
                           a->name, err->text))
        return false;
    nb_log_error(NB_LOG_WARN,
                 denied ? "not allowed by the API server" : "refused by the API server", err);
    return true;
}

static bool run_one(struct rec_act *act, const struct plan_action *a, enum rec_outcome *ret,
                    struct nb_error *err)
{
    bool done = carry_out(act, a, ret, err);

    nb_metric_add(&actions_total, 1, plan_kind_names[a->kind],
                  done ? "success" : nb_code_name(err->code));
    if (done || !note_refusal(act, a, err))
        return done;
    nb_error_clear(err);
    *ret = REC_AGAIN;
    return true;
}

/* Either the Jobs to be made, each whatever becomes of the others, or all else. */
static bool run_some(struct rec_act *act, const struct plan_actions *actions, bool jobs,
                     enum rec_outcome *ret, struct nb_error *err)
{
    bool ok = true;

    for (size_t i = 0; i < actions->count && (jobs || *ret == REC_DONE); i++) {
        const struct plan_action *a = &actions->items[i];
        struct nb_error failure = NB_ERROR_INIT;

        if ((a->kind == PLAN_CREATE && a->object == PLAN_OBJ_JOB) != jobs ||
            run_one(act, a, ret, &failure))
            continue;
        if (ok)
            *err = failure;
        ok = false;
        if (a->stop_on_failure || failure.code == NB_E_CANCELLED)
            break;
    }
    return ok;
}

bool rec_act_run(struct rec_act *act, const struct plan_actions *actions, enum rec_outcome *ret,
                 struct nb_error *err)
{
    struct nb_error other = NB_ERROR_INIT;
    bool ok;

    *ret = REC_DONE;
    if (!run_looks(act, actions, ret, err))
        return false;
    if (*ret == REC_AGAIN)
        return true;
    ok = run_some(act, actions, true, ret, err);
    if (!ok && err->code == NB_E_CANCELLED)
        return false;
    if (*ret == REC_AGAIN) {
        nb_error_clear(err); /* the next plan has that Job again, and the failure */
        return true;
    }
    if (run_some(act, actions, false, ret, ok ? err : &other))
        return ok;
    return false;
}

static bool settle_once(struct rec_act *act, rec_plan_fn *plan, enum rec_outcome *ret,
                        struct nb_error *err)
{
    nb_auto_done(plan_actions_done) struct plan_actions actions = { 0 };
    int64_t delay;

    plan_actions_init(&actions);
    plan(act->rec, act->view, &actions);
    act->work->requeue_after_ms = -1;
    if (actions.requeue_at_ms > 0) { /* whatever becomes of the actions: its time comes */
        delay = actions.requeue_at_ms - nb_clock_unix_ms();
        act->work->requeue_after_ms = delay > 0 ? delay : 0;
    }
    return rec_act_run(act, &actions, ret, err);
}

bool rec_act_settle(struct rec_act *act, rec_plan_fn *plan, struct nb_error *err)
{
    enum rec_outcome outcome = REC_AGAIN;

    for (int i = 0; i < ROUNDS_MAX && outcome == REC_AGAIN; i++)
        if (!settle_once(act, plan, &outcome, err))
            return false;
    return outcome == REC_DONE || nb_fail(err, NB_E_INTERNAL, "PlanUnsettled",
                                          "no stable plan after %d rounds", ROUNDS_MAX);
}

bool rec_act_may_begin(const struct rec *rec, struct ctl_work *work)
{
    if (ctl_written_is_seen(rec->written, work->key, nb_clock_mono_ms()))
        return true;
    work->requeue_after_ms = UNSEEN_RETRY_MS;
    return false;
}
