#include "controller/notify/book.h"

#include <string.h>

#include "base/mem.h"
#include "base/retry.h"

struct lane {
    char *channel;
    bool busy;
    int64_t not_before_ms;
    int64_t paid_until_ms; /* of the rate limit: a generic cell rate algorithm */
};

void notify_book_init(struct notify_book *b)
{
    *b = (struct notify_book){ 0 };
}

static void item_free(struct notify_item *i)
{
    nb_arena_free(i->arena);
    free(i);
}

void notify_book_done(struct notify_book *b)
{
    for (size_t i = 0; i < b->items.count; i++)
        item_free(b->items.items[i]);
    for (size_t i = 0; i < b->lanes.count; i++) {
        struct lane *l = b->lanes.items[i];

        free(l->channel);
        free(l);
    }
    nb_vec_done(&b->items);
    nb_vec_done(&b->lanes);
}

/* --- what is asked --------------------------------------------------------------------------- */

static bool is_same(const struct notify_item *i, const struct notify_message *m)
{
    return nb_streq(i->message.id, m->id) && nb_streq(i->message.channel, m->channel) &&
           nb_streq(i->message.uid, m->uid);
}

static struct notify_item *item_new(const char *object, const struct notify_message *m,
                                    int64_t now_ms)
{
    struct notify_item *i = NB_NEW(struct notify_item);
    struct nb_arena *a = i->arena = api_arena_new();

    i->message = (struct notify_message){
        .id = api_dup(a, m->id),
        .event = api_dup(a, m->event),
        .reason = api_dup(a, m->reason),
        .text = api_dup(a, m->text),
        .run = api_dup(a, m->run),
        .ns = api_dup(a, m->ns),
        .name = api_dup(a, m->name),
        .uid = api_dup(a, m->uid),
        .channel = api_dup(a, m->channel),
        .cluster = api_dup(a, m->cluster),
        .time = m->time,
    };
    i->object = api_dup(a, object);
    i->due_ms = now_ms;
    i->text = "";
    return i;
}

bool notify_book_add(struct notify_book *b, const char *object, const struct notify_message *m,
                     int64_t now_ms)
{
    size_t of_channel = 0;

    for (size_t i = 0; i < b->items.count; i++) {
        struct notify_item *there = b->items.items[i];

        if (is_same(there, m)) {
            there->forgotten = false;
            return false;
        }
        of_channel += nb_streq(there->message.channel, m->channel);
    }
    if (b->items.count >= NOTIFY_BOOK_MAX || of_channel >= NOTIFY_CHANNEL_MAX)
        return false;
    nb_vec_push(&b->items, item_new(object, m, now_ms));
    return true;
}

/* --- who is next ----------------------------------------------------------------------------- */

static struct lane *lane_of(struct notify_book *b, const char *channel)
{
    struct lane *l;

    for (size_t i = 0; i < b->lanes.count; i++) {
        l = b->lanes.items[i];
        if (nb_streq(l->channel, channel))
            return l;
    }
    l = NB_NEW(struct lane);
    l->channel = nb_xstrdup(channel);
    nb_vec_push(&b->lanes, l);
    return l;
}

/* When the lane's next may go. */
static int64_t free_at(const struct lane *l, const struct notify_item *i, int64_t per_minute)
{
    int64_t at = i->due_ms, allowed = l->paid_until_ms - (NOTIFY_BURST - 1) * (60000 / per_minute);

    if (at < l->not_before_ms)
        at = l->not_before_ms;
    return at < allowed ? allowed : at;
}

static void take(struct lane *l, struct notify_item *i, int64_t now_ms, int64_t per_minute)
{
    i->state = NOTIFY_UNDER_WAY;
    i->tries++;
    l->busy = true;
    if (l->paid_until_ms < now_ms)
        l->paid_until_ms = now_ms;
    l->paid_until_ms += 60000 / per_minute;
}

struct notify_item *notify_book_take(struct notify_book *b, int64_t now_ms, notify_rate_fn *rate,
                                     void *ctx, int64_t *ret_wake_ms)
{
    *ret_wake_ms = INT64_MAX;
    for (size_t i = 0; i < b->items.count; i++) {
        struct notify_item *item = b->items.items[i];
        int64_t per_minute, at;
        struct lane *l;

        if (item->state != NOTIFY_WAITS)
            continue;
        l = lane_of(b, item->message.channel);
        per_minute = rate(ctx, item->message.channel);
        if (l->busy || per_minute <= 0)
            continue;
        at = free_at(l, item, per_minute);
        if (at <= now_ms) {
            take(l, item, now_ms, per_minute);
            return item;
        }
        if (at < *ret_wake_ms)
            *ret_wake_ms = at;
    }
    return NULL;
}

/* --- how it ends ----------------------------------------------------------------------------- */

static void drop(struct notify_book *b, size_t i)
{
    item_free(b->items.items[i]);
    b->items.count--;
    memmove(&b->items.items[i], &b->items.items[i + 1],
            (b->items.count - i) * sizeof(b->items.items[0]));
}

static void drop_item(struct notify_book *b, const struct notify_item *item)
{
    for (size_t i = 0; i < b->items.count; i++) {
        if (b->items.items[i] != item)
            continue;
        drop(b, i);
        return;
    }
}

static bool is_worth_another_try(const struct notify_item *item, const struct nb_error *err)
{
    /* A password that was changed, or a certificate, reaches the pod a minute late. */
    return item->tries < NOTIFY_TRIES &&
           (nb_error_is_transient(err) || err->code == NB_E_NOT_FOUND ||
            nb_streq(err->reason, "SmtpLoginDenied") ||
            nb_streq(err->reason, "TlsVerificationFailed"));
}

static void wait_for_next_try(struct lane *l, struct notify_item *item, const struct nb_error *err,
                              int64_t now_ms, uint32_t rnd)
{
    const struct nb_retry retry = { .base_ms = NOTIFY_BACKOFF_BASE_MS,
                                    .cap_ms = NOTIFY_BACKOFF_CAP_MS,
                                    .tries = item->tries - 1 };

    /* Never at once: the random share of the delay may be nothing. */
    l->not_before_ms =
        now_ms + retry.base_ms / 2 + nb_retry_delay_ms(&retry, err->retry_after_ms, rnd);
    item->due_ms = l->not_before_ms;
    item->state = NOTIFY_WAITS;
}

enum notify_state notify_book_end(struct notify_book *b, struct notify_item *item,
                                  const struct nb_error *err, int64_t now_ms, uint32_t rnd)
{
    struct lane *l = lane_of(b, item->message.channel);
    enum notify_state state;

    l->busy = false;
    if (!err) {
        item->state = NOTIFY_TOLD;
    } else if (is_worth_another_try(item, err)) {
        wait_for_next_try(l, item, err, now_ms, rnd);
    } else {
        item->state = NOTIFY_GIVEN_UP;
        item->text = api_dup(item->arena, err->text);
    }
    state = item->state;
    if (item->forgotten)
        drop_item(b, item);
    return state;
}

void notify_book_put_back(struct notify_book *b, struct notify_item *item, int64_t due_ms)
{
    lane_of(b, item->message.channel)->busy = false;
    item->tries--;
    item->due_ms = due_ms;
    item->state = NOTIFY_WAITS;
    if (item->forgotten)
        drop_item(b, item);
}

/* --- what is still wanted -------------------------------------------------------------------- */

static bool is_kept(const struct notify_item *item, const char *uid, const struct api_notices *kept)
{
    if (!kept || !nb_streq(item->message.uid, uid))
        return false;
    for (size_t i = 0; i < kept->count; i++) {
        const struct api_notice *n = &kept->items[i];

        if (!nb_streq(n->id, item->message.id))
            continue;
        for (size_t j = 0; j < n->channel_count; j++)
            if (nb_streq(n->channels[j], item->message.channel))
                return true;
    }
    return false;
}

static void forget(struct notify_book *b, size_t i)
{
    struct notify_item *item = b->items.items[i];

    if (item->state == NOTIFY_UNDER_WAY)
        item->forgotten = true; /* its teller holds it */
    else
        drop(b, i);
}

void notify_book_keep(struct notify_book *b, const char *object, const char *uid,
                      const struct api_notices *kept)
{
    for (size_t i = b->items.count; i > 0; i--) {
        const struct notify_item *item = b->items.items[i - 1];

        if (nb_streq(item->object, object) && !is_kept(item, uid, kept))
            forget(b, i - 1);
    }
}

void notify_book_clear(struct notify_book *b)
{
    for (size_t i = b->items.count; i > 0; i--)
        forget(b, i - 1);
}

size_t notify_book_waiting(const struct notify_book *b)
{
    size_t n = 0;

    for (size_t i = 0; i < b->items.count; i++) {
        const struct notify_item *item = b->items.items[i];

        n += item->state == NOTIFY_WAITS || item->state == NOTIFY_UNDER_WAY;
    }
    return n;
}
