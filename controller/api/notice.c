#include "controller/api/notice.h"

#include <string.h>

const char *const api_notify_names[] = { "Succeeded",        "Partial", "Failed",
                                         "Recovered",        "Overdue", "VerificationFailed",
                                         "RetentionBlocked", NULL };

const char *api_notify_name(unsigned on)
{
    for (int i = 0; api_notify_names[i]; i++)
        if (on & (1U << i))
            return api_notify_names[i];
    return "";
}

static unsigned parse_on(const struct nb_json *v)
{
    unsigned on = 0;

    if (nb_json_type(v) != NB_JSON_ARRAY || nb_json_count(v) == 0)
        return API_NOTIFY_FAILED | API_NOTIFY_RECOVERED | API_NOTIFY_OVERDUE;
    for (const struct nb_json *c = nb_json_first(v); c; c = nb_json_next(c))
        for (int i = 0; api_notify_names[i]; i++)
            if (nb_streq(nb_json_str(c, ""), api_notify_names[i]))
                on |= 1U << i;
    return on;
}

void api_notifications_parse(struct nb_arena *a, const struct nb_json *v,
                             struct api_notifications *ret)
{
    size_t n = nb_json_type(v) == NB_JSON_ARRAY ? nb_json_count(v) : 0;

    *ret = (struct api_notifications){ .items = api_alloc(a, (n + 1) * sizeof(*ret->items)) };
    if (n == 0)
        return;
    for (const struct nb_json *c = nb_json_first(v); c; c = nb_json_next(c))
        ret->items[ret->count++] = (struct api_notification){
            .channel = api_str(a, c, "channel", ""),
            .on = parse_on(nb_json_get(c, "events")),
        };
}

static void parse_channels(struct nb_arena *a, const struct nb_json *v, struct api_notice *ret)
{
    struct api_strings list;

    api_strings_parse(a, v, &list);
    for (size_t i = 0; i < list.count && ret->channel_count < API_NOTICE_CHANNELS_MAX; i++)
        ret->channels[ret->channel_count++] = list.items[i];
}

void api_notices_parse(struct nb_arena *a, const struct nb_json *v, struct api_notices *ret)
{
    *ret = (struct api_notices){ .count = 0 };
    if (nb_json_type(v) != NB_JSON_ARRAY)
        return;
    for (const struct nb_json *c = nb_json_first(v); c && ret->count < API_NOTICES_MAX;
         c = nb_json_next(c)) {
        struct api_notice *n = &ret->items[ret->count++];

        *n = (struct api_notice){
            .id = api_str(a, c, "id", ""),
            .event = api_str(a, c, "event", ""),
            .reason = api_str(a, c, "reason", ""),
            .message = api_str(a, c, "message", ""),
            .run = api_str(a, c, "runName", ""),
            .time = api_time(c, "time"),
        };
        parse_channels(a, nb_json_get(c, "channels"), n);
    }
}

void api_notices_write(const struct api_notices *n, const char *key, struct nb_jw *w)
{
    if (n->count == 0)
        return;
    nb_jw_key(w, key);
    nb_jw_array(w);
    for (size_t i = 0; i < n->count; i++) {
        const struct api_notice *notice = &n->items[i];

        nb_jw_object(w);
        nb_jw_kv_str(w, "id", notice->id);
        nb_jw_kv_str(w, "event", notice->event);
        api_write_text(w, "reason", notice->reason);
        api_write_text(w, "message", notice->message);
        api_write_text(w, "runName", notice->run);
        api_write_time(w, "time", notice->time);
        nb_jw_key(w, "channels");
        nb_jw_array(w);
        for (size_t j = 0; j < notice->channel_count; j++)
            nb_jw_str(w, notice->channels[j]);
        nb_jw_array_end(w);
        nb_jw_object_end(w);
    }
    nb_jw_array_end(w);
}

void api_notices_remove(struct api_notices *n, size_t i)
{
    n->count--;
    memmove(&n->items[i], &n->items[i + 1], (n->count - i) * sizeof(n->items[0]));
}

bool api_notice_told(struct api_notice *n, const char *channel)
{
    for (size_t i = 0; i < n->channel_count; i++) {
        if (strcmp(n->channels[i], channel) != 0)
            continue;
        n->channel_count--;
        memmove(&n->channels[i], &n->channels[i + 1],
                (n->channel_count - i) * sizeof(n->channels[0]));
        return true;
    }
    return false;
}
