#include "gz/writer.h"

#include <assert.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/pace.h"
#include "base/thread.h"
#include "gz/adapt.h"
#include "gz/block.h"

/*
 * Blocks form a ring: sequence number s lives in blocks[s % n]. Three counters chase each other
 * round it: output_seq <= work_seq <= fill_seq. A block is the caller's while it fills, then a
 * worker's until compressed, then the drainer's, which is the worker that finds the next block in
 * order ready while nobody else drains.
 */
enum block_state { BLOCK_FREE, BLOCK_QUEUED, BLOCK_BUSY, BLOCK_READY };

struct block {
    enum block_state state;
    char *plain;
    size_t plain_n;
    char *packed;
    size_t packed_n;
};

struct worker {
    struct gz_writer *writer;
    struct gz_deflater *deflater;
    int level; /* of the deflater */
    struct nb_thread *thread;
};

struct gz_writer {
    gz_output_fn *output;
    void *ctx;
    size_t block_bytes, packed_cap;
    struct block *blocks;
    size_t blocks_n;
    struct block *filling; /* the caller's, between two submits */
    struct worker *workers;
    size_t workers_n;
    bool threaded, finished, adaptive;

    pthread_mutex_t lock;
    pthread_cond_t work_cond; /* a block was queued, or the end */
    pthread_cond_t free_cond; /* a block became free, or the writer failed */
    uint64_t fill_seq, work_seq, output_seq;
    bool draining, closing, failed;
    int level; /* of the next block */
    struct gz_adapt adapt;
    uint64_t output_ns,
        adapted_ns; /* in the callback since, and the time of, the last adaptation */
    struct nb_error error;
};

static struct block *block_at(struct gz_writer *w, uint64_t seq)
{
    return &w->blocks[seq % w->blocks_n];
}

/* Lock held. */
static void fail_locked(struct gz_writer *w, const struct nb_error *error)
{
    if (w->failed)
        return;
    w->failed = true;
    w->error = *error;
    pthread_cond_broadcast(&w->work_cond);
    pthread_cond_broadcast(&w->free_cond);
}

/* Lock held; let go of around the callback. */
static void drain_locked(struct gz_writer *w)
{
    if (w->draining)
        return;
    w->draining = true;
    while (!w->failed && !w->closing && block_at(w, w->output_seq)->state == BLOCK_READY) {
        struct block *b = block_at(w, w->output_seq);
        struct nb_error error = NB_ERROR_INIT;
        uint64_t since_ns = nb_clock_mono_ns();
        bool ok;

        pthread_mutex_unlock(&w->lock);
        ok = w->output(w->ctx, b->packed, b->packed_n, &error);
        pthread_mutex_lock(&w->lock);
        w->output_ns += nb_clock_mono_ns() - since_ns;
        if (!ok)
            fail_locked(w, &error);
        b->state = BLOCK_FREE;
        w->output_seq++;
        pthread_cond_signal(&w->free_cond);
    }
    w->draining = false;
}

/* A deflater has one level for life. */
static bool set_level(struct worker *self, int level, struct nb_error *err)
{
    if (self->level == level)
        return true;
    gz_deflater_free(nb_steal(self->deflater));
    self->level = level;
    return gz_deflater_new(level, &self->deflater, err);
}

static void *work(void *arg)
{
    struct worker *self = arg;
    struct gz_writer *w = self->writer;

    pthread_mutex_lock(&w->lock);
    for (;;) {
        struct nb_error error = NB_ERROR_INIT;
        struct block *b;
        int level;
        bool ok;

        while (!w->closing && !w->failed && w->work_seq == w->fill_seq)
            nb_cond_wait(&w->work_cond, &w->lock, INT64_MAX);
        if (w->closing || w->failed)
            break;
        b = block_at(w, w->work_seq++);
        b->state = BLOCK_BUSY;
        level = w->level;
        pthread_mutex_unlock(&w->lock);
        nb_pace(NULL);
        ok = set_level(self, level, &error);
        if (ok)
            b->packed_n =
                gz_block_deflate(self->deflater, b->plain, b->plain_n, b->packed, w->packed_cap);
        pthread_mutex_lock(&w->lock);
        if (!ok) {
            fail_locked(w, &error);
            break;
        }
        b->state = BLOCK_READY;
        drain_locked(w);
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

static bool start(struct gz_writer *w, struct nb_error *err)
{
    for (size_t i = 0; i < w->workers_n; i++) {
        w->workers[i].writer = w;
        w->workers[i].level = w->level;
        if (!gz_deflater_new(w->level, &w->workers[i].deflater, err))
            return false;
    }
    w->packed_cap = gz_block_bound(w->workers[0].deflater, w->block_bytes);
    /* Touched only as far as used: what compresses well leaves most of packed untouched. */
    for (size_t i = 0; i < w->blocks_n; i++) {
        w->blocks[i].plain = nb_xmalloc(w->block_bytes);
        w->blocks[i].packed = nb_xmalloc(w->packed_cap);
    }
    for (size_t i = 0; w->threaded && i < w->workers_n; i++) {
        if (!nb_thread_start("gzip", work, &w->workers[i], &w->workers[i].thread, err))
            return false;
    }
    return true;
}

bool gz_writer_new(const struct gz_writer_opts *opts, gz_output_fn *output, void *ctx,
                   struct gz_writer **ret, struct nb_error *err)
{
    nb_auto(gz_writer_free) struct gz_writer *w = NB_NEW(struct gz_writer);

    assert(opts->threads <= GZ_THREADS_MAX);
    w->output = output;
    w->ctx = ctx;
    w->block_bytes = opts->block_bytes ? opts->block_bytes : GZ_BLOCK_BYTES_DEFAULT;
    w->threaded = opts->threads > 0;
    w->workers_n = w->threaded ? opts->threads : 1;
    w->workers = nb_xcalloc(w->workers_n, sizeof(*w->workers));
    w->blocks_n = w->threaded ? w->workers_n + 2 : 1;
    w->blocks = nb_xcalloc(w->blocks_n, sizeof(*w->blocks));
    nb_mutex_init(&w->lock);
    nb_cond_init(&w->work_cond);
    nb_cond_init(&w->free_cond);
    gz_adapt_init(&w->adapt);
    w->adaptive = w->threaded && opts->level == GZ_LEVEL_ADAPTIVE;
    w->level = opts->level && opts->level != GZ_LEVEL_ADAPTIVE ? opts->level : w->adapt.level;
    w->adapted_ns = nb_clock_mono_ns();
    if (!start(w, err))
        return false;
    *ret = nb_steal(w);
    return true;
}

void gz_writer_free(struct gz_writer *w)
{
    if (!w)
        return;
    pthread_mutex_lock(&w->lock);
    w->closing = true;
    pthread_cond_broadcast(&w->work_cond);
    pthread_mutex_unlock(&w->lock);
    for (size_t i = 0; i < w->workers_n; i++) {
        nb_thread_join(w->workers[i].thread);
        gz_deflater_free(w->workers[i].deflater);
    }
    for (size_t i = 0; i < w->blocks_n; i++) {
        free(w->blocks[i].plain);
        free(w->blocks[i].packed);
    }
    pthread_cond_destroy(&w->work_cond);
    pthread_cond_destroy(&w->free_cond);
    pthread_mutex_destroy(&w->lock);
    free(w->workers);
    free(w->blocks);
    free(w);
}

/* Lock held. */
static void adapt_locked(struct gz_writer *w, bool waited)
{
    uint64_t now_ns = nb_clock_mono_ns();

    gz_adapt_block(&w->adapt, waited, now_ns - w->adapted_ns, w->output_ns);
    w->adapted_ns = now_ns;
    w->output_ns = 0;
    w->level = w->adapt.level;
}

/* The block that the caller fills, once it is free. */
static bool acquire(struct gz_writer *w, struct nb_error *err)
{
    struct block *b = block_at(w, w->fill_seq);
    bool ok, waited;

    pthread_mutex_lock(&w->lock);
    waited = b->state != BLOCK_FREE;
    while (!w->failed && b->state != BLOCK_FREE)
        nb_cond_wait(&w->free_cond, &w->lock, INT64_MAX);
    ok = !w->failed;
    if (w->adaptive)
        adapt_locked(w, waited);
    if (!ok)
        *err = w->error;
    pthread_mutex_unlock(&w->lock);
    if (ok) {
        b->plain_n = 0;
        w->filling = b;
    }
    return ok;
}

static bool submit_inline(struct gz_writer *w, struct block *b, struct nb_error *err)
{
    w->fill_seq++;
    nb_pace(NULL);
    b->packed_n =
        gz_block_deflate(w->workers[0].deflater, b->plain, b->plain_n, b->packed, w->packed_cap);
    if (w->output(w->ctx, b->packed, b->packed_n, err))
        return true;
    w->failed = true;
    w->error = *err;
    return false;
}

static bool submit(struct gz_writer *w, struct nb_error *err)
{
    struct block *b = nb_steal(w->filling);

    if (!w->threaded)
        return submit_inline(w, b, err);
    pthread_mutex_lock(&w->lock);
    b->state = BLOCK_QUEUED;
    w->fill_seq++;
    pthread_cond_signal(&w->work_cond);
    pthread_mutex_unlock(&w->lock);
    return true;
}

bool gz_writer_write(struct gz_writer *w, const void *p, size_t n, struct nb_error *err)
{
    const char *at = p;

    assert(!w->finished);
    while (n > 0) {
        size_t k;

        if (!w->filling && !acquire(w, err))
            return false;
        k = w->block_bytes - w->filling->plain_n;
        if (k > n)
            k = n;
        memcpy(w->filling->plain + w->filling->plain_n, at, k);
        w->filling->plain_n += k;
        at += k;
        n -= k;
        if (w->filling->plain_n == w->block_bytes && !submit(w, err))
            return false;
    }
    return true;
}

static bool wait_all(struct gz_writer *w, struct nb_error *err)
{
    bool ok;

    pthread_mutex_lock(&w->lock);
    while (w->threaded && !w->failed && w->output_seq != w->fill_seq)
        nb_cond_wait(&w->free_cond, &w->lock, INT64_MAX);
    ok = !w->failed;
    if (!ok)
        *err = w->error;
    pthread_mutex_unlock(&w->lock);
    return ok;
}

bool gz_writer_finish(struct gz_writer *w, struct nb_error *err)
{
    assert(!w->finished);
    w->finished = true;
    if (w->fill_seq == 0 && !w->filling && !acquire(w, err))
        return false;
    if (w->filling && !submit(w, err))
        return false;
    return wait_all(w, err);
}
