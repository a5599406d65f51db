#include "base/pace.h"

#include <stdatomic.h>

#include "base/clock.h"

#define NS_PER_MS INT64_C(1000000)

static atomic_uint pace_percent;
static _Atomic uint64_t
    pace_origin_ns; /* when a process that keeps to its share had used nothing */

int64_t nb_pace_debt_ns(unsigned percent, uint64_t cpu_ns, uint64_t now_ns, uint64_t *origin_ns)
{
    /* The CPU time used is worth that much wall time. */
    int64_t worth_ns = (int64_t)((double)cpu_ns * 100.0 / percent);
    int64_t debt_ns = worth_ns - (int64_t)(now_ns - *origin_ns);

    if (debt_ns < -NB_PACE_CREDIT_MS * NS_PER_MS) {
        *origin_ns = now_ns - NB_PACE_CREDIT_MS * NS_PER_MS - (uint64_t)worth_ns;
        return 0;
    }
    return debt_ns > 0 ? debt_ns : 0;
}

void nb_pace_setup(unsigned percent)
{
    atomic_store(&pace_origin_ns, nb_clock_mono_ns());
    atomic_store(&pace_percent, percent);
}

void nb_pace(const struct nb_cancel *cancel)
{
    unsigned percent = atomic_load_explicit(&pace_percent, memory_order_relaxed);
    struct nb_error error = NB_ERROR_INIT;
    uint64_t origin, before;
    int64_t debt_ms;

    if (percent == 0)
        return;
    origin = before = atomic_load(&pace_origin_ns);
    debt_ms = nb_pace_debt_ns(percent, nb_clock_cpu_ns(), nb_clock_mono_ns(), &origin) / NS_PER_MS;
    /* Two threads that move it on at once mean the same. */
    if (origin != before)
        atomic_compare_exchange_strong(&pace_origin_ns, &before, origin);
    if (debt_ms > NB_PACE_SLEEP_MAX_MS)
        debt_ms = NB_PACE_SLEEP_MAX_MS;
    /* Cancelled: whoever called looks at that itself. */
    if (debt_ms > 0 && !nb_cancel_sleep(cancel, debt_ms, &error))
        return;
}
