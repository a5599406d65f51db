#include "net/mem.h"

#include "base/mem.h"

struct mem {
    struct net_stream base;
    struct net_mem_opts opts;
    size_t pos, written;
};

static bool mem_read(struct net_stream *s, void *p, size_t n, int64_t timeout_ms,
                     const struct nb_cancel *cancel, size_t *ret, struct nb_error *err)
{
    struct mem *m = (struct mem *)s;
    size_t left = m->opts.input_n - m->pos;

    (void)timeout_ms;
    if (!nb_cancel_check(cancel, err))
        return false;
    if (left == 0 && m->opts.stall)
        return nb_fail(err, NB_E_TIMEOUT, "Timeout", "no data in time");
    if (n > left)
        n = left;
    if (m->opts.step && n > m->opts.step)
        n = m->opts.step;
    if (n > 0)
        memcpy(p, (const char *)m->opts.input + m->pos, n);
    m->pos += n;
    *ret = n;
    return true;
}

static bool mem_write(struct net_stream *s, const void *p, size_t n, int64_t timeout_ms,
                      const struct nb_cancel *cancel, struct nb_error *err)
{
    struct mem *m = (struct mem *)s;

    (void)timeout_ms;
    if (!nb_cancel_check(cancel, err))
        return false;
    if (m->opts.write_limit && n > m->opts.write_limit - m->written)
        return nb_fail(err, NB_E_UNAVAILABLE, "ConnectionLost",
                       "write to the peer: connection reset by peer");
    m->written += n;
    if (m->opts.output)
        nb_buf_append(m->opts.output, p, n);
    return true;
}

static void mem_free(struct net_stream *s)
{
    free(s);
}

static const struct net_stream_ops mem_ops = { mem_read, mem_write, mem_free };

struct net_stream *net_mem_new(const struct net_mem_opts *opts)
{
    struct mem *m = NB_NEW(struct mem);

    m->base.ops = &mem_ops;
    m->opts = *opts;
    return &m->base;
}
