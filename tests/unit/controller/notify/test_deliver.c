#include "controller/notify/deliver.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "net/http.h"
#include "tests/fakes/fake_http.h"
#include "tests/unit/cmocka.h"

/* One try over HTTP, against a receiver that answers as `plan` says. */

struct fixture {
    struct fake_http *server;
    char directory[40];
    struct notify_config *config;
    struct nb_error err;
    int status;
    const char *header, *value, *body;
    bool drop;
    struct nb_buf head, heard; /* of the last request */
};

static bool answer(void *ctx, const struct fake_http_request *req, struct fake_http_reply *r)
{
    struct fixture *f = ctx;

    nb_buf_clear(&f->head);
    nb_buf_printf(&f->head, "%s %s\n%s", req->method, req->target, req->headers);
    nb_buf_clear(&f->heard);
    nb_buf_append(&f->heard, req->body.p, req->body.n);
    fake_http_reply_text(r, f->status, f->body);
    if (f->header)
        fake_http_reply_header(r, f->header, f->value);
    return !f->drop;
}

static void put(const struct fixture *f, const char *name, const char *text)
{
    nb_auto(nb_free) char *path = nb_xasprintf("%s/%s", f->directory, name);
    struct nb_error err = NB_ERROR_INIT;

    if (!nb_file_write_atomic(path, text, strlen(text), 0600, &err))
        fail_msg("%s", err.text);
}

static int setup(void **state)
{
    static const char yaml[] =
        "notifications:\n"
        "  channels:\n"
        "  - {name: ops, slack: {urlFile: url, caFile: ca}}\n"
        "  - {name: stranger, slack: {urlFile: url}}\n"
        "  - {name: hook, webhook: {urlFile: url, caFile: ca, hmacKeyFile: key, bearerTokenFile: "
        "token}}\n"
        "  - {name: bare, webhook: {urlFile: url, caFile: ca}}\n";
    struct fixture *f = NB_NEW(struct fixture);
    nb_auto(nb_free) char *name = NULL;
    nb_auto(nb_free) char *url = NULL;

    snprintf(f->directory, sizeof(f->directory), "/tmp/nb-notify-XXXXXX");
    assert_non_null(mkdtemp(f->directory));
    nb_buf_init(&f->head, 1 << 20);
    nb_buf_init(&f->heard, 1 << 20);
    f->err = (struct nb_error)NB_ERROR_INIT;
    f->status = 200;
    f->body = "ok";
    f->server = fake_http_new_tls(answer, f);
    url = nb_xasprintf("  %s/services/T0/s3cr3t-path?x=1\n", fake_http_url(f->server));
    put(f, "url", url);
    put(f, "ca", fake_http_ca_pem(f->server));
    put(f, "key", "signing-key\n");
    put(f, "token", "bearer-token");
    name = nb_xasprintf("%s/config.yaml", f->directory);
    if (!notify_config_parse(yaml, strlen(yaml), name, &f->config, &f->err))
        fail_msg("%s", f->err.text);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    static const char *const names[] = { "url", "ca", "key", "token" };
    struct fixture *f = *state;

    fake_http_free(f->server);
    notify_config_free(f->config);
    for (size_t i = 0; i < NB_ARRAY_LEN(names); i++) {
        nb_auto(nb_free) char *path = nb_xasprintf("%s/%s", f->directory, names[i]);

        unlink(path);
    }
    rmdir(f->directory);
    nb_buf_done(&f->head);
    nb_buf_done(&f->heard);
    free(f);
    return 0;
}

static const struct notify_message message = {
    .id = "Failed-r",
    .event = "Failed",
    .reason = "BackupFailed",
    .text = "run 'r': refused",
    .run = "r",
    .ns = "shop",
    .name = "graph",
    .uid = "u-1",
    .channel = "ops",
    .cluster = "prod",
    .time = 1767272430,
};

static bool tell(struct fixture *f, const char *channel)
{
    bool told;

    fake_http_lock(f->server);
    fake_http_unlock(f->server);
    nb_error_clear(&f->err);
    told = notify_deliver(notify_config_find(f->config, channel), &message, NULL, &f->err);
    fake_http_lock(f->server);
    fake_http_unlock(f->server);
    return told;
}

static void must_tell(struct fixture *f, const char *channel)
{
    if (!tell(f, channel))
        fail_msg("%s", f->err.text);
}

static void check_head(const struct fixture *f, const char *line)
{
    if (!strstr(nb_buf_cstr(&f->head), line))
        fail_msg("no '%s' in:\n%s", line, nb_buf_cstr(&f->head));
}

static void slack_is_posted_json(void **state)
{
    struct fixture *f = *state;

    must_tell(f, "ops");
    check_head(f, "POST /services/T0/s3cr3t-path?x=1\n");
    check_head(f, "content-type: application/json\n");
    assert_int_equal(strncmp(nb_buf_cstr(&f->heard), "{\"text\":\":x: *Backup failed*", 27), 0);
    assert_null(strstr(nb_buf_cstr(&f->head), "x-neo4j-backup"));
}

static void webhook_is_signed_over_time_and_body(void **state)
{
    struct fixture *f = *state;
    char want[NOTIFY_SIGNATURE_MAX];
    const char *at;
    int64_t sent;

    must_tell(f, "hook");
    check_head(f, "x-neo4j-backup-id: u-1/Failed-r\n");
    check_head(f, "x-neo4j-backup-event: Failed\n");
    check_head(f, "authorization: Bearer bearer-token\n");
    at = strstr(nb_buf_cstr(&f->head), "x-neo4j-backup-timestamp: ");
    assert_non_null(at);
    sent = strtoll(at + 26, NULL, 10);
    assert_true(sent <= nb_clock_unix_seconds() && sent > nb_clock_unix_seconds() - 600);
    notify_signature(NB_STR("signing-key"), sent, nb_buf_str(&f->heard), want);
    check_head(f, want);
    assert_non_null(strstr(nb_buf_cstr(&f->heard), "\"cluster\":\"prod\""));

    must_tell(f, "bare");
    assert_null(strstr(nb_buf_cstr(&f->head), "signature"));
    assert_null(strstr(nb_buf_cstr(&f->head), "authorization"));
    check_head(f, "x-neo4j-backup-timestamp: ");
}

static void answers_are_judged(void **state)
{
    static const struct {
        int status;
        const char *header, *value, *body;
        enum nb_code code;
        const char *reason, *text;
        int64_t retry_after_ms;
    } rows[] = {
        { 404, NULL, "", "no_service", NB_E_DENIED, "ReceiverRefused",
          "'127.0.0.1' answered HTTP 404: 'no_service'", -1 },
        { 404, NULL, "", "Cannot POST /services/T0/s3cr3t-path", NB_E_DENIED, "ReceiverRefused",
          "'127.0.0.1' answered HTTP 404", -1 },
        { 403, NULL, "", "", NB_E_DENIED, "ReceiverRefused", "'127.0.0.1' answered HTTP 403", -1 },
        { 429, "Retry-After", "30", "rate_limited", NB_E_UNAVAILABLE, "ReceiverUnavailable",
          "'127.0.0.1' answered HTTP 429: 'rate_limited'", 30000 },
        { 429, "Retry-After", "soon", "", NB_E_UNAVAILABLE, "ReceiverUnavailable",
          "'127.0.0.1' answered HTTP 429", -1 },
        { 503, "Retry-After", "Thu, 01 Jan 2026 13:00:30 GMT", "", NB_E_UNAVAILABLE,
          "ReceiverUnavailable", "'127.0.0.1' answered HTTP 503", -1 },
        { 500, NULL, "", "<html>", NB_E_UNAVAILABLE, "ReceiverUnavailable",
          "'127.0.0.1' answered HTTP 500", -1 },
        { 408, NULL, "", "", NB_E_UNAVAILABLE, "ReceiverUnavailable",
          "'127.0.0.1' answered HTTP 408", -1 },
        { 302, "Location", "https://example.org", "", NB_E_DENIED, "ReceiverRedirects",
          "'127.0.0.1' answered HTTP 302; hint: redirects are not followed, use the URL that it "
          "leads to",
          -1 },
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < NB_ARRAY_LEN(rows); i++) {
        f->status = rows[i].status;
        f->header = rows[i].header;
        f->value = rows[i].value;
        f->body = rows[i].body;
        assert_false(tell(f, "ops"));
        assert_string_equal(f->err.text, rows[i].text);
        assert_string_equal(f->err.reason, rows[i].reason);
        assert_int_equal(f->err.code, rows[i].code);
        assert_int_equal(f->err.retry_after_ms, rows[i].retry_after_ms);
    }
    f->status = 204;
    f->header = NULL;
    f->body = "";
    must_tell(f, "ops");
}

static void retry_after_may_be_a_date(void **state)
{
    struct fixture *f = *state;
    struct nb_tm t = nb_tm_from_unix(nb_clock_unix_seconds() + 3600);
    static const char *const days[] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
    static const char *const months[] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                          "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
    nb_auto(nb_free) char *date =
        nb_xasprintf("%s, %02d %s %04d %02d:%02d:%02d GMT", days[t.weekday], t.day,
                     months[t.month - 1], (int)t.year, t.hour, t.minute, t.second);

    f->status = 503;
    f->header = "Retry-After";
    f->value = date;
    assert_false(tell(f, "ops"));
    assert_true(f->err.retry_after_ms > 2400000 && f->err.retry_after_ms <= 3600000);
}

static void broken_connection_is_worth_another_try(void **state)
{
    struct fixture *f = *state;

    f->drop = true;
    assert_false(tell(f, "ops"));
    assert_int_equal(f->err.code, NB_E_UNAVAILABLE);
    assert_null(strstr(f->err.text, "s3cr3t"));
}

static void unknown_certificate_is_refused(void **state)
{
    struct fixture *f = *state;

    assert_false(tell(f, "stranger"));
    assert_string_equal(f->err.reason, "TlsVerificationFailed");
    assert_int_equal(fake_http_request_count(f->server), 0);
}

static void secret_files_are_read_each_time_and_never_shown(void **state)
{
    static const struct {
        const char *url, *text;
        enum nb_code code;
    } rows[] = {
        { "", "urlFile: file '%s/url' does not hold one line", NB_E_NOT_FOUND },
        { "https://x/\nhttps://y/", "urlFile: file '%s/url' does not hold one line",
          NB_E_NOT_FOUND },
        { "ftp://host.example/s3cr3t", "'urlFile' holds no https:// or http:// URL", NB_E_INVALID },
        { "s3cr3t", "'urlFile' is not a valid URL: it must begin with a scheme and '://'",
          NB_E_INVALID },
        { "https://u:s3cr3t@127.0.0.1/x",
          "'request URL' is not a valid URL: it must not hold credentials", NB_E_INVALID },
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < NB_ARRAY_LEN(rows); i++) {
        nb_auto_done(nb_buf_done) struct nb_buf want = NB_BUF_INIT(1000);
        const char *hole = strstr(rows[i].text, "%s");

        put(f, "url", rows[i].url);
        assert_false(tell(f, "ops"));
        nb_buf_append(&want, rows[i].text, hole ? (size_t)(hole - rows[i].text) : 0);
        nb_buf_printf(&want, "%s%s", hole ? f->directory : "", hole ? hole + 2 : rows[i].text);
        assert_string_equal(f->err.text, nb_buf_cstr(&want));
        assert_int_equal(f->err.code, rows[i].code);
    }
    put(f, "key", "");
    assert_false(tell(f, "hook"));
    assert_non_null(strstr(f->err.text, "hmacKeyFile: file"));
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(slack_is_posted_json),
        T(webhook_is_signed_over_time_and_body),
        T(answers_are_judged),
        T(retry_after_may_be_a_date),
        T(broken_connection_is_worth_another_try),
        T(unknown_certificate_is_refused),
        T(secret_files_are_read_each_time_and_never_shown),
    };

    http_global_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
