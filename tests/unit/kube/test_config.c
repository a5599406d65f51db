#include "kube/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "kube/auth.h"
#include "tests/unit/cmocka.h"

static const char full[] =
    "apiVersion: v1\n"
    "kind: Config\n"
    "current-context: one\n"
    "clusters:\n"
    "- name: c1\n"
    "  cluster: {server: 'https://10.0.0.1:6443/', certificate-authority-data: Q0E=}\n"
    "- name: c2\n"
    "  cluster: {server: 'https://[::1]:6443', certificate-authority: pki/ca.crt}\n"
    "users:\n"
    "- name: u1\n"
    "  user: {client-certificate-data: Q0VSVA==, client-key-data: S0VZ}\n"
    "- name: u2\n"
    "  user: {tokenFile: /var/token}\n"
    "- name: u3\n"
    "  user: {auth-provider: {name: gcp}}\n"
    "- name: u4\n"
    "  user: {client-certificate-data: Q0VSVA==}\n"
    "contexts:\n"
    "- {name: one, context: {cluster: c1, user: u1, namespace: team}}\n"
    "- {name: two, context: {cluster: c2, user: u2}}\n"
    "- {name: three, context: {cluster: c1, user: u3}}\n"
    "- {name: four, context: {cluster: c1, user: u4}}\n"
    "- {name: five, context: {cluster: none, user: u1}}\n"
    "- {name: six, context: {cluster: c1, user: none}}\n";

static void inline_data_is_decoded(void **state)
{
    nb_auto(kube_config_free) struct kube_config *c = NULL;
    struct nb_error err = NB_ERROR_INIT;

    (void)state;
    assert_true(kube_config_parse(full, sizeof(full) - 1, "/home/x/config", NULL, &c, &err));
    assert_string_equal(c->server, "https://10.0.0.1:6443");
    assert_string_equal(c->default_namespace, "team");
    assert_string_equal(c->ca_pem, "CA");
    assert_null(c->ca_file);
    assert_string_equal(c->client_cert_pem, "CERT");
    assert_string_equal(nb_secret_str(c->client_key_pem).p, "KEY");
}

static void files_are_relative_to_the_config(void **state)
{
    nb_auto(kube_config_free) struct kube_config *c = NULL;
    struct nb_error err = NB_ERROR_INIT;

    (void)state;
    assert_true(kube_config_parse(full, sizeof(full) - 1, "/home/x/config", "two", &c, &err));
    assert_string_equal(c->ca_file, "/home/x/pki/ca.crt");
    assert_string_equal(c->token_file, "/var/token");
    assert_string_equal(c->default_namespace, "default");
}

static void refused(const char *context, const char *part)
{
    struct kube_config *c = NULL;
    struct nb_error err = NB_ERROR_INIT;

    assert_false(kube_config_parse(full, sizeof(full) - 1, "kc", context, &c, &err));
    assert_int_equal(err.code, NB_E_INVALID);
    assert_non_null(strstr(err.text, part));
    assert_null(c);
}

static void what_cannot_be_honoured_is_refused(void **state)
{
    (void)state;
    refused("three", "user 'u3': 'auth-provider' is not supported; hint: ");
    refused("four", "given together");
    refused("five", "no known cluster");
    refused("six", "no known user");
    refused("seven", "no context 'seven'");
}

static char *write_temp(const char *dir, const char *name, const char *text)
{
    char *path = nb_xasprintf("%s/%s", dir, name);
    struct nb_error err = NB_ERROR_INIT;

    assert_true(nb_file_write_atomic(path, text, strlen(text), 0600, &err));
    return path;
}

/* A pod's mount: the token is swapped, then unreadable, then empty. */
static void in_cluster_token_is_read_again(void **state)
{
    char dir[] = "/tmp/nb-kube-XXXXXX";
    nb_auto(kube_auth_free) struct kube_auth *auth = NULL;
    struct kube_identity id = { 0 };
    struct kube_config *config = NULL;
    struct nb_error err = NB_ERROR_INIT;
    bool tls;
    char *token, *ca, *ns;

    (void)state;
    assert_non_null(mkdtemp(dir));
    token = write_temp(dir, "token", "first\n");
    ca = write_temp(dir, "ca.crt", "-----BEGIN CERTIFICATE-----\nA\n");
    ns = write_temp(dir, "namespace", "prod\n");
    assert_true(kube_config_in_cluster("fd00::1", "443", dir, &config, &err));
    assert_string_equal(config->server, "https://[fd00::1]:443");
    assert_true(kube_auth_new(config, &auth, &err));
    assert_string_equal(kube_auth_namespace(auth), "prod");
    kube_auth_refresh(auth, 1000, &id, &tls);
    assert_true(tls);
    assert_string_equal(nb_secret_str(id.bearer).p, "Bearer first");

    free(write_temp(dir, "token", "second"));
    kube_auth_refresh(auth, 2000, &id, &tls);
    assert_false(tls);
    assert_string_equal(nb_secret_str(id.bearer).p, "Bearer first");
    kube_auth_refresh(auth, 62000, &id, &tls);
    assert_string_equal(nb_secret_str(id.bearer).p, "Bearer second");

    free(write_temp(dir, "token", "third")); /* a 401 does not wait for the minute */
    assert_true(kube_auth_refused(auth, id.token_number, 63000));
    kube_auth_refresh(auth, 63000, &id, &tls);
    assert_string_equal(nb_secret_str(id.bearer).p, "Bearer third");
    assert_false(kube_auth_refused(auth, id.token_number, 63000));

    free(write_temp(dir, "token", ""));
    free(write_temp(dir, "ca.crt", "half a fi"));
    kube_auth_refresh(auth, 200000, &id, &tls);
    assert_string_equal(nb_secret_str(id.bearer).p, "Bearer third");
    assert_false(tls);
    unlink(token);
    free(write_temp(dir, "ca.crt", "-----BEGIN CERTIFICATE-----\nB\n"));
    kube_auth_refresh(auth, 300000, &id, &tls);
    assert_string_equal(nb_secret_str(id.bearer).p, "Bearer third");
    assert_true(tls);
    assert_non_null(strstr(id.ca_pem, "B"));

    unlink(ca);
    unlink(ns);
    rmdir(dir);
    free(token);
    free(ca);
    free(ns);
    kube_identity_done(&id);
}

static void outside_a_pod_it_says_so(void **state)
{
    struct kube_config *c = NULL;
    struct nb_error err = NB_ERROR_INIT;

    (void)state;
    assert_false(kube_config_in_cluster("", "", "/nowhere", &c, &err));
    assert_string_equal(err.reason, "NotInCluster");
    nb_error_clear(&err);
    assert_true(kube_config_in_cluster("10.0.0.1", "443", "/nowhere", &c, &err));
    {
        struct kube_auth *auth = NULL;

        assert_false(kube_auth_new(c, &auth, &err));
        assert_non_null(strstr(err.text, "/nowhere/"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(inline_data_is_decoded),
        cmocka_unit_test(files_are_relative_to_the_config),
        cmocka_unit_test(what_cannot_be_honoured_is_refused),
        cmocka_unit_test(in_cluster_token_is_read_again),
        cmocka_unit_test(outside_a_pod_it_says_so),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
