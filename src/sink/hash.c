#include <assert.h>
#include <string.h>

#include "base/mem.h"
#include "sink/sink.h"

struct sink_hash {
    struct sink base;
    struct sink *next;
    struct nb_sha256 *sha;
    char hex[NB_SHA256_HEX];
};

static bool hash_write(struct sink *s, const void *p, size_t n, struct nb_error *err)
{
    struct sink_hash *h = (struct sink_hash *)s;

    nb_sha256_update(h->sha, p, n);
    return sink_write(h->next, p, n, err);
}

static bool hash_finish(struct sink *s, struct nb_error *err)
{
    struct sink_hash *h = (struct sink_hash *)s;
    uint8_t digest[NB_SHA256_BYTES];

    nb_sha256_final(h->sha, digest);
    nb_hex(digest, sizeof(digest), h->hex);
    return sink_finish(h->next, err);
}

static void hash_free(struct sink *s)
{
    struct sink_hash *h = (struct sink_hash *)s;

    sink_free(h->next);
    nb_sha256_free(h->sha);
    free(h);
}

static const struct sink_ops hash_ops = { hash_write, hash_finish, hash_free };

struct sink *sink_hash_new(struct sink *take_next)
{
    struct sink_hash *h = NB_NEW(struct sink_hash);

    h->base.ops = &hash_ops;
    h->next = take_next;
    h->sha = nb_sha256_new();
    return &h->base;
}

void sink_hash_hex(const struct sink *hash, char out[NB_SHA256_HEX])
{
    const struct sink_hash *h = (const struct sink_hash *)hash;

    assert(h->hex[0]); /* after finish only */
    memcpy(out, h->hex, NB_SHA256_HEX);
}
