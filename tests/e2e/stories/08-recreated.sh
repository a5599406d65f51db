#!/usr/bin/env bash
# A policy that is deleted loses no backup; made again under the same name it finds them, by a refresh from the bucket alone,
# and its retention deletes nothing until `adopt` says that it is the same one. A pin outlives all of that.
. "$(dirname "$0")/../lib.sh"
story_namespace recreated

spec='{"retention": {"keepLast": 1}}'
policy again "$spec"
run_now again a
wait_until 60 "a first backup" backed_up again 1
run=$(newest_run again)
key=$(field neo4jbackuprun "$run" '.status.artifacts[0].manifestKey')
kubectl -n "$NS" annotate neo4jbackuprun "$run" neo4jbackup.dev/pinned=true >/dev/null
wait_until 60 "the pin is in the bucket" condition_is neo4jbackuprun "$run" Pinned "True Pinned"
expect "pins in the bucket" "$(s3 ls "$BUCKET" "" | sed -n 's/.* //p' | grep '[.]pin$')" "${key%.manifest.json}.pin"
kubectl -n "$NS" delete neo4jbackup again --wait >/dev/null
wait_until 60 "runs and Jobs go with their policy" bash -c "[ -z \"\$(kubectl -n $NS get neo4jbackupruns,jobs -o name)\" ]"
expect "manifests after deletion" "$(manifests)" 1

policy again "$spec"
# No run, no Job and no status is left: what the list has it has from the bucket.
kubectl -n "$NS" annotate neo4jbackup again neo4jbackup.dev/refresh-requested=anew >/dev/null
refreshed() { [ "$(field neo4jbackup again .status.lastHandledRefresh)" = anew ]; }
wait_until 60 "a refresh" refreshed
expect "restore points" "$(field neo4jbackup again '.status.restorePoints[*].manifestKey')" "$key"
expect "... the pin too" "$(field neo4jbackup again '.status.restorePoints[*].pinned')" true
expect "... and how many" "$(field neo4jbackup again .status.stored.count)" 1

run_now again b
wait_until 60 "a backup of the new object" backed_up again 1
expect "nothing was deleted" "$(manifests)" 2
wait_until 20 "retention is blocked" bash -c "kubectl -n $NS get neo4jbackup again -o json | jq -e '.status.conditions[] | select(.type == \"RetentionHealthy\" and .status == \"False\" and .reason == \"RetentionBlocked\")'"
policy again '{"retention": {"keepLast": 1}, "storage": {"adopt": true}}'
run_now again c
wait_until 60 "adopted" backed_up again 2
wait_until 20 "retention works again" bash -c "kubectl -n $NS get neo4jbackup again -o json | jq -e '.status.conditions[] | select(.type == \"RetentionHealthy\" and .status == \"True\")'"
expect "manifests" "$(manifests)" 2
expect "the pinned one, which the rules would have deleted, among them" "$(s3 ls "$BUCKET" "$key" | wc -l)" 1
story_done
