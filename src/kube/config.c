#include "kube/config.h"

#include "base/b64.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/url.h"
#include "base/yaml.h"
#include "kube/config_priv.h"

enum { CONFIG_MAX = 4 << 20, NAMESPACE_MAX = 256 };

void kube_config_free(struct kube_config *c)
{
    if (!c)
        return;
    free(c->server);
    free(c->default_namespace);
    free(c->ca_file);
    free(c->ca_pem);
    free(c->token_file);
    nb_secret_free(c->token);
    free(c->client_cert_file);
    free(c->client_cert_pem);
    free(c->client_key_file);
    nb_secret_free(c->client_key_pem);
    kube_exec_free(c->exec);
    free(c);
}

/* Member `kind` ("cluster", "user", "context") of the entry of that name in a list of named
 * entries. */
static const struct nb_json *named(const struct nb_json *doc, const char *list, const char *kind,
                                   const char *name)
{
    const struct nb_json *e = nb_json_first(nb_json_get(doc, list));

    for (; e; e = nb_json_next(e))
        if (nb_streq(nb_json_str(nb_json_get(e, "name"), NULL), name))
            return nb_json_get(e, kind);
    return NULL;
}

const char *kube_config_text(const struct nb_json *v, const char *key)
{
    const char *s = nb_json_str(nb_json_get(v, key), NULL);

    return s && s[0] != '\0' ? s : NULL;
}

char *kube_config_path(const char *config_name, const char *path)
{
    const char *slash = strrchr(config_name, '/');

    if (!path)
        return NULL;
    if (path[0] == '/' || !slash)
        return nb_xstrdup(path);
    return nb_xasprintf("%.*s/%s", (int)(slash - config_name), config_name, path);
}

/* Base64 data of a PEM file; *ret stays NULL when the member is absent. */
static bool pem_data(const struct nb_json *v, const char *key, struct nb_buf *out, bool *ret_found,
                     struct nb_error *err)
{
    const char *s = kube_config_text(v, key);

    *ret_found = s != NULL;
    if (!s)
        return true;
    return (nb_b64_decode(s, strlen(s), out, err) && nb_buf_check(out, err)) ||
           nb_wrap(err, "'%s'", key);
}

static bool refuse(const struct nb_json *v, const char *const *keys, size_t n, struct nb_error *err)
{
    for (size_t i = 0; i < n; i++) {
        const struct nb_json *m = nb_json_get(v, keys[i]);

        if (m && nb_json_type(m) != NB_JSON_NULL)
            return nb_fail(err, NB_E_INVALID, "UnsupportedKubeconfig",
                           "'%s' is not supported; hint: use a token, tokenFile or client "
                           "certificate, for instance of a ServiceAccount",
                           keys[i]);
    }
    return true;
}

static bool read_cluster(struct kube_config *c, const struct nb_json *v, const char *name,
                         struct nb_error *err)
{
    static const char *const unsupported[] = { "proxy-url", "tls-server-name" };
    nb_auto_done(nb_buf_done) struct nb_buf pem = NB_BUF_INIT(CONFIG_MAX);
    const char *server = kube_config_text(v, "server");
    struct nb_url url;
    size_t n;
    bool found;

    if (!refuse(v, unsupported, NB_ARRAY_LEN(unsupported), err))
        return false;
    if (!server)
        return nb_fail(err, NB_E_INVALID, "InvalidKubeconfig", "cluster has no 'server'");
    if (!nb_url_parse(server, "server", &url, err))
        return false;
    if (strcmp(url.scheme, "https") != 0 && strcmp(url.scheme, "http") != 0)
        return nb_fail(err, NB_E_INVALID, "InvalidKubeconfig",
                       "server '%s' is neither https nor "
                       "http",
                       server);
    n = strlen(server);
    while (n > 0 && server[n - 1] == '/')
        n--;
    c->server = nb_xstrndup(server, n);
    c->insecure_skip_verify = nb_json_bool(nb_json_get(v, "insecure-skip-tls-verify"), false);
    if (!pem_data(v, "certificate-authority-data", &pem, &found, err))
        return false;
    if (found)
        c->ca_pem = nb_buf_take(&pem);
    else
        c->ca_file = kube_config_path(name, kube_config_text(v, "certificate-authority"));
    return true;
}

/* With both, the fixed credentials win in kubectl, and a plugin that is not used surprises. */
static bool read_exec(struct kube_config *c, const struct nb_json *v, const char *name,
                      struct nb_error *err)
{
    const struct nb_json *exec = nb_json_get(v, "exec");
    const struct kube_exec_cluster cluster = { .server = c->server,
                                               .ca_pem = c->ca_pem,
                                               .insecure_skip_verify = c->insecure_skip_verify };

    if (!exec || nb_json_type(exec) == NB_JSON_NULL)
        return true;
    if (c->token || c->token_file || c->client_cert_pem || c->client_cert_file)
        return nb_fail(err, NB_E_INVALID, "InvalidKubeconfig",
                       "exec is given beside a token or client certificate; hint: take one out");
    if (!c->ca_pem && c->ca_file && nb_json_bool(nb_json_get(exec, "provideClusterInfo"), false))
        return nb_fail(err, NB_E_INVALID, "UnsupportedKubeconfig",
                       "exec: provideClusterInfo wants certificate-authority-data, not a file");
    return kube_exec_read(exec, name, &cluster, &c->exec, err);
}

static bool read_user(struct kube_config *c, const struct nb_json *v, const char *name,
                      struct nb_error *err)
{
    static const char *const unsupported[] = { "auth-provider", "username",  "password",     "as",
                                               "as-uid",        "as-groups", "as-user-extra" };
    nb_auto_done(nb_buf_done) struct nb_buf cert = NB_BUF_INIT(CONFIG_MAX);
    nb_auto_done(nb_buf_done) struct nb_buf key = NB_BUF_INIT(CONFIG_MAX);
    const char *token = kube_config_text(v, "token");
    bool has_cert, has_key;

    if (!refuse(v, unsupported, NB_ARRAY_LEN(unsupported), err))
        return false;
    c->token_file = kube_config_path(name, kube_config_text(v, "tokenFile"));
    if (token)
        c->token = nb_secret_new(token, strlen(token));
    if (!pem_data(v, "client-certificate-data", &cert, &has_cert, err))
        return false;
    if (has_cert)
        c->client_cert_pem = nb_buf_take(&cert);
    else
        c->client_cert_file = kube_config_path(name, kube_config_text(v, "client-certificate"));
    if (!pem_data(v, "client-key-data", &key, &has_key, err))
        return false;
    if (has_key) {
        c->client_key_pem = nb_secret_new(key.data, key.len);
        nb_wipe(key.data, key.cap);
    } else {
        c->client_key_file = kube_config_path(name, kube_config_text(v, "client-key"));
    }
    if ((c->client_cert_pem || c->client_cert_file) != (c->client_key_pem || c->client_key_file))
        return nb_fail(err, NB_E_INVALID, "InvalidKubeconfig",
                       "client certificate and client key must be given together");
    return read_exec(c, v, name, err);
}

static bool read_all(struct kube_config *c, const struct nb_json *doc, const char *name,
                     const char *context, struct nb_error *err)
{
    const struct nb_json *ctx, *cluster, *user;
    const char *cluster_name, *user_name;

    if (!context)
        context = kube_config_text(doc, "current-context");
    if (!context)
        return nb_fail(err, NB_E_INVALID, "InvalidKubeconfig", "no 'current-context'");
    ctx = named(doc, "contexts", "context", context);
    if (!ctx)
        return nb_fail(err, NB_E_INVALID, "InvalidKubeconfig", "no context '%s'", context);
    cluster_name = kube_config_text(ctx, "cluster");
    user_name = kube_config_text(ctx, "user");
    cluster = named(doc, "clusters", "cluster", cluster_name ? cluster_name : "");
    if (!cluster)
        return nb_fail(err, NB_E_INVALID, "InvalidKubeconfig",
                       "context '%s' names no known cluster", context);
    c->default_namespace = nb_xstrdup(
        kube_config_text(ctx, "namespace") ? kube_config_text(ctx, "namespace") : "default");
    if (!read_cluster(c, cluster, name, err))
        return nb_wrap(err, "cluster '%s'", cluster_name);
    if (!user_name)
        return true;
    user = named(doc, "users", "user", user_name);
    if (!user)
        return nb_fail(err, NB_E_INVALID, "InvalidKubeconfig", "context '%s' names no known user",
                       context);
    return read_user(c, user, name, err) || nb_wrap(err, "user '%s'", user_name);
}

bool kube_config_parse(const char *text, size_t n, const char *name, const char *context,
                       struct kube_config **ret, struct nb_error *err)
{
    nb_auto(nb_json_free) struct nb_json *doc = NULL;
    nb_auto(kube_config_free) struct kube_config *c = NB_NEW(struct kube_config);

    if (!nb_yaml_parse(text, n, CONFIG_MAX, name, &doc, err))
        return false;
    if (!read_all(c, doc, name, context, err))
        return nb_wrap(err, "kubeconfig '%s'", name);
    *ret = nb_steal(c);
    return true;
}

bool kube_config_load(const char *path, const char *context, struct kube_config **ret,
                      struct nb_error *err)
{
    nb_auto_done(nb_secret_buf_done) struct nb_buf text;

    nb_secret_buf_init(&text, CONFIG_MAX);
    if (!nb_file_read(path, &text, err))
        return nb_wrap(err, "kubeconfig");
    return kube_config_parse(nb_buf_cstr(&text), text.len, path, context, ret, err);
}

bool kube_config_in_cluster(const char *host, const char *port, const char *dir,
                            struct kube_config **ret, struct nb_error *err)
{
    nb_auto(kube_config_free) struct kube_config *c = NB_NEW(struct kube_config);
    nb_auto(nb_free) char *ns_file = nb_xasprintf("%s/namespace", dir);
    nb_auto_done(nb_buf_done) struct nb_buf ns = NB_BUF_INIT(NAMESPACE_MAX);
    struct nb_error ns_err = NB_ERROR_INIT;
    bool v6 = host && strchr(host, ':');
    int64_t port_number;

    if (!host || !port || host[0] == '\0' || !nb_parse_i64(port, 1, 65535, &port_number))
        return nb_fail(err, NB_E_INVALID, "NotInCluster",
                       "not running in a pod; hint: give a kubeconfig file");
    c->server =
        nb_xasprintf("https://%s%s%s:%d", v6 ? "[" : "", host, v6 ? "]" : "", (int)port_number);
    c->ca_file = nb_xasprintf("%s/ca.crt", dir);
    c->token_file = nb_xasprintf("%s/token", dir);
    /* Absent when only token and CA are projected: the caller names the namespace then. */
    if (nb_file_read(ns_file, &ns, &ns_err))
        while (ns.len > 0 && (ns.data[ns.len - 1] == '\n' || ns.data[ns.len - 1] == ' '))
            ns.data[--ns.len] = '\0';
    c->default_namespace = nb_xstrdup(ns.len > 0 ? nb_buf_cstr(&ns) : "default");
    *ret = nb_steal(c);
    return true;
}
