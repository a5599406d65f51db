#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

/* src/main is no part of the library. */
#include "main/connect.c"
#include "main/encryption.c"
#include "main/options.c"
#include "main/options_table.c"
#include "main/secret_dir.c"
#include "main/waiting.c"

/* The text of the error; NULL: none, and *ret_user is who it is. */
static const char *load(const char *const *envp, char *ret_user, size_t size)
{
    static struct nb_error err;
    nb_auto_done(neo4j_settings_done) struct neo4j_settings s = { .user = NULL };
    nb_auto(options_free) struct options *o = NULL;
    bool help;

    nb_error_clear(&err);
    assert_true(options_load(CMD_BACKUP, "backup", 0, NULL, (char *const *)(uintptr_t)envp, &o,
                             &help, &err));
    if (!neo4j_settings_load(o, NULL, &s, &err))
        return err.text;
    snprintf(ret_user, size, "%s/%s", s.user ? s.user : "",
             s.secret ? nb_secret_str(s.secret).p : "");
    return NULL;
}

static void credentials_that_say_the_same_are_taken(void **state)
{
    static const struct {
        const char *env[4], *want;
    } rows[] = {
        { { "NEO4J_PASSWORD=p" }, "neo4j/p" },
        { { "NEO4J_AUTH=bob/p/q" }, "bob/p/q" },
        { { "NEO4J_AUTH=none" }, "/" },
        { { "NEO4J_AUTH=bob/p", "NEO4J_PASSWORD=p" }, "bob/p" },
        { { "NEO4J_AUTH=bob/p", "NEO4J_PASSWORD=p", "NEO4J_USER=bob" }, "bob/p" },
        { { "NEO4J_BEARER_TOKEN=t" }, "/t" },
    };
    char user[64];

    (void)state;
    for (size_t i = 0; i < NB_ARRAY_LEN(rows); i++) {
        const char *text = load(rows[i].env, user, sizeof(user));

        if (text)
            fail_msg("row %zu: %s", i, text);
        assert_string_equal(user, rows[i].want);
    }
}

static void credentials_that_differ_are_refused_without_showing_them(void **state)
{
    static const struct {
        const char *env[4], *fields[2];
    } rows[] = {
        { { "NEO4J_AUTH=neo4j/hush1", "NEO4J_PASSWORD=hush2" },
          { "NEO4J_AUTH", "NEO4J_PASSWORD" } },
        { { "NEO4J_AUTH=none", "NEO4J_PASSWORD=hush2" }, { "NEO4J_AUTH", "NEO4J_PASSWORD" } },
        { { "NEO4J_AUTH=neo4j/hush1", "NEO4J_USER=bob" }, { "NEO4J_AUTH", "NEO4J_USER" } },
        { { "NEO4J_AUTH=bo/hush1", "NEO4J_USERNAME=bob" }, { "NEO4J_AUTH", "NEO4J_USERNAME" } },
        { { "NEO4J_BEARER_TOKEN=hush1", "NEO4J_PASSWORD=hush2" },
          { "NEO4J_BEARER_TOKEN", "NEO4J_PASSWORD" } },
        { { "NEO4J_BEARER_TOKEN=hush1", "NEO4J_AUTH=neo4j/hush2" },
          { "NEO4J_BEARER_TOKEN", "NEO4J_AUTH" } },
    };
    char user[64];

    (void)state;
    for (size_t i = 0; i < NB_ARRAY_LEN(rows); i++) {
        const char *text = load(rows[i].env, user, sizeof(user));

        if (!text)
            fail_msg("row %zu: taken as %s", i, user);
        assert_non_null(strstr(text, rows[i].fields[0]));
        assert_non_null(strstr(text, rows[i].fields[1]));
        assert_non_null(strstr(text, "; hint: "));
        assert_null(strstr(text, "hush"));
    }
}

/* Why it ends where a Secret is missing and nobody may wait any longer. */
static const char *without_secret(unsigned command, const char *name)
{
    static const char *const envp[] = { "NEO4J_AUTH_DIR=/nonexistent", NULL };
    static struct nb_error err;
    nb_auto_done(neo4j_settings_done) struct neo4j_settings s = { .user = NULL };
    nb_auto(options_free) struct options *o = NULL;
    nb_auto(nb_cancel_free) struct nb_cancel *cancel = nb_cancel_new();
    bool help;

    nb_error_clear(&err);
    nb_cancel_set(cancel);
    assert_true(
        options_load(command, name, 0, NULL, (char *const *)(uintptr_t)envp, &o, &help, &err));
    assert_false(neo4j_settings_load(o, cancel, &s, &err));
    return err.reason;
}

static void missing_secret_is_waited_for_but_not_by_check(void **state)
{
    (void)state;
    assert_string_equal(without_secret(CMD_BACKUP, "backup"), "Cancelled");
    assert_string_equal(without_secret(CMD_CHECK, "check"), "SecretNotFound");
}

static void wrong_bucket_setting_is_named(void **state)
{
    char owner[300] = "BACKUP_OWNER=";
    const char *const rows[][2] = {
        { owner, "BACKUP_OWNER is longer than 255 bytes" },
        { "R2_ENDPOINT=nonsense", "'R2_ENDPOINT' is not a valid URL" },
        { "R2_ENDPOINT=ftp://host", "R2_ENDPOINT must be 'https://HOST[:PORT]'" },
        { "BACKUP_OWNER=ns/a", NULL },
    };

    (void)state;
    memset(owner + strlen(owner), 'x', 256);
    for (size_t i = 0; i < NB_ARRAY_LEN(rows); i++) {
        const char *const envp[] = { rows[i][0],
                                     "R2_ACCOUNT_ID=0123456789abcdef0123456789abcdef",
                                     "R2_BUCKET_NAME=bbb",
                                     "R2_ACCESS_KEY_ID=a",
                                     "R2_SECRET_ACCESS_KEY=b",
                                     NULL };
        nb_auto(options_free) struct options *o = NULL;
        nb_auto_done(bucket_close) struct bucket b = { NULL, NULL };
        struct bucket_hooks hooks = { NULL, NULL, false };
        struct nb_error err = NB_ERROR_INIT;
        bool help, ok;

        assert_true(options_load(CMD_LIST, "list", 0, NULL, (char *const *)(uintptr_t)envp, &o,
                                 &help, &err));
        ok = bucket_open(o, &hooks, NULL, &b, &err);
        assert_int_equal(ok, rows[i][1] == NULL);
        if (!ok && !strstr(err.text, rows[i][1]))
            fail_msg("%s", err.text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(credentials_that_say_the_same_are_taken),
        cmocka_unit_test(credentials_that_differ_are_refused_without_showing_them),
        cmocka_unit_test(missing_secret_is_waited_for_but_not_by_check),
        cmocka_unit_test(wrong_bucket_setting_is_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
