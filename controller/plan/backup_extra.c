#include "controller/plan/backup_priv.h"

#include <string.h>

#include "controller/plan/job.h"

/*
 * Jobs that are no runs: verify (on a schedule of its own), pin, list, and the prune that a
 * deletion asks for. Each has a name that follows from what it is for; while it is there, it is
 * looked at; once it is gone (its time to live is an hour), it is made again if it is still wanted.
 */

enum {
    LOOK_MS = 60000,
    VERIFY_SECONDS = 3600, /* a verification that may not be made is given up after this */
};

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

/* What was seen of it. */
struct seen {
    struct plan_result res;    /* of one that is there; of one that was refused, a failure */
    const struct api_log *log; /* NULL: nothing was heard */
    struct plan_wait wait;     /* of one that is pending */
};

static void seen_done(struct seen *s)
{
    plan_result_done(&s->res);
}
NB_AUTO_DONE_DEFINE(struct seen, seen_done)

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

static enum extra_state make(struct bk *k, const struct extra *x, struct seen *s)
{
    const struct plan_fact *fact = bk_fact(k, PLAN_OBJ_JOB, x->name);

    if (!fact) {
        create_extra(k, x);
        return EXTRA_PENDING;
    }
    switch (fact->kind) {
    case PLAN_FACT_FOREIGN:
        return EXTRA_BLOCKED;
    case PLAN_FACT_REFUSED:
        s->res.result = API_RESULT_FAILED;
        s->res.reason = API_REASON_JOB_REFUSED;
        s->res.message = api_dup(k->out->arena, fact->text);
        plan_wake(k->out, k->in->now_ms + REFUSED_MS);
        return EXTRA_DONE;
    case PLAN_FACT_DENIED:
        s->wait = (struct plan_wait){ API_REASON_JOB_DENIED, api_dup(k->out->arena, fact->text) };
        plan_wake(k->out, k->in->now_ms + DENIED_MS);
        return EXTRA_PENDING;
    case PLAN_FACT_WAIT:
        plan_wake(k->out, k->in->now_ms + WAIT_MS);
        return EXTRA_PENDING;
    case PLAN_FACT_GONE:
    case PLAN_FACT_LOOKED:
        break;
    }
    create_extra(k, x);
    return EXTRA_PENDING;
}

/* Makes it, or looks at it. DONE: ret->res is filled. seen_done() is the caller's. */
static enum extra_state look(struct bk *k, const struct extra *x, struct seen *ret)
{
    const struct api_job *job = bk_job(k, x->name, x->owner_uid);

    *ret = (struct seen){ .res = { .reason = "", .message = "" } };
    if (!job)
        return make(k, x, ret);
    ret->log = bk_log(k, x->name);
    plan_result_read(job, k->in->pods, k->in->pod_count, k->now, k->out->arena, &ret->res);
    if (bk_follow_end(k, &ret->res, ret->log))
        return EXTRA_DONE;
    ret->wait = plan_follow_wait(&ret->res, ret->log, k->out->arena);
    return EXTRA_PENDING;
}

/* --- verify ---------------------------------------------------------------------------------- */

static void note_unverified(struct bk *k, int64_t ended, const char *reason, const char *message)
{
    k->status.last_verification = ended;
    bk_condition(k, API_COND_VERIFIED, API_FALSE, reason, message);
    bk_event(k, true, API_EVENT_VERIFY_FAILED, "%s: %s", reason, message);
    bk_notify(k, API_NOTIFY_VERIFICATION_FAILED, API_EVENT_VERIFY_FAILED, "", message);
}

static void note_verified(struct bk *k, const struct api_job *job, const struct plan_result *res)
{
    /* The Job's own time: that of its pod is another one, and is gone with the pod. */
    int64_t ended = api_job_ended(job);

    if (ended <= k->b->status.last_verification)
        return; /* told already */
    if (res->result != API_RESULT_SUCCEEDED) {
        note_unverified(k, ended, res->reason, res->message);
        return;
    }
    k->status.last_verification = ended;
    bk_condition(k, API_COND_VERIFIED, API_TRUE,
                 api_verify_level_names[k->b->spec.template_.verify_level], res->message);
    bk_event(k, false, API_EVENT_VERIFIED, "%s", res->message);
}

/* What a verification waits for counts as none, and is told once. */
static void note_verify_wait(struct bk *k, const char *job, const struct plan_wait *wait)
{
    const struct api_condition *was =
        api_condition_get(&k->b->status.conditions, API_COND_VERIFIED);
    bool news = !was || strcmp(was->reason, wait->reason) != 0;

    bk_condition(k, API_COND_VERIFIED, API_FALSE, wait->reason,
                 news ? wait->message : plan_follow_words(was->message, wait->message));
    if (news)
        bk_event(k, true, API_EVENT_WAITING, "Job '%s', which verifies a backup: %s: %s", job,
                 wait->reason, wait->message);
}

/* One that has not ended. */
static void follow_verify(struct bk *k, const struct api_job *job, const struct seen *s)
{
    if (s->res.progress == PLAN_JOB_WAITING && !job->meta.deleted &&
        k->b->status.last_verification < job->meta.created &&
        plan_follow_gives_up(&s->res, k->now, k->out))
        note_unverified(k, k->now, s->res.reason, s->res.message);
    else if (s->wait.reason && k->b->status.last_verification < job->meta.created)
        note_verify_wait(k, job->meta.name, &s->wait);
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
        .schedule_change = k->status.verification_schedule_change,
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

/* As for the schedule of backups: an edit starts no verification. */
static void watch_verify_edits(struct bk *k)
{
    const struct api_backup_spec *s = &k->b->spec;
    const char *now = api_printf(k->out->arena, "%s|%s|%s", s->template_.verify_schedule,
                                 s->time_zone, s->dst == API_DST_CRONJOB ? "CronJob" : "RunOnce");
    const char *was = k->status.observed_verification_schedule;

    if (*was && strcmp(was, now) != 0)
        k->status.verification_schedule_change = k->now;
    k->status.observed_verification_schedule = now;
}

static void start_verify(struct bk *k, struct extra *x, int64_t due)
{
    const struct api_condition *was =
        api_condition_get(&k->b->status.conditions, API_COND_VERIFIED);
    bool waited = was && strcmp(was->reason, API_REASON_JOB_DENIED) == 0;
    struct seen s = { .wait = { .reason = NULL } };

    x->name = api_printf(k->out->arena, "%s-v%lld", k->b->meta.name, (long long)(due / 60));
    x->scheduled = due;
    if (bk_job(k, x->name, k->b->meta.uid))
        return;
    if (make(k, x, &s) == EXTRA_DONE) {
        k->status.last_verification_schedule = due;
        note_unverified(k, k->now, s.res.reason, s.res.message);
    } else if (s.wait.reason && waited && k->now - due >= VERIFY_SECONDS) {
        k->status.last_verification_schedule = due;
        note_unverified(k, k->now, s.wait.reason, s.wait.message);
    } else if (s.wait.reason) {
        note_verify_wait(k, x->name, &s.wait);
    }
}

static void do_verify(struct bk *k)
{
    const struct api_template *t = &k->b->spec.template_;
    const struct api_job *newest = newest_verify(k);
    bool pending = false;
    struct extra x = { .kind = API_JOB_VERIFY,
                       .owner_kind = API_KIND_BACKUP,
                       .owner_name = k->b->meta.name,
                       .owner_uid = k->b->meta.uid,
                       .token = "",
                       .pin_value = "",
                       .keys = "",
                       .t = t };
    int64_t due;

    watch_verify_edits(k);
    if (newest) {
        nb_auto_done(seen_done) struct seen seen = { .log = NULL };

        if (newest->scheduled > k->status.last_verification_schedule)
            k->status.last_verification_schedule = newest->scheduled;
        x.name = newest->meta.name;
        pending = look(k, &x, &seen) != EXTRA_DONE;
        if (pending)
            follow_verify(k, newest, &seen);
        else
            note_verified(k, newest, &seen.res);
    }
    if (!*t->verify_schedule) {
        k->status.next_verification = 0;
        return;
    }
    due = due_verification(k);
    if (due && !pending && k->status.last_successful) /* else there is nothing to verify yet */
        start_verify(k, &x, due);
}

/* --- pin ------------------------------------------------------------------------------------- */

static void run_condition(struct bk *k, struct bk_run *r, enum api_status status,
                          const char *reason, const char *message)
{
    api_condition_set(&r->status.conditions, API_COND_PINNED, status, reason,
                      api_dup(k->out->arena, message), r->run->meta.generation, k->now);
}

/* True: there is something new to be written. */
static bool note_pin_wait(struct bk *k, struct bk_run *r, const char *job,
                          const struct plan_wait *wait)
{
    const struct api_condition *was =
        api_condition_get(&r->run->status.conditions, API_COND_PINNED);

    if (!wait->reason || (was && strcmp(was->reason, wait->reason) == 0))
        return false;
    run_condition(k, r, r->run->pin_wanted ? API_FALSE : API_TRUE, wait->reason, wait->message);
    bk_run_event(k, r->run->meta.name, true, API_EVENT_WAITING,
                 "Job '%s', which pins run '%s': %s: %s", job, r->run->meta.name, wait->reason,
                 wait->message);
    return true;
}

static void do_pin(struct bk *k, struct bk_run *r)
{
    bool want = r->run->pin_wanted;
    const struct api_condition *c;
    struct extra x = { .kind = API_JOB_PIN,
                       .owner_kind = API_KIND_BACKUP,
                       .owner_name = k->b->meta.name,
                       .owner_uid = k->b->meta.uid,
                       .token = "",
                       .pin_value = want ? "true" : "false",
                       .t = &r->run->template_ };
    nb_auto_done(seen_done) struct seen seen = { .log = NULL };
    const struct plan_result *res = &seen.res;

    if (!r->terminal || r->ended_now || r->run->meta.deleted || want == r->run->status.pinned)
        return;
    x.keys = api_run_keys(k->out->arena, r->run);
    if (!*x.keys)
        return; /* it has nothing in the bucket */
    x.name =
        bk_hash_name(k, 'n', api_printf(k->out->arena, "%s/%s", r->run->meta.uid, x.pin_value));
    if (look(k, &x, &seen) != EXTRA_DONE) {
        if (note_pin_wait(k, r, x.name, &seen.wait))
            bk_patch_run(k, r);
        return;
    }
    c = api_condition_get(&r->run->status.conditions, API_COND_PINNED);
    if (res->result == API_RESULT_SUCCEEDED) {
        r->status.pinned = want;
        run_condition(k, r, want ? API_TRUE : API_FALSE, want ? "Pinned" : "Unpinned", "");
        bk_run_event(k, r->run->meta.name, false, API_EVENT_PINNED, "run '%s' is %s",
                     r->run->meta.name, want ? "pinned" : "no longer pinned");
    } else if (!c || strcmp(c->reason, API_EVENT_PIN_FAILED) != 0) {
        run_condition(k, r, want ? API_FALSE : API_TRUE, API_EVENT_PIN_FAILED, res->message);
        bk_run_event(k, r->run->meta.name, true, API_EVENT_PIN_FAILED, "run '%s': %s: %s",
                     r->run->meta.name, res->reason, res->message);
    }
    bk_patch_run(k, r);
}

/* --- list ------------------------------------------------------------------------------------ */

static void do_refresh(struct bk *k)
{
    const char *token = bk_token(k, k->b->refresh_requested);
    struct extra x = { .kind = API_JOB_LIST,
                       .owner_kind = API_KIND_BACKUP,
                       .owner_name = k->b->meta.name,
                       .owner_uid = k->b->meta.uid,
                       .token = token,
                       .pin_value = "",
                       .keys = "",
                       .t = &k->b->spec.template_ };
    nb_auto_done(seen_done) struct seen seen = { .log = NULL };
    const struct plan_result *res = &seen.res;
    enum extra_state state;

    if (!*token || strcmp(token, k->status.last_handled_refresh) == 0)
        return;
    x.name = bk_hash_name(k, 'l', token);
    state = look(k, &x, &seen);
    if (state == EXTRA_PENDING && !nb_streq(seen.wait.reason, API_REASON_JOB_DENIED))
        return;
    k->status.last_handled_refresh = token;
    if (state == EXTRA_BLOCKED) {
        bk_event(k, true, API_EVENT_NAME_COLLISION,
                 "Job '%s' exists and is not of this Neo4jBackup", x.name);
    } else if (state == EXTRA_PENDING) {
        /* Whoever asked is there, and can ask again: nothing is kept to be tried for ever. */
        bk_event(k, true, API_EVENT_CATALOGUE_FAILED, "%s: %s", seen.wait.reason,
                 seen.wait.message);
    } else if (res->result == API_RESULT_SUCCEEDED && seen.log && seen.log->has_inventory) {
        bk_inventory(k, seen.log);
        bk_event(k, false, API_EVENT_CATALOGUE_REFRESHED, "%lld backups are in the bucket",
                 (long long)seen.log->stored.count);
    } else {
        bk_event(k, true, API_EVENT_CATALOGUE_FAILED, "%s",
                 res->result == API_RESULT_SUCCEEDED
                     ? "the worker sent no inventory"
                     : api_printf(k->out->arena, "%s: %s", res->reason, res->message));
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

/* Whoever waits for the object to go is told what that waits for. */
static void say_deleting(struct bk *k, const char *job, const struct plan_wait *wait)
{
    const struct api_condition *was = api_condition_get(&k->b->status.conditions, API_COND_READY);
    const char *text =
        !*job ? api_printf(k->out->arena, "run '%s' is being ended first", bk_first_active(k))
        : wait->reason
            ? api_printf(k->out->arena,
                         "Job '%s', which removes the backups from the bucket: %s: %s", job,
                         wait->reason, wait->message)
            : api_printf(k->out->arena, "Job '%s' removes the backups from the bucket", job);

    if (was)
        text = plan_follow_words(was->message, text);
    if (wait->reason && (!was || strcmp(was->message, text) != 0))
        bk_event(k, true, API_EVENT_WAITING, "%s", text);
    bk_condition(k, API_COND_READY, API_FALSE, "Deleting", text);
}

/* What the Job that empties the bucket has come to. True: it goes on. */
static bool empty_bucket(struct bk *k)
{
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
    nb_auto_done(seen_done) struct seen seen = { .log = NULL };
    enum extra_state state = look(k, &x, &seen);

    if (state == EXTRA_PENDING) {
        say_deleting(k, x.name, &seen.wait);
        plan_wake(k->out, k->in->now_ms + LOOK_MS); /* a pod that does not start says nothing */
        return true;
    }
    if (state == EXTRA_BLOCKED)
        release(k, true, "a Job that is not ours is in the way: the backups stay in the bucket");
    else if (seen.res.result == API_RESULT_SUCCEEDED)
        release(k, false,
                "the backups were removed from the bucket, but for pinned and locked ones");
    else
        release(k, true,
                api_printf(k->out->arena, "the backups could not be removed: %s: %s",
                           seen.res.reason, seen.res.message));
    return false;
}

bool bk_must_release(const struct bk *k)
{
    const struct api_meta *m = &k->b->meta;

    return m->deleted && m->has_finalizer &&
           (k->in->namespace_terminating || k->now - m->deleted >= RELEASE_SECONDS);
}

/* Left alone is not held for ever: the namespace goes, or time is over. */
void bk_watch_release(struct bk *k)
{
    const struct api_meta *m = &k->b->meta;

    if (!m->deleted || !m->has_finalizer)
        return;
    plan_wake(k->out, (m->deleted + RELEASE_SECONDS) * 1000);
    plan_wake(k->out, k->in->now_ms + LOOK_MS);
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
