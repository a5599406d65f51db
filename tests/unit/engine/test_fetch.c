#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "age/header.h"
#include "base/hash.h"
#include "base/mem.h"
#include "engine/fetch.h"
#include "gz/block.h"
#include "tests/fakes/s3_fixture.h"

/* A dump of three objects, put together again. */

enum { PARTS = 3 };
static const char *const parts[PARTS] = { "CREATE (a);\n", "CREATE (b);\n", "CREATE (c);\n" };
static const char whole[] = "CREATE (a);\nCREATE (b);\nCREATE (c);\n";

struct bench {
    struct fake_s3 *s3;
    struct s3_client *client;
    struct repo *repo;
    struct repo_manifest *m;
    struct nb_buf out, stored;
    struct nb_error err;
};

static void short_retries(struct s3_client_opts *o)
{
    o->retry_window_ms = 200;
}

static void sha256_hex(const void *p, size_t n, char *out)
{
    uint8_t digest[NB_SHA256_BYTES];

    nb_sha256(p, n, digest);
    nb_hex(digest, sizeof(digest), out);
}

static void open_bench(struct bench *b)
{
    struct repo_opts opts = { .prefix = "p", .owner = "me", .run_id = "run-1" };
    nb_auto(gz_deflater_free) struct gz_deflater *d = NULL;

    *b = (struct bench){ .err = NB_ERROR_INIT,
                         .out = NB_BUF_INIT(1 << 20),
                         .stored = NB_BUF_INIT(1 << 20) };
    b->s3 = fake_s3_new();
    opts.client = b->client = s3_fixture_client(b->s3, short_retries);
    assert_true(repo_open(&opts, &b->repo, &b->err));
    assert_true(gz_deflater_new(6, &d, &b->err));
    b->m = repo_manifest_new();
    b->m->compression = nb_xstrdup("gzip");
    for (size_t i = 0; i < PARTS; i++) {
        char key[] = "p/part0", packed[256];
        size_t n = gz_block_deflate(d, parts[i], strlen(parts[i]), packed, sizeof(packed));
        struct repo_object *o;

        key[6] = (char)('0' + i);
        fake_s3_put(b->s3, key, packed, n);
        nb_buf_append(&b->stored, packed, n);
        o = repo_manifest_add_object(b->m, key);
        o->size = n;
        sha256_hex(packed, n, o->sha256);
    }
    sha256_hex(whole, strlen(whole), b->m->plain_sha256);
}

static void close_bench(struct bench *b)
{
    repo_manifest_free(b->m);
    repo_free(b->repo);
    s3_client_free(b->client);
    fake_s3_free(b->s3);
    nb_buf_done(&b->out);
    nb_buf_done(&b->stored);
}

static bool fetch(struct bench *b, bool plain)
{
    nb_auto(sink_free) struct sink *out = sink_buf_new(&b->out);
    struct eng_fetch_opts opts = { .repo = b->repo, .manifest = b->m, .plain = plain, .out = out };

    nb_buf_clear(&b->out);
    nb_error_clear(&b->err);
    return eng_fetch_run(&opts, &b->err);
}

static void dump_comes_as_stored_and_plain(void **state)
{
    struct bench b;

    (void)state;
    open_bench(&b);
    assert_true(fetch(&b, true));
    assert_string_equal(nb_buf_cstr(&b.out), whole);
    assert_true(fetch(&b, false));
    assert_true(nb_str_equal(nb_buf_str(&b.out), nb_buf_str(&b.stored)));
    close_bench(&b);
}

static void uncompressed_dump_is_the_same_both_ways(void **state)
{
    struct bench b;

    (void)state;
    open_bench(&b);
    free(b.m->compression);
    b.m->compression = nb_xstrdup("none");
    for (size_t i = 0; i < PARTS; i++) {
        fake_s3_put(b.s3, b.m->objects[i].key, parts[i], strlen(parts[i]));
        b.m->objects[i].size = strlen(parts[i]);
        sha256_hex(parts[i], strlen(parts[i]), b.m->objects[i].sha256);
    }
    for (int plain = 0; plain < 2; plain++) {
        assert_true(fetch(&b, plain));
        assert_string_equal(nb_buf_cstr(&b.out), whole);
    }
    close_bench(&b);
}

/* Another store has other ETags; SHA-256 tells enough. */
static void copy_of_the_bucket_is_fetched(void **state)
{
    struct bench b;

    (void)state;
    open_bench(&b);
    snprintf(b.m->objects[1].etag, sizeof(b.m->objects[1].etag), "\"of another store\"");
    for (int plain = 0; plain < 2; plain++)
        assert_true(fetch(&b, plain));
    close_bench(&b);
}

static void fails(struct bench *b, const char *text)
{
    for (int plain = 0; plain < 2; plain++) {
        assert_false(fetch(b, plain));
        assert_string_equal(b->err.reason, "VerificationFailed");
        if (!strstr(b->err.text, text))
            fail_msg("'%s' does not say '%s'", b->err.text, text);
    }
}

static void what_is_not_as_the_manifest_says_is_found(void **state)
{
    struct bench b;
    struct repo_object *o;

    (void)state;
    open_bench(&b);
    o = &b.m->objects[1];
    o->size++;
    fails(&b, " as its manifest says");
    o->size--;
    o->sha256[0] = o->sha256[0] == 'a' ? 'b' : 'a';
    fails(&b, "'p/part1' has another SHA-256");
    sha256_hex(b.stored.data + b.m->objects[0].size, o->size, o->sha256);
    assert_true(fetch(&b, true));
    b.m->plain_sha256[0] = b.m->plain_sha256[0] == 'a' ? 'b' : 'a';
    fails(&b, "another script");
    assert_true(fake_s3_delete(b.s3, "p/part1"));
    fails(&b, "'p/part1' is gone");
    fake_s3_put(b.s3, "p/part1", "\x1f\x8bnonsense that is no gzip member", 30);
    fails(&b, "");
    close_bench(&b);
}

static void encrypted_dump_comes_only_as_stored(void **state)
{
    static const char sealed[] = AGE_MAGIC "and what nobody here can read";
    struct bench b;
    struct repo_object *o;

    (void)state;
    open_bench(&b);
    repo_strings_add(&b.m->recipients, "age1x");
    assert_false(fetch(&b, false));
    assert_non_null(strstr(b.err.text, "is not encrypted as its manifest says"));
    o = &b.m->objects[0];
    o->size = strlen(sealed);
    sha256_hex(sealed, strlen(sealed), o->sha256);
    fake_s3_put(b.s3, o->key, sealed, strlen(sealed));
    assert_true(fetch(&b, false));
    assert_memory_equal(b.out.data, sealed, strlen(sealed));
    o->sha256[0] = o->sha256[0] == 'a' ? 'b' : 'a';
    assert_false(fetch(&b, false));
    assert_string_equal(b.err.reason, "VerificationFailed");
    assert_false(fetch(&b, true));
    assert_string_equal(b.err.reason, "InvalidConfiguration");
    close_bench(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dump_comes_as_stored_and_plain),
        cmocka_unit_test(uncompressed_dump_is_the_same_both_ways),
        cmocka_unit_test(copy_of_the_bucket_is_fetched),
        cmocka_unit_test(what_is_not_as_the_manifest_says_is_found),
        cmocka_unit_test(encrypted_dump_comes_only_as_stored),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
