#include "controller/runtime/event_limit.h"

#include "base/map.h"
#include "base/mem.h"

enum {
    BURST = 25,
    REFILL_SECONDS = 300,
    KNOWN_MAX = 2048,
    SAME_SECONDS = 600 /* later it is told as news again */
};

struct bucket {
    int64_t tokens, refilled_at;
};

struct ctl_event_limit {
    struct nb_map *records; /* uid|reason|text -> struct ctl_event_record * */
    struct nb_map *buckets; /* uid -> struct bucket * */
};

struct ctl_event_limit *ctl_event_limit_new(void)
{
    struct ctl_event_limit *l = NB_NEW(struct ctl_event_limit);

    l->records = nb_map_new(free);
    l->buckets = nb_map_new(free);
    return l;
}

void ctl_event_limit_free(struct ctl_event_limit *l)
{
    if (!l)
        return;
    nb_map_free(l->records);
    nb_map_free(l->buckets);
    free(l);
}

static bool take_token(struct ctl_event_limit *l, const char *uid, int64_t now)
{
    struct bucket *b = nb_map_get(l->buckets, uid, strlen(uid));
    int64_t refills;

    if (!b) {
        if (nb_map_count(l->buckets) >= KNOWN_MAX)
            nb_map_clear(l->buckets);
        b = NB_NEW(struct bucket);
        *b = (struct bucket){ BURST, now };
        nb_map_put(l->buckets, uid, strlen(uid), b);
    }
    refills = (now - b->refilled_at) / REFILL_SECONDS;
    if (refills > 0) {
        b->tokens = b->tokens + refills > BURST ? BURST : b->tokens + refills;
        b->refilled_at += refills * REFILL_SECONDS;
    }
    if (b->tokens <= 0)
        return false;
    b->tokens--;
    return true;
}

enum ctl_event_step ctl_event_limit_ask(struct ctl_event_limit *l, const char *uid,
                                        const char *reason, const char *text,
                                        int64_t now_unix_seconds, struct ctl_event_record **ret)
{
    nb_auto(nb_free) char *key = nb_xasprintf("%s|%s|%s", uid, reason, text);
    struct ctl_event_record *r = nb_map_get(l->records, key, strlen(key));

    *ret = NULL;
    if (!take_token(l, uid, now_unix_seconds))
        return CTL_EVENT_DROP;
    if (r && r->name[0] != '\0' && now_unix_seconds - r->last_unix_seconds < SAME_SECONDS) {
        r->count++;
        r->last_unix_seconds = now_unix_seconds;
        *ret = r;
        return CTL_EVENT_COUNT;
    }
    if (!r) {
        if (nb_map_count(l->records) >= KNOWN_MAX)
            nb_map_clear(l->records);
        r = NB_NEW(struct ctl_event_record);
        nb_map_put(l->records, key, strlen(key), r);
    }
    *r = (struct ctl_event_record){ .count = 1,
                                    .first_unix_seconds = now_unix_seconds,
                                    .last_unix_seconds = now_unix_seconds };
    *ret = r;
    return CTL_EVENT_CREATE;
}
