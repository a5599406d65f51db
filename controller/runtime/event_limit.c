#include "controller/runtime/event_limit.h"

#include "base/hash.h"
#include "base/map.h"
#include "base/mem.h"

enum {
    BURST = 25,
    REFILL_SECONDS = 300,
    KNOWN_MAX = 2048,
    SAME_SECONDS = 600, /* later it is told as news again */
    SIMILAR_MAX = 10    /* different texts that are told one by one */
};

/* One thing known under a key, and its neighbours by when it was last heard of. */
struct entry {
    struct entry *newer, *older;
    char *key;
    union {
        struct ctl_event_record record; /* of uid|type|reason|text, or of several texts */
        struct {
            int64_t tokens, refilled_at;
        } bucket; /* of a uid */
        struct {
            int64_t last;
            size_t count;
            uint64_t texts[SIMILAR_MAX]; /* hashes */
        } similar;                       /* of uid|type|reason */
    } as;
};

struct known {
    struct nb_map *entries; /* key -> struct entry * */
    struct entry *newest, *oldest;
};

struct ctl_event_limit {
    struct known records, buckets, similars;
};

static void entry_free(void *p)
{
    struct entry *e = p;

    if (!e)
        return;
    free(e->key);
    free(e);
}

struct ctl_event_limit *ctl_event_limit_new(void)
{
    struct ctl_event_limit *l = NB_NEW(struct ctl_event_limit);

    l->records.entries = nb_map_new(entry_free);
    l->buckets.entries = nb_map_new(entry_free);
    l->similars.entries = nb_map_new(entry_free);
    return l;
}

void ctl_event_limit_free(struct ctl_event_limit *l)
{
    if (!l)
        return;
    nb_map_free(l->records.entries);
    nb_map_free(l->buckets.entries);
    nb_map_free(l->similars.entries);
    free(l);
}

/* --- what is known, by age --- */

static void unlink_entry(struct known *k, struct entry *e)
{
    if (e->newer)
        e->newer->older = e->older;
    else
        k->newest = e->older;
    if (e->older)
        e->older->newer = e->newer;
    else
        k->oldest = e->newer;
}

static void link_newest(struct known *k, struct entry *e)
{
    e->newer = NULL;
    e->older = k->newest;
    if (k->newest)
        k->newest->newer = e;
    else
        k->oldest = e;
    k->newest = e;
}

/* Becomes the newest; *ret_new: it was not known and is all zero. */
static struct entry *hear(struct known *k, const char *key, bool *ret_new)
{
    size_t n = strlen(key);
    struct entry *e = nb_map_get(k->entries, key, n), *oldest = k->oldest;

    *ret_new = !e;
    if (e) {
        unlink_entry(k, e);
    } else {
        if (oldest && nb_map_count(k->entries) >= KNOWN_MAX) {
            unlink_entry(k, oldest);
            nb_map_remove(k->entries, oldest->key, strlen(oldest->key));
        }
        e = NB_NEW(struct entry);
        e->key = nb_xstrdup(key);
        nb_map_put(k->entries, key, n, e);
    }
    link_newest(k, e);
    return e;
}

/* --- the three questions --- */

static bool take_token(struct ctl_event_limit *l, const char *uid, int64_t now)
{
    int64_t refills, tokens;
    bool is_new;
    struct entry *e = hear(&l->buckets, uid, &is_new);

    if (is_new) {
        e->as.bucket.tokens = BURST;
        e->as.bucket.refilled_at = now;
    }
    refills = (now - e->as.bucket.refilled_at) / REFILL_SECONDS;
    if (refills > 0) {
        tokens = refills > BURST ? BURST : e->as.bucket.tokens + refills;
        e->as.bucket.tokens = tokens > BURST ? BURST : tokens;
        e->as.bucket.refilled_at += refills * REFILL_SECONDS;
    }
    if (e->as.bucket.tokens <= 0)
        return false;
    e->as.bucket.tokens--;
    return true;
}

/* Too many different texts of the same kind: they are told together. */
static bool is_combined(struct ctl_event_limit *l, const char *kind, const char *text, int64_t now)
{
    uint64_t hash = nb_hash64(text, strlen(text));
    bool is_new;
    struct entry *e = hear(&l->similars, kind, &is_new);
    size_t i;

    if (!is_new && now - e->as.similar.last > SAME_SECONDS)
        e->as.similar.count = 0;
    e->as.similar.last = now;
    for (i = 0; i < e->as.similar.count && e->as.similar.texts[i] != hash; i++)
        ;
    if (i < e->as.similar.count)
        return false;
    if (e->as.similar.count == SIMILAR_MAX)
        return true;
    e->as.similar.texts[e->as.similar.count++] = hash;
    return false;
}

enum ctl_event_step ctl_event_limit_ask(struct ctl_event_limit *l,
                                        const struct ctl_event_said *said, int64_t now_unix_seconds,
                                        struct ctl_event_record **ret)
{
    nb_auto(nb_free) char *kind =
        nb_xasprintf("%s|%c|%s", said->uid, said->warning ? 'W' : 'N', said->reason);
    nb_auto(nb_free) char *one = nb_xasprintf("%s|%s", kind, said->text);
    bool combined = is_combined(l, kind, said->text, now_unix_seconds), is_new;
    struct ctl_event_record *r;

    *ret = NULL;
    if (!take_token(l, said->uid, now_unix_seconds))
        return CTL_EVENT_DROP;
    r = &hear(&l->records, combined ? kind : one, &is_new)->as.record;
    *ret = r;
    if (r->name[0] != '\0' && now_unix_seconds - r->last_unix_seconds < SAME_SECONDS) {
        r->count++;
        r->last_unix_seconds = now_unix_seconds;
        return CTL_EVENT_COUNT;
    }
    *r = (struct ctl_event_record){ .count = 1,
                                    .first_unix_seconds = now_unix_seconds,
                                    .last_unix_seconds = now_unix_seconds,
                                    .combined = combined };
    return CTL_EVENT_CREATE;
}
