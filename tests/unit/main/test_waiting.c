#include <stdio.h>
#include <unistd.h>

#include "base/json.h"
#include "base/log.h"
#include "tests/unit/cmocka.h"

/* The subject, in place. */
#include "main/waiting.c"

static int fds[2];

static int setup(void **state)
{
    (void)state;
    assert_int_equal(pipe(fds), 0);
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

/* "event waitingFor error" of the line that was written. */
static void assert_line(const char *expected)
{
    char line[4096], got[4096];
    ssize_t n = read(fds[0], line, sizeof(line));
    nb_auto(nb_json_free) struct nb_json *v = NULL;
    struct nb_error err = NB_ERROR_INIT;

    assert_true(n > 0 && nb_json_parse(line, (size_t)n, sizeof(line), &v, &err));
    snprintf(got, sizeof(got), "%s %s %s", nb_json_str(nb_json_get(v, "event"), "-"),
             nb_json_str(nb_json_get(v, "waitingFor"), "-"),
             nb_json_str(nb_json_get(v, "error"), "-"));
    assert_string_equal(got, expected);
}

static void line_says_who_is_away_and_why(void **state)
{
    struct nb_error neo4j = NB_ERROR_INIT, bucket = NB_ERROR_INIT, fault = NB_ERROR_INIT;

    (void)state;
    nb_fail(&neo4j, NB_E_UNAVAILABLE, "HostNotFound", "host 'nosuch' not found");
    nb_fail(&bucket, NB_E_UNAVAILABLE, "StorageUnavailable", "it says 503");
    nb_fail(&fault, NB_E_CORRUPT, "ChecksumMismatch", "a chunk went bad");
    waiting_say_engine(&neo4j);
    assert_line("waiting Neo4j host 'nosuch' not found");
    waiting_say_engine(&bucket);
    assert_line("waiting Storage it says 503");
    waiting_say_engine(&fault);
    assert_line("- - a chunk went bad");
    waiting_say(WAITING_SECRET, &neo4j);
    assert_line("waiting Secret host 'nosuch' not found");
    waiting_over(WAITING_SECRET);
    assert_line("waitingOver Secret -");
}

static void single_answer_that_went_wrong_is_no_wait(void **state)
{
    struct nb_error bucket = NB_ERROR_INIT;

    (void)state;
    nb_fail(&bucket, NB_E_UNAVAILABLE, "StorageUnavailable", "it says 503");
    waiting_say_retry(&bucket, LONG_WAIT_MS - 1);
    assert_line("- - it says 503");
    waiting_say_retry(&bucket, LONG_WAIT_MS);
    assert_line("waiting Storage it says 503");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(line_says_who_is_away_and_why, setup, teardown),
        cmocka_unit_test_setup_teardown(single_answer_that_went_wrong_is_no_wait, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
