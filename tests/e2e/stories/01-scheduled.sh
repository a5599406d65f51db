#!/usr/bin/env bash
# A policy with a schedule of every minute: a run on time, true values everywhere.
. "$(dirname "$0")/../lib.sh"
story_namespace scheduled

policy nightly '{"schedule": "* * * * *", "retention": {"keepLast": 3}}'
wait_until 130 "a scheduled run succeeded" backed_up nightly 1

run=$(newest_run nightly)
expect trigger "$(field neo4jbackuprun "$run" .spec.trigger)" Schedule
scheduled=$(field neo4jbackuprun "$run" .spec.scheduledTime)
expect "name follows from the scheduled time" "$run" "nightly-$(($(date -ud "$scheduled" +%s) / 60))"
key=$(field neo4jbackuprun "$run" '.status.artifacts[0].key')
size=$(field neo4jbackuprun "$run" '.status.artifacts[0].sizeBytes')
expect "key" "$key" "neo4j-backup/neo4j_$(date -ud "$scheduled" +%Y-%m-%d_%H-%M-%S).cypher.gz"
expect "size in the bucket" "$(s3 ls "$BUCKET" "$key" | cut -d' ' -f1)" "$size"
s3 get "$BUCKET" "$key" "$E2E_DIR/dump.gz"
expect "checksum" "$(sha256sum <"$E2E_DIR/dump.gz" | cut -d' ' -f1)" \
    "$(field neo4jbackuprun "$run" '.status.artifacts[0].sha256')"
manifest=$(field neo4jbackuprun "$run" .status.manifestKey)
s3 get "$BUCKET" "$manifest" "$E2E_DIR/manifest.json"
expect "nodes" "$(jq .counts.nodes "$E2E_DIR/manifest.json")" "$(field neo4jbackuprun "$run" '.status.artifacts[0].nodes')"

# the policy shows it
wait_until 10 "the policy says so" condition_is neo4jbackup nightly LastBackupSucceeded "True Succeeded"
expect "Ready" "$(condition neo4jbackup nightly Ready | cut -d' ' -f1)" True
[ "$(date -ud "$(field neo4jbackup nightly .status.nextScheduleTime)" +%s)" -gt "$(date -ud "$scheduled" +%s)" ] ||
    fail "the next time is not after the last"
table=$(kubectl -n "$NS" get neo4jbackups)
echo "$table"
expect_match "head of the table" "$(head -n 1 <<<"$table")" '^NAME +SCHEDULE +SUSPEND +STATUS +LAST SUCCESS +SIZE +NEXT +AGE'
expect_match "row of the table" "$(tail -n 1 <<<"$table")" '^nightly +\* \* \* \* \* +false +[A-Z][A-Za-z]+ '
kubectl -n "$NS" get neo4jbackupruns
wait_until 20 "an event" bash -c "kubectl -n $NS get events | grep -q BackupSucceeded"

# the worker's pod holds nothing it need not
pod=$(kubectl -n "$NS" get pods -l "neo4jbackup.dev/run-name=$run" -o 'jsonpath={.items[0].metadata.name}')
expect "token" "$(field pod "$pod" .spec.automountServiceAccountToken)" false
expect "read-only root" "$(field pod "$pod" '.spec.containers[0].securityContext.readOnlyRootFilesystem')" true
expect "pod's secrets in the environment" \
    "$(kubectl -n "$NS" get pod "$pod" -o json | jq '[.spec.containers[0].env[]? | select(.valueFrom.secretKeyRef)] | length')" 0

# the next minute brings the next one, and no more than one
wait_until 130 "the next minute's run" backed_up nightly 2
times=$(kubectl -n "$NS" get neo4jbackupruns -o 'jsonpath={range .items[*]}{.spec.scheduledTime}{"\n"}{end}')
expect "no time twice" "$(sort <<<"$times" | uniq -d)" ""
nothing_left_behind
story_done
