#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/cmocka.h"

/* src/main is no part of the library. */
#include "main/options.c"
#include "main/options_table.c"
#include "main/state_dir.c"

static char dir[64], setting[96];

static struct options *load(const char *extra)
{
    const char *envp[] = { setting, extra, NULL };
    struct nb_error err = NB_ERROR_INIT;
    struct options *o = NULL;
    bool help;

    assert_true(options_load(CMD_BACKUP_ALONE, "backup", 0, NULL, (char *const *)(uintptr_t)envp,
                             &o, &help, &err));
    return o;
}

static int set_up(void **state)
{
    (void)state;
    snprintf(dir, sizeof(dir), "/tmp/nb-state-XXXXXX");
    assert_non_null(mkdtemp(dir));
    snprintf(setting, sizeof(setting), "BACKUP_STATE_DIR=%s", dir);
    return 0;
}

static int tear_down(void **state)
{
    char path[96];

    (void)state;
    snprintf(path, sizeof(path), "%s/%s", dir, STATE_RUN_LOCK);
    unlink(path);
    rmdir(dir);
    return 0;
}

static void lock_is_had_by_one_who_is_named_to_others(void **state)
{
    struct options *o = load(NULL);
    struct nb_error err = NB_ERROR_INIT;
    int first = -1, second = -1;

    (void)state;
    assert_false(state_lock_is_held(o, STATE_RUN_LOCK));
    assert_true(state_lock_run(o, &first, &err));
    assert_true(first >= 0);
    assert_true(state_lock_is_held(o, STATE_RUN_LOCK));
    assert_false(state_lock_run(o, &second, &err));
    assert_int_equal(err.code, NB_E_CONFLICT);
    assert_string_equal(err.reason, "AlreadyRunning");
    assert_non_null(strstr(err.text, "another backup runs already (process "));
    assert_int_equal(second, -1);
    close(first);
    assert_false(state_lock_is_held(o, STATE_RUN_LOCK));
    nb_error_clear(&err);
    assert_true(state_lock_run(o, &second, &err));
    close(second);
    options_free(o);
}

static void directory_is_made_and_a_fault_says_what_to_set(void **state)
{
    struct nb_error err = NB_ERROR_INIT;
    struct options *o;
    struct stat st;

    (void)state;
    assert_int_equal(rmdir(dir), 0);
    o = load(NULL);
    assert_true(state_dir_make(o, &err));
    assert_int_equal(stat(dir, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    options_free(o);
    snprintf(setting, sizeof(setting), "BACKUP_STATE_DIR=%s/a/b", dir);
    o = load(NULL);
    assert_false(state_dir_make(o, &err));
    assert_non_null(strstr(err.text, "hint: set BACKUP_STATE_DIR"));
    options_free(o);
}

static void child_gets_what_came_by_flags_and_not_what_is_taken_away(void **state)
{
    static const char *const argv[] = { "--prefix=p", "--run-immediate-backup" };
    static const char *const envp[] = { "PATH=/bin",
                                        "BACKUP_PREFIX_FILE=/nowhere",
                                        "BACKUP_RUN_ID=x",
                                        "BACKUP_TRIGGER=Manual",
                                        "NEO4J_PASSWORD=s3c",
                                        "BACKUP_SCHEDULE=@daily",
                                        NULL };
    static const char *const changes[] = { "BACKUP_TRIGGER=Schedule", "BACKUP_RUN_ID" };
    struct nb_error err = NB_ERROR_INIT;
    struct options *o = NULL;
    char **env;
    bool help;

    (void)state;
    assert_true(options_load(CMD_SCHEDULE, "schedule", 2, (char *const *)(uintptr_t)argv,
                             (char *const *)(uintptr_t)envp, &o, &help, &err));
    assert_true(options_have_flags(o));
    env = options_env_new(o, (char *const *)(uintptr_t)envp, changes, 2);
    assert_string_equal(env[0], "PATH=/bin");
    assert_string_equal(env[1], "NEO4J_PASSWORD=s3c");
    assert_string_equal(env[2], "BACKUP_SCHEDULE=@daily");
    assert_string_equal(env[3], "BACKUP_TRIGGER=Schedule");
    assert_string_equal(env[4], "BACKUP_PREFIX=p");
    assert_string_equal(env[5], "RUN_IMMEDIATE_BACKUP=true");
    assert_null(env[6]);
    options_env_free(env);
    options_free(o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(lock_is_had_by_one_who_is_named_to_others, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(directory_is_made_and_a_fault_says_what_to_set, set_up,
                                        tear_down),
        cmocka_unit_test(child_gets_what_came_by_flags_and_not_what_is_taken_away),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
