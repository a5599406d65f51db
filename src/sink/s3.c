#include "sink/s3.h"

#include <string.h>

#include "base/mem.h"

struct sink_s3 {
    struct sink base;
    struct sink_s3_opts opts;
    struct s3_upload *upload;
    struct sink_s3_object *objects;
    size_t objects_n;
};

static void s3_free(struct sink *s)
{
    struct sink_s3 *t = (struct sink_s3 *)s;

    s3_upload_free(t->upload);
    for (size_t i = 0; i < t->objects_n; i++)
        free(t->objects[i].key);
    free(t->objects);
    free(t);
}

static bool begin_object(struct sink_s3 *t, struct nb_error *err)
{
    char key[S3_KEY_MAX + 1];
    struct sink_s3_object *object;

    if (t->objects_n == SINK_S3_OBJECTS_MAX)
        return nb_fail(err, NB_E_LIMIT, "TooManyObjects", "the stream needs more than %d objects",
                       SINK_S3_OBJECTS_MAX);
    if (!t->opts.key(t->opts.key_ctx, (unsigned)t->objects_n + 1, key, err) ||
        !s3_upload_new(t->opts.client, key, &t->opts.upload, t->opts.cancel, &t->upload, err))
        return false;
    t->objects = nb_xreallocarray(t->objects, t->objects_n + 1, sizeof(*t->objects));
    object = &t->objects[t->objects_n++];
    memset(object, 0, sizeof(*object));
    object->key = nb_xstrdup(key);
    return true;
}

static bool commit_object(struct sink_s3 *t, struct nb_error *err)
{
    struct sink_s3_object *object = &t->objects[t->objects_n - 1];

    if (!s3_upload_commit(t->upload, &object->stored, err))
        return false;
    s3_upload_free(nb_steal(t->upload));
    return true;
}

static bool s3_write(struct sink *s, const void *p, size_t n, struct nb_error *err)
{
    struct sink_s3 *t = (struct sink_s3 *)s;
    const char *at = p;

    while (n > 0) {
        uint64_t room = s3_upload_room_bytes(t->upload);
        size_t k = room < n ? (size_t)room : n;

        if (k == 0) {
            if (!commit_object(t, err) || !begin_object(t, err))
                return false;
            continue;
        }
        if (!s3_upload_write(t->upload, at, k, err))
            return false;
        at += k;
        n -= k;
    }
    return true;
}

static bool s3_finish(struct sink *s, struct nb_error *err)
{
    return commit_object((struct sink_s3 *)s, err);
}

static const struct sink_ops s3_ops = { s3_write, s3_finish, s3_free };

bool sink_s3_new(const struct sink_s3_opts *opts, struct sink **ret, struct nb_error *err)
{
    struct sink_s3 *t = NB_NEW(struct sink_s3);

    t->base.ops = &s3_ops;
    t->opts = *opts;
    if (!begin_object(t, err)) {
        s3_free(&t->base);
        return false;
    }
    *ret = &t->base;
    return true;
}

const struct sink_s3_object *sink_s3_objects(const struct sink *s3, size_t *ret_n)
{
    const struct sink_s3 *t = (const struct sink_s3 *)s3;

    *ret_n = t->objects_n;
    return t->objects;
}
