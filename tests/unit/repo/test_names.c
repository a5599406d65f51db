#include "repo/names.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/hash.h"
#include "base/mem.h"

enum { T2025 = 1759888800 }; /* 2025-10-08 02:00:00 UTC */

static void expect(struct repo_name n, const char *prefix, const char *want)
{
    char key[REPO_KEY_MAX + 1];
    struct repo_name back;
    struct nb_error err = NB_ERROR_INIT;

    if (!repo_name_format(prefix, &n, key, &err))
        fail_msg("%s", err.text);
    assert_string_equal(key, want);
    assert_true(repo_name_parse(prefix, key, &back));
    assert_string_equal(back.database, n.database);
    assert_int_equal(back.kind, n.kind);
    assert_int_equal(back.time_unix_seconds, n.time_unix_seconds);
    assert_int_equal(back.suffix, n.suffix);
    assert_int_equal(back.gz, n.gz);
    assert_int_equal(back.age, n.age);
    assert_int_equal(back.object > 1 ? back.object : 0, n.object > 1 ? n.object : 0);
}

static void name_of_each_kind_goes_both_ways(void **state)
{
    (void)state;
    expect((struct repo_name){ .database = "neo4j", .time_unix_seconds = T2025, .gz = true },
           "neo4j-backup", "neo4j-backup/neo4j_2025-10-08_02-00-00.cypher.gz");
    expect((struct repo_name){ .database = "neo4j", .time_unix_seconds = T2025 }, "",
           "neo4j_2025-10-08_02-00-00.cypher");
    expect((struct repo_name){ .database = "a_b.c-d",
                               .time_unix_seconds = T2025,
                               .gz = true,
                               .age = true,
                               .suffix = 12 },
           "x/y", "x/y/a_b.c-d_2025-10-08_02-00-00-12.cypher.gz.age");
    expect(
        (struct repo_name){
            .database = "neo4j", .time_unix_seconds = T2025, .gz = true, .object = 2 },
        "p", "p/neo4j_2025-10-08_02-00-00.cypher.gz.002");
    expect((struct repo_name){ .database = "neo4j", .time_unix_seconds = T2025, .object = 1234 },
           "p", "p/neo4j_2025-10-08_02-00-00.cypher.1234");
    expect((struct repo_name){ .database = "neo4j",
                               .time_unix_seconds = T2025,
                               .kind = REPO_NAME_MANIFEST,
                               .suffix = 2 },
           "p", "p/neo4j_2025-10-08_02-00-00-2.manifest.json");
    expect((struct repo_name){ .database = "neo4j",
                               .time_unix_seconds = T2025,
                               .kind = REPO_NAME_CLAIM },
           "p", "p/neo4j_2025-10-08_02-00-00.claim.json");
    expect((struct repo_name){ .database = "neo4j",
                               .time_unix_seconds = T2025,
                               .kind = REPO_NAME_PIN },
           "p", "p/neo4j_2025-10-08_02-00-00.pin");
    expect((struct repo_name){ .database = "a b/ü~", .time_unix_seconds = T2025 }, "p",
           "p/a~20b~2F~C3~BC~7E_2025-10-08_02-00-00.cypher");
    expect((struct repo_name){ .database = "x_2025-10-08_02-00-00",
                               .time_unix_seconds = T2025,
                               .suffix = 3 },
           "p", "p/x_2025-10-08_02-00-00_2025-10-08_02-00-00-3.cypher");
}

static void key_of_something_else_is_not_a_name(void **state)
{
    static const char *const keys[] = {
        "",
        "p",
        "p/",
        "p/neo4j",
        "q/neo4j_2025-10-08_02-00-00.cypher",
        "neo4j_2025-10-08_02-00-00.cypher",
        "pneo4j_2025-10-08_02-00-00.cypher",
        "p/sub/neo4j_2025-10-08_02-00-00.cypher",
        "p/neo4j_2025-13-08_02-00-00.cypher",
        "p/neo4j_2025-02-30_02-00-00.cypher",
        "p/neo4j_2025-10-08_24-00-00.cypher",
        "p/neo4j_2025-10-08_02-60-00.cypher",
        "p/neo4j_2025-10-08T02-00-00.cypher",
        "p/neo4j_2025-10-08_02-00-00.cypher.bz2",
        "p/neo4j_2025-10-08_02-00-00.cypher.age.gz",
        "p/neo4j_2025-10-08_02-00-00.json",
        "p/_2025-10-08_02-00-00.cypher",
        "p/neo4j_2025-10-08_02-00-00.cypher.gz.1",
        "p/neo4j_2025-10-08_02-00-00.cypher.gz.001",
        "p/neo4j_2025-10-08_02-00-00.cypher.gz.0002",
        "p/a~2fb_2025-10-08_02-00-00.cypher",
        "p/a~41b_2025-10-08_02-00-00.cypher",
        "p/a~2_2025-10-08_02-00-00.cypher",
        "p/a b_2025-10-08_02-00-00.cypher",
        "p/neo4j_2025-10-08_02-00-00-1.cypher",
        "p/neo4j_2025-10-08_02-00-00-02.cypher",
        "p/neo4j_2025-10-08_02-00-00-99999.cypher",
        "p/~00_2025-10-08_02-00-00.cypher",
        "p/chunks/o/d/x.cypher.gz",
    };
    struct repo_name n;

    (void)state;
    for (size_t i = 0; i < NB_ARRAY_LEN(keys); i++)
        if (repo_name_parse("p", keys[i], &n))
            fail_msg("'%s' was taken for a name", keys[i]);
}

static void name_random_goes_both_ways(void **state)
{
    uint32_t seed = nb_random_below(UINT32_MAX);
    uint64_t x = seed + 1;

    (void)state;
    printf("seed %u\n", seed);
    for (int i = 0; i < 20000; i++) {
        struct repo_name n = { 0 }, back;
        char key[REPO_KEY_MAX + 1];
        struct nb_error err = NB_ERROR_INIT;
        size_t len;

        x = x * 6364136223846793005U + 1442695040888963407U;
        len = 1 + (x >> 60) * 4;
        for (size_t k = 0; k < len; k++) {
            x = x * 6364136223846793005U + 1442695040888963407U;
            n.database[k] = "abz019._-~ /%&\xc3\xbc-_0123456789"[(x >> 33) % 29];
            if (!n.database[k])
                n.database[k] = 'n';
        }
        n.kind = (enum repo_name_kind)((x >> 40) % 4);
        n.time_unix_seconds = (int64_t)((x >> 20) % 4102444800U);
        n.suffix = (x >> 50) % 3 ? 0 : 2 + (unsigned)(x >> 44) % 90;
        if (n.kind == REPO_NAME_DUMP) {
            n.gz = (x >> 55) % 2;
            n.age = (x >> 56) % 2;
            n.object = (x >> 57) % 2 ? 2 + (unsigned)(x >> 30) % 2000 : 0;
        }
        if (!repo_name_format("pre/fix", &n, key, &err))
            fail_msg("%s", err.text);
        if (!repo_name_parse("pre/fix", key, &back) || memcmp(&back, &n, sizeof(n)) != 0)
            fail_msg("'%s' does not come back", key);
    }
}

static void prefix_is_cleaned_or_refused(void **state)
{
    char out[REPO_PREFIX_MAX + 1], long_one[700];
    struct nb_error err = NB_ERROR_INIT;

    (void)state;
    assert_true(repo_prefix_clean("//a//b/", out, &err));
    assert_string_equal(out, "a/b");
    assert_true(repo_prefix_clean(NULL, out, &err));
    assert_string_equal(out, "");
    assert_true(repo_prefix_clean("/", out, &err));
    assert_string_equal(out, "");
    assert_false(repo_prefix_clean("a/../b", out, &err));
    assert_string_equal(err.reason, "InvalidPrefix");
    assert_non_null(strstr(err.text, "; hint: write words joined by single slashes"));
    nb_error_clear(&err);
    assert_false(repo_prefix_clean("./b", out, &err));
    nb_error_clear(&err);
    assert_false(repo_prefix_clean("a\nb", out, &err));
    nb_error_clear(&err);
    assert_false(repo_prefix_clean("a\xff", out, &err));
    nb_error_clear(&err);
    memset(long_one, 'a', sizeof(long_one));
    long_one[699] = '\0';
    assert_false(repo_prefix_clean(long_one, out, &err));
}

static void name_that_cannot_be_a_key_is_refused(void **state)
{
    char key[REPO_KEY_MAX + 1], prefix[REPO_PREFIX_MAX + 1];
    struct nb_error err = NB_ERROR_INIT;
    struct repo_name n = { .time_unix_seconds = T2025 };

    (void)state;
    assert_false(repo_name_format("p", &n, key, &err));
    memset(n.database, '/', REPO_DATABASE_MAX); /* three bytes each when written */
    memset(prefix, 'p', REPO_PREFIX_MAX);
    prefix[REPO_PREFIX_MAX] = '\0';
    nb_error_clear(&err);
    assert_false(repo_name_format(prefix, &n, key, &err));
    assert_string_equal(err.reason, "InvalidName");
    snprintf(n.database, sizeof(n.database), "neo4j");
    n.time_unix_seconds = 253402300800; /* the year 10000 */
    nb_error_clear(&err);
    assert_false(repo_name_format("p", &n, key, &err));
}

static void chunk_key_is_under_its_owner_and_database(void **state)
{
    char key[REPO_KEY_MAX + 1];
    struct nb_error err = NB_ERROR_INIT;
    const char *sha = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    (void)state;
    assert_true(repo_chunk_key("p", "ns/name", "neo4j", sha, key, &err));
    assert_string_equal(key,
                        "p/chunks/ns~2Fname/neo4j/e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca"
                        "495991b7852b855.cypher.gz");
    assert_true(repo_chunk_dir("", "o", "d", key, &err));
    assert_string_equal(key, "chunks/o/d/");
    assert_false(repo_chunk_key("p", "o", "d", "../../x", key, &err));
}

static void key_stem_is_shared_by_all_objects(void **state)
{
    static const char *const endings[] = { ".cypher",        ".cypher.gz",
                                           ".cypher.gz.age", ".cypher.age",
                                           ".cypher.gz.002", ".manifest.json",
                                           ".claim.json",    ".pin" };
    char key[200], stem[REPO_KEY_MAX + 1];

    (void)state;
    for (size_t i = 0; i < NB_ARRAY_LEN(endings); i++) {
        snprintf(key, sizeof(key), "p/n_2025-10-08_02-00-00-2%s", endings[i]);
        assert_true(repo_key_stem(key, stem));
        assert_string_equal(stem, "p/n_2025-10-08_02-00-00-2");
    }
    assert_false(repo_key_stem("p/x.txt", stem));
    assert_false(repo_key_stem("", stem));
    assert_false(repo_key_stem(".pin", stem));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(name_of_each_kind_goes_both_ways),
        cmocka_unit_test(key_of_something_else_is_not_a_name),
        cmocka_unit_test(name_random_goes_both_ways),
        cmocka_unit_test(prefix_is_cleaned_or_refused),
        cmocka_unit_test(name_that_cannot_be_a_key_is_refused),
        cmocka_unit_test(chunk_key_is_under_its_owner_and_database),
        cmocka_unit_test(key_stem_is_shared_by_all_objects),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
