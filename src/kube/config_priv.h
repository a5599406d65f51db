#ifndef NB_KUBE_CONFIG_PRIV_H
#define NB_KUBE_CONFIG_PRIV_H

/* What the readers of a kubeconfig's parts share. */

#include "base/json.h"

/* A non-empty string, or NULL. */
const char *kube_config_text(const struct nb_json *v, const char *key);
/* A path in it is relative to the directory of its file. To be freed; NULL for NULL. */
char *kube_config_path(const char *config_name, const char *path);

#endif
