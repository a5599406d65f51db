#include "kube/exec.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/b64.h"
#include "base/clock.h"
#include "base/mem.h"
#include "kube/config_priv.h"

enum { OUTPUT_MAX = 64 << 10, WORDS_MAX = 256, INFO_MAX = 2 << 20, REAP_STEP_MS = 10 };

static void free_words(char **words)
{
    for (size_t i = 0; words && words[i]; i++)
        free(words[i]);
    free(words);
}

void kube_exec_free(struct kube_exec *x)
{
    if (!x)
        return;
    free_words(x->argv);
    free_words(x->env);
    free(x->api_version);
    free(x->info);
    free(x->hint);
    free(x);
}

void kube_exec_credential_done(struct kube_exec_credential *c)
{
    nb_secret_free(c->token);
    free(c->client_cert_pem);
    nb_secret_free(c->client_key_pem);
    *c = (struct kube_exec_credential){ .expires_unix_seconds = INT64_MAX };
}

/* --- the kubeconfig's words ------------------------------------------------------------------- */

static bool read_version(struct kube_exec *x, const struct nb_json *v, struct nb_error *err)
{
    const char *version = kube_config_text(v, "apiVersion");

    if (!nb_streq(version, "client.authentication.k8s.io/v1") &&
        !nb_streq(version, "client.authentication.k8s.io/v1beta1"))
        return nb_fail(err, NB_E_INVALID, "UnsupportedKubeconfig",
                       "exec: apiVersion '%s' is not supported; hint: write "
                       "client.authentication.k8s.io/v1, and update the plugin if it does not "
                       "know that",
                       version ? version : "");
    if (nb_streq(kube_config_text(v, "interactiveMode"), "Always"))
        return nb_fail(err, NB_E_INVALID, "UnsupportedKubeconfig",
                       "exec: interactiveMode 'Always' is not supported: there is no terminal");
    x->api_version = nb_xstrdup(version);
    return true;
}

static bool read_words(struct kube_exec *x, const struct nb_json *v, const char *config_name,
                       struct nb_error *err)
{
    const char *command = kube_config_text(v, "command");
    size_t n = 0;

    if (!command)
        return nb_fail(err, NB_E_INVALID, "InvalidKubeconfig", "exec: has no 'command'");
    x->argv = nb_xcalloc(WORDS_MAX + 2, sizeof(char *));
    x->argv[n++] =
        strchr(command, '/') ? kube_config_path(config_name, command) : nb_xstrdup(command);
    for (const struct nb_json *e = nb_json_first(nb_json_get(v, "args")); e; e = nb_json_next(e)) {
        if (n > WORDS_MAX || !nb_json_str(e, NULL))
            return nb_fail(err, NB_E_INVALID, "InvalidKubeconfig",
                           "exec: 'args' must be at most %d strings", WORDS_MAX);
        x->argv[n++] = nb_xstrdup(nb_json_str(e, ""));
    }
    return true;
}

static bool read_env(struct kube_exec *x, const struct nb_json *v, struct nb_error *err)
{
    size_t n = 0;

    x->env = nb_xcalloc(WORDS_MAX + 1, sizeof(char *));
    for (const struct nb_json *e = nb_json_first(nb_json_get(v, "env")); e; e = nb_json_next(e)) {
        const char *name = kube_config_text(e, "name");

        if (n == WORDS_MAX || !name || strchr(name, '='))
            return nb_fail(err, NB_E_INVALID, "InvalidKubeconfig",
                           "exec: 'env' must be at most %d pairs of name and value", WORDS_MAX);
        x->env[n++] = nb_xasprintf("%s=%s", name, nb_json_str(nb_json_get(e, "value"), ""));
    }
    return true;
}

static bool make_info(struct kube_exec *x, const struct kube_exec_cluster *cluster,
                      struct nb_error *err)
{
    nb_auto_done(nb_buf_done) struct nb_buf b = NB_BUF_INIT(INFO_MAX);
    nb_auto_done(nb_buf_done) struct nb_buf ca = NB_BUF_INIT(INFO_MAX);
    struct nb_jw w = NB_JW_INIT(&b);

    nb_jw_object(&w);
    nb_jw_kv_str(&w, "kind", "ExecCredential");
    nb_jw_kv_str(&w, "apiVersion", x->api_version);
    nb_jw_key(&w, "spec");
    nb_jw_object(&w);
    nb_jw_kv_bool(&w, "interactive", false);
    if (cluster) {
        nb_jw_key(&w, "cluster");
        nb_jw_object(&w);
        nb_jw_kv_str(&w, "server", cluster->server);
        if (cluster->insecure_skip_verify)
            nb_jw_kv_bool(&w, "insecure-skip-tls-verify", true);
        if (cluster->ca_pem) {
            nb_b64_encode(cluster->ca_pem, strlen(cluster->ca_pem), &ca);
            nb_jw_kv_str(&w, "certificate-authority-data", nb_buf_cstr(&ca));
        }
        nb_jw_object_end(&w);
    }
    nb_jw_object_end(&w);
    nb_jw_object_end(&w);
    if (!nb_buf_check(&b, err))
        return false;
    x->info = nb_xasprintf("KUBERNETES_EXEC_INFO=%s", nb_buf_cstr(&b));
    return true;
}

bool kube_exec_read(const struct nb_json *v, const char *config_name,
                    const struct kube_exec_cluster *cluster, struct kube_exec **ret,
                    struct nb_error *err)
{
    nb_auto(kube_exec_free) struct kube_exec *x = NB_NEW(struct kube_exec);
    bool told = nb_json_bool(nb_json_get(v, "provideClusterInfo"), false);

    if (!read_version(x, v, err) || !read_words(x, v, config_name, err) || !read_env(x, v, err) ||
        !make_info(x, told ? cluster : NULL, err))
        return false;
    x->hint = nb_xstrdup_null(kube_config_text(v, "installHint"));
    x->timeout_ms = KUBE_EXEC_TIMEOUT_MS;
    *ret = nb_steal(x);
    return true;
}

/* --- what it has printed ---------------------------------------------------------------------- */

static bool take_status(const struct nb_json *status, struct kube_exec_credential *ret,
                        struct nb_error *err)
{
    const char *token = kube_config_text(status, "token"),
               *cert = kube_config_text(status, "clientCertificateData");
    const char *key = kube_config_text(status, "clientKeyData"),
               *until = kube_config_text(status, "expirationTimestamp");

    if (!token && !cert)
        return nb_fail(err, NB_E_INVALID, "BadExecCredential",
                       "it has neither a token nor a client certificate");
    if (!cert != !key)
        return nb_fail(err, NB_E_INVALID, "BadExecCredential",
                       "clientCertificateData and clientKeyData must be given together");
    if (until && !nb_time_parse(until, &ret->expires_unix_seconds))
        return nb_fail(err, NB_E_INVALID, "BadExecCredential",
                       "expirationTimestamp '%.40s' is no time", until);
    if (token)
        ret->token = nb_secret_new(token, strlen(token));
    if (cert && key) {
        ret->client_cert_pem = nb_xstrdup(cert);
        ret->client_key_pem = nb_secret_new(key, strlen(key));
    }
    return true;
}

bool kube_exec_parse(const char *p, size_t n, const char *api_version,
                     struct kube_exec_credential *ret, struct nb_error *err)
{
    nb_auto(nb_json_free) struct nb_json *doc = NULL;
    const char *version;

    *ret = (struct kube_exec_credential){ .expires_unix_seconds = INT64_MAX };
    if (!nb_json_parse(p, n, OUTPUT_MAX, &doc, err)) {
        /* Its words may be half a token. */
        nb_error_clear(err);
        return nb_fail(err, NB_E_INVALID, "BadExecCredential", "what it printed is no JSON");
    }
    version = kube_config_text(doc, "apiVersion");
    if (!nb_streq(kube_config_text(doc, "kind"), "ExecCredential") ||
        !nb_streq(version, api_version))
        return nb_fail(err, NB_E_INVALID, "BadExecCredential",
                       "what it printed is no ExecCredential of %s", api_version);
    return take_status(nb_json_get(doc, "status"), ret, err);
}

/* --- running it ------------------------------------------------------------------------------- */

/* Ours, then the kubeconfig's: where both have a name, the later counts. */
static char **environment(const struct kube_exec *x)
{
    size_t n = 0, k = 0;
    char **all;

    for (char **e = environ; *e; e++)
        n++;
    all = nb_xcalloc(n + WORDS_MAX + 2, sizeof(char *));
    for (char **e = environ; *e; e++) {
        bool theirs = strncmp(*e, "KUBERNETES_EXEC_INFO=", 21) == 0;

        for (char **t = x->env; *t && !theirs; t++)
            theirs = strncmp(*e, *t, strcspn(*t, "=") + 1) == 0;
        if (!theirs)
            all[k++] = *e;
    }
    for (char **t = x->env; *t; t++)
        all[k++] = *t;
    all[k++] = x->info;
    all[k] = NULL;
    return all;
}

static bool start(const struct kube_exec *x, int out, pid_t *ret, struct nb_error *err)
{
    nb_auto(nb_free) char **env = environment(x);
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attr;
    sigset_t none, all;
    int e;

    sigemptyset(&none);
    sigfillset(&all);
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&files, out, 1);
    posix_spawn_file_actions_addclosefrom_np(&files, 3);
    posix_spawnattr_init(&attr);
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setsigdefault(&attr, &all);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
                                        POSIX_SPAWN_SETPGROUP);
    e = posix_spawnp(ret, x->argv[0], &files, &attr, x->argv, env);
    posix_spawnattr_destroy(&attr);
    posix_spawn_file_actions_destroy(&files);
    return e == 0 || nb_fail_errno(err, e, "start it");
}

/* Up to the end of its output; false in time's end, or where there is too much of it. */
static bool read_output(int fd, int64_t deadline_mono_ms, struct nb_buf *out, struct nb_error *err)
{
    char chunk[4096];
    bool ok = false;

    for (;;) {
        int64_t left = deadline_mono_ms - nb_clock_mono_ms();
        struct pollfd p = { .fd = fd, .events = POLLIN };
        ssize_t n;

        if (left <= 0 || (poll(&p, 1, (int)left) == 0)) {
            nb_fail(err, NB_E_UNAVAILABLE, "ExecPluginFailed", "it did not answer in time");
            break;
        }
        n = read(fd, chunk, sizeof(chunk));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            ok = true;
            break;
        }
        nb_buf_append(out, chunk, (size_t)n);
        if (!nb_buf_check(out, err))
            break;
    }
    nb_wipe(chunk, sizeof(chunk));
    return ok;
}

static bool reap(pid_t pid, int64_t deadline_mono_ms, int *ret_status)
{
    while (waitpid(pid, ret_status, WNOHANG) == 0) {
        if (nb_clock_mono_ms() >= deadline_mono_ms)
            return false;
        poll(NULL, 0, REAP_STEP_MS);
    }
    return true;
}

/* *ret_reaped: its number may be another's by now. */
static bool finish(pid_t pid, int64_t deadline_mono_ms, bool *ret_reaped, struct nb_error *err)
{
    int status = 0;

    *ret_reaped = reap(pid, deadline_mono_ms, &status);
    if (!*ret_reaped)
        return nb_fail(err, NB_E_UNAVAILABLE, "ExecPluginFailed", "it does not end");
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return true;
    return nb_fail(err, NB_E_UNAVAILABLE, "ExecPluginFailed", "it ended with %s %d",
                   WIFEXITED(status) ? "exit code" : "signal",
                   WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
}

static bool collect(const struct kube_exec *x, struct nb_buf *out, struct nb_error *err)
{
    int64_t deadline = nb_clock_mono_ms() + x->timeout_ms;
    int fds[2], status;
    bool ok, reaped = false;
    pid_t pid;

    if (pipe2(fds, O_CLOEXEC) != 0)
        return nb_fail_errno(err, errno, "pipe");
    ok = start(x, fds[1], &pid, err);
    close(fds[1]);
    if (!ok) {
        close(fds[0]);
        return false;
    }
    ok = read_output(fds[0], deadline, out, err) && finish(pid, deadline, &reaped, err);
    if (!reaped) {
        kill(-pid, SIGKILL);
        (void)reap(pid, nb_clock_mono_ms() + 1000, &status);
    }
    close(fds[0]);
    return ok;
}

bool kube_exec_run(const struct kube_exec *x, struct kube_exec_credential *ret,
                   struct nb_error *err)
{
    nb_auto_done(nb_secret_buf_done) struct nb_buf out;

    *ret = (struct kube_exec_credential){ .expires_unix_seconds = INT64_MAX };
    nb_secret_buf_init(&out, OUTPUT_MAX);
    if (collect(x, &out, err) &&
        kube_exec_parse(nb_buf_cstr(&out), out.len, x->api_version, ret, err))
        return true;
    kube_exec_credential_done(ret);
    if (x->hint)
        nb_hint(err, "%s", x->hint);
    return nb_wrap(err, "the credential plugin '%s'", x->argv[0]);
}
