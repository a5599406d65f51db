#ifndef NB_TESTS_PLAN_WORLD_H
#define NB_TESTS_PLAN_WORLD_H

/*
 * A small world for plans: objects as JSON, an API server that creates, patches (RFC 7386,
 * resourceVersion checked), deletes and collects garbage, a clock, and a kubelet that does as it is
 * told. world_settle() plans and carries out until a plan is empty, as reconcile/ does;
 * world_stop_after cuts that short after so many writes, as a crash would.
 */

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "controller/plan/plan.h"
#include "tests/unit/cmocka.h"

enum { WORLD_MAX = 400, WORLD_TEXT = 20000 };

struct world_object {
    enum plan_object kind;
    char name[80];
    char *json; /* NULL: free */
};

struct world {
    struct world_object objects[WORLD_MAX];
    size_t count;
    int64_t now_ms;
    int serial; /* resourceVersions and UIDs */
    struct cron_zone *utc, *berlin;
    struct plan_options options;
    struct plan_fact facts[20];
    size_t fact_count;
    struct {
        char job[80];
        struct api_log *log;
    } logs[100];
    size_t log_count;
    struct {
        char id[120], channel[80];
    } told[200]; /* what was given to the notifier */
    size_t told_count;
    bool nobody_tells;        /* deliveries take for ever */
    const char *tell_fault;   /* they are given up, because of this */
    const char *no_channel;   /* the one that the configuration lacks; NULL: it has all */
    char journal[WORLD_TEXT]; /* events, notifications, creations, deletions: one a line */
    const struct api_restore *other_restore; /* of the namespace, or NULL */
    int64_t requeue_at_ms;
    int writes, stop_after; /* stop_after: -1 never */
    bool namespace_terminating;
    bool pods_are_hidden; /* until a look: the store of pods is behind */
    const char *refusal;  /* what is said to each creation of a `refused`; NULL: they are made */
    enum plan_object refused;
    enum plan_fact_kind refused_as;
};

static inline const struct cron_zone *world_zone(void *ctx, const char *name, struct nb_error *err)
{
    struct world *w = ctx;

    if (strcmp(name, "Etc/UTC") == 0)
        return w->utc;
    if (strcmp(name, "Europe/Berlin") == 0)
        return w->berlin;
    nb_fail(err, NB_E_NOT_FOUND, "UnknownTimeZone", "time zone '%s' is not known", name);
    return NULL;
}

static inline bool world_channel(void *ctx, const char *name, struct nb_error *err)
{
    struct world *w = ctx;

    if (nb_streq(w->no_channel, "*"))
        return nb_fail(err, NB_E_INVALID, "InvalidConfiguration", "'c.yaml', line 1, column 1: no");
    return !nb_streq(w->no_channel, name) ||
           nb_fail(err, NB_E_NOT_FOUND, "UnknownChannel", "channel '%s' is not known", name);
}

static inline void world_init(struct world *w, const char *now)
{
    struct nb_error err = NB_ERROR_INIT;
    int64_t t;

    memset(w, 0, sizeof(*w));
    assert_true(nb_time_parse(now, &t));
    w->now_ms = t * 1000;
    w->stop_after = -1;
    w->utc = cron_zone_fixed(0);
    assert_true(cron_zone_load(NULL, "Europe/Berlin", &w->berlin, &err));
    w->options = (struct plan_options){
        .worker_image = "worker:1",
        .image_pull_policy = "",
        .image_pull_secrets = "",
        .worker_uid = 65532,
        .log_level = "info",
        .verify_neo4j_image = "",
        .size_cost_micro_usd_per_gb_month = 15000,
        .zone = world_zone,
        .zone_ctx = w,
        .channel = world_channel,
        .channel_ctx = w,
    };
}

static inline void world_done(struct world *w)
{
    for (size_t i = 0; i < w->count; i++)
        free(w->objects[i].json);
    for (size_t i = 0; i < w->log_count; i++)
        api_log_free(w->logs[i].log);
    cron_zone_free(w->utc);
    cron_zone_free(w->berlin);
}

static inline void world_note(struct world *w, const char *what, const char *name)
{
    size_t n = strlen(w->journal);

    snprintf(w->journal + n, sizeof(w->journal) - n, "%s %s\n", what, name);
}

static inline bool world_said(const struct world *w, const char *line)
{
    return strstr(w->journal, line) != NULL;
}

static inline int world_count_said(const struct world *w, const char *line)
{
    int n = 0;

    for (const char *p = w->journal; (p = strstr(p, line)); p += strlen(line))
        n++;
    return n;
}

/* --- JSON ------------------------------------------------------------------------------------ */

static inline struct nb_json *world_parse(const char *text)
{
    struct nb_error err = NB_ERROR_INIT;
    struct nb_json *v = NULL;

    if (!nb_json_parse(text, strlen(text), 16 << 20, &v, &err))
        fail_msg("%s: %s", err.text, text);
    return v;
}

static inline void world_merge_value(const struct nb_json *to, const struct nb_json *patch,
                                     struct nb_jw *w)
{
    if (nb_json_type(patch) != NB_JSON_OBJECT) {
        nb_jw_value(w, patch);
        return;
    }
    nb_jw_object(w);
    if (to && nb_json_type(to) == NB_JSON_OBJECT)
        for (const struct nb_json *c = nb_json_first(to); c; c = nb_json_next(c))
            if (!nb_json_get(patch, nb_json_key(c))) {
                nb_jw_key(w, nb_json_key(c));
                nb_jw_value(w, c);
            }
    for (const struct nb_json *c = nb_json_first(patch); c; c = nb_json_next(c)) {
        if (nb_json_type(c) == NB_JSON_NULL)
            continue;
        nb_jw_key(w, nb_json_key(c));
        world_merge_value(to && nb_json_type(to) == NB_JSON_OBJECT ? nb_json_get(to, nb_json_key(c))
                                                                   : NULL,
                          c, w);
    }
    nb_jw_object_end(w);
}

static inline char *world_merge(const char *target, const char *patch)
{
    struct nb_buf out = NB_BUF_INIT(16 << 20);
    struct nb_jw w = NB_JW_INIT(&out);
    nb_auto(nb_json_free) struct nb_json *t = world_parse(target);
    nb_auto(nb_json_free) struct nb_json *p = world_parse(patch);

    world_merge_value(t, p, &w);
    return nb_buf_take(&out);
}

/* --- objects --------------------------------------------------------------------------------- */

static inline struct world_object *world_find(struct world *w, enum plan_object kind,
                                              const char *name)
{
    for (size_t i = 0; i < w->count; i++)
        if (w->objects[i].json && w->objects[i].kind == kind &&
            strcmp(w->objects[i].name, name) == 0)
            return &w->objects[i];
    return NULL;
}

/* Patches any part, as kubectl or another controller would. */
static inline void world_patch(struct world *w, enum plan_object kind, const char *name,
                               const char *patch)
{
    struct world_object *o = world_find(w, kind, name);
    char version[100];
    char *merged;

    if (!o)
        fail_msg("no object '%s'", name);
    merged = world_merge(o->json, patch);
    snprintf(version, sizeof(version), "{\"metadata\":{\"resourceVersion\":\"%d\"}}", ++w->serial);
    free(o->json);
    o->json = world_merge(merged, version);
    free(merged);
}

static inline void world_create(struct world *w, enum plan_object kind, const char *body)
{
    nb_auto(nb_json_free) struct nb_json *v = world_parse(body);
    char text[NB_TIME_TEXT_MAX], meta[300];
    struct world_object *o = &w->objects[w->count++];

    assert_true(w->count < WORLD_MAX);
    o->kind = kind;
    snprintf(o->name, sizeof(o->name), "%s", nb_json_str(nb_json_at(v, "metadata.name"), ""));
    assert_true(strlen(o->name) <= 63);
    ++w->serial;
    snprintf(meta, sizeof(meta),
             "{\"metadata\":{\"namespace\":\"ns\",\"uid\":\"uid-%d\",\"resourceVersion\":\"%d\","
             "\"generation\":1,"
             "\"creationTimestamp\":\"%s\"}}",
             w->serial, w->serial, nb_time_format(w->now_ms / 1000, text));
    o->json = world_merge(body, meta);
}

static inline void world_delete(struct world *w, enum plan_object kind, const char *name)
{
    struct world_object *o = world_find(w, kind, name);
    char *uid;

    if (!o)
        return;
    {
        nb_auto(nb_json_free) struct nb_json *v = world_parse(o->json);

        uid = nb_xstrdup(nb_json_str(nb_json_at(v, "metadata.uid"), ""));
    }
    free(o->json);
    o->json = NULL;
    for (size_t i = 0; i < w->count; i++) {
        if (!w->objects[i].json)
            continue;
        nb_auto(nb_json_free) struct nb_json *v = world_parse(w->objects[i].json);
        const struct nb_json *owner = nb_json_first(nb_json_at(v, "metadata.ownerReferences"));

        if (owner && nb_streq(nb_json_str(nb_json_get(owner, "uid"), ""), uid))
            world_delete(w, w->objects[i].kind, w->objects[i].name);
    }
    free(uid);
}

/* A string, number or boolean of an object as text. */
static inline const char *world_get(struct world *w, enum plan_object kind, const char *name,
                                    const char *path)
{
    static char text[4][2000];
    static int turn;
    struct world_object *o = world_find(w, kind, name);
    char *out = text[turn = (turn + 1) % 4];

    if (!o)
        return "(gone)";
    nb_auto(nb_json_free) struct nb_json *v = world_parse(o->json);
    nb_auto_done(nb_buf_done) struct nb_buf b = NB_BUF_INIT(1 << 20);
    const struct nb_json *found = nb_json_at(v, path);

    if (!found)
        return "(none)";
    if (nb_json_type(found) == NB_JSON_STRING)
        nb_buf_puts(&b, nb_json_str(found, ""));
    else
        nb_json_format(found, &b);
    snprintf(out, 2000, "%s", nb_buf_cstr(&b));
    return out;
}

/* "Type=Status/Reason" of one condition. */
static inline const char *world_condition(struct world *w, enum plan_object kind, const char *name,
                                          const char *type)
{
    static char text[200];
    struct world_object *o = world_find(w, kind, name);

    if (!o)
        return "(gone)";
    nb_auto(nb_json_free) struct nb_json *v = world_parse(o->json);

    for (const struct nb_json *c = nb_json_first(nb_json_at(v, "status.conditions")); c;
         c = nb_json_next(c))
        if (nb_streq(nb_json_str(nb_json_get(c, "type"), ""), type)) {
            snprintf(text, sizeof(text), "%s/%s", nb_json_str(nb_json_get(c, "status"), ""),
                     nb_json_str(nb_json_get(c, "reason"), ""));
            return text;
        }
    return "(none)";
}

static inline size_t world_count(struct world *w, enum plan_object kind)
{
    size_t n = 0;

    for (size_t i = 0; i < w->count; i++)
        n += w->objects[i].json && w->objects[i].kind == kind;
    return n;
}

/* --- planning -------------------------------------------------------------------------------- */

struct world_view {
    struct api_backup *backup;
    struct api_restore *restore;
    struct api_run *runs[WORLD_MAX];
    struct api_job *jobs[WORLD_MAX];
    struct api_pod *pods[WORLD_MAX];
    size_t run_count, job_count, pod_count;
    struct plan_job_log logs[100];
};

static inline void world_view_fill(struct world *w, struct world_view *v)
{
    struct nb_error err = NB_ERROR_INIT;
    bool ok = true;

    memset(v, 0, sizeof(*v));
    for (size_t i = 0; i < w->count; i++) {
        if (!w->objects[i].json)
            continue;
        nb_auto(nb_json_free) struct nb_json *j = world_parse(w->objects[i].json);

        switch (w->objects[i].kind) {
        case PLAN_OBJ_BACKUP:
            ok = ok && api_backup_parse(j, &v->backup, &err);
            break;
        case PLAN_OBJ_RUN:
            ok = ok && api_run_parse(j, &v->runs[v->run_count++], &err);
            break;
        case PLAN_OBJ_RESTORE:
            ok = ok && api_restore_parse(j, &v->restore, &err);
            break;
        case PLAN_OBJ_JOB:
            ok = ok && api_job_parse(j, &v->jobs[v->job_count++], &err);
            break;
        case PLAN_OBJ_POD:
            if (!w->pods_are_hidden)
                ok = ok && api_pod_parse(j, &v->pods[v->pod_count++], &err);
            break;
        }
    }
    assert_true(ok);
    for (size_t i = 0; i < w->log_count; i++)
        v->logs[i] = (struct plan_job_log){ w->logs[i].job, w->logs[i].log };
}

static inline void world_view_done(struct world_view *v)
{
    api_backup_free(v->backup);
    api_restore_free(v->restore);
    for (size_t i = 0; i < v->run_count; i++)
        api_run_free(v->runs[i]);
    for (size_t i = 0; i < v->job_count; i++)
        api_job_free(v->jobs[i]);
    for (size_t i = 0; i < v->pod_count; i++)
        api_pod_free(v->pods[i]);
}

static inline struct api_log *world_log(struct world *w, const char *job)
{
    for (size_t i = 0; i < w->log_count; i++)
        if (strcmp(w->logs[i].job, job) == 0)
            return w->logs[i].log;
    snprintf(w->logs[w->log_count].job, sizeof(w->logs[0].job), "%s", job);
    w->logs[w->log_count].log = api_log_new();
    return w->logs[w->log_count++].log;
}

/* As the notifier does: what it has already it does not take again. */
static inline void world_tell(struct world *w, const struct plan_action *a)
{
    char what[100];

    for (size_t i = 0; i < w->told_count; i++)
        if (strcmp(w->told[i].id, a->notice->id) == 0 &&
            strcmp(w->told[i].channel, a->channel) == 0)
            return;
    assert_true(w->told_count < sizeof(w->told) / sizeof(w->told[0]));
    snprintf(w->told[w->told_count].id, sizeof(w->told[0].id), "%s", a->notice->id);
    snprintf(w->told[w->told_count++].channel, sizeof(w->told[0].channel), "%s", a->channel);
    snprintf(what, sizeof(what), "notify-%s-%s", a->channel, a->notice->event);
    world_note(w, what, a->notice->reason);
}

/* Carries one action out. False: plan again at once. */
static inline bool world_act(struct world *w, const struct plan_action *a)
{
    static const char *const kinds[] = { "backup", "run", "restore", "job", "pod" };
    struct world_object *o = world_find(w, a->object, a->name);
    char what[100];

    switch (a->kind) {
    case PLAN_CREATE:
        snprintf(what, sizeof(what), "create-%s", kinds[a->object]);
        world_note(w, what, a->name);
        if (w->refusal && w->refused == a->object) {
            w->facts[w->fact_count++] =
                (struct plan_fact){ w->refused_as, a->object, nb_xstrdup(a->name), w->refusal };
            return false;
        }
        if (o) {
            nb_auto(nb_json_free) struct nb_json *v = world_parse(o->json);
            enum plan_adopt adopt = plan_adopt(v, a->body);

            if (adopt == PLAN_ADOPT)
                return true;
            w->facts[w->fact_count++] =
                (struct plan_fact){ adopt == PLAN_ADOPT_WAIT ? PLAN_FACT_WAIT : PLAN_FACT_FOREIGN,
                                    a->object, o->name, "" };
            return false;
        }
        w->writes++;
        world_create(w, a->object, a->body);
        break;
    case PLAN_DELETE:
        snprintf(what, sizeof(what), "delete-%s", kinds[a->object]);
        world_note(w, what, a->name);
        w->writes++;
        world_delete(w, a->object, a->name);
        break;
    case PLAN_PATCH:
    case PLAN_PATCH_STATUS: {
        nb_auto(nb_json_free) struct nb_json *p = world_parse(a->body);

        if (!o)
            return true;
        assert_string_equal(nb_json_str(nb_json_at(p, "metadata.resourceVersion"), ""),
                            world_get(w, a->object, a->name, "metadata.resourceVersion"));
        w->writes++;
        world_patch(w, a->object, a->name, a->body);
        break;
    }
    case PLAN_EVENT:
        world_note(w, a->reason, a->text);
        break;
    case PLAN_NOTIFY:
        world_tell(w, a);
        break;
    case PLAN_FOLLOW_LOG:
        world_note(w, "follow", a->name);
        break;
    case PLAN_LOOK: /* the name lives until facts are cleared below */
        world_note(w, "look", a->name);
        if (a->object == PLAN_OBJ_POD) {
            w->pods_are_hidden = false;
            w->facts[w->fact_count++] =
                (struct plan_fact){ PLAN_FACT_LOOKED, a->object, nb_xstrdup(a->name), "" };
        } else if (!o) {
            w->facts[w->fact_count++] =
                (struct plan_fact){ PLAN_FACT_GONE, a->object, nb_xstrdup(a->name), "" };
        }
        return false;
    }
    return true;
}

static inline void world_facts_clear(struct world *w)
{
    for (size_t i = 0; i < w->fact_count; i++)
        if (w->facts[i].kind != PLAN_FACT_WAIT && w->facts[i].kind != PLAN_FACT_FOREIGN) {
            void *p;

            memcpy(&p, &w->facts[i].name, sizeof(p));
            free(p);
        }
    w->fact_count = 0;
}

/* The Jobs to be made, or all else; as reconcile/ does it. False: plan again at once. */
static inline bool world_act_some(struct world *w, const struct plan_actions *actions, bool jobs,
                                  size_t *n)
{
    bool settled = true;

    for (size_t i = 0; i < actions->count && (jobs || settled); i++) {
        const struct plan_action *a = &actions->items[i];

        if ((a->kind == PLAN_CREATE && a->object == PLAN_OBJ_JOB) != jobs)
            continue;
        if (w->stop_after >= 0 && w->writes >= w->stop_after)
            break;
        *n += a->kind != PLAN_FOLLOW_LOG && (a->kind != PLAN_NOTIFY || !w->nobody_tells);
        settled = world_act(w, a) && settled;
    }
    return settled;
}

/* One plan, carried out. Returns how many actions it had other than following logs. */
static inline size_t world_step(struct world *w)
{
    nb_auto_done(plan_actions_done) struct plan_actions actions;
    struct plan_delivery deliveries[sizeof(w->told) / sizeof(w->told[0])];
    struct world_view v;
    size_t n = 0;

    for (size_t i = 0; i < w->told_count; i++)
        deliveries[i] = (struct plan_delivery){ w->told[i].id, w->told[i].channel, !w->tell_fault,
                                                w->tell_fault ? w->tell_fault : "" };

    world_view_fill(w, &v);
    plan_actions_init(&actions);
    if (v.backup) {
        struct plan_backup_input in = {
            .backup = v.backup,
            .runs = (const struct api_run *const *)v.runs,
            .run_count = v.run_count,
            .jobs = (const struct api_job *const *)v.jobs,
            .job_count = v.job_count,
            .pods = (const struct api_pod *const *)v.pods,
            .pod_count = v.pod_count,
            .logs = v.logs,
            .log_count = w->log_count,
            .facts = w->facts,
            .fact_count = w->fact_count,
            .deliveries = deliveries,
            .delivery_count = w->nobody_tells ? 0 : w->told_count,
            .options = &w->options,
            .namespace_terminating = w->namespace_terminating,
            .now_ms = w->now_ms,
        };

        plan_backup(&in, &actions);
    }
    if (v.restore) {
        struct plan_restore_input in = {
            .restore = v.restore,
            .source_run = v.run_count ? v.runs[0] : NULL,
            .source_backup = v.backup,
            .others = &w->other_restore,
            .other_count = w->other_restore ? 1 : 0,
            .jobs = (const struct api_job *const *)v.jobs,
            .job_count = v.job_count,
            .pods = (const struct api_pod *const *)v.pods,
            .pod_count = v.pod_count,
            .logs = v.logs,
            .log_count = w->log_count,
            .facts = w->facts,
            .fact_count = w->fact_count,
            .options = &w->options,
            .now_ms = w->now_ms,
        };

        plan_restore(&in, &actions);
    }
    w->requeue_at_ms = actions.requeue_at_ms;
    if (world_act_some(w, &actions, true, &n))
        world_act_some(w, &actions, false, &n);
    world_view_done(&v);
    return n;
}

static inline void world_settle(struct world *w)
{
    for (int i = 0; i < 30; i++) {
        size_t n = world_step(w);

        if (n == 0 || (w->stop_after >= 0 && w->writes >= w->stop_after)) {
            world_facts_clear(w);
            return;
        }
    }
    fail_msg("no end:\n%s", w->journal);
}

static inline void world_at(struct world *w, const char *now)
{
    int64_t t;

    assert_true(nb_time_parse(now, &t));
    w->now_ms = t * 1000 + 100;
}

/* --- the kubelet ----------------------------------------------------------------------------- */

/* The Job's pod runs. */
static inline void world_pod_runs(struct world *w, const char *job)
{
    char body[1000], text[NB_TIME_TEXT_MAX];

    snprintf(body, sizeof(body),
             "{\"metadata\":{\"name\":\"%s-x\",\"ownerReferences\":[{\"kind\":\"Job\",\"name\":\"%"
             "s\",\"uid\":\"%s\","
             "\"controller\":true}]},\"status\":{\"phase\":\"Running\",\"containerStatuses\":[{"
             "\"name\":\"worker\","
             "\"state\":{\"running\":{\"startedAt\":\"%s\"}}}]}}",
             job, job, world_get(w, PLAN_OBJ_JOB, job, "metadata.uid"),
             nb_time_format(w->now_ms / 1000, text));
    world_create(w, PLAN_OBJ_POD, body);
    world_patch(w, PLAN_OBJ_JOB, job, "{\"status\":{\"active\":1}}");
}

/* It ends with this exit code and termination message (JSON text), its log is complete. */
static inline void world_pod_ends(struct world *w, const char *job, int code, const char *message)
{
    nb_auto_done(nb_buf_done) struct nb_buf b = NB_BUF_INIT(20000);
    struct nb_jw j = NB_JW_INIT(&b);
    char pod[100], text[NB_TIME_TEXT_MAX], status[500];

    nb_time_format(w->now_ms / 1000, text);
    snprintf(pod, sizeof(pod), "%s-x", job);
    if (!world_find(w, PLAN_OBJ_POD, pod))
        world_pod_runs(w, job);
    nb_jw_object(&j);
    nb_jw_key(&j, "status");
    nb_jw_object(&j);
    nb_jw_kv_str(&j, "phase", code ? "Failed" : "Succeeded");
    nb_jw_key(&j, "containerStatuses");
    nb_jw_array(&j);
    nb_jw_object(&j);
    nb_jw_kv_str(&j, "name", "worker");
    nb_jw_key(&j, "state");
    nb_jw_object(&j);
    nb_jw_key(&j, "terminated");
    nb_jw_object(&j);
    nb_jw_kv_i64(&j, "exitCode", code);
    nb_jw_kv_str(&j, "reason", code ? "Error" : "Completed");
    nb_jw_kv_str(&j, "message", message);
    nb_jw_kv_str(&j, "finishedAt", text);
    nb_jw_object_end(&j);
    nb_jw_object_end(&j);
    nb_jw_object_end(&j);
    nb_jw_array_end(&j);
    nb_jw_object_end(&j);
    nb_jw_object_end(&j);
    world_patch(w, PLAN_OBJ_POD, pod, nb_buf_cstr(&b));
    snprintf(status, sizeof(status),
             "{\"status\":{\"active\":0,\"completionTime\":\"%s\",\"conditions\":[{\"type\":\"%s\","
             "\"status\":\"True\","
             "\"reason\":\"%s\",\"message\":\"\",\"lastTransitionTime\":\"%s\"}]}}",
             text, code ? "Failed" : "Complete", code ? "PodFailurePolicy" : "", text);
    world_patch(w, PLAN_OBJ_JOB, job, status);
    world_log(w, job)->complete = true;
}

#define WORLD_GOOD                                                                                 \
    "{\"result\":\"Succeeded\",\"reason\":\"Succeeded\",\"message\":\"all "                        \
    "well\",\"exitCode\":0,\"manifestKey\":"                                                       \
    "\"p/neo4j_x.manifest.json\",\"key\":\"p/"                                                     \
    "neo4j_x.cypher.gz\",\"database\":\"neo4j\",\"sizeBytes\":1288490189,"                         \
    "\"nodes\":10,\"databases\":1,\"retention\":{\"healthy\":true},\"pruned\":2,\"verification\":" \
    "{\"level\":"                                                                                  \
    "\"Checksum\",\"result\":\"Succeeded\"}}"

#define WORLD_BACKUP(spec)                                                                         \
    "{\"apiVersion\":\"neo4jbackup.dev/"                                                           \
    "v1\",\"kind\":\"Neo4jBackup\",\"metadata\":{\"name\":\"g\"},\"spec\":{"                       \
    "\"connection\":{\"uri\":\"bolt://"                                                            \
    "neo4j:7687\",\"authSecretRef\":{\"name\":\"auth\"}},\"storage\":{\"r2\":{"                    \
    "\"bucket\":\"bkt\",\"prefix\":\"p\",\"credentialsSecretRef\":{\"name\":\"r2\"}}}" spec "}}"

#endif
