#include "controller/runtime/event_limit.h"

#include "base/hash.h"
#include "base/map.h"
#include "base/mem.h"

enum {
    BURST = 25,
    REFILL_SECONDS = 300,
    KNOWN_MAX = 2048,
    SAME_SECONDS = 600, /* later it is told as news again */
    SIMILAR_MAX = 10,   /* different texts that are told one by one */
    KEY_BYTES = 16
};

/* One thing known under a key, and its neighbours by when it was last heard of. The key is a digest:
 * thousands of whole texts would be in memory. */
struct entry {
    struct entry *newer, *older;
    int64_t heard_at;
    uint8_t key[KEY_BYTES];
};

struct record { /* of uid|type|reason|text, or of several texts */
    struct entry entry;
    struct ctl_event_record record;
};

struct bucket { /* of a uid */
    struct entry entry;
    int64_t tokens, refilled_at;
};

struct similar { /* of uid|type|reason */
    struct entry entry;
    size_t count;
    uint64_t texts[SIMILAR_MAX]; /* hashes */
};

struct known {
    struct nb_map *entries; /* key -> struct entry * */
    struct entry *newest, *oldest;
    size_t entry_bytes;
    int64_t keep_seconds; /* not heard of for longer, it says no more than if it were not there */
};

struct ctl_event_limit {
    struct known records, buckets, similars;
};

struct ctl_event_limit *ctl_event_limit_new(void)
{
    struct ctl_event_limit *l = NB_NEW(struct ctl_event_limit);

    l->records =
        (struct known){ .entry_bytes = sizeof(struct record), .keep_seconds = SAME_SECONDS };
    l->buckets = (struct known){ .entry_bytes = sizeof(struct bucket),
                                 .keep_seconds = (int64_t)BURST * REFILL_SECONDS };
    l->similars =
        (struct known){ .entry_bytes = sizeof(struct similar), .keep_seconds = SAME_SECONDS };
    l->records.entries = nb_map_new(free);
    l->buckets.entries = nb_map_new(free);
    l->similars.entries = nb_map_new(free);
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

size_t ctl_event_limit_held(const struct ctl_event_limit *l)
{
    return nb_map_count(l->records.entries) + nb_map_count(l->buckets.entries) +
           nb_map_count(l->similars.entries);
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

static void forget(struct known *k, struct entry *e)
{
    unlink_entry(k, e);
    nb_map_remove(k->entries, (const char *)e->key, KEY_BYTES);
}

static void forget_old(struct known *k, int64_t now)
{
    while (k->oldest && now - k->oldest->heard_at > k->keep_seconds)
        forget(k, k->oldest);
}

/* Becomes the newest; *ret_new: it was not known, and what follows the entry is all zero. */
static void *hear(struct known *k, const uint8_t key[KEY_BYTES], int64_t now, bool *ret_new)
{
    struct entry *e;

    forget_old(k, now);
    e = nb_map_get(k->entries, (const char *)key, KEY_BYTES);
    if (e && now - e->heard_at > k->keep_seconds) { /* the clock was set back: out of order */
        forget(k, e);
        e = NULL;
    }
    *ret_new = !e;
    if (e) {
        unlink_entry(k, e);
    } else {
        if (k->oldest && nb_map_count(k->entries) >= KNOWN_MAX)
            forget(k, k->oldest);
        e = nb_xcalloc(1, k->entry_bytes);
        memcpy(e->key, key, KEY_BYTES);
        nb_map_put(k->entries, (const char *)key, KEY_BYTES, e);
    }
    e->heard_at = now;
    link_newest(k, e);
    return e;
}

/* --- the three questions --- */

static bool take_token(struct ctl_event_limit *l, const uint8_t uid[KEY_BYTES], int64_t now)
{
    int64_t refills, tokens;
    bool is_new;
    struct bucket *b = hear(&l->buckets, uid, now, &is_new);

    if (is_new) {
        b->tokens = BURST;
        b->refilled_at = now;
    }
    refills = (now - b->refilled_at) / REFILL_SECONDS;
    if (refills > 0) {
        tokens = refills > BURST ? BURST : b->tokens + refills;
        b->tokens = tokens > BURST ? BURST : tokens;
        b->refilled_at += refills * REFILL_SECONDS;
    }
    if (b->tokens <= 0)
        return false;
    b->tokens--;
    return true;
}

/* Too many different texts of the same kind: they are told together. */
static bool is_combined(struct ctl_event_limit *l, const uint8_t kind[KEY_BYTES], const char *text,
                        int64_t now)
{
    uint64_t hash = nb_hash64(text, strlen(text));
    bool is_new;
    struct similar *s = hear(&l->similars, kind, now, &is_new);
    size_t i;

    for (i = 0; i < s->count && s->texts[i] != hash; i++)
        ;
    if (i < s->count)
        return false;
    if (s->count == SIMILAR_MAX)
        return true;
    s->texts[s->count++] = hash;
    return false;
}

static void make_key(const char *text, uint8_t out[KEY_BYTES])
{
    uint8_t digest[NB_SHA256_BYTES];

    nb_sha256(text, strlen(text), digest);
    memcpy(out, digest, KEY_BYTES);
}

enum ctl_event_step ctl_event_limit_ask(struct ctl_event_limit *l,
                                        const struct ctl_event_said *said, int64_t now_unix_seconds,
                                        struct ctl_event_record **ret)
{
    nb_auto(nb_free) char *kind_text =
        nb_xasprintf("%s|%c|%s", said->uid, said->warning ? 'W' : 'N', said->reason);
    nb_auto(nb_free) char *one_text = nb_xasprintf("%s|%s", kind_text, said->text);
    uint8_t uid[KEY_BYTES], kind[KEY_BYTES], one[KEY_BYTES];
    struct ctl_event_record *r;
    bool combined, is_new;

    make_key(said->uid, uid);
    make_key(kind_text, kind);
    make_key(one_text, one);
    combined = is_combined(l, kind, said->text, now_unix_seconds);
    *ret = NULL;
    if (!take_token(l, uid, now_unix_seconds))
        return CTL_EVENT_DROP;
    r = &((struct record *)hear(&l->records, combined ? kind : one, now_unix_seconds, &is_new))
             ->record;
    *ret = r;
    if (r->suffix[0] != '\0' && now_unix_seconds - r->last_unix_seconds < SAME_SECONDS) {
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
