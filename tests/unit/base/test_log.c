#include "base/log.h"

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/secret.h"
#include "base/thread.h"
#include "tests/unit/cmocka.h"

static int fds[2];
static char seen[1 << 20];

static int setup(void **state)
{
    (void)state;
    assert_int_equal(pipe2(fds, O_NONBLOCK), 0);
    nb_log_setup(NB_LOG_INFO, NB_LOG_JSON, fds[1]);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    nb_log_setup(NB_LOG_INFO, NB_LOG_AUTO, STDERR_FILENO);
    close(fds[0]);
    close(fds[1]);
    return 0;
}

static const char *take(void)
{
    ssize_t n = read(fds[0], seen, sizeof(seen) - 1);

    seen[n > 0 ? n : 0] = '\0';
    return seen;
}

static struct nb_json *take_json(void)
{
    struct nb_error err = NB_ERROR_INIT;
    struct nb_json *v = NULL;
    const char *line = take();

    assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
    assert_true(nb_json_parse(line, strlen(line), 1 << 20, &v, &err));
    return v;
}

static void json_line_holds_message_and_fields(void **state)
{
    nb_auto(nb_json_free) struct nb_json *v = NULL;

    (void)state;
    nb_log(NB_LOG_INFO, "backup \"finished\"\n", NB_F_STR("key", "a/b"),
           NB_F_INT("nodes", 1LL << 60), NB_F_BOOL("ok", true), NB_F_JSON("extra", "[1,\n2]"),
           NB_F_STR("none", NULL), NB_F_END);
    v = take_json();
    assert_string_equal(nb_json_str(nb_json_get(v, "level"), ""), "info");
    assert_string_equal(nb_json_str(nb_json_get(v, "msg"), ""), "backup \"finished\"\n");
    assert_string_equal(nb_json_str(nb_json_get(v, "key"), ""), "a/b");
    assert_true(nb_json_i64(nb_json_get(v, "nodes"), 0) == 1LL << 60);
    assert_true(nb_json_bool(nb_json_get(v, "ok"), false));
    assert_int_equal(nb_json_count(nb_json_get(v, "extra")), 2);
    assert_int_equal(strlen(nb_json_str(nb_json_get(v, "time"), "")), 24);
}

static void level_below_is_silent(void **state)
{
    (void)state;
    assert_false(nb_log_enabled(NB_LOG_DEBUG));
    nb_log(NB_LOG_DEBUG, "x", NB_F_END);
    assert_string_equal(take(), "");
    nb_log_setup(NB_LOG_ERROR, NB_LOG_JSON, fds[1]);
    nb_log(NB_LOG_WARN, "x", NB_F_END);
    assert_string_equal(take(), "");
    nb_log(NB_LOG_ERROR, "x", NB_F_END);
    assert_string_not_equal(take(), "");
}

static void text_line_quotes_what_needs_it(void **state)
{
    const char *line;

    (void)state;
    nb_log_setup(NB_LOG_INFO, NB_LOG_TEXT, fds[1]);
    nb_log(NB_LOG_WARN, "slow", NB_F_STR("a", "plain"), NB_F_STR("b", "two words"),
           NB_F_INT("n", -3), NB_F_STR("e", ""), NB_F_END);
    line = take();
    assert_string_equal(line + strlen("2025-10-08T02:00:00Z "),
                        "WARN  slow a=plain b=\"two words\" n=-3 e=\"\"\n");
}

static void secret_in_any_place_is_blotted(void **state)
{
    nb_auto(nb_secret_free) struct nb_secret *s = nb_secret_new("sw\"ordfish", 10);
    const char *line;

    (void)state;
    (void)s;
    nb_log(NB_LOG_INFO, "pw sw\"ordfish", NB_F_STR("u", "x?p=sw%22ordfish"), NB_F_END);
    line = take();
    assert_null(strstr(line, "ordfish"));
    assert_non_null(strstr(line, "\"msg\":\"pw ***********\""));
}

static void scope_fields_are_on_every_line_until_popped(void **state)
{
    (void)state;
    nb_log_scope_push("database", "neo4j");
    for (int i = 0; i < 9; i++)
        nb_log_scope_push("k", "v");
    nb_log(NB_LOG_INFO, "x", NB_F_END);
    assert_non_null(strstr(take(), "\"database\":\"neo4j\""));
    for (int i = 0; i < 10; i++)
        nb_log_scope_pop();
    nb_log_scope_pop();
    nb_log(NB_LOG_INFO, "x", NB_F_END);
    assert_null(strstr(take(), "database"));
}

static void error_is_shown_with_code_reason_and_text(void **state)
{
    nb_auto(nb_json_free) struct nb_json *v = NULL;
    struct nb_error err = NB_ERROR_INIT;

    (void)state;
    nb_fail(&err, NB_E_NOT_FOUND, "NoSuchBucket", "bucket 'b' does not exist");
    nb_log_error(NB_LOG_ERROR, "backup failed", &err);
    v = take_json();
    assert_string_equal(nb_json_str(nb_json_get(v, "code"), ""), "NotFound");
    assert_string_equal(nb_json_str(nb_json_get(v, "reason"), ""), "NoSuchBucket");
    assert_string_equal(nb_json_str(nb_json_get(v, "error"), ""), "bucket 'b' does not exist");
}

static void line_too_long_stays_json(void **state)
{
    static char big[70 << 10];
    nb_auto(nb_json_free) struct nb_json *v = NULL, *w = NULL;

    (void)state;
    memset(big, 'x', sizeof(big) - 1);
    nb_log(NB_LOG_INFO, "short", NB_F_STR("big", big), NB_F_END);
    v = take_json();
    assert_string_equal(nb_json_str(nb_json_get(v, "msg"), ""), "short");
    assert_true(nb_json_bool(nb_json_get(v, "fields_too_long"), false));
    nb_log(NB_LOG_INFO, big, NB_F_END);
    w = take_json();
    assert_string_equal(nb_json_str(nb_json_get(w, "msg"), ""), "message too long");
}

static void *log_many(void *arg)
{
    nb_log_scope_push("thread", arg);
    for (int i = 0; i < 100; i++)
        nb_log(NB_LOG_INFO, "concurrent", NB_F_INT("i", i), NB_F_END);
    nb_log_scope_pop();
    return NULL;
}

static void threads_write_whole_lines(void **state)
{
    static const char *const names[] = { "one", "two", "three", "four" };
    struct nb_error err = NB_ERROR_INIT;
    struct nb_thread *t[4];
    const char *at;
    int lines = 0;

    (void)state;
    assert_true(fcntl(fds[1], F_SETPIPE_SZ, 1 << 18) > 0);
    for (int i = 0; i < 4; i++) {
        void *name;

        memcpy(&name, &names[i], sizeof(name));
        assert_true(nb_thread_start("logger", log_many, name, &t[i], &err));
    }
    for (int i = 0; i < 4; i++)
        nb_thread_join(t[i]);
    for (at = take(); *at; at = strchr(at, '\n') + 1, lines++) {
        nb_auto(nb_json_free) struct nb_json *v = NULL;

        assert_true(nb_json_parse(at, strcspn(at, "\n"), 1 << 16, &v, &err));
        assert_non_null(nb_json_str(nb_json_get(v, "thread"), NULL));
    }
    assert_int_equal(lines, 400);
}

static void level_names_parse_in_any_case(void **state)
{
    enum nb_log_level v;

    (void)state;
    assert_true(nb_log_level_parse("DEBUG", &v) && v == NB_LOG_DEBUG);
    assert_true(nb_log_level_parse("Warning", &v) && v == NB_LOG_WARN);
    assert_true(nb_log_level_parse("warn", &v) && v == NB_LOG_WARN);
    assert_true(nb_log_level_parse("error", &v) && v == NB_LOG_ERROR);
    assert_false(nb_log_level_parse("loud", &v));
    assert_false(nb_log_level_parse("", &v));
}

#define LOG_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

static void status_line_stays_below_the_messages_of_a_terminal(void **state)
{
    int terminal = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK), far;
    const char *lines;
    size_t len = 0;
    ssize_t n;

    (void)state;
    nb_log_status("to a pipe");
    assert_string_equal(take(), "");
    assert_true(terminal >= 0);
    assert_int_equal(grantpt(terminal), 0);
    assert_int_equal(unlockpt(terminal), 0);
    far = open(ptsname(terminal), O_RDWR | O_NOCTTY);
    assert_true(far >= 0);
    nb_log_setup(NB_LOG_INFO, NB_LOG_AUTO, far);
    assert_true(nb_log_has_status());
    nb_log_status(NULL); /* none is shown */
    nb_log_status("42 %");
    nb_log(NB_LOG_INFO, "hello", NB_F_END);
    nb_log_status(NULL);
    nb_log(NB_LOG_INFO, "bye", NB_F_END);
    /* A terminal gives what has come through so far. */
    for (seen[0] = '\0'; !strstr(seen, "bye\r\n"); seen[len] = '\0') {
        assert_int_equal(poll(&(struct pollfd){ .fd = terminal, .events = POLLIN }, 1, 10000), 1);
        n = read(terminal, seen + len, sizeof(seen) - 1 - len);
        assert_true(n > 0);
        len += (size_t)n;
    }
    lines = seen;
    assert_int_equal(strncmp(lines, "\r\033[K42 %\r\033[K", 12), 0);
    assert_non_null(strstr(lines, "INFO  hello\r\n42 %\r\033[K"));
    assert_null(strstr(strstr(lines, "bye"), "42"));
    nb_log_no_status();
    assert_false(nb_log_has_status());
    close(far);
    close(terminal);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LOG_TEST(json_line_holds_message_and_fields),
        LOG_TEST(level_below_is_silent),
        LOG_TEST(text_line_quotes_what_needs_it),
        LOG_TEST(secret_in_any_place_is_blotted),
        LOG_TEST(scope_fields_are_on_every_line_until_popped),
        LOG_TEST(error_is_shown_with_code_reason_and_text),
        LOG_TEST(line_too_long_stays_json),
        LOG_TEST(threads_write_whole_lines),
        cmocka_unit_test(level_names_parse_in_any_case),
        LOG_TEST(status_line_stays_below_the_messages_of_a_terminal),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
