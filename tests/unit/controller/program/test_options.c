#include "controller/options.h"

#include <string.h>

#include "base/mem.h"
#include "tests/unit/cmocka.h"

static const char *const *vars; /* name, value, ..., NULL */

static const char *env(const char *name)
{
    for (size_t i = 0; vars && vars[i]; i += 2)
        if (strcmp(vars[i], name) == 0)
            return vars[i + 1];
    return NULL;
}

static char *words[] = { NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL };

static bool parse(struct ctl_options *o, struct nb_error *err, int n, const char *const *args)
{
    bool ok;

    words[0] = nb_xstrdup("controller");
    for (int i = 0; i < n; i++)
        words[i + 1] = nb_xstrdup(args[i]);
    ok = ctl_options_parse(n + 1, words, env, o, err);
    for (int i = 0; i <= n; i++)
        free(words[i]);
    return ok;
}
#define PARSE(o, err, ...)                                                                         \
    parse(o, err, (int)NB_ARRAY_LEN(((const char *const[]){ __VA_ARGS__ })),                       \
          (const char *const[]){ __VA_ARGS__ })

static void defaults_are_right_for_a_pod(void **state)
{
    nb_auto_done(ctl_options_done) struct ctl_options o = { 0 };
    struct nb_error err = NB_ERROR_INIT;

    (void)state;
    vars = (const char *const[]){
        "POD_NAMESPACE", "sys", "KUBERNETES_SERVICE_HOST", "10.0.0.1", "KUBERNETES_SERVICE_PORT",
        "443",           NULL
    };
    assert_true(PARSE(&o, &err, "--worker-image=w:1"));
    assert_string_equal(o.worker_image, "w:1");
    assert_string_equal(o.ns, "");
    assert_true(o.leader_elect);
    assert_string_equal(o.lease_ns, "sys");
    assert_string_equal(o.lease_name, "neo4j-backup-controller");
    assert_string_equal(o.metrics_addr, ":8080");
    assert_int_equal(o.workers, 2);
    assert_int_equal(o.log_level, NB_LOG_INFO);
    assert_string_equal(o.service_host, "10.0.0.1");
    vars = NULL;
}

static void flag_wins_over_environment(void **state)
{
    nb_auto_done(ctl_options_done) struct ctl_options o = { 0 };
    struct nb_error err = NB_ERROR_INIT;

    (void)state;
    vars = (const char *const[]){ "WORKER_IMAGE",
                                  "env:1",
                                  "WATCH_NAMESPACE",
                                  "env",
                                  "LEADER_ELECT",
                                  "true",
                                  "WORKERS",
                                  "7",
                                  NULL };
    assert_true(
        PARSE(&o, &err, "--namespace", "flag", "--leader-elect=false", "--log-level=debug"));
    assert_string_equal(o.worker_image, "env:1");
    assert_string_equal(o.ns, "flag");
    assert_false(o.leader_elect);
    assert_int_equal(o.workers, 7);
    assert_int_equal(o.log_level, NB_LOG_DEBUG);
    vars = NULL;
}

static void refused(const char *arg, const char *part)
{
    nb_auto_done(ctl_options_done) struct ctl_options o = { 0 };
    struct nb_error err = NB_ERROR_INIT;

    assert_false(PARSE(&o, &err, "--worker-image=w", arg));
    assert_int_equal(err.code, NB_E_INVALID);
    if (!strstr(err.text, part))
        fail_msg("'%s' lacks '%s'", err.text, part);
}

static void what_is_wrong_is_named(void **state)
{
    nb_auto_done(ctl_options_done) struct ctl_options o = { 0 };
    nb_auto_done(ctl_options_done) struct ctl_options p = { 0 };
    struct nb_error err = NB_ERROR_INIT;

    (void)state;
    refused("--nonsense", "unknown argument '--nonsense'; hint: --help");
    refused("word", "unknown argument 'word'");
    refused("--workers=0", "'--workers' is '0', not a number from 1 to 32");
    refused("--workers", "needs a value");
    refused("--leader-elect=maybe", "neither true nor false");
    refused("--log-level=loud", "'--log-level' is 'loud'");
    refused("--image-pull-policy=Sometimes", "none of Always");
    refused("--image-pull-secrets={}", "not a JSON list");
    assert_false(PARSE(&o, &err, "--namespace=x"));
    assert_string_equal(err.text, "'--worker-image' is missing");
    vars = (const char *const[]){ "WORKERS", "many", NULL };
    nb_error_clear(&err);
    assert_false(PARSE(&p, &err, "--worker-image=w"));
    assert_non_null(strstr(err.text, "environment 'WORKERS'"));
    vars = NULL;
}

static void help_needs_nothing_else(void **state)
{
    nb_auto_done(ctl_options_done) struct ctl_options o = { 0 };
    nb_auto_done(nb_buf_done) struct nb_buf text = NB_BUF_INIT(65536);
    struct nb_error err = NB_ERROR_INIT;

    (void)state;
    assert_true(PARSE(&o, &err, "--help"));
    assert_true(o.help);
    ctl_options_usage(&text);
    assert_non_null(strstr(nb_buf_cstr(&text), "--worker-image"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_right_for_a_pod),
        cmocka_unit_test(flag_wins_over_environment),
        cmocka_unit_test(what_is_wrong_is_named),
        cmocka_unit_test(help_needs_nothing_else),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
