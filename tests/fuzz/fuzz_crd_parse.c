/* Any JSON as every kind of object, any bytes as what a worker says: structs or an error, and plans
 * of them that can be written down. */

#include <stdlib.h>
#include <string.h>

#include "controller/plan/plan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static const struct cron_zone *utc(void *ctx, const char *name, struct nb_error *err)
{
    static struct cron_zone *zone;

    (void)ctx;
    if (strcmp(name, "Etc/UTC") != 0) {
        nb_fail(err, NB_E_NOT_FOUND, "UnknownTimeZone", "time zone '%s' is not known", name);
        return NULL;
    }
    if (!zone)
        zone = cron_zone_fixed(0);
    return zone;
}

static const struct plan_options options = {
    .worker_image = "w",
    .image_pull_policy = "",
    .image_pull_secrets = "",
    .worker_uid = 1,
    .log_level = "info",
    .verify_neo4j_image = "",
    .zone = utc,
};

/* Every body that a plan wants to send is JSON. */
static void check_actions(const struct plan_actions *a)
{
    for (size_t i = 0; i < a->count; i++) {
        struct nb_error err = NB_ERROR_INIT;
        nb_auto(nb_json_free) struct nb_json *v = NULL;

        if (*a->items[i].body &&
            !nb_json_parse(a->items[i].body, strlen(a->items[i].body), 64 << 20, &v, &err))
            abort();
    }
}

static void plan(const struct api_backup *b, const struct api_run *r, const struct api_job *j,
                 const struct api_pod *p, const struct api_log *l)
{
    const struct plan_job_log log = { j ? j->meta.name : "", l };
    struct plan_backup_input in = {
        .backup = b,
        .runs = &r,
        .run_count = r != NULL,
        .jobs = &j,
        .job_count = j != NULL,
        .pods = &p,
        .pod_count = p != NULL,
        .logs = &log,
        .log_count = 1,
        .options = &options,
        .now_ms = 1767225600000,
    };
    nb_auto_done(plan_actions_done) struct plan_actions actions;

    plan_actions_init(&actions);
    plan_backup(&in, &actions);
    check_actions(&actions);
}

static void plan_of_restore(const struct api_restore *restore, const struct api_backup *b,
                            const struct api_run *r, const struct api_job *j,
                            const struct api_pod *p)
{
    struct plan_restore_input in = {
        .restore = restore,
        .source_run = r,
        .source_backup = b,
        .jobs = &j,
        .job_count = j != NULL,
        .pods = &p,
        .pod_count = p != NULL,
        .options = &options,
        .now_ms = 1767225600000,
    };
    nb_auto_done(plan_actions_done) struct plan_actions actions;

    plan_actions_init(&actions);
    plan_restore(&in, &actions);
    check_actions(&actions);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct nb_error err = NB_ERROR_INIT;
    nb_auto(nb_json_free) struct nb_json *v = NULL;
    nb_auto(api_termination_free) struct api_termination *t =
        api_termination_parse((const char *)data, n);
    nb_auto(api_log_free) struct api_log *l = api_log_new();
    nb_auto(api_log_free) struct api_log *copy = NULL;
    nb_auto(api_backup_free) struct api_backup *b = NULL;
    nb_auto(api_run_free) struct api_run *r = NULL;
    nb_auto(api_restore_free) struct api_restore *restore = NULL;
    nb_auto(api_job_free) struct api_job *j = NULL;
    nb_auto(api_pod_free) struct api_pod *p = NULL;

    (void)api_log_feed(l, (const char *)data, n, 1);
    copy = api_log_copy(l);
    if (!nb_json_parse((const char *)data, n, 1 << 20, &v, &err))
        return 0;
    if (!api_backup_parse(v, &b, &err))
        return 0;
    if (!api_run_parse(v, &r, &err) || !api_restore_parse(v, &restore, &err))
        abort(); /* they want no more than a backup does */
    if (!api_job_parse(v, &j, &err) || !api_pod_parse(v, &p, &err))
        abort();
    plan(b, r, j, p, copy);
    plan_of_restore(restore, b, r, j, p);
    return 0;
}
