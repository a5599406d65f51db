#ifndef NB_NOTIFY_BOOK_H
#define NB_NOTIFY_BOOK_H

/*
 * notify_book: what this process has been asked to tell, and what became of it. Pure: times are arguments, no thread, no
 * lock. One channel is told one thing at a time, in the order of asking; a channel that fails waits, with all that is for
 * it, and never holds up another. What has ended stays until the object's status no longer speaks of it
 * (notify_book_keep), so that asking again does nothing.
 */

#include "base/map.h"
#include "controller/api/notice.h"
#include "controller/notify/message.h"

enum {
    NOTIFY_BOOK_MAX = 1000,   /* more are not taken; their status asks again later */
    NOTIFY_CHANNEL_MAX = 200, /* of them for one: a channel that is dead does not shut others out */
    NOTIFY_TRIES = 10,
    NOTIFY_BACKOFF_BASE_MS = 2000,
    NOTIFY_BACKOFF_CAP_MS = 300000,
    NOTIFY_BURST = 5
};

enum notify_state { NOTIFY_WAITS, NOTIFY_UNDER_WAY, NOTIFY_TOLD, NOTIFY_GIVEN_UP };

struct notify_item {
    struct nb_arena *arena; /* owns all strings */
    struct notify_message message;
    const char *object; /* its queue key */
    enum notify_state state;
    bool forgotten; /* under way, and nobody asks for it any more */
    unsigned tries;
    int64_t due_ms;
    const char *text; /* why it was given up */
};

struct notify_book {
    struct nb_vec items; /* struct notify_item *, in the order of asking */
    struct nb_vec lanes; /* one a channel */
};

void notify_book_init(struct notify_book *b);
void notify_book_done(struct notify_book *b);
NB_AUTO_DONE_DEFINE(struct notify_book, notify_book_done)

/* Copies. False: it is there already, or the book is full. */
bool notify_book_add(struct notify_book *b, const char *object, const struct notify_message *m,
                     int64_t now_ms);
/* The next one to be told, now under way; NULL: none before *ret_wake_ms (INT64_MAX: until something is added or ends).
 * per_minute: of a channel by name; 0: it cannot be told now. */
typedef int64_t(notify_rate_fn)(void *ctx, const char *channel);
struct notify_item *notify_book_take(struct notify_book *b, int64_t now_ms, notify_rate_fn *rate,
                                     void *ctx, int64_t *ret_wake_ms);
/* err NULL: it was told. What it is now; one that nobody asks for any more is gone. rnd spreads the next try. */
enum notify_state notify_book_end(struct notify_book *b, struct notify_item *item,
                                  const struct nb_error *err, int64_t now_ms, uint32_t rnd);
/* It was not tried after all: it waits again, until due_ms. */
void notify_book_put_back(struct notify_book *b, struct notify_item *item, int64_t due_ms);
/* Only what the status of that object still speaks of. NULL: nothing. */
void notify_book_keep(struct notify_book *b, const char *object, const char *uid,
                      const struct api_notices *kept);
/* Everything: we do not lead any more. */
void notify_book_clear(struct notify_book *b);
size_t notify_book_waiting(const struct notify_book *b);

#endif
