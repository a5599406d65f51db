#include <malloc.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "repo/repo_priv.h"
#include "tests/unit/cmocka.h"

/* What listings keep of chunks, of which there may be very many. */

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { COUNTS_MEMORY = false };
#else
enum { COUNTS_MEMORY = true };
#endif

enum { MANIFESTS = 1000, CHUNKS = 1000, REF_BYTES_MAX = 56 };

static const struct repo_chunk *find(struct repo_chunkset *s, unsigned char first)
{
    uint8_t id[NB_SHA256_BYTES] = { first };

    return repo_chunkset_find(s, id);
}

static void chunk_is_found_in_whatever_order_they_came(void **state)
{
    static const unsigned char ids[] = { 3, 9, 1, 200, 7 };
    nb_auto_done(repo_chunkset_done) struct repo_chunkset s = { .items = NULL };

    (void)state;
    assert_null(find(&s, 3));
    for (size_t i = 0; i < NB_ARRAY_LEN(ids); i++) {
        struct repo_chunk c = { .id = { ids[i] }, .size = ids[i] };

        repo_chunkset_add(&s, &c);
        assert_int_equal(find(&s, ids[i])->size, ids[i]);
    }
    for (size_t i = 0; i < NB_ARRAY_LEN(ids); i++)
        assert_int_equal(find(&s, ids[i])->size, ids[i]);
    assert_null(find(&s, 2));
    assert_null(find(&s, 255));
}

static void name_is_the_hash_and_nothing_else(void **state)
{
    static const char good[] =
        "00ff0123456789abcdef0123456789abcdef0123456789abcdef0123456789ab.cypher.gz";
    char text[sizeof(good) + 1];
    uint8_t id[NB_SHA256_BYTES];

    (void)state;
    assert_true(repo_chunk_id_parse(good, id));
    assert_int_equal(id[0], 0);
    assert_int_equal(id[1], 0xff);
    assert_int_equal(id[NB_SHA256_BYTES - 1], 0xab);
    for (size_t n = 0; n < sizeof(good) - 1; n++) {
        snprintf(text, sizeof(text), "%.*s", (int)n, good);
        assert_false(repo_chunk_id_parse(text, id));
    }
    snprintf(text, sizeof(text), "%sx", good);
    assert_false(repo_chunk_id_parse(text, id));
    snprintf(text, sizeof(text), "%s", good);
    text[5] = 'A';
    assert_false(repo_chunk_id_parse(text, id));
}

/* A manifest of chunks number first, first + 1, ... */
static void fill(struct repo_backup *b, const char *owner, size_t first, size_t n)
{
    char key[REPO_KEY_MAX + 1];
    struct repo_object *o;

    *b = (struct repo_backup){ .manifest = repo_manifest_new() };
    b->manifest->type = REPO_INCREMENTAL;
    b->manifest->owner = nb_xstrdup(owner);
    b->manifest->database = nb_xstrdup("neo4j");
    for (size_t i = 0; i < n; i++) {
        snprintf(key, sizeof(key), "p/chunks/%s/neo4j/%064zx.cypher.gz", owner, first + i);
        o = repo_manifest_add_object(b->manifest, key);
        o->size = first + i;
    }
}

static void done(struct repo_backup *b)
{
    repo_manifest_free(b->manifest);
    free(b->chunks);
}

static void what_is_no_chunk_stays_an_object(void **state)
{
    struct repo r = { .prefix = "p" };
    char owner[] = "me";
    struct repo_backup b;

    (void)state;
    r.owner = owner;
    fill(&b, "me", 1, 3);
    repo_manifest_add_object(b.manifest, "p/neo4j_2025-10-08_02-00-00.cypher.gz");
    repo_manifest_add_object(b.manifest, "p/chunks/you/neo4j/1.cypher.gz");
    repo_backup_compact(&r, &b);
    assert_int_equal(b.chunks_n, 3);
    assert_int_equal(b.chunks[2].size, 3);
    assert_int_equal(b.chunks[2].id[NB_SHA256_BYTES - 1], 3);
    assert_int_equal(b.manifest->objects_n, 2);
    assert_string_equal(b.manifest->objects[1].key, "p/chunks/you/neo4j/1.cypher.gz");
    done(&b);
    /* Nobody asks for another owner's. */
    fill(&b, "you", 1, 3);
    repo_backup_compact(&r, &b);
    assert_int_equal(b.chunks_n, 0);
    assert_int_equal(b.manifest->objects_n, 0);
    done(&b);
}

static void million_chunks_named_take_little_memory(void **state)
{
    nb_auto(nb_free) struct repo_backup *all = nb_xcalloc(MANIFESTS, sizeof(*all));
    struct repo r = { .prefix = "p" };
    char owner[] = "me";
    size_t before = mallinfo2().uordblks + mallinfo2().hblkhd, after;

    (void)state;
    r.owner = owner;
    for (size_t i = 0; i < MANIFESTS; i++) {
        fill(&all[i], "me", i, CHUNKS);
        repo_backup_compact(&r, &all[i]);
    }
    after = mallinfo2().uordblks + mallinfo2().hblkhd;
    printf("%d manifests of %d chunks: %zu bytes a chunk\n", MANIFESTS, CHUNKS,
           (after - before) / MANIFESTS / CHUNKS);
    if (COUNTS_MEMORY)
        assert_true(after - before < (size_t)MANIFESTS * CHUNKS * REF_BYTES_MAX);
    for (size_t i = 0; i < MANIFESTS; i++)
        done(&all[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chunk_is_found_in_whatever_order_they_came),
        cmocka_unit_test(name_is_the_hash_and_nothing_else),
        cmocka_unit_test(what_is_no_chunk_stays_an_object),
        cmocka_unit_test(million_chunks_named_take_little_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
