#include "base/thread.h"

#include "base/mem.h"

struct nb_queue {
    pthread_mutex_t lock;
    pthread_cond_t not_empty, not_full;
    void **items;
    size_t cap, first, count;
    bool closed;
};

struct nb_queue *nb_queue_new(size_t capacity)
{
    struct nb_queue *q = NB_NEW(struct nb_queue);

    q->cap = capacity ? capacity : 1;
    q->items = nb_xcalloc(q->cap, sizeof(*q->items));
    nb_mutex_init(&q->lock);
    nb_cond_init(&q->not_empty);
    nb_cond_init(&q->not_full);
    return q;
}

void nb_queue_free(struct nb_queue *q)
{
    if (!q)
        return;
    pthread_cond_destroy(&q->not_full);
    pthread_cond_destroy(&q->not_empty);
    pthread_mutex_destroy(&q->lock);
    free(q->items);
    free(q);
}

bool nb_queue_push(struct nb_queue *q, void *item)
{
    bool ok;

    pthread_mutex_lock(&q->lock);
    while (q->count == q->cap && !q->closed)
        nb_cond_wait(&q->not_full, &q->lock, INT64_MAX);
    ok = !q->closed;
    if (ok) {
        q->items[(q->first + q->count++) % q->cap] = item;
        pthread_cond_signal(&q->not_empty);
    }
    pthread_mutex_unlock(&q->lock);
    return ok;
}

/* With the lock held and count > 0. */
static void *take_first(struct nb_queue *q)
{
    void *item = q->items[q->first];

    q->first = (q->first + 1) % q->cap;
    q->count--;
    pthread_cond_signal(&q->not_full);
    return item;
}

void *nb_queue_pop(struct nb_queue *q)
{
    void *item = NULL;

    pthread_mutex_lock(&q->lock);
    while (q->count == 0 && !q->closed)
        nb_cond_wait(&q->not_empty, &q->lock, INT64_MAX);
    if (q->count)
        item = take_first(q);
    pthread_mutex_unlock(&q->lock);
    return item;
}

void *nb_queue_try_pop(struct nb_queue *q)
{
    void *item = NULL;

    pthread_mutex_lock(&q->lock);
    if (q->count)
        item = take_first(q);
    pthread_mutex_unlock(&q->lock);
    return item;
}

void nb_queue_close(struct nb_queue *q)
{
    pthread_mutex_lock(&q->lock);
    q->closed = true;
    pthread_cond_broadcast(&q->not_empty);
    pthread_cond_broadcast(&q->not_full);
    pthread_mutex_unlock(&q->lock);
}
