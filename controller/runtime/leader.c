#include "controller/runtime/leader.h"

#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "base/thread.h"

enum { LEASE_MS = 15000, RENEW_DEADLINE_MS = 10000, RETRY_MS = 2000 };

struct ctl_leader {
    char *ns, *name;
    int64_t renew_deadline_ms, retry_ms;
    struct kube_client *client;
    struct nb_cancel *stop;
    struct nb_thread *thread;
    struct ctl_lease lease; /* the thread's own */
    int gained_fd;          /* eventfd: readable when a term has begun */

    pthread_mutex_t lock;
    bool wanted; /* somebody waits to lead: only then do we stand for election */
    bool leading;
    struct nb_cancel *term; /* the present or the last one */
    int64_t valid_until_mono_ms;
};

static struct nb_metric status = NB_METRIC(NB_GAUGE, "leader_election_master_status",
                                           "1 while this process holds the Lease.", "name");

/* --- the state that others see --- */

static void prolong(struct ctl_leader *l, int64_t asked_at_mono_ms)
{
    const uint64_t one = 1;
    bool gained;

    pthread_mutex_lock(&l->lock);
    l->valid_until_mono_ms = asked_at_mono_ms + l->renew_deadline_ms;
    gained = !l->leading;
    if (gained) {
        nb_cancel_free(l->term);
        l->term = nb_cancel_new();
    }
    l->leading = true;
    pthread_mutex_unlock(&l->lock);
    nb_metric_set(&status, 1, l->name);
    if (!gained)
        return;
    nb_log(NB_LOG_INFO, "leading", NB_F_STR("lease", l->name),
           NB_F_STR("identity", l->lease.identity), NB_F_END);
    if (write(l->gained_fd, &one, sizeof(one)) < 0)
        nb_log(NB_LOG_ERROR, "eventfd not written", NB_F_END);
}

static void lose(struct ctl_leader *l, enum nb_log_level level, const char *why)
{
    bool lost;

    pthread_mutex_lock(&l->lock);
    lost = l->leading;
    if (lost) {
        nb_cancel_set(l->term);
        l->leading = l->wanted = false;
    }
    pthread_mutex_unlock(&l->lock);
    nb_metric_set(&status, 0, l->name);
    if (lost)
        nb_log(level, "leading no more", NB_F_STR("lease", l->name), NB_F_STR("why", why),
               NB_F_END);
}

static bool get(struct ctl_leader *l, const bool *flag)
{
    bool value;

    pthread_mutex_lock(&l->lock);
    value = *flag;
    pthread_mutex_unlock(&l->lock);
    return value;
}

bool ctl_leader_check(void *ctx, struct nb_error *err)
{
    struct ctl_leader *l = ctx;
    bool ok;

    pthread_mutex_lock(&l->lock);
    ok = l->leading && nb_clock_mono_ms() < l->valid_until_mono_ms;
    pthread_mutex_unlock(&l->lock);
    return ok || nb_fail(err, NB_E_CANCELLED, "NotLeading", "not leading any more");
}

bool ctl_leader_wait(struct ctl_leader *l, const struct nb_cancel *cancel,
                     struct nb_cancel **ret_term, struct nb_error *err)
{
    uint64_t count;

    pthread_mutex_lock(&l->lock);
    l->wanted = true;
    pthread_mutex_unlock(&l->lock);
    while (!get(l, &l->leading)) {
        if (!nb_cancel_poll(cancel, l->gained_fd, POLLIN, -1, err))
            return false;
        if (read(l->gained_fd, &count, sizeof(count)) < 0 && errno != EAGAIN)
            return nb_fail_errno(err, errno, "read eventfd");
    }
    *ret_term = l->term; /* no new term begins before the next call */
    return nb_cancel_check(cancel, err);
}

/* --- the Lease --- */

/* Writes the Lease for that step on condition that it is what we saw, and sees what was written. */
static bool write_lease(struct ctl_leader *l, enum ctl_lease_step step, struct nb_error *err)
{
    nb_auto(nb_json_free) struct nb_json *lease = NULL;
    nb_auto_done(nb_buf_done) struct nb_buf body = NB_BUF_INIT(4096);
    int64_t asked_at = nb_clock_mono_ms();
    bool ok;

    if (step == CTL_LEASE_CREATE) {
        ctl_lease_write_create(&l->lease, l->ns, l->name, nb_clock_unix_ms(), &body);
        ok = kube_create(l->client, &KUBE_LEASES, l->ns, l->name, nb_buf_str(&body), l->stop,
                         &lease, err);
    } else {
        ctl_lease_write_patch(&l->lease, step, nb_clock_unix_ms(), &body);
        ok = kube_patch(l->client, &KUBE_LEASES, l->ns, l->name, NULL, KUBE_PATCH_MERGE,
                        nb_buf_str(&body), l->stop, &lease, err);
    }
    if (!ok)
        return false;
    ctl_lease_observe(&l->lease, lease, asked_at);
    /* Counted from before the request: the server may have written at any moment since. */
    prolong(l, asked_at);
    return true;
}

static bool try_once(struct ctl_leader *l, struct nb_error *err)
{
    nb_auto(nb_json_free) struct nb_json *lease = NULL;
    struct nb_error get_err = NB_ERROR_INIT;
    enum ctl_lease_step step;

    /* A renewal is one request as long as nobody else writes. */
    if (get(l, &l->leading)) {
        if (write_lease(l, CTL_LEASE_RENEW, err))
            return true;
        if (err->code != NB_E_CONFLICT && err->code != NB_E_NOT_FOUND)
            return false;
        nb_error_clear(err);
    }
    if (!kube_get(l->client, &KUBE_LEASES, l->ns, l->name, l->stop, &lease, &get_err) &&
        get_err.code != NB_E_NOT_FOUND) {
        *err = get_err;
        return false;
    }
    step = ctl_lease_observe(&l->lease, lease, nb_clock_mono_ms());
    if (step == CTL_LEASE_WAIT) {
        lose(l, NB_LOG_WARN, "another holder");
        return true;
    }
    return write_lease(l, step, err);
}

static void release(struct ctl_leader *l)
{
    nb_auto(nb_json_free) struct nb_json *lease = NULL;
    nb_auto_done(nb_buf_done) struct nb_buf body = NB_BUF_INIT(4096);
    struct nb_error err = NB_ERROR_INIT;

    lose(l, NB_LOG_INFO, "stopping");
    if (!kube_get(l->client, &KUBE_LEASES, l->ns, l->name, NULL, &lease, &err) ||
        ctl_lease_observe(&l->lease, lease, nb_clock_mono_ms()) != CTL_LEASE_RENEW)
        return;
    ctl_lease_write_release(&l->lease, nb_clock_unix_ms(), &body);
    if (!kube_patch(l->client, &KUBE_LEASES, l->ns, l->name, NULL, KUBE_PATCH_MERGE,
                    nb_buf_str(&body), NULL, NULL, &err))
        nb_log_error(NB_LOG_WARN, "lease not released", &err);
}

static void *leader_main(void *arg)
{
    struct ctl_leader *l = arg;

    for (;;) {
        struct nb_error err = NB_ERROR_INIT, ignored = NB_ERROR_INIT;
        int64_t wait = l->retry_ms;
        bool stands = get(l, &l->wanted) || get(l, &l->leading);

        if (stands && !try_once(l, &err) && !nb_cancel_is_set(l->stop))
            nb_log_error(get(l, &l->leading) ? NB_LOG_WARN : NB_LOG_DEBUG, "lease not written",
                         &err);
        if (get(l, &l->leading) && !ctl_leader_check(l, &ignored))
            lose(l, NB_LOG_WARN, "the Lease could not be renewed in time");
        if (!get(l, &l->leading)) /* candidates in step would collide each time */
            wait += nb_random_below((uint32_t)(l->retry_ms / 4 + 1));
        nb_error_clear(&ignored);
        if (!nb_cancel_sleep(l->stop, wait, &ignored))
            break;
    }
    if (get(l, &l->leading))
        release(l);
    return NULL;
}

bool ctl_leader_start(const struct ctl_leader_opts *opts, struct ctl_leader **ret,
                      struct nb_error *err)
{
    nb_auto(ctl_leader_stop) struct ctl_leader *l = NB_NEW(struct ctl_leader);

    nb_mutex_init(&l->lock);
    l->ns = nb_xstrdup(opts->ns);
    l->name = nb_xstrdup(opts->name);
    l->renew_deadline_ms = opts->renew_deadline_ms ? opts->renew_deadline_ms : RENEW_DEADLINE_MS;
    l->retry_ms = opts->retry_ms ? opts->retry_ms : RETRY_MS;
    ctl_lease_init(&l->lease, opts->identity, opts->lease_ms ? opts->lease_ms : LEASE_MS);
    l->stop = nb_cancel_new();
    l->wanted = true;
    l->gained_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (l->gained_fd < 0)
        return nb_fail_errno(err, errno, "eventfd");
    if (!kube_client_new(opts->auth, NULL, &l->client, err))
        return false;
    /* One request may hang for that long and the term still ends before the Lease does. */
    kube_client_set_timeout(l->client, l->renew_deadline_ms / 2);
    nb_metric_set(&status, 0, l->name);
    if (!nb_thread_start("leader", leader_main, l, &l->thread, err))
        return false;
    *ret = nb_steal(l);
    return true;
}

void ctl_leader_stop(struct ctl_leader *l)
{
    if (!l)
        return;
    if (l->thread) {
        nb_cancel_set(l->stop);
        nb_thread_join(l->thread);
    }
    if (l->gained_fd >= 0)
        close(l->gained_fd);
    kube_client_free(l->client);
    nb_cancel_free(l->stop);
    nb_cancel_free(l->term);
    free(l->ns);
    free(l->name);
    pthread_mutex_destroy(&l->lock);
    free(l);
}
