#!/usr/bin/env bash
# Succeeds when a cluster is up and its API server is ready.
#
#   status.sh               prints one line
#   status.sh kubeconfig    prints where its kubeconfig is
#   status.sh host          prints the address of this machine that pods reach
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=env.sh
. "$(dirname "${BASH_SOURCE[0]}")/env.sh"

cluster_is_up || fail "no cluster is up in '$CLUSTER_STATE'"
kubectl get --raw /readyz >/dev/null 2>&1 || fail "the API server in '$CLUSTER_STATE' is not ready"
case ${1:-} in
    kubeconfig) echo "$KUBECONFIG_ADMIN" ;;
    host) echo "$HOST_IP" ;;
    *) echo "up: $CLUSTER_STATE" ;;
esac
