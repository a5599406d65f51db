#include "controller/reconcile/view.h"

#include "base/log.h"
#include "controller/reconcile/kinds.h"

static struct nb_json *parse(const struct ctl_object *o)
{
    struct nb_error err = NB_ERROR_INIT;
    struct nb_json *json = NULL;

    /* The store wrote this text itself: it parses. */
    if (!ctl_object_json(o, &json, &err))
        nb_log_error(NB_LOG_ERROR, "cached object is unreadable", &err);
    return json;
}

bool rec_view_add(struct rec_view *v, enum plan_object object, const struct nb_json *json)
{
    struct nb_error err = NB_ERROR_INIT;
    struct api_run *run;
    struct api_job *job;
    struct api_pod *pod;

    switch (object) {
    case PLAN_OBJ_RUN:
        if (!api_run_parse(json, &run, &err))
            return false;
        nb_vec_push(&v->runs, run);
        return true;
    case PLAN_OBJ_JOB:
        if (!api_job_parse(json, &job, &err))
            return false;
        nb_vec_push(&v->jobs, job);
        return true;
    case PLAN_OBJ_POD:
        if (!api_pod_parse(json, &pod, &err))
            return false;
        nb_vec_push(&v->pods, pod);
        return true;
    case PLAN_OBJ_BACKUP:
    case PLAN_OBJ_RESTORE:
        break;
    }
    return false;
}

static void add_all(struct rec_view *v, struct ctl_store *store, const char *key,
                    enum plan_object object)
{
    nb_auto_done(ctl_objects_done) struct ctl_objects found = { 0 };

    ctl_store_by_index(store, key, &found);
    for (size_t i = 0; i < found.count; i++) {
        nb_auto(nb_json_free) struct nb_json *json = parse(found.items[i]);

        if (json)
            rec_view_add(v, object, json);
    }
}

static void add_logs(struct rec_view *v, struct rec_logs *logs)
{
    if (v->jobs.count == 0)
        return;
    v->job_logs = nb_xcalloc(v->jobs.count, sizeof(v->job_logs[0]));
    for (size_t i = 0; i < v->jobs.count; i++) {
        const struct api_job *job = v->jobs.items[i];
        struct api_log *log = rec_logs_copy(logs, job->meta.ns, job->meta.name);

        if (!log)
            continue;
        nb_vec_push(&v->logs, log);
        v->job_logs[v->job_log_count++] = (struct plan_job_log){ job->meta.name, log };
    }
}

/* What the notifier has done about the object's notifications; it forgets what is not there. */
static void add_deliveries(struct rec_view *v, struct notify *notify, const char *key)
{
    if (!notify)
        return;
    notify_keep(notify, key, v->backup->meta.uid, &v->backup->status.notices);
    if (v->backup->status.notices.count == 0)
        return;
    notify_outcomes_get(notify, key, &v->outcomes);
    v->deliveries = nb_xcalloc(v->outcomes.count + 1, sizeof(v->deliveries[0]));
    for (size_t i = 0; i < v->outcomes.count; i++) {
        const struct notify_outcome *o = &v->outcomes.items[i];

        v->deliveries[v->delivery_count++] =
            (struct plan_delivery){ o->id, o->channel, o->told, o->text };
    }
}

/* The object's JSON, or NULL. */
static struct nb_json *take(struct ctl_store *store, const char *ns, const char *name)
{
    nb_auto(nb_free) char *key = ns ? nb_xasprintf("%s/%s", ns, name) : nb_xstrdup(name);
    nb_auto(ctl_object_unref) struct ctl_object *o = ctl_store_get(store, key);

    return o ? parse(o) : NULL;
}

bool rec_view_fill_backup(struct rec *rec, const char *key, struct rec_view *ret)
{
    nb_auto(nb_json_free) struct nb_json *json = take(rec->backups, NULL, key);
    struct nb_error err = NB_ERROR_INIT;

    *ret = (struct rec_view){ 0 };
    if (!json || !api_backup_parse(json, &ret->backup, &err))
        return false;
    add_all(ret, rec->runs, key, PLAN_OBJ_RUN);
    add_all(ret, rec->jobs, key, PLAN_OBJ_JOB);
    add_all(ret, rec->pods, key, PLAN_OBJ_POD);
    add_logs(ret, rec->logs);
    add_deliveries(ret, rec->notify, key);
    return true;
}

bool rec_view_fill_runs(struct rec *rec, const char *key, struct rec_view *ret)
{
    *ret = (struct rec_view){ 0 };
    add_all(ret, rec->runs, key, PLAN_OBJ_RUN);
    return ret->runs.count > 0;
}

/* What the restore reads from: as its spec says, or as it was pinned when it began. */
static void add_source(struct rec *rec, struct rec_view *v)
{
    const struct api_restore *r = v->restore;
    const char *kind = r->status.resolved_kind, *pinned = r->status.resolved_name;
    const char *run = nb_streq(kind, API_KIND_RUN) ? pinned : r->run_ref;
    const char *backup = nb_streq(kind, API_KIND_BACKUP) ? pinned : r->backup_ref;
    nb_auto(nb_json_free) struct nb_json *run_json = NULL;
    nb_auto(nb_json_free) struct nb_json *backup_json = NULL;
    struct nb_error err = NB_ERROR_INIT;

    if (run[0])
        run_json = take(rec->runs, r->meta.ns, run);
    if (backup[0])
        backup_json = take(rec->backups, r->meta.ns, backup);
    if (run_json && !api_run_parse(run_json, &v->source_run, &err))
        v->source_run = NULL;
    if (backup_json && !api_backup_parse(backup_json, &v->source_backup, &err))
        v->source_backup = NULL;
}

/* Only asked where it matters: one that has begun waits for nobody. */
static void add_others(struct rec *rec, struct rec_view *v)
{
    nb_auto_done(ctl_objects_done) struct ctl_objects found = { 0 };

    if (*v->restore->status.job || api_restore_is_terminal(v->restore))
        return;
    ctl_store_by_index(rec->restores, v->restore->meta.ns, &found);
    for (size_t i = 0; i < found.count; i++) {
        nb_auto(nb_json_free) struct nb_json *json = parse(found.items[i]);
        struct nb_error err = NB_ERROR_INIT;
        struct api_restore *other;

        if (json && api_restore_parse(json, &other, &err))
            nb_vec_push(&v->others, other);
    }
}

bool rec_view_fill_restore(struct rec *rec, const char *key, struct rec_view *ret)
{
    nb_auto(nb_json_free) struct nb_json *json =
        take(rec->restores, NULL, key + strlen(REC_RESTORE_PREFIX));
    struct nb_error err = NB_ERROR_INIT;

    *ret = (struct rec_view){ 0 };
    if (!json || !api_restore_parse(json, &ret->restore, &err))
        return false;
    add_source(rec, ret);
    add_others(rec, ret);
    add_all(ret, rec->jobs, key, PLAN_OBJ_JOB);
    add_all(ret, rec->pods, key, PLAN_OBJ_POD);
    add_logs(ret, rec->logs);
    return true;
}

bool rec_view_add_fact(struct rec_view *v, enum plan_fact_kind kind, enum plan_object object,
                       const char *name, const char *text)
{
    char *name_copy, *text_copy;

    if (v->fact_count == REC_FACTS_MAX)
        return false;
    name_copy = nb_xstrdup(name);
    text_copy = nb_xstrdup(text);
    nb_vec_push(&v->texts, name_copy);
    nb_vec_push(&v->texts, text_copy);
    v->facts[v->fact_count++] = (struct plan_fact){ kind, object, name_copy, text_copy };
    return true;
}

void rec_view_done(struct rec_view *v)
{
    for (size_t i = 0; i < v->others.count; i++)
        api_restore_free(v->others.items[i]);
    for (size_t i = 0; i < v->runs.count; i++)
        api_run_free(v->runs.items[i]);
    for (size_t i = 0; i < v->jobs.count; i++)
        api_job_free(v->jobs.items[i]);
    for (size_t i = 0; i < v->pods.count; i++)
        api_pod_free(v->pods.items[i]);
    for (size_t i = 0; i < v->logs.count; i++)
        api_log_free(v->logs.items[i]);
    for (size_t i = 0; i < v->texts.count; i++)
        free(v->texts.items[i]);
    nb_vec_done(&v->others);
    nb_vec_done(&v->runs);
    nb_vec_done(&v->jobs);
    nb_vec_done(&v->pods);
    nb_vec_done(&v->logs);
    nb_vec_done(&v->texts);
    free(v->job_logs);
    free(v->deliveries);
    notify_outcomes_done(&v->outcomes);
    api_backup_free(v->backup);
    api_backup_free(v->source_backup);
    api_run_free(v->source_run);
    api_restore_free(v->restore);
    *v = (struct rec_view){ 0 };
}
