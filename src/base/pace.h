#ifndef NB_BASE_PACE_H
#define NB_BASE_PACE_H

/*
 * A limit on the CPU time that this process uses: its own CPU clock is held against the wall clock,
 * and whoever calls nb_pace() before a piece of work sleeps while the process is ahead of its
 * share. It needs no right and no cgroup, and counts all threads, start-up included. It is an
 * average: a piece of work (a network buffer, a block to compress) runs at full speed, and is paid
 * for afterwards; unused time is credit for no more than NB_PACE_CREDIT_MS.
 *
 * One limit a process, set before threads start; nb_pace() may be called by any thread. Without a
 * limit it costs one load. It limits nobody else: what it asks of a server is only spread over a
 * longer time.
 */

#include "base/cancel.h"

enum { NB_PACE_CREDIT_MS = 500, NB_PACE_SLEEP_MAX_MS = 5000 };

/* percent of one CPU (200: two of them); 0: no limit. */
void nb_pace_setup(unsigned percent);
/* Sleeps as long as it must, at most NB_PACE_SLEEP_MAX_MS at a time, less once cancel is set. */
void nb_pace(const struct nb_cancel *cancel);

/* The pure part: how long to sleep. origin_ns is moved on where credit is beyond its limit. */
int64_t nb_pace_debt_ns(unsigned percent, uint64_t cpu_ns, uint64_t now_ns, uint64_t *origin_ns);

#endif
