#include "controller/runtime/project.h"

#include <stdio.h>

enum { PATH_MAX_LEN = 512 };
enum keep { KEEP_NOTHING, KEEP_SOME, KEEP_ALL };

static enum keep keep_of(const char *path, size_t n, const char *const *paths)
{
    enum keep keep = KEEP_NOTHING;

    for (; *paths; paths++) {
        size_t len = strlen(*paths);

        if (len > 0 && (*paths)[len - 1] == '*') {
            if (n >= len - 1 && memcmp(path, *paths, len - 1) == 0)
                return KEEP_ALL;
        } else if (len == n && memcmp(path, *paths, n) == 0) {
            return KEEP_ALL;
        }
        if (len > n && (*paths)[n] == '.' && memcmp(path, *paths, n) == 0)
            keep = KEEP_SOME;
    }
    return keep;
}

static void walk(const struct nb_json *v, char *path, size_t n, const char *const *paths,
                 struct nb_jw *out);

/* As deep as the reader lets a document be: 64. */
// NOLINTNEXTLINE(misc-no-recursion)
static void walk_members(const struct nb_json *v, char *path, size_t n, const char *const *paths,
                         struct nb_jw *out)
{
    const struct nb_json *c;

    nb_jw_object(out);
    for (c = nb_json_first(v); c; c = nb_json_next(c)) {
        const char *key = nb_json_key(c);
        int len = snprintf(path + n, PATH_MAX_LEN - n, "%s%s", n > 0 ? "." : "", key);
        size_t end = n + (size_t)len;
        enum keep keep;

        if (len <= 0 || end >= PATH_MAX_LEN) /* no projection is that long */
            continue;
        keep = keep_of(path, end, paths);
        if (keep != KEEP_NOTHING)
            nb_jw_key(out, key);
        if (keep == KEEP_ALL)
            nb_jw_value(out, c);
        else if (keep == KEEP_SOME)
            walk(c, path, end, paths, out);
    }
    nb_jw_object_end(out);
}

// NOLINTNEXTLINE(misc-no-recursion)
static void walk(const struct nb_json *v, char *path, size_t n, const char *const *paths,
                 struct nb_jw *out)
{
    const struct nb_json *c;

    switch (nb_json_type(v)) {
    case NB_JSON_OBJECT:
        walk_members(v, path, n, paths, out);
        break;
    case NB_JSON_ARRAY:
        nb_jw_array(out);
        for (c = nb_json_first(v); c; c = nb_json_next(c))
            walk(c, path, n, paths, out);
        nb_jw_array_end(out);
        break;
    default: /* the path speaks of members, and there are none */
        nb_jw_null(out);
        break;
    }
}

void ctl_project(const struct nb_json *object, const char *const *paths, struct nb_jw *out)
{
    char path[PATH_MAX_LEN] = "";

    walk(object, path, 0, paths, out);
}
