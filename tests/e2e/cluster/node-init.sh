#!/usr/bin/env bash
# Runs as process 1 of the node's own pid, mount, network, uts and cgroup namespaces; up.sh starts
# it through unshare. Lays out the node's private mounts, starts every component, starts again
# what ends, and reaps orphans until it is told to stop. When it ends, the kernel ends
# everything the node started and drops its mounts, links and packet filter rules.
#
# A test may kill a component; while $CLUSTER_STATE/hold/NAME exists it stays down. Its pid in
# the node's namespace is in $CLUSTER_STATE/run/NAME.pid.
#
# No `set -e`: process 1 must not end at the first thing that fails; up.sh watches the outcome.
set -uo pipefail
# shellcheck source-path=SCRIPTDIR source=env.sh
. "$(dirname "${BASH_SOURCE[0]}")/env.sh"
log=$CLUSTER_STATE/log pki=$CLUSTER_STATE/pki conf=$CLUSTER_STATE/conf

# --- mounts: nothing below leaves this mount namespace ------------------------------------

# Every hierarchy of version 1 that this process is in must be mounted, "name=systemd" too: the
# container shim gives up on watching for OOM kills when one is missing.
mount_cgroups_v1() {
    local controllers directory options file
    umount -R /sys/fs/cgroup 2>/dev/null # no second view of any hierarchy may stay
    mount -t sysfs -o ro sysfs /sys
    mount -t tmpfs -o mode=755 tmpfs /sys/fs/cgroup
    while IFS=: read -r _ controllers _; do
        [ -n "$controllers" ] || continue
        directory=/sys/fs/cgroup/${controllers#name=}
        mkdir -p "$directory"
        options=$controllers
        [ "${controllers#name=}" = "$controllers" ] || options=none,$controllers
        # the cgroup namespace makes the caller's own cgroup the root of this mount
        if mount -t cgroup -o "$options" cgroup "$directory"; then
            mkdir -p "$directory/$CGROUP_NAME"
        else
            rmdir "$directory"
        fi
    done </proc/self/cgroup
    # A new cpuset of version 1 starts empty and would take no process.
    directory=$(dirname "$(ls -d /sys/fs/cgroup/*/"$CGROUP_NAME"/cpuset.cpus)")
    for file in cpuset.cpus cpuset.mems; do
        cat "$directory/../$file" >"$directory/$file"
    done
}

# The machine's own mount is carried over: a new one would change the options of the hierarchy
# for the whole machine.
mount_cgroup_v2() {
    local aside=$CLUSTER_STATE/cgroup2
    mkdir -p "$aside"
    mount --bind /sys/fs/cgroup "$aside"
    mount -t sysfs -o ro sysfs /sys
    mount --move "$aside" /sys/fs/cgroup
}

mount_all() {
    local pair
    if cgroup_is_v2; then
        mount_cgroup_v2
    else
        mount_cgroups_v1
    fi
    mount -t tmpfs -o mode=755 tmpfs /run
    mkdir -p /run/netns /run/containerd /run/lock
    for pair in kubelet:/var/lib/kubelet podlogs:/var/log/pods ctrlogs:/var/log/containers; do
        mkdir -p "$CLUSTER_STATE/${pair%%:*}" "${pair#*:}"
        mount --bind "$CLUSTER_STATE/${pair%%:*}" "${pair#*:}"
    done
    mount --make-rshared /
}

# --- network: loopback, then up.sh hands over its end of the link -------------------------

configure_network() {
    hostname "$NODE_NAME"
    ip link set lo up
    wait_for 10 ip link show eth0 || echo 'no eth0' >&2
    ip addr add "$NODE_IP/$LINK_BITS" dev eth0
    ip link set eth0 up
    # An address of its own: without one a bridge takes the lowest of its ports', which changes
    # as pods come and go, and running pods then lose their gateway for a while.
    ip link add cni0 address 0a:58:0a:f4:00:01 type bridge
    ip addr add "$POD_GATEWAY/${POD_CIDR#*/}" dev cni0
    ip link set cni0 up
    # service addresses must be routable before kube-proxy's rules can rewrite them
    ip route add "$SERVICE_CIDR" dev cni0 src "$NODE_IP"
    sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.route_localnet=1
}

# --- components ---------------------------------------------------------------------------

# start NAME COMMAND...
start() {
    local name=$1
    shift
    (
        while :; do
            while [ -e "$CLUSTER_STATE/hold/$name" ]; do
                sleep 0.2
            done
            "$@" >>"$log/$name.log" 2>&1 &
            echo $! >"$CLUSTER_STATE/run/$name.pid"
            wait $!
            echo "--- ended with $?" >>"$log/$name.log"
            sleep 0.5
        done
    ) &
}

start_etcd() {
    # shellcheck disable=SC2086  # flags are words
    start etcd "$K8S_BIN/etcd" --name node --data-dir "$CLUSTER_STATE/etcd" \
        --listen-client-urls http://127.0.0.1:2379 --advertise-client-urls http://127.0.0.1:2379 \
        --listen-peer-urls http://127.0.0.1:2380 \
        --initial-advertise-peer-urls http://127.0.0.1:2380 \
        --initial-cluster node=http://127.0.0.1:2380 ${ETCD_FLAGS:-}
}

start_apiserver() {
    # shellcheck disable=SC2086
    start kube-apiserver "$K8S_BIN/kube-apiserver" \
        --etcd-servers=http://127.0.0.1:2379 \
        --bind-address="$NODE_IP" --advertise-address="$NODE_IP" --secure-port=6443 \
        --service-cluster-ip-range="$SERVICE_CIDR" \
        --authorization-mode=Node,RBAC --enable-admission-plugins=NodeRestriction \
        --allow-privileged=true \
        --client-ca-file="$pki/ca.crt" \
        --tls-cert-file="$pki/apiserver.crt" --tls-private-key-file="$pki/apiserver.key" \
        --service-account-issuer=https://kubernetes.default.svc.cluster.local \
        --service-account-key-file="$pki/sa.pub" \
        --service-account-signing-key-file="$pki/sa.key" \
        --kubelet-certificate-authority="$pki/ca.crt" \
        --kubelet-client-certificate="$pki/apiserver-kubelet.crt" \
        --kubelet-client-key="$pki/apiserver-kubelet.key" \
        --kubelet-preferred-address-types=InternalIP \
        --requestheader-client-ca-file="$pki/ca.crt" \
        --requestheader-allowed-names=front-proxy \
        --requestheader-extra-headers-prefix=X-Remote-Extra- \
        --requestheader-group-headers=X-Remote-Group \
        --requestheader-username-headers=X-Remote-User \
        --proxy-client-cert-file="$pki/front-proxy.crt" \
        --proxy-client-key-file="$pki/front-proxy.key" ${APISERVER_FLAGS:-}
}

# At the default of 20 requests a second, 200 Jobs took a minute; at 300, nine seconds.
start_controller_manager() {
    local config=$pki/kcm.kubeconfig
    # shellcheck disable=SC2086
    start kube-controller-manager "$K8S_BIN/kube-controller-manager" \
        --kubeconfig="$config" --authentication-kubeconfig="$config" \
        --authorization-kubeconfig="$config" \
        --bind-address=127.0.0.1 --leader-elect=false --use-service-account-credentials=true \
        --root-ca-file="$pki/ca.crt" --service-account-private-key-file="$pki/sa.key" \
        --cluster-signing-cert-file="$pki/ca.crt" --cluster-signing-key-file="$pki/ca.key" \
        --allocate-node-cidrs=false --cluster-cidr="$POD_CIDR" \
        --service-cluster-ip-range="$SERVICE_CIDR" \
        --kube-api-qps=300 --kube-api-burst=600 --concurrent-job-syncs=20 ${KCM_FLAGS:-}
}

start_scheduler() {
    local config=$pki/scheduler.kubeconfig
    start kube-scheduler "$K8S_BIN/kube-scheduler" \
        --kubeconfig="$config" --authentication-kubeconfig="$config" \
        --authorization-kubeconfig="$config" \
        --bind-address=127.0.0.1 --leader-elect=false --kube-api-qps=300 --kube-api-burst=600
}

import_images() {
    local directory archive
    for directory in "$K8S_IMAGES" $K8S_EXTRA_IMAGES; do
        for archive in "$directory"/*.tar; do
            [ -e "$archive" ] || continue
            ctr -n k8s.io images import "$archive" >>"$log/import.log" 2>&1
        done
    done
}

containerd_answers() { ctr -a /run/containerd/containerd.sock version; }

start_real_node() {
    wait_for 30 containerd_answers || echo 'containerd does not answer' >&2
    import_images
    # shellcheck disable=SC2086
    start kubelet "$K8S_BIN/kubelet" --config="$conf/kubelet.yaml" \
        --kubeconfig="$pki/kubelet.kubeconfig" --hostname-override="$NODE_NAME" \
        --node-ip="$NODE_IP" --root-dir=/var/lib/kubelet ${KUBELET_FLAGS:-}
    start kube-proxy "$K8S_BIN/kube-proxy" --config="$conf/kube-proxy.yaml"
}

start_fake_node() {
    kubectl apply -f - <<Y
apiVersion: v1
kind: Node
metadata:
  name: $NODE_NAME
  annotations: {kwok.x-k8s.io/node: fake}
  labels: {type: kwok, kubernetes.io/os: linux, kubernetes.io/hostname: $NODE_NAME}
status:
  allocatable: {cpu: "64", memory: 512Gi, pods: "10000"}
  capacity: {cpu: "64", memory: 512Gi, pods: "10000"}
Y
    # shellcheck disable=SC2086
    start kwok "$(part_dir kwok)/kwok" --kubeconfig="$KUBECONFIG_ADMIN" --manage-all-nodes=false \
        --manage-nodes-with-annotation-selector=kwok.x-k8s.io/node=fake \
        --server-address=127.0.0.1:10247 --config="$CLUSTER_DIR/fake-stages.yaml" ${KWOK_FLAGS:-}
}

# --- all in order -------------------------------------------------------------------------

# set before the first child is started, so that an early stop is not lost
trap 'exit 0' TERM INT
mkdir -p "$CLUSTER_STATE/hold" "$CLUSTER_STATE/run"
mount_all
configure_network
start_etcd
[ "$NODE" != real ] || start containerd containerd --config "$conf/containerd.toml"
start_apiserver
# readyz covers the built-in RBAC roles; the other components exit when those are missing
wait_for 120 kubectl get --raw /readyz || echo 'the API server is not ready' >&2
kubectl create clusterrolebinding kube-proxy --clusterrole=system:node-proxier \
    --user=system:kube-proxy
start_controller_manager
start_scheduler
if [ "$NODE" = real ]; then
    start_real_node
else
    start_fake_node
fi

while :; do
    sleep 3600 &
    wait $!
done
