#include "base/buf.h"
#include "base/mem.h"
#include "sink/sink.h"

struct sink_buf {
    struct sink base;
    struct nb_buf *out;
};

static bool buf_write(struct sink *s, const void *p, size_t n, struct nb_error *err)
{
    struct nb_buf *out = ((struct sink_buf *)s)->out;

    nb_buf_append(out, p, n);
    return nb_buf_check(out, err);
}

static bool buf_finish(struct sink *s, struct nb_error *err)
{
    (void)s;
    (void)err;
    return true;
}

static void buf_free(struct sink *s)
{
    free(s);
}

static const struct sink_ops buf_ops = { buf_write, buf_finish, buf_free };

struct sink *sink_buf_new(struct nb_buf *out)
{
    struct sink_buf *b = NB_NEW(struct sink_buf);

    b->base.ops = &buf_ops;
    b->out = out;
    return &b->base;
}
