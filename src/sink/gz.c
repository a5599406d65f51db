#include "base/mem.h"
#include "gz/writer.h"
#include "sink/sink.h"

struct sink_gz {
    struct sink base;
    struct sink *next;
    struct gz_writer *writer;
};

static bool gz_output(void *ctx, const void *p, size_t n, struct nb_error *err)
{
    return sink_write(((struct sink_gz *)ctx)->next, p, n, err);
}

static bool gz_write(struct sink *s, const void *p, size_t n, struct nb_error *err)
{
    return gz_writer_write(((struct sink_gz *)s)->writer, p, n, err);
}

static bool gz_finish(struct sink *s, struct nb_error *err)
{
    struct sink_gz *g = (struct sink_gz *)s;

    return gz_writer_finish(g->writer, err) && sink_finish(g->next, err);
}

static void gz_free(struct sink *s)
{
    struct sink_gz *g = (struct sink_gz *)s;

    gz_writer_free(g->writer); /* first: its threads call the next */
    sink_free(g->next);
    free(g);
}

static const struct sink_ops gz_ops = { gz_write, gz_finish, gz_free };

bool sink_gz_new(int level, unsigned threads, struct sink *take_next, struct sink **ret,
                 struct nb_error *err)
{
    struct gz_writer_opts opts = { .level = level, .threads = threads, .block_bytes = 0 };
    struct sink_gz *g = NB_NEW(struct sink_gz);

    g->base.ops = &gz_ops;
    g->next = take_next;
    if (!gz_writer_new(&opts, gz_output, g, &g->writer, err)) {
        gz_free(&g->base);
        return false;
    }
    *ret = &g->base;
    return true;
}
