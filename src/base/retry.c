#include "base/retry.h"

#include "base/clock.h"
#include "base/hash.h"

int64_t nb_retry_delay_ms(const struct nb_retry *r, int64_t retry_after_ms, uint32_t rnd)
{
    int64_t limit = r->base_ms < r->cap_ms ? r->base_ms : r->cap_ms;
    int64_t delay;

    for (unsigned i = 0; i < r->tries && limit < r->cap_ms; i++)
        limit = limit > r->cap_ms / 2 ? r->cap_ms : limit * 2;
    /* limit * rnd / 2^32 in two halves, so that no product overflows. */
    delay = (limit >> 32) * (int64_t)rnd + (((limit & UINT32_MAX) * (int64_t)(rnd >> 1)) >> 31);
    if (retry_after_ms > NB_RETRY_AFTER_MAX_MS)
        retry_after_ms = NB_RETRY_AFTER_MAX_MS;
    if (delay < retry_after_ms)
        delay = retry_after_ms;
    return delay;
}

bool nb_retry_again(struct nb_retry *r, const struct nb_cancel *cancel, struct nb_error *err)
{
    struct nb_error stop = NB_ERROR_INIT;
    uint32_t rnd;
    int64_t delay, now;

    if (!nb_error_is_transient(err))
        return false;
    nb_random_bytes(&rnd, sizeof(rnd));
    delay = nb_retry_delay_ms(r, err->retry_after_ms, rnd);
    r->tries++;
    if (r->max_tries && r->tries >= r->max_tries)
        return false;
    now = nb_clock_mono_ms();
    if (r->deadline_mono_ms != INT64_MAX &&
        (delay > r->deadline_mono_ms || now > r->deadline_mono_ms - delay))
        return false;
    if (!nb_cancel_sleep(cancel, delay, &stop)) {
        *err = stop;
        return false;
    }
    nb_error_clear(err);
    return true;
}
