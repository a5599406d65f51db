#ifndef NB_CONTROLLER_OPTIONS_H
#define NB_CONTROLLER_OPTIONS_H

/*
 * The controller's settings: flag > environment > default. Every flag has an environment variable
 * beside it, named in the usage text. Nothing here is a secret.
 */

#include "base/buf.h"
#include "base/log.h"

struct ctl_options {
    bool help, version;
    char *kubeconfig, *context; /* "": the pod's ServiceAccount */
    char *ns;                   /* to watch; "": all */
    char *worker_image;
    char *image_pull_policy;
    char *image_pull_secrets; /* JSON list of {"name":...} or "" */
    int64_t worker_uid;
    char *worker_log_level;
    char *verify_neo4j_image;
    int64_t storage_cost_micro_usd; /* per GB and month */
    bool leader_elect;
    char *lease_ns, *lease_name; /* lease_ns "": the namespace we run in */
    char *identity;              /* "": made up */
    char *metrics_addr;          /* "0": no server */
    char *config;                /* file with the notification channels; "": none */
    enum nb_log_level log_level;
    enum nb_log_format log_format;
    char *zoneinfo_dir;
    int64_t workers;
    char *service_host, *service_port; /* of the API server, from a pod's environment */
};

typedef const char *(ctl_env_fn)(const char *name); /* getenv, or a test's own */
/* argv as given to main. Free with ctl_options_done() whether or not it failed. */
NB_NODISCARD bool ctl_options_parse(int argc, char *const *argv, ctl_env_fn *env,
                                    struct ctl_options *ret, struct nb_error *err);
void ctl_options_done(struct ctl_options *o);
NB_AUTO_DONE_DEFINE(struct ctl_options, ctl_options_done)
void ctl_options_usage(struct nb_buf *out);

#endif
