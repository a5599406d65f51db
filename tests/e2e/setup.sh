# Brings up what the stories and the demo run on, and takes it down. Sourced; needs $here (tests/e2e).
#   e2e_up     cluster with the image and the chart, Neo4j with a graph, MinIO behind the R2-shaped proxy; exports E2E_* and S3_*
#   e2e_down   takes all of it down (E2E_KEEP=1: leaves it)
# shellcheck shell=bash

parts() { "$here/../parts/get.sh" "$@"; }
parts_path() { "$here/../parts/get.sh" path "$1"; }
servers() { "$here/servers.sh" "$@"; }
step() { printf '%s == %s\n' "$(date -u +%H:%M:%S)" "$*"; }

# One of: the given cluster, kind, the local one.
cluster_kind() {
    if [ -n "${E2E_KUBECONFIG:-}" ]; then
        echo given
    elif [ "${E2E_CLUSTER:-auto}" != auto ]; then
        echo "$E2E_CLUSTER"
    elif command -v kind >/dev/null && docker info >/dev/null 2>&1 &&
        docker image inspect "${KIND_NODE_IMAGE:-kindest/node:v1.34.0}" >/dev/null 2>&1; then
        echo kind
    else
        echo local
    fi
}

cluster_up() {
    case $E2E_CLUSTER in
    given)
        export KUBECONFIG=$E2E_KUBECONFIG
        : "${E2E_HOST:?set E2E_HOST to an address of this machine that the pods of your cluster reach}"
        : "${E2E_IMAGE:?set E2E_IMAGE to the image as the nodes of your cluster know it}"
        ;;
    kind)
        kind get clusters 2>/dev/null | grep -qx neo4j-backup ||
            kind create cluster --config "$here/../../kind-config.yaml" --wait 120s
        KUBECONFIG=$out/kind.kubeconfig
        kind get kubeconfig --name neo4j-backup >"$KUBECONFIG"
        export KUBECONFIG
        E2E_HOST=$(docker network inspect kind -f '{{range .IPAM.Config}}{{.Gateway}} {{end}}' | tr ' ' '\n' | grep -m1 '\.')
        E2E_IMAGE=localhost/neo4j-backup:dev
        kind load image-archive "$out/image/image.tar" --name neo4j-backup
        ;;
    local)
        if ! "$here/cluster/status.sh" >/dev/null 2>&1; then "$here/cluster/up.sh"; fi
        KUBECONFIG=$("$here/cluster/status.sh" kubeconfig)
        export KUBECONFIG
        E2E_HOST=$("$here/cluster/status.sh" host)
        E2E_IMAGE=localhost/neo4j-backup:dev
        "$here/cluster/load.sh" "$out/image/image.tar"
        ;;
    esac
    export E2E_HOST E2E_IMAGE
}

e2e_environment() {
    E2E_CLUSTER=$(cluster_kind)
    E2E_BIN=$out/bin
    mkdir -p "$E2E_BIN"
    ln -sf "$(parts_path k8s)/kubectl" "$E2E_BIN/kubectl"
    ln -sf "$(parts_path helm)" "$E2E_BIN/helm"
    PATH=$E2E_BIN:$PATH
    E2E_PY=$(parts_path py)
    E2E_WORKER=$here/../../build/release/neo4j-backup
    E2E_NEO4J_PASSWORD=${E2E_NEO4J_PASSWORD:-correct-horse-7}
    S3_ACCESS_KEY=${S3_ACCESS_KEY:-e2e-access-key}
    S3_SECRET_KEY=${S3_SECRET_KEY:-e2e-secret-key-0123456789}
    export E2E_CLUSTER E2E_BIN PATH E2E_PY E2E_WORKER E2E_NEO4J_PASSWORD S3_ACCESS_KEY S3_SECRET_KEY
}

chart_up() {
    E2E_VALUES=$out/values.yaml
    cat >"$E2E_VALUES" <<Y
image: {repository: ${E2E_IMAGE%:*}, tag: ${E2E_IMAGE##*:}, pullPolicy: IfNotPresent}
Y
    export E2E_VALUES
    kubectl create namespace neo4j-backup-system --dry-run=client -o yaml | kubectl apply -f - >/dev/null
    kubectl label --overwrite namespace neo4j-backup-system pod-security.kubernetes.io/enforce=restricted >/dev/null
    helm upgrade --install neo4j-backup "$here/../../deploy/helm/neo4j-backup" -n neo4j-backup-system \
        -f "$E2E_VALUES" --wait --timeout 120s
    # the same tag may hold a newer image
    kubectl -n neo4j-backup-system rollout restart deployment/neo4j-backup >/dev/null
    kubectl -n neo4j-backup-system rollout status deployment/neo4j-backup --timeout=120s >/dev/null
}

servers_up() {
    E2E_NEO4J_URI=bolt://$E2E_HOST:17690
    S3_ENDPOINT=http://$E2E_HOST:9490
    export E2E_NEO4J_URI S3_ENDPOINT
    servers s3-up minio main 9489
    servers proxy-up main 9490
}

# graph_up NAME COMMAND...: the database "main" with the graph that COMMAND writes, which is written anew unless it is there
# whole already.
graph_up() {
    local name=$1 mark=${E2E_SERVERS:-${NEO4J_BACKUP_CACHE:-$HOME/.cache/neo4j-backup}/servers}/neo4j/main/graph
    shift
    if [ "$(cat "$mark" 2>/dev/null)" != "$name" ]; then
        servers neo4j-wipe main
        servers neo4j-up 5 main 17690
        "$@"
        echo "$name" >"$mark"
    fi
    servers neo4j-up 5 main 17690
}

e2e_up() {
    e2e_environment
    step "image"
    make --no-print-directory -s -C "$here/../.." all test-tools
    "$here/../../tools/make-image" build/release "$out/image"
    step "cluster ($E2E_CLUSTER)"
    cluster_up
    step "MinIO, R2-shaped proxy and Neo4j on $E2E_HOST"
    servers_up
    graph_up social-500 "$E2E_PY" "$here/graphs/social_graph.py" "$E2E_NEO4J_URI" --people 500 --rels 1500
    step "chart"
    chart_up
}

e2e_down() {
    [ -z "${E2E_KEEP:-}" ] || return 0
    servers down-all || true
    case ${E2E_CLUSTER:-} in
    local) "$here/cluster/down.sh" || true ;;
    kind) kind delete cluster --name neo4j-backup || true ;;
    esac
}
