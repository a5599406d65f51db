#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/cancel.h"
#include "base/map.h"
#include "base/mem.h"
#include "engine/backup.h"
#include "engine/verify.h"
#include "tests/fakes/fake_graph.h"
#include "tests/fakes/s3_fixture.h"

/* Chains of incremental backups: a fake Neo4j on one side, a fake bucket on the other. */

enum {
    NODES = 1000,
    RELS = 1000,
    HOUR = 3600,
    DAY = 86400,
    T0 = 1759888800,
    CHUNK_BYTES = 4 << 10
};
#define CHUNKS "p/chunks/me/neo4j/"

struct bench {
    struct fake_graph *graph;
    struct fake_s3 *s3;
    struct s3_client *client;
    struct nb_cancel *cancel;
    struct eng_backup_result result;
    struct nb_error err;
    unsigned runs;

    /* Options of the next run. */
    unsigned max_chain;
    size_t max_chunks;
    int level;
    const char *owner;
    enum repo_verification verify;

    /* On the server's thread. */
    void (*change)(struct fake_graph *g); /* before the first row of the next export */
    void (*disturb)(struct fake_graph *g);
    unsigned exports;
};

static void short_retries(struct s3_client_opts *o)
{
    o->retry_window_ms = 200;
}

static enum fake_graph_break on_row(void *ctx, struct fake_graph *g, enum fake_graph_query query,
                                    uint64_t row)
{
    struct bench *b = ctx;

    if (query == FAKE_GRAPH_MARK && b->change) {
        b->change(g);
        b->change = NULL;
    }
    if (query == FAKE_GRAPH_NODES && row == 0)
        b->exports++;
    if (query == FAKE_GRAPH_RELS && row == 400 && b->disturb) {
        b->disturb(g);
        b->disturb = NULL;
    }
    return FAKE_GRAPH_GO_ON;
}

static void open_bench(struct bench *b)
{
    *b = (struct bench){ .err = NB_ERROR_INIT, .level = 1, .owner = "me" };
    b->graph = fake_graph_new();
    for (int64_t i = 0; i < NODES; i++)
        fake_graph_add_node(b->graph, 'A', i, i * 7919);
    for (int64_t i = 0; i < RELS; i++)
        fake_graph_add_rel(b->graph, i % NODES, (i * 7 + 1) % NODES, i);
    fake_graph_set_start(b->graph, 1759000000000);
    fake_graph_start(b->graph, on_row, b);
    b->s3 = fake_s3_new();
    b->client = s3_fixture_client(b->s3, short_retries);
    b->cancel = nb_cancel_new();
}

static void close_bench(struct bench *b)
{
    assert_string_equal(fake_s3_complaint(b->s3), "");
    eng_backup_result_done(&b->result);
    fake_graph_free(b->graph);
    s3_client_free(b->client);
    fake_s3_free(b->s3);
    nb_cancel_free(b->cancel);
}

static bool verify_at(struct repo *repo, const struct repo_manifest *m,
                      enum repo_verification level, struct nb_error *err)
{
    struct eng_verify_opts opts = { .level = level };

    return eng_verify_run(repo, m, &opts, NULL, err);
}

static struct repo *repo_of(struct bench *b, unsigned run)
{
    nb_auto(nb_free) char *id = nb_xasprintf("run-%u", run);
    struct repo_opts opts = { .client = b->client, .prefix = "p", .owner = b->owner, .run_id = id };
    struct repo *r;

    assert_true(repo_open(&opts, &r, &b->err));
    return r;
}

static bool try_run(struct bench *b)
{
    nb_auto(repo_free) struct repo *repo = repo_of(b, b->runs);
    struct eng_backup_opts opts = {
        .neo4j = BOLT_CONN_OPTS_INIT,
        .fetch_size = 500,
        .repo = repo,
        .gzip_level = b->level,
        .gzip_threads = 2,
        .incremental = true,
        .max_chain = b->max_chain,
        .chunk_bytes = CHUNK_BYTES,
        .max_chunks = b->max_chunks,
        .scheduled_unix_seconds = T0 + (int64_t)b->runs * DAY,
        .verify = { .level = b->verify },
        .cancel = b->cancel,
    };

    b->runs++;
    opts.neo4j.uri = fake_graph_uri(b->graph);
    eng_backup_result_done(&b->result);
    nb_error_clear(&b->err);
    return eng_backup_run(&opts, &b->result, &b->err);
}

static const struct repo_manifest *run(struct bench *b)
{
    if (!try_run(b))
        fail_msg("%s: %s", b->err.reason, b->err.text);
    return b->result.manifest;
}

/* Every backup that there is can be read from end to end. */
static size_t verify_all(struct bench *b)
{
    nb_auto(repo_free) struct repo *repo = repo_of(b, 0);
    nb_auto_done(repo_backups_done) struct repo_backups all = REPO_BACKUPS_INIT;
    struct repo_list_opts opts = { .with_chunks = true, .ours_only = true };
    size_t n = 0;

    nb_error_clear(&b->err);
    assert_true(repo_list(repo, &opts, NULL, &all, &b->err));
    for (size_t i = 0; i < all.n; i++) {
        nb_auto(repo_manifest_free) struct repo_manifest *m = NULL;
        char key[REPO_KEY_MAX + 1];

        if (!all.items[i].manifest)
            continue;
        assert_int_equal(all.items[i].state, REPO_COMPLETE);
        if (!repo_manifest_get(repo, all.items[i].manifest_key, NULL, &m, key, &b->err) ||
            !verify_at(repo, m, REPO_VERIFIED_READBACK, &b->err))
            fail_msg("%s: %s", all.items[i].manifest_key, b->err.text);
        n++;
    }
    return n;
}

/* How many chunks of m are in that of the run before. */
static size_t shared(const struct repo_manifest *m, const struct repo_manifest *before)
{
    size_t n = 0;

    for (size_t i = 0; i < m->objects_n; i++)
        for (size_t k = 0; k < before->objects_n; k++)
            if (nb_streq(m->objects[i].key, before->objects[k].key)) {
                n++;
                break;
            }
    return n;
}

static struct repo_manifest *keep(struct bench *b)
{
    return nb_steal(b->result.manifest);
}

static uint64_t stored(const struct repo_manifest *m)
{
    uint64_t n = 0;

    for (size_t i = 0; i < m->objects_n; i++)
        n += m->objects[i].size;
    return n;
}

static size_t chunks_in_bucket(struct bench *b, const char *dir)
{
    struct nb_buf text = NB_BUF_INIT(4 << 20);
    size_t n = 0;

    fake_s3_dump(b->s3, &text);
    for (const char *p = nb_buf_cstr(&text); (p = strstr(p, dir)); p++)
        n++;
    nb_buf_done(&text);
    return n;
}

/* As many as are in the bucket, when a sweep has been through. */
static size_t chunks_named(struct bench *b)
{
    nb_auto(repo_free) struct repo *repo = repo_of(b, 0);
    nb_auto_done(repo_backups_done) struct repo_backups all = REPO_BACKUPS_INIT;
    nb_auto(nb_map_free) struct nb_map *named = nb_map_new(NULL);

    nb_error_clear(&b->err);
    assert_true(repo_list(repo, NULL, NULL, &all, &b->err));
    for (size_t i = 0; i < all.n; i++)
        for (size_t k = 0; k < all.items[i].chunks_n; k++)
            nb_map_put(named, (const char *)all.items[i].chunks[k].id, NB_SHA256_BYTES, b);
    return nb_map_count(named);
}

static bool prune(struct bench *b, unsigned keep_last, struct repo_prune_result *ret)
{
    nb_auto(repo_free) struct repo *repo = repo_of(b, 0);
    struct repo_prune_opts opts = { .rules = { .days = -1, .keep_last = keep_last } };

    nb_error_clear(&b->err);
    return repo_prune(repo, &opts, NULL, ret, &b->err);
}

/* --- changes ---------------------------------------------------------------------------------- */

static void append(struct fake_graph *g)
{
    size_t n;

    fake_graph_nodes(g, &n);
    for (int64_t i = 0; i < NODES / 100; i++)
        fake_graph_add_node(g, 'A', (int64_t)n + i, i);
}

static void change_near(struct fake_graph *g)
{
    for (int64_t i = 500; i < 500 + NODES / 100; i++)
        fake_graph_set_node(g, i, i, -i);
}

static void change_far(struct fake_graph *g)
{
    for (int64_t i = 0; i < NODES; i += 100)
        fake_graph_set_node(g, i, i, -i * 3);
}

static void delete_some(struct fake_graph *g)
{
    for (int64_t i = 700; i < 705; i++)
        fake_graph_delete_node(g, i);
}

/* --- tests ------------------------------------------------------------------------------------ */

static void chain_stores_only_what_changed(void **state)
{
    void (*const changes[])(struct fake_graph *) = { append, change_near, delete_some };
    struct repo_manifest *first, *before;
    struct bench b;

    (void)state;
    open_bench(&b);
    run(&b);
    first = before = keep(&b);
    assert_int_equal(first->type, REPO_INCREMENTAL);
    assert_int_equal(first->chain_length, 1);
    assert_null(first->base_manifest);
    assert_true(first->objects_n > 12);
    assert_int_equal(first->new_bytes, stored(first));
    assert_string_equal(b.result.key, b.result.manifest_key);
    for (size_t i = 0; i < NB_ARRAY_LEN(changes); i++) {
        const struct repo_manifest *m;

        b.change = changes[i];
        m = run(&b);
        assert_int_equal(m->chain_length, i + 2);
        assert_string_equal(m->base_manifest, before->key ? before->key
                                                          : "p/neo4j_2025-10-08_02-00-00"
                                                            ".manifest.json");
        assert_string_equal(m->helper, first->helper);
        /* Head, tail, and what changed: relationships of nodes that were deleted are here and there. */
        assert_true(shared(m, before) + (i < 2 ? 5 : 20) >= m->objects_n);
        assert_true(i == 2 || m->new_bytes < stored(m) / 3);
        if (before != first)
            repo_manifest_free(before);
        before = keep(&b);
        before->key = nb_xstrdup(b.result.manifest_key);
    }
    assert_int_equal(verify_all(&b), 4);
    repo_manifest_free(before);
    repo_manifest_free(first);
    close_bench(&b);
}

static void scattered_changes_store_nearly_everything_and_are_right(void **state)
{
    struct bench b;

    (void)state;
    open_bench(&b);
    run(&b);
    b.change = change_far;
    run(&b);
    assert_int_equal(verify_all(&b), 2);
    close_bench(&b);
}

static void unchanged_database_is_not_read_but_for_every_seventh_time(void **state)
{
    struct bench b;

    (void)state;
    open_bench(&b);
    run(&b);
    assert_int_equal(b.exports, 1);
    for (int i = 1; i <= 6; i++) {
        const struct repo_manifest *m = run(&b);

        assert_int_equal(m->unread, i);
        assert_int_equal(m->new_bytes, 0);
        assert_int_equal(m->chain_length, 1 + i);
        assert_int_equal(m->nodes, NODES);
        assert_int_equal(m->scheduled_unix_seconds, T0 + i * DAY);
    }
    assert_int_equal(b.exports, 1);
    assert_int_equal(run(&b)->unread, 0);
    assert_int_equal(b.exports, 2);
    /* A database that was started anew may be another one. */
    fake_graph_set_start(b.graph, 1759000000001);
    assert_int_equal(run(&b)->unread, 0);
    assert_int_equal(b.exports, 3);
    b.change = fake_graph_touch;
    assert_int_equal(run(&b)->unread, 0);
    assert_int_equal(b.exports, 4);
    assert_int_equal(run(&b)->unread, 1);
    assert_int_equal(verify_all(&b), 11);
    close_bench(&b);
}

static void chain_ends_after_its_maximum(void **state)
{
    char helper[32];
    const struct repo_manifest *m;
    struct bench b;

    (void)state;
    open_bench(&b);
    b.max_chain = 2;
    snprintf(helper, sizeof(helper), "%s", run(&b)->helper);
    for (int i = 2; i <= 3; i++) {
        assert_int_equal(run(&b)->chain_length, i);
        assert_string_equal(b.result.manifest->helper, helper);
    }
    m = run(&b);
    assert_int_equal(m->chain_length, 1);
    assert_null(m->base_manifest);
    assert_string_not_equal(m->helper, helper);
    assert_int_equal(m->new_bytes, stored(m));
    assert_int_equal(verify_all(&b), 4);
    close_bench(&b);
}

static void lost_chunk_is_found_and_not_built_on(void **state)
{
    const struct repo_manifest *m;
    nb_auto(nb_free) char *lost = NULL;
    nb_auto(repo_free) struct repo *repo = NULL;
    struct bench b;

    (void)state;
    open_bench(&b);
    repo = repo_of(&b, 0);
    lost = nb_xstrdup(run(&b)->objects[3].key);
    assert_true(fake_s3_delete(b.s3, lost));
    assert_false(verify_at(repo, b.result.manifest, REPO_VERIFIED_CHECKSUM, &b.err));
    assert_string_equal(b.err.reason, "VerificationFailed");
    nb_error_clear(&b.err);
    m = run(&b);
    assert_int_equal(m->chain_length, 1);
    assert_true(verify_at(repo, m, REPO_VERIFIED_READBACK, &b.err));
    close_bench(&b);
}

static void second_get_of_a_manifest_is_404(void *ctx, const struct fake_s3_op *op,
                                            struct fake_s3_fault *fault)
{
    unsigned *n = ctx;

    if (strcmp(op->name, "GetObject") == 0 && nb_ends_with(op->key, ".manifest.json") &&
        ++*n == 2) {
        fault->status = 404;
        fault->code = "NoSuchKey";
    }
}

/* It is listed, and then read for its chunks. */
static void base_that_goes_while_it_is_looked_for_is_none(void **state)
{
    struct bench b;
    unsigned n = 0;

    (void)state;
    open_bench(&b);
    run(&b);
    fake_s3_set_hook(b.s3, second_get_of_a_manifest_is_404, &n);
    assert_int_equal(run(&b)->chain_length, 1);
    assert_true(n >= 2);
    fake_s3_set_hook(b.s3, NULL, NULL);
    assert_int_equal(run(&b)->chain_length, 2);
    close_bench(&b);
}

/* There may be only so many chunks in a manifest: an export that has more is made again. */
static void too_many_chunks_are_made_larger(void **state)
{
    nb_auto(repo_free) struct repo *repo = NULL;
    const struct repo_manifest *m;
    struct bench b;
    size_t n;

    (void)state;
    open_bench(&b);
    n = run(&b)->objects_n;
    b.owner = "you";
    repo = repo_of(&b, 0);
    b.max_chunks = n - 1;
    m = run(&b);
    assert_int_equal(m->chain_length, 1);
    assert_int_equal(m->chunk_bytes, 4 * CHUNK_BYTES);
    assert_true(m->objects_n < n);
    assert_int_equal(b.exports, 3);
    assert_true(verify_at(repo, m, REPO_VERIFIED_READBACK, &b.err));
    b.max_chunks = 1; /* whatever their size: head and tail are chunks of their own */
    fake_graph_touch(b.graph);
    assert_false(try_run(&b));
    assert_string_equal(b.err.reason, "TooManyChunks");
    close_bench(&b);
}

/* Before that comes to pass. What was found of the elements' size holds for the chains to come. */
static void chain_of_many_chunks_is_followed_by_a_coarser_one(void **state)
{
    const struct repo_manifest *m;
    struct bench b;
    uint64_t bytes;
    size_t n;

    (void)state;
    open_bench(&b);
    b.max_chain = 1;
    m = run(&b);
    n = m->objects_n;
    assert_int_equal(m->chunk_bytes, CHUNK_BYTES);
    b.max_chunks = n;
    fake_graph_touch(b.graph);
    m = run(&b);
    assert_int_equal(m->chain_length, 1);
    bytes = m->chunk_bytes;
    assert_true(bytes > CHUNK_BYTES);
    assert_true(m->objects_n < n / 2);
    assert_int_equal(b.exports, 2); /* none was in vain */
    for (int length = 2; length > 0; length--) {
        fake_graph_touch(b.graph);
        m = run(&b);
        assert_int_equal(m->chain_length, length);
        assert_int_equal(m->chunk_bytes, bytes);
    }
    close_bench(&b);
}

/* Other bytes under the name of a chunk are no chunk. */
static void changed_chunk_is_found(void **state)
{
    nb_auto(repo_free) struct repo *repo = NULL;
    struct nb_buf chunk = NB_BUF_INIT(1 << 20);
    const struct repo_manifest *m;
    struct bench b;

    (void)state;
    open_bench(&b);
    repo = repo_of(&b, 0);
    run(&b);
    assert_true(fake_s3_get(b.s3, b.result.manifest->objects[3].key, &chunk));
    chunk.data[chunk.len / 2] = (char)(chunk.data[chunk.len / 2] ^ 1);
    fake_s3_put(b.s3, b.result.manifest->objects[3].key, chunk.data, chunk.len);
    for (int i = 0; i < 2; i++) {
        nb_error_clear(&b.err);
        assert_false(verify_at(repo, b.result.manifest,
                               i ? REPO_VERIFIED_READBACK : REPO_VERIFIED_CHECKSUM, &b.err));
        assert_string_equal(b.err.reason, "VerificationFailed");
    }
    /* Nor are later backups built on it: the next one finds it, and begins a chain of its own. */
    nb_error_clear(&b.err);
    b.verify = REPO_VERIFIED_READBACK;
    m = run(&b);
    assert_int_equal(m->chain_length, 1);
    assert_true(verify_at(repo, m, REPO_VERIFIED_READBACK, &b.err));
    nb_buf_done(&chunk);
    close_bench(&b);
}

/* Of some chunks the bytes were stored anew, and have another ETag. */
static void copied_chunks_are_verified_by_their_bytes(void **state)
{
    nb_auto(repo_free) struct repo *repo = NULL;
    struct bench b;

    (void)state;
    open_bench(&b);
    repo = repo_of(&b, 0);
    run(&b);
    fake_s3_set_odd_etags(b.s3, true);
    for (size_t i = 0; i < b.result.manifest->objects_n; i += 2) {
        const char *key = b.result.manifest->objects[i].key;
        struct nb_buf chunk = NB_BUF_INIT(1 << 20);

        assert_true(fake_s3_get(b.s3, key, &chunk));
        fake_s3_put(b.s3, key, chunk.data, chunk.len);
        nb_buf_done(&chunk);
    }
    for (int i = 0; i < 2; i++)
        if (!verify_at(repo, b.result.manifest, i ? REPO_VERIFIED_READBACK : REPO_VERIFIED_CHECKSUM,
                       &b.err))
            fail_msg("level %d: %s", i, b.err.text);
    close_bench(&b);
}

static const struct repo_object *only_in(const struct repo_manifest *m,
                                         const struct repo_manifest *before)
{
    for (size_t i = 0; i < m->objects_n; i++) {
        bool there = false;

        for (size_t k = 0; k < before->objects_n && !there; k++)
            there = nb_streq(m->objects[i].key, before->objects[k].key);
        if (!there)
            return &m->objects[i];
    }
    fail_msg("nothing is new");
    return NULL;
}

static void backup_of_a_replaced_chunk_does_not_count(void **state)
{
    nb_auto(repo_manifest_free) struct repo_manifest *first = NULL;
    nb_auto(repo_free) struct repo *repo = NULL;
    nb_auto_done(repo_backups_done) struct repo_backups all = REPO_BACKUPS_INIT;
    struct repo_list_opts opts = { .with_chunks = true };
    struct nb_buf chunk = NB_BUF_INIT(1 << 20);
    const struct repo_object *victim;
    struct repo_prune_result p;
    struct bench b;

    (void)state;
    open_bench(&b);
    repo = repo_of(&b, 0);
    run(&b);
    first = keep(&b);
    change_near(b.graph);
    victim = only_in(run(&b), first);
    assert_true(fake_s3_get(b.s3, victim->key, &chunk));
    chunk.data[chunk.len / 2] = (char)(chunk.data[chunk.len / 2] ^ 1);
    fake_s3_put(b.s3, victim->key, chunk.data, chunk.len);
    assert_true(repo_list(repo, &opts, NULL, &all, &b.err));
    assert_int_equal(all.items[0].state, REPO_COMPLETE);
    assert_int_equal(all.items[1].state, REPO_UNPROVEN);
    assert_true(prune(&b, 1, &p));
    assert_int_equal(p.kept, 1);
    assert_int_equal(p.deleted, 1);
    assert_false(p.items[0].deleted); /* the older one */
    repo_prune_result_done(&p);
    nb_buf_done(&chunk);
    close_bench(&b);
}

/* A run died before its manifest; the next one compresses another way. */
static void chunks_of_a_dead_run_are_taken_as_they_are(void **state)
{
    struct nb_buf before = NB_BUF_INIT(1 << 20), after = NB_BUF_INIT(1 << 20);
    const struct repo_object *o = NULL;
    struct repo_manifest *dead, *first;
    const struct repo_manifest *m;
    struct bench b;

    (void)state;
    open_bench(&b);
    run(&b);
    first = keep(&b);
    b.change = change_near;
    run(&b);
    dead = keep(&b);
    assert_true(fake_s3_delete(b.s3, "p/neo4j_2025-10-09_02-00-00.manifest.json"));
    for (size_t i = 1; i + 1 < dead->objects_n && !o; i++) {
        o = &dead->objects[i];
        for (size_t k = 0; k < first->objects_n && o; k++)
            o = nb_streq(first->objects[k].key, o->key) ? NULL : o;
    }
    assert_non_null(o);
    assert_true(fake_s3_get(b.s3, o->key, &before));
    fake_s3_age_all(b.s3, HOUR);
    b.level = 9;
    m = run(&b);
    assert_int_equal(m->chain_length, 2);
    assert_true(fake_s3_get(b.s3, o->key, &after));
    assert_true(nb_str_equal(nb_buf_str(&before), nb_buf_str(&after)));
    assert_true(shared(m, dead) + 2 >= m->objects_n); /* but head and tail */
    assert_int_equal(verify_all(&b), 2);

    /* What does not hold what its name says is never taken. */
    assert_true(fake_s3_delete(b.s3, "p/neo4j_2025-10-10_02-00-00.manifest.json"));
    fake_s3_put(b.s3, o->key, "no chunk", 8);
    assert_false(try_run(&b));
    assert_string_equal(b.err.reason, "ChecksumMismatch");
    nb_buf_done(&before);
    nb_buf_done(&after);
    repo_manifest_free(first);
    repo_manifest_free(dead);
    close_bench(&b);
}

static void written_to_meanwhile_fixups_are_a_chunk_of_their_own(void **state)
{
    struct repo_manifest *first;
    struct bench b;

    (void)state;
    open_bench(&b);
    run(&b);
    first = keep(&b);
    b.change = fake_graph_touch;
    b.disturb = append;
    run(&b);
    assert_int_equal(b.result.manifest->consistency, REPO_CONSISTENCY_CLOSED);
    assert_true(b.result.manifest->fixup_passes > 0);
    /* All but head, fix-ups and tail. */
    assert_true(shared(b.result.manifest, first) + 3 >= b.result.manifest->objects_n);
    assert_true(shared(b.result.manifest, first) + 2 <= b.result.manifest->objects_n);
    /* What was not a snapshot is read again, though nothing changes any more. */
    assert_int_equal(run(&b)->unread, 0);
    assert_int_equal(b.result.manifest->consistency, REPO_CONSISTENCY_SNAPSHOT);
    assert_int_equal(verify_all(&b), 3);
    repo_manifest_free(first);
    close_bench(&b);
}

static void retried_pod_finds_its_backup(void **state)
{
    nb_auto(nb_free) char *key = NULL;
    struct bench b;

    (void)state;
    open_bench(&b);
    run(&b);
    key = nb_xstrdup(b.result.manifest_key);
    b.runs = 0;
    run(&b);
    assert_true(b.result.already);
    assert_string_equal(b.result.manifest_key, key);
    assert_string_equal(b.result.key, key);
    close_bench(&b);
}

struct nth {
    unsigned n, seen;
    bool for_good; /* the program is as good as killed */
    const char *only;
};

static void fail_nth(void *ctx, const struct fake_s3_op *op, struct fake_s3_fault *fault)
{
    struct nth *f = ctx;

    if (f->only && strcmp(op->name, f->only) != 0)
        return;
    f->seen++;
    if (f->seen == f->n || (f->for_good && f->seen > f->n)) {
        fault->status = 403;
        fault->code = "AccessDenied";
    }
}

static void bucket_refuses_any_one_request_no_lie_is_told(void **state)
{
    struct nth f = { .n = 1 };
    struct bench b;
    unsigned failures = 0;
    bool through = false, ok;

    (void)state;
    open_bench(&b);
    run(&b);
    while (!through) {
        f.seen = 0;
        b.change = change_near;
        fake_s3_set_hook(b.s3, fail_nth, &f);
        ok = try_run(&b);
        fake_s3_set_hook(b.s3, NULL, NULL);
        if (ok) {
            assert_int_equal(verify_all(&b), 2);
            assert_true(fake_s3_delete(b.s3, b.result.manifest_key));
        } else {
            assert_string_equal(b.err.reason, "AccessDenied");
            assert_int_equal(verify_all(&b), 1);
            failures++;
        }
        through = f.seen < f.n;
        f.n += f.n < 8 ? 1 : 5;
    }
    assert_true(failures >= 4); /* claim, base, chunks, manifest, their checks */
    close_bench(&b);
}

/* Retention and inventory share one. */
static void listing_after_a_prune_is_as_a_new_one(void **state)
{
    nb_auto(repo_free) struct repo *repo = NULL;
    nb_auto_done(repo_backups_done) struct repo_backups all = REPO_BACKUPS_INIT;
    nb_auto_done(repo_backups_done) struct repo_backups again = REPO_BACKUPS_INIT;
    nb_auto_done(repo_prune_result_done) struct repo_prune_result p = { NULL };
    struct repo_list_opts opts = { .with_chunks = true };
    struct repo_prune_opts prune_opts = { .database = "neo4j",
                                          .rules = { .days = -1, .keep_last = 1 },
                                          .listing = &all };
    struct bench b;

    (void)state;
    open_bench(&b);
    run(&b);
    b.change = change_near;
    run(&b);
    fake_s3_age_all(b.s3, HOUR);
    repo = repo_of(&b, 0);
    assert_true(repo_list(repo, &opts, NULL, &all, &b.err));
    assert_int_equal(all.n, 2);
    assert_true(repo_prune(repo, &prune_opts, NULL, &p, &b.err));
    assert_int_equal(p.deleted, 1);
    assert_true(p.chunks_deleted > 0);
    assert_true(repo_list(repo, &opts, NULL, &again, &b.err));
    assert_int_equal(all.n, 1);
    assert_int_equal(again.n, 1);
    assert_string_equal(all.items[0].manifest_key, again.items[0].manifest_key);
    assert_int_equal(all.chunk_count, again.chunk_count);
    assert_int_equal(all.chunk_bytes, again.chunk_bytes);
    close_bench(&b);
}

/* --- retention -------------------------------------------------------------------------------- */

static void retention_sweeps_what_nobody_names(void **state)
{
    struct repo_prune_result p;
    const struct repo_manifest *m;
    struct bench b;

    (void)state;
    open_bench(&b);
    run(&b);
    b.change = change_near;
    run(&b);
    b.change = append;
    m = run(&b);
    assert_true(chunks_in_bucket(&b, CHUNKS) > m->objects_n);
    assert_true(prune(&b, 1, &p));
    assert_int_equal(p.deleted, 2);
    assert_int_equal(p.chunks_deleted, 0); /* all are young */
    repo_prune_result_done(&p);
    fake_s3_age_all(b.s3, HOUR);
    assert_true(prune(&b, 1, &p));
    assert_true(p.chunks_deleted > 0);
    repo_prune_result_done(&p);
    assert_int_equal(chunks_in_bucket(&b, CHUNKS), chunks_named(&b));
    assert_int_equal(verify_all(&b), 1);
    run(&b); /* the chain goes on */
    assert_true(b.result.manifest->chain_length > 1);
    assert_int_equal(verify_all(&b), 2);
    close_bench(&b);
}

static void killed_at_any_request_a_sweep_harms_nothing(void **state)
{
    unsigned longest = 0;

    (void)state;
    for (unsigned n = 1;; n += n < 4 ? 1 : 9) {
        struct nth f = { .n = n, .for_good = true };
        struct repo_prune_result p;
        struct bench b;
        bool ok;

        open_bench(&b);
        run(&b);
        b.change = change_near;
        run(&b);
        b.change = append;
        run(&b);
        fake_s3_age_all(b.s3, HOUR);
        fake_s3_set_hook(b.s3, fail_nth, &f);
        ok = prune(&b, 1, &p);
        fake_s3_set_hook(b.s3, NULL, NULL);
        repo_prune_result_done(&p);
        longest = f.seen > longest ? f.seen : longest;
        assert_true(verify_all(&b) >= 1);
        assert_true(prune(&b, 1, &p));
        repo_prune_result_done(&p);
        assert_int_equal(chunks_in_bucket(&b, CHUNKS), chunks_named(&b));
        assert_int_equal(verify_all(&b), 1);
        close_bench(&b);
        if (ok)
            break;
    }
    assert_true(longest > 8);
}

struct intruder {
    struct bench *b;
    const char *key;
    bool done;
};

/* Between the listing of backups and the sweep somebody else appears. */
static void intrude(void *ctx, const struct fake_s3_op *op, struct fake_s3_fault *fault)
{
    struct intruder *i = ctx;

    (void)fault;
    if (i->done || strcmp(op->name, "DeleteObject") != 0)
        return;
    i->done = true;
    i->key = "seen";
}

static void run_that_appears_stops_the_sweep(void **state)
{
    static const char claim[] = "{\"owner\":\"me\",\"runId\":\"x\",\"nonce\":\"n\","
                                "\"database\":\"neo4j\",\"startTime\":\"2025-10-08T02:00:00Z\"}";
    struct intruder i = { .done = false };
    struct repo_prune_result p;
    struct bench b;
    size_t before;

    (void)state;
    open_bench(&b);
    i.b = &b;
    run(&b);
    b.change = change_near;
    run(&b);
    fake_s3_age_all(b.s3, HOUR);
    before = chunks_in_bucket(&b, CHUNKS);
    fake_s3_set_hook(b.s3, intrude, &i);
    fake_s3_put(b.s3, "p/neo4j_2026-01-01_00-00-00.claim.json", claim, sizeof(claim) - 1);
    assert_true(prune(&b, 1, &p));
    fake_s3_set_hook(b.s3, NULL, NULL);
    assert_true(i.done); /* the manifest of the first went */
    assert_int_equal(p.deleted, 1);
    assert_int_equal(p.chunks_deleted, 0);
    assert_int_equal(chunks_in_bucket(&b, CHUNKS), before);
    repo_prune_result_done(&p);
    close_bench(&b);
}

static void owners_never_touch_each_others_chunks(void **state)
{
    struct repo_prune_result p;
    struct bench b;
    size_t theirs;

    (void)state;
    open_bench(&b);
    b.owner = "they";
    run(&b);
    theirs = chunks_in_bucket(&b, "p/chunks/they/neo4j/");
    assert_true(theirs > 12);
    b.owner = "me";
    run(&b);
    assert_int_equal(b.result.manifest->chain_length, 1);
    fake_s3_age_all(b.s3, HOUR);
    b.change = change_near;
    run(&b);
    fake_s3_age_all(b.s3, HOUR);
    assert_true(prune(&b, 1, &p));
    assert_true(p.chunks_deleted > 0);
    repo_prune_result_done(&p);
    {
        nb_auto(repo_free) struct repo *repo = repo_of(&b, 0);
        struct repo_prune_opts everything = { .rules = { .everything = true } };

        assert_true(repo_prune(repo, &everything, NULL, &p, &b.err));
        repo_prune_result_done(&p);
    }
    assert_int_equal(chunks_in_bucket(&b, CHUNKS), 0);
    assert_int_equal(chunks_in_bucket(&b, "p/chunks/they/neo4j/"), theirs);
    b.owner = "they";
    assert_int_equal(verify_all(&b), 1);
    close_bench(&b);
}

/* The first backup of all died: no manifest tells of its chunks. */
static void chunks_without_any_backup_are_swept(void **state)
{
    struct repo_prune_result p;
    struct bench b;

    (void)state;
    open_bench(&b);
    run(&b);
    assert_true(fake_s3_delete(b.s3, b.result.manifest_key));
    assert_true(prune(&b, 1, &p));
    assert_int_equal(p.chunks_deleted, 0);
    repo_prune_result_done(&p);
    fake_s3_age_all(b.s3, HOUR);
    assert_true(prune(&b, 1, &p));
    repo_prune_result_done(&p);
    assert_int_equal(fake_s3_count(b.s3), 0);
    close_bench(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chain_stores_only_what_changed),
        cmocka_unit_test(scattered_changes_store_nearly_everything_and_are_right),
        cmocka_unit_test(unchanged_database_is_not_read_but_for_every_seventh_time),
        cmocka_unit_test(chain_ends_after_its_maximum),
        cmocka_unit_test(lost_chunk_is_found_and_not_built_on),
        cmocka_unit_test(base_that_goes_while_it_is_looked_for_is_none),
        cmocka_unit_test(too_many_chunks_are_made_larger),
        cmocka_unit_test(chain_of_many_chunks_is_followed_by_a_coarser_one),
        cmocka_unit_test(changed_chunk_is_found),
        cmocka_unit_test(copied_chunks_are_verified_by_their_bytes),
        cmocka_unit_test(backup_of_a_replaced_chunk_does_not_count),
        cmocka_unit_test(chunks_of_a_dead_run_are_taken_as_they_are),
        cmocka_unit_test(written_to_meanwhile_fixups_are_a_chunk_of_their_own),
        cmocka_unit_test(retried_pod_finds_its_backup),
        cmocka_unit_test(bucket_refuses_any_one_request_no_lie_is_told),
        cmocka_unit_test(listing_after_a_prune_is_as_a_new_one),
        cmocka_unit_test(retention_sweeps_what_nobody_names),
        cmocka_unit_test(killed_at_any_request_a_sweep_harms_nothing),
        cmocka_unit_test(run_that_appears_stops_the_sweep),
        cmocka_unit_test(owners_never_touch_each_others_chunks),
        cmocka_unit_test(chunks_without_any_backup_are_swept),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
