#include "net/smtp.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/secret.h"
#include "base/thread.h"
#include "net/http.h"
#include "tests/unit/cmocka.h"

/*
 * A server of one conversation, in plain text: answers by the first word of what it hears. TLS and
 * authentication are tried with a real server, in tests/e2e.
 */
struct answer {
    const char *word, *reply; /* reply NULL: hang up; "": say nothing more */
};

struct server {
    int fd;
    uint16_t port;
    struct nb_thread *thread;
    const struct answer *answers; /* before the usual ones; ended by word NULL */
    struct nb_cancel *cancel;     /* set when that much was heard */
    const char *cancel_at;
    struct nb_buf heard, mail;
};

static const struct answer usual[] = { { "EHLO", "250-fake\r\n250 SIZE 1000000\r\n" },
                                       { "MAIL", "250 ok\r\n" },
                                       { "RCPT", "250 ok\r\n" },
                                       { "DATA", "354 go on\r\n" },
                                       { ".", "250 taken\r\n" },
                                       { "QUIT", "221 bye\r\n" },
                                       { NULL, NULL } };

static const struct answer *find(const struct server *s, const char *line)
{
    for (const struct answer *a = s->answers; a && a->word; a++)
        if (strncmp(line, a->word, strlen(a->word)) == 0)
            return a;
    for (const struct answer *a = usual; a->word; a++)
        if (strncmp(line, a->word, strlen(a->word)) == 0)
            return a;
    return NULL;
}

static bool say(int fd, const char *text)
{
    return send(fd, text, strlen(text), MSG_NOSIGNAL) == (ssize_t)strlen(text);
}

static bool hear(FILE *in, char *line, size_t n)
{
    return fgets(line, (int)n, in) != NULL;
}

static void converse(struct server *s, int fd, FILE *in)
{
    bool in_mail = false;
    char line[4096];

    if (!say(fd, "220 fake\r\n"))
        return;
    while (hear(in, line, sizeof(line))) {
        const struct answer *a;

        nb_buf_puts(in_mail ? &s->mail : &s->heard, line);
        if (s->cancel_at && strncmp(line, s->cancel_at, strlen(s->cancel_at)) == 0)
            nb_cancel_set(s->cancel);
        if (in_mail && strcmp(line, ".\r\n") != 0)
            continue;
        a = find(s, line);
        if (!a || !a->reply)
            return;
        in_mail = strncmp(a->reply, "354", 3) == 0;
        if (!say(fd, a->reply))
            return;
    }
}

static void *server_main(void *arg)
{
    struct server *s = arg;
    int fd = accept(s->fd, NULL, NULL);
    FILE *in = fd < 0 ? NULL : fdopen(fd, "r");

    if (!in)
        return NULL;
    converse(s, fd, in);
    fclose(in);
    return NULL;
}

static struct server *server_new(const struct answer *answers)
{
    struct server *s = NB_NEW(struct server);
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t n = sizeof(at);
    struct nb_error err = NB_ERROR_INIT;

    s->answers = answers;
    nb_buf_init(&s->heard, 1 << 20);
    nb_buf_init(&s->mail, 1 << 20);
    s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(s->fd >= 0);
    assert_int_equal(bind(s->fd, (struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(listen(s->fd, 1), 0);
    assert_int_equal(getsockname(s->fd, (struct sockaddr *)&at, &n), 0);
    s->port = ntohs(at.sin_port);
    assert_true(nb_thread_start("smtp", server_main, s, &s->thread, &err));
    return s;
}

static void server_end(struct server *s)
{
    nb_thread_join(s->thread);
    s->thread = NULL;
}

static void server_free(struct server *s)
{
    if (s->thread) {
        shutdown(s->fd, SHUT_RDWR);
        server_end(s);
    }
    close(s->fd);
    nb_buf_done(&s->heard);
    nb_buf_done(&s->mail);
    free(s);
}

static const char *const to[] = { "a@x.example", "b@x.example" };

static struct smtp_request request(const struct server *s, const char *message)
{
    return (struct smtp_request){ .host = "127.0.0.1",
                                  .port = s->port,
                                  .security = SMTP_PLAIN,
                                  .helo = "us.example",
                                  .from = "from@x.example",
                                  .to = to,
                                  .to_n = 2,
                                  .message = message,
                                  .message_n = strlen(message),
                                  .timeout_ms = 20000 };
}

static void mail_arrives_with_its_dots(void **state)
{
    struct server *s = server_new(NULL);
    struct smtp_request req = request(s, "Subject: x\r\n\r\n.\r\n..two\r\nend.\r\n.\r\n");
    struct nb_error err = NB_ERROR_INIT;

    (void)state;
    if (!smtp_send(&req, NULL, &err))
        fail_msg("%s", err.text);
    server_end(s);
    assert_string_equal(nb_buf_cstr(&s->heard), "EHLO us.example\r\n"
                                                "MAIL FROM:<from@x.example>\r\n"
                                                "RCPT TO:<a@x.example>\r\n"
                                                "RCPT TO:<b@x.example>\r\n"
                                                "DATA\r\n"
                                                "QUIT\r\n");
    assert_string_equal(nb_buf_cstr(&s->mail),
                        "Subject: x\r\n\r\n..\r\n...two\r\nend.\r\n..\r\n.\r\n");
    server_free(s);
}

static void refusals_are_for_good_or_for_now(void **state)
{
    static const struct {
        struct answer answer[2];
        enum nb_code code;
        const char *reason, *text;
    } rows[] = {
        { { { "MAIL", "550 no such sender\r\n" } },
          NB_E_DENIED,
          "SmtpRefused",
          "MAIL failed: 550 (server: '550 no such sender')" },
        { { { "RCPT TO:<b@", "554 no relaying\r\n" } },
          NB_E_DENIED,
          "SmtpRefused",
          "(server: '554 no relaying')" },
        { { { "RCPT", "451 greylisted\r\n" } },
          NB_E_UNAVAILABLE,
          "SmtpNotNow",
          "(server: '451 greylisted')" },
        { { { "DATA", "421 going down\r\n" } }, NB_E_UNAVAILABLE, "SmtpNotNow", "421" },
        { { { ".", "554 spam\r\n" } }, NB_E_DENIED, "SmtpRefused", "(server: '554 spam')" },
        { { { ".", "452 disk full\r\n" } }, NB_E_UNAVAILABLE, "SmtpNotNow", "452" },
        { { { "DATA", NULL } }, NB_E_UNAVAILABLE, "ConnectionFailed", "" },
        { { { "MAIL", "550 tok-s3cret\r\n" } }, NB_E_DENIED, "SmtpRefused", "'550 **********'" },
    };
    nb_auto(nb_secret_free) struct nb_secret *secret = nb_secret_new("tok-s3cret", 10);

    (void)state;
    for (size_t i = 0; i < NB_ARRAY_LEN(rows); i++) {
        struct server *s = server_new(rows[i].answer);
        struct smtp_request req = request(s, "a: b\r\n\r\n");
        struct nb_error err = NB_ERROR_INIT;

        assert_false(smtp_send(&req, NULL, &err));
        if (err.code != rows[i].code || strcmp(err.reason, rows[i].reason) != 0 ||
            !strstr(err.text, rows[i].text))
            fail_msg("row %zu: %s %s: %s", i, nb_code_name(err.code), err.reason, err.text);
        assert_non_null(strstr(err.text, "'smtp://127.0.0.1:"));
        server_free(s);
    }
}

/* Neither a name nor a word of the mail goes out before TLS. */
static void server_without_starttls_is_refused(void **state)
{
    struct server *s = server_new(NULL);
    struct smtp_request req = request(s, "a: b\r\n\r\n");
    struct nb_error err = NB_ERROR_INIT;

    (void)state;
    req.security = SMTP_STARTTLS;
    req.username = "robot";
    req.password = "pa55word";
    assert_false(smtp_send(&req, NULL, &err));
    assert_string_equal(err.reason, "TlsUnavailable");
    assert_int_equal(err.code, NB_E_DENIED);
    assert_null(strstr(err.text, "pa55word"));
    server_end(s);
    assert_null(strstr(nb_buf_cstr(&s->heard), "AUTH"));
    assert_null(strstr(nb_buf_cstr(&s->heard), "MAIL"));
    server_free(s);
}

static void what_is_no_mail_is_not_sent(void **state)
{
    static const char *const messages[] = { "",         "x",       "a\r\nb\n", "a\nb\r\n",
                                            "a\rb\r\n", "a\r\n\r", "a: b\n",   "a\r\n.\n\r\n" };
    static const char *const addresses[] = {
        "",           "x",     "@x",      "x@",   "a b@x", "a@x\r\n", "<a@x>", "a@x>\r\nRCPT TO:<b",
        "\xC3\xB6@x", "a,b@x", "\"a\"@x", "a@x:y"
    };
    struct smtp_request req = { .host = "127.0.0.1", .port = 1, .security = SMTP_PLAIN };
    struct nb_error err = NB_ERROR_INIT;

    (void)state;
    req.from = "a@x";
    req.to = to;
    req.to_n = 2;
    for (size_t i = 0; i < NB_ARRAY_LEN(messages); i++) {
        req.message = messages[i];
        req.message_n = strlen(messages[i]);
        nb_error_clear(&err);
        assert_false(smtp_send(&req, NULL, &err));
        assert_string_equal(err.reason, "InvalidMessage");
    }
    for (size_t i = 0; i < NB_ARRAY_LEN(addresses); i++)
        if (smtp_address_is_valid(addresses[i]))
            fail_msg("'%s' is taken for an address", addresses[i]);
    req.message = "a: b\r\n";
    req.message_n = 6;
    req.username = "u";
    nb_error_clear(&err);
    assert_false(smtp_send(&req, NULL, &err));
    assert_string_equal(err.reason, "InvalidCredentials");
}

static void nobody_there_is_unavailable(void **state)
{
    struct server *s = server_new(NULL);
    struct smtp_request req = request(s, "a: b\r\n\r\n");
    struct nb_error err = NB_ERROR_INIT;

    (void)state;
    server_free(s);
    assert_false(smtp_send(&req, NULL, &err));
    assert_int_equal(err.code, NB_E_UNAVAILABLE);
    assert_string_equal(err.reason, "ConnectionFailed");
}

static void silence_ends_by_time_or_when_told_to_stop(void **state)
{
    static const struct answer silent[] = { { "MAIL", "" }, { NULL, NULL } };
    struct nb_cancel *cancel = nb_cancel_new();
    struct server *s = server_new(silent);
    struct smtp_request req = request(s, "a: b\r\n\r\n");
    struct nb_error err = NB_ERROR_INIT;

    (void)state;
    req.timeout_ms = 200;
    assert_false(smtp_send(&req, NULL, &err));
    assert_int_equal(err.code, NB_E_TIMEOUT);
    server_free(s);

    s = server_new(silent);
    s->cancel = cancel;
    s->cancel_at = "MAIL";
    req = request(s, "a: b\r\n\r\n");
    req.timeout_ms = 600000;
    nb_error_clear(&err);
    assert_false(smtp_send(&req, cancel, &err));
    assert_int_equal(err.code, NB_E_CANCELLED);
    server_free(s);
    nb_cancel_free(cancel);
}

static int group_setup(void **state)
{
    (void)state;
    http_global_init();
    return 0;
}

static int group_teardown(void **state)
{
    (void)state;
    http_global_done();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mail_arrives_with_its_dots),
        cmocka_unit_test(refusals_are_for_good_or_for_now),
        cmocka_unit_test(server_without_starttls_is_refused),
        cmocka_unit_test(what_is_no_mail_is_not_sent),
        cmocka_unit_test(nobody_there_is_unavailable),
        cmocka_unit_test(silence_ends_by_time_or_when_told_to_stop),
    };

    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
