#include "engine/chunks.h"

#include <stdlib.h>
#include <string.h>

#include "base/fault.h"
#include "base/hash.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/thread.h"
#include "gz/block.h"

enum { THREADS_MAX = 16 };

struct job {
    struct nb_buf plain;
    size_t index; /* among the chunks */
};

struct eng_chunks {
    struct sink base;
    struct eng_chunks_opts opts;
    struct nb_map *known; /* hash of what it holds -> struct repo_object of the base */
    struct job *job;      /* at hand; NULL: nothing written since the last cut */
    struct nb_queue *queue;
    struct nb_thread *threads[THREADS_MAX];
    size_t threads_n;

    pthread_mutex_t lock; /* of what follows */
    struct repo_object *objects;
    size_t objects_n, objects_cap;
    uint64_t new_bytes;
    bool failed;
    struct nb_error error;
};

/* --- storing: in threads of their own --------------------------------------------------------- */

static bool is_failed(struct eng_chunks *c, struct nb_error *err)
{
    bool failed;

    pthread_mutex_lock(&c->lock);
    failed = c->failed;
    if (failed && err)
        *err = c->error;
    pthread_mutex_unlock(&c->lock);
    return failed;
}

/* The first error wins. */
static void fail(struct eng_chunks *c, const struct nb_error *err)
{
    pthread_mutex_lock(&c->lock);
    if (!c->failed)
        c->error = *err;
    c->failed = true;
    pthread_mutex_unlock(&c->lock);
}

static void note_stored(struct eng_chunks *c, size_t index, const struct repo_object *o,
                        bool is_new)
{
    pthread_mutex_lock(&c->lock);
    c->objects[index] = *o;
    if (is_new)
        c->new_bytes += o->size;
    pthread_mutex_unlock(&c->lock);
    eng_meter_add(&c->opts.meter->uploaded_bytes, o->size);
    atomic_store(&c->opts.meter->waiting, 0);
}

static bool store(struct eng_chunks *c, struct gz_deflater *deflater, const struct job *job,
                  struct nb_error *err)
{
    size_t cap = gz_block_bound(deflater, job->plain.len), n;
    nb_auto(nb_free) char *packed = nb_xmalloc(cap);
    struct repo_object o;
    bool is_new;

    pthread_mutex_lock(&c->lock);
    o = c->objects[job->index];
    pthread_mutex_unlock(&c->lock);
    n = gz_block_deflate(deflater, job->plain.data, job->plain.len, packed, cap);
    if (!nb_fault("chunks.store", err))
        return false;
    if (!repo_chunk_store(c->opts.repo, c->opts.database, packed, n, &o, &is_new, c->opts.cancel,
                          err)) {
        free(o.key);
        return false;
    }
    note_stored(c, job->index, &o, is_new);
    return true;
}

static void job_free(struct job *job)
{
    if (!job)
        return;
    nb_buf_done(&job->plain);
    free(job);
}
NB_AUTO_DEFINE(struct job *, job_free)

static void *work(void *arg)
{
    struct eng_chunks *c = arg;
    nb_auto(gz_deflater_free) struct gz_deflater *deflater = NULL;
    struct nb_error err = NB_ERROR_INIT;

    if (!gz_deflater_new(c->opts.level, &deflater, &err))
        fail(c, &err);
    for (;;) {
        nb_auto(job_free) struct job *job = nb_queue_pop(c->queue);

        if (!job)
            return NULL;
        if (!is_failed(c, NULL) && !store(c, deflater, job, &err))
            fail(c, &err);
    }
}

/* --- cutting ---------------------------------------------------------------------------------- */

/* Without a key until it is stored. */
static bool object_add(struct eng_chunks *c, const struct job *job, size_t *ret_index,
                       struct nb_error *err)
{
    struct repo_object o = { .plain_bytes = job->plain.len };
    uint8_t digest[NB_SHA256_BYTES];

    if (c->objects_n == c->opts.max_chunks)
        return nb_fail(err, NB_E_LIMIT, "TooManyChunks",
                       "an incremental backup of database '%s' has more than %zu chunks; hint: "
                       "take type Full",
                       c->opts.database, c->opts.max_chunks);
    nb_sha256(job->plain.data, job->plain.len, digest);
    nb_hex(digest, sizeof(digest), o.plain_sha256);
    pthread_mutex_lock(&c->lock);
    if (c->objects_n == c->objects_cap) {
        c->objects_cap = c->objects_cap ? 2 * c->objects_cap : 64;
        c->objects = nb_xreallocarray(c->objects, c->objects_cap, sizeof(*c->objects));
    }
    *ret_index = c->objects_n;
    c->objects[c->objects_n++] = o;
    pthread_mutex_unlock(&c->lock);
    return true;
}

/* The base has it: nothing to store. */
static bool is_known(struct eng_chunks *c, size_t index)
{
    struct repo_object *o;
    const struct repo_object *known;

    pthread_mutex_lock(&c->lock);
    o = &c->objects[index];
    known = nb_map_get(c->known, o->plain_sha256, strlen(o->plain_sha256));
    if (known) {
        *o = *known;
        o->key = nb_xstrdup(known->key);
    }
    pthread_mutex_unlock(&c->lock);
    return known != NULL;
}

bool eng_chunks_cut(struct sink *chunks, struct nb_error *err)
{
    struct eng_chunks *c = (struct eng_chunks *)chunks;
    nb_auto(job_free) struct job *job = nb_steal(c->job);

    if (is_failed(c, err))
        return false;
    if (!job)
        return true;
    if (!object_add(c, job, &job->index, err))
        return false;
    if (is_known(c, job->index))
        return true;
    if (!nb_queue_push(c->queue, job))
        return nb_fail(err, NB_E_INTERNAL, "InternalError", "a chunk after the last");
    job = NULL;
    return true;
}

static bool chunks_write(struct sink *s, const void *p, size_t n, struct nb_error *err)
{
    struct eng_chunks *c = (struct eng_chunks *)s;
    const char *from = p;

    while (n > 0) {
        size_t room, take;

        if (!c->job) {
            c->job = NB_NEW(struct job);
            nb_buf_init(&c->job->plain, c->opts.max_bytes);
        }
        room = c->opts.max_bytes - c->job->plain.len;
        take = n < room ? n : room;
        nb_buf_append(&c->job->plain, from, take);
        from += take;
        n -= take;
        if (take == room && !eng_chunks_cut(s, err))
            return false;
    }
    return !is_failed(c, err);
}

/* --- the end ---------------------------------------------------------------------------------- */

static void join(struct eng_chunks *c)
{
    nb_queue_close(c->queue);
    while (c->threads_n > 0)
        nb_thread_join(c->threads[--c->threads_n]);
}

static bool chunks_finish(struct sink *s, struct nb_error *err)
{
    struct eng_chunks *c = (struct eng_chunks *)s;

    if (!eng_chunks_cut(s, err))
        return false;
    join(c);
    return !is_failed(c, err);
}

static void chunks_free(struct sink *s)
{
    struct eng_chunks *c = (struct eng_chunks *)s;
    struct nb_error dropped = NB_ERROR_INIT;

    /* What waits in the queue is not stored any more. */
    if (c->threads_n > 0) {
        nb_fail(&dropped, NB_E_CANCELLED, "Cancelled", "the backup has failed");
        fail(c, &dropped);
    }
    join(c);
    job_free(c->job);
    nb_queue_free(c->queue);
    nb_map_free(c->known);
    for (size_t i = 0; i < c->objects_n; i++)
        free(c->objects[i].key);
    free(c->objects);
    pthread_mutex_destroy(&c->lock);
    free(c);
}

static const struct sink_ops chunks_ops = { chunks_write, chunks_finish, chunks_free };

static void know_base(struct eng_chunks *c)
{
    const struct repo_manifest *m = c->opts.base;

    for (size_t i = 0; m && i < m->objects_n; i++) {
        struct repo_object *o = &m->objects[i];

        if (o->plain_sha256[0] && strstr(o->key, o->plain_sha256))
            nb_map_put(c->known, o->plain_sha256, strlen(o->plain_sha256), o);
    }
}

bool eng_chunks_new(const struct eng_chunks_opts *opts, struct sink **ret, struct nb_error *err)
{
    struct eng_chunks *c = NB_NEW(struct eng_chunks);
    unsigned threads = opts->threads < THREADS_MAX ? opts->threads : THREADS_MAX;

    c->base.ops = &chunks_ops;
    c->opts = *opts;
    if (!c->opts.max_chunks)
        c->opts.max_chunks = ENG_CHUNKS_MAX;
    c->known = nb_map_new(NULL);
    c->queue = nb_queue_new(1);
    c->error = (struct nb_error)NB_ERROR_INIT;
    nb_mutex_init(&c->lock);
    know_base(c);
    while (c->threads_n < threads) {
        if (!nb_thread_start("chunks", work, c, &c->threads[c->threads_n], err)) {
            chunks_free(&c->base);
            return false;
        }
        c->threads_n++;
    }
    *ret = &c->base;
    return true;
}

void eng_chunks_describe(const struct sink *chunks, struct repo_manifest *m)
{
    const struct eng_chunks *c = (const struct eng_chunks *)chunks;

    for (size_t i = 0; i < c->objects_n; i++) {
        struct repo_object *o = repo_manifest_add_object(m, c->objects[i].key);
        char *key = o->key;

        *o = c->objects[i];
        o->key = key;
    }
    m->new_bytes = c->new_bytes;
}
