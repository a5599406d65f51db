#!/usr/bin/env bash
# What the controller's ServiceAccount may do to a Neo4jBackup, before the API server of apiserver.sh DIR: of the object its own
# finalizer, and the status; nothing else. (What it needs to work is shown by kube_faults.py, with the same rights.)
set -uo pipefail
dir=${1:?the directory of apiserver.sh}
# shellcheck source-path=SCRIPTDIR source=../parts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../parts/lib.sh"
passed=0 failed=0
as() {
    local who=$1
    shift
    "$(part_dir k8s)/kubectl" --kubeconfig "$dir/$who.kubeconfig" -n rights "$@" 2>&1
}
bad() {
    failed=$((failed + 1))
    printf 'FAIL %s: %s\n' "$1" "$2"
}
# may NAME PATCH; may_not NAME SENTENCE PATCH: a merge patch of the policy, by the controller
may() {
    local out
    if out=$(as controller patch n4b p --type merge -p "$2"); then passed=$((passed + 1)); else bad "$1" "$out"; fi
}
may_not() {
    local out
    if out=$(as controller patch n4b p --type merge -p "$3"); then
        bad "$1" "it was taken"
    elif [[ $out == *"$2"* ]]; then
        passed=$((passed + 1))
    else
        bad "$1" "$out"
    fi
}

as admin create namespace rights >/dev/null
as admin apply -f - >/dev/null <<'Y' || exit 1
apiVersion: neo4jbackup.dev/v1
kind: Neo4jBackup
metadata: {name: p, finalizers: [example.org/other], annotations: {a: b}}
spec:
  connection: {uri: "bolt://neo4j:7687"}
  storage: {s3: {endpoint: "https://s3.example.org", bucket: bbb, credentialsSecretRef: {name: c}}}
Y
# A policy is in force a moment after it was made; a patch that changes nothing would pass it.
in_force() { ! as controller patch n4b p --type merge -p "{\"spec\":{\"startJitterSeconds\":$((RANDOM % 3600))}}" >/dev/null; }
wait_for 60 in_force || bad "the policy is in force" "not within 60 s"

may 'its finalizer' '{"metadata":{"finalizers":["example.org/other","neo4jbackup.dev/prune"]}}'
may 'no finalizer of its own any more' '{"metadata":{"finalizers":["example.org/other"]}}'
spec='must not change the spec'
may_not 'another server' "$spec" '{"spec":{"connection":{"uri":"bolt://thief:7687"}}}'
may_not 'another bucket' "$spec" '{"spec":{"storage":{"s3":{"endpoint":"https://thief.example.org"}}}}'
may_not 'retention' "$spec" '{"spec":{"retention":{"onDelete":"Delete"}}}'
may_not 'the finalizer of another' 'other finalizers' '{"metadata":{"finalizers":null}}'
may_not 'an annotation' 'annotations, labels or owners' '{"metadata":{"annotations":{"neo4jbackup.dev/run-requested":"x"}}}'
may_not 'a label' 'annotations, labels or owners' '{"metadata":{"labels":{"a":"b"}}}'
for verb in create update delete; do
    if [ "$(as controller auth can-i "$verb" neo4jbackups.neo4jbackup.dev)" = no ]; then passed=$((passed + 1)); else bad "$verb" "it may"; fi
done
if [ "$(as controller auth can-i get secrets)" = no ]; then passed=$((passed + 1)); else bad 'secrets' 'it may get them'; fi
as admin patch n4b p --type merge -p '{"metadata":{"finalizers":null}}' >/dev/null
as admin delete namespace rights --wait=false >/dev/null
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
