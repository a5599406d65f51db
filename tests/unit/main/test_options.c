#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

/* src/main is no part of the library. */
#include "main/options.c"
#include "main/options_table.c"

static struct options *load_ok(enum command_bit bit, int argc, const char *const *argv,
                               const char *const *envp)
{
    struct nb_error err = NB_ERROR_INIT;
    struct options *o = NULL;
    bool help = false;
    bool ok = options_load(bit, "backup", argc, (char *const *)(uintptr_t)argv,
                           (char *const *)(uintptr_t)envp, &o, &help, &err);

    if (!ok)
        print_error("%s\n", err.text);
    assert_true(ok);
    assert_false(help);
    return o;
}

static void load_fails(int argc, const char *const *argv, const char *const *envp, const char *part)
{
    struct nb_error err = NB_ERROR_INIT;
    struct options *o = NULL;
    bool help;

    assert_false(options_load(CMD_BACKUP, "backup", argc, (char *const *)(uintptr_t)argv,
                              (char *const *)(uintptr_t)envp, &o, &help, &err));
    assert_int_equal(err.code, NB_E_INVALID);
    assert_string_equal(err.reason, "InvalidConfiguration");
    if (!strstr(err.text, part))
        print_error("'%s' is not in: %s\n", part, err.text);
    assert_non_null(strstr(err.text, part));
}

static const char *const no_env[] = { NULL };

static void table_rows_are_whole_and_names_are_unique(void **state)
{
    (void)state;
    for (size_t i = 0; i < OPT_COUNT; i++) {
        const struct option_def *def = &option_defs[i];

        assert_int_equal(def->id, i);
        assert_true(def->env || def->flag);
        assert_non_null(def->help);
        assert_true(def->commands != 0);
        assert_true(def->kind != OPTION_SECRET || !def->flag);
        assert_true((def->kind == OPTION_CHOICE) == (def->values != NULL));
        assert_true((def->kind == OPTION_INT) == (def->max > def->min));
        for (size_t k = 0; k < i; k++) {
            assert_false(def->env && nb_streq(def->env, option_defs[k].env));
            /* Two may share a flag where no command takes both. */
            assert_false(def->flag && nb_streq(def->flag, option_defs[k].flag) &&
                         (def->commands & option_defs[k].commands));
        }
    }
}

static void defaults_hold_where_nothing_is_given(void **state)
{
    struct options *o = load_ok(CMD_BACKUP, 0, NULL, no_env);

    (void)state;
    assert_string_equal(opt_text(o, OPT_BACKUP_PREFIX), "neo4j-backup");
    assert_int_equal(opt_int(o, OPT_BACKUP_RETENTION_DAYS, -1), 7);
    assert_int_equal(opt_int(o, OPT_BACKUP_KEEP_LAST, -1), -1);
    assert_false(opt_given(o, OPT_BACKUP_PREFIX));
    assert_null(opt_text(o, OPT_R2_BUCKET_NAME));
    assert_null(opt_secret(o, OPT_NEO4J_PASSWORD));
    options_free(o);
}

static void flag_beats_environment(void **state)
{
    static const char *const argv[] = { "--prefix=a", "--bucket", "b", "key" };
    static const char *const envp[] = { "BACKUP_PREFIX=x", "R2_BUCKET_NAME=y", "R2_REGION=z",
                                        "R2_ENDPOINT=", NULL };
    struct options *o = load_ok(CMD_BACKUP, 4, argv, envp);
    size_t n;

    (void)state;
    assert_string_equal(opt_text(o, OPT_BACKUP_PREFIX), "a");
    assert_string_equal(opt_origin(o, OPT_BACKUP_PREFIX), "--prefix");
    assert_string_equal(opt_text(o, OPT_R2_BUCKET_NAME), "b");
    assert_string_equal(opt_text(o, OPT_R2_REGION), "z");
    assert_null(opt_text(o, OPT_R2_ENDPOINT)); /* empty counts as absent */
    assert_string_equal(options_args(o, &n)[0], "key");
    assert_int_equal(n, 1);
    options_free(o);
}

static void secret_comes_from_file_without_new_line(void **state)
{
    char path[] = "/tmp/nb-options-XXXXXX", env[64];
    const char *envp[] = { env, NULL };
    int fd = mkstemp(path);
    struct options *o;

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "s3cret\n", 7), 7);
    close(fd);
    snprintf(env, sizeof(env), "NEO4J_PASSWORD_FILE=%s", path);
    o = load_ok(CMD_BACKUP, 0, NULL, envp);
    assert_true(nb_str_is(nb_secret_str(opt_secret(o, OPT_NEO4J_PASSWORD)), "s3cret"));
    options_free(o);
    unlink(path);
}

/* Whoever may name a file must not get to see what is in it. */
static void content_of_a_file_is_never_shown(void **state)
{
    char path[] = "/tmp/nb-options-XXXXXX", env[64];
    const char *envp[] = { env, NULL };
    int fd = mkstemp(path);
    struct nb_error err = NB_ERROR_INIT;
    struct options *o = NULL;
    bool help;

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "s3cret\n", 7), 7);
    close(fd);
    snprintf(env, sizeof(env), "BACKUP_ENGINE_FILE=%s", path);
    assert_false(options_load(CMD_BACKUP, "backup", 0, NULL, (char *const *)(uintptr_t)envp, &o,
                              &help, &err));
    assert_null(strstr(err.text, "s3cret"));
    assert_non_null(strstr(err.text, "BACKUP_ENGINE_FILE"));
    unlink(path);
}

/* Nor by those who look at a value later, whole or in part, and quote it. */
static void content_of_a_file_is_hidden_in_errors(void **state)
{
    static const struct {
        const char *said, *shown;
    } cases[] = {
        { "NEO4J_URI is 's3cret:word', no URI", "NEO4J_URI is '(the content of a file)', no URI" },
        { "port 'word' of 's3cret:word' is no number",
          "port '(the content of a file)' of '(the content of a file)' is no number" },
        { "it isn't 's3cret'", "it isn't '(the content of a file)'" },
        { "bucket 'other' is not there; hint: see 'x",
          "bucket 'other' is not there; hint: see 'x" },
        { "nothing", "nothing" },
    };
    char path[] = "/tmp/nb-options-XXXXXX", env[64];
    const char *envp[] = { env, "R2_BUCKET_NAME=other", NULL };
    int fd = mkstemp(path);
    struct options *o;

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "s3cret:word\n", 12), 12);
    close(fd);
    snprintf(env, sizeof(env), "NEO4J_URI_FILE=%s", path);
    o = load_ok(CMD_BACKUP, 0, NULL, envp);
    for (size_t i = 0; i < NB_ARRAY_LEN(cases); i++) {
        struct nb_error err = NB_ERROR_INIT;

        nb_fail(&err, NB_E_INVALID, "InvalidConfiguration", "%s", cases[i].said);
        options_hide(o, &err);
        assert_string_equal(err.text, cases[i].shown);
    }
    options_free(o);
    unlink(path);
}

static void yaml_is_the_last_and_lists_join(void **state)
{
    static const char text[] = "backup_prefix: from-file\nr2_region: from-file\n"
                               "neo4j_databases: [a, b]\nbackup_retention_days: 9\n"
                               "r2_force_path_style: true\n";
    char path[] = "/tmp/nb-options-XXXXXX", flag[64];
    const char *argv[] = { flag };
    static const char *const envp[] = { "R2_REGION=from-env", NULL };
    int fd = mkstemp(path);
    struct options *o;

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, sizeof(text) - 1), sizeof(text) - 1);
    close(fd);
    snprintf(flag, sizeof(flag), "--config=%s", path);
    o = load_ok(CMD_BACKUP, 1, argv, envp);
    assert_string_equal(opt_text(o, OPT_BACKUP_PREFIX), "from-file");
    assert_string_equal(opt_text(o, OPT_R2_REGION), "from-env");
    assert_int_equal(opt_list_count(o, OPT_NEO4J_DATABASES), 2);
    assert_string_equal(opt_list_get(o, OPT_NEO4J_DATABASES, 1), "b");
    assert_int_equal(opt_int(o, OPT_BACKUP_RETENTION_DAYS, 0), 9);
    assert_true(opt_bool(o, OPT_R2_FORCE_PATH_STYLE));
    options_free(o);
    unlink(path);
}

static void bad_input_names_field_fault_and_mend(void **state)
{
    static const struct {
        const char *arg, *env, *part;
    } cases[] = {
        { "--nope", NULL, "unknown flag '--nope'; hint:" },
        { "-x", NULL, "unknown flag '-x'" },
        { "--password=x", NULL, "hint: set NEO4J_PASSWORD or NEO4J_PASSWORD_FILE" },
        { "--dry-run", NULL, "flag '--dry-run' does not belong to 'backup'" },
        { "--prefix", NULL, "flag '--prefix' needs a value" },
        { "--prefix=", NULL, "has an empty value" },
        { "--level=10", NULL, "--level is '10', not one of 1|2" },
        { "--consistency=Perfect", NULL, "not one of Closed|Quiescent|BestEffort" },
        { "--databases=a,,b", NULL, "has an empty name in its list" },
        { "--scheduled-time=yesterday", NULL, "hint: write it like 2025-10-08T02:00:00Z" },
        { "--include-system=perhaps", NULL, "hint: write true or false" },
        { "--ca-file=/nowhere/ca.pem", NULL, "--ca-file: " },
        { "--config=/nowhere/c.yaml", NULL, "--config: " },
        { NULL, "BACKUP_RETENTION_DAYS=-1", "BACKUP_RETENTION_DAYS is '-1', not a whole number" },
        { NULL, "NEO4J_PASSWORD_FILE=/nowhere/x", "NEO4J_PASSWORD_FILE: " },
        { NULL, "BACKUP_MAX_BYTES_PER_SECOND=1", "at least 1024" },
    };

    (void)state;
    for (size_t i = 0; i < NB_ARRAY_LEN(cases); i++) {
        const char *argv[] = { cases[i].arg }, *envp[] = { cases[i].env, NULL };

        load_fails(cases[i].arg ? 1 : 0, argv, envp, cases[i].part);
    }
}

static void twice_given_is_refused(void **state)
{
    static const char *const argv[] = { "--prefix=a", "--prefix=b" };
    static const char *const envp[] = { "NEO4J_PASSWORD=a", "NEO4J_PASSWORD_FILE=b", NULL };

    (void)state;
    load_fails(2, argv, no_env, "flag '--prefix' is given twice");
    load_fails(0, NULL, envp, "NEO4J_PASSWORD and NEO4J_PASSWORD_FILE are both set");
}

static void choice_is_given_as_the_table_writes_it(void **state)
{
    static const char *const envp[] = { "BACKUP_CONSISTENCY=quiescent", NULL };
    struct options *o = load_ok(CMD_BACKUP, 0, NULL, envp);

    (void)state;
    assert_string_equal(opt_text(o, OPT_BACKUP_CONSISTENCY), "Quiescent");
    options_free(o);
}

static void other_commands_values_are_not_looked_at(void **state)
{
    static const char *const envp[] = { "BACKUP_COMPRESSION_LEVEL=99", NULL };

    (void)state;
    options_free(load_ok(CMD_LIST, 0, NULL, envp));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table_rows_are_whole_and_names_are_unique),
        cmocka_unit_test(defaults_hold_where_nothing_is_given),
        cmocka_unit_test(flag_beats_environment),
        cmocka_unit_test(secret_comes_from_file_without_new_line),
        cmocka_unit_test(content_of_a_file_is_never_shown),
        cmocka_unit_test(content_of_a_file_is_hidden_in_errors),
        cmocka_unit_test(yaml_is_the_last_and_lists_join),
        cmocka_unit_test(bad_input_names_field_fault_and_mend),
        cmocka_unit_test(twice_given_is_refused),
        cmocka_unit_test(choice_is_given_as_the_table_writes_it),
        cmocka_unit_test(other_commands_values_are_not_looked_at),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
