#!/usr/bin/env bash
# A real API server alone: etcd, kube-apiserver and, of kube-controller-manager, what ends Jobs, collects orphans and
# empties namespaces. No node, no root: nothing runs. With our definitions, and with the rights and admission policies of the
# chart for the token "controller"; the token "admin" may do all.
#
#   apiserver.sh up DIR [PORT]    prints the address; the ports are PORT and the two after it
#   apiserver.sh down DIR
#
# API_FEATURE_GATES: of kube-apiserver ("WatchList=false": lists are not given as streams, as before Kubernetes 1.32).
#
# Parts: k8s, helm (tests/parts/get.sh).
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source-path=SCRIPTDIR source=../parts/lib.sh
. "$here/../parts/lib.sh"
top=$here/../..
dir=${2:?a directory}
port=${3:-16440}
bin=$(part_dir k8s)
namespace=neo4j-backup-system
account=system:serviceaccount:$namespace:neo4j-backup

kubectl() { "$bin/kubectl" --kubeconfig "$dir/admin.kubeconfig" "$@"; }

# start NAME COMMAND...
start() {
    local name=$1
    shift
    setsid "$@" >"$dir/$name.log" 2>&1 </dev/null &
    process_note $! "$dir/$name.pid"
}

write_kubeconfig() {
    cat >"$dir/$1.kubeconfig" <<Y
apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: "https://127.0.0.1:$port", insecure-skip-tls-verify: true}}]
users: [{name: u, user: {token: $1}}]
contexts: [{name: c, context: {cluster: c, user: u}}]
current-context: c
Y
}

start_etcd() {
    start etcd "$bin/etcd" --name node --data-dir "$dir/etcd" --unsafe-no-fsync --log-level error \
        --listen-client-urls "http://127.0.0.1:$((port + 1))" --advertise-client-urls "http://127.0.0.1:$((port + 1))" \
        --listen-peer-urls "http://127.0.0.1:$((port + 2))" \
        --initial-advertise-peer-urls "http://127.0.0.1:$((port + 2))" \
        --initial-cluster "node=http://127.0.0.1:$((port + 2))"
}

start_apiserver() {
    openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out "$dir/sa.key" 2>/dev/null
    printf '%s\n' "admin,admin,admin,system:masters" "controller,$account,controller,system:serviceaccounts" >"$dir/tokens"
    start kube-apiserver "$bin/kube-apiserver" --etcd-servers="http://127.0.0.1:$((port + 1))" \
        --bind-address=127.0.0.1 --advertise-address=127.0.0.1 --secure-port="$port" --cert-dir="$dir/certs" \
        --token-auth-file="$dir/tokens" --authorization-mode=RBAC --disable-admission-plugins=ServiceAccount \
        --service-account-issuer=https://kubernetes.default.svc --service-account-key-file="$dir/sa.key" \
        --service-account-signing-key-file="$dir/sa.key" --service-cluster-ip-range=10.96.0.0/24 \
        --endpoint-reconciler-type=none --profiling=false ${API_FEATURE_GATES:+--feature-gates="$API_FEATURE_GATES"}
}

# The definitions first: the garbage collector learns of kinds when it starts, and then only now and then.
start_controllers() {
    start kube-controller-manager "$bin/kube-controller-manager" --kubeconfig="$dir/admin.kubeconfig" \
        --controllers=job-controller,garbage-collector-controller,namespace-controller \
        --leader-elect=false --secure-port=0 --kube-api-qps=1000 --kube-api-burst=2000
}

# What the chart gives the controller, but not the controller.
apply_chart() {
    kubectl create namespace "$namespace" >/dev/null
    "$(part_dir helm)/helm" template neo4j-backup "$top/deploy/helm/neo4j-backup" --namespace "$namespace" \
        --set fullnameOverride=neo4j-backup --set image.repository=worker --set-string image.tag=1 \
        -s templates/rbac.yaml -s templates/admissionpolicy.yaml |
        kubectl apply -f - >/dev/null
}

up() {
    process_is_alive "$dir/kube-apiserver.pid" && fail "an API server is up in '$dir'"
    rm -rf "$dir"
    mkdir -p "$dir"
    chmod 700 "$dir"
    write_kubeconfig admin
    write_kubeconfig controller
    start_etcd
    start_apiserver
    wait_for 180 kubectl get --raw /readyz || fail "no API server; hint: $dir"
    # Not another one's that has the port already.
    process_is_alive "$dir/etcd.pid" && process_is_alive "$dir/kube-apiserver.pid" || fail "the ports from $port on are taken"
    kubectl apply -f "$top/crd/" >/dev/null
    kubectl wait --for=condition=Established --timeout=30s -f "$top/crd/" >/dev/null
    start_controllers
    apply_chart
    echo "https://127.0.0.1:$port"
}

down() {
    local name
    for name in kube-controller-manager kube-apiserver etcd; do
        process_end "$dir/$name.pid" 5
    done
    rm -rf "$dir"
}

case ${1:-} in
up) up ;;
down) down ;;
*) fail "'${1:-}' is none of up, down" ;;
esac
