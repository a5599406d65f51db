#ifndef NB_KUBE_CONFIG_H
#define NB_KUBE_CONFIG_H

/*
 * kube_config: where the API server is and how we show who we are. From a kubeconfig file (YAML or
 * JSON; one file) or from a pod's mounted ServiceAccount. Parsing is pure: files that it names are
 * read later, by kube_auth, which also reads them again while the program runs.
 *
 * What cannot be honoured is refused, never ignored: auth-provider plugins, basic auth,
 * impersonation, proxy-url, tls-server-name.
 * Source: k8s.io/client-go tools/clientcmd/api/v1 (kubeconfig), rest.InClusterConfig.
 */

#include "base/buf.h"
#include "base/secret.h"
#include "kube/exec.h"

struct kube_config {
    char *server;            /* "https://host:port[/path]", no slash at the end */
    char *default_namespace; /* of the context or the ServiceAccount; never NULL */
    bool insecure_skip_verify;
    char *ca_file, *ca_pem; /* at most one; none: the system's store */
    char *token_file;       /* wins over token */
    struct nb_secret *token;
    char *client_cert_file, *client_cert_pem;
    char *client_key_file;
    struct nb_secret *client_key_pem;
    struct kube_exec *exec; /* NULL: none; what it says stands in token and the client_* above */
};

void kube_config_free(struct kube_config *c);
NB_AUTO_DEFINE(struct kube_config *, kube_config_free)

/* context NULL: the file's current-context. name: the file's name, for messages and for the
 * directory that relative paths in it are relative to. */
NB_NODISCARD bool kube_config_parse(const char *text, size_t n, const char *name,
                                    const char *context, struct kube_config **ret,
                                    struct nb_error *err);
/* Reads the file first; at most 4 MiB. */
NB_NODISCARD bool kube_config_load(const char *path, const char *context, struct kube_config **ret,
                                   struct nb_error *err);

/* Where a pod finds its ServiceAccount. */
#define KUBE_SERVICE_ACCOUNT_DIR "/var/run/secrets/kubernetes.io/serviceaccount"
/* host and port: KUBERNETES_SERVICE_HOST and _PORT, given by the caller; dir: as above. */
NB_NODISCARD bool kube_config_in_cluster(const char *host, const char *port, const char *dir,
                                         struct kube_config **ret, struct nb_error *err);

#endif
