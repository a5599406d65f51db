#include "bolt/chunk.h"

#include <assert.h>

#include "base/mem.h"

/* --- out -------------------------------------------------------------------------------------- */

enum { CHUNK_MAX = 65535 };

size_t bolt_chunk_begin(struct nb_buf *out)
{
    nb_buf_append(out, "\0\0", 2);
    return out->len;
}

static void put_header(struct nb_buf *out, size_t at, size_t n)
{
    out->data[at] = (char)(unsigned char)(n >> 8);
    out->data[at + 1] = (char)(unsigned char)n;
}

/* What was appended lies behind one header; further headers are pushed in from the end on. */
void bolt_chunk_end(struct nb_buf *out, size_t mark)
{
    size_t n, chunks;

    if (out->overflow)
        return;
    assert(out->len > mark);
    n = out->len - mark;
    chunks = (n + CHUNK_MAX - 1) / CHUNK_MAX;
    if (!nb_buf_reserve(out, 2 * chunks))
        return;
    for (size_t i = chunks; i-- > 0;) {
        size_t len = i == chunks - 1 ? n - i * CHUNK_MAX : CHUNK_MAX;
        size_t to = mark + i * (CHUNK_MAX + 2);

        if (i > 0)
            memmove(out->data + to, out->data + mark + i * CHUNK_MAX, len);
        put_header(out, to - 2, len);
    }
    out->len += 2 * (chunks - 1);
    nb_buf_append(out, "\0\0", 2);
}

/* --- in --------------------------------------------------------------------------------------- */

enum { SPACE_MIN = 4096, SHRINK_ABOVE = 4 << 20, READY_FIRST = 64 };

void bolt_deframer_init(struct bolt_deframer *d, size_t base_bytes, size_t max_message_bytes)
{
    assert(base_bytes >= SPACE_MIN);
    *d = (struct bolt_deframer){ .base_cap = base_bytes, .max_message_bytes = max_message_bytes };
}

void bolt_deframer_done(struct bolt_deframer *d)
{
    free(d->data);
    free(d->ready);
    *d = (struct bolt_deframer){ .data = NULL };
}

/* The unfinished message to the front, and behind it what has not been looked at: at most one byte
 * of a chunk's header, since data are taken up at once. */
static void compact(struct bolt_deframer *d)
{
    size_t joined = d->in_message ? d->end - d->start : 0;
    size_t raw = d->fill - d->scan;

    if (joined && d->start > 0)
        memmove(d->data, d->data + d->start, joined);
    if (raw && d->scan != joined)
        memmove(d->data + joined, d->data + d->scan, raw);
    d->start = 0;
    d->end = joined;
    d->scan = joined;
    d->fill = joined + raw;
}

static void resize(struct bolt_deframer *d, size_t cap)
{
    d->data = nb_xrealloc(d->data, cap);
    d->cap = cap;
}

void *bolt_deframer_space(struct bolt_deframer *d, size_t *ret_n)
{
    assert(d->next == d->nready);
    d->next = d->nready = 0;
    if (d->data)
        compact(d);
    if (!d->data || (d->cap > SHRINK_ABOVE && d->cap > d->base_cap && d->fill < d->base_cap / 2))
        resize(d, d->base_cap);
    else if (d->cap - d->fill < d->base_cap / 2)
        resize(d, d->cap * 2); /* bounded: fill is at most the message limit and a little */
    *ret_n = d->cap - d->fill;
    return d->data + d->fill;
}

static void push_ready(struct bolt_deframer *d)
{
    if (d->nready == d->ready_cap) {
        d->ready_cap = d->ready_cap ? d->ready_cap * 2 : READY_FIRST;
        d->ready = nb_xreallocarray(d->ready, d->ready_cap, sizeof(*d->ready));
    }
    d->ready[d->nready++] = (struct bolt_frame){ d->start, d->end - d->start };
    d->in_message = false;
}

static void take_data(struct bolt_deframer *d)
{
    size_t n = d->fill - d->scan;

    if (n > d->chunk_left)
        n = d->chunk_left;
    if (d->end != d->scan)
        memmove(d->data + d->end, d->data + d->scan, n);
    d->end += n;
    d->scan += n;
    d->chunk_left -= n;
}

static bool take_header(struct bolt_deframer *d, struct nb_error *err)
{
    size_t n = (size_t)d->data[d->scan] << 8 | d->data[d->scan + 1];

    d->scan += 2;
    if (n == 0) {
        if (d->in_message)
            push_ready(d);
        else
            d->noops++;
        return true;
    }
    if (!d->in_message) {
        d->start = d->end = d->scan;
        d->in_message = true;
    }
    d->chunk_left = n;
    if (n > d->max_message_bytes || d->end - d->start > d->max_message_bytes - n)
        return nb_fail(err, NB_E_LIMIT, "Neo4jMessageTooLarge",
                       "a message of the server is larger than %zu bytes", d->max_message_bytes);
    return true;
}

bool bolt_deframer_filled(struct bolt_deframer *d, size_t n, struct nb_error *err)
{
    assert(n <= d->cap - d->fill);
    d->fill += n;
    for (;;) {
        if (d->chunk_left > 0) {
            take_data(d);
            if (d->chunk_left > 0)
                return true;
        }
        if (d->fill - d->scan < 2)
            return true;
        if (!take_header(d, err))
            return false;
    }
}

bool bolt_deframer_next(struct bolt_deframer *d, struct nb_str *ret)
{
    const struct bolt_frame *f;

    if (d->next == d->nready)
        return false;
    f = &d->ready[d->next++];
    *ret = (struct nb_str){ (const char *)d->data + f->at, f->n };
    return true;
}

bool bolt_deframer_peek_last(const struct bolt_deframer *d, struct nb_str *ret)
{
    const struct bolt_frame *f;

    if (d->next == d->nready)
        return false;
    f = &d->ready[d->nready - 1];
    *ret = (struct nb_str){ (const char *)d->data + f->at, f->n };
    return true;
}
