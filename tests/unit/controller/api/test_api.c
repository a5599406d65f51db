#include <stdio.h>
#include <string.h>

#include "controller/api/report.h"
#include "tests/unit/cmocka.h"
#include "tests/unit/controller/api/samples.h"

static struct nb_json *parse(const char *text)
{
    struct nb_error err = NB_ERROR_INIT;
    struct nb_json *v = NULL;

    if (!nb_json_parse(text, strlen(text), 1 << 20, &v, &err))
        fail_msg("%s: %s", err.text, text);
    return v;
}

static struct api_backup *backup_of(const char *text)
{
    nb_auto(nb_json_free) struct nb_json *v = parse(text);
    struct nb_error err = NB_ERROR_INIT;
    struct api_backup *b = NULL;

    if (!api_backup_parse(v, &b, &err))
        fail_msg("%s", err.text);
    return b;
}

static void backup_defaults_hold_without_the_schema(void **state)
{
    nb_auto(api_backup_free) struct api_backup *b = backup_of(
        "{\"metadata\":{\"name\":\"b\",\"uid\":\"u\"},\"spec\":{\"schedule\":\"@daily\"}}");

    (void)state;
    assert_string_equal(b->spec.time_zone, "Etc/UTC");
    assert_int_equal(b->spec.concurrency, API_FORBID);
    assert_int_equal(b->spec.dst, API_DST_RUN_ONCE);
    assert_int_equal(b->spec.starting_deadline_seconds, -1);
    assert_int_equal(b->spec.successful_limit, 3);
    assert_int_equal(b->spec.failed_limit, 3);
    assert_int_equal(b->spec.template_.retention.days, 7);
    assert_int_equal(b->spec.template_.retention.minimum_successful, 1);
    assert_int_equal(b->spec.template_.retention.daily, -1);
    assert_false(b->spec.template_.retention.delete_on_delete);
    assert_true(b->spec.template_.gzip);
    assert_string_equal(b->spec.template_.compression_level, "6");
    assert_string_equal(b->spec.template_.engine, "Auto");
    assert_string_equal(b->spec.template_.consistency, "Closed");
    assert_string_equal(b->spec.template_.storage.prefix, "neo4j-backup");
    assert_int_equal(b->spec.template_.job.retry_window_seconds, 7200);
    assert_int_equal(b->spec.template_.job.ttl_seconds, 86400);
    assert_false(b->spec.template_.storage.present);
}

static void backup_of_wrong_types_is_clamped_and_defaulted(void **state)
{
    nb_auto(api_backup_free) struct api_backup *b =
        backup_of("{\"metadata\":{\"name\":\"b\",\"uid\":\"u\",\"ownerReferences\":7},\"spec\":{"
                  "\"schedule\":5,\"suspend\":"
                  "\"yes\",\"databases\":{\"a\":1},\"retention\":{\"days\":-5,"
                  "\"minimumSuccessful\":0},\"notifications\":"
                  "[{\"channel\":3,\"events\":\"x\"}],\"job\":[],\"compressionLevel\":99,"
                  "\"export\":3},\"status\":[]}");

    (void)state;
    assert_string_equal(b->spec.schedule, "");
    assert_int_equal(b->spec.template_.retention.days, 0);
    assert_int_equal(b->spec.template_.retention.minimum_successful, 1);
    assert_string_equal(b->spec.template_.compression_level, "9");
    assert_int_equal(b->spec.template_.databases.count, 0);
}

static void object_without_name_is_refused(void **state)
{
    nb_auto(nb_json_free) struct nb_json *v = parse("{\"metadata\":{\"name\":\"b\"}}");
    struct nb_error err = NB_ERROR_INIT;
    struct api_backup *b = NULL;

    (void)state;
    assert_false(api_backup_parse(v, &b, &err));
    assert_int_equal(err.code, NB_E_INVALID);
}

static void backup_status_is_written_as_it_was_read(void **state)
{
    nb_auto_done(nb_buf_done) struct nb_buf text = NB_BUF_INIT(20000);
    nb_auto_done(nb_buf_done) struct nb_buf out = NB_BUF_INIT(20000);
    struct nb_jw w = NB_JW_INIT(&out);
    nb_auto(api_backup_free) struct api_backup *b = NULL;

    (void)state;
    nb_buf_printf(
        &text,
        "{\"metadata\":{\"name\":\"b\",\"uid\":\"u\",\"resourceVersion\":\"7\"},\"status\":%s}",
        status_json);
    b = backup_of(text.data);
    api_backup_status_write(&b->status, &w);
    assert_string_equal(out.data, status_json);
    nb_buf_clear(&out);
    assert_false(api_backup_status_patch(b, &b->status, &out));
    struct api_backup_status to = b->status;

    to.last_skipped = 0;
    to.consecutive_failures = 2;
    to.stored.count = 4;
    assert_true(api_backup_status_patch(b, &to, &out));
    assert_string_equal(
        out.data, "{\"metadata\":{\"resourceVersion\":\"7\"},\"status\":{\"consecutiveFailures\":2,"
                  "\"stored\":{\"count\":4},\"lastSkippedTime\":null}}");
}

static void run_is_written_as_it_was_read(void **state)
{
    struct nb_error err = NB_ERROR_INIT;
    nb_auto(api_backup_free) struct api_backup *b =
        backup_of("{\"metadata\":{\"name\":\"b\",\"namespace\":\"ns\",\"uid\":\"u\"},\"spec\":{"
                  "\"schedule\":\"@daily\",\"timeZone\":"
                  "\"Europe/Berlin\",\"notifications\":[],\"connection\":{\"uri\":\"bolt://"
                  "n\"},\"storage\":{\"r2\":{\"bucket\":\"x\"}}}}");
    nb_auto_done(nb_buf_done) struct nb_buf text = NB_BUF_INIT(20000);
    nb_auto_done(nb_buf_done) struct nb_buf out = NB_BUF_INIT(20000);
    struct nb_jw w = NB_JW_INIT(&out);
    nb_auto(nb_json_free) struct nb_json *v = NULL;
    nb_auto(api_run_free) struct api_run *r = NULL;

    (void)state;
    api_run_write(b, "b-5", 1767225600, API_TRIGGER_MANUAL, "tok", &text);
    assert_string_equal(
        text.data,
        "{\"apiVersion\":\"neo4jbackup.dev/"
        "v1\",\"kind\":\"Neo4jBackupRun\",\"metadata\":{\"name\":\"b-5\",\"namespace\":\"ns\","
        "\"labels\":{\"app.kubernetes.io/name\":\"neo4j-backup\",\"app.kubernetes.io/"
        "managed-by\":\"neo4j-backup-controller\","
        "\"neo4jbackup.dev/backup-name\":\"b\",\"neo4jbackup.dev/"
        "trigger\":\"Manual\"},\"annotations\":{"
        "\"neo4jbackup.dev/token\":\"tok\"},\"ownerReferences\":[{\"apiVersion\":\"neo4jbackup.dev/"
        "v1\",\"kind\":\"Neo4jBackup\","
        "\"name\":\"b\",\"uid\":\"u\",\"controller\":true,\"blockOwnerDeletion\":true}]},\"spec\":{"
        "\"backupRef\":{\"name\":\"b\"},"
        "\"scheduledTime\":\"2026-01-01T00:00:00Z\",\"trigger\":\"Manual\",\"template\":{"
        "\"timeZone\":\"Europe/Berlin\","
        "\"connection\":{\"uri\":\"bolt://n\"},\"storage\":{\"r2\":{\"bucket\":\"x\"}}}}}");
    nb_buf_clear(&text);
    nb_buf_printf(&text,
                  "{\"metadata\":{\"name\":\"b-5\",\"uid\":\"ru\"},\"spec\":{\"trigger\":"
                  "\"Manual\"},\"status\":%s}",
                  run_status_json);
    v = parse(text.data);
    assert_true(api_run_parse(v, &r, &err));
    assert_int_equal(r->trigger, API_TRIGGER_MANUAL);
    assert_false(api_run_is_terminal(r));
    api_run_status_write(&r->status, &w);
    assert_string_equal(out.data, run_status_json);
}

static void restore_status_is_written_as_it_was_read(void **state)
{
    struct nb_error err = NB_ERROR_INIT;
    nb_auto_done(nb_buf_done) struct nb_buf text = NB_BUF_INIT(20000);
    nb_auto_done(nb_buf_done) struct nb_buf out = NB_BUF_INIT(20000);
    struct nb_jw w = NB_JW_INIT(&out);
    nb_auto(nb_json_free) struct nb_json *v = NULL;
    nb_auto(api_restore_free) struct api_restore *r = NULL;

    (void)state;
    nb_buf_printf(&text,
                  "{\"metadata\":{\"name\":\"r\",\"uid\":\"u\"},\"spec\":{\"source\":{\"runRef\":{"
                  "\"name\":\"x\"}}},"
                  "\"status\":%s}",
                  restore_status_json);
    v = parse(text.data);
    assert_true(api_restore_parse(v, &r, &err));
    assert_string_equal(r->run_ref, "x");
    assert_true(r->verify);
    assert_string_equal(r->overwrite_policy, "Fail");
    api_restore_status_write(&r->status, &w);
    assert_string_equal(out.data, restore_status_json);
    nb_buf_clear(&out);
    assert_false(api_restore_status_patch(r, &r->status, &out));
}

static void condition_time_moves_only_with_the_status(void **state)
{
    struct api_conditions c = { .count = 0 };

    (void)state;
    api_condition_set(&c, "Ready", API_UNKNOWN, "", "", 1, 100);
    assert_string_equal(api_condition_get(&c, "Ready")->reason, "Unknown");
    api_condition_set(&c, "Ready", API_TRUE, "A", "m", 1, 200);
    api_condition_set(&c, "Ready", API_TRUE, "B", "n", 2, 300);
    assert_int_equal(c.count, 1);
    assert_int_equal(c.items[0].transition, 200);
    assert_int_equal(c.items[0].observed_generation, 2);
    assert_string_equal(c.items[0].reason, "B");
    assert_int_equal(api_condition_status(&c, "Other"), API_UNKNOWN);
}

static void merge_diff_is_the_least_patch(void **state)
{
    static const struct {
        const char *from, *to, *patch;
    } rows[] = {
        { "{}", "{}", NULL },
        { "{\"a\":1}", "{\"a\":1}", NULL },
        { "{\"a\":1}", "{\"a\":2}", "{\"a\":2}" },
        { "{\"a\":1,\"b\":2}", "{\"b\":2}", "{\"a\":null}" },
        { "{\"a\":{\"x\":1,\"y\":2}}", "{\"a\":{\"x\":1,\"y\":3}}", "{\"a\":{\"y\":3}}" },
        { "{\"a\":[1,2]}", "{\"a\":[1,2,3]}", "{\"a\":[1,2,3]}" },
        { "{\"a\":{}}", "{\"a\":[]}", "{\"a\":[]}" },
    };

    (void)state;
    for (size_t i = 0; i < NB_ARRAY_LEN(rows); i++) {
        nb_auto_done(nb_buf_done) struct nb_buf patch = NB_BUF_INIT(1000);

        assert_int_equal(api_merge_diff(rows[i].from, rows[i].to, &patch), rows[i].patch != NULL);
        assert_string_equal(nb_buf_cstr(&patch), rows[i].patch ? rows[i].patch : "");
    }
}

static void texts_for_people_are_short(void **state)
{
    nb_auto(nb_arena_free) struct nb_arena *a = api_arena_new();

    (void)state;
    assert_string_equal(api_size_text(a, 0), "0 B");
    assert_string_equal(api_size_text(a, 1023), "1023 B");
    assert_string_equal(api_size_text(a, 1024), "1.0 KiB");
    assert_string_equal(api_size_text(a, 1048575), "1.0 MiB");
    assert_string_equal(api_size_text(a, INT64_C(5) << 40), "5.0 TiB");
    assert_string_equal(api_size_text(a, -1), "");
    assert_string_equal(api_duration_text(a, 59), "59s");
    assert_string_equal(api_duration_text(a, 61), "1m 1s");
    assert_string_equal(api_duration_text(a, 7384), "2h 3m");
}

static void termination_of_any_bytes_is_harmless(void **state)
{
    static const char *const bad[] = { "",
                                       "x",
                                       "{",
                                       "[]",
                                       "null",
                                       "{\"result\":\"Great\"}",
                                       "{\"result\":5}",
                                       "\xff\xfe",
                                       "{\"result\":\"Succeeded\"} x" };

    (void)state;
    for (size_t i = 0; i < NB_ARRAY_LEN(bad); i++) {
        nb_auto(api_termination_free) struct api_termination *t =
            api_termination_parse(bad[i], strlen(bad[i]));

        assert_false(t->present);
        assert_int_equal(t->size_bytes, -1);
    }
}

static void termination_texts_are_cleaned(void **state)
{
    static const char text[] = "{\"result\":\"Failed\",\"reason\":\"<script>\",\"message\":"
                               "\"a\\u001b[31mb\\nc\",\"sizeBytes\":-5,"
                               "\"exitCode\":700,\"verification\":{\"level\":\"x "
                               "y\",\"result\":\"Failed\"},\"retention\":{"
                               "\"healthy\":false}}";
    nb_auto(api_termination_free) struct api_termination *t =
        api_termination_parse(text, strlen(text));

    (void)state;
    assert_true(t->present);
    assert_string_equal(t->reason, "Unknown");
    assert_string_equal(t->message, "a [31mb c");
    assert_int_equal(t->size_bytes, 0);
    assert_int_equal(t->exit_code, 255);
    assert_string_equal(t->verification.level, "Unknown");
    assert_string_equal(t->retention_reason, "RetentionBlocked");
}

static bool feed(struct api_log *l, const char *line)
{
    return api_log_feed(l, line, strlen(line), 1000);
}

static void log_lines_are_gathered_and_copied(void **state)
{
    nb_auto(api_log_free) struct api_log *l = api_log_new();
    nb_auto(api_log_free) struct api_log *copy = NULL;
    char line[200];

    (void)state;
    assert_false(feed(l, "hello"));
    assert_false(feed(l, "{\"msg\":\"no event\"}"));
    assert_false(feed(l, "{\"event\":\"unknown\"}"));
    assert_false(feed(l, "{\"event\":5}"));
    assert_true(feed(l, "{\"event\":\"progress\",\"stage\":\"Uploading\",\"percent\":250}"));
    assert_int_equal(l->progress.percent, 100);
    assert_int_equal(l->progress.updated, 1000);
    for (int i = 0; i < 600; i++) {
        snprintf(line, sizeof(line),
                 "{\"event\":\"artifact\",\"database\":\"db%d\",\"sizeBytes\":%d}", i, i);
        assert_int_equal(feed(l, line), i < API_ARTIFACTS_MAX);
    }
    assert_int_equal(l->artifacts.count, API_ARTIFACTS_MAX);
    assert_true(feed(l, "{\"event\":\"artifact\",\"database\":\"db3\",\"sizeBytes\":99}"));
    assert_true(feed(l, "{\"event\":\"databaseFailed\",\"database\":\"x\"}"));
    assert_true(feed(
        l, "{\"event\":\"inventory\",\"stored\":{\"count\":2},\"points\":[{\"database\":\"a\"}]}"));
    assert_false(feed(l, "{\"event\":\"inventory\",\"stored\":{\"count\":3}}"));
    assert_true(feed(l, "{\"event\":\"source\",\"database\":\"a\",\"key\":\"k\"}"));
    assert_true(
        feed(l, "{\"event\":\"databaseResult\",\"database\":\"a\",\"result\":\"Succeeded\"}"));
    assert_true(feed(l, "{\"event\":\"pruned\",\"key\":\"old\"}"));
    copy = api_log_copy(l);
    assert_int_equal(copy->artifacts.count, API_ARTIFACTS_MAX);
    assert_string_equal(copy->artifacts.items[499].database, "db499");
    assert_string_equal(copy->failed_databases.items[0], "x");
    assert_int_equal(copy->stored.count, 2);
    assert_string_equal(copy->points[0].database, "a");
    assert_string_equal(copy->sources[0].key, "k");
    assert_string_equal(copy->databases[0].result, "Succeeded");
    assert_string_equal(copy->pruned.items[0], "old");
}

static void wait_is_heard_until_something_is_done(void **state)
{
    nb_auto(api_log_free) struct api_log *l = api_log_new();
    char line[3000], text[2500];

    (void)state;
    assert_false(l->waiting.on);
    assert_false(feed(l, "{\"event\":\"waiting\",\"waitingFor\":\"Godot\",\"error\":\"x\"}"));
    assert_false(feed(l, "{\"event\":\"waiting\",\"waitingFor\":\"Neo4j\"}"));
    assert_false(feed(l, "{\"event\":\"waitingOver\"}"));
    assert_true(feed(l, "{\"event\":\"waiting\",\"waitingFor\":\"Neo4j\",\"error\":\"a\\nb\"}"));
    assert_false(feed(l, "{\"event\":\"waiting\",\"waitingFor\":\"Neo4j\",\"error\":\"a\\nb\"}"));
    assert_true(l->waiting.on);
    assert_string_equal(l->waiting.reason, "WaitingForNeo4j");
    assert_string_equal(l->waiting.message, "a b");
    assert_true(feed(l, "{\"event\":\"progress\",\"stage\":\"WaitingForNeo4j\"}"));
    assert_true(l->waiting.on);
    assert_true(feed(l, "{\"event\":\"progress\",\"stage\":\"Uploading\"}"));
    assert_false(l->waiting.on);
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    snprintf(line, sizeof(line),
             "{\"event\":\"waiting\",\"waitingFor\":\"Storage\",\"error\":\"%s\"}", text);
    assert_true(feed(l, line));
    assert_string_equal(l->waiting.reason, "WaitingForStorage");
    assert_int_equal(strlen(l->waiting.message), API_WAITING_MESSAGE_MAX - 1);
    assert_true(feed(l, "{\"event\":\"pruned\",\"key\":\"old\"}"));
    assert_false(l->waiting.on);
}

static void log_said_again_replaces(void **state)
{
    nb_auto(api_log_free) struct api_log *l = api_log_new();

    (void)state;
    assert_true(feed(l, "{\"event\":\"artifact\",\"database\":\"a\",\"sizeBytes\":1}"));
    assert_true(feed(l, "{\"event\":\"artifact\",\"database\":\"a\",\"sizeBytes\":2}"));
    assert_int_equal(l->artifacts.count, 1);
    assert_int_equal(l->artifacts.items[0].size_bytes, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(backup_defaults_hold_without_the_schema),
        cmocka_unit_test(backup_of_wrong_types_is_clamped_and_defaulted),
        cmocka_unit_test(object_without_name_is_refused),
        cmocka_unit_test(backup_status_is_written_as_it_was_read),
        cmocka_unit_test(run_is_written_as_it_was_read),
        cmocka_unit_test(restore_status_is_written_as_it_was_read),
        cmocka_unit_test(condition_time_moves_only_with_the_status),
        cmocka_unit_test(merge_diff_is_the_least_patch),
        cmocka_unit_test(texts_for_people_are_short),
        cmocka_unit_test(termination_of_any_bytes_is_harmless),
        cmocka_unit_test(termination_texts_are_cleaned),
        cmocka_unit_test(log_lines_are_gathered_and_copied),
        cmocka_unit_test(wait_is_heard_until_something_is_done),
        cmocka_unit_test(log_said_again_replaces),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
