#include "base/cancel.h"
#include "base/clock.h"
#include "base/mem.h"
#include "sink/sink.h"

/* What may be late is made up for, but never by more than this: a pause is no credit for a
 * burst. */
enum { CREDIT_MS = 1000 };

struct sink_throttle {
    struct sink base;
    struct sink *next;
    const struct nb_cancel *cancel;
    uint64_t bytes_per_second;
    uint64_t bytes; /* since start_ms */
    int64_t start_ms;
};

static bool throttle_write(struct sink *s, const void *p, size_t n, struct nb_error *err)
{
    struct sink_throttle *t = (struct sink_throttle *)s;
    int64_t now = nb_clock_mono_ms();
    int64_t due = t->start_ms + (int64_t)((double)t->bytes * 1000.0 / (double)t->bytes_per_second);

    if (now - due > CREDIT_MS) {
        t->start_ms = now - CREDIT_MS;
        t->bytes = 0;
    } else if (due > now && !nb_cancel_sleep(t->cancel, due - now, err)) {
        return false;
    }
    t->bytes += n;
    return sink_write(t->next, p, n, err);
}

static bool throttle_finish(struct sink *s, struct nb_error *err)
{
    return sink_finish(((struct sink_throttle *)s)->next, err);
}

static void throttle_free(struct sink *s)
{
    sink_free(((struct sink_throttle *)s)->next);
    free(s);
}

static const struct sink_ops throttle_ops = { throttle_write, throttle_finish, throttle_free };

struct sink *sink_throttle_new(uint64_t bytes_per_second, const struct nb_cancel *cancel,
                               struct sink *take_next)
{
    struct sink_throttle *t = NB_NEW(struct sink_throttle);

    t->base.ops = &throttle_ops;
    t->next = take_next;
    t->cancel = cancel;
    t->bytes_per_second = bytes_per_second ? bytes_per_second : 1;
    t->start_ms = nb_clock_mono_ms();
    return &t->base;
}
