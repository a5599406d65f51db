#!/usr/bin/env bash
# Starts a real single-node Kubernetes in namespaces of its own and waits until the node is
# Ready, after making what build.sh makes. Prints the line that sets KUBECONFIG. Root only.
#
#   NODE=fake          no containerd, kubelet or proxy: kwok plays the node. Pods "run" and Jobs
#                      complete, but nothing is executed (fake-stages.yaml says how they end)
#   DNS=0              no cluster DNS
#   APISERVER_FLAGS, KCM_FLAGS, KUBELET_FLAGS, ETCD_FLAGS, KWOK_FLAGS      more flags for each
#   and all of env.sh
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=env.sh
. "$(dirname "${BASH_SOURCE[0]}")/env.sh"
export NODE=${NODE:-real}

# --- certificates: elliptic curves, so that they are made at once -----------------------------

new_key() {
    openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1.key" 2>/dev/null
}

new_ca() {
    new_key ca
    openssl req -x509 -new -key ca.key -subj /CN=cluster-ca -days 30 -out ca.crt \
        -addext basicConstraints=critical,CA:TRUE \
        -addext keyUsage=critical,keyCertSign,cRLSign 2>/dev/null
}

# new_certificate NAME SUBJECT [SUBJECT_ALT_NAMES]
new_certificate() {
    new_key "$1"
    {
        echo 'keyUsage=critical,digitalSignature'
        echo 'extendedKeyUsage=clientAuth,serverAuth'
        [ $# -lt 3 ] || echo "subjectAltName=$3"
    } >"$1.ext"
    openssl req -new -key "$1.key" -subj "$2" 2>/dev/null |
        openssl x509 -req -CA ca.crt -CAkey ca.key -CAcreateserial -days 30 -extfile "$1.ext" \
            -out "$1.crt" 2>/dev/null
    rm "$1.ext"
}

write_kubeconfig() {
    cat >"$1.kubeconfig" <<Y
apiVersion: v1
kind: Config
clusters:
- name: cluster
  cluster:
    server: https://$NODE_IP:6443
    certificate-authority-data: $(base64 -w0 ca.crt)
users:
- name: $1
  user:
    client-certificate-data: $(base64 -w0 "$1.crt")
    client-key-data: $(base64 -w0 "$1.key")
contexts:
- name: cluster
  context: {cluster: cluster, user: $1}
current-context: cluster
Y
}

write_pki() {
    local user names
    cd "$CLUSTER_STATE/pki"
    new_ca
    names=DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc
    names+=,DNS:kubernetes.default.svc.cluster.local,DNS:localhost
    names+=,IP:$NODE_IP,IP:$API_SERVICE_IP,IP:127.0.0.1
    new_certificate apiserver /CN=kube-apiserver "$names"
    new_certificate apiserver-kubelet /O=system:masters/CN=apiserver-kubelet-client
    new_certificate front-proxy /CN=front-proxy
    new_certificate admin /O=system:masters/CN=admin
    new_certificate kcm /CN=system:kube-controller-manager
    new_certificate scheduler /CN=system:kube-scheduler
    new_certificate proxy /CN=system:kube-proxy
    new_certificate kubelet "/O=system:nodes/CN=system:node:$NODE_NAME" \
        "DNS:$NODE_NAME,IP:$NODE_IP"
    openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out sa.key 2>/dev/null
    openssl pkey -in sa.key -pubout -out sa.pub 2>/dev/null
    for user in admin kcm scheduler proxy kubelet; do
        write_kubeconfig "$user"
    done
    chmod 600 ./*.key ./*.kubeconfig
    cd - >/dev/null
}

# --- the components' own files ------------------------------------------------------------------

write_containerd_config() {
    local plugin=io.containerd
    cat >"$CLUSTER_STATE/conf/containerd.toml" <<Y
version = 2
root = "$CLUSTER_STATE/containerd"
state = "/run/containerd"
disabled_plugins = [
  "$plugin.snapshotter.v1.btrfs", "$plugin.snapshotter.v1.zfs", "$plugin.snapshotter.v1.aufs",
  "$plugin.snapshotter.v1.devmapper", "$plugin.internal.v1.opt",
  "$plugin.tracing.processor.v1.otlp", "$plugin.internal.v1.tracing"]
[grpc]
  address = "/run/containerd/containerd.sock"
[plugins."$plugin.grpc.v1.cri"]
  sandbox_image = "localhost/pause:1"
  stream_server_address = "127.0.0.1"
  # without CAP_SYS_RESOURCE no process may lower its own OOM score, and runc would fail on it
  restrict_oom_score_adj = true
  [plugins."$plugin.grpc.v1.cri".cni]
    bin_dir = "$CNI_BIN"
    conf_dir = "$CLUSTER_STATE/cni"
  [plugins."$plugin.grpc.v1.cri".containerd]
    default_runtime_name = "runc"
  [plugins."$plugin.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
  [plugins."$plugin.grpc.v1.cri".containerd.runtimes.runc.options]
    SystemdCgroup = false
Y
}

write_cni_config() {
    cat >"$CLUSTER_STATE/cni/10-bridge.conflist" <<Y
{"cniVersion": "0.4.0", "name": "pods", "plugins": [
  {"type": "bridge", "bridge": "cni0", "isDefaultGateway": true, "ipMasq": false,
   "hairpinMode": true,
   "ipam": {"type": "host-local", "dataDir": "$CLUSTER_STATE/cni-ipam",
            "ranges": [[{"subnet": "$POD_CIDR", "gateway": "$POD_GATEWAY"}]]}}]}
Y
}

write_kubelet_config() {
    : >"$CLUSTER_STATE/conf/resolv.conf"
    cat >"$CLUSTER_STATE/conf/kubelet.yaml" <<Y
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
address: $NODE_IP
healthzBindAddress: 127.0.0.1
authentication:
  anonymous: {enabled: false}
  webhook: {enabled: true}
  x509: {clientCAFile: $CLUSTER_STATE/pki/ca.crt}
authorization: {mode: Webhook}
tlsCertFile: $CLUSTER_STATE/pki/kubelet.crt
tlsPrivateKeyFile: $CLUSTER_STATE/pki/kubelet.key
containerRuntimeEndpoint: unix:///run/containerd/containerd.sock
cgroupDriver: cgroupfs
cgroupRoot: /$CGROUP_NAME
failCgroupV1: false
oomScoreAdj: 0
failSwapOn: false
makeIPTablesUtilChains: false
clusterDNS: ["$DNS_SERVICE_IP"]
clusterDomain: cluster.local
resolvConf: $CLUSTER_STATE/conf/resolv.conf
imageGCHighThresholdPercent: 100
imageGCLowThresholdPercent: 99
evictionHard:
  memory.available: 50Mi
  nodefs.available: "1%"
  nodefs.inodesFree: "1%"
  imagefs.available: "1%"
syncFrequency: 10s
nodeStatusUpdateFrequency: 5s
Y
}

# All service connections are masqueraded: the answer of a pod to a pod of the same bridge would
# else, where br_netfilter is not loaded, bypass the rules that gave it a service's address.
write_proxy_config() {
    cat >"$CLUSTER_STATE/conf/kube-proxy.yaml" <<Y
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
bindAddress: $NODE_IP
healthzBindAddress: 127.0.0.1:10256
metricsBindAddress: 127.0.0.1:10249
clientConnection: {kubeconfig: $CLUSTER_STATE/pki/proxy.kubeconfig}
clusterCIDR: $POD_CIDR
hostnameOverride: $NODE_NAME
mode: $PROXY_MODE
nftables: {masqueradeAll: true}
iptables: {masqueradeAll: true}
oomScoreAdj: 0
# the conntrack limits belong to the machine, not to this network namespace
conntrack: {maxPerCore: 0, min: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s}
Y
}

# --- control groups -------------------------------------------------------------------------------

# With version 1 the node gets a cgroup namespace and mounts the hierarchies itself
# (node-init.sh). With version 2 one group below the top holds all pods: the kubelet wants
# every controller of the top enabled in it.
cgroup_enable() {
    local controller
    for controller in $(<"$1/cgroup.controllers"); do
        echo "+$controller" 2>/dev/null >"$1/cgroup.subtree_control" || true
    done
}

cgroup_prepare() {
    local top=/sys/fs/cgroup pid
    cp /proc/self/cgroup "$CLUSTER_STATE/cgroup" # where down.sh finds the groups again
    cgroup_is_v2 || return 0
    # Only the real top may have both processes and controllers; a container's top is not it.
    if [ -e "$top/cgroup.type" ] && grep -q . "$top/cgroup.procs"; then
        mkdir -p "$top/init"
        while read -r pid; do
            echo "$pid" 2>/dev/null >"$top/init/cgroup.procs" || true
        done <"$top/cgroup.procs"
    fi
    cgroup_enable "$top"
    mkdir -p "$top/$CGROUP_NAME"
    cgroup_enable "$top/$CGROUP_NAME"
}

# --- the node ------------------------------------------------------------------------------

same_network() { [ "$(readlink "/proc/$1/ns/net")" = "$(readlink /proc/self/ns/net)" ]; }
other_network() { ! same_network "$1"; }
root_is_a_mount() { awk '$5 == "/" { found = 1 } END { exit !found }' /proc/self/mountinfo; }
init_pid() { pgrep -P "$unshare_pid"; }

start_node() {
    local namespaces=(--net --mount --pid --uts --ipc --fork --kill-child) first=node-init.sh init
    cgroup_is_v2 || namespaces+=(--cgroup)
    if root_is_a_mount; then
        namespaces+=(--mount-proc)
    else
        namespaces+=(--propagation unchanged)
        first=chroot-init.sh
    fi
    export CLUSTER_STATE K8S_BIN K8S_IMAGES K8S_EXTRA_IMAGES NODE_NAME NODE_IP LINK_BITS \
        POD_CIDR POD_GATEWAY SERVICE_CIDR CGROUP_NAME
    setsid unshare "${namespaces[@]}" "$CLUSTER_DIR/$first" \
        >"$CLUSTER_STATE/log/init.log" 2>&1 </dev/null &
    unshare_pid=$!
    wait_for 10 init_pid || fail "the node's first process did not start;" \
        "hint: $CLUSTER_STATE/log/init.log"
    init=$(init_pid)
    process_note "$init" "$CLUSTER_STATE/init.pid"

    # The machine's end of the link; deleting the namespace deletes the pair and its routes.
    wait_for 10 other_network "$init" || fail "the node has no network namespace of its own"
    ip link add "$VETH_HOST" type veth peer name eth0 netns "$init"
    ip addr add "$HOST_IP/$LINK_BITS" dev "$VETH_HOST"
    ip link set "$VETH_HOST" up
    ip route add "$POD_CIDR" via "$NODE_IP"
    ip route add "$SERVICE_CIDR" via "$NODE_IP"
}

node_is_ready() {
    local type='{.status.conditions[?(@.type=="Ready")].status}'
    [ "$(kubectl get node "$NODE_NAME" -o "jsonpath=$type")" = True ]
}

start_dns() {
    sed "s/@DNS_SERVICE_IP@/$DNS_SERVICE_IP/" "$CLUSTER_DIR/addons.yaml" |
        kubectl apply -f - >/dev/null
    kubectl -n kube-system rollout status deployment/coredns --timeout=120s >/dev/null
    say "cluster DNS ready after $(seconds_since "$started_ms") s"
}

# --- all in order --------------------------------------------------------------------------

[ "$(id -u)" = 0 ] || fail 'a cluster needs root: network, mounts and control groups'
cluster_is_up && fail "a cluster is up in '$CLUSTER_STATE'; hint: down.sh"
! ip link show "$VETH_HOST" >/dev/null 2>&1 ||
    fail "the link '$VETH_HOST' exists: another cluster is up; hint: down.sh with its state"

"$CLUSTER_DIR/build.sh" "$NODE"
started_ms=$(now_ms)
rm -rf "$CLUSTER_STATE"
mkdir -p "$CLUSTER_STATE"/{pki,conf,log,cni,etcd,containerd}
chmod 700 "$CLUSTER_STATE/etcd" "$CLUSTER_STATE/pki"
write_pki
write_containerd_config
write_cni_config
write_kubelet_config
write_proxy_config
cgroup_prepare
start_node

wait_for 120 kubectl get --raw /readyz || fail "no API server; hint: $CLUSTER_STATE/log"
say "API server ready after $(seconds_since "$started_ms") s"
wait_for 120 node_is_ready || fail "the node is not Ready; hint: $CLUSTER_STATE/log"
wait_for 30 kubectl -n default get serviceaccount default || fail 'no default ServiceAccount'
say "node Ready after $(seconds_since "$started_ms") s"
[ "$NODE" != real ] || [ "${DNS:-1}" != 1 ] || start_dns
echo "export KUBECONFIG=$KUBECONFIG_ADMIN"
