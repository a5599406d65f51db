#ifndef NB_ENGINE_PULSE_H
#define NB_ENGINE_PULSE_H

/*
 * eng_pulse: the thread beside a run that keeps time for it. It
 *  - passes the user's cancellation on to the run's own token, which also the run's first error
 *    sets, so that whoever waits for the bucket or for Neo4j stops at once;
 *  - shows every REPO_CLAIM_REFRESH_SECONDS that the claim's run lives, and ends the run when the
 *    claim is lost;
 *  - reports progress every interval;
 *  - bounds the time for tidying up after a failure: the `grace` token is set GRACE_SECONDS after
 *    the run's.
 */

#include "base/cancel.h"
#include "engine/progress.h"
#include "repo/repo.h"

struct eng_pulse;

enum { ENG_PULSE_GRACE_SECONDS = 20 };

struct eng_pulse_opts {
    const struct nb_cancel *user; /* may be NULL */
    struct eng_meter *meter;
    int64_t interval_ms; /* between two reports; 0: 2000 */
    void (*report)(void *ctx,
                   const struct eng_progress *p); /* from the pulse's thread; may be NULL */
    void *ctx;
};

NB_NODISCARD bool eng_pulse_start(const struct eng_pulse_opts *opts, struct eng_pulse **ret,
                                  struct nb_error *err);
/* Joins the thread. The claim is free to go afterwards. */
void eng_pulse_stop(struct eng_pulse *p);
NB_AUTO_DEFINE(struct eng_pulse *, eng_pulse_stop)

/* What the run's blocking calls take, and what tidying up after a failure takes. Live as long as
 * the pulse. */
const struct nb_cancel *eng_pulse_run(const struct eng_pulse *p);
const struct nb_cancel *eng_pulse_grace(const struct eng_pulse *p);
/* To be kept alive from now on; NULL: no more. Waits for a refresh that is under way. */
void eng_pulse_set_claim(struct eng_pulse *p, struct repo_claim *claim);
/* The run has failed: sets the run's token. If it failed only because a claim was lost, err
 * becomes that. */
void eng_pulse_fail(struct eng_pulse *p, struct nb_error *err);

#endif
