#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <zlib.h>

#include <cmocka.h>

#include "age/reader.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/mem.h"

/* The official vectors: what must open, what must not, and what came out before it failed. */

#define VECTORS "tests/vectors/age/"
enum { FILE_MAX = 32 << 20, VECTORS_N = 92 };

struct vector {
    char expect[32], payload[NB_SHA256_HEX];
    struct age_keys *keys;
    bool compressed;
    struct nb_buf file;
};

static bool take_value(const char *line, const char *name, char *out, size_t size)
{
    if (!nb_starts_with(line, name))
        return false;
    snprintf(out, size, "%s", line + strlen(name));
    return true;
}

static void take_line(struct vector *v, const char *line)
{
    struct nb_error err = NB_ERROR_INIT;
    char value[256];

    if (take_value(line, "expect: ", v->expect, sizeof(v->expect)) ||
        take_value(line, "payload: ", v->payload, sizeof(v->payload)))
        return;
    if (take_value(line, "passphrase: ", value, sizeof(value)))
        age_keys_add_passphrase(v->keys, nb_str_from(value));
    else if (take_value(line, "identity: ", value, sizeof(value)))
        assert_true(age_keys_add_identities(v->keys, nb_str_from(value), &err));
    else if (take_value(line, "compressed: ", value, sizeof(value)))
        v->compressed = true;
    else if (!nb_starts_with(line, "file key: ") && !nb_starts_with(line, "comment: "))
        fail_msg("unknown line '%s'", line);
}

static void inflate_into(struct nb_buf *out, const char *p, size_t n)
{
    uLongf size = FILE_MAX;
    char *to = nb_buf_reserve(out, FILE_MAX);

    assert_int_equal(uncompress((void *)to, &size, (const void *)p, n), Z_OK);
    out->len = size;
}

static void load(struct vector *v, const char *name)
{
    nb_auto(nb_free) char *path = nb_xasprintf(VECTORS "%s", name);
    nb_auto_done(nb_buf_done) struct nb_buf text = NB_BUF_INIT(FILE_MAX);
    struct nb_error err = NB_ERROR_INIT;
    char *p;

    *v = (struct vector){ .keys = age_keys_new(), .file = NB_BUF_INIT(FILE_MAX) };
    assert_true(nb_file_read(path, &text, &err));
    for (p = text.data; *p != '\n';) {
        char *nl = strchr(p, '\n');

        *nl = '\0';
        take_line(v, p);
        p = nl + 1;
    }
    p++;
    if (v->compressed)
        inflate_into(&v->file, p, text.len - (size_t)(p - text.data));
    else
        nb_buf_append(&v->file, p, text.len - (size_t)(p - text.data));
}

static bool hash_take(void *ctx, const void *p, size_t n, struct nb_error *err)
{
    (void)err;
    nb_sha256_update(ctx, p, n);
    return true;
}

static const char *result_name(bool ok, const struct nb_error *err)
{
    static const char *const names[][2] = {
        { "NoIdentity", "no match" },
        { "CorruptAgeMac", "HMAC failure" },
        { "CorruptAgeHeader", "header failure" },
        { "UnsupportedAge", "header failure" },
        { "CorruptAge", "payload failure" },
        { "CutAge", "payload failure" },
    };

    for (size_t i = 0; !ok && i < NB_ARRAY_LEN(names); i++)
        if (nb_streq(names[i][0], err->reason))
            return names[i][1];
    return ok ? "success" : err->reason;
}

/* In pieces of `cut` bytes. */
static void run(const struct vector *v, const char *name, size_t cut)
{
    nb_auto(nb_sha256_free) struct nb_sha256 *hash = nb_sha256_new();
    nb_auto(age_reader_free) struct age_reader *r = age_reader_new(v->keys, hash_take, hash);
    struct nb_error err = NB_ERROR_INIT;
    uint8_t digest[NB_SHA256_BYTES];
    char hex[NB_SHA256_HEX];
    bool ok = true;

    for (size_t at = 0; ok && at < v->file.len; at += cut)
        ok = age_reader_feed(r, v->file.data + at, v->file.len - at < cut ? v->file.len - at : cut,
                             &err);
    ok = ok && age_reader_finish(r, &err);
    if (strcmp(result_name(ok, &err), v->expect) != 0)
        fail_msg("%s: %s, not %s: %s", name, result_name(ok, &err), v->expect, err.text);
    nb_sha256_final(hash, digest);
    nb_hex(digest, sizeof(digest), hex);
    if (v->payload[0] && strcmp(v->payload, hex) != 0)
        fail_msg("%s: another payload came out", name);
}

static void vector_of_the_test_kit_ends_as_it_says(void **state)
{
    DIR *dir = opendir(VECTORS);
    const struct dirent *e;
    unsigned n = 0;

    (void)state;
    assert_non_null(dir);
    while ((e = readdir(dir))) {
        struct vector v;

        if (e->d_name[0] == '.' || nb_streq(e->d_name, "NOTICE"))
            continue;
        load(&v, e->d_name);
        run(&v, e->d_name, SIZE_MAX);
        run(&v, e->d_name, AGE_SEALED_BYTES);
        run(&v, e->d_name, 997);
        age_keys_free(v.keys);
        nb_buf_done(&v.file);
        n++;
    }
    closedir(dir);
    assert_int_equal(n, VECTORS_N);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vector_of_the_test_kit_ends_as_it_says),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
