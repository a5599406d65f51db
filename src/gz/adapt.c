#include "gz/adapt.h"

#include "gz/block.h"

void gz_adapt_init(struct gz_adapt *a)
{
    *a = (struct gz_adapt){ .level = GZ_LEVEL_DEFAULT };
}

static int step(const struct gz_adapt *a)
{
    if (a->waited * 2 < a->blocks)
        return a->level < GZ_LEVEL_DEFAULT ? 1 : a->level > GZ_LEVEL_DEFAULT ? -1 : 0;
    return a->output_ns * 2 > a->elapsed_ns ? 1 : -1;
}

void gz_adapt_block(struct gz_adapt *a, bool waited, uint64_t elapsed_ns, uint64_t output_ns)
{
    a->blocks++;
    a->waited += waited;
    a->elapsed_ns += elapsed_ns;
    a->output_ns += output_ns;
    if (a->blocks < GZ_ADAPT_WINDOW_BLOCKS)
        return;
    a->level += step(a);
    if (a->level < GZ_LEVEL_MIN)
        a->level = GZ_LEVEL_MIN;
    if (a->level > GZ_LEVEL_MAX)
        a->level = GZ_LEVEL_MAX;
    *a = (struct gz_adapt){ .level = a->level };
}
