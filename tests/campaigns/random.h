#ifndef NB_TESTS_CAMPAIGNS_RANDOM_H
#define NB_TESTS_CAMPAIGNS_RANDOM_H

/* splitmix64 (Vigna, public domain): the same numbers from the same seed, everywhere. */

#include <stdint.h>

struct rnd {
    uint64_t state;
};

/* The generator of one case of a campaign. */
static inline struct rnd rnd_of_case(uint64_t number)
{
    return (struct rnd){ number * UINT64_C(0xd1342543de82ef95) + 1 };
}

static inline uint64_t rnd_next(struct rnd *r)
{
    uint64_t z = (r->state += UINT64_C(0x9e3779b97f4a7c15));

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static inline uint64_t rnd_below(struct rnd *r, uint64_t n)
{
    return rnd_next(r) % n;
}

static inline unsigned rnd_between(struct rnd *r, unsigned min, unsigned max)
{
    return min + (unsigned)rnd_below(r, (uint64_t)max - min + 1);
}

#endif
