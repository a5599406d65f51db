#include <stdatomic.h>

#include "base/mem.h"
#include "sink/sink.h"

struct sink_count {
    struct sink base;
    struct sink *next;
    _Atomic uint64_t bytes;
};

static bool count_write(struct sink *s, const void *p, size_t n, struct nb_error *err)
{
    struct sink_count *c = (struct sink_count *)s;

    if (!sink_write(c->next, p, n, err))
        return false;
    atomic_fetch_add_explicit(&c->bytes, n, memory_order_relaxed);
    return true;
}

static bool count_finish(struct sink *s, struct nb_error *err)
{
    return sink_finish(((struct sink_count *)s)->next, err);
}

static void count_free(struct sink *s)
{
    sink_free(((struct sink_count *)s)->next);
    free(s);
}

static const struct sink_ops count_ops = { count_write, count_finish, count_free };

struct sink *sink_count_new(struct sink *take_next)
{
    struct sink_count *c = NB_NEW(struct sink_count);

    c->base.ops = &count_ops;
    c->next = take_next;
    return &c->base;
}

uint64_t sink_count_bytes(const struct sink *count)
{
    return atomic_load_explicit(&((const struct sink_count *)count)->bytes, memory_order_relaxed);
}
