#include "controller/notify/message.h"

#include "base/json.h"
#include "base/mem.h"
#include "tests/unit/cmocka.h"

static const struct notify_message plain = {
    .id = "Failed-r",
    .event = "Failed",
    .reason = "BackupFailed",
    .text = "run 'r': ConnectionFailed: refused",
    .run = "r",
    .ns = "shop",
    .name = "graph",
    .uid = "u-1",
    .channel = "ops",
    .cluster = "",
    .time = 1767272430, /* 2026-01-01T13:00:30Z */
};

/* Everything that ends something somewhere. */
#define HOSTILE "a<!channel>&\"\\\r\nBcc: x@y\r\n.\r\n\x01=?utf-8?Q?x?= \xC3\xA4"

static struct notify_message hostile(void)
{
    struct notify_message m = plain;

    m.text = m.run = m.ns = m.name = m.cluster = m.reason = m.id = HOSTILE;
    m.event = m.channel = m.uid = HOSTILE;
    return m;
}

static struct nb_json *parse(const struct nb_buf *text)
{
    struct nb_json *v = NULL;
    struct nb_error err = NB_ERROR_INIT;

    if (!nb_json_parse(nb_buf_cstr(text), text->len, 1 << 20, &v, &err))
        fail_msg("%s: %s", err.text, nb_buf_cstr(text));
    return v;
}

static void slack_says_what_where_and_when(void **state)
{
    nb_auto_done(nb_buf_done) struct nb_buf out = NB_BUF_INIT(1 << 20);
    struct notify_message m = plain;

    (void)state;
    m.cluster = "prod";
    notify_slack_write(&m, &out);
    assert_string_equal(
        nb_buf_cstr(&out),
        "{\"text\":\":x: *Backup failed*: shop/graph\\nrun 'r': ConnectionFailed: "
        "refused\\nCluster: prod\\nRun: r\\nTime: 2026-01-01T13:00:30Z\",\"parse\":\"none\","
        "\"link_names\":false,\"unfurl_links\":false}");
}

static void slack_takes_no_orders_from_names(void **state)
{
    nb_auto_done(nb_buf_done) struct nb_buf out = NB_BUF_INIT(1 << 20);
    const struct notify_message m = hostile();
    nb_auto(nb_json_free) struct nb_json *v = NULL;
    const char *text;

    (void)state;
    notify_slack_write(&m, &out);
    v = parse(&out);
    text = nb_json_str(nb_json_get(v, "text"), "");
    assert_int_equal(nb_json_count(v), 4);
    assert_null(strpbrk(text, "<>\r\x01"));
    assert_non_null(strstr(text, "&lt;!channel&gt;&amp;"));
    assert_non_null(strstr(text, ":warning: *Backup*: ")); /* an event of a later version */
}

static void webhook_body_has_every_field(void **state)
{
    nb_auto_done(nb_buf_done) struct nb_buf out = NB_BUF_INIT(1 << 20);
    struct notify_message m = plain;

    (void)state;
    notify_webhook_write(&m, &out);
    assert_string_equal(
        nb_buf_cstr(&out),
        "{\"version\":1,\"id\":\"u-1/Failed-r\",\"event\":\"Failed\",\"title\":\"Backup failed\","
        "\"reason\":\"BackupFailed\",\"message\":\"run 'r': ConnectionFailed: refused\","
        "\"time\":\"2026-01-01T13:00:30Z\",\"channel\":\"ops\",\"backup\":{\"namespace\":\"shop\","
        "\"name\":\"graph\",\"uid\":\"u-1\"},\"run\":\"r\"}");
    m.run = "";
    m.cluster = "prod";
    nb_buf_clear(&out);
    notify_webhook_write(&m, &out);
    assert_null(strstr(nb_buf_cstr(&out), "\"run\""));
    assert_non_null(strstr(nb_buf_cstr(&out), "\"cluster\":\"prod\""));
}

static void webhook_body_is_json_whatever_the_names(void **state)
{
    nb_auto_done(nb_buf_done) struct nb_buf out = NB_BUF_INIT(1 << 20);
    const struct notify_message m = hostile();
    nb_auto(nb_json_free) struct nb_json *v = NULL;

    (void)state;
    notify_webhook_write(&m, &out);
    v = parse(&out);
    assert_string_equal(nb_json_str(nb_json_at(v, "backup.name"), ""), HOSTILE);
    assert_string_equal(nb_json_str(nb_json_get(v, "message"), ""), HOSTILE);
}

/* The same by Python's hmac. */
static void signature_is_hmac_of_timestamp_and_body(void **state)
{
    char out[NOTIFY_SIGNATURE_MAX];

    (void)state;
    notify_signature(NB_STR("k3y"), 1767272430, NB_STR("{\"a\":1}"), out);
    assert_string_equal(out, "v1=4b0ddeba673ff838750dae105ac66dfdec69ff293130af1b9eeef527bc983d21");
}

/* --- e-mail ---------------------------------------------------------------------------------- */

static const char *const to[] = { "a@example.org", "b@example.org" };

static void mail_is_a_mail(void **state)
{
    nb_auto_done(nb_buf_done) struct nb_buf out = NB_BUF_INIT(1 << 20);

    (void)state;
    notify_email_write(&plain, "backup@example.org", to, 2, 1767272500, &out);
    assert_string_equal(nb_buf_cstr(&out),
                        "From: neo4j-backup <backup@example.org>\r\n"
                        "To: <a@example.org>,\r\n"
                        " <b@example.org>\r\n"
                        "Subject: [neo4j-backup] Backup failed: shop/graph\r\n"
                        "Date: Thu, 01 Jan 2026 13:01:40 +0000\r\n"
                        "Message-ID: <5a63ba5eca41909af8e6cd82b2e7a66ec480d401@example.org>\r\n"
                        "X-Neo4j-Backup-Event: Failed\r\n"
                        "Auto-Submitted: auto-generated\r\n"
                        "MIME-Version: 1.0\r\n"
                        "Content-Type: text/plain; charset=utf-8\r\n"
                        "Content-Transfer-Encoding: quoted-printable\r\n"
                        "\r\n"
                        "run 'r': ConnectionFailed: refused\r\n"
                        "\r\n"
                        "Event:   Failed\r\n"
                        "Reason:  BackupFailed\r\n"
                        "Backup:  shop/graph\r\n"
                        "Run:     r\r\n"
                        "Time:    2026-01-01T13:00:30Z\r\n"
                        "Id:      u-1/Failed-r\r\n");
}

/* Lines by CR LF only, at most so long; and no header but ours. */
static void check_lines(const struct nb_buf *mail, size_t longest)
{
    static const char *const known[] = { "From: ",
                                         "To: ",
                                         "Subject: ",
                                         "Date: ",
                                         "Message-ID: ",
                                         "X-Neo4j-Backup-Event: ",
                                         "Auto-Submitted: ",
                                         "MIME-Version: ",
                                         "Content-Type: ",
                                         "Content-Transfer-Encoding: ",
                                         " " };
    bool in_header = true;

    for (const char *p = nb_buf_cstr(mail), *end; *p; p = end + 2) {
        bool ours = false;

        end = strstr(p, "\r\n");
        assert_non_null(end);
        assert_null(memchr(p, '\n', (size_t)(end - p)));
        assert_true((size_t)(end - p) <= longest);
        in_header = in_header && end != p;
        for (size_t i = 0; i < NB_ARRAY_LEN(known); i++)
            ours = ours || strncmp(p, known[i], strlen(known[i])) == 0;
        if (in_header && !ours)
            fail_msg("a header that is not ours: %.*s", (int)(end - p), p);
        for (const char *c = p; c < end; c++)
            assert_true(*c >= ' ' && *c <= '~');
    }
}

static void no_name_makes_a_header_or_a_line_of_its_own(void **state)
{
    nb_auto_done(nb_buf_done) struct nb_buf out = NB_BUF_INIT(1 << 20);
    const struct notify_message m = hostile();
    const char *body;

    (void)state;
    notify_email_write(&m, "backup@example.org", to, 2, 1767272500, &out);
    check_lines(&out, 200);
    body = strstr(nb_buf_cstr(&out), "\r\n\r\n") + 4;
    assert_int_equal(
        strncmp(body, "a<!channel>&\"\\  Bcc: x@y  .   =3D?utf-8?Q?x?=3D =C3=A4\r\n", 30), 0);
}

static void long_lines_are_folded_and_dots_stay(void **state)
{
    nb_auto_done(nb_buf_done) struct nb_buf out = NB_BUF_INIT(1 << 20);
    nb_auto_done(nb_buf_done) struct nb_buf text = NB_BUF_INIT(10000);
    struct notify_message m = plain;
    const char *body;

    (void)state;
    nb_buf_puts(&text, ".");
    for (int i = 0; i < 300; i++)
        nb_buf_puts(&text, i % 7 ? "x" : "\xC3\xB6");
    nb_buf_puts(&text, "  ");
    m.text = m.cluster = nb_buf_cstr(&text);
    notify_email_write(&m, "backup@example.org", to, 1, 1767272500, &out);
    check_lines(&out, 78);
    body = strstr(nb_buf_cstr(&out), "\r\n\r\n") + 4;
    assert_int_equal(body[0], '.');
    assert_non_null(strstr(body, "x =20\r\n"));
    assert_non_null(strstr(nb_buf_cstr(&out), "Subject: =?utf-8?B?"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slack_says_what_where_and_when),
        cmocka_unit_test(slack_takes_no_orders_from_names),
        cmocka_unit_test(webhook_body_has_every_field),
        cmocka_unit_test(webhook_body_is_json_whatever_the_names),
        cmocka_unit_test(signature_is_hmac_of_timestamp_and_body),
        cmocka_unit_test(mail_is_a_mail),
        cmocka_unit_test(no_name_makes_a_header_or_a_line_of_its_own),
        cmocka_unit_test(long_lines_are_folded_and_dots_stay),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
