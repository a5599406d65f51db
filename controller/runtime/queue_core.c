#include "controller/runtime/queue_core.h"

#include <assert.h>

#include "base/map.h"
#include "base/mem.h"

enum { NOT_WAITING = -1, BACKOFF_CAP_MS = 30000 };

struct entry {
    int64_t due_ms;
    uint64_t sequence; /* order of equal due times */
    ptrdiff_t slot;    /* place in the heap; NOT_WAITING */
    bool processing;
    bool again; /* added while being worked on; due at due_ms */
    unsigned failures;
    char key[];
};

struct ctl_queue_core {
    struct nb_map *entries;
    struct entry **heap; /* earliest first */
    size_t heap_n, heap_cap;
    size_t processing;
    uint64_t sequence;
    int64_t base_ms, cap_ms;
};

struct ctl_queue_core *ctl_queue_core_new(const struct ctl_queue_core_opts *opts)
{
    struct ctl_queue_core *q = NB_NEW(struct ctl_queue_core);

    q->entries = nb_map_new(free);
    q->base_ms = opts && opts->backoff_base_ms ? opts->backoff_base_ms : 5;
    q->cap_ms = opts && opts->backoff_cap_ms ? opts->backoff_cap_ms : BACKOFF_CAP_MS;
    return q;
}

void ctl_queue_core_free(struct ctl_queue_core *q)
{
    if (!q)
        return;
    nb_map_free(q->entries);
    free(q->heap);
    free(q);
}

static struct entry *find(const struct ctl_queue_core *q, const char *key)
{
    return nb_map_get(q->entries, key, strlen(key));
}

static bool earlier(const struct entry *a, const struct entry *b)
{
    return a->due_ms != b->due_ms ? a->due_ms < b->due_ms : a->sequence < b->sequence;
}

static void place(struct ctl_queue_core *q, struct entry *e, size_t slot)
{
    q->heap[slot] = e;
    e->slot = (ptrdiff_t)slot;
}

static void sift_up(struct ctl_queue_core *q, struct entry *e)
{
    size_t slot = (size_t)e->slot;

    while (slot > 0 && earlier(e, q->heap[(slot - 1) / 2])) {
        place(q, q->heap[(slot - 1) / 2], slot);
        slot = (slot - 1) / 2;
    }
    place(q, e, slot);
}

static void sift_down(struct ctl_queue_core *q, struct entry *e)
{
    size_t slot = (size_t)e->slot;

    for (;;) {
        size_t child = 2 * slot + 1;

        if (child >= q->heap_n)
            break;
        if (child + 1 < q->heap_n && earlier(q->heap[child + 1], q->heap[child]))
            child++;
        if (!earlier(q->heap[child], e))
            break;
        place(q, q->heap[child], slot);
        slot = child;
    }
    place(q, e, slot);
}

static void heap_push(struct ctl_queue_core *q, struct entry *e, int64_t due_ms)
{
    if (q->heap_n == q->heap_cap) {
        q->heap_cap = q->heap_cap ? 2 * q->heap_cap : 16;
        q->heap = nb_xreallocarray(q->heap, q->heap_cap, sizeof(struct entry *));
    }
    e->due_ms = due_ms;
    e->sequence = q->sequence++;
    place(q, e, q->heap_n++);
    sift_up(q, e);
}

static void heap_pop(struct ctl_queue_core *q)
{
    struct entry *last = q->heap[--q->heap_n];

    q->heap[0]->slot = NOT_WAITING;
    if (q->heap_n == 0)
        return;
    place(q, last, 0);
    sift_down(q, last);
}

static void drop_if_idle(struct ctl_queue_core *q, struct entry *e)
{
    if (!e->processing && e->slot == NOT_WAITING && e->failures == 0)
        nb_map_remove(q->entries, e->key, strlen(e->key));
}

static struct entry *obtain(struct ctl_queue_core *q, const char *key)
{
    struct entry *e = find(q, key);
    size_t n = strlen(key);

    if (e)
        return e;
    e = nb_xcalloc(1, sizeof(*e) + n + 1);
    memcpy(e->key, key, n);
    e->slot = NOT_WAITING;
    nb_map_put(q->entries, key, n, e);
    return e;
}

bool ctl_queue_core_add(struct ctl_queue_core *q, const char *key, int64_t at_ms)
{
    struct entry *e = obtain(q, key);

    if (e->processing) {
        bool fresh = !e->again;

        if (fresh || at_ms < e->due_ms)
            e->due_ms = at_ms;
        e->again = true;
        return fresh;
    }
    if (e->slot == NOT_WAITING) {
        heap_push(q, e, at_ms);
        return true;
    }
    if (at_ms < e->due_ms) {
        e->due_ms = at_ms;
        sift_up(q, e);
    }
    return false;
}

const char *ctl_queue_core_take(struct ctl_queue_core *q, int64_t now_ms, int64_t *ret_due_ms)
{
    struct entry *e;

    if (q->heap_n == 0 || q->heap[0]->due_ms > now_ms)
        return NULL;
    e = q->heap[0];
    heap_pop(q);
    e->processing = true;
    q->processing++;
    *ret_due_ms = e->due_ms;
    return e->key;
}

void ctl_queue_core_done(struct ctl_queue_core *q, const char *key)
{
    struct entry *e = find(q, key);

    assert(e && e->processing);
    e->processing = false;
    q->processing--;
    if (e->again) {
        e->again = false;
        heap_push(q, e, e->due_ms);
    }
    drop_if_idle(q, e);
}

void ctl_queue_core_fail(struct ctl_queue_core *q, const char *key, int64_t now_ms,
                         int64_t min_delay_ms)
{
    struct entry *e = obtain(q, key);
    int64_t delay = q->base_ms;

    for (unsigned i = 0; i < e->failures && delay < q->cap_ms; i++)
        delay *= 2;
    if (delay > q->cap_ms)
        delay = q->cap_ms;
    if (delay < min_delay_ms)
        delay = min_delay_ms;
    e->failures++;
    ctl_queue_core_add(q, key, now_ms + delay);
}

void ctl_queue_core_forget(struct ctl_queue_core *q, const char *key)
{
    struct entry *e = find(q, key);

    if (!e)
        return;
    e->failures = 0;
    drop_if_idle(q, e);
}

unsigned ctl_queue_core_failures(const struct ctl_queue_core *q, const char *key)
{
    const struct entry *e = find(q, key);

    return e ? e->failures : 0;
}

int64_t ctl_queue_core_next_due_ms(const struct ctl_queue_core *q)
{
    return q->heap_n > 0 ? q->heap[0]->due_ms : INT64_MAX;
}

size_t ctl_queue_core_waiting(const struct ctl_queue_core *q)
{
    return q->heap_n;
}

size_t ctl_queue_core_due(const struct ctl_queue_core *q, int64_t now_ms)
{
    size_t n = 0;

    for (size_t i = 0; i < q->heap_n; i++)
        n += q->heap[i]->due_ms <= now_ms ? 1 : 0;
    return n;
}

size_t ctl_queue_core_processing(const struct ctl_queue_core *q)
{
    return q->processing;
}

void ctl_queue_core_clear(struct ctl_queue_core *q)
{
    struct nb_str key;
    void *value;
    size_t pos = 0;

    q->heap_n = 0;
    while (nb_map_next(q->entries, &pos, &key, &value)) {
        struct entry *e = value;

        e->slot = NOT_WAITING;
        e->failures = 0;
        e->again = false;
        if (!e->processing)
            nb_map_remove(q->entries, key.p, key.n);
    }
}
