#include "s3/upload.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/thread.h"

enum {
    UPLOAD_WORKERS_DEFAULT = 2,
    UPLOAD_WORKERS_MAX = 16,
    UPLOAD_BUFFERS_MAX = 17,
    UPLOAD_META_MAX = 16,
    UPLOAD_LOOK_MS = 200
};

struct part_buffer {
    char *data;
    size_t n;
    unsigned number;
};

struct s3_upload {
    struct s3_client *client;
    char *key, *content_type;
    struct s3_pair meta[UPLOAD_META_MAX];
    char *meta_texts[2 * UPLOAD_META_MAX]; /* what meta points to */
    size_t meta_n, part_bytes;
    unsigned workers_max, max_parts;
    struct s3_upload_opts opts; /* for its callbacks only */
    const struct nb_cancel *cancel;
    struct nb_cancel *stop; /* ours: ends the workers' calls when the upload is given up */

    /* The writing thread's own: */
    struct part_buffer *current;
    struct nb_sha256 *sha256;
    uint64_t written;
    unsigned parts_sent; /* handed to the workers */
    char *upload_id;
    bool ended, stored;
    struct nb_thread *threads[UPLOAD_WORKERS_MAX];
    unsigned threads_n;
    struct part_buffer buffers[UPLOAD_BUFFERS_MAX];
    unsigned buffers_n;

    pthread_mutex_t lock; /* of all below */
    pthread_cond_t changed;
    struct part_buffer *free_list[UPLOAD_BUFFERS_MAX];
    unsigned free_n;
    struct part_buffer *waiting[UPLOAD_BUFFERS_MAX]; /* first in, first out */
    unsigned waiting_n, busy;
    struct s3_part *parts;
    size_t parts_cap;
    uint64_t stored_bytes;
    bool closing, failed;
    struct nb_error error; /* the first */
};

/* ---- workers ---- */

static void fail_first(struct s3_upload *up, const struct nb_error *err)
{
    if (!up->failed) {
        up->failed = true;
        up->error = *err;
        nb_cancel_set(up->stop);
    }
}

/* Locked. NULL: time to go. */
static struct part_buffer *take_waiting(struct s3_upload *up)
{
    struct part_buffer *b;

    while (up->waiting_n == 0 && !up->closing)
        nb_cond_wait(&up->changed, &up->lock, INT64_MAX);
    if (up->waiting_n == 0)
        return NULL;
    b = up->waiting[0];
    up->waiting_n--;
    for (unsigned i = 0; i < up->waiting_n; i++)
        up->waiting[i] = up->waiting[i + 1];
    up->busy++;
    return b;
}

static void *worker_run(void *arg)
{
    struct s3_upload *up = arg;
    struct part_buffer *b;

    pthread_mutex_lock(&up->lock);
    while ((b = take_waiting(up))) {
        struct s3_part part = { .size = 0 };
        struct nb_error err = NB_ERROR_INIT;
        bool ok = !up->failed, skip = up->failed;
        uint64_t stored = 0;

        pthread_mutex_unlock(&up->lock);
        if (!skip)
            ok = s3_multipart_put(up->client, up->key, up->upload_id, b->number, b->data, b->n,
                                  up->stop, &part, &err);
        pthread_mutex_lock(&up->lock);
        if (ok) {
            up->parts[b->number - 1] = part;
            up->stored_bytes += part.size;
            stored = up->stored_bytes;
        } else if (!skip) {
            fail_first(up, &err);
        }
        up->free_list[up->free_n++] = b;
        up->busy--;
        pthread_cond_broadcast(&up->changed);
        if (ok && up->opts.on_progress) {
            pthread_mutex_unlock(&up->lock);
            up->opts.on_progress(up->opts.ctx, stored);
            pthread_mutex_lock(&up->lock);
        }
    }
    pthread_mutex_unlock(&up->lock);
    return NULL;
}

static void workers_end(struct s3_upload *up)
{
    pthread_mutex_lock(&up->lock);
    up->closing = true;
    pthread_cond_broadcast(&up->changed);
    pthread_mutex_unlock(&up->lock);
    for (unsigned i = 0; i < up->threads_n; i++)
        nb_thread_join(up->threads[i]);
    up->threads_n = 0;
}

static bool worker_start(struct s3_upload *up, struct nb_error *err)
{
    char name[16];

    if (up->threads_n == up->workers_max || up->threads_n >= up->parts_sent)
        return true;
    snprintf(name, sizeof(name), "s3-upload-%u", up->threads_n % 100);
    if (!nb_thread_start(name, worker_run, up, &up->threads[up->threads_n], err))
        return up->threads_n > 0; /* fewer will do */
    up->threads_n++;
    return true;
}

/* ---- the writing thread ---- */

static bool give_error(const struct s3_upload *up, struct nb_error *err)
{
    *err = up->error;
    return false;
}

/* Waits, locked, for a change, and looks at the caller's token meanwhile. */
static bool wait_change(struct s3_upload *up, struct nb_error *err)
{
    struct nb_error cancelled = NB_ERROR_INIT;

    if (!up->failed && !nb_cancel_check(up->cancel, &cancelled))
        fail_first(up, &cancelled);
    if (up->failed)
        return give_error(up, err);
    nb_cond_wait(&up->changed, &up->lock, nb_clock_mono_ms() + UPLOAD_LOOK_MS);
    return true;
}

static bool buffer_take(struct s3_upload *up, struct nb_error *err)
{
    bool ok = true;

    if (up->current)
        return true;
    pthread_mutex_lock(&up->lock);
    while (ok && up->free_n == 0 && up->buffers_n == up->workers_max + 1)
        ok = wait_change(up, err);
    if (ok && up->failed)
        ok = give_error(up, err);
    if (ok && up->free_n > 0)
        up->current = up->free_list[--up->free_n];
    pthread_mutex_unlock(&up->lock);
    if (!ok)
        return false;
    if (!up->current) {
        up->current = &up->buffers[up->buffers_n++];
        up->current->data = nb_xmalloc(up->part_bytes);
    }
    up->current->n = 0;
    return true;
}

static void put_opts(const struct s3_upload *up, struct s3_put_opts *o)
{
    *o = (struct s3_put_opts){ .content_type = up->content_type,
                               .meta = up->meta,
                               .meta_n = up->meta_n };
}

static bool begin_multipart(struct s3_upload *up, struct nb_error *err)
{
    nb_auto(nb_free) char *id = NULL;
    struct s3_put_opts o;

    if (up->upload_id)
        return true;
    put_opts(up, &o);
    id = nb_xmalloc(S3_UPLOAD_ID_MAX);
    if (!s3_multipart_create(up->client, up->key, &o, up->cancel, id, err))
        return false;
    up->upload_id = nb_steal(id);
    return !up->opts.on_created || up->opts.on_created(up->opts.ctx, up->key, up->upload_id, err);
}

static void parts_grow(struct s3_upload *up)
{
    if (up->parts_sent <= up->parts_cap)
        return;
    up->parts_cap = up->parts_cap ? 2 * up->parts_cap : 64;
    up->parts = nb_xreallocarray(up->parts, up->parts_cap, sizeof(*up->parts));
}

/* Hands the current part to the workers. */
static bool part_send(struct s3_upload *up, struct nb_error *err)
{
    if (up->parts_sent == up->max_parts)
        return nb_fail(err, NB_E_LIMIT, "TooManyParts", "'%s' is longer than %u parts of %zu bytes",
                       up->key, up->max_parts, up->part_bytes);
    if (!begin_multipart(up, err))
        return false;
    pthread_mutex_lock(&up->lock);
    up->current->number = ++up->parts_sent;
    parts_grow(up);
    up->waiting[up->waiting_n++] = nb_steal(up->current);
    pthread_cond_broadcast(&up->changed);
    pthread_mutex_unlock(&up->lock);
    return worker_start(up, err);
}

static void meta_copy(struct s3_upload *up, const struct s3_upload_opts *o)
{
    for (size_t i = 0; i < o->meta_n; i++) {
        up->meta_texts[2 * i] = nb_xstrdup(o->meta[i].name);
        up->meta_texts[2 * i + 1] = nb_xstrdup(o->meta[i].value);
        up->meta[i] = (struct s3_pair){ up->meta_texts[2 * i], up->meta_texts[2 * i + 1] };
    }
    up->meta_n = o->meta_n;
}

bool s3_upload_new(struct s3_client *client, const char *key, const struct s3_upload_opts *o,
                   const struct nb_cancel *cancel, struct s3_upload **ret, struct nb_error *err)
{
    static const struct s3_upload_opts none = { 0 };
    struct s3_upload *up;

    if (!o)
        o = &none;
    if (!key[0] || strlen(key) > S3_KEY_MAX)
        return nb_fail(err, NB_E_INVALID, "InvalidName", "a key must have 1 to %d bytes",
                       S3_KEY_MAX);
    if (o->part_bytes && o->part_bytes < S3_PART_BYTES_MIN)
        return nb_fail(err, NB_E_INVALID, "InvalidStorage",
                       "a part size of %zu bytes is below the least of %d", o->part_bytes,
                       S3_PART_BYTES_MIN);
    assert(o->meta_n <= UPLOAD_META_MAX);
    up = NB_NEW(struct s3_upload);
    up->client = client;
    up->key = nb_xstrdup(key);
    up->content_type = nb_xstrdup_null(o->content_type);
    meta_copy(up, o);
    up->part_bytes = o->part_bytes ? o->part_bytes : S3_PART_BYTES_DEFAULT;
    up->workers_max = o->workers ? o->workers : UPLOAD_WORKERS_DEFAULT;
    if (up->workers_max > UPLOAD_WORKERS_MAX)
        up->workers_max = UPLOAD_WORKERS_MAX;
    up->max_parts = o->max_parts && o->max_parts < S3_PARTS_MAX ? o->max_parts : S3_PARTS_MAX;
    up->opts = *o;
    up->cancel = cancel;
    up->stop = nb_cancel_new();
    up->sha256 = nb_sha256_new();
    nb_mutex_init(&up->lock);
    nb_cond_init(&up->changed);
    *ret = up;
    return true;
}

void s3_upload_free(struct s3_upload *up)
{
    struct nb_error ignored = NB_ERROR_INIT;

    if (!up)
        return;
    nb_cancel_set(up->stop);
    workers_end(up);
    /* Parts that stay would be paid for. Not bound to the caller's token, which may well be why we
     * are here. */
    if (up->upload_id && !up->stored &&
        !s3_multipart_abort(up->client, up->key, up->upload_id, NULL, &ignored))
        nb_error_clear(&ignored);
    for (unsigned i = 0; i < up->buffers_n; i++)
        free(up->buffers[i].data);
    for (size_t i = 0; i < 2 * up->meta_n; i++)
        free(up->meta_texts[i]);
    pthread_cond_destroy(&up->changed);
    pthread_mutex_destroy(&up->lock);
    nb_cancel_free(up->stop);
    nb_sha256_free(up->sha256);
    free(up->parts);
    free(up->upload_id);
    free(up->content_type);
    free(up->key);
    free(up);
}

bool s3_upload_write(struct s3_upload *up, const void *data, size_t n, struct nb_error *err)
{
    const char *p = data;

    assert(!up->ended);
    while (n > 0) {
        size_t room, take;

        if (up->current && up->current->n == up->part_bytes && !part_send(up, err))
            return nb_wrap(err, "upload '%s'", up->key);
        if (!buffer_take(up, err))
            return nb_wrap(err, "upload '%s'", up->key);
        room = up->part_bytes - up->current->n;
        take = n < room ? n : room;
        memcpy(up->current->data + up->current->n, p, take);
        nb_sha256_update(up->sha256, p, take);
        up->current->n += take;
        up->written += take;
        p += take;
        n -= take;
    }
    return true;
}

uint64_t s3_upload_room_bytes(const struct s3_upload *up)
{
    return (uint64_t)up->max_parts * up->part_bytes - up->written;
}

unsigned s3_upload_parts_left(const struct s3_upload *up)
{
    return up->max_parts - up->parts_sent - (up->current ? 1 : 0);
}

uint64_t s3_upload_written_bytes(const struct s3_upload *up)
{
    return up->written;
}

/* ---- the end ---- */

static bool put_whole(struct s3_upload *up, struct s3_object *ret, char want[S3_ETAG_MAX],
                      struct nb_error *err)
{
    struct s3_put_opts o;
    const char *data = up->current ? up->current->data : "";
    size_t n = up->current ? up->current->n : 0;
    uint8_t md5[NB_MD5_BYTES];
    char hex[2 * NB_MD5_BYTES + 1];

    put_opts(up, &o);
    o.if_none_match = true;
    nb_md5(data, n, md5);
    nb_hex(md5, sizeof(md5), hex);
    snprintf(want, S3_ETAG_MAX, "\"%s\"", hex);
    if (!s3_put(up->client, up->key, data, n, &o, up->cancel, ret, err))
        return false;
    if (n > 0 && up->opts.on_progress)
        up->opts.on_progress(up->opts.ctx, n);
    return true;
}

static bool wait_parts(struct s3_upload *up, struct nb_error *err)
{
    bool ok = true;

    pthread_mutex_lock(&up->lock);
    while (ok && (up->waiting_n > 0 || up->busy > 0))
        ok = wait_change(up, err);
    if (ok && up->failed)
        ok = give_error(up, err);
    pthread_mutex_unlock(&up->lock);
    return ok;
}

static bool complete(struct s3_upload *up, struct s3_object *ret, char want[S3_ETAG_MAX],
                     struct nb_error *err)
{
    if (up->current && up->current->n > 0 && !part_send(up, err))
        return false;
    if (!wait_parts(up, err))
        return false;
    workers_end(up);
    s3_multipart_etag(up->parts, up->parts_sent, want);
    return s3_multipart_complete(up->client, up->key, up->upload_id, up->parts, up->parts_sent,
                                 up->cancel, ret, err);
}

bool s3_upload_commit(struct s3_upload *up, struct s3_upload_result *ret, struct nb_error *err)
{
    struct s3_object o;
    uint8_t sha256[NB_SHA256_BYTES];
    char want[S3_ETAG_MAX];
    bool ok;

    assert(!up->ended);
    up->ended = true;
    ok = up->upload_id ? complete(up, &o, want, err) : put_whole(up, &o, want, err);
    if (!ok)
        return nb_wrap(err, "upload '%s'", up->key);
    up->stored = true;
    memset(ret, 0, sizeof(*ret));
    ret->size = up->written;
    memcpy(ret->etag, o.etag, sizeof(ret->etag));
    ret->etag_matches = strcmp(o.etag, want) == 0;
    ret->parts = up->upload_id ? up->parts_sent : 0;
    nb_sha256_final(up->sha256, sha256);
    nb_hex(sha256, sizeof(sha256), ret->sha256);
    return true;
}
