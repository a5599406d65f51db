#ifndef NB_KUBE_EXEC_H
#define NB_KUBE_EXEC_H

/*
 * kube_exec: a credential plugin of a kubeconfig (`users[].user.exec`), as of EKS, GKE and AKS: a
 * program that prints a token or a client certificate.
 *
 * It gets our environment, that of the kubeconfig, and KUBERNETES_EXEC_INFO; no standard input; its
 * standard error is ours. It may take timeout_ms (KUBE_EXEC_TIMEOUT_MS), and print 64 KiB; afterwards it and what
 * it has started in its process group are killed. A program that wants a terminal is refused when
 * the kubeconfig is read (interactiveMode Always).
 *
 * Any thread. Source: k8s.io/client-go plugin/pkg/client/auth/exec, client.authentication.k8s.io/v1.
 */

#include "base/buf.h"
#include "base/json.h"
#include "base/secret.h"

enum { KUBE_EXEC_TIMEOUT_MS = 30000 };

struct kube_exec {
    char *api_version;
    char **argv; /* ends with NULL; argv[0] with a slash is a path, else it is looked for in PATH */
    char **env;  /* "NAME=value"; ends with NULL */
    char *info;  /* "KUBERNETES_EXEC_INFO=" and JSON */
    char *hint;  /* how to install it; NULL */
    int64_t timeout_ms;
};

void kube_exec_free(struct kube_exec *x);
NB_AUTO_DEFINE(struct kube_exec *, kube_exec_free)

struct kube_exec_cluster { /* told to a plugin that asks for it (provideClusterInfo) */
    const char *server, *ca_pem;
    bool insecure_skip_verify;
};
/* v: the object `exec`; config_name: the kubeconfig's file, which a relative path is relative to. */
NB_NODISCARD bool kube_exec_read(const struct nb_json *v, const char *config_name,
                                 const struct kube_exec_cluster *cluster, struct kube_exec **ret,
                                 struct nb_error *err);

struct kube_exec_credential {
    struct nb_secret *token; /* NULL: none; then there is a certificate */
    char *client_cert_pem;   /* NULL: none */
    struct nb_secret *client_key_pem;
    int64_t expires_unix_seconds; /* INT64_MAX: not said */
};
void kube_exec_credential_done(struct kube_exec_credential *c);
/* What a plugin has printed: an ExecCredential of that version. NB_E_INVALID "BadExecCredential". */
NB_NODISCARD bool kube_exec_parse(const char *text, size_t n, const char *api_version,
                                  struct kube_exec_credential *ret, struct nb_error *err);
/* NB_E_UNAVAILABLE "ExecPluginFailed", and the above. */
NB_NODISCARD bool kube_exec_run(const struct kube_exec *x, struct kube_exec_credential *ret,
                                struct nb_error *err);

#endif
