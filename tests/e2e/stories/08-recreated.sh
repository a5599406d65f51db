#!/usr/bin/env bash
# A policy that is deleted loses no backup; made again under the same name it finds them, and its retention deletes
# nothing until `adopt` says that it is the same one.
. "$(dirname "$0")/../lib.sh"
story_namespace recreated

spec='{"retention": {"keepLast": 1}}'
policy again "$spec"
run_now again a
wait_until 60 "a first backup" backed_up again 1
kubectl -n "$NS" delete neo4jbackup again --wait >/dev/null
wait_until 60 "runs and Jobs go with their policy" bash -c "[ -z \"\$(kubectl -n $NS get neo4jbackupruns,jobs -o name)\" ]"
expect "manifests after deletion" "$(manifests)" 1

policy again "$spec"
run_now again b
wait_until 60 "a backup of the new object" backed_up again 1
expect "nothing was deleted" "$(manifests)" 2
wait_until 20 "retention is blocked" bash -c "kubectl -n $NS get neo4jbackup again -o json | jq -e '.status.conditions[] | select(.type == \"RetentionHealthy\" and .status == \"False\" and .reason == \"RetentionBlocked\")'"
policy again '{"retention": {"keepLast": 1}, "storage": {"adopt": true}}'
run_now again c
wait_until 60 "adopted" backed_up again 2
wait_until 20 "retention works again" bash -c "kubectl -n $NS get neo4jbackup again -o json | jq -e '.status.conditions[] | select(.type == \"RetentionHealthy\" and .status == \"True\")'"
expect "manifests" "$(manifests)" 1
story_done
