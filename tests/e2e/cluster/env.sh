# shellcheck shell=bash
# shellcheck disable=SC2034  # the values are used by the scripts that source this file
# Settings of the throw-away cluster, shared by its scripts and by the tests that use it.
# Sourced, never run. Every value can be set from the environment.

CLUSTER_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source-path=SCRIPTDIR source=../../parts/lib.sh
. "$CLUSTER_DIR/../../parts/lib.sh"

K8S_BIN=${K8S_BIN:-$(part_dir k8s)}
K8S_IMAGES=${K8S_IMAGES:-$(part_dir k8s-images)}     # archives imported at the start
K8S_EXTRA_IMAGES=${K8S_EXTRA_IMAGES:-}               # a directory of more of them, or nothing
CLUSTER_STATE=${CLUSTER_STATE:-$CACHE/cluster}       # everything that one cluster writes

# One veth pair joins the machine's own network namespace (HOST_IP) to the node's (NODE_IP).
# Nothing listens outside these two namespaces. A server that pods are to reach must listen
# on HOST_IP.
NODE_NAME=${NODE_NAME:-node1}
VETH_HOST=${VETH_HOST:-nb-k8s0}
HOST_IP=${HOST_IP:-10.201.0.1}
NODE_IP=${NODE_IP:-10.201.0.2}
LINK_BITS=${LINK_BITS:-30}
POD_CIDR=${POD_CIDR:-10.244.0.0/24}
POD_GATEWAY=${POD_GATEWAY:-10.244.0.1}
SERVICE_CIDR=${SERVICE_CIDR:-10.96.0.0/16}
API_SERVICE_IP=${API_SERVICE_IP:-10.96.0.1}
DNS_SERVICE_IP=${DNS_SERVICE_IP:-10.96.0.10}
CGROUP_NAME=${CGROUP_NAME:-nb-k8s}                   # the cgroup that holds all pods
PROXY_MODE=${PROXY_MODE:-nftables}                   # nftables or iptables
CNI_BIN=${CNI_BIN:-/usr/lib/cni}                     # Debian's containernetworking-plugins

KUBECONFIG_ADMIN=$CLUSTER_STATE/pki/admin.kubeconfig

cgroup_is_v2() { [ "$(stat -fc %T /sys/fs/cgroup)" = cgroup2fs ]; }

cluster_is_up() { process_is_alive "$CLUSTER_STATE/init.pid"; }

kubectl() { "$K8S_BIN/kubectl" --kubeconfig "$KUBECONFIG_ADMIN" "$@"; }
