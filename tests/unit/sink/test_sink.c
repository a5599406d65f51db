#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/cancel.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "gz/reader.h"
#include "sink/sink.h"

/* SHA-256 of "hello world" */
#define HELLO_SHA256 "b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9"

struct dir {
    char path[64];
};

static int make_dir(void **state)
{
    struct dir *d = NB_NEW(struct dir);

    snprintf(d->path, sizeof(d->path), "/tmp/nb-sink-XXXXXX");
    *state = d;
    return mkdtemp(d->path) ? 0 : -1;
}

static int remove_dir(void **state)
{
    struct dir *d = *state;
    int rc = rmdir(d->path); /* fails when something was left behind */

    free(d);
    return rc;
}

static bool to_buf(void *ctx, const void *p, size_t n, struct nb_error *err)
{
    nb_buf_append(ctx, p, n);
    return nb_buf_check(ctx, err);
}

static void chain_counts_hashes_and_compresses(void **state)
{
    struct nb_buf packed = NB_BUF_INIT(1 << 20), plain = NB_BUF_INIT(1 << 20);
    struct sink *stored, *gz, *hash, *count;
    struct gz_reader_opts opts = { 0, 0 };
    struct gz_reader *reader;
    struct nb_error err = NB_ERROR_INIT;
    char hex[NB_SHA256_HEX];

    (void)state;
    stored = sink_count_new(sink_buf_new(&packed));
    assert_true(sink_gz_new(6, 2, stored, &gz, &err));
    hash = sink_hash_new(gz);
    count = sink_count_new(hash);
    assert_true(sink_write(count, "hello ", 6, &err));
    assert_true(sink_write(count, "world", 5, &err));
    assert_true(sink_finish(count, &err));
    assert_int_equal(sink_count_bytes(count), 11);
    assert_int_equal(sink_count_bytes(stored), packed.len);
    sink_hash_hex(hash, hex);
    assert_string_equal(hex, HELLO_SHA256);
    assert_true(gz_reader_new(&opts, to_buf, &plain, &reader, &err));
    assert_true(gz_reader_feed(reader, packed.data, packed.len, &err));
    assert_true(gz_reader_finish(reader, &err));
    assert_string_equal(nb_buf_cstr(&plain), "hello world");
    gz_reader_free(reader);
    sink_free(count);
    nb_buf_done(&packed);
    nb_buf_done(&plain);
}

static void buf_sink_full_fails(void **state)
{
    struct nb_buf out = NB_BUF_INIT(4);
    struct sink *s = sink_count_new(sink_buf_new(&out));
    struct nb_error err = NB_ERROR_INIT;

    (void)state;
    assert_false(sink_write(s, "hello", 5, &err));
    assert_int_equal(err.code, NB_E_LIMIT);
    assert_int_equal(sink_count_bytes(s), 0);
    sink_free(s);
    nb_buf_done(&out);
}

static void file_sink_appears_only_at_finish(void **state)
{
    struct dir *d = *state;
    nb_auto(nb_free) char *path = nb_xasprintf("%s/out", d->path);
    struct nb_buf content = NB_BUF_INIT(100);
    struct nb_error err = NB_ERROR_INIT;
    struct sink *s;

    assert_true(sink_file_new(path, &s, &err));
    assert_true(sink_write(s, "data", 4, &err));
    assert_int_not_equal(access(path, F_OK), 0);
    assert_true(sink_finish(s, &err));
    sink_free(s);
    assert_true(nb_file_read(path, &content, &err));
    assert_string_equal(nb_buf_cstr(&content), "data");
    nb_buf_done(&content);
    assert_int_equal(unlink(path), 0);
}

static void file_sink_freed_unfinished_leaves_nothing(void **state)
{
    struct dir *d = *state;
    nb_auto(nb_free) char *path = nb_xasprintf("%s/out", d->path);
    struct nb_error err = NB_ERROR_INIT;
    struct sink *s;

    assert_true(sink_file_new(path, &s, &err));
    assert_true(sink_write(s, "data", 4, &err));
    sink_free(s); /* remove_dir() sees that the directory is empty */
}

static void file_sink_on_a_full_disk_is_told_and_leaves_nothing(void **state)
{
    struct dir *d = *state;
    nb_auto(nb_free) char *path = nb_xasprintf("%s/out", d->path);
    struct rlimit old, small = { 10, 0 };
    struct nb_error err = NB_ERROR_INIT;
    struct sink *s;

    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    small.rlim_max = old.rlim_max;
    assert_true(sink_file_new(path, &s, &err));
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    assert_false(sink_write(s, "more than ten bytes", 19, &err));
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    assert_non_null(strstr(err.text, path));
    sink_free(s); /* remove_dir() sees that the directory is empty */
}

static void full_device_is_told(void **state)
{
    struct nb_error err = NB_ERROR_INIT;
    nb_auto_fd int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
    nb_auto(sink_free) struct sink *s = sink_fd_new(fd, "standard output");

    (void)state;
    assert_true(fd >= 0);
    assert_false(sink_write(s, "x", 1, &err));
    assert_non_null(strstr(err.text, "No space left on device"));
    assert_string_equal(err.reason, "NoSpace");
    assert_non_null(strstr(err.text, "hint: make room"));
}

static void file_sink_directory_is_refused(void **state)
{
    struct dir *d = *state;
    struct nb_error err = NB_ERROR_INIT;
    struct sink *s;

    assert_false(sink_file_new(d->path, &s, &err));
    assert_string_equal(err.reason, "InvalidOutput");
}

static void file_sink_in_no_directory_is_refused_with_a_hint(void **state)
{
    struct dir *d = *state;
    nb_auto(nb_free) char *path = nb_xasprintf("%s/nosuch/out", d->path);
    struct nb_error err = NB_ERROR_INIT;
    struct sink *s;

    assert_false(sink_file_new(path, &s, &err));
    assert_string_equal(err.reason, "InvalidOutput");
    assert_non_null(strstr(err.text, "hint: "));
}

static void throttle_waits_and_can_be_cancelled(void **state)
{
    struct nb_buf out = NB_BUF_INIT(1 << 20);
    struct nb_cancel *cancel = nb_cancel_new();
    struct sink *s = sink_throttle_new(10000, cancel, sink_buf_new(&out));
    struct nb_error err = NB_ERROR_INIT;
    int64_t start = nb_clock_mono_ms();
    char data[1000] = { 0 };

    (void)state;
    assert_true(sink_write(s, data, sizeof(data), &err));
    assert_true(sink_write(s, data, sizeof(data), &err)); /* 100 ms later */
    assert_true(nb_clock_mono_ms() - start >= 90);
    nb_cancel_set(cancel);
    assert_false(sink_write(s, data, sizeof(data), &err));
    assert_int_equal(err.code, NB_E_CANCELLED);
    sink_free(s);
    nb_cancel_free(cancel);
    nb_buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chain_counts_hashes_and_compresses),
        cmocka_unit_test(buf_sink_full_fails),
        cmocka_unit_test_setup_teardown(file_sink_appears_only_at_finish, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(file_sink_freed_unfinished_leaves_nothing, make_dir,
                                        remove_dir),
        cmocka_unit_test_setup_teardown(file_sink_on_a_full_disk_is_told_and_leaves_nothing,
                                        make_dir, remove_dir),
        cmocka_unit_test(full_device_is_told),
        cmocka_unit_test_setup_teardown(file_sink_directory_is_refused, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(file_sink_in_no_directory_is_refused_with_a_hint, make_dir,
                                        remove_dir),
        cmocka_unit_test(throttle_waits_and_can_be_cancelled),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
