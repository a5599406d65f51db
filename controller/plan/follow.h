#ifndef NB_PLAN_FOLLOW_H
#define NB_PLAN_FOLLOW_H

/*
 * How a Job is followed until all is known that will be known of it, whatever it is for: its log is
 * read, a pod that the stores do not have is looked for, and one that cannot start is given up.
 */

#include "controller/plan/result.h"

/*
 * True: the Job has ended, and its result and log are all there is to conclude from. Else the plan
 * has what brings the rest: the log, or a live look for the pod, or a time to stop waiting for them.
 * log: of the Job's pod; NULL: nothing was heard.
 */
bool plan_follow_end(const struct plan_result *res, const struct api_log *log,
                     const struct plan_fact *facts, size_t fact_count, int64_t now,
                     struct plan_actions *out);
/* Of a Job that waits for its pod. True: it needs a person and had none for an hour; it is deleted
 * by this plan. */
bool plan_follow_gives_up(const struct plan_result *res, int64_t now, struct plan_actions *out);
/* True: what the log says of the progress is newer, and due to be written down (not more often than
 * every ten seconds); *progress has it. */
bool plan_follow_progress(const struct api_log *log, struct api_progress *progress, int64_t now,
                          struct plan_actions *out);

/* What a Job that has not ended waits for. */
struct plan_wait {
    const char *reason;  /* NULL: nothing */
    const char *message; /* for people */
};
/* A pod that does not start for a fault that a person must mend, or what its worker says. */
struct plan_wait plan_follow_wait(const struct plan_result *res, const struct api_log *log,
                                  struct nb_arena *a);
/*
 * Of a Job that the API server did not let be made: fact is REFUSED or DENIED. True: it is given up,
 * at once what was refused, and after an hour what was denied; c (where Waiting is kept) says since
 * when that is. False: it is tried again. *ret: why; its message is the one of before where that
 * says the same.
 */
bool plan_follow_refusal(const struct plan_fact *fact, const struct api_conditions *c, int64_t now,
                         struct plan_wait *ret, struct plan_actions *out);
/* The API server's words as they are to be kept: those of before, when only numbers have changed. A
 * message that is another one with each try would be written, and so tried again, for ever. */
const char *plan_follow_words(const char *before, const char *now);
/* Keeps the condition Waiting, which only those have that had to wait. True: it is to be told; once
 * for each reason, however often it comes and goes. */
bool plan_follow_note(struct api_conditions *c, const struct plan_wait *wait, int64_t generation,
                      int64_t now);

#endif
