#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "age/writer.h"
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
    /* As in a copy of the bucket. */
    snprintf(m->objects[0].etag, sizeof(m->objects[0].etag), "0123456789abcdef0123456789abcdef-2");
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

#define IDENTITY "AGE-SECRET-KEY-1EGTZVFFV20835NWYV6270LXYVK2VKNX2MMDKWYKLMGR48UAWX40Q2P2LM0"
#define OTHER    "AGE-SECRET-KEY-143WN7DCXU4G8R5AXQSSYD9AEPYDNT3HXSLWSPK36CDU6E8M59SSSAGZ3KG"

static struct age_keys *keys_of(const char *identities)
{
    struct age_keys *k = age_keys_new();
    struct nb_error err = NB_ERROR_INIT;

    assert_true(age_keys_add_identities(k, nb_str_from(identities), &err));
    return k;
}

static void encrypt(const struct nb_buf *packed, struct nb_buf *out)
{
    nb_auto(age_keys_free) struct age_keys *keys = keys_of(IDENTITY);
    struct age_recipient to = age_keys_recipient(keys, 0);
    struct age_writer_opts opts = { .recipients = &to, .recipients_n = 1 };
    nb_auto(age_writer_free) struct age_writer *w = NULL;
    struct nb_error err = NB_ERROR_INIT;

    assert_true(age_writer_new(&opts, append, out, &w, &err));
    assert_true(age_writer_write(w, packed->data, packed->len, &err));
    assert_true(age_writer_finish(w, &err));
}

/* Read once or copied: what unlocking has read of a pipe is not lost. */
static void bomb_is_stopped_where_the_manifest_ends(void **state)
{
    static const char zeros[1 << 16];
    struct repo_opts opts = { .prefix = "p", .owner = "me" };
    struct gz_writer_opts gz_opts = { .level = 9 };
    nb_auto_done(nb_buf_done) struct nb_buf stored = NB_BUF_INIT(1 << 20);
    nb_auto_done(nb_buf_done) struct nb_buf out = NB_BUF_INIT(64 << 20);
    nb_auto(repo_manifest_free) struct repo_manifest *m = NULL;
    nb_auto(eng_input_close) struct eng_input *in = NULL;
    nb_auto(repo_free) struct repo *repo = NULL;
    struct nb_error err = NB_ERROR_INIT;
    struct fake_s3 *s3 = fake_s3_new();
    struct s3_client *client = s3_fixture_client(s3, NULL);
    struct gz_writer *w = NULL;

    (void)state;
    opts.client = client;
    assert_true(repo_open(&opts, &repo, &err));
    assert_true(gz_writer_new(&gz_opts, append, &stored, &w, &err));
    for (int i = 0; i < 512; i++)
        assert_true(gz_writer_write(w, zeros, sizeof(zeros), &err));
    assert_true(gz_writer_finish(w, &err));
    gz_writer_free(w);
    m = manifest_of("p/x.cypher.gz", &stored); /* all else of it is right */
    m->plain_bytes = 1000000;
    fake_s3_put(s3, "p/x.cypher.gz", stored.data, stored.len);
    assert_true(eng_input_open_manifest(repo, m, &in, &err));
    assert_false(eng_input_read(in, append, &out, NULL, &err));
    assert_string_equal(err.reason, "VerificationFailed");
    assert_non_null(strstr(err.text, "more than its manifest says"));
    assert_true(out.len <= m->plain_bytes);
    eng_input_close(nb_steal(in));
    s3_client_free(client);
    fake_s3_free(s3);
}

static void spool_on_a_full_disk_is_told_and_leaves_nothing(void **state)
{
    struct rlimit old, small = { 10, RLIM_INFINITY };
    char dir[] = "/tmp/nb-spool-XXXXXX";
    struct eng_input *in = NULL;
    struct nb_error err = NB_ERROR_INIT;
    int fds[2];

    (void)state;
    assert_non_null(mkdtemp(dir));
    assert_int_equal(pipe(fds), 0);
    assert_true(nb_fd_write_all(fds[1], text, strlen(text), &err));
    close(fds[1]);
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    small.rlim_max = old.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    assert_false(eng_input_open_fd(fds[0], "standard input", dir, NULL, &in, &err));
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    assert_non_null(strstr(err.text, dir));
    assert_non_null(strstr(err.text, "File too large"));
    close(fds[0]);
    assert_int_equal(rmdir(dir), 0);
}

static void file_without_a_good_signature_is_refused(void **state)
{
    nb_auto(eng_input_close) struct eng_input *in = NULL;
    struct repo_trust nobody = { .keys_n = 0 }, somebody = { .keys_n = 1 };
    char path[] = "/tmp/nb-dump-XXXXXX";
    struct nb_error err = NB_ERROR_INIT;
    int fd = mkstemp(path);

    (void)state;
    assert_true(fd >= 0 && nb_fd_write_all(fd, text, strlen(text), &err));
    close(fd);
    assert_true(eng_input_open_file(path, &in, &err));
    assert_true(eng_input_check_trust(in, &nobody, &err));
    assert_false(eng_input_check_trust(in, &somebody, &err));
    assert_string_equal(err.reason, "UntrustedManifest");
    assert_int_equal(unlink(path), 0);
}

static void encrypted_pipe_is_opened_by_its_identity_only(void **state)
{
    nb_auto(age_keys_free) struct age_keys *right = keys_of(OTHER "\n" IDENTITY);
    nb_auto(age_keys_free) struct age_keys *wrong = keys_of(OTHER);
    struct nb_buf packed = NB_BUF_INIT(1 << 16), stored = NB_BUF_INIT(1 << 16);

    (void)state;
    compress(&packed);
    encrypt(&packed, &stored);
    for (int spooled = 0; spooled < 2; spooled++) {
        struct nb_buf out = NB_BUF_INIT(1 << 16);
        struct nb_error err = NB_ERROR_INIT;
        struct eng_input *in = NULL;
        int fds[2];

        assert_int_equal(pipe(fds), 0);
        assert_true(nb_fd_write_all(fds[1], stored.data, stored.len, &err));
        close(fds[1]);
        assert_true(eng_input_open_fd(fds[0], "x", spooled ? "/tmp" : NULL, NULL, &in, &err));
        if (spooled) {
            assert_false(eng_input_read(in, append, &out, NULL, &err));
            assert_string_equal(err.reason, "NoIdentity");
            nb_error_clear(&err);
            assert_false(eng_input_unlock(in, NULL, NULL, &err));
            assert_string_equal(err.reason, "NoIdentity");
            nb_error_clear(&err);
            assert_false(eng_input_unlock(in, wrong, NULL, &err));
            assert_string_equal(err.reason, "NoIdentity");
            assert_non_null(strstr(err.text, "BACKUP_AGE_IDENTITY_FILE"));
            nb_error_clear(&err);
        }
        if (!eng_input_unlock(in, right, NULL, &err))
            fail_msg("%s", err.text);
        assert_reads(in);
        if (spooled)
            assert_reads(in);
        eng_input_close(in);
        close(fds[0]);
        nb_buf_done(&out);
    }
    nb_buf_done(&packed);
    nb_buf_done(&stored);
}

static void plain_pipe_is_read_after_it_was_looked_at(void **state)
{
    nb_auto(eng_input_close) struct eng_input *in = NULL;
    struct nb_error err = NB_ERROR_INIT;
    int fds[2];

    (void)state;
    assert_int_equal(pipe(fds), 0);
    assert_true(nb_fd_write_all(fds[1], text, strlen(text), &err));
    close(fds[1]);
    assert_true(eng_input_open_fd(fds[0], "x", NULL, NULL, &in, &err));
    assert_true(eng_input_unlock(in, NULL, NULL, &err));
    assert_reads(in);
    close(fds[0]);
}

/* One stream through several objects, whatever layer lies on it; and a manifest that lies. */
static void encrypted_objects_are_one_stream(void **state)
{
    nb_auto(age_keys_free) struct age_keys *keys = keys_of(IDENTITY);
    struct repo_opts opts = { .prefix = "p", .owner = "me" };
    struct nb_buf packed = NB_BUF_INIT(1 << 16), stored = NB_BUF_INIT(1 << 16);
    struct nb_buf out = NB_BUF_INIT(1 << 16);
    struct fake_s3 *s3 = fake_s3_new();
    struct s3_client *client = s3_fixture_client(s3, NULL);
    nb_auto(repo_manifest_free) struct repo_manifest *m = repo_manifest_new();
    struct nb_error err = NB_ERROR_INIT;
    struct eng_input *in = NULL;
    struct repo *repo;
    size_t first;

    (void)state;
    opts.client = client;
    assert_true(repo_open(&opts, &repo, &err));
    compress(&packed);
    encrypt(&packed, &stored);
    first = stored.len - 30; /* within the only chunk */
    hash_of(text, strlen(text), m->plain_sha256);
    m->compression = nb_xstrdup("gzip");
    repo_strings_add(&m->recipients, "age1somebody");
    for (int i = 0; i < 2; i++) {
        const char *p = stored.data + (i ? first : 0);
        size_t n = i ? stored.len - first : first;
        struct repo_object *o =
            repo_manifest_add_object(m, i ? "p/x.cypher.gz.age.002" : "p/x.cypher.gz.age");

        o->size = n;
        hash_of(p, n, o->sha256);
        fake_s3_put(s3, o->key, p, n);
    }
    assert_true(eng_input_open_manifest(repo, m, &in, &err));
    if (!eng_input_unlock(in, keys, NULL, &err))
        fail_msg("%s", err.text);
    assert_reads(in);
    eng_input_close(nb_steal(in));
    /* The second object is missing. */
    m->objects_n = 1;
    assert_true(eng_input_open_manifest(repo, m, &in, &err));
    assert_true(eng_input_unlock(in, keys, NULL, &err));
    assert_false(eng_input_read(in, append, &out, NULL, &err));
    assert_int_equal(err.code, NB_E_CORRUPT);
    assert_int_equal(out.len, 0);
    eng_input_close(nb_steal(in));
    m->objects_n = 2;
    /* Another dump, in the clear, where the manifest says that it is encrypted. */
    nb_error_clear(&err);
    fake_s3_put(s3, "p/x.cypher.gz.age", packed.data, packed.len);
    assert_true(eng_input_open_manifest(repo, m, &in, &err));
    assert_false(eng_input_unlock(in, keys, NULL, &err));
    assert_string_equal(err.reason, "VerificationFailed");
    nb_error_clear(&err);
    assert_false(eng_input_read(in, append, &out, NULL, &err));
    assert_string_equal(err.reason, "VerificationFailed");
    eng_input_close(in);
    repo_free(repo);
    s3_client_free(client);
    fake_s3_free(s3);
    nb_buf_done(&packed);
    nb_buf_done(&stored);
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
        cmocka_unit_test(bomb_is_stopped_where_the_manifest_ends),
        cmocka_unit_test(spool_on_a_full_disk_is_told_and_leaves_nothing),
        cmocka_unit_test(file_without_a_good_signature_is_refused),
        cmocka_unit_test(encrypted_pipe_is_opened_by_its_identity_only),
        cmocka_unit_test(plain_pipe_is_read_after_it_was_looked_at),
        cmocka_unit_test(encrypted_objects_are_one_stream),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
