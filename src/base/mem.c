#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fatal.h"

void nb_close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static void *must(void *p)
{
    if (!p)
        nb_fatal("out of memory");
    return p;
}

void *nb_xmalloc(size_t size)
{
    return must(malloc(size ? size : 1));
}

void *nb_xcalloc(size_t count, size_t size)
{
    return must(count && size ? calloc(count, size) : calloc(1, 1));
}

void *nb_xrealloc(void *p, size_t size)
{
    return must(realloc(p, size ? size : 1));
}

void *nb_xreallocarray(void *p, size_t count, size_t size)
{
    size_t total;

    if (__builtin_mul_overflow(count, size, &total))
        nb_fatal("array size overflow");
    return nb_xrealloc(p, total);
}

char *nb_xstrdup(const char *s)
{
    return nb_xstrndup(s, strlen(s));
}

char *nb_xstrdup_null(const char *s)
{
    return s ? nb_xstrdup(s) : NULL;
}

char *nb_xstrndup(const char *s, size_t n)
{
    char *p;

    n = strnlen(s, n);
    p = nb_xmalloc(n + 1);
    memcpy(p, s, n);
    p[n] = '\0';
    return p;
}

char *nb_xasprintf(const char *fmt, ...)
{
    char *p = NULL;
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vasprintf(&p, fmt, ap);
    va_end(ap);
    return must(n < 0 ? NULL : p);
}

void *nb_try_alloc(size_t size, size_t limit, struct nb_error *err)
{
    void *p;

    if (size > limit) {
        nb_fail(err, NB_E_LIMIT, "SizeLimit", "size of %zu bytes is above the limit of %zu", size,
                limit);
        return NULL;
    }
    p = malloc(size ? size : 1);
    if (!p)
        nb_fail(err, NB_E_LIMIT, "OutOfMemory", "memory is out: %zu bytes wanted", size);
    return p;
}
