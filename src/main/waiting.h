#ifndef NB_MAIN_WAITING_H
#define NB_MAIN_WAITING_H

/*
 * Log lines that say what the worker waits for, and that it is there (docs/worker-environment.md, the
 * events `waiting` and `waitingOver`): the controller shows them while the wait goes on. Any thread.
 */

#include <stdint.h>

#include "base/error.h"

enum waiting_what { WAITING_NEO4J, WAITING_STORAGE, WAITING_SECRET };

/* One line a try; the controller tells what is new from what is not. */
void waiting_say(enum waiting_what what, const struct nb_error *why);
/* Where no progress follows that would say so. */
void waiting_over(enum waiting_what what);
/* What an engine's hook `waiting` is told: Neo4j or the bucket is away, or another fault that trying
 * again mends. */
void waiting_say_engine(const struct nb_error *why);
/* A line for people, and no event: where nothing would say that the wait is over. */
void waiting_say_try(const struct nb_error *why, int64_t wait_ms);
/* What an S3 client's on_retry is told: one answer that went wrong is nothing to wait for. */
void waiting_say_retry(const struct nb_error *why, int64_t wait_ms);

#endif
