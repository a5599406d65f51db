#include "controller/runtime/pack.h"

#include <pthread.h>

#include "gz/block.h"

enum {
    PACK_MIN = 512, /* shorter texts hardly shrink */
    PACK_LEVEL = 6
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct gz_deflater *deflater;
static unsigned holders;

void ctl_pack_hold(void)
{
    pthread_mutex_lock(&lock);
    holders++;
    pthread_mutex_unlock(&lock);
}

void ctl_pack_release(void)
{
    pthread_mutex_lock(&lock);
    if (--holders == 0) {
        gz_deflater_free(deflater);
        deflater = NULL;
    }
    pthread_mutex_unlock(&lock);
}

/* Lock held. False: there is no memory for it. */
static bool deflate(const struct nb_buf *text, struct nb_buf *out)
{
    struct nb_error ignored = NB_ERROR_INIT;
    size_t cap;
    char *at;

    if (!deflater && !gz_deflater_new(PACK_LEVEL, &deflater, &ignored))
        return false;
    cap = gz_block_bound(deflater, text->len);
    at = nb_buf_reserve(out, cap);
    if (at)
        out->len = gz_block_deflate(deflater, text->data, text->len, at, cap);
    return at != NULL;
}

bool ctl_pack(struct nb_buf *text)
{
    struct nb_buf out = NB_BUF_INIT(text->max + 1024);
    bool shorter;

    if (text->len < PACK_MIN)
        return false;
    pthread_mutex_lock(&lock);
    shorter = deflate(text, &out) && out.len < text->len;
    pthread_mutex_unlock(&lock);
    if (!shorter) {
        nb_buf_done(&out);
        return false;
    }
    nb_buf_done(text);
    *text = out;
    return true;
}
