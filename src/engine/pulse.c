#include "engine/pulse.h"

#include <poll.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/thread.h"

enum { INTERVAL_DEFAULT_MS = 2000 };

struct eng_pulse {
    struct eng_pulse_opts opts;
    struct nb_cancel *run, *grace, *quit;
    struct nb_thread *thread;
    pthread_mutex_t lock; /* held during a refresh: a claim must not go meanwhile */
    struct repo_claim *claim;
    int64_t refresh_at_ms;
    bool lost;
    struct nb_error lost_error;
    struct eng_rate rate;
};

static void refresh(struct eng_pulse *p, int64_t now_ms)
{
    struct nb_error error = NB_ERROR_INIT;

    pthread_mutex_lock(&p->lock);
    if (p->claim && !p->lost && now_ms >= p->refresh_at_ms) {
        if (!repo_claim_refresh(p->claim, p->run, &error)) {
            /* What is transient is tried again at the next beat; the claim lives for some more. */
            if (error.code == NB_E_CONFLICT) {
                p->lost = true;
                p->lost_error = error;
                nb_cancel_set(p->run);
            } else {
                nb_log_error(NB_LOG_DEBUG, "the claim was not refreshed", &error);
            }
        } else {
            p->refresh_at_ms = now_ms + (int64_t)REPO_CLAIM_REFRESH_SECONDS * 1000;
        }
    }
    pthread_mutex_unlock(&p->lock);
}

static void report(struct eng_pulse *p)
{
    struct eng_progress progress;

    if (!p->opts.report)
        return;
    eng_meter_read(p->opts.meter, &progress);
    eng_rate_update(&p->rate, nb_clock_mono_ms(), &progress);
    p->opts.report(p->opts.ctx, &progress);
}

/* Sleeps until the next beat. False: the end. */
static bool wait_beat(struct eng_pulse *p, int64_t ms)
{
    struct pollfd fds[2] = {
        { .fd = nb_cancel_fd(p->quit), .events = POLLIN },
        { .fd = nb_cancel_is_set(p->run) ? -1 : nb_cancel_fd(p->opts.user), .events = POLLIN },
    };

    poll(fds, 2, (int)ms);
    if (nb_cancel_is_set(p->opts.user))
        nb_cancel_set(p->run);
    return !nb_cancel_is_set(p->quit);
}

static void *beat(void *arg)
{
    struct eng_pulse *p = arg;
    int64_t interval = p->opts.interval_ms > 0 ? p->opts.interval_ms : INTERVAL_DEFAULT_MS;
    int64_t grace_at_ms = -1;

    while (wait_beat(p, interval)) {
        int64_t now = nb_clock_mono_ms();

        if (!nb_cancel_is_set(p->run)) {
            report(p);
            refresh(p, now);
        } else if (grace_at_ms < 0) {
            grace_at_ms = now + (int64_t)ENG_PULSE_GRACE_SECONDS * 1000;
        } else if (now >= grace_at_ms) {
            nb_cancel_set(p->grace);
        }
    }
    return NULL;
}

bool eng_pulse_start(const struct eng_pulse_opts *opts, struct eng_pulse **ret,
                     struct nb_error *err)
{
    nb_auto(eng_pulse_stop) struct eng_pulse *p = NB_NEW(struct eng_pulse);

    p->opts = *opts;
    p->run = nb_cancel_new();
    p->grace = nb_cancel_new();
    p->quit = nb_cancel_new();
    nb_mutex_init(&p->lock);
    if (!nb_thread_start("pulse", beat, p, &p->thread, err))
        return false;
    *ret = nb_steal(p);
    return true;
}

void eng_pulse_stop(struct eng_pulse *p)
{
    if (!p)
        return;
    nb_cancel_set(p->quit);
    nb_cancel_set(p->run);
    nb_thread_join(p->thread);
    pthread_mutex_destroy(&p->lock);
    nb_cancel_free(p->run);
    nb_cancel_free(p->grace);
    nb_cancel_free(p->quit);
    free(p);
}

const struct nb_cancel *eng_pulse_run(const struct eng_pulse *p)
{
    return p->run;
}

const struct nb_cancel *eng_pulse_grace(const struct eng_pulse *p)
{
    return p->grace;
}

void eng_pulse_set_claim(struct eng_pulse *p, struct repo_claim *claim)
{
    pthread_mutex_lock(&p->lock);
    p->claim = claim;
    p->refresh_at_ms = nb_clock_mono_ms() + (int64_t)REPO_CLAIM_REFRESH_SECONDS * 1000;
    pthread_mutex_unlock(&p->lock);
}

void eng_pulse_fail(struct eng_pulse *p, struct nb_error *err)
{
    nb_cancel_set(p->run);
    pthread_mutex_lock(&p->lock);
    if (p->lost && err->code == NB_E_CANCELLED)
        *err = p->lost_error;
    pthread_mutex_unlock(&p->lock);
}
