#include "kube/auth.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/thread.h"

enum {
    REREAD_MS = 60000,
    PEM_MAX = 1 << 20,
    TOKEN_MAX = 64 << 10,
    EXEC_EARLY_SECONDS = 60,
    EXEC_RETRY_MS = 10000, /* after it failed */
};

struct kube_auth {
    struct kube_config *config; /* its *_pem and token members hold the current values */
    pthread_mutex_t lock;
    uint64_t token_number, tls_number;
    int64_t read_at_mono_ms;
    pthread_cond_t plugin_ended;
    bool plugin_runs; /* by one thread, without the lock */
    int64_t plugin_failed_mono_ms, expires_unix_seconds;
};

/* New content of a file, if it is there, is not empty, has the mark and differs from the old. */
static bool changed_file(const char *path, const char *mark, size_t max, const char *old,
                         struct nb_buf *out, struct nb_error *err)
{
    nb_buf_init(out, max);
    if (!nb_file_read(path, out, err))
        return false;
    while (out->len > 0 && strchr("\r\n\t ", out->data[out->len - 1]))
        out->data[--out->len] = '\0';
    if (out->len == 0 || (mark && !strstr(out->data, mark)))
        return nb_fail(err, NB_E_INVALID, "BadCredentialFile", "'%s' is %s", path,
                       out->len == 0 ? "empty" : "no PEM file");
    return !old || strcmp(out->data, old) != 0;
}

static bool reread_text(const char *path, char **value, struct nb_error *err)
{
    struct nb_buf b;
    bool changed = path && changed_file(path, "-----BEGIN ", PEM_MAX, *value, &b, err);

    if (!path)
        return false;
    if (changed) {
        free(*value);
        *value = nb_buf_take(&b);
    }
    nb_buf_done(&b);
    return changed;
}

static bool reread_secret(const char *path, const char *mark, size_t max, struct nb_secret **value,
                          struct nb_error *err)
{
    struct nb_buf b;
    bool changed;

    if (!path)
        return false;
    changed = changed_file(path, mark, max, *value ? nb_secret_str(*value).p : NULL, &b, err);
    if (changed) {
        nb_secret_free(*value);
        *value = nb_secret_new(b.data, b.len);
    }
    nb_secret_buf_done(&b);
    return changed;
}

/* With the lock held (or before others can see a). err: the last file that could not be used. */
static void reread(struct kube_auth *a, int64_t now_mono_ms, struct nb_error *err)
{
    struct kube_config *c = a->config;
    bool tls = false;

    a->read_at_mono_ms = now_mono_ms;
    if (reread_secret(c->token_file, NULL, TOKEN_MAX, &c->token, err))
        a->token_number++;
    tls |= reread_text(c->ca_file, &c->ca_pem, err);
    tls |= reread_text(c->client_cert_file, &c->client_cert_pem, err);
    tls |= reread_secret(c->client_key_file, "-----BEGIN ", PEM_MAX, &c->client_key_pem, err);
    a->tls_number += tls ? 1 : 0;
}

static void take_credential(struct kube_auth *a, struct kube_exec_credential *take)
{
    struct kube_config *c = a->config;

    nb_secret_free(c->token);
    c->token = nb_steal(take->token);
    a->token_number++;
    if (!nb_streq(c->client_cert_pem, take->client_cert_pem)) {
        free(c->client_cert_pem);
        nb_secret_free(c->client_key_pem);
        c->client_cert_pem = nb_steal(take->client_cert_pem);
        c->client_key_pem = nb_steal(take->client_key_pem);
        a->tls_number++;
    }
    a->expires_unix_seconds = take->expires_unix_seconds;
}

/* With the lock held, which is given up meanwhile: the plugin may take its time. */
static bool run_plugin(struct kube_auth *a, struct nb_error *err)
{
    struct kube_exec_credential got;
    bool ok;

    a->plugin_runs = true;
    pthread_mutex_unlock(&a->lock);
    ok = kube_exec_run(a->config->exec, &got, err);
    pthread_mutex_lock(&a->lock);
    a->plugin_runs = false;
    if (ok)
        take_credential(a, &got);
    else
        a->plugin_failed_mono_ms = nb_clock_mono_ms();
    kube_exec_credential_done(&got);
    pthread_cond_broadcast(&a->plugin_ended);
    return ok;
}

static bool plugin_may_run(const struct kube_auth *a)
{
    return a->config->exec && !a->plugin_runs &&
           nb_clock_mono_ms() - a->plugin_failed_mono_ms >= EXEC_RETRY_MS;
}

static bool expires_soon(const struct kube_auth *a)
{
    return a->expires_unix_seconds != INT64_MAX &&
           nb_clock_unix_seconds() > a->expires_unix_seconds - EXEC_EARLY_SECONDS;
}

static bool first_plugin_run(struct kube_auth *a, struct nb_error *err)
{
    bool ok;

    if (!a->config->exec)
        return true;
    pthread_mutex_lock(&a->lock);
    ok = run_plugin(a, err);
    pthread_mutex_unlock(&a->lock);
    return ok;
}

bool kube_auth_new(struct kube_config *take_config, struct kube_auth **ret, struct nb_error *err)
{
    nb_auto(kube_auth_free) struct kube_auth *a = NB_NEW(struct kube_auth);
    struct nb_error file_err = NB_ERROR_INIT;

    nb_mutex_init(&a->lock);
    nb_cond_init(&a->plugin_ended);
    a->config = take_config;
    a->expires_unix_seconds = INT64_MAX;
    a->plugin_failed_mono_ms = INT64_MIN / 2;
    a->token_number = a->tls_number = 1;
    a->read_at_mono_ms = INT64_MIN / 2;
    reread(a, a->read_at_mono_ms, &file_err);
    if (file_err.code != NB_OK) {
        *err = file_err;
        return nb_wrap(err, "credentials for '%s'", take_config->server);
    }
    if (!first_plugin_run(a, err))
        return nb_wrap(err, "credentials for '%s'", take_config->server);
    *ret = nb_steal(a);
    return true;
}

void kube_auth_free(struct kube_auth *a)
{
    if (!a)
        return;
    kube_config_free(a->config);
    pthread_cond_destroy(&a->plugin_ended);
    pthread_mutex_destroy(&a->lock);
    free(a);
}

const char *kube_auth_server(const struct kube_auth *a)
{
    return a->config->server;
}

const char *kube_auth_namespace(const struct kube_auth *a)
{
    return a->config->default_namespace;
}

void kube_identity_done(struct kube_identity *id)
{
    nb_secret_free(id->bearer);
    free(id->ca_pem);
    free(id->client_cert_pem);
    nb_secret_free(id->client_key_pem);
    *id = (struct kube_identity){ 0 };
}

static struct nb_secret *bearer_of(const struct nb_secret *token)
{
    struct nb_str t = nb_secret_str(token);
    struct nb_buf b = NB_BUF_INIT(TOKEN_MAX + 16);
    struct nb_secret *s;

    nb_buf_puts(&b, "Bearer ");
    nb_buf_append(&b, t.p, t.n);
    s = nb_secret_new(b.data, b.len);
    nb_secret_buf_done(&b);
    return s;
}

void kube_auth_refresh(struct kube_auth *a, int64_t now_mono_ms, struct kube_identity *id,
                       bool *ret_tls_changed)
{
    const struct kube_config *c = a->config;
    struct nb_error ignored = NB_ERROR_INIT;

    pthread_mutex_lock(&a->lock);
    if (now_mono_ms - a->read_at_mono_ms >= REREAD_MS)
        reread(a, now_mono_ms, &ignored);
    if (expires_soon(a) && plugin_may_run(a) && !run_plugin(a, &ignored))
        nb_error_clear(&ignored); /* what is there may still do; the server will say */
    if (id->token_number != a->token_number) {
        nb_secret_free(id->bearer);
        id->bearer = c->token ? bearer_of(c->token) : NULL;
        id->token_number = a->token_number;
    }
    *ret_tls_changed = id->tls_number != a->tls_number;
    if (*ret_tls_changed) {
        free(id->ca_pem);
        free(id->client_cert_pem);
        nb_secret_free(id->client_key_pem);
        id->ca_pem = nb_xstrdup_null(c->ca_pem);
        id->client_cert_pem = nb_xstrdup_null(c->client_cert_pem);
        id->client_key_pem = c->client_key_pem ? nb_secret_dup(c->client_key_pem) : NULL;
        id->insecure_skip_verify = c->insecure_skip_verify;
        id->tls_number = a->tls_number;
    }
    pthread_mutex_unlock(&a->lock);
}

bool kube_auth_refused(struct kube_auth *a, uint64_t token_number, int64_t now_mono_ms)
{
    struct nb_error ignored = NB_ERROR_INIT;
    bool other;

    pthread_mutex_lock(&a->lock);
    if (a->token_number == token_number)
        reread(a, now_mono_ms, &ignored);
    while (a->plugin_runs)
        nb_cond_wait(&a->plugin_ended, &a->lock, INT64_MAX);
    if (a->token_number == token_number && plugin_may_run(a) && !run_plugin(a, &ignored))
        nb_error_clear(&ignored);
    other = a->token_number != token_number;
    pthread_mutex_unlock(&a->lock);
    return other;
}
