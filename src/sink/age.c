#include "age/writer.h"
#include "base/mem.h"
#include "sink/sink.h"

struct sink_age {
    struct sink base;
    struct sink *next;
    struct age_writer *writer;
};

static bool age_output(void *ctx, const void *p, size_t n, struct nb_error *err)
{
    return sink_write(((struct sink_age *)ctx)->next, p, n, err);
}

static bool age_write(struct sink *s, const void *p, size_t n, struct nb_error *err)
{
    return age_writer_write(((struct sink_age *)s)->writer, p, n, err);
}

static bool age_finish(struct sink *s, struct nb_error *err)
{
    struct sink_age *a = (struct sink_age *)s;

    return age_writer_finish(a->writer, err) && sink_finish(a->next, err);
}

static void age_free(struct sink *s)
{
    struct sink_age *a = (struct sink_age *)s;

    age_writer_free(a->writer);
    sink_free(a->next);
    free(a);
}

static const struct sink_ops age_ops = { age_write, age_finish, age_free };

bool sink_age_new(const struct age_writer_opts *opts, struct age_keys *keys, struct sink *take_next,
                  struct sink **ret, struct nb_error *err)
{
    struct sink_age *a = NB_NEW(struct sink_age);

    a->base.ops = &age_ops;
    a->next = take_next;
    if (!age_writer_new(opts, age_output, a, &a->writer, err)) {
        age_free(&a->base);
        return false;
    }
    if (keys)
        age_writer_give_key(a->writer, keys);
    *ret = &a->base;
    return true;
}
