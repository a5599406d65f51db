#ifndef NB_GZ_ADAPT_H
#define NB_GZ_ADAPT_H

/*
 * gz_adapt: which level suits, when neither the CPU nor the network should wait for the other.
 *
 * After each block it is told whether the source had to wait for room, and how much of the time
 * went into the output. Over a window of blocks: the source waits and the output is busy most of
 * the time: bytes are dear, a level up. The source waits for the compression: CPU is dear, a level
 * down. The source is the slow one: back towards the default. Pure; no clock, no threads.
 */

#include <stdbool.h>
#include <stdint.h>

enum { GZ_ADAPT_WINDOW_BLOCKS = 8 };

struct gz_adapt {
    int level; /* what the next block is to have */
    unsigned blocks, waited;
    uint64_t elapsed_ns, output_ns;
};

void gz_adapt_init(struct gz_adapt *a);
/* elapsed_ns: since the last call; output_ns: the part of it that was spent in the output. */
void gz_adapt_block(struct gz_adapt *a, bool waited, uint64_t elapsed_ns, uint64_t output_ns);

#endif
