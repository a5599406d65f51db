#include "controller/plan/backup_priv.h"

#include <string.h>

#include "controller/plan/job.h"

/*
 * Jobs that are no runs: verify (on a schedule of its own), pin, list, and the prune that a
 * deletion asks for. Each has a name that follows from what it is for; while it is there, it is
 * looked at; once it is gone (its time to live is an hour), it is made again if it is still wanted.
 */

enum { LOOK_MS = 60000 };

struct extra {
    enum api_job_kind kind;
    const char *name;
    const char *owner_kind, *owner_name, *owner_uid;
    const char *token, *pin_value, *keys;
    int64_t scheduled;
    const struct api_template *t;
    bool prune_all;
};

enum extra_state { EXTRA_PENDING, EXTRA_DONE, EXTRA_BLOCKED };

static void create_extra(struct bk *k, const struct extra *x)
{
    nb_auto_done(nb_buf_done) struct nb_buf body = NB_BUF_INIT(8 << 20);
    struct api_job_options job = x->t->job;
    struct plan_job_spec spec = {
        .kind = x->kind,
        .name = x->name,
        .ns = k->b->meta.ns,
        .owner_kind = x->owner_kind,
        .owner_name = x->owner_name,
        .owner_uid = x->owner_uid,
        .backup = k->b->meta.name,
        .backup_uid = k->b->meta.uid,
        .run = "",
        .run_uid = "",
        .restore = "",
        .t = x->t,
        .job = &job,
        .scheduled = x->scheduled,
        .trigger = "",
        .owner = api_owner_text(k->out->arena, &x->t->storage, k->b->meta.ns, k->b->meta.name),
        .keys = x->keys,
        .token = x->token,
        .pin_value = x->pin_value,
        .prune_all = x->prune_all,
    };

    job.ttl_seconds = EXTRA_TTL_SECONDS;
    if (x->kind != API_JOB_VERIFY) {
        /* Small things that somebody waits for: no waiting for hours. */
        job.active_deadline_seconds = PRUNE_SECONDS;
        job.retry_window_seconds = job.retry_window_seconds > 300 ? 300 : job.retry_window_seconds;
    }
    plan_job_write(&spec, k->in->options, &body);
    plan_create(k->out, PLAN_OBJ_JOB, x->name, &body, PLAN_OBJ_BACKUP, &k->b->meta);
}

/* Makes it, or looks at it. DONE: *res is filled, plan_result_done() is the caller's; *ret_log may
 * be NULL. */
static enum extra_state look(struct bk *k, const struct extra *x, struct plan_result *res,
                             const struct api_log **ret_log)
{
    const struct api_job *job = bk_job(k, x->name, x->owner_uid);
    const struct plan_fact *fact = bk_fact(k, PLAN_OBJ_JOB, x->name);

    *ret_log = NULL;
    if (!job) {
        if (fact && fact->kind == PLAN_FACT_FOREIGN)
            return EXTRA_BLOCKED;
        if (fact && fact->kind == PLAN_FACT_WAIT)
            plan_wake(k->out, k->in->now_ms + WAIT_MS);
        else
            create_extra(k, x);
        return EXTRA_PENDING;
    }
    *ret_log = bk_log(k, x->name);
    plan_result_read(job, k->in->pods, k->in->pod_count, k->now, k->out->arena, res);
    return bk_follow_end(k, res, *ret_log) ? EXTRA_DONE : EXTRA_PENDING;
}

/* --- verify ---------------------------------------------------------------------------------- */

static void note_verified(struct bk *k, const struct api_job *job, const struct plan_result *res)
{
    /* The Job's own time: that of its pod is another one, and is gone with the pod. */
    int64_t ended = api_job_ended(job);

    if (ended <= k->b->status.last_verification)
        return; /* told already */
    k->status.last_verification = ended;
    if (res->result == API_RESULT_SUCCEEDED) {
        bk_condition(k, API_COND_VERIFIED, API_TRUE,
                     api_verify_level_names[k->b->spec.template_.verify_level], res->message);
        bk_event(k, false, API_EVENT_VERIFIED, "%s", res->message);
        return;
    }
    bk_condition(k, API_COND_VERIFIED, API_FALSE, res->reason, res->message);
    bk_event(k, true, API_EVENT_VERIFY_FAILED, "%s: %s", res->reason, res->message);
    bk_notify(k, API_NOTIFY_VERIFICATION_FAILED, API_EVENT_VERIFY_FAILED, "", res->message);
}

/* The newest verify Job that is there, or nothing. */
static const struct api_job *newest_verify(const struct bk *k)
{
    const struct api_job *best = NULL;

    for (size_t i = 0; i < k->in->job_count; i++) {
        const struct api_job *j = k->in->jobs[i];

        if (j->kind == API_JOB_VERIFY && strcmp(j->meta.owner_uid, k->b->meta.uid) == 0 &&
            (!best || j->scheduled > best->scheduled))
            best = j;
    }
    return best;
}

static int64_t due_verification(struct bk *k)
{
    const struct api_template *t = &k->b->spec.template_;
    struct plan_schedule_input in = {
        .schedule = t->verify_schedule,
        .time_zone = k->b->spec.time_zone,
        .dst = k->b->spec.dst,
        .deadline_seconds = -1,
        .uid = k->b->meta.uid,
        .created = k->b->meta.created,
        .last_schedule = k->status.last_verification_schedule,
        .suspend = k->b->spec.suspend,
        .now_ms = k->in->now_ms,
        .options = k->in->options,
    };
    struct plan_schedule s;

    plan_schedule(&in, &s);
    if (s.fault != PLAN_SCHEDULE_OK) {
        bk_condition(k, API_COND_VERIFIED, API_UNKNOWN,
                     s.fault == PLAN_SCHEDULE_ZONE ? API_EVENT_UNKNOWN_ZONE
                                                   : API_EVENT_INVALID_SCHEDULE,
                     api_printf(k->out->arena, "verification.schedule: %s", s.err.text));
        k->status.next_verification = 0;
        return 0;
    }
    k->status.next_verification = k->b->spec.suspend ? 0 : s.next;
    if (!k->b->spec.suspend)
        plan_wake(k->out, s.next * 1000 + 100);
    return s.due;
}

static void do_verify(struct bk *k)
{
    const struct api_template *t = &k->b->spec.template_;
    const struct api_job *newest = newest_verify(k);
    const struct api_log *log;
    struct extra x = { .kind = API_JOB_VERIFY,
                       .owner_kind = API_KIND_BACKUP,
                       .owner_name = k->b->meta.name,
                       .owner_uid = k->b->meta.uid,
                       .token = "",
                       .pin_value = "",
                       .keys = "",
                       .t = t };
    int64_t due;

    if (newest) {
        nb_auto_done(plan_result_done) struct plan_result res = { .progress = PLAN_JOB_WAITING };

        if (newest->scheduled > k->status.last_verification_schedule)
            k->status.last_verification_schedule = newest->scheduled;
        x.name = newest->meta.name;
        if (look(k, &x, &res, &log) != EXTRA_DONE)
            return;
        note_verified(k, newest, &res);
    }
    if (!*t->verify_schedule) {
        k->status.next_verification = 0;
        return;
    }
    due = due_verification(k);
    if (!due || !k->status.last_successful)
        return; /* there is nothing to verify yet */
    x.name = api_printf(k->out->arena, "%s-v%lld", k->b->meta.name, (long long)(due / 60));
    x.scheduled = due;
    if (!bk_job(k, x.name, k->b->meta.uid) && bk_fact(k, PLAN_OBJ_JOB, x.name) == NULL)
        create_extra(k, &x);
}

/* --- pin ------------------------------------------------------------------------------------- */

static void run_condition(struct bk *k, struct bk_run *r, enum api_status status,
                          const char *reason, const char *message)
{
    api_condition_set(&r->status.conditions, API_COND_PINNED, status, reason,
                      api_dup(k->out->arena, message), r->run->meta.generation, k->now);
}

static void do_pin(struct bk *k, struct bk_run *r)
{
    bool want = r->run->pin_wanted;
    const struct api_condition *c;
    const struct api_log *log;
    struct extra x = { .kind = API_JOB_PIN,
                       .owner_kind = API_KIND_BACKUP,
                       .owner_name = k->b->meta.name,
                       .owner_uid = k->b->meta.uid,
                       .token = "",
                       .pin_value = want ? "true" : "false",
                       .t = &r->run->template_ };
    nb_auto_done(plan_result_done) struct plan_result res = { .progress = PLAN_JOB_WAITING };

    if (!r->terminal || r->ended_now || r->run->meta.deleted || want == r->run->status.pinned)
        return;
    x.keys = api_run_keys(k->out->arena, r->run);
    if (!*x.keys)
        return; /* it has nothing in the bucket */
    x.name =
        bk_hash_name(k, 'n', api_printf(k->out->arena, "%s/%s", r->run->meta.uid, x.pin_value));
    if (look(k, &x, &res, &log) != EXTRA_DONE)
        return;
    c = api_condition_get(&r->run->status.conditions, API_COND_PINNED);
    if (res.result == API_RESULT_SUCCEEDED) {
        r->status.pinned = want;
        run_condition(k, r, want ? API_TRUE : API_FALSE, want ? "Pinned" : "Unpinned", "");
        bk_event(k, false, API_EVENT_PINNED, "run '%s' is %s", r->run->meta.name,
                 want ? "pinned" : "no longer pinned");
    } else if (!c || strcmp(c->reason, API_EVENT_PIN_FAILED) != 0) {
        run_condition(k, r, want ? API_FALSE : API_TRUE, API_EVENT_PIN_FAILED, res.message);
        bk_event(k, true, API_EVENT_PIN_FAILED, "run '%s': %s: %s", r->run->meta.name, res.reason,
                 res.message);
    }
    bk_patch_run(k, r);
}

/* --- list ------------------------------------------------------------------------------------ */

static void do_refresh(struct bk *k)
{
    const char *token = bk_token(k, k->b->refresh_requested);
    const struct api_log *log;
    struct extra x = { .kind = API_JOB_LIST,
                       .owner_kind = API_KIND_BACKUP,
                       .owner_name = k->b->meta.name,
                       .owner_uid = k->b->meta.uid,
                       .token = token,
                       .pin_value = "",
                       .keys = "",
                       .t = &k->b->spec.template_ };
    nb_auto_done(plan_result_done) struct plan_result res = { .progress = PLAN_JOB_WAITING };
    enum extra_state state;

    if (!*token || strcmp(token, k->status.last_handled_refresh) == 0)
        return;
    x.name = bk_hash_name(k, 'l', token);
    state = look(k, &x, &res, &log);
    if (state == EXTRA_PENDING)
        return;
    k->status.last_handled_refresh = token;
    if (state == EXTRA_BLOCKED) {
        bk_event(k, true, API_EVENT_NAME_COLLISION,
                 "Job '%s' exists and is not of this Neo4jBackup", x.name);
    } else if (res.result == API_RESULT_SUCCEEDED && log && log->has_inventory) {
        bk_inventory(k, log);
        bk_event(k, false, API_EVENT_CATALOGUE_REFRESHED, "%lld backups are in the bucket",
                 (long long)log->stored.count);
    } else {
        bk_event(k, true, API_EVENT_CATALOGUE_FAILED, "%s",
                 res.result == API_RESULT_SUCCEEDED
                     ? "the worker sent no inventory"
                     : api_printf(k->out->arena, "%s: %s", res.reason, res.message));
    }
}

void bk_extra(struct bk *k)
{
    do_verify(k);
    for (size_t i = 0; i < k->run_count; i++)
        do_pin(k, &k->runs[i]);
    do_refresh(k);
}

/* --- the finalizer --------------------------------------------------------------------------- */

static void patch_finalizers(struct bk *k, bool want)
{
    nb_auto_done(nb_buf_done) struct nb_buf body = NB_BUF_INIT(1 << 20);
    nb_auto(nb_json_free) struct nb_json *list = NULL;
    struct nb_error err = NB_ERROR_INIT;
    struct nb_jw w = NB_JW_INIT(&body);
    const char *text = *k->b->meta.finalizers_json ? k->b->meta.finalizers_json : "[]";
    struct plan_action *a;

    if (!nb_json_parse(text, strlen(text), 1 << 20, &list, &err))
        return;
    nb_jw_object(&w);
    nb_jw_key(&w, "metadata");
    nb_jw_object(&w);
    nb_jw_kv_str(&w, "resourceVersion", k->b->meta.resource_version);
    nb_jw_key(&w, "finalizers");
    nb_jw_array(&w);
    for (const struct nb_json *f = nb_json_first(list); f; f = nb_json_next(f))
        if (!nb_streq(nb_json_str(f, ""), API_FINALIZER))
            nb_jw_value(&w, f);
    if (want)
        nb_jw_str(&w, API_FINALIZER);
    nb_jw_array_end(&w);
    nb_jw_object_end(&w);
    nb_jw_object_end(&w);
    a = plan_add(k->out, PLAN_PATCH, PLAN_OBJ_BACKUP, k->b->meta.name, k->b->meta.uid);
    a->body = plan_take_text(k->out, &body);
    a->stop_on_failure = true;
}

bool bk_finalizer(struct bk *k)
{
    bool want = k->b->spec.template_.retention.delete_on_delete;

    if (want == k->b->meta.has_finalizer)
        return false;
    patch_finalizers(k, want);
    return true;
}

static void release(struct bk *k, bool warning, const char *why)
{
    bk_event(k, warning, API_EVENT_FINALIZER_RELEASED, "%s", why);
    patch_finalizers(k, false);
}

/* No backup may be written while all are removed. */
static bool stop_runs(struct bk *k)
{
    bool any = false;

    for (size_t i = 0; i < k->run_count; i++) {
        const struct bk_run *r = &k->runs[i];
        struct plan_action *a;

        if (r->terminal)
            continue;
        any = true;
        if (r->run->meta.deleted)
            continue;
        a = plan_add(k->out, PLAN_DELETE, PLAN_OBJ_RUN, r->run->meta.name, r->run->meta.uid);
        a->foreground = true;
    }
    if (any)
        plan_wake(k->out, k->in->now_ms + WAIT_MS);
    return any;
}

static const char *first_active(const struct bk *k)
{
    for (size_t i = 0; i < k->run_count; i++)
        if (!k->runs[i].terminal)
            return k->runs[i].run->meta.name;
    return "";
}

/* Whoever waits for the object to go is told what that waits for. */
static void say_deleting(struct bk *k, const char *job, const struct plan_wait *wait)
{
    const struct api_condition *was = api_condition_get(&k->b->status.conditions, API_COND_READY);
    const char *text =
        !*job ? api_printf(k->out->arena, "run '%s' is being ended first", first_active(k))
        : wait->reason
            ? api_printf(k->out->arena,
                         "Job '%s', which removes the backups from the bucket: %s: %s", job,
                         wait->reason, wait->message)
            : api_printf(k->out->arena, "Job '%s' removes the backups from the bucket", job);

    if (wait->reason && (!was || strcmp(was->message, text) != 0))
        bk_event(k, true, API_EVENT_WAITING, "%s", text);
    bk_condition(k, API_COND_READY, API_FALSE, "Deleting", text);
}

/* What the Job that empties the bucket has come to. True: it goes on. */
static bool empty_bucket(struct bk *k)
{
    const struct api_log *log;
    struct extra x = { .kind = API_JOB_PRUNE,
                       .name = bk_hash_name(k, 'p', k->b->meta.uid),
                       .owner_kind = API_KIND_BACKUP,
                       .owner_name = k->b->meta.name,
                       .owner_uid = k->b->meta.uid,
                       .token = "",
                       .pin_value = "",
                       .keys = "",
                       .t = &k->b->spec.template_,
                       .prune_all = true };
    nb_auto_done(plan_result_done) struct plan_result res = { .progress = PLAN_JOB_WAITING };
    enum extra_state state = look(k, &x, &res, &log);
    struct plan_wait wait;

    if (state == EXTRA_PENDING) {
        wait = plan_follow_wait(&res, log, k->out->arena);
        say_deleting(k, x.name, &wait);
        plan_wake(k->out, k->in->now_ms + LOOK_MS); /* a pod that does not start says nothing */
        return true;
    }
    if (state == EXTRA_BLOCKED)
        release(k, true, "a Job that is not ours is in the way: the backups stay in the bucket");
    else if (res.result == API_RESULT_SUCCEEDED)
        release(k, false,
                "the backups were removed from the bucket, but for pinned and locked ones");
    else
        release(k, true,
                api_printf(k->out->arena, "the backups could not be removed: %s: %s", res.reason,
                           res.message));
    return false;
}

bool bk_deletion(struct bk *k)
{
    const struct plan_wait none = { .reason = NULL };

    if (!k->b->meta.has_finalizer)
        return false;
    if (!k->b->spec.template_.retention.delete_on_delete) {
        patch_finalizers(k, false);
        return false;
    }
    if (k->in->namespace_terminating) {
        release(k, true, "the namespace is being deleted: the backups stay in the bucket");
        return false;
    }
    if (k->now - k->b->meta.deleted >= RELEASE_SECONDS) {
        release(k, true, "the backups could not all be removed in time: some stay in the bucket");
        return false;
    }
    plan_wake(k->out, (k->b->meta.deleted + RELEASE_SECONDS) * 1000);
    if (!stop_runs(k))
        return empty_bucket(k);
    say_deleting(k, "", &none);
    return true;
}
