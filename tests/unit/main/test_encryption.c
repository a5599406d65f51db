#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* src/main is no part of the library. */
#include "main/encryption.c"
#include "main/options.c"
#include "main/options_table.c"
#include "main/secret_dir.c"
#include "main/waiting.c"

/* What is said about encryption in the environment, and what is refused. */

#define RECIPIENT "age1xmwwc06ly3ee5rytxm9mflaz2u56jjj36s0mypdrwsvlul66mv4q47ryef"
#define IDENTITY  "AGE-SECRET-KEY-1EGTZVFFV20835NWYV6270LXYVK2VKNX2MMDKWYKLMGR48UAWX40Q2P2LM0"

enum { ENV_MAX = 4 };

static struct options *load(enum command_bit command, const char *const *env)
{
    char *copies[ENV_MAX + 1] = { NULL };
    struct nb_error err = NB_ERROR_INIT;
    struct options *o = NULL;
    bool help;

    for (size_t i = 0; env[i]; i++)
        copies[i] = nb_xstrdup(env[i]);
    if (!options_load(command, "x", 0, NULL, copies, &o, &help, &err))
        fail_msg("%s", err.text);
    for (size_t i = 0; copies[i]; i++)
        free(copies[i]);
    return o;
}

static void recipients_or_a_passphrase_are_taken(void **state)
{
    static const struct {
        const char *env[ENV_MAX];
        bool ok, on;
        size_t n;
        const char *said;
    } cases[] = {
        { { NULL }, true, false, 0, NULL },
        { { "BACKUP_AGE_RECIPIENTS=" RECIPIENT }, true, true, 1, NULL },
        { { "BACKUP_AGE_RECIPIENTS=" RECIPIENT ", " RECIPIENT }, true, true, 1, NULL },
        { { "BACKUP_AGE_RECIPIENTS=age1x" }, false, false, 0, "BACKUP_AGE_RECIPIENTS: 'age1x'" },
        { { "BACKUP_AGE_RECIPIENTS=" IDENTITY }, false, false, 0, "private key" },
        { { "BACKUP_AGE_PASSPHRASE=abc" }, true, true, 0, NULL },
        { { "BACKUP_AGE_PASSPHRASE=abc", "BACKUP_AGE_RECIPIENTS=" RECIPIENT },
          false,
          false,
          0,
          "both" },
    };

    (void)state;
    for (size_t i = 0; i < NB_ARRAY_LEN(cases); i++) {
        nb_auto(options_free) struct options *o = load(CMD_BACKUP, cases[i].env);
        nb_auto_done(encryption_done) struct encryption e = { .on = false };
        struct nb_error err = NB_ERROR_INIT;

        assert_int_equal(encryption_load(o, &e, &err), cases[i].ok);
        assert_int_equal(e.on, cases[i].on);
        assert_int_equal(e.writer.recipients_n, cases[i].n);
        if (cases[i].ok)
            continue;
        assert_string_equal(err.reason, "InvalidConfiguration");
        assert_non_null(strstr(err.text, cases[i].said));
        assert_null(strstr(err.text, "EGTZ"));
    }
}

/* How many keys there are; 0: it failed. */
static size_t keys_in(const char *file, const char *content, const char *secret,
                      struct nb_error *err)
{
    nb_auto(nb_free) char *path = nb_xasprintf("BACKUP_AGE_IDENTITY_FILE=%s", file);
    nb_auto(nb_free) char *name = nb_xasprintf("BACKUP_AGE_IDENTITY_SECRET=%s", secret);
    const char *env[] = { path, name, NULL };
    nb_auto(options_free) struct options *o = load(CMD_RESTORE, env);
    nb_auto(age_keys_free) struct age_keys *keys = NULL;

    if (content)
        assert_true(nb_file_write_atomic(file, content, strlen(content), 0600, err));
    return identities_load(o, NULL, &keys, err) ? age_keys_count(keys) : 0;
}

static void identities_come_from_a_file(void **state)
{
    static const char *const none[] = { NULL };
    nb_auto(options_free) struct options *o = load(CMD_RESTORE, none);
    char dir[] = "/tmp/nb-identity-XXXXXX";
    nb_auto(nb_free) char *path = NULL;
    nb_auto(age_keys_free) struct age_keys *keys = NULL;
    struct nb_error err = NB_ERROR_INIT;

    (void)state;
    assert_true(identities_load(o, NULL, &keys, &err));
    assert_null(keys);
    assert_non_null(mkdtemp(dir));
    path = nb_xasprintf("%s/identity", dir);
    assert_int_equal(keys_in(path, NULL, "", &err), 0);
    assert_string_equal(err.reason, "InvalidConfiguration");
    assert_non_null(strstr(err.text, "BACKUP_AGE_IDENTITY_FILE"));
    nb_error_clear(&err);
    assert_int_equal(keys_in(path, "# mine\n" IDENTITY "\n", "", &err), 1);
    assert_int_equal(keys_in(path, "# mine\n" IDENTITY "\n", "my-age", &err), 1);
    assert_int_equal(keys_in(path, RECIPIENT "\n", "", &err), 0);
    assert_string_equal(err.reason, "InvalidConfiguration");
    assert_non_null(strstr(err.text, "line 1"));
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(dir), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(recipients_or_a_passphrase_are_taken),
        cmocka_unit_test(identities_come_from_a_file),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
