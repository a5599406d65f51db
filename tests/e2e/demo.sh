#!/usr/bin/env bash
# The main job, from nothing to a restored graph, on real parts: what `make demo` runs.
#
#   demo.sh up     sets everything up, makes a scheduled backup, restores it, compares (can be run again)
#   demo.sh down   takes everything down: what `make clean-demo` runs
#
# With KUBECONFIG set it uses that cluster (then E2E_HOST and E2E_IMAGE must be set too), else kind where Docker, kind and
# its node image are there, else a local single-node cluster built from pinned Go modules.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.."
if [ "$(id -u)" -ne 0 ]; then
    exec sudo -E "$0" "$@"
fi
out=$PWD/build/demo
mkdir -p "$out"
. "$here/setup.sh"
started=$SECONDS

run() { # shows a command and runs it
    printf '\n$ %s\n' "$*"
    "$@"
}

down() {
    [ -z "${KUBECONFIG:-}" ] || E2E_KUBECONFIG=$KUBECONFIG
    export E2E_KEEP=''
    E2E_CLUSTER=$(cluster_kind)
    if [ "$E2E_CLUSTER" = given ]; then
        kubectl delete namespace demo --ignore-not-found --wait
        helm uninstall neo4j-backup -n neo4j-backup-system --ignore-not-found || true
    fi
    e2e_down
    rm -rf "$out"
    echo "the demo is gone; downloads stay in ${NEO4J_BACKUP_CACHE:-$HOME/.cache/neo4j-backup}"
}

get_parts() {
    parts apt-build apt-parts
    parts helm minio neo4j-5 cypher-shell py k8s coredns
}

graphs() {
    "$E2E_PY" "$here/graphs/graphiti_graph.py" "$E2E_NEO4J_URI"
    "$E2E_PY" "$here/graphs/social_graph.py" "$E2E_NEO4J_URI" --people 500 --rels 1500
}

apply() {
    kubectl create namespace demo --dry-run=client -o yaml | kubectl apply -f - >/dev/null
    kubectl label --overwrite namespace demo pod-security.kubernetes.io/enforce=restricted >/dev/null
    kubectl -n demo delete secret neo4j-auth r2-credentials --ignore-not-found >/dev/null
    cd "$out"
    printf 'NEO4J_PASSWORD=%s\n' "$E2E_NEO4J_PASSWORD" >neo4j.env
    printf 'R2_ACCESS_KEY_ID=%s\nR2_SECRET_ACCESS_KEY=%s\n' "$S3_ACCESS_KEY" "$S3_SECRET_KEY" >r2.env
    run kubectl -n demo create secret generic neo4j-auth --from-env-file=neo4j.env
    run kubectl -n demo create secret generic r2-credentials --from-env-file=r2.env
    rm -f neo4j.env r2.env
    cat >backup.yaml <<Y
apiVersion: neo4jbackup.dev/v1
kind: Neo4jBackup
metadata: {name: graphiti}
spec:
  schedule: "* * * * *"
  connection:
    uri: $E2E_NEO4J_URI
    authSecretRef: {name: neo4j-auth}
  storage:
    s3:
      endpoint: $S3_ENDPOINT
      bucket: graphiti-neo4j-backup
      forcePathStyle: true
      credentialsSecretRef: {name: r2-credentials}
Y
    printf '\n$ cat backup.yaml\n'
    cat backup.yaml
    run kubectl -n demo apply -f backup.yaml
    cd - >/dev/null
}

newest_good_run() {
    kubectl -n demo get neo4jbackupruns --sort-by=.spec.scheduledTime -o json | jq -r --arg after "$1" '
        [.items[] | select(.spec.scheduledTime > $after)
         | select(.status.conditions[]? | .type == "Succeeded" and .status == "True") | .metadata.name] | first // empty'
}

wait_for_backup() {
    local after end=$((SECONDS + 180))
    after=$(date -u +%Y-%m-%dT%H:%M:%SZ)
    echo
    echo "waiting for the next full minute …"
    until run_name=$(newest_good_run "$after") && [ -n "$run_name" ]; do
        if [ $SECONDS -ge $end ]; then
            kubectl -n demo get neo4jbackups,neo4jbackupruns,jobs,pods
            kubectl -n neo4j-backup-system logs deployment/neo4j-backup --tail=20
            echo "no backup within 180 s" >&2
            exit 1
        fi
        sleep 1
    done
    run kubectl -n demo get neo4jbackups
    run kubectl -n demo get neo4jbackupruns
}

restore() {
    local key
    key=$(kubectl -n demo get neo4jbackuprun "$run_name" -o 'jsonpath={.status.artifacts[0].key}')
    step "restore of $key by plain cypher-shell into an empty Neo4j"
    servers neo4j-down restored >/dev/null 2>&1 || true
    servers neo4j-wipe restored
    servers neo4j-up 5 restored 17695
    "$E2E_PY" "$here/s3.py" get graphiti-neo4j-backup "$key" "$out/restore.cypher.gz"
    printf '\n$ gunzip -c %s | cypher-shell -a bolt://%s:17695 -u neo4j\n' "${key##*/}" "$E2E_HOST"
    gunzip -c "$out/restore.cypher.gz" | NEO4J_PASSWORD=$E2E_NEO4J_PASSWORD servers shell "bolt://$E2E_HOST:17695" >"$out/shell.log"
    step "comparison, every node, relationship, value, index and constraint"
    "$E2E_PY" "$here/graph_compare.py" "$E2E_NEO4J_URI" "bolt://$E2E_HOST:17695"
}

up() {
    [ -z "${KUBECONFIG:-}" ] || export E2E_KUBECONFIG=$KUBECONFIG
    step "parts (the first time this builds Kubernetes and takes minutes; later it is quick)"
    get_parts
    e2e_environment
    step "programs and image"
    make --no-print-directory -s -j"$(nproc)" all
    tools/make-image build/release "$out/image"
    step "cluster ($E2E_CLUSTER)"
    cluster_up
    step "MinIO behind an R2-shaped proxy on $E2E_HOST"
    servers_up
    "$E2E_PY" "$here/s3.py" make graphiti-neo4j-backup
    step "Neo4j with a graph: what graphiti writes (its own classes), and a social graph"
    graph_up demo graphs
    step "helm install"
    chart_up
    apply
    wait_for_backup
    restore
    echo
    echo "The demo took $((SECONDS - started)) s. Look around: export KUBECONFIG=$KUBECONFIG; kubectl -n demo get neo4jbackups"
    echo "End it with: make clean-demo"
}

case ${1:-up} in
up) up ;;
down) down ;;
*) echo "usage: demo.sh up|down" >&2; exit 2 ;;
esac
