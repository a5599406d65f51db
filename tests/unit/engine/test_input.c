#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/hash.h"
#include "base/mem.h"
#include "engine/input.h"
#include "gz/writer.h"
#include "tests/fakes/s3_fixture.h"

/* Where dumps are read from: the same bytes each time, or an error. */

static const char text[] = "// a dump\nCREATE (:A);\n";

static bool append(void *ctx, const void *p, size_t n, struct nb_error *err)
{
    nb_buf_append(ctx, p, n);
    return nb_buf_check(ctx, err);
}

static void compress(struct nb_buf *out)
{
    struct gz_writer_opts opts = { .level = 6 };
    struct nb_error err = NB_ERROR_INIT;
    struct gz_writer *w = NULL;

    assert_true(gz_writer_new(&opts, append, out, &w, &err));
    assert_true(gz_writer_write(w, text, strlen(text), &err));
    assert_true(gz_writer_finish(w, &err));
    gz_writer_free(w);
}

static void assert_reads(struct eng_input *in)
{
    nb_auto_done(nb_buf_done) struct nb_buf out = NB_BUF_INIT(1 << 16);
    struct nb_error err = NB_ERROR_INIT;

    if (!eng_input_read(in, append, &out, NULL, &err))
        fail_msg("%s", err.text);
    assert_string_equal(nb_buf_cstr(&out), text);
}

static void hash_of(const void *p, size_t n, char out[NB_SHA256_HEX])
{
    uint8_t digest[NB_SHA256_BYTES];

    nb_sha256(p, n, digest);
    nb_hex(digest, sizeof(digest), out);
}

static struct repo_manifest *manifest_of(const char *key, const struct nb_buf *stored)
{
    struct repo_manifest *m = repo_manifest_new();
    struct repo_object *o = repo_manifest_add_object(m, key);

    o->size = stored->len;
    hash_of(stored->data, stored->len, o->sha256);
    hash_of(text, strlen(text), m->plain_sha256);
    return m;
}

static void pipe_is_spooled_and_read_again(void **state)
{
    nb_auto(eng_input_close) struct eng_input *in = NULL;
    struct nb_buf stored = NB_BUF_INIT(1 << 16);
    struct nb_error err = NB_ERROR_INIT;
    int fds[2];

    (void)state;
    compress(&stored);
    assert_int_equal(pipe(fds), 0);
    assert_true(nb_fd_write_all(fds[1], stored.data, stored.len, &err));
    close(fds[1]);
    if (!eng_input_open_fd(fds[0], "standard input", "/tmp", NULL, &in, &err))
        fail_msg("%s", err.text);
    assert_true(eng_input_can_repeat(in));
    assert_int_equal(eng_input_size(in), stored.len);
    assert_reads(in);
    assert_reads(in);
    close(fds[0]);
    nb_buf_done(&stored);
}

static void pipe_without_spool_is_read_once(void **state)
{
    nb_auto(eng_input_close) struct eng_input *in = NULL;
    struct nb_buf out = NB_BUF_INIT(1 << 16);
    struct nb_error err = NB_ERROR_INIT;
    int fds[2];

    (void)state;
    assert_int_equal(pipe(fds), 0);
    assert_true(nb_fd_write_all(fds[1], text, strlen(text), &err));
    close(fds[1]);
    assert_true(eng_input_open_fd(fds[0], "standard input", NULL, NULL, &in, &err));
    assert_false(eng_input_can_repeat(in));
    assert_reads(in);
    assert_false(eng_input_read(in, append, &out, NULL, &err));
    close(fds[0]);
    nb_buf_done(&out);
}

static void spool_that_cannot_be_made_is_told(void **state)
{
    struct eng_input *in = NULL;
    struct nb_error err = NB_ERROR_INIT;

    (void)state;
    assert_false(eng_input_open_fd(0, "standard input", "/nowhere", NULL, &in, &err));
    assert_non_null(strstr(err.text, "--spool-dir"));
}

static void object_is_bound_to_what_was_read_first(void **state)
{
    struct repo_opts opts = { .prefix = "p", .owner = "me" };
    struct nb_buf stored = NB_BUF_INIT(1 << 16), out = NB_BUF_INIT(1 << 16);
    struct nb_error err = NB_ERROR_INIT;
    struct fake_s3 *s3 = fake_s3_new();
    struct s3_client *client = s3_fixture_client(s3, NULL);
    struct eng_input *in = NULL;
    struct repo_manifest *m;
    struct repo *repo;

    (void)state;
    opts.client = client;
    assert_true(repo_open(&opts, &repo, &err));
    compress(&stored);
    m = manifest_of("p/x.cypher.gz", &stored);
    fake_s3_put(s3, "p/x.cypher.gz", stored.data, stored.len);
    assert_true(eng_input_open_manifest(repo, m, &in, &err));
    assert_reads(in);
    assert_reads(in);
    /* Another one under the same key. */
    stored.data[stored.len - 1] ^= 1;
    fake_s3_put(s3, "p/x.cypher.gz", stored.data, stored.len);
    assert_false(eng_input_read(in, append, &out, NULL, &err));
    assert_string_equal(err.reason, "PreconditionFailed");
    eng_input_close(nb_steal(in));
    /* ... that was there from the beginning. */
    nb_error_clear(&err);
    assert_true(eng_input_open_manifest(repo, m, &in, &err));
    assert_false(eng_input_read(in, append, &out, NULL, &err));
    assert_int_equal(err.code, NB_E_CORRUPT);
    eng_input_close(nb_steal(in));
    nb_error_clear(&err);
    fake_s3_delete(s3, "p/x.cypher.gz");
    assert_true(eng_input_open_manifest(repo, m, &in, &err));
    assert_false(eng_input_read(in, append, &out, NULL, &err));
    assert_string_equal(err.reason, "VerificationFailed");
    eng_input_close(in);
    repo_manifest_free(m);
    repo_free(repo);
    s3_client_free(client);
    fake_s3_free(s3);
    nb_buf_done(&stored);
    nb_buf_done(&out);
}

static void compression_that_the_manifest_denies_is_told(void **state)
{
    static const char *const says[] = { "none", "gzip" };
    struct repo_opts opts = { .prefix = "p", .owner = "me" };
    struct fake_s3 *s3 = fake_s3_new();
    struct s3_client *client = s3_fixture_client(s3, NULL);
    struct nb_error err = NB_ERROR_INIT;
    struct repo *repo;

    (void)state;
    opts.client = client;
    assert_true(repo_open(&opts, &repo, &err));
    for (size_t i = 0; i < NB_ARRAY_LEN(says); i++) {
        nb_auto(eng_input_close) struct eng_input *in = NULL;
        nb_auto(repo_manifest_free) struct repo_manifest *m = NULL;
        struct nb_buf stored = NB_BUF_INIT(1 << 16), out = NB_BUF_INIT(1 << 16);

        if (i == 0)
            compress(&stored);
        else
            nb_buf_puts(&stored, text);
        m = manifest_of("p/x.cypher.gz", &stored);
        m->compression = nb_xstrdup(says[i]);
        fake_s3_put(s3, "p/x.cypher.gz", stored.data, stored.len);
        assert_true(eng_input_open_manifest(repo, m, &in, &err));
        assert_false(eng_input_read(in, append, &out, NULL, &err));
        assert_string_equal(err.reason, "VerificationFailed");
        assert_non_null(strstr(err.text, "compressed"));
        assert_int_equal(out.len, 0);
        nb_error_clear(&err);
        nb_buf_done(&stored);
        nb_buf_done(&out);
    }
    repo_free(repo);
    s3_client_free(client);
    fake_s3_free(s3);
}

static void encrypted_dump_is_refused_by_name(void **state)
{
    static const char age[] = "age-encryption.org/v1\n-> X25519 x\n";
    nb_auto(eng_input_close) struct eng_input *in = NULL;
    struct nb_buf out = NB_BUF_INIT(1 << 16);
    struct nb_error err = NB_ERROR_INIT;
    int fds[2];

    (void)state;
    assert_int_equal(pipe(fds), 0);
    assert_true(nb_fd_write_all(fds[1], age, strlen(age), &err));
    close(fds[1]);
    assert_true(eng_input_open_fd(fds[0], "x", NULL, NULL, &in, &err));
    assert_false(eng_input_read(in, append, &out, NULL, &err));
    assert_non_null(strstr(err.text, "encrypted"));
    close(fds[0]);
    nb_buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pipe_is_spooled_and_read_again),
        cmocka_unit_test(pipe_without_spool_is_read_once),
        cmocka_unit_test(spool_that_cannot_be_made_is_told),
        cmocka_unit_test(object_is_bound_to_what_was_read_first),
        cmocka_unit_test(compression_that_the_manifest_denies_is_told),
        cmocka_unit_test(encrypted_dump_is_refused_by_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
