#include "controller/runtime/clock_watch.h"

enum { JUMP_MS = 1000 };

void ctl_clock_watch_init(struct ctl_clock_watch *w, int64_t unix_ms, int64_t mono_ms)
{
    w->offset_ms = unix_ms - mono_ms;
}

bool ctl_clock_watch_take(struct ctl_clock_watch *w, int64_t unix_ms, int64_t mono_ms,
                          int64_t *ret_jump_ms)
{
    int64_t jump = unix_ms - mono_ms - w->offset_ms;

    if (jump <= JUMP_MS && jump >= -JUMP_MS)
        return false;
    w->offset_ms += jump;
    *ret_jump_ms = jump;
    return true;
}
