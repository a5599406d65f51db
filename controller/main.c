/*
 * neo4j-backup-controller: watches Neo4jBackups, makes their runs and Jobs, and reports what
 * became of them.
 *
 * Threads: main (signals, terms of leadership), one reflector a resource, the leader, the
 * recorder, four log readers, the web server, two that tell notification channels, and while we lead
 * the reconcile workers.
 */

#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "controller/notify/notify.h"
#include "controller/options.h"
#include "controller/reconcile/kinds.h"
#include "controller/reconcile/metrics.h"
#include "controller/reconcile/rec.h"
#include "controller/reconcile/zones.h"
#include "controller/runtime/clock_watch.h"
#include "controller/runtime/leader.h"
#include "controller/runtime/reflector.h"
#include "controller/web/health.h"
#include "net/http.h"

enum {
    EXIT_USAGE = 2,
    GRACE_MS = 10000,
    SYNC_POLL_MS = 10,
    REFLECTORS = 5,
    PAGE_KEEP_MS = 1000,
    TRIM_EVERY_MS = 60000
};

struct program {
    struct ctl_options options;
    struct kube_auth *auth;
    struct rec rec;
    struct rec_metrics *metrics;
    struct notify *notify;
    struct rec_zones *zones;
    struct ctl_reflector *reflectors[REFLECTORS];
    struct ctl_leader *leader;
    struct web_server *web;
    struct web_health health;
    struct web_route routes[3];
    int leading; /* atomic */
};

static struct nb_cancel *stop;

static void on_signal(int number)
{
    (void)number;
    nb_cancel_set(stop);
}

static bool connect_cluster(struct program *p, struct nb_error *err)
{
    const struct ctl_options *o = &p->options;
    struct kube_config *config = NULL;
    bool ok = o->kubeconfig[0]
                  ? kube_config_load(o->kubeconfig, o->context[0] ? o->context : NULL, &config, err)
                  : kube_config_in_cluster(o->service_host, o->service_port,
                                           KUBE_SERVICE_ACCOUNT_DIR, &config, err);

    return ok && kube_auth_new(config, &p->auth, err);
}

static bool is_ready(void *ctx)
{
    return rec_is_synced(ctx);
}

static bool make_parts(struct program *p, struct nb_error *err)
{
    const struct ctl_options *o = &p->options;
    const struct rec_logs_opts logs = { 0 };
    const struct notify_opts notify = {
        .config = o->config, .ended = rec_told, .changed = rec_channels_changed, .ctx = &p->rec
    };
    struct plan_options plan = {
        .worker_image = o->worker_image,
        .image_pull_policy = o->image_pull_policy,
        .image_pull_secrets = o->image_pull_secrets,
        .worker_uid = o->worker_uid,
        .log_level = o->worker_log_level,
        .verify_neo4j_image = o->verify_neo4j_image,
        .size_cost_micro_usd_per_gb_month = o->storage_cost_micro_usd,
        .zone = rec_zones_get,
    };

    p->zones = rec_zones_new(o->zoneinfo_dir);
    plan.zone_ctx = p->zones;
    if (!rec_init(&p->rec, p->auth, &plan, &logs, err) || !notify_start(&notify, &p->notify, err))
        return false;
    rec_use_notify(&p->rec, p->notify);
    p->metrics = rec_metrics_new();
    ctl_store_on_change(p->rec.backups, rec_metrics_changed, p->metrics);
    return true;
}

static bool start_reflectors(struct program *p, struct nb_error *err)
{
    const struct rec *rec = &p->rec;
    const struct ctl_reflector_opts all[REFLECTORS] = {
        { .resource = &REC_BACKUPS, .store = rec->backups },
        { .resource = &REC_RUNS, .store = rec->runs },
        { .resource = &REC_RESTORES, .store = rec->restores },
        { .resource = &KUBE_JOBS, .store = rec->jobs, .label_selector = REC_WORKER_SELECTOR },
        { .resource = &KUBE_PODS, .store = rec->pods, .label_selector = REC_WORKER_SELECTOR },
    };

    for (size_t i = 0; i < REFLECTORS; i++) {
        struct ctl_reflector_opts opts = all[i];

        opts.auth = p->auth;
        opts.ns = p->options.ns;
        if (!ctl_reflector_start(&opts, &p->reflectors[i], err))
            return false;
    }
    return true;
}

/* Told by the leader only, or sums over replicas would count twice. */
static void more_metrics(void *ctx, struct nb_buf *out)
{
    struct program *p = ctx;

    if (__atomic_load_n(&p->leading, __ATOMIC_RELAXED))
        rec_metrics_write(p->metrics, out);
}

static bool start_web(struct program *p, struct nb_error *err)
{
    struct web_server_opts opts = { .listen = p->options.metrics_addr,
                                    .routes = p->routes,
                                    .route_count = NB_ARRAY_LEN(p->routes) };

    if (nb_streq(p->options.metrics_addr, "0"))
        return true;
    p->health = (struct web_health){ is_ready, &p->rec, more_metrics, p };
    p->routes[0] = (struct web_route){ .path = "/healthz", .handler = web_healthz };
    p->routes[1] =
        (struct web_route){ .path = "/readyz", .handler = web_readyz, .ctx = &p->health };
    p->routes[2] = (struct web_route){
        .path = "/metrics", .handler = web_metrics, .ctx = &p->health, .keep_ms = PAGE_KEEP_MS
    };
    return web_server_start(&opts, &p->web, err);
}

/* A name that no other replica has, now or after a restart: a Lease left by our last life is
 * waited out. */
static void write_identity(const struct ctl_options *o, struct nb_buf *out)
{
    char host[128] = "controller", hex[17];
    uint8_t random[8];

    if (gethostname(host, sizeof(host) - 1) != 0)
        host[0] = '\0';
    nb_random_bytes(random, sizeof(random));
    nb_hex(random, sizeof(random), hex);
    nb_buf_printf(out, "%s_%s", o->identity[0] ? o->identity : host, hex);
}

static bool start_leader(struct program *p, struct nb_error *err)
{
    nb_auto_done(nb_buf_done) struct nb_buf identity = NB_BUF_INIT(250);
    struct ctl_leader_opts opts = { .auth = p->auth, .name = p->options.lease_name };

    if (!p->options.leader_elect)
        return true;
    write_identity(&p->options, &identity);
    opts.identity = nb_buf_cstr(&identity);
    opts.ns = p->options.lease_ns[0] ? p->options.lease_ns : kube_auth_namespace(p->auth);
    return ctl_leader_start(&opts, &p->leader, err);
}

static bool wait_for_caches(struct program *p, struct nb_error *err)
{
    while (!is_ready(&p->rec))
        if (!nb_cancel_sleep(stop, SYNC_POLL_MS, err))
            return false;
    nb_log(NB_LOG_INFO, "caches synced", NB_F_INT("backups", ctl_store_count(p->rec.backups)),
           NB_F_INT("runs", ctl_store_count(p->rec.runs)), NB_F_END);
    return true;
}

/* What a burst of changes took, and is free again between what stays, goes back to the kernel. */
static void trim_now_and_then(int64_t *trimmed_mono_ms)
{
    int64_t now = nb_clock_mono_ms();

    if (now - *trimmed_mono_ms < TRIM_EVERY_MS)
        return;
    *trimmed_mono_ms = now;
    malloc_trim(0);
}

/* True when the term is over, false when we are told to stop. Meanwhile everything is planned again
 * whenever the wall clock jumps, since what waits for a moment waits for the moment that was. */
static bool wait_for_end(struct program *p, struct nb_cancel *term, struct ctl_clock_watch *clock)
{
    int64_t trimmed_mono_ms = nb_clock_mono_ms();

    for (;;) {
        struct nb_error err = NB_ERROR_INIT;
        int64_t jump;

        if (nb_cancel_poll(stop, nb_cancel_fd(term), POLLIN, CTL_CLOCK_LOOK_MS, &err))
            return true;
        if (err.code != NB_E_TIMEOUT)
            return false;
        trim_now_and_then(&trimmed_mono_ms);
        if (!ctl_clock_watch_take(clock, nb_clock_unix_ms(), nb_clock_mono_ms(), &jump))
            continue;
        nb_log(NB_LOG_WARN, "the clock has jumped, looking at everything again",
               NB_F_INT("by_ms", jump), NB_F_END);
        rec_enqueue_all(&p->rec);
    }
}

/* Reconciles until the term is over or we are told to stop. */
static bool serve_term(struct program *p, struct nb_cancel *term, struct nb_error *err)
{
    struct ctl_loop_opts opts = {
        .name = "neo4j-backup",
        .queue = p->rec.queue,
        .auth = p->auth,
        .fence = p->leader ? ctl_leader_check : NULL,
        .fence_ctx = p->leader,
        .workers = (unsigned)p->options.workers,
        .reconcile = rec_reconcile,
        .ctx = &p->rec,
        .cancel = term,
    };
    struct ctl_clock_watch clock;
    struct ctl_loop *loop;

    ctl_clock_watch_init(&clock, nb_clock_unix_ms(), nb_clock_mono_ms());
    rec_enqueue_all(&p->rec);
    notify_begin(p->notify, opts.fence,
                 p->leader); /* before the first plan has something to tell */
    if (!ctl_loop_start(&opts, &loop, err)) {
        notify_end(p->notify);
        return false;
    }
    __atomic_store_n(&p->leading, 1, __ATOMIC_RELAXED);
    ctl_loop_stop(loop, wait_for_end(p, term, &clock) ? 0 : GRACE_MS);
    notify_end(p->notify);
    __atomic_store_n(&p->leading, 0, __ATOMIC_RELAXED);
    return true;
}

static bool serve(struct program *p, struct nb_error *err)
{
    nb_auto(nb_cancel_free) struct nb_cancel *only_term = NULL;

    if (!p->leader) {
        only_term = nb_cancel_new();
        return serve_term(p, only_term, err);
    }
    for (;;) {
        struct nb_cancel *term;

        if (!ctl_leader_wait(p->leader, stop, &term, err))
            return false;
        if (!serve_term(p, term, err))
            return false;
        if (!nb_cancel_check(stop, err))
            return false;
    }
}

static bool run(struct program *p, struct nb_error *err)
{
    return connect_cluster(p, err) && make_parts(p, err) && start_web(p, err) &&
           start_reflectors(p, err) && wait_for_caches(p, err) && start_leader(p, err) &&
           serve(p, err);
}

static void program_done(struct program *p)
{
    ctl_leader_stop(
        p->leader); /* first, so that the next one need not wait for the Lease to expire */
    for (size_t i = 0; i < REFLECTORS; i++)
        ctl_reflector_stop(p->reflectors[i]);
    web_server_stop(p->web);
    notify_stop(p->notify);
    rec_done(&p->rec);
    rec_metrics_free(p->metrics);
    rec_zones_free(p->zones);
    kube_auth_free(p->auth);
    ctl_options_done(&p->options);
}

static const char *env(const char *name)
{
    return getenv(name);
}

/* Many threads that mostly wait, and small objects: one arena, and big blocks given back at once, keep the
 * resident set near the live set. */
static void tune_malloc(void)
{
    mallopt(M_ARENA_MAX, 1);
    mallopt(M_MMAP_THRESHOLD, 128 << 10);
    mallopt(M_TRIM_THRESHOLD, 256 << 10);
}

/* The token and the channels' secrets are in memory: nobody else's debugger, no core file. */
static void harden(void)
{
    const struct rlimit no_core = { 0, 0 };

    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    setrlimit(RLIMIT_CORE, &no_core);
}

static void catch_signals(void)
{
    struct sigaction action = { 0 };

    stop = nb_cancel_new();
    action.sa_handler = on_signal;
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
}

static int show(void (*write_text)(struct nb_buf *out))
{
    nb_auto_done(nb_buf_done) struct nb_buf text = NB_BUF_INIT(64 << 10);

    write_text(&text);
    fputs(nb_buf_cstr(&text), stdout);
    return 0;
}

static void write_version(struct nb_buf *out)
{
    nb_buf_puts(out, "neo4j-backup-controller " NB_VERSION "\n");
}

int main(int argc, char **argv)
{
    struct program p = { 0 };
    struct nb_error err = NB_ERROR_INIT;
    bool told;

    harden();
    tune_malloc();
    if (!ctl_options_parse(argc, argv, env, &p.options, &err)) {
        fprintf(stderr, "neo4j-backup-controller: %s\n", err.text);
        ctl_options_done(&p.options);
        return EXIT_USAGE;
    }
    if (p.options.help || p.options.version) {
        show(p.options.help ? ctl_options_usage : write_version);
        ctl_options_done(&p.options);
        return 0;
    }
    nb_log_setup(p.options.log_level, p.options.log_format, STDERR_FILENO);
    catch_signals();
    http_global_init();
    nb_log(NB_LOG_INFO, "neo4j-backup-controller starts", NB_F_STR("version", NB_VERSION),
           NB_F_END);
    told = !run(&p, &err) && !nb_cancel_is_set(stop);
    if (told)
        nb_log_error(NB_LOG_ERROR, "cannot go on", &err);
    program_done(&p);
    http_global_done();
    nb_log(NB_LOG_INFO, "stopped", NB_F_END);
    nb_cancel_free(stop);
    return told ? 1 : 0;
}
