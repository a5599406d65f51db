#!/usr/bin/env bash
# The worker's pod is killed in the middle, then the controller is: each time the run ends well, once.
. "$(dirname "$0")/../lib.sh"
story_namespace killed

servers proxy-up killed 9492 >/dev/null
trap 'servers proxy-down killed' EXIT
control() { curl -sS --fail -d "$1" "http://$E2E_HOST:9492/_control"; }
# slow enough to be caught in the middle
control '{"fault": "stall", "op": "PutObject", "seconds": 8, "times": 2, "match": "\\.cypher"}'
policy victim '{"storage": {"s3": {"endpoint": "http://'"$E2E_HOST"':9492"}}, "job": {"backoffLimit": 2}}'
run_now victim one
in_flight() { [[ $(s3 ls "$BUCKET" "") == *claim.json* ]]; }
wait_until 60 "the worker is in the middle" in_flight
pod=$(kubectl -n "$NS" get pods -l neo4jbackup.dev/backup-name=victim -o 'jsonpath={.items[0].metadata.name}')
kubectl -n "$NS" delete pod "$pod" --grace-period=0 --force >/dev/null 2>&1
wait_until 120 "the run succeeded all the same" backed_up victim 1
expect "manifests" "$(manifests)" 1
nothing_left_behind

control '{"fault": "stall", "op": "PutObject", "seconds": 8, "times": 1, "match": "\\.cypher"}'
run_now victim two
wait_until 60 "the worker is in the middle" in_flight
kubectl -n "$SYSTEM_NS" delete pod -l app.kubernetes.io/component=controller --grace-period=0 --force >/dev/null 2>&1
wait_until 180 "the run succeeded without its controller" backed_up victim 2
run_count_is victim 2 || fail "a run too many"
expect "manifests" "$(manifests)" 2
expect "pods of the second run" "$(kubectl -n "$NS" get pods -l "neo4jbackup.dev/run-name=$(newest_run victim)" -o name | wc -l)" 1
nothing_left_behind
story_done
