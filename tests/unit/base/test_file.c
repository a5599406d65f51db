#include "base/file.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "tests/unit/cmocka.h"

static char dir[64];

static int setup(void **state)
{
    (void)state;
    snprintf(dir, sizeof(dir), "/tmp/nb-test-file-XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    return rmdir(dir); /* fails when a test left a file behind */
}

static char *in_dir(const char *name)
{
    return nb_xasprintf("%s/%s", dir, name);
}

static void write_then_read_gives_the_same_bytes(void **state)
{
    nb_auto(nb_free) char *path = in_dir("a"), *big = nb_xmalloc(300000);
    struct nb_error err = NB_ERROR_INIT;
    struct stat st;

    (void)state;
    memset(big, 'b', 300000);
    for (size_t n = 0; n <= 300000; n += 100000) {
        nb_auto_done(nb_buf_done) struct nb_buf b = NB_BUF_INIT(n);

        assert_true(nb_file_write_atomic(path, big, n, 0600, &err));
        assert_true(nb_file_read(path, &b, &err));
        assert_int_equal(b.len, n);
        assert_true(n == 0 || memcmp(b.data, big, n) == 0);
    }
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    unlink(path);
}

static void read_beyond_the_maximum_is_a_limit(void **state)
{
    nb_auto_done(nb_buf_done) struct nb_buf b = NB_BUF_INIT(3);
    nb_auto(nb_free) char *path = in_dir("a");
    struct nb_error err = NB_ERROR_INIT;

    (void)state;
    assert_true(nb_file_write_atomic(path, "abcd", 4, 0600, &err));
    assert_false(nb_file_read(path, &b, &err));
    assert_int_equal(err.code, NB_E_LIMIT);
    unlink(path);
}

static void read_appends_and_terminates(void **state)
{
    nb_auto_done(nb_buf_done) struct nb_buf b = NB_BUF_INIT(100);
    nb_auto(nb_free) char *path = in_dir("a");
    struct nb_error err = NB_ERROR_INIT;

    (void)state;
    nb_buf_puts(&b, "x=");
    assert_true(nb_file_write_atomic(path, "1", 1, 0600, &err));
    assert_true(nb_file_read(path, &b, &err));
    assert_string_equal(b.data, "x=1");
    unlink(path);
}

static void missing_file_and_directory_say_so(void **state)
{
    nb_auto_done(nb_buf_done) struct nb_buf b = NB_BUF_INIT(100);
    nb_auto(nb_free) char *path = in_dir("none"), *below = in_dir("none/x");
    struct nb_error err = NB_ERROR_INIT;

    (void)state;
    assert_false(nb_file_read(path, &b, &err));
    assert_int_equal(err.code, NB_E_NOT_FOUND);
    assert_non_null(strstr(err.text, path));
    assert_false(nb_file_read(dir, &b, &err));
    assert_int_equal(err.code, NB_E_INVALID);
    assert_false(nb_file_write_atomic(below, "x", 1, 0600, &err));
    assert_int_equal(err.code, NB_E_NOT_FOUND);
}

static void failed_rename_leaves_no_file_behind(void **state)
{
    nb_auto(nb_free) char *path = in_dir("d"), *inside = in_dir("d/x");
    struct nb_error err = NB_ERROR_INIT;

    (void)state;
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(mkdir(inside, 0700), 0);
    assert_false(nb_file_write_atomic(path, "x", 1, 0600, &err));
    assert_int_equal(rmdir(inside), 0);
    assert_int_equal(rmdir(path), 0);
}

static void write_all_to_a_closed_descriptor_fails(void **state)
{
    struct nb_error err = NB_ERROR_INIT;
    nb_auto_fd int fd = -1;

    (void)state;
    assert_false(nb_fd_write_all(fd, "x", 1, &err));
    assert_true(nb_fd_write_all(fd, "", 0, &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(write_then_read_gives_the_same_bytes),
        cmocka_unit_test(read_beyond_the_maximum_is_a_limit),
        cmocka_unit_test(read_appends_and_terminates),
        cmocka_unit_test(missing_file_and_directory_say_so),
        cmocka_unit_test(failed_rename_leaves_no_file_behind),
        cmocka_unit_test(write_all_to_a_closed_descriptor_fails),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
