#include "controller/notify/book.h"

#include <stdio.h>

#include "base/mem.h"
#include "base/retry.h"
#include "tests/unit/cmocka.h"

static struct notify_book book;
static struct notify_book *const b = &book;

static int setup(void **state)
{
    (void)state;
    notify_book_init(b);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    notify_book_done(b);
    return 0;
}

static int64_t sixty(void *ctx, const char *channel)
{
    (void)ctx;
    return nb_streq(channel, "unknown") ? 0 : 60; /* one a second, five at once */
}

static bool add(const char *id, const char *channel)
{
    char copied[40], text[10] = "t";
    struct notify_message m = { .id = copied,
                                .event = "Failed",
                                .reason = "",
                                .text = text,
                                .run = "",
                                .ns = "n",
                                .name = "g",
                                .uid = "u",
                                .channel = channel,
                                .cluster = "" };
    bool added;

    snprintf(copied, sizeof(copied), "%s", id);
    added = notify_book_add(b, "n/g", &m, 0);
    memset(copied, '!', sizeof(copied));
    return added;
}

static struct notify_item *take(int64_t now, int64_t want_wake)
{
    int64_t wake;
    struct notify_item *i = notify_book_take(b, now, sixty, NULL, &wake);

    if (!i)
        assert_int_equal(wake, want_wake);
    return i;
}

static struct notify_item *must_take(int64_t now, const char *id)
{
    struct notify_item *i = take(now, -1);

    assert_non_null(i);
    assert_string_equal(i->message.id, id);
    return i;
}

static struct nb_error failure(enum nb_code code, int64_t retry_after_ms)
{
    struct nb_error err = NB_ERROR_INIT;

    nb_fail(&err, code, "X", "no luck");
    err.retry_after_ms = retry_after_ms;
    return err;
}

static void asking_twice_is_asking_once(void **state)
{
    struct notify_item *i;

    (void)state;
    assert_true(add("1", "a"));
    assert_false(add("1", "a"));
    assert_true(add("1", "b"));
    i = must_take(0, "1");
    assert_false(add("1", "a"));
    assert_int_equal(notify_book_waiting(b), 2);
    assert_int_equal(notify_book_end(b, i, NULL, 0, 0), NOTIFY_TOLD);
    assert_false(add("1", "a")); /* told, and the status does not say so yet */
    assert_int_equal(notify_book_waiting(b), 1);
}

static void channel_is_told_one_thing_at_a_time_in_order(void **state)
{
    struct notify_item *first, *other;

    (void)state;
    add("1", "a");
    add("2", "a");
    add("3", "b");
    add("4", "unknown");
    first = must_take(0, "1");
    other = must_take(0, "3");
    assert_null(take(0, INT64_MAX));
    assert_int_equal(notify_book_end(b, first, NULL, 5, 0), NOTIFY_TOLD);
    must_take(5, "2");
    (void)other;
}

static void failing_channel_waits_and_holds_up_nobody(void **state)
{
    const struct nb_error not_now = failure(NB_E_UNAVAILABLE, -1);
    struct notify_item *i;

    (void)state;
    add("1", "a");
    add("2", "a");
    add("3", "b");
    i = must_take(0, "1");
    assert_int_equal(notify_book_end(b, i, &not_now, 1000, UINT32_MAX), NOTIFY_WAITS);
    i = must_take(1000, "3");
    notify_book_end(b, i, NULL, 1000, 0);
    assert_null(take(1000, 1000 + 1000 + 1999));
    must_take(4000, "1"); /* before 2 */
}

static void retry_after_is_honoured(void **state)
{
    const struct nb_error busy = failure(NB_E_UNAVAILABLE, 120000);
    const struct nb_error very = failure(NB_E_UNAVAILABLE, 86400000);
    struct notify_item *i;

    (void)state;
    add("1", "a");
    i = must_take(0, "1");
    notify_book_end(b, i, &busy, 0, 0);
    assert_null(take(0, 121000));
    i = must_take(121000, "1");
    notify_book_end(b, i, &very, 121000, 0);
    assert_null(take(121000, 121000 + 1000 + NB_RETRY_AFTER_MAX_MS));
}

static void tries_end(void **state)
{
    const struct nb_error not_now = failure(NB_E_TIMEOUT, -1);
    const struct nb_error missing = failure(NB_E_NOT_FOUND, -1);
    const struct nb_error refused = failure(NB_E_DENIED, -1);
    struct notify_item *i;
    int64_t now = 0;

    (void)state;
    add("1", "a");
    for (int n = 1; n < NOTIFY_TRIES; n++) {
        i = must_take(now, "1");
        assert_int_equal(notify_book_end(b, i, n % 2 ? &not_now : &missing, now, UINT32_MAX),
                         NOTIFY_WAITS);
        now += NOTIFY_BACKOFF_CAP_MS + 1000;
    }
    i = must_take(now, "1");
    assert_int_equal(notify_book_end(b, i, &not_now, now, 0), NOTIFY_GIVEN_UP);
    assert_string_equal(i->text, "no luck");
    add("2", "a");
    i = must_take(now, "2");
    assert_int_equal(notify_book_end(b, i, &refused, now, 0), NOTIFY_GIVEN_UP);
}

static void rate_is_limited_after_a_burst(void **state)
{
    char id[10];

    (void)state;
    for (int n = 0; n < 8; n++) {
        snprintf(id, sizeof(id), "%d", n);
        add(id, "a");
    }
    for (int n = 0; n < NOTIFY_BURST; n++) {
        snprintf(id, sizeof(id), "%d", n);
        notify_book_end(b, must_take(0, id), NULL, 0, 0);
    }
    assert_null(take(0, 1000));
    assert_null(take(999, 1000));
    notify_book_end(b, must_take(1000, "5"), NULL, 1000, 0);
    assert_null(take(1000, 2000));
    notify_book_end(b, must_take(60000, "6"), NULL, 60000, 0);
    must_take(60000, "7"); /* rest has paid for more */
}

static void what_the_status_does_not_speak_of_is_forgotten(void **state)
{
    struct api_notices kept = { .count = 1 };
    struct notify_item *i;

    (void)state;
    kept.items[0] = (struct api_notice){ .id = "1", .channels = { "a" }, .channel_count = 1 };
    add("1", "a");
    add("1", "b");
    add("2", "a");
    notify_book_keep(b, "n/other", "u", NULL);
    assert_int_equal(notify_book_waiting(b), 3);
    i = must_take(0, "1");
    notify_book_keep(b, "n/g", "u", &kept);
    assert_int_equal(notify_book_waiting(b), 1);
    notify_book_end(b, i, NULL, 0, 0);
    assert_int_equal(b->items.count, 1); /* an outcome, until the status has it */
    notify_book_keep(b, "n/g", "another of that name", &kept);
    assert_int_equal(b->items.count, 0);
}

static void what_is_under_way_is_forgotten_when_it_ends(void **state)
{
    const struct nb_error not_now = failure(NB_E_UNAVAILABLE, -1);
    struct notify_item *i;

    (void)state;
    add("1", "a");
    add("2", "b");
    i = must_take(0, "1");
    notify_book_clear(b);
    assert_int_equal(b->items.count, 1);
    notify_book_end(b, i, &not_now, 0, 0);
    assert_int_equal(b->items.count, 0);

    add("3", "c");
    i = must_take(0, "3");
    notify_book_clear(b);
    add("3", "c"); /* asked for again before it ended */
    notify_book_put_back(b, i, 7);
    assert_null(take(0, 7));
    i = must_take(7, "3");
    assert_int_equal(i->tries, 1);
}

static void book_has_an_end(void **state)
{
    char id[20], channel[20];

    (void)state;
    for (int n = 0; n < NOTIFY_CHANNEL_MAX; n++) {
        snprintf(id, sizeof(id), "%d", n);
        assert_true(add(id, "a"));
    }
    assert_false(add("one more", "a")); /* and there is room for others */
    for (int n = NOTIFY_CHANNEL_MAX; n < NOTIFY_BOOK_MAX; n++) {
        snprintf(id, sizeof(id), "%d", n);
        snprintf(channel, sizeof(channel), "c%d", n / 100);
        assert_true(add(id, channel));
    }
    assert_false(add("one more", "b"));
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(asking_twice_is_asking_once),
        T(channel_is_told_one_thing_at_a_time_in_order),
        T(failing_channel_waits_and_holds_up_nobody),
        T(retry_after_is_honoured),
        T(tries_end),
        T(rate_is_limited_after_a_burst),
        T(what_the_status_does_not_speak_of_is_forgotten),
        T(what_is_under_way_is_forgotten_when_it_ends),
        T(book_has_an_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
