#include "kube/exec.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "kube/auth.h"
#include "tests/unit/cmocka.h"

#define V1 "client.authentication.k8s.io/v1"

/* A plugin of each kind, as a shell script in a directory of its own. */
struct world {
    char dir[32], *config_name;
    struct nb_error err;
};

static int setup(void **state)
{
    struct world *w = NB_NEW(struct world);

    w->err = (struct nb_error)NB_ERROR_INIT;
    snprintf(w->dir, sizeof(w->dir), "/tmp/nb-exec-XXXXXX");
    assert_non_null(mkdtemp(w->dir));
    w->config_name = nb_xasprintf("%s/config", w->dir);
    *state = w;
    return 0;
}

static void remove_file(const struct world *w, const char *name)
{
    nb_auto(nb_free) char *path = nb_xasprintf("%s/%s", w->dir, name);

    (void)unlink(path);
}

static int teardown(void **state)
{
    struct world *w = *state;

    remove_file(w, "plugin");
    remove_file(w, "count");
    remove_file(w, "seen");
    (void)rmdir(w->dir);
    free(w->config_name);
    free(w);
    return 0;
}

static void write_plugin(struct world *w, const char *script)
{
    nb_auto(nb_free) char *path = nb_xasprintf("%s/plugin", w->dir);
    nb_auto(nb_free) char *text = nb_xasprintf("#!/bin/sh\ncd %s\n%s\n", w->dir, script);

    assert_true(nb_file_write_atomic(path, text, strlen(text), 0700, &w->err));
    assert_int_equal(chmod(path, 0700), 0);
}

/* The kubeconfig of a user whose `exec` has `more` beside its command. */
static bool config_of(struct world *w, const char *more, struct kube_config **ret)
{
    nb_auto(nb_free) char *text = nb_xasprintf(
        "current-context: c\n"
        "clusters: [{name: k, cluster: {server: 'https://k:6443', certificate-authority-data: "
        "Q0E=}}]\n"
        "users: [{name: u, user: {exec: {command: ./plugin, %s}}}]\n"
        "contexts: [{name: c, context: {cluster: k, user: u}}]\n",
        more);

    return kube_config_parse(text, strlen(text), w->config_name, NULL, ret, &w->err);
}

static struct kube_auth *auth_of(struct world *w, const char *more)
{
    struct kube_config *c = NULL;
    struct kube_auth *a = NULL;

    if (!config_of(w, more, &c) || !kube_auth_new(c, &a, &w->err))
        fail_msg("%s", w->err.text);
    return a;
}

/* Each run gives another token. The credential expires after so many seconds from now; 0: never. */
static void write_counting_plugin(struct world *w, int seconds)
{
    char until[NB_TIME_TEXT_MAX];
    nb_auto(nb_free) char *member =
        seconds ? nb_xasprintf(",\"expirationTimestamp\":\"%s\"",
                               nb_time_format(nb_clock_unix_seconds() + seconds, until))
                : nb_xstrdup("");
    nb_auto(nb_free) char *script = nb_xasprintf(
        "echo x >> count\n"
        "echo '{\"kind\":\"ExecCredential\",\"apiVersion\":\"" V1 "\",\"status\":{\"token\":"
        "\"token-'$(wc -l < count)'\"%s}}'",
        member);

    write_plugin(w, script);
}

static void token_is(struct kube_auth *a, struct kube_identity *id, const char *want)
{
    bool tls;

    kube_auth_refresh(a, nb_clock_mono_ms(), id, &tls);
    assert_string_equal(nb_secret_str(id->bearer).p, want);
}

static void token_is_kept_until_it_is_refused(void **state)
{
    struct world *w = *state;
    nb_auto(kube_auth_free) struct kube_auth *a = NULL;
    struct kube_identity id = { 0 };

    write_counting_plugin(w, 3600);
    a = auth_of(w, "apiVersion: " V1);
    token_is(a, &id, "Bearer token-1");
    token_is(a, &id, "Bearer token-1");
    assert_true(kube_auth_refused(a, id.token_number, nb_clock_mono_ms()));
    token_is(a, &id, "Bearer token-2");
    /* One that was refused before, by a client that had it from before. */
    assert_true(kube_auth_refused(a, id.token_number - 1, nb_clock_mono_ms()));
    token_is(a, &id, "Bearer token-2");
    kube_identity_done(&id);
}

static void token_is_replaced_before_it_expires(void **state)
{
    struct world *w = *state;
    nb_auto(kube_auth_free) struct kube_auth *a = NULL;
    struct kube_identity id = { 0 };

    write_counting_plugin(w, 30);
    a = auth_of(w, "apiVersion: " V1);
    token_is(a, &id, "Bearer token-2");
    write_plugin(w, "exit 1");
    token_is(a, &id, "Bearer token-2"); /* what cannot be replaced is used as long as it does */
    assert_false(kube_auth_refused(a, id.token_number, nb_clock_mono_ms()));
    kube_identity_done(&id);
}

static void client_certificate_is_taken(void **state)
{
    struct world *w = *state;
    nb_auto(kube_auth_free) struct kube_auth *a = NULL;
    struct kube_identity id = { 0 };
    bool tls;

    write_plugin(w, "echo '{\"kind\":\"ExecCredential\",\"apiVersion\":\"" V1 "\",\"status\":{"
                    "\"clientCertificateData\":\"CERT\",\"clientKeyData\":\"KEY\"}}'");
    a = auth_of(w, "apiVersion: " V1);
    kube_auth_refresh(a, nb_clock_mono_ms(), &id, &tls);
    assert_true(tls);
    assert_null(id.bearer);
    assert_string_equal(id.client_cert_pem, "CERT");
    assert_string_equal(nb_secret_str(id.client_key_pem).p, "KEY");
    assert_string_equal(id.ca_pem, "CA");
    kube_identity_done(&id);
}

static void plugin_gets_arguments_environment_and_cluster(void **state)
{
    struct world *w = *state;
    nb_auto(kube_auth_free) struct kube_auth *a = NULL;
    nb_auto(nb_free) char *path = nb_xasprintf("%s/seen", w->dir);
    nb_auto_done(nb_buf_done) struct nb_buf seen = NB_BUF_INIT(1 << 16);

    write_plugin(w,
                 "printf '%s\\n' \"$#\" \"$1\" \"$2\" \"$NB_TEST_EXEC\" \"$KUBERNETES_EXEC_INFO\" "
                 "> seen\n"
                 "test -z \"$(cat)\" || exit 1\n"
                 "echo '{\"kind\":\"ExecCredential\",\"apiVersion\":\"" V1 "\",\"status\":{"
                 "\"token\":\"tttt\"}}'");
    assert_int_equal(setenv("NB_TEST_EXEC", "ours", 1), 0);
    a = auth_of(w, "apiVersion: " V1 ", args: ['a b', '$(rm x)'], provideClusterInfo: true, "
                   "env: [{name: NB_TEST_EXEC, value: theirs}]");
    assert_true(nb_file_read(path, &seen, &w->err));
    assert_string_equal(nb_buf_cstr(&seen),
                        "2\na b\n$(rm x)\ntheirs\n"
                        "{\"kind\":\"ExecCredential\",\"apiVersion\":\"" V1
                        "\",\"spec\":{\"interactive\":false,\"cluster\":{\"server\":"
                        "\"https://k:6443\",\"certificate-authority-data\":\"Q0E=\"}}}\n");
    (void)unsetenv("NB_TEST_EXEC");
}

static void fails(struct world *w, const char *more, const char *reason, const char *text)
{
    struct kube_config *c = NULL;
    struct kube_auth *a = NULL;

    nb_error_clear(&w->err);
    if (config_of(w, more, &c) && kube_auth_new(c, &a, &w->err))
        fail_msg("it was taken");
    if (!nb_streq(w->err.reason, reason) || !strstr(w->err.text, text))
        fail_msg("%s: %s", w->err.reason, w->err.text);
    nb_error_clear(&w->err);
}

static void plugin_that_fails_is_said(void **state)
{
    struct world *w = *state;

    fails(w, "apiVersion: " V1 ", installHint: 'get it from there'", "NotFound",
          "No such file or directory; hint: get it from there");
    write_plugin(w, "exit 3");
    fails(w, "apiVersion: " V1, "ExecPluginFailed", "it ended with exit code 3");
    write_plugin(w, "kill -9 $$");
    fails(w, "apiVersion: " V1, "ExecPluginFailed", "it ended with signal 9");
    write_plugin(w, "echo s3cr3t-token");
    fails(w, "apiVersion: " V1, "BadExecCredential", "is no JSON");
    assert_null(strstr(w->err.text, "s3cr3t"));
    write_plugin(w, "head -c 70000 /dev/zero");
    fails(w, "apiVersion: " V1, "SizeLimit", "more than the limit of 65536 bytes");
    write_plugin(w, "echo '{\"kind\":\"ExecCredential\",\"apiVersion\":\"" V1 "\"}'");
    fails(w, "apiVersion: " V1, "BadExecCredential", "neither a token nor a client certificate");
    write_plugin(w, "echo '{\"kind\":\"ExecCredential\",\"apiVersion\":\"x/v1\",\"status\":{}}'");
    fails(w, "apiVersion: " V1, "BadExecCredential", "no ExecCredential of " V1);
}

static void what_cannot_be_honoured_is_refused(void **state)
{
    struct world *w = *state;

    fails(w, "args: []", "UnsupportedKubeconfig", "apiVersion '' is not supported");
    fails(w, "apiVersion: client.authentication.k8s.io/v1alpha1", "UnsupportedKubeconfig",
          "v1alpha1' is not supported");
    fails(w, "apiVersion: " V1 ", interactiveMode: Always", "UnsupportedKubeconfig",
          "there is no terminal");
    fails(w, "apiVersion: " V1 ", env: [{name: 'a=b', value: c}]", "InvalidKubeconfig", "'env'");
    fails(w, "apiVersion: " V1 ", args: [1]", "InvalidKubeconfig", "'args'");
}

/* It and what it has started end, and nobody waits for it. */
static void plugin_that_hangs_is_killed(void **state)
{
    struct world *w = *state;
    struct kube_config *c = NULL;
    struct kube_exec_credential got;
    int64_t begin = nb_clock_mono_ms();

    write_plugin(w, "sleep 600 & sleep 600");
    assert_true(config_of(w, "apiVersion: " V1, &c));
    c->exec->timeout_ms = 200;
    assert_false(kube_exec_run(c->exec, &got, &w->err));
    assert_string_equal(w->err.reason, "ExecPluginFailed");
    assert_true(nb_clock_mono_ms() - begin < 60000);
    kube_config_free(c);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(token_is_kept_until_it_is_refused), T(token_is_replaced_before_it_expires),
        T(client_certificate_is_taken),       T(plugin_gets_arguments_environment_and_cluster),
        T(plugin_that_fails_is_said),         T(what_cannot_be_honoured_is_refused),
        T(plugin_that_hangs_is_killed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
