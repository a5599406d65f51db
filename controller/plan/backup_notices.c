#include "controller/plan/backup_priv.h"

#include <string.h>

#include "base/clock.h"
#include "base/utf8.h"

/*
 * Notifications as an outbox. What happened goes into status.pendingNotifications in the same patch
 * that records it: once, whoever leads and however often a plan is made. A channel is told only of
 * what is stored there, and is taken out when it was told (or given up): at least once.
 */

static bool has_notice(const struct api_notices *n, const char *id)
{
    for (size_t i = 0; i < n->count; i++)
        if (strcmp(n->items[i].id, id) == 0)
            return true;
    return false;
}

/* False: there is none of that name. One that cannot be looked up now, because the configuration is
 * faulty, may be there when that is mended. */
static bool channel_may_exist(const struct bk *k, const char *name, struct nb_error *err)
{
    const struct plan_options *o = k->in->options;

    if (!o->channel)
        return nb_fail(err, NB_E_NOT_FOUND, API_EVENT_UNKNOWN_CHANNEL,
                       "channel '%s' is not known: the controller has none", name);
    return o->channel(o->channel_ctx, name, err) || err->code != NB_E_NOT_FOUND;
}

/* What is about no run has the time in its name. */
static const char *notice_id(struct bk *k, const char *event, const char *run)
{
    char text[NB_TIME_TEXT_MAX];

    return api_printf(k->out->arena, "%s-%s", event,
                      *run ? run : nb_time_format_basic(k->now, text));
}

static const char *cut(struct bk *k, const char *text)
{
    size_t n = strlen(text);

    if (n > API_NOTICE_MESSAGE_MAX)
        n = nb_utf8_cut(text, API_NOTICE_MESSAGE_MAX);
    return api_printf(k->out->arena, "%.*s", (int)n, text);
}

static void note_failed(struct bk *k, const struct api_notice *n, const char *channel,
                        const char *why)
{
    k->told_fail =
        api_printf(k->out->arena, "channel '%s' was not told of '%s': %s", channel, n->id, why);
    bk_event(k, true, API_EVENT_NOTIFY_FAILED, "%s", k->told_fail);
}

static void drop_oldest(struct bk *k)
{
    struct api_notices *all = &k->status.notices;

    for (size_t i = 0; i < all->items[0].channel_count; i++)
        note_failed(k, &all->items[0], all->items[0].channels[i],
                    "newer notifications took its place");
    api_notices_remove(all, 0);
}

void bk_notify(struct bk *k, unsigned on, const char *reason, const char *run, const char *text)
{
    const struct api_notifications *wanted = &k->b->spec.notifications;
    struct api_notice n = { .event = api_notify_name(on),
                            .reason = reason,
                            .message = cut(k, text),
                            .run = api_dup(k->out->arena, run),
                            .time = k->now };

    for (size_t i = 0; i < wanted->count && n.channel_count < API_NOTICE_CHANNELS_MAX; i++) {
        struct nb_error err = NB_ERROR_INIT;

        if ((wanted->items[i].on & on) && channel_may_exist(k, wanted->items[i].channel, &err))
            n.channels[n.channel_count++] = wanted->items[i].channel;
    }
    n.id = notice_id(k, n.event, run);
    if (n.channel_count == 0 || has_notice(&k->status.notices, n.id))
        return;
    if (k->status.notices.count == API_NOTICES_MAX)
        drop_oldest(k);
    k->status.notices.items[k->status.notices.count++] = n;
}

/* --- what became of them --------------------------------------------------------------------- */

static struct api_notice *find(struct bk *k, const char *id)
{
    for (size_t i = 0; i < k->status.notices.count; i++)
        if (strcmp(k->status.notices.items[i].id, id) == 0)
            return &k->status.notices.items[i];
    return NULL;
}

static void take_deliveries(struct bk *k)
{
    for (size_t i = 0; i < k->in->delivery_count; i++) {
        const struct plan_delivery *d = &k->in->deliveries[i];
        struct api_notice *n = find(k, d->id);

        if (!n || !api_notice_told(n, d->channel))
            continue;
        if (d->told)
            k->told = true;
        else
            note_failed(k, n, d->channel, d->text);
    }
}

/* Channels that the configuration has no more, and what is too old to be news. */
static void give_up(struct bk *k, struct api_notice *n)
{
    for (size_t i = n->channel_count; i > 0; i--) {
        const char *channel = n->channels[i - 1];
        struct nb_error err = NB_ERROR_INIT;

        if (k->now - n->time > NOTICE_SECONDS)
            note_failed(k, n, channel, "it is more than a day old");
        else if (!channel_may_exist(k, channel, &err))
            note_failed(k, n, channel, err.text);
        else
            continue;
        api_notice_told(n, channel);
    }
}

static void clean(struct bk *k)
{
    struct api_notices *all = &k->status.notices;

    for (size_t i = all->count; i > 0; i--) {
        give_up(k, &all->items[i - 1]);
        if (all->items[i - 1].channel_count == 0)
            api_notices_remove(all, i - 1);
    }
}

/* Only what is stored: what this plan adds is told by the next one. */
static void tell(struct bk *k)
{
    for (size_t i = 0; i < k->status.notices.count; i++) {
        const struct api_notice *n = &k->status.notices.items[i];
        struct api_notice *copy;

        if (!has_notice(&k->b->status.notices, n->id))
            continue;
        copy = api_alloc(k->out->arena, sizeof(*copy));
        *copy = *n;
        for (size_t j = 0; j < n->channel_count; j++) {
            struct plan_action *a =
                plan_add(&k->later, PLAN_NOTIFY, PLAN_OBJ_BACKUP, k->b->meta.name, k->b->meta.uid);

            a->notice = copy;
            a->channel = n->channels[j];
        }
    }
    if (k->status.notices.count > 0)
        plan_wake(k->out, k->in->now_ms + NOTICE_WAIT_MS);
}

/* --- the condition --------------------------------------------------------------------------- */

static void drop_condition(struct bk *k)
{
    struct api_conditions *all = &k->status.conditions;

    for (size_t i = 0; i < all->count; i++) {
        if (strcmp(all->items[i].type, API_COND_NOTIFICATIONS) != 0)
            continue;
        all->count--;
        memmove(&all->items[i], &all->items[i + 1], (all->count - i) * sizeof(all->items[0]));
        return;
    }
}

/* False with the first one that is wanted and not there. */
static bool all_exist(const struct bk *k, struct nb_error *err)
{
    const struct api_notifications *wanted = &k->b->spec.notifications;

    for (size_t i = 0; i < wanted->count; i++)
        if (!channel_may_exist(k, wanted->items[i].channel, err) || err->code != NB_OK)
            return false;
    return true;
}

static void set_condition(struct bk *k)
{
    const struct api_condition *was =
        api_condition_get(&k->b->status.conditions, API_COND_NOTIFICATIONS);
    struct nb_error err = NB_ERROR_INIT;

    if (k->b->spec.notifications.count == 0) {
        drop_condition(k);
    } else if (!all_exist(k, &err)) {
        if (!was || strcmp(was->reason, err.reason) != 0 || strcmp(was->message, err.text) != 0)
            bk_event(k, true, api_dup(k->out->arena, err.reason), "spec.notifications: %s",
                     err.text);
        bk_condition(k, API_COND_NOTIFICATIONS, API_FALSE, err.reason, err.text);
    } else if (*k->told_fail) {
        bk_condition(k, API_COND_NOTIFICATIONS, API_FALSE, API_EVENT_NOTIFY_FAILED, k->told_fail);
    } else if (k->told || !was || was->observed_generation != k->b->meta.generation ||
               strcmp(was->reason, API_EVENT_NOTIFY_FAILED) != 0) {
        /* A failure stands until something is told or the policy is changed. */
        bk_condition(k, API_COND_NOTIFICATIONS, API_TRUE, "Configured", "");
    }
}

void bk_notices(struct bk *k)
{
    take_deliveries(k);
    clean(k);
    tell(k);
    set_condition(k);
}
