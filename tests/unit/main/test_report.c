#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* src/main is no part of the library. */
#include "main/bar.c"
#include "main/exit_codes.c"
#include "main/report.c"

static const struct nb_json *parse(const struct nb_buf *text, struct nb_json **root)
{
    struct nb_error err = NB_ERROR_INIT;

    assert_true(nb_json_parse(text->data, text->len, 1 << 20, root, &err));
    return *root;
}

static void errors_end_with_the_documented_code(void **state)
{
    static const struct {
        enum nb_code code;
        const char *reason;
        int exit;
        const char *public_reason;
    } cases[] = {
        { NB_E_INVALID, "InvalidConfiguration", 2, "InvalidConfiguration" },
        { NB_E_INVALID, "SecretKeyNotFound", 2, "SecretKeyNotFound" },
        { NB_E_INVALID, "InvalidStorage", 2, "InvalidConfiguration" },
        { NB_E_LIMIT, "NoSpace", 2, "NoSpace" },
        { NB_E_UNAVAILABLE, "Neo4jConnectionFailed", 10, "Neo4jUnavailable" },
        { NB_E_UNAVAILABLE, "Neo4jTransient", 10, "Neo4jUnavailable" },
        { NB_E_DENIED, "Neo4jAuthenticationFailed", 11, "Neo4jAuthFailed" },
        { NB_E_NOT_FOUND, "Neo4jDatabaseNotFound", 12, "DatabaseNotFound" },
        { NB_E_NOT_FOUND, "BucketNotFound", 20, "BucketNotFound" },
        { NB_E_DENIED, "SignatureMismatch", 21, "AccessDenied" },
        { NB_E_TIMEOUT, "StorageUnavailable", 22, "StorageUnavailable" },
        { NB_E_CONFLICT, "ClaimHeld", 30, "NameConflict" },
        { NB_E_CONFLICT, "RetentionBlocked", 31, "RetentionBlocked" },
        { NB_E_CONFLICT, "NotClosed", 40, "NotClosed" },
        { NB_E_CORRUPT, "ChecksumMismatch", 50, "VerificationFailed" },
        { NB_E_CORRUPT, "CutDump", 50, "VerificationFailed" },
        { NB_E_CANCELLED, "Cancelled", 75, "Interrupted" },
        { NB_E_INVALID, "Neo4jQueryFailed", 1, "InternalError" },
        { NB_E_INTERNAL, "Whatever", 1, "InternalError" },
    };

    (void)state;
    for (size_t i = 0; i < NB_ARRAY_LEN(cases); i++) {
        struct nb_error err = NB_ERROR_INIT;

        nb_fail(&err, cases[i].code, cases[i].reason, "x");
        assert_int_equal(exit_of(&err)->code, cases[i].exit);
        assert_string_equal(exit_reason(exit_of(&err), &err), cases[i].public_reason);
    }
}

static void explained_errors_have_headline_and_hint_once(void **state)
{
    struct nb_error err = NB_ERROR_INIT;

    (void)state;
    nb_fail(&err, NB_E_NOT_FOUND, "BucketNotFound", "bucket 'b' does not exist");
    exit_explain(exit_of(&err), &err);
    exit_explain(exit_of(&err), &err);
    assert_string_equal(
        err.text, "R2 bucket not found: bucket 'b' does not exist; hint: check R2_BUCKET_NAME, and "
                  "that the bucket exists at this endpoint");
}

static void termination_message_fits_and_keeps_what_counts(void **state)
{
    struct nb_buf text = NB_BUF_INIT(JSON_MAX);
    struct nb_json *root = NULL;
    struct report r;
    char name[300];

    (void)state;
    report_init(&r);
    r.has_artifact = true;
    memset(name, 'k', sizeof(name));
    name[sizeof(name) - 1] = '\0';
    r.key = nb_xasprintf("%s%s%s", name, name, name);
    r.manifest_key = nb_xasprintf("%s%s%s", name, name, name);
    r.database = nb_xstrdup("neo4j");
    for (int i = 0; i < 500; i++)
        repo_strings_add(&r.failed_databases, "database-with-a-name");
    report_set_exit(&r, EXIT_PARTIAL, "");
    /* Two bytes a character, six in JSON where it is escaped. */
    for (size_t i = 0; i + 3 < sizeof(r.message); i += 3)
        memcpy(r.message + i, "\"\xC3\xA9", 3);
    report_format(&r, &text);
    assert_true(text.len <= REPORT_TERMINATION_MAX_BYTES);
    parse(&text, &root);
    assert_string_equal(nb_json_str(nb_json_get(root, "result"), ""), "Partial");
    assert_string_equal(nb_json_str(nb_json_get(root, "key"), ""), r.key);
    assert_int_equal(nb_json_i64(nb_json_get(root, "exitCode"), -1), 3);
    nb_json_free(root);
    report_done(&r);
    nb_buf_done(&text);
}

static void termination_message_of_a_failure_says_why(void **state)
{
    struct nb_buf text = NB_BUF_INIT(JSON_MAX);
    struct nb_error err = NB_ERROR_INIT;
    struct nb_json *root = NULL;
    struct report r;

    (void)state;
    nb_log_setup(NB_LOG_ERROR, NB_LOG_JSON, 2);
    report_init(&r);
    nb_fail(&err, NB_E_DENIED, "AccessDenied", "put 'x'");
    report_failure(&r, &err);
    report_format(&r, &text);
    parse(&text, &root);
    assert_string_equal(nb_json_str(nb_json_get(root, "result"), ""), "Failed");
    assert_string_equal(nb_json_str(nb_json_get(root, "reason"), ""), "AccessDenied");
    assert_true(
        nb_starts_with(nb_json_str(nb_json_get(root, "message"), ""), "Access denied: put 'x'"));
    assert_false(nb_json_bool(nb_json_get(root, "retriable"), true));
    assert_null(nb_json_get(root, "key"));
    nb_json_free(root);
    report_done(&r);
    nb_buf_done(&text);
}

static void progress_line_has_what_is_known_and_nothing_else(void **state)
{
    struct eng_progress p = { .stage = ENG_EXPORTING_NODES, .percent = 7, .nodes = 1 };
    struct nb_json *root = NULL;
    struct nb_buf line = NB_BUF_INIT(1 << 16);
    int fds[2];

    (void)state;
    assert_int_equal(pipe(fds), 0);
    nb_log_setup(NB_LOG_INFO, NB_LOG_JSON, fds[1]);
    p.eta_seconds = -1;
    report_progress("neo4j", &p);
    line.len = (size_t)read(fds[0], nb_buf_reserve(&line, 4096), 4096);
    parse(&line, &root);
    assert_string_equal(nb_json_str(nb_json_get(root, "event"), ""), "progress");
    assert_int_equal(nb_json_i64(nb_json_get(root, "percent"), -1), 7);
    assert_null(nb_json_get(root, "etaSeconds"));
    assert_null(nb_json_get(root, "rowsPerSecond"));
    assert_null(nb_json_get(root, "totalNodes"));
    nb_json_free(root);
    p.total_nodes = 10;
    p.rows_per_second = 3;
    p.eta_seconds = 3;
    report_progress("neo4j", &p);
    nb_buf_clear(&line);
    line.len = (size_t)read(fds[0], nb_buf_reserve(&line, 4096), 4096);
    parse(&line, &root);
    assert_int_equal(nb_json_i64(nb_json_get(root, "totalNodes"), -1), 10);
    assert_int_equal(nb_json_i64(nb_json_get(root, "rowsPerSecond"), -1), 3);
    assert_int_equal(nb_json_i64(nb_json_get(root, "etaSeconds"), -1), 3);
    nb_json_free(root);
    nb_log_setup(NB_LOG_INFO, NB_LOG_AUTO, STDERR_FILENO);
    nb_buf_done(&line);
    close(fds[0]);
    close(fds[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(errors_end_with_the_documented_code),
        cmocka_unit_test(explained_errors_have_headline_and_hint_once),
        cmocka_unit_test(termination_message_fits_and_keeps_what_counts),
        cmocka_unit_test(termination_message_of_a_failure_says_why),
        cmocka_unit_test(progress_line_has_what_is_known_and_nothing_else),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
