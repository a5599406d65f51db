#include "controller/notify/config.h"

#include "base/mem.h"
#include "tests/unit/cmocka.h"

#define FILE_NAME "/etc/n/config.yaml"

static struct notify_config *must_parse(const char *yaml)
{
    struct notify_config *c = NULL;
    struct nb_error err = NB_ERROR_INIT;

    if (!notify_config_parse(yaml, strlen(yaml), FILE_NAME, &c, &err))
        fail_msg("%s", err.text);
    return c;
}

static void every_field_of_every_kind_is_read(void **state)
{
    nb_auto(notify_config_free) struct notify_config *c =
        must_parse("notifications:\n"
                   "  cluster: \"prod (\xC3\xBC)\"\n"
                   "  secretsDirectory: /run/secrets/n\n"
                   "  channels:\n"
                   "  - name: ops\n"
                   "    ratePerMinute: 6\n"
                   "    slack: {urlFile: slack-url, caFile: /etc/ca.pem}\n"
                   "  - name: mail\n"
                   "    email:\n"
                   "      server: Mail.example.org:2525\n"
                   "      security: TLS\n"
                   "      username: robot\n"
                   "      passwordFile: smtp-password\n"
                   "      helo: n.example.org\n"
                   "      from: backup@example.org\n"
                   "      to: [a@example.org, b+c@example.org]\n"
                   "  - name: Hook_1.x\n"
                   "    webhook: {urlFile: u, hmacKeyFile: k, bearerTokenFile: t}\n");
    const struct notify_channel *ops = notify_config_find(c, "ops");
    const struct notify_channel *mail = notify_config_find(c, "mail");
    const struct notify_channel *hook = notify_config_find(c, "Hook_1.x");

    (void)state;
    assert_string_equal(c->cluster, "prod (\xC3\xBC)");
    assert_int_equal(c->count, 3);
    assert_int_equal(ops->kind, NOTIFY_SLACK);
    assert_int_equal(ops->rate_per_minute, 6);
    assert_string_equal(ops->url_file, "/run/secrets/n/slack-url");
    assert_string_equal(ops->ca_file, "/etc/ca.pem");
    assert_int_equal(mail->kind, NOTIFY_EMAIL);
    assert_int_equal(mail->rate_per_minute, NOTIFY_RATE_DEFAULT);
    assert_string_equal(mail->host, "mail.example.org");
    assert_int_equal(mail->port, 2525);
    assert_int_equal(mail->security, SMTP_TLS);
    assert_string_equal(mail->username, "robot");
    assert_string_equal(mail->password_file, "/run/secrets/n/smtp-password");
    assert_string_equal(mail->helo, "n.example.org");
    assert_string_equal(mail->from, "backup@example.org");
    assert_int_equal(mail->to.count, 2);
    assert_string_equal(mail->to.items[1], "b+c@example.org");
    assert_int_equal(hook->kind, NOTIFY_WEBHOOK);
    assert_string_equal(hook->hmac_key_file, "/run/secrets/n/k");
    assert_string_equal(hook->token_file, "/run/secrets/n/t");
    assert_string_equal(hook->ca_file, "");
    assert_null(notify_config_find(c, "none"));
    assert_null(notify_config_find(NULL, "none"));
}

static void nothing_is_needed(void **state)
{
    static const char *const texts[] = { "",
                                         "# nothing\n",
                                         "{}",
                                         "notifications:\n",
                                         "notifications: {}",
                                         "notifications: {channels: }",
                                         "notifications: {channels: []}" };

    (void)state;
    for (size_t i = 0; i < NB_ARRAY_LEN(texts); i++) {
        nb_auto(notify_config_free) struct notify_config *c = must_parse(texts[i]);

        assert_int_equal(c->count, 0);
    }
}

static void file_names_are_below_the_files_own_directory(void **state)
{
    nb_auto(notify_config_free) struct notify_config *c =
        must_parse("notifications: {channels: [{name: a, slack: {urlFile: u}}]}");
    const struct notify_channel *a = notify_config_find(c, "a");

    (void)state;
    assert_string_equal(a->url_file, "/etc/n/u");
}

#define CHANNEL(text) "notifications:\n  channels:\n  - name: a\n    " text
#define MAIL(text)    CHANNEL("email:\n      " text)

static void faults_say_where_what_and_how_to_mend(void **state)
{
    static const struct {
        const char *yaml, *text;
    } rows[] = {
        { "notification: {}", "line 1, column 1: notification: there is no such field; hint: there "
                              "are notifications" },
        { "[]", "line 1, column 1: this must be a mapping; hint: its fields are notifications" },
        { "notifications: 7", "line 1, column 1: notifications: this must be a mapping; hint: its "
                              "fields are cluster, secretsDirectory, channels" },
        { "notifications:\n  channels: {a: 1}",
          "line 2, column 3: notifications.channels: this must be a list of at most 64 channels" },
        { "notifications:\n  cluster: 7", "line 2, column 3: notifications.cluster: this must be a "
                                          "text; hint: put it into quotation marks" },
        { "notifications:\n  cluster: \"a\\nb\"",
          "line 2, column 3: notifications.cluster: this must be one line of 1 to 1000 bytes" },
        { "notifications:\n  channels:\n  - slack: {urlFile: u}",
          "line 3, column 5: notifications.channels[0]: 'name' is missing; hint: the name by which "
          "spec.notifications speaks of it" },
        { "notifications:\n  channels:\n  - name: a b",
          "line 3, column 5: notifications.channels[0].name: a name has at most 63 letters, "
          "digits, "
          "'-', '_' and '.'" },
        { "notifications:\n  channels:\n  - {name: a, slack: {urlFile: u}}\n  - name: a",
          "line 4, column 5: notifications.channels[1].name: 'a' is there twice; hint: names must "
          "differ" },
        { CHANNEL("slak: {}"),
          "line 4, column 5: notifications.channels[0].slak: there is no such "
          "field; hint: there are name, ratePerMinute, slack, email, webhook" },
        { CHANNEL("ratePerMinute: 3"),
          "line 3, column 5: notifications.channels[0]: its kind is missing; hint: exactly one of "
          "slack, email, webhook" },
        { CHANNEL("slack: {urlFile: u}\n    webhook: {urlFile: u}"),
          "line 3, column 5: notifications.channels[0]: it has more than one kind; hint: exactly "
          "one of slack, email, webhook" },
        { CHANNEL("ratePerMinute: 0"),
          "line 4, column 5: notifications.channels[0].ratePerMinute: this must be a number from 1 "
          "to 600" },
        { CHANNEL("slack:\n      url: https://hooks.example.org/secret"),
          "line 5, column 7: notifications.channels[0].slack.url: there is no such field; hint: "
          "there are urlFile, caFile" },
        { CHANNEL("slack: {}"), "line 4, column 5: notifications.channels[0].slack: 'urlFile' is "
                                "missing; hint: name the file with the webhook's URL" },
        { CHANNEL("webhook: {urlFile: 1}"),
          "line 4, column 15: notifications.channels[0].webhook.urlFile: this must be a text; "
          "hint: "
          "put it into quotation marks" },
        { MAIL("server: smtp://u:pw@h"),
          "line 5, column 7: notifications.channels[0].email.server: this is not host:port; hint: "
          "write mail.example.org:587, and credentials into usernameFile and passwordFile" },
        { MAIL("server: u:pw@h"),
          "line 5, column 7: notifications.channels[0].email.server: this is not host:port; hint: "
          "write mail.example.org:587, and credentials into usernameFile and passwordFile" },
        { MAIL("server: h\n      security: starttls"),
          "line 6, column 7: notifications.channels[0].email.security: 'starttls' is not known; "
          "hint: StartTLS, TLS (from the first byte) or None" },
        { MAIL("server: h\n      security: None\n      username: u\n      passwordFile: p"),
          "line 4, column 5: notifications.channels[0].email: credentials would be sent in the "
          "clear; hint: security: StartTLS" },
        { MAIL("server: h\n      username: u"),
          "line 4, column 5: notifications.channels[0].email: 'passwordFile' is missing; hint: "
          "give "
          "both a name and a password, or none" },
        { MAIL("server: h\n      username: u\n      usernameFile: u\n      passwordFile: p"),
          "line 4, column 5: notifications.channels[0].email: 'username' and 'usernameFile' are "
          "both there; hint: keep one" },
        { MAIL("server: h\n      helo: \"a b\""),
          "line 6, column 7: notifications.channels[0].email.helo: this is not a host name" },
        { MAIL("server: h\n      from: Backup <b@x>"),
          "line 6, column 7: notifications.channels[0].email.from: 'Backup <b@x>' is not an e-mail "
          "address; hint: local@domain, without a name" },
        { MAIL("server: h\n      from: b@x\n      to: c@x"),
          "line 7, column 7: notifications.channels[0].email.to: 'to' must be a list of 1 to 50 "
          "addresses; hint: to: [ops@example.org]" },
        { MAIL("server: h\n      from: b@x\n      to:\n      - c@x\n      - \"c@x\\r\\nBcc: d@x\""),
          "line 9, column 9: notifications.channels[0].email.to[1]: 'c@x  Bcc: d@x' is not an "
          "e-mail address; hint: local@domain, without a name" },
        { "a: *x", "line 1, column 4: aliases are not supported" },
    };

    (void)state;
    for (size_t i = 0; i < NB_ARRAY_LEN(rows); i++) {
        nb_auto(nb_free) char *want = nb_xasprintf("'" FILE_NAME "', %s", rows[i].text);
        struct notify_config *c = NULL;
        struct nb_error err = NB_ERROR_INIT;

        assert_false(notify_config_parse(rows[i].yaml, strlen(rows[i].yaml), FILE_NAME, &c, &err));
        assert_string_equal(err.text, want);
        assert_string_equal(err.reason, "InvalidConfiguration");
        assert_int_equal(err.code, NB_E_INVALID);
        assert_null(strstr(err.text, "pw"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_field_of_every_kind_is_read),
        cmocka_unit_test(nothing_is_needed),
        cmocka_unit_test(file_names_are_below_the_files_own_directory),
        cmocka_unit_test(faults_say_where_what_and_how_to_mend),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
