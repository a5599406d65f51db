#ifndef NB_BASE_CLEANUP_H
#define NB_BASE_CLEANUP_H

/*
 * Ownership by scope: `nb_auto(x_free) struct x *p = NULL;` frees p when the scope ends, whichever
 * way it ends; `return nb_steal(p);` or `*ret = nb_steal(p);` hands it over instead.
 * Each type that may be owned this way says NB_AUTO_DEFINE(struct x *, x_free) below its free
 * function. x_free(NULL) must be fine. Never beside goto in one function.
 */

#include <stdlib.h>

#define NB_AUTO_DEFINE(type, fn)                                                                   \
    static inline __attribute__((unused)) void fn##_auto(type *p)                                  \
    {                                                                                              \
        if (*p)                                                                                    \
            fn(*p);                                                                                \
    }

/* For structs that live in place: `nb_auto_done(nb_buf_done) struct nb_buf b = ...;` */
#define NB_AUTO_DONE_DEFINE(type, fn)                                                              \
    static inline __attribute__((unused)) void fn##_auto_done(type *p)                             \
    {                                                                                              \
        fn(p);                                                                                     \
    }

#define nb_auto(fn)      __attribute__((cleanup(fn##_auto)))
#define nb_auto_done(fn) __attribute__((cleanup(fn##_auto_done)))

#define nb_steal(p)                                                                                \
    (__extension__({                                                                               \
        __typeof__(p) nb_stolen_ = (p);                                                            \
        (p) = NULL;                                                                                \
        nb_stolen_;                                                                                \
    }))

static inline __attribute__((unused)) void nb_free(void *p)
{
    free(p);
}
/* nb_auto(nb_free) works on any object pointer: char *, void *, struct x *. */
static inline __attribute__((unused)) void nb_free_auto(void *p)
{
    void *q;

    __builtin_memcpy(&q, p, sizeof(q));
    free(q);
}

/* nb_auto_fd int fd = -1; */
void nb_close_fd(int *fd);
static inline __attribute__((unused)) int nb_steal_fd(int *fd)
{
    int stolen = *fd;

    *fd = -1;
    return stolen;
}
#define nb_auto_fd __attribute__((cleanup(nb_close_fd)))

#endif
