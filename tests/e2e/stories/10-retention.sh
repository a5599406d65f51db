#!/usr/bin/env bash
# Retention keeps what its rules say, deletes the rest whole, and never what is pinned by a foreign owner or not ours.
. "$(dirname "$0")/../lib.sh"
story_namespace retention

policy keep '{"retention": {"keepLast": 2}}'
for i in 1 2 3 4; do
    run_now keep "t$i"
    wait_until 60 "backup $i" bash -c "[ \"\$(kubectl -n $NS get neo4jbackup keep -o 'jsonpath={.status.lastHandledRequest}')\" = t$i ]"
    wait_until 60 "backup $i ended" bash -c "kubectl -n $NS get neo4jbackupruns -l neo4jbackup.dev/backup-name=keep -o json | jq -e '[.items[] | select(.status.conditions[]? | .type == \"Succeeded\" and .status == \"True\")] | length >= ([3, $i] | min)'"
done
wait_until 30 "two are kept" bash -c "[ \"\$('$E2E_PY' '$HERE/s3.py' ls $BUCKET | grep -c manifest.json)\" = 2 ]"
expect "objects" "$(s3 ls "$BUCKET" "" | wc -l)" 4
wait_until 20 "the policy counts two" bash -c "[ \"\$(kubectl -n $NS get neo4jbackup keep -o 'jsonpath={.status.stored.count}')\" = 2 ]"
# history limits never touch the bucket, and hold
run_count_is keep 3 || fail "the history limit of 3 does not hold: $(runs keep)"
story_done
